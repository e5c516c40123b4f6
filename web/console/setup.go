package console

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/tenancy"
	view "steward/views/account"
	"steward/views/paths"
)

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
		err = repeated(f)
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
	arrival, err := c.app.Accounts.SignIn(ctx, accounts.Attempt{Email: f["email"], Password: f["password"]})
	if err != nil {
		return ec.Redirect(http.StatusSeeOther, paths.Login(paths.Project(p.ID)))
	}
	return c.arrived(ec, arrival, paths.Project(p.ID))
}
