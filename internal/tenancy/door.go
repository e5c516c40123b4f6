package tenancy

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/mail"
)

// letIn is the condition of who is in a project p of the organization $1, at $2, by a membership m
// that they made themselves by a right from above: by joining it, or by making the project, which super
// admins may whether it lets them in or not. Who has come to belong to the organization since is none of them.
const letIn = "p.organization_id = $1 AND m.through IN ('maintainer', 'support') AND (m.approver_id = m.user_id OR m.approver_id IS NULL AND NOT EXISTS (SELECT 1 FROM users s WHERE s.id = m.user_id AND s.is_super_admin)) AND (m.expires_at IS NULL OR m.expires_at > $2)" +
	" AND NOT EXISTS (SELECT 1 FROM organization_members b WHERE b.organization_id = p.organization_id AND b.user_id = m.user_id AND b.through = '')"

// Inside tells how many people are in an organization and its projects because it lets its
// maintainer and support come in by themselves: in how many projects each is counts. No more than
// one past InsideMost.
func Inside(tx *db.Tx, s access.Organization) (int64, error) {
	return db.Value[int64](tx, fmt.Sprintf("SELECT count(*) FROM (SELECT m.user_id FROM memberships m JOIN projects p ON p.id = m.project_id WHERE "+letIn+
		" UNION ALL SELECT o.user_id FROM organization_members o WHERE o.organization_id = $1 AND o.through <> '' AND o.expires_at > $2 LIMIT %d) places", InsideMost+1), s.ID(), tx.Now)
}

// InsideMost is how many such places are counted, and how many end in one transaction.
const InsideMost = 1000

// closeDoor puts out who is in an organization and its projects because it let them in by
// themselves, as many as one transaction may, and tells whether there are more. by is who decided.
// The caller holds the locks.
func (v *Service) closeDoor(tx *db.Tx, by access.Actor, t Team) (more bool, err error) {
	type place struct{ project, membership int64 }
	list, err := db.All(tx, func(r db.Row) (place, error) {
		var x place
		return x, r.Scan(&x.project, &x.membership)
	}, "SELECT m.project_id, m.id FROM memberships m JOIN projects p ON p.id = m.project_id WHERE "+letIn+fmt.Sprintf(" ORDER BY m.project_id, m.id LIMIT %d", InsideMost+1), t.ID, tx.Now)
	if err != nil {
		return false, err
	}
	more = len(list) > InsideMost
	for _, x := range list[:min(len(list), InsideMost)] {
		if err := v.putOut(tx, by, t, x.project, x.membership); err != nil {
			return false, err
		}
	}
	in, err := db.All(tx, scanMember, t.members()+fmt.Sprintf("x.organization_id = $1 AND x.through <> '' ORDER BY x.email LIMIT %d", InsideMost+1), t.ID)
	if err != nil {
		return false, err
	}
	for _, m := range in[:min(len(in), InsideMost)] {
		if err := v.putOutOf(tx, by, t, m); err != nil {
			return false, err
		}
	}
	return more || len(in) > InsideMost, nil
}

// putOutOf ends one membership of the organization, and tells its person.
func (v *Service) putOutOf(tx *db.Tx, by access.Actor, t Team, m Member) error {
	switch ended, err := t.over(tx, m.Who); {
	case err != nil:
		return err
	case ended: // its time was over before
		return v.farewellOf(tx, t, steward(), m.Who, outByTime, 0)
	}
	if err := tx.Must("DELETE FROM organization_members WHERE organization_id = $1 AND user_id = $2", t.ID, m.Who.ID); err != nil {
		return err
	}
	if err := v.farewellOf(tx, t, by, m.Who, outByDoor, 0); err != nil {
		return err
	}
	return audit.Record(tx, t.event(by, m.Who, "*.memberRemoved").Says("%s; %s (%s), %s, is out of the organization %q.", decided(by, t), m.Who.Name, m.Who.Email, m.Through.Text(), t.Name))
}

// decided is a sentence of what puts people out.
func decided(by access.Actor, t Team) string {
	if by.UserID == 0 {
		return fmt.Sprintf("The maintainer and support of %q have to ask", t.Name)
	}
	return fmt.Sprintf("%q decided that the maintainer and support of %q have to ask", by.Name, t.Name)
}

// putOut ends one membership of a project, and tells its person.
func (v *Service) putOut(tx *db.Tx, by access.Actor, t Team, project, membership int64) error {
	if err := lockMembers(tx, project); err != nil { // who has come in since the caller took the others
		return err
	}
	m, err := db.One(tx, scanMember, inProject.sql+"x.project_id = $1 AND x.id = $2", project, membership)
	if fault.Is(err, fault.NotFound) { // they left while the lock was waited for
		return nil
	}
	if err != nil {
		return err
	}
	p, err := endMembership(tx, m, project)
	if err != nil {
		return err
	}
	values := map[string]string{"cause": outByDoor, "organization": t.Name}
	if by.UserID == 0 { // who decided is not known any more
		values["by"] = t.Name
	}
	if err := v.farewell(tx, by, m.Who, mail.MemberRemoved, p, values); err != nil {
		return err
	}
	e, err := inDefault(tx, audit.By(by, "project.memberRemoved", "user", m.Who.Email, m.Who.Name), p)
	if err != nil {
		return err
	}
	return audit.Record(tx, e.Says("%s; %s (%s), %s, is out of %q.", decided(by, t), m.Who.Name, m.Who.Email, m.Through.Text(), p.Name))
}

// CloseDoor puts out who is in an organization that does not let its maintainer and support in by
// themselves, and still is because it did: what SetOrganization left, as there were too many.
func (v *Service) CloseDoor(ctx context.Context, by access.Actor, organization int64) error {
	for more := true; more; {
		err := v.db.Update(ctx, func(tx *db.Tx) error {
			more = false
			if err := lockProjects(tx, letIn, organization, tx.Now); err != nil {
				return err
			}
			if err := tx.Lock(fmt.Sprintf("organization %d", organization)); err != nil {
				return err
			}
			if open, err := db.Value[bool](tx, "SELECT allow_auto_join FROM organizations WHERE id = $1", organization); err != nil || open {
				return err
			}
			t, err := findTeam(tx, OfOrganization, organization)
			if err == nil {
				more, err = v.closeDoor(tx, by, t)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// closeDoors does so with all organizations of which somebody was left, should a process have ended
// meanwhile.
func (v *Service) closeDoors(ctx context.Context) error {
	var list []int64
	err := v.db.View(ctx, func(tx *db.Tx) (err error) {
		list, err = db.All(tx, db.Scalar[int64], `SELECT DISTINCT o.id FROM organizations o WHERE NOT o.allow_auto_join AND o.deleted_at IS NULL AND (
			EXISTS (SELECT 1 FROM memberships m JOIN projects p ON p.id = m.project_id WHERE `+strings.NewReplacer("$1", "o.id", "$2", "$1").Replace(letIn)+`)
			OR EXISTS (SELECT 1 FROM organization_members v WHERE v.organization_id = o.id AND v.expires_at > $1)) ORDER BY o.id LIMIT 100`, tx.Now)
		return err
	})
	for _, id := range list {
		err = errors.Join(err, v.CloseDoor(ctx, steward(), id))
	}
	return err
}
