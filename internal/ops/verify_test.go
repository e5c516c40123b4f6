package ops_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/app"
	"steward/internal/audit"
	"steward/internal/config"
	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/internal/demo"
	"steward/internal/jobs"
	"steward/internal/ops"
	"steward/internal/storage"
	"steward/internal/storage/csv"
	"steward/web/webtest"
)

// world is an installation with a table, two files and sealed events.
type world struct {
	*webtest.Site
	t     *testing.T
	data  string
	dsn   string
	scope access.Project
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, data: t.TempDir(), dsn: dbtest.DSN(t)}
	w.Site = webtest.Open(t, webtest.Options{Idle: true, Damaged: true, Data: w.data, DSN: w.dsn})
	p, admin := w.Project("World", false)
	w.scope = w.Scope(admin, p)
	w.Update(func(tx *db.Tx) error {
		_, err := w.App.Storage.CreateBucket(tx, w.scope, storage.NewBucket{Stage: storage.In, Name: "b"})
		return err
	})
	for _, table := range []string{"first", "second"} {
		var rows strings.Builder
		rows.WriteString("id,word\n")
		for i := range 2000 {
			fmt.Fprintf(&rows, "%d,%s %d\n", i, table, i*i)
		}
		f, err := w.App.Storage.Upload(t.Context(), w.scope, table+".csv", strings.NewReader(rows.String()))
		if err != nil {
			t.Fatal(err)
		}
		w.Update(func(tx *db.Tx) error {
			_, err := w.App.Storage.StartLoad(tx, w.scope, storage.Load{File: f.ID, Bucket: "in.c-b", Table: table, Dialect: csv.DefaultDialect()})
			return err
		})
	}
	if err := w.App.Jobs.Drain(t.Context(), jobs.Storage); err != nil {
		t.Fatal(err)
	}
	w.Clock.Forward(time.Hour)
	for w.value("SELECT count(*) FROM events WHERE seal IS NULL") > 0 { // on PostgreSQL other tests' transactions may be in the way
		if _, _, err := audit.Seal(t.Context(), w.App.DB); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) value(query string, args ...any) (n int64) {
	w.t.Helper()
	w.View(func(tx *db.Tx) (err error) { n, err = db.Value[int64](tx, query, args...); return err })
	return n
}

func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	w.Update(func(tx *db.Tx) error {
		n, err := tx.Exec(query, args...)
		if err == nil && n != 1 {
			err = fmt.Errorf("%s changed %d rows", query, n)
		}
		return err
	})
}

// verify looks at the installation from beside the running program.
func verify(t *testing.T, data, dsn string, now func() time.Time) (lines []string, report ops.Report) {
	t.Helper()
	a, err := app.Open(context.Background(), config.Config{Addr: "127.0.0.1:0", Data: data, DB: dsn}, slog.New(slog.DiscardHandler), app.Options{Look: true, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	report, err = ops.Verify(t.Context(), a, func(p ops.Problem) { lines = append(lines, p.String()) }, func(string, int64) {})
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(lines)) != report.Problems {
		t.Errorf("%d problems were told, %d counted", len(lines), report.Problems)
	}
	return lines, report
}

// stored gives a file of the store whose path has a part.
func (w *world) stored(part string) string {
	w.t.Helper()
	var found string
	err := filepath.WalkDir(filepath.Join(w.data, "store"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(filepath.ToSlash(path), part) {
			found = path
		}
		return err
	})
	if err != nil || found == "" {
		w.t.Fatalf("nothing is stored at %s: %v", part, err)
	}
	return found
}

// flip changes one bit in the middle of a file.
func (w *world) flip(path string) {
	w.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	b[len(b)/2] ^= 4
	if err := os.Chmod(path, 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(path string) {
	w.t.Helper()
	if err := os.Remove(path); err != nil {
		w.t.Fatal(err)
	}
}

// upload is the path of the first uploaded file's bytes.
func (w *world) upload() string {
	w.t.Helper()
	var key string
	w.View(func(tx *db.Tx) (err error) {
		key, err = db.Value[string](tx, "SELECT blob_key FROM files WHERE name = 'first.csv'")
		return err
	})
	return filepath.Join(w.data, "store", filepath.FromSlash(key))
}

// dataFile is a Parquet file of table first.
func (w *world) dataFile() string {
	w.t.Helper()
	return w.stored(fmt.Sprintf("tables/%d/data/", w.value("SELECT id FROM tables WHERE name = 'first'")))
}

func TestCleanWorld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	watch := dbtest.Watch(t, w.dsn)
	before := watch.Sum()
	lines, report := verify(t, w.data, w.dsn, w.Clock.Now)
	for _, l := range lines {
		t.Error(l)
	}
	if watch.Sum() != before {
		t.Error("verifying changed the database")
	}
	if report.Sealed.Seals == 0 || report.Sealed.Events == 0 || report.Sealed.Unsealed != 0 {
		t.Errorf("the seals: %+v", report.Sealed)
	}
	counts := map[string]int64{}
	for _, c := range report.Checked {
		counts[c.Name] = c.Count
	}
	if counts["files"] != 2 || counts["tables"] != 2 || counts["counters"] != 1 || counts["events"] != report.Sealed.Events {
		t.Errorf("checked: %v", counts)
	}
}

// TestDamage: each kind of damage is named, in one line that names nothing else.
func TestDamage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what   string
		damage func(w *world)
		wants  []string // parts of one line
	}{
		{"a changed event", func(w *world) { w.exec("UPDATE events SET message = 'Nothing.' WHERE name = 'storage.bucketCreated'") }, []string{"events: event ", "was changed"}},
		{"a deleted event", func(w *world) { w.exec("DELETE FROM events WHERE name = 'storage.bucketCreated'") }, []string{"events: event ", "was deleted"}},
		{"a changed seal", func(w *world) { w.exec("UPDATE seals SET digest = 'x' WHERE number = 1") }, []string{"events: seal 1: ", "was changed"}},
		{"an inserted event", func(w *world) {
			w.exec(`INSERT INTO events (id, xid, created_at, type, name, object_type, object_id, object_name, actor_name, request_id, address, user_agent, message, params, results)
				VALUES (987654, 0, $1, 'info', 'forged', '', '', '', '', '', '', '', 'Never happened.', '{}', '{}')`, w.App.DB.Now().Add(-30*time.Minute))
		}, []string{"events: event 987654 of ", "inserted afterwards"}},
		{"a flipped bit in an upload", func(w *world) { w.flip(w.upload()) }, []string{"files: file ", "(first.csv)", "SHA-256"}},
		{"a cut upload", func(w *world) {
			if err := os.Truncate(w.upload(), 100); err != nil {
				w.t.Fatal(err)
			}
		}, []string{"files: file ", "(first.csv)", "found 100 bytes"}},
		{"a missing upload", func(w *world) { w.remove(w.upload()) }, []string{"files: file ", "(first.csv)", "missing"}},
		{"a flipped bit in a data file", func(w *world) { w.flip(w.dataFile()) }, []string{"tables: table ", "(in.c-b.first)", ".parquet"}},
		{"a missing data file", func(w *world) { w.remove(w.dataFile()) }, []string{"tables: table ", "(in.c-b.first)", ".parquet", "not found"}},
		{"missing metadata", func(w *world) {
			w.exec("UPDATE tables SET location = 'steward:///tables/0/none.json' WHERE name = 'first'")
		}, []string{"tables: table ", "(in.c-b.first)", "tables/0/none.json"}},
		{"a counter of a bucket", func(w *world) { w.exec("UPDATE buckets SET rows_count = rows_count + 1") }, []string{"counters: bucket ", "expected 4000 rows", "found 4001"}},
		{"a table counted twice", func(w *world) { w.exec("UPDATE buckets SET tables_count = 3") }, []string{"counters: bucket ", "expected 2 tables", "found 3"}},
		{"columns that are not the table's", func(w *world) {
			w.exec("UPDATE table_columns SET name = 'other' WHERE name = 'word' AND table_id = (SELECT id FROM tables WHERE name = 'first')")
		},
			[]string{"tables: table ", "(in.c-b.first)", "columns"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c.damage(w)
			lines, _ := verify(t, w.data, w.dsn, w.Clock.Now)
			if len(lines) != 1 {
				t.Fatalf("%d lines:\n%s", len(lines), strings.Join(lines, "\n"))
			}
			for _, want := range c.wants {
				if !strings.Contains(lines[0], want) {
					t.Errorf("%s\n  does not say %q", lines[0], want)
				}
			}
		})
	}
}

// TestCountersOfTables are compared with the data itself, and with the bucket.
func TestCountersOfTables(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec("UPDATE tables SET rows_count = 5, size_bytes = size_bytes + 1 WHERE name = 'first'")
	lines, _ := verify(t, w.data, w.dsn, w.Clock.Now)
	all := strings.Join(lines, "\n")
	for _, want := range []string{"(in.c-b.first): expected 2000 rows, as its data has; found 5 in its counter", "bytes, as its data has", "expected 2005 rows, as its tables have; found 4000"} {
		if !strings.Contains(all, want) {
			t.Errorf("no line says %q:\n%s", want, all)
		}
	}
}

// TestRowsWithoutTheirReference: PostgreSQL does not let them be; SQLite does where its
// rules are off.
func TestRowsWithoutTheirReference(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	dsn := "sqlite:" + filepath.Join(data, "steward.db")
	s := webtest.Open(t, webtest.Options{Idle: true, Damaged: true, Data: data, DSN: dsn})
	s.Project("P", false)
	dbtest.Raw(t, dsn, "DELETE FROM organizations")
	lines, _ := verify(t, data, dsn, nil)
	for _, table := range []string{"projects", "organization_members"} {
		if !slices.ContainsFunc(lines, func(l string) bool {
			return strings.HasPrefix(l, "database: a row of "+table+" (rowid ") && strings.HasSuffix(l, "expected the row of organizations that it refers to; found none")
		}) {
			t.Errorf("no line names %s: %q", table, lines)
		}
	}
}

// TestVerifyIsInterrupted ends at once when its context does, and says where.
func TestVerifyIsInterrupted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, at := range []string{"database", "events", "counters", "files", "tables"} {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := ops.Verify(ctx, w.App, func(p ops.Problem) { t.Error(p) }, func(check string, _ int64) {
			if check == at {
				cancel()
			}
		})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("interrupted in the check of %s: %v", at, err)
		}
	}
}

// TestLookMakesNothing: where there is no installation, none is made.
func TestLookMakesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := app.Open(t.Context(), config.Config{Addr: "127.0.0.1:0", Data: filepath.Join(dir, "none")}, slog.New(slog.DiscardHandler), app.Options{Look: true})
	if err == nil || !strings.Contains(err.Error(), "no installation here") {
		t.Errorf("err %v", err)
	}
	if left, err := os.ReadDir(dir); len(left) != 0 || err != nil {
		t.Errorf("%v were made, %v", left, err)
	}
}

// TestDemoIsClean builds the demo's world, runs its system jobs, and verifies it.
func TestDemoIsClean(t *testing.T) {
	t.Parallel()
	data, dsn := t.TempDir(), dbtest.DSN(t)
	clock := new(demo.Clock)
	a, err := app.Open(t.Context(), config.Config{Addr: "127.0.0.1:0", Data: data, DB: dsn}, slog.New(slog.DiscardHandler), app.Options{Now: clock.Now, Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	if _, err := demo.Build(t.Context(), a, clock, func(string) {}); err != nil {
		t.Fatal(err)
	}
	for range 50 { // on PostgreSQL other tests' transactions may be in the way
		if n, _, err := audit.Seal(t.Context(), a.DB); err != nil {
			t.Fatal(err)
		} else if n > 0 {
			break
		}
	}
	check := func() ops.Report {
		t.Helper()
		lines, report := verify(t, data, dsn, nil)
		for _, l := range lines {
			t.Error(l)
		}
		return report
	}
	if r := check(); r.Sealed.Events == 0 {
		t.Errorf("no event of the demo is sealed: %+v", r.Sealed)
	}
	swept, err := a.Storage.SweepFiles(t.Context())
	if err != nil || swept == 0 {
		t.Errorf("%d files of a year ago were swept, %v", swept, err)
	}
	if _, err := audit.Prune(t.Context(), a.DB); err != nil {
		t.Fatal(err)
	}
	check()
}
