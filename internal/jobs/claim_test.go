package jobs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/tenancy"
)

// project makes another project of the same people.
func (b *bundle) project(name string) (s access.Project) {
	b.t.Helper()
	b.update(func(tx *db.Tx) error {
		a := b.scope.Actor()
		p, err := tenancy.CreateProject(tx, a, tenancy.NewProject{Organization: b.scope.Organization(), Name: name, Member: b.person})
		if err != nil {
			return err
		}
		s, err = tenancy.Enter(tx, a, p.ID, access.ProjectRead)
		return err
	})
	return s
}

// TestFullProject: a project that runs as many jobs as it may keeps nobody waiting,
// however many of its own wait before theirs.
func TestFullProject(t *testing.T) {
	t.Parallel()
	b := setup(t)
	hold := make(chan struct{})
	var held atomic.Int64
	done := make(chan int64, 400)
	b.queue.Handle(map[string]jobs.Handler{
		"hold": func(_ context.Context, r *jobs.Run) error {
			held.Add(1)
			<-hold
			done <- r.Job.ID
			return b.complete(r)
		},
		"work": func(_ context.Context, r *jobs.Run) error { done <- r.Job.ID; return b.complete(r) },
	}, allow)
	bulk := jobs.Spec{Class: jobs.Component, Operation: "hold", Scope: b.scope, Priority: jobs.Person}
	b.update(func(tx *db.Tx) error {
		for range 300 {
			if _, err := b.queue.Enqueue(tx, bulk); err != nil {
				return err
			}
		}
		return nil
	})
	b.work(b.queue)
	b.until("the project is full", func() bool { return held.Load() == jobs.ProjectParallelism })
	var want []int64
	for _, name := range []string{"Second", "Third"} {
		for range 3 {
			want = append(want, b.enqueue(jobs.Spec{Class: jobs.Component, Operation: "work", Scope: b.project(name), Priority: jobs.Person}).ID)
		}
	}
	want = append(want, b.enqueue(jobs.Spec{Class: jobs.Component, Operation: "work", Priority: jobs.Person}).ID) // of no project
	var got []int64
	for range want {
		select {
		case id := <-done:
			got = append(got, id)
		case <-time.After(20 * time.Second):
			t.Fatalf("of %v only %v ran", want, got)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%v ran, want %v", got, want)
	}
	if n := held.Load(); n != jobs.ProjectParallelism {
		t.Errorf("%d of the full project ran", n)
	}
	close(hold)
	b.until("all ended", func() bool {
		n, err := b.queue.Backlog(t.Context())
		return err == nil && n.Waiting+n.Processing == 0
	})
}

// TestFirstOfProjectsReadsAnIndex: not how many wait in each.
func TestFirstOfProjectsReadsAnIndex(t *testing.T) {
	t.Parallel()
	dsn := "sqlite:" + t.TempDir() + "/steward.db" // PostgreSQL plans by how much there is
	dbtest.OpenAt(t, dsn, db.Options{})
	steps := dbtest.Plan(t, dsn, jobs.FirstOfProjects, []any{"storage", 0})
	projects := 0
	for _, step := range steps {
		if strings.Contains(step, "jobs_waiting_project") {
			projects++
		}
		if strings.Contains(step, "SCAN jobs") || strings.Contains(step, "TEMP B-TREE") && !strings.HasSuffix(step, "ORDER BY") {
			t.Error(step)
		}
	}
	if projects != 4 {
		t.Errorf("the index is used %d times:\n%s", projects, strings.Join(steps, "\n"))
	}
}

// TestGuardOfManyJobs: jobs that are claimed together are each refused or not by what is
// true of them.
func TestGuardOfManyJobs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	second := b.project("Second")
	var ran []int64
	b.queue.Handle(map[string]jobs.Handler{
		"work":  func(_ context.Context, r *jobs.Run) error { ran = append(ran, r.Job.ID); return b.complete(r) },
		"other": func(_ context.Context, r *jobs.Run) error { ran = append(ran, r.Job.ID); return b.complete(r) },
	}, func(_ *db.Tx, j jobs.Job) error {
		if j.Project == b.scope.ID() && j.Operation == "work" {
			return fault.New(fault.Forbidden, "no", "Not here.")
		}
		return nil
	})
	var want, refused []int64
	for i := range 250 {
		spec := jobs.Spec{Class: jobs.Storage, Operation: "work", Scope: b.scope}
		switch i % 125 {
		case 3:
			spec.Operation = "other"
		case 7:
			spec.Scope = second
		}
		j := b.enqueue(spec)
		if i%125 == 3 || i%125 == 7 {
			want = append(want, j.ID)
		} else {
			refused = append(refused, j.ID)
		}
	}
	if err := b.queue.Drain(t.Context(), jobs.Storage); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(ran, want) {
		t.Errorf("ran %v, want %v", ran, want)
	}
	for _, id := range refused {
		if j := b.job(id); j.State != jobs.Failed || j.ErrorMessage != "Not here." {
			t.Fatalf("job %d: %s %q", id, j.State, j.ErrorMessage)
		}
	}
}

// TestManyProcessesRunEachJobOnce: none is lost, none runs twice, whoever claims how many
// at once.
func TestManyProcessesRunEachJobOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var want []int64
	for i := range 200 {
		spec := jobs.Spec{Class: jobs.Component, Operation: "work", Scope: b.scope}
		if i%3 == 0 {
			spec.Priority = jobs.Person
		}
		if i%5 == 0 {
			spec.SerialKey = "k"
		}
		want = append(want, b.enqueue(spec).ID)
	}
	done := make(chan int64, 400)
	for i := range 3 {
		q := jobs.New(dbtest.OpenAt(t, b.dsn, db.Options{}), b.hub, slog.New(slog.DiscardHandler), fmt.Sprint("p", i))
		q.Handle(map[string]jobs.Handler{"work": func(_ context.Context, r *jobs.Run) error {
			err := b.complete(r)
			done <- r.Job.ID
			return err
		}}, allow)
		b.work(q)
	}
	var got []int64
	for range want {
		select {
		case id := <-done:
			got = append(got, id)
		case <-time.After(30 * time.Second):
			t.Fatalf("only %d of %d jobs ran", len(got), len(want))
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("ran %v, want %v", got, want)
	}
}

// TestGuardThatCannotTell: an error that is no decision ends no job and keeps no other
// waiting. It is asked again a little later.
func TestGuardThatCannotTell(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var log bytes.Buffer
	queue := jobs.New(b.db, b.hub, slog.New(slog.NewTextHandler(&log, nil)), "one")
	broken := errors.New("a row that cannot be read")
	var ran []int64
	work := func(_ context.Context, r *jobs.Run) error { ran = append(ran, r.Job.ID); return b.complete(r) }
	queue.Handle(map[string]jobs.Handler{"work": work, "other": work}, func(_ *db.Tx, j jobs.Job) error {
		if j.Operation == "other" {
			return broken
		}
		return nil
	})
	var unsure, want []int64
	for range 20 { // more than are claimed at once
		unsure = append(unsure, b.enqueue(jobs.Spec{Operation: "other"}).ID)
	}
	for range 5 {
		want = append(want, b.enqueue(jobs.Spec{}).ID)
	}
	drain := func() {
		t.Helper()
		if err := queue.Drain(t.Context(), jobs.Storage); err != nil {
			t.Fatal(err)
		}
	}
	drain()
	drain()
	if !slices.Equal(ran, want) {
		t.Errorf("ran %v, want %v", ran, want)
	}
	for _, id := range unsure {
		if got := b.job(id); got.State != jobs.Waiting || got.Attempt != 0 {
			t.Errorf("job %d is %s, attempt %d", id, got.State, got.Attempt)
		}
	}
	if said := log.String(); strings.Count(said, broken.Error()) != len(unsure) {
		t.Errorf("the log says %s", said)
	}
	broken = nil
	b.ahead.Add(int64(10 * time.Second))
	if drain(); !slices.Equal(ran, slices.Concat(want, unsure)) {
		t.Errorf("in the end %v ran", ran)
	}
}

// TestGuardThatBreaksTheClaim: when the database fails the guard, nothing of the claim stands.
func TestGuardThatBreaksTheClaim(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.queue.Handle(map[string]jobs.Handler{"work": func(_ context.Context, r *jobs.Run) error { return b.complete(r) }}, func(tx *db.Tx, _ jobs.Job) error {
		_, err := tx.Exec("UPDATE nowhere SET x = 1")
		return err
	})
	j := b.enqueue(jobs.Spec{})
	for range 2 { // it is not put off
		if err := b.queue.Drain(t.Context(), jobs.Storage); err == nil {
			t.Error("no error")
		}
	}
	if got := b.job(j.ID); got.State != jobs.Waiting {
		t.Errorf("the job is %s", got.State)
	}
}

// TestSmallWorkLeavesRoomForBulk: it takes the lanes first that are kept for it.
func TestSmallWorkLeavesRoomForBulk(t *testing.T) {
	t.Parallel()
	b := setup(t)
	hold := make(chan struct{})
	release := sync.OnceFunc(func() { close(hold) })
	defer release()
	var held, bulk atomic.Int64
	b.queue.Handle(map[string]jobs.Handler{
		"hold": func(_ context.Context, r *jobs.Run) error { held.Add(1); <-hold; return b.complete(r) },
		"bulk": func(_ context.Context, r *jobs.Run) error { bulk.Add(1); <-hold; return b.complete(r) },
	}, allow)
	for range 5 { // one more than the lanes that are kept
		b.enqueue(jobs.Spec{Class: jobs.System, Operation: "hold", Priority: jobs.Person})
	}
	for range 2 {
		b.enqueue(jobs.Spec{Class: jobs.System, Operation: "bulk", Priority: jobs.Bulk})
	}
	b.work(b.queue)
	b.until("all lanes are taken", func() bool { return held.Load()+bulk.Load() == 6 })
	if held.Load() != 5 || bulk.Load() != 1 {
		t.Errorf("%d small ones and %d others run", held.Load(), bulk.Load())
	}
	release()
	b.until("all ended", func() bool {
		n, err := b.queue.Backlog(t.Context())
		return err == nil && n.Waiting+n.Processing == 0
	})
}
