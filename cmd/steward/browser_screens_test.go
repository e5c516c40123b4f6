//go:build browser

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"steward/internal/demo"
)

// Every screen of the gallery, in the themes and on the sizes that people use.
func TestBrowserScreens(t *testing.T) {
	t.Parallel()
	site, screens := gallery(t)
	p, axe := open(t, site), axeSource(t)
	for _, screen := range screens {
		p.pardon("network " + site + "/" + screen + ": Failed to load resource") // screens of errors have their status
		p.look(1440, "light")
		p.goTo("/" + screen)
		p.run(axe)
		for _, look := range []struct {
			width   int64
			colours string
			rules   []string
		}{{1440, "light", allRules}, {1440, "dark", colourRules}, {390, "dark", allRules}, {390, "light", colourRules}} {
			p.look(look.width, look.colours)
			for _, fault := range p.axe(look.rules) {
				t.Errorf("%s, %s, %d px: %s", screen, look.colours, look.width, fault)
			}
		}
		p.inOrder(screen)
	}
}

// Every page of the demo that an administrator comes to by links.
func TestBrowserPages(t *testing.T) {
	t.Parallel()
	world := demoWorld(t)
	admin := world.Accounts[slices.IndexFunc(world.Accounts, func(a demo.Account) bool { return a.Role == "admin" })]
	p, axe := open(t, world.URL), axeSource(t)
	p.signIn(admin.Email, admin.Password)
	p.pardon("strikes_try: Failed to load resource: the server responded with a status of 404") // dropped; its jobs still name it
	paths, kinds := []string{"/"}, map[string]int{}
	for i := 0; i < len(paths); i++ {
		path := paths[i]
		p.look(1440, "light")
		p.goTo(path)
		p.run(axe)
		for _, fault := range p.axe(allRules) {
			t.Errorf("%s: %s", path, fault)
		}
		p.inOrder(path)
		for _, link := range js[[]string](p, `[...document.querySelectorAll('a[href]:not([download], [href$="/download"])')].filter(a => a.origin === location.origin).map(a => a.pathname + a.search)`) {
			if k := kind(link); kinds[k] < 2 && !slices.Contains(paths, link) { // two of a kind are as good as all
				kinds[k]++
				paths = append(paths, link)
			}
		}
	}
	if len(kinds) < 12 {
		t.Errorf("only these kinds of pages were found: %v", kinds)
	}
}

// kind is what addresses of one kind of page have in common.
func kind(link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return link
	}
	path := regexp.MustCompile(`/(\d+|(in|out)\.c-[^/]+)`).ReplaceAllString(u.Path, "/…")
	for _, name := range []string{"open", "order", "bucket", "status"} {
		if u.Query().Has(name) {
			path += "?" + name
		}
	}
	return path
}

// inOrder fails when the page scrolls sideways on a small screen, has no or two headings
// of the first level, gives an id twice, or has a style of its own.
func (p *tab) inOrder(name string) {
	p.t.Helper()
	p.look(320, "light")
	if over := js[[]string](p, `(root => root.scrollWidth <= 320 ? [] : [root.scrollWidth + ' px', ...[...document.querySelectorAll('main *')]
		.filter(e => e.getBoundingClientRect().right > 321 && e.checkVisibility()).map(e => e.outerHTML.slice(0, 120))].slice(0, 4))(document.documentElement)`); len(over) > 0 {
		p.t.Errorf("%s scrolls sideways at 320 px: %s", name, strings.Join(over, "\n"))
	}
	if n := js[int](p, `[...document.querySelectorAll('h1')].filter(h => h.checkVisibility()).length`); n != 1 {
		p.t.Errorf("%s has %d headings of the first level", name, n)
	}
	if twice := js[[]string](p, `[...document.querySelectorAll('[id]')].map(e => e.id).filter((id, i, all) => all.indexOf(id) !== i)`); len(twice) > 0 {
		p.t.Errorf("%s gives ids twice: %q", name, twice)
	}
	if n := js[int](p, `document.querySelectorAll('[style], style').length`); n != 0 {
		p.t.Errorf("%s has %d styles of its own", name, n)
	}
}

// The rules of axe: WCAG 2.2 up to AA with what is good practice, and those that can
// tell one theme from another.
var (
	allRules    = []string{"wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"}
	colourRules = []string{"color-contrast", "link-in-text-block"}
)

// axe looks for faults of accessibility.
func (p *tab) axe(rules []string) []string {
	p.t.Helper()
	only, _ := json.Marshal(rules)
	return js[[]string](p, `axe.run(document, { runOnly: `+string(only)+`, resultTypes: ['violations'], preload: false }).then(found =>
		found.violations.flatMap(rule => rule.nodes.map(node => rule.id + ' at ' + node.target.join(' ') + ': ' + node.failureSummary)))`)
}

func (p *tab) run(script string) {
	p.t.Helper()
	js[any](p, script+"\n;null")
}

func axeSource(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile(or(os.Getenv("STEWARD_AXE"), "../../.cache/npm/node_modules/axe-core/axe.min.js"))
	if err != nil {
		t.Fatalf("%v; .ci/npm installs it", err)
	}
	return string(source)
}

// gallery builds the gallery, serves it until the test ends, and names its screens.
func gallery(t *testing.T) (site string, screens []string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "gallery")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../gallery").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	list, err := exec.CommandContext(t.Context(), program, "-list").Output()
	if err != nil {
		t.Fatal(err)
	}
	server := exec.CommandContext(t.Context(), program, "-addr", "127.0.0.1:0")
	server.Cancel = func() error { return server.Process.Signal(os.Interrupt) }
	server.WaitDelay = 5 * time.Second
	said, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Wait() })
	line, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(strings.TrimSpace(line), "/"), strings.Fields(string(list))
}

// demoWorld runs steward demo until the test ends.
func demoWorld(t *testing.T) (world demo.World) {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready.json")
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"demo", "--addr", "127.0.0.1:0", "--dir", t.TempDir(), "--ready-file", ready}, none, strings.NewReader(""), io.Discard, io.Discard)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the demo ended badly: %v", err)
		}
	})
	var raw []byte
	for end := time.Now().Add(4 * patience); len(raw) == 0 && len(ended) == 0; time.Sleep(glance) { // it is built first, which takes a busy machine long
		if time.Now().After(end) {
			t.Fatal("waited in vain for the demo to be ready")
		}
		raw, _ = os.ReadFile(ready)
	}
	if err := json.Unmarshal(raw, &world); err != nil {
		t.Fatal(err)
	}
	return world
}
