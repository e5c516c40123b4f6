package storage_test

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/storage"
)

// export asks for an export of what changed in a table.
func (q queue) export(table string, since time.Time) jobs.Job {
	q.t.Helper()
	return q.ask(func(tx *db.Tx) (jobs.Job, error) {
		return q.App.Storage.StartExport(tx, q.scope, storage.Export{Table: bucket + "." + table, Since: since, Format: storage.FormatCSV})
	})
}

// exported is what an export wrote, and the moment that it names for the next one.
func (q queue) exported(j jobs.Job) (text string, next time.Time) {
	q.t.Helper()
	q.View(func(tx *db.Tx) (err error) { j, err = q.App.Jobs.Get(tx, q.scope, j.ID); return err })
	if j.State != jobs.Success {
		q.t.Fatalf("the export ended in %s: %s", j.State, j.ErrorMessage)
	}
	var r struct {
		File int64 `json:"fileId"`
		Next int64 `json:"nextChangedSince"`
	}
	if err := json.Unmarshal(j.Results, &r); err != nil {
		q.t.Fatal(err)
	}
	var f storage.File
	q.View(func(tx *db.Tx) (err error) { f, err = q.App.Storage.File(tx, q.scope, r.File); return err })
	content, err := q.App.Storage.Download(q.t.Context(), q.scope, f)
	if err != nil {
		q.t.Fatal(err)
	}
	defer func() { _ = content.Close() }()
	b, err := io.ReadAll(content)
	if err != nil {
		q.t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(b)), " "), time.UnixMicro(r.Next).UTC()
}

// TestExportsMissNothing: a load that has written its rows when an export chooses its
// version, and ends after that, is in the next export of changes.
func TestExportsMissNothing(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	q.run(q.load("t", "n\n1\n2\n", storage.Load{}))
	q.load("t", "n\n3\n", storage.Load{Append: true}) // uploaded before files are counted
	exporting, staged := make(chan struct{}), make(chan struct{})
	files := q.files("files")
	var loading atomic.Bool
	var once sync.Once
	q.App.Jobs.Handle(map[string]jobs.Handler{
		storage.TableExport: func(ctx context.Context, run *jobs.Run) error {
			close(exporting)
			<-staged
			return q.App.Storage.RunExport(ctx, run)
		},
		storage.TableImport: func(ctx context.Context, run *jobs.Run) error {
			loading.Store(true)
			return q.App.Storage.RunLoad(ctx, run)
		},
	}, func(_ *db.Tx, j jobs.Job) error {
		if j.Operation == storage.TableImport && loading.Load() { // it commits
			once.Do(func() {
				close(staged)
				wait(t, "the export writes its file", func() bool { return q.files("files") > files })
			})
		}
		return nil
	})
	first := q.export("t", time.Time{})
	q.Update(func(tx *db.Tx) error { // before the load
		_, err := tx.Exec("UPDATE jobs SET priority = priority + 1 WHERE id = $1", first.ID)
		return err
	})
	var all sync.WaitGroup
	all.Go(func() { q.drain() })
	<-exporting
	q.drain()
	all.Wait()
	before, next := q.exported(first)
	if before != "n 1 2" {
		t.Errorf("the first export has %q", before)
	}
	q.App.Jobs.Handle(map[string]jobs.Handler{storage.TableExport: q.App.Storage.RunExport}, func(*db.Tx, jobs.Job) error { return nil })
	second := q.run(q.export("t", next))[0]
	if after, _ := q.exported(second); after != "n 3" {
		t.Errorf("the next export, since %s, has %q: the load that ran beside the first one is missing", next, after)
	}
}

// drain runs jobs until none waits.
func (q queue) drain() {
	if err := q.App.Jobs.Drain(q.t.Context(), jobs.Storage); err != nil {
		q.t.Error(err)
	}
}

// TestExportsGoOn: each export names the moment for the next one, and none gives a change
// twice that ended before it began.
func TestExportsGoOn(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	q.run(q.load("t", "n\n1\n", storage.Load{}))
	var got []string
	var since time.Time
	for _, n := range []string{"2", "3", "4"} {
		var text string
		text, since = q.exported(q.run(q.export("t", since))[0])
		got = append(got, text)
		q.run(q.load("t", "n\n"+n+"\n", storage.Load{Append: true}))
	}
	if s := strings.Join(got, "; "); s != "n 1; n 2; n 3" {
		t.Errorf("the exports have %s", s)
	}
}

// TestClockPutBack: what is loaded after the clock was put back comes after what was there,
// and no export misses it.
func TestClockPutBack(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	q.run(q.load("t", "n\n1\n", storage.Load{}))
	_, since := q.exported(q.run(q.export("t", time.Time{}))[0])
	q.Clock.Forward(-2 * time.Hour)
	for _, n := range []string{"2", "3"} {
		if j := q.run(q.load("t", "n\n"+n+"\n", storage.Load{Append: true}))[0]; j.State != jobs.Success {
			t.Fatalf("a load after the clock was put back ends in %s: %s", j.State, j.ErrorMessage)
		}
	}
	text, since := q.exported(q.run(q.export("t", since))[0])
	if text != "n 2 3" {
		t.Errorf("the export of changes has %q", text)
	}
	q.run(q.ask(func(tx *db.Tx) (jobs.Job, error) {
		return q.App.Storage.CreateSnapshot(tx, q.scope, bucket+".t", "put back")
	}))
	table := q.table("t")
	var versions []storage.Version
	var snapshots []storage.Snapshot
	q.View(func(tx *db.Tx) (err error) {
		if versions, err = q.App.Storage.Versions(tx, q.scope, table, storage.VersionFilter{Limit: 10}); err != nil {
			return err
		}
		snapshots, err = q.App.Storage.Snapshots(tx, q.scope, table, storage.SnapshotFilter{From: versions[0], Limit: 10})
		return err
	})
	for i := 1; i < len(versions); i++ {
		if versions[i].CreatedAt.After(versions[i-1].CreatedAt) {
			t.Errorf("version %d is of %s, version %d of %s", versions[i].Number, versions[i].CreatedAt, versions[i-1].Number, versions[i-1].CreatedAt)
		}
	}
	if len(versions) != 3 || len(snapshots) != 1 {
		t.Errorf("%d versions and, of the last, %d snapshots", len(versions), len(snapshots))
	}
	q.Clock.Forward(3 * time.Hour)
	q.run(q.load("t", "n\n4\n", storage.Load{Append: true}))
	if text, _ = q.exported(q.run(q.export("t", since))[0]); !strings.HasSuffix(text, " 4") {
		t.Errorf("when the clock has caught up, the export of changes has %q", text)
	}
}
