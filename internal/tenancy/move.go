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
	return err == nil && access.MayAbove(access.ProjectsMove, is), err
}

// Targets lists the organizations, by name, into which somebody may move a project of the
// scope's one: theirs, those of their maintainers, and all for super admins. Forbidden without
// ProjectsMove.
func Targets(tx *db.Tx, s access.Organization, f Filter) ([]Organization, error) {
	if err := s.Require(access.ProjectsMove); err != nil {
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
	add("o.id IN (SELECT organization_id FROM organization_members WHERE user_id = $%d AND through = '') AND ", s.Actor().UserID)
	for _, m := range theirs { // each by itself, along its index
		add("o.maintainer_id = $%d AND ", m.ID)
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
	Invitations int64        // which wait: those end that could not be given there
}

// MovingMost is how far people are looked for whom a move concerns.
const MovingMost = 100

// FindMoving tells what changes when a project of the scope's organization moves to another
// one: of Out and Locked no more than one past MovingMost. Forbidden without ProjectsMove in
// both; NotFound for a project that is not of the organization or not open; Conflict for the
// organization that it is in; Forbidden, too, for who may not join the project by themselves;
// Unauthenticated, with the code access.FactorNeeded, where the
// other one asks the actor for a second factor.
func FindMoving(tx *db.Tx, s access.Organization, project, to int64) (Moving, error) {
	m, err := moving(tx, s, project, to)
	if err != nil {
		return m, err
	}
	if m.Out, err = db.All(tx, scanMember, inProject.sql+"x.project_id = $1 AND x.through <> '' AND (x.expires_at IS NULL OR x.expires_at > $3) AND NOT "+staysIn+fmt.Sprintf(" ORDER BY x.email, x.id LIMIT %d", MovingMost+1), project, to, tx.Now); err != nil {
		return m, err
	}
	if m.To.FactorRequired {
		if m.Locked, err = db.All(tx, scanMember, inProject.sql+"x.project_id = $1 AND (x.expires_at IS NULL OR x.expires_at > $3) AND u.state = 'active' AND t.user_id IS NULL AND "+staysIn+fmt.Sprintf(" ORDER BY x.email, x.id LIMIT %d", MovingMost+1), project, to, tx.Now); err != nil {
			return m, err
		}
	}
	m.Alone, err = alone(tx, m)
	return m, err
}

// alone reports whether nobody in a project will manage its people after it has moved.
func alone(tx *db.Tx, m Moving) (bool, error) {
	return db.Value[bool](tx, `SELECT NOT EXISTS (SELECT 1 FROM memberships x JOIN users u ON u.id = x.user_id WHERE x.project_id = $1 AND x.role IN ('share', 'admin', 'productionManager')
		AND (x.expires_at IS NULL OR x.expires_at > $3) AND x.through NOT IN ('maintainer', 'support') AND u.state = 'active' AND `+staysIn+")", m.Project.ID, m.To.ID, tx.Now)
}

// staysIn is the condition of a membership x, of the user u, that a move to the organization $2
// leaves at the time $3.
var staysIn = `(x.through = ''
	OR x.through = 'organization' AND EXISTS (SELECT 1 FROM organization_members o WHERE o.organization_id = $2 AND o.user_id = x.user_id AND o.through = '')
	OR x.through = 'maintainer' AND EXISTS (SELECT 1 FROM organizations o JOIN maintainer_members y ON y.maintainer_id = o.maintainer_id WHERE o.id = $2 AND o.allow_auto_join AND y.user_id = x.user_id)
	OR x.through = 'support' AND (` + accounts.OfSupport("$3") + ` OR u.is_super_admin) AND EXISTS (SELECT 1 FROM organizations o WHERE o.id = $2 AND o.allow_auto_join))`

// moving finds the project and both organizations, and decides whether the actor may.
func moving(tx *db.Tx, s access.Organization, project, to int64) (m Moving, err error) {
	if err := s.Require(access.ProjectsMove); err != nil {
		return m, err
	}
	if to == s.ID() {
		return m, fault.New(fault.Conflict, "tenancy.moved", "The project is in this organization already.")
	}
	if _, err := enterOrganization(tx, s.Actor(), to, access.ProjectsMove); err != nil {
		return m, err
	}
	if !s.Is().SuperAdmin && !s.May(access.ProjectsJoin) { // there they, or somebody they know, could come in
		return m, fault.New(fault.Forbidden, "tenancy.moveOut", "The organization lets nobody of its maintainer in by themselves. Its projects are moved by its members and by super admins. Ask one of its members to move it.")
	}
	p := &m.Project
	return db.One(tx, func(r db.Row) (Moving, error) {
		err := r.Scan(&p.ID, &p.Organization, &p.Name, &p.Governed, db.Null(&p.Role), &m.From.ID, &m.From.Name, &m.To.ID, &m.To.Maintainer, &m.To.MaintainerName, &m.To.Name, &m.To.AutoJoin, &m.To.FactorRequired, &m.Requests, &m.Invitations)
		return m, err
	}, `SELECT p.id, p.organization_id, p.name, p.governed, m.role, f.id, f.name, t.id, t.maintainer_id, x.name, t.name, t.allow_auto_join, t.mfa_required,
			(SELECT count(*) FROM join_requests r WHERE r.project_id = p.id AND r.state = 'pending' AND r.expires_at > $5),
			(SELECT count(*) FROM invitations i WHERE i.project_id = p.id AND i.state = 'pending' AND i.expires_at > $5)
		FROM projects p JOIN organizations f ON f.id = p.organization_id JOIN organizations t ON t.id = $3 JOIN maintainers x ON x.id = t.maintainer_id
		LEFT JOIN memberships m ON m.project_id = p.id AND m.user_id = $4 AND (m.expires_at IS NULL OR m.expires_at > $5)
		WHERE p.id = $1 AND p.organization_id = $2 AND p.state = 'active' AND (p.expires_at IS NULL OR p.expires_at > $5)`, project, s.ID(), to, s.Actor().UserID, tx.Now)
}

// perMoved keeps a project from filling mailboxes by moving to and fro.
var perMoved = throttle.Limit{Count: 20, Window: 24 * time.Hour}

// Move puts a project of the scope's organization into another one. Whoever has a role keeps
// it, but who let themselves in by a right that they do not hold there is out, and mailed;
// requests to join end, and so do invitations of who could not give them there. Jobs go on as
// long as who started them may. typed is the project's name as the person typed it: Invalid
// unless it is that. Otherwise as FindMoving; Conflict when somebody else has moved it, and when more than a
// thousand people would lose their place; TooMany past twenty a day.
func (v *Service) Move(tx *db.Tx, s access.Organization, project, to int64, typed string) (Moving, error) {
	if err := lockMoves(tx); err != nil {
		return Moving{}, err
	}
	if err := lockMembers(tx, project); err != nil {
		return Moving{}, err
	}
	for _, id := range []int64{min(s.ID(), to), max(s.ID(), to)} {
		if err := tx.Lock(fmt.Sprintf("organization %d", id)); err != nil {
			return Moving{}, err
		}
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
		return m, err
	}
	if m.Alone, err = alone(tx, m); err != nil {
		return m, err
	}
	out, err := v.endPlaces(tx, s.Actor(), m)
	if err != nil {
		return m, err
	}
	asking, err := v.closeRequests(tx, s.Actor(), p, CauseMoved)
	if err != nil {
		return m, err
	}
	if err := tx.Must("UPDATE projects SET organization_id = $3 WHERE id = $1 AND organization_id = $2 AND state = 'active'", p.ID, m.From.ID, m.To.ID); err != nil {
		return m, err
	}
	closed, err := closeUnvouched(tx, s.Actor(), p)
	if err != nil {
		return m, err
	}
	if err := v.tellMoved(tx, s.Actor(), m); err != nil {
		return m, err
	}
	results := map[string]any{"placesEnded": out, "requestsClosed": asking, "invitationsClosed": closed, "nobodyManages": m.Alone}
	return m, recordMove(tx, s.Actor(), m, results)
}

// tellMoved mails it to the people of the project, and to the members of both organizations, once
// to each and not to who moved it.
func (v *Service) tellMoved(tx *db.Tx, by access.Actor, m Moving) error {
	told := map[string]string{"by": by.Name, "project": m.Project.Name, "from": m.From.Name, "to": m.To.Name, "at": moment(tx.Now)}
	if err := v.tellMembers(tx, tellParams{Project: m.Project.ID, Kind: mail.ProjectMoved, Values: told, But: by.UserID}); err != nil {
		return err
	}
	list, err := db.All(tx, scanReader, `SELECT DISTINCT u.id, u.email, u.name FROM organization_members m JOIN users u ON u.id = m.user_id
		WHERE m.organization_id IN ($1, $2) AND m.user_id <> $3 AND (m.expires_at IS NULL OR m.expires_at > $4) AND u.state = 'active'
			AND NOT EXISTS (SELECT 1 FROM memberships x WHERE x.project_id = $5 AND x.user_id = m.user_id AND (x.expires_at IS NULL OR x.expires_at > $4)) ORDER BY u.email`+fmt.Sprintf(" LIMIT %d", 2*membersMost), m.From.ID, m.To.ID, by.UserID, tx.Now, m.Project.ID)
	if err != nil {
		return err
	}
	return v.write(tx, list, mail.Letter{Kind: mail.ProjectMoved, Values: told})
}

// recordMove tells both organizations; the project has both events.
func recordMove(tx *db.Tx, by access.Actor, m Moving, results map[string]any) error {
	params := map[string]any{"from": m.From.ID, "to": m.To.ID}
	e, err := lifeEvent(tx, by, m.Project, "project.removedFromOrganization")
	if err != nil {
		return err
	}
	e.Type, e.Params, e.Results = audit.Warn, params, results
	if err := audit.Record(tx, e.Says("%s moved the project %q out of the organization %q, into %q.", by.Name, m.Project.Name, m.From.Name, m.To.Name)); err != nil {
		return err
	}
	if e, err = lifeEvent(tx, by, m.Project, "project.addedToOrganization"); err != nil {
		return err
	}
	e.Organization, e.Type, e.Params, e.Results = m.To.ID, audit.Warn, params, results
	return audit.Record(tx, e.Says("%s moved the project %q into the organization %q, out of %q.", by.Name, m.Project.Name, m.To.Name, m.From.Name))
}

// movedOutMost is how many places a move ends, in its transaction.
const movedOutMost = 1000

// endPlaces ends the memberships that a move does not leave, and tells who had them.
func (v *Service) endPlaces(tx *db.Tx, by access.Actor, m Moving) (int, error) {
	list, err := db.All(tx, scanMember, inProject.sql+"x.project_id = $1 AND x.through <> '' AND (x.expires_at IS NULL OR x.expires_at > $3) AND NOT "+staysIn+fmt.Sprintf(" ORDER BY x.email, x.id LIMIT %d", movedOutMost+1), m.Project.ID, m.To.ID, tx.Now)
	if err != nil {
		return 0, err
	}
	if len(list) > movedOutMost {
		return 0, fault.Newf(fault.Conflict, "tenancy.moveMany", "More than %d people would lose their place in the project at once. Remove some of them first.", movedOutMost)
	}
	for _, x := range list {
		p, err := endMembership(tx, x, m.Project.ID)
		if err != nil {
			return 0, err
		}
		if x.Who.State == accounts.Active && x.Who.ID != by.UserID {
			if err := v.tell(tx, by, x.Who, mail.MemberRemoved, p, nil); err != nil {
				return 0, err
			}
		}
		e, err := inDefault(tx, audit.By(by, "project.memberRemoved", "user", x.Who.Email, x.Who.Name), p)
		if err != nil {
			return 0, err
		}
		if err := audit.Record(tx, e.Says("%s moved %q to the organization %q, where %s (%s) does not have the right by which they were in it.", by.Name, p.Name, m.To.Name, x.Who.Name, x.Who.Email)); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}

// closeUnvouched closes the invitations to a project that wait and whose inviter could not
// give them any more. p is the project as it was: the events belong to who invited.
func closeUnvouched(tx *db.Tx, actor access.Actor, p Project) (closed int, err error) {
	at, err := placeOf(tx, actor, p)
	if err != nil {
		return 0, err
	}
	if err := at.expire(tx, 0); err != nil {
		return 0, err
	}
	type given struct {
		waiting
		by Who
	}
	list, err := db.All(tx, func(r db.Row) (given, error) {
		var x given
		return x, r.Scan(&x.id, &x.email, &x.role, &x.by.ID, &x.by.Name, &x.by.State)
	}, "SELECT i.id, i.email, i.role, a.id, a.name, a.state FROM invitations i JOIN users a ON a.id = i.created_by WHERE i.project_id = $1 AND i.state = 'pending' ORDER BY i.id", p.ID)
	if err != nil {
		return 0, err
	}
	type gift struct {
		by int64
		as access.Role
	}
	void := map[gift]bool{}
	for _, x := range list {
		g := gift{x.by.ID, x.role}
		if _, known := void[g]; !known {
			err := vouches(tx, x.by, p.ID, x.role)
			if void[g] = fault.Is(err, fault.Forbidden) || fault.Is(err, fault.NotFound); err != nil && !void[g] && !fault.HasCode(err, access.FactorNeeded) { // who turns it on may give it again
				return closed, err
			}
		}
		if !void[g] {
			continue
		}
		if closed++; closed > closedMost {
			err = endInvitation(tx, x.id, "cancelled", CauseMoved, 0)
		} else {
			err = at.close(tx, x.waiting, CauseMoved)
		}
		if err != nil {
			return closed, err
		}
	}
	return closed, nil
}
