package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go/table"
)

// Swept is what [Engine.Sweep] removed.
type Swept struct {
	Files int
	Bytes int64
}

// Sweep removes the files in a table's folder that nothing refers to: neither
// the metadata at base, nor the metadata files that its log names. All files are
// removed if base is "", that is, if the table was never made or is no more, and then
// the folders that are empty.
//
// Only files from before the given moment are removed. It must lie further back
// than the longest change takes, because what a change has written is not
// referred to until it is complete, and than the longest read of a table that
// the metadata does not show any more.
//
// Fails with blob.ErrNotFound if there is no table at base, and with an error
// that names the file if metadata is missing or damaged; then nothing is removed.
// A sweep that was interrupted is simply done again.
func (e *Engine) Sweep(ctx context.Context, folder, base string, before time.Time) (Swept, error) {
	reached := make(map[string]bool) // keys
	if base != "" {
		files := newFiles(ctx, e.store)
		t, err := tableIn(files, folder, base)
		if err != nil {
			return Swept{}, err
		}
		err = reach(ctx, files, t, func(location string) error {
			key, err := keyOf(location)
			reached[key] = true
			return err
		})
		if err != nil {
			return Swept{}, fmt.Errorf("engine: sweep %s: %w", folder, err)
		}
	}
	swept, err := e.remove(ctx, folder+"/", func(key string, modified time.Time) bool { return !reached[key] && modified.Before(before) })
	if err == nil && base == "" {
		err = e.store.RemoveFolders(ctx, folder)
	}
	return swept, err
}

// SweepMetadata removes the metadata files in a table's folder that are neither the one
// at base nor in its log, and lets everything else lie. Each change of a table writes one,
// as large as the table has versions, so that they would outgrow the table until its next
// sweep. Only files from before the given moment are removed: it must lie further back
// than it takes to open a table.
//
// Fails with blob.ErrNotFound if there is no table at base; then nothing is removed.
func (e *Engine) SweepMetadata(ctx context.Context, folder, base string, before time.Time) (Swept, error) {
	t, err := tableIn(newFiles(ctx, e.store), folder, base)
	if err != nil {
		return Swept{}, err
	}
	kept := make(map[string]bool)
	keep := func(location string) error {
		key, err := keyOf(location)
		kept[key] = true
		return err
	}
	err = keep(base)
	for previous := range t.Metadata().PreviousFiles() {
		err = errors.Join(err, keep(previous.MetadataFile))
	}
	if err != nil {
		return Swept{}, fmt.Errorf("engine: sweep %s: %w", folder, err)
	}
	return e.remove(ctx, folder+"/metadata/", func(key string, modified time.Time) bool {
		return strings.HasSuffix(key, metadataSuffix) && !kept[key] && modified.Before(before)
	})
}

// remove removes the files below a prefix that are to go.
func (e *Engine) remove(ctx context.Context, prefix string, goes func(key string, modified time.Time) bool) (Swept, error) {
	var swept Swept
	err := e.store.Walk(ctx, prefix, func(key string, size int64, modified time.Time) error {
		if !goes(key, modified) {
			return nil
		}
		if err := e.store.Remove(ctx, key); err != nil {
			return err
		}
		swept.Files++
		swept.Bytes += size
		return nil
	})
	if err != nil {
		return swept, fmt.Errorf("engine: sweep %s: %w", prefix, err)
	}
	return swept, nil
}

// reach calls visit with the location of every file that a table refers to, at
// least once.
func reach(ctx context.Context, files *files, t *table.Table, visit func(location string) error) error {
	if err := visit(t.MetadataLocation()); err != nil {
		return err
	}
	for previous := range t.Metadata().PreviousFiles() {
		if err := visit(previous.MetadataFile); err != nil {
			return err
		}
	}
	for s := range t.Metadata().Statistics() {
		if err := visit(s.StatisticsPath); err != nil {
			return err
		}
	}
	for s := range t.Metadata().PartitionStatistics() {
		if err := visit(s.StatisticsPath); err != nil {
			return err
		}
	}
	seen := make(map[string]bool) // manifests, which snapshots share
	for _, s := range t.Metadata().Snapshots() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := visit(s.ManifestList); err != nil {
			return err
		}
		manifests, err := s.Manifests(files)
		if err != nil {
			return err
		}
		for _, m := range manifests {
			if seen[m.FilePath()] {
				continue
			}
			seen[m.FilePath()] = true
			if err := visit(m.FilePath()); err != nil {
				return err
			}
			for entry, err := range m.Entries(files, true) {
				if err != nil {
					return err
				}
				if err := visit(entry.DataFile().FilePath()); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Folders calls fn for each folder of a table's files in the store, also of tables that
// were never made or are gone, with the number that its name is. An error of fn ends it
// and is returned as it is.
func (e *Engine) Folders(ctx context.Context, fn func(folder string, number int64, made time.Time) error) error {
	return e.store.Folders(ctx, "tables", func(name string, modified time.Time) error {
		number, err := strconv.ParseInt(name, 10, 64)
		if strconv.FormatInt(number, 10) != name || err != nil {
			return nil //nolint:nilerr // another name is that of none of ours
		}
		return fn("tables/"+name, number, modified) // what lies right in it comes at its beginning
	})
}
