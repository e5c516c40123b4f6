package mail

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
)

// Deliver is the operation of the job that sends one mail.
const Deliver = "mail.deliver"

const (
	patience = 48 * time.Hour      // how long a mail is tried
	deadLife = 30 * 24 * time.Hour // of the content of a dead mail that has no end of its own
	bounded  = time.Minute         // one attempt, whatever the server does
)

// Sender hands letters over. A *sendError says why it did not, and whether for good; any
// other error is a fault of the program.
type Sender interface {
	send(ctx context.Context, m Mail, c Content) error
	keeps() bool // what was sent is kept, to be shown
}

// sendError is why a mail was not sent.
type sendError struct {
	reason string // for people; it may quote the server
	final  bool   // it is of no use to try again
}

func (e *sendError) Error() string { return e.reason }

// Run is the work of a job that sends a mail: one attempt. It holds no transaction while
// the server is spoken to. An attempt that fails for a reason that may pass is tried again
// by the queue, later each time, for 48 hours; then, or when it can never succeed, the
// mail is dead and the job done. Whoever sends a mail twice, because the first one's end
// was lost, sends the same Message-ID.
func (s *Service) Run(ctx context.Context, run *jobs.Run) error {
	var p params
	if err := json.Unmarshal(run.Job.Params, &p); err != nil {
		return fmt.Errorf("mail: params of job %d: %w", run.Job.ID, err)
	}
	m, err := s.begin(ctx, run, p.Mail)
	if err != nil || m.State != Waiting {
		return err
	}
	why := s.attempt(ctx, m)
	if why != nil && ctx.Err() != nil { // the worker stops, or has lost the job: the server is not to blame
		return ctx.Err()
	}
	return s.settle(ctx, run, m, why)
}

// begin counts an attempt at a mail, or ends the job of one that is not to be sent.
func (s *Service) begin(ctx context.Context, run *jobs.Run, id int64) (m Mail, err error) {
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		if err := run.Hold(tx); err != nil {
			return err
		}
		if m, err = get(tx, id); err != nil {
			return err
		}
		switch {
		case m.State != Waiting || m.job != run.Job.ID:
			was := m.State
			m.State = "" // whatever it is, this job's part is over
			return run.Complete(tx, jobs.Result{Results: outcome{State: was}, Says: "There was nothing to send any more."})
		case m.over(tx.Now):
			m.State = Expired
			if err := expire(tx, m); err != nil {
				return err
			}
			return run.Complete(tx, jobs.Result{Results: outcome{State: Expired}, Says: "Not sent, because its time is over."})
		}
		return tx.Must("UPDATE mails SET attempts = attempts + 1, changed_at = $2 WHERE id = $1", id, tx.Now)
	})
	return m, err
}

// attempt writes the letter and hands it over.
func (s *Service) attempt(ctx context.Context, m Mail) error {
	l, err := s.open(m)
	if err != nil {
		return err
	}
	c, err := s.compose(l, m.CreatedAt)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, bounded)
	defer cancel()
	err = s.sender.send(ctx, m, c)
	var known *sendError
	if errors.As(err, &known) {
		return &sendError{tidy(withoutCode(known.reason, l.Path)), known.final}
	}
	return err
}

// withoutCode takes the code of a link out of a text: there are servers that quote what
// they refuse, or a part of it.
func withoutCode(text, path string) string {
	const part = 12
	for _, code := range strings.FieldsFunc(path, func(r rune) bool { return strings.ContainsRune("/?&=#", r) }) {
		for i := 0; len(code) > part && i+part <= len(code); i++ {
			text = strings.ReplaceAll(text, code[i:i+part], "…")
		}
	}
	return text
}

// outcome is a job's result.
type outcome struct {
	State  State  `json:"state"`
	Reason string `json:"reason,omitempty"`
}

// settle notes what became of an attempt. It also does so when the worker is told to stop
// meanwhile: a server that has taken a mail does not take it back.
func (s *Service) settle(ctx context.Context, run *jobs.Run, m Mail, why error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if why == nil {
		return s.sent(ctx, run, m)
	}
	var known *sendError
	if !errors.As(why, &known) {
		s.log.Error("a mail could not be written", "mail", m.ID, "kind", m.Kind, "error", why)
		known = &sendError{reason: "The mail could not be written, for a reason of ours. The log of the server names it."}
	}
	s.log.Warn("a mail was not sent", "mail", m.ID, "kind", m.Kind, "reason", known.reason, "final", known.final)
	gone := false
	err := s.db.Update(ctx, func(tx *db.Tx) error {
		gone = known.final || tx.Now.Sub(run.Job.CreatedAt) >= patience
		if !gone {
			if err := run.Hold(tx); err != nil {
				return err
			}
			_, err := tx.Exec("UPDATE mails SET reason = $3, changed_at = $4 WHERE id = $1 AND job_id = $2 AND state = 'waiting'", m.ID, run.Job.ID, known.reason, tx.Now)
			return err
		}
		if err := die(tx, m, known.reason); err != nil {
			return err
		}
		return run.Complete(tx, jobs.Result{Results: outcome{Dead, known.reason}, Says: "Not sent, and not tried again: " + known.reason})
	})
	if err != nil || gone {
		return err
	}
	if err := run.Log(ctx, audit.Warn, "Not sent: %s", known.reason); err != nil {
		return err
	}
	return fault.New(fault.Unavailable, "mail.notSent", known.reason)
}

// sent notes that a mail was handed over, also when the job has another worker by now:
// that one must not send it again. It insists, because otherwise the mail goes out twice.
func (s *Service) sent(ctx context.Context, run *jobs.Run, m Mail) error {
	note := func(tx *db.Tx) error {
		sent := "content = '', erase_at = NULL"
		if s.sender.keeps() {
			sent = "erase_at = $2" // as soon as it is not shown any more
		}
		n, err := tx.Exec("UPDATE mails SET state = 'sent', reason = '', sent_at = $2, changed_at = $2, "+sent+" WHERE id = $1 AND state <> 'sent'", m.ID, tx.Now)
		if err != nil || n == 0 {
			return err
		}
		return audit.Record(tx, event(m, audit.Success, "mail.sent").Says("The mail %d (%s) to %s was sent.", m.ID, m.Kind.Words(), m.To))
	}
	var err error
	for wait := 100 * time.Millisecond; ; wait *= 2 {
		err = s.db.Update(ctx, func(tx *db.Tx) error {
			if err := note(tx); err != nil {
				return err
			}
			return run.Complete(tx, jobs.Result{Results: outcome{State: Sent}, Says: "Sent to " + m.To + "."})
		})
		if errors.Is(err, jobs.ErrFenced) {
			return errors.Join(err, s.db.Update(ctx, note))
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// die ends a waiting mail that is not tried again. What it says is kept for a while, so
// that it can be sent after all.
func die(tx *db.Tx, m Mail, reason string) error {
	end := tx.Now.Add(deadLife)
	if !m.Until.IsZero() {
		end = m.Until
	}
	n, err := tx.Exec("UPDATE mails SET state = 'dead', reason = $2, erase_at = $3, changed_at = $4 WHERE id = $1 AND state = 'waiting'", m.ID, reason, end, tx.Now)
	if err != nil || n == 0 {
		return err
	}
	return audit.Record(tx, event(m, audit.Error, "mail.dead").Says("The mail %d (%s) to %s was not sent, and is not tried again: %s", m.ID, m.Kind.Words(), m.To, reason))
}

// expire ends a waiting mail whose time is over.
func expire(tx *db.Tx, m Mail) error {
	n, err := tx.Exec("UPDATE mails SET state = 'expired', content = '', erase_at = NULL, changed_at = $2 WHERE id = $1 AND state = 'waiting'", m.ID, tx.Now)
	if err != nil || n == 0 {
		return err
	}
	return audit.Record(tx, event(m, audit.Warn, "mail.expired").Says("The mail %d (%s) to %s was not sent before its time was over.", m.ID, m.Kind.Words(), m.To))
}

// Sweep ends waiting mails whose time is over or that were tried for long enough, erases
// what dead mails said once it is not kept any more, and gives how many mails it saw to.
func (s *Service) Sweep(ctx context.Context) (int64, error) {
	var all int64
	for _, do := range []func(*db.Tx) (int64, error){s.sweepExpired, s.sweepDead, s.sweepContent} {
		for {
			var n int64
			err := s.db.Update(ctx, func(tx *db.Tx) (err error) { n, err = do(tx); return err })
			if err != nil {
				return all, err
			}
			if all += n; n < sweepMost {
				break
			}
		}
	}
	return all, nil
}

// sweepMost is how many mails one transaction of a sweep takes.
const sweepMost = 500

func (s *Service) sweepExpired(tx *db.Tx) (int64, error) {
	return sweep(tx, func(m Mail) error { return expire(tx, m) }, "state = 'waiting' AND until IS NOT NULL AND until <= $1", tx.Now)
}

// sweepDead ends mails whose next attempt would come too late, and those whose job ended
// without a word because its process was killed again and again. One that was never tried
// has its attempt, however long no worker ran.
func (s *Service) sweepDead(tx *db.Tx) (int64, error) {
	return sweep(tx, func(m Mail) error { return die(tx, m, cmp.Or(m.Reason, "Every attempt broke off.")) },
		"state = 'waiting' AND queued_at <= $1 AND attempts > 0", tx.Now.Add(-patience))
}

func (s *Service) sweepContent(tx *db.Tx) (int64, error) {
	where := "erase_at IS NOT NULL AND erase_at <= $1"
	if s.sender.keeps() {
		where += " AND state <> 'sent'"
	}
	return sweep(tx, func(m Mail) error {
		_, err := tx.Exec("UPDATE mails SET content = '', erase_at = NULL WHERE id = $1 AND erase_at <= $2", m.ID, tx.Now) // it may be sent again by now
		return err
	}, where, tx.Now)
}

func sweep(tx *db.Tx, do func(Mail) error, where string, at time.Time) (int64, error) {
	mails, err := db.All(tx, scan, "SELECT "+columns+" FROM mails WHERE "+where+fmt.Sprintf(" LIMIT %d", sweepMost), at)
	for _, m := range mails {
		if err := do(m); err != nil {
			return 0, err
		}
	}
	return int64(len(mails)), err
}

func event(m Mail, t audit.Type, name string) audit.Event {
	return audit.Event{Type: t, Name: name, ObjectType: "mail", ObjectID: fmt.Sprint(m.ID), ObjectName: string(m.Kind), ActorName: "Steward", JobID: m.job,
		Params: map[string]any{"recipient": m.To}}
}
