package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/apache/iceberg-go/table/dv"

	"steward/internal/storage/blob"
	"steward/internal/storage/engine"
)

// deleteRows makes a version of a table in which rows are gone: with a
// deletion vector on the nth of its data files.
func (b *bundle) deleteRows(t *testing.T, location string, nth int, positions []int64) string {
	t.Helper()
	tbl := b.foreign(t, location)
	tasks, err := tbl.Scan().PlanFiles(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(tasks, func(x, y table.FileScanTask) int { return int(*x.FirstRowID - *y.FirstRowID) })
	w := dv.NewDVWriter(disk(b.dir), func(int32) *iceberg.PartitionSpec { return iceberg.UnpartitionedSpec })
	if err := w.Add(tasks[nth].File.FilePath(), positions, 0, nil); err != nil {
		t.Fatal(err)
	}
	vectors, err := w.Flush(context.Background(), tbl.Location()+"/data/vector.puffin")
	if err != nil {
		t.Fatal(err)
	}
	tx := tbl.NewTransaction()
	if err := tx.NewRowDelta(nil).AddDeletes(vectors...).Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	commit, err := tx.TableCommit()
	if err != nil {
		t.Fatal(err)
	}
	meta, err := table.UpdateTableMetadata(tbl.Metadata(), commit.Updates, location)
	if err != nil {
		t.Fatal(err)
	}
	content, err := json.Marshal(meta)
	if err != nil {
		t.Fatal(err)
	}
	changed := tbl.Location() + "/metadata/00099-deleted.metadata.json"
	if err := disk(b.dir).WriteFile(changed, content); err != nil {
		t.Fatal(err)
	}
	return changed
}

func TestDeletionVectors(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{RowGroup: 100})
	text := func(from int) string {
		var s strings.Builder
		s.WriteString("n\n")
		for i := range 250 {
			fmt.Fprintf(&s, "%04d\n", from+i)
		}
		return s.String()
	}
	first := b.load(t, "", engine.Full, text(0))
	both := b.load(t, first.Location, engine.Append, text(250))
	location := b.deleteRows(t, both.Location, 1, []int64{0, 1, 99, 100, 249})
	gone := []int{250, 251, 349, 350, 499}
	var want []string
	for i := range 500 {
		if !slices.Contains(gone, i) {
			want = append(want, fmt.Sprintf("%q", fmt.Sprintf("%04d", i)))
		}
	}
	v := b.open(t, location)
	equal(t, "rows", v.Rows(), int64(495))
	same(t, "each", all(t, v, engine.Query{}), want)
	found := func(q engine.Query) (values []string) {
		t.Helper()
		r, err := v.Find(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range r.Rows {
			values = append(values, row.Cells[0].Value)
		}
		return values
	}
	equal(t, "preview", len(found(engine.Query{Limit: 1000})), 495)
	equal(t, "order", found(engine.Query{Limit: 3, Order: []engine.Order{{Column: "n", Descending: true}}}), []string{"0498", "0497", "0496"})
	equal(t, "filter", found(engine.Query{Limit: 3, Where: []engine.Condition{{Column: "n", Op: engine.GreaterOrEqual, Value: "0249"}}}), []string{"0249", "0252", "0253"})
	if n, err := v.Count(t.Context(), []engine.Condition{{Column: "n", Op: engine.GreaterOrEqual, Value: "0250"}}); n != 245 || err != nil {
		t.Errorf("count %d, %v", n, err)
	}
	if v.Bytes() <= both.Bytes {
		t.Errorf("%d bytes with a vector, %d without", v.Bytes(), both.Bytes)
	}

	// Loads on a table with deleted rows.
	more := b.load(t, location, engine.Append, "n\nlast\n")
	equal(t, "appended", []int64{more.Rows, more.Files}, []int64{496, 3})
	same(t, "appended", all(t, b.open(t, more.Location), engine.Query{}), append(slices.Clone(want), `"last"`))
	replaced := b.load(t, more.Location, engine.Full, "n\nonly\n")
	equal(t, "replaced", []int64{replaced.Rows, replaced.Removed, replaced.Files}, []int64{1, 496, 1})
	equal(t, "replaced", all(t, b.open(t, replaced.Location), engine.Query{}), []string{`"only"`})
	equal(t, "library", b.foreignRows(t, replaced.Location), all(t, b.open(t, replaced.Location), engine.Query{Origin: true}))
	old, err := b.OpenVersion(t.Context(), replaced.Location, v.SnapshotID(), more.SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "before", all(t, old, engine.Query{}), want)
}

// TestOrderOfRows loads a table of many files and row groups.
func TestOrderOfRows(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{RowGroup: 64, FileSize: 3000})
	location := ""
	var want []string
	n := 0
	for _, mode := range []engine.Mode{engine.Full, engine.Append, engine.Full, engine.Append} {
		var text strings.Builder
		text.WriteString("n\n")
		if mode == engine.Full {
			want = nil
		}
		for range 3000 {
			fmt.Fprintf(&text, "%d\n", n)
			want = append(want, fmt.Sprintf("%q", strconv.Itoa(n)))
			n++
		}
		s := b.load(t, location, mode, text.String())
		if s.Files < 4 {
			t.Errorf("only %d files", s.Files)
		}
		location = s.Location
		same(t, "rows", all(t, b.open(t, location), engine.Query{}), want)
	}
}

// TestEncodings loads columns that differ in how many values they have and how
// long they stay the same, NULLs likewise.
func TestEncodings(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{RowGroup: 1777})
	r := rand.New(rand.NewPCG(7, 8))
	type kind struct{ values, stay, nulls int }
	var kinds []kind
	header := []string{"n"}
	for _, values := range []int{1, 2, 3, 16, 17, 255, 1500, 1 << 30} {
		for _, stay := range []int{1, 5, 40, 3000} {
			for _, nulls := range []int{0, 1, 9, 200} {
				kinds = append(kinds, kind{values, stay, nulls})
				header = append(header, fmt.Sprintf("values %d stay %d nulls %d", values, stay, nulls))
			}
		}
	}
	const rows = 5000
	cells := make([][]string, rows)
	for i := range cells {
		cells[i] = make([]string, 1+len(kinds))
		cells[i][0] = fmt.Sprintf("%05d", i)
	}
	for k, kind := range kinds {
		value, left, gone := "", 0, 0
		for i := range cells {
			if left == 0 {
				value, left = fmt.Sprintf("value %d", r.IntN(kind.values)), 1+r.IntN(kind.stay)
			}
			left--
			if gone == 0 && kind.nulls > 0 && r.IntN(kind.nulls*3) == 0 {
				gone = r.IntN(kind.nulls * 2)
			}
			if gone > 0 {
				gone--
				continue // NULL
			}
			cells[i][1+k] = value
		}
	}
	var text strings.Builder
	text.WriteString(strings.Join(header, ",") + "\n")
	want := make([]string, rows)
	for i, row := range cells {
		text.WriteString(strings.Join(row, ",") + "\n")
		shown := make([]engine.Cell, len(row))
		for c, cell := range row {
			shown[c] = engine.Cell{Value: cell, Null: cell == ""}
		}
		want[i] = fmt.Sprintf("%s %d 1", show(shown), moment(1).UnixMicro())
	}
	s := b.load(t, "", engine.Full, text.String())
	same(t, "rows", all(t, b.open(t, s.Location), engine.Query{Origin: true}), want)
	foreign := b.foreignRows(t, s.Location)
	slices.Sort(foreign)
	same(t, "library", foreign, want)
}

// pages returns the data pages of all columns of a Parquet file.
func pages(t *testing.T, name string) (found []*file.DataPageV2) {
	t.Helper()
	r, err := file.OpenParquetFile(name, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	for g := range r.NumRowGroups() {
		for c := range r.MetaData().Schema.NumColumns() {
			p, err := r.RowGroup(g).GetColumnPageReader(c)
			if err != nil {
				t.Fatal(err)
			}
			for p.Next() {
				if page, ok := p.Page().(*file.DataPageV2); ok {
					copied := *page
					found = append(found, &copied)
				}
			}
			if p.Err() != nil {
				t.Fatal(p.Err())
			}
		}
	}
	return found
}

// TestDataFile looks at a data file as other readers do.
func TestDataFile(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{RowGroup: 20_000})
	r := rand.New(rand.NewPCG(3, 4))
	var text strings.Builder
	text.WriteString("few,many,null,half\n")
	const rows = 50_000
	nulls := 0
	for range rows {
		half := "x"
		if r.IntN(2) == 0 {
			half = ""
			nulls++
		}
		fmt.Fprintf(&text, "%s,%d-%d,,%s\n", []string{"red", "green", "blue"}[r.IntN(3)], r.Uint64(), r.Uint64(), half)
	}
	s := b.load(t, "", engine.Full, text.String())
	equal(t, "nulls", b.open(t, s.Location).Nulls(), map[string]int64{"few": 0, "many": 0, "null": rows, "half": int64(nulls)})

	data, err := filepath.Glob(filepath.Join(b.dir, "tables/1/data/*.parquet"))
	if err != nil || len(data) != 1 {
		t.Fatal(data, err)
	}
	f, err := file.OpenParquetFile(data[0], false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	equal(t, "row groups", f.NumRowGroups(), 3)
	for g := range f.NumRowGroups() {
		group := f.MetaData().RowGroup(g)
		for c, indexed := range []bool{true, false, false, true, true, true} {
			chunk, err := group.ColumnChunk(c)
			if err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprint("row group ", g, ", column ", f.MetaData().Schema.Column(c).Name())
			equal(t, name+" has a dictionary", chunk.HasDictionaryPage(), indexed)
			equal(t, name+" plain", slices.Contains(chunk.Encodings(), parquet.Encodings.Plain), true)
			equal(t, name+" values", chunk.NumValues(), group.NumRows())
			statistics, err := chunk.Statistics()
			if err != nil || statistics == nil || !statistics.HasNullCount() || statistics.HasMinMax() {
				t.Errorf("%s: statistics %v, %v", name, statistics, err)
			}
			if _, ok := group.OffsetIndexLocation(c); !ok {
				t.Errorf("%s has no offset index", name)
			}
			reader, err := f.RowGroup(g).GetColumnPageReader(c)
			if err != nil || !reader.Next() {
				t.Fatal(name, err, reader.Err())
			}
			if first, ok := reader.Page().(file.DataPage); !indexed && (!ok || first.UncompressedSize() > 20<<10) {
				t.Errorf("%s begins with a page of %d bytes", name, first.UncompressedSize())
			}
		}
	}
	var values, counted int64
	for _, p := range pages(t, data[0]) {
		values += int64(p.NumRows())
		counted += int64(p.NumNulls())
		if p.UncompressedSize() > 300<<10 {
			t.Errorf("page of %d bytes", p.UncompressedSize())
		}
	}
	equal(t, "cells and NULLs in pages", []int64{values, counted}, []int64{6 * rows, int64(rows + nulls)})
	equal(t, "library", b.foreignRows(t, s.Location)[rows-1], all(t, b.open(t, s.Location), engine.Query{Origin: true})[rows-1])
}

// TestDamage spoils a data file in many ways. Whatever a read makes of it, it
// does not panic, and its error names the file. Values have checksums, so they
// never come back changed; which row they stand in, and NULLs, have none. The
// same holds for an engine that remembers the file's footer.
func TestDamage(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{RowGroup: 500})
	var text strings.Builder
	text.WriteString("n,color,text\n")
	r := rand.New(rand.NewPCG(5, 6))
	for i := range 1500 {
		fmt.Fprintf(&text, "%d,%s,%d\n", i, []string{"red", "", "blue"}[i%3], r.Uint64())
	}
	s := b.load(t, "", engine.Full, text.String())
	known := map[string]bool{}
	err := b.open(t, s.Location).Each(t.Context(), engine.Query{}, func(r engine.Row) error {
		for _, c := range r.Cells {
			known[c.Value] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	data, err := filepath.Glob(filepath.Join(b.dir, "tables/1/data/*.parquet"))
	if err != nil || len(data) != 1 {
		t.Fatal(data, err)
	}
	whole, err := os.ReadFile(data[0])
	if err != nil {
		t.Fatal(err)
	}
	failed := map[*bundle]int{}
	read := func(b *bundle, what string) {
		t.Helper()
		v := b.open(t, s.Location)
		err := v.Each(t.Context(), engine.Query{Origin: true}, func(r engine.Row) error {
			for _, c := range r.Cells {
				if !known[c.Value] {
					t.Errorf("%s: read %q", what, c.Value)
				}
			}
			return nil
		})
		_, countErr := v.Count(t.Context(), []engine.Condition{{Column: "n", Op: engine.Contains, Value: "99"}})
		_, findErr := v.Find(t.Context(), engine.Query{Limit: 20, Order: []engine.Order{{Column: "text"}}})
		for _, err := range []error{err, countErr, findErr} {
			if err == nil {
				continue
			}
			failed[b]++
			if !strings.Contains(err.Error(), "steward:///tables/1/data/"+filepath.Base(data[0])) {
				t.Errorf("%s: error does not name the file: %v", what, err)
			}
		}
	}
	fresh := 0 // reads that failed with nothing remembered
	try := func(what string, content []byte) {
		t.Helper()
		if err := os.WriteFile(data[0], content, 0o600); err != nil {
			t.Fatal(err)
		}
		forgetful := b.restarted(t)
		read(forgetful, what)
		fresh += failed[forgetful]
		read(b, what+", footer remembered")
	}
	for _, n := range []int{0, 1, 4, 8, 100, len(whole) / 2, len(whole) - 8, len(whole) - 1} {
		try(fmt.Sprint("cut to ", n), whole[:n])
	}
	for range 120 {
		at := r.IntN(len(whole))
		spoiled := slices.Clone(whole)
		spoiled[at] ^= byte(1 + r.IntN(255))
		try(fmt.Sprint("byte ", at), spoiled)
	}
	if fresh < 40 || failed[b] < 40 {
		t.Errorf("only %d reads failed, and %d with the footer remembered", fresh, failed[b])
	}
	if err := os.Remove(data[0]); err != nil {
		t.Fatal(err)
	}
	v := b.open(t, s.Location)
	for _, q := range []engine.Query{{Limit: 1}, {Limit: 1, Order: []engine.Order{{Column: "n"}}}} {
		if _, err := v.Find(t.Context(), q); err == nil || !strings.Contains(err.Error(), filepath.Base(data[0])) || !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("missing file: %v", err)
		}
	}
	locations := map[string]string{"*.avro": b.plain(t, s.Location), "*.json": s.Location}
	for _, kind := range []string{"*.avro", "*.json"} {
		found, err := filepath.Glob(filepath.Join(b.dir, "tables/1/metadata", kind))
		if err != nil || len(found) == 0 {
			t.Fatal(found, err)
		}
		for _, name := range found {
			if err := os.WriteFile(name, []byte("spoiled"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.restarted(t).Open(t.Context(), locations[kind]); err == nil || !strings.Contains(err.Error(), locations[kind]) {
			t.Errorf("spoiled %s: %v", kind, err)
		}
	}
}

// TestJumps reads a few rows out of many pages: some with a dictionary, some
// without, and some that begin with one.
func TestJumps(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	r := rand.New(rand.NewPCG(9, 10))
	const rows = 60_000
	var text strings.Builder
	text.WriteString("n,few,many,both,rare\n")
	want := make([][]engine.Cell, rows)
	for i := range want {
		both := fmt.Sprintf("one of %d", r.IntN(2000))
		if i > rows/2 {
			both = fmt.Sprintf("%d %d", r.Uint64(), r.Uint64())
		}
		rare := ""
		if r.IntN(30) == 0 {
			rare = strconv.FormatUint(r.Uint64(), 10)
		}
		cells := []string{strconv.Itoa(i), fmt.Sprintf("one of a few longer texts: %d", r.IntN(5)), fmt.Sprintf("%d-%d", r.Uint64(), r.Uint64()), both, rare}
		text.WriteString(strings.Join(cells, ",") + "\n")
		for _, c := range cells {
			want[i] = append(want[i], engine.Cell{Value: c, Null: c == ""})
		}
	}
	s := b.load(t, "", engine.Full, text.String())
	v := b.open(t, s.Location)
	for _, digits := range []string{"7777", "59999", "555", "31", "0"} {
		where := []engine.Condition{{Column: "n", Op: engine.Contains, Value: digits}}
		var expected []string
		for i, cells := range want {
			if strings.Contains(strconv.Itoa(i), digits) {
				expected = append(expected, show(cells))
			}
		}
		same(t, "each with "+digits, all(t, v, engine.Query{Where: where}), expected)
		found, err := v.Find(t.Context(), engine.Query{Where: where, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, row := range found.Rows {
			got = append(got, show(row.Cells))
		}
		same(t, "find with "+digits, got, expected[:min(len(expected), 1000)])
	}
	for column, name := range []string{"n", "few", "many", "both", "rare"} {
		order := make([]int, rows)
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(x, y int) int {
			a, b := want[x][column], want[y][column]
			if a.Null != b.Null {
				return map[bool]int{true: 1, false: -1}[a.Null]
			}
			return strings.Compare(a.Value, b.Value)
		})
		found, err := v.Find(t.Context(), engine.Query{Order: []engine.Order{{Column: name}}, Limit: 200})
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range found.Rows {
			if show(row.Cells) != show(want[order[i]]) {
				t.Fatalf("by %s, row %d:\n got %s\nwant %s", name, i, show(row.Cells), show(want[order[i]]))
			}
		}
	}
}
