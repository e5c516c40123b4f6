package engine

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/parquet"
)

// How long the cells of a Find result may be.
const (
	longCell    = 16 << 10 // bytes of a cell
	resultLimit = 16 << 20 // bytes of all cells together, were all of them this long
	cellLeast   = 64       // bytes that even the cells of a huge result have
)

// projection is what of each row is wanted.
type projection struct {
	names  []string
	ids    []int
	origin bool
	time   int // field ids
	job    int
}

// projection resolves the columns of a query.
func (v *View) projection(q Query) (projection, error) {
	p := projection{origin: q.Origin, time: v.ids[timestampColumn], job: v.ids[jobColumn]}
	if q.Columns == nil {
		for _, c := range v.columns {
			p.names, p.ids = append(p.names, c.Name), append(p.ids, c.ID)
		}
		return p, nil
	}
	for _, name := range q.Columns {
		id, err := v.columnID(name)
		if err != nil {
			return p, err
		}
		p.names, p.ids = append(p.names, name), append(p.ids, id)
	}
	return p, nil
}

// cellLimit returns how many bytes of a cell are kept in a result of so many rows.
func (p projection) cellLimit(rows int) int {
	cells := max(1, rows*len(p.ids))
	return min(longCell, max(cellLeast, resultLimit/cells))
}

// fetch reads some rows of a row group, in ascending order, column by column.
// Longer cells are cut.
func (p projection) fetch(group *rowGroup, rows []int64, limit int) ([]Row, error) {
	fetched := make([]Row, len(rows))
	cells := make([]Cell, len(rows)*len(p.ids))
	for i := range fetched {
		fetched[i].Cells = cells[i*len(p.ids) : (i+1)*len(p.ids) : (i+1)*len(p.ids)]
	}
	for column, id := range p.ids {
		err := visit(group, id, rows, func(i int, cell parquet.ByteArray, null bool) {
			fetched[i].Cells[column] = newCell(cell, null, limit)
		})
		if err != nil {
			return nil, err
		}
	}
	if p.origin {
		for i, row := range rows {
			fetched[i].Place = place{group.file.ordinal, group.number, row}.String()
		}
		err := visit(group, p.time, rows, func(i int, micros int64, null bool) {
			fetched[i].Time = moment(micros, null)
		})
		if err != nil {
			return nil, err
		}
		err = visit(group, p.job, rows, func(i int, job int64, null bool) { fetched[i].Job = job })
		if err != nil {
			return nil, err
		}
	}
	return fetched, nil
}

// visit calls put with the cell of a column in each of the rows, which ascend.
func visit[T any](group *rowGroup, id int, rows []int64, put func(i int, value T, null bool)) error {
	c, err := openColumn[T](group, id)
	if err != nil {
		return err
	}
	defer c.close()
	for i, row := range rows {
		value, null, err := c.at(row)
		if err != nil {
			return fmt.Errorf("row group %d, column %d: %w", group.number, id, err)
		}
		put(i, value, null)
	}
	return nil
}

// newCell copies a cell, but no more than limit bytes of it and whole characters.
func newCell(cell []byte, null bool, limit int) Cell {
	if len(cell) <= limit {
		return Cell{Value: string(cell), Null: null}
	}
	for limit > 0 && !utf8.RuneStart(cell[limit]) {
		limit--
	}
	return Cell{Value: string(cell[:limit]), Cut: true}
}

func moment(micros int64, null bool) time.Time {
	if null {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}
