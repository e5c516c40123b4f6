package engine

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/parquet"
	"golang.org/x/sync/errgroup"
)

// Result is what [View.Find] found.
type Result struct {
	Columns []string
	Rows    []Row
	Scanned int64 // rows of the table that were looked at
}

// Find returns the first rows that satisfy a query. Cells longer than 16 KiB
// are cut and marked; those of results with more than 16384 cells, which few
// queries ask for, may be cut earlier, so that a result stays below 256 MiB.
//
// Fails with a *UnknownColumnError, ErrNotNumber or ErrQuery if the query is
// at fault, and with an error that names the file if a data file is missing
// or damaged.
func (v *View) Find(ctx context.Context, q Query) (*Result, error) {
	if v.closed.Load() {
		return nil, errClosed
	}
	if q.Limit < 1 || q.Limit > MaxRows {
		return nil, fmt.Errorf("%w: limit %d", ErrQuery, q.Limit)
	}
	wanted, err := v.projection(q)
	if err != nil {
		return nil, err
	}
	tests, err := v.tests(q)
	if err != nil {
		return nil, err
	}
	result := &Result{Columns: wanted.names}
	if len(q.Order) > 0 {
		err = v.findOrdered(ctx, q, wanted, tests, result)
	} else {
		err = v.findFirst(ctx, q, wanted, tests, result)
	}
	if err != nil {
		return nil, err
	}
	return result, nil
}

// found is what a row group has for a query without an order.
type found struct {
	rows    []Row
	scanned int64
}

// findFirst finds rows in the order of the table.
func (v *View) findFirst(ctx context.Context, q Query, wanted projection, tests []predicate, result *Result) error {
	ahead := abreast()
	if len(tests) == 0 {
		ahead = 1 // each row group is needed only if the one before is too short
	}
	var missing atomic.Int64 // rows that are still wanted, or more
	missing.Store(int64(q.Limit))
	work := func(ctx context.Context, group *rowGroup) (found, error) {
		f, err := newFilter(group, tests)
		if err != nil {
			return found{}, err
		}
		defer f.close()
		var rows []int64
		for most := missing.Load(); int64(len(rows)) < most; {
			step := int64(window)
			if len(tests) == 0 {
				step = most - int64(len(rows))
			}
			more, err := f.advance(step)
			if err != nil {
				return found{}, err
			}
			if !more {
				break
			}
			if err := ctx.Err(); err != nil {
				return found{}, err
			}
			rows = append(rows, f.rows...)
			if int64(len(rows)) > most {
				rows = rows[:most]
				f.back(rows[most-1] + 1)
			}
		}
		fetched, err := wanted.fetch(group, rows, wanted.cellLimit(q.Limit))
		return found{rows: fetched, scanned: f.alive}, err
	}
	return scan(ctx, v, ahead, work, func(f found) bool {
		result.Scanned += f.scanned
		result.Rows = append(result.Rows, f.rows[:min(len(f.rows), q.Limit-len(result.Rows))]...)
		missing.Store(int64(q.Limit - len(result.Rows)))
		return len(result.Rows) < q.Limit
	})
}

// key is a cell that rows are sorted by.
type key struct {
	class  class
	number decimal
	text   []byte
}

// class is a kind of key; the kinds come one after the other in any direction.
type class uint8

const (
	classValue class = iota
	classNoNumber
	classNull
)

// sortKey is one of the columns that rows are sorted by.
type sortKey struct {
	id int
	Order
}

// read returns a cell as a key. The text is good as long as the cell is.
func (s sortKey) read(cell []byte, null bool) key {
	if null {
		return key{class: classNull}
	}
	if !s.Number {
		return key{text: cell[:min(len(cell), longCell)]}
	}
	n, ok := readDecimal(cell)
	if !ok {
		return key{class: classNoNumber}
	}
	n.digits = n.digits[:min(len(n.digits), longCell)] // like a text, so that keys are not as large as cells may be
	return key{number: n}
}

// compare tells which of two cells comes first.
func (s sortKey) compare(a, b key) int {
	if a.class != b.class {
		return cmp.Compare(a.class, b.class)
	}
	c := cmp.Or(a.number.compare(b.number), bytes.Compare(a.text, b.text))
	if s.Descending {
		return -c
	}
	return c
}

// place is where a row stands in a view; places compare in the order of the table.
type place struct {
	file  int // ordinal
	group int
	row   int64
}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.file, o.file), cmp.Compare(p.group, o.group), cmp.Compare(p.row, o.row))
}

// candidate is a row that may be among the first.
type candidate struct {
	keys  []key
	place place
}

// clone returns a candidate that outlives the cells it was read from.
func (c candidate) clone() candidate {
	c.keys = slices.Clone(c.keys)
	for i := range c.keys {
		c.keys[i].text = bytes.Clone(c.keys[i].text)
	}
	return c
}

// best keeps the first limit candidates; its top is the last of them.
type best struct {
	by    []sortKey
	limit int
	rows  []candidate
}

func (b *best) compare(x, y candidate) int {
	for i, s := range b.by {
		if c := s.compare(x.keys[i], y.keys[i]); c != 0 {
			return c
		}
	}
	return x.place.compare(y.place)
}

func (b *best) Len() int           { return len(b.rows) }
func (b *best) Less(i, j int) bool { return b.compare(b.rows[i], b.rows[j]) > 0 }
func (b *best) Swap(i, j int)      { b.rows[i], b.rows[j] = b.rows[j], b.rows[i] }
func (b *best) Push(x any)         { b.rows = append(b.rows, x.(candidate)) }
func (b *best) Pop() any {
	last := len(b.rows) - 1
	x := b.rows[last]
	b.rows = b.rows[:last]
	return x
}

// full tells whether a row must beat another one to get in.
func (b *best) full() bool { return len(b.rows) == b.limit }

// takes tells whether a candidate would be among the first.
func (b *best) takes(c candidate) bool { return !b.full() || b.compare(c, b.rows[0]) < 0 }

// add takes a candidate, and drops the last one if there are too many.
func (b *best) add(c candidate) {
	if !b.full() {
		heap.Push(b, c)
		return
	}
	b.rows[0] = c
	heap.Fix(b, 0)
}

// ordered is what a row group has for a query with an order.
type ordered struct {
	rows    []candidate
	scanned int64
}

// findOrdered finds the first rows in an order: by the columns of the order
// alone, and then fetches the rest of those rows.
func (v *View) findOrdered(ctx context.Context, q Query, wanted projection, tests []predicate, result *Result) error {
	by, err := v.sortKeys(q.Order)
	if err != nil {
		return err
	}
	all := &best{by: by, limit: q.Limit}
	// The last row that is among the first so far. Row groups use it to leave
	// out what comes after it anyway.
	var bound atomic.Pointer[candidate]
	err = scan(ctx, v, abreast(), func(ctx context.Context, group *rowGroup) (ordered, error) {
		return firstOf(ctx, group, tests, by, q.Limit, &bound)
	}, func(o ordered) bool {
		result.Scanned += o.scanned
		for _, c := range o.rows {
			if all.takes(c) {
				all.add(c)
			}
		}
		if all.full() {
			last := all.rows[0]
			bound.Store(&last)
		}
		return true
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all.rows, all.compare)
	result.Rows, err = v.fetchPlaces(ctx, all.rows, wanted, wanted.cellLimit(q.Limit))
	return err
}

// firstOf returns the first rows of a row group in an order.
func firstOf(ctx context.Context, group *rowGroup, tests []predicate, by []sortKey, limit int, bound *atomic.Pointer[candidate]) (ordered, error) {
	f, err := newFilter(group, tests)
	if err != nil {
		return ordered{}, err
	}
	defer f.close()
	cursors := make([]*cursor[parquet.ByteArray], len(by))
	for i, s := range by {
		if cursors[i], err = openColumn[parquet.ByteArray](group, s.id); err != nil {
			return ordered{}, err
		}
		defer cursors[i].close()
	}

	first := &best{by: by, limit: limit}
	keys := make([]key, len(by)) // of the row that is looked at
	for {
		more, err := f.advance(window)
		if err != nil {
			return ordered{}, err
		}
		if !more {
			return ordered{rows: first.rows, scanned: f.alive}, nil
		}
		if err := ctx.Err(); err != nil {
			return ordered{}, err
		}
		last := bound.Load()
		for _, row := range f.rows {
			c := candidate{keys: keys, place: place{group.file.ordinal, group.number, row}}
			for i, s := range by {
				cell, null, err := cursors[i].at(row)
				if err != nil {
					return ordered{}, err
				}
				keys[i] = s.read(cell, null)
				if i == 0 && first.full() && s.compare(keys[0], first.rows[0].keys[0]) > 0 {
					break // the other keys cannot help
				}
			}
			if first.takes(c) && (last == nil || first.compare(c, *last) < 0) {
				first.add(c.clone())
			}
		}
	}
}

// fetchPlaces reads rows wherever they stand and returns them in the given
// order. The rows of a row group are read together.
func (v *View) fetchPlaces(ctx context.Context, rows []candidate, wanted projection, limit int) ([]Row, error) {
	order := make([]int, len(rows)) // of the rows in the table
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return rows[a].place.compare(rows[b].place) })

	fetched := make([]Row, len(rows))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(abreast())
	for len(order) > 0 {
		at := rows[order[0]].place
		n := slices.IndexFunc(order, func(i int) bool {
			return rows[i].place.file != at.file || rows[i].place.group != at.group
		})
		if n < 0 {
			n = len(order)
		}
		together := order[:n]
		order = order[n:]
		g.Go(func() (err error) {
			file, err := v.open(ctx, at.file)
			if err != nil {
				return err
			}
			defer file.release()
			defer func() { err = v.located(at.file, err) }()
			defer shield(&err)
			positions := make([]int64, len(together))
			for i, r := range together {
				positions[i] = rows[r].place.row
			}
			part, err := wanted.fetch(file.group(at.group), positions, limit)
			for i := range part {
				fetched[together[i]] = part[i]
			}
			return err
		})
	}
	return fetched, g.Wait()
}
