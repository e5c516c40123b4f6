package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/storage/blob"
)

func open(t *testing.T) (*blob.Local, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data", "blobs")
	store, err := blob.OpenLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store, dir
}

func put(t *testing.T, store *blob.Local, key, content string) {
	t.Helper()
	w, err := store.Create(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, store *blob.Local, key string) string {
	t.Helper()
	f, err := store.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(content)) != f.Size() {
		t.Errorf("%s: Size is %d, content has %d bytes", key, f.Size(), len(content))
	}
	return string(content)
}

func keys(t *testing.T, store *blob.Local, prefix string) []string {
	t.Helper()
	var found []string
	err := store.Walk(t.Context(), prefix, func(key string, size int64, modified time.Time) error {
		if n, err := store.Size(t.Context(), key); err != nil || n != size {
			t.Errorf("Walk says %s has %d bytes, Size says %d, %v", key, size, n, err)
		}
		if time.Since(modified) > time.Hour {
			t.Errorf("%s was modified at %v", key, modified)
		}
		found = append(found, key)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// files lists everything on disk, temporary files too.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestObject(t *testing.T) {
	t.Parallel()
	store, dir := open(t)
	put(t, store, "tables/1/data/a.parquet", "hello")
	put(t, store, "empty", "")

	if got := get(t, store, "tables/1/data/a.parquet"); got != "hello" {
		t.Errorf("content is %q", got)
	}
	if got := get(t, store, "empty"); got != "" {
		t.Errorf("content is %q", got)
	}
	f, err := store.Open(t.Context(), "tables/1/data/a.parquet")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	part := make([]byte, 3)
	if _, err := f.ReadAt(part, 2); err != nil || string(part) != "llo" {
		t.Errorf("ReadAt: %q, %v", part, err)
	}
	if _, err := f.Seek(-2, io.SeekEnd); err != nil {
		t.Error(err)
	}
	if rest, err := io.ReadAll(f); err != nil || string(rest) != "lo" {
		t.Errorf("after Seek: %q, %v", rest, err)
	}

	for path, want := range map[string]fs.FileMode{"": 0o700, "tables/1": 0o700, "empty": 0o600} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: mode %v, want %v (%v)", path, info.Mode(), want, err)
		}
	}

	if err := store.Remove(t.Context(), "empty"); err != nil {
		t.Error(err)
	}
	if err := store.Remove(t.Context(), "empty"); err != nil {
		t.Errorf("removing again: %v", err)
	}
	if _, err := store.Open(t.Context(), "empty"); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Open after Remove: %v", err)
	}
	if _, err := store.Size(t.Context(), "empty"); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Size after Remove: %v", err)
	}
	if _, err := store.Open(t.Context(), "tables/1"); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Open of a folder: %v", err)
	}
	if _, err := store.Size(t.Context(), "tables/1"); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Size of a folder: %v", err)
	}
}

func TestReadFrom(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	w, err := store.Create(t.Context(), "copied")
	if err != nil {
		t.Fatal(err)
	}
	content := strings.Repeat("0123456789", 20_000)
	if n, err := io.Copy(w, strings.NewReader(content)); n != int64(len(content)) || err != nil {
		t.Fatal(n, err)
	}
	if w.Size() != int64(len(content)) {
		t.Errorf("Size is %d", w.Size())
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if get(t, store, "copied") != content {
		t.Error("content differs")
	}
}

func TestNothingBeforeCommit(t *testing.T) {
	t.Parallel()
	store, dir := open(t)
	start := func(key string) *blob.Writer {
		w, err := store.Create(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("half")); err != nil {
			t.Fatal(err)
		}
		return w
	}
	aborted, dropped := start("a/aborted"), start("a/dropped")
	if _, err := store.Open(t.Context(), "a/dropped"); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("visible before Commit: %v", err)
	}
	if err := aborted.Abort(); err != nil {
		t.Fatal(err)
	}
	if err := aborted.Abort(); err != nil {
		t.Errorf("second Abort: %v", err)
	}
	if _, err := aborted.Write([]byte("x")); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Write after Abort: %v", err)
	}
	if err := aborted.Commit(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Commit after Abort: %v", err)
	}
	if got := keys(t, store, ""); len(got) != 0 {
		t.Errorf("Walk finds %v", got)
	}
	left := files(t, dir)
	if len(left) != 1 {
		t.Fatalf("on disk: %v", left)
	}

	// The dropped writer stands for a crash: Sweep removes its file once old.
	if n, err := store.Sweep(t.Context(), time.Now().Add(-time.Hour)); n != 0 || err != nil {
		t.Errorf("Sweep of young files: %d, %v", n, err)
	}
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(left[0], old, old); err != nil {
		t.Fatal(err)
	}
	put(t, store, "a/object", "x")
	if err := os.Chtimes(filepath.Join(dir, "a/object"), old, old); err != nil {
		t.Fatal(err)
	}
	if n, err := store.Sweep(t.Context(), time.Now().Add(-time.Hour)); n != 1 || err != nil {
		t.Errorf("Sweep: %d, %v", n, err)
	}
	if left := files(t, dir); len(left) != 1 || filepath.Base(left[0]) != "object" {
		t.Errorf("on disk after Sweep: %v", left)
	}
	if err := dropped.Commit(); err == nil {
		t.Error("Commit succeeded without its file")
	}
}

func TestNeverOverwrites(t *testing.T) {
	t.Parallel()
	store, dir := open(t)
	put(t, store, "k", "first")
	w, err := store.Create(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("second")); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); !errors.Is(err, blob.ErrExists) {
		t.Errorf("Commit over an object: %v", err)
	}
	if err := w.Abort(); err != nil {
		t.Error(err)
	}
	if got := get(t, store, "k"); got != "first" {
		t.Errorf("content is %q", got)
	}
	if left := files(t, dir); len(left) != 1 {
		t.Errorf("on disk: %v", left)
	}
	if _, err := store.Create(t.Context(), "k/below"); !errors.Is(err, blob.ErrExists) {
		t.Errorf("Create below an object: %v", err)
	}
}

func TestOneOfManyWins(t *testing.T) {
	t.Parallel()
	store, dir := open(t)
	var wg sync.WaitGroup
	won := make([]bool, 16)
	for i := range won {
		wg.Go(func() {
			w, err := store.Create(context.Background(), "deep/down/same")
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = w.Abort() }()
			if _, err := fmt.Fprint(w, i); err != nil {
				t.Error(err)
			}
			switch err := w.Commit(); {
			case err == nil:
				won[i] = true
			case !errors.Is(err, blob.ErrExists):
				t.Error(err)
			}
			put(t, store, fmt.Sprintf("deep/down/%d/own", i), "x")
		})
	}
	wg.Wait()
	winner := slices.Index(won, true)
	if winner < 0 || slices.Contains(won[winner+1:], true) {
		t.Fatalf("won: %v", won)
	}
	if got := get(t, store, "deep/down/same"); got != strconv.Itoa(winner) {
		t.Errorf("%d won, content is %q", winner, got)
	}
	if left := files(t, dir); len(left) != 17 {
		t.Errorf("%d files on disk", len(left))
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	store, dir := open(t)
	outside := filepath.Join(filepath.Dir(dir), "outside")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(dir), filepath.Join(dir, "up")); err != nil {
		t.Fatal(err)
	}
	put(t, store, "here", "x")
	for _, key := range []string{
		"", ".", "..", "/", "/here", "../outside", "a/../../outside", "a/..", "a//b", "a/", "./here", `a\b`,
		"a\x00b", "a\nb", "A", "ä", "a b", "~temp", "a/~temp", "c:here",
		strings.Repeat("a", 256), strings.Repeat("abc/", 128) + "a",
	} {
		if _, err := store.Create(t.Context(), key); !errors.Is(err, blob.ErrKey) {
			t.Errorf("Create(%q): %v", key, err)
		}
		if _, err := store.Open(t.Context(), key); !errors.Is(err, blob.ErrKey) {
			t.Errorf("Open(%q): %v", key, err)
		}
		if _, err := store.Size(t.Context(), key); !errors.Is(err, blob.ErrKey) {
			t.Errorf("Size(%q): %v", key, err)
		}
		if err := store.Remove(t.Context(), key); !errors.Is(err, blob.ErrKey) {
			t.Errorf("Remove(%q): %v", key, err)
		}
		if err := store.Link(t.Context(), "here", key); !errors.Is(err, blob.ErrKey) {
			t.Errorf("Link to %q: %v", key, err)
		}
		if err := store.Link(t.Context(), key, "there"); !errors.Is(err, blob.ErrKey) {
			t.Errorf("Link from %q: %v", key, err)
		}
	}
	// Valid keys that meet a symbolic link out of the folder.
	for _, key := range []string{"link", "up/outside"} {
		if _, err := store.Open(t.Context(), key); err == nil {
			t.Errorf("Open(%q) left the folder", key)
		}
	}
	if _, err := store.Create(t.Context(), "up/new"); err == nil {
		t.Error("Create left the folder")
	}
	if err := store.Walk(t.Context(), "../", func(string, int64, time.Time) error { return nil }); !errors.Is(err, blob.ErrKey) {
		t.Errorf("Walk: %v", err)
	}
	put(t, store, strings.Repeat("abc/", 127)+"abcd", "longest key")
	put(t, store, strings.Repeat("a", 255), "longest name")
}

func TestWalk(t *testing.T) {
	t.Parallel()
	store, dir := open(t)
	for _, key := range []string{"tables/1/a", "tables/1/b/c", "tables/12/a", "tables/2", "files/x"} {
		put(t, store, key, key)
	}
	if err := os.WriteFile(filepath.Join(dir, "tables", ".DS_Store"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tables", "UPPER"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for prefix, want := range map[string][]string{
		"":           {"files/x", "tables/1/a", "tables/1/b/c", "tables/12/a", "tables/2"},
		"tables/1":   {"tables/1/a", "tables/1/b/c", "tables/12/a"},
		"tables/1/":  {"tables/1/a", "tables/1/b/c"},
		"tables/1/b": {"tables/1/b/c"},
		"tables/3/":  nil,
		"tables/2/":  nil,
		"f":          {"files/x"},
	} {
		if got := keys(t, store, prefix); !slices.Equal(got, want) {
			t.Errorf("Walk(%q) = %v, want %v", prefix, got, want)
		}
	}
	stop := errors.New("enough")
	n := 0
	err := store.Walk(t.Context(), "", func(string, int64, time.Time) error { n++; return stop })
	if n != 1 || !errors.Is(err, stop) {
		t.Errorf("stopped after %d: %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := store.Walk(ctx, "", func(string, int64, time.Time) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestLink(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	put(t, store, "tables/1/data/a", "rows")
	if err := store.Link(t.Context(), "tables/1/data/a", "tables/2/data/a"); err != nil {
		t.Fatal(err)
	}
	if err := store.Link(t.Context(), "tables/1/data/a", "tables/2/data/a"); !errors.Is(err, blob.ErrExists) {
		t.Errorf("Link over an object: %v", err)
	}
	if err := store.Link(t.Context(), "missing", "tables/3/data/a"); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Link of nothing: %v", err)
	}
	if err := store.Remove(t.Context(), "tables/1/data/a"); err != nil {
		t.Fatal(err)
	}
	if got := get(t, store, "tables/2/data/a"); got != "rows" {
		t.Errorf("content is %q", got)
	}
}

func TestCanceled(t *testing.T) {
	t.Parallel()
	store, dir := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	w, err := store.Create(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := w.Write([]byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("Write: %v", err)
	}
	if err := w.Commit(); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit: %v", err)
	}
	if _, err := store.Create(ctx, "k"); !errors.Is(err, context.Canceled) {
		t.Errorf("Create: %v", err)
	}
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("on disk: %v", left)
	}
}

func TestReopen(t *testing.T) {
	t.Parallel()
	store, dir := open(t)
	put(t, store, "a/b", "kept")
	again, err := blob.OpenLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	if got := get(t, again, "a/b"); got != "kept" {
		t.Errorf("content is %q", got)
	}
	if _, err := blob.OpenLocal(filepath.Join(dir, "a", "b")); err == nil {
		t.Error("opened a file as a store")
	}
}

func BenchmarkCommit(b *testing.B) {
	store, err := blob.OpenLocal(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	content := bytes.Repeat([]byte("x"), 4096)
	for i := range b.N {
		w, err := store.Create(b.Context(), fmt.Sprintf("folder/%d", i))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			b.Fatal(err)
		}
		if err := w.Commit(); err != nil {
			b.Fatal(err)
		}
	}
}

func TestTemporary(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := blob.OpenLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	f, err := store.Temporary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	other, err := store.Temporary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	if _, err := f.Write([]byte("written")); err != nil {
		t.Fatal(err)
	}
	read := make([]byte, 4)
	if _, err := f.ReadAt(read, 3); err != nil || string(read) != "tten" {
		t.Errorf("read %q, %v", read, err)
	}
	if n, err := other.Seek(0, io.SeekEnd); n != 0 || err != nil {
		t.Errorf("another file has %d bytes, %v", n, err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("the folder has %v, %v", left, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if f, err := store.Temporary(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context ended: %v, %v", f, err)
	}
}

func TestCommitAs(t *testing.T) {
	t.Parallel()
	store, dir := open(t)
	start := func() *blob.Writer {
		w, err := store.Create(t.Context(), "a/first")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, "x"); err != nil {
			t.Fatal(err)
		}
		return w
	}
	if err := start().CommitAs("a/second"); err != nil {
		t.Fatal(err)
	}
	equal := []string{"a/second"}
	if got := keys(t, store, ""); !slices.Equal(got, equal) {
		t.Errorf("keys %v", got)
	}
	for key, want := range map[string]error{"a/second": blob.ErrExists, "b/second": blob.ErrKey, "a/Third": blob.ErrKey, "": blob.ErrKey} {
		if err := start().CommitAs(key); !errors.Is(err, want) {
			t.Errorf("as %q: %v", key, err)
		}
	}
	if left := files(t, dir); len(left) != 1 {
		t.Errorf("left are %v", left)
	}
}
