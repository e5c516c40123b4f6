// Package console is the pages that people use. routes.go is the site map; each
// handler reads the request, calls one service, and fills a view model.
package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/alexedwards/scs/v2"
	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/app"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/id"
	"steward/internal/jobs"
	"steward/internal/tenancy"
	"steward/views/layout"
	"steward/views/paths"
	"steward/views/ui"
	"steward/web/gate"
)

// pageSize is how many rows of a list stand on a page.
const pageSize = 50

// Console is the handlers.
type Console struct {
	app      *app.App
	gate     *gate.Gate
	sessions *scs.SessionManager
	stopping context.Context // ends when the server stops, and streams with it
	previews chan struct{}   // as many at once as this holds

	comparisons chan struct{} // of versions, which may take long: likewise
	streams     *watchers
}

// New makes the console. Streams end when stopping does.
func New(stopping context.Context, a *app.App, g *gate.Gate, sessions *scs.SessionManager) *Console {
	return &Console{app: a, gate: g, sessions: sessions, stopping: stopping, previews: make(chan struct{}, 4*runtime.GOMAXPROCS(0)),
		comparisons: make(chan struct{}, 1+runtime.GOMAXPROCS(0)), streams: newWatchers()}
}

// Mount adds every route.
func (c *Console) Mount(e *echo.Echo) {
	e.Use(trace)
	c.gate.Mount(e, c.routes())
}

// Routes are the site map, for those who walk it.
func (c *Console) Routes() []gate.Route { return c.routes() }

// Trace is what the log says of a request besides its status: it is filled in on the way.
type Trace struct {
	Route   string // pattern of the matched route
	User    int64  // who is signed in, 0 for nobody
	Refused string // code of the fault, when it was not done
}

type traceKey struct{}

// WithTrace returns a context in which a trace is filled in.
func WithTrace(ctx context.Context, t *Trace) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

// TraceOf is the trace of a context, one that nobody reads when there is none.
func TraceOf(ctx context.Context) *Trace {
	if t, ok := ctx.Value(traceKey{}).(*Trace); ok {
		return t
	}
	return &Trace{}
}

func trace(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		ctx := c.Request().Context()
		t := TraceOf(ctx)
		t.Route = c.Path()
		if v := accounts.VisitOf(ctx); v.SignedIn() {
			t.User = v.User.ID
		}
		return next(c)
	}
}

// Uploads reports whether a request streams a file, so that its body is not bounded as
// a form is.
func Uploads(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/storage/load")
}

// page answers with a component.
func page(c echo.Context, status int, t templ.Component) error {
	c.Response().Header().Set(echo.HeaderContentType, "text/html; charset=utf-8")
	c.Response().WriteHeader(status)
	return t.Render(zoned(c), c.Response())
}

// zoned is the context of a request in which pages draw times as the person reads them.
func zoned(ec echo.Context) context.Context {
	return ui.WithZone(ec.Request().Context(), zone(ec))
}

// zone is the time zone of who is signed in.
func zone(ec echo.Context) *time.Location {
	if v := accounts.VisitOf(ec.Request().Context()); v.SignedIn() {
		return v.User.Zone()
	}
	return time.UTC
}

// when writes a time as lists do.
func (c *Console) when(t time.Time) ui.Time { return ui.When(t, time.UTC, c.app.DB.Now()) }

// view runs a read-only transaction of a request.
func (c *Console) view(ec echo.Context, fn func(*db.Tx) error) error {
	return c.app.DB.View(ec.Request().Context(), fn)
}

// update runs a read-write transaction of a request.
func (c *Console) update(ec echo.Context, fn func(*db.Tx) error) error {
	return c.app.DB.Update(ec.Request().Context(), fn)
}

// done tells on the next page what was done, and goes there.
func (c *Console) done(ec echo.Context, text, url string) error {
	c.sessions.Put(ec.Request().Context(), "flash", text)
	return ec.Redirect(http.StatusSeeOther, url)
}

// asBefore is told who has saved what was there.
const asBefore = "Nothing has changed: it said this already."

// refused tells on the next page why something could not be done, and goes there.
func (c *Console) refused(ec echo.Context, err error, url string) error {
	c.sessions.Put(ec.Request().Context(), "problem", fault.Of(err).Message)
	return ec.Redirect(http.StatusSeeOther, url)
}

// undo is a form that takes back what was done.
type undo struct {
	Action string    `json:"action"`
	Fields []ui.Pair `json:"fields,omitempty"`
}

// doneWith is done with a button that takes it back.
func (c *Console) doneWith(ec echo.Context, text string, u undo, url string) error {
	form, err := json.Marshal(u)
	if err != nil {
		return err
	}
	c.sessions.Put(ec.Request().Context(), "undo", string(form))
	return c.done(ec, text, url)
}

// await goes to next when a job that was just enqueued ends well soon, and says there
// what it did, with a button that undoes it; otherwise it goes to the job's own page.
func (c *Console) await(ec echo.Context, s access.Project, j jobs.Job, next string) error {
	ctx := ec.Request().Context()
	wake, stop := c.app.Hub.Watch(jobs.ProjectTopic(s.ID()))
	defer stop()
	end := time.NewTimer(c.app.Patience)
	defer end.Stop()
	tick := time.NewTicker(100 * time.Millisecond) // other processes end jobs without a word
	defer tick.Stop()
	for {
		var log []jobs.Line
		var undoable bool
		err := c.view(ec, func(tx *db.Tx) (err error) {
			if j, err = c.app.Jobs.Get(tx, s, j.ID); err != nil || j.State != jobs.Success {
				return err
			}
			if log, err = jobs.Log(tx, j, 1); err != nil {
				return err
			}
			about, err := c.app.Storage.Subjects(tx, s, j)
			undoable = c.app.Storage.Undoable(s, j, about[j.ID])
			return err
		})
		switch {
		case err != nil:
			return err
		case j.State == jobs.Success && len(log) == 1 && undoable:
			return c.doneWith(ec, log[0].Message, undo{Action: paths.StorageJobUndo(s.ID(), j.ID)}, next)
		case j.State == jobs.Success && len(log) == 1:
			return c.done(ec, log[0].Message, next)
		case j.Finished():
			return ec.Redirect(http.StatusSeeOther, paths.StorageJob(s.ID(), j.ID))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end.C:
			return ec.Redirect(http.StatusSeeOther, paths.StorageJob(s.ID(), j.ID))
		case <-wake:
		case <-tick.C:
		}
	}
}

// shell is what surrounds a page of a person who is signed in.
func (c *Console) shell(ec echo.Context, a access.Actor) layout.Shell {
	ctx := ec.Request().Context()
	v := accounts.VisitOf(ctx)
	shell := layout.Shell{
		Person: layout.Person{Name: a.Name, Email: a.Email, SuperAdmin: a.SuperAdmin}, Nav: layout.AccountNav(a.SuperAdmin || v.User.OfSupport(c.app.DB.Now())), Theme: v.User.Theme,
		Flash: c.sessions.PopString(ctx, "flash"), Problem: c.sessions.PopString(ctx, "problem"), Path: ec.Request().URL.RequestURI(), ThemeKey: id.Short(), SignOutKey: id.Short(),
	}
	if text := c.sessions.PopString(ctx, "undo"); text != "" {
		var u undo
		if err := json.Unmarshal([]byte(text), &u); err == nil {
			shell.Undo = layout.Undo{Action: u.Action, Key: key(), Fields: u.Fields}
		}
	}
	return shell
}

// projectShell is the shell inside a project.
func (c *Console) projectShell(ec echo.Context, tx *db.Tx, s access.Project) (layout.Shell, tenancy.Project, error) {
	shell := c.shell(ec, s.Actor())
	p, err := tenancy.Describe(tx, s)
	if err != nil {
		return shell, p, err
	}
	near, all, err := tenancy.Switch(tx, s.Actor(), p, 8)
	if err != nil {
		return shell, p, err
	}
	link := func(p tenancy.Project) layout.Project {
		return layout.Project{Name: p.Name, Organization: p.OrganizationName, URL: paths.Project(p.ID)}
	}
	shell.Project, shell.Nav, shell.Notices, shell.Ends = link(p), layout.ProjectNav(p.ID), notices(p), c.ends(s, p)
	if !s.May(access.ProjectRead) { // they manage its people from outside
		shell.Nav = slices.DeleteFunc(shell.Nav, func(n layout.NavItem) bool { return n.ID != "settings" })
		shell.Notices = append(shell.Notices, ui.Banner{Icon: "building-2", Text: "You are not in this project. You manage its people as a member of its organization.", Action: ui.Button{Label: "Join", URL: paths.Join(p.ID), Small: true}})
	}
	for _, o := range near {
		shell.Projects = append(shell.Projects, link(o))
	}
	if all > int64(len(near)) {
		shell.AllProjects = ui.Number(all)
	}
	return shell, p, nil
}

// organizationShell is the shell of the pages of an organization.
func (c *Console) organizationShell(ec echo.Context, s access.Organization) (layout.Shell, error) {
	notices, err := c.organizationNotices(ec, s)
	if err != nil {
		return layout.Shell{}, err
	}
	shell := c.shell(ec, s.Actor())
	shell.Notices = notices
	return shell, nil
}

// organizationNotices are what each page of an organization says above everything else.
func (c *Console) organizationNotices(ec echo.Context, s access.Organization) ([]ui.Banner, error) {
	var v tenancy.Visitors
	err := c.view(ec, func(tx *db.Tx) (err error) { v, err = tenancy.OrganizationVisitors(tx, s); return err })
	members := paths.TeamMembers(paths.Organization(s.ID()))
	return visiting(v, "organization", members+"#leave", members), err
}

// notices are what each page of a project says above everything else.
func notices(p tenancy.Project) []ui.Banner {
	return visiting(p.Visitors, "project", paths.Member(p.ID, p.Visitors.Own)+"#end", paths.With(paths.Members(p.ID), "sort", "newest"))
}

// visiting tells of people from outside who are in a project or an organization for a time: each of
// them where to leave it, and everybody else where they are listed.
func visiting(v tenancy.Visitors, kind, leave, list string) []ui.Banner {
	if v.Count == 0 {
		return nil
	}
	text := v.Name + ", " + v.Through.Text() + ", is in this " + kind + " until " + visitEnds(v.Until) + ": " + v.Reason
	action := ui.Button{Label: "See who", URL: list, Small: true}
	switch {
	case v.Own != 0:
		text = "You are in this " + kind + " as " + strings.Replace("somebody "+v.Through.Text(), "somebody super", "a super", 1) + " until " + visitEnds(v.Until) + ": " + v.Reason
		action = ui.Button{Label: "Leave", URL: leave, Small: true}
	case v.Count > 1:
		text = v.Name + ", " + v.Through.Text() + ", and " + ui.Count(v.Count-1, "other", "others") + " from outside the organization are in this " + kind + " for a time."
	}
	return []ui.Banner{{Icon: "user-cog", Text: text, Action: action}}
}

// visitEnds writes when a visit ends, within a sentence.
func visitEnds(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }

// ends tells of a project that expires within the time in which its members are warned.
func (c *Console) ends(s access.Project, p tenancy.Project) layout.Ends {
	now, day := c.app.DB.Now(), 24*time.Hour
	if p.ExpiresAt.IsZero() || p.ExpiresAt.Sub(now) > tenancy.Warning {
		return layout.Ends{}
	}
	left := "today"
	if days := int64(p.ExpiresAt.Truncate(day).Sub(now.Truncate(day)) / day); days > 0 {
		left = "in " + ui.Count(days, "day", "days")
	}
	e := layout.Ends{Left: left, At: ui.Exact(p.ExpiresAt, time.UTC)}
	if s.May(access.LimitsRequest) {
		e.URL = paths.With(paths.ProjectWish(p.ID), "for", "time")
	}
	return e
}

// key is a fresh idempotency key for a form.
func key() string { return id.Short() }

// fieldErrors gives the messages of an Invalid or Conflict fault by field; ok is false
// for other errors, which the handler returns.
func fieldErrors(err error) (out ui.Errors, ok bool) {
	f := fault.Of(err)
	if f == nil || (f.Kind != fault.Invalid && f.Kind != fault.Conflict) {
		return nil, false
	}
	out = ui.Errors{}
	for _, x := range f.Fields {
		if _, seen := out[x.Name]; !seen {
			out[x.Name] = x.Message
		}
	}
	if len(out) == 0 {
		out[""] = f.Message
	}
	return out, true
}

// limitMet is what a form says of a limit that was met, with the header that tells when it can be
// sent again; ok is false for other errors.
func limitMet(ec echo.Context, err error, field string) (errs ui.Errors, ok bool) {
	f := fault.Of(err)
	if f == nil || f.Kind != fault.TooMany {
		return nil, false
	}
	ec.Response().Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Seconds())+1))
	return ui.Errors{field: f.Message}, true
}

// number reads a positive number of the address. NotFound when it is none.
func number(ec echo.Context, name string) (int64, error) {
	text := ec.Param(name)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || strconv.FormatInt(n, 10) != text {
		return 0, fault.New(fault.NotFound, "notFound", "Not found.")
	}
	return n, nil
}

// endOfDay reads the day of a field, which is the last one of something, and gives its end;
// the zero time for none. Invalid for what is no day.
func endOfDay(field, text string) (time.Time, error) {
	if text = strings.TrimSpace(text); text == "" {
		return time.Time{}, nil
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		const message = "Enter a day like 2026-12-31."
		return time.Time{}, &fault.Error{Kind: fault.Invalid, Code: "form." + field, Message: message, Fields: []fault.Field{{Name: field, Message: message}}, Err: err}
	}
	return day.AddDate(0, 0, 1).Add(-time.Second), nil // the day itself is in it
}

// lastMoment is the end of the day of a moment, as endOfDay gives it.
func lastMoment(t time.Time) time.Time {
	return t.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1).Add(-time.Second)
}

// dayField is a time as the field of such a day has it; "" for the zero time.
func dayField(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.DateOnly)
}

// form reads the fields of a posted form, of which each may come once. Invalid for
// fields that the form does not have.
func form(ec echo.Context, known ...string) (map[string]string, error) {
	out, _, err := formLists(ec, nil, known...)
	return out, err
}

// formLists is form for a form with fields that come any number of times.
func formLists(ec echo.Context, repeated []string, known ...string) (map[string]string, url.Values, error) {
	r := ec.Request()
	if err := r.ParseForm(); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, nil, err
		}
		return nil, nil, fault.Wrap(err, fault.Invalid, "form.unreadable", "The form could not be read.")
	}
	out, lists := map[string]string{}, url.Values{}
	for _, k := range known {
		out[k] = ""
	}
	for k, v := range r.PostForm {
		if k == gate.KeyField {
			continue
		}
		if slices.Contains(repeated, k) {
			lists[k] = v
			continue
		}
		if _, ok := out[k]; !ok {
			return nil, nil, fault.Newf(fault.Invalid, "form.unknownField", "The form has no field %.60q.", k)
		}
		if len(v) != 1 {
			return nil, nil, fault.Newf(fault.Invalid, "form.repeatedField", "The field %q came %d times.", k, len(v))
		}
		out[k] = v[0]
	}
	return out, lists, nil
}

// plainLines writes the ends of lines as programs do; browsers send them as CR and LF.
func plainLines(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

// linesOf gives the lines of a text area that are not empty.
func linesOf(text string) []string {
	var out []string
	for line := range strings.SplitSeq(plainLines(text), "\n") {
		if strings.TrimSpace(line) != "" {
			out = append(out, line)
		}
	}
	return out
}
