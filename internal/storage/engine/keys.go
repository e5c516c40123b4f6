package engine

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/zeebo/xxh3"

	"steward/internal/storage/csv"
)

// A tuple is some cells of a row, one after the other: NULL is a 0, a text its
// length plus 1 and its bytes. Different cells make different tuples, so that
// tuples are compared by their bytes, and composite keys never run together.

// appendCell appends a cell to a tuple.
func appendCell(tuple, cell []byte, null bool) []byte {
	if null {
		return append(tuple, 0)
	}
	tuple = binary.AppendUvarint(tuple, uint64(len(cell))+1)
	return append(tuple, cell...)
}

// cutCell returns the first cell of a tuple and the rest of it.
func cutCell(tuple []byte) (cell []byte, null bool, rest []byte) {
	length, n := binary.Uvarint(tuple)
	if length == 0 {
		return nil, true, tuple[n:]
	}
	end := n + int(length) - 1
	return tuple[n:end:end], false, tuple[end:]
}

// cutCells returns what of a tuple follows so many cells.
func cutCells(tuple []byte, cells int) []byte {
	for range cells {
		_, _, tuple = cutCell(tuple)
	}
	return tuple
}

// hash stands for a tuple where many of them are remembered.
//
// Two of n different tuples have the same hash with a probability of about
// n²/2¹²⁹: below 10⁻¹⁸ for a thousand million rows, far less than that of a
// fault of the machine that nothing notices. The seed is another one each
// time, so that nobody can prepare rows for which this does not hold.
type hash = xxh3.Uint128

// hasher makes hashes that only those of the same hasher compare with.
type hasher uint64

func newHasher() hasher {
	var seed [8]byte
	_, _ = rand.Read(seed[:]) // never fails
	return hasher(binary.LittleEndian.Uint64(seed[:]))
}

func (h hasher) sum(tuple []byte) hash { return xxh3.Hash128Seed(tuple, uint64(h)) }

// tupleReader reads some columns of a row group as tuples.
type tupleReader struct {
	cursors []*cursor[parquet.ByteArray]
	cells   []tupleCell // of the row that was read
	tuple   []byte
}

type tupleCell struct {
	text []byte
	null bool
}

func newTupleReader(group *rowGroup, ids []int) (*tupleReader, error) {
	r := new(tupleReader)
	for _, id := range ids {
		c, err := openColumn[parquet.ByteArray](group, id)
		if err != nil {
			r.close()
			return nil, err
		}
		// All columns are open at once.
		c.most = min(c.most, max(shortRead, 256<<10/len(ids)))
		r.cursors = append(r.cursors, c)
	}
	r.cells = make([]tupleCell, len(ids))
	return r, nil
}

// read reads the cells of a row, which must lie behind the one asked for before. They
// are good until the next call.
func (r *tupleReader) read(row int64) error {
	for i, c := range r.cursors {
		cell, null, err := c.at(row)
		if err != nil {
			return fmt.Errorf("row %d: %w", row, err)
		}
		r.cells[i] = tupleCell{cell, null}
	}
	return nil
}

// fingerprint returns that of the cells that were read.
func (r *tupleReader) fingerprint(seed uint64) fingerprint {
	mixed := seed
	for _, c := range r.cells {
		mixed = mixCell(mixed, c.text, c.null)
	}
	return fingerprintOf(mixed)
}

// joined returns the cells that were read as a tuple, which is good until the next call.
func (r *tupleReader) joined() []byte {
	if cap(r.tuple) > largeBatch {
		r.tuple = nil // a huge row
	}
	r.tuple = r.tuple[:0]
	for _, c := range r.cells {
		r.tuple = appendCell(r.tuple, c.text, c.null)
	}
	return r.tuple
}

// at reads a row as a tuple.
func (r *tupleReader) at(row int64) ([]byte, error) {
	if err := r.read(row); err != nil {
		return nil, err
	}
	return r.joined(), nil
}

func (r *tupleReader) close() {
	for _, c := range r.cursors {
		c.close()
	}
}

// batchReader reads some columns of a batch row by row.
type batchReader struct {
	columns []csv.Column
	next    []int // by column, which value is next
}

// reset begins with the given columns of a batch.
func (r *batchReader) reset(batch *csv.Batch, columns []int) {
	r.columns, r.next = r.columns[:0], r.next[:0]
	for _, c := range columns {
		r.columns, r.next = append(r.columns, batch.Columns[c]), append(r.next, 0)
	}
}

// append appends the cells of a row in the columns from one to before another
// to a tuple. Each row has to be read, one after the other.
func (r *batchReader) append(tuple []byte, row, from, to int) []byte {
	for i := from; i < to; i++ {
		c := &r.columns[i]
		if c.Defined[row] == 0 {
			tuple = append(tuple, 0)
			continue
		}
		tuple = appendCell(tuple, c.Values[r.next[i]], false)
		r.next[i]++
	}
	return tuple
}

// keyIDs returns the field ids of the columns of a key.
//
// Fails with a *UnknownColumnError.
func keyIDs(columns []Column, key []string) ([]int, error) {
	ids := make([]int, 0, len(key))
	for _, name := range key {
		i := slices.IndexFunc(columns, func(c Column) bool { return c.Name == name })
		if i < 0 {
			return nil, &UnknownColumnError{Column: name}
		}
		if !slices.Contains(ids, columns[i].ID) {
			ids = append(ids, columns[i].ID)
		}
	}
	return ids, nil
}

// keyTable finds values by the hashes of keys.
type keyTable[T any] struct {
	slots  []uint32 // entry + 1, or 0
	keys   []hash
	values []T
}

// reset empties the table.
func (t *keyTable[T]) reset() {
	if t.slots == nil {
		t.slots = make([]uint32, 64)
	}
	clear(t.slots)
	t.keys, t.values = t.keys[:0], t.values[:0]
}

func (t *keyTable[T]) size() int { return len(t.keys) }

// find returns the value of a key, nil if it has none.
func (t *keyTable[T]) find(key hash) *T {
	mask := uint64(len(t.slots) - 1)
	for at := key.Lo & mask; t.slots[at] != 0; at = (at + 1) & mask {
		if entry := t.slots[at] - 1; t.keys[entry] == key {
			return &t.values[entry]
		}
	}
	return nil
}

// put returns the value of a key, which is the given one if it had none. The
// pointer is good until the next put.
func (t *keyTable[T]) put(key hash, value T) (at *T, fresh bool) {
	if at := t.find(key); at != nil {
		return at, false
	}
	if 2*len(t.keys) >= len(t.slots) {
		t.slots = make([]uint32, 2*len(t.slots))
		for entry, key := range t.keys {
			t.enter(key, uint32(entry))
		}
	}
	t.enter(key, uint32(len(t.keys)))
	t.keys, t.values = append(t.keys, key), append(t.values, value)
	return &t.values[len(t.values)-1], true
}

func (t *keyTable[T]) enter(key hash, entry uint32) {
	mask := uint64(len(t.slots) - 1)
	at := key.Lo & mask
	for t.slots[at] != 0 {
		at = (at + 1) & mask
	}
	t.slots[at] = entry + 1
}

// keyFilter tells of keys that are certainly not among some others.
type keyFilter []uint64

// newKeyFilter returns a filter for about so many keys. With ten times as many
// it is still of use.
func newKeyFilter(keys int) keyFilter { return make(keyFilter, max(1, 2*keys)) }

func (f keyFilter) add(key hash) { f[key.Hi%uint64(len(f))] |= 1 << (key.Lo >> 58) }

// may tells whether a key may be one of those that were added.
func (f keyFilter) may(key hash) bool { return f[key.Hi%uint64(len(f))]>>(key.Lo>>58)&1 == 1 }

// keyBounds are the smallest and the largest cell of a column, byte by byte.
// NULL is none.
type keyBounds struct {
	any      bool
	min, max []byte
}

func (b *keyBounds) add(cell []byte) {
	switch {
	case !b.any:
		b.any = true
		b.min, b.max = append(b.min[:0], cell...), append(b.max[:0], cell...)
	case bytes.Compare(cell, b.max) > 0:
		b.max = append(b.max[:0], cell...)
	case bytes.Compare(cell, b.min) < 0:
		b.min = append(b.min[:0], cell...)
	}
}

// keyRange tells which cells of one column occur in some keys, so precisely
// that most row groups without any of them can be passed over.
type keyRange struct {
	bounds keyBounds
	nulls  bool     // whether NULL occurs
	prefix int      // bytes that all of them begin with
	points []uint64 // what follows, in order
}

// settle is called when the bounds are known.
func (r *keyRange) settle() {
	for r.prefix < min(len(r.bounds.min), len(r.bounds.max)) && r.bounds.min[r.prefix] == r.bounds.max[r.prefix] {
		r.prefix++
	}
}

// point returns a number for a cell that is not smaller than those of smaller cells.
func (r *keyRange) point(cell []byte) uint64 {
	same := min(len(cell), r.prefix)
	switch c := bytes.Compare(cell[:same], r.bounds.min[:same]); {
	case c > 0:
		return math.MaxUint64
	case c < 0:
		return 0
	}
	var next [8]byte
	copy(next[:], cell[same:])
	return binary.BigEndian.Uint64(next[:])
}

// within tells whether a cell may occur that is neither smaller nor larger than some.
func (r *keyRange) within(smallest, largest []byte) bool {
	if !r.bounds.any {
		return false
	}
	i, _ := slices.BinarySearch(r.points, r.point(smallest))
	return i < len(r.points) && r.points[i] <= r.point(largest)
}

// mayBeIn tells whether a cell of the range may be in the column of a row
// group with a field id.
func (r *keyRange) mayBeIn(group *rowGroup, id int) (bool, error) {
	position, ok := group.file.columns[id]
	if !ok {
		return r.nulls, nil // the column came after the file
	}
	chunk, err := group.file.reader.MetaData().RowGroup(group.number).ColumnChunk(position)
	if err != nil {
		return false, err
	}
	statistics, err := chunk.Statistics()
	if err != nil {
		return false, err
	}
	bounds, ok := statistics.(*metadata.ByteArrayStatistics)
	if !ok || !bounds.HasMinMax() || !bounds.HasNullCount() {
		return true, nil
	}
	return r.nulls && bounds.NullCount() > 0 || r.within(bounds.Min(), bounds.Max()), nil
}
