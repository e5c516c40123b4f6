package engine

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/iceberg-go/table"
	"github.com/apache/iceberg-go/table/dv"
	"golang.org/x/sync/errgroup"
)

// effect is what a load does: the edit of the table, and what became of the
// rows of the input.
type effect struct {
	edit

	inserted, updated, unchanged, duplicates int64
}

// rowState is what becomes of a row of the input.
type rowState uint8

const (
	rowInserted  rowState = iota // the table does not have its key
	rowUpdated                   // it replaces one of the table
	rowUnchanged                 // the table has it already
	rowDuplicate                 // a later row of the input has its key
)

// meet returns the state of a row of the input after a row of the table with
// its key was found, which has the same cells or not; stays tells whether that
// row of the table stays. Rows of the table have to come in their order, so
// that the first of several equal ones stays.
func (s rowState) meet(same bool) (next rowState, stays bool) {
	switch {
	case s == rowUnchanged:
		return s, false // the key must be there once
	case same:
		return rowUnchanged, true
	default:
		return rowUpdated, false
	}
}

func (e *effect) count(s rowState) {
	switch s {
	case rowInserted:
		e.inserted++
	case rowUpdated:
		e.updated++
	case rowUnchanged:
		e.unchanged++
	case rowDuplicate:
		e.duplicates++
	}
}

// bitmaps are sets of rows, each of a data file. They are safe for concurrent use.
type bitmaps struct {
	mu     sync.Mutex
	byFile map[string]*dv.RoaringPositionBitmap
}

func newBitmaps() *bitmaps { return &bitmaps{byFile: make(map[string]*dv.RoaringPositionBitmap)} }

func (b *bitmaps) add(location string, position uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	rows, ok := b.byFile[location]
	if !ok {
		rows = dv.NewRoaringPositionBitmap()
		b.byFile[location] = rows
	}
	rows.Set(position)
}

// upsert is the edit that brings the rows of a load into a table of some data files by their
// keys: rows of the table that the input repeats stay, others with the same
// key go, and the rest of the input is added. The input is read first; then
// the keys of the table are read once, and of its other columns as much as is
// needed to tell equal rows from changed ones.
func (e *Engine) upsert(ctx context.Context, files *files, t *table.Table, live []liveFile, l Load) (effect, error) {
	columns := dataColumns(t.Schema())
	keys, err := keyIDs(columns, l.Key)
	if err != nil {
		return effect{}, err
	}
	v := &View{shown: showing(t.MetadataLocation(), t.CurrentSnapshot(), t.Schema(), live), engine: e}
	ids := append(slices.Clone(keys), v.smallestFirst(keys)...) // the order of the tuples
	sources, positions := make([]int, len(ids)), make([]int, len(ids))
	for i, id := range ids {
		positions[i] = slices.IndexFunc(columns, func(c Column) bool { return c.ID == id })
		sources[i] = slices.Index(l.Source.Header(), columns[positions[i]].Name)
	}

	in := newIncoming(e, sources, len(keys))
	defer in.close()
	if err := in.read(ctx, l); err != nil {
		return effect{}, err
	}
	u := &upsert{view: v, in: in, ids: ids, gone: newBitmaps(), told: make([]atomic.Int64, len(ids)-len(keys))}
	pass, err := u.match(ctx)
	if err != nil {
		return effect{}, err
	}
	in.forgetKeys()
	u.editFiles()
	if u.inserted+u.updated > 0 {
		u.added, err = e.write(ctx, files, t, keys, func(ctx context.Context, _ *errgroup.Group, w *writer) error {
			return in.feed(ctx, w, l, positions, pass)
		})
	}
	return u.effect, err
}

// smallestFirst returns the columns that do not belong to a key, first those
// with the fewest bytes in the files: they are read the fastest, and often tell
// that a row has changed, so that the others need not be read.
func (v *View) smallestFirst(key []int) []int {
	sizes := make(map[int]int64, len(v.columns))
	for _, f := range v.live {
		for id, size := range f.data.ColumnSizes() {
			sizes[id] += size
		}
	}
	var ids []int
	for _, c := range v.columns {
		if !slices.Contains(key, c.ID) {
			ids = append(ids, c.ID)
		}
	}
	slices.SortStableFunc(ids, func(a, b int) int { return cmp.Compare(sizes[a], sizes[b]) })
	return ids
}

// upsert is an upsert whose input has been read.
type upsert struct {
	effect

	view *View // the table as it was, with the columns that it will have
	in   *incoming
	ids  []int    // of the columns of the tuples
	gone *bitmaps // rows of the table

	told []atomic.Int64 // by column that is not of the key: how many rows it told apart
}

// match compares the input with the table and returns which of its rows are to be written.
func (u *upsert) match(ctx context.Context) (pass func(row int64) bool, err error) {
	if u.in.file != nil {
		return u.matchOnDisk(ctx)
	}
	return u.matchInMemory(ctx)
}

// editFiles turns the rows that go into an edit. A file that loses all rows goes.
func (u *upsert) editFiles() {
	u.deleted = u.gone.byFile
	for _, f := range u.view.live {
		rows, ok := u.deleted[f.data.FilePath()]
		if ok && rows.Cardinality() == f.rows() {
			u.removed = append(u.removed, f)
			delete(u.deleted, f.data.FilePath())
		}
	}
}

// keyIndex finds the rows of an input that is in memory by their keys.
type keyIndex struct {
	in     *incoming
	slots  []uint64 // row + 1, and the first half of its hash's Hi above it; or 0
	states []rowState
	prints fingerprintSet
	ranges []keyRange // of the first columns of the key
}

// mostRanges is how many columns of a key have a range.
const mostRanges = 4

// newKeyIndex returns the index of an input; of several rows with a key it has the last.
func newKeyIndex(ctx context.Context, in *incoming) (*keyIndex, error) {
	size := 64
	for size < 2*int(in.rows) {
		size *= 2
	}
	x := &keyIndex{
		in: in, slots: make([]uint64, size), states: make([]rowState, in.rows), prints: newFingerprintSet(int(in.rows)),
		ranges: make([]keyRange, min(mostRanges, in.keys)),
	}
	for row := range uint32(in.rows) {
		if row%window == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		tuple := in.tuple(row)
		rest := tuple
		mixed := in.engine.seed
		for i := range in.keys {
			var cell []byte
			var null bool
			cell, null, rest = cutCell(rest)
			mixed = mixCell(mixed, cell, null)
			switch {
			case i >= len(x.ranges):
			case null:
				x.ranges[i].nulls = true
			default:
				x.ranges[i].bounds.add(cell)
			}
		}
		x.prints.add(fingerprintOf(mixed))
		slot := x.slot(in.hashes[row], tuple[:len(tuple)-len(rest)])
		if x.slots[slot] != 0 {
			x.states[uint32(x.slots[slot])-1] = rowDuplicate
		}
		x.slots[slot] = in.hashes[row].Hi>>32<<32 | uint64(row+1)
	}
	x.settleRanges()
	return x, nil
}

func (x *keyIndex) settleRanges() {
	for i := range x.ranges {
		x.ranges[i].settle()
	}
	for row := range uint32(x.in.rows) {
		rest := x.in.tuple(row)
		for i := range x.ranges {
			var cell []byte
			var null bool
			cell, null, rest = cutCell(rest)
			if !null {
				x.ranges[i].points = append(x.ranges[i].points, x.ranges[i].point(cell))
			}
		}
	}
	for i := range x.ranges {
		slices.Sort(x.ranges[i].points)
	}
}

// mayBeIn tells whether a row group may have a key of the index; ids are those
// of the key's columns.
func (x *keyIndex) mayBeIn(group *rowGroup, ids []int) (bool, error) {
	for i := range x.ranges {
		if may, err := x.ranges[i].mayBeIn(group, ids[i]); !may || err != nil {
			return false, err
		}
	}
	return true, nil
}

// slot returns where a key stands, or would.
func (x *keyIndex) slot(h hash, key []byte) uint64 {
	mask := uint64(len(x.slots) - 1)
	at := h.Lo & mask
	for ; x.slots[at] != 0; at = (at + 1) & mask {
		if x.slots[at]>>32 != h.Hi>>32 {
			continue
		}
		if row := uint32(x.slots[at]) - 1; x.in.hashes[row] == h && hasKey(x.in.tuple(row), key) {
			break
		}
	}
	return at
}

// hasKey tells whether a tuple begins with the cells of a key.
func hasKey(tuple, key []byte) bool {
	return len(tuple) >= len(key) && string(tuple[:len(key)]) == string(key)
}

// find returns the row with a key; false if there is none.
func (x *keyIndex) find(h hash, key []byte) (row uint32, ok bool) {
	row = uint32(x.slots[x.slot(h, key)])
	return row - 1, row != 0
}

// keyMatch is a row of the table that has the key of a row of the input.
type keyMatch struct {
	row      int64  // of the row group
	incoming uint32 // row of the input
	same     bool   // all cells are the same
}

// matchedGroup is what of a row group has keys of the input.
type matchedGroup struct {
	location string
	first    int64 // position in the file of the row group's first row
	matches  []keyMatch
}

// matchInMemory compares cell by cell.
func (u *upsert) matchInMemory(ctx context.Context) (pass func(row int64) bool, err error) {
	index, err := newKeyIndex(ctx, u.in)
	if err != nil {
		return nil, err
	}
	err = scanAll(ctx, u.view, func(ctx context.Context, group *rowGroup) (matchedGroup, error) {
		m := matchedGroup{location: group.file.live.data.FilePath(), first: group.first}
		may, err := index.mayBeIn(group, u.ids[:u.in.keys])
		if !may || err != nil {
			return m, err
		}
		if m.matches, err = u.probeKeys(ctx, index, group); err == nil {
			err = u.compareCells(ctx, group, m.matches)
		}
		return m, err
	}, func(m matchedGroup) bool {
		for _, match := range m.matches {
			state, stays := index.states[match.incoming].meet(match.same)
			index.states[match.incoming] = state
			if !stays {
				u.gone.add(m.location, uint64(m.first+match.row))
			}
		}
		return true
	})
	for _, s := range index.states {
		u.count(s)
	}
	return func(row int64) bool { return index.states[row] <= rowUpdated }, err
}

// probeKeys returns the rows of a row group that have a key of the input.
func (u *upsert) probeKeys(ctx context.Context, index *keyIndex, group *rowGroup) ([]keyMatch, error) {
	name := newFingerprintsKey(group.file.live.data.FilePath(), group.number, u.ids[:u.in.keys])
	prints, known := u.view.engine.prints.get(name)
	if !known {
		prints = make([]fingerprint, group.rows)
	}
	keys, err := newTupleReader(group, u.ids[:u.in.keys])
	if err != nil {
		return nil, err
	}
	defer keys.close()
	var matches []keyMatch
	for row := range group.rows {
		if row%window == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !known {
			if err := keys.read(row); err != nil {
				return nil, err
			}
			prints[row] = keys.fingerprint(u.view.engine.seed)
		}
		if !index.prints.has(prints[row]) || group.deleted(row) {
			continue
		}
		if known {
			if err := keys.read(row); err != nil {
				return nil, err
			}
		}
		key := keys.joined()
		if incoming, ok := index.find(u.in.hasher.sum(key), key); ok {
			matches = append(matches, keyMatch{row: row, incoming: incoming, same: true})
		}
	}
	if !known && u.remembers(group) {
		u.view.engine.prints.put(name, prints, name.size()+fingerprintBytes*group.rows)
	}
	return matches, nil
}

// remembers tells whether the fingerprints of a row group are worth remembering.
func (u *upsert) remembers(group *rowGroup) bool {
	rows := group.first + group.rows
	for _, f := range u.view.live[:group.file.ordinal] {
		rows += f.data.Count()
	}
	return rows <= fingerprintsOfTable
}

// compareCells compares rows of a row group with those of the input that have
// the same key: column by column, each only for the rows that were equal so
// far. Where these are few, only the pages that have them are read. The column
// that told most rows apart in other row groups comes first, because rows are
// often changed in the same one.
func (u *upsert) compareCells(ctx context.Context, group *rowGroup, matches []keyMatch) error {
	equal := make([]int, len(matches)) // of the matches
	rests := make([][]byte, len(matches))
	rows := make([]int64, len(matches))
	for i, m := range matches {
		equal[i] = i
		rests[i] = cutCells(u.in.tuple(m.incoming), u.in.keys)
	}
	others := u.ids[u.in.keys:]
	compare := func(column int, wanted func(match int) (cell []byte, null bool)) error {
		if err := ctx.Err(); err != nil || len(equal) == 0 {
			return err
		}
		rows = rows[:0]
		for _, i := range equal {
			rows = append(rows, matches[i].row)
		}
		kept := 0
		err := visit(group, others[column], rows, func(n int, cell parquet.ByteArray, null bool) {
			i := equal[n]
			want, wantNull := wanted(i)
			if null != wantNull || string(cell) != string(want) {
				matches[i].same = false
				return
			}
			equal[kept] = i
			kept++
		})
		u.told[column].Add(int64(len(equal) - kept))
		equal = equal[:kept]
		return err
	}

	first := u.telling()
	if first >= 0 {
		err := compare(first, func(match int) (cell []byte, null bool) {
			cell, null, _ = cutCell(cutCells(rests[match], first))
			return cell, null
		})
		if err != nil {
			return err
		}
	}
	for column := range others {
		if column == first {
			for _, i := range equal {
				rests[i] = cutCells(rests[i], 1)
			}
			continue
		}
		err := compare(column, func(match int) (cell []byte, null bool) {
			cell, null, rests[match] = cutCell(rests[match])
			return cell, null
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// telling returns the column, not of the key, that told most rows apart so far; -1 if
// none did.
func (u *upsert) telling() int {
	first, most := -1, int64(0)
	for column := range u.told {
		if n := u.told[column].Load(); n > most {
			first, most = column, n
		}
	}
	return first
}

// place64 is where a row stands, as an entry has it: the file, and the position in it.
func place64(file int, position int64) uint64 { return uint64(file)<<fileShift | uint64(position) }

// fileShift leaves room for 2⁴⁰ rows of a file, and for 2²⁴ files.
const fileShift = 40

func splitPlace(at uint64) (file int, position int64) {
	return int(at >> fileShift), int64(at & (1<<fileShift - 1))
}

// readEntries returns the entries of rows of a row group: of those that are
// wanted, or of all that are alive if wanted is nil. With a filter, keys that
// it does not have are left out.
func readEntries(ctx context.Context, group *rowGroup, h hasher, keys, others []int, filter keyFilter, wanted *dv.RoaringPositionBitmap) ([]entry, error) {
	reader, err := newTupleReader(group, keys)
	if err != nil {
		return nil, err
	}
	defer reader.close()
	var entries []entry
	if filter == nil && wanted == nil {
		entries = make([]entry, 0, group.rows)
	}
	for row := range group.rows {
		if row%window == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if wanted == nil && group.deleted(row) || wanted != nil && !wanted.Contains(uint64(group.first+row)) {
			continue
		}
		key, err := reader.at(row)
		if err != nil {
			return nil, err
		}
		hashed := h.sum(key)
		if filter == nil || filter.may(hashed) {
			entries = append(entries, entry{key: hashed, at: place64(group.file.ordinal, group.first+row)})
		}
	}
	if len(entries) == 0 || len(others) == 0 {
		return entries, nil
	}
	rest, err := newTupleReader(group, others)
	if err != nil {
		return nil, err
	}
	defer rest.close()
	for i := range entries {
		if i%window == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		_, position := splitPlace(entries[i].at)
		tuple, err := rest.at(position - group.first)
		if err != nil {
			return nil, err
		}
		entries[i].row = h.sum(tuple)
	}
	return entries, nil
}

// incomingKey is the last row of the input with a key.
type incomingKey struct {
	row   hash
	at    uint64
	state rowState
}

// matchOnDisk compares the hashes of keys and rows, one part of them after the other.
func (u *upsert) matchOnDisk(ctx context.Context) (pass func(row int64) bool, err error) {
	e := u.view.engine
	existing := newSpill(e.store, e.options.KeysInMemory, true)
	defer existing.close()
	var failed error
	err = scanAll(ctx, u.view, func(ctx context.Context, group *rowGroup) ([]entry, error) {
		return readEntries(ctx, group, u.in.hasher, u.ids[:u.in.keys], u.ids[u.in.keys:], u.in.filter, nil)
	}, func(entries []entry) bool {
		for _, x := range entries {
			if failed = existing.add(ctx, x); failed != nil {
				return false
			}
		}
		return true
	})
	if err == nil {
		err = failed
	}
	if err == nil {
		err = existing.settle(ctx)
	}
	if err != nil {
		return nil, err
	}

	dead := newBitmaps()
	var mu sync.Mutex // of the counts
	limit := tableLimit(e.options.KeysInMemory)
	err = eachPart(ctx, func(ctx context.Context, part int, of share, table *keyTable[incomingKey]) (bool, error) {
		duplicates := int64(0)
		err := u.in.entries.each(ctx, part, of, func(x entry) bool {
			last, fresh := table.put(x.key, incomingKey{row: x.row, at: x.at})
			if !fresh {
				dead.add("", last.at)
				duplicates++
				last.row, last.at = x.row, x.at
			}
			return table.size() <= limit
		})
		if err != nil || table.size() > limit {
			return false, err
		}
		err = existing.each(ctx, part, of, func(x entry) bool {
			last := table.find(x.key)
			if last == nil {
				return true // the filter is not exact
			}
			state, stays := last.state.meet(last.row == x.row)
			last.state = state
			if !stays {
				file, position := splitPlace(x.at)
				u.gone.add(u.view.live[file].data.FilePath(), uint64(position))
			}
			return true
		})
		if err != nil {
			return false, err
		}
		mu.Lock()
		defer mu.Unlock()
		u.duplicates += duplicates
		for i := range table.values {
			u.count(table.values[i].state)
			if table.values[i].state == rowUnchanged {
				dead.add("", table.values[i].at)
			}
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if rows := dead.byFile[""]; rows != nil {
		return func(row int64) bool { return !rows.Contains(uint64(row)) }, nil
	}
	return func(int64) bool { return true }, nil
}
