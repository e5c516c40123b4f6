package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage/engine"
)

// Snapshot is a version of a table that is kept, under a description, until somebody
// deletes it.
type Snapshot struct {
	ID          int64
	Description string
	Version     int64
	SnapshotID  int64 // of the engine
	SchemaID    int64
	Rows        int64
	Bytes       int64
	Columns     []string
	Key         []string
	JobID       int64
	ActorName   string
	UserID      int64 // of the person that the actor is; 0 = a token
	CreatedAt   time.Time
}

// State is the version that the snapshot keeps, as far as it can be read, compared and
// brought back.
func (x Snapshot) State() Version {
	return Version{Number: x.Version, SnapshotID: x.SnapshotID, SchemaID: x.SchemaID, Rows: x.Rows, Bytes: x.Bytes, Columns: x.Columns, Key: x.Key, CreatedAt: x.CreatedAt}
}

// snapshotTextMax is the length of a snapshot's description in characters.
const snapshotTextMax = 500

// SnapshotFilter selects snapshots. Zero fields select all.
type SnapshotFilter struct {
	Before SnapshotCursor
	From   Version // only of this version and later ones
	To     int64   // only of this version and earlier ones
	Limit  int
}

// SnapshotCursor is a place in the list of snapshots; the zero value is its start.
type SnapshotCursor struct {
	At time.Time
	ID int64
}

// Snapshots lists a table's snapshots, the newest first.
func (s *Service) Snapshots(tx *db.Tx, scope access.Project, t Table, f SnapshotFilter) ([]Snapshot, error) {
	if err := scope.Require(access.StorageRead, false); err != nil {
		return nil, err
	}
	var w db.Where
	w.And("table_id = ? AND deleted_at IS NULL", t.ID)
	if !f.Before.At.IsZero() {
		w.And("(created_at, id) < (?, ?)", f.Before.At, f.Before.ID)
	}
	if f.From.Number != 0 { // a snapshot is never older than its version
		w.And("version >= ? AND created_at >= ?", f.From.Number, f.From.CreatedAt)
	}
	if f.To != 0 {
		w.And("version <= ?", f.To)
	}
	return db.All(tx, scanSnapshot, "SELECT "+snapshotColumns+" FROM snapshots WHERE "+w.SQL()+fmt.Sprintf(" ORDER BY created_at DESC, id DESC LIMIT %d", f.Limit), w.Args()...)
}

// Snapshot finds a snapshot of a table. NotFound if there is none with the number.
func (s *Service) Snapshot(tx *db.Tx, scope access.Project, t Table, id int64) (Snapshot, error) {
	if err := scope.Require(access.StorageRead, false); err != nil {
		return Snapshot{}, err
	}
	return db.One(tx, scanSnapshot, "SELECT "+snapshotColumns+" FROM snapshots WHERE table_id = $1 AND id = $2 AND deleted_at IS NULL", t.ID, id)
}

// snapshotParams is work on a snapshot as a job keeps and shows it.
type snapshotParams struct {
	Snapshot    int64  `json:"snapshotId,omitempty"`
	Description string `json:"description"`
}

// CreateSnapshot enqueues the job that keeps a table as it is when the job runs.
func (s *Service) CreateSnapshot(tx *db.Tx, scope access.Project, table, description string) (jobs.Job, error) {
	if _, err := s.writable(tx, scope, access.SnapshotsWrite, table); err != nil {
		return jobs.Job{}, err
	}
	description = strings.TrimSpace(description)
	var c fault.Check
	c.Field(utf8.ValidString(description) && !strings.ContainsRune(description, 0), "description", "Leave out control characters.")
	c.Field(utf8.RuneCountInString(description) <= snapshotTextMax, "description", "Use at most 500 characters.")
	if err := c.Err(); err != nil {
		return jobs.Job{}, err
	}
	return s.enqueue(tx, scope, SnapshotCreate, table, snapshotParams{Description: description}, fmt.Sprintf("make a snapshot of table %s", table))
}

// DeleteSnapshot enqueues the job that deletes a snapshot. Its rows are kept for as long
// as the trash keeps things, so that it can be undone.
func (s *Service) DeleteSnapshot(tx *db.Tx, scope access.Project, table string, id int64) (jobs.Job, error) {
	t, err := s.writable(tx, scope, access.SnapshotsWrite, table)
	if err != nil {
		return jobs.Job{}, err
	}
	sn, err := s.Snapshot(tx, scope, t, id)
	if err != nil {
		return jobs.Job{}, err
	}
	return s.enqueue(tx, scope, SnapshotDelete, table, snapshotParams{id, sn.Description}, fmt.Sprintf("delete snapshot %d of table %s", id, table))
}

// RestoreSnapshot enqueues the job that brings a snapshot back into its table, as a new
// version. from is the version that was current when the person decided: Conflict if
// the table has moved on.
func (s *Service) RestoreSnapshot(tx *db.Tx, scope access.Project, table string, id, from int64) (jobs.Job, error) {
	t, err := s.writable(tx, scope, access.SnapshotsWrite, table)
	if err != nil {
		return jobs.Job{}, err
	}
	if _, err := s.Snapshot(tx, scope, t, id); err != nil {
		return jobs.Job{}, err
	}
	if from != t.Version {
		return jobs.Job{}, moved(t, from)
	}
	return s.enqueue(tx, scope, TableRevert, table, revertParams{Snapshot: id, From: from}, fmt.Sprintf("restore snapshot %d into table %s", id, table))
}

// tag is the name under which a snapshot's rows are pinned in the table's metadata.
func tag(snapshot int64) string { return fmt.Sprintf("snapshot-%d", snapshot) }

// RunSnapshot is the work of making and deleting a snapshot.
func (s *Service) RunSnapshot(ctx context.Context, run *jobs.Run) error {
	var p snapshotParams
	if err := decode(run.Job, &p); err != nil {
		return err
	}
	if run.Job.Operation == SnapshotDelete {
		return s.deleteSnapshot(ctx, run, p)
	}
	var table Table
	var now Version
	var id int64
	err := s.db.Update(ctx, func(tx *db.Tx) error {
		scope, err := jobScope(tx, run.Job)
		if err != nil {
			return err
		}
		if table, err = s.meant(tx, scope, run.Job); err != nil {
			return err
		}
		if now, err = version(tx, table.ID, table.Version); err != nil {
			return err
		}
		id, err = tx.NewID("snapshots")
		return err
	})
	if err != nil {
		return err
	}
	st := unchanged(table)
	if now.SnapshotID != 0 { // a table that never had rows has nothing to pin
		if st, err = s.engine.Pin(ctx, engine.Pin{Folder: table.Folder, Base: table.Location, Name: tag(id), Snapshot: now.SnapshotID}); err != nil {
			return changeFault(table, err)
		}
	}
	return s.relocate(ctx, run, table, st, func(tx *db.Tx, scope access.Project) (jobs.Result, error) {
		return addSnapshot(tx, scope, run, table, now, Snapshot{ID: id, Description: p.Description})
	})
}

// addSnapshot records a snapshot of a table's version, and tells of it.
func addSnapshot(tx *db.Tx, scope access.Project, run *jobs.Run, table Table, now Version, n Snapshot) (jobs.Result, error) {
	columns, err := json.Marshal(now.Columns)
	if err != nil {
		return jobs.Result{}, fmt.Errorf("storage: columns: %w", err)
	}
	key, err := json.Marshal(orEmpty(now.Key))
	if err != nil {
		return jobs.Result{}, fmt.Errorf("storage: key: %w", err)
	}
	_, err = tx.Exec(`INSERT INTO snapshots (id, table_id, description, version, snapshot_id, schema_id, rows_count, size_bytes, columns, primary_key,
		job_id, user_id, token_id, actor_name, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
		n.ID, table.ID, n.Description, now.Number, now.SnapshotID, now.SchemaID, table.Rows, table.Bytes, string(columns), string(key),
		run.Job.ID, db.ZeroNull(scope.Actor().UserID), db.ZeroNull(scope.TokenID()), run.Job.ActorName, later(tx.Now, now.CreatedAt))
	if err != nil {
		return jobs.Result{}, err
	}
	says := fmt.Sprintf("made snapshot %d of table %s, version %d", n.ID, table.TextID, now.Number)
	if n.Description != "" {
		says += fmt.Sprintf(": %s", excerpt(n.Description))
	}
	return told(tx, scope, run, "tableSnapshotCreated", table, says, map[string]any{"snapshotId": n.ID, "version": now.Number, "rowsInTable": table.Rows})
}

func (s *Service) deleteSnapshot(ctx context.Context, run *jobs.Run, p snapshotParams) error {
	return s.flip(ctx, run, func(tx *db.Tx) error {
		scope, err := jobScope(tx, run.Job)
		if err != nil {
			return err
		}
		t, err := s.meant(tx, scope, run.Job)
		if err != nil {
			return err
		}
		sn, err := s.keptSnapshot(tx, scope, t, p.Snapshot)
		if err != nil {
			return err
		}
		if err := tx.Must("UPDATE snapshots SET deleted_at = $2 WHERE id = $1", sn.ID, tx.Now); err != nil {
			return err
		}
		says := fmt.Sprintf("deleted snapshot %d (%s) of table %s", sn.ID, excerpt(sn.Description), t.TextID)
		res, err := told(tx, scope, run, "tableSnapshotDeleted", t, says, map[string]any{"snapshotId": sn.ID})
		if err != nil {
			return err
		}
		return run.Complete(tx, res)
	})
}

// keptSnapshot is Snapshot for a job: one that is not there was, when the job was made.
func (s *Service) keptSnapshot(tx *db.Tx, scope access.Project, t Table, id int64) (Snapshot, error) {
	sn, err := s.Snapshot(tx, scope, t, id)
	if fault.Is(err, fault.NotFound) {
		err = fault.Newf(fault.NotFound, "storage.snapshots.gone", "Snapshot %d of table %s is not there any more.", id, t.TextID)
	}
	return sn, err
}

// undelete brings a deleted snapshot back. Conflict when its rows are not kept any more.
func (s *Service) undelete(tx *db.Tx, scope access.Project, t Table, id int64) error {
	n, err := tx.Exec("UPDATE snapshots SET deleted_at = NULL WHERE id = $1 AND table_id = $2 AND deleted_at IS NOT NULL AND purged_at IS NULL", id, t.ID)
	if err != nil {
		return err
	}
	if n == 0 {
		return fault.Newf(fault.Conflict, "storage.snapshots.gone", "Snapshot %d is there, or its rows are not kept any more.", id)
	}
	e := audit.In(scope, "storage.tableSnapshotUndeleted", "table", t.TextID, t.TextID)
	return audit.Record(tx, e.Says("%s brought the deleted snapshot %d of table %s back.", scope.Actor().Name, id, t.TextID))
}

const snapshotColumns = `id, description, version, snapshot_id, schema_id, rows_count, size_bytes, columns, primary_key, job_id, actor_name, user_id, created_at`

func scanSnapshot(r db.Row) (Snapshot, error) {
	var x Snapshot
	var columns, key string
	err := r.Scan(&x.ID, &x.Description, &x.Version, &x.SnapshotID, &x.SchemaID, &x.Rows, &x.Bytes, &columns, &key, &x.JobID, &x.ActorName, db.Null(&x.UserID), db.Time(&x.CreatedAt))
	if err != nil {
		return x, err
	}
	if err := json.Unmarshal([]byte(columns), &x.Columns); err != nil {
		return x, fmt.Errorf("storage: columns of snapshot %d: %w", x.ID, err)
	}
	if err := json.Unmarshal([]byte(key), &x.Key); err != nil {
		return x, fmt.Errorf("storage: key of snapshot %d: %w", x.ID, err)
	}
	return x, nil
}
