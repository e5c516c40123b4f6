// Package ops is what an operator does to an installation as a whole.
package ops

import (
	"context"
	"fmt"

	"steward/internal/app"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/storage"
)

// Problem is something that is not as it must be. It is told in one line.
type Problem struct {
	Check  string `json:"check"`  // which check found it
	Object string `json:"object"` // what it is about, with its id
	Want   string `json:"expected"`
	Found  string `json:"found"`
}

// String is the line.
func (p Problem) String() string {
	return fmt.Sprintf("%s: %s: expected %s; found %s", p.Check, p.Object, p.Want, p.Found)
}

// Report sums up a verification.
type Report struct {
	Problems int64
	Sealed   audit.Sealed
	Checked  []Checked
}

// Checked is a check that went through, and how many things it looked at.
type Checked struct {
	Name  string `json:"check"`
	Count int64  `json:"checked"`
}

// Verify checks an installation: the database itself, the seals over the events, the
// counters, the uploaded files and the tables' data. It only reads, beside whoever
// writes, in bounded memory, and can be interrupted through the context. Each problem is
// told when it is found; progress is told the current check and how many things it has
// looked at.
func Verify(ctx context.Context, a *app.App, found func(Problem), progress func(check string, n int64)) (Report, error) {
	var r Report
	checks := []struct {
		name string
		run  func(ctx context.Context, found func(object, want, got string), progress func(int64)) error
	}{
		{"database", func(ctx context.Context, found func(object, want, got string), progress func(int64)) error {
			progress(1)
			return a.DB.Check(ctx, func(d db.Damage) { found(d.Object, d.Want, d.Found) })
		}},
		{"events", func(ctx context.Context, found func(object, want, got string), progress func(int64)) (err error) {
			r.Sealed, err = audit.Verify(ctx, a.DB, func(d audit.Damage) { found(d.Object, d.Want, d.Found) }, progress)
			return err
		}},
		{"counters", each(a.Storage.VerifyCounters)},
		{"files", each(a.Storage.VerifyFiles)},
		{"tables", each(a.Storage.VerifyTables)},
	}
	for _, c := range checks {
		var count int64
		err := c.run(ctx, func(object, want, got string) {
			r.Problems++
			found(Problem{c.name, object, want, got})
		}, func(n int64) {
			count = n
			progress(c.name, n)
		})
		if err != nil {
			return r, fmt.Errorf("the check of %s was not finished: %w", c.name, err)
		}
		r.Checked = append(r.Checked, Checked{c.name, count})
	}
	return r, nil
}

// each is a check of the storage's.
func each(verify func(context.Context, func(storage.Problem), func(int64)) error) func(context.Context, func(object, want, got string), func(int64)) error {
	return func(ctx context.Context, found func(object, want, got string), progress func(int64)) error {
		return verify(ctx, func(p storage.Problem) { found(p.Object, p.Want, p.Found) }, progress)
	}
}
