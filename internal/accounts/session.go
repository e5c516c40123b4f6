package accounts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/id"
	"steward/internal/throttle"
)

// Life of a session.
const (
	SessionIdle     = 30 * time.Minute
	SessionAbsolute = 12 * time.Hour
	sessionsMax     = 10
	seenEvery       = time.Minute
)

// Visit is what the session store and a request tell each other. The store fills
// User and SessionID when the request's cookie names a live session; SignIn sets what
// the store needs to make a new one.
type Visit struct {
	User      User
	SessionID int64
	Passive   bool // the request is no activity of the person, such as a live stream
	issue     *User
}

// SignedIn reports whether somebody is signed in.
func (v *Visit) SignedIn() bool { return v != nil && v.SessionID != 0 }

// Actor is the person as one who acts.
func (v *Visit) Actor() access.Actor {
	a := v.User.Actor()
	a.SessionID = v.SessionID
	return a
}

type visitKey struct{}

// WithVisit returns a context that carries an empty visit, for the session store to fill.
func WithVisit(ctx context.Context, passive bool) context.Context {
	return context.WithValue(ctx, visitKey{}, &Visit{Passive: passive})
}

// VisitOf is the visit of a context, nil when there is none.
func VisitOf(ctx context.Context) *Visit {
	v, _ := ctx.Value(visitKey{}).(*Visit)
	return v
}

// Limits of signing in. An account's delay and an address's count live in the
// database, so neither a restart nor another process forgives them.
var (
	perAddressMinute = throttle.Limit{Count: 20, Window: time.Minute}
	perAddressHour   = throttle.Limit{Count: 200, Window: time.Hour}
	perAccount       = throttle.Growing{Free: 5, First: time.Second, Most: time.Minute, Memory: 24 * time.Hour}
)

// SignIn proves a password and marks the visit, so that the session store makes a
// session when the request's session is saved. Unauthenticated, with one sentence for
// every reason, when the address or the password is wrong or the account cannot sign
// in; TooMany or Unavailable when it has to wait.
func (s *Service) SignIn(ctx context.Context, email, password string) error {
	wrong := fault.New(fault.Unauthenticated, "accounts.credentials", "The email address or the password is not right.")
	normal, err := NormalizeEmail(email)
	if err != nil {
		normal = "" // counted per address of the sender all the same
	}
	account := "account:" + id.Digest(normal)
	address := network(audit.RequestOf(ctx).Address)
	// The attempt is counted before it is made, so that many at once are counted too.
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		if err := tx.Lock(account); err != nil {
			return err
		}
		if err := throttle.Take(tx, "signin/min:"+address, perAddressMinute); err != nil {
			return err
		}
		if err := throttle.Take(tx, "signin/hour:"+address, perAddressHour); err != nil {
			return err
		}
		if err := throttle.Check(tx, account); err != nil {
			return err
		}
		return throttle.Fail(tx, account, perAccount)
	})
	if err != nil {
		return err
	}
	var u User
	err = s.db.View(ctx, func(tx *db.Tx) error {
		u, err = get(tx, "email = $1", normal)
		return err
	})
	// What was not tried does not count: the attempt is given back.
	refund := func(err error) error {
		return errors.Join(err, s.db.Update(context.WithoutCancel(ctx), func(tx *db.Tx) error { return throttle.Refund(tx, account) }))
	}
	if err != nil && !fault.Is(err, fault.NotFound) {
		return refund(err)
	}
	ok, stale, err := s.verify(ctx, u, password)
	if err != nil {
		return refund(err)
	}
	if !ok || u.State != Active {
		return s.refuse(ctx, u, normal, wrong)
	}
	var fresh Hashed
	if stale {
		if fresh, err = s.hash(ctx, password); err != nil {
			stale = false // the next sign-in will do
		}
	}
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		if err := throttle.Clear(tx, account); err != nil || !stale {
			return err
		}
		return tx.Must("UPDATE users SET password_hash = $2, pepper_key = $3 WHERE id = $1", u.ID, fresh.hash, fresh.pepperKey)
	})
	if err != nil {
		return err
	}
	VisitOf(ctx).issue = &u
	return nil
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

func (s *Service) refuse(ctx context.Context, u User, email string, wrong error) error {
	err := s.db.Update(ctx, func(tx *db.Tx) error {
		e := audit.By(u.Actor(), "user.loginFailed", "user", email, email)
		e.Type = audit.Warn
		if u.ID == 0 {
			e.ActorName = "Somebody"
		}
		return audit.Record(tx, e.Says("A sign-in as %s by password failed.", email))
	})
	if err != nil {
		return err
	}
	return wrong
}

// SignOut ends the visit's session for good.
func (s *Service) SignOut(tx *db.Tx, v *Visit) error {
	if _, err := tx.Exec("UPDATE sessions SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL", v.SessionID, tx.Now); err != nil {
		return err
	}
	return audit.Record(tx, audit.By(v.Actor(), "user.loggedOut", "session", fmt.Sprint(v.SessionID), "").Says("%s signed out.", v.User.Name))
}

// Touch notes activity of the visit's session, for requests that last long.
func (s *Service) Touch(ctx context.Context, v *Visit) error {
	return s.db.Update(db.WithoutFirst(ctx), func(tx *db.Tx) error { return touch(tx, v.SessionID) })
}

func touch(tx *db.Tx, session int64) error {
	_, err := tx.Exec("UPDATE sessions SET last_seen_at = $2 WHERE id = $1 AND revoked_at IS NULL AND last_seen_at < $3", session, tx.Now, tx.Now.Add(-seenEvery))
	return err
}

// Alive is Unauthenticated unless the visit's session would still be accepted now.
func (s *Service) Alive(ctx context.Context, v *Visit) error {
	return s.db.View(ctx, func(tx *db.Tx) error {
		_, err := db.Value[int64](tx, "SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $1 AND "+aliveSQL(2), v.SessionID, tx.Now, tx.Now.Add(-SessionIdle))
		if fault.Is(err, fault.NotFound) {
			return fault.New(fault.Unauthenticated, "accounts.session", "You are signed out.")
		}
		return err
	})
}

// aliveSQL is the condition of a session that counts, on s and u. It takes two
// arguments from $n on: now, and now less the idle time.
func aliveSQL(n int) string {
	return fmt.Sprintf("s.revoked_at IS NULL AND s.expires_at > $%d AND s.last_seen_at > $%d AND s.epoch = u.session_epoch AND u.state = 'active'", n, n+1)
}

// Store keeps sessions for scs. Three things differ from a plain store, because a late
// request must never bring an ended session back to life: a save changes only a row
// that is there and not revoked; a row is made only for a visit that has just signed
// in; and a session counts only while the person's epoch is the one it was made under.
// Tokens arrive hashed.
type Store struct{ s *Service }

// Store gives the session store.
func (s *Service) Store() *Store { return &Store{s} }

// FindCtx implements scs.CtxStore.
func (st *Store) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	v := VisitOf(ctx)
	if v == nil {
		return nil, false, nil
	}
	var data string
	var seen time.Time
	err := st.s.db.View(ctx, func(tx *db.Tx) error {
		var err error
		v.User, err = db.One(tx, func(r db.Row) (User, error) {
			var u User
			err := r.Scan(&v.SessionID, &data, db.Time(&seen), &u.ID, &u.Email, &u.Name, &u.State, &u.SuperAdmin, &u.Theme)
			return u, err
		}, `SELECT s.id, s.data, s.last_seen_at, u.id, u.email, u.name, u.state, u.is_super_admin, u.theme
			FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.token_hash = $1 AND `+aliveSQL(2), token, tx.Now, tx.Now.Add(-SessionIdle))
		return err
	})
	if fault.Is(err, fault.NotFound) {
		v.SessionID = 0
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	if !v.Passive && st.s.db.Now().Sub(seen) > seenEvery {
		// A full or busy database must not keep people from looking: they are then idle sooner.
		if err := st.s.Touch(ctx, v); err != nil && !fault.Is(err, fault.Full) && !fault.Is(err, fault.Unavailable) {
			return nil, false, err
		}
	}
	return []byte(data), true, nil
}

// CommitCtx implements scs.CtxStore.
func (st *Store) CommitCtx(ctx context.Context, token string, data []byte, _ time.Time) error {
	v := VisitOf(ctx)
	err := st.s.db.Update(db.WithoutFirst(ctx), func(tx *db.Tx) error {
		n, err := tx.Exec("UPDATE sessions SET data = $2 WHERE token_hash = $1 AND revoked_at IS NULL", token, string(data))
		if err != nil || n > 0 || v == nil || v.issue == nil {
			return err
		}
		return issue(tx, *v.issue, token, data)
	})
	// What a session's data holds, a line about what was done, may be shown twice when the
	// database takes no write; only a new session has to be there.
	if (v == nil || v.issue == nil) && (fault.Is(err, fault.Full) || fault.Is(err, fault.Unavailable)) {
		return nil
	}
	return err
}

// issue makes the session of a person who has just proved who they are.
func issue(tx *db.Tx, u User, token string, data []byte) error {
	// The epoch is read again: a disable or a password change since the proof wins.
	now, err := get(tx, "id = $1 AND state = 'active'", u.ID)
	if fault.Is(err, fault.NotFound) || (err == nil && now.epoch != u.epoch) {
		return fault.New(fault.Unauthenticated, "accounts.session", "Sign in again.")
	}
	if err != nil {
		return err
	}
	session, err := tx.NewID("sessions")
	if err != nil {
		return err
	}
	r := audit.RequestOf(tx.Context())
	_, err = tx.Exec(`INSERT INTO sessions (id, token_hash, user_id, epoch, data, method, address, user_agent, created_at, last_seen_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, 'password', $6, $7, $8, $8, $9)`,
		session, token, u.ID, u.epoch, string(data), r.Address, r.UserAgent, tx.Now, tx.Now.Add(SessionAbsolute))
	if err != nil {
		return err
	}
	if _, err := tx.Exec(fmt.Sprintf(`UPDATE sessions SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL AND id NOT IN
		(SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL ORDER BY created_at DESC, id DESC LIMIT %d)`, sessionsMax), u.ID, tx.Now); err != nil {
		return err
	}
	if err := tx.Must("UPDATE users SET last_login_at = $2 WHERE id = $1", u.ID, tx.Now); err != nil {
		return err
	}
	return audit.Record(tx, audit.By(u.Actor(), "user.loggedIn", "session", fmt.Sprint(session), "").Says("%s signed in by password.", u.Name))
}

// DeleteCtx implements scs.CtxStore: it revokes the session.
func (st *Store) DeleteCtx(ctx context.Context, token string) error {
	return st.s.db.Update(db.WithoutFirst(ctx), func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE sessions SET revoked_at = $2 WHERE token_hash = $1 AND revoked_at IS NULL", token, tx.Now)
		return err
	})
}

// Find, Commit and Delete implement scs.Store, which asks for them but calls the
// methods above.

// Find implements scs.Store.
func (st *Store) Find(token string) ([]byte, bool, error) {
	return st.FindCtx(context.Background(), token)
}

// Commit implements scs.Store.
func (st *Store) Commit(token string, b []byte, expiry time.Time) error {
	return st.CommitCtx(context.Background(), token, b, expiry)
}

// Delete implements scs.Store.
func (st *Store) Delete(token string) error { return st.DeleteCtx(context.Background(), token) }

// Codec writes session data as JSON, which cannot name a type to make.
type Codec struct{}

type coded struct {
	Deadline time.Time         `json:"deadline"`
	Values   map[string]string `json:"values"`
}

// Encode implements scs.Codec. Only strings are kept.
func (Codec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	c := coded{deadline, map[string]string{}}
	for k, v := range values {
		s, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("accounts: session value %q is no text", k)
		}
		c.Values[k] = s
	}
	return json.Marshal(c)
}

// Decode implements scs.Codec.
func (Codec) Decode(b []byte) (time.Time, map[string]any, error) {
	var c coded
	if err := json.Unmarshal(b, &c); err != nil {
		return time.Time{}, nil, fmt.Errorf("accounts: session data: %w", err)
	}
	values := make(map[string]any, len(c.Values))
	for k, v := range c.Values {
		values[k] = v
	}
	return c.Deadline, values, nil
}

// End revokes every session of a person.
func (s *Service) End(tx *db.Tx, user int64) error {
	if err := tx.Must("UPDATE users SET session_epoch = session_epoch + 1 WHERE id = $1", user); err != nil {
		return err
	}
	_, err := tx.Exec("UPDATE sessions SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL", user, tx.Now)
	return err
}
