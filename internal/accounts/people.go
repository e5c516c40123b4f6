package accounts

import (
	"fmt"
	"strings"

	"golang.org/x/text/unicode/norm"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/control"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/mail"
)

// What super admins do to the accounts of others; anyone else is Forbidden. The operator at
// the command line is an actor of the same right.

// Oversees is Administers for what changes nothing, which the gate has just allowed.
func Oversees(by access.Actor) error {
	if by.SuperAdmin || !control.On(control.SuperAdmins) {
		return nil
	}
	return fault.New(fault.Forbidden, "accounts.administer", "Only super admins manage the accounts of others.")
}

// Administers is Forbidden for who is no super admin. It is asked in the transaction of the
// deed: the rights may have been taken away, and the session ended, since the request began.
func Administers(tx *db.Tx, by access.Actor) error {
	super := by.SuperAdmin
	if super && by.UserID != 0 {
		u, err := get(tx, "id = $1", by.UserID)
		if err != nil {
			return err
		}
		super = u.SuperAdmin && u.State == Active
	}
	if !super {
		return Oversees(access.Actor{})
	}
	return Present(tx, by)
}

// InTurn is Administers for what changes who administers: one after the other, and decided after
// those before. Who takes other locks for such a change asks it before them.
func InTurn(tx *db.Tx, by access.Actor) error {
	if err := Oversees(by); err != nil {
		return err
	}
	if err := tx.Lock("super admins"); err != nil {
		return err
	}
	return Administers(tx, by)
}

// Person is somebody as super admins see them. NotFound if there is nobody.
func (s *Service) Person(tx *db.Tx, by access.Actor, user int64) (User, Security, error) {
	if err := Oversees(by); err != nil {
		return User{}, Security{}, err
	}
	u, err := get(tx, "id = $1", user)
	if err != nil {
		return User{}, Security{}, err
	}
	sec, err := securityOf(tx, u)
	return u, sec, err
}

// Invite makes an account for somebody, who sets name and password by a link. The link is
// mailed, and its path given for whoever invites to pass on. Invalid for the address or
// the name; Conflict when there is an account already.
func (s *Service) Invite(tx *db.Tx, by access.Actor, n NewUser) (u User, path string, err error) {
	if err := Administers(tx, by); err != nil {
		return User{}, "", err
	}
	if strings.TrimSpace(n.Name) == "" {
		n.Name = strings.TrimSpace(n.Email)
	}
	if u, err = insert(tx, n, Invited, Hashed{}); err != nil {
		return User{}, "", err
	}
	if path, err = s.sendActivation(tx, by, u); err != nil {
		return User{}, "", err
	}
	return u, path, audit.Record(tx, audit.By(by, "user.invited", "user", u.Email, u.Name).Says("%s made an account for %s, who has to activate it.", by.Name, u.Email))
}

// SendLink mails a person a new link: to activate the account, or to set a new password.
// It also gives its path, for the super admin to pass on. The one before dies. Conflict
// for a disabled account.
func (s *Service) SendLink(tx *db.Tx, by access.Actor, user int64) (path string, err error) {
	if err := Administers(tx, by); err != nil {
		return "", err
	}
	u, err := get(tx, "id = $1", user)
	if err != nil {
		return "", err
	}
	switch u.State {
	case Invited:
		if path, err = s.sendActivation(tx, by, u); err != nil {
			return "", err
		}
	case Active:
		code, expires, err := link(tx, u.ID, ToReset)
		if err != nil {
			return "", err
		}
		path = ResetPath + code
		if _, err := s.mail.Send(tx, mail.Letter{Kind: mail.ResetByAdmin, To: u.Email, Name: u.Name, UserID: u.ID, Path: path, Until: expires,
			Values: map[string]string{"admin": by.Name, "expires": utc(expires)}}); err != nil {
			return "", err
		}
	default:
		return "", errDisabled()
	}
	return path, audit.Record(tx, audit.By(by, "user.linkSent", "user", u.Email, u.Name).Says("%s sent %s a link to %s.", by.Name, u.Name, map[State]string{Invited: "activate the account", Active: "set a new password"}[u.State]))
}

// Disable closes an account: its sessions end at once, its links die, and nothing of it
// can act. Nothing is deleted. Conflict for one's own account and for the last super
// admin's.
func (s *Service) Disable(tx *db.Tx, by access.Actor, user int64) error {
	if err := InTurn(tx, by); err != nil {
		return err
	}
	u, err := get(tx, "id = $1", user)
	if err != nil || u.State == Disabled {
		return err
	}
	if by.UserID == user {
		return fault.New(fault.Conflict, "accounts.self", "You cannot disable your own account.")
	}
	if err := keepSuperAdmin(tx, u); err != nil {
		return err
	}
	if err := tx.Must("UPDATE users SET state = 'disabled' WHERE id = $1", user); err != nil {
		return err
	}
	if err := s.End(tx, user); err != nil {
		return err
	}
	if err := endLinks(tx, user); err != nil {
		return err
	}
	if err := s.notify(tx, u, mail.AccountDisabled, map[string]string{"by": by.Name}); err != nil {
		return err
	}
	return audit.Record(tx, audit.By(by, "user.disabled", "user", u.Email, u.Name).Says("%s disabled the account of %s; its sessions ended.", by.Name, u.Name))
}

// Enable opens a disabled account again, as it was.
func (s *Service) Enable(tx *db.Tx, by access.Actor, user int64) error {
	if err := Administers(tx, by); err != nil {
		return err
	}
	u, err := get(tx, "id = $1", user)
	if err != nil || u.State != Disabled {
		return err
	}
	state := Active
	if !u.HasPassword() && u.LastLoginAt.IsZero() {
		state = Invited
	}
	if err := tx.Must("UPDATE users SET state = $2 WHERE id = $1", user, string(state)); err != nil {
		return err
	}
	if err := s.notify(tx, u, mail.AccountEnabled, map[string]string{"by": by.Name}); err != nil {
		return err
	}
	return audit.Record(tx, audit.By(by, "user.enabled", "user", u.Email, u.Name).Says("%s enabled the account of %s.", by.Name, u.Name))
}

// GrantSuperAdmin makes a person a super admin. Conflict for somebody who cannot sign in.
func (s *Service) GrantSuperAdmin(tx *db.Tx, by access.Actor, user int64) error {
	if err := InTurn(tx, by); err != nil {
		return err
	}
	u, err := get(tx, "id = $1", user)
	if err != nil || u.SuperAdmin {
		return err
	}
	if u.State != Active {
		return fault.New(fault.Conflict, "accounts.inactive", "Only somebody who can sign in can become a super admin.")
	}
	if err := tx.Must("UPDATE users SET is_super_admin = $2 WHERE id = $1", user, true); err != nil {
		return err
	}
	return audit.Record(tx, audit.By(by, "user.superAdminGranted", "user", u.Email, u.Name).Says("%s made %s a super admin.", by.Name, u.Name))
}

// RevokeSuperAdmin takes the rights of a super admin away. Conflict for the last one.
func (s *Service) RevokeSuperAdmin(tx *db.Tx, by access.Actor, user int64) error {
	if err := InTurn(tx, by); err != nil {
		return err
	}
	u, err := get(tx, "id = $1", user)
	if err != nil || !u.SuperAdmin {
		return err
	}
	if err := keepSuperAdmin(tx, u); err != nil {
		return err
	}
	if err := tx.Must("UPDATE users SET is_super_admin = $2 WHERE id = $1", user, false); err != nil {
		return err
	}
	return audit.Record(tx, audit.By(by, "user.superAdminRevoked", "user", u.Email, u.Name).Says("%s took the rights of a super admin from %s.", by.Name, u.Name))
}

// keepSuperAdmin is Conflict when without this person nobody could administer the
// installation. The caller holds the lock of super admins.
func keepSuperAdmin(tx *db.Tx, u User) error {
	if !u.SuperAdmin || u.State != Active {
		return nil
	}
	n, err := db.Value[int64](tx, "SELECT count(*) FROM users WHERE is_super_admin AND state = 'active' AND id <> $1", u.ID)
	if err == nil && n == 0 {
		err = fault.New(fault.Conflict, "accounts.lastSuperAdmin", "This is the last super admin. Make somebody else one first.")
	}
	return err
}

// ResetFactor mails a person who has lost the second factor and the recovery codes a link
// that takes it away, and gives its path, for the super admin to pass on. The link does so
// together with the password: see DropFactor. NotFound if they have none; Conflict for a
// disabled account, and for a day after the password was set anew by other hands than
// those that set the factor up: else a super admin could send themselves the two links, one
// after the other, before the mails about the first one are read. The operator waits for
// nothing.
func (s *Service) ResetFactor(tx *db.Tx, by access.Actor, user int64) (path string, err error) {
	if err := Administers(tx, by); err != nil {
		return "", err
	}
	u, err := get(tx, "id = $1", user)
	if err != nil {
		return "", err
	}
	if _, err := factorOf(tx, user); err != nil {
		return "", err
	}
	if u.State != Active {
		return "", errDisabled()
	}
	kept, err := SecurityOf(tx, user)
	if err != nil {
		return "", err
	}
	if by.UserID != 0 && kept.PasswordAt.After(kept.FactorAt) && tx.Now.Sub(kept.PasswordAt) < ResetWait {
		return "", fault.New(fault.Conflict, "accounts.passwordNew", "The password of this account was set anew less than a day ago. The second factor can be taken away a day after it, so that its person has read the mails and can object.")
	}
	code, expires, err := link(tx, u.ID, ToDropFactor)
	if err != nil {
		return "", err
	}
	path = DropFactorPath + code
	if _, err := s.mail.Send(tx, mail.Letter{Kind: mail.FactorLost, To: u.Email, Name: u.Name, UserID: u.ID, Path: path, Until: expires,
		Values: map[string]string{"admin": by.Name, "expires": utc(expires)}}); err != nil {
		return "", err
	}
	return path, audit.Record(tx, audit.By(by, "user.factorReset", "user", u.Email, u.Name).Says("%s sent %s a link that takes the second factor away.", by.Name, u.Name))
}

func errDisabled() error {
	return fault.New(fault.Conflict, "accounts.disabled", "This account is disabled. Enable it first.")
}

// EndAll ends every session of a person.
func (s *Service) EndAll(tx *db.Tx, by access.Actor, user int64) error {
	if err := Administers(tx, by); err != nil {
		return err
	}
	u, err := get(tx, "id = $1", user)
	if err != nil {
		return err
	}
	if err := s.End(tx, user); err != nil {
		return err
	}
	if err := s.notify(tx, u, mail.SessionsEnded, map[string]string{"by": by.Name}); err != nil {
		return err
	}
	return audit.Record(tx, audit.By(by, "user.sessionsEnded", "user", u.Email, u.Name).Says("%s ended all sessions of %s.", by.Name, u.Name))
}

// Listed is a person in a list.
type Listed struct {
	User
	Factor bool
}

// ListFilter selects people. Zero fields select all.
type ListFilter struct {
	Search     string // a part of the address or the name
	State      State
	SuperAdmin bool
	Before     audit.Cursor
	Limit      int
}

// List gives people, the newest first.
func (s *Service) List(tx *db.Tx, by access.Actor, f ListFilter) ([]Listed, error) {
	if err := Oversees(by); err != nil {
		return nil, err
	}
	var w db.Where
	w.And("1 = 1")
	if f.State != "" {
		w.And("state = ?", string(f.State))
	}
	if f.SuperAdmin {
		w.And("is_super_admin")
	}
	if f.Search != "" {
		w.And(`search LIKE ? ESCAPE '\'`, db.Like(norm.NFKC.String(f.Search)))
	}
	if !f.Before.At.IsZero() {
		w.And("(created_at, id) < (?, ?)", f.Before.At, f.Before.ID)
	}
	return db.All(tx, func(r db.Row) (Listed, error) {
		var x Listed
		err := r.Scan(append(x.fields(), &x.Factor)...)
		return x, err
	}, "SELECT "+columns+", EXISTS (SELECT 1 FROM factors f WHERE f.user_id = u.id) FROM users u WHERE "+w.SQL()+fmt.Sprintf(" ORDER BY created_at DESC, id DESC LIMIT %d", f.Limit), w.Args()...)
}
