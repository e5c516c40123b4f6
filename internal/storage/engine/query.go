package engine

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Query asks for rows of a View.
type Query struct {
	Columns []string    // to be returned; nil means all, in the table's order
	Where   []Condition // all must hold
	Since   time.Time   // only rows that changed at this moment or later; zero means all
	Order   []Order     // none means the order in which rows came into the table
	Limit   int         // rows at most: 1 to MaxRows for Find; 0 means all for Each and Export
	Origin  bool        // also tell of each row when it changed and which job wrote it
}

// MaxRows is the highest Limit of [View.Find].
const MaxRows = 1000

// Condition is something that a cell must satisfy. Cells and values are
// compared by their bytes, or as decimal numbers where Number is set; then
// space around them does not count, and what is no number satisfies nothing.
// NULL satisfies IsNull alone.
type Condition struct {
	Column string
	Op     Op
	Value  string // not for IsNull and IsNotNull
	Number bool   // for Equal to GreaterOrEqual only
}

// Op is what a [Condition] asks, as it is written in URLs.
type Op string

// The operators.
const (
	Equal          Op = "eq"
	NotEqual       Op = "ne"
	Less           Op = "lt"
	LessOrEqual    Op = "le"
	Greater        Op = "gt"
	GreaterOrEqual Op = "ge"
	Contains       Op = "contains"
	StartsWith     Op = "starts"
	IsNull         Op = "null"
	IsNotNull      Op = "notnull"
)

// ParseOp returns the operator with a name; false if there is none.
func ParseOp(name string) (Op, bool) {
	switch op := Op(name); op {
	case Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual, Contains, StartsWith, IsNull, IsNotNull:
		return op, true
	default:
		return "", false
	}
}

// Order sorts rows by a column: by the bytes of its cells, of which the first
// 16 KiB count, or as decimal numbers. What is no number comes last then, and
// NULL after it; NULL is last in both directions. Equal rows stay in the order
// of the table.
type Order struct {
	Column     string
	Descending bool
	Number     bool
}

// Row is a row of a table.
type Row struct {
	Cells []Cell
	Time  time.Time // when it last changed; zero unless Query.Origin
	Job   int64     // the job that wrote it; 0 unless Query.Origin
	Place string    // where it stands, for View.Row; "" unless Find with Query.Origin
}

// Cell is one value of a row.
type Cell struct {
	Value string
	Null  bool // then Value is ""
	Cut   bool // Value is only the beginning
}

// Errors of a [Query] besides [UnknownColumnError].
var (
	// ErrNotNumber means that a condition compares numbers, but its value is none.
	ErrNotNumber = errors.New("engine: the value is not a number")
	// ErrQuery means that a query asks what cannot be answered.
	ErrQuery = errors.New("engine: bad query")
)

// UnknownColumnError says that a query names a column that the table does not have.
type UnknownColumnError struct {
	Column string
}

func (e *UnknownColumnError) Error() string { return fmt.Sprintf("no column %q", e.Column) }

// predicate is a condition on the cells of the column with a field id: a text,
// or a number.
type predicate struct {
	id     int
	holds  func(cell []byte, null bool) bool
	number func(n int64, null bool) bool // if holds is nil
}

// tests prepares what a query asks of rows.
func (v *View) tests(q Query) ([]predicate, error) {
	tests, err := v.predicates(q.Where)
	if err != nil || q.Since.IsZero() {
		return tests, err
	}
	since := q.Since.UnixMicro()
	if time.UnixMicro(since).Before(q.Since) {
		since++ // what changed within the same microsecond, but earlier
	}
	// First, because the moments of many rows are decoded in no time.
	return slices.Insert(tests, 0, predicate{
		id:     v.ids[timestampColumn],
		number: func(changed int64, null bool) bool { return !null && changed >= since },
	}), nil
}

// predicates prepares conditions.
func (v *View) predicates(where []Condition) ([]predicate, error) {
	prepared := make([]predicate, 0, len(where))
	for _, c := range where {
		id, err := v.columnID(c.Column)
		if err != nil {
			return nil, err
		}
		holds, err := c.test()
		if err != nil {
			return nil, err
		}
		prepared = append(prepared, predicate{id: id, holds: holds})
	}
	return prepared, nil
}

func (v *View) columnID(name string) (int, error) {
	if id, ok := v.ids[name]; ok && !reserved(name) {
		return id, nil
	}
	return 0, &UnknownColumnError{Column: name}
}

// test returns the condition as a function of a cell.
func (c Condition) test() (func(cell []byte, null bool) bool, error) {
	value := []byte(c.Value)
	switch c.Op {
	case IsNull:
		return func(_ []byte, null bool) bool { return null }, nil
	case IsNotNull:
		return func(_ []byte, null bool) bool { return !null }, nil
	case Contains:
		return func(cell []byte, null bool) bool { return !null && bytes.Contains(cell, value) }, nil
	case StartsWith:
		return func(cell []byte, null bool) bool { return !null && bytes.HasPrefix(cell, value) }, nil
	default:
		return c.comparison()
	}
}

// comparison is test for the operators that compare.
func (c Condition) comparison() (func(cell []byte, null bool) bool, error) {
	value := []byte(c.Value)
	var wanted func(comparison int) bool
	switch c.Op {
	case Equal:
		wanted = func(c int) bool { return c == 0 }
	case NotEqual:
		wanted = func(c int) bool { return c != 0 }
	case Less:
		wanted = func(c int) bool { return c < 0 }
	case LessOrEqual:
		wanted = func(c int) bool { return c <= 0 }
	case Greater:
		wanted = func(c int) bool { return c > 0 }
	case GreaterOrEqual:
		wanted = func(c int) bool { return c >= 0 }
	default:
		return nil, fmt.Errorf("%w: operator %q", ErrQuery, c.Op)
	}
	if !c.Number {
		return func(cell []byte, null bool) bool { return !null && wanted(bytes.Compare(cell, value)) }, nil
	}
	n, ok := readDecimal(value)
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrNotNumber, c.Value)
	}
	return func(cell []byte, null bool) bool {
		if null {
			return false
		}
		x, ok := readDecimal(cell)
		return ok && wanted(x.compare(n))
	}, nil
}
