package csv_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"steward/internal/storage/csv"
)

// rejection is a row that was passed over, kept.
type rejection struct {
	Line int64
	Code csv.Code
	Text string
}

// sift reads a file in chunks of a size, and passes over bad rows.
func sift(t testing.TB, r *csv.Reader) (content, []rejection) {
	t.Helper()
	var out []rejection
	r.SkipBadRows(1<<40, func(bad csv.Rejected) error {
		checkError(t, bad.Err)
		out = append(out, rejection{bad.Line, bad.Err.Code, string(bad.Text)})
		return nil
	})
	c := drain(t, r)
	if int64(len(out)) != r.Rejected() {
		t.Errorf("%d rows were rejected, %d counted", len(out), r.Rejected())
	}
	return c, out
}

func TestSkipBadRows(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		file     string
		dialect  csv.Dialect
		rows     string // first cells
		rejected []rejection
	}{
		{name: "none", file: "a,b\n1,x\n2,y\n", rows: "1 2"},
		{
			name: "too few and too many cells", file: "a,b\n1\n2,y\n3,x,z\n4,y\n5", rows: "2 4",
			rejected: []rejection{{2, csv.CodeTooFewCells, "1"}, {4, csv.CodeTooManyCells, "3,x,z"}, {6, csv.CodeTooFewCells, "5"}},
		}, {
			name: "with CRLF", file: "a,b\r\n1\r\n2,y\r\n3,x,z\r\n4,y", rows: "2 4",
			rejected: []rejection{{2, csv.CodeTooFewCells, "1"}, {4, csv.CodeTooManyCells, "3,x,z"}},
		}, {
			name: "a lone CR takes its line", file: "a,b\n1,x\ry\n2,y\n\r3,z\n4,w\n", rows: "2 4",
			rejected: []rejection{{2, csv.CodeLoneCR, "1,x\ry"}, {4, csv.CodeLoneCR, "\r3,z"}},
		}, {
			name: "old Mac line ends", file: "a,b\n1,x\r2,y\r3,z\r",
			rejected: []rejection{{2, csv.CodeLoneCR, "1,x\r2,y\r3,z"}},
		}, {
			name: "blank lines between rows", file: "a,b\n1,x\n\n\r\n2,y\n\nbad\n3,z\n\n\n", rows: "1 2 3",
			rejected: []rejection{{3, csv.CodeTooFewCells, ""}, {4, csv.CodeTooFewCells, ""}, {6, csv.CodeTooFewCells, ""}, {7, csv.CodeTooFewCells, "bad"}},
		}, {
			name: "a stray quote", file: "a,b\n1,x\n2,y\"z\n3,z\n", rows: "1 3",
			rejected: []rejection{{3, csv.CodeStrayQuote, "2,y\"z"}},
		}, {
			name: "a quote that is never closed", file: "a,b\n1,x\n2,\"y\n3,z\n4,w\n", rows: "1 3 4",
			rejected: []rejection{{3, csv.CodeUnterminatedQuote, "2,\"y"}},
		}, {
			name: "a quote that the next row's closes", file: "a,b\n1,x\n2,\"y\n3,\"z\"\n4,w\n", rows: "1 3 4",
			rejected: []rejection{{3, csv.CodeTextAfterQuote, "2,\"y"}},
		}, {
			name: "text after quotes", file: "a,b\n1,\"x\"y\n2,y\n", rows: "2",
			rejected: []rejection{{2, csv.CodeTextAfterQuote, "1,\"x\"y"}},
		}, {
			name: "a row with line ends in quotes goes whole", file: "a,b\n1,\"x\ny,z\nw\",v\n2,y\n", rows: "2",
			rejected: []rejection{{2, csv.CodeTooManyCells, "1,\"x\ny,z\nw\",v"}},
		}, {
			name: "bad text in quotes with line ends", file: "a,b\n1,\"x\ny,z\n\xff\"\n2,y\n3,\x00\n4,z\n", rows: "2 4",
			rejected: []rejection{{2, csv.CodeNotUTF8, "1,\"x\ny,z\n\xff\""}, {6, csv.CodeNUL, "3,\x00"}},
		}, {
			name: "bad text where a quote is missing", file: "a,b\n1,\"x\xff\n2,y\n", rows: "2",
			rejected: []rejection{{2, csv.CodeNotUTF8, "1,\"x\xff"}},
		}, {
			name: "all of them", file: "a,b\n1\n2\n3", rejected: []rejection{{2, csv.CodeTooFewCells, "1"}, {3, csv.CodeTooFewCells, "2"}, {4, csv.CodeTooFewCells, "3"}},
		}, {
			name: "line ends behind escapes", file: "a,b\n1,x\\\ny,z\n2,y\n3\\\n\\\nw\n4,v\n5,\\", dialect: dialect(escape), rows: "2 4",
			rejected: []rejection{{2, csv.CodeTooManyCells, "1,x\\\ny,z"}, {5, csv.CodeTooFewCells, "3\\\n\\\nw"}, {9, csv.CodeDanglingEscape, "5,\\"}},
		}, {
			name: "a large cell", file: "a,b\n1," + strings.Repeat("x", csv.MaxCell+1) + "\n2,y\n", rows: "2",
			rejected: []rejection{{2, csv.CodeCellTooLarge, "1," + strings.Repeat("x", csv.MaxRejected-2)}},
		}, {
			name: "a large row", file: "a,b\n1," + strings.Repeat("x", csv.MaxRow+1<<20) + "\n2,y\n", rows: "2",
			rejected: []rejection{{2, csv.CodeCellTooLarge, "1," + strings.Repeat("x", csv.MaxRejected-2)}},
		}, {
			name: "without a header", file: "1,x\n2\n3,z\n", dialect: dialect(noHeader), rows: "1 3",
			rejected: []rejection{{2, csv.CodeTooFewCells, "2"}},
		}, {
			name: "Windows-1252", file: "a,b\n1,\xe9\n2,\x81\n3,\xff\n", dialect: encoded(csv.Windows1252), rows: "1 3",
			rejected: []rejection{{3, csv.CodeNotWindows1252, "2,\x81"}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.dialect == (csv.Dialect{}) {
				test.dialect = csv.DefaultDialect()
			}
			r, err := csv.NewReader(strings.NewReader(test.file), test.dialect)
			if err != nil {
				t.Fatal(err)
			}
			got, rejected := sift(t, r)
			var first []string
			for _, row := range got.Rows {
				first = append(first, row[0])
			}
			if got.Err != nil || strings.Join(first, " ") != test.rows {
				t.Errorf("rows %q, %v; want %q", first, got.Err, test.rows)
			}
			if !reflect.DeepEqual(rejected, test.rejected) {
				t.Errorf("rejected %.400q\nwant %.400q", fmt.Sprint(rejected), fmt.Sprint(test.rejected))
			}
		})
	}
}

// TestSkipStrayQuote has one quote too many in the midst of 3,000 rows with quotes: it
// costs one row.
func TestSkipStrayQuote(t *testing.T) {
	t.Parallel()
	for _, cell := range []string{`"open`, `mid"dle`, `"closed"x`, `"`, `"""`} {
		var b strings.Builder
		b.WriteString("a,b,c\n")
		for i := range 3000 {
			if i == 1500 {
				fmt.Fprintf(&b, "%d,%s,x\n", i, cell)
				continue
			}
			fmt.Fprintf(&b, "%d,\"name, %d\",y\n", i, i)
		}
		r, err := csv.NewReader(strings.NewReader(b.String()), csv.DefaultDialect())
		if err != nil {
			t.Fatal(err)
		}
		got, rejected := sift(t, r)
		if got.Err != nil || len(got.Rows) != 2999 || len(rejected) != 1 || rejected[0].Line != 1502 {
			t.Errorf("%s: %d rows, %v, rejected %v", cell, len(got.Rows), got.Err, rejected)
		}
	}
}

// TestSkipNothingButBadRows passes over much that is bad in little time and memory.
func TestSkipNothingButBadRows(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		row  string
		rows int64
		d    csv.Dialect
	}{
		{"x\n", 4 << 20, csv.DefaultDialect()},
		{"1,\xff\n", 2 << 20, csv.DefaultDialect()},
		{"1,\x00\n", 2 << 20, csv.DefaultDialect()},
		{"1,x\"y\n", 1 << 20, csv.DefaultDialect()},
		{"\"\"\"\"\"\"\n", 1 << 20, csv.DefaultDialect()},
	} {
		r, err := csv.NewReader(io.MultiReader(strings.NewReader("a,b\n"), &repeated{row: test.row, left: test.rows}), test.d)
		if err != nil {
			t.Fatal(err)
		}
		rejected, started := int64(0), time.Now()
		r.SkipBadRows(10_000, func(bad csv.Rejected) error {
			if rejected++; bad.Line != rejected+1 {
				t.Fatalf("row %d is said to be in line %d", rejected, bad.Line)
			}
			return nil
		})
		var b csv.Batch
		if err := r.Next(&b); err != io.EOF || rejected != 10_000 || r.Rejected() != test.rows {
			t.Errorf("%q: %d rejected, %d of them told, in %v, %v", test.row, r.Rejected(), rejected, time.Since(started), err)
		}
		t.Logf("%q: %v", test.row, time.Since(started))
	}
	// Lines that an escape joins: all of them are one row, which has no end.
	r, err := csv.NewReader(io.MultiReader(strings.NewReader("a,b\n"), &repeated{row: "\\\n", left: 80 << 20}, strings.NewReader("\n1,2\n")), dialect(escape))
	if err != nil {
		t.Fatal(err)
	}
	got, rejected := sift(t, r)
	if got.Err != nil || len(got.Rows) != 1 || len(rejected) != 1 {
		t.Errorf("%d rows, %d rejected, %v", len(got.Rows), len(rejected), got.Err)
	}
}

// repeated is a file of equal rows.
type repeated struct {
	row  string
	left int64
	rest string
}

// Read implements io.Reader.
func (r *repeated) Read(p []byte) (int, error) {
	if r.rest == "" {
		n := min(r.left, 4096)
		r.rest, r.left = strings.Repeat(r.row, int(n)), r.left-n
		if n == 0 {
			return 0, io.EOF
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func TestSkipEndsWithItsError(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	r, err := csv.NewReader(strings.NewReader("a,b\n1,x\n2\n3,y\n4\n"), csv.DefaultDialect())
	if err != nil {
		t.Fatal(err)
	}
	r.SkipBadRows(1<<40, func(bad csv.Rejected) error {
		if bad.Line == 5 {
			return enough
		}
		return nil
	})
	if got := drain(t, r); !errors.Is(got.Err, enough) || len(got.Rows) != 2 {
		t.Errorf("%d rows, %v", len(got.Rows), got.Err)
	}
}

func TestSampleSkipping(t *testing.T) {
	t.Parallel()
	file := []byte("a,b\n1,x\nbad\n2,y\n3,z,w\n4,v\n")
	got, err := csv.SampleSkipping(file, true, csv.DefaultDialect(), 2)
	if err != nil || got.Rejected != 2 || got.Problem == nil || got.Problem.Line != 3 || !got.Truncated {
		t.Errorf("%+v, %v", got, err)
	}
	if rows := plain(got.Rows); !reflect.DeepEqual(rows, [][]string{{"1", "x"}, {"2", "y"}}) {
		t.Errorf("rows %q", rows)
	}
	for cut := len("a,b\n"); cut < len(file); cut++ { // the row that the sample cuts is not bad
		got, err := csv.SampleSkipping(file[:cut], false, csv.DefaultDialect(), 10)
		whole := file[:bytes.LastIndexByte(file[:cut], '\n')+1]
		want, werr := csv.SampleSkipping(whole, true, csv.DefaultDialect(), 10)
		if err != nil || werr != nil || !reflect.DeepEqual(got.Rows, want.Rows) || got.Rejected < want.Rejected || got.Rejected > want.Rejected+1 {
			t.Errorf("of %d bytes: %+v, %v", cut, got, err)
		}
	}
}
