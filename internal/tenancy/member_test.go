package tenancy_test

import (
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/tenancy"
	"steward/web/webtest"
)

// TestSweepSparesWhoStays: who is given more time after a sweep found theirs to be over, and
// before it came to them, stays in.
func TestSweepSparesWhoStays(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Swept", false)
	guest := s.Member(p, access.Guest)
	var id int64
	s.View(func(tx *db.Tx) (err error) {
		id, err = db.Value[int64](tx, "SELECT id FROM memberships WHERE user_id = $1", guest.ID)
		return err
	})
	scope := s.Scope(admin, p)
	for _, x := range []struct {
		days int // of the end, from the time at which the sweep comes to them
		left int64
	}{{2, 1}, {-1, 0}} {
		s.Update(func(tx *db.Tx) error {
			_, _, err := s.App.Tenancy.SetLastDay(tx, scope, id, tx.Now.AddDate(0, 0, 3))
			return err
		})
		s.Clock.Forward(time.Duration(3-x.days) * 24 * time.Hour)
		s.Update(func(tx *db.Tx) error {
			if err := tenancy.EndOver(s.App.Tenancy, tx, p.ID, id); err != nil {
				return err
			}
			left, err := db.Value[int64](tx, "SELECT count(*) FROM memberships WHERE id = $1", id)
			if left != x.left {
				t.Errorf("%d days before the end: %d are left, want %d", x.days, left, x.left)
			}
			return err
		})
	}
}
