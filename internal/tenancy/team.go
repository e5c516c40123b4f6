package tenancy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/mail"
	"steward/internal/throttle"
)

// TeamKind is what a team belongs to.
type TeamKind string

// The kinds.
const (
	OfOrganization TeamKind = "organization"
	OfMaintainer   TeamKind = "maintainer"
)

// Team is the people of an organization or a maintainer: they are all equal there. It is made
// from the scope of an actor, and does what that scope lets them.
type Team struct {
	Kind    TeamKind
	ID      int64
	Name    string
	actor   access.Actor
	manages bool
}

// OrganizationTeam is the people of the scope's organization. Forbidden without
// OrganizationRead.
func OrganizationTeam(tx *db.Tx, s access.Organization) (Team, error) {
	if err := s.Require(access.OrganizationRead); err != nil {
		return Team{}, err
	}
	t, err := findTeam(tx, OfOrganization, s.ID())
	t.actor, t.manages = s.Actor(), s.May(access.OrganizationMembers)
	return t, err
}

// MaintainerTeam is the people of the scope's maintainer. Forbidden without MaintainerRead.
func MaintainerTeam(tx *db.Tx, s access.Maintainer) (Team, error) {
	if err := s.Require(access.MaintainerRead); err != nil {
		return Team{}, err
	}
	t, err := findTeam(tx, OfMaintainer, s.ID())
	t.actor, t.manages = s.Actor(), s.May(access.MaintainerManage)
	return t, err
}

// findTeam is a team for who has decided already what may be done to it.
func findTeam(tx *db.Tx, kind TeamKind, id int64) (Team, error) {
	name, err := db.Value[string](tx, "SELECT name FROM "+string(kind)+"s WHERE id = $1", id)
	return team(kind, id, name), err
}

// TeamName is what an organization or a maintainer is called, for the log. NotFound if there
// is none.
func TeamName(tx *db.Tx, kind TeamKind, id int64) (string, error) {
	t, err := findTeam(tx, kind, id)
	return t.Name, err
}

func team(kind TeamKind, id int64, name string) Team { return Team{Kind: kind, ID: id, Name: name} }

// Actor is who the team was made for.
func (t Team) Actor() access.Actor { return t.actor }

// Manages reports whether the actor may invite and remove people.
func (t Team) Manages() bool { return t.manages }

func (t Team) table() string  { return string(t.Kind) + "_members" }
func (t Team) column() string { return string(t.Kind) + "_id" }

// again decides in the transaction of a deed once more, one after the other with all who
// change the team.
func (t Team) again(tx *db.Tx) (Team, error) {
	if err := tx.Lock(fmt.Sprintf("%s %d", t.Kind, t.ID)); err != nil {
		return t, err
	}
	if err := accounts.Present(tx, t.actor); err != nil {
		return t, err
	}
	return t, t.vouch(tx, t.actor)
}

// vouch is Forbidden or NotFound unless somebody may manage the team at this time.
func (t Team) vouch(tx *db.Tx, by access.Actor) (err error) {
	if t.Kind == OfOrganization {
		_, err = EnterOrganization(tx, by, t.ID, access.OrganizationMembers)
	} else {
		_, err = EnterMaintainer(tx, by, t.ID, access.MaintainerManage)
	}
	return err
}

// event starts an event about a person in the team. The star in its name stands for the kind of
// team.
func (t Team) event(by access.Actor, w Who, name string) audit.Event {
	e := audit.By(by, strings.Replace(name, "*", string(t.Kind), 1), "user", w.Email, w.Name)
	if t.Kind == OfOrganization {
		e.Organization = t.ID
	}
	return e
}

// TeamFilter selects among the people of a team, who are in order of their addresses.
type TeamFilter struct {
	Search string  // a part of the address, or of a member's name
	Over   bool    // in their place, those whose invitation waits no more: see Members
	After  *Member // the last one that is known
	Limit  int
}

// TeamMembers lists the members of a team, and who is invited to it. Forbidden, of invitations that
// wait no more, for who does not manage it.
func TeamMembers(tx *db.Tx, t Team, f TeamFilter) ([]Member, error) {
	if f.Over {
		if !t.manages {
			return nil, fault.New(fault.Forbidden, "access.above", "Only who may invite people here reads what became of invitations.")
		}
		return pastInvitations(tx, t.column(), t.ID, pastFilter{search: f.Search, after: f.After, limit: f.Limit})
	}
	members, err := t.list(tx, f, false)
	if err != nil {
		return nil, err
	}
	asked, err := t.list(tx, f, true)
	if err != nil {
		return nil, err
	}
	out := slices.Concat(members, asked)
	slices.SortFunc(out, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.Who.Email, b.Who.Email), cmp.Compare(a.order(), b.order()))
	})
	return out[:min(len(out), f.Limit)], nil
}

// list lists the members or the invitations. Nobody is both.
func (t Team) list(tx *db.Tx, f TeamFilter, asked bool) ([]Member, error) {
	in, order := "u.search", "x.email"
	var w db.Where
	w.And("x."+t.column()+" = ?", t.ID)
	if asked {
		in, order = "x.email", "x.email, x.id"
		w.And("x.state = 'pending' AND x.expires_at > ?", tx.Now)
	} else {
		w.And(t.counts("?"), tx.Now)
	}
	if f.Search != "" {
		w.And(in+` LIKE ? ESCAPE '\'`, db.Like(norm.NFKC.String(f.Search)))
	}
	if f.After != nil {
		w.And("x.email > ?", f.After.Who.Email)
	}
	from, scan, args := t.members(), scanMember, w.Args()
	if asked {
		args = w.Args(tx.Now)
		from, scan = invited("x.organization_id", fmt.Sprintf("$%d", len(args))), t.scanInvited(tx)
	}
	return db.All(tx, scan, from+w.SQL()+fmt.Sprintf(" ORDER BY %s LIMIT %d", order, f.Limit), args...)
}

// scanInvited reads an invitation to the team.
func (t Team) scanInvited(tx *db.Tx) func(db.Row) (Member, error) {
	if !t.manages {
		return scanInvited(tx.Now, nil)
	}
	return scanInvited(tx.Now, func(g voucher, _ access.Role) bool { return g.invitesToTeam(t.Kind) })
}

// members is what members of the team are read from. Each goes by the number of the person.
func (t Team) members() string {
	return "SELECT 0, x.user_id, '', x.joined_at, " + t.until() + ", NULL, x.reason, " + t.through() + ", " + personColumns + " FROM " + t.table() + " x " + people + "LEFT JOIN users a ON a.id = x.invitor_id LEFT JOIN users b ON b.id = 0 WHERE "
}

// through is where a member's right stands.
func (t Team) through() string {
	if t.Kind == OfOrganization {
		return rightOf
	}
	return "''"
}

// until is where it stands when a membership ends. Those of maintainers do not.
func (t Team) until() string {
	if t.Kind == OfOrganization {
		return "x.expires_at"
	}
	return noTime
}

// counts is the condition that a membership x counts at the time that a parameter stands for.
func (t Team) counts(at string) string {
	return "(" + t.until() + " IS NULL OR " + t.until() + " > " + at + ")"
}

// CountTeam counts the members of a team, and who is invited to it.
func CountTeam(tx *db.Tx, t Team) (c MemberCounts, err error) {
	return db.One(tx, func(r db.Row) (MemberCounts, error) { return c, r.Scan(&c.Members, &c.Invited) },
		"SELECT (SELECT count(*) FROM "+t.table()+" x WHERE "+t.column()+" = $1 AND "+t.counts("$2")+"), (SELECT count(*) FROM invitations WHERE "+t.column()+" = $1 AND state = 'pending' AND expires_at > $2)", t.ID, tx.Now)
}

// FindTeamMember is a member of a team by the number of the person. NotFound if they are none.
func FindTeamMember(tx *db.Tx, t Team, user int64) (Member, error) {
	return db.One(tx, scanMember, t.members()+"x."+t.column()+" = $1 AND x.user_id = $2 AND "+t.counts("$3"), t.ID, user, tx.Now)
}

// FindTeamInvited is an invitation to a team, with what became of it. NotFound if there is none,
// and for who does not manage the team of one that waits no more.
func FindTeamInvited(tx *db.Tx, t Team, invitation int64) (Member, error) {
	m, err := db.One(tx, t.scanInvited(tx), invited("x.organization_id", "$3")+"x."+t.column()+" = $1 AND x.id = $2", t.ID, invitation, tx.Now)
	if err == nil && !m.Waits() && !t.manages {
		return Member{}, fault.New(fault.NotFound, "notFound", "Not found.")
	}
	return m, err
}

// add makes a person a member. An invitation of theirs that waits is closed by it, unless they come for a time. Conflict
// for who is a member.
func (t Team) add(tx *db.Tx, by access.Actor, m Member) error {
	if _, err := t.over(tx, m.Who); err != nil { // it counts no more, but may still be there
		return err
	}
	if t.Kind == OfOrganization && m.Through == "" { // a visit gives way to a place of one's own
		n, err := tx.Exec("DELETE FROM organization_members WHERE organization_id = $1 AND user_id = $2 AND through <> ''", t.ID, m.Who.ID)
		if err == nil && n > 0 {
			err = audit.Record(tx, t.event(by, m.Who, "*.memberEnded").Says("The visit of %s (%s) to the organization %q gave way to a place of their own.", m.Who.Name, m.Who.Email, t.Name))
		}
		if err != nil {
			return err
		}
	}
	_, err := tx.Exec("INSERT INTO "+t.table()+" ("+t.column()+", user_id, email, reason, invitor_id, joined_at) VALUES ($1, $2, $3, $4, $5, $6)", t.ID, m.Who.ID, m.Who.Email, m.Reason, db.ZeroNull(m.Invitor.ID), tx.Now)
	if err == nil && m.Through != "" {
		err = tx.Must("UPDATE organization_members SET through = $3, expires_at = $4 WHERE organization_id = $1 AND user_id = $2", t.ID, m.Who.ID, m.Through.kept(), m.Until)
	}
	if fault.HasCode(err, "db.unique") {
		return fault.Newf(fault.Conflict, "tenancy.member", "%s is a member already.", m.Who.Email)
	}
	if err != nil {
		return err
	}
	t.actor = by
	if m.Through == "" { // else what was to be theirs for longer waits on
		if err := overtakeInvitation(tx, t.place(tx), m); err != nil {
			return err
		}
	}
	e := t.event(by, m.Who, "*.memberAdded")
	e.Params = map[string]any{"user": m.Who.ID}
	if !m.Until.IsZero() {
		e.Params["until"] = m.Until
	}
	switch {
	case m.Invitor.ID == m.Who.ID:
		e.Params["through"], e.Params["reason"] = m.Through, m.Reason
		e = e.Says("%s (%s), %s, joined the %s %q until %s: %q.", by.Name, m.Who.Email, m.Through.Text(), string(t.Kind), t.Name, day(m.Until), m.Reason)
	case m.Invitor.ID != 0:
		e.Params["invitor"] = m.Invitor.ID
		e = e.Says("%s (%s) accepted the invitation of %q to the %s %q.", by.Name, m.Who.Email, m.Invitor.Name, string(t.Kind), t.Name)
	case m.Who.ID == by.UserID:
		e = e.Says("%s (%s) became %s of the %s %q.", by.Name, m.Who.Email, m.rank(), string(t.Kind), t.Name)
	default:
		e = e.Says("%s made %q (%s) %s of the %s %q.", by.Name, m.Who.Name, m.Who.Email, m.rank(), string(t.Kind), t.Name)
	}
	return audit.Record(tx, e)
}

// RemoveFromTeam ends somebody's membership: from the next request on they are not in it, and
// in none of the projects that they entered as somebody of the maintainer; who was in an
// organization by a right, in none of its projects by one. Forbidden for who
// does not manage the team; NotFound for who is no member; Conflict for the last one, and for
// oneself, who leaves.
func (v *Service) RemoveFromTeam(tx *db.Tx, t Team, user int64) (Member, error) {
	if err := t.lockVisits(tx, user); err != nil {
		return Member{}, err
	}
	t, err := t.again(tx)
	if err != nil {
		return Member{}, err
	}
	m, err := FindTeamMember(tx, t, user)
	if err != nil {
		return m, err
	}
	if m.Who.ID == t.actor.UserID {
		return m, fault.Newf(fault.Conflict, "tenancy.self", "This is you. Leave the %s instead.", t.Kind)
	}
	ended, err := v.end(tx, t, m)
	if err != nil {
		return m, err
	}
	if err := v.farewellOf(tx, t, t.actor, m.Who, "", ended); err != nil {
		return m, err
	}
	return m, audit.Record(tx, t.event(t.actor, m.Who, "*.memberRemoved").Says("%s removed %s (%s) from the %s %q.", t.actor.Name, m.Who.Name, m.Who.Email, string(t.Kind), t.Name))
}

// LeaveTeam ends the actor's own membership. NotFound for who is no member; Conflict for the
// last one.
func (v *Service) LeaveTeam(tx *db.Tx, t Team) error {
	if err := t.lockVisits(tx, t.actor.UserID); err != nil {
		return err
	}
	t, err := t.again(tx)
	if err != nil {
		return err
	}
	m, err := FindTeamMember(tx, t, t.actor.UserID)
	if err != nil {
		return err
	}
	if _, err := v.end(tx, t, m); err != nil {
		return err
	}
	return audit.Record(tx, t.event(t.actor, m.Who, "*.memberLeft").Says("%s left the %s %q.", t.actor.Name, string(t.Kind), t.Name))
}

// end takes a membership away, and tells how many places ended with it. The caller holds the lock.
func (v *Service) end(tx *db.Tx, t Team, m Member) (ended int, err error) {
	if m.Who.State == accounts.Active && m.Through == "" {
		n, err := db.Value[int64](tx, "SELECT count(*) FROM (SELECT 1 FROM "+t.table()+" x JOIN users u ON u.id = x.user_id WHERE x."+t.column()+" = $1 AND x.user_id <> $2 AND "+t.until()+" IS NULL AND "+t.through()+" = '' AND u.state = 'active' LIMIT 1) others", t.ID, m.Who.ID)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			return 0, fault.Newf(fault.Conflict, "tenancy.lastMember", "%s is the last member of the %s who can sign in. Invite somebody else first.", m.Who.Name, t.Kind)
		}
	}
	if t.Kind == OfMaintainer {
		if err := lockRights(tx, m.Who.ID); err != nil {
			return 0, err
		}
	}
	if err := tx.Must("DELETE FROM "+t.table()+" WHERE "+t.column()+" = $1 AND user_id = $2", t.ID, m.Who.ID); err != nil {
		return 0, err
	}
	switch {
	case t.Kind == OfMaintainer:
		return v.endRight(tx, t.actor, m.Who, ThroughMaintainer, t.ID)
	case m.Through != "" && m.Who.ID != t.actor.UserID: // who is put out is put out of its projects, too
		return v.endVisits(tx, t.actor, m.Who, "%s removed %s (%s), who had come by a right, from the organization, and from %q.", ofOrganization, t.ID)
	}
	return 0, nil
}

// ofOrganization is the condition of who is in a project of the organization $2 by a right from
// above it.
const ofOrganization = "p.organization_id = $2 AND m.through IN ('maintainer', 'support')"

// lockVisits takes the locks that come before the one of an organization, for who is to leave it
// and may be in its projects by a right: see lockMoves for their order.
func (t Team) lockVisits(tx *db.Tx, user int64) error {
	if t.Kind != OfOrganization {
		return nil
	}
	if err := lockRights(tx, user); err != nil { // so that they enter nothing more
		return err
	}
	return lockProjects(tx, "m.user_id = $1 AND "+ofOrganization, user, t.ID)
}

// lockProjects takes the locks that come before the ones of organizations, for who ends
// memberships m of projects p.
func lockProjects(tx *db.Tx, condition string, args ...any) error {
	if err := lockMoves(tx); err != nil {
		return err
	}
	list, err := db.All(tx, db.Scalar[int64], "SELECT DISTINCT m.project_id FROM memberships m JOIN projects p ON p.id = m.project_id WHERE "+condition+" ORDER BY m.project_id"+fmt.Sprintf(" LIMIT %d", InsideMost+1), args...)
	for _, project := range list {
		if err := lockMembers(tx, project); err != nil {
			return err
		}
	}
	return err
}

// perJoiner keeps one person from filling mailboxes by joining again and again.
var perJoiner = throttle.Limit{Count: 20, Window: 24 * time.Hour}

// VisitOrganization makes the actor a member of the scope's organization by the right by which they
// may, for some hours and with a reason, and mails it to the other members. They look into it; what
// they may do in its projects does not change. Forbidden without OrganizationJoin; Invalid by field;
// Conflict for who is a member; TooMany past twenty a day.
func (v *Service) VisitOrganization(tx *db.Tx, s access.Organization, j Joining) error {
	if err := lockRights(tx, s.Actor().UserID); err != nil {
		return err
	}
	s, err := anew(tx, s, access.OrganizationJoin)
	if err != nil {
		return err
	}
	u, err := accounts.Find(tx, s.Actor().UserID)
	if err != nil {
		return err
	}
	t, err := findTeam(tx, OfOrganization, s.ID())
	if err != nil {
		return err
	}
	m := Member{Who: Who{u.ID, u.Email, u.Name, u.State}, Reason: strings.TrimSpace(j.Reason), Through: visits(s.Is())}
	if err := j.check(m.Through); err != nil {
		return err
	}
	ends, err := rightEnds(tx, u.ID, m.Through)
	if err != nil {
		return err
	}
	m.Invitor, m.Until = m.Who, sooner(tx.Now.Add(time.Duration(j.Hours)*time.Hour), ends)
	if err := t.add(tx, s.Actor(), m); err != nil {
		return err
	}
	if err := throttle.Take(tx, fmt.Sprintf("join/user:%d", u.ID), perJoiner); err != nil {
		return met(err, "At most %d organizations a day are joined by one person by themselves.", perJoiner)
	}
	values := map[string]string{"by": m.Who.Name, "email": m.Who.Email, "who": m.Through.Text(), "organization": t.Name, "reason": m.Reason, "until": moment(m.Until)}
	return v.tellTeam(tx, t, m.Who.ID, mail.Letter{Kind: mail.TeamJoined, Path: fmt.Sprintf("/organizations/%d/members", t.ID), Values: values})
}

// EndVisit ends the actor's own membership of the scope's organization that they have by a right.
// Forbidden without OrganizationJoin; NotFound for who has none such.
func (v *Service) EndVisit(tx *db.Tx, s access.Organization) error {
	s, err := anew(tx, s, access.OrganizationJoin)
	if err != nil {
		return err
	}
	t, err := findTeam(tx, OfOrganization, s.ID())
	if err != nil {
		return err
	}
	t.actor = s.Actor()
	m, err := FindTeamMember(tx, t, s.Actor().UserID)
	if err == nil && m.Through == "" {
		err = fault.New(fault.NotFound, "notFound", "Not found.")
	}
	if err != nil {
		return err
	}
	if _, err := v.end(tx, t, m); err != nil {
		return err
	}
	return audit.Record(tx, t.event(t.actor, m.Who, "*.memberLeft").Says("%s (%s), %s, left the organization %q.", t.actor.Name, m.Who.Email, m.Through.Text(), t.Name))
}

// endTeamVisits takes the memberships of organizations away whose time is over, a hundred at most.
// They count for nothing before that either.
func (v *Service) endTeamVisits(ctx context.Context) error {
	type over struct {
		organization int64
		who          Who
	}
	var list []over
	err := v.db.View(ctx, func(tx *db.Tx) (err error) {
		list, err = db.All(tx, func(r db.Row) (over, error) {
			var x over
			return x, r.Scan(&x.organization, &x.who.ID, &x.who.Email, &x.who.Name, &x.who.State)
		}, "SELECT m.organization_id, u.id, u.email, u.name, u.state FROM organization_members m JOIN users u ON u.id = m.user_id WHERE m.expires_at <= $1 ORDER BY m.expires_at LIMIT 100", tx.Now)
		return err
	})
	for _, x := range list {
		err = errors.Join(err, v.db.Update(ctx, func(tx *db.Tx) error {
			if err := tx.Lock(fmt.Sprintf("organization %d", x.organization)); err != nil {
				return err
			}
			t, err := findTeam(tx, OfOrganization, x.organization)
			if err != nil {
				return err
			}
			ended, err := t.over(tx, x.who)
			if err != nil || !ended {
				return err
			}
			return v.farewellOf(tx, t, steward(), x.who, outByTime, 0)
		}))
	}
	return err
}

// over takes a membership away whose time is over, if it is there still, and records that. It tells whether it was.
func (t Team) over(tx *db.Tx, w Who) (ended bool, err error) {
	n, err := tx.Exec("DELETE FROM "+t.table()+" AS x WHERE x."+t.column()+" = $1 AND x.user_id = $2 AND NOT "+t.counts("$3"), t.ID, w.ID, tx.Now)
	if err != nil || n == 0 {
		return false, err
	}
	return true, audit.Record(tx, t.event(steward(), w, "*.memberEnded").Says("The membership of %s (%s) in the %s %q was over.", w.Name, w.Email, string(t.Kind), t.Name))
}

// membersMost is how many members of an organization are told of one who joined it, or of its
// end.
const membersMost = 100

// tellTeam mails a letter to the members of an organization who can sign in, but for who did
// what it tells of.
func (v *Service) tellTeam(tx *db.Tx, t Team, by int64, l mail.Letter) error {
	list, err := db.All(tx, scanReader, `SELECT u.id, u.email, u.name FROM organization_members m JOIN users u ON u.id = m.user_id
		WHERE m.organization_id = $1 AND m.user_id <> $2 AND (m.expires_at IS NULL OR m.expires_at > $3) AND u.state = 'active' ORDER BY m.email`+fmt.Sprintf(" LIMIT %d", membersMost), t.ID, by, tx.Now)
	if err != nil {
		return err
	}
	return v.write(tx, list, l)
}
