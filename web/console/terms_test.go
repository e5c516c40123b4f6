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

// limitOf is what the page of limits says of one measure.
func limitOf(c *webtest.Client, p tenancy.Project, measure string) string {
	return words(c.Get("/projects/" + num(p.ID) + "/settings/limits").Want(http.StatusOK).Page().Find("section.card:has(#limit-" + measure + ")"))
}

// TestTerms: a super admin agrees limits and features for a project, which its people read
// beside what they use, and takes them back; each change is in the history in words.
func TestTerms(t *testing.T) {
	t.Parallel()
	l := newLoader(t)
	s := l.Site
	var p tenancy.Project
	s.View(func(tx *db.Tx) (err error) { p, err = tenancy.Find(tx, l.project); return err })
	l.loadKeyed("customers", customersGood, false, "id")
	root := s.SignIn(s.SuperAdmin("Root"))
	page := "/admin/projects/" + num(p.ID)
	set := func(status int, change url.Values) webtest.Response {
		t.Helper()
		action, form := root.Get(page).Want(http.StatusOK).Form(page + "/terms")
		for k, v := range change {
			if form.Del(k); v[0] != "" {
				form[k] = v
			}
		}
		return root.Post(action, form).Want(status)
	}
	terms := func() (is tenancy.Terms) {
		s.View(func(tx *db.Tx) error {
			used, err := tenancy.Used(tx, l.scope)
			is = used.Terms
			return err
		})
		return is
	}
	if got := limitOf(l.Client, p, "users"); !strings.Contains(got, "No limit") {
		t.Errorf("without a limit: %q", got)
	}
	if got := limitOf(l.Client, p, "jobs"); !strings.HasPrefix(got, "Jobs at once 10 ") {
		t.Errorf("jobs, unless agreed: %q", got)
	}
	people := 0
	for range 4 {
		s.Member(p, access.Guest)
	}
	s.View(func(tx *db.Tx) (err error) {
		people, err = db.Value[int](tx, "SELECT count(*) FROM memberships WHERE project_id = $1", p.ID)
		return err
	})
	next := set(http.StatusSeeOther, url.Values{"users": {num(int64(people))}, "storage": {"50"}, "jobs": {"3"}, "externalRoles": {"1"}})
	undo, before := root.Get(next.Location).Want(http.StatusOK).Form(page + "/terms")
	if got, want := terms(), (tenancy.Terms{Users: int64(people), Storage: 50_000_000_000, Jobs: 3, External: true}); got != want {
		t.Errorf("agreed is %+v, not %+v", got, want)
	}
	if got := limitOf(l.Client, p, "users"); !strings.Contains(got, fmt.Sprintf("Near limit %d of %d people 100%% used", people, people)) {
		t.Errorf("at the limit: %q", got)
	}
	if got := limitOf(l.Client, p, "storage"); !strings.Contains(got, "Within limit") || !strings.Contains(got, "of 50 GB") || strings.Contains(got, " 0 B") {
		t.Errorf("stored data: %q", got)
	}
	if got := limitOf(l.Client, p, "jobs"); !strings.HasPrefix(got, "Jobs at once 3 ") {
		t.Errorf("jobs: %q", got)
	}
	if got := limitOf(l.Client, p, "rows"); got != "Rows 4 No limit" {
		t.Errorf("rows: %q", got)
	}
	if member := l.Get("/projects/" + num(p.ID) + "/settings/limits"); strings.Contains(member.Body, page) {
		t.Error("who is no super admin is led to where limits are agreed")
	}
	second := root.Get(set(http.StatusSeeOther, url.Values{"users": {"1"}}).Location)
	if got := limitOf(l.Client, p, "users"); !strings.Contains(got, fmt.Sprintf("Over limit %d of 1 person %d00%% used", people, people)) {
		t.Errorf("over the limit: %q", got)
	}
	s.Member(p, access.Guest) // stops nothing

	// Undone in their order, the two changes bring back what was before them: nothing agreed.
	_, last := second.Form(page + "/terms")
	root.Get(root.Post(undo, last).Want(http.StatusSeeOther).Location)
	root.Get(root.Post(undo, before).Want(http.StatusSeeOther).Location)
	if got := terms(); got != (tenancy.Terms{}) {
		t.Errorf("after the undo %+v is agreed", got)
	}
	history := root.Get(page).Page().Find("main").Text()
	for _, want := range []string{"limit of users from none to", "limit of stored data from none to 50 GB", "jobs at once from 10 to 3", "roles from single sign-on from no to yes", "limit of users from " + fmt.Sprint(people) + " to 1", "jobs at once from 3 to 10"} {
		if !strings.Contains(history, want) {
			t.Errorf("the history does not say %q", want)
		}
	}
	recorded := func() (n int64) {
		s.View(func(tx *db.Tx) (err error) {
			n, err = db.Value[int64](tx, "SELECT count(*) FROM events WHERE name = 'project.termsChanged'")
			return err
		})
		return n
	}
	events := recorded()
	root.Get(set(http.StatusSeeOther, url.Values{"jobs": {"10"}}).Location) // which is as usual
	if n := recorded(); n != events {
		t.Error("what is as usual is recorded as a change")
	}
	for field, values := range map[string][]string{"users": {"0", "-1", "x", "1.5", "1000001", "99999999999999999999"}, "storage": {"0", "-1", "x", "1.5", "1000001", "9999999999999"}, "jobs": {"0", "-1", "x", "101"}} {
		for _, v := range values {
			r := set(http.StatusUnprocessableEntity, url.Values{field: {v}, "externalRoles": {"1"}}).Page()
			if r.Find("#"+field+"-error").Length() != 1 || r.Find("#"+field).AttrOr("value", "") != v || r.Find("#externalRoles[checked]").Length() != 1 {
				t.Errorf("%s %q: not told at the field, or what was typed is lost", field, v)
			}
		}
	}
	l.Post(page+"/terms", url.Values{"users": {"5"}}).Want(http.StatusForbidden)
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE projects SET state = 'deleted', deleted_at = $2, purge_at = $2 WHERE id = $1", p.ID, tx.Now)
	})
	if root.Get(page).Page().Find(`form[action="`+page+`/terms"]`).Length() != 0 {
		t.Error("terms of a deleted project can be changed")
	}
	if r := root.Post(page+"/terms", url.Values{"users": {"5"}}).Want(http.StatusSeeOther); !strings.Contains(root.Get(r.Location).Body, "Bring it back first") {
		t.Error("it is not told why not")
	}
}

// TestTemplateTerms: projects begin with what their template says, and keep it when that changes.
func TestTemplateTerms(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, _ := s.Project("Made before", false)
	root, boss := s.SignIn(s.SuperAdmin("Root")), s.User("Boss")
	organization, maker := ofOrganization(s, p, boss), s.SignIn(boss)
	action, form := templateOf(root, "/admin/templates/demo", url.Values{"users": {"3"}, "storage": {"2"}, "jobs": {"1"}, "externalRoles": {"1"}})
	next := root.Post(action, form).Want(http.StatusSeeOther)
	made := maker.Post(organization+"/projects", url.Values{"name": {"Agreed"}, "template": {"demo"}}).Want(http.StatusSeeOther).Location
	limits := func() string {
		return words(maker.Get(made + "/settings/limits").Want(http.StatusOK).Page().Find("main .grid"))
	}
	says := func(got string) bool {
		return strings.Contains(got, "of 2 GB") && strings.Contains(got, "1 of 3 people") && strings.Contains(got, "Jobs at once 1 ")
	}
	if got := limits(); !says(got) {
		t.Errorf("a project of it has %q", got)
	}
	if maker.Get(made+"/settings/project").Page().Find("#externalRoles[checked]").Length() != 1 {
		t.Error("its roles do not come from single sign-on")
	}
	undo, fields := root.Get(next.Location).Want(http.StatusOK).Form("/admin/templates/demo")
	root.Post(undo, fields).Want(http.StatusSeeOther)
	page := root.Get("/admin/templates/demo").Want(http.StatusOK).Page()
	for _, field := range []string{"users", "storage", "jobs"} {
		if v := page.Find("#"+field).AttrOr("value", ""); v != "" {
			t.Errorf("after the undo %s is %q", field, v)
		}
	}
	if history := page.Find("main").Text(); !strings.Contains(history, "limit of users from 3 to none") || !strings.Contains(history, "jobs at once from 10 to 1") {
		t.Errorf("the history says %q", history)
	}
	if got := limits(); !says(got) {
		t.Errorf("what is there has changed with its template: %q", got)
	}
	fresh := url.Values{"name": {"Another"}, "description": {""}, "days": {""}, "retention": {"30"}, "position": {"1"}, "offered": {"1"}, "users": {"x"}}
	if r := root.Post("/admin/templates", fresh).Want(http.StatusUnprocessableEntity); r.Page().Find("#users-error").Length() != 1 {
		t.Error("a limit that is no number is not told")
	}
}
