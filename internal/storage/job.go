package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/jobs"
)

// enqueue starts a job that changes a table, behind those that change it already, and
// records who asked for what: asks is the rest of a sentence.
func (s *Service) enqueue(tx *db.Tx, scope access.Project, operation, table string, params any, asks string) (jobs.Job, error) {
	j, err := s.jobs.Enqueue(tx, jobs.Spec{
		Class: jobs.Storage, Operation: operation, Scope: scope, Priority: jobs.Person, SerialKey: serialKey(scope.Branch(), table), Params: params, Table: table,
	})
	if err != nil {
		return jobs.Job{}, err
	}
	e := audit.In(scope, "storage."+operation+"Started", "table", table, table)
	e.JobID = j.ID
	return j, audit.Record(tx, e.Says("%s started job %d: %s.", scope.Actor().Name, j.ID, asks))
}

// flip is the transaction that makes current what a job has staged.
func (s *Service) flip(ctx context.Context, run *jobs.Run, fn func(*db.Tx) error) error {
	s.log.Debug("commit: flip", "job", run.Job.ID, "operation", run.Job.Operation)
	err := s.db.Update(ctx, fn)
	s.log.Debug("commit: flipped", "job", run.Job.ID, "operation", run.Job.Operation, "error", err)
	return err
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
