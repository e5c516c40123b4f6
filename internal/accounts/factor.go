package accounts

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/png"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/control"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/keys"
	"steward/internal/mail"
	"steward/internal/throttle"
)

// The second factor is a time-based one-time password (RFC 6238): SHA-1, 6 digits, 30
// seconds, a secret of 160 bits, one step of tolerance. Ten recovery codes of 128 bits
// stand in for it, each once.
const (
	stepSeconds   = 30
	codeDigits    = 6
	secretBytes   = 20
	recoveryBytes = 16
	RecoveryCodes = 10
	RecoveryFew   = 3                // left, from where on the person is warned
	factorLock    = 20               // wrong codes in a row that lock the factor
	enrolmentLife = 30 * time.Minute // to confirm a new factor
	codesShown    = 10 * time.Minute // new recovery codes can be seen and stored
)

var perFactor = throttle.Limit{Count: 5, Window: 15 * time.Minute}

// factor is a person's second factor.
type factor struct {
	user, lastStep, failures int64
	secret                   string
	locked                   bool
}

// factorOf is the person's second factor. NotFound if they have none.
func factorOf(tx *db.Tx, user int64) (factor, error) {
	return db.One(tx, func(r db.Row) (factor, error) {
		var f factor
		return f, r.Scan(&f.user, &f.secret, &f.lastStep, &f.failures, &f.locked)
	}, "SELECT user_id, secret, last_step, failures, locked_at IS NOT NULL FROM factors WHERE user_id = $1", user)
}

func factorPlace(user int64) string { return fmt.Sprintf("factors/%d", user) }

// tryFactor proves a second factor. Why it does not is in refused: the caller then
// commits, because the try is counted. err is TooMany when too many were wrong, and
// whatever the database says.
func (s *Service) tryFactor(tx *db.Tx, u User, code string) (method Method, refused, err error) {
	if err := tx.Lock(factorPlace(u.ID)); err != nil {
		return "", nil, err
	}
	f, err := factorOf(tx, u.ID)
	if err != nil {
		return "", nil, err
	}
	if digits := strings.Join(strings.Fields(code), ""); len(digits) == codeDigits {
		refused, err = s.tryCode(tx, u, f, digits)
		return ByTOTP, refused, err
	}
	refused, err = s.tryRecovery(tx, u, code)
	return ByRecovery, refused, err
}

func wrongCode(message string) error {
	return &fault.Error{Kind: fault.Invalid, Code: "accounts.code", Message: message, Fields: []fault.Field{{Name: "code", Message: message}}}
}

func lockedOut() error {
	return wrongCode("Too many codes were wrong. Sign in with one of your recovery codes, or ask an administrator of this installation.")
}

func (s *Service) tryCode(tx *db.Tx, u User, f factor, digits string) (refused, err error) {
	if f.locked {
		return lockedOut(), nil
	}
	key := "totp:" + fmt.Sprint(u.ID)
	if control.On(control.CodeThrottle) {
		if err := throttle.Take(tx, key, perFactor); err != nil {
			return nil, err
		}
	}
	secret, err := s.keys.Unseal(keys.Factor, factorPlace(u.ID), f.secret)
	if err != nil {
		return nil, err
	}
	step, err := matching(secret, digits, tx.Now)
	if err != nil {
		return nil, err
	}
	if step == 0 || step <= f.lastStep && control.On(control.CodesOnce) {
		if err := tx.Must("UPDATE factors SET failures = failures + 1 WHERE user_id = $1", u.ID); err != nil || f.failures+1 < factorLock {
			return wrongCode("This code is not right, or was used before. Wait for the next one."), err
		}
		if err := tx.Must("UPDATE factors SET locked_at = $2 WHERE user_id = $1", u.ID, tx.Now); err != nil {
			return nil, err
		}
		return lockedOut(), s.factorLocked(tx, u)
	}
	if err := throttle.Clear(tx, key); err != nil {
		return nil, err
	}
	return nil, tx.Must("UPDATE factors SET last_step = $2, failures = 0 WHERE user_id = $1 AND last_step = $3", u.ID, step, f.lastStep)
}

func (s *Service) factorLocked(tx *db.Tx, u User) error {
	e := audit.By(somebody(), "user.factorLocked", "user", u.Email, u.Name)
	e.Type = audit.Warn
	if err := audit.Record(tx, e.Says("The second factor of %s was locked after %d wrong codes in a row.", u.Name, factorLock)); err != nil {
		return err
	}
	return s.notify(tx, u, mail.FactorLocked, nil)
}

// matching gives the step of time that a code belongs to, 0 for none: this one, the one
// before or the one after.
func matching(secret []byte, digits string, now time.Time) (int64, error) {
	var found int64
	at := now.Unix() / stepSeconds
	text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
	for step := at - 1; step <= at+1; step++ {
		code, err := hotp.GenerateCodeCustom(text, uint64(step), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return 0, fmt.Errorf("accounts: %w", err)
		}
		if subtle.ConstantTimeCompare([]byte(code), []byte(digits)) == 1 {
			found = step
		}
	}
	return found, nil
}

// tryRecovery uses a recovery code up, and unlocks the factor.
func (s *Service) tryRecovery(tx *db.Tx, u User, code string) (refused, err error) {
	// No count per account: 128 bits are not guessed, and whoever knows the password could
	// otherwise keep the person from the way out.
	wrong := wrongCode("This is neither a code of your app nor one of your unused recovery codes.")
	plain, ok := plainRecovery(code)
	if !ok {
		return wrong, nil
	}
	kids, err := db.All(tx, db.Scalar[string], "SELECT DISTINCT mac_key FROM recovery_codes WHERE user_id = $1 LIMIT 10", u.ID)
	if err != nil {
		return nil, err
	}
	used := int64(0)
	for _, kid := range kids {
		mac, err := s.recoveryMAC(kid, u.ID, plain)
		if err != nil {
			return nil, err
		}
		n, err := tx.Exec("UPDATE recovery_codes SET used_at = $3 WHERE user_id = $1 AND mac = $2 AND used_at IS NULL", u.ID, mac, tx.Now)
		if err != nil {
			return nil, err
		}
		used += n
	}
	if used == 0 {
		return wrong, nil
	}
	if err := tx.Must("UPDATE factors SET failures = 0, locked_at = NULL WHERE user_id = $1", u.ID); err != nil {
		return nil, err
	}
	left, err := db.Value[int64](tx, "SELECT count(*) FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL", u.ID)
	if err != nil {
		return nil, err
	}
	if err := audit.Record(tx, audit.By(u.Actor(), "user.recoveryCodeUsed", "user", u.Email, u.Name).Says("%s used a recovery code; %d are left.", u.Name, left)); err != nil {
		return nil, err
	}
	return nil, s.notify(tx, u, mail.RecoveryCodeUsed, map[string]string{"left": fmt.Sprint(left)})
}

var recoveryAlphabet = base32.StdEncoding.WithPadding(base32.NoPadding)

// plainRecovery is a recovery code without what people put between its signs.
func plainRecovery(code string) (string, bool) {
	plain := strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' || r == '\t' || r == '\n' || r == '\r' {
			return -1
		}
		return r
	}, strings.ToUpper(code))
	raw, err := recoveryAlphabet.DecodeString(plain)
	return plain, err == nil && len(raw) == recoveryBytes
}

func (s *Service) recoveryMAC(kid string, user int64, plain string) (string, error) {
	mac, err := s.keys.MAC(kid, keys.Recovery, fmt.Appendf(nil, "%d:%s", user, plain))
	return base64.RawStdEncoding.EncodeToString(mac), err
}

// Enrolment is a second factor that is being set up.
type Enrolment struct {
	Secret string // base32 in groups of four, to type
	PNG    []byte // the QR code
}

// StartFactor makes the secret of a new second factor, which ConfirmFactor puts in the
// place of the one before.
func (s *Service) StartFactor(tx *db.Tx, a access.Actor) error {
	if err := Present(tx, a); err != nil {
		return err
	}
	secret := make([]byte, secretBytes)
	_, _ = rand.Read(secret)
	sealed, err := s.keys.Seal(keys.Factor, factorPlace(a.UserID), secret)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO factor_enrolments (user_id, secret, created_at) VALUES ($1, $2, $3)
		ON CONFLICT (user_id) DO UPDATE SET secret = excluded.secret, created_at = excluded.created_at`, a.UserID, sealed, tx.Now)
	return err
}

// Enrolment gives what a person needs to set up the app. NotFound when they have not
// started, or half an hour ago. issuer names this installation in the app.
func (s *Service) Enrolment(tx *db.Tx, a access.Actor, issuer string) (Enrolment, error) {
	secret, err := s.enrolling(tx, a.UserID)
	if err != nil {
		return Enrolment{}, err
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: issuer, AccountName: a.Email, Secret: secret, Period: stepSeconds, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		return Enrolment{}, fmt.Errorf("accounts: %w", err)
	}
	picture, err := key.Image(232, 232)
	if err != nil {
		return Enrolment{}, fmt.Errorf("accounts: %w", err)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		return Enrolment{}, fmt.Errorf("accounts: %w", err)
	}
	return Enrolment{Secret: grouped(key.Secret(), 4, " "), PNG: b.Bytes()}, nil
}

func (s *Service) enrolling(tx *db.Tx, user int64) ([]byte, error) {
	sealed, err := db.Value[string](tx, "SELECT secret FROM factor_enrolments WHERE user_id = $1 AND created_at > $2", user, tx.Now.Add(-enrolmentLife))
	if err != nil {
		return nil, err
	}
	return s.keys.Unseal(keys.Factor, factorPlace(user), sealed)
}

func grouped(text string, size int, between string) string {
	var parts []string
	for len(text) > size {
		parts, text = append(parts, text[:size]), text[size:]
	}
	return strings.Join(append(parts, text), between)
}

// ConfirmFactor turns a second factor on, or a new one in the place of the old, when its
// first code is right, and makes recovery codes. Every other session of the person ends.
// NotFound when none is being set up; Invalid, under "code", for a wrong code; TooMany
// after five.
func (s *Service) ConfirmFactor(ctx context.Context, v *Visit, code string) error {
	var refused error
	err := s.db.Update(ctx, func(tx *db.Tx) error {
		refused = nil
		u, err := get(tx, "id = $1", v.User.ID)
		if err != nil {
			return err
		}
		if err := tx.Lock(factorPlace(u.ID)); err != nil {
			return err
		}
		secret, err := s.enrolling(tx, u.ID)
		if err != nil {
			return err
		}
		if err := throttle.Take(tx, "enrol:"+fmt.Sprint(u.ID), perFactor); err != nil {
			return err
		}
		step, err := matching(secret, strings.Join(strings.Fields(code), ""), tx.Now)
		if err != nil {
			return err
		}
		if step == 0 {
			refused = wrongCode("This code is not right. Check that the clock of your phone is right, and type the code that the app shows now.")
			return nil
		}
		if _, err := tx.Exec(`INSERT INTO factors (user_id, secret, last_step, failures, codes_sealed, codes_at, created_at)
			SELECT user_id, secret, CAST($2 AS BIGINT), 0, '', CAST($3 AS BIGINT), CAST($3 AS BIGINT) FROM factor_enrolments WHERE user_id = $1
			ON CONFLICT (user_id) DO UPDATE SET secret = excluded.secret, last_step = excluded.last_step, failures = 0, locked_at = NULL, created_at = excluded.created_at`,
			u.ID, step, tx.Now); err != nil {
			return err
		}
		if err := tx.Must("DELETE FROM factor_enrolments WHERE user_id = $1", u.ID); err != nil {
			return err
		}
		if err := throttle.Clear(tx, "totp:"+fmt.Sprint(u.ID)); err != nil {
			return err
		}
		if err := s.makeCodes(tx, u.ID); err != nil {
			return err
		}
		if err := endOthers(tx, v); err != nil {
			return err
		}
		if err := audit.Record(tx, audit.By(v.Actor(), "user.factorEnabled", "user", u.Email, u.Name).Says("%s turned two-step sign-in on; their other sessions ended.", u.Name)); err != nil {
			return err
		}
		return s.notify(tx, u, mail.FactorEnabled, nil)
	})
	switch { // never joined: an error that lost the count must not look like a wrong code
	case err != nil:
		return err
	case refused != nil:
		return refused
	}
	v.proof = true
	return nil
}

// makeCodes replaces a person's recovery codes.
func (s *Service) makeCodes(tx *db.Tx, user int64) error {
	if _, err := tx.Exec("DELETE FROM recovery_codes WHERE user_id = $1", user); err != nil {
		return err
	}
	kid := s.keys.Current()
	var codes []string
	for range RecoveryCodes {
		raw := make([]byte, recoveryBytes)
		_, _ = rand.Read(raw)
		plain := recoveryAlphabet.EncodeToString(raw)
		mac, err := s.recoveryMAC(kid, user, plain)
		if err != nil {
			return err
		}
		if _, err := tx.Exec("INSERT INTO recovery_codes (user_id, mac, mac_key) VALUES ($1, $2, $3)", user, mac, kid); err != nil {
			return err
		}
		codes = append(codes, grouped(strings.ToLower(plain), 5, "-"))
	}
	text, err := json.Marshal(codes)
	if err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	sealed, err := s.keys.Seal(keys.Recovery, factorPlace(user), text)
	if err != nil {
		return err
	}
	return tx.Must("UPDATE factors SET codes_sealed = $2, codes_at = $3 WHERE user_id = $1", user, sealed, tx.Now)
}

// NewCodes gives a person new recovery codes in the place of all old ones. NotFound
// without a second factor.
func (s *Service) NewCodes(tx *db.Tx, a access.Actor) error {
	if err := Present(tx, a); err != nil {
		return err
	}
	if _, err := factorOf(tx, a.UserID); err != nil {
		return err
	}
	u, err := get(tx, "id = $1", a.UserID)
	if err != nil {
		return err
	}
	if err := s.makeCodes(tx, a.UserID); err != nil {
		return err
	}
	if err := audit.Record(tx, audit.By(a, "user.recoveryCodesMade", "user", u.Email, u.Name).Says("%s made new recovery codes; the old ones do not count any more.", u.Name)); err != nil {
		return err
	}
	return s.notify(tx, u, mail.RecoveryCodesNew, nil)
}

// Codes are a person's new recovery codes, for as long as they can be seen: ten minutes,
// or until StoreCodes. NotFound after that.
func (s *Service) Codes(tx *db.Tx, a access.Actor) ([]string, error) {
	sealed, err := db.Value[string](tx, "SELECT codes_sealed FROM factors WHERE user_id = $1 AND codes_sealed <> '' AND codes_at > $2", a.UserID, tx.Now.Add(-codesShown))
	if err != nil {
		return nil, err
	}
	text, err := s.keys.Unseal(keys.Recovery, factorPlace(a.UserID), sealed)
	if err != nil {
		return nil, err
	}
	var codes []string
	if err := json.Unmarshal(text, &codes); err != nil {
		return nil, fmt.Errorf("accounts: recovery codes: %w", err)
	}
	return codes, nil
}

// StoreCodes forgets how new recovery codes read: the person has stored them.
func (s *Service) StoreCodes(tx *db.Tx, a access.Actor) error {
	n, err := tx.Exec("UPDATE factors SET codes_sealed = '' WHERE user_id = $1 AND codes_sealed <> ''", a.UserID)
	if err != nil || n == 0 {
		return err
	}
	return audit.Record(tx, audit.By(a, "user.recoveryCodesStored", "user", a.Email, a.Name).Says("%s stored their recovery codes.", a.Name))
}

// RemoveFactor turns a person's second factor off and ends their other sessions. NotFound
// if they have none; Conflict while the installation asks everybody for one, and for a
// password that is too short to stand alone.
func (s *Service) RemoveFactor(tx *db.Tx, v *Visit) error {
	set, err := SettingsOf(tx)
	if err != nil {
		return err
	}
	if set.RequireFactor {
		return fault.New(fault.Conflict, "accounts.factorRequired", "This installation asks everybody for two-step sign-in, so it cannot be turned off.")
	}
	u, err := get(tx, "id = $1", v.User.ID)
	if err != nil {
		return err
	}
	if !u.SupportUntil.IsZero() {
		return fault.New(fault.Conflict, "accounts.factorRequired", "People of support sign in in two steps, so it cannot be turned off.")
	}
	if u.passwordShort {
		return fault.Newf(fault.Conflict, "accounts.passwordShort", "Your password has less than %d characters, which is enough only together with two-step sign-in. Set a longer one first.", PasswordMin)
	}
	if err := dropFactor(tx, u.ID); err != nil {
		return err
	}
	if err := endOthers(tx, v); err != nil {
		return err
	}
	// Being kept signed in is for people with a second factor.
	if _, err := tx.Exec("UPDATE sessions SET kept = $3, expires_at = CASE WHEN expires_at < created_at + $2 THEN expires_at ELSE created_at + $2 END WHERE id = $1", v.SessionID, SessionAbsolute.Microseconds(), false); err != nil {
		return err
	}
	if err := audit.Record(tx, audit.By(v.Actor(), "user.factorDisabled", "user", u.Email, u.Name).Says("%s turned two-step sign-in off; their other sessions ended.", u.Name)); err != nil {
		return err
	}
	return s.notify(tx, u, mail.FactorDisabled, nil)
}

// dropFactor forgets a second factor and what belongs to it. NotFound if there is none.
func dropFactor(tx *db.Tx, user int64) error {
	if _, err := tx.Exec("DELETE FROM recovery_codes WHERE user_id = $1", user); err != nil {
		return err
	}
	if _, err := tx.Exec("DELETE FROM factor_enrolments WHERE user_id = $1", user); err != nil {
		return err
	}
	for _, key := range []string{"totp", "enrol"} {
		if err := throttle.Clear(tx, key+":"+fmt.Sprint(user)); err != nil {
			return err
		}
	}
	return tx.Must("DELETE FROM factors WHERE user_id = $1", user)
}

// Security is how a person's account is kept.
type Security struct {
	Password   bool
	Short      bool // the password counts together with a second factor only
	PasswordAt time.Time
	Factor     bool
	FactorAt   time.Time
	Locked     bool
	CodesLeft  int64
}

// SecurityOf tells how a person's account is kept.
func SecurityOf(tx *db.Tx, user int64) (Security, error) {
	u, err := get(tx, "id = $1", user)
	if err != nil {
		return Security{}, err
	}
	return securityOf(tx, u)
}

func securityOf(tx *db.Tx, u User) (Security, error) {
	out := Security{Password: u.HasPassword(), Short: u.passwordShort, PasswordAt: u.PasswordAt}
	f, err := db.One(tx, func(r db.Row) (Security, error) {
		x := out
		return x, r.Scan(db.Time(&x.FactorAt), &x.Locked)
	}, "SELECT created_at, locked_at IS NOT NULL FROM factors WHERE user_id = $1", u.ID)
	if fault.Is(err, fault.NotFound) {
		return out, nil
	}
	if err != nil {
		return Security{}, err
	}
	f.Factor = true
	f.CodesLeft, err = db.Value[int64](tx, "SELECT count(*) FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL", u.ID)
	return f, err
}

// SweepSignIns forgets what has run out: sign-ins that waited, ways through the provider,
// identities that were not linked, links, factors that were not confirmed, recovery codes
// that can still be read, browsers that were not seen for as long as they keep their secret.
func SweepSignIns(tx *db.Tx) error {
	for _, over := range []struct {
		query string
		life  time.Duration // 0 where the row tells its end
	}{
		{"DELETE FROM pending_sign_ins WHERE expires_at < $1", 0},
		{"DELETE FROM account_links WHERE expires_at < $1", 0},
		{"DELETE FROM oidc_flows WHERE expires_at < $1", 0},
		{"DELETE FROM identity_offers WHERE expires_at < $1", 0},
		{"DELETE FROM factor_enrolments WHERE created_at < $1", enrolmentLife},
		{"UPDATE factors SET codes_sealed = '' WHERE codes_sealed <> '' AND codes_at < $1", codesShown},
		{"DELETE FROM devices WHERE last_seen_at < $1", DeviceLife},
	} {
		if _, err := tx.Exec(over.query, tx.Now.Add(-over.life)); err != nil {
			return err
		}
	}
	return nil
}
