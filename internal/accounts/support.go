package accounts

import (
	"fmt"
	"time"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/mail"
)

// SupportDays is how many days ahead the last day may lie on which somebody is of support.
const SupportDays = 366

// SupportUntil is until when a person u is of support, in SQL; NULL when they are not. Who
// decides by it asks OfSupport.
const SupportUntil = "u.support_until"

// OfSupport is the condition, in SQL, that a person u is of support at the time that a
// parameter stands for, such as $2.
func OfSupport(at string) string {
	return "(u.support_until IS NOT NULL AND u.support_until > " + at + ")"
}

// GrantSupport makes a person somebody of support until a time, or changes until when they
// are. From now on they need a second factor before anything else. Invalid, under "until", for
// a time that is over or lies past SupportDays; Conflict for somebody who cannot sign in.
func (s *Service) GrantSupport(tx *db.Tx, by access.Actor, user int64, until time.Time) error {
	if err := Administers(tx, by); err != nil {
		return err
	}
	var c fault.Check
	c.Field(until.After(tx.Now), "until", "Choose the last day: today or one that is still to come.")
	c.Field(until.Before(tx.Now.UTC().Truncate(24*time.Hour).AddDate(0, 0, SupportDays+1)), "until", fmt.Sprintf("Choose a day within %d days. You can choose a later one before it is over.", SupportDays))
	if err := c.Err(); err != nil {
		return err
	}
	u, err := get(tx, "id = $1", user)
	if err != nil || u.SupportUntil.Equal(until) {
		return err
	}
	if u.State != Active {
		return fault.New(fault.Conflict, "accounts.inactive", "Only somebody who can sign in can be of support.")
	}
	if err := tx.Must("UPDATE users SET support_until = $2 WHERE id = $1", user, until); err != nil {
		return err
	}
	e := audit.By(by, "user.supportGranted", "user", u.Email, u.Name).Says("%s made %s somebody of support until %s.", by.Name, u.Name, spoken(until))
	if u.OfSupport(tx.Now) {
		e = audit.By(by, "user.supportChanged", "user", u.Email, u.Name).Says("%s changed until when %s is of support, from %s to %s.", by.Name, u.Name, spoken(u.SupportUntil), spoken(until))
	}
	e.Params = map[string]any{"until": until}
	return audit.Record(tx, e)
}

// RevokeSupport takes from a person that they are of support.
func (s *Service) RevokeSupport(tx *db.Tx, by access.Actor, user int64) error {
	if err := Administers(tx, by); err != nil {
		return err
	}
	u, err := get(tx, "id = $1", user)
	if err != nil || u.SupportUntil.IsZero() {
		return err
	}
	if err := clearSupport(tx, u); err != nil {
		return err
	}
	return audit.Record(tx, audit.By(by, "user.supportRevoked", "user", u.Email, u.Name).Says("%s took from %s that they are of support.", by.Name, u.Name))
}

// SupportOver lists people whose time of support is over and was not cleared yet, a hundred
// at most.
func SupportOver(tx *db.Tx) ([]int64, error) {
	return db.All(tx, db.Scalar[int64], "SELECT id FROM users WHERE support_until IS NOT NULL AND support_until <= $1 ORDER BY email LIMIT 100", tx.Now)
}

// EndSupport clears the time of support of a person whose is over, tells them, and reports
// whether it was. They have not been of support since then either.
func (s *Service) EndSupport(tx *db.Tx, user int64) (over bool, err error) {
	u, err := get(tx, "id = $1", user)
	if err != nil || u.SupportUntil.IsZero() || u.OfSupport(tx.Now) {
		return false, err
	}
	if err := clearSupport(tx, u); err != nil {
		return false, err
	}
	if u.State == Active {
		if _, err := s.mail.Send(tx, mail.Letter{Kind: mail.SupportEnded, To: u.Email, Name: u.Name, UserID: u.ID, Values: map[string]string{"at": utc(u.SupportUntil)}}); err != nil {
			return false, err
		}
	}
	e := audit.By(access.Actor{Name: "Steward"}, "user.supportEnded", "user", u.Email, u.Name)
	e.Params = map[string]any{"until": u.SupportUntil}
	return true, audit.Record(tx, e.Says("The time of %s (%s) as somebody of support was over.", u.Name, u.Email))
}

func clearSupport(tx *db.Tx, u User) error {
	return tx.Must("UPDATE users SET support_until = NULL WHERE id = $1", u.ID)
}
