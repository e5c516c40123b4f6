package engine

import (
	"context"
	"errors"
	"io"
	"time"

	"steward/internal/storage/csv"
)

var errPending = errors.New("pending")
var ErrNoRow = errors.New("engine: no such row")

type Expire struct {
	Folder, Base string
	Keep         []int64
	Unpin        []string
}

func (e *Engine) Expire(context.Context, Expire) (*Staged, error) { return nil, errPending }

type Swept struct {
	Files int
	Bytes int64
}

func (e *Engine) Sweep(context.Context, string, string, time.Time) (Swept, error) {
	return Swept{}, errPending
}
func (e *Engine) Folders(context.Context, func(string, int64) error) error { return errPending }

func (v *View) Row(context.Context, string) (*Row, error) { return nil, errPending }

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

type Export struct {
	Query    Query
	Parquet  bool
	CSV      csv.WriterOptions
	Progress func(int64)
}

func (v *View) Export(context.Context, io.Writer, Export) (int64, error) { return 0, errPending }
