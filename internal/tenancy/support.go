package tenancy

import (
	"context"
	"errors"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/mail"
)

// People of support come into projects and organizations by a right that always ends. What
// they come into by it ends with it, by a time in its own row: so it is over at once, for
// whoever asks, before anybody has cleared it away.

// GrantSupport makes a person somebody of support until a time, or changes until when they
// are: they may come into projects of every organization that lets them, and ask in the
// others. Forbidden for who is no super admin; Invalid and Conflict as of
// accounts.GrantSupport.
func (v *Service) GrantSupport(tx *db.Tx, by access.Actor, user int64, until time.Time) error {
	return v.overAllChanges(tx, by, user, func() error { return v.people.GrantSupport(tx, by, user, until) })
}

// RevokeSupport takes from a person that they are of support. Who is no super admin is out of
// all that they entered so. Forbidden for who is no super admin.
func (v *Service) RevokeSupport(tx *db.Tx, by access.Actor, user int64) error {
	return v.overAllChanges(tx, by, user, func() error { return v.people.RevokeSupport(tx, by, user) })
}

// GrantSuperAdmin makes a person a super admin, who comes in by the right of support without
// an end. Forbidden and Conflict as of accounts.GrantSuperAdmin.
func (v *Service) GrantSuperAdmin(tx *db.Tx, by access.Actor, user int64) error {
	if err := accounts.InTurn(tx, by); err != nil {
		return err
	}
	return v.overAllChanges(tx, by, user, func() error { return v.people.GrantSuperAdmin(tx, by, user) })
}

// RevokeSuperAdmin takes the rights of a super admin away. Who is not of support either is
// out of all that they entered so. Forbidden and Conflict as of accounts.RevokeSuperAdmin.
func (v *Service) RevokeSuperAdmin(tx *db.Tx, by access.Actor, user int64) error {
	if err := accounts.InTurn(tx, by); err != nil {
		return err
	}
	return v.overAllChanges(tx, by, user, func() error { return v.people.RevokeSuperAdmin(tx, by, user) })
}

// overAllChanges changes what a person is above all organizations, and what hangs on that. A
// time of support that is over is cleared first: what it ended does not come back.
func (v *Service) overAllChanges(tx *db.Tx, by access.Actor, user int64, change func() error) error {
	if err := v.endSupport(tx, user); err != nil {
		return err
	}
	before, err := accounts.Find(tx, user)
	if err != nil {
		return err
	}
	if err := change(); err != nil {
		return err
	}
	return v.settle(tx, by, before)
}

// EndSupport takes from people that they are of support whose time is over, a hundred at
// most, and tells them. They are not, and are in nothing by it, before that either.
func (v *Service) EndSupport(ctx context.Context) error {
	var list []int64
	err := v.db.View(ctx, func(tx *db.Tx) (err error) { list, err = accounts.SupportOver(tx); return err })
	for _, user := range list {
		err = errors.Join(err, v.db.Update(ctx, func(tx *db.Tx) error { return v.endSupport(tx, user) }))
	}
	return err
}

// endSupport does so with one of them, unless it has changed meanwhile.
func (v *Service) endSupport(tx *db.Tx, user int64) error {
	if err := lockRights(tx, user); err != nil {
		return err
	}
	over, err := v.people.EndSupport(tx, user)
	if err != nil || !over {
		return err
	}
	u, err := accounts.Find(tx, user)
	if err != nil {
		return err
	}
	return v.settle(tx, steward(), u)
}

// settle brings what a person is in by the right of support in line with how they hold it:
// they are out of it, or in it for as long. before is what they were.
func (v *Service) settle(tx *db.Tx, by access.Actor, before accounts.User) error {
	user := before.ID
	u, err := accounts.Find(tx, user)
	if err != nil {
		return err
	}
	if !u.SuperAdmin && !u.OfSupport(tx.Now) {
		w := Who{u.ID, u.Email, u.Name, u.State}
		n, err := v.endRight(tx, by, w, ThroughSupport, 0)
		held := before.SuperAdmin || before.OfSupport(tx.Now)
		if err != nil || !held || by.UserID == user || u.State != accounts.Active { // accounts mails whose time is over
			return err
		}
		values := map[string]string{"by": by.Name}
		if before.SuperAdmin && !before.OfSupport(tx.Now) {
			values["was"] = "superAdmin"
		}
		if n > 0 {
			values["places"] = counted(n, "place", "places")
		}
		return v.write(tx, []Who{w}, mail.Letter{Kind: mail.SupportEnded, Values: values})
	}
	if err := lockMoves(tx); err != nil {
		return err
	}
	until := supportEnds(u)
	if until.IsZero() {
		return nil
	}
	// Visits and requests have an end of their own.
	for _, table := range []string{"organization_members", "memberships", "join_requests"} {
		if _, err := tx.Exec("UPDATE "+table+" SET expires_at = $2 WHERE user_id = $1 AND through = 'support' AND (expires_at IS NULL OR expires_at > $2)", user, until); err != nil {
			return err
		}
	}
	return nil
}

// supportEnds is when the right of support ends by which a person comes in; zero for super
// admins.
func supportEnds(u accounts.User) time.Time {
	if u.SuperAdmin {
		return time.Time{}
	}
	return u.SupportUntil
}

// rightEnds is when the right ends by which somebody is to be in an organization or one of
// its projects; zero for never.
func rightEnds(tx *db.Tx, user int64, right Through) (at time.Time, err error) {
	if right.kept() != string(ThroughSupport) {
		return at, nil
	}
	u, err := accounts.Find(tx, user)
	return supportEnds(u), err
}

// sooner is the earlier of two ends; zero is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
