package jobs

import (
	"fmt"
	"strings"
	"time"

	"steward/internal/access"
	"steward/internal/db"
)

// searchMost is how many jobs a search by several filters looks at, at most.
const searchMost = 50_000

// Cursor is a place in the list of jobs; the zero value is its start.
type Cursor struct {
	At time.Time
	ID int64
}

// Filter selects storage jobs. Zero fields select all; each field has an index.
type Filter struct {
	State     State
	Cancelled bool // only those that ended in error because somebody cancelled them
	Operation string
	Table     string
	UserID    int64
	Before    Cursor
	Limit     int
}

// condition is one part of a filter, written so that its index finds the jobs, and so
// that no index does: which one is used is then not left to a planner, which knows
// nothing of how often a value occurs. Each has one argument.
type condition struct {
	found  string
	tested string
	arg    any
}

// conditions are the parts of a filter, those first that mostly fit fewer jobs.
func (f Filter) conditions() []condition {
	var out []condition
	if f.Table != "" {
		out = append(out, condition{"table_name = ?", "table_name || '' = ?", f.Table})
	}
	switch {
	case f.Cancelled: // the text of a partial index, which a parameter would miss
		const found = "error_code = '" + Cancelled + "'"
		out = append(out, condition{found + " AND error_code = ?", "error_code || '' = ?", Cancelled})
	case f.State != "":
		out = append(out, condition{"state = ?", "state || '' = ?", string(f.State)})
	}
	if f.UserID != 0 {
		out = append(out, condition{"user_id = ?", "user_id + 0 = ?", f.UserID})
	}
	if f.Operation != "" {
		out = append(out, condition{"operation = ?", "operation || '' = ?", f.Operation})
	}
	return out
}

// List gives storage jobs of the scope's branch, newest first. Forbidden without the
// permission to read storage jobs. With several filters it may look at very many jobs
// until it has found enough; Search does not.
func (s *Service) List(tx *db.Tx, scope access.Project, f Filter) ([]Job, error) {
	return s.list(tx, scope, f, 0, time.Time{})
}

// Unfinished gives the storage jobs of the scope's branch that wait or run and are of one
// person, in no order, as many as limit. Forbidden as List.
func (s *Service) Unfinished(tx *db.Tx, scope access.Project, user int64, limit int) ([]Job, error) {
	if err := scope.Require(access.StorageJobsRead, false); err != nil {
		return nil, err
	}
	return db.All(tx, scan, "SELECT "+columns+" FROM jobs WHERE project_id = $1 AND branch_id = $2 AND class = 'storage' AND state IN ('waiting', 'processing') AND user_id + 0 = $3"+fmt.Sprintf(" LIMIT %d", limit), scope.ID(), scope.Branch(), user)
}

// list gives the jobs that the condition with a number finds and the others let pass,
// from a moment on.
func (s *Service) list(tx *db.Tx, scope access.Project, f Filter, by int, from time.Time) ([]Job, error) {
	if err := scope.Require(access.StorageJobsRead, false); err != nil {
		return nil, err
	}
	var w db.Where
	w.And("project_id = ? AND branch_id = ? AND class = 'storage'", scope.ID(), scope.Branch())
	for i, c := range f.conditions() {
		if i == by {
			w.And(c.found, c.arg)
		} else {
			w.And(c.tested, c.arg)
		}
	}
	if !f.Before.At.IsZero() {
		w.And("(created_at, id) < (?, ?)", f.Before.At, f.Before.ID)
	}
	if !from.IsZero() {
		w.And("created_at >= ?", from)
	}
	return db.All(tx, scan, "SELECT "+columns+" FROM jobs WHERE "+w.SQL()+
		fmt.Sprintf(" ORDER BY created_at DESC, id DESC LIMIT %d", f.Limit), w.Args()...)
}

// Found is what a search came upon.
type Found struct {
	Jobs  []Job
	Until time.Time // jobs older than this were not looked at; zero if all were
}

// Search is List for people who wait: with several filters it looks at no more than
// 50,000 jobs (a few more if they were made at the same moment), those of the filter
// that reaches back the furthest. What was not looked at is found by searching on
// before Found.Until.
func (s *Service) Search(tx *db.Tx, scope access.Project, f Filter) (Found, error) {
	return s.search(tx, scope, f, searchMost)
}

func (s *Service) search(tx *db.Tx, scope access.Project, f Filter, most int) (Found, error) {
	if err := scope.Require(access.StorageJobsRead, false); err != nil {
		return Found{}, err
	}
	by, from := 0, time.Time{}
	if conditions := f.conditions(); len(conditions) > 1 {
		var err error
		if by, from, err = furthest(tx, scope, conditions, f.Before, most); err != nil {
			return Found{}, err
		}
	}
	list, err := s.list(tx, scope, f, by, from)
	if err != nil || len(list) == f.Limit { // there are more, whatever stands behind
		return Found{Jobs: list}, err
	}
	return Found{Jobs: list, Until: from}, nil
}

// furthest tells which of some conditions reaches back the furthest within the most
// jobs that may be looked at, and how far: the zero time if to the first job of all.
func furthest(tx *db.Tx, scope access.Project, conditions []condition, before Cursor, most int) (by int, from time.Time, err error) {
	where, args := "project_id = $1 AND branch_id = $2 AND class = 'storage'", []any{scope.ID(), scope.Branch()}
	if !before.At.IsZero() {
		where, args = where+" AND (created_at, id) < ($3, $4)", append(args, before.At, before.ID)
	}
	ends := make([]time.Time, len(conditions))
	var parts []string
	var into []any
	for i, c := range conditions {
		args = append(args, c.arg)
		found := strings.ReplaceAll(c.found, "?", fmt.Sprintf("$%d", len(args)))
		parts = append(parts, fmt.Sprintf("(SELECT created_at FROM jobs WHERE %s AND %s ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET %d)", where, found, most-1))
		into = append(into, db.Time(&ends[i]))
	}
	_, err = db.One(tx, func(r db.Row) (struct{}, error) { return struct{}{}, r.Scan(into...) }, "SELECT "+strings.Join(parts, ", "), args...)
	if err != nil {
		return 0, time.Time{}, err
	}
	for i, end := range ends {
		if end.Before(ends[by]) { // the zero time is before all others
			by = i
		}
	}
	return by, ends[by], nil
}
