package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"steward/internal/config"
	"steward/internal/db"
	"steward/web/console"
	"steward/web/webtest"
)

// TestFormsLeadToTheProvider: only the pages with the provider's button may send their forms
// on to the provider, and to nowhere else.
func TestFormsLeadToTheProvider(t *testing.T) {
	t.Parallel()
	p := webtest.NewProvider(t)
	s := webtest.Open(t, webtest.Options{Idle: true, Config: p.Configure})
	u := s.User("")
	linked, anonymous := s.SignIn(u), s.Anonymous()
	linked.Get(p.Approve(linked.Post("/account/identity/start", nil).Location)).Want(http.StatusSeeOther)
	s.Update(func(tx *db.Tx) error { return tx.Must("UPDATE users SET password_hash = '' WHERE id = $1", u.ID) })
	buttons := map[string]bool{"/login": true, "/auth/google": true, "/account/security": true, "/account/confirm": true}
	seen := 0
	for _, r := range console.New(t.Context(), s.App, nil, nil).Routes() {
		if r.Method != http.MethodGet || strings.Contains(r.Path, ":") {
			continue
		}
		client := linked
		if r.Path == "/login" || strings.HasPrefix(r.Path, "/auth/") {
			client = anonymous
		}
		res := client.Get(r.Path)
		want := "form-action 'self';"
		if buttons[r.Path] {
			seen++
			want = "form-action 'self' " + p.URL + ";"
			res.Want(http.StatusOK)
		}
		if got := res.Header.Get("Content-Security-Policy"); !strings.Contains(got, want) {
			t.Errorf("%s: %s", r.Path, got)
		}
	}
	if seen != len(buttons) {
		t.Errorf("%d pages with a button", seen)
	}
	wrong := anonymous.Post("/login", url.Values{"email": {u.Email}, "password": {"wrong wrong wrong"}}).Want(http.StatusUnprocessableEntity)
	if !strings.Contains(wrong.Header.Get("Content-Security-Policy"), p.URL) {
		t.Error("the sign-in form that comes again does not lead to the provider")
	}
}

// TestProviderCookies: what the browser keeps for the way is for this site alone, read by no
// script, and gone after it.
func TestProviderCookies(t *testing.T) {
	t.Parallel()
	p := webtest.NewProvider(t)
	s := webtest.Open(t, webtest.Options{Idle: true, Config: func(c *config.Config) {
		c.PublicURL, c.BehindProxy = "https://console.example.com", true
		p.Configure(c)
	}})
	s.User("")
	c := s.Anonymous()
	r := c.Request(http.MethodPost, "/auth/google", strings.NewReader("next=/"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "https://console.example.com")
	res := c.Do(r).Want(http.StatusSeeOther)
	cookie := res.Header.Get("Set-Cookie")
	for _, part := range []string{"__Host-oidc=", "; Path=/", "; Max-Age=600", "; HttpOnly", "; Secure", "; SameSite=Lax"} {
		if !strings.Contains(cookie, part) {
			t.Errorf("%q lacks %q", cookie, part)
		}
	}
	back := c.Request(http.MethodGet, p.Approve(res.Location), nil) // over plain HTTP a client keeps no such cookie
	value, _, _ := strings.Cut(cookie, ";")
	back.Header.Set("Cookie", value)
	landed := c.Do(back).Want(http.StatusSeeOther)
	if landed.Location != "/auth/google/link" {
		t.Fatalf("landed at %s", landed.Location)
	}
	all := strings.Join(landed.Header.Values("Set-Cookie"), "\n")
	if !strings.Contains(all, "__Host-oidc=; Path=/; Max-Age=0") || !strings.Contains(all, "__Host-offer=stw_") {
		t.Errorf("cookies:\n%s", all)
	}
}

// TestIdentityCard: the page Security shows when one last signed in by the provider.
func TestIdentityCard(t *testing.T) {
	t.Parallel()
	p := webtest.NewProvider(t)
	s := webtest.Open(t, webtest.Options{Idle: true, Config: p.Configure})
	p.Now = s.Clock.Now
	c := s.SignIn(s.User(""))
	c.Get(p.Approve(c.Post("/account/identity/start", nil).Location)).Want(http.StatusSeeOther)
	card := func() string {
		return strings.Join(strings.Fields(c.Get("/account/security").Page().Find(`section[aria-labelledby="identity"]`).Text()), " ")
	}
	if got := card(); !strings.Contains(got, "not used yet") {
		t.Errorf("the card says %q", got)
	}
	s.Clock.Forward(time.Minute)
	c.Post("/logout", nil).Want(http.StatusSeeOther)
	c.Get(p.Approve(c.Post("/auth/google", url.Values{"next": {"/"}}).Location)).Want(http.StatusSeeOther)
	if got := card(); !strings.Contains(got, "last used") {
		t.Errorf("the card says %q", got)
	}
}
