package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
)

// enqueue starts a job that changes a table, behind those that change it already, and
// records who asked for what: asks is the rest of a sentence.
func (s *Service) enqueue(tx *db.Tx, scope access.Project, operation, table string, params any, asks string) (jobs.Job, error) {
	params, meant, err := s.pinned(tx, scope, table, params)
	if err != nil {
		return jobs.Job{}, err
	}
	priority := jobs.Person
	if readsTable(operation) {
		priority = weight(meant.Bytes)
	}
	j, err := s.jobs.Enqueue(tx, jobs.Spec{
		Class: jobs.Storage, Operation: operation, Scope: scope, Priority: priority, SerialKey: serialKey(scope.Branch(), table), Params: params, Table: table,
	})
	if err != nil {
		return jobs.Job{}, err
	}
	e := audit.In(scope, "storage."+operation+"Started", "table", table, table)
	e.JobID = j.ID
	return j, audit.Record(tx, e.Says("%s started job %d: %s.", scope.Actor().Name, j.ID, asks))
}

// pinned finds the table that somebody means, zero if there is none, and puts its number
// into the params of a job: until its turn, another one may come to be called so.
func (s *Service) pinned(tx *db.Tx, scope access.Project, table string, params any) (any, Table, error) {
	t, err := s.Table(tx, scope, table)
	if fault.Is(err, fault.NotFound) {
		return params, Table{}, nil
	}
	if err != nil {
		return nil, t, err
	}
	text, err := json.Marshal(params)
	if err != nil {
		return nil, t, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, t, err
	}
	fields["tableNumber"] = strconv.AppendInt(nil, t.ID, 10)
	return fields, t, nil
}

// meant is the table that a job is for. NotFound when it is not there any more, Conflict
// when another one is called so.
func (s *Service) meant(tx *db.Tx, scope access.Project, j jobs.Job) (Table, error) {
	t, err := s.Table(tx, scope, j.Table)
	if err != nil {
		return Table{}, missing(j.Table, err)
	}
	var p struct {
		Number int64 `json:"tableNumber"`
	}
	if err := decode(j, &p); err != nil {
		return Table{}, err
	}
	if p.Number != 0 && p.Number != t.ID {
		return Table{}, another(j.Table)
	}
	return t, nil
}

func another(table string) error {
	return fault.Newf(fault.Conflict, "storage.tables.another", "The table that this was for is gone, and %s is another one now. Nothing was changed.", table)
}

// flip is the transaction that makes current what a job has staged.
func (s *Service) flip(ctx context.Context, run *jobs.Run, fn func(*db.Tx) error) error {
	s.log.Debug("commit: flip", "job", run.Job.ID, "operation", run.Job.Operation)
	err := s.db.Update(ctx, fn)
	s.log.Debug("commit: flipped", "job", run.Job.ID, "operation", run.Job.Operation, "error", err)
	return err
}

// later is the later of two times. Where one follows the other it stays so, even when the
// clock was put back meanwhile.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// weight is the priority of a job by the bytes that it reads: somebody may be waiting
// for the small ones.
func weight(bytes int64) int64 {
	if bytes < 8<<20 {
		return jobs.Person
	}
	return jobs.Bulk
}

// told records the event of a job's end and gives the result that the job ends with.
func told(tx *db.Tx, scope access.Project, run *jobs.Run, event string, t Table, says string, results map[string]any) (jobs.Result, error) {
	e := audit.In(scope, "storage."+event, "table", t.TextID, t.TextID)
	e.Type, e.JobID, e.Params, e.Results = audit.Success, run.Job.ID, paramsOf(run.Job), results
	if err := audit.Record(tx, e.Says("%s %s.", run.Job.ActorName, says)); err != nil {
		return jobs.Result{}, err
	}
	return jobs.Result{Results: results, Says: sentence(says)}, nil
}

// sentence makes a sentence of its rest.
func sentence(says string) string { return strings.ToUpper(says[:1]) + says[1:] + "." }

// decode reads what a job was asked for.
func decode(j jobs.Job, params any) error {
	if err := json.Unmarshal(j.Params, params); err != nil {
		return fmt.Errorf("storage: params of job %d: %w", j.ID, err)
	}
	return nil
}

// decodeResults reads what a job ended with.
func decodeResults(j jobs.Job, results any) error {
	if err := json.Unmarshal(j.Results, results); err != nil {
		return fmt.Errorf("storage: results of job %d: %w", j.ID, err)
	}
	return nil
}

// paramsOf is what a job was asked for, as its event shows it.
func paramsOf(j jobs.Job) map[string]any {
	var params map[string]any
	if err := json.Unmarshal(j.Params, &params); err != nil {
		return nil
	}
	return params
}
