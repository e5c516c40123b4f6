//go:build browser

package main

import (
	"bufio"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/config"
	"steward/internal/db"
	"steward/web/webtest"
)

// TestBrowserlessOpenID signs in by a provider that others wrote, which conforms to the
// standard: somebody who was invited gets in by it, and proves by it anew who they are.
func TestBrowserlessOpenID(t *testing.T) {
	t.Parallel()
	site := webtest.Open(t, webtest.Options{Idle: true, Config: func(c *config.Config) {
		c.OIDCClientID, c.OIDCClientSecret = webtest.ClientID, webtest.ClientSecret
		c.OIDCIssuer = startProvider(t, "http://"+c.Addr+accounts.ReturnPath)
	}})
	for _, name := range []string{"nina", "karel"} {
		site.Update(func(tx *db.Tx) error {
			_, _, err := site.App.Accounts.Invite(tx, access.Actor{Name: "Vera", SuperAdmin: true}, accounts.NewUser{Email: name + "@example.com"})
			return err
		})
	}
	in := func(c *webtest.Client) bool { return c.Get("/account").Status == http.StatusOK }

	c := site.Anonymous()
	if r := c.Get(signInThere(t, site, c, c.Post("/auth/google", url.Values{"next": {"/account"}}).Location, "nina")); r.Location != "/account" || !in(c) {
		t.Fatalf("who was invited: %d %s\n%s", r.Status, r.Location, r.Body)
	}
	c.Post("/logout", nil).Want(http.StatusSeeOther)
	if c.Get(signInThere(t, site, c, c.Post("/auth/google", url.Values{"next": {"/"}}).Location, "nina")).Want(http.StatusSeeOther); !in(c) {
		t.Fatal("who is known does not get in")
	}
	stranger := site.Anonymous()
	if stranger.Get(signInThere(t, site, stranger, stranger.Post("/auth/google", url.Values{"next": {"/"}}).Location, "mallory")).Want(http.StatusForbidden); in(stranger) {
		t.Error("a stranger gets in")
	}

	site.Update(func(tx *db.Tx) error { _, err := tx.Exec("UPDATE sessions SET proved_at = 0"); return err })
	sensitive := func() string { return c.Post("/account/sessions", nil).Location }
	if !strings.HasPrefix(sensitive(), "/account/confirm") {
		t.Fatal("no proof is asked for")
	}
	prove := func(as string) webtest.Response {
		t.Helper()
		return c.Get(signInThere(t, site, c, c.Post("/account/confirm/provider", url.Values{"next": {"/account/sessions"}}).Want(http.StatusSeeOther).Location, as))
	}
	prove("karel").Want(http.StatusForbidden)
	if r := prove("nina"); r.Location != "/account/sessions" || sensitive() != "/account/sessions" {
		t.Errorf("proved: %d %s", r.Status, r.Location)
	}
}

// startProvider starts the provider until the test ends, and gives its issuer.
func startProvider(t *testing.T, callback string) string {
	t.Helper()
	folder, err := filepath.Abs("../../.cache/npm/oidc-provider")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "testdata/provider.mjs", folder, webtest.ClientID, webtest.ClientSecret, callback)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: run .ci/npm first", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the provider does not start (%v): run .ci/npm first", err)
	}
	return strings.TrimSpace(line)
}

// signInThere follows a way through the provider by its pages, as somebody, up to the path
// that it leads back to.
func signInThere(t *testing.T, site *webtest.Site, c *webtest.Client, location, as string) string {
	t.Helper()
	for range 12 {
		if back, ok := strings.CutPrefix(location, site.URL); ok {
			return back
		}
		here, err := url.Parse(location)
		if err != nil || here.Host == "" {
			t.Fatalf("the provider leads to %q", location)
		}
		res, err := c.HTTP.Get(location)
		if err != nil {
			t.Fatal(err)
		}
		if res.Header.Get("Location") == "" {
			page, err := goquery.NewDocumentFromReader(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			form, fields := page.Find("form").First(), url.Values{}
			form.Find("input[name]").Each(func(_ int, i *goquery.Selection) { fields.Set(i.AttrOr("name", ""), i.AttrOr("value", "")) })
			if fields.Has("login") {
				fields.Set("login", as)
				fields.Set("password", "any")
			}
			action, err := here.Parse(form.AttrOr("action", ""))
			if err != nil || form.Length() == 0 {
				t.Fatalf("%s: %d %s", location, res.StatusCode, page.Text())
			}
			_ = res.Body.Close()
			if res, err = c.HTTP.PostForm(action.String(), fields); err != nil {
				t.Fatal(err)
			}
		}
		_ = res.Body.Close()
		next, err := here.Parse(res.Header.Get("Location"))
		if err != nil || res.Header.Get("Location") == "" {
			t.Fatalf("%s: %d leads nowhere", location, res.StatusCode)
		}
		location = next.String()
	}
	t.Fatal("the way through the provider has no end")
	return ""
}
