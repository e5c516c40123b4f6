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

func (c *Console) setup(ec echo.Context) error {
	code := ec.QueryParam("code")
	if err := c.view(ec, func(tx *db.Tx) error { return tenancy.CheckSetup(tx, code) }); err != nil {
		return err
	}
	return c.setupForm(ec, http.StatusOK, view.Setup{Code: code})
}

func (c *Console) setupForm(ec echo.Context, status int, m view.Setup) (err error) {
	m.Key = key()
	if m.PasswordHint, err = c.passwordHint(ec, 0); err != nil {
		return err
	}
	return page(ec, status, view.SetupPage(m))
}

func (c *Console) setupSubmit(ec echo.Context) error {
	f, err := form(ec, "code", "name", "email", "password", "repeat", "maintainer", "organization", "project")
	if err != nil {
		return err
	}
	if err := c.view(ec, func(tx *db.Tx) error { return tenancy.CheckSetup(tx, f["code"]) }); err != nil {
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
		return c.setupForm(ec, http.StatusUnprocessableEntity, view.Setup{Code: f["code"], Name: f["name"], Email: f["email"], Maintainer: f["maintainer"],
			Organization: f["organization"], Project: f["project"], Errors: errs})
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
