package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"steward/internal/storage/csv"
)

// When a table is worth compacting.
const (
	manyFiles   = 30       // small ones that stand together, counted where there are most
	smallFile   = 16 << 20 // bytes of a file that counts as small
	manyDeleted = 4096     // rows; and also a tenth of all rows that stand in the files
)

// NeedsCompaction tells whether the table has so many small files or deleted
// rows that [Engine.Compact] makes reading it clearly faster.
func (s *Staged) NeedsCompaction() bool {
	return s.smallFiles >= manyFiles || muchDeleted(s.Rows, s.Deleted)
}

// Crowded tells by the figures of a table whether it may need compaction: where it does
// not, it needs none.
func Crowded(files, rows, deleted int64) bool {
	return files >= manyFiles || muchDeleted(rows, deleted)
}

func muchDeleted(rows, deleted int64) bool {
	return deleted >= manyDeleted && deleted*10 >= rows+deleted
}

// smallTogether returns how many files stand in the longest line of small files
// in the order of the table.
func smallTogether(live []liveFile, large int64) int {
	live = slices.Clone(live)
	sortFiles(live)
	longest, line := 0, 0
	for _, f := range live {
		line++
		if f.data.FileSizeBytes() >= min(smallFile, large) {
			line = 0
		}
		longest = max(longest, line)
	}
	return longest
}

// Compact is the request to rewrite the data files of a table that are small or
// hold deleted rows.
type Compact struct {
	Folder string
	Base   string   // metadata location of the table as it is
	Key    []string // columns by which loads look for rows; they get bounds, as in a load
	Job    int64
	// Progress is called with the rows that were rewritten, from one goroutine; may be nil.
	Progress func(rows int64)
}

// Compact stages the same rows in fewer files, without the deleted ones. They
// keep their _timestamp and _job and the order of the table. Files of at least
// half of Options.FileSize without deleted rows are left alone; if no others can
// be made fewer, nothing changes. Older versions keep their files.
//
// Memory is bounded whatever the size of the table. Fails with an error that
// names the file if a data file is missing or damaged, and with
// blob.ErrNotFound if there is no table at Base, and with a *UnknownColumnError if
// the table lacks a column of Key.
func (e *Engine) Compact(ctx context.Context, c Compact) (*Staged, error) {
	return e.stage(ctx, func(files *files) (*Staged, error) {
		t, err := tableIn(files, c.Folder, c.Base)
		if err != nil {
			return nil, err
		}
		v, err := e.current(ctx, t)
		if err != nil {
			return nil, err
		}
		key, err := keyIDs(dataColumns(t.Schema()), c.Key)
		if err != nil {
			return nil, err
		}
		change := edit{replace: true}
		var rows int64
		for _, run := range e.runs(v.live) {
			added, err := v.rewrite(ctx, files, t, run, key, func(n int) {
				if rows += int64(n); c.Progress != nil {
					c.Progress(rows)
				}
			})
			if err != nil {
				return nil, err
			}
			change.removed = append(change.removed, v.live[run.from:run.to]...)
			change.added = append(change.added, added...)
		}
		return stageEdit(ctx, files, t, v.live, change, c.Job)
	})
}

// run is a line of data files that are rewritten together: from one ordinal to
// before another.
type run struct{ from, to int }

// runs returns the files of a table that are worth rewriting. Only neighbours
// are put together, because the rows keep their order.
func (e *Engine) runs(live []liveFile) (runs []run) {
	for from := 0; from < len(live); {
		to, deleted := from, false
		for to < len(live) && (live[to].deletes != nil || live[to].data.FileSizeBytes() < e.options.FileSize/2) {
			deleted = deleted || live[to].deletes != nil
			to++
		}
		if deleted || to-from > 1 {
			runs = append(runs, run{from, to})
		}
		from = to + 1
	}
	return runs
}

// rewrite writes the rows of a run of files into new ones. These take over the
// place of the old ones in the order of the table: their first row has the
// number that the first row of the old files had.
func (v *View) rewrite(ctx context.Context, files *files, t *table.Table, run run, key []int, progress func(rows int)) ([]iceberg.DataFile, error) {
	schema, err := parquetSchema(t.Schema())
	if err != nil {
		return nil, err
	}
	g, ctx := errgroup.WithContext(ctx)
	w, err := newWriter(ctx, g, files, t.Location()+"/data", schema, v.engine, v.live[run.from].firstRow)
	if err != nil {
		return nil, fmt.Errorf("engine: write rows: %w", err)
	}
	w.bound(key)
	g.Go(func() error {
		m := mover{writer: w, fields: t.Schema().Fields(), free: make(chan *cells, batches), progress: progress}
		for range batches {
			m.free <- &cells{columns: make([]csv.Column, schema.NumColumns())}
		}
		for ordinal := run.from; ordinal < run.to; ordinal++ {
			if err := m.moveFile(ctx, v, ordinal); err != nil {
				return err
			}
		}
		return w.finish(ctx)
	})
	if err := g.Wait(); err != nil {
		w.abort()
		return nil, err
	}
	return w.done, nil
}

// mover moves rows from data files into a writer.
type mover struct {
	writer   *writer
	fields   []iceberg.NestedField // of the columns
	free     chan *cells
	progress func(rows int)
}

// cells are those of some rows, by column.
type cells struct {
	columns []csv.Column
	text    []byte // that the values are slices of
}

func (m *mover) moveFile(ctx context.Context, v *View, ordinal int) error {
	file, err := v.open(ctx, ordinal)
	if err != nil {
		return err
	}
	defer file.release()
	for number := range file.starts {
		if err := m.moveGroup(ctx, file.group(number)); err != nil {
			return v.located(ordinal, err)
		}
	}
	return nil
}

// blockBytes is how much text is moved at a time, about.
const blockBytes = 1 << 20

func (m *mover) moveGroup(ctx context.Context, group *rowGroup) (err error) {
	defer shield(&err)
	f, err := newFilter(group, nil)
	if err != nil {
		return err
	}
	defer f.close()
	readers := make([]cellReader, len(m.fields))
	defer func() {
		for _, r := range readers {
			if r != nil {
				r.close()
			}
		}
	}()
	for i, field := range m.fields {
		if readers[i], err = newCellReader(group, field, len(m.fields)); err != nil {
			return err
		}
	}
	for step := int64(shortRead); ; {
		more, err := f.advance(step)
		if err != nil || !more {
			return err
		}
		if len(f.rows) == 0 {
			continue
		}
		size, err := m.moveRows(ctx, readers, f.rows)
		if err != nil {
			return err
		}
		step = max(1, min(window, 2*step, blockBytes*int64(len(f.rows))/(size+1)))
	}
}

// moveRows moves some rows of a row group, and returns how many bytes they had.
func (m *mover) moveRows(ctx context.Context, readers []cellReader, rows []int64) (size int64, err error) {
	var c *cells
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case c = <-m.free:
	}
	c.text = c.text[:0]
	for i, read := range readers {
		column := &c.columns[i]
		column.Values, column.Defined = column.Values[:0], column.Defined[:0]
		for _, row := range rows {
			begin := len(c.text)
			text, null, err := read.append(c.text, row)
			if err != nil {
				return 0, err
			}
			if null {
				column.Defined = append(column.Defined, 0)
				continue
			}
			c.text = text
			column.Defined = append(column.Defined, 1)
			column.Values = append(column.Values, text[begin:len(text):len(text)])
		}
	}
	size = int64(len(c.text))
	released := make(chan struct{})
	err = m.writer.write(ctx, block{rows: len(rows), bytes: size, columns: c.columns, release: func() {
		if cap(c.text) > 2*blockBytes {
			c.text = nil // that huge values made grow
		}
		m.free <- c // has room for all
		close(released)
	}})
	if err != nil {
		return 0, err
	}
	if size > largeBatch {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-released:
		}
	}
	m.progress(len(rows))
	return size, nil
}

// cellReader reads the cells of one column of a row group, forwards.
type cellReader interface {
	// append appends the cell in a row as the writer takes it.
	append(text []byte, row int64) (_ []byte, null bool, err error)
	close()
}

// newCellReader returns a reader of one of so many columns.
func newCellReader(group *rowGroup, field iceberg.NestedField, columns int) (cellReader, error) {
	most := max(shortRead, 256<<10/columns) // all columns are open at once
	if reserved(field.Name) {
		c, err := openColumn[int64](group, field.ID)
		if err != nil {
			return nil, err
		}
		c.most = min(c.most, most)
		return numberReader{c}, nil
	}
	c, err := openColumn[parquet.ByteArray](group, field.ID)
	if err != nil {
		return nil, err
	}
	c.most = min(c.most, most)
	return textReader{c}, nil
}

type textReader struct{ *cursor[parquet.ByteArray] }

func (r textReader) append(text []byte, row int64) ([]byte, bool, error) {
	cell, null, err := r.at(row)
	return append(text, cell...), null, err
}

type numberReader struct{ *cursor[int64] }

func (r numberReader) append(text []byte, row int64) ([]byte, bool, error) {
	number, null, err := r.at(row)
	return binary.LittleEndian.AppendUint64(text, uint64(number)), null, err
}
