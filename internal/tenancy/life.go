package tenancy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/mail"
)

// Times in the life of a project.
const (
	Grace   = 60 * 24 * time.Hour // for which a deleted one can be brought back
	Warning = 7 * 24 * time.Hour  // before the end of one, when its members are told

	expiryYearsMax = 10
	reasonMax      = 500 // characters
	expectedMax    = 366 // days ahead
)

// The states of a project.
const (
	Active   = "active"
	Disabled = "disabled"
	Deleted  = "deleted"
	Purged   = "purged"
)

// Life is what became of a project so far. Zero times are of what has not happened.
type Life struct {
	State          string
	ExpiresAt      time.Time
	DisabledAt     time.Time
	DisabledReason string
	ExpectedAt     time.Time // the end of the day on which a disabled one is expected back; nothing happens then
	DeletedAt      time.Time
	DeletedBy      string // a person's name, or Steward
	PurgeAt        time.Time
	PurgeJob       int64 // the last job that was to purge it
	PurgeBegunAt   time.Time
	PurgedAt       time.Time
}

// Expired reports whether the project was deleted because its time was over.
func (l Life) Expired() bool {
	return !l.ExpiresAt.IsZero() && !l.DeletedAt.IsZero() && !l.DeletedAt.Before(l.ExpiresAt)
}

// Until is until when a deleted project can be brought back.
func (l Life) Until() time.Time { return l.DeletedAt.Add(Grace) }

// Recoverable reports whether a project can be brought back at a moment.
func (l Life) Recoverable(now time.Time) bool {
	return l.State == Deleted && l.PurgeBegunAt.IsZero() && now.Before(l.Until())
}

const lifeColumns = `p.state, p.expires_at, p.disabled_at, p.disabled_reason, p.expected_at, p.deleted_at, p.deleted_by, p.purge_at, p.purge_job, p.purge_begun_at, p.purged_at`

func (l *Life) scans() []any {
	return []any{&l.State, db.Time(&l.ExpiresAt), db.Time(&l.DisabledAt), &l.DisabledReason, db.Time(&l.ExpectedAt), db.Time(&l.DeletedAt), &l.DeletedBy,
		db.Time(&l.PurgeAt), db.Null(&l.PurgeJob), db.Time(&l.PurgeBegunAt), db.Time(&l.PurgedAt)}
}

func lifeOf(tx *db.Tx, project int64) (Life, error) {
	return db.One(tx, func(r db.Row) (Life, error) {
		var l Life
		return l, r.Scan(l.scans()...)
	}, "SELECT "+lifeColumns+" FROM projects p WHERE p.id = $1", project)
}

// Codes of the faults for who opens a project that nobody can enter.
const (
	IsDisabled = "tenancy.disabled"
	IsDeleted  = "tenancy.deleted"
	IsExpired  = "tenancy.expired"
)

// closed is what somebody of a project is told that nobody can enter: what happened to it, and
// who can do what about it until when.
func closed(tx *db.Tx, project int64) error {
	l, err := lifeOf(tx, project)
	if err != nil {
		return err
	}
	switch {
	case l.State == Disabled && l.DisabledReason == "":
		return fault.New(fault.Forbidden, IsDisabled, "A super admin disabled this project. Its data is kept."+l.expected())
	case l.State == Disabled:
		return fault.Newf(fault.Forbidden, IsDisabled, "A super admin disabled this project on %s, for this reason: %s Its data is kept, and a super admin can enable it again.%s", day(l.DisabledAt), sentence(l.DisabledReason), l.expected())
	case l.State == Active:
		return fault.Newf(fault.Forbidden, IsExpired, "The time of this project was over on %s, so it is being deleted. A super admin can bring it back for %d days.", day(l.ExpiresAt), int(Grace/(24*time.Hour)))
	case !l.Recoverable(tx.Now):
		return fault.New(fault.Forbidden, IsDeleted, "This project was deleted, and its data is purged. It cannot be brought back.")
	}
	says := fmt.Sprintf("%q deleted this project on %s.", l.DeletedBy, day(l.DeletedAt))
	if l.Expired() {
		says = "The time of this project was over on " + day(l.ExpiresAt) + ", so Steward deleted it."
	}
	return fault.Newf(fault.Forbidden, IsDeleted, "%s A super admin can bring it back as it was, until %s. Then its data is purged for good.", says, day(l.Until()))
}

// shut is what who may join a project, or ask to, is told of one that nobody can enter. A super admin
// is told all.
func shut(tx *db.Tx, project int64, is access.Above) error {
	if is.SuperAdmin {
		return closed(tx, project)
	}
	l, err := lifeOf(tx, project)
	if err != nil {
		return err
	}
	const until = " Nobody can join it, or ask to, unless a super admin "
	switch {
	case l.State == Disabled:
		return fault.New(fault.Forbidden, IsDisabled, "This project is disabled."+until+"enables it again.")
	case l.State == Active:
		return fault.New(fault.Forbidden, IsExpired, "The time of this project is over, so it is being deleted."+until+"brings it back.")
	case l.Recoverable(tx.Now):
		return fault.New(fault.Forbidden, IsDeleted, "This project was deleted."+until+"brings it back.")
	}
	return fault.New(fault.Forbidden, IsDeleted, "This project was deleted. It cannot be brought back.")
}

// day is a moment as people read it who may be anywhere.
func day(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }

// date is the day of a moment, where the rest of it tells nothing.
func date(t time.Time) string { return t.UTC().Format("2 January 2006") }

// expected is a sentence of when a disabled project is expected back; "" when nobody said.
func (l Life) expected() string {
	if l.ExpectedAt.IsZero() {
		return ""
	}
	return " It is expected back on " + date(l.ExpectedAt) + "."
}

// sentence ends a text that people wrote.
func sentence(text string) string {
	if text = strings.TrimSpace(text); strings.HasSuffix(text, ".") || strings.HasSuffix(text, "!") || strings.HasSuffix(text, "?") {
		return text
	}
	return text + "."
}

// Typed is Invalid unless somebody typed a project's name, to show that they mean this one.
// Spaces count as one, as pages show them.
func Typed(p Project, text string) error {
	if strings.Join(strings.Fields(text), " ") == strings.Join(strings.Fields(p.Name), " ") {
		return nil
	}
	const message = "This is not the name of the project. Nothing was changed."
	return &fault.Error{Kind: fault.Invalid, Code: "tenancy.confirm", Message: message, Fields: []fault.Field{{Name: "confirm", Message: message}}}
}

// Delete deletes the scope's project. From the next request on nobody enters it, what runs or
// waits in it stops, and invitations and requests to join it are closed for good; members are told,
// and who asked. Its data is kept for the grace. typed is its name as the person typed it: Invalid unless it is that.
// Forbidden without ProjectDelete, and when it is deleted already.
func (v *Service) Delete(tx *db.Tx, s access.Project, typed string) error {
	s, err := again(tx, s, access.ProjectDelete)
	if err != nil {
		return err
	}
	p, err := Find(tx, s.ID())
	if err != nil {
		return err
	}
	if err := Typed(p, typed); err != nil {
		return err
	}
	e := audit.In(s, "project.deleted", "project", fmt.Sprint(p.ID), p.Name)
	return v.delete(tx, s.Actor(), p, e.Says("%s deleted the project %q. It can be brought back until %s.", s.Actor().Name, p.Name, day(tx.Now.Add(Grace))))
}

// delete is what every deletion does. The caller holds the lock of the members.
func (v *Service) delete(tx *db.Tx, by access.Actor, p Project, e audit.Event) error {
	until := tx.Now.Add(Grace)
	err := tx.Must("UPDATE projects SET state = 'deleted', deleted_at = $2, deleted_by = $3, purge_at = $4, purge_job = NULL WHERE id = $1 AND state = 'active'", p.ID, tx.Now, e.ActorName, until)
	if err != nil {
		return err
	}
	stopped, err := v.jobs.StopProject(tx, p.ID, "Cancelled because the project was deleted. The table was not changed.")
	if err != nil {
		return err
	}
	at, err := placeOf(tx, by, p)
	if err != nil {
		return err
	}
	invited, err := closeInvitations(tx, at, CauseDeleted)
	if err != nil {
		return err
	}
	asking, err := v.closeRequests(tx, by, p, CauseDeleted)
	if err != nil {
		return err
	}
	told := map[string]string{"by": e.ActorName, "at": moment(tx.Now), "until": moment(until)}
	if e.UserID == 0 {
		told["expired"] = moment(tx.Now)
	}
	if err := v.tellLife(tx, p, mail.ProjectDeleted, told); err != nil {
		return err
	}
	e.Type, e.Params, e.Results = audit.Warn, map[string]any{"until": until}, map[string]any{"jobsStopped": stopped, "invitationsClosed": invited, "requestsClosed": asking}
	return audit.Record(tx, e)
}

// moment is a time in the values of a letter.
func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// steward is who does what is due.
func steward() access.Actor { return access.Actor{Name: "Steward"} }

// lifeEvent is an event in the life of a project.
func lifeEvent(tx *db.Tx, by access.Actor, p Project, name string) (audit.Event, error) {
	e := audit.By(by, name, "project", fmt.Sprint(p.ID), p.Name)
	e.Organization, e.Project = p.Organization, p.ID
	branch, err := defaultBranch(tx, p.ID)
	e.Branch = branch
	return e, err
}

// dueMost is how many projects one round of housekeeping takes on, of each kind.
const dueMost = 100

// Expire does what is due in the life of projects: it tells members a week before the end,
// once, deletes those whose time is over, and has those purged whose grace is. Each project is
// dealt with by itself: one of which something fails does not keep the others.
func (v *Service) Expire(ctx context.Context) error {
	return errors.Join(
		v.due(ctx, `SELECT id FROM projects WHERE state = 'active' AND expires_at IS NOT NULL AND expires_at > $1 AND expires_at <= $2 AND warned_at IS NULL ORDER BY expires_at`, Warning, v.warn),
		v.due(ctx, `SELECT id FROM projects WHERE state = 'active' AND expires_at IS NOT NULL AND expires_at > $1 AND expires_at <= $2 ORDER BY expires_at`, 0, v.expire),
		v.due(ctx, `SELECT id FROM projects WHERE state = 'deleted' AND purge_at > $1 AND purge_at <= $2 ORDER BY purge_at`, 0, v.purgeDue),
	)
}

// due does something with the projects whose time of a query comes within so long.
func (v *Service) due(ctx context.Context, query string, within time.Duration, do func(*db.Tx, Project, Life) error) error {
	var ids []int64
	err := v.db.View(ctx, func(tx *db.Tx) (err error) {
		from := int64(0)
		if within > 0 {
			from = tx.Now.UnixMicro()
		}
		ids, err = db.All(tx, db.Scalar[int64], query+fmt.Sprintf(" LIMIT %d", dueMost), from, tx.Now.Add(within))
		return err
	})
	for _, id := range ids {
		err = errors.Join(err, v.db.Update(ctx, func(tx *db.Tx) error {
			p, l, err := v.held(tx, id)
			if err != nil {
				return err
			}
			return do(tx, p, l)
		}))
	}
	return err
}

// held is a project whose life nobody else changes at the time.
func (v *Service) held(tx *db.Tx, project int64) (p Project, l Life, err error) {
	if err := lockMembers(tx, project); err != nil {
		return p, l, err
	}
	if p, err = Find(tx, project); err != nil {
		return p, l, err
	}
	l, err = lifeOf(tx, project)
	return p, l, err
}

// warn tells the members of a project that its time is over soon.
func (v *Service) warn(tx *db.Tx, p Project, l Life) error {
	if l.State != Active || l.ExpiresAt.IsZero() || tx.Now.Before(l.ExpiresAt.Add(-Warning)) {
		return nil // it changed meanwhile
	}
	n, err := tx.Exec("UPDATE projects SET warned_at = $2 WHERE id = $1 AND warned_at IS NULL", p.ID, tx.Now)
	if err != nil || n == 0 {
		return err
	}
	if err := v.tellLife(tx, p, mail.ProjectExpires, map[string]string{"expires": moment(l.ExpiresAt)}); err != nil {
		return err
	}
	e, err := lifeEvent(tx, steward(), p, "project.expiryTold")
	if err != nil {
		return err
	}
	e.Params = map[string]any{"expires": l.ExpiresAt}
	return audit.Record(tx, e.Says("Steward told the members of %q that its time is over on %s.", p.Name, day(l.ExpiresAt)))
}

// expire deletes a project whose time is over, as if by hand.
func (v *Service) expire(tx *db.Tx, p Project, l Life) error {
	if l.State != Active || l.ExpiresAt.IsZero() || tx.Now.Before(l.ExpiresAt) {
		return nil // it changed meanwhile
	}
	e, err := lifeEvent(tx, steward(), p, "project.deleted")
	if err != nil {
		return err
	}
	return v.delete(tx, steward(), p, e.Says("Steward deleted the project %q: its time was over on %s. It can be brought back until %s.", p.Name, day(l.ExpiresAt), day(tx.Now.Add(Grace))))
}

// decides is Forbidden for who may not decide on the life of projects, and gives the project.
// Who else would do so waits. The actor is asked about after that: they may have lost the right
// while they waited.
func (v *Service) decides(tx *db.Tx, by access.Actor, project int64) (p Project, l Life, err error) {
	if err := accounts.Oversees(by); err != nil {
		return p, l, err
	}
	if p, l, err = v.held(tx, project); err != nil {
		return p, l, err
	}
	return p, l, accounts.Administers(tx, by)
}

// checkExpiry is Invalid for a time that is no end of a project; the zero time is none.
func checkExpiry(tx *db.Tx, at time.Time) error {
	var c fault.Check
	c.Field(at.IsZero() || at.After(tx.Now), "expires", "Choose a day that is still to come, or none.")
	c.Field(at.Before(tx.Now.AddDate(expiryYearsMax, 0, 0)), "expires", fmt.Sprintf("Choose a day within %d years, or none.", expiryYearsMax))
	return c.Err()
}

// Undelete brings a deleted project back as it was, with a time when it expires or the zero
// time for none. Invitations stay closed; members are told. Invalid for a time that is over;
// Conflict when it is not deleted, or cannot be brought back any more.
func (v *Service) Undelete(tx *db.Tx, by access.Actor, project int64, expires time.Time) error {
	p, l, err := v.decides(tx, by, project)
	if err != nil {
		return err
	}
	switch {
	case l.State != Deleted:
		return fault.New(fault.Conflict, "tenancy.state", "This project is not deleted.")
	case !l.Recoverable(tx.Now):
		return fault.New(fault.Conflict, "tenancy.purged", "This project cannot be brought back any more: its purge is due.")
	}
	if err := checkExpiry(tx, expires); err != nil {
		return err
	}
	if l.PurgeJob != 0 { // one that was asked for, and has not begun
		if err := v.jobs.StopSystem(tx, l.PurgeJob, "Cancelled because the project was brought back. Nothing was removed."); err != nil && !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	if err := resume(tx, p.ID, l.DeletedAt); err != nil {
		return err
	}
	if err := prolongClaims(tx, p.ID, l.DeletedAt, l.ExpiresAt); err != nil {
		return err
	}
	err = tx.Must("UPDATE projects SET state = 'active', expires_at = $2, warned_at = NULL, deleted_at = NULL, deleted_by = '', purge_at = NULL, purge_job = NULL WHERE id = $1 AND state = 'deleted'", p.ID, expires)
	if err != nil {
		return err
	}
	told := map[string]string{"by": by.Name, "at": moment(tx.Now)}
	if !expires.IsZero() {
		told["expires"] = moment(expires)
	}
	if err := v.tellLife(tx, p, mail.ProjectRestored, told); err != nil {
		return err
	}
	e, err := lifeEvent(tx, by, p, "project.undeleted")
	if err != nil {
		return err
	}
	e.Params = map[string]any{"deletedBy": l.DeletedBy, "deleted": l.DeletedAt, "expires": expiryOf(expires)}
	return audit.Record(tx, e.Says("%s brought the project %q back, which was deleted on %s. It expires: %s.", by.Name, p.Name, day(l.DeletedAt), expiryWords(expires)))
}

func expiryWords(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return day(t)
}

// expiryOf is a time in the params of an event, nil for never.
func expiryOf(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// resume gives a project that rested since a moment the time back: what it keeps for a while
// is kept so much longer. What it has replaced before is, too, see Rest; and if it had rested
// before within the time that versions are kept, both count.
func resume(tx *db.Tx, project int64, since time.Time) error {
	rest := tx.Now.Sub(since).Microseconds()
	if since.IsZero() || rest <= 0 { // the clock was put back
		return nil
	}
	if err := tx.Must(`UPDATE projects SET rested = CAST($2 AS BIGINT) + CASE WHEN resumed_at > CAST($3 AS BIGINT) - retention_days * 86400000000 THEN rested ELSE 0 END, resumed_at = CAST($3 AS BIGINT) WHERE id = $1`,
		project, rest, tx.Now); err != nil {
		return err
	}
	if _, err := tx.Exec("UPDATE files SET expires_at = expires_at + CAST($2 AS BIGINT) WHERE project_id = $1 AND expires_at IS NOT NULL AND NOT swept", project, rest); err != nil {
		return err
	}
	_, err := tx.Exec("UPDATE trash SET expires_at = expires_at + CAST($2 AS BIGINT) WHERE project_id = $1 AND state = 'held'", project, rest)
	return err
}

func errDeleted() error {
	return fault.New(fault.Conflict, "tenancy.state", "This project is deleted. Bring it back first.")
}

// SetExpiry changes when a project expires, and tells when it did; the zero time is never. Invalid for a time that is
// over; Conflict when the project is deleted.
func (v *Service) SetExpiry(tx *db.Tx, by access.Actor, project int64, expires time.Time) (was time.Time, err error) {
	p, l, err := v.decides(tx, by, project)
	if err != nil {
		return was, err
	}
	if l.State != Active && l.State != Disabled {
		return was, errDeleted()
	}
	if was = l.ExpiresAt; expires.Equal(was) {
		return was, nil
	}
	if err := checkExpiry(tx, expires); err != nil {
		return was, err
	}
	if err := tx.Must("UPDATE projects SET expires_at = $2, warned_at = NULL WHERE id = $1", p.ID, expires); err != nil {
		return was, err
	}
	if l.State == Active { // else it waits until it is enabled
		if err := prolongClaims(tx, p.ID, time.Time{}, l.ExpiresAt); err != nil {
			return was, err
		}
	}
	e, err := lifeEvent(tx, by, p, "project.expiryChanged")
	if err != nil {
		return was, err
	}
	e.Params = map[string]any{"from": expiryOf(l.ExpiresAt), "to": expiryOf(expires)}
	return was, audit.Record(tx, e.Says("%s changed when the project %q expires from %s to %s.", by.Name, p.Name, expiryWords(l.ExpiresAt), expiryWords(expires)))
}

// Disable closes a project for a reason that its members are mailed, and that whoever opens it is
// told, with the day on which it is expected back, if one is given: nothing happens then. What runs
// in it stops; everything is kept. Invalid for the reason, and for a day that is over or more than
// a year ahead; Conflict unless it is active.
func (v *Service) Disable(tx *db.Tx, by access.Actor, project int64, reason string, back time.Time) error {
	p, l, err := v.decides(tx, by, project)
	if err != nil {
		return err
	}
	if l.State != Active {
		return fault.New(fault.Conflict, "tenancy.state", "Only a project that is active can be disabled.")
	}
	reason = strings.TrimSpace(reason)
	var c fault.Check
	c.Field(back.IsZero() || back.After(tx.Now), "back", "Choose today or a day that is still to come, or none.")
	c.Field(back.Before(tx.Now.AddDate(0, 0, expectedMax+1)), "back", fmt.Sprintf("Choose a day within %d days, or none.", expectedMax))
	if err := c.Join(accounts.CheckText("reason", "a reason", reason, reasonMax)); err != nil {
		return err
	}
	if c.Err() != nil {
		return c.Err()
	}
	if err := tx.Must("UPDATE projects SET state = 'disabled', disabled_at = $2, disabled_reason = $3, expected_at = $4 WHERE id = $1 AND state = 'active'", p.ID, tx.Now, reason, back); err != nil {
		return err
	}
	stopped, err := v.jobs.StopProject(tx, p.ID, "Cancelled because the project was disabled. The table was not changed.")
	if err != nil {
		return err
	}
	told := map[string]string{"by": by.Name, "reason": reason, "at": moment(tx.Now)}
	if !back.IsZero() {
		told["back"] = date(back)
	}
	if err := v.tellLife(tx, p, mail.ProjectDisabled, told); err != nil {
		return err
	}
	e, err := lifeEvent(tx, by, p, "project.disabled")
	if err != nil {
		return err
	}
	e.Type, e.Params, e.Results = audit.Warn, map[string]any{"reason": reason}, map[string]any{"jobsStopped": stopped}
	e = e.Says("%s disabled the project %q: %q", by.Name, p.Name, reason)
	if !back.IsZero() {
		e.Params["expectedBack"] = back
		e = e.Says("%s disabled the project %q, which is expected back on %s: %q", by.Name, p.Name, date(back), reason)
	}
	return audit.Record(tx, e)
}

// Enable opens a disabled project again, and its members are mailed. Conflict when it is not
// disabled, or has expired meanwhile.
func (v *Service) Enable(tx *db.Tx, by access.Actor, project int64) error {
	p, l, err := v.decides(tx, by, project)
	if err != nil {
		return err
	}
	switch {
	case l.State != Disabled:
		return fault.New(fault.Conflict, "tenancy.state", "This project is not disabled.")
	case !l.ExpiresAt.IsZero() && !tx.Now.Before(l.ExpiresAt):
		return fault.New(fault.Conflict, "tenancy.expired", "The time of this project is over. Choose another day on which it expires, or none, before you enable it.")
	}
	if err := resume(tx, p.ID, l.DisabledAt); err != nil {
		return err
	}
	if err := prolongClaims(tx, p.ID, l.DisabledAt, time.Time{}); err != nil {
		return err
	}
	if err := tx.Must("UPDATE projects SET state = 'active', disabled_at = NULL, disabled_reason = '', expected_at = NULL WHERE id = $1 AND state = 'disabled'", p.ID); err != nil {
		return err
	}
	if err := v.tellLife(tx, p, mail.ProjectEnabled, map[string]string{"by": by.Name, "at": moment(tx.Now)}); err != nil {
		return err
	}
	e, err := lifeEvent(tx, by, p, "project.enabled")
	if err != nil {
		return err
	}
	return audit.Record(tx, e.Says("%s enabled the project %q again, which had been disabled for this reason: %q", by.Name, p.Name, l.DisabledReason))
}

// TellMembers is the operation of the job that mails all members of a project.
const TellMembers = "project.tell"

// tellMost is how many letters one such job writes.
const tellMost = 200

// tellParams is what to tell the members of a project.
type tellParams struct {
	Project int64             `json:"project"`
	Kind    mail.Kind         `json:"kind"`
	Path    string            `json:"path,omitempty"` // of the letter's link
	Values  map[string]string `json:"values"`
	But     int64             `json:"butUser,omitempty"`         // who knows it
	After   int64             `json:"afterUser,omitempty"`       // who was told last
	For     int64             `json:"forOrganization,omitempty"` // whose lasting members alone read the path and "until"; 0 = all do
}

// letter is what somebody is told.
func (p tellParams) letter(member bool) mail.Letter {
	l := mail.Letter{Kind: p.Kind, Path: p.Path, Values: p.Values}
	if p.For != 0 && !member {
		l.Path, l.Values = "", maps.Clone(p.Values)
		delete(l.Values, "until")
	}
	return l
}

// tellLife mails the members of a project what became of it, with its organization, as names may
// repeat, and with a link while they can open it.
func (v *Service) tellLife(tx *db.Tx, p Project, kind mail.Kind, values map[string]string) (err error) {
	values["project"] = p.Name
	if values["organization"], err = TeamName(tx, OfOrganization, p.Organization); err != nil {
		return err
	}
	told := tellParams{Project: p.ID, Kind: kind, Values: values}
	if kind != mail.ProjectDeleted && kind != mail.ProjectDisabled {
		told.Path = fmt.Sprintf("/projects/%d", p.ID)
	}
	return v.tellMembers(tx, told)
}

func (v *Service) tellMembers(tx *db.Tx, p tellParams) error {
	_, err := v.jobs.Enqueue(tx, jobs.Spec{Class: jobs.System, Operation: TellMembers, Params: p})
	return err
}

// RunTell is the work of that job: it writes to some of the members, and leaves the others to
// the next one. Its letters and its end are one transaction, so nobody is told twice.
func (v *Service) RunTell(ctx context.Context, run *jobs.Run) error {
	var p tellParams
	if err := decode(run.Job, &p); err != nil {
		return err
	}
	return v.db.Update(ctx, func(tx *db.Tx) error {
		type reader struct {
			Who
			member bool // of the organization for whose members it is
		}
		list, err := db.All(tx, func(r db.Row) (reader, error) {
			var w reader
			return w, r.Scan(&w.ID, &w.Email, &w.Name, &w.State, &w.member)
		}, fmt.Sprintf(`SELECT u.id, u.email, u.name, u.state, EXISTS (SELECT 1 FROM organization_members o WHERE o.organization_id = $4 AND o.user_id = u.id AND o.through = '')
			FROM memberships m JOIN users u ON u.id = m.user_id
			WHERE m.project_id = $1 AND m.user_id > $2 AND (m.expires_at IS NULL OR m.expires_at > $3) ORDER BY m.user_id LIMIT %d`, tellMost), p.Project, p.After, tx.Now, p.For)
		if err != nil {
			return err
		}
		told := 0
		for _, w := range list {
			if p.After = w.ID; w.State != accounts.Active || w.ID == p.But {
				continue
			}
			if err := v.write(tx, []Who{w.Who}, p.letter(w.member)); err != nil {
				return err
			}
			told++
		}
		if len(list) == tellMost {
			if err := v.tellMembers(tx, p); err != nil {
				return err
			}
		}
		return run.Complete(tx, jobs.Result{Results: map[string]any{"letters": told}, Says: fmt.Sprintf("Wrote %d letters.", told)})
	})
}
