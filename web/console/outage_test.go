package console_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"steward/internal/config"
	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/web/gate"
	"steward/web/webtest"
)

// inside are words that only the inside of the program knows.
var inside = []string{"sql:", "SQL", "database is closed", "closed pool", "sqlite", "postgres", "goroutine", "runtime error", "nil pointer", "panic", ".go:", "steward/internal", "SELECT ", "/tmp/", "steward.db"}

// TestASVS_16_5_1: what went wrong inside is told to nobody: an error has a number by which
// whoever runs the program finds it in the log.
func TestASVS_16_5_1(t *testing.T) {
	t.Parallel()
	failed := 0
	check := func(a answer) {
		t.Helper()
		if a.Status < 500 {
			return
		}
		failed++
		for _, word := range inside {
			if strings.Contains(a.Body, word) || strings.Contains(a.Location, word) {
				t.Errorf("%s: %d tells of %q: %.300s", a, a.Status, word, a.Body)
			}
		}
		if a.html() && !strings.Contains(a.Body, a.Header.Get("X-Request-Id")) {
			t.Errorf("%s: the page has no number", a)
		}
	}
	for _, a := range walk(t).answers {
		check(a)
	}
	w := newTour(t, webtest.Options{})
	w.client("admin")
	st := w.App.Storage
	w.App.Storage = nil // every handler that needs it panics
	panicked := failed
	for _, r := range w.routes() {
		if r.Method == http.MethodGet && strings.Contains(r.Path, "/storage/") {
			check(w.ask("admin", r.Method, w.path(r.Path), r.Path, nil))
			check(w.ask("admin", r.Method, w.path(r.Path), r.Path, nil, "Accept", "application/json"))
		}
	}
	w.App.Storage = st
	if panicked < 4 || failed < panicked+10 {
		t.Errorf("%d answers of a broken database, %d of panics", panicked, failed-panicked)
	}
	w.ask("admin", http.MethodGet, "/", "", nil).Want(http.StatusOK) // and the program goes on
}

// TestASVS_16_3_4: what nobody expects is in the log with its cause, under the number that
// the person got: a broken database and a panic. TestASVS_16_3_4_tls has the rest.
func TestASVS_16_3_4(t *testing.T) {
	t.Parallel()
	told := walk(t)
	lines, failures := byRequest(t, told.log, "a request failed"), 0
	for _, a := range told.answers {
		if a.Status < 500 || a.path == "/readyz" {
			continue
		}
		failures++
		ls := lines[a.Header.Get("X-Request-Id")]
		if len(ls) != 1 || ls[0].Level != "ERROR" || !strings.Contains(ls[0].Error, "closed") {
			t.Errorf("%s: %d is told as %+v", a, a.Status, ls)
		}
	}
	log := new(journal)
	w := newTour(t, webtest.Options{Log: log})
	w.client("admin")
	st := w.App.Storage
	w.App.Storage = nil
	a := w.ask("admin", http.MethodGet, w.path("/projects/:project/storage/tables/:table/preview"), "", nil)
	w.App.Storage = st
	ls := byRequest(t, log.String(), "a handler panicked")[a.Header.Get("X-Request-Id")]
	if a.Status != http.StatusInternalServerError || len(ls) != 1 || ls[0].Level != "ERROR" || !strings.Contains(ls[0].Panic, "nil pointer") {
		t.Errorf("a panic: %d, told as %+v", a.Status, ls)
	}
	if failures < 4 {
		t.Errorf("only %d failures", failures)
	}
}

// TestASVS_16_5_2: with the mail server, the sign-in provider and the workers gone, all
// pages are there, people come in, and what was to be sent waits.
func TestASVS_16_5_2(t *testing.T) {
	t.Parallel()
	w := newTour(t, webtest.Options{Config: func(c *config.Config) {
		c.SMTP, c.MailFrom = "smtp://127.0.0.1:1", "steward@console.example"
		c.OIDCIssuer, c.OIDCClientID, c.OIDCClientSecret = "http://127.0.0.1:1", webtest.ClientID, webtest.ClientSecret
	}})
	for _, who := range w.names() {
		w.client(who)
		for _, r := range w.routes() {
			if r.Method != http.MethodGet || r.Path == "/auth/google/callback" {
				continue
			}
			began := time.Now()
			a := w.ask(who, r.Method, w.path(r.Path), r.Path, nil)
			if took := time.Since(began); a.Status >= 500 || took > 10*time.Second {
				t.Errorf("%s: %d after %s", a, a.Status, took)
			}
		}
	}
	login := w.clients["nobody"].Get("/login").Want(http.StatusOK)
	if login.Page().Find("form[action='/login']").Length() != 1 {
		t.Error("there is no form to sign in by a password")
	}
	admin := w.people["admin"]
	c := w.SignIn(admin)
	path, form := c.Get("/account/password").Want(http.StatusOK).Form("/account/password")
	form.Set("current", webtest.Password)
	form.Set("password", "eight amber lanterns sway")
	form.Set("repeat", "eight amber lanterns sway")
	c.Post(path, form).Want(http.StatusSeeOther)
	w.View(func(tx *db.Tx) error {
		state, err := db.Value[string](tx, "SELECT state FROM mails WHERE recipient = $1", admin.Email)
		if state != "waiting" {
			t.Errorf("the mail about it is %q", state)
		}
		return err
	})
	if r := w.clients["nobody"].Post("/auth/google", url.Values{}); r.Status != http.StatusServiceUnavailable || strings.Contains(r.Body, "dial") {
		t.Errorf("by the provider: %d", r.Status)
	}
}

// TestASVS_16_5_3: without its database the program lets nobody in and shows nothing: who
// is signed in gets errors, who is not gets no further than before.
func TestASVS_16_5_3(t *testing.T) {
	t.Parallel()
	w := newTour(t, webtest.Options{Damaged: true})
	for _, who := range w.names() {
		w.client(who)
	}
	var open []gate.Route
	for _, r := range w.routes() {
		if a := w.ask("nobody", http.MethodGet, w.path(r.Path), r.Path, nil); r.Method == http.MethodGet && a.Status == http.StatusOK {
			open = append(open, r)
		}
	}
	if err := w.App.DB.Close(); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, who := range w.names() {
		for _, r := range w.routes() {
			path := w.path(r.Path)
			a := answer{who: who, method: r.Method, path: path, Response: send(w.clients[who], r.Method, path)}
			public := slices.ContainsFunc(open, func(o gate.Route) bool { return o.Path == r.Path && o.Method == r.Method })
			for _, name := range []string{"Tour", "Victim", "in.c-walk", "person1@example.com", "Root"} {
				if strings.Contains(a.Body, name) {
					t.Errorf("%s: %d shows %s", a, a.Status, name)
				}
			}
			for _, k := range a.Header.Values("Set-Cookie") {
				if strings.HasPrefix(k, "session=") && !strings.Contains(k, "Max-Age=0") {
					t.Errorf("%s: a session: %s", a, k)
				}
			}
			switch {
			case a.Status >= 500:
				refused++
			case who != "nobody":
				t.Errorf("%s: %d", a, a.Status)
			case a.Status == http.StatusSeeOther && strings.HasPrefix(a.Location, "/login"), a.Status >= 400, public:
			case r.Rule.Kind == gate.ForAnyone && a.Status == http.StatusSeeOther: // leads to a form, which asks the database
			default:
				t.Errorf("%s: %d %s", a, a.Status, a.Location)
			}
		}
	}
	if refused < 400 {
		t.Errorf("only %d errors", refused)
	}
}

// TestASVS_16_5_3_events: what cannot be recorded is not done.
func TestASVS_16_5_3_events(t *testing.T) {
	t.Parallel()
	dsn := dbtest.DSN(t)
	w := newTour(t, webtest.Options{DSN: dsn})
	for _, who := range []string{"admin", "root"} {
		w.client(who)
		w.clients[who].Get("/")
	}
	w.App.Reads.Flush()
	watch := dbtest.Watch(t, dsn, "events", "sequences", "throttles", "sessions")
	dbtest.Raw(t, dsn, "ALTER TABLE events RENAME TO events_gone")
	refused := 0
	for _, who := range []string{"admin", "root"} {
		for _, r := range w.routes() {
			if r.Method != http.MethodPost || r.Rule.Kind == gate.ForAnyone || (who == "root") != strings.HasPrefix(r.Path, "/admin") {
				continue
			}
			before := watch.Sum()
			path := w.path(r.Path)
			a := answer{who: who, method: r.Method, path: path, Response: send(w.clients[who], r.Method, path)}
			if a.Status >= 500 {
				refused++
			}
			if watch.Sum() != before && r.Path != "/account/two-step/start" { // a secret to scan, which counts for nothing before its code is typed
				t.Errorf("%s: %d, and it was done", a, a.Status)
			}
		}
	}
	if refused < 30 {
		t.Errorf("only %d were refused", refused)
	}
	dbtest.Raw(t, dsn, "ALTER TABLE events_gone RENAME TO events")
}
