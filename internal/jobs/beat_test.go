package jobs_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
)

// TestHeartbeats: the lease is renewed also while the guard cannot tell, and the guard is
// asked also while progress is written all the time.
func TestHeartbeats(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer   error
		progress int64
		ends     jobs.State
		after    time.Duration
	}{
		"the guard cannot tell": {errors.New("a row that cannot be read"), 0, jobs.Success, time.Minute},
		"the guard refuses":     {fault.New(fault.Forbidden, "no", "Not any more."), 1, jobs.Failed, 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				var answer atomic.Pointer[error]
				b.queue.Handle(map[string]jobs.Handler{"work": func(ctx context.Context, r *jobs.Run) error {
					answer.Store(&c.answer)
					for i := range int64(60) { // seconds
						select {
						case <-ctx.Done():
							return ctx.Err()
						case <-time.After(time.Second):
						}
						r.Progress(i*c.progress, 0)
						if err := jobs.Reap(b.queue, context.Background()); err != nil {
							t.Error(err)
						}
					}
					answer.Store(nil)
					return b.complete(r)
				}}, func(*db.Tx, jobs.Job) error {
					if err := answer.Load(); err != nil {
						return *err
					}
					return nil
				})
				j, start := b.enqueue(jobs.Spec{}), time.Now()
				if err := b.queue.Drain(t.Context(), jobs.Storage); err != nil {
					t.Fatal(err)
				}
				if got := b.job(j.ID); got.State != c.ends || got.Attempt != 0 || time.Since(start).Round(time.Second) > c.after {
					t.Errorf("%s after %s, attempt %d", got.State, time.Since(start), got.Attempt)
				}
			})
		})
	}
}
