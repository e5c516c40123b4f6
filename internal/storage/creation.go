package storage

import (
	"context"
	"fmt"

	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/storage/engine"
)

// creation is what a job that makes a table does.
type creation struct {
	stage       func(ctx context.Context, folder string) (*engine.Staged, error)
	key         []string
	description string
	reads       jobs.TableUse // another table; zero for none
	event       string        // name
	says        func(Table) string
}

// run makes the table that a job asks for. It comes into being with the job's end.
func (n creation) run(ctx context.Context, s *Service, run *jobs.Run) error {
	j := run.Job
	bucket, name := SplitTable(j.Table)
	base := Table{Bucket: bucket, Name: name, TextID: j.Table, Description: n.description}
	err := s.db.Update(ctx, func(tx *db.Tx) error {
		scope, err := jobScope(tx, j)
		if err != nil {
			return err
		}
		if err := s.free(tx, scope, bucket, name); err != nil {
			return err
		}
		if base.ID, err = tx.NewID("tables"); err != nil {
			return err
		}
		base.Folder = fmt.Sprintf("tables/%d", base.ID)
		return nil
	})
	if err != nil {
		return err
	}
	st, err := n.stage(ctx, base.Folder)
	if err != nil {
		return changeFault(base, err)
	}
	err = s.flip(ctx, run, func(tx *db.Tx) error {
		scope, err := jobScope(tx, j)
		if err != nil {
			return err
		}
		t, err := s.move(tx, scope, move{job: j, base: base, staged: st, key: n.key})
		if err != nil {
			return err
		}
		if n.reads.TableID != 0 {
			if err := jobs.Uses(tx, j.ID, n.reads); err != nil {
				return err
			}
		}
		if err := jobs.Uses(tx, j.ID, jobs.TableUse{TableID: t.ID, Write: true, VersionAfter: t.Version}); err != nil {
			return err
		}
		results := map[string]any{"rowsAdded": st.Added, "rowsInTable": t.Rows, "version": t.Version}
		res, err := told(tx, scope, run, n.event, t, n.says(t), results)
		if err != nil {
			return err
		}
		return run.Complete(tx, res)
	})
	return s.giveUp(ctx, base, st, err)
}
