package storage

import (
	"fmt"
	"strings"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
)

// Undone is what undoing a job led to: another job, or a change that is done already.
type Undone struct {
	Job  jobs.Job // zero when it is done
	Says string   // a sentence
}

// Undoable reports whether the actor may try to undo a job, which is about a table: not
// when the job changed nothing, or when the table is not where it left it.
func (s *Service) Undoable(scope access.Project, j jobs.Job, about Subject) bool {
	if j.State != jobs.Success || j.Class != jobs.Storage {
		return false
	}
	p, ok := undoing(j.Operation)
	if !ok || !scope.May(p) {
		return false
	}
	switch {
	case makesVersions(j.Operation):
		return about.Changed && about.State == Here
	case j.Operation == TableDrop:
		return about.State == InTrash
	}
	return true
}

// makesVersions reports whether an operation that changed anything made a version.
func makesVersions(operation string) bool {
	switch operation {
	case TableDrop, BucketDelete, SnapshotCreate, SnapshotDelete:
		return false
	}
	return true
}

// undoing is the permission that undoing an operation takes; ok is false for what
// changes nothing.
func undoing(operation string) (p access.Permission, ok bool) {
	switch operation {
	case TableCreate, TableDefinitionCreate, TableCopy:
		return access.TablesWrite, true
	case TableDrop, BucketDelete:
		return access.TableTrashRestore, true
	case TableImport, TableColumnAdd, TableColumnDelete, TableColumnRename, TableKeyAdd, TableKeyDelete, TableRowsDelete, TableRevert, SnapshotCreate, SnapshotDelete:
		return access.SnapshotsWrite, true
	}
	return "", false
}

// Undo takes back what a finished job did: a table goes back to the version before it,
// one that it made goes to the trash, what it dropped comes back. Conflict when later
// jobs changed the table, which are named, when there is nothing to undo, and when what
// is needed is not kept any more. Forbidden without the right to do so.
func (s *Service) Undo(tx *db.Tx, scope access.Project, id int64) (Undone, error) {
	j, err := s.jobs.Get(tx, scope, id)
	if err != nil {
		return Undone{}, err
	}
	p, ok := undoing(j.Operation)
	if !ok || j.State != jobs.Success {
		return Undone{}, nothingToUndo(id)
	}
	if err := scope.Require(p, false); err != nil {
		return Undone{}, err
	}
	switch j.Operation {
	case TableDrop, BucketDelete:
		return s.undoDrop(tx, scope, j)
	case SnapshotCreate, SnapshotDelete:
		return s.undoSnapshot(tx, scope, j)
	}
	use, err := jobs.Written(tx, j.ID)
	if fault.Is(err, fault.NotFound) {
		return Undone{}, nothingToUndo(id)
	}
	if err != nil {
		return Undone{}, err
	}
	if use.VersionBefore == use.VersionAfter {
		return Undone{}, nothingToUndo(id)
	}
	t, err := s.tableByID(tx, scope, use.TableID)
	if fault.Is(err, fault.NotFound) {
		return Undone{}, fault.Newf(fault.Conflict, "storage.undo.gone", "The table that job %d changed is in the trash, or gone.", id)
	}
	if err != nil {
		return Undone{}, err
	}
	if t.Version != use.VersionAfter {
		return Undone{}, s.overtaken(tx, t, j, use)
	}
	if use.VersionBefore == 0 {
		if _, err := s.writable(tx, scope, access.TablesWrite, t.TextID); err != nil {
			return Undone{}, err
		}
		j, err := s.enqueue(tx, scope, TableDrop, t.TextID, dropParams{t.Version, id}, fmt.Sprintf("undo job %d: drop table %s", id, t.TextID))
		return Undone{Job: j}, err
	}
	if err := s.ownBucket(tx, scope, t.Bucket); err != nil {
		return Undone{}, err
	}
	v, err := version(tx, t.ID, use.VersionBefore)
	if err != nil {
		return Undone{}, err
	}
	if !v.Kept() {
		return Undone{}, RowsGone(v.Number)
	}
	back, err := s.enqueue(tx, scope, TableRevert, t.TextID, revertParams{Version: v.Number, Undo: id, From: t.Version},
		fmt.Sprintf("undo job %d: table %s goes back to version %d", id, t.TextID, v.Number))
	return Undone{Job: back}, err
}

func nothingToUndo(id int64) error {
	return fault.Newf(fault.Conflict, "storage.undo.nothing", "Job %d changed nothing that could be undone.", id)
}

// overtaken says which jobs changed a table after one that is to be undone.
func (s *Service) overtaken(tx *db.Tx, t Table, j jobs.Job, use jobs.TableUse) error {
	later, err := db.All(tx, scanVersion, "SELECT "+versionColumns+" FROM versions WHERE table_id = $1 AND number > $2 ORDER BY number LIMIT 10", t.ID, use.VersionAfter)
	if err != nil {
		return err
	}
	var names []string
	for _, v := range later {
		names = append(names, fmt.Sprintf("job %d of %s (%s, version %d)", v.JobID, v.ActorName, v.Operation, v.Number))
	}
	if n := t.Version - use.VersionAfter; n > int64(len(later)) {
		names = append(names, fmt.Sprintf("and %d more", n-int64(len(later))))
	}
	instead := "drop the table"
	if use.VersionBefore > 0 {
		instead = fmt.Sprintf("revert the table to version %d on its Versions page, if that is still kept", use.VersionBefore)
	}
	return fault.Newf(fault.Conflict, "storage.undo.overtaken", "Job %d cannot be undone by itself, because the table changed after it: %s. Undo those first, or %s.",
		j.ID, strings.Join(names, ", "), instead)
}

func (s *Service) undoDrop(tx *db.Tx, scope access.Project, j jobs.Job) (Undone, error) {
	id, err := db.Value[int64](tx, "SELECT id FROM trash WHERE project_id = $1 AND branch_id = $2 AND job_id = $3 AND with_bucket = 0 AND state = 'held'", scope.ID(), scope.Branch(), j.ID)
	if fault.Is(err, fault.NotFound) {
		return Undone{}, fault.Newf(fault.Conflict, "storage.undo.gone", "What job %d dropped is not in the trash any more.", j.ID)
	}
	if err != nil {
		return Undone{}, err
	}
	x, err := s.Restore(tx, scope, id, "")
	return Undone{Says: fmt.Sprintf("The %s %s is back.", x.Kind, x.TextID)}, err
}

func (s *Service) undoSnapshot(tx *db.Tx, scope access.Project, j jobs.Job) (Undone, error) {
	var r struct {
		Snapshot int64 `json:"snapshotId"`
	}
	if err := decodeResults(j, &r); err != nil {
		return Undone{}, err
	}
	id, err := db.Value[int64](tx, "SELECT table_id FROM snapshots WHERE id = $1", r.Snapshot)
	if err != nil {
		return Undone{}, err
	}
	t, err := s.tableByID(tx, scope, id) // whatever it is called by now
	if fault.Is(err, fault.NotFound) {
		return Undone{}, fault.Newf(fault.Conflict, "storage.undo.gone", "The table of snapshot %d is in the trash, or gone.", r.Snapshot)
	}
	if err != nil {
		return Undone{}, err
	}
	if j.Operation == SnapshotCreate {
		gone, err := s.DeleteSnapshot(tx, scope, t.TextID, r.Snapshot)
		if fault.Is(err, fault.NotFound) {
			err = fault.Newf(fault.Conflict, "storage.snapshots.gone", "Snapshot %d is deleted already.", r.Snapshot)
		}
		return Undone{Job: gone}, err
	}
	return Undone{Says: fmt.Sprintf("Snapshot %d is back.", r.Snapshot)}, s.undelete(tx, scope, t, r.Snapshot)
}
