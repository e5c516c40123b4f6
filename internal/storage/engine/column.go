package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/klauspost/compress/zstd"
)

// How many bytes of values make a page: what a reader decodes at least to see
// one value. All the columns together hold half of what a row group may take,
// so that the pages of very wide tables are smaller. A page of positions in a
// dictionary is small anyway. One of the values themselves is kept smaller,
// because a small upsert decompresses a page for each cell that it looks at;
// smaller ones still would take up clearly more room.
const (
	largestPage  = 128 << 10
	plainPage    = 32 << 10
	smallestPage = 8 << 10
)

// longestBound is how many bytes the bounds of a column have at most. Longer ones
// are left out, because readers would take a part for a value that is there.
const longestBound = 256

// newCompressor returns what compresses pages, as many at a time as there are processors.
func newCompressor() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(compressionLevel)),
		zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)), zstd.WithZeroFrames(true), zstd.WithWindowSize(2*largestPage))
}

// columnWriter encodes one column, a row group at a time, into pages. The
// pages of a row group wait in memory for those of the other columns.
//
// Of the library it uses the page writer and the metadata; the encodings are
// its own. The library's column writer counts the NULLs of a page only when it
// also compares all values for their minimum and maximum, and else claims in
// the page's header that there are none, which some readers believe. It also
// costs far more time and memory.
type columnWriter struct {
	fixed    bool          // values have 8 bytes each, and no length
	pageSize int           // bytes of values that make a page
	kept     int           // bytes that its dictionary may keep between row groups
	codec    *zstd.Encoder // of all columns
	bounded  bool          // the row groups tell the smallest and the largest value

	// The row group.
	chunk      *metadata.ColumnChunkMetaDataBuilder
	pages      file.PageWriter
	rows       int64
	nulls      int64
	dictionary *dictionary
	indexing   bool            // values still go through the dictionary
	stored     bool            // the dictionary is written, for pages cut before
	waiting    []file.DataPage // pages that need the dictionary before them
	cutPages   int
	bounds     keyBounds

	// The page.
	defined   bitmap
	pageRows  int
	pageNulls int
	raw       int      // bytes of the values, each with its length
	indices   []uint32 // of the values, while indexing
	plain     []byte   // the values themselves, otherwise

	taken int // values used of the block that is being written

	body []byte // scratch
	page []byte // scratch
}

// newColumnWriter returns a writer for one of so many columns.
func newColumnWriter(fixed bool, columns int, codec *zstd.Encoder) *columnWriter {
	return &columnWriter{
		fixed: fixed, codec: codec, dictionary: newDictionary(fixed),
		pageSize: max(smallestPage, min(largestPage, groupBytes/2/columns)), kept: groupBytes / columns,
	}
}

// begin starts a row group. The pages go to sink when the row group is closed.
func (c *columnWriter) begin(chunk *metadata.ColumnChunkMetaDataBuilder, sink *sink, group, column int, index *metadata.OffsetIndexBuilder) error {
	pages, err := file.NewPageWriter(sink, compress.Codecs.Zstd, compressionLevel, chunk,
		int16(group), int16(column), memory.DefaultAllocator, true, nil, nil)
	if err != nil {
		return err
	}
	pages.SetIndexBuilders(nil, index)
	c.chunk, c.pages = chunk, pages
	c.rows, c.nulls, c.bounds.any = 0, 0, false
	c.dictionary.reset(c.kept)
	c.indexing, c.stored, c.cutPages = true, false, 0
	return nil
}

// add appends rows: values holds those that are not NULL.
func (c *columnWriter) add(values [][]byte, defined []int16) error {
	next := 0
	for len(defined) > 0 {
		row := 0
		stop := c.fullPage()
		if c.cutPages == 0 && c.raw < c.firstPage() {
			stop = c.firstPage()
		}
		if len(values)-next == len(defined) {
			for row < len(defined) && c.raw < stop {
				c.put(values[next])
				next++
				row++
			}
		} else {
			for row < len(defined) && c.raw < stop {
				if defined[row] == 1 {
					c.put(values[next])
					next++
				} else {
					c.pageNulls++
				}
				row++
			}
		}
		c.defined.add(defined[:row])
		c.pageRows += row
		defined = defined[row:]
		if c.indexing && c.cutPages == 0 && !c.worthIndexing() {
			c.toPlain()
		}
		if c.raw >= c.fullPage() || (c.cutPages == 0 && !c.indexing && c.raw >= c.firstPage()) {
			if err := c.cut(); err != nil {
				return err
			}
		}
	}
	return nil
}

// fullPage is how many bytes of values make a page.
func (c *columnWriter) fullPage() int {
	if c.indexing {
		return c.pageSize
	}
	return min(c.pageSize, plainPage)
}

// firstPage is how many bytes of values make the first page of a row group, where
// it needs no dictionary: a look at the first rows of a table decodes nothing else.
// So many also tell whether the dictionary is worth its room.
func (c *columnWriter) firstPage() int { return c.pageSize / 8 }

// put takes one value into the page.
func (c *columnWriter) put(value []byte) {
	c.raw += 4 + len(value)
	if c.bounded {
		c.bounds.add(value)
	}
	if c.indexing {
		index, ok := c.dictionary.index(value)
		if ok {
			c.indices = append(c.indices, index)
			return
		}
		c.toPlain()
	}
	if !c.fixed {
		c.plain = binary.LittleEndian.AppendUint32(c.plain, uint32(len(value)))
	}
	c.plain = append(c.plain, value...)
}

// worthIndexing tells whether the dictionary and the positions in it are
// smaller than the values. It is asked before the first page is cut; a few
// values tell nothing.
func (c *columnWriter) worthIndexing() bool {
	if c.raw < c.firstPage() {
		return true
	}
	positions := len(c.indices) * width(c.dictionary.size()) / 8
	return len(c.dictionary.page)+positions < c.raw
}

// toPlain turns the values of the page from positions into themselves. Pages
// that were cut before keep the dictionary.
func (c *columnWriter) toPlain() {
	for _, index := range c.indices {
		c.plain = append(c.plain, c.dictionary.encoded(index)...)
	}
	c.indices = c.indices[:0]
	c.indexing = false
}

// cut ends the page.
func (c *columnWriter) cut() error {
	if c.dictionary.size() == 0 {
		c.toPlain() // nothing but NULLs
	}
	if !c.indexing {
		if err := c.writeWaiting(); err != nil {
			return err
		}
	}
	c.page = c.defined.appendRuns(c.page[:0])
	levels := len(c.page)
	body, encoding := c.plain, parquet.Encodings.Plain
	if c.indexing {
		c.body = appendIndices(c.body[:0], c.indices, c.dictionary.size())
		body, encoding = c.body, parquet.Encodings.RLEDict
	}
	c.page = c.codec.EncodeAll(body, c.page)

	encoded := c.page
	if c.indexing {
		encoded = append([]byte(nil), encoded...)
	}
	page := file.NewDataPageV2WithConfig(memory.NewBufferBytes(encoded), int32(c.pageNulls), int32(c.pageRows), int32(levels), 0, true, file.DataPageConfig{
		Num:              int32(c.pageRows),
		Encoding:         encoding,
		UncompressedSize: int32(levels + len(body)),
		FirstRowIndex:    c.rows,
	})
	c.rows += int64(c.pageRows)
	c.nulls += int64(c.pageNulls)
	c.cutPages++
	c.defined.reset()
	c.pageRows, c.pageNulls, c.raw = 0, 0, 0
	c.indices, c.plain = c.indices[:0], c.recycle(c.plain)
	c.body, c.page = c.recycle(c.body), c.recycle(c.page)
	if c.indexing {
		c.waiting = append(c.waiting, page)
		return nil
	}
	return c.write(page)
}

func (c *columnWriter) write(page file.DataPage) error {
	defer page.Release()
	_, err := c.pages.WriteDataPage(page)
	return err
}

// writeWaiting writes the dictionary and the pages that need it, if there are any.
func (c *columnWriter) writeWaiting() error {
	if len(c.waiting) == 0 {
		return nil
	}
	dictionary := file.NewDictionaryPage(memory.NewBufferBytes(c.dictionary.page), int32(c.dictionary.size()), parquet.Encodings.Plain)
	if _, err := c.pages.WriteDictionaryPage(dictionary); err != nil {
		return err
	}
	dictionary.Release()
	c.stored = true
	for _, page := range c.waiting {
		if err := c.write(page); err != nil {
			return err
		}
	}
	clear(c.waiting)
	c.waiting = c.waiting[:0]
	return nil
}

// finish ends the last page of the row group.
func (c *columnWriter) finish() error {
	if c.pageRows > 0 {
		if err := c.cut(); err != nil {
			return err
		}
	}
	if err := c.writeWaiting(); err != nil {
		return err
	}
	var statistics metadata.EncodedStatistics
	statistics.SetNullCount(c.nulls)
	if c.bounds.any && max(len(c.bounds.min), len(c.bounds.max)) <= longestBound {
		statistics.SetMin(bytes.Clone(c.bounds.min))
		statistics.SetMax(bytes.Clone(c.bounds.max))
	}
	c.chunk.SetStats(statistics)
	return nil
}

// close hands the pages of the row group to the sink.
func (c *columnWriter) close() error {
	if err := c.pages.Close(c.stored, c.stored && !c.indexing); err != nil {
		return fmt.Errorf("close column: %w", err)
	}
	c.pages = nil
	return nil
}

// recycle empties a buffer, and drops one that a huge value made grow.
func (c *columnWriter) recycle(buffer []byte) []byte {
	if cap(buffer) > 4*c.pageSize {
		return nil
	}
	return buffer[:0]
}
