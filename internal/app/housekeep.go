package app

import (
	"context"
	"time"

	"steward/internal/db"
	"steward/internal/throttle"
)

// sweepEvery is how often rows that have served their time are removed.
const sweepEvery = 10 * time.Minute

// Housekeep removes what nobody needs any more, until ctx ends: answers remembered for
// keys, and counts of attempts.
func (a *App) Housekeep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		err := a.DB.Update(ctx, func(tx *db.Tx) error {
			if err := throttle.Sweep(tx, tx.Now); err != nil {
				return err
			}
			_, err := tx.Exec("DELETE FROM idempotency WHERE created_at < $1", tx.Now.Add(-24*time.Hour))
			return err
		})
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
