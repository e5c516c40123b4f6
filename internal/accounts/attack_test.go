package accounts_test

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"steward/internal/accounts"
	"steward/internal/config"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/tenancy"
	"steward/web/console"
	"steward/web/gate"
	"steward/web/webtest"
)

// TestPendingIsNobody: case 5, whichever way the first factor was proved by, the second one is
// asked for before anything is open, and no address is left out.
func TestPendingIsNobody(t *testing.T) {
	t.Parallel()
	f := federate(t)
	u, linker := f.linked(t)
	f.TwoStep(linker)
	routes := console.New(t.Context(), f.App, nil, nil).Routes()
	for _, way := range []struct {
		name string
		pass func() *webtest.Client
	}{
		{"the password", func() *webtest.Client { return half(f.Site, u) }},
		{"the provider", func() *webtest.Client { c := f.Anonymous(); f.arrive(c); return c }},
		{"a reset", func() *webtest.Client { // the last: it takes the provider away
			c := f.Anonymous()
			open(c, invite2(f.Site, u.Email)).Want(http.StatusOK)
			reset(c, u.Email, webtest.Password).Want(http.StatusSeeOther)
			c.Post("/login", url.Values{"email": {u.Email}, "password": {webtest.Password}}).Want(http.StatusSeeOther)
			return c
		}},
	} {
		c, asked := way.pass(), 0
		c.Get("/mfa").Want(http.StatusOK)
		for _, r := range routes {
			if r.Rule.Kind == gate.ForAnyone {
				continue
			}
			asked++
			path := strings.NewReplacer(":project", "1", ":bucket", "in.c-x", ":table", "in.c-x.t", ":file", "1", ":job", "1", ":trash", "1", ":version", "1", ":snapshot", "1", ":user", "1", ":mail", "1", ":session", "1").Replace(r.Path)
			req := c.Request(r.Method, path, nil)
			req.Header.Set("Origin", f.URL)
			if console.Uploads(req) {
				req.Header.Set("Content-Type", "multipart/form-data; boundary=x")
			}
			if res := c.Do(req); res.Status != http.StatusSeeOther || !strings.HasPrefix(res.Location, "/login") {
				t.Errorf("after %s: %s %s: %d %s", way.name, r.Method, path, res.Status, res.Location)
			}
		}
		if asked < 80 {
			t.Errorf("only %d addresses", asked)
		}
	}
}

// TestGuessesFromEverywhere: case 7, codes are counted for the account, whatever addresses,
// browsers and sign-ins they come from.
func TestGuessesFromEverywhere(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Config: func(c *config.Config) { c.BehindProxy, c.PublicURL = true, "https://console.example.com" }})
	u := s.User("")
	from := func(n int, path string, cookies []*http.Cookie, f url.Values) webtest.Response {
		c := s.Anonymous()
		r := c.Request(http.MethodPost, path, strings.NewReader(f.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "https://console.example.com")
		r.Header.Set("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", n))
		for _, k := range cookies {
			r.AddCookie(k)
		}
		return c.Do(r)
	}
	s.Update(func(tx *db.Tx) error { // a factor of which nobody knows the secret
		if err := s.App.Accounts.StartFactor(tx, u.Actor()); err != nil {
			return err
		}
		_, err := tx.Exec("INSERT INTO factors (user_id, secret, last_step, failures, codes_sealed, codes_at, created_at) SELECT user_id, secret, 0, 0, '', 0, created_at FROM factor_enrolments")
		return err
	})
	looked, waited := 0, 0
	for n := range 20 {
		first := from(n, "/login", nil, url.Values{"email": {u.Email}, "password": {webtest.Password}}).Want(http.StatusSeeOther)
		res := http.Response{Header: first.Header}
		switch from(n+100, "/mfa", res.Cookies(), url.Values{"code": {"123456"}}).Status {
		case http.StatusUnprocessableEntity:
			looked++
		case http.StatusTooManyRequests:
			waited++
		}
	}
	if looked != 5 || waited != 15 {
		t.Errorf("%d of 20 codes were looked at, %d had to wait; want 5 and 15", looked, waited)
	}
	s.View(func(tx *db.Tx) error {
		n, err := db.Value[int64](tx, "SELECT count(DISTINCT address) FROM events WHERE name = 'user.mfaFailed'")
		if n != 5 {
			t.Errorf("the guesses came from %d addresses", n)
		}
		return err
	})
}

// TestRecoveryCodeAtOnce: case 8, one recovery code sent many times at once lets in once.
func TestRecoveryCodeAtOnce(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u, _, _, codes := enrolled(t, s)
	clients := make([]*webtest.Client, 12)
	for i := range clients {
		clients[i] = half(s, u)
	}
	var entered atomic.Int64
	var wg sync.WaitGroup
	for _, c := range clients {
		wg.Go(func() {
			if second(c, codes[0]); in(c) {
				entered.Add(1)
			}
		})
	}
	wg.Wait()
	if n := entered.Load(); n != 1 {
		t.Errorf("one recovery code let in %d times", n)
	}
}

// TestSpellings: case 9, an address has one count, however it is spelled.
func TestSpellings(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u := s.User("")
	name, host, _ := strings.Cut(u.Email, "@")
	wide := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'ａ'
		}
		return r
	}, name)
	answers := map[int]int{}
	for _, email := range []string{u.Email, strings.ToUpper(u.Email), " " + u.Email, u.Email + "\t", wide + "@" + host, strings.ToUpper(wide) + "@" + host, name + "@" + strings.ToUpper(host), u.Email} {
		answers[s.Anonymous().Post("/login", url.Values{"email": {email}, "password": {"wrong wrong wrong"}}).Status]++
	}
	if answers[http.StatusUnprocessableEntity] != 6 || answers[http.StatusTooManyRequests] != 2 { // five are free, and the sixth sets the first delay
		t.Errorf("eight guesses under seven spellings: %v", answers)
	}
}

// TestHostileForms: case 15, whatever is sent in place of one address, no mail goes to another.
func TestHostileForms(t *testing.T) {
	t.Parallel()
	s := posted(t)
	u := s.User("")
	const evil = "evil@example.net"
	for name, x := range map[string]struct{ kind, body string }{
		"a list":         {"application/x-www-form-urlencoded", "email[]=" + u.Email + "&email[]=" + evil},
		"twice":          {"application/x-www-form-urlencoded", "email=" + u.Email + "&email=" + evil},
		"numbered":       {"application/x-www-form-urlencoded", "email[0]=" + u.Email + "&email[1]=" + evil},
		"a key besides":  {"application/x-www-form-urlencoded", "email=" + u.Email + "&to=" + evil},
		"CRLF":           {"application/x-www-form-urlencoded", "email=" + u.Email + "%0d%0aBcc:" + evil},
		"LF":             {"application/x-www-form-urlencoded", "email=" + u.Email + "%0aBcc:" + evil},
		"NUL":            {"application/x-www-form-urlencoded", "email=" + u.Email + "%00" + evil},
		"comma":          {"application/x-www-form-urlencoded", "email=" + u.Email + "," + evil},
		"semicolon":      {"application/x-www-form-urlencoded", "email=" + u.Email + "%3B" + evil},
		"space":          {"application/x-www-form-urlencoded", "email=" + u.Email + "+" + evil},
		"a name":         {"application/x-www-form-urlencoded", "email=" + url.QueryEscape("<"+u.Email+"> "+evil)},
		"JSON":           {"application/json", `{"email":["` + u.Email + `","` + evil + `"]}`},
		"JSON as a form": {"application/x-www-form-urlencoded", `{"email":["` + u.Email + `","` + evil + `"]}`},
		"text":           {"text/plain", "email=" + u.Email + "&email=" + evil},
		"XML":            {"application/xml", "<email>" + u.Email + "</email><email>" + evil + "</email>"},
	} {
		c := s.Anonymous()
		r := c.Request(http.MethodPost, "/password/forgot?email="+evil, strings.NewReader(x.body))
		r.Header.Set("Content-Type", x.kind)
		r.Header.Set("Origin", s.URL)
		want := http.StatusUnprocessableEntity
		if x.kind != "application/x-www-form-urlencoded" {
			want = http.StatusUnsupportedMediaType
		}
		if res := c.Do(r); res.Status != want {
			t.Errorf("%s: %d, want %d", name, res.Status, want)
		}
	}
	letters(s, u.Email)
	s.View(func(tx *db.Tx) error {
		n, err := db.Value[int64](tx, "SELECT count(*) FROM mails")
		if n != 0 {
			t.Errorf("%d mails were written", n)
		}
		return err
	})
	forgot(s.Anonymous(), u.Email).Want(http.StatusSeeOther)
	if got := letters(s, u.Email); len(got) != 1 {
		t.Errorf("the address alone: %q", got)
	}
}

// linking are the kinds of letters that have a link, as package mail tells.
func linking(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile("../mail/letter.go")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile(`Kind = "(\w+)" +//.*has a link`).FindAllStringSubmatch(string(b), -1) {
		out = append(out, m[1])
	}
	if len(out) < 5 {
		t.Fatalf("only %q", out)
	}
	return out
}

// TestHostileHosts: case 14, the links of every mail, and those that are shown to be passed
// on, lead where the configuration says, byte for byte, whatever the requests claim their
// host is.
func TestHostileHosts(t *testing.T) {
	t.Parallel()
	const public = "https://127.0.0.1:9443"
	for name, behind := range map[string]bool{"direct": false, "behind a proxy": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := webtest.NewProvider(t)
			s := webtest.Open(t, webtest.Options{Idle: true, Secure: behind, Config: func(c *config.Config) {
				c.SMTP = config.MailboxURL
				p.Configure(c)
				if behind {
					c.PublicURL = public
				}
			}})
			p.Now = s.Clock.Now
			want := s.URL
			if behind {
				want = public
			}
			spoofs := []map[string]string{
				{"X-Forwarded-Host": "evil.example.net"}, {"Forwarded": "for=1.2.3.4;host=evil.example.net;proto=http"}, {"X-Forwarded-Proto": "http", "X-Forwarded-Port": "8443", "X-Forwarded-Prefix": "/evil"},
				{"X-Original-URL": "http://evil.example.net/", "X-Rewrite-URL": "http://evil.example.net/"}, {"X-Host": "evil.example.net", "X-HTTP-Host-Override": "evil.example.net", "X-Forwarded-Server": "evil.example.net"},
			}
			lie := func(c *webtest.Client, host, path string, f url.Values, spoofs ...map[string]string) webtest.Response {
				r := c.Request(http.MethodPost, path, strings.NewReader(f.Encode()))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.Header.Set("Sec-Fetch-Site", "same-origin")
				r.Host = host
				for _, headers := range spoofs {
					for k, v := range headers {
						r.Header.Set(k, v)
					}
				}
				// The jar goes by the host that is claimed; the browser stays at this site.
				for _, k := range c.HTTP.Jar.Cookies(r.URL) {
					r.AddCookie(k)
				}
				res := c.Do(r)
				answer := http.Response{Header: res.Header}
				c.HTTP.Jar.SetCookies(r.URL, answer.Cookies())
				return res
			}
			u, v, root := s.User(""), s.User(""), s.SuperAdmin("Root")
			s.TwoStep(s.SignIn(u))
			taken := 0
			for i, host := range []string{"evil.example.net", "evil.example.net:80", strings.TrimPrefix(want, "https://") + ".evil.example.net", "evil.example.net#", "[::1]"} {
				s.Clock.Forward(time.Hour)
				res := lie(s.Anonymous(), host, "/password/forgot", url.Values{"email": {u.Email}}, spoofs[i])
				if res.Status == http.StatusBadRequest { // the server itself takes no such host
					continue
				}
				if taken++; res.Status != http.StatusSeeOther || strings.Contains(res.Location, "evil") {
					t.Errorf("%v: %d %s", spoofs[i], res.Status, res.Location)
				}
			}
			const evil = "evil.example.net"
			super := s.SignIn(root)
			for path, f := range map[string]url.Values{
				"/admin/users": {"email": {"new@example.com"}, "name": {"New"}}, fmt.Sprintf("/admin/users/%d/link", u.ID): {}, fmt.Sprintf("/admin/users/%d/reset-mfa", u.ID): {},
			} {
				shown := lie(super, evil, path, f, spoofs...).Want(http.StatusOK)
				if link := shown.Page().Find("[data-copy]").AttrOr("data-copy", ""); !strings.HasPrefix(link, want+"/") || strings.Contains(shown.Body, "evil") {
					t.Errorf("%s shows the link %s, want %s", path, link, want)
				}
			}
			p.Set(func() { p.Person["sub"], p.Person["email"] = "3003", v.Email })
			back := s.Anonymous()
			departed := lie(back, evil, "/auth/google", url.Values{"next": {"/"}}, spoofs...).Want(http.StatusSeeOther)
			if at, err := url.Parse(departed.Location); err != nil || at.Query().Get("redirect_uri") != want+accounts.ReturnPath {
				t.Errorf("the provider is told to lead back to %s", departed.Location)
			}
			back.Get(p.Approve(departed.Location)).Want(http.StatusSeeOther)
			lie(back, evil, "/auth/google/link/mail", url.Values{}, spoofs...).Want(http.StatusSeeOther)
			s.SignIn(v)
			lie(s.SignIn(v), evil, "/account/password", url.Values{"current": {webtest.Password}, "password": {fresh}, "repeat": {fresh}}, spoofs...).Want(http.StatusSeeOther)

			project, admin := s.Project("Hosts", false)
			invited := lie(s.SignIn(admin), evil, fmt.Sprintf("/projects/%d/settings/users", project.ID), url.Values{"emails": {v.Email + ",newcomer@example.com"}, "role": {"guest"}, "reason": {""}, "until": {""}, "days": {"7"}}, spoofs...).Want(http.StatusOK)
			if link := invited.Page().Find("[data-copy]").AttrOr("data-copy", ""); link != want+tenancy.InvitationsPath || strings.Contains(invited.Body, "evil") {
				t.Errorf("who invites is shown the link %s", link)
			}

			s.Update(func(tx *db.Tx) error {
				if err := tx.Must("UPDATE organizations SET allow_auto_join = FALSE WHERE id = $1", project.Organization); err != nil {
					return err
				}
				return tenancy.JoinOrganization(tx, admin.Actor(), project.Organization, admin)
			})
			lie(s.SignIn(admin), evil, fmt.Sprintf("/organizations/%d/members", project.Organization), url.Values{"emails": {v.Email + ",another@example.com"}, "reason": {""}, "days": {"7"}}, spoofs...).Want(http.StatusOK)
			lie(super, evil, fmt.Sprintf("/projects/%d/request", project.ID), url.Values{"reason": {"To look"}, "hours": {"1"}}, spoofs...).Want(http.StatusSeeOther)
			lie(s.SignIn(admin), evil, fmt.Sprintf("/projects/%d/settings/requests/1/approve", project.ID), url.Values{}, spoofs...).Want(http.StatusSeeOther)
			s.Update(func(tx *db.Tx) error {
				return tx.Must("UPDATE organizations SET allow_auto_join = TRUE WHERE id = $1", project.Organization)
			})
			lie(super, evil, fmt.Sprintf("/organizations/%d/join", project.Organization), url.Values{"reason": {"To look"}, "hours": {"1"}}, spoofs...).Want(http.StatusSeeOther)

			seen, host := s.Project("Seen", false)
			lie(super, evil, fmt.Sprintf("/projects/%d/join", seen.ID), url.Values{"reason": {"To look"}, "hours": {"1"}}, spoofs...).Want(http.StatusSeeOther)

			lie(s.SignIn(admin), evil, fmt.Sprintf("/projects/%d/settings/limits/ask", project.ID), url.Values{"for": {"time"}, "text": {"Two weeks"}}, spoofs...).Want(http.StatusSeeOther)
			above := fmt.Sprintf("/admin/projects/%d/", project.ID)
			lie(super, evil, above+"disable", url.Values{"reason": {"Moved"}, "back": {""}}, spoofs...).Want(http.StatusSeeOther)
			lie(super, evil, above+"enable", url.Values{}, spoofs...).Want(http.StatusSeeOther)
			lie(s.SignIn(admin), evil, fmt.Sprintf("/projects/%d/settings/project/delete", project.ID), url.Values{"confirm": {"Hosts"}}, spoofs...).Want(http.StatusSeeOther)
			lie(super, evil, above+"undelete", url.Values{"expires": {time.Now().AddDate(0, 0, 3).UTC().Format(time.DateOnly)}}, spoofs...).Want(http.StatusSeeOther)
			if err := s.App.Tenancy.Expire(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := s.App.Jobs.Drain(t.Context(), jobs.System); err != nil {
				t.Fatal(err)
			}

			links := map[string][]string{}
			for _, to := range []string{u.Email, v.Email, admin.Email, host.Email, root.Email, "new@example.com", "newcomer@example.com", "another@example.com"} {
				mailed(s, to, links)
			}
			begins := map[string]string{"activate": accounts.ActivatePath, "resetPassword": accounts.ResetPath, "resetByAdmin": accounts.ResetPath, "factorLost": accounts.DropFactorPath, "identityConfirm": accounts.ConfirmPath,
				"projectWelcome": accounts.ActivatePath, "teamWelcome": accounts.ActivatePath}
			pages := map[string]string{"projectInvitation": tenancy.InvitationsPath, "teamInvitation": tenancy.InvitationsPath, "joinRequested": tenancy.RequestPath(project.ID, 1), "joinApproved": fmt.Sprintf("/projects/%d", project.ID),
				"moreWanted": fmt.Sprintf("/admin/projects/%d", project.ID), "projectExpires": fmt.Sprintf("/projects/%d", project.ID), "projectRestored": fmt.Sprintf("/projects/%d", project.ID), "projectEnabled": fmt.Sprintf("/projects/%d", project.ID),
				"teamJoined": fmt.Sprintf("/organizations/%d/members", project.Organization), "projectVisited": fmt.Sprintf("/projects/%d/settings/users", seen.ID)} // others lead to where one gets a new password
			for _, kind := range append(linking(t), "passwordChanged", "newDevice") { // which tell where to get a new password
				if len(links[kind]) == 0 {
					t.Errorf("no mail of the kind %s has a link", kind)
				}
				for _, l := range links[kind] {
					path, own := strings.CutPrefix(l, want)
					if start := begins[kind]; !own || start != "" && !strings.HasPrefix(path, start+"stw_") || start == "" && path != cmp.Or(pages[kind], "/password/forgot") {
						t.Errorf("a link of %s leads to %s, want %s%s", kind, l, want, start)
					}
				}
			}
			if taken < 4 || len(links["resetPassword"]) != taken {
				t.Errorf("%d of the lies were taken, and %d links mailed after them", taken, len(links["resetPassword"]))
			}
		})
	}
}

// mailed adds the addresses in the mails to somebody, as they stand there, by the kind of the
// mail: those that one can press and those that one reads.
func mailed(s *webtest.Site, to string, links map[string][]string) {
	s.T.Helper()
	kinds(s, to)
	kinds(s, to)
	type kept struct {
		id   int64
		kind string
	}
	var list []kept
	s.View(func(tx *db.Tx) (err error) {
		list, err = db.All(tx, func(r db.Row) (kept, error) {
			var k kept
			return k, r.Scan(&k.id, &k.kind)
		}, "SELECT id, kind FROM mails WHERE recipient = $1 ORDER BY id LIMIT 100", to)
		return err
	})
	c := s.Anonymous()
	for _, m := range list {
		page := c.Get(fmt.Sprintf("/mailbox/%d", m.id)).Want(http.StatusOK).Page()
		var found []string
		anchors := page.Find(`a[href^="http"], a[href^="//"]`)
		for i := range anchors.Nodes {
			found = append(found, anchors.Eq(i).AttrOr("href", ""))
			if text := anchors.Eq(i).Text(); strings.Contains(text, "://") {
				found = append(found, strings.TrimSpace(text))
			}
		}
		for _, l := range found {
			if !slices.Contains(links[m.kind], l) {
				links[m.kind] = append(links[m.kind], l)
			}
		}
	}
}

// TestOpenRedirects: case 20, however the way after signing in is spelled, it ends on this site.
func TestOpenRedirects(t *testing.T) {
	t.Parallel()
	f := federate(t)
	u, _ := f.linked(t)
	v, _, secret, _ := enrolled(t, f.Site)
	corpus := []string{
		"//evil.example", "///evil.example", "////evil.example", `/\evil.example`, `\/evil.example`, `\\evil.example`, `/\/evil.example`, "/\t/evil.example", "/\n/evil.example", "/\r/evil.example", "\t//evil.example", " //evil.example", "https://evil.example", "https:evil.example",
		"https:/evil.example", "HTTPS://evil.example", "http:evil.example", "//evil.example%2f@console", "//evil.example\\@console", "https://console@evil.example", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "\x01javascript:alert(1)", "data:text/html,x",
		"vbscript:x", "evil.example", "evil.example/", "@evil.example", ":evil.example", "?//evil.example", "#//evil.example", "/\x00/evil.example", "\x00//evil.example", "//[::1]", "//0x7f000001", "//evil.example:80", "//evil\u3002example", "／／evil.example", "/\u2028/evil.example", "//%65vil.example",
		"/%0d%0aLocation:%20//evil.example", "/\r\nLocation: //evil.example", ".//evil.example", "..//evil.example", "mailto:x@evil.example", "ftp://evil.example", "//evil.example?//x", "//evil.example;x", "/%5cevil.example/%2e%2e", "///\\;@evil.example",
	}
	if len(corpus) < 50 {
		t.Fatalf("only %d", len(corpus))
	}
	at, err := url.Parse(f.URL + "/login")
	if err != nil {
		t.Fatal(err)
	}
	safe := func(where, next string, r webtest.Response) {
		t.Helper()
		to, err := at.Parse(r.Location)
		if r.Status != http.StatusSeeOther || err != nil || to.Host != at.Host || to.Scheme != at.Scheme || strings.HasPrefix(r.Location, "//") || strings.ContainsAny(r.Location, "\\\t\r\n\x00") {
			t.Errorf("%s, %q: %d %q", where, next, r.Status, r.Location)
		}
	}
	// Somebody without a password proves by the provider who they are.
	other := func(sub, email string) { f.p.Set(func() { f.p.Person["sub"], f.p.Person["email"] = sub, email }) }
	const bare = "bare@example.com"
	invite(f.Site, bare)
	other("2002", bare)
	w := f.Anonymous()
	f.arrive(w)
	c := f.SignIn(u)
	for _, next := range corpus {
		f.Clock.Forward(time.Minute) // a code counts once
		safe("GET /login", next, c.Get("/login?next="+url.QueryEscape(next)))
		safe("POST /account/theme", next, c.Post("/account/theme", url.Values{"theme": {"dark"}, "next": {next}}))
		safe("POST /account/confirm", next, c.Post("/account/confirm", url.Values{"current": {webtest.Password}, "next": {next}}))
		l := f.Anonymous()
		safe("POST /login", next, l.Post("/login", url.Values{"email": {u.Email}, "password": {webtest.Password}, "next": {next}}))
		d := f.Anonymous()
		safe("POST /login, with a second step", next, d.Post("/login", url.Values{"email": {v.Email}, "password": {webtest.Password}, "next": {next}}))
		safe("POST /mfa", next, d.Post("/mfa", url.Values{"code": {f.Code(secret)}, "next": {next}}))
		other("1001", u.Email)
		e := f.Anonymous()
		safe("POST /auth/google", next, e.Get(f.p.Approve(depart(e, next))))
		for _, over := range []*webtest.Client{l, e} { // there are ten sessions at most
			over.Post("/logout", nil).Want(http.StatusSeeOther)
		}
		other("2002", bare)
		safe("POST /account/confirm/provider", next, w.Get(f.p.Approve(w.Post("/account/confirm/provider", url.Values{"next": {next}}).Want(http.StatusSeeOther).Location)))
	}
}
