package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/iceberg-go/table"
)

// Errors of changes of columns besides [UnknownColumnError].
var (
	// ErrColumnExists means that a table would have two columns of one name.
	ErrColumnExists = errors.New("engine: the column exists")
	// ErrLastColumn means that a table would have no column.
	ErrLastColumn = errors.New("engine: a table has one column at least")
	// ErrColumnName means that a text names no column: it is empty or reserved.
	ErrColumnName = errors.New("engine: not a name for a column")
)

// Create is the request to make a table of columns without rows.
type Create struct {
	Folder  string // for the table's files in the store
	Columns []string
	Job     int64
}

// Create stages a table without rows, whose Base is "".
//
// Fails with ErrLastColumn if there is no column, with ErrColumnExists if two
// have one name, with ErrColumnName if a name is none.
func (e *Engine) Create(ctx context.Context, c Create) (*Staged, error) {
	return e.stage(ctx, func(files *files) (*Staged, error) {
		if err := checkNames(c.Columns); err != nil {
			return nil, err
		}
		change, err := planColumns(nil, 0, c.Columns)
		if err != nil {
			return nil, err
		}
		meta, err := newMetadata(c.Folder, change.schema)
		if err == nil {
			meta, err = table.UpdateTableMetadata(meta, []table.Update{property("created", c.Job)}, "")
		}
		if err != nil {
			return nil, fmt.Errorf("engine: new table in %s: %w", c.Folder, err)
		}
		staged, err := stageWritten(ctx, files, meta, "")
		if err != nil {
			return nil, err
		}
		staged.ColumnsAdded = change.added
		return staged, nil
	})
}

// checkNames tells why names cannot be those of all columns of a table.
func checkNames(names []string) error {
	if len(names) == 0 {
		return ErrLastColumn
	}
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if name == "" || reserved(name) {
			return fmt.Errorf("%w: %q", ErrColumnName, name)
		}
		if seen[name] {
			return fmt.Errorf("%w: %q", ErrColumnExists, name)
		}
		seen[name] = true
	}
	return nil
}
