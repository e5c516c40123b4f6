package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"steward/internal/storage/blob"
	"steward/internal/storage/csv"
	"steward/internal/storage/engine"
)

// BenchmarkOperations stages changes of a table of a million rows, and drops them.
func BenchmarkOperations(b *testing.B) {
	name := ordersFile(b, 1_000_000)
	e := benchEngine(b)
	base := loadFile(b, e, name, "tables/1")
	cut, err := e.Delete(b.Context(), engine.Delete{Folder: "tables/1", Base: base.Location, Where: []engine.Condition{{Column: "status", Op: engine.Equal, Value: "new"}}})
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d rows removed", cut.Removed)
	for _, bench := range []struct {
		name string
		run  func(n int) (*engine.Staged, error)
	}{
		{"delete", func(int) (*engine.Staged, error) {
			return e.Delete(b.Context(), engine.Delete{Folder: "tables/1", Base: base.Location, Where: []engine.Condition{{Column: "status", Op: engine.Equal, Value: "new"}}})
		}},
		{"pin", func(int) (*engine.Staged, error) {
			return e.Pin(b.Context(), engine.Pin{Folder: "tables/1", Base: cut.Location, Name: "x", Snapshot: base.SnapshotID})
		}},
		{"restore", func(int) (*engine.Staged, error) {
			return e.Restore(b.Context(), engine.Restore{Folder: "tables/1", Base: cut.Location, Snapshot: base.SnapshotID, Schema: base.SchemaID})
		}},
		{"alter", func(int) (*engine.Staged, error) {
			return e.Alter(b.Context(), engine.Alter{Folder: "tables/1", Base: cut.Location, Add: []string{"more"}})
		}},
		{"copy", func(n int) (*engine.Staged, error) {
			return e.Copy(b.Context(), engine.Copy{Location: cut.Location, Snapshot: cut.SnapshotID, Schema: cut.SchemaID, Folder: fmt.Sprintf("tables/%d", 2+n)})
		}},
		{"compact", func(int) (*engine.Staged, error) {
			return e.Compact(b.Context(), engine.Compact{Folder: "tables/1", Base: cut.Location})
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			for n := range b.N {
				s, err := bench.run(n)
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := e.Discard(b.Context(), s); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(peak(b), "peak-MB")
		})
	}
}

// BenchmarkManyLoads opens a table of a thousand small loads that was compacted when it
// had to be: as a process does that knows nothing of it yet, and again. A preview reads
// its first rows, too.
func BenchmarkManyLoads(b *testing.B) {
	store, err := blob.OpenLocal(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	e := engine.New(store, engine.Options{})
	location := ""
	for i := range 1000 {
		source, err := csv.NewReader(strings.NewReader(fmt.Sprintf("n,m\n%d,x\n", i)), csv.DefaultDialect())
		if err != nil {
			b.Fatal(err)
		}
		s, err := e.Load(b.Context(), engine.Load{Folder: "tables/1", Base: location, Mode: engine.Append, Source: source})
		if err != nil {
			b.Fatal(err)
		}
		if location = s.Location; s.NeedsCompaction() {
			s, err := e.Compact(b.Context(), engine.Compact{Folder: "tables/1", Base: location})
			if err != nil {
				b.Fatal(err)
			}
			location = s.Location
		}
	}
	for _, bench := range []struct {
		name           string
		fresh, preview bool
	}{{"first", true, false}, {"again", false, false}, {"firstPreview", true, true}, {"previewAgain", false, true}} {
		b.Run(bench.name, func(b *testing.B) {
			for range b.N {
				if bench.fresh {
					e = engine.New(store, engine.Options{})
				}
				v, err := e.Open(b.Context(), location)
				if err != nil {
					b.Fatal(err)
				}
				if v.Rows() != 1000 {
					b.Fatal(v.Rows())
				}
				if bench.preview {
					if _, err := v.Find(b.Context(), engine.Query{Limit: 100}); err != nil {
						b.Fatal(err)
					}
				}
				_ = v.Close()
			}
		})
	}
}
