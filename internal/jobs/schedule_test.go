package jobs_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/internal/fault"
	"steward/internal/jobs"
)

func TestTimesInZones(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		spec, zone, from string
		want             []string // one after the other
	}{
		{"30 2 * * *", "UTC", "2025-03-29T12:00:00Z", []string{"2025-03-30T02:30:00Z", "2025-03-31T02:30:00Z"}},
		// Put forward from 2:00 to 3:00: what is left out comes when the gap has ended.
		{"30 2 * * *", "Europe/Prague", "2025-03-29T12:00:00Z", []string{"2025-03-30T01:30:00Z", "2025-03-31T00:30:00Z"}},
		// Put back from 3:00 to 2:00: once, although the clocks show it twice.
		{"30 2 * * *", "Europe/Prague", "2025-10-25T12:00:00Z", []string{"2025-10-26T00:30:00Z", "2025-10-27T01:30:00Z"}},
		{"0 1 * * 0", "America/New_York", "2025-11-01T12:00:00Z", []string{"2025-11-02T05:00:00Z", "2025-11-09T06:00:00Z"}},
		// Every quarter of an hour goes on through both.
		{"*/30 * * * *", "Europe/Prague", "2025-10-26T00:10:00Z", []string{"2025-10-26T00:30:00Z", "2025-10-26T01:00:00Z", "2025-10-26T01:30:00Z", "2025-10-26T02:00:00Z"}},
		{"*/30 * * * *", "Europe/Prague", "2025-03-30T00:40:00Z", []string{"2025-03-30T01:00:00Z", "2025-03-30T01:30:00Z"}},
		// Put back by half an hour only.
		{"45 1 * * *", "Australia/Lord_Howe", "2025-04-05T12:00:00Z", []string{"2025-04-05T14:45:00Z", "2025-04-06T15:15:00Z"}},
		{"@daily", "Asia/Tokyo", "2025-06-01T00:00:00Z", []string{"2025-06-01T15:00:00Z"}},
		// A day of the month or of the week, as cron has it.
		{"0 0 13 * 5", "UTC", "2025-06-01T00:00:00Z", []string{"2025-06-06T00:00:00Z", "2025-06-13T00:00:00Z", "2025-06-20T00:00:00Z"}},
		{"0 0 29 2 *", "UTC", "2025-06-01T00:00:00Z", []string{"2028-02-29T00:00:00Z"}},
	} {
		times, err := jobs.ParseTimes(c.spec, c.zone)
		if err != nil {
			t.Errorf("%s in %s: %v", c.spec, c.zone, err)
			continue
		}
		at, err := time.Parse(time.RFC3339, c.from)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if at = times.Next(at); at.Format(time.RFC3339) != want {
				t.Errorf("%s in %s from %s: %s, want %s", c.spec, c.zone, c.from, at.Format(time.RFC3339), want)
				break
			}
		}
	}
}

func TestBadSchedules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ spec, zone, want string }{
		{"61 * * * *", "UTC", "61"},
		{"* * * *", "UTC", "5 fields"},
		{"", "UTC", "no schedule"},
		{"a b c d e", "UTC", `"a"`},
		{"*/0 * * * *", "UTC", "step"},
		{"0 0 31 2 *", "UTC", "never comes"},
		{"@every 1s", "UTC", "times of the day"},
		{" @every 1s", "UTC", "times of the day"},
		{"TZ=UTC 0 0 * * *", "UTC", "field of its own"},
		{"0 0 * * *", "Nowhere/Land", "no time zone"},
		{"0 0 * * *", "", "no time zone"},
		{"0 0 * * *", "Local", "no time zone"},
		{strings.Repeat("1,", 5000) + "1 * * * *", "UTC", "no schedule"},
	} {
		_, err := jobs.ParseTimes(c.spec, c.zone)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Of(err).Message, c.want) {
			t.Errorf("%.40q in %q: %v, want one that says %q", c.spec, c.zone, err, c.want)
		}
	}
}

// made is how many jobs of an operation there are, and in which state all of them are.
func (b *bundle) made(operation string) (n int64, state string) {
	b.t.Helper()
	err := b.db.View(context.Background(), func(tx *db.Tx) (err error) {
		if n, err = db.Value[int64](tx, "SELECT count(*) FROM jobs WHERE operation = $1", operation); err != nil || n == 0 {
			return err
		}
		state, err = db.Value[string](tx, "SELECT MIN(state) FROM jobs WHERE operation = $1", operation)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return n, state
}

func (b *bundle) schedule(q *jobs.Service, list ...jobs.Schedule) {
	b.t.Helper()
	if err := q.Schedule(context.Background(), list); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bundle) nextAt(name string) (at time.Time) {
	b.t.Helper()
	err := b.db.View(context.Background(), func(tx *db.Tx) (err error) {
		at, err = db.One(tx, func(r db.Row) (t time.Time, err error) { return t, r.Scan(db.Time(&t)) }, "SELECT next_at FROM schedules WHERE name = $1", name)
		return err
	})
	if err != nil && !fault.Is(err, fault.NotFound) {
		b.t.Fatal(err)
	}
	return at
}

func (b *bundle) fire(q *jobs.Service) int {
	b.t.Helper()
	n, err := q.Fire(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

var hourly = jobs.Schedule{Name: "tidy", Operation: "tidy", Class: jobs.System, Spec: "0 * * * *", Zone: "UTC", Params: map[string]int{"n": 1}}

// TestFiresOnceOverAllProcesses: many processes see the time come at once.
func TestFiresOnceOverAllProcesses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	queues := []*jobs.Service{b.queue}
	for i := range 3 {
		queues = append(queues, jobs.New(dbtest.OpenAt(t, b.dsn, db.Options{Now: b.now}), b.hub, slog.New(slog.DiscardHandler), fmt.Sprint("p", i)))
	}
	for _, q := range queues {
		q.Handle(map[string]jobs.Handler{"tidy": func(_ context.Context, r *jobs.Run) error { return b.complete(r) }}, allow)
		b.schedule(q, hourly)
	}
	for round := int64(1); round <= 5; round++ {
		b.ahead.Add(int64(time.Hour))
		var wg sync.WaitGroup
		fired := make([]int, len(queues)*4)
		for i := range fired {
			wg.Go(func() { fired[i] = b.fire(queues[i%len(queues)]) })
		}
		wg.Wait()
		sum := 0
		for _, n := range fired {
			sum += n
		}
		if n, _ := b.made("tidy"); sum != 1 || n != round {
			t.Fatalf("round %d: %d say that they fired, there are %d jobs", round, sum, n)
		}
		if err := b.queue.Drain(t.Context(), jobs.System); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWorkersFire runs two processes' workers as users run them.
func TestWorkersFire(t *testing.T) {
	t.Parallel()
	b := setup(t)
	second := jobs.New(dbtest.OpenAt(t, b.dsn, db.Options{Now: b.now}), b.hub, slog.New(slog.DiscardHandler), "two")
	for _, q := range []*jobs.Service{b.queue, second} {
		q.Handle(map[string]jobs.Handler{"tidy": func(_ context.Context, r *jobs.Run) error {
			if string(r.Job.Params) != `{"n":1}` || r.Job.Class != jobs.System {
				t.Errorf("the job is %+v", r.Job)
			}
			return b.complete(r)
		}}, allow)
		b.schedule(q, hourly)
		b.work(q)
	}
	for round := int64(1); round <= 2; round++ {
		b.ahead.Add(int64(time.Hour))
		b.until("the job ended", func() bool { n, state := b.made("tidy"); return n == round && state == string(jobs.Success) })
	}
}

// TestMissedTimesFireOnce: after days without anybody, and over a restart.
func TestMissedTimesFireOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.schedule(b.queue, hourly)
	if n := b.fire(b.queue); n != 0 {
		t.Fatalf("%d fired before their time", n)
	}
	b.ahead.Add(int64(5 * 24 * time.Hour))
	missed := b.nextAt("tidy")
	restarted := jobs.New(dbtest.OpenAt(t, b.dsn, db.Options{Now: b.now}), b.hub, slog.New(slog.DiscardHandler), "one")
	b.schedule(restarted, hourly)
	if got := b.nextAt("tidy"); !got.Equal(missed) {
		t.Errorf("a start moved the missed time from %s to %s", missed, got)
	}
	if first, again := b.fire(restarted), b.fire(restarted); first != 1 || again != 0 {
		t.Errorf("fired %d times, then %d times", first, again)
	}
	if n, _ := b.made("tidy"); n != 1 {
		t.Errorf("there are %d jobs", n)
	}
	if next := b.nextAt("tidy").Sub(b.now()); next <= 0 || next > time.Hour {
		t.Errorf("the next time is in %s", next)
	}

	// The first job is still waiting: the next time passes over it, and does not come again.
	b.ahead.Add(int64(time.Hour))
	if n := b.fire(restarted); n != 0 {
		t.Errorf("%d fired beside an unfinished job", n)
	}
	restarted.Handle(map[string]jobs.Handler{"tidy": func(_ context.Context, r *jobs.Run) error { return b.complete(r) }}, allow)
	if err := restarted.Drain(t.Context(), jobs.System); err != nil {
		t.Fatal(err)
	}
	b.ahead.Add(int64(time.Hour))
	if n := b.fire(restarted); n != 1 {
		t.Errorf("%d fired after the job had ended", n)
	}
}

func TestDeclaredSchedules(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := jobs.Schedule{Name: "other", Operation: "tidy", Class: jobs.System, Spec: "@daily", Zone: "Europe/Prague"}
	b.schedule(b.queue, hourly, other)
	kept := b.nextAt("other")
	changed := hourly
	changed.Spec = "0 0 1 1 *"
	b.schedule(b.queue, changed, other)
	if got := b.nextAt("tidy"); got.Month() != time.January || got.Day() != 1 {
		t.Errorf("the changed schedule comes next at %s", got)
	}
	if got := b.nextAt("other"); !got.Equal(kept) {
		t.Errorf("the other one moved from %s to %s", kept, got)
	}
	changed.Zone = "Asia/Tokyo"
	b.schedule(b.queue, changed, other)
	if got := b.nextAt("tidy"); got.Month() != time.December || got.Hour() != 15 {
		t.Errorf("in Tokyo it comes next at %s", got)
	}

	// A clock that ran ahead and was put right does not silence a schedule.
	b.schedule(b.queue, hourly)
	b.ahead.Add(int64(48 * time.Hour))
	b.fire(b.queue)
	b.ahead.Add(-int64(48 * time.Hour))
	b.schedule(b.queue, hourly)
	if next := b.nextAt("tidy").Sub(b.now()); next <= 0 || next > time.Hour {
		t.Errorf("after the clock was put back, the next time is in %s", next)
	}

	if !b.nextAt("other").IsZero() {
		t.Error("a schedule that is not declared any more is still there")
	}
	bad := hourly
	bad.Spec = "never"
	if err := b.queue.Schedule(t.Context(), []jobs.Schedule{bad}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "tidy") {
		t.Errorf("a bad spec: %v", err)
	}
	if b.nextAt("tidy").IsZero() {
		t.Error("a refused list took the old one away")
	}
}

// TestPrune forgets what regular jobs left, and nothing else.
// TestSchedulesUnderAnyClock: a clock that was put back by a day silences no schedule for
// a day, and one that was put back by a moment fires none twice.
func TestSchedulesUnderAnyClock(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.queue.Handle(map[string]jobs.Handler{"tidy": func(_ context.Context, r *jobs.Run) error { return b.complete(r) }}, allow)
	b.schedule(b.queue, hourly)
	first := b.nextAt("tidy")
	for _, step := range []struct {
		at    time.Duration // since the first time
		fired int
	}{
		{time.Second, 1},
		{-time.Second, 0},
		{2 * time.Second, 0}, // has fired
		{time.Hour, 1},
		{-24 * time.Hour, 1}, // at -24 h by the clock again, after a look a moment before
		{-23*time.Hour - time.Second, 0},
		{-23 * time.Hour, 1},
		{0, 1},
	} {
		at := func(d time.Duration) { b.ahead.Store(int64(time.Until(first.Add(d + 50*time.Millisecond)))) }
		if step.at == -24*time.Hour {
			at(step.at - time.Second)
			if n := b.fire(b.queue); n != 0 {
				t.Errorf("%d fired before their time", n)
			}
		}
		at(step.at)
		if n := b.fire(b.queue); n != step.fired {
			t.Errorf("%s after the first time %d fired, want %d", step.at, n, step.fired)
		}
		if err := b.queue.Drain(t.Context(), jobs.System); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	b := setup(t)
	fail := false
	b.queue.Handle(map[string]jobs.Handler{
		"tidy": func(_ context.Context, r *jobs.Run) error {
			if fail {
				return fault.New(fault.Invalid, "x", "No.")
			}
			return b.complete(r)
		},
		"work": func(_ context.Context, r *jobs.Run) error { return b.complete(r) },
	}, allow)
	b.schedule(b.queue, hourly)
	person := b.enqueue(jobs.Spec{})
	mail := b.enqueue(jobs.Spec{Class: jobs.System, Operation: "work"})
	for range 3 {
		b.ahead.Add(int64(time.Hour))
		b.fire(b.queue)
		for _, class := range []jobs.Class{jobs.System, jobs.Storage} {
			if err := b.queue.Drain(t.Context(), class); err != nil {
				t.Fatal(err)
			}
		}
	}
	fail = true
	b.ahead.Add(int64(time.Hour))
	b.fire(b.queue)
	for range 4 {
		if err := b.queue.Drain(t.Context(), jobs.System); err != nil {
			t.Fatal(err)
		}
		b.ahead.Add(int64(time.Hour))
	}
	var n int64
	b.update(func(tx *db.Tx) (err error) { n, err = jobs.Prune(tx, b.now()); return err })
	if n != 3 {
		t.Errorf("%d were forgotten, want 3", n)
	}
	if left, state := b.made("tidy"); left != 1 || state != string(jobs.Failed) {
		t.Errorf("%d are left, %s; want the one that failed", left, state)
	}
	b.job(person.ID)
	if n, _ := b.made("work"); n != 2 {
		t.Errorf("%d of jobs %d and %d are left", n, person.ID, mail.ID)
	}
}
