package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// stage runs a change, and takes back all its files should it fail.
func (e *Engine) stage(ctx context.Context, change func(*files) (*Staged, error)) (*Staged, error) {
	files := newFiles(ctx, e.store)
	files.largeFile = e.options.FileSize / 2
	files.told = e.options.Staging
	staged, err := change(files)
	if err != nil {
		// The reason to stop may be that the context ended.
		return nil, errors.Join(err, files.discard(context.WithoutCancel(ctx)))
	}
	// Whoever opens the table next wants to know just this.
	e.views.put(viewKey{location: staged.Location, current: true}, staged.shown, staged.shown.size())
	return staged, nil
}

// tableIn reads the metadata at base of the table that lies in folder.
func tableIn(files *files, folder, base string) (*table.Table, error) {
	t, err := loadTable(files, base)
	if err != nil {
		return nil, err
	}
	if t.Location() != scheme+folder {
		return nil, fmt.Errorf("engine: the table at %s does not lie in %s", base, folder)
	}
	return files.pastOf(t)
}

// stageMetadata stages a change of metadata alone, none if there are no updates.
func stageMetadata(ctx context.Context, files *files, t *table.Table, updates []table.Update) (*Staged, error) {
	if len(updates) == 0 {
		return unchanged(ctx, files, t)
	}
	meta, err := table.UpdateTableMetadata(t.Metadata(), updates, t.MetadataLocation())
	if err != nil {
		return nil, fmt.Errorf("engine: stage %s: %w", t.Location(), err)
	}
	return stageWritten(ctx, files, meta, t.MetadataLocation())
}

// stageWritten writes metadata that follows the one at base, whose data files
// and manifests are durable.
func stageWritten(ctx context.Context, files *files, meta table.Metadata, base string) (*Staged, error) {
	t := tableOf(files, meta, base)
	live, err := liveFiles(ctx, t, meta.CurrentSnapshot())
	if err != nil {
		return nil, err
	}
	files.staging(t)
	location, err := writeMetadata(files, meta, base, live)
	if err != nil {
		return nil, fmt.Errorf("engine: stage %s: %w", meta.Location(), err)
	}
	return newStaged(files, meta, base, location, live), nil
}

// stageEdit stages an edit of the files of a table, none if it changes nothing.
func stageEdit(ctx context.Context, files *files, t *table.Table, live []liveFile, c edit, job int64) (*Staged, error) {
	base := t.MetadataLocation()
	if !c.any() {
		return newStaged(files, t.Metadata(), base, base, live), nil
	}
	files.staging(t)
	meta, after, err := commit(ctx, files, t, live, c, summary(job))
	if err != nil {
		return nil, fmt.Errorf("engine: stage %s: %w", t.Location(), err)
	}
	location, err := writeMetadata(files, meta, base, after)
	if err != nil {
		return nil, fmt.Errorf("engine: stage %s: %w", t.Location(), err)
	}
	return newStaged(files, meta, base, location, after), nil
}

// unchanged describes a table as it is.
func unchanged(ctx context.Context, files *files, t *table.Table) (*Staged, error) {
	live, err := liveFiles(ctx, t, t.CurrentSnapshot())
	if err != nil {
		return nil, err
	}
	return newStaged(files, t.Metadata(), t.MetadataLocation(), t.MetadataLocation(), live), nil
}

// jobProperty begins the names of properties and summaries that name a job.
const jobProperty = "steward.job"

// property names in a table's metadata the job that last did something to the
// table that no snapshot tells of.
func property(what string, job int64) table.Update {
	return table.NewSetPropertiesUpdate(iceberg.Properties{jobProperty + "." + what: strconv.FormatInt(job, 10)})
}
