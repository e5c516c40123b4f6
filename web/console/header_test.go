package console_test

import (
	"mime"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"steward/web/webtest"
)

// TestASVS_3_4_1: no answer lets a browser come back by plain http, whatever its status.
func TestASVS_3_4_1(t *testing.T) {
	t.Parallel()
	for _, a := range walk(t).answers {
		if got := a.Header.Get("Strict-Transport-Security"); got != "max-age=63072000; includeSubDomains" {
			t.Errorf("%s: %d with %q", a, a.Status, got)
		}
	}
	s := webtest.Open(t, webtest.Options{Idle: true}) // on this machine by http: the header would lock everything else on it out
	if got := s.Anonymous().Get("/login").Header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("by http: %q", got)
	}
}

// TestASVS_3_4_2: no page of another site may read an answer; the walk asks as one.
func TestASVS_3_4_2(t *testing.T) {
	t.Parallel()
	asked := 0
	for _, a := range walk(t).answers {
		if a.sent.Get("Origin") == "https://evil.example" {
			asked++
		}
		for name := range a.Header {
			if strings.HasPrefix(name, "Access-Control-") || name == "Timing-Allow-Origin" {
				t.Errorf("%s: %s", a, name)
			}
		}
		if got := a.Header.Get("Cross-Origin-Resource-Policy"); got != "same-origin" {
			t.Errorf("%s: Cross-Origin-Resource-Policy %q", a, got)
		}
	}
	if asked < 200 {
		t.Errorf("only %d answers to another site", asked)
	}
}

var noncePart = regexp.MustCompile(`^'nonce-([A-Za-z0-9_-]{22})'$`)

// TestASVS_3_4_3: every answer has a policy under which no script runs but our files and
// what has the answer's own nonce, of 128 bits.
func TestASVS_3_4_3(t *testing.T) {
	t.Parallel()
	nonces := map[string]bool{}
	for _, a := range walk(t).answers {
		p := a.policy()
		for directive, want := range map[string][]string{"default-src": {"'none'"}, "object-src": {"'none'"}, "base-uri": {"'none'"}, "frame-src": {"'none'"}, "worker-src": {"'none'"}} {
			if got := allows(p, directive); !slices.Equal(got, want) {
				t.Errorf("%s: %s is %q", a, directive, got)
			}
		}
		if a.Header.Get("Content-Disposition") != "" {
			continue // see 3.2.1
		}
		for directive, want := range map[string][]string{"style-src": {"'self'"}, "connect-src": {"'self'"}, "form-action": {"'self'"}, "img-src": {"'self'", "data:"}} {
			if got := allows(p, directive); !slices.Equal(got, want) {
				t.Errorf("%s: %s is %q", a, directive, got)
			}
		}
		scripts := allows(p, "script-src")
		if len(scripts) != 2 || scripts[0] != "'self'" {
			t.Errorf("%s: scripts %q", a, scripts)
			continue
		}
		m := noncePart.FindStringSubmatch(scripts[1])
		if m == nil || nonces[m[1]] {
			t.Errorf("%s: nonce %q is none, or not new", a, scripts[1])
			continue
		}
		nonces[m[1]] = true
	}
}

// TestASVS_3_4_4: no browser guesses what an answer is.
func TestASVS_3_4_4(t *testing.T) {
	t.Parallel()
	for _, a := range walk(t).answers {
		if got := a.Header.Values("X-Content-Type-Options"); len(got) == 0 || slices.ContainsFunc(got, func(v string) bool { return v != "nosniff" }) {
			t.Errorf("%s: %d with %q", a, a.Status, got)
		}
	}
}

// TestASVS_3_4_5: no address of ours goes to another site.
func TestASVS_3_4_5(t *testing.T) {
	t.Parallel()
	for _, a := range walk(t).answers {
		if got := a.Header.Get("Referrer-Policy"); got != "same-origin" {
			t.Errorf("%s: %d with %q", a, a.Status, got)
		}
		if a.html() && a.Page().Find("[referrerpolicy], meta[name=referrer]").Length() > 0 {
			t.Errorf("%s: the page has a policy of its own", a)
		}
	}
}

// TestASVS_3_4_6, the attack by clickjacking (case 52): no answer lets itself be framed.
func TestASVS_3_4_6(t *testing.T) {
	t.Parallel()
	for _, a := range walk(t).answers {
		if got := allows(a.policy(), "frame-ancestors"); !slices.Equal(got, []string{"'none'"}) || a.Header.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: %d, framed by %q, X-Frame-Options %q", a, a.Status, got, a.Header.Get("X-Frame-Options"))
		}
	}
}

// TestASVS_3_7_1: pages need nothing but what every browser has: no plug-ins.
func TestASVS_3_7_1(t *testing.T) {
	t.Parallel()
	pages := 0
	for _, a := range walk(t).answers {
		if !a.html() {
			continue
		}
		pages++
		if n := a.Page().Find("object, embed, applet, param, frame, frameset, iframe, marquee, keygen, [classid], [codebase]"); n.Length() > 0 {
			t.Errorf("%s: a plug-in or frame: %s", a, n.First().Nodes[0].Data)
		}
		if !slices.Equal(allows(a.policy(), "object-src"), []string{"'none'"}) {
			t.Errorf("%s: plug-ins may run", a)
		}
	}
	if pages < 300 {
		t.Errorf("only %d pages", pages)
	}
}

// TestASVS_4_1_1: every answer with a body says what it is, and in which encoding.
func TestASVS_4_1_1(t *testing.T) {
	t.Parallel()
	for _, a := range walk(t).answers {
		got := a.Header.Values("Content-Type")
		if a.Body == "" && len(got) == 0 {
			continue
		}
		if len(got) != 1 {
			t.Errorf("%s: %d with types %q for %.80q", a, a.Status, got, a.Body)
			continue
		}
		kind, params, err := mime.ParseMediaType(got[0])
		if err != nil || (strings.HasPrefix(kind, "text/") && !strings.EqualFold(params["charset"], "utf-8")) {
			t.Errorf("%s: %q (%v)", a, got[0], err)
		}
		begins := strings.TrimSpace(a.Body)
		switch html := strings.HasPrefix(strings.ToLower(begins), "<!doctype html>") || strings.HasPrefix(begins, "<a href="); {
		case html != (kind == "text/html") && begins != "":
			t.Errorf("%s: %q for %.80q", a, kind, a.Body)
		case kind == "application/json" && begins != "" && begins[0] != '[' && begins[0] != '{':
			t.Errorf("%s: no JSON: %.80q", a, a.Body)
		case !slices.Contains([]string{"text/html", "text/plain", "text/css", "text/javascript", "text/csv", "application/json", "application/octet-stream"}, kind):
			t.Errorf("%s: nobody expects %s", a, kind)
		}
	}
}

// TestASVS_3_2_1: what people stored is saved, never drawn: not for a part of another page,
// not for one of its own, whatever it is called and holds.
func TestASVS_3_2_1(t *testing.T) {
	t.Parallel()
	bare := func(a answer) {
		t.Helper()
		p := a.policy()
		if _, ok := p["sandbox"]; !ok || len(p["sandbox"]) != 0 || !slices.Equal(p["default-src"], []string{"'none'"}) || len(p["script-src"]) != 0 {
			t.Errorf("%s: policy %v", a, p)
		}
		if !strings.HasPrefix(a.Header.Get("Content-Disposition"), "attachment; filename=") || a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", a, a.Header)
		}
	}
	saved := 0
	for _, a := range walk(t).answers {
		disposition := a.Header.Get("Content-Disposition")
		ours := a.html() || a.Status >= 400 || a.Body == "" || strings.HasPrefix(a.path, "/static/") || strings.HasPrefix(a.path, "/healthz") || strings.HasPrefix(a.path, "/readyz")
		if disposition == "" && !ours {
			t.Errorf("%s: %s is drawn", a, a.Header.Get("Content-Type"))
		}
		if disposition != "" {
			saved++
			bare(a)
		}
	}
	if saved < 20 {
		t.Errorf("only %d answers were files", saved)
	}
	l := newLoader(t)
	const script = "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(document.cookie)</script></svg>\n"
	for _, name := range []string{"page.html", "picture.svg", "paper.pdf", "code.js", "feed.xml", "page.xhtml", "mail.mhtml", "table.csv", "none"} {
		at := strings.SplitN(l.upload("t", name, script).Want(http.StatusSeeOther).Location, "?", 2)[0]
		at = strings.Replace(at, "/load/", "/files/", 1) + "/download"
		ask := func(dest string) answer {
			r := l.Request(http.MethodGet, at, nil)
			if dest != "" {
				r.Header.Set("Sec-Fetch-Dest", dest)
			}
			return answer{who: dest, method: http.MethodGet, path: name, Response: l.Do(r)}
		}
		for _, dest := range []string{"", "document", "empty"} {
			a := ask(dest)
			if bare(a); a.Status != http.StatusOK || a.Body != script || a.Header.Get("Content-Type") != "application/octet-stream" {
				t.Errorf("%s: %d, %s", a, a.Status, a.Header.Get("Content-Type"))
			}
		}
		for _, dest := range []string{"iframe", "frame", "embed", "object", "image", "script", "style", "font", "worker", "sharedworker", "serviceworker", "video", "audio", "track", "xslt", "manifest", "nonsense"} {
			if a := ask(dest); a.Status != http.StatusForbidden || strings.Contains(a.Body, "alert(") || a.Header.Get("Content-Disposition") != "" {
				t.Errorf("%s: %d %.200s", a, a.Status, a.Body)
			}
		}
	}
	for _, path := range []string{"/account/sessions?format=json", "/account/sessions?format=csv"} {
		r := l.Request(http.MethodGet, path, nil)
		r.Header.Set("Sec-Fetch-Dest", "script")
		l.Do(r).Want(http.StatusForbidden)
	}
}

// TestASVS_3_2_2: text that people wrote is text, on every page that shows it.
func TestASVS_3_2_2(t *testing.T) {
	t.Parallel()
	const mark = `"'><img src=evil onerror=alert(1)><script>evil()</script><a href=javascript:evil()>`
	d := newDesk(t)
	d.load("odd", "id,"+`"""'><img src=evil onerror=alert(1)><script>evil()</script>"`+"\n1,"+`"`+strings.ReplaceAll(mark, `"`, `""`)+`"`+"\n")
	for action, f := range map[string]url.Values{
		"/account":                          nil,
		d.base + "/buckets/" + deskBucket:   {"displayName": {mark[:60]}, "description": {mark}},
		d.tablePath("odd") + "/description": {"description": {mark}},
		d.tablePath("odd") + "/metadata":    {"column": {""}, "key": {"k"}, "value": {mark}},
		d.tablePath("odd") + "/snapshots":   {"description": {mark}},
	} {
		if action == "/account" {
			_, form := d.c.Get("/account").Want(http.StatusOK).Form("/account")
			form.Set("name", "<script>evil()</script>")
			f = form
		}
		d.c.Post(action, f).Want(http.StatusSeeOther)
	}
	shown := 0
	for _, path := range []string{"/", "/account", "/account/activity", "/account/sessions", "/projects/" + num(d.project.ID), d.base, d.base + "/buckets/" + deskBucket, d.base + "/buckets/" + deskBucket + "/edit",
		d.base + "/buckets/" + deskBucket + "/delete", d.tablePath("odd"), d.tablePath("odd") + "/preview", d.tablePath("odd") + "/events", d.tablePath("odd") + "/versions", d.tablePath("odd") + "/snapshots",
		d.tablePath("odd") + "/settings", d.tablePath("odd") + "/export", d.tablePath("odd") + "/rows/delete", d.base + "/jobs", "/projects/" + num(d.project.ID) + "/trash"} {
		r := d.c.Get(path).Want(http.StatusOK)
		page := r.Page()
		if strings.Contains(r.Body, "evil()") {
			shown++
		}
		page.Find("script").Each(func(_ int, x *gq) {
			if x.AttrOr("src", "") == "" && strings.Contains(x.Text(), "evil") {
				t.Errorf("%s: a script of theirs runs", path)
			}
		})
		page.Find("*").Each(func(_ int, x *gq) {
			for _, at := range x.Nodes[0].Attr {
				if strings.HasPrefix(at.Key, "on") || strings.HasPrefix(at.Val, "javascript:") || (at.Key == "src" && at.Val == "evil") {
					t.Errorf("%s: <%s %s=%q>", path, x.Nodes[0].Data, at.Key, at.Val)
				}
			}
		})
	}
	if shown < 12 {
		t.Errorf("only %d pages show what was written", shown)
	}
	// In the browser, our own script writes text as text.
	script, err := os.ReadFile("../../static/js/console.js")
	if err != nil {
		t.Fatal(err)
	}
	if found := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|\beval\(|new Function`).Find(script); found != nil {
		t.Errorf("console.js uses %s", found)
	}
}
