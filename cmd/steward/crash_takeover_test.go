//go:build crash

package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/app"
	"steward/internal/config"
	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/storage/csv"
)

// postgres names a fresh database on the PostgreSQL server that the crash tests need.
func postgres(t *testing.T) string {
	t.Helper()
	server := os.Getenv("STEWARD_CRASH_POSTGRES")
	if server == "" {
		server = os.Getenv(dbtest.PostgresEnv)
	}
	if server == "" {
		t.Fatal("STEWARD_CRASH_POSTGRES must name a PostgreSQL server, such as postgres://steward@127.0.0.1:5432/postgres?sslmode=disable")
	}
	t.Setenv(dbtest.PostgresEnv, server)
	return dbtest.Empty(t)
}

// launchWork starts a worker.
func launchWork(t *testing.T, data, dsn string) *process {
	t.Helper()
	p := launch(t, t.TempDir(), "work", "--data", data, "--db", dsn, "--ops-addr", "127.0.0.1:0", "--log-level", "debug")
	p.said("working")
	p.ops = p.said("operations").Address
	return p
}

// TestCrashTakeover stops a worker in the middle of a commit, for longer than its lease
// lasts, while another one takes the job over and completes it. When the first one goes
// on, its commit is refused: the rows are there once.
func TestCrashTakeover(t *testing.T) {
	dsn, data := postgres(t), t.TempDir()
	serve := launchServe(t, data, "--db", dsn)
	workers := []*process{launchWork(t, data, dsn), launchWork(t, data, dsn)}
	_, c, project := setup(t, serve.Site, &serve.out)
	c.Post(project+"/storage/buckets", bucketForm("crash", "")).Want(http.StatusSeeOther)

	content := rowsOf(1, 100)
	loads := 1
	first := load(t, serve, c, project, "shared", false, "first.csv", func(w io.Writer) error { return writeRows(w, crashHeader(), content) })
	if j := ends(t, c, project, first, 30*time.Second); j.Status != "success" {
		t.Fatalf("the first load: %+v", j)
	}

	// The job is asked for from here, beside the three processes, so that it may become
	// anybody's. It counts when a worker has it and is stopped before it commits.
	a, err := app.Open(t.Context(), config.Config{Addr: "127.0.0.1:0", Data: data, DB: dsn}, slog.New(slog.DiscardHandler), app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	scope := scopeOf(t, a, project)
	var job int64
	state := func() (state string, fence int64) {
		t.Helper()
		j := shared(t, a, scope, job)
		return string(j.State), j.Fence
	}
	stopped := make(chan *process, 1)
	for _, p := range workers {
		p.watch(func(l line) {
			if aim(l.Msg) != inStage && aim(l.Msg) != inFlip {
				return
			}
			select {
			case stopped <- p:
				p.signal(syscall.SIGSTOP)
			default:
			}
		})
	}
	var victim *process
	for n := uint64(2); victim == nil; n++ {
		if n > 40 {
			t.Fatal("no worker could be stopped before its commit")
		}
		more := rowsOf(n, 100)
		job = appendShared(t, a, scope, more)
		content = append(content, more...)
		loads++
		poll(t, "a worker is stopped, or the load done", func() bool {
			select {
			case victim = <-stopped:
				return true
			default:
				got, _ := state()
				return got == "success"
			}
		})
		if victim == nil {
			continue // serve had it
		}
		if got, _ := state(); got != "processing" { // too late: it had committed
			victim.signal(syscall.SIGCONT)
			victim = nil
		}
	}
	for _, p := range workers { // from here on nobody else is stopped
		p.watch(nil)
	}
	since := time.Now()
	t.Logf("stopped after %q, at load %d", where(victim), loads-1)
	if _, fence := state(); fence != 1 {
		t.Fatalf("the job is at fence %d", fence)
	}

	// The lease ends, somebody else does the job.
	for end := time.Now().Add(2 * jobs.Lease); ; time.Sleep(200 * time.Millisecond) {
		if got, _ := state(); got == "success" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("nobody took the job over within %s", 2*jobs.Lease)
		}
	}
	took := time.Since(since)
	t.Logf("taken over and done %s after the stop", took.Round(100*time.Millisecond))
	if took < jobs.Lease-jobs.Lease/4 {
		t.Errorf("the job was taken over %s after the stop, before its lease of %s can have ended", took, jobs.Lease)
	}
	examineShared(t, a, scope, content, loads, "before the first worker goes on")

	// It goes on where it stood, and must not commit.
	victim.signal(syscall.SIGCONT)
	poll(t, "the first worker notices that it lost its lease", func() bool { return victim.metric("steward_jobs_lost_leases_total") == 1 })
	examineShared(t, a, scope, content, loads, "after the first worker went on")
	log := logOf(c, fmt.Sprintf("%s/storage/jobs/%d", project, job))
	for _, want := range []string{"Started.\n", "Interrupted", "Started again, attempt 2.\n"} {
		if strings.Count(log, want) != 1 {
			t.Errorf("the job's log does not say %q once:\n%s", want, log)
		}
	}
	if s, fence := state(); s != "success" || fence != 2 {
		t.Errorf("the job is %s at fence %d", s, fence)
	}
	for _, p := range append(workers, serve) {
		want := 0.0
		if p == victim {
			want = 1
		}
		if p.ops != "" && p.metric("steward_jobs_lost_leases_total") != want {
			t.Errorf("a process lost %v leases, want %v", p.metric("steward_jobs_lost_leases_total"), want)
		}
	}

	// It is none the worse for it: alone, it does the next load.
	for _, p := range workers {
		if p != victim {
			p.stop(10 * time.Second)
		}
	}
	next := rowsOf(100, 100)
	content = append(content, next...)
	loads++
	write := func(w io.Writer) error { return writeRows(w, crashHeader(), next) }
	if j := ends(t, c, project, load(t, serve, c, project, "shared", true, "next.csv", write), 30*time.Second); j.Status != "success" {
		t.Errorf("the next load: %+v", j)
	}
	victim.stop(10 * time.Second)
	serve.stop(10 * time.Second)
	examineShared(t, a, scope, content, loads, "at the end")
}

// shared finds a job.
func shared(t *testing.T, a *app.App, scope access.Project, id int64) (j jobs.Job) {
	t.Helper()
	err := a.DB.View(t.Context(), func(tx *db.Tx) (err error) { j, err = a.Jobs.Get(tx, scope, id); return err })
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// appendShared uploads rows and asks for it to be appended, in a process that does not work.
func appendShared(t *testing.T, a *app.App, scope access.Project, rows []row) int64 {
	t.Helper()
	var content bytes.Buffer
	if err := writeRows(&content, crashHeader(), rows); err != nil {
		t.Fatal(err)
	}
	f, err := a.Storage.Upload(t.Context(), scope, "shared.csv", &content)
	if err != nil {
		t.Fatal(err)
	}
	var j jobs.Job
	err = a.DB.Update(t.Context(), func(tx *db.Tx) (err error) {
		j, err = a.Storage.StartLoad(tx, scope, storage.Load{File: f.ID, Bucket: crashBucket, Table: "shared", Append: true, Dialect: csv.DefaultDialect()})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return j.ID
}

// examineShared checks that the table has the rows of each load once, one version each.
func examineShared(t *testing.T, a *app.App, scope access.Project, content []row, loads int, when string) {
	t.Helper()
	if got, want := readTable(t, a, scope, "shared"), digestOf(crashHeader(), content, nil); got != want {
		t.Errorf("%s the table has %s, want %s", when, got, want)
	}
	err := a.DB.View(t.Context(), func(tx *db.Tx) error {
		n, err := db.Value[int64](tx, "SELECT count(*) FROM versions")
		if n != int64(loads) {
			t.Errorf("%s there are %d versions of %d loads", when, n, loads)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
