package app_test

import (
	"strings"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/storage/csv"
	"steward/web/webtest"
)

// house is a program without workers, and a project with the bucket in.c-b.
type house struct {
	*webtest.Site
	t     *testing.T
	scope access.Project
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{Site: webtest.Open(t, webtest.Options{Idle: true}), t: t}
	p, admin := h.Project("House", false)
	h.scope = h.Scope(admin, p)
	h.Update(func(tx *db.Tx) error {
		_, err := h.App.Storage.CreateBucket(tx, h.scope, storage.NewBucket{Stage: storage.In, Name: "b"})
		return err
	})
	return h
}

// run fires what is due and runs the system's jobs, all of which must end well.
func (h *house) run() {
	h.t.Helper()
	if _, err := h.App.Jobs.Fire(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	if err := h.App.Jobs.Drain(h.t.Context(), jobs.System); err != nil {
		h.t.Fatal(err)
	}
	if n := h.value("SELECT count(*) FROM jobs WHERE class = 'system' AND state <> 'success'"); n != 0 {
		h.t.Fatalf("%d jobs of the system did not succeed", n)
	}
}

func (h *house) value(query string, args ...any) (n int64) {
	h.t.Helper()
	h.View(func(tx *db.Tx) (err error) { n, err = db.Value[int64](tx, query, args...); return err })
	return n
}

func (h *house) upload(name string) int64 {
	h.t.Helper()
	f, err := h.App.Storage.Upload(h.t.Context(), h.scope, name, strings.NewReader("a,b\n1,2\n"))
	if err != nil {
		h.t.Fatal(err)
	}
	return f.ID
}

func (h *house) file(id int64) (f storage.File) {
	h.t.Helper()
	h.View(func(tx *db.Tx) (err error) { f, err = h.App.Storage.File(tx, h.scope, id); return err })
	return f
}

// bytes reports whether a file's bytes are in the store.
func (h *house) bytes(id int64) bool {
	h.t.Helper()
	var key string
	h.View(func(tx *db.Tx) (err error) {
		key, err = db.Value[string](tx, "SELECT blob_key FROM files WHERE id = $1", id)
		return err
	})
	b, err := h.App.Blobs.Open(h.t.Context(), key)
	if err == nil {
		_ = b.Close()
	}
	return err == nil
}

func (h *house) load(file int64, table string) (j jobs.Job, err error) {
	h.t.Helper()
	err = h.App.DB.Update(h.t.Context(), func(tx *db.Tx) (err error) {
		j, err = h.App.Storage.StartLoad(tx, h.scope, storage.Load{File: file, Bucket: "in.c-b", Table: table, Dialect: csv.DefaultDialect()})
		return err
	})
	return j, err
}

// TestExpiredFiles: after 15 days the bytes go, and what says so is kept; not while a
// job still needs them.
func TestExpiredFiles(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	old, needed, permanent := h.upload("old.csv"), h.upload("needed.csv"), h.upload("permanent.csv")
	h.Update(func(tx *db.Tx) error { return tx.Must("UPDATE files SET expires_at = NULL WHERE id = $1", permanent) })
	if _, err := h.load(needed, "t"); err != nil {
		t.Fatal(err)
	}
	h.Clock.Forward(storage.FileLife - time.Hour)
	young := h.upload("young.csv")
	h.run()
	if !h.bytes(old) {
		t.Fatal("a file went before its time")
	}
	h.Clock.Forward(time.Hour + time.Minute)
	h.run()
	if _, err := h.load(old, "u"); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "over on") || !strings.Contains(err.Error(), "15 days") {
		t.Errorf("loading a file whose time is over: %v", err)
	}
	if !h.bytes(old) {
		t.Error("a file went within an hour of its end")
	}
	h.Clock.Forward(time.Hour)
	h.run()
	for id, want := range map[int64]bool{old: false, needed: true, permanent: true, young: true} {
		if got := h.bytes(id); got != want {
			t.Errorf("the bytes of %s are there: %v, want %v", h.file(id).Name, got, want)
		}
		if got := h.file(id).RemovedAt.IsZero(); got != want {
			t.Errorf("the row of %s says so: %v, want %v", h.file(id).Name, got, want)
		}
	}
	if _, err := h.App.Storage.Sample(t.Context(), h.file(old), storage.Reading{}, 10); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "were removed on") {
		t.Errorf("reading a removed file: %v", err)
	}
	if _, err := h.load(old, "u"); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "were removed on") {
		t.Errorf("loading a removed file: %v", err)
	}

	// The job that needed its file gets it, and then the file goes.
	if err := h.App.Jobs.Drain(t.Context(), jobs.Storage); err != nil {
		t.Fatal(err)
	}
	if n := h.value("SELECT count(*) FROM jobs WHERE class = 'storage' AND state = 'success'"); n != 1 {
		t.Error("the load of the needed file did not succeed")
	}
	h.Clock.Forward(10 * time.Minute)
	h.run()
	if h.bytes(needed) {
		t.Error("a file stays after the job that needed it")
	}
}

// TestSweepAfterACrash: killed between the row and the bytes, the next sweep goes on.
func TestSweepAfterACrash(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.upload("old.csv")
	h.Clock.Forward(storage.FileLife + 2*time.Hour)
	h.Update(func(tx *db.Tx) error { return tx.Must("UPDATE files SET removed_at = $2 WHERE id = $1", id, tx.Now) })
	h.run()
	if h.bytes(id) {
		t.Error("the bytes are still there")
	}
	if n := h.value("SELECT count(*) FROM files WHERE swept"); n != 1 {
		t.Error("the row does not say that the bytes are gone")
	}
	if n, err := h.App.Storage.SweepFiles(t.Context()); n != 0 || err != nil {
		t.Errorf("a second sweep: %d, %v", n, err)
	}
}

// TestSweepManyFiles: more than one batch.
func TestSweepManyFiles(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.upload("first.csv")
	h.Update(func(tx *db.Tx) error {
		for i := range 1200 {
			if _, err := tx.Exec(`INSERT INTO files (id, project_id, branch_id, name, size_bytes, sha256, compression, blob_key, actor_name, created_at, expires_at)
				SELECT $1, project_id, branch_id, name, size_bytes, sha256, compression, blob_key || $2, actor_name, created_at, expires_at FROM files WHERE name = 'first.csv' LIMIT 1`,
				100_000+i, strings.Repeat("x", 1+i%100)+string(rune('a'+i/100))); err != nil {
				return err
			}
		}
		return nil
	})
	h.Clock.Forward(storage.FileLife + 2*time.Hour)
	if n, err := h.App.Storage.SweepFiles(t.Context()); n != 1201 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
}

// TestSweepPlan: the sweep goes by an index over files that are still there.
func TestSweepPlan(t *testing.T) {
	t.Parallel()
	dsn := "sqlite:" + t.TempDir() + "/steward.db"
	s := webtest.Open(t, webtest.Options{Idle: true, DSN: dsn})
	ctx, trace := db.WithTrace(t.Context())
	if _, err := s.App.Storage.SweepFiles(ctx); err != nil {
		t.Fatal(err)
	}
	if len(trace.Queries()) == 0 {
		t.Fatal("no query")
	}
	for _, q := range trace.Queries() {
		for _, step := range dbtest.Plan(t, dsn, q.SQL, q.Args) {
			if strings.HasPrefix(step, "SCAN") {
				t.Errorf("%s\n  reads all: %s", q.SQL, step)
			}
		}
	}
}

// TestLifePlan: what is due in the life of projects is found by indexes, however many there are.
func TestLifePlan(t *testing.T) {
	t.Parallel()
	dsn := "sqlite:" + t.TempDir() + "/steward.db"
	s := webtest.Open(t, webtest.Options{Idle: true, DSN: dsn})
	ctx, trace := db.WithTrace(t.Context())
	if err := s.App.Tenancy.Expire(ctx); err != nil {
		t.Fatal(err)
	}
	if len(trace.Queries()) != 3 {
		t.Fatalf("%d queries", len(trace.Queries()))
	}
	for _, q := range trace.Queries() {
		for _, step := range dbtest.Plan(t, dsn, q.SQL, q.Args) {
			if strings.HasPrefix(step, "SCAN") || strings.Contains(step, "TEMP B-TREE") {
				t.Errorf("%s\n  reads all: %s", q.SQL, step)
			}
		}
	}
}

// TestSystemJobs: the schedules of the program run, and nobody in a project sees them.
func TestSystemJobs(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.App.Reads.Note(t.Context(), audit.In(h.scope, "storage.tablePreviewed", "table", "x", "x").Says("Somebody looked."))
	h.App.Reads.Flush()
	h.Clock.Forward(time.Hour)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		h.run()
		if h.value("SELECT count(*) FROM events WHERE seal IS NULL") == 0 {
			break // on PostgreSQL other tests' transactions may have been in the way for a while
		}
		h.Clock.Forward(time.Minute)
	}
	if n := h.value("SELECT count(*) FROM events WHERE seal IS NULL"); n != 0 {
		t.Errorf("%d events are not sealed", n)
	}
	for _, operation := range []string{"housekeeping", "events.seal"} {
		if n := h.value("SELECT count(*) FROM jobs WHERE operation = $1 AND class = 'system'", operation); n == 0 {
			t.Errorf("%s never ran", operation)
		}
	}
	h.View(func(tx *db.Tx) error {
		list, err := h.App.Jobs.List(tx, h.scope, jobs.Filter{Limit: 100})
		if len(list) != 0 {
			t.Errorf("the project's jobs are %+v", list)
		}
		return err
	})
	h.Clock.Forward(200 * 24 * time.Hour)
	h.run()
	if n := h.value("SELECT count(*) FROM events WHERE reading"); n != 0 {
		t.Errorf("%d events of reads are left after 200 days", n)
	}
	if n := h.value("SELECT count(*) FROM jobs WHERE operation = 'housekeeping'"); n != 1 {
		t.Errorf("%d records of housekeeping are left, want the last one", n)
	}
}
