package audit

import (
	"fmt"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
)

// OfAll gives what happened to accounts and to the installation, whoever did it, newest
// first. Of the filter, Before and Limit count. Forbidden for who is no super admin.
func OfAll(tx *db.Tx, by access.Actor, f Filter) ([]Event, error) {
	if !by.SuperAdmin {
		return nil, fault.New(fault.Forbidden, "audit.all", "Only super admins see the events of all.")
	}
	var w db.Where
	w.And("object_type IN ('user', 'session', 'installation')")
	if !f.Before.At.IsZero() {
		w.And("(created_at, id) < (?, ?)", f.Before.At, f.Before.ID)
	}
	return db.All(tx, scan, "SELECT "+columns+" FROM events WHERE "+w.SQL()+fmt.Sprintf(" ORDER BY created_at DESC, id DESC LIMIT %d", f.Limit), w.Args()...)
}
