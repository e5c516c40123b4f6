package engine

import (
	"context"
	"encoding/binary"
	"runtime"
	"slices"
	"sync/atomic"

	pqschema "github.com/apache/arrow-go/v18/parquet/schema"
	"github.com/apache/iceberg-go"
	"golang.org/x/sync/errgroup"

	"steward/internal/storage/csv"
)

// groupBytes bounds the input that a row group takes up. It, and not the
// number of rows, ends the row groups of wide tables and of long texts.
const groupBytes = 64 << 20

// block is some consecutive rows of a table, by column in the order of its schema.
type block struct {
	rows    int
	bytes   int64 // of the values, about
	columns []csv.Column
	release func() // called when all columns have been written
}

// writer writes blocks into data files. The columns are encoded by several
// goroutines: the columns of a row group do not know of each other, so they
// meet only where it ends.
type writer struct {
	create   func() (*dataFileWriter, error) // begins the next file
	schema   *pqschema.Schema
	options  Options
	firstRow int64 // table-wide number of the first row

	columns []*columnWriter
	queues  []chan task // one per goroutine
	file    *dataFileWriter
	inGroup int   // rows of the row group that is being written
	bytes   int64 // and the input they took
	groups  []int // rows of the row groups of the file so far

	done       []iceberg.DataFile
	doneGroups [][]int // by file, the rows of its row groups
}

// task is something to be done for every column.
type task struct {
	do   func(column int, c *columnWriter) error
	left *atomic.Int32 // goroutines that have still to do it
	last func()        // called by the last of them; may be nil
}

// newWriter starts a writer of data files whose goroutines belong to g; they end
// with [writer.finish] or with ctx, which must be g's.
func newWriter(ctx context.Context, g *errgroup.Group, files *files, folder string, schema *pqschema.Schema, e *Engine, firstRow int64) (*writer, error) {
	create := func() (*dataFileWriter, error) { return createDataFile(files, folder, schema) }
	return startWriter(ctx, g, create, schema, e, firstRow)
}

// startWriter is newWriter for files of any kind.
func startWriter(ctx context.Context, g *errgroup.Group, create func() (*dataFileWriter, error), schema *pqschema.Schema, e *Engine, firstRow int64) (*writer, error) {
	w := &writer{create: create, schema: schema, options: e.options, firstRow: firstRow}
	// A goroutine for each column lets the scheduler even out narrow and wide
	// ones. With very many columns there is nothing left to even out.
	workers := min(schema.NumColumns(), 8*runtime.GOMAXPROCS(0))
	codec, err := e.compressor()
	if err != nil {
		return nil, err
	}
	for i := range schema.NumColumns() {
		fixed := reserved(schema.Column(i).Name())
		w.columns = append(w.columns, newColumnWriter(fixed, schema.NumColumns(), codec))
	}
	for range workers {
		w.queues = append(w.queues, make(chan task, 8))
	}
	for worker, queue := range w.queues {
		g.Go(func() error { return w.work(ctx, worker, queue) })
	}
	return w, nil
}

// work does the tasks of one goroutine.
func (w *writer) work(ctx context.Context, worker int, queue <-chan task) (err error) {
	defer shield(&err)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case t, more := <-queue:
			if !more {
				return nil
			}
			for i := worker; i < len(w.columns); i += len(w.queues) {
				if err := t.do(i, w.columns[i]); err != nil {
					return err
				}
			}
			if t.left.Add(-1) == 0 && t.last != nil {
				t.last()
			}
		}
	}
}

// hand gives a task to all goroutines.
func (w *writer) hand(ctx context.Context, do func(int, *columnWriter) error, last func()) error {
	t := task{do: do, left: new(atomic.Int32), last: last}
	t.left.Store(int32(len(w.queues)))
	for _, queue := range w.queues {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case queue <- t:
		}
	}
	return nil
}

// bound lets the columns with the given field ids have bounds in the row groups.
func (w *writer) bound(ids []int) {
	for i, c := range w.columns {
		c.bounded = slices.Contains(ids, int(w.schema.Column(i).SchemaNode().FieldID()))
	}
}

// submit is write for blocks that come one after the other: a large one goes
// through the columns alone.
func (w *writer) submit(ctx context.Context, b block) error {
	if b.bytes <= largeBatch {
		return w.write(ctx, b)
	}
	released, release := make(chan struct{}), b.release
	b.release = func() {
		release()
		close(released)
	}
	if err := w.write(ctx, b); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-released:
		return nil
	}
}

// write takes the rows of a block, which must not change until it is released.
func (w *writer) write(ctx context.Context, b block) error {
	for from := 0; from < b.rows; {
		if w.inGroup == 0 {
			if err := w.beginGroup(); err != nil {
				return err
			}
		}
		to := min(b.rows, from+w.options.RowGroup-w.inGroup)
		var last func()
		if to == b.rows {
			last = b.release
		}
		if err := w.hand(ctx, b.part(from, to), last); err != nil {
			return err
		}
		w.inGroup += to - from
		w.bytes += b.bytes * int64(to-from) / int64(b.rows)
		from = to
		if w.inGroup >= w.options.RowGroup || w.bytes >= groupBytes {
			if err := w.endGroup(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// part returns the task that adds the rows of a block from one to before another.
func (b block) part(from, to int) func(int, *columnWriter) error {
	return func(column int, c *columnWriter) error {
		if from == 0 {
			c.taken = 0
		}
		values, defined := b.columns[column].Values, b.columns[column].Defined[from:to]
		begin := c.taken
		switch {
		case to == b.rows:
			c.taken = len(values)
		case len(values) == b.rows:
			c.taken = to
		default:
			for _, d := range defined {
				c.taken += int(d)
			}
		}
		return c.add(values[begin:c.taken], defined)
	}
}

func (w *writer) beginGroup() error {
	if w.file == nil {
		file, err := w.create()
		if err != nil {
			return err
		}
		w.file = file
	}
	return w.file.beginGroup(w.columns)
}

// endGroup waits for the columns and writes the row group.
func (w *writer) endGroup(ctx context.Context) error {
	finished := make(chan struct{})
	finish := func(_ int, c *columnWriter) error { return c.finish() }
	if err := w.hand(ctx, finish, func() { close(finished) }); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-finished:
	}
	if err := w.file.endGroup(w.columns); err != nil {
		return err
	}
	w.groups = append(w.groups, w.inGroup)
	w.inGroup, w.bytes = 0, 0
	if w.file.full(w.options.FileSize) {
		return w.endFile()
	}
	return nil
}

func (w *writer) endFile() error {
	file, err := w.file.finish(w.firstRow)
	if err != nil {
		return err
	}
	w.firstRow += file.Count()
	w.done, w.doneGroups = append(w.done, file), append(w.doneGroups, w.groups)
	w.file, w.groups = nil, nil
	return nil
}

// end ends the last row group, and the goroutines.
func (w *writer) end(ctx context.Context) error {
	if w.inGroup > 0 {
		if err := w.endGroup(ctx); err != nil {
			return err
		}
	}
	for _, queue := range w.queues {
		close(queue)
	}
	return nil
}

// finish ends the last row group and file, which are then durable.
func (w *writer) finish(ctx context.Context) error {
	if err := w.end(ctx); err != nil {
		return err
	}
	if w.file == nil {
		return nil
	}
	return w.endFile()
}

// abort gives up the file that is being written, once all goroutines ended.
func (w *writer) abort() {
	if w.file != nil {
		w.file.abort()
		w.file = nil
	}
}

// constant makes columns of a number that is the same in every row.
type constant struct {
	number []byte
	column csv.Column
}

func newConstant(number int64) *constant {
	return &constant{number: binary.LittleEndian.AppendUint64(nil, uint64(number))}
}

// rows returns the column for n rows. Columns that were returned before stay as they are.
func (c *constant) rows(n int) csv.Column {
	if n > len(c.column.Values) {
		c.column = csv.Column{
			Values:  slices.Repeat([][]byte{c.number}, n),
			Defined: slices.Repeat([]int16{1}, n),
		}
	}
	return csv.Column{Values: c.column.Values[:n], Defined: c.column.Defined[:n]}
}
