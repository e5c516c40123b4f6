// Package accounts is people and how they sign in: users, passwords, sessions.
package accounts

import (
	"fmt"
	netmail "net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/breached"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/keys"
	"steward/internal/mail"
)

// User is a person. Email is the identity: unique, normalized, never changed.
type User struct {
	ID            int64
	Email         string
	Name          string
	State         State
	SuperAdmin    bool
	SupportUntil  time.Time // until when they are of support; zero = they are not. See OfSupport
	Theme         string    // light, dark or "" for the system's
	TimeZone      string    // of the IANA database, such as Europe/Prague
	passwordHash  string
	pepperKey     string
	passwordShort bool
	epoch         int64
	PasswordAt    time.Time // when the password was set
	CreatedAt     time.Time
	LastLoginAt   time.Time
}

// State is where a user is in their life.
type State string

// The states.
const (
	Invited  State = "invited"
	Active   State = "active"
	Disabled State = "disabled"
)

// HasPassword reports whether the person can sign in by password.
func (u User) HasPassword() bool { return u.passwordHash != "" }

// OfSupport reports whether the person is of support at a time: they may come into projects of
// every organization that lets support in.
func (u User) OfSupport(at time.Time) bool { return at.Before(u.SupportUntil) }

// Zone is the person's time zone.
func (u User) Zone() *time.Location {
	if l, err := time.LoadLocation(u.TimeZone); err == nil && u.TimeZone != "" {
		return l
	}
	return time.UTC
}

// Actor is the user as one who acts.
func (u User) Actor() access.Actor {
	return access.Actor{UserID: u.ID, Email: u.Email, Name: u.Name, SuperAdmin: u.SuperAdmin}
}

// NormalizeEmail gives the form in which addresses are compared and kept: trimmed,
// Unicode NFC, lower case. Invalid if it is no plain address.
func NormalizeEmail(email string) (string, error) {
	e := strings.ToLower(norm.NFC.String(strings.TrimSpace(email)))
	a, err := netmail.ParseAddress(e)
	at := strings.LastIndexByte(e, '@')
	if err != nil || a.Address != e || len(e) > 254 || at < 1 || at > 64 || !shown(e) || strings.ContainsAny(e, "\u200c\u200d") || strings.ContainsFunc(e, unicode.IsSpace) {
		return "", &fault.Error{Kind: fault.Invalid, Code: "validation", Message: "Enter a full email address, like name@example.com.",
			Fields: []fault.Field{{Name: "email", Message: "Enter a full email address, like name@example.com."}}}
	}
	return e, nil
}

// nameMax is how many characters a name has at most.
const nameMax = 200

// CheckName is nil for a name that can be shown: 1 to 200 characters without control
// or direction characters. field names the input in the error.
func CheckName(field, what, name string) error { return CheckText(field, what, name, nameMax) }

// CheckText is CheckName for a line of text that may have so many characters.
func CheckText(field, what, name string, most int) error {
	var c fault.Check
	c.Field(strings.TrimSpace(name) != "", field, "Enter "+what+".")
	c.Field(utf8.RuneCountInString(name) <= most, field, fmt.Sprintf("At most %d characters.", most))
	c.Field(utf8.ValidString(name) && shown(name), field, "Leave out control characters.")
	return c.Err()
}

// shown reports whether a text has only characters that can be seen, or turn nothing that
// stands beside them. Persian, Hindi and others need the two joiners between their letters.
func shown(text string) bool {
	runes := []rune(text)
	joined := func(i int) bool {
		return i >= 0 && i < len(runes) && runes[i] > lastUnjoined && (unicode.IsLetter(runes[i]) || unicode.IsMark(runes[i]))
	}
	for i, r := range runes {
		if (r == '\u200c' || r == '\u200d') && joined(i-1) && joined(i+1) {
			continue
		}
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point) {
			return false
		}
	}
	return true
}

// lastUnjoined ends the alphabets whose letters are never joined: Latin, Greek, Cyrillic.
const lastUnjoined = '\u052f'

// NewUser is what a user is made from.
type NewUser struct {
	Email      string
	Name       string
	Password   string
	SuperAdmin bool
}

// Service is the accounts of an installation. It is safe for concurrent use.
type Service struct {
	db       *db.DB
	keys     *keys.Ring
	mail     *mail.Service
	breached *breached.List
	provider *Provider
	hashes   *hasher
}

// New makes the service. p is nil where people sign in by password only.
func New(d *db.DB, k *keys.Ring, m *mail.Service, b *breached.List, p *Provider) *Service {
	return &Service{db: d, keys: k, mail: m, breached: b, provider: p, hashes: newHasher()}
}

// Create makes an active user in the caller's transaction. hash comes from Hash, so
// that no transaction waits for it. Invalid for a bad address or name; Conflict when
// the address is taken.
func (s *Service) Create(tx *db.Tx, by access.Actor, n NewUser, hash Hashed) (User, error) {
	u, err := insert(tx, n, Active, hash)
	if err != nil {
		return User{}, err
	}
	if by.UserID == 0 && by.Name == "" {
		by = u.Actor()
	}
	return u, audit.Record(tx, audit.By(by, "user.created", "user", u.Email, u.Name).Says("%s created the account of %s (%s).", by.Name, u.Name, u.Email))
}

// insert makes the row of a user. Invalid for a bad address or name; Conflict when the
// address is taken.
func insert(tx *db.Tx, n NewUser, state State, hash Hashed) (User, error) {
	email, err := NormalizeEmail(n.Email)
	if err != nil {
		return User{}, err
	}
	if err := CheckName("name", "a name", n.Name); err != nil {
		return User{}, err
	}
	id, err := tx.NewID("users")
	if err != nil {
		return User{}, err
	}
	name, at := strings.TrimSpace(n.Name), time.Time{}
	if hash.hash != "" {
		at = tx.Now
	}
	_, err = tx.Exec(`INSERT INTO users (id, email, name, search, password_hash, pepper_key, password_short, password_changed_at, state, is_super_admin, session_epoch, theme, time_zone, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $11, $7, $8, $9, 1, '', 'UTC', $10)`, id, email, name, search(email, name), hash.hash, hash.pepperKey, at, string(state), n.SuperAdmin, tx.Now, hash.short)
	if fault.HasCode(err, "db.unique") {
		return User{}, &fault.Error{Kind: fault.Conflict, Code: "accounts.exists", Message: "There is an account for " + email + " already.",
			Fields: []fault.Field{{Name: "email", Message: "There is an account for " + email + " already."}}}
	}
	if err != nil {
		return User{}, err
	}
	return get(tx, "id = $1", id)
}

// search is what people are found by.
func search(email, name string) string {
	return strings.ToLower(norm.NFKC.String(email + " " + name))
}

// ByEmail finds a user by address. NotFound if there is none.
func (s *Service) ByEmail(tx *db.Tx, email string) (User, error) {
	e, err := NormalizeEmail(email)
	if err != nil {
		return User{}, err
	}
	return get(tx, "email = $1", e)
}

// Addresses are the addresses of people by their numbers.
func Addresses(tx *db.Tx, ids ...int64) (map[int64]string, error) {
	out := map[int64]string{}
	if len(ids) == 0 {
		return out, nil
	}
	var of []string
	var args []any
	for _, id := range ids {
		args = append(args, id)
		of = append(of, fmt.Sprintf("$%d", len(args)))
	}
	_, err := db.All(tx, func(r db.Row) (id int64, err error) {
		var email string
		err = r.Scan(&id, &email)
		out[id] = email
		return id, err
	}, "SELECT id, email FROM users WHERE id IN ("+strings.Join(of, ", ")+")", args...)
	return out, err
}

// Find finds a user. NotFound if there is none.
func Find(tx *db.Tx, id int64) (User, error) { return get(tx, "id = $1", id) }

// SetTheme keeps a person's choice of colours: light, dark, or "" for the system's.
func (s *Service) SetTheme(tx *db.Tx, a access.Actor, theme string) error {
	if theme != "light" && theme != "dark" && theme != "" {
		return fault.New(fault.Invalid, "accounts.theme", "Choose light, dark or the system's theme.")
	}
	if err := tx.Must("UPDATE users SET theme = $2 WHERE id = $1", a.UserID, theme); err != nil {
		return err
	}
	return audit.Record(tx, audit.By(a, "user.themeChanged", "user", a.Email, a.Name).Says("%s chose the theme %q.", a.Name, theme))
}

// Profile is what people say about themselves.
type Profile struct {
	Name     string
	TimeZone string // of the IANA database, such as Europe/Prague
}

// SetProfile keeps a person's name and time zone. Invalid for a name that cannot be shown
// and for a zone that is not known.
func (s *Service) SetProfile(tx *db.Tx, a access.Actor, p Profile) error {
	if err := Present(tx, a); err != nil {
		return err
	}
	var c fault.Check
	if err := c.Join(CheckName("name", "your name", p.Name)); err != nil {
		return err
	}
	_, err := time.LoadLocation(p.TimeZone)
	c.Field(err == nil && p.TimeZone != "" && p.TimeZone != "Local", "timeZone", "Choose a time zone such as Europe/Prague.")
	if err := c.Err(); err != nil {
		return err
	}
	was, err := get(tx, "id = $1", a.UserID)
	if err != nil {
		return err
	}
	name := strings.TrimSpace(p.Name)
	if name == was.Name && p.TimeZone == was.TimeZone {
		return nil
	}
	if err := tx.Must("UPDATE users SET name = $2, search = $3, time_zone = $4 WHERE id = $1", a.UserID, name, search(was.Email, name), p.TimeZone); err != nil {
		return err
	}
	e := audit.By(a, "user.profileChanged", "user", was.Email, name)
	return audit.Record(tx, e.Says("%s changed their profile: name from %q to %q, time zone from %s to %s.", was.Name, was.Name, name, was.TimeZone, p.TimeZone))
}

// columns of the table users u, for the fields of a User.
const columns = "u.id, u.email, u.name, u.state, u.is_super_admin, u.support_until, u.theme, u.time_zone, u.password_hash, u.pepper_key, u.password_short, u.session_epoch, u.password_changed_at, u.created_at, u.last_login_at"

func (u *User) fields() []any {
	return []any{&u.ID, &u.Email, &u.Name, &u.State, &u.SuperAdmin, db.Time(&u.SupportUntil), &u.Theme, &u.TimeZone, &u.passwordHash, &u.pepperKey, &u.passwordShort, &u.epoch,
		db.Time(&u.PasswordAt), db.Time(&u.CreatedAt), db.Time(&u.LastLoginAt)}
}

func get(tx *db.Tx, where string, args ...any) (User, error) {
	return db.One(tx, func(r db.Row) (User, error) {
		var u User
		err := r.Scan(u.fields()...)
		return u, err
	}, "SELECT "+columns+" FROM users u WHERE "+where, args...)
}
