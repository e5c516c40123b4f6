package console_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/config"
	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/internal/jobs"
	"steward/web/console"
	"steward/web/gate"
	"steward/web/webtest"
)

// line is a line of the log.
type line struct {
	Time                                                                     time.Time
	Level, Msg, Request, Method, Route, Path, Refused, Address, Error, Panic string
	Status                                                                   int
	User                                                                     int64
}

// linesIn parses a log; every line has to be one JSON object.
func linesIn(t *testing.T, log string) (out []line) {
	t.Helper()
	for text := range strings.Lines(log) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Errorf("%v: %s", err, text)
		}
		out = append(out, l)
	}
	return out
}

// byRequest are the lines with a message, by the request that they tell of.
func byRequest(t *testing.T, log, msg string) map[string][]line {
	t.Helper()
	out := map[string][]line{}
	for _, l := range linesIn(t, log) {
		if l.Msg == msg {
			out[l.Request] = append(out[l.Request], l)
		}
	}
	return out
}

// TestASVS_16_2_1: of every request the log tells when, what, from where and by whom, and
// so does every event of one.
func TestASVS_16_2_1(t *testing.T) {
	t.Parallel()
	w := walk(t)
	lines := byRequest(t, w.log, "request")
	ids := map[string]bool{}
	told := 0
	for _, a := range w.answers {
		id := a.Header.Get("X-Request-Id")
		if id == "" || ids[id] {
			t.Errorf("%s: request id %q", a, id)
		}
		ids[id] = true
		if strings.HasPrefix(a.path, "/static/") || strings.HasPrefix(a.path, "/healthz") || strings.HasPrefix(a.path, "/readyz") {
			continue // told of at the level debug
		}
		got := lines[id]
		if len(got) != 1 {
			t.Errorf("%s: %d lines", a, len(got))
			continue
		}
		told++
		l := got[0]
		if l.Time.IsZero() || l.Status != a.Status || l.Address != "127.0.0.1" || l.Route == "" || l.Path == "" || (l.Method != a.method && l.Method != "OTHER") {
			t.Errorf("%s: %+v", a, l)
		}
		if who := w.people[a.who].ID; a.route != "" && l.User != who && a.Status < 500 {
			t.Errorf("%s: by %d, want %d", a, l.User, who)
		}
		if a.route != "" && l.Route != a.route {
			t.Errorf("%s: route %s", a, l.Route)
		}
	}
	if told < 600 {
		t.Errorf("only %d requests", told)
	}
	requested := 0
	for _, e := range w.events {
		if !regexp.MustCompile(`^[a-z]+\.[a-z][A-Za-z.-]+$`).MatchString(e["name"]) || e["message"] == "" || e["object_type"] == "" || e["type"] == "" {
			t.Errorf("an event lacks something: %v", e)
		}
		if e["actor_name"] == "" {
			if e["request_id"] != "" {
				t.Errorf("an event of a request is by nobody: %v", e)
			}
			continue // of the test's own making
		}
		if e["request_id"] != "" {
			if requested++; e["address"] == "" || e["user_agent"] == "" {
				t.Errorf("an event does not tell from where: %v", e)
			}
		}
	}
	if requested < 100 {
		t.Errorf("only %d events of requests", requested)
	}
}

// TestASVS_16_3_2: each refusal of somebody who is signed in is one event that names them,
// what they wanted and where.
func TestASVS_16_3_2(t *testing.T) {
	t.Parallel()
	dsn := dbtest.DSN(t)
	w := newTour(t, webtest.Options{DSN: dsn})
	refused := map[string]answer{}
	for _, who := range []string{"stranger", "reader", "root"} {
		w.client(who)
		for _, r := range w.routes() {
			if r.Rule.Kind == gate.ForAnyone || (who == "root" && r.Rule.Kind != gate.ForProject) {
				continue
			}
			path := w.path(r.Path)
			var a answer
			if r.Method == http.MethodGet {
				a = w.ask(who, r.Method, path, string(r.Rule.Permission), nil)
			} else if a = (answer{who: who, method: r.Method, path: path, route: string(r.Rule.Permission)}); strings.HasPrefix(r.Path, "/account") || r.Path == "/logout" {
				continue // one's own
			} else {
				a.Response = send(w.clients[who], r.Method, path)
			}
			if a.Status == http.StatusForbidden || (a.Status == http.StatusNotFound && (r.Rule.Kind == gate.ForMaintainer || r.Rule.Kind != gate.ForSignedIn && who != "reader")) {
				refused[a.Header.Get("X-Request-Id")] = a
			}
		}
	}
	if len(refused) < 150 {
		t.Fatalf("only %d refusals", len(refused))
	}
	w.App.Reads.Flush()
	found := map[string]int{}
	w.View(func(tx *db.Tx) error {
		params := map[string]string{}
		_, err := db.All(tx, func(r db.Row) (id string, err error) {
			var text string
			err = r.Scan(&id, &text)
			params[id] = text
			return id, err
		}, "SELECT request_id, params FROM events WHERE name = 'access.refused'")
		if err != nil {
			return err
		}
		events, err := everyEvent(tx)
		for _, e := range events {
			if e["name"] != "access.refused" {
				continue
			}
			found[e["request_id"]]++
			a, ok := refused[e["request_id"]]
			if !ok || e["actor_name"] != w.people[a.who].Name || !strings.Contains(params[e["request_id"]], strconv.Quote(a.route)) || !strings.HasSuffix(e["message"], " They may not "+access.Permission(a.route).Describe()+".") || e["address"] == "" || e["type"] != "warn" {
				t.Errorf("%s: %v", a, e)
			}
		}
		return err
	})
	for id, a := range refused {
		if found[id] != 1 {
			t.Errorf("%s: %d, and %d events", a, a.Status, found[id])
		}
	}
}

// TestASVS_16_3_3: whoever tries to get around a check leaves a warning that says which.
func TestASVS_16_3_3(t *testing.T) {
	t.Parallel()
	w := walk(t)
	lines := byRequest(t, w.log, "request")
	want := map[int][]string{400: {"http.chunked"}, 403: {"http.origin", "access.role", "access.account", "access.above", "access.join", "access.visitor", "setup.used"}, 405: {"http.method"}, 413: {"http.tooLarge", "form.tooLarge"}, 414: {"http.address"}, 415: {"http.mediaType"}, 429: {"throttle"}}
	seen := map[string]bool{}
	for _, a := range w.answers {
		codes, ok := want[a.Status]
		if !ok || strings.HasPrefix(a.path, "/static/") || len(lines[a.Header.Get("X-Request-Id")]) != 1 {
			continue
		}
		l := lines[a.Header.Get("X-Request-Id")][0]
		seen[l.Refused] = true
		if l.Level != "WARN" || l.Address == "" {
			t.Errorf("%s: %d is told as %+v", a, a.Status, l)
		}
		if !slices.Contains(codes, l.Refused) {
			t.Errorf("%s: %d is refused by %q", a, a.Status, l.Refused)
		}
	}
	for _, code := range []string{"http.chunked", "http.origin", "http.method", "http.address", "http.mediaType", "throttle", "access.account"} {
		if !seen[code] {
			t.Errorf("nothing was refused by %s", code)
		}
	}
	invalid := 0 // a value that does not fit is no attack, but it is told of
	for _, ls := range lines {
		if ls[0].Status == http.StatusUnprocessableEntity && ls[0].Refused != "" {
			invalid++
		}
	}
	if invalid == 0 {
		t.Error("no value that did not fit is told of")
	}
}

// TestASVS_16_3_1: every way of proving who one is leaves an event, whether it led in or
// not, that names the factors.
func TestASVS_16_3_1(t *testing.T) {
	t.Parallel()
	p := webtest.NewProvider(t)
	s := webtest.Open(t, webtest.Options{Idle: true, Config: func(c *config.Config) { p.Configure(c); c.SMTP = config.MailboxURL }})
	u := s.User("Nina")
	p.Person["email"], p.Now = u.Email, s.Clock.Now
	events := func() (out []string) {
		s.View(func(tx *db.Tx) error {
			list, err := everyEvent(tx)
			for _, e := range list {
				if e["object_type"] == "user" || e["object_type"] == "session" {
					out = append(out, e["name"]+": "+e["message"])
				}
			}
			return err
		})
		return out
	}
	c := s.Anonymous()
	login := func(password string) webtest.Response {
		return c.Post("/login", url.Values{"email": {u.Email}, "password": {password}})
	}
	var secret string
	var codes []string
	next := func() string { s.Clock.Forward(31 * time.Second); return s.Code(secret) }
	wrong := func() string { return fmt.Sprintf("%06d", (atoi(t, "1"+next())+1)%1_000_000) }
	for _, step := range []struct {
		do   func()
		says string
	}{
		{func() { login("wrong wrong wrong") }, "user.loginFailed: A sign-in as " + u.Email + " by password failed."},
		{func() {
			c.Post("/login", url.Values{"email": {"nobody@example.com"}, "password": {"wrong wrong wrong"}})
		}, "user.loginFailed: A sign-in as nobody@example.com by password failed."},
		{func() { login(webtest.Password).Want(http.StatusSeeOther) }, "user.loggedIn: \"Nina\" signed in by password."},
		{func() { secret, codes = s.TwoStep(c) }, "user.factorEnabled: "},
		{func() { c.Post("/account/recovery-codes/stored", url.Values{}) }, "user.recoveryCodesStored: "},
		{func() {
			c.Post("/account/confirm", url.Values{"current": {"wrong wrong wrong"}, "code": {next()}, "next": {"/"}})
		}, "user.proofFailed: "},
		{func() {
			c.Post("/account/confirm", url.Values{"current": {webtest.Password}, "code": {next()}, "next": {"/"}}).Want(http.StatusSeeOther)
		}, "user.proved: "},
		{func() { c.Post("/account/identity/start", url.Values{}) }, ""},
		{func() { c.Post("/logout", url.Values{}) }, "user.loggedOut: \"Nina\" signed out."},
		{func() {
			login(webtest.Password).Want(http.StatusSeeOther)
			c.Post("/mfa", url.Values{"code": {wrong()}})
		}, "user.mfaFailed: "},
		{func() { c.Post("/mfa", url.Values{"code": {next()}}).Want(http.StatusSeeOther) }, "user.loggedIn: \"Nina\" signed in by password and authenticator code."},
		{func() {
			c.Get(p.Approve(c.Post("/account/identity/start", url.Values{}).Want(http.StatusSeeOther).Location))
		}, "user.identityLinked: "},
		{func() { c.Post("/logout", url.Values{}) }, "user.loggedOut: \"Nina\" signed out."},
		{func() {
			login(webtest.Password)
			c.Post("/mfa", url.Values{"code": {codes[0]}}).Want(http.StatusSeeOther)
		}, "user.recoveryCodeUsed: "},
		{func() {}, "user.loggedIn: \"Nina\" signed in by password and recovery code."},
		{func() {
			c = s.Anonymous()
			c.Get(p.Approve(c.Post("/auth/google", url.Values{}).Want(http.StatusSeeOther).Location)).Want(http.StatusSeeOther)
			c.Post("/mfa", url.Values{"code": {next()}}).Want(http.StatusSeeOther)
		}, "user.loggedIn: \"Nina\" signed in by single sign-on and authenticator code."},
		{func() {
			p.Set(func() { p.Person["sub"] = "another" })
			other := s.Anonymous()
			other.Get(p.Approve(other.Post("/auth/google", url.Values{}).Location))
		}, "user.loginFailed: "},
		{func() {
			s.Anonymous().Post("/password/forgot", url.Values{"email": {u.Email}})
			if err := s.App.Jobs.Drain(t.Context(), jobs.System); err != nil {
				t.Fatal(err)
			}
		}, "user.resetRequested: "},
		{func() {
			other := s.Anonymous()
			link, ok := other.Get("/mailbox").Page().Find(`tbody a[href^="/mailbox/"]`).Attr("href")
			if !ok {
				t.Fatal("no mail")
			}
			at, _ := other.Get(link).Page().Find(`a[href*="/password/reset/"]`).Attr("href")
			other.Get(strings.TrimPrefix(at, s.URL))
			other.Post("/password/reset", url.Values{"email": {u.Email}, "password": {"eight amber lanterns sway"}, "repeat": {"eight amber lanterns sway"}}).Want(http.StatusSeeOther)
		}, "user.passwordReset: "},
		{func() {
			other := s.Anonymous()
			other.Get("/activate/" + activation(t, s))
			other.Post("/activate", url.Values{"email": {"invited@example.com"}, "name": {"Iva"}, "password": {"eight amber lanterns sway"}, "repeat": {"eight amber lanterns sway"}}).Want(http.StatusSeeOther)
		}, "user.activated: "},
	} {
		before := events()
		step.do()
		fresh := events()[len(before):]
		if step.says == "user.loggedIn: \"Nina\" signed in by password and recovery code." {
			fresh = before[len(before)-4:]
		}
		if step.says != "" && !slices.ContainsFunc(fresh, func(e string) bool { return strings.HasPrefix(e, step.says) }) {
			t.Errorf("no event %q among %q", step.says, fresh)
		}
	}
}

// TestASVS_16_4_1, the attack by what is logged (case 54): what strangers send is data in
// the log and in events: it makes no line of its own and moves no cursor.
func TestASVS_16_4_1(t *testing.T) {
	t.Parallel()
	log := new(journal)
	s := webtest.Open(t, webtest.Options{Idle: true, Log: log})
	p, admin := s.Project("Injected", false)
	c := s.SignIn(admin)
	const forged = "\x1b[2K\x1b[31m\r\n{\"level\":\"INFO\",\"msg\":\"forged\"}\n\u009b31m\u2028\x7f"
	base := "/projects/" + num(p.ID) + "/storage"
	for _, path := range []string{"/", "/nothing", base, base + "/tables/in.c-x.y"} {
		r := c.Request(http.MethodGet, path+"?q="+url.QueryEscape(forged), nil)
		r.URL.RawPath, r.URL.Path = "", path+"/"+forged
		r.Header["User-Agent"], r.Header["Referer"], r.Header["X-Forwarded-For"] = []string{"x\t\u009b31mforged"}, []string{"http://x/\tforged"}, []string{"1.2.3.4\tforged"}
		c.Do(r)
		r.URL.Path = path
		c.Do(r)
	}
	r := s.Anonymous().Request(http.MethodPost, "/login", strings.NewReader("email=agent@example.com&password=x"))
	r.Header.Set("Content-Type", formType)
	r.Header["User-Agent"] = []string{"x\t\u009b31mforged"}
	s.Anonymous().Do(r).Want(http.StatusUnprocessableEntity)
	c.Post("/login", url.Values{"email": {forged}, "password": {forged}})
	c.Post("/login", url.Values{"email": {"a" + forged + "@example.com"}, "password": {forged}})
	c.Post(base+"/buckets", url.Values{"stage": {"in"}, "name": {"plain"}, "displayName": {forged}, "description": {forged}})
	c.Post(base+"/buckets", url.Values{"stage": {"in"}, "name": {"x"}, "displayName": {"x"}, "description": {forged}}).Want(http.StatusSeeOther)
	c.Post(base+"/buckets/in.c-x", url.Values{"displayName": {"x"}, "description": {"anew " + forged}}).Want(http.StatusSeeOther)
	c.Post(base+"/buckets", url.Values{"stage": {forged}, "name": {forged}, forged: {forged}})
	c.Upload(base+"/load", "forged\x1b[31m.csv", "a\n1\n")
	_, form := c.Get("/account").Form("/account")
	form.Set("name", "Eve "+forged)
	c.Post("/account", form)
	c.Do(c.Request("FORGED", "/", nil))
	s.Update(func(tx *db.Tx) error { // whatever a part of the program hands on as it got it
		return audit.Record(tx, audit.Event{Name: "test.forged", ObjectID: forged, ObjectName: forged, ActorName: forged, Message: "Somebody did " + forged})
	})
	s.App.Reads.Flush()
	if text := log.String(); regexp.MustCompile(`[\x00-\x09\x0b-\x1f\x7f]|\x{009b}`).MatchString(text) || strings.Count(text, "\n{") != strings.Count(text, "\n")-1 {
		t.Errorf("a control sign is in the log, or a line that is none of ours: %q", text)
	}
	for _, l := range linesIn(t, log.String()) {
		if l.Msg == "forged" || l.Msg == "" {
			t.Errorf("a line was forged: %+v", l)
		}
	}
	n := 0
	s.View(func(tx *db.Tx) error {
		events, err := everyEvent(tx)
		for _, e := range events {
			for column, value := range e {
				if n++; strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || (r >= 0x7f && r < 0xa0) }) {
					t.Errorf("the event %s has a control sign in %s: %q", e["name"], column, value)
				}
			}
			if strings.Contains(e["message"], "forged") {
				n += 1000
			}
		}
		return err
	})
	if n < 1000 {
		t.Error("nothing that was sent is in an event: this proves nothing")
	}
}

// TestASVS_16_4_2, the deletion of events by an administrator (case 59): nothing that
// people can do, whatever their role, changes an event or takes one away, and who goes
// around the program is seen.
func TestASVS_16_4_2(t *testing.T) {
	t.Parallel()
	dsn := dbtest.DSN(t)
	w := newTour(t, webtest.Options{DSN: dsn, Damaged: true})
	rows := func() map[int64]string {
		w.App.Reads.Flush()
		out := map[int64]string{}
		w.View(func(tx *db.Tx) error {
			_, err := db.All(tx, func(r db.Row) (int, error) {
				var id, at int64
				cells := make([]string, 9)
				err := r.Scan(&id, &at, &cells[0], &cells[1], &cells[2], &cells[3], &cells[4], &cells[5], &cells[6], &cells[7], &cells[8])
				out[id] = fmt.Sprint(at, cells)
				return 0, err
			}, "SELECT id, created_at, type, name, object_id, actor_name, request_id, address, message, params, results FROM events")
			return err
		})
		return out
	}
	before := rows()
	for _, who := range []string{"admin", "root"} {
		w.post(who)
	}
	for _, r := range console.New(t.Context(), w.App, nil, nil).Routes() {
		if strings.Contains(r.Path, "event") && r.Method != http.MethodGet {
			t.Errorf("%s %s changes events", r.Method, r.Path)
		}
		for _, method := range []string{http.MethodDelete, http.MethodPut, http.MethodPatch} {
			w.ask("root", method, w.path(r.Path), "", nil).Want(http.StatusMethodNotAllowed)
		}
	}
	after := rows()
	for id, row := range before {
		if after[id] != row {
			t.Errorf("event %d was %s and is %s", id, row, after[id])
		}
	}
	if len(before) < 20 || len(after) < len(before)+30 {
		t.Fatalf("%d events before, %d after", len(before), len(after))
	}
	w.Clock.Forward(audit.Settle + time.Minute)
	if _, _, err := audit.Seal(t.Context(), w.App.DB); err != nil {
		t.Fatal(err)
	}
	damage := func() (found []audit.Damage) {
		if _, err := audit.Verify(t.Context(), w.App.DB, func(d audit.Damage) { found = append(found, d) }, func(int64) {}); err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := damage(); len(found) > 0 {
		t.Fatalf("before: %v", found)
	}
	var victim int64
	w.View(func(tx *db.Tx) (err error) {
		victim, err = db.Value[int64](tx, "SELECT min(id) FROM events WHERE name = 'project.memberAdded'")
		return err
	})
	dbtest.Raw(t, dsn, "DELETE FROM events WHERE id = "+num(victim))
	if found := damage(); len(found) == 0 || !strings.Contains(fmt.Sprint(found), num(victim)) {
		t.Errorf("an event was deleted, and verify finds %v", found)
	}
}
