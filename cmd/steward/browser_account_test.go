//go:build browser

package main

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/config"
	"steward/internal/db"
	"steward/web/webtest"
)

// Somebody gets an account: activates it by the link of a mail, turns two-step sign-in on,
// signs in by a code and by a recovery code, forgets the password, and ends a session.
func TestBrowserAccount(t *testing.T) {
	withAndWithoutScripts(t, func(t *testing.T, scripts bool) {
		site := webtest.Open(t, webtest.Options{Config: func(c *config.Config) { c.SMTP = config.MailboxURL }})
		const email, password, another = "nina@example.com", "seven violet kettles hum", "eight amber lanterns sway"
		site.Update(func(tx *db.Tx) error {
			_, _, err := site.App.Accounts.Invite(tx, access.Actor{Name: "Vera", SuperAdmin: true}, accounts.NewUser{Email: email})
			return err
		})
		p := open(t, site.URL)
		if !scripts {
			p.withoutScripts()
		}

		for _, path := range []string{"/activate", "/account/two-step"} { // what is typed wrong on purpose
			p.pardon(site.URL + path + ": Failed to load resource: the server responded with a status of 422")
		}
		p.mail(email, "Activate")
		p.at("/activate")
		p.sees(email)
		p.fill("#name", "Nina Novak")
		p.fill("#password", "password123password")
		p.fill("#repeat", "password123password")
		p.submit("Activate")
		p.sees("is on the lists that attackers try first")
		p.fill("#password", password)
		p.fill("#repeat", password)
		p.submit("Activate")
		p.sees("Your account is ready.")
		p.signIn(email, password)
		p.at("/")

		p.goTo("/account/security")
		p.submit("Turn on two-step sign-in")
		secret := strings.ReplaceAll(p.text("[data-copy] span"), " ", "")
		p.fill("#code", "000000")
		p.submit("Turn on")
		p.sees("This code is not right.")
		p.fill("#code", site.Code(secret))
		p.submit("Turn on")
		p.sees("Two-step sign-in is on.")
		codes := js[[]string](p, `[...document.querySelectorAll('.codes li')].map(li => li.innerText)`)
		if len(codes) != 10 {
			t.Fatalf("%d recovery codes are shown", len(codes))
		}
		p.submit("I have stored them")
		p.sees("10 codes left.")

		next := func() { site.Clock.Forward(30 * time.Second) } // a code counts once
		signOut := func() {
			p.click("button[popovertarget=account]", "")
			p.submit("Sign out")
			p.sees("You are signed out.")
		}
		signOut()
		p.signIn(email, password)
		p.at("/mfa")
		next()
		p.fill("#code", site.Code(secret))
		p.submit("Sign in")
		p.at("/")
		signOut()
		p.signIn(email, password)
		p.follow("Use a recovery code")
		p.fill("#code", codes[0])
		p.submit("Sign in")
		p.at("/")
		p.goTo("/account/security")
		p.sees("9 codes left.")
		p.goTo("/account/activity")
		p.sees("used a recovery code; 9 are left")

		p.goTo("/password/forgot")
		p.fill("#email", email)
		p.submit("Send the link")
		p.sees("If there is an account for this address")
		p.mail(email, "Choose a new password")
		p.at("/password/reset")
		p.fill("#password", another)
		p.fill("#repeat", another)
		p.submit("Set the password")
		p.sees("Your password is changed")
		p.signIn(email, another)
		next()
		p.fill("#code", site.Code(secret))
		p.submit("Sign in")
		p.at("/")

		site.Clock.Forward(11 * time.Minute)
		p.goTo("/account/password")
		p.at("/account/confirm")
		p.fill("#current", another)
		p.fill("#code", site.Code(secret))
		p.submit("Confirm")
		p.at("/account/password")
		p.goTo("/account/sessions")
		p.sees("This one")
	})
}

// mail opens the newest mail to an address in the mailbox, and follows its link.
func (p *tab) mail(to, button string) {
	p.t.Helper()
	p.sooner("a mail to "+to, func() bool {
		p.goTo("/mailbox?q=" + url.QueryEscape(to))
		return js[bool](p, `document.querySelector('tbody tr a') !== null && document.querySelector('tbody tr').innerText.includes(`+quote(button)+`)`)
	})
	p.loads(func() { p.click("tbody tr a", "") })
	p.loads(func() { p.click(`a[href*="/activate/"], a[href*="/password/reset/"]`, "") })
}
