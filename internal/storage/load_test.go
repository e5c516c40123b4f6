package storage_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/storage/csv"
	"steward/internal/storage/engine"
	"steward/web/webtest"
)

// place is a project with a bucket in.c-load, and a person who loads files into it.
type place struct {
	*webtest.Site
	t     *testing.T
	scope access.Project
}

const bucket = "in.c-load"

func newPlace(t *testing.T, s *webtest.Site, name string) *place {
	t.Helper()
	p, admin := s.Project(name, false)
	pl := &place{s, t, s.Scope(admin, p)}
	s.Update(func(tx *db.Tx) error {
		_, err := s.App.Storage.CreateBucket(tx, pl.scope, storage.NewBucket{Stage: storage.In, Name: "load"})
		return err
	})
	return pl
}

// upload makes a file of rows that all begin with a stamp: "stamp,0", "stamp,1" and on.
func (p *place) upload(stamp string, rows int) int64 {
	p.t.Helper()
	var b strings.Builder
	b.WriteString("stamp,n\n")
	for i := range rows {
		fmt.Fprintf(&b, "%s,%d\n", stamp, i)
	}
	f, err := p.App.Storage.Upload(p.t.Context(), p.scope, stamp+".csv", strings.NewReader(b.String()))
	if err != nil {
		p.t.Fatal(err)
	}
	return f.ID
}

// start enqueues a load.
func (p *place) start(table string, file int64, add bool) (j jobs.Job) {
	p.t.Helper()
	p.Update(func(tx *db.Tx) (err error) {
		j, err = p.App.Storage.StartLoad(tx, p.scope, storage.Load{File: file, Bucket: bucket, Table: table, Append: add, Dialect: csv.DefaultDialect()})
		return err
	})
	return j
}

// await waits for the end of jobs. Each must end well.
func (p *place) await(list ...jobs.Job) {
	p.t.Helper()
	for _, j := range list {
		wait(p.t, fmt.Sprintf("job %d ends", j.ID), func() bool {
			p.View(func(tx *db.Tx) (err error) { j, err = p.App.Jobs.Get(tx, p.scope, j.ID); return err })
			return j.Finished()
		})
		if j.State != jobs.Success {
			p.t.Fatalf("job %d (%s): %s %s", j.ID, j.Table, j.State, j.ErrorMessage)
		}
	}
}

// wait polls until a condition holds.
func wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func (p *place) table(name string) (t storage.Table) {
	p.t.Helper()
	p.View(func(tx *db.Tx) (err error) { t, err = p.App.Storage.Table(tx, p.scope, bucket+"."+name); return err })
	return t
}

// stamps gives the stamps of a table's rows in order, each as "stamp×rows", and fails
// unless the rows of a stamp stand together, whole and in order.
func (p *place) stamps(ctx context.Context, v *engine.View) ([]string, error) {
	var out []string
	last, n := "", 0
	flush := func() {
		if n > 0 {
			out = append(out, fmt.Sprintf("%s×%d", last, n))
		}
	}
	err := v.Each(ctx, engine.Query{}, func(r engine.Row) error {
		if r.Cells[0].Value != last || r.Cells[1].Value == "0" {
			flush()
			last, n = r.Cells[0].Value, 0
		}
		if r.Cells[1].Value != fmt.Sprint(n) {
			return fmt.Errorf("row %s of %s stands at place %d", r.Cells[1].Value, last, n)
		}
		n++
		return nil
	})
	flush()
	return out, err
}

func (p *place) content(name string) string {
	p.t.Helper()
	t := p.table(name)
	v, err := p.App.Storage.View(p.t.Context(), p.scope, t)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = v.Close() }()
	stamps, err := p.stamps(p.t.Context(), v)
	if err != nil {
		p.t.Fatal(err)
	}
	if v.Rows() != t.Rows {
		p.t.Errorf("table %s says %d rows, there are %d", name, t.Rows, v.Rows())
	}
	return strings.Join(stamps, " ")
}

// order gives the jobs that made a table's versions, the oldest first, and fails unless
// each built on the version before.
func (p *place) order(name string) (made []int64) {
	p.t.Helper()
	id := p.table(name).ID
	p.View(func(tx *db.Tx) error {
		gaps, err := db.Value[int64](tx, "SELECT count(*) FROM job_tables WHERE table_id = $1 AND version_after <> version_before + 1", id)
		if err != nil {
			return err
		}
		if gaps != 0 {
			p.t.Errorf("%d jobs on table %s did not build on the version before theirs", gaps, name)
		}
		made, err = db.All(tx, func(r db.Row) (job int64, err error) { return job, r.Scan(&job) }, "SELECT job_id FROM job_tables WHERE table_id = $1 ORDER BY version_after", id)
		return err
	})
	return made
}

// sums fails unless a bucket's sums are those of its tables, and each table's version
// is the newest of its versions, which are numbered without gaps.
func (p *place) sums() {
	p.t.Helper()
	p.View(func(tx *db.Tx) error {
		for what, query := range map[string]string{
			"bucket whose sums are wrong": `SELECT count(*) FROM buckets b WHERE b.deleted_at IS NULL AND (
				tables_count <> (SELECT count(*) FROM tables t WHERE t.bucket_id = b.id AND t.deleted_at IS NULL) OR
				rows_count <> (SELECT COALESCE(SUM(t.rows_count), 0) FROM tables t WHERE t.bucket_id = b.id AND t.deleted_at IS NULL) OR
				size_bytes <> (SELECT COALESCE(SUM(t.size_bytes), 0) FROM tables t WHERE t.bucket_id = b.id AND t.deleted_at IS NULL))`,
			"table that is not at its newest version": `SELECT count(*) FROM tables t WHERE version <> (SELECT count(*) FROM versions v WHERE v.table_id = t.id)
				OR NOT EXISTS (SELECT 1 FROM versions v WHERE v.table_id = t.id AND v.number = t.version AND (v.location = t.location OR EXISTS (SELECT 1 FROM snapshots s WHERE s.table_id = t.id)) AND v.rows_count = t.rows_count)`,
			"version without an event":   `SELECT count(*) FROM versions v WHERE 1 <> (SELECT count(*) FROM events e WHERE e.job_id = v.job_id AND e.type = 'success')`,
			"job that made two versions": `SELECT count(*) FROM (SELECT job_id FROM versions GROUP BY job_id HAVING count(*) > 1) twice`,
		} {
			n, err := db.Value[int64](tx, query)
			if err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			if n != 0 {
				p.t.Errorf("%d × %s", n, what)
			}
		}
		return nil
	})
}

// TestLoadsAtOnce starts two loads into one table at the same time: they run one after
// the other, and both are right.
func TestLoadsAtOnce(t *testing.T) {
	t.Parallel()
	p := newPlace(t, webtest.Open(t, webtest.Options{}), "At once")
	for _, c := range []struct {
		name   string
		before bool // the table is there
		append bool
		after  func(first, second string) string
	}{
		{"appended", true, true, func(first, second string) string { return "base×10 " + first + "×3000 " + second + "×3000" }},
		{"replaced", true, false, func(_, second string) string { return second + "×3000" }},
		{"made", false, false, func(_, second string) string { return second + "×3000" }},
		{"made by appends", false, true, func(first, second string) string { return first + "×3000 " + second + "×3000" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &place{p.Site, t, p.scope}
			name := strings.ReplaceAll(c.name, " ", "_")
			version := int64(2)
			if c.before {
				p.await(p.start(name, p.upload("base", 10), false))
				version++
			}
			stamps := map[int64]string{}
			var started []jobs.Job
			var mu sync.Mutex
			var wg sync.WaitGroup
			for _, stamp := range []string{"a", "b"} {
				file := p.upload(stamp, 3000)
				wg.Go(func() {
					j := p.start(name, file, c.append)
					mu.Lock()
					defer mu.Unlock()
					stamps[j.ID], started = stamp, append(started, j)
				})
			}
			wg.Wait()
			p.await(started...)
			done := p.order(name)[version-2:]
			if got, want := p.content(name), c.after(stamps[done[0]], stamps[done[1]]); got != want {
				t.Errorf("the table has %s, want %s", got, want)
			}
			if got := p.table(name).Version; got != version {
				t.Errorf("the table is at version %d, want %d", got, version)
			}
			p.sums()
		})
	}
}

// TestReadersDuringLoads reads a table in every way while it is replaced again and
// again: each read sees the rows of exactly one version, and never an older one than
// the read before.
func TestReadersDuringLoads(t *testing.T) {
	t.Parallel()
	const rows, loads = 300, 6
	p := newPlace(t, webtest.Open(t, webtest.Options{}), "Readers")
	stamp := func(i int) string { return fmt.Sprintf("v%03d", i) }
	p.await(p.start("read", p.upload(stamp(0), rows), false))
	held, err := p.App.Storage.View(t.Context(), p.scope, p.table("read"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	reads := map[string]func() (string, error){
		"each": func() (string, error) {
			v, err := p.App.Storage.View(t.Context(), p.scope, p.table("read"))
			if err != nil {
				return "", err
			}
			defer func() { _ = v.Close() }()
			stamps, err := p.stamps(t.Context(), v)
			return strings.Join(stamps, " "), err
		},
		"preview": func() (string, error) {
			r, err := p.App.Storage.Preview(t.Context(), p.scope, p.table("read"), engine.Query{Limit: engine.MaxRows, Order: []engine.Order{{Column: "n", Number: true}}})
			if err != nil {
				return "", err
			}
			seen := map[string]int{}
			for _, row := range r.Rows {
				seen[row.Cells[0].Value]++
			}
			var out []string
			for s, n := range seen {
				out = append(out, fmt.Sprintf("%s×%d", s, n))
			}
			slices.Sort(out)
			return strings.Join(out, " "), nil
		},
	}
	counts := map[string]int{}
	var mu sync.Mutex
	for name, read := range reads {
		wg.Go(func() {
			last := ""
			for ctx.Err() == nil {
				got, err := read()
				if s, ok := strings.CutSuffix(got, fmt.Sprintf("×%d", rows)); err != nil || !ok || strings.ContainsAny(s, "× ") {
					t.Errorf("%s saw %.200q, which is no version: %v", name, got, err)
					return
				}
				if got < last {
					t.Errorf("%s saw %s after %s", name, got, last)
					return
				}
				last = got
				mu.Lock()
				counts[name]++
				mu.Unlock()
			}
		})
	}
	for i := 1; i <= loads; i++ {
		p.await(p.start("read", p.upload(stamp(i), rows), false))
	}
	stop()
	wg.Wait()
	for name := range reads {
		if counts[name] < 2 {
			t.Errorf("%s ran %d times only", name, counts[name])
		}
	}
	if got, err := p.stamps(t.Context(), held); err != nil || !slices.Equal(got, []string{fmt.Sprintf("%s×%d", stamp(0), rows)}) {
		t.Errorf("a view held open shows %v now: %v", got, err)
	}
	if got, want := p.content("read"), fmt.Sprintf("%s×%d", stamp(loads), rows); got != want {
		t.Errorf("the table has %s, want %s", got, want)
	}
	p.sums()
}

// meter looks at the queue whenever a job begins, and holds jobs until a project has as
// many as it may have.
type meter struct {
	*webtest.Site
	full chan struct{} // closed then, by open
	open func()

	mu    sync.Mutex
	most  int64 // jobs of one project
	wrong []string
}

func (m *meter) around(handle jobs.Handler) jobs.Handler {
	return func(ctx context.Context, r *jobs.Run) error {
		if err := m.look(ctx, r.Job); err != nil {
			return err
		}
		<-m.full
		return handle(ctx, r)
	}
}

func (m *meter) look(ctx context.Context, j jobs.Job) error {
	var project, table int64
	err := m.App.DB.View(ctx, func(tx *db.Tx) (err error) {
		if project, err = db.Value[int64](tx, "SELECT count(*) FROM jobs WHERE state = 'processing' AND project_id = $1", j.Project); err != nil {
			return err
		}
		table, err = db.Value[int64](tx, "SELECT count(*) FROM jobs WHERE state = 'processing' AND serial_key = $1", j.SerialKey)
		return err
	})
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if project >= jobs.ProjectParallelism {
		m.open()
	}
	m.most = max(m.most, project)
	if project > jobs.ProjectParallelism {
		m.wrong = append(m.wrong, fmt.Sprintf("project %d runs %d jobs", j.Project, project))
	}
	if table > 1 {
		m.wrong = append(m.wrong, fmt.Sprintf("%d jobs run on %s", table, j.SerialKey))
	}
	return nil
}

// TestManySmallLoads runs the loads of ten projects on more workers than one project
// may have: a project gets ten at most, a table one, and every load is done once.
func TestManySmallLoads(t *testing.T) {
	t.Parallel()
	const projects, loadsPerTable, rows = 10, 3, 5
	s := webtest.Open(t, webtest.Options{Idle: true})
	m := &meter{Site: s, full: make(chan struct{})}
	m.open = sync.OnceFunc(func() { close(m.full) })
	defer time.AfterFunc(time.Minute, m.open).Stop() // it should not come to this
	run := m.around(s.App.Storage.RunLoad)
	s.App.Jobs.Handle(map[string]jobs.Handler{storage.TableCreate: run, storage.TableImport: run}, s.App.Storage.Guard)

	// The first project has more tables than it may run jobs, and more jobs than any.
	var places []*place
	started := map[*place][]jobs.Job{}
	for i := range projects {
		p := newPlace(t, s, fmt.Sprint("Project ", i))
		places = append(places, p)
		tables := 1
		if i == 0 {
			tables = jobs.ProjectParallelism + 3
		}
		for n := range tables {
			for l := range loadsPerTable {
				started[p] = append(started[p], p.start(fmt.Sprint("t", n), p.upload(fmt.Sprintf("t%d.%d", n, l), rows), true))
			}
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var workers sync.WaitGroup
	lanes := runtime.GOMAXPROCS(0) + 1 // of one worker, see jobs.Service.Work
	for range 1 + (jobs.ProjectParallelism+3)/lanes {
		workers.Go(func() { s.App.Jobs.Work(ctx, time.Second) })
	}
	defer func() { stop(); workers.Wait() }()
	for _, p := range places {
		p.await(started[p]...)
		for n := range len(started[p]) / loadsPerTable {
			var want []string
			for l := range loadsPerTable {
				want = append(want, fmt.Sprintf("t%d.%d×%d", n, l, rows))
			}
			if made := p.order(fmt.Sprint("t", n)); !slices.IsSorted(made) {
				t.Errorf("the jobs on table t%d ran in the order %v", n, made)
			}
			if got := p.content(fmt.Sprint("t", n)); got != strings.Join(want, " ") {
				t.Errorf("table t%d has %s, want %s", n, got, want)
			}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range m.wrong {
		t.Error(w)
	}
	if m.most != jobs.ProjectParallelism {
		t.Errorf("a project with %d tables ran %d jobs at most, want %d", jobs.ProjectParallelism+3, m.most, jobs.ProjectParallelism)
	}
	places[0].sums()
}
