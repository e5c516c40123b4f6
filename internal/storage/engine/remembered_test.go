package engine_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"steward/internal/storage/blob"
	"steward/internal/storage/engine"
)

// TestRememberedViews opens tables again: what is remembered is what was there, for
// each location and version, and a table that changed shows its change at once.
func TestRememberedViews(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	first := b.load(t, "", engine.Full, "a\n1\n")
	check := func(s *engine.Staged, want ...string) {
		t.Helper()
		for range 2 {
			v := b.open(t, s.Location)
			equal(t, "rows", all(t, v, engine.Query{}), want)
			equal(t, "facts", []int64{v.Rows(), v.SnapshotID()}, []int64{int64(len(want)), s.SnapshotID})
		}
	}
	check(first, `"1"`)
	for _, version := range []int64{-1, 1} {
		if _, err := b.OpenVersion(t.Context(), first.Location, version, first.SchemaID); !errors.Is(err, engine.ErrNoSnapshot) {
			t.Errorf("version %d: %v", version, err)
		}
	}
	second := b.load(t, first.Location, engine.Append, "a,b\n2,x\n")
	check(second, `"1"|NULL`, `"2"|"x"`)
	check(first, `"1"`)
	third := b.load(t, second.Location, engine.Full, "a,b\n9,y\n")
	check(third, `"9"|"y"`)
	for range 2 {
		v, err := b.OpenVersion(t.Context(), third.Location, second.SnapshotID, second.SchemaID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "second version", all(t, v, engine.Query{}), []string{`"1"|NULL`, `"2"|"x"`})
	}
	check(third, `"9"|"y"`)

	one, other := b.open(t, third.Location), b.open(t, third.Location)
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Find(t.Context(), engine.Query{Limit: 1}); err == nil {
		t.Error("a closed view was read")
	}
	equal(t, "beside a closed view", all(t, other, engine.Query{}), []string{`"9"|"y"`})
}

// TestRememberedFilesThatGo removes the files of a table that was read before.
func TestRememberedFilesThatGo(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	s := b.load(t, "", engine.Full, "a\n1\n")
	equal(t, "rows", all(t, b.open(t, s.Location), engine.Query{}), []string{`"1"`})
	if err := os.RemoveAll(filepath.Join(b.dir, "tables/1")); err != nil {
		t.Fatal(err)
	}
	v, err := b.Open(t.Context(), s.Location)
	if err == nil {
		_, err = v.Find(t.Context(), engine.Query{Limit: 1})
	}
	if !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("err %v, want ErrNotFound", err)
	}
}

// TestRememberedAtOnce reads one table from many goroutines, which all find nothing
// remembered at first.
func TestRememberedAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{RowGroup: 2})
	s := b.load(t, "", engine.Full, "a,b\n1,x\n2,y\n3,x\n4,y\n5,x\n")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				v, err := b.Open(t.Context(), s.Location)
				if err != nil {
					t.Error(err)
					return
				}
				r, err := v.Find(t.Context(), engine.Query{Limit: 10, Where: []engine.Condition{{Column: "b", Op: engine.Equal, Value: "y"}},
					Order: []engine.Order{{Column: "a", Descending: true}}})
				if err != nil {
					t.Error(err)
					return
				}
				if len(r.Rows) != 2 || r.Rows[0].Cells[0].Value != "4" || r.Rows[1].Cells[0].Value != "2" {
					t.Errorf("found %v", r.Rows)
				}
			}
		})
	}
	wg.Wait()
}
