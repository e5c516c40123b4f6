package accounts

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"steward/internal/audit"
	"steward/internal/control"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/keys"
	"steward/internal/mail"
)

// Length of a password: at least in characters, at most in bytes. Where the installation or an
// organization of theirs asks for a second factor, and nowhere else, people may set a shorter
// one. It counts together with a second factor only, for as long as it is kept: see
// Visit.MustEnrol and RemoveFactor.
const (
	PasswordMin       = 15
	PasswordMinFactor = 8
	PasswordMax       = 256
)

// PasswordLeast is how many characters a new password needs, of somebody whom an organization
// asks for a second factor, or of anybody.
func PasswordLeast(tx *db.Tx, asked bool) (int, error) {
	set, err := SettingsOf(tx)
	if set.RequireFactor || asked {
		return PasswordMinFactor, err
	}
	return PasswordMin, err
}

// ownLetters is how many letters of a password have to remain when the words that
// everyone would try first are taken out of it.
const ownLetters = 8

// CheckPassword is Invalid for a password that is too short or too long, that is known
// from breaches (see package breached), or that is little more than words which everyone
// would try first: the product's name and the given ones, such as the person's name and
// address and the names of their projects. Any characters will do, and they are kept as
// typed; no kind of character is demanded.
func (s *Service) CheckPassword(ctx context.Context, password string, words ...string) error {
	return s.checkPassword(ctx, password, false, words)
}

// checkPassword is CheckPassword for somebody whom an organization asks for a second factor, or
// for anybody.
func (s *Service) checkPassword(ctx context.Context, password string, asked bool, words []string) error {
	least := PasswordMin
	if err := s.db.View(ctx, func(tx *db.Tx) (err error) { least, err = PasswordLeast(tx, asked); return err }); err != nil {
		return err
	}
	var c fault.Check
	c.Field(utf8.RuneCountInString(password) >= least, "password", fmt.Sprintf("Use at least %d characters. A few words in a row make a good password.", least))
	c.Field(len(password) <= PasswordMax, "password", fmt.Sprintf("Use at most %d bytes.", PasswordMax))
	if err := c.Err(); err != nil {
		return err
	}
	known, err := s.breached.Has(password)
	if err != nil {
		return err
	}
	known = known && control.On(control.BreachedPasswords)
	c.Field(!known, "password", "This password, or one much like it, is on the lists that attackers try first. Choose another: a few unrelated words in a row are good.")
	if !known && control.On(control.OwnWords) {
		c.Field(ownPart(password, words) >= ownLetters, "password", "This is little more than a name that people would guess here. Add words that have nothing to do with you or your projects.")
	}
	return c.Err()
}

// ownPart counts the letters of a password that are in none of the words. A password in
// which none of them is has all its characters for its own, digits and signs too.
func ownPart(password string, words []string) int {
	typed := strings.ToLower(norm.NFKC.String(password))
	rest := typed
	for _, w := range append([]string{"steward"}, words...) {
		for part := range strings.FieldsFuncSeq(strings.ToLower(norm.NFKC.String(w)), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			if utf8.RuneCountInString(part) >= 4 {
				rest = strings.ReplaceAll(rest, part, " ")
			}
		}
	}
	if rest == typed {
		return utf8.RuneCountInString(rest)
	}
	letters := 0
	for _, r := range rest {
		if unicode.IsLetter(r) {
			letters++
		}
	}
	return letters
}

// words are what everyone would guess about a person.
func (u User) words(more []string) []string {
	local, _, _ := strings.Cut(u.Email, "@")
	return append([]string{u.Name, local}, more...)
}

// Hashed is a password as it is kept.
type Hashed struct {
	hash, pepperKey string
	short           bool // it has less than PasswordMin characters
}

// Hash checks a new password and hashes it (argon2id over an HMAC with the pepper).
// Invalid as CheckPassword says; Unavailable when too many hashes are running.
func (s *Service) Hash(ctx context.Context, password string, words ...string) (Hashed, error) {
	return s.hashNew(ctx, password, false, words)
}

// hashNew is Hash for somebody whom an organization asks for a second factor, or for anybody.
func (s *Service) hashNew(ctx context.Context, password string, asked bool, words []string) (Hashed, error) {
	if err := s.checkPassword(ctx, password, asked, words); err != nil {
		return Hashed{}, err
	}
	return s.hash(ctx, password)
}

func (s *Service) hash(ctx context.Context, password string) (Hashed, error) {
	key := s.keys.Current()
	peppered, err := s.pepper(key, password)
	if err != nil {
		return Hashed{}, err
	}
	out := Hashed{pepperKey: key, short: utf8.RuneCountInString(password) < PasswordMin}
	place, err := s.hashes.queue(network(audit.RequestOf(ctx).Address))
	if err != nil {
		return Hashed{}, err
	}
	defer place.leave()
	err = place.run(ctx, func() error {
		out.hash = s.hashes.create(peppered)
		return nil
	})
	return out, err
}

// verify reports whether a password is the user's, for somebody with a place in the queue
// of hashes. It takes as long for a user that does not exist (the zero User).
func (s *Service) verify(ctx context.Context, place *place, u User, password string) (ok, stale bool, err error) {
	if len(password) > PasswordMax {
		password = password[:PasswordMax]
		u = User{}
	}
	key, hash := u.pepperKey, u.passwordHash
	if hash == "" && !control.On(control.NobodyTakesAsLong) {
		return false, false, nil
	}
	if hash == "" {
		key, hash = s.keys.Current(), s.hashes.nobody()
	}
	peppered, err := s.pepper(key, password)
	if err != nil {
		return false, false, err
	}
	err = place.run(ctx, func() error {
		ok, stale, err = s.hashes.matches(peppered, hash)
		return err
	})
	return ok && u.passwordHash != "", stale || key != s.keys.Current(), err
}

func (s *Service) pepper(key, password string) (string, error) {
	mac, err := s.keys.MAC(key, keys.Pepper, []byte(password))
	if err != nil {
		return "", err
	}
	return base64.RawStdEncoding.EncodeToString(mac), nil
}

// Change is a new password of a person who proves the old one.
type Change struct {
	Current, Password string
	Device            string // secret of the browser, "" if it has none
	FactorAsked       bool   // an organization of theirs asks for a second factor: see PasswordMinFactor
}

// ChangePassword sets a new password for the person of a visit, who has to prove the old
// one. Every other session of theirs ends, other browsers are not known any more, and links
// to reset the password die; the visit's own session goes on under a new token. Invalid for
// a wrong old password, under the field "current", and as CheckPassword says for the new
// one, with words that the new one must not be made of; TooMany after some wrong ones.
func (s *Service) ChangePassword(ctx context.Context, v *Visit, c Change, words ...string) error {
	u, err := s.proved(ctx, v, c.Current)
	if err != nil {
		return err
	}
	hash, err := s.hashNew(ctx, c.Password, c.FactorAsked, u.words(words))
	if err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx *db.Tx) error {
		if err := s.setPassword(tx, u, hash, nil); err != nil {
			return err
		}
		if err := endOthers(tx, v); err != nil {
			return err
		}
		if err := forgetOthers(tx, u.ID, c.Device); err != nil {
			return err
		}
		return audit.Record(tx, audit.By(v.Actor(), "user.passwordChanged", "user", u.Email, u.Name).Says("%s changed their password; their other sessions ended.", u.Name))
	})
}

// setPassword keeps a new password, kills the links that could set another, and tells the
// person by mail, with what else was done. The caller ends the sessions.
func (s *Service) setPassword(tx *db.Tx, u User, hash Hashed, told map[string]string) error {
	// The epoch guards against two changes at once: the later one has to be proved again.
	err := tx.Must("UPDATE users SET password_hash = $3, pepper_key = $4, password_short = $6, password_changed_at = $5 WHERE id = $1 AND session_epoch = $2 AND state = 'active'",
		u.ID, u.epoch, hash.hash, hash.pepperKey, tx.Now, hash.short)
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.Conflict, "accounts.changed", "Your account was changed at the same time. Load the page and try again.")
	}
	if err != nil {
		return err
	}
	if err := endLinks(tx, u.ID); err != nil {
		return err
	}
	if _, err := tx.Exec("DELETE FROM factor_enrolments WHERE user_id = $1", u.ID); err != nil {
		return err
	}
	return s.notify(tx, u, mail.PasswordChanged, told)
}
