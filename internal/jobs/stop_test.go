package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/live"
)

const stopReason = "Cancelled because the project was deleted. The table was not changed."

// TestStopProject: all that runs or waits in a project ends for the reason that is given,
// those that run here at once, those of another process at a heartbeat, and those that stand in
// line one after the other without being run; a job that fails on its own account meanwhile
// says the same, and one that tries to end well is refused.
func TestStopProject(t *testing.T) {
	t.Parallel()
	b := setup(t)
	started := make(chan int64, 10)
	handlers := map[string]jobs.Handler{
		"work": func(ctx context.Context, r *jobs.Run) error {
			started <- r.Job.ID
			<-ctx.Done()
			return ctx.Err()
		},
		"deaf": func(ctx context.Context, r *jobs.Run) error { // ends well if it is let, and else fails
			started <- r.Job.ID
			<-ctx.Done()
			if b.complete(r) == nil {
				return nil
			}
			return errors.New("the disk is gone")
		},
	}
	b.queue.Handle(handlers, allow)
	other := jobs.New(b.db, live.NewHub(), slog.New(slog.DiscardHandler), "two") // has no word from the first
	other.Handle(handlers, allow)
	all := []int64{b.enqueue(jobs.Spec{SerialKey: "k"}).ID, b.enqueue(jobs.Spec{SerialKey: "k"}).ID, b.enqueue(jobs.Spec{SerialKey: "k"}).ID, b.enqueue(jobs.Spec{Operation: "deaf"}).ID}
	b.work(b.queue)
	here := []int64{<-started, <-started}
	theirs := b.enqueue(jobs.Spec{Operation: "work", Priority: jobs.Person})
	all = append(all, theirs.ID)
	b.work(other)
	<-started
	begun := time.Now()
	var n int64
	b.update(func(tx *db.Tx) (err error) { n, err = b.queue.StopProject(tx, b.scope.ID(), stopReason); return err })
	if n != int64(len(all)) {
		t.Errorf("%d jobs were told, want %d", n, len(all))
	}
	b.until("those of this process end", func() bool { return b.job(here[0]).Finished() && b.job(here[1]).Finished() })
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("they took %s", took)
	}
	b.until("all have ended", func() bool {
		for _, id := range all {
			if !b.job(id).Finished() {
				return false
			}
		}
		return true
	})
	for _, id := range all {
		if j := b.job(id); !j.IsCancelled() || j.ErrorMessage != stopReason {
			t.Errorf("job %d is %s, %s: %s", id, j.State, j.ErrorCode, j.ErrorMessage)
		}
	}
	if len(started) != 0 {
		t.Error("a job was run that had been told to stop")
	}
	// What is asked for afterwards runs: who may is for others to say.
	late := b.enqueue(jobs.Spec{})
	b.until("it runs", func() bool { return b.job(late.ID).State == jobs.Processing })
	b.update(func(tx *db.Tx) error { _, err := b.queue.StopProject(tx, b.scope.ID(), stopReason); return err })
}

// TestStopSystem: a job of the system's ends when it is told to, and is not tried again.
func TestStopSystem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	started := make(chan struct{}, 10)
	b.queue.Handle(map[string]jobs.Handler{"chore": func(ctx context.Context, _ *jobs.Run) error {
		started <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}}, allow)
	running := b.enqueue(jobs.Spec{Class: jobs.System, Operation: "chore"})
	waiting := b.enqueue(jobs.Spec{Class: jobs.System, Operation: "chore", SerialKey: "chore"})
	find := func(id int64) (j jobs.Job) {
		b.update(func(tx *db.Tx) (err error) { j, err = jobs.FindSystem(tx, id); return err })
		return j
	}
	stop := func(id int64) error {
		return b.db.Update(t.Context(), func(tx *db.Tx) error { return b.queue.StopSystem(tx, id, "Enough.") })
	}
	if err := stop(waiting.ID); err != nil {
		t.Fatal(err)
	}
	b.work(b.queue)
	<-started
	if err := stop(running.ID); err != nil {
		t.Fatal(err)
	}
	for _, id := range []int64{running.ID, waiting.ID} {
		b.until("it ends", func() bool { return find(id).Finished() })
		if j := find(id); !j.IsCancelled() || j.ErrorMessage != "Enough." || j.Attempt != 0 {
			t.Errorf("job %d is %s after %d attempts: %s", id, j.State, j.Attempt, j.ErrorMessage)
		}
	}
	if err := stop(running.ID); !fault.Is(err, fault.Conflict) {
		t.Errorf("stopping it again: %v", err)
	}
	person := b.enqueue(jobs.Spec{Operation: "chore"})
	err := b.db.Update(t.Context(), func(tx *db.Tx) error { _, err := jobs.FindSystem(tx, person.ID); return err })
	if !fault.Is(err, fault.NotFound) {
		t.Errorf("a job of people is one of the system's: %v", err)
	}
}
