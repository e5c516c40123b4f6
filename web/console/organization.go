package console

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/tenancy"
	"steward/views/paths"
	view "steward/views/tenancy"
	"steward/views/ui"
)

// organizationTabs are the parts of an organization that the scope's actor may see.
func organizationTabs(s access.Organization, current string) []ui.Tab {
	return view.OrganizationTabs(s.ID(), s.May(access.OrganizationBilling), s.May(access.AuditOrganization), current)
}

// afterNamed is the place in a list ordered by name that an address asks for.
func afterNamed(ec echo.Context) (a tenancy.After, err error) {
	if text := ec.QueryParam("after"); text != "" {
		a.Name, a.ID, err = parseNamed(text)
	}
	return a, err
}

func namedCursor(name string, id int64) string { return strings.ToLower(name) + "\n" + itoa(id) }

var organizationProjectFields = []field[tenancy.Project]{
	{"id", func(p tenancy.Project) any { return p.ID }},
	{"name", func(p tenancy.Project) any { return p.Name }},
	{"state", func(p tenancy.Project) any { return p.State }},
	{"disabledReason", func(p tenancy.Project) any { return p.DisabledReason }},
	{"expectedBack", func(p tenancy.Project) any { return p.ExpectedAt }},
	{"governed", func(p tenancy.Project) any { return p.Governed }},
	{"created", func(p tenancy.Project) any { return p.CreatedAt }},
	{"expires", func(p tenancy.Project) any { return p.ExpiresAt }},
	{"role", func(p tenancy.Project) any { return string(p.Role) }},
}

func (c *Console) organization(ec echo.Context, s access.Organization) error {
	f := tenancy.Filter{Search: query(ec, "q")}
	list := func(limit int, after tenancy.After) (out []tenancy.Project, err error) {
		f := f
		f.Limit, f.After = limit, after
		err = c.view(ec, func(tx *db.Tx) error { out, err = tenancy.OrganizationProjects(tx, s, f); return err })
		return out, err
	}
	done, err := exported(ec, "projects", organizationProjectFields, func(last *tenancy.Project) ([]tenancy.Project, error) {
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
	projects, err := list(pageSize+1, after)
	if err != nil {
		return err
	}
	next := ""
	if len(projects) > pageSize {
		projects = projects[:pageSize]
		next = namedCursor(projects[pageSize-1].Name, projects[pageSize-1].ID)
	}
	shell, err := c.organizationShell(ec, s)
	if err != nil {
		return err
	}
	m := view.Organization{Shell: shell, URL: paths.Organization(s.ID()), Tabs: organizationTabs(s, "projects"), Query: f.Search, Download: downloads(ec)}
	m.Pager = more(ec, ui.Count(int64(len(projects)), "project", "projects")+" on this page", "after", next, "More projects")
	err = c.view(ec, func(tx *db.Tx) error {
		o, err := tenancy.DescribeOrganization(tx, s)
		if err != nil {
			return err
		}
		n, err := tenancy.CountProjects(tx, s)
		if err != nil {
			return err
		}
		m.Name, m.Lede = o.Name, "Organization of "+o.MaintainerName+", with "+ui.Count(n, "project", "projects")+"."
		deleted, waiting, last, err := tenancy.DeletedProjects(tx, s)
		m.Waiting = c.waitingFor(waiting, last)
		for _, p := range deleted {
			row := view.DeletedProject{Number: itoa(p.ID), Name: p.Name, By: p.Life.DeletedBy, Deleted: c.when(p.Life.DeletedAt), Purge: c.when(p.Life.PurgeAt), Purging: !p.Life.PurgeBegunAt.IsZero()}
			m.Deleted = append(m.Deleted, row)
		}
		if more := waiting - int64(len(deleted)); len(deleted) > 0 && more > 0 {
			m.More = "And " + ui.Count(more, "more", "more") + "."
		}
		if err != nil {
			return err
		}
		away, err := tenancy.ListMovedAway(tx, s)
		m.Away, m.AwayMore = c.movedAway(s, away)
		return err
	})
	if err != nil {
		return err
	}
	if s.May(access.ProjectsCreate) {
		m.NewURL = paths.ProjectNew(s.ID())
	}
	switch {
	case s.Is().OrgMember:
	case s.Is().Visitor:
		m.JoinReason = "You look into this organization for a time. Its projects you join one by one, each for a time and with a reason."
	case s.May(access.ProjectsJoin):
		m.JoinReason, m.VisitURL = "You do not belong to this organization. It lets you into its projects for a time, and with a reason.", paths.OrganizationJoin(s.ID())
	default:
		m.JoinReason = "You do not belong to this organization. To get into a project, ask those who manage its people."
	}
	for _, p := range projects {
		m.List = append(m.List, c.organizationProject(s, p))
	}
	return page(ec, http.StatusOK, view.OrganizationPage(m))
}

// waitingFor tells of deleted projects whose data is there still, and until when.
func (c *Console) waitingFor(n int64, last time.Time) view.Waiting {
	if n == 0 {
		return view.Waiting{}
	}
	w := view.Waiting{Text: ui.Count(n, "deleted project waits for its purge", "deleted projects wait for their purge")}
	if !last.After(c.app.DB.Now()) {
		w.Text += "."
		return w
	}
	w.Text += map[bool]string{true: ", until ", false: ", the last until "}[n == 1]
	w.Until = c.when(last)
	return w
}

func (c *Console) organizationProject(s access.Organization, p tenancy.Project) view.OrganizationProject {
	row := view.OrganizationProject{Number: itoa(p.ID), Name: p.Name, Kind: "Standard", Disabled: p.State == tenancy.Disabled, Reason: p.DisabledReason, Back: c.end(p.ExpectedAt), Expires: c.when(p.ExpiresAt)}
	if p.Governed {
		row.Kind = "Governed"
	}
	open := p.State == "active" && (p.ExpiresAt.IsZero() || p.ExpiresAt.After(c.app.DB.Now()))
	row.Expired = p.State == "active" && !open
	if open && tenancy.MovesOut(s.Is()) {
		row.MoveURL = paths.ProjectMove(p.ID)
	}
	switch {
	case p.Role != "":
		row.Role = p.Role.Label()
		if open {
			row.URL = paths.Project(p.ID)
			row.Leave = ui.Confirm{ID: "leave-" + itoa(p.ID), Question: "Leave " + p.Name + "?", Verb: "Leave project", Keep: "Stay", Key: key(), Action: paths.MemberLeave(p.ID),
				Consequence: "You are out at once. What you did stays. You come back by an invitation, or by yourself if you may join it."}
		}
	case open && s.May(access.ProjectsJoin):
		if s.Is().OrgMember {
			row.PeopleURL = paths.Members(p.ID)
		}
		row.JoinURL = paths.Join(p.ID)
	case open && s.May(access.ProjectsRequestAccess):
		row.AskURL = paths.Ask(p.ID)
	}
	return row
}

func (c *Console) projectNew(ec echo.Context, s access.Organization) error {
	return c.projectNewPage(ec, s, http.StatusOK, "", "", nil)
}

func (c *Console) projectNewPage(ec echo.Context, s access.Organization, status int, name, template string, errs ui.Errors) error {
	shell, err := c.organizationShell(ec, s)
	if err != nil {
		return err
	}
	m := view.ProjectNew{Shell: shell, Action: paths.OrganizationProjects(s.ID()), Key: key(), Name: name, Errors: errs,
		Template: ui.Choices{ID: "template", Legend: "Type", Value: template, Error: errs["template"]}}
	err = c.view(ec, func(tx *db.Tx) error {
		o, err := tenancy.DescribeOrganization(tx, s)
		if err != nil {
			return err
		}
		m.Organization = ui.Link{Label: o.Name, URL: paths.Organization(o.ID)}
		list, err := tenancy.Templates(tx)
		for _, t := range list {
			m.Template.Items = append(m.Template.Items, ui.Choice{Value: t.ID, Label: t.Name, Text: t.Description})
		}
		return err
	})
	if err != nil {
		return err
	}
	return page(ec, status, view.ProjectNewPage(m))
}

func (c *Console) projectCreate(ec echo.Context, s access.Organization) error {
	f, err := form(ec, "name", "template")
	if err != nil {
		return err
	}
	var p tenancy.Project
	err = c.update(ec, func(tx *db.Tx) error { p, err = tenancy.NewProjectIn(tx, s, f["name"], f["template"]); return err })
	if errs, ok := limitMet(ec, err, ""); ok {
		return c.projectNewPage(ec, s, http.StatusTooManyRequests, f["name"], f["template"], errs)
	}
	if errs, ok := fieldErrors(err); ok {
		return c.projectNewPage(ec, s, http.StatusUnprocessableEntity, f["name"], f["template"], errs)
	}
	if err != nil {
		return err
	}
	return c.done(ec, "The project "+p.Name+" is there. Invite the people who are to work in it.", paths.Project(p.ID))
}

func (c *Console) organizationSettings(ec echo.Context, s access.Organization) error {
	return c.organizationSettingsPage(ec, s, http.StatusOK, nil, nil)
}

// organizationSettingsPage shows what is set, or what was typed in its place. When that was
// overtaken, it shows both.
func (c *Console) organizationSettingsPage(ec echo.Context, s access.Organization, status int, typed map[string]string, errs ui.Errors) error {
	shell, err := c.organizationShell(ec, s)
	if err != nil {
		return err
	}
	m := view.OrganizationSettings{Shell: shell, URL: paths.Organization(s.ID()), Tabs: organizationTabs(s, "settings"), Action: paths.OrganizationSettings(s.ID()), Number: itoa(s.ID()),
		Editable: s.May(access.OrganizationManage), Decides: s.Is().OrgMember, Key: key(), Errors: errs, Deletable: s.May(access.OrganizationDelete), DeleteURL: paths.OrganizationDelete(s.ID()), DeleteKey: key()}
	if s.May(access.OrganizationRequireMfa) {
		m.FactorURL = paths.OrganizationTwoStep(s.ID())
	}
	err = c.view(ec, func(tx *db.Tx) error {
		o, err := tenancy.DescribeOrganization(tx, s)
		if err != nil {
			return err
		}
		m.Title, m.Name, m.AutoJoin, m.Factor, m.Created, m.Maintainer.Label = o.Name, o.Name, o.AutoJoin, o.FactorRequired, c.when(o.CreatedAt), o.MaintainerName
		if m.Seen = seenIn(status, typed, o.Settings()); status == http.StatusConflict {
			m.Now = []ui.Pair{{Name: "Name", Value: o.Name}, {Name: "Support and the maintainer's people may join projects by themselves", Value: yesNo(o.AutoJoin)}}
		}
		if is := s.Is(); is.MaintainerMember || is.Support || is.SuperAdmin {
			m.Maintainer.URL = paths.Maintainer(o.Maintainer)
		}
		n, err := tenancy.CountProjects(tx, s)
		if err != nil {
			return err
		}
		if n > 0 {
			m.ProjectsLeft = "It has " + ui.Count(n, "project. Delete or move it first.", "projects. Delete or move them first.")
		}
		if !s.Is().OrgMember {
			claims, err := tenancy.Claims(tx, s)
			if err != nil {
				return err
			}
			if claims {
				m.ProjectsLeft = "A project was moved out of it, and its members may still take it back. Until then only they delete it."
			}
		}
		if o.AutoJoin && m.Decides {
			in, err := tenancy.Inside(tx, s)
			if err != nil {
				return err
			}
			if in > 0 {
				places := ui.Count(in, "place", "places")
				if in > tenancy.InsideMost {
					places = "more than " + ui.Number(tenancy.InsideMost) + " places"
				}
				m.Inside = " Switched off, it ends " + places + " that they have by it now, in the organization and its projects; they are mailed."
			}
		}
		_, waiting, last, err := tenancy.DeletedProjects(tx, s)
		m.Waiting = c.waitingFor(waiting, last)
		return err
	})
	if err != nil {
		return err
	}
	if typed != nil {
		m.Name = typed["name"]
		if m.Decides { // for others it is as it is
			m.AutoJoin = typed["autoJoin"] != ""
		}
	}
	return page(ec, status, view.OrganizationSettingsPage(m))
}

func (c *Console) organizationSettingsUpdate(ec echo.Context, s access.Organization) error {
	f, err := form(ec, "name", "autoJoin", "seen")
	if err != nil {
		return err
	}
	to := tenancy.OrganizationSettings{Name: f["name"], AutoJoin: f["autoJoin"] != ""}
	var was, is tenancy.OrganizationSettings
	err = c.update(ec, func(tx *db.Tx) error {
		if was, is, err = c.app.Tenancy.SetOrganization(tx, s, to); err == nil || fault.HasCode(err, tenancy.ForMembers) {
			err = cmp.Or(overtaken(f, was), err) // who did not decide it has sent what it was
		}
		return err
	})
	if errs, ok := fieldErrors(err); ok {
		return c.organizationSettingsPage(ec, s, formStatus(err), f, errs)
	}
	if err != nil {
		return err
	}
	if was == is {
		return c.done(ec, asBefore, paths.OrganizationSettings(s.ID()))
	}
	if was.AutoJoin && !is.AutoJoin {
		if err := c.app.Tenancy.CloseDoor(ec.Request().Context(), s.Actor(), s.ID()); err != nil { // housekeeping goes on
			c.app.Log.WarnContext(ec.Request().Context(), "not everybody is out of an organization that closed its door", "organization", s.ID(), "error", err)
		}
	}
	back := []ui.Pair{{Name: "seen", Value: seen(is)}, {Name: "name", Value: was.Name}}
	if was.AutoJoin {
		back = append(back, ui.Pair{Name: "autoJoin", Value: "1"})
	}
	return c.doneWith(ec, "The organization is saved.", undo{Action: paths.OrganizationSettings(s.ID()), Fields: back}, paths.OrganizationSettings(s.ID()))
}

func (c *Console) organizationDelete(ec echo.Context, s access.Organization) error {
	f, err := form(ec, "confirm")
	if err != nil {
		return err
	}
	var o tenancy.Organization
	err = c.update(ec, func(tx *db.Tx) error {
		if o, err = tenancy.DescribeOrganization(tx, s); err != nil {
			return err
		}
		if strings.TrimSpace(f["confirm"]) != o.Name {
			return errUnconfirmed()
		}
		return c.app.Tenancy.DeleteOrganization(tx, s)
	})
	if errs, ok := fieldErrors(err); ok {
		return c.organizationSettingsPage(ec, s, http.StatusUnprocessableEntity, nil, errs)
	}
	if err != nil {
		return err
	}
	return c.done(ec, "The organization "+o.Name+" is deleted.", paths.Projects())
}

// errUnconfirmed is the fault of a name that was typed to confirm, and is another one.
func errUnconfirmed() error {
	const message = "This is not the name of the organization. Nothing was changed."
	return &fault.Error{Kind: fault.Invalid, Code: "form.confirm", Message: message, Fields: []fault.Field{{Name: "confirm", Message: message}}}
}

var unprotectedFields = []field[tenancy.Unprotected]{
	{"email", func(u tenancy.Unprotected) any { return u.Who.Email }},
	{"name", func(u tenancy.Unprotected) any { return u.Who.Name }},
	{"project", func(u tenancy.Unprotected) any {
		if u.Project == 0 {
			return nil
		}
		return u.Project
	}},
	{"where", func(u tenancy.Unprotected) any { return u.Where }},
}

func (c *Console) organizationTwoStep(ec echo.Context, s access.Organization) error {
	return c.organizationTwoStepPage(ec, s, http.StatusOK, nil)
}

func (c *Console) organizationTwoStepPage(ec echo.Context, s access.Organization, status int, errs ui.Errors) error {
	list := func(limit int, after *tenancy.Unprotected) (out []tenancy.Unprotected, err error) {
		err = c.view(ec, func(tx *db.Tx) error { out, err = tenancy.UnprotectedIn(tx, s, after, limit); return err })
		return out, err
	}
	done, err := exported(ec, "without-two-step", unprotectedFields, func(last *tenancy.Unprotected) ([]tenancy.Unprotected, error) { return list(1000, last) })
	if done || err != nil {
		return err
	}
	var after *tenancy.Unprotected
	if text := ec.QueryParam("after"); text != "" {
		u, err := tenancy.ParseUnprotected(text)
		if err != nil {
			return err
		}
		after = &u
	}
	people, err := list(pageSize+1, after)
	if err != nil {
		return err
	}
	next := ""
	if len(people) > pageSize {
		people = people[:pageSize]
		next = people[pageSize-1].Cursor()
	}
	shell, err := c.organizationShell(ec, s)
	if err != nil {
		return err
	}
	m := view.TwoStep{Shell: shell, URL: paths.Organization(s.ID()), Settings: paths.OrganizationSettings(s.ID()), Action: paths.OrganizationTwoStep(s.ID()), Key: key(), Download: downloads(ec), Errors: errs, SecurityURL: paths.Security(), Mails: ui.Number(tenancy.RemindMost)}
	who := map[string]bool{}
	for _, u := range people {
		who[u.Who.Email] = true
		m.List = append(m.List, view.UnprotectedRow{Name: u.Who.Name, Email: u.Who.Email, Where: u.Where})
	}
	count := ui.Count(int64(len(who)), "person", "people")
	if len(who) < len(people) {
		count += " in " + ui.Number(int64(len(people))) + " rows"
	}
	m.Pager = more(ec, count+" on this page", "after", next, "More people")
	err = c.view(ec, func(tx *db.Tx) error {
		o, err := tenancy.DescribeOrganization(tx, s)
		if err != nil {
			return err
		}
		m.Name, m.On = o.Name, o.FactorRequired
		own, err := tenancy.HasFactor(tx, s.Actor())
		m.OwnMissing = !own
		return err
	})
	if err != nil {
		return err
	}
	return page(ec, status, view.TwoStepPage(m))
}

func (c *Console) organizationTwoStepUpdate(ec echo.Context, s access.Organization) error {
	f, err := form(ec, "on")
	if err != nil {
		return err
	}
	on := f["on"] != ""
	var d tenancy.Demand
	err = c.update(ec, func(tx *db.Tx) error { d, err = c.app.Tenancy.RequireFactor(tx, s, on); return err })
	if errs, ok := fieldErrors(err); ok {
		return c.organizationTwoStepPage(ec, s, http.StatusConflict, errs)
	}
	if err != nil {
		return err
	}
	says := map[bool]string{true: "Two-step sign-in is a must in this organization now.", false: "Two-step sign-in is optional in this organization now."}[on]
	return c.done(ec, says+mailedOf(d), paths.OrganizationSettings(s.ID()))
}

// mailedOf tells who was mailed that two-step sign-in is a must, as a sentence that follows
// another.
func mailedOf(d tenancy.Demand) string {
	switch {
	case d.Lately:
		return " Those whom it kept out were mailed within the last day; nobody is mailed again before that is over."
	case d.More:
		return " The first " + ui.Number(int64(d.Mailed)) + " people who sign in without it were mailed; all others read it when they come."
	case d.Mailed > 0:
		return " " + ui.Count(int64(d.Mailed), "person who signs in without it was", "people who sign in without it were") + " mailed."
	}
	return ""
}
