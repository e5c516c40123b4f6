package tenancy

import (
	"fmt"
	"strings"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/mail"
	"steward/internal/throttle"
)

// RequestDays is how long a request to join waits for an answer.
const RequestDays = 7

// Limits of asking.
var (
	perAsker      = throttle.Limit{Count: 20, Window: 24 * time.Hour}
	perAskedPlace = throttle.Limit{Count: 5, Window: 24 * time.Hour} // by one person
)

// Request is somebody's wish to be let into a project.
type Request struct {
	ID           int64
	Project      string // its name
	ProjectID    int64
	Governed     bool   // the project is
	Organization string // its name
	Who          Who
	Factor       bool
	Through      Through
	Reason       string
	Hours        int // for which they will be in it
	At           time.Time
	Open         time.Time // until when it counts: a week, or until the right ends by which they ask
	State        string    // pending, approved, rejected, cancelled (taken back), expired, or a Cause
	Ended        time.Time // when somebody decided, or it ended by itself; zero while it waits
	By           Who       // who decided; zero for nobody
	Answer       string    // why they rejected it; "" when they did not say
}

// Waits reports whether nobody has decided yet, and somebody may.
func (r Request) Waits() bool { return r.State == "pending" }

// RequestPath is where a request is decided.
func RequestPath(project, request int64) string {
	return fmt.Sprintf("/projects/%d/settings/requests/%d", project, request)
}

const selectRequests = `SELECT x.id, p.name, p.id, p.governed, o.name, u.id, u.email, u.name, u.state, t.user_id, ` + rightOf + `, x.reason, x.hours, x.created_at, x.expires_at, ` + became + `, x.ended_at, d.id, d.email, d.name, x.answer
	FROM join_requests x JOIN projects p ON p.id = x.project_id JOIN organizations o ON o.id = p.organization_id JOIN users u ON u.id = x.user_id LEFT JOIN factors t ON t.user_id = x.user_id LEFT JOIN users d ON d.id = x.decided_by WHERE `

// stillWaits is the condition of the requests that somebody may decide on.
const stillWaits = "x.state = 'pending' AND x.expires_at > $1 AND "

// scanRequest reads a request as it is at a time.
func scanRequest(now time.Time) func(db.Row) (Request, error) {
	return func(r db.Row) (Request, error) {
		var q Request
		var factor int64
		err := r.Scan(&q.ID, &q.Project, &q.ProjectID, &q.Governed, &q.Organization, &q.Who.ID, &q.Who.Email, &q.Who.Name, &q.Who.State, db.Null(&factor), &q.Through, &q.Reason, &q.Hours, db.Time(&q.At), db.Time(&q.Open), &q.State, db.Time(&q.Ended), db.Null(&q.By.ID), db.Null(&q.By.Email), db.Null(&q.By.Name), &q.Answer)
		if q.Factor = factor != 0; q.Waits() && !now.Before(q.Open) { // nothing has marked it yet
			q.State, q.Ended = "expired", q.Open
		}
		return q, err
	}
}

// myRequest is the one of a person that waits in a project, zero for none.
func myRequest(tx *db.Tx, a access.Actor, project int64) (Request, error) {
	r, err := db.One(tx, scanRequest(tx.Now), selectRequests+stillWaits+"x.project_id = $2 AND x.user_id = $3", tx.Now, project, a.UserID)
	if fault.Is(err, fault.NotFound) {
		return Request{}, nil
	}
	return r, err
}

// FindRequest is a request to join the scope's project, with what became of it. NotFound if there
// is none; Forbidden for who may not decide.
func FindRequest(tx *db.Tx, s access.Project, request int64) (Request, error) {
	if err := s.Require(access.JoinRequestsDecide, false); err != nil {
		return Request{}, err
	}
	return db.One(tx, scanRequest(tx.Now), selectRequests+"x.project_id = $1 AND x.id = $2", s.ID(), request)
}

// findWaiting is FindRequest for one that waits. Conflict for another.
func findWaiting(tx *db.Tx, s access.Project, request int64) (Request, error) {
	r, err := FindRequest(tx, s, request)
	if err == nil && !r.Waits() {
		err = fault.New(fault.Conflict, "tenancy.decided", "This request does not wait any more. Nothing was changed.")
	}
	return r, err
}

// Ask asks those who decide in a project of the scope's organization to let the actor in, for
// some hours and with a reason. Forbidden without ProjectsRequestAccess, which who may join
// by themselves does not hold; NotFound as of FindEntrance; Invalid by field; Conflict for who
// is in it, invited to it, or has asked already; TooMany past the limits of a day.
func (v *Service) Ask(tx *db.Tx, s access.Organization, project int64, j Joining) (Entrance, error) {
	if err := lockMembers(tx, project); err != nil {
		return Entrance{}, err
	}
	s, err := anew(tx, s, access.ProjectsRequestAccess)
	if err != nil {
		return Entrance{}, err
	}
	e, err := FindEntrance(tx, s, project)
	if err != nil {
		return e, err
	}
	switch {
	case e.Project.Role != "":
		return e, fault.New(fault.Conflict, "tenancy.member", "You are in this project already.")
	case !e.Through.Visits():
		return e, fault.New(fault.Conflict, "tenancy.mayJoin", "You belong to the organization: you join its projects by yourself.")
	case e.Invited:
		return e, fault.New(fault.Conflict, Invited, "You are invited to this project. Accept the invitation instead.")
	case e.Request.ID != 0:
		return e, fault.New(fault.Conflict, "tenancy.asked", "A request of yours waits already. Nothing was changed: it is for them to decide.")
	}
	if err := j.check(e.Through); err != nil {
		return e, err
	}
	for _, l := range []struct {
		key   string
		limit throttle.Limit
		met   string
	}{{fmt.Sprintf("ask/user:%d", s.Actor().UserID), perAsker, "At most %d times a day somebody asks to be let in. Nothing was sent."},
		{fmt.Sprintf("ask/one:%d:%d", project, s.Actor().UserID), perAskedPlace, "At most %d times a day somebody asks to be let into one project. Nothing was sent."}} {
		if err := throttle.Take(tx, l.key, l.limit); err != nil {
			return e, met(err, l.met, l.limit)
		}
	}
	u, err := accounts.Find(tx, s.Actor().UserID)
	if err != nil {
		return e, err
	}
	ends, err := rightEnds(tx, u.ID, e.Through)
	if err != nil {
		return e, err
	}
	if err := expireRequests(tx, e.Project, u.ID); err != nil {
		return e, err
	}
	id, err := tx.NewID("join_requests")
	if err != nil {
		return e, err
	}
	e.Request = Request{ID: id, Who: Who{u.ID, u.Email, u.Name, u.State}, Through: e.Through, Reason: strings.TrimSpace(j.Reason), Hours: j.Hours, At: tx.Now, Open: sooner(tx.Now.AddDate(0, 0, RequestDays), ends)}
	if _, err := tx.Exec("INSERT INTO join_requests (id, project_id, user_id, email, through, reason, hours, state, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', $8, $9)",
		id, project, u.ID, u.Email, e.Through.kept(), e.Request.Reason, j.Hours, tx.Now, e.Request.Open); err != nil {
		return e, err
	}
	r := e.Request
	if err := v.tellDeciders(tx, e.Project, mail.Letter{Kind: mail.JoinRequested, Path: RequestPath(e.Project.ID, r.ID), Until: r.Open,
		Values: map[string]string{"by": r.Who.Name, "address": r.Who.Email, "who": r.Through.Text(), "project": e.Project.Name, "reason": r.Reason, "hours": fmt.Sprint(r.Hours)}}); err != nil {
		return e, err
	}
	event, err := inDefault(tx, audit.By(s.Actor(), "project.joinRequested", "user", u.Email, u.Name), e.Project)
	if err != nil {
		return e, err
	}
	event.Params = map[string]any{"request": id, "through": e.Through, "reason": e.Request.Reason, "hours": j.Hours}
	return e, audit.Record(tx, event.Says("%s (%s), %s, asked to join %q for %s: %q.", u.Name, u.Email, e.Through.Text(), e.Project.Name, counted(j.Hours, "hour", "hours"), e.Request.Reason))
}

// CancelRequest takes the actor's own request to join a project back. NotFound if none waits.
func CancelRequest(tx *db.Tx, s access.Organization, project int64) (Entrance, error) {
	if err := lockMembers(tx, project); err != nil {
		return Entrance{}, err
	}
	if err := accounts.Present(tx, s.Actor()); err != nil {
		return Entrance{}, err
	}
	e, err := FindEntrance(tx, s, project)
	if err != nil {
		return e, err
	}
	if e.Request.ID == 0 {
		return e, fault.New(fault.NotFound, "notFound", "Not found.")
	}
	if err := endRequest(tx, e.Request.ID, "cancelled", "", 0); err != nil {
		return e, err
	}
	event, err := inDefault(tx, audit.By(s.Actor(), "project.joinRequestCancelled", "user", e.Request.Who.Email, e.Request.Who.Name), e.Project)
	if err != nil {
		return e, err
	}
	return e, audit.Record(tx, event.Says("%s took back the request to join %q.", s.Actor().Name, e.Project.Name))
}

// Approve lets somebody into the scope's project who asked, for the time that they asked for,
// from now on, and mails it to them. Forbidden without JoinRequestsDecide; NotFound as of
// FindRequest; Conflict for one that waits no more, and when they might not ask today: they have
// lost their account or their right, or sign in without a second factor that is a must.
func (v *Service) Approve(tx *db.Tx, s access.Project, request int64) (Request, error) {
	r, err := findWaiting(tx, s, request)
	if err != nil {
		return r, err
	}
	if err := lockRights(tx, r.Who.ID); err != nil {
		return r, err
	}
	if s, err = again(tx, s, access.JoinRequestsDecide); err != nil {
		return r, err
	}
	if r, err = findWaiting(tx, s, request); err != nil { // it may have been answered while the lock was waited for
		return r, err
	}
	is, locked, err := standing(tx, r.Who.ID, s.Organization())
	switch {
	case err != nil:
		return r, err
	case r.Who.State != accounts.Active, is.OrgMember, !access.MayAbove(access.ProjectsRequestAccess, is) && !access.MayAbove(access.ProjectsJoin, is):
		return r, fault.Newf(fault.Conflict, "tenancy.askedBefore", "%s may not ask for this any more, as they are now.", r.Who.Name)
	case locked:
		return r, fault.Newf(fault.Conflict, access.FactorNeeded, "%s has to turn on two-step sign-in first: the organization asks for it.", r.Who.Name)
	}
	p, err := Find(tx, s.ID())
	if err != nil {
		return r, err
	}
	if err := endRequest(tx, r.ID, "approved", "", s.Actor().UserID); err != nil {
		return r, err
	}
	a := s.Actor()
	m := Member{Who: r.Who, Role: VisitorRole(p.Governed), Reason: r.Reason, Until: tx.Now.Add(time.Duration(r.Hours) * time.Hour), Approver: Who{ID: a.UserID, Email: a.Email, Name: a.Name}, Through: r.Through}
	if err := join(tx, a, p, &m); err != nil {
		return r, err
	}
	return r, v.answer(tx, s, p, r, mail.JoinApproved, map[string]string{"expires": m.Until.UTC().Format("2006-01-02 15:04 UTC"), "role": m.Role.Label()})
}

// Reject refuses a request to join the scope's project, and mails it to who asked, with the
// reason if there is one. Forbidden, NotFound and Conflict as of Approve; Invalid for the reason.
func (v *Service) Reject(tx *db.Tx, s access.Project, request int64, reason string) (Request, error) {
	if reason = strings.TrimSpace(reason); reason != "" {
		if err := accounts.CheckName("reason", "a reason", reason); err != nil {
			return Request{}, err
		}
	}
	s, err := again(tx, s, access.JoinRequestsDecide)
	if err != nil {
		return Request{}, err
	}
	r, err := findWaiting(tx, s, request)
	if err != nil {
		return r, err
	}
	if err := endRequest(tx, r.ID, "rejected", "", s.Actor().UserID); err != nil {
		return r, err
	}
	if err := tx.Must("UPDATE join_requests SET answer = $2 WHERE id = $1", r.ID, reason); err != nil {
		return r, err
	}
	p, err := Find(tx, s.ID())
	if err != nil {
		return r, err
	}
	e := about(s, p, "project.joinRequestRejected", r.Who).Says("%s rejected the request of %s (%s) to join %q.", s.Actor().Name, r.Who.Name, r.Who.Email, p.Name)
	if reason != "" {
		e.Params = map[string]any{"reason": reason}
		e = e.Says("%s rejected the request of %s (%s) to join %q: %q.", s.Actor().Name, r.Who.Name, r.Who.Email, p.Name, reason)
	}
	if err := audit.Record(tx, e); err != nil {
		return r, err
	}
	return r, v.answer(tx, s, p, r, mail.JoinRejected, map[string]string{"reason": reason})
}

// answer mails the decision to who asked.
func (v *Service) answer(tx *db.Tx, s access.Project, p Project, r Request, kind mail.Kind, values map[string]string) error {
	values["by"], values["project"] = s.Actor().Name, p.Name
	l := mail.Letter{Kind: kind, To: r.Who.Email, Name: r.Who.Name, UserID: r.Who.ID, Values: values}
	if kind == mail.JoinApproved {
		l.Path = fmt.Sprintf("/projects/%d", p.ID)
	}
	_, err := v.mail.Send(tx, l)
	return err
}
