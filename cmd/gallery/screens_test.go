package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"steward/static"
	"steward/views/storage"
)

// page renders a screen as the gallery serves it.
func page(t *testing.T, s Screen) *goquery.Document {
	t.Helper()
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/"+s.Name, nil))
	if w.Code != s.Status {
		t.Fatalf("status %d, want %d", w.Code, s.Status)
	}
	doc, err := goquery.NewDocumentFromReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// What holds for every screen.
func TestScreens(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, s := range Screens() {
		if names[s.Name] {
			t.Errorf("two screens are named %s", s.Name)
		}
		names[s.Name] = true
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			doc := page(t, s)
			structure(t, doc)
			noInline(t, doc)
			links(t, doc)
			forms(t, doc)
			references(t, doc)
		})
	}
}

// structure: a language, a title, one heading, one main part.
func structure(t *testing.T, doc *goquery.Document) {
	t.Helper()
	if doc.Find("html").AttrOr("lang", "") != "en" {
		t.Error("the page has no language")
	}
	if title := doc.Find("head > title").Text(); !strings.HasSuffix(title, " · Steward") {
		t.Errorf("title %q", title)
	}
	for _, one := range []string{"h1", "main#main"} {
		if n := doc.Find(one).Length(); n != 1 {
			t.Errorf("%d × %s", n, one)
		}
	}
	if doc.Find("img:not([alt])").Length() != 0 {
		t.Error("an image says nothing")
	}
	doc.Find(".error-summary").Each(func(_ int, _ *goquery.Selection) {
		if !strings.HasPrefix(doc.Find("head > title").Text(), "Error: ") && doc.Find("form[method=get] .error-summary").Length() == 0 {
			t.Error("the title does not say that there is an error")
		}
	})
}

// noInline: nothing that the content security policy would have to allow.
func noInline(t *testing.T, doc *goquery.Document) {
	t.Helper()
	doc.Find("*").Each(func(_ int, el *goquery.Selection) {
		for _, a := range el.Nodes[0].Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") || strings.HasPrefix(a.Key, "hx-on") || strings.HasPrefix(a.Val, "js:") || strings.HasPrefix(a.Val, "javascript:") {
				t.Errorf("<%s %s=%q>", goquery.NodeName(el), a.Key, a.Val)
			}
			if a.Key == "hx-trigger" && strings.Contains(a.Val, "[") {
				t.Errorf("a trigger with a condition needs eval: %s", a.Val)
			}
		}
	})
	if doc.Find("style, script:not([src]), iframe, object, embed").Length() != 0 {
		t.Error("inline or embedded content")
	}
	doc.Find("script[src], link[href], img[src]").Each(func(_ int, el *goquery.Selection) {
		url := el.AttrOr("src", el.AttrOr("href", ""))
		made := el.Is("img.qr") && strings.HasPrefix(url, "data:image/png;base64,") // a person's own, which no file may hold
		if !made && !strings.HasPrefix(url, static.Prefix) {
			t.Errorf("%s comes from elsewhere", url)
		}
	})
}

// links lead somewhere and have words; buttons have words.
func links(t *testing.T, doc *goquery.Document) {
	t.Helper()
	doc.Find("a").Each(func(_ int, a *goquery.Selection) {
		if url := a.AttrOr("href", ""); url == "" || url == "#" || strings.Contains(url, "TemplFailed") {
			t.Errorf("the link %q leads to %q", words(a), url)
		}
	})
	doc.Find("a, button").Each(func(_ int, el *goquery.Selection) {
		if words(el) == "" && el.AttrOr("aria-label", "") == "" {
			html, _ := goquery.OuterHtml(el)
			t.Errorf("has no words: %s", html)
		}
	})
}

// forms: what is sent by POST carries an idempotency key, controls have labels and names, buttons do something.
func forms(t *testing.T, doc *goquery.Document) {
	t.Helper()
	doc.Find("form").Each(func(_ int, form *goquery.Selection) {
		action := form.AttrOr("action", "")
		if action == "" {
			t.Error("a form goes nowhere")
		}
		switch form.AttrOr("method", "") {
		case "post":
			if form.AttrOr("enctype", "") == "multipart/form-data" {
				if !strings.Contains(action, "_key=") {
					t.Errorf("the form to %s has no key in its address", action)
				}
			} else if _, secret := form.Attr("data-secret"); secret {
				// What is shown once is not replayed: sent twice, it is made twice, and the later one counts.
			} else if form.Find("input[type=hidden][name=_key][value]:not([value=''])").Length() != 1 {
				t.Errorf("the form to %s has no key", action)
			}
		case "get":
			if form.Find("input[name=_key]").Length() != 0 {
				t.Errorf("the form to %s needs no key", action)
			}
		default:
			t.Errorf("the form to %s has no method", action)
		}
		if form.Find("button:not([type=button])").Length() == 0 {
			t.Errorf("the form to %s cannot be sent", action)
		}
	})
	doc.Find("input:not([type=hidden]), select, textarea").Each(func(_ int, el *goquery.Selection) {
		id := el.AttrOr("id", "")
		labelled := el.AttrOr("aria-label", "") != "" || el.Closest("label").Length() == 1 || id != "" && doc.Find("label[for='"+id+"']").Length() == 1
		if !labelled {
			t.Errorf("%s %q has no label", goquery.NodeName(el), el.AttrOr("name", id))
		}
		if el.Closest("form").Length() == 1 && el.AttrOr("name", "") == "" {
			t.Errorf("%s %q has no name", goquery.NodeName(el), id)
		}
	})
	doc.Find("input[type=password]").Each(func(_ int, el *goquery.Selection) {
		if el.AttrOr("value", "") != "" {
			t.Error("a password is sent back")
		}
	})
	doc.Find("button").Each(func(_ int, b *goquery.Selection) {
		_, opens := b.Attr("popovertarget")
		_, commands := b.Attr("commandfor")
		_, copies := b.Attr("data-copy")
		_, cancels := b.Attr("data-upload-cancel")
		_, prints := b.Attr("data-print")
		if b.Closest("form").Length() == 0 && !prints && !opens && !commands && !copies && b.Closest("template").Length() == 0 && !cancels {
			t.Errorf("the button %q does nothing", words(b))
		}
	})
}

// references: ids are unique, and whatever is named by its id is there; so is every icon.
func references(t *testing.T, doc *goquery.Document) {
	t.Helper()
	ids := map[string]bool{}
	doc.Find("[id]").Each(func(_ int, el *goquery.Selection) {
		id := el.AttrOr("id", "")
		if ids[id] {
			t.Errorf("the id %q is there twice", id)
		}
		ids[id] = true
	})
	for _, attr := range []string{"for", "aria-labelledby", "aria-describedby", "aria-controls", "list", "popovertarget", "commandfor"} {
		doc.Find("[" + attr + "]").Each(func(_ int, el *goquery.Selection) {
			for id := range strings.FieldsSeq(el.AttrOr(attr, "")) {
				if !ids[id] {
					t.Errorf("%s=%q names nothing", attr, id)
				}
			}
		})
	}
	doc.Find("a[href^='#']").Each(func(_ int, a *goquery.Selection) {
		if id := strings.TrimPrefix(a.AttrOr("href", ""), "#"); !ids[id] {
			t.Errorf("#%s is not on the page", id)
		}
	})
	icons := icons(t)
	doc.Find("use").Each(func(_ int, use *goquery.Selection) {
		sprite, icon, _ := strings.Cut(use.AttrOr("href", ""), "#")
		if sprite != static.URL("icons.svg") || !icons[icon] {
			t.Errorf("there is no icon %q", icon)
		}
	})
}

// icons are the names in the sprite.
func icons(t *testing.T) map[string]bool {
	t.Helper()
	w := httptest.NewRecorder()
	static.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, static.URL("icons.svg"), nil))
	out := map[string]bool{}
	for _, m := range regexp.MustCompile(`<symbol id="([^"]+)"`).FindAllStringSubmatch(w.Body.String(), -1) {
		out[m[1]] = true
	}
	return out
}

func words(s *goquery.Selection) string { return strings.Join(strings.Fields(s.Text()), " ") }

// Those who may not change anything are offered nothing that changes something.
func TestReaders(t *testing.T) {
	t.Parallel()
	for _, s := range Screens() {
		if !slices.Contains([]string{"overview-reader", "buckets-empty-reader", "bucket-full", "table-columns-many", "table-versions-many", "snapshots-full", "table-settings-reader", "trash-reader"}, s.Name) {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			main := page(t, s).Find("main")
			got := main.Find(".btn").FilterFunction(func(_ int, b *goquery.Selection) bool {
				_, menu := b.Attr("popovertarget")
				return b.AttrOr("rel", "") == "" && !menu && words(b) != "Apply" && words(b) != "Export" && words(b) != "Compare"
			}).AddSelection(main.Find(`a[href$="revert"], a[href$="copy"]`))
			if got.Length() != 0 {
				t.Errorf("offers %q", words(got))
			}
		})
	}
}

// An update of the stream fills exactly the places of the page, with what the page would show.
func TestLiveJob(t *testing.T) {
	t.Parallel()
	card, log := runningJob(64)
	var update bytes.Buffer
	if err := storage.JobUpdate(card, log).Render(context.Background(), &update); err != nil {
		t.Fatal(err)
	}
	partials, err := goquery.NewDocumentFromReader(&update)
	if err != nil {
		t.Fatal(err)
	}
	screen := page(t, Screens()[slices.IndexFunc(Screens(), func(s Screen) bool { return s.Name == "job-running" })])
	if got := screen.Find("#live").AttrOr("data-url", ""); got != "/live?part=job-84213" {
		t.Errorf("the page listens to %q", got)
	}
	n := 0
	partials.Find("hx-partial").Each(func(_ int, p *goquery.Selection) {
		n++
		target := p.AttrOr("hx-target", "")
		place := screen.Find(target)
		if place.Length() != 1 {
			t.Errorf("%s is not on the page", target)
		}
		if words(place) != words(p) {
			t.Errorf("%s: the page says %q, the update %q", target, words(place), words(p))
		}
	})
	if parts := screen.Find(".part").Length(); parts != n {
		t.Errorf("the page has %d live parts, an update fills %d", parts, n)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(context.Background(), []string{"-list"}, &out); err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(out.String()); len(got) != len(Screens()) || got[0] != Screens()[0].Name {
		t.Errorf("lists %d of %d screens", len(got), len(Screens()))
	}
}

func TestUnknown(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/nothing", nil))
	if w.Code != http.StatusNotFound || w.Header().Get("Content-Security-Policy") != policy {
		t.Errorf("status %d", w.Code)
	}
}
