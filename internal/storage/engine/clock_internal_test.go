package engine

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"steward/internal/storage/blob"
	"steward/internal/storage/csv"
)

// loadText loads a CSV text into the table in the folder t/1.
func loadText(t *testing.T, e *Engine, base, text string, mode Mode, key ...string) *Staged {
	t.Helper()
	r, err := csv.NewReader(strings.NewReader(text), csv.DefaultDialect())
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.Load(t.Context(), Load{Folder: "t/1", Base: base, Mode: mode, Key: key, Source: r, Job: 7, Time: time.Now()})
	if err != nil {
		t.Fatalf("a load by %q: %v", key, err)
	}
	return s
}

// times are all that metadata tells of when something was, the snapshots by their ids.
func times(t *testing.T, e *Engine, location string) (last int64, snapshots map[int64]int64, log []int64) {
	t.Helper()
	table, err := loadTable(newFiles(t.Context(), e.store), location)
	if err != nil {
		t.Fatal(err)
	}
	snapshots = map[int64]int64{}
	for _, s := range table.Metadata().Snapshots() {
		snapshots[s.SnapshotID] = s.TimestampMs
	}
	for entry := range table.Metadata().SnapshotLogs() {
		log = append(log, entry.TimestampMs)
	}
	return table.Metadata().LastUpdatedMillis(), snapshots, log
}

// TestClockPutBack: a table whose last change lies in the future, because the clock was put
// back since, can be changed in every way. Its past stays as it is, and what is new is not
// before it.
func TestClockPutBack(t *testing.T) {
	t.Parallel()
	store, err := blob.OpenLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	e := New(store, Options{})
	first := loadText(t, e, "", "a,b\n1,x\n2,y\n", Full)
	second := loadText(t, e, first.Location, "a,b\n3,z\n", Append)
	base := ahead(t, e, second.Location, 2*time.Hour)
	last, was, _ := times(t, e, base)

	change := func(what string, do func(context.Context) (*Staged, error)) *Staged {
		t.Helper()
		s, err := do(t.Context())
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return nil
		}
		now, snapshots, log := times(t, e, s.Location)
		if s.Location != base && now < last {
			t.Errorf("%s: the table was last changed at %d, before it was at %d", what, now, last)
		}
		for id, at := range snapshots {
			if before, ok := was[id]; ok && at != before {
				t.Errorf("%s: snapshot %d was made at %d, and now at %d", what, id, before, at)
			} else if !ok && at < last {
				t.Errorf("%s: the new snapshot was made at %d, before the last change at %d", what, at, last)
			}
		}
		if !slices.IsSorted(log) {
			t.Errorf("%s: the snapshots became current at %d", what, log)
		}
		return s
	}
	loads := func(text string, mode Mode, key ...string) func(context.Context) (*Staged, error) {
		return func(context.Context) (*Staged, error) { return loadText(t, e, base, text, mode, key...), nil }
	}
	added := change("append", loads("a,b\n4,w\n", Append))
	change("append with another column", loads("a,b,c\n4,w,q\n", Append))
	change("replace", loads("a,b\n4,w\n", Full))
	change("keyed load", loads("a,b\n1,w\n9,w\n", Append, "a"))
	change("delete", func(ctx context.Context) (*Staged, error) {
		return e.Delete(ctx, Delete{Folder: "t/1", Base: base, Where: []Condition{{Column: "a", Op: Equal, Value: "1"}}, Job: 8})
	})
	change("add a column", func(ctx context.Context) (*Staged, error) {
		return e.Alter(ctx, Alter{Folder: "t/1", Base: base, Add: []string{"d"}, Job: 8})
	})
	change("restore", func(ctx context.Context) (*Staged, error) {
		return e.Restore(ctx, Restore{Folder: "t/1", Base: base, Snapshot: first.SnapshotID, Schema: first.SchemaID, Job: 8})
	})
	change("pin", func(ctx context.Context) (*Staged, error) {
		return e.Pin(ctx, Pin{Folder: "t/1", Base: base, Name: "p", Snapshot: first.SnapshotID})
	})
	change("forget", func(ctx context.Context) (*Staged, error) { return e.Expire(ctx, Expire{Folder: "t/1", Base: base}) })
	change("compact", func(ctx context.Context) (*Staged, error) {
		return e.Compact(ctx, Compact{Folder: "t/1", Base: base, Job: 8})
	})
	if _, err := e.Copy(t.Context(), Copy{Location: base, Snapshot: second.SnapshotID, Schema: second.SchemaID, Folder: "t/2", Job: 8}); err != nil {
		t.Errorf("copy: %v", err)
	}
	if added != nil { // and so on
		base = added.Location
		last, was, _ = times(t, e, base)
		change("append again", loads("a,b\n5,w\n", Append))
	}
}

// ahead is a table as if all that happened to it had been later.
func ahead(t *testing.T, e *Engine, location string, by time.Duration) string {
	t.Helper()
	files := newFiles(t.Context(), e.store)
	table, err := loadTable(files, location)
	if err != nil {
		t.Fatal(err)
	}
	content, err := json.Marshal(table.Metadata())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"last-updated-ms", "timestamp-ms"} {
		parts := strings.Split(string(content), `"`+name+`":`)
		for i := 1; i < len(parts); i++ {
			end := strings.IndexAny(parts[i], ",}")
			var ms int64
			if err := json.Unmarshal([]byte(parts[i][:end]), &ms); err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(ms + by.Milliseconds())
			if err != nil {
				t.Fatal(err)
			}
			parts[i] = string(text) + parts[i][end:]
		}
		content = []byte(strings.Join(parts, `"`+name+`":`))
	}
	moved := table.Location() + "/metadata/00009-" + sealedName(checksum(0, content)) + metadataSuffix
	if err := files.WriteFile(moved, content); err != nil {
		t.Fatal(err)
	}
	return moved
}
