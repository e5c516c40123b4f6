package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/gzip"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/id"
	"steward/internal/jobs"
	"steward/internal/storage/csv"
	"steward/internal/storage/engine"
)

// Format is how an export is written.
type Format string

// The formats.
const (
	FormatCSV     Format = "csv"
	FormatGzip    Format = "csv.gz"
	FormatParquet Format = "parquet"
)

// Export says which rows of a table go into a file, and how.
type Export struct {
	Table    string
	Columns  []string // nil = all
	Where    []engine.Condition
	Since    time.Time // only rows that changed at this moment or later; zero = all
	Order    []engine.Order
	Limit    int64 // 0 = all
	Format   Format
	Formulas bool // guard cells that a spreadsheet would run
}

// exportParams is an export as a job keeps and shows it.
type exportParams struct {
	Columns  []string       `json:"columns,omitempty"`
	Where    []filterParams `json:"whereFilters"`
	Since    int64          `json:"changedSince,omitempty"` // UTC microseconds
	Order    []orderParams  `json:"orderBy"`
	Limit    int64          `json:"limit,omitempty"`
	Format   Format         `json:"fileType"`
	Formulas bool           `json:"guardFormulas,omitempty"`
}

type orderParams struct {
	Column     string `json:"column"`
	Descending bool   `json:"descending,omitempty"`
	Number     bool   `json:"asNumber,omitempty"`
}

// StartExport enqueues the job that writes rows of a table, as it is when the job runs,
// into a file of the project. Invalid for what the table does not have, Forbidden
// without the right to read storage.
func (s *Service) StartExport(tx *db.Tx, scope access.Project, e Export) (jobs.Job, error) {
	if err := scope.Require(access.StorageRead, false); err != nil {
		return jobs.Job{}, err
	}
	t, err := s.Table(tx, scope, e.Table)
	if err != nil {
		return jobs.Job{}, err
	}
	columns, err := s.Columns(tx, t)
	if err != nil {
		return jobs.Job{}, err
	}
	if err := e.check(columns); err != nil {
		return jobs.Job{}, err
	}
	params, _, err := s.pinned(tx, scope, e.Table, e.params())
	if err != nil {
		return jobs.Job{}, err
	}
	j, err := s.jobs.Enqueue(tx, jobs.Spec{Class: jobs.Storage, Operation: TableExport, Scope: scope, Priority: weight(t.Bytes), Params: params, Table: e.Table})
	if err != nil {
		return jobs.Job{}, err
	}
	ev := audit.In(scope, "storage.tableExportStarted", "table", e.Table, e.Table)
	ev.JobID = j.ID
	return j, audit.Record(tx, ev.Says("%s started job %d: export rows of table %s.", scope.Actor().Name, j.ID, e.Table))
}

// check is Invalid for what the table does not have, and for numbers and formats that
// there are not.
func (e Export) check(columns []Column) error {
	var c fault.Check
	known := func(field, name string) {
		c.Field(hasColumn(columns, name), field, fmt.Sprintf("The table has no column %q.", excerpt(name)))
	}
	for _, name := range e.Columns {
		known("columns", name)
	}
	for _, w := range e.Where {
		known("column", w.Column)
	}
	for _, o := range e.Order {
		known("order", o.Column)
	}
	c.Field(len(e.Where) <= conditionsMax, "column", "Use at most 20 conditions.")
	c.Field(e.Limit >= 0, "limit", "Enter a number of rows, or leave it empty.")
	c.Field(e.Format == FormatCSV || e.Format == FormatGzip || e.Format == FormatParquet, "format", "Choose a format.")
	return c.Err()
}

func (e Export) params() exportParams {
	p := exportParams{Columns: e.Columns, Where: filtersOf(e.Where), Order: []orderParams{}, Limit: e.Limit, Format: e.Format, Formulas: e.Formulas}
	for _, o := range e.Order {
		p.Order = append(p.Order, orderParams{o.Column, o.Descending, o.Number})
	}
	if !e.Since.IsZero() {
		p.Since = e.Since.UnixMicro()
	}
	return p
}

func (p exportParams) query() engine.Query {
	q := engine.Query{Columns: p.Columns, Where: conditionsOf(p.Where), Limit: int(p.Limit)}
	if p.Since != 0 {
		q.Since = time.UnixMicro(p.Since).UTC()
	}
	for _, o := range p.Order {
		q.Order = append(q.Order, engine.Order{Column: o.Column, Descending: o.Descending, Number: o.Number})
	}
	return q
}

// ExportOf is the export that a job was asked for.
func ExportOf(j jobs.Job) (Export, error) {
	var p exportParams
	if err := decode(j, &p); err != nil {
		return Export{}, err
	}
	q := p.query()
	return Export{Table: j.Table, Columns: p.Columns, Where: q.Where, Since: q.Since, Order: q.Order, Limit: p.Limit, Format: p.Format, Formulas: p.Formulas}, nil
}

// RunExport is the work of an export: it streams rows of one version into a file.
func (s *Service) RunExport(ctx context.Context, run *jobs.Run) error {
	var p exportParams
	if err := decode(run.Job, &p); err != nil {
		return err
	}
	var t Table
	err := s.db.View(ctx, func(tx *db.Tx) error {
		scope, err := jobScope(tx, run.Job)
		if err != nil {
			return err
		}
		t, err = s.meant(tx, scope, run.Job)
		return err
	})
	if err != nil {
		return err
	}
	view, err := s.engine.Open(ctx, t.Location)
	if err != nil {
		return err
	}
	defer func() { _ = view.Close() }()
	f := File{Name: fmt.Sprintf("%s-v%d.%s", t.Name, t.Version, p.Format), key: fmt.Sprintf("files/%d/%s", run.Job.Project, id.Short()), ActorName: run.Job.ActorName}
	done := exported{table: t, file: &f}
	if done.rows, done.plain, err = s.writeExport(ctx, run, view, p, &f); err != nil {
		return changeFault(t, err)
	}
	err = s.flip(ctx, run, func(tx *db.Tx) error { return done.commit(tx, run) })
	if err != nil && !db.Uncertain(err) {
		err = errors.Join(err, s.blobs.Remove(context.WithoutCancel(ctx), f.key))
	}
	return err
}

// exported is what an export has written.
type exported struct {
	table       Table
	file        *File
	rows, plain int64
}

// commit makes the file one of the project, and ends the job.
func (e exported) commit(tx *db.Tx, run *jobs.Run) error {
	scope, err := jobScope(tx, run.Job)
	if err != nil {
		return err
	}
	t, f := e.table, e.file
	if err := addFile(tx, scope, f); err != nil {
		return err
	}
	if err := jobs.Uses(tx, run.Job.ID, jobs.TableUse{TableID: t.ID, VersionBefore: t.Version, VersionAfter: t.Version}); err != nil {
		return err
	}
	says := fmt.Sprintf("exported %d rows of table %s, version %d, into file %d (%s, %d bytes, SHA-256 %s)", e.rows, t.TextID, t.Version, f.ID, f.Name, f.Bytes, f.SHA256)
	// Since when to ask for what this export lacks. Rows carry the time at which their load began to write them, which is
	// never before the change that it follows: this version, or a later one.
	next := t.ChangedAt.UnixMicro()
	res, err := told(tx, scope, run, "tableExported", t, says, map[string]any{"fileId": f.ID, "fileName": f.Name, "sizeBytes": f.Bytes,
		"uncompressedBytes": e.plain, "sha256": f.SHA256, "rows": e.rows, "version": t.Version, "nextChangedSince": next})
	if err != nil {
		return err
	}
	res.Rows, res.OutBytes = e.rows, f.Bytes
	return run.Complete(tx, res)
}

// writeExport writes the bytes of an export, and notes their number and checksum.
func (s *Service) writeExport(ctx context.Context, run *jobs.Run, view *engine.View, p exportParams, f *File) (rows, plain int64, err error) {
	w, err := s.blobs.Create(ctx, f.key)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = w.Abort() }()
	sum := sha256.New()
	packed := &countingWriter{w: io.MultiWriter(w, sum)}
	out := io.Writer(packed)
	var zip *gzip.Writer
	if p.Format == FormatGzip {
		f.Compression = "gzip"
		if zip, err = gzip.NewWriterLevel(packed, gzip.BestSpeed); err != nil {
			return 0, 0, err
		}
		out = zip
	}
	counted := &countingWriter{w: out}
	rows, err = view.Export(ctx, counted, engine.Export{Query: p.query(), Parquet: p.Format == FormatParquet, CSV: csv.WriterOptions{Formulas: p.Formulas},
		Progress: func(rows int64) { run.Progress(rows, packed.n.Load()) }})
	if err != nil {
		return 0, 0, err
	}
	if zip != nil {
		if err := zip.Close(); err != nil {
			return 0, 0, err
		}
	}
	if err := w.Commit(); err != nil {
		return 0, 0, err
	}
	f.Bytes, f.SHA256 = packed.n.Load(), hex.EncodeToString(sum.Sum(nil))
	return rows, counted.n.Load(), nil
}
