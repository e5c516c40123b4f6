package console

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/tenancy"
	"steward/views/paths"
	view "steward/views/tenancy"
	"steward/views/ui"
)

// Joining an organization for a time, by a right from above it.

func (c *Console) visit(ec echo.Context, s access.Organization) error {
	if s.Is().OrgMember || s.Is().Visitor {
		return ec.Redirect(http.StatusSeeOther, paths.TeamMembers(paths.Organization(s.ID())))
	}
	return c.visitPage(ec, s, http.StatusOK, view.Entrance{Hours: "8"})
}

// visitPage shows the form, which keeps what was typed.
func (c *Console) visitPage(ec echo.Context, s access.Organization, status int, m view.Entrance) error {
	var o tenancy.Organization
	if err := c.view(ec, func(tx *db.Tx) (err error) { o, err = tenancy.DescribeOrganization(tx, s); return err }); err != nil {
		return err
	}
	home := paths.Organization(s.ID())
	var err error
	if m.Shell, err = c.organizationShell(ec, s); err != nil {
		return err
	}
	m.Project, m.Organization, m.Key, m.Verb = o.Name, ui.Link{Label: o.Name, URL: home}, key(), "Join organization"
	m.Action, m.Back, m.Stays = paths.OrganizationJoin(s.ID()), paths.TeamMembers(home), stays()
	m.Lede = "You are in it at once, for a time. It is recorded, its members are mailed, and everybody in it sees it."
	m.RoleText = "You see who is in it and read its audit log. You let nobody in or out, and come into its projects one by one, as without it."
	return page(ec, status, view.EntrancePage(m))
}

func (c *Console) visitBegin(ec echo.Context, s access.Organization) error {
	f, err := form(ec, visitForm...)
	if err != nil {
		return err
	}
	j, m := joining(f)
	home := paths.Organization(s.ID())
	err = c.update(ec, func(tx *db.Tx) error { return c.app.Tenancy.VisitOrganization(tx, s, j) })
	if fault.Is(err, fault.Conflict) {
		return c.refused(ec, err, paths.TeamMembers(home))
	}
	if errs, ok := limitMet(ec, err, ""); ok {
		m.Errors = errs
		return c.visitPage(ec, s, http.StatusTooManyRequests, m)
	}
	if errs, ok := fieldErrors(err); ok {
		m.Errors = errs
		return c.visitPage(ec, s, http.StatusUnprocessableEntity, m)
	}
	if err != nil {
		return err
	}
	return c.done(ec, "You are in the organization now, for "+hours(j.Hours)+" at most.", home)
}

func (c *Console) visitEnd(ec echo.Context, s access.Organization) error {
	if _, err := form(ec); err != nil {
		return err
	}
	if err := c.update(ec, func(tx *db.Tx) error { return c.app.Tenancy.EndVisit(tx, s) }); err != nil {
		return err
	}
	return c.done(ec, "You are out of the organization.", paths.Organization(s.ID()))
}
