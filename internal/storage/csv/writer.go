package csv

import (
	"bufio"
	"bytes"
	endian "encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
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

// Validate returns an [*Error] if files cannot be written with the options.
func (o WriterOptions) Validate() error {
	return Dialect{Delimiter: o.withDefaults().Delimiter, Enclosure: '"'}.Validate()
}

func (o WriterOptions) withDefaults() WriterOptions {
	if o.Delimiter == 0 {
		o.Delimiter = ','
	}
	return o
}

// AppendCell appends a cell to dst as a [Writer] with these options, which must
// be valid, would write it, and returns the extended slice. Between the cells
// of a row stand delimiters, which are the caller's.
func (o WriterOptions) AppendCell(dst, value []byte, null bool) []byte {
	return appendCell(dst, value, null, false, o.withDefaults())
}

// AppendEnd appends the end of a row to dst and returns the extended slice.
func (o WriterOptions) AppendEnd(dst []byte) []byte {
	if o.CRLF {
		return append(dst, '\r', '\n')
	}
	return append(dst, '\n')
}

// NewWriter returns a writer to w. If the delimiter is none that
// [Dialect.Validate] accepts, all its methods return that error.
func NewWriter(w io.Writer, o WriterOptions) *Writer {
	return &Writer{
		out:     bufio.NewWriterSize(w, 64<<10),
		options: o.withDefaults(),
		err:     o.Validate(),
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
		w.line = appendCell(w.line, cell.Value, cell.Null, cell.Quoted, w.options)
	}
	w.line = w.options.AppendEnd(w.line)
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

func appendCell[T string | []byte](dst []byte, value T, null, quoted bool, o WriterOptions) []byte {
	if null {
		return dst
	}
	start := len(dst)
	if o.Formulas && formula(value) {
		dst = append(dst, '\'')
	}
	dst = append(dst, value...)
	if quoted || needsQuotes(dst[start:], o.Delimiter) {
		return enclose(dst, start)
	}
	return dst
}

// needsQuotes reports whether an unquoted value would read as something else.
// That includes values which at the start of a file would make it one of
// another kind: those of control characters, or that start like a PDF or with
// a byte order mark.
func needsQuotes(value []byte, delimiter byte) bool {
	if len(value) == 0 || value[0] == byteOrderMark[0] || value[0] == '%' {
		return true
	}
	// Eight bytes at a time, as long as there are as many: a byte less than n
	// is one that borrows from its highest bit when n is taken from it.
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	delimiters := ones * uint64(delimiter)
	for len(value) >= 8 {
		eight := endian.LittleEndian.Uint64(value)
		quotes, others := eight^ones*'"', eight^delimiters
		if ((eight-ones*' ')&^eight|(quotes-ones)&^quotes|(others-ones)&^others)&highs != 0 {
			return true
		}
		value = value[8:]
	}
	for _, c := range value {
		if c < ' ' || c == '"' || c == delimiter {
			return true
		}
	}
	return false
}

// enclose quotes what stands in dst from start on.
func enclose(dst []byte, start int) []byte {
	more := 2 + bytes.Count(dst[start:], []byte{'"'})
	dst = slices.Grow(dst, more)[:len(dst)+more]
	dst[len(dst)-1] = '"'
	// From the end, so that nothing is overwritten before it has moved.
	for from, to := len(dst)-more-1, len(dst)-2; from >= start; from-- {
		dst[to] = dst[from]
		to--
		if dst[from] == '"' {
			dst[to] = '"'
			to--
		}
	}
	dst[start] = '"'
	return dst
}

// formula reports whether a spreadsheet may run value as a formula: it starts
// with one of = + - @, ASCII or full-width, or with white space that
// spreadsheets skip.
func formula[T string | []byte](value T) bool {
	first, _ := utf8.DecodeRuneInString(string(value[:min(len(value), utf8.UTFMax)]))
	return strings.ContainsRune("=+-@\t\r\n＝＋－＠", first)
}
