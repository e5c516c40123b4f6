package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// outline is what the current snapshot of a table holds, as opening it needs it. It
// stands in the metadata file itself, in front, because the rest of that grows with
// each version, and the manifests with each small load: reading them is what takes
// long. What it says follows from them, so a file without an outline shows the same.
//
// Iceberg does not know the field, and whoever reads metadata passes over fields that
// it does not know, as the format has always got new ones. Whoever writes metadata
// leaves it out, so that an outline never outlives what it is of; and it has the
// checksum of its file.
type outline struct {
	Format   int             `json:"format"`
	Snapshot int64           `json:"snapshot"` // 0 if the table never had rows
	Schema   int             `json:"schema"`
	Columns  []outlineColumn `json:"columns"` // the program's own, too
	Files    []outlineFile   `json:"files"`   // in the order of the table
}

type outlineColumn struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

// outlineFile is a data file. Splits are the offsets of its row groups.
type outlineFile struct {
	Path     string          `json:"path"`
	Bytes    int64           `json:"bytes"`
	Rows     int64           `json:"rows"`
	FirstRow int64           `json:"first-row"`
	Splits   []int64         `json:"splits"`
	IDs      []int           `json:"ids,omitempty"` // of its columns; none if they are those of the file before
	Sizes    []int64         `json:"sizes"`         // by column, of what it takes
	Nulls    []int64         `json:"nulls"`         // by column
	Deletes  *outlineDeletes `json:"deletes,omitempty"`
}

// outlineDeletes is a deletion vector.
type outlineDeletes struct {
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"` // of the file
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
	Rows   int64  `json:"rows"`
}

const (
	// outlineField begins a metadata file that has an outline.
	outlineField = `{"steward-outline":`
	// outlineFormat is another number for each other meaning of the fields. Outlines of
	// other formats are passed over.
	outlineFormat = 1
	// outlineLimit is how many bytes an outline has at most. Where the files of a very
	// wide table make it larger, it is left out, since each change writes it anew.
	outlineLimit = 256 << 10
)

// withOutline puts the outline of metadata, whose current snapshot has some data files,
// in front of its JSON.
func withOutline(content []byte, meta table.Metadata, live []liveFile) ([]byte, error) {
	o, ok := newOutline(meta, live)
	if !ok {
		return content, nil
	}
	encoded, err := json.Marshal(o)
	if err != nil || len(encoded) > outlineLimit {
		return content, err
	}
	rest := content[1:] // the brace is that of outlineField
	return slices.Concat([]byte(outlineField), encoded, []byte(","), rest), nil
}

// newOutline returns the outline of a table; false if files of it have something that
// those of this program do not have.
func newOutline(meta table.Metadata, live []liveFile) (outline, bool) {
	o := outline{Format: outlineFormat, Schema: meta.CurrentSchema().ID}
	if s := meta.CurrentSnapshot(); s != nil {
		o.Snapshot = s.SnapshotID
	}
	for _, f := range meta.CurrentSchema().Fields() {
		o.Columns = append(o.Columns, outlineColumn{f.ID, f.Name})
	}
	live = slices.Clone(live)
	sortFiles(live)
	var last []int
	for _, f := range live {
		x, ids, ok := newOutlineFile(f)
		if !ok {
			return outline{}, false
		}
		if !slices.Equal(ids, last) {
			x.IDs, last = ids, ids
		}
		o.Files = append(o.Files, x)
	}
	return o, true
}

func newOutlineFile(f liveFile) (x outlineFile, ids []int, ok bool) {
	d := f.data
	if d.FileFormat() != iceberg.ParquetFile || d.SpecID() != 0 || d.FirstRowID() == nil || *d.FirstRowID() != f.firstRow {
		return x, nil, false
	}
	x = outlineFile{Path: d.FilePath(), Bytes: d.FileSizeBytes(), Rows: d.Count(), FirstRow: f.firstRow, Splits: d.SplitOffsets()}
	sizes, counts, nulls := d.ColumnSizes(), d.ValueCounts(), d.NullValueCounts()
	for id, count := range counts {
		if count != x.Rows {
			return x, nil, false
		}
		ids = append(ids, id)
	}
	if len(sizes) != len(ids) || len(nulls) != len(ids) {
		return x, nil, false
	}
	slices.Sort(ids)
	for _, id := range ids {
		x.Sizes, x.Nulls = append(x.Sizes, sizes[id]), append(x.Nulls, nulls[id])
	}
	if v := f.deletes; v != nil {
		if v.ContentOffset() == nil || v.ContentSizeInBytes() == nil {
			return x, nil, false
		}
		x.Deletes = &outlineDeletes{v.FilePath(), v.FileSizeBytes(), *v.ContentOffset(), *v.ContentSizeInBytes(), v.Count()}
	}
	return x, ids, true
}

// outlineIn returns the outline in the content of a metadata file; false if it has none
// that this program understands.
func outlineIn(content []byte) (o outline, ok bool) {
	rest, ok := bytes.CutPrefix(content, []byte(outlineField))
	if !ok {
		return o, false
	}
	err := json.NewDecoder(bytes.NewReader(rest)).Decode(&o) // reads no further than it has to
	return o, err == nil && o.Format == outlineFormat
}

// is tells whether the outline is that of what a key names.
func (o outline) is(key viewKey) bool {
	return key.current || key.snapshot == o.Snapshot && key.schema == o.Schema
}

// shown returns what the outline says that a metadata location shows.
func (o outline) shown(location string) (*shown, error) {
	fields := make([]iceberg.NestedField, len(o.Columns))
	for i, c := range o.Columns {
		fields[i] = iceberg.NestedField{ID: c.ID, Name: c.Name}
	}
	live := make([]liveFile, len(o.Files))
	var ids []int
	for i, x := range o.Files {
		if x.IDs != nil {
			ids = x.IDs
		}
		var err error
		if live[i], err = x.live(ids); err != nil {
			return nil, fmt.Errorf("engine: outline of the table at %s: %w", location, err)
		}
	}
	return newShown(location, o.Snapshot, fields, live), nil
}

// live returns the file as the manifests describe it.
func (x outlineFile) live(ids []int) (liveFile, error) {
	if len(x.Sizes) != len(ids) || len(x.Nulls) != len(ids) {
		return liveFile{}, fmt.Errorf("%s has %d columns, not %d", x.Path, len(ids), len(x.Sizes))
	}
	sizes, counts, nulls := make(map[int]int64, len(ids)), make(map[int]int64, len(ids)), make(map[int]int64, len(ids))
	for i, id := range ids {
		sizes[id], counts[id], nulls[id] = x.Sizes[i], x.Rows, x.Nulls[i]
	}
	b, err := iceberg.NewDataFileBuilder(*iceberg.UnpartitionedSpec, iceberg.EntryContentData, x.Path,
		iceberg.ParquetFile, nil, nil, nil, x.Rows, x.Bytes)
	if err != nil {
		return liveFile{}, err
	}
	f := liveFile{firstRow: x.FirstRow, data: b.ColumnSizes(sizes).ValueCounts(counts).NullValueCounts(nulls).
		SplitOffsets(x.Splits).FirstRowID(x.FirstRow).Build()}
	if v := x.Deletes; v != nil {
		if f.deletes, err = newVector(x.Path, v.Path, v.Bytes, v.Offset, v.Length, v.Rows); err != nil {
			return liveFile{}, err
		}
	}
	return f, nil
}

// checkOutline compares the outline in the content of a metadata file with what the
// manifests of its table say.
func checkOutline(ctx context.Context, t *table.Table, content []byte) error {
	o, ok := outlineIn(content)
	if !ok {
		return nil
	}
	live, err := liveFiles(ctx, t, t.CurrentSnapshot())
	if err != nil {
		return err
	}
	want, ok := newOutline(t.Metadata(), live)
	if !ok {
		return fmt.Errorf("it outlines a table that has none")
	}
	said, err := json.Marshal(o)
	if err != nil {
		return err
	}
	truth, err := json.Marshal(want)
	if err != nil {
		return err
	}
	if !bytes.Equal(said, truth) {
		return fmt.Errorf("its outline is not that of snapshot %d", want.Snapshot)
	}
	return nil
}
