// Package accounts is people and how they sign in: users, passwords, sessions.
package accounts

import (
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/keys"
)

// User is a person. Email is the identity: unique, normalized, never changed.
type User struct {
	ID           int64
	Email        string
	Name         string
	State        State
	SuperAdmin   bool
	Theme        string // light, dark or "" for the system's
	passwordHash string
	pepperKey    string
	epoch        int64
	CreatedAt    time.Time
	LastLoginAt  time.Time
}

// State is where a user is in their life.
type State string

// The states.
const (
	Invited  State = "invited"
	Active   State = "active"
	Disabled State = "disabled"
)

// Actor is the user as one who acts.
func (u User) Actor() access.Actor {
	return access.Actor{UserID: u.ID, Email: u.Email, Name: u.Name, SuperAdmin: u.SuperAdmin}
}

// NormalizeEmail gives the form in which addresses are compared and kept: trimmed,
// Unicode NFC, lower case. Invalid if it is no plain address.
func NormalizeEmail(email string) (string, error) {
	e := strings.ToLower(norm.NFC.String(strings.TrimSpace(email)))
	a, err := mail.ParseAddress(e)
	at := strings.LastIndexByte(e, '@')
	if err != nil || a.Address != e || len(e) > 254 || at < 1 || at > 64 || strings.ContainsFunc(e, unicode.IsControl) {
		return "", &fault.Error{Kind: fault.Invalid, Code: "validation", Message: "Enter a full email address, like name@example.com.",
			Fields: []fault.Field{{Name: "email", Message: "Enter a full email address, like name@example.com."}}}
	}
	return e, nil
}

// CheckName is nil for a name that can be shown: 1 to 200 characters without control
// or direction characters. field names the input in the error.
func CheckName(field, what, name string) error {
	var c fault.Check
	c.Field(strings.TrimSpace(name) != "", field, "Enter "+what+".")
	c.Field(utf8.RuneCountInString(name) <= 200, field, "At most 200 characters.")
	c.Field(utf8.ValidString(name) && !strings.ContainsFunc(name, hidden), field, "Leave out control characters.")
	return c.Err()
}

func hidden(r rune) bool {
	return unicode.IsControl(r) || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069)
}

// NewUser is what a user is made from.
type NewUser struct {
	Email      string
	Name       string
	Password   string
	SuperAdmin bool
}

// Service is the accounts of an installation. It is safe for concurrent use.
type Service struct {
	db     *db.DB
	keys   *keys.Ring
	hashes hasher
}

// New makes the service.
func New(d *db.DB, k *keys.Ring) *Service {
	return &Service{db: d, keys: k, hashes: newHasher()}
}

// Create makes an active user in the caller's transaction. hash comes from Hash, so
// that no transaction waits for it. Invalid for a bad address or name; Conflict when
// the address is taken.
func (s *Service) Create(tx *db.Tx, by access.Actor, n NewUser, hash Hashed) (User, error) {
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
	_, err = tx.Exec(`INSERT INTO users (id, email, name, password_hash, pepper_key, state, is_super_admin, session_epoch, theme, created_at)
		VALUES ($1, $2, $3, $4, $5, 'active', $6, 1, '', $7)`, id, email, strings.TrimSpace(n.Name), hash.hash, hash.pepperKey, n.SuperAdmin, tx.Now)
	if fault.HasCode(err, "db.unique") {
		return User{}, fault.Newf(fault.Conflict, "accounts.exists", "There is an account for %s already.", email)
	}
	if err != nil {
		return User{}, err
	}
	u, err := get(tx, "id = $1", id)
	if err != nil {
		return User{}, err
	}
	if by.UserID == 0 && by.Name == "" {
		by = u.Actor()
	}
	return u, audit.Record(tx, audit.By(by, "user.created", "user", u.Email, u.Name).Says("%s created the account of %s (%s).", by.Name, u.Name, u.Email))
}

// ByEmail finds a user by address. NotFound if there is none.
func (s *Service) ByEmail(tx *db.Tx, email string) (User, error) {
	e, err := NormalizeEmail(email)
	if err != nil {
		return User{}, err
	}
	return get(tx, "email = $1", e)
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

const columns = "id, email, name, state, is_super_admin, theme, password_hash, pepper_key, session_epoch, created_at, last_login_at"

func get(tx *db.Tx, where string, args ...any) (User, error) {
	return db.One(tx, scan, "SELECT "+columns+" FROM users WHERE "+where, args...)
}

func scan(r db.Row) (User, error) {
	var u User
	return u, r.Scan(&u.ID, &u.Email, &u.Name, &u.State, &u.SuperAdmin, &u.Theme, &u.passwordHash, &u.pepperKey, &u.epoch, db.Time(&u.CreatedAt), db.Time(&u.LastLoginAt))
}
