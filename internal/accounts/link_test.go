package accounts_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/config"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/tenancy"
	"steward/web/webtest"
)

const fresh = "seven violet kettles hum"

// posted opens a site whose mails can be read.
func posted(t *testing.T) *webtest.Site {
	t.Helper()
	return webtest.Open(t, webtest.Options{Idle: true, Config: func(c *config.Config) { c.SMTP = config.MailboxURL }})
}

// letters are the links in the mails to an address, the newest first, as paths.
func letters(s *webtest.Site, to string) (paths []string) {
	s.T.Helper()
	for range 2 { // a job that asks for a mail, then the mail
		if err := s.App.Jobs.Drain(s.T.Context(), jobs.System); err != nil {
			s.T.Fatal(err)
		}
	}
	c := s.Anonymous()
	c.Get("/mailbox?q=" + url.QueryEscape(to)).Want(http.StatusOK).Page().Find("tbody tr a").Each(func(_ int, a *goquery.Selection) {
		page := c.Get(a.AttrOr("href", "")).Want(http.StatusOK).Page()
		page.Find(`a[href*="/activate/"], a[href*="/password/reset/"]`).Each(func(_ int, link *goquery.Selection) {
			path, ok := strings.CutPrefix(link.AttrOr("href", ""), s.URL)
			if !ok {
				s.T.Errorf("a link leads to %s, not to %s", link.AttrOr("href", ""), s.URL)
			}
			if !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		})
	})
	return paths
}

func invite(s *webtest.Site, email string) (path string) {
	s.T.Helper()
	s.Update(func(tx *db.Tx) (err error) {
		_, path, err = s.App.Accounts.Invite(tx, access.Actor{Name: "Vera", SuperAdmin: true}, accounts.NewUser{Email: email})
		return err
	})
	return path
}

// open follows a link of a mail to its form.
func open(c *webtest.Client, path string) webtest.Response {
	r := c.Get(path).Want(http.StatusSeeOther)
	if strings.Contains(r.Location, "stw_") {
		c.Get(r.Location)
	}
	return c.Get(r.Location)
}

// TestASVS_6_4_1: the link that activates an account is random, works once, and for a week.
func TestASVS_6_4_1(t *testing.T) {
	t.Parallel()
	s := posted(t)
	path := invite(s, "new@example.com")
	if got := letters(s, "new@example.com"); len(got) != 1 || got[0] != path {
		t.Fatalf("mailed %q, given %q", got, path)
	}
	c := s.Anonymous()
	for range 3 { // programs open links before people do
		s.Anonymous().Get(path).Want(http.StatusSeeOther)
	}
	form := open(c, path).Want(http.StatusOK)
	if !strings.Contains(form.Body, "new@example.com") {
		t.Error("the form does not name the address")
	}
	send := func(c *webtest.Client, name, password, repeat string) webtest.Response {
		return c.Post("/activate", url.Values{"email": {"new@example.com"}, "name": {name}, "password": {password}, "repeat": {repeat}})
	}
	for _, bad := range [][3]string{{"", fresh, fresh}, {"Nina", "short", "short"}, {"Nina", fresh, fresh + "!"}, {"Nina", "password1password1", "password1password1"}} {
		send(c, bad[0], bad[1], bad[2]).Want(http.StatusUnprocessableEntity)
	}
	other := s.Anonymous()
	open(other, path).Want(http.StatusOK)
	if r := send(c, "Nina Novak", fresh, fresh); !strings.HasPrefix(r.Location, "/login") {
		t.Fatalf("activated: %d %s", r.Status, r.Location)
	}
	send(other, "Mallory", "another long passphrase", "another long passphrase").Want(http.StatusNotFound)
	open(s.Anonymous(), path).Want(http.StatusNotFound)
	if r := c.Post("/login", url.Values{"email": {"new@example.com"}, "password": {fresh}}); r.Location != "/" {
		t.Errorf("the new account signs in: %d %s", r.Status, r.Location)
	}
	late := invite(s, "late@example.com")
	s.Clock.Forward(7*24*time.Hour + time.Minute)
	open(s.Anonymous(), late).Want(http.StatusNotFound)
	early := invite(s, "early@example.com")
	again := invite2(s, "early@example.com")
	open(s.Anonymous(), early).Want(http.StatusNotFound)
	open(s.Anonymous(), again).Want(http.StatusOK)
}

// invite2 sends somebody who is invited a new link.
func invite2(s *webtest.Site, email string) (path string) {
	s.T.Helper()
	s.Update(func(tx *db.Tx) error {
		u, err := s.App.Accounts.ByEmail(tx, email)
		if err != nil {
			return err
		}
		path, err = s.App.Accounts.SendLink(tx, access.Actor{Name: "Vera", SuperAdmin: true}, u.ID)
		return err
	})
	return path
}

func forgot(c *webtest.Client, email string) webtest.Response {
	return c.Post("/password/forgot", url.Values{"email": {email}})
}

func reset(c *webtest.Client, email, password string) webtest.Response {
	return c.Post("/password/reset", url.Values{"email": {email}, "password": {password}, "repeat": {password}})
}

// TestASVS_6_4_3: cases 2 and 16, a new password by mail ends all sessions, works once and for half an
// hour, and does not stand in for the second factor.
func TestASVS_6_4_3(t *testing.T) {
	t.Parallel()
	s := posted(t)
	u, c, secret, _ := enrolled(t, s)
	waiting := half(s, u)
	forgot(s.Anonymous(), strings.ToUpper(u.Email)).Want(http.StatusSeeOther)
	first := letters(s, u.Email)
	s.Clock.Forward(time.Minute)
	forgot(s.Anonymous(), u.Email).Want(http.StatusSeeOther)
	both := letters(s, u.Email)
	if len(first) != 1 || len(both) != 2 {
		t.Fatalf("links %q, then %q", first, both)
	}
	d := s.Anonymous()
	open(d, first[0]).Want(http.StatusNotFound) // only the newest counts
	open(d, both[0]).Want(http.StatusOK)
	twin := s.Anonymous()
	open(twin, both[0]).Want(http.StatusOK)
	reset(d, u.Email, fresh).Want(http.StatusSeeOther)
	if in(d) || in(c) {
		t.Error("a session is open after the password was reset")
	}
	if second(waiting, s.Code(secret)); in(waiting) {
		t.Error("a sign-in that was under way went on after the reset")
	}
	for _, again := range []*webtest.Client{d, twin} {
		reset(again, u.Email, "yet another long passphrase").Want(http.StatusNotFound)
	}
	open(s.Anonymous(), both[0]).Want(http.StatusNotFound)
	d.Post("/login", url.Values{"email": {u.Email}, "password": {webtest.Password}}).Want(http.StatusUnprocessableEntity)
	if r := d.Post("/login", url.Values{"email": {u.Email}, "password": {fresh}}); r.Location != "/mfa" {
		t.Errorf("after a reset the password leads to %d %s", r.Status, r.Location)
	}
	s.Clock.Forward(time.Hour)
	forgot(s.Anonymous(), u.Email).Want(http.StatusSeeOther)
	path := letters(s, u.Email)[0]
	s.Clock.Forward(31 * time.Minute)
	open(s.Anonymous(), path).Want(http.StatusNotFound)
}

// TestLinksDie: case 16, a link to a new password does not outlive a change of it, nor the account.
func TestLinksDie(t *testing.T) {
	t.Parallel()
	s := posted(t)
	u := s.User("")
	forgot(s.Anonymous(), u.Email)
	path := letters(s, u.Email)[0]
	c := s.SignIn(u)
	c.Post("/account/password", url.Values{"current": {webtest.Password}, "password": {fresh}, "repeat": {fresh}}).Want(http.StatusSeeOther)
	open(s.Anonymous(), path).Want(http.StatusNotFound)
	s.Clock.Forward(time.Hour)
	forgot(s.Anonymous(), u.Email)
	path = letters(s, u.Email)[0]
	root := s.SuperAdmin("")
	s.Update(func(tx *db.Tx) error { return s.App.Accounts.Disable(tx, root.Actor(), u.ID) })
	open(s.Anonymous(), path).Want(http.StatusNotFound)
	before := len(letters(s, u.Email))
	s.Clock.Forward(time.Hour)
	forgot(s.Anonymous(), u.Email).Want(http.StatusSeeOther)
	if len(letters(s, u.Email)) != before {
		t.Error("a disabled account gets a link")
	}
}

// TestASVS_6_2_3: a new password needs the old one; the other sessions end.
func TestASVS_6_2_3(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u := s.User("")
	c, other := s.SignIn(u), s.SignIn(u)
	change := func(current, password, repeat string) webtest.Response {
		return c.Post("/account/password", url.Values{"current": {current}, "password": {password}, "repeat": {repeat}})
	}
	change("", fresh, fresh).Want(http.StatusUnprocessableEntity)
	change("wrong wrong wrong", fresh, fresh).Want(http.StatusUnprocessableEntity)
	change(webtest.Password, fresh, "").Want(http.StatusUnprocessableEntity)
	change(webtest.Password, "qwertyuiopasdfghjkl", "qwertyuiopasdfghjkl").Want(http.StatusUnprocessableEntity)
	if !in(other) {
		t.Fatal("a refused change ended a session")
	}
	old := session(c)
	change(webtest.Password, fresh, fresh).Want(http.StatusSeeOther)
	if in(other) || !in(c) || session(c).Value == old.Value {
		t.Errorf("after the change: other session %t, own %t, token renewed %t", in(other), in(c), session(c).Value != old.Value)
	}
	s.Anonymous().Post("/login", url.Values{"email": {u.Email}, "password": {webtest.Password}}).Want(http.StatusUnprocessableEntity)
	s.Anonymous().Post("/login", url.Values{"email": {u.Email}, "password": {fresh}}).Want(http.StatusSeeOther)
	for range 8 {
		change("wrong wrong wrong", fresh, fresh)
	}
	if r := change("wrong wrong wrong", fresh, fresh); r.Status != http.StatusTooManyRequests || r.Header.Get("Retry-After") == "" {
		t.Errorf("guesses of the old password are not slowed down: %d", r.Status)
	}
}

// TestASVS_6_2_11: a password that is little more than a name from around here is refused, at
// every door where one is set, each name for itself.
func TestASVS_6_2_11(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u, words := known(t, s)
	v, theirs := known(t, s)
	empty := webtest.Open(t, webtest.Options{Idle: true}) // where nobody is yet
	code, err := tenancy.SetupCode(t.Context(), empty.App.DB)
	if err != nil {
		t.Fatal(err)
	}
	signedIn, resets, activates := s.SignIn(u), s.Anonymous(), s.Anonymous()
	open(resets, invite2(s, v.Email)).Want(http.StatusOK)
	open(activates, invite(s, "lindenbaum@example.com")).Want(http.StatusOK)
	for door, x := range map[string]struct {
		words map[string]string
		set   func(password string) webtest.Response
	}{
		"change": {words, func(password string) webtest.Response { return change(signedIn, webtest.Password, password) }},
		"reset":  {theirs, func(password string) webtest.Response { return reset(resets, v.Email, password) }},
		"activation": {map[string]string{"the product": "steward", "the name": "Hildegard", "the address": "Lindenbaum"}, func(password string) webtest.Response {
			return activates.Post("/activate", url.Values{"email": {"lindenbaum@example.com"}, "name": {"Hildegard"}, "password": {password}, "repeat": {password}})
		}},
		"the first run": {map[string]string{"the product": "steward", "the name": "Hildegard", "the address": "Ahornblatt", "the maintainer": "Morgenstern", "the organization": "Sternwarte", "the project": "Wolkenkratzer"}, func(password string) webtest.Response {
			return empty.Anonymous().Post("/setup", url.Values{"code": {code}, "email": {"ahornblatt@example.com"}, "name": {"Hildegard"}, "password": {password}, "repeat": {password},
				"maintainer": {"Morgenstern"}, "organization": {"Sternwarte"}, "project": {"Wolkenkratzer"}})
		}},
	} {
		for of, word := range x.words {
			if r := x.set(around(word)); r.Status != http.StatusUnprocessableEntity || !strings.Contains(r.Body, "little more than a name") {
				t.Errorf("%s, %s: a password made of %q: %d", door, of, word, r.Status)
			}
		}
		if r := x.set("wolkenkratzer under copper lanterns"); r.Status != http.StatusSeeOther {
			t.Errorf("%s: a name and more: %d", door, r.Status)
		}
	}
}

// TestASVS_6_3_8_reset: case 11, whether an address has an account cannot be seen from the answer.
func TestASVS_6_3_8_reset(t *testing.T) {
	t.Parallel()
	s := posted(t)
	u := s.User("")
	known, unknown := forgot(s.Anonymous(), u.Email), forgot(s.Anonymous(), "nobody@example.com")
	if known.Status != unknown.Status || known.Location != unknown.Location || known.Body != unknown.Body {
		t.Errorf("known: %d %s, unknown: %d %s", known.Status, known.Location, unknown.Status, unknown.Location)
	}
	for i := range 3 { // three an hour for an address, whether known or not
		a, b := forgot(s.Anonymous(), u.Email), forgot(s.Anonymous(), "nobody@example.com")
		if a.Status != b.Status || (i == 2) != (a.Status == http.StatusTooManyRequests) {
			t.Errorf("request %d: known %d, unknown %d", i+2, a.Status, b.Status)
		}
	}
	in := func(email string) webtest.Response {
		return s.Anonymous().Post("/login", url.Values{"email": {email}, "password": {"wrong wrong wrong"}})
	}
	wrong, nobody := in(u.Email), in("somebody@example.com")
	same := func(r webtest.Response) string {
		d := r.Page()
		d.Find("input").Each(func(_ int, i *goquery.Selection) { i.RemoveAttr("value") })
		text, _ := d.Find("main").Html()
		return text
	}
	if wrong.Status != nobody.Status || same(wrong) != same(nobody) {
		t.Errorf("signing in: known %d, unknown %d", wrong.Status, nobody.Status)
	}
}

// TestHostileAddresses: cases 14 and 15, a reset goes to the account's own address and nowhere else, and its
// link leads to this installation, whatever the request claims.
func TestHostileAddresses(t *testing.T) {
	t.Parallel()
	s := posted(t)
	u := s.User("")
	c := s.Anonymous()
	for _, f := range []url.Values{
		{"email": {u.Email, "evil@example.net"}}, {"email[]": {u.Email, "evil@example.net"}}, {"email": {u.Email + ",evil@example.net"}}, {"email": {u.Email + "\r\nBcc: evil@example.net"}},
		{"email": {"Name <" + u.Email + ">"}}, {"email": {u.Email + "%0d%0aBcc:evil@example.net"}},
	} {
		c.Post("/password/forgot", f).Want(http.StatusUnprocessableEntity)
	}
	r := c.Request("POST", "/password/forgot", strings.NewReader(url.Values{"email": {u.Email}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", s.URL)
	for _, h := range []string{"X-Forwarded-Host", "X-Forwarded-Server", "X-Host", "X-Original-Host"} {
		r.Header.Set(h, "evil.example.net")
	}
	r.Header.Set("X-Forwarded-Proto", "https")
	r.Header.Set("Forwarded", "host=evil.example.net;proto=https")
	r.Host = "evil.example.net"
	c.Do(r).Want(http.StatusSeeOther)
	if got := letters(s, u.Email); len(got) != 1 {
		t.Errorf("links %q", got)
	}
	if got := letters(s, "evil"); len(got) != 0 {
		t.Errorf("mails to evil: %q", got)
	}
}

// TestFormOfAnotherLink: a form acts on the link that it was opened by, or not at all.
func TestFormOfAnotherLink(t *testing.T) {
	t.Parallel()
	s := posted(t)
	one, two := invite(s, "one@example.com"), invite(s, "two@example.com")
	c := s.Anonymous()
	path, fields := open(c, one).Form("/activate")
	open(c, two).Want(http.StatusOK) // in another tab
	fields.Set("name", "One")
	fields.Set("password", fresh)
	fields.Set("repeat", fresh)
	c.Post(path, fields).Want(http.StatusNotFound)
	s.View(func(tx *db.Tx) error {
		for _, email := range []string{"one@example.com", "two@example.com"} {
			if u, err := s.App.Accounts.ByEmail(tx, email); err != nil || u.State != accounts.Invited {
				t.Errorf("%s is %s, %v", email, u.State, err)
			}
		}
		return nil
	})
}

// TestHandedLinksLast: without a mail server nobody can kill a link that was passed on.
func TestHandedLinksLast(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	path := invite(s, "new@example.com")
	forgot(s.Anonymous(), "new@example.com").Want(http.StatusSeeOther)
	if err := s.App.Jobs.Drain(t.Context(), jobs.System); err != nil {
		t.Fatal(err)
	}
	open(s.Anonymous(), path).Want(http.StatusOK)
}
