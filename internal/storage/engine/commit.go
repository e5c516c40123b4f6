package engine

import (
	"context"
	"errors"

	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"github.com/apache/iceberg-go/table/dv"
)

// edit is what one commit does to the files of a table.
type edit struct {
	removed []liveFile         // data files that go, with their deletion vectors
	added   []iceberg.DataFile // data files that come

	// deleted are rows that go, by the location of their data file, which is one
	// that stays or comes: besides those that its deletion vector has already.
	deleted map[string]*dv.RoaringPositionBitmap

	// replace says that the files that come hold the same rows as those that go.
	replace bool
}

func (c edit) any() bool { return len(c.removed)+len(c.added)+len(c.deleted) > 0 }

// commit stages an edit of the table, whose current files are live: new manifests are
// written, and the metadata that shows them is returned with the files as they then
// are. Nobody sees it before the metadata is written, and the caller's pointer moved.
func commit(ctx context.Context, files *files, t *table.Table, live []liveFile, c edit, summary iceberg.Properties) (table.Metadata, []liveFile, error) {
	after := c.after(live)
	tx := t.NewTransaction()
	switch {
	case c.replace:
		if err := c.rewrite(ctx, tx, summary); err != nil {
			return nil, nil, err
		}
	case len(c.removed) > 0:
		data, deletes := dataFiles(c.removed)
		if err := tx.ReplaceFiles(ctx, data, c.added, deletes, summary, table.WithoutAutoNameMapping()); err != nil {
			return nil, nil, err
		}
	}
	if len(c.removed) == 0 || len(c.deleted) > 0 {
		delta := tx.NewRowDelta(summary)
		if len(c.removed) == 0 {
			delta.AddRows(c.added...)
		}
		vectors, err := c.vectors(ctx, files, t, after)
		if err != nil {
			return nil, nil, err
		}
		for i, f := range after {
			if vector, ok := vectors[f.data.FilePath()]; ok {
				if f.deletes != nil {
					delta.RemoveDeletes(f.deletes)
				}
				delta.AddDeletes(vector)
				after[i].deletes = vector
			}
		}
		if err := delta.Commit(ctx); err != nil {
			return nil, nil, err
		}
	}
	meta, err := apply(t, tx)
	return meta, after, err
}

// rewrite commits an edit to a transaction that replaces files by others of the same rows.
func (c edit) rewrite(ctx context.Context, tx *table.Transaction, summary iceberg.Properties) error {
	rewrite := tx.NewRewrite(summary)
	for _, f := range c.removed {
		rewrite.DeleteFile(f.data)
		if f.deletes != nil {
			rewrite.DeleteFile(f.deletes)
		}
	}
	for _, d := range c.added {
		rewrite.AddDataFile(d)
	}
	return rewrite.Commit(ctx)
}

// apply returns the metadata that a transaction leads to.
func apply(t *table.Table, tx *table.Transaction) (table.Metadata, error) {
	commit, err := tx.TableCommit()
	if err != nil {
		return nil, err
	}
	for _, r := range commit.Requirements {
		if err := r.Validate(t.Metadata()); err != nil {
			return nil, err
		}
	}
	return table.UpdateTableMetadata(t.Metadata(), commit.Updates, t.MetadataLocation())
}

// after returns the files that are there after the edit, in the order of the table, with
// the deletion vectors of before.
func (c edit) after(live []liveFile) []liveFile {
	after := make([]liveFile, 0, len(live)+len(c.added))
	gone := make(map[string]bool, len(c.removed))
	for _, f := range c.removed {
		gone[f.data.FilePath()] = true
	}
	for _, f := range live {
		if !gone[f.data.FilePath()] {
			after = append(after, f)
		}
	}
	for _, d := range c.added {
		f := liveFile{data: d}
		if first := d.FirstRowID(); first != nil {
			f.firstRow = *first
		}
		after = append(after, f)
	}
	sortFiles(after)
	return after
}

func dataFiles(live []liveFile) (data, deletes []iceberg.DataFile) {
	for _, f := range live {
		data = append(data, f.data)
		if f.deletes != nil {
			deletes = append(deletes, f.deletes)
		}
	}
	return data, deletes
}

// vectors writes the deletion vectors of the files that lose rows, by their locations.
// A file has one vector at most, so that the rows of the old one are in the new one, too.
func (c edit) vectors(ctx context.Context, files *files, t *table.Table, live []liveFile) (map[string]iceberg.DataFile, error) {
	vectors := make(map[string]iceberg.DataFile, len(c.deleted))
	if len(c.deleted) == 0 {
		return vectors, nil
	}
	content := new(captured)
	w := dv.NewDVWriter(content, func(int32) *iceberg.PartitionSpec { return iceberg.UnpartitionedSpec })
	for _, f := range live {
		rows, ok := c.deleted[f.data.FilePath()]
		if !ok {
			continue
		}
		if f.deletes != nil {
			old, err := dv.ReadDV(files, f.deletes)
			if err != nil {
				return nil, err
			}
			w.Load(f.data.FilePath(), old, f.data.SpecID(), nil)
		}
		w.Load(f.data.FilePath(), rows, f.data.SpecID(), nil)
	}
	written, err := w.Flush(ctx, t.Location()) // not yet a file of it
	if err != nil {
		return nil, err
	}
	location := t.Location() + "/data/" + sealedName(checksum(0, *content)) + ".puffin"
	if err := files.WriteFile(location, *content); err != nil {
		return nil, err
	}
	for _, f := range written {
		of := *f.ReferencedDataFile()
		vectors[of], err = newVector(of, location, f.FileSizeBytes(), *f.ContentOffset(), *f.ContentSizeInBytes(), f.Count())
		if err != nil {
			return nil, err
		}
	}
	return vectors, nil
}

// newVector describes the deletion vector of a data file: where it stands in which
// file of so many bytes, and how many rows it has.
func newVector(of, location string, bytes, offset, length, rows int64) (iceberg.DataFile, error) {
	b, err := iceberg.NewDataFileBuilder(*iceberg.UnpartitionedSpec, iceberg.EntryContentPosDeletes, location,
		iceberg.PuffinFile, nil, nil, nil, rows, bytes)
	if err != nil {
		return nil, err
	}
	return b.ReferencedDataFile(of).ContentOffset(offset).ContentSizeInBytes(length).Build(), nil
}

// captured is the one file that the library writes, whose name depends on its content.
type captured []byte

func (c *captured) WriteFile(_ string, content []byte) error {
	*c = content
	return nil
}

func (c *captured) Create(string) (iceio.FileWriter, error) { return nil, errors.ErrUnsupported }
func (c *captured) Open(string) (iceio.File, error)         { return nil, errors.ErrUnsupported }
func (c *captured) Remove(string) error                     { return errors.ErrUnsupported }

// newStaged describes a change whose metadata has been written to location.
func newStaged(files *files, meta table.Metadata, base, location string, live []liveFile) *Staged {
	s := &Staged{
		Base: base, Location: location, files: files,
		shown:    showing(location, meta.CurrentSnapshot(), meta.CurrentSchema(), live),
		SchemaID: meta.CurrentSchema().ID, Columns: dataColumns(meta.CurrentSchema()),
		Files: int64(len(live)),
	}
	if snapshot := meta.CurrentSnapshot(); snapshot != nil {
		s.SnapshotID = snapshot.SnapshotID
	}
	s.Rows, s.Bytes = totals(live)
	s.smallFiles = smallTogether(live, files.largeFile)
	for _, f := range live {
		if f.deletes != nil {
			s.Deleted += f.deletes.Count()
		}
	}
	return s
}
