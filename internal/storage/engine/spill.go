package engine

import (
	"context"
	"encoding/binary"
	"os"
	"sync"

	"golang.org/x/sync/errgroup"

	"steward/internal/storage/blob"
)

// partitions is how many parts the entries of a spill are divided into.
const partitions = 256

// spillRead is how many entries are read from disk at once.
const spillRead = 2048

// entry is what is remembered of a row: the hash of its key, that of its other
// cells if they matter, and where it stands.
type entry struct {
	key, row hash
	at       uint64
}

// spill keeps entries, divided by their keys: a number of them in memory, and
// what goes beyond in a temporary file. It is filled by one goroutine and read
// by any number afterwards.
type spill struct {
	store *blob.Local
	limit int // entries in memory
	size  int // bytes of an entry
	held  int // entries in memory
	parts [partitions]spillPart
	file  *os.File
	end   int64 // of the file
}

// spillPart is the part of a spill that has the keys with the same first bits.
type spillPart struct {
	held    []byte
	extents []extent // in the order in which the entries came
}

// extent is a part of a file.
type extent struct{ offset, length int64 }

// newSpill returns an empty spill, whose entries do without [entry.row] unless
// rows is set.
func newSpill(store *blob.Local, limit int, rows bool) *spill {
	s := &spill{store: store, limit: limit, size: 24}
	if rows {
		s.size = 40
	}
	return s
}

// add takes an entry.
func (s *spill) add(ctx context.Context, e entry) error {
	p := &s.parts[e.key.Hi>>56]
	p.held = binary.LittleEndian.AppendUint64(p.held, e.key.Hi)
	p.held = binary.LittleEndian.AppendUint64(p.held, e.key.Lo)
	p.held = binary.LittleEndian.AppendUint64(p.held, e.at)
	if s.size == 40 {
		p.held = binary.LittleEndian.AppendUint64(p.held, e.row.Hi)
		p.held = binary.LittleEndian.AppendUint64(p.held, e.row.Lo)
	}
	s.held++
	if s.held <= s.limit {
		return nil
	}
	return s.flush(ctx)
}

// flush moves what is in memory to disk.
func (s *spill) flush(ctx context.Context) (err error) {
	if s.file == nil {
		if s.file, err = s.store.Temporary(ctx); err != nil {
			return err
		}
	}
	for i := range s.parts {
		p := &s.parts[i]
		if len(p.held) == 0 {
			continue
		}
		if _, err := s.file.WriteAt(p.held, s.end); err != nil {
			return err
		}
		p.extents = append(p.extents, extent{s.end, int64(len(p.held))})
		s.end += int64(len(p.held))
		p.held = p.held[:0]
	}
	s.held = 0
	return ctx.Err()
}

// settle ends the filling: if there is anything on disk, then all of it, so
// that the memory is free.
func (s *spill) settle(ctx context.Context) error {
	if s.file == nil {
		return nil
	}
	if err := s.flush(ctx); err != nil {
		return err
	}
	for i := range s.parts {
		s.parts[i].held = nil
	}
	return nil
}

// each calls fn with the entries of a part whose keys are in a share of it, in
// the order in which they came, until fn returns false.
func (s *spill) each(ctx context.Context, part int, of share, fn func(entry) bool) error {
	p := &s.parts[part]
	var buffer []byte
	for _, x := range p.extents {
		if most := min(x.length, int64(spillRead*s.size)); int64(cap(buffer)) < most {
			buffer = make([]byte, 0, most)
		}
		for x.length > 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			buffer = buffer[:min(x.length, int64(cap(buffer)))]
			if _, err := s.file.ReadAt(buffer, x.offset); err != nil {
				return err
			}
			x.offset, x.length = x.offset+int64(len(buffer)), x.length-int64(len(buffer))
			if !s.decode(buffer, of, fn) {
				return nil
			}
		}
	}
	s.decode(p.held, of, fn)
	return nil
}

// decode calls fn with the entries in a buffer; false if fn returned it.
func (s *spill) decode(buffer []byte, of share, fn func(entry) bool) bool {
	for ; len(buffer) > 0; buffer = buffer[s.size:] {
		b := buffer[:s.size:s.size]
		e := entry{
			key: hash{Hi: binary.LittleEndian.Uint64(b), Lo: binary.LittleEndian.Uint64(b[8:])},
			at:  binary.LittleEndian.Uint64(b[16:]),
		}
		if e.key.Hi&of.mask != of.bits {
			continue
		}
		if s.size == 40 {
			e.row = hash{Hi: binary.LittleEndian.Uint64(b[24:]), Lo: binary.LittleEndian.Uint64(b[32:])}
		}
		if !fn(e) {
			return false
		}
	}
	return true
}

// close gives memory and file back.
func (s *spill) close() {
	if s.file != nil {
		_ = s.file.Close() // it has no name, so that nothing is left of it
		s.file = nil
	}
	s.parts = [partitions]spillPart{}
}

// share is a share of the keys of a part: those whose last bits are the same.
type share struct{ mask, bits uint64 }

// halves divides a share.
func (s share) halves() [2]share {
	next := s.mask + 1
	return [2]share{{s.mask | next, s.bits}, {s.mask | next, s.bits | next}}
}

// eachPart works through all parts, several at a time. work is given a share
// of a part and a table to use. If that has more keys than [tableLimit] allows,
// it counts nothing, returns false, and is given smaller shares instead: so
// memory is bounded however many keys there are.
func eachPart[T any](ctx context.Context, work func(ctx context.Context, part int, of share, table *keyTable[T]) (bool, error)) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(abreast())
	tables := sync.Pool{New: func() any { return new(keyTable[T]) }}
	for part := range partitions {
		g.Go(func() error {
			table := tables.Get().(*keyTable[T])
			defer tables.Put(table)
			var try func(of share) error
			try = func(of share) error {
				table.reset()
				fits, err := work(ctx, part, of, table)
				if err != nil || fits {
					return err
				}
				for _, half := range of.halves() {
					if err := try(half); err != nil {
						return err
					}
				}
				return nil
			}
			return try(share{})
		})
	}
	return g.Wait()
}

// tableLimit returns how many keys a table of [eachPart] has, so that all of
// them together stay within the number of keys in memory.
func tableLimit(keysInMemory int) int { return max(1, keysInMemory/4) }
