package console_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"steward/internal/accounts"
	"steward/internal/config"
	"steward/internal/db"
	"steward/web/webtest"
)

// baked is a cookie as an answer set it.
type baked struct {
	from string
	*http.Cookie
}

// cookies gives every cookie that is set: by the walk of all routes, and on all ways of
// signing in.
func cookies(t *testing.T) (out []baked) {
	t.Helper()
	took := func(from string, h http.Header) {
		for _, line := range h.Values("Set-Cookie") {
			k, err := http.ParseSetCookie(line)
			if err != nil {
				t.Fatalf("%s: %v", from, err)
			}
			out = append(out, baked{from, k})
		}
	}
	for _, a := range walk(t).answers {
		took(a.String(), a.Header)
	}
	p := webtest.NewProvider(t)
	s := webtest.Open(t, webtest.Options{Idle: true, Secure: true, Config: func(c *config.Config) { p.Configure(c); c.SMTP = config.MailboxURL }})
	u := s.User("")
	p.Person["email"] = u.Email
	c := s.Anonymous()
	ask := func(r webtest.Response) webtest.Response {
		took(r.Location, r.Header)
		return r
	}
	login := url.Values{"email": {u.Email}, "password": {webtest.Password}}
	ask(c.Post("/login", login)).Want(http.StatusSeeOther)
	secret, _ := s.TwoStep(c)
	c.Post("/account/recovery-codes/stored", url.Values{}).Want(http.StatusSeeOther)
	ask(c.Post("/logout", url.Values{})).Want(http.StatusSeeOther)
	ask(c.Post("/login", login)).Want(http.StatusSeeOther)
	s.Clock.Forward(31e9)
	ask(c.Post("/mfa", url.Values{"code": {s.Code(secret)}, "keep": {"1"}})).Want(http.StatusSeeOther)
	other := s.Anonymous()
	gone := ask(other.Post("/auth/google", url.Values{})).Want(http.StatusSeeOther)
	ask(other.Get(p.Approve(gone.Location))).Want(http.StatusSeeOther)
	ask(other.Post("/auth/google/link/mail", url.Values{})).Want(http.StatusSeeOther)
	ask(other.Get("/activate/" + activation(t, s))).Want(http.StatusSeeOther)
	return out
}

// activation is the code of a link that activates an account.
func activation(t *testing.T, s *webtest.Site) string {
	t.Helper()
	root := s.SuperAdmin("Inviter")
	var path string
	s.Update(func(tx *db.Tx) (err error) {
		_, path, err = s.App.Accounts.Invite(tx, root.Actor(), accounts.NewUser{Email: "invited@example.com"})
		return err
	})
	return path[strings.LastIndexByte(path, '/')+1:]
}

// golden are all the cookies there are.
var golden = []string{"__Host-session", "__Host-device", "__Host-pending", "__Host-link", "__Host-oidc", "__Host-offer"}

// TestASVS_3_3_2: every cookie is sent along only by pages of this site, and by a link that
// leads to it, as those in mails do.
func TestASVS_3_3_2(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, k := range cookies(t) {
		seen[k.Name] = true
		if k.SameSite != http.SameSiteLaxMode || k.Partitioned {
			t.Errorf("%s sets %s", k.from, k.Raw)
		}
		if !slices.Contains(golden, k.Name) {
			t.Errorf("%s: nobody expects the cookie %s", k.from, k.Name)
		}
	}
	for _, name := range golden {
		if !seen[name] {
			t.Errorf("%s was never set: the walk proves nothing of it", name)
		}
	}
}

// TestASVS_3_3_3: every cookie is bound to this host: no other name of the domain may set it.
func TestASVS_3_3_3(t *testing.T) {
	t.Parallel()
	n := 0
	for _, k := range cookies(t) {
		n++
		if !strings.HasPrefix(k.Name, "__Host-") || k.Path != "/" || k.Domain != "" || !k.Secure {
			t.Errorf("%s sets %s", k.from, k.Raw)
		}
	}
	if n < 20 {
		t.Errorf("only %d cookies", n)
	}
}

// TestASVS_3_3_4: no script reads a cookie, and what it holds is in no page and no address.
func TestASVS_3_3_4(t *testing.T) {
	t.Parallel()
	all := cookies(t)
	values := map[string]string{}
	for _, k := range all {
		if !k.HttpOnly {
			t.Errorf("%s sets %s", k.from, k.Raw)
		}
		if len(k.Value) > 20 {
			values[k.Value] = k.Name
		}
	}
	if len(values) < 8 {
		t.Fatalf("only %d values", len(values))
	}
	for _, a := range walk(t).answers {
		for v, name := range values {
			if strings.Contains(a.Body, v) || strings.Contains(a.Location, v) || strings.Contains(a.path, v) {
				t.Errorf("%s: the answer tells the cookie %s", a, name)
			}
		}
	}
}

// TestASVS_14_3_1: after signing out the browser holds nothing of the person, is told to
// forget what it kept, and its way back shows nothing.
func TestASVS_14_3_1(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Secure: true, Config: withMailbox})
	u := s.User("")
	c := s.SignIn(u)
	c.Get("/activate/" + activation(t, s)).Want(http.StatusSeeOther)
	here := c.Request(http.MethodGet, "/", nil).URL
	var left, before []string
	for _, k := range c.HTTP.Jar.Cookies(here) {
		before = append(before, k.Name)
	}
	if want := []string{"__Host-session", "__Host-device", "__Host-link"}; len(before) != len(want) {
		t.Fatalf("before, the cookies are %v", before)
	}
	r := c.Post("/logout", url.Values{}).Want(http.StatusSeeOther)
	if got := r.Header.Get("Clear-Site-Data"); !strings.Contains(got, `"cache"`) || !strings.Contains(got, `"storage"`) {
		t.Errorf("Clear-Site-Data: %s", got)
	}
	for _, k := range c.HTTP.Jar.Cookies(here) {
		left = append(left, k.Name)
	}
	if !slices.Equal(left, []string{"__Host-device"}) { // which names the browser and lets nobody in
		t.Errorf("after, the cookies are %v", left)
	}
	if back := c.Get("/account"); back.Status != http.StatusSeeOther || strings.Contains(back.Body, u.Email) {
		t.Errorf("going back shows %d", back.Status)
	}
	// A session that ends by itself shows nothing either, also of what the browser kept.
	c = s.SignIn(u)
	if got := c.Get("/account").Want(http.StatusOK).Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("a page may be kept: %q", got)
	}
	s.Clock.Forward(accounts.SessionIdle + 1e9)
	if back := c.Get("/account"); back.Status != http.StatusSeeOther || strings.Contains(back.Body, u.Email) {
		t.Errorf("after half an hour, going back shows %d", back.Status)
	}
}
