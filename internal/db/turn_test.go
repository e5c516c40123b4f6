package db

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"steward/internal/fault"
)

// openCounted opens a new SQLite database with one table, where writers share a commit
// however long that takes, and counts the commits.
func openCounted(t *testing.T) (*DB, *atomic.Int64) {
	t.Helper()
	var commits atomic.Int64
	d, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "x.db"), Options{Committed: func(time.Duration) { commits.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	d.turns.share = time.Hour
	change(t, d, "CREATE TABLE things (id BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE)")
	commits.Store(0)
	return d, &commits
}

// waiting is how many writers wait for their turn.
func (d *DB) waiting() int {
	d.turns.mu.Lock()
	defer d.turns.mu.Unlock()
	return len(d.turns.waiting)
}

func add(tx *Tx, id int) error {
	_, err := tx.Exec("INSERT INTO things (id, name) VALUES ($1, $2)", id, fmt.Sprint("n", id))
	return err
}

// things are the ids that stand in the database.
func things(t *testing.T, d *DB) (ids []int) {
	t.Helper()
	err := d.View(t.Context(), func(tx *Tx) (err error) {
		ids, err = All(tx, Scalar[int], "SELECT id FROM things ORDER BY id")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// inOneGo runs updates so that all of them wait while the first one writes, in their
// order, and gives what each returned.
func inOneGo(t *testing.T, d *DB, updates ...func() error) []error {
	t.Helper()
	out := make([]error, len(updates))
	var wg sync.WaitGroup
	started := false
	err := d.Update(t.Context(), func(*Tx) error {
		if started { // it runs again
			return nil
		}
		started = true
		for i, update := range updates {
			wg.Go(func() { out[i] = update() })
			for d.waiting() <= i {
				runtime.Gosched()
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	return out
}

func TestWritersShareACommit(t *testing.T) {
	t.Parallel()
	d, commits := openCounted(t)
	hooks := make([]bool, 9)
	updates := make([]func() error, 9)
	for i := range updates {
		updates[i] = func() error {
			return d.Update(t.Context(), func(tx *Tx) error {
				tx.OnCommit(func() { hooks[i] = true })
				if err := add(tx, i); err != nil || i%3 != 1 {
					return err
				}
				return add(tx, i-1) // is there already, also if its writer has not committed yet
			})
		}
	}
	got := inOneGo(t, d, updates...)
	for i, err := range got {
		if failed := i%3 == 1; fault.HasCode(err, "db.unique") != failed || (err != nil) != failed || hooks[i] == failed {
			t.Errorf("writer %d: %v, hook ran: %v", i, err, hooks[i])
		}
	}
	if got := things(t, d); !slices.Equal(got, []int{0, 2, 3, 5, 6, 8}) {
		t.Errorf("there are %v", got)
	}
	if n := commits.Load(); n != 1 {
		t.Errorf("%d commits", n)
	}
}

// TestLimitsOfSharing: nobody waits for more than so many others, or for longer than a moment.
func TestLimitsOfSharing(t *testing.T) {
	t.Parallel()
	d, commits := openCounted(t)
	var updates []func() error
	for i := range 2*sharedBy - 1 { // and the one they wait for
		updates = append(updates, func() error { return d.Update(t.Context(), func(tx *Tx) error { return add(tx, i) }) })
	}
	if err := errors.Join(inOneGo(t, d, updates...)...); err != nil {
		t.Fatal(err)
	}
	if n := commits.Load(); n != 2 || len(things(t, d)) != len(updates) {
		t.Errorf("%d commits", n)
	}
	d.turns.share = 0
	commits.Store(0)
	for i := range updates[:9] {
		updates[i] = func() error { return d.Update(t.Context(), func(tx *Tx) error { return add(tx, 1000+i) }) }
	}
	if err := errors.Join(inOneGo(t, d, updates[:9]...)...); err != nil {
		t.Fatal(err)
	}
	if n := commits.Load(); n != 10 {
		t.Errorf("%d commits", n)
	}
}

// TestPanicAmongWriters: the work of the others stands.
func TestPanicAmongWriters(t *testing.T) {
	t.Parallel()
	d, _ := openCounted(t)
	for first, panicking := range []int{0, 1, 2} { // as the first one, among others, as the last one
		updates := make([]func() error, 3)
		for i := range updates {
			updates[i] = func() (err error) {
				defer func() {
					if p := recover(); p != nil {
						err = fmt.Errorf("%v", p)
					}
				}()
				return d.Update(t.Context(), func(tx *Tx) error {
					err := add(tx, 10*first+i)
					if i == panicking {
						panic("no")
					}
					return err
				})
			}
		}
		for i, err := range inOneGo(t, d, updates...) {
			if (err != nil) != (i == panicking) {
				t.Errorf("writer %d beside %d: %v", i, panicking, err)
			}
		}
	}
	if got := things(t, d); !slices.Equal(got, []int{1, 2, 10, 12, 20, 21}) {
		t.Errorf("there are %v", got)
	}
}

// TestContextAmongWriters: whoever leaves takes nothing of others along.
func TestContextAmongWriters(t *testing.T) {
	t.Parallel()
	d, _ := openCounted(t)
	waits, leave := context.WithCancel(t.Context())
	writes, stop := context.WithCancel(t.Context())
	got := inOneGo(t, d,
		func() error { return d.Update(t.Context(), func(tx *Tx) error { leave(); return add(tx, 1) }) },
		func() error {
			return d.Update(writes, func(tx *Tx) error {
				if err := add(tx, 2); err != nil {
					return err
				}
				stop()
				return add(tx, 3)
			})
		},
		func() error { return d.Update(waits, func(tx *Tx) error { return add(tx, 4) }) },
		func() error { return d.Update(t.Context(), func(tx *Tx) error { return add(tx, 5) }) },
	)
	if got[0] != nil || !errors.Is(got[1], context.Canceled) || !errors.Is(got[2], context.Canceled) || got[3] != nil {
		t.Errorf("got %v", got)
	}
	if got := things(t, d); !slices.Equal(got, []int{1, 5}) {
		t.Errorf("there are %v", got)
	}
	if err := d.Update(waits, func(*Tx) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	change(t, d, "DELETE FROM things") // the turn is free
}

// TestRollbackUnderWriters: a full disk makes SQLite roll back the whole transaction. The
// others write again.
func TestRollbackUnderWriters(t *testing.T) {
	t.Parallel()
	d, commits := openCounted(t)
	change(t, d, "CREATE TABLE large (content BLOB)")
	change(t, d, "PRAGMA max_page_count = 50")
	commits.Store(0)
	runs := 0
	got := inOneGo(t, d,
		func() error { return d.Update(t.Context(), func(tx *Tx) error { runs++; return add(tx, 1) }) },
		func() error {
			return d.Update(t.Context(), func(tx *Tx) error {
				_, err := tx.Exec("INSERT INTO large (content) VALUES (zeroblob(1000000))")
				return err
			})
		},
		func() error { return d.Update(t.Context(), func(tx *Tx) error { return add(tx, 3) }) },
	)
	if got[0] != nil || !fault.HasCode(got[1], "db.full") || got[2] != nil {
		t.Errorf("got %v", got)
	}
	if runs != 2 {
		t.Errorf("the first writer ran %d times", runs)
	}
	if got := things(t, d); !slices.Equal(got, []int{1, 3}) {
		t.Errorf("there are %v", got)
	}
}

// TestRollbackBehindARetry: who has to write again commits before anybody can roll that
// back once more.
func TestRollbackBehindARetry(t *testing.T) {
	t.Parallel()
	d, _ := openCounted(t)
	change(t, d, "CREATE TABLE large (content BLOB)")
	change(t, d, "PRAGMA max_page_count = 50")
	runs := 0
	var full sync.WaitGroup
	err := d.Update(t.Context(), func(tx *Tx) error {
		runs++
		full.Go(func() {
			err := d.Update(t.Context(), func(tx *Tx) error {
				_, err := tx.Exec("INSERT INTO large (content) VALUES (zeroblob(1000000))")
				return err
			})
			if !fault.HasCode(err, "db.full") {
				t.Errorf("got %v", err)
			}
		})
		for d.waiting() == 0 {
			runtime.Gosched()
		}
		return add(tx, 1)
	})
	full.Wait()
	if err != nil || runs != 2 {
		t.Errorf("%v after %d runs", err, runs)
	}
	if got := things(t, d); !slices.Equal(got, []int{1}) {
		t.Errorf("there are %v", got)
	}
}

// TestNobodyIsAnsweredFromWhatMayStillGo: who fails because of what others wrote hears so
// when that is durable; where it is rolled back, it writes again.
func TestNobodyIsAnsweredFromWhatMayStillGo(t *testing.T) {
	t.Parallel()
	d, _ := openCounted(t)
	change(t, d, "CREATE TABLE large (content BLOB)")
	change(t, d, "PRAGMA max_page_count = 50")
	broken := errors.New("no")
	first, seen := true, 0
	got := inOneGo(t, d,
		func() error {
			return d.Update(t.Context(), func(tx *Tx) error {
				if !first {
					return broken
				}
				first = false
				return add(tx, 1)
			})
		},
		func() error {
			err := d.Update(t.Context(), func(tx *Tx) error { return add(tx, 1) })
			seen = len(things(t, d))
			return err
		},
		func() error {
			return d.Update(t.Context(), func(tx *Tx) error {
				_, err := tx.Exec("INSERT INTO large (content) VALUES (zeroblob(1000000))")
				return err
			})
		},
	)
	if !errors.Is(got[0], broken) || got[1] != nil || seen != 1 || !fault.HasCode(got[2], "db.full") {
		t.Errorf("got %v, and %d rows after the second", got, seen)
	}
}

// TestNothingFollowsAFailedStatement: what it does about the error is of no use.
func TestNothingFollowsAFailedStatement(t *testing.T) {
	t.Parallel()
	d, _ := openCounted(t)
	change(t, d, "CREATE TABLE large (content BLOB)")
	change(t, d, "PRAGMA max_page_count = 50")
	got := inOneGo(t, d,
		func() error { return d.Update(t.Context(), func(tx *Tx) error { return add(tx, 1) }) },
		func() error {
			return d.Update(t.Context(), func(tx *Tx) error {
				if _, err := tx.Exec("INSERT INTO large (content) VALUES (zeroblob(1000000))"); err == nil {
					t.Error("it is not full")
				}
				if err := add(tx, 2); !fault.HasCode(err, "db.full") {
					t.Errorf("went on with %v", err)
				}
				return nil
			})
		},
	)
	if got[0] != nil || !fault.HasCode(got[1], "db.full") {
		t.Errorf("got %v", got)
	}
	if got := things(t, d); !slices.Equal(got, []int{1}) {
		t.Errorf("there are %v", got)
	}
}

// TestNothingFollowsIDsThatFailed: reserving ids is a statement like any other.
func TestNothingFollowsIDsThatFailed(t *testing.T) {
	t.Parallel()
	d, _ := openCounted(t)
	change(t, d, "CREATE TABLE sequences (kind TEXT PRIMARY KEY, next BIGINT NOT NULL)")
	change(t, d, "PRAGMA max_page_count = 50")
	var kept int64
	change(t, d, "INSERT INTO sequences (kind, next) VALUES ('thing', 1)")
	err := d.Update(t.Context(), func(tx *Tx) (err error) { kept, err = tx.NewID("thing"); return err })
	if err != nil {
		t.Fatal(err)
	}
	got := inOneGo(t, d,
		func() error { return d.Update(t.Context(), func(tx *Tx) error { return add(tx, 1) }) },
		func() error {
			return d.Update(t.Context(), func(tx *Tx) error {
				if _, err := tx.NewID(strings.Repeat("k", 1<<20)); !fault.HasCode(err, "db.full") {
					t.Errorf("ids without space: %v", err)
				}
				if id, err := tx.NewID("thing"); !fault.HasCode(err, "db.full") {
					t.Errorf("went on with %d after %d, %v", id, kept, err)
				}
				return nil
			})
		},
	)
	if got[0] != nil || !fault.HasCode(got[1], "db.full") {
		t.Errorf("got %v", got)
	}
	if got := things(t, d); !slices.Equal(got, []int{1}) {
		t.Errorf("there are %v", got)
	}
}

// TestIDsOfWritersTogether: they follow each other, as those of writers one by one do.
func TestIDsOfWritersTogether(t *testing.T) {
	t.Parallel()
	d, _ := openCounted(t)
	change(t, d, "CREATE TABLE sequences (kind TEXT PRIMARY KEY, next BIGINT NOT NULL)")
	var got []int64
	for range 3 {
		updates := make([]func() error, 30)
		for i := range updates {
			updates[i] = func() error {
				return d.Update(t.Context(), func(tx *Tx) error {
					id, err := tx.NewID("thing")
					got = append(got, id)
					if i%10 == 5 {
						return errors.New("roll back")
					}
					return err
				})
			}
		}
		_ = inOneGo(t, d, updates...)
	}
	if !slices.IsSorted(got) || len(slices.Compact(got)) != 90 || got[89] > 100 {
		t.Errorf("got %v", got)
	}
}
