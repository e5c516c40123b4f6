package jobs

import (
	"fmt"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
)

// FindSystem is one of the system's own jobs. NotFound if there is none.
func FindSystem(tx *db.Tx, id int64) (Job, error) {
	return get(tx, "id = $1 AND class = 'system'", id)
}

// ListSystem gives the system's own jobs, newest first. Of the filter, State, Before and
// Limit count. Forbidden for who is no super admin.
func (s *Service) ListSystem(tx *db.Tx, by access.Actor, f Filter) ([]Job, error) {
	if !by.SuperAdmin {
		return nil, fault.New(fault.Forbidden, "jobs.system", "Only super admins see the system's own jobs.")
	}
	var w db.Where
	w.And("project_id IS NULL AND branch_id IS NULL AND class = 'system'")
	if f.State != "" {
		w.And("state = ?", string(f.State))
	}
	if !f.Before.At.IsZero() {
		w.And("(created_at, id) < (?, ?)", f.Before.At, f.Before.ID)
	}
	return db.All(tx, scan, "SELECT "+columns+" FROM jobs WHERE "+w.SQL()+fmt.Sprintf(" ORDER BY created_at DESC, id DESC LIMIT %d", f.Limit), w.Args()...)
}
