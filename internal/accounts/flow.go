package accounts

import (
	"context"
	"errors"
	"fmt"
	"time"

	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/id"
	"steward/internal/keys"
	"steward/internal/mail"
	"steward/internal/throttle"
)

// FlowLife is how long a way through the provider may take.
const FlowLife = 10 * time.Minute

// perFlows bounds the flows that one sender begins.
var perFlows = throttle.Limit{Count: 20, Window: time.Minute}

// Aim is what a way through the provider is for.
type Aim string

// The aims.
const (
	ToSignIn Aim = "signIn"
	ToLink   Aim = "link"  // the person who is signed in gets another way to sign in
	ToProve  Aim = "prove" // the person who is signed in proves again who they are
)

// Departure is where a flow begins.
type Departure struct {
	URL     string // of the provider
	Browser string // secret for the browser to keep until it comes back
}

// Depart begins a way through the provider, for one return of this browser. The person of
// the visit is who links or proves. NotFound when no provider is configured; Unavailable
// when it cannot be reached; TooMany when this sender began too many.
func (s *Service) Depart(ctx context.Context, aim Aim, v *Visit, next string) (Departure, error) {
	e, err := s.discover(ctx)
	if err != nil {
		return Departure{}, err
	}
	a := asked{state: id.Secret(), nonce: id.Secret(), verifier: id.Secret(), fresh: aim == ToProve}
	out := Departure{Browser: id.Secret()}
	if out.URL, err = s.provider.departure(e, a); err != nil {
		return Departure{}, err
	}
	state := id.Digest(a.state)
	nonce, err := s.keys.Seal(keys.Flow, flowPlace(state), []byte(a.nonce))
	if err != nil {
		return Departure{}, err
	}
	verifier, err := s.keys.Seal(keys.Flow, flowPlace(state), []byte(a.verifier))
	if err != nil {
		return Departure{}, err
	}
	var user int64
	if aim != ToSignIn {
		user = v.User.ID
	}
	return out, s.db.Update(ctx, func(tx *db.Tx) error {
		if err := throttle.Take(tx, "flow/min:"+network(audit.RequestOf(ctx).Address), perFlows); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO oidc_flows (state_hash, browser_hash, nonce, verifier, purpose, user_id, next, created_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, state, id.Digest(out.Browser), nonce, verifier, string(aim), db.ZeroNull(user), next, tx.Now, tx.Now.Add(FlowLife))
		return err
	})
}

// DepartToProve is Depart for a person without a password who proves again who they are.
// A second factor is proved before. Conflict for a person with a password, and for one who
// does not sign in by the provider; Invalid, under "code", for a wrong code; TooMany after
// some wrong ones.
func (s *Service) DepartToProve(ctx context.Context, v *Visit, code, next string) (Departure, error) {
	if _, err := s.discover(ctx); err != nil { // no code is used up in vain
		return Departure{}, err
	}
	var refused error
	err := s.db.Update(ctx, func(tx *db.Tx) error {
		refused = nil
		d, err := s.DemandOf(tx, v.User.ID)
		if err != nil {
			return err
		}
		if !d.Provider {
			return fault.New(fault.Conflict, "accounts.proof", "You prove who you are by your password.")
		}
		if !d.Code {
			return nil
		}
		_, refused, err = s.tryFactor(tx, v.User, code)
		return err
	})
	switch { // never joined: an error that lost the count must not look like a wrong code
	case err != nil:
		return Departure{}, err
	case refused != nil:
		return Departure{}, refused
	}
	return s.Depart(ctx, ToProve, v, next)
}

func flowPlace(state string) string { return "oidc_flows/" + state }

func (s *Service) discover(ctx context.Context) (*endpoints, error) {
	if s.provider == nil {
		return nil, fault.New(fault.NotFound, "notFound", "Not found.")
	}
	return s.provider.discover(ctx)
}

// Return is what a browser brings back from the provider.
type Return struct {
	State, Code string
	Problem     string // in place of a code, such as access_denied
	Issuer      string // "" when the provider does not name itself
	Browser     string // secret of the departure
	Device      string // secret of the browser, "" if it has none
}

// Landing is where a way through the provider ended.
type Landing struct {
	Aim   Aim
	Next  string
	Offer string // secret of an identity that waits to be linked; nobody was signed in then
	Arrival
}

// flow is a way through the provider that has come back.
type flow struct {
	asked
	aim  Aim
	user int64
	next string
}

// Land ends a way through the provider. A return counts once, and only in the browser that
// departed. Unauthenticated when it does not count, or when what the provider says proves
// nothing; Forbidden, with what to do about it, when the provider's word is good and
// nevertheless lets nobody in; Unavailable when the provider cannot be reached. The landing
// tells the aim even then, as far as it is known.
func (s *Service) Land(ctx context.Context, v *Visit, r Return) (Landing, error) {
	if s.provider == nil {
		return Landing{}, fault.New(fault.NotFound, "notFound", "Not found.")
	}
	f, err := s.returned(ctx, r)
	if err != nil {
		return Landing{}, err
	}
	out := Landing{Aim: f.aim, Next: f.next}
	switch {
	case r.Issuer != "" && r.Issuer != s.provider.Issuer:
		return out, s.provider.doubt(errors.New("another provider answered"))
	case r.Problem == "access_denied":
		return out, fault.New(fault.Unauthenticated, "accounts.denied", "You did not let "+s.provider.Name+" tell who you are, so nothing was done.")
	case r.Problem != "" || r.Code == "":
		return out, s.provider.doubt(fmt.Errorf("it answered with the problem %.100q", r.Problem))
	case f.aim != ToSignIn && (!v.SignedIn() || v.User.ID != f.user):
		return out, fault.New(fault.Unauthenticated, "accounts.session", "You were signed out meanwhile, so nothing was done.")
	}
	c, err := s.provider.redeem(ctx, f.asked, r.Code)
	if err != nil {
		return out, err
	}
	switch f.aim {
	case ToLink:
		return out, s.db.Update(ctx, func(tx *db.Tx) error {
			if err := Present(tx, v.Actor()); err != nil { // the provider took its time
				return err
			}
			return s.link(tx, v.User.ID, c)
		})
	case ToProve:
		return out, s.proveBy(ctx, v, c)
	default:
		out.Arrival, out.Offer, err = s.signInBy(ctx, c, r.Device)
		return out, err
	}
}

// returned uses a flow up. Another browser's return leaves it as it is.
func (s *Service) returned(ctx context.Context, r Return) (flow, error) {
	var f flow
	var nonce, verifier string
	state := id.Digest(r.State)
	err := s.db.Update(ctx, func(tx *db.Tx) (err error) {
		f, err = db.One(tx, func(row db.Row) (flow, error) {
			var f flow
			return f, row.Scan(&f.aim, &f.user, &f.next, &nonce, &verifier)
		}, `UPDATE oidc_flows SET used_at = $3 WHERE state_hash = $1 AND browser_hash = $2 AND used_at IS NULL AND expires_at > $3
			RETURNING purpose, COALESCE(user_id, 0), next, nonce, verifier`, state, id.Digest(r.Browser), tx.Now)
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return flow{}, fault.New(fault.Unauthenticated, "accounts.flow", "This way back from "+s.provider.Name+" does not count: it was used before, took longer than ten minutes, or began in another browser or tab. Start again.")
	}
	if err != nil {
		return flow{}, err
	}
	for _, x := range []struct {
		into   *string
		sealed string
	}{{&f.nonce, nonce}, {&f.verifier, verifier}} {
		plain, err := s.keys.Unseal(keys.Flow, flowPlace(state), x.sealed)
		if err != nil {
			return flow{}, err
		}
		*x.into = string(plain)
	}
	return f, nil
}

// signInBy is the first factor of whoever the provider says that it is. A person who was
// invited under the address becomes active by that. One who is active and has not linked
// the two gets an offer to do so, which is all that an address is good for.
func (s *Service) signInBy(ctx context.Context, c claims, device string) (_ Arrival, offer string, err error) {
	var u User
	var refused error
	err = s.db.Update(ctx, func(tx *db.Tx) (err error) {
		refused, offer = nil, ""
		var linked bool
		if u, linked, err = s.whom(tx, c); err != nil {
			return err
		}
		switch {
		case u.ID == 0:
			refused, err = s.turnAway(tx, c.email, "There is no account for "+c.email+" here. Ask for an invitation.")
		case u.State == Disabled:
			refused, err = s.turnAway(tx, u.Email, "The account of "+u.Email+" is disabled. Ask an administrator of this installation.")
		case u.State == Invited:
			u, err = s.activateBy(tx, u, c, linked)
		case !linked:
			offer, refused, err = s.offer(tx, u, c)
		}
		if err != nil || refused != nil || offer != "" {
			return err
		}
		return tx.Must("UPDATE identities SET last_used_at = $3, email = $4, name = $5 WHERE issuer = $1 AND subject = $2", s.provider.Issuer, c.subject, tx.Now, c.email, c.name)
	})
	switch {
	case err != nil:
		return Arrival{}, "", err
	case refused != nil || offer != "":
		return Arrival{}, offer, refused
	}
	a, err := s.arrive(ctx, entry{user: u, method: ByProvider, device: device})
	return a, "", err
}

// whom finds whom the provider means: the person of the identity, else the one of the
// address, else the zero User.
func (s *Service) whom(tx *db.Tx, c claims) (u User, linked bool, err error) {
	u, err = get(tx, "id = (SELECT user_id FROM identities WHERE issuer = $1 AND subject = $2)", s.provider.Issuer, c.subject)
	if !fault.Is(err, fault.NotFound) {
		return u, true, err
	}
	u, err = get(tx, "email = $1", c.email)
	if fault.Is(err, fault.NotFound) {
		return User{}, false, nil
	}
	return u, false, err
}

// turnAway notes that the provider's word lets nobody in, and says why.
func (s *Service) turnAway(tx *db.Tx, email, why string) (refused, err error) {
	e := audit.By(somebody(), "user.loginFailed", "user", email, email)
	e.Type = audit.Warn
	return fault.New(fault.Forbidden, "accounts.turnedAway", why), audit.Record(tx, e.Says("A sign-in as %s by %s was refused.", email, s.provider.Name))
}

// activateBy opens the account of somebody who was invited under an address that the
// provider has verified.
func (s *Service) activateBy(tx *db.Tx, u User, c claims, linked bool) (User, error) {
	if c.name != "" {
		u.Name = c.name
	}
	if err := tx.Must("UPDATE users SET state = 'active', name = $2, search = $3, session_epoch = session_epoch + 1 WHERE id = $1 AND state = 'invited'",
		u.ID, u.Name, search(u.Email, u.Name)); err != nil {
		return User{}, err
	}
	if err := endLinks(tx, u.ID); err != nil {
		return User{}, err
	}
	u, err := get(tx, "id = $1", u.ID)
	if err != nil {
		return User{}, err
	}
	if err := audit.Record(tx, audit.By(u.Actor(), "user.activated", "user", u.Email, u.Name).Says("%s activated their account (%s) by %s.", u.Name, u.Email, s.provider.Name)); err != nil || linked {
		return u, err
	}
	return u, s.link(tx, u.ID, c)
}

// proveBy proves again who the person of a visit is, who signed in at the provider just now.
func (s *Service) proveBy(ctx context.Context, v *Visit, c claims) error {
	if !s.provider.fresh(c) {
		return fault.New(fault.Forbidden, "accounts.stale", s.provider.Name+" does not say that you signed in there just now, so it proves nothing. Set a password by the link that is mailed to you, and confirm with that.")
	}
	err := s.db.Update(ctx, func(tx *db.Tx) error {
		if err := Present(tx, v.Actor()); err != nil {
			return err
		}
		if _, err := get(tx, "id = $1 AND id = (SELECT user_id FROM identities WHERE issuer = $2 AND subject = $3)", v.User.ID, s.provider.Issuer, c.subject); err != nil {
			if fault.Is(err, fault.NotFound) {
				return fault.New(fault.Forbidden, "accounts.otherIdentity", "You signed in at "+s.provider.Name+" as somebody else ("+c.email+"), so it proves nothing.")
			}
			return err
		}
		return audit.Record(tx, audit.By(v.Actor(), "user.proved", "session", fmt.Sprint(v.SessionID), "").Says("%s proved again who they are, by %s.", v.User.Name, s.provider.Name))
	})
	if err != nil {
		return err
	}
	v.renew, v.proof = true, true
	return nil
}

// stranger tells a person, once a day, that somebody else at the provider has their address.
func (s *Service) stranger(tx *db.Tx, u User) error {
	err := throttle.Take(tx, fmt.Sprintf("alarm:%d:identity", u.ID), perNotice)
	if fault.Is(err, fault.TooMany) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.notify(tx, u, mail.IdentityRefused, map[string]string{"provider": s.provider.Name})
}
