package jobs

import (
	"steward/internal/access"
	"steward/internal/db"
)

// Wrote is Get with the table that the job wrote; the use is zero when it wrote none.
func (s *Service) Wrote(tx *db.Tx, scope access.Project, id int64) (Job, TableUse, error) {
	var u TableUse
	j, err := db.One(tx, func(r db.Row) (Job, error) {
		return scan(longer{r, []any{db.Null(&u.TableID), db.Null(&u.VersionBefore), db.Null(&u.VersionAfter)}})
	}, "SELECT "+columns+`, table_id, version_before, version_after FROM jobs LEFT JOIN job_tables ON job_id = id AND direction = 'write'
		WHERE id = $1 AND project_id = $2 AND branch_id = $3 AND class = 'storage' ORDER BY table_id LIMIT 1`, id, scope.ID(), scope.Branch())
	if err != nil {
		return Job{}, TableUse{}, err
	}
	u.Write = u.TableID != 0
	return j, u, scope.Require(access.StorageJobsRead, j.UserID == scope.Actor().UserID)
}

// longer is a row with more columns than are asked for: the rest goes to more.
type longer struct {
	db.Row
	more []any
}

func (l longer) Scan(dest ...any) error { return l.Row.Scan(append(dest, l.more...)...) }
