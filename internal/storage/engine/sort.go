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
		dst = k.number.appendKey(dst)
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

// order sorts the rows of a chunk; those with equal keys stay in their order. Rows
// beyond the limit, unless that is 0, are dropped.
func (c *chunk) order(limit int) {
	c.sorted = slices.Grow(c.sorted[:0], c.rows.len())
	for row := range c.rows.len() {
		c.sorted = append(c.sorted, sorted{prefix(c.keys.at(row)), row})
	}
	slices.SortFunc(c.sorted, func(a, b sorted) int {
		if c := cmp.Compare(a.prefix, b.prefix); c != 0 {
			return c
		}
		return cmp.Or(bytes.Compare(c.keys.at(a.row), c.keys.at(b.row)), cmp.Compare(a.row, b.row))
	})
	if limit > 0 && len(c.sorted) > limit {
		c.sorted = c.sorted[:limit]
	}
}

// sorted is a row of a chunk that is in order.
type sorted struct {
	prefix uint64 // of its key
	row    int
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

const (
	// fanIn is how many runs are merged at a time, each through a buffer of runBuffer.
	fanIn     = 128
	runBuffer = 128 << 10
	// shrinkLeast is the fewest rows of which it is worth dropping those beyond a limit.
	shrinkLeast = 1024
)

// sorter puts rows into the order of their keys; those with equal keys stay in
// the order in which they came. Rows that take more memory than it may use go to
// a temporary file, as runs that are merged in the end.
type sorter struct {
	limit     int   // only so many rows are wanted; 0 means all
	memory    int64 // bytes
	temporary func(context.Context) (*os.File, error)
	recycle   func(*chunk)

	chunks []*chunk // each in order
	rows   int      // of the chunks
	size   int64    // and the memory that they take

	file *os.File    // nil as long as there are no runs
	runs []sortedRun // of rows that came before those of the chunks

	last atomic.Pointer[[]byte] // key from which on rows are beyond the limit
}

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

// add takes a chunk that is in order, and whose rows come after those of the
// chunks before.
func (s *sorter) add(ctx context.Context, c *chunk) error {
	s.hold(c)
	if s.limit > 0 && s.rows/2 > max(s.limit, shrinkLeast) {
		if err := s.shrink(ctx); err != nil {
			return err
		}
	}
	if s.size < s.memory {
		return nil
	}
	return s.spill(ctx)
}

func (s *sorter) hold(c *chunk) {
	s.chunks = append(s.chunks, c)
	s.rows += len(c.sorted)
	s.size += c.memory()
}

// take empties the memory of the sorter, and returns what was in it.
func (s *sorter) take() []*chunk {
	chunks := s.chunks
	s.chunks, s.rows, s.size = nil, 0, 0
	return chunks
}

// shrink keeps of the rows in memory only those within the limit.
func (s *sorter) shrink(ctx context.Context) error {
	chunks := s.take()
	var c *chunk
	err := s.merge(ctx, nil, chunks, func(key, row []byte) error {
		if c == nil {
			c = new(chunk) // not a used one, which may be larger than need be
		}
		c.keys.add(key)
		c.rows.add(row)
		if c.size() >= chunkSize {
			c.order(0)
			s.hold(c)
			c = nil
		}
		return nil
	})
	if c != nil {
		c.order(0)
		s.hold(c)
	}
	for _, c := range chunks {
		s.recycle(c)
	}
	return err
}

// each calls fn with the rows in their order, which are good only during the
// call. An error of fn ends it and is returned as it is.
func (s *sorter) each(ctx context.Context, fn func(key, row []byte) error) error {
	for len(s.runs) > fanIn {
		if err := s.join(ctx); err != nil {
			return err
		}
	}
	return s.merge(ctx, s.runs, s.chunks, fn)
}

// spill moves the rows from memory to a run.
func (s *sorter) spill(ctx context.Context) error {
	if s.file == nil {
		file, err := s.temporary(ctx)
		if err != nil {
			return fmt.Errorf("engine: order rows: %w", err)
		}
		s.file = file
	}
	chunks := s.take()
	r, err := s.writeRun(ctx, s.file, end(s.runs), nil, chunks)
	s.runs = append(s.runs, r)
	for _, c := range chunks {
		s.recycle(c)
	}
	return err
}

// join merges neighbouring runs to fewer, in a file of their own.
func (s *sorter) join(ctx context.Context) error {
	file, err := s.temporary(ctx)
	if err != nil {
		return fmt.Errorf("engine: order rows: %w", err)
	}
	var joined []sortedRun
	for part := range slices.Chunk(s.runs, fanIn) {
		r, err := s.writeRun(ctx, file, end(joined), part, nil)
		if err != nil {
			return errors.Join(err, file.Close())
		}
		joined = append(joined, r)
	}
	s.close()
	s.file, s.runs = file, joined
	return nil
}

// sortedRun is the bytes of the temporary file that hold rows in their order: of each
// the length of its key, the length of the row, the key and the row.
type sortedRun struct {
	start, end int64
	rows       int
}

// end returns where the next run begins.
func end(runs []sortedRun) int64 {
	if len(runs) == 0 {
		return 0
	}
	return runs[len(runs)-1].end
}

// writeRun merges runs and chunks to a run in a file.
func (s *sorter) writeRun(ctx context.Context, file *os.File, start int64, runs []sortedRun, chunks []*chunk) (sortedRun, error) {
	r := sortedRun{start: start, end: start}
	out := bufio.NewWriterSize(io.NewOffsetWriter(file, start), 2*runBuffer)
	err := s.merge(ctx, runs, chunks, func(key, row []byte) error {
		lengths := binary.AppendUvarint(out.AvailableBuffer(), uint64(len(key)))
		lengths = binary.AppendUvarint(lengths, uint64(len(row)))
		for _, part := range [][]byte{lengths, key, row} {
			n, err := out.Write(part)
			r.end += int64(n)
			if err != nil {
				return fmt.Errorf("engine: order rows: %w", err)
			}
		}
		r.rows++
		return nil
	})
	if err != nil {
		return r, err
	}
	if err := out.Flush(); err != nil {
		return r, fmt.Errorf("engine: order rows: %w", err)
	}
	return r, nil
}

// source is rows in their order, one after the other: of a chunk, or of a run, of
// which only the key is in memory before its turn.
type source struct {
	number int // in the order of the table
	prefix uint64
	key    []byte

	chunk *chunk
	at    int // row of the chunk that is next

	in     *bufio.Reader
	left   int // rows of the run that are left
	length int // bytes of the row
}

// next goes on to the next row; false at the end.
func (s *source) next() (bool, error) {
	if s.chunk != nil {
		if s.at == len(s.chunk.sorted) {
			return false, nil
		}
		row := s.chunk.sorted[s.at]
		s.prefix, s.key = row.prefix, s.chunk.keys.at(row.row)
		s.at++
		return true, nil
	}
	if s.left == 0 {
		return false, nil
	}
	s.left--
	key, err := binary.ReadUvarint(s.in)
	if err != nil {
		return false, err
	}
	row, err := binary.ReadUvarint(s.in)
	if err != nil {
		return false, err
	}
	s.length = int(row)
	s.key = slices.Grow(s.key[:0], int(key))[:key]
	if _, err := io.ReadFull(s.in, s.key); err != nil {
		return false, err
	}
	s.prefix = prefix(s.key)
	return true, nil
}

// row returns the row, in scratch if it has to be read.
func (s *source) row(scratch *[]byte) ([]byte, error) {
	if s.chunk != nil {
		return s.chunk.rows.at(s.chunk.sorted[s.at-1].row), nil
	}
	*scratch = slices.Grow((*scratch)[:0], s.length)[:s.length]
	_, err := io.ReadFull(s.in, *scratch)
	return *scratch, err
}

func (s *source) compare(o *source) int {
	if c := cmp.Compare(s.prefix, o.prefix); c != 0 {
		return c
	}
	return cmp.Or(bytes.Compare(s.key, o.key), cmp.Compare(s.number, o.number))
}

// merge calls fn with the rows of runs, and chunks after them, in their order and
// up to the limit.
func (s *sorter) merge(ctx context.Context, runs []sortedRun, chunks []*chunk, fn func(key, row []byte) error) error {
	sources := make([]*source, 0, len(runs)+len(chunks))
	for _, r := range runs {
		in := bufio.NewReaderSize(io.NewSectionReader(s.file, r.start, r.end-r.start), runBuffer)
		sources = append(sources, &source{in: in, left: r.rows})
	}
	for _, c := range chunks {
		sources = append(sources, &source{chunk: c})
	}
	left := sources[:0]
	for i, source := range sources {
		source.number = i
		more, err := source.next()
		if err != nil {
			return fmt.Errorf("engine: order rows: %w", err)
		}
		if more {
			left = append(left, source)
		}
	}
	slices.SortFunc(left, (*source).compare) // which makes them a heap
	var scratch []byte
	for n := 0; len(left) > 0 && (s.limit == 0 || n < s.limit); n++ {
		if n%window == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		first := left[0]
		row, err := first.row(&scratch)
		if err != nil {
			return fmt.Errorf("engine: order rows: %w", err)
		}
		if err := fn(first.key, row); err != nil {
			return err
		}
		if n+1 == s.limit && !s.drops(first.key) {
			last := bytes.Clone(first.key)
			s.last.Store(&last)
		}
		more, err := first.next()
		if err != nil {
			return fmt.Errorf("engine: order rows: %w", err)
		}
		if !more {
			left[0] = left[len(left)-1]
			left = left[:len(left)-1]
		}
		settle(left)
	}
	return nil
}

// settle moves the first source of a heap down to its place.
func settle(sources []*source) {
	for at := 0; ; {
		first := 2*at + 1
		if first >= len(sources) {
			return
		}
		if other := first + 1; other < len(sources) && sources[other].compare(sources[first]) < 0 {
			first = other
		}
		if sources[at].compare(sources[first]) <= 0 {
			return
		}
		sources[at], sources[first] = sources[first], sources[at]
		at = first
	}
}
