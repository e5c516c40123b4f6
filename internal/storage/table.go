package storage

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/storage/engine"
)

// Table is rows under named columns. Its text id is the bucket's and its name.
type Table struct {
	ID           int64
	BucketID     int64
	Bucket       string // text id
	Name         string
	TextID       string
	Description  string
	ProjectID    int64
	BranchID     int64
	Folder       string
	Location     string // the current Iceberg metadata
	Version      int64
	Rows         int64
	Bytes        int64
	Files        int64
	Deleted      int64 // rows that stand in the files without being in the table
	CreatedAt    time.Time
	CreatedBy    string
	ChangedAt    time.Time
	ChangedBy    string
	ChangedJobID int64
	Snapshots    int64     // how many are kept
	TrashedAt    time.Time // zero unless it is in the trash
}

// Column is one column of a table.
type Column struct {
	Name    string
	FieldID int64
	Key     int64 // its place in the primary key, from 1; 0 = it is no part of it
}

// Table finds a table of the scope's branch by its text id. NotFound if there is none.
func (s *Service) Table(tx *db.Tx, scope access.Project, id string) (Table, error) {
	if err := scope.Require(access.StorageRead, false); err != nil {
		return Table{}, err
	}
	bucket, name := SplitTable(id)
	return db.One(tx, scanTable, "SELECT "+tableColumns+" WHERE b.project_id = $1 AND b.branch_id = $2 AND b.text_id = $3 AND t.name = $4 AND t.deleted_at IS NULL", scope.ID(), scope.Branch(), bucket, name)
}

// tableByID finds a table of the scope's branch. NotFound if there is none, or if it is
// in the trash.
func (s *Service) tableByID(tx *db.Tx, scope access.Project, id int64) (Table, error) {
	return db.One(tx, scanTable, "SELECT "+tableColumns+" WHERE t.project_id = $1 AND t.branch_id = $2 AND t.id = $3 AND b.id = t.bucket_id AND t.deleted_at IS NULL", scope.ID(), scope.Branch(), id)
}

// anyTable finds a table for the program's own work, also one in the trash.
func anyTable(tx *db.Tx, id int64) (Table, error) {
	return db.One(tx, scanTable, "SELECT "+tableColumns+" WHERE t.id = $1 AND b.id = t.bucket_id", id)
}

// SplitTable takes in.c-x.y apart.
func SplitTable(id string) (bucket, name string) {
	dots := 0
	for i := range len(id) {
		if id[i] == '.' {
			if dots++; dots == 2 {
				return id[:i], id[i+1:]
			}
		}
	}
	return "", ""
}

// TableFilter selects tables of a bucket. Zero fields select all.
type TableFilter struct {
	Search string // part of the name
	After  string // name of the last one seen
	Limit  int
}

// Tables lists the tables of a bucket by name; a bucket that is not there has none.
func (s *Service) Tables(tx *db.Tx, scope access.Project, bucket string, f TableFilter) ([]Table, error) {
	if err := scope.Require(access.StorageRead, false); err != nil {
		return nil, err
	}
	var w db.Where
	w.And("b.project_id = ? AND b.branch_id = ? AND b.text_id = ? AND t.deleted_at IS NULL", scope.ID(), scope.Branch(), bucket)
	if f.Search != "" {
		w.And(`t.search LIKE ? ESCAPE '\'`, db.Like(f.Search))
	}
	if f.After != "" {
		w.And("t.name > ?", f.After)
	}
	return db.All(tx, scanTable, "SELECT "+tableColumns+" WHERE "+w.SQL()+fmt.Sprintf(" ORDER BY t.name LIMIT %d", f.Limit), w.Args()...)
}

// Inside gives the first tables of each of a few buckets, as Tables does of one, by the
// text ids of the buckets.
func (s *Service) Inside(tx *db.Tx, scope access.Project, buckets []string, limit int) (map[string][]Table, error) {
	if err := scope.Require(access.StorageRead, false); err != nil {
		return nil, err
	}
	out := map[string][]Table{}
	if len(buckets) == 0 {
		return out, nil
	}
	var parts []string
	args := []any{scope.ID(), scope.Branch()}
	for i, bucket := range buckets {
		args = append(args, bucket)
		parts = append(parts, fmt.Sprintf("SELECT * FROM (SELECT %s WHERE b.project_id = $1 AND b.branch_id = $2 AND b.text_id = $%d AND t.deleted_at IS NULL ORDER BY t.name LIMIT %d) AS x%d",
			tableColumns, len(args), limit, i))
	}
	all, err := db.All(tx, scanTable, strings.Join(parts, " UNION ALL "), args...)
	for _, t := range all {
		out[t.Bucket] = append(out[t.Bucket], t)
	}
	for _, tables := range out { // a union promises no order
		slices.SortFunc(tables, func(a, b Table) int { return strings.Compare(a.Name, b.Name) })
	}
	return out, err
}

// TableNames gives the first names of a bucket's tables. NotFound if there is no such
// bucket.
func (s *Service) TableNames(tx *db.Tx, scope access.Project, bucket string, limit int) ([]string, error) {
	if err := scope.Require(access.StorageRead, false); err != nil {
		return nil, err
	}
	const in = " WHERE b.project_id = $1 AND b.branch_id = $2 AND b.text_id = $3 AND b.deleted_at IS NULL"
	names, err := db.All(tx, func(r db.Row) (name string, err error) { return name, r.Scan(&name) },
		"SELECT '' AS name FROM buckets b"+in+" UNION ALL SELECT name FROM (SELECT t.name FROM "+readable+in+fmt.Sprintf(" AND t.deleted_at IS NULL ORDER BY t.name LIMIT %d) AS x", limit),
		scope.ID(), scope.Branch(), bucket)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fault.New(fault.NotFound, "notFound", "Not found.")
	}
	slices.Sort(names) // the bucket itself has the empty one
	return names[1:], nil
}

// Columns gives a table's columns in order.
func (s *Service) Columns(tx *db.Tx, t Table) ([]Column, error) {
	return db.All(tx, func(r db.Row) (Column, error) {
		var c Column
		return c, r.Scan(&c.Name, &c.FieldID, &c.Key)
	}, "SELECT name, field_id, key_order FROM table_columns WHERE table_id = $1 ORDER BY position", t.ID)
}

// View opens the current version of a table for reading. The caller closes it. It
// shows one version, whatever is loaded meanwhile.
func (s *Service) View(ctx context.Context, scope access.Project, t Table) (*engine.View, error) {
	if err := scope.Require(access.StorageRead, false); err != nil {
		return nil, err
	}
	return s.engine.Open(ctx, t.Location)
}

// Preview gives rows of a table's current version, at most q.Limit. Invalid for a
// column that the table does not have.
func (s *Service) Preview(ctx context.Context, scope access.Project, t Table, q engine.Query) (*engine.Result, error) {
	v, err := s.View(ctx, scope, t)
	if err != nil {
		return nil, err
	}
	return s.preview(ctx, scope, t, v, q, "rows of table "+t.TextID)
}

// PreviewVersion is Preview of any version. Conflict when its rows are not kept any more.
func (s *Service) PreviewVersion(ctx context.Context, scope access.Project, t Table, v Version, q engine.Query) (*engine.Result, error) {
	view, err := s.ViewVersion(ctx, scope, t, v)
	if err != nil {
		return nil, err
	}
	return s.preview(ctx, scope, t, view, q, fmt.Sprintf("rows of version %d of table %s", v.Number, t.TextID))
}

func (s *Service) preview(ctx context.Context, scope access.Project, t Table, v *engine.View, q engine.Query, what string) (*engine.Result, error) {
	defer func() { _ = v.Close() }()
	res, err := v.Find(ctx, q)
	if err != nil {
		return nil, changeFault(t, err)
	}
	for i := range res.Rows {
		res.Rows[i].Place = placeIn(v, res.Rows[i].Place)
	}
	s.reads.Note(ctx, audit.In(scope, "storage.tablePreviewed", "table", t.TextID, t.TextID).Says("%s looked at %s.", scope.Actor().Name, what))
	return res, nil
}

const tableColumns = `t.id, t.bucket_id, b.text_id, t.name, t.description, t.folder, t.location, t.version, t.rows_count, t.size_bytes, t.files_count,
	t.created_at, u.name, t.changed_at, t.changed_by, t.changed_job_id, t.project_id, t.branch_id, t.deleted_rows, t.deleted_at,
	(SELECT count(*) FROM snapshots n WHERE n.table_id = t.id AND n.deleted_at IS NULL) FROM ` + readable + ` LEFT JOIN users u ON u.id = t.created_by`

func scanTable(r db.Row) (Table, error) {
	var t Table
	err := r.Scan(&t.ID, &t.BucketID, &t.Bucket, &t.Name, &t.Description, &t.Folder, &t.Location, &t.Version, &t.Rows, &t.Bytes, &t.Files,
		db.Time(&t.CreatedAt), db.Null(&t.CreatedBy), db.Time(&t.ChangedAt), &t.ChangedBy, &t.ChangedJobID,
		&t.ProjectID, &t.BranchID, &t.Deleted, db.Time(&t.TrashedAt), &t.Snapshots)
	t.TextID = t.Bucket + "." + t.Name
	return t, err
}
