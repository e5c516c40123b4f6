// Package csv reads and writes delimited text: the form in which table data
// enters and leaves a project.
//
// Where the standard library's encoding/csv hands out strings row by row, the
// [Reader] here hands out batches of rows by column, as slices of the bytes it
// read: the shape that a columnar file wants, without an allocation per row.
// It tells an empty cell from a quoted empty one, keeps every byte of a quoted
// cell, refuses what is not plain text, and names line and cell of whatever is
// wrong, or passes over it. Its memory is bounded whatever the input. Text in
// UTF-16 and Windows-1252 it converts to UTF-8.
//
// [Detect] guesses the dialect of a file from its beginning, and [Writer]
// writes what Reader reads back to the same cells.
package csv

import (
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"
)

// Dialect says how the bytes of a file become cells. The dialect that most
// files speak, and that [Writer] writes, is [DefaultDialect].
type Dialect struct {
	// Delimiter stands between two cells: any ASCII byte but NUL, CR, LF, the
	// double quote and the dialect's own Enclosure and Escape.
	Delimiter byte

	// Enclosure opens and closes a cell that may hold delimiters and line
	// ends; doubled inside such a cell it stands for itself. Usually '"'.
	// 0 means that no cell is enclosed, and a quote is a byte like any other.
	Enclosure byte

	// Escape makes the byte after it part of the cell, whatever it is: an
	// escaped delimiter or line feed does not end the cell, an escaped escape
	// is one. Nothing is translated: an escaped n is an n. 0 means none;
	// otherwise Enclosure must be 0.
	Escape byte

	// Header says that the first row holds the names of the columns. Without
	// it they are called col_1, col_2 and so on, as many as the first row has
	// cells.
	Header bool

	// Empty says what an empty cell becomes.
	Empty Empty

	// Nulls are texts that stand for NULL, one a line, besides what Empty
	// says: a cell that is one of them, to the byte, is NULL. There are
	// MaxNulls at most, of MaxNull bytes; empty lines count for nothing.
	Nulls string

	// NullsQuoted says that this goes for quoted cells, too.
	NullsQuoted bool

	// Encoding says what the bytes of the file stand for.
	Encoding Encoding
}

// Limits of [Dialect.Nulls].
const (
	MaxNulls = 50
	MaxNull  = 300 // bytes
)

// Empty says whether an empty cell is NULL or the empty text. A dialect
// without an enclosure cannot quote, so all its empty cells are unquoted.
type Empty uint8

const (
	EmptyDistinct Empty = iota // unquoted is NULL, quoted is the empty text
	EmptyNull                  // both are NULL
	EmptyText                  // both are the empty text
)

// DefaultDialect is comma, double quotes and a header; an unquoted empty cell
// is NULL and a quoted one is the empty text.
func DefaultDialect() Dialect {
	return Dialect{Delimiter: ',', Enclosure: '"', Header: true}
}

// Validate returns an [*Error] with [CodeDialect] if files cannot be read
// with the dialect, and nil if they can.
func (d Dialect) Validate() error {
	if message := d.flaw(); message != "" {
		return &Error{Code: CodeDialect, Message: message}
	}
	return nil
}

func (d Dialect) flaw() string {
	switch {
	case !structural(d.Delimiter) || d.Delimiter == '"':
		return "The delimiter must be one ASCII character, and neither a line end nor a double quote."
	case d.Enclosure != 0 && !structural(d.Enclosure):
		return "The enclosure must be one ASCII character and no line end."
	case d.Escape != 0 && !structural(d.Escape):
		return "The escape character must be one ASCII character and no line end."
	case d.Enclosure != 0 && d.Escape != 0:
		return "A file has an enclosure or an escape character, not both."
	case d.Delimiter == d.Enclosure:
		return "The delimiter and the enclosure must differ."
	case d.Delimiter == d.Escape:
		return "The delimiter and the escape character must differ."
	case d.Empty > EmptyText:
		return "An empty cell can only become NULL or the empty text."
	case d.Encoding > Windows1252:
		return "The encoding must be UTF-8, UTF-16 or Windows-1252."
	}
	return d.nullsFlaw()
}

func (d Dialect) nullsFlaw() string {
	n := 0
	for text := range d.nulls() {
		n++
		switch {
		case n > MaxNulls:
			return fmt.Sprintf("At most %d texts can stand for NULL.", MaxNulls)
		case len(text) > MaxNull:
			return fmt.Sprintf("A text that stands for NULL has %d bytes at most.", MaxNull)
		case !utf8.ValidString(text):
			return "A text that stands for NULL must be UTF-8."
		}
	}
	return ""
}

// nulls are the texts that stand for NULL.
func (d Dialect) nulls() iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range strings.Lines(d.Nulls) {
			text := strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
			if text != "" && !yield(text) {
				return
			}
		}
	}
}

// structural reports whether c can delimit, enclose or escape. Bytes from
// 0x80 up cannot, because they are parts of UTF-8 sequences.
func structural(c byte) bool {
	return c > 0 && c < 0x80 && c != '\r' && c != '\n'
}
