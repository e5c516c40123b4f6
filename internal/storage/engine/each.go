package engine

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/parquet"
)

// Each calls fn with every row that satisfies a query, uncut, in the order of
// the table; Query.Order is refused. The row is only good during the call. An
// error of fn ends it and is returned as it is. Memory is bounded however
// many rows there are.
//
// Fails otherwise like [View.Find].
func (v *View) Each(ctx context.Context, q Query, fn func(Row) error) error {
	if v.closed.Load() {
		return errClosed
	}
	if len(q.Order) > 0 || q.Limit < 0 {
		return fmt.Errorf("%w: only the order of the table, and no limit below 0", ErrQuery)
	}
	wanted, err := v.projection(q)
	if err != nil {
		return err
	}
	tests, err := v.tests(q)
	if err != nil {
		return err
	}
	rows := 0
	for ordinal := range v.live {
		enough, err := v.eachOf(ctx, ordinal, wanted, tests, func(row Row) (bool, error) {
			rows++
			return rows == q.Limit, fn(row)
		})
		if err != nil || enough {
			return err
		}
	}
	return nil
}

// eachOf calls fn with the rows of a data file until it says that it is enough.
func (v *View) eachOf(ctx context.Context, ordinal int, wanted projection, tests []predicate, fn func(Row) (bool, error)) (enough bool, err error) {
	file, err := v.open(ctx, ordinal)
	if err != nil {
		return false, err
	}
	defer file.release()
	for number := range file.starts {
		reader, err := newRowReader(file.group(number), wanted, tests)
		if err != nil {
			return false, v.located(ordinal, err)
		}
		for {
			row, ok, err := reader.next(ctx)
			if err != nil {
				reader.close()
				return false, v.located(ordinal, err)
			}
			if !ok {
				break
			}
			if enough, err := fn(row); enough || err != nil {
				reader.close()
				return enough, err
			}
		}
		reader.close()
	}
	return false, nil
}

// rowReader reads the rows of a row group one after the other.
type rowReader struct {
	filter *filter
	at     int // which of the filter's rows is next
	rowCursors

	row  Row
	text []byte // the values of the row, one after the other
	ends []int
}

func newRowReader(group *rowGroup, wanted projection, tests []predicate) (r *rowReader, err error) {
	defer shield(&err)
	r = &rowReader{row: Row{Cells: make([]Cell, len(wanted.ids))}, ends: make([]int, len(wanted.ids))}
	if r.filter, err = newFilter(group, tests); err != nil {
		return nil, err
	}
	if r.rowCursors, err = openRow(group, wanted); err != nil {
		r.filter.close()
		return nil, err
	}
	return r, nil
}

// next returns the next row; false at the end.
func (r *rowReader) next(ctx context.Context) (row Row, ok bool, err error) {
	defer shield(&err)
	for r.at == len(r.filter.rows) {
		if err := ctx.Err(); err != nil {
			return Row{}, false, err
		}
		more, err := r.filter.advance(window)
		if err != nil || !more {
			return Row{}, false, err
		}
		r.at = 0
	}
	position := r.filter.rows[r.at]
	r.at++

	r.text = r.text[:0]
	for i, c := range r.cells {
		cell, null, err := c.at(position)
		if err != nil {
			return Row{}, false, err
		}
		r.text = append(r.text, cell...)
		r.ends[i], r.row.Cells[i].Null = len(r.text), null
	}
	text, start := string(r.text), 0 // one allocation for all cells
	for i, end := range r.ends {
		r.row.Cells[i].Value = text[start:end]
		start = end
	}
	if r.time != nil {
		micros, null, err := r.time.at(position)
		if err != nil {
			return Row{}, false, err
		}
		r.row.Time = moment(micros, null)
		if r.row.Job, _, err = r.job.at(position); err != nil {
			return Row{}, false, err
		}
	}
	return r.row, true, nil
}

func (r *rowReader) close() {
	r.filter.close()
	r.rowCursors.close()
}

// rowCursors are cursors over all that is wanted of the rows of a row group.
type rowCursors struct {
	cells []*cursor[parquet.ByteArray]
	time  *cursor[int64] // nil without the origin
	job   *cursor[int64]
}

func openRow(group *rowGroup, wanted projection) (r rowCursors, err error) {
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	for _, id := range wanted.ids {
		c, err := openColumn[parquet.ByteArray](group, id)
		if err != nil {
			return r, err
		}
		// All columns are open at once.
		c.most = min(c.most, max(shortRead, 256<<10/len(wanted.ids)))
		r.cells = append(r.cells, c)
	}
	if wanted.origin {
		if r.time, err = openColumn[int64](group, wanted.time); err != nil {
			return r, err
		}
		r.job, err = openColumn[int64](group, wanted.job)
	}
	return r, err
}

func (r rowCursors) close() {
	for _, c := range r.cells {
		c.close()
	}
	for _, c := range []*cursor[int64]{r.time, r.job} {
		if c != nil {
			c.close()
		}
	}
}
