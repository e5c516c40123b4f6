//go:build crash

package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/app"
	"steward/internal/config"
	"steward/internal/db"
	"steward/internal/storage"
	"steward/internal/storage/engine"
	"steward/internal/tenancy"
)

// segment is the generated content of one file: rows that follow from a seed.
type segment struct {
	seed  uint64
	rows  int
	keyed bool // the first cell, which is the primary key, is the row's number in every such segment
}

// crashColumns makes the metadata of a table large enough that staging it takes a while.
const crashColumns = 150

func crashHeader() []string {
	names := make([]string, crashColumns)
	for i := range names {
		names[i] = fmt.Sprintf("column_%03d", i)
	}
	return names
}

// each calls fn with every row.
func (s segment) each(fn func(row []string) error) error {
	rng := rand.New(rand.NewPCG(s.seed, 1))
	row := make([]string, crashColumns)
	for n := range s.rows {
		row[0] = fmt.Sprintf("%d.%d", s.seed, n)
		if s.keyed {
			row[0] = strconv.Itoa(n)
		}
		for i := 1; i < crashColumns; i++ {
			row[i] = strconv.FormatUint(rng.Uint64N(1_000_000_000), 36)
		}
		if err := fn(row); err != nil {
			return err
		}
	}
	return nil
}

// write writes the segment as CSV.
func (s segment) write(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, strings.Join(crashHeader(), ","))
	if err := s.each(func(row []string) error { _, err := fmt.Fprintln(b, strings.Join(row, ",")); return err }); err != nil {
		return err
	}
	return b.Flush()
}

// digest sums a table's rows in their order.
type digest struct {
	hash.Hash
	rows int64
}

func newDigest(columns []string) *digest {
	d := &digest{Hash: sha256.New()}
	d.add(columns)
	d.rows = 0
	return d
}

func (d *digest) add(cells []string) {
	d.rows++
	for _, c := range cells {
		_, _ = fmt.Fprintf(d, "%d:%s,", len(c), c)
	}
}

func (d *digest) String() string { return fmt.Sprintf("%d rows %x", d.rows, d.Sum(nil)[:8]) }

// digestOf is the digest of a table that holds some segments, "none" for no table.
func digestOf(content []segment) string {
	if len(content) == 0 {
		return "none"
	}
	d := newDigest(crashHeader())
	for i, s := range content {
		n, replaced := 0, 0 // by later segments with the same keys
		for _, later := range content[i+1:] {
			if later.keyed {
				replaced = max(replaced, later.rows)
			}
		}
		_ = s.each(func(row []string) error {
			if n++; n > replaced {
				d.add(row)
			}
			return nil
		})
	}
	return d.String()
}

// crashLoad is one load that somebody asked for. What has a location was acknowledged.
type crashLoad struct {
	segment
	table  string
	append bool
	tries  int    // of the upload; each has a key of its own
	file   string // where the upload led
	job    string // where the start of the load led
	seen   bool   // its success was seen
}

func (l *crashLoad) key(what string) string {
	return fmt.Sprintf("%s of %d, try %d", what, l.seed, l.tries)
}

func (l *crashLoad) fileID() string { return l.file[strings.LastIndexByte(l.file, '/')+1:] }

func (l *crashLoad) after(content []segment) []segment {
	if !l.append {
		content = nil
	}
	return append(slices.Clone(content), l.segment)
}

// crashWorld is an installation whose program is killed again and again, with a ledger
// of all that was asked for.
type crashWorld struct {
	t       *testing.T
	rng     *rand.Rand
	data    string
	jar     http.CookieJar
	project string
	tables  map[string][]segment // what the tables must hold
	ledger  []*crashLoad         // loads that were accepted, in order
	pending *crashLoad           // the load under way
	serial  uint64
	lost    int // answers that were lost though the effect stands
}

// next is the next load: a table is replaced, then appended to, then replaced again;
// now and then a new one is made; every third load updates a table by its primary key.
func (w *crashWorld) next() *crashLoad {
	w.serial++
	l := &crashLoad{segment: segment{seed: w.serial, rows: 150 + w.rng.IntN(150)}, table: "steady", append: w.serial%2 == 0}
	switch {
	case w.serial%7 == 0:
		l.table, l.append = fmt.Sprint("fresh_", w.serial), false
	case w.serial%3 == 1:
		l.table, l.append, l.keyed = "keyed", len(w.tables["keyed"]) > 0, true
	}
	return l
}

// finish takes a load to its success, from wherever it is. Every request can be sent
// again with its key. An error means that the connection broke.
func (w *crashWorld) finish(p *process, l *crashLoad) error {
	c := p.client(w.jar)
	for l.file == "" {
		a, err := ask(c, uploadRequest(c, p.URL, w.project, l.key("upload"), l.table+".csv", l.write))
		if err != nil {
			return err
		}
		path, _, _ := strings.Cut(a.location, "?")
		switch {
		case a.status != http.StatusSeeOther:
			w.t.Errorf("upload: %d\n%.1000s", a.status, a.body)
			return errors.New("refused")
		case strings.HasPrefix(path, w.project+"/storage/load/"):
			l.file = path
		default: // done before the kill, its answer lost with the process
			w.lost++
			l.tries++
		}
	}
	if l.job == "" {
		a, err := ask(c, formRequest(c, p.URL, l.file, loadForm(l.table, l.append, l.key("start"))))
		if err != nil {
			return err
		}
		switch {
		case a.status != http.StatusSeeOther:
			w.t.Errorf("start: %d\n%.1000s", a.status, a.body)
			return errors.New("refused")
		case strings.HasPrefix(a.location, w.project+"/storage/jobs/"):
			l.job = a.location
		default: // likewise; the list of jobs has it
			w.lost++
			list, err := jobsOf(c, w.project, l.table)
			if err != nil {
				return err
			}
			i := slices.IndexFunc(list, func(j jobRow) bool { return strconv.FormatInt(j.FileID, 10) == l.fileID() })
			if i < 0 {
				w.t.Errorf("start: the answer leads to %s, and there is no job", a.location)
				return errors.New("lost")
			}
			l.job = fmt.Sprintf("%s/storage/jobs/%d", w.project, list[i].ID)
		}
		w.ledger = append(w.ledger, l)
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		list, err := jobsOf(c, w.project, l.table)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list, func(j jobRow) bool { return strings.HasSuffix(l.job, fmt.Sprint("/", j.ID)) })
		switch {
		case i < 0:
			w.t.Errorf("%s was acknowledged and is not there", l.job)
			return errors.New("lost")
		case list[i].Status == "error":
			w.t.Errorf("%s failed: %s %s", l.job, list[i].ErrorCode, list[i].ErrorMessage)
			return errors.New("failed")
		case list[i].Status == "success":
			l.seen = true
			return nil
		}
	}
	w.t.Errorf("%s does not end:\n%s", l.job, logOf(c, l.job))
	return errors.New("stuck")
}

// settle notes that the pending load is done.
func (w *crashWorld) settle() {
	w.tables[w.pending.table] = w.pending.after(w.tables[w.pending.table])
	w.pending = nil
}

// work loads back to back until the program is gone.
func (w *crashWorld) work(p *process) {
	for {
		if w.pending == nil {
			w.pending = w.next()
		}
		if err := w.finish(p, w.pending); err != nil {
			return
		}
		w.settle()
	}
}

// aim is the moment at which a program is killed.
type aim string

const (
	anyTime aim = "any time"
	inStage aim = "load: stage"
	inFlip  aim = "load: flip"
)

// shoot kills the program: at any time within a span, or a moment after it says that it
// stages or flips a load.
func (w *crashWorld) shoot(p *process, at aim, span time.Duration) {
	if at == anyTime {
		delay := time.Duration(w.rng.Int64N(int64(span)))
		time.AfterFunc(delay, func() { _ = p.cmd.Process.Kill() })
		return
	}
	skip, delay := w.rng.IntN(3), time.Duration(w.rng.Int64N(int64(4*time.Millisecond)))
	if at == inFlip {
		delay /= 2
	}
	var once sync.Once
	p.watch(func(l line) {
		if l.Msg != string(at) {
			return
		}
		if skip--; skip < 0 {
			once.Do(func() {
				time.Sleep(delay)
				_ = p.cmd.Process.Kill()
			})
		}
	})
}

// where tells what the program last said about a load before it was killed.
func where(p *process) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range slices.Backward(p.lines) {
		if strings.HasPrefix(l.Msg, "load: ") {
			return l.Msg
		}
	}
	return "no load"
}

// examine opens the installation while nobody serves it, and holds it against the
// ledger: each table is as it was, or as the pending load made it, whole.
func (w *crashWorld) examine() (pending string) {
	w.t.Helper()
	a, err := app.Open(context.Background(), config.Config{Addr: "127.0.0.1:0", Data: w.data}, slog.New(slog.DiscardHandler), app.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			w.t.Error(err)
		}
	}()
	err = a.DB.View(context.Background(), func(tx *db.Tx) error {
		if err := sound(w.t, tx); err != nil {
			return err
		}
		if n, err := db.Value[int64](tx, "SELECT count(*) FROM jobs WHERE class = 'storage' AND state = 'error'"); n != 0 || err != nil {
			return fmt.Errorf("%d jobs failed, %w", n, err)
		}
		if l := w.pending; l != nil && l.file != "" {
			pending, err = db.Value[string](tx, "SELECT COALESCE(MAX(state), '') FROM jobs WHERE file_id = "+l.fileID())
			if err != nil {
				return err
			}
			if l.job != "" && pending == "" {
				w.t.Errorf("%s was acknowledged and is lost", l.job)
			}
			if pending == "success" {
				if l.job == "" {
					l.job = "unseen"
					w.ledger = append(w.ledger, l)
				}
				w.settle()
			}
		}
		return w.versions(tx)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.contents(a)
	return pending
}

// unversioned are the operations that change no table's content.
const unversioned = "'fileCheck', 'bucketDelete', 'tableSnapshotCreate', 'tableSnapshotDelete', 'tableDrop', 'tableExport'"

// sound checks what must hold of every SQLite database at any time.
func sound(t *testing.T, tx *db.Tx) error {
	t.Helper()
	if got, err := db.Value[string](tx, "PRAGMA integrity_check"); err != nil || got != "ok" {
		return fmt.Errorf("integrity_check: %s, %w", got, err)
	}
	for what, query := range map[string]string{
		"rows that refer to nothing": "SELECT count(*) FROM pragma_foreign_key_check",
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
		"successes that are not one version": `SELECT count(*) FROM jobs j WHERE j.class = 'storage' AND j.state = 'success' AND
			(CASE WHEN j.operation IN (` + unversioned + `) OR EXISTS (SELECT 1 FROM job_tables u JOIN trash x ON x.kind = 'table' AND x.object_id = u.table_id AND x.state = 'purged'
				WHERE u.job_id = j.id) THEN 0 ELSE 1 END) <> (SELECT count(*) FROM versions v WHERE v.job_id = j.id)`,
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

// versions checks that each load of the ledger that is over made one version, and that
// there are no other versions.
func (w *crashWorld) versions(tx *db.Tx) error {
	made, err := db.All(tx, func(r db.Row) (file int64, err error) { return file, r.Scan(&file) }, "SELECT j.file_id FROM versions v JOIN jobs j ON j.id = v.job_id WHERE j.operation IN ('tableCreate', 'tableImport')")
	if err != nil {
		return err
	}
	count := map[string]int{}
	for _, file := range made {
		count[strconv.FormatInt(file, 10)]++
	}
	over := 0
	for _, l := range w.ledger {
		if l == w.pending {
			continue
		}
		over++
		if n := count[l.fileID()]; n != 1 {
			w.t.Errorf("%s of table %s made %d versions", l.job, l.table, n)
		}
	}
	if len(made) != over {
		w.t.Errorf("there are %d versions of %d loads", len(made), over)
	}
	return nil
}

// contents reads every table whole.
func (w *crashWorld) contents(a *app.App) {
	w.t.Helper()
	names := slices.Sorted(maps.Keys(w.tables))
	if w.pending != nil && !slices.Contains(names, w.pending.table) {
		names = append(names, w.pending.table)
	}
	scope := scopeOf(w.t, a, w.project)
	for _, name := range names {
		if got, want := readTable(w.t, a, scope, name), digestOf(w.tables[name]); got != want {
			w.t.Errorf("table %s has %s, want %s", name, got, want)
		}
	}
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

// readTable is the digest of a table's rows, "none" when there is no such table.
func readTable(t *testing.T, a *app.App, scope access.Project, name string) string {
	t.Helper()
	var table storage.Table
	var there int64
	err := a.DB.View(context.Background(), func(tx *db.Tx) (err error) {
		there, err = db.Value[int64](tx, "SELECT count(*) FROM tables WHERE text_id = $1", crashBucket+"."+name)
		if err == nil && there > 0 {
			table, err = a.Storage.Table(tx, scope, crashBucket+"."+name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if there == 0 {
		return "none"
	}
	v, err := a.Storage.View(context.Background(), scope, table)
	if err != nil {
		t.Errorf("table %s: %v", name, err)
		return "unreadable"
	}
	defer func() { _ = v.Close() }()
	var columns []string
	for _, c := range v.Columns() {
		columns = append(columns, c.Name)
	}
	d := newDigest(columns)
	err = v.Each(context.Background(), engine.Query{}, func(r engine.Row) error {
		row := make([]string, len(r.Cells))
		for i, c := range r.Cells {
			row[i] = c.Value
		}
		d.add(row)
		return nil
	})
	if err != nil || d.rows != table.Rows || v.Bytes() != table.Bytes {
		t.Errorf("table %s says %d rows and %d bytes; there are %d and %d: %v", name, table.Rows, table.Bytes, d.rows, v.Bytes(), err)
	}
	return d.String()
}

// files checks that each file's bytes are there, as they were sent.
func (w *crashWorld) files() {
	w.t.Helper()
	type file struct {
		key, sum string
		size     int64
	}
	var list []file
	inspect(w.t, "sqlite:"+filepath.Join(w.data, "steward.db"), func(tx *db.Tx) (err error) {
		list, err = db.All(tx, func(r db.Row) (f file, err error) { return f, r.Scan(&f.key, &f.sum, &f.size) }, "SELECT blob_key, sha256, size_bytes FROM files")
		return err
	})
	for _, f := range list {
		content, err := os.ReadFile(filepath.Join(w.data, "store", filepath.FromSlash(f.key)))
		if sum := sha256.Sum256(content); err != nil || int64(len(content)) != f.size || hex.EncodeToString(sum[:]) != f.sum {
			w.t.Errorf("the bytes of %s are not those of its row: %v", f.key, err)
		}
	}
}

// crashSetting reads a number from the environment.
func crashSetting(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestCrashLoads kills the program fifty times while it loads: at any time, and inside
// the stage and the flip of loads. After each kill every table is exactly as it was
// before the load that was under way, or as that load makes it, the database is sound,
// and nothing that was acknowledged is lost; after each start the load goes on.
//
// STEWARD_CRASH_KILLS sets another number of kills, STEWARD_CRASH_SEED repeats a run as
// far as time allows.
func TestCrashLoads(t *testing.T) {
	kills := int(crashSetting(t, "STEWARD_CRASH_KILLS", 50))
	seed := crashSetting(t, "STEWARD_CRASH_SEED", uint64(time.Now().UnixNano()))
	t.Logf("STEWARD_CRASH_SEED=%d", seed)
	w := &crashWorld{t: t, rng: rand.New(rand.NewPCG(seed, 2)), data: t.TempDir(), tables: map[string][]segment{}}
	p := launchServe(t, w.data)
	_, c, project := setup(t, p.Site, &p.out)
	w.jar, w.project = c.HTTP.Jar, project
	c.Post(project+"/storage/buckets", bucketForm("crash", "the bucket")).Want(http.StatusSeeOther)

	// The first load makes the table that later ones update by its key.
	w.pending = w.next()
	if err := w.finish(p, w.pending); err != nil {
		t.Fatal(err)
	}
	w.settle()
	keyed := project + "/storage/tables/" + crashBucket + ".keyed/key"
	c.Post(keyed, url.Values{"key": {crashHeader()[0]}, "_key": {"the key"}}).Want(http.StatusSeeOther)

	// A few loads without a kill tell how long one takes.
	start := time.Now()
	for range 4 {
		w.pending = w.next()
		if err := w.finish(p, w.pending); err != nil {
			t.Fatal(err)
		}
		w.settle()
	}
	span := time.Since(start) / 2 // two loads
	t.Logf("a load takes about %s", span/2)

	var inside, interrupted int
	landed := map[string]int{}
	for n := range kills {
		at := []aim{anyTime, inStage, inFlip, anyTime, inFlip, inStage}[n%6]
		// Now and then the program is killed again while it makes up for the last kill.
		if w.rng.IntN(4) > 0 && w.pending != nil {
			if err := w.finish(p, w.pending); err != nil {
				t.Fatal(err)
			}
			w.settle()
		}
		w.shoot(p, at, span)
		w.work(p)
		if t.Failed() { // what ended the work was no kill
			p.kill()
			t.FailNow()
		}
		<-p.ended
		place := where(p)
		pending := w.examine()
		switch {
		case place == string(inStage), place == string(inFlip):
			inside++
		case pending == "processing":
			place = "reading rows"
		case pending == "waiting":
			place = "waiting"
		default:
			place = "no job under way"
		}
		landed[place]++
		if t.Failed() {
			t.Fatalf("kill %d, aimed at %s, landed after %q, the job was %q", n, at, place, pending)
		}

		p = launchServe(t, w.data)
		if pending == "processing" {
			interrupted++
			w.goesOn(p)
		}
	}
	if w.pending != nil {
		if err := w.finish(p, w.pending); err != nil {
			t.Fatal(err)
		}
		w.settle()
	}
	p.stop(10 * time.Second)
	w.examine()
	w.files()
	inspect(t, "sqlite:"+filepath.Join(w.data, "steward.db"), func(tx *db.Tx) error {
		n, err := db.Value[int64](tx, "SELECT count(*) FROM jobs WHERE class = 'storage' AND state <> 'success'")
		if n != 0 {
			t.Errorf("%d jobs did not succeed", n)
		}
		return err
	})
	t.Logf("%d kills: %v; %d loads accepted, none lost; %d jobs interrupted and done after all; %d answers lost whose effect stands",
		kills, landed, len(w.ledger), interrupted, w.lost)
	if 3*inside < kills {
		t.Errorf("only %d of %d kills landed inside a stage or a flip; a third is needed", inside, kills)
	}
}

// goesOn checks that the start gave the pending job back, and said so.
func (w *crashWorld) goesOn(p *process) {
	w.t.Helper()
	c := p.client(w.jar)
	if w.pending.job == "" { // its acknowledgement was lost with the process
		return
	}
	start := time.Now()
	for !strings.Contains(logOf(c, w.pending.job), "Interrupted") {
		if time.Since(start) > 5*time.Second {
			w.t.Fatalf("%s does not say that it was interrupted:\n%s", w.pending.job, logOf(c, w.pending.job))
		}
		time.Sleep(10 * time.Millisecond)
	}
}
