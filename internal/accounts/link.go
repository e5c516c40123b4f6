package accounts

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/control"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/id"
	"steward/internal/jobs"
	"steward/internal/mail"
	"steward/internal/throttle"
)

// Life of the links that people get by mail, or from somebody who copied them.
const (
	ActivationLife = 7 * 24 * time.Hour
	ResetLife      = 30 * time.Minute
	ResetWait      = 24 * time.Hour // from a new password to a link that takes the second factor away
	remindBefore   = 24 * time.Hour // the end of an activation link, once
)

// Limits of asking for a link to a new password.
var (
	resetsPerAccount = throttle.Limit{Count: 3, Window: time.Hour}
	resetsPerAddress = throttle.Limit{Count: 10, Window: time.Hour}
)

// ResetRequest is the job that looks whether somebody who forgot the password has an
// account, so that the answer to the request does not depend on it.
const ResetRequest = "accounts.resetRequest"

// Purpose is what a link is for.
type Purpose string

// The purposes.
const (
	ToActivate   Purpose = "activate"
	ToReset      Purpose = "reset"
	ToDropFactor Purpose = "factor" // that was lost
)

// Paths of the links, with the code at the end.
const (
	ActivatePath   = "/activate/"
	ResetPath      = "/password/reset/"
	DropFactorPath = "/two-step/lost/"
)

// link makes a link for a person, which replaces the one before of the same purpose.
func link(tx *db.Tx, user int64, p Purpose) (code string, expires time.Time, err error) {
	life := ResetLife
	if p == ToActivate {
		life = ActivationLife
	}
	expires = tx.Now.Add(life)
	code, err = linkUntil(tx, user, p, 0, expires, false)
	return code, expires, err
}

// linkUntil is link with an end. Each invitation (0 for none) has a link of its own, which
// may be shown to who invites.
func linkUntil(tx *db.Tx, user int64, p Purpose, invitation int64, expires time.Time, shown bool) (code string, err error) {
	if _, err := tx.Exec("UPDATE account_links SET ended_at = $3 WHERE user_id = $1 AND purpose = $2 AND COALESCE(invitation_id, 0) = $4 AND ended_at IS NULL", user, string(p), tx.Now, invitation); err != nil {
		return "", err
	}
	n, err := tx.NewID("account_links")
	if err != nil {
		return "", err
	}
	code = id.Code()
	_, err = tx.Exec("INSERT INTO account_links (id, code_hash, user_id, purpose, created_at, expires_at, invitation_id, shown) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		n, id.Digest(code), user, string(p), tx.Now, expires, db.ZeroNull(invitation), shown)
	return code, err
}

// Welcome gives the account of an address, and makes one when there is none, which a link
// activates. Whether it was disabled is not told: nobody can sign in to it. Invalid for the
// address. The caller has decided that the actor may invite.
func (s *Service) Welcome(tx *db.Tx, by access.Actor, email string) (u User, made bool, err error) {
	u, err = s.ByEmail(tx, email)
	if !fault.Is(err, fault.NotFound) {
		return u, false, err
	}
	name := []rune(strings.TrimSpace(email))
	if u, err = insert(tx, NewUser{Email: email, Name: string(name[:min(len(name), nameMax)])}, Invited, Hashed{}); err != nil {
		return User{}, false, err
	}
	return u, true, audit.Record(tx, audit.By(by, "user.invited", "user", u.Email, u.Name).Says("%s made an account for %s, who has to activate it.", by.Name, u.Email))
}

// InvitedPath makes the link of an invitation to somebody who has not activated the account
// yet: it activates the account. It replaces the one before of the same invitation. shown
// tells that others than the mailbox of the address get to see it.
func InvitedPath(tx *db.Tx, user, invitation int64, until time.Time, shown bool) (path string, err error) {
	code, err := linkUntil(tx, user, ToActivate, invitation, until, shown)
	return ActivatePath + code, err
}

// Uncertain is the condition, in SQL, that the account of a person u may not answer an
// invitation of that number and time: it was activated later, by a link of another one that
// was shown to others.
func Uncertain(invitation, made string) string {
	return "(u.activated_shown AND (u.activated_by IS NULL OR u.activated_by <> " + invitation + ") AND u.activated_at >= " + made + ")"
}

// Vouched reports whether an account may answer an invitation of that number and time: unless
// it is Uncertain.
func Vouched(tx *db.Tx, user, invitation int64, made time.Time) (bool, error) {
	n, err := db.Value[int64](tx, "SELECT count(*) FROM users u WHERE u.id = $1 AND "+Uncertain("$2", "$3"), user, invitation, made)
	return n == 0, err
}

// EndInvited kills the link of an invitation.
func EndInvited(tx *db.Tx, invitation int64) error {
	_, err := tx.Exec("UPDATE account_links SET ended_at = $2 WHERE invitation_id = $1 AND ended_at IS NULL", invitation, tx.Now)
	return err
}

// ForgetInvitations takes the invitations with a project, a hundred at most, out of the
// accounts that they made or activated, so that they can be deleted, and gives their numbers; but
// for those of which no more is left than their people are to read.
func ForgetInvitations(tx *db.Tx, project int64) ([]int64, error) {
	list, err := db.All(tx, db.Scalar[int64], "SELECT id FROM invitations WHERE project_id = $1 AND email <> '' ORDER BY id LIMIT 100", project)
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		if _, err := tx.Exec("DELETE FROM account_links WHERE invitation_id = $1", i); err != nil {
			return nil, err
		}
		if _, err := tx.Exec("UPDATE users SET activated_by = NULL WHERE activated_by = $1", i); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// endLinks kills every link of a person.
func endLinks(tx *db.Tx, user int64) error {
	if !control.On(control.LinksOnce) {
		return nil
	}
	_, err := tx.Exec("UPDATE account_links SET ended_at = $2 WHERE user_id = $1 AND ended_at IS NULL", user, tx.Now)
	return err
}

// Linked is the person whom a link is for. NotFound, with one sentence for every reason,
// when the link is unknown, used, replaced or too old, or when its person cannot use it.
func (s *Service) Linked(tx *db.Tx, p Purpose, code string) (User, error) {
	dead := fault.New(fault.NotFound, "accounts.link", "This link is not valid any more. Links work once, and only the newest one does; that of an invitation ends with it, also when it is cancelled.")
	if !id.IsCode(code) {
		return User{}, dead
	}
	user, err := db.Value[int64](tx, "SELECT user_id FROM account_links WHERE code_hash = $1 AND purpose = $2 AND ended_at IS NULL AND expires_at > $3", id.Digest(code), string(p), tx.Now)
	if fault.Is(err, fault.NotFound) {
		return User{}, dead
	}
	if err != nil {
		return User{}, err
	}
	state := Active
	if p == ToActivate {
		state = Invited
	}
	u, err := get(tx, "id = $1 AND state = $2", user, string(state))
	if fault.Is(err, fault.NotFound) {
		return User{}, dead
	}
	return u, err
}

// use ends a link, once. NotFound when it does not count any more.
func (s *Service) use(tx *db.Tx, p Purpose, code string) (User, error) {
	u, err := s.Linked(tx, p, code)
	if err != nil {
		return User{}, err
	}
	if !control.On(control.LinksOnce) {
		return u, nil
	}
	n, err := tx.Exec("UPDATE account_links SET ended_at = $2 WHERE code_hash = $1 AND ended_at IS NULL", id.Digest(code), tx.Now)
	if err == nil && n == 0 {
		return s.Linked(tx, p, code) // which is NotFound by now
	}
	return u, err
}

// Activation is what a person fills in who was invited.
type Activation struct {
	Code     string
	Name     string
	Password string
	Device   string // secret of the browser, which is known from then on
}

// Activate sets the name and the password of an account that was made for somebody, who
// may sign in from then on. NotFound as Linked says; Invalid for the name and as
// CheckPassword says for the password.
func (s *Service) Activate(ctx context.Context, a Activation) (User, error) {
	var u User
	err := s.db.View(ctx, func(tx *db.Tx) (err error) { u, err = s.Linked(tx, ToActivate, a.Code); return err })
	if err != nil {
		return User{}, err
	}
	u.Name = a.Name
	var c fault.Check
	for _, err := range []error{CheckName("name", "your name", a.Name), s.CheckPassword(ctx, a.Password, u.words(nil)...)} {
		if err := c.Join(err); err != nil {
			return User{}, err
		}
	}
	if err := c.Err(); err != nil {
		return User{}, err
	}
	hash, err := s.hash(ctx, a.Password)
	if err != nil {
		return User{}, err
	}
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		if u, err = s.use(tx, ToActivate, a.Code); err != nil {
			return err
		}
		if err := tx.Must(`UPDATE users SET state = 'active', name = $2, search = $3, password_hash = $4, pepper_key = $5, password_short = $7, password_changed_at = $6, session_epoch = session_epoch + 1,
			activated_at = $6, activated_by = (SELECT l.invitation_id FROM account_links l WHERE l.code_hash = $8 AND l.shown),
			activated_shown = EXISTS (SELECT 1 FROM account_links l WHERE l.code_hash = $8 AND l.shown)
			WHERE id = $1 AND state = 'invited'`, u.ID, a.Name, search(u.Email, a.Name), hash.hash, hash.pepperKey, tx.Now, hash.short, id.Digest(a.Code)); err != nil {
			return err
		}
		if _, err := remember(tx, u.ID, a.Device); err != nil {
			return err
		}
		if u, err = get(tx, "id = $1", u.ID); err != nil {
			return err
		}
		return audit.Record(tx, audit.By(u.Actor(), "user.activated", "user", u.Email, u.Name).Says("%s activated their account (%s).", u.Name, u.Email))
	})
	return u, err
}

// AskReset asks for a link to a new password. Whether there is an account is found out
// later, by a job: the answer and its time are the same for every address. A browser that
// the person has signed in with has a count of its own, so that strangers cannot keep them
// from asking. Invalid for what is no address; TooMany after three requests an hour for an
// address of mail, or ten from one sender.
func (s *Service) AskReset(ctx context.Context, q *jobs.Service, email, device string) error {
	normal, err := NormalizeEmail(email)
	if err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx *db.Tx) error {
		if err := throttle.Take(tx, "reset/hour:"+network(audit.RequestOf(ctx).Address), resetsPerAddress); err != nil {
			return err
		}
		key := accountKey("reset/account", normal)
		own, err := db.Value[int64](tx, "SELECT count(*) FROM devices d JOIN users u ON u.id = d.user_id WHERE u.email = $1 AND d.token_hash = $2", normal, id.Digest(device))
		if err != nil {
			return err
		}
		if own > 0 {
			key = deviceKey("reset/device", device, normal)
		}
		if err := throttle.Take(tx, key, resetsPerAccount); err != nil {
			return err
		}
		_, err = q.Enqueue(tx, jobs.Spec{Class: jobs.System, Operation: ResetRequest, Priority: jobs.Person,
			Params: resetRequest{Email: normal, Request: audit.RequestOf(ctx)}})
		return err
	})
}

type resetRequest struct {
	Email   string        `json:"email"`
	Request audit.Request `json:"request"`
}

// RunReset does what AskReset asked for: an active person gets a link to a new password,
// an invited one a new link to activate the account, others nothing.
func (s *Service) RunReset(ctx context.Context, r *jobs.Run) error {
	var q resetRequest
	if err := json.Unmarshal(r.Job.Params, &q); err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	ctx = audit.WithRequest(ctx, q.Request)
	return s.db.Update(ctx, func(tx *db.Tx) error {
		u, err := get(tx, "email = $1", q.Email)
		switch {
		case fault.Is(err, fault.NotFound):
			e := audit.By(somebody(), "user.resetRequested", "user", q.Email, q.Email)
			err = audit.Record(tx, e.Says("Somebody asked for a new password for %s, which has no account.", q.Email))
		case err != nil:
		case !s.mail.Delivers(): // a link that was passed on by hand stays good
			err = audit.Record(tx, audit.By(somebody(), "user.resetRequested", "user", u.Email, u.Name).Says("Somebody asked for a new password for %s; there is no mail server to send a link by.", u.Name))
		case u.State == Active:
			err = s.sendReset(tx, u)
		case u.State == Invited:
			_, err = s.sendActivation(tx, access.Actor{Name: "Steward"}, u)
		default:
			e := audit.By(somebody(), "user.resetRequested", "user", u.Email, u.Name)
			err = audit.Record(tx, e.Says("Somebody asked for a new password for %s, whose account is disabled.", u.Name))
		}
		if err != nil {
			return err
		}
		return r.Complete(tx, jobs.Result{Results: struct{}{}, Says: "Looked up, and mailed if there is an account."})
	})
}

func (s *Service) sendReset(tx *db.Tx, u User) error {
	code, expires, err := link(tx, u.ID, ToReset)
	if err != nil {
		return err
	}
	r := audit.RequestOf(tx.Context())
	if _, err := s.mail.Send(tx, mail.Letter{Kind: mail.ResetPassword, To: u.Email, Name: u.Name, UserID: u.ID, Path: ResetPath + code, Until: expires,
		Values: map[string]string{"expires": utc(expires), "address": r.Address, "device": Device(r.UserAgent)}}); err != nil {
		return err
	}
	e := audit.By(somebody(), "user.resetRequested", "user", u.Email, u.Name)
	return audit.Record(tx, e.Says("Somebody asked for a new password for %s; a link was mailed.", u.Name))
}

func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// spoken is a moment as sentences have it.
func spoken(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }

// sendActivation mails an invited person a link to activate the account, and gives its
// path for whoever invites to copy.
func (s *Service) sendActivation(tx *db.Tx, by access.Actor, u User) (path string, err error) {
	code, expires, err := link(tx, u.ID, ToActivate)
	if err != nil {
		return "", err
	}
	_, err = s.mail.Send(tx, mail.Letter{Kind: mail.Activate, To: u.Email, Name: u.Name, UserID: u.ID, Path: ActivatePath + code, Until: expires,
		Values: map[string]string{"inviter": by.Name, "expires": utc(expires)}})
	return ActivatePath + code, err
}

// Remind mails the people whose link to activate the account ends within a day, once. The
// link itself is not known any more: the mail tells where one gets a new one.
func (s *Service) Remind(tx *db.Tx) error {
	if !s.mail.Delivers() {
		return nil
	}
	type due struct {
		user int64
		ends time.Time
	}
	list, err := db.All(tx, func(r db.Row) (due, error) {
		var d due
		return d, r.Scan(&d.user, db.Time(&d.ends))
	}, `UPDATE account_links SET reminded_at = $1 WHERE id IN (SELECT l.id FROM account_links l JOIN users u ON u.id = l.user_id WHERE l.purpose = 'activate'
		AND l.ended_at IS NULL AND l.reminded_at IS NULL AND l.expires_at > $1 AND l.expires_at <= $2 AND l.expires_at - l.created_at > $3 AND u.state = 'invited' ORDER BY l.expires_at LIMIT 100) RETURNING user_id, expires_at`,
		tx.Now, tx.Now.Add(remindBefore), (2 * remindBefore).Microseconds())
	if err != nil {
		return err
	}
	for _, d := range list {
		u, err := get(tx, "id = $1", d.user)
		if err != nil {
			return err
		}
		if _, err := s.mail.Send(tx, mail.Letter{Kind: mail.ActivateSoon, To: u.Email, Name: u.Name, UserID: u.ID, Until: d.ends, Values: map[string]string{"expires": utc(d.ends)}}); err != nil {
			return err
		}
	}
	return nil
}

// Reset is what a person fills in who sets a new password by a link.
type Reset struct {
	Code, Password string
	Device         string // secret of the browser, the only one that is known from then on
	FactorAsked    bool   // an organization of theirs asks for a second factor: see PasswordMinFactor
}

// ResetPassword sets a new password by a link. Every session of the person ends, every
// other link of theirs dies, so do the identities that are linked to the account, because
// whoever had it before may have linked theirs, and nobody is signed in: the second factor is asked for as
// always. NotFound as Linked says; Invalid as CheckPassword says.
func (s *Service) ResetPassword(ctx context.Context, r Reset, words ...string) (User, error) {
	var u User
	err := s.db.View(ctx, func(tx *db.Tx) (err error) { u, err = s.Linked(tx, ToReset, r.Code); return err })
	if err != nil {
		return User{}, err
	}
	hash, err := s.hashNew(ctx, r.Password, r.FactorAsked, u.words(words))
	if err != nil {
		return User{}, err
	}
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		if u, err = s.use(tx, ToReset, r.Code); err != nil {
			return err
		}
		unlinked, err := unlinkAll(tx, u.ID)
		if err != nil {
			return err
		}
		and, told := "", map[string]string(nil)
		if unlinked > 0 {
			and, told = " and nobody signs in to their account by another provider any more", map[string]string{"unlinked": fmt.Sprint(unlinked)}
		}
		if err := s.setPassword(tx, u, hash, told); err != nil {
			return err
		}
		if err := s.End(tx, u.ID); err != nil {
			return err
		}
		if err := forgetOthers(tx, u.ID, r.Device); err != nil {
			return err
		}
		if _, err := remember(tx, u.ID, r.Device); err != nil {
			return err
		}
		if err := throttle.Clear(tx, accountKey("account", u.Email)); err != nil {
			return err
		}
		return audit.Record(tx, audit.By(u.Actor(), "user.passwordReset", "user", u.Email, u.Name).Says("%s set a new password by a link; all their sessions ended%s.", u.Name, and))
	})
	return u, err
}

// DropFactor turns the second factor off of a person who has lost it and the recovery codes:
// by a link that was sent to them and by their password, which are what they had when they
// set it up. Their sessions end, and nobody is signed in. NotFound as Linked says;
// Unauthenticated for a wrong password, which counts as one at sign-in.
func (s *Service) DropFactor(ctx context.Context, code string, a Attempt) error {
	var u User
	err := s.db.View(ctx, func(tx *db.Tx) (err error) { u, err = s.Linked(tx, ToDropFactor, code); return err })
	if err != nil {
		return err
	}
	_, account, _, err := s.match(ctx, u.Email, a)
	if err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx *db.Tx) error {
		if err := throttle.Clear(tx, account); err != nil {
			return err
		}
		if err := giveBack(tx); err != nil {
			return err
		}
		if u, err = s.use(tx, ToDropFactor, code); err != nil {
			return err
		}
		if err := dropFactor(tx, u.ID); err != nil {
			return err
		}
		if err := s.End(tx, u.ID); err != nil {
			return err
		}
		if err := s.notify(tx, u, mail.FactorDisabled, nil); err != nil {
			return err
		}
		return audit.Record(tx, audit.By(u.Actor(), "user.factorDropped", "user", u.Email, u.Name).Says("%s turned their lost second factor off by a link and their password; all their sessions ended.", u.Name))
	})
}
