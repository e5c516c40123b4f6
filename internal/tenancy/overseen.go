package tenancy

import (
	"fmt"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/jobs"
)

// Overseen is a project as super admins see it.
type Overseen struct {
	Life
	ID               int64
	Name             string
	Organization     int64
	OrganizationName string
	Governed         bool
	CreatedAt        time.Time
	Members          int64    // only from Oversee
	Terms            Terms    // only from Oversee
	Branch           int64    // the default one; only from Oversee
	Purge            jobs.Job // the last job that was to purge it; only from Oversee
	Type             Template // only from Oversee
}

// OverseenFilter selects among all projects. Zero fields select all.
type OverseenFilter struct {
	Search       string // part of the name
	State        string
	Organization int64
	After        After
	Limit        int
}

const overseenColumns = lifeColumns + ", p.id, p.name, p.organization_id, o.name, p.governed, p.created_at"

func (o *Overseen) overseenScans() []any {
	return append(o.scans(), &o.ID, &o.Name, &o.Organization, &o.OrganizationName, &o.Governed, db.Time(&o.CreatedAt))
}

// ListAll lists the projects of the installation by name. Forbidden for who is no super admin.
func (v *Service) ListAll(tx *db.Tx, by access.Actor, f OverseenFilter) ([]Overseen, error) {
	if err := accounts.Oversees(by); err != nil {
		return nil, err
	}
	var w db.Where
	w.And("1 = 1")
	if f.Search != "" {
		w.And(`p.name_search LIKE ? ESCAPE '\'`, db.Like(f.Search))
	}
	if f.State != "" {
		w.And("p.state = ?", f.State)
	}
	if f.Organization != 0 {
		w.And("p.organization_id = ?", f.Organization)
	}
	if f.After.ID != 0 {
		w.And("(p.name_search, p.id) > (?, ?)", f.After.Name, f.After.ID)
	}
	return db.All(tx, func(r db.Row) (Overseen, error) {
		var o Overseen
		return o, r.Scan(o.overseenScans()...)
	}, "SELECT "+overseenColumns+" FROM projects p JOIN organizations o ON o.id = p.organization_id WHERE "+w.SQL()+fmt.Sprintf(" ORDER BY p.name_search, p.id LIMIT %d", f.Limit), w.Args()...)
}

// Oversee is one project with all that is known of its life. Forbidden for who is no super
// admin; NotFound if there is none.
func (v *Service) Oversee(tx *db.Tx, by access.Actor, project int64) (Overseen, error) {
	if err := accounts.Oversees(by); err != nil {
		return Overseen{}, err
	}
	o, err := db.One(tx, func(r db.Row) (Overseen, error) {
		var o Overseen
		return o, r.Scan(append(append(o.overseenScans(), &o.Branch, &o.Members), o.Terms.scans()...)...)
	}, "SELECT "+overseenColumns+`, b.id, (SELECT count(*) FROM memberships m WHERE m.project_id = p.id AND (m.expires_at IS NULL OR m.expires_at > $2)), `+columnsOf("p")+`
		FROM projects p JOIN organizations o ON o.id = p.organization_id JOIN branches b ON b.project_id = p.id AND b.is_default WHERE p.id = $1`, project, tx.Now)
	if err != nil {
		return o, err
	}
	if o.Type, err = typeOf(tx, project); err != nil || o.PurgeJob == 0 {
		return o, err
	}
	o.Purge, err = jobs.FindSystem(tx, o.PurgeJob)
	return o, err
}

// Purging reports whether its purge runs, or waits to.
func (o Overseen) Purging() bool { return o.PurgeJob != 0 && !o.Purge.Finished() }
