package tenancy

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
)

// ProjectPurge is the operation of the job that purges a project. One runs at a time.
const ProjectPurge = "project.purge"

// purgePause is how long a purge rests that somebody stopped and whose grace is over.
const purgePause = 24 * time.Hour

// purgeParams names a project to the job that purges it.
type purgeParams struct {
	Project int64 `json:"project"`
}

func decode(j jobs.Job, params any) error {
	if err := json.Unmarshal(j.Params, params); err != nil {
		return fmt.Errorf("tenancy: params of job %d: %w", j.ID, err)
	}
	return nil
}

// PurgeNow has a deleted project purged before its grace is over. typed is its name as the
// person typed it: Invalid unless it is that. Conflict when it is not deleted, or is being
// purged.
func (v *Service) PurgeNow(tx *db.Tx, by access.Actor, project int64, typed string) error {
	p, l, err := v.decides(tx, by, project)
	if err != nil {
		return err
	}
	if l.State != Deleted {
		return fault.New(fault.Conflict, "tenancy.state", "Only a deleted project can be purged.")
	}
	if running, err := purging(tx, l); err != nil || running {
		return errOr(err, fault.New(fault.Conflict, "tenancy.purging", "This project is being purged already."))
	}
	if err := Typed(p, typed); err != nil {
		return err
	}
	if err := v.enqueuePurge(tx, p, tx.Now); err != nil {
		return err
	}
	e, err := lifeEvent(tx, by, p, "project.purgeStarted")
	if err != nil {
		return err
	}
	e.Type = audit.Warn
	return audit.Record(tx, e.Says("%s had the project %q purged before %s.", by.Name, p.Name, day(l.Until())))
}

func errOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// purging reports whether a job purges a project or is going to, and has not been asked to stop.
func purging(tx *db.Tx, l Life) (bool, error) {
	if l.PurgeJob == 0 {
		return false, nil
	}
	j, err := jobs.FindSystem(tx, l.PurgeJob)
	return err == nil && !j.Finished() && !j.CancelRequested, err
}

func (v *Service) enqueuePurge(tx *db.Tx, p Project, at time.Time) error {
	j, err := v.jobs.Enqueue(tx, jobs.Spec{Class: jobs.System, Operation: ProjectPurge, SerialKey: ProjectPurge, Params: purgeParams{p.ID}})
	if err != nil {
		return err
	}
	return tx.Must("UPDATE projects SET purge_at = $2, purge_job = $3 WHERE id = $1 AND state = 'deleted'", p.ID, at, j.ID)
}

// purgeDue has a project purged whose grace is over, or whose purge broke off.
func (v *Service) purgeDue(tx *db.Tx, p Project, l Life) error {
	if l.State != Deleted || tx.Now.Before(l.PurgeAt) {
		return nil // it changed meanwhile
	}
	if running, err := purging(tx, l); err != nil || running {
		return err
	}
	return v.enqueuePurge(tx, p, l.PurgeAt)
}

// StopPurge stops a purge. What is removed stays so; the rest waits for the end of the grace,
// a day at least, or for the next PurgeNow. Conflict when none runs.
func (v *Service) StopPurge(tx *db.Tx, by access.Actor, project int64) error {
	p, l, err := v.decides(tx, by, project)
	if err != nil {
		return err
	}
	running, err := purging(tx, l)
	if err != nil {
		return err
	}
	if l.State != Deleted || !running {
		return fault.New(fault.Conflict, "tenancy.purging", "No purge of this project is running.")
	}
	if err := v.jobs.StopSystem(tx, l.PurgeJob, by.Name+" stopped the purge. What was removed is gone for good; the rest is still there."); err != nil {
		return err
	}
	next := tx.Now.Add(purgePause)
	if l.Until().After(next) {
		next = l.Until()
	}
	if err := tx.Must("UPDATE projects SET purge_at = $2 WHERE id = $1 AND state = 'deleted'", p.ID, next); err != nil {
		return err
	}
	e, err := lifeEvent(tx, by, p, "project.purgeStopped")
	if err != nil {
		return err
	}
	return audit.Record(tx, e.Says("%s stopped the purge of the project %q. It goes on after %s.", by.Name, p.Name, day(next)))
}

// BeginPurge begins the purge that a job is for, or goes on with it, and gives the project's
// number: from now on it cannot be brought back. Conflict when the project was brought back,
// or another job has taken this over.
func (v *Service) BeginPurge(ctx context.Context, run *jobs.Run) (int64, error) {
	var p purgeParams
	if err := decode(run.Job, &p); err != nil {
		return 0, err
	}
	return p.Project, v.db.Update(ctx, func(tx *db.Tx) error {
		if err := lockMembers(tx, p.Project); err != nil { // before the job, as those do who stop it
			return err
		}
		if err := run.Hold(tx); err != nil {
			return err
		}
		_, l, err := v.held(tx, p.Project)
		if err != nil {
			return err
		}
		if l.State != Deleted || l.PurgeJob != run.Job.ID {
			return fault.New(fault.Conflict, "tenancy.purged", "The project is not to be purged by this job any more. Nothing was removed.")
		}
		_, err = tx.Exec("UPDATE projects SET purge_begun_at = $2 WHERE id = $1 AND purge_begun_at IS NULL", p.Project, tx.Now)
		return err
	})
}

// purgeMost is how many rows of a kind one transaction of a purge removes.
const purgeMost = 500

// EndPurge removes what is left of a project when its data is gone: its people, tokens and
// invitations, and in the end its description. Its row, its events and its jobs stay, and what
// people are still to read of their invitations and requests, see SweepPurged. removed
// is what the purge removed before, for the record.
func (v *Service) EndPurge(ctx context.Context, run *jobs.Run, project int64, removed map[string]any, says string) error {
	for _, some := range []func(*db.Tx) (int64, error){
		func(tx *db.Tx) (int64, error) {
			return tx.Exec(fmt.Sprintf("DELETE FROM memberships WHERE id IN (SELECT id FROM memberships WHERE project_id = $1 LIMIT %d)", purgeMost), project)
		},
		func(tx *db.Tx) (int64, error) {
			return tx.Exec(fmt.Sprintf("DELETE FROM tokens WHERE id IN (SELECT id FROM tokens WHERE project_id = $1 LIMIT %d)", purgeMost), project)
		},
		func(tx *db.Tx) (int64, error) {
			return tx.Exec(fmt.Sprintf("DELETE FROM join_requests WHERE id IN (SELECT id FROM join_requests WHERE project_id = $1 AND (state = 'pending' OR ended_at <= $2) LIMIT %d)", purgeMost), project, tx.Now.AddDate(0, 0, -pastDays))
		},
		func(tx *db.Tx) (int64, error) {
			return tx.Exec(fmt.Sprintf("UPDATE join_requests SET email = '', reason = '', hours = 0, answer = '' WHERE id IN (SELECT id FROM join_requests WHERE project_id = $1 AND email <> '' LIMIT %d)", purgeMost), project)
		},
		func(tx *db.Tx) (int64, error) {
			return tx.Exec(fmt.Sprintf("DELETE FROM project_losses WHERE project_id = $1 AND organization_id IN (SELECT organization_id FROM project_losses WHERE project_id = $1 LIMIT %d)", purgeMost), project)
		},
		func(tx *db.Tx) (int64, error) { return forgetInvitations(tx, project) },
	} {
		for n := int64(1); n > 0; {
			err := v.db.Update(ctx, func(tx *db.Tx) (err error) {
				if err := run.Hold(tx); err != nil {
					return err
				}
				n, err = some(tx)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return v.db.Update(ctx, func(tx *db.Tx) error {
		p, _, err := v.held(tx, project)
		if err != nil {
			return err
		}
		if err := tx.Must("UPDATE projects SET state = 'purged', description = '', purged_at = $2, purge_at = NULL WHERE id = $1 AND state = 'deleted'", project, tx.Now); err != nil {
			return err
		}
		e, err := lifeEvent(tx, steward(), p, "project.purged")
		if err != nil {
			return err
		}
		e.Type, e.JobID, e.Results = audit.Warn, run.Job.ID, removed
		if err := audit.Record(tx, e.Says("Steward purged the project %q: %s", p.Name, says)); err != nil {
			return err
		}
		return run.Complete(tx, jobs.Result{Results: removed, Rows: run.Done(), Says: fmt.Sprintf("Purged project %d. %s", project, says)})
	})
}

// forgetInvitations removes some of the invitations to a project. Of those that their people are
// still to read of it leaves that: to what, from whom, what became of them and when. An empty
// address marks them.
func forgetInvitations(tx *db.Tx, project int64) (int64, error) {
	list, err := accounts.ForgetInvitations(tx, project)
	if err != nil {
		return 0, err
	}
	for _, i := range list {
		n, err := tx.Exec("DELETE FROM invitations WHERE id = $1 AND (state = 'pending' OR ended_at <= $2)", i, tx.Now.AddDate(0, 0, -pastDays))
		if err == nil && n == 0 {
			err = tx.Must("UPDATE invitations SET email = '', role = '', reason = '', member_until = NULL, days = 0, newcomer = FALSE, ended_by = NULL WHERE id = $1", i)
		}
		if err != nil {
			return 0, err
		}
	}
	return int64(len(list)), nil
}

// SweepPurged removes what purges left of invitations and requests, when their people read it no
// more.
func SweepPurged(ctx context.Context, d *db.DB) error {
	for _, table := range []string{"invitations", "join_requests"} {
		for n := int64(1); n > 0; {
			err := d.Update(ctx, func(tx *db.Tx) (err error) {
				n, err = tx.Exec(fmt.Sprintf("DELETE FROM %s WHERE id IN (SELECT id FROM %s WHERE email = '' AND ended_at <= $1 LIMIT %d)", table, table, purgeMost), tx.Now.AddDate(0, 0, -pastDays))
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
