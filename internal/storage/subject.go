package storage

import (
	"strings"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/jobs"
)

// Subject is the table that a job is about, as it is now. Jobs keep the name that they
// knew it by.
type Subject struct {
	ID      int64  // 0 = the job is about none, or about one that never came to be
	TextID  string // its name now; "" unless State is Here
	State   Presence
	Changed bool // the job made another version of it
}

// Presence is whether a table can be seen.
type Presence int

// The presences.
const (
	Here Presence = iota + 1
	InTrash
	Gone
)

// Subjects finds the tables that jobs of the scope are about, by the numbers of the jobs.
func (s *Service) Subjects(tx *db.Tx, scope access.Project, list ...jobs.Job) (map[int64]Subject, error) {
	out := map[int64]Subject{}
	if err := scope.Require(access.StorageRead, false); err != nil || len(list) == 0 {
		return out, err
	}
	var ids []any
	for _, j := range list {
		ids = append(ids, j.ID)
		var p struct {
			Number int64 `json:"tableNumber"`
		}
		if err := decode(j, &p); err != nil {
			return nil, err
		}
		out[j.ID] = Subject{ID: p.Number}
	}
	if err := used(tx, ids, out); err != nil {
		return nil, err
	}
	return out, present(tx, scope, list, out)
}

// used notes the tables that finished jobs have used: the one that a job wrote, else the
// one that it read.
func used(tx *db.Tx, ids []any, out map[int64]Subject) error {
	type use struct {
		job   int64
		table Subject
		wrote bool
	}
	var w db.Where
	w.And(among("job_id", ids), ids...)
	uses, err := db.All(tx, func(r db.Row) (u use, err error) {
		return u, r.Scan(&u.job, &u.table.ID, &u.wrote, &u.table.Changed)
	}, "SELECT job_id, table_id, direction = 'write', direction = 'write' AND version_before <> version_after FROM job_tables WHERE "+w.SQL(), w.Args()...)
	wrote := map[int64]bool{}
	for _, u := range uses {
		if !wrote[u.job] {
			out[u.job], wrote[u.job] = u.table, u.wrote
		}
	}
	return err
}

// among is a condition that a column has one of some values.
func among(column string, values []any) string {
	return column + " IN (?" + strings.Repeat(", ?", len(values)-1) + ")"
}

// present tells what has become of the tables of jobs.
func present(tx *db.Tx, scope access.Project, list []jobs.Job, out map[int64]Subject) error {
	var ids []any
	for _, x := range out {
		if x.ID != 0 {
			ids = append(ids, x.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var w db.Where
	w.And(among("t.id", ids), ids...)
	tables, err := db.All(tx, func(r db.Row) (t Table, err error) {
		return t, r.Scan(&t.ID, &t.ProjectID, &t.BranchID, &t.Bucket, &t.Name, db.Time(&t.TrashedAt))
	}, "SELECT t.id, t.project_id, t.branch_id, b.text_id, t.name, t.deleted_at FROM tables t JOIN buckets b ON b.id = t.bucket_id WHERE "+w.SQL(), w.Args()...)
	if err != nil {
		return err
	}
	byID := map[int64]Table{}
	for _, t := range tables {
		byID[t.ID] = t
	}
	for _, j := range list {
		x := out[j.ID]
		t, there := byID[x.ID]
		switch {
		case x.ID == 0:
			continue
		case !there:
			x.State = Gone
		case t.ProjectID != scope.ID() || t.BranchID != scope.Branch(): // read through a bucket that is linked
			x.State, x.TextID = Here, j.Table
		case !t.TrashedAt.IsZero():
			x.State = InTrash
		default:
			x.State, x.TextID = Here, t.Bucket+"."+t.Name
		}
		out[j.ID] = x
	}
	return nil
}
