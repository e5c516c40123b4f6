package jobs_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"steward/internal/db"
	"steward/internal/jobs"
)

// TestSearch finds the same as a list by several filters, a few jobs at a time: each
// page tells how far back it looked, and the next one goes on there.
func TestSearch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 60 {
		b.enqueue(jobs.Spec{Table: fmt.Sprintf("in.c-x.t%d", i%3), Operation: []string{"load", "drop"}[i%2]})
		b.ahead.Add(int64(time.Second))
	}
	b.update(func(tx *db.Tx) error { // some are made at the same moment
		_, err := tx.Exec("UPDATE jobs SET created_at = created_at / 4000000 * 4000000")
		return err
	})
	every := b.list(t, jobs.Filter{Limit: 100})
	for i := 3; i < len(every); i += 7 {
		b.update(func(tx *db.Tx) error { _, err := b.queue.Cancel(tx, b.scope, every[i].ID); return err })
	}
	user := b.scope.Actor().UserID
	for _, f := range []jobs.Filter{
		{Table: "in.c-x.t1", State: jobs.Waiting},
		{Table: "in.c-x.t1", Operation: "load"},
		{Table: "in.c-x.t2", Operation: "drop", State: jobs.Failed, Cancelled: true},
		{State: jobs.Failed, Operation: "load"},
		{State: jobs.Success, Operation: "load"},
		{Operation: "drop", UserID: user},
		{Table: "in.c-x.t1", UserID: user + 1},
		{Table: "in.c-x.t0"},
		{},
	} {
		f.Limit = 100
		want := ids(b.list(t, f))
		for _, most := range []int{1, 7, 20, 1000} {
			for _, limit := range []int{2, 5, 100} {
				f := f
				f.Limit = limit
				var got []int64
				for pages := 0; ; pages++ {
					if pages > 200 {
						t.Fatalf("%+v: the search does not end", f)
					}
					var found jobs.Found
					err := b.db.View(t.Context(), func(tx *db.Tx) (err error) {
						found, err = jobs.SearchWithin(b.queue, tx, b.scope, f, most)
						return err
					})
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, ids(found.Jobs)...)
					switch n := len(found.Jobs); {
					case n == limit:
						f.Before = jobs.Cursor{At: found.Jobs[n-1].CreatedAt, ID: found.Jobs[n-1].ID}
						continue
					case !found.Until.IsZero():
						f.Before = jobs.Cursor{At: found.Until}
						continue
					}
					break
				}
				if !slices.Equal(got, want) {
					t.Errorf("%+v, %d at most: found %v, want %v", f, most, got, want)
				}
			}
		}
	}
}

// TestSearchLooksNoFurther: with several filters that fit many jobs each, one page
// looks at no more than it may; a filter that fits few reaches back to the first job.
func TestSearchLooksNoFurther(t *testing.T) {
	t.Parallel()
	b := setup(t)
	rare := b.enqueue(jobs.Spec{Table: "in.c-x.rare", Operation: "load"})
	for i := range 40 {
		b.ahead.Add(int64(time.Second))
		b.enqueue(jobs.Spec{Table: fmt.Sprintf("in.c-x.t%d", i%2), Operation: []string{"load", "drop"}[i%2]})
	}
	search := func(f jobs.Filter) (found jobs.Found) {
		t.Helper()
		f.Limit = 10
		err := b.db.View(t.Context(), func(tx *db.Tx) (err error) {
			found, err = jobs.SearchWithin(b.queue, tx, b.scope, f, 5)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	every := b.list(t, jobs.Filter{Limit: 100})
	none := search(jobs.Filter{Table: "in.c-x.t0", Operation: "drop"}) // each fits every second job
	if len(none.Jobs) != 0 || !none.Until.Equal(every[9].CreatedAt) {
		t.Errorf("%d jobs until %v, want none until %v", len(none.Jobs), none.Until, every[9].CreatedAt)
	}
	one := search(jobs.Filter{Table: "in.c-x.rare", State: jobs.Waiting})
	if len(one.Jobs) != 1 || one.Jobs[0].ID != rare.ID || !one.Until.IsZero() {
		t.Errorf("found %v until %v, want job %d and no more to search", ids(one.Jobs), one.Until, rare.ID)
	}
}

// list gives jobs as the list of jobs does.
func (b *bundle) list(t *testing.T, f jobs.Filter) (out []jobs.Job) {
	t.Helper()
	err := b.db.View(t.Context(), func(tx *db.Tx) (err error) { out, err = b.queue.List(tx, b.scope, f); return err })
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func ids(list []jobs.Job) (out []int64) {
	for _, j := range list {
		out = append(out, j.ID)
	}
	return out
}
