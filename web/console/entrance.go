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
	people "steward/views/settings"
	view "steward/views/tenancy"
	"steward/views/ui"
)

// Coming into a project by oneself, or asking to.

func (c *Console) join(ec echo.Context, s access.Organization) error {
	return c.entrancePage(ec, s, http.StatusOK, view.Entrance{Hours: "8"})
}

func (c *Console) ask(ec echo.Context, s access.Organization) error {
	return c.entrancePage(ec, s, http.StatusOK, view.Entrance{Ask: true, Hours: "8"})
}

// entrancePage shows the form, which keeps what was typed.
func (c *Console) entrancePage(ec echo.Context, s access.Organization, status int, m view.Entrance) error {
	id, err := number(ec, "project")
	if err != nil {
		return err
	}
	var e tenancy.Entrance
	var last tenancy.Request
	err = c.view(ec, func(tx *db.Tx) error {
		if e, err = tenancy.FindEntrance(tx, s, id); err == nil && e.Request.ID == 0 {
			last, err = tenancy.LastRequest(tx, s.Actor(), id)
		}
		return err
	})
	if err != nil {
		return err
	}
	if e.Project.Role != "" {
		return ec.Redirect(http.StatusSeeOther, paths.Project(id))
	}
	if m.Ask && !e.Through.Visits() {
		return ec.Redirect(http.StatusSeeOther, paths.Join(id))
	}
	m.Shell, m.Project, m.Organization, m.Key = c.shell(ec, s.Actor()), e.Project.Name, ui.Link{Label: e.Project.OrganizationName}, key()
	if m.Back = paths.Projects(); s.May(access.OrganizationRead) {
		m.Organization.URL, m.Back = paths.Organization(s.ID()), paths.Organization(s.ID())
	}
	if m.Action, m.Lede = paths.Join(id), "You are in it at once. It is recorded, and everybody in the project sees it."; m.Ask {
		m.Action, m.Lede = paths.Ask(id), "Those who manage the people of the project decide, and get a mail."
	}
	switch {
	case e.Through.Visits():
		role := tenancy.VisitorRole(e.Project.Governed)
		m.RoleText = "You will be " + role.Label() + ". " + role.Describe() + " " + visitorsDoNot
		m.Stays = stays()
	case e.Project.ExternalRoles:
		m.RoleText = "Its roles come from single sign-on: whoever joins is " + access.ReadOnly.Label() + ". " + access.ReadOnly.Describe()
	default:
		m.Role = ui.Choices{ID: "role", Legend: "Role", Value: m.Role.Value, Error: m.Errors["role"]}
		for _, r := range access.Roles(e.Project.Governed) {
			m.Role.Items = append(m.Role.Items, ui.Choice{Value: string(r), Label: r.Label(), Text: r.Describe()})
		}
	}
	if e.Request.ID != 0 {
		m.Waiting, m.WaitingFor, m.CancelURL, m.CancelKey = c.when(e.Request.Open), e.Request.Reason, paths.AskCancel(id), key()
		m.WaitingStay, m.WaitingRole = hours(e.Request.Hours), tenancy.VisitorRole(e.Project.Governed).Label()
	}
	if last.ID != 0 {
		m.Last = view.PastRequest{Reason: last.Reason, Outcome: askedFor(last), Answer: last.Answer, When: c.when(last.Ended)}
	}
	return page(ec, status, view.EntrancePage(m))
}

// visitorsDoNot tells what the role of who is in a project for a time does not hold.
const visitorsDoNot = "But who is there for a time lets nobody in or out, changes no roles, and does not delete the project."

// stays are for how long a visitor may be in a project.
func stays() (out []ui.Option) {
	for _, h := range tenancy.VisitHours() {
		out = append(out, ui.Option{Value: strconv.Itoa(h), Label: hours(h)})
	}
	return out
}

func hours(h int) string {
	if h >= 24 && h%24 == 0 {
		return ui.Count(int64(h/24), "day", "days")
	}
	return ui.Count(int64(h), "hour", "hours")
}

// The fields of an entrance: of members of the organization, and of visitors.
var (
	joinForm  = []string{"reason", "role"}
	visitForm = []string{"reason", "hours"}
)

// joining reads what was typed at an entrance.
func joining(f map[string]string) (j tenancy.Joining, m view.Entrance) {
	j = tenancy.Joining{Role: access.Role(f["role"]), Reason: f["reason"]}
	j.Hours, _ = strconv.Atoi(f["hours"]) // what is no number is none of the choices
	return j, view.Entrance{Reason: f["reason"], Hours: f["hours"], Role: ui.Choices{Value: f["role"]}}
}

func (c *Console) joinSubmit(ec echo.Context, s access.Organization) error {
	f, err := form(ec, visitForm...)
	if s.Is().OrgMember {
		f, err = form(ec, joinForm...)
	}
	if err != nil {
		return err
	}
	j, m := joining(f)
	id, err := number(ec, "project")
	if err != nil {
		return err
	}
	var p tenancy.Project
	err = c.update(ec, func(tx *db.Tx) error { p, err = c.app.Tenancy.JoinProject(tx, s, id, j); return err })
	if errs, ok := limitMet(ec, err, ""); ok {
		m.Errors = errs
		return c.entrancePage(ec, s, http.StatusTooManyRequests, m)
	}
	if errs, ok := fieldErrors(err); ok {
		m.Errors = errs
		return c.entrancePage(ec, s, http.StatusUnprocessableEntity, m)
	}
	if err != nil {
		return err
	}
	return c.done(ec, "You are in "+p.Name+" now.", paths.Project(id))
}

func (c *Console) askSubmit(ec echo.Context, s access.Organization) error {
	f, err := form(ec, visitForm...)
	if err != nil {
		return err
	}
	j, m := joining(f)
	id, err := number(ec, "project")
	if err != nil {
		return err
	}
	err = c.update(ec, func(tx *db.Tx) error { _, err := c.app.Tenancy.Ask(tx, s, id, j); return err })
	if errs, ok := limitMet(ec, err, ""); ok {
		m.Ask, m.Errors = true, errs
		return c.entrancePage(ec, s, http.StatusTooManyRequests, m)
	}
	if errs, ok := fieldErrors(err); ok {
		m.Ask, m.Errors = true, errs
		return c.entrancePage(ec, s, http.StatusUnprocessableEntity, m)
	}
	if err != nil {
		return err
	}
	return c.done(ec, "You have asked. You get a mail when somebody has decided.", paths.Ask(id))
}

func (c *Console) askCancel(ec echo.Context, s access.Organization) error {
	id, err := number(ec, "project")
	if err != nil {
		return err
	}
	if _, err := form(ec); err != nil {
		return err
	}
	if err := c.update(ec, func(tx *db.Tx) error { _, err := tenancy.CancelRequest(tx, s, id); return err }); err != nil {
		return err
	}
	if s.May(access.ProjectsJoin) { // that opened meanwhile
		return c.done(ec, "Your request is taken back.", paths.Join(id))
	}
	return c.done(ec, "Your request is taken back.", paths.Ask(id))
}

// Deciding on who asks.

func (c *Console) request(ec echo.Context, s access.Project) error {
	return c.requestPage(ec, s, http.StatusOK, "", nil)
}

// requestPage shows a request, with the reason to reject it that was typed.
func (c *Console) requestPage(ec echo.Context, s access.Project, status int, reason string, errs ui.Errors) error {
	id, err := number(ec, "request")
	if err != nil {
		return err
	}
	m := people.Request{In: people.InProject(paths.Members(s.ID())), Role: tenancy.VisitorRole(s.Governed()).Label(), RoleText: visitorsDoNot, Reason: reason, Errors: errs,
		ApproveURL: paths.RequestApprove(s.ID(), id), ApproveKey: key(), RejectURL: paths.RequestReject(s.ID(), id), RejectKey: key()}
	err = c.view(ec, func(tx *db.Tx) error {
		if m.Shell, _, err = c.projectShell(ec, tx, s); err != nil {
			return err
		}
		r, err := tenancy.FindRequest(tx, s, id)
		m.Hours, m.Open = hours(r.Hours), c.when(r.Open)
		if !r.Waits() {
			m.Outcome, m.Ended, m.Answer = decided(r), c.when(r.Ended), r.Answer
		}
		m.Row = c.personRow(s.Actor(), tenancy.Member{ID: r.ID, Asks: true, Who: r.Who, Factor: r.Factor, Hours: r.Hours, Reason: r.Reason, Since: r.At, Through: r.Through})
		return err
	})
	if err != nil {
		return err
	}
	return page(ec, status, people.RequestPage(m))
}

func (c *Console) requestApprove(ec echo.Context, s access.Project) error {
	id, err := number(ec, "request")
	if err != nil {
		return err
	}
	if _, err := form(ec); err != nil {
		return err
	}
	var r tenancy.Request
	err = c.update(ec, func(tx *db.Tx) error { r, err = c.app.Tenancy.Approve(tx, s, id); return err })
	if fault.Is(err, fault.Conflict) {
		return c.requestPage(ec, s, http.StatusConflict, "", ui.Errors{"": fault.Of(err).Message})
	}
	if err != nil {
		return err
	}
	return c.done(ec, r.Who.Name+" is in the project now.", paths.Members(s.ID()))
}

func (c *Console) requestReject(ec echo.Context, s access.Project) error {
	id, err := number(ec, "request")
	if err != nil {
		return err
	}
	f, err := form(ec, "reason")
	if err != nil {
		return err
	}
	var r tenancy.Request
	err = c.update(ec, func(tx *db.Tx) error { r, err = c.app.Tenancy.Reject(tx, s, id, f["reason"]); return err })
	if fault.Is(err, fault.Conflict) {
		return c.requestPage(ec, s, http.StatusConflict, "", ui.Errors{"": fault.Of(err).Message})
	}
	if errs, ok := fieldErrors(err); ok {
		return c.requestPage(ec, s, http.StatusUnprocessableEntity, f["reason"], errs)
	}
	if err != nil {
		return err
	}
	return c.done(ec, r.Who.Name+" was not let in.", paths.Members(s.ID()))
}
