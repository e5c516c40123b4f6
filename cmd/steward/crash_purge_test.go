//go:build crash

package main

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"steward/internal/app"
	"steward/internal/db"
)

// deleteProject makes the project one that was deleted and whose grace is over.
func deleteProject(t *testing.T, _ *stepsWorld, data string) {
	t.Helper()
	change(t, data, "UPDATE projects SET state = 'deleted', deleted_at = 1, deleted_by = 'Ada', purge_at = 1")
}

// purgedProject is what is left of a project: while it is not purged no more than that,
// because each step of a purge leaves less; and then nothing but its row.
func purgedProject(t *testing.T, a *app.App) string {
	t.Helper()
	var b strings.Builder
	err := a.DB.View(context.Background(), func(tx *db.Tx) error {
		state, err := db.Value[string](tx, "SELECT state FROM projects")
		if b.WriteString(state); err != nil || state != "purged" {
			return err
		}
		for _, table := range []string{"buckets", "tables", "table_columns", "versions", "snapshots", "metadata", "trash", "files", "memberships", "tokens", "invitations", "purged_folders"} {
			n, err := db.Value[int64](tx, "SELECT count(*) FROM "+table)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, ", %d %s", n, table)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// nothingStored: of a purged project the store has not even empty folders.
func nothingStored(t *testing.T, data string) {
	t.Helper()
	store := filepath.Join(data, "store")
	each(t, store, func(path string, e fs.DirEntry) {
		if !e.IsDir() || path != store && filepath.Dir(path) != store {
			t.Errorf("%s is left", path)
		}
	})
}
