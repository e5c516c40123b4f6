package csv_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"steward/internal/storage/csv"
)

func TestDetect(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		sample    string
		delimiter byte
		header    bool
		unsure    bool
		bom       bool
		columns   []string
		row       []string // the first
	}{
		{
			name: "comma",
			sample: "id,name,email,created\n" +
				"1,Ada Lovelace,ada@example.com,2024-01-05\n" +
				"2,Alan Turing,alan@example.com,2024-02-11\n" +
				"3,Grace Hopper,,2024-03-19\n",
			delimiter: ',', header: true,
			columns: []string{"id", "name", "email", "created"},
			row:     []string{"1", "Ada Lovelace", "ada@example.com", "2024-01-05"},
		}, {
			name: "semicolon with decimal commas",
			sample: "Artikel;Preis;Menge;Summe\r\n" +
				"Schraube;0,05;1000;50,00\r\n" +
				"Mutter;0,07;500;35,00\r\n" +
				"Bohrer;12,90;2;25,80\r\n",
			delimiter: ';', header: true,
			columns: []string{"Artikel", "Preis", "Menge", "Summe"},
			row:     []string{"Schraube", "0,05", "1000", "50,00"},
		}, {
			name:      "semicolon with as many decimal commas in all rows but the header",
			sample:    "x;y\n" + strings.Repeat("1,5;2,5\n", 200),
			delimiter: ';', header: true,
			columns: []string{"x", "y"},
			row:     []string{"1,5", "2,5"},
		}, {
			name:      "semicolon with a decimal comma in every cell and no header",
			sample:    "1,5;2,5\n3,5;4,5\n",
			delimiter: ';', unsure: true,
			columns: []string{"col_1", "col_2"},
			row:     []string{"1,5", "2,5"},
		}, {
			name: "tab",
			sample: "gene\tchromosome\tstart\tnote\n" +
				"BRCA1\t17\t43044295\trepair, breast\n" +
				"TP53\t17\t7661779\tapoptosis; cycle\n",
			delimiter: '\t', header: true,
			columns: []string{"gene", "chromosome", "start", "note"},
			row:     []string{"BRCA1", "17", "43044295", "repair, breast"},
		}, {
			name: "vertical bar",
			sample: "sku|title|stock\n" +
				"A-1|Lamp, desk|4\n" +
				"A-2|Chair|11\n",
			delimiter: '|', header: true,
			columns: []string{"sku", "title", "stock"},
			row:     []string{"A-1", "Lamp, desk", "4"},
		}, {
			name: "comma with other delimiters and line ends in quotes",
			sample: "id,tags,text\n" +
				"1,\"a;b;c\",\"one, two\nthree\"\n" +
				"2,\"d;e;f\",\"four|five\tsix\"\n" +
				"3,\"g;h;i\",\"say \"\"hi\"\"; bye\"\n",
			delimiter: ',', header: true,
			columns: []string{"id", "tags", "text"},
			row:     []string{"1", "a;b;c", "one, two\nthree"},
		}, {
			name: "semicolon, all in quotes",
			sample: "\"id\";\"name, first\"\n" +
				"\"1\";\"Novák, Jan\"\n" +
				"\"2\";\"Svoboda, Eva\"\n",
			delimiter: ';', header: true,
			columns: []string{"id", "name, first"},
			row:     []string{"1", "Novák, Jan"},
		}, {
			name:      "no header: numbers and dates from the first row on",
			sample:    "1,Prague,2024-01-01,13.5\n2,Brno,2024-01-02,12.1\n3,Plzeň,2024-01-03,-3\n",
			delimiter: ',',
			columns:   []string{"col_1", "col_2", "col_3", "col_4"},
			row:       []string{"1", "Prague", "2024-01-01", "13.5"},
		}, {
			name:      "no header: an empty cell in the first row",
			sample:    "Prague,,x\nBrno,a,y\n",
			delimiter: ',',
			columns:   []string{"col_1", "col_2", "col_3"},
			row:       []string{"Prague", null, "x"},
		}, {
			name:      "no header: a value twice in the first row",
			sample:    "yes,no,yes\nno,no,yes\n",
			delimiter: ',',
			columns:   []string{"col_1", "col_2", "col_3"},
			row:       []string{"yes", "no", "yes"},
		}, {
			name:      "a header of text only",
			sample:    "city,country\nPrague,Czechia\nParis,France\n",
			delimiter: ',', header: true,
			columns: []string{"city", "country"},
			row:     []string{"Prague", "Czechia"},
		}, {
			name:      "a header of years",
			sample:    "Country,Code,2019,2020,2021\nCzechia,CZ,1.5,2.5,3.5\nFrance,FR,2,,4\n",
			delimiter: ',', header: true,
			columns: []string{"Country", "Code", "2019", "2020", "2021"},
			row:     []string{"Czechia", "CZ", "1.5", "2.5", "3.5"},
		}, {
			name:      "a header with a number among names",
			sample:    "id,name,2019\n1,a,5\n2,b,6\n",
			delimiter: ',', header: true,
			columns: []string{"id", "name", "2019"},
			row:     []string{"1", "a", "5"},
		}, {
			name:      "a header of names with digits",
			sample:    "T1,E2,1st Z\n1,2,3\n4,5,6\n",
			delimiter: ',', header: true,
			columns: []string{"T1", "E2", "1st Z"},
			row:     []string{"1", "2", "3"},
		}, {
			name:      "a header alone",
			sample:    "a;b;c",
			delimiter: ';', header: true,
			columns: []string{"a", "b", "c"},
		}, {
			name:      "one column",
			sample:    "name\nAda\nAlan\n",
			delimiter: ',', header: true,
			columns: []string{"name"},
			row:     []string{"Ada"},
		}, {
			name:      "one column of numbers",
			sample:    "1\n2\n3\n",
			delimiter: ',',
			columns:   []string{"col_1"},
			row:       []string{"1"},
		}, {
			name:      "one column of text with a comma here and there",
			sample:    "comment\nfine\ngood, thanks\nwell\nall good\n",
			delimiter: ',', header: true, unsure: true,
			columns: []string{"comment"},
			row:     []string{"fine"},
		}, {
			name:      "byte order mark",
			sample:    "\uFEFFid;name\r\n1;Ž\r\n",
			delimiter: ';', header: true, bom: true,
			columns: []string{"id", "name"},
			row:     []string{"1", "Ž"},
		}, {
			name:      "a title above the header",
			sample:    "Sales of the year\nregion;amount\nnorth;1\nsouth;2\neast;3\n",
			delimiter: ';', header: true, unsure: true,
			columns: []string{"Sales of the year"},
		}, {
			name:      "quotes that quote nothing",
			sample:    "id;size\n1;5\" disk\n2;3\" disk\n",
			delimiter: ';', header: true, unsure: true,
			columns: []string{"id", "size"},
		}, {
			name:      "blank lines at the end",
			sample:    "a;b\n1;2\n\n\n",
			delimiter: ';', header: true,
			columns: []string{"a", "b"},
			row:     []string{"1", "2"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := csv.Detect([]byte(test.sample), true, 1000)
			if err != nil {
				t.Fatal(err)
			}
			want := csv.Dialect{Delimiter: test.delimiter, Enclosure: '"', Header: test.header}
			if got.Dialect != want {
				t.Errorf("dialect %q %+v, want %q %+v", got.Dialect.Delimiter, got.Dialect, want.Delimiter, want)
			}
			if got.Confident == test.unsure {
				t.Errorf("confident is %v", got.Confident)
			}
			if got.BOM != test.bom {
				t.Errorf("byte order mark is %v", got.BOM)
			}
			if !reflect.DeepEqual(got.Columns, test.columns) {
				t.Errorf("columns %q, want %q", got.Columns, test.columns)
			}
			var row []string
			if len(got.Rows) > 0 {
				row = plain(got.Rows[:1])[0]
			}
			if !reflect.DeepEqual(row, test.row) {
				t.Errorf("first row %q, want %q", row, test.row)
			}
			if got.Truncated != (got.Problem != nil) {
				t.Errorf("truncated is %v, problem %v", got.Truncated, got.Problem)
			}
		})
	}
}

// plain turns cells to values; NULL is null.
func plain(cells [][]csv.Cell) [][]string {
	var rows [][]string
	for _, row := range cells {
		values := make([]string, len(row))
		for i, cell := range row {
			values[i] = cell.Value
			if cell.Null {
				values[i] = null
			}
		}
		rows = append(rows, values)
	}
	return rows
}

func TestDetectRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		sample string
		code   csv.Code
		line   int64
		column int
		rows   int
	}{
		{"nothing", "", csv.CodeEmptyFile, 1, 0, 0},
		{"blank lines", "\uFEFF\n\r\n\n", csv.CodeEmptyFile, 1, 0, 0},
		{"UTF-32", "\xff\xfe\x00\x00a\x00\x00\x00", csv.CodeForeign, 1, 0, 0},
		{"nothing in UTF-16", "\xff\xfe\n\x00", csv.CodeEmptyFile, 1, 0, 0},
		{"UTF-16 with half a character", "a\x00;\x00b\x00\n\x001\x00;\x00\x00\xd8\n\x00", csv.CodeNotUTF16, 2, 2, 0},
		{"a workbook", "PK\x03\x04\x14\x00", csv.CodeForeign, 1, 0, 0},
		{"NUL", "a;b\n1;2\n3;\x004\n", csv.CodeNUL, 3, 2, 1},
		{"neither UTF-8 nor Windows-1252", "a;b\n1;2\n3;caf\x81\n", csv.CodeNotUTF8, 3, 2, 1},
		{"neither of them in the header", "a;caf\x81\n1;2\n", csv.CodeNotUTF8, 1, 2, 0},
		{"UTF-8 with a wrong byte", "a;b\n1;žluť\n3;caf\xe9\n", csv.CodeNotUTF8, 3, 2, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := csv.Detect([]byte(test.sample), true, 10)
			var found *csv.Error
			if !errors.As(err, &found) {
				t.Fatalf("error %v", err)
			}
			checkError(t, found)
			if found.Code != test.code || found.Line != test.line || found.Column != test.column {
				t.Errorf("%v in line %d, cell %d", found, found.Line, found.Column)
			}
			if len(got.Rows) != test.rows {
				t.Errorf("%d rows before it, want %d", len(got.Rows), test.rows)
			}
			if (test.code == csv.CodeNUL || test.code == csv.CodeNotUTF8) && (got.Problem != found || got.Dialect.Delimiter != ';') {
				t.Errorf("problem %v, delimiter %q", got.Problem, got.Dialect.Delimiter)
			}
		})
	}
}

func TestSample(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		sample    string
		part      bool // of the file
		dialect   csv.Dialect
		rows      int
		columns   []string
		want      [][]csv.Cell
		problem   csv.Code
		truncated bool
	}{
		{
			name: "all of a file", sample: "a,b\n1,\"2\"\n,\"\"\n", rows: 9,
			columns: []string{"a", "b"},
			want: [][]csv.Cell{
				{{Value: "1"}, {Value: "2", Quoted: true}},
				{{Null: true}, {Quoted: true}},
			},
		}, {
			name: "quoted NULL", sample: "a,b\n,\"\"\n", dialect: dialect(emptyNull), rows: 9,
			columns: []string{"a", "b"},
			want:    [][]csv.Cell{{{Null: true}, {Null: true, Quoted: true}}},
		}, {
			name: "more rows than wanted", sample: "a,b\n1,2\n3,4\n5,6\n", rows: 2,
			columns: []string{"a", "b"},
			want:    [][]csv.Cell{values("1", "2"), values("3", "4")}, truncated: true,
		}, {
			name: "no rows wanted", sample: "a,b\n1,2\n",
			columns: []string{"a", "b"}, truncated: true,
		}, {
			name: "a problem behind the rows wanted", sample: "a,b\n1,2\n3,4\n5\n", rows: 1,
			columns: []string{"a", "b"},
			want:    [][]csv.Cell{values("1", "2")}, problem: csv.CodeTooFewCells, truncated: true,
		}, {
			name: "a problem in the header", sample: "a,a\n1,2\n", rows: 9,
			columns: []string{"a", "a"}, problem: csv.CodeDuplicateName, truncated: true,
		}, {
			name: "a part that ends in a row", sample: "a,b\n1,2\n3,", part: true, rows: 9,
			columns: []string{"a", "b"},
			want:    [][]csv.Cell{values("1", "2")}, truncated: true,
		}, {
			name: "a part that ends in quotes", sample: "a,b\n1,2\n3,\"4\n", part: true, rows: 9,
			columns: []string{"a", "b"},
			want:    [][]csv.Cell{values("1", "2")}, truncated: true,
		}, {
			name: "a part that ends in a character", sample: "a,b\n1,2\n3,\xC5", part: true, rows: 9,
			columns: []string{"a", "b"},
			want:    [][]csv.Cell{values("1", "2")}, truncated: true,
		}, {
			name: "a part that ends with a row", sample: "a,b\n1,2\n", part: true, rows: 9,
			columns: []string{"a", "b"},
			want:    [][]csv.Cell{values("1", "2")}, truncated: true,
		}, {
			name: "a part that ends in the header", sample: "a,b", part: true, rows: 9,
			truncated: true,
		}, {
			name: "a part that is nothing", sample: "", part: true, rows: 9,
			truncated: true,
		}, {
			name: "another dialect", sample: "1;2\n3;4\n", rows: 9,
			dialect: csv.Dialect{Delimiter: ';', Escape: '\\'},
			columns: []string{"col_1", "col_2"},
			want:    [][]csv.Cell{values("1", "2"), values("3", "4")},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.dialect == (csv.Dialect{}) {
				test.dialect = csv.DefaultDialect()
			}
			got, err := csv.Sample([]byte(test.sample), !test.part, test.dialect, test.rows)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.Columns, test.columns) {
				t.Errorf("columns %q, want %q", got.Columns, test.columns)
			}
			if len(got.Rows) != len(test.want) || len(test.want) > 0 && !reflect.DeepEqual(got.Rows, test.want) {
				t.Errorf("rows %+v, want %+v", got.Rows, test.want)
			}
			problem := csv.Code("")
			if got.Problem != nil {
				problem = got.Problem.Code
			}
			if problem != test.problem {
				t.Errorf("problem %v, want %q", got.Problem, test.problem)
			}
			if got.Truncated != test.truncated {
				t.Errorf("truncated is %v", got.Truncated)
			}
			if got.Dialect != test.dialect || !got.Confident {
				t.Errorf("dialect %+v, confident %v", got.Dialect, got.Confident)
			}
		})
	}
}

// However a large file is cut, its beginning gives the same answer.
func TestDetectOnAnyPart(t *testing.T) {
	t.Parallel()
	file := []byte(strings.ReplaceAll(string(quoted(orders(100))), ",", ";"))
	want, err := csv.Detect(file, true, 3)
	if err != nil || want.Problem != nil {
		t.Fatal(err, want.Problem)
	}
	for n := 1000; n < len(file); n += 7 {
		got, err := csv.Detect(file[:n], false, 3)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%d bytes: got %+v, want %+v", n, got, want)
		}
	}
}
