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
type Difference struct{ Added, Removed, Changed, Unchanged int64 }

func (e *Engine) Compare(context.Context, Comparison) (*Difference, error) { return nil, errPending }
