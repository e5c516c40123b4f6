//go:build browser

package main

import (
	"strings"
	"testing"
	"time"

	"steward/internal/config"
	"steward/web/webtest"
)

// Somebody is known to a provider by the address of their account: links the two by the
// password, signs in there with the second step, and unlinks the two. Chromium lets the
// forms lead there, and complains about nothing.
func TestBrowserIdentity(t *testing.T) {
	withAndWithoutScripts(t, func(t *testing.T, scripts bool) {
		provider := webtest.NewProvider(t)
		site := webtest.Open(t, webtest.Options{Config: func(c *config.Config) { c.SMTP = config.MailboxURL; provider.Configure(c) }})
		u := site.User("Nina Novak")
		p := open(t, site.URL)
		if !scripts {
			p.withoutScripts()
		}
		signOut := func() {
			p.click("button[popovertarget=account]", "")
			p.submit("Sign out")
			p.sees("You are signed out.")
		}

		p.goTo("/login")
		p.submit("Sign in with Google")
		p.at("/auth/google/link")
		p.sees(u.Email)
		p.submit("Mail me a link")
		p.sees("A link is on its way")
		p.follow("Sign in with your password")
		p.fill("#email", u.Email)
		p.fill("#password", webtest.Password)
		p.submit("Sign in")
		p.at("/account/identity")
		p.submit("Link Google")
		p.at("/account/security")
		p.sees("You can sign in with Google from now on.")
		signOut()

		p.submit("Sign in with Google")
		p.at("/")
		p.goTo("/account/security")
		p.sees("last used")
		p.submit("Turn on two-step sign-in")
		secret := strings.ReplaceAll(p.text("[data-copy] span"), " ", "")
		p.fill("#code", site.Code(secret))
		p.submit("Turn on")
		p.submit("I have stored them")
		signOut()
		p.submit("Sign in with Google")
		p.at("/mfa")
		site.Clock.Forward(30 * time.Second) // a code counts once
		p.fill("#code", site.Code(secret))
		p.submit("Sign in")
		p.at("/")

		p.goTo("/account/security")
		p.click("section[aria-labelledby=identity] button", "Unlink")
		p.loads(func() { p.click("dialog[open] button[data-variant=danger]", "Unlink") })
		p.sees("Unlinked.")
		p.submit("Link Google")
		p.at("/account/security")
		p.sees("You can sign in with Google from now on.")
	})
}
