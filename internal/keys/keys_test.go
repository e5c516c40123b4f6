package keys_test

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"

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
