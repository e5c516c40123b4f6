package blob_test

import (
	"slices"
	"testing"
	"time"

	"steward/internal/storage/blob"
)

// TestFolders: each folder is told once, files are not, and what is not there has none.
func TestFolders(t *testing.T) {
	t.Parallel()
	l, err := blob.OpenLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	for _, key := range []string{"tables/7/data/a", "tables/12/data/a", "tables/stray"} {
		w, err := l.Create(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	list := func(key string) (names []string) {
		err := l.Folders(t.Context(), key, func(name string, modified time.Time) error {
			if time.Since(modified) > time.Minute {
				t.Errorf("%s is from %s", name, modified)
			}
			names = append(names, name)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(names)
		return names
	}
	if got := list("tables"); !slices.Equal(got, []string{"12", "7"}) {
		t.Errorf("folders %q", got)
	}
	if got := list("nothing"); len(got) != 0 {
		t.Errorf("folders of nothing: %q", got)
	}
	if err := l.Folders(t.Context(), "../tables", func(string, time.Time) error { return nil }); err == nil {
		t.Error("a key that leads out is taken")
	}
}
