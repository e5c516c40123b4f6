package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table/dv"

	"steward/internal/storage/csv"
)

// keyLedger remembers the keys of rows that are written one after the other.
type keyLedger struct {
	hasher  hasher
	entries *spill
	limit   int
	sources []int // where the columns of the key stand in the source
	rows    int64
	batch   batchReader
	tuple   []byte

	seed   uint64
	prints []fingerprint // of the first rows
}

func newKeyLedger(e *Engine, sources []int) *keyLedger {
	return &keyLedger{
		hasher: newHasher(), entries: newSpill(e.store, e.options.KeysInMemory, false),
		limit: tableLimit(e.options.KeysInMemory), sources: sources, seed: e.seed,
	}
}

// remember lets the engine know the fingerprints of what was written, so that the first
// small load after this one need not read the keys.
func (k *keyLedger) remember(e *Engine, keys []int, w *writer) {
	prints := k.prints
	for i, file := range w.done {
		for group, rows := range w.doneGroups[i] {
			if rows > len(prints) {
				return
			}
			name := newFingerprintsKey(file.FilePath(), group, keys)
			e.prints.put(name, slices.Clone(prints[:rows]), name.size()+fingerprintBytes*int64(rows))
			prints = prints[rows:]
		}
	}
}

// earlier returns the rows that have the key of a later one, by the data files
// they were written to.
func (k *keyLedger) earlier(ctx context.Context, written []iceberg.DataFile) (map[string]*dv.RoaringPositionBitmap, int64, error) {
	if err := k.entries.settle(ctx); err != nil {
		return nil, 0, err
	}
	var starts []uint64 // of the files
	var rows uint64
	for _, f := range written {
		starts = append(starts, rows)
		rows += uint64(f.Count())
	}
	gone := newBitmaps()
	die := func(at uint64) {
		file, exact := slices.BinarySearch(starts, at)
		if !exact {
			file--
		}
		gone.add(written[file].FilePath(), at-starts[file])
	}
	err := eachPart(ctx, func(ctx context.Context, part int, of share, table *keyTable[uint64]) (bool, error) {
		err := k.entries.each(ctx, part, of, func(x entry) bool {
			if last, fresh := table.put(x.key, x.at); !fresh {
				die(*last)
				*last = x.at
			}
			return table.size() <= k.limit
		})
		return table.size() <= k.limit, err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("engine: keys of the rows: %w", err)
	}
	var duplicates int64
	for _, b := range gone.byFile {
		duplicates += b.Cardinality()
	}
	return gone.byFile, duplicates, nil
}

// add remembers the keys of a batch.
func (k *keyLedger) add(ctx context.Context, batch *csv.Batch) error {
	k.batch.reset(batch, k.sources)
	for row := range batch.Rows {
		k.tuple = k.batch.append(k.tuple[:0], row, 0, len(k.sources))
		if err := k.entries.add(ctx, entry{key: k.hasher.sum(k.tuple), at: uint64(k.rows)}); err != nil {
			return err
		}
		if len(k.prints) < fingerprintsOfTable {
			k.prints = append(k.prints, printOf(k.seed, k.tuple, len(k.sources)))
		}
		k.rows++
	}
	return nil
}
