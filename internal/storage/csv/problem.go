package csv

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFound is how many bytes of a file an error shows at most.
const maxFound = 60

// problem describes a flaw in the row that starts at offset row of buf and
// was read as far as the reader's spot. What it says depends on nothing
// behind the flaw, so that it is the same however the input came in chunks.
func (r *Reader) problem(buf []byte, row int, f flaw) *Error {
	if !r.telling() {
		return &r.untold
	}
	if r.blank > 0 {
		return r.blankLine()
	}
	e := &Error{
		Line: r.lineAt(row), Code: f.code,
		Found: head(bytes.TrimRight(buf[row:f.at], "\r\n")),
	}
	line := "Line " + thousands(e.Line)
	switch f.code {
	case CodeTooFewCells:
		e.Message = fmt.Sprintf("%s has %s; %s.", line, plural(r.spot.cells, "cell"), r.expected())
	case CodeTooManyCells:
		more := ""
		if r.spot.more {
			more = "more than "
		}
		e.Message = fmt.Sprintf("%s has %s%s; %s.", line, more, plural(r.spot.cells, "cell"), r.expected())
	case CodeTooManyColumns:
		e.Message = fmt.Sprintf("%s has more than %s cells, but a table has no more columns than that. Check the delimiter.", line, thousands(MaxColumns))
	case CodeHeaderTooLarge:
		e.Message = fmt.Sprintf("The header in line 1 is over %s. If it should be smaller, a line end or a closing quote is missing.", bytesize(r.limits.header))
	case CodeRowTooLarge:
		e.Message = fmt.Sprintf("The row that starts in line %s is over %s. If it should be smaller, a line end or a closing quote is missing.", thousands(e.Line), bytesize(r.limits.row))
	default:
		r.cellProblem(e, buf, f)
	}
	return e
}

// blankLine says that the blank line is one between rows.
func (r *Reader) blankLine() *Error {
	if !r.telling() {
		return &r.untold
	}
	return &Error{
		Line: r.blank, Code: CodeTooFewCells,
		Message: fmt.Sprintf("Line %s is empty; %s cells. Remove the line.", thousands(r.blank), r.expected()),
	}
}

// expected says how many cells a row should have.
func (r *Reader) expected() string {
	standard := "the first line"
	if r.named {
		standard = "the header"
	}
	return fmt.Sprintf("%s has %s", standard, thousands(len(r.header)))
}

// cellProblem completes e for a flaw of the cell at the reader's spot.
func (r *Reader) cellProblem(e *Error, buf []byte, f flaw) {
	var (
		start  = r.spot.start
		opened = r.lineAt(start)
		quoted = r.scan.enclosure != 0 && start < len(buf) && buf[start] == r.scan.enclosure
		inside = start // of the quotes
	)
	if quoted {
		inside++
	}
	e.Column = r.spot.column + 1
	e.Line = r.lineAt(f.at)
	e.Found = tail(buf[start:min(f.at+1, len(buf))])
	if f.code == CodeUnterminatedQuote || f.code == CodeCellTooLarge {
		e.Line = opened
		e.Found = head(buf[start:f.at])
	}
	cell := fmt.Sprintf("Line %s, cell %s", thousands(e.Line), thousands(e.Column))
	if r.spot.column < len(r.header) {
		e.Name = r.header[r.spot.column]
		cell += fmt.Sprintf(" (%s)", quote(e.Name))
	}
	switch f.code {
	case CodeUnterminatedQuote:
		e.Message = fmt.Sprintf("%s opens a quote (%c) that is never closed.", cell, r.scan.enclosure)
	case CodeCellTooLarge:
		e.Message = fmt.Sprintf("%s is over %s.", cell, bytesize(r.limits.cell))
		if quoted {
			e.Message += " If it should be smaller, its closing quote is missing."
		}
	case CodeStrayQuote:
		e.Message = fmt.Sprintf("%s has a quote (%c) inside unquoted text. Put the whole cell in quotes and double those inside it.", cell, r.scan.enclosure)
	case CodeTextAfterQuote:
		c, size := utf8.DecodeRune(r.scan.window[f.at:])
		e.Found = tail(buf[start : f.at+size])
		e.Message = fmt.Sprintf("%s goes on with %q after its closing quote. Double the quotes inside a quoted cell.", cell, c)
		if opened != e.Line {
			e.Message += fmt.Sprintf(" This cell was opened in line %s.", thousands(opened))
		}
	case CodeLoneCR:
		e.Message = fmt.Sprintf("%s holds a carriage return without a line feed: the file seems to have old Mac line ends. Save it with LF or CRLF line ends.", cell)
	case CodeDanglingEscape:
		e.Message = fmt.Sprintf("%s ends with the escape character %c and nothing behind it to escape.", cell, r.scan.escape)
	case CodeNUL:
		e.Message = fmt.Sprintf("%s holds a NUL byte at position %s: this is not plain text.", cell, thousands(f.at-inside+1))
	case CodeNotUTF8:
		e.Message = fmt.Sprintf("%s is not UTF-8 text: byte 0x%02X at position %s. Choose another encoding, such as %s, or save the file as UTF-8.", cell, buf[f.at], thousands(f.at-inside+1), Windows1252)
	case CodeNotWindows1252:
		e.Message = fmt.Sprintf("%s is not Windows-1252 text: byte 0x%02X at position %s. Choose another encoding, such as %s.", cell, buf[f.at], thousands(utf8.RuneCount(buf[inside:f.at])+1), UTF8)
	case CodeNotUTF16:
		what := "half of a surrogate pair"
		if buf[f.at] == endsInside {
			what = "the file ends with half of a character"
		}
		e.Message = fmt.Sprintf("%s is not UTF-16 text: %s at position %s. Choose another encoding, such as %s.", cell, what, thousands(utf8.RuneCount(buf[inside:f.at])+1), UTF8)
	}
}

// head shows the beginning of b and tail its end, in maxFound bytes at most.
// Characters that are not printable are written like those in a Go string.
func head(b []byte) string {
	var shown []string
	for len(b) > 0 && len(shown) <= maxFound {
		c, n := utf8.DecodeRune(b)
		shown = append(shown, printable(c, b[:n]))
		b = b[n:]
	}
	fits := fitting(shown)
	if fits == len(shown) {
		return strings.Join(shown, "")
	}
	return strings.Join(shown[:fits], "") + dots
}

func tail(b []byte) string {
	var shown []string // backwards
	for len(b) > 0 && len(shown) <= maxFound {
		c, n := utf8.DecodeLastRune(b)
		shown = append(shown, printable(c, b[len(b)-n:]))
		b = b[:len(b)-n]
	}
	fits := fitting(shown)
	cut := fits < len(shown)
	shown = shown[:fits]
	slices.Reverse(shown)
	if cut {
		return dots + strings.Join(shown, "")
	}
	return strings.Join(shown, "")
}

const dots = "…"

// fitting returns how many of the pieces fit into maxFound bytes: all of
// them, or as many as leave room for dots.
func fitting(pieces []string) int {
	fits, total := 0, 0
	for _, piece := range pieces {
		total += len(piece)
		if total+len(dots) <= maxFound {
			fits++
		}
	}
	if total <= maxFound {
		return len(pieces)
	}
	return fits
}

// printable returns the character c, which was decoded from b, as it is or
// escaped.
func printable(c rune, b []byte) string {
	switch {
	case c == utf8.RuneError && len(b) == 1:
		return fmt.Sprintf(`\x%02x`, b[0])
	case !unicode.IsPrint(c):
		return strings.Trim(strconv.QuoteRuneToASCII(c), "'")
	}
	return string(c)
}

// quote shows a column name in a sentence.
func quote(name string) string { return `"` + head([]byte(name)) + `"` }

// plural returns a number of things: "1 cell", "1,200 cells".
func plural(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return thousands(n) + " " + thing
}

// thousands writes n, which is not negative, with commas: 18,204.
func thousands[N int | int64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// bytesize writes a limit in the largest unit that divides it.
func bytesize(n int) string {
	switch {
	case n%(1<<20) == 0:
		return thousands(n>>20) + " MiB"
	case n%(1<<10) == 0:
		return thousands(n>>10) + " KiB"
	}
	return plural(n, "byte")
}
