package engine

import (
	"context"
	"errors"
)

var errPending = errors.New("pending")

type Duplicates struct {
	Keys, Rows int64
	Examples   []Duplicate
}
type Duplicate struct {
	Key   []Cell
	Count int64
}

func (v *View) Duplicates(context.Context, []string, int) (Duplicates, error) {
	return Duplicates{}, errPending
}

type Comparison struct {
	Before, After *View
	Key           []string
	Sample        int
	Progress      func(int64)
}
type Difference struct {
	Keyed                              bool
	Added, Removed, Changed, Unchanged int64
	ColumnsAdded, ColumnsDropped       []string
	ColumnsRenamed                     []RenamedColumn
	AddedRows, RemovedRows             []Row
	ChangedRows                        []ChangedRow
}
type RenamedColumn struct{ Before, After string }
type ChangedRow struct {
	Before, After Row
	Columns       []string
}

func (e *Engine) Compare(context.Context, Comparison) (*Difference, error) { return nil, errPending }
