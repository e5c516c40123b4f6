package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/internal/jobs"
)

// TestOrderUnderAnyClock: the jobs of a key run in the order in which they were made, also
// when the clock was put back between them, and when processes make them whose clocks
// differ.
func TestOrderUnderAnyClock(t *testing.T) {
	t.Parallel()
	b := setup(t)
	late := jobs.New(dbtest.OpenAt(t, b.dsn, db.Options{Now: func() time.Time { return b.now().Add(-10 * time.Second) }}), b.hub, slog.New(slog.DiscardHandler), "late")
	var ran []int64
	b.queue.Handle(map[string]jobs.Handler{"work": func(_ context.Context, r *jobs.Run) error {
		ran = append(ran, r.Job.ID)
		return b.complete(r)
	}}, allow)
	spec := jobs.Spec{Class: jobs.Storage, Operation: "work", Scope: b.scope, SerialKey: "k"}
	var want []int64
	for _, step := range []struct {
		queue *jobs.Service
		ahead time.Duration
	}{{b.queue, 0}, {b.queue, 0}, {late, 0}, {b.queue, 0}, {b.queue, -time.Hour}, {late, -time.Hour}, {b.queue, -time.Minute}, {b.queue, time.Minute}} {
		b.ahead.Store(int64(step.ahead))
		b.update(func(tx *db.Tx) error {
			j, err := step.queue.Enqueue(tx, spec)
			want = append(want, j.ID)
			return err
		})
	}
	b.update(func(tx *db.Tx) error { // one after the other at the same moment
		for range 2 {
			j, err := b.queue.Enqueue(tx, spec)
			want = append(want, j.ID)
			if err != nil {
				return err
			}
		}
		return nil
	})
	first := spec
	first.MadeAt = b.job(want[0]).CreatedAt
	want = slices.Insert(want, 1, b.enqueue(first).ID) // right behind the one that has the turn
	if err := b.queue.Drain(t.Context(), jobs.Storage); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(ran, want) {
		t.Errorf("ran %v, want %v", ran, want)
	}
	b.ahead.Store(int64(-time.Hour))
	if j := b.enqueue(spec); j.CreatedAt.After(b.now()) {
		t.Errorf("when nothing waits any more, a job is made at %s, and it is %s", j.CreatedAt, b.now())
	}
}

// TestNothingWaitsForTheOldTime: when the clock was put back, jobs run as if it had not.
func TestNothingWaitsForTheOldTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	fails := 0
	b.queue.Handle(map[string]jobs.Handler{"mail": func(_ context.Context, r *jobs.Run) error {
		if fails--; fails >= 0 {
			return errors.New("not now")
		}
		return b.complete(r)
	}}, allow)
	drain := func() (state string) {
		t.Helper()
		if err := b.queue.Drain(t.Context(), jobs.System); err != nil {
			t.Fatal(err)
		}
		_, state = b.made("mail")
		return state
	}
	b.enqueue(jobs.Spec{Class: jobs.System, Operation: "mail"})
	b.ahead.Add(int64(-time.Hour))
	fails = 1
	if drain(); fails != 0 {
		t.Fatal("a job that was made before did not run")
	}
	for _, c := range []struct {
		back  time.Duration // since the attempt that failed
		state string
	}{
		{0, "waiting"},
		{10 * time.Second, "waiting"}, // as far as the clocks of processes may differ
		{-25 * time.Second, "waiting"},
		{time.Hour, "success"}, // for no attempt is put off by so much
	} {
		b.ahead.Add(int64(-c.back))
		if state := drain(); state != c.state {
			t.Errorf("%s back, the next attempt is %s", c.back, state)
		}
		b.ahead.Add(int64(c.back))
	}
}

// TestInterruptedJobsGoOnAtOnce: what an earlier attempt waited for is over.
func TestInterruptedJobsGoOnAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	runs := 0
	b.queue.Handle(map[string]jobs.Handler{"mail": func(_ context.Context, r *jobs.Run) error {
		switch runs++; runs {
		case 1:
			return errors.New("not now")
		case 2: // its process is gone, and the clock a little behind
			b.ahead.Add(int64(-20 * time.Second))
			return b.queue.Free(t.Context(), "one")
		}
		return b.complete(r)
	}}, allow)
	b.enqueue(jobs.Spec{Class: jobs.System, Operation: "mail"})
	for range 2 {
		if err := b.queue.Drain(t.Context(), jobs.System); err != nil {
			t.Fatal(err)
		}
		b.ahead.Add(int64(30 * time.Second))
	}
	if _, state := b.made("mail"); state != "success" || runs != 3 {
		t.Errorf("%s after %d runs", state, runs)
	}
}

// TestLeaseOfAnotherTime: a lease that a dead process took before the clock was put back
// ends as soon as any other.
func TestLeaseOfAnotherTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.enqueue(jobs.Spec{})
	b.update(func(tx *db.Tx) error {
		return tx.Must("UPDATE jobs SET state = 'processing', owner = 'dead', fence = 1, lease_until = $2 WHERE id = $1", j.ID, tx.Now.Add(24*time.Hour))
	})
	for _, c := range []struct {
		after time.Duration
		state jobs.State
	}{
		{0, jobs.Processing}, // for it may live: then it renews its lease
		{jobs.Lease - time.Second, jobs.Processing},
		{2 * time.Second, jobs.Waiting},
	} {
		b.ahead.Add(int64(c.after))
		if err := jobs.Reap(b.queue, t.Context()); err != nil {
			t.Fatal(err)
		}
		if state := b.job(j.ID).State; state != c.state {
			t.Errorf("after %s: %s, want %s", c.after, state, c.state)
		}
	}
}

func TestDurationUnderAnyClock(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, j := range []jobs.Job{{StartedAt: now.Add(time.Hour)}, {StartedAt: now.Add(time.Hour), FinishedAt: now}} {
		if d := j.Duration(now); d != 0 {
			t.Errorf("%+v took %s", j, d)
		}
	}
}
