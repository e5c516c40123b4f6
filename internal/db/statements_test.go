package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"steward/internal/fault"
)

// openKept opens a new SQLite database with one table.
func openKept(t *testing.T) *DB {
	t.Helper()
	d, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "x.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	change(t, d, "CREATE TABLE things (id BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE)")
	return d
}

func change(t *testing.T, d *DB, query string, args ...any) {
	t.Helper()
	if err := d.Update(t.Context(), func(tx *Tx) error { _, err := tx.Exec(query, args...); return err }); err != nil {
		t.Fatal(err)
	}
}

// kept is what the writing connection keeps compiled.
func kept(t *testing.T, d *DB) (texts map[string]bool) {
	t.Helper()
	c, err := d.writer.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	texts = map[string]bool{}
	err = c.Raw(func(raw any) error {
		for text := range raw.(*keepingConn).kept {
			texts[text] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

func TestStatementsAreKeptAndBounded(t *testing.T) {
	t.Parallel()
	d := openKept(t)
	const often = "SELECT count(*) FROM things"
	for i := range 3 * keptStatements {
		err := d.Update(t.Context(), func(tx *Tx) error {
			if _, err := Value[int64](tx, often); err != nil {
				return err
			}
			n, err := Value[int64](tx, fmt.Sprintf("SELECT %d", i))
			if err == nil && n != int64(i) {
				t.Errorf("got %d for %d", n, i)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	texts := kept(t, d)
	if len(texts) != keptStatements {
		t.Errorf("%d statements are kept, not %d", len(texts), keptStatements)
	}
	if !texts[often] || !texts[fmt.Sprintf("SELECT %d", 3*keptStatements-1)] || texts["SELECT 0"] {
		t.Errorf("not those that were used last: %v", texts)
	}
	long := fmt.Sprintf("SELECT '%0*d'", keptLength, 7)
	if err := d.Update(t.Context(), func(tx *Tx) error { _, err := Value[string](tx, long); return err }); err != nil {
		t.Fatal(err)
	}
	if kept(t, d)[long] {
		t.Error("a very long statement is kept")
	}
}

// TestStatementTwiceAtOnce reads the rows of one query inside the rows of the same.
func TestStatementTwiceAtOnce(t *testing.T) {
	t.Parallel()
	d := openKept(t)
	for i := range 5 {
		change(t, d, "INSERT INTO things (id, name) VALUES ($1, $2)", i, fmt.Sprint("n", i))
	}
	const query = "SELECT id FROM things WHERE id >= $1 ORDER BY id"
	for range 2 {
		err := d.View(t.Context(), func(tx *Tx) error {
			outer, err := All(tx, func(r Row) ([]int64, error) {
				id, err := Scalar[int64](r)
				if err != nil {
					return nil, err
				}
				return All(tx, Scalar[int64], query, id)
			}, query, 2)
			if err == nil && fmt.Sprint(outer) != "[[2 3 4] [3 4] [4]]" {
				t.Errorf("got %v", outer)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestStatementAfterAnError uses a statement again that failed, or whose rows were
// left before their end.
func TestStatementAfterAnError(t *testing.T) {
	t.Parallel()
	d := openKept(t)
	const insert = "INSERT INTO things (id, name) VALUES ($1, $2)"
	add := func(id int64, name string) error {
		return d.Update(t.Context(), func(tx *Tx) error { _, err := tx.Exec(insert, id, name); return err })
	}
	for i := range int64(20) {
		if err := add(i, fmt.Sprint("n", i)); err != nil {
			t.Fatal(err)
		}
		if err := add(i, "another"); !fault.HasCode(err, "db.unique") {
			t.Fatalf("err %v, want db.unique", err)
		}
		stop := errors.New("stop")
		err := d.View(t.Context(), func(tx *Tx) error {
			_, err := All(tx, func(Row) (int, error) { return 0, stop }, "SELECT id FROM things")
			return err
		})
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
		ended, end := context.WithCancel(t.Context())
		end()
		if err := d.View(ended, func(tx *Tx) error { _, err := Value[int64](tx, "SELECT count(*) FROM things"); return err }); err == nil {
			t.Fatal("a view ran under a context that had ended")
		}
	}
	err := d.View(t.Context(), func(tx *Tx) error {
		n, err := Value[int64](tx, "SELECT count(*) FROM things")
		if n != 20 {
			t.Errorf("%d rows, want 20", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestStatementsSeeAChangedSchema changes the schema beneath statements that the
// connections of readers and of the writer keep.
func TestStatementsSeeAChangedSchema(t *testing.T) {
	t.Parallel()
	d := openKept(t)
	const query = "SELECT * FROM things"
	columns := func(pool *sql.DB) int {
		t.Helper()
		rows, err := pool.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = rows.Close() }()
		names, err := rows.Columns()
		if err != nil || rows.Err() != nil {
			t.Fatal(err, rows.Err())
		}
		return len(names)
	}
	for i := range 3 {
		for _, pool := range []*sql.DB{d.reader, d.writer} {
			if got := columns(pool); got != 2+i {
				t.Fatalf("%d columns, want %d", got, 2+i)
			}
		}
		change(t, d, fmt.Sprintf("ALTER TABLE things ADD COLUMN more_%d TEXT NOT NULL DEFAULT ''", i))
	}
	change(t, d, "DROP TABLE things")
	if err := d.View(t.Context(), func(tx *Tx) error { _, err := All(tx, Scalar[int64], query); return err }); err == nil {
		t.Fatal("read a table that was dropped")
	}
}

// TestStatementsOfManyAtOnce writes and reads from many goroutines: what was committed
// is there for whoever asks next, and nobody gets the answer to another's question.
func TestStatementsOfManyAtOnce(t *testing.T) {
	t.Parallel()
	d := openKept(t)
	var wg sync.WaitGroup
	for worker := range int64(8) {
		wg.Go(func() {
			for i := range int64(40) {
				id, name := worker*1000+i, fmt.Sprintf("w%d-%d", worker, i)
				err := d.Update(t.Context(), func(tx *Tx) error {
					_, err := tx.Exec("INSERT INTO things (id, name) VALUES ($1, $2)", id, name)
					return err
				})
				if err == nil {
					err = d.View(t.Context(), func(tx *Tx) error {
						got, err := Value[string](tx, "SELECT name FROM things WHERE id = $1", id)
						if err == nil && got != name {
							t.Errorf("got %q for %q", got, name)
						}
						return err
					})
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
