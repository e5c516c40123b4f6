package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// ErrNoSnapshot means that a table does not have the wanted snapshot (any more).
var ErrNoSnapshot = errors.New("engine: no such snapshot")

// loadTable reads the metadata file at a location.
func loadTable(files *files, location string) (*table.Table, error) {
	content, err := readMetadata(files, location)
	if err != nil {
		return nil, err
	}
	return parseTable(files, location, content)
}

// readMetadata returns the content of the metadata file at a location.
func readMetadata(files *files, location string) ([]byte, error) {
	content, err := files.read(location)
	if err == nil {
		err = check(location, content)
	}
	if err != nil {
		return nil, fmt.Errorf("engine: open table at %s: %w", location, err)
	}
	return content, nil
}

// parseTable returns the table whose metadata file has some content.
func parseTable(files *files, location string, content []byte) (*table.Table, error) {
	meta, err := table.ParseMetadataBytes(content)
	if err != nil {
		return nil, fmt.Errorf("engine: open table at %s: %w", location, err)
	}
	return tableOf(files, meta, location), nil
}

// tableOf joins metadata and files. There is no catalog: nothing here commits.
func tableOf(files *files, meta table.Metadata, location string) *table.Table {
	return table.New(table.Identifier{path.Base(meta.Location())}, meta, location, files.fileSystem, nil)
}

// newMetadata makes the metadata of a table that has no rows yet.
func newMetadata(folder string, schema *iceberg.Schema) (table.Metadata, error) {
	return table.NewMetadata(schema, iceberg.UnpartitionedSpec, table.UnsortedSortOrder, scheme+folder, iceberg.Properties{
		table.PropertyFormatVersion: "3",
		// Other programs may read the table, but its files are ours to remove.
		"gc.enabled": "false",
		// The library's cache outlives the operation, and we hold no tables.
		"read.manifest-list-cache.enabled":     "false",
		"write.metadata.previous-versions-max": "20",
	})
}

// liveFile is a data file of a snapshot.
type liveFile struct {
	data     iceberg.DataFile
	deletes  iceberg.DataFile // the deletion vector, or nil
	firstRow int64            // the table-wide number of its first row
}

// rows returns how many rows are not deleted.
func (f liveFile) rows() int64 {
	if f.deletes == nil {
		return f.data.Count()
	}
	return f.data.Count() - f.deletes.Count()
}

// liveFiles returns the data files of a snapshot in the order in which their
// rows came into the table.
func liveFiles(ctx context.Context, t *table.Table, snapshot *table.Snapshot) ([]liveFile, error) {
	if snapshot == nil {
		return nil, nil
	}
	tasks, err := t.Scan(table.WithSnapshotID(snapshot.SnapshotID)).PlanFiles(ctx)
	if err != nil {
		return nil, fmt.Errorf("engine: files of the table at %s: %w", t.MetadataLocation(), err)
	}
	seen := make(map[string]bool, len(tasks))
	live := make([]liveFile, 0, len(tasks))
	for _, task := range tasks {
		location := task.File.FilePath()
		if seen[location] {
			continue // the library splits large files into several tasks
		}
		seen[location] = true
		f := liveFile{data: task.File}
		if len(task.DeleteFiles)+len(task.EqualityDeleteFiles) > 0 || len(task.DeletionVectorFiles) > 1 {
			return nil, fmt.Errorf("engine: %s has deletes that are not one deletion vector", location)
		}
		if len(task.DeletionVectorFiles) == 1 {
			f.deletes = task.DeletionVectorFiles[0]
		}
		if task.FirstRowID != nil {
			f.firstRow = *task.FirstRowID
		}
		live = append(live, f)
	}
	sortFiles(live)
	return live, nil
}

// sortFiles brings data files into the order of the table.
func sortFiles(live []liveFile) {
	slices.SortFunc(live, func(a, b liveFile) int {
		return cmp.Or(cmp.Compare(a.firstRow, b.firstRow), strings.Compare(a.data.FilePath(), b.data.FilePath()))
	})
}

// totals adds up the rows of data files, and the bytes of them and their deletion vectors.
func totals(live []liveFile) (rows, bytes int64) {
	counted := make(map[string]bool)
	for _, f := range live {
		rows += f.rows()
		bytes += f.data.FileSizeBytes()
		if f.deletes != nil && !counted[f.deletes.FilePath()] {
			counted[f.deletes.FilePath()] = true // one file may hold several vectors
			bytes += f.deletes.FileSizeBytes()
		}
	}
	return rows, bytes
}

// metadataSuffix is how the names of metadata files end, as Iceberg wants it.
const metadataSuffix = ".metadata.json"

// writeMetadata writes a metadata file, the successor of the one at base, whose current
// snapshot has the data files live, and returns its location.
func writeMetadata(files *files, meta table.Metadata, base string, live []liveFile) (string, error) {
	version := 0
	if number, _, ok := strings.Cut(path.Base(base), "-"); ok {
		if n, err := strconv.Atoi(number); err == nil {
			version = n + 1
		}
	}
	content, err := json.Marshal(meta)
	if err == nil {
		content, err = files.restored(content)
	}
	if err == nil {
		content, err = withOutline(content, meta, live)
	}
	if err != nil {
		return "", err
	}
	location := fmt.Sprintf("%s/metadata/%05d-%s"+metadataSuffix, meta.Location(), version, sealedName(checksum(0, content)))
	return location, files.WriteFile(location, content)
}
