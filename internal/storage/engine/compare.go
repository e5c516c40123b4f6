package engine

import (
	"context"
	"slices"
	"sort"
	"sync"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/iceberg-go/table/dv"
)

// Comparison asks how one version of a table differs from another.
type Comparison struct {
	Before, After *View
	// Key names columns by which rows are told apart, as After calls them, or
	// Before those that After does not have. Without, or if one of the versions
	// lacks one of them, rows are told apart by all their cells.
	Key    []string
	Sample int // rows of each kind that are shown at most
	// Progress is called with the rows read so far, from one goroutine; may be nil.
	Progress func(rows int64)
}

// Difference is how a version differs from another. Only columns that both
// have count, which they are by their ids, whatever they are called.
type Difference struct {
	Keyed                              bool  // rows were told apart by the key
	Added, Removed, Changed, Unchanged int64 // rows; Changed is 0 unless Keyed

	ColumnsAdded, ColumnsDropped []string
	ColumnsRenamed               []RenamedColumn

	// The first rows of each kind, of several with one key only one, with all the
	// columns of the version they are from. Their cells are cut like those of
	// [View.Find].
	AddedRows   []Row // of After
	RemovedRows []Row // of Before
	ChangedRows []ChangedRow
}

// RenamedColumn is a column that is called otherwise in another version.
type RenamedColumn struct{ Before, After string }

// ChangedRow is a row whose key is in both versions, but not all its cells.
type ChangedRow struct {
	Before, After Row
	Columns       []string // that differ, as After calls them
}

// Compare tells how a version of a table differs from another. Where a key is
// there more than once, rows that are equal count as unchanged, and of the
// others as many as possible as changed.
//
// What both versions share is not read: data files, but for the rows that are
// deleted in one of them alone. So neighbours are compared quickly, however
// large the table. Memory is bounded: beyond Options.KeysInMemory rows are
// remembered on disk. Rows are told apart by hashes of 128 bits.
//
// Fails with a *UnknownColumnError if neither version has a column of the key,
// with syscall.ENOSPC on a full disk, and with an error that names the file if
// a data file is missing or damaged.
func (e *Engine) Compare(ctx context.Context, c Comparison) (*Difference, error) {
	if c.Before.closed.Load() || c.After.closed.Load() {
		return nil, errClosed
	}
	d := new(Difference)
	common := d.columns(c.Before.columns, c.After.columns)
	keys, others, err := d.split(c, common)
	if err != nil {
		return nil, err
	}
	j := &comparison{
		Comparison: c, Difference: d, engine: e, keys: keys, others: others, hasher: newHasher(),
		added: firstPlaces[struct{}]{limit: c.Sample}, removed: firstPlaces[struct{}]{limit: c.Sample},
		changed: firstPlaces[uint64]{limit: c.Sample},
	}
	if err := j.skipShared(ctx); err != nil {
		return nil, err
	}
	if err := j.compare(ctx); err != nil {
		return nil, err
	}
	return d, j.samples(ctx)
}

// columns notes how the columns differ, and returns the ids of those that both have.
func (d *Difference) columns(before, after []Column) (common []int) {
	find := func(columns []Column, id int) int {
		return slices.IndexFunc(columns, func(c Column) bool { return c.ID == id })
	}
	for _, c := range before {
		if find(after, c.ID) < 0 {
			d.ColumnsDropped = append(d.ColumnsDropped, c.Name)
		}
	}
	for _, c := range after {
		i := find(before, c.ID)
		if i < 0 {
			d.ColumnsAdded = append(d.ColumnsAdded, c.Name)
			continue
		}
		common = append(common, c.ID)
		if before[i].Name != c.Name {
			d.ColumnsRenamed = append(d.ColumnsRenamed, RenamedColumn{Before: before[i].Name, After: c.Name})
		}
	}
	return common
}

// split divides the columns that both versions have into the key and the others.
func (d *Difference) split(c Comparison, common []int) (keys, others []int, err error) {
	d.Keyed = len(c.Key) > 0
	for _, name := range c.Key {
		ids, err := keyIDs(c.After.columns, []string{name})
		if err != nil {
			ids, err = keyIDs(c.Before.columns, []string{name})
		}
		if err != nil {
			return nil, nil, err
		}
		d.Keyed = d.Keyed && slices.Contains(common, ids[0])
		keys = append(keys, ids[0])
	}
	if !d.Keyed {
		return common, nil, nil
	}
	for _, id := range common {
		if !slices.Contains(keys, id) {
			others = append(others, id)
		}
	}
	return keys, others, nil
}

// comparison is a comparison under way.
type comparison struct {
	Comparison
	*Difference

	engine       *Engine
	keys, others []int
	hasher       hasher

	// What has to be read: some of the files, and of some of them only some rows.
	before, after             *View
	wantedBefore, wantedAfter []*dv.RoaringPositionBitmap // by file; nil is all
	rows                      int64                       // read so far

	mu             sync.Mutex // of the counts and what follows
	added, removed firstPlaces[struct{}]
	changed        firstPlaces[uint64] // where they were, by where they are
}

// skipShared finds out what has to be read.
func (c *comparison) skipShared(ctx context.Context) error {
	var before, after []liveFile
	shared := make(map[string]liveFile, len(c.Comparison.Before.live))
	if len(c.keys) > 0 { // else there is nothing in which rows could be equal
		for _, f := range c.Comparison.Before.live {
			shared[f.data.FilePath()] = f
		}
	}
	kept := make(map[string]bool)
	for ordinal, f := range c.Comparison.After.live {
		old, ok := shared[f.data.FilePath()]
		if !ok {
			after, c.wantedAfter = append(after, f), append(c.wantedAfter, nil)
			continue
		}
		kept[f.data.FilePath()] = true
		if sameVector(old, f) {
			c.Unchanged += f.rows()
			continue
		}
		oldGone, newGone, err := c.vectors(ctx, old, f)
		if err != nil {
			return c.Comparison.After.located(ordinal, err)
		}
		lost, regained := without(newGone, oldGone), without(oldGone, newGone)
		c.Unchanged += old.rows() - lost.Cardinality()
		if !lost.IsEmpty() {
			before, c.wantedBefore = append(before, old), append(c.wantedBefore, lost)
		}
		if !regained.IsEmpty() {
			after, c.wantedAfter = append(after, f), append(c.wantedAfter, regained)
		}
	}
	for _, f := range c.Comparison.Before.live {
		if !kept[f.data.FilePath()] {
			before, c.wantedBefore = append(before, f), append(c.wantedBefore, nil)
		}
	}
	c.before, c.after = c.Comparison.Before.only(before), c.Comparison.After.only(after)
	return nil
}

// only returns a view of some files.
func (v *View) only(live []liveFile) *View {
	return &View{
		engine: v.engine,
		shown:  &shown{location: v.location, snapshot: v.snapshot, columns: v.columns, ids: v.ids, live: live},
	}
}

// sameVector tells whether a file has the same deletion vector in two versions.
func sameVector(a, b liveFile) bool {
	if a.deletes == nil || b.deletes == nil {
		return a.deletes == b.deletes
	}
	x, y := a.deletes.ContentOffset(), b.deletes.ContentOffset()
	return a.deletes.FilePath() == b.deletes.FilePath() && (x == y || x != nil && y != nil && *x == *y)
}

// vectors reads the deletion vectors of a file in two versions.
func (c *comparison) vectors(ctx context.Context, files ...liveFile) (before, after *dv.RoaringPositionBitmap, err error) {
	found := [2]*dv.RoaringPositionBitmap{dv.NewRoaringPositionBitmap(), dv.NewRoaringPositionBitmap()}
	for i, f := range files {
		if f.deletes != nil {
			if found[i], err = dv.ReadDV(newFiles(ctx, c.engine.store), f.deletes); err != nil {
				return nil, nil, err
			}
		}
	}
	return found[0], found[1], nil
}

// without returns the rows of a set that are not in another one.
func without(rows, others *dv.RoaringPositionBitmap) *dv.RoaringPositionBitmap {
	rest := dv.NewRoaringPositionBitmap()
	for row := range rows.Positions() {
		if !others.Contains(row) {
			rest.Set(row)
		}
	}
	return rest
}

// collectKeys adds the rows of a view to a spill, with their cells in the
// columns others besides the key: all rows, or those wanted of each file
// where it is not nil. read is called with the rows that were read; may be nil.
func (v *View) collectKeys(ctx context.Context, into *spill, h hasher, keys, others []int, wanted []*dv.RoaringPositionBitmap, read func(rows int64)) error {
	var failed error
	err := scanAll(ctx, v, func(ctx context.Context, group *rowGroup) ([]entry, error) {
		var rows *dv.RoaringPositionBitmap
		if wanted != nil {
			rows = wanted[group.file.ordinal]
		}
		return readEntries(ctx, group, h, keys, others, nil, rows)
	}, func(entries []entry) bool {
		for _, x := range entries {
			if failed = into.add(ctx, x); failed != nil {
				return false
			}
		}
		if read != nil {
			read(int64(len(entries)))
		}
		return true
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	return into.settle(ctx)
}

// rowsAt counts rows, and tells where the first of them stands.
type rowsAt struct {
	rows  int64
	first uint64
}

func (r *rowsAt) add(rows int64, first uint64) {
	if r.rows == 0 || first < r.first {
		r.first = first
	}
	r.rows += rows
}

// sides are rows of both versions.
type sides struct{ before, after rowsAt }

// equalRows are the rows with one key that are equal.
type equalRows struct {
	sides

	of *sides // those of the key that have no equal
}

// compare reads both sides and compares them, one part of the keys after the other.
func (c *comparison) compare(ctx context.Context) error {
	options := c.engine.options
	read := func(rows int64) {
		c.rows += rows
		if c.Progress != nil {
			c.Progress(c.rows)
		}
	}
	before := newSpill(c.engine.store, options.KeysInMemory/2, len(c.others) > 0)
	defer before.close()
	if err := c.before.collectKeys(ctx, before, c.hasher, c.keys, c.others, c.wantedBefore, read); err != nil {
		return err
	}
	after := newSpill(c.engine.store, options.KeysInMemory/2, len(c.others) > 0)
	defer after.close()
	if err := c.after.collectKeys(ctx, after, c.hasher, c.keys, c.others, c.wantedAfter, read); err != nil {
		return err
	}
	if len(c.keys) == 0 {
		return c.nothingInCommon(ctx, before, after)
	}

	limit := max(1, tableLimit(options.KeysInMemory)/2)
	return eachPart(ctx, func(ctx context.Context, part int, of share, table *keyTable[sides]) (bool, error) {
		for _, side := range []*spill{before, after} {
			err := side.each(ctx, part, of, func(x entry) bool {
				table.put(x.key, sides{})
				return table.size() <= limit
			})
			if err != nil || table.size() > limit {
				return false, err
			}
		}
		// Of one key there may be any number of different rows.
		rows := new(keyTable[equalRows])
		var tally func(rowsOf share) error
		tally = func(rowsOf share) error {
			rows.reset()
			for _, side := range []*spill{before, after} {
				err := side.each(ctx, part, of, func(x entry) bool {
					if x.row.Hi&rowsOf.mask != rowsOf.bits {
						return true
					}
					equal, fresh := rows.put(x.both(), equalRows{})
					if fresh {
						equal.of = table.find(x.key)
					}
					if side == before {
						equal.before.add(1, x.at)
					} else {
						equal.after.add(1, x.at)
					}
					return rows.size() <= limit
				})
				if err != nil {
					return err
				}
				if rows.size() > limit {
					for _, half := range rowsOf.halves() {
						if err := tally(half); err != nil {
							return err
						}
					}
					return nil
				}
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			for i := range rows.values {
				c.Unchanged += rows.values[i].settle()
			}
			return nil
		}
		if err := tally(share{}); err != nil {
			return false, err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for i := range table.values {
			c.settle(&table.values[i])
		}
		return true, nil
	})
}

// both returns the hash of a whole row.
func (x entry) both() hash {
	return hash{Hi: x.key.Hi*0x9e3779b97f4a7c15 + x.row.Hi, Lo: x.key.Lo*0xd6e8feb86659fd93 + x.row.Lo}
}

// settle returns how many rows both versions have, and leaves the others to the key.
func (r *equalRows) settle() (unchanged int64) {
	unchanged = min(r.before.rows, r.after.rows)
	if n := r.before.rows - unchanged; n > 0 {
		r.of.before.add(n, r.before.first)
	}
	if n := r.after.rows - unchanged; n > 0 {
		r.of.after.add(n, r.after.first)
	}
	return unchanged
}

// settle counts the rows of one key that have no equal: they have changed as
// long as both sides have some, and the rest came or went.
func (c *comparison) settle(rows *sides) {
	pairs := min(rows.before.rows, rows.after.rows)
	c.Changed += pairs
	c.Removed += rows.before.rows - pairs
	c.Added += rows.after.rows - pairs
	switch {
	case pairs > 0:
		c.changed.add(rows.after.first, rows.before.first)
	case rows.before.rows > 0:
		c.removed.add(rows.before.first, struct{}{})
	case rows.after.rows > 0:
		c.added.add(rows.after.first, struct{}{})
	}
}

// nothingInCommon counts the rows of versions that have no columns in common.
func (c *comparison) nothingInCommon(ctx context.Context, before, after *spill) error {
	for part := range partitions {
		err := before.each(ctx, part, share{}, func(x entry) bool {
			c.Removed++
			c.removed.add(x.at, struct{}{})
			return true
		})
		if err != nil {
			return err
		}
		err = after.each(ctx, part, share{}, func(x entry) bool {
			c.Added++
			c.added.add(x.at, struct{}{})
			return true
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// samples fetches the rows that are shown.
func (c *comparison) samples(ctx context.Context) (err error) {
	wantedBefore, err := c.before.projection(Query{Origin: true})
	if err != nil {
		return err
	}
	wantedAfter, err := c.after.projection(Query{Origin: true})
	if err != nil {
		return err
	}
	limit := min(wantedBefore.cellLimit(2*c.Sample), wantedAfter.cellLimit(2*c.Sample))
	if c.AddedRows, err = c.after.rowsAt(ctx, places(c.added.sorted()), wantedAfter, limit); err != nil {
		return err
	}
	if c.RemovedRows, err = c.before.rowsAt(ctx, places(c.removed.sorted()), wantedBefore, limit); err != nil {
		return err
	}
	changed := c.changed.sorted()
	are, were := places(changed), make([]uint64, len(changed))
	for i, x := range changed {
		were[i] = x.value
	}
	rowsBefore, err := c.before.rowsAt(ctx, were, wantedBefore, limit)
	if err != nil {
		return err
	}
	rowsAfter, err := c.after.rowsAt(ctx, are, wantedAfter, limit)
	if err != nil {
		return err
	}
	// The cells that are shown may be cut, so that they do not tell what differs.
	hashesBefore, err := c.before.hashesAt(ctx, were, c.hasher, c.others)
	if err != nil {
		return err
	}
	hashesAfter, err := c.after.hashesAt(ctx, are, c.hasher, c.others)
	if err != nil {
		return err
	}
	for i := range changed {
		row := ChangedRow{Before: rowsBefore[i], After: rowsAfter[i]}
		for _, column := range c.after.columns {
			if at := slices.Index(c.others, column.ID); at >= 0 && hashesBefore[i][at] != hashesAfter[i][at] {
				row.Columns = append(row.Columns, column.Name)
			}
		}
		c.ChangedRows = append(c.ChangedRows, row)
	}
	return nil
}

// eachGroupAt calls fn for each row group that has some of the rows at some
// places, which ascend: with those rows, and which of the places is that of
// the first of them.
func (v *View) eachGroupAt(ctx context.Context, at []uint64, fn func(group *rowGroup, rows []int64, first int) error) error {
	for first := 0; first < len(at); {
		ordinal, _ := splitPlace(at[first])
		end := first + sort.Search(len(at)-first, func(i int) bool { return at[first+i] >= place64(ordinal+1, 0) })
		if err := v.eachGroupOf(ctx, ordinal, at[:end], first, fn); err != nil {
			return err
		}
		first = end
	}
	return nil
}

// eachGroupOf is eachGroupAt for the places from the first on, which are in one file.
func (v *View) eachGroupOf(ctx context.Context, ordinal int, at []uint64, first int, fn func(group *rowGroup, rows []int64, first int) error) (err error) {
	file, err := v.open(ctx, ordinal)
	if err != nil {
		return err
	}
	defer file.release()
	defer func() { err = v.located(ordinal, err) }()
	defer shield(&err)
	for number, start := range file.starts {
		group := file.group(number)
		var rows []int64
		for _, x := range at[first:] {
			if _, position := splitPlace(x); position < start+group.rows {
				rows = append(rows, position-start)
			}
		}
		if len(rows) == 0 {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := fn(group, rows, first); err != nil {
			return err
		}
		first += len(rows)
	}
	return nil
}

// ascending returns places in their order, each once, and which of them each of at is.
func ascending(at []uint64) (ordered []uint64, which []int) {
	ordered = slices.Compact(slices.Sorted(slices.Values(at)))
	for _, x := range at {
		i, _ := slices.BinarySearch(ordered, x)
		which = append(which, i)
	}
	return ordered, which
}

// rowsAt returns the rows at some places.
func (v *View) rowsAt(ctx context.Context, at []uint64, wanted projection, limit int) ([]Row, error) {
	ordered, which := ascending(at)
	found := make([]Row, len(ordered))
	err := v.eachGroupAt(ctx, ordered, func(group *rowGroup, rows []int64, first int) error {
		fetched, err := wanted.fetch(group, rows, limit)
		copy(found[first:], fetched)
		return err
	})
	return arranged(found, which), err
}

// hashesAt returns the hashes of the cells in some columns of the rows at some places.
func (v *View) hashesAt(ctx context.Context, at []uint64, h hasher, ids []int) ([][]hash, error) {
	ordered, which := ascending(at)
	found := make([][]hash, len(ordered))
	for i := range found {
		found[i] = make([]hash, len(ids))
	}
	err := v.eachGroupAt(ctx, ordered, func(group *rowGroup, rows []int64, first int) error {
		var tuple []byte
		for column, id := range ids {
			err := visit(group, id, rows, func(i int, cell parquet.ByteArray, null bool) {
				tuple = appendCell(tuple[:0], cell, null)
				found[first+i][column] = h.sum(tuple)
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return arranged(found, which), err
}

// arranged returns the items with the given numbers.
func arranged[T any](items []T, which []int) []T {
	result := make([]T, 0, len(which))
	for _, i := range which {
		result = append(result, items[i])
	}
	return result
}
