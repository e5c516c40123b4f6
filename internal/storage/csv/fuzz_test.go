package csv_test

import (
	"bytes"
	"encoding/binary"
	stdcsv "encoding/csv"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

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
		dialect(func(d *csv.Dialect) { d.Nulls = "1\nx" }),
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
		if got.Err == nil && d.Enclosure == '"' && d.Nulls == "" {
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

// FuzzSkip passes over the bad rows of any bytes, in small chunks and with small
// limits. The good rows are those of a file from which the bad ones were taken out
// one after the other, and the rows before the first bad one those of a reader that
// stops there.
func FuzzSkip(f *testing.F) {
	for _, file := range []string{
		"a,b\n1,x\n2,\"y\n3,z\n", "a,b\n1\n\n2,y\n\n\n3,\"\xff\nx\"\n4,w\n", "a,b\n1,x\ry\n2,y\"z\n\x00\n", "a\n1\n\n2,3\n", "1,2\n3\n4,5\n",
		"a,b\n1,\"x\n2,\"y\"\n3,z\n4,\"\"\"\n", "a;b\n1\\\n;2;\\\n3\n4;5\\", "a,b\n" + strings.Repeat("x", 70) + ",1\n2,3\n", "a,b\n1,\"" + strings.Repeat("\n", 70) + "2,3\n",
	} {
		for d := range fuzzDialects() {
			f.Add([]byte(file), uint8(1), uint8(d))
		}
	}
	f.Fuzz(func(t *testing.T, file []byte, chunk, choice uint8) {
		const cell, row, header = 20, 60, 50
		d := fuzzDialects()[int(choice)%len(fuzzDialects())]
		open := func(file []byte, chunk int) *csv.Reader {
			r, err := csv.NewReaderWithLimits(bytes.NewReader(file), d, chunk, cell, row, header)
			if err != nil {
				return nil
			}
			return r
		}
		r := open(file, 1+int(chunk))
		if r == nil {
			return
		}
		got, rejected := sift(t, r)
		other, otherRejected := sift(t, open(file, 4096))
		if !reflect.DeepEqual(got.Rows, other.Rows) || !reflect.DeepEqual(rejected, otherRejected) || got.Line != other.Line {
			t.Fatalf("in chunks of %d: %+v %+v\nin chunks of 4096: %+v %+v", 1+int(chunk), got, rejected, other, otherRejected)
		}
		if got.Err != nil {
			t.Fatalf("error %v", got.Err)
		}
		stopped := drain(t, open(file, 4096))
		if n := len(stopped.Rows); n > len(got.Rows) || !slices.EqualFunc(stopped.Rows, got.Rows[:n], slices.Equal) {
			t.Fatalf("good rows %q, before the first bad one %q", got.Rows, stopped.Rows)
		}
		if (stopped.Err == nil) != (len(rejected) == 0) {
			t.Fatalf("error %v, rejected %+v", stopped.Err, rejected)
		}
		// Take one bad row out after the other.
		rest, line := slices.Clone(file), int64(1)
		for i := 0; stopped.Err != nil; i++ {
			if i == len(rejected) {
				t.Fatalf("%v was not rejected: %+v", stopped.Err, rejected)
			}
			start := firstRowEnd(rest, d, row)
			if stopped.Rows != nil {
				start = endOfRows(rest, stopped)
			}
			if !d.Header && stopped.Rows == nil {
				t.Fatalf("the first row is bad: %v", stopped.Err)
			}
			end := start + badEnd(rest[start:], d, cell)
			if at := line + int64(bytes.Count(rest[:start], []byte("\n"))); rejected[i].Line != at {
				t.Fatalf("rejected %+v, want line %d", rejected[i], at)
			}
			text := bytes.TrimSuffix(bytes.TrimSuffix(rest[start:end], []byte("\n")), []byte("\r"))
			if text = text[:min(len(text), row)]; rejected[i].Text != string(text) {
				t.Fatalf("rejected %+v, want %q", rejected[i], text)
			}
			line += int64(bytes.Count(rest[start:end], []byte("\n")))
			rest = slices.Delete(rest, start, end)
			again := open(rest, 4096)
			if again == nil {
				return // what is left counts as empty
			}
			if stopped = drain(t, again); i+1 == len(rejected) && (stopped.Err != nil || !reflect.DeepEqual(stopped.Rows, got.Rows)) {
				t.Fatalf("without the bad rows: %q, %v\nwant %q", stopped.Rows, stopped.Err, got.Rows)
			}
		}
	})
}

// firstRowEnd returns where the first row of a file ends that can be read.
func firstRowEnd(file []byte, d csv.Dialect, limit int) int {
	start := len(file) - len(bytes.TrimPrefix(file, []byte("\uFEFF")))
	return start + badEnd(file[start:], d, limit)
}

// badEnd returns how many bytes the row takes with which file begins: up to its certain
// end, or its first line. It looks at every byte once.
func badEnd(file []byte, d csv.Dialect, limit int) int {
	const (
		fresh  = iota // of a cell
		bare          // inside a cell without quotes
		inside        // of quotes
		closed        // perhaps: behind a quote inside quotes
	)
	line, state := -1, fresh
	certain := func() int {
		for i := 0; i < len(file) && i < limit; i++ {
			c := file[i]
			lf := c == '\n' || c == '\r' && i+1 < len(file) && i+1 < limit && file[i+1] == '\n'
			switch {
			case state == inside:
				if c == d.Enclosure {
					state = closed
				}
			case state == closed && c == d.Enclosure:
				state = inside
			case c == d.Delimiter:
				state = fresh
			case lf:
				return i + bytes.IndexByte(file[i:], '\n') + 1
			case c == '\r', state == closed:
				return -1
			case d.Enclosure != 0 && c == d.Enclosure:
				if state == bare {
					return -1
				}
				state = inside
			case d.Escape != 0 && c == d.Escape:
				if i++; i == len(file) {
					return -1
				}
				state = bare
			default:
				state = bare
			}
		}
		if len(file) <= limit && state != inside {
			return len(file)
		}
		return -1
	}
	if end := certain(); end >= 0 {
		return end
	}
	for i := 0; i < len(file) && line < 0; i++ {
		switch {
		case d.Escape != 0 && file[i] == d.Escape:
			i++
		case file[i] == '\n':
			line = i + 1
		}
	}
	if line < 0 {
		return len(file)
	}
	return line
}

// FuzzEncoding reads any bytes as UTF-16 and as Windows-1252: in whatever chunks, and
// the same as their conversion to UTF-8.
func FuzzEncoding(f *testing.F) {
	for _, file := range []string{"", "a,b\n1,\xe9\n", "a\x00,\x00b\x00\n\x001\x00,\x00=\xd8\x80\xde", "\xfe\xff\x00a\x00\n\xd8=\x00\n", "a\x00\n\x001"} {
		for e := range 3 {
			f.Add([]byte(file), uint8(e), uint8(3))
		}
	}
	f.Fuzz(func(t *testing.T, file []byte, choice, chunk uint8) {
		d := csv.DefaultDialect()
		d.Encoding = []csv.Encoding{csv.UTF16LE, csv.UTF16BE, csv.Windows1252}[choice%3]
		get := func(source io.Reader, d csv.Dialect) content {
			r, err := csv.NewReaderWithLimits(source, d, 64, 1000, 4000, 1000)
			if err != nil {
				return content{Err: err}
			}
			return drain(t, r)
		}
		got := get(bytes.NewReader(file), d)
		if slow := get(&pieces{file, 1 + int(chunk)}, d); !reflect.DeepEqual(slow, got) {
			t.Fatalf("in pieces of %d: %+v\nwhole: %+v", 1+int(chunk), slow, got)
		}
		var found *csv.Error
		if errors.As(got.Err, &found) {
			checkError(t, found)
			if found.Code == csv.CodeNotUTF16 || found.Code == csv.CodeNotWindows1252 || found.Code == csv.CodeEncoding || found.Code == csv.CodeForeign {
				return
			}
		}
		text, whole := converted(file, d.Encoding)
		if !whole {
			return // what is wrong may come after another error
		}
		d.Encoding = csv.UTF8
		if want := get(strings.NewReader(text), d); !reflect.DeepEqual(got, want) {
			t.Fatalf("read as %s: %+v\nconverted: %+v", []string{"UTF-16LE", "UTF-16BE", "Windows-1252"}[choice%3], got, want)
		}
	})
}

// converted is a file in UTF-8, and whether all of it could be converted.
func converted(file []byte, e csv.Encoding) (string, bool) {
	if e == csv.Windows1252 {
		text, err := charmap.Windows1252.NewDecoder().Bytes(file)
		return string(text), err == nil && !bytes.ContainsAny(file, "\x81\x8d\x8f\x90\x9d") && !strings.ContainsAny(string(text), "\u0081\u008d\u008f\u0090\u009d")
	}
	units := make([]uint16, len(file)/2)
	for i := range units {
		units[i] = binary.BigEndian.Uint16(file[2*i:])
		if e == csv.UTF16LE {
			units[i] = binary.LittleEndian.Uint16(file[2*i:])
		}
	}
	text := string(utf16.Decode(units))
	return text, len(file)%2 == 0 && slices.Equal(utf16.Encode([]rune(text)), units)
}

// pieces is a source that gives a few bytes at a time.
type pieces struct {
	rest []byte
	size int
}

// Read implements io.Reader.
func (s *pieces) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.rest[:min(s.size, len(s.rest))])
	s.rest = s.rest[n:]
	return n, nil
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
