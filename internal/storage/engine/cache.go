package engine

import (
	"container/list"
	"sync"

	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/iceberg-go/table/dv"
)

// What an engine remembers of files, which never change, in estimated bytes.
const (
	viewsLimit   = 16 << 20 // of what metadata locations show
	footersLimit = 16 << 20 // of the footers and deletion vectors of data files
)

// cache remembers values by their keys, up to a number of bytes; what was not
// asked for the longest time is forgotten first. It is safe for concurrent use,
// and so its values have to be.
type cache[K comparable, V any] struct {
	limit int64

	mu      sync.Mutex
	bytes   int64
	entries map[K]*list.Element
	recent  list.List // of remembered[K, V], the last one asked for in front
}

type remembered[K comparable, V any] struct {
	key   K
	value V
	bytes int64
}

func newCache[K comparable, V any](limit int64) *cache[K, V] {
	return &cache[K, V]{limit: limit, entries: make(map[K]*list.Element)}
}

// get returns what is remembered under a key; false if nothing is.
func (c *cache[K, V]) get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	if !ok {
		return value, false
	}
	c.recent.MoveToFront(e)
	return e.Value.(remembered[K, V]).value, true
}

// put remembers a value of so many bytes, unless it takes so much of the limit
// that little else would be left.
func (c *cache[K, V]) put(key K, value V, bytes int64) {
	if bytes > c.limit/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[key]; ok { // two asked at once
		c.drop(e)
	}
	c.entries[key] = c.recent.PushFront(remembered[K, V]{key, value, bytes})
	c.bytes += bytes
	for c.bytes > c.limit {
		c.drop(c.recent.Back())
	}
}

// forget drops what is remembered under a key.
func (c *cache[K, V]) forget(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[key]; ok {
		c.drop(e)
	}
}

func (c *cache[K, V]) drop(e *list.Element) {
	r := c.recent.Remove(e).(remembered[K, V])
	delete(c.entries, r.key)
	c.bytes -= r.bytes
}

// viewKey names what a metadata location shows.
type viewKey struct {
	location string
	current  bool
	snapshot int64 // where it is not the current one
	schema   int
}

// size estimates the bytes that a view takes. Of each column a data file has a
// size and two counts.
func (s *shown) size() int64 {
	size := int64(1<<10 + len(s.location))
	for _, c := range s.columns {
		size += int64(128 + 2*len(c.Name))
	}
	return size + int64(len(s.live))*int64(2<<10+200*len(s.ids))
}

// footerKey names a data file with the rows that are deleted from it.
type footerKey struct {
	data, deletes string // locations; no deletes, no location
	offset        int64  // of the deletion vector in its file
}

func (f liveFile) footerKey() footerKey {
	k := footerKey{data: f.data.FilePath()}
	if f.deletes != nil {
		k.deletes = f.deletes.FilePath()
		if o := f.deletes.ContentOffset(); o != nil {
			k.offset = *o
		}
	}
	return k
}

// footer is what is read of a data file before its rows.
type footer struct {
	metadata *metadata.FileMetaData
	columns  map[int]int // field id → position in the file
	starts   []int64     // position in the file of each row group's first row
	deleted  *dv.RoaringPositionBitmap
	seal     *seal // nil for a file without checksums
}

// size estimates the bytes that a footer takes: decoded, its structures are
// several times as large as they were encoded. A deletion vector takes two
// bytes a row at most, and containers of its own.
func (f *footer) size() int64 {
	size := int64(4<<10) + 8*int64(f.metadata.Size())
	if f.seal != nil {
		size += int64(4 * len(f.seal.sums))
	}
	if f.deleted != nil {
		size += 1<<10 + 2*f.deleted.Cardinality()
	}
	return size
}
