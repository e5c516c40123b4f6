package csv

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Writer writes rows so that a [Reader] of [DefaultDialect] (with the same
// delimiter) gives the same cells again, if they are text and within its
// limits: NULL is written as an empty cell and the empty text as a quoted one.
// A NULL in a file of one column is therefore a blank line; other programs may
// skip it, and a file of one column without a header whose only row is NULL
// counts as empty.
//
// Rows are buffered; call Flush at the end. After an error all methods return
// that error.
type Writer struct {
	out     *bufio.Writer
	options WriterOptions
	line    []byte
	cells   int // per row; 0 before the first
	err     error
}

// WriterOptions change what a [Writer] writes. The zero value is commas, LF
// and cells as they are.
type WriterOptions struct {
	// Delimiter stands between cells; 0 means a comma.
	Delimiter byte

	// CRLF ends rows with CRLF instead of LF.
	CRLF bool

	// Formulas puts an apostrophe before values that a spreadsheet may run
	// as formulas. It is for lists that people open; they do not round-trip.
	Formulas bool
}

// NewWriter returns a writer to w. If the delimiter is none that
// [Dialect.Validate] accepts, all its methods return that error.
func NewWriter(w io.Writer, o WriterOptions) *Writer {
	if o.Delimiter == 0 {
		o.Delimiter = ','
	}
	return &Writer{
		out:     bufio.NewWriterSize(w, 64<<10),
		options: o,
		err:     Dialect{Delimiter: o.Delimiter, Enclosure: '"'}.Validate(),
	}
}

// Header writes the names of the columns as the first row. It returns an error
// if there are no names, if rows came before, and if the output failed.
func (w *Writer) Header(names []string) error {
	if w.err == nil && w.cells > 0 {
		w.err = errors.New("csv: header after the first row")
	}
	cells := make([]Cell, len(names))
	for i, name := range names {
		cells[i].Value = name
	}
	return w.Row(cells)
}

// Row writes a row. A value is quoted if it needs it or its cell is Quoted;
// NULL never is. Row returns an error if there are no cells or not as many as
// in the rows before, and if the output failed.
func (w *Writer) Row(cells []Cell) error {
	if w.cells == 0 {
		w.cells = len(cells)
	}
	switch {
	case w.err != nil:
		return w.err
	case len(cells) != w.cells || len(cells) == 0:
		w.err = fmt.Errorf("csv: row of %d cells in a file of %d columns", len(cells), w.cells)
		return w.err
	}
	w.line = w.line[:0]
	for i, cell := range cells {
		if i > 0 {
			w.line = append(w.line, w.options.Delimiter)
		}
		value := cell.Value
		if w.options.Formulas && formula(value) {
			value = "'" + value
		}
		switch {
		case cell.Null:
		case cell.Quoted || needsQuotes(value, w.options.Delimiter):
			w.line = appendQuoted(w.line, value)
		default:
			w.line = append(w.line, value...)
		}
	}
	if w.options.CRLF {
		w.line = append(w.line, '\r')
	}
	w.line = append(w.line, '\n')
	_, w.err = w.out.Write(w.line)
	return w.err
}

// Flush writes what is buffered. It returns an error if the output failed, now
// or before.
func (w *Writer) Flush() error {
	if w.err == nil {
		w.err = w.out.Flush()
	}
	return w.err
}

// AppendCell appends a cell to dst as a [Writer] without options would write
// it, and returns the extended slice. The delimiters between cells and the
// line ends are the caller's.
func AppendCell(dst, value []byte, null bool, delimiter byte) []byte {
	switch {
	case null:
		return dst
	case needsQuotes(value, delimiter):
		return appendQuoted(dst, value)
	}
	return append(dst, value...)
}

// needsQuotes reports whether an unquoted value would read as something else.
// That includes values which at the start of a file would make it one of
// another kind: those of control characters, or that start like a PDF or with
// a byte order mark.
func needsQuotes[T string | []byte](value T, delimiter byte) bool {
	if len(value) == 0 {
		return true
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' || c == '"' || c == delimiter {
			return true
		}
	}
	return value[0] == byteOrderMark[0] || value[0] == '%'
}

func appendQuoted[T string | []byte](dst []byte, value T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := range len(value) {
		if value[i] == '"' {
			dst = append(dst, value[start:i+1]...)
			start = i
		}
	}
	dst = append(dst, value[start:]...)
	return append(dst, '"')
}

// formula reports whether a spreadsheet may run value as a formula: it starts
// with one of = + - @, ASCII or full-width, or with white space that
// spreadsheets skip.
func formula(value string) bool {
	first, _ := utf8.DecodeRuneInString(value)
	return strings.ContainsRune("=+-@\t\r\n＝＋－＠", first)
}
