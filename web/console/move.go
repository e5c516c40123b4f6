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

// movingNamed is how many of the people whom a move concerns are named.
const movingNamed = 10

// mover says where a project is that moves, and where a page about it leads back to.
func mover(s access.Organization, name string, role access.Role, project int64) (organization ui.Link, back string) {
	organization.Label = name
	if s.May(access.OrganizationRead) {
		organization.URL, back = paths.Organization(s.ID()), paths.Organization(s.ID())
	}
	if role != "" {
		back = paths.ProjectSettings(project)
	}
	if back == "" {
		back = paths.Projects()
	}
	return organization, back
}

func (c *Console) move(ec echo.Context, s access.Organization) error {
	if to := query(ec, "to"); to != "" {
		return c.movePage(ec, s, http.StatusOK, to, nil)
	}
	id, err := number(ec, "project")
	if err != nil {
		return err
	}
	f := tenancy.Filter{Search: query(ec, "q"), Limit: pageSize + 1}
	if f.After, err = afterNamed(ec); err != nil {
		return err
	}
	m := view.MoveTo{Shell: c.shell(ec, s.Actor()), URL: paths.ProjectMove(id), Query: f.Search, Above: tenancy.FromAbove(s.Is())}
	err = c.view(ec, func(tx *db.Tx) error {
		e, err := tenancy.FindEntrance(tx, s, id)
		if err != nil {
			return err
		}
		list, err := tenancy.Targets(tx, s, f)
		if err != nil {
			return err
		}
		m.Project = e.Project.Name
		m.Organization, m.Back = mover(s, e.Project.OrganizationName, e.Project.Role, id)
		next := ""
		if len(list) > pageSize {
			list = list[:pageSize]
			next = namedCursor(list[pageSize-1].Name, list[pageSize-1].ID)
		}
		m.Pager = more(ec, ui.Count(int64(len(list)), "organization", "organizations")+" on this page", "after", next, "More organizations")
		for _, o := range list {
			m.List = append(m.List, view.MoveTarget{Number: itoa(o.ID), Name: o.Name, Maintainer: o.MaintainerName, Factor: o.FactorRequired, URL: paths.With(paths.ProjectMove(id), "to", itoa(o.ID))})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return page(ec, http.StatusOK, view.MoveToPage(m))
}

// movePage shows what a move to an organization changes, and asks for it.
func (c *Console) movePage(ec echo.Context, s access.Organization, status int, to string, errs ui.Errors) error {
	id, err := number(ec, "project")
	if err != nil {
		return err
	}
	target, err := organizationNumber(to)
	if err != nil {
		return err
	}
	var x tenancy.Moving
	if err := c.view(ec, func(tx *db.Tx) error { x, err = tenancy.FindMoving(tx, s, id, target); return err }); err != nil {
		return err
	}
	m := c.asksMove(ec, s, x, x.Project.Role != "" || s.May(access.ProjectsJoin))
	m.Action, m.Other, m.Errors, m.ToID, m.Lost = paths.ProjectMove(id), paths.ProjectMove(id), errs, itoa(x.To.ID), x.Lost
	m.Organization, m.Back = mover(s, x.From.Name, x.Project.Role, id)
	return page(ec, status, view.MovePage(m))
}

// asksMove tells what a move changes. Who is not named the people sees no more than how many there are.
func (c *Console) asksMove(ec echo.Context, s access.Organization, x tenancy.Moving, named bool) view.Move {
	m := view.Move{Shell: c.shell(ec, s.Actor()), Project: x.Project.Name, Here: x.From.Name, To: x.To.Name, Maintainer: x.To.MaintainerName, AutoJoin: x.To.AutoJoin, Factor: x.To.FactorRequired, Alone: x.Alone, Returns: x.Returns(), Key: key()}
	m.Out, m.Locked = movePeople(x.Out, named), movePeople(x.Locked, named)
	if x.Restored > 0 {
		m.Restored = ui.Count(x.Restored, "person gets back", "people get back")
	}
	if x.Requests > 0 {
		m.Requests = ui.Count(x.Requests, "request to join", "requests to join")
	}
	if x.Invitations > 0 {
		m.Invitations, m.Ending = ui.Count(x.Invitations, "invitation that waits", "invitations that wait"), "None"
	}
	if x.Ending > 0 {
		m.Ending = ui.Number(x.Ending)
	}
	return m
}

// movePeople are the first of some people, with how many there are.
func movePeople(list []tenancy.Member, named bool) (p view.MovePeople) {
	n := int64(len(list))
	switch {
	case n == 0:
		return p
	case n > tenancy.MovingMost:
		p.Count, p.More = "More than "+itoa(tenancy.MovingMost)+" people", "And others"
	default:
		p.Count = ui.Count(n, "person", "people")
		if n > movingNamed {
			p.More = "And " + itoa(n-movingNamed) + " more"
		}
	}
	for _, m := range list[:min(n, movingNamed)] {
		if named {
			p.First = append(p.First, ui.Pair{Name: m.Who.Name, Value: m.Who.Email})
		}
	}
	return p
}

// organizationNumber reads the number of an organization in a form. NotFound for what is none.
func organizationNumber(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id <= 0 {
		return 0, fault.New(fault.NotFound, "notFound", "Not found.")
	}
	return id, nil
}

func (c *Console) moveSubmit(ec echo.Context, s access.Organization) error {
	f, err := form(ec, "to", "confirm")
	if err != nil {
		return err
	}
	id, err := number(ec, "project")
	if err != nil {
		return err
	}
	to, err := organizationNumber(f["to"])
	if err != nil {
		return err
	}
	var m tenancy.Moving
	err = c.update(ec, func(tx *db.Tx) error { m, err = c.app.Tenancy.Move(tx, s, id, to, f["confirm"]); return err })
	if fault.Is(err, fault.Conflict) {
		return c.refused(ec, err, paths.Projects())
	}
	if errs, ok := limitMet(ec, err, ""); ok {
		return c.movePage(ec, s, http.StatusTooManyRequests, f["to"], errs)
	}
	if errs, ok := fieldErrors(err); ok {
		return c.movePage(ec, s, http.StatusUnprocessableEntity, f["to"], errs)
	}
	if err != nil {
		return err
	}
	next, returns, text := paths.Projects(), false, m.Project.Name+" is in "+m.To.Name+" now."
	err = c.view(ec, func(tx *db.Tx) error {
		there, err := tenancy.EnterOrganization(tx, s.Actor(), to, access.OrganizationRead)
		if err != nil {
			return err
		}
		next = paths.Organization(to)
		_, err = tenancy.FindMoving(tx, there, id, m.From.ID)
		returns = err == nil
		return err
	})
	if err != nil && fault.Of(err) == nil {
		return err
	}
	if !returns { // they may not move it back
		return c.done(ec, text, next)
	}
	back := undo{Action: paths.ProjectMove(id), Fields: []ui.Pair{{Name: "to", Value: itoa(m.From.ID)}, {Name: "confirm", Value: m.Project.Name}}}
	return c.doneWith(ec, text, back, next)
}
