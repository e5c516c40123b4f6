package tenancy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/fault"
)

// Reach is one place that a person gets into, or could: a project, every project of an
// organization, or a maintainer. Without steps they get into it.
type Reach struct {
	Grant        Grant
	Project      int64 // 0 = every project of the organization
	Organization int64 // 0 = the maintainer itself
	Maintainer   int64 // known for who belongs to it, and for an invitation to it
	Name         string
	In           string // name of what the place is part of: an organization for a project, a maintainer for an organization
	Projects     int64  // open ones of the organization, counted up to ReachMost
	Role         access.Role
	Through      Through
	Since        time.Time
	Until        time.Time // when it ends; zero = never
	Open         time.Time // until when the invitation or request counts
	Hours        int       // for which who asks would be in the project
	Reason       string
	Steps        []Step
	source       int
	key, id      int64
}

// ReachMost is how far the projects of an organization are counted.
const ReachMost = 1000

// Person is whose reach is asked for, with what is before everything.
type Person struct {
	Who                 Who
	Support, SuperAdmin bool
	SupportUntil        time.Time
	Factor              bool
	Steps               []Step // before they are at work with their account
	maintainers         []int64
	now                 time.Time
}

// reachedMaintainers is of how many maintainers of a person the organizations are listed.
const reachedMaintainers = 200

// PersonOf is a person with what their account needs. Forbidden for who is neither that
// person nor a super admin; NotFound if there is none.
func PersonOf(tx *db.Tx, by access.Actor, user int64) (Person, error) {
	var p Person
	if by.UserID != user {
		if err := accounts.Oversees(by); err != nil {
			return p, err
		}
	}
	var needs bool
	_, err := db.One(tx, func(r db.Row) (bool, error) {
		return true, r.Scan(&p.Who.ID, &p.Who.Email, &p.Who.Name, &p.Who.State, &p.Support, db.Time(&p.SupportUntil), &p.SuperAdmin, &p.Factor, &needs)
	}, "SELECT u.id, u.email, u.name, u.state, "+accounts.OfSupport("$2")+", "+accounts.SupportUntil+", u.is_super_admin, EXISTS (SELECT 1 FROM factors f WHERE f.user_id = u.id), "+accounts.NeedsFactor+" FROM users u WHERE u.id = $1", user, tx.Now)
	if err != nil {
		return p, err
	}
	p.Steps, p.now = accountSteps(p.Who.State, p.Factor, needs), tx.Now
	p.maintainers, err = db.All(tx, db.Scalar[int64], fmt.Sprintf("SELECT maintainer_id FROM maintainer_members WHERE user_id = $1 ORDER BY maintainer_id LIMIT %d", reachedMaintainers), user)
	return p, err
}

// Reaches lists what the person gets into, or could: projects by their role, invitations,
// requests, organizations and maintainers that they belong to, and what these open to them.
// The steps of each are those beside the person's own.
func (p Person) Reaches(tx *db.Tx, after *Reach, limit int) ([]Reach, error) {
	var a args
	var parts []string
	for _, from := range p.sources(tx, &a, after) {
		parts = append(parts, fmt.Sprintf("SELECT * FROM (SELECT %d, %s, %s, %s FROM %s WHERE %s ORDER BY %s, %s LIMIT %d) part%d", from.number, from.key, from.id, from.columns, from.tables, from.where, from.key, from.id, limit, len(parts)))
	}
	if len(parts) == 0 { // they have lost what the list went on with
		return nil, nil
	}
	out, err := db.All(tx, p.scan, strings.Join(parts, " UNION ALL "), a.list...)
	slices.SortFunc(out, func(a, b Reach) int {
		return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.key, b.key), cmp.Compare(a.id, b.id))
	})
	return out[:min(len(out), limit)], err
}

// The sources of reaches, in their order in the list.
const (
	reachProjects = iota
	reachInvitations
	reachRequests
	reachOrganizations
	reachMaintainers
	reachOfMaintainers
	reachSupport
	reachSuperAdmin
)

// reach is what places are read from, in the order of two numbers.
type reach struct {
	number                 int
	tables, columns, where string
	key, id                string
}

// sources are what places are read from that come after one, or all.
func (p Person) sources(tx *db.Tx, a *args, after *Reach) (out []reach) {
	at := Reach{source: -1}
	if after != nil {
		at = *after
	}
	for number := max(at.source, 0); number <= reachSuperAdmin; number++ {
		switch {
		case number == reachSupport && !p.Support, number == reachSuperAdmin && !p.SuperAdmin:
		case number == reachOfMaintainers: // each by itself, along its index
			for _, m := range p.maintainers {
				if number > at.source || m >= at.key {
					from := p.source(number, tx, a)
					if from.where += " AND o.maintainer_id = " + a.add(m); number == at.source && m == at.key {
						from.where += " AND o.id > " + a.add(at.id)
					}
					out = append(out, from)
				}
			}
		default:
			from := p.source(number, tx, a)
			if number == at.source {
				from.where += fmt.Sprintf(" AND (%s, %s) > (%s, %s)", from.key, from.id, a.add(at.key), a.add(at.id))
			}
			out = append(out, from)
		}
	}
	return out
}

func (p Person) source(number int, tx *db.Tx, a *args) reach {
	const (
		rules   = "0, o.mfa_required, o.allow_auto_join, TRUE"
		nothing = "'', " + noTime + ", " + noTime + ", " + noTime + ", '', "
		waiting = "x.state = 'pending' AND x.expires_at > "
	)
	of := fmt.Sprintf("0, o.id, 0, o.name, n.name, (SELECT count(*) FROM (SELECT 1 FROM projects p WHERE p.organization_id = o.id AND p.state = 'active' LIMIT %d) open_ones), '', ", ReachMost)
	me := func() string { return "x.user_id = " + a.add(p.Who.ID) + " AND " }
	isOpen := func() string { return "p.state = 'active' AND " + current(tx, a, "p") }
	switch number {
	case reachProjects:
		return reach{
			number: number, key: "x.project_id", id: "x.id",
			tables:  "memberships x JOIN projects p ON p.id = x.project_id JOIN organizations o ON o.id = p.organization_id",
			columns: "p.id, o.id, 0, p.name, o.name, 0, x.role, x.through, x.joined_at, x.expires_at, " + noTime + ", x.reason, 0, o.mfa_required, o.allow_auto_join, " + isOpen(),
			where:   me() + "p.state <> 'purged' AND " + current(tx, a, "x"),
		}
	case reachInvitations:
		return reach{
			number: number, key: "x.id", id: "x.id",
			tables: "invitations x LEFT JOIN projects p ON p.id = x.project_id LEFT JOIN organizations o ON o.id = COALESCE(p.organization_id, x.organization_id) LEFT JOIN maintainers n ON n.id = COALESCE(x.maintainer_id, o.maintainer_id)",
			columns: "COALESCE(p.id, 0), COALESCE(o.id, 0), COALESCE(x.maintainer_id, 0), COALESCE(p.name, o.name, n.name), CASE WHEN p.id IS NULL THEN COALESCE(n.name, '') ELSE o.name END, 0, " +
				"x.role, '', x.created_at, x.member_until, x.expires_at, x.reason, 0, COALESCE(o.mfa_required, FALSE), FALSE, COALESCE(" + isOpen() + ", TRUE)",
			where: me() + waiting + a.add(tx.Now),
		}
	case reachRequests:
		return reach{
			number: number, key: "x.id", id: "x.id",
			tables:  "join_requests x JOIN projects p ON p.id = x.project_id JOIN organizations o ON o.id = p.organization_id",
			columns: fmt.Sprintf("p.id, o.id, 0, p.name, o.name, 0, CASE WHEN p.governed THEN '%s' ELSE '%s' END, x.through, x.created_at, ", VisitorRole(true), VisitorRole(false)) + noTime + ", x.expires_at, x.reason, x.hours, o.mfa_required, o.allow_auto_join, " + isOpen(),
			where:   me() + waiting + a.add(tx.Now),
		}
	case reachOrganizations:
		return reach{
			number: number, key: "x.organization_id", id: "x.organization_id",
			tables:  "organization_members x JOIN organizations o ON o.id = x.organization_id JOIN maintainers n ON n.id = o.maintainer_id",
			columns: of + "x.through, x.joined_at, x.expires_at, " + noTime + ", x.reason, " + rules,
			where:   me() + current(tx, a, "x") + " AND o.deleted_at IS NULL",
		}
	case reachMaintainers:
		return reach{
			number: number, key: "x.maintainer_id", id: "x.maintainer_id",
			tables:  "maintainer_members x JOIN maintainers n ON n.id = x.maintainer_id",
			columns: "0, 0, n.id, n.name, '', 0, '', '', x.joined_at, " + noTime + ", " + noTime + ", x.reason, 0, FALSE, FALSE, TRUE",
			where:   me() + "TRUE",
		}
	}
	from := reach{number: number, key: "o.id", id: "o.id", tables: "organizations o JOIN maintainers n ON n.id = o.maintainer_id", columns: of + nothing + rules, where: "o.deleted_at IS NULL"}
	if number == reachOfMaintainers {
		from.key = "o.maintainer_id"
	}
	return from
}

func (p Person) scan(r db.Row) (Reach, error) {
	var x Reach
	var needs, autoJoin, open bool
	err := r.Scan(&x.source, &x.key, &x.id, &x.Project, &x.Organization, &x.Maintainer, &x.Name, &x.In, &x.Projects, &x.Role, &x.Through, db.Time(&x.Since), db.Time(&x.Until), db.Time(&x.Open), &x.Reason, &x.Hours, &needs, &autoJoin, &open)
	if err != nil {
		return x, err
	}
	if x.Through == ThroughSupport && p.SuperAdmin && !p.Support {
		x.Through = ThroughSuperAdmin
	}
	x.Grant = [...]Grant{ByMembership, ByInvitation, ByRequest, ByOrganization, ByMaintainer, ByMaintainer, BySupport, BySuperAdmin}[x.source]
	if needs && !p.Factor && !slices.Contains(p.Steps, StepFactor) {
		x.Steps = append(x.Steps, StepFactor)
	}
	if !open {
		x.Steps = append(x.Steps, StepOpen)
	}
	if x.source == reachSupport {
		x.Until = p.SupportUntil
	}
	switch x.source {
	case reachProjects, reachMaintainers:
	case reachInvitations:
		if over(Member{Until: x.Until}, p.now) {
			x.Steps = append(x.Steps, StepInvite)
		}
		if x.Steps = append(x.Steps, StepAccept); x.Project == 0 && x.Organization != 0 {
			x.Steps = append(x.Steps, StepJoin)
		}
	case reachRequests:
		x.Steps = append(x.Steps, StepApprove)
	default:
		by := x.Grant
		if by == ByOrganization && x.Through != "" { // who is in it by a right comes in by that
			by = ByMaintainer
		}
		x.Steps = append(x.Steps, approach(by, autoJoin))
	}
	return x, nil
}

// Teams are how many maintainers and organizations a person belongs to, each counted up to
// TeamsMost.
type Teams struct{ Maintainers, Organizations int64 }

// TeamsMost is how far the teams of a person are counted.
const TeamsMost = 100

// TeamsOf tells of some people, by their number, to what they belong; of others nothing.
// Forbidden for who is no super admin.
func TeamsOf(tx *db.Tx, by access.Actor, users ...int64) (map[int64]Teams, error) {
	if err := accounts.Oversees(by); err != nil || len(users) == 0 {
		return nil, err
	}
	var a args
	var of []string
	now := current(tx, &a, "x")
	for _, id := range users {
		of = append(of, a.add(id))
	}
	out := map[int64]Teams{}
	_, err := db.All(tx, func(r db.Row) (id int64, err error) {
		var t Teams
		err = r.Scan(&id, &t.Maintainers, &t.Organizations)
		out[id] = t
		return id, err
	}, fmt.Sprintf(`SELECT u.id, (SELECT count(*) FROM (SELECT 1 FROM maintainer_members m WHERE m.user_id = u.id LIMIT %[1]d) owners),
		(SELECT count(*) FROM (SELECT 1 FROM organization_members x JOIN organizations o ON o.id = x.organization_id WHERE x.user_id = u.id AND %[2]s AND o.deleted_at IS NULL LIMIT %[1]d) places)
		FROM users u WHERE u.id IN (%[3]s)`, TeamsMost, now, strings.Join(of, ", ")), a.list...)
	return out, err
}

// Cursor is the place in the list that Reaches gives.
func (x Reach) Cursor() string { return fmt.Sprintf("%d-%d-%d", x.source, x.key, x.id) }

// ParseReach reads what Cursor wrote. Invalid for anything else.
func ParseReach(text string) (x Reach, err error) {
	if n, err := fmt.Sscanf(text, "%d-%d-%d", &x.source, &x.key, &x.id); n != 3 || err != nil || x.Cursor() != text || x.source < 0 || x.source > reachSuperAdmin {
		return x, fault.New(fault.Invalid, "list.cursor", "This page of the list cannot be found. Start at its first page.")
	}
	return x, nil
}
