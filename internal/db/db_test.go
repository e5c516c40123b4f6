package db_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/internal/fault"
)

func put(tx *db.Tx, name, value string) error {
	_, err := tx.Exec("INSERT INTO installation (name, value) VALUES ($1, $2)", name, value)
	return err
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	d := dbtest.Open(t, db.Options{})

	t.Run("rolls back on error and runs no hook", func(t *testing.T) {
		hooked := false
		want := errors.New("no")
		err := d.Update(ctx, func(tx *db.Tx) error {
			tx.OnCommit(func() { hooked = true })
			if err := put(tx, "rolled", "1"); err != nil {
				return err
			}
			return want
		})
		if !errors.Is(err, want) || hooked {
			t.Fatalf("err %v, hook ran: %v", err, hooked)
		}
		err = d.View(ctx, func(tx *db.Tx) error {
			_, err := db.Value[string](tx, "SELECT value FROM installation WHERE name = $1", "rolled")
			return err
		})
		if !fault.Is(err, fault.NotFound) {
			t.Fatalf("err %v, want NotFound", err)
		}
	})

	t.Run("names a conflict by code", func(t *testing.T) {
		err := d.Update(ctx, func(tx *db.Tx) error {
			if err := put(tx, "twice", "1"); err != nil {
				return err
			}
			return put(tx, "twice", "2")
		})
		if !fault.HasCode(err, "db.unique") {
			t.Fatalf("err %v, want db.unique", err)
		}
	})

	t.Run("a view cannot write", func(t *testing.T) {
		if err := d.View(ctx, func(tx *db.Tx) error { return put(tx, "x", "1") }); err == nil {
			t.Fatal("a view wrote")
		}
	})

	t.Run("the first update of a context carries the claim, once", func(t *testing.T) {
		runs := 0
		ctx := db.WithFirst(ctx, func(tx *db.Tx) error { runs++; return put(tx, "claim", "1") })
		fail := errors.New("later")
		_ = d.Update(ctx, func(*db.Tx) error { return fail })
		for i := range 2 {
			if err := d.Update(ctx, func(tx *db.Tx) error { return put(tx, "effect"+string(rune('a'+i)), "1") }); err != nil {
				t.Fatal(err)
			}
		}
		if runs != 2 { // once in the update that failed, once in the first that committed
			t.Fatalf("claim ran %d times", runs)
		}
	})
}

func TestTimes(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	now := time.Date(2026, 11, 22, 1, 2, 3, 4567, time.FixedZone("x", 3600))
	d := dbtest.Open(t, db.Options{Now: func() time.Time { return now }})
	err := d.Update(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec("INSERT INTO maintainers (id, name, created_at) VALUES ($1, $2, $3)", 1, "m", tx.Now); err != nil {
			return err
		}
		if _, err := tx.Exec("INSERT INTO throttles (key, count, window_end, blocked_until) VALUES ($1, $2, $3, $4)", "k", 0, tx.Now, time.Time{}); err != nil {
			return err
		}
		got, err := db.One(tx, func(r db.Row) (time.Time, error) {
			var at, none time.Time
			err := r.Scan(db.Time(&at), db.Time(&none))
			if !none.IsZero() {
				t.Errorf("NULL became %v", none)
			}
			return at, err
		}, "SELECT m.created_at, t.blocked_until FROM maintainers m, throttles t WHERE m.id = $1", 1)
		if !got.Equal(tx.Now) {
			t.Errorf("got %v, want %v", got, tx.Now)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestNewID(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dsn := dbtest.DSN(t)
	a := dbtest.OpenAt(t, dsn, db.Options{})
	b := dbtest.OpenAt(t, dsn, db.Options{})
	var mu sync.Mutex
	seen := map[int64]bool{}
	var wg sync.WaitGroup
	for i := range 8 {
		d := a
		if i%2 == 1 {
			d = b
		}
		wg.Go(func() {
			for n := range 60 {
				err := d.Update(ctx, func(tx *db.Tx) error {
					got, err := tx.NewID("thing")
					if err != nil {
						return err
					}
					if n%7 == 0 {
						return errors.New("roll back")
					}
					tx.OnCommit(func() {
						mu.Lock()
						defer mu.Unlock()
						if seen[got] {
							t.Errorf("id %d was handed out twice", got)
						}
						seen[got] = true
					})
					return nil
				})
				if err != nil && n%7 != 0 {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if len(seen) != 8*51 {
		t.Fatalf("%d ids, want %d", len(seen), 8*51)
	}
}

func TestMigrateRefusesANewerSchema(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	d := dbtest.Open(t, db.Options{})
	err := d.Update(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, $2)", 99999, true)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Migrate(ctx); err == nil {
		t.Fatal("migrated a database of a newer program")
	}
}

func TestTrace(t *testing.T) {
	t.Parallel()
	ctx, trace := db.WithTrace(context.Background())
	d := dbtest.Open(t, db.Options{})
	_ = d.View(ctx, func(tx *db.Tx) error {
		_, _ = db.Value[int64](tx, "SELECT 1")
		_, err := db.Value[int64](tx, "SELECT 2")
		return err
	})
	if q := trace.Queries(); len(q) != 2 || q[1].SQL != "SELECT 2" {
		t.Fatalf("noted %v", q)
	}
}
