package console

import (
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/tenancy"
	"steward/views/account"
	"steward/views/paths"
	view "steward/views/settings"
	"steward/views/ui"
)

func (c *Console) invite(ec echo.Context, s access.Project) error {
	return c.invitePage(ec, s, http.StatusOK, view.Invite{Days: strconv.Itoa(tenancy.InvitationDays)}, "")
}

// invitePage shows the form, which keeps what was typed.
func (c *Console) invitePage(ec echo.Context, s access.Project, status int, m view.Invite, role access.Role) error {
	m.Back, m.Action, m.Role = c.membersOrProjects(s), paths.Members(s.ID()), roleChoices(s, role, m.Errors["role"])
	err := c.view(ec, func(tx *db.Tx) (err error) { m.Shell, _, err = c.projectShell(ec, tx, s); return err })
	if err != nil {
		return err
	}
	return page(ec, status, view.InvitePage(m))
}

// membersOrProjects is where somebody who manages the people goes on: a member of the
// organization may do so without being in the project.
func (c *Console) membersOrProjects(s access.Project) string {
	if s.May(access.ProjectRead) {
		return paths.Members(s.ID())
	}
	return paths.Projects()
}

func (c *Console) inviteSend(ec echo.Context, s access.Project) error {
	f, err := form(ec, "emails", "role", "reason", "until", "days")
	if err != nil {
		return err
	}
	n := tenancy.NewInvitation{Role: access.Role(f["role"]), Reason: f["reason"],
		Emails: strings.FieldsFunc(f["emails"], func(r rune) bool { return unicode.IsSpace(r) || r == ',' || r == ';' })}
	errs := ui.Errors{}
	if n.Days, err = strconv.Atoi(f["days"]); err != nil {
		errs["days"] = "Enter a number of days."
	}
	if f["until"] != "" {
		day, err := time.Parse(time.DateOnly, f["until"])
		if err != nil {
			errs["until"] = "Enter a day like 2026-12-31."
		}
		n.Until = day.AddDate(0, 0, 1) // the day itself is in it
	}
	var sent []tenancy.Sent
	if len(errs) == 0 {
		err = c.update(ec, func(tx *db.Tx) error { sent, err = c.app.Tenancy.Invite(tx, s, n); return err })
		errs, _ = fieldErrors(err)
	}
	status := http.StatusUnprocessableEntity
	if fault.Is(err, fault.TooMany) {
		status, errs = http.StatusTooManyRequests, ui.Errors{"emails": fault.Of(err).Message}
		ec.Response().Header().Set("Retry-After", strconv.Itoa(int(fault.Of(err).RetryAfter.Seconds())+1))
	}
	if len(errs) > 0 {
		return c.invitePage(ec, s, status, view.Invite{Emails: f["emails"], Reason: f["reason"], Until: f["until"], Days: f["days"], Errors: errs}, n.Role)
	}
	if err != nil {
		return err
	}
	return c.sentPage(ec, s, sent)
}

// sentPage shows the links of invitations that were just sent.
func (c *Console) sentPage(ec echo.Context, s access.Project, sent []tenancy.Sent) error {
	m := view.Invited{Back: c.membersOrProjects(s), Mailed: c.app.Mail.Delivers()}
	for _, x := range sent {
		row := view.InvitedRow{Email: x.Who.Email, Role: x.Role.Label(), Fresh: x.Fresh}
		if x.Path != "" {
			row.Link = c.app.Config.PublicURL + x.Path
		}
		m.List = append(m.List, row)
	}
	err := c.view(ec, func(tx *db.Tx) (err error) { m.Shell, _, err = c.projectShell(ec, tx, s); return err })
	if err != nil {
		return err
	}
	return page(ec, http.StatusOK, view.InvitedPage(m))
}

func (c *Console) memberInvited(ec echo.Context, s access.Project) error {
	id, err := number(ec, "invitation")
	if err != nil {
		return err
	}
	m := view.Invitation{Back: paths.Members(s.ID())}
	err = c.view(ec, func(tx *db.Tx) error {
		if m.Shell, _, err = c.projectShell(ec, tx, s); err != nil {
			return err
		}
		p, err := tenancy.FindInvited(tx, s, id)
		m.Row, m.Open = c.memberRow(s, p), c.when(p.Open)
		return err
	})
	if err != nil {
		return err
	}
	if s.May(access.MembersInvite) {
		m.AgainURL = paths.MemberInvitedAgain(s.ID(), id)
		m.Cancel = ui.Confirm{ID: "cancel", Question: "Cancel the invitation of " + m.Row.Email + "?", Verb: "Cancel invitation", Keep: "Keep it", Key: key(), Action: paths.MemberInvitedCancel(s.ID(), id),
			Consequence: "Nobody can accept it any more, and its link is dead."}
	}
	return page(ec, http.StatusOK, view.InvitationPage(m))
}

func (c *Console) memberInvitedAgain(ec echo.Context, s access.Project) error {
	id, err := number(ec, "invitation")
	if err != nil {
		return err
	}
	if _, err := form(ec); err != nil {
		return err
	}
	var sent tenancy.Sent
	err = c.update(ec, func(tx *db.Tx) error { sent, err = c.app.Tenancy.InviteAgain(tx, s, id); return err })
	if fault.Is(err, fault.Conflict) && s.May(access.ProjectRead) {
		return c.refused(ec, err, paths.MemberInvited(s.ID(), id))
	}
	if err != nil {
		return err
	}
	return c.sentPage(ec, s, []tenancy.Sent{sent})
}

func (c *Console) memberInvitedCancel(ec echo.Context, s access.Project) error {
	id, err := number(ec, "invitation")
	if err != nil {
		return err
	}
	if _, err := form(ec); err != nil {
		return err
	}
	var m tenancy.Member
	if err := c.update(ec, func(tx *db.Tx) error { m, err = c.app.Tenancy.CancelInvitation(tx, s, id); return err }); err != nil {
		return err
	}
	return c.done(ec, "The invitation of "+m.Who.Email+" is cancelled.", c.membersOrProjects(s))
}

// invitations are those to oneself.
func (c *Console) invitations(ec echo.Context, a access.Actor) error {
	m := account.Invitations{Shell: c.accountShell(ec, a)}
	err := c.view(ec, func(tx *db.Tx) error {
		list, err := tenancy.Invitations(tx, a)
		for _, i := range list {
			m.List = append(m.List, account.InvitationRow{Project: i.Project.Name, Organization: i.Project.OrganizationName, Role: i.Role.Label(), RoleText: i.Role.Describe(), Inviter: i.Inviter.Name, Reason: i.Reason,
				Until: c.when(i.Until), Open: c.when(i.ExpiresAt), AcceptURL: paths.InvitationAccept(i.ID), AcceptKey: key(), DeclineURL: paths.InvitationDecline(i.ID), DeclineKey: key()})
		}
		return err
	})
	if err != nil {
		return err
	}
	return page(ec, http.StatusOK, account.InvitationsPage(m))
}

func (c *Console) invitationAccept(ec echo.Context, a access.Actor) error {
	i, err := c.answered(ec, a, c.app.Tenancy.Accept)
	if fault.Is(err, fault.Conflict) {
		return c.refused(ec, err, paths.Invitations())
	}
	if err != nil {
		return err
	}
	return c.done(ec, "You are in the project "+i.Project.Name+" now, as "+i.Role.Label()+".", paths.Project(i.Project.ID))
}

func (c *Console) invitationDecline(ec echo.Context, a access.Actor) error {
	i, err := c.answered(ec, a, c.app.Tenancy.Decline)
	if err != nil {
		return err
	}
	return c.done(ec, "You declined the invitation to "+i.Project.Name+".", paths.Invitations())
}

func (c *Console) answered(ec echo.Context, a access.Actor, answer func(*db.Tx, access.Actor, int64) (tenancy.Invitation, error)) (i tenancy.Invitation, err error) {
	id, err := number(ec, "invitation")
	if err != nil {
		return i, err
	}
	if _, err := form(ec); err != nil {
		return i, err
	}
	err = c.update(ec, func(tx *db.Tx) error { i, err = answer(tx, a, id); return err })
	return i, err
}
