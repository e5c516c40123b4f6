package engine

import (
	"context"

	"github.com/apache/iceberg-go/table"
)

// Restore is the request to make another version of a table the current one.
type Restore struct {
	Folder   string
	Base     string // metadata location of the table as it is
	Snapshot int64  // 0 for the table without rows
	Schema   int    // one that the table had
	Job      int64
}

// Restore stages a snapshot of the table under one of its schemas, whether it
// is older or newer than the current one. No row is read or written, so that it
// takes the same time for any table. All other snapshots stay.
//
// Fails with ErrNoSnapshot if the table does not have the snapshot or the
// schema, with blob.ErrNotFound if there is no table at Base.
func (e *Engine) Restore(ctx context.Context, r Restore) (*Staged, error) {
	return e.stage(ctx, func(files *files) (*Staged, error) {
		t, err := tableIn(files, r.Folder, r.Base)
		if err != nil {
			return nil, err
		}
		if _, _, err := version(t, r.Snapshot, r.Schema); err != nil {
			return nil, err
		}
		var updates []table.Update
		current := t.CurrentSnapshot()
		switch {
		case r.Snapshot == 0 && current != nil:
			updates = append(updates, table.NewRemoveSnapshotRefUpdate(table.MainBranch))
		case r.Snapshot != 0 && (current == nil || current.SnapshotID != r.Snapshot):
			updates = append(updates, table.NewSetSnapshotRefUpdate(table.MainBranch, r.Snapshot, table.BranchRef, 0, 0, 0))
		}
		if r.Schema != t.Schema().ID {
			updates = append(updates, table.NewSetCurrentSchemaUpdate(r.Schema))
		}
		if len(updates) > 0 {
			updates = append(updates, property("restored", r.Job))
		}
		return stageMetadata(ctx, files, t, updates)
	})
}
