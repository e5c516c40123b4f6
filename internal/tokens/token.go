// Package tokens is the storage tokens of projects. So far it keeps the master token
// that each member has: what a member does is done by it, and events name it. It has
// no secret yet.
package tokens

import (
	"steward/internal/db"
)

// Master makes the master token of a new member of a project. Its description is the
// person's address.
func Master(tx *db.Tx, project, user int64, email string) (int64, error) {
	id, err := tx.NewID("tokens")
	if err != nil {
		return 0, err
	}
	_, err = tx.Exec(`INSERT INTO tokens (id, project_id, user_id, description, is_master, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		id, project, user, email, true, tx.Now)
	return id, err
}

// EndMaster deletes the master token of somebody who leaves a project.
func EndMaster(tx *db.Tx, project, user int64) error {
	_, err := tx.Exec("UPDATE tokens SET deleted_at = $3 WHERE project_id = $1 AND user_id = $2 AND is_master AND deleted_at IS NULL", project, user, tx.Now)
	return err
}
