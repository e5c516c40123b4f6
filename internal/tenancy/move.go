package tenancy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/mail"
	"steward/internal/throttle"
)

// lockMoves puts those in a row who move projects, and who take from somebody a right by
// which they came into some: those would miss a project that moves meanwhile. Locks are taken
// in this order: who administers (accounts.InTurn), templates, a maintainer, rights, moves, the
// members of projects, organizations by number.
func lockMoves(tx *db.Tx) error { return tx.Lock("moves of projects") }

// MayMove reports whether the scope's actor may move its project.
func MayMove(tx *db.Tx, s access.Project) (bool, error) {
	is, _, err := standing(tx, s.Actor().UserID, s.Organization())
	return err == nil && MovesOut(is), err
}

// MovesOut reports whether somebody who is this to an organization may move a project out of it. Where
// it lets nobody of its maintainer in, these may not: elsewhere they, or somebody they know, could come in.
func MovesOut(is access.Above) bool {
	return access.MayAbove(access.ProjectsMove, is) && (is.SuperAdmin || access.MayAbove(access.ProjectsJoin, is))
}

// requireOut is Forbidden for who may not move a project out of the scope's organization.
func requireOut(s access.Organization) error {
	if err := s.Require(access.ProjectsMove); err != nil || MovesOut(s.Is()) {
		return err
	}
	return fault.New(fault.Forbidden, "tenancy.moveOut", "The organization lets nobody of its maintainer in by themselves. Its projects are moved by its members and by super admins. Ask one of its members to move it.")
}

// FromAbove reports whether somebody who is this to an organization moves a project out of it by the
// right of its maintainer alone.
func FromAbove(is access.Above) bool { return !is.OrgMember && !is.SuperAdmin }

// Targets lists the organizations, by name, into which somebody may move a project of the
// scope's one: theirs, those of their maintainers, and all for super admins. Who moves it by the
// right of its maintainer alone moves it into none of theirs. Forbidden for who may not move one out.
func Targets(tx *db.Tx, s access.Organization, f Filter) ([]Organization, error) {
	if err := requireOut(s); err != nil {
		return nil, err
	}
	var w db.Where
	w.And("o.deleted_at IS NULL AND o.id <> ?", s.ID())
	if f.Search != "" {
		w.And(`o.name_search LIKE ? ESCAPE '\'`, db.Like(f.Search))
	}
	if f.After.ID != 0 {
		w.And("(o.name_search, o.id) > (?, ?)", f.After.Name, f.After.ID)
	}
	where, args := w.SQL(), w.Args()
	part := func(of string) string {
		return selectOrganization + of + where + fmt.Sprintf(" ORDER BY o.name_search, o.id LIMIT %d", f.Limit)
	}
	if s.Is().SuperAdmin {
		return db.All(tx, scanOrganization, part(""), args...)
	}
	theirs, err := MyMaintainers(tx, s.Actor())
	if err != nil {
		return nil, err
	}
	var parts []string
	add := func(of string, id int64) {
		args = append(args, id)
		parts = append(parts, fmt.Sprintf("SELECT * FROM (%s) part%d", part(fmt.Sprintf(of, len(args))), len(args)))
	}
	const own = "SELECT organization_id FROM organization_members WHERE user_id = $%d AND through = ''"
	others := ""
	if FromAbove(s.Is()) {
		args = append(args, s.Actor().UserID)
		others = fmt.Sprintf("o.id NOT IN ("+own+") AND ", len(args))
	} else {
		add("o.id IN ("+own+") AND ", s.Actor().UserID)
	}
	for _, m := range theirs { // each by itself, along its index
		add("o.maintainer_id = $%d AND "+others, m.ID)
	}
	if len(parts) == 0 { // they have left it meanwhile
		return nil, nil
	}
	out, err := db.All(tx, scanOrganization, strings.Join(parts, " UNION ALL "), args...)
	slices.SortFunc(out, func(a, b Organization) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.ID, b.ID))
	})
	out = slices.CompactFunc(out, func(a, b Organization) bool { return a.ID == b.ID })
	return out[:min(len(out), f.Limit)], err
}

// Moving is what changes when a project moves to another organization.
type Moving struct {
	Project     Project
	From, To    Organization // of From no more than number and name
	Out         []Member     // whose place ends: they hold no right in the other organization like the one by which they came in
	Locked      []Member     // who stays, but signs in without the second factor that is a must there
	Alone       bool         // nobody in it will manage its people: members of the other organization do
	Requests    int64        // to join, which wait: they end
	Invitations int64        // which wait
	Ending      int64        // how many of them end, as who sent them could not give them there
	Restored    int64        // how many get back the role and last day that they had when To lost it
	Back        bool         // From lost it to nobody of its own, and takes it back: it is To
	Since       time.Time    // when To lost it, to which it returns while that may take it back; zero of other moves
	Lost        bool         // From may take it back: who moves it is no lasting member of it, and no super admin, and does not return it
}

// MovingMost is how far people are looked for whom a move concerns.
const MovingMost = 100

// FindMoving tells what changes when a project of the scope's organization moves to another
// one: of Out and Locked no more than one past MovingMost. Forbidden without ProjectsMove in
// both; NotFound for a project that is not of the organization or not open; Conflict for the
// organization that it is in, and for one's own when one moves it by the right of a maintainer alone;
// Forbidden, too, for who may not join the project by themselves; Unauthenticated, with the code
// access.FactorNeeded, where the other one asks the actor for a second factor.
func FindMoving(tx *db.Tx, s access.Organization, project, to int64) (Moving, error) {
	m, err := moving(tx, s, project, to)
	if err != nil {
		return m, err
	}
	err = concerned(tx, &m)
	return m, err
}

// concerned finds whom a move concerns.
func concerned(tx *db.Tx, m *Moving) (err error) {
	project, to := m.Project.ID, m.To.ID
	if m.Out, err = db.All(tx, scanMember, inProject.sql+"x.project_id = $1"+m.hanging()+" AND (x.expires_at IS NULL OR x.expires_at > $3) AND NOT "+m.stays("x", "u")+fmt.Sprintf(" ORDER BY x.email, x.id LIMIT %d", MovingMost+1), project, to, tx.Now); err != nil {
		return err
	}
	if m.To.FactorRequired {
		if m.Locked, err = db.All(tx, scanMember, inProject.sql+"x.project_id = $1 AND (x.expires_at IS NULL OR x.expires_at > $3) AND u.state = 'active' AND t.user_id IS NULL AND "+m.stays("x", "u")+fmt.Sprintf(" ORDER BY x.email, x.id LIMIT %d", MovingMost+1), project, to, tx.Now); err != nil {
			return err
		}
	}
	ending, err := unvouched(tx, *m)
	if err != nil {
		return err
	}
	m.Ending = int64(len(ending))
	m.Alone, m.Restored, err = after(tx, *m)
	return err
}

// after tells whether nobody in a project will manage its people after it has moved, and how many who
// stay get back what they had when it was lost that returns.
func after(tx *db.Tx, m Moving) (alone bool, restored int64, err error) {
	_, err = db.One(tx, func(r db.Row) (bool, error) { return true, r.Scan(&alone, &restored) },
		`SELECT NOT EXISTS (SELECT 1 FROM memberships x JOIN users u ON u.id = x.user_id WHERE x.project_id = $1 AND x.role IN ('share', 'admin', 'productionManager')
			AND (x.expires_at IS NULL OR x.expires_at > $3) AND x.through NOT IN ('maintainer', 'support') AND u.state = 'active' AND `+m.stays("x", "u")+`),
			(SELECT count(*) `+changedSince+" AND "+m.stays("x", "u")+")", m.Project.ID, m.To.ID, tx.Now)
	return alone, restored, err
}

// Returns reports whether the move returns the project to an organization that may take it back,
// whoever moves it.
func (m Moving) Returns() bool { return !m.Since.IsZero() }

// stays is staysIn of this move. Who came into a project since an organization lost it to which it
// returns, and does not belong to that, does not stay in it.
func (m Moving) stays(x, u string) string {
	if !m.Returns() {
		return staysIn(x, u)
	}
	return "(" + staysIn(x, u) + fmt.Sprintf(" AND (%s.joined_at < %d OR EXISTS (SELECT 1 FROM organization_members b WHERE b.organization_id = $2 AND b.user_id = %s.user_id AND b.through = '')))", x, m.Since.UnixMicro(), x)
}

// hanging narrows memberships x to those that a move can end: all, when the project returns.
func (m Moving) hanging() string {
	if m.Returns() {
		return ""
	}
	return " AND x.through <> ''"
}

// staysIn is the condition of a membership, of a user, that a move to the organization $2
// leaves at the time $3. Both are named as they stand in the statement.
func staysIn(m, u string) string {
	return `(` + m + `.through = ''
	OR ` + m + `.through = 'organization' AND EXISTS (SELECT 1 FROM organization_members o WHERE o.organization_id = $2 AND o.user_id = ` + m + `.user_id AND o.through = '')
	OR ` + m + `.through = 'maintainer' AND EXISTS (SELECT 1 FROM organizations o JOIN maintainer_members y ON y.maintainer_id = o.maintainer_id WHERE o.id = $2 AND o.allow_auto_join AND y.user_id = ` + m + `.user_id)
	OR ` + m + `.through = 'support' AND (` + strings.ReplaceAll(accounts.OfSupport("$3"), "u.", u+".") + ` OR ` + u + `.is_super_admin) AND EXISTS (SELECT 1 FROM organizations o WHERE o.id = $2 AND o.allow_auto_join))`
}

// moving finds the project and both organizations, and decides whether the actor may.
func moving(tx *db.Tx, s access.Organization, project, to int64) (m Moving, err error) {
	if err := s.Require(access.ProjectsMove); err != nil {
		return m, err
	}
	if to == s.ID() {
		return m, fault.New(fault.Conflict, "tenancy.moved", "The project is in this organization already.")
	}
	there, err := enterOrganization(tx, s.Actor(), to, access.ProjectsMove)
	if err != nil {
		return m, err
	}
	if err := requireOut(s); err != nil {
		return m, err
	}
	if m, err = findMoving(tx, s.Actor(), project, s.ID(), to); err != nil {
		return m, err
	}
	m.Lost = !m.Returns() && !s.Is().OrgMember && !s.Is().SuperAdmin // whose word is final
	if FromAbove(s.Is()) && there.Is().OrgMember {                   // in which they would let themselves in for good
		return m, fault.Newf(fault.Conflict, "tenancy.moveToOwn", "You belong to the organization %q, and not to %q, out of which you would move the project for its maintainer. Nobody does that into an organization of their own. Ask a member of %q, or a super admin, to move it.", m.To.Name, m.From.Name, m.From.Name)
	}
	return m, nil
}

// findMoving finds an open project of an organization, and the one that it is to be in. NotFound
// for others.
func findMoving(tx *db.Tx, a access.Actor, project, from, to int64) (m Moving, err error) {
	p := &m.Project
	return db.One(tx, func(r db.Row) (Moving, error) {
		err := r.Scan(&p.ID, &p.Organization, &p.Name, &p.Governed, db.Null(&p.Role), &m.From.ID, &m.From.Name, &m.To.ID, &m.To.Maintainer, &m.To.MaintainerName, &m.To.Name, &m.To.AutoJoin, &m.To.FactorRequired, &m.Requests, &m.Invitations, db.Time(&m.Since))
		return m, err
	}, `SELECT p.id, p.organization_id, p.name, p.governed, m.role, f.id, f.name, t.id, t.maintainer_id, x.name, t.name, t.allow_auto_join, t.mfa_required,
			(SELECT count(*) FROM join_requests r WHERE r.project_id = p.id AND r.state = 'pending' AND r.expires_at > $5),
			(SELECT count(*) FROM invitations i WHERE i.project_id = p.id AND i.state = 'pending' AND i.expires_at > $5),
			(SELECT l.moved_at FROM project_losses l WHERE l.project_id = p.id AND l.organization_id = t.id AND l.ends_at > $5)
		FROM projects p JOIN organizations f ON f.id = p.organization_id JOIN organizations t ON t.id = $3 JOIN maintainers x ON x.id = t.maintainer_id
		LEFT JOIN memberships m ON m.project_id = p.id AND m.user_id = $4 AND (m.expires_at IS NULL OR m.expires_at > $5)
		WHERE p.id = $1 AND p.organization_id = $2 AND p.state = 'active' AND (p.expires_at IS NULL OR p.expires_at > $5)`, project, from, to, a.UserID, tx.Now)
}

// The limits of moves: a project does not fill mailboxes by moving to and fro, and nobody empties an
// organization before it is seen.
var (
	perMoved = throttle.Limit{Count: 20, Window: 24 * time.Hour}
	perMover = throttle.Limit{Count: 20, Window: 24 * time.Hour}
)

func takeMover(tx *db.Tx, a access.Actor) error {
	return met(throttle.Take(tx, fmt.Sprintf("move/user:%d", a.UserID), perMover), "One person moves at most %d projects a day. Nothing was changed.", perMover)
}

// Move puts a project of the scope's organization into another one. Whoever has a role keeps
// it, but who came in by a right that they do not hold there is out, and mailed;
// requests to join end, and so do invitations of who could not give them there. Jobs go on as
// long as who started them may. When the actor is no lasting member of the organization, these may
// take it back: see TakeBack. typed is the project's name as the person typed it: Invalid
// unless it is that. Otherwise as FindMoving; Conflict when somebody else has moved it, and when more than a
// thousand people would lose their place; TooMany past twenty a day, of the project or of the person.
func (v *Service) Move(tx *db.Tx, s access.Organization, project, to int64, typed string) (Moving, error) {
	if err := lockMoves(tx); err != nil {
		return Moving{}, err
	}
	if err := lockMoved(tx, project, s.ID(), to); err != nil {
		return Moving{}, err
	}
	p, err := Find(tx, project)
	if err != nil {
		return Moving{}, err
	}
	if p.Organization != s.ID() {
		return Moving{}, fault.Newf(fault.Conflict, "tenancy.moved", "Somebody else has just moved %q to another organization.", p.Name)
	}
	if err := accounts.Present(tx, s.Actor()); err != nil {
		return Moving{}, err
	}
	if s, err = EnterOrganization(tx, s.Actor(), s.ID(), access.ProjectsMove); err != nil {
		return Moving{}, err
	}
	m, err := moving(tx, s, project, to)
	if err != nil {
		return m, err
	}
	if err := Typed(p, typed); err != nil {
		return m, err
	}
	if err := throttle.Take(tx, fmt.Sprintf("move/project:%d", p.ID), perMoved); err != nil { // each is mailed to many
		return m, met(err, "One project is moved at most %d times a day. Nothing was changed.", perMoved)
	}
	if err := takeMover(tx, s.Actor()); err != nil {
		return m, err
	}
	return v.carry(tx, s.Actor(), m)
}

// lockMoved takes the locks of a project that moves, and of both organizations. The caller holds that
// of lockMoves.
func lockMoved(tx *db.Tx, project, from, to int64) error {
	if err := lockMembers(tx, project); err != nil {
		return err
	}
	for _, id := range []int64{min(from, to), max(from, to)} {
		if err := tx.Lock(fmt.Sprintf("organization %d", id)); err != nil {
			return err
		}
	}
	return nil
}

// carry does what a move is, once it is decided.
func (v *Service) carry(tx *db.Tx, by access.Actor, m Moving) (Moving, error) {
	var err error
	if m.Alone, _, err = after(tx, m); err != nil {
		return m, err
	}
	ending, err := unvouched(tx, m)
	if err != nil {
		return m, err
	}
	out, err := v.endPlaces(tx, by, m)
	if err != nil {
		return m, err
	}
	if m.Returns() {
		restored, err := v.restoreRoles(tx, by, m)
		if m.Restored = int64(restored); err != nil {
			return m, err
		}
	}
	asking, err := v.closeRequests(tx, by, m.Project, CauseMoved)
	if err != nil {
		return m, err
	}
	if err := tx.Must("UPDATE projects SET organization_id = $3 WHERE id = $1 AND organization_id = $2 AND state = 'active'", m.Project.ID, m.From.ID, m.To.ID); err != nil {
		return m, err
	}
	if err := closeUnvouched(tx, by, m.Project, ending); err != nil {
		return m, err
	}
	if m.Lost, err = noteLoss(tx, by, m); err != nil {
		return m, err
	}
	if err := v.tellMoved(tx, by, m); err != nil {
		return m, err
	}
	results := map[string]any{"placesEnded": out, "requestsClosed": asking, "invitationsClosed": len(ending), "nobodyManages": m.Alone, "takenBack": m.Back, "rolesRestored": m.Restored}
	return m, recordMove(tx, by, m, results)
}

// tellMoved mails it to the people of the project, and to the members of both organizations, once
// to each and not to who moved it. Whoever may take it back reads that, and until when.
func (v *Service) tellMoved(tx *db.Tx, by access.Actor, m Moving) error {
	told := map[string]string{"by": by.Name, "project": m.Project.Name, "from": m.From.Name, "to": m.To.Name, "at": moment(tx.Now)}
	if m.Back {
		told["back"] = "yes"
	}
	if m.Returns() {
		told["returns"] = "yes"
	}
	all := tellParams{Project: m.Project.ID, Kind: mail.ProjectMoved, Values: told, But: by.UserID}
	if m.Lost {
		told["until"] = moment(tx.Now.Add(TakeBackFor))
		all.For, all.Path = m.From.ID, TakeBackPath(m.From.ID, m.Project.ID)
	}
	if err := v.tellMembers(tx, all); err != nil {
		return err
	}
	type reader struct {
		Who
		loses bool
	}
	list, err := db.All(tx, func(r db.Row) (reader, error) {
		var x reader
		return x, r.Scan(&x.ID, &x.Email, &x.Name, &x.loses)
	}, `SELECT u.id, u.email, u.name, EXISTS (SELECT 1 FROM organization_members o WHERE o.organization_id = $1 AND o.user_id = u.id AND o.through = '')
		FROM users u WHERE u.id IN (SELECT m.user_id FROM organization_members m WHERE m.organization_id IN ($1, $2) AND m.user_id <> $3 AND (m.expires_at IS NULL OR m.expires_at > $4)) AND u.state = 'active'
			AND NOT EXISTS (SELECT 1 FROM memberships x WHERE x.project_id = $5 AND x.user_id = u.id AND (x.expires_at IS NULL OR x.expires_at > $4)) ORDER BY 4 DESC, u.email`+fmt.Sprintf(" LIMIT %d", 2*membersMost), m.From.ID, m.To.ID, by.UserID, tx.Now, m.Project.ID)
	if err != nil {
		return err
	}
	for _, x := range list {
		if err := v.write(tx, []Who{x.Who}, all.letter(x.loses)); err != nil {
			return err
		}
	}
	return nil
}

// recordMove tells both organizations; the project has both events.
func recordMove(tx *db.Tx, by access.Actor, m Moving, results map[string]any) error {
	params := map[string]any{"from": m.From.ID, "to": m.To.ID}
	out, in := "%s moved the project %q out of the organization %q, into %q.", "%s moved the project %q into the organization %q, out of %q."
	if m.Back {
		out, in = "%s took the project %q back out of the organization %q, into %q, which had lost it.", "%s took the project %q back into the organization %q, out of %q."
	}
	e, err := lifeEvent(tx, by, m.Project, "project.removedFromOrganization")
	if err != nil {
		return err
	}
	e.Type, e.Params, e.Results = audit.Warn, params, results
	if err := audit.Record(tx, e.Says(out, by.Name, m.Project.Name, m.From.Name, m.To.Name)); err != nil {
		return err
	}
	if e, err = lifeEvent(tx, by, m.Project, "project.addedToOrganization"); err != nil {
		return err
	}
	e.Organization, e.Type, e.Params, e.Results = m.To.ID, audit.Warn, params, results
	return audit.Record(tx, e.Says(in, by.Name, m.Project.Name, m.To.Name, m.From.Name))
}

// movedOutMost is how many places a move ends, in its transaction.
const movedOutMost = 1000

// takenOutMost is the same of a project that returns, from where nobody of those who take it back can
// remove anybody first.
const takenOutMost = 20_000

// most is how many places the move ends.
func (m Moving) most() int {
	if m.Returns() {
		return takenOutMost
	}
	return movedOutMost
}

// endPlaces ends the memberships that a move does not leave, and tells who had them.
func (v *Service) endPlaces(tx *db.Tx, by access.Actor, m Moving) (int, error) {
	list, err := db.All(tx, scanMember, inProject.sql+"x.project_id = $1"+m.hanging()+" AND (x.expires_at IS NULL OR x.expires_at > $3) AND NOT "+m.stays("x", "u")+fmt.Sprintf(" ORDER BY x.email, x.id LIMIT %d", m.most()+1), m.Project.ID, m.To.ID, tx.Now)
	if err != nil {
		return 0, err
	}
	if len(list) > m.most() {
		return 0, fault.Newf(fault.Conflict, "tenancy.moveMany", "More than %d people would lose their place in the project at once. Some of them have to be removed first.", m.most())
	}
	for _, x := range list {
		p, err := endMembership(tx, x, m.Project.ID)
		if err != nil {
			return 0, err
		}
		there := p
		there.Organization = m.To.ID // where they may come in again, or not
		cause := string(CauseMoved)
		if m.Returns() {
			cause = outByReturn
		}
		if err := v.farewell(tx, by, x.Who, mail.MemberRemoved, there, map[string]string{"cause": cause, "to": m.To.Name}); err != nil {
			return 0, err
		}
		e, err := inDefault(tx, audit.By(by, "project.memberRemoved", "user", x.Who.Email, x.Who.Name), p)
		if err != nil {
			return 0, err
		}
		says := "%s moved %q to the organization %q, where %s (%s) does not have the right by which they were in it."
		if m.Returns() {
			says = "%s brought %q back into the organization %q; %s (%s), who came in meanwhile or by a right that they do not have there, is out of it."
		}
		if err := audit.Record(tx, e.Says(says, by.Name, p.Name, m.To.Name, x.Who.Name, x.Who.Email)); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}

// unvouched are the invitations to a project that wait and that who sent them could not give any
// more once it has moved.
func unvouched(tx *db.Tx, m Moving) ([]waiting, error) {
	at := access.Place{Project: m.Project.ID, Org: m.To.ID, Governed: m.Project.Governed}
	type given struct {
		waiting
		sent time.Time
		ends bool
	}
	list, err := db.All(tx, func(r db.Row) (x given, err error) {
		var g voucher
		err = r.Scan(append([]any{&x.id, &x.email, &x.role, db.Time(&x.sent)}, g.scans()...)...)
		x.ends = !g.invites(at, x.role) || m.Returns() && !x.sent.Before(m.Since) && !g.is.OrgMember
		return x, err
	}, "SELECT x.id, x.email, x.role, x.created_at, "+vouchers("$2", "$3")+` FROM invitations x JOIN users u ON u.id = x.user_id LEFT JOIN users a ON a.id = x.created_by
		LEFT JOIN memberships v ON v.project_id = x.project_id AND v.user_id = x.created_by AND `+m.stays("v", "a")+`
		WHERE x.project_id = $1 AND x.state = 'pending' AND x.expires_at > $3 ORDER BY x.id`, m.Project.ID, m.To.ID, tx.Now)
	var out []waiting
	for _, x := range list {
		if x.ends { // who only lacks a second factor may give it again
			out = append(out, x.waiting)
		}
	}
	return out, err
}

// closeUnvouched closes them. p is the project as it was: the events belong to who invited.
func closeUnvouched(tx *db.Tx, by access.Actor, p Project, ending []waiting) error {
	at, err := placeOf(tx, by, p)
	if err != nil {
		return err
	}
	if err := at.expire(tx, 0); err != nil { // what is over is theirs, too
		return err
	}
	for n, i := range ending {
		if n < closedMost {
			err = at.close(tx, i, CauseMoved)
		} else {
			err = endInvitation(tx, i.id, "cancelled", CauseMoved, 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
