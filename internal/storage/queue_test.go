package storage_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/storage/csv"
	"steward/web/webtest"
)

// queue is a place whose jobs wait until they are run.
type queue struct{ *place }

func newQueue(t *testing.T) queue {
	t.Helper()
	return queue{newPlace(t, webtest.Open(t, webtest.Options{Idle: true, Log: t.Output()}), "Queue")}
}

// load asks for a load of a text.
func (q queue) load(table, content string, l storage.Load) jobs.Job {
	q.t.Helper()
	f, err := q.App.Storage.Upload(q.t.Context(), q.scope, table+".csv", strings.NewReader(content))
	if err != nil {
		q.t.Fatal(err)
	}
	l.File, l.Bucket, l.Table, l.Dialect = f.ID, bucket, table, csv.DefaultDialect()
	return q.ask(func(tx *db.Tx) (jobs.Job, error) { return q.App.Storage.StartLoad(tx, q.scope, l) })
}

// run runs all that waits, and gives the jobs as they ended.
func (q queue) run(list ...jobs.Job) []jobs.Job {
	q.t.Helper()
	if err := q.App.Jobs.Drain(q.t.Context(), jobs.Storage); err != nil {
		q.t.Fatal(err)
	}
	for i, j := range list {
		q.View(func(tx *db.Tx) (err error) { list[i], err = q.App.Jobs.Get(tx, q.scope, j.ID); return err })
	}
	return list
}

// TestLoadSays: what is said of a load, for ever, is what it did.
func TestLoadSays(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	for _, step := range []struct {
		table, content string
		load           storage.Load
		says           string
	}{
		{"m", "a,b\n1,x\n2,y\n", storage.Load{}, "created table in.c-load.m with 2 rows."},
		{"m", "a,b\n3,z\n", storage.Load{Append: true}, "added 1 rows to in.c-load.m (version 1 to 2)."},
		{"m", "a,b\n9,z\n", storage.Load{}, "replaced the 3 rows of in.c-load.m by 1 (version 2 to 3)."},
		{"m", "a,b\n", storage.Load{}, "replaced the 1 rows of in.c-load.m by 0 (version 3 to 4)."},
		{"k", "a,b\n1,x\n1,y\n2,z\n", storage.Load{Key: []string{"a"}}, "created table in.c-load.k with 2 rows, 1 rows of the file were replaced by later ones with the same key."},
		{"k", "a,b\n1,y\n2,q\n3,n\n", storage.Load{Append: true}, "loaded into in.c-load.k by its primary key: 1 rows inserted, 1 changed, 1 unchanged (version 1 to 2)."},
		{"k", "a,b\n1,y\n", storage.Load{}, "replaced the 3 rows of in.c-load.k by 1 (version 2 to 3)."},
		{"k", "a,b\n1,y\n", storage.Load{Append: true}, "loaded a file into in.c-load.k that changed nothing: its 1 rows are there as they are."},
	} {
		j := q.run(q.load(step.table, step.content, step.load))[0]
		if j.State != jobs.Success {
			t.Fatalf("%s: %s", j.State, j.ErrorMessage)
		}
		var said string
		q.View(func(tx *db.Tx) (err error) {
			said, err = db.Value[string](tx, "SELECT message FROM events WHERE job_id = $1 AND object_type = 'table' ORDER BY id DESC LIMIT 1", j.ID)
			return err
		})
		if _, said, _ = strings.Cut(said, fmt.Sprintf("%q ", j.ActorName)); said != step.says {
			t.Errorf("said %q, want %q", said, step.says)
		}
	}
}

// TestQueuedChanges: what was asked for while another job waited is looked at again when
// it is its turn.
func TestQueuedChanges(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	st := q.App.Storage
	const id = bucket + ".t"
	q.run(q.load("t", "a,b\n1,x\n2,y\n", storage.Load{}))
	key := func(column string) jobs.Job {
		return q.ask(func(tx *db.Tx) (jobs.Job, error) { return st.AddKey(tx, q.scope, id, []string{column}) })
	}
	keyless := func() jobs.Job {
		return q.ask(func(tx *db.Tx) (jobs.Job, error) { return st.DropKey(tx, q.scope, id) })
	}
	outcome := func(list ...jobs.Job) string {
		var out []string
		for _, j := range q.run(list...) {
			out = append(out, string(j.State)+" "+j.ErrorCode)
		}
		return strings.Join(out, ", ")
	}
	if got := outcome(key("a"), key("b")); got != "success , error storage.tables.key" {
		t.Errorf("two keys: %s", got)
	}
	if got := outcome(keyless(), keyless()); got != "success , error storage.tables.key" {
		t.Errorf("no key, twice: %s", got)
	}

	// The file has column b; by the time of the load the table does not.
	agreed := q.ask(func(tx *db.Tx) (jobs.Job, error) { return st.DropColumn(tx, q.scope, id, "b") })
	loaded := q.load("t", "a,b\n5,z\n", storage.Load{Append: true})
	if got := outcome(agreed, loaded); got != "success , error storage.import.newColumns" {
		t.Errorf("a column that nobody agreed to add: %s", got)
	}
	if got := outcome(q.load("t", "a,b\n5,z\n", storage.Load{Append: true, AddColumns: []string{"b"}})); got != "success " {
		t.Errorf("a column that somebody agreed to add: %s", got)
	}
}

// TestQueuedForAnotherTable: what was asked for a table is not done to another one that
// is called so by then.
func TestQueuedForAnotherTable(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	st := q.App.Storage
	const id = bucket + ".t"
	ends := func(what string, j jobs.Job, code string) {
		t.Helper()
		if got := q.run(j)[0]; got.ErrorCode != code {
			t.Errorf("%s: %s %s %s", what, got.State, got.ErrorCode, got.ErrorMessage)
		}
	}
	drop := func() {
		q.ask(func(tx *db.Tx) (jobs.Job, error) { return st.DropTable(tx, q.scope, id) })
	}
	keyed := storage.Load{Key: []string{"a"}}
	q.run(q.load("t", "a,b\n1,x\n2,y\n", keyed))

	drop()
	ends("a load behind a drop", q.load("t", "a,b\n1,z\n", storage.Load{Append: true}), "storage.tables.gone")
	q.run(q.load("t", "a,b\n3,x\n", keyed))

	other := q.ask(func(tx *db.Tx) (jobs.Job, error) { return st.DeleteRows(tx, q.scope, id, nil, true, 0) })
	exported := q.ask(func(tx *db.Tx) (jobs.Job, error) {
		return st.StartExport(tx, q.scope, storage.Export{Table: id, Format: storage.FormatCSV})
	})
	number := q.table("t").ID
	q.Update(func(tx *db.Tx) error { // as if they had been asked for of the first one
		n, err := tx.Exec("UPDATE jobs SET params = replace(params, $1, $2) WHERE id IN ($3, $4)",
			fmt.Sprintf(`"tableNumber":%d`, number), fmt.Sprintf(`"tableNumber":%d`, number-1), other.ID, exported.ID)
		if n != 2 {
			t.Errorf("%d jobs name the number of their table", n)
		}
		return err
	})
	ends("a truncation", other, "storage.tables.another")
	ends("an export", exported, "storage.tables.another")
	if rows := q.table("t").Rows; rows != 1 {
		t.Errorf("the other table has %d rows", rows)
	}

	// Two people make a table of one name.
	first := q.load("n", "a,b\n1,x\n", storage.Load{Key: []string{"a"}})
	ends("another key", q.load("n", "a,b\n1,x\n", storage.Load{Key: []string{"b"}}), "storage.import.key")
	ends("the first", first, "")
}

// TestLoadsUnderAnyClock: a table holds what was loaded into it last, also when the clock
// was put back between two loads that wait.
func TestLoadsUnderAnyClock(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	list := []jobs.Job{q.load("t", "n\n1\n", storage.Load{}), q.load("t", "n\n2\n", storage.Load{})}
	q.Clock.Forward(-time.Minute)
	list = append(list, q.load("t", "n\n3\n", storage.Load{}))
	for _, j := range q.run(list...) {
		if j.State != jobs.Success {
			t.Errorf("job %d: %s", j.ID, j.ErrorMessage)
		}
	}
	if text, _ := q.exported(q.run(q.export("t", time.Time{}))[0]); text != "n 3" {
		t.Errorf("the table holds %q", text)
	}
}

// TestCompactionGoesFirst: many loads that wait for one table do not wait in vain for its
// compaction, which would come behind them all.
func TestCompactionGoesFirst(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	q.run(q.load("t", "a\n0\n", storage.Load{}))
	const loads = 70
	var list []jobs.Job
	for i := range loads {
		list = append(list, q.load("t", fmt.Sprintf("a\n%d\n", i+1), storage.Load{Append: true}))
	}
	rounds := 0
	for most := int64(0); q.table("t").Version < loads+1; rounds++ {
		q.run()
		now := q.table("t")
		if most = max(most, now.Files); most > 40 || rounds > 10 {
			t.Fatalf("round %d: %d files in version %d", rounds, now.Files, now.Version)
		}
		if err := q.App.Jobs.Drain(t.Context(), jobs.System); err != nil {
			t.Fatal(err)
		}
	}
	if rounds < 2 {
		t.Errorf("%d rounds", rounds)
	}
	for _, j := range q.run(list...) {
		if j.State != jobs.Success {
			t.Errorf("job %d: %s", j.ID, j.ErrorMessage)
		}
	}
	if rows := q.table("t").Rows; rows != loads+1 {
		t.Errorf("%d rows", rows)
	}
}

// TestNamesTogether: a table has no more names than the header of a file may hold, so
// that what is exported can be loaded again.
func TestNamesTogether(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	var names []string
	for i := range 218 { // 300 characters each, with quotes and a comma 303 bytes
		names = append(names, fmt.Sprintf("%0300d", i))
	}
	create := func(names []string) (j jobs.Job, err error) {
		err = q.App.DB.Update(t.Context(), func(tx *db.Tx) (err error) {
			j, err = q.App.Storage.CreateTable(tx, q.scope, storage.Definition{Bucket: bucket, Name: "wide", Columns: names})
			return err
		})
		return j, err
	}
	if _, err := create(names); !fault.Is(err, fault.Invalid) {
		t.Errorf("too many names: %v", err)
	}
	j, err := create(names[:216])
	if err != nil || q.run(j)[0].State != jobs.Success {
		t.Fatalf("as many as fit: %v", err)
	}
	err = q.App.DB.Update(t.Context(), func(tx *db.Tx) error {
		_, err := q.App.Storage.AddColumn(tx, q.scope, bucket+".wide", names[217])
		return err
	})
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("one name more: %v", err)
	}
}

// TestUndoSaysWhy: an undo that cannot be done says why, and what can be done instead.
func TestUndoSaysWhy(t *testing.T) {
	t.Parallel()
	p := history(t)
	st := p.App.Storage
	const id = bucket + ".t"
	undo := func(j jobs.Job) error {
		return p.App.DB.Update(t.Context(), func(tx *db.Tx) error { _, err := st.Undo(tx, p.scope, j.ID); return err })
	}
	made := p.loadText("t", "a\n1\n", false)
	p.loadText("t", "a\n2\n", true)
	if err := undo(made); !fault.HasCode(err, "storage.undo.overtaken") || !strings.Contains(err.Error(), "or drop the table") {
		t.Errorf("the first load: %v", err)
	}
	created := p.do(func(tx *db.Tx) (jobs.Job, error) { return st.CreateSnapshot(tx, p.scope, id, "s") })
	var list []storage.Snapshot
	p.View(func(tx *db.Tx) (err error) {
		list, err = st.Snapshots(tx, p.scope, p.table("t"), storage.SnapshotFilter{Limit: 10})
		return err
	})
	deleted := p.do(func(tx *db.Tx) (jobs.Job, error) { return st.DeleteSnapshot(tx, p.scope, id, list[0].ID) })
	if err := undo(created); !fault.HasCode(err, "storage.snapshots.gone") {
		t.Errorf("a snapshot that is deleted already: %v", err)
	}
	p.do(func(tx *db.Tx) (jobs.Job, error) { return st.DropTable(tx, p.scope, id) })
	if err := undo(deleted); !fault.HasCode(err, "storage.undo.gone") {
		t.Errorf("a snapshot of a table in the trash: %v", err)
	}
	p.Update(func(tx *db.Tx) error {
		x, err := db.Value[int64](tx, "SELECT id FROM trash WHERE state = 'held'")
		if err == nil {
			_, err = st.Restore(tx, p.scope, x, "u")
		}
		return err
	})
	if err := undo(deleted); err != nil {
		t.Errorf("a snapshot of a table under another name: %v", err)
	}
}

// TestCompareAcrossRename: rows are told apart by the key also when its column was renamed.
func TestCompareAcrossRename(t *testing.T) {
	t.Parallel()
	p := history(t)
	st := p.App.Storage
	p.loadText("t", "id,v\n1,a\n2,b\n", false, "id")
	p.do(func(tx *db.Tx) (jobs.Job, error) {
		return st.RenameColumn(tx, p.scope, bucket+".t", "id", "customer_id")
	})
	p.loadText("t", "customer_id,v\n2,B\n3,c\n", true)
	var versions [2]storage.Version
	p.View(func(tx *db.Tx) (err error) {
		if versions[0], err = st.Version(tx, p.scope, p.table("t"), 1); err == nil {
			versions[1], err = st.Version(tx, p.scope, p.table("t"), 3)
		}
		return err
	})
	d, err := st.Compare(t.Context(), p.scope, p.table("t"), versions[0], versions[1], 10)
	if err != nil {
		t.Fatal(err)
	}
	if !d.Keyed || d.Added != 1 || d.Changed != 1 || d.Removed != 0 || d.Unchanged != 1 {
		t.Errorf("%+v", d)
	}
}
