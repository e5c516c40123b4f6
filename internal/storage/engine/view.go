package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/apache/iceberg-go/table/dv"
)

// errClosed is what the methods of a closed View answer.
var errClosed = errors.New("engine: the view is closed")

// View is a table as one of its snapshots shows it. It never changes, whatever
// happens to the table, as long as the files of the snapshot are kept. It is
// safe for concurrent use.
type View struct {
	*shown
	engine *Engine
	closed atomic.Bool
}

// shown is what a snapshot of a table shows. It never changes, so that views
// share it.
type shown struct {
	location string
	snapshot int64
	columns  []Column
	ids      map[string]int // field ids of all columns, the program's own too
	live     []liveFile
	rows     int64
	bytes    int64
}

// Open opens the current snapshot of the table at a metadata location. It
// reads metadata only, which costs about a millisecond the first time. Close
// the View after use.
//
// Fails with blob.ErrNotFound if there is no such metadata. When it goes after
// it was read, methods of the View that read rows may fail instead.
func (e *Engine) Open(ctx context.Context, location string) (*View, error) {
	return e.view(ctx, viewKey{location: location, current: true}, func(t *table.Table) (*table.Snapshot, *iceberg.Schema, error) {
		return t.CurrentSnapshot(), t.Schema(), nil
	})
}

// OpenVersion opens a snapshot of the table at a metadata location, 0 for that of a
// table without rows, under one of the schemas that the table has had.
//
// Fails with ErrNoSnapshot if the table does not have them, with
// blob.ErrNotFound if there is no such metadata.
func (e *Engine) OpenVersion(ctx context.Context, location string, snapshot int64, schema int) (*View, error) {
	return e.view(ctx, viewKey{location: location, snapshot: snapshot, schema: schema}, func(t *table.Table) (*table.Snapshot, *iceberg.Schema, error) {
		return version(t, snapshot, schema)
	})
}

// version returns a snapshot of a table, nil for 0, and one of its schemas, or ErrNoSnapshot.
func version(t *table.Table, snapshot int64, schema int) (*table.Snapshot, *iceberg.Schema, error) {
	columns, ok := t.Schemas()[schema]
	if !ok {
		return nil, nil, fmt.Errorf("%w: schema %d in the table at %s", ErrNoSnapshot, schema, t.MetadataLocation())
	}
	if snapshot == 0 {
		return nil, columns, nil
	}
	s := t.SnapshotByID(snapshot)
	if s == nil {
		return nil, nil, fmt.Errorf("%w: %d in the table at %s", ErrNoSnapshot, snapshot, t.MetadataLocation())
	}
	return s, columns, nil
}

// view opens what choose takes of the table at a location, from memory if it
// was opened before.
func (e *Engine) view(ctx context.Context, key viewKey, choose func(*table.Table) (*table.Snapshot, *iceberg.Schema, error)) (*View, error) {
	if s, ok := e.views.get(key); ok {
		return &View{shown: s, engine: e}, nil
	}
	s, err := e.show(ctx, key, choose)
	if err != nil {
		return nil, err
	}
	e.views.put(key, s, s.size())
	return &View{shown: s, engine: e}, nil
}

// show reads what view opens: from the outline of the table if that is it.
func (e *Engine) show(ctx context.Context, key viewKey, choose func(*table.Table) (*table.Snapshot, *iceberg.Schema, error)) (*shown, error) {
	files := newFiles(ctx, e.store)
	content, err := readMetadata(files, key.location)
	if err != nil {
		return nil, err
	}
	if o, ok := outlineIn(content); ok && o.is(key) {
		if s, err := o.shown(key.location); err == nil {
			return s, nil
		} // else what it is made from tells
	}
	t, err := parseTable(files, key.location, content)
	if err != nil {
		return nil, err
	}
	snapshot, schema, err := choose(t)
	if err != nil {
		return nil, err
	}
	live, err := liveFiles(ctx, t, snapshot)
	if err != nil {
		return nil, err
	}
	return showing(key.location, snapshot, schema, live), nil
}

// current opens the current snapshot of a table that was read already.
func (e *Engine) current(ctx context.Context, t *table.Table) (*View, error) {
	live, err := e.live(ctx, t)
	if err != nil {
		return nil, err
	}
	return &View{shown: showing(t.MetadataLocation(), t.CurrentSnapshot(), t.Schema(), live), engine: e}, nil
}

// live returns the data files of the current snapshot of a table, from memory if the
// table was opened before.
func (e *Engine) live(ctx context.Context, t *table.Table) ([]liveFile, error) {
	if s, ok := e.views.get(viewKey{location: t.MetadataLocation(), current: true}); ok {
		return s.live, nil
	}
	return liveFiles(ctx, t, t.CurrentSnapshot())
}

// showing is what a snapshot of a table holds, nil for none, under a schema.
func showing(location string, snapshot *table.Snapshot, schema *iceberg.Schema, live []liveFile) *shown {
	var id int64
	if snapshot != nil {
		id = snapshot.SnapshotID
	}
	return newShown(location, id, schema.Fields(), live)
}

func newShown(location string, snapshot int64, fields []iceberg.NestedField, live []liveFile) *shown {
	s := &shown{location: location, snapshot: snapshot, ids: make(map[string]int, len(fields)), live: live}
	for _, f := range fields {
		s.ids[f.Name] = f.ID
		if !reserved(f.Name) {
			s.columns = append(s.columns, Column{ID: f.ID, Name: f.Name})
		}
	}
	s.rows, s.bytes = totals(live)
	return s
}

// Close ends the use of the View: what is asked of it later fails. It holds no
// files open between its methods.
func (v *View) Close() error {
	v.closed.Store(true)
	return nil
}

// Columns returns the columns of the data in their order.
func (v *View) Columns() []Column { return append([]Column(nil), v.columns...) }

// Rows returns how many rows the table has.
func (v *View) Rows() int64 { return v.rows }

// Bytes returns the size of the table's data files and deletion vectors.
func (v *View) Bytes() int64 { return v.bytes }

// Files returns how many data files the table has.
func (v *View) Files() int64 { return int64(len(v.live)) }

// SnapshotID returns the snapshot that is shown, 0 if the table never had rows.
func (v *View) SnapshotID() int64 { return v.snapshot }

// Nulls returns how many rows are NULL in each column, by its name. The
// numbers come from metadata: rows that were deleted, but still stand in the
// files, are counted.
func (v *View) Nulls() map[string]int64 {
	nulls := make(map[string]int64, len(v.columns))
	for _, f := range v.live {
		values, counts := f.data.ValueCounts(), f.data.NullValueCounts()
		for _, c := range v.columns {
			if _, present := values[c.ID]; present {
				nulls[c.Name] += counts[c.ID]
			} else { // the column came after the file
				nulls[c.Name] += f.data.Count()
			}
		}
	}
	return nulls
}

// openData is a data file open for reading. It closes itself when the last
// user of it releases it.
type openData struct {
	*footer
	live    liveFile
	ordinal int // of the file in the view
	source  *sealedFile
	reader  *file.Reader
	users   atomic.Int32
}

// open opens a data file, with one user.
func (v *View) open(ctx context.Context, ordinal int) (f *openData, err error) {
	if v.closed.Load() {
		return nil, errClosed
	}
	f = &openData{live: v.live[ordinal], ordinal: ordinal}
	f.users.Store(1)
	defer func() {
		if err != nil {
			f.release()
			f, err = nil, v.located(ordinal, err)
		}
	}()
	defer shield(&err)
	files := newFiles(ctx, v.engine.store)
	key := f.live.footerKey()
	known, ok := v.engine.footers.get(key)
	var sealed *seal
	if ok {
		sealed = known.seal
	}
	if f.source, err = openSealed(files, f.live.data, sealed); err != nil {
		return f, err
	}
	// A page at a time, instead of whole column chunks. Of a page that is larger
	// than the buffer, only the beginning goes through it.
	properties := parquet.NewReaderProperties(v.engine.buffers)
	properties.BufferedStreamEnabled = true
	properties.BufferSize = int64(max(4<<10, min(16<<10, 16<<20/len(v.ids))))
	if ok {
		f.footer = known
		f.reader, err = file.NewParquetReader(f.source, file.WithReadProps(properties), file.WithMetadata(known.metadata))
		return f, err
	}
	if f.reader, err = file.NewParquetReader(f.source, file.WithReadProps(properties)); err != nil {
		return f, err
	}
	if err = f.source.trust(f.reader.MetaData()); err != nil {
		return f, err
	}
	if f.footer, err = readFooter(files, f.live, f.reader.MetaData()); err != nil {
		return f, err
	}
	f.footer.seal = f.source.seal
	v.engine.footers.put(key, f.footer, f.footer.size())
	return f, nil
}

// readFooter completes the footer of a data file.
func readFooter(files *files, live liveFile, m *metadata.FileMetaData) (*footer, error) {
	f := &footer{metadata: m, columns: make(map[int]int)}
	m.WriterVersion() // is found out once, and not in several readers at a time
	for i := range m.Schema.NumColumns() {
		f.columns[int(m.Schema.Column(i).SchemaNode().FieldID())] = i
	}
	var rows int64
	for g := range m.NumRowGroups() {
		f.starts = append(f.starts, rows)
		rows += m.RowGroup(g).NumRows()
	}
	if rows != live.data.Count() {
		return nil, fmt.Errorf("has %d rows, not %d", rows, live.data.Count())
	}
	if live.deletes != nil {
		var err error
		if f.deleted, err = dv.ReadDV(files, live.deletes); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// located names the data file in an error.
func (v *View) located(ordinal int, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("engine: read data file %s: %w", v.live[ordinal].data.FilePath(), err)
}

func (f *openData) release() {
	if f.users.Add(-1) == 0 && f.source != nil {
		_ = f.source.Close() // only read
	}
}

// rowGroup is one row group of an open data file, for one goroutine.
type rowGroup struct {
	file   *openData
	number int
	rows   int64
	first  int64 // position in the file of the first row
	reader *file.RowGroupReader
	index  func() (*metadata.RowGroupPageIndexReader, error)
}

func (f *openData) group(number int) *rowGroup {
	reader := f.reader.RowGroup(number)
	return &rowGroup{
		file: f, number: number, rows: reader.NumRows(), first: f.starts[number], reader: reader,
		index: sync.OnceValues(func() (*metadata.RowGroupPageIndexReader, error) {
			return f.reader.GetPageIndexReader().RowGroup(number)
		}),
	}
}

// deleted tells whether a row of the group is gone.
func (g *rowGroup) deleted(row int64) bool {
	return g.file.deleted != nil && g.file.deleted.Contains(uint64(g.first+row))
}

// openColumn returns a cursor over the column with a field id.
func openColumn[T any](g *rowGroup, id int) (*cursor[T], error) {
	position, ok := g.file.columns[id]
	if !ok {
		return &cursor[T]{}, nil
	}
	column, err := g.reader.Column(position)
	if err != nil {
		return nil, err
	}
	reader, ok := column.(chunkReader[T])
	if !ok {
		return nil, fmt.Errorf("column %d has values of another type", id)
	}
	return &cursor[T]{reader: reader, most: min(longRead, int(g.rows)), pages: func() ([]*metadata.PageLocation, error) {
		index, err := g.index()
		if err != nil || index == nil {
			return nil, err
		}
		offsets, err := index.GetOffsetIndex(position)
		if err != nil || offsets == nil {
			return nil, err
		}
		return offsets.GetPageLocations(), nil
	}}, nil
}

var _ io.Closer = (*View)(nil)
