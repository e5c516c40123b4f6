package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"steward/internal/storage/csv"
)

// Mode says what a load does with the rows that the table has.
type Mode int

// The modes.
const (
	Full   Mode = iota // they are replaced by those of the load
	Append             // they stay, and those of the load follow
)

// Load is the request to write the rows of a CSV file into a table.
type Load struct {
	Folder string // of the table's files in the store, as "tables/12"
	Base   string // metadata location of the table as it is; "" if it does not exist
	Mode   Mode
	Source *csv.Reader

	// Key names columns by which rows are told apart; nil for none. Of rows of
	// the source with the same key only the last one counts. A Full load then
	// leaves no key twice. An Append becomes an upsert: a row of the table with
	// the same key is replaced, unless all its cells are the same, which leaves
	// it untouched; an upsert that changes nothing stages nothing. NULL is a
	// value of a key like any other.
	Key []string

	Job  int64     // becomes _job of every row
	Time time.Time // becomes _timestamp of every row

	// DropColumns are columns of the table that a Full load may drop, should
	// its data not have them. Data may always have columns that the table
	// does not: they are added.
	DropColumns []string

	// Progress is called with the rows and bytes of input that were read, at
	// least once for each 256 KiB, from one goroutine; may be nil.
	Progress func(rows, bytes int64)
}

// Staged is a change that is complete and durable, but that nobody sees before
// the caller's pointer moves from Base to Location. If it does not,
// [Engine.Discard] removes what was written.
type Staged struct {
	Base     string
	Location string // equal to Base if there was nothing to change

	SnapshotID int64 // 0 if the table never had rows
	SchemaID   int
	Columns    []Column // of the table after the change

	Rows  int64 // in the table after the change
	Bytes int64 // of its data files and deletion vectors
	Files int64 // its data files
	// Deleted is how many rows stand in the data files without being in the table.
	Deleted int64

	Added, Removed int64 // rows of the table that came and went

	// Rows of the source of a load: those whose key was new, or all if there is
	// no key; those that replaced a row of the table; those that the table had
	// already; and those that a later one with the same key replaced.
	Inserted, Updated, Unchanged, Duplicates int64

	ColumnsAdded, ColumnsDropped []string

	smallFiles int // in the longest line of small files
	files      *files
	shown      *shown // at Location
}

// Load writes the rows of a CSV file into a table and stages the change. A
// load of no rows is one, too: it makes a table without rows, or empties one;
// appended to a table that has its columns, it changes nothing.
//
// Memory is bounded whatever the input. When Load fails, none of its files is
// left, as far as they can be removed, and the table is as before. It fails
// with a *ColumnsError if columns of the table are missing in the data that
// may not be dropped, with an *UnknownColumnError if a column of the key is,
// with the *csv.Error of the source, with the context's error, with
// syscall.ENOSPC on a full disk, and with blob.ErrNotFound if there is no table
// at Base.
func (e *Engine) Load(ctx context.Context, l Load) (*Staged, error) {
	return e.stage(ctx, func(files *files) (*Staged, error) { return e.load(ctx, files, l) })
}

// Discard removes the files of a change that the caller refused, as far as it
// can. It must not be called once the pointer may have moved to its Location.
func (e *Engine) Discard(ctx context.Context, s *Staged) error {
	if s.Location != s.Base {
		e.views.forget(viewKey{location: s.Location, current: true})
	}
	if err := s.files.discard(ctx); err != nil {
		return fmt.Errorf("engine: discard: %w", err)
	}
	return nil
}

func (e *Engine) load(ctx context.Context, files *files, l Load) (*Staged, error) {
	t, change, err := prepare(files, l)
	if err != nil {
		return nil, err
	}
	live, err := e.live(ctx, t)
	if err != nil {
		return nil, err
	}
	before, _ := totals(live)
	var rows effect
	if l.Mode == Append && len(l.Key) > 0 && before > 0 {
		rows, err = e.upsert(ctx, files, t, live, l)
	} else {
		rows, err = e.writeRows(ctx, files, t, l)
	}
	if err != nil {
		return nil, err
	}
	files.staging(t)

	if l.Mode == Full {
		rows.removed = live
	}
	meta := t.Metadata()
	if rows.any() {
		if meta, live, err = commit(ctx, files, t, live, rows.edit, summary(l.Job)); err != nil {
			return nil, fmt.Errorf("engine: stage %s: %w", l.Folder, err)
		}
	}
	location := l.Base
	if location == "" || change.any() || rows.any() {
		if location, err = writeMetadata(files, meta, l.Base, live); err != nil {
			return nil, fmt.Errorf("engine: stage %s: %w", l.Folder, err)
		}
	}

	staged := newStaged(files, meta, l.Base, location, live)
	staged.ColumnsAdded, staged.ColumnsDropped = change.added, change.dropped
	staged.Inserted, staged.Updated, staged.Unchanged, staged.Duplicates = rows.inserted, rows.updated, rows.unchanged, rows.duplicates
	staged.Added = rows.inserted + rows.updated
	staged.Removed = before + staged.Added - staged.Rows
	return staged, nil
}

// summary names in a snapshot the job that made it.
func summary(job int64) iceberg.Properties {
	return iceberg.Properties{jobProperty: strconv.FormatInt(job, 10)}
}

// prepare returns the table as the load finds it, but with the columns that
// it will have; of that change nothing is written yet.
func prepare(files *files, l Load) (*table.Table, change, error) {
	if l.Base == "" {
		change, err := planColumns(nil, 0, l.Source.Header())
		if err != nil {
			return nil, change, err
		}
		meta, err := newMetadata(l.Folder, change.schema)
		if err != nil {
			return nil, change, fmt.Errorf("engine: new table in %s: %w", l.Folder, err)
		}
		return tableOf(files, meta, ""), change, nil
	}

	t, err := tableIn(files, l.Folder, l.Base)
	if err != nil {
		return nil, change{}, err
	}
	change, err := planColumns(t.Schema(), t.Metadata().LastColumnID(), l.Source.Header())
	if err != nil {
		return nil, change, err
	}
	allowed := l.DropColumns
	if l.Mode == Append {
		allowed = nil
	}
	if err := change.refuse(allowed); err != nil {
		return nil, change, err
	}
	if !change.any() {
		return t, change, nil
	}
	// Rows and columns change in one step: the rows are staged on metadata
	// that exists in memory only.
	meta, err := table.UpdateTableMetadata(t.Metadata(), []table.Update{
		table.NewAddSchemaUpdate(change.schema),
		table.NewSetCurrentSchemaUpdate(-1), // the one just added
	}, l.Base)
	if err != nil {
		return nil, change, fmt.Errorf("engine: columns of %s: %w", l.Folder, err)
	}
	return tableOf(files, meta, l.Base), change, nil
}

const (
	// batches circulate between the parser and the columns: enough that neither
	// waits for the other.
	batches = 6
	// largeBatch is the bytes of input from which on a batch, that is a row of
	// that size, goes through the columns alone.
	largeBatch = 4 << 20
)

// write writes the rows that feed gives to the writer into data files, with
// bounds for the columns that have the field ids bounded.
func (e *Engine) write(ctx context.Context, files *files, t *table.Table, bounded []int, feed func(context.Context, *errgroup.Group, *writer) error) ([]iceberg.DataFile, error) {
	schema, err := parquetSchema(t.Schema())
	if err != nil {
		return nil, err
	}
	g, ctx := errgroup.WithContext(ctx)
	w, err := newWriter(ctx, g, files, t.Location()+"/data", schema, e, t.Metadata().NextRowID())
	if err != nil {
		return nil, fmt.Errorf("engine: write rows: %w", err)
	}
	w.bound(bounded)
	g.Go(func() (err error) {
		defer shield(&err)
		if err := feed(ctx, g, w); err != nil {
			return err
		}
		return w.finish(ctx)
	})
	if err := g.Wait(); err != nil {
		w.abort()
		return nil, fmt.Errorf("engine: write rows: %w", err)
	}
	return w.done, nil
}

// writeRows writes all rows of the source into data files; those with the key
// of a later one are deleted there.
func (e *Engine) writeRows(ctx context.Context, files *files, t *table.Table, l Load) (effect, error) {
	columns := dataColumns(t.Schema())
	keys, err := keyIDs(columns, l.Key)
	if err != nil {
		return effect{}, err
	}
	// Where the columns of the file, and those of the key, stand in the source.
	var sources, keySources []int
	for _, c := range columns {
		sources = append(sources, slices.Index(l.Source.Header(), c.Name))
	}
	for _, id := range keys {
		keySources = append(keySources, sources[slices.IndexFunc(columns, func(c Column) bool { return c.ID == id })])
	}
	var ledger *keyLedger
	if len(keys) > 0 {
		ledger = newKeyLedger(e, keySources)
		defer ledger.entries.close()
	}
	var wrote *writer
	written, err := e.write(ctx, files, t, keys, func(ctx context.Context, g *errgroup.Group, w *writer) error {
		wrote = w
		free, full := make(chan *csv.Batch, batches), make(chan *csv.Batch)
		for range batches {
			free <- new(csv.Batch)
		}
		g.Go(func() (err error) {
			defer shield(&err)
			return parse(ctx, l.Source, free, full)
		})
		return feedBatches(ctx, w, l, sources, ledger, free, full)
	})
	if err != nil {
		return effect{}, err
	}
	rows := effect{edit: edit{added: written}}
	for _, f := range written {
		rows.inserted += f.Count()
	}
	if ledger != nil {
		if rows.deleted, rows.duplicates, err = ledger.earlier(ctx, written); err != nil {
			return effect{}, err
		}
		rows.inserted -= rows.duplicates
		ledger.remember(e, keys, wrote)
	}
	return rows, nil
}

// feedBatches gives the rows of batches to a writer until there are no more.
func feedBatches(ctx context.Context, w *writer, l Load, sources []int, ledger *keyLedger, free chan<- *csv.Batch, full <-chan *csv.Batch) error {
	timestamps, jobs := newConstant(l.Time.UnixMicro()), newConstant(l.Job)
	var rows, bytes int64
	for {
		var batch *csv.Batch
		select {
		case <-ctx.Done():
			return ctx.Err()
		case batch = <-full:
		}
		if batch == nil {
			return nil
		}
		columns := make([]csv.Column, 0, len(sources)+2)
		for _, i := range sources {
			columns = append(columns, batch.Columns[i])
		}
		columns = append(columns, timestamps.rows(batch.Rows), jobs.rows(batch.Rows))
		rows, bytes = rows+int64(batch.Rows), bytes+batch.Bytes
		if ledger != nil {
			if err := ledger.add(ctx, batch); err != nil {
				return err
			}
		}
		err := w.submit(ctx, block{
			rows: batch.Rows, bytes: batch.Bytes, columns: columns,
			release: func() { free <- batch }, // has room for all
		})
		if err != nil {
			return err
		}
		if l.Progress != nil {
			l.Progress(rows, bytes)
		}
	}
}

// parse fills batches until the source ends, which closes full.
func parse(ctx context.Context, source *csv.Reader, free <-chan *csv.Batch, full chan<- *csv.Batch) error {
	for {
		var batch *csv.Batch
		select {
		case <-ctx.Done():
			return ctx.Err()
		case batch = <-free:
		}
		err := source.Next(batch)
		if errors.Is(err, io.EOF) {
			close(full)
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case full <- batch:
		}
	}
}
