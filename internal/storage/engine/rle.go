package engine

import (
	"encoding/binary"
	"math/bits"
)

// Parquet packs small numbers into a mixture of two kinds of runs: a value
// with the number of its repetitions, and groups of eight values bit by bit.

// bitmap is a sequence of bits, the lowest of each byte first.
type bitmap struct {
	bits []byte
	n    int
}

func (b *bitmap) reset() { b.bits, b.n = b.bits[:0], 0 }

// add appends one bit for each of defined, which are 0 or 1.
func (b *bitmap) add(defined []int16) {
	i := 0
	for ; i < len(defined) && b.n%8 != 0; i++ {
		b.bits[b.n/8] |= byte(defined[i]) << (b.n % 8)
		b.n++
	}
	for ; i+8 <= len(defined); i += 8 {
		d := defined[i : i+8 : i+8]
		b.bits = append(b.bits, byte(d[0]|d[1]<<1|d[2]<<2|d[3]<<3|d[4]<<4|d[5]<<5|d[6]<<6|d[7]<<7))
		b.n += 8
	}
	for ; i < len(defined); i++ {
		if b.n%8 == 0 {
			b.bits = append(b.bits, 0)
		}
		b.bits[b.n/8] |= byte(defined[i]) << (b.n % 8)
		b.n++
	}
}

// appendRuns appends the bits as runs of one-bit numbers.
func (b *bitmap) appendRuns(dst []byte) []byte {
	if rest := b.n % 8; rest > 0 {
		// Fill the last byte with its last bit: readers ignore the filling,
		// and a run to the end stays a run.
		last := &b.bits[len(b.bits)-1]
		if *last>>(rest-1)&1 == 1 {
			*last |= 0xff << rest
		}
	}
	const worthwhile = 4 // bytes; a repetition costs up to six
	literal := 0         // where the bytes begin that are not yet written
	flush := func(end int) {
		if end > literal {
			dst = binary.AppendUvarint(dst, uint64(end-literal)<<1|1)
			dst = append(dst, b.bits[literal:end]...)
		}
	}
	for i := 0; i < len(b.bits); {
		value := b.bits[i]
		end := i + 1
		if value != 0 && value != 0xff {
			i = end
			continue
		}
		for end < len(b.bits) && b.bits[end] == value {
			end++
		}
		if end-i >= worthwhile || (i == 0 && end == len(b.bits)) {
			flush(i)
			dst = binary.AppendUvarint(dst, uint64(min(end*8, b.n)-i*8)<<1)
			dst = append(dst, value&1)
			literal = end
		}
		i = end
	}
	flush(len(b.bits))
	return dst
}

// width returns the bits of a position in a dictionary of size entries.
func width(size int) int {
	return max(1, bits.Len(uint(max(0, size-1))))
}

// appendIndices appends the positions in a dictionary of size entries, led by
// the width in bits that they are written with.
func appendIndices(dst []byte, indices []uint32, size int) []byte {
	width := width(size)
	dst = append(dst, byte(width))
	const worthwhile = 16 // values; fewer are as short bit by bit
	literal := 0
	flush := func(end int) {
		if end <= literal {
			return
		}
		groups := (end - literal + 7) / 8
		dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
		var packed uint64
		held := 0
		for i := range groups * 8 {
			if literal+i < end { // the last group of all is filled with zeros
				packed |= uint64(indices[literal+i]) << held
			}
			held += width
			for held >= 8 {
				dst = append(dst, byte(packed))
				packed >>= 8
				held -= 8
			}
		}
	}
	for i := 0; i < len(indices); {
		end := i + 1
		for end < len(indices) && indices[end] == indices[i] {
			end++
		}
		if end-i < worthwhile {
			// Bit by bit only whole groups are possible, so look for the next
			// repetition from a group on.
			i = min(i+8, len(indices))
			continue
		}
		flush(i)
		dst = binary.AppendUvarint(dst, uint64(end-i)<<1)
		for shift := 0; shift < width; shift += 8 {
			dst = append(dst, byte(indices[i]>>shift))
		}
		literal, i = end, end
	}
	flush(len(indices))
	return dst
}
