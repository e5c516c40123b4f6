package console_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"steward/internal/access"
	"steward/web/webtest"
)

// TestErrorsLeadOn: who is refused reads in plain words what their role does not do and
// which roles do, and is led on from where they are; what nobody may know of tells nothing.
func TestErrorsLeadOn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.load("orders", "id\n1\n")
	reader := d.SignIn(d.Member(d.project, access.ReadOnly))
	project := "/projects/" + num(d.project.ID)
	for _, c := range []struct {
		who    string
		path   string
		status int
		says   string
		leads  string
	}{
		{"reader", d.base + "/load", http.StatusForbidden, "Your role here is Read only. It does not let you load, change and drop tables. Roles that do: Share, Admin, Guest.", project},
		{"admin", d.base + "/jobs?before=x", http.StatusUnprocessableEntity, "Start at its first page.", d.base + "/jobs"},
		{"admin", d.tablePath("none"), http.StatusNotFound, "The address may be mistyped", "/"},
		{"admin", "/projects/999/storage", http.StatusNotFound, "The address may be mistyped", "/"},
	} {
		client := d.c
		if c.who == "reader" {
			client = reader
		}
		page := client.Get(c.path).Want(c.status)
		if got := text(page, "main"); !strings.Contains(got, c.says) {
			t.Errorf("%s says %q", c.path, got)
		}
		if page.Page().Find(`main a.btn[href="`+c.leads+`"]`).Length() != 1 {
			t.Errorf("%s does not lead to %s: %s", c.path, c.leads, page.Page().Find("main a.btn").AttrOr("href", ""))
		}
	}
}

// TestInvitersAreNamed: who may not invite reads who does, in both kinds of project.
func TestInvitersAreNamed(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	for _, x := range []struct {
		governed bool
		role     access.Role
		says     string
	}{
		{true, access.ProductionManager, "Your role here is Production manager. It does not let you invite people and cancel invitations. Members of the organization do."},
		{true, access.Developer, "Your role here is Developer. It does not let you invite people and cancel invitations. Members of the organization do."},
		{false, access.Guest, "Your role here is Guest. It does not let you invite people and cancel invitations. Roles that do: Share, Admin. So do members of the organization."},
	} {
		p, _ := s.Project("Named", x.governed)
		c := s.SignIn(s.Member(p, x.role))
		for _, r := range []webtest.Response{c.Get(users(p) + "/invite"), c.Post(users(p), inviting(access.ReadOnly, "a@example.com"))} {
			if got := text(r.Want(http.StatusForbidden), "main"); !strings.Contains(got, x.says) {
				t.Errorf("%s reads %q", x.role, got)
			}
		}
	}
}

// TestErrorForms: whatever goes wrong is told as a page, and as JSON to who asks for it,
// with the same status and the number under which the log has it. Where one can only wait,
// the answer says how long.
func TestErrorForms(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Shop", false)
	project := "/projects/" + num(p.ID)
	member, reader, nobody := s.SignIn(admin), s.SignIn(s.Member(p, access.ReadOnly)), s.Anonymous()
	guess := url.Values{"email": {"nobody@example.com"}, "password": {"not the right one, surely"}}
	for i := range 20 { // what one address may try in a minute
		nobody.Post("/login", url.Values{"email": {num(int64(i)) + "@example.com"}, "password": guess["password"]}).Want(http.StatusUnprocessableEntity)
	}
	broken := webtest.Open(t, webtest.Options{Idle: true, Damaged: true})
	lost := broken.SignIn(broken.User(""))
	if err := broken.App.DB.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		status int
		who    *webtest.Client
		path   string
		form   url.Values
		html   int // of the page, 0 when it is the same
	}{
		{http.StatusUnauthorized, nobody, "/account", nil, http.StatusSeeOther}, // led to the form
		{http.StatusForbidden, reader, project + "/storage/load", nil, 0},
		{http.StatusNotFound, member, "/projects/999999/storage", nil, 0},
		{http.StatusRequestEntityTooLarge, nobody, "/login", url.Values{"email": {strings.Repeat("x", 70_000)}}, 0},
		{http.StatusUnprocessableEntity, member, project + "/storage/jobs?before=x", nil, 0},
		{http.StatusTooManyRequests, nobody, "/login", guess, 0},
		{http.StatusInternalServerError, lost, "/account", nil, 0},
	} {
		t.Run(strconv.Itoa(c.status), func(t *testing.T) {
			ask := func(accept string) webtest.Response {
				r := c.who.Request(http.MethodGet, c.path, nil)
				if c.form != nil {
					r = c.who.Request(http.MethodPost, c.path, strings.NewReader(c.form.Encode()))
					r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				}
				r.Header.Set("Accept", accept)
				return c.who.Do(r)
			}
			js := ask("application/json").Want(c.status)
			var body struct{ Status, Error, Code, RequestID string }
			js.JSON(&body)
			if body.Status != "error" || body.Error == "" || body.Code == "" || body.RequestID == "" || body.RequestID != js.Header.Get("X-Request-Id") {
				t.Errorf("%+v, the request is %s", body, js.Header.Get("X-Request-Id"))
			}
			html := c.html
			if html == 0 {
				html = c.status
			}
			page := ask("text/html").Want(html)
			if html == c.status && page.Page().Find("main h1").Length() != 1 {
				t.Errorf("the page is %.300s", page.Body)
			}
			for _, r := range []webtest.Response{js, page} {
				if wait, err := strconv.Atoi(r.Header.Get("Retry-After")); c.status == http.StatusTooManyRequests && (err != nil || wait < 1) {
					t.Errorf("Retry-After is %q", r.Header.Get("Retry-After"))
				}
				for _, inside := range []string{"sql", "SELECT", "goroutine", ".go:", "database is closed"} {
					if strings.Contains(r.Body, inside) {
						t.Errorf("the answer tells of the inside: %s in %.300s", inside, r.Body)
					}
				}
			}
		})
	}
}
