package storage

import (
	"fmt"
	"slices"
	"strings"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
)

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
