package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table/dv"
)

// Damage is a file of a table that is missing, or not what was written.
type Damage struct {
	File  string // its location
	Found string // what is wrong
}

// Verify reads everything that a metadata location shows: the metadata, the
// manifests, and the data files and deletion vectors of all snapshots, each of them
// once and page by page, and compares what it reads with the checksums and what
// it counts with the manifests. It returns the files that are damaged, nil if
// all is well. Memory is bounded whatever the size of the table.
//
// progress is called with the bytes of data files that were read, from one
// goroutine; may be nil. Fails with the context's error only.
func (e *Engine) Verify(ctx context.Context, location string, progress func(bytes int64)) ([]Damage, error) {
	v := &verifier{files: newFiles(ctx, e.store), progress: progress, seen: make(map[string]bool)}
	content, err := readMetadata(v.files, location)
	if err != nil {
		v.found(location, err)
		return v.damages, ctx.Err()
	}
	t, err := parseTable(v.files, location, content)
	if err != nil {
		v.found(location, err)
		return v.damages, ctx.Err()
	}
	if err := checkOutline(ctx, t, content); err != nil && ctx.Err() == nil {
		v.found(location, err) // or the damaged file that it comes from
	}
	for _, s := range t.Metadata().Snapshots() {
		manifests, err := s.Manifests(v.files)
		if err != nil {
			v.found(s.ManifestList, err)
		}
		for _, m := range manifests {
			v.manifest(ctx, m)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return v.damages, nil
}

// verifier verifies one table.
type verifier struct {
	files    *files
	progress func(bytes int64)

	bytes   int64
	seen    map[string]bool // files that were verified, by location
	damages []Damage
}

// first tells whether a file is met for the first time: snapshots share files.
func (v *verifier) first(name string) bool {
	met := v.seen[name]
	v.seen[name] = true
	return !met
}

// found notes what is wrong with a file.
func (v *verifier) found(location string, err error) {
	// The error may know better which file it is about.
	found := err.Error()
	var damaged *DamageError
	var of *fs.PathError
	switch {
	case errors.As(err, &damaged):
		location, found = damaged.File, fmt.Sprintf("from byte %d on: %s", damaged.Offset, damaged.Found)
	case errors.As(err, &of):
		location, found = of.Path, of.Err.Error()
	}
	if v.first("damage: " + location) {
		v.damages = append(v.damages, Damage{File: location, Found: found})
	}
}

// manifest verifies a manifest and the files that it names.
func (v *verifier) manifest(ctx context.Context, m iceberg.ManifestFile) {
	if !v.first(m.FilePath()) {
		return
	}
	for entry, err := range m.Entries(v.files, true) {
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			v.found(m.FilePath(), err)
			return
		}
		f := entry.DataFile()
		if f.ContentType() == iceberg.EntryContentData {
			if v.first(f.FilePath()) {
				err = v.rows(ctx, f)
			}
		} else if ref := f.ReferencedDataFile(); ref != nil && v.first(f.FilePath()+" of "+*ref) {
			err = v.vector(f)
		}
		if err != nil && ctx.Err() == nil {
			v.found(f.FilePath(), err)
		}
	}
}

// vector reads a deletion vector, which the library compares with its checksum
// and with the count of the manifest.
func (v *verifier) vector(f iceberg.DataFile) (err error) {
	defer shield(&err)
	_, err = dv.ReadDV(v.files, f)
	return err
}

// rows reads a data file: all its bytes, and all its pages.
func (v *verifier) rows(ctx context.Context, f iceberg.DataFile) (err error) {
	defer shield(&err)
	source, err := openSealed(v.files, f, nil)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }() // only read
	properties := parquet.NewReaderProperties(memory.DefaultAllocator)
	properties.BufferedStreamEnabled = true
	reader, err := file.NewParquetReader(source, file.WithReadProps(properties))
	if err != nil {
		return err
	}
	if err := source.trust(reader.MetaData()); err != nil {
		return err
	}
	block := make([]byte, blockSize)
	for offset := int64(0); offset < source.Size(); offset += blockSize {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := block[:min(blockSize, source.Size()-offset)]
		if _, err := source.ReadAt(part, offset); err != nil {
			return err
		}
		if v.bytes += int64(len(part)); v.progress != nil {
			v.progress(v.bytes)
		}
	}

	var rows int64
	for g := range reader.NumRowGroups() {
		group := reader.RowGroup(g)
		rows += group.NumRows()
		for column := range reader.MetaData().Schema.NumColumns() {
			if err := ctx.Err(); err != nil {
				return err
			}
			n, err := pagesOf(group, column)
			if err != nil {
				return err
			}
			if n != group.NumRows() {
				return fmt.Errorf("has %d rows in row group %d, column %d, not %d", n, g, column, group.NumRows())
			}
		}
	}
	if rows != f.Count() {
		return fmt.Errorf("has %d rows, not %d", rows, f.Count())
	}
	return nil
}

// pagesOf decodes all pages of a column in a row group, and counts their rows.
func pagesOf(group *file.RowGroupReader, column int) (rows int64, err error) {
	pages, err := group.GetColumnPageReader(column)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, pages.Close()) }()
	for pages.Next() {
		switch page := pages.Page().(type) {
		case *file.DataPageV1:
			rows += int64(page.NumValues())
		case *file.DataPageV2:
			rows += int64(page.NumRows())
		}
	}
	return rows, pages.Err()
}
