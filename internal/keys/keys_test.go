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
