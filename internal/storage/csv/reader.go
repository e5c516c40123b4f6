package csv

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// What a file may hold at most. Beyond it there is an [*Error].
const (
	MaxCell    = 16 << 20 // bytes of a cell, without enclosure and escapes
	MaxRow     = 64 << 20 // bytes of a row as it stands in the file, with its line end
	MaxHeader  = 64 << 10 // bytes of the row of column names, likewise
	MaxColumns = 4096     // cells of a row
	MaxName    = 300      // characters of a column name
)

// limits are the constants above, and how much input is parsed at once; tests
// lower them.
type limits struct{ chunk, cell, row, header int }

// productLimits has a chunk which, with what is made of it, fits the cache of
// one core.
func productLimits() limits {
	return limits{chunk: 256 << 10, cell: MaxCell, row: MaxRow, header: MaxHeader}
}

// errPartial stands for the end of a sample that is only the beginning of a
// file.
var errPartial = errors.New("csv: the sample ends here")

// Reader parses delimited text into batches. It reads in chunks of 256 KiB,
// and it and a batch hold little more than that each, except where rows are
// larger: then up to a few times the size of a row. It is not safe for
// concurrent use, but a batch belongs to the caller alone until it is passed
// to Next again.
//
// A row ends with LF or CRLF; the last one may end with the file. A blank
// line is a row of one empty cell if the file has one column. If it has
// several, blank lines are ignored at the end of the file and an error
// elsewhere. Line numbers count line feeds, those inside cells too. Limits and
// numbers of bytes are those of the file in UTF-8.
type Reader struct {
	source  io.Reader
	limits  limits
	scan    scanner
	marking bool // batches get marks

	nullBare   bool // an unquoted empty cell is NULL
	nullQuoted bool // a quoted empty cell is NULL

	nulls       map[string]bool // texts that are NULL
	nullsQuoted bool            // also in quotes

	encoding Encoding
	skipping bool                 // bad rows are passed over
	reject   func(Rejected) error // takes the first of them,
	most     int64                // as many as this
	rejected int64                // how many there were
	passing  bool                 // the input goes on with the line of a row that was rejected
	escaped  bool                 // and with a byte that an escape takes in

	header []string
	named  bool // the header was read, not made up

	ahead []byte // read from source; from offset taken on it is in no batch yet
	taken int
	ended error // why source gives no more: io.EOF, errPartial or its failure
	err   error // what Next returns from now on

	line int64 // where the window of scan starts

	mark     int   // behind the last row that was rejected in the window; 0 if none was
	markLine int64 // the line there

	blank int64 // line of the first blank one just passed; 0 if there is none
	spot  spot

	untold Error // stands for what is wrong with a row that is only counted
}

// spot is how far the row being read has come.
type spot struct {
	column int  // index of the cell
	start  int  // offset in the window where the cell starts
	cells  int  // cells of the row, if they are known to be too few or too many
	more   bool // it has more cells than that
}

// NewReader returns a reader of r in the dialect d. It reads the byte order
// mark, if there is one, and the header.
//
// It returns an [*Error] if the dialect is not valid, if the file is empty,
// is no text or not in the dialect's encoding, and if the first row has more
// than [MaxColumns] cells. With a header it does so, too, if that takes more than [MaxHeader]
// bytes, or if a name is blank, reserved (_timestamp, _job), not printable,
// there twice or longer than [MaxName] characters. An error of r is returned
// wrapped.
func NewReader(r io.Reader, d Dialect) (*Reader, error) {
	reader, err := newReader(r, d, productLimits())
	if err != nil {
		return nil, err
	}
	return reader, nil
}

// newReader returns a reader with any error but that of a dialect; it knows
// the header if all that is wrong is a name there.
func newReader(source io.Reader, d Dialect, l limits) (*Reader, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	if d.Encoding != UTF8 {
		peek := bufio.NewReaderSize(source, longestSignature)
		raw, _ := peek.Peek(longestSignature) // an error comes again
		if err := foreign(raw, d.Encoding); err != nil {
			return nil, err
		}
		source = newDecoder(peek, d.Encoding)
	}
	r := &Reader{
		source:     source,
		encoding:   d.Encoding,
		limits:     l,
		scan:       newScanner(d, l.cell),
		nullBare:   d.Empty != EmptyText,
		nullQuoted: d.Empty == EmptyNull,
		line:       1,

		nullsQuoted: d.NullsQuoted,
	}
	for text := range d.nulls() {
		if r.nulls == nil {
			r.nulls = make(map[string]bool)
		}
		r.nulls[text] = true
	}
	return r, r.readHeader(d.Header)
}

// Header returns the names of the columns in the order of the file. The
// caller must not change it.
func (r *Reader) Header() []string { return r.header }

// Next fills b with the next rows, at least one: about 256 KiB of input, or
// one larger row. What b held before is gone.
//
// It returns io.EOF after the last row, an [*Error] for bad input (unless it
// is to be passed over, see [Reader.SkipBadRows]) and a wrapped error if the
// source fails: always after the rows before that place have been returned,
// and then the same error for ever.
func (r *Reader) Next(b *Batch) error {
	b.reset(len(r.header), 4*r.limits.chunk)
	if r.err != nil {
		return r.err
	}
	r.scan.plain = b.plain
	for size := r.limits.chunk; ; {
		r.fill(b, size)
		b.Line = r.line
		used, err := r.parse(b)
		if used == 0 && err == nil {
			// The input ends before the row does. Doubling it keeps the work
			// of parsing the row anew proportional to its size.
			size = min(2*size, r.limits.row+utf8.UTFMax)
			r.scan.plain = r.scan.plain[:0]
			continue
		}
		b.plain = r.scan.plain
		r.line += lineFeeds(b.buf[:used])
		r.putBack(b.buf[used:])
		r.err = err
		if b.Rows > 0 {
			return nil
		}
		if err != nil {
			return err
		}
		// It was blank lines and rejected rows only.
		if b.buf, size = b.buf[:0], r.limits.chunk; cap(b.buf) > 4*size {
			b.buf = nil
		}
		r.scan.plain = r.scan.plain[:0]
	}
}

// fill makes the batch's input size bytes long, if there are so many.
func (r *Reader) fill(b *Batch, size int) {
	b.buf = grow(b.buf, size)
	n := min(size-len(b.buf), len(r.ahead)-r.taken)
	b.buf = append(b.buf, r.ahead[r.taken:r.taken+n]...)
	r.taken += n
	b.buf = r.read(b.buf, size)
}

// putBack takes over what a batch leaves of its input.
func (r *Reader) putBack(rest []byte) {
	if r.taken < len(r.ahead) {
		r.taken -= len(rest) // it all came from there
		return
	}
	if cap(r.ahead) > 4*max(r.limits.chunk, len(rest)) {
		r.ahead = nil
	}
	r.ahead, r.taken = append(r.ahead[:0], rest...), 0
}

// read appends to buf from the source until buf has size bytes or the source
// ends. (io.ReadFull would hide that a source failed with
// io.ErrUnexpectedEOF, as a gzip stream does that was cut off.)
func (r *Reader) read(buf []byte, size int) []byte {
	buf = grow(buf, size)
	for idle := 0; len(buf) < size && r.ended == nil; {
		n, err := r.source.Read(buf[len(buf):size])
		buf = buf[:len(buf)+n]
		switch {
		case err == io.EOF, err == errPartial:
			r.ended = err
		case err != nil:
			r.ended = fmt.Errorf("csv: read input: %w", err)
		case n > 0:
			idle = 0
		default:
			if idle++; idle == 100 {
				r.ended = fmt.Errorf("csv: read input: %w", io.ErrNoProgress)
			}
		}
	}
	return buf
}

// grow returns buf with room for size bytes and no more, unlike append, which
// would round large sizes up by a quarter.
func grow(buf []byte, size int) []byte {
	if cap(buf) >= size {
		return buf
	}
	return append(make([]byte, 0, size), buf...)
}
