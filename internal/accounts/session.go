package accounts

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/control"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/mail"
)

// Life of a session. A person with a second factor may ask to be kept signed in.
const (
	SessionIdle     = 30 * time.Minute
	SessionAbsolute = 12 * time.Hour
	KeptIdle        = 24 * time.Hour
	KeptAbsolute    = 14 * 24 * time.Hour
	sessionsMax     = 10
	seenEvery       = time.Minute
	clocksDiffer    = time.Minute // between two processes, at most
)

// ProofLife is how long a proof of who it is suffices for what is sensitive.
const ProofLife = 10 * time.Minute

// Method is how somebody proved who they are.
type Method string

// The methods. A second factor is added with a plus sign, such as "password+totp".
const (
	ByPassword Method = "password"
	ByProvider Method = "openid"
	ByTOTP     Method = "totp"
	ByRecovery Method = "recovery"
)

// String is the method in words.
func (m Method) String() string {
	words := strings.NewReplacer(string(ByProvider), "single sign-on", string(ByTOTP), "authenticator code", string(ByRecovery), "recovery code")
	return strings.ReplaceAll(words.Replace(string(m)), "+", " and ")
}

// Visit is what the session store and a request tell each other. The store fills it
// when the request's cookie names a live session; signing in sets what the store needs
// to make a new one.
type Visit struct {
	User      User
	SessionID int64
	ProvedAt  time.Time // last proof of who it is
	ExpiresAt time.Time // end of the session, however much it is used
	Kept      bool      // the person asked to stay signed in
	MustEnrol bool      // the person has no second factor, and the installation or their short password asks for one
	Passive   bool      // the request is no activity of the person, such as a live stream
	issue     *entry
	renew     bool // the session gets a new token when it is saved
	proof     bool // and is proved anew
}

// entry is a sign-in that has been proved and becomes a session.
type entry struct {
	user   User
	method Method
	kept   bool
	device string // token of the browser
}

// SignedIn reports whether somebody is signed in.
func (v *Visit) SignedIn() bool { return v != nil && v.SessionID != 0 }

// Proved reports whether who it is was proved a short time ago.
func (v *Visit) Proved(now time.Time) bool {
	return v.SignedIn() && !v.ProvedAt.After(now) && now.Sub(v.ProvedAt) < ProofLife
}

// Renews reports whether the visit's session has to get a new token: the request changed
// how the account is kept, or proved anew who it is.
func (v *Visit) Renews() bool { return v != nil && v.renew }

// Enters reports whether the visit has just signed in.
func (v *Visit) Enters() (kept, ok bool) {
	if v == nil || v.issue == nil {
		return false, false
	}
	return v.issue.kept, true
}

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

// SignOut ends the visit's session for good.
func (s *Service) SignOut(tx *db.Tx, v *Visit) error {
	if control.On(control.SignOut) {
		if _, err := tx.Exec("UPDATE sessions SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL", v.SessionID, tx.Now); err != nil {
			return err
		}
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
		_, err := db.Value[int64](tx, "SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $1 AND "+alive, append([]any{v.SessionID}, aliveAt(tx)...)...)
		if fault.Is(err, fault.NotFound) {
			return fault.New(fault.Unauthenticated, "accounts.session", "You are signed out.")
		}
		return err
	})
}

// alive is the condition of a session that counts, on s and u, with the arguments of
// aliveAt from $2 on. One that was used later than now is of a clock that was put back
// since: how long it was not used is not known, so it has ended.
const alive = `s.revoked_at IS NULL AND s.expires_at > $2 AND s.last_seen_at > CASE WHEN s.kept THEN CAST($4 AS BIGINT) ELSE CAST($3 AS BIGINT) END
	AND s.last_seen_at <= $5 AND s.epoch = u.session_epoch AND u.state = 'active'`

func aliveAt(tx *db.Tx) []any {
	end, idle, kept := tx.Now, tx.Now.Add(-SessionIdle), tx.Now.Add(-KeptIdle)
	if !control.On(control.SessionsEnd) {
		end = time.Unix(0, 0)
	}
	if !control.On(control.IdleSessionsEnd) {
		idle, kept = time.Unix(0, 0), time.Unix(0, 0)
	}
	return []any{end, idle, kept, tx.Now.Add(clocksDiffer)}
}

// EndOver ends the sessions that do not count any more for good, so that they stay ended
// when the clock is put back, and forgets those that ended a day ago.
func EndOver(tx *db.Tx) error {
	if _, err := tx.Exec("DELETE FROM sessions WHERE expires_at < $1", tx.Now.Add(-24*time.Hour)); err != nil {
		return err
	}
	_, err := tx.Exec("UPDATE sessions SET revoked_at = $1 WHERE revoked_at IS NULL AND NOT EXISTS (SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = sessions.id AND "+alive+")",
		append([]any{tx.Now}, aliveAt(tx)...)...)
	return err
}

// Session is one sign-in of a person that still counts.
type Session struct {
	ID        int64
	Method    Method
	Kept      bool
	Address   string
	UserAgent string
	CreatedAt time.Time
	SeenAt    time.Time // to the minute
	ExpiresAt time.Time
}

// Sessions are the sessions of a person that count, the last used first.
func Sessions(tx *db.Tx, user int64) ([]Session, error) {
	list, err := db.All(tx, func(r db.Row) (Session, error) {
		var x Session
		return x, r.Scan(&x.ID, &x.Method, &x.Kept, &x.Address, &x.UserAgent, db.Time(&x.CreatedAt), db.Time(&x.SeenAt), db.Time(&x.ExpiresAt))
	}, `SELECT s.id, s.method, s.kept, s.address, s.user_agent, s.created_at, s.last_seen_at, s.expires_at FROM sessions s JOIN users u ON u.id = s.user_id
		WHERE s.user_id = $1 AND `+alive+` ORDER BY s.created_at DESC LIMIT 100`, append([]any{user}, aliveAt(tx)...)...)
	slices.SortStableFunc(list, func(a, b Session) int { return b.SeenAt.Compare(a.SeenAt) })
	return list, err
}

// EndSession ends one session of the actor's own. NotFound for a session that has ended
// or is another's.
func (s *Service) EndSession(tx *db.Tx, a access.Actor, session int64) error {
	if err := Present(tx, a); err != nil {
		return err
	}
	x, err := db.One(tx, func(r db.Row) (Session, error) {
		var x Session
		return x, r.Scan(&x.Address, db.Time(&x.CreatedAt))
	}, "UPDATE sessions SET revoked_at = $3 WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL RETURNING address, created_at", session, a.UserID, tx.Now)
	if err != nil {
		return err
	}
	e := audit.By(a, "user.sessionEnded", "session", fmt.Sprint(session), "")
	return audit.Record(tx, e.Says("%s ended the session of %s from %s.", a.Name, spoken(x.CreatedAt), x.Address))
}

// EndOtherSessions ends every session of the visit's person but the visit's own.
func (s *Service) EndOtherSessions(tx *db.Tx, v *Visit) error {
	if err := endOthers(tx, v); err != nil {
		return err
	}
	return audit.Record(tx, audit.By(v.Actor(), "user.sessionsEnded", "user", v.User.Email, v.User.Name).Says("%s ended all their other sessions.", v.User.Name))
}

// endOthers raises the person's epoch, under which only the visit's own session goes on:
// so sign-ins that are under way end too. The own session is to get a new token, see Renews.
func endOthers(tx *db.Tx, v *Visit) error {
	epoch, err := db.Value[int64](tx, "UPDATE users SET session_epoch = session_epoch + 1 WHERE id = $1 RETURNING session_epoch", v.User.ID)
	if err != nil {
		return err
	}
	if _, err := tx.Exec("UPDATE sessions SET revoked_at = $3 WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL", v.User.ID, v.SessionID, tx.Now); err != nil {
		return err
	}
	if v.SessionID == 0 { // as Present: who acts without a session has none to keep
		return nil
	}
	tx.OnCommit(func() { v.renew = true })
	// A session that has ended meanwhile ends nobody else's.
	err = tx.Must("UPDATE sessions SET epoch = $2 WHERE id = $1 AND revoked_at IS NULL", v.SessionID, epoch)
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.Unauthenticated, "accounts.session", "You are signed out.")
	}
	return err
}

// End revokes every session of a person, and every sign-in of theirs that is under way.
func (s *Service) End(tx *db.Tx, user int64) error {
	if !control.On(control.EndedByOthers) {
		return nil
	}
	if err := tx.Must("UPDATE users SET session_epoch = session_epoch + 1 WHERE id = $1", user); err != nil {
		return err
	}
	_, err := tx.Exec("UPDATE sessions SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL", user, tx.Now)
	return err
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
	var over int64 // sessions of this token that have ended by time alone
	err := st.s.db.View(ctx, func(tx *db.Tx) error {
		var err error
		v.User, err = db.One(tx, func(r db.Row) (User, error) {
			var u User
			err := r.Scan(append([]any{&v.SessionID, &data, db.Time(&seen), db.Time(&v.ProvedAt), db.Time(&v.ExpiresAt), &v.Kept, &v.MustEnrol}, u.fields()...)...)
			return u, err
		}, `SELECT s.id, s.data, s.last_seen_at, s.proved_at, s.expires_at, s.kept,
				`+NeedsFactor+` AND NOT EXISTS (SELECT 1 FROM factors f WHERE f.user_id = u.id),
				`+columns+` FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.token_hash = $1 AND `+alive, append([]any{token}, aliveAt(tx)...)...)
		if fault.Is(err, fault.NotFound) {
			v.SessionID = 0
			over, err = db.Value[int64](tx, `SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id
				WHERE s.token_hash = $1 AND s.revoked_at IS NULL AND s.epoch = u.session_epoch AND u.state = 'active'`, token)
		}
		return err
	})
	if err != nil {
		return nil, false, err
	}
	if over > 0 { // for good, also when the clock is put back
		if err := st.endOver(ctx, token); err != nil && !fault.Is(err, fault.Full) && !fault.Is(err, fault.Unavailable) {
			return nil, false, err
		}
	}
	if v.SessionID == 0 {
		return nil, false, nil
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
		if v != nil && v.renew && v.issue == nil {
			return renew(tx, v, token, data)
		}
		n, err := tx.Exec("UPDATE sessions SET data = $2 WHERE token_hash = $1 AND revoked_at IS NULL", token, string(data))
		if err != nil || n > 0 || v == nil || v.issue == nil {
			return err
		}
		return st.s.issue(tx, *v.issue, token, data)
	})
	// What a session's data holds, a line about what was done, may be shown twice when the
	// database takes no write; only a new session has to be there.
	if (v == nil || (v.issue == nil && !v.renew)) && (fault.Is(err, fault.Full) || fault.Is(err, fault.Unavailable)) {
		return nil
	}
	return err
}

// renew gives the visit's session a new token, and notes a proof; the session's end
// stays where it was. An ended session stays ended.
func renew(tx *db.Tx, v *Visit, token string, data []byte) error {
	_, err := tx.Exec("UPDATE sessions SET token_hash = $2, data = $3, proved_at = CASE WHEN $4 THEN CAST($5 AS BIGINT) ELSE proved_at END WHERE id = $1 AND revoked_at IS NULL",
		v.SessionID, token, string(data), v.proof, tx.Now)
	return err
}

// issue makes the session of a person who has just proved who they are. It is the only
// place that makes one.
func (s *Service) issue(tx *db.Tx, e entry, token string, data []byte) error {
	// The epoch is read again: a disable or a password change since the proof wins.
	u, err := get(tx, "id = $1 AND state = 'active'", e.user.ID)
	if fault.Is(err, fault.NotFound) || (err == nil && u.epoch != e.user.epoch) {
		return fault.New(fault.Unauthenticated, "accounts.session", "Sign in again.")
	}
	if err != nil {
		return err
	}
	session, err := tx.NewID("sessions")
	if err != nil {
		return err
	}
	life := SessionAbsolute
	if e.kept {
		life = KeptAbsolute
	}
	r := audit.RequestOf(tx.Context())
	_, err = tx.Exec(`INSERT INTO sessions (id, token_hash, user_id, epoch, data, method, kept, address, user_agent, created_at, last_seen_at, proved_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $10, $11)`,
		session, token, u.ID, u.epoch, string(data), string(e.method), e.kept, r.Address, r.UserAgent, tx.Now, tx.Now.Add(life))
	if err != nil {
		return err
	}
	if _, err := tx.Exec(fmt.Sprintf(`UPDATE sessions SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL AND id NOT IN
		(SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL ORDER BY created_at DESC, id DESC LIMIT %d)`, sessionsMax), u.ID, tx.Now); err != nil {
		return err
	}
	if err := s.meet(tx, u, e); err != nil {
		return err
	}
	if err := tx.Must("UPDATE users SET last_login_at = $2 WHERE id = $1", u.ID, tx.Now); err != nil {
		return err
	}
	return audit.Record(tx, audit.By(u.Actor(), "user.loggedIn", "session", fmt.Sprint(session), "").Says("%s signed in by %s.", u.Name, e.method))
}

// meet remembers the browser of a sign-in, and tells the person of one that is new. The
// first browser of all is no news.
func (s *Service) meet(tx *db.Tx, u User, e entry) error {
	had, err := db.Value[int64](tx, "SELECT count(*) FROM devices WHERE user_id = $1", u.ID)
	if err != nil {
		return err
	}
	stranger, err := remember(tx, u.ID, e.device)
	if err != nil || !stranger || had == 0 && u.LastLoginAt.IsZero() {
		return err
	}
	r := audit.RequestOf(tx.Context())
	return s.notify(tx, u, mail.NewDevice, map[string]string{"device": Device(r.UserAgent), "address": r.Address, "method": e.method.String()})
}

// DeleteCtx implements scs.CtxStore: it revokes the session. A visit that is renewed
// keeps its session, whose token is replaced when the new one is saved.
func (st *Store) DeleteCtx(ctx context.Context, token string) error {
	if v := VisitOf(ctx); v != nil && v.renew {
		return nil
	}
	return st.end(ctx, token)
}

// end revokes a session.
func (st *Store) end(ctx context.Context, token string) error {
	if !control.On(control.SignOut) {
		return nil
	}
	return st.s.db.Update(db.WithoutFirst(ctx), func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE sessions SET revoked_at = $2 WHERE token_hash = $1 AND revoked_at IS NULL", token, tx.Now)
		return err
	})
}

// endOver revokes a session unless another request has used it meanwhile.
func (st *Store) endOver(ctx context.Context, token string) error {
	return st.s.db.Update(db.WithoutFirst(ctx), func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE sessions SET revoked_at = $1 WHERE token_hash = $6 AND revoked_at IS NULL AND NOT EXISTS (SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = sessions.id AND "+alive+")",
			append(append([]any{tx.Now}, aliveAt(tx)...), token)...)
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
	Deadline time.Time      `json:"deadline"`
	Values   map[string]any `json:"values"`
}

// Encode implements scs.Codec. Only strings are kept, and whether the cookie outlives
// the browser.
func (Codec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	for k, v := range values {
		switch v.(type) {
		case string, bool:
		default:
			return nil, fmt.Errorf("accounts: session value %q is neither text nor a switch", k)
		}
	}
	return json.Marshal(coded{deadline, values})
}

// Decode implements scs.Codec.
func (Codec) Decode(b []byte) (time.Time, map[string]any, error) {
	var c coded
	if err := json.Unmarshal(b, &c); err != nil {
		return time.Time{}, nil, fmt.Errorf("accounts: session data: %w", err)
	}
	if c.Values == nil {
		c.Values = map[string]any{}
	}
	return c.Deadline, c.Values, nil
}
