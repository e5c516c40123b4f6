package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage/engine"
	"steward/internal/tenancy"
)

// Trashed is a table or bucket that was dropped and can be restored for a while.
type Trashed struct {
	ID        int64
	Kind      string // table or bucket
	Object    int64  // of the table or bucket
	TextID    string // as it was
	With      int64  // the trashed bucket that a table went with, or 0
	Tables    int64
	Rows      int64
	Bytes     int64
	JobID     int64
	ActorName string
	DeletedAt time.Time
	ExpiresAt time.Time
}

// DropTable enqueues the job that moves a table to the trash.
func (s *Service) DropTable(tx *db.Tx, scope access.Project, table string) (jobs.Job, error) {
	if _, err := s.writable(tx, scope, access.TablesWrite, table); err != nil {
		return jobs.Job{}, err
	}
	return s.enqueue(tx, scope, TableDrop, table, dropParams{}, fmt.Sprintf("drop table %s", table))
}

// dropParams is a drop as a job keeps it.
type dropParams struct {
	From int64 `json:"fromVersion,omitempty"` // the only version that may be dropped; 0 = any
	Undo int64 `json:"undoOfJob,omitempty"`
}

// RunDrop is the work of dropping a table: it goes to the trash as it is.
func (s *Service) RunDrop(ctx context.Context, run *jobs.Run) error {
	var p dropParams
	if err := decode(run.Job, &p); err != nil {
		return err
	}
	return s.flip(ctx, run, func(tx *db.Tx) error {
		scope, err := jobScope(tx, run.Job)
		if err != nil {
			return err
		}
		t, err := s.meant(tx, scope, run.Job)
		if err != nil {
			return err
		}
		if p.From != 0 && p.From != t.Version {
			return moved(t, p.From)
		}
		until, err := s.keptUntil(tx, scope)
		if err != nil {
			return err
		}
		id, err := s.toTrash(tx, scope, run.Job, t, 0, until)
		if err != nil {
			return err
		}
		if err := addToBucket(tx, t.BucketID, -1, -t.Rows, -t.Bytes); err != nil {
			return err
		}
		if err := jobs.Uses(tx, run.Job.ID, jobs.TableUse{TableID: t.ID, Write: true, VersionBefore: t.Version, VersionAfter: t.Version}); err != nil {
			return err
		}
		if err := tenancy.Changed(tx, scope); err != nil {
			return err
		}
		says := fmt.Sprintf("dropped table %s with %d rows; the trash keeps it until %s", t.TextID, t.Rows, until.Format("2 January 2006"))
		res, err := told(tx, scope, run, "tableDropped", t, says, map[string]any{"trashId": id, "rows": t.Rows, "version": t.Version})
		if err != nil {
			return err
		}
		return run.Complete(tx, res)
	})
}

// keptUntil is how long the trash keeps what is dropped now.
func (s *Service) keptUntil(tx *db.Tx, scope access.Project) (time.Time, error) {
	days, err := db.Value[int64](tx, "SELECT retention_days FROM projects WHERE id = $1", scope.ID())
	return tx.Now.Add(time.Duration(days) * 24 * time.Hour), err
}

// toTrash moves a table to the trash and gives the trash row's id.
func (s *Service) toTrash(tx *db.Tx, scope access.Project, j jobs.Job, t Table, with int64, until time.Time) (int64, error) {
	hidden := hiddenName(t.Name, t.ID)
	err := tx.Must("UPDATE tables SET name = $2, text_id = $3, deleted_at = $4 WHERE id = $1 AND deleted_at IS NULL", t.ID, hidden, t.Bucket+"."+hidden, tx.Now)
	if err != nil {
		return 0, err
	}
	return addTrash(tx, scope, j, Trashed{Kind: "table", Object: t.ID, TextID: t.TextID, With: with, Tables: 1, Rows: t.Rows, Bytes: t.Bytes, ExpiresAt: until})
}

// hiddenName is a name that no one can type, because ~ is not among the characters of names.
func hiddenName(name string, id int64) string { return fmt.Sprintf("%s~%d", name, id) }

func addTrash(tx *db.Tx, scope access.Project, j jobs.Job, x Trashed) (int64, error) {
	id, err := tx.NewID("trash")
	if err != nil {
		return 0, err
	}
	_, err = tx.Exec(`INSERT INTO trash (id, project_id, branch_id, kind, object_id, text_id, with_bucket, tables_count, rows_count, size_bytes, job_id, user_id,
		actor_name, deleted_at, expires_at, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 'held')`,
		id, scope.ID(), scope.Branch(), x.Kind, x.Object, x.TextID, x.With, x.Tables, x.Rows, x.Bytes, j.ID, db.ZeroNull(j.UserID), j.ActorName, tx.Now, x.ExpiresAt)
	return id, err
}

// DeleteBucket enqueues the job that moves a bucket with all its tables to the trash.
// tables is how many it had when the person decided: Conflict when it has others now.
func (s *Service) DeleteBucket(tx *db.Tx, scope access.Project, bucket string, tables int64) (jobs.Job, error) {
	if err := scope.Require(access.BucketsWrite, false); err != nil {
		return jobs.Job{}, err
	}
	b, err := s.Bucket(tx, scope, bucket)
	if err != nil {
		return jobs.Job{}, err
	}
	if b.Tables != tables {
		return jobs.Job{}, fault.Newf(fault.Conflict, "storage.buckets.changed", "Bucket %s has %d tables now, no longer %d. Look again at what would go.", bucket, b.Tables, tables)
	}
	j, err := s.jobs.Enqueue(tx, jobs.Spec{
		Class: jobs.Storage, Operation: BucketDelete, Scope: scope, Priority: jobs.Person, SerialKey: fmt.Sprintf("bucket:%d:%s", scope.Branch(), bucket), Params: map[string]any{"bucket": bucket, "force": tables > 0, "tables": tables},
	})
	if err != nil {
		return jobs.Job{}, err
	}
	e := audit.In(scope, "storage.bucketDeleteStarted", "bucket", bucket, bucket)
	e.JobID = j.ID
	return j, audit.Record(tx, e.Says("%s started job %d: delete bucket %s with its %d tables.", scope.Actor().Name, j.ID, bucket, tables))
}

// RunDeleteBucket is the work of deleting a bucket: it goes to the trash with its tables,
// none of which may be changing at that moment.
func (s *Service) RunDeleteBucket(ctx context.Context, run *jobs.Run) error {
	var p struct {
		Bucket string `json:"bucket"`
		Tables int64  `json:"tables"`
	}
	if err := decode(run.Job, &p); err != nil {
		return err
	}
	return s.flip(ctx, run, func(tx *db.Tx) error {
		scope, err := jobScope(tx, run.Job)
		if err != nil {
			return err
		}
		b, err := s.Bucket(tx, scope, p.Bucket)
		if err != nil {
			return err
		}
		// First, so that whoever would bring a table into the bucket waits, and then finds
		// it gone.
		hidden := hiddenName(b.TextID, b.ID)
		if err := tx.Must("UPDATE buckets SET text_id = $2, deleted_at = $3 WHERE id = $1 AND deleted_at IS NULL", b.ID, hidden, tx.Now); err != nil {
			return err
		}
		if err := s.quiet(tx, scope, b); err != nil {
			return err
		}
		if b, err = anyBucket(tx, b.ID, b.TextID); err != nil {
			return err
		}
		if p.Tables != b.Tables {
			return fault.Newf(fault.Conflict, "storage.buckets.changed", "Bucket %s has %d tables now, no longer %d. Look again at what would go.", p.Bucket, b.Tables, p.Tables)
		}
		until, err := s.keptUntil(tx, scope)
		if err != nil {
			return err
		}
		id, err := addTrash(tx, scope, run.Job, Trashed{Kind: "bucket", Object: b.ID, TextID: b.TextID, Tables: b.Tables, Rows: b.Rows, Bytes: b.Bytes, ExpiresAt: until})
		if err != nil {
			return err
		}
		if err := s.allToTrash(tx, scope, run.Job, b, id, until); err != nil {
			return err
		}
		if err := tenancy.Changed(tx, scope); err != nil {
			return err
		}
		results := map[string]any{"trashId": id, "tables": b.Tables, "rows": b.Rows}
		says := fmt.Sprintf("deleted bucket %s with %d tables and %d rows; the trash keeps it until %s", b.TextID, b.Tables, b.Rows, until.Format("2 January 2006"))
		e := audit.In(scope, "storage.bucketDeleted", "bucket", b.TextID, b.TextID)
		e.Type, e.JobID, e.Results = audit.Success, run.Job.ID, results
		if err := audit.Record(tx, e.Says("%s %s.", run.Job.ActorName, says)); err != nil {
			return err
		}
		return run.Complete(tx, jobs.Result{Results: results, Says: sentence(says)})
	})
}

// anyBucket is a bucket as it is now, under the name that it had.
func anyBucket(tx *db.Tx, id int64, name string) (Bucket, error) {
	b, err := db.One(tx, scanBucket, "SELECT "+bucketColumns+" WHERE b.id = $1", id)
	b.TextID = name
	return b, err
}

// allToTrash moves the tables of a bucket to the trash.
func (s *Service) allToTrash(tx *db.Tx, scope access.Project, j jobs.Job, b Bucket, with int64, until time.Time) error {
	for after := ""; ; {
		tables, err := db.All(tx, scanTable, "SELECT "+tableColumns+" WHERE b.id = $1 AND t.bucket_id = $1 AND t.deleted_at IS NULL AND t.name > $2 ORDER BY t.name LIMIT 1000", b.ID, after)
		if err != nil || len(tables) == 0 {
			return err
		}
		for _, t := range tables {
			t.Bucket, t.TextID = b.TextID, b.TextID+"."+t.Name
			if _, err := s.toTrash(tx, scope, j, t, with, until); err != nil {
				return err
			}
		}
		after = tables[len(tables)-1].Name
	}
}

// quiet is Conflict while a job changes, or waits to change, a table of a bucket.
func (s *Service) quiet(tx *db.Tx, scope access.Project, b Bucket) error {
	from := serialKey(scope.Branch(), b.TextID+".")
	job, err := db.Value[int64](tx, `SELECT id FROM jobs WHERE serial_key > $1 AND serial_key < $2 AND serial_key <> '' AND state IN ('waiting', 'processing')
		AND (class <> 'system' OR state = 'processing') ORDER BY serial_key LIMIT 1`, from, from[:len(from)-1]+"/")
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return fault.Newf(fault.Conflict, "storage.buckets.busy", "Job %d is changing a table of bucket %s. Wait for it, or cancel it.", job, b.TextID)
}

// TrashFilter selects what is in the trash. Zero fields select all.
type TrashFilter struct {
	With   int64 // what went with this bucket; 0 = what was dropped by itself
	Before TrashCursor
	Limit  int
}

// TrashCursor is a place in the list of the trash; the zero value is its start.
type TrashCursor struct {
	At time.Time
	ID int64
}

// Trash lists what was dropped in the scope's branch and can be restored, the newest first.
func (s *Service) Trash(tx *db.Tx, scope access.Project, f TrashFilter) ([]Trashed, error) {
	if err := scope.Require(access.StorageRead, false); err != nil {
		return nil, err
	}
	var w db.Where
	w.And("project_id = ? AND branch_id = ? AND with_bucket = ? AND state = 'held'", scope.ID(), scope.Branch(), f.With)
	if !f.Before.At.IsZero() {
		w.And("(deleted_at, id) < (?, ?)", f.Before.At, f.Before.ID)
	}
	return db.All(tx, scanTrashed, "SELECT "+trashColumns+" FROM trash WHERE "+w.SQL()+fmt.Sprintf(" ORDER BY deleted_at DESC, id DESC LIMIT %d", f.Limit), w.Args()...)
}

// Trashed finds something in the trash. NotFound if it is not there.
func (s *Service) Trashed(tx *db.Tx, scope access.Project, id int64) (Trashed, error) {
	if err := scope.Require(access.StorageRead, false); err != nil {
		return Trashed{}, err
	}
	return db.One(tx, scanTrashed, "SELECT "+trashColumns+" FROM trash WHERE project_id = $1 AND branch_id = $2 AND id = $3 AND state = 'held'", scope.ID(), scope.Branch(), id)
}

// Restore takes a table or bucket out of the trash, with all that it had. A table may
// get another name, for when its own is taken; "" keeps it. Conflict when the name is
// taken or the table's bucket is not there.
func (s *Service) Restore(tx *db.Tx, scope access.Project, id int64, name string) (Trashed, error) {
	if err := scope.Require(access.TableTrashRestore, false); err != nil {
		return Trashed{}, err
	}
	x, err := s.Trashed(tx, scope, id)
	if err != nil {
		return x, err
	}
	if x.With != 0 {
		return x, fault.New(fault.Conflict, "storage.trash.inside", "This table went with its bucket. Restore the bucket.")
	}
	if err := endTrash(tx, id, "restored"); err != nil {
		return x, err
	}
	was := x.TextID
	if x.Kind == "bucket" {
		err = s.restoreBucket(tx, x)
	} else {
		x.TextID, err = s.restoreTable(tx, scope, x, name)
	}
	if err != nil {
		return x, err
	}
	if err := tenancy.Changed(tx, scope); err != nil {
		return x, err
	}
	e := audit.In(scope, "storage."+x.Kind+"Restored", x.Kind, x.TextID, x.TextID)
	e.Params = map[string]any{"trashId": id}
	says := fmt.Sprintf("restored %s %s from the trash", x.Kind, was)
	if was != x.TextID {
		says += " as " + x.TextID
	}
	return x, audit.Record(tx, e.Says("%s %s.", scope.Actor().Name, says))
}

func (s *Service) restoreTable(tx *db.Tx, scope access.Project, x Trashed, name string) (string, error) {
	bucket, was := SplitTable(x.TextID)
	if name == "" {
		name = was
	}
	if err := CheckName("name", name); err != nil {
		return "", err
	}
	b, err := s.Bucket(tx, scope, bucket)
	if fault.Is(err, fault.NotFound) {
		return "", fault.Newf(fault.Conflict, "storage.trash.bucket", "Bucket %s is not there. Restore it first, or make it again.", bucket)
	}
	if err != nil {
		return "", err
	}
	id := b.TextID + "." + name
	err = tx.Must("UPDATE tables SET bucket_id = $2, name = $3, text_id = $4, search = $5, deleted_at = NULL WHERE id = $1 AND deleted_at IS NOT NULL", x.Object, b.ID, name, id, search(name))
	if fault.HasCode(err, "db.unique") {
		message := fmt.Sprintf("There is a table %s now. Give the restored one another name.", id)
		return "", &fault.Error{Kind: fault.Conflict, Code: "storage.tables.alreadyExists", Message: message, Fields: []fault.Field{{Name: "name", Message: message}}}
	}
	if err != nil {
		return "", err
	}
	return id, addToBucketSums(tx, b.ID, x.Object)
}

// addToBucketSums adds a table that comes back, as it is now: compaction may have made
// it smaller meanwhile.
func addToBucketSums(tx *db.Tx, bucket, table int64) error {
	return tx.Must(`UPDATE buckets SET tables_count = tables_count + 1, changed_at = $3,
		rows_count = rows_count + (SELECT rows_count FROM tables WHERE id = $2), size_bytes = size_bytes + (SELECT size_bytes FROM tables WHERE id = $2) WHERE id = $1 AND deleted_at IS NULL`,
		bucket, table, tx.Now)
}

func (s *Service) restoreBucket(tx *db.Tx, x Trashed) error {
	err := tx.Must("UPDATE buckets SET text_id = $2, deleted_at = NULL, changed_at = $3 WHERE id = $1 AND deleted_at IS NOT NULL", x.Object, x.TextID, tx.Now)
	if fault.HasCode(err, "db.unique") {
		return fault.Newf(fault.Conflict, "storage.buckets.alreadyExists", "There is a bucket %s now. Delete it first.", x.TextID)
	}
	if err != nil {
		return err
	}
	inside, err := db.All(tx, scanTrashed, "SELECT "+trashColumns+" FROM trash WHERE with_bucket = $1 AND with_bucket <> 0 AND state = 'held' ORDER BY id", x.ID)
	if err != nil {
		return err
	}
	for _, t := range inside {
		_, name := SplitTable(t.TextID)
		if err := tx.Must("UPDATE tables SET name = $2, text_id = $3, deleted_at = NULL WHERE id = $1 AND deleted_at IS NOT NULL", t.Object, name, t.TextID); err != nil {
			return err
		}
	}
	if _, err := tx.Exec("UPDATE trash SET state = 'restored', ended_at = $2 WHERE with_bucket = $1 AND with_bucket <> 0 AND state = 'held'", x.ID, tx.Now); err != nil {
		return err
	}
	return tx.Must(`UPDATE buckets SET tables_count = (SELECT count(*) FROM tables WHERE bucket_id = $1 AND deleted_at IS NULL),
		rows_count = (SELECT CAST(COALESCE(SUM(rows_count), 0) AS BIGINT) FROM tables WHERE bucket_id = $1 AND deleted_at IS NULL),
		size_bytes = (SELECT CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) FROM tables WHERE bucket_id = $1 AND deleted_at IS NULL) WHERE id = $1`, x.Object)
}

// Purge deletes something in the trash for good. A job removes the files.
func (s *Service) Purge(tx *db.Tx, scope access.Project, id int64) (Trashed, error) {
	if err := scope.Require(access.TableTrashPurge, false); err != nil {
		return Trashed{}, err
	}
	x, err := s.Trashed(tx, scope, id)
	if err != nil {
		return x, err
	}
	if x.With != 0 {
		return x, fault.New(fault.Conflict, "storage.trash.inside", "This table went with its bucket. Purge the bucket.")
	}
	if err := s.purge(tx, x); err != nil {
		return x, err
	}
	e := audit.In(scope, "storage."+x.Kind+"Purged", x.Kind, x.TextID, x.TextID)
	e.Type, e.Params = audit.Warn, map[string]any{"trashId": id, "tables": x.Tables, "rows": x.Rows}
	return x, audit.Record(tx, e.Says("%s purged %s %s from the trash: %d rows are gone for good.", scope.Actor().Name, x.Kind, x.TextID, x.Rows))
}

// endTrash takes something out of the trash, for one of those who want it. NotFound if
// somebody else was faster.
func endTrash(tx *db.Tx, id int64, state string) error {
	return tx.Must("UPDATE trash SET state = $2, ended_at = $3 WHERE id = $1 AND state = 'held'", id, state, tx.Now)
}

// purge forgets something in the trash, and has its files removed. Conflict for a bucket
// whose tables were dropped before it and are kept by themselves.
func (s *Service) purge(tx *db.Tx, x Trashed) error {
	if err := endTrash(tx, x.ID, "purged"); err != nil {
		return err
	}
	if x.Kind == "table" {
		return s.purgeTables(tx, "id = $1", x.Object)
	}
	own, err := db.Value[int64](tx, `SELECT count(*) FROM trash h JOIN tables t ON t.id = h.object_id
		WHERE t.bucket_id = $1 AND h.kind = 'table' AND h.with_bucket = 0 AND h.state = 'held'`, x.Object)
	if err != nil {
		return err
	}
	if own > 0 {
		return fault.Newf(fault.Conflict, "storage.trash.holds", "%d tables of bucket %s were dropped before it and are in the trash by themselves. Purge them first.", own, x.TextID)
	}
	if _, err := tx.Exec(`UPDATE trash SET state = 'purged', ended_at = $2 WHERE kind = 'table' AND state = 'held'
		AND object_id IN (SELECT id FROM tables WHERE bucket_id = $1 AND deleted_at IS NOT NULL)`, x.Object, tx.Now); err != nil {
		return err
	}
	if err := s.purgeTables(tx, "bucket_id = $1", x.Object); err != nil {
		return err
	}
	if _, err := tx.Exec("DELETE FROM metadata WHERE object_type = 'bucket' AND object_id = $1", x.Object); err != nil {
		return err
	}
	return tx.Must("DELETE FROM buckets WHERE id = $1 AND deleted_at IS NOT NULL", x.Object)
}

// purgeFolders is how many folders one job removes.
const purgeFolders = 100

// purgeTables forgets the dropped tables that a condition on a number selects: all at once,
// because a bucket may have very many, and everybody else waits meanwhile.
func (s *Service) purgeTables(tx *db.Tx, where string, number int64) error {
	where += " AND deleted_at IS NOT NULL"
	for _, query := range []string{
		"DELETE FROM metadata WHERE object_type IN ('table', 'column') AND object_id", "DELETE FROM table_columns WHERE table_id",
		"DELETE FROM versions WHERE table_id", "DELETE FROM snapshots WHERE table_id",
	} {
		if _, err := tx.Exec(query+" IN (SELECT id FROM tables WHERE "+where+")", number); err != nil {
			return err
		}
	}
	folders, err := db.All(tx, db.Scalar[string], "DELETE FROM tables WHERE "+where+" RETURNING folder", number)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(folders, purgeFolders) {
		if _, err := s.jobs.Enqueue(tx, jobs.Spec{Class: jobs.System, Operation: FilesPurge, Params: purgeParams{some}}); err != nil {
			return err
		}
	}
	return nil
}

// purgeParams is the removal of purged tables' files as a job keeps it.
type purgeParams struct {
	Folders []string `json:"folders"`
}

// afterAll lies behind everything, also behind what was written before the clock was put
// back.
var afterAll = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// RunPurge is the work of removing the files of purged tables.
func (s *Service) RunPurge(ctx context.Context, run *jobs.Run) error {
	var p purgeParams
	if err := decode(run.Job, &p); err != nil {
		return err
	}
	var all engine.Swept
	var failed error
	for _, folder := range p.Folders { // one that cannot be removed does not keep the others
		swept, err := s.engine.Sweep(ctx, folder, "", afterAll)
		failed = errors.Join(failed, err)
		all.Files, all.Bytes = all.Files+swept.Files, all.Bytes+swept.Bytes
	}
	if failed != nil {
		return failed
	}
	return s.db.Update(ctx, func(tx *db.Tx) error {
		return run.Complete(tx, jobs.Result{Results: map[string]any{"files": all.Files, "bytes": all.Bytes}, Says: fmt.Sprintf("Removed %d files of %s.", all.Files, strings.Join(p.Folders, ", "))})
	})
}

const trashColumns = "id, kind, object_id, text_id, with_bucket, tables_count, rows_count, size_bytes, job_id, actor_name, deleted_at, expires_at"

func scanTrashed(r db.Row) (Trashed, error) {
	var x Trashed
	return x, r.Scan(&x.ID, &x.Kind, &x.Object, &x.TextID, &x.With, &x.Tables, &x.Rows, &x.Bytes, &x.JobID, &x.ActorName, db.Time(&x.DeletedAt), db.Time(&x.ExpiresAt))
}
