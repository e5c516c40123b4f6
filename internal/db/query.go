package db

import (
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// Row is what a scan function reads: one row of a result.
type Row interface{ Scan(dest ...any) error }

// One returns the single row of a query. NotFound if there is none.
func One[T any](tx *Tx, scan func(Row) (T, error), query string, args ...any) (T, error) {
	var zero T
	if err := tx.ready(); err != nil {
		return zero, err
	}
	v, err := scan(tx.tx.QueryRowContext(tx.statements, query, tx.values(query, args)...))
	if err != nil {
		return zero, tx.fail(err)
	}
	return v, nil
}

// All returns every row of a query, so the query must bound them.
func All[T any](tx *Tx, scan func(Row) (T, error), query string, args ...any) ([]T, error) {
	if err := tx.ready(); err != nil {
		return nil, err
	}
	rows, err := tx.tx.QueryContext(tx.statements, query, tx.values(query, args)...)
	if err != nil {
		return nil, tx.fail(err)
	}
	defer func() { _ = rows.Close() }()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, tx.fail(err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, tx.fail(err)
	}
	return out, nil
}

// Value returns the single column of the single row of a query. NotFound if there is
// no row.
func Value[T any](tx *Tx, query string, args ...any) (T, error) {
	return One(tx, Scalar[T], query, args...)
}

// Scalar scans a row of one column.
func Scalar[T any](r Row) (T, error) {
	var v T
	err := r.Scan(&v)
	return v, err
}

// Exec runs a statement and returns how many rows it changed.
func (tx *Tx) Exec(query string, args ...any) (int64, error) {
	if err := tx.ready(); err != nil {
		return 0, err
	}
	res, err := tx.tx.ExecContext(tx.statements, query, tx.values(query, args)...)
	if err != nil {
		return 0, tx.fail(err)
	}
	n, err := res.RowsAffected()
	return n, tx.db.dialect.translate(err)
}

// ready is why no statement can run any more; nil if one can.
func (tx *Tx) ready() error {
	if tx.failed != nil {
		return tx.failed
	}
	return tx.db.dialect.translate(tx.ctx.Err())
}

// fail translates the error of a statement, and remembers one of the database's own.
func (tx *Tx) fail(err error) error {
	err = tx.db.dialect.translate(err)
	if tx.db.dialect.own(err) {
		tx.failed = err
	}
	return err
}

// Must is Exec for a statement that has to change exactly one row. NotFound otherwise.
func (tx *Tx) Must(query string, args ...any) error {
	n, err := tx.Exec(query, args...)
	if err != nil {
		return err
	}
	if n != 1 {
		return errNotFound()
	}
	return nil
}

// Lock makes transactions that name the same thing run one after the other until
// they end. On SQLite every writer does so anyway.
func (tx *Tx) Lock(name string) error { return tx.db.dialect.lock(tx, name) }

// Horizon is a transaction id below which every transaction has ended: of rows that
// carry their transaction's id, those below it are all there to be seen. On SQLite, where
// writers follow each other, it is above every id.
func (tx *Tx) Horizon() (int64, error) { return tx.db.dialect.horizon(tx) }

// Oldest is when the oldest transaction began that runs on the database, whether it has
// written anything or not, by the clock of this process. On SQLite, where nobody can tell
// of others, it is now.
func (tx *Tx) Oldest() (time.Time, error) { return tx.db.dialect.oldest(tx) }

// values turns Go values into those that both databases store alike: a time becomes
// UTC microseconds, the zero time NULL.
func (tx *Tx) values(query string, args []any) []any {
	for i, a := range args {
		if t, ok := a.(time.Time); ok {
			if args[i] = any(nil); !t.IsZero() {
				args[i] = t.UnixMicro()
			}
		}
	}
	if tx.trace != nil {
		tx.trace.note(query, args)
	}
	return args
}

// Time scans UTC microseconds into a time; NULL gives the zero time.
func Time(t *time.Time) sql.Scanner { return timeScanner{t} }

type timeScanner struct{ t *time.Time }

// Scan implements sql.Scanner.
func (s timeScanner) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*s.t = time.Time{}
	case int64:
		*s.t = time.UnixMicro(v).UTC()
	default:
		return fmt.Errorf("a time is stored as an integer, not as %T", src)
	}
	return nil
}

// Null scans a column that may be NULL; NULL gives the zero value.
func Null[T any](v *T) sql.Scanner { return nullScanner[T]{v} }

type nullScanner[T any] struct{ v *T }

// Scan implements sql.Scanner.
func (s nullScanner[T]) Scan(src any) error {
	var n sql.Null[T]
	if err := n.Scan(src); err != nil {
		return err
	}
	*s.v = n.V
	return nil
}

// ZeroNull is an argument that stores the zero value as NULL, for optional references.
func ZeroNull[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

// Where collects the conditions of a list with filters. Conditions are joined by
// AND; each ? stands for the next argument.
type Where struct {
	parts []string
	args  []any
}

// And adds a condition.
func (w *Where) And(condition string, args ...any) {
	var b strings.Builder
	for _, r := range condition {
		if r == '?' {
			w.args = append(w.args, args[0])
			args = args[1:]
			fmt.Fprintf(&b, "$%d", len(w.args))
			continue
		}
		b.WriteRune(r)
	}
	w.parts = append(w.parts, b.String())
}

// SQL is the condition as text, to stand after WHERE.
func (w *Where) SQL() string { return strings.Join(w.parts, " AND ") }

// Args are the arguments of the condition, followed by more.
func (w *Where) Args(more ...any) []any { return append(append([]any{}, w.args...), more...) }

// Like makes a pattern that finds s anywhere in a text, for LIKE … ESCAPE '\'. Texts
// that are searched this way are stored in lower case.
func Like(s string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(s)) + "%"
}
