package engine

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
)

// dictionaryLimit bounds the page that holds the distinct values of a column.
const dictionaryLimit = 1 << 20

// dictionary numbers the distinct values of a column in a row group.
type dictionary struct {
	prefix int // bytes of a value's length before it: 4 for text, 0 for numbers
	width  int // bytes of each value where there is no length

	seed   maphash.Seed
	page   []byte   // the values as the dictionary page has them
	starts []uint32 // per entry, where its value begins in page
	hashes []uint32 // per entry
	slots  []uint32 // hash table: entry + 1, or 0
}

func newDictionary(fixed bool) *dictionary {
	d := &dictionary{prefix: 4, seed: maphash.MakeSeed(), slots: make([]uint32, 64)}
	if fixed {
		d.prefix, d.width = 0, 8
	}
	return d
}

// reset empties the dictionary. What it holds stays for the next values, unless that is
// more than some bytes: of very many columns few are busy at a time.
func (d *dictionary) reset(most int) {
	if cap(d.page)+4*(cap(d.starts)+cap(d.hashes)+cap(d.slots)) > most {
		d.page, d.starts, d.hashes, d.slots = nil, nil, nil, make([]uint32, 64)
		return
	}
	d.page, d.starts, d.hashes = d.page[:0], d.starts[:0], d.hashes[:0]
	clear(d.slots)
}

func (d *dictionary) size() int { return len(d.starts) }

// encoded returns entry i as it stands in the page, with its length before it.
func (d *dictionary) encoded(i uint32) []byte {
	start := int(d.starts[i])
	return d.page[start-d.prefix : start+d.length(start)]
}

func (d *dictionary) length(start int) int {
	if d.prefix == 0 {
		return d.width
	}
	return int(binary.LittleEndian.Uint32(d.page[start-d.prefix:]))
}

// index returns the number of a value, a new one if need be; false if there is
// no room for it.
func (d *dictionary) index(value []byte) (uint32, bool) {
	hash := uint32(maphash.Bytes(d.seed, value))
	mask := uint32(len(d.slots) - 1)
	at := hash & mask
	for d.slots[at] != 0 {
		entry := d.slots[at] - 1
		if d.hashes[entry] == hash {
			start := int(d.starts[entry])
			if bytes.Equal(d.page[start:start+d.length(start)], value) {
				return entry, true
			}
		}
		at = (at + 1) & mask
	}
	if len(d.page)+d.prefix+len(value) > dictionaryLimit {
		return 0, false
	}
	if d.prefix > 0 {
		d.page = binary.LittleEndian.AppendUint32(d.page, uint32(len(value)))
	}
	entry := uint32(len(d.starts))
	d.starts = append(d.starts, uint32(len(d.page)))
	d.hashes = append(d.hashes, hash)
	d.page = append(d.page, value...)
	d.slots[at] = entry + 1
	if len(d.starts)*2 > len(d.slots) {
		d.grow()
	}
	return entry, true
}

func (d *dictionary) grow() {
	d.slots = make([]uint32, len(d.slots)*2)
	mask := uint32(len(d.slots) - 1)
	for entry, hash := range d.hashes {
		at := hash & mask
		for d.slots[at] != 0 {
			at = (at + 1) & mask
		}
		d.slots[at] = uint32(entry) + 1
	}
}
