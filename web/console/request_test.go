package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/web/webtest"
)

const formType = "application/x-www-form-urlencoded"

// TestASVS_3_5_1_routes, the attack by a page of another site (case 51): no form of any
// route is done when it comes from elsewhere, for nobody.
func TestASVS_3_5_1_routes(t *testing.T) {
	t.Parallel()
	dsn := dbtest.DSN(t)
	w := newTour(t, webtest.Options{DSN: dsn})
	for _, who := range w.names() {
		w.client(who)
	}
	watch := dbtest.Watch(t, dsn)
	before, tried := watch.Sum(), 0
	for _, who := range []string{"nobody", "admin", "root"} {
		for _, r := range w.routes() {
			if r.Method != http.MethodPost {
				continue
			}
			for _, from := range [][]string{{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}} {
				kind, body := formType, forms(w.path(r.Path)).Encode()
				if strings.HasSuffix(r.Path, "/storage/load") {
					kind, body = "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.csv\"\r\n\r\na\n1\n\r\n--x--\r\n"
				}
				a := w.ask(who, r.Method, w.path(r.Path), r.Path, strings.NewReader(body), append([]string{"Content-Type", kind}, from...)...)
				if tried++; a.Status != http.StatusForbidden || len(a.Header.Values("Set-Cookie")) > 0 {
					t.Errorf("%s from %v: %d", a, from, a.Status)
				}
			}
		}
	}
	w.App.Reads.Flush()
	if watch.Sum() != before {
		t.Error("a page of another site changed something")
	}
	if tried < 500 {
		t.Errorf("only %d were tried", tried)
	}
}

// TestASVS_3_5_2: a form is taken only as what a form is sent as, by every route: what a
// browser sends anywhere without asking, or asks about first, is no way around the check.
func TestASVS_3_5_2(t *testing.T) {
	t.Parallel()
	dsn := dbtest.DSN(t)
	w := newTour(t, webtest.Options{DSN: dsn})
	w.client("admin")
	w.client("root")
	watch := dbtest.Watch(t, dsn)
	before, tried := watch.Sum(), 0
	for _, who := range []string{"nobody", "admin", "root"} {
		for _, r := range w.routes() {
			if r.Method != http.MethodPost {
				continue
			}
			body := forms(w.path(r.Path)).Encode() + "&x=1"
			kinds := []string{"text/plain", "text/plain; charset=utf-8", "application/json", "application/xml", "nonsense", "", "application/x-www-form-urlencoded-not", "*/*"}
			if strings.HasSuffix(r.Path, "/storage/load") {
				kinds = append(kinds, formType, "multipart/mixed; boundary=x")
			} else {
				kinds = append(kinds, "multipart/form-data; boundary=x")
			}
			for _, kind := range kinds {
				a := w.ask(who, r.Method, w.path(r.Path), r.Path, strings.NewReader(body), "Content-Type", kind, "Origin", w.URL)
				if tried++; a.Status != http.StatusUnsupportedMediaType {
					t.Errorf("%s as %q: %d", a, kind, a.Status)
				}
			}
		}
	}
	w.App.Reads.Flush()
	if watch.Sum() != before {
		t.Error("what is no form changed something")
	}
	if tried < 1000 {
		t.Errorf("only %d were tried", tried)
	}
	w.ask("admin", http.MethodPost, "/account/theme", "", strings.NewReader("theme=dark"), "Content-Type", formType+"; charset=UTF-8", "Origin", w.URL).Want(http.StatusSeeOther)
	if watch.Sum() == before {
		t.Error("a form does nothing")
	}
}

// TestASVS_3_5_3: reading changes nothing: no route, whoever asks, by GET or HEAD. What
// notes who looked, when a session was last used, and a line that the next page shows once,
// does not count.
func TestASVS_3_5_3(t *testing.T) {
	t.Parallel()
	dsn := dbtest.DSN(t)
	w := newTour(t, webtest.Options{DSN: dsn})
	for _, who := range w.names() {
		w.client(who)
	}
	watch := dbtest.Watch(t, dsn, "events", "sequences", "sessions")
	state := func() string {
		out := watch.Sum()
		w.View(func(tx *db.Tx) error {
			sessions, err := db.All(tx, db.Scalar[string], `SELECT CAST(id AS TEXT) || ' ' || token_hash || ' ' || user_id || ' ' || epoch || ' ' || expires_at || ' ' || COALESCE(revoked_at, 0) || ' ' || proved_at
				FROM sessions ORDER BY id`)
			out += strings.Join(sessions, "\n")
			return err
		})
		return out
	}
	asked := 0
	for _, who := range w.names() {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			for _, r := range w.routes() {
				for _, query := range []string{"", "?format=csv", "?confirm=in.c-walk&theme=dark&name=x&column=id&next=/"} {
					if query != "" && r.Method != http.MethodGet {
						continue
					}
					before := state()
					a := w.ask(who, method, w.path(r.Path)+query, r.Path, nil)
					if asked++; state() != before {
						t.Errorf("%s changed something", a)
					}
					if a.Status >= 500 {
						t.Errorf("%s: %d", a, a.Status)
					}
				}
			}
		}
	}
	if asked < 1500 {
		t.Errorf("only %d were asked", asked)
	}
}

// TestASVS_3_5_4: nothing of what runs beside the console is on the console's own address;
// TestASVS_3_5_4_ops in cmd/steward looks at the other one.
func TestASVS_3_5_4(t *testing.T) {
	t.Parallel()
	w := newTour(t, webtest.Options{})
	w.client("root")
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/profile", "/debug/pprof/heap", "/debug/vars", "/mailbox", "/mailbox/1"} {
		w.ask("root", http.MethodGet, path, "", nil).Want(http.StatusNotFound)
	}
	// Content of people has no host of its own: it is never drawn (see 3.2.1), on none.
	for _, a := range walk(t).answers {
		if a.Header.Get("Content-Disposition") != "" {
			if _, ok := a.policy()["sandbox"]; !ok {
				t.Errorf("%s: drawn on the console's own host", a)
			}
		}
	}
	// The mailbox, which is for development, answers only to names of this machine.
	s := webtest.Open(t, webtest.Options{Idle: true, Config: withMailbox})
	r := s.Anonymous().Request(http.MethodGet, "/mailbox", nil)
	r.Host = "console.evil.example"
	s.Anonymous().Do(r).Want(http.StatusNotFound)
	s.Anonymous().Get("/mailbox").Want(http.StatusOK)
}

// TestASVS_4_1_2: nobody is led from http to https: who sent something in the clear learns
// of it. Only browsers come here, and they have the header of 3.4.1.
func TestASVS_4_1_2(t *testing.T) {
	t.Parallel()
	for _, a := range walk(t).answers {
		u, err := url.Parse(a.Location)
		if err != nil || u.Host != "" || u.Scheme != "" {
			t.Errorf("%s leads to %q", a, a.Location)
		}
	}
	w := newTour(t, webtest.Options{Secure: true})
	for _, r := range w.routes() {
		for _, headers := range [][]string{{"X-Forwarded-Proto", "http"}, {"Forwarded", "proto=http"}, {"X-Forwarded-Host", "evil.example"}} {
			a := w.ask("nobody", http.MethodGet, w.path(r.Path), r.Path, nil, headers...)
			if strings.Contains(a.Location, "://") || strings.HasPrefix(a.Location, "//") || a.Status == http.StatusMovedPermanently || a.Status == http.StatusPermanentRedirect {
				t.Errorf("%s with %v leads to %q", a, headers, a.Location)
			}
		}
	}
}

// TestManyParts is the flood of a form's parts (case 57): an upload of too many, or of too
// large ones, is refused before it costs anything, and leaves nothing.
func TestManyParts(t *testing.T) {
	t.Parallel()
	dsn := dbtest.DSN(t)
	w := newTour(t, webtest.Options{DSN: dsn})
	w.client("admin")
	watch := dbtest.Watch(t, dsn, "events", "sequences")
	before := watch.Sum()
	part := func(headers, name, content string) string {
		return "--x\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n" + headers + "\r\n" + content + "\r\n"
	}
	for what, body := range map[string]string{
		"many parts":   strings.Repeat(part("", "bucket", "x"), 100_000) + "--x--\r\n",
		"many headers": part(strings.Repeat("X-Many: x\r\n", 100_000), "bucket", "x") + "--x--\r\n",
		"a huge name":  part("", strings.Repeat("x", 5<<20), "x") + "--x--\r\n",
		"no end":       part("", "bucket", "x"),
		"no parts":     strings.Repeat("x", 1<<20),
	} {
		a := w.ask("admin", http.MethodPost, w.path("/projects/:project/storage/load"), "", strings.NewReader(body), "Content-Type", "multipart/form-data; boundary=x", "Origin", w.URL)
		if a.Status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", what, a.Status)
		}
	}
	a := w.ask("admin", http.MethodPost, w.path("/projects/:project/storage/buckets"), "", strings.NewReader(strings.Repeat("x=1&", 2_000_000)), "Content-Type", formType, "Origin", w.URL)
	if a.Status != http.StatusUnprocessableEntity && a.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("many fields: %d", a.Status)
	}
	if watch.Sum() != before {
		t.Error("something was done")
	}
}
