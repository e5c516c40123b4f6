package throttle_test

import (
	"sync/atomic"
	"testing"
	"time"

	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/internal/fault"
	"steward/internal/throttle"
)

// TestForgive: an attempt that is given back takes the delay with it that it set, and not one
// that another has set since; and it takes one from the count of its key, and no more.
func TestForgive(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	d := dbtest.Open(t, db.Options{Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	g := throttle.Growing{Free: 2, First: time.Minute, Most: time.Hour, Memory: 24 * time.Hour}
	failOf := func(key string) (f throttle.Failure) {
		t.Helper()
		if err := d.Update(t.Context(), func(tx *db.Tx) (err error) { f, err = throttle.Fail(tx, key, g); return err }); err != nil {
			t.Fatal(err)
		}
		return f
	}
	fail := func() throttle.Failure { t.Helper(); return failOf("k") }
	forgiveOf := func(key string, f throttle.Failure) {
		t.Helper()
		if err := d.Update(t.Context(), func(tx *db.Tx) error { return throttle.Forgive(tx, key, f) }); err != nil {
			t.Fatal(err)
		}
	}
	forgive := func(f throttle.Failure) { t.Helper(); forgiveOf("k", f) }
	delayed := func() bool {
		return fault.Is(d.View(t.Context(), func(tx *db.Tx) error { return throttle.Check(tx, "k", g) }), fault.TooMany)
	}
	fail()
	fail()
	if delayed() {
		t.Fatal("the free ones are delayed")
	}
	slow := fail()
	if !delayed() || slow.Count != 3 {
		t.Fatalf("the third is not: %+v", slow)
	}
	forgive(slow)
	if delayed() {
		t.Error("a delay outlives the attempt that set it")
	}
	if slow = fail(); slow.Count != 3 || !delayed() {
		t.Errorf("the third, which was given back and comes again, is %+v, delayed %t", slow, delayed())
	}
	ahead.Add(int64(61 * time.Second)) // its delay is over, its answer is not there yet
	if next := fail(); next.Count != 4 || !delayed() {
		t.Fatalf("the fourth: %+v", next)
	}
	forgive(slow)
	if !delayed() {
		t.Error("giving one attempt back dropped the delay of another")
	}
	if again := fail(); again.Count != 4 {
		t.Errorf("the count is %d after one was given back, want 4", again.Count)
	}

	// What was never counted, or is counted no more, leaves nothing to give back: below zero
	// would be guesses for nothing.
	only := failOf("once")
	for range 3 {
		forgiveOf("once", only)
		forgiveOf("never", only)
	}
	for _, key := range []string{"once", "never"} {
		if next := failOf(key); next.Count != 1 {
			t.Errorf("%s: the next attempt is the %d-th, want the first", key, next.Count)
		}
	}
	if again := fail(); again.Count != 5 {
		t.Errorf("what was given back under other keys made the next one the %d-th, want the fifth", again.Count)
	}
}
