package console

import (
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/tenancy"
	"steward/views/layout"
	"steward/views/paths"
	view "steward/views/settings"
	tenants "steward/views/tenancy"
	"steward/views/ui"
)

// teamAt is where the pages of a team are: of an organization or of a maintainer.
type teamAt struct {
	url   string // of what the team belongs to
	tabs  []ui.Tab
	actor access.Actor
	shell func(echo.Context) (layout.Shell, error)
	find  func(*db.Tx) (tenancy.Team, error)
	joins bool // the actor may join it by themselves
	visit bool // they have
}

// ofOrganization serves the pages of a team for an organization.
func (c *Console) ofOrganization(h func(echo.Context, teamAt) error) func(echo.Context, access.Organization) error {
	return func(ec echo.Context, s access.Organization) error {
		return h(ec, teamAt{url: paths.Organization(s.ID()), tabs: organizationTabs(s, "members"),
			actor: s.Actor(), shell: func(ec echo.Context) (layout.Shell, error) { return c.organizationShell(ec, s) },
			find: func(tx *db.Tx) (tenancy.Team, error) { return tenancy.OrganizationTeam(tx, s) }, joins: !s.Is().OrgMember && !s.Is().Visitor && s.May(access.OrganizationJoin), visit: s.Is().Visitor && s.May(access.OrganizationJoin)})
	}
}

// ofMaintainer serves the pages of a team for a maintainer.
func (c *Console) ofMaintainer(h func(echo.Context, teamAt) error) func(echo.Context, access.Maintainer) error {
	return func(ec echo.Context, s access.Maintainer) error {
		return h(ec, teamAt{url: paths.Maintainer(s.ID()), tabs: tenants.MaintainerTabs(s.ID(), "members"),
			actor: s.Actor(), shell: func(ec echo.Context) (layout.Shell, error) { return c.shell(ec, s.Actor()), nil },
			find: func(tx *db.Tx) (tenancy.Team, error) { return tenancy.MaintainerTeam(tx, s) }})
	}
}

func (at teamAt) in(t tenancy.Team) view.In {
	return view.InTeam(t.Name, at.url, paths.TeamMembers(at.url))
}

var teamFields = []field[tenancy.Member]{
	{"email", func(m tenancy.Member) any { return m.Who.Email }},
	{"name", func(m tenancy.Member) any { return m.Who.Name }},
	{"invited", func(m tenancy.Member) any { return m.Invited }},
	{"state", stateOfMember},
	{"twoStep", twoStepOf},
	{"added", func(m tenancy.Member) any { return m.Since }},
	{"expires", func(m tenancy.Member) any { return m.Until }},
	{"invitationExpires", func(m tenancy.Member) any { return m.Open }},
	{"counts", countsOf},
	{"outcome", becameOf},
	{"ended", func(m tenancy.Member) any { return m.Ended }},
	{"cancelledBy", cancelledBy},
	{"reason", func(m tenancy.Member) any { return m.Reason }},
	{"invitor", func(m tenancy.Member) any { return m.Invitor.Email }},
}

func (c *Console) team(ec echo.Context, at teamAt) error {
	f := tenancy.TeamFilter{Search: query(ec, "q"), Over: query(ec, "status") == string(tenancy.StandsOver)}
	var t tenancy.Team
	list := func(limit int, after *tenancy.Member) (out []tenancy.Member, err error) {
		f := f
		f.Limit, f.After = limit, after
		err = c.view(ec, func(tx *db.Tx) error {
			if t, err = at.find(tx); err == nil {
				out, err = tenancy.TeamMembers(tx, t, f)
			}
			return err
		})
		return out, err
	}
	done, err := exported(ec, "members", teamFields, func(last *tenancy.Member) ([]tenancy.Member, error) { return list(1000, last) })
	if done || err != nil {
		return err
	}
	var after *tenancy.Member
	if cursor := query(ec, "after"); cursor != "" {
		after = &tenancy.Member{Who: tenancy.Who{Email: cursor}}
		if f.Over {
			if after.Ended, after.ID, err = parseCursor(cursor); err != nil {
				return err
			}
		}
	}
	people, err := list(pageSize+1, after)
	if err != nil {
		return err
	}
	next := ""
	if len(people) > pageSize {
		people = people[:pageSize]
		if next = people[pageSize-1].Who.Email; f.Over {
			next = cursorOf(people[pageSize-1].Ended, people[pageSize-1].ID)
		}
	}
	shell, err := at.shell(ec)
	if err != nil {
		return err
	}
	m := view.Team{Shell: shell, Name: t.Name, Kind: string(t.Kind), IsOver: f.Over, Home: at.url, Tabs: at.tabs, URL: paths.TeamMembers(at.url), Query: f.Search, Download: downloads(ec)}
	m.Pager = more(ec, ui.Count(int64(len(people)), "person", "people")+" on this page", "after", next, "More people")
	if f.Over {
		m.Pager = more(ec, overText(len(people)), "after", next, "More invitations")
	}
	err = c.view(ec, func(tx *db.Tx) error {
		n, err := tenancy.CountTeam(tx, t)
		if m.Sum = ui.Count(n.Members, "member", "members") + ", " + ui.Number(n.Invited) + " invited"; f.Over {
			m.Sum = overSum
		}
		return err
	})
	if err != nil {
		return err
	}
	if t.Manages() {
		m.InviteURL = paths.TeamInvite(at.url)
	}
	if at.joins {
		m.JoinURL = paths.OrganizationJoin(t.ID)
	}
	if at.visit {
		m.OutURL, m.OutKey = paths.OrganizationJoinEnd(t.ID), key()
	}
	for _, p := range people {
		if row := c.teamRow(at, t, p); f.Over {
			m.Over = append(m.Over, c.overRow(row, p))
		} else {
			m.List = append(m.List, row)
		}
	}
	return page(ec, http.StatusOK, view.TeamPage(m))
}

func (c *Console) teamRow(at teamAt, t tenancy.Team, m tenancy.Member) view.MemberRow {
	row := c.personRow(t.Actor(), m)
	switch m.Invitor.ID {
	case 0:
		row.By.Text = "Came with the " + string(t.Kind)
	case m.Who.ID:
		row.By.Text = "Joined by themselves"
		if !m.Until.IsZero() {
			row.By.Text += ", until " + visitEnds(m.Until)
		}
	}
	if row.URL = paths.TeamMember(at.url, m.ID); m.Invited {
		row.URL = paths.TeamInvited(at.url, m.ID)
	}
	return row
}

// found runs a handler's reading of a team and one person of it.
func (c *Console) found(ec echo.Context, at teamAt, name string, find func(*db.Tx, tenancy.Team, int64) (tenancy.Member, error)) (t tenancy.Team, m tenancy.Member, err error) {
	id, err := number(ec, name)
	if err != nil {
		return t, m, err
	}
	err = c.view(ec, func(tx *db.Tx) error {
		if t, err = at.find(tx); err == nil {
			m, err = find(tx, t, id)
		}
		return err
	})
	return t, m, err
}

func (c *Console) teamMember(ec echo.Context, at teamAt) error {
	t, p, err := c.found(ec, at, "member", tenancy.FindTeamMember)
	if err != nil {
		return err
	}
	shell, err := at.shell(ec)
	if err != nil {
		return err
	}
	m := view.Member{Shell: shell, In: at.in(t), Row: c.teamRow(at, t, p)}
	if err := c.teamPlaces(ec, at, t, p, &m); err != nil {
		return err
	}
	switch {
	case !t.Manages():
	case m.Row.You:
		m.Remove = ui.Confirm{ID: "leave", Question: "Leave " + t.Name + "?", Verb: "Leave", Keep: "Stay", Key: key(), Action: paths.TeamLeave(at.url),
			Consequence: "You are out at once, and come back by an invitation only. " + keeps(t.Kind, p)}
		if p.Through != "" {
			m.Remove.Consequence = "You are out at once."
		}
	default:
		m.Remove = ui.Confirm{ID: "remove", Question: "Remove " + m.Row.Name + " from " + t.Name + "?", Verb: "Remove", Keep: "Keep", Key: key(), Action: paths.TeamMemberRemove(at.url, p.ID),
			Consequence: "They are out with the next click, and they get a mail. " + keeps(t.Kind, p)}
	}
	return page(ec, http.StatusOK, view.MemberPage(m))
}

// teamPlaces tells in which projects a member of a team has a role, and what becomes of it when
// they are a member no more.
func (c *Console) teamPlaces(ec echo.Context, at teamAt, t tenancy.Team, p tenancy.Member, m *view.Member) error {
	var list []tenancy.Place
	var loss tenancy.Forfeit
	err := c.view(ec, func(tx *db.Tx) (err error) {
		if list, err = tenancy.Places(tx, t, p); err == nil {
			loss, err = tenancy.Foregone(tx, t, p)
		}
		return err
	})
	m.Losses = lossesOf(t, loss)
	if m.PlacesLede = "In projects of " + t.Name + "."; t.Kind == tenancy.OfMaintainer {
		m.PlacesLede = "In which they are as somebody of " + t.Name + ". Organizations that keep you out are left out here; what they are in there ends, too."
	}
	if len(list) > tenancy.PlacesMost {
		list = list[:tenancy.PlacesMost]
		m.PlacesLede += " These are the first " + ui.Number(tenancy.PlacesMost) + "."
	}
	for _, x := range list {
		row := view.Place{Name: x.Name, Role: x.Role.Label(), Until: c.end(x.Until), Then: "Stays, until somebody takes it there"}
		if x.Ends {
			row.Then = "Ends at once"
		}
		switch {
		case t.Kind != tenancy.OfOrganization:
		case at.actor.SuperAdmin: // who may be of no organization
			row.URL = paths.AdminProject(x.Project)
		case x.Open:
			row.URL = paths.Member(x.Project, x.Membership)
		}
		m.Places = append(m.Places, row)
	}
	return err
}

// ofMaintainers reports whether a permission is on a maintainer itself.
func ofMaintainers(p access.Permission) bool {
	return p == access.MaintainerRead || p == access.MaintainerManage || p == access.OrganizationsCreate
}

// lossesOf tells what somebody may no longer who is out of a team.
func lossesOf(t tenancy.Team, x tenancy.Forfeit) (out []ui.Item) {
	for _, p := range x.Above {
		item := ui.Item{Tone: "bad", Icon: "x", Text: capital(p.Describe()) + "."}
		if t.Kind == tenancy.OfMaintainer && !ofMaintainers(p) {
			item.Who, item.Text = "In its organizations:", p.Describe()+"."
			item.Sub = "As far as they let their maintainer in."
		}
		out = append(out, item)
	}
	for _, c := range x.Inside {
		out = append(out, ui.Item{Tone: "bad", Icon: "x", Who: "In its projects, without a role there:", Text: c.What + ".", Sub: extentWords("Until now only ", c.Before)})
	}
	return out
}

// keeps tells what leaving a team does to roles in projects.
func keeps(k tenancy.TeamKind, p tenancy.Member) string {
	if p.Through != "" {
		return "Their visits to its projects end, too. While it lets its maintainer and support join by themselves, they can come again: switch that off in its settings first."
	}
	if k == tenancy.OfMaintainer {
		return "Visits to projects that began by this right end. Roles that others gave stay."
	}
	return "Roles in its projects stay until somebody takes them there."
}

func (c *Console) teamMemberRemove(ec echo.Context, at teamAt) error {
	t, p, err := c.found(ec, at, "member", tenancy.FindTeamMember)
	if err != nil {
		return err
	}
	if _, err := form(ec); err != nil {
		return err
	}
	err = c.update(ec, func(tx *db.Tx) error { _, err := c.app.Tenancy.RemoveFromTeam(tx, t, p.ID); return err })
	if fault.Is(err, fault.Conflict) {
		return c.refused(ec, err, paths.TeamMember(at.url, p.ID))
	}
	if err != nil {
		return err
	}
	return c.done(ec, p.Who.Name+" is not a member any more.", paths.TeamMembers(at.url))
}

func (c *Console) teamLeave(ec echo.Context, at teamAt) error {
	if _, err := form(ec); err != nil {
		return err
	}
	var t tenancy.Team
	err := c.update(ec, func(tx *db.Tx) (err error) {
		if t, err = at.find(tx); err == nil {
			err = c.app.Tenancy.LeaveTeam(tx, t)
		}
		return err
	})
	if fault.Is(err, fault.Conflict) {
		return c.refused(ec, err, paths.TeamMembers(at.url))
	}
	if err != nil {
		return err
	}
	return c.done(ec, "You have left "+t.Name+".", paths.Projects())
}

func (c *Console) teamInvite(ec echo.Context, at teamAt) error {
	return c.teamInvitePage(ec, at, http.StatusOK, view.Invite{Days: strconv.Itoa(tenancy.InvitationDays)})
}

func (c *Console) teamInvitePage(ec echo.Context, at teamAt, status int, m view.Invite) error {
	var t tenancy.Team
	err := c.view(ec, func(tx *db.Tx) (err error) { t, err = at.find(tx); return err })
	if err != nil {
		return err
	}
	if m.Shell, err = at.shell(ec); err != nil {
		return err
	}
	m.In, m.To, m.Back, m.Action = at.in(t), t.Name, paths.TeamMembers(at.url), paths.TeamMembers(at.url)
	return page(ec, status, view.InvitePage(m))
}

func (c *Console) teamInviteSend(ec echo.Context, at teamAt) error {
	f, err := form(ec, "emails", "reason", "days")
	if err != nil {
		return err
	}
	n, errs := invitationOf(f)
	var t tenancy.Team
	sent, status, errs, err := c.sends(ec, errs, func(tx *db.Tx) ([]tenancy.Sent, error) {
		if t, err = at.find(tx); err != nil {
			return nil, err
		}
		return c.app.Tenancy.InviteToTeam(tx, t, n)
	})
	if len(errs) > 0 {
		return c.teamInvitePage(ec, at, status, view.Invite{Emails: f["emails"], Reason: f["reason"], Days: f["days"], Errors: errs})
	}
	if err != nil {
		return err
	}
	shell, err := at.shell(ec)
	if err != nil {
		return err
	}
	return c.sentPage(ec, view.Invited{Shell: shell, In: at.in(t), Back: paths.TeamMembers(at.url)}, sent)
}

func (c *Console) teamInvited(ec echo.Context, at teamAt) error {
	t, p, err := c.found(ec, at, "invitation", tenancy.FindTeamInvited)
	if err != nil {
		return err
	}
	shell, err := at.shell(ec)
	if err != nil {
		return err
	}
	m := view.Invitation{Shell: shell, In: at.in(t), Row: c.teamRow(at, t, p)}
	if c.became(&m, p); p.Waits() && t.Manages() {
		m.Link, m.AgainURL, m.Cancel = c.invitedLink(p), paths.TeamInvitedAgain(at.url, p.ID), cancelInvitation(m.Row.Email, paths.TeamInvitedCancel(at.url, p.ID))
	}
	return page(ec, http.StatusOK, view.InvitationPage(m))
}

func (c *Console) teamInvitedAgain(ec echo.Context, at teamAt) error {
	t, p, err := c.found(ec, at, "invitation", tenancy.FindTeamInvited)
	if err != nil {
		return err
	}
	if _, err := form(ec); err != nil {
		return err
	}
	var sent tenancy.Sent
	err = c.update(ec, func(tx *db.Tx) error {
		sent, err = c.app.Tenancy.InviteToTeamAgain(tx, t, p.ID)
		return err
	})
	if fault.Is(err, fault.Conflict) || fault.Is(err, fault.TooMany) {
		return c.refused(ec, err, paths.TeamInvited(at.url, p.ID))
	}
	if err != nil {
		return err
	}
	shell, err := at.shell(ec)
	if err != nil {
		return err
	}
	return c.sentPage(ec, view.Invited{Shell: shell, In: at.in(t), Back: paths.TeamMembers(at.url)}, []tenancy.Sent{sent})
}

func (c *Console) teamInvitedCancel(ec echo.Context, at teamAt) error {
	t, p, err := c.found(ec, at, "invitation", tenancy.FindTeamInvited)
	if err != nil {
		return err
	}
	if _, err := form(ec); err != nil {
		return err
	}
	err = c.update(ec, func(tx *db.Tx) error { _, err := c.app.Tenancy.CancelTeamInvitation(tx, t, p.ID); return err })
	if fault.Is(err, fault.Conflict) {
		return c.refused(ec, err, paths.TeamInvited(at.url, p.ID))
	}
	if err != nil {
		return err
	}
	return c.done(ec, "The invitation of "+p.Who.Email+" is cancelled.", paths.TeamMembers(at.url))
}
