package csv_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"steward/internal/storage/csv"
)

// write returns what a writer makes of a header, if it is not nil, and rows.
func write(t testing.TB, o csv.WriterOptions, header []string, rows [][]csv.Cell) string {
	t.Helper()
	var file bytes.Buffer
	w := csv.NewWriter(&file, o)
	if header != nil {
		if err := w.Header(header); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range rows {
		if err := w.Row(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return file.String()
}

// values returns a row of values; null is NULL.
func values(values ...string) []csv.Cell {
	cells := make([]csv.Cell, len(values))
	for i, value := range values {
		if value == null {
			cells[i].Null = true
		} else {
			cells[i].Value = value
		}
	}
	return cells
}

func TestWriter(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		options csv.WriterOptions
		header  []string
		rows    [][]csv.Cell
		want    string
	}{
		{
			name: "plain", header: []string{"a", "b c"}, rows: [][]csv.Cell{values("1", " 2 ")},
			want: "a,b c\n1, 2 \n",
		}, {
			name: "CRLF", options: csv.WriterOptions{CRLF: true}, header: []string{"a"}, rows: [][]csv.Cell{values("1\n2")},
			want: "a\r\n\"1\n2\"\r\n",
		}, {
			name: "empty cells", rows: [][]csv.Cell{values(null, ""), values("", null), values(null, null)},
			want: ",\"\"\n\"\",\n,\n",
		}, {
			name: "one column", header: []string{"a"}, rows: [][]csv.Cell{values(null), values(""), values("1")},
			want: "a\n\n\"\"\n1\n",
		}, {
			name: "quotes where they are needed", rows: [][]csv.Cell{values(`"`, `a"b"`, "1,2", "\r", "\n", "\t", "a;b", "'", "ž")},
			want: `"""","a""b""","1,2","` + "\r\",\"\n\",\"\t" + `",a;b,',ž` + "\n",
		}, {
			name: "quotes where they are wished for", rows: [][]csv.Cell{{{Value: "1", Quoted: true}, {Null: true, Quoted: true}}},
			want: "\"1\",\n",
		}, {
			name: "another delimiter", options: csv.WriterOptions{Delimiter: ';'}, rows: [][]csv.Cell{values("1,2", "a;b")},
			want: "1,2;\"a;b\"\n",
		}, {
			name: "what might be another kind of file", header: []string{"\uFEFFa", "%PDF-1", "PK\x03\x04"},
			want: "\"\uFEFFa\",\"%PDF-1\",\"PK\x03\x04\"\n",
		}, {
			name: "formulas as they are", rows: [][]csv.Cell{values("=1+1", "-1")},
			want: "=1+1,-1\n",
		}, {
			name: "formulas that do not run", options: csv.WriterOptions{Formulas: true},
			header: []string{"=a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"},
			rows:   [][]csv.Cell{values("=1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠a", "a=1", null)},
			want: "'=a,b,c,d,e,f,g,h,i,j,k,l,m\n" +
				"'=1,'+1,'-1,'@a,\"'\t=1\",\"'\r=1\",\"'\n=1\",'＝1,'＋1,'－1,'＠a,a=1,\n",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := write(t, test.options, test.header, test.rows); got != test.want {
				t.Errorf("\ngot  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestWriterRefuses(t *testing.T) {
	t.Parallel()
	full := errors.New("the disk is full")
	tests := []struct {
		name string
		w    *csv.Writer
		do   func(*csv.Writer) error
	}{
		{"a row of other length", csv.NewWriter(&bytes.Buffer{}, csv.WriterOptions{}), func(w *csv.Writer) error {
			return errors.Join(w.Header([]string{"a", "b"}), w.Row(values("1")))
		}},
		{"a row without cells", csv.NewWriter(&bytes.Buffer{}, csv.WriterOptions{}), func(w *csv.Writer) error {
			return w.Row(nil)
		}},
		{"a header below rows", csv.NewWriter(&bytes.Buffer{}, csv.WriterOptions{}), func(w *csv.Writer) error {
			return errors.Join(w.Row(values("1")), w.Header([]string{"a"}))
		}},
		{"an invalid delimiter", csv.NewWriter(&bytes.Buffer{}, csv.WriterOptions{Delimiter: '\n'}), func(w *csv.Writer) error {
			return w.Row(values("1"))
		}},
		{"a failing output", csv.NewWriter(failing{full}, csv.WriterOptions{}), func(w *csv.Writer) error {
			return errors.Join(w.Row(values("1")), w.Flush())
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if err := test.do(test.w); err == nil {
				t.Fatal("no error")
			}
			if test.w.Row(values("1")) == nil || test.w.Flush() == nil {
				t.Error("no error afterwards")
			}
		})
	}
}

// failing is an output that fails.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	alphabet := []string{"a", "0", " ", ",", ";", "\t", "|", "\"", "\n", "\r", "\r\n", "'", "=", "ž", "👩‍🚀", "\uFEFF", "\\", "%", "\x01"}
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		o := csv.WriterOptions{Delimiter: ",;\t|"[seed%4], CRLF: seed%3 == 0}
		header := letters(1 + random.IntN(4))
		rows := make([][]csv.Cell, random.IntN(20))
		want := make([][]string, len(rows))
		for i := range rows {
			for range header {
				value := null
				if random.IntN(4) > 0 {
					value = ""
					for range random.IntN(4) {
						value += alphabet[random.IntN(len(alphabet))]
					}
				}
				want[i] = append(want[i], value)
			}
			rows[i] = values(want[i]...)
		}
		file := write(t, o, header, rows)
		got := read(t, file, csv.Dialect{Delimiter: o.Delimiter, Enclosure: '"', Header: true})
		if got.Err != nil || !reflect.DeepEqual(got.Header, header) || len(got.Rows) != len(want) ||
			len(want) > 0 && !reflect.DeepEqual(got.Rows, want) {
			t.Fatalf("file %q\ngot  %q, %v\nwant %q", file, got.Rows, got.Err, want)
		}
	}
}

// TestQuoting compares what is written with the rules told once more, simply.
func TestQuoting(t *testing.T) {
	t.Parallel()
	alphabet := []rune("aaaaaaaabcdefgh 0123456789ž😀\x7f'=+-%\uFEFF\\\";,|\t\r\n\x1f\x00")
	random := rand.New(rand.NewPCG(3, 1))
	for range 100_000 {
		value := ""
		for range random.IntN(30) {
			value += string(alphabet[random.IntN(1+random.IntN(len(alphabet)))])
		}
		o := csv.WriterOptions{Delimiter: ",;\t|"[random.IntN(4)], CRLF: random.IntN(2) == 0, Formulas: random.IntN(2) == 0}
		want := value
		if o.Formulas && strings.IndexAny(value, "=+-@\t\r\n＝＋－＠") == 0 {
			want = "'" + want
		}
		if want == "" || want[0] == '%' || strings.HasPrefix(want, "\uFEFF") ||
			strings.ContainsFunc(want, func(r rune) bool { return r < ' ' || r == '"' || r == rune(o.Delimiter) }) {
			want = `"` + strings.ReplaceAll(want, `"`, `""`) + `"`
		}
		if got := string(o.AppendCell([]byte("before"), []byte(value), false)); got != "before"+want {
			t.Fatalf("%+v: got %q, want %q", o, got, "before"+want)
		}
		end := map[bool]string{false: "\n", true: "\r\n"}[o.CRLF]
		if got := write(t, o, nil, [][]csv.Cell{values(value)}); got != want+end {
			t.Fatalf("%+v: got %q, want %q", o, got, want+end)
		}
		if got := string(o.AppendEnd(o.AppendCell(nil, []byte(value), true))); got != end {
			t.Fatalf("%+v: NULL is %q", o, got)
		}
	}
}
