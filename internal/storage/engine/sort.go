package engine

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/parquet"
)

// sortKeys resolves an order.
func (v *View) sortKeys(order []Order) ([]sortKey, error) {
	by := make([]sortKey, 0, len(order))
	for _, o := range order {
		id, err := v.columnID(o.Column)
		if err != nil {
			return nil, err
		}
		by = append(by, sortKey{id: id, Order: o})
	}
	return by, nil
}

// append appends a cell as bytes that compare like the cell.
func (s sortKey) append(dst, cell []byte, null bool) []byte {
	k := s.read(cell, null)
	dst = append(dst, byte(k.class))
	if k.class != classValue {
		return dst
	}
	start := len(dst)
	if s.Number {
		bits := math.Float64bits(k.number + 0) // of -0, which equals 0, it makes 0
		if bits>>63 == 1 {
			bits = ^bits
		} else {
			bits |= 1 << 63
		}
		dst = binary.BigEndian.AppendUint64(dst, bits)
	} else {
		// 00 01 ends the text, so that a longer one comes after it; 00 in it
		// becomes 00 FF.
		text := k.text
		for {
			zero := bytes.IndexByte(text, 0)
			if zero < 0 {
				break
			}
			dst = append(append(dst, text[:zero]...), 0, 0xff)
			text = text[zero+1:]
		}
		dst = append(append(dst, text...), 0, 1)
	}
	if s.Descending {
		for i := start; i < len(dst); i++ {
			dst[i] = ^dst[i]
		}
	}
	return dst
}

// keyCursors read what rows of a row group are sorted by.
type keyCursors struct {
	by      []sortKey
	cursors []*cursor[parquet.ByteArray]
}

func openKeys(group *rowGroup, by []sortKey) (keyCursors, error) {
	k := keyCursors{by: by}
	for _, s := range by {
		c, err := openColumn[parquet.ByteArray](group, s.id)
		if err != nil {
			k.close()
			return k, err
		}
		k.cursors = append(k.cursors, c)
	}
	return k, nil
}

// append appends the key of a row.
func (k keyCursors) append(dst []byte, row int64) ([]byte, error) {
	for i, s := range k.by {
		cell, null, err := k.cursors[i].at(row)
		if err != nil {
			return dst, err
		}
		dst = s.append(dst, cell, null)
	}
	return dst, nil
}

func (k keyCursors) close() {
	for _, c := range k.cursors {
		c.close()
	}
}

const (
	// fanIn is how many runs are merged at a time, each through a buffer of runBuffer.
	fanIn     = 128
	runBuffer = 128 << 10
	// sortedLeast is the fewest rows for which it is worth dropping those beyond a limit.
	sortedLeast = 1024
)

// sorter puts rows into the order of their keys; those with equal keys stay in
// the order in which they came. Rows that take more memory than it may use go to
// a temporary file, as sorted runs that are merged in the end.
type sorter struct {
	limit     int   // only so many rows are wanted; 0 means all
	memory    int64 // bytes
	temporary func(context.Context) (*os.File, error)
	recycle   func(*chunk)

	chunks []*chunk
	size   int64    // of the chunks and entries
	rows   []sorted // in the chunks

	file *os.File // nil as long as there are no runs
	runs []sortedRun

	last atomic.Pointer[[]byte] // key from which on rows are beyond the limit
}

// sorted is a row in the memory of a sorter.
type sorted struct {
	prefix     uint64 // the first bytes of the key
	chunk, row int32
}

// entrySize is the memory that a row takes besides its bytes.
const entrySize = 16 + 2*8

func newSorter(limit int, memory int64, temporary func(context.Context) (*os.File, error), recycle func(*chunk)) *sorter {
	return &sorter{limit: limit, memory: memory, temporary: temporary, recycle: recycle}
}

// close gives up the temporary file. It can be called at any time.
func (s *sorter) close() {
	if s.file != nil {
		_ = s.file.Close() // it has no name and nobody reads it any more
		s.file = nil
	}
}

// drops tells of the key of a row that is still to be added whether the row is
// beyond the limit. It is safe for concurrent use.
func (s *sorter) drops(key []byte) bool {
	last := s.last.Load()
	return last != nil && bytes.Compare(key, *last) >= 0
}

// add takes a chunk, whose rows come after those of the chunks before.
func (s *sorter) add(ctx context.Context, c *chunk) error {
	for row := range c.rows.len() {
		s.rows = append(s.rows, sorted{prefix: prefix(c.keys.at(row)), chunk: int32(len(s.chunks)), row: int32(row)})
	}
	s.chunks = append(s.chunks, c)
	s.size += int64(c.size() + entrySize*c.rows.len())
	if s.limit > 0 && len(s.rows)/2 > max(s.limit, sortedLeast) {
		s.shrink()
	}
	if s.size >= s.memory {
		return s.spill(ctx)
	}
	return nil
}

// prefix returns the first bytes of a key as a number that compares like them.
func prefix(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var first [8]byte
	copy(first[:], key)
	return binary.BigEndian.Uint64(first[:])
}

// sort orders the rows in memory, and drops those beyond the limit.
func (s *sorter) sort() {
	slices.SortFunc(s.rows, func(a, b sorted) int {
		if c := cmp.Compare(a.prefix, b.prefix); c != 0 {
			return c
		}
		x, y := s.chunks[a.chunk].keys.at(int(a.row)), s.chunks[b.chunk].keys.at(int(b.row))
		return cmp.Or(bytes.Compare(x, y), cmp.Compare(a.chunk, b.chunk), cmp.Compare(a.row, b.row))
	})
	if s.limit > 0 && len(s.rows) >= s.limit {
		s.rows = s.rows[:s.limit]
		last := s.rows[s.limit-1]
		key := bytes.Clone(s.chunks[last.chunk].keys.at(int(last.row)))
		if !s.drops(key) {
			s.last.Store(&key)
		}
	}
}

// shrink keeps only the rows within the limit, in chunks of their own.
func (s *sorter) shrink() {
	s.sort()
	chunks, rows := s.chunks, s.rows
	s.chunks, s.rows, s.size = nil, nil, 0
	var c *chunk
	for _, r := range rows {
		if c == nil || c.size() >= chunkSize {
			c = new(chunk) // not a used one, which may be larger than need be
			s.chunks = append(s.chunks, c)
		}
		from := chunks[r.chunk]
		c.keys.data = append(c.keys.data, from.keys.at(int(r.row))...)
		c.keys.end()
		c.rows.data = append(c.rows.data, from.rows.at(int(r.row))...)
		c.rows.end()
		s.rows = append(s.rows, sorted{prefix: r.prefix, chunk: int32(len(s.chunks) - 1), row: int32(c.rows.len() - 1)})
	}
	for _, c := range s.chunks {
		s.size += int64(c.size() + entrySize*c.rows.len())
	}
	for _, c := range chunks {
		s.recycle(c)
	}
}

// each calls fn with the rows in their order, which are good only during the
// call. An error of fn ends it and is returned as it is.
func (s *sorter) each(ctx context.Context, fn func(key, row []byte) error) error {
	if s.runs == nil {
		s.sort()
		for _, r := range s.rows {
			c := s.chunks[r.chunk]
			if err := fn(c.keys.at(int(r.row)), c.rows.at(int(r.row))); err != nil {
				return err
			}
		}
		return nil
	}
	if len(s.rows) > 0 {
		if err := s.spill(ctx); err != nil {
			return err
		}
	}
	for len(s.runs) > fanIn {
		if err := s.join(ctx); err != nil {
			return err
		}
	}
	return s.merge(ctx, s.runs, fn)
}

// sortedRun is the bytes of the temporary file that hold rows in their order: of each
// the length of its key, the length of the row, the key and the row.
type sortedRun struct{ start, end int64 }

// runWriter writes a run.
type runWriter struct {
	out *bufio.Writer
	run sortedRun
}

func newRunWriter(file *os.File, start int64) *runWriter {
	return &runWriter{out: bufio.NewWriterSize(io.NewOffsetWriter(file, start), 2*runBuffer), run: sortedRun{start, start}}
}

func (w *runWriter) add(key, row []byte) error {
	lengths := binary.AppendUvarint(w.out.AvailableBuffer(), uint64(len(key)))
	lengths = binary.AppendUvarint(lengths, uint64(len(row)))
	for _, part := range [][]byte{lengths, key, row} {
		n, err := w.out.Write(part)
		w.run.end += int64(n)
		if err != nil {
			return fmt.Errorf("engine: order rows: %w", err)
		}
	}
	return nil
}

func (w *runWriter) end() (sortedRun, error) {
	if err := w.out.Flush(); err != nil {
		return sortedRun{}, fmt.Errorf("engine: order rows: %w", err)
	}
	return w.run, nil
}

// spill moves the rows from memory to a run.
func (s *sorter) spill(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.sort()
	var start int64
	if s.file == nil {
		var err error
		if s.file, err = s.temporary(ctx); err != nil {
			return fmt.Errorf("engine: order rows: %w", err)
		}
	} else {
		start = s.runs[len(s.runs)-1].end
	}
	w := newRunWriter(s.file, start)
	for _, r := range s.rows {
		c := s.chunks[r.chunk]
		if err := w.add(c.keys.at(int(r.row)), c.rows.at(int(r.row))); err != nil {
			return err
		}
	}
	written, err := w.end()
	if err != nil {
		return err
	}
	s.runs = append(s.runs, written)
	for _, c := range s.chunks {
		s.recycle(c)
	}
	clear(s.chunks)
	s.chunks, s.rows, s.size = s.chunks[:0], s.rows[:0], 0
	return nil
}

// join merges neighbouring runs to fewer, in a file of their own.
func (s *sorter) join(ctx context.Context) error {
	file, err := s.temporary(ctx)
	if err != nil {
		return fmt.Errorf("engine: order rows: %w", err)
	}
	var joined []sortedRun
	for part := range slices.Chunk(s.runs, fanIn) {
		var start int64
		if len(joined) > 0 {
			start = joined[len(joined)-1].end
		}
		w := newRunWriter(file, start)
		err := s.merge(ctx, part, w.add)
		var r sortedRun
		if err == nil {
			r, err = w.end()
		}
		if err != nil {
			return errors.Join(err, file.Close())
		}
		joined = append(joined, r)
	}
	s.close()
	s.file, s.runs = file, joined
	return nil
}

// runReader reads a run. Of a row only the key is in memory before its turn.
type runReader struct {
	in     *bufio.Reader
	number int // of the run
	prefix uint64
	key    []byte
	row    int // bytes
}

// next goes on to the next row; false at the end.
func (r *runReader) next() (bool, error) {
	length, err := binary.ReadUvarint(r.in)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	row, err := binary.ReadUvarint(r.in)
	if err != nil {
		return false, err
	}
	r.row = int(row)
	r.key = slices.Grow(r.key[:0], int(length))[:length]
	if _, err := io.ReadFull(r.in, r.key); err != nil {
		return false, err
	}
	r.prefix = prefix(r.key)
	return true, nil
}

func (r *runReader) compare(o *runReader) int {
	if c := cmp.Compare(r.prefix, o.prefix); c != 0 {
		return c
	}
	return cmp.Or(bytes.Compare(r.key, o.key), cmp.Compare(r.number, o.number))
}

// merge calls fn with the rows of runs in their order, up to the limit.
func (s *sorter) merge(ctx context.Context, runs []sortedRun, fn func(key, row []byte) error) error {
	var readers []*runReader
	for i, r := range runs {
		reader := &runReader{in: bufio.NewReaderSize(io.NewSectionReader(s.file, r.start, r.end-r.start), runBuffer), number: i}
		more, err := reader.next()
		if err != nil {
			return fmt.Errorf("engine: order rows: %w", err)
		}
		if more {
			readers = append(readers, reader)
		}
	}
	slices.SortFunc(readers, (*runReader).compare) // which makes them a heap
	var row []byte
	for n := 0; len(readers) > 0 && (s.limit == 0 || n < s.limit); n++ {
		if n%window == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		first := readers[0]
		row = slices.Grow(row[:0], first.row)[:first.row]
		if _, err := io.ReadFull(first.in, row); err != nil {
			return fmt.Errorf("engine: order rows: %w", err)
		}
		if err := fn(first.key, row); err != nil {
			return err
		}
		more, err := first.next()
		if err != nil {
			return fmt.Errorf("engine: order rows: %w", err)
		}
		if !more {
			readers[0] = readers[len(readers)-1]
			readers = readers[:len(readers)-1]
		}
		settle(readers)
	}
	return nil
}

// settle moves the first reader of a heap down to its place.
func settle(readers []*runReader) {
	for at := 0; ; {
		first := 2*at + 1
		if first >= len(readers) {
			return
		}
		if other := first + 1; other < len(readers) && readers[other].compare(readers[first]) < 0 {
			first = other
		}
		if readers[at].compare(readers[first]) <= 0 {
			return
		}
		readers[at], readers[first] = readers[first], readers[at]
		at = first
	}
}
