package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/tenancy"
	"steward/web/webtest"
)

// TestLimitsAreNamed: who meets a limit of a day reads which one, and keeps what they typed.
func TestLimitsAreNamed(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Config: withMailbox})
	root := s.SuperAdmin("Root")
	p, admin := s.Project("Asks", false)
	mina := s.User("Mina")
	maintainer := ofMaintainer(s, p, mina)
	m, a, path := s.SignIn(mina), s.SignIn(admin), "/projects/"+num(p.ID)

	wish := url.Values{"for": {"time"}, "text": {"Two more weeks, please"}}
	// What a visitor asks for keeps nobody in the project from asking.
	lets(s, p, true)
	m.Post(path+"/join", asVisitor).Want(http.StatusSeeOther)
	for range 6 {
		m.Post(path+"/settings/limits/ask", wish).Want(http.StatusSeeOther)
	}
	for range 5 {
		a.Post(path+"/settings/limits/ask", wish).Want(http.StatusSeeOther)
	}
	limited := func(c *webtest.Client, at string, form url.Values, says string) {
		t.Helper()
		r := c.Post(at, form).Want(http.StatusTooManyRequests)
		page := r.Page()
		if text := words(page.Find("main")); !strings.Contains(text, says) || r.Header.Get("Retry-After") == "" {
			t.Errorf("%s says %q, want %q", at, text, says)
		}
		for name, values := range form {
			field := page.Find(`[name="` + name + `"]`)
			if got := field.AttrOr("value", "") + field.Text(); !strings.Contains(got, values[0]) && page.Find(`[name="`+name+`"][value="`+values[0]+`"][checked], [name="`+name+`"] [value="`+values[0]+`"][selected]`).Length() == 0 {
				t.Errorf("%s lost %s, and has %q", at, name, got)
			}
		}
	}
	limited(a, path+"/settings/limits/ask", wish, "At most 5 times a day this project asks for more.")
	if n := toldOf(t, s, "moreWanted", root.Email); n != 11 {
		t.Errorf("%d mails", n)
	}
	// Nor does one person ask from many projects.
	for i := range 4 {
		other, _ := s.Project(fmt.Sprint("Other ", i), false)
		s.Update(func(tx *db.Tx) error { return tenancy.Join(tx, admin.Actor(), other, admin, access.Admin) })
		if i < 1 {
			for range 5 {
				a.Post("/projects/"+num(other.ID)+"/settings/limits/ask", wish).Want(http.StatusSeeOther)
			}
			continue
		}
		limited(a, "/projects/"+num(other.ID)+"/settings/limits/ask", wish, "At most 10 times a day somebody asks for more.")
	}

	closed, _ := s.Project("Closed", false)
	ofMaintainer(s, closed, mina)
	lets(s, closed, false)
	at := "/projects/" + num(closed.ID) + "/request"
	ask := url.Values{"reason": {"To look at the loads"}, "hours": {"24"}}
	for range 5 {
		m.Post(at, ask).Want(http.StatusSeeOther)
		m.Post(at+"/cancel", nil).Want(http.StatusSeeOther)
	}
	limited(m, at, ask, "At most 5 times a day somebody asks to be let into one project.")

	for i := range 50 {
		m.Post(maintainer+"/organizations", url.Values{"name": {fmt.Sprint("Number ", i)}}).Want(http.StatusSeeOther)
	}
	limited(m, maintainer+"/organizations", url.Values{"name": {"One too many"}}, "At most 50 organizations a day are made by one person.")
	s.View(func(tx *db.Tx) error {
		n, err := db.Value[int64](tx, "SELECT count(*) FROM organizations WHERE name = 'One too many'")
		if n != 0 {
			t.Error("it was made all the same")
		}
		return err
	})
}

// TestVisitorsKeepSettings: who is in a project for a time changes its name, but not what stays, or
// cannot be taken back, when they are long out: where roles come from, and how long its past is kept.
func TestVisitorsKeepSettings(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Kept", false)
	mina := s.User("Mina")
	ofMaintainer(s, p, mina)
	lets(s, p, true)
	m, path := s.SignIn(mina), "/projects/"+num(p.ID)
	m.Post(path+"/join", asVisitor).Want(http.StatusSeeOther)
	at := path + "/settings/project"
	page := m.Get(at).Want(http.StatusOK).Page()
	if n := page.Find(`input[type="checkbox"][name="externalRoles"], input[type="number"]`).Length(); n != 0 {
		t.Errorf("%d fields that they do not change", n)
	}
	before := rowOfProject(s, p)
	for _, form := range []url.Values{
		{"name": {"Kept"}, "description": {""}, "retention": {"1"}}, {"name": {"Kept"}, "description": {""}, "retention": {"7"}, "externalRoles": {"1"}},
	} {
		if text := words(m.Post(at, form).Want(http.StatusUnprocessableEntity).Page().Find("main")); !strings.Contains(text, "This is for its members to change.") {
			t.Errorf("%v says %q", form, text)
		}
	}
	if got := rowOfProject(s, p); got != before {
		t.Errorf("it is %q, and was %q", got, before)
	}
	form := url.Values{"name": {"Called otherwise"}, "description": {""}}
	form.Set("retention", page.Find(`[name="retention"]`).AttrOr("value", ""))
	m.Post(at, form).Want(http.StatusSeeOther)
	form.Set("externalRoles", "1")
	s.SignIn(admin).Post(at, form).Want(http.StatusSeeOther)
	page = m.Get(at).Want(http.StatusOK).Page()
	form.Set("externalRoles", page.Find(`[name="externalRoles"]`).AttrOr("value", ""))
	form.Set("name", "Once more")
	m.Post(at, form).Want(http.StatusSeeOther)
	if got := rowOfProject(s, p); !strings.HasPrefix(got, "Once more") || !strings.HasSuffix(got, "true") {
		t.Errorf("it is %q", got)
	}
}

// rowOfProject is what a project's people decide about it.
func rowOfProject(s *webtest.Site, p tenancy.Project) (row string) {
	s.T.Helper()
	s.View(func(tx *db.Tx) (err error) {
		row, err = db.One(tx, func(r db.Row) (string, error) {
			var name, description string
			var days int64
			var external bool
			err := r.Scan(&name, &description, &days, &external)
			return fmt.Sprint(name, description, days, external), err
		}, "SELECT name, description, retention_days, external_roles FROM projects WHERE id = $1", p.ID)
		return err
	})
	return row
}

// TestOwnInvitation: nobody invites themselves to a project, which would get around the terms on which
// they may join it; nor sends an invitation to themselves again.
func TestOwnInvitation(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Own", false)
	boss := s.User("Boss")
	ofOrganization(s, p, boss)
	b, a := s.SignIn(boss), s.SignIn(admin)
	for _, emails := range [][]string{{boss.Email}, {boss.Email, "somebody@example.com"}} {
		if text := words(b.Post(users(p), inviting(access.Share, emails...)).Want(http.StatusUnprocessableEntity).Page().Find("main")); !strings.Contains(text, "You do not invite yourself: join the project instead.") {
			t.Errorf("to %q it says %q", emails, text)
		}
	}
	a.Post(users(p), inviting(access.Guest, boss.Email)).Want(http.StatusOK)
	at := rowOf(b, p, boss.Email)
	if r := b.Post(at+"/send", nil).Want(http.StatusSeeOther); !strings.Contains(words(b.Get(r.Location).Page().Find("main")), "You do not invite yourself") {
		t.Error("it was sent again")
	}
	b.Post(asked(b), nil).Want(http.StatusSeeOther)
	if got := listed(a, p, "&q="+url.QueryEscape(boss.Email)); len(got) != 1 || got[0] != boss.Email+" guest" {
		t.Errorf("they are %q", got)
	}
}

// TestNeighbours: who is in one project of an organization reads at no door of another one more than at
// that of none, whatever they send, and whether they miss a second factor or not.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, _ := s.Project("Theirs", false)
	guest := s.Member(p, access.Guest)
	var q tenancy.Project
	s.Update(func(tx *db.Tx) (err error) {
		q, err = tenancy.CreateProject(tx, access.Actor{Name: "The operator", SuperAdmin: true}, tenancy.NewProject{Organization: p.Organization, Name: "Beside", Member: guest})
		if err == nil {
			_, err = tx.Exec("DELETE FROM memberships WHERE project_id = $1", q.ID)
		}
		return err
	})
	c := s.SignIn(guest)
	bare := func(r webtest.Response) string { // without what tells one request from another
		return strings.ReplaceAll(words(r.Page().Find("main")), r.Header.Get("X-Request-Id"), "")
	}
	same := func(when string) {
		t.Helper()
		for _, at := range []string{"/join", "/request", "/move", "/request/cancel", "", "/storage", "/settings/users"} {
			for _, form := range []url.Values{nil, {"x": {"1"}}, {"reason": {"x"}, "hours": {"8"}}} {
				there, none := c.Post("/projects/"+num(q.ID)+at, form), c.Post("/projects/999999"+at, form)
				if there.Status != none.Status || there.Location != none.Location || bare(there) != bare(none) {
					t.Errorf("%s: %s sent %v is %d %s, and of no project %d %s", when, at, form, there.Status, there.Location, none.Status, none.Location)
				}
			}
			there, none := c.Get("/projects/"+num(q.ID)+at), c.Get("/projects/999999"+at)
			if there.Status != none.Status || strings.ReplaceAll(there.Location, num(q.ID), "999999") != none.Location || bare(there) != bare(none) {
				t.Errorf("%s: %s is %d %s, and of no project %d %s", when, at, there.Status, there.Location, none.Status, none.Location)
			}
		}
	}
	same("at first")
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE organizations SET mfa_required = TRUE WHERE id = $1", p.Organization)
	})
	if r := c.Get("/projects/" + num(p.ID)).Want(http.StatusSeeOther); r.Location != "/account/security" { // the must is in force
		t.Errorf("their own leads to %q", r.Location)
	}
	same("without a second factor")
}
