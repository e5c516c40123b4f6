package tenancy

import (
	"fmt"
	"time"

	"steward/internal/access"
	"steward/internal/db"
)

// Place is the role of a member of a team in a project of it.
type Place struct {
	Membership, Project int64
	Name                string // of the project
	Open                bool   // the project can be entered
	Role                access.Role
	Until               time.Time // zero = never
	Ends                bool      // when somebody removes them from the team
}

// Forfeit is what a member of a team may no longer when they are out of it, beside what they are in
// projects by it.
type Forfeit struct {
	Above  []access.Permission // on the team, and on what is below it
	Inside []access.Change     // in projects of an organization, where they have no role
}

// Foregone tells what a member of a team loses who is put out of it, or leaves. In a maintainer
// that is on organizations which let it in, as if they were nothing else there. To others than who
// manages the team: nothing.
func Foregone(tx *db.Tx, t Team, m Member) (Forfeit, error) {
	if !t.manages {
		return Forfeit{}, nil
	}
	if t.Kind == OfMaintainer {
		return Forfeit{Above: access.Lost(access.Above{SignedIn: true, MaintainerMember: true, AutoJoin: true}, access.Above{SignedIn: true})}, nil
	}
	is, _, err := standing(tx, m.Who.ID, t.ID)
	if err != nil {
		return Forfeit{}, err
	}
	after := is
	after.OrgMember, after.Visitor = false, false
	return Forfeit{access.Lost(is, after), access.Changes(access.Facts{OrgMember: is.OrgMember}, access.Facts{}, access.ProjectPermissions())}, nil
}

// PlacesMost is how many places of somebody are listed.
const PlacesMost = 100

// Places lists what a member of a team is in: of an organization, the projects in which they
// have a role; of a maintainer, those in which they are by it, and which end with it. By name, no
// more than one past PlacesMost. To others than who manages the team, and of organizations that
// keep the actor out, for want of a second factor or as they let nobody in: nothing.
func Places(tx *db.Tx, t Team, m Member) ([]Place, error) {
	if !t.manages {
		return nil, nil
	}
	where, args := "p.organization_id = $2", []any{m.Who.ID, t.ID, tx.Now}
	ends := "FALSE"
	switch {
	case t.Kind == OfOrganization && m.Through != "" && m.Who.ID != t.actor.UserID: // see Service.end
		ends = "m.through IN ('maintainer', 'support')"
	case t.Kind == OfMaintainer:
		where = `p.organization_id IN (SELECT o.id FROM organizations o WHERE o.maintainer_id = $2 AND o.allow_auto_join AND (NOT o.mfa_required OR EXISTS (SELECT 1 FROM factors f WHERE f.user_id = $4))) AND m.through = 'maintainer'`
		args = append(args, t.actor.UserID)
		ends = "TRUE"
	}
	return db.All(tx, func(r db.Row) (Place, error) {
		var x Place
		return x, r.Scan(&x.Membership, &x.Project, &x.Name, &x.Open, &x.Role, db.Time(&x.Until), &x.Ends)
	}, "SELECT m.id, p.id, p.name, p.state = 'active', m.role, m.expires_at, "+ends+` FROM memberships m JOIN projects p ON p.id = m.project_id
		WHERE m.user_id = $1 AND (m.expires_at IS NULL OR m.expires_at > $3) AND p.state IN ('active', 'disabled') AND `+where+fmt.Sprintf(" ORDER BY p.name_search, p.id LIMIT %d", PlacesMost+1), args...)
}
