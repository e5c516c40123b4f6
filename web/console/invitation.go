package console

import (
	"net/http"
	"net/mail"
	"strconv"
	"strings"
	"unicode"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/accounts"
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
	m.In, m.Back, m.Action, m.Role = view.InProject(paths.Members(s.ID())), paths.Members(s.ID()), paths.Members(s.ID()), roleChoices(s, role, m.Errors["role"])
	err := c.view(ec, func(tx *db.Tx) error {
		shell, project, err := c.projectShell(ec, tx, s)
		m.Shell, m.External = shell, project.ExternalRoles
		return err
	})
	if err != nil {
		return err
	}
	return page(ec, status, view.InvitePage(m))
}

func (c *Console) inviteSend(ec echo.Context, s access.Project) error {
	f, err := form(ec, "emails", "role", "reason", "until", "days")
	if err != nil {
		return err
	}
	n, errs := invitationOf(f)
	n.Role = access.Role(f["role"])
	if n.Until, err = endOfDay("until", f["until"]); err != nil {
		errs["until"] = fault.Of(err).Message
	}
	sent, status, errs, err := c.sends(ec, errs, func(tx *db.Tx) ([]tenancy.Sent, error) { return c.app.Tenancy.Invite(tx, s, n) })
	if len(errs) > 0 {
		return c.invitePage(ec, s, status, view.Invite{Emails: f["emails"], Reason: f["reason"], Until: f["until"], Days: f["days"], Errors: errs}, n.Role)
	}
	if err != nil {
		return err
	}
	return c.sentToProject(ec, s, sent)
}

// invitationOf reads what all forms of invitations ask for.
func invitationOf(f map[string]string) (n tenancy.NewInvitation, errs ui.Errors) {
	n.Reason, errs = f["reason"], ui.Errors{}
	n.Emails = addressesOf(f["emails"])
	var err error
	if n.Days, err = strconv.Atoi(f["days"]); err != nil {
		errs["days"] = "Enter a number of days."
	}
	return n, errs
}

// addressMost is how long a line is, in bytes, that is read as mail programs write addresses.
const addressMost = 320 * tenancy.InviteesMax

// addressesOf reads what somebody typed or pasted: addresses with anything between them, and lines
// of addresses with names, as mail programs write them.
func addressesOf(text string) (out []string) {
	for _, line := range linesOf(text) {
		line = strings.Trim(strings.TrimSpace(line), ",;")
		if list, ok := namedAddresses(line); ok {
			out = append(out, list...)
			continue
		}
		for _, part := range strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == ';' }) {
			if list, ok := namedAddresses(part); ok {
				out = append(out, list...)
				continue
			}
			out = append(out, strings.FieldsFunc(part, unicode.IsSpace)...)
		}
	}
	return out
}

// namedAddresses reads addresses with names, if a line is a list of those and nothing else.
func namedAddresses(line string) (out []string, ok bool) {
	if len(line) > addressMost || !strings.Contains(line, "<") {
		return nil, false
	}
	list, err := mail.ParseAddressList(line)
	if err != nil {
		list, err = mail.ParseAddressList(strings.ReplaceAll(line, ";", ","))
	}
	for _, a := range list {
		out = append(out, a.Address)
	}
	return out, err == nil
}

// sends sends invitations, unless the form has errors already. Those that it has then come
// with the status of the answer.
func (c *Console) sends(ec echo.Context, errs ui.Errors, send func(*db.Tx) ([]tenancy.Sent, error)) (sent []tenancy.Sent, status int, _ ui.Errors, err error) {
	if len(errs) == 0 {
		err = c.update(ec, func(tx *db.Tx) error { sent, err = send(tx); return err })
		errs, _ = fieldErrors(err)
	}
	if met, ok := limitMet(ec, err, "emails"); ok {
		return nil, http.StatusTooManyRequests, met, err
	}
	return sent, http.StatusUnprocessableEntity, errs, err
}

func (c *Console) sentToProject(ec echo.Context, s access.Project, sent []tenancy.Sent) error {
	m := view.Invited{In: view.InProject(paths.Members(s.ID())), Back: paths.Members(s.ID())}
	err := c.view(ec, func(tx *db.Tx) (err error) { m.Shell, _, err = c.projectShell(ec, tx, s); return err })
	if err != nil {
		return err
	}
	return c.sentPage(ec, m, sent)
}

// sentPage shows the links of invitations that were just sent.
func (c *Console) sentPage(ec echo.Context, m view.Invited, sent []tenancy.Sent) error {
	m.Mailed = c.app.Mail.Delivers()
	for _, x := range sent {
		row := view.InvitedRow{Email: x.Who.Email, Role: x.Role.Label(), Fresh: x.Fresh}
		if x.Path != "" {
			row.Link = c.app.Config.PublicURL + x.Path
		}
		m.List = append(m.List, row)
	}
	return page(ec, http.StatusOK, view.InvitedPage(m))
}

// invitedLink is where somebody answers an invitation that waits. Who has no account in use yet
// gets there by a code that is told to their mailbox alone.
func (c *Console) invitedLink(p tenancy.Member) string {
	if p.Who.State == accounts.Invited {
		return ""
	}
	return c.app.Config.PublicURL + tenancy.InvitationsPath
}

// cancelInvitation asks before an invitation is cancelled.
func cancelInvitation(email, action string) ui.Confirm {
	return ui.Confirm{ID: "cancel", Question: "Cancel the invitation of " + email + "?", Verb: "Cancel invitation", Keep: "Keep it", Key: key(), Action: action,
		Consequence: "Nobody can accept it any more, and its link is dead."}
}

func (c *Console) memberInvited(ec echo.Context, s access.Project) error {
	id, err := number(ec, "invitation")
	if err != nil {
		return err
	}
	m := view.Invitation{In: view.InProject(paths.Members(s.ID()))}
	var p tenancy.Member
	err = c.view(ec, func(tx *db.Tx) error {
		if m.Shell, _, err = c.projectShell(ec, tx, s); err != nil {
			return err
		}
		p, err = tenancy.FindInvited(tx, s, id)
		m.Row = c.memberRow(s, p)
		return err
	})
	if err != nil {
		return err
	}
	if c.became(&m, p); p.Waits() && s.May(access.MembersInvite) {
		m.Link, m.AgainURL, m.Cancel = c.invitedLink(p), paths.MemberInvitedAgain(s.ID(), id), cancelInvitation(m.Row.Email, paths.MemberInvitedCancel(s.ID(), id))
	}
	return page(ec, http.StatusOK, view.InvitationPage(m))
}

// became shows until when an invitation counts, or what became of it.
func (c *Console) became(m *view.Invitation, p tenancy.Member) {
	m.Open, m.Outcome, m.Ended = c.when(p.Open), outcomeOf(p), c.when(p.Ended)
}

// voids are why an invitation that waits does not count any more, in words to those who invite.
func voids(m tenancy.Member) string {
	switch m.Void {
	case tenancy.VoidInviter:
		return m.Invitor.Name + ", who sent it, may not do so any more. Whoever sends it again vouches for it."
	case tenancy.VoidFactor:
		return m.Invitor.Name + ", who sent it, has to sign in in two steps first, which the organization asks for: then it counts again. Whoever sends it again vouches for it, too."
	case tenancy.VoidOver:
		return "The time is over that it gives. Cancel it and send a new one."
	case tenancy.VoidAccount:
		return "The account was activated by a link that somebody else had passed on, so it may not be theirs. Whoever has asked them can send it again, and vouches for it."
	}
	return ""
}

// countsOf tells whether an invitation that waits counts, nil for what is none such and where it is not told.
func countsOf(m tenancy.Member) any {
	if !m.Invited || !m.Waits() || m.Void == tenancy.VoidUntold {
		return nil
	}
	return m.Void == ""
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
	if fault.Is(err, fault.Conflict) || fault.Is(err, fault.TooMany) {
		return c.refused(ec, err, paths.MemberInvited(s.ID(), id))
	}
	if err != nil {
		return err
	}
	return c.sentToProject(ec, s, []tenancy.Sent{sent})
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
	err = c.update(ec, func(tx *db.Tx) error { m, err = c.app.Tenancy.CancelInvitation(tx, s, id); return err })
	if fault.Is(err, fault.Conflict) {
		return c.refused(ec, err, paths.MemberInvited(s.ID(), id))
	}
	if err != nil {
		return err
	}
	return c.done(ec, "The invitation of "+m.Who.Email+" is cancelled.", paths.Members(s.ID()))
}

// invitations are those to oneself.
func (c *Console) invitations(ec echo.Context, a access.Actor) error {
	m := account.Invitations{Shell: c.accountShell(ec, a)}
	err := c.view(ec, func(tx *db.Tx) error {
		list, err := tenancy.Invitations(tx, a)
		for _, i := range list {
			row := account.InvitationRow{Place: i.Place(), Kind: "project", Organization: i.Project.OrganizationName, Inviter: i.Inviter.Name, Email: i.Inviter.Email, Reason: i.Reason,
				Until: c.when(i.Until), Open: c.when(i.ExpiresAt), DeclineURL: paths.InvitationDecline(i.ID), DeclineKey: key(), Void: i.Told(), Rests: i.Rests(), Demanding: i.Demanding}
			if row.Void == "" {
				row.AcceptURL, row.AcceptKey = paths.InvitationAccept(i.ID), key()
			}
			if i.Team.ID != 0 {
				row.Kind = string(i.Team.Kind)
			} else {
				row.Role, row.RoleText = i.Role.Label(), i.Role.Describe()
			}
			m.List = append(m.List, row)
		}
		if err != nil {
			return err
		}
		past, err := tenancy.PastInvitations(tx, a)
		for _, i := range past {
			m.Past = append(m.Past, account.PastInvitation{Place: i.Place(), Inviter: i.Inviter.Name, Outcome: answerOf(i), When: c.when(i.Ended)})
		}
		if err != nil {
			return err
		}
		asking, err := tenancy.WaitingRequests(tx, a)
		for _, r := range asking {
			m.Asking = append(m.Asking, account.RequestRow{Project: r.Project, Organization: r.Organization, URL: paths.Ask(r.ProjectID), Reason: r.Reason, Hours: hours(r.Hours), Role: tenancy.VisitorRole(r.Governed).Label(), Open: c.when(r.Open)})
		}
		if err != nil {
			return err
		}
		requests, err := tenancy.PastRequests(tx, a)
		for _, r := range requests {
			m.Asked = append(m.Asked, account.PastRequest{Project: r.Project, Outcome: askedFor(r), Answer: r.Answer, When: c.when(r.Ended)})
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
	if fault.HasCode(err, tenancy.Answered) {
		return c.answeredBefore(ec, a, i)
	}
	if fault.Is(err, fault.Conflict) {
		return c.refused(ec, err, paths.Invitations())
	}
	if err != nil {
		return err
	}
	at, where := led(i)
	if i.Team.ID != 0 {
		return c.done(ec, "You belong to "+where+" now.", at)
	}
	return c.done(ec, "You are in "+where+" now, as "+i.Role.Label()+".", at)
}

// led is where an invitation leads, and what that is.
func led(i tenancy.Invitation) (at, where string) {
	switch i.Team.Kind {
	case tenancy.OfOrganization:
		return paths.Organization(i.Team.ID), "the organization " + i.Team.Name
	case tenancy.OfMaintainer:
		return paths.Maintainer(i.Team.ID), "the maintainer " + i.Team.Name
	}
	return paths.Project(i.Project.ID), "the project " + i.Project.Name
}

// answeredBefore tells what became of an invitation that waits no more, and goes to where it led
// if the actor is there.
func (c *Console) answeredBefore(ec echo.Context, a access.Actor, i tenancy.Invitation) error {
	in := false
	at, where := led(i)
	if i.State == "accepted" || i.State == string(tenancy.CauseJoined) || i.State == string(tenancy.CauseAdded) {
		err := c.view(ec, func(tx *db.Tx) (err error) { in, err = tenancy.Entered(tx, a, i); return err })
		if err != nil {
			return err
		}
	}
	if in && i.State != "accepted" {
		return c.done(ec, "You are in "+where+" already. The invitation was not needed any more.", at)
	}
	if in {
		return c.done(ec, "You accepted the invitation to "+where+" before.", at)
	}
	return c.refused(ec, fault.New(fault.Conflict, tenancy.Answered, "The invitation to "+where+" does not wait any more. "+answerOf(i)+"."), paths.Invitations())
}

func (c *Console) invitationDecline(ec echo.Context, a access.Actor) error {
	i, err := c.answered(ec, a, c.app.Tenancy.Decline)
	if fault.HasCode(err, tenancy.Answered) {
		return c.answeredBefore(ec, a, i)
	}
	if err != nil {
		return err
	}
	return c.done(ec, "You declined the invitation to "+i.Place()+".", paths.Invitations())
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
