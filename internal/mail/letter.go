package mail

import (
	"encoding/json"
	"fmt"
	netmail "net/mail"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/id"
	"steward/internal/jobs"
	"steward/internal/keys"
)

// Kind is what a letter is about. It decides what the letter says.
type Kind string

// The kinds, each with the Values that its text uses; any of them may be left out. Times
// in Values are RFC 3339, or like 2026-11-21 22:41 UTC. "at" is the time of what a letter
// tells of, by default that of the letter; "address" and "device" are where it came from,
// and are not told when somebody else did it ("by", "admin"). "twoStep" is there when the person
// has to turn it on before they accept.
const (
	Activate         Kind = "activate"         // inviter, expires; has a link
	ActivateSoon     Kind = "activateSoon"     // expires
	ResetPassword    Kind = "resetPassword"    // expires, address; has a link
	ResetByAdmin     Kind = "resetByAdmin"     // admin, expires; has a link
	PasswordChanged  Kind = "passwordChanged"  // unlinked, address, device, at
	NewDevice        Kind = "newDevice"        // device, address, method, at
	SignInAttempts   Kind = "signInAttempts"   // count, what, address, device, at
	FactorEnabled    Kind = "factorEnabled"    // address, device, at
	FactorDisabled   Kind = "factorDisabled"   // by, address, device, at
	FactorLost       Kind = "factorLost"       // admin, expires; has a link
	FactorLocked     Kind = "factorLocked"     // address, device, at
	RecoveryCodesNew Kind = "recoveryCodesNew" // address, device, at
	RecoveryCodeUsed Kind = "recoveryCodeUsed" // left, address, device, at
	IdentityLinked   Kind = "identityLinked"   // provider, address, device, at
	IdentityUnlinked Kind = "identityUnlinked" // provider, address, device, at
	IdentityConfirm  Kind = "identityConfirm"  // provider, expires, address; has a link
	IdentityRefused  Kind = "identityRefused"  // provider, address, device, at
	SessionsEnded    Kind = "sessionsEnded"    // by, address, device, at
	AccountDisabled  Kind = "accountDisabled"  // by, at
	AccountEnabled   Kind = "accountEnabled"   // by, at
	SupportEnded     Kind = "supportEnded"     // at; by and places of who was put out, and was of a super admin

	ProjectWelcome    Kind = "projectWelcome"    // inviter, address, project, role, until, reason, expires, twoStep; has a link
	ProjectInvitation Kind = "projectInvitation" // the same, to who has an account; has a link
	FactorWanted      Kind = "factorWanted"      // by, project, at
	FactorDemanded    Kind = "factorDemanded"    // by, organization, at
	RoleChanged       Kind = "roleChanged"       // by, project, from, role, at
	LastDayChanged    Kind = "lastDayChanged"    // by, project, from, until, at
	MemberRemoved     Kind = "memberRemoved"     // by, project, at, back; cause (door, moved, returned), with organization or to
	MembershipEnded   Kind = "membershipEnded"   // project, at, back
	TeamWelcome       Kind = "teamWelcome"       // inviter, address, organization or maintainer, reason, expires, twoStep; has a link
	TeamInvitation    Kind = "teamInvitation"    // the same, to who has an account; has a link
	TeamRemoved       Kind = "teamRemoved"       // by, organization or maintainer, at; cause, places; back of who had joined it by themselves
	TeamJoined        Kind = "teamJoined"        // by, email, who, organization, reason, until, at; has a link
	TeamDeleted       Kind = "teamDeleted"       // by, organization, at
	JoinRequested     Kind = "joinRequested"     // by, address, who, project, reason, hours, organization when it goes to its members; has a link
	JoinApproved      Kind = "joinApproved"      // by, project, role, expires; has a link
	JoinRejected      Kind = "joinRejected"      // by, project, reason, at
	JoinClosed        Kind = "joinClosed"        // by, project, ended (deleted, moved or right), expired, at
	ProjectExpires    Kind = "projectExpires"    // project, organization, expires; has a link
	ProjectDeleted    Kind = "projectDeleted"    // by, project, organization, until, expired, at
	ProjectRestored   Kind = "projectRestored"   // by, project, organization, expires, at; has a link
	ProjectDisabled   Kind = "projectDisabled"   // by, project, organization, reason, back, at
	ProjectEnabled    Kind = "projectEnabled"    // by, project, organization, at; has a link
	ProjectMoved      Kind = "projectMoved"      // by, project, from, to, back when it was taken back, returns when others are out by that, at; until and a link to who may take it back
	ProjectVisited    Kind = "projectVisited"    // by, address, who, project, reason, until, at; organization when it goes to its members; has a link
	MoreWanted        Kind = "moreWanted"        // by, address, project, for, text; has a link
)

// Kinds are all of them.
func Kinds() []Kind {
	return []Kind{
		Activate, ActivateSoon, ResetPassword, ResetByAdmin, PasswordChanged, NewDevice, SignInAttempts, FactorEnabled, FactorDisabled, FactorLost, FactorLocked,
		RecoveryCodesNew, RecoveryCodeUsed, IdentityLinked, IdentityUnlinked, IdentityConfirm, IdentityRefused, SessionsEnded, AccountDisabled, AccountEnabled, SupportEnded,
		ProjectWelcome, ProjectInvitation, FactorWanted, FactorDemanded, RoleChanged, LastDayChanged, MemberRemoved, MembershipEnded,
		TeamWelcome, TeamInvitation, TeamRemoved, TeamJoined, TeamDeleted, JoinRequested, JoinApproved, JoinRejected, JoinClosed,
		ProjectExpires, ProjectDeleted, ProjectRestored, ProjectDisabled, ProjectEnabled, ProjectMoved, ProjectVisited, MoreWanted,
	}
}

// Words writes the kind for people: "password changed".
func (k Kind) Words() string {
	var b strings.Builder
	for _, r := range string(k) {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte(' ')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Letter is what to tell whom.
type Letter struct {
	Kind   Kind
	To     string // a plain address; letters of either case are the same
	Name   string // the recipient's
	UserID int64  // the recipient's account; 0 for none
	Path   string // of the link, such as /activate/…; "" for none
	Values map[string]string
	Until  time.Time // it is not sent after; zero for no end
}

// check is Invalid for an address that mail cannot go to, and an error of the program's
// own for a letter that no template or link can be made for.
func (l Letter) check() error {
	a, err := netmail.ParseAddress(l.To)
	if err != nil || a.Address != l.To || len(l.To) > 254 || !utf8.ValidString(l.To) || strings.ContainsFunc(l.To, hidden) {
		return fault.New(fault.Invalid, "mail.address", "Mail cannot be sent to this address. Enter one like name@example.com.")
	}
	if !slices.Contains(Kinds(), l.Kind) {
		return fmt.Errorf("mail: nothing writes letters of kind %q", l.Kind)
	}
	if l.Path != "" && (!strings.HasPrefix(l.Path, "/") || strings.HasPrefix(l.Path, "//") || strings.ContainsFunc(l.Path, func(r rune) bool { return r <= ' ' || hidden(r) })) {
		return fmt.Errorf("mail: the path of a letter of kind %q is none of this site", l.Kind) // it may hold a secret
	}
	return nil
}

// hidden reports whether a character cannot be seen, or turns what stands beside it.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// plain makes a name fit for a header: one line of at most 200 characters that can be seen.
func plain(name string) string {
	name = strings.Map(func(r rune) rune {
		if hidden(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(name, "\uFFFD"))
	name = strings.Join(strings.Fields(name), " ")
	if r := []rune(name); len(r) > 200 {
		name = string(r[:200])
	}
	return name
}

// content is the part of a letter that is kept sealed.
type content struct {
	Path   string            `json:"path,omitempty"`
	Values map[string]string `json:"values,omitempty"`
}

// params are those of the job that delivers a mail. Jobs are shown: nothing else of the
// letter is in them.
type params struct {
	Mail int64 `json:"mail"`
}

// Send puts a letter into the outbox and gives the number of its mail. It is written in
// the caller's transaction, so that the letter goes out if, and only if, what it tells of
// has happened; a job sends it afterwards. Invalid when the address is none.
func (s *Service) Send(tx *db.Tx, l Letter) (int64, error) {
	if err := l.check(); err != nil {
		return 0, err
	}
	mail, err := tx.NewID("mails")
	if err != nil {
		return 0, err
	}
	raw, err := json.Marshal(content{l.Path, l.Values})
	if err != nil {
		return 0, fmt.Errorf("mail: %w", err)
	}
	sealed, err := s.keys.Seal(keys.Letter, place(mail), raw)
	if err != nil {
		return 0, err
	}
	job, err := s.enqueue(tx, mail)
	if err != nil {
		return 0, err
	}
	_, err = tx.Exec(`INSERT INTO mails (id, message_id, kind, recipient, recipient_name, user_id, content, state, reason, attempts, job_id,
		created_at, queued_at, until, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 'waiting', '', 0, $8, $9, $9, $10, $9)`,
		mail, fmt.Sprintf("%d.%s@%s", mail, id.Short(), s.host), string(l.Kind), strings.ToLower(l.To), plain(l.Name), db.ZeroNull(l.UserID), sealed, job, tx.Now, l.Until)
	return mail, err
}

// attempts is how often the queue starts a delivery at most: more often than its growing
// delays allow in 48 hours, so that it is this package that gives up.
const attempts = 28

func (s *Service) enqueue(tx *db.Tx, mail int64) (int64, error) {
	j, err := s.jobs.Enqueue(tx, jobs.Spec{Class: jobs.System, Operation: Deliver, Priority: jobs.Person, Params: params{mail}, MaxAttempts: attempts})
	return j.ID, err
}

// place is where the content of a mail is kept; sealed, it opens nowhere else.
func place(mail int64) string { return fmt.Sprintf("mails/%d", mail) }

// open gives back the letter of a mail.
func (s *Service) open(m Mail) (Letter, error) {
	raw, err := s.keys.Unseal(keys.Letter, place(m.ID), m.content)
	if err != nil {
		return Letter{}, err
	}
	var c content
	if err := json.Unmarshal(raw, &c); err != nil {
		return Letter{}, fmt.Errorf("mail: content of mail %d: %w", m.ID, err)
	}
	return Letter{Kind: m.Kind, To: m.To, Name: m.Name, UserID: m.UserID, Path: c.Path, Values: c.Values, Until: m.Until}, nil
}
