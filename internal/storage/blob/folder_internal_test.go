package blob

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// TestFoldersAreDurable: before a process relies on a folder for the first time, it makes
// the names of it and of all above durable, whoever made them.
func TestFoldersAreDurable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "tables/7/data"), 0o700); err != nil { // by one that was killed then
		t.Fatal(err)
	}
	l, err := OpenLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var synced []string
	l.synced = func(folder string) { synced = append(synced, folder) }
	put := func(key string, want ...string) {
		t.Helper()
		synced = nil
		w, err := l.Create(t.Context(), key)
		if err == nil {
			err = w.Commit()
		}
		if err != nil || !slices.Equal(synced, want) {
			t.Errorf("%s: synced %q, want %q (%v)", key, synced, want, err)
		}
	}
	put("tables/7/data/a", ".", "tables", "tables/7", "tables/7/data")
	put("tables/7/data/b", "tables/7/data")
	put("tables/7/metadata/a", "tables/7", "tables/7/metadata")
	if err := os.RemoveAll(filepath.Join(dir, "tables/7")); err != nil { // by another process
		t.Fatal(err)
	}
	put("tables/7/data/a", "tables", "tables/7", "tables/7/data")
}

// TestRemoveFolders: empty folders go, others stay, and whoever writes at that moment
// notices nothing.
func TestRemoveFolders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := OpenLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	other, err := OpenLocal(dir) // as another process has it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = l.Close(), other.Close() })
	put := func(l *Local, key string) {
		w, err := l.Create(context.Background(), key)
		if err == nil {
			err = w.Commit()
		}
		if err != nil {
			t.Error(err)
		}
	}
	put(l, "tables/1/keep/a")
	put(l, "tables/1/data/a")
	if err := l.Remove(t.Context(), "tables/1/data/a"); err != nil {
		t.Fatal(err)
	}
	if err := l.RemoveFolders(t.Context(), "tables/1"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"tables/1/keep/a": true, "tables/1/data": false} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	var writing sync.WaitGroup
	for w, store := range []*Local{l, l, other} {
		writing.Go(func() {
			for i := range 60 {
				from, to := fmt.Sprintf("tables/2/data/%d-%d", w, i), fmt.Sprintf("tables/2/linked/%d-%d", w, i)
				put(store, from)
				if err := store.Link(context.Background(), from, to); err != nil {
					t.Error(err)
				}
				for _, key := range []string{from, to} {
					if err := store.Remove(context.Background(), key); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writing.Wait(); close(done) }()
	for over := false; !over; {
		select {
		case <-done:
			over = true
		default:
		}
		if err := l.RemoveFolders(t.Context(), "tables/2"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "tables/2")); !os.IsNotExist(err) {
		t.Errorf("the empty folder is still there: %v", err)
	}
	if err := l.RemoveFolders(t.Context(), "tables/2"); err != nil {
		t.Errorf("removing what is gone: %v", err)
	}
}
