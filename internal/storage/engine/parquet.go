package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"

	pqschema "github.com/apache/arrow-go/v18/parquet/schema"
	"golang.org/x/sync/errgroup"

	"steward/internal/storage/csv"
)

// exportedChunks is how many column chunks a Parquet file has at most: their
// descriptions wait in memory for its end.
const exportedChunks = 512 << 10

// writeParquet writes the rows as a Parquet file.
func (x *export) writeParquet(ctx context.Context, out io.Writer) error {
	var nodes pqschema.FieldList
	for _, name := range x.header() {
		node, err := parquetColumn(name, -1)
		if err != nil {
			return err
		}
		nodes = append(nodes, node)
	}
	schema, err := parquetRoot(nodes)
	if err != nil {
		return err
	}
	target := &target{out: out}
	file := newParquetFile(target, schema)
	if err := file.begin(); err != nil {
		return err
	}

	g, ctx := errgroup.WithContext(ctx)
	w, err := startWriter(ctx, g, func() (*dataFileWriter, error) { return file, nil }, schema, x.view.engine, 0)
	if err != nil {
		return err
	}
	pool := sync.Pool{New: func() any { return &block{columns: make([]csv.Column, len(nodes))} }}
	x.encode = parquetRow
	x.write = func(ctx context.Context, c *chunk) error {
		if file.groups*len(nodes) > exportedChunks {
			return fmt.Errorf("%w: too many rows and columns for one Parquet file", ErrQuery)
		}
		b := pool.Get().(*block)
		split(c, b.columns)
		released := make(chan struct{})
		b.rows, b.bytes, b.release = c.rows.len(), int64(c.size()), func() {
			pool.Put(b)
			x.recycle(c)
			close(released)
		}
		err := w.write(ctx, *b)
		if err != nil || c.size() <= largeBatch {
			return err
		}
		select { // a huge row goes through the columns alone
		case <-ctx.Done():
			return ctx.Err()
		case <-released:
			return nil
		}
	}
	g.Go(func() (err error) {
		defer shield(&err)
		if err := x.run(ctx); err != nil {
			return err
		}
		if err := w.end(ctx); err != nil {
			return err
		}
		return file.end()
	})
	if err := g.Wait(); target.err == nil {
		return err
	}
	return target.err
}

// target remembers the error of an output, which others wrap.
type target struct {
	out io.Writer
	err error
}

func (t *target) Write(p []byte) (n int, err error) {
	n, t.err = t.out.Write(p)
	return n, t.err
}

// parquetRow appends a row as the lengths and bytes of its cells: 0 for NULL, and
// for others the length and 1.
func parquetRow(dst []byte, cells rowCursors, row int64) ([]byte, error) {
	for _, c := range cells.cells {
		cell, null, err := c.at(row)
		if err != nil {
			return dst, err
		}
		if null {
			dst = append(dst, 0)
			continue
		}
		dst = binary.AppendUvarint(dst, uint64(len(cell))+1)
		dst = append(dst, cell...)
	}
	if cells.time == nil {
		return dst, nil
	}
	for _, c := range []*cursor[int64]{cells.time, cells.job} {
		number, null, err := c.at(row)
		if err != nil {
			return dst, err
		}
		if null {
			dst = append(dst, 0)
			continue
		}
		dst = append(dst, 8+1)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(number))
	}
	return dst, nil
}

// split makes columns of the rows of a chunk, whose bytes they are slices of.
func split(c *chunk, columns []csv.Column) {
	for i := range columns {
		columns[i].Values = columns[i].Values[:0]
		columns[i].Defined = slices.Grow(columns[i].Defined[:0], c.rows.len())
	}
	data := c.rows.data
	for range c.rows.len() {
		for i := range columns {
			length, n := binary.Uvarint(data)
			data = data[n:]
			if length == 0 {
				columns[i].Defined = append(columns[i].Defined, 0)
				continue
			}
			columns[i].Defined = append(columns[i].Defined, 1)
			columns[i].Values = append(columns[i].Values, data[:length-1])
			data = data[length-1:]
		}
	}
}
