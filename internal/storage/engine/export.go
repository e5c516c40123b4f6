package engine

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"steward/internal/storage/csv"
)

// Export asks for rows of a View as a file.
type Export struct {
	// Query is what is wanted. A limit of 0 means all rows; any other is good,
	// and so is any order; no column may be named twice. With Query.Origin the
	// columns _timestamp (in CSV as RFC 3339 has it, in UTC) and _job follow those
	// of the data.
	Query Query

	// Parquet asks for a Parquet file, in which the columns of the data are
	// optional texts, instead of CSV with a header.
	Parquet bool
	CSV     csv.WriterOptions

	// Progress is called with the rows that have been written, at least once for
	// each 512 KiB of them, from one goroutine; may be nil.
	Progress func(rows int64)
	// Gathered is called likewise with the rows that have been found, if there is
	// an order: all of them before the first is written; may be nil.
	Gathered func(rows int64)
}

const (
	// chunkSize is the bytes of rows that are handed on together, and written at once.
	chunkSize = 256 << 10
	// originTime is how CSV tells when a row changed.
	originTime = "2006-01-02T15:04:05.000000Z"
	// aheadSize bounds the chunks that wait for those before them.
	aheadSize = 32 << 20
)

// Export writes the rows that satisfy a query to out, and returns how many. CSV
// is what a csv.Writer with the same options writes. Memory is bounded however
// many rows there are: those that do not fit into it are ordered on disk.
//
// Fails like [View.Each], with a *csv.Error if the options are at fault, with
// ErrQuery if a Parquet file would have more than 524288 column chunks, with an
// error that is syscall.ENOSPC if there is no room to order rows, and with the
// error of out as it is. What was written until then is the beginning of a file,
// to be dropped.
func (v *View) Export(ctx context.Context, out io.Writer, e Export) (rows int64, err error) {
	x, err := v.export(e)
	if err != nil {
		return 0, err
	}
	if e.Parquet {
		err = x.writeParquet(ctx, out)
	} else {
		err = x.writeCSV(ctx, out)
	}
	return x.rows, err
}

// export is the running of an Export.
type export struct {
	Export
	view   *View
	wanted projection
	tests  []predicate
	by     []sortKey

	// encode appends a row as the file wants it.
	encode func(dst []byte, cells rowCursors, row int64) ([]byte, error)
	// write takes encoded rows, which are its own from then on.
	write func(context.Context, *chunk) error

	chunks sync.Pool
	rows   int64 // written
}

// chunk is some consecutive rows of an export.
type chunk struct {
	rows, keys texts    // no keys without an order
	sorted     []sorted // once it is in order
	found      int      // rows, with those that were left out

	budget *semaphore.Weighted // what it waits on account of
	weight int64
}

// texts are texts one after the other.
type texts struct {
	data []byte
	ends []int
}

func (t *texts) add(text []byte) {
	t.data = append(t.data, text...)
	t.end()
}

func (t *texts) len() int { return len(t.ends) }

func (t *texts) at(i int) []byte {
	start := 0
	if i > 0 {
		start = t.ends[i-1]
	}
	return t.data[start:t.ends[i]]
}

// end ends a text that has been appended to data.
func (t *texts) end() { t.ends = append(t.ends, len(t.data)) }

// cut keeps the first n texts.
func (t *texts) cut(n int) {
	t.ends = t.ends[:n]
	end := 0
	if n > 0 {
		end = t.ends[n-1]
	}
	t.data = t.data[:end]
}

// size returns the bytes of the rows and keys.
func (c *chunk) size() int { return len(c.rows.data) + len(c.keys.data) }

// memory returns the bytes that the chunk takes.
func (c *chunk) memory() int64 {
	return int64(cap(c.rows.data) + cap(c.keys.data) + 8*(cap(c.rows.ends)+cap(c.keys.ends)) + 16*cap(c.sorted))
}

// export prepares an Export.
func (v *View) export(e Export) (*export, error) {
	if v.closed.Load() {
		return nil, errClosed
	}
	if e.Query.Limit < 0 {
		return nil, fmt.Errorf("%w: limit %d", ErrQuery, e.Query.Limit)
	}
	x := &export{Export: e, view: v}
	x.chunks.New = func() any {
		c := new(chunk)
		c.rows.data = make([]byte, 0, chunkSize+chunkSize/16) // the last row exceeds it
		return c
	}
	var err error
	if x.wanted, err = v.projection(e.Query); err != nil {
		return nil, err
	}
	if len(x.wanted.names) == 0 {
		return nil, fmt.Errorf("%w: no columns", ErrQuery)
	}
	for i, name := range x.wanted.names {
		if slices.Contains(x.wanted.names[:i], name) {
			return nil, fmt.Errorf("%w: column %q twice", ErrQuery, name)
		}
	}
	if x.tests, err = v.tests(e.Query); err != nil {
		return nil, err
	}
	x.by, err = v.sortKeys(e.Query.Order)
	return x, err
}

// header returns the names of the columns of the file.
func (x *export) header() []string {
	if x.wanted.origin {
		return append(slices.Clone(x.wanted.names), timestampColumn, jobColumn)
	}
	return x.wanted.names
}

// writeCSV writes the rows as CSV.
func (x *export) writeCSV(ctx context.Context, out io.Writer) error {
	if err := x.CSV.Validate(); err != nil {
		return err
	}
	if x.CSV.Delimiter == 0 {
		x.CSV.Delimiter = ','
	}
	var header []byte
	for i, name := range x.header() {
		if i > 0 {
			header = append(header, x.CSV.Delimiter)
		}
		header = x.CSV.AppendCell(header, []byte(name), false)
	}
	if _, err := out.Write(x.CSV.AppendEnd(header)); err != nil {
		return err
	}
	x.encode = x.csvRow
	x.write = func(_ context.Context, c *chunk) error {
		_, err := out.Write(c.rows.data)
		x.recycle(c)
		return err
	}
	return x.run(ctx)
}

// csvRow appends a row as CSV.
func (x *export) csvRow(dst []byte, cells rowCursors, row int64) ([]byte, error) {
	for i, c := range cells.cells {
		cell, null, err := c.at(row)
		if err != nil {
			return dst, err
		}
		if i > 0 {
			dst = append(dst, x.CSV.Delimiter)
		}
		dst = x.CSV.AppendCell(dst, cell, null)
	}
	if x.wanted.origin {
		var text [len(originTime)]byte // more than any number has
		micros, null, err := cells.time.at(row)
		if err != nil {
			return dst, err
		}
		dst = append(dst, x.CSV.Delimiter)
		dst = x.CSV.AppendCell(dst, time.UnixMicro(micros).UTC().AppendFormat(text[:0], originTime), null)
		job, null, err := cells.job.at(row)
		if err != nil {
			return dst, err
		}
		dst = append(dst, x.CSV.Delimiter)
		dst = x.CSV.AppendCell(dst, strconv.AppendInt(text[:0], job, 10), null)
	}
	return x.CSV.AppendEnd(dst), nil
}

// run reads the rows, encodes them and hands them to write in their order.
func (x *export) run(ctx context.Context) error {
	if len(x.by) == 0 {
		return x.stream(ctx, nil, func(c *chunk) (bool, error) {
			return x.put(ctx, c)
		})
	}
	s := newSorter(x.Query.Limit, x.view.engine.options.SortMemory, x.view.engine.store.Temporary, x.recycle)
	defer s.close()
	var gathered int64
	err := x.stream(ctx, s, func(c *chunk) (bool, error) {
		gathered += int64(c.found)
		if err := s.add(ctx, c); err != nil {
			return false, err
		}
		if x.Gathered != nil {
			x.Gathered(gathered)
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	c := x.fresh()
	err = s.each(ctx, func(_, row []byte) error {
		c.rows.data = append(c.rows.data, row...)
		c.rows.end()
		if c.size() < chunkSize {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		_, err := x.put(ctx, c)
		c = x.fresh()
		return err
	})
	if err == nil && c.rows.len() > 0 {
		_, err = x.put(ctx, c)
	}
	return err
}

// put writes a chunk, and tells whether more are wanted.
func (x *export) put(ctx context.Context, c *chunk) (bool, error) {
	limit := int64(x.Query.Limit)
	if limit > 0 && int64(c.rows.len()) > limit-x.rows {
		c.rows.cut(int(limit - x.rows))
	}
	rows := int64(c.rows.len())
	if err := x.write(ctx, c); err != nil {
		return false, err
	}
	x.rows += rows
	if x.Progress != nil {
		x.Progress(x.rows)
	}
	return limit == 0 || x.rows < limit, nil
}

// stream reads and encodes the rows by several goroutines and takes them in the
// order of the table. Those that order would drop anyway are left out.
func (x *export) stream(ctx context.Context, order *sorter, take func(*chunk) (bool, error)) error {
	ahead := min(abreast(), 8)
	budget := int64(aheadSize / ahead)
	p := pace{first: ahead, ahead: ahead, room: int(budget/chunkSize) + 1}
	return stream(ctx, x.view, p, func(ctx context.Context, group *rowGroup, emit func(*chunk) error) error {
		waiting := semaphore.NewWeighted(budget)
		return x.encodeGroup(ctx, group, order, func(c *chunk) error {
			if order != nil {
				c.order(x.Query.Limit)
			}
			c.budget, c.weight = waiting, min(int64(c.size()), budget)
			if err := waiting.Acquire(ctx, c.weight); err != nil {
				return err
			}
			return emit(c)
		})
	}, func(c *chunk) (bool, error) {
		c.budget.Release(c.weight)
		c.budget = nil
		return take(c)
	})
}

// encodeGroup emits the rows of a row group.
func (x *export) encodeGroup(ctx context.Context, group *rowGroup, order *sorter, emit func(*chunk) error) error {
	f, err := newFilter(group, x.tests)
	if err != nil {
		return err
	}
	defer f.close()
	keys, err := openKeys(group, x.by)
	if err != nil {
		return err
	}
	defer keys.close()
	cells, err := openRow(group, x.wanted)
	if err != nil {
		return err
	}
	defer cells.close()

	c := x.fresh()
	rows := 0
	for {
		more, err := f.advance(window)
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, row := range f.rows {
			c.found++
			if order != nil {
				if c.keys.data, err = keys.append(c.keys.data, row); err != nil {
					return err
				}
				c.keys.end()
				if order.drops(c.keys.at(c.rows.len())) {
					c.keys.cut(c.rows.len())
					continue
				}
			}
			if c.rows.data, err = x.encode(c.rows.data, cells, row); err != nil {
				return err
			}
			c.rows.end()
			rows++
			enough := order == nil && rows == x.Query.Limit
			if c.size() >= chunkSize || enough {
				if err := emit(c); err != nil || enough {
					return err
				}
				c = x.fresh()
			}
		}
		if !more {
			if c.found == 0 {
				x.recycle(c)
				return nil
			}
			return emit(c)
		}
	}
}

// fresh returns an empty chunk.
func (x *export) fresh() *chunk { return x.chunks.Get().(*chunk) }

// recycle takes back a chunk that is done with, unless a huge row made it grow.
func (x *export) recycle(c *chunk) {
	if cap(c.rows.data)+cap(c.keys.data) > 4*chunkSize {
		return
	}
	c.rows.cut(0)
	c.keys.cut(0)
	c.sorted, c.found = c.sorted[:0], 0
	x.chunks.Put(c)
}
