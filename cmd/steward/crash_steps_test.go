//go:build crash

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/app"
	"steward/internal/config"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/storage/csv"
	"steward/internal/storage/engine"
	"steward/internal/tenancy"
)

// stepsWorld is what all operations start from: a stopped installation, and the binary
// with fail points, which dies at a durable step that a test chooses.
type stepsWorld struct {
	program       string
	base          string // the data folder
	project       string
	cookies       []*http.Cookie
	snapshot      int64 // of orders
	first, stride int   // the first step that is stopped at, and how far it is to the next
}

// An operation is something that is stopped at its durable steps.
type operation struct {
	name string
	job  string // what the job that does it is called
	hide bool   // nobody sees that it was done: the picture stays
	late bool   // its job ends a moment after the tables are as it makes them

	prepare func(t *testing.T, w *stepsWorld, data string) // while nobody serves; may be nil
	ready   func(r *round)                                 // fetches the form; may be nil
	ask     func(r *round) error                           // an error means that the connection broke; then it is asked again
	done    func(t *testing.T, data string)                // looks when all is over; may be nil
	sees    func(t *testing.T, a *app.App) string          // in place of the picture of the tables; may be nil
}

// round is one life of an operation: from its form to the end of its job, with the
// program killed at one step.
type round struct {
	t     *testing.T
	w     *stepsWorld
	op    operation
	data  string
	arm   string // the file that arms the program
	jar   http.CookieJar
	p     *process
	path  string // of the form
	form  url.Values
	file  string // the uploaded file's step
	tries int
	asked bool // and acknowledged
}

// TestCrashSteps kills the program at its durable steps (see internal/failpoint), one in
// each round, during everything that moves data. After each kill the tables are exactly
// as they were or as the operation makes them, and the database is sound; after the next
// start the operation ends in success, just once, and what the kill left lying about is
// swept.
//
// STEWARD_CRASH_STEPS is how many steps further each kill is: 1 stops at every step, as
// task long does; 3 unless it is set, from a step that follows from STEWARD_CRASH_SEED.
func TestCrashSteps(t *testing.T) {
	seed := crashSetting(t, "STEWARD_CRASH_SEED", uint64(time.Now().UnixNano()))
	w := &stepsWorld{stride: int(crashSetting(t, "STEWARD_CRASH_STEPS", 3)), program: filepath.Join(t.TempDir(), "steward"), base: t.TempDir()}
	if w.stride < 1 {
		t.Fatal("STEWARD_CRASH_STEPS must be 1 at least")
	}
	w.first = 1 + rand.New(rand.NewPCG(seed, 3)).IntN(w.stride)
	t.Logf("STEWARD_CRASH_SEED=%d: of the steps of each operation, the program is killed at number %d and every %d. after it", seed, w.first, w.stride)
	if err := build(w.program, "-tags", "failpoints"); err != nil {
		t.Fatal(err)
	}
	w.furnish(t)
	for _, op := range operations() {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			w.walk(t, op)
		})
	}
}

const (
	stepsOrders = crashBucket + ".orders"
	stepsGood   = "id,name,note\n1,ada,\n2,bob,\"\"\n3,\"c,d\",x\n4,dee,y\n"
	stepsMore   = "id,name,note\n4,dee,z\n2,bob,\"\"\n5,eve,\"two\nlines\"\n"
)

// furnish makes the world by the console: tables with versions, a snapshot and something
// in the trash.
func (w *stepsWorld) furnish(t *testing.T) {
	t.Helper()
	r := &round{t: t, w: w, data: w.base, arm: filepath.Join(t.TempDir(), "arm")}
	p := r.serve()
	_, c, project := setup(t, p.Site, &p.out)
	w.project, r.jar = project, c.HTTP.Jar
	c.Post(project+"/storage/buckets", bucketForm("crash", "the bucket")).Want(http.StatusSeeOther)
	tables := "/tables/" + crashBucket
	for _, step := range []operation{
		{ask: loaded("orders", stepsGood, "full")},
		{ready: pageOf(tables+".orders/settings", tables+".orders/key", url.Values{"key": {"id"}}), ask: send},
		{ask: loaded("orders", stepsMore, "append")},
		{ready: pageOf(tables+".orders/snapshots", tables+".orders/snapshots", url.Values{"description": {"before"}}), ask: send},
		{ask: loaded("plain", "id,name\n1,one\n2,two\n", "full")},
		{ask: loaded("gone", "id\n1\n2\n", "full")},
		{ready: pageOf(tables+".gone/settings", tables+".gone/delete", nil), ask: send},
	} {
		r.file = ""
		if step.ready != nil {
			step.ready(r)
		}
		if err := step.ask(r); err != nil {
			t.Fatal(err)
		}
		r.wait(0)
	}
	site, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	w.cookies = r.jar.Cookies(site)
	p.stop(25 * time.Second)
	inspect(t, "sqlite:"+filepath.Join(w.base, "steward.db"), func(tx *db.Tx) (err error) {
		w.snapshot, err = db.Value[int64](tx, "SELECT id FROM snapshots")
		return err
	})
}

// operations are all that is stopped at its steps.
func operations() []operation {
	orders := "/tables/" + stepsOrders
	maintenance := func(r *round) error { return r.due(storage.Maintain) }
	return []operation{
		{name: "create", job: storage.TableCreate, ask: loaded("fresh", stepsGood, "full")},
		{name: "load", job: storage.TableImport, ask: loaded("orders", "id,name,note\n9,zoe,\n1,ada,1\n9,zed,\n", "full")},
		{name: "upsert", job: storage.TableImport, ask: loaded("orders", "id,name,note\n1,ada,new\n3,\"c,d\",x\n7,kim,\n", "append")},
		{name: "revert", job: storage.TableRevert, ready: pageOf(orders+"/versions/1/revert", orders+"/versions/1/revert", nil), ask: send},
		{name: "snapshot", job: storage.SnapshotCreate, ready: pageOf(orders+"/snapshots", orders+"/snapshots", url.Values{"description": {"kept"}}), ask: send},
		{name: "restore", job: storage.TableRevert, ask: send, prepare: truncateOrders, ready: func(r *round) {
			at := fmt.Sprintf("%s/snapshots/%d/restore", orders, r.w.snapshot)
			pageOf(at, at, nil)(r)
		}},
		{name: "copy", job: storage.TableCopy, ready: pageOf(orders+"/versions/1/copy", orders+"/versions/1/copy", url.Values{"table": {"copied"}}), ask: send},
		{name: "delete rows", job: storage.TableRowsDelete, ready: pageOf(orders+"/rows/delete?column=name&op=eq&value=bob&as=text", orders+"/rows/delete", nil), ask: send},
		{name: "drop", job: storage.TableDrop, ready: pageOf(orders+"/settings", orders+"/delete", nil), ask: send},
		{name: "export", job: storage.TableExport, ready: pageOf(orders+"/export", orders+"/export", url.Values{"format": {"csv.gz"}}), ask: send},
		{name: "compaction", job: storage.TableCompact, late: true, prepare: manyAppends, ask: func(r *round) error {
			return r.beside("UPDATE jobs SET held = FALSE WHERE operation = $1", storage.TableCompact)
		}},
		{name: "trim", job: storage.TableTrim, late: true, prepare: ageVersions, ask: maintenance},
		{name: "purge", job: storage.FilesPurge, late: true, ask: maintenance, prepare: func(t *testing.T, _ *stepsWorld, data string) {
			change(t, data, "UPDATE trash SET expires_at = 1")
		}},
		{name: "purge of a project", job: tenancy.ProjectPurge, late: true, prepare: deleteProject, ask: func(r *round) error { return r.due("housekeeping") }, sees: purgedProject, done: nothingStored},
		{name: "sweep", job: storage.Sweep, hide: true, prepare: plantOrphans, ask: func(r *round) error { return r.due(storage.Sweep) }, done: noOrphans},
	}
}

// walk stops an operation at one step after the other, until it has no more.
func (w *stepsWorld) walk(t *testing.T, op operation) {
	temp := t.TempDir()
	prepared := filepath.Join(temp, "prepared")
	copyFolder(t, w.base, prepared)
	if op.prepare != nil {
		op.prepare(t, w, prepared)
	}
	change(t, prepared, "UPDATE schedules SET next_at = $1", time.Now().Add(24*time.Hour)) // each start brings it to the next time
	before, jobsBefore := w.look(t, op, prepared)
	fresh := func(name string) *round {
		data := filepath.Join(temp, name)
		copyFolder(t, prepared, data)
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		jar.SetCookies(&url.URL{Scheme: "http", Host: "127.0.0.1"}, w.cookies)
		return &round{t: t, w: w, op: op, data: data, arm: filepath.Join(temp, name+".arm"), jar: jar}
	}

	// What it makes when nobody is in the way.
	r := fresh("whole")
	r.live(0, jobsBefore+1)
	after, done := w.look(t, op, r.data)
	if (after == before) != op.hide || done != jobsBefore+1 {
		t.Fatalf("%d jobs made\n%s\nof\n%s", done-jobsBefore, after, before)
	}
	files := w.tidy(t, op, r.data)
	start, last, hits := time.Now(), r.data, map[string]int{}
	step := w.first
	for ; ; step += w.stride {
		r := fresh(fmt.Sprint("step-", step))
		at := r.live(step, jobsBefore+1)
		if at == "" {
			w.finished(t, op, r.data, after, jobsBefore+1, files, "without a kill")
			break
		}
		hits[at]++
		where := fmt.Sprintf("killed at step %d, %s", step, at)
		now, done := w.look(t, op, r.data)
		if now != before && now != after {
			t.Errorf("%s, there is\n%s\nwhich is neither\n%s\nnor\n%s", where, now, before, after)
		}
		if !op.hide && !op.late && (now == after) != (done == jobsBefore+1) {
			t.Errorf("%s, %d jobs succeeded and there is\n%s", where, done-jobsBefore, now)
		}
		if t.Failed() {
			return
		}
		r.live(0, jobsBefore+1)
		w.finished(t, op, r.data, after, jobsBefore+1, files, where)
		if t.Failed() {
			return
		}
		if last != r.data {
			_ = os.RemoveAll(last)
		}
		last = r.data
	}
	if out, err := command(t, "", "verify", "--data", last); err != nil || !strings.HasPrefix(out, "All is well.") {
		t.Errorf("verify: %v\n%s", err, out)
	}
	n := 0
	for _, k := range hits {
		n += k
	}
	if n == 0 {
		t.Error("the program was never killed")
	}
	t.Logf("%s has fewer than %d steps; killed %d times in %s: %v", op.name, step, n, time.Since(start).Round(time.Second), hits)
}

// finished checks that an operation is done, whatever happened on the way.
func (w *stepsWorld) finished(t *testing.T, op operation, data, after string, jobs int64, files int, where string) {
	t.Helper()
	now, done := w.look(t, op, data)
	if now != after || done != jobs {
		t.Errorf("%s and started again, %d jobs are done, want %d, and there is\n%s\nnot\n%s", where, done, jobs, now, after)
	}
	if op.done != nil {
		op.done(t, data)
	}
	if n := w.tidy(t, op, data); n != files {
		t.Errorf("%s, after a sweep there are %d files, want %d", where, n, files)
	}
}

// serve starts the program, which has fail points.
func (r *round) serve() *process {
	r.t.Helper()
	cmd := exec.Command(r.w.program, "serve", "--addr", "127.0.0.1:0", "--data", r.data, "--log-level", "debug")
	cmd.Env = []string{"STEWARD_FAILPOINT=" + r.arm}
	r.p = start(r.t, cmd, filepath.Dir(r.arm))
	r.p.URL = r.p.said("serving").URL
	return r.p
}

// live serves until the operation is done, or until the program is killed at a step,
// whose name it gives. It goes on where the last life ended. Afterwards nobody serves.
func (r *round) live(step int, want int64) (hit string) {
	r.t.Helper()
	p := r.serve()
	if r.op.ready != nil && r.path == "" {
		r.op.ready(r)
	}
	if step > 0 {
		if err := os.WriteFile(r.arm+".new", []byte(strconv.Itoa(step)), 0o600); err != nil {
			r.t.Fatal(err)
		}
		if err := os.Rename(r.arm+".new", r.arm); err != nil {
			r.t.Fatal(err)
		}
	}
	if !r.asked {
		if err := r.op.ask(r); err == nil {
			r.asked = true
		} else if step == 0 {
			r.t.Fatalf("%s: %v", r.op.name, err)
		} else {
			select { // the program must be gone
			case <-p.ended:
			case <-time.After(10 * time.Second):
				r.t.Fatalf("%s: %v", r.op.name, err)
			}
		}
	}
	r.wait(want)
	if err := os.Remove(r.arm); err != nil && step > 0 {
		r.t.Error(err)
	}
	p.kill()
	name, err := os.ReadFile(r.arm + ".hit")
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			r.t.Error(err)
		}
		return ""
	}
	if err := os.Remove(r.arm + ".hit"); err != nil {
		r.t.Error(err)
	}
	return string(name)
}

// wait waits until so many jobs of the operation succeeded and none is left to do, or
// until the program is gone.
func (r *round) wait(want int64) {
	r.t.Helper()
	d, err := db.Open(context.Background(), "sqlite:"+filepath.Join(r.data, "steward.db"), db.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	poll(r.t, r.op.name+" ends", func() bool {
		select {
		case <-r.p.ended:
			return true
		default:
		}
		var done, open, failed int64
		err := d.View(context.Background(), func(tx *db.Tx) error {
			return errors.Join(
				value(tx, &done, "SELECT count(*) FROM jobs WHERE operation = $1 AND state = 'success'", r.op.job),
				value(tx, &open, "SELECT count(*) FROM jobs WHERE state IN ('waiting', 'processing')"),
				value(tx, &failed, "SELECT count(*) FROM jobs WHERE state = 'error'"))
		})
		if err != nil {
			r.t.Fatal(err)
		}
		if failed > 0 {
			r.t.Fatalf("%d jobs failed", failed)
		}
		return done >= want && open == 0
	})
}

func value(tx *db.Tx, into *int64, query string, args ...any) (err error) {
	*into, err = db.Value[int64](tx, query, args...)
	return err
}

// beside changes the database beside the program that serves.
func (r *round) beside(query string, args ...any) error {
	change(r.t, r.data, query, args...)
	return nil
}

// due makes a schedule's time come. The program may have done it and died.
func (r *round) due(name string) error {
	return r.beside("UPDATE schedules SET next_at = 1 WHERE name = $1", name)
}

// pageOf fetches a page's form and fills it in.
func pageOf(path, action string, fields url.Values) func(*round) {
	return func(r *round) {
		r.t.Helper()
		base := r.w.project + "/storage"
		r.path, r.form = r.p.client(r.jar).Get(base + path).Want(http.StatusOK).Form(base + action)
		for k, v := range fields {
			r.form[k] = v
		}
	}
}

// send sends the form. Sent twice, it is done once.
func send(r *round) error {
	r.t.Helper()
	if r.form.Get("_key") == "" {
		r.t.Fatalf("the form to %s has no key", r.path)
	}
	return r.post(r.path, r.form)
}

func (r *round) post(path string, form url.Values) error {
	r.t.Helper()
	a, err := ask(r.p.client(r.jar), formRequest(r.p.client(r.jar), r.p.URL, path, form))
	if err == nil && a.status != http.StatusSeeOther {
		r.t.Fatalf("%s answers %d\n%.2000s", path, a.status, a.body)
	}
	return err
}

// loaded uploads a file and starts its load, in a mode of the form.
func loaded(table, content, mode string) func(*round) error {
	return func(r *round) error {
		r.t.Helper()
		c := r.p.client(r.jar)
		for r.file == "" {
			key := fmt.Sprintf("upload for %s of %s, try %d", table, content, r.tries)
			a, err := ask(c, uploadRequest(c, r.p.URL, r.w.project, key, table+".csv", func(w io.Writer) error { _, err := io.WriteString(w, content); return err }))
			if err != nil {
				return err
			}
			path, _, _ := strings.Cut(a.location, "?")
			switch {
			case a.status != http.StatusSeeOther:
				r.t.Fatalf("upload: %d\n%.1000s", a.status, a.body)
			case strings.HasPrefix(path, r.w.project+"/storage/load/"):
				r.file = path
			default: // done before the kill, its answer lost with the process
				r.tries++
			}
		}
		return r.post(r.file, loadForm(table, mode == "append", "start for "+table+" of "+content))
	}
}

// Folders while nobody serves ----------------------------------------------------

// opened runs fn with an installation that nobody serves.
func opened(t *testing.T, data string, fn func(*app.App)) {
	t.Helper()
	openedWith(t, config.Config{Addr: "127.0.0.1:0", Data: data}, fn)
}

// change changes a database by SQL.
func change(t *testing.T, data, query string, args ...any) {
	t.Helper()
	d, err := db.Open(context.Background(), "sqlite:"+filepath.Join(data, "steward.db"), db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	if err := d.Update(context.Background(), func(tx *db.Tx) error { _, err := tx.Exec(query, args...); return err }); err != nil {
		t.Fatal(err)
	}
}

// look gives the picture of all tables, and how many jobs of the operation succeeded.
// The database must be sound.
func (w *stepsWorld) look(t *testing.T, op operation, data string) (picture string, done int64) {
	t.Helper()
	opened(t, data, func(a *app.App) {
		err := a.DB.View(context.Background(), func(tx *db.Tx) error {
			return errors.Join(sound(t, tx), value(tx, &done, "SELECT count(*) FROM jobs WHERE operation = $1 AND state = 'success'", op.job))
		})
		if err != nil {
			t.Fatal(err)
		}
		if op.sees != nil {
			picture = op.sees(t, a)
			return
		}
		picture = pictureOf(t, a, scopeOf(t, a, w.project))
	})
	return picture, done
}

// pictureOf is all that people see of a project's tables: every row of every version and
// snapshot with the operation that wrote it, columns and keys, sums, the trash and the
// exported files. Numbers that are given out and times are not in it.
func pictureOf(t *testing.T, a *app.App, scope access.Project) string {
	t.Helper()
	var b strings.Builder
	wrote := map[int64]string{}
	type state struct {
		name string
		t    storage.Table
		v    storage.Version
	}
	var states []state
	err := a.DB.View(context.Background(), func(tx *db.Tx) error {
		_, err := db.All(tx, func(r db.Row) (n int64, err error) {
			var id int64
			var operation string
			err = r.Scan(&id, &operation)
			wrote[id] = operation
			return id, err
		}, "SELECT id, operation FROM jobs")
		if err != nil {
			return err
		}
		buckets, err := a.Storage.Buckets(tx, scope, storage.BucketFilter{Limit: 100})
		if err != nil {
			return err
		}
		for _, x := range buckets {
			fmt.Fprintf(&b, "bucket %s: %d tables, %d rows\n", x.TextID, x.Tables, x.Rows)
			tables, err := a.Storage.Tables(tx, scope, x.TextID, storage.TableFilter{Limit: 100})
			if err != nil {
				return err
			}
			for _, x := range tables {
				columns, err := a.Storage.Columns(tx, x)
				if err != nil {
					return err
				}
				fmt.Fprintf(&b, "table %s, version %d: %d rows in %d files, %d deleted; columns", x.TextID, x.Version, x.Rows, x.Files, x.Deleted)
				for _, c := range columns {
					fmt.Fprintf(&b, " %q (field %d, key %d)", c.Name, c.FieldID, c.Key)
				}
				b.WriteString("\n")
				versions, err := a.Storage.Versions(tx, scope, x, storage.VersionFilter{Limit: 1000})
				if err != nil {
					return err
				}
				for _, v := range versions {
					states = append(states, state{fmt.Sprintf("%s version %d", x.TextID, v.Number), x, v})
				}
				snapshots, err := a.Storage.Snapshots(tx, scope, x, storage.SnapshotFilter{Limit: 1000})
				if err != nil {
					return err
				}
				for _, s := range snapshots {
					states = append(states, state{fmt.Sprintf("%s snapshot %q", x.TextID, s.Description), x, s.State()})
				}
				states = append(states, state{x.TextID + " now", x, storage.Version{}})
			}
		}
		trash, err := a.Storage.Trash(tx, scope, storage.TrashFilter{Limit: 100})
		for _, x := range trash {
			fmt.Fprintf(&b, "trash: %s %s, %d rows\n", x.Kind, x.TextID, x.Rows)
		}
		if err != nil {
			return err
		}
		exported, err := db.All(tx, func(r db.Row) (line string, err error) {
			var name, sum string
			err = r.Scan(&name, &sum)
			return fmt.Sprintf("exported %s: SHA-256 %s\n", name, sum), err
		}, "SELECT name, sha256 FROM files f WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.name = 'storage.fileUploaded' AND e.object_id = CAST(f.id AS TEXT)) ORDER BY f.created_at")
		b.WriteString(strings.Join(exported, ""))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range states {
		v := s.v
		fmt.Fprintf(&b, "%s: by %s of %q, +%d ~%d -%d = %d rows, columns %q, key %q, from %d, kept %t\n", s.name, v.Operation, v.ActorName, v.Added, v.Changed, v.Removed, v.Rows, v.Columns, v.Key, v.Source, v.Kept())
		var view *engine.View
		var err error
		switch {
		case !v.Kept():
			continue
		case v.Number == 0:
			view, err = a.Storage.View(context.Background(), scope, s.t)
		default:
			view, err = a.Storage.ViewVersion(context.Background(), scope, s.t, v)
		}
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		rows := int64(0)
		err = view.Each(context.Background(), engine.Query{Origin: true}, func(r engine.Row) error {
			rows++
			for _, c := range r.Cells {
				if c.Null {
					b.WriteString("NULL,")
				} else {
					fmt.Fprintf(&b, "%q,", c.Value)
				}
			}
			fmt.Fprintf(&b, " by %s\n", wrote[r.Job])
			return nil
		})
		if v.Number == 0 && (rows != s.t.Rows || view.Bytes() != s.t.Bytes) {
			t.Errorf("%s has %d rows and %d bytes, and says %d and %d", s.name, rows, view.Bytes(), s.t.Rows, s.t.Bytes)
		}
		if err := errors.Join(err, view.Close()); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
	}
	return b.String()
}

// tidy verifies an installation, makes all that lies in its store old, lets the system
// clean up and gives how many files are left that are not the bytes of a row of files.
func (w *stepsWorld) tidy(t *testing.T, op operation, data string) (files int) {
	t.Helper()
	store := filepath.Join(data, "store")
	old := time.Now().Add(-72 * time.Hour)
	var rows int64
	each(t, store, func(path string, _ fs.DirEntry) {
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	})
	opened(t, data, func(a *app.App) {
		err := a.DB.Update(context.Background(), func(tx *db.Tx) error {
			for _, operation := range []string{storage.Sweep, "housekeeping"} {
				if _, err := a.Jobs.Enqueue(tx, jobs.Spec{Class: jobs.System, Operation: operation, Params: struct{}{}}); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil {
			err = a.Jobs.Drain(context.Background(), jobs.System)
		}
		if err != nil {
			t.Fatal(err)
		}
		verified(t, a)
		err = a.DB.View(context.Background(), func(tx *db.Tx) error { return value(tx, &rows, "SELECT count(*) FROM files") })
		if err != nil {
			t.Fatal(err)
		}
	})
	each(t, store, func(_ string, e fs.DirEntry) {
		if !e.IsDir() {
			files++
		}
	})
	return files - int(rows)
}

// each calls fn with everything in a folder.
func each(t *testing.T, folder string, fn func(path string, e fs.DirEntry)) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err == nil {
			fn(path, e)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// copyFolder copies a folder, with rights and times.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	var folders []func() error // get their times when nothing comes into them any more
	each(t, from, func(path string, e fs.DirEntry) {
		rel, err := filepath.Rel(from, path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(to, rel)
		times := func() error { return os.Chtimes(target, info.ModTime(), info.ModTime()) }
		if e.IsDir() {
			folders = append(folders, times)
			err = os.MkdirAll(target, info.Mode().Perm())
		} else {
			var content []byte
			if content, err = os.ReadFile(path); err == nil {
				err = errors.Join(os.WriteFile(target, content, info.Mode().Perm()), times())
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	for _, times := range folders {
		if err := times(); err != nil {
			t.Fatal(err)
		}
	}
}

// What operations start from -----------------------------------------------------

// truncateOrders empties orders.
func truncateOrders(t *testing.T, w *stepsWorld, data string) {
	t.Helper()
	opened(t, data, func(a *app.App) {
		scope := scopeOf(t, a, w.project)
		err := a.DB.Update(context.Background(), func(tx *db.Tx) error {
			_, err := a.Storage.DeleteRows(tx, scope, stepsOrders, nil, true, 0)
			return err
		})
		if err == nil {
			err = a.Jobs.Drain(context.Background(), jobs.Storage)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
}

// manyAppends makes a table of so many small files that a compaction waits for it, and
// lets it wait.
func manyAppends(t *testing.T, w *stepsWorld, data string) {
	t.Helper()
	opened(t, data, func(a *app.App) {
		scope := scopeOf(t, a, w.project)
		for i := range 30 {
			f, err := a.Storage.Upload(context.Background(), scope, "some.csv", strings.NewReader(fmt.Sprintf("id,name\n%d,n\n", i+10)))
			if err != nil {
				t.Fatal(err)
			}
			err = a.DB.Update(context.Background(), func(tx *db.Tx) error {
				_, err := a.Storage.StartLoad(tx, scope, storage.Load{File: f.ID, Bucket: crashBucket, Table: "plain", Append: true, Dialect: csv.DefaultDialect()})
				return err
			})
			if err == nil {
				err = a.Jobs.Drain(context.Background(), jobs.Storage)
			}
			if err != nil {
				t.Fatal(err)
			}
			waiting := int64(0)
			err = a.DB.Update(context.Background(), func(tx *db.Tx) (err error) {
				waiting, err = tx.Exec("UPDATE jobs SET held = $1 WHERE operation = $2", true, storage.TableCompact)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if waiting > 0 {
				return
			}
		}
		t.Fatal("30 small loads ask for no compaction")
	})
}

// ageVersions makes the versions of orders, and a deleted snapshot, older than they are kept.
func ageVersions(t *testing.T, _ *stepsWorld, data string) {
	t.Helper()
	const days = int64(40 * 24 * time.Hour / time.Microsecond)
	change(t, data, "UPDATE versions SET created_at = created_at - $1", days)
	change(t, data, "UPDATE snapshots SET deleted_at = created_at - $1", days)
}

// orphan is a file as a job leaves it that was killed.
func orphan(data string, n int) string {
	return filepath.Join(data, "store", "tables", strconv.Itoa(n), fmt.Sprintf("orphan-%d.parquet", n))
}

// plantOrphans leaves files that nothing refers to: in folders of tables, and in one
// whose table was never made.
func plantOrphans(t *testing.T, _ *stepsWorld, data string) {
	t.Helper()
	old := time.Now().Add(-72 * time.Hour)
	for _, n := range []int{1, 2, 77} {
		path := orphan(data, n)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("left"), 0o600), os.Chtimes(path, old, old), os.Chtimes(filepath.Dir(path), old, old)); err != nil {
			t.Fatal(err)
		}
	}
}

func noOrphans(t *testing.T, data string) {
	t.Helper()
	for _, n := range []int{1, 2, 77} {
		if _, err := os.Stat(orphan(data, n)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after a sweep, %s is there: %v", orphan(data, n), err)
		}
	}
}
