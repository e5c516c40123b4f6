package engine

import (
	"context"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// Alter is the request to change the columns of a table. Drop and Rename name
// columns as they are before; names that they set free can be given anew.
type Alter struct {
	Folder string
	Base   string // metadata location of the table as it is
	Add    []string
	Drop   []string
	Rename map[string]string // new names by old ones
	Job    int64
}

// Alter stages a change of columns. It touches no rows: what is in a dropped
// column stays in the data files, and in older versions, but is never seen in a
// column that gets the name later, because ids are not given twice. An added
// column is NULL in the rows that are there, and comes last.
//
// Fails with a *UnknownColumnError if Drop or Rename names what is no column,
// or Rename what Drop does, with ErrColumnExists, ErrLastColumn or ErrColumnName
// if the columns cannot be, and with blob.ErrNotFound if there is no table at Base.
func (e *Engine) Alter(ctx context.Context, a Alter) (*Staged, error) {
	return e.stage(ctx, func(files *files) (*Staged, error) {
		t, err := tableIn(files, a.Folder, a.Base)
		if err != nil {
			return nil, err
		}
		schema, err := a.plan(t.Schema(), t.Metadata().LastColumnID())
		if err != nil {
			return nil, err
		}
		var updates []table.Update
		if !schema.Equals(t.Schema()) {
			updates = []table.Update{
				table.NewAddSchemaUpdate(schema),
				table.NewSetCurrentSchemaUpdate(-1), // the one just added
				property("altered", a.Job),
			}
		}
		staged, err := stageMetadata(ctx, files, t, updates)
		if err != nil {
			return nil, err
		}
		staged.ColumnsAdded, staged.ColumnsDropped = slices.Clone(a.Add), slices.Clone(a.Drop)
		return staged, nil
	})
}

// plan returns the schema that follows another one, in which new columns have
// ids above lastID.
func (a Alter) plan(schema *iceberg.Schema, lastID int) (*iceberg.Schema, error) {
	dropped, renamed := make(map[string]bool), make(map[string]bool)
	var names []string
	var fields, own []iceberg.NestedField
	for _, f := range schema.Fields() {
		name, rename := a.Rename[f.Name]
		switch {
		case reserved(f.Name):
			own = append(own, f)
			continue
		case slices.Contains(a.Drop, f.Name):
			dropped[f.Name] = true
			continue
		case rename:
			renamed[f.Name] = true
			f.Name = name
		}
		fields, names = append(fields, f), append(names, f.Name)
	}
	for _, name := range a.Drop {
		if !dropped[name] {
			return nil, &UnknownColumnError{Column: name}
		}
	}
	for name := range a.Rename {
		if !renamed[name] {
			return nil, &UnknownColumnError{Column: name}
		}
	}
	for _, name := range a.Add {
		lastID++
		fields = append(fields, iceberg.NestedField{ID: lastID, Name: name, Type: iceberg.PrimitiveTypes.String})
		names = append(names, name)
	}
	if err := checkNames(names); err != nil {
		return nil, err
	}
	return iceberg.NewSchema(0, append(fields, own...)...), nil
}
