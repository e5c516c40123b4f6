package engine

import (
	"fmt"
	"sort"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
)

// How many rows a cursor decodes at once: few where it landed after a jump,
// more the longer it reads on.
const (
	shortRead = 64
	longRead  = 2048
)

// chunkReader is what the library's column readers have in common.
type chunkReader[T any] interface {
	ReadBatchInPage(n int64, values []T, defined, repeated []int16) (rows int64, read int, err error)
	Skip(rows int64) (int64, error)
	SeekToRow(row int64) error
	Close() error
}

var (
	_ chunkReader[parquet.ByteArray] = (*file.ByteArrayColumnChunkReader)(nil)
	_ chunkReader[int64]             = (*file.Int64ColumnChunkReader)(nil)
)

// cursor reads one column of one row group, forwards.
type cursor[T any] struct {
	reader chunkReader[T] // nil: the file does not have the column, all is NULL
	pages  func() ([]*metadata.PageLocation, error)

	// The rows from start to before end are decoded; row is the next of them,
	// and value is where its value stands, should it have one.
	start, end int64
	row        int64
	value      int
	defined    []int16
	values     []T
	size       int // rows decoded last
	most       int // rows decoded at once
}

// at returns the cell in a row, which must lie behind the one asked for
// before. The value is good until the next call.
func (c *cursor[T]) at(row int64) (value T, null bool, err error) {
	if c.reader == nil {
		return value, true, nil
	}
	if row >= c.end {
		if err := c.read(row); err != nil {
			return value, false, err
		}
	}
	for ; c.row < row; c.row++ {
		c.value += int(c.defined[c.row-c.start])
	}
	c.row++
	if c.defined[row-c.start] == 0 {
		return value, true, nil
	}
	value = c.values[c.value]
	c.value++
	return value, false, nil
}

// read decodes rows from the given one on, which is not decoded yet.
func (c *cursor[T]) read(row int64) error {
	if row > c.end {
		c.size = 0
		if err := c.jump(row); err != nil {
			return err
		}
	}
	c.size = min(max(shortRead, 2*c.size), c.most)
	if len(c.defined) < c.size {
		c.defined, c.values = make([]int16, c.size), make([]T, c.size)
	}
	// Within a page, because the values are slices of it.
	rows, read, err := c.reader.ReadBatchInPage(int64(c.size), c.values, c.defined, nil)
	if err != nil {
		return err
	}
	present := 0
	for _, d := range c.defined[:rows] {
		present += int(d)
	}
	if rows == 0 || read != present {
		return fmt.Errorf("row %d: %d rows with %d values, %d of them found", row, rows, present, read)
	}
	c.start, c.end = row, row+rows
	c.row, c.value = row, 0
	return nil
}

// jump moves the reader on to a row: within the page by passing over values,
// else straight to the page that has the row.
func (c *cursor[T]) jump(row int64) error {
	pages, err := c.pages()
	if err != nil {
		return err
	}
	pageOf := func(row int64) int {
		return sort.Search(len(pages), func(i int) bool { return pages[i].FirstRowIndex > row })
	}
	if pageOf(row) != pageOf(c.end) {
		return c.reader.SeekToRow(row)
	}
	skipped, err := c.reader.Skip(row - c.end)
	if err == nil && skipped != row-c.end {
		err = fmt.Errorf("row %d: passed over %d rows instead of %d", row, skipped, row-c.end)
	}
	return err
}

func (c *cursor[T]) close() {
	if c.reader != nil {
		_ = c.reader.Close() // gives buffers back; nothing to lose
		c.reader = nil
	}
}
