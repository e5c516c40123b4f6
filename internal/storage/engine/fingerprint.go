package engine

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// A fingerprint is a short hash of the cells of a key, never 0. Keys with different
// fingerprints are different; those with the same one may be, and are compared. The
// fingerprints of the keys in a data file never change, so the engine remembers them:
// to find the rows of a few keys, those of all others need not be decoded.
type fingerprint uint32

// fingerprintBytes is what one takes.
const fingerprintBytes = 4

const (
	// fingerprintsLimit is how many bytes of fingerprints an engine remembers.
	fingerprintsLimit = 32 << 20
	// fingerprintsOfTable is how many of them are of one table, about half. Of a larger one
	// only the first rows are remembered, because each row would be forgotten just before
	// the next load wants it.
	fingerprintsOfTable = fingerprintsLimit / fingerprintBytes / 2
)

// mixCell brings the next cell of a key into a number for all of them, which begins as the
// engine's seed: nobody can choose keys whose fingerprints are alike.
func mixCell(mixed uint64, cell []byte, null bool) uint64 {
	if null {
		return xxh3.HashSeed(nil, ^mixed)
	}
	return xxh3.HashSeed(cell, mixed)
}

// fingerprintOf returns the fingerprint of a key whose cells were mixed.
func fingerprintOf(mixed uint64) fingerprint { return max(1, fingerprint(mixed>>32)) }

// printOf returns the fingerprint of the key that a tuple begins with.
func printOf(seed uint64, tuple []byte, cells int) fingerprint {
	mixed := seed
	for range cells {
		var cell []byte
		var null bool
		cell, null, tuple = cutCell(tuple)
		mixed = mixCell(mixed, cell, null)
	}
	return fingerprintOf(mixed)
}

// fingerprintsKey names the keys in a row group of a data file.
type fingerprintsKey struct {
	data    string // location
	group   int
	columns string // the field ids of the key, in its order
}

// size is how many bytes it takes to remember something under the key, beside that.
func (k fingerprintsKey) size() int64 { return int64(256 + len(k.data) + len(k.columns)) }

func newFingerprintsKey(data string, group int, ids []int) fingerprintsKey {
	var columns []byte
	for _, id := range ids {
		columns = binary.AppendUvarint(columns, uint64(id))
	}
	return fingerprintsKey{data: data, group: group, columns: string(columns)}
}

// fingerprintSet has the fingerprints of some keys. Most keys of a table are not among
// those of an input, and it tells so faster than they could be looked for.
type fingerprintSet []fingerprint // as many as a power of two; 0 is none

// newFingerprintSet returns a set with room for so many.
func newFingerprintSet(keys int) fingerprintSet {
	size := 8 << 10
	for size < 2*keys {
		size *= 2
	}
	return make(fingerprintSet, size)
}

func (s fingerprintSet) add(f fingerprint) {
	at := int(f) & (len(s) - 1)
	for s[at] != 0 && s[at] != f {
		at = (at + 1) & (len(s) - 1)
	}
	s[at] = f
}

func (s fingerprintSet) has(f fingerprint) bool {
	at := int(f) & (len(s) - 1)
	for s[at] != 0 {
		if s[at] == f {
			return true
		}
		at = (at + 1) & (len(s) - 1)
	}
	return false
}
