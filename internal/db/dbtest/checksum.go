package dbtest

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // the driver that reads a test's file
)

// connect opens a second, plain connection to a database of DSN.
func connect(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	driver, source := "pgx", dsn
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		driver, source = "sqlite", "file:"+path+"?_pragma=busy_timeout(5000)"
	}
	c, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Watcher takes checksums of a database's content.
type Watcher struct {
	t      testing.TB
	db     *sql.DB
	tables []string
}

// Watch looks at every table of a database but those left out.
func Watch(t testing.TB, dsn string, except ...string) *Watcher {
	t.Helper()
	w := &Watcher{t: t, db: connect(t, dsn)}
	query := "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
	if !strings.HasPrefix(dsn, "sqlite:") {
		query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1"
	}
	rows, err := w.db.QueryContext(context.Background(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(except, name) && !strings.HasPrefix(name, "sqlite_") {
			w.tables = append(w.tables, name)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if len(w.tables) < 5 {
		t.Fatalf("only the tables %v were found", w.tables)
	}
	return w
}

// Sum is a checksum of the rows.
func (w *Watcher) Sum() string {
	w.t.Helper()
	h := sha256.New()
	for _, table := range w.tables {
		for _, line := range w.rows(table) {
			fmt.Fprintln(h, table, line)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (w *Watcher) rows(table string) []string {
	w.t.Helper()
	rows, err := w.db.QueryContext(context.Background(), "SELECT * FROM "+table)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for rows.Next() {
		cells := make([]any, len(columns))
		for i := range cells {
			cells[i] = new(any)
		}
		if err := rows.Scan(cells...); err != nil {
			w.t.Fatal(err)
		}
		var b strings.Builder
		for i, c := range cells {
			if columns[i] != "last_seen_at" {
				fmt.Fprintf(&b, "%s=%v|", columns[i], *c.(*any))
			}
		}
		out = append(out, b.String())
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// Plan gives the steps of SQLite's plan for a query.
func Plan(t testing.TB, dsn, query string, args []any) (steps []string) {
	t.Helper()
	rows, err := connect(t, dsn).QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}

// Raw runs a statement on a plain connection, past the program and, on SQLite, past
// foreign keys.
func Raw(t testing.TB, dsn, statement string) {
	t.Helper()
	if _, err := connect(t, dsn).ExecContext(context.Background(), statement); err != nil {
		t.Fatal(err)
	}
}

// Columns gives the columns of every table of a migrated database, those of the migrations
// and of the database itself left out.
func Columns(t testing.TB, dsn string) map[string][]string {
	t.Helper()
	w := Watch(t, dsn, "goose_db_version")
	out := map[string][]string{}
	for _, table := range w.tables {
		out[table] = w.columns(table)
	}
	return out
}

func (w *Watcher) columns(table string) []string {
	w.t.Helper()
	rows, err := w.db.QueryContext(context.Background(), "SELECT * FROM "+table+" LIMIT 0")
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	if err := errors.Join(err, rows.Err()); err != nil {
		w.t.Fatal(err)
	}
	return names
}

// Values gives the different values of a column that are neither NULL nor empty, as text.
func Values(t testing.TB, dsn, table, column string) (out []string) {
	t.Helper()
	c := connect(t, dsn)
	defer func() { _ = c.Close() }() // a test may ask for every column that there is
	rows, err := c.QueryContext(context.Background(), fmt.Sprintf("SELECT DISTINCT CAST(%s AS TEXT) FROM %s WHERE %s IS NOT NULL AND CAST(%s AS TEXT) <> ''", column, table, column, column))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		out = append(out, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
