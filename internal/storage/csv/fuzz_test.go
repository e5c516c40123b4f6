package csv_test

import (
	"bytes"
	stdcsv "encoding/csv"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"steward/internal/storage/csv"
)

// fuzzDialects are the dialects among which FuzzReader chooses.
func fuzzDialects() []csv.Dialect {
	return []csv.Dialect{
		csv.DefaultDialect(),
		dialect(noHeader),
		dialect(emptyNull),
		dialect(emptyText),
		dialect(semicolon),
		dialect(noEnclosure),
		dialect(escape),
		{Delimiter: '\t', Escape: '\\', Empty: csv.EmptyText},
	}
}

// FuzzReader reads any bytes in small chunks and with small limits.
func FuzzReader(f *testing.F) {
	for _, file := range []string{
		"", "\n", tricky, "a,b\n1,2\n\n3,4\n", "a\n\n1\n", "a,b\n1,\"2\n", "a,b\n1,\"2\"x\n", "a,b\r1", "a;b\n1\\\n;2\\",
		"a,b\n1,\xe9\n", "a,b\n1,\x00\n", "a,b\n1,2,3,\"4\n", "a\n" + strings.Repeat("x", 100), "a,a\n", "\xff\xfe",
	} {
		for d := range fuzzDialects() {
			f.Add([]byte(file), uint8(1), uint8(d))
		}
	}
	f.Fuzz(func(t *testing.T, file []byte, chunk, choice uint8) {
		const cell, row, header = 20, 60, 50
		d := fuzzDialects()[int(choice)%len(fuzzDialects())]
		small := func(file []byte, chunk int) content {
			r, err := csv.NewReaderWithLimits(bytes.NewReader(file), d, chunk, cell, row, header)
			if err != nil {
				return content{Err: err}
			}
			return drain(t, r)
		}
		got := small(file, 1+int(chunk))
		if other := small(file, 4096); !reflect.DeepEqual(got, other) {
			t.Fatalf("in chunks of %d: %+v\nin chunks of 4096: %+v", 1+int(chunk), got, other)
		}
		var found *csv.Error
		if got.Err != nil {
			if !errors.As(got.Err, &found) {
				t.Fatalf("error %v", got.Err)
			}
			checkError(t, found)
			if lines := int64(bytes.Count(file, []byte("\n"))) + 1; found.Line > lines {
				t.Fatalf("%v in line %d of %d", found, found.Line, lines)
			}
		}
		for _, row := range got.Rows {
			if len(row) != len(got.Header) {
				t.Fatalf("a row of %d cells below a header of %d", len(row), len(got.Header))
			}
			for _, value := range row {
				if len(value) > cell || !utf8.ValidString(value) {
					t.Fatalf("value %q", value)
				}
			}
		}
		if got.Rows != nil {
			// The rows before an error or the end are a file without error.
			alone := small(file[:endOfRows(file, got)], 4096)
			var empty *csv.Error // a blank line is a row, but alone an empty file
			if errors.As(alone.Err, &empty) && !d.Header && empty.Code == csv.CodeEmptyFile {
				return
			}
			if alone.Err != nil || !reflect.DeepEqual(alone.Rows, got.Rows) {
				t.Fatalf("rows %q alone are %q, %v", got.Rows, alone.Rows, alone.Err)
			}
		}
		if got.Err == nil && d.Enclosure == '"' {
			compareWithStandardLibrary(t, file, d, got)
		}
		if detection, err := csv.Detect(file, chunk%2 == 0, 5); err == nil && len(detection.Rows) > 5 {
			t.Fatalf("%d rows", len(detection.Rows))
		}
		if found != nil {
			return
		}
		detection, err := csv.Sample(file, true, d, len(got.Rows))
		if err != nil || detection.Problem != nil || detection.Truncated {
			t.Fatalf("the sample differs: %+v, %v", detection, err)
		}
		if rows := plain(detection.Rows); !reflect.DeepEqual(rows, got.Rows) {
			t.Fatalf("the sample has rows %q, want %q", rows, got.Rows)
		}
	})
}

// endOfRows returns where in file the rows of c end.
func endOfRows(file []byte, c content) int {
	start := 0
	if bytes.HasPrefix(file, []byte("\uFEFF")) && c.Line == 1 {
		start = len("\uFEFF")
	}
	for line := c.Line; line > 1; line-- {
		start += 1 + bytes.IndexByte(file[start:], '\n')
	}
	return start + int(c.Bytes)
}

// compareWithStandardLibrary checks that encoding/csv reads the same content
// from a file, but for what it does otherwise: it keeps a byte order mark,
// skips blank lines and turns CRLF inside quotes into LF.
func compareWithStandardLibrary(t *testing.T, file []byte, d csv.Dialect, c content) {
	t.Helper()
	r := stdcsv.NewReader(bytes.NewReader(bytes.TrimPrefix(file, []byte("\uFEFF"))))
	r.Comma = rune(d.Delimiter)
	got, err := r.ReadAll()
	if err != nil {
		t.Fatalf("the standard library: %v", err)
	}
	var want [][]string
	if d.Header {
		want = append(want, slices.Clone(c.Header))
	}
	for _, row := range c.Rows {
		row = slices.Clone(row)
		for i := range row {
			if row[i] == null && len(row) == 1 {
				row = nil
				break
			}
			row[i] = strings.TrimPrefix(row[i], null)
		}
		if row != nil {
			want = append(want, row)
		}
	}
	if len(c.Header) == 1 && d.Empty != csv.EmptyDistinct {
		return // it cannot be seen which empty rows were blank lines
	}
	if !reflect.DeepEqual(got, standard(want)) {
		t.Fatalf("the standard library: %q\nwant %q", got, want)
	}
}

// FuzzRoundTrip cuts any text into cells, writes and reads them.
func FuzzRoundTrip(f *testing.F) {
	f.Add("a|b|~||\"|,|\r\n|\uFEFF|ž", uint8(2), uint8(0))
	f.Add("~|x||%PDF-", uint8(1), uint8(1))
	f.Fuzz(func(t *testing.T, text string, columns, choice uint8) {
		if !utf8.ValidString(text) || strings.Contains(text, null) {
			t.Skip("no text")
		}
		header := letters(1 + int(columns)%5)
		cells := strings.Split(text, "|")
		var (
			rows [][]csv.Cell
			want [][]string
		)
		for len(cells) >= len(header) {
			row := slices.Clone(cells[:len(header)])
			for i := range row {
				if row[i] == "~" {
					row[i] = null
				}
			}
			rows, want = append(rows, values(row...)), append(want, row)
			cells = cells[len(header):]
		}
		o := csv.WriterOptions{Delimiter: ",;\t|^"[choice%5], CRLF: choice >= 128}
		d := csv.Dialect{Delimiter: o.Delimiter, Enclosure: '"', Header: true}
		if got := read(t, write(t, o, header, rows), d); got.Err != nil || !reflect.DeepEqual(got.Rows, want) {
			t.Fatalf("got %q, %v\nwant %q", got.Rows, got.Err, want)
		}
		d.Header = false
		if len(header) == 1 && len(want) == 1 && want[0][0] == null || len(want) == 0 {
			return // counts as empty
		}
		if got := read(t, write(t, o, nil, rows), d); got.Err != nil || !reflect.DeepEqual(got.Rows, want) {
			t.Fatalf("without header: got %q, %v\nwant %q", got.Rows, got.Err, want)
		}
	})
}
