package tenancy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
)

// Grant is that on which somebody's way into a project rests.
type Grant string

// The grants.
const (
	ByMembership   Grant = "member"       // a role in the project
	ByOrganization Grant = "organization" // they belong to its organization
	ByMaintainer   Grant = "maintainer"   // they belong to the maintainer of that
	BySupport      Grant = "support"
	BySuperAdmin   Grant = "superAdmin"
	ByInvitation   Grant = "invitation"             // one that waits
	ByTeam         Grant = "organizationInvitation" // one to the organization that waits
	ByRequest      Grant = "request"                // one that waits
)

// Grants lists them in the order in which ways are listed.
func Grants() []Grant {
	return []Grant{ByMembership, ByOrganization, ByMaintainer, BySupport, BySuperAdmin, ByInvitation, ByTeam, ByRequest}
}

// IsAbove reports whether it lies above the project: of its people names are for members of the
// organization.
func (g Grant) IsAbove() bool {
	switch g {
	case ByOrganization, ByMaintainer, BySupport, BySuperAdmin, ByTeam:
		return true
	}
	return false
}

// Step is what has to be done before somebody is in a project.
type Step string

// The steps, in the order in which they are done.
const (
	StepEnable   Step = "enable"      // their account, by a super admin
	StepActivate Step = "activate"    // their account, by themselves
	StepFactor   Step = "twoStep"     // they turn on a second factor
	StepOpen     Step = "open"        // the project, by a super admin
	StepInvite   Step = "inviteAgain" // by somebody who may: the invitation does not count any more
	StepAccept   Step = "accept"      // the invitation
	StepJoin     Step = "join"        // they let themselves in
	StepAsk      Step = "ask"         // they ask, and are let in
	StepApprove  Step = "approve"     // they have asked
)

// Way is one way of one person into a project. Without steps they are in.
type Way struct {
	Member
	Grant  Grant
	Inside bool // they have a role in the project, by this way or another
	Steps  []Step
}

// Door is how a project can be entered, as it stands.
type Door struct {
	Organization, Maintainer string // names
	AutoJoin, FactorRequired bool
	Member                   bool // the actor belongs to the organization
	scope                    access.Project
	now                      time.Time
}

// WaysMost is how far the people of each grant are counted.
const WaysMost = 10_000

// DoorOf is the door of the scope's project. Forbidden without AuditRead, for who does not manage
// its people either.
func DoorOf(tx *db.Tx, s access.Project) (Door, error) {
	d := Door{scope: s, now: tx.Now}
	if err := s.Require(access.AuditRead, false); err != nil && !s.May(access.MembersRole) {
		return d, err
	}
	_, err := db.One(tx, func(r db.Row) (bool, error) {
		return true, r.Scan(&d.Organization, &d.Maintainer, &d.AutoJoin, &d.FactorRequired, &d.Member)
	}, `SELECT o.name, n.name, o.allow_auto_join, o.mfa_required, EXISTS (SELECT 1 FROM organization_members m WHERE m.organization_id = o.id AND m.user_id = $2 AND m.through = '')
		FROM organizations o JOIN maintainers n ON n.id = o.maintainer_id WHERE o.id = $1`, s.Organization(), s.Actor().UserID)
	return d, err
}

// Count tells how many people have each grant, up to WaysMost.
func (d Door) Count(tx *db.Tx) (map[Grant]int64, error) {
	var a args
	var columns []string
	counts, into := make([]int64, len(Grants())), make([]any, len(Grants()))
	for i, g := range Grants() {
		w := d.way(g, tx, &a)
		columns = append(columns, fmt.Sprintf("(SELECT count(*) FROM (SELECT 1 FROM %s WHERE %s LIMIT %d) some_of_%d)", w.table, w.where, WaysMost, i))
		into[i] = &counts[i]
	}
	_, err := db.One(tx, func(r db.Row) (bool, error) { return true, r.Scan(into...) }, "SELECT "+strings.Join(columns, ", "), a.list...)
	out := map[Grant]int64{}
	for i, g := range Grants() {
		out[g] = counts[i]
	}
	return out, err
}

// WayFilter selects among the ways into a project. Zero fields select all.
type WayFilter struct {
	Grant  Grant
	Search string // a part of the address or the name
	After  *Way   // the last one that is known
	Limit  int
}

// Ways lists who gets through the door or could, by grant and then by address; who has several
// ways, under each. Who is above the project is listed for members of the organization only.
func (d Door) Ways(tx *db.Tx, f WayFilter) ([]Way, error) {
	var a args
	var parts []string
	for i, g := range Grants() {
		if f.Grant != "" && f.Grant != g || g.IsAbove() && !d.Member || f.After != nil && i < f.After.Grant.order() {
			continue
		}
		w := d.way(g, tx, &a)
		if f.Search != "" {
			w.where += " AND " + w.searched + " LIKE " + a.add(db.Like(norm.NFKC.String(f.Search))) + ` ESCAPE '\'`
		}
		if f.After != nil && f.After.Grant == g {
			w.where += " AND " + w.email + " > " + a.add(f.After.Who.Email)
		}
		parts = append(parts, fmt.Sprintf("SELECT * FROM (SELECT %d, %s, %s, %s, %s FROM %s WHERE %s ORDER BY %s LIMIT %d) of_%d",
			i, w.columns, accounts.NeedsFactor, d.inside(tx, &a), d.vouched(g, tx, &a), w.table+" "+w.joined, w.where, w.email, f.Limit, i))
	}
	if len(parts) == 0 { // there is no such grant
		return nil, nil
	}
	out, err := db.All(tx, d.scan, strings.Join(parts, " UNION ALL "), a.list...)
	slices.SortFunc(out, func(a, b Way) int {
		return cmp.Or(cmp.Compare(a.Grant.order(), b.Grant.order()), cmp.Compare(a.Who.Email, b.Who.Email))
	})
	return out[:min(len(out), f.Limit)], err
}

func (g Grant) order() int { return slices.Index(Grants(), g) }

// args are the arguments of a statement that is put together.
type args struct{ list []any }

// add adds one, and gives what stands for it in the statement.
func (a *args) add(x any) string {
	a.list = append(a.list, x)
	return fmt.Sprintf("$%d", len(a.list))
}

// way is what the ways by one grant are read from: x is what gives it, u is who has it. Within
// a grant everybody has one way, and so their address is its order.
type way struct {
	table    string
	joined   string // what it is read with
	columns  string // those of Member.scans
	where    string // of the table alone
	email    string
	searched string // what is told of them
}

const (
	nobody   = "LEFT JOIN users a ON a.id = 0 LEFT JOIN users b ON b.id = 0"
	noTime   = "CAST(NULL AS BIGINT)"
	outsider = "LEFT JOIN users a ON a.id = x.invitor_id LEFT JOIN users b ON b.id = 0"
)

// current is the condition that a membership counts.
func current(tx *db.Tx, a *args, m string) string {
	return counting(m, a.add(tx.Now))
}

// inside tells whether a person u has a role in the project.
func (d Door) inside(tx *db.Tx, a *args) string {
	return "EXISTS (SELECT 1 FROM memberships i WHERE i.user_id = u.id AND i.project_id = " + a.add(d.scope.ID()) + " AND " + current(tx, a, "i") + ")"
}

// vouched tells, of an invitation, who gave it.
func (d Door) vouched(g Grant, tx *db.Tx, a *args) string {
	if g != ByInvitation && g != ByTeam {
		return noVoucher
	}
	return vouchers(a.add(d.scope.Organization()), a.add(tx.Now))
}

func (d Door) way(g Grant, tx *db.Tx, a *args) way {
	s, w := d.scope, way{email: "x.email", searched: "u.search"}
	switch g {
	case ByMembership:
		w.table, w.where = "memberships x", "x.project_id = "+a.add(s.ID())+" AND "+current(tx, a, "x")
		w.joined = people + "LEFT JOIN users a ON a.id = x.invitor_id LEFT JOIN users b ON b.id = x.approver_id"
		w.columns = "x.id, x.role, x.joined_at, x.expires_at, " + noTime + ", x.reason, " + rightOf + ", " + personColumns
	case ByOrganization:
		w.table, w.where = "organization_members x", "x.organization_id = "+a.add(s.Organization())+" AND x.through = ''" // who is in it by a right comes in by that
		w.joined = people + outsider
		w.columns = "x.user_id, '', x.joined_at, x.expires_at, " + noTime + ", x.reason, " + rightOf + ", " + personColumns
	case ByMaintainer:
		w.table, w.where = "maintainer_members x", "x.maintainer_id = (SELECT o.maintainer_id FROM organizations o WHERE o.id = "+a.add(s.Organization())+")"
		w.joined = people + outsider
		w.columns = "x.user_id, '', x.joined_at, " + noTime + ", " + noTime + ", x.reason, '', " + personColumns
	case BySupport, BySuperAdmin:
		until := noTime
		if w.table, w.where, w.email = "users u", "u.is_super_admin = TRUE", "u.email"; g == BySupport {
			w.where, until = accounts.OfSupport(a.add(tx.Now))+" AND u.email > ''", accounts.SupportUntil // everybody has an address: it leads along the index
		}
		w.joined = "LEFT JOIN factors t ON t.user_id = u.id " + nobody
		w.columns = "u.id, '', " + noTime + ", " + until + ", " + noTime + ", '', '', " + personColumns
	case ByInvitation, ByTeam:
		of, id := "x.project_id = ", s.ID()
		if g == ByTeam {
			of, id = "x.organization_id = ", s.Organization()
		}
		w.table, w.where, w.searched = "invitations x", of+a.add(id)+" AND x.state = 'pending' AND x.expires_at > "+a.add(tx.Now), "x.email"
		w.joined = people + inviters + "LEFT JOIN users b ON b.id = 0"
		w.columns = "x.id, x.role, x.created_at, x.member_until, x.expires_at, x.reason, '', " + personColumns
	case ByRequest:
		w.table, w.where = "join_requests x", "x.project_id = "+a.add(s.ID())+" AND x.state = 'pending' AND x.expires_at > "+a.add(tx.Now)
		w.joined = people + nobody
		w.columns = "x.id, '', x.created_at, " + noTime + ", x.expires_at, x.reason, " + rightOf + ", x.hours, " + personOnly
	}
	return w
}

func (d Door) scan(r db.Row) (Way, error) {
	var w Way
	var grant int
	var factor int64
	var needs bool
	var by voucher
	err := r.Scan(slices.Concat([]any{&grant}, w.scans(&factor), []any{&needs, &w.Inside}, by.scans())...)
	if err != nil {
		return w, err
	}
	w.Grant, w.Factor = Grants()[grant], factor != 0
	w.Invited, w.Asks = w.Grant == ByInvitation || w.Grant == ByTeam, w.Grant == ByRequest
	if w.Invited { // of who has not come in yet nothing is told but the address, and whether it is in use
		if w.Who.Name, w.Factor, needs = w.Who.Email, true, false; w.Who.State == accounts.Disabled {
			w.Who.State = accounts.Active
		}
	}
	if w.Asks {
		w.Role = VisitorRole(d.scope.Governed())
	}
	w.Steps = accountSteps(w.Who.State, w.Factor, needs || d.FactorRequired)
	w.Factor = w.Factor && !w.Invited
	if w.Inside && w.Grant != ByInvitation { // which waits beside a visit
		return w, nil
	}
	switch w.Grant {
	case ByInvitation, ByTeam:
		may := w.Grant == ByTeam && by.invitesToTeam(OfOrganization) || w.Grant == ByInvitation && mayInvite(d.scope)(by, w.Role)
		if w.Void = by.void(w.Member, may, d.now); w.Void != "" {
			w.Steps = append(w.Steps, StepInvite)
		}
		if w.Steps = append(w.Steps, StepAccept); w.Grant == ByTeam {
			w.Steps = append(w.Steps, StepJoin)
		}
	case ByRequest:
		w.Steps = append(w.Steps, StepApprove)
	default:
		w.Steps = append(w.Steps, approach(w.Grant, d.AutoJoin))
	}
	return w, nil
}

// accountSteps are what somebody has to do before they are at work with their account.
func accountSteps(state accounts.State, factor, needed bool) (out []Step) {
	switch state {
	case accounts.Disabled:
		out = append(out, StepEnable)
	case accounts.Invited:
		out = append(out, StepActivate)
	}
	if needed && !factor {
		out = append(out, StepFactor)
	}
	return out
}

// approach is how somebody comes in by a grant above projects.
func approach(g Grant, autoJoin bool) Step {
	is := access.Above{SignedIn: true, AutoJoin: autoJoin, OrgMember: g == ByOrganization, MaintainerMember: g == ByMaintainer, Support: g == BySupport, SuperAdmin: g == BySuperAdmin}
	if access.MayAbove(access.ProjectsJoin, is) {
		return StepJoin
	}
	return StepAsk
}
