// Package jobs is the one durable queue, and the history that people read: a job's
// row is both. A job is enqueued in the transaction that asks for it and completed in
// the transaction that holds its result, so neither exists without the other.
package jobs

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
)

// Class groups jobs by who looks at them.
type Class string

// The classes.
const (
	Storage   Class = "storage"
	Component Class = "component"
	System    Class = "system"
)

// State is where a job is in its life. Storage jobs go waiting, processing, then
// success or error.
type State string

// The states.
const (
	Waiting    State = "waiting"
	Processing State = "processing"
	Success    State = "success"
	Failed     State = "error"
)

// Cancelled is the error code of a storage job that somebody cancelled.
const Cancelled = "storage.jobs.cancelled"

// Job is one piece of work and its record.
type Job struct {
	ID              int64
	Class           Class
	Operation       string // such as tableImport
	State           State
	Project         int64
	Branch          int64
	Priority        int64
	SerialKey       string
	Params          json.RawMessage
	Results         json.RawMessage
	ErrorCode       string
	ErrorMessage    string
	Table           string // text id
	FileID          int64
	RunID           string
	UserID          int64
	TokenID         int64
	ActorName       string
	CreatedAt       time.Time
	StartedAt       time.Time
	FinishedAt      time.Time
	Attempt         int64
	MaxAttempts     int64
	Fence           int64
	CancelRequested bool
	CancelReason    string // a sentence; "" when a person cancelled this one job
	RowsDone        int64
	BytesDone       int64
	BytesTotal      int64
	InBytes         int64
	OutBytes        int64
}

// Finished reports whether the job's state will not change any more.
func (j Job) Finished() bool { return j.State == Success || j.State == Failed }

// IsCancelled reports whether the job ended because somebody cancelled it.
func (j Job) IsCancelled() bool { return j.State == Failed && j.ErrorCode == Cancelled }

// Duration is the time the job has run by now, or ran; zero when the clock was put back
// by more since it started.
func (j Job) Duration(now time.Time) time.Duration {
	switch {
	case j.StartedAt.IsZero():
		return 0
	case j.FinishedAt.IsZero():
		return max(0, now.Sub(j.StartedAt))
	}
	return max(0, j.FinishedAt.Sub(j.StartedAt))
}

// Transfer is the job's data transfer: bytes in, or out.
func (j Job) Transfer() int64 { return max(j.InBytes, j.OutBytes) }

// Priorities. Work is claimed by priority, then by age.
const (
	Bulk   int64 = 0
	Person int64 = 10 // small work that somebody waits for
)

// Spec describes a job to enqueue. Params must encode to a JSON object.
type Spec struct {
	Class       Class
	Operation   string
	Scope       access.Project // zero for system jobs
	Priority    int64
	SerialKey   string    // jobs with the same key run in the order they were made; "" = any time
	MadeAt      time.Time // gives it the place of a job made then; zero for now, behind those that wait
	Params      any
	Table       string
	FileID      int64
	BytesTotal  int64
	MaxAttempts int64 // 0 = 10
}

// Enqueue writes a waiting job in the caller's transaction and wakes a worker when
// that commits.
func (s *Service) Enqueue(tx *db.Tx, n Spec) (Job, error) {
	id, err := tx.NewID("jobs")
	if err != nil {
		return Job{}, err
	}
	params, err := json.Marshal(n.Params)
	if err != nil {
		return Job{}, fmt.Errorf("jobs: params of %s: %w", n.Operation, err)
	}
	if n.MaxAttempts == 0 {
		n.MaxAttempts = 10
	}
	last, err := lastOf(tx, n.SerialKey)
	if err != nil {
		return Job{}, err
	}
	held := !last.IsZero()
	if n.MadeAt.IsZero() {
		n.MadeAt = tx.Now
		if held && !last.Before(tx.Now) { // the clock was put back, or another process's is ahead
			n.MadeAt = last.Add(time.Microsecond)
		}
	}
	_, err = tx.Exec(`INSERT INTO jobs (id, class, operation, state, project_id, branch_id, priority, serial_key, held, params, results,
		error_code, error_message, table_name, file_id, run_id, user_id, token_id, actor_name, created_at, available_at, attempt,
		max_attempts, owner, fence, cancel_requested, rows_done, bytes_done, bytes_total, in_bytes, out_bytes)
		VALUES ($1, $2, $3, 'waiting', $4, $5, $6, $7, $18, $8, '{}', '', '', $9, $10, $11, $12, $13, $14, $19, 0, 0, $15, '', 0, $16, 0, 0, $17, 0, 0)`,
		id, string(n.Class), n.Operation, db.ZeroNull(n.Scope.ID()), db.ZeroNull(n.Scope.Branch()), n.Priority, n.SerialKey, string(params),
		n.Table, db.ZeroNull(n.FileID), fmt.Sprint(id), db.ZeroNull(n.Scope.Actor().UserID), db.ZeroNull(n.Scope.TokenID()),
		n.Scope.Actor().Name, n.MaxAttempts, false, n.BytesTotal, held, n.MadeAt)
	if err != nil {
		return Job{}, err
	}
	tx.OnCommit(func() {
		s.hub.Signal(wakeTopic)
		s.hub.Signal(ProjectTopic(n.Scope.ID()))
	})
	return get(tx, "id = $1", id)
}

// lastOf is when the last unfinished job of a serial key was made; the zero time if
// there is none. Whoever changes the line of a key holds its lock.
func lastOf(tx *db.Tx, key string) (last time.Time, err error) {
	if key == "" {
		return last, nil
	}
	if err := lockTurn(tx, key); err != nil {
		return last, err
	}
	return db.One(tx, func(r db.Row) (t time.Time, err error) { return t, r.Scan(db.Time(&t)) },
		"SELECT MAX(created_at) FROM jobs WHERE serial_key = $1 AND serial_key <> '' AND state IN ('waiting', 'processing')", key)
}

// next gives the turn of a serial key to the oldest job that waits for it. The caller
// holds the key's lock, and has ended the job that had the turn.
func next(tx *db.Tx, key string) error {
	if key == "" {
		return nil
	}
	_, err := tx.Exec(`UPDATE jobs SET held = $2 WHERE held AND id = (SELECT id FROM jobs
		WHERE serial_key = $1 AND serial_key <> '' AND state IN ('waiting', 'processing') ORDER BY created_at, id LIMIT 1)
		AND NOT EXISTS (SELECT 1 FROM jobs WHERE serial_key = $1 AND serial_key <> '' AND state = 'processing')`, key, false)
	return err
}

// lockTurn locks the line of a serial key. Jobs without one stand in none.
func lockTurn(tx *db.Tx, key string) error {
	if key == "" {
		return nil
	}
	return tx.Lock("jobs.turn:" + key)
}

// Get is a storage job of the scope's branch. NotFound if there is none; Forbidden
// without the permission to read storage jobs.
func (s *Service) Get(tx *db.Tx, scope access.Project, id int64) (Job, error) {
	j, err := get(tx, "id = $1 AND project_id = $2 AND branch_id = $3 AND class = 'storage'", id, scope.ID(), scope.Branch())
	if err != nil {
		return Job{}, err
	}
	return j, scope.Require(access.StorageJobsRead, j.UserID == scope.Actor().UserID)
}

// Cancel asks a storage job to stop. A waiting job ends at once; a running one ends
// when its worker notices, at the next heartbeat at the latest, and leaves no trace in
// the table. Conflict when the job has finished; Forbidden without the right to cancel.
func (s *Service) Cancel(tx *db.Tx, scope access.Project, id int64) (Job, error) {
	j, err := s.Get(tx, scope, id)
	if err != nil {
		return Job{}, err
	}
	if err := scope.Require(access.StorageJobsCancel, j.UserID == scope.Actor().UserID); err != nil {
		return Job{}, err
	}
	if j.Finished() {
		return Job{}, fault.Newf(fault.Conflict, "storage.jobs.finished", "Job %d has finished already.", id)
	}
	if err := lockTurn(tx, j.SerialKey); err != nil {
		return Job{}, err
	}
	held, err := db.Value[bool](tx, `UPDATE jobs SET state = 'error', error_code = $2, error_message = $3, cancel_requested = $5, finished_at = $4
		WHERE id = $1 AND state = 'waiting' RETURNING held`, id, Cancelled, "Cancelled by "+scope.Actor().Name+" before it started.", tx.Now, true)
	switch {
	case fault.Is(err, fault.NotFound): // it does not wait
		n, err := tx.Exec("UPDATE jobs SET cancel_requested = $2 WHERE id = $1 AND state = 'processing'", id, true)
		if err != nil {
			return Job{}, err
		}
		if n == 0 { // it ended since it was read
			return Job{}, fault.Newf(fault.Conflict, "storage.jobs.finished", "Job %d has finished already.", id)
		}
	case err != nil:
		return Job{}, err
	case !held: // it had the turn
		if err := next(tx, j.SerialKey); err != nil {
			return Job{}, err
		}
	}
	if err := addLog(tx, id, audit.Warn, scope.Actor().Name+" cancelled the job."); err != nil {
		return Job{}, err
	}
	e := audit.In(scope, "storage.jobCancelled", "job", fmt.Sprint(id), j.Operation)
	e.JobID = id
	if err := audit.Record(tx, e.Says("%s cancelled job %d (%s %s).", scope.Actor().Name, id, j.Operation, j.Table)); err != nil {
		return Job{}, err
	}
	tx.OnCommit(func() {
		s.cancelRunning(func(j Job) bool { return j.ID == id })
		s.changed(j)
		s.hub.Signal(wakeTopic)
	})
	return get(tx, "id = $1", id)
}

// StopProject asks all unfinished jobs of a project to stop, for a reason that each of them
// tells, and gives how many there were. Those that run end at once in this process, and at
// their next heartbeat in others; those that wait end when their turn comes, and do nothing.
func (s *Service) StopProject(tx *db.Tx, project int64, reason string) (int64, error) {
	n, err := tx.Exec("UPDATE jobs SET cancel_requested = $2, cancel_reason = $3 WHERE project_id = $1 AND state IN ('waiting', 'processing') AND NOT cancel_requested", project, true, reason)
	if err != nil {
		return 0, err
	}
	tx.OnCommit(func() {
		s.cancelRunning(func(j Job) bool { return j.Project == project })
		s.hub.Signal(wakeTopic)
		s.hub.Signal(ProjectTopic(project))
	})
	return n, nil
}

// StopSystem asks one of the system's own jobs to stop, likewise. Conflict when it has finished.
func (s *Service) StopSystem(tx *db.Tx, id int64, reason string) error {
	n, err := tx.Exec("UPDATE jobs SET cancel_requested = $2, cancel_reason = $3 WHERE id = $1 AND class = 'system' AND state IN ('waiting', 'processing')", id, true, reason)
	if err != nil {
		return err
	}
	if n == 0 {
		return fault.Newf(fault.Conflict, "jobs.finished", "Job %d has finished already.", id)
	}
	tx.OnCommit(func() {
		s.cancelRunning(func(j Job) bool { return j.ID == id })
		s.hub.Signal(wakeTopic)
	})
	return nil
}

// cancelled is how a job ends that was asked to stop.
func cancelled(reason string) error {
	if reason == "" {
		reason = "Cancelled. The table was not changed."
	}
	return fault.New(fault.Conflict, Cancelled, reason)
}

// asked is how a job ends if it was asked to stop; nil if nobody has.
func asked(tx *db.Tx, id int64) (stop, err error) {
	type request struct {
		made   bool
		reason string
	}
	r, err := db.One(tx, func(r db.Row) (x request, err error) { return x, r.Scan(&x.made, &x.reason) }, "SELECT cancel_requested, cancel_reason FROM jobs WHERE id = $1", id)
	if err != nil || !r.made {
		return nil, err
	}
	return cancelled(r.reason), nil
}

// TableUse is a table that a job read or wrote.
type TableUse struct {
	TableID       int64
	Write         bool
	VersionBefore int64
	VersionAfter  int64
}

// Wrote is Get with the table that the job wrote; the use is zero when it wrote none.
func (s *Service) Wrote(tx *db.Tx, scope access.Project, id int64) (Job, TableUse, error) {
	var u TableUse
	j, err := db.One(tx, func(r db.Row) (Job, error) {
		return scan(longer{r, []any{db.Null(&u.TableID), db.Null(&u.VersionBefore), db.Null(&u.VersionAfter)}})
	}, "SELECT "+columns+`, table_id, version_before, version_after FROM jobs LEFT JOIN job_tables ON job_id = id AND direction = 'write'
		WHERE id = $1 AND project_id = $2 AND branch_id = $3 AND class = 'storage' ORDER BY table_id LIMIT 1`, id, scope.ID(), scope.Branch())
	if err != nil {
		return Job{}, TableUse{}, err
	}
	u.Write = u.TableID != 0
	return j, u, scope.Require(access.StorageJobsRead, j.UserID == scope.Actor().UserID)
}

// longer is a row with more columns than are asked for: the rest goes to more.
type longer struct {
	db.Row
	more []any
}

func (l longer) Scan(dest ...any) error { return l.Row.Scan(append(dest, l.more...)...) }

// Uses notes a table that a job read or wrote, in the transaction of its result.
func Uses(tx *db.Tx, job int64, u TableUse) error {
	direction := "read"
	if u.Write {
		direction = "write"
	}
	_, err := tx.Exec("INSERT INTO job_tables (job_id, table_id, direction, version_before, version_after) VALUES ($1, $2, $3, $4, $5)",
		job, u.TableID, direction, u.VersionBefore, u.VersionAfter)
	return err
}

// Written is the table that a job wrote. NotFound when it wrote none.
func Written(tx *db.Tx, job int64) (TableUse, error) {
	return db.One(tx, func(r db.Row) (TableUse, error) {
		u := TableUse{Write: true}
		return u, r.Scan(&u.TableID, &u.VersionBefore, &u.VersionAfter)
	}, "SELECT table_id, version_before, version_after FROM job_tables WHERE job_id = $1 AND direction = 'write' ORDER BY table_id LIMIT 1", job)
}

// Line is one line of a job's log.
type Line struct {
	Seq     int64
	At      time.Time
	Level   audit.Type
	Message string
}

// Log gives the last lines of a job's log, oldest first. The caller has checked that
// the job may be read, see Get.
func Log(tx *db.Tx, job Job, limit int) ([]Line, error) {
	lines, err := db.All(tx, func(r db.Row) (Line, error) {
		var l Line
		return l, r.Scan(&l.Seq, db.Time(&l.At), &l.Level, &l.Message)
	}, fmt.Sprintf("SELECT seq, created_at, level, message FROM job_log WHERE job_id = $1 ORDER BY seq DESC LIMIT %d", limit), job.ID)
	slices.Reverse(lines)
	return lines, err
}

// addLog adds a line to a job's log. The caller has changed the job's row in this
// transaction, so that nobody else adds the line of the same number.
func addLog(tx *db.Tx, job int64, level audit.Type, message string) error {
	_, err := tx.Exec(`INSERT INTO job_log (job_id, seq, created_at, level, message)
		SELECT $1, COALESCE(MAX(seq), 0) + 1, $2, $3, $4 FROM job_log WHERE job_id = $1`, job, tx.Now, string(level), message)
	return err
}

const columns = `id, class, operation, state, project_id, branch_id, priority, serial_key, params, results, error_code, error_message,
	table_name, file_id, run_id, user_id, token_id, actor_name, created_at, started_at, finished_at, attempt, max_attempts,
	fence, cancel_requested, cancel_reason, rows_done, bytes_done, bytes_total, in_bytes, out_bytes`

func get(tx *db.Tx, where string, args ...any) (Job, error) {
	return db.One(tx, scan, "SELECT "+columns+" FROM jobs WHERE "+where, args...)
}

func scan(r db.Row) (Job, error) {
	var j Job
	var params, results string
	err := r.Scan(&j.ID, &j.Class, &j.Operation, &j.State, db.Null(&j.Project), db.Null(&j.Branch), &j.Priority, &j.SerialKey, &params, &results,
		&j.ErrorCode, &j.ErrorMessage, &j.Table, db.Null(&j.FileID), &j.RunID, db.Null(&j.UserID), db.Null(&j.TokenID), &j.ActorName,
		db.Time(&j.CreatedAt), db.Time(&j.StartedAt), db.Time(&j.FinishedAt), &j.Attempt, &j.MaxAttempts,
		&j.Fence, &j.CancelRequested, &j.CancelReason, &j.RowsDone, &j.BytesDone, &j.BytesTotal, &j.InBytes, &j.OutBytes)
	j.Params, j.Results = json.RawMessage(params), json.RawMessage(results)
	return j, err
}
