package tenancy

import (
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
)

// Void is why an invitation that waits does not count any more; "" while it counts. It tells what
// who sent it is to places, which is for those who invite.
type Void string

// The reasons.
const (
	VoidInviter Void = "inviter" // who sent it may not do so any more
	VoidFactor  Void = "factor"  // its organization asks for a second factor, which who sent it lacks: it counts again when they have one
	VoidOver    Void = "over"    // the time in the project is over that it gives
	VoidAccount Void = "account" // the account was activated by a link of somebody else's invitation: see accounts.Uncertain
	VoidUntold  Void = "untold"  // the reader is not told whether it counts
)

// voucher is who sent an invitation, as they stand.
type voucher struct {
	state                       accounts.State
	is                          access.Facts // to its project
	super, maintains            bool         // maintains: they belong to the maintainer that it is to
	factor, demanded, uncertain bool         // demanded: its organization asks for a second factor
}

// counting is the condition that a membership counts at a time.
func counting(m, at string) string {
	return "(" + m + ".expires_at IS NULL OR " + m + ".expires_at > " + at + ")"
}

// inviters are joined to invitations x for vouchers.
const inviters = "LEFT JOIN users a ON a.id = x.created_by LEFT JOIN memberships v ON v.project_id = x.project_id AND v.user_id = x.created_by "

// vouchers are the columns of who sent an invitation x to a person u, at a time: a is who, v their
// membership in its project, organization the one that it is to, or that of its project.
func vouchers(organization, at string) string {
	return "COALESCE(a.state, ''), CASE WHEN " + counting("v", at) + " THEN COALESCE(v.role, '') ELSE '' END, EXISTS (SELECT 1 FROM organization_members o WHERE o.organization_id = " + organization + " AND o.user_id = a.id AND o.through = ''), " +
		"COALESCE(v.through IN ('maintainer', 'support') AND v.expires_at IS NOT NULL, FALSE), COALESCE(a.is_super_admin, FALSE), EXISTS (SELECT 1 FROM maintainer_members n WHERE n.maintainer_id = x.maintainer_id AND n.user_id = a.id), " +
		"EXISTS (SELECT 1 FROM factors f WHERE f.user_id = a.id), COALESCE((SELECT o.mfa_required FROM organizations o WHERE o.id = " + organization + "), FALSE), COALESCE(" + accounts.Uncertain("x.id", "x.created_at") + ", FALSE)"
}

// noVoucher stands for vouchers in a row of something else.
const noVoucher = "'', '', FALSE, FALSE, FALSE, FALSE, FALSE, FALSE, FALSE"

func (g *voucher) scans() []any {
	return []any{&g.state, &g.is.Role, &g.is.OrgMember, &g.is.Visitor, &g.super, &g.maintains, &g.factor, &g.demanded, &g.uncertain}
}

// over reports whether the time in the project that an invitation gives has passed.
func over(m Member, now time.Time) bool { return !m.Until.IsZero() && !now.Before(m.Until) }

// void tells whether an invitation of theirs counts: may is whether they could send it today.
func (g voucher) void(m Member, may bool, now time.Time) Void {
	switch {
	case over(m, now):
		return VoidOver
	case g.uncertain:
		return VoidAccount
	case !may || g.state != accounts.Active:
		return VoidInviter
	case g.demanded && !g.factor:
		return VoidFactor
	}
	return ""
}

// invites reports whether they could invite to a project as a role.
func (g voucher) invites(at access.Place, role access.Role) bool {
	if g.is.Role == "" && !g.is.OrgMember {
		return false
	}
	is := g.is
	is.Visitor = is.Visitor && !is.OrgMember // as in enter
	s, err := access.InProject(access.Actor{}, at, is, access.MembersInvite, false)
	return err == nil && grantable(s, role) == nil
}

// invitesToTeam reports whether they could invite to an organization or a maintainer.
func (g voucher) invitesToTeam(kind TeamKind) bool {
	if kind == OfMaintainer {
		return access.MayAbove(access.MaintainerManage, access.Above{SignedIn: true, MaintainerMember: g.maintains, SuperAdmin: g.super})
	}
	return access.MayAbove(access.OrganizationMembers, access.Above{SignedIn: true, OrgMember: g.is.OrgMember, SuperAdmin: g.super})
}

// mayInvite tells whether who sent an invitation to the scope's project could do so today.
func mayInvite(s access.Project) func(voucher, access.Role) bool {
	at := access.Place{Project: s.ID(), Branch: s.Branch(), Org: s.Organization(), Governed: s.Governed()}
	return func(g voucher, role access.Role) bool { return g.invites(at, role) }
}

// told is mayInvite for who may invite themselves, nil for others.
func told(s access.Project) func(voucher, access.Role) bool {
	if !s.May(access.MembersInvite) {
		return nil
	}
	return mayInvite(s)
}

// scanInvited reads what invited selects: may is whether who sent an invitation could do so today,
// nil where that is not told.
func scanInvited(now time.Time, may func(voucher, access.Role) bool) func(db.Row) (Member, error) {
	return func(r db.Row) (Member, error) {
		var m Member
		var g voucher
		var factor int64
		m.Invited = true
		scans := append(m.scans(&factor), &m.State, db.Time(&m.Ended))
		if err := r.Scan(append(scans, g.scans()...)...); err != nil {
			return m, err
		}
		m.EndedBy, m.Approver = m.Approver, Who{}
		if m.State == "pending" && !now.Before(m.Open) { // nothing has marked it yet
			m.State, m.Ended = "expired", m.Open
		}
		switch {
		case m.State != "pending":
		case may != nil:
			m.Void = g.void(m, may(g, m.Role), now)
		case over(m, now): // which the list shows anyway
			m.Void = VoidOver
		default:
			m.Void = VoidUntold
		}
		return m, nil
	}
}

// invited is what invitations are read from: of an organization, or of none, at a time, both as
// they stand in the statement. Of who has not accepted one nothing is told but the address, which
// was known, and whether the account is still to be activated.
func invited(organization, at string) string {
	return "SELECT x.id, x.role, x.created_at, x.member_until, x.expires_at, x.reason, '', 0, u.id, u.email, u.email, CASE WHEN u.state = 'invited' THEN u.state ELSE 'active' END, NULL, a.id, a.email, a.name, b.id, b.email, b.name, " + became + ", x.ended_at, " +
		vouchers(organization, at) + " FROM invitations x JOIN users u ON u.id = x.user_id " + inviters + "LEFT JOIN users b ON b.id = x.ended_by WHERE "
}
