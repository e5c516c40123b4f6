package console

import (
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/config"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/mail"
	view "steward/views/admin"
	"steward/views/paths"
	"steward/views/ui"
)

var outboxFields = []field[mail.Mail]{
	{"id", func(m mail.Mail) any { return m.ID }},
	{"messageId", func(m mail.Mail) any { return m.MessageID }},
	{"to", func(m mail.Mail) any { return m.To }},
	{"kind", func(m mail.Mail) any { return string(m.Kind) }},
	{"state", func(m mail.Mail) any { return string(m.State) }},
	{"reason", func(m mail.Mail) any { return m.Reason }},
	{"attempts", func(m mail.Mail) any { return m.Attempts }},
	{"created", func(m mail.Mail) any { return m.CreatedAt }},
	{"sent", func(m mail.Mail) any { return m.SentAt }},
}

func (c *Console) adminMails(ec echo.Context, a access.Actor) error {
	f := mail.Filter{State: mail.State(query(ec, "state")), To: query(ec, "q")}
	list := func(limit int, before mail.Cursor) (out mail.Found, err error) {
		f := f
		f.Limit, f.Before = limit, before
		err = c.view(ec, func(tx *db.Tx) error { out, err = c.app.Mail.List(tx, a, f); return err })
		return out, err
	}
	done, err := exported(ec, "mails", outboxFields, func(last *mail.Mail) ([]mail.Mail, error) {
		var before mail.Cursor
		if last != nil {
			before = mail.Cursor{At: last.CreatedAt, ID: last.ID}
		}
		found, err := list(1000, before)
		return found.Mails, err
	})
	if done || err != nil {
		return err
	}
	var before mail.Cursor
	if before.At, before.ID, err = parseCursor(ec.QueryParam("before")); err != nil {
		return err
	}
	found, err := list(pageSize+1, before)
	if err != nil {
		return err
	}
	next, label := "", "Older mail"
	if mails := found.Mails; len(mails) > pageSize {
		found.Mails = mails[:pageSize]
		next = cursorOf(mails[pageSize-1].CreatedAt, mails[pageSize-1].ID)
	} else if !found.Until.IsZero() {
		next, label = cursorOf(found.Until, 0), "Search older mail"
	}
	m := view.Mails{Shell: c.adminShell(ec, a), Query: f.To, State: string(f.State), Download: downloads(ec)}
	m.Pager = more(ec, ui.Count(int64(len(found.Mails)), "mail", "mails")+" on this page", "before", next, label)
	for _, x := range found.Mails {
		row := view.MailRow{To: x.To, Kind: x.Kind.Words(), State: mailState(x.State), Reason: x.Reason, Attempts: ui.Number(x.Attempts), Created: c.when(x.CreatedAt)}
		if x.State == mail.Dead && x.Kept() {
			row.Retry, row.Key = paths.AdminMailRetry(x.ID), key()
		}
		m.List = append(m.List, row)
	}
	return page(ec, http.StatusOK, view.MailsPage(m))
}

func mailState(s mail.State) ui.State {
	return map[mail.State]ui.State{mail.Waiting: ui.Waiting, mail.Sent: ui.Success, mail.Dead: ui.Error, mail.Expired: ui.Cancelled}[s]
}

func (c *Console) adminMailRetry(ec echo.Context, a access.Actor) error {
	if _, err := form(ec); err != nil {
		return err
	}
	id, err := number(ec, "mail")
	if err != nil {
		return err
	}
	err = c.update(ec, func(tx *db.Tx) error { _, err := c.app.Mail.Retry(tx, a, id); return err })
	if fault.Is(err, fault.Conflict) {
		return c.refused(ec, err, paths.AdminMails())
	}
	if err != nil {
		return err
	}
	return c.done(ec, "The mail is on its way again.", paths.AdminMails())
}

var systemJobFields = []field[jobs.Job]{
	{"id", func(j jobs.Job) any { return j.ID }},
	{"operation", func(j jobs.Job) any { return j.Operation }},
	{"state", func(j jobs.Job) any { return string(j.State) }},
	{"attempts", func(j jobs.Job) any { return j.Attempt + 1 }},
	{"error", func(j jobs.Job) any { return j.ErrorMessage }},
	{"created", func(j jobs.Job) any { return j.CreatedAt }},
	{"started", func(j jobs.Job) any { return j.StartedAt }},
	{"finished", func(j jobs.Job) any { return j.FinishedAt }},
}

func (c *Console) adminJobs(ec echo.Context, a access.Actor) error {
	f := jobs.Filter{State: jobs.State(query(ec, "state"))}
	list := func(limit int, before jobs.Cursor) (out []jobs.Job, err error) {
		f := f
		f.Limit, f.Before = limit, before
		err = c.view(ec, func(tx *db.Tx) error { out, err = c.app.Jobs.ListSystem(tx, a, f); return err })
		return out, err
	}
	done, err := exported(ec, "system-jobs", systemJobFields, func(last *jobs.Job) ([]jobs.Job, error) {
		if last == nil {
			return list(1000, jobs.Cursor{})
		}
		return list(1000, jobs.Cursor{At: last.CreatedAt, ID: last.ID})
	})
	if done || err != nil {
		return err
	}
	var before jobs.Cursor
	if before.At, before.ID, err = parseCursor(ec.QueryParam("before")); err != nil {
		return err
	}
	found, err := list(pageSize+1, before)
	if err != nil {
		return err
	}
	next := ""
	if len(found) > pageSize {
		found = found[:pageSize]
		next = cursorOf(found[pageSize-1].CreatedAt, found[pageSize-1].ID)
	}
	m := view.Jobs{Shell: c.adminShell(ec, a), State: string(f.State), Download: downloads(ec)}
	m.Pager = more(ec, ui.Count(int64(len(found)), "job", "jobs")+" on this page", "before", next, "Older jobs")
	for _, j := range found {
		m.List = append(m.List, view.JobRow{ID: itoa(j.ID), Operation: j.Operation, State: stateOf(j), Error: j.ErrorMessage, Attempts: ui.Number(j.Attempt + 1), Created: c.when(j.CreatedAt), Duration: c.duration(j)})
	}
	return page(ec, http.StatusOK, view.JobsPage(m))
}

func (c *Console) adminSettings(ec echo.Context, a access.Actor) error {
	return c.adminSettingsPage(ec, a, http.StatusOK, "")
}

func (c *Console) adminSettingsPage(ec echo.Context, a access.Actor, status int, problem string) error {
	m := view.Settings{Shell: c.adminShell(ec, a), Key: key(), Error: problem}
	err := c.view(ec, func(tx *db.Tx) error {
		s, err := accounts.SettingsOf(tx)
		if err != nil {
			return err
		}
		n, err := c.app.Accounts.WithoutFactor(tx, a)
		m.RequireFactor, m.Without = s.RequireFactor, ui.Count(n, "person", "people")
		return err
	})
	if err != nil {
		return err
	}
	m.Facts = configured(c.app.Config)
	return page(ec, status, view.SettingsPage(m))
}

func (c *Console) adminSettingsUpdate(ec echo.Context, a access.Actor) error {
	f, err := form(ec, "requireFactor")
	if err != nil {
		return err
	}
	set := accounts.Settings{RequireFactor: f["requireFactor"] != ""}
	// Who asks it of all has to have one: else nobody might be left to take it back.
	if accounts.VisitOf(ec.Request().Context()).MustEnrol || set.RequireFactor {
		var s accounts.Security
		if err := c.view(ec, func(tx *db.Tx) (err error) { s, err = accounts.SecurityOf(tx, a.UserID); return err }); err != nil {
			return err
		}
		if !s.Factor {
			return c.adminSettingsPage(ec, a, http.StatusUnprocessableEntity, "Turn on two-step sign-in for your own account first.")
		}
	}
	if err := c.update(ec, func(tx *db.Tx) error { return c.app.Accounts.SetSettings(tx, a, set) }); err != nil {
		return err
	}
	return c.done(ec, "The settings are saved.", paths.AdminSettings())
}

// configured tells what was set when the program started, without secrets.
func configured(c config.Config) []ui.Pair {
	host := func(address string) string {
		u, err := url.Parse(address)
		if err != nil {
			return ""
		}
		return u.Host
	}
	database, post := "PostgreSQL at "+host(c.DB), "None: links are passed on by hand"
	if path := c.SQLite(); path != "" {
		database = "SQLite, " + path
	}
	switch {
	case c.SMTP == config.MailboxURL:
		post = "Kept in a mailbox here, for development"
	case c.SMTP != "":
		post = host(c.SMTP)
	}
	return []ui.Pair{{Name: "Public URL", Value: c.PublicURL}, {Name: "Database", Value: database}, {Name: "Store", Value: c.Store}, {Name: "Mail server", Value: post}}
}
