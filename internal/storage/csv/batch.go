package csv

// Batch holds some consecutive rows, column by column. The zero Batch is
// ready for use. A batch owns the memory behind its values and uses it again
// each time it is passed to [Reader.Next], so a few batches that circulate
// between a parser and its consumers serve a file of any size.
type Batch struct {
	Rows    int
	Columns []Column // as many as the reader's header has names
	Line    int64    // number of the line, from 1, where the first row starts
	Bytes   int64    // of input, with line ends, that the rows take, with bad rows before and between them

	buf   []byte // the input, of which most values are slices
	plain []byte // values that had to be rewritten: without doubling or escapes
	marks []mark // where the quoted cells are, if the reader was asked for it
}

// Column holds the cells of one column of a [Batch]. Values and Defined are
// what a writer of optional Parquet columns takes as values and definition
// levels. The values must not be changed, and are gone when the batch is
// passed to [Reader.Next] again.
type Column struct {
	Values  [][]byte // the values that are not NULL, in row order
	Defined []int16  // per row 1 for a value, 0 for NULL
}

// mark is the place of a quoted cell.
type mark struct{ row, column int }

// reset empties the batch for columns columns. Memory that one huge row made
// grow past bound is given up: pooled batches would otherwise keep it for the
// rest of the file.
func (b *Batch) reset(columns, bound int) {
	if cap(b.buf) > bound || cap(b.plain) > bound {
		b.buf, b.plain = nil, nil
		for i := range b.Columns {
			// Stale values beyond the length would keep the old buffers alive.
			clear(b.Columns[i].Values[:cap(b.Columns[i].Values)])
		}
	}
	if cap(b.Columns) < columns {
		b.Columns = make([]Column, columns)
	}
	b.Columns = b.Columns[:columns]
	for i := range b.Columns {
		b.Columns[i].Values = b.Columns[i].Values[:0]
		b.Columns[i].Defined = b.Columns[i].Defined[:0]
	}
	b.buf, b.plain, b.marks = b.buf[:0], b.plain[:0], b.marks[:0]
	b.Rows, b.Line, b.Bytes = 0, 0, 0
}

// dropUnfinished takes back the cells of a row that turned out to be
// unfinished or broken.
func (b *Batch) dropUnfinished() {
	for i := range b.Columns {
		c := &b.Columns[i]
		if len(c.Defined) == b.Rows {
			break // cells are added from the left
		}
		if c.Defined[b.Rows] == 1 {
			c.Values = c.Values[:len(c.Values)-1]
		}
		c.Defined = c.Defined[:b.Rows]
	}
	for len(b.marks) > 0 && b.marks[len(b.marks)-1].row == b.Rows {
		b.marks = b.marks[:len(b.marks)-1]
	}
}
