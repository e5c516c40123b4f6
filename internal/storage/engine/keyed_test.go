package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"

	"steward/internal/storage/engine"
)

// keyed is a load of a text with a key.
func keyed(t *testing.T, base string, mode engine.Mode, key []string, text string, job int64) engine.Load {
	t.Helper()
	l := request(t, base, mode, text)
	l.Key, l.Job, l.Time = key, job, moment(job)
	return l
}

func (b *bundle) mustLoad(t *testing.T, l engine.Load) *engine.Staged {
	t.Helper()
	s, err := b.Load(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func countsOf(s *engine.Staged) counts {
	return counts{s.Inserted, s.Updated, s.Unchanged, s.Duplicates}
}

func TestKeyedLoads(t *testing.T) {
	t.Parallel()
	for _, keys := range []int{0, 1, 3} {
		t.Run(fmt.Sprint(keys, " in memory"), func(t *testing.T) {
			t.Parallel()
			b := setup(t, engine.Options{KeysInMemory: keys})
			key := []string{"id"}
			first := b.mustLoad(t, keyed(t, "", engine.Full, key, "id,v\n1,a\n2,b\n1,c\n,d\n\"\",e\n,f\n", 1))
			equal(t, "first", countsOf(first), counts{inserted: 4, duplicates: 2})
			equal(t, "physically", []int64{first.Rows, first.Added, first.Removed, first.Deleted}, []int64{4, 4, 0, 2})
			equal(t, "rows", all(t, b.open(t, first.Location), engine.Query{Origin: true}), []string{
				`"2"|"b" 1700000000000001 1`, `"1"|"c" 1700000000000001 1`, `""|"e" 1700000000000001 1`, `NULL|"f" 1700000000000001 1`})

			second := b.mustLoad(t, keyed(t, first.Location, engine.Append, key, "v,id\nb,2\nz,1\nc,1\nnew,\nE,\"\"\nnine,9\n", 2))
			equal(t, "second", countsOf(second), counts{inserted: 1, updated: 2, unchanged: 2, duplicates: 1})
			equal(t, "physically", []int64{second.Rows, second.Added, second.Removed}, []int64{5, 3, 2})
			equal(t, "rows", all(t, b.open(t, second.Location), engine.Query{Origin: true}), []string{
				`"2"|"b" 1700000000000001 1`, `"1"|"c" 1700000000000001 1`,
				`NULL|"new" 1700000000000002 2`, `""|"E" 1700000000000002 2`, `"9"|"nine" 1700000000000002 2`})

			before := b.files(t)
			same := b.mustLoad(t, keyed(t, second.Location, engine.Append, key, "id,v\n9,nine\n2,b\n2,b\n", 3))
			equal(t, "nothing changed", same.Location, second.Location)
			equal(t, "same", countsOf(same), counts{unchanged: 2, duplicates: 1})
			equal(t, "files", b.files(t), before)

			// A column that comes makes only those rows differ that have a value in it.
			wider := b.mustLoad(t, keyed(t, second.Location, engine.Append, key, "id,v,w\n9,nine,\n2,b,x\n", 4))
			equal(t, "wider", countsOf(wider), counts{updated: 1, unchanged: 1})
			equal(t, "added", wider.ColumnsAdded, []string{"w"})

			// All rows go, and with them the files.
			over := b.mustLoad(t, keyed(t, wider.Location, engine.Append, key, "id,v,w\n1,1,1\n2,2,2\n9,9,9\n,0,0\n\"\",-,-\n", 5))
			equal(t, "over", countsOf(over), counts{updated: 5})
			equal(t, "physically", []int64{over.Rows, over.Removed, over.Files, over.Deleted}, []int64{5, 5, 1, 0})

			full := b.mustLoad(t, keyed(t, over.Location, engine.Full, []string{"v", "w"}, "id,v,w\n1,a,\n2,,a\n3,\"\",a\n4,a,\"\"\n5,a,\n", 6))
			equal(t, "full", countsOf(full), counts{inserted: 4, duplicates: 1})
			equal(t, "physically", []int64{full.Rows, full.Added, full.Removed}, []int64{4, 4, 5})
			for _, s := range []*engine.Staged{first, second, wider, over, full} {
				got := b.foreignRows(t, s.Location)
				slices.Sort(got)
				equal(t, "library", got, slices.Sorted(slices.Values(all(t, b.open(t, s.Location), engine.Query{Origin: true}))))
			}
			old, err := b.OpenVersion(t.Context(), full.Location, second.SnapshotID, second.SchemaID)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "version", all(t, old, engine.Query{Origin: true}), all(t, b.open(t, second.Location), engine.Query{Origin: true}))
		})
	}
}

func TestKeyErrors(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	base := b.load(t, "", engine.Full, "a,b\n1,2\n")
	before := b.files(t)
	var unknown *engine.UnknownColumnError
	var missing *engine.ColumnsError
	for _, mode := range []engine.Mode{engine.Full, engine.Append} {
		_, err := b.Load(t.Context(), keyed(t, base.Location, mode, []string{"a", "x"}, "a,b\n1,2\n", 1))
		if !errors.As(err, &unknown) || unknown.Column != "x" {
			t.Errorf("mode %d: %v", mode, err)
		}
	}
	if _, err := b.Load(t.Context(), keyed(t, base.Location, engine.Append, []string{"a"}, "a\n1\n", 1)); !errors.As(err, &missing) {
		t.Errorf("missing column: %v", err)
	}
	l := keyed(t, base.Location, engine.Full, []string{"b"}, "a\n1\n", 1)
	l.DropColumns = []string{"b"}
	if _, err := b.Load(t.Context(), l); !errors.As(err, &unknown) || unknown.Column != "b" {
		t.Errorf("dropped key: %v", err)
	}
	equal(t, "files", b.files(t), before)
}

// keyCell makes up a cell of a key.
func (c chance) keyCell(many int) *string {
	if c.IntN(3) == 0 {
		return c.cell(0)
	}
	text := strconv.Itoa(c.IntN(many))
	return &text
}

// TestKeysAgainstSQLite loads random tables with and without keys, and
// compares random versions.
func TestKeysAgainstSQLite(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds(t, 4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			c := chance{rand.New(rand.NewPCG(seed, 1))}
			b := setup(t, engine.Options{
				RowGroup: 1 + c.IntN(700), FileSize: int64(5_000 + c.IntN(50_000)), KeysInMemory: pick(c, 1, 5, 50, 500, 0),
			})
			o := newOracle(t)
			key := []string{"k1"}
			if seed%2 == 0 {
				key = []string{"k2", "k1"}
			}
			header := []string{"k1", "v 0", "k2", "v 1"}
			location := ""
			var versions []kept
			many := pick(c, 20, 300, 5000)
			for round := range 9 {
				job := int64(round + 1)
				mode := pick(c, engine.Append, engine.Append, engine.Append, engine.Full)
				if round == 0 {
					mode = engine.Full
				}
				if c.IntN(4) == 0 {
					header = append(header, fmt.Sprint("v ", len(header)))
				}
				shuffled := slices.Clone(header)
				c.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
				rows := make([][]*string, c.IntN(pick(c, 10, 300, 1500)))
				old := o.table(shuffled)
				for i := range rows {
					if len(old) > 0 && c.IntN(3) == 0 { // as it is
						rows[i] = old[c.IntN(len(old))]
						continue
					}
					for _, name := range shuffled {
						if strings.HasPrefix(name, "k") {
							rows[i] = append(rows[i], c.keyCell(many))
						} else {
							rows[i] = append(rows[i], c.cell(pick(c, style(1), style(3))))
						}
					}
				}
				l := request(t, location, mode, c.encode(shuffled, rows))
				l.Job, l.Time = job, moment(job)
				was := o.size()
				want := counts{inserted: int64(len(rows))}
				if c.IntN(4) == 0 {
					o.load(mode, shuffled, rows, l.Time.UnixMicro(), job)
				} else {
					l.Key = key
					want = o.loadKeyed(mode, key, shuffled, rows, l.Time.UnixMicro(), job)
				}
				s := b.mustLoad(t, l)
				what := fmt.Sprintf("round %d, mode %d, key %v", round, mode, l.Key)
				equal(t, "counts of "+what, countsOf(s), want)
				equal(t, "rows of "+what, []int64{s.Rows, s.Added - s.Removed, s.Added}, []int64{o.size(), o.size() - was, want.inserted + want.updated})
				if want.inserted+want.updated+s.Removed+int64(len(s.ColumnsAdded)) == 0 && mode == engine.Append {
					equal(t, "location of "+what, s.Location, location)
				}
				location = s.Location
				v := b.open(t, location)
				expected := o.rows(engine.Query{})
				same(t, "rows of "+what, all(t, v, engine.Query{Origin: true}), expected)
				foreign := b.foreignRows(t, location)
				slices.Sort(foreign)
				same(t, "library's rows of "+what, foreign, slices.Sorted(slices.Values(expected)))
				askDuplicates(t, c, v, o)
				versions = append(versions, kept{
					snapshot: s.SnapshotID, schema: s.SchemaID, columns: slices.Clone(o.columns), ids: slices.Clone(o.columns), rows: expected, cells: o.shown(),
				})
			}
			for range 8 {
				askDifference(t, c, b, location, pick(c, versions...), pick(c, versions...), pick(c, nil, key, key))
			}
		})
	}
}

// table returns all cells in some columns, NULL in those that there are not.
func (o *oracle) table(columns []string) (rows [][]*string) {
	o.t.Helper()
	selected := make([]string, 0, len(columns))
	for _, c := range columns {
		if slices.Contains(o.columns, c) {
			selected = append(selected, quoted(c))
		} else {
			selected = append(selected, "NULL")
		}
	}
	found, err := o.db.Query("SELECT " + strings.Join(selected, ", ") + " FROM o ORDER BY place")
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = found.Close() }()
	for found.Next() {
		row, into := make([]*string, len(columns)), make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := found.Scan(into...); err != nil {
			o.t.Fatal(err)
		}
		rows = append(rows, row)
	}
	if err := found.Err(); err != nil {
		o.t.Fatal(err)
	}
	return rows
}

// shown returns all rows, cell by cell as the tests render them.
func (o *oracle) shown() (rows [][]string) {
	for _, row := range o.table(o.columns) {
		cells := make([]string, len(row))
		for i, cell := range row {
			if cell == nil {
				cells[i] = show([]engine.Cell{{Null: true}})
			} else {
				cells[i] = show([]engine.Cell{{Value: *cell}})
			}
		}
		rows = append(rows, cells)
	}
	return rows
}

func (o *oracle) size() (n int64) {
	o.t.Helper()
	if err := o.db.QueryRow("SELECT count(*) FROM o").Scan(&n); err != nil {
		o.t.Fatal(err)
	}
	return n
}

func askDuplicates(t *testing.T, c chance, v *engine.View, o *oracle) {
	t.Helper()
	key := pick(c, []string{"k1"}, []string{"k2"}, []string{"k1", "k2"}, []string{"v 1", "k1"}, []string{"v 1"})
	limit := pick(c, 0, 1, 10, 10_000)
	d, err := v.Duplicates(t.Context(), key, limit)
	if err != nil {
		t.Fatal(err)
	}
	want := o.duplicates(key)
	var got []string
	for _, x := range d.Examples {
		got = append(got, fmt.Sprintf("%s %d", show(x.Key), x.Rows))
	}
	same(t, fmt.Sprint("duplicates of ", key), got, want[:min(limit, len(want))])
	var rows int64
	for _, text := range want {
		n, err := strconv.ParseInt(text[strings.LastIndexByte(text, ' ')+1:], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		rows += n
	}
	equal(t, fmt.Sprint("duplicates of ", key), []int64{d.Keys, d.Excess}, []int64{int64(len(want)), rows - int64(len(want))})
}

// askDifference compares two versions and asks SQLite for the same. The key names
// columns that both call so.
func askDifference(t *testing.T, c chance, b *bundle, location string, before, after kept, key []string) {
	t.Helper()
	open := func(v kept) *engine.View {
		t.Helper()
		view, err := b.OpenVersion(t.Context(), location, v.snapshot, v.schema)
		if err != nil {
			t.Fatal(err)
		}
		return view
	}
	sample := pick(c, 0, 3, 1_000_000)
	d, err := b.Compare(t.Context(), engine.Comparison{Before: open(before), After: open(after), Key: key, Sample: sample})
	if err != nil {
		t.Fatal(err)
	}
	want := difference(t, before, after, key)
	what := fmt.Sprintf("versions %d and %d by %v", before.snapshot, after.snapshot, key)
	equal(t, what, []int64{d.Added, d.Removed, d.Changed, d.Unchanged}, want.counts)
	equal(t, what+", columns added", d.ColumnsAdded, want.columnsAdded)
	equal(t, what+", columns dropped", d.ColumnsDropped, want.columnsDropped)
	equal(t, what+", columns renamed", d.ColumnsRenamed, want.columnsRenamed)

	for _, kind := range []struct {
		name string
		rows []engine.Row
		of   kept
		n    int64
	}{{"added", d.AddedRows, after, d.Added}, {"removed", d.RemovedRows, before, d.Removed}} {
		if int64(len(kind.rows)) > min(kind.n, int64(sample)) || kind.n > 0 && sample > 0 && d.Changed == 0 && len(kind.rows) == 0 {
			t.Errorf("%s, %s: %d rows in the sample of %d", what, kind.name, len(kind.rows), kind.n)
		}
		for _, row := range kind.rows {
			if !kind.of.has(row) {
				t.Errorf("%s, %s: no row %s %d %d", what, kind.name, show(row.Cells), row.Time.UnixMicro(), row.Job)
			}
		}
	}
	if want := min(want.changedKeys, int64(sample)); int64(len(d.ChangedRows)) != want {
		t.Errorf("%s: %d changed rows in the sample, want %d", what, len(d.ChangedRows), want)
	}
	for _, row := range d.ChangedRows {
		var differ []string
		for i, id := range after.ids {
			j := slices.Index(before.ids, id)
			if j < 0 {
				continue
			}
			// Long cells that begin alike may differ where they are cut off.
			x, y := row.Before.Cells[j], row.After.Cells[i]
			if x != y || x.Cut && slices.Contains(row.Columns, after.columns[i]) {
				differ = append(differ, after.columns[i])
			}
		}
		if len(differ) == 0 || !slices.Equal(differ, row.Columns) {
			t.Errorf("%s: differ in %v, told %v", what, differ, row.Columns)
		}
	}
}

// has tells whether a row is in a version, as far as its cells are not cut off.
func (v kept) has(row engine.Row) bool {
	origin := fmt.Sprintf(" %d %d", row.Time.UnixMicro(), row.Job)
	for i, cells := range v.cells {
		same := len(cells) == len(row.Cells) && strings.HasSuffix(v.rows[i], origin)
		for j := 0; same && j < len(cells); j++ {
			text := show(row.Cells[j : j+1])
			if row.Cells[j].Cut {
				same = strings.HasPrefix(cells[j], strings.TrimSuffix(text, `"…`))
			} else {
				same = cells[j] == text
			}
		}
		if same {
			return true
		}
	}
	return false
}

type expectedDifference struct {
	counts                       []int64
	changedKeys                  int64
	columnsAdded, columnsDropped []string
	columnsRenamed               []engine.RenamedColumn
}

// difference counts by SQLite how versions differ.
func difference(t *testing.T, before, after kept, key []string) (d expectedDifference) {
	t.Helper()
	var common []string // ids
	for i, id := range before.ids {
		if !slices.Contains(after.ids, id) {
			d.columnsDropped = append(d.columnsDropped, before.columns[i])
		}
	}
	for i, id := range after.ids {
		j := slices.Index(before.ids, id)
		if j < 0 {
			d.columnsAdded = append(d.columnsAdded, after.columns[i])
			continue
		}
		common = append(common, id)
		if before.columns[j] != after.columns[i] {
			d.columnsRenamed = append(d.columnsRenamed, engine.RenamedColumn{Before: before.columns[j], After: after.columns[i]})
		}
	}
	keys := common
	if key != nil {
		keys = nil
		for _, name := range key {
			keys = append(keys, after.ids[slices.Index(after.columns, name)])
		}
	}
	if len(common) == 0 {
		d.counts = []int64{int64(len(after.rows)), int64(len(before.rows)), 0, 0}
		return d
	}
	o := newOracle(t)
	for i, v := range []kept{before, after} {
		name := []string{"b", "a"}[i]
		o.exec("CREATE TABLE " + name + " (k TEXT, r TEXT)")
		o.exec("BEGIN")
		for _, cells := range v.cells {
			var k, r []string
			for _, c := range keys {
				k = append(k, cells[slices.Index(v.ids, c)])
			}
			for _, c := range common {
				r = append(r, cells[slices.Index(v.ids, c)])
			}
			o.exec("INSERT INTO "+name+" VALUES (?, ?)", strings.Join(k, "|"), strings.Join(r, "|"))
		}
		o.exec("COMMIT")
	}
	// EXCEPT ALL and INTERSECT ALL by counting; then what is left by the key.
	var added, removed, changed, unchanged, changedKeys int64
	err := o.db.QueryRow(`WITH n AS (SELECT k, r, sum(b) AS b, sum(a) AS a FROM
			(SELECT k, r, 1 AS b, 0 AS a FROM b UNION ALL SELECT k, r, 0, 1 FROM a) GROUP BY k, r),
		k AS (SELECT sum(min(a, b)) AS same, sum(b - min(a, b)) AS b, sum(a - min(a, b)) AS a FROM n GROUP BY k)
		SELECT coalesce(sum(a - min(a, b)), 0), coalesce(sum(b - min(a, b)), 0), coalesce(sum(min(a, b)), 0), coalesce(sum(same), 0),
			coalesce(sum(min(a, b) > 0), 0) FROM k`).Scan(&added, &removed, &changed, &unchanged, &changedKeys)
	if err != nil {
		t.Fatal(err)
	}
	d.counts, d.changedKeys = []int64{added, removed, changed, unchanged}, changedKeys
	return d
}

// TestKeyCells loads keys that are the same only when they are joined, or seen
// from far away.
func TestKeyCells(t *testing.T) {
	t.Parallel()
	for _, keys := range []int{0, 1} {
		b := setup(t, engine.Options{KeysInMemory: keys})
		key := []string{"a", "b"}
		huge := strings.Repeat("k", 3<<20)
		text := "a,b,v\na,bc,1\nab,c,2\nabc,,3\nabc,\"\",4\n,abc,5\n\"\",abc,6\n,,7\n\"\",\"\",8\n\"a\r\n\",\"\"\"\",9\n" + huge + "x,,10\n" + huge + "y,,11\n"
		first := b.mustLoad(t, keyed(t, "", engine.Full, key, text, 1))
		equal(t, "first", countsOf(first), counts{inserted: 11})
		again := b.mustLoad(t, keyed(t, first.Location, engine.Append, key, text, 2))
		equal(t, "again", countsOf(again), counts{unchanged: 11})
		equal(t, "location", again.Location, first.Location)
		other := b.mustLoad(t, keyed(t, first.Location, engine.Append, key, "a,b,v\nabc,,0\n,,0\na,b,0\n"+huge+"y,,0\n", 3))
		equal(t, "other", countsOf(other), counts{inserted: 1, updated: 3})
		equal(t, "rows", other.Rows, int64(12))
	}
}

// TestKeyBounds looks at the bounds of key columns, by which row groups are passed over.
func TestKeyBounds(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{RowGroup: 100})
	var text strings.Builder
	text.WriteString("id,v,long\n")
	filling := rand.New(rand.NewPCG(1, 2)) // so that each row group has blocks with checksums of its own
	for i := range 300 {
		fmt.Fprintf(&text, "%05d,", i)
		for range 200 {
			fmt.Fprintf(&text, "%016x", filling.Uint64())
		}
		fmt.Fprintf(&text, ",%s\n", strings.Repeat("x", i))
	}
	base := b.mustLoad(t, keyed(t, "", engine.Full, []string{"id", "long"}, text.String(), 1))
	data, err := filepath.Glob(filepath.Join(b.dir, "tables/1/data/*.parquet"))
	if err != nil || len(data) != 1 {
		t.Fatal(data, err)
	}
	f, err := file.OpenParquetFile(data[0], false)
	if err != nil {
		t.Fatal(err)
	}
	bounds := func(group, column int) string {
		t.Helper()
		chunk, err := f.MetaData().RowGroup(group).ColumnChunk(column)
		if err != nil {
			t.Fatal(err)
		}
		statistics, err := chunk.Statistics()
		if err != nil || statistics == nil {
			t.Fatal(statistics, err)
		}
		if !statistics.HasMinMax() {
			return "none"
		}
		found := statistics.(*metadata.ByteArrayStatistics)
		return fmt.Sprintf("%s %s", found.Min(), found.Max())
	}
	equal(t, "ids", []string{bounds(0, 0), bounds(1, 0), bounds(2, 0)}, []string{"00000 00099", "00100 00199", "00200 00299"})
	equal(t, "values", []string{bounds(0, 1), bounds(2, 1)}, []string{"none", "none"})
	equal(t, "long", []string{bounds(0, 2), bounds(2, 2)}, []string{"x " + strings.Repeat("x", 99), "none"}) // what would have to be cut is left out
	chunk, err := f.MetaData().RowGroup(0).ColumnChunk(0)
	if err != nil {
		t.Fatal(err)
	}
	at := chunk.DataPageOffset() + 40
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}

	// The keys of the first row group are spoiled, but nobody asks for them.
	content, err := os.ReadFile(data[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		content[at+int64(i)] ^= 0xff
	}
	if err := os.WriteFile(data[0], content, 0o600); err != nil {
		t.Fatal(err)
	}
	s := b.mustLoad(t, keyed(t, base.Location, engine.Append, []string{"id"}, "id,v,long\n00150,new,\n00299,new,\n00301,new,\n", 2))
	equal(t, "counts", countsOf(s), counts{inserted: 1, updated: 2})
	if _, err := b.Load(t.Context(), keyed(t, base.Location, engine.Append, []string{"id"}, "id,v,long\n00050,new,\n", 2)); err == nil || !strings.Contains(err.Error(), filepath.Base(data[0])) {
		t.Errorf("spoiled keys: %v", err)
	}
}

func TestFailedKeyedLoads(t *testing.T) {
	t.Parallel()
	for _, keys := range []int{0, 100} {
		b := setup(t, engine.Options{RowGroup: 1000, FileSize: 10_000, KeysInMemory: keys})
		base := b.load(t, "", engine.Full, "a,b\n1,2\n")
		before := b.files(t)
		broken := errors.New("connection lost")
		var rows strings.Builder
		rows.WriteString("a,b\n")
		for i := range 30_000 {
			fmt.Fprintf(&rows, "%d,some text\n", i)
		}
		for _, mode := range []engine.Mode{engine.Full, engine.Append} {
			l := keyed(t, base.Location, mode, []string{"a"}, "a,b\n", 1)
			l.Source = source(t, io.MultiReader(strings.NewReader(rows.String()), then(func([]byte) (int, error) { return 0, broken })))
			if _, err := b.Load(t.Context(), l); !errors.Is(err, broken) {
				t.Errorf("source: %v", err)
			}
			equal(t, "files", b.files(t), before)

			for _, moment := range []int64{1, 20_000, 30_000} { // of the input, and when it has ended
				ctx, cancel := context.WithCancel(t.Context())
				l.Source = source(t, strings.NewReader(rows.String()))
				l.Progress = func(rows, _ int64) {
					if rows >= moment {
						cancel()
					}
				}
				if _, err := b.Load(ctx, l); !errors.Is(err, context.Canceled) {
					t.Errorf("canceled: %v", err)
				}
				cancel()
				equal(t, "files", b.files(t), before)
			}
		}
		equal(t, "rows", all(t, b.open(t, base.Location), engine.Query{}), []string{`"1"|"2"`})
	}
}

// TestKeyBoundsAfterCompaction compacts a keyed table: its new files tell their bounds, too.
func TestKeyBoundsAfterCompaction(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	key := []string{"id"}
	location := ""
	for i := range 3 {
		location = b.mustLoad(t, keyed(t, location, engine.Append, key, fmt.Sprintf("id,v\n%03d,a\n%03d,b\n", 10*i, 10*i+1), int64(i+1))).Location
	}
	before, err := filepath.Glob(filepath.Join(b.dir, "tables/1/data/*.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	b.must(t)(b.Compact(t.Context(), engine.Compact{Folder: "tables/1", Base: location, Key: key, Job: 9}))
	after, err := filepath.Glob(filepath.Join(b.dir, "tables/1/data/*.parquet"))
	if err != nil || len(after) != len(before)+1 {
		t.Fatal(before, after, err)
	}
	name := after[slices.IndexFunc(after, func(name string) bool { return !slices.Contains(before, name) })]
	f, err := file.OpenParquetFile(name, false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var got []string
	for column := range 2 {
		chunk, err := f.MetaData().RowGroup(0).ColumnChunk(column)
		if err != nil {
			t.Fatal(err)
		}
		statistics, err := chunk.Statistics()
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := statistics.(*metadata.ByteArrayStatistics); ok && s.HasMinMax() {
			got = append(got, fmt.Sprintf("%s to %s", s.Min(), s.Max()))
		} else {
			got = append(got, "none")
		}
	}
	equal(t, "bounds", got, []string{"000 to 021", "none"})

	var unknown *engine.UnknownColumnError
	if _, err := b.Compact(t.Context(), engine.Compact{Folder: "tables/1", Base: location, Key: []string{"x"}}); !errors.As(err, &unknown) {
		t.Errorf("unknown column: %v", err)
	}
}
