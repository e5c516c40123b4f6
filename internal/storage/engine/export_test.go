package engine_test

import (
	"bytes"
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

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go/table"

	"steward/internal/storage/blob"
	"steward/internal/storage/csv"
	"steward/internal/storage/engine"
)

// export returns what an export writes, and checks what it says of it.
func export(t *testing.T, v *engine.View, e engine.Export) string {
	t.Helper()
	var out bytes.Buffer
	var progress []int64
	e.Progress = func(rows int64) { progress = append(progress, rows) }
	gathered := int64(-1)
	e.Gathered = func(rows int64) {
		if rows < gathered || len(progress) > 0 {
			t.Errorf("%d rows gathered after %d, and %d written", rows, gathered, progress)
		}
		gathered = rows
	}
	rows, err := v.Export(t.Context(), &out, e)
	if err != nil {
		t.Fatalf("export %+v: %v", e, err)
	}
	if n, err := v.CountQuery(t.Context(), e.Query); len(e.Query.Order) > 0 && max(gathered, 0) != n || err != nil {
		t.Errorf("%d of %d rows gathered, %v", gathered, n, err)
	}
	if !slices.IsSorted(progress) || rows > 0 && (len(progress) == 0 || progress[len(progress)-1] != rows) {
		t.Errorf("progress %d of %d rows", progress, rows)
	}
	return out.String()
}

// written returns rows as csv.Writer writes them.
func written(t *testing.T, header []string, rows []engine.Row, e engine.Export) string {
	t.Helper()
	var out bytes.Buffer
	w := csv.NewWriter(&out, e.CSV)
	if e.Query.Origin {
		header = append(slices.Clone(header), "_timestamp", "_job")
	}
	err := w.Header(header)
	for _, r := range rows {
		var cells []csv.Cell
		for _, c := range r.Cells {
			cells = append(cells, csv.Cell{Value: c.Value, Null: c.Null})
		}
		if e.Query.Origin {
			cells = append(cells, csv.Cell{Value: r.Time.UTC().Format("2006-01-02T15:04:05.000000Z")}, csv.Cell{Value: strconv.FormatInt(r.Job, 10)})
		}
		err = errors.Join(err, w.Row(cells))
	}
	if err := errors.Join(err, w.Flush()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// parsed reads CSV back.
func parsed(t *testing.T, text string, delimiter byte) (header, rows []string) {
	t.Helper()
	d := csv.DefaultDialect()
	if delimiter != 0 {
		d.Delimiter = delimiter
	}
	r, err := csv.NewReader(strings.NewReader(text), d)
	if err != nil {
		t.Fatalf("%v: %.200q", err, text)
	}
	rows = []string{}
	var batch csv.Batch
	for {
		err := r.Next(&batch)
		if errors.Is(err, io.EOF) {
			return r.Header(), rows
		}
		if err != nil {
			t.Fatal(err)
		}
		next := make([]int, len(batch.Columns))
		for row := range batch.Rows {
			cells := make([]engine.Cell, len(batch.Columns))
			for i, c := range batch.Columns {
				if cells[i].Null = c.Defined[row] == 0; !cells[i].Null {
					cells[i].Value = string(c.Values[next[i]])
					next[i]++
				}
			}
			rows = append(rows, show(cells))
		}
	}
}

// parquetRows reads a Parquet file with the library's reader.
func parquetRows(t *testing.T, content string) (header, rows []string) {
	t.Helper()
	f, err := file.NewParquetReader(strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for i := range f.MetaData().Schema.NumColumns() {
		c := f.MetaData().Schema.Column(i)
		header = append(header, c.Name())
		if c.MaxDefinitionLevel() != 1 || c.MaxRepetitionLevel() != 0 || c.SchemaNode().FieldID() != -1 {
			t.Errorf("column %s", c)
		}
	}
	r, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	table, err := r.ReadTable(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer table.Release()
	records := array.NewTableReader(table, 0)
	defer records.Release()
	rows = []string{}
	for records.Next() {
		record := records.RecordBatch()
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
	}
	if int64(len(rows)) != f.NumRows() {
		t.Errorf("%d rows, the file says %d", len(rows), f.NumRows())
	}
	return header, rows
}

// rendered returns rows as the tests show them.
func rendered(rows []engine.Row, origin bool) []string {
	shown := []string{}
	for _, r := range rows {
		text := show(r.Cells)
		if origin {
			text += fmt.Sprintf(" %d %d", r.Time.UnixMicro(), r.Job)
		}
		shown = append(shown, text)
	}
	return shown
}

// deleteSome deletes random rows of one data file of the table, in the oracle, too.
func deleteSome(t *testing.T, c chance, b *bundle, location string, o *oracle) string {
	t.Helper()
	tasks, err := b.foreign(t, location).Scan().PlanFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(tasks) == 0 {
		return location
	}
	slices.SortFunc(tasks, func(x, y table.FileScanTask) int { return int(*x.FirstRowID - *y.FirstRowID) })
	nth, first := c.IntN(len(tasks)), int64(0)
	for _, task := range tasks[:nth] {
		first += task.File.Count()
	}
	var gone []int64
	for row := range tasks[nth].File.Count() {
		if c.IntN(4) == 0 {
			gone = append(gone, row)
		}
	}
	if len(gone) == 0 {
		return location
	}
	o.exec("CREATE TEMP TABLE numbered AS SELECT place, row_number() OVER (ORDER BY place) - 1 AS n FROM o")
	for _, row := range gone {
		o.exec("DELETE FROM o WHERE place = (SELECT place FROM numbered WHERE n = ?)", first+row)
	}
	o.exec("DROP TABLE numbered")
	return b.deleteRows(t, location, nth, gone)
}

// TestExportAgainstSQLite exports random parts of random tables. SQLite must
// give the same rows in the same order, and csv.Writer the same bytes.
func TestExportAgainstSQLite(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds(t, 4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			c := chance{rand.New(rand.NewPCG(seed, 17))}
			b := setup(t, engine.Options{
				RowGroup: 20 + c.IntN(200), FileSize: int64(10_000 + c.IntN(100_000)), SortMemory: pick[int64](c, 1, 20_000, 0),
			})
			o := newOracle(t)
			location := ""
			header := []string{"of all kinds", "few", "number", "mostly NULL", "long", "NULL"}
			for round := range 4 {
				mode := engine.Append
				if round%2 == 0 {
					mode = engine.Full
				}
				var drop []string
				if round == 2 {
					drop = []string{header[1]}
					header = append(slices.Delete(slices.Clone(header), 1, 2), "a new, one")
				}
				rows := make([][]*string, 200+c.IntN(800))
				for i := range rows {
					for s := range header {
						rows[i] = append(rows[i], c.cell(style(s)))
					}
				}
				job := int64(round + 1)
				o.load(mode, header, rows, moment(job).UnixMicro(), job)
				l := request(t, location, mode, c.encode(header, rows))
				l.Job, l.Time, l.DropColumns = job, moment(job), drop
				s, err := b.Load(t.Context(), l)
				if err != nil {
					t.Fatal(err)
				}
				location = s.Location
				if round == 2 {
					location = deleteSome(t, c, b, location, o)
				}
				v := b.open(t, location)
				for range 12 {
					askExport(t, c, v, o)
				}
			}
		})
	}
}

// askExport compares what random exports of the same rows write.
func askExport(t *testing.T, c chance, v *engine.View, o *oracle) {
	t.Helper()
	q := engine.Query{Limit: pick(c, 0, 0, 1, 10, 100, 700), Origin: c.IntN(3) == 0}
	for range c.IntN(3) {
		q.Where = append(q.Where, c.condition(o.columns))
	}
	for range c.IntN(4) {
		q.Order = append(q.Order, engine.Order{Column: pick(c, o.columns...), Descending: c.IntN(2) == 0, Number: c.IntN(2) == 0})
	}
	header := o.columns
	if c.IntN(2) == 0 {
		q.Columns = slices.Clone(o.columns)
		c.Shuffle(len(q.Columns), func(i, j int) { q.Columns[i], q.Columns[j] = q.Columns[j], q.Columns[i] })
		q.Columns = q.Columns[:1+c.IntN(len(q.Columns))]
		header = q.Columns
	}
	if c.IntN(3) == 0 {
		q.Since = moment(int64(c.IntN(6)))
	}
	question := fmt.Sprintf("%+v", q)
	rows := o.answer(q)

	e := engine.Export{Query: q, CSV: csv.WriterOptions{Delimiter: pick[byte](c, 0, ',', ';', '\t', ':', '1'), CRLF: c.IntN(2) == 0, Formulas: c.IntN(4) == 0}}
	text := export(t, v, e)
	if want := written(t, header, rows, e); text != want {
		gotLines, wantLines := strings.SplitAfter(text, "\n"), strings.SplitAfter(want, "\n")
		same(t, "lines of "+question, gotLines, wantLines)
	}
	if !e.CSV.Formulas && !q.Origin {
		names, cells := parsed(t, text, e.CSV.Delimiter)
		equal(t, "header", names, header)
		same(t, "rows of "+question, cells, rendered(rows, false))
	}

	e.Parquet = true
	names, cells := parquetRows(t, export(t, v, e))
	if q.Origin {
		header = append(slices.Clone(header), "_timestamp", "_job")
	}
	equal(t, "Parquet columns", names, header)
	same(t, "Parquet rows of "+question, cells, rendered(rows, q.Origin))
}

// TestExportOfNothing exports tables without rows, and results without any.
func TestExportOfNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	for name, location := range map[string]string{
		"no rows":   b.load(t, "", engine.Full, "a,b\n").Location,
		"no result": b.load(t, "", engine.Full, "a,b\n1,2\n").Location,
	} {
		v := b.open(t, location)
		for _, order := range [][]engine.Order{nil, {{Column: "a"}}} {
			e := engine.Export{Query: engine.Query{Where: []engine.Condition{{Column: "a", Op: engine.Equal, Value: "x"}}, Order: order}}
			equal(t, name, export(t, v, e), "a,b\n")
			e.Parquet = true
			header, rows := parquetRows(t, export(t, v, e))
			equal(t, name, []any{header, rows}, []any{[]string{"a", "b"}, []string{}})
		}
	}
}

func TestExportRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	v := b.open(t, b.load(t, "", engine.Full, "a,b\n1,2\n").Location)
	var unknown *engine.UnknownColumnError
	var invalid *csv.Error
	for _, test := range []struct {
		name   string
		export engine.Export
		is     func(error) bool
	}{
		{"unknown column", engine.Export{Query: engine.Query{Columns: []string{"c"}}}, func(err error) bool { return errors.As(err, &unknown) }},
		{"own column", engine.Export{Query: engine.Query{Columns: []string{"_job"}}}, func(err error) bool { return errors.As(err, &unknown) }},
		{"unknown order", engine.Export{Query: engine.Query{Order: []engine.Order{{Column: "c"}}}}, func(err error) bool { return errors.As(err, &unknown) }},
		{"a column twice", engine.Export{Query: engine.Query{Columns: []string{"a", "b", "a"}}}, func(err error) bool { return errors.Is(err, engine.ErrQuery) }},
		{"no columns", engine.Export{Query: engine.Query{Columns: []string{}}}, func(err error) bool { return errors.Is(err, engine.ErrQuery) }},
		{"limit below 0", engine.Export{Query: engine.Query{Limit: -1}}, func(err error) bool { return errors.Is(err, engine.ErrQuery) }},
		{"no number", engine.Export{Query: engine.Query{Where: []engine.Condition{{Column: "a", Op: engine.Less, Number: true}}}},
			func(err error) bool { return errors.Is(err, engine.ErrNotNumber) }},
		{"delimiter", engine.Export{CSV: csv.WriterOptions{Delimiter: '"'}}, func(err error) bool { return errors.As(err, &invalid) }},
	} {
		var out bytes.Buffer
		if rows, err := v.Export(t.Context(), &out, test.export); !test.is(err) || rows != 0 || out.Len() > 0 {
			t.Errorf("%s: %d rows, %d bytes, %v", test.name, rows, out.Len(), err)
		}
	}
	_ = v.Close()
	if _, err := v.Export(t.Context(), io.Discard, engine.Export{}); err == nil {
		t.Error("closed view")
	}
}

// numbers is a table of so many rows.
func numbers(rows int) string {
	r := rand.New(rand.NewPCG(11, 12))
	var text strings.Builder
	text.WriteString("n,many,few\n")
	for i := range rows {
		fmt.Fprintf(&text, "%d,%d-%d,%d\n", i, r.Uint64(), r.Uint64(), r.IntN(5))
	}
	return text.String()
}

// exports are of all kinds.
func exports() map[string]engine.Export {
	order := []engine.Order{{Column: "many"}}
	return map[string]engine.Export{
		"CSV":             {},
		"Parquet":         {Parquet: true},
		"ordered CSV":     {Query: engine.Query{Order: order}},
		"ordered Parquet": {Query: engine.Query{Order: order}, Parquet: true},
		"limited":         {Query: engine.Query{Order: order, Limit: 70_000}},
	}
}

// limited is an output that fails once it has taken some bytes.
type limited struct {
	left int
	err  error
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, l.err
	}
	return len(p), nil
}

func TestExportToFailingOutput(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{RowGroup: 10_000, SortMemory: 500_000})
	v := b.open(t, b.load(t, "", engine.Full, numbers(80_000)).Location)
	before := b.files(t)
	full := errors.New("the output is full")
	for name, e := range exports() {
		for _, bytes := range []int{0, 300_000, 1_000_000} {
			rows, err := v.Export(t.Context(), &limited{bytes, full}, e)
			if err != full || rows >= 80_000 {
				t.Errorf("%s after %d bytes: %d rows, %v", name, bytes, rows, err)
			}
		}
	}
	equal(t, "files left", b.files(t), before)
}

func TestExportIsCancelled(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{RowGroup: 1000, SortMemory: 500_000})
	v := b.open(t, b.load(t, "", engine.Full, numbers(80_000)).Location)
	before := b.files(t)
	for name, e := range exports() {
		for _, when := range []string{"at once", "while gathering", "while writing"} {
			if when == "while gathering" && e.Query.Order == nil {
				continue
			}
			ctx, cancel := context.WithCancel(t.Context())
			switch when {
			case "at once":
				cancel()
			case "while gathering":
				e.Gathered = func(int64) { cancel() }
			default:
				e.Progress = func(int64) { cancel() }
			}
			if rows, err := v.Export(ctx, io.Discard, e); !errors.Is(err, context.Canceled) || rows >= 80_000 {
				t.Errorf("%s %s: %d rows, %v", name, when, rows, err)
			}
			cancel()
		}
	}
	equal(t, "files left", b.files(t), before)
}

// TestExportOfDamage exports a table one of whose files is spoiled in many ways.
func TestExportOfDamage(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{RowGroup: 500, SortMemory: 10_000})
	s := b.load(t, "", engine.Full, numbers(2000))
	data, err := filepath.Glob(filepath.Join(b.dir, "tables/1/data/*.parquet"))
	if err != nil || len(data) != 1 {
		t.Fatal(data, err)
	}
	whole, err := os.ReadFile(data[0])
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 6))
	failed := 0
	for range 100 {
		spoiled := slices.Clone(whole)
		spoiled[r.IntN(len(whole))] ^= byte(1 + r.IntN(255))
		if err := os.WriteFile(data[0], spoiled, 0o600); err != nil {
			t.Fatal(err)
		}
		v := b.open(t, s.Location)
		for name, e := range exports() {
			if _, err := v.Export(t.Context(), io.Discard, e); err != nil {
				failed++
				if !strings.Contains(err.Error(), "steward:///tables/1/data/"+filepath.Base(data[0])) {
					t.Errorf("%s: error does not name the file: %v", name, err)
				}
			}
		}
	}
	if failed < 100 {
		t.Errorf("only %d exports failed", failed)
	}
	if err := os.Remove(data[0]); err != nil {
		t.Fatal(err)
	}
	v := b.open(t, s.Location)
	for name, e := range exports() {
		if _, err := v.Export(t.Context(), io.Discard, e); !errors.Is(err, blob.ErrNotFound) || !strings.Contains(err.Error(), filepath.Base(data[0])) {
			t.Errorf("%s without the file: %v", name, err)
		}
	}
}

// TestOrderOfLongKeys orders by texts of which only the beginning counts, and
// by texts that are each other's beginning.
func TestOrderOfLongKeys(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{RowGroup: 3, SortMemory: 50_000})
	long := strings.Repeat("x", 16<<10)
	var text strings.Builder
	text.WriteString("n,key\n")
	for i, key := range []string{long + "z", "x", long + "a", "xx", long, `""`, "", long[1:] + "y", "xy", long + "m", long[1:], "-0", "0", "-0.0"} {
		fmt.Fprintf(&text, "%d,%s\n", i, key)
	}
	v := b.open(t, b.load(t, "", engine.Full, text.String()).Location)
	for _, order := range []engine.Order{{Column: "key"}, {Column: "key", Descending: true}, {Column: "key", Number: true}} {
		found, err := v.Find(t.Context(), engine.Query{Columns: []string{"n"}, Order: []engine.Order{order}, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		q := engine.Query{Columns: []string{"n"}, Order: []engine.Order{order}}
		_, rows := parsed(t, export(t, v, engine.Export{Query: q}), 0)
		same(t, fmt.Sprint(order), rows, rendered(found.Rows, false))
	}
}

// TestOrderInManyRuns orders by more runs than are merged at a time.
func TestOrderInManyRuns(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{RowGroup: 10, SortMemory: 1})
	const rows = 3000
	v := b.open(t, b.load(t, "", engine.Full, numbers(rows)).Location)
	want := make([][]engine.Cell, 0, rows)
	err := v.Each(t.Context(), engine.Query{}, func(r engine.Row) error {
		want = append(want, slices.Clone(r.Cells))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(want, func(x, y []engine.Cell) int { return strings.Compare(y[2].Value, x[2].Value) })
	var shown []string
	for _, cells := range want {
		shown = append(shown, show(cells))
	}
	before := b.files(t)
	for _, limit := range []int{0, 1, 1500} {
		q := engine.Query{Order: []engine.Order{{Column: "few", Descending: true}}, Limit: limit}
		_, got := parsed(t, export(t, v, engine.Export{Query: q}), 0)
		if limit == 0 {
			limit = rows
		}
		same(t, fmt.Sprint("limit ", limit), got, shown[:limit])
	}
	equal(t, "files left", b.files(t), before)
}

// TestExportOfHugeRows exports rows that are larger than any buffer.
func TestExportOfHugeRows(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{SortMemory: 1 << 20})
	var text strings.Builder
	text.WriteString("n,text\n")
	var want []string
	for i := range 12 {
		cell := strings.Repeat(strconv.Itoa(i), 6<<20/len(strconv.Itoa(i)))
		fmt.Fprintf(&text, "%d,%s\n", 100-i, cell)
		want = append(want, show([]engine.Cell{{Value: strconv.Itoa(100 - i)}, {Value: cell}}))
	}
	v := b.open(t, b.load(t, "", engine.Full, text.String()).Location)
	e := engine.Export{}
	_, rows := parsed(t, export(t, v, e), 0)
	same(t, "CSV", rows, want)
	slices.Reverse(want)
	e.Query.Order = []engine.Order{{Column: "n", Number: true}}
	_, rows = parsed(t, export(t, v, e), 0)
	same(t, "ordered CSV", rows, want)
	e.Parquet = true
	_, rows = parquetRows(t, export(t, v, e))
	same(t, "ordered Parquet", rows, want)
}
