package console_test

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"steward/web/webtest"
)

// proxy is a cache before the site that keeps all it may, and tells people apart by
// nothing: as badly as one can be set up that heeds what an answer says.
type proxy struct {
	kept map[string]answer
	hits int
}

func (p *proxy) get(w *tour, who, path string) answer {
	if a, ok := p.kept[path]; ok {
		p.hits++
		return a
	}
	a := w.ask(who, http.MethodGet, path, "", nil)
	control := a.Header.Get("Cache-Control")
	if !strings.Contains(control, "no-store") && !strings.Contains(control, "private") {
		p.kept[path] = a
	}
	return a
}

// TestASVS_14_2_2, the leak through a cache (case 53): a cache before the site never gives
// one person what another asked for.
func TestASVS_14_2_2(t *testing.T) {
	t.Parallel()
	w := newTour(t, webtest.Options{})
	p := &proxy{kept: map[string]answer{}}
	for _, who := range []string{"root", "admin", "reader", "stranger", "nobody"} {
		w.client(who)
		p.get(w, who, "/static/nothing")
		for _, r := range w.routes() {
			for _, query := range []string{"", "?format=csv", "?format=json"} {
				if r.Method != http.MethodGet {
					continue
				}
				if a := p.get(w, who, w.path(r.Path)+query); a.who != who {
					t.Errorf("%s gets what %s asked for: %s", who, a.who, a.path)
				}
			}
		}
	}
	page := w.ask("root", http.MethodGet, "/", "", nil).Page()
	sheet := page.Find("link[rel=stylesheet]").AttrOr("href", "")
	p.get(w, "root", sheet)
	if p.get(w, "nobody", sheet); p.hits == 0 {
		t.Error("the cache keeps nothing at all: it proves nothing")
	}
}

// TestASVS_14_3_2: no browser keeps an answer but the files that are the same for all.
func TestASVS_14_3_2(t *testing.T) {
	t.Parallel()
	kept := 0
	for _, a := range walk(t).answers {
		got := a.Header.Values("Cache-Control")
		if strings.HasPrefix(a.path, "/static/") && a.Status == http.StatusOK {
			kept++
			continue
		}
		if strings.HasPrefix(a.path, "/static/") {
			continue // an error without anybody's data
		}
		if len(got) == 0 || got[0] != "no-store" || (len(got) > 1 && got[1] != `no-cache="Set-Cookie"`) {
			t.Errorf("%s: %d with %q", a, a.Status, got)
		}
	}
	if kept == 0 {
		t.Error("no file was asked for")
	}
}

var foreign = regexp.MustCompile(`(?i)(?:https?:)?//[a-z0-9-]+\.[a-z]`)

// TestASVS_14_2_3: nothing is told to other sites: pages and files name none that a browser
// would ask by itself, and the policy lets it ask none.
func TestASVS_14_2_3(t *testing.T) {
	t.Parallel()
	looked := 0
	for _, a := range walk(t).answers {
		for _, directive := range []string{"connect-src", "img-src", "script-src", "style-src", "font-src", "media-src", "manifest-src", "frame-src", "form-action", "prefetch-src"} {
			for _, source := range allows(a.policy(), directive) {
				if source != "'self'" && source != "'none'" && source != "data:" && !noncePart.MatchString(source) {
					t.Errorf("%s: %s lets it ask %s", a, directive, source)
				}
			}
		}
		if !a.html() {
			continue
		}
		a.Page().Find("[src], [srcset], [action], [formaction], [poster], [ping], [background], [data], link[href], base[href], [hx-get], [hx-post], [hx-sse\\:connect]").Each(func(_ int, x *gq) {
			for _, at := range x.Nodes[0].Attr {
				switch at.Key {
				case "href", "src", "srcset", "action", "formaction", "poster", "ping", "background", "data", "hx-get", "hx-post":
					if looked++; foreign.MatchString(at.Val) || at.Key == "ping" {
						t.Errorf("%s: <%s %s=%q>", a, x.Nodes[0].Data, at.Key, at.Val)
					}
				}
			}
		})
	}
	if looked < 1000 {
		t.Errorf("only %d addresses", looked)
	}
	eachFile(t, func(path, text string) {
		switch filepath.Ext(path) {
		case ".css":
			for _, m := range regexp.MustCompile(`url\([^)]*\)|@import[^;]*`).FindAllString(text, -1) {
				if foreign.MatchString(m) {
					t.Errorf("%s loads %s", path, m)
				}
			}
		case ".svg":
			if m := regexp.MustCompile(`(?:xlink:)?href="https?:[^"]*"|<script|<image`).FindString(text); m != "" {
				t.Errorf("%s holds %s", path, m)
			}
		case ".js":
			if m := regexp.MustCompile(`sendBeacon|new Image\(|importScripts|WebSocket\(["']`).FindString(text); m != "" {
				t.Errorf("%s holds %s", path, m)
			}
		}
	})
}

// TestASVS_14_3_3: scripts keep nothing in the browser.
func TestASVS_14_3_3(t *testing.T) {
	t.Parallel()
	n := 0
	eachFile(t, func(path, text string) {
		if filepath.Ext(path) != ".js" {
			return
		}
		n++
		if m := regexp.MustCompile(`localStorage|sessionStorage|indexedDB|openDatabase|document\.cookie|cookieStore|\bcaches\.|serviceWorker|window\.name\b`).FindString(text); m != "" {
			t.Errorf("%s keeps something by %s", path, m)
		}
	})
	if n < 2 {
		t.Errorf("only %d scripts", n)
	}
	for _, a := range walk(t).answers {
		if a.html() && a.Page().Find("script:not([src])").Length() > 0 {
			t.Errorf("%s: a script in the page", a)
		}
	}
}

// eachFile reads the files that a browser fetches beside the pages.
func eachFile(t *testing.T, each func(path, text string)) {
	t.Helper()
	n := 0
	err := filepath.WalkDir("../../static", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) == ".go" || filepath.Ext(path) == ".md" || strings.Contains(path, "licences") {
			return err
		}
		b, err := os.ReadFile(path)
		n++
		each(path, string(b))
		return err
	})
	if err != nil || n < 5 {
		t.Fatalf("%d files, %v", n, err)
	}
}
