package keys_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"steward/internal/id"
	"steward/internal/keys"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys", "keys.json")
	var wg sync.WaitGroup
	rings := make([]*keys.Ring, 8)
	for i := range rings {
		wg.Go(func() {
			r, err := keys.Open(path)
			if err != nil {
				t.Error(err)
				return
			}
			rings[i] = r
		})
	}
	wg.Wait()
	for _, r := range rings[1:] {
		if r == nil || r.Current() != rings[0].Current() {
			t.Fatal("processes that start at once have different keys")
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	a, err := rings[0].MAC(rings[0].Current(), keys.Pepper, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := rings[0].MAC(rings[0].Current(), keys.Token, []byte("x"))
	if err != nil || bytes.Equal(a, b) {
		t.Fatalf("purposes share a key (%v)", err)
	}
	if _, err := rings[0].MAC("other", keys.Pepper, nil); err == nil {
		t.Fatal("a missing key was used")
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
	}{
		"readable by others": {`[{"id":"k","secret":"` + "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff" + `"}]`, 0o644},
		"no JSON":            {"x", 0o600}, "no key": {"[]", 0o600}, "a short key": {`[{"id":"k","secret":"00"}]`, 0o600},
	} {
		path := filepath.Join(t.TempDir(), "keys.json")
		if err := os.WriteFile(path, []byte(c.content), c.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Open(path); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestASVS_11_3_3: what is sealed opens only for its purpose, in its place, unchanged.
func TestASVS_11_3_3(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.json")
	r, err := keys.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	plain := []byte("a secret")
	sealed, err := r.Seal(keys.Factor, "users/1", plain)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := r.Seal(keys.Factor, "users/1", plain); again == sealed {
		t.Error("the same text is sealed the same way twice")
	}
	if got, err := r.Unseal(keys.Factor, "users/1", sealed); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("%q, %v", got, err)
	}
	if _, err := r.Unseal(keys.Factor, "users/2", sealed); err == nil {
		t.Error("sealed text opens in another's place")
	}
	if _, err := r.Unseal(keys.Letter, "users/1", sealed); err == nil {
		t.Error("sealed text opens for another purpose")
	}
	for i := range sealed {
		changed := []byte(sealed)
		changed[i] ^= 1
		if got, err := r.Unseal(keys.Factor, "users/1", string(changed)); err == nil && i < len(sealed)-1 {
			t.Fatalf("changed at byte %d, it opens as %q", i, got)
		}
	}
	for _, bad := range []string{"", ":", "k", r.Current() + ":", r.Current() + ":AAAA", "other" + sealed} {
		if _, err := r.Unseal(keys.Factor, "users/1", bad); err == nil {
			t.Errorf("%q opens", bad)
		}
	}
	// A new key seals what comes; the old one still opens what it sealed.
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	more := bytes.Replace(raw, []byte("]"), []byte(`,{"id":"k2","secret":"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"}]`), 1)
	if err := os.WriteFile(path, more, 0o600); err != nil {
		t.Fatal(err)
	}
	two, err := keys.Open(path)
	if err != nil || two.Current() != "k2" {
		t.Fatalf("current %q, %v", two.Current(), err)
	}
	if got, err := two.Unseal(keys.Factor, "users/1", sealed); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("after a new key: %q, %v", got, err)
	}
}

// masterOf is the master key in a key file.
func masterOf(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var ring []struct{ ID, Secret string }
	if err := json.Unmarshal(raw, &ring); err != nil {
		t.Fatal(err)
	}
	secret, err := hex.DecodeString(ring[len(ring)-1].Secret)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// TestASVS_11_3_1: equal blocks of a text are not equal when it is sealed, and nothing is
// padded: the length is that of the text, a nonce and a tag.
func TestASVS_11_3_1(t *testing.T) {
	t.Parallel()
	r, err := keys.Open(filepath.Join(t.TempDir(), "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 15, 16, 17, 16 * 1000} {
		sealed, err := r.Seal(keys.Letter, "mails/1", bytes.Repeat([]byte{'a'}, n))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := base64.RawStdEncoding.DecodeString(sealed[strings.IndexByte(sealed, ':')+1:])
		if err != nil || len(raw) != 12+n+16 {
			t.Fatalf("%d bytes are sealed as %d (%v)", n, len(raw), err)
		}
		blocks := map[string]bool{}
		for text := raw[12:]; len(text) >= 16; text = text[16:] {
			if blocks[string(text[:16])] {
				t.Fatalf("of %d equal bytes, two blocks are equal", n)
			}
			blocks[string(text[:16])] = true
		}
	}
}

// TestASVS_11_3_2: what is sealed is AES-256-GCM, as another implementation of the same
// standards opens it.
func TestASVS_11_3_2(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.json")
	r, err := keys.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := r.Seal(keys.Factor, "factors/7", []byte("a secret"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimPrefix(sealed, r.Current()+":"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := hkdf.Key(sha256.New, masterOf(t, path), nil, string(keys.Factor), 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	box, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := box.Open(nil, raw[:12], raw[12:], []byte("factors/7")); err != nil || string(plain) != "a secret" {
		t.Errorf("%q, %v", plain, err)
	}
}

// TestASVS_11_4_1: codes are HMAC-SHA-256, and what is kept of secrets is their SHA-256, as
// other implementations compute them.
func TestASVS_11_4_1(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.json")
	r, err := keys.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	key, err := hkdf.Key(sha256.New, masterOf(t, path), nil, string(keys.Recovery), 32)
	if err != nil {
		t.Fatal(err)
	}
	m := hmac.New(sha256.New, key)
	m.Write([]byte("code"))
	if got, err := r.MAC(r.Current(), keys.Recovery, []byte("code")); err != nil || !bytes.Equal(got, m.Sum(nil)) {
		t.Errorf("%x, %v", got, err)
	}
	// FIPS 180-2, appendix B.1.
	if got := id.Digest("abc"); got != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Errorf("the digest of abc is %s", got)
	}
}

// TestASVS_11_4_3: digests and codes have 256 bits, of whatever length they are.
func TestASVS_11_4_3(t *testing.T) {
	t.Parallel()
	r, err := keys.Open(filepath.Join(t.TempDir(), "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for n := range 300 {
		data := bytes.Repeat([]byte{'x'}, n)
		mac, err := r.MAC(r.Current(), keys.Pepper, data)
		if err != nil || len(mac) != 32 {
			t.Fatalf("a code of %d bytes (%v)", len(mac), err)
		}
		digest := id.Digest(string(data))
		if raw, err := hex.DecodeString(digest); err != nil || len(raw) != 32 {
			t.Fatalf("a digest of %d bytes (%v)", len(raw), err)
		}
		seen[digest]++
		seen[hex.EncodeToString(mac)]++
	}
	if len(seen) != 600 {
		t.Errorf("%d different values of 600", len(seen))
	}
}

// TestASVS_11_4_4: a key is never made of what somebody could type: the file holds random
// bytes as many as a key has, or it is refused, and each purpose has a key of its own.
func TestASVS_11_4_4(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"", "correct horse battery staple", strings.Repeat("0", 32), hex.EncodeToString([]byte("a passphrase")), strings.Repeat("0", 63), strings.Repeat("0", 66)} {
		path := filepath.Join(t.TempDir(), "keys.json")
		raw, err := json.Marshal([]map[string]string{{"id": "k1", "secret": secret}})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Open(path); err == nil {
			t.Errorf("%q is taken for a key", secret)
		}
	}
	r, err := keys.Open(filepath.Join(t.TempDir(), "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]keys.Purpose{}
	for _, p := range []keys.Purpose{keys.Pepper, keys.Token, keys.Factor, keys.Recovery, keys.Letter, keys.Flow} {
		mac, err := r.MAC(r.Current(), p, []byte("x"))
		if other, ok := seen[string(mac)]; ok || err != nil {
			t.Errorf("%s and %s share a key (%v)", p, other, err)
		}
		seen[string(mac)] = p
	}
}

// TestASVS_11_6_1: a master key is 256 bits of the system's randomness, new in every
// installation: no bit of it is the same everywhere, none leans to one side.
func TestASVS_11_6_1(t *testing.T) {
	t.Parallel()
	const rings = 400
	var ones [256]int
	seen := map[string]bool{}
	for range rings {
		path := filepath.Join(t.TempDir(), "keys.json")
		if _, err := keys.Open(path); err != nil {
			t.Fatal(err)
		}
		secret := masterOf(t, path)
		if len(secret) != 32 || seen[string(secret)] {
			t.Fatalf("a key of %d bytes, or one that was there", len(secret))
		}
		seen[string(secret)] = true
		for i := range ones {
			ones[i] += int(secret[i/8]>>(i%8)) & 1
		}
	}
	for i, n := range ones { // six standard deviations of a fair coin: 60
		if n < rings/2-60 || n > rings/2+60 {
			t.Errorf("bit %d is set in %d of %d keys", i, n, rings)
		}
	}
}
