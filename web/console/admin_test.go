package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/internal/jobs"
	"steward/internal/tenancy"
	"steward/web/console"
	"steward/web/webtest"
)

// TestASVS_8_4_2: the pages for super admins are for nobody else, and ask for a recent proof.
func TestASVS_8_4_2(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Ordinary", false)
	guest, root := s.Member(p, access.Guest), s.SuperAdmin("Root")
	clients := map[string]*webtest.Client{"admin": s.SignIn(admin), "guest": s.SignIn(guest), "nobody": s.Anonymous()}
	super := s.SignIn(root)
	walked := 0
	for _, r := range console.New(t.Context(), s.App, nil, nil).Routes() {
		if !strings.HasPrefix(r.Path, "/admin") {
			continue
		}
		walked++
		if r.Rule.Permission != access.InstallationManage && r.Rule.Permission != access.ProjectsUndelete || !r.Rule.Proof {
			t.Errorf("%s %s demands %s, proof %t", r.Method, r.Path, r.Rule.Permission, r.Rule.Proof)
		}
		path := strings.NewReplacer(":user", num(guest.ID), ":mail", "1", ":project", num(p.ID)).Replace(r.Path)
		for name, c := range clients {
			want := http.StatusForbidden
			if name == "nobody" {
				want = http.StatusSeeOther
			}
			if res := send(c, r.Method, path); res.Status != want || (want == http.StatusSeeOther && !strings.HasPrefix(res.Location, "/login")) {
				t.Errorf("%s: %s %s: %d %s", name, r.Method, path, res.Status, res.Location)
			}
		}
	}
	if walked < 15 {
		t.Errorf("only %d routes", walked)
	}
	s.View(func(tx *db.Tx) error {
		u, err := accounts.Find(tx, guest.ID)
		if u.State != accounts.Active || u.SuperAdmin {
			t.Errorf("the guest is %s, super admin %t", u.State, u.SuperAdmin)
		}
		return err
	})
	super.Get("/admin").Want(http.StatusOK)
	s.Clock.Forward(11 * time.Minute)
	if r := super.Get("/admin"); !strings.HasPrefix(r.Location, "/account/confirm") {
		t.Errorf("with an old proof: %d %s", r.Status, r.Location)
	}
}

// TestNobodyActsOnHigher: case 30, nobody does anything to the account of somebody who is above
// them: whatever they are to its projects, its organization or the installation.
func TestNobodyActsOnHigher(t *testing.T) {
	t.Parallel()
	dsn := dbtest.DSN(t)
	s := webtest.Open(t, webtest.Options{DSN: dsn, Idle: true})
	p, admin := s.Project("Ranks", false)
	governed, manager := s.Project("Governed ranks", true)
	boss, former, root := s.User("Boss"), s.SuperAdmin("Former"), s.SuperAdmin("Root")
	ofOrganization(s, p, boss)
	s.Update(func(tx *db.Tx) error {
		for _, u := range []accounts.User{root, boss, former} { // the highest are in the projects, too, in low roles
			if err := tenancy.Join(tx, u.Actor(), p, u, access.Guest); err != nil {
				return err
			}
			if err := tenancy.Join(tx, u.Actor(), governed, u, access.Developer); err != nil {
				return err
			}
		}
		maintainer, err := db.Value[int64](tx, "SELECT maintainer_id FROM organizations WHERE id = $1", p.Organization)
		if err != nil {
			return err
		}
		if err := tenancy.JoinMaintainer(tx, boss.Actor(), maintainer, boss); err != nil {
			return err
		}
		return s.App.Tenancy.RevokeSuperAdmin(tx, root.Actor(), former.ID)
	})
	_, support, _ := ofSupport(s, "Sven")
	actors := map[string]*webtest.Client{"boss of organization and maintainer": s.SignIn(boss), "former super admin": s.SignIn(former), "support": support, "admin": s.SignIn(admin), "production manager": s.SignIn(manager)}
	for _, role := range []access.Role{access.Share, access.Guest, access.ReadOnly} {
		actors[string(role)] = s.SignIn(s.Member(p, role))
	}
	watch := dbtest.Watch(t, dsn, append([]string{"mails"}, untouched...)...)
	before, tried := watch.Sum(), 0
	for _, r := range console.New(t.Context(), s.App, nil, nil).Routes() {
		if r.Method != http.MethodPost || !strings.HasPrefix(r.Path, "/admin/users") {
			continue
		}
		for name, c := range actors {
			for _, victim := range []accounts.User{root, boss, admin} {
				path := strings.Replace(r.Path, ":user", num(victim.ID), 1)
				if res := c.Post(path, url.Values{}); res.Status != http.StatusForbidden {
					t.Errorf("%s: %s: %d", name, path, res.Status)
				}
				tried++
			}
		}
	}
	if after := watch.Sum(); after != before {
		t.Error("something was changed")
	}
	if tried < 150 {
		t.Errorf("only %d were tried", tried)
	}
}

// TestDisableAndEnable: a disabled person is out at once and cannot come in; enabled again,
// all is as before.
func TestDisableAndEnable(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u, root := s.User("Petra"), s.SuperAdmin("Root")
	c, super := s.SignIn(u), s.SignIn(root)
	page := fmt.Sprintf("/admin/users/%d", u.ID)
	do := func(what string) webtest.Response {
		t.Helper()
		path, fields := super.Get(page).Want(http.StatusOK).Form(page + "/" + what)
		return super.Post(path, fields).Want(http.StatusSeeOther)
	}
	login := url.Values{"email": {u.Email}, "password": {webtest.Password}}
	do("disable")
	c.Get("/").Want(http.StatusSeeOther)
	s.Anonymous().Post("/login", login).Want(http.StatusUnprocessableEntity)
	super.Post(page+"/link", url.Values{}).Want(http.StatusSeeOther)
	if got := text(super.Get(page), "main"); !strings.Contains(got, "disabled. Enable it first") {
		t.Errorf("a link for a disabled account: %.300s", got)
	}
	do("enable")
	s.Anonymous().Post("/login", login).Want(http.StatusSeeOther)
	c.Get("/").Want(http.StatusSeeOther) // the old session stays ended
	do("super-admin")
	again := s.SignIn(u)
	again.Get("/admin").Want(http.StatusOK)
	do("no-super-admin")
	again.Get("/admin").Want(http.StatusForbidden)
	do("end-sessions")
	again.Get("/").Want(http.StatusSeeOther)
	// Nobody shuts the last door.
	own := fmt.Sprintf("/admin/users/%d", root.ID)
	for _, what := range []string{"disable", "no-super-admin"} {
		super.Post(own+"/"+what, url.Values{}).Want(http.StatusSeeOther)
	}
	super.Get("/admin").Want(http.StatusOK)
}

// TestAdminLink: a super admin makes a link to pass on, and never learns a password.
func TestAdminLink(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	super := s.SignIn(s.SuperAdmin("Root"))
	added := super.Post("/admin/users", url.Values{"email": {"Nina@Example.com"}, "name": {"Nina"}}).Want(http.StatusOK).Page()
	first, says := added.Find("[data-copy]").AttrOr("data-copy", ""), added.Find("main").Text()
	if !strings.HasPrefix(first, s.URL+"/activate/stw_") || !strings.Contains(says, "There is no mail server") {
		t.Errorf("who adds a person gets %q: %s", first, says)
	}
	person, _ := strings.CutSuffix(added.Find(`form[action$="/link"]`).AttrOr("action", ""), "/link")
	super.Post("/admin/users", url.Values{"email": {"nina@example.com"}}).Want(http.StatusUnprocessableEntity)
	super.Post("/admin/users", url.Values{"email": {"nobody"}}).Want(http.StatusUnprocessableEntity)
	shown := super.Post(person+"/link", url.Values{}).Want(http.StatusOK).Page().Find("[data-copy]").AttrOr("data-copy", "")
	path, ok := strings.CutPrefix(shown, s.URL)
	if !ok || !strings.HasPrefix(path, "/activate/stw_") {
		t.Fatalf("the link is %q", shown)
	}
	if !strings.Contains(added.Find("main").Text(), "It activates the account") {
		t.Error("the page does not say what the link does")
	}
	if strings.Contains(super.Get(person).Body, path) {
		t.Error("the link is shown twice")
	}
	c := s.Anonymous()
	c.Get(c.Get(strings.TrimPrefix(first, s.URL)).Want(http.StatusSeeOther).Location).Want(http.StatusNotFound) // the newer link replaces it
	form := c.Get(path).Want(http.StatusSeeOther)
	c.Get(form.Location).Want(http.StatusOK)
	c.Post("/activate", url.Values{"email": {"nina@example.com"}, "name": {"Nina"}, "password": {"seven violet kettles hum"}, "repeat": {"seven violet kettles hum"}}).Want(http.StatusSeeOther)
	if got := text(super.Get("/admin?q=NINA"), "tbody"); !strings.Contains(got, "nina@example.com") || !strings.Contains(got, "Active") {
		t.Errorf("found: %q", got)
	}
	if got := super.Get("/admin?q=%25").Want(http.StatusOK).Page().Find("tbody tr").Length(); got != 0 {
		t.Errorf("a percent sign finds %d people", got)
	}
	if err := s.App.Jobs.Drain(t.Context(), jobs.System); err != nil {
		t.Fatal(err)
	}
	if got := text(super.Get("/admin/mails?state=dead"), "tbody"); !strings.Contains(got, "No mail server is configured") {
		t.Errorf("mail without a server: %q", got)
	}
}

// TestASVS_6_3_3: when the installation asks everybody for a second factor, who has none can
// only set one up.
func TestASVS_6_3_3(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	_, admin := s.Project("Strict", false)
	super, c := s.SignIn(s.SuperAdmin("Root")), s.SignIn(admin)
	on := url.Values{"requireFactor": {"1"}}
	super.Post("/admin/settings", on).Want(http.StatusUnprocessableEntity) // its own first
	s.TwoStep(super)
	super.Post("/admin/settings", on).Want(http.StatusSeeOther)
	open := 0
	for _, r := range console.New(t.Context(), s.App, nil, nil).Routes() {
		if r.Rule.Kind == "public" || r.Rule.Enrolling || strings.Contains(r.Path, ":") {
			continue
		}
		open++
		if res := send(c, r.Method, r.Path); res.Status != http.StatusSeeOther || res.Location != "/account/security" {
			t.Errorf("%s %s without a second factor: %d %s", r.Method, r.Path, res.Status, res.Location)
		}
	}
	if open < 8 {
		t.Errorf("only %d routes", open)
	}
	c.Get("/account/security").Want(http.StatusOK)
	s.TwoStep(c)
	c.Get("/").Want(http.StatusOK)
	c.Post("/account/two-step/delete", url.Values{}).Want(http.StatusSeeOther)
	if got := text(c.Get("/account/security"), "main"); !strings.Contains(got, "cannot be turned off") {
		t.Errorf("turning it off: %.300s", got)
	}
	c.Get("/").Want(http.StatusOK)
}

// TestAdminRights: what people are above projects is told of each, in the list, on their own page
// and to programs.
func TestAdminRights(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	root := s.SuperAdmin("Root")
	c, mina, plain := s.SignIn(root), s.User("Mina"), s.User("Plain")
	until := s.Clock.Now().AddDate(0, 0, 30)
	s.Update(func(tx *db.Tx) error { return s.App.Tenancy.GrantSupport(tx, root.Actor(), mina.ID, until) })
	for i := range 3 {
		p, _ := s.Project(fmt.Sprint("Of ", i), false)
		ofOrganization(s, p, mina)
		s.Update(func(tx *db.Tx) error {
			switch i {
			case 0:
				m, err := db.Value[int64](tx, "SELECT maintainer_id FROM organizations WHERE id = $1", p.Organization)
				if err != nil {
					return err
				}
				return tenancy.JoinMaintainer(tx, root.Actor(), m, mina)
			case 1: // their time in it is over
				return tx.Must("UPDATE organization_members SET expires_at = $3 WHERE organization_id = $1 AND user_id = $2", p.Organization, mina.ID, tx.Now)
			}
			return nil
		})
	}
	s.Clock.Forward(time.Second)
	for _, at := range []string{"/admin?q=" + url.QueryEscape(mina.Email), "/admin/users/" + num(mina.ID)} {
		if got := words(c.Get(at).Want(http.StatusOK).Page().Find("main")); !strings.Contains(got, "Member of 1 maintainer, 2 organizations") || !strings.Contains(got, "Support until") || strings.Contains(got, "None above projects") {
			t.Errorf("%s says %s", at, got)
		}
	}
	if got := words(c.Get("/admin/users/" + num(plain.ID)).Want(http.StatusOK).Page().Find("main")); !strings.Contains(got, "None above projects") {
		t.Errorf("of who is nothing it says %s", got)
	}
	var rows []map[string]any
	c.Get("/admin?format=json&q=" + url.QueryEscape(mina.Email)).Want(http.StatusOK).JSON(&rows)
	if len(rows) != 1 || rows[0]["maintainers"] != 1.0 || rows[0]["organizations"] != 2.0 || rows[0]["supportUntil"] == nil {
		t.Errorf("programs are told %v", rows)
	}
}
