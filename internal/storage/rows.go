package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage/engine"
)

// conditionsMax is how many conditions may choose rows.
const conditionsMax = 20

// deleteParams is a delete of rows as a job keeps and shows it.
type deleteParams struct {
	Where    []filterParams `json:"whereFilters"`
	Truncate bool           `json:"allowTruncate"`
	From     int64          `json:"fromVersion,omitempty"` // the version that the rows were counted in
}

// filterParams is a condition as a job keeps and shows it.
type filterParams struct {
	Column   string `json:"column"`
	Operator string `json:"operator"`
	Value    string `json:"value,omitempty"`
	Number   bool   `json:"asNumber,omitempty"`
}

func filtersOf(where []engine.Condition) []filterParams {
	out := []filterParams{}
	for _, c := range where {
		out = append(out, filterParams{c.Column, string(c.Op), c.Value, c.Number})
	}
	return out
}

func conditionsOf(filters []filterParams) []engine.Condition {
	var out []engine.Condition
	for _, f := range filters {
		out = append(out, engine.Condition{Column: f.Column, Op: engine.Op(f.Operator), Value: f.Value, Number: f.Number})
	}
	return out
}

// CountRows tells how many rows of a table satisfy conditions.
func (s *Service) CountRows(ctx context.Context, scope access.Project, t Table, where []engine.Condition) (int64, error) {
	v, err := s.View(ctx, scope, t)
	if err != nil {
		return 0, err
	}
	defer func() { _ = v.Close() }()
	n, err := v.Count(ctx, where)
	if err != nil {
		return 0, changeFault(t, err)
	}
	return n, nil
}

// DeleteRows enqueues the job that deletes the rows that satisfy all conditions. Without
// conditions all rows go, which truncate must allow. from is the version that was
// current when the person saw how many rows that is: Conflict if the table has moved on;
// 0 = whatever it is.
func (s *Service) DeleteRows(tx *db.Tx, scope access.Project, table string, where []engine.Condition, truncate bool, from int64) (jobs.Job, error) {
	t, err := s.writable(tx, scope, access.TablesWrite, table)
	if err != nil {
		return jobs.Job{}, err
	}
	columns, err := s.Columns(tx, t)
	if err != nil {
		return jobs.Job{}, err
	}
	switch {
	case len(where) == 0 && !truncate:
		return jobs.Job{}, fault.New(fault.Invalid, "storage.tables.allRows", "Without a condition all rows would go. Say so, or add a condition.")
	case len(where) > conditionsMax:
		return jobs.Job{}, fault.New(fault.Invalid, "storage.tables.query", "Use at most 20 conditions.")
	case from != 0 && from != t.Version:
		return jobs.Job{}, moved(t, from)
	}
	for _, c := range where {
		if !hasColumn(columns, c.Column) {
			return jobs.Job{}, unknownColumn(table, c.Column)
		}
	}
	asks := fmt.Sprintf("delete all rows of table %s", table)
	if len(where) > 0 {
		asks = fmt.Sprintf("delete the rows of table %s where %s", table, whereText(where))
	}
	return s.enqueue(tx, scope, TableRowsDelete, table, deleteParams{filtersOf(where), truncate, from}, asks)
}

// whereText says conditions in words.
func whereText(where []engine.Condition) string {
	words := map[engine.Op]string{engine.Equal: "is", engine.NotEqual: "is not", engine.Less: "is less than", engine.LessOrEqual: "is at most",
		engine.Greater: "is more than", engine.GreaterOrEqual: "is at least", engine.Contains: "contains", engine.StartsWith: "starts with",
		engine.IsNull: "has no value", engine.IsNotNull: "has a value"}
	var parts []string
	for _, c := range where {
		part := excerpt(c.Column) + " " + words[c.Op]
		if c.Op != engine.IsNull && c.Op != engine.IsNotNull {
			part += fmt.Sprintf(" %q", excerpt(c.Value))
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " and ")
}

// RunDeleteRows is the work of deleting rows.
func (s *Service) RunDeleteRows(ctx context.Context, run *jobs.Run) error {
	var p deleteParams
	if err := decode(run.Job, &p); err != nil {
		return err
	}
	where := conditionsOf(p.Where)
	return change{
		stage: func(ctx context.Context, t Table) (*engine.Staged, error) {
			if len(where) == 0 && !p.Truncate {
				return nil, fault.New(fault.Invalid, "storage.tables.allRows", "Without a condition all rows would go.")
			}
			if p.From != 0 && p.From != t.Version {
				return nil, moved(t, p.From)
			}
			return s.engine.Delete(ctx, engine.Delete{Folder: t.Folder, Base: t.Location, Where: where, Job: run.Job.ID,
				Progress: func(rows int64) { run.Progress(rows, 0) }})
		},
		event: "tableRowsDeleted", key: keepKey,
		says: func(_, t Table, st *engine.Staged) string {
			switch {
			case st.Removed == 0:
				return fmt.Sprintf("deleted no rows of table %s: none fits", t.TextID)
			case len(where) == 0:
				return fmt.Sprintf("deleted all %d rows of table %s", st.Removed, t.TextID)
			}
			return fmt.Sprintf("deleted %d rows of table %s where %s", st.Removed, t.TextID, whereText(where))
		},
	}.run(ctx, s, run)
}

// placeIn makes a row's place in a view one that is told apart from that of another
// view: where rows stand changes when the files of a version are rewritten.
func placeIn(v *engine.View, place string) string {
	if place == "" {
		return ""
	}
	return fmt.Sprintf("%s-%x", place, v.SnapshotID())
}

// Origin is where a row came from.
type Origin struct {
	Row     *engine.Row
	Columns []string
	Job     jobs.Job      // the one that wrote the row; zero when it is not known here
	Wrote   jobs.TableUse // the table that it wrote, which this one may be a copy of
	File    File          // zero when the job loaded none, or when it is not kept any more
}

// Origin tells of a row of a version, by its place, who wrote it and from what.
// NotFound if there is no such row, or not there any more because the files of the
// version were rewritten.
func (s *Service) Origin(ctx context.Context, scope access.Project, t Table, v Version, place string) (Origin, error) {
	view, err := s.ViewVersion(ctx, scope, t, v)
	if err != nil {
		return Origin{}, err
	}
	defer func() { _ = view.Close() }()
	inView, _, _ := strings.Cut(place, "-")
	if placeIn(view, inView) != place {
		return Origin{}, fault.New(fault.NotFound, "storage.rows.moved", "The rows of the table were stored anew meanwhile. Choose the row again.")
	}
	row, err := view.Row(ctx, inView)
	if errors.Is(err, engine.ErrNoRow) {
		return Origin{}, fault.Newf(fault.NotFound, "storage.rows.notFound", "Version %d of table %s has no such row.", v.Number, t.TextID)
	}
	if err != nil {
		return Origin{}, err
	}
	o := Origin{Row: row}
	for _, c := range view.Columns() {
		o.Columns = append(o.Columns, c.Name)
	}
	if err := s.db.View(ctx, func(tx *db.Tx) error { return s.writer(tx, scope, &o) }); err != nil {
		return Origin{}, err
	}
	s.reads.Note(ctx, audit.In(scope, "storage.rowTraced", "table", t.TextID, t.TextID).Says("%s looked up where a row of table %s came from.", scope.Actor().Name, t.TextID))
	return o, nil
}

// writer finds the job that wrote a row, and what it wrote it from.
func (s *Service) writer(tx *db.Tx, scope access.Project, o *Origin) (err error) {
	if o.Job, o.Wrote, err = s.jobs.Wrote(tx, scope, o.Row.Job); err != nil {
		return unlessMissing(err)
	}
	if o.Job.FileID != 0 {
		o.File, err = s.File(tx, scope, o.Job.FileID)
	}
	return unlessMissing(err)
}

func unlessMissing(err error) error {
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}
