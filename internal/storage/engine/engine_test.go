package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"

	"steward/internal/storage/blob"
	"steward/internal/storage/csv"
	"steward/internal/storage/engine"
)

// TestMain sees to it that no goroutine of the engine outlives the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	if left := leaked(); left != "" && code == 0 {
		fmt.Fprintln(os.Stderr, "goroutines left behind:\n"+left)
		code = 1
	}
	os.Exit(code)
}

func leaked() string {
	var left strings.Builder
	for range 50 {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		left.Reset()
		for g := range strings.SplitSeq(string(stacks), "\n\n") {
			if strings.Contains(g, "steward/internal/storage/") && !strings.Contains(g, "TestMain") {
				left.WriteString(g + "\n\n")
			}
		}
		if left.Len() == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return left.String()
}

// bundle is an engine on a store of its own.
type bundle struct {
	*engine.Engine
	dir     string
	options engine.Options
}

func setup(t *testing.T, options engine.Options) *bundle {
	t.Helper()
	dir := t.TempDir()
	store, err := blob.OpenLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	e := engine.New(store, options)
	e.Scribble()
	return &bundle{e, dir, options}
}

// restarted is the same store with an engine that remembers nothing of it.
func (b *bundle) restarted(t *testing.T) *bundle {
	t.Helper()
	store, err := blob.OpenLocal(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return &bundle{engine.New(store, b.options), b.dir, b.options}
}

// files lists what is in the store, temporary files too.
func (b *bundle) files(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(b.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, strings.TrimPrefix(path, b.dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// moment is the time of job n.
func moment(n int64) time.Time { return time.UnixMicro(1_700_000_000_000_000 + n).UTC() }

func source(t *testing.T, text io.Reader) *csv.Reader {
	t.Helper()
	r, err := csv.NewReader(text, csv.DefaultDialect())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// request is a load of a text; job and time are 1 unless set.
func request(t *testing.T, base string, mode engine.Mode, text string) engine.Load {
	t.Helper()
	return engine.Load{Folder: "tables/1", Base: base, Mode: mode, Source: source(t, strings.NewReader(text)), Job: 1, Time: moment(1)}
}

func (b *bundle) load(t *testing.T, base string, mode engine.Mode, text string) *engine.Staged {
	t.Helper()
	s, err := b.Load(t.Context(), request(t, base, mode, text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (b *bundle) open(t *testing.T, location string) *engine.View {
	t.Helper()
	v, err := b.Open(t.Context(), location)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}

// show renders cells so that NULL and "" differ.
func show(cells []engine.Cell) string {
	var b strings.Builder
	for i, c := range cells {
		if i > 0 {
			b.WriteByte('|')
		}
		switch {
		case c.Null:
			b.WriteString("NULL")
		case c.Cut:
			fmt.Fprintf(&b, "%q…", c.Value)
		default:
			fmt.Fprintf(&b, "%q", c.Value)
		}
	}
	return b.String()
}

// all returns the rows of a view that satisfy a query, rendered.
func all(t *testing.T, v *engine.View, q engine.Query) []string {
	t.Helper()
	rows := []string{}
	err := v.Each(context.Background(), q, func(r engine.Row) error {
		text := show(r.Cells)
		if q.Origin {
			text += fmt.Sprintf(" %d %d", r.Time.UnixMicro(), r.Job)
		}
		rows = append(rows, text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func names(columns []engine.Column) []string {
	var names []string
	for _, c := range columns {
		names = append(names, c.Name)
	}
	return names
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// disk is the store as any other program sees it: plain files.
type disk string

func (d disk) path(name string) string {
	return filepath.Join(string(d), strings.TrimPrefix(name, "steward:///"))
}
func (d disk) Open(name string) (iceio.File, error) { return os.Open(d.path(name)) }
func (d disk) Remove(name string) error             { return os.Remove(d.path(name)) }
func (d disk) Create(name string) (iceio.FileWriter, error) {
	return os.OpenFile(d.path(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
}
func (d disk) WriteFile(name string, content []byte) error {
	return os.WriteFile(d.path(name), content, 0o600)
}

// foreign opens a table with the library alone.
func (b *bundle) foreign(t *testing.T, location string) *table.Table {
	t.Helper()
	open := func(context.Context) (iceio.IO, error) { return disk(b.dir), nil }
	tbl, err := table.NewFromLocation(context.Background(), table.Identifier{"t"}, location, open, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tbl
}

// foreignRows reads a table with the library's own reader: all columns of the
// schema, in no particular order of the rows.
func (b *bundle) foreignRows(t *testing.T, location string) []string {
	t.Helper()
	tbl := b.foreign(t, location)
	rows := []string{}
	if tbl.CurrentSnapshot() == nil {
		return rows
	}
	_, records, err := tbl.Scan().ToArrowRecords(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for record, err := range records {
		if err != nil {
			t.Fatal(err)
		}
		for i := range int(record.NumRows()) {
			var cells []engine.Cell
			var origin string
			for _, column := range record.Columns() {
				switch c := column.(type) {
				case *array.String:
					if c.IsNull(i) {
						cells = append(cells, engine.Cell{Null: true})
					} else {
						cells = append(cells, engine.Cell{Value: c.Value(i)})
					}
				case *array.Timestamp:
					origin += fmt.Sprintf(" %d", c.Value(i))
				case *array.Int64:
					origin += fmt.Sprintf(" %d", c.Value(i))
				default:
					t.Fatalf("column of type %T", column)
				}
			}
			rows = append(rows, show(cells)+origin)
		}
		record.Release()
	}
	return rows
}

func TestLoadAndRead(t *testing.T) {
	t.Parallel()
	staging := ""
	b := setup(t, engine.Options{Staging: func(folder string) { staging = folder }})
	var progress []int64
	l := request(t, "", engine.Full, "id,name\n1,\n2,\"\"\n3,\"a \"\"b\"\"\r\nc\"\n")
	l.Progress = func(rows, bytes int64) { progress = append(progress, rows, bytes) }
	s, err := b.Load(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	if len(progress) < 2 || progress[len(progress)-2] != 3 || progress[len(progress)-1] == 0 || staging != l.Folder {
		t.Errorf("progress %v, staging %q", progress, staging)
	}
	equal(t, "columns", names(s.Columns), []string{"id", "name"})
	equal(t, "added", s.ColumnsAdded, []string{"id", "name"})
	equal(t, "counts", []int64{s.Rows, s.Added, s.Removed, s.Files}, []int64{3, 3, 0, 1})

	v := b.open(t, s.Location)
	equal(t, "rows", all(t, v, engine.Query{Origin: true}), []string{
		`"1"|NULL 1700000000000001 1`, `"2"|"" 1700000000000001 1`, `"3"|"a \"b\"\r\nc" 1700000000000001 1`})
	equal(t, "view", []int64{v.Rows(), v.Bytes(), v.SnapshotID()}, []int64{3, s.Bytes, s.SnapshotID})
	equal(t, "columns", v.Columns(), s.Columns)
	equal(t, "nulls", v.Nulls(), map[string]int64{"id": 0, "name": 1})

	r, err := v.Find(t.Context(), engine.Query{Columns: []string{"name"}, Limit: 2, Origin: true})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "found", r, &engine.Result{Columns: []string{"name"}, Scanned: 2, Rows: []engine.Row{
		{Cells: []engine.Cell{{Null: true}}, Time: moment(1), Job: 1, Place: "0.0.0"},
		{Cells: []engine.Cell{{Value: ""}}, Time: moment(1), Job: 1, Place: "0.0.1"},
	}})
	equal(t, "library", b.foreignRows(t, s.Location), all(t, v, engine.Query{Origin: true}))
}

func TestFullReplacesAppendAdds(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	first := b.load(t, "", engine.Full, "a\n1\n2\n")
	second := b.load(t, first.Location, engine.Append, "a\n3\n")
	third := b.load(t, second.Location, engine.Full, "a\n4\n")
	fourth := b.load(t, third.Location, engine.Append, "a\n5\n6\n")
	for i, want := range [][]string{{`"1"`, `"2"`}, {`"1"`, `"2"`, `"3"`}, {`"4"`}, {`"4"`, `"5"`, `"6"`}} {
		s := []*engine.Staged{first, second, third, fourth}[i]
		equal(t, fmt.Sprint("rows after load ", i), all(t, b.open(t, s.Location), engine.Query{}), want)
		equal(t, fmt.Sprint("count after load ", i), s.Rows, int64(len(want)))

		v, err := b.OpenVersion(t.Context(), fourth.Location, s.SnapshotID, s.SchemaID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, fmt.Sprint("version ", i), all(t, v, engine.Query{}), want)
	}
	equal(t, "third", []int64{third.Added, third.Removed, third.Files}, []int64{1, 3, 1})
	equal(t, "fourth", []int64{fourth.Added, fourth.Removed, fourth.Files}, []int64{2, 0, 2})
	if _, err := b.OpenVersion(t.Context(), fourth.Location, 1, fourth.SchemaID); !errors.Is(err, engine.ErrNoSnapshot) {
		t.Errorf("unknown version: %v", err)
	}
	if _, err := b.OpenVersion(t.Context(), fourth.Location, fourth.SnapshotID, 99); !errors.Is(err, engine.ErrNoSnapshot) {
		t.Errorf("unknown schema: %v", err)
	}
}

func TestColumns(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	base := b.load(t, "", engine.Full, "a,b,c\n1,2,3\n")

	var missing *engine.ColumnsError
	for _, mode := range []engine.Mode{engine.Full, engine.Append} {
		l := request(t, base.Location, mode, "d,b\n1,2\n")
		if mode == engine.Append {
			l.DropColumns = []string{"a", "c"}
		} else {
			l.DropColumns = []string{"a"}
		}
		_, err := b.Load(t.Context(), l)
		if !errors.As(err, &missing) {
			t.Fatalf("mode %d: %v", mode, err)
		}
		equal(t, "missing", missing.Missing, []string{"a", "c"})
	}
	// New columns come last, the order of the table stays.
	wider := b.load(t, base.Location, engine.Append, "d,c,b,a\nvier,drei,zwei,eins\n")
	equal(t, "columns", names(wider.Columns), []string{"a", "b", "c", "d"})
	equal(t, "added", wider.ColumnsAdded, []string{"d"})
	equal(t, "rows", all(t, b.open(t, wider.Location), engine.Query{}),
		[]string{`"1"|"2"|"3"|NULL`, `"eins"|"zwei"|"drei"|"vier"`})
	equal(t, "nulls", b.open(t, wider.Location).Nulls(), map[string]int64{"a": 0, "b": 0, "c": 0, "d": 1})

	l := request(t, wider.Location, engine.Full, "c,a\nC,A\n")
	l.DropColumns = []string{"b", "d", "a", "unknown"}
	narrow, err := b.Load(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "columns", names(narrow.Columns), []string{"a", "c"})
	equal(t, "dropped", narrow.ColumnsDropped, []string{"b", "d"})
	equal(t, "rows", all(t, b.open(t, narrow.Location), engine.Query{}), []string{`"A"|"C"`})

	// A column that comes back is another column.
	back := b.load(t, narrow.Location, engine.Append, "a,b,c\nx,y,z\n")
	equal(t, "rows", all(t, b.open(t, back.Location), engine.Query{}), []string{`"A"|"C"|NULL`, `"x"|"z"|"y"`})
	ids := map[int]bool{}
	for _, s := range []*engine.Staged{wider, back} {
		for _, c := range s.Columns {
			ids[c.ID] = true
		}
	}
	equal(t, "ids ever used", len(ids), 5)
	for _, s := range []*engine.Staged{base, wider, narrow, back} {
		got, want := b.foreignRows(t, s.Location), all(t, b.open(t, s.Location), engine.Query{Origin: true})
		slices.Sort(got)
		slices.Sort(want)
		equal(t, "library", got, want)
	}
	v, err := b.OpenVersion(t.Context(), back.Location, wider.SnapshotID, wider.SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "columns then", names(v.Columns()), []string{"a", "b", "c", "d"})
	equal(t, "rows then", all(t, v, engine.Query{}), []string{`"1"|"2"|"3"|NULL`, `"eins"|"zwei"|"drei"|"vier"`})
}

func TestColumnNames(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	header := []string{"a", "A", "a.b", "a b", "ä", "日本", "_", "1", "'", "--", "a/b", "col:on", "\u00a0x", strings.Repeat("n", 300)}
	s := b.load(t, "", engine.Full, strings.Join(header, ",")+"\n"+strings.Repeat("v,", len(header)-1)+"v\n")
	equal(t, "columns", names(s.Columns), header)
	v := b.open(t, s.Location)
	for _, name := range header {
		r, err := v.Find(t.Context(), engine.Query{Columns: []string{name}, Limit: 1, Where: []engine.Condition{{Column: name, Op: engine.Equal, Value: "v"}}})
		if err != nil || len(r.Rows) != 1 {
			t.Errorf("%q: %v, %v", name, r, err)
		}
	}
	equal(t, "library", b.foreignRows(t, s.Location), all(t, v, engine.Query{Origin: true}))
}

func TestNoRows(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	empty := b.load(t, "", engine.Full, "a,b\n")
	equal(t, "empty", []int64{empty.Rows, empty.Files, empty.SnapshotID}, []int64{0, 0, 0})
	v := b.open(t, empty.Location)
	equal(t, "rows", all(t, v, engine.Query{}), []string{})
	equal(t, "columns", names(v.Columns()), []string{"a", "b"})
	for _, q := range []engine.Query{{Limit: 1}, {Limit: 1, Order: []engine.Order{{Column: "a"}}}} {
		if r, err := v.Find(t.Context(), q); err != nil || len(r.Rows) != 0 || r.Scanned != 0 {
			t.Errorf("find: %v, %v", r, err)
		}
	}
	for _, mode := range []engine.Mode{engine.Full, engine.Append} {
		same := b.load(t, empty.Location, mode, "b,a\n")
		equal(t, "nothing changed", same.Location, empty.Location)
	}
	wider := b.load(t, empty.Location, engine.Append, "c,a,b\n")
	equal(t, "columns", names(b.open(t, wider.Location).Columns()), []string{"a", "b", "c"})

	filled := b.load(t, wider.Location, engine.Append, "a,b,c\n1,2,3\n")
	equal(t, "rows", all(t, b.open(t, filled.Location), engine.Query{}), []string{`"1"|"2"|"3"`})
	kept := b.load(t, filled.Location, engine.Append, "a,b,c\n")
	equal(t, "nothing changed", kept.Location, filled.Location)
	equal(t, "as it was", []int64{kept.Rows, kept.Bytes, kept.Files, kept.SnapshotID}, []int64{1, filled.Bytes, 1, filled.SnapshotID})

	emptied := b.load(t, filled.Location, engine.Full, "a,b,c,d\n")
	equal(t, "emptied", []int64{emptied.Rows, emptied.Removed, emptied.Files, emptied.Bytes}, []int64{0, 1, 0, 0})
	equal(t, "rows", all(t, b.open(t, emptied.Location), engine.Query{}), []string{})
	equal(t, "columns", names(b.open(t, emptied.Location).Columns()), []string{"a", "b", "c", "d"})
	again := b.load(t, emptied.Location, engine.Full, "a,b,c,d\n1,2,3,4\n")
	equal(t, "rows", all(t, b.open(t, again.Location), engine.Query{}), []string{`"1"|"2"|"3"|"4"`})
	equal(t, "library", b.foreignRows(t, again.Location), all(t, b.open(t, again.Location), engine.Query{Origin: true}))
}

func TestDiscard(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	base := b.load(t, "", engine.Full, "a\n1\n2\n")
	before := b.files(t)
	for _, mode := range []engine.Mode{engine.Full, engine.Append} {
		s := b.load(t, base.Location, mode, "a,b\n3,4\n")
		equal(t, "base while staged", all(t, b.open(t, base.Location), engine.Query{}), []string{`"1"`, `"2"`})
		if len(b.files(t)) == len(before) {
			t.Error("nothing was written")
		}
		if err := b.Discard(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		equal(t, "files", b.files(t), before)
		equal(t, "base after it", all(t, b.open(t, base.Location), engine.Query{}), []string{`"1"`, `"2"`})
		if _, err := b.Open(t.Context(), s.Location); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("discarded: %v", err)
		}
	}
	nothing := b.load(t, base.Location, engine.Append, "a\n")
	if err := b.Discard(t.Context(), nothing); err != nil {
		t.Fatal(err)
	}
	equal(t, "base after all", all(t, b.open(t, base.Location), engine.Query{}), []string{`"1"`, `"2"`})
}

// then is input that goes on with what a function says.
type then func(p []byte) (int, error)

func (f then) Read(p []byte) (int, error) { return f(p) }

func TestFailedLoads(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{RowGroup: 1000, FileSize: 10_000})
	base := b.load(t, "", engine.Full, "a,b\n1,2\n")
	before := b.files(t)
	broken := errors.New("connection lost")
	canceled, cancel := context.WithCancel(t.Context())
	rows := "a,b\n" + strings.Repeat("some text,and some more of it\n", 50_000)
	endless := then(func(p []byte) (int, error) {
		cancel()
		for i := range p {
			p[i] = "x,y\n"[i%4]
		}
		return len(p) - len(p)%4, nil
	})

	for name, c := range map[string]struct {
		ctx   context.Context //nolint:containedctx // one of the things the cases differ in
		text  io.Reader
		check func(error) bool
	}{
		"ragged row": {t.Context(), strings.NewReader(rows + "x\n"), func(err error) bool {
			var e *csv.Error
			return errors.As(err, &e) && e.Line == 50_002
		}},
		"source": {t.Context(), io.MultiReader(strings.NewReader(rows), then(func([]byte) (int, error) { return 0, broken })), func(err error) bool {
			return errors.Is(err, broken)
		}},
		"canceled": {canceled, io.MultiReader(strings.NewReader(rows), endless), func(err error) bool {
			return errors.Is(err, context.Canceled)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.Load(c.ctx, engine.Load{Folder: "tables/1", Base: base.Location, Source: source(t, c.text), Time: moment(1)})
			if !c.check(err) {
				t.Fatalf("error: %v", err)
			}
			equal(t, "files", b.files(t), before)
		})
	}
	for name, l := range map[string]engine.Load{
		"no table":     {Folder: "tables/1", Base: "steward:///tables/1/metadata/00000-x.metadata.json"},
		"other folder": {Folder: "tables/3", Base: base.Location},
		"no location":  {Folder: "tables/1", Base: "file:///etc/passwd"},
		"bad folder":   {Folder: "../1"},
	} {
		l.Source, l.Time = source(t, strings.NewReader("a,b\n1,2\n")), moment(1)
		if _, err := b.Load(t.Context(), l); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
	equal(t, "files", b.files(t), before)
	equal(t, "rows", all(t, b.open(t, base.Location), engine.Query{}), []string{`"1"|"2"`})
}

func TestManyColumns(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	const columns, rows = 4096, 40
	var text bytes.Buffer
	for c := range columns {
		fmt.Fprintf(&text, "column %d,", c)
	}
	text.Truncate(text.Len() - 1)
	for r := range rows {
		text.WriteByte('\n')
		for c := range columns {
			if (r+c)%7 > 0 {
				fmt.Fprintf(&text, "%d.%d", r, c)
			}
			text.WriteByte(',')
		}
		text.Truncate(text.Len() - 1)
	}
	s := b.load(t, "", engine.Full, text.String())
	v := b.open(t, s.Location)
	r := 0
	err := v.Each(t.Context(), engine.Query{}, func(row engine.Row) error {
		for c, cell := range row.Cells {
			want := engine.Cell{Null: true}
			if (r+c)%7 > 0 {
				want = engine.Cell{Value: fmt.Sprintf("%d.%d", r, c)}
			}
			if cell != want {
				return fmt.Errorf("row %d, column %d: %v", r, c, cell)
			}
		}
		r++
		return nil
	})
	if err != nil || r != rows {
		t.Errorf("%d rows, %v", r, err)
	}
	found, err := v.Find(t.Context(), engine.Query{Limit: 100, Where: []engine.Condition{{Column: "column 4095", Op: engine.Equal, Value: "39.4095"}}})
	if err != nil || len(found.Rows) != 1 || found.Rows[0].Cells[1].Value != "39.1" {
		t.Errorf("found %v, %v", found, err)
	}
}

func TestHugeCells(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	huge := strings.Repeat("é0123456789abcdef", csv.MaxCell/18)
	var text bytes.Buffer
	text.WriteString("id,huge\n")
	for i := range 6 {
		fmt.Fprintf(&text, "%d,%s%d\n", i, huge, 5-i)
	}
	s := b.load(t, "", engine.Full, text.String())
	v := b.open(t, s.Location)
	n := 0
	err := v.Each(t.Context(), engine.Query{}, func(r engine.Row) error {
		if r.Cells[1].Value != huge+strconv.Itoa(5-n) {
			return fmt.Errorf("row %d differs", n)
		}
		n++
		return nil
	})
	if err != nil || n != 6 {
		t.Fatal(n, err)
	}
	r, err := v.Find(t.Context(), engine.Query{Limit: 100, Where: []engine.Condition{{Column: "id", Op: engine.GreaterOrEqual, Value: "4"}}})
	if err != nil || len(r.Rows) != 2 {
		t.Fatal(r, err)
	}
	if c := r.Rows[1].Cells[1]; !c.Cut || c.Null || len(c.Value) > 16<<10 || len(c.Value) < 16<<10-3 || !strings.HasPrefix(huge, c.Value) {
		t.Errorf("cut cell has %d bytes, cut %t", len(c.Value), c.Cut)
	}
	if c := r.Rows[1].Cells[0]; c.Cut || c.Value != "5" {
		t.Errorf("short cell is %v", c)
	}
	// Equal in what counts, so the order of the table stays.
	r, err = v.Find(t.Context(), engine.Query{Limit: 2, Columns: []string{"id"}, Order: []engine.Order{{Column: "huge"}}})
	if err != nil || r.Rows[0].Cells[0].Value != "0" || r.Rows[1].Cells[0].Value != "1" {
		t.Errorf("ordered: %v, %v", r, err)
	}
}

func TestReadersDuringLoads(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{RowGroup: 300})
	text := func(round int) string {
		return "round,n\n" + strings.Repeat(fmt.Sprintf("%d,x\n", round), 1000)
	}
	base := b.load(t, "", engine.Full, text(0))
	v := b.open(t, base.Location)
	stop := make(chan struct{})
	done := make(chan error, 3)
	for range cap(done) {
		go func() {
			for {
				n, err := v.Count(context.Background(), []engine.Condition{{Column: "round", Op: engine.Equal, Value: "0"}})
				if err == nil && n != 1000 {
					err = fmt.Errorf("%d rows", n)
				}
				select {
				case <-stop:
					done <- err
					return
				default:
					if err != nil {
						done <- err
						return
					}
				}
			}
		}()
	}
	location := base.Location
	for round := range 5 {
		location = b.load(t, location, engine.Mode(round%2), text(round+1)).Location
	}
	close(stop)
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	equal(t, "base", v.Rows(), int64(1000))
}

func TestBadQueries(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	v := b.open(t, b.load(t, "", engine.Full, "a\n1\n").Location)
	var unknown *engine.UnknownColumnError
	for _, q := range []engine.Query{
		{Limit: 1, Columns: []string{"x"}},
		{Limit: 1, Columns: []string{"_job"}},
		{Limit: 1, Where: []engine.Condition{{Column: "x", Op: engine.IsNull}}},
		{Limit: 1, Order: []engine.Order{{Column: "x"}}},
	} {
		unknown = nil
		if _, err := v.Find(t.Context(), q); !errors.As(err, &unknown) || unknown.Column == "" {
			t.Errorf("%v: %v", q, err)
		}
	}
	for _, q := range []engine.Query{{}, {Limit: -1}, {Limit: engine.MaxRows + 1}, {Limit: 1, Where: []engine.Condition{{Column: "a", Op: "like"}}}} {
		if _, err := v.Find(t.Context(), q); !errors.Is(err, engine.ErrQuery) {
			t.Errorf("%v: %v", q, err)
		}
	}
	if _, err := v.Count(t.Context(), []engine.Condition{{Column: "a", Op: engine.Less, Value: "one", Number: true}}); !errors.Is(err, engine.ErrNotNumber) {
		t.Errorf("no number: %v", err)
	}
	if err := v.Each(t.Context(), engine.Query{Order: []engine.Order{{Column: "a"}}}, nil); !errors.Is(err, engine.ErrQuery) {
		t.Errorf("each in an order: %v", err)
	}
	stop := errors.New("stop")
	if err := v.Each(t.Context(), engine.Query{}, func(engine.Row) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("each: %v", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Find(canceled, engine.Query{Limit: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	_ = v.Close()
	if _, err := v.Find(t.Context(), engine.Query{Limit: 1}); err == nil {
		t.Error("found in a closed view")
	}
	for _, name := range []string{"eq", "ne", "lt", "le", "gt", "ge", "contains", "starts", "null", "notnull"} {
		if op, ok := engine.ParseOp(name); !ok || string(op) != name {
			t.Errorf("operator %q: %v", name, ok)
		}
	}
	if _, ok := engine.ParseOp("like"); ok {
		t.Error("operator like")
	}
}
