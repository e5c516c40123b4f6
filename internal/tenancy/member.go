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
	"steward/internal/tokens"
)

// Who is a person as others see them.
type Who struct {
	ID          int64
	Email, Name string
	State       accounts.State
}

// Member is a person with a role in a project, one who is invited to it, or one who asks to
// be let in; or a member of a team, or one who is invited to that.
type Member struct {
	ID       int64 // of the membership, the invitation, or the request; of the person in a team
	Invited  bool  // by an invitation that waits
	Asks     bool  // by a request that waits
	Who      Who
	Factor   bool        // the person has a second factor
	Role     access.Role // of who asks: the one that they would get
	Hours    int         // for which who asks would be in the project
	Since    time.Time   // when they joined, were invited, or asked
	Until    time.Time   // when the membership ends; zero = never
	Open     time.Time   // until when the invitation or request counts
	Reason   string
	Invitor  Who // who invited them; empty for who made the project and who was put in by the operator
	Approver Who // who let them in that asked to join; themselves, when they came in so
	Through  Through
	Void     Void      // why an invitation that waits does not count any more
	State    string    // of an invitation: pending, accepted, declined, cancelled, expired, or a Cause
	Ended    time.Time // when an invitation was answered or cancelled, or was over; zero while it waits
	EndedBy  Who       // who cancelled an invitation; empty when nobody did, or it was not kept
	founds   bool      // they come in with what is being made, as its first one
}

// rank is what sentences call somebody who becomes a member.
func (m Member) rank() string {
	if m.founds {
		return "the first member"
	}
	return "a member"
}

// Waits reports, of an invitation, whether it can still be answered and cancelled.
func (m Member) Waits() bool { return m.State == "pending" }

// visits reports whether they are in the project for a time, from the maintainer or support.
func (m Member) visits() bool { return m.Through.Visits() && !m.Until.IsZero() }

// Sort is an order of people.
type Sort string

// The orders.
const (
	ByAddress Sort = ""
	ByNewest  Sort = "newest"
	ByRole    Sort = "role"    // of one role, by address
	ByEnd     Sort = "expires" // whose time ends first; those without an end last
)

// Standing is what somebody is to a project.
type Standing string

// The standings to filter by.
const (
	StandsIn      Standing = "active"   // has a role and can sign in
	StandsInvited Standing = "invited"  // by an invitation that waits
	StandsAsking  Standing = "asking"   // by a request that waits
	StandsUnknown Standing = "inactive" // has not activated the account yet
	StandsOff     Standing = "disabled" // has a role, and cannot sign in
	StandsOutside Standing = "outside"  // visits from the maintainer or support
	StandsEnding  Standing = "ending"   // has a role that ends soon
	StandsOver    Standing = "over"     // was invited in the last 30 days, and the invitation waits no more
)

// Soon is how near the end of a membership is for that.
const Soon = 7 * 24 * time.Hour

// listed reports whether there is such a filter and order of people.
func (f MemberFilter) listed() bool {
	switch f.Standing {
	case "", StandsIn, StandsInvited, StandsAsking, StandsUnknown, StandsOff, StandsOutside, StandsEnding, StandsOver:
		return !f.Nobody && slices.Contains([]Sort{ByAddress, ByNewest, ByRole, ByEnd}, f.Sort)
	}
	return false
}

// MemberFilter selects among the people of a project. Zero fields select all.
type MemberFilter struct {
	Search   string // a part of the address or the name
	Role     access.Role
	Standing Standing
	NoFactor bool // only members who sign in without a second factor
	Nobody   bool // they were asked for by something that nobody is
	Sort     Sort
	After    *Member // the last one that is known
	Limit    int
}

// seesPeople is Forbidden for who neither reads the scope's project nor manages its people, which
// a member of the organization does from outside.
func seesPeople(s access.Project) error {
	if s.May(access.MembersRole) {
		return nil
	}
	return s.Require(access.ProjectRead, false)
}

// Members lists the people of the scope's project, those first who ask to be let in. Those whose
// invitation waits no more are in no list but their own, the last that ended first. By a standing,
// an order or a role that there is not it finds nobody. Forbidden without ProjectRead and
// MembersRole, and without MembersInvite for the latter.
func Members(tx *db.Tx, s access.Project, f MemberFilter) (out []Member, err error) {
	if err := seesPeople(s); err != nil {
		return nil, err
	}
	if !f.listed() {
		return nil, nil
	}
	if f.Standing == StandsOver {
		if err := s.Require(access.MembersInvite, false); err != nil || f.NoFactor {
			return nil, err
		}
		return pastInvitations(tx, "project_id", s.ID(), pastFilter{f.Search, f.Role, f.After, f.Limit})
	}
	list := func(from source, fits bool) {
		if err != nil || !fits {
			return
		}
		var more []Member
		if more, err = listMembers(tx, s, f, from); err == nil {
			out = append(out, more...)
		}
	}
	list(inProject, f.Standing != StandsInvited && f.Standing != StandsAsking)
	list(inviting, (f.Standing == "" || f.Standing == StandsInvited || f.Standing == StandsUnknown) && !f.NoFactor)
	list(asking, (f.Standing == "" || f.Standing == StandsAsking) && !f.NoFactor && f.Role == "" && (f.After == nil || f.After.Asks))
	// Each of the three is in order, and begins with as many as are asked for.
	slices.SortFunc(out, func(a, b Member) int {
		if a.Asks != b.Asks {
			return map[bool]int{true: -1, false: 1}[a.Asks]
		}
		switch {
		case f.Sort == ByNewest:
			return cmp.Or(b.Since.Compare(a.Since), cmp.Compare(b.ID, a.ID), cmp.Compare(a.order(), b.order()))
		case f.Sort == ByEnd && !a.Asks:
			return cmp.Or(endOf(a.Until).Compare(endOf(b.Until)), cmp.Compare(a.ID, b.ID), cmp.Compare(a.order(), b.order()))
		case f.Sort == ByRole && a.Role != b.Role:
			return cmp.Compare(a.Role, b.Role)
		}
		return cmp.Or(cmp.Compare(a.Who.Email, b.Who.Email), cmp.Compare(a.ID, b.ID), cmp.Compare(a.order(), b.order()))
	})
	return out[:min(len(out), f.Limit)], err
}

// order puts members before invitations of the same number, and these before requests.
func (m Member) order() int {
	switch {
	case m.Asks:
		return 2
	case m.Invited:
		return 1
	}
	return 0
}

// listMembers lists the people of one source, along an index.
func listMembers(tx *db.Tx, s access.Project, f MemberFilter, from source) ([]Member, error) {
	var w db.Where
	w.And("x.project_id = ?", s.ID())
	in, at, end := "x.email", "created_at", "x.member_until"
	if from.order == 0 {
		in, at, end = "u.search", "joined_at", "x.expires_at"
		w.And("(x.expires_at IS NULL OR x.expires_at > ?)", tx.Now)
	} else {
		w.And("x.state = 'pending' AND x.expires_at > ?", tx.Now)
	}
	if f.Search != "" {
		w.And(in+` LIKE ? ESCAPE '\'`, db.Like(norm.NFKC.String(f.Search)))
	}
	if f.Role != "" {
		w.And("x.role = ?", string(f.Role))
	}
	switch f.Standing {
	case StandsIn:
		w.And("u.state = 'active'")
	case StandsUnknown:
		w.And("u.state = 'invited'")
	case StandsOff:
		w.And("u.state = 'disabled'")
	case StandsOutside:
		w.And("x.through IN ('maintainer', 'support')")
	case StandsEnding:
		w.And("x.expires_at < ?", tx.Now.Add(Soon))
	}
	if f.NoFactor {
		w.And("u.state = 'active' AND t.user_id IS NULL")
	}
	order, past, beyond := "x.email, x.id", "(x.email, x.id)", ">"
	var goesOn []any
	last := f.After
	if last == nil {
		last = &Member{}
	}
	switch {
	case f.Sort == ByNewest:
		order, past, beyond, goesOn = "x."+at+" DESC, x.id DESC", "(x."+at+", x.id)", "<", []any{last.Since, last.ID}
	case f.Sort == ByRole && from != asking: // who asks has none yet
		order, past, goesOn = "x.role, x.email, x.id", "(x.role, x.email, x.id)", []any{string(last.Role), last.Who.Email, last.ID}
	case f.Sort == ByEnd && from != asking:
		end = fmt.Sprintf("COALESCE(%s, %d)", end, forEver.UnixMicro()) // as its index has it
		order, past, goesOn = end+", x.id", "("+end+", x.id)", []any{endOf(last.Until), last.ID}
	default:
		goesOn = []any{last.Who.Email, last.ID}
	}
	if f.After != nil && last.Asks == (from == asking) { // all others come after who asks
		if from.order > last.order() { // of two that are alike in this the one from here comes later
			beyond += "="
		}
		w.And(past+" "+beyond+" ("+strings.TrimSuffix(strings.Repeat("?, ", len(goesOn)), ", ")+")", goesOn...)
	}
	read, scan, args := from.sql, scanMember, w.Args()
	if from == inviting {
		args = w.Args(s.Organization(), tx.Now)
		read, scan = invited(fmt.Sprintf("$%d", len(args)-1), fmt.Sprintf("$%d", len(args))), scanInvited(tx.Now, told(s))
	}
	list, err := db.All(tx, scan, read+w.SQL()+fmt.Sprintf(" ORDER BY %s LIMIT %d", order, f.Limit), args...)
	if from == asking {
		for i := range list {
			list[i].Role = VisitorRole(s.Governed())
		}
	}
	return list, err
}

// MemberCounts are how many people belong to a project.
type MemberCounts struct {
	Members, Invited, Asking int64
	NoFactor                 int64 // members who sign in without a second factor; counted up to NoFactorMost
}

// NoFactorMost is how far members without a second factor are counted.
const NoFactorMost = 100

// CountMembers counts the people of the scope's project. Forbidden as for Members.
func CountMembers(tx *db.Tx, s access.Project) (MemberCounts, error) {
	if err := seesPeople(s); err != nil {
		return MemberCounts{}, err
	}
	return db.One(tx, func(r db.Row) (MemberCounts, error) {
		var c MemberCounts
		return c, r.Scan(&c.Members, &c.Invited, &c.Asking, &c.NoFactor)
	}, `SELECT (SELECT count(*) FROM memberships m WHERE m.project_id = $1 AND (m.expires_at IS NULL OR m.expires_at > $2)),
		(SELECT count(*) FROM invitations i WHERE i.project_id = $1 AND i.state = 'pending' AND i.expires_at > $2),
		(SELECT count(*) FROM join_requests r WHERE r.project_id = $1 AND r.state = 'pending' AND r.expires_at > $2),
		(SELECT count(*) FROM (SELECT m.id FROM memberships m JOIN users u ON u.id = m.user_id LEFT JOIN factors t ON t.user_id = m.user_id
			WHERE m.project_id = $1 AND (m.expires_at IS NULL OR m.expires_at > $2) AND u.state = 'active' AND t.user_id IS NULL LIMIT $3) some_members)`, s.ID(), tx.Now, NoFactorMost)
}

// source is what Member is read from.
type source struct {
	order int // of those of one number: see Member.order
	sql   string
}

// The sources: the members of projects, the invitations, which are read by invited, and the
// requests to join.
var (
	inProject = source{0, "SELECT 0, x.id, x.role, x.joined_at, x.expires_at, NULL, x.reason, " + rightOf + ", " + personColumns + " FROM memberships x " + people + "LEFT JOIN users a ON a.id = x.invitor_id LEFT JOIN users b ON b.id = x.approver_id WHERE "}
	inviting  = source{order: 1}
	asking    = source{2, "SELECT 2, x.id, '', x.created_at, NULL, x.expires_at, x.reason, " + rightOf + ", x.hours, " + personOnly + " FROM join_requests x " + people + "LEFT JOIN users a ON a.id = 0 LEFT JOIN users b ON b.id = 0 WHERE "}
)

const (
	personOnly    = "u.id, u.email, u.name, u.state, t.user_id, a.id, a.email, a.name, b.id, b.email, b.name"
	personColumns = "0, " + personOnly // of who asks for no time
	people        = "JOIN users u ON u.id = x.user_id LEFT JOIN factors t ON t.user_id = x.user_id "
)

func scanMember(r db.Row) (Member, error) {
	var m Member
	var order, factor int64
	err := r.Scan(append([]any{&order}, m.scans(&factor)...)...)
	m.Invited, m.Asks, m.Factor = order == 1, order == 2, factor != 0
	return m, err
}

// scans are where the columns of a source go but for the first.
func (m *Member) scans(factor *int64) []any {
	return []any{&m.ID, &m.Role, db.Time(&m.Since), db.Time(&m.Until), db.Time(&m.Open), &m.Reason, &m.Through, &m.Hours, &m.Who.ID, &m.Who.Email, &m.Who.Name, &m.Who.State, db.Null(factor),
		db.Null(&m.Invitor.ID), db.Null(&m.Invitor.Email), db.Null(&m.Invitor.Name), db.Null(&m.Approver.ID), db.Null(&m.Approver.Email), db.Null(&m.Approver.Name)}
}

// FindMember is somebody with a role in the scope's project. NotFound if there is none.
func FindMember(tx *db.Tx, s access.Project, membership int64) (Member, error) {
	return db.One(tx, scanMember, inProject.sql+"x.project_id = $1 AND (x.expires_at IS NULL OR x.expires_at > $2) AND x.id = $3", s.ID(), tx.Now, membership)
}

// FindInvited is an invitation to the scope's project, with what became of it. NotFound if there
// is none, and for who may not invite of one that waits no more.
func FindInvited(tx *db.Tx, s access.Project, invitation int64) (Member, error) {
	m, err := db.One(tx, scanInvited(tx.Now, told(s)), invited("$3", "$4")+"x.project_id = $1 AND x.id = $2", s.ID(), invitation, s.Organization(), tx.Now)
	if err == nil && !m.Waits() && !s.May(access.MembersInvite) {
		return Member{}, fault.New(fault.NotFound, "notFound", "Not found.")
	}
	return m, err
}

// again decides in the transaction of a deed once more, one after the other with all who
// change who belongs to the project: the actor's own role may be gone since the request
// began.
func again(tx *db.Tx, s access.Project, p access.Permission) (access.Project, error) {
	if err := lockMembers(tx, s.ID()); err != nil {
		return s, err
	}
	if err := accounts.Present(tx, s.Actor()); err != nil {
		return s, err
	}
	return EnterBranch(tx, s.Actor(), s.ID(), s.Branch(), p)
}

func lockMembers(tx *db.Tx, project int64) error {
	return tx.Lock(fmt.Sprintf("members of %d", project))
}

// Administers reports whether a role lets people manage the members of a project.
func Administers(r access.Role) bool {
	return r == access.Share || r == access.Admin || r == access.ProductionManager
}

// grantable is Forbidden unless the actor may give a role: the highest ones only a member
// of the organization may. Invalid for a role that the kind of project does not have.
func grantable(s access.Project, r access.Role) error {
	if err := checkRole(s.Governed(), r); err != nil {
		return err
	}
	if (r == access.Share || r == access.ProductionManager) && !s.May(access.MembersGrantShare) {
		return fault.Newf(fault.Forbidden, "tenancy.grant", "Only a member of the project's organization can make somebody %s.", r.Label())
	}
	return nil
}

func checkRole(governed bool, r access.Role) error {
	for _, x := range access.Roles(governed) {
		if x == r {
			return nil
		}
	}
	message := "Choose a role."
	if r != "" {
		message = fmt.Sprintf("A project of this kind has no role %q.", r)
	}
	return &fault.Error{Kind: fault.Invalid, Code: "tenancy.role", Message: message, Fields: []fault.Field{{Name: "role", Message: message}}}
}

// Grantable lists the roles that the scope's actor may give.
func Grantable(s access.Project) (out []access.Role) {
	for _, r := range access.Roles(s.Governed()) {
		if grantable(s, r) == nil {
			out = append(out, r)
		}
	}
	return out
}

// keepAdministrator is Conflict when without this member nobody in the project could manage
// its members for as long as they could. The caller holds the lock. An account may be
// disabled all the same: then those of the organization manage the people.
func keepAdministrator(tx *db.Tx, s access.Project, m Member) error {
	if !Administers(m.Role) || m.Who.State != accounts.Active || m.visits() {
		return nil
	}
	others := ""
	if !m.Through.Visits() { // then only others stand in for them whose place does not hang on a right that is taken without asking who stays
		others = " AND m.through NOT IN ('maintainer', 'support')"
	}
	n, err := db.Value[int64](tx, `SELECT count(*) FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.project_id = $1 AND m.id <> $2
		AND m.role IN ('share', 'admin', 'productionManager') AND (m.expires_at IS NULL OR m.expires_at >= $3) AND u.state = 'active'`+others, s.ID(), m.ID, endOf(m.Until))
	if err == nil && n == 0 {
		err = fault.Newf(fault.Conflict, "tenancy.lastAdministrator", "%s is the last one who manages the people of this project. Give somebody else such a role first.", m.Who.Name)
	}
	return err
}

// forEver is later than any membership ends.
var forEver = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// endOf is when a membership ends; one without an end does so later than all others.
func endOf(until time.Time) time.Time {
	if until.IsZero() {
		return forEver
	}
	return until
}

// perMember keeps changes of one member's role and last day by one person from filling a mailbox. What
// others change does not count: else who manages people could keep others from lowering a role.
var perMember = throttle.Limit{Count: 20, Window: time.Hour}

// SetRole gives a member of the scope's project another role, at once. Forbidden without
// MembersRole, and for the roles that only members of the organization give; Invalid for a
// role that there is not; NotFound for who is no member; Conflict for the last one who
// manages people, and where roles come from single sign-on; TooMany past twenty changes an hour.
func (v *Service) SetRole(tx *db.Tx, s access.Project, membership int64, role access.Role) (Member, error) {
	s, err := again(tx, s, access.MembersRole)
	if err != nil {
		return Member{}, err
	}
	m, err := FindMember(tx, s, membership)
	if err != nil || m.Role == role {
		return m, err
	}
	if err := grantable(s, role); err != nil {
		return m, err
	}
	if err := throttle.Take(tx, fmt.Sprintf("role/member:%d:%d", m.ID, s.Actor().UserID), perMember); err != nil {
		return m, met(err, "The role and the last day of one member change at most %d times an hour by one person.", perMember)
	}
	if err := refusal(tx, s, m, role); err != nil {
		return m, err
	}
	if err := tx.Must("UPDATE memberships SET role = $3 WHERE id = $1 AND project_id = $2", m.ID, s.ID(), string(role)); err != nil {
		return m, err
	}
	p, err := Find(tx, s.ID())
	if err != nil {
		return m, err
	}
	if m.Who.ID != s.Actor().UserID {
		if err := v.tell(tx, s.Actor(), m.Who, mail.RoleChanged, p, map[string]string{"from": m.Role.Label(), "role": role.Label()}); err != nil {
			return m, err
		}
	}
	e := about(s, p, "project.roleChanged", m.Who)
	e.Params = map[string]any{"from": m.Role, "to": role}
	return m, audit.Record(tx, e.Says("%s changed the role of %s (%s) in %q from %s to %s.", s.Actor().Name, m.Who.Name, m.Who.Email, p.Name, m.Role.Label(), role.Label()))
}

// SetLastDay gives the time of a member of the scope's project another end, at once; the zero
// time is none. It tells how the member was, and whether that is final: the actor could not take
// it back. Forbidden without MembersRole, and for giving more time to who has a role that only
// members of the organization give; Invalid for an end that an invitation could not have;
// NotFound for who is no member; Conflict for oneself, for who came in from the maintainer or
// support, and for less time of the last one who manages people; TooMany past twenty changes an hour of the role and
// this.
func (v *Service) SetLastDay(tx *db.Tx, s access.Project, membership int64, until time.Time) (was Member, final bool, err error) {
	if s, err = again(tx, s, access.MembersRole); err != nil {
		return was, false, err
	}
	if was, err = FindMember(tx, s, membership); err != nil || was.Until.Equal(until) {
		return was, false, err
	}
	var c fault.Check
	if checkUntil(tx, &c, until); c.Err() != nil {
		return was, false, c.Err()
	}
	if err := mayStay(tx, s, was, until); err != nil {
		return was, false, err
	}
	if err := throttle.Take(tx, fmt.Sprintf("role/member:%d:%d", was.ID, s.Actor().UserID), perMember); err != nil {
		return was, false, met(err, "The role and the last day of one member change at most %d times an hour by one person.", perMember)
	}
	if err := tx.Must("UPDATE memberships SET expires_at = $3 WHERE id = $1 AND project_id = $2", was.ID, s.ID(), until); err != nil {
		return was, false, err
	}
	p, err := Find(tx, s.ID())
	if err != nil {
		return was, false, err
	}
	from, to := expiryWords(was.Until), expiryWords(until)
	if err := v.tell(tx, s.Actor(), was.Who, mail.LastDayChanged, p, map[string]string{"from": from, "until": to}); err != nil {
		return was, false, err
	}
	e := about(s, p, "project.lastDayChanged", was.Who)
	e.Params = map[string]any{"from": expiryOf(was.Until), "to": expiryOf(until)}
	if err := audit.Record(tx, e.Says("%s changed when the membership of %s (%s) in %q ends from %s to %s.", s.Actor().Name, was.Who.Name, was.Who.Email, p.Name, from, to)); err != nil {
		return was, false, err
	}
	is := was
	is.Until = until
	back := mayStay(tx, s, is, was.Until)
	if final = fault.Is(back, fault.Conflict) || fault.Is(back, fault.Forbidden); final {
		back = nil
	}
	return was, final, back
}

// mayStay is Conflict or Forbidden for another end of a member's time: see SetLastDay. The
// caller holds the lock.
func mayStay(tx *db.Tx, s access.Project, m Member, until time.Time) error {
	switch {
	case m.Who.ID == s.Actor().UserID:
		return fault.New(fault.Conflict, "tenancy.ownLastDay", "This is you. Your last day is for somebody else to change.")
	case m.Through.Visits():
		return fault.Newf(fault.Conflict, "tenancy.visitor", "%s, %s, is in the project by that right. For how long is not changed here: remove them to end it.", m.Who.Name, m.Through.Text())
	case endOf(until).Before(endOf(m.Until)):
		return keepAdministrator(tx, s, m)
	}
	err := grantable(s, m.Role)
	if fault.Is(err, fault.Forbidden) {
		err = fault.Newf(fault.Forbidden, "tenancy.grant", "Only a member of the project's organization can give more time to somebody who is %s.", m.Role.Label())
	}
	return err
}

// RemindMost is how many people one reminder goes to.
const RemindMost = 1000

// perReminder keeps a project from sending more than one a day.
var perReminder = throttle.Limit{Count: 1, Window: 24 * time.Hour}

// Remind mails the other members of the scope's project who sign in without a second factor, a
// thousand at most, and tells how many. Forbidden without MembersRole; TooMany within a day.
func (v *Service) Remind(tx *db.Tx, s access.Project) (int, error) {
	s, err := again(tx, s, access.MembersRole)
	if err != nil {
		return 0, err
	}
	list, err := listMembers(tx, s, MemberFilter{NoFactor: true, Limit: RemindMost}, inProject)
	list = slices.DeleteFunc(list, func(m Member) bool { return m.Who.ID == s.Actor().UserID })
	if err != nil || len(list) == 0 {
		return 0, err
	}
	if err := throttle.Take(tx, fmt.Sprintf("remind/project:%d", s.ID()), perReminder); err != nil {
		return 0, err
	}
	p, err := Find(tx, s.ID())
	if err != nil {
		return 0, err
	}
	for _, m := range list {
		if err := v.tell(tx, s.Actor(), m.Who, mail.FactorWanted, p, nil); err != nil {
			return 0, err
		}
	}
	e := audit.In(s, "project.membersReminded", "project", fmt.Sprint(p.ID), p.Name)
	return len(list), audit.Record(tx, e.Says("%s reminded %s of %q to turn on two-step sign-in.", s.Actor().Name, counted(len(list), "member", "members"), p.Name))
}

// Remove ends somebody's membership in the scope's project: from the next request on they
// are not in it, and what they have running stops. Forbidden without MembersRemove; NotFound
// for who is no member; Conflict for the last one who manages people, and for oneself, who
// leaves.
func (v *Service) Remove(tx *db.Tx, s access.Project, membership int64) (Member, error) {
	s, err := again(tx, s, access.MembersRemove)
	if err != nil {
		return Member{}, err
	}
	m, err := FindMember(tx, s, membership)
	if err != nil {
		return m, err
	}
	if err := refusal(tx, s, m, ""); err != nil {
		return m, err
	}
	p, err := endMembership(tx, m, s.ID())
	if err != nil {
		return m, err
	}
	if err := v.farewell(tx, s.Actor(), m.Who, mail.MemberRemoved, p, nil); err != nil {
		return m, err
	}
	return m, audit.Record(tx, about(s, p, "project.memberRemoved", m.Who).Says("%s removed %s (%s), who was %s, from %q.", s.Actor().Name, m.Who.Name, m.Who.Email, m.Role.Label(), p.Name))
}

// Departure is what it means to a project that the actor leaves it.
type Departure struct {
	Last    error // that nobody in it would manage its people; nil when somebody would
	Returns bool  // the actor belongs to its organization without an end, and manages them from there
	Back    Step  // how they come in afterwards: StepJoin, StepAsk, or StepInvite
}

// Refused is why the actor cannot leave, who knows that they are the last or does not; nil when
// they can.
func (d Departure) Refused(known bool) error {
	if d.Returns && known {
		return nil
	}
	return d.Last
}

// Departing tells what Leave would mean for a member of the scope's project who is its actor.
func Departing(tx *db.Tx, s access.Project, m Member) (d Departure, err error) {
	d.Last = keepAdministrator(tx, s, m)
	if d.Last != nil && !fault.Is(d.Last, fault.Conflict) {
		return d, d.Last
	}
	is, _, err := standing(tx, m.Who.ID, s.Organization())
	if err != nil {
		return d, err
	}
	if d.Back, err = back(tx, m.Who.ID, s.Organization()); err != nil {
		return d, err
	}
	external, err := db.Value[bool](tx, "SELECT external_roles FROM projects WHERE id = $1", s.ID())
	d.Returns = is.OrgMember && !external // where they would come back as Read only
	return d, err
}

// Leave ends the actor's own membership in the scope's project, and tells what it was. Conflict
// for the last one who manages people, unless they know that they are the last, and belong to
// the organization without an end, whose members manage the people then.
func (v *Service) Leave(tx *db.Tx, s access.Project, last bool) (Member, error) {
	s, err := again(tx, s, access.MembersLeave)
	if err != nil {
		return Member{}, err
	}
	m, err := db.One(tx, scanMember, inProject.sql+"x.project_id = $1 AND (x.expires_at IS NULL OR x.expires_at > $2) AND x.user_id = $3", s.ID(), tx.Now, s.Actor().UserID)
	if err != nil {
		return m, err
	}
	d, err := Departing(tx, s, m)
	if err != nil {
		return m, err
	}
	if err := d.Refused(last); err != nil {
		return m, err
	}
	p, err := endMembership(tx, m, s.ID())
	if err != nil {
		return m, err
	}
	e := about(s, p, "project.memberLeft", m.Who).Says("%s left %q. Their role was %s.", s.Actor().Name, p.Name, m.Role.Label())
	if d.Last != nil {
		e.Params = map[string]any{"last": true}
		e.Message += " Nobody in it manages its people any more: the members of its organization do."
	}
	return m, audit.Record(tx, e)
}

// endMembership takes a membership away, with the master token that hangs on it.
func endMembership(tx *db.Tx, m Member, project int64) (Project, error) {
	if err := tx.Must("DELETE FROM memberships WHERE id = $1 AND project_id = $2", m.ID, project); err != nil {
		return Project{}, err
	}
	if err := tokens.EndMaster(tx, project, m.Who.ID); err != nil {
		return Project{}, err
	}
	return Find(tx, project)
}

// EndMemberships takes the memberships away whose time is over, a hundred at most, and
// tells who had them. They count for nothing before that either.
func (v *Service) EndMemberships(ctx context.Context, d *db.DB) error {
	type over struct{ id, project int64 }
	var list []over
	err := d.View(ctx, func(tx *db.Tx) (err error) {
		list, err = db.All(tx, func(r db.Row) (over, error) {
			var x over
			return x, r.Scan(&x.id, &x.project)
		}, "SELECT id, project_id FROM memberships WHERE expires_at <= $1 ORDER BY expires_at LIMIT 100", tx.Now)
		return err
	})
	for _, x := range list {
		err = errors.Join(err, d.Update(ctx, func(tx *db.Tx) error { return v.endOver(tx, x.project, x.id) }))
	}
	return errors.Join(err, v.endTeamVisits(ctx), v.closeDoors(ctx))
}

// endOver ends one of them, unless its person has come back meanwhile, or was given more time.
func (v *Service) endOver(tx *db.Tx, project, membership int64) error {
	if err := lockMembers(tx, project); err != nil {
		return err
	}
	m, err := db.One(tx, scanMember, inProject.sql+"x.project_id = $1 AND x.id = $2 AND x.expires_at <= $3", project, membership, tx.Now)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	p, err := Find(tx, project)
	if err != nil {
		return err
	}
	if err := v.farewell(tx, steward(), m.Who, mail.MembershipEnded, p, nil); err != nil {
		return err
	}
	return recordOver(tx, p, m)
}

// recordOver takes a membership away whose time is over, and records that.
func recordOver(tx *db.Tx, p Project, m Member) error {
	if _, err := endMembership(tx, m, p.ID); err != nil {
		return err
	}
	e, err := inDefault(tx, audit.By(steward(), "project.memberEnded", "user", m.Who.Email, m.Who.Name), p)
	if err != nil {
		return err
	}
	return audit.Record(tx, e.Says("The membership of %s (%s) in %q, as %s, was over.", m.Who.Name, m.Who.Email, p.Name, m.Role.Label()))
}

// giveWay takes a visit away in whose place its person gets one of their own, and records that.
func giveWay(tx *db.Tx, by access.Actor, p Project, m Member) error {
	if _, err := endMembership(tx, m, p.ID); err != nil {
		return err
	}
	e, err := inDefault(tx, audit.By(by, "project.memberEnded", "user", m.Who.Email, m.Who.Name), p)
	if err != nil {
		return err
	}
	return audit.Record(tx, e.Says("The visit of %s (%s) to %q, as %s, gave way to a place of their own.", m.Who.Name, m.Who.Email, p.Name, m.Role.Label()))
}

// tell mails a person what became of their place in a project.
func (v *Service) tell(tx *db.Tx, by access.Actor, w Who, kind mail.Kind, p Project, values map[string]string) error {
	all := map[string]string{"project": p.Name, "by": by.Name}
	for k, x := range values {
		all[k] = x
	}
	_, err := v.mail.Send(tx, mail.Letter{Kind: kind, To: w.Email, Name: w.Name, UserID: w.ID, Values: all})
	return err
}

// about is an event in a project about a person.
func about(s access.Project, p Project, name string, w Who) audit.Event {
	e := audit.By(s.Actor(), name, "user", w.Email, w.Name)
	e.Organization, e.Project, e.Branch = p.Organization, p.ID, s.Branch()
	return e
}

func defaultBranch(tx *db.Tx, project int64) (int64, error) {
	return db.Value[int64](tx, "SELECT id FROM branches WHERE project_id = $1 AND is_default", project)
}
