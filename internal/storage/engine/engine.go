// Package engine keeps the data of tables as Apache Iceberg tables (format v3)
// on a blob store.
//
// A table is known by the location of its metadata file. That pointer belongs
// to the caller: the engine reads what a location shows, and a change ends
// with a [Staged] result whose new location nobody sees until the caller moves
// the pointer, in one step, from [Staged.Base] to [Staged.Location]. A crash
// before that leaves the old table and some files that nothing refers to.
//
// Iceberg's metadata (schemas, snapshots, manifests) is read and written by
// iceberg-go. The data files are Parquet, written and read column by column
// by a thin layer of this package over arrow-go. Every column of a table is
// optional text, NULL and "" being different; two more columns tell of each
// row when it last changed and which job wrote it.
//
// Locations inside the metadata are logical, steward:///tables/1/…, and stand
// for the key tables/1/… of the store, so that a data folder can be moved.
package engine

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"steward/internal/storage/blob"
)

// The columns that every table has besides those of its data, which cannot use
// their names.
const (
	timestampColumn = "_timestamp" // when the row last changed
	jobColumn       = "_job"       // the job that wrote the row
)

// Engine reads and writes the tables of one store. It is safe for concurrent
// use, also for readers of a table that is being changed; two changes of the
// same table must not be staged at the same time, because only one of them
// could become the table.
type Engine struct {
	store   *blob.Local
	options Options
	views   *cache[viewKey, *shown]
	footers *cache[footerKey, *footer]
	prints  *cache[fingerprintsKey, []fingerprint]
	seed    uint64 // of fingerprints
	buffers *buffers

	// To make a compressor takes longer than to compress the pages of a small load.
	compressor func() (*zstd.Encoder, error)
}

// Options are what an engine does differently on request. The zero value is right.
type Options struct {
	RowGroup   int   // rows of a row group at most; 0 means 131072
	FileSize   int64 // bytes of a data file after which the next one begins; 0 means 512 MiB
	SortMemory int64 // bytes of rows above which an ordered export sorts on disk; 0 means 64 MiB
	// KeysInMemory bounds the rows that keyed loads and comparisons remember in
	// memory; what goes beyond is kept on disk. 0 means 1048576, which take up
	// about 100 MB at most.
	KeysInMemory int
	// Staging is called when all rows of a change are durable and only the metadata
	// of the table in the folder is left to be written; may be nil.
	Staging func(folder string)
}

// New returns an engine on a store.
func New(store *blob.Local, options Options) *Engine {
	if options.RowGroup <= 0 {
		options.RowGroup = 128 << 10
	}
	if options.FileSize <= 0 {
		options.FileSize = 512 << 20
	}
	if options.SortMemory <= 0 {
		options.SortMemory = 64 << 20
	}
	if options.KeysInMemory <= 0 {
		options.KeysInMemory = 1 << 20
	}
	return &Engine{
		store: store, options: options,
		views: newCache[viewKey, *shown](viewsLimit), footers: newCache[footerKey, *footer](footersLimit),
		prints: newCache[fingerprintsKey, []fingerprint](fingerprintsLimit),
		seed:   uint64(newHasher()), buffers: new(buffers),
		compressor: sync.OnceValues(newCompressor),
	}
}

// Column is a column of a table's data.
type Column struct {
	ID   int // its field id, never given to another column of the table
	Name string
}

// shield turns a panic of the Parquet library, which answers some kinds of
// damage with one, into an error. It is meant to be deferred.
func shield(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("engine: parquet: %v", r)
	}
}
