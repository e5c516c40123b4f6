package audit

import (
	"fmt"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
)

// OfThing gives what happened to one object of the installation, such as a template, newest
// first. Forbidden for who is no super admin.
func OfThing(tx *db.Tx, by access.Actor, kind, id string, limit int) ([]Event, error) {
	if !by.SuperAdmin {
		return nil, fault.New(fault.Forbidden, "audit.all", "Only super admins see the events of all.")
	}
	// Along the index of the ids: of one there are fewer than of a kind.
	return db.All(tx, scan, "SELECT "+columns+" FROM events WHERE object_id = $1 AND object_type || '' = $2"+fmt.Sprintf(" ORDER BY created_at DESC, id DESC LIMIT %d", limit), id, kind)
}

// LifeOf gives what happened to a project itself, newest first: neither to what is in it, nor to
// its people. Of the filter, Before and Limit count. Forbidden for who is no super admin.
func LifeOf(tx *db.Tx, by access.Actor, project, branch int64, f Filter) ([]Event, error) {
	if !by.SuperAdmin {
		return nil, fault.New(fault.Forbidden, "audit.all", "Only super admins see the events of all.")
	}
	var w db.Where
	w.And("project_id = ? AND branch_id = ? AND object_type = 'project' AND object_id = ?", project, branch, fmt.Sprint(project))
	w.And("name NOT IN ('project.memberAdded', 'project.membersReminded')") // the first was once of the project, not of the person
	if !f.Before.At.IsZero() {
		w.And("(created_at, id) < (?, ?)", f.Before.At, f.Before.ID)
	}
	return db.All(tx, scan, "SELECT "+columns+" FROM events WHERE "+w.SQL()+fmt.Sprintf(" ORDER BY created_at DESC, id DESC LIMIT %d", f.Limit), w.Args()...)
}
