//go:build browser

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// The tests with the tag browser use the console as people do, in a real Chromium:
//
//	.ci/npm && go test -tags browser -run Browser ./cmd/steward
//
// STEWARD_CHROMIUM and STEWARD_AXE name the browser and axe.min.js when they are elsewhere.

const (
	patience = 30 * time.Second // with anything that a person waits for
	glance   = 20 * time.Millisecond
)

// tab is a page of the browser. The test fails if its console has anything to complain
// about that was not pardoned.
type tab struct {
	t    *testing.T
	ctx  context.Context //nolint:containedctx // chromedp knows a tab by its context
	site string
	end  context.CancelFunc

	mu       sync.Mutex
	said     []string
	pardoned []string
}

// open starts a browser with a fresh profile of its own, and a tab in it, until the test
// ends.
func open(t *testing.T, site string) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(or(os.Getenv("STEWARD_CHROMIUM"), "/usr/bin/chromium")),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1440, 900),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	browser, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	return newTab(browser, t, site)
}

// another opens another tab in the same window; then the others are hidden.
func (p *tab) another() *tab {
	p.t.Helper()
	return newTab(p.ctx, p.t, p.site)
}

// stranger opens a tab with a fresh profile of its own, in a window of its own.
func (p *tab) stranger() *tab {
	p.t.Helper()
	return newTab(p.ctx, p.t, p.site, chromedp.WithNewBrowserContext(), chromedp.WithNewWindow(true))
}

func newTab(browser context.Context, t *testing.T, site string, options ...chromedp.ContextOption) *tab {
	t.Helper()
	p := &tab{t: t, site: site}
	p.ctx, p.end = chromedp.NewContext(browser, append([]chromedp.ContextOption{chromedp.WithNewWindow(false), chromedp.WithListener(p.listen)}, options...)...)
	t.Cleanup(func() {
		p.end()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, said := range p.said {
			if !slices.ContainsFunc(p.pardoned, func(part string) bool { return strings.Contains(said, part) }) {
				t.Errorf("the browser complains: %s", said)
			}
		}
	})
	call(p, audits.Enable, cdp.Empty{}) // the first call starts the tab, for as long as its context
	return p
}

// listen notes what the browser's console shows as a warning or an error.
func (p *tab) listen(event any) {
	var said string
	switch e := event.(type) {
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.EntryLevelError || e.Entry.Level == cdplog.EntryLevelWarning {
			said = fmt.Sprintf("%s %s: %s", e.Entry.Source, e.Entry.URL, e.Entry.Text)
		}
	case *runtime.EventExceptionThrown:
		said = (&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error()
	case *runtime.EventConsoleAPICalled:
		switch e.Type {
		case runtime.ConsoleAPICalledTypeError, runtime.ConsoleAPICalledTypeWarning, runtime.ConsoleAPICalledTypeAssert:
			for _, arg := range e.Args {
				said += fmt.Sprintf(" %s%s", arg.Value, arg.Description)
			}
		}
	case *audits.EventIssueAdded:
		if d := e.Issue.Details.ContentSecurityPolicyIssueDetails; d != nil {
			said = fmt.Sprintf("content security policy: %s %s", d.ViolatedDirective, d.ContentSecurityPolicyViolationType)
		}
	}
	if said != "" {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.said = append(p.said, said)
	}
}

// pardon lets the console complain with a text that holds part.
func (p *tab) pardon(part string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pardoned = append(p.pardoned, part)
}

// complaints are what the console has said so far.
func (p *tab) complaints() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.said, "\n")
}

// Where and what the page is

// goTo types an address.
func (p *tab) goTo(path string) {
	p.t.Helper()
	p.do(chromedp.Navigate(p.site + path))
}

// loads does what opens another page, and waits until that is there.
func (p *tab) loads(act func()) {
	p.t.Helper()
	js[any](p, `window.thePageBefore = true; null`)
	act()
	p.until(`window.thePageBefore === undefined && document.readyState === 'complete'`)
}

// stays does something after which the same page must still be there.
func (p *tab) stays(act func()) {
	p.t.Helper()
	js[any](p, `window.thePageBefore = true; null`)
	act()
	if !js[bool](p, `window.thePageBefore === true`) {
		p.t.Error("the page was loaded again")
	}
}

// at fails unless the page has this path.
func (p *tab) at(path string) {
	p.t.Helper()
	if is := js[string](p, `location.pathname`); is != path {
		p.t.Fatalf("the page is %s, want %s", is, path)
	}
}

// sees fails unless the page shows a text.
func (p *tab) sees(text string) {
	p.t.Helper()
	if !js[bool](p, `document.body.innerText.includes(`+quote(text)+`)`) {
		p.t.Fatalf("the page does not show %q:\n%s", text, p.text("body"))
	}
}

// waitsFor waits until the page shows a text.
func (p *tab) waitsFor(text string) {
	p.t.Helper()
	p.until(`document.body.innerText.includes(` + quote(text) + `)`)
}

// text is what an element shows.
func (p *tab) text(selector string) string {
	p.t.Helper()
	return js[string](p, `document.querySelector(`+quote(selector)+`)?.innerText ?? ''`)
}

// focused is the accessible name of what has the focus.
func (p *tab) focused() string {
	p.t.Helper()
	return js[string](p, `((e) => e === document.body ? '' : e.ariaLabel ?? e.labels?.[0]?.innerText ?? e.innerText.trim())(document.activeElement)`)
}

// cells are the cells of a data grid as they are stored. nil is a value that is missing.
func (p *tab) cells() [][]*string {
	p.t.Helper()
	return js[[][]*string](p, `[...document.querySelectorAll('.grid-data tbody tr')].map(row => [...row.cells].map(cell => {
		const none = cell.querySelector('.null');
		if (none) return none.textContent === 'null' ? null : '';
		return (cell.querySelector('.whole') ?? cell.querySelector('.value')).textContent;
	}))`)
}

// until waits until a JavaScript expression is true.
func (p *tab) until(expression string) {
	p.t.Helper()
	p.sooner(expression, func() bool {
		ctx, end := context.WithTimeout(p.ctx, patience)
		defer end()
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		return err == nil && is // between two pages there is nothing to ask
	})
}

// sooner waits until a condition holds; it fails when that takes too long.
func (p *tab) sooner(what string, is func() bool) {
	p.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(glance) {
		if time.Now().After(end) {
			p.t.Fatalf("waited in vain for: %s\nconsole: %s\nat %s", what, p.complaints(), js[string](p, `location.href + '\n' + document.body.innerText`))
		}
	}
}

// What a person does

// follow clicks a link, which opens another page.
func (p *tab) follow(words string) {
	p.t.Helper()
	p.loads(func() { p.click("a", words) })
}

// submit clicks a button, which opens another page.
func (p *tab) submit(words string) {
	p.t.Helper()
	p.loads(func() { p.click("button", words) })
}

// click clicks an element by its selector and its words; no words are any.
func (p *tab) click(selector, words string) {
	p.t.Helper()
	at := p.find(selector, words)
	p.do(chromedp.MouseClickXY(at.X, at.Y))
}

// doubleClick clicks twice, as fast as one can.
func (p *tab) doubleClick(selector, words string) {
	p.t.Helper()
	at := p.find(selector, words)
	p.do(chromedp.MouseClickXY(at.X, at.Y), chromedp.MouseClickXY(at.X, at.Y, chromedp.ClickCount(2)))
}

// slowClick is a click by which something happens before the button is let go.
func (p *tab) slowClick(selector string, meanwhile func()) {
	p.t.Helper()
	at := p.find(selector, "")
	p.do(chromedp.MouseEvent(chromedp.MousePressed, at.X, at.Y, chromedp.ButtonLeft, chromedp.ClickCount(1)))
	meanwhile()
	p.do(chromedp.MouseEvent(chromedp.MouseReleased, at.X, at.Y, chromedp.ButtonLeft, chromedp.ClickCount(1)))
}

type point struct{ X, Y float64 }

// find waits until an element can be seen and has nothing above it, and gives its middle.
func (p *tab) find(selector, words string) (at point) {
	p.t.Helper()
	p.sooner(fmt.Sprintf("%s %q to click", selector, words), func() bool {
		found := js[[]point](p, `((selector, words) => {
			const named = e => (e.ariaLabel ?? e.textContent).replace(/\s+/g, ' ').trim();
			const element = [...document.querySelectorAll(selector)].find(e => e.checkVisibility({ visibilityProperty: true }) && (!words || named(e) === words));
			if (!element) return [];
			element.scrollIntoView({ block: 'center', behavior: 'instant' });
			const box = element.getClientRects()[0], x = box.x + box.width / 2, y = box.y + box.height / 2;
			return element.contains(document.elementFromPoint(x, y)) ? [{ X: x, Y: y }] : [];
		})(`+quote(selector)+`, `+quote(words)+`)`)
		if len(found) == 0 {
			return false
		}
		at = found[0]
		return true
	})
	return at
}

// fill replaces the text of a field.
func (p *tab) fill(selector, text string) {
	p.t.Helper()
	p.click(selector, "")
	p.keys("a", chromedp.ModifierCtrl)
	p.keys(text)
}

// choose picks an answer of a select box by its label, with the keyboard.
func (p *tab) choose(selector, label string) {
	p.t.Helper()
	at := js[int](p, `((select, label) => {
		select.focus();
		return [...select.options].findIndex(option => option.label === label);
	})(document.querySelector(`+quote(selector)+`), `+quote(label)+`)`)
	if at < 0 {
		p.t.Fatalf("%s has no answer %q", selector, label)
	}
	p.keys(kb.Home + strings.Repeat(kb.ArrowDown, at))
	if is := js[string](p, `document.querySelector(`+quote(selector)+`).selectedOptions[0].label`); is != label {
		p.t.Fatalf("%s has chosen %q, want %q", selector, is, label)
	}
}

// attach chooses a file in a form.
func (p *tab) attach(selector, path string) {
	p.t.Helper()
	field := js[*runtime.RemoteObject](p, `document.querySelector(`+quote(selector)+`)`)
	call(p, dom.SetFileInputFiles, dom.SetFileInputFilesParams{ObjectID: field.ObjectID, Files: []string{path}})
}

// tabTo moves the focus on until it is at something with this name.
func (p *tab) tabTo(name string) {
	p.t.Helper()
	var passed []string
	for range 100 {
		p.keys(kb.Tab)
		if passed = append(passed, p.focused()); passed[len(passed)-1] == name {
			return
		}
	}
	p.t.Fatalf("the keyboard does not reach %q: %q", name, passed)
}

// keys types. A key and its character are one event, as the browser makes it of a real
// key, so that a page can keep the character from being typed.
func (p *tab) keys(keys string, held ...chromedp.Modifier) {
	p.t.Helper()
	for _, r := range keys {
		events := kb.Encode(r)
		down, up := events[0], events[len(events)-1]
		for _, m := range held {
			down.Modifiers, up.Modifiers = down.Modifiers|int64(m), up.Modifiers|int64(m)
		}
		if len(events) == 3 && len(held) == 0 {
			down.Text, down.UnmodifiedText = events[1].Text, events[1].UnmodifiedText
		}
		call(p, input.DispatchKeyEvent, *down)
		call(p, input.DispatchKeyEvent, *up)
	}
}

// signIn signs a person in by the form.
func (p *tab) signIn(email, password string) {
	p.t.Helper()
	p.goTo("/login")
	p.fill("#email", email)
	p.fill("#password", password)
	p.submit("Sign in")
}

// show brings the tab to the front of its window.
func (p *tab) show() {
	p.t.Helper()
	call(p, page.BringToFront, cdp.Empty{})
	p.until(`document.visibilityState === 'visible'`)
}

// What a browser can be

// withoutScripts turns the scripts of pages off.
func (p *tab) withoutScripts() {
	p.t.Helper()
	call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}

// look sets the width of the window and the colours of the system. With 390 px it is a
// phone.
func (p *tab) look(width int64, colours string) {
	p.t.Helper()
	call(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 900, DeviceScaleFactor: 1, Mobile: width == 390})
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: colours}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
}

// The browser itself

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, end := context.WithTimeout(p.ctx, patience)
	defer end()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// js evaluates a JavaScript expression in a tab, also where pages may run no script.
func js[T any](p *tab, expression string) T {
	p.t.Helper()
	ctx, end := context.WithTimeout(p.ctx, patience)
	defer end()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%v in %.300s", err, expression)
	}
	return v
}

func call[P, R any](p *tab, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	r, err := chromedp.Call(p.ctx, command, params)
	if err != nil {
		p.t.Fatalf("%s: %v", command.Method, err)
	}
	return r
}

func quote(text string) string {
	b, _ := json.Marshal(text)
	return string(b)
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
