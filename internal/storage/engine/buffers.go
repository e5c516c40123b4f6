package engine

import (
	"math/bits"
	"sync"

	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Sizes of the buffers that are used again, as powers of two.
const (
	leastBuffer = 12 // 4 KiB
	mostBuffer  = 20 // 1 MiB: a dictionary; the pages of usual columns have less
)

// buffers lends memory for the pages of data files: a read of a few rows needs
// a page of each column, which is a megabyte or two, and the next one the same.
// What a cursor gave as a value lies in them, so it is good until the cursor is
// closed. Contents are not cleared. It is safe for concurrent use.
type buffers struct {
	bySize [mostBuffer - leastBuffer + 1]sync.Pool // of *[]byte

	// freed is told of a buffer that was given back; nil outside of tests.
	freed func([]byte)
}

var _ memory.Allocator = (*buffers)(nil)

// sizeOf returns which of the pools has buffers for so many bytes; false if none has.
func sizeOf(size int) (int, bool) {
	power := bits.Len(uint(max(size, 1) - 1))
	return max(0, power-leastBuffer), power <= mostBuffer
}

// Allocate implements memory.Allocator.
func (b *buffers) Allocate(size int) []byte {
	pool, ok := sizeOf(size)
	if !ok {
		return make([]byte, size)
	}
	if buffer, ok := b.bySize[pool].Get().(*[]byte); ok {
		return (*buffer)[:size]
	}
	return make([]byte, size, 1<<(pool+leastBuffer))
}

// Reallocate implements memory.Allocator.
func (b *buffers) Reallocate(size int, old []byte) []byte {
	if size <= cap(old) {
		return old[:size]
	}
	grown := b.Allocate(size)
	copy(grown, old)
	b.Free(old)
	return grown
}

// Free implements memory.Allocator.
func (b *buffers) Free(buffer []byte) {
	if b.freed != nil {
		b.freed(buffer)
	}
	pool, ok := sizeOf(cap(buffer))
	if ok && cap(buffer) == 1<<(pool+leastBuffer) {
		b.bySize[pool].Put(&buffer)
	}
}
