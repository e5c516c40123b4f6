package tenancy

import (
	"fmt"
	"slices"
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
	perProject = throttle.Limit{Count: 50, Window: 24 * time.Hour}
	perInviter = throttle.Limit{Count: 100, Window: 24 * time.Hour}
	perInvitee = throttle.Limit{Count: 5, Window: 24 * time.Hour}  // from one project
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
	emails, err := n.check(tx.Now)
	if err != nil {
		return nil, err
	}
	if err := grantable(s, n.Role); err != nil {
		return nil, err
	}
	p, err := Find(tx, s.ID())
	if err != nil {
		return nil, err
	}
	var sent []Sent
	for _, email := range emails {
		one, err := v.invite(tx, s, p, n, email)
		if err != nil {
			return nil, err
		}
		sent = append(sent, one)
	}
	return sent, nil
}

// check gives the addresses, each once.
func (n NewInvitation) check(now time.Time) (emails []string, err error) {
	var c fault.Check
	c.Field(len(n.Emails) <= InviteesMax, "emails", fmt.Sprintf("Invite at most %d people at once.", InviteesMax))
	if err := c.Err(); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, typed := range n.Emails {
		email, err := accounts.NormalizeEmail(typed)
		c.Field(err == nil, "emails", fmt.Sprintf("%q is no full email address, like name@example.com.", typed))
		if err == nil && !seen[email] {
			seen[email] = true
			emails = append(emails, email)
		}
	}
	c.Field(len(n.Emails) > 0, "emails", "Enter at least one email address.")
	c.Field(n.Role != "", "role", "Choose a role.")
	c.Field(n.Until.IsZero() || n.Until.After(now), "until", "Choose a day that is still to come.")
	c.Field(n.Until.Before(now.AddDate(memberYearsMax, 0, 0)), "until", fmt.Sprintf("Choose a day within %d years, or none.", memberYearsMax))
	c.Field(n.Days >= 1 && n.Days <= InvitationDaysMax, "days", fmt.Sprintf("An invitation counts for 1 to %d days.", InvitationDaysMax))
	if strings.TrimSpace(n.Reason) != "" {
		if err := c.Join(accounts.CheckName("reason", "a reason", n.Reason)); err != nil {
			return nil, err
		}
	}
	slices.Sort(emails) // two who invite the same people wait for each other, and not in a circle
	return emails, c.Err()
}

func (v *Service) invite(tx *db.Tx, s access.Project, p Project, n NewInvitation, email string) (Sent, error) {
	if err := take(tx, s, email); err != nil {
		return Sent{}, err
	}
	u, made, err := v.people.Welcome(tx, s.Actor(), email)
	if err != nil {
		return Sent{}, underEmails(err)
	}
	var found int64
	if found, err = db.Value[int64](tx, "SELECT count(*) FROM memberships WHERE project_id = $1 AND user_id = $2 AND (expires_at IS NULL OR expires_at > $3)", p.ID, u.ID, tx.Now); err != nil {
		return Sent{}, err
	}
	if found > 0 {
		return Sent{}, underEmails(fault.Newf(fault.Conflict, "tenancy.member", "%s is a member already.", u.Email))
	}
	if _, err := tx.Exec("UPDATE invitations SET state = 'expired', ended_at = $3 WHERE project_id = $1 AND user_id = $2 AND state = 'pending' AND expires_at <= $3", p.ID, u.ID, tx.Now); err != nil {
		return Sent{}, err
	}
	number, err := tx.NewID("invitations")
	if err != nil {
		return Sent{}, err
	}
	open := tx.Now.AddDate(0, 0, n.Days)
	_, err = tx.Exec(`INSERT INTO invitations (id, project_id, user_id, email, role, reason, member_until, days, newcomer, state, created_at, created_by, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', $10, $11, $12)`,
		number, p.ID, u.ID, u.Email, string(n.Role), strings.TrimSpace(n.Reason), n.Until, n.Days, made, tx.Now, s.Actor().UserID, open)
	if fault.HasCode(err, "db.unique") {
		return Sent{}, underEmails(fault.Newf(fault.Conflict, "tenancy.invitedAlready", "%s is invited already.", u.Email))
	}
	if err != nil {
		return Sent{}, err
	}
	e := about(s, p, "project.memberInvited", Who{u.ID, u.Email, u.Email, u.State})
	e.Params = map[string]any{"invitation": number, "role": n.Role, "expires": open}
	if !n.Until.IsZero() {
		e.Params["until"] = n.Until
	}
	if err := audit.Record(tx, e.Says("%s invited %s to %q as %s.", s.Actor().Name, u.Email, p.Name, n.Role.Label())); err != nil {
		return Sent{}, err
	}
	m, err := FindInvited(tx, s, number)
	if err != nil {
		return Sent{}, err
	}
	return v.send(tx, s, p, m)
}

// take counts an invitation, also one that is sent again.
func take(tx *db.Tx, s access.Project, email string) error {
	who := id.Digest(email)
	for _, l := range []struct { // always in this order, so that nobody waits in a circle
		key   string
		limit throttle.Limit
	}{
		{fmt.Sprintf("invite/project:%d", s.ID()), perProject}, {fmt.Sprintf("invite/inviter:%d", s.Actor().UserID), perInviter},
		{fmt.Sprintf("invite/one:%d:%s", s.ID(), who), perInvitee}, {"invite/address:" + who, perAddress},
	} {
		err := throttle.Take(tx, l.key, l.limit)
		if f := fault.Of(err); f != nil && f.Kind == fault.TooMany {
			return &fault.Error{Kind: f.Kind, Code: f.Code, RetryAfter: f.RetryAfter, Message: "Too many invitations were sent today, by you, in this project, or to " + email + ". Go on tomorrow."}
		}
		if err != nil {
			return err
		}
	}
	return nil
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
func (v *Service) send(tx *db.Tx, s access.Project, p Project, m Member) (Sent, error) {
	out := Sent{Member: m, Path: InvitationsPath, Fresh: m.Who.State == accounts.Invited}
	kind, path := mail.ProjectInvitation, InvitationsPath
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
		kind = mail.ProjectWelcome
	}
	_, err := v.mail.Send(tx, mail.Letter{Kind: kind, To: m.Who.Email, Name: m.Who.Name, UserID: m.Who.ID, Path: path, Until: m.Open,
		Values: map[string]string{"inviter": s.Actor().Name, "project": p.Name, "role": m.Role.Label(), "reason": m.Reason, "expires": m.Open.UTC().Format("2006-01-02 15:04 UTC")}})
	return out, err
}

// InviteAgain sends an invitation of the scope's project once more, with a new link, and
// lets it count for as long as it did at first. Forbidden and TooMany as of Invite; NotFound
// for one that does not wait any more; Conflict when the membership would be over.
func (v *Service) InviteAgain(tx *db.Tx, s access.Project, invitation int64) (Sent, error) {
	s, err := again(tx, s, access.MembersInvite)
	if err != nil {
		return Sent{}, err
	}
	m, err := FindInvited(tx, s, invitation)
	if err != nil {
		return Sent{}, err
	}
	if err := grantable(s, m.Role); err != nil {
		return Sent{}, err
	}
	if err := take(tx, s, m.Who.Email); err != nil {
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
	// Who sends it vouches for it from now on: see Accept.
	if err := tx.Must("UPDATE invitations SET expires_at = $2, created_by = $3 WHERE id = $1 AND state = 'pending'", m.ID, m.Open, s.Actor().UserID); err != nil {
		return Sent{}, err
	}
	p, err := Find(tx, s.ID())
	if err != nil {
		return Sent{}, err
	}
	e := about(s, p, "project.memberInvited", m.Who)
	e.Params = map[string]any{"invitation": m.ID, "role": m.Role, "expires": m.Open, "again": true}
	if err := audit.Record(tx, e.Says("%s sent %s the invitation to %q as %s again.", s.Actor().Name, m.Who.Email, p.Name, m.Role.Label())); err != nil {
		return Sent{}, err
	}
	return v.send(tx, s, p, m)
}

// CancelInvitation closes an invitation to the scope's project, with its link. Forbidden
// without MembersInvite; NotFound for one that does not wait any more.
func (v *Service) CancelInvitation(tx *db.Tx, s access.Project, invitation int64) (Member, error) {
	s, err := again(tx, s, access.MembersInvite)
	if err != nil {
		return Member{}, err
	}
	m, err := FindInvited(tx, s, invitation)
	if err != nil {
		return m, err
	}
	if err := endInvitation(tx, m.ID, "cancelled"); err != nil {
		return m, err
	}
	p, err := Find(tx, s.ID())
	if err != nil {
		return m, err
	}
	return m, audit.Record(tx, about(s, p, "project.invitationCancelled", m.Who).Says("%s cancelled the invitation of %s to %q as %s.", s.Actor().Name, m.Who.Email, p.Name, m.Role.Label()))
}

func endInvitation(tx *db.Tx, id int64, state string) error {
	if err := tx.Must("UPDATE invitations SET state = $2, ended_at = $3 WHERE id = $1 AND state = 'pending'", id, state, tx.Now); err != nil {
		return err
	}
	return accounts.EndInvited(tx, id)
}

// Invitation is one that waits for the person who is asked.
type Invitation struct {
	ID        int64
	Project   Project // no more than its numbers, names and kind
	Role      access.Role
	Reason    string
	Until     time.Time // when the membership will end; zero = never
	Inviter   Who
	CreatedAt time.Time
	ExpiresAt time.Time
}

const selectInvitations = `SELECT i.id, p.id, p.organization_id, o.name, p.name, p.governed, p.state, p.expires_at, i.role, i.reason, i.member_until, i.created_at, i.expires_at, a.id, a.email, a.name, a.state
	FROM invitations i JOIN projects p ON p.id = i.project_id JOIN organizations o ON o.id = p.organization_id JOIN users a ON a.id = i.created_by
	WHERE i.user_id = $1 AND i.state = 'pending' AND i.expires_at > $2`

func scanInvitation(r db.Row) (Invitation, error) {
	var i Invitation
	return i, r.Scan(&i.ID, &i.Project.ID, &i.Project.Organization, &i.Project.OrganizationName, &i.Project.Name, &i.Project.Governed, &i.Project.State, db.Time(&i.Project.ExpiresAt),
		&i.Role, &i.Reason, db.Time(&i.Until), db.Time(&i.CreatedAt), db.Time(&i.ExpiresAt), &i.Inviter.ID, &i.Inviter.Email, &i.Inviter.Name, &i.Inviter.State)
}

// Invitations are those of a person that wait, the newest first, 200 at most: more than
// anybody gets in the two weeks that one may count.
func Invitations(tx *db.Tx, a access.Actor) ([]Invitation, error) {
	return db.All(tx, scanInvitation, selectInvitations+" ORDER BY i.id DESC LIMIT 200", a.UserID, tx.Now)
}

// CountInvitations is how many invitations of a person wait.
func CountInvitations(tx *db.Tx, a access.Actor) (int64, error) {
	return db.Value[int64](tx, "SELECT count(*) FROM invitations WHERE user_id = $1 AND state = 'pending' AND expires_at > $2", a.UserID, tx.Now)
}

func findInvitation(tx *db.Tx, a access.Actor, id int64) (Invitation, error) {
	if err := accounts.Present(tx, a); err != nil {
		return Invitation{}, err
	}
	return db.One(tx, scanInvitation, selectInvitations+" AND i.id = $3", a.UserID, tx.Now, id)
}

// Accept makes the actor a member by an invitation of theirs. NotFound for one of somebody
// else, and for one that was cancelled, answered or is over. Conflict when it would not be
// given today: the project is not active, or who invited may not do so any more.
func (v *Service) Accept(tx *db.Tx, a access.Actor, invitation int64) (Invitation, error) {
	i, err := findInvitation(tx, a, invitation)
	if err != nil {
		return i, err
	}
	if err := lockMembers(tx, i.Project.ID); err != nil {
		return i, err
	}
	if i, err = findInvitation(tx, a, invitation); err != nil { // it may have been cancelled while the lock was waited for
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
		return i, fault.Newf(fault.Conflict, "tenancy.uncertain", "Your account was activated by a link that somebody else had passed on, after %s invited you. Ask for a new invitation.", i.Inviter.Name)
	}
	u, err := accounts.Find(tx, a.UserID)
	if err != nil {
		return i, err
	}
	m := Member{Who: Who{u.ID, u.Email, u.Name, u.State}, Role: i.Role, Until: i.Until, Reason: i.Reason, Invitor: i.Inviter}
	return i, join(tx, a, i.Project, m)
}

// vouched is Conflict unless the invitation could be given today by who gave it.
func vouched(tx *db.Tx, i Invitation) error {
	s, err := Enter(tx, access.Actor{UserID: i.Inviter.ID, Name: i.Inviter.Name}, i.Project.ID, access.MembersInvite)
	if err == nil {
		err = grantable(s, i.Role)
	}
	switch {
	case i.Project.State != "active", !i.Project.ExpiresAt.IsZero() && !tx.Now.Before(i.Project.ExpiresAt):
		return fault.Newf(fault.Conflict, "tenancy.inactive", "The project %q is not open at this time.", i.Project.Name)
	case !i.Until.IsZero() && !tx.Now.Before(i.Until):
		return errOver()
	case fault.Is(err, fault.Forbidden), fault.Is(err, fault.NotFound), err == nil && i.Inviter.State != accounts.Active:
		return fault.Newf(fault.Conflict, "tenancy.vouched", "%s, who invited you, may not give you this role any more. Ask for a new invitation.", i.Inviter.Name)
	}
	return err
}

func errOver() error {
	return fault.New(fault.Conflict, "tenancy.over", "The time in the project is over that this invitation gives. A new one is needed.")
}

// Decline closes an invitation of the actor's. NotFound as of Accept.
func (v *Service) Decline(tx *db.Tx, a access.Actor, invitation int64) (Invitation, error) {
	i, err := findInvitation(tx, a, invitation)
	if err != nil {
		return i, err
	}
	if err := endInvitation(tx, i.ID, "declined"); err != nil {
		return i, err
	}
	e := audit.By(a, "project.invitationDeclined", "user", a.Email, a.Name)
	e.Organization, e.Project = i.Project.Organization, i.Project.ID
	if e.Branch, err = defaultBranch(tx, i.Project.ID); err != nil {
		return i, err
	}
	return i, audit.Record(tx, e.Says("%s declined the invitation to %q as %s.", a.Name, i.Project.Name, i.Role.Label()))
}

// CloseInvitations marks those whose time is over. They count for nothing before that either.
func CloseInvitations(tx *db.Tx) error {
	_, err := tx.Exec("UPDATE invitations SET state = 'expired', ended_at = $1 WHERE state = 'pending' AND expires_at <= $1", tx.Now)
	return err
}
