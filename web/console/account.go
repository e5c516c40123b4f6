package console

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/db"
	view "steward/views/account"
	"steward/views/layout"
	"steward/views/paths"
	tenants "steward/views/tenancy"
	"steward/views/ui"
)

// accountShell is the shell of the pages about one's own account.
func (c *Console) accountShell(ec echo.Context, a access.Actor) layout.Shell {
	s := c.shell(ec, a)
	s.Nav = layout.OwnNav()
	return s
}

func (c *Console) profile(ec echo.Context, a access.Actor) error {
	u := accounts.VisitOf(ec.Request().Context()).User
	return c.profilePage(ec, a, http.StatusOK, view.Profile{Name: u.Name, TimeZone: u.TimeZone})
}

func (c *Console) profilePage(ec echo.Context, a access.Actor, status int, m view.Profile) error {
	m.Shell, m.Key, m.Email, m.Zones, m.ThemeKey = c.accountShell(ec, a), key(), a.Email, zones, key()
	err := c.view(ec, func(tx *db.Tx) error {
		list, err := belongs(tx, a)
		m.Teams = tenants.BelongsCard(list)
		return err
	})
	if err != nil {
		return err
	}
	return page(ec, status, view.ProfilePage(m))
}

// zones are offered while somebody types one; every other of the IANA database works too.
var zones = []string{
	"UTC", "Africa/Cairo", "Africa/Johannesburg", "Africa/Lagos", "America/Argentina/Buenos_Aires", "America/Bogota", "America/Chicago", "America/Denver",
	"America/Halifax", "America/Los_Angeles", "America/Mexico_City", "America/New_York", "America/Sao_Paulo", "Asia/Bangkok", "Asia/Dubai", "Asia/Hong_Kong",
	"Asia/Jakarta", "Asia/Jerusalem", "Asia/Kolkata", "Asia/Seoul", "Asia/Shanghai", "Asia/Singapore", "Asia/Tokyo", "Australia/Perth", "Australia/Sydney",
	"Europe/Athens", "Europe/Berlin", "Europe/Istanbul", "Europe/Lisbon", "Europe/London", "Europe/Madrid", "Europe/Moscow", "Europe/Paris", "Europe/Prague",
	"Europe/Rome", "Europe/Stockholm", "Europe/Vienna", "Europe/Warsaw", "Europe/Zurich", "Pacific/Auckland", "Pacific/Honolulu",
}

func (c *Console) profileUpdate(ec echo.Context, a access.Actor) error {
	f, err := form(ec, "name", "timeZone")
	if err != nil {
		return err
	}
	err = c.update(ec, func(tx *db.Tx) error {
		return c.app.Accounts.SetProfile(tx, a, accounts.Profile{Name: f["name"], TimeZone: f["timeZone"]})
	})
	if errs, ok := fieldErrors(err); ok {
		return c.profilePage(ec, a, http.StatusUnprocessableEntity, view.Profile{Name: f["name"], TimeZone: f["timeZone"], Errors: errs})
	}
	if err != nil {
		return err
	}
	return c.done(ec, "Your profile is saved.", paths.Account())
}

func (c *Console) themeUpdate(ec echo.Context, a access.Actor) error {
	f, err := form(ec, "theme", "next")
	if err != nil {
		return err
	}
	theme := f["theme"]
	if theme == "system" {
		theme = ""
	}
	if err := c.update(ec, func(tx *db.Tx) error { return c.app.Accounts.SetTheme(tx, a, theme) }); err != nil {
		return err
	}
	return ec.Redirect(http.StatusSeeOther, safeNext(f["next"]))
}

func (c *Console) activity(ec echo.Context, a access.Actor) error {
	events, pager, done, err := c.eventPage(ec, "activity", func(limit int, before audit.Cursor) (out []audit.Event, err error) {
		err = c.view(ec, func(tx *db.Tx) error {
			out, err = audit.OfPerson(tx, a, audit.Filter{Before: before, Limit: limit})
			return err
		})
		return out, err
	})
	if done || err != nil {
		return err
	}
	m := view.Activity{Shell: c.accountShell(ec, a), Download: downloads(ec), Pager: pager}
	for _, e := range events {
		m.List = append(m.List, view.ActivityRow{Text: e.Message, Tone: eventTone(e), Icon: accountIcon(e), Address: e.Address, Device: device(e), Time: c.when(e.At)})
	}
	return page(ec, http.StatusOK, view.ActivityPage(m))
}

// eventPage gives the page of a list of events that the address names, or answers with the
// whole list for programs.
func (c *Console) eventPage(ec echo.Context, name string, list func(limit int, before audit.Cursor) ([]audit.Event, error)) (events []audit.Event, pager ui.Pager, done bool, err error) {
	done, err = exported(ec, name, eventFields, func(last *audit.Event) ([]audit.Event, error) {
		if last == nil {
			return list(1000, audit.Cursor{})
		}
		return list(1000, audit.Cursor{At: last.At, ID: last.ID})
	})
	if done || err != nil {
		return nil, pager, done, err
	}
	var before audit.Cursor
	if before.At, before.ID, err = parseCursor(ec.QueryParam("before")); err != nil {
		return nil, pager, false, err
	}
	if events, err = list(pageSize+1, before); err != nil {
		return nil, pager, false, err
	}
	next := ""
	if len(events) > pageSize {
		events = events[:pageSize]
		next = cursorOf(events[pageSize-1].At, events[pageSize-1].ID)
	}
	return events, more(ec, ui.Count(int64(len(events)), "event", "events")+" on this page", "before", next, "Older events"), false, nil
}

func accountIcon(e audit.Event) string {
	switch {
	case e.Type == audit.Warn || e.Type == audit.Error:
		return "triangle-alert"
	case e.Name == "user.loggedIn":
		return "log-in"
	case e.Name == "user.loggedOut":
		return "log-out"
	case e.ObjectType == "session", e.Name == "user.sessionsEnded":
		return "monitor"
	}
	return "shield-check"
}

func device(e audit.Event) string {
	if e.UserAgent == "" {
		return ""
	}
	return accounts.Device(e.UserAgent)
}
