package tenancy

import (
	"fmt"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/mail"
)

// letIn is the condition of who is in a project p of the organization $1, at $2, by a membership m
// that they made themselves by a right from above: by joining it, or by making the project.
const letIn = "p.organization_id = $1 AND m.through IN ('maintainer', 'support') AND COALESCE(m.approver_id, m.user_id) = m.user_id AND (m.expires_at IS NULL OR m.expires_at > $2)"

// Inside tells how many people are in an organization and its projects because it lets its
// maintainer and support come in by themselves: in how many projects each is counts. No more than
// one past the thousand that may be put out at once.
func Inside(tx *db.Tx, s access.Organization) (int64, error) {
	return db.Value[int64](tx, fmt.Sprintf("SELECT count(*) FROM (SELECT m.user_id FROM memberships m JOIN projects p ON p.id = m.project_id WHERE "+letIn+
		" UNION ALL SELECT o.user_id FROM organization_members o WHERE o.organization_id = $1 AND o.through <> '' AND o.expires_at > $2 LIMIT %d) places", movedOutMost+1), s.ID(), tx.Now)
}

// closeDoor puts out who is in the scope's organization and its projects because it let them in by
// themselves. The caller holds the locks.
func (v *Service) closeDoor(tx *db.Tx, s access.Organization, o Organization) error {
	n, err := Inside(tx, s)
	if err != nil {
		return err
	}
	if n > movedOutMost {
		return fault.Newf(fault.Conflict, "tenancy.closeMany", "More than %d places would end at once. Remove some of these people first.", movedOutMost)
	}
	type place struct{ project, membership int64 }
	list, err := db.All(tx, func(r db.Row) (place, error) {
		var x place
		return x, r.Scan(&x.project, &x.membership)
	}, "SELECT m.project_id, m.id FROM memberships m JOIN projects p ON p.id = m.project_id WHERE "+letIn+" ORDER BY m.project_id, m.id", s.ID(), tx.Now)
	if err != nil {
		return err
	}
	for _, x := range list {
		if err := v.putOut(tx, s, o, x.project, x.membership); err != nil {
			return err
		}
	}
	t, err := findTeam(tx, OfOrganization, s.ID())
	if err != nil {
		return err
	}
	t.actor = s.Actor()
	in, err := db.All(tx, scanMember, t.members()+"x.organization_id = $1 AND x.through <> '' ORDER BY x.email", s.ID())
	if err != nil {
		return err
	}
	for _, m := range in {
		if err := tx.Must("DELETE FROM organization_members WHERE organization_id = $1 AND user_id = $2", t.ID, m.Who.ID); err != nil {
			return err
		}
		if err := v.write(tx, []Who{m.Who}, mail.Letter{Kind: mail.TeamRemoved, Values: map[string]string{"by": t.actor.Name, "organization": t.Name}}); err != nil {
			return err
		}
		if err := audit.Record(tx, t.event(t.actor, m.Who, "*.memberRemoved").Says("%s decided that the maintainer and support have to ask; %s (%s), %s, is out of the organization %q.", t.actor.Name, m.Who.Name, m.Who.Email, m.Through.Text(), t.Name)); err != nil {
			return err
		}
	}
	return nil
}

// putOut ends one membership of a project, and tells its person.
func (v *Service) putOut(tx *db.Tx, s access.Organization, o Organization, project, membership int64) error {
	if err := lockMembers(tx, project); err != nil { // who has come in since the caller took the others
		return err
	}
	m, err := db.One(tx, scanMember, inProject.sql+"x.project_id = $1 AND x.id = $2", project, membership)
	if err != nil {
		return err
	}
	p, err := endMembership(tx, m, project)
	if err != nil {
		return err
	}
	if m.Who.State == accounts.Active {
		if err := v.tell(tx, s.Actor(), m.Who, mail.MemberRemoved, p, nil); err != nil {
			return err
		}
	}
	e, err := inDefault(tx, audit.By(s.Actor(), "project.memberRemoved", "user", m.Who.Email, m.Who.Name), p)
	if err != nil {
		return err
	}
	return audit.Record(tx, e.Says("%s decided that the maintainer and support of %q have to ask; %s (%s), %s, is out of %q.", s.Actor().Name, o.Name, m.Who.Name, m.Who.Email, m.Through.Text(), p.Name))
}
