package console

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/tenancy"
	view "steward/views/admin"
	"steward/views/layout"
	"steward/views/paths"
	"steward/views/ui"
)

// adminShell is the shell of the pages for super admins.
func (c *Console) adminShell(ec echo.Context, a access.Actor) layout.Shell {
	s := c.shell(ec, a)
	s.Nav = layout.AdminNav()
	return s
}

// overseen is a person as super admins see them in a list.
type overseen struct {
	accounts.Listed
	tenancy.Teams
}

var personFields = []field[overseen]{
	{"id", func(u overseen) any { return u.ID }},
	{"email", func(u overseen) any { return u.Email }},
	{"name", func(u overseen) any { return u.Name }},
	{"state", func(u overseen) any { return string(u.State) }},
	{"superAdmin", func(u overseen) any { return u.SuperAdmin }},
	{"supportUntil", func(u overseen) any { return u.SupportUntil }},
	{"maintainers", func(u overseen) any { return u.Maintainers }},
	{"organizations", func(u overseen) any { return u.Organizations }},
	{"twoStep", func(u overseen) any { return u.Factor }},
	{"created", func(u overseen) any { return u.CreatedAt }},
	{"lastLogin", func(u overseen) any { return u.LastLoginAt }},
}

func (c *Console) adminUsers(ec echo.Context, a access.Actor) error {
	return c.adminUsersPage(ec, a, http.StatusOK, view.Users{})
}

// adminUsersPage lists people below the form for a new one, which keeps what was typed.
func (c *Console) adminUsersPage(ec echo.Context, a access.Actor, status int, m view.Users) error {
	f := accounts.ListFilter{Search: query(ec, "q"), State: accounts.State(query(ec, "state"))}
	list := func(limit int, before audit.Cursor) (out []overseen, err error) {
		f := f
		f.Limit, f.Before = limit, before
		err = c.view(ec, func(tx *db.Tx) error { out, err = c.overseen(tx, a, f); return err })
		return out, err
	}
	done, err := exported(ec, "people", personFields, func(last *overseen) ([]overseen, error) {
		if last == nil {
			return list(1000, audit.Cursor{})
		}
		return list(1000, audit.Cursor{At: last.CreatedAt, ID: last.ID})
	})
	if done || err != nil {
		return err
	}
	var before audit.Cursor
	if before.At, before.ID, err = parseCursor(ec.QueryParam("before")); err != nil {
		return err
	}
	people, err := list(pageSize+1, before)
	if err != nil {
		return err
	}
	next := ""
	if len(people) > pageSize {
		people = people[:pageSize]
		next = cursorOf(people[pageSize-1].CreatedAt, people[pageSize-1].ID)
	}
	m.Shell, m.Query, m.State, m.Download = c.adminShell(ec, a), f.Search, string(f.State), downloads(ec)
	m.Pager = more(ec, ui.Count(int64(len(people)), "person", "people")+" on this page", "before", next, "Earlier ones")
	for _, u := range people {
		m.List = append(m.List, view.UserRow{Name: u.Name, Email: u.Email, URL: paths.AdminUser(u.ID), You: u.ID == a.UserID, State: stateWord(u.State),
			Factor: u.Factor, SuperAdmin: u.SuperAdmin, Support: c.supportUntil(u.User), Teams: teamsWords(u.Teams), LastLogin: c.when(u.LastLoginAt), Created: c.when(u.CreatedAt)})
	}
	return page(ec, status, view.UsersPage(m))
}

// overseen lists people with what they belong to.
func (c *Console) overseen(tx *db.Tx, a access.Actor, f accounts.ListFilter) ([]overseen, error) {
	list, err := c.app.Accounts.List(tx, a, f)
	if err != nil {
		return nil, err
	}
	out, ids := make([]overseen, len(list)), make([]int64, len(list))
	for i, u := range list {
		out[i].Listed, ids[i] = u, u.ID
	}
	teams, err := tenancy.TeamsOf(tx, a, ids...)
	for i := range out {
		out[i].Teams = teams[ids[i]]
	}
	return out, err
}

// teamsWords tell how many maintainers and organizations somebody belongs to; empty for none.
func teamsWords(t tenancy.Teams) string {
	var out []string
	count := func(n int64, one, many string) {
		switch text := ui.Count(n, one, many); n {
		case 0:
		case tenancy.TeamsMost:
			out = append(out, "at least "+text)
		default:
			out = append(out, text)
		}
	}
	count(t.Maintainers, "maintainer", "maintainers")
	count(t.Organizations, "organization", "organizations")
	return strings.Join(out, ", ")
}

// supportUntil is until when a person is of support; zero when they are not.
func (c *Console) supportUntil(u accounts.User) ui.Time {
	if !u.OfSupport(c.app.DB.Now()) {
		return ui.Time{}
	}
	return c.when(u.SupportUntil)
}

func stateWord(s accounts.State) string {
	return map[accounts.State]string{accounts.Active: "Active", accounts.Invited: "Not activated yet", accounts.Disabled: "Disabled"}[s]
}

func (c *Console) adminUserAdd(ec echo.Context, a access.Actor) error {
	f, err := form(ec, "email", "name")
	if err != nil {
		return err
	}
	var u accounts.User
	var path string
	err = c.update(ec, func(tx *db.Tx) error {
		u, path, err = c.app.Accounts.Invite(tx, a, accounts.NewUser{Email: f["email"], Name: f["name"]})
		return err
	})
	if errs, ok := fieldErrors(err); ok {
		return c.adminUsersPage(ec, a, http.StatusUnprocessableEntity, view.Users{Email: f["email"], Name: f["name"], Errors: errs})
	}
	if err != nil {
		return err
	}
	return c.adminUserPage(ec, a, u.ID, http.StatusOK, view.User{Link: path})
}

func (c *Console) adminUser(ec echo.Context, a access.Actor) error {
	id, err := number(ec, "user")
	if err != nil {
		return err
	}
	return c.adminUserPage(ec, a, id, http.StatusOK, view.User{})
}

// adminUserPage shows a person, with the path of a link that was just made, and with the form
// about support, which keeps what was typed.
func (c *Console) adminUserPage(ec echo.Context, a access.Actor, id int64, status int, m view.User) error {
	m.Shell, m.ID, m.You, m.Mailed, m.AccessURL = c.adminShell(ec, a), itoa(id), id == a.UserID, c.app.Mail.Delivers(), paths.AdminUserAccess(id)
	if m.Link != "" {
		m.LinkFor, m.Link = linkFor(m.Link), c.app.Config.PublicURL+m.Link
	}
	err := c.view(ec, func(tx *db.Tx) error {
		u, s, err := c.app.Accounts.Person(tx, a, id)
		if err != nil {
			return err
		}
		sessions, err := accounts.Sessions(tx, id)
		if err != nil {
			return err
		}
		events, err := audit.OfPerson(tx, u.Actor(), audit.Filter{Limit: 20})
		if err != nil {
			return err
		}
		m.Name, m.Email, m.State, m.SuperAdmin = u.Name, u.Email, stateWord(u.State), u.SuperAdmin
		m.Password, m.LastLogin, m.Created, m.Factor, m.Locked = c.when(u.PasswordAt), c.when(u.LastLoginAt), c.when(u.CreatedAt), c.when(s.FactorAt), s.Locked
		if s.Factor {
			m.CodesLeft = itoa(s.CodesLeft) + " left"
		}
		m.Sessions = ui.Count(int64(len(sessions)), "session", "sessions")
		m.Activity = c.changes(events)
		m.LinkAction, m.LinkVerb = paths.AdminUserDo(id, "link"), linkVerb(u)
		teams, err := tenancy.TeamsOf(tx, a, id)
		if err != nil {
			return err
		}
		m.Teams = teamsWords(teams[id])
		m.Support, m.SupportDays = c.supportUntil(u), itoa(accounts.SupportDays)
		if u.State == accounts.Active {
			m.Supports.Action, m.Supports.Key = paths.AdminUserDo(id, "support"), key()
		}
		of := u.OfSupport(tx.Now)
		if of && len(m.Errors) == 0 {
			m.Supports.Value = dayField(u.SupportUntil)
		}
		m.Deeds = deeds(u, s, len(sessions), a, of)
		return nil
	})
	if err != nil {
		return err
	}
	return page(ec, status, view.UserPage(m))
}

func linkVerb(u accounts.User) string {
	return map[accounts.State]string{accounts.Invited: "Send the activation link again", accounts.Active: "Send a link to a new password"}[u.State]
}

// linkFor tells what a link does, by its path.
func linkFor(path string) string {
	switch {
	case strings.HasPrefix(path, accounts.ActivatePath):
		return "It activates the account, within seven days."
	case strings.HasPrefix(path, accounts.DropFactorPath):
		return "Together with the password it takes the second factor away, within 30 minutes. All sessions end then."
	}
	return "It sets a new password, within 30 minutes. The second factor is asked for as ever."
}

// deeds are what a super admin can do to an account as it is.
func deeds(u accounts.User, s accounts.Security, sessions int, by access.Actor, support bool) (out []view.Deed) {
	add := func(what, label, icon, consequence string, danger bool) {
		out = append(out, view.Deed{Label: label, Icon: icon, Danger: danger, Confirm: ui.Confirm{ID: what, Question: label + "?", Consequence: consequence,
			Action: paths.AdminUserDo(u.ID, what), Verb: label, Keep: "Leave as it is", Key: key()}})
	}
	if sessions > 0 {
		add("end-sessions", "End all sessions", "log-out", u.Name+" is signed out everywhere at once, and gets a mail.", false)
	}
	if s.Factor && u.State == accounts.Active {
		add("reset-mfa", "Send a link that takes the second factor away", "shield-off", "For somebody who lost the phone and the recovery codes. Make sure that it is "+u.Name+" who asks. The link works once, within 30 minutes, and together with the password only.", true)
		out[len(out)-1].Confirm.Key = "" // the answer shows the link, once
	}
	switch {
	case u.SuperAdmin:
		add("no-super-admin", "Take the rights of a super admin", "user-minus", u.Name+" keeps the account and what it may in projects.", true)
	case u.State == accounts.Active:
		add("super-admin", "Make a super admin", "user-plus", u.Name+" will manage everybody's account and this installation, like you.", true)
	}
	if support {
		add("no-support", "Take from support", "user-minus", u.Name+" is out of every project that they are in by it, at once.", true)
	}
	switch {
	case u.State == accounts.Disabled:
		add("enable", "Enable", "door-open", u.Name+" can sign in again as before.", false)
	case u.ID != by.UserID:
		add("disable", "Disable", "ban", u.Name+" is signed out at once and cannot come in by any way. Nothing is deleted, and enabling brings everything back.", true)
	}
	return out
}

// adminUserLink makes a link for somebody, and shows it once.
func (c *Console) adminUserLink(send func(tx *db.Tx, a access.Actor, user int64) (path string, err error)) func(echo.Context, access.Actor) error {
	return func(ec echo.Context, a access.Actor) error {
		if _, err := form(ec); err != nil {
			return err
		}
		id, err := number(ec, "user")
		if err != nil {
			return err
		}
		var path string
		err = c.update(ec, func(tx *db.Tx) error { path, err = send(tx, a, id); return err })
		if fault.Is(err, fault.Conflict) {
			return c.refused(ec, err, paths.AdminUser(id))
		}
		if err != nil {
			return err
		}
		return c.adminUserPage(ec, a, id, http.StatusOK, view.User{Link: path})
	}
}

// adminUserSupport makes a person somebody of support until a day, or changes the day.
func (c *Console) adminUserSupport(ec echo.Context, a access.Actor) error {
	f, err := form(ec, "until")
	if err != nil {
		return err
	}
	id, err := number(ec, "user")
	if err != nil {
		return err
	}
	until, err := endOfDay("until", f["until"])
	if err == nil {
		err = c.update(ec, func(tx *db.Tx) error { return c.app.Tenancy.GrantSupport(tx, a, id, until) })
	}
	if fault.Is(err, fault.Conflict) {
		return c.refused(ec, err, paths.AdminUser(id))
	}
	if errs, ok := fieldErrors(err); ok {
		return c.adminUserPage(ec, a, id, http.StatusUnprocessableEntity, view.User{Supports: view.Form{Value: f["until"]}, Errors: errs})
	}
	if err != nil {
		return err
	}
	return c.done(ec, "They are of support until the end of "+lastDate(until)+".", paths.AdminUser(id))
}

// adminUserDo does one thing to an account.
func (c *Console) adminUserDo(says string, do func(tx *db.Tx, a access.Actor, user int64) error) func(echo.Context, access.Actor) error {
	return func(ec echo.Context, a access.Actor) error {
		if _, err := form(ec); err != nil {
			return err
		}
		id, err := number(ec, "user")
		if err != nil {
			return err
		}
		err = c.update(ec, func(tx *db.Tx) error { return do(tx, a, id) })
		if fault.Is(err, fault.Conflict) {
			return c.refused(ec, err, paths.AdminUser(id))
		}
		if err != nil {
			return err
		}
		return c.done(ec, says, paths.AdminUser(id))
	}
}
