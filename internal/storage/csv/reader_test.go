package csv_test

import (
	"bytes"
	"compress/gzip"
	stdcsv "encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"steward/internal/storage/csv"
)

// null stands for NULL in the rows that tests expect: no value can be it.
const null = "\x00"

// content is what a reader gives until it ends.
type content struct {
	Header []string
	Rows   [][]string
	Line   int64 // of the first row
	Bytes  int64 // of all rows
	Err    error // nil at the end of the file
}

// drain reads all that r gives.
func drain(t testing.TB, r *csv.Reader) content {
	t.Helper()
	c := content{Header: r.Header()}
	var batches [2]csv.Batch
	for i := 0; ; i++ {
		b := &batches[i%2]
		if err := r.Next(b); err != nil {
			if again := r.Next(b); again != err {
				t.Fatalf("Next after %v: %v", err, again)
			}
			if err != io.EOF {
				c.Err = err
			}
			return c
		}
		if b.Rows == 0 || b.Bytes == 0 {
			t.Fatalf("a batch of %d rows in %d bytes", b.Rows, b.Bytes)
		}
		if c.Rows == nil {
			c.Line = b.Line
		}
		c.Rows = append(c.Rows, rows(t, b)...)
		c.Bytes += b.Bytes
	}
}

// rows turns a batch by column into rows.
func rows(t testing.TB, b *csv.Batch) [][]string {
	t.Helper()
	rows := make([][]string, b.Rows)
	for _, column := range b.Columns {
		if len(column.Defined) != b.Rows {
			t.Fatalf("%d cells in a batch of %d rows", len(column.Defined), b.Rows)
		}
		values := column.Values
		for i, defined := range column.Defined {
			if defined == 0 {
				rows[i] = append(rows[i], null)
				continue
			}
			rows[i] = append(rows[i], string(values[0]))
			values = values[1:]
		}
		if len(values) > 0 {
			t.Fatalf("%d values too many", len(values))
		}
	}
	return rows
}

// read reads file in dialect d.
func read(t testing.TB, file string, d csv.Dialect) content {
	t.Helper()
	r, err := csv.NewReader(strings.NewReader(file), d)
	if err != nil {
		return content{Err: err}
	}
	return drain(t, r)
}

// dialect returns the default dialect with a change.
func dialect(change func(*csv.Dialect)) csv.Dialect {
	d := csv.DefaultDialect()
	change(&d)
	return d
}

func noHeader(d *csv.Dialect)    { d.Header = false }
func semicolon(d *csv.Dialect)   { d.Delimiter = ';' }
func singleQuote(d *csv.Dialect) { d.Enclosure = '\'' }
func noEnclosure(d *csv.Dialect) { d.Enclosure = 0 }
func escape(d *csv.Dialect)      { d.Enclosure, d.Escape = 0, '\\' }
func emptyNull(d *csv.Dialect)   { d.Empty = csv.EmptyNull }
func emptyText(d *csv.Dialect)   { d.Empty = csv.EmptyText }

func TestReaderReads(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		file    string
		dialect csv.Dialect
		header  []string
		rows    [][]string
	}{
		{
			name: "rows that end with LF", file: "a,b\n1,2\n3,4\n",
			header: []string{"a", "b"}, rows: [][]string{{"1", "2"}, {"3", "4"}},
		}, {
			name: "rows that end with CRLF", file: "a,b\r\n1,2\r\n3,4\r\n",
			header: []string{"a", "b"}, rows: [][]string{{"1", "2"}, {"3", "4"}},
		}, {
			name: "both line ends in one file", file: "a,b\r\n1,2\n3,4\r\n",
			header: []string{"a", "b"}, rows: [][]string{{"1", "2"}, {"3", "4"}},
		}, {
			name: "a last row without line end", file: "a,b\n1,2",
			header: []string{"a", "b"}, rows: [][]string{{"1", "2"}},
		}, {
			name: "a last row that ends with a delimiter", file: "a,b\n1,",
			header: []string{"a", "b"}, rows: [][]string{{"1", null}},
		}, {
			name: "a last row that ends with a quote", file: "a,b\n1,\"\"",
			header: []string{"a", "b"}, rows: [][]string{{"1", ""}},
		}, {
			name: "a header alone", file: "a,b\n",
			header: []string{"a", "b"},
		}, {
			name: "a header without line end", file: "a,b",
			header: []string{"a", "b"},
		}, {
			name: "a byte order mark", file: "\uFEFFa,b\n\uFEFF1,2\n",
			header: []string{"a", "b"}, rows: [][]string{{"\uFEFF1", "2"}},
		}, {
			name: "a byte order mark before a quote", file: "\uFEFF\"a\",b\n1,2\n",
			header: []string{"a", "b"}, rows: [][]string{{"1", "2"}},
		}, {
			name: "names as they are written", file: " a ,\"b,c\",Größe (m²),名前,👩‍🚀\n1,2,3,4,5\n",
			header: []string{" a ", "b,c", "Größe (m²)", "名前", "👩‍🚀"}, rows: [][]string{{"1", "2", "3", "4", "5"}},
		}, {
			name: "names that differ in case only", file: "a,A,_Timestamp\n1,2,3\n",
			header: []string{"a", "A", "_Timestamp"}, rows: [][]string{{"1", "2", "3"}},
		}, {
			name: "white space as it is written", file: "a,b\n 1 ,\t\n",
			header: []string{"a", "b"}, rows: [][]string{{" 1 ", "\t"}},
		}, {
			name: "empty cells", file: "a,b,c\n,\"\",x\n,,\n",
			header: []string{"a", "b", "c"}, rows: [][]string{{null, "", "x"}, {null, null, null}},
		}, {
			name: "all empty cells as NULL", file: "a,b,c\n,\"\",x\n", dialect: dialect(emptyNull),
			header: []string{"a", "b", "c"}, rows: [][]string{{null, null, "x"}},
		}, {
			name: "no empty cell as NULL", file: "a,b,c\n,\"\",x\n", dialect: dialect(emptyText),
			header: []string{"a", "b", "c"}, rows: [][]string{{"", "", "x"}},
		}, {
			name: "quoted cells", file: "a,b\n\"1,\"\"2\"\"\",\"\"\"\"\n\"x\",y\n",
			header: []string{"a", "b"}, rows: [][]string{{`1,"2"`, `"`}, {"x", "y"}},
		}, {
			name: "line ends inside quotes, byte for byte", file: "a,b\r\n\"1\r\n2\n3\r4\",5\r\n",
			header: []string{"a", "b"}, rows: [][]string{{"1\r\n2\n3\r4", "5"}},
		}, {
			name: "blank lines at the end", file: "a,b\n1,2\n\n\r\n\n",
			header: []string{"a", "b"}, rows: [][]string{{"1", "2"}},
		}, {
			name: "blank lines in one column", file: "a\n\n1\n\r\n\n",
			header: []string{"a"}, rows: [][]string{{null}, {"1"}, {null}, {null}},
		}, {
			name: "quoted empty lines in one column", file: "a\n\"\"\n\n\"\"",
			header: []string{"a"}, rows: [][]string{{""}, {null}, {""}},
		}, {
			name: "no header", file: "1,2,\n3,4,5\n", dialect: dialect(noHeader),
			header: []string{"col_1", "col_2", "col_3"}, rows: [][]string{{"1", "2", null}, {"3", "4", "5"}},
		}, {
			name: "no header behind a byte order mark", file: "\uFEFF1\n2\n", dialect: dialect(noHeader),
			header: []string{"col_1"}, rows: [][]string{{"1"}, {"2"}},
		}, {
			name: "no header and a blank first line", file: "\n2\n", dialect: dialect(noHeader),
			header: []string{"col_1"}, rows: [][]string{{null}, {"2"}},
		}, {
			name: "semicolons", file: "a;b\n1,5;2\n", dialect: dialect(semicolon),
			header: []string{"a", "b"}, rows: [][]string{{"1,5", "2"}},
		}, {
			name: "single quotes", file: "a,b\n'1,''',5\" disk\n", dialect: dialect(singleQuote),
			header: []string{"a", "b"}, rows: [][]string{{"1,'", `5" disk`}},
		}, {
			name: "no enclosure", file: "a,b\n\"1,2\"\n\\,x\"y\n,\"\"\n", dialect: dialect(noEnclosure),
			header: []string{"a", "b"}, rows: [][]string{{`"1`, `2"`}, {`\`, `x"y`}, {null, `""`}},
		}, {
			name: "escapes", file: "a\\,b,c\n1\\\n2,\\\\3\\n\n\\é\\\"\\,,\\\r\\\n\n,\"\n", dialect: dialect(escape),
			header: []string{"a,b", "c"}, rows: [][]string{{"1\n2", `\3n`}, {"é\",", "\r\n"}, {null, `"`}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.dialect == (csv.Dialect{}) {
				test.dialect = csv.DefaultDialect()
			}
			got := read(t, test.file, test.dialect)
			if got.Err != nil {
				t.Fatal(got.Err)
			}
			if !reflect.DeepEqual(got.Header, test.header) {
				t.Errorf("header %q, want %q", got.Header, test.header)
			}
			if !reflect.DeepEqual(got.Rows, test.rows) {
				t.Errorf("rows %q, want %q", got.Rows, test.rows)
			}
		})
	}
}

func TestReaderSaysWhereABatchStarts(t *testing.T) {
	t.Parallel()
	const file = "a,\"b\nb\"\r\n1,\"x\ny\"\n3,4\n\"\n\n\",6\n7,8\n\n\n"
	tiny, err := csv.NewReaderWithLimits(strings.NewReader(strings.Replace(file, "b\nb", "b", 1)), csv.DefaultDialect(), 1, 99, 99, 99)
	if err != nil {
		t.Fatal(err)
	}
	type start struct{ line, bytes int64 }
	var got []start
	var b csv.Batch
	for tiny.Next(&b) == nil {
		got = append(got, start{b.Line, b.Bytes})
	}
	want := []start{{2, 8}, {4, 4}, {5, 7}, {8, 4}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("batches %v, want %v", got, want)
	}
}

// tricky is a file in which every boundary between two bytes matters.
const tricky = "\uFEFFid,\"na\"\"me\",ž\r\n" +
	"1,\"a\"\"\"\"b\",\r\n" +
	"\"\",\"x\r\ny\",čeština 👩‍🚀\n" +
	",\"\"\"\",\"\r\"\r\n" +
	"4,\"\n\n\",\"ž\"\n\r\n\n\r\n"

func TestReaderIsTheSameInAnyChunks(t *testing.T) {
	t.Parallel()
	type source struct {
		name string
		wrap func(io.Reader) io.Reader
	}
	sources := []source{
		{"whole", func(r io.Reader) io.Reader { return r }},
		{"byte by byte", iotest.OneByteReader},
		{"half", iotest.HalfReader},
		{"end with data", iotest.DataErrReader},
	}
	files := []string{
		tricky,
		strings.TrimRight(tricky, "\r\n"),
		tricky + "1,2,3\n", // a blank line amid rows
		tricky[:len(tricky)-5] + "1,2\n",
		tricky[:len(tricky)-5] + "1,2,3,4,\"5\n",
		tricky[:len(tricky)-5] + "1,2,3\xC5\n",
		tricky[:len(tricky)-5] + "1,\"2\n\n,3",
		tricky[:len(tricky)-5] + "1,\"2\"\x00,3",
		tricky[:len(tricky)-5] + "1,2,3\r",
	}
	for i, file := range files {
		for _, d := range []csv.Dialect{csv.DefaultDialect(), dialect(noHeader), dialect(noEnclosure), dialect(escape)} {
			want := read(t, file, d)
			for _, source := range sources {
				for chunk := 1; chunk <= len(file)+1; chunk++ {
					var got content
					r, err := csv.NewReaderWithLimits(source.wrap(strings.NewReader(file)), d, chunk, csv.MaxCell, csv.MaxRow, csv.MaxHeader)
					if err != nil {
						got.Err = err
					} else {
						got = drain(t, r)
					}
					if !reflect.DeepEqual(got, want) {
						t.Fatalf("file %d, %+v, %s, chunk %d:\ngot  %+v\nwant %+v", i, d, source.name, chunk, got, want)
					}
				}
			}
		}
	}
}

func TestReaderAgreesWithStandardLibrary(t *testing.T) {
	t.Parallel()
	alphabet := []string{"a", "Z", "0", " ", ",", ";", "\"", "\n", "\r\n", "'", "\t", "ž", "名", "👩‍🚀", "\uFEFF", "\\"}
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		var (
			file    bytes.Buffer
			columns = 2 + random.IntN(5)
			w       = stdcsv.NewWriter(&file)
		)
		w.UseCRLF = seed%3 == 0
		for row := range 1 + random.IntN(30) {
			record := make([]string, columns)
			for i := range record {
				if row == 0 {
					record[i] = fmt.Sprintf("column %d", i)
					continue
				}
				for range random.IntN(6) {
					record[i] += alphabet[random.IntN(len(alphabet))]
				}
			}
			if err := w.Write(record); err != nil {
				t.Fatal(err)
			}
		}
		w.Flush()

		want, err := stdcsv.NewReader(bytes.NewReader(file.Bytes())).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		got := read(t, file.String(), dialect(emptyText))
		if got.Err != nil {
			t.Fatalf("%v in %q", got.Err, file.String())
		}
		if all := append([][]string{got.Header}, got.Rows...); !reflect.DeepEqual(standard(all), want) {
			t.Fatalf("file %q\ngot  %q\nwant %q", file.String(), all, want)
		}
	}
}

// standard changes rows as the standard library does: in them CRLF inside
// quotes is LF.
func standard(rows [][]string) [][]string {
	for _, row := range rows {
		for i := range row {
			row[i] = strings.ReplaceAll(row[i], "\r\n", "\n")
		}
	}
	return rows
}

func TestReaderReturnsRowsBeforeAFailureOfItsSource(t *testing.T) {
	t.Parallel()
	failure := errors.New("the disk is gone")
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte("a,b\n1,2\n3,4")); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil { // and no Close: the stream is cut off
		t.Fatal(err)
	}
	cut, err := gzip.NewReader(&packed)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		source io.Reader
		want   error
	}{
		{"failure", io.MultiReader(strings.NewReader("a,b\n1,2\n3,4"), iotest.ErrReader(failure)), failure},
		{"failure at the end of a row", io.MultiReader(strings.NewReader("a,b\n1,2\n"), iotest.ErrReader(failure)), failure},
		{"failure in a character", io.MultiReader(strings.NewReader("a,b\n1,2\n3,\xC5"), iotest.ErrReader(failure)), failure},
		{"archive cut off", cut, io.ErrUnexpectedEOF},
		{"no progress", io.MultiReader(strings.NewReader("a,b\n1,2\n3,4"), idle{}), io.ErrNoProgress},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r, err := csv.NewReader(test.source, csv.DefaultDialect())
			if err != nil {
				t.Fatal(err)
			}
			got := drain(t, r)
			if want := [][]string{{"1", "2"}}; !reflect.DeepEqual(got.Rows, want) {
				t.Errorf("rows %q, want %q", got.Rows, want)
			}
			if !errors.Is(got.Err, test.want) {
				t.Errorf("error %v, want %v", got.Err, test.want)
			}
		})
	}
	if _, err := csv.NewReader(iotest.ErrReader(failure), csv.DefaultDialect()); !errors.Is(err, failure) {
		t.Errorf("error %v, want %v", err, failure)
	}
}

// idle is a source that neither gives anything nor ends.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestReaderUsesBatchesAgain(t *testing.T) { // not parallel: it counts allocations
	file := orders(50_000)
	r, err := csv.NewReader(bytes.NewReader(file), csv.DefaultDialect())
	if err != nil {
		t.Fatal(err)
	}
	batches := make([]csv.Batch, 3)
	next := func(i int) { err = r.Next(&batches[i%len(batches)]) }
	for i := range 6 {
		next(i)
	}
	i := 0
	if allocations := testing.AllocsPerRun(10, func() { next(i); i++ }); allocations > 2 {
		t.Errorf("%v allocations per batch", allocations)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A batch can be parsed while another is used; run with -race.
func TestReaderLeavesOtherBatchesAlone(t *testing.T) {
	t.Parallel()
	file := quoted(orders(20_000))
	want := read(t, string(file), csv.DefaultDialect())
	r, err := csv.NewReader(bytes.NewReader(file), csv.DefaultDialect())
	if err != nil {
		t.Fatal(err)
	}
	parsed, free := make(chan *csv.Batch, 4), make(chan *csv.Batch, 4)
	for range cap(free) {
		free <- new(csv.Batch)
	}
	go func() {
		defer close(parsed)
		for b := range free {
			if r.Next(b) != nil {
				return
			}
			parsed <- b
		}
	}()
	var got [][]string
	for b := range parsed {
		got = append(got, rows(t, b)...)
		free <- b
	}
	if !reflect.DeepEqual(got, want.Rows) {
		t.Error("rows differ")
	}
}
