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

// Load says which file goes into which table, and how.
type Load struct {
	File        int64
	Bucket      string // text id
	Table       string // name in the bucket; a new name makes a new table
	Append      bool   // add the rows; otherwise they replace all
	Dialect     csv.Dialect
	SkipBad     bool     // rows that cannot be read are left out; otherwise the first one ends the load
	DropColumns []string // columns of the table that the file lacks and that may go
	Key         []string // the primary key of a new table; others keep theirs
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
	Key            []string `json:"primaryKey,omitempty"`
	AddColumns     []string `json:"addColumns,omitempty"`
	Number         int64    `json:"tableNumber,omitempty"` // of the table that there was
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
		NullsQuoted: d.NullsQuoted, BadRows: stopAtBad, DropColumns: l.DropColumns, AddColumns: l.AddColumns, Key: l.Key}
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
		DropColumns: p.DropColumns, AddColumns: p.AddColumns, Key: p.Key}, nil
}

// Plan is what a load would do to a table's columns.
type Plan struct {
	Exists  bool
	Table   Table
	New     []string // columns of the file that the table lacks
	Missing []string // columns of the table that the file lacks
	Key     []string // the table's primary key
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
	p.Exists, p.Table, p.Key = true, t, KeyOf(columns)
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
// name or options, NotFound for a bucket or file that is not there and for a file whose
// time is over, Forbidden without the right to write tables.
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
	if err := f.usable(tx.Now); err != nil {
		return jobs.Job{}, err
	}
	id := l.Bucket + "." + l.Table
	operation, verb, params := TableCreate, "new table", l.params(f)
	if t, err := s.Table(tx, scope, id); err == nil {
		operation, verb, params.Number = TableImport, "table", t.ID
	} else if !fault.Is(err, fault.NotFound) {
		return jobs.Job{}, err
	}
	j, err := s.jobs.Enqueue(tx, jobs.Spec{
		Class: jobs.Storage, Operation: operation, Scope: scope, Priority: weight(f.Bytes), SerialKey: serialKey(scope.Branch(), id),
		Params: params, Table: id, FileID: f.ID, BytesTotal: f.Bytes,
	})
	if err != nil {
		return jobs.Job{}, err
	}
	e := audit.In(scope, "storage.loadStarted", "table", id, id)
	e.JobID = j.ID
	return j, audit.Record(tx, e.Says("%s started job %d: load file %d (%s) into %s %s.", scope.Actor().Name, j.ID, f.ID, f.Name, verb, id))
}

// StartCheck enqueues the job that reads a whole file as a load would, and changes
// nothing. Its errors are those of StartLoad about the options and the file; neither the
// bucket nor the table need be there.
func (s *Service) StartCheck(tx *db.Tx, scope access.Project, l Load) (jobs.Job, error) {
	if err := l.check(scope); err != nil {
		return jobs.Job{}, err
	}
	f, err := s.File(tx, scope, l.File)
	if err != nil {
		return jobs.Job{}, err
	}
	j, err := s.jobs.Enqueue(tx, jobs.Spec{Class: jobs.Storage, Operation: FileCheck, Scope: scope, Priority: weight(f.Bytes), Params: l.params(f), FileID: f.ID, BytesTotal: f.Bytes})
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
	c.Field(len(l.Key) <= keyMax, "key", "A primary key has at most 32 columns.")
	nulls := csv.DefaultDialect()
	nulls.Nulls = l.Dialect.Nulls
	c.Field(nulls.Validate() == nil, "nulls", complaint(nulls.Validate()))
	l.Dialect.Nulls = ""
	c.Field(l.Dialect.Validate() == nil, "delimiter", complaint(l.Dialect.Validate()))
	return c.Err()
}

// complaint is what a *csv.Error says to people.
func complaint(err error) string {
	var bad *csv.Error
	if errors.As(err, &bad) {
		return bad.Message
	}
	return ""
}

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
		scope   access.Project
		file    File
		table   Table
		columns []Column
	)
	err := s.db.Update(ctx, func(tx *db.Tx) error {
		var err error
		if scope, err = jobScope(tx, j); err != nil {
			return err
		}
		if file, err = s.File(tx, scope, p.FileID); err != nil {
			return err
		}
		table, err = s.meant(tx, scope, j)
		if fault.Is(err, fault.NotFound) && p.Number == 0 {
			if table.ID, err = tx.NewID("tables"); err != nil {
				return err
			}
			table.Folder = fmt.Sprintf("tables/%d", table.ID)
			return nil
		}
		if err != nil {
			return err
		}
		columns, err = s.Columns(tx, table)
		return err
	})
	if err != nil {
		return err
	}
	key := p.Key
	if len(columns) > 0 {
		if key = KeyOf(columns); p.Number == 0 && len(p.Key) > 0 && !slices.Equal(key, p.Key) {
			return fault.Newf(fault.Conflict, "storage.import.key", "Table %s was made meanwhile, with another primary key. Nothing was changed.", j.Table)
		}
	}
	staged, in, err := s.stage(ctx, run, p, file, table, columns, key)
	if err != nil {
		return s.leaveRejects(ctx, run, p, file, in, err)
	}
	err = s.flip(ctx, run, func(tx *db.Tx) error { return s.commitLoad(tx, run, p, file, table, staged, key, in) })
	if err != nil && !db.Uncertain(err) {
		err = errors.Join(err, s.engine.Discard(context.WithoutCancel(ctx), staged), in.rejects.discard(ctx))
	}
	return err
}

func (s *Service) stage(ctx context.Context, run *jobs.Run, p loadParams, file File, table Table, columns []Column, key []string) (*engine.Staged, *intake, error) {
	in, err := s.take(ctx, run, p, file, p.BadRows == skipBad)
	if err != nil {
		return nil, in, err
	}
	defer in.close()
	for _, name := range key {
		if !slices.Contains(in.source.Header(), name) {
			return nil, in, fault.Newf(fault.Invalid, "storage.import.missingKey", "The file lacks column %q of the primary key. The table was not changed.", excerpt(name))
		}
	}
	if unasked := p.unasked(in.source.Header(), columns); len(unasked) > 0 {
		return nil, in, fault.Newf(fault.Conflict, "storage.import.newColumns", "Table %s does not have all columns of the file any more, and nobody agreed to add these: %s. The table was not changed.",
			table.TextID, excerpt(strings.Join(unasked, ", ")))
	}
	mode := engine.Full
	if p.Incremental {
		mode = engine.Append
	}
	staged, err := s.engine.Load(ctx, engine.Load{
		Folder: table.Folder, Base: table.Location, Mode: mode, Key: key, Source: in.source, Job: run.Job.ID, Time: later(s.db.Now(), table.ChangedAt), DropColumns: p.DropColumns,
		Progress: func(n, _ int64) { in.rows.Store(n) },
	})
	if err != nil {
		return nil, in, err
	}
	if err := in.finish(ctx, run); err != nil {
		return nil, in, errors.Join(err, s.engine.Discard(context.WithoutCancel(ctx), staged))
	}
	return staged, in, nil
}

// unasked are the columns of a file that a table lacks and that nobody agreed to add.
// There is no such agreement about a table that is new.
func (p loadParams) unasked(header []string, columns []Column) (names []string) {
	for _, name := range header {
		if len(columns) > 0 && !hasColumn(columns, name) && !slices.Contains(p.AddColumns, name) {
			names = append(names, name)
		}
	}
	return names
}

// commitLoad makes a staged load current: the table's row, its columns, its version, the
// bucket's sums, the event and the end of the job, all or none.
func (s *Service) commitLoad(tx *db.Tx, run *jobs.Run, p loadParams, file File, base Table, st *engine.Staged, key []string, in *intake) error {
	j := run.Job
	scope, err := jobScope(tx, j)
	if err != nil {
		return err
	}
	t, err := s.move(tx, scope, move{job: j, base: base, staged: st, key: key})
	if err != nil {
		return err
	}
	if err := jobs.Uses(tx, j.ID, jobs.TableUse{TableID: t.ID, Write: true, VersionBefore: base.Version, VersionAfter: t.Version}); err != nil {
		return err
	}
	results := map[string]any{
		"rowsInFile": in.total(), "rowsRejected": in.source.Rejected(), "rowsAdded": st.Added - st.Updated, "rowsChanged": st.Updated, "rowsUnchanged": st.Unchanged, "rowsRemoved": st.Removed - st.Updated,
		"duplicateRows": st.Duplicates, "rowsInTable": st.Rows, "version": t.Version,
		"columnsAdded": orEmpty(st.ColumnsAdded), "columnsDropped": orEmpty(st.ColumnsDropped),
	}
	if err := in.rejects.keep(tx, j, results); err != nil {
		return err
	}
	says := loadSentence(j, t, st, base, p.Incremental, len(key) > 0)
	e := audit.In(scope, "storage."+map[bool]string{true: "tableCreated", false: "tableImported"}[base.Location == ""], "table", j.Table, j.Table)
	e.Type, e.JobID, e.Params, e.Results = audit.Success, j.ID, map[string]any{"fileId": file.ID, "sha256": file.SHA256}, results
	if err := audit.Record(tx, e.Says("%s %s", j.ActorName, says)); err != nil {
		return err
	}
	return run.Complete(tx, jobs.Result{Results: results, Rows: in.rows.Load(), InBytes: file.Bytes, Says: strings.ToUpper(says[:1]) + says[1:]})
}

// loadSentence says what a load did: it added rows, or by a key, or replaced all.
func loadSentence(j jobs.Job, t Table, st *engine.Staged, base Table, added, keyed bool) string {
	var b strings.Builder
	switch {
	case st.Location == base.Location && st.Unchanged > 0:
		fmt.Fprintf(&b, "loaded a file into %s that changed nothing: its %d rows are there as they are", j.Table, st.Unchanged)
	case st.Location == base.Location:
		fmt.Fprintf(&b, "loaded a file without rows into %s: nothing changed", j.Table)
	case base.Location == "":
		fmt.Fprintf(&b, "created table %s with %d rows", j.Table, st.Rows)
	case added && keyed:
		fmt.Fprintf(&b, "loaded into %s by its primary key: %d rows inserted, %d changed, %d unchanged (version %d to %d)", j.Table, st.Inserted, st.Updated, st.Unchanged, base.Version, t.Version)
	case !added:
		fmt.Fprintf(&b, "replaced the %d rows of %s by %d (version %d to %d)", base.Rows, j.Table, st.Rows, base.Version, t.Version)
	default:
		fmt.Fprintf(&b, "added %d rows to %s (version %d to %d)", st.Added, j.Table, base.Version, t.Version)
	}
	if st.Duplicates > 0 {
		fmt.Fprintf(&b, ", %d rows of the file were replaced by later ones with the same key", st.Duplicates)
	}
	if len(st.ColumnsAdded) > 0 && base.Location != "" {
		fmt.Fprintf(&b, ", added columns %s", strings.Join(st.ColumnsAdded, ", "))
	}
	if len(st.ColumnsDropped) > 0 {
		fmt.Fprintf(&b, ", dropped columns %s", strings.Join(st.ColumnsDropped, ", "))
	}
	return b.String() + "."
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
	scope, err := tenancy.EnterBranch(tx, u, j.Project, j.Branch, Needs(j.Operation))
	if err != nil {
		f := fault.Of(err)
		if f == nil {
			return access.Project{}, err
		}
		return access.Project{}, fault.Wrap(err, f.Kind, "storage.jobs.notAllowed", j.ActorName+" may not do this any more: "+lost(f))
	}
	return scope, nil
}

// lost is a refusal to somebody as others are told of it: whoever reads of a job may be anybody.
func lost(f *fault.Error) string {
	switch f.Code {
	case "access.role", "access.visitor":
		return "their role in the project does not let them."
	case "notFound", access.JoinFirst, tenancy.AskFirst, tenancy.Invited:
		return "they are not in the project any more."
	}
	return f.Message
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
// creator may still do what it does.
func (s *Service) Guard(tx *db.Tx, j jobs.Job) error {
	_, err := jobScope(tx, j)
	return err
}
