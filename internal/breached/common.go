package breached

import (
	"bufio"
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"slices"
)

// list/SOURCES.md says where the list comes from, and how it was made.
//
//go:embed list/common.txt.gz
var commonList []byte

// The size of the common list; a test compares.
const (
	entries       = 414_351
	shortestEntry = 3 // bytes
	longestEntry  = 64
	beginning     = 5
)

// set holds the hashes of texts in four bytes each. 48 bits of a hash decide: a text
// that is not in it seems to be with a chance of one in 680 million.
type set struct {
	first []uint32 // by the top 16 bits of a hash: where the rests of its hashes begin
	rests []uint32 // the next 32 bits, sorted below each top

	begins []uint64 // one bit for the first bytes of each text, so that most looks end there
}

// loadCommon unpacks the list that is part of the program.
func loadCommon() (*set, error) {
	unpacked, err := gzip.NewReader(bytes.NewReader(commonList))
	if err != nil {
		return nil, fmt.Errorf("breached: the common list: %w", err)
	}
	s := &set{first: make([]uint32, 1<<16+1), begins: make([]uint64, 1<<placeBits/64)}
	hashes := make([]uint64, 0, entries)
	lines := bufio.NewScanner(unpacked)
	for lines.Scan() {
		h := newHash()
		for i, b := range lines.Bytes() {
			if h = h.add(b); i+1 == beginning {
				word, bit := h.place()
				s.begins[word] |= bit
			}
		}
		hashes = append(hashes, h.sum())
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("breached: the common list: %w", err)
	}
	slices.Sort(hashes)
	s.rests = make([]uint32, len(hashes))
	for i, h := range hashes {
		s.first[h>>48+1]++
		s.rests[i] = uint32(h >> 16)
	}
	for i := 1; i < len(s.first); i++ {
		s.first[i] += s.first[i-1]
	}
	return s, nil
}

func (s *set) has(text string) bool {
	h := newHash()
	for i := range len(text) {
		h = h.add(text[i])
	}
	return s.hasHash(h)
}

func (s *set) hasHash(h hash) bool {
	sum := h.sum()
	top, rest := sum>>48, uint32(sum>>16)
	return slices.Contains(s.rests[s.first[top]:s.first[top+1]], rest) // six of them, on average
}

// prefixes gives the lengths of the beginnings of text that are in the set.
func (s *set) prefixes(text string) (lengths []int) {
	h := newHash()
	for i := range min(len(text), longestEntry) {
		if h = h.add(text[i]); i+1 >= shortestEntry && s.hasHash(h) {
			lengths = append(lengths, i+1)
		}
		if i+1 == beginning {
			if word, bit := h.place(); s.begins[word]&bit == 0 {
				break
			}
		}
	}
	return lengths
}

// hash is FNV-1a of 64 bits, which grows by a byte at a time, so that all texts that
// begin at one place are hashed in one go.
type hash uint64

func newHash() hash { return 0xcbf29ce484222325 }

func (h hash) add(b byte) hash { return (h ^ hash(b)) * 0x100000001b3 }

// sum mixes the bits (the finalizer of MurmurHash3), since FNV's upper ones hardly know
// of the last bytes.
func (h hash) sum() uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return uint64(h ^ h>>33)
}

const placeBits = 20

// place is where the bit of a hash is.
func (h hash) place() (word int, bit uint64) {
	at := h.sum() >> (64 - placeBits)
	return int(at / 64), 1 << (at % 64)
}
