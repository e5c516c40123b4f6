package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/tenancy"
	"steward/internal/throttle"
)

// Operations of the system's own jobs.
const (
	housekeeping = "housekeeping"
	eventsSeal   = "events.seal"
)

const (
	uploadLife    = 24 * time.Hour      // how old the bytes of an upload that never ended may get
	scheduledLife = 30 * 24 * time.Hour // of the record of a schedule's job that succeeded
)

// cleaned is what a housekeeping removed.
type cleaned struct {
	Files   int64 `json:"filesRemoved"`
	Events  int64 `json:"eventsPruned"`
	Jobs    int64 `json:"jobsPruned"`
	Uploads int   `json:"brokenUploads"`
	Mails   int64 `json:"mailsOver"`
}

// housekeep removes what nobody needs any more: answers remembered for keys, counts of
// attempts, what signing in leaves behind, sessions that are over, what broken uploads left, the bytes of files whose
// time is over, events of reads past their retention, what mails said that are over, and
// the records of the system's own regular jobs and of requests for a new password. Whom a
// link waits for that ends soon is told. Invitations and memberships whose time is over are
// closed, what is due in the life of projects is done, and what purges left to people goes when
// they read it no more. What fails does not keep the rest from being done.
func (a *App) housekeep(ctx context.Context, run *jobs.Run) error {
	var done cleaned
	var errs [11]error
	errs[0] = a.DB.Update(ctx, func(tx *db.Tx) error {
		if err := throttle.Sweep(tx, tx.Now); err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM idempotency WHERE created_at < $1", tx.Now.Add(-24*time.Hour)); err != nil {
			return err
		}
		if err := accounts.SweepSignIns(tx); err != nil {
			return err
		}
		if err := accounts.EndOver(tx); err != nil {
			return err
		}
		if err := tenancy.SweepClaims(tx); err != nil {
			return err
		}
		if err := a.Accounts.Remind(tx); err != nil {
			return err
		}
		var err error
		done.Jobs, err = jobs.Prune(tx, tx.Now.Add(-scheduledLife), accounts.ResetRequest, tenancy.TellMembers)
		return err
	})
	done.Uploads, errs[1] = a.Blobs.Sweep(ctx, time.Now().Add(-uploadLife)) // by the clock of the file system
	done.Files, errs[2] = a.Storage.SweepFiles(ctx)
	done.Events, errs[3] = audit.Prune(ctx, a.DB)
	done.Mails, errs[4] = a.Mail.Sweep(ctx)
	errs[5] = a.Tenancy.EndSupport(ctx) // and all that they were in by it, so that nothing is told twice
	errs[6] = a.Tenancy.EndMemberships(ctx, a.DB)
	errs[7] = tenancy.CloseRequests(ctx, a.DB) // before what would close them with their project
	errs[8] = tenancy.CloseInvitations(ctx, a.DB)
	errs[9] = a.Tenancy.Expire(ctx)
	errs[10] = tenancy.SweepPurged(ctx, a.DB)
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	return a.DB.Update(ctx, func(tx *db.Tx) error {
		return run.Complete(tx, jobs.Result{Results: done, Says: fmt.Sprintf("Removed the bytes of %d files, %d events of reads and %d records of jobs; %d uploads had broken off, %d mails were over.",
			done.Files, done.Events, done.Jobs, done.Uploads, done.Mails)})
	})
}

// seal seals the events that have settled.
func (a *App) seal(ctx context.Context, run *jobs.Run) error {
	events, seals, err := audit.Seal(ctx, a.DB)
	if err != nil {
		return err
	}
	return a.DB.Update(ctx, func(tx *db.Tx) error {
		return run.Complete(tx, jobs.Result{Results: map[string]int64{"events": events, "seals": seals}, Rows: events, Says: fmt.Sprintf("Sealed %d events by %d seals.", events, seals)})
	})
}
