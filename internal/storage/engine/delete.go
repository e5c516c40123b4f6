package engine

import (
	"context"

	"github.com/apache/iceberg-go/table/dv"
)

// Delete is the request to remove rows of a table.
type Delete struct {
	Folder string
	Base   string      // metadata location of the table as it is
	Where  []Condition // all must hold; none means all rows
	Job    int64
	// Progress is called with the rows that were looked at, from one goroutine; may be nil.
	Progress func(rows int64)
}

// Delete stages the removal of the rows that satisfy all conditions, and counts
// them in Staged.Removed. The rows stay in the data files, and so in older
// versions, but for files that have no other rows: those are removed. If no row
// satisfies the conditions, nothing changes.
//
// Fails with a *UnknownColumnError, ErrNotNumber or ErrQuery if the conditions
// are at fault, with an error that names the file if a data file is missing or
// damaged, and with blob.ErrNotFound if there is no table at Base.
func (e *Engine) Delete(ctx context.Context, d Delete) (*Staged, error) {
	return e.stage(ctx, func(files *files) (*Staged, error) {
		t, err := tableIn(files, d.Folder, d.Base)
		if err != nil {
			return nil, err
		}
		v, err := e.current(ctx, t)
		if err != nil {
			return nil, err
		}
		tests, err := v.predicates(d.Where)
		if err != nil {
			return nil, err
		}
		change := edit{removed: v.live}
		removed := v.rows
		if len(tests) > 0 {
			if change, removed, err = v.editOf(ctx, tests, d.Progress); err != nil {
				return nil, err
			}
		} else if d.Progress != nil {
			d.Progress(v.rows)
		}
		staged, err := stageEdit(ctx, files, t, v.live, change, d.Job)
		if err != nil {
			return nil, err
		}
		staged.Removed = removed
		return staged, nil
	})
}

// matches are the rows of a row group that satisfy conditions.
type matches struct {
	ordinal int // of the data file
	rows    *dv.RoaringPositionBitmap
	count   int64
	scanned int64
}

// editOf returns the edit that removes the rows that satisfy conditions, and
// how many they are.
func (v *View) editOf(ctx context.Context, tests []predicate, progress func(rows int64)) (edit, int64, error) {
	found := make(map[int]*matches)
	var scanned int64
	err := scan(ctx, v, abreast(), func(ctx context.Context, group *rowGroup) (matches, error) {
		return matchesOf(ctx, group, tests)
	}, func(m matches) bool {
		if scanned += m.scanned; progress != nil {
			progress(scanned)
		}
		if of := found[m.ordinal]; of != nil {
			of.rows.Or(m.rows)
			of.count += m.count
		} else if m.count > 0 {
			found[m.ordinal] = &m
		}
		return true
	})
	if err != nil {
		return edit{}, 0, err
	}
	change, total := edit{deleted: make(map[string]*dv.RoaringPositionBitmap)}, int64(0)
	for ordinal, m := range found {
		total += m.count
		if f := v.live[ordinal]; m.count == f.rows() {
			change.removed = append(change.removed, f)
		} else {
			change.deleted[f.data.FilePath()] = m.rows
		}
	}
	return change, total, nil
}

// matchesOf finds the rows of a row group that satisfy conditions.
func matchesOf(ctx context.Context, group *rowGroup, tests []predicate) (matches, error) {
	f, err := newFilter(group, tests)
	if err != nil {
		return matches{}, err
	}
	defer f.close()
	m := matches{ordinal: group.file.ordinal, rows: dv.NewRoaringPositionBitmap()}
	for {
		more, err := f.advance(window)
		if err != nil || !more {
			m.scanned = f.alive
			return m, err
		}
		if err := ctx.Err(); err != nil {
			return matches{}, err
		}
		for _, row := range f.rows {
			m.rows.Set(uint64(group.first + row))
		}
		m.count += int64(len(f.rows))
	}
}
