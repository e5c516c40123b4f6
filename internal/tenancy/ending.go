package tenancy

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/text/unicode/norm"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/mail"
)

// Cause is why an invitation or a request to join ended that nobody answered, cancelled or took
// back. It stands for its state then.
type Cause string

// The causes.
const (
	CauseJoined  Cause = "joined"  // its person came in by themselves
	CauseInvited Cause = "invited" // of a request: they accepted an invitation
	CauseAdded   Cause = "added"   // somebody let them in in another way
	CauseDeleted Cause = "deleted" // the project was
	CauseMoved   Cause = "moved"   // the project was, to another organization
	CauseRight   Cause = "right"   // of a request: they lost the right by which they asked
	CauseUntold  Cause = "untold"  // of a request: nobody kept which, or whether it was taken back
)

// became is the state of an invitation or a request x, or why it ended.
const became = "CASE WHEN x.cause = '' THEN x.state ELSE x.cause END"

// text says why, at the end of a sentence.
func (c Cause) text() string {
	switch c {
	case CauseJoined:
		return "they joined by themselves"
	case CauseInvited:
		return "they accepted an invitation"
	case CauseDeleted:
		return "the project was deleted"
	case CauseMoved:
		return "the project was moved to another organization"
	case CauseRight:
		return "they lost the right by which they asked"
	}
	return "they were let in in another way"
}

// came is what somebody who comes in is to what waits of theirs.
func (m Member) came() Cause {
	switch m.Who.ID {
	case m.Approver.ID, m.Invitor.ID:
		return CauseJoined
	}
	if m.Invitor.ID != 0 {
		return CauseInvited
	}
	return CauseAdded
}

// Bounds of what is told of invitations and requests that wait no more.
const (
	pastDays = 30
	pastMost = 20 // to one person
)

// past lists what ended of a person in the last 30 days, whoever ended it, the last first, 20 at
// most. read selects it by the person $1.
func past[T any](tx *db.Tx, a access.Actor, scan func(db.Row) (T, error), read string, ended func(T) time.Time) ([]T, error) {
	since := tx.Now.AddDate(0, 0, -pastDays)
	// What is over, and nothing has marked yet.
	over, err := db.All(tx, scan, read+fmt.Sprintf("x.state = 'pending' AND x.expires_at <= $2 AND x.expires_at > $3 ORDER BY x.id DESC LIMIT %d", pastMost), a.UserID, tx.Now, since)
	if err != nil {
		return nil, err
	}
	out, err := db.All(tx, scan, read+fmt.Sprintf("x.state <> 'pending' AND x.ended_at <= $2 AND x.ended_at > $3 ORDER BY x.ended_at DESC, x.id DESC LIMIT %d", pastMost), a.UserID, tx.Now, since)
	out = append(over, out...)
	slices.SortStableFunc(out, func(a, b T) int { return ended(b).Compare(ended(a)) })
	return out[:min(len(out), pastMost)], err
}

// PastInvitations are those of a person that wait no more: see past.
func PastInvitations(tx *db.Tx, a access.Actor) ([]Invitation, error) {
	return past(tx, a, scanInvitation(tx.Now), selectInvitations, func(i Invitation) time.Time { return i.Ended })
}

// PastRequests are those of a person that wait no more: see past.
func PastRequests(tx *db.Tx, a access.Actor) ([]Request, error) {
	return past(tx, a, scanRequest(tx.Now), selectRequests+"x.user_id = $1 AND ", func(r Request) time.Time { return r.Ended })
}

// WaitingRequests are those of a person that wait, the newest first, 200 at most: more than anybody
// makes in the week that one may count.
func WaitingRequests(tx *db.Tx, a access.Actor) ([]Request, error) {
	return db.All(tx, scanRequest(tx.Now), selectRequests+stillWaits+"x.user_id = $2 ORDER BY x.id DESC LIMIT 200", tx.Now, a.UserID)
}

// LastRequest is the one of the actor to join a project that ended last, within the last 30 days;
// zero for none.
func LastRequest(tx *db.Tx, a access.Actor, project int64) (Request, error) {
	list, err := past(tx, a, scanRequest(tx.Now), selectRequests+fmt.Sprintf("x.user_id = $1 AND x.project_id = %d AND ", project), func(r Request) time.Time { return r.Ended })
	if err != nil || len(list) == 0 {
		return Request{}, err
	}
	return list[0], nil
}

// endInvitation ends one that waits. by is who cancelled it, 0 for nobody.
func endInvitation(tx *db.Tx, id int64, state string, why Cause, by int64) error {
	if err := tx.Must("UPDATE invitations SET state = $2, cause = $3, ended_at = $4, ended_by = $5 WHERE id = $1 AND state = 'pending'", id, state, string(why), tx.Now, db.ZeroNull(by)); err != nil {
		return err
	}
	return accounts.EndInvited(tx, id)
}

// overtakeInvitation ends the one of somebody who comes into a place, if one waits.
func overtakeInvitation(tx *db.Tx, at place, m Member) error {
	if err := at.expire(tx, m.Who.ID); err != nil {
		return err
	}
	waits, err := db.Value[int64](tx, "SELECT id FROM invitations WHERE "+at.kind+"_id = $1 AND user_id = $2 AND state = 'pending'", at.id, m.Who.ID)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	why := m.came()
	if why == CauseInvited {
		return endInvitation(tx, waits, "accepted", "", 0)
	}
	if err := endInvitation(tx, waits, "cancelled", why, 0); err != nil {
		return err
	}
	e := at.event(at.by, m.Who, "*.invitationClosed")
	e.Params = map[string]any{"invitation": waits, "cause": why}
	return audit.Record(tx, e.Says("The invitation of %s to %s was not needed any more: %s.", m.Who.Email, at.named(), why.text()))
}

// waiting is an invitation that waits, or whose time is over and that nothing has marked yet.
type waiting struct {
	id                                int64
	email                             string
	role                              access.Role
	open                              time.Time
	project, organization, maintainer int64 // which it is to
}

const selectWaiting = "SELECT x.id, x.email, x.role, x.expires_at, x.project_id, x.organization_id, x.maintainer_id FROM invitations x WHERE x.state = 'pending' AND "

func scanWaiting(r db.Row) (waiting, error) {
	var i waiting
	return i, r.Scan(&i.id, &i.email, &i.role, db.Time(&i.open), db.Null(&i.project), db.Null(&i.organization), db.Null(&i.maintainer))
}

// place is what it is to.
func (i waiting) place(tx *db.Tx, by access.Actor) (place, error) {
	if i.project != 0 {
		p, err := Find(tx, i.project)
		if err != nil {
			return place{}, err
		}
		return placeOf(tx, by, p)
	}
	kind, id := OfOrganization, i.organization
	if i.maintainer != 0 {
		kind, id = OfMaintainer, i.maintainer
	}
	t, err := findTeam(tx, kind, id)
	t.actor = by
	return t.place(tx), err
}

// who is its person as others see them who has not accepted it.
func (i waiting) who() Who { return Who{Email: i.email, Name: i.email} }

// over marks one whose time is over, unless something has, and records that.
func (at place) over(tx *db.Tx, i waiting) error {
	n, err := tx.Exec("UPDATE invitations SET state = 'expired', ended_at = expires_at WHERE id = $1 AND state = 'pending' AND expires_at <= $2", i.id, tx.Now)
	if err != nil || n == 0 {
		return err
	}
	e := at.event(steward(), i.who(), "*.invitationExpired")
	e.Params = map[string]any{"invitation": i.id, "expires": i.open}
	return audit.Record(tx, e.Says("The time of the invitation of %s to %s was over before it was answered.", i.email, at.said(i.role)))
}

// expire marks those to the place whose time is over, of a person, or of all for 0.
func (at place) expire(tx *db.Tx, user int64) error {
	list, err := db.All(tx, scanWaiting, selectWaiting+"x."+at.kind+"_id = $1 AND x.expires_at <= $2 AND (CAST($3 AS BIGINT) = 0 OR x.user_id = $3)"+fmt.Sprintf(" ORDER BY x.id LIMIT %d", closedMost), at.id, tx.Now, user)
	for _, i := range list {
		if err := at.over(tx, i); err != nil {
			return err
		}
	}
	if err != nil || len(list) < closedMost {
		return err
	}
	_, err = tx.Exec("UPDATE invitations SET state = 'expired', ended_at = expires_at WHERE "+at.kind+"_id = $1 AND state = 'pending' AND expires_at <= $2", at.id, tx.Now)
	return err
}

// close ends one that waits, and records why.
func (at place) close(tx *db.Tx, i waiting, why Cause) error {
	if err := endInvitation(tx, i.id, "cancelled", why, 0); err != nil {
		return err
	}
	text := why.text()
	if why == CauseDeleted {
		text = "the " + at.kind + " was deleted"
	}
	e := at.event(at.by, i.who(), "*.invitationClosed")
	e.Params = map[string]any{"invitation": i.id, "cause": why}
	return audit.Record(tx, e.Says("The invitation of %s to %s was closed: %s.", i.email, at.said(i.role), text))
}

// closeInvitations ends all invitations to a place that wait, and tells how many.
func closeInvitations(tx *db.Tx, at place, why Cause) (int64, error) {
	if err := at.expire(tx, 0); err != nil {
		return 0, err
	}
	list, err := db.All(tx, scanWaiting, selectWaiting+"x."+at.kind+"_id = $1"+fmt.Sprintf(" ORDER BY x.id LIMIT %d", closedMost), at.id)
	for _, i := range list {
		if err := at.close(tx, i, why); err != nil {
			return 0, err
		}
	}
	if err != nil || len(list) < closedMost {
		return int64(len(list)), err
	}
	if _, err := tx.Exec("UPDATE account_links SET ended_at = $2 WHERE ended_at IS NULL AND invitation_id IN (SELECT id FROM invitations WHERE "+at.kind+"_id = $1 AND state = 'pending')", at.id, tx.Now); err != nil {
		return 0, err
	}
	more, err := tx.Exec("UPDATE invitations SET state = 'cancelled', cause = $3, ended_at = $2 WHERE "+at.kind+"_id = $1 AND state = 'pending'", at.id, tx.Now, string(why))
	return int64(len(list)) + more, err
}

// overMost is how many invitations or requests to join one transaction marks whose time is over,
// each with an event.
const overMost = 100

// inTurns does something in one transaction after the other, until there is less of it than fits.
func inTurns(ctx context.Context, d *db.DB, some func(*db.Tx) (int, error)) error {
	for n := overMost; n == overMost; {
		if err := d.Update(ctx, func(tx *db.Tx) (err error) { n, err = some(tx); return err }); err != nil {
			return err
		}
	}
	return nil
}

// CloseInvitations marks those whose time is over, and records that. They count for nothing before
// that either.
func CloseInvitations(ctx context.Context, d *db.DB) error {
	return inTurns(ctx, d, func(tx *db.Tx) (int, error) {
		list, err := db.All(tx, scanWaiting, selectWaiting+fmt.Sprintf("x.expires_at <= $1 ORDER BY x.expires_at LIMIT %d", overMost), tx.Now)
		for _, i := range list {
			at, err := i.place(tx, steward())
			if err != nil {
				return 0, err
			}
			if err := at.over(tx, i); err != nil {
				return 0, err
			}
		}
		return len(list), err
	})
}

func endRequest(tx *db.Tx, request int64, state string, why Cause, by int64) error {
	return tx.Must("UPDATE join_requests SET state = $2, cause = $3, ended_at = $4, decided_by = $5 WHERE id = $1 AND state = 'pending'", request, state, string(why), tx.Now, db.ZeroNull(by))
}

// closeRequest ends a request that waits, and records why.
func closeRequest(tx *db.Tx, by access.Actor, p Project, r Request, why Cause) error {
	if err := endRequest(tx, r.ID, "cancelled", why, 0); err != nil {
		return err
	}
	e, err := inDefault(tx, audit.By(by, "project.joinRequestClosed", "user", r.Who.Email, r.Who.Name), p)
	if err != nil {
		return err
	}
	e.Params = map[string]any{"request": r.ID, "cause": why}
	return audit.Record(tx, e.Says("The request of %s (%s) to join %q was closed: %s.", r.Who.Name, r.Who.Email, p.Name, why.text()))
}

// overtakeRequest ends the one of somebody who comes into a project, if one waits.
func overtakeRequest(tx *db.Tx, by access.Actor, p Project, m Member) error {
	r, err := myRequest(tx, access.Actor{UserID: m.Who.ID}, p.ID)
	if err != nil || r.ID == 0 {
		return err
	}
	return closeRequest(tx, by, p, r, m.came())
}

// closeOf is closeRequest for one that its person did not end: they are mailed.
func (v *Service) closeOf(tx *db.Tx, by access.Actor, p Project, r Request, why Cause) error {
	if err := closeRequest(tx, by, p, r, why); err != nil || r.Who.State != accounts.Active || r.Who.ID == by.UserID {
		return err
	}
	values := map[string]string{"by": by.Name, "project": p.Name, "ended": string(why), "at": moment(tx.Now)}
	if by.UserID == 0 {
		values["expired"] = moment(tx.Now)
	}
	_, err := v.mail.Send(tx, mail.Letter{Kind: mail.JoinClosed, To: r.Who.Email, Name: r.Who.Name, UserID: r.Who.ID, Values: values})
	return err
}

// endAsking closes the requests of a person that hang on a right which they have lost: see endVisits.
func (v *Service) endAsking(tx *db.Tx, by access.Actor, w Who, condition string, args ...any) error {
	type waiting struct{ id, project int64 }
	list, err := db.All(tx, func(r db.Row) (waiting, error) {
		var x waiting
		return x, r.Scan(&x.id, &x.project)
	}, "SELECT m.id, m.project_id FROM join_requests m JOIN projects p ON p.id = m.project_id WHERE m.user_id = $1 AND m.state = 'pending' AND "+condition+" ORDER BY m.id", append([]any{w.ID}, args...)...)
	for _, x := range list {
		r, err := db.One(tx, scanRequest(tx.Now), selectRequests+"x.id = $1", x.id)
		if err != nil {
			return err
		}
		if !r.Waits() { // its time was over before
			continue
		}
		p, err := Find(tx, x.project)
		if err != nil {
			return err
		}
		if err := v.closeOf(tx, by, p, r, CauseRight); err != nil {
			return err
		}
	}
	return err
}

// closedMost is how many people are mailed when the requests to join a project are closed, each
// with an event, and how many invitations are closed with one. Those of more people end without.
const closedMost = 1000

// closeRequests ends all requests to join a project that wait, and tells how many.
func (v *Service) closeRequests(tx *db.Tx, by access.Actor, p Project, why Cause) (int64, error) {
	if err := expireRequests(tx, p, 0); err != nil {
		return 0, err
	}
	list, err := db.All(tx, scanRequest(tx.Now), selectRequests+stillWaits+fmt.Sprintf("x.project_id = $2 ORDER BY x.id LIMIT %d", closedMost), tx.Now, p.ID)
	for _, r := range list {
		if err := v.closeOf(tx, by, p, r, why); err != nil {
			return 0, err
		}
	}
	if err != nil {
		return 0, err
	}
	more, err := tx.Exec("UPDATE join_requests SET state = 'cancelled', cause = $3, ended_at = $2 WHERE project_id = $1 AND state = 'pending'", p.ID, tx.Now, string(why))
	return int64(len(list)) + more, err
}

// overRequest marks one whose time is over, unless something has, and records that.
func overRequest(tx *db.Tx, p Project, r Request) error {
	n, err := tx.Exec("UPDATE join_requests SET state = 'expired', ended_at = expires_at WHERE id = $1 AND state = 'pending' AND expires_at <= $2", r.ID, tx.Now)
	if err != nil || n == 0 {
		return err
	}
	e, err := inDefault(tx, audit.By(steward(), "project.joinRequestExpired", "user", r.Who.Email, r.Who.Name), p)
	if err != nil {
		return err
	}
	e.Params = map[string]any{"request": r.ID, "expires": r.Open}
	return audit.Record(tx, e.Says("The time of the request of %s (%s) to join %q was over before anybody decided.", r.Who.Name, r.Who.Email, p.Name))
}

// isOver is the condition of the requests whose time is over and that nothing has marked yet.
const isOver = "x.state = 'pending' AND x.expires_at <= $1"

// expireRequests marks those to join a project whose time is over, of a person, or of all for 0.
func expireRequests(tx *db.Tx, p Project, user int64) error {
	list, err := db.All(tx, scanRequest(tx.Now), selectRequests+isOver+" AND x.project_id = $2 AND (CAST($3 AS BIGINT) = 0 OR x.user_id = $3)"+fmt.Sprintf(" ORDER BY x.id LIMIT %d", closedMost), tx.Now, p.ID, user)
	for _, r := range list {
		if err := overRequest(tx, p, r); err != nil {
			return err
		}
	}
	if err != nil || len(list) < closedMost {
		return err
	}
	_, err = tx.Exec("UPDATE join_requests SET state = 'expired', ended_at = expires_at WHERE project_id = $1 AND state = 'pending' AND expires_at <= $2", p.ID, tx.Now)
	return err
}

// CloseRequests marks the requests to join whose time is over, and records that. They count for
// nothing before that either.
func CloseRequests(ctx context.Context, d *db.DB) error {
	return inTurns(ctx, d, func(tx *db.Tx) (int, error) {
		list, err := db.All(tx, scanRequest(tx.Now), selectRequests+isOver+fmt.Sprintf(" ORDER BY x.expires_at LIMIT %d", overMost), tx.Now)
		for _, r := range list {
			p, err := Find(tx, r.ProjectID)
			if err != nil {
				return 0, err
			}
			if err := overRequest(tx, p, r); err != nil {
				return 0, err
			}
		}
		return len(list), err
	})
}

// CountRequests is how many requests to join the scope's project wait.
func CountRequests(tx *db.Tx, s access.Project) (int64, error) {
	return db.Value[int64](tx, "SELECT count(*) FROM join_requests WHERE project_id = $1 AND state = 'pending' AND expires_at > $2", s.ID(), tx.Now)
}

// pastFilter selects among the invitations to a place that ended in the last 30 days.
type pastFilter struct {
	search string
	role   access.Role
	after  *Member // the last one that is known
	limit  int
}

// pastInvitations lists the invitations to a place that wait no more, the last that ended first. at
// is the column of the place.
func pastInvitations(tx *db.Tx, at string, id int64, f pastFilter) ([]Member, error) {
	var out []Member
	for _, of := range []struct{ state, ended, order string }{
		{"=", "x.expires_at", ""}, // few: what is over, and nothing has marked yet
		{"<>", "x.ended_at", fmt.Sprintf(" ORDER BY x.ended_at DESC, x.id DESC LIMIT %d", f.limit)},
	} {
		var w db.Where
		w.And("x."+at+" = ? AND x.state "+of.state+" 'pending' AND "+of.ended+" <= ? AND "+of.ended+" > ?", id, tx.Now, tx.Now.AddDate(0, 0, -pastDays))
		if f.search != "" {
			w.And(`x.email LIKE ? ESCAPE '\'`, db.Like(norm.NFKC.String(f.search)))
		}
		if f.role != "" {
			w.And("x.role = ?", string(f.role))
		}
		if f.after != nil && !f.after.Ended.IsZero() {
			w.And("("+of.ended+", x.id) < (?, ?)", f.after.Ended, f.after.ID)
		}
		args := w.Args(tx.Now)
		// What who sent it is to which organization does not count any more.
		list, err := db.All(tx, scanInvited(tx.Now, nil), invited("0", fmt.Sprintf("$%d", len(args)))+w.SQL()+of.order, args...)
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	slices.SortFunc(out, func(a, b Member) int {
		return cmp.Or(b.Ended.Compare(a.Ended), cmp.Compare(b.ID, a.ID))
	})
	return out[:min(len(out), f.limit)], nil
}
