package accounts

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/text/unicode/norm"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/control"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/id"
	"steward/internal/mail"
	"steward/internal/throttle"
)

// Limits of signing in. An account's delay and an address's count live in the
// database, so neither a restart nor another process forgives them.
var (
	perAddressMinute = throttle.Limit{Count: 20, Window: time.Minute}
	perAddressHour   = throttle.Limit{Count: 200, Window: time.Hour}
	perAccount       = throttle.Growing{Free: 5, First: time.Second, Most: time.Minute, Memory: 24 * time.Hour}
	perNotice        = throttle.Limit{Count: 1, Window: 24 * time.Hour}
)

// alarmAt is how many wrong passwords in a row a person is told about.
const alarmAt = 10

// Life of a sign-in that waits for its second factor, and how many codes it takes.
const (
	pendingLife  = 10 * time.Minute
	pendingTries = 5
)

// Attempt is a try to sign in by password.
type Attempt struct {
	Email, Password string
	Device          string // secret of the browser, "" if it has none
}

// Arrival is where a proved first factor leads.
type Arrival struct {
	Pending string // secret of a sign-in that waits for its second factor; "" when none is asked for
	Device  string // secret for the browser to keep
}

// SignIn proves a password. Without a second factor the visit is marked, so that the
// session store makes a session when the request's session is saved; with one, Finish has
// to follow. Unauthenticated, with one sentence for every reason, when the address or the
// password is wrong or the account cannot sign in; TooMany or Unavailable when it has to
// wait.
func (s *Service) SignIn(ctx context.Context, a Attempt) (Arrival, error) {
	normal, err := NormalizeEmail(a.Email)
	if err != nil {
		normal = "" // counted per address of the sender all the same
	}
	u, account, stale, err := s.match(ctx, normal, a)
	if err != nil {
		return Arrival{}, err
	}
	var fresh Hashed
	if stale {
		if fresh, err = s.hash(ctx, a.Password); err != nil {
			stale = false // the next sign-in will do
		}
	}
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		if err := throttle.Clear(tx, account); err != nil {
			return err
		}
		if err := giveBack(tx); err != nil || !stale {
			return err
		}
		// Under the epoch: a password that was set meanwhile stays.
		_, err := tx.Exec("UPDATE users SET password_hash = $2, pepper_key = $3 WHERE id = $1 AND session_epoch = $4", u.ID, fresh.hash, fresh.pepperKey, u.epoch)
		return err
	})
	if err != nil {
		return Arrival{}, err
	}
	return s.arrive(ctx, entry{user: u, method: ByPassword, device: a.Device})
}

// match gives the active person whose password is right, under which key the attempt was
// counted, and whether the password's hash is out of date. Its errors are those of SignIn.
func (s *Service) match(ctx context.Context, email string, a Attempt) (u User, account string, stale bool, err error) {
	place, err := s.hashes.queue(network(audit.RequestOf(ctx).Address))
	if err != nil {
		return User{}, "", false, err
	}
	defer place.leave()
	u, account, failure, err := s.count(ctx, email, a.Device)
	if err != nil {
		return User{}, "", false, err
	}
	ok, stale, err := s.verify(ctx, place, u, a.Password)
	if err != nil { // what was not tried does not count: the attempt is given back
		return User{}, "", false, errors.Join(err, s.db.Update(context.WithoutCancel(ctx), func(tx *db.Tx) error {
			return errors.Join(throttle.Forgive(tx, account, failure), giveBack(tx))
		}))
	}
	if !ok || u.State != Active {
		return User{}, "", false, s.refuse(ctx, u, email, failure.Count)
	}
	return u, account, stale, nil
}

// giveBack takes back what a sign-in that succeeded counted for the sender: an office signs
// in from one address.
func giveBack(tx *db.Tx) error {
	address := network(audit.RequestOf(tx.Context()).Address)
	if err := throttle.Refund(tx, "signin/min:"+address); err != nil {
		return err
	}
	return throttle.Refund(tx, "signin/hour:"+address)
}

// accountKey is what is counted of an address of mail, however it is spelled.
func accountKey(of, email string) string { return of + ":" + id.Digest(norm.NFKC.String(email)) }

// deviceKey is what is counted of a browser that a person has signed in with.
func deviceKey(of, device, email string) string { return of + ":" + id.Digest(device+email) }

// count notes an attempt before it is made, so that many at once are counted too, and
// gives the account's user, the zero User when there is none. A browser that the person
// has signed in with before has a delay of its own, so that strangers cannot keep them out.
func (s *Service) count(ctx context.Context, email, device string) (u User, account string, failure throttle.Failure, err error) {
	address := network(audit.RequestOf(ctx).Address)
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		if u, err = get(tx, "email = $1", email); err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		own, err := known(tx, u.ID, device)
		if err != nil {
			return err
		}
		account = accountKey("account", email)
		if own {
			account = deviceKey("device", device, email)
		}
		if err := tx.Lock(account); err != nil {
			return err
		}
		if err := throttle.Take(tx, "signin/min:"+address, perAddressMinute); err != nil {
			return err
		}
		if err := throttle.Take(tx, "signin/hour:"+address, perAddressHour); err != nil {
			return err
		}
		if control.On(control.PasswordThrottle) {
			if err := throttle.Check(tx, account, perAccount); err != nil {
				return err
			}
		}
		failure, err = throttle.Fail(tx, account, perAccount)
		return err
	})
	return u, account, failure, err
}

// arrive is where every first factor leads: to a session, or to the second factor of a
// person who has one. Only here and in Finish is a visit marked.
func (s *Service) arrive(ctx context.Context, e entry) (Arrival, error) {
	if e.device == "" {
		e.device = id.Secret()
	}
	out := Arrival{Device: e.device}
	err := s.db.Update(ctx, func(tx *db.Tx) error {
		f, err := factorOf(tx, e.user.ID)
		if fault.Is(err, fault.NotFound) || !control.On(control.SecondFactor) {
			return nil
		}
		if err != nil {
			return err
		}
		n, err := tx.NewID("pending_sign_ins")
		if err != nil {
			return err
		}
		out.Pending = id.Code()
		_, err = tx.Exec(`INSERT INTO pending_sign_ins (id, code_hash, user_id, epoch, method, tries, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, 0, $6, $7)`,
			n, id.Digest(out.Pending), f.user, e.user.epoch, string(e.method), tx.Now, tx.Now.Add(pendingLife))
		return err
	})
	if err != nil {
		return Arrival{}, err
	}
	if out.Pending == "" {
		VisitOf(ctx).issue = &e
	}
	return out, nil
}

// errPending is the answer to every sign-in that does not wait for a second factor.
func errPending() error {
	return fault.New(fault.Unauthenticated, "accounts.pending", "This sign-in has ended. Start again with your password.")
}

// pending is a sign-in that waits for its second factor.
type pending struct {
	id, epoch, tries int64
	user             User
	method           Method
}

func pendingOf(tx *db.Tx, code string) (pending, error) {
	if !id.IsCode(code) {
		return pending{}, errPending()
	}
	var user int64
	p, err := db.One(tx, func(r db.Row) (pending, error) {
		var p pending
		return p, r.Scan(&p.id, &user, &p.epoch, &p.method, &p.tries)
	}, "SELECT id, user_id, epoch, method, tries FROM pending_sign_ins WHERE code_hash = $1 AND ended_at IS NULL AND expires_at > $2", id.Digest(code), tx.Now)
	if fault.Is(err, fault.NotFound) {
		return pending{}, errPending()
	}
	if err != nil {
		return pending{}, err
	}
	p.user, err = get(tx, "id = $1 AND state = 'active' AND session_epoch = $2", user, p.epoch)
	if fault.Is(err, fault.NotFound) {
		return pending{}, errPending()
	}
	return p, err
}

// Entered reports whether a sign-in that waited under this secret was finished by its
// second factor: for a form that was sent twice. It gives no right.
func (s *Service) Entered(tx *db.Tx, code string) (bool, error) {
	n, err := db.Value[int64](tx, "SELECT count(*) FROM pending_sign_ins WHERE code_hash = $1 AND ended_at IS NOT NULL AND tries < $2 AND expires_at > $3", id.Digest(code), int64(pendingTries), tx.Now)
	return n > 0, err
}

// CheckPending is Unauthenticated unless a sign-in waits for its second factor under this
// secret.
func (s *Service) CheckPending(tx *db.Tx, code string) error {
	_, err := pendingOf(tx, code)
	return err
}

// Second is the second step of a sign-in.
type Second struct {
	Pending string // secret of the first step
	Code    string // of the authenticator app, or a recovery code
	Keep    bool   // to stay signed in
	Device  string // secret of the browser, "" if it has none
}

// Finish ends a sign-in by its second factor. Unauthenticated when nothing waits under this secret; Invalid, under the
// field "code", for a wrong, used or foreign code; TooMany after five wrong ones. A
// sign-in takes five codes, then it has to be started again.
func (s *Service) Finish(ctx context.Context, f Second) (Arrival, error) {
	if f.Device == "" {
		f.Device = id.Secret()
	}
	var refused error
	var e entry
	err := s.db.Update(ctx, func(tx *db.Tx) error {
		refused = nil
		if err := tx.Lock("pending:" + id.Digest(f.Pending)); err != nil {
			return err
		}
		p, err := pendingOf(tx, f.Pending)
		if err != nil {
			return err
		}
		method, wrong, err := s.tryFactor(tx, p.user, f.Code)
		if err != nil {
			return err
		}
		if refused = wrong; refused != nil {
			return s.missed(tx, p)
		}
		e = entry{user: p.user, method: p.method + "+" + method, kept: f.Keep, device: f.Device}
		return tx.Must("UPDATE pending_sign_ins SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL", p.id, tx.Now)
	})
	switch { // never joined: an error that lost the count must not look like a wrong code
	case err != nil:
		return Arrival{}, err
	case refused != nil:
		return Arrival{}, refused
	}
	VisitOf(ctx).issue = &e
	return Arrival{Device: f.Device}, nil
}

// missed counts a wrong code of a sign-in, and ends it at the fifth. Whoever got so far
// knows the password, which the person should hear of.
func (s *Service) missed(tx *db.Tx, p pending) error {
	if err := tx.Must("UPDATE pending_sign_ins SET tries = tries + 1, ended_at = CASE WHEN tries + 1 >= CAST($2 AS BIGINT) THEN CAST($3 AS BIGINT) ELSE NULL END WHERE id = $1", p.id, int64(pendingTries), tx.Now); err != nil {
		return err
	}
	e := audit.By(somebody(), "user.mfaFailed", "user", p.user.Email, p.user.Name)
	e.Type = audit.Warn
	if err := audit.Record(tx, e.Says("A code for the second step of a sign-in as %s was wrong.", p.user.Name)); err != nil || p.tries+1 < pendingTries {
		return err
	}
	return s.alarm(tx, p.user, "wrong codes after the right password", p.tries+1)
}

// alarm tells a person of attempts to sign in as them, once a day.
func (s *Service) alarm(tx *db.Tx, u User, what string, count int64) error {
	err := throttle.Take(tx, fmt.Sprintf("alarm:%d:%s", u.ID, what), perNotice)
	if fault.Is(err, fault.TooMany) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.notify(tx, u, mail.SignInAttempts, map[string]string{"count": fmt.Sprint(count), "what": what, "address": audit.RequestOf(tx.Context()).Address})
}

// notify writes a mail to a person about their own account.
func (s *Service) notify(tx *db.Tx, u User, kind mail.Kind, values map[string]string) error {
	r := audit.RequestOf(tx.Context())
	all := map[string]string{"at": tx.Now.Format("2006-01-02 15:04 UTC"), "address": r.Address, "device": Device(r.UserAgent)}
	for k, v := range values {
		all[k] = v
	}
	_, err := s.mail.Send(tx, mail.Letter{Kind: kind, To: u.Email, Name: u.Name, UserID: u.ID, Values: all})
	return err
}

// network is what attempts are counted under: an IPv4 address, or the /64 network that
// one machine's IPv6 addresses come from.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Is4() {
		return address
	}
	p, err := a.Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}

// refuse notes a sign-in that failed, and gives the one sentence for every reason. Who tried
// is not known: the account is what it was about.
func (s *Service) refuse(ctx context.Context, u User, email string, failures int64) error {
	err := s.db.Update(ctx, func(tx *db.Tx) error {
		e := audit.By(somebody(), "user.loginFailed", "user", email, email)
		e.Type = audit.Warn
		if err := audit.Record(tx, e.Says("A sign-in as %s by password failed.", email)); err != nil || failures < alarmAt || u.State != Active {
			return err
		}
		return s.alarm(tx, u, "wrong passwords", failures)
	})
	if err != nil {
		return err
	}
	return fault.New(fault.Unauthenticated, "accounts.credentials", "The email address or the password is not right.")
}

// somebody is an actor of whom nothing is known.
func somebody() access.Actor { return access.Actor{Name: "Somebody"} }
