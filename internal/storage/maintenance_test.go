package storage_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/web/webtest"
)

const day = 24 * time.Hour

// later lets time pass, in which nothing comes due by itself: the files are as young as
// they were, but would look old to a sweep beside the job that writes them.
func (p *place) later(d time.Duration) {
	p.t.Helper()
	p.Update(func(tx *db.Tx) error {
		_, err := tx.Exec("DELETE FROM schedules")
		return err
	})
	p.Clock.Forward(d)
}

// system runs a job of the house and waits for its good end, and that of those it asks for.
func (p *place) system(operation string) {
	p.t.Helper()
	p.Update(func(tx *db.Tx) error {
		_, err := p.App.Jobs.Enqueue(tx, jobs.Spec{Class: jobs.System, Operation: operation, Params: struct{}{}})
		return err
	})
	wait(p.t, operation+" ends", func() (done bool) {
		p.View(func(tx *db.Tx) error {
			n, err := db.Value[int64](tx, "SELECT count(*) FROM jobs WHERE state IN ('waiting', 'processing')")
			done = n == 0
			return err
		})
		return done
	})
	p.View(func(tx *db.Tx) error {
		bad, err := db.All(tx, db.Scalar[string], "SELECT operation || ' ' || error_message FROM jobs WHERE class = 'system' AND (state = 'error' OR attempt > 0)")
		if len(bad) > 0 {
			p.t.Fatalf("system jobs failed: %q", bad)
		}
		return err
	})
}

// files counts the files below a folder of the store.
func (p *place) files(folder string) (n int) {
	p.t.Helper()
	err := filepath.WalkDir(filepath.Join(p.App.Config.StoreDir(), folder), func(_ string, e fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err == nil && !e.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// rowsOf are the rows of a version, or of why it cannot be read.
func (p *place) rowsOf(table string, number int64) string {
	p.t.Helper()
	t := p.table(table)
	var v storage.Version
	p.View(func(tx *db.Tx) (err error) { v, err = p.App.Storage.Version(tx, p.scope, t, number); return err })
	view, err := p.App.Storage.ViewVersion(p.t.Context(), p.scope, t, v)
	if fault.HasCode(err, "storage.versions.gone") {
		return "gone"
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return p.rows(view)
}

// TestRetention: a version is kept for thirty days after it was replaced, the current one
// and named snapshots for ever; then its files go, and nothing else does.
func TestRetention(t *testing.T) {
	t.Parallel()
	p := history(t)
	st := p.App.Storage
	const id = bucket + ".kept"
	p.loadText("kept", "a\none\n", false)
	p.do(func(tx *db.Tx) (jobs.Job, error) { return st.CreateSnapshot(tx, p.scope, id, "the first") })
	p.loadText("kept", "a\ntwo\n", false)
	p.loadText("kept", "a\nthree\n", false)
	first, second, third := p.rowsOf("kept", 1), p.rowsOf("kept", 2), p.rowsOf("kept", 3)
	p.later(29 * day)
	p.system(storage.Maintain)
	if got := p.rowsOf("kept", 2); got != second {
		t.Errorf("after 29 days version 2 has %s", got)
	}
	before := p.files(p.table("kept").Folder)
	p.later(2 * day)
	p.system(storage.Maintain)
	if got := []string{p.rowsOf("kept", 1), p.rowsOf("kept", 2), p.rowsOf("kept", 3)}; got[0] != "gone" || got[1] != "gone" || got[2] != third {
		t.Errorf("after 31 days the versions have %q", got)
	}
	if after := p.files(p.table("kept").Folder); after >= before {
		t.Errorf("%d files before, %d after", before, after)
	}
	var list []storage.Snapshot
	p.View(func(tx *db.Tx) (err error) {
		list, err = st.Snapshots(tx, p.scope, p.table("kept"), storage.SnapshotFilter{Limit: 10})
		return err
	})
	p.do(func(tx *db.Tx) (jobs.Job, error) { return st.RestoreSnapshot(tx, p.scope, id, list[0].ID, 3) })
	if got := p.rowsOf("kept", 4); got != first {
		t.Errorf("the snapshot has %s, was %s", got, first)
	}

	gone := p.do(func(tx *db.Tx) (jobs.Job, error) { return st.DeleteSnapshot(tx, p.scope, id, list[0].ID) })
	p.later(31 * day)
	p.system(storage.Maintain)
	err := p.App.DB.Update(t.Context(), func(tx *db.Tx) error { _, err := st.Undo(tx, p.scope, gone.ID); return err })
	if !fault.HasCode(err, "storage.snapshots.gone") {
		t.Errorf("undo of a delete whose rows are gone: %v", err)
	}
	if got := p.rowsOf("kept", 4); got != first {
		t.Errorf("the current version has %s, was %s", got, first)
	}
	p.system(storage.Maintain) // nothing is left to do
	p.system(storage.Sweep)
	if got := p.rowsOf("kept", 4); got != first {
		t.Errorf("after a sweep the current version has %s, was %s", got, first)
	}
}

// TestTrashExpires: what was dropped is gone for good after thirty days, files and all.
func TestTrashExpires(t *testing.T) {
	t.Parallel()
	p := history(t)
	st := p.App.Storage
	p.loadText("old", "a\none\n", false)
	p.loadText("young", "a\none\n", false)
	old, young := p.table("old"), p.table("young")
	p.do(func(tx *db.Tx) (jobs.Job, error) { return st.DropTable(tx, p.scope, old.TextID) })
	p.later(20 * day)
	drop := p.do(func(tx *db.Tx) (jobs.Job, error) { return st.DropTable(tx, p.scope, young.TextID) })
	p.later(11 * day)
	p.system(storage.Maintain)
	if n := p.files(old.Folder); n != 0 {
		t.Errorf("%d files of the old table are left", n)
	}
	p.undo(drop)
	if got := p.rowsOf("young", 1); !strings.Contains(got, "one") {
		t.Errorf("the young table has %s", got)
	}
	p.View(func(tx *db.Tx) error {
		n, err := db.Value[int64](tx, "SELECT count(*) FROM tables WHERE id = $1", old.ID)
		if n != 0 {
			t.Error("the old table's row is there")
		}
		return err
	})
	p.sums()
}

// TestCompaction: many small appends become few files, and nobody sees a difference.
func TestCompaction(t *testing.T) {
	t.Parallel()
	p := history(t)
	const loads = 40
	for i := range loads {
		p.loadText("drops", fmt.Sprintf("a,b\n%d,x\n", i), i > 0)
	}
	p.system(storage.Maintain) // waits for the compaction, too
	var compacted int64
	p.View(func(tx *db.Tx) (err error) {
		compacted, err = db.Value[int64](tx, "SELECT count(*) FROM jobs WHERE operation = $1 AND state = 'success'", storage.TableCompact)
		return err
	})
	got := p.table("drops")
	if compacted == 0 || got.Files > 15 || got.Version != loads || got.Rows != loads {
		t.Errorf("%d compactions, %d files, version %d, %d rows", compacted, got.Files, got.Version, got.Rows)
	}
	for _, n := range []int64{1, 17, 30, 31, loads} {
		if rows := strings.Split(p.rowsOf("drops", n), "\n"); int64(len(rows)) != n {
			t.Errorf("version %d has %d rows", n, len(rows))
		}
	}
}

// TestCompactionAgain: a compaction that failed for good is asked for again by the round of
// maintenance, though nobody changes the table any more, and not all the time.
func TestCompactionAgain(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	rounds := func() {
		t.Helper()
		q.Update(func(tx *db.Tx) error {
			_, err := q.App.Jobs.Enqueue(tx, jobs.Spec{Class: jobs.System, Operation: storage.Maintain, Params: struct{}{}})
			return err
		})
		if err := q.App.Jobs.Drain(t.Context(), jobs.System); err != nil {
			t.Fatal(err)
		}
	}
	states := func() (list []string) {
		q.View(func(tx *db.Tx) (err error) {
			list, err = db.All(tx, db.Scalar[string], "SELECT state FROM jobs WHERE operation = $1 ORDER BY id", storage.TableCompact)
			return err
		})
		return list
	}
	for i := 0; len(states()) == 0; i++ {
		q.run(q.load("t", fmt.Sprintf("a\n%d\n", i), storage.Load{Append: true}))
	}
	before := q.table("t")
	broken := func(context.Context, *jobs.Run) error { return errors.New("no space left on device") }
	free := func(*db.Tx, jobs.Job) error { return nil }
	q.App.Jobs.Handle(map[string]jobs.Handler{storage.TableCompact: broken, storage.Maintain: q.App.Storage.RunMaintain}, free)
	for i := 0; states()[0] != "error"; i++ {
		if i == 50 {
			t.Fatalf("the compaction is %s", states())
		}
		if err := q.App.Jobs.Drain(t.Context(), jobs.System); err != nil {
			t.Fatal(err)
		}
		q.Clock.Forward(time.Hour)
	}
	rounds()
	if got := states(); len(got) != 1 {
		t.Errorf("right after the failure the compactions are %q", got)
	}
	q.Clock.Forward(7 * time.Hour)
	q.App.Jobs.Handle(map[string]jobs.Handler{storage.TableCompact: q.App.Storage.RunCompact, storage.Maintain: q.App.Storage.RunMaintain}, free)
	rounds()
	if got := states(); !slices.Equal(got, []string{"error", "success"}) {
		t.Errorf("the compactions are %q", got)
	}
	if now := q.table("t"); now.Files >= before.Files || now.Version != before.Version {
		t.Errorf("%d files, were %d", now.Files, before.Files)
	}
	rounds()
	if got := states(); len(got) != 2 {
		t.Errorf("it is compacted although it need not be: %q", got)
	}
	counted := func(files int64) {
		q.Update(func(tx *db.Tx) error { return tx.Must("UPDATE tables SET files_count = $1", files) })
	}
	whole := q.table("t").Files
	counted(99) // as of a table of many large files, which nothing makes fewer
	rounds()
	if got := states(); len(got) != 2 {
		t.Errorf("it is compacted again although that would not help: %q", got)
	}
	counted(whole)
}

// TestCompactionsAskedAgain: those are counted that were asked for, and a table whose
// compaction cannot be asked for keeps no other from its own.
func TestCompactionsAskedAgain(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	broken := func(context.Context, *jobs.Run) error { return errors.New("no space left on device") }
	q.App.Jobs.Handle(map[string]jobs.Handler{storage.TableCreate: q.App.Storage.RunLoad, storage.TableImport: q.App.Storage.RunLoad, storage.TableCompact: broken, storage.Maintain: q.App.Storage.RunMaintain},
		func(*db.Tx, jobs.Job) error { return nil })
	drain := func() {
		t.Helper()
		if err := q.App.Jobs.Drain(t.Context(), jobs.System); err != nil {
			t.Fatal(err)
		}
	}
	asked := func(table string) (n int64) {
		q.View(func(tx *db.Tx) (err error) {
			n, err = db.Value[int64](tx, "SELECT count(*) FROM jobs WHERE operation = $1 AND table_name = $2", storage.TableCompact, bucket+"."+table)
			return err
		})
		return n
	}
	hold := func(held bool) {
		q.Update(func(tx *db.Tx) error {
			return tx.Must("UPDATE jobs SET held = $1 WHERE operation = $2 AND state = 'waiting'", held, storage.TableCompact)
		})
	}
	maintain := func() (results string) {
		t.Helper()
		var j jobs.Job
		q.Update(func(tx *db.Tx) (err error) {
			j, err = q.App.Jobs.Enqueue(tx, jobs.Spec{Class: jobs.System, Operation: storage.Maintain, Params: struct{}{}, MaxAttempts: 1})
			return err
		})
		drain()
		q.View(func(tx *db.Tx) (err error) {
			results, err = db.Value[string](tx, "SELECT state || ' ' || results FROM jobs WHERE id = $1", j.ID)
			return err
		})
		return results
	}
	for _, table := range []string{"a", "b"} {
		for i := 0; asked(table) == 0; i++ {
			if j := q.run(q.load(table, fmt.Sprintf("n\n%d\n", i), storage.Load{Append: true}))[0]; j.State != jobs.Success {
				t.Fatal(j.ErrorMessage)
			}
		}
		drain() // fails
	}
	q.run(q.load("a", "n\n0\n", storage.Load{Append: true})) // asks for another one, which waits
	hold(true)
	q.Clock.Forward(7 * time.Hour)
	if got := maintain(); got != `success {"compactedAgain":1,"purged":0,"trimmed":0}` || asked("a") != 2 || asked("b") != 2 {
		t.Errorf("%s; %d and %d compactions", got, asked("a"), asked("b"))
	}
	hold(false)
	drain() // that of a fails again, and is looked at before that of b
	q.Clock.Forward(7 * time.Hour)
	q.Update(func(tx *db.Tx) error {
		if _, err := tx.Exec("DELETE FROM job_log"); err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM jobs WHERE operation = $1 AND state = 'error' AND id <> (SELECT MAX(id) FROM jobs WHERE operation = $1 AND table_name = $2) AND table_name = $2", storage.TableCompact, bucket+".a"); err != nil {
			return err
		}
		_, err := tx.Exec("CREATE UNIQUE INDEX one ON jobs (table_name) WHERE operation = '" + storage.TableCompact + "' AND table_name = '" + bucket + ".a'")
		return err
	})
	if got := maintain(); got != "error {}" || asked("b") != 3 {
		t.Errorf("%s; %d compactions of b", got, asked("b"))
	}
}

// TestTrimSparesReaders: what began to read a table before it was compacted and trimmed
// reads on, though its rows lie in old files that no version needs any more.
func TestTrimSparesReaders(t *testing.T) {
	t.Parallel()
	p := newPlace(t, webtest.Open(t, webtest.Options{Idle: true}), "Readers")
	drain := func(class jobs.Class) {
		t.Helper()
		if err := p.App.Jobs.Drain(t.Context(), class); err != nil {
			t.Fatal(err)
		}
	}
	waiting := int64(0)
	for i := 0; waiting == 0; i++ {
		f, err := p.App.Storage.Upload(t.Context(), p.scope, "read.csv", strings.NewReader(fmt.Sprintf("a\n%d\n", i)))
		if err != nil {
			t.Fatal(err)
		}
		p.start("read", f.ID, i > 0)
		drain(jobs.Storage)
		p.View(func(tx *db.Tx) (err error) {
			waiting, err = db.Value[int64](tx, "SELECT count(*) FROM jobs WHERE operation = $1", storage.TableCompact)
			return err
		})
	}
	got := p.table("read")
	view, err := p.App.Storage.View(t.Context(), p.scope, got)
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-72 * time.Hour)
	err = filepath.WalkDir(filepath.Join(p.App.Config.StoreDir(), got.Folder), func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(path, old, old))
	})
	if err != nil {
		t.Fatal(err)
	}
	drain(jobs.System) // the compaction
	p.Update(func(tx *db.Tx) error {
		if _, err := p.App.Jobs.Enqueue(tx, jobs.Spec{Class: jobs.System, Operation: storage.Maintain, Params: struct{}{}}); err != nil {
			return err
		}
		_, err := tx.Exec("UPDATE versions SET created_at = created_at - $1 WHERE table_id = $2 AND number < $3", (31 * day).Microseconds(), got.ID, got.Version)
		return err
	})
	drain(jobs.System)
	if now := p.table("read"); now.Files >= got.Files || p.rowsOf("read", 1) != "gone" {
		t.Fatalf("%d files, were %d; version 1 is %s", now.Files, got.Files, p.rowsOf("read", 1))
	}
	if rows := strings.Split(p.rows(view), "\n"); int64(len(rows)) != got.Rows {
		t.Errorf("%d rows, want %d", len(rows), got.Rows)
	}
}

// TestPurgeLeavesNoFolder: of a table that is purged nothing stays, and the sweep finds the
// empty folders that are left from before.
func TestPurgeLeavesNoFolder(t *testing.T) {
	t.Parallel()
	p := history(t)
	p.Clock.Forward(-2 * time.Hour) // it was put back, and the files are of the time before
	p.loadText("gone", "a\none\n", false)
	p.loadText("stays", "a\none\n", false)
	folder := func(table storage.Table) string { return filepath.Join(p.App.Config.StoreDir(), table.Folder) }
	gone, stays := folder(p.table("gone")), folder(p.table("stays"))
	p.do(func(tx *db.Tx) (jobs.Job, error) { return p.App.Storage.DropTable(tx, p.scope, bucket+".gone") })
	p.Update(func(tx *db.Tx) error {
		list, err := p.App.Storage.Trash(tx, p.scope, storage.TrashFilter{Limit: 1})
		if err == nil {
			_, err = p.App.Storage.Purge(tx, p.scope, list[0].ID)
		}
		return err
	})
	p.system(storage.Maintain) // waits for the removal, too
	if _, err := os.Stat(gone); !os.IsNotExist(err) {
		t.Errorf("the folder of the purged table: %v", err)
	}
	left := filepath.Join(p.App.Config.StoreDir(), "tables/999999")
	if err := os.MkdirAll(filepath.Join(left, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-72 * time.Hour)
	if err := os.Chtimes(left, old, old); err != nil {
		t.Fatal(err)
	}
	p.system(storage.Sweep)
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("the empty folder of a table that was purged before: %v", err)
	}
	if _, err := os.Stat(stays); err != nil {
		t.Error(err)
	}
}

// TestSweep: files that nothing refers to go when they are old, those of tables and those
// that were uploaded; a table that is being
// made of another one's old files keeps them.
func TestSweep(t *testing.T) {
	t.Parallel()
	p := history(t)
	p.loadText("live", "a\none\n", false)
	live := p.table("live")
	before := p.files(live.Folder)
	old := time.Now().Add(-72 * time.Hour)
	stray := func(folder, name string, dir time.Time) string {
		path := filepath.Join(p.App.Config.StoreDir(), folder, "data", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("PAR1"), 0o600); err != nil {
			t.Fatal(err)
		}
		for path, at := range map[string]time.Time{path: old, filepath.Dir(filepath.Dir(path)): dir} {
			if err := os.Chtimes(path, at, at); err != nil {
				t.Fatal(err)
			}
		}
		return path
	}
	inLive, dead, making := stray(live.Folder, "killed.parquet", time.Now()), stray("tables/990001", "killed.parquet", old), stray("tables/990002", "linked.parquet", time.Now())

	// An upload and an export whose process was killed before they were recorded, one that
	// is not old, and the file of a load.
	upload, young := stray("files/1", "killed.csv", old), stray("files/1", "new.csv", old)
	now := time.Now()
	var loaded string
	p.View(func(tx *db.Tx) (err error) {
		loaded, err = db.Value[string](tx, "SELECT MAX(blob_key) FROM files")
		loaded = filepath.Join(p.App.Config.StoreDir(), filepath.FromSlash(loaded))
		return err
	})
	if err := errors.Join(os.Chtimes(young, now, now), os.Chtimes(loaded, old, old)); err != nil {
		t.Fatal(err)
	}
	p.system(storage.Sweep)
	for path, stays := range map[string]bool{inLive: false, dead: false, making: true, upload: false, young: true, loaded: true} {
		if _, err := os.Stat(path); (err == nil) != stays {
			t.Errorf("%s: %v, should it stay: %v", path, err, stays)
		}
	}
	if n := p.files(live.Folder); n != before {
		t.Errorf("the live table has %d files, had %d", n, before)
	}
}
