package main

import (
	"context"
	"errors"
	"time"

	"steward/internal/access"
	"steward/internal/app"
	"steward/internal/db"
	"steward/internal/jobs"
)

const (
	nothing  = "bench.nothing" // the operation of a job that does nothing
	noopJobs = 2000            // that wait when the time begins
	syncFor  = time.Second
)

// noop measures how many jobs a second the queue runs when there is nothing to be done
// in them: claiming a job and ending it are each durable, and guarded. Of components a
// project runs ten at once, of storage jobs a process runs one on each core and one more.
// The baseline is how many small writes a second the same disk makes durable, one after
// the other.
func (b *bench) noop(ctx context.Context) (rows []Row, err error) {
	var scope access.Project
	w, err := b.makeFolder(ctx, "noop", 1, func(_ *app.App, s access.Project) error { scope = s; return nil })
	if err != nil {
		return nil, err
	}
	a, err := b.open(ctx, w.data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	a.Jobs.Handle(map[string]jobs.Handler{nothing: func(ctx context.Context, r *jobs.Run) error {
		return a.DB.Update(ctx, func(tx *db.Tx) error { return r.Complete(tx, jobs.Result{Results: struct{}{}, Says: "Did nothing."}) })
	}}, a.Storage.Guard)
	kinds := []struct {
		class jobs.Class
		want  float64
	}{{jobs.Component, 0.5}, {jobs.Storage, 0}}
	for _, kind := range kinds {
		var ran, synced Samples
		for range b.rounds {
			rate, err := b.runNothing(ctx, a, scope, kind.class)
			if err != nil {
				return nil, err
			}
			writes, err := b.syncTimes(func(_ int, since time.Duration) bool { return since < syncFor })
			if err != nil {
				return nil, err
			}
			ran, synced = append(ran, rate), append(synced, float64(len(writes))/syncFor.Seconds())
		}
		what := "jobs of the class " + string(kind.class) + " that do nothing, beside writes of 4 KiB with fsync: in a second"
		rows = append(rows, Row{What: what, Steward: ran, Baseline: synced, Compare: Rate, Want: kind.want})
	}
	return rows, nil
}

// runNothing lets jobs that do nothing wait, has them run as a server does, and gives
// how many a second did.
func (b *bench) runNothing(ctx context.Context, a *app.App, s access.Project, class jobs.Class) (float64, error) {
	err := a.DB.Update(ctx, func(tx *db.Tx) error {
		for range noopJobs {
			spec := jobs.Spec{Class: class, Operation: nothing, Scope: s, Priority: jobs.Person, Params: struct{}{}}
			if _, err := a.Jobs.Enqueue(tx, spec); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	before, failed := a.Jobs.FinishedJobs()
	working, stop := context.WithCancel(ctx)
	defer stop()
	stopped := make(chan struct{})
	start := time.Now()
	go func() { defer close(stopped); a.Jobs.Work(working, time.Minute) }()
	for {
		done, bad := a.Jobs.FinishedJobs()
		switch {
		case bad > failed:
			return 0, errors.New("a job that does nothing failed")
		case done-before >= noopJobs: // a schedule may have fired beside them
			took := time.Since(start)
			stop()
			<-stopped
			return noopJobs / took.Seconds(), nil
		case time.Since(start) > time.Minute:
			return 0, errors.New("the jobs that do nothing do not end")
		}
		time.Sleep(time.Millisecond)
	}
}
