package console

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/tenancy"
	"steward/views/paths"
	view "steward/views/settings"
	"steward/views/ui"
)

// wish shows the form by which the people of a project ask for more.
func (c *Console) wish(ec echo.Context, s access.Project) error {
	return c.wishPage(ec, s, http.StatusOK, tenancy.Wish{For: ec.QueryParam("for")}, nil)
}

func (c *Console) wishPage(ec echo.Context, s access.Project, status int, w tenancy.Wish, errs ui.Errors) error {
	m := view.Wish{Users: paths.Members(s.ID()), Limits: paths.ProjectLimits(s.ID()), Action: paths.ProjectWish(s.ID()), Key: key(), Text: w.Text, Errors: errs,
		For: ui.Choices{ID: "for", Legend: "What you ask for", Value: w.For, Error: errs["for"]}}
	for _, x := range tenancy.WishesFor() {
		m.For.Items = append(m.For.Items, ui.Choice{Value: x[0], Label: capital(x[1])})
	}
	err := c.view(ec, func(tx *db.Tx) (err error) { m.Shell, _, err = c.projectShell(ec, tx, s); return err })
	if err != nil {
		return err
	}
	return page(ec, status, view.WishPage(m))
}

func (c *Console) wishSend(ec echo.Context, s access.Project) error {
	f, err := form(ec, "for", "text")
	if err != nil {
		return err
	}
	w := tenancy.Wish{For: f["for"], Text: f["text"]}
	err = c.update(ec, func(tx *db.Tx) error { return c.app.Tenancy.Wish(tx, s, w) })
	if errs, ok := limitMet(ec, err, ""); ok {
		return c.wishPage(ec, s, http.StatusTooManyRequests, w, errs)
	}
	if errs, ok := fieldErrors(err); ok {
		return c.wishPage(ec, s, http.StatusUnprocessableEntity, w, errs)
	}
	if err != nil {
		return err
	}
	return c.done(ec, "The super admins are mailed what you need. They answer you by mail, or change the project.", paths.ProjectLimits(s.ID()))
}
