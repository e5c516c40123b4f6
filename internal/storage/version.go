package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage/engine"
)

// Version is a state that a table had: its rows, columns and primary key. Versions are
// numbered from 1; the highest is the table as it is.
type Version struct {
	Number     int64
	SnapshotID int64 // of the engine
	SchemaID   int64
	Operation  string
	JobID      int64
	ActorName  string
	UserID     int64 // of the person that the actor is; 0 = a token
	Added      int64 // rows that this version has and the one before had not
	Changed    int64 // rows of the same key with other cells
	Removed    int64
	Rows       int64
	Bytes      int64
	Columns    []string
	Key        []string
	Source     int64 // the version that this one brought back, or 0
	CreatedAt  time.Time
	ExpiredAt  time.Time // zero as long as its rows are kept
}

// Kept reports whether the version's rows are still there.
func (v Version) Kept() bool { return v.ExpiredAt.IsZero() }

// VersionFilter selects versions. Zero fields select all.
type VersionFilter struct {
	Before int64 // only lower numbers
	Limit  int
}

// Versions lists a table's versions, the newest first.
func (s *Service) Versions(tx *db.Tx, scope access.Project, t Table, f VersionFilter) ([]Version, error) {
	if err := scope.Require(access.StorageRead, false); err != nil {
		return nil, err
	}
	var w db.Where
	w.And("table_id = ?", t.ID)
	if f.Before != 0 {
		w.And("number < ?", f.Before)
	}
	return db.All(tx, scanVersion, "SELECT "+versionColumns+" FROM versions WHERE "+w.SQL()+fmt.Sprintf(" ORDER BY number DESC LIMIT %d", f.Limit), w.Args()...)
}

// Version finds a version of a table. NotFound if there is none with the number.
func (s *Service) Version(tx *db.Tx, scope access.Project, t Table, number int64) (Version, error) {
	if err := scope.Require(access.StorageRead, false); err != nil {
		return Version{}, err
	}
	return version(tx, t.ID, number)
}

// VersionAndNow finds a version of a table and the current one. NotFound if there is
// none with the number.
func (s *Service) VersionAndNow(tx *db.Tx, scope access.Project, t Table, number int64) (v, now Version, err error) {
	if err := scope.Require(access.StorageRead, false); err != nil {
		return v, now, err
	}
	both, err := db.All(tx, scanVersion, "SELECT "+versionColumns+" FROM versions WHERE table_id = $1 AND number IN ($2, $3) ORDER BY number", t.ID, number, t.Version)
	if err != nil {
		return v, now, err
	}
	if len(both) == 0 || both[0].Number != number || both[len(both)-1].Number != t.Version {
		return v, now, fault.New(fault.NotFound, "notFound", "Not found.")
	}
	return both[0], both[len(both)-1], nil
}

func version(tx *db.Tx, table, number int64) (Version, error) {
	return db.One(tx, scanVersion, "SELECT "+versionColumns+" FROM versions WHERE table_id = $1 AND number = $2", table, number)
}

// ViewVersion opens a version for reading. The caller closes it. Conflict when its rows
// are not kept any more.
func (s *Service) ViewVersion(ctx context.Context, scope access.Project, t Table, v Version) (*engine.View, error) {
	if err := scope.Require(access.StorageRead, false); err != nil {
		return nil, err
	}
	if !v.Kept() {
		return nil, RowsGone(v.Number)
	}
	view, err := s.engine.OpenVersion(ctx, t.Location, v.SnapshotID, int(v.SchemaID))
	if err != nil {
		return nil, changeFault(t, err)
	}
	return view, nil
}

// RowsGone says that a version is there, but not its rows.
func RowsGone(version int64) error {
	return fault.Newf(fault.Conflict, "storage.versions.gone", "The rows of version %d are not kept any more.", version)
}

// Compare tells how a table's version differs from another one, with up to sample rows
// of each kind: by the primary key when both have the same, otherwise as whole rows.
func (s *Service) Compare(ctx context.Context, scope access.Project, t Table, before, after Version, sample int) (*engine.Difference, error) {
	old, err := s.ViewVersion(ctx, scope, t, before)
	if err != nil {
		return nil, err
	}
	defer func() { _ = old.Close() }()
	now, err := s.ViewVersion(ctx, scope, t, after)
	if err != nil {
		return nil, err
	}
	defer func() { _ = now.Close() }()
	c := engine.Comparison{Before: old, After: now, Sample: sample}
	if slices.Equal(keyIDs(old, before.Key), keyIDs(now, after.Key)) { // whatever the columns are called
		c.Key = after.Key
	}
	d, err := s.engine.Compare(ctx, c)
	if err != nil {
		return nil, changeFault(t, err)
	}
	s.reads.Note(ctx, audit.In(scope, "storage.versionsCompared", "table", t.TextID, t.TextID).
		Says("%s compared versions %d and %d of table %s.", scope.Actor().Name, before.Number, after.Number, t.TextID))
	return d, nil
}

// keyIDs are the numbers of a key's columns, which stay when they are renamed.
func keyIDs(v *engine.View, key []string) (ids []int) {
	for _, name := range key {
		for _, c := range v.Columns() {
			if c.Name == name {
				ids = append(ids, c.ID)
			}
		}
	}
	return ids
}

// revertParams is a revert as a job keeps and shows it.
type revertParams struct {
	Version  int64 `json:"version"`
	Snapshot int64 `json:"snapshotId,omitempty"`
	Undo     int64 `json:"undoOfJob,omitempty"`
	// From is the version that was current when the person decided.
	From int64 `json:"fromVersion"`
}

// Revert enqueues the job that brings a version back, as a new version. from is the
// version that was current when the person decided: Conflict if the table has moved on,
// or if the version's rows are not kept any more; NotFound if there is no such version;
// Forbidden without the right to write snapshots.
func (s *Service) Revert(tx *db.Tx, scope access.Project, table string, number, from int64) (jobs.Job, error) {
	t, err := s.writable(tx, scope, access.SnapshotsWrite, table)
	if err != nil {
		return jobs.Job{}, err
	}
	v, err := version(tx, t.ID, number)
	if err != nil {
		return jobs.Job{}, err
	}
	switch {
	case !v.Kept():
		return jobs.Job{}, RowsGone(number)
	case number == t.Version:
		return jobs.Job{}, fault.Newf(fault.Conflict, "storage.versions.current", "Table %s is at version %d already.", table, number)
	case from != t.Version:
		return jobs.Job{}, moved(t, from)
	}
	return s.enqueue(tx, scope, TableRevert, table, revertParams{Version: number, From: from}, fmt.Sprintf("revert table %s to version %d", table, number))
}

// moved says that a table is not as a person saw it when they decided.
func moved(t Table, from int64) error {
	return fault.Newf(fault.Conflict, "storage.tables.moved", "Table %s is at version %d now, no longer at %d. Look at what would change again.", t.TextID, t.Version, from)
}

// RunRevert is the work of a revert, to a version or to a snapshot.
func (s *Service) RunRevert(ctx context.Context, run *jobs.Run) error {
	var p revertParams
	if err := decode(run.Job, &p); err != nil {
		return err
	}
	var to Version
	err := s.db.View(ctx, func(tx *db.Tx) error {
		scope, err := jobScope(tx, run.Job)
		if err != nil {
			return err
		}
		t, err := s.meant(tx, scope, run.Job)
		if err != nil {
			return err
		}
		if p.From != t.Version {
			return moved(t, p.From)
		}
		if p.Snapshot != 0 {
			sn, err := s.keptSnapshot(tx, scope, t, p.Snapshot)
			to = sn.State()
			return err
		}
		to, err = version(tx, t.ID, p.Version)
		return err
	})
	if err != nil {
		return err
	}
	return change{
		stage: func(ctx context.Context, t Table) (*engine.Staged, error) {
			if !to.Kept() {
				return nil, RowsGone(to.Number)
			}
			st, err := s.engine.Restore(ctx, engine.Restore{Folder: t.Folder, Base: t.Location, Snapshot: to.SnapshotID, Schema: int(to.SchemaID), Job: run.Job.ID})
			if err == nil { // as a replacement of all rows: what they have in common is told by a comparison
				st.Added, st.Removed = st.Rows, t.Rows
			}
			return st, err
		},
		key:    func([]Column, []engine.Column) []string { return to.Key },
		source: to.Number,
		event:  "tableReverted",
		says: func(_, after Table, _ *engine.Staged) string {
			switch {
			case p.Undo != 0:
				return fmt.Sprintf("undid job %d: table %s is again as it was in version %d", p.Undo, after.TextID, to.Number)
			case p.Snapshot != 0:
				return fmt.Sprintf("restored snapshot %d into table %s", p.Snapshot, after.TextID)
			}
			return fmt.Sprintf("reverted table %s to version %d", after.TextID, to.Number)
		},
		results: map[string]any{"revertedTo": to.Number},
	}.run(ctx, s, run)
}

// copyParams is a copy as a job keeps and shows it.
type copyParams struct {
	SourceTable string `json:"sourceTableId"`
	Number      int64  `json:"sourceTableNumber"` // another table may get its name
	Version     int64  `json:"version,omitempty"`
	Snapshot    int64  `json:"snapshotId,omitempty"`
	Bucket      string `json:"bucket"`
	Table       string `json:"name"`
}

// Source is a version or a snapshot of a table, to be copied: one of the two is set.
type Source struct {
	Table    string
	Version  int64
	Snapshot int64
}

// Copy enqueues the job that makes a new table of a version or a snapshot. Its rows
// keep where they came from, and the two tables live on independently. Invalid for a
// bad name, Conflict for one that is taken or rows that are not kept any more.
func (s *Service) Copy(tx *db.Tx, scope access.Project, from Source, bucket, name string) (jobs.Job, error) {
	if err := scope.Require(access.SnapshotsWrite, false); err != nil {
		return jobs.Job{}, err
	}
	if err := CheckName("table", name); err != nil {
		return jobs.Job{}, err
	}
	t, _, err := s.source(tx, scope, from)
	if err != nil {
		return jobs.Job{}, err
	}
	if err := s.free(tx, scope, bucket, name); err != nil {
		return jobs.Job{}, err
	}
	id := bucket + "." + name
	what := fmt.Sprintf("version %d", from.Version)
	if from.Snapshot != 0 {
		what = fmt.Sprintf("snapshot %d", from.Snapshot)
	}
	return s.enqueue(tx, scope, TableCopy, id, copyParams{from.Table, t.ID, from.Version, from.Snapshot, bucket, name}, fmt.Sprintf("copy %s of table %s to %s", what, from.Table, id))
}

// free is Conflict unless a bucket may be written to and has no table of a name.
func (s *Service) free(tx *db.Tx, scope access.Project, bucket, name string) error {
	if err := s.ownBucket(tx, scope, bucket); err != nil {
		if fault.Is(err, fault.NotFound) {
			return &fault.Error{Kind: fault.Invalid, Code: "storage.buckets.notFound", Message: "There is no such bucket.",
				Fields: []fault.Field{{Name: "bucket", Message: "There is no such bucket. Choose another one."}}}
		}
		return err
	}
	_, err := s.Table(tx, scope, bucket+"."+name)
	if err == nil {
		message := fmt.Sprintf("There is a table %s.%s already. Choose another name.", bucket, name)
		return &fault.Error{Kind: fault.Conflict, Code: "storage.tables.alreadyExists", Message: message, Fields: []fault.Field{{Name: "table", Message: message}}}
	}
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// source finds what is to be copied.
func (s *Service) source(tx *db.Tx, scope access.Project, from Source) (Table, Version, error) {
	t, err := s.Table(tx, scope, from.Table)
	if err != nil {
		return t, Version{}, err
	}
	if from.Snapshot != 0 {
		sn, err := s.Snapshot(tx, scope, t, from.Snapshot)
		return t, sn.State(), err
	}
	v, err := version(tx, t.ID, from.Version)
	if err == nil && !v.Kept() {
		err = RowsGone(from.Version)
	}
	return t, v, err
}

// RunCopy is the work of a copy.
func (s *Service) RunCopy(ctx context.Context, run *jobs.Run) error {
	var p copyParams
	if err := decode(run.Job, &p); err != nil {
		return err
	}
	var from Table
	var v Version
	err := s.db.View(ctx, func(tx *db.Tx) error {
		scope, err := jobScope(tx, run.Job)
		if err != nil {
			return err
		}
		from, v, err = s.source(tx, scope, Source{p.SourceTable, p.Version, p.Snapshot})
		if err == nil && from.ID != p.Number {
			err = fault.New(fault.NotFound, "notFound", "Not found.")
		}
		return missing(p.SourceTable, err)
	})
	if err != nil {
		return err
	}
	n := creation{
		stage: func(ctx context.Context, folder string) (*engine.Staged, error) {
			return s.engine.Copy(ctx, engine.Copy{Location: from.Location, Snapshot: v.SnapshotID, Schema: int(v.SchemaID), Folder: folder, Job: run.Job.ID})
		},
		key: v.Key, description: from.Description, event: "tableCopied",
		says: func(t Table) string {
			if p.Snapshot != 0 {
				return fmt.Sprintf("made table %s of snapshot %d of %s, with %d rows", t.TextID, p.Snapshot, p.SourceTable, t.Rows)
			}
			return fmt.Sprintf("made table %s of version %d of %s, with %d rows", t.TextID, p.Version, p.SourceTable, t.Rows)
		},
		reads: jobs.TableUse{TableID: from.ID, VersionBefore: v.Number, VersionAfter: v.Number},
	}
	return n.run(ctx, s, run)
}

const versionColumns = `number, snapshot_id, schema_id, operation, job_id, actor_name, user_id, rows_added, rows_changed, rows_removed, rows_count, size_bytes,
	columns, primary_key, source, created_at, expired_at`

func scanVersion(r db.Row) (Version, error) {
	var v Version
	var columns, key string
	err := r.Scan(&v.Number, &v.SnapshotID, &v.SchemaID, &v.Operation, &v.JobID, &v.ActorName, db.Null(&v.UserID), &v.Added, &v.Changed, &v.Removed, &v.Rows, &v.Bytes,
		&columns, &key, &v.Source, db.Time(&v.CreatedAt), db.Time(&v.ExpiredAt))
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal([]byte(columns), &v.Columns); err != nil {
		return v, fmt.Errorf("storage: columns of version %d: %w", v.Number, err)
	}
	if err := json.Unmarshal([]byte(key), &v.Key); err != nil {
		return v, fmt.Errorf("storage: key of version %d: %w", v.Number, err)
	}
	return v, nil
}
