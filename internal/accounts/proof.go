package accounts

import (
	"context"
	"errors"
	"fmt"
	"time"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/throttle"
)

// perProof slows down guesses of a password inside a session.
var perProof = throttle.Growing{Free: 5, First: time.Second, Most: time.Minute, Memory: 24 * time.Hour}

// Demand is what a person has to prove before something sensitive.
type Demand struct {
	Password bool
	Provider bool // to sign in at the provider, in place of a password that there is not
	Code     bool // of the second factor, or a recovery code
}

// DemandOf tells what a person can prove.
func (s *Service) DemandOf(tx *db.Tx, user int64) (Demand, error) {
	kept, err := SecurityOf(tx, user)
	d := Demand{Password: kept.Password, Code: kept.Factor}
	if err != nil || d.Password {
		return d, err
	}
	_, err = s.Identity(tx, user)
	if fault.Is(err, fault.NotFound) {
		return d, nil
	}
	d.Provider = err == nil
	return d, err
}

// Prove proves again who the person of a visit is: by password, and by the second factor
// if they have one. The visit's session then gets a new token and counts as proved for
// ProofLife. Invalid, under "current" or "code", for what is wrong; TooMany after some
// wrong ones; Unavailable when too many passwords are checked at the moment.
func (s *Service) Prove(ctx context.Context, v *Visit, password, code string) error {
	u, err := s.proved(ctx, v, password)
	if err != nil {
		return err
	}
	var refused error
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		refused = nil
		_, err := factorOf(tx, u.ID)
		method := ByPassword
		switch {
		case fault.Is(err, fault.NotFound):
		case err != nil:
			return err
		default:
			var by Method
			if by, refused, err = s.tryFactor(tx, u, code); err != nil {
				return err
			}
			if refused != nil {
				return proofFailed(tx, v, "A wrong code was given in a session of %s.")
			}
			method += "+" + by
		}
		return audit.Record(tx, audit.By(v.Actor(), "user.proved", "session", fmt.Sprint(v.SessionID), "").Says("%s proved again who they are, by %s.", u.Name, method))
	})
	switch { // never joined: an error that lost the count must not look like a wrong code
	case err != nil:
		return err
	case refused != nil:
		return refused
	}
	v.renew, v.proof = true, true
	return nil
}

// proved gives the person of a visit when the password is theirs.
func (s *Service) proved(ctx context.Context, v *Visit, password string) (User, error) {
	place, err := s.hashes.queue("user:" + fmt.Sprint(v.User.ID))
	if err != nil {
		return User{}, err
	}
	defer place.leave()
	var u User
	var failure throttle.Failure
	key := "proof:" + fmt.Sprint(v.User.ID)
	err = s.db.Update(ctx, func(tx *db.Tx) (err error) {
		if u, err = get(tx, "id = $1 AND state = 'active'", v.User.ID); err != nil {
			return err
		}
		if err := tx.Lock(key); err != nil {
			return err
		}
		if err := throttle.Check(tx, key, perProof); err != nil {
			return err
		}
		failure, err = throttle.Fail(tx, key, perProof)
		return err
	})
	if err != nil {
		return User{}, err
	}
	ok, _, err := s.verify(ctx, place, u, password)
	if err != nil {
		return User{}, errors.Join(err, s.db.Update(context.WithoutCancel(ctx), func(tx *db.Tx) error { return throttle.Forgive(tx, key, failure) }))
	}
	if ok {
		return u, s.db.Update(ctx, func(tx *db.Tx) error { return throttle.Clear(tx, key) })
	}
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		return proofFailed(tx, v, "A wrong password was given in a session of %s.")
	})
	if err != nil {
		return User{}, err
	}
	return User{}, &fault.Error{Kind: fault.Invalid, Code: "accounts.password", Message: "This is not your password.", Fields: []fault.Field{{Name: "current", Message: "This is not your password."}}}
}

func proofFailed(tx *db.Tx, v *Visit, says string) error {
	e := audit.By(v.Actor(), "user.proofFailed", "user", v.User.Email, v.User.Name)
	e.Type = audit.Warn
	return audit.Record(tx, e.Says(says, v.User.Name))
}

// Present is Unauthenticated when the session that an actor came by has ended meanwhile:
// for the transaction that does what is sensitive. A request may have begun long before. The
// command line and the system have no session.
func Present(tx *db.Tx, a access.Actor) error {
	if a.SessionID == 0 {
		return nil
	}
	_, err := db.Value[int64](tx, "SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $1 AND "+alive, append([]any{a.SessionID}, aliveAt(tx)...)...)
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.Unauthenticated, "accounts.session", "You are signed out.")
	}
	return err
}
