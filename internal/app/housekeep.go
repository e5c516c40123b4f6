package app

import (
	"context"
	"errors"
	"time"

	"steward/internal/db"
	"steward/internal/throttle"
)

// sweepEvery is how often rows that have served their time are removed.
const sweepEvery = 10 * time.Minute

// uploadLife is how old the bytes of an upload that never ended may get.
const uploadLife = 24 * time.Hour

// Housekeep removes what nobody needs any more, until ctx ends: answers remembered for
// keys, counts of attempts, sessions that are over, and what broken uploads left.
func (a *App) Housekeep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		err := a.DB.Update(ctx, func(tx *db.Tx) error {
			if err := throttle.Sweep(tx, tx.Now); err != nil {
				return err
			}
			if _, err := tx.Exec("DELETE FROM idempotency WHERE created_at < $1", tx.Now.Add(-24*time.Hour)); err != nil {
				return err
			}
			_, err := tx.Exec("DELETE FROM sessions WHERE expires_at < $1", tx.Now.Add(-24*time.Hour))
			return err
		})
		if _, serr := a.Blobs.Sweep(ctx, time.Now().Add(-uploadLife)); serr != nil {
			err = errors.Join(err, serr)
		}
		if err != nil && ctx.Err() == nil {
			a.Log.Error("sweeping failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
