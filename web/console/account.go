package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/tenancy"
	view "steward/views/account"
	"steward/views/paths"
)

func (c *Console) login(ec echo.Context) error {
	next := safeNext(ec.QueryParam("next"))
	if accounts.VisitOf(ec.Request().Context()).SignedIn() {
		return ec.Redirect(http.StatusSeeOther, next)
	}
	m := c.loginModel(next)
	if ec.QueryParam("out") != "" {
		m.Flash = "You are signed out."
	}
	return page(ec, http.StatusOK, view.LoginPage(m))
}

func (c *Console) loginModel(next string) view.Login {
	if next == paths.Projects() {
		next = ""
	}
	u, _ := url.Parse(c.app.Config.PublicURL)
	return view.Login{Host: u.Host, Next: next, Key: key()}
}

func (c *Console) loginSubmit(ec echo.Context) error {
	f, err := form(ec, "email", "password", "next")
	if err != nil {
		return err
	}
	ctx := ec.Request().Context()
	next := safeNext(f["next"])
	err = c.app.Accounts.SignIn(ctx, f["email"], f["password"])
	if kind := fault.KindOf(err); err != nil && (kind == fault.Unauthenticated || kind == fault.TooMany || kind == fault.Unavailable) {
		m := c.loginModel(next)
		m.Email, m.Problem = f["email"], fault.Of(err).Message
		status := http.StatusUnprocessableEntity
		switch kind {
		case fault.TooMany:
			status = http.StatusTooManyRequests
		case fault.Unavailable:
			status = http.StatusServiceUnavailable
		}
		retryAfter(ec, err)
		return page(ec, status, view.LoginPage(m))
	}
	if err != nil {
		return err
	}
	if err := c.sessions.RenewToken(ctx); err != nil {
		return err
	}
	return ec.Redirect(http.StatusSeeOther, next)
}

func (c *Console) logout(ec echo.Context, _ access.Actor) error {
	ctx := ec.Request().Context()
	if err := c.update(ec, func(tx *db.Tx) error { return c.app.Accounts.SignOut(tx, accounts.VisitOf(ctx)) }); err != nil {
		return err
	}
	if err := c.sessions.Destroy(ctx); err != nil {
		return err
	}
	ec.Response().Header().Set("Clear-Site-Data", `"cache", "cookies", "storage"`)
	return ec.Redirect(http.StatusSeeOther, paths.With(paths.Login(""), "out", "1"))
}

func (c *Console) themeUpdate(ec echo.Context, a access.Actor) error {
	f, err := form(ec, "theme", "next")
	if err != nil {
		return err
	}
	theme := f["theme"]
	if theme == "system" {
		theme = ""
	}
	if err := c.update(ec, func(tx *db.Tx) error { return c.app.Accounts.SetTheme(tx, a, theme) }); err != nil {
		return err
	}
	return ec.Redirect(http.StatusSeeOther, safeNext(f["next"]))
}

const passwordHint = "At least 15 characters. A few words in a row make a good password."

func (c *Console) setup(ec echo.Context) error {
	code := ec.QueryParam("code")
	if err := c.view(ec, func(tx *db.Tx) error { return tenancy.CheckSetup(tx, code) }); err != nil {
		return err
	}
	return page(ec, http.StatusOK, view.SetupPage(view.Setup{Code: code, Key: key(), PasswordHint: passwordHint}))
}

func (c *Console) setupSubmit(ec echo.Context) error {
	f, err := form(ec, "code", "name", "email", "password", "repeat", "maintainer", "organization", "project")
	if err != nil {
		return err
	}
	ctx := ec.Request().Context()
	var p tenancy.Project
	if f["password"] != f["repeat"] {
		err = &fault.Error{Kind: fault.Invalid, Fields: []fault.Field{{Name: "repeat", Message: "The two passwords differ. Type the same one twice."}}}
	} else {
		p, err = tenancy.Setup(ctx, c.app.DB, c.app.Accounts, tenancy.FirstRun{
			Code: f["code"], User: accounts.NewUser{Email: f["email"], Name: f["name"], Password: f["password"]},
			Maintainer: f["maintainer"], Organization: f["organization"], Project: f["project"],
		})
	}
	if errs, ok := fieldErrors(err); ok {
		m := view.Setup{Code: f["code"], Key: key(), Name: f["name"], Email: f["email"], Maintainer: f["maintainer"],
			Organization: f["organization"], Project: f["project"], PasswordHint: passwordHint, Errors: errs}
		return page(ec, http.StatusUnprocessableEntity, view.SetupPage(m))
	}
	if err != nil {
		return err
	}
	if err := c.app.Accounts.SignIn(ctx, f["email"], f["password"]); err != nil {
		return ec.Redirect(http.StatusSeeOther, paths.Login(paths.Project(p.ID)))
	}
	if err := c.sessions.RenewToken(ctx); err != nil {
		return err
	}
	return ec.Redirect(http.StatusSeeOther, paths.Project(p.ID))
}

// safeNext is where to go after signing in: a path of this site, else the front page.
func safeNext(next string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\x00\r\n\t") {
		return paths.Projects()
	}
	u, err := url.Parse(next)
	if err != nil || u.Host != "" || u.Scheme != "" || strings.HasPrefix(u.Path, "//") {
		return paths.Projects()
	}
	return u.RequestURI()
}

func retryAfter(ec echo.Context, err error) {
	if f := fault.Of(err); f != nil && f.RetryAfter > 0 {
		ec.Response().Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Seconds()+0.999)))
	}
}
