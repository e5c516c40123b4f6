// Package mail is the letters that people get. A letter is written in the transaction of
// what it tells of; a job sends it, and goes on trying while the mail server does not
// answer. What a letter says may hold a link that lets somebody in: it is kept sealed,
// stands in no log, event or job, and is erased as soon as it is sent.
package mail

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/keys"
)

// State is where a mail is in its life.
type State string

// The states.
const (
	Waiting State = "waiting" // to be sent
	Sent    State = "sent"
	Dead    State = "dead"    // not sent, and not tried again
	Expired State = "expired" // not sent before its time was over
)

// Mail is a letter's row in the outbox.
type Mail struct {
	ID        int64
	MessageID string // the same for every attempt
	Kind      Kind
	To, Name  string
	UserID    int64
	State     State
	Reason    string // why the last attempt did not succeed
	Attempts  int64  // since it was sent, or sent again
	CreatedAt time.Time
	Until     time.Time // not sent after; zero for no end
	SentAt    time.Time
	ChangedAt time.Time
	content   string // sealed; "" when it is erased
	job       int64
}

// Kept reports whether what the mail says is still there.
func (m Mail) Kept() bool { return m.content != "" }

// Content is a letter as it is sent.
type Content struct {
	Subject, Text, HTML string
}

// Options are what a Service is made of.
type Options struct {
	Host    string // of the public URL, for the ids of messages
	Sender  Sender // see NewSender
	Compose func(l Letter, at time.Time) (Content, error)
}

// Service is the outbox. It is safe for concurrent use.
type Service struct {
	db      *db.DB
	jobs    *jobs.Service
	keys    *keys.Ring
	log     *slog.Logger
	host    string
	sender  Sender
	compose func(Letter, time.Time) (Content, error)
}

// New makes the outbox.
func New(d *db.DB, q *jobs.Service, k *keys.Ring, log *slog.Logger, o Options) *Service {
	return &Service{db: d, jobs: q, keys: k, log: log, host: o.Host, sender: o.Sender, compose: o.Compose}
}

// searchMost is how many mails a search for a part of an address looks at, at most.
const searchMost = 50_000

// Cursor is a place in the list of mails; the zero value is its start.
type Cursor struct {
	At time.Time
	ID int64
}

// Filter selects mails. Zero fields select all.
type Filter struct {
	State  State
	To     string // an address, or a part of one if it is none that has had mail
	Before Cursor
	Limit  int
}

// Found is what List came upon.
type Found struct {
	Mails []Mail
	Until time.Time // mails older than this were not looked at; zero if all were
}

// List gives mails, newest first. For a part of an address, or an address and a state, it
// looks at no more than 50,000 mails (a few more if they were made at the same moment);
// what was not looked at is found by listing on before Found.Until. Forbidden to all but
// super admins.
func (s *Service) List(tx *db.Tx, by access.Actor, f Filter) (Found, error) {
	if err := allowed(by); err != nil {
		return Found{}, err
	}
	return list(tx, f, searchMost)
}

// Get is one mail. NotFound if there is none; Forbidden to all but super admins.
func (s *Service) Get(tx *db.Tx, by access.Actor, id int64) (Mail, error) {
	if err := allowed(by); err != nil {
		return Mail{}, err
	}
	return get(tx, id)
}

// Retry sends a dead mail again, with all the time that a new one has. NotFound if there
// is none; Conflict when it is not dead, when its time is over, and when what it said has
// been erased; Forbidden to all but super admins.
func (s *Service) Retry(tx *db.Tx, by access.Actor, id int64) (Mail, error) {
	m, err := s.Get(tx, by, id)
	if err != nil {
		return Mail{}, err
	}
	switch {
	case m.State != Dead:
		return Mail{}, fault.Newf(fault.Conflict, "mail.notDead", "Mail %d is %s. Only a dead one is sent again.", id, m.State)
	case m.over(tx.Now):
		return Mail{}, fault.Newf(fault.Conflict, "mail.over", "The time of mail %d is over. What it offers has to be asked for again.", id)
	case !m.Kept():
		return Mail{}, fault.Newf(fault.Conflict, "mail.erased", "What mail %d said has been erased. It cannot be sent again.", id)
	}
	job, err := s.enqueue(tx, id)
	if err != nil {
		return Mail{}, err
	}
	if err := tx.Must("UPDATE mails SET state = 'waiting', reason = '', attempts = 0, job_id = $2, queued_at = $3, erase_at = NULL, changed_at = $3 WHERE id = $1 AND state = 'dead'", id, job, tx.Now); err != nil {
		return Mail{}, err
	}
	e := audit.By(by, "mail.retried", "mail", fmt.Sprint(id), string(m.Kind))
	e.JobID = job
	if err := audit.Record(tx, e.Says("%s has mail %d (%s) to %s sent again. It was dead: %s", by.Name, id, m.Kind.Words(), m.To, m.Reason)); err != nil {
		return Mail{}, err
	}
	return get(tx, id)
}

// Delivers reports whether mails go anywhere: to a server or a mailbox.
func (s *Service) Delivers() bool {
	_, none := s.sender.(nobody)
	return !none
}

// Mailbox reports whether mails are kept to be shown, in place of being sent.
func (s *Service) Mailbox() bool { return s.sender.keeps() }

// Box gives the mails of the mailbox, newest first, to everybody. NotFound where mails are
// sent.
func (s *Service) Box(tx *db.Tx, f Filter) (Found, error) {
	if !s.Mailbox() {
		return Found{}, errNoMailbox()
	}
	f.State = Sent
	return list(tx, f, searchMost)
}

// InBox is one mail of the mailbox. NotFound if there is none, and where mails are sent.
func (s *Service) InBox(tx *db.Tx, id int64) (Mail, error) {
	if !s.Mailbox() {
		return Mail{}, errNoMailbox()
	}
	return db.One(tx, scan, "SELECT "+columns+" FROM mails WHERE id = $1 AND state = 'sent'", id)
}

// Open gives what a mail of the mailbox says. NotFound where mails are sent; Conflict when
// it has been erased.
func (s *Service) Open(m Mail) (Letter, error) {
	switch {
	case !s.Mailbox():
		return Letter{}, errNoMailbox()
	case !m.Kept():
		return Letter{}, fault.Newf(fault.Conflict, "mail.erased", "What mail %d said has been erased.", m.ID)
	}
	return s.open(m)
}

func errNoMailbox() error { return fault.New(fault.NotFound, "notFound", "Not found.") }

// over reports whether a mail is not to be sent any more.
func (m Mail) over(now time.Time) bool { return !m.Until.IsZero() && !now.Before(m.Until) }

// allowed is Forbidden to all who do not manage the installation.
func allowed(by access.Actor) error {
	if access.MayAbove(access.InstallationManage, access.Above{SignedIn: by.UserID != 0, SuperAdmin: by.SuperAdmin}) {
		return nil
	}
	return fault.New(fault.Forbidden, "access.superAdmin", "Only super admins see the mails of the installation.")
}

const columns = `id, message_id, kind, recipient, recipient_name, user_id, state, reason, attempts, created_at, until, sent_at, changed_at, content, job_id`

func get(tx *db.Tx, id int64) (Mail, error) {
	return db.One(tx, scan, "SELECT "+columns+" FROM mails WHERE id = $1", id)
}

func scan(r db.Row) (Mail, error) {
	var m Mail
	return m, r.Scan(&m.ID, &m.MessageID, &m.Kind, &m.To, &m.Name, db.Null(&m.UserID), &m.State, &m.Reason, &m.Attempts,
		db.Time(&m.CreatedAt), db.Time(&m.Until), db.Time(&m.SentAt), db.Time(&m.ChangedAt), &m.content, &m.job)
}

// list finds mails by the index that fits, and bounds how many it looks at for what has
// none.
func list(tx *db.Tx, f Filter, most int) (Found, error) {
	to := strings.ToLower(strings.TrimSpace(f.To))
	whole, err := db.Value[bool](tx, "SELECT EXISTS (SELECT 1 FROM mails WHERE recipient = $1)", to)
	if err != nil {
		return Found{}, err
	}
	var w db.Where
	var test string // what no index finds
	var arg any
	switch {
	case whole:
		w.And("recipient = ?", to)
		if f.State != "" {
			test, arg = "state || '' = ?", string(f.State) // so that no planner takes the index of the state
		}
	case f.State != "":
		w.And("state = ?", string(f.State))
	default:
		w.And("created_at > ?", 0)
	}
	if to != "" && !whole {
		test, arg = `recipient LIKE ? ESCAPE '\'`, db.Like(to)
	}
	if !f.Before.At.IsZero() {
		w.And("(created_at, id) < (?, ?)", f.Before.At, f.Before.ID)
	}
	var until time.Time
	if test != "" {
		if until, err = furthest(tx, w, most); err != nil {
			return Found{}, err
		}
		if !until.IsZero() {
			w.And("created_at >= ?", until)
		}
		w.And(test, arg)
	}
	mails, err := db.All(tx, scan, "SELECT "+columns+" FROM mails WHERE "+w.SQL()+fmt.Sprintf(" ORDER BY created_at DESC, id DESC LIMIT %d", f.Limit), w.Args()...)
	if err != nil || len(mails) == f.Limit { // there are more, whatever stands behind
		return Found{Mails: mails}, err
	}
	return Found{Mails: mails, Until: until}, nil
}

// furthest is the time of the last mail that may be looked at, the zero time when all may.
func furthest(tx *db.Tx, w db.Where, most int) (time.Time, error) {
	end, err := db.One(tx, func(r db.Row) (t time.Time, err error) { return t, r.Scan(db.Time(&t)) },
		fmt.Sprintf("SELECT created_at FROM mails WHERE %s ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET %d", w.SQL(), most-1), w.Args()...)
	if fault.Is(err, fault.NotFound) {
		return time.Time{}, nil
	}
	return end, err
}
