package csv_test

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode"
	"unicode/utf8"

	"steward/internal/storage/csv"
)

func TestReaderRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		file    string
		dialect csv.Dialect
		rows    int // before the error
		want    csv.Error
	}{
		// The file as a whole.
		{
			name: "nothing", file: "",
			want: csv.Error{Line: 1, Code: csv.CodeEmptyFile, Message: "The file is empty."},
		}, {
			name: "a byte order mark alone", file: "\uFEFF",
			want: csv.Error{Line: 1, Code: csv.CodeEmptyFile, Message: "The file is empty."},
		}, {
			name: "a line end alone", file: "\uFEFF\r\n",
			want: csv.Error{Line: 1, Code: csv.CodeEmptyFile, Message: "The file is empty."},
		}, {
			name: "a line end alone without a header", file: "\n", dialect: dialect(noHeader),
			want: csv.Error{Line: 1, Code: csv.CodeEmptyFile, Message: "The file is empty."},
		}, {
			name: "UTF-16, little end first", file: "\xff\xfea\x00",
			want: csv.Error{
				Line: 1, Code: csv.CodeEncoding, Found: `\xff\xfe`,
				Message: "This file is UTF-16 (little-endian) text, not UTF-8 text. Choose UTF-16 (little-endian) as its encoding.",
			},
		}, {
			name: "UTF-16, big end first", file: "\xfe\xff\x00a",
			want: csv.Error{
				Line: 1, Code: csv.CodeEncoding, Found: `\xfe\xff`,
				Message: "This file is UTF-16 (big-endian) text, not UTF-8 text. Choose UTF-16 (big-endian) as its encoding.",
			},
		}, {
			name: "PNG", file: "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
			want: csv.Error{
				Line: 1, Code: csv.CodeForeign, Found: `\x89PNG\r\n\x1a\n`,
				Message: "This is a PNG picture, not a CSV file.",
			},
		}, {
			name: "PDF", file: "%PDF-1.7\n",
			want: csv.Error{
				Line: 1, Code: csv.CodeForeign, Found: "%PDF-",
				Message: "This is a PDF document, not a CSV file.",
			},
		}, {
			name: "ZIP", file: "PK\x03\x04\x14\x00",
			want: csv.Error{
				Line: 1, Code: csv.CodeForeign, Found: `PK\x03\x04`,
				Message: "This is a ZIP archive or an Excel workbook, not a CSV file.",
			},
		}, {
			name: "gzip", file: "\x1f\x8b\x08\x00",
			want: csv.Error{
				Line: 1, Code: csv.CodeForeign, Found: `\x1f\x8b`,
				Message: "This is a gzip archive, not a CSV file.",
			},
		}, {
			name: "SQLite", file: "SQLite format 3\x00\x10\x00",
			want: csv.Error{
				Line: 1, Code: csv.CodeForeign, Found: `SQLite format 3\x00`,
				Message: "This is an SQLite database, not a CSV file.",
			},
		}, {
			name: "Parquet", file: "PAR1\x15\x04\x15",
			want: csv.Error{
				Line: 1, Code: csv.CodeForeign, Found: "PAR1",
				Message: "This is a Parquet file, not a CSV file.",
			},
		},

		// The header.
		{
			name: "a blank header", file: "\n1\n",
			want: csv.Error{
				Line: 1, Column: 1, Code: csv.CodeEmptyName,
				Message: "The first line is empty; it should hold the names of the columns.",
			},
		}, {
			name: "an empty name", file: "a,,c\n1,2,3\n",
			want: csv.Error{
				Line: 1, Column: 2, Code: csv.CodeEmptyName,
				Message: "Cell 2 of the header is empty. Every column needs a name.",
			},
		}, {
			name: "a name of white space", file: "a,b,\" \u00a0\u3000\"\n",
			want: csv.Error{
				Line: 1, Column: 3, Name: " \u00a0\u3000", Code: csv.CodeEmptyName, Found: ` \u00a0\u3000`,
				Message: "Cell 3 of the header is empty. Every column needs a name.",
			},
		}, {
			name: "a name twice", file: "a,b,\"a\"\n",
			want: csv.Error{
				Line: 1, Column: 3, Name: "a", Code: csv.CodeDuplicateName, Found: "a",
				Message: `The header has the column name "a" twice: in cell 1 and in cell 3. Rename one of them.`,
			},
		}, {
			name: "a long name", file: "a," + strings.Repeat("ž", 301) + "\n",
			want: csv.Error{
				Line: 1, Column: 2, Name: strings.Repeat("ž", 301), Code: csv.CodeLongName, Found: strings.Repeat("ž", 28) + "…",
				Message: "Cell 2 of the header is a name of 301 characters; a name has 300 at most.",
			},
		}, {
			name: "a reserved name", file: "a,_timestamp\n",
			want: csv.Error{
				Line: 1, Column: 2, Name: "_timestamp", Code: csv.CodeReservedName, Found: "_timestamp",
				Message: `The column name "_timestamp" is reserved. Rename the column, for instance to "timestamp".`,
			},
		}, {
			name: "a reserved name whose alternative is taken", file: "_job,job\n",
			want: csv.Error{
				Line: 1, Column: 1, Name: "_job", Code: csv.CodeReservedName, Found: "_job",
				Message: `The column name "_job" is reserved. Rename the column, for instance to "job_2".`,
			},
		}, {
			name: "a control character in a name", file: "a,\"b\nc\"\n",
			want: csv.Error{
				Line: 1, Column: 2, Name: "b\nc", Code: csv.CodeUnprintableName, Found: `b\nc`,
				Message: "Cell 2 of the header holds the character U+000A, which cannot be part of a column name.",
			},
		}, {
			name: "a name that turns the direction of text", file: "a\u202eb\n",
			want: csv.Error{
				Line: 1, Column: 1, Name: "a\u202eb", Code: csv.CodeUnprintableName, Found: `a\u202eb`,
				Message: "Cell 1 of the header holds the character U+202E, which cannot be part of a column name.",
			},
		}, {
			name: "a large header", file: strings.Repeat("a", 65_536) + "\n",
			want: csv.Error{
				Line: 1, Code: csv.CodeHeaderTooLarge, Found: strings.Repeat("a", 57) + "…",
				Message: "The header in line 1 is over 64 KiB. If it should be smaller, a line end or a closing quote is missing.",
			},
		}, {
			name: "many names", file: strings.Repeat("a,", 4096) + "a\n",
			want: csv.Error{
				Line: 1, Code: csv.CodeTooManyColumns, Found: strings.Repeat("a,", 28) + "a…",
				Message: "Line 1 has more than 4,096 cells, but a table has no more columns than that. Check the delimiter.",
			},
		}, {
			name: "many cells without a header", file: strings.Repeat(",", 5000) + "\n", dialect: dialect(noHeader),
			want: csv.Error{
				Line: 1, Code: csv.CodeTooManyColumns, Found: strings.Repeat(",", 57) + "…",
				Message: "Line 1 has more than 4,096 cells, but a table has no more columns than that. Check the delimiter.",
			},
		}, {
			name: "a stray quote in the header", file: "a,b\"\n",
			want: csv.Error{
				Line: 1, Column: 2, Code: csv.CodeStrayQuote, Found: `b"`,
				Message: `Line 1, cell 2 has a quote (") inside unquoted text. Put the whole cell in quotes and double those inside it.`,
			},
		}, {
			name: "old Mac line ends", file: "a,b\r1,2\r",
			want: csv.Error{
				Line: 1, Column: 2, Code: csv.CodeLoneCR, Found: `b\r`,
				Message: "Line 1, cell 2 holds a carriage return without a line feed: the file seems to have old Mac line ends. Save it with LF or CRLF line ends.",
			},
		}, {
			name: "a header that is not UTF-8", file: "\uFEFFa,b\xe9\n",
			want: csv.Error{
				Line: 1, Column: 2, Code: csv.CodeNotUTF8, Found: `b\xe9`,
				Message: "Line 1, cell 2 is not UTF-8 text: byte 0xE9 at position 2. Choose another encoding, such as Windows-1252, or save the file as UTF-8.",
			},
		},

		// Rows.
		{
			name: "too few cells", file: "a,b,c\n1,2,3\n4,\"5\n\"\r\n", rows: 1,
			want: csv.Error{
				Line: 3, Code: csv.CodeTooFewCells, Found: `4,"5\n"`,
				Message: "Line 3 has 2 cells; the header has 3.",
			},
		}, {
			name: "too few cells at the end", file: "a,b,c\n1,2,3\n4", rows: 1,
			want: csv.Error{
				Line: 3, Code: csv.CodeTooFewCells, Found: "4",
				Message: "Line 3 has 1 cell; the header has 3.",
			},
		}, {
			name: "too many cells", file: "a,b\n1,\"\n\n2\"\n4,5,6,\"7\"\n8,9\n", rows: 1,
			want: csv.Error{
				Line: 5, Code: csv.CodeTooManyCells, Found: `4,5,6,"7"`,
				Message: "Line 5 has 4 cells; the header has 2.",
			},
		}, {
			name: "too many cells far down", file: "a,b\n" + strings.Repeat("1,2\n", 18_202) + "1,2,3\n", rows: 18_202,
			want: csv.Error{
				Line: 18_204, Code: csv.CodeTooManyCells, Found: "1,2,3",
				Message: "Line 18,204 has 3 cells; the header has 2.",
			},
		}, {
			name: "far too many cells", file: "a\n" + strings.Repeat(",", 1_000_000),
			want: csv.Error{
				Line: 2, Code: csv.CodeTooManyCells, Found: strings.Repeat(",", 57) + "…",
				Message: "Line 2 has more than 4,096 cells; the header has 1.",
			},
		}, {
			name: "too many cells, and one of them broken", file: "a,b\n1,2,3,\"4\n", rows: 0,
			want: csv.Error{
				Line: 2, Code: csv.CodeTooManyCells, Found: `1,2,3,"4`,
				Message: "Line 2 has more than 3 cells; the header has 2.",
			},
		}, {
			name: "too many cells without a header", file: "1,2\n3,4,5\n", dialect: dialect(noHeader), rows: 1,
			want: csv.Error{
				Line: 2, Code: csv.CodeTooManyCells, Found: "3,4,5",
				Message: "Line 2 has 3 cells; the first line has 2.",
			},
		}, {
			name: "a blank line amid rows", file: "a,b\n1,2\n\r\n\n3,4\n", rows: 1,
			want: csv.Error{
				Line: 3, Code: csv.CodeTooFewCells,
				Message: "Line 3 is empty; the header has 2 cells. Remove the line.",
			},
		}, {
			name: "a blank line before something worse", file: "a,b\n1,2\n\n\x00", rows: 1,
			want: csv.Error{
				Line: 3, Code: csv.CodeTooFewCells,
				Message: "Line 3 is empty; the header has 2 cells. Remove the line.",
			},
		}, {
			name: "a line of a space", file: "a,b\n1,2\n \n", rows: 1,
			want: csv.Error{
				Line: 3, Code: csv.CodeTooFewCells, Found: " ",
				Message: "Line 3 has 1 cell; the header has 2.",
			},
		}, {
			name: "a large row", file: "a,b,c,d,e\n1,2,3,4,5\n" + strings.Repeat(strings.Repeat("x", 16<<20)+",", 4) + "y\n", rows: 1,
			want: csv.Error{
				Line: 3, Code: csv.CodeRowTooLarge, Found: strings.Repeat("x", 57) + "…",
				Message: "The row that starts in line 3 is over 64 MiB. If it should be smaller, a line end or a closing quote is missing.",
			},
		},

		// Cells.
		{
			name: "an unterminated quote", file: "a,b\n1,\"\n\n2\"\n3,\"x\n\n\"\"y,4\n5,6\n", rows: 1,
			want: csv.Error{
				Line: 5, Column: 2, Name: "b", Code: csv.CodeUnterminatedQuote, Found: `"x\n\n""y,4\n5,6\n`,
				Message: `Line 5, cell 2 ("b") opens a quote (") that is never closed.`,
			},
		}, {
			name: "a quote that opens the last cell", file: "a,b\n1,\"",
			want: csv.Error{
				Line: 2, Column: 2, Name: "b", Code: csv.CodeUnterminatedQuote, Found: `"`,
				Message: `Line 2, cell 2 ("b") opens a quote (") that is never closed.`,
			},
		}, {
			name: "a stray quote", file: "a,b\n1,2\n5\" disk,3\n", rows: 1,
			want: csv.Error{
				Line: 3, Column: 1, Name: "a", Code: csv.CodeStrayQuote, Found: `5"`,
				Message: `Line 3, cell 1 ("a") has a quote (") inside unquoted text. Put the whole cell in quotes and double those inside it.`,
			},
		}, {
			name: "a stray single quote", file: "a\nit's\n", dialect: dialect(singleQuote),
			want: csv.Error{
				Line: 2, Column: 1, Name: "a", Code: csv.CodeStrayQuote, Found: `it'`,
				Message: `Line 2, cell 1 ("a") has a quote (') inside unquoted text. Put the whole cell in quotes and double those inside it.`,
			},
		}, {
			name: "a space before a quote", file: "a,b\n1, \"2\"\n",
			want: csv.Error{
				Line: 2, Column: 2, Name: "b", Code: csv.CodeStrayQuote, Found: ` "`,
				Message: `Line 2, cell 2 ("b") has a quote (") inside unquoted text. Put the whole cell in quotes and double those inside it.`,
			},
		}, {
			name: "text after a quote", file: "a,b\n1,\"2\"žx\n",
			want: csv.Error{
				Line: 2, Column: 2, Name: "b", Code: csv.CodeTextAfterQuote, Found: `"2"ž`,
				Message: `Line 2, cell 2 ("b") goes on with 'ž' after its closing quote. Double the quotes inside a quoted cell.`,
			},
		}, {
			name: "text after a quote of another line", file: "a,b\n1,\"2\n3,4\n5,\"6\"\n",
			want: csv.Error{
				Line: 4, Column: 2, Name: "b", Code: csv.CodeTextAfterQuote, Found: `"2\n3,4\n5,"6`,
				Message: `Line 4, cell 2 ("b") goes on with '6' after its closing quote. Double the quotes inside a quoted cell. This cell was opened in line 2.`,
			},
		}, {
			name: "a lone CR", file: "a,b\n1,2\n3\r4,5\n", rows: 1,
			want: csv.Error{
				Line: 3, Column: 1, Name: "a", Code: csv.CodeLoneCR, Found: `3\r`,
				Message: `Line 3, cell 1 ("a") holds a carriage return without a line feed: the file seems to have old Mac line ends. Save it with LF or CRLF line ends.`,
			},
		}, {
			name: "a lone CR after a quote, at the end", file: "a,b\n1,\"2\"\r",
			want: csv.Error{
				Line: 2, Column: 2, Name: "b", Code: csv.CodeLoneCR, Found: `"2"\r`,
				Message: `Line 2, cell 2 ("b") holds a carriage return without a line feed: the file seems to have old Mac line ends. Save it with LF or CRLF line ends.`,
			},
		}, {
			name: "a dangling escape", file: "a,b\n1,\\\n\\", dialect: dialect(escape),
			want: csv.Error{
				Line: 3, Column: 2, Name: "b", Code: csv.CodeDanglingEscape, Found: `\\n\`,
				Message: `Line 3, cell 2 ("b") ends with the escape character \ and nothing behind it to escape.`,
			},
		}, {
			name: "NUL", file: "a,b\n1,x\x00y\n",
			want: csv.Error{
				Line: 2, Column: 2, Name: "b", Code: csv.CodeNUL, Found: `x\x00`,
				Message: `Line 2, cell 2 ("b") holds a NUL byte at position 2: this is not plain text.`,
			},
		}, {
			name: "NUL where no quote can be", file: "a,b\n1,\x00y\n", dialect: dialect(noEnclosure),
			want: csv.Error{
				Line: 2, Column: 2, Name: "b", Code: csv.CodeNUL, Found: `\x00`,
				Message: `Line 2, cell 2 ("b") holds a NUL byte at position 1: this is not plain text.`,
			},
		}, {
			name: "NUL between rows", file: "a,b\n1,2\n\x00", rows: 1,
			want: csv.Error{
				Line: 3, Column: 1, Name: "a", Code: csv.CodeNUL, Found: `\x00`,
				Message: `Line 3, cell 1 ("a") holds a NUL byte at position 1: this is not plain text.`,
			},
		}, {
			name: "a byte that is not UTF-8", file: "a,b\n1,2\n3,caf\xe9\n", rows: 1,
			want: csv.Error{
				Line: 3, Column: 2, Name: "b", Code: csv.CodeNotUTF8, Found: `caf\xe9`,
				Message: `Line 3, cell 2 ("b") is not UTF-8 text: byte 0xE9 at position 4. Choose another encoding, such as Windows-1252, or save the file as UTF-8.`,
			},
		}, {
			name: "a byte that is not UTF-8 inside quotes, lines below", file: "a,b\n1,\"2\nz\x80\"\n",
			want: csv.Error{
				Line: 3, Column: 2, Name: "b", Code: csv.CodeNotUTF8, Found: `"2\nz\x80`,
				Message: `Line 3, cell 2 ("b") is not UTF-8 text: byte 0x80 at position 4. Choose another encoding, such as Windows-1252, or save the file as UTF-8.`,
			},
		}, {
			name: "a character cut off by the end", file: "a,b\n1,\xe2\x82",
			want: csv.Error{
				Line: 2, Column: 2, Name: "b", Code: csv.CodeNotUTF8, Found: `\xe2`,
				Message: `Line 2, cell 2 ("b") is not UTF-8 text: byte 0xE2 at position 1. Choose another encoding, such as Windows-1252, or save the file as UTF-8.`,
			},
		}, {
			name: "a character cut off by NUL", file: "a,b\n1,\xe2\x82\x00",
			want: csv.Error{
				Line: 2, Column: 2, Name: "b", Code: csv.CodeNotUTF8, Found: `\xe2`,
				Message: `Line 2, cell 2 ("b") is not UTF-8 text: byte 0xE2 at position 1. Choose another encoding, such as Windows-1252, or save the file as UTF-8.`,
			},
		}, {
			name: "a large cell", file: "a,b\n1,2\n3," + strings.Repeat("x", 16<<20+1) + "\n", rows: 1,
			want: csv.Error{
				Line: 3, Column: 2, Name: "b", Code: csv.CodeCellTooLarge, Found: strings.Repeat("x", 57) + "…",
				Message: `Line 3, cell 2 ("b") is over 16 MiB.`,
			},
		}, {
			name: "a large quoted cell", file: "a,b\n1,2\n3,\"\n" + strings.Repeat("x", 16<<20) + "\"\n", rows: 1,
			want: csv.Error{
				Line: 3, Column: 2, Name: "b", Code: csv.CodeCellTooLarge, Found: `"\n` + strings.Repeat("x", 54) + "…",
				Message: `Line 3, cell 2 ("b") is over 16 MiB. If it should be smaller, its closing quote is missing.`,
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.dialect == (csv.Dialect{}) {
				test.dialect = csv.DefaultDialect()
			}
			got := read(t, test.file, test.dialect)
			if len(got.Rows) != test.rows {
				t.Errorf("%d rows before the error, want %d", len(got.Rows), test.rows)
			}
			var found *csv.Error
			if !errors.As(got.Err, &found) {
				t.Fatalf("error %v, want a csv.Error", got.Err)
			}
			if *found != test.want {
				t.Errorf("\ngot  %+v\nwant %+v", *found, test.want)
			}
			checkError(t, found)
		})
	}
}

// checkError checks what holds for every error about a file.
func checkError(t testing.TB, e *csv.Error) {
	t.Helper()
	switch {
	case e.Line < 1 || e.Column < 0:
		t.Errorf("an error in line %d, cell %d", e.Line, e.Column)
	case e.Message == "" || !strings.HasSuffix(e.Message, "."):
		t.Errorf("message %q is no sentence", e.Message)
	case len(e.Found) > 60 || strings.ContainsFunc(e.Found, func(c rune) bool { return !unicode.IsPrint(c) }) || !utf8.ValidString(e.Found):
		t.Errorf("found %q", e.Found)
	case e.Error() != fmt.Sprintf("csv: %s: %s", e.Code, e.Message):
		t.Errorf("log text %q", e.Error())
	}
}

func TestReaderTakesWhatIsWithinLimits(t *testing.T) {
	t.Parallel()
	names := make([]string, csv.MaxColumns)
	for i := range names {
		names[i] = fmt.Sprint("column", i)
	}
	var wide []string // 1,024 names that take 63 bytes each, and a comma or LF
	for i := range csv.MaxHeader / 64 {
		wide = append(wide, fmt.Sprintf("%063d", i))
	}
	header := strings.Join(wide, ",") + "\n"
	cell := strings.Repeat("x", csv.MaxCell)
	quotes := `"` + strings.Repeat(`""`, csv.MaxCell) + `"`
	three := strings.Repeat(cell+",", 3)
	tests := []struct {
		name, file string
	}{
		{"columns", strings.Join(names, ",") + "\n" + strings.Repeat(",", len(names)-1)},
		{"name", strings.Repeat("ž", csv.MaxName) + "\n1\n"},
		{"header", header + strings.Repeat(",", 1023) + "\n"},
		{"cell", "a\n" + cell + "\n"},
		{"quoted cell", "a\n\"" + cell + "\"\n"},
		{"cell of quotes", "a\n" + quotes + "\n"},
		{"row", "a,b,c,d\n" + three + cell[:len(cell)-4] + "\n"},
		{"last row", "a,b,c,d\n" + three + cell[:len(cell)-3]},
		{"names like signatures", "PAR1,GIF89a\n1,2\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { // one by one: the files are large
			got := read(t, test.file, dialect(func(d *csv.Dialect) { d.Empty = csv.EmptyText }))
			if got.Err != nil || len(got.Rows) != 1 {
				t.Fatalf("%d rows, error %v", len(got.Rows), got.Err)
			}
			for i, value := range got.Rows[0] {
				if len(value) > csv.MaxCell {
					t.Errorf("cell %d has %d bytes", i+1, len(value))
				}
			}
		})
	}
}

func TestReaderLimitsAreExact(t *testing.T) {
	t.Parallel()
	const chunk, cell, row, header = 1 << 10, 8, 24, 16
	tests := []struct {
		name string
		file string
		code csv.Code // empty if the file is within the limits
		line int64
		cell int
	}{
		{"header", "aaa,bbb,ccc,ddd\n", "", 0, 0},
		{"header without line end", "aaa,bbb,ccc,dddd", "", 0, 0},
		{"large header", "aaa,bbb,ccc,dddd\n", csv.CodeHeaderTooLarge, 1, 0},
		{"large header without line end", "aaa,bbb,ccc,ddddd", csv.CodeHeaderTooLarge, 1, 0},
		{"header after a byte order mark", "\uFEFFaaa,bbb,ccc,ddd\n", "", 0, 0},
		{"first cell", "a,b\n12345678,1\n", "", 0, 0},
		{"large first cell", "a,b\n123456789,1\n", csv.CodeCellTooLarge, 2, 1},
		{"last cell", "a,b\n1,12345678\n", "", 0, 0},
		{"large last cell", "a,b\n1,123456789\n", csv.CodeCellTooLarge, 2, 2},
		{"quoted cell", "a,b\n1,\"1\"\"\"\"\"\"\"\"678\"\n", "", 0, 0},
		{"large quoted cell", "a,b\n1,\"1\"\"\"\"\"\"\"\"6789\"\n", csv.CodeCellTooLarge, 2, 2},
		{"row", "a,b,c\n1234567,1234567,1234567\n", "", 0, 0},
		{"large row", "a,b,c\n1,2,3\n1234567,1234567,12345678\n", csv.CodeRowTooLarge, 3, 0},
		{"row with CRLF", "a,b,c\n1234567,1234567,123456\r\n", "", 0, 0},
		{"large row with CRLF", "a,b,c\n1234567,1234567,1234567\r\n", csv.CodeRowTooLarge, 2, 0},
		{"row without line end", "a,b,c\n1234567,1234567,12345678", "", 0, 0},
		{"large row without line end", "a,b,c\n12345678,1234567,12345678", csv.CodeRowTooLarge, 2, 0},
		{"many cells in a large row", "a,b\n1,2,3,4,5,6,7,8,9,1,2,3,4,5,6\n", csv.CodeTooManyCells, 2, 0},
		{"something wrong behind a large row", "a,b\n1234567,\"1234567\"890123456789\n", csv.CodeTextAfterQuote, 2, 2},
		{"something wrong behind a large cell", "a,b\n1,123456789\x00\n", csv.CodeCellTooLarge, 2, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got content
			r, err := csv.NewReaderWithLimits(strings.NewReader(test.file), csv.DefaultDialect(), chunk, cell, row, header)
			if err != nil {
				got.Err = err
			} else {
				got = drain(t, r)
			}
			var found csv.Error
			if e := (*csv.Error)(nil); errors.As(got.Err, &e) {
				found = *e
			}
			if found.Code != test.code || found.Line != test.line || found.Column != test.cell {
				t.Errorf("%v, want %q in line %d, cell %d", got.Err, test.code, test.line, test.cell)
			}
		})
	}
}

func TestReaderKnowsForeignFilesInSmallReads(t *testing.T) {
	t.Parallel()
	source := iotest.OneByteReader(strings.NewReader("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"))
	_, err := csv.NewReaderWithLimits(source, csv.DefaultDialect(), 1, 99, 99, 99)
	var found *csv.Error
	if !errors.As(err, &found) || found.Code != csv.CodeForeign {
		t.Errorf("error %v", err)
	}
}

// endless is a source of size bytes: start, and then filler over and over.
type endless struct {
	start, filler string
	size, read    int64
}

func (e *endless) Read(p []byte) (int, error) {
	if e.read >= e.size {
		return 0, io.EOF
	}
	n := 0
	if e.read < int64(len(e.start)) {
		n = copy(p, e.start[e.read:])
	} else {
		for n < len(p) {
			n += copy(p[n:], e.filler)
		}
	}
	e.read += int64(n)
	return n, nil
}

func TestReaderIsBounded(t *testing.T) {
	t.Parallel()
	filler := strings.Repeat("x", 1<<20)
	tests := []struct {
		name    string
		source  endless
		dialect csv.Dialect
		code    csv.Code
		line    int64
		column  int
		rows    int
		most    int64 // MiB to be read
	}{
		{
			name: "a line that never ends", source: endless{start: "a\n", filler: filler},
			code: csv.CodeCellTooLarge, line: 2, column: 1, most: 33,
		}, {
			name: "a header that never ends", source: endless{filler: filler},
			code: csv.CodeHeaderTooLarge, line: 1, most: 1,
		}, {
			name: "a first line that never ends", source: endless{filler: filler}, dialect: dialect(noHeader),
			code: csv.CodeCellTooLarge, line: 1, column: 1, most: 33,
		}, {
			name: "a quote that is never closed", source: endless{start: "a,b\n1,2\n3,\"", filler: filler[1:] + "\n"},
			code: csv.CodeCellTooLarge, line: 3, column: 2, rows: 1, most: 33,
		}, {
			name: "doubled quotes for ever", source: endless{start: "a,b\n1,2\n3,\"", filler: strings.Repeat(`"`, 1<<20)},
			code: csv.CodeCellTooLarge, line: 3, column: 2, rows: 1, most: 65,
		}, {
			name: "escapes for ever", source: endless{start: "a,b\n1,2\n3,", filler: strings.Repeat(`\`, 1<<20)}, dialect: dialect(escape),
			code: csv.CodeCellTooLarge, line: 3, column: 2, rows: 1, most: 65,
		}, {
			name: "large cells for ever", source: endless{start: strings.Join(letters(100), ",") + "\n", filler: filler + ","},
			code: csv.CodeRowTooLarge, line: 2, most: 80,
		}, {
			name: "cells for ever", source: endless{start: "a\n", filler: strings.Repeat(",", 1<<20)},
			code: csv.CodeTooManyCells, line: 2, most: 1,
		}, {
			name: "names for ever", source: endless{filler: strings.Repeat("a,", 1<<20)},
			code: csv.CodeTooManyColumns, line: 1, most: 1,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { // one by one: the rows are large
			test.source.size = 2 << 30
			if test.dialect == (csv.Dialect{}) {
				test.dialect = csv.DefaultDialect()
			}
			got := content{}
			r, err := csv.NewReader(&test.source, test.dialect)
			if err != nil {
				got.Err = err
			} else {
				got = drain(t, r)
			}
			var found *csv.Error
			if !errors.As(got.Err, &found) {
				t.Fatalf("error %v", got.Err)
			}
			checkError(t, found)
			if found.Code != test.code || found.Line != test.line || found.Column != test.column {
				t.Errorf("%v in line %d, cell %d, want %s in line %d, cell %d", found, found.Line, found.Column, test.code, test.line, test.column)
			}
			if len(got.Rows) != test.rows {
				t.Errorf("%d rows, want %d", len(got.Rows), test.rows)
			}
			if test.source.read > test.most<<20 {
				t.Errorf("read %d bytes, want %d MiB at most", test.source.read, test.most)
			}
		})
	}
}

// letters returns n different names.
func letters(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = strings.Repeat("n", i+1)
	}
	return names
}

// Blank lines are held back until something follows them: not in memory.
func TestReaderSkipsEndlessBlankLines(t *testing.T) {
	t.Parallel()
	source := endless{start: "a,b\n1,2\n", filler: strings.Repeat("\n", 1<<20), size: 32 << 20}
	r, err := csv.NewReader(&source, csv.DefaultDialect())
	if err != nil {
		t.Fatal(err)
	}
	if got := drain(t, r); got.Err != nil || len(got.Rows) != 1 {
		t.Errorf("%d rows, error %v", len(got.Rows), got.Err)
	}
}

// Rows far larger than a chunk, and what is read ahead because of them, must
// not take time that grows with the square of their size: that would be hours
// here.
func TestReaderTakesLargeRowsInLinearTime(t *testing.T) {
	t.Parallel()
	const chunk = 64
	large := `"` + strings.Repeat("x,\n\"\"", 1<<20) + "\",\"\"\n"
	file := "a,b\n" + strings.Repeat(large+strings.Repeat("1,2\n", 100_000), 3)
	started := time.Now()
	r, err := csv.NewReaderWithLimits(strings.NewReader(file), csv.DefaultDialect(), chunk, csv.MaxCell, csv.MaxRow, csv.MaxHeader)
	if err != nil {
		t.Fatal(err)
	}
	var b csv.Batch
	total := 0
	for err = r.Next(&b); err == nil && time.Since(started) < time.Minute; err = r.Next(&b) {
		total += b.Rows
	}
	if err != io.EOF || total != 300_003 {
		t.Errorf("%d rows in %v, error %v", total, time.Since(started), err)
	}
}

func TestDialectValidate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		dialect csv.Dialect
		valid   bool
	}{
		{"default", csv.DefaultDialect(), true},
		{"semicolon", dialect(semicolon), true},
		{"single quote", dialect(singleQuote), true},
		{"neither enclosure nor escape", dialect(noEnclosure), true},
		{"escape", dialect(escape), true},
		{"a letter as delimiter", dialect(func(d *csv.Dialect) { d.Delimiter = 'x' }), true},
		{"zero", csv.Dialect{}, false},
		{"CR as delimiter", dialect(func(d *csv.Dialect) { d.Delimiter = '\r' }), false},
		{"LF as delimiter", dialect(func(d *csv.Dialect) { d.Delimiter = '\n' }), false},
		{"quote as delimiter", dialect(func(d *csv.Dialect) { d.Delimiter, d.Enclosure = '"', 0 }), false},
		{"part of a character as delimiter", dialect(func(d *csv.Dialect) { d.Delimiter = 0xA7 }), false},
		{"LF as enclosure", dialect(func(d *csv.Dialect) { d.Enclosure = '\n' }), false},
		{"part of a character as enclosure", dialect(func(d *csv.Dialect) { d.Enclosure = 0x80 }), false},
		{"CR as escape", dialect(func(d *csv.Dialect) { d.Enclosure, d.Escape = 0, '\r' }), false},
		{"enclosure and escape", dialect(func(d *csv.Dialect) { d.Escape = '\\' }), false},
		{"delimiter as enclosure", dialect(func(d *csv.Dialect) { d.Enclosure = ',' }), false},
		{"delimiter as escape", dialect(func(d *csv.Dialect) { d.Enclosure, d.Escape = 0, ',' }), false},
		{"texts that are NULL", dialect(func(d *csv.Dialect) { d.Nulls = strings.Repeat(strings.Repeat("x", 300)+"\n", 50) }), true},
		{"too many texts that are NULL", dialect(func(d *csv.Dialect) { d.Nulls = strings.Repeat("x\n\n", 51) }), false},
		{"a text that is NULL and too long", dialect(func(d *csv.Dialect) { d.Nulls = strings.Repeat("x", 301) }), false},
		{"a text that is NULL and not UTF-8", dialect(func(d *csv.Dialect) { d.Nulls = "\xff" }), false},
		{"unknown encoding", dialect(func(d *csv.Dialect) { d.Encoding = 4 }), false},
		{"unknown kind of empty", dialect(func(d *csv.Dialect) { d.Empty = 3 }), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := test.dialect.Validate()
			if test.valid {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var found *csv.Error
			if !errors.As(err, &found) || found.Code != csv.CodeDialect {
				t.Fatalf("error %v, want %s", err, csv.CodeDialect)
			}
			if _, again := csv.NewReader(strings.NewReader("a\n"), test.dialect); !reflect.DeepEqual(again, err) {
				t.Errorf("NewReader: %v, want %v", again, err)
			}
			if _, again := csv.Sample([]byte("a\n"), true, test.dialect, 1); !reflect.DeepEqual(again, err) {
				t.Errorf("Sample: %v, want %v", again, err)
			}
		})
	}
}
