package console

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/id"
	"steward/internal/tenancy"
	view "steward/views/account"
	"steward/views/paths"
	"steward/views/ui"
)

// linkOpened moves the code of a link from the address into a cookie, so that it is in no
// history and in no link that leads away, and goes on to the form. Opening a link uses
// nothing up: programs open links before people do.
func (c *Console) linkOpened(to string) echo.HandlerFunc {
	return func(ec echo.Context) error {
		if code := ec.Param("code"); id.IsCode(code) {
			c.setCookie(ec, linkCookie, code, accounts.ResetLife)
		}
		return ec.Redirect(http.StatusSeeOther, to)
	}
}

// linked is the person of the link that was opened last.
func (c *Console) linked(ec echo.Context, p accounts.Purpose) (u accounts.User, err error) {
	err = c.view(ec, func(tx *db.Tx) error { u, err = c.app.Accounts.Linked(tx, p, c.cookie(ec, linkCookie)); return err })
	return u, err
}

func otherLink() error {
	return fault.New(fault.NotFound, "accounts.link", "Another link was opened in this browser meanwhile. Open the one from your mail again.")
}

// deadLink answers for a link that does not count any more.
func deadLink(ec echo.Context, err error) error {
	return page(ec, http.StatusNotFound, view.DeadLinkPage(view.DeadLink{Text: fault.Of(err).Message}))
}

func (c *Console) activate(ec echo.Context) error {
	u, err := c.linked(ec, accounts.ToActivate)
	if fault.Is(err, fault.NotFound) {
		return deadLink(ec, err)
	}
	if err != nil {
		return err
	}
	m := view.Activation{Email: u.Email, Name: u.Name}
	if m.Name == u.Email {
		m.Name = ""
	}
	return c.activationForm(ec, http.StatusOK, m)
}

func (c *Console) activationForm(ec echo.Context, status int, m view.Activation) (err error) {
	m.Key = key()
	if m.PasswordHint, err = c.passwordHint(ec, 0); err != nil { // who is invited belongs to nothing yet
		return err
	}
	return page(ec, status, view.ActivationPage(m))
}

func (c *Console) activateSubmit(ec echo.Context) error {
	f, err := form(ec, "name", "password", "repeat", "email")
	if err != nil {
		return err
	}
	u, err := c.linked(ec, accounts.ToActivate)
	if err == nil && f["email"] != u.Email { // another link was opened since this form
		err = otherLink()
	}
	if fault.Is(err, fault.NotFound) {
		return deadLink(ec, err)
	}
	if err != nil {
		return err
	}
	if err = repeated(f); err == nil {
		_, err = c.app.Accounts.Activate(ec.Request().Context(), accounts.Activation{Code: c.cookie(ec, linkCookie), Name: strings.TrimSpace(f["name"]), Password: f["password"], Device: c.device(ec)})
	}
	if errs, ok := fieldErrors(err); ok {
		return c.activationForm(ec, http.StatusUnprocessableEntity, view.Activation{Email: u.Email, Name: f["name"], Errors: errs})
	}
	if fault.Is(err, fault.NotFound) {
		return deadLink(ec, err)
	}
	if err != nil {
		return err
	}
	c.setCookie(ec, linkCookie, "", -1)
	return ec.Redirect(http.StatusSeeOther, paths.With(paths.Login(""), "ready", "1"))
}

func (c *Console) passwordForgot(ec echo.Context) error {
	return page(ec, http.StatusOK, view.ForgotPage(view.Forgot{Key: key(), Sent: ec.QueryParam("sent") != ""}))
}

func (c *Console) passwordForgotSubmit(ec echo.Context) error {
	f, err := form(ec, "email")
	if err != nil {
		return err
	}
	err = c.app.Accounts.AskReset(ec.Request().Context(), c.app.Jobs, f["email"], c.cookie(ec, deviceCookie))
	if errs, ok := fieldErrors(err); ok {
		return page(ec, http.StatusUnprocessableEntity, view.ForgotPage(view.Forgot{Email: f["email"], Key: key(), Errors: errs}))
	}
	if status, problem, ok := waits(ec, err, fault.TooMany); ok {
		return page(ec, status, view.ForgotPage(view.Forgot{Email: f["email"], Key: key(), Errors: ui.Errors{"email": problem}}))
	}
	if err != nil {
		return err
	}
	return ec.Redirect(http.StatusSeeOther, paths.With(paths.PasswordForgot(), "sent", "1"))
}

func (c *Console) passwordReset(ec echo.Context) error {
	u, err := c.linked(ec, accounts.ToReset)
	if fault.Is(err, fault.NotFound) {
		return deadLink(ec, err)
	}
	if err != nil {
		return err
	}
	return c.resetForm(ec, http.StatusOK, u, nil)
}

func (c *Console) resetForm(ec echo.Context, status int, u accounts.User, errs ui.Errors) (err error) {
	m := view.Reset{Email: u.Email, Key: key(), Errors: errs}
	if m.PasswordHint, err = c.passwordHint(ec, u.ID); err != nil {
		return err
	}
	return page(ec, status, view.ResetPage(m))
}

func (c *Console) passwordResetSubmit(ec echo.Context) error {
	f, err := form(ec, "password", "repeat", "email")
	if err != nil {
		return err
	}
	u, err := c.linked(ec, accounts.ToReset)
	if err == nil && f["email"] != u.Email { // another link was opened since this form
		err = otherLink()
	}
	if fault.Is(err, fault.NotFound) {
		return deadLink(ec, err)
	}
	if err != nil {
		return err
	}
	if err = repeated(f); err == nil {
		var words []string
		r := accounts.Reset{Code: c.cookie(ec, linkCookie), Password: f["password"], Device: c.device(ec)}
		if words, r.FactorAsked, err = c.measures(ec, u.ID); err != nil {
			return err
		}
		_, err = c.app.Accounts.ResetPassword(ec.Request().Context(), r, words...)
	}
	if errs, ok := fieldErrors(err); ok {
		return c.resetForm(ec, http.StatusUnprocessableEntity, u, errs)
	}
	if fault.Is(err, fault.NotFound) {
		return deadLink(ec, err)
	}
	if err != nil {
		return err
	}
	c.setCookie(ec, linkCookie, "", -1)
	return ec.Redirect(http.StatusSeeOther, paths.With(paths.Login(""), "reset", "1"))
}

func (c *Console) factorLost(ec echo.Context) error {
	return c.factorLostForm(ec, http.StatusOK, "")
}

func (c *Console) factorLostForm(ec echo.Context, status int, problem string) error {
	u, err := c.linked(ec, accounts.ToDropFactor)
	if fault.Is(err, fault.NotFound) {
		return deadLink(ec, err)
	}
	if err != nil {
		return err
	}
	return page(ec, status, view.FactorLostPage(view.FactorLost{Email: u.Email, Key: key(), Problem: problem}))
}

func (c *Console) factorLostSubmit(ec echo.Context) error {
	f, err := form(ec, "email", "password")
	if err != nil {
		return err
	}
	u, err := c.linked(ec, accounts.ToDropFactor)
	if err == nil && f["email"] != u.Email { // another link was opened since this form
		err = otherLink()
	}
	if err == nil {
		err = c.app.Accounts.DropFactor(ec.Request().Context(), c.cookie(ec, linkCookie), accounts.Attempt{Password: f["password"], Device: c.cookie(ec, deviceCookie)})
	}
	if fault.Is(err, fault.NotFound) {
		return deadLink(ec, err)
	}
	if status, problem, ok := waits(ec, err, fault.Unauthenticated); ok {
		return c.factorLostForm(ec, status, problem)
	}
	if err != nil {
		return err
	}
	c.setCookie(ec, linkCookie, "", -1)
	return ec.Redirect(http.StatusSeeOther, paths.With(paths.Login(""), "lost", "1"))
}

// passwordHint tells the rule for new passwords of a person; 0 is one who belongs to nothing.
func (c *Console) passwordHint(ec echo.Context, user int64) (hint string, err error) {
	err = c.view(ec, func(tx *db.Tx) error {
		demanding, err := tenancy.Demanding(tx, user)
		if err != nil {
			return err
		}
		least, err := accounts.PasswordLeast(tx, demanding != "")
		hint = fmt.Sprintf("At least %d characters. A few words in a row make a good password.", least)
		return err
	})
	return hint, err
}

// repeated is Invalid unless the two passwords of a form are the same.
func repeated(f map[string]string) error {
	if f["password"] == f["repeat"] {
		return nil
	}
	return &fault.Error{Kind: fault.Invalid, Fields: []fault.Field{{Name: "repeat", Message: "The two passwords differ. Type the same one twice."}}}
}

// measures are what a person's new password is measured by beside the rules for everybody: the
// names that everyone would try first, of their organizations and projects, and whether one of
// those asks for a second factor.
func (c *Console) measures(ec echo.Context, user int64) (words []string, asked bool, err error) {
	err = c.view(ec, func(tx *db.Tx) error {
		if words, err = tenancy.Names(tx, user); err != nil {
			return err
		}
		demanding, err := tenancy.Demanding(tx, user)
		asked = demanding != ""
		return err
	})
	return words, asked, err
}
