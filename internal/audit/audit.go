// Package audit is the event stream: what was done, by whom, to what. An event of a
// change is recorded in the change's own transaction; reads and listings go through
// Buffer. Events are never changed: Seal puts them into a chain of digests, which Verify
// computes again. Secrets must not enter them.
package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"steward/internal/access"
	"steward/internal/control"
	"steward/internal/db"
)

// Type is the tone of an event.
type Type string

// The types.
const (
	Info    Type = "info"
	Success Type = "success"
	Warn    Type = "warn"
	Error   Type = "error"
)

// Event is one thing that happened. Message is a sentence that names the actor, the
// object, and what changed from what to what.
type Event struct {
	ID           int64
	At           time.Time
	Type         Type
	Name         string // such as storage.bucketCreated
	ObjectType   string
	ObjectID     string
	ObjectName   string
	Organization int64
	Project      int64
	Branch       int64
	UserID       int64
	TokenID      int64
	ActorName    string
	JobID        int64
	RequestID    string
	Address      string
	UserAgent    string
	Message      string
	Params       map[string]any
	Results      map[string]any
	Reading      bool  // of a read or a listing: kept for Retention only
	Seal         int64 // the seal that covers it; 0 while there is none
}

// Request is what events note of the HTTP request that caused them. Its texts are valid
// UTF-8 without control characters, and short: whoever reads the request sees to that.
type Request struct {
	ID        string
	Address   string
	UserAgent string
}

type requestKey struct{}

// WithRequest returns a context whose events note the request.
func WithRequest(ctx context.Context, r Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// RequestOf is the request of a context, the zero Request when there is none.
func RequestOf(ctx context.Context) Request {
	r, _ := ctx.Value(requestKey{}).(Request)
	return r
}

// In starts an event of an actor in a project.
func In(s access.Project, name, objectType, objectID, objectName string) Event {
	return Event{
		Type: Info, Name: name, ObjectType: objectType, ObjectID: objectID, ObjectName: objectName,
		Organization: s.Organization(), Project: s.ID(), Branch: s.Branch(),
		UserID: s.Actor().UserID, TokenID: s.TokenID(), ActorName: s.Actor().Name,
	}
}

// By starts an event of an actor above projects.
func By(a access.Actor, name, objectType, objectID, objectName string) Event {
	return Event{
		Type: Info, Name: name, ObjectType: objectType, ObjectID: objectID, ObjectName: objectName,
		UserID: a.UserID, ActorName: a.Name,
	}
}

// Says sets the sentence. The names of people are put in quotes: they may read like a
// sentence of their own.
func (e Event) Says(format string, args ...any) Event {
	said := make([]any, len(args))
	for i, a := range args {
		text, ok := a.(string)
		person := ok && (text == e.ActorName && e.UserID != 0 || text == e.ObjectName && e.ObjectType == "user" && text != e.ObjectID)
		if said[i] = a; person {
			said[i] = quoted(text)
		}
	}
	e.Message = fmt.Sprintf(format, said...)
	return e
}

// quoted is a name that stands in quotes, whatever the verb.
type quoted string

// Format implements fmt.Formatter.
func (q quoted) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "%q", string(q)) }

// Record writes an event in the caller's transaction, so that it stands or falls with
// the change. The request of the transaction's context is noted with it.
func Record(tx *db.Tx, e Event) error {
	return record(tx, e, tx.Now, RequestOf(tx.Context()))
}

func record(tx *db.Tx, e Event, at time.Time, r Request) error {
	id, err := tx.NewID("events")
	if err != nil {
		return err
	}
	params, err := encode(e.Params)
	if err != nil {
		return err
	}
	results, err := encode(e.Results)
	if err != nil {
		return err
	}
	if e.Type == "" {
		e.Type = Info
	}
	_, err = tx.Exec(`INSERT INTO events (id, created_at, type, name, object_type, object_id, object_name, organization_id,
		project_id, branch_id, user_id, token_id, actor_name, job_id, request_id, address, user_agent, message, params, results, reading)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`,
		id, at, string(e.Type), e.Name, e.ObjectType, clean(e.ObjectID), clean(e.ObjectName), db.ZeroNull(e.Organization),
		db.ZeroNull(e.Project), db.ZeroNull(e.Branch), db.ZeroNull(e.UserID), db.ZeroNull(e.TokenID), clean(e.ActorName),
		db.ZeroNull(e.JobID), r.ID, r.Address, r.UserAgent, clean(e.Message), params, results, e.Reading)
	return err
}

func encode(m map[string]any) (string, error) {
	if len(m) == 0 {
		return "{}", nil
	}
	b, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("audit: %w", err)
	}
	return string(b), nil
}

// clean makes a text storable, and fit for a terminal: an event must not be lost because
// what it names is odd, and must not look like two, or paint over others.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && control.On(control.PlainEvents) {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// Filter selects events of a project's branch. Zero fields select all.
type Filter struct {
	ObjectType string
	ObjectID   string
	Before     Cursor
	Limit      int
}

// Cursor is a place in a list ordered by time and id; the zero value is its start.
type Cursor struct {
	At time.Time
	ID int64
}

// List gives the events of the scope's branch, newest first; of those that are of no object
// only what concerns storage for who may not read the audit log. Forbidden without the permission
// to read storage events.
func List(tx *db.Tx, s access.Project, f Filter) ([]Event, error) {
	if err := s.Require(access.StorageJobsRead, false); err != nil {
		return nil, err
	}
	var w db.Where
	w.And("project_id = ? AND branch_id = ?", s.ID(), s.Branch())
	if f.ObjectType != "" {
		w.And("object_type = ? AND object_id = ?", f.ObjectType, f.ObjectID)
	}
	if !s.May(access.AuditRead) && f.ObjectType == "" { // nothing of people and settings
		w.And("name LIKE 'storage.%'")
	}
	if !f.Before.At.IsZero() {
		w.And("(created_at, id) < (?, ?)", f.Before.At, f.Before.ID)
	}
	return db.All(tx, scan, "SELECT "+columns+" FROM events WHERE "+w.SQL()+fmt.Sprintf(` ORDER BY created_at DESC, id DESC LIMIT %d`, f.Limit), w.Args()...)
}

const columns = `id, created_at, type, name, object_type, object_id, object_name, organization_id, project_id, branch_id,
	user_id, token_id, actor_name, job_id, request_id, address, user_agent, message, params, results, reading, seal`

func scan(r db.Row) (Event, error) {
	var e Event
	var params, results string
	err := r.Scan(&e.ID, db.Time(&e.At), &e.Type, &e.Name, &e.ObjectType, &e.ObjectID, &e.ObjectName, db.Null(&e.Organization),
		db.Null(&e.Project), db.Null(&e.Branch), db.Null(&e.UserID), db.Null(&e.TokenID), &e.ActorName, db.Null(&e.JobID),
		&e.RequestID, &e.Address, &e.UserAgent, &e.Message, &params, &results, &e.Reading, db.Null(&e.Seal))
	if err != nil {
		return Event{}, err
	}
	if err := json.Unmarshal([]byte(params), &e.Params); err != nil {
		return Event{}, fmt.Errorf("audit: event %d: %w", e.ID, err)
	}
	if err := json.Unmarshal([]byte(results), &e.Results); err != nil {
		return Event{}, fmt.Errorf("audit: event %d: %w", e.ID, err)
	}
	return e, nil
}
