package main

import (
	"strconv"
	"time"

	"steward/views/account"
	"steward/views/errors"
	"steward/views/layout"
	"steward/views/ui"
)

func accountScreens() []Screen {
	login := account.Login{Host: "steward.northwind.example", Next: "/projects/1042/storage", Key: "k1"}
	signedOut := login
	signedOut.Flash = "You are signed out."
	wrong := login
	wrong.Email, wrong.Problem = "hana.dvorakova@northwind.example", "The email address or the password is wrong."
	throttled := wrong
	throttled.Problem = "Too many attempts. Try again in 40 seconds."

	google := account.Provider{Name: "Google"}
	with, down := login, login
	with.Provider, down.Provider = google, account.Provider{Name: "Google", Down: true}

	setup := account.Setup{Code: "7fk2-9qxm-c4tw", Key: "k2", PasswordHint: "At least 12 characters. A few words that do not belong together are easy to remember."}
	faulty := setup
	faulty.Name, faulty.Email, faulty.Organization = "Hana Dvořáková", "hana.dvorakova@northwind", "Northwind Foods"
	faulty.Errors = ui.Errors{
		"email":      "Enter a full email address, like name@example.com",
		"repeat":     "Type the same password twice",
		"maintainer": "Enter a name for the maintainer",
		"project":    "Enter a name for the project",
	}
	return []Screen{
		ok("login", "Sign in", account.LoginPage(login)),
		ok("login-signed-out", "Sign in, after signing out", account.LoginPage(signedOut)),
		refused("login-wrong", "Sign in, wrong password", account.LoginPage(wrong)),
		{"login-throttled", "Sign in, too many attempts", 429, account.LoginPage(throttled)},
		ok("setup", "First run", account.SetupPage(setup)),
		refused("setup-errors", "First run, with errors", account.SetupPage(faulty)),

		ok("second-step", "Second step", account.SecondStepPage(account.SecondStep{Key: "k3", Next: "/projects/1042"})),
		refused("second-step-wrong", "Second step, wrong code", account.SecondStepPage(account.SecondStep{Key: "k3", Keep: true, Problem: "This code is not right, or was used before. Wait for the next one."})),
		ok("second-step-recovery", "Second step, recovery code", account.SecondStepPage(account.SecondStep{Key: "k3", Recovery: true})),
		ok("confirm", "Confirm that it is you", account.ConfirmPage(account.Confirm{Email: wrong.Email, Key: "k4", Password: true, Code: true})),
		refused("confirm-wrong", "Confirm, both wrong", account.ConfirmPage(account.Confirm{Email: wrong.Email, Key: "k4", Password: true, Code: true, Errors: ui.Errors{"current": "This is not your password.", "code": "This code is not right."}})),
		ok("activate", "Activate an account", account.ActivationPage(account.Activation{Email: longEmail, Key: "k5", PasswordHint: passwordHint})),
		refused("activate-errors", "Activate an account, with errors", account.ActivationPage(account.Activation{Email: longEmail, Name: longest[:200], Key: "k5", PasswordHint: passwordHint,
			Errors: ui.Errors{"password": "This password, or one much like it, is on the lists that attackers try first.", "repeat": "The two passwords differ. Type the same one twice."}})),
		ok("forgot", "Forgotten password", account.ForgotPage(account.Forgot{Key: "k6"})),
		ok("forgot-sent", "Forgotten password, sent", account.ForgotPage(account.Forgot{Sent: true})),
		ok("reset", "Set a new password", account.ResetPage(account.Reset{Email: longEmail, Key: "k7", PasswordHint: passwordHint})),
		refused("factor-lost", "Turn off a second step that was lost, wrong password", account.FactorLostPage(account.FactorLost{Email: longEmail, Key: "k24", Problem: wrong.Problem})),
		{"link-dead", "A link that does not count", 404, account.DeadLinkPage(account.DeadLink{Text: "This link is not valid any more. Links work once, and only the newest one does; that of an invitation ends with it, also when it is cancelled."})},

		ok("profile", "Profile", account.ProfilePage(account.Profile{Shell: own(), Key: "k8", Email: wrong.Email, Name: "Hana Dvořáková", TimeZone: "Europe/Prague", Zones: []string{"Europe/Prague", "UTC"}, ThemeKey: "k9"})),
		ok("security-off", "Security, one step", account.SecurityPage(account.Security{Shell: own(), Password: true, PasswordAt: ago(90 * 24 * time.Hour), StartKey: "k10"})),
		ok("security-must", "Security, a second step is asked for", account.SecurityPage(account.Security{Shell: own(), MustEnrol: true, Why: "This installation asks everybody for it.", Password: true, PasswordAt: ago(time.Hour), StartKey: "k10"})),
		ok("security-on", "Security, two steps", account.SecurityPage(account.Security{Shell: own(), Password: true, PasswordAt: ago(90 * 24 * time.Hour), Factor: true, FactorAt: ago(24 * time.Hour), Locked: true, CodesLeft: "2 codes", FewCodes: true, StartKey: "k10", DeleteKey: "k11", CodesKey: "k12"})),
		ok("password", "Change password", account.PasswordPage(account.Password{Shell: own(), Key: "k13", Email: wrong.Email, PasswordHint: passwordHint})),
		ok("two-step", "Turn on two-step sign-in", account.TwoStepPage(account.TwoStep{Shell: own(), Key: "k14", Secret: "U5FI 5G7B HZ7C RSGL 62KH R3GK 3XZI 2V2U", Picture: dot})),
		ok("codes", "Recovery codes", account.CodesPage(account.Codes{Shell: own(), Key: "k15", Codes: codes(), Text: "…"})),
		ok("sessions", "Sessions", account.SessionsPage(account.Sessions{Shell: own(), EndOthersKey: "k16", List: []account.SessionRow{
			{Device: "Firefox on Linux", Address: "192.0.2.17", Method: "password and authenticator code", Kept: true, SignedIn: ago(26 * time.Hour), Used: ago(time.Minute), Ends: ago(-12 * 24 * time.Hour), Current: true, EndKey: "k18"},
			{Device: "Safari on iPhone", Address: "2001:db8:7f3a:91c2:44bb:1e02:9a7d:c001", Method: "password and recovery code", SignedIn: ago(3 * time.Hour), Used: ago(20 * time.Minute), Ends: ago(-9 * time.Hour), EndURL: "/account/sessions/7/end", EndKey: "k17"},
		}})),
		ok("activity", "Activity", account.ActivityPage(account.Activity{Shell: own(), List: []account.ActivityRow{
			{Text: "Hana Dvořáková signed in by password and authenticator code.", Icon: "log-in", Address: "192.0.2.17", Device: "Firefox on Linux", Time: ago(time.Minute)},
			{Text: "A sign-in as hana.dvorakova@northwind.example by password failed.", Tone: "warn", Icon: "triangle-alert", Address: "198.51.100.4", Device: "Chrome on Windows", Time: ago(time.Hour)},
		}})),
		ok("login-provider", "Sign in, with a provider", account.LoginPage(with)),
		ok("login-provider-down", "Sign in, the provider cannot be reached", account.LoginPage(down)),
		ok("provider-link", "An account of the same address", account.OfferPage(account.Offer{Provider: "Google", Email: wrong.Email, Key: "k21"})),
		ok("provider-link-sent", "An account of the same address, a link was mailed", account.OfferPage(account.Offer{Provider: "Google", Email: longEmail, Key: "k21", Sent: true})),
		ok("provider-confirm", "Link the two", account.LinkIdentityPage(account.LinkIdentity{Provider: "Google", Email: wrong.Email, There: longEmail, Key: "k22", Action: "/auth/google/confirm", Cancel: ui.Link{Label: "Leave it as it is", URL: "/login"}})),
		{"provider-refused", "The provider's word lets nobody in", 403, account.TurnedPage(account.Turned{Title: "Not signed in", Text: "There is no account for " + longEmail + " here. Ask for an invitation.",
			Buttons: []ui.Button{{Label: "Back to sign-in", URL: "/login", Variant: "primary"}}})},
		{"provider-not-confirmed", "The provider does not prove it", 403, account.TurnedPage(account.Turned{Title: "Not confirmed", Text: "Google does not say that you signed in there just now, so it proves nothing. Set a password by the link that is mailed to you, and confirm with that.",
			Buttons: []ui.Button{{Label: "Try again", URL: "/account/confirm", Variant: "primary"}, {Label: "Set a password", URL: "/password/forgot"}}})},
		refused("confirm-provider", "Confirm at the provider", account.ConfirmTherePage(account.ConfirmThere{Provider: google, Code: true, Errors: ui.Errors{"code": "This code is not right, or was used before. Wait for the next one."}})),
		ok("security-unlinked", "Security, a provider that is not linked", account.SecurityPage(account.Security{Shell: own(), Password: true, PasswordAt: ago(time.Hour), StartKey: "k10", Identity: account.Identity{Provider: google}})),
		ok("security-linked", "Security, linked", account.SecurityPage(account.Security{Shell: own(), Password: true, PasswordAt: ago(time.Hour), StartKey: "k10",
			Identity: account.Identity{Provider: google, Linked: true, Email: longEmail, LinkedAt: ago(24 * time.Hour), Used: true, UsedAt: ago(time.Hour), Key: "k23"}})),
		ok("security-only-linked", "Security, linked and no password", account.SecurityPage(account.Security{Shell: own(), StartKey: "k10", Identity: account.Identity{Provider: google, Linked: true, Email: wrong.Email, LinkedAt: ago(time.Hour)}})),
		ok("invitations", "Invitations, none", account.InvitationsPage(account.Invitations{Shell: own()})),
	}
}

const (
	longEmail    = "annegret.leutheusser-schnarrenberger.von-und-zu-hohenlohe@vertrieb.lieferantenmanagement.northwind-foods-international.example"
	passwordHint = "At least 15 characters. A few words in a row make a good password."
	dot          = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)

// own is the shell of the pages about one's own account.
func own() layout.Shell {
	s := outside()
	s.Nav = layout.OwnNav()
	return s
}

func codes() []string {
	out := make([]string, 10)
	for i := range out {
		out[i] = "mfrgg-zdfmz-twq2l-knrug-s4dsm" + string(rune('a'+i))
	}
	return out
}

func errorScreens() []Screen {
	var out []Screen
	for _, status := range []int{400, 401, 403, 404, 405, 413, 422, 429, 500, 503} {
		e := errors.Error{Status: status, RequestID: "req_7c1f0a52b9"}
		switch status {
		case 401:
			e.Back = ui.Link{Label: "Sign in", URL: "/login"}
		case 403:
			e.Role, e.Needs = "Read only", "Share, Admin or Guest, to load data"
			e.Back = ui.Link{Label: "Go to Retail analytics", URL: "/overview"}
		case 413:
			e.Message = "The file is 7.2 GB; up to 5 GB can be loaded. Split the file, or compress it."
		case 429:
			e.Message = "Try again in 40 seconds."
		}
		title, _ := errors.Words(status)
		out = append(out, Screen{"error-" + strconv.Itoa(status), "Error " + strconv.Itoa(status) + ": " + title, status, errors.Page(e)})
	}
	return out
}
