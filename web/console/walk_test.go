package console_test

import (
	"cmp"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/static"
	"steward/web/console"
	"steward/web/gate"
	"steward/web/webtest"
)

// answer is what one request of a walk got.
type answer struct {
	who, method, path, route string
	sent                     http.Header
	webtest.Response
}

func (a answer) String() string { return a.who + ": " + a.method + " " + a.path }

// journal is a log that is read while it is written.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// String is all that was written.
func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// tour is a site with one of everything, and people who walk all its routes.
type tour struct {
	*webtest.Site
	t       *testing.T
	in      project
	victim  accounts.User
	people  map[string]accounts.User // by name; "nobody" is not signed in
	clients map[string]*webtest.Client
	answers []answer
}

func newTour(t *testing.T, o webtest.Options) *tour {
	t.Helper()
	o.Idle = true
	s := webtest.Open(t, o)
	p, admin := s.Project("Tour", false)
	w := &tour{Site: s, t: t, in: furnish(t, s, p, admin), victim: s.User("Victim"), clients: map[string]*webtest.Client{"nobody": s.Anonymous()}}
	w.people = map[string]accounts.User{"nobody": {}, "admin": admin, "reader": s.Member(p, access.ReadOnly), "stranger": s.User("Stranger"), "root": s.SuperAdmin("Root")}
	return w
}

// names are the people, in an order that does not change.
func (w *tour) names() []string { return []string{"nobody", "stranger", "reader", "admin", "root"} }

// client is a browser of somebody, signed in again where a request of the walk ended that.
func (w *tour) client(who string) *webtest.Client {
	w.t.Helper()
	if who == "nobody" {
		return w.clients[who]
	}
	if c := w.clients[who]; c != nil && c.Get("/account/security").Status == http.StatusOK {
		return c
	}
	w.clients[who] = w.SignIn(w.people[who])
	return w.clients[who]
}

func (w *tour) path(route string) string {
	return strings.NewReplacer(":user", num(w.victim.ID), ":mail", "1", ":session", "1", ":code", "stw_none").Replace(w.in.path(route))
}

func (w *tour) routes() []gate.Route {
	return leavingLast(console.New(w.t.Context(), w.App, nil, nil).Routes())
}

// leavingLast puts leaving a project behind all other routes: whoever left is not there any
// more for the rest of a walk.
func leavingLast(routes []gate.Route) []gate.Route {
	slices.SortStableFunc(routes, func(a, b gate.Route) int {
		return cmp.Compare(strings.Count(a.Path, "/users/leave"), strings.Count(b.Path, "/users/leave"))
	})
	return routes
}

// ask sends a request and keeps what came.
func (w *tour) ask(who, method, path, route string, body io.Reader, headers ...string) answer {
	w.t.Helper()
	c := w.clients[who]
	r := c.Request(method, path, body)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	a := answer{who: who, method: method, path: path, route: route, sent: r.Header, Response: c.Do(r)}
	w.answers = append(w.answers, a)
	return a
}

// get asks every page, as everybody, the way a page of another site may let a browser ask.
func (w *tour) get() {
	w.t.Helper()
	for _, who := range w.names() {
		w.client(who)
		for _, r := range w.routes() {
			if r.Method == http.MethodGet {
				w.ask(who, http.MethodGet, w.path(r.Path), r.Path, nil, "Origin", "https://evil.example")
			}
		}
	}
}

// post sends every form, as somebody.
func (w *tour) post(who string) {
	w.t.Helper()
	for _, r := range w.routes() {
		if r.Method != http.MethodPost {
			continue
		}
		path, kind, body := w.path(r.Path), "application/x-www-form-urlencoded", forms(w.path(r.Path)).Encode()
		if strings.HasSuffix(r.Path, "/storage/load") {
			kind, body = "multipart/form-data; boundary=walk", "--walk\r\nContent-Disposition: form-data; name=\"file\"; filename=\"walk.csv\"\r\n\r\nid,name\n3,three\n\r\n--walk--\r\n"
		}
		w.client(who)
		w.ask(who, http.MethodPost, path, r.Path, strings.NewReader(body), "Content-Type", kind, "Origin", w.URL)
		if who == "admin" {
			w.in.used(r.Path)
		}
	}
}

// lists asks every list as CSV and as JSON.
func (w *tour) lists() {
	w.t.Helper()
	for _, who := range []string{"admin", "root"} {
		w.client(who)
		for _, r := range w.routes() {
			if r.Method == http.MethodGet && lists[r.Path] {
				w.ask(who, http.MethodGet, w.path(r.Path)+"?format=csv", r.Path, nil)
				w.ask(who, http.MethodGet, w.path(r.Path)+"?format=json", r.Path, nil)
			}
		}
	}
}

// odd asks for what is none of the pages, or is asked for in no way that they answer.
func (w *tour) odd() {
	w.t.Helper()
	w.client("admin")
	form := []string{"Content-Type", "application/x-www-form-urlencoded", "Origin", w.URL}
	for _, path := range []string{"/nothing", "/projects/x", "/static/nothing", static.URL("console.css"), static.URL("console.js"), "/healthz", "/readyz", "//evil.example/..", "/?format=xml", "/login?x=" + strings.Repeat("x", 20<<10)} {
		w.ask("admin", http.MethodGet, path, "", nil)
	}
	w.ask("admin", http.MethodHead, "/", "/", nil)
	w.ask("admin", http.MethodDelete, "/", "", nil)
	w.ask("admin", "MADEUP", "/", "", nil)
	w.ask("admin", http.MethodPost, static.URL("console.css"), "", strings.NewReader(""), form...)
	w.ask("admin", http.MethodPost, "/account/theme", "", strings.NewReader("theme=dark"), "Content-Type", "text/plain", "Origin", w.URL)
	w.ask("admin", http.MethodPost, "/account/theme", "", strings.NewReader("theme=dark"), "Content-Type", form[1], "Origin", "https://evil.example")
	w.ask("admin", http.MethodPost, "/account/theme", "", strings.NewReader("theme="+strings.Repeat("x", 100<<10)), form...)
	w.ask("admin", http.MethodPost, "/account/theme", "", struct{ io.Reader }{strings.NewReader("theme=dark")}, form...) // chunked
	w.ask("admin", http.MethodGet, "/projects/"+num(w.in.ID)+"/storage/jobs", "", nil, "Accept", "application/json")
	w.ask("admin", http.MethodGet, "/projects/999999", "", nil, "Accept", "application/json")
	for range 25 {
		w.ask("nobody", http.MethodPost, "/login", "/login", strings.NewReader(url.Values{"email": {"flood@example.com"}, "password": {"wrong"}}.Encode()), form...)
	}
}

// broken asks with a database that is gone.
func (w *tour) broken() {
	w.t.Helper()
	if err := w.App.DB.Close(); err != nil {
		w.t.Fatal(err)
	}
	for _, who := range []string{"nobody", "admin"} {
		for _, path := range []string{"/", "/login", "/projects/" + num(w.in.ID), "/admin", "/readyz"} {
			w.ask(who, http.MethodGet, path, "", nil)
		}
	}
}

// told is what came of a walk that several tests look at: what was answered, logged and
// recorded.
type told struct {
	once    sync.Once
	answers []answer
	log     string
	people  map[string]accounts.User
	events  []map[string]string
}

var walked told

// walk gives the answers of every route, of every kind of answer, over https.
func walk(t *testing.T) *told {
	t.Helper()
	walked.once.Do(func() {
		log := new(journal)
		w := newTour(t, webtest.Options{Secure: true, Damaged: true, Log: log})
		w.get()
		w.lists()
		w.post("nobody")
		w.post("reader")
		w.post("admin")
		w.post("root")
		w.odd()
		w.App.Reads.Flush()
		w.View(func(tx *db.Tx) (err error) { walked.events, err = everyEvent(tx); return err })
		w.broken()
		walked.answers, walked.log, walked.people = w.answers, log.String(), w.people
	})
	seen := map[int]int{}
	for _, a := range walked.answers {
		seen[a.Status]++
	}
	for _, status := range []int{200, 303, 400, 403, 404, 405, 413, 414, 415, 422, 429, 500, 503} {
		if seen[status] == 0 {
			t.Errorf("no answer of the walk is %d: %v", status, seen)
		}
	}
	if len(walked.answers) < 600 {
		t.Fatalf("only %d answers", len(walked.answers))
	}
	return &walked
}

func everyEvent(tx *db.Tx) ([]map[string]string, error) {
	names := []string{"name", "message", "actor_name", "object_type", "request_id", "address", "user_agent", "type"}
	return db.All(tx, func(r db.Row) (map[string]string, error) {
		cells := make([]string, len(names))
		into := make([]any, len(names))
		for i := range cells {
			into[i] = &cells[i]
		}
		out := map[string]string{}
		err := r.Scan(into...)
		for i, n := range names {
			out[n] = cells[i]
		}
		return out, err
	}, "SELECT "+strings.Join(names, ", ")+" FROM events ORDER BY created_at, id")
}

// html reports whether an answer is a page.
func (a answer) html() bool { return strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") }

// policy gives the directives of an answer's content security policy.
func (a answer) policy() map[string][]string {
	out := map[string][]string{}
	for _, header := range a.Header.Values("Content-Security-Policy") {
		for part := range strings.SplitSeq(header, ";") {
			if words := strings.Fields(part); len(words) > 0 {
				out[words[0]] = words[1:]
			}
		}
	}
	return out
}

// allows is what a policy says of a kind of content, by the default where it says nothing.
func allows(policy map[string][]string, directive string) []string {
	if list, ok := policy[directive]; ok {
		return list
	}
	if slices.Contains([]string{"frame-ancestors", "base-uri", "form-action"}, directive) {
		return nil
	}
	return policy["default-src"]
}
