package audit

import (
	"fmt"
	"slices"

	"steward/internal/access"
	"steward/internal/db"
)

// OfPerson gives what a person did with their own account and what was done to it, newest
// first: sign-ins that worked and that failed, changes of password, factor and rights.
// Of the filter, Before and Limit count. Of what somebody else did, it is not told from where.
func OfPerson(tx *db.Tx, a access.Actor, f Filter) ([]Event, error) {
	var out []Event
	for _, of := range []struct {
		where string
		who   any
	}{
		{"user_id = ? AND object_type IN ('user', 'session')", a.UserID},
		{"object_id = ? AND object_type || '' = 'user'", a.Email},
	} {
		var w db.Where
		w.And(of.where, of.who)
		if !f.Before.At.IsZero() {
			w.And("(created_at, id) < (?, ?)", f.Before.At, f.Before.ID)
		}
		list, err := db.All(tx, scan, "SELECT "+columns+" FROM events WHERE "+w.SQL()+fmt.Sprintf(" ORDER BY created_at DESC, id DESC LIMIT %d", f.Limit), w.Args()...)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			if e.UserID != 0 && e.UserID != a.UserID {
				e.Address, e.UserAgent, e.RequestID = "", "", ""
			}
			if !slices.ContainsFunc(out, func(x Event) bool { return x.ID == e.ID }) {
				out = append(out, e)
			}
		}
	}
	slices.SortFunc(out, func(x, y Event) int {
		if c := y.At.Compare(x.At); c != 0 {
			return c
		}
		return int(y.ID - x.ID)
	})
	return out[:min(len(out), f.Limit)], nil
}
