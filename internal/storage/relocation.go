package storage

import (
	"context"
	"errors"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage/engine"
)

// relocate makes metadata current that shows the same rows and columns: no version.
func (s *Service) relocate(ctx context.Context, run *jobs.Run, t Table, st *engine.Staged, also func(*db.Tx, access.Project) (jobs.Result, error)) error {
	err := s.flip(ctx, run, func(tx *db.Tx) error {
		scope, err := jobScope(tx, run.Job)
		if err != nil {
			return err
		}
		if err := relocate(tx, t, st); err != nil {
			return err
		}
		res, err := also(tx, scope)
		if err != nil {
			return err
		}
		return run.Complete(tx, res)
	})
	return s.giveUp(ctx, t, st, err)
}

// giveUp removes what was staged when its commit failed for certain, and returns err.
func (s *Service) giveUp(ctx context.Context, t Table, st *engine.Staged, err error) error {
	if err != nil && !db.Uncertain(err) && st.Location != t.Location {
		err = errors.Join(err, s.engine.Discard(context.WithoutCancel(ctx), st))
	}
	return err
}

// relocate moves a table's pointer to metadata that shows the same rows and columns.
func relocate(tx *db.Tx, t Table, st *engine.Staged) error {
	if st.Location == t.Location {
		return nil
	}
	n, err := tx.Exec("UPDATE tables SET location = $3, size_bytes = $4, files_count = $5, deleted_rows = $6 WHERE id = $1 AND location = $2",
		t.ID, t.Location, st.Location, st.Bytes, st.Files, st.Deleted)
	if err != nil {
		return err
	}
	if n != 1 {
		return fault.Newf(fault.Conflict, "storage.tables.moved", "Table %s changed meanwhile. This job changed nothing.", t.TextID)
	}
	if st.Bytes == t.Bytes {
		return nil
	}
	// The bucket that it is in now: it may have come back from the trash meanwhile.
	_, err = tx.Exec("UPDATE buckets SET size_bytes = size_bytes + $2 WHERE id = (SELECT bucket_id FROM tables WHERE id = $1 AND deleted_at IS NULL)", t.ID, st.Bytes-t.Bytes)
	return err
}
