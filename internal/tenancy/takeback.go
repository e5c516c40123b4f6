package tenancy

import (
	"fmt"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/mail"
)

// TakeBackFor is for how long an organization may take a project back that was moved out of it by
// somebody who was none of its lasting members.
const TakeBackFor = 30 * 24 * time.Hour

// MovedAwayMost is how many of them are listed.
const MovedAwayMost = 20

// TakeBackPath is where an organization takes one back.
func TakeBackPath(organization, project int64) string {
	return fmt.Sprintf("/organizations/%d/projects/%d/take-back", organization, project)
}

// MovedAway is a project that an organization may take back.
type MovedAway struct {
	Project  int64
	Name, In string // In is the organization that it is in now
	At       time.Time
	By       string
	Until    time.Time
	Closed   string // why nobody can enter it, and take it back, at this time: disabled, deleted, or expired; "" when they can
}

// claimed is the condition of a loss l, and its project p, that an organization has a claim to: $1 is
// the organization, and $2 the time. While nobody can enter the project, the time does not go on.
const claimed = "l.organization_id = $1 AND p.organization_id <> $1 AND p.state IN ('active', 'disabled', 'deleted') AND p.purge_begun_at IS NULL AND (l.ends_at > COALESCE(p.deleted_at, p.disabled_at, CAST($2 AS BIGINT)) OR p.expires_at <= $2 AND l.ends_at > p.expires_at)"

// isOpen is the condition of a project p that it can be entered at $2.
const isOpen = "p.state = 'active' AND (p.expires_at IS NULL OR p.expires_at > $2)"

// ListMovedAway lists the projects that the scope's organization may take back, or may when they are
// open again, first the one whose time ends first, and no more than one past MovedAwayMost. To others
// than its lasting members: nothing.
func ListMovedAway(tx *db.Tx, s access.Organization) ([]MovedAway, error) {
	if !s.Is().OrgMember {
		return nil, nil
	}
	return db.All(tx, func(r db.Row) (MovedAway, error) {
		var m MovedAway
		return m, r.Scan(&m.Project, &m.Name, &m.In, db.Time(&m.At), &m.By, db.Time(&m.Until), &m.Closed)
	}, "SELECT p.id, p.name, o.name, l.moved_at, y.name, l.ends_at, CASE WHEN "+isOpen+" THEN '' WHEN p.state = 'active' THEN 'expired' ELSE p.state END FROM project_losses l JOIN projects p ON p.id = l.project_id JOIN organizations o ON o.id = p.organization_id JOIN users y ON y.id = l.moved_by WHERE "+claimed+
		fmt.Sprintf(" ORDER BY l.ends_at, l.project_id LIMIT %d", MovedAwayMost+1), s.ID(), tx.Now)
}

// FindTakingBack tells what changes when the scope's organization takes a project back, as
// FindMoving does. NotFound for one that it may not take back, and for who is no lasting member of it.
func FindTakingBack(tx *db.Tx, s access.Organization, project int64) (Moving, error) {
	m, err := takingBack(tx, s, project)
	if err != nil {
		return m, err
	}
	err = concerned(tx, &m)
	return m, err
}

// takingBack finds the project, and decides whether the actor may take it back.
func takingBack(tx *db.Tx, s access.Organization, project int64) (m Moving, err error) {
	if err := s.Require(access.ProjectsMove); err != nil {
		return m, err
	}
	if !s.Is().OrgMember {
		return m, fault.New(fault.NotFound, "notFound", "Not found.")
	}
	from, err := db.Value[int64](tx, "SELECT p.organization_id FROM project_losses l JOIN projects p ON p.id = l.project_id WHERE l.project_id = $3 AND "+claimed+" AND "+isOpen, s.ID(), tx.Now, project)
	if err != nil {
		return m, err
	}
	m, err = findMoving(tx, s.Actor(), project, from, s.ID())
	m.Back = true
	return m, err
}

// TakeBack moves a project into the scope's organization, out of which somebody had moved it who was
// none of its lasting members: one of these may, for TakeBackFor, wherever it has moved on to since.
// from is the organization out of which the person means to take it, or 0: Conflict when it has moved
// on. It is as much of a move as others, but nobody may take it back, and how often the project moves
// a day does not hinder it, as who has moved it away could use that up. Otherwise as FindTakingBack
// and Move.
func (v *Service) TakeBack(tx *db.Tx, s access.Organization, project, from int64, typed string) (Moving, error) {
	if err := lockMoves(tx); err != nil { // it stays where it is from now on
		return Moving{}, err
	}
	p, err := Find(tx, project)
	if err != nil {
		return Moving{}, err
	}
	if err := lockMoved(tx, project, p.Organization, s.ID()); err != nil {
		return Moving{}, err
	}
	if err := accounts.Present(tx, s.Actor()); err != nil {
		return Moving{}, err
	}
	if s, err = EnterOrganization(tx, s.Actor(), s.ID(), access.ProjectsMove); err != nil {
		return Moving{}, err
	}
	if p.Organization == s.ID() && from != 0 && from != s.ID() {
		return Moving{}, fault.Newf(fault.Conflict, "tenancy.moved", "Somebody else has just brought %q back.", p.Name)
	}
	m, err := takingBack(tx, s, project)
	if err != nil {
		return m, err
	}
	if from != 0 && from != m.From.ID {
		return m, fault.Newf(fault.Conflict, "tenancy.moved", "The project has moved on to %q meanwhile. Nothing was changed. Look at what taking it back means now.", m.From.Name)
	}
	if err := Typed(m.Project, typed); err != nil {
		return m, err
	}
	if err := takeMover(tx, s.Actor()); err != nil {
		return m, err
	}
	return v.carry(tx, s.Actor(), m)
}

// noteLoss keeps, after a move, which organizations may take the project back, and tells whether the
// one that it has left may. One that it comes back to has nothing to take back any more, and those have
// not that lost it since: they had it by a move that is undone.
func noteLoss(tx *db.Tx, by access.Actor, m Moving) (bool, error) {
	if _, err := tx.Exec(`DELETE FROM project_losses WHERE project_id = $1 AND (organization_id = $2 OR ends_at <= $3
		OR moved_at >= (SELECT l.moved_at FROM project_losses l WHERE l.project_id = $1 AND l.organization_id = $2 AND l.ends_at > $3))`, m.Project.ID, m.To.ID, tx.Now); err != nil {
		return false, err
	}
	if !m.Lost {
		return false, nil
	}
	n, err := tx.Exec(`INSERT INTO project_losses (project_id, organization_id, moved_at, moved_by, ends_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (project_id, organization_id) DO NOTHING`, m.Project.ID, m.From.ID, tx.Now, by.UserID, tx.Now.Add(TakeBackFor))
	if err == nil && n > 0 {
		_, err = tx.Exec(`INSERT INTO project_loss_roles (project_id, organization_id, membership_id, role, expires_at)
			SELECT CAST($1 AS BIGINT), CAST($2 AS BIGINT), m.id, m.role, m.expires_at FROM memberships m WHERE m.project_id = $1 AND (m.expires_at IS NULL OR m.expires_at > $3)`, m.Project.ID, m.From.ID, tx.Now)
	}
	return err == nil, err
}

// changedSince is from where memberships x are read whose role or last day is not the one, of k, that
// they had when the organization $2 lost the project $1. A visit ends as the right does by which it is.
const changedSince = "FROM project_loss_roles k JOIN memberships x ON x.id = k.membership_id JOIN users u ON u.id = x.user_id WHERE k.project_id = $1 AND k.organization_id = $2 AND (x.role <> k.role OR x.through NOT IN ('maintainer', 'support') AND COALESCE(x.expires_at, 0) <> COALESCE(k.expires_at, 0))"

// restoreRoles gives people back the roles and last days that they had when an organization lost the
// project that returns to it, mails it to them, and tells how many there are.
func (v *Service) restoreRoles(tx *db.Tx, by access.Actor, m Moving) (int, error) {
	type kept struct {
		membership int64
		role       access.Role
		until      time.Time
	}
	list, err := db.All(tx, func(r db.Row) (kept, error) {
		var k kept
		return k, r.Scan(&k.membership, &k.role, db.Time(&k.until))
	}, "SELECT k.membership_id, k.role, k.expires_at "+changedSince+fmt.Sprintf(" ORDER BY x.email, x.id LIMIT %d", takenOutMost), m.Project.ID, m.To.ID)
	for _, k := range list {
		was, err := db.One(tx, scanMember, inProject.sql+"x.project_id = $1 AND x.id = $2", m.Project.ID, k.membership)
		if err != nil {
			return 0, err
		}
		if was.Through.Visits() {
			k.until = was.Until
		}
		if err := tx.Must("UPDATE memberships SET role = $3, expires_at = $4 WHERE id = $1 AND project_id = $2", k.membership, m.Project.ID, string(k.role), k.until); err != nil {
			return 0, err
		}
		kind, values := mail.RoleChanged, map[string]string{"from": was.Role.Label(), "role": k.role.Label()}
		if k.role == was.Role {
			kind, values = mail.LastDayChanged, map[string]string{"from": expiryWords(was.Until), "until": expiryWords(k.until)}
		}
		if was.Who.State == accounts.Active && was.Who.ID != by.UserID {
			if err := v.tell(tx, by, was.Who, kind, m.Project, values); err != nil {
				return 0, err
			}
		}
		e, err := inDefault(tx, audit.By(by, "project.roleChanged", "user", was.Who.Email, was.Who.Name), m.Project)
		if err != nil {
			return 0, err
		}
		e.Params = map[string]any{"from": was.Role, "to": k.role, "expires": []any{expiryOf(was.Until), expiryOf(k.until)}}
		if err := audit.Record(tx, e.Says("%s brought %q back into the organization %q; %s (%s) is %s again, as before, and was %s. The membership expires: %s, and did: %s.", by.Name, m.Project.Name, m.To.Name, was.Who.Name, was.Who.Email, k.role.Label(), was.Role.Label(), expiryWords(k.until), expiryWords(was.Until))); err != nil {
			return 0, err
		}
	}
	return len(list), err
}

// SweepClaims removes the claims to open projects whose time is over.
func SweepClaims(tx *db.Tx) error {
	_, err := tx.Exec("DELETE FROM project_losses WHERE ends_at <= $1 AND project_id IN (SELECT p.id FROM projects p WHERE p.state = 'active' AND (p.expires_at IS NULL OR p.expires_at > $1))", tx.Now)
	return err
}

// prolongClaims lets the claims to a project go on that waited while nobody could enter it, since a time
// at which it was closed, or since its own was over if that was before.
func prolongClaims(tx *db.Tx, project int64, closed, expired time.Time) error {
	since := sooner(closed, expired)
	if since.IsZero() || since.After(tx.Now) {
		return nil
	}
	_, err := tx.Exec("UPDATE project_losses SET ends_at = ends_at + CAST($3 AS BIGINT) WHERE project_id = $1 AND ends_at > $2", project, since, tx.Now.Sub(since).Microseconds())
	return err
}

// Claims reports whether the scope's organization may take back a project that was moved out of it, now
// or when that is open again. Until then only its lasting members delete the organization.
func Claims(tx *db.Tx, s access.Organization) (bool, error) {
	return db.Value[bool](tx, "SELECT EXISTS (SELECT 1 FROM project_losses l JOIN projects p ON p.id = l.project_id WHERE "+claimed+")", s.ID(), tx.Now)
}
