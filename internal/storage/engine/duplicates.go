package engine

import (
	"cmp"
	"container/heap"
	"context"
	"slices"
	"sync"
)

// Duplicates tells of the keys that rows of a table share.
type Duplicates struct {
	Keys     int64 // that occur more than once
	Excess   int64 // rows with such a key, but for one of each
	Examples []Duplicate
}

// Duplicate is a key that occurs more than once.
type Duplicate struct {
	Key  []Cell // the cells of the key's columns, cut like those of [View.Find]
	Rows int64  // that have it
}

// Duplicates tells which keys, that is cells in some columns, rows share. The
// examples are the first ones in the table, up to limit. NULL is a value like
// any other. Memory is bounded however many rows there are; beyond
// Options.KeysInMemory they are remembered on disk. Keys are told apart by a
// hash of 128 bits.
//
// Fails with a *UnknownColumnError, and with syscall.ENOSPC on a full disk.
func (v *View) Duplicates(ctx context.Context, key []string, limit int) (Duplicates, error) {
	if v.closed.Load() {
		return Duplicates{}, errClosed
	}
	ids, err := keyIDs(v.columns, key)
	if err != nil || len(ids) == 0 {
		return Duplicates{}, err
	}
	options := v.engine.options
	entries := newSpill(v.engine.store, options.KeysInMemory, false)
	defer entries.close()
	if err := v.collectKeys(ctx, entries, newHasher(), ids, nil, nil, nil); err != nil {
		return Duplicates{}, err
	}

	type occurrence struct {
		first uint64
		rows  int64
	}
	var found Duplicates
	var mu sync.Mutex // of found and examples
	examples := firstPlaces[int64]{limit: limit}
	most := tableLimit(options.KeysInMemory)
	err = eachPart(ctx, func(ctx context.Context, part int, of share, table *keyTable[occurrence]) (bool, error) {
		err := entries.each(ctx, part, of, func(x entry) bool {
			o, _ := table.put(x.key, occurrence{first: x.at})
			o.rows++
			return table.size() <= most
		})
		if err != nil || table.size() > most {
			return false, err
		}
		mu.Lock()
		defer mu.Unlock()
		for _, o := range table.values {
			if o.rows > 1 {
				found.Keys++
				found.Excess += o.rows - 1
				examples.add(o.first, o.rows)
			}
		}
		return true, nil
	})
	if err != nil {
		return Duplicates{}, err
	}
	first := examples.sorted()
	wanted := projection{ids: ids}
	rows, err := v.rowsAt(ctx, places(first), wanted, wanted.cellLimit(len(first)))
	if err != nil {
		return Duplicates{}, err
	}
	for i, x := range first {
		found.Examples = append(found.Examples, Duplicate{Key: rows[i].Cells, Rows: x.value})
	}
	return found, nil
}

// placed is something that belongs to a place in a view.
type placed[T any] struct {
	at    uint64
	value T
}

// firstPlaces keeps those of many things that come first in a view.
type firstPlaces[T any] struct {
	limit int
	items []placed[T]
}

func (f *firstPlaces[T]) Len() int           { return len(f.items) }
func (f *firstPlaces[T]) Less(i, j int) bool { return f.items[i].at > f.items[j].at }
func (f *firstPlaces[T]) Swap(i, j int)      { f.items[i], f.items[j] = f.items[j], f.items[i] }
func (f *firstPlaces[T]) Push(x any)         { f.items = append(f.items, x.(placed[T])) }
func (f *firstPlaces[T]) Pop() any {
	last := f.items[len(f.items)-1]
	f.items = f.items[:len(f.items)-1]
	return last
}

func (f *firstPlaces[T]) add(at uint64, value T) {
	switch {
	case len(f.items) < f.limit:
		heap.Push(f, placed[T]{at, value})
	case f.limit > 0 && at < f.items[0].at:
		f.items[0] = placed[T]{at, value}
		heap.Fix(f, 0)
	}
}

// sorted returns what was kept in the order of the view.
func (f *firstPlaces[T]) sorted() []placed[T] {
	slices.SortFunc(f.items, func(a, b placed[T]) int { return cmp.Compare(a.at, b.at) })
	return f.items
}

func places[T any](items []placed[T]) []uint64 {
	at := make([]uint64, 0, len(items))
	for _, x := range items {
		at = append(at, x.at)
	}
	return at
}
