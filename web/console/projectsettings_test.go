package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/tenancy"
	"steward/web/webtest"
)

// TestProjectSettings: name, description and days are changed, told with what they were, and
// undone; who may not change them reads them.
func TestProjectSettings(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Before", false)
	c, reader := s.SignIn(admin), s.SignIn(s.Member(p, access.ReadOnly))
	path := "/projects/" + num(p.ID) + "/settings/project"
	for at, fields := range map[string]url.Values{
		"#name": {"name": {" "}, "description": {""}, "retention": {"30"}}, "#description": {"name": {"X"}, "description": {strings.Repeat("x", 10_001)}, "retention": {"30"}},
		"#retention": {"name": {"X"}, "description": {""}, "retention": {"soon"}},
	} {
		if r := c.Post(path, fields).Want(http.StatusUnprocessableEntity); r.Page().Find(`.error-summary a[href="`+at+`"]`).Length() == 0 {
			t.Errorf("no error leads to %s", at)
		}
	}
	typed := url.Values{"name": {`After <b>"x"</b>`}, "description": {"Line\r\nline"}, "retention": {"90"}}
	reader.Post(path, typed).Want(http.StatusForbidden)
	c.Post(path, typed).Want(http.StatusSeeOther)
	if text := reader.Get(path).Want(http.StatusOK).Page().Find("main").Text(); !strings.Contains(text, `After <b>"x"</b>`) || !strings.Contains(text, "90 days") || !strings.Contains(text, "By "+admin.Name) {
		t.Error("who may only read does not read what is set")
	}
	if n := len(listedProjects(reader, "AFTER")); n != 1 {
		t.Errorf("%d projects are found by the new name", n)
	}
	next := c.Get(path)
	undo, fields := next.Form(path)
	if fields.Get("name") != "Before" {
		t.Fatalf("the undo has %v", fields)
	}
	c.Post(undo, fields).Want(http.StatusSeeOther)
	s.View(func(tx *db.Tx) error {
		x, err := tenancy.Describe(tx, s.Scope(admin, p))
		if x.Name != "Before" || x.Description != "" || x.Retention != 30 {
			t.Errorf("after the undo: %q %q %d", x.Name, x.Description, x.Retention)
		}
		if err != nil {
			return err
		}
		told, err := db.Value[string](tx, "SELECT message FROM events WHERE name = 'project.updated' ORDER BY id LIMIT 1")
		if !strings.Contains(told, `name from "Before" to "After <b>\"x\"</b>"`) || !strings.Contains(told, "from 30 to 90") {
			t.Errorf("the event says %s", told)
		}
		return err
	})
	boss := s.User("Boss")
	organization := ofOrganization(s, p, boss)
	s.Update(func(tx *db.Tx) error { return tenancy.Join(tx, admin.Actor(), p, boss, access.Admin) })
	for external, features := range map[string]string{"": "None", "1": "Roles come from single sign-on"} {
		if external != "" {
			typed.Set("externalRoles", external)
		}
		c.Post(path, typed).Want(http.StatusSeeOther)
		for name, x := range map[string]*webtest.Client{"who may only read": reader, "an administrator": c, "a member of the organization": s.SignIn(boss)} {
			about := x.Get(path).Want(http.StatusOK).Page().Find("#about").Closest(".card")
			if text := words(about); !strings.Contains(text, "Features "+features) {
				t.Errorf("%s reads %s", name, text)
			}
			if links := about.Find(`a[href="` + organization + `"]`).Length(); (links == 1) != strings.HasPrefix(name, "a member") {
				t.Errorf("%s has %d links to the organization", name, links)
			}
		}
		typed.Del("externalRoles")
	}
}

func listedProjects(c *webtest.Client, search string) (out []map[string]any) {
	c.Get("/?format=json&q=" + search).Want(http.StatusOK).JSON(&out)
	return out
}

// TestExternalRoles: where roles come from single sign-on nobody changes one here, and the
// pages say so; the undo brings it back.
func TestExternalRoles(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Elsewhere", false)
	guest := s.Member(p, access.Guest)
	c := s.SignIn(admin)
	at, path := rowOf(c, p, guest.Email), "/projects/"+num(p.ID)+"/settings/project"
	c.Post(path, url.Values{"name": {"Elsewhere"}, "description": {""}, "retention": {"30"}, "externalRoles": {"1"}}).Want(http.StatusSeeOther)
	page := c.Get(path)
	if member := c.Get(at).Want(http.StatusOK); member.Page().Find(`form[action$="/role"]`).Length() != 0 || !strings.Contains(member.Body, "Roles in this project come from single sign-on.") {
		t.Error("the page of a member offers another role, or does not say why it does not")
	}
	if got := text(c.Get(users(p)), ".banner"); !strings.Contains(got, "Roles in this project come from single sign-on. Nobody changes a member's role here.") {
		t.Errorf("the list says %q", got)
	}
	if got := text(c.Get(users(p)+"/invite"), "main form"); !strings.Contains(got, "The role that you choose is only the one that they come in with: nobody changes it here afterwards.") {
		t.Errorf("the form that invites says %q", got)
	}
	if r := c.Post(at+"/role", url.Values{"role": {"readOnly"}}).Want(http.StatusUnprocessableEntity); !strings.Contains(r.Body, "come from single sign-on") {
		t.Error("it is not said why")
	}
	c.Post(at+"/last-day", lasting(dayIn(s, 9))).Want(http.StatusSeeOther) // which is no role
	if got := strings.Join(listed(c, p, ""), " "); !strings.Contains(got, guest.Email+" guest") {
		t.Errorf("the list has %q", got)
	}
	if !strings.Contains(s.SignIn(guest).Get(path).Body, "Roles come from single sign-on") {
		t.Error("who may only read is not told")
	}
	undo, fields := page.Form(path)
	if fields.Has("externalRoles") {
		t.Errorf("the undo has %v", fields)
	}
	c.Post(undo, fields).Want(http.StatusSeeOther)
	for _, page := range []string{users(p), users(p) + "/invite"} {
		if strings.Contains(c.Get(page).Body, "come from single sign-on") {
			t.Errorf("%s says it of roles that do not", page)
		}
	}
	c.Post(at+"/role", url.Values{"role": {"readOnly"}}).Want(http.StatusSeeOther)
}
