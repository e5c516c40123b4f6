package accounts

import (
	"fmt"
	"time"

	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/id"
	"steward/internal/mail"
	"steward/internal/throttle"
)

// OfferLife is how long an identity waits to be linked in the browser that brought it.
const OfferLife = 10 * time.Minute

// ConfirmLife is how long the mailed link counts that links an identity.
const ConfirmLife = 30 * time.Minute

// ReturnPath is where the provider sends people back to. ConfirmPath is the path of that
// link, with the code at the end.
const (
	ReturnPath  = "/auth/google/callback"
	ConfirmPath = "/auth/google/confirm/"
)

// confirmsPerAccount bounds the links that are mailed to a person.
var confirmsPerAccount = throttle.Limit{Count: 3, Window: time.Hour}

// Identity is who a person is at the provider. Only the issuer and the subject, which are
// not shown, decide who signs in by it; the address is what the provider last said.
type Identity struct {
	Email    string
	Name     string
	LinkedAt time.Time
	UsedAt   time.Time // zero when nobody has signed in by it
}

// Provider is what people may sign in by besides, nil for none.
func (s *Service) Provider() *Provider { return s.provider }

// Identity is who a person is at the provider. NotFound if they have linked nothing.
func (s *Service) Identity(tx *db.Tx, user int64) (Identity, error) {
	issuer := ""
	if s.provider != nil {
		issuer = s.provider.Issuer
	}
	return db.One(tx, func(r db.Row) (Identity, error) {
		var i Identity
		return i, r.Scan(&i.Email, &i.Name, db.Time(&i.LinkedAt), db.Time(&i.UsedAt))
	}, "SELECT email, name, created_at, last_used_at FROM identities WHERE user_id = $1 AND issuer = $2", user, issuer)
}

// link lets a person sign in by an identity, and tells them so. Conflict when it is linked
// to somebody already, or when the person has linked another.
func (s *Service) link(tx *db.Tx, user int64, c claims) error {
	u, err := get(tx, "id = $1 AND state = 'active'", user)
	if err != nil {
		return err
	}
	n, err := tx.Exec("INSERT INTO identities (issuer, subject, user_id, email, name, created_at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
		s.provider.Issuer, c.subject, u.ID, c.email, c.name, tx.Now)
	if err != nil {
		return err
	}
	if n == 0 {
		return fault.New(fault.Conflict, "accounts.linked", "This identity at "+s.provider.Name+" is linked already, or your account is linked to another one. Unlink that first.")
	}
	if err := endOffers(tx, u.ID); err != nil {
		return err
	}
	if err := audit.Record(tx, audit.By(u.Actor(), "user.identityLinked", "user", u.Email, u.Name).Says("%s can sign in by %s (%s) from now on.", u.Name, s.provider.Name, c.email)); err != nil {
		return err
	}
	return s.notify(tx, u, mail.IdentityLinked, map[string]string{"provider": s.provider.Name})
}

// Unlink ends that the person of a visit can sign in by the provider, and ends their other
// sessions. NotFound if they cannot; Conflict if they have no password to sign in by.
func (s *Service) Unlink(tx *db.Tx, v *Visit) error {
	was, err := s.Identity(tx, v.User.ID)
	if err != nil {
		return err
	}
	u, err := get(tx, "id = $1", v.User.ID)
	if err != nil {
		return err
	}
	if !u.HasPassword() {
		return fault.New(fault.Conflict, "accounts.onlyWay", "You have no password, so you could not sign in any more. Set one first.")
	}
	if err := tx.Must("DELETE FROM identities WHERE user_id = $1 AND issuer = $2", u.ID, s.provider.Issuer); err != nil {
		return err
	}
	if err := endOthers(tx, v); err != nil {
		return err
	}
	if err := audit.Record(tx, audit.By(v.Actor(), "user.identityUnlinked", "user", u.Email, u.Name).Says("%s cannot sign in by %s (%s) any more; their other sessions ended.", u.Name, s.provider.Name, was.Email)); err != nil {
		return err
	}
	return s.notify(tx, u, mail.IdentityUnlinked, map[string]string{"provider": s.provider.Name})
}

// unlinkAll takes every identity of a person away, of any provider, and what waits to be
// linked. It gives how many there were.
func unlinkAll(tx *db.Tx, user int64) (int64, error) {
	if err := endOffers(tx, user); err != nil {
		return 0, err
	}
	return tx.Exec("DELETE FROM identities WHERE user_id = $1", user)
}

// Offer is an identity that waits for the person of an account to link it.
type Offer struct {
	User  User
	Email string // as the provider says it
	id    int64
	claims
}

// The ways by which an offer is taken.
const (
	viaBrowser = "browser"
	viaMail    = "mail"
)

// offer makes an offer to link an identity to the account of its address. It is refused to
// somebody who is not the one whom the person has linked before.
func (s *Service) offer(tx *db.Tx, u User, c claims) (code string, refused, err error) {
	_, err = s.Identity(tx, u.ID)
	if fault.Is(err, fault.NotFound) {
		code, err = s.makeOffer(tx, u, c, viaBrowser, OfferLife)
		return code, nil, err
	}
	if err != nil {
		return "", nil, err
	}
	refused, err = s.turnAway(tx, u.Email, "The account of "+u.Email+" is linked to another identity at "+s.provider.Name+". Sign in with your password, or ask an administrator of this installation.")
	if err != nil {
		return "", nil, err
	}
	return "", refused, s.stranger(tx, u)
}

func (s *Service) makeOffer(tx *db.Tx, u User, c claims, via string, life time.Duration) (string, error) {
	n, err := tx.NewID("identity_offers")
	if err != nil {
		return "", err
	}
	code := id.Code()
	_, err = tx.Exec(`INSERT INTO identity_offers (id, code_hash, via, user_id, epoch, issuer, subject, email, name, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		n, id.Digest(code), via, u.ID, u.epoch, s.provider.Issuer, c.subject, c.email, c.name, tx.Now, tx.Now.Add(life))
	return code, err
}

func endOffers(tx *db.Tx, user int64) error {
	_, err := tx.Exec("UPDATE identity_offers SET ended_at = $2 WHERE user_id = $1 AND ended_at IS NULL", user, tx.Now)
	return err
}

// Offered is the identity that waits in the browser with this secret. NotFound when none
// does.
func (s *Service) Offered(tx *db.Tx, code string) (Offer, error) {
	return s.offered(tx, code, viaBrowser)
}

// Mailed is the identity that waits under the code of a mailed link. NotFound when the link
// is unknown, used or too old.
func (s *Service) Mailed(tx *db.Tx, code string) (Offer, error) { return s.offered(tx, code, viaMail) }

func (s *Service) offered(tx *db.Tx, code, via string) (Offer, error) {
	dead := fault.New(fault.NotFound, "accounts.offer", "This does not count any more. Sign in by the provider again.")
	if s.provider == nil || !id.IsCode(code) {
		return Offer{}, dead
	}
	var user, epoch int64
	o, err := db.One(tx, func(r db.Row) (Offer, error) {
		var o Offer
		return o, r.Scan(&o.id, &user, &epoch, &o.subject, &o.email, &o.name)
	}, "SELECT id, user_id, epoch, subject, email, name FROM identity_offers WHERE code_hash = $1 AND via = $2 AND issuer = $3 AND ended_at IS NULL AND expires_at > $4",
		id.Digest(code), via, s.provider.Issuer, tx.Now)
	if fault.Is(err, fault.NotFound) {
		return Offer{}, dead
	}
	if err != nil {
		return Offer{}, err
	}
	o.Email = o.email
	// Whatever ended the person's sessions meanwhile ends this, too.
	o.User, err = get(tx, "id = $1 AND state = 'active' AND session_epoch = $2", user, epoch)
	if fault.Is(err, fault.NotFound) {
		return Offer{}, dead
	}
	return o, err
}

// MailOffer mails the person of the account a link by which the identity that waits in the
// browser is linked. NotFound as Offered says; TooMany after three in an hour.
func (s *Service) MailOffer(tx *db.Tx, code string) error {
	o, err := s.Offered(tx, code)
	if err != nil {
		return err
	}
	if err := throttle.Take(tx, fmt.Sprintf("identity/mail:%d", o.User.ID), confirmsPerAccount); err != nil {
		return err
	}
	link, err := s.makeOffer(tx, o.User, o.claims, viaMail, ConfirmLife)
	if err != nil {
		return err
	}
	expires, r := tx.Now.Add(ConfirmLife), audit.RequestOf(tx.Context())
	if _, err := s.mail.Send(tx, mail.Letter{Kind: mail.IdentityConfirm, To: o.User.Email, Name: o.User.Name, UserID: o.User.ID, Path: ConfirmPath + link, Until: expires,
		Values: map[string]string{"provider": s.provider.Name, "expires": utc(expires), "address": r.Address, "device": Device(r.UserAgent)}}); err != nil {
		return err
	}
	e := audit.By(somebody(), "user.identityOffered", "user", o.User.Email, o.User.Name)
	return audit.Record(tx, e.Says("Somebody who is %s at %s asked to sign in as %s; a link to confirm that was mailed.", o.Email, s.provider.Name, o.User.Name))
}

// TakeOffer links the identity that waits in the browser to the account of the visit's
// person. NotFound as Offered says, and when it is for somebody else; Conflict as for every
// link.
func (s *Service) TakeOffer(tx *db.Tx, v *Visit, code string) error {
	if err := Present(tx, v.Actor()); err != nil {
		return err
	}
	o, err := s.Offered(tx, code)
	if err != nil {
		return err
	}
	if o.User.ID != v.User.ID {
		return fault.New(fault.NotFound, "accounts.offer", "This was for another account.")
	}
	return s.take(tx, o)
}

// ConfirmOffer links an identity by a mailed link. Nobody is signed in by that. NotFound as
// Mailed says; Conflict as for every link.
func (s *Service) ConfirmOffer(tx *db.Tx, code string) error {
	o, err := s.Mailed(tx, code)
	if err != nil {
		return err
	}
	return s.take(tx, o)
}

func (s *Service) take(tx *db.Tx, o Offer) error {
	if err := tx.Must("UPDATE identity_offers SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL", o.id, tx.Now); err != nil {
		return err
	}
	return s.link(tx, o.User.ID, o.claims)
}
