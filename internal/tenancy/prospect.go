package tenancy

import (
	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
)

// Prospect is what another role, or none, would make of a member of a project.
type Prospect struct {
	Member    Member
	Role      access.Role // "" = they are removed
	Above     bool        // what they are above the project is told: the actor belongs to its organization
	OrgMember bool        // they belong to the project's organization, if that is told
	Changes   []access.Change
	Back      Step  // how they could come in afterwards without an invitation, if that is told: StepJoin, StepAsk, or ""
	Final     bool  // the actor may not give them back the role that they have
	Lapses    int   // invitations that they sent to the project and that would not count any more, if they are of the organization only as far as that is told
	Refused   error // why it cannot be done; nil when it can
}

// Foresee tells what SetRole with a role, or Remove for "", would make of a member of the
// scope's project, as to some permissions. Forbidden without MembersRole or MembersRemove, and
// for a role that the actor may not give; Invalid for one that there is not; NotFound for who is
// no member.
func Foresee(tx *db.Tx, s access.Project, membership int64, role access.Role, among []access.Permission) (Prospect, error) {
	x := Prospect{Role: role}
	needs := access.MembersRole
	if role == "" {
		needs = access.MembersRemove
	}
	if err := s.Require(needs, false); err != nil {
		return x, err
	}
	var err error
	if x.Member, err = FindMember(tx, s, membership); err != nil {
		return x, err
	}
	if role != "" {
		if err := grantable(s, role); err != nil {
			return x, err
		}
	}
	var is access.Above // nothing, as far as who is not of the organization is told
	// Of those who may give roles, only who belongs to the organization may give all.
	if x.Above = s.May(access.MembersGrantShare); x.Above {
		if is, _, err = standing(tx, x.Member.Who.ID, s.Organization()); err != nil {
			return x, err
		}
	}
	x.OrgMember, x.Final = is.OrgMember, grantable(s, x.Member.Role) != nil
	before := access.Facts{Role: x.Member.Role, OrgMember: is.OrgMember, Visitor: x.Member.visits() && !is.OrgMember}
	after := before
	if after.Role = role; role == "" {
		after.Visitor = false
		switch {
		case access.MayAbove(access.ProjectsJoin, is):
			x.Back = StepJoin
		case access.MayAbove(access.ProjectsRequestAccess, is):
			x.Back = StepAsk
		}
	}
	x.Changes = access.Changes(before, after, among)
	if x.Lapses, err = lapses(tx, s, x.Member.Who.ID, before, after); err != nil {
		return x, err
	}
	if role == x.Member.Role {
		x.Refused = fault.Newf(fault.Conflict, "tenancy.sameRole", "%s has the role %s already.", x.Member.Who.Name, role.Label())
		return x, nil
	}
	if x.Refused = refusal(tx, s, x.Member, role); x.Refused != nil && !fault.Is(x.Refused, fault.Conflict) {
		return x, x.Refused
	}
	return x, nil
}

// lapses counts the invitations to the scope's project that somebody sent and that count as they
// are one thing to it, and would not as they are another.
func lapses(tx *db.Tx, s access.Project, by int64, before, after access.Facts) (n int, err error) {
	list, err := db.All(tx, scanInvited(tx.Now, func(g voucher, role access.Role) bool {
		g.is = before
		now := mayInvite(s)(g, role)
		g.is = after
		return now && !mayInvite(s)(g, role)
	}), invited("$3", "$4")+"x.project_id = $1 AND x.state = 'pending' AND x.expires_at > $4 AND x.created_by = $2", s.ID(), by, s.Organization(), tx.Now)
	for _, m := range list {
		if m.Void == "" { // it counts, and would not
			n++
		}
	}
	return n, err
}

// refusal is Conflict for a change that SetRole or Remove would refuse as things stand.
func refusal(tx *db.Tx, s access.Project, m Member, role access.Role) error {
	if role != "" {
		external, err := db.Value[bool](tx, "SELECT external_roles FROM projects WHERE id = $1", s.ID())
		if err != nil {
			return err
		}
		if external {
			return errExternal()
		}
	}
	if role == "" && m.Who.ID == s.Actor().UserID {
		return fault.New(fault.Conflict, "tenancy.self", "This is you. Leave the project instead.")
	}
	if Administers(role) {
		return nil
	}
	return keepAdministrator(tx, s, m)
}

func errExternal() error {
	return fault.New(fault.Conflict, "tenancy.externalRoles", "Roles in this project come from single sign-on. Change them there.")
}
