//go:build browser

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage"
	dialect "steward/internal/storage/csv"
	"steward/internal/storage/engine"
	"steward/views/paths"
	"steward/web/webtest"
)

// A person signs in, makes a bucket, loads a real file into it and looks at the rows;
// then every cell is stored as it is in the file.
func TestBrowserLoad(t *testing.T) {
	withAndWithoutScripts(t, func(t *testing.T, scripts bool) {
		seen := new(visits)
		site := webtest.Open(t, webtest.Options{Idle: true, Handler: seen.watch})
		project, admin := site.Project("Flight safety", false)
		header, rows, file := airports(t)
		p := open(t, site.URL)
		if !scripts {
			p.withoutScripts()
		}

		// Signing in leads back to the page that was asked for.
		p.goTo("/")
		p.at("/login")
		if js[bool](p, `document.documentElement.classList.contains('js')`) != scripts {
			t.Fatal("scripts are not as this walk wants them")
		}
		p.fill("#email", admin.Email)
		p.fill("#password", webtest.Password)
		p.submit("Sign in")
		p.at("/")

		p.follow("Flight safety")
		p.follow("Storage")
		p.sees("No bucket yet")
		p.follow("New bucket")
		p.click("input[value=in]", "")
		p.fill("#name", "geo")
		p.fill("#displayName", "Geography")
		p.submit("Create bucket")
		p.at(paths.Bucket(project.ID, "in.c-geo"))
		p.sees("Geography")

		p.follow("Load a file")
		p.attach("#file", file)
		p.submit("Upload and check")

		// How the file is written was found out, and its first rows are shown.
		chosen := js[map[string]string](p, `Object.fromEntries([...document.querySelectorAll('main select')].map(s => [s.name, s.value]))`)
		if chosen["delimiter"] != "semicolon" || chosen["quotes"] != "double" || chosen["header"] != "yes" || chosen["bucket"] != "in.c-geo" {
			t.Errorf("found out %v", chosen)
		}
		if is := js[[]string](p, `[...document.querySelectorAll('.grid-data th[scope=col] .cut')].map(e => e.textContent)`); !slices.Equal(is, header) {
			t.Errorf("columns %q, want %q", is, header)
		}
		same(t, "first rows", p.cells(), rows[:20])

		p.fill("#table", "airports")
		if scripts {
			// The page follows what is typed, also while the mouse is on its way.
			p.loads(func() {
				p.slowClick("main button[data-variant=primary]", func() { p.waitsFor("airports does not exist yet") })
			})
		} else {
			p.loads(func() { p.click("main button[data-variant=primary]", "") })
		}
		job := js[string](p, `location.pathname`)
		if p.sees("Waiting"); !strings.HasPrefix(job, paths.StorageJobs(project.ID)+"/") {
			t.Fatalf("the job is at %s", job)
		}
		work(t, site)
		if scripts {
			p.until(`document.querySelector('.job-state .badge').innerText === 'Success'`)
			if n := seen.count("GET " + job); n != 1 {
				t.Errorf("the page of the job was loaded %d times", n)
			}
		} else {
			p.sooner("success", func() bool { p.follow("Load again"); return p.text(".job-state .badge") == "Success" })
		}
		p.sees("Created table in.c-geo.airports")
		p.sees("3,376")

		p.follow("in.c-geo.airports")
		p.follow("Data preview")
		p.sees("First 100 of 3,376 rows")
		same(t, "preview", p.cells(), rows[:100])

		// What is shown is chosen by a form, and stands in the address.
		p.choose("[name=column]", "state")
		p.fill("[name=value]", "TX")
		p.choose("[name=order]", "latitude")
		p.choose("[name=direction]", "largest first")
		p.choose("[name=orderAs]", "as number")
		if scripts {
			p.stays(func() { p.click("button", "Show rows"); p.waitsFor("First 100 rows that fit") })
		} else {
			p.submit("Show rows")
		}
		p.sees("First 100 rows that fit, of 3,376 rows")
		same(t, "rows in Texas, the northern ones first", p.cells(), northern(rows, "TX")[:100])
		if is := js[string](p, `new URLSearchParams(location.search).get('value')`); is != "TX" {
			t.Errorf("the address holds the value %q", is)
		}
		js[any](p, `history.back()`)
		p.waitsFor("First 100 of 3,376 rows")

		// Nothing was lost, added or changed on the way.
		columns, all := stored(t, site, site.Scope(admin, project), "in.c-geo.airports")
		if !slices.Equal(columns, header) {
			t.Errorf("stored columns %q, want %q", columns, header)
		}
		same(t, "stored rows", all, rows)
	})
}

// Who clicks twice has done one thing.
func TestBrowserDoubleClick(t *testing.T) {
	withAndWithoutScripts(t, func(t *testing.T, scripts bool) {
		site := webtest.Open(t, webtest.Options{Idle: true})
		project, admin := site.Project("Flight safety", false)
		bucket(t, site, site.Scope(admin, project))
		_, _, file := airports(t)
		p := open(t, site.URL)
		p.signIn(admin.Email, webtest.Password)
		if !scripts {
			p.withoutScripts()
		}
		p.goTo(paths.BucketNew(project.ID))
		p.fill("#name", "shop")
		p.loads(func() { p.doubleClick("button", "Create bucket") })
		p.at(paths.Bucket(project.ID, "in.c-shop"))
		p.goTo(paths.Load(project.ID))
		p.attach("#file", file)
		p.loads(func() { p.doubleClick("button", "Upload and check") })
		p.sees("First rows")
		p.loads(func() { p.doubleClick("main button[data-variant=primary]", "") })
		p.sees("Storage job")
		site.View(func(tx *db.Tx) error {
			for table, want := range map[string]int64{"buckets": 2, "files": 1, "jobs": 1} {
				if n, err := db.Value[int64](tx, "SELECT count(*) FROM "+table); err != nil || n != want {
					t.Errorf("there are %d %s, want %d: %v", n, table, want, err)
				}
			}
			return nil
		})
	})
}

// A job that waits, and one that runs, end when a person wants it, and leave no trace.
func TestBrowserCancelJob(t *testing.T) {
	withAndWithoutScripts(t, func(t *testing.T, scripts bool) {
		site := webtest.Open(t, webtest.Options{Idle: true})
		project, admin := site.Project("Flight safety", false)
		scope := site.Scope(admin, project)
		bucket(t, site, scope)
		waiting := startLoad(t, site, scope, "waiting")
		p := open(t, site.URL)
		p.signIn(admin.Email, webtest.Password)
		if !scripts {
			p.withoutScripts()
		}
		cancel := func(j jobs.Job) {
			p.click("main .page-header button", "Cancel job")
			p.waitsFor(fmt.Sprintf("Cancel job %d?", j.ID))
			p.click("dialog button", "Keep running")
			p.until(`!document.querySelector('dialog[open]')`)
			p.click("main .page-header button", "Cancel job")
			p.loads(func() { p.click("dialog button", "Cancel job") })
			p.at(paths.StorageJob(project.ID, j.ID))
			if scripts {
				p.until(`document.querySelector('.job-state .badge').innerText === 'Cancelled'`)
			} else {
				p.sooner("the job to be cancelled", func() bool {
					p.goTo(paths.StorageJob(project.ID, j.ID))
					return p.text(".job-state .badge") == "Cancelled"
				})
			}
			p.sees(admin.Name + " cancelled the job.")
			if js[bool](p, `[...document.querySelectorAll('.page-header button')].some(b => b.checkVisibility())`) {
				t.Error("the job can be cancelled again")
			}
			site.View(func(tx *db.Tx) error {
				now, err := site.App.Jobs.Get(tx, scope, j.ID)
				if err != nil || !now.IsCancelled() {
					t.Errorf("job %d is %s %s: %v", j.ID, now.State, now.ErrorCode, err)
				}
				if _, err := site.App.Storage.File(tx, scope, j.FileID); err != nil {
					t.Errorf("the file is gone: %v", err)
				}
				if _, err := site.App.Storage.Table(tx, scope, j.Table); !fault.Is(err, fault.NotFound) {
					t.Errorf("the table is there: %v", err)
				}
				return nil
			})
		}

		p.goTo(paths.StorageJob(project.ID, waiting.ID))
		p.sees("Waiting")
		cancel(waiting)

		// The load is held before its first row until somebody cancels it.
		site.App.Jobs.Handle(map[string]jobs.Handler{storage.TableCreate: func(ctx context.Context, run *jobs.Run) error {
			<-ctx.Done()
			return site.App.Storage.RunLoad(ctx, run)
		}}, site.App.Storage.Guard)
		work(t, site)
		running := startLoad(t, site, scope, "running")
		p.sooner("the job to run", func() bool {
			p.goTo(paths.StorageJob(project.ID, running.ID))
			return p.text(".job-state .badge") == "Processing"
		})
		cancel(running)
	})
}

// A person sees how far an upload is, and can call it off and start again.
func TestBrowserUploadCancelled(t *testing.T) {
	t.Parallel()
	seen := new(visits)
	site := webtest.Open(t, webtest.Options{Handler: seen.watch})
	project, admin := site.Project("Flight safety", false)
	bucket(t, site, site.Scope(admin, project))
	wire := newWire(t, site.URL)
	p := open(t, wire.url)
	p.signIn(admin.Email, webtest.Password)
	p.goTo(paths.Load(project.ID))
	p.attach("#file", bigFile(t))

	wire.slow.Store(true)
	p.stays(func() {
		p.click("button", "Upload and check")
		p.until(`document.querySelector('progress').checkVisibility() && document.querySelector('progress').value > 0`)
		p.until(`/^[1-9][0-9]?% uploaded$/.test(document.querySelector('[data-upload-percent]').innerText)`)
		if p.focused() != "Cancel upload" {
			t.Errorf("the focus is on %q", p.focused())
		}
		p.click("button", "Cancel upload")
		p.waitsFor("Upload cancelled")
	})
	if js[bool](p, `document.querySelector('progress').checkVisibility()`) || p.focused() != "Upload and check" {
		t.Errorf("after the cancel the form is not as before; the focus is on %q", p.focused())
	}
	p.sooner("the server to notice", func() bool { return seen.open("/load") == 0 })
	nothingKept(t, site)

	wire.slow.Store(false)
	p.submit("Upload and check")
	p.sees("First rows")
}

// A connection that breaks during an upload leaves neither a row nor bytes, and the file
// can be sent again.
func TestBrowserUploadBroken(t *testing.T) {
	t.Parallel()
	seen := new(visits)
	site := webtest.Open(t, webtest.Options{Handler: seen.watch})
	project, admin := site.Project("Flight safety", false)
	bucket(t, site, site.Scope(admin, project))
	file, wire := bigFile(t), newWire(t, site.URL)
	begin := func(p *tab) {
		p.goTo(paths.Load(project.ID))
		p.attach("#file", file)
		wire.slow.Store(true)
		before := seen.received()
		p.click("button", "Upload and check")
		p.sooner("the upload to be on its way", func() bool { return seen.open("/load") == 1 && seen.received() > before+1<<20 })
	}
	over := func(p *tab) {
		p.sooner("the server to notice", func() bool { return seen.open("/load") == 0 })
		nothingKept(t, site)
	}

	p := open(t, wire.url)
	p.signIn(admin.Email, webtest.Password)
	begin(p)
	p.pardon("net::ERR_")
	wire.cut()
	p.waitsFor("The upload broke off. Send the file again.")
	over(p)
	wire.mend()
	wire.slow.Store(false)
	p.submit("Upload and check")
	p.sees("First rows")
	site.Update(func(tx *db.Tx) error { return tx.Must("DELETE FROM files") })
	if err := os.RemoveAll(filepath.Join(site.App.Config.StoreDir(), "files")); err != nil {
		t.Fatal(err)
	}

	other := p.another()
	other.withoutScripts()
	begin(other)
	other.end()
	over(p)
}

// An upload whose answer is lost is there: sending the file again leads to it, and keeps
// it once.
func TestBrowserUploadAnswerLost(t *testing.T) {
	t.Parallel()
	lose := true
	site := webtest.Open(t, webtest.Options{Handler: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if lose && r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/load") {
				lose = false
				next.ServeHTTP(httptest.NewRecorder(), r)
				panic(http.ErrAbortHandler)
			}
			next.ServeHTTP(w, r)
		})
	}})
	project, admin := site.Project("Flight safety", false)
	bucket(t, site, site.Scope(admin, project))
	p := open(t, site.URL)
	p.signIn(admin.Email, webtest.Password)
	p.goTo(paths.Load(project.ID))
	p.attach("#file", bigFile(t))
	p.pardon("net::ERR_")
	p.click("button", "Upload and check")
	// Browsers send again by themselves when a connection that was used before breaks.
	p.until(`document.querySelector('#first-rows') || document.body.innerText.includes('The upload broke off. Send the file again.')`)
	if p.text("#first-rows") == "" {
		p.submit("Upload and check")
	}
	p.sees("First rows")
	site.View(func(tx *db.Tx) error {
		if n, err := db.Value[int64](tx, "SELECT count(*) FROM files"); err != nil || n != 1 {
			t.Errorf("%d files are there: %v", n, err)
		}
		return nil
	})
}

// withAndWithoutScripts walks twice.
func withAndWithoutScripts(t *testing.T, walk func(t *testing.T, scripts bool)) {
	t.Run("with scripts", func(t *testing.T) { t.Parallel(); walk(t, true) })
	t.Run("without scripts", func(t *testing.T) { t.Parallel(); walk(t, false) })
}

// visits are the requests that reached a site.
type visits struct {
	mu    sync.Mutex
	all   map[string]int
	now   map[string]int
	bytes int64
}

func (v *visits) watch(next http.Handler) http.Handler {
	v.all, v.now = map[string]int{}, map[string]int{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.add(r, 1)
		defer v.add(r, -1)
		r.Body = &counted{r.Body, v}
		next.ServeHTTP(w, r)
	})
}

func (v *visits) add(r *http.Request, n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.now[r.URL.Path] += n
	v.all[r.Method+" "+r.URL.Path] += max(n, 0)
}

// count is how many requests there were of this method and path.
func (v *visits) count(request string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.all[request]
}

// open is how many requests of paths with this end are being answered.
func (v *visits) open(end string) (n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for path, m := range v.now {
		if strings.HasSuffix(path, end) {
			n += m
		}
	}
	return n
}

// received is how many bytes of bodies have come.
func (v *visits) received() int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.bytes
}

// counted counts the bytes of a body.
type counted struct {
	io.ReadCloser
	visits *visits
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.visits.mu.Lock()
	defer c.visits.mu.Unlock()
	c.visits.bytes += int64(n)
	return n, err
}

// wire stands between a browser and a site. It can be slow, and be cut.
type wire struct {
	url   string
	slow  atomic.Bool // about 1 MB a second
	mu    sync.Mutex
	down  bool
	conns []net.Conn
}

func newWire(t *testing.T, site string) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{url: "http://" + listener.Addr().String()}
	t.Cleanup(func() { _ = listener.Close(); w.cut() })
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			// What waits on the way still arrives when the browser has gone: a whole file must not.
			if err := from.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
				_ = from.Close()
				continue
			}
			to, err := net.Dial("tcp", strings.TrimPrefix(site, "http://"))
			if err != nil || !w.connect(from, to) {
				_ = from.Close()
				continue
			}
			go w.carry(from, to)
			go w.carry(to, from)
		}
	}()
	return w
}

func (w *wire) carry(from, to net.Conn) {
	defer func() { _ = to.Close() }()
	for packet := make([]byte, 32<<10); ; {
		n, err := from.Read(packet)
		if _, broken := to.Write(packet[:n]); err != nil || broken != nil {
			return
		}
		if w.slow.Load() {
			time.Sleep(30 * time.Millisecond)
		}
	}
}

func (w *wire) connect(from, to net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		_ = to.Close()
		return false
	}
	w.conns = append(w.conns, from, to)
	return true
}

// cut breaks what is connected, and lets nothing through until mend.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = true
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = false
}

// airports are the columns and rows of a real table, and a gzip file of it with
// semicolons.
func airports(t *testing.T) (header []string, rows [][]*string, path string) {
	t.Helper()
	packed, err := os.Open("../../internal/demo/data/airports.csv.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = packed.Close() }()
	content, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(content).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(records) < 3001 {
		t.Fatalf("only %d rows", len(records)-1)
	}
	var file bytes.Buffer
	z := gzip.NewWriter(&file)
	w := csv.NewWriter(z)
	w.Comma, w.UseCRLF = ';', true
	if err := w.WriteAll(records); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "airports-2026.csv.gz")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, r := range records[1:] {
		row := make([]*string, len(r))
		for i := range r {
			if r[i] != "" {
				row[i] = &r[i]
			}
		}
		rows = append(rows, row)
	}
	return records[0], rows, path
}

// northern are the airports of a state by their latitude.
func northern(rows [][]*string, state string) (out [][]*string) {
	for _, r := range rows {
		if *r[3] == state {
			out = append(out, r)
		}
	}
	latitude := func(r []*string) float64 { f, _ := strconv.ParseFloat(*r[5], 64); return f }
	slices.SortStableFunc(out, func(a, b []*string) int { return cmp.Compare(latitude(b), latitude(a)) })
	return out
}

// stored are all rows of a table as they are in storage.
func stored(t *testing.T, site *webtest.Site, scope access.Project, id string) (columns []string, rows [][]*string) {
	t.Helper()
	var table storage.Table
	site.View(func(tx *db.Tx) (err error) { table, err = site.App.Storage.Table(tx, scope, id); return err })
	v, err := site.App.Storage.View(t.Context(), scope, table)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = v.Close() }()
	for _, c := range v.Columns() {
		columns = append(columns, c.Name)
	}
	err = v.Each(t.Context(), engine.Query{}, func(r engine.Row) error {
		row := make([]*string, len(r.Cells))
		for i, c := range r.Cells {
			if !c.Null {
				row[i] = &c.Value
			}
		}
		rows = append(rows, row)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return columns, rows
}

// same compares rows cell by cell.
func same(t *testing.T, what string, is, want [][]*string) {
	t.Helper()
	if len(is) != len(want) {
		t.Errorf("%s: %d rows, want %d", what, len(is), len(want))
		return
	}
	show := func(cell *string) string {
		if cell == nil {
			return "null"
		}
		return strconv.Quote(*cell)
	}
	for i := range want {
		if !slices.EqualFunc(is[i], want[i], func(a, b *string) bool { return show(a) == show(b) }) {
			t.Errorf("%s: row %d differs", what, i+1)
			for j := range want[i] {
				t.Logf("column %d is %s, want %s", j+1, show(is[i][j]), show(want[i][j]))
			}
			return
		}
	}
}

// bucket makes in.c-geo.
func bucket(t *testing.T, site *webtest.Site, scope access.Project) {
	t.Helper()
	site.Update(func(tx *db.Tx) error {
		_, err := site.App.Storage.CreateBucket(tx, scope, storage.NewBucket{Stage: storage.In, Name: "geo"})
		return err
	})
}

// startLoad enqueues the load of a small file into a new table of in.c-geo.
func startLoad(t *testing.T, site *webtest.Site, scope access.Project, table string) (j jobs.Job) {
	t.Helper()
	f, err := site.App.Storage.Upload(t.Context(), scope, table+".csv", strings.NewReader("a,b\n1,2\n"))
	if err != nil {
		t.Fatal(err)
	}
	site.Update(func(tx *db.Tx) (err error) {
		j, err = site.App.Storage.StartLoad(tx, scope, storage.Load{File: f.ID, Bucket: "in.c-geo", Table: table, Dialect: dialect.DefaultDialect()})
		return err
	})
	return j
}

// work runs the jobs of an idle site until the test ends.
func work(t *testing.T, site *webtest.Site) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); site.App.Jobs.Work(ctx, time.Second) }()
	t.Cleanup(func() { stop(); <-done })
}

// bigFile is one that takes a while to upload.
func bigFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "big.csv")
	if err := os.WriteFile(path, append([]byte("a,b\n"), bytes.Repeat([]byte("one,two\n"), 2<<20)...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// nothingKept fails when a file was kept, as a row or as bytes.
func nothingKept(t *testing.T, site *webtest.Site) {
	t.Helper()
	site.View(func(tx *db.Tx) error {
		if n, err := db.Value[int64](tx, "SELECT count(*) FROM files"); err != nil || n != 0 {
			t.Errorf("%d rows of files were kept: %v", n, err)
		}
		return nil
	})
	err := filepath.WalkDir(site.App.Config.StoreDir(), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			t.Errorf("bytes were kept in %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
