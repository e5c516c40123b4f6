package csv

import (
	"bytes"
	"unicode/utf8"
)

// scanner cuts bytes into cells. It sees a window, and has no opinion on why
// that ends where it does, in the middle of a cell perhaps. A NUL in the
// window breaks a cell, so a user who wants another error keeps it out.
type scanner struct {
	delimiter byte
	enclosure byte // 0 if there is none
	escape    byte // 0 if there is none
	special   [256]bool
	maxCell   int

	window []byte
	last   bool // the file ends with the window, which therefore ends its last row

	plain []byte // values that had to be rewritten are appended here
	flaw  flaw   // set when a cell ends as broken
}

// flaw is what is wrong with a cell.
type flaw struct {
	code Code
	at   int // offset in the window of the byte that is wrong
}

// ending says what follows a cell.
type ending uint8

const (
	cellEnd    ending = iota // another cell of the same row
	rowEnd                   // another row, or nothing
	outOfBytes               // the window ended before the cell did
	broken                   // the scanner's flaw
)

func newScanner(d Dialect, maxCell int) scanner {
	s := scanner{
		delimiter: d.Delimiter,
		enclosure: d.Enclosure,
		escape:    d.Escape,
		maxCell:   maxCell,
	}
	for _, c := range []byte{'\r', '\n', d.Delimiter, d.Enclosure, d.Escape} {
		s.special[c] = true // and so is NUL, which stands for none
	}
	return s
}

// cell reads the cell that starts at p. The value is without enclosure and
// escapes; next is where the following cell or row starts. After outOfBytes
// and broken value and next mean nothing.
func (s *scanner) cell(p int) (value []byte, quoted bool, next int, end ending) {
	if p < len(s.window) && s.window[p] == s.enclosure && s.enclosure != 0 {
		return s.quotedCell(p)
	}
	q := s.run(p)
	if q < len(s.window) && s.window[q] == s.escape && s.escape != 0 {
		return s.escapedCell(p, q)
	}
	if q-p > s.maxCell {
		return s.fail(CodeCellTooLarge, p+s.maxCell)
	}
	next, end = s.follow(q, CodeStrayQuote)
	return s.window[p:q:q], false, next, end
}

// run returns the offset of the first special byte from p on, or the end of
// the window.
func (s *scanner) run(p int) int {
	for p < len(s.window) && !s.special[s.window[p]] {
		p++
	}
	return p
}

// quotedCell reads a cell whose opening quote is at p.
func (s *scanner) quotedCell(p int) (value []byte, quoted bool, next int, end ending) {
	var (
		window  = s.window
		start   = p + 1        // of the stretch not yet copied
		from    = len(s.plain) // where the value starts in plain, if it is copied
		doubled = false        // it has to be
	)
	for {
		q := bytes.IndexByte(window[start:], s.enclosure)
		if q < 0 {
			q = len(window)
		} else {
			q += start
		}
		if size := len(s.plain) - from + q - start; size > s.maxCell {
			return s.fail(CodeCellTooLarge, p+s.maxCell)
		}
		switch {
		case q == len(window) && s.last:
			return s.fail(CodeUnterminatedQuote, q)
		case q == len(window), q+1 == len(window) && !s.last:
			return nil, true, 0, outOfBytes
		case q+1 < len(window) && window[q+1] == s.enclosure:
			s.plain = append(s.plain, window[start:q+1]...)
			start, doubled = q+2, true
			continue
		}
		value = window[start:q:q]
		if doubled {
			s.plain = append(s.plain, value...)
			value = s.plain[from:len(s.plain):len(s.plain)]
		}
		next, end = s.follow(q+1, CodeTextAfterQuote)
		return value, true, next, end
	}
}

// escapedCell reads an unquoted cell that starts at p and has its first
// escape at q.
func (s *scanner) escapedCell(p, q int) (value []byte, quoted bool, next int, end ending) {
	from, start := len(s.plain), p
	for {
		if size := len(s.plain) - from + q - start; size > s.maxCell {
			return s.fail(CodeCellTooLarge, p+s.maxCell)
		}
		s.plain = append(s.plain, s.window[start:q]...)
		if q == len(s.window) || s.window[q] != s.escape {
			break
		}
		if q+1 == len(s.window) {
			if s.last {
				return s.fail(CodeDanglingEscape, q)
			}
			return nil, false, 0, outOfBytes
		}
		// The escaped byte opens the next stretch without being looked at.
		start = q + 1
		q = s.run(q + 2)
	}
	next, end = s.follow(q, CodeStrayQuote)
	return s.plain[from:len(s.plain):len(s.plain)], false, next, end
}

// follow says what comes at q, behind the content of a cell. Anything but a
// delimiter and the end of a row is the flaw other.
func (s *scanner) follow(q int, other Code) (next int, end ending) {
	if q >= len(s.window) {
		if s.last {
			return q, rowEnd
		}
		return 0, outOfBytes
	}
	switch s.window[q] {
	case s.delimiter:
		return q + 1, cellEnd
	case '\n':
		return q + 1, rowEnd
	case '\r':
		switch n := s.lineEnd(q); {
		case n > 0:
			return q + n, rowEnd
		case n < 0:
			return 0, outOfBytes
		}
		other = CodeLoneCR
	}
	s.flaw = flaw{other, q}
	return 0, broken
}

// lineEnd returns the length of the line end at p, 0 if there is none, or -1
// if a CR is all that the window shows of what may be one.
func (s *scanner) lineEnd(p int) int {
	switch rest := s.window[p:]; {
	case len(rest) > 0 && rest[0] == '\n':
		return 1
	case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
		return 2
	case len(rest) == 1 && rest[0] == '\r' && !s.last:
		return -1
	}
	return 0
}

// lineAfter returns the offset behind the first line end from p on that no
// escape takes in, or one not below the window's length if there is none. It
// is above if the window's last byte is an escape.
func (s *scanner) lineAfter(p int) (next int, found bool) {
	if s.escape == 0 {
		if i := bytes.IndexByte(s.window[p:], '\n'); i >= 0 {
			return p + i + 1, true
		}
		return len(s.window), false
	}
	for p < len(s.window) {
		switch s.window[p] {
		case '\n':
			return p + 1, true
		case s.escape:
			p++
		}
		p++
	}
	return p, false
}

func (s *scanner) fail(code Code, at int) ([]byte, bool, int, ending) {
	s.flaw = flaw{code, at}
	return nil, false, 0, broken
}

// text returns how many bytes at the start of b are text: valid UTF-8 without
// NUL. If bad, the byte after them is wrong. If not, they are all of b, except
// that when more follows, the start of a character at the end is left out.
func text(b []byte, more bool) (n int, bad bool) {
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return validUTF8(b, more)
	}
	n, _ = validUTF8(b[:i], false)
	return n, true
}

// validUTF8 is text for bytes without NUL.
func validUTF8(b []byte, more bool) (n int, bad bool) {
	if more {
		b = b[:len(b)-unfinished(b)]
	}
	if utf8.Valid(b) {
		return len(b), false
	}
	for n < len(b) {
		r, size := utf8.DecodeRune(b[n:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		n += size
	}
	return n, true
}

// unfinished returns how many bytes at the end of b are a UTF-8 sequence that
// is right so far but not complete.
func unfinished(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if c := b[len(b)-n]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune(b[len(b)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}
