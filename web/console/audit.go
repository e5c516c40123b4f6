package console

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/tenancy"
	"steward/views/admin"
	view "steward/views/audit"
	"steward/views/paths"
	"steward/views/settings"
	tenants "steward/views/tenancy"
	"steward/views/ui"
)

// auditFields are all that is known of an event.
var auditFields = append(eventFields[:len(eventFields):len(eventFields)],
	field[audit.Event]{"objectName", func(e audit.Event) any { return e.ObjectName }},
	field[audit.Event]{"organizationId", func(e audit.Event) any { return orNil(e.Organization) }},
	field[audit.Event]{"projectId", func(e audit.Event) any { return orNil(e.Project) }},
	field[audit.Event]{"branchId", func(e audit.Event) any { return orNil(e.Branch) }},
	field[audit.Event]{"userId", func(e audit.Event) any { return orNil(e.UserID) }},
	field[audit.Event]{"tokenId", func(e audit.Event) any { return orNil(e.TokenID) }},
	field[audit.Event]{"userAgent", func(e audit.Event) any { return e.UserAgent }},
	field[audit.Event]{"params", func(e audit.Event) any { return rawJSON(e.Params) }},
	field[audit.Event]{"results", func(e audit.Event) any { return rawJSON(e.Results) }},
	field[audit.Event]{"reading", func(e audit.Event) any { return e.Reading }},
	field[audit.Event]{"seal", func(e audit.Event) any { return orNil(e.Seal) }},
)

// rawJSON writes what was read from JSON.
func rawJSON(m map[string]any) json.RawMessage {
	b, err := json.Marshal(m)
	if err != nil {
		return json.RawMessage("{}")
	}
	return b
}

func (c *Console) projectAudit(ec echo.Context, s access.Project) error {
	reach, err := audit.OfProject(s)
	if err != nil {
		return err
	}
	log, done, err := c.auditLog(ec, reach, paths.ProjectAudit(s.ID()))
	if done || err != nil {
		return err
	}
	m := settings.Audit{Tabs: settingsTabs(s), Log: log}
	if err := c.view(ec, func(tx *db.Tx) (err error) { m.Shell, _, err = c.projectShell(ec, tx, s); return err }); err != nil {
		return err
	}
	return page(ec, http.StatusOK, settings.AuditPage(m))
}

func (c *Console) organizationAudit(ec echo.Context, s access.Organization) error {
	reach, err := audit.OfOrganization(s)
	if err != nil {
		return err
	}
	log, done, err := c.auditLog(ec, reach, paths.OrganizationAudit(s.ID()))
	if done || err != nil {
		return err
	}
	shell, err := c.organizationShell(ec, s)
	if err != nil {
		return err
	}
	m := tenants.OrganizationAudit{Shell: shell, URL: paths.Organization(s.ID()), Tabs: organizationTabs(s, "audit"), Log: log}
	err = c.view(ec, func(tx *db.Tx) error {
		o, err := tenancy.DescribeOrganization(tx, s)
		m.Name = o.Name
		return err
	})
	if err != nil {
		return err
	}
	return page(ec, http.StatusOK, tenants.OrganizationAuditPage(m))
}

func (c *Console) adminAudit(ec echo.Context, a access.Actor) error {
	reach, err := audit.OfAll(a)
	if err != nil {
		return err
	}
	log, done, err := c.auditLog(ec, reach, paths.AdminAudit())
	if done || err != nil {
		return err
	}
	return page(ec, http.StatusOK, admin.AuditPage(admin.Audit{Shell: c.adminShell(ec, a), Log: log}))
}

// auditLog gives the page of an audit log that the address names, or answers with all that
// it selects for programs.
func (c *Console) auditLog(ec echo.Context, reach audit.Reach, at string) (m view.Log, done bool, err error) {
	m = view.Log{URL: at, Filter: auditFilter(ec), Download: downloads(ec)}
	m.Download.JSONL = strings.Replace(m.Download.JSON, "format=json", "format=jsonl", 1)
	q, err := auditQuery(m.Filter, zone(ec))
	if err != nil {
		return m, false, err
	}
	var by accounts.User
	if m.Filter.Who != "" {
		if err := c.view(ec, func(tx *db.Tx) (err error) { by, err = c.meant(tx, m.Filter.Who); return err }); err != nil {
			return m, false, err
		}
		q.UserID = by.ID
	}
	done, err = exported(ec, "audit-log", auditFields, func(last *audit.Event) ([]audit.Event, error) { return c.auditNext(ec, reach, q, last) })
	if done || err != nil {
		return m, done, err
	}
	q.Limit = pageSize + 1
	if q.Before.At, q.Before.ID, err = parseCursor(ec.QueryParam("before")); err != nil {
		return m, false, err
	}
	var found audit.Found
	var status audit.Status
	addresses := map[int64]string{by.ID: by.Email}
	err = c.view(ec, func(tx *db.Tx) (err error) {
		if found, err = audit.Find(tx, reach, q); err != nil {
			return err
		}
		if by.Email == "" {
			if addresses, err = accounts.Addresses(tx, actors(found.Events)...); err != nil {
				return err
			}
		}
		status, err = audit.StatusOf(tx, reach)
		return err
	})
	if err != nil {
		return m, false, err
	}
	m.Filtered, m.Seals = m.Filter.Set(), c.seals(status)
	events, next, label := found.Events, "", "Older events"
	if len(events) > pageSize {
		events = events[:pageSize]
		next = cursorOf(events[pageSize-1].At, events[pageSize-1].ID)
	}
	text := ui.Count(int64(len(events)), "event", "events") + " on this page"
	if next == "" && !found.Until.IsZero() {
		next, label = cursorOf(found.Until, 0), "Search older events"
		text += ", searched back to " + ui.Exact(found.Until, zone(ec)).Text
	}
	m.Pager = more(ec, text, "before", next, label)
	for _, e := range events {
		m.List = append(m.List, c.auditRow(e, addresses[e.UserID], at))
	}
	return m, false, nil
}

// auditNext gives the events of an export after the last of those before. The first call
// records the export: what it gives has happened before.
func (c *Console) auditNext(ec echo.Context, reach audit.Reach, q audit.Query, last *audit.Event) ([]audit.Event, error) {
	q.Limit = 1000
	if last != nil {
		q.Before = audit.Cursor{At: last.At, ID: last.ID}
	}
	for {
		var found audit.Found
		if err := c.view(ec, func(tx *db.Tx) (err error) { found, err = audit.Find(tx, reach, q); return err }); err != nil {
			return nil, err
		}
		if len(found.Events) == 0 && !found.Until.IsZero() {
			q.Before = audit.Cursor{At: found.Until}
			if err := extend(ec); err != nil {
				return nil, err
			}
			continue
		}
		if last != nil {
			return found.Events, nil
		}
		return found.Events, c.update(ec, func(tx *db.Tx) error { return audit.Exported(tx, reach, q, ec.QueryParam("format")) })
	}
}

// actors are the numbers of the people who did something, each once.
func actors(events []audit.Event) (ids []int64) {
	for _, e := range events {
		if e.UserID != 0 && !slices.Contains(ids, e.UserID) {
			ids = append(ids, e.UserID)
		}
	}
	return ids
}

// meant is the person whom a filter names, by their number, of whom it gives no more, or by the
// address of their account; nobody for any other text.
func (c *Console) meant(tx *db.Tx, who string) (accounts.User, error) {
	if n, err := strconv.ParseInt(who, 10, 64); err == nil && n > 0 && itoa(n) == who {
		return accounts.User{ID: n}, nil
	}
	if !strings.Contains(who, "@") {
		return accounts.User{}, nil
	}
	u, err := c.app.Accounts.ByEmail(tx, who)
	if fault.Is(err, fault.NotFound) {
		return accounts.User{}, nil
	}
	return u, err
}

// kindsOfObjects are what events are about.
var kindsOfObjects = []string{"bucket", "table", "file", "job", "project", "organization", "maintainer", "user", "session", "mail", "installation"}

func auditFilter(ec echo.Context) view.Filter {
	f := view.Filter{Who: query(ec, "who"), Kind: query(ec, "kind"), Object: query(ec, "object"), Event: query(ec, "event"), Tone: query(ec, "tone"),
		Address: query(ec, "address"), From: query(ec, "from"), To: query(ec, "to"), Reads: query(ec, "reads"),
		Kinds: []ui.Option{{Label: "All kinds"}}, Tones: []ui.Option{{Label: "Any outcome"}, {Value: "success", Label: "Success"}, {Value: "info", Label: "Information"}, {Value: "warn", Label: "Warning or refusal"}, {Value: "error", Label: "Error"}}}
	for _, kind := range kindsOfObjects {
		f.Kinds = append(f.Kinds, ui.Option{Value: kind, Label: capital(kind)})
	}
	return f
}

// auditQuery reads a filter; its days are those of a time zone. Invalid for what is none.
func auditQuery(f view.Filter, zone *time.Location) (audit.Query, error) {
	q := audit.Query{Actor: f.Who, Kind: f.Kind, Object: f.Object, Name: f.Event, Tone: audit.Type(f.Tone), Address: f.Address, Reading: audit.Reading(f.Reads)}
	if a, err := netip.ParseAddr(f.Address); err == nil {
		q.Address = a.String() // as it is recorded
	}
	var err error
	if q.From, err = dayOf(f.From, zone); err != nil {
		return q, err
	}
	if q.To, err = dayOf(f.To, zone); err != nil {
		return q, err
	}
	if !q.To.IsZero() {
		q.To = q.To.AddDate(0, 0, 1)
	}
	if !slices.Contains([]audit.Type{"", audit.Info, audit.Success, audit.Warn, audit.Error}, q.Tone) || !slices.Contains([]audit.Reading{audit.AllEvents, audit.NoReads, audit.OnlyReads}, q.Reading) {
		return q, fault.New(fault.Invalid, "audit.choice", "The filter has no such choice.")
	}
	return q, nil
}

// dayOf is when a day begins, such as 2026-11-21. The zero time for an empty text.
func dayOf(text string, zone *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	day, err := time.ParseInLocation(time.DateOnly, text, zone)
	if err != nil || day.Year() < 1971 || day.Year() > 9000 {
		return time.Time{}, fault.New(fault.Invalid, "audit.day", "Enter a day like 2026-11-21.")
	}
	return day, nil
}

// seals tells of the seals in words.
func (c *Console) seals(s audit.Status) view.Seals {
	m := view.Seals{Sealed: s.Seal > 0, Until: c.exact(s.Until), Number: ui.Number(s.Seal), Digest: s.Digest, Checked: c.exact(s.Check.At), Broken: s.Check.Problems > 0}
	m.Waiting = "No event waits for its seal."
	if s.Waiting > 0 {
		m.Waiting = ui.Count(s.Waiting, "newer event waits for its seal.", "newer events wait for their seal.")
	}
	if s.More {
		m.Waiting = "At least " + m.Waiting
	}
	m.Check = ui.Count(s.Check.Seals, "seal holds.", "seals hold.")
	if m.Broken {
		m.Check = "steward verify found " + ui.Count(s.Check.Problems, "problem", "problems") + " in " + ui.Count(s.Check.Seals, "seal", "seals") + ". Its output names them."
	}
	return m
}

// auditRow is an event with links that narrow the log at an address. email is that of who did it,
// if they have an account: anybody may take the name of somebody else.
func (c *Console) auditRow(e audit.Event, email, at string) view.Row {
	row := view.Row{ID: itoa(e.ID), Time: c.exact(e.At), Who: ui.Who{Name: e.ActorName}, Email: email, Text: deed(e, email), Name: e.Name, Kind: capital(e.ObjectType)}
	if e.UserID == 0 && e.ActorName != "" {
		row.Who.Kind = "auto"
	}
	switch e.Type {
	case audit.Warn:
		row.Tag = ui.Warning
	case audit.Error:
		row.Tag = ui.Error
	}
	number := func(n int64) string {
		if n == 0 {
			return ""
		}
		return itoa(n)
	}
	person := cmp.Or(email, number(e.UserID))
	if e.ActorName != "" {
		row.WhoURL = paths.With(at, "who", cmp.Or(person, e.ActorName))
	}
	if e.ObjectID != "" {
		row.Object = ui.Link{Label: e.ObjectID, URL: at + "?" + url.Values{"kind": {e.ObjectType}, "object": {e.ObjectID}}.Encode()}
		if e.ObjectName != "" {
			row.Object.Label = e.ObjectName
		}
	}
	if e.Address != "" {
		row.Address = ui.Link{Label: e.Address, URL: paths.With(at, "address", e.Address)}
	}
	if e.JobID != 0 && e.Project != 0 {
		row.Job = ui.Link{Label: itoa(e.JobID), URL: paths.StorageJob(e.Project, e.JobID)}
	}
	seal := "Not yet"
	if e.Seal != 0 {
		seal = itoa(e.Seal)
	}
	for _, f := range []ui.Pair{{Name: "Event", Value: itoa(e.ID)}, {Name: "Seal", Value: seal}, {Name: "Sentence", Value: e.Message}, {Name: "Person", Value: person}, {Name: "Token", Value: number(e.TokenID)},
		{Name: "Object ID", Value: e.ObjectID}, {Name: "Organization", Value: number(e.Organization)}, {Name: "Project", Value: number(e.Project)}, {Name: "Branch", Value: number(e.Branch)},
		{Name: "Request", Value: e.RequestID}, {Name: "Address", Value: e.Address}, {Name: "Browser", Value: e.UserAgent}} {
		if f.Value != "" {
			row.Facts = append(row.Facts, f)
		}
	}
	if row.Job.URL == "" && e.JobID != 0 {
		row.Facts = append(row.Facts, ui.Pair{Name: "Job", Value: itoa(e.JobID)})
	}
	row.Facts = append(row.Facts, factsOf(e)...)
	return row
}

// deed is the sentence of an event without who it begins with, whose address stands beside it.
func deed(e audit.Event, email string) string {
	for _, name := range []string{e.ActorName, strconv.Quote(e.ActorName)} {
		if rest, ok := strings.CutPrefix(e.Message, name+" "); ok {
			rest = strings.TrimPrefix(rest, "("+email+")")
			return capital(strings.TrimLeft(rest, ", "))
		}
	}
	return e.Message
}

// capital writes the first letter large.
func capital(text string) string {
	r, n := utf8.DecodeRuneInString(text)
	if n == 0 {
		return ""
	}
	return string(unicode.ToUpper(r)) + text[n:]
}
