package console

import (
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/tenancy"
	"steward/views/paths"
	view "steward/views/tenancy"
	"steward/views/ui"
)

// movedAway are the projects that an organization may take back, and a text if there are others.
func (c *Console) movedAway(s access.Organization, list []tenancy.MovedAway) (rows []view.AwayProject, more string) {
	if len(list) > tenancy.MovedAwayMost {
		list, more = list[:tenancy.MovedAwayMost], "And others: those stand here whose time ends first. The mail about each move leads to its project."
	}
	for _, p := range list {
		row := view.AwayProject{Number: itoa(p.Project), Name: p.Name, In: p.In, By: p.By, Moved: c.when(p.At), Until: c.when(p.Until), Closed: p.Closed, URL: paths.TakeBack(s.ID(), p.Project)}
		if row.Closed != "" {
			row.URL, row.Until = "", ui.Time{} // the days do not go on
		}
		rows = append(rows, row)
	}
	return rows, more
}

func (c *Console) takeBack(ec echo.Context, s access.Organization) error {
	return c.takeBackPage(ec, s, http.StatusOK, nil)
}

// takeBackPage shows what it changes to take a project back, and asks for it.
func (c *Console) takeBackPage(ec echo.Context, s access.Organization, status int, errs ui.Errors) error {
	id, err := number(ec, "moved")
	if err != nil {
		return err
	}
	var x tenancy.Moving
	if err := c.view(ec, func(tx *db.Tx) error { x, err = tenancy.FindTakingBack(tx, s, id); return err }); err != nil {
		return err
	}
	notices, err := c.organizationNotices(ec, s)
	if err != nil {
		return err
	}
	m := c.asksMove(ec, s, x, x.Project.Role != "")
	m.Shell.Notices = notices
	m.Action, m.FromID, m.Errors = paths.TakeBack(s.ID(), id), itoa(x.From.ID), errs
	m.Organization, m.Back = ui.Link{Label: x.To.Name, URL: paths.Organization(s.ID())}, paths.Organization(s.ID())
	return page(ec, status, view.MovePage(m))
}

func (c *Console) takeBackSubmit(ec echo.Context, s access.Organization) error {
	f, err := form(ec, "from", "confirm")
	if err != nil {
		return err
	}
	id, err := number(ec, "moved")
	if err != nil {
		return err
	}
	from, err := strconv.ParseInt(f["from"], 10, 64)
	if err != nil {
		from = 0
	}
	var m tenancy.Moving
	err = c.update(ec, func(tx *db.Tx) error {
		m, err = c.app.Tenancy.TakeBack(tx, s, id, from, f["confirm"])
		return err
	})
	if errs, ok := limitMet(ec, err, ""); ok {
		return c.takeBackPage(ec, s, http.StatusTooManyRequests, errs)
	}
	if errs, ok := fieldErrors(err); ok {
		return c.takeBackPage(ec, s, takeBackStatus(err), errs)
	}
	if err != nil {
		return err
	}
	return c.done(ec, m.Project.Name+" is in "+m.To.Name+" again.", paths.Organization(s.ID()))
}

// takeBackStatus is the status of the page that says what was wrong.
func takeBackStatus(err error) int {
	if fault.Is(err, fault.Conflict) {
		return http.StatusConflict
	}
	return http.StatusUnprocessableEntity
}
