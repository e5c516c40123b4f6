//go:build browser

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"

	"steward/internal/access"
	"steward/views/paths"
	"steward/views/ui"
	"steward/web/webtest"
)

// A wrong file lands on a good table: a person sees what it did, takes it back, and
// finds out where a row came from; the table is dropped and comes back, rows are deleted
// and come back, and what is exported is what was loaded.
func TestBrowserHistory(t *testing.T) {
	withAndWithoutScripts(t, func(t *testing.T, scripts bool) {
		site := webtest.Open(t, webtest.Options{})
		site.App.Patience = patience / 2 // so that what a job did is told on the next page, however busy the machine
		project, admin := site.Project("Flight safety", false)
		bucket(t, site, site.Scope(admin, project))
		s := &story{tab: open(t, site.URL), site: site, scope: site.Scope(admin, project), scripts: scripts}
		s.header, s.rows, s.good = airports(t)
		s.signIn(admin.Email, webtest.Password)
		if !scripts {
			s.withoutScripts()
		}

		s.define()
		s.load(s.good)
		s.isAsLoaded("after the first load")
		s.loadWrong()
		s.compare()
		s.revert()
		s.isAsLoaded("after the revert")
		s.trace()
		s.drop()
		s.isAsLoaded("out of the trash")
		s.deleteRows()
		s.isAsLoaded("after the undo of the delete")
		s.export()
	})
}

// A load turns out wrong while its page is open: the undo comes to where the person
// stands, without another look at the page.
func TestBrowserUndoOfLoad(t *testing.T) {
	t.Parallel()
	site := webtest.Open(t, webtest.Options{Idle: true})
	project, admin := site.Project("Flight safety", false)
	scope := site.Scope(admin, project)
	bucket(t, site, scope)
	startLoad(t, site, scope, "orders") // has one row
	wrong := filepath.Join(t.TempDir(), "wrong.csv")
	if err := os.WriteFile(wrong, []byte("a,b\nx,y\nz,\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := open(t, site.URL)
	p.signIn(admin.Email, webtest.Password)
	p.goTo(paths.LoadInto(project.ID, "in.c-geo", "orders"))
	p.attach("#file", wrong)
	p.submit("Upload and check")
	p.submit("Load into orders")
	p.sees("Waiting")
	const offered = `[...document.querySelectorAll('main .btn')].some(b => b.innerText.trim() === 'Undo this job')`
	if js[bool](p, offered) {
		t.Error("a job that waits has an undo")
	}
	p.stays(func() {
		work(t, site)
		p.until(offered)
	})
	p.submit("Undo this job")
	// A click waits for its job for a moment: what is done by then is told on the table's page, and what
	// is not leads to the page of the job.
	p.until(`document.body.innerText.includes('Undid job') || document.querySelector('.job-state .badge')?.innerText === 'Success' && document.body.innerText.includes('Revert orders')`)
	columns, rows := stored(t, site, scope, "in.c-geo.orders")
	one, two := "1", "2"
	if same(t, "rows", rows, [][]*string{{&one, &two}}); !slices.Equal(columns, []string{"a", "b"}) {
		t.Errorf("columns %q", columns)
	}
}

const storyTable = "in.c-geo.airports"

// story is a table's past and who walks through it.
type story struct {
	*tab
	site    *webtest.Site
	scope   access.Project
	scripts bool
	good    string // the file of header and rows
	header  []string
	rows    [][]*string
	changed map[string][2]string // city and state of the airports that the wrong file changes
}

// define makes an empty table with a primary key.
func (s *story) define() {
	s.t.Helper()
	s.goTo(paths.TableNew(s.scope.ID(), "in.c-geo"))
	s.fill("#table", "airports")
	s.fill("#columns", strings.Join(s.header, "\n"))
	s.fill("#key", s.header[0])
	s.submit("Create table")
	s.finished()
}

// load loads a file over all rows of the table. Columns that it lacks go, as is ticked.
func (s *story) load(file string, without ...string) {
	s.t.Helper()
	s.goTo(paths.LoadInto(s.scope.ID(), "in.c-geo", "airports"))
	s.attach("#file", file)
	s.submit("Upload and check")
	s.sees("First rows")
	s.click("input[name=mode][value=full]", "")
	if len(without) > 0 {
		s.sees(strings.Join(without, ", "))
		s.click("input[name=drop]", "")
	}
	s.submit("Load into airports")
	s.finished()
}

// finished waits until the page is not that of a job, or that of one that succeeded.
func (s *story) finished() {
	s.t.Helper()
	path := js[string](s.tab, `location.pathname`)
	if !strings.HasPrefix(path, paths.StorageJobs(s.scope.ID())+"/") {
		return
	}
	if s.scripts {
		s.until(`document.querySelector('.job-state .badge').innerText === 'Success'`)
		return
	}
	s.sooner("success", func() bool { s.goTo(path); return s.text(".job-state .badge") == "Success" })
}

// loadWrong loads every third airport with city and state in each other's place, without
// coordinates, and with an airport that is none.
func (s *story) loadWrong() {
	s.t.Helper()
	var file bytes.Buffer
	w := csv.NewWriter(&file)
	records := [][]string{slices.Clone(s.header[:5]), {"XX0", "Nowhere", "NO", "Where", "USA"}}
	s.changed = map[string][2]string{}
	for i := 0; i < len(s.rows); i += 3 {
		var r []string
		for _, cell := range s.rows[i][:5] {
			r = append(r, *cell)
		}
		if r[2] != r[3] {
			s.changed[r[0]] = [2]string{r[2], r[3]}
		}
		r[2], r[3] = r[3], r[2]
		records = append(records, r)
	}
	if err := w.WriteAll(records); err != nil {
		s.t.Fatal(err)
	}
	path := filepath.Join(s.t.TempDir(), "airports-final-v2.csv")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.load(path, s.header[5:]...)
}

// compare looks at what the last load did, from the list of versions.
func (s *story) compare() {
	s.t.Helper()
	s.goTo(paths.Table(s.scope.ID(), storyTable))
	s.follow("Versions 3")
	s.at(paths.TableVersions(s.scope.ID(), storyTable))
	newest := strings.Join(strings.Fields(s.text("tr[data-now] th")), " ")
	if !strings.HasPrefix(newest, "3 Load") || !strings.Contains(newest, "2 columns dropped") {
		s.t.Errorf("the newest version is %q", newest)
	}
	s.follow("Compare version 3 with the one before")

	kept := int64(len(s.rows)+2) / 3
	changed, all := int64(len(s.changed)), int64(len(s.rows))
	want := []string{"1", ui.Number(all - kept), ui.Number(changed), ui.Number(kept - changed)}
	if is := js[[]string](s.tab, `[...document.querySelectorAll('.stats dd')].map(e => e.innerText.trim())`); !slices.Equal(is, want) {
		s.t.Errorf("rows added, removed, changed and unchanged are %q, want %q", is, want)
	}
	fates := js[[]string](s.tab, `[...document.querySelectorAll('.fates tbody tr')].map(e => e.cells[0].innerText.trim() + ' ' + e.cells[3].innerText.trim())`)
	if want := []string{"latitude Dropped", "longitude Dropped"}; !slices.Equal(fates, want) {
		s.t.Errorf("columns: %q, want %q", fates, want)
	}

	// Each changed cell that is shown has the city and state as they were and as they are.
	type cells struct {
		Key     string
		Changed map[string][2]string
	}
	shown := js[[]cells](s.tab, `(() => {
		const table = document.querySelector('table[aria-labelledby=rows-changed]');
		const names = [...table.tHead.rows[0].cells].map(c => c.querySelector('.cut').textContent);
		const value = e => e.querySelector('.value').textContent;
		return [...table.tBodies[0].rows].map(row => ({ Key: value(row.cells[0]), Changed: Object.fromEntries([...row.cells].flatMap((c, i) =>
			c.matches('[data-changed]') ? [[names[i], [value(c.querySelector('del')), value(c.querySelector('ins'))]]] : [])) }));
	})()`)
	if len(shown) == 0 {
		s.t.Error("no changed row is shown")
	}
	for _, row := range shown {
		was := s.changed[row.Key]
		if want := map[string][2]string{"city": {was[0], was[1]}, "state": {was[1], was[0]}}; !maps.Equal(row.Changed, want) {
			s.t.Errorf("cells of %s: %v, want %v", row.Key, row.Changed, want)
		}
	}
}

// revert goes back to the version before the wrong file, by the page that shows what
// that means.
func (s *story) revert() {
	s.t.Helper()
	s.goTo(paths.TableVersions(s.scope.ID(), storyTable))
	s.follow("Revert to version 2")
	s.sees("Revert to version 2?")
	s.sees(ui.Number(int64(len(s.changed))) + " get their old values")
	s.submit("Revert airports")
	s.finished()
	s.goTo(paths.TableVersions(s.scope.ID(), storyTable))
	if newest := s.text("tr[data-now] th"); !strings.Contains(newest, "Revert to version 2") {
		s.t.Errorf("the newest version is %q", newest)
	}
}

// isAsLoaded fails unless the table holds the good file's rows, in its order, in storage
// and on the page.
func (s *story) isAsLoaded(when string) {
	s.t.Helper()
	columns, rows := stored(s.t, s.site, s.scope, storyTable)
	if !slices.Equal(columns, s.header) {
		s.t.Errorf("%s the columns are %q, want %q", when, columns, s.header)
	}
	same(s.t, "rows "+when, rows, s.rows)
	s.goTo(paths.TablePreview(s.scope.ID(), storyTable))
	same(s.t, "preview "+when, s.cells(), s.rows[:100])
}

// trace asks where the first row came from, by a click on its head.
func (s *story) trace() {
	s.t.Helper()
	s.goTo(paths.TablePreview(s.scope.ID(), storyTable))
	head := "Where row " + *s.rows[0][0] + " came from"
	if s.scripts {
		s.stays(func() { s.click("th a", head); s.until(`document.querySelector('#origin')`) })
	} else {
		s.follow(head)
	}
	content, err := os.ReadFile(s.good)
	if err != nil {
		s.t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	origin := s.text("#origin")
	for _, want := range []string{head, filepath.Base(s.good), hex.EncodeToString(sum[:])} {
		if !strings.Contains(origin, want) {
			s.t.Errorf("the panel lacks %q:\n%s", want, origin)
		}
	}
}

// drop drops the table, finds it in the trash and takes it out.
func (s *story) drop() {
	s.t.Helper()
	s.goTo(paths.TableSettings(s.scope.ID(), storyTable))
	s.click("button", "Drop table…")
	s.waitsFor("Drop table airports?")
	s.loads(func() { s.click("dialog button", "Drop table") })
	s.finished()
	s.follow("Trash")
	s.at(paths.Trash(s.scope.ID()))
	s.sees("airports")
	s.submit("Restore " + storyTable)
	s.sees("The table " + storyTable + " is back.")
}

// deleteRows deletes the airports of Texas, and takes it back where the page says that it
// was done.
func (s *story) deleteRows() {
	s.t.Helper()
	s.goTo(paths.RowsDelete(s.scope.ID(), storyTable))
	s.choose("[name=column]", "state")
	s.fill("[name=value]", "TX")
	s.submit("Count the rows")
	n := len(northern(s.rows, "TX"))
	s.sees(fmt.Sprintf("%d rows of %s would be deleted", n, ui.Number(int64(len(s.rows)))))
	s.submit(fmt.Sprintf("Delete %d rows", n))
	s.finished()
	if _, rows := stored(s.t, s.site, s.scope, storyTable); len(rows) != len(s.rows)-n || len(northern(rows, "TX")) != 0 {
		s.t.Errorf("after the delete there are %d rows", len(rows))
	}
	s.sees(fmt.Sprintf("Deleted %d rows", n))
	s.submit("Undo")
	s.finished()
}

// export exports the table as CSV and downloads the file.
func (s *story) export() {
	s.t.Helper()
	folder := s.t.TempDir()
	call(s.tab, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: folder})
	s.goTo(paths.TablePreview(s.scope.ID(), storyTable))
	s.follow("Export")
	s.click("input[name=format][value=csv]", "")
	s.submit("Export rows")
	s.finished()
	s.click("a", "Download")
	var file string
	s.sooner("the download", func() bool { // until it is whole there are an empty file and one beside it
		files, err := filepath.Glob(filepath.Join(folder, "*"))
		if err != nil || len(files) != 1 {
			return false
		}
		file = files[0]
		info, err := os.Stat(file)
		return err == nil && info.Size() > 0 && filepath.Ext(file) == ".csv"
	})
	is, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	var want bytes.Buffer
	w := csv.NewWriter(&want)
	records := [][]string{s.header}
	for _, row := range s.rows {
		r := make([]string, len(row))
		for i, cell := range row {
			if cell != nil {
				r[i] = *cell
			}
		}
		records = append(records, r)
	}
	if err := w.WriteAll(records); err != nil {
		s.t.Fatal(err)
	}
	if !bytes.Equal(is, want.Bytes()) {
		s.t.Errorf("the export has %d bytes that are not the %d of the source", len(is), want.Len())
	}
}
