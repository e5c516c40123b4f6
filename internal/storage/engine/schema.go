package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/parquet"
	pqschema "github.com/apache/arrow-go/v18/parquet/schema"
	"github.com/apache/iceberg-go"
)

// ColumnsError says that a load lacks columns that the table has.
type ColumnsError struct {
	Missing []string // in the order of the table
}

func (e *ColumnsError) Error() string {
	return "the data lacks columns of the table: " + strings.Join(e.Missing, ", ")
}

// dataColumns returns the columns of a schema but for the program's own.
func dataColumns(schema *iceberg.Schema) []Column {
	fields := schema.Fields()
	columns := make([]Column, 0, len(fields))
	for _, f := range fields {
		if !reserved(f.Name) {
			columns = append(columns, Column{ID: f.ID, Name: f.Name})
		}
	}
	return columns
}

// Reserved reports whether a name is one of the program's own columns.
func Reserved(name string) bool { return reserved(name) }

func reserved(name string) bool { return name == timestampColumn || name == jobColumn }

// change is what a load does to the columns of a table.
type change struct {
	schema  *iceberg.Schema
	added   []string
	dropped []string
}

func (c change) any() bool { return len(c.added)+len(c.dropped) > 0 }

// planColumns returns the change that the columns of some data make to a schema, nil
// for a new table. Columns keep their order and their ids; new ones follow,
// with ids above lastID, so that an id never comes back with another meaning.
func planColumns(schema *iceberg.Schema, lastID int, header []string) (change, error) {
	given := make(map[string]bool, len(header))
	for _, name := range header {
		if reserved(name) {
			return change{}, fmt.Errorf("engine: the column name %q is reserved", name)
		}
		given[name] = true
	}

	var c change
	var fields, own []iceberg.NestedField
	if schema != nil {
		for _, f := range schema.Fields() {
			switch {
			case reserved(f.Name):
				own = append(own, f)
			case given[f.Name]:
				fields = append(fields, f)
				delete(given, f.Name)
			default:
				c.dropped = append(c.dropped, f.Name)
			}
		}
	}
	for _, name := range header {
		if given[name] {
			lastID++
			fields = append(fields, iceberg.NestedField{ID: lastID, Name: name, Type: iceberg.PrimitiveTypes.String})
			c.added = append(c.added, name)
		}
	}
	if schema == nil {
		own = []iceberg.NestedField{
			{ID: lastID + 1, Name: timestampColumn, Type: iceberg.PrimitiveTypes.TimestampTz},
			{ID: lastID + 2, Name: jobColumn, Type: iceberg.PrimitiveTypes.Int64},
		}
	}
	c.schema = schema
	if c.any() {
		c.schema = iceberg.NewSchema(0, append(fields, own...)...)
	}
	return c, nil
}

// refuse returns a ColumnsError if the change drops a column that is not in allowed.
func (c change) refuse(allowed []string) error {
	for _, name := range c.dropped {
		if !slices.Contains(allowed, name) {
			return &ColumnsError{Missing: c.dropped}
		}
	}
	return nil
}

// parquetSchema returns the schema of data files of a table. Columns are known
// by their ids, which survive what happens to the names and the order.
func parquetSchema(schema *iceberg.Schema) (*pqschema.Schema, error) {
	var nodes pqschema.FieldList
	for _, f := range schema.Fields() {
		node, err := parquetColumn(f.Name, int32(f.ID))
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, node)
	}
	return parquetRoot(nodes)
}

func parquetRoot(nodes pqschema.FieldList) (*pqschema.Schema, error) {
	root, err := pqschema.NewGroupNode("table", parquet.Repetitions.Required, nodes, -1)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	return pqschema.NewSchema(root), nil
}

// parquetColumn returns the column with a name; its id is -1 if it has none.
func parquetColumn(name string, id int32) (pqschema.Node, error) {
	var node pqschema.Node
	var err error
	switch name {
	case timestampColumn:
		node, err = pqschema.NewPrimitiveNodeLogical(name, parquet.Repetitions.Optional,
			pqschema.NewTimestampLogicalType(true, pqschema.TimeUnitMicros), parquet.Types.Int64, -1, id)
	case jobColumn:
		node = pqschema.NewInt64Node(name, parquet.Repetitions.Optional, id)
	default:
		node, err = pqschema.NewPrimitiveNodeLogical(name, parquet.Repetitions.Optional,
			pqschema.StringLogicalType{}, parquet.Types.ByteArray, -1, id)
	}
	if err != nil {
		return nil, fmt.Errorf("engine: column %q: %w", name, err)
	}
	return node, nil
}
