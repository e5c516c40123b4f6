//go:build crash

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"steward/internal/app"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/storage"
)

func unseen(l ledger) ledger { return l }

// compaction rewrites the table with the most to gain.
func (w *crashWorld) compaction() *deed {
	w.serial++
	return &deed{kind: "compaction", job: storage.TableCompact, serial: w.serial, after: unseen, system: w.compact}
}

// sweep removes what kills have left lying, and some orphans of ours.
func (w *crashWorld) sweep() *deed {
	w.serial++
	var orphans []string
	return &deed{kind: "sweep", job: storage.Sweep, serial: w.serial, after: unseen,
		system: func() (err error) { orphans, err = w.age(); return err },
		done:   func() { w.gone(orphans) }}
}

// finishSystem has the system do the pending deed. It is asked for when no job is left.
func (w *crashWorld) finishSystem(p *process) error {
	d := w.pending
	if err := w.until(p, "no job is left", w.idle); err != nil {
		return err
	}
	before := w.jobs() // they have ended, but the log may not say so yet
	if err := d.system(); err != nil {
		return w.wrong("%s: %v", d, err)
	}
	err := w.until(p, d.kind+" ends", func() bool {
		l, ok := p.find(func(l line) bool { return l.Msg == "job: ran" && l.Operation == d.job && !before[l.Job] })
		if ok && l.Error != "" {
			w.t.Errorf("%s: %s", d, l.Error)
		}
		return ok
	})
	if err != nil {
		return err
	}
	if d.done != nil {
		d.done()
	}
	w.settle()
	return nil
}

// idle reports whether no job is left to do.
func (w *crashWorld) idle() (ok bool) {
	inspect(w.t, w.dsn, func(tx *db.Tx) error {
		n, err := db.Value[int64](tx, "SELECT count(*) FROM jobs WHERE state IN ('waiting', 'processing')")
		ok = n == 0
		return err
	})
	return ok
}

// jobs are the numbers of all jobs that there are.
func (w *crashWorld) jobs() map[int64]bool {
	there := map[int64]bool{}
	inspect(w.t, w.dsn, func(tx *db.Tx) error {
		ids, err := db.All(tx, db.Scalar[int64], "SELECT id FROM jobs")
		for _, id := range ids {
			there[id] = true
		}
		return err
	})
	return there
}

// compact asks for a compaction of the table with the most files, as the program does
// when they have become too many.
func (w *crashWorld) compact() (err error) {
	openedWith(w.t, w.config(), func(a *app.App) {
		err = a.DB.Update(context.Background(), func(tx *db.Tx) error {
			spec, err := db.One(tx, func(r db.Row) (jobs.Spec, error) {
				var table, branch int64
				var name string
				err := r.Scan(&table, &branch, &name)
				return jobs.Spec{Class: jobs.System, Operation: storage.TableCompact, SerialKey: fmt.Sprintf("table:%d:%s", branch, name), Params: map[string]int64{"tableId": table}}, err
			}, "SELECT id, branch_id, text_id FROM tables WHERE deleted_at IS NULL ORDER BY files_count DESC, deleted_rows DESC, id LIMIT 1")
			if err == nil {
				_, err = a.Jobs.Enqueue(tx, spec)
			}
			return err
		})
	})
	return err
}

// age makes all that lies in the store old, with some orphans, and a sweep due.
func (w *crashWorld) age() (orphans []string, err error) {
	orphans = []string{orphan(w.data, 1), orphan(w.data, 77_777)}
	for _, path := range orphans {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("left"), 0o600)); err != nil {
			return nil, err
		}
	}
	old := time.Now().Add(-72 * time.Hour)
	each(w.t, filepath.Join(w.data, "store"), func(path string, _ fs.DirEntry) { err = errors.Join(err, os.Chtimes(path, old, old)) })
	if err != nil {
		return nil, err
	}
	return orphans, w.update("UPDATE schedules SET next_at = 1 WHERE name = $1", storage.Sweep)
}

// gone checks that a sweep has removed files.
func (w *crashWorld) gone(paths []string) {
	w.t.Helper()
	for _, path := range paths {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			w.t.Errorf("after a sweep, %s is there: %v", path, err)
		}
	}
}

// update changes the database beside the program.
func (w *crashWorld) update(query string, args ...any) error {
	d, err := db.Open(context.Background(), w.dsn, db.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Update(context.Background(), func(tx *db.Tx) error { _, err := tx.Exec(query, args...); return err })
}
