// Package throttle counts attempts in the database, so that a restart or another
// process does not forgive them.
package throttle

import (
	"time"

	"steward/internal/db"
	"steward/internal/fault"
)

// clocksDiffer is how much later another process, or a transaction that waited, may take it
// to be. What lies further ahead than that is of a clock that was put back since.
const clocksDiffer = time.Minute

// Limit allows a number of attempts in a window.
type Limit struct {
	Count  int64
	Window time.Duration
}

// Take counts an attempt under a key. TooMany, with the time to wait, when the
// window's attempts are used up; the caller then rolls back, so that such an attempt is
// not counted. A window that ends later than one that begins now is of a clock that was
// put back since: it is over.
func Take(tx *db.Tx, key string, l Limit) error {
	type state struct {
		count int64
		end   time.Time
	}
	s, err := db.One(tx, func(r db.Row) (state, error) {
		var s state
		return s, r.Scan(&s.count, db.Time(&s.end))
	}, `INSERT INTO throttles (key, count, window_end) VALUES ($1, 1, $2)
		ON CONFLICT (key) DO UPDATE SET
			count = CASE WHEN throttles.window_end <= $3 OR throttles.window_end > $4 THEN 1 ELSE throttles.count + 1 END,
			window_end = CASE WHEN throttles.window_end <= $3 OR throttles.window_end > $4 THEN $2 ELSE throttles.window_end END
		RETURNING count, window_end`, key, tx.Now.Add(l.Window), tx.Now, tx.Now.Add(l.Window+clocksDiffer))
	if err != nil {
		return err
	}
	if s.count > l.Count {
		return tooMany(s.end.Sub(tx.Now))
	}
	return nil
}

// Growing is a delay that doubles with each failure past some free ones.
type Growing struct {
	Free   int64
	First  time.Duration
	Most   time.Duration
	Memory time.Duration // failures older than this are forgotten
}

// Failure is one that was counted.
type Failure struct {
	Count int64     // it is the how many-th
	until time.Time // end of the delay that it set; zero for none
}

// Check is TooMany while the key's delay lasts. One that would last longer than the
// longest is of a clock that was put back since, and is void.
func Check(tx *db.Tx, key string, g Growing) error {
	until, err := db.One(tx, func(r db.Row) (time.Time, error) {
		var t time.Time
		return t, r.Scan(db.Time(&t))
	}, "SELECT blocked_until FROM throttles WHERE key = $1", key)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if wait := until.Sub(tx.Now); wait > 0 && wait <= g.Most+clocksDiffer {
		return tooMany(wait)
	}
	return nil
}

// Fail counts a failure, and sets the delay that follows from the count.
func Fail(tx *db.Tx, key string, g Growing) (Failure, error) {
	n, err := db.Value[int64](tx, `INSERT INTO throttles (key, count, window_end) VALUES ($1, 1, $2)
		ON CONFLICT (key) DO UPDATE SET
			count = CASE WHEN throttles.window_end <= $3 THEN 1 ELSE throttles.count + 1 END, window_end = $2
		RETURNING count`, key, tx.Now.Add(g.Memory), tx.Now)
	f := Failure{Count: n}
	if err != nil || n <= g.Free {
		return f, err
	}
	delay := g.Most
	if over := n - g.Free - 1; over < 30 {
		delay = min(g.First<<over, g.Most)
	}
	f.until = tx.Now.Add(delay)
	_, err = tx.Exec("UPDATE throttles SET blocked_until = $1 WHERE key = $2", f.until, key)
	return f, err
}

// Forgive takes a counted failure back, and the delay that it set. A delay that another
// failure has set since goes on.
func Forgive(tx *db.Tx, key string, f Failure) error {
	_, err := tx.Exec("UPDATE throttles SET count = count - 1, blocked_until = CASE WHEN blocked_until = $2 THEN NULL ELSE blocked_until END WHERE key = $1 AND count > 0", key, f.until)
	return err
}

// Refund takes one attempt of a window back.
func Refund(tx *db.Tx, key string) error {
	_, err := tx.Exec("UPDATE throttles SET count = count - 1 WHERE key = $1 AND count > 0", key)
	return err
}

// Clear forgets the failures of a key.
func Clear(tx *db.Tx, key string) error {
	_, err := tx.Exec("DELETE FROM throttles WHERE key = $1", key)
	return err
}

// Sweep forgets windows that ended before a time.
func Sweep(tx *db.Tx, before time.Time) error {
	_, err := tx.Exec("DELETE FROM throttles WHERE window_end < $1 AND (blocked_until IS NULL OR blocked_until < $1)", before)
	return err
}

func tooMany(wait time.Duration) error {
	wait = max(wait.Round(time.Second), time.Second)
	e := fault.Newf(fault.TooMany, "throttle", "Too many attempts. Try again in %d seconds.", int(wait/time.Second))
	if wait == time.Second {
		e.Message = "Too many attempts. Try again in 1 second."
	}
	e.RetryAfter = wait
	return e
}
