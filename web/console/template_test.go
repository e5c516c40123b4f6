package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/db"
	"steward/internal/tenancy"
	"steward/web/webtest"
)

// templateOf fills in the form of a template.
func templateOf(c *webtest.Client, path string, change url.Values) (action string, form url.Values) {
	action, form = c.Get(path).Want(http.StatusOK).Form(strings.TrimSuffix(path, "/new"))
	for k, v := range change {
		if form.Del(k); v[0] != "" {
			form[k] = v
		}
	}
	return action, form
}

// TestTemplates: a super admin makes a template, of which projects are made that keep its name
// and its days; withdrawn, it is offered to nobody, and stays the type of what is there.
func TestTemplates(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Made before", false)
	root, boss := s.SignIn(s.SuperAdmin("Root")), s.User("Boss")
	organization, maker := ofOrganization(s, p, boss), s.SignIn(boss)
	for path, c := range map[string]*webtest.Client{"/admin/templates": maker, "/admin/templates/new": maker, "/admin/templates/demo": s.SignIn(admin)} {
		c.Get(path).Want(http.StatusForbidden)
		c.Post(strings.TrimSuffix(path, "/new"), url.Values{"name": {"Mine"}}).Want(http.StatusForbidden)
	}
	root.Get("/admin/templates/unknown").Want(http.StatusNotFound)
	fresh := url.Values{"name": {"Trial of a week"}, "description": {"To try it."}, "days": {"7"}, "retention": {"3"}, "position": {"2"}, "offered": {"1"}}
	action, form := templateOf(root, "/admin/templates/new", fresh)
	root.Post(action, form).Want(http.StatusSeeOther)
	if got := words(root.Get("/admin/templates").Want(http.StatusOK).Page().Find("tbody a.row-link")); !strings.HasPrefix(got, "Production Trial of a week Proof of concept, 15 days") {
		t.Errorf("the list is %q", got)
	}
	var id string
	choices := func() string {
		page := maker.Get(organization + "/projects/new").Want(http.StatusOK).Page()
		page.Find(`input[name="template"]`).Each(func(_ int, x *gq) {
			if strings.Contains(x.Parent().Text(), "Trial of a") {
				id = x.AttrOr("value", "")
			}
		})
		return page.Find("form").Text()
	}
	if !strings.Contains(choices(), "Trial of a week") || id == "" {
		t.Fatal("it is not offered")
	}
	create := func() webtest.Response {
		return maker.Post(organization+"/projects", url.Values{"name": {"Tried"}, "template": {id}})
	}
	made := create().Want(http.StatusSeeOther).Location
	settings := maker.Get(made + "/settings/project").Want(http.StatusOK).Page()
	if settings.Find(`input[name="retention"]`).AttrOr("value", "") != "3" || !strings.Contains(settings.Find("#about").Parent().Text()+settings.Find("main").Text(), "Trial of a week") {
		t.Error("the project does not have the days and the type of the template")
	}

	// Changed, undone, withdrawn.
	path := "/admin/templates/" + id
	action, form = templateOf(root, path, url.Values{"name": {"Trial of a month"}, "days": {"30"}, "position": {"99"}})
	next := root.Post(action, form).Want(http.StatusSeeOther)
	if got := words(root.Get(next.Location).Page().Find("tbody a.row-link")); !strings.HasSuffix(got, "Demo, 2 days Trial of a month") {
		t.Errorf("the list is %q", got)
	}
	form.Del("_key")
	root.Post(action, form).Want(http.StatusConflict) // the revision that was read is gone
	form.Set("revision", "2")
	form.Set("name", "Trial of a year")
	next = root.Post(action, form).Want(http.StatusSeeOther)
	undo, fields := root.Get(next.Location).Want(http.StatusOK).Form(path)
	root.Get(root.Post(undo, fields).Want(http.StatusSeeOther).Location)
	page := root.Get(path).Want(http.StatusOK).Page()
	if page.Find(`input[name="name"]`).AttrOr("value", "") != "Trial of a month" || page.Find(`input[name="days"]`).AttrOr("value", "") != "30" {
		t.Errorf("the undo %v does not bring back what it said", fields)
	}
	if history := page.Find("#history").Parent().Text() + page.Find("main").Text(); !strings.Contains(history, `name from "Trial of a month" to "Trial of a year"`) || !strings.Contains(history, "expiry from after 7 days to after 30 days") || !strings.Contains(history, "made the template") {
		t.Errorf("its history is %q", history)
	}
	action, form = templateOf(root, path, url.Values{"offered": {""}})
	root.Post(action, form).Want(http.StatusSeeOther)
	if strings.Contains(choices(), "Trial of a") {
		t.Error("it is still offered")
	}
	create().Want(http.StatusUnprocessableEntity)
	if !strings.Contains(maker.Get(made+"/settings/project").Body, "Trial of a month") {
		t.Error("its project has lost the type")
	}
	if row := root.Get("/admin/templates").Page().Find(`tbody tr:contains("Trial of a month")`).Text(); !strings.Contains(row, "Withdrawn") || !strings.Contains(row, "1") {
		t.Errorf("its row is %q", row)
	}

	// What is refused.
	for field, values := range map[string][]string{"name": {"", "Production", "pRODUCTION", strings.Repeat("n", 201)}, "description": {strings.Repeat("d", 501)}, "days": {"0", "-1", "3651", "x", "1.5"}, "retention": {"", "0", "3651", "x"}, "position": {"", "0", "101", "x"}} {
		for _, v := range values {
			f := url.Values{}
			for k, x := range fresh {
				f[k] = x
			}
			f.Set("name", "Another")
			f.Set(field, v)
			if r := root.Post("/admin/templates", f); r.Status != http.StatusUnprocessableEntity || r.Page().Find("#"+field+"-error").Length() != 1 {
				t.Errorf("%s %.20q: %d", field, v, r.Status)
			}
		}
	}
}

// TestTemplatesOffered: at least one template is offered, though two are withdrawn at once.
func TestTemplatesOffered(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	root := s.SuperAdmin("Root")
	all := func() (list []tenancy.Template) {
		s.View(func(tx *db.Tx) (err error) { list, err = s.App.Tenancy.AllTemplates(tx, root.Actor()); return err })
		return list
	}
	withdraw := func(x tenancy.Template) error {
		x.Offered = false
		return s.App.DB.Update(t.Context(), func(tx *db.Tx) error { _, _, err := s.App.Tenancy.SetTemplate(tx, root.Actor(), x); return err })
	}
	for _, x := range all()[2:] {
		if err := withdraw(x); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		two := all()[:2]
		errs := make([]error, 2)
		var both sync.WaitGroup
		for i := range two {
			both.Add(1)
			go func() { defer both.Done(); errs[i] = withdraw(two[i]) }()
		}
		both.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("of two withdrawn at once: %v; %v", errs[0], errs[1])
		}
		offered := 0
		for _, x := range all() {
			if x.Offered {
				offered++
			}
		}
		if offered != 1 {
			t.Fatalf("%d are offered", offered)
		}
		for _, x := range all()[:2] {
			x.Offered = true
			s.Update(func(tx *db.Tx) error { _, _, err := s.App.Tenancy.SetTemplate(tx, root.Actor(), x); return err })
		}
	}
	c := s.SignIn(root)
	for i, id := range []string{"production", "poc15Days"} {
		action, form := templateOf(c, "/admin/templates/"+id, url.Values{"offered": {""}})
		c.Post(action, form).Want([]int{http.StatusSeeOther, http.StatusUnprocessableEntity}[i])
	}
}

// TestTemplatesOvertaken: who changes a template that somebody else has changed meanwhile sees
// both, and decides.
func TestTemplatesOvertaken(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	one, other := s.SignIn(s.SuperAdmin("One")), s.SignIn(s.SuperAdmin("Other"))
	action, form := templateOf(one, "/admin/templates/demo", url.Values{"name": {"Demonstration"}})
	_, second := templateOf(other, "/admin/templates/demo", url.Values{"description": {"To show it around."}})
	one.Post(action, form).Want(http.StatusSeeOther)
	r := other.Post(action, second).Want(http.StatusConflict)
	if now := r.Page().Find("main").Text(); !strings.Contains(now, "Demonstration") || r.Page().Find(`input[name="description"]`).AttrOr("value", "") != "To show it around." {
		t.Errorf("the page says %q", now)
	}
	if !strings.Contains(one.Get("/admin/templates").Page().Find("tbody").Text(), "Demonstration") {
		t.Error("the first change is lost")
	}
	_, again := r.Form(action)
	other.Post(action, again).Want(http.StatusSeeOther)
	if text := one.Get("/admin/templates").Page().Find("tbody").Text(); !strings.Contains(text, "To show it around.") || strings.Contains(text, "Demonstration") {
		t.Error("who saved again knowingly is not heard")
	}
}

// TestProjectType: a super admin makes a project one of another type; when it expires follows.
func TestProjectType(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Typed", false)
	root, member := s.SignIn(s.SuperAdmin("Root")), s.SignIn(admin)
	page := "/admin/projects/" + num(p.ID)
	expires := func() (at time.Time) {
		s.View(func(tx *db.Tx) error {
			x, err := tenancy.Describe(tx, s.Scope(admin, p))
			at = x.ExpiresAt
			return err
		})
		return at
	}
	set := func(template, follow string, status int) {
		t.Helper()
		action, form := root.Get(page).Want(http.StatusOK).Form(page + "/type")
		form.Set("template", template)
		form.Set("follow", follow)
		root.Post(action, form).Want(status)
	}
	if !strings.Contains(member.Get("/projects/"+num(p.ID)+"/settings/project").Page().Find("main").Text(), "Type") {
		t.Error("the settings do not tell the type")
	}
	set("unknown", "type", http.StatusUnprocessableEntity)
	set("", "type", http.StatusUnprocessableEntity)
	set("demo", "", http.StatusUnprocessableEntity)
	set("demo", "soon", http.StatusUnprocessableEntity)
	set("poc15Days", "type", http.StatusSeeOther)
	if left := expires().Sub(s.Clock.Now()); left < 15*24*time.Hour-time.Minute || left > 15*24*time.Hour {
		t.Errorf("it expires in %s", left)
	}
	set("production", "type", http.StatusSeeOther)
	if !expires().IsZero() {
		t.Error("it still expires")
	}
	set("demo", "never", http.StatusSeeOther)
	if !expires().IsZero() {
		t.Error("it expires though it is not to")
	}
	body := member.Get("/projects/" + num(p.ID) + "/settings/project").Body
	if !strings.Contains(body, "Demo, 2 days") {
		t.Error("the settings do not tell the new type")
	}
	if history := root.Get(page).Page().Find("main").Text(); !strings.Contains(history, `from "None" to "Proof of concept, 15 days", and when it expires from never to`) {
		t.Errorf("the history says %q", history)
	}
	for _, id := range []string{"demo", "poc15Days"} {
		s.Update(func(tx *db.Tx) error {
			return tx.Must("UPDATE project_templates SET offered = FALSE WHERE id = $1", id)
		})
	}
	set("poc15Days", "type", http.StatusUnprocessableEntity) // withdrawn
	set("demo", "type", http.StatusSeeOther)                 // but its own
	member.Post(page+"/type", url.Values{"template": {"production"}, "follow": {"never"}}).Want(http.StatusForbidden)
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE projects SET state = 'deleted', deleted_at = $2, purge_at = $2 WHERE id = $1", p.ID, tx.Now.Add(time.Hour))
	})
	if root.Get(page).Page().Find(`form[action="`+page+`/type"]`).Length() != 0 {
		t.Error("the type of a deleted project can be changed")
	}
	if r := root.Post(page+"/type", url.Values{"template": {"production"}, "follow": {"never"}}).Want(http.StatusSeeOther); !strings.Contains(root.Get(r.Location).Body, "Bring it back first") {
		t.Error("it is not told why not")
	}
}
