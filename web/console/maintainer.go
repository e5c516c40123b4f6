package console

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/tenancy"
	"steward/views/paths"
	view "steward/views/tenancy"
	"steward/views/ui"
)

var maintainerFields = []field[tenancy.Maintainer]{
	{"id", func(m tenancy.Maintainer) any { return m.ID }},
	{"name", func(m tenancy.Maintainer) any { return m.Name }},
	{"created", func(m tenancy.Maintainer) any { return m.CreatedAt }},
}

func (c *Console) maintainers(ec echo.Context, a access.Actor) error {
	return c.maintainersPage(ec, a, http.StatusOK, "", nil)
}

func (c *Console) maintainersPage(ec echo.Context, a access.Actor, status int, name string, errs ui.Errors) error {
	f := tenancy.Filter{Search: query(ec, "q")}
	list := func(limit int, after tenancy.After) (out []tenancy.Maintainer, err error) {
		f := f
		f.Limit, f.After = limit, after
		err = c.view(ec, func(tx *db.Tx) error { out, err = tenancy.Maintainers(tx, a, f); return err })
		return out, err
	}
	done, err := exported(ec, "maintainers", maintainerFields, func(last *tenancy.Maintainer) ([]tenancy.Maintainer, error) {
		if last == nil {
			return list(1000, tenancy.After{})
		}
		return list(1000, tenancy.After{Name: strings.ToLower(last.Name), ID: last.ID})
	})
	if done || err != nil {
		return err
	}
	after, err := afterNamed(ec)
	if err != nil {
		return err
	}
	found, err := list(pageSize+1, after)
	if err != nil {
		return err
	}
	next := ""
	if len(found) > pageSize {
		found = found[:pageSize]
		next = namedCursor(found[pageSize-1].Name, found[pageSize-1].ID)
	}
	m := view.Maintainers{Shell: c.shell(ec, a), Query: f.Search, Download: downloads(ec), Name: name, Errors: errs}
	m.Pager = more(ec, ui.Count(int64(len(found)), "maintainer", "maintainers")+" on this page", "after", next, "More maintainers")
	for _, x := range found {
		m.List = append(m.List, ui.Link{Label: x.Name, URL: paths.Maintainer(x.ID)})
	}
	if a.SuperAdmin {
		m.Action, m.Key = paths.Maintainers(), key()
	}
	return page(ec, status, view.MaintainersPage(m))
}

func (c *Console) maintainerCreate(ec echo.Context, a access.Actor) error {
	f, err := form(ec, "name")
	if err != nil {
		return err
	}
	var m tenancy.Maintainer
	err = c.update(ec, func(tx *db.Tx) error { m, err = tenancy.AddMaintainer(tx, a, f["name"]); return err })
	if errs, ok := fieldErrors(err); ok {
		return c.maintainersPage(ec, a, http.StatusUnprocessableEntity, f["name"], errs)
	}
	if err != nil {
		return err
	}
	return c.done(ec, "The maintainer "+m.Name+" is there. Invite the people who look after it.", paths.TeamMembers(paths.Maintainer(m.ID)))
}

var organizationFields = []field[tenancy.Organization]{
	{"id", func(o tenancy.Organization) any { return o.ID }},
	{"name", func(o tenancy.Organization) any { return o.Name }},
	{"autoJoin", func(o tenancy.Organization) any { return o.AutoJoin }},
	{"created", func(o tenancy.Organization) any { return o.CreatedAt }},
	{"crmId", func(o tenancy.Organization) any { return textOrNil(o.CRMID) }},
}

func (c *Console) maintainer(ec echo.Context, s access.Maintainer) error {
	f := tenancy.Filter{Search: query(ec, "q")}
	list := func(limit int, after tenancy.After) (out []tenancy.Organization, err error) {
		f := f
		f.Limit, f.After = limit, after
		err = c.view(ec, func(tx *db.Tx) error { out, err = tenancy.Organizations(tx, s, f); return err })
		return out, err
	}
	done, err := exported(ec, "organizations", organizationFields, func(last *tenancy.Organization) ([]tenancy.Organization, error) {
		if last == nil {
			return list(1000, tenancy.After{})
		}
		return list(1000, tenancy.After{Name: strings.ToLower(last.Name), ID: last.ID})
	})
	if done || err != nil {
		return err
	}
	after, err := afterNamed(ec)
	if err != nil {
		return err
	}
	found, err := list(pageSize+1, after)
	if err != nil {
		return err
	}
	next := ""
	if len(found) > pageSize {
		found = found[:pageSize]
		next = namedCursor(found[pageSize-1].Name, found[pageSize-1].ID)
	}
	m := view.Maintainer{Shell: c.shell(ec, s.Actor()), URL: paths.Maintainer(s.ID()), Tabs: view.MaintainerTabs(s.ID(), "organizations"), Query: f.Search, Download: downloads(ec)}
	m.Pager = more(ec, ui.Count(int64(len(found)), "organization", "organizations")+" on this page", "after", next, "More organizations")
	if s.May(access.OrganizationsCreate) {
		m.NewURL = paths.OrganizationNew(s.ID())
	}
	err = c.view(ec, func(tx *db.Tx) error {
		x, err := tenancy.DescribeMaintainer(tx, s)
		if err != nil {
			return err
		}
		m.Name = x.Name
		return c.tree(ec, tx, s, &m, found)
	})
	if err != nil {
		return err
	}
	return page(ec, http.StatusOK, view.MaintainerPage(m))
}

// tree fills in the organizations, with the projects of the one that the address names.
func (c *Console) tree(ec echo.Context, tx *db.Tx, s access.Maintainer, m *view.Maintainer, found []tenancy.Organization) error {
	open, _ := strconv.ParseInt(ec.QueryParam("organization"), 10, 64) // anything else opens none
	for _, o := range found {
		with := ec.Request().URL.Query()
		with.Del("projects")
		with.Set("organization", itoa(o.ID))
		row := view.MaintainerOrganization{ID: "organization-" + itoa(o.ID), Name: o.Name, AutoJoin: o.AutoJoin, OpenURL: address(ec, with) + "#organization-" + itoa(o.ID), CRM: o.CRMID, CRMURL: paths.MaintainerOrganization(s.ID(), o.ID)}
		is := s.Is()
		is.AutoJoin = o.AutoJoin
		if access.MayAbove(access.OrganizationRead, is) {
			row.URL = paths.Organization(o.ID)
		}
		if row.Open = o.ID == open; row.Open {
			with.Del("organization")
			row.CloseURL = address(ec, with)
			if err := c.branches(ec, tx, s, is, &row, o); err != nil {
				return err
			}
		}
		m.List = append(m.List, row)
	}
	return nil
}

// branches fills in the projects of an organization, by name.
func (c *Console) branches(ec echo.Context, tx *db.Tx, s access.Maintainer, is access.Above, row *view.MaintainerOrganization, o tenancy.Organization) (err error) {
	f := tenancy.Filter{Limit: pageSize + 1}
	if text := ec.QueryParam("projects"); text != "" {
		if f.After.Name, f.After.ID, err = parseNamed(text); err != nil {
			return err
		}
	}
	list, err := tenancy.NamesOfProjects(tx, s, o.ID, f)
	if err != nil {
		return err
	}
	if len(list) > pageSize {
		list = list[:pageSize]
		with := ec.Request().URL.Query()
		with.Set("projects", namedCursor(list[pageSize-1].Name, list[pageSize-1].ID))
		row.More = ui.Link{Label: "More projects of " + o.Name, URL: address(ec, with) + "#" + row.ID}
	}
	for _, p := range list {
		x := view.TreeProject{Number: itoa(p.ID), Name: p.Name}
		switch {
		case p.Role != "":
			x.Role, x.URL = p.Role.Label(), paths.Project(p.ID)
		case p.State != "active":
		case access.MayAbove(access.ProjectsJoin, is):
			x.Enter = ui.Link{Label: "Join", URL: paths.Join(p.ID)}
		case access.MayAbove(access.ProjectsRequestAccess, is):
			x.Enter = ui.Link{Label: "Ask to join", URL: paths.Ask(p.ID)}
		}
		row.Projects = append(row.Projects, x)
	}
	return nil
}

func (c *Console) organizationNew(ec echo.Context, s access.Maintainer) error {
	return c.organizationNewPage(ec, s, http.StatusOK, "", nil)
}

func (c *Console) organizationNewPage(ec echo.Context, s access.Maintainer, status int, name string, errs ui.Errors) error {
	m := view.Named{Shell: c.shell(ec, s.Actor()), Title: "New organization", Lede: "You become its first member, and invite the others.", Section: "maintainers", Action: paths.MaintainerOrganizations(s.ID()), Key: key(), Name: name, Verb: "Create organization", Cancel: paths.Maintainer(s.ID()), Errors: errs}
	err := c.view(ec, func(tx *db.Tx) error {
		x, err := tenancy.DescribeMaintainer(tx, s)
		m.Crumbs = []ui.Link{{Label: "Maintainers", URL: paths.Maintainers()}, {Label: x.Name, URL: paths.Maintainer(s.ID())}, {Label: "New organization"}}
		return err
	})
	if err != nil {
		return err
	}
	return page(ec, status, view.NamedPage(m))
}

func (c *Console) organizationCreate(ec echo.Context, s access.Maintainer) error {
	f, err := form(ec, "name")
	if err != nil {
		return err
	}
	var o tenancy.Organization
	err = c.update(ec, func(tx *db.Tx) error { o, err = tenancy.NewOrganization(tx, s, f["name"]); return err })
	if errs, ok := limitMet(ec, err, ""); ok {
		return c.organizationNewPage(ec, s, http.StatusTooManyRequests, f["name"], errs)
	}
	if errs, ok := fieldErrors(err); ok {
		return c.organizationNewPage(ec, s, http.StatusUnprocessableEntity, f["name"], errs)
	}
	if err != nil {
		return err
	}
	return c.done(ec, "The organization "+o.Name+" is there. Invite the people who are to run it.", paths.Organization(o.ID))
}

func (c *Console) maintainerSettings(ec echo.Context, s access.Maintainer) error {
	return c.maintainerSettingsPage(ec, s, http.StatusOK, nil, nil)
}

func (c *Console) maintainerSettingsPage(ec echo.Context, s access.Maintainer, status int, typed map[string]string, errs ui.Errors) error {
	m := view.Named{Shell: c.shell(ec, s.Actor()), Lede: "What this maintainer is called.", Section: "maintainers", Tabs: view.MaintainerTabs(s.ID(), "settings"), Key: key(), Verb: "Save", Errors: errs}
	if s.May(access.MaintainerManage) {
		m.Action = paths.MaintainerSettings(s.ID())
	}
	if s.Is().SuperAdmin {
		m.DeleteURL, m.DeleteKey = paths.MaintainerDelete(s.ID()), key()
	}
	err := c.view(ec, func(tx *db.Tx) error {
		x, err := tenancy.DescribeMaintainer(tx, s)
		m.Title, m.Name, m.Seen = x.Name, x.Name, seenIn(status, typed, x.Name)
		m.Number, m.Created = itoa(x.ID), c.when(x.CreatedAt)
		m.Crumbs = []ui.Link{{Label: "Maintainers", URL: paths.Maintainers()}, {Label: x.Name, URL: paths.Maintainer(s.ID())}, {Label: "Settings"}}
		return err
	})
	if err != nil {
		return err
	}
	if typed != nil {
		m.Name = typed["name"]
	}
	return page(ec, status, view.NamedPage(m))
}

func (c *Console) maintainerSettingsUpdate(ec echo.Context, s access.Maintainer) error {
	f, err := form(ec, "name", "seen")
	if err != nil {
		return err
	}
	name := strings.TrimSpace(f["name"])
	var was string
	err = c.update(ec, func(tx *db.Tx) error {
		if was, err = tenancy.RenameMaintainer(tx, s, name); err == nil {
			err = overtaken(f, was)
		}
		return err
	})
	if errs, ok := fieldErrors(err); ok {
		return c.maintainerSettingsPage(ec, s, formStatus(err), f, errs)
	}
	if err != nil {
		return err
	}
	if was == name {
		return c.done(ec, asBefore, paths.MaintainerSettings(s.ID()))
	}
	back := undo{Action: paths.MaintainerSettings(s.ID()), Fields: []ui.Pair{{Name: "seen", Value: seen(name)}, {Name: "name", Value: was}}}
	return c.doneWith(ec, "The maintainer is saved.", back, paths.MaintainerSettings(s.ID()))
}

func (c *Console) maintainerDelete(ec echo.Context, a access.Actor) error {
	f, err := form(ec, "confirm")
	if err != nil {
		return err
	}
	id, err := number(ec, "maintainer")
	if err != nil {
		return err
	}
	var m tenancy.Maintainer
	err = c.update(ec, func(tx *db.Tx) error { m, err = c.app.Tenancy.DeleteMaintainer(tx, a, id, f["confirm"]); return err })
	if errs, ok := fieldErrors(err); ok {
		return c.maintainerUndeleted(ec, a, id, errs)
	}
	if err != nil {
		return err
	}
	return c.done(ec, "The maintainer "+m.Name+" is deleted.", paths.Maintainers())
}

// maintainerUndeleted shows why one was not deleted.
func (c *Console) maintainerUndeleted(ec echo.Context, a access.Actor, id int64, errs ui.Errors) error {
	var s access.Maintainer
	err := c.view(ec, func(tx *db.Tx) (err error) {
		s, err = tenancy.EnterMaintainer(tx, a, id, access.MaintainerRead)
		return err
	})
	if err != nil {
		return err
	}
	return c.maintainerSettingsPage(ec, s, http.StatusUnprocessableEntity, nil, errs)
}
