package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/apache/iceberg-go/table"
)

// Expire is the request to forget snapshots of a table.
type Expire struct {
	Folder string
	Base   string   // metadata location of the table as it is
	Keep   []int64  // snapshots that stay, besides the current one and pinned ones
	Unpin  []string // names of pins that end with it; those that are not there do not matter
	// Used is the moment since when snapshots that were current may still be read: those
	// that were it later stay. With none, only Keep counts.
	Used time.Time
}

// Expire stages that the snapshots that are not kept are forgotten, and the
// metadata files before the one at Base. Their files stay until [Engine.Sweep]
// removes them. If there is nothing to forget, nothing changes.
//
// Fails with blob.ErrNotFound if there is no table at Base.
func (e *Engine) Expire(ctx context.Context, x Expire) (*Staged, error) {
	return e.stage(ctx, func(files *files) (*Staged, error) {
		t, err := tableIn(files, x.Folder, x.Base)
		if err != nil {
			return nil, err
		}
		ended := x.ended(t)
		forgotten := x.forgotten(t)
		if len(ended)+len(forgotten) == 0 && len(slices.Collect(t.Metadata().PreviousFiles())) <= 1 {
			return unchanged(ctx, files, t)
		}
		b, err := table.MetadataBuilderFromBase(t.Metadata(), x.Base)
		if err != nil {
			return nil, fmt.Errorf("engine: expire %s: %w", x.Folder, err)
		}
		for _, name := range ended {
			if err := b.RemoveSnapshotRef(name); err != nil {
				return nil, fmt.Errorf("engine: expire %s: %w", x.Folder, err)
			}
		}
		// Of no snapshots too, because only what has changes logs what was before.
		if err := b.RemoveSnapshots(forgotten, false); err != nil {
			return nil, fmt.Errorf("engine: expire %s: %w", x.Folder, err)
		}
		meta, err := b.TrimMetadataLogs(0).Build()
		if err != nil {
			return nil, fmt.Errorf("engine: expire %s: %w", x.Folder, err)
		}
		return stageWritten(ctx, files, meta, x.Base)
	})
}

// forgotten returns the snapshots that are not kept.
func (x Expire) forgotten(t *table.Table) []int64 {
	keep := make(map[int64]bool, len(x.Keep))
	for _, id := range x.Keep {
		keep[id] = true
	}
	for name, ref := range t.Metadata().Refs() {
		if !slices.Contains(x.Unpin, name) || name == table.MainBranch {
			keep[ref.SnapshotID] = true // the current one, too
		}
	}
	for id, until := range currentUntil(t) {
		if !x.Used.IsZero() && until.After(x.Used) {
			keep[id] = true
		}
	}
	var forgotten []int64
	for _, s := range t.Metadata().Snapshots() {
		if !keep[s.SnapshotID] {
			forgotten = append(forgotten, s.SnapshotID)
		}
	}
	return forgotten
}

// currentUntil tells of the snapshots that were the current one until when they were it.
// The last one may still be, or no more since an unknown moment.
func currentUntil(t *table.Table) map[int64]time.Time {
	until := make(map[int64]time.Time)
	var last int64
	for entry := range t.Metadata().SnapshotLogs() {
		until[last] = time.UnixMilli(entry.TimestampMs)
		last = entry.SnapshotID
	}
	until[last] = time.Now()
	return until
}

// ended returns the pins that there are to end.
func (x Expire) ended(t *table.Table) []string {
	there := pins(t)
	return slices.DeleteFunc(slices.Clone(x.Unpin), func(name string) bool { _, ok := there[name]; return !ok })
}
