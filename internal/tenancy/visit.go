package tenancy

import (
	"fmt"
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

// Through is the right by which somebody let themselves into a project, or asks to be let in.
type Through string

// The rights.
const (
	ThroughOrganization Through = "organization"
	ThroughMaintainer   Through = "maintainer"
	ThroughSupport      Through = "support"
	ThroughSuperAdmin   Through = "superAdmin" // who is not of support, and comes in by its right
)

// kept is how a right stands in the database: that of super admins is the one of support, so
// that who is both keeps it when they lose one of them.
func (t Through) kept() string {
	if t == ThroughSuperAdmin {
		t = ThroughSupport
	}
	return string(t)
}

// rightOf reads it back, from a row x of the person u.
const rightOf = "CASE WHEN x.through = 'support' AND u.is_super_admin AND " + accounts.SupportUntil + " IS NULL THEN 'superAdmin' ELSE x.through END"

// through is the right that somebody comes by: the nearest to the project.
func through(is access.Above) Through {
	if is.OrgMember {
		return ThroughOrganization
	}
	return visits(is)
}

// visits is the right from above the organization that somebody comes by.
func visits(is access.Above) Through {
	switch {
	case is.MaintainerMember:
		return ThroughMaintainer
	case is.Support:
		return ThroughSupport
	}
	return ThroughSuperAdmin
}

// Visits reports whether who comes by the right stays for a time only, and says why.
func (t Through) Visits() bool { return t == ThroughMaintainer || t.kept() == string(ThroughSupport) }

// borrowedMost is in how many projects somebody is by a right that can be taken from them: all of
// these places end in one transaction with it.
const borrowedMost = 1000

// roomFor is Conflict for somebody who is in as many projects by a right as anybody may, and is
// to come into one more.
func roomFor(tx *db.Tx, user int64, by Through) error {
	if !by.Visits() {
		return nil
	}
	n, err := db.Value[int64](tx, fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM memberships m WHERE m.user_id = $1 AND m.through IN ('maintainer', 'support') LIMIT %d) places", borrowedMost), user)
	if err == nil && n >= borrowedMost {
		err = fault.Newf(fault.Conflict, "tenancy.places", "Nobody is in more than %d projects by a right from outside their organizations. One of them has to be left first; or the project invites its person.", borrowedMost)
	}
	return err
}

// VisitHours are for how long a visitor may stay, in hours.
func VisitHours() []int { return []int{1, 8, 24, 72, 168} }

// perVisitor keeps one person from coming into many projects at once.
var perVisitor = throttle.Limit{Count: 50, Window: 24 * time.Hour}

// Entrance is a project as seen by who is not in it, but may come in or ask.
type Entrance struct {
	Project Project
	Through Through
	Request Request // the one of theirs that waits; zero for none
	Invited bool    // they are invited to it
}

// FindEntrance is a project of the scope's organization for who may join it or ask to.
// NotFound for one that is not of it, or not open.
func FindEntrance(tx *db.Tx, s access.Organization, project int64) (Entrance, error) {
	e := Entrance{Through: through(s.Is())}
	var expires time.Time
	_, err := db.One(tx, func(r db.Row) (bool, error) {
		return true, r.Scan(&e.Project.ID, &e.Project.Organization, &e.Project.OrganizationName, &e.Project.Name, &e.Project.Governed, &e.Project.State, &e.Project.ExternalRoles, db.Time(&expires), db.Null(&e.Project.Role), &e.Invited)
	}, `SELECT p.id, p.organization_id, o.name, p.name, p.governed, p.state, p.external_roles, p.expires_at,
			(SELECT m.role FROM memberships m WHERE m.project_id = p.id AND m.user_id = $3 AND (m.expires_at IS NULL OR m.expires_at > $4)),
			EXISTS (SELECT 1 FROM invitations i WHERE i.project_id = p.id AND i.user_id = $3 AND i.state = 'pending' AND i.expires_at > $4)
		FROM projects p JOIN organizations o ON o.id = p.organization_id WHERE p.id = $1 AND p.organization_id = $2`, project, s.ID(), s.Actor().UserID, tx.Now)
	if err != nil {
		return e, err
	}
	if e.Project.State != "active" || !expires.IsZero() && !tx.Now.Before(expires) {
		return e, fault.New(fault.NotFound, "notFound", "Not found.")
	}
	e.Request, err = myRequest(tx, s.Actor(), project)
	return e, err
}

// Joining is how somebody enters a project by themselves.
type Joining struct {
	Role   access.Role // of a member of the organization, who may give every role; others get the one of visitors
	Reason string
	Hours  int // of others, after which they are out by themselves: one of VisitHours
}

// VisitorRole is what somebody may do who comes from the maintainer or support.
func VisitorRole(governed bool) access.Role {
	if governed {
		return access.Developer
	}
	return access.Admin
}

// check is Invalid by field. Who visits has to say why and for how long.
func (j Joining) check(by Through) error {
	var c fault.Check
	if by.Visits() {
		c.Field(strings.TrimSpace(j.Reason) != "", "reason", "Say what for: everybody in it reads that.")
		ok := false
		for _, h := range VisitHours() {
			ok = ok || h == j.Hours
		}
		c.Field(ok, "hours", "Choose for how long.")
	}
	if strings.TrimSpace(j.Reason) != "" {
		if err := c.Join(accounts.CheckName("reason", "a reason", j.Reason)); err != nil {
			return err
		}
	}
	return c.Err()
}

// JoinProject makes the actor a member of a project of the scope's organization. A member of
// the organization chooses the role, but where roles come from single sign-on they are Read only;
// people of the maintainer and of support come in for a time, with a reason, as Admin, in a
// governed project as Developer. Forbidden without ProjectsJoin; NotFound for a project that is not
// of the organization, or not open; Conflict for who is in it; Invalid by field.
func (v *Service) JoinProject(tx *db.Tx, s access.Organization, project int64, j Joining) (Project, error) {
	if err := lockRights(tx, s.Actor().UserID); err != nil {
		return Project{}, err
	}
	if err := lockMembers(tx, project); err != nil {
		return Project{}, err
	}
	s, err := anew(tx, s, access.ProjectsJoin)
	if err != nil {
		return Project{}, err
	}
	e, err := FindEntrance(tx, s, project)
	if err != nil {
		return Project{}, err
	}
	if err := j.check(e.Through); err != nil {
		return e.Project, err
	}
	if e.Through.Visits() {
		if err := throttle.Take(tx, fmt.Sprintf("visit/user:%d", s.Actor().UserID), perVisitor); err != nil {
			return e.Project, met(err, "At most %d projects a day are joined by one visitor.", perVisitor)
		}
	}
	u, err := accounts.Find(tx, s.Actor().UserID)
	if err != nil {
		return e.Project, err
	}
	w := Who{u.ID, u.Email, u.Name, u.State}
	m := Member{Who: w, Role: j.Role, Reason: strings.TrimSpace(j.Reason), Approver: w, Through: e.Through}
	if e.Project.ExternalRoles {
		m.Role = access.ReadOnly
	}
	if !e.Through.Visits() {
		return e.Project, join(tx, s.Actor(), e.Project, &m)
	}
	m.Role, m.Until = VisitorRole(e.Project.Governed), tx.Now.Add(time.Duration(j.Hours)*time.Hour)
	if err := join(tx, s.Actor(), e.Project, &m); err != nil {
		return e.Project, err
	}
	told := map[string]string{"by": w.Name, "address": w.Email, "who": e.Through.Text(), "project": e.Project.Name, "reason": m.Reason, "until": moment(m.Until), "at": moment(tx.Now)}
	return e.Project, v.tellDeciders(tx, e.Project, mail.Letter{Kind: mail.ProjectVisited, Path: fmt.Sprintf("/projects/%d/settings/users", e.Project.ID), Values: told})
}

// endVisits ends the memberships of a person that hang on a right which they have lost. The
// condition names them by p, a project, m, the membership, and $2; says is the sentence about each,
// of who did it, whose it was, their address and the project. It tells how many there were: who has
// lost a right is mailed about that, and not about each.
func (v *Service) endVisits(tx *db.Tx, by access.Actor, w Who, says, condition string, args ...any) (ended int, err error) {
	type visit struct{ id, project int64 }
	list, err := db.All(tx, func(r db.Row) (visit, error) {
		var x visit
		return x, r.Scan(&x.id, &x.project)
	}, "SELECT m.id, m.project_id FROM memberships m JOIN projects p ON p.id = m.project_id WHERE m.user_id = $1 AND "+condition+" ORDER BY m.project_id", append([]any{w.ID}, args...)...)
	if err != nil {
		return 0, err
	}
	for _, x := range list {
		if err := lockMembers(tx, x.project); err != nil {
			return ended, err
		}
		m, err := db.One(tx, scanMember, inProject.sql+"x.project_id = $1 AND x.id = $2", x.project, x.id)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return ended, err
		}
		p, err := endMembership(tx, m, x.project)
		if err != nil {
			return ended, err
		}
		e, err := inDefault(tx, audit.By(by, "project.memberRemoved", "user", w.Email, w.Name), p)
		if err != nil {
			return ended, err
		}
		e = e.Says(says, by.Name, w.Name, w.Email, p.Name)
		if by.UserID == w.ID {
			e = e.Says("%s (%s) gave up the right by which they were in %q.", w.Name, w.Email, p.Name)
		}
		if err := audit.Record(tx, e); err != nil {
			return ended, err
		}
		ended++
	}
	return ended, v.endAsking(tx, by, w, condition, args...)
}

// lockRights puts those in a row who use and who take the rights by which a person may come
// into projects. It is taken before the locks of projects and organizations; see lockMoves for all.
func lockRights(tx *db.Tx, user int64) error {
	return tx.Lock(fmt.Sprintf("rights of %d", user))
}

// inDefault puts an event into the default branch of a project.
func inDefault(tx *db.Tx, e audit.Event, p Project) (audit.Event, error) {
	var err error
	e.Organization, e.Project = p.Organization, p.ID
	e.Branch, err = defaultBranch(tx, p.ID)
	return e, err
}

// endRight takes somebody out of all that they entered by a right which they have lost: out
// of the organizations that they joined by it, and what they joined as their members, and out
// of projects. A maintainer bounds it to what is of that one; 0 does not. It tells
// how many places ended.
func (v *Service) endRight(tx *db.Tx, by access.Actor, w Who, right Through, maintainer int64) (ended int, err error) {
	if err := lockMoves(tx); err != nil {
		return 0, err
	}
	const of = "organization_id IN (SELECT id FROM organizations WHERE CAST($2 AS BIGINT) = 0 OR maintainer_id = $2)"
	left, err := db.All(tx, db.Scalar[int64], "SELECT organization_id FROM organization_members WHERE user_id = $1 AND "+of+" AND through = $3 ORDER BY organization_id", w.ID, maintainer, string(right))
	if err != nil {
		return 0, err
	}
	for _, id := range left {
		t, err := findTeam(tx, OfOrganization, id)
		if err != nil {
			return 0, err
		}
		if err := tx.Must("DELETE FROM organization_members WHERE organization_id = $1 AND user_id = $2", id, w.ID); err != nil {
			return 0, err
		}
		if err := audit.Record(tx, t.event(by, w, "*.memberRemoved").Says("%s took from %s (%s) the right by which they were in the organization %q.", by.Name, w.Name, w.Email, t.Name)); err != nil {
			return 0, err
		}
	}
	ended, err = v.endVisits(tx, by, w, "%s took from %s (%s) the right by which they were in %q.", "p."+of+" AND m.through = $3", maintainer, string(right))
	return ended + len(left), err
}

// Visitors are who is in a project or an organization from the maintainer or support at this time.
type Visitors struct {
	Count   int64
	Name    string // of the one whose time ends first
	Through Through
	Reason  string
	Until   time.Time
	Own     int64 // the number of the actor's membership of the project, or theirs, if they are one; then the others are of it
}

// OrganizationVisitors are who joined the scope's organization for a time. Of what its members see, that is
// for all who may read it: who came by a right sees that others did.
func OrganizationVisitors(tx *db.Tx, s access.Organization) (Visitors, error) {
	const now = "organization_members m WHERE m.organization_id = $1 AND m.expires_at > $2"
	v, err := db.One(tx, func(r db.Row) (Visitors, error) {
		var v Visitors
		return v, r.Scan(&v.Count, &v.Name, &v.Through, &v.Reason, db.Time(&v.Until), &v.Own)
	}, "SELECT (SELECT count(*) FROM "+now+"), u.name, "+rightOf+", x.reason, x.expires_at, CASE WHEN x.user_id = $3 THEN x.user_id ELSE 0 END FROM organization_members x JOIN users u ON u.id = x.user_id"+
		" WHERE x.organization_id = $1 AND x.user_id = COALESCE((SELECT m.user_id FROM "+now+" AND m.user_id = $3), (SELECT m.user_id FROM "+now+" ORDER BY m.expires_at LIMIT 1))", s.ID(), tx.Now, s.Actor().UserID)
	if fault.Is(err, fault.NotFound) {
		err = nil
	}
	return v, err
}

// Text says who somebody is that comes by the right, in words that follow a name.
func (t Through) Text() string {
	switch t {
	case ThroughOrganization:
		return "of the organization"
	case ThroughMaintainer:
		return "of the maintainer"
	case ThroughSupport:
		return "of support"
	case ThroughSuperAdmin:
		return "super admin"
	}
	return ""
}

// JoinPath is where one comes into a project by oneself.
func JoinPath(project int64) string { return fmt.Sprintf("/projects/%d/join", project) }

// decidersMost is how many of those who manage the people are told of a request, or a visit.
const decidersMost = 100

// tellDeciders mails a letter to those who manage the people of a project; where nobody does, to
// the members of the organization, who can join it and do so.
func (v *Service) tellDeciders(tx *db.Tx, p Project, l mail.Letter) error {
	list, err := db.All(tx, scanReader, `SELECT u.id, u.email, u.name FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.project_id = $1 AND (m.expires_at IS NULL OR m.expires_at > $2 AND m.through NOT IN ('maintainer', 'support'))
		AND m.role IN ('share', 'admin', 'productionManager') AND u.state = 'active' ORDER BY m.email, m.id`+fmt.Sprintf(" LIMIT %d", decidersMost), p.ID, tx.Now)
	if err == nil && len(list) == 0 {
		if l.Values["organization"] = p.OrganizationName; l.Kind == mail.JoinRequested { // the people of the project they manage from outside
			l.Path = JoinPath(p.ID)
		}
		list, err = db.All(tx, scanReader, `SELECT u.id, u.email, u.name FROM organization_members m JOIN users u ON u.id = m.user_id
			WHERE m.organization_id = $1 AND m.through = '' AND u.state = 'active' ORDER BY m.email`+fmt.Sprintf(" LIMIT %d", decidersMost), p.Organization)
	}
	if err != nil {
		return err
	}
	return v.write(tx, list, l)
}

// scanReader reads whom a letter goes to.
func scanReader(r db.Row) (Who, error) {
	var w Who
	return w, r.Scan(&w.ID, &w.Email, &w.Name)
}

// write mails a letter to each of some people.
func (v *Service) write(tx *db.Tx, list []Who, l mail.Letter) error {
	for _, w := range list {
		l.To, l.Name, l.UserID = w.Email, w.Name, w.ID
		if _, err := v.mail.Send(tx, l); err != nil {
			return err
		}
	}
	return nil
}
