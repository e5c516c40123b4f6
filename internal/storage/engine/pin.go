package engine

import (
	"context"
	"fmt"

	"github.com/apache/iceberg-go/table"
)

// Pin is the request to keep a snapshot of a table whatever is forgotten, or to
// end that. Several pins can keep one snapshot.
type Pin struct {
	Folder   string
	Base     string // metadata location of the table as it is
	Name     string // of the pin, unique in the table; not "main"
	Snapshot int64  // not looked at by Unpin; 0, the table without rows, needs no pin
}

// Pin stages a tag that keeps a snapshot: [Engine.Expire] never forgets it. A pin
// of the same name moves.
//
// Fails with ErrNoSnapshot if the table does not have the snapshot, with
// blob.ErrNotFound if there is no table at Base.
func (e *Engine) Pin(ctx context.Context, p Pin) (*Staged, error) {
	return e.stage(ctx, func(files *files) (*Staged, error) {
		t, err := p.table(files)
		if err != nil {
			return nil, err
		}
		if _, _, err := version(t, p.Snapshot, t.Schema().ID); err != nil {
			return nil, err
		}
		var updates []table.Update
		if held, pinned := pins(t)[p.Name]; p.Snapshot != 0 && (!pinned || held != p.Snapshot) {
			updates = []table.Update{table.NewSetSnapshotRefUpdate(p.Name, p.Snapshot, table.TagRef, 0, 0, 0)}
		}
		return stageMetadata(ctx, files, t, updates)
	})
}

// Unpin stages the end of a pin. If there is none of this name, nothing changes.
//
// Fails with blob.ErrNotFound if there is no table at Base.
func (e *Engine) Unpin(ctx context.Context, p Pin) (*Staged, error) {
	return e.stage(ctx, func(files *files) (*Staged, error) {
		t, err := p.table(files)
		if err != nil {
			return nil, err
		}
		var updates []table.Update
		if _, pinned := pins(t)[p.Name]; pinned {
			updates = []table.Update{table.NewRemoveSnapshotRefUpdate(p.Name)}
		}
		return stageMetadata(ctx, files, t, updates)
	})
}

func (p Pin) table(files *files) (*table.Table, error) {
	if p.Name == "" || p.Name == table.MainBranch {
		return nil, fmt.Errorf("engine: %q cannot be the name of a pin", p.Name)
	}
	return tableIn(files, p.Folder, p.Base)
}

// pins returns the snapshots that a table keeps whatever happens, by the name
// of their pin.
func pins(t *table.Table) map[string]int64 {
	pins := make(map[string]int64)
	for name, ref := range t.Metadata().Refs() {
		if name != table.MainBranch {
			pins[name] = ref.SnapshotID
		}
	}
	return pins
}
