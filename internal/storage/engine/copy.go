package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/apache/iceberg-go/table/dv"
	"github.com/google/uuid"
)

// Copy is the request to make a new table of a version of another one.
type Copy struct {
	Location string // metadata location of the table that is copied
	Snapshot int64  // 0 for the table without rows
	Schema   int    // one that the table had
	Folder   string // for the files of the new table
	Job      int64
}

// Copy stages a new table, whose Base is "". Its rows keep their _timestamp and
// _job, and their order. The data files are linked, not written again, so that a
// copy takes little time and room; yet the tables live on independently.
//
// The columns keep their ids, and ids that the table ever gave are not given
// again: what stands in the files of dropped columns never comes to light.
//
// Fails with ErrNoSnapshot if the table does not have the snapshot or the
// schema, with blob.ErrNotFound if there is no table at Location.
func (e *Engine) Copy(ctx context.Context, c Copy) (*Staged, error) {
	return e.stage(ctx, func(files *files) (*Staged, error) {
		source, err := loadTable(files, c.Location)
		if err != nil {
			return nil, err
		}
		if source, err = files.pastOf(source); err != nil {
			return nil, err
		}
		snapshot, _, err := version(source, c.Snapshot, c.Schema)
		if err != nil {
			return nil, err
		}
		live, err := liveFiles(ctx, source, snapshot)
		if err != nil {
			return nil, err
		}
		meta, err := c.metadata(source)
		if err != nil {
			return nil, fmt.Errorf("engine: copy %s to %s: %w", c.Location, c.Folder, err)
		}
		t := tableOf(files, meta, "")
		change, err := c.link(files, t, live)
		if err != nil {
			return nil, fmt.Errorf("engine: copy %s to %s: %w", c.Location, c.Folder, err)
		}
		if !change.any() {
			return stageWritten(ctx, files, meta, "")
		}
		staged, err := stageEdit(ctx, files, t, nil, change, c.Job)
		if err != nil {
			return nil, err
		}
		staged.Added = staged.Rows
		return staged, nil
	})
}

// metadata returns the metadata of the new table, which is that of the source
// but for its history.
func (c Copy) metadata(source *table.Table) (table.Metadata, error) {
	b, err := table.MetadataBuilderFromBase(source.Metadata(), "")
	if err != nil {
		return nil, err
	}
	if err := b.SetUUID(uuid.New()); err != nil {
		return nil, err
	}
	if err := b.SetLoc(scheme + c.Folder); err != nil {
		return nil, err
	}
	if err := b.SetCurrentSchemaID(c.Schema); err != nil {
		return nil, err
	}
	var schemas []int
	for id := range source.Schemas() {
		if id != c.Schema {
			schemas = append(schemas, id)
		}
	}
	if err := b.RemoveSchemas(schemas); err != nil {
		return nil, err
	}
	for name := range source.Metadata().Refs() {
		if err := b.RemoveSnapshotRef(name); err != nil {
			return nil, err
		}
	}
	var snapshots []int64
	for _, s := range source.Metadata().Snapshots() {
		snapshots = append(snapshots, s.SnapshotID)
	}
	if err := b.RemoveSnapshots(snapshots, false); err != nil {
		return nil, err
	}
	var jobs []string
	for key := range source.Properties() {
		if strings.HasPrefix(key, jobProperty) {
			jobs = append(jobs, key)
		}
	}
	if err := b.RemoveProperties(jobs); err != nil {
		return nil, err
	}
	if err := property("created", c.Job).Apply(b); err != nil {
		return nil, err
	}
	return b.TrimMetadataLogs(0).Build()
}

// link makes data files of another table available to the table t, and returns
// the edit that adds them without the rows that are deleted.
func (c Copy) link(files *files, t *table.Table, live []liveFile) (edit, error) {
	change := edit{deleted: make(map[string]*dv.RoaringPositionBitmap)}
	row := t.Metadata().NextRowID()
	for _, f := range live {
		location := t.Location() + "/data/" + renamed(f.data.FilePath())
		if err := files.link(f.data.FilePath(), location); err != nil {
			return edit{}, err
		}
		b, err := iceberg.NewDataFileBuilder(*iceberg.UnpartitionedSpec, iceberg.EntryContentData, location,
			f.data.FileFormat(), nil, nil, nil, f.data.Count(), f.data.FileSizeBytes())
		if err != nil {
			return edit{}, err
		}
		change.added = append(change.added, b.ColumnSizes(f.data.ColumnSizes()).ValueCounts(f.data.ValueCounts()).
			NullValueCounts(f.data.NullValueCounts()).SplitOffsets(f.data.SplitOffsets()).FirstRowID(row).Build())
		row += f.data.Count()
		if f.deletes != nil {
			if change.deleted[location], err = dv.ReadDV(files, f.deletes); err != nil {
				return edit{}, err
			}
		}
	}
	return change, nil
}
