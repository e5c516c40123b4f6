package audit

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
)

// searchMost is how many events a search by several filters looks at, at most.
const searchMost = 50_000

// Reach is the part of the audit log that somebody may read: of its events, those of one
// place. The zero value is none of it.
type Reach struct {
	place    condition
	exported Event // what is recorded of an export
}

// OfProject reaches the events of a project, on every branch. Forbidden without the
// permission to read its audit log.
func OfProject(s access.Project) (Reach, error) {
	if err := s.Require(access.AuditRead, false); err != nil {
		return Reach{}, err
	}
	return Reach{condition{"project_id = ?", "project_id + 0 = ?", []any{s.ID()}},
		In(s, "audit.exported", "project", fmt.Sprint(s.ID()), "")}, nil
}

// OfOrganization reaches what was done to an organization, to its projects as such, and to
// their people: not to the data of projects, which one has to be in for that. Forbidden
// without the permission to read it.
func OfOrganization(s access.Organization) (Reach, error) {
	if err := s.Require(access.AuditOrganization); err != nil {
		return Reach{}, err
	}
	e := By(s.Actor(), "audit.exported", "organization", fmt.Sprint(s.ID()), "")
	e.Organization = s.ID()
	const kinds = "object_type IN ('organization', 'project', 'user')" // the text of a partial index
	return Reach{condition{"organization_id = ? AND " + kinds, "organization_id + 0 = ? AND " + kinds, []any{s.ID()}},
		e}, nil
}

// OfAll reaches the events of everybody and everything. Forbidden for who is no super admin.
func OfAll(by access.Actor) (Reach, error) {
	if !by.SuperAdmin {
		return Reach{}, fault.New(fault.Forbidden, "audit.all", "Only super admins read the audit log of all.")
	}
	return Reach{condition{"id > 0", "id + 0 > 0", nil}, // the text of a partial index, which nothing else is to use
		By(by, "audit.exported", "installation", "", "")}, nil
}

// Query selects events of a Reach. Zero fields select all. Of the texts, a star at the end
// stands for any rest.
type Query struct {
	UserID  int64     // who did it, if that is known
	Actor   string    // otherwise their name, as it was then
	Kind    string    // type of the object
	Object  string    // its id, or its name where none of the reach has such an id; with a star both
	Name    string    // of the event
	Tone    Type      // of the event
	Address string    // of the request
	From    time.Time // the first moment
	To      time.Time // the moment after the last
	Reading Reading
	Before  Cursor
	Limit   int
}

// Reading says whether events of reads and listings are meant.
type Reading string

// The choices.
const (
	AllEvents Reading = ""
	NoReads   Reading = "no"
	OnlyReads Reading = "only"
)

// condition is one part of a query, written so that its index finds the events, and so
// that no index does: which one is used is then not left to a planner, which knows nothing
// of how often a value occurs. What has no index is not found, only tested.
type condition struct {
	found  string
	tested string
	args   []any
}

// conditions are the parts of a query but its time, those first that mostly fit fewer events: the
// one of the object is the first of all.
func (q Query) conditions() (out []condition) {
	exact := func(column, value string) {
		out = append(out, condition{column + " = ?", column + " || '' = ?", []any{value}})
	}
	if rest, star := strings.CutSuffix(q.Object, "*"); star {
		id, name := begins("object_id", rest), begins("object_name", rest)
		out = append(out, condition{"", "(" + id.tested + " OR " + name.tested + ")", append(id.args, name.args...)})
	} else if q.Object != "" {
		exact("object_id", q.Object)
	}
	if q.UserID != 0 {
		out = append(out, condition{"user_id = ?", "user_id + 0 = ?", []any{q.UserID}})
	} else if rest, star := strings.CutSuffix(q.Actor, "*"); star {
		out = append(out, begins("actor_name", rest))
	} else if q.Actor != "" {
		out = append(out, condition{"", "lower(actor_name) = ?", []any{lower(q.Actor)}})
	}
	if rest, star := strings.CutSuffix(q.Address, "*"); star {
		out = append(out, begins("address", rest))
	} else if q.Address != "" {
		exact("address", q.Address)
	}
	if rest, star := strings.CutSuffix(q.Name, "*"); star {
		out = append(out, begins("name", rest))
	} else if q.Name != "" {
		exact("name", q.Name)
	}
	switch q.Tone {
	case "":
	case Warn, Error: // the text of a partial index, which a parameter would miss
		out = append(out, condition{"type IN ('warn', 'error') AND type = ?", "type || '' = ?", []any{string(q.Tone)}})
	default:
		out = append(out, condition{"", "type || '' = ?", []any{string(q.Tone)}})
	}
	if q.Kind != "" {
		exact("object_type", q.Kind)
	}
	switch q.Reading {
	case NoReads:
		out = append(out, condition{"", "NOT reading", nil})
	case OnlyReads:
		out = append(out, condition{"", "reading", nil})
	}
	return out
}

// begins tests how a text begins, in whatever letters.
func begins(column, text string) condition {
	return condition{"", "lower(substr(" + column + ", 1, ?)) = ?", []any{utf8.RuneCountInString(text), lower(text)}}
}

// lower is what the databases make of a text: only the letters of ASCII change.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// span is the time of a query, as a condition that every index helps with.
func (q Query) span() (text string, args []any) {
	end := q.Before
	if !q.To.IsZero() && (end.At.IsZero() || !q.To.After(end.At)) {
		end = Cursor{At: q.To}
	}
	text = "created_at >= ?"
	args = []any{q.From.UnixMicro()}
	if q.From.IsZero() {
		args[0] = 0
	}
	if !end.At.IsZero() {
		text, args = text+" AND (created_at, id) < (?, ?)", append(args, end.At, end.ID)
	}
	return text, args
}

// Found is what a search came upon, newest first.
type Found struct {
	Events []Event
	Until  time.Time // events older than this were not looked at; zero if all were
}

// Find searches the log. With several conditions it looks at no more than 50,000 events (a
// few more if they happened at the same moment), those of the condition that reaches back
// the furthest. What was not looked at is found by searching on before Found.Until.
func Find(tx *db.Tx, r Reach, q Query) (Found, error) { return find(tx, r, q, searchMost) }

func find(tx *db.Tx, r Reach, q Query, most int) (Found, error) {
	if err := r.check(); err != nil {
		return Found{}, err
	}
	conditions := append(q.conditions(), r.place)
	by := len(conditions) - 1
	if by > 0 {
		var until time.Time
		var err error
		if by, until, err = furthest(tx, conditions, q, most); err != nil {
			return Found{}, err
		}
		if q.From.Before(until) {
			q.From = until
		} else {
			until = time.Time{}
		}
		list, err := q.list(tx, conditions, by)
		if err != nil || len(list) == q.Limit { // there are more, whatever stands behind
			return Found{Events: list}, err
		}
		return Found{list, until}, nil
	}
	list, err := q.list(tx, conditions, by)
	return Found{Events: list}, err
}

// list gives the events that the condition with a number finds and the others let pass.
func (q Query) list(tx *db.Tx, conditions []condition, by int) ([]Event, error) {
	var w db.Where
	for i, c := range conditions {
		if i == by {
			w.And(c.found, c.args...)
		} else {
			w.And(c.tested, c.args...)
		}
	}
	span, args := q.span()
	w.And(span, args...)
	return db.All(tx, scan, "SELECT "+columns+" FROM events WHERE "+w.SQL()+fmt.Sprintf(" ORDER BY created_at DESC, id DESC LIMIT %d", q.Limit), w.Args()...)
}

// furthest tells which of some conditions reaches back the furthest within the most events
// that may be looked at, and how far: the zero time if to the first event of all. The last
// condition is that of the place. Where none of the newest events with the object's id is of the
// place, it puts the object's name in the place of its id.
func furthest(tx *db.Tx, conditions []condition, q Query, most int) (by int, until time.Time, err error) {
	span, spanArgs := q.span()
	ends := make([]time.Time, len(conditions))
	var parts []string
	var args, into []any
	for i, c := range conditions {
		if c.found == "" {
			continue
		}
		parts = append(parts, fmt.Sprintf("(SELECT created_at FROM events WHERE %s AND %s ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET %d)", c.found, span, most-1))
		args, into = append(append(args, c.args...), spanArgs...), append(into, db.Time(&ends[i]))
	}
	unknown := false
	if q.Object != "" && !strings.HasSuffix(q.Object, "*") {
		place := conditions[len(conditions)-1]
		parts = append(parts, fmt.Sprintf("NOT EXISTS (SELECT 1 FROM (SELECT id, project_id, organization_id, object_type FROM events WHERE object_id = ? ORDER BY created_at DESC, id DESC LIMIT %d) same WHERE %s)", most, place.tested))
		args, into = append(append(args, q.Object), place.args...), append(into, &unknown)
	}
	var w db.Where
	w.And(strings.Join(parts, ", "), args...)
	_, err = db.One(tx, func(r db.Row) (struct{}, error) { return struct{}{}, r.Scan(into...) }, "SELECT "+w.SQL(), w.Args()...)
	if err != nil {
		return 0, time.Time{}, err
	}
	if unknown {
		conditions[0] = condition{"", "lower(object_name) = ?", []any{lower(q.Object)}}
	}
	by = -1
	for i, c := range conditions {
		if c.found != "" && (by < 0 || ends[i].Before(ends[by])) { // the zero time is before all others
			by = i
		}
	}
	return by, ends[by], nil
}

// check is Forbidden for a reach of nothing.
func (r Reach) check() error {
	if r.place.found == "" {
		return fault.New(fault.Forbidden, "audit.none", "This audit log is not yours to read.")
	}
	return nil
}

// export starts the event of an export, which names the place as it is called now.
func (r Reach) export(tx *db.Tx) (e Event, err error) {
	if e = r.exported; e.ObjectID == "" {
		return e.Says("%s exported the audit log of the installation.", e.ActorName), nil
	}
	if e.ObjectName, err = db.Value[string](tx, "SELECT name FROM "+e.ObjectType+"s WHERE id = $1", r.place.args...); err != nil {
		return e, err
	}
	return e.Says("%s exported the audit log of the %s %q.", e.ActorName, e.ObjectType, e.ObjectName), nil
}

// Exported records that the events of a query were exported.
func Exported(tx *db.Tx, r Reach, q Query, format string) error {
	if err := r.check(); err != nil {
		return err
	}
	e, err := r.export(tx)
	if err != nil {
		return err
	}
	e.Params = map[string]any{"format": format}
	for name, value := range map[string]string{"who": q.Actor, "kind": q.Kind, "object": q.Object, "event": q.Name, "tone": string(q.Tone), "address": q.Address, "reads": string(q.Reading)} {
		if value != "" {
			e.Params[name] = value
		}
	}
	for name, at := range map[string]time.Time{"from": q.From, "to": q.To} {
		if !at.IsZero() {
			e.Params[name] = at.UTC().Format(time.RFC3339)
		}
	}
	return Record(tx, e)
}

// Status is how far the events are sealed, and what the last verification said.
type Status struct {
	Seal    int64     // number of the last one; 0 when there is none
	Digest  string    // of the last seal
	Until   time.Time // everything before is sealed
	Waiting int64     // events of the reach that are not sealed yet
	More    bool      // and there may be more
	Check   Check
}

// Check is what a verification of the whole chain said.
type Check struct {
	At       time.Time `json:"-"` // zero if there was none
	Seals    int64     `json:"seals"`
	Events   int64     `json:"events"`
	Problems int64     `json:"problems"`
	Digest   string    `json:"digest"`
}

// waitingMost is how many events that are not sealed StatusOf counts.
const waitingMost = 10_000

// StatusOf gives the state of the seals for a reach. It verifies nothing.
func StatusOf(tx *db.Tx, r Reach) (Status, error) {
	if err := r.check(); err != nil {
		return Status{}, err
	}
	var s Status
	var results string
	var unsealed int64
	const of = "(SELECT %s FROM seals ORDER BY number DESC LIMIT 1)"
	const check = "(SELECT %s FROM events WHERE name = 'installation.verified' ORDER BY created_at DESC, id DESC LIMIT 1)"
	columns := []string{"count(*)", "COALESCE(SUM(CASE WHEN " + r.place.tested + " THEN 1 ELSE 0 END), 0)",
		fmt.Sprintf(of, "number"), fmt.Sprintf(of, "digest"), fmt.Sprintf(of, "horizon"), fmt.Sprintf(check, "created_at"), fmt.Sprintf(check, "results")}
	var w db.Where
	w.And(strings.Join(columns, ", ")+fmt.Sprintf(" FROM (SELECT * FROM events WHERE seal IS NULL AND created_at > 0 ORDER BY created_at, id LIMIT %d) waiting", waitingMost), r.place.args...)
	_, err := db.One(tx, func(row db.Row) (struct{}, error) {
		return struct{}{}, row.Scan(&unsealed, &s.Waiting, db.Null(&s.Seal), db.Null(&s.Digest), db.Time(&s.Until), db.Time(&s.Check.At), db.Null(&results))
	}, "SELECT "+w.SQL(), w.Args()...)
	if err != nil {
		return Status{}, err
	}
	s.More = unsealed == waitingMost
	if s.Check.At.IsZero() {
		return s, nil
	}
	if err := json.Unmarshal([]byte(results), &s.Check); err != nil {
		return Status{}, fmt.Errorf("audit: the event of a verification: %w", err)
	}
	return s, nil
}

// Verified records what a verification of the seals said.
func Verified(tx *db.Tx, s Sealed, problems int64) error {
	e := By(access.Actor{Name: "steward verify"}, "installation.verified", "installation", "", "")
	e.Results = map[string]any{"seals": s.Seals, "events": s.Events, "problems": problems, "digest": s.Digest}
	if problems > 0 {
		e.Type = Error
		return Record(tx, e.Says("%s found %d problems in %d seals over %d events.", e.ActorName, problems, s.Seals, s.Events))
	}
	e.Type = Success
	return Record(tx, e.Says("%s found that %d seals over %d events hold.", e.ActorName, s.Seals, s.Events))
}
