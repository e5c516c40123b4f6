package console

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/tenancy"
	"steward/views/layout"
	"steward/views/paths"
	view "steward/views/tenancy"
	"steward/views/ui"
)

var reachFields = []field[tenancy.Reach]{
	{"ground", func(r tenancy.Reach) any { return string(r.Grant) }},
	{"projectId", func(r tenancy.Reach) any { return r.Project }},
	{"organizationId", func(r tenancy.Reach) any { return r.Organization }},
	{"maintainerId", func(r tenancy.Reach) any { return r.Maintainer }},
	{"name", func(r tenancy.Reach) any { return r.Name }},
	{"in", func(r tenancy.Reach) any { return r.In }},
	{"projects", func(r tenancy.Reach) any { return r.Projects }},
	{"role", func(r tenancy.Reach) any { return string(r.Role) }},
	{"through", func(r tenancy.Reach) any { return string(r.Through) }},
	{"steps", func(r tenancy.Reach) any { return joinSteps(r.Steps) }},
	{"since", func(r tenancy.Reach) any { return r.Since }},
	{"expires", func(r tenancy.Reach) any { return r.Until }},
	{"hours", func(r tenancy.Reach) any { return orNil(int64(r.Hours)) }},
	{"open", func(r tenancy.Reach) any { return r.Open }},
	{"reason", func(r tenancy.Reach) any { return r.Reason }},
}

// accountAccess lists what one gets into oneself.
func (c *Console) accountAccess(ec echo.Context, a access.Actor) error {
	m := view.Reach{Shell: c.accountShell(ec, a), Title: "Access", Lede: "Everything here that you can get into, now or after another step, and why.",
		Frame: layout.Frame{Title: "Access", Section: "access", Crumbs: []ui.Link{{Label: "Your account", URL: paths.Account()}, {Label: "Access"}}}}
	return c.reachPage(ec, a, a.UserID, m)
}

// adminUserAccess lists what somebody gets into.
func (c *Console) adminUserAccess(ec echo.Context, a access.Actor) error {
	id, err := number(ec, "user")
	if err != nil {
		return err
	}
	m := view.Reach{Shell: c.adminShell(ec, a), Kicker: "Person", Lede: "Everything that they can get into, now or after another step, and why.",
		Frame: layout.Frame{Section: "users", Crumbs: []ui.Link{{Label: "Administration", URL: paths.Admin()}, {Label: "People", URL: paths.Admin()}}}}
	return c.reachPage(ec, a, id, m)
}

func (c *Console) reachPage(ec echo.Context, a access.Actor, user int64, m view.Reach) error {
	var p tenancy.Person
	list := func(limit int, after *tenancy.Reach) (out []tenancy.Reach, err error) {
		err = c.view(ec, func(tx *db.Tx) error {
			if p, err = tenancy.PersonOf(tx, a, user); err != nil {
				return err
			}
			out, err = p.Reaches(tx, after, limit)
			return err
		})
		return out, err
	}
	done, err := exported(ec, "access", reachFields, func(last *tenancy.Reach) ([]tenancy.Reach, error) { return list(1000, last) })
	if done || err != nil {
		return err
	}
	var after *tenancy.Reach
	if text := ec.QueryParam("after"); text != "" {
		r, err := tenancy.ParseReach(text)
		if err != nil {
			return err
		}
		after = &r
	}
	found, err := list(pageSize+1, after)
	if err != nil {
		return err
	}
	next := ""
	if len(found) > pageSize {
		found = found[:pageSize]
		next = found[pageSize-1].Cursor()
	}
	if m.Title == "" {
		m.Title, m.Frame.Title = p.Who.Name, "Access of "+p.Who.Name
		m.Frame.Crumbs = append(m.Frame.Crumbs, ui.Link{Label: p.Who.Name, URL: paths.AdminUser(user)}, ui.Link{Label: "Access"})
	}
	own := user == a.UserID
	if m.Before = stepWords(p.Steps); own {
		m.Before = ownSteps(p.Steps)
	}
	if p.SuperAdmin {
		m.Facts = append(m.Facts, ui.Pair{Name: "Super admin", Value: "Administration of the whole console; every organization, and its projects as its auto-join says."})
	}
	if p.Support {
		m.Facts = append(m.Facts, ui.Pair{Name: "Support", Value: "Projects of every organization, as its auto-join says, until the end of " + lastDate(p.SupportUntil) + "."})
	}
	m.Download = downloads(ec)
	m.Pager = more(ec, ui.Count(int64(len(found)), "place", "places")+" on this page", "after", next, "More places")
	for _, r := range found {
		m.List = append(m.List, c.reachRow(r, own))
	}
	return page(ec, http.StatusOK, view.ReachPage(m))
}

func (c *Console) reachRow(r tenancy.Reach, own bool) view.ReachRow {
	row := view.ReachRow{Name: r.Name, In: r.In, Role: r.Role.Label(), Reason: r.Reason, Inside: len(r.Steps) == 0, Steps: stepWords(r.Steps), Since: c.when(r.Since), Until: c.when(r.Until)}
	if own {
		row.Steps = ownSteps(r.Steps)
	}
	if !r.Open.IsZero() {
		row.Until = c.when(r.Open)
	}
	if r.Hours != 0 {
		row.Stay = "For " + hours(r.Hours) + ", if approved"
	}
	row.By = map[tenancy.Grant]string{tenancy.ByMembership: "Role in the project", tenancy.ByInvitation: "Invitation", tenancy.ByRequest: "Request", tenancy.ByOrganization: "Member of the organization",
		tenancy.ByMaintainer: "Member of the maintainer", tenancy.BySupport: "Support", tenancy.BySuperAdmin: "Super admin"}[r.Grant]
	if r.Grant == tenancy.ByMembership && r.Through != "" {
		row.By += ", " + r.Through.Text()
	}
	if r.Grant == tenancy.ByOrganization && r.Through != "" {
		row.By = "In the organization for a time, " + r.Through.Text()
	}
	switch {
	case r.Organization != 0 && r.Project == 0 && r.Grant != tenancy.ByInvitation:
		row.Name = "Every project of " + r.Name
		if row.In = ui.Count(r.Projects, "project", "projects") + ", " + r.In; r.Projects == tenancy.ReachMost {
			row.In = "At least " + row.In
		}
		if r.Grant == tenancy.ByOrganization || r.Steps[len(r.Steps)-1] == tenancy.StepJoin { // or they may not even see it
			row.URL = paths.Organization(r.Organization)
		}
	case r.Maintainer != 0 && r.Grant != tenancy.ByInvitation:
		row.In, row.URL = "Its people, and the names of its organizations and projects", paths.Maintainer(r.Maintainer)
	case own && row.Inside:
		row.URL = paths.Project(r.Project)
	}
	if !own { // who looks may not be of it
		row.URL = ""
	}
	return row
}

// ownSteps tell what is before oneself.
func ownSteps(steps []tenancy.Step) (out []string) {
	for i, text := range stepWords(steps) {
		switch steps[i] {
		case tenancy.StepFactor:
			text = "You turn on two-step sign-in"
		case tenancy.StepAccept:
			text = "You accept the invitation"
		case tenancy.StepJoin:
			text = "You join by yourself"
		case tenancy.StepAsk:
			text = "You ask, and are let in"
		case tenancy.StepApprove:
			text = "Your request is approved"
		}
		out = append(out, text)
	}
	return out
}
