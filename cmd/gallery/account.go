package main

import (
	"strconv"

	"steward/views/account"
	"steward/views/errors"
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
	}
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
