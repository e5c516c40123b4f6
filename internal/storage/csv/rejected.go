package csv

import "bytes"

// MaxRejected is how many bytes of a bad row [Rejected] shows at most.
const MaxRejected = 16 << 10

// Rejected is a row that a reader passed over.
type Rejected struct {
	Line int64  // where it starts, from 1
	Err  *Error // what is wrong with it; it may have been seen in a later line
	Text []byte // as it stands in the file, in UTF-8 where it is text, without its line end; cut at MaxRejected
}

// SkipBadRows makes Next pass over rows that cannot be read instead of
// failing. The first of them, as many as most, are given to reject in the
// order of the file; their Text must not be kept. The others are only counted,
// see [Reader.Rejected], which takes much less time. An error of reject ends
// the reading, and Next returns it. SkipBadRows is called before the first
// Next.
//
// A bad row ends where it certainly does: if its quotes are in order, and it
// is no larger than [MaxCell], it is passed over whole, with the line ends in
// its cells. If not, because a quote is missing or one too many, or a line end
// is only half there, nobody can say which of the lines that follow belong to
// it: then it is its first line only, so that one stray quote does not eat the
// file, and the next line starts the next row. (Where an escape character
// takes in a line end, that is none.)
//
// Rows before the first bad one are the same as without this. A blank line
// between rows is a bad row of its own. What is wrong with the file as a
// whole, or with its header, is an error still.
func (r *Reader) SkipBadRows(most int64, reject func(Rejected) error) {
	r.skipping, r.most, r.reject = true, most, reject
}

// Rejected returns how many rows were passed over.
func (r *Reader) Rejected() int64 { return r.rejected }

// telling reports whether it must be said what is wrong with a row.
func (r *Reader) telling() bool { return !r.skipping || r.rejected < r.most }

// count counts a bad row, and gives it to reject if it is one of the first.
func (r *Reader) count(bad Rejected) error {
	telling := r.telling()
	if r.rejected++; telling {
		return r.reject(bad)
	}
	return nil
}

// passBad rejects the row at offset p of buf, and returns the offset behind it:
// -1 if that takes more input to say.
func (r *Reader) passBad(buf []byte, p int, bad *Error, complete, more bool) (next int, err error) {
	if r.blank > 0 {
		r.mark, r.markLine = p, r.lineAt(p)
		return p, r.rejectBlank(r.markLine)
	}
	most := min(MaxRejected, r.limits.row)
	next = r.certainEnd(buf, p, complete, more)
	switch {
	case next < 0:
		return -1, nil
	case next == 0:
		if next = r.pass(buf, p); r.passing && more && len(buf)-p < most {
			r.passing, r.escaped = false, false
			return -1, nil
		}
	}
	line := r.lineAt(p)
	r.mark, r.markLine = next, line+lineFeeds(buf[p:next])
	text := bytes.TrimSuffix(bytes.TrimSuffix(buf[p:next], []byte("\n")), []byte("\r"))
	return next, r.count(Rejected{Line: line, Err: bad, Text: text[:min(len(text), most)]})
}

// rejectBlank rejects the blank lines before a row that starts in line.
func (r *Reader) rejectBlank(line int64) error {
	for ; r.blank < line; r.blank++ {
		if err := r.count(Rejected{Line: r.blank, Err: r.blankLine()}); err != nil {
			return err
		}
	}
	r.blank = 0
	return nil
}

// certainEnd returns the offset behind the row at p if its quotes and line
// ends leave no doubt about it, whatever its cells hold. It returns 0 if they
// do, and -1 if that takes more input to say.
func (r *Reader) certainEnd(buf []byte, p int, complete, more bool) int {
	end := min(len(buf), p+r.limits.cell)
	s := r.scan
	s.special[0] = false // a NUL is a byte like any other here
	s.window, s.last = buf[:end], complete && end == len(buf)
	for {
		s.plain = nil
		_, _, next, outcome := s.cell(p)
		switch {
		case outcome == cellEnd:
			p = next
			continue
		case outcome == rowEnd:
			return next
		case outcome == outOfBytes && more && end == len(buf):
			return -1
		}
		return 0
	}
}

// pass returns the offset behind the line in which p lies. If buf ends before
// the line does, it is the end of buf, and the reader is passing.
func (r *Reader) pass(buf []byte, p int) (next int) {
	if r.escaped {
		p++
	}
	s := r.scan
	s.window = buf
	next, found := s.lineAfter(p)
	r.passing, r.escaped = !found, !found && next > len(buf)
	return min(next, len(buf))
}
