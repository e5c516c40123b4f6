//go:build browser

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"steward/views/paths"
	"steward/views/ui"
	"steward/web/webtest"
)

// A tab listens for changes while it is seen, and only then; when it is seen again it
// knows what has happened meanwhile.
func TestBrowserLiveParts(t *testing.T) {
	t.Parallel()
	seen := new(visits)
	site := webtest.Open(t, webtest.Options{Idle: true, Handler: seen.watch})
	project, admin := site.Project("Flight safety", false)
	scope := site.Scope(admin, project)
	bucket(t, site, scope)
	jobsPage := paths.StorageJobs(project.ID)

	p := open(t, site.URL)
	p.signIn(admin.Email, webtest.Password)
	p.goTo(jobsPage)
	p.sees("No job yet")
	p.sooner("the stream to open", func() bool { return seen.open("/live") == 1 })
	p.stays(func() {
		startLoad(t, site, scope, "while_seen")
		p.waitsFor("in.c-geo.while_seen")

		other := p.another()
		p.until(`document.hidden`)
		p.sooner("the stream to close", func() bool { return seen.open("/live") == 0 })
		startLoad(t, site, scope, "while_hidden")
		p.show()
		other.until(`document.hidden`)
		p.waitsFor("in.c-geo.while_hidden")
		if n := seen.open("/live"); n != 1 {
			t.Errorf("%d streams are open", n)
		}
	})
	p.end()
	p.sooner("the stream to close with its tab", func() bool { return seen.open("/live") == 0 })
}

// Browsers keep a handful of connections to a site. Tabs in the background take none.
func TestBrowserNineTabs(t *testing.T) {
	t.Parallel()
	seen := new(visits)
	site := webtest.Open(t, webtest.Options{Idle: true, Handler: seen.watch})
	project, admin := site.Project("Flight safety", false)
	scope := site.Scope(admin, project)
	bucket(t, site, scope)
	p := open(t, site.URL)
	p.signIn(admin.Email, webtest.Password)
	for n := 1; ; n++ {
		p.goTo(paths.StorageJobs(project.ID))
		table := fmt.Sprintf("table_%d", n)
		startLoad(t, site, scope, table)
		p.waitsFor("in.c-geo." + table)
		if n == 9 {
			break
		}
		p = p.another()
	}
	p.follow("Buckets")
	p.sees("in.c-geo")
	p.sooner("all streams to close", func() bool { return seen.open("/live") == 0 })
}

// A page says that its connection is lost, and catches up when it is back.
func TestBrowserConnectionLost(t *testing.T) {
	t.Parallel()
	site := webtest.Open(t, webtest.Options{Idle: true})
	project, admin := site.Project("Flight safety", false)
	scope := site.Scope(admin, project)
	bucket(t, site, scope)
	wire := newWire(t, site.URL)
	p := open(t, wire.url)
	p.pardon("net::ERR_")
	p.pardon("Failed to fetch")
	p.signIn(admin.Email, webtest.Password)
	p.goTo(paths.StorageJobs(project.ID))
	p.stays(func() {
		startLoad(t, site, scope, "before")
		p.waitsFor("in.c-geo.before")
		wire.cut()
		p.waitsFor("Connection lost, trying again")
		startLoad(t, site, scope, "meanwhile")
		wire.mend()
		p.waitsFor("in.c-geo.meanwhile")
		p.until(`document.querySelector('#connection').innerText === ''`)
	})

	// Where nothing is kept current, what is asked for in vain is not passed over.
	p.goTo(paths.Storage(project.ID))
	p.stays(func() {
		wire.cut()
		p.fill("[name=q]", "geo\r")
		p.until(`document.querySelector('.toast')`)
	})
}

// The policy of the pages' content is never violated while parts of a page are replaced,
// while it is kept current and while a message shows. A violation would be noticed.
func TestBrowserContentPolicy(t *testing.T) {
	t.Parallel()
	site := webtest.Open(t, webtest.Options{Idle: true})
	project, admin := site.Project("Flight safety", false)
	scope := site.Scope(admin, project)
	bucket(t, site, scope)
	p := open(t, site.URL)
	p.signIn(admin.Email, webtest.Password)

	p.goTo(paths.StorageJobs(project.ID))
	p.stays(func() { // a choice applies at once
		p.choose("#main [name=status]", "Waiting")
		p.waitsFor("No job fits")
		p.until(`location.search.includes('status=waiting')`)
		startLoad(t, site, scope, "airports") // and what is kept current keeps to it
		p.waitsFor("in.c-geo.airports")
		p.choose("#main [name=status]", "Success")
		p.waitsFor("No job fits")
	})
	p.goTo(paths.Storage(project.ID))
	p.stays(func() { // a form that is sent
		p.fill("[name=q]", "nothing like this\r")
		p.waitsFor("No bucket or table fits")
	})
	p.goTo(paths.Bucket(project.ID, "in.c-geo"))
	p.click(".copy", "")
	p.until(`document.querySelector('.toast')?.innerText.trim() === 'Copied'`)
	p.click(".toast button", "Dismiss")
	p.until(`!document.querySelector('.toast')`)
	if said := p.complaints(); said != "" {
		t.Fatal(said)
	}

	p.pardon("ontent") // from here on it is asked for
	js[any](p, `document.body.insertAdjacentHTML('beforeend', '<p style="color: red">styled</p>')`)
	js[any](p, `document.body.append(Object.assign(document.createElement('script'), { textContent: 'window.foreign = true' }))`)
	p.sooner("the violations to be noticed", func() bool {
		return strings.Contains(p.complaints(), "script-src") && strings.Contains(p.complaints(), "style-src")
	})
	if js[bool](p, `window.foreign === true`) {
		t.Error("a script inside the page was run")
	}
}

// Everything can be reached and used with the keyboard, and the focus comes back to
// where it was.
func TestBrowserKeyboard(t *testing.T) {
	t.Parallel()
	site := webtest.Open(t, webtest.Options{Idle: true})
	project, admin := site.Project("Flight safety", false)
	scope := site.Scope(admin, project)
	bucket(t, site, scope)
	job := startLoad(t, site, scope, "airports")
	p := open(t, site.URL)
	p.signIn(admin.Email, webtest.Password)
	focus := func(want string) {
		t.Helper()
		p.sooner("the focus on "+want, func() bool { return p.focused() == want })
	}
	account := ui.Initials(admin.Name) + ": account of " + admin.Name

	// The way past the navigation is the first thing there is.
	p.goTo(paths.Storage(project.ID))
	p.keys(kb.Tab)
	focus("Skip to content")
	p.until(`document.activeElement.getBoundingClientRect().top >= 0`)
	p.keys(kb.Enter)
	p.until(`document.activeElement.id === 'main'`)

	// A menu.
	p.tabTo(account)
	p.keys(kb.Enter)
	p.until(`document.querySelector('#account').matches(':popover-open')`)
	p.keys(kb.ArrowDown)
	focus("Profile")
	p.keys(kb.End)
	focus("Sign out")
	p.keys(kb.ArrowDown)
	focus("Profile")
	p.keys(kb.Escape)
	p.until(`!document.querySelector('#account').matches(':popover-open')`)
	focus(account)
	p.keys(kb.Enter + strings.Repeat(kb.ArrowDown, 5))
	focus("Dark theme")
	p.loads(func() { p.keys(kb.Enter) })
	p.until(`document.documentElement.dataset.theme === 'dark'`)
	p.at(paths.Storage(project.ID))

	// A dialog.
	p.goTo(paths.StorageJob(project.ID, job.ID))
	p.tabTo("Cancel job")
	p.keys(kb.Enter)
	p.until(`document.querySelector('#cancel-job').open && document.querySelector('#cancel-job').contains(document.activeElement)`)
	focus("Keep running")
	p.keys(kb.Tab)
	focus("Cancel job")
	p.keys(kb.Escape)
	p.until(`!document.querySelector('#cancel-job').open && !document.querySelector('#cancel-job').contains(document.activeElement)`)
	focus("Cancel job")

	// The palette.
	for _, open := range []func(){func() { p.keys("k", chromedp.ModifierCtrl) }, func() { p.keys("/") }} {
		open()
		focus("Jump to a page or project")
		p.keys("stor")
		p.until(`[...document.querySelectorAll('#palette [role=option]')].filter(o => o.checkVisibility()).map(o => o.innerText).join().startsWith('Storage')`)
		p.keys(kb.Escape)
		p.until(`!document.querySelector('#palette').open`)
		focus("Cancel job")
	}
	p.keys("k", chromedp.ModifierCtrl)
	focus("Jump to a page or project")
	p.keys(kb.ArrowDown)
	p.until(`document.querySelector('#palette [aria-selected=true]').innerText.startsWith('Storage')`)
	p.loads(func() { p.keys(kb.Enter) })
	p.at(paths.Storage(project.ID))

	// A form with faults.
	p.pardon("422")
	p.goTo(paths.BucketNew(project.ID))
	p.tabTo("Name")
	p.keys("two words")
	p.loads(func() { p.keys(kb.Enter) })
	p.until(`document.activeElement.matches('.error-summary')`)
	p.keys(kb.Tab + kb.Enter)
	p.until(`document.activeElement.id === 'name' && document.activeElement.value === 'two words'`)

	// The drawer of a small screen.
	p.look(390, "light")
	p.goTo(paths.Storage(project.ID))
	p.tabTo("Open navigation")
	p.keys(kb.Enter)
	p.until(`document.querySelector('#sidebar').matches(':popover-open')`)
	p.tabTo("Overview")
	p.keys(kb.Escape)
	p.until(`!document.querySelector('#sidebar').matches(':popover-open')`)
	focus("Open navigation")
}

// What has the focus is never hidden below the bar that stays at the top.
func TestBrowserFocusIsSeen(t *testing.T) {
	t.Parallel()
	site := webtest.Open(t, webtest.Options{Idle: true})
	project, admin := site.Project("Flight safety", false)
	scope := site.Scope(admin, project)
	bucket(t, site, scope)
	for n := range 40 {
		startLoad(t, site, scope, fmt.Sprintf("table_%d", n))
	}
	p := open(t, site.URL)
	p.signIn(admin.Email, webtest.Password)
	p.goTo(paths.StorageJobs(project.ID))
	js[any](p, `[...document.querySelectorAll('main a')].at(-1).focus()`)
	for passed := 0; p.focused() != "Storage jobs"; passed++ { // back up to the tabs
		if hidden := js[bool](p, `(e => { const b = e.getBoundingClientRect(); return !e.contains(document.elementFromPoint(b.x + b.width / 2, b.y + b.height / 2)); })(document.activeElement)`); hidden {
			t.Fatalf("%q has the focus and is hidden", p.focused())
		}
		if passed > 200 {
			t.Fatal("the keyboard does not go back up")
		}
		p.keys(kb.Tab, chromedp.ModifierShift)
	}
}

// A choice whose consequence is a fault keeps the focus: only a form that was sent leads
// to its faults.
func TestBrowserChoiceKeepsFocus(t *testing.T) {
	t.Parallel()
	site := webtest.Open(t, webtest.Options{})
	project, admin := site.Project("Flight safety", false)
	scope := site.Scope(admin, project)
	bucket(t, site, scope)
	job := startLoad(t, site, scope, "orders") // has the columns a and b
	file := filepath.Join(t.TempDir(), "orders.csv")
	if err := os.WriteFile(file, []byte("a\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := open(t, site.URL)
	p.signIn(admin.Email, webtest.Password)
	p.goTo(paths.StorageJob(project.ID, job.ID))
	p.until(`document.querySelector('.job-state .badge').innerText === 'Success'`)
	p.goTo(paths.LoadInto(project.ID, "in.c-geo", "orders"))
	p.attach("#file", file)
	p.submit("Upload and check")
	p.stays(func() {
		js[any](p, `document.querySelector('[name=mode]:checked').focus()`)
		p.keys(kb.ArrowDown)
		p.waitsFor("Rows can be added only with every column of the table.")
	})
	if is := js[string](p, `document.activeElement.name ?? document.activeElement.className`); is != "mode" {
		t.Errorf("the focus went from the choice to %q", is)
	}
}

// Signing out ends the session and its pages.
func TestBrowserSignOut(t *testing.T) {
	withAndWithoutScripts(t, func(t *testing.T, scripts bool) {
		site := webtest.Open(t, webtest.Options{Idle: true})
		_, admin := site.Project("Flight safety", false)
		p := open(t, site.URL)
		if !scripts {
			p.withoutScripts()
		}
		p.signIn(admin.Email, webtest.Password)
		p.click("button[popovertarget=account]", "")
		p.submit("Sign out")
		p.sees("You are signed out.")
		p.goTo("/")
		p.at("/login")
	})
}
