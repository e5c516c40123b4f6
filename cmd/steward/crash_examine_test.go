//go:build crash

package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/app"
	"steward/internal/config"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/ops"
	"steward/internal/storage"
	"steward/internal/storage/engine"
	"steward/internal/tenancy"
)

// examine opens the installation while nobody serves it, and holds it against the ledger:
// everything is as it was, or as the pending deed makes it, and agrees with what its job
// says. It gives the state of that job.
func (w *crashWorld) examine() (pending string) {
	w.t.Helper()
	w.alone()
	openedWith(w.t, w.config(), func(a *app.App) {
		err := a.DB.View(context.Background(), func(tx *db.Tx) (err error) {
			if err := consistent(w.t, tx); err != nil {
				return err
			}
			pending, err = w.outcome(tx)
			return err
		})
		if err != nil {
			w.t.Fatal(err)
		}
		w.compare(w.look(a))
		if w.whole || w.round%10 == 0 {
			verified(w.t, a)
		}
	})
	return pending
}

// alone waits until a database server has noticed that its client is dead: a commit that
// it was sent may still be under way.
func (w *crashWorld) alone() {
	w.t.Helper()
	if w.sqlite() {
		return
	}
	poll(w.t, "the connections of the killed program end", func() (ok bool) {
		inspect(w.t, w.dsn, func(tx *db.Tx) error {
			n, err := db.Value[int64](tx, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
			ok = n == 0
			return err
		})
		return ok
	})
}

// outcome reads what became of the pending deed's job, and notes its end.
func (w *crashWorld) outcome(tx *db.Tx) (state string, err error) {
	type found struct {
		id                            int64
		operation, table, state, code string
	}
	list, err := db.All(tx, func(r db.Row) (f found, err error) {
		return f, r.Scan(&f.id, &f.operation, &f.table, &f.state, &f.code)
	}, "SELECT id, operation, table_name, state, error_code FROM jobs WHERE class = 'storage' ORDER BY id")
	if err != nil {
		return "", err
	}
	list = slices.DeleteFunc(list, func(f found) bool { return w.known[f.id] })
	d := w.pending
	if len(list) > 1 || len(list) == 1 && (d == nil || d.job != list[0].operation || d.table != strings.TrimPrefix(list[0].table, crashBucket+".")) {
		w.t.Errorf("there are jobs %v that nobody asked for; pending is %v", list, d)
		return "", nil
	}
	if len(list) == 0 {
		if d != nil && d.asked && d.job != "" && d.system == nil {
			w.t.Errorf("%s was acknowledged and is lost", d)
		}
		return "", nil
	}
	if d.id != 0 && d.id != list[0].id {
		w.t.Errorf("%s is done by job %d and by job %d", d, d.id, list[0].id)
	}
	d.id = list[0].id
	switch f := list[0]; {
	case f.state == "success":
		w.settle()
	case f.state == "error" && d.cancels && f.code == jobs.Cancelled:
		w.giveUp()
	case f.state == "error":
		w.t.Errorf("%s failed: %s", d, f.code)
	}
	return list[0].state, nil
}

// compare holds a picture against the ledger.
func (w *crashWorld) compare(picture string) {
	w.t.Helper()
	want := w.ledger.picture(w.deep)
	if picture == want {
		return
	}
	// What has no job tells by itself whether it was done.
	if d := w.pending; d != nil && d.job == "" && picture == d.after(w.ledger).picture(w.deep) {
		w.settle()
		return
	}
	w.t.Errorf("pending is %v, and\n%s", w.pending, difference(picture, want))
}

// look gives the picture of all that people see, as ledger.picture does.
func (w *crashWorld) look(a *app.App) string {
	w.t.Helper()
	scope := scopeOf(w.t, a, w.project)
	var lines []string
	wrote := map[int64]string{}
	var tables []storage.Table
	err := a.DB.View(context.Background(), func(tx *db.Tx) (err error) {
		if _, err = db.All(tx, func(r db.Row) (n int64, err error) {
			var name string
			err = r.Scan(&n, &name)
			wrote[n] = name
			return n, err
		}, "SELECT j.id, f.name FROM jobs j JOIN files f ON f.id = j.file_id"); err != nil {
			return err
		}
		tables, err = a.Storage.Tables(tx, scope, crashBucket, storage.TableFilter{Limit: 1000})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, t := range tables {
		more, err := w.lookAt(a, scope, t, wrote)
		if err != nil {
			w.t.Errorf("table %s: %v", t.TextID, err)
		}
		lines = append(lines, more...)
	}
	var exports []string
	err = a.DB.View(context.Background(), func(tx *db.Tx) error {
		trash, err := a.Storage.Trash(tx, scope, storage.TrashFilter{Limit: 1000})
		for _, x := range slices.Backward(trash) {
			lines = append(lines, trashLine(strings.TrimPrefix(x.TextID, crashBucket+"."), int(x.Rows)))
		}
		if err != nil {
			return err
		}
		exports, err = db.All(tx, db.Scalar[string], `SELECT blob_key FROM files f WHERE NOT EXISTS
			(SELECT 1 FROM events e WHERE e.name = 'storage.fileUploaded' AND e.object_id = CAST(f.id AS TEXT)) ORDER BY f.created_at, f.id`)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for i, key := range exports {
		if w.deep(i+1, len(exports)) {
			exports[i] = w.exported(key)
		}
	}
	return strings.Join(append(lines, exportLines(exports, w.deep)...), "\n")
}

// lookAt gives the lines of a table, whose sums must be right.
func (w *crashWorld) lookAt(a *app.App, scope access.Project, t storage.Table, wrote map[int64]string) (lines []string, err error) {
	var columns []storage.Column
	var versions []storage.Version
	var snapshots []storage.Snapshot
	err = a.DB.View(context.Background(), func(tx *db.Tx) (err error) {
		if columns, err = a.Storage.Columns(tx, t); err != nil {
			return err
		}
		if versions, err = a.Storage.Versions(tx, scope, t, storage.VersionFilter{Limit: 1000}); err != nil {
			return err
		}
		snapshots, err = a.Storage.Snapshots(tx, scope, t, storage.SnapshotFilter{Limit: 1000})
		return err
	})
	if err != nil {
		return nil, err
	}
	now, err := a.Storage.View(context.Background(), scope, t)
	if err != nil {
		return nil, err
	}
	content, err := w.read(now, wrote, func(v *engine.View, rows int64, err error) { addsUp(w.t, t, v, rows, err) })
	if err != nil {
		return nil, err
	}
	lines = append(lines, fmt.Sprintf("table %s: version %d, %d rows, described as %q, key %q, %d columns", t.Name, t.Version, t.Rows, t.Description, storage.KeyOf(columns), len(columns)))
	state := func(v storage.Version) (string, error) {
		view, err := a.Storage.ViewVersion(context.Background(), scope, t, v)
		if err != nil {
			return "", err
		}
		return w.read(view, wrote, nil)
	}
	for _, v := range slices.Backward(versions) {
		line := versionLine{t.Name, int(v.Number), v.Operation, int(v.Added), int(v.Changed), int(v.Removed), int(v.Rows), int(v.Source), v.Columns, v.Key, ""}
		if v.Number == t.Version {
			line.content = content
		}
		if w.deep(int(v.Number), len(versions)) && (line.content == "" || w.whole) {
			got, err := state(v)
			if err != nil {
				return lines, err
			}
			if line.content != "" && got != line.content {
				w.t.Errorf("table %s has %s, and its newest version has %s", t.Name, content, got)
			}
			line.content = got
		}
		lines = append(lines, line.String())
	}
	for _, x := range slices.Backward(snapshots) {
		got, err := state(x.State())
		if err != nil {
			return lines, err
		}
		lines = append(lines, snapshotLine(t.Name, x.Description, int(x.Version), got))
	}
	return lines, nil
}

// read gives the digest of a view and closes it. check is told how many rows were read;
// it may be nil.
func (w *crashWorld) read(v *engine.View, wrote map[int64]string, check func(*engine.View, int64, error)) (string, error) {
	d, err := digestOfView(v, wrote)
	if check != nil {
		check(v, d.rows, err)
	}
	return d.String(), errors.Join(err, v.Close())
}

// exported is the digest of an exported file.
func (w *crashWorld) exported(key string) string {
	w.t.Helper()
	f, err := os.Open(filepath.Join(w.data, "store", filepath.FromSlash(key)))
	if err != nil {
		w.t.Error(err)
		return "missing"
	}
	defer func() { _ = f.Close() }()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil || len(records) == 0 {
		w.t.Errorf("the export %s: %v", key, err)
		return "unreadable"
	}
	d := newDigest(records[0])
	for _, cells := range records[1:] {
		d.add(cells)
	}
	return d.String()
}

// verified checks an installation as steward verify does.
func verified(t *testing.T, a *app.App) {
	t.Helper()
	if _, err := ops.Verify(context.Background(), a, func(p ops.Problem) { t.Errorf("verify: %s", p) }, func(string, int64) {}); err != nil {
		t.Error(err)
	}
}

// openedWith runs fn with an installation that nobody serves, or beside the one who does.
func openedWith(t *testing.T, cfg config.Config, fn func(*app.App)) {
	t.Helper()
	a, err := app.Open(context.Background(), cfg, slog.New(slog.DiscardHandler), app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	fn(a)
}

// unversioned are the operations that change no table's content.
const unversioned = "'fileCheck', 'bucketDelete', 'tableSnapshotCreate', 'tableSnapshotDelete', 'tableDrop', 'tableExport'"

// sound checks what must hold of every SQLite database at any time.
func sound(t *testing.T, tx *db.Tx) error {
	t.Helper()
	if got, err := db.Value[string](tx, "PRAGMA integrity_check"); err != nil || got != "ok" {
		return fmt.Errorf("integrity_check: %s, %w", got, err)
	}
	if n, err := db.Value[int64](tx, "SELECT count(*) FROM pragma_foreign_key_check"); err != nil || n != 0 {
		return fmt.Errorf("%d rows refer to nothing, %w", n, err)
	}
	return consistent(t, tx)
}

// consistent checks what must hold of the rows of every database at any time.
func consistent(t *testing.T, tx *db.Tx) error {
	t.Helper()
	for what, query := range map[string]string{
		"buckets whose sums are wrong": `SELECT count(*) FROM buckets b WHERE b.deleted_at IS NULL AND (
			tables_count <> (SELECT count(*) FROM tables t WHERE t.bucket_id = b.id AND t.deleted_at IS NULL) OR
			rows_count <> (SELECT COALESCE(SUM(t.rows_count), 0) FROM tables t WHERE t.bucket_id = b.id AND t.deleted_at IS NULL) OR
			size_bytes <> (SELECT COALESCE(SUM(t.size_bytes), 0) FROM tables t WHERE t.bucket_id = b.id AND t.deleted_at IS NULL))`,
		"tables that are not at their newest version": `SELECT count(*) FROM tables t WHERE version <> (SELECT count(*) FROM versions v WHERE v.table_id = t.id)
			OR NOT EXISTS (SELECT 1 FROM versions v WHERE v.table_id = t.id AND v.number = t.version AND v.rows_count = t.rows_count AND v.expired_at IS NULL)`,
		// Snapshots, compaction and trimming move a table's location without a version.
		"tables whose location is that of no version, though nothing else moved it": `SELECT count(*) FROM tables t
			WHERE NOT EXISTS (SELECT 1 FROM versions v WHERE v.table_id = t.id AND v.number = t.version AND v.location = t.location)
			AND NOT EXISTS (SELECT 1 FROM snapshots s WHERE s.table_id = t.id)
			AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.operation IN ('table.compact', 'table.trim') AND j.params = '{"tableId":' || t.id || '}')`,
		"versions of a job that did not succeed": "SELECT count(*) FROM versions v JOIN jobs j ON j.id = v.job_id WHERE j.state <> 'success'",
		"successes that are not one version": `SELECT count(*) FROM jobs j JOIN projects p ON p.id = j.project_id AND p.purge_begun_at IS NULL WHERE j.class = 'storage' AND j.state = 'success' AND
			(CASE WHEN j.operation IN (` + unversioned + `) OR EXISTS (SELECT 1 FROM job_tables u JOIN trash x ON x.kind = 'table' AND x.object_id = u.table_id AND x.state = 'purged'
				WHERE u.job_id = j.id AND u.direction = 'write') THEN 0 ELSE 1 END) <> (SELECT count(*) FROM versions v WHERE v.job_id = j.id)`,
		"successes that name no table": `SELECT count(*) FROM jobs j WHERE j.class = 'storage' AND j.state = 'success' AND j.operation NOT IN ('tableSnapshotCreate', 'tableSnapshotDelete', 'fileCheck', 'bucketDelete')
			AND 1 <> (SELECT count(*) FROM job_tables u WHERE u.job_id = j.id AND (u.direction = 'write') = (j.operation <> 'tableExport'))`,
		"jobs without the event of their start, or with two": `SELECT count(*) FROM jobs j WHERE j.class = 'storage' AND 1 <> (SELECT count(*) FROM events e WHERE e.job_id = j.id
			AND e.name = 'storage.' || CASE WHEN j.operation IN ('tableCreate', 'tableImport') THEN 'load' ELSE j.operation END || 'Started')`,
		"loads whose end is not one event": `SELECT count(*) FROM jobs j WHERE j.operation IN ('tableCreate', 'tableImport')
			AND (CASE WHEN j.state = 'success' THEN 1 ELSE 0 END) <> (SELECT count(*) FROM events e WHERE e.job_id = j.id AND e.name IN ('storage.tableCreated', 'storage.tableImported'))`,
		"other jobs whose end is not one event": `SELECT count(*) FROM jobs j WHERE j.operation IN ('tableRevert', 'tableCopy', 'tableRowsDelete', 'tableSnapshotCreate', 'tableDrop', 'tableExport')
			AND (CASE WHEN j.state = 'success' THEN 1 ELSE 0 END) <> (SELECT count(*) FROM events e
			WHERE e.job_id = j.id AND e.name = CASE j.operation WHEN 'tableRevert' THEN 'storage.tableReverted' WHEN 'tableCopy' THEN 'storage.tableCopied' WHEN 'tableRowsDelete' THEN 'storage.tableRowsDeleted'
			WHEN 'tableSnapshotCreate' THEN 'storage.tableSnapshotCreated' WHEN 'tableDrop' THEN 'storage.tableDropped' WHEN 'tableExport' THEN 'storage.tableExported' END)`,
		"files without their event": `SELECT count(*) FROM files f WHERE 1 <> (SELECT count(*) FROM events e WHERE (e.name IN ('storage.fileUploaded', 'storage.fileCreated') AND e.object_id = CAST(f.id AS TEXT))
			OR (e.name = 'storage.tableExported' AND e.results LIKE '%"fileId":' || f.id || ',%'))`,
	} {
		n, err := db.Value[int64](tx, query)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if n != 0 {
			t.Errorf("there are %d %s", n, what)
		}
	}
	return nil
}

// scopeOf is what the first person may do in the project of an address.
func scopeOf(t *testing.T, a *app.App, project string) (s access.Project) {
	t.Helper()
	err := a.DB.View(context.Background(), func(tx *db.Tx) error {
		user, err := db.Value[int64](tx, "SELECT MIN(id) FROM users")
		if err != nil {
			return err
		}
		u, err := accounts.Find(tx, user)
		if err != nil {
			return err
		}
		id, err := strconv.ParseInt(project[strings.LastIndexByte(project, '/')+1:], 10, 64)
		if err != nil {
			return err
		}
		s, err = tenancy.Enter(tx, u.Actor(), id, access.StorageRead)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
