package csv

import (
	"bytes"
	"errors"
	"io"
)

// parse adds the rows in the batch's input to the batch until they make a
// chunk, and returns how many bytes they take, with blank lines and rows that
// were rejected. The error says what comes behind them; it is nil if that
// takes more input to say.
func (r *Reader) parse(b *Batch) (used int, err error) {
	complete := r.ended == io.EOF && r.taken == len(r.ahead)
	r.mark = 0
	if r.passing {
		used = r.pass(b.buf, 0)
		b.Line += lineFeeds(b.buf[:used])
	}
	sound := soundness{buf: b.buf, more: !complete}
	sound.look(used)
	for used < r.limits.chunk {
		end := min(sound.until, used+r.limits.row)
		r.scan.window, r.scan.last = b.buf[:end], complete && end == len(b.buf)
		next, outcome := r.row(b, used)
		if outcome == rowEnd {
			used = next
			continue
		}
		more := r.ended == nil || r.taken < len(r.ahead)
		if outcome == broken {
			err = r.problem(b.buf, used, r.scan.flaw)
		} else {
			err = r.outOfBytes(b.buf, used, CodeRowTooLarge, edge{end < sound.until, sound.bad, more})
		}
		b.dropUnfinished()
		if !r.skipping || err == nil {
			return used, err
		}
		var bad *Error
		if !errors.As(err, &bad) {
			return used, err
		}
		if next, err = r.passBad(b.buf, used, bad, complete, more); err != nil || next < 0 {
			return used, err
		}
		used = next
		if b.Rows == 0 {
			b.Line = r.markLine
		}
		sound.look(used)
	}
	return used, nil
}

// soundness is how far the bytes of a batch are text.
type soundness struct {
	buf  []byte
	more bool // other input follows
	nul  int  // offset of a NUL, with none between it and until

	until int  // they are text up to here
	bad   bool // and the byte here is not
}

// look finds out how far the bytes from offset p on are text, unless that is
// known. Looking from one bad byte to the next takes time that is proportional
// to their distance.
func (s *soundness) look(p int) {
	if p > 0 && p <= s.until {
		return
	}
	if p == 0 || s.nul < p {
		if s.nul = bytes.IndexByte(s.buf[p:], 0); s.nul < 0 {
			s.nul = len(s.buf)
		} else {
			s.nul += p
		}
	}
	n, bad := validUTF8(s.buf[p:s.nul], s.more && s.nul == len(s.buf))
	s.until, s.bad = p+n, bad || s.nul < len(s.buf)
}

// edge is what lies behind a window.
type edge struct {
	large bool // more of a row than a row may have
	bad   bool // a byte that is no text
	more  bool // input not yet looked at
}

// outOfBytes says why the window ended before the row that starts at row did:
// because the row is too large (with that code), because of a bad byte,
// because the file ends or because the source failed. It returns nil if there
// is more to read.
func (r *Reader) outOfBytes(buf []byte, row int, large Code, e edge) error {
	f := flaw{at: len(r.scan.window)}
	switch {
	case e.large:
		f.code = large
	case e.bad && buf[f.at] == 0:
		f.code = CodeNUL
	case e.bad:
		f.code = wrongText(r.encoding)
	case e.more:
		return nil
	case r.ended == errPartial:
		return io.EOF
	default:
		return r.ended
	}
	if r.spot.more {
		f.code = CodeTooManyCells
	}
	return r.problem(buf, row, f)
}

// row reads the row at p of the window into the batch, or passes a blank line
// that is no row.
func (r *Reader) row(b *Batch, p int) (next int, end ending) {
	s := &r.scan
	r.spot = spot{start: p}
	if p == len(s.window) {
		return 0, outOfBytes
	}
	if len(r.header) > 1 && (s.window[p] <= '\r' || r.blank > 0) {
		switch n := s.lineEnd(p); {
		case n > 0:
			if r.blank == 0 {
				r.blank = r.lineAt(p)
			}
			return p + n, rowEnd
		case n < 0:
			return 0, outOfBytes
		case r.blank > 0:
			return 0, broken // that line was in the midst of rows
		}
	}
	next, end = r.cells(b, p)
	if end == rowEnd {
		b.Rows++
		b.Bytes = int64(next) // rows start at the start of the input
	}
	return next, end
}

// cells reads the cells of the row at p into the batch's columns.
func (r *Reader) cells(b *Batch, p int) (next int, end ending) {
	var (
		s         = &r.scan
		window    = s.window
		delimiter = s.delimiter
		columns   = b.Columns
		nulls     = r.nulls
	)
	for i := range columns {
		var (
			start  = p
			value  []byte
			quoted bool
		)
		// Most cells are unquoted and followed by another: they are read
		// here, all others by the scanner.
		for p < len(window) && !s.special[window[p]] {
			p++
		}
		if p < len(window) && window[p] == delimiter && p-start <= s.maxCell {
			value = window[start:p:p]
			p++
			end = cellEnd
		} else {
			value, quoted, p, end = s.cell(start)
			if end >= outOfBytes {
				r.spot = spot{column: i, start: start}
				return 0, end
			}
			if quoted && r.marking {
				b.marks = append(b.marks, mark{b.Rows, i})
			}
		}
		c := &columns[i]
		switch {
		case len(value) == 0 && (r.nullQuoted || r.nullBare && !quoted),
			nulls != nil && (r.nullsQuoted || !quoted) && nulls[string(value)]:
			c.Defined = append(c.Defined, 0)
		default:
			c.Defined = append(c.Defined, 1)
			c.Values = append(c.Values, value)
		}
		if end == rowEnd {
			if i+1 < len(columns) {
				r.spot = spot{cells: i + 1}
				s.flaw = flaw{CodeTooFewCells, p}
				return 0, broken
			}
			return p, rowEnd
		}
	}
	return r.countOn(p, len(columns))
}

// countOn counts the cells of a row that goes on at p after n of them, for
// the message that they are too many. It stops at MaxColumns and at a broken
// cell.
func (r *Reader) countOn(p, n int) (next int, end ending) {
	s := &r.scan
	for ; n < MaxColumns; n++ {
		r.spot = spot{cells: n, more: true}
		_, _, next, end = s.cell(p)
		switch end {
		case rowEnd:
			r.spot = spot{cells: n + 1}
			s.flaw = flaw{CodeTooManyCells, next}
			return 0, broken
		case outOfBytes:
			return 0, outOfBytes
		case broken:
			s.flaw.code = CodeTooManyCells
			return 0, broken
		}
		p = next
	}
	r.spot = spot{cells: n, more: true}
	s.flaw = flaw{CodeTooManyCells, p}
	return 0, broken
}

// lineAt returns the number of the line in which offset p of the window lies.
func (r *Reader) lineAt(p int) int64 {
	if r.mark > 0 && p >= r.mark {
		return r.markLine + lineFeeds(r.scan.window[r.mark:p])
	}
	return r.line + lineFeeds(r.scan.window[:p])
}

func lineFeeds(b []byte) int64 { return int64(bytes.Count(b, []byte{'\n'})) }
