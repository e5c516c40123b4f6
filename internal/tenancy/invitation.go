package tenancy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/id"
	"steward/internal/mail"
	"steward/internal/throttle"
)

// Bounds of invitations.
const (
	InvitationDays    = 7 // for which one counts, unless told otherwise
	InvitationDaysMax = 14
	InviteesMax       = 50 // in one form
	memberYearsMax    = 10
)

// Limits of inviting.
var (
	perPlace   = throttle.Limit{Count: 50, Window: 24 * time.Hour}
	perInviter = throttle.Limit{Count: 100, Window: 24 * time.Hour}
	perInvitee = throttle.Limit{Count: 5, Window: 24 * time.Hour}  // from one place
	perPair    = throttle.Limit{Count: 10, Window: 24 * time.Hour} // by one inviter, from all places
	perAddress = throttle.Limit{Count: 50, Window: 24 * time.Hour} // from all
)

// InvitationsPath is where people find what they are invited to.
const InvitationsPath = "/account/invitations"

// NewInvitation is whom to invite to a project, and for what.
type NewInvitation struct {
	Emails []string
	Role   access.Role
	Reason string
	Until  time.Time // when the membership ends; zero = never
	Days   int       // for which the invitation counts
}

// Sent is an invitation that was just sent.
type Sent struct {
	Member
	Path  string // of the link to pass on; "" when only the mailbox of the address gets it
	Fresh bool   // the link activates an account
}

// place is what people are invited to, by whom.
type place struct {
	kind    string // project, organization or maintainer
	id      int64
	name    string
	members string // whoever is in it, as the end of a SELECT of $1, the place, $2, a person, and $3, the time
	by      access.Actor
	find    func(invitation int64) (Member, error)
	event   func(by access.Actor, w Who, name string) audit.Event // about a person in it; see Team.event
}

// membersOfProject is members of a project, but for visitors, who may be invited for good.
const membersOfProject = "FROM memberships WHERE project_id = $1 AND user_id = $2 AND (expires_at IS NULL OR expires_at > $3 AND through NOT IN ('maintainer', 'support'))"

// placeOf is a project as what people are invited to, for what nobody does by its scope.
func placeOf(tx *db.Tx, by access.Actor, p Project) (place, error) {
	branch, err := defaultBranch(tx, p.ID)
	return inBranch(by, p, branch), err
}

func inBranch(by access.Actor, p Project, branch int64) place {
	return place{kind: "project", id: p.ID, name: p.Name, by: by,
		event: func(by access.Actor, w Who, name string) audit.Event {
			e := audit.By(by, strings.Replace(name, "*", "project", 1), "user", w.Email, w.Name)
			e.Organization, e.Project, e.Branch = p.Organization, p.ID, branch
			return e
		}}
}

func projectPlace(tx *db.Tx, s access.Project) (place, error) {
	p, err := Find(tx, s.ID())
	return place{kind: "project", id: p.ID, name: p.Name, by: s.Actor(), members: membersOfProject,
		find:  func(id int64) (Member, error) { return FindInvited(tx, s, id) },
		event: inBranch(s.Actor(), p, s.Branch()).event}, err
}

// place is where people are invited; who visits an organization may be.
func (t Team) place(tx *db.Tx) place {
	lasting := ""
	if t.Kind == OfOrganization {
		lasting = " AND x.through = ''"
	}
	return place{kind: string(t.Kind), id: t.ID, name: t.Name, by: t.actor, members: "FROM " + t.table() + " x WHERE " + t.column() + " = $1 AND user_id = $2 AND " + t.counts("$3") + lasting,
		find:  func(id int64) (Member, error) { return FindTeamInvited(tx, t, id) },
		event: t.event}
}

// waiting finds an invitation that waits. NotFound if there is none; Conflict for another.
func (at place) waiting(invitation int64) (Member, error) {
	m, err := at.find(invitation)
	if err == nil && !m.Waits() {
		err = errAnswered()
	}
	return m, err
}

// Answered is the code of the fault for an invitation that waits no more.
const Answered = "tenancy.answered"

func errAnswered() error {
	return fault.New(fault.Conflict, Answered, "This invitation does not wait any more. Nothing was changed.")
}

// named is how sentences name the place.
func (at place) named() string {
	if at.kind == "project" {
		return fmt.Sprintf("%q", at.name)
	}
	return fmt.Sprintf("the %s %q", at.kind, at.name)
}

// said is named with the role there.
func (at place) said(role access.Role) string {
	if at.kind == "project" {
		return at.named() + " as " + role.Label()
	}
	return at.named()
}

// Invite invites people to the scope's project: all of them or none. Who has no account
// gets one, which the link of the mail activates. Invalid for an address, the role, the
// reason and the times, by field; Conflict, under "emails", for who is a member or invited
// already; Forbidden without MembersInvite and for roles that only members of the
// organization give; TooMany past the limits of a day, of a project, an inviter and a person.
func (v *Service) Invite(tx *db.Tx, s access.Project, n NewInvitation) ([]Sent, error) {
	s, err := again(tx, s, access.MembersInvite)
	if err != nil {
		return nil, err
	}
	var c fault.Check
	c.Field(n.Role != "", "role", "Choose a role.")
	checkUntil(tx, &c, n.Until)
	to, err := n.check(&c)
	if err != nil {
		return nil, err
	}
	if c.Err() == nil && to.wrong == "" {
		if err := grantable(s, n.Role); err != nil {
			return nil, err
		}
	}
	at, err := projectPlace(tx, s)
	if err != nil {
		return nil, err
	}
	return v.inviteAll(tx, at, n, to, &c)
}

// checkUntil notes, under "until", what is wrong with a time as the end of a membership; the
// zero time is none.
func checkUntil(tx *db.Tx, c *fault.Check, until time.Time) {
	c.Field(until.IsZero() || until.After(tx.Now), "until", "Choose a day that is still to come.")
	c.Field(until.Before(tx.Now.AddDate(memberYearsMax, 0, 0)), "until", fmt.Sprintf("Choose a day within %d years, or none.", memberYearsMax))
}

// InviteToTeam invites people to a team: all of them or none. Its role and the end of the
// membership do not count. Forbidden for who does not manage the team; otherwise as Invite.
func (v *Service) InviteToTeam(tx *db.Tx, t Team, n NewInvitation) ([]Sent, error) {
	t, err := t.again(tx)
	if err != nil {
		return nil, err
	}
	n.Role, n.Until = "", time.Time{}
	var c fault.Check
	to, err := n.check(&c)
	if err != nil {
		return nil, err
	}
	return v.inviteAll(tx, t.place(tx), n, to, &c)
}

// inviteAll invites everybody, or tells all that is wrong: with the form, as c has it, and with
// its addresses.
func (v *Service) inviteAll(tx *db.Tx, at place, n NewInvitation, to addressees, c *fault.Check) ([]Sent, error) {
	known, err := at.known(tx, to.emails)
	if err != nil {
		return nil, err
	}
	if known != "" && to.wrong == "" && c.Err() == nil {
		return nil, underEmails(fault.New(fault.Conflict, "tenancy.known", known))
	}
	says := strings.TrimSpace(to.wrong + " " + known)
	if c.Field(says == "", "emails", says); c.Err() != nil {
		return nil, c.Err()
	}
	var sent []Sent
	for _, email := range to.emails {
		one, err := v.invite(tx, at, n, email)
		if err != nil {
			return nil, err
		}
		sent = append(sent, one)
	}
	return sent, nil
}

// known tells of all people among the addresses who are in the place or invited to it; "" when
// there are none. The caller holds its lock.
func (at place) known(tx *db.Tx, emails []string) (string, error) {
	var in, asked []string
	var own string
	for _, email := range emails {
		user, err := db.Value[int64](tx, "SELECT id FROM users WHERE email = $1", email)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return "", err
		}
		found, err := db.Value[int64](tx, "SELECT count(*) "+at.members, at.id, user, tx.Now)
		if err != nil {
			return "", err
		}
		if found > 0 {
			in = append(in, email)
			continue
		}
		if at.kind == "project" && user == at.by.UserID {
			own = ownInvitation
			continue
		}
		found, err = db.Value[int64](tx, "SELECT count(*) FROM invitations WHERE "+at.kind+"_id = $1 AND user_id = $2 AND state = 'pending' AND expires_at > $3", at.id, user, tx.Now)
		if err != nil {
			return "", err
		}
		if found > 0 {
			asked = append(asked, email)
		}
	}
	says := slices.DeleteFunc([]string{own}, func(s string) bool { return s == "" })
	if len(in) > 0 {
		says = append(says, strings.Join(in, ", ")+plural(len(in), " is a member already.", " are members already."))
	}
	if len(asked) > 0 {
		says = append(says, strings.Join(asked, ", ")+plural(len(asked), " is invited already.", " are invited already."))
	}
	return strings.Join(says, " "), nil
}

// ownInvitation is why nobody invites themselves to a project: they would get around the terms on
// which they may join it.
const ownInvitation = "You do not invite yourself: join the project instead."

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// addressees are the addresses of a form, each once, and what is said of those that are none.
type addressees struct {
	emails []string
	wrong  string
}

// check gives the addressees, and notes what else is wrong with the form. It is an error for more
// than are looked at.
func (n NewInvitation) check(c *fault.Check) (to addressees, err error) {
	if len(n.Emails) > InviteesMax {
		c.Field(false, "emails", fmt.Sprintf("Invite at most %d people at once.", InviteesMax))
		return to, c.Err()
	}
	seen := map[string]bool{}
	var wrong []string
	for _, typed := range n.Emails {
		email, err := accounts.NormalizeEmail(typed)
		if err != nil {
			wrong = append(wrong, strconv.Quote(typed))
		} else if !seen[email] {
			seen[email] = true
			to.emails = append(to.emails, email)
		}
	}
	if len(wrong) > 0 {
		to.wrong = strings.Join(wrong, ", ") + plural(len(wrong), " is no full email address", " are no full email addresses") + ", like name@example.com."
	}
	c.Field(len(n.Emails) > 0, "emails", "Enter at least one email address.")
	c.Field(n.Days >= 1 && n.Days <= InvitationDaysMax, "days", fmt.Sprintf("An invitation counts for 1 to %d days.", InvitationDaysMax))
	if strings.TrimSpace(n.Reason) != "" {
		if err := c.Join(accounts.CheckName("reason", "a reason", n.Reason)); err != nil {
			return to, err
		}
	}
	slices.Sort(to.emails) // two who invite the same people wait for each other, and not in a circle
	return to, nil
}

func (v *Service) invite(tx *db.Tx, at place, n NewInvitation, email string) (Sent, error) {
	if err := take(tx, at, email); err != nil {
		return Sent{}, err
	}
	u, made, err := v.people.Welcome(tx, at.by, email)
	if err != nil {
		return Sent{}, underEmails(err)
	}
	if err := at.expire(tx, u.ID); err != nil {
		return Sent{}, err
	}
	number, err := tx.NewID("invitations")
	if err != nil {
		return Sent{}, err
	}
	open := tx.Now.AddDate(0, 0, n.Days)
	_, err = tx.Exec("INSERT INTO invitations (id, "+at.kind+"_id, user_id, email, role, reason, member_until, days, newcomer, state, created_at, created_by, expires_at, place_name) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', $10, $11, $12, $13)",
		number, at.id, u.ID, u.Email, string(n.Role), strings.TrimSpace(n.Reason), n.Until, n.Days, made, tx.Now, at.by.UserID, open, at.name)
	if err != nil {
		return Sent{}, err
	}
	e := at.event(at.by, Who{u.ID, u.Email, u.Email, u.State}, "*.memberInvited")
	e.Params = map[string]any{"invitation": number, "role": n.Role, "expires": open}
	if !n.Until.IsZero() {
		e.Params["until"] = n.Until
	}
	if reason := strings.TrimSpace(n.Reason); reason != "" {
		e.Params["reason"] = reason
	}
	if err := audit.Record(tx, e.Says("%s invited %s to %s.", at.by.Name, u.Email, at.said(n.Role))); err != nil {
		return Sent{}, err
	}
	m, err := at.find(number)
	if err != nil {
		return Sent{}, err
	}
	return v.send(tx, at, m)
}

// take counts an invitation, also one that is sent again. TooMany tells which limit was met.
func take(tx *db.Tx, at place, email string) error {
	who := id.Digest(email)
	for _, l := range []struct { // always in this order, so that nobody waits in a circle
		key   string
		limit throttle.Limit
		met   string // with how many
	}{
		{fmt.Sprintf("invite/%s:%d", at.kind, at.id), perPlace, "At most %d invitations a day are sent from this " + at.kind + "."},
		{fmt.Sprintf("invite/inviter:%d", at.by.UserID), perInviter, "At most %d invitations a day are sent by you."},
		{fmt.Sprintf("invite/one/%s:%d:%s", at.kind, at.id, who), perInvitee, "At most %d invitations a day are sent from this " + at.kind + " to " + email + "."},
		{fmt.Sprintf("invite/pair:%d:%s", at.by.UserID, who), perPair, "At most %d invitations a day are sent by you to " + email + "."},
		{"invite/address:" + who, perAddress, "At most %d invitations a day are sent to " + email + "."},
	} {
		if err := throttle.Take(tx, l.key, l.limit); err != nil {
			return met(err, l.met+" Nothing was sent.", l.limit)
		}
	}
	return nil
}

// met is an error of throttle.Take that tells which limit was met, by a sentence about its count.
func met(err error, says string, l throttle.Limit) error {
	f := fault.Of(err)
	if f == nil || f.Kind != fault.TooMany {
		return err
	}
	return &fault.Error{Kind: f.Kind, Code: f.Code, RetryAfter: f.RetryAfter, Message: fmt.Sprintf(says, l.Count) + map[bool]string{true: " Go on tomorrow.", false: " Go on in an hour."}[l.Window >= 24*time.Hour]}
}

func underEmails(err error) error {
	if f := fault.Of(err); f != nil && f.Kind == fault.Conflict {
		return &fault.Error{Kind: f.Kind, Code: f.Code, Message: f.Message, Fields: []fault.Field{{Name: "emails", Message: f.Message}}, Err: f.Err}
	}
	return err
}

// send mails an invitation, with a new link to who has not activated the account. Such a
// link lets in whoever has it, as that person: it goes to the mailbox of the address alone.
// Where no mail is sent it is shown to who invites, if it was this invitation that made the
// account, and Accept goes by that.
func (v *Service) send(tx *db.Tx, at place, m Member) (Sent, error) {
	out := Sent{Member: m, Path: InvitationsPath, Fresh: m.Who.State == accounts.Invited}
	kinds, path := [2]mail.Kind{mail.TeamInvitation, mail.TeamWelcome}, InvitationsPath
	values := map[string]string{"inviter": at.by.Name, "address": at.by.Email, at.kind: at.name, "reason": m.Reason, "expires": m.Open.UTC().Format("2006-01-02 15:04 UTC")}
	if at.kind == "project" {
		kinds, values["role"] = [2]mail.Kind{mail.ProjectInvitation, mail.ProjectWelcome}, m.Role.Label()
		if !m.Until.IsZero() {
			values["until"] = moment(m.Until)
		}
	}
	if demanded, err := demands(tx, m.ID); err != nil {
		return out, err
	} else if demanded {
		values["twoStep"] = "needed"
	}
	kind := kinds[0]
	if out.Fresh {
		newcomer, err := db.Value[bool](tx, "SELECT newcomer FROM invitations WHERE id = $1", m.ID)
		if err != nil {
			return out, err
		}
		shown := newcomer && !v.mail.Delivers()
		if path, err = accounts.InvitedPath(tx, m.Who.ID, m.ID, m.Open, shown); err != nil {
			return out, err
		}
		if out.Path = ""; shown {
			out.Path = path
		}
		kind = kinds[1]
	}
	_, err := v.mail.Send(tx, mail.Letter{Kind: kind, To: m.Who.Email, Name: m.Who.Name, UserID: m.Who.ID, Path: path, Until: m.Open, Values: values})
	return out, err
}

// demands reports whether who is invited has to turn two-step sign-in on before they accept.
func demands(tx *db.Tx, invitation int64) (bool, error) {
	n, err := db.Value[int64](tx, `SELECT count(*) FROM invitations x LEFT JOIN projects p ON p.id = x.project_id JOIN organizations o ON o.id = COALESCE(p.organization_id, x.organization_id)
		WHERE x.id = $1 AND o.mfa_required AND NOT EXISTS (SELECT 1 FROM factors f WHERE f.user_id = x.user_id)`, invitation)
	return n > 0, err
}

// InviteAgain sends an invitation of the scope's project once more, with a new link, and
// lets it count for as long as it did at first. Forbidden and TooMany as of Invite; NotFound
// if there is none; Conflict for one that does not wait any more, with the code Answered, and
// when the membership would be over.
func (v *Service) InviteAgain(tx *db.Tx, s access.Project, invitation int64) (Sent, error) {
	s, err := again(tx, s, access.MembersInvite)
	if err != nil {
		return Sent{}, err
	}
	at, err := projectPlace(tx, s)
	if err != nil {
		return Sent{}, err
	}
	m, err := at.waiting(invitation)
	if err != nil {
		return Sent{}, err
	}
	if err := grantable(s, m.Role); err != nil {
		return Sent{}, err
	}
	if m.Who.ID == s.Actor().UserID {
		return Sent{}, fault.New(fault.Conflict, "tenancy.self", ownInvitation)
	}
	return v.inviteAgain(tx, at, m)
}

// InviteToTeamAgain is InviteAgain for an invitation to a team.
func (v *Service) InviteToTeamAgain(tx *db.Tx, t Team, invitation int64) (Sent, error) {
	t, err := t.again(tx)
	if err != nil {
		return Sent{}, err
	}
	at := t.place(tx)
	m, err := at.waiting(invitation)
	if err != nil {
		return Sent{}, err
	}
	return v.inviteAgain(tx, at, m)
}

func (v *Service) inviteAgain(tx *db.Tx, at place, m Member) (Sent, error) {
	if err := take(tx, at, m.Who.Email); err != nil {
		return Sent{}, err
	}
	if !m.Until.IsZero() && !tx.Now.Before(m.Until) {
		return Sent{}, errOver()
	}
	days, err := db.Value[int](tx, "SELECT days FROM invitations WHERE id = $1", m.ID)
	if err != nil {
		return Sent{}, err
	}
	m.Open = tx.Now.AddDate(0, 0, days)
	// Who sends it vouches for it from now on, and for the account as it is: see Accept.
	if err := tx.Must("UPDATE invitations SET created_at = $4, expires_at = $2, created_by = $3, place_name = $5 WHERE id = $1 AND state = 'pending'", m.ID, m.Open, at.by.UserID, tx.Now, at.name); err != nil {
		return Sent{}, err
	}
	e := at.event(at.by, m.Who, "*.memberInvited")
	e.Params = map[string]any{"invitation": m.ID, "role": m.Role, "expires": m.Open, "again": true}
	if m.Reason != "" {
		e.Params["reason"] = m.Reason
	}
	if err := audit.Record(tx, e.Says("%s sent %s the invitation to %s again.", at.by.Name, m.Who.Email, at.said(m.Role))); err != nil {
		return Sent{}, err
	}
	return v.send(tx, at, m)
}

// CancelInvitation closes an invitation to the scope's project, with its link. Forbidden
// without MembersInvite; NotFound if there is none; Conflict for one that does not wait any
// more.
func (v *Service) CancelInvitation(tx *db.Tx, s access.Project, invitation int64) (Member, error) {
	s, err := again(tx, s, access.MembersInvite)
	if err != nil {
		return Member{}, err
	}
	at, err := projectPlace(tx, s)
	if err != nil {
		return Member{}, err
	}
	return cancelInvitation(tx, at, invitation)
}

// CancelTeamInvitation is CancelInvitation for one to a team.
func (v *Service) CancelTeamInvitation(tx *db.Tx, t Team, invitation int64) (Member, error) {
	t, err := t.again(tx)
	if err != nil {
		return Member{}, err
	}
	return cancelInvitation(tx, t.place(tx), invitation)
}

func cancelInvitation(tx *db.Tx, at place, invitation int64) (Member, error) {
	m, err := at.waiting(invitation)
	if err != nil {
		return m, err
	}
	if err := endInvitation(tx, m.ID, "cancelled", "", at.by.UserID); err != nil {
		return m, err
	}
	e := at.event(at.by, m.Who, "*.invitationCancelled")
	e.Params = map[string]any{"invitation": m.ID}
	return m, audit.Record(tx, e.Says("%s cancelled the invitation of %s to %s.", at.by.Name, m.Who.Email, at.said(m.Role)))
}

// Invitation is one as the person sees it who is asked.
type Invitation struct {
	ID        int64
	Team      Team    // an organization or a maintainer; zero for a project
	Project   Project // no more than its numbers, names and kind
	Role      access.Role
	Reason    string
	Until     time.Time // when the membership will end; zero = never
	Inviter   Who
	CreatedAt time.Time
	ExpiresAt time.Time
	State     string    // pending, accepted, declined, cancelled, expired, or a Cause
	Ended     time.Time // zero while it waits
	Void      Void      // why it does not count any more though it waits
	Shut      bool      // nobody can enter the project at this time
	Demanding string    // the organization that asks for a second factor, which the person does not have; "" for none
}

// Told says to the person why an invitation does not count any more, or at this time; "" while it
// counts.
func (i Invitation) Told() string {
	f := fault.Of(i.void())
	switch {
	case f != nil:
		return f.Message
	case i.Shut:
		return "The project is not open at this time. The invitation counts again when it is."
	}
	return ""
}

// Rests reports whether an invitation that does not count does so again by itself.
func (i Invitation) Rests() bool { return i.Void == VoidFactor || i.Void == "" && i.Shut }

// void is Conflict for an invitation that does not count any more.
func (i Invitation) void() error {
	switch i.Void {
	case VoidOver:
		return errOver()
	case VoidAccount:
		return fault.Newf(fault.Conflict, "tenancy.uncertain", "Your account was activated by a link that somebody else had passed on, after %s invited you. Ask for a new invitation.", i.Inviter.Name)
	case VoidFactor:
		return fault.Newf(fault.Conflict, "tenancy.vouched", "%s, who invited you, has to sign in in two steps first, which the organization asks for. It counts again when they do.", i.Inviter.Name)
	case VoidInviter:
		return fault.Newf(fault.Conflict, "tenancy.vouched", "%s, who invited you, may not do so any more. Ask for a new invitation.", i.Inviter.Name)
	}
	return nil
}

// Place is the name of what they are invited to.
func (i Invitation) Place() string {
	if i.Team.ID != 0 {
		return i.Team.Name
	}
	return i.Project.Name
}

// selectInvitations is of the person $1, at the time $2.
var selectInvitations = `SELECT x.id, p.id, p.organization_id, po.name, p.name, p.governed, p.state, p.expires_at, o.id, o.name, t.id, t.name, x.place_name,
		x.role, x.reason, x.member_until, x.created_at, x.expires_at, a.id, a.email, a.name, a.state, ` + became + `, x.ended_at, EXISTS (SELECT 1 FROM factors f WHERE f.user_id = u.id), ` + vouchers("COALESCE(p.organization_id, x.organization_id)", "$2") + `
	FROM invitations x JOIN users u ON u.id = x.user_id ` + inviters + `LEFT JOIN projects p ON p.id = x.project_id LEFT JOIN organizations po ON po.id = p.organization_id
		LEFT JOIN organizations o ON o.id = x.organization_id LEFT JOIN maintainers t ON t.id = x.maintainer_id
	WHERE x.user_id = $1 AND `

// scanInvitation reads an invitation as it is at a time.
func scanInvitation(now time.Time) func(db.Row) (Invitation, error) {
	return func(r db.Row) (Invitation, error) {
		var i Invitation
		var o, t Team
		var factor bool
		var by voucher
		var called string
		err := r.Scan(append([]any{&i.ID, db.Null(&i.Project.ID), db.Null(&i.Project.Organization), db.Null(&i.Project.OrganizationName), db.Null(&i.Project.Name), db.Null(&i.Project.Governed), db.Null(&i.Project.State), db.Time(&i.Project.ExpiresAt),
			db.Null(&o.ID), db.Null(&o.Name), db.Null(&t.ID), db.Null(&t.Name), &called,
			&i.Role, &i.Reason, db.Time(&i.Until), db.Time(&i.CreatedAt), db.Time(&i.ExpiresAt), &i.Inviter.ID, &i.Inviter.Email, &i.Inviter.Name, &i.Inviter.State, &i.State, db.Time(&i.Ended), &factor}, by.scans()...)...)
		may := by.invites(access.Place{Project: i.Project.ID, Org: i.Project.Organization, Governed: i.Project.Governed}, i.Role)
		switch {
		case o.ID != 0:
			i.Team, may = team(OfOrganization, o.ID, o.Name), by.invitesToTeam(OfOrganization)
		case t.ID != 0:
			i.Team, may = team(OfMaintainer, t.ID, t.Name), by.invitesToTeam(OfMaintainer)
		}
		if i.State == "pending" && !now.Before(i.ExpiresAt) { // nothing has marked it yet
			i.State, i.Ended = "expired", i.ExpiresAt
		}
		if i.State == "pending" {
			i.Shut = i.Project.ID != 0 && (i.Project.State != Active || !i.Project.ExpiresAt.IsZero() && !now.Before(i.Project.ExpiresAt))
			i.Void = by.void(Member{Until: i.Until}, may, now)
		} else { // whoever is not in it reads no later name
			i.Project.Name, i.Team.Name = called, called
		}
		if by.demanded && !factor {
			i.Demanding = cmp.Or(i.Project.OrganizationName, o.Name)
		}
		return i, err
	}
}

// Invitations are those of a person that wait, the newest first, 200 at most: more than
// anybody gets in the two weeks that one may count.
func Invitations(tx *db.Tx, a access.Actor) ([]Invitation, error) {
	return db.All(tx, scanInvitation(tx.Now), selectInvitations+"x.state = 'pending' AND x.expires_at > $2 ORDER BY x.id DESC LIMIT 200", a.UserID, tx.Now)
}

// CountInvitations is how many invitations of a person wait.
func CountInvitations(tx *db.Tx, a access.Actor) (int64, error) {
	return db.Value[int64](tx, "SELECT count(*) FROM invitations WHERE user_id = $1 AND state = 'pending' AND expires_at > $2", a.UserID, tx.Now)
}

// findInvitation is one of the actor's. NotFound for one of somebody else; Conflict, with the code
// Answered, for one that waits no more, and NotFound when that is told no more either.
func findInvitation(tx *db.Tx, a access.Actor, id int64) (Invitation, error) {
	if err := accounts.Present(tx, a); err != nil {
		return Invitation{}, err
	}
	i, err := db.One(tx, scanInvitation(tx.Now), selectInvitations+"x.id = $3", a.UserID, tx.Now, id)
	switch {
	case err != nil || i.State == "pending":
		return i, err
	case i.Ended.Before(tx.Now.AddDate(0, 0, -pastDays)):
		return Invitation{}, fault.New(fault.NotFound, "notFound", "Not found.")
	}
	return i, errAnswered()
}

// Entered reports whether the actor is in what an invitation of theirs was to.
func Entered(tx *db.Tx, a access.Actor, i Invitation) (bool, error) {
	at := i.Team.place(tx)
	if i.Team.ID == 0 {
		at = place{id: i.Project.ID, members: membersOfProject}
	}
	n, err := db.Value[int64](tx, "SELECT count(*) "+at.members, at.id, a.UserID, tx.Now)
	return n > 0, err
}

// Accept makes the actor a member by an invitation of theirs. NotFound for one of somebody
// else; Conflict, with the code Answered, for one that was cancelled, answered or is over, and
// Conflict when it would not be given today: the project is not active, or who invited may not
// do so any more.
// Unauthenticated, with the code access.FactorNeeded, where a second factor is a must that the
// actor does not have.
func (v *Service) Accept(tx *db.Tx, a access.Actor, invitation int64) (Invitation, error) {
	i, err := heldInvitation(tx, a, invitation)
	if err != nil {
		return i, err
	}
	if err := vouched(tx, i); err != nil {
		return i, err
	}
	certain, err := accounts.Vouched(tx, a.UserID, i.ID, i.CreatedAt)
	if err != nil {
		return i, err
	}
	if !certain {
		i.Void = VoidAccount
		return i, i.void()
	}
	if i.Demanding != "" {
		return i, fault.Newf(fault.Unauthenticated, access.FactorNeeded, "The invitation to %q was not accepted, and still waits: the organization %q is open only to who signs in in two steps. Turn two-step sign-in on, then accept.", i.Place(), i.Demanding)
	}
	u, err := accounts.Find(tx, a.UserID)
	if err != nil {
		return i, err
	}
	m := Member{Who: Who{u.ID, u.Email, u.Name, u.State}, Role: i.Role, Until: i.Until, Reason: i.Reason, Invitor: i.Inviter}
	if i.Team.ID != 0 {
		return i, i.Team.add(tx, a, m)
	}
	return i, join(tx, a, i.Project, &m)
}

// heldInvitation is findInvitation for who answers it, one after the other with all who change who
// belongs to the place.
func heldInvitation(tx *db.Tx, a access.Actor, invitation int64) (Invitation, error) {
	i, err := findInvitation(tx, a, invitation)
	if err != nil {
		return i, err
	}
	if i.Team.ID != 0 {
		err = tx.Lock(fmt.Sprintf("%s %d", i.Team.Kind, i.Team.ID))
	} else {
		err = lockMembers(tx, i.Project.ID)
	}
	if err != nil {
		return i, err
	}
	return findInvitation(tx, a, invitation) // it may have been answered or cancelled while the lock was waited for
}

// vouched is Conflict unless the invitation could be given today by who gave it.
func vouched(tx *db.Tx, i Invitation) (err error) {
	if i.Team.ID != 0 {
		err = i.Team.vouch(tx, access.Actor{UserID: i.Inviter.ID, Name: i.Inviter.Name})
	} else {
		err = vouches(tx, i.Inviter, i.Project.ID, i.Role)
	}
	switch {
	case i.Team.ID == 0 && (i.Project.State != "active" || !i.Project.ExpiresAt.IsZero() && !tx.Now.Before(i.Project.ExpiresAt)):
		return fault.Newf(fault.Conflict, "tenancy.inactive", "The project %q is not open at this time.", i.Project.Name)
	case !i.Until.IsZero() && !tx.Now.Before(i.Until):
		return errOver()
	case fault.HasCode(err, access.FactorNeeded) && i.Void != VoidInviter:
		i.Void = VoidFactor
		return i.void()
	case fault.Is(err, fault.Forbidden), fault.Is(err, fault.NotFound), fault.HasCode(err, access.FactorNeeded), err == nil && i.Inviter.State != accounts.Active:
		i.Void = VoidInviter
		return i.void()
	}
	return err
}

// vouches is an error unless somebody may invite to a project with a role at this time.
func vouches(tx *db.Tx, by Who, project int64, as access.Role) error {
	s, err := Enter(tx, access.Actor{UserID: by.ID, Name: by.Name}, project, access.MembersInvite)
	if err != nil {
		return err
	}
	return grantable(s, as)
}

func errOver() error {
	return fault.New(fault.Conflict, "tenancy.over", "The time in the project is over that this invitation gives. A new one is needed.")
}

// Decline closes an invitation of the actor's. NotFound, and Conflict for one that waits no more,
// as of Accept.
func (v *Service) Decline(tx *db.Tx, a access.Actor, invitation int64) (Invitation, error) {
	i, err := heldInvitation(tx, a, invitation)
	if err != nil {
		return i, err
	}
	if err := endInvitation(tx, i.ID, "declined", "", 0); err != nil {
		return i, err
	}
	if i.Team.ID != 0 {
		e := i.Team.event(a, Who{Email: a.Email, Name: a.Name}, "*.invitationDeclined")
		e.Params = map[string]any{"invitation": i.ID}
		return i, audit.Record(tx, e.Says("%s declined the invitation to the %s %q.", a.Name, string(i.Team.Kind), i.Team.Name))
	}
	e, err := inDefault(tx, audit.By(a, "project.invitationDeclined", "user", a.Email, a.Name), i.Project)
	if err != nil {
		return i, err
	}
	e.Params = map[string]any{"invitation": i.ID}
	return i, audit.Record(tx, e.Says("%s declined the invitation to %q as %s.", a.Name, i.Project.Name, i.Role.Label()))
}
