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
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/keys"
	"steward/internal/live"
	"steward/internal/tenancy"
)

// bundle is a queue on a real database with one project.
type bundle struct {
	t      *testing.T
	dsn    string
	db     *db.DB
	hub    *live.Hub
	queue  *jobs.Service
	scope  access.Project
	person accounts.User
	ahead  atomic.Int64
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{t: t, hub: live.NewHub(), dsn: dbtest.DSN(t)}
	b.db = dbtest.OpenAt(t, b.dsn, db.Options{Now: b.now})
	b.queue = jobs.New(b.db, b.hub, slog.New(slog.DiscardHandler), "one")
	ring, err := keys.Open(t.TempDir() + "/keys.json")
	if err != nil {
		t.Fatal(err)
	}
	people := accounts.New(b.db, ring, nil, nil, nil)
	b.update(func(tx *db.Tx) error {
		u, err := people.Create(tx, access.Actor{}, accounts.NewUser{Email: "a@example.com", Name: "Ada"}, accounts.Hashed{})
		if err != nil {
			return err
		}
		b.person = u
		m, err := tenancy.CreateMaintainer(tx, u.Actor(), "M")
		if err != nil {
			return err
		}
		o, err := tenancy.CreateOrganization(tx, u.Actor(), m.ID, "O", u)
		if err != nil {
			return err
		}
		p, err := tenancy.CreateProject(tx, u.Actor(), tenancy.NewProject{Organization: o.ID, Name: "P", Member: u})
		if err != nil {
			return err
		}
		b.scope, err = tenancy.Enter(tx, u.Actor(), p.ID, access.ProjectRead)
		return err
	})
	return b
}

func (b *bundle) now() time.Time { return time.Now().Add(time.Duration(b.ahead.Load())) }

func (b *bundle) update(fn func(*db.Tx) error) {
	b.t.Helper()
	if err := b.db.Update(context.Background(), fn); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bundle) enqueue(s jobs.Spec) (j jobs.Job) {
	b.t.Helper()
	if s.Class == "" {
		s.Class, s.Scope = jobs.Storage, b.scope
	}
	if s.Operation == "" {
		s.Operation = "work"
	}
	b.update(func(tx *db.Tx) (err error) { j, err = b.queue.Enqueue(tx, s); return err })
	return j
}

func (b *bundle) job(id int64) (j jobs.Job) {
	b.t.Helper()
	err := b.db.View(context.Background(), func(tx *db.Tx) (err error) { j, err = b.queue.Get(tx, b.scope, id); return err })
	if err != nil {
		b.t.Fatal(err)
	}
	return j
}

func (b *bundle) log(j jobs.Job) (lines []string) {
	b.t.Helper()
	err := b.db.View(context.Background(), func(tx *db.Tx) error {
		list, err := jobs.Log(tx, j, 100)
		for _, l := range list {
			lines = append(lines, l.Message)
		}
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return lines
}

// work runs a queue's workers until the test ends.
func (b *bundle) work(q *jobs.Service) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); q.Work(ctx, 0) }()
	b.t.Cleanup(func() { stop(); <-done })
}

func (b *bundle) until(what string, ok func() bool) {
	b.t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("waited too long until %s", what)
		}
	}
}

func (b *bundle) complete(r *jobs.Run) error {
	return b.db.Update(context.Background(), func(tx *db.Tx) error {
		return r.Complete(tx, jobs.Result{Results: map[string]any{"n": 1}, Says: "Done."})
	})
}

func allow(*db.Tx, jobs.Job) error { return nil }

func TestCompleteJoinsTheCallersTransaction(t *testing.T) {
	t.Parallel()
	b := setup(t)
	boom := errors.New("boom")
	b.queue.Handle(map[string]jobs.Handler{"work": func(_ context.Context, r *jobs.Run) error {
		if err := b.db.Update(context.Background(), func(tx *db.Tx) error {
			if err := r.Complete(tx, jobs.Result{Says: "Not yet."}); err != nil {
				return err
			}
			return boom
		}); !errors.Is(err, boom) {
			t.Errorf("err %v", err)
		}
		return b.complete(r)
	}}, allow)
	j := b.enqueue(jobs.Spec{})
	if err := b.queue.Drain(t.Context(), jobs.Storage); err != nil {
		t.Fatal(err)
	}
	if got := b.job(j.ID); got.State != jobs.Success || string(got.Results) != `{"n":1}` {
		t.Fatalf("job %+v", got)
	}
	if lines := b.log(j); !slices.Equal(lines, []string{"Started.", "Done."}) {
		t.Fatalf("log %q", lines)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, c := range map[string]struct {
		err     error
		code    string
		message string
	}{
		"fault":    {fault.New(fault.Invalid, "x.bad", "Line 3 is bad."), "x.bad", "Line 3 is bad."},
		"internal": {errors.New("secret cause"), "storage.jobs.internal", ""},
		"panic":    {nil, "storage.jobs.internal", ""},
	} {
		b.queue.Handle(map[string]jobs.Handler{"work": func(context.Context, *jobs.Run) error {
			if name == "panic" {
				panic("secret cause")
			}
			return c.err
		}}, allow)
		j := b.enqueue(jobs.Spec{})
		if err := b.queue.Drain(t.Context(), jobs.Storage); err != nil {
			t.Fatal(err)
		}
		got := b.job(j.ID)
		if got.State != jobs.Failed || got.ErrorCode != c.code || (c.message != "" && got.ErrorMessage != c.message) || got.ErrorMessage == "" || got.ErrorMessage == "secret cause" {
			t.Errorf("%s: %s %s %q", name, got.State, got.ErrorCode, got.ErrorMessage)
		}
	}
}

func TestSerialKeysAndParallelism(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var mu sync.Mutex
	running, most, order := map[string]int{}, 0, []int64{}
	together := make(chan struct{})
	met := sync.OnceFunc(func() { close(together) })
	defer time.AfterFunc(time.Minute, met).Stop() // it should not come to this
	handler := func(_ context.Context, r *jobs.Run) error {
		key := r.Job.SerialKey
		mu.Lock()
		running[key]++
		if running[key] > 1 {
			t.Errorf("two jobs of %s at once", key)
		}
		total := 0
		for _, n := range running {
			total += n
		}
		if most = max(most, total); most > 1 {
			met()
		}
		order = append(order, r.Job.ID)
		mu.Unlock()
		<-together // the first ones wait for each other
		mu.Lock()
		running[key]--
		mu.Unlock()
		return b.complete(r)
	}
	second := jobs.New(dbtest.OpenAt(t, b.dsn, db.Options{}), b.hub, slog.New(slog.DiscardHandler), "two")
	for _, q := range []*jobs.Service{b.queue, second} {
		q.Handle(map[string]jobs.Handler{"work": handler}, allow)
	}
	var want []int64
	for i := range 40 {
		want = append(want, b.enqueue(jobs.Spec{SerialKey: fmt.Sprintf("table:%d", i%4)}).ID)
	}
	b.work(b.queue)
	b.work(second)
	b.until("all jobs ended", func() bool {
		return !slices.ContainsFunc(want, func(id int64) bool { return b.job(id).State != jobs.Success })
	})
	if len(order) != len(want) {
		t.Errorf("%d runs of %d jobs", len(order), len(want))
	}
	if most < 2 {
		t.Error("nothing ran beside anything")
	}
	for k := range 4 { // first come, first served within a key
		var mine []int64
		for _, id := range order {
			if slices.Index(want, id)%4 == k {
				mine = append(mine, id)
			}
		}
		if !slices.IsSorted(mine) {
			t.Errorf("key %d ran in the order %v", k, mine)
		}
	}
}

func TestSmallWorkDoesNotWaitBehindBulk(t *testing.T) {
	t.Parallel()
	b := setup(t)
	release := make(chan struct{})
	b.queue.Handle(map[string]jobs.Handler{
		"bulk": func(_ context.Context, r *jobs.Run) error { <-release; return b.complete(r) },
		"work": func(_ context.Context, r *jobs.Run) error { return b.complete(r) },
	}, allow)
	for range 9 { // fewer than the project's parallelism, more than the slots
		b.enqueue(jobs.Spec{Operation: "bulk"})
	}
	b.work(b.queue)
	b.until("bulk runs", func() bool { n, err := b.queue.Backlog(t.Context()); return err == nil && n.Processing >= 2 })
	small := b.enqueue(jobs.Spec{Priority: jobs.Person})
	b.until("the small job ended", func() bool { return b.job(small.ID).State == jobs.Success })
	close(release)
}

// TestOrderWithinAKey: small work passes by others, never those of its own serial key.
func TestOrderWithinAKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var order []int64
	b.queue.Handle(map[string]jobs.Handler{"work": func(_ context.Context, r *jobs.Run) error {
		order = append(order, r.Job.ID)
		if len(order) == 2 {
			return errors.New("the line goes on after a failure")
		}
		return b.complete(r)
	}}, allow)
	first := b.enqueue(jobs.Spec{SerialKey: "k", Priority: jobs.Bulk})
	second := b.enqueue(jobs.Spec{SerialKey: "k", Priority: jobs.Person})
	dropped := b.enqueue(jobs.Spec{SerialKey: "k", Priority: jobs.Person})
	third := b.enqueue(jobs.Spec{SerialKey: "k", Priority: jobs.Bulk})
	other := b.enqueue(jobs.Spec{SerialKey: "l", Priority: jobs.Person})
	b.update(func(tx *db.Tx) error { _, err := b.queue.Cancel(tx, b.scope, dropped.ID); return err })
	if err := b.queue.Drain(t.Context(), jobs.Storage); err != nil {
		t.Fatal(err)
	}
	if want := []int64{other.ID, first.ID, second.ID, third.ID}; !slices.Equal(order, want) {
		t.Errorf("ran in the order %v, want %v", order, want)
	}
}

// TestOneTurn: a key has one turn, whatever the clocks of the processes say, and whoever
// waits in its line can be cancelled without giving it to a second job.
func TestOneTurn(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{false, true} {
		t.Run(fmt.Sprint("running ", running), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			begun, goOn := make(chan struct{}), make(chan struct{})
			var order []int64
			handle := func(_ context.Context, r *jobs.Run) error {
				if r.Job.Operation == "first" && running {
					close(begun)
					<-goOn
				}
				order = append(order, r.Job.ID)
				return b.complete(r)
			}
			b.queue.Handle(map[string]jobs.Handler{"first": handle, "work": handle}, allow)
			b.ahead.Store(int64(2 * time.Second)) // the process that makes the first job
			first := b.enqueue(jobs.Spec{SerialKey: "k", Operation: "first"})
			drained := make(chan error, 1)
			if running {
				go func() { drained <- b.queue.Drain(context.Background(), jobs.Storage) }()
				<-begun
			}
			b.ahead.Store(0)
			second := b.enqueue(jobs.Spec{SerialKey: "k"})
			dropped := b.enqueue(jobs.Spec{SerialKey: "k"})
			b.update(func(tx *db.Tx) error { _, err := b.queue.Cancel(tx, b.scope, dropped.ID); return err })
			b.update(func(tx *db.Tx) error {
				turns, err := db.Value[int64](tx, "SELECT count(*) FROM jobs WHERE serial_key = 'k' AND NOT held AND state IN ('waiting', 'processing')")
				if turns != 1 {
					t.Errorf("%d jobs have the turn", turns)
				}
				return err
			})
			b.ahead.Store(int64(3 * time.Second))
			want := []int64{first.ID, second.ID}
			if running {
				other := b.enqueue(jobs.Spec{})
				second := jobs.New(b.db, b.hub, slog.New(slog.DiscardHandler), "two")
				second.Handle(map[string]jobs.Handler{"work": handle}, allow)
				if err := second.Drain(t.Context(), jobs.Storage); err != nil {
					t.Error(err)
				}
				want = slices.Insert(want, 0, other.ID)
				close(goOn)
				if err := <-drained; err != nil {
					t.Error(err)
				}
			} else if err := b.queue.Drain(t.Context(), jobs.Storage); err != nil {
				t.Error(err)
			}
			if !slices.Equal(order, want) {
				t.Errorf("ran %v, want %v", order, want)
			}
		})
	}
}

// TestNoTurnWithoutAKey: jobs without a serial key do not wait for the end of each other.
func TestNoTurnWithoutAKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if !b.db.Shared() {
		t.Skip("there is one writer here")
	}
	begun, goOn := make(chan struct{}), make(chan struct{})
	b.queue.Handle(map[string]jobs.Handler{"slow": func(_ context.Context, r *jobs.Run) error {
		return b.db.Update(context.Background(), func(tx *db.Tx) error {
			err := r.Complete(tx, jobs.Result{Says: "Done."})
			close(begun)
			<-goOn
			return err
		})
	}}, allow)
	second := jobs.New(b.db, b.hub, slog.New(slog.DiscardHandler), "two")
	second.Handle(map[string]jobs.Handler{
		"work": func(_ context.Context, r *jobs.Run) error { return b.complete(r) },
		"bad":  func(context.Context, *jobs.Run) error { return fault.New(fault.Invalid, "bad", "Bad.") },
	}, allow)
	b.enqueue(jobs.Spec{Operation: "slow"})
	slow, quick := make(chan error, 1), make(chan error, 1)
	go func() { slow <- b.queue.Drain(context.Background(), jobs.Storage) }()
	<-begun
	b.enqueue(jobs.Spec{})
	b.enqueue(jobs.Spec{Operation: "bad"})
	go func() { quick <- second.Drain(context.Background(), jobs.Storage) }()
	select {
	case err := <-quick:
		quick <- err
	case <-time.After(10 * time.Second):
		t.Error("jobs without a key wait for the end of another")
	}
	close(goOn)
	for _, ended := range []chan error{slow, quick} {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestProjectParallelism(t *testing.T) {
	t.Parallel()
	b := setup(t)
	hold := make(chan struct{})
	var at, most atomic.Int64
	handler := func(_ context.Context, r *jobs.Run) error {
		most.Store(max(most.Load(), at.Add(1)))
		<-hold
		at.Add(-1)
		return b.complete(r)
	}
	for i := range 8 { // eight processes have more slots than the project may use
		q := jobs.New(dbtest.OpenAt(t, b.dsn, db.Options{}), b.hub, slog.New(slog.DiscardHandler), fmt.Sprint("p", i))
		q.Handle(map[string]jobs.Handler{"work": handler}, allow)
		b.work(q)
	}
	var last jobs.Job
	for range 14 {
		last = b.enqueue(jobs.Spec{Priority: jobs.Person})
	}
	b.until("ten run", func() bool { return at.Load() == jobs.ProjectParallelism })
	if got := b.job(last.ID).State; got != jobs.Waiting {
		t.Errorf("the last job is %s", got)
	}
	close(hold)
	b.until("all ended", func() bool { return b.job(last.ID).State == jobs.Success })
	if most.Load() != jobs.ProjectParallelism {
		t.Errorf("%d ran at once", most.Load())
	}
}

// TestAgreedParallelism: what is agreed for a project counts in place of what is usual, from the
// next claim on, over all processes and for this project alone.
func TestAgreedParallelism(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := b.project("Second")
	hold := make(chan struct{})
	release := sync.OnceFunc(func() { close(hold) })
	var few, usual atomic.Int64
	handler := func(_ context.Context, r *jobs.Run) error {
		at := &few
		if r.Job.Project == other.ID() {
			at = &usual
		}
		at.Add(1)
		<-hold
		return b.complete(r)
	}
	agree := func(n int) {
		b.update(func(tx *db.Tx) error {
			return tx.Must("UPDATE projects SET limit_jobs = $2 WHERE id = $1", b.scope.ID(), n)
		})
	}
	agree(3)
	for i := range 8 {
		q := jobs.New(dbtest.OpenAt(t, b.dsn, db.Options{}), b.hub, slog.New(slog.DiscardHandler), fmt.Sprint("p", i))
		q.Handle(map[string]jobs.Handler{"work": handler}, allow)
		b.work(q)
	}
	t.Cleanup(release) // before the workers are waited for
	for range 12 {
		b.enqueue(jobs.Spec{Class: jobs.Storage, Scope: b.scope, Priority: jobs.Person})
		b.enqueue(jobs.Spec{Class: jobs.Storage, Scope: other, Priority: jobs.Person})
	}
	b.until("ten of the other run", func() bool { return usual.Load() == jobs.ProjectParallelism })
	b.until("three run", func() bool { return few.Load() == 3 })
	agree(11)
	b.until("eleven run", func() bool { return few.Load() == 11 })
	if n := usual.Load(); n != jobs.ProjectParallelism {
		t.Errorf("of the other project %d run", n)
	}
	release()
	b.until("all ended", func() bool {
		n, err := b.queue.Backlog(t.Context())
		return err == nil && n.Waiting+n.Processing == 0
	})
}

func TestCancel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	started := make(chan struct{}, 1)
	b.queue.Handle(map[string]jobs.Handler{"work": func(ctx context.Context, _ *jobs.Run) error {
		started <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}}, allow)
	waiting := b.enqueue(jobs.Spec{SerialKey: "k", Priority: jobs.Bulk})
	b.update(func(tx *db.Tx) error { _, err := b.queue.Cancel(tx, b.scope, waiting.ID); return err })
	if got := b.job(waiting.ID); !got.IsCancelled() {
		t.Fatalf("a waiting job: %s %s", got.State, got.ErrorCode)
	}
	running := b.enqueue(jobs.Spec{})
	b.work(b.queue)
	<-started
	b.update(func(tx *db.Tx) error { _, err := b.queue.Cancel(tx, b.scope, running.ID); return err })
	b.until("the running job is cancelled", func() bool { return b.job(running.ID).IsCancelled() })
	err := b.db.Update(t.Context(), func(tx *db.Tx) error { _, err := b.queue.Cancel(tx, b.scope, running.ID); return err })
	if !fault.HasCode(err, "storage.jobs.finished") {
		t.Errorf("cancelling a finished job: %v", err)
	}
}

// TestFencing: a worker whose lease ended while it stood still may not commit once
// another has taken the job over.
func TestFencing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	held, resume, refused := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	slow := jobs.New(b.db, live.NewHub(), slog.New(slog.DiscardHandler), "slow")
	slow.Handle(map[string]jobs.Handler{"work": func(_ context.Context, r *jobs.Run) error {
		close(held)
		<-resume
		err := b.complete(r)
		refused <- err
		return err
	}}, allow)
	var runs atomic.Int64
	b.queue.Handle(map[string]jobs.Handler{"work": func(_ context.Context, r *jobs.Run) error { runs.Add(1); return b.complete(r) }}, allow)
	j := b.enqueue(jobs.Spec{SerialKey: "k"})
	drained := make(chan error, 1)
	go func() { drained <- slow.Drain(context.Background(), jobs.Storage) }()
	<-held
	// Its heartbeat lives in this process, so the lease is ended by hand.
	b.update(func(tx *db.Tx) error {
		return tx.Must("UPDATE jobs SET lease_until = $2 WHERE id = $1", j.ID, tx.Now.Add(-time.Second))
	})
	b.work(b.queue)
	b.until("the other worker is done", func() bool { return b.job(j.ID).State == jobs.Success })
	close(resume)
	if err := <-refused; !errors.Is(err, jobs.ErrFenced) {
		t.Errorf("the late commit: %v, want ErrFenced", err)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if slow.LostLeases() != 1 || runs.Load() != 1 {
		t.Errorf("lost %d, runs %d", slow.LostLeases(), runs.Load())
	}
	got := b.job(j.ID)
	if got.Attempt != 1 || got.State != jobs.Success {
		t.Errorf("attempt %d, %s", got.Attempt, got.State)
	}
	lines := b.log(j)
	if len(lines) != 4 || lines[1] != "Interrupted: its worker stopped without a word. The table is as it was; the job goes on." || lines[2] != "Started again, attempt 2." {
		t.Errorf("log %q", lines)
	}
}

// TestLogBesideOthers: a run writes to its job's log beside others who do, and no longer
// than the job is its own.
func TestLogBesideOthers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	begun, logged, goOn, taken := make(chan struct{}), make(chan error, 1), make(chan struct{}), make(chan struct{})
	slow := jobs.New(b.db, live.NewHub(), slog.New(slog.DiscardHandler), "slow")
	slow.Handle(map[string]jobs.Handler{"work": func(_ context.Context, r *jobs.Run) error {
		close(begun)
		<-goOn
		logged <- r.Log(context.Background(), audit.Info, "Beside the cancel.")
		<-taken
		err := r.Log(context.Background(), audit.Info, "Too late.")
		logged <- err
		return err
	}}, allow)
	j := b.enqueue(jobs.Spec{})
	drained := make(chan error, 1)
	go func() { drained <- slow.Drain(context.Background(), jobs.Storage) }()
	<-begun
	b.update(func(tx *db.Tx) error {
		_, err := b.queue.Cancel(tx, b.scope, j.ID)
		close(goOn)
		time.Sleep(300 * time.Millisecond) // the run waits for this transaction, or it would not have been beside it
		return err
	})
	if err := <-logged; err != nil {
		t.Errorf("a line beside a cancel: %v", err)
	}
	if err := b.queue.Free(t.Context(), "slow"); err != nil {
		t.Fatal(err)
	}
	close(taken)
	if err := <-logged; !errors.Is(err, jobs.ErrFenced) {
		t.Errorf("a line of a job that is another's: %v, want ErrFenced", err)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if lines := b.log(j); len(lines) != 5 || lines[1] != "Ada cancelled the job." || lines[2] != "Beside the cancel." || slices.Contains(lines, "Too late.") {
		t.Errorf("log %q", lines)
	}
}

func TestInterruptedTooOften(t *testing.T) {
	t.Parallel()
	b := setup(t)
	dead := jobs.New(b.db, live.NewHub(), slog.New(slog.DiscardHandler), "dead")
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	entered := make(chan struct{})
	dead.Handle(map[string]jobs.Handler{"work": func(context.Context, *jobs.Run) error { entered <- struct{}{}; <-hang; return nil }}, allow)
	j := b.enqueue(jobs.Spec{MaxAttempts: 2})
	var log bytes.Buffer
	alive := jobs.New(b.db, b.hub, slog.New(slog.NewTextHandler(&log, nil)), "alive")
	for i, want := range []string{"an interrupted job goes back to the queue", "a job was interrupted too often, and is not tried again"} {
		go func() { _ = dead.Drain(context.Background(), jobs.Storage) }()
		<-entered
		log.Reset()
		if err := alive.Free(t.Context(), "dead"); err != nil {
			t.Fatal(err)
		}
		if said := log.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, want) || !strings.Contains(said, fmt.Sprintf(" attempt=%d", i+1)) {
			t.Errorf("the log says %s", said)
		}
	}
	if got := b.job(j.ID); got.State != jobs.Failed || got.ErrorCode != "storage.jobs.interrupted" {
		t.Fatalf("%s %s", got.State, got.ErrorCode)
	}
}

func TestGuard(t *testing.T) {
	t.Parallel()
	b := setup(t)
	no := fault.New(fault.Forbidden, "no", "Ada may not do this any more.")
	var allowed atomic.Bool
	guard := func(*db.Tx, jobs.Job) error {
		if allowed.Load() {
			return nil
		}
		return no
	}
	b.queue.Handle(map[string]jobs.Handler{"work": func(_ context.Context, r *jobs.Run) error {
		allowed.Store(false) // the right goes while the job runs
		return b.complete(r)
	}}, guard)
	atClaim := b.enqueue(jobs.Spec{})
	if err := b.queue.Drain(t.Context(), jobs.Storage); err != nil {
		t.Fatal(err)
	}
	allowed.Store(true)
	atCommit := b.enqueue(jobs.Spec{})
	if err := b.queue.Drain(t.Context(), jobs.Storage); err != nil {
		t.Fatal(err)
	}
	for _, j := range []jobs.Job{atClaim, atCommit} {
		if got := b.job(j.ID); got.State != jobs.Failed || got.ErrorMessage != no.Message {
			t.Errorf("job %d: %s %q", j.ID, got.State, got.ErrorMessage)
		}
	}
}

func TestSystemJobsAreTriedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var runs atomic.Int64
	b.queue.Handle(map[string]jobs.Handler{"mail": func(_ context.Context, r *jobs.Run) error {
		if runs.Add(1) < 3 {
			return errors.New("not now")
		}
		return b.complete(r)
	}}, allow)
	b.enqueue(jobs.Spec{Class: jobs.System, Operation: "mail"})
	for range 3 {
		if err := b.queue.Drain(t.Context(), jobs.System); err != nil {
			t.Fatal(err)
		}
		before := runs.Load()
		if err := b.queue.Drain(t.Context(), jobs.System); err != nil {
			t.Fatal(err)
		}
		if runs.Load() != before {
			t.Error("tried again without waiting")
		}
		b.ahead.Add(int64(time.Hour))
	}
	if runs.Load() != 3 {
		t.Errorf("%d runs", runs.Load())
	}
}

// TestManyAttempts: however often a job has failed, it is put off, and not for longer
// than some hours.
func TestManyAttempts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	runs := 0
	b.queue.Handle(map[string]jobs.Handler{"mail": func(context.Context, *jobs.Run) error {
		runs++
		return errors.New("not now")
	}}, allow)
	j := b.enqueue(jobs.Spec{Class: jobs.System, Operation: "mail", MaxAttempts: 1000})
	for i, attempt := range []int{9, 10, 29, 70} {
		b.update(func(tx *db.Tx) error { return tx.Must("UPDATE jobs SET attempt = $2 WHERE id = $1", j.ID, attempt) })
		for _, wait := range []time.Duration{0, 4 * time.Hour} {
			if err := b.queue.Drain(t.Context(), jobs.System); err != nil {
				t.Fatal(err)
			}
			if runs != i+1 {
				t.Fatalf("after attempt %d it ran %d times without waiting", attempt, runs-i-1)
			}
			b.ahead.Add(int64(wait))
		}
		b.ahead.Add(int64(2 * time.Hour))
	}
}

func TestStopGivesJobsBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	started := make(chan struct{}, 1)
	b.queue.Handle(map[string]jobs.Handler{"work": func(ctx context.Context, _ *jobs.Run) error {
		started <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}}, allow)
	j := b.enqueue(jobs.Spec{})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); b.queue.Work(ctx, 10*time.Millisecond) }()
	<-started
	stop()
	<-done
	if got := b.job(j.ID); got.State != jobs.Waiting || got.Attempt != 0 {
		t.Fatalf("%s, attempt %d", got.State, got.Attempt)
	}
}

func TestListFilters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.queue.Handle(map[string]jobs.Handler{"work": func(_ context.Context, r *jobs.Run) error { return b.complete(r) }}, allow)
	for i := range 7 {
		b.enqueue(jobs.Spec{Table: fmt.Sprintf("in.c-x.t%d", i%2)})
		b.ahead.Add(int64(time.Second))
	}
	if err := b.queue.Drain(t.Context(), jobs.Storage); err != nil {
		t.Fatal(err)
	}
	b.enqueue(jobs.Spec{Operation: "other"})
	count := func(f jobs.Filter) (n int) {
		f.Limit = 2
		for {
			var page []jobs.Job
			err := b.db.View(t.Context(), func(tx *db.Tx) (err error) { page, err = b.queue.List(tx, b.scope, f); return err })
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				return n
			}
			n += len(page)
			last := page[len(page)-1]
			f.Before = jobs.Cursor{At: last.CreatedAt, ID: last.ID}
		}
	}
	for _, c := range []struct {
		f    jobs.Filter
		want int
	}{{jobs.Filter{}, 8}, {jobs.Filter{State: jobs.Success}, 7}, {jobs.Filter{State: jobs.Waiting}, 1}, {jobs.Filter{Table: "in.c-x.t1"}, 3}, {jobs.Filter{Operation: "other"}, 1},
		{jobs.Filter{UserID: b.scope.Actor().UserID}, 8}, {jobs.Filter{UserID: 999}, 0}} {
		if got := count(c.f); got != c.want {
			t.Errorf("%+v: %d jobs, want %d", c.f, got, c.want)
		}
	}
}

// TestLeave: a run that fails leaves results, with what its function wrote, in the
// transaction that ends the job; one that was cancelled leaves nothing.
func TestLeave(t *testing.T) {
	t.Parallel()
	b := setup(t)
	broken := fault.New(fault.Invalid, "test.broken", "Broken.")
	begun := make(chan struct{})
	handler := func(ctx context.Context, r *jobs.Run) error {
		r.Leave(func(tx *db.Tx) (any, error) {
			_, err := tx.Exec("UPDATE projects SET description = description || 'left ' WHERE id = $1", r.Job.Project)
			return map[string]any{"rowsRejected": 3}, err
		})
		if r.Job.Operation == "work" {
			return broken
		}
		close(begun)
		<-ctx.Done()
		return ctx.Err()
	}
	b.queue.Handle(map[string]jobs.Handler{"work": handler, "wait": handler}, func(*db.Tx, jobs.Job) error { return nil })
	failed, cancelled := b.enqueue(jobs.Spec{}), b.enqueue(jobs.Spec{Operation: "wait"})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan struct{})
	go func() { defer close(done); b.queue.Work(ctx, time.Second) }()
	<-begun
	b.update(func(tx *db.Tx) error { _, err := b.queue.Cancel(tx, b.scope, cancelled.ID); return err })
	for end := time.Now().Add(30 * time.Second); !b.job(failed.ID).Finished() || !b.job(cancelled.ID).Finished(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the jobs do not end")
		}
	}
	stop()
	<-done
	if j := b.job(failed.ID); j.ErrorCode != "test.broken" || string(j.Results) != `{"rowsRejected":3}` {
		t.Errorf("the failed job has %s %s", j.ErrorCode, j.Results)
	}
	if j := b.job(cancelled.ID); !j.IsCancelled() || string(j.Results) != "{}" {
		t.Errorf("the cancelled job has %s %s", j.ErrorCode, j.Results)
	}
	b.update(func(tx *db.Tx) error {
		left, err := db.Value[string](tx, "SELECT description FROM projects WHERE id = $1", b.scope.ID())
		if err == nil && left != "left " {
			t.Errorf("what was left is %q", left)
		}
		if err != nil {
			return err
		}
		results, err := db.Value[string](tx, "SELECT results FROM events WHERE name = 'storage.workFailed'")
		if results != `{"rowsRejected":3}` {
			t.Errorf("the event has %s", results)
		}
		return err
	})
}
