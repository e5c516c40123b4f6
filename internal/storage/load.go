package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage/csv"
	"steward/internal/storage/engine"
	"steward/internal/tenancy"
)

// Operations of storage jobs.
const (
	TableCreate = "tableCreate"
	TableImport = "tableImport"
	FileCheck   = "fileCheck"
)

// Operations lists the operations that jobs have so far.
func Operations() []string { return []string{TableCreate, TableImport, FileCheck} }

// Load says which file goes into which table, and how.
type Load struct {
	File        int64
	Bucket      string // text id
	Table       string // name in the bucket; a new name makes a new table
	Append      bool   // add the rows; otherwise they replace all
	Dialect     csv.Dialect
	SkipBad     bool     // rows that cannot be read are left out; otherwise the first one ends the load
	DropColumns []string // columns of the table that the file lacks and that may go
	AddColumns  []string // columns of the file that the table lacks, as far as somebody agreed to them
}

// loadParams is a load as a job keeps and shows it.
type loadParams struct {
	FileID         int64    `json:"dataFileId"`
	FileName       string   `json:"fileName"`
	Bucket         string   `json:"bucket"`
	Table          string   `json:"name"`
	Incremental    bool     `json:"incremental"`
	Encoding       string   `json:"encoding"`
	Delimiter      string   `json:"delimiter"`
	Enclosure      string   `json:"enclosure"`
	EscapedBy      string   `json:"escapedBy"`
	WithoutHeaders bool     `json:"withoutHeaders"`
	Empty          string   `json:"emptyCells"`
	Nulls          []string `json:"treatValuesAsNull,omitempty"`
	NullsQuoted    bool     `json:"treatQuotedValuesAsNull,omitempty"`
	BadRows        string   `json:"badRows"`
	DropColumns    []string `json:"dropColumns,omitempty"`
	AddColumns     []string `json:"addColumns,omitempty"`
}

var emptyNames = map[csv.Empty]string{csv.EmptyDistinct: "distinct", csv.EmptyNull: "null", csv.EmptyText: "text"}

// What happens to bad rows.
const (
	stopAtBad = "stop"
	skipBad   = "skip"
)

func (l Load) params(f File) loadParams {
	one := func(b byte) string {
		if b == 0 {
			return ""
		}
		return string([]byte{b})
	}
	d := l.Dialect
	p := loadParams{FileID: f.ID, FileName: f.Name, Bucket: l.Bucket, Table: l.Table, Incremental: l.Append, Encoding: d.Encoding.Name(),
		Delimiter: one(d.Delimiter), Enclosure: one(d.Enclosure), EscapedBy: one(d.Escape), WithoutHeaders: !d.Header, Empty: emptyNames[d.Empty],
		NullsQuoted: d.NullsQuoted, BadRows: stopAtBad, DropColumns: l.DropColumns, AddColumns: l.AddColumns}
	if l.SkipBad {
		p.BadRows = skipBad
	}
	if d.Nulls != "" {
		p.Nulls = strings.Split(d.Nulls, "\n")
	}
	return p
}

func (p loadParams) dialect() csv.Dialect {
	one := func(s string) byte {
		if s == "" {
			return 0
		}
		return s[0]
	}
	d := csv.Dialect{Delimiter: one(p.Delimiter), Enclosure: one(p.Enclosure), Escape: one(p.EscapedBy), Header: !p.WithoutHeaders,
		Nulls: strings.Join(p.Nulls, "\n"), NullsQuoted: p.NullsQuoted}
	d.Encoding, _ = csv.ParseEncoding(p.Encoding) // there was none before jobs named it: UTF-8
	for e, name := range emptyNames {
		if name == p.Empty {
			d.Empty = e
		}
	}
	return d
}

// LoadOf is the load that a job was asked to do or to check.
func LoadOf(j jobs.Job) (Load, error) {
	var p loadParams
	if err := json.Unmarshal(j.Params, &p); err != nil {
		return Load{}, fmt.Errorf("storage: params of job %d: %w", j.ID, err)
	}
	return Load{File: p.FileID, Bucket: p.Bucket, Table: p.Table, Append: p.Incremental, Dialect: p.dialect(), SkipBad: p.BadRows == skipBad,
		DropColumns: p.DropColumns, AddColumns: p.AddColumns}, nil
}

// Plan is what a load would do to a table's columns.
type Plan struct {
	Exists  bool
	Table   Table
	New     []string // columns of the file that the table lacks
	Missing []string // columns of the table that the file lacks
}

// PlanLoad compares a file's header with the table it would go into.
func (s *Service) PlanLoad(tx *db.Tx, scope access.Project, bucket, table string, header []string) (Plan, error) {
	var p Plan
	t, err := s.Table(tx, scope, bucket+"."+table)
	if fault.Is(err, fault.NotFound) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	columns, err := s.Columns(tx, t)
	if err != nil {
		return p, err
	}
	p.Exists, p.Table = true, t
	for _, c := range columns {
		if !slices.Contains(header, c.Name) {
			p.Missing = append(p.Missing, c.Name)
		}
	}
	for _, h := range header {
		if !slices.ContainsFunc(columns, func(c Column) bool { return c.Name == h }) {
			p.New = append(p.New, h)
		}
	}
	return p, nil
}

// StartLoad enqueues the job that loads a file into a table. Invalid for a bad table
// name or options, NotFound for a bucket or file that is not there, Forbidden without
// the right to write tables.
func (s *Service) StartLoad(tx *db.Tx, scope access.Project, l Load) (jobs.Job, error) {
	if err := l.check(scope); err != nil {
		return jobs.Job{}, err
	}
	b, err := s.Bucket(tx, scope, l.Bucket)
	if err != nil {
		return jobs.Job{}, err
	}
	if b.SourceBucket != 0 {
		return jobs.Job{}, fault.Newf(fault.Conflict, "storage.buckets.linked", "Bucket %s is linked from another project and cannot be written to.", l.Bucket)
	}
	f, err := s.File(tx, scope, l.File)
	if err != nil {
		return jobs.Job{}, err
	}
	id := l.Bucket + "." + l.Table
	operation, verb := TableCreate, "new table"
	if _, err := s.Table(tx, scope, id); err == nil {
		operation, verb = TableImport, "table"
	} else if !fault.Is(err, fault.NotFound) {
		return jobs.Job{}, err
	}
	j, err := s.jobs.Enqueue(tx, jobs.Spec{
		Class: jobs.Storage, Operation: operation, Scope: scope, Priority: priority(f), SerialKey: serialKey(scope.Branch(), id),
		Params: l.params(f), Table: id, FileID: f.ID, BytesTotal: f.Bytes,
	})
	if err != nil {
		return jobs.Job{}, err
	}
	e := audit.In(scope, "storage.loadStarted", "table", id, id)
	e.JobID = j.ID
	return j, audit.Record(tx, e.Says("%s started job %d: load file %d (%s) into %s %s.", scope.Actor().Name, j.ID, f.ID, f.Name, verb, id))
}

// StartCheck enqueues the job that reads a whole file as a load would, and changes
// nothing. Its errors are those of StartLoad, but the bucket need not be there.
func (s *Service) StartCheck(tx *db.Tx, scope access.Project, l Load) (jobs.Job, error) {
	if err := l.check(scope); err != nil {
		return jobs.Job{}, err
	}
	f, err := s.File(tx, scope, l.File)
	if err != nil {
		return jobs.Job{}, err
	}
	j, err := s.jobs.Enqueue(tx, jobs.Spec{Class: jobs.Storage, Operation: FileCheck, Scope: scope, Priority: priority(f), Params: l.params(f), FileID: f.ID, BytesTotal: f.Bytes})
	if err != nil {
		return jobs.Job{}, err
	}
	e := audit.In(scope, "storage.fileCheckStarted", "file", fmt.Sprint(f.ID), f.Name)
	e.JobID = j.ID
	return j, audit.Record(tx, e.Says("%s started job %d: check all rows of file %d (%s).", scope.Actor().Name, j.ID, f.ID, f.Name))
}

// check is Forbidden without the right to write tables, and Invalid for a bad name or
// options.
func (l Load) check(scope access.Project) error {
	if err := scope.Require(access.TablesWrite, false); err != nil {
		return err
	}
	var c fault.Check
	if err := c.Join(CheckName("table", l.Table)); err != nil {
		return err
	}
	nulls := csv.DefaultDialect()
	nulls.Nulls = l.Dialect.Nulls
	c.Field(nulls.Validate() == nil, "nulls", sentence(nulls.Validate()))
	l.Dialect.Nulls = ""
	c.Field(l.Dialect.Validate() == nil, "delimiter", sentence(l.Dialect.Validate()))
	return c.Err()
}

// sentence is what a *csv.Error says to people.
func sentence(err error) string {
	var bad *csv.Error
	if errors.As(err, &bad) {
		return bad.Message
	}
	return ""
}

// priority puts small files, which somebody waits for, before others.
func priority(f File) int64 {
	if f.Bytes < 8<<20 {
		return jobs.Person
	}
	return jobs.Bulk
}

func serialKey(branch int64, table string) string { return fmt.Sprintf("table:%d:%s", branch, table) }

// RunLoad is the work of a load: it streams the file into a new version of the table,
// and makes that version current in the transaction that ends the job. Until then the
// table is as it was, whatever happens.
func (s *Service) RunLoad(ctx context.Context, run *jobs.Run) error {
	j := run.Job
	var p loadParams
	if err := json.Unmarshal(j.Params, &p); err != nil {
		return fmt.Errorf("storage: params of job %d: %w", j.ID, err)
	}
	var (
		scope access.Project
		file  File
		table Table
	)
	err := s.db.Update(ctx, func(tx *db.Tx) error {
		var err error
		if scope, err = jobScope(tx, j); err != nil {
			return err
		}
		if file, err = s.File(tx, scope, p.FileID); err != nil {
			return err
		}
		table, err = s.Table(tx, scope, j.Table)
		if fault.Is(err, fault.NotFound) {
			if table.ID, err = tx.NewID("tables"); err != nil {
				return err
			}
			table.Folder = fmt.Sprintf("tables/%d", table.ID)
		}
		return err
	})
	if err != nil {
		return err
	}
	staged, in, err := s.stage(ctx, run, p, file, table)
	if err != nil {
		return s.leaveRejects(ctx, run, p, file, in, err)
	}
	s.log.Debug("load: flip", "job", j.ID)
	err = s.db.Update(ctx, func(tx *db.Tx) error { return s.flip(tx, run, file, table, staged, in) })
	s.log.Debug("load: flipped", "job", j.ID, "error", err)
	if err != nil && !db.Uncertain(err) {
		err = errors.Join(err, s.engine.Discard(context.WithoutCancel(ctx), staged), in.rejects.discard(ctx))
	}
	return err
}

func (s *Service) stage(ctx context.Context, run *jobs.Run, p loadParams, file File, table Table) (*engine.Staged, *intake, error) {
	in, err := s.take(ctx, run, p, file, p.BadRows == skipBad)
	if err != nil {
		return nil, in, err
	}
	defer in.close()
	mode := engine.Full
	if p.Incremental {
		mode = engine.Append
	}
	staged, err := s.engine.Load(ctx, engine.Load{
		Folder: table.Folder, Base: table.Location, Mode: mode, Source: in.source, Job: run.Job.ID, Time: s.db.Now(), DropColumns: p.DropColumns,
		Progress: func(n, _ int64) { in.rows.Store(n) },
		Staging:  func() { s.log.Debug("load: stage", "job", run.Job.ID) },
	})
	if err != nil {
		return nil, in, err
	}
	if err := in.finish(ctx, run); err != nil {
		return nil, in, errors.Join(err, s.engine.Discard(context.WithoutCancel(ctx), staged))
	}
	return staged, in, nil
}

// flip makes a staged load current: the table's row, its columns, its version, the
// bucket's sums, the event and the end of the job, all or none.
func (s *Service) flip(tx *db.Tx, run *jobs.Run, file File, base Table, st *engine.Staged, in *intake) error {
	j := run.Job
	scope, err := jobScope(tx, j)
	if err != nil {
		return err
	}
	bucketID, name := splitTable(j.Table)
	bucket, err := s.Bucket(tx, scope, bucketID)
	if err != nil {
		return err
	}
	t := base
	t.Location, t.Rows, t.Bytes, t.Files = st.Location, st.Rows, st.Bytes, st.Files
	changed := st.Location != base.Location
	if changed {
		t.Version++
		if err := moveTable(tx, scope, bucket, base, t, name, j); err != nil {
			return err
		}
		if err := setColumns(tx, t, st.Columns); err != nil {
			return err
		}
		if err := addVersion(tx, scope, t, st, j); err != nil {
			return err
		}
		created := int64(0)
		if base.Location == "" {
			created = 1
		}
		if err := tx.Must(`UPDATE buckets SET tables_count = tables_count + $2, rows_count = rows_count + $3, size_bytes = size_bytes + $4, changed_at = $5 WHERE id = $1`,
			bucket.ID, created, t.Rows-base.Rows, t.Bytes-base.Bytes, tx.Now); err != nil {
			return err
		}
		if err := tenancy.Changed(tx, scope); err != nil {
			return err
		}
	}
	if err := jobs.Uses(tx, j.ID, jobs.TableUse{TableID: t.ID, Write: true, VersionBefore: base.Version, VersionAfter: t.Version}); err != nil {
		return err
	}
	results := map[string]any{
		"rowsInFile": in.total(), "rowsRejected": in.source.Rejected(), "rowsAdded": st.Added, "rowsRemoved": st.Removed, "rowsInTable": st.Rows, "version": t.Version,
		"columnsAdded": orEmpty(st.ColumnsAdded), "columnsDropped": orEmpty(st.ColumnsDropped),
	}
	if err := in.rejects.keep(tx, j, results); err != nil {
		return err
	}
	says := loadSentence(j, t, st, base)
	e := audit.In(scope, "storage."+map[bool]string{true: "tableCreated", false: "tableImported"}[base.Location == ""], "table", j.Table, j.Table)
	e.Type, e.JobID, e.Params, e.Results = audit.Success, j.ID, map[string]any{"fileId": file.ID, "sha256": file.SHA256}, results
	if err := audit.Record(tx, e.Says("%s %s", j.ActorName, says)); err != nil {
		return err
	}
	return run.Complete(tx, jobs.Result{Results: results, Rows: in.rows.Load(), InBytes: file.Bytes, Says: strings.ToUpper(says[:1]) + says[1:]})
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func loadSentence(j jobs.Job, t Table, st *engine.Staged, base Table) string {
	var b strings.Builder
	switch {
	case st.Location == base.Location:
		fmt.Fprintf(&b, "loaded a file without rows into %s: nothing changed", j.Table)
	case base.Location == "":
		fmt.Fprintf(&b, "created table %s with %d rows", j.Table, st.Rows)
	case st.Removed > 0:
		fmt.Fprintf(&b, "replaced the %d rows of %s by %d (version %d to %d)", st.Removed, j.Table, st.Added, base.Version, t.Version)
	default:
		fmt.Fprintf(&b, "added %d rows to %s (version %d to %d)", st.Added, j.Table, base.Version, t.Version)
	}
	if len(st.ColumnsAdded) > 0 && base.Location != "" {
		fmt.Fprintf(&b, ", added columns %s", strings.Join(st.ColumnsAdded, ", "))
	}
	if len(st.ColumnsDropped) > 0 {
		fmt.Fprintf(&b, ", dropped columns %s", strings.Join(st.ColumnsDropped, ", "))
	}
	return b.String() + "."
}

// moveTable is the commit: the pointer moves from the version that the load built on
// to the new one, and only so.
func moveTable(tx *db.Tx, scope access.Project, bucket Bucket, base, t Table, name string, j jobs.Job) error {
	if base.Location == "" {
		id := bucket.TextID + "." + name
		_, err := tx.Exec(`INSERT INTO tables (id, project_id, branch_id, bucket_id, name, text_id, search, description, folder, location, version, rows_count,
			size_bytes, files_count, created_at, created_by, changed_at, changed_by, changed_job_id)
			VALUES ($1, $2, $3, $4, $5, $6, $7, '', $8, $9, $10, $11, $12, $13, $14, $15, $14, $16, $17)`,
			t.ID, scope.ID(), scope.Branch(), bucket.ID, name, id, strings.ToLower(name), t.Folder, t.Location, t.Version, t.Rows, t.Bytes, t.Files,
			tx.Now, db.ZeroNull(j.UserID), j.ActorName, j.ID)
		return err
	}
	n, err := tx.Exec(`UPDATE tables SET location = $3, version = $4, rows_count = $5, size_bytes = $6, files_count = $7, changed_at = $8, changed_by = $9, changed_job_id = $10
		WHERE id = $1 AND location = $2`, t.ID, base.Location, t.Location, t.Version, t.Rows, t.Bytes, t.Files, tx.Now, j.ActorName, j.ID)
	if err == nil && n != 1 {
		err = fault.Newf(fault.Conflict, "storage.tables.moved", "Table %s changed while the file was being loaded. Nothing was changed by this load; start it again.", t.TextID)
	}
	return err
}

func setColumns(tx *db.Tx, t Table, columns []engine.Column) error {
	if _, err := tx.Exec("DELETE FROM table_columns WHERE table_id = $1", t.ID); err != nil {
		return err
	}
	for chunk := range slices.Chunk(slices.Collect(seq(len(columns))), 200) {
		var w strings.Builder
		args := []any{t.ID}
		for _, i := range chunk {
			if len(args) > 1 {
				w.WriteByte(',')
			}
			fmt.Fprintf(&w, "($1, $%d, $%d, $%d)", len(args)+1, len(args)+2, len(args)+3)
			args = append(args, i+1, columns[i].ID, columns[i].Name)
		}
		if _, err := tx.Exec("INSERT INTO table_columns (table_id, position, field_id, name) VALUES "+w.String(), args...); err != nil {
			return err
		}
	}
	return nil
}

func seq(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

func addVersion(tx *db.Tx, scope access.Project, t Table, st *engine.Staged, j jobs.Job) error {
	names := make([]string, len(st.Columns))
	for i, c := range st.Columns {
		names[i] = c.Name
	}
	columns, err := json.Marshal(names)
	if err != nil {
		return fmt.Errorf("storage: columns: %w", err)
	}
	_, err = tx.Exec(`INSERT INTO versions (table_id, number, snapshot_id, schema_id, location, operation, job_id, user_id, token_id, actor_name,
		rows_added, rows_removed, rows_count, size_bytes, columns, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
		t.ID, t.Version, st.SnapshotID, st.SchemaID, st.Location, j.Operation, j.ID, db.ZeroNull(scope.Actor().UserID), db.ZeroNull(scope.TokenID()), j.ActorName,
		st.Added, st.Removed, st.Rows, st.Bytes, string(columns), tx.Now)
	return err
}

// loadFault says what was wrong with a file in words for people.
func loadFault(err error) error {
	var bad *csv.Error
	if errors.As(err, &bad) {
		message := bad.Message
		if bad.Found != "" {
			message += " Found: " + bad.Found
		}
		return fault.Wrap(err, fault.Invalid, "storage.import."+string(bad.Code), message)
	}
	var columns *engine.ColumnsError
	if errors.As(err, &columns) {
		return fault.Newf(fault.Invalid, "storage.import.missingColumns", "The file lacks columns that the table has: %s. The table was not changed.", strings.Join(columns.Missing, ", "))
	}
	return full(err)
}

// jobScope gives the rights that a job's creator has now. NotFound or Forbidden when
// they may not do it any more.
func jobScope(tx *db.Tx, j jobs.Job) (access.Project, error) {
	u, err := userOf(tx, j)
	if err != nil {
		return access.Project{}, err
	}
	scope, err := tenancy.EnterBranch(tx, u, j.Project, j.Branch, access.TablesWrite)
	if err != nil {
		f := fault.Of(err)
		if f == nil {
			return access.Project{}, err
		}
		return access.Project{}, fault.Wrap(err, f.Kind, "storage.jobs.notAllowed", j.ActorName+" may not do this any more: "+f.Message)
	}
	return scope, nil
}

func userOf(tx *db.Tx, j jobs.Job) (access.Actor, error) {
	u, err := accounts.Find(tx, j.UserID)
	if err != nil {
		return access.Actor{}, err
	}
	if u.State != accounts.Active {
		return access.Actor{}, fault.Newf(fault.Forbidden, "storage.jobs.notAllowed", "The account of %s is disabled.", u.Name)
	}
	return u.Actor(), nil
}

// Guard decides whether a storage job may still run: its project is alive and its
// creator may still write tables.
func (s *Service) Guard(tx *db.Tx, j jobs.Job) error {
	_, err := jobScope(tx, j)
	return err
}
