package app_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/tenancy"
)

// crowd gives a project very much of everything: tables, versions of one of them, files,
// people and invitations.
func (h *house) crowd() {
	h.t.Helper()
	file := h.upload("one.csv")
	if _, err := h.load(file, "t"); err != nil {
		h.t.Fatal(err)
	}
	if err := h.App.Jobs.Drain(h.t.Context(), jobs.Storage); err != nil {
		h.t.Fatal(err)
	}
	h.Update(func(tx *db.Tx) error {
		for i := range 250 {
			if _, err := tx.Exec(`INSERT INTO tables (id, project_id, branch_id, bucket_id, name, text_id, search, description, folder, location, version, rows_count, size_bytes, files_count, created_at, changed_at, changed_by, changed_job_id, deleted_at)
				SELECT CAST($1 AS BIGINT), project_id, branch_id, bucket_id, name || CAST(CAST($1 AS BIGINT) AS TEXT), text_id || CAST(CAST($1 AS BIGINT) AS TEXT), search, '', 'tables/' || CAST(CAST($1 AS BIGINT) AS TEXT), location, version, 0, 0, 0, created_at, changed_at, changed_by, changed_job_id, created_at FROM tables WHERE name = 't'`, int64(10_000+i)); err != nil {
				return err
			}
		}
		for i := range 5000 {
			if _, err := tx.Exec(`INSERT INTO versions (table_id, number, snapshot_id, schema_id, location, operation, job_id, actor_name, rows_added, rows_removed, rows_count, size_bytes, columns, created_at, expired_at)
				SELECT 10000, CAST($1 AS BIGINT), snapshot_id, schema_id, location, operation, job_id, actor_name, 0, 0, 0, 0, columns, created_at, created_at FROM versions LIMIT 1`, int64(i+2)); err != nil {
				return err
			}
		}
		for i := range 1200 {
			if _, err := tx.Exec(`INSERT INTO files (id, project_id, branch_id, name, size_bytes, sha256, compression, blob_key, actor_name, created_at, expires_at, removed_at, swept)
				SELECT CAST($1 AS BIGINT), project_id, branch_id, name, size_bytes, sha256, compression, blob_key || CAST(CAST($1 AS BIGINT) AS TEXT), actor_name, created_at, expires_at, created_at, TRUE FROM files WHERE id = $2`, int64(100_000+i), file); err != nil {
				return err
			}
			if _, err := tx.Exec("INSERT INTO tokens (id, project_id, description, is_master, created_at, deleted_at) VALUES ($1, $2, 'x', FALSE, 1, 1)", int64(100_000+i), h.scope.ID()); err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO invitations (id, project_id, user_id, email, role, reason, days, newcomer, state, created_at, created_by, expires_at, ended_at) VALUES ($1, $2, $3, 'x@example.com', 'guest', '', 7, FALSE, 'declined', 1, $3, 1, 1)`,
				int64(100_000+i), h.scope.ID(), h.scope.Actor().UserID); err != nil {
				return err
			}
		}
		return nil
	})
}

// left is how many rows of a project there are.
func (h *house) left() (n int64) {
	h.t.Helper()
	for _, table := range []string{"tables", "buckets", "files", "memberships", "tokens", "invitations", "purged_folders"} {
		n += h.value("SELECT count(*) FROM "+table+" WHERE project_id = $1", h.scope.ID())
	}
	return n + h.value("SELECT count(*) FROM versions") + h.value("SELECT count(*) FROM table_columns")
}

// TestPurgeMuch: a large project is purged by many small transactions, is stopped in between
// and then goes on.
func TestPurgeMuch(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.crowd()
	h.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE projects SET state = 'deleted', deleted_at = 1, deleted_by = 'Ada', purge_at = 1 WHERE id = $1", h.scope.ID())
	})
	root := h.SuperAdmin("Vera")
	before := h.left()
	if err := h.App.Tenancy.Expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { h.App.Jobs.Work(ctx, 0) })
	for h.left() > before-3000 { // some of its versions are gone
		time.Sleep(time.Millisecond)
	}
	h.Update(func(tx *db.Tx) error { return h.App.Tenancy.StopPurge(tx, root.Actor(), h.scope.ID()) })
	for h.value("SELECT count(*) FROM jobs WHERE operation = $1 AND state = 'error'", tenancy.ProjectPurge) == 0 {
		time.Sleep(time.Millisecond)
	}
	stop()
	wg.Wait()
	half := h.left()
	if half == 0 || h.value("SELECT count(*) FROM projects WHERE state = 'purged'") != 0 {
		t.Fatalf("it was not stopped: %d of %d rows are left", half, before)
	}
	again := func() {
		if err := h.App.Tenancy.Expire(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := h.App.Jobs.Drain(t.Context(), jobs.System); err != nil {
			t.Fatal(err)
		}
	}
	h.Clock.Forward(23 * time.Hour)
	if again(); h.left() != half {
		t.Error("it goes on by itself within a day")
	}
	c := h.SignIn(root) // who starts it before
	action, form := c.Get("/admin/projects/1").Want(http.StatusOK).Form("/admin/projects/1/purge")
	form.Set("confirm", "House")
	c.Post(action, form).Want(http.StatusSeeOther)
	again()
	if n := h.left(); n != 0 || h.value("SELECT count(*) FROM projects WHERE state = 'purged'") != 1 {
		t.Errorf("%d of %d rows are left", n, before)
	}
}
