package engine

import (
	"context"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sync/errgroup"

	"steward/internal/storage/csv"
)

// rowBytes is how many bytes of rows are kept in memory for each key that may be.
const rowBytes = 48

// incoming is the input of an upsert: rows as tuples, which begin with the
// cells of the key. A small input stays in memory. A large one goes to a
// temporary file, and of its rows only the hashes are remembered.
type incoming struct {
	engine  *Engine
	hasher  hasher
	sources []int // where the columns of the tuples stand in the source
	keys    int   // so many of them are of the key

	rows   int64
	chunks []incomingRows
	bytes  int // of the chunks in memory

	// In memory.
	hashes []hash   // by row, of the keys
	refs   []uint64 // by row: the chunk, and from which byte on

	// On disk.
	file    *os.File // nil as long as all is in memory
	end     int64
	entries *spill // of all rows
	filter  keyFilter

	batch   batchReader
	scratch []byte
}

// incomingRows is some consecutive rows: those of a batch.
type incomingRows struct {
	first int64 // row
	rows  int
	data  []byte // nil if it is in the file
	place extent
}

func newIncoming(e *Engine, sources []int, keys int) *incoming {
	return &incoming{engine: e, hasher: newHasher(), sources: sources, keys: keys}
}

// read takes the rows of the source.
func (in *incoming) read(ctx context.Context, l Load) error {
	free, full := make(chan *csv.Batch, 2), make(chan *csv.Batch)
	for range cap(free) {
		free <- new(csv.Batch)
	}
	g, working := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		defer shield(&err)
		return parse(working, l.Source, free, full)
	})
	g.Go(func() error {
		var bytes int64
		for {
			var batch *csv.Batch
			select {
			case <-working.Done():
				return working.Err()
			case batch = <-full:
			}
			if batch == nil {
				return nil
			}
			if err := in.add(working, batch); err != nil {
				return err
			}
			bytes += batch.Bytes
			free <- batch // has room for all
			if l.Progress != nil {
				l.Progress(in.rows, bytes)
			}
		}
	})
	if err := g.Wait(); err != nil {
		return fmt.Errorf("engine: read rows: %w", err)
	}
	if in.entries != nil {
		if err := in.entries.settle(ctx); err != nil {
			return fmt.Errorf("engine: read rows: %w", err)
		}
	}
	return nil
}

// add takes the rows of a batch.
func (in *incoming) add(ctx context.Context, batch *csv.Batch) error {
	c := incomingRows{first: in.rows, rows: batch.Rows}
	data := in.scratch[:0]
	if in.file == nil {
		data = make([]byte, 0, batch.Bytes+int64(batch.Rows))
	}
	in.batch.reset(batch, in.sources)
	for row := range batch.Rows {
		start := len(data)
		data = in.batch.append(data, row, 0, in.keys)
		middle := len(data)
		key := in.hasher.sum(data[start:])
		data = in.batch.append(data, row, in.keys, len(in.sources))
		if in.file != nil {
			if err := in.remember(ctx, key, data[middle:], in.rows); err != nil {
				return err
			}
		} else {
			in.hashes = append(in.hashes, key)
			in.refs = append(in.refs, uint64(len(in.chunks))<<32|uint64(start))
		}
		in.rows++
	}
	if in.file != nil {
		if err := in.store(&c, data); err != nil {
			return err
		}
		if in.scratch = data[:0]; cap(data) > largeBatch {
			in.scratch = nil
		}
		in.chunks = append(in.chunks, c)
		return nil
	}
	c.data = data
	in.chunks = append(in.chunks, c)
	in.bytes += len(data)
	if limit := in.engine.options.KeysInMemory; in.rows > int64(limit) || in.bytes > limit*rowBytes {
		return in.spill(ctx)
	}
	return nil
}

// spill moves the rows from memory to disk.
func (in *incoming) spill(ctx context.Context) (err error) {
	limit := in.engine.options.KeysInMemory
	if in.file, err = in.engine.store.Temporary(ctx); err != nil {
		return err
	}
	in.entries, in.filter = newSpill(in.engine.store, limit, true), newKeyFilter(limit)
	for i := range in.chunks {
		c := &in.chunks[i]
		rest := c.data
		for row := range c.rows {
			others := cutCells(rest, in.keys)
			rest = cutCells(others, len(in.sources)-in.keys)
			ordinal := c.first + int64(row)
			if err := in.remember(ctx, in.hashes[ordinal], others[:len(others)-len(rest)], ordinal); err != nil {
				return err
			}
		}
		if err := in.store(c, c.data); err != nil {
			return err
		}
		c.data = nil
	}
	in.hashes, in.refs, in.bytes = nil, nil, 0
	return nil
}

// remember keeps the hashes of a row.
func (in *incoming) remember(ctx context.Context, key hash, others []byte, ordinal int64) error {
	in.filter.add(key)
	return in.entries.add(ctx, entry{key: key, row: in.hasher.sum(others), at: uint64(ordinal)})
}

// store writes the rows of a chunk to the file.
func (in *incoming) store(c *incomingRows, data []byte) error {
	if _, err := in.file.WriteAt(data, in.end); err != nil {
		return err
	}
	c.place = extent{in.end, int64(len(data))}
	in.end += c.place.length
	return nil
}

// tuple returns a row that is in memory, and those behind it.
func (in *incoming) tuple(row uint32) []byte {
	ref := in.refs[row]
	return in.chunks[ref>>32].data[uint32(ref):]
}

// forgetKeys gives back what was remembered to find rows by their keys.
func (in *incoming) forgetKeys() {
	if in.entries != nil {
		in.entries.close()
	}
	in.entries, in.filter = nil, nil
}

// close gives memory and files back.
func (in *incoming) close() {
	in.forgetKeys()
	if in.file != nil {
		_ = in.file.Close() // it has no name, so that nothing is left of it
	}
	in.chunks, in.hashes, in.refs = nil, nil, nil
}

// decoded is the rows of a chunk, column by column.
type decoded struct {
	data    []byte
	columns []csv.Column // in the order of the tuples
	rows    int
}

// decode fills d with the rows of a chunk that pass.
func (in *incoming) decode(c incomingRows, pass func(row int64) bool, d *decoded) error {
	data := c.data
	if data == nil {
		if cap(d.data) > largeBatch {
			d.data = nil
		}
		d.data = slices.Grow(d.data[:0], int(c.place.length))[:c.place.length]
		if _, err := in.file.ReadAt(d.data, c.place.offset); err != nil {
			return err
		}
		data = d.data
	}
	if d.columns == nil {
		d.columns = make([]csv.Column, len(in.sources))
	}
	for i := range d.columns {
		d.columns[i].Values, d.columns[i].Defined = d.columns[i].Values[:0], d.columns[i].Defined[:0]
	}
	d.rows = 0
	for row := range int64(c.rows) {
		passes := pass(c.first + row)
		for i := range d.columns {
			var cell []byte
			var null bool
			cell, null, data = cutCell(data)
			switch column := &d.columns[i]; {
			case !passes:
			case null:
				column.Defined = append(column.Defined, 0)
			default:
				column.Defined = append(column.Defined, 1)
				column.Values = append(column.Values, cell)
			}
		}
		if passes {
			d.rows++
		}
	}
	return nil
}

// feed gives the rows that pass to a writer. positions tells where in the
// table the columns of the tuples stand.
func (in *incoming) feed(ctx context.Context, w *writer, l Load, positions []int, pass func(row int64) bool) error {
	free := make(chan *decoded, batches)
	for range cap(free) {
		free <- new(decoded)
	}
	timestamps, jobs := newConstant(l.Time.UnixMicro()), newConstant(l.Job)
	for _, c := range in.chunks {
		var d *decoded
		select {
		case <-ctx.Done():
			return ctx.Err()
		case d = <-free:
		}
		if err := in.decode(c, pass, d); err != nil {
			return err
		}
		if d.rows == 0 {
			free <- d
			continue
		}
		columns := make([]csv.Column, len(positions), len(positions)+2)
		for i, position := range positions {
			columns[position] = d.columns[i]
		}
		err := w.submit(ctx, block{
			rows: d.rows, bytes: max(1, int64(len(c.data))+c.place.length) * int64(d.rows) / int64(c.rows),
			columns: append(columns, timestamps.rows(d.rows), jobs.rows(d.rows)),
			release: func() { free <- d }, // has room for all
		})
		if err != nil {
			return err
		}
	}
	return nil
}
