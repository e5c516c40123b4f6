package console

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/tenancy"
	view "steward/views/admin"
	"steward/views/paths"
	"steward/views/ui"
)

var overseenFields = []field[tenancy.Overseen]{
	{"id", func(p tenancy.Overseen) any { return p.ID }},
	{"name", func(p tenancy.Overseen) any { return p.Name }},
	{"organizationId", func(p tenancy.Overseen) any { return p.Organization }},
	{"organization", func(p tenancy.Overseen) any { return p.OrganizationName }},
	{"governed", func(p tenancy.Overseen) any { return p.Governed }},
	{"state", func(p tenancy.Overseen) any { return p.State }},
	{"created", func(p tenancy.Overseen) any { return p.CreatedAt }},
	{"expires", func(p tenancy.Overseen) any { return p.ExpiresAt }},
	{"disabled", func(p tenancy.Overseen) any { return p.DisabledAt }},
	{"disabledReason", func(p tenancy.Overseen) any { return p.DisabledReason }},
	{"expectedBack", func(p tenancy.Overseen) any { return p.ExpectedAt }},
	{"deleted", func(p tenancy.Overseen) any { return p.DeletedAt }},
	{"deletedBy", func(p tenancy.Overseen) any { return p.DeletedBy }},
	{"purgeDue", func(p tenancy.Overseen) any { return p.PurgeAt }},
	{"purged", func(p tenancy.Overseen) any { return p.PurgedAt }},
}

func (c *Console) adminProjects(ec echo.Context, a access.Actor) error {
	f := tenancy.OverseenFilter{Search: query(ec, "q"), State: query(ec, "state")}
	if text := query(ec, "organization"); text != "" {
		var err error
		if f.Organization, err = strconv.ParseInt(text, 10, 64); err != nil || f.Organization <= 0 {
			return fault.New(fault.Invalid, "list.organization", "An organization is named by its number.")
		}
	}
	list := func(limit int, after tenancy.After) (out []tenancy.Overseen, err error) {
		f := f
		f.Limit, f.After = limit, after
		err = c.view(ec, func(tx *db.Tx) error { out, err = c.app.Tenancy.ListAll(tx, a, f); return err })
		return out, err
	}
	done, err := exported(ec, "projects", overseenFields, func(last *tenancy.Overseen) ([]tenancy.Overseen, error) {
		if last == nil {
			return list(1000, tenancy.After{})
		}
		return list(1000, tenancy.After{Name: strings.ToLower(last.Name), ID: last.ID})
	})
	if done || err != nil {
		return err
	}
	var after tenancy.After
	if text := ec.QueryParam("after"); text != "" {
		if after.Name, after.ID, err = parseNamed(text); err != nil {
			return err
		}
	}
	found, err := list(pageSize+1, after)
	if err != nil {
		return err
	}
	next := ""
	if len(found) > pageSize {
		found = found[:pageSize]
		next = strings.ToLower(found[pageSize-1].Name) + "\n" + itoa(found[pageSize-1].ID)
	}
	m := view.Projects{Shell: c.adminShell(ec, a), Query: f.Search, State: f.State, Download: downloads(ec), AllURL: paths.With(paths.AdminProjects(), "q", f.Search, "state", f.State)}
	m.Pager = more(ec, ui.Count(int64(len(found)), "project", "projects")+" on this page", "after", next, "More projects")
	for _, p := range found {
		row := view.ProjectRow{ID: itoa(p.ID), Name: p.Name, URL: paths.AdminProject(p.ID), Organization: p.OrganizationName, OrganizationURL: paths.With(paths.AdminProjects(), "organization", itoa(p.Organization)),
			State: standingOf(p, c.app.DB.Now()), Created: c.when(p.CreatedAt), Expires: c.when(p.ExpiresAt)}
		if p.Recoverable(c.app.DB.Now()) {
			row.Until = c.when(p.Until())
		}
		m.List = append(m.List, row)
	}
	if f.Organization != 0 {
		if m.Organization, m.Of = itoa(f.Organization), "organization "+itoa(f.Organization); len(found) > 0 {
			m.Of = found[0].OrganizationName
		}
	}
	return page(ec, http.StatusOK, view.ProjectsPage(m))
}

func standingOf(p tenancy.Overseen, now time.Time) view.Standing {
	switch {
	case p.State == tenancy.Disabled:
		return view.Standing{Tone: "warn", Icon: "ban", Word: "Disabled"}
	case p.State == tenancy.Deleted && !p.PurgeBegunAt.IsZero():
		return view.Standing{Tone: "bad", Icon: "eraser", Word: "Being purged"}
	case p.State == tenancy.Deleted:
		return view.Standing{Tone: "bad", Icon: "trash-2", Word: "Deleted"}
	case p.State == tenancy.Purged:
		return view.Standing{Icon: "eraser", Word: "Purged"}
	case !p.ExpiresAt.IsZero() && !p.ExpiresAt.After(now): // nobody enters it; the sweep deletes it
		return view.Standing{Tone: "bad", Icon: "clock", Word: "Expired"}
	}
	return view.Standing{Tone: "ok", Icon: "check", Word: "Active"}
}

func (c *Console) adminProject(ec echo.Context, a access.Actor) error {
	return c.adminProjectPage(ec, a, http.StatusOK, nil, nil)
}

// adminProjectPage shows a project, with what was typed in place of what is set.
func (c *Console) adminProjectPage(ec echo.Context, a access.Actor, status int, typed map[string]string, errs ui.Errors) error {
	id, err := number(ec, "project")
	if err != nil {
		return err
	}
	m := view.Project{Shell: c.adminShell(ec, a), ID: itoa(id), Errors: errs}
	err = c.view(ec, func(tx *db.Tx) error {
		p, err := c.app.Tenancy.Oversee(tx, a, id)
		if err != nil {
			return err
		}
		events, err := audit.LifeOf(tx, a, id, p.Branch, audit.Filter{Limit: 30})
		if err != nil {
			return err
		}
		m.History = c.changes(events)
		c.adminProjectFacts(&m, p)
		c.adminProjectForms(&m, p, status, typed)
		if m.Retype.Action == "" {
			return nil
		}
		types, err := tenancy.Templates(tx)
		m.Types = typesOf(p, types)
		return err
	})
	if err != nil {
		return err
	}
	return page(ec, status, view.ProjectPage(m))
}

func (c *Console) adminProjectFacts(m *view.Project, p tenancy.Overseen) {
	m.Name, m.Organization, m.People, m.State, m.Kind = p.Name, p.OrganizationName, ui.Number(p.Members), standingOf(p, c.app.DB.Now()), "Standard"
	if p.Governed {
		m.Kind = "Governed"
	}
	m.Type = p.Type.Name
	m.Created, m.Expires, m.Disabled, m.Reason = c.when(p.CreatedAt), c.when(p.ExpiresAt), c.when(p.DisabledAt), p.DisabledReason
	m.Expected = c.end(p.ExpectedAt)
	m.Deleted, m.DeletedBy, m.Purged = c.when(p.DeletedAt), p.DeletedBy, c.when(p.PurgedAt)
	if p.Recoverable(c.app.DB.Now()) {
		m.Until = c.when(p.Until())
	}
	if p.State == tenancy.Deleted && !p.Purging() {
		m.PurgeDue = c.when(p.PurgeAt)
	}
	if p.PurgeJob == 0 {
		return
	}
	m.Progress = view.Purging{State: stateOf(p.Purge), Text: ui.Count(p.Purge.RowsDone, "table or file", "tables and files") + " removed, " + ui.Bytes(p.Purge.BytesDone), Problem: p.Purge.ErrorMessage}
	if p.State == tenancy.Purged {
		m.Progress.Text = ui.Count(p.Purge.RowsDone, "table or file was", "tables and files were") + " removed."
	}
	if p.Purging() && !p.Purge.CancelRequested {
		m.Progress.Stop = view.Form{Action: paths.AdminProjectDo(p.ID, "purge/stop"), Key: key()}
	}
}

// adminProjectForms are what can be done to a project as it is. When terms that were typed were
// overtaken, they show both.
func (c *Console) adminProjectForms(m *view.Project, p tenancy.Overseen, status int, typed map[string]string) {
	do := func(what string) view.Form { return view.Form{Action: paths.AdminProjectDo(p.ID, what), Key: key()} }
	expires, now := dayField(p.ExpiresAt), c.app.DB.Now()
	if text, ok := typed["expires"]; ok {
		expires = text
	}
	// Of the three forms that tell what they were made from at most one was typed.
	from := func(field string) map[string]string {
		if _, ok := typed[field]; ok {
			return typed
		}
		return nil
	}
	switch p.State {
	case tenancy.Active:
		m.Disable = do("disable")
		m.Disable.Value, m.Back = typed["reason"], typed["back"]
		m.MoveURL = paths.ProjectMove(p.ID)
	case tenancy.Disabled:
		m.Enable = do("enable")
	case tenancy.Deleted:
		if p.Recoverable(now) {
			m.Undelete = do("undelete")
			if m.Undelete.Value = expires; typed == nil && !p.ExpiresAt.After(now) { // a new one has to be chosen
				m.Undelete.Value = ""
			}
		}
		if !p.Purging() {
			m.Purge = do("purge")
		}
	}
	if p.State == tenancy.Active || p.State == tenancy.Disabled {
		m.Expiry = do("expiry")
		m.Expiry.Value, m.Expiry.Seen = expires, seenIn(status, from("expires"), dayField(p.ExpiresAt))
		m.Retype = do("type")
		m.Retype.Value, m.Retype.Seen = p.Type.ID, seenIn(status, from("template"), typeState(p.Type, p.ExpiresAt))
		m.Agree = do("terms")
		m.Terms = termsFields(termsTyped(p.Terms))
		m.Agree.Seen = seenIn(status, from("users"), p.Terms)
		if from("users") != nil {
			m.Terms = termsFields(typed)
			if status == http.StatusConflict {
				m.Now = termsWords(p.Terms)
			}
		}
		m.Follow = ui.Choices{ID: "follow", Legend: "It expires", Error: m.Errors["follow"], Items: []ui.Choice{{Value: "type", Label: "As the type says, from now on"}, {Value: "never", Label: "Never"}}}
		if from("template") != nil {
			m.Retype.Value, m.Follow.Value = typed["template"], typed["follow"]
		}
	}
}

// typeState is what another type of a project writes over.
func typeState(t tenancy.Template, expires time.Time) string { return t.ID + " " + dayField(expires) }

// typesOf are the types that a project may get: those that are offered, and its own.
func typesOf(p tenancy.Overseen, offered []tenancy.Template) (out []ui.Option) {
	if p.Type.ID == "" {
		out = append(out, ui.Option{Label: "None"})
	} else if !slices.ContainsFunc(offered, func(t tenancy.Template) bool { return t.ID == p.Type.ID }) {
		offered = append([]tenancy.Template{p.Type}, offered...)
	}
	for _, t := range offered {
		out = append(out, ui.Option{Value: t.ID, Label: t.Name + " (expires: " + strings.ToLower(lives(t.Days)) + ")"})
	}
	return out
}

// adminProjectDo does one thing to a project, and says so.
func (c *Console) adminProjectDo(ec echo.Context, a access.Actor, says string, typed map[string]string, do func(tx *db.Tx, project int64) error) error {
	return c.adminProjectChange(ec, a, typed, func(tx *db.Tx, project int64) (altered, error) { return altered{says: says}, do(tx, project) })
}

// altered is what became of a form: what is said of it, and the fields that undo it, if any.
type altered struct {
	says string
	back []ui.Pair
}

// adminProjectChange changes something of a project, and offers to send the same form with
// the fields of before, if do gives any.
func (c *Console) adminProjectChange(ec echo.Context, a access.Actor, typed map[string]string, do func(tx *db.Tx, project int64) (altered, error)) error {
	id, err := number(ec, "project")
	if err != nil {
		return err
	}
	var x altered
	err = c.update(ec, func(tx *db.Tx) error { x, err = do(tx, id); return err })
	if fault.Is(err, fault.Conflict) && !fault.HasCode(err, tenancy.Overtaken) {
		return c.refused(ec, err, paths.AdminProject(id))
	}
	if errs, ok := fieldErrors(err); ok {
		return c.adminProjectPage(ec, a, formStatus(err), typed, errs)
	}
	if err != nil {
		return err
	}
	if x.back != nil {
		return c.doneWith(ec, x.says, undo{Action: ec.Request().URL.Path, Fields: x.back}, paths.AdminProject(id))
	}
	return c.done(ec, x.says, paths.AdminProject(id))
}

func (c *Console) adminProjectUndelete(ec echo.Context, a access.Actor) error {
	f, err := form(ec, "expires")
	if err != nil {
		return err
	}
	return c.adminProjectDo(ec, a, "The project is back.", f, func(tx *db.Tx, project int64) error {
		at, err := endOfDay("expires", f["expires"])
		if err != nil {
			return err
		}
		return c.app.Tenancy.Undelete(tx, a, project, at)
	})
}

func (c *Console) adminProjectExpiry(ec echo.Context, a access.Actor) error {
	f, err := form(ec, "expires", "seen")
	if err != nil {
		return err
	}
	return c.adminProjectChange(ec, a, f, func(tx *db.Tx, project int64) (altered, error) {
		at, err := endOfDay("expires", f["expires"])
		if err != nil {
			return altered{}, err
		}
		was, err := c.app.Tenancy.SetExpiry(tx, a, project, at)
		if err == nil {
			err = overtaken(f, dayField(was))
		}
		x := altered{says: "The expiry is saved."}
		switch {
		case err != nil:
		case was.Equal(at):
			x.says = asBefore
		case was.IsZero() || was.Equal(lastMoment(was)): // the form knows ends of days only
			x.back = []ui.Pair{{Name: "seen", Value: seen(dayField(at))}, {Name: "expires", Value: dayField(was)}}
		}
		return x, err
	})
}

func (c *Console) adminProjectType(ec echo.Context, a access.Actor) error {
	f, err := form(ec, "template", "follow", "seen")
	if err != nil {
		return err
	}
	return c.adminProjectChange(ec, a, f, func(tx *db.Tx, project int64) (altered, error) {
		if f["follow"] != "type" && f["follow"] != "never" {
			const message = "Choose when it expires."
			return altered{}, &fault.Error{Kind: fault.Invalid, Code: "form.follow", Message: message, Fields: []fault.Field{{Name: "follow", Message: message}}}
		}
		was, is, err := c.app.Tenancy.SetType(tx, a, project, f["template"], f["follow"] == "never")
		if err == nil {
			err = overtaken(f, typeState(was.Template, was.Expires))
		}
		if err == nil && is.Is(was) {
			return altered{says: asBefore}, nil
		}
		return altered{says: "The type is changed."}, err
	})
}

func (c *Console) adminProjectPurge(ec echo.Context, a access.Actor) error {
	f, err := form(ec, "confirm")
	if err != nil {
		return err
	}
	return c.adminProjectDo(ec, a, "The purge is under way.", f, func(tx *db.Tx, project int64) error {
		return c.app.Tenancy.PurgeNow(tx, a, project, f["confirm"])
	})
}

func (c *Console) adminProjectPurgeStop(ec echo.Context, a access.Actor) error {
	if _, err := form(ec); err != nil {
		return err
	}
	return c.adminProjectDo(ec, a, "The purge stops. What was removed is gone for good.", nil, func(tx *db.Tx, project int64) error {
		return c.app.Tenancy.StopPurge(tx, a, project)
	})
}

func (c *Console) adminProjectDisable(ec echo.Context, a access.Actor) error {
	f, err := form(ec, "reason", "back")
	if err != nil {
		return err
	}
	return c.adminProjectDo(ec, a, "The project is disabled.", f, func(tx *db.Tx, project int64) error {
		back, err := endOfDay("back", f["back"])
		if err != nil {
			return err
		}
		return c.app.Tenancy.Disable(tx, a, project, f["reason"], back)
	})
}

func (c *Console) adminProjectEnable(ec echo.Context, a access.Actor) error {
	if _, err := form(ec); err != nil {
		return err
	}
	return c.adminProjectDo(ec, a, "The project is enabled.", nil, func(tx *db.Tx, project int64) error {
		return c.app.Tenancy.Enable(tx, a, project)
	})
}
