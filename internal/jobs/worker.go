package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/id"
	"steward/internal/live"
)

// Times of a lease.
const (
	Lease     = 30 * time.Second
	heartbeat = 5 * time.Second
	poll      = time.Second
)

// How long a job is put off: one that failed each time twice as long.
const (
	unsureDelay  = 10 * time.Second // of one that the guard could not tell of
	firstDelay   = 30 * time.Second
	longestDelay = 6 * time.Hour
	delayDoubles = 10 // times, at most: then it is longer than the longest
)

// retryDelay is how long a job is put off that has failed once more than so many times.
func retryDelay(attempt int64) time.Duration {
	return min(firstDelay<<min(attempt, delayDoubles), longestDelay)
}

// ProjectParallelism is how many jobs of a class a project runs at once, unless something else is
// agreed for it (projects.limit_jobs).
const ProjectParallelism = 10

const wakeTopic = "jobs"

// ProjectTopic is signalled when a job of a project changes.
func ProjectTopic(project int64) string { return fmt.Sprintf("project:%d:jobs", project) }

// Why a run's context ended, see context.Cause.
var (
	errCancelled = errors.New("jobs: cancelled by a person")
	errLost      = errors.New("jobs: the lease was lost")
	errStopping  = errors.New("jobs: the worker stops")
)

// ErrFenced is what Complete returns when another worker has taken the job over.
var ErrFenced = errors.New("jobs: another worker has taken this job over; its commit is refused")

// Handler does the work of one kind of job. It returns after Run.Complete has
// committed, or with an error; a fault's message is shown to people.
type Handler func(ctx context.Context, r *Run) error

// Guard decides whether a job may still run: is its project alive, may its creator
// still do this? It is asked at claim, once for jobs of the same project, branch, creator
// and operation, at heartbeats and in the commit. It refuses by a fault that is Forbidden,
// NotFound or Conflict; after any other error it is asked again, and meanwhile the job waits,
// or goes on if it runs.
type Guard func(tx *db.Tx, j Job) error

// refuses tells whether a guard's error is its decision, rather than one of the database.
func refuses(err error) bool {
	return fault.Is(err, fault.Forbidden) || fault.Is(err, fault.NotFound) || fault.Is(err, fault.Conflict)
}

// Service is the queue. It is safe for concurrent use.
type Service struct {
	db       *db.DB
	hub      *live.Hub
	log      *slog.Logger
	owner    string
	guard    Guard
	handlers map[string]Handler
	slots    map[Class]int

	mu      sync.Mutex
	running map[int64]*Run
	rewound time.Time // when schedules were last looked at, see rewind

	lost     atomic.Int64
	finished [2]atomic.Int64 // success, error
}

// New makes a queue whose leases carry the owner's name. Work needs handlers, see Handle.
func New(d *db.DB, hub *live.Hub, log *slog.Logger, owner string) *Service {
	return &Service{
		db: d, hub: hub, log: log, owner: owner,
		guard:    func(*db.Tx, Job) error { return nil },
		handlers: map[string]Handler{},
		slots:    map[Class]int{Storage: runtime.GOMAXPROCS(0), Component: 10, System: 2},
		running:  map[int64]*Run{},
	}
}

// Handle sets what runs jobs and what guards them. Call it before Work.
func (s *Service) Handle(handlers map[string]Handler, guard Guard) {
	s.handlers, s.guard = handlers, guard
}

// LostLeases is how many runs of this process lost their lease.
func (s *Service) LostLeases() int64 { return s.lost.Load() }

// FinishedJobs is how many jobs this process finished, well and badly.
func (s *Service) FinishedJobs() (success, failed int64) {
	return s.finished[0].Load(), s.finished[1].Load()
}

// Backlog is how many jobs wait and run, and when the oldest waiting one was made.
type Backlog struct {
	Waiting, Processing int64
	Oldest              time.Time
}

// Backlog counts unfinished jobs.
func (s *Service) Backlog(ctx context.Context) (Backlog, error) {
	var b Backlog
	err := s.db.View(ctx, func(tx *db.Tx) error {
		var err error
		if b.Processing, err = db.Value[int64](tx, "SELECT count(*) FROM jobs WHERE state = 'processing'"); err != nil {
			return err
		}
		b, err = db.One(tx, func(r db.Row) (Backlog, error) {
			return b, r.Scan(&b.Waiting, db.Time(&b.Oldest))
		}, "SELECT count(*), MIN(created_at) FROM jobs WHERE state = 'waiting'")
		return err
	})
	return b, err
}

// Work claims and runs jobs, and fires schedules, until ctx ends. Then it lets running jobs finish for the
// grace period, and gives the others back to the queue.
func (s *Service) Work(ctx context.Context, grace time.Duration) {
	running, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	var wg sync.WaitGroup
	for class, n := range s.slots {
		wg.Go(func() { s.lanes(ctx, running, class, n) })
	}
	wg.Go(func() { s.reap(ctx) })
	wg.Go(func() { s.tick(ctx) })
	<-ctx.Done()
	defer time.AfterFunc(grace, func() { stop(errStopping) }).Stop()
	wg.Wait()
}

// Run is one attempt at a job.
type Run struct {
	Job    Job
	s      *Service
	cancel context.CancelCauseFunc
	done   atomic.Bool
	rows   atomic.Int64
	bytes  atomic.Int64
	leave  func(*db.Tx) (any, error)
}

// Progress notes how far the job is. It is cheap; what is noted is written about once
// a second.
func (r *Run) Progress(rows, bytes int64) {
	r.rows.Store(rows)
	r.bytes.Store(bytes)
}

// Done is how far the job is, as Progress was told.
func (r *Run) Done() (rows int64) { return r.rows.Load() }

// Log adds a line to the job's log. ErrFenced if another worker has taken the job over.
func (r *Run) Log(ctx context.Context, level audit.Type, format string, args ...any) error {
	return r.s.db.Update(ctx, func(tx *db.Tx) error {
		if err := r.Hold(tx); err != nil {
			return err
		}
		return addLog(tx, r.Job.ID, level, fmt.Sprintf(format, args...))
	})
}

// Leave says what the job leaves behind if its work fails: fn is called in the
// transaction that ends it, and gives its results, which encode to a JSON object. A job
// that is cancelled or that may not be done any more leaves nothing.
func (r *Run) Leave(fn func(tx *db.Tx) (results any, err error)) { r.leave = fn }

// Result is what a job leaves behind.
type Result struct {
	Results  any // a JSON object
	Table    string
	Rows     int64
	InBytes  int64
	OutBytes int64
	Says     string // the last line of the log
}

// Complete ends the job well, in the transaction that holds its result. ErrFenced if
// another worker has taken the job over, Conflict if somebody has cancelled it, and the guard's error if the job may not be
// done any more: the transaction must then roll back.
func (r *Run) Complete(tx *db.Tx, res Result) error {
	if err := lockTurn(tx, r.Job.SerialKey); err != nil {
		return err
	}
	if err := r.s.guard(tx, r.Job); err != nil {
		return err
	}
	results, err := json.Marshal(res.Results)
	if err != nil {
		return fmt.Errorf("jobs: results: %w", err)
	}
	n, err := tx.Exec(`UPDATE jobs SET state = 'success', results = $3, table_name = CASE WHEN $4 = '' THEN table_name ELSE $4 END,
		rows_done = $5, bytes_done = bytes_total, in_bytes = $6, out_bytes = $7, finished_at = $8, lease_until = NULL
		WHERE id = $1 AND fence = $2 AND state = 'processing' AND owner = $9 AND NOT cancel_requested`,
		r.Job.ID, r.Job.Fence, string(results), res.Table, res.Rows, res.InBytes, res.OutBytes, tx.Now, r.s.owner)
	if err != nil {
		return err
	}
	if n != 1 {
		if err := r.s.hold(tx, r.Job); err != nil {
			return err
		}
		return cancelled("") // and if it was asked for another reason, fail tells it
	}
	if err := next(tx, r.Job.SerialKey); err != nil {
		return err
	}
	if err := addLog(tx, r.Job.ID, audit.Success, res.Says); err != nil {
		return err
	}
	tx.OnCommit(func() {
		r.done.Store(true)
		r.s.finished[0].Add(1)
		r.s.changed(r.Job)
		if r.Job.SerialKey != "" { // the next one has the turn
			r.s.hub.Signal(wakeTopic)
		}
	})
	return nil
}

// Hold is ErrFenced unless this run still has its job: for a transaction that changes
// something before the one that ends the job.
func (r *Run) Hold(tx *db.Tx) error { return r.s.hold(tx, r.Job) }

// run does one attempt, and answers for its end.
func (s *Service) run(running context.Context, j Job) {
	ctx, cancel := context.WithCancelCause(audit.WithRequest(running, audit.Request{}))
	defer cancel(nil)
	s.log.Debug("job: run", "job", j.ID, "operation", j.Operation)
	r := &Run{Job: j, s: s, cancel: cancel}
	s.mu.Lock()
	s.running[j.ID] = r
	s.mu.Unlock()
	beating := make(chan struct{})
	go func() { defer close(beating); r.beat(ctx) }()
	err := s.handle(ctx, r)
	s.log.Debug("job: ran", "job", j.ID, "operation", j.Operation, "error", err)
	cause := context.Cause(ctx)
	cancel(nil)
	<-beating
	s.mu.Lock()
	delete(s.running, j.ID)
	s.mu.Unlock()
	if r.done.Load() {
		return
	}
	if errors.Is(err, ErrFenced) {
		cause = errLost
	}
	switch {
	case errors.Is(cause, errLost):
		s.lost.Add(1)
		s.log.Warn("a job's lease was lost; another worker has it", "job", j.ID)
		return
	case errors.Is(cause, errStopping):
		err = s.release(j)
	case errors.Is(cause, errCancelled):
		err = s.fail(j, cancelled(""), nil)
	case err == nil:
		err = s.fail(j, errors.New("the job's work ended without a result"), nil)
	case fault.Of(cause) != nil: // the guard's
		err = s.fail(j, cause, nil)
	default:
		err = s.fail(j, err, r.leave)
	}
	if err != nil {
		s.log.Error("a job's end was not written; it will run again when its lease ends", "job", j.ID, "error", err)
	}
}

func (s *Service) handle(ctx context.Context, r *Run) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	h := s.handlers[r.Job.Operation]
	if h == nil {
		return fmt.Errorf("jobs: nothing here runs %q", r.Job.Operation)
	}
	return h(ctx, r)
}

// beat renews the lease, writes progress, and notices a cancel or a loss.
func (r *Run) beat(ctx context.Context) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	last, rows, bytes := time.Now(), int64(0), int64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		nowRows, nowBytes := r.rows.Load(), r.bytes.Load()
		begun := time.Now()
		due := begun.Sub(last) >= heartbeat
		if !due && nowRows == rows && nowBytes == bytes {
			continue
		}
		var cancelled bool
		var answer error // the guard's
		err := r.s.db.Update(ctx, func(tx *db.Tx) error {
			answer = nil
			var err error
			cancelled, err = db.Value[bool](tx, `UPDATE jobs SET lease_until = $4, rows_done = $5, bytes_done = $6
				WHERE id = $1 AND fence = $2 AND owner = $3 AND state = 'processing' RETURNING cancel_requested`,
				r.Job.ID, r.Job.Fence, r.s.owner, tx.Now.Add(Lease), nowRows, nowBytes)
			if err != nil || !due {
				return err
			}
			// The lease is renewed whatever it says, unless a statement of its failed.
			answer = r.s.guard(tx, r.Job)
			return nil
		})
		switch {
		case ctx.Err() != nil:
			return
		case fault.Is(err, fault.NotFound):
			if !r.done.Load() {
				r.cancel(errLost)
			}
			return
		case err != nil: // the database may come back before the lease ends
			r.s.log.Warn("a heartbeat failed", "job", r.Job.ID, "error", err)
			continue
		case cancelled:
			r.cancel(errCancelled)
			return
		case refuses(answer):
			r.cancel(answer)
			return
		case answer != nil:
			r.s.log.Warn("nobody can tell whether a job may go on", "job", r.Job.ID, "error", answer)
		}
		if rows, bytes = nowRows, nowBytes; due { // what it takes is part of the lease
			last = begun
		}
		r.s.changed(r.Job)
	}
}

// fail ends a job badly, with what it leaves behind unless leave is nil; one that was asked
// to stop ends for that reason and leaves nothing, whatever came of it. System jobs that
// stand in no line are tried again, later each time; one that does would keep the jobs
// behind it waiting.
func (s *Service) fail(j Job, cause error, leave func(*db.Tx) (any, error)) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := s.db.Update(ctx, func(tx *db.Tx) error {
		if err := lockTurn(tx, j.SerialKey); err != nil {
			return err
		}
		if err := s.hold(tx, j); err != nil {
			return err
		}
		stop, err := asked(tx, j.ID)
		if err != nil {
			return err
		}
		if stop != nil {
			return s.end(tx, j, stop)
		}
		if j.Class == System && j.SerialKey == "" && j.Attempt+1 < j.MaxAttempts {
			delay := retryDelay(j.Attempt)
			if _, err := tx.Exec("UPDATE jobs SET state = 'waiting', attempt = attempt + 1, available_at = $2, lease_until = NULL WHERE id = $1", j.ID, tx.Now.Add(delay)); err != nil {
				return err
			}
			return addLog(tx, j.ID, audit.Warn, fmt.Sprintf("Failed; the next attempt is in %s.", delay))
		}
		if leave != nil {
			results, err := leave(tx)
			if err != nil {
				return err
			}
			if j.Results, err = json.Marshal(results); err != nil {
				return fmt.Errorf("jobs: results: %w", err)
			}
		}
		return s.end(tx, j, cause)
	})
	if errors.Is(err, ErrFenced) {
		s.lost.Add(1)
		return nil
	}
	s.changed(j)
	s.hub.Signal(wakeTopic)
	return err
}

// end writes a job's bad end and its event. ErrFenced when it has ended, or gone on,
// elsewhere.
func (s *Service) end(tx *db.Tx, j Job, cause error) error {
	var code, message string
	if f := fault.Of(cause); f != nil && f.Kind != fault.Internal {
		code, message = f.Code, f.Message
	} else {
		reference := id.Short()
		code, message = "storage.jobs.internal", "The job failed for a reason of ours, not of the data. The log of the server names it under "+reference+"."
		s.log.Error("a job failed", "job", j.ID, "operation", j.Operation, "reference", reference, "error", cause)
	}
	if err := lockTurn(tx, j.SerialKey); err != nil {
		return err
	}
	n, err := tx.Exec(`UPDATE jobs SET state = 'error', error_code = $2, error_message = $3, finished_at = $4, lease_until = NULL, results = $6
		WHERE id = $1 AND fence = $5 AND state IN ('waiting', 'processing')`, j.ID, code, message, tx.Now, j.Fence, string(j.Results))
	if err != nil {
		return err
	}
	if n != 1 {
		return ErrFenced
	}
	if err := next(tx, j.SerialKey); err != nil {
		return err
	}
	level := audit.Error
	if code == Cancelled {
		level = audit.Warn
	}
	if err := addLog(tx, j.ID, level, message); err != nil {
		return err
	}
	tx.OnCommit(func() { s.finished[1].Add(1) })
	organization := int64(0)
	if j.Project != 0 {
		if organization, err = db.Value[int64](tx, "SELECT organization_id FROM projects WHERE id = $1", j.Project); err != nil {
			return err
		}
	}
	said := fmt.Sprintf("Job %d of %s (%s %s)", j.ID, j.ActorName, j.Operation, j.Table)
	if j.Class == System {
		said = fmt.Sprintf("Job %d of the system (%s)", j.ID, j.Operation)
	}
	var results map[string]any
	if err := json.Unmarshal(j.Results, &results); err != nil {
		return fmt.Errorf("jobs: results of job %d: %w", j.ID, err)
	}
	return audit.Record(tx, audit.Event{
		Type: level, Name: string(j.Class) + "." + j.Operation + "Failed", ObjectType: "job", ObjectID: fmt.Sprint(j.ID), ObjectName: j.Table,
		Organization: organization, Project: j.Project, Branch: j.Branch, UserID: j.UserID, TokenID: j.TokenID, ActorName: j.ActorName, JobID: j.ID,
		Message: said + " did not succeed: " + message,
		Results: results,
	})
}

// release gives a job back because the worker stops.
func (s *Service) release(j Job) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return s.db.Update(ctx, func(tx *db.Tx) error {
		if err := s.hold(tx, j); err != nil {
			return err
		}
		// No attempt is used up: it is not the job that failed.
		if _, err := tx.Exec("UPDATE jobs SET state = 'waiting', owner = '', lease_until = NULL WHERE id = $1", j.ID); err != nil {
			return err
		}
		return addLog(tx, j.ID, audit.Warn, "Interrupted because the server stops; it goes on after the start.")
	})
}

// hold is ErrFenced unless this process still has the job at this fence.
func (s *Service) hold(tx *db.Tx, j Job) error {
	n, err := tx.Exec("UPDATE jobs SET owner = owner WHERE id = $1 AND fence = $2 AND owner = $3 AND state = 'processing'", j.ID, j.Fence, s.owner)
	if err == nil && n != 1 {
		err = ErrFenced
	}
	return err
}

// Free gives back the jobs of a process that is known to be dead.
func (s *Service) Free(ctx context.Context, owner string) error {
	return s.interrupt(ctx, "owner = $2", owner)
}

// FreeAll gives back every running job: for a start on a database that only this
// process uses.
func (s *Service) FreeAll(ctx context.Context) error {
	return s.interrupt(ctx, "owner <> $2", s.owner)
}

func (s *Service) reap(ctx context.Context) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		if err := s.reapOnce(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("looking for ended leases failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// reapOnce gives back the jobs whose leases have ended. A lease that ends later than one
// taken now is of a clock that was put back since: it ends like that one, unless its owner
// lives and renews it.
func (s *Service) reapOnce(ctx context.Context) error {
	err := s.db.Update(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE jobs SET lease_until = $1 WHERE state = 'processing' AND lease_until > $1", tx.Now.Add(Lease))
		return err
	})
	if err != nil {
		return err
	}
	return s.interrupt(ctx, "lease_until < $2", s.db.Now())
}

// interrupt gives running jobs back to the queue, or ends those that were interrupted
// too often.
func (s *Service) interrupt(ctx context.Context, where string, arg any) error {
	var freed, ended []Job
	err := s.db.Update(ctx, func(tx *db.Tx) error {
		freed, ended = nil, nil
		interrupted, err := db.All(tx, scan, "SELECT "+columns+" FROM jobs WHERE state = $1 AND "+where, string(Processing), arg)
		if err != nil {
			return err
		}
		for _, j := range interrupted {
			if j.Attempt+1 >= j.MaxAttempts {
				f := fault.Newf(fault.Unavailable, "storage.jobs.interrupted", "The job was interrupted %d times and is not tried again. The table was not changed.", j.Attempt+1)
				switch err := s.end(tx, j, f); {
				case err == nil:
					ended = append(ended, j)
				case !errors.Is(err, ErrFenced):
					return err
				}
				continue
			}
			n, err := tx.Exec(`UPDATE jobs SET state = 'waiting', attempt = attempt + 1, owner = '', lease_until = NULL
				WHERE id = $1 AND fence = $2 AND state = 'processing'`, j.ID, j.Fence)
			if err != nil {
				return err
			}
			if n == 0 { // another process was faster
				continue
			}
			if err := addLog(tx, j.ID, audit.Warn, "Interrupted: its worker stopped without a word. The table is as it was; the job goes on."); err != nil {
				return err
			}
			freed = append(freed, j)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, j := range freed {
		s.log.Warn("an interrupted job goes back to the queue", "job", j.ID, "attempt", j.Attempt+1)
		s.changed(j)
	}
	for _, j := range ended {
		s.log.Warn("a job was interrupted too often, and is not tried again", "job", j.ID, "attempt", j.Attempt+1)
		s.changed(j)
	}
	if len(freed)+len(ended) > 0 {
		s.hub.Signal(wakeTopic)
	}
	return nil
}

func (s *Service) cancelRunning(which func(Job) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.running {
		if which(r.Job) {
			r.cancel(errCancelled)
		}
	}
}

func (s *Service) changed(j Job) { s.hub.Signal(ProjectTopic(j.Project)) }
