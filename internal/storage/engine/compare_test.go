package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"steward/internal/storage/engine"
)

// rename makes a version of a table with other names of columns.
func (b *bundle) rename(t *testing.T, location string, names map[string]string) string {
	t.Helper()
	tbl := b.foreign(t, location)
	fields := slices.Clone(tbl.Schema().Fields())
	for i := range fields {
		if name, ok := names[fields[i].Name]; ok {
			fields[i].Name = name
		}
	}
	meta, err := table.UpdateTableMetadata(tbl.Metadata(), []table.Update{
		table.NewAddSchemaUpdate(iceberg.NewSchema(0, fields...)), table.NewSetCurrentSchemaUpdate(-1),
	}, location)
	if err != nil {
		t.Fatal(err)
	}
	content, err := json.Marshal(meta)
	if err != nil {
		t.Fatal(err)
	}
	changed := tbl.Location() + "/metadata/00098-renamed.metadata.json"
	if err := disk(b.dir).WriteFile(changed, content); err != nil {
		t.Fatal(err)
	}
	return changed
}

func shownRows(rows []engine.Row) (text []string) {
	for _, r := range rows {
		text = append(text, fmt.Sprintf("%s %d", show(r.Cells), r.Job))
	}
	return text
}

func TestCompare(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	key := []string{"id"}
	first := b.mustLoad(t, keyed(t, "", engine.Full, key, "id,v,w\n1,a,x\n2,b,x\n3,c,x\n4,d,x\n", 1))
	second := b.mustLoad(t, keyed(t, first.Location, engine.Append, key, "id,v,w,new\n2,B,x,\n3,C,,\n5,e,y,n\n", 2))
	l := keyed(t, second.Location, engine.Full, key, "id,v,new\n1,a,\n2,B,\n5,e,n\n9,,\n", 3)
	l.DropColumns = []string{"w"}
	third := b.mustLoad(t, l)
	renamed := b.rename(t, third.Location, map[string]string{"v": "value", "id": "number"})

	var progress int64
	d, err := b.Compare(t.Context(), engine.Comparison{
		Before: b.open(t, first.Location), After: b.open(t, second.Location), Key: key, Sample: 10,
		Progress: func(rows int64) { progress = rows },
	})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "rows read", progress, int64(5)) // not those that both have
	equal(t, "counts", []int64{d.Added, d.Removed, d.Changed, d.Unchanged}, []int64{1, 0, 2, 2})
	equal(t, "columns", [][]string{d.ColumnsAdded, d.ColumnsDropped}, [][]string{{"new"}, nil})
	equal(t, "added", shownRows(d.AddedRows), []string{`"5"|"e"|"y"|"n" 2`})
	equal(t, "changed", len(d.ChangedRows), 2)
	for i, want := range []string{`"2"|"b"|"x" 1, "2"|"B"|"x"|NULL 2, [v]`, `"3"|"c"|"x" 1, "3"|"C"|NULL|NULL 2, [v w]`} {
		c := d.ChangedRows[i]
		equal(t, "changed", fmt.Sprintf("%s %d, %s %d, %v", show(c.Before.Cells), c.Before.Job, show(c.After.Cells), c.After.Job, c.Columns), want)
	}

	// Columns are the same by their ids.
	for _, name := range []string{"id", "number"} {
		d, err = b.Compare(t.Context(), engine.Comparison{
			Before: b.open(t, second.Location), After: b.open(t, renamed), Key: []string{name}, Sample: 10,
		})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "keyed", d.Keyed, true)
		equal(t, "counts", []int64{d.Added, d.Removed, d.Changed, d.Unchanged}, []int64{1, 2, 0, 3})
		equal(t, "columns", [][]string{d.ColumnsAdded, d.ColumnsDropped}, [][]string{nil, {"w"}})
		equal(t, "renamed", d.ColumnsRenamed, []engine.RenamedColumn{{Before: "id", After: "number"}, {Before: "v", After: "value"}})
		equal(t, "removed", shownRows(d.RemovedRows), []string{`"4"|"d"|"x"|NULL 1`, `"3"|"C"|NULL|NULL 2`})
		equal(t, "added", shownRows(d.AddedRows), []string{`"9"|NULL|NULL 3`})
	}

	// A key that is not in both versions is none.
	d, err = b.Compare(t.Context(), engine.Comparison{
		Before: b.open(t, second.Location), After: b.open(t, third.Location), Key: []string{"w"}, Sample: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "keyed", d.Keyed, false)
	equal(t, "counts", []int64{d.Added, d.Removed, d.Changed, d.Unchanged, int64(len(d.RemovedRows))}, []int64{1, 2, 0, 3, 1})
	var unknown *engine.UnknownColumnError
	_, err = b.Compare(t.Context(), engine.Comparison{Before: b.open(t, first.Location), After: b.open(t, first.Location), Key: []string{"x"}})
	if !errors.As(err, &unknown) || unknown.Column != "x" {
		t.Errorf("unknown column: %v", err)
	}
	if _, err := b.open(t, first.Location).Duplicates(t.Context(), []string{"v", "x"}, 1); !errors.As(err, &unknown) {
		t.Errorf("duplicates of an unknown column: %v", err)
	}

	// Versions without a common column have no common row.
	other := request(t, third.Location, engine.Full, "else\n1\n2\n")
	other.DropColumns = []string{"id", "v", "new"}
	d, err = b.Compare(t.Context(), engine.Comparison{Before: b.open(t, third.Location), After: b.open(t, b.mustLoad(t, other).Location), Sample: 1})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "counts", []int64{d.Added, d.Removed, d.Changed, d.Unchanged}, []int64{2, 4, 0, 0})
	equal(t, "added", shownRows(d.AddedRows), []string{`"1" 1`})

	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = b.Compare(canceled, engine.Comparison{Before: b.open(t, first.Location), After: b.open(t, third.Location)})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	closed := b.open(t, first.Location)
	_ = closed.Close()
	if _, err := b.Compare(t.Context(), engine.Comparison{Before: b.open(t, first.Location), After: closed}); err == nil {
		t.Error("compared a closed view")
	}
}

// TestCompareNeighbours compares versions whose common data files are gone.
func TestCompareNeighbours(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	key := []string{"n"}
	base := b.mustLoad(t, keyed(t, "", engine.Full, key, "n\n1\n2\n3\n", 1))
	next := b.mustLoad(t, keyed(t, base.Location, engine.Append, key, "n\n3\n4\n", 2))
	last := b.mustLoad(t, keyed(t, next.Location, engine.Append, key, "n\n5\n", 2))
	before, after := b.open(t, next.Location), b.open(t, last.Location)
	data, err := filepath.Glob(filepath.Join(b.dir, "tables/1/data/*.parquet"))
	if err != nil || len(data) != 3 {
		t.Fatal(data, err)
	}
	slices.SortFunc(data, func(x, y string) int {
		a, errA := os.Stat(x)
		b, errB := os.Stat(y)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		return a.ModTime().Compare(b.ModTime())
	})
	for _, name := range data[:2] {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	d, err := b.Compare(t.Context(), engine.Comparison{Before: before, After: after, Key: key, Sample: 10})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "counts", []int64{d.Added, d.Removed, d.Changed, d.Unchanged}, []int64{1, 0, 0, 4})
	if _, err := b.Compare(t.Context(), engine.Comparison{Before: b.open(t, base.Location), After: after, Key: key, Sample: 10}); err == nil || !strings.Contains(err.Error(), ".parquet") {
		t.Errorf("missing file: %v", err)
	}
}

// TestCompareLongCells compares cells that differ where nobody sees it.
func TestCompareLongCells(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	long := strings.Repeat("é", 100_000)
	before := b.load(t, "", engine.Full, "id,a,b\n"+long+"1,"+long+"x,"+long+"\n"+long+"2,,\n")
	after := b.load(t, before.Location, engine.Full, "id,a,b\n"+long+"1,"+long+"y,"+long+"\n"+long+"3,,\n")
	d, err := b.Compare(t.Context(), engine.Comparison{Before: b.open(t, before.Location), After: b.open(t, after.Location), Key: []string{"id"}, Sample: 10})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "counts", []int64{d.Added, d.Removed, d.Changed, d.Unchanged}, []int64{1, 1, 1, 0})
	equal(t, "changed", d.ChangedRows[0].Columns, []string{"a"})
	for _, cell := range slices.Concat(d.ChangedRows[0].Before.Cells, d.ChangedRows[0].After.Cells) {
		if !cell.Cut || !strings.HasPrefix(long, cell.Value) {
			t.Errorf("cell of %d bytes, cut %t", len(cell.Value), cell.Cut)
		}
	}
}
