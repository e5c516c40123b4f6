package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/internal/tenancy"
	"steward/web/webtest"
)

// Places that hang on a right from above: what they do not keep, how many there may be, and what
// those read who are told of them.

// ofMaintainer makes people members of the maintainer of a project.
func ofMaintainer(s *webtest.Site, p tenancy.Project, people ...accounts.User) (path string) {
	s.T.Helper()
	s.Update(func(tx *db.Tx) error {
		id, err := db.Value[int64](tx, "SELECT maintainer_id FROM organizations WHERE id = $1", p.Organization)
		for _, u := range people {
			if err == nil {
				err = tenancy.JoinMaintainer(tx, u.Actor(), id, u)
			}
		}
		path = "/maintainers/" + num(id)
		return err
	})
	return path
}

// TestHangingPlacesKeepNothing: case 27, a place that ends with a right of its person does not
// stand in for one that stays: the last administrator cannot leave because of it, and neither
// can the last member of an organization.
func TestHangingPlacesKeepNothing(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	first, _ := s.Project("First", false)
	mina, gita := s.User("Mina"), s.User("Gita")
	ofMaintainer(s, first, mina)
	organization := "/organizations/" + num(first.Organization)
	boss := s.User("Boss")
	ofOrganization(s, first, boss)
	c, theirs := s.SignIn(mina), s.SignIn(gita)

	at := c.Post(organization+"/projects", url.Values{"name": {"By right"}, "template": {"production"}}).Want(http.StatusSeeOther).Location
	c.Post(at+"/settings/users", inviting(access.Admin, gita.Email)).Want(http.StatusOK)
	theirs.Post(asked(theirs), nil).Want(http.StatusSeeOther)
	theirs.Post(at+"/settings/users/leave", nil).Want(http.StatusSeeOther)
	if text := words(theirs.Get(at + "/settings/users").Want(http.StatusOK).Page().Find("main")); !strings.Contains(text, "is the last one who manages the people of this project.") {
		t.Errorf("the last one who stays reads %q", text)
	}
	c.Post(at+"/settings/users/leave", nil).Want(http.StatusSeeOther)
	c.Get(at).Want(http.StatusForbidden) // who hangs on a right may leave to the other

	// Where nobody lasts, who made it stays: a visitor does not stand in for them.
	nora := s.User("Nora")
	ofMaintainer(s, first, nora)
	other := s.SignIn(nora)
	both := c.Post(organization+"/projects", url.Values{"name": {"Both by right"}, "template": {"production"}}).Want(http.StatusSeeOther).Location
	other.Post(both+"/join", asVisitor).Want(http.StatusSeeOther)
	c.Post(both+"/settings/users/leave", nil).Want(http.StatusSeeOther)
	c.Get(both).Want(http.StatusOK)

	// In an organization that they entered by that right they are no last member either.
	s.Update(func(tx *db.Tx) error {
		_, err := tx.Exec("DELETE FROM organization_members WHERE organization_id = $1 AND user_id <> $2", first.Organization, boss.ID)
		return err
	})
	c.Post(organization+"/join", asVisitor).Want(http.StatusSeeOther)
	root := s.SignIn(s.SuperAdmin("Root"))
	root.Post(organization+"/join", asVisitor).Want(http.StatusSeeOther)
	for way, by := range map[string]*webtest.Client{num(boss.ID) + "/remove": root, "leave": s.SignIn(boss)} {
		r := by.Post(organization+"/members/"+way, nil).Want(http.StatusSeeOther)
		if text := words(by.Get(r.Location).Want(http.StatusOK).Page().Find("main")); !strings.Contains(text, "is the last member of the organization who can sign in.") {
			t.Errorf("%s: %q", way, text)
		}
	}
	c.Post(organization+"/join/end", nil).Want(http.StatusSeeOther) // and go freely
	s.SignIn(boss).Get(organization).Want(http.StatusOK)
}

// TestPlacesByRightAreBounded: nobody is in more projects by a right than end with it in one
// transaction, however they come in; what they were given counts in nothing of it.
func TestPlacesByRightAreBounded(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Damaged: true}) // verifying that many events is not the point
	first, _ := s.Project("First", false)
	given, admin := s.Project("Given", false)
	mina := s.User("Mina")
	maintainer := ofMaintainer(s, first, mina)
	organization := "/organizations/" + num(first.Organization)
	s.Update(func(tx *db.Tx) error {
		for i := range 999 {
			n := tenancy.NewProject{Organization: first.Organization, Name: "Many " + num(int64(i)), Member: mina, Through: tenancy.ThroughMaintainer}
			if _, err := tenancy.CreateProject(tx, mina.Actor(), n); err != nil {
				return err
			}
		}
		return nil
	})
	c := s.SignIn(mina)
	making := url.Values{"name": {"One more"}, "template": {"production"}}
	c.Post(organization+"/projects", making).Want(http.StatusSeeOther)
	if r := c.Post(organization+"/projects", making).Want(http.StatusUnprocessableEntity); !strings.Contains(r.Body, "more than 1000 projects") {
		t.Error("it is not said why")
	}
	visit := "/projects/" + num(first.ID) + "/join"
	c.Post(visit, url.Values{"reason": {"Ticket 9"}, "hours": {"1"}}).Want(http.StatusUnprocessableEntity)
	c.Post(organization+"/join", asVisitor).Want(http.StatusSeeOther)
	c.Post(visit, asVisitor).Want(http.StatusUnprocessableEntity) // as a member by that right
	s.SignIn(admin).Post(users(given), inviting(access.Guest, mina.Email)).Want(http.StatusOK)
	c.Post(asked(c), nil).Want(http.StatusSeeOther)

	root := s.SignIn(s.SuperAdmin("Root"))
	root.Post(maintainer+"/members", url.Values{"emails": {admin.Email}, "reason": {""}, "days": {"7"}}).Want(http.StatusOK)
	s.SignIn(admin).Post(asked(s.SignIn(admin)), nil).Want(http.StatusSeeOther)
	root.Post(maintainer+"/members/"+num(mina.ID)+"/remove", nil).Want(http.StatusSeeOther)
	s.View(func(tx *db.Tx) error {
		n, err := db.Value[int64](tx, "SELECT count(*) FROM memberships WHERE user_id = $1", mina.ID)
		if n != 1 {
			t.Errorf("they are in %d projects", n)
		}
		return err
	})
}

// TestSuperAdminsInTurn: two super admins who disable each other, or take the right from each
// other, at the same moment: one of them stays. Who is disabled while a deed of theirs waits for
// another does not do it.
func TestSuperAdminsInTurn(t *testing.T) {
	t.Parallel()
	dsn := dbtest.DSN(t)
	s := webtest.Open(t, webtest.Options{DSN: dsn, Idle: true})
	p, _ := s.Project("In turn", false)
	s.SuperAdmin("Third")
	for round := range 12 {
		deed := []string{"disable", "no-super-admin"}[round%2]
		people := [2]accounts.User{s.SuperAdmin("One"), s.SuperAdmin("Two")}
		clients := [2]*webtest.Client{s.SignIn(people[0]), s.SignIn(people[1])}
		var all sync.WaitGroup
		for i := range people {
			all.Go(func() { clients[i].Post("/admin/users/"+num(people[1-i].ID)+"/"+deed, nil) })
		}
		all.Wait()
		s.View(func(tx *db.Tx) error {
			n, err := db.Value[int64](tx, "SELECT count(*) FROM users WHERE id IN ($1, $2) AND is_super_admin AND state = 'active'", people[0].ID, people[1].ID)
			if n != 1 {
				t.Errorf("round %d, %s: %d of two are left", round, deed, n)
			}
			return err
		})
	}

	gone := s.SuperAdmin("Gone")
	c := s.SignIn(gone)
	held, answered := make(chan struct{}), make(chan webtest.Response)
	go func() {
		<-held
		answered <- c.Post("/admin/projects/"+num(p.ID)+"/disable", url.Values{"reason": {"Too late"}})
	}()
	s.Update(func(tx *db.Tx) error {
		if err := tx.Lock("members of " + num(p.ID)); err != nil {
			return err
		}
		close(held)
		// The deed comes to where it has to wait. In SQLite it waits before it has decided anything.
		for waiting, end := int64(0), time.Now().Add(20*time.Second); waiting == 0 && strings.HasPrefix(dsn, "postgres"); {
			var err error
			waiting, err = db.Value[int64](tx, "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database() AND NOT l.granted")
			if err != nil || time.Now().After(end) {
				return fmt.Errorf("nothing waits for the lock: %w", err)
			}
		}
		return tx.Must("UPDATE users SET state = 'disabled' WHERE id = $1", gone.ID)
	})
	if r := <-answered; strings.HasPrefix(r.Location, "/admin") {
		t.Errorf("it is answered by %d, to %s", r.Status, r.Location)
	}
	s.View(func(tx *db.Tx) error {
		x, err := tenancy.Find(tx, p.ID)
		if x.State != tenancy.Active {
			t.Errorf("the project is %s", x.State)
		}
		return err
	})
}

// TestVisitTold: those who manage the people of a project are mailed who let themselves in, and
// by which right; a super admin who is not of support is not called so anywhere.
func TestVisitTold(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Told", false)
	s.Member(p, access.Guest)
	root := s.SuperAdmin("Vera")
	c, member := s.SignIn(root), s.SignIn(admin)
	path := "/projects/" + num(p.ID)
	if page := c.Get("/").Want(http.StatusOK).Page(); page.Find(`main a[href="/maintainers"]`).Length() != 1 {
		t.Error("who may come into many projects is not led to them")
	}
	c.Post(path+"/join", url.Values{"reason": {"Ticket 9"}, "hours": {"8"}}).Want(http.StatusSeeOther)
	for _, at := range []string{"/settings/users", "/settings/access", "/settings/audit"} {
		text := words(member.Get(path + at).Want(http.StatusOK).Page().Find(".table"))
		if !strings.Contains(strings.ToLower(text), "super admin") || strings.Contains(strings.ToLower(text), "support") {
			t.Errorf("%s says %q", at, text)
		}
	}
	if text := member.Get(path).Want(http.StatusOK).Page().Find(".banner").Text(); !strings.Contains(text, "Vera, super admin, is in this project until ") {
		t.Errorf("the banner says %q", text)
	}
	if list := member.Get(path + "/settings/users?format=json").Body; !strings.Contains(list, `"superAdmin"`) {
		t.Errorf("the export says %s", list)
	}
	s.View(func(tx *db.Tx) error {
		told, err := db.All(tx, db.Scalar[string], "SELECT recipient FROM mails WHERE kind = 'projectVisited'")
		if len(told) != 1 || told[0] != admin.Email {
			t.Errorf("told are %q", told)
		}
		return err
	})
	// Who becomes of support, too, and is a super admin no more, keeps the visit as somebody of support.
	s.TwoStep(c)
	s.SuperAdmin("Other")
	s.Update(func(tx *db.Tx) error {
		by := access.Actor{Name: "The operator", SuperAdmin: true}
		if err := s.App.Tenancy.GrantSupport(tx, by, root.ID, tx.Now.AddDate(0, 0, 30)); err != nil {
			return err
		}
		return s.App.Tenancy.RevokeSuperAdmin(tx, by, root.ID)
	})
	if list := member.Get(path + "/settings/users?format=json").Body; !strings.Contains(list, `"support"`) {
		t.Errorf("the export says %s", list)
	}
}

// TestRequestBeforeTheDoorOpened: who has asked to join, and may join by themselves since, sees
// the request on the way in and can take it back.
func TestRequestBeforeTheDoorOpened(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, _ := s.Project("Door", false)
	mina := s.User("Mina")
	ofMaintainer(s, p, mina)
	c, path := s.SignIn(mina), "/projects/"+num(p.ID)
	lets(s, p, false)
	c.Post(path+"/request", url.Values{"reason": {"Ticket 9"}, "hours": {"8"}}).Want(http.StatusSeeOther)
	lets(s, p, true)
	page := c.Get(path + "/join").Want(http.StatusOK).Page()
	if page.Find(`form[action="`+path+`/join"]`).Length() != 1 || page.Find(`form[action="`+path+`/request/cancel"]`).Length() != 1 {
		t.Error("the page does not offer both")
	}
	if r := c.Post(path+"/request/cancel", nil).Want(http.StatusSeeOther); r.Location != path+"/join" {
		t.Errorf("it leads to %s", r.Location)
	}
	if page := c.Get(path + "/join").Want(http.StatusOK).Page(); page.Find("#waiting").Length() != 0 {
		t.Error("it still waits")
	}
	c.Post(path+"/request/cancel", nil).Want(http.StatusNotFound)
	s.SignIn(s.User("")).Post(path+"/request/cancel", nil).Want(http.StatusNotFound)
}

// TestOverBeforeTheSweep: a visit that is over takes nothing from what its person is otherwise,
// and its end is recorded also when they come in again before it was cleared away.
func TestOverBeforeTheSweep(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, _ := s.Project("Over", false)
	lena := s.User("Lena")
	ofMaintainer(s, p, lena)
	c, path := s.SignIn(lena), "/projects/"+num(p.ID)
	c.Post(path+"/join", url.Values{"reason": {"Ticket 9"}, "hours": {"1"}}).Want(http.StatusSeeOther)
	ofOrganization(s, p, lena)
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE memberships SET expires_at = $2 WHERE user_id = $1", lena.ID, tx.Now.Add(-time.Second))
	})
	c.Get(users(p)).Want(http.StatusOK)
	c.Post(users(p), inviting(access.Guest, "new@example.com")).Want(http.StatusOK)
	c.Post(path+"/join", url.Values{"reason": {""}, "role": {"guest"}}).Want(http.StatusSeeOther)
	s.View(func(tx *db.Tx) error {
		told, err := db.All(tx, db.Scalar[string], "SELECT name FROM events WHERE name LIKE 'project.member%' AND message LIKE '%Lena%' ORDER BY id")
		if got := strings.Join(told, " "); got != "project.memberAdded project.memberInvited project.memberEnded project.memberAdded" {
			t.Errorf("recorded is %s", got)
		}
		return err
	})
}

// TestPlacesOfMembers: the page of a member of an organization or a maintainer tells those who
// manage it in which projects they are, and what becomes of that when they are out; who only looks in
// sees nothing of it.
func TestPlacesOfMembers(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Places", false)
	gone, boss, mina, nora := s.User("Gone"), s.User("Boss"), s.User("Mina"), s.User("Nora")
	organization := ofOrganization(s, p, gone, boss)
	maintainer := ofMaintainer(s, p, mina, nora)
	s.SignIn(gone).Post("/projects/"+num(p.ID)+"/join", url.Values{"reason": {""}, "role": {"guest"}}).Want(http.StatusSeeOther)
	c, visitor := s.SignIn(boss), s.SignIn(mina)
	visitor.Post("/projects/"+num(p.ID)+"/join", url.Values{"reason": {"Ticket 9"}, "hours": {"8"}}).Want(http.StatusSeeOther)
	places := func(c *webtest.Client, at string) string {
		return words(c.Get(at).Want(http.StatusOK).Page().Find(`[aria-labelledby="places"] tbody`))
	}
	at := organization + "/members/" + num(gone.ID)
	if got := places(c, at); got != "Places Guest Never Stays, until somebody takes it there" {
		t.Errorf("the organization reads %q", got)
	}
	if got := places(visitor, at); got != "" {
		t.Errorf("who looks in reads %q", got)
	}
	root := s.SignIn(s.SuperAdmin("Root"))
	leads := func(c *webtest.Client) string {
		return c.Get(at).Want(http.StatusOK).Page().Find(`[aria-labelledby="places"] tbody a`).AttrOr("href", "")
	}
	for _, x := range []struct{ c *webtest.Client }{{c}, {root}} { // every link leads somewhere
		if to := leads(x.c); to == "" || x.c.Get(to).Status != http.StatusOK {
			t.Errorf("the place leads to %q", to)
		}
	}
	root.Post("/admin/projects/"+num(p.ID)+"/disable", url.Values{"reason": {"Unpaid"}}).Want(http.StatusSeeOther)
	if to := leads(c); to != "" {
		t.Errorf("a place in a disabled project leads to %q", to)
	}
	root.Post("/admin/projects/"+num(p.ID)+"/enable", nil).Want(http.StatusSeeOther)
	if got := places(s.SignIn(nora), maintainer+"/members/"+num(mina.ID)); !strings.HasPrefix(got, "Places Admin ") || !strings.HasSuffix(got, "Ends at once") {
		t.Errorf("the maintainer reads %q", got)
	}
	visitor.Post(organization+"/join", asVisitor).Want(http.StatusSeeOther)
	must := func(on bool) {
		s.Update(func(tx *db.Tx) error {
			return tx.Must("UPDATE organizations SET mfa_required = $2 WHERE id = $1", p.Organization, on)
		})
	}
	must(true)
	if got := places(s.SignIn(nora), maintainer+"/members/"+num(mina.ID)); got != "" {
		t.Errorf("who is kept out for want of a second factor reads %q", got)
	}
	must(false)
	lets(s, p, false)
	if got := places(s.SignIn(nora), maintainer+"/members/"+num(mina.ID)); got != "" {
		t.Errorf("who is let in nowhere reads %q", got)
	}
	lets(s, p, true)
	other, _ := s.Project("Elsewhere", false)
	if got := places(c, organization+"/members/"+num(mina.ID)); strings.Contains(got, other.Name) || !strings.Contains(got, "Places Admin") {
		t.Errorf("the organization reads %q", got)
	}
	// The list names the address of who let somebody in, whom anybody may be called like.
	s.SignIn(admin).Post(users(p), inviting(access.Guest, "new@example.com")).Want(http.StatusOK)
	if row := words(s.SignIn(admin).Get(users(p) + "?q=new@example.com").Want(http.StatusOK).Page().Find("tbody tr")); !strings.Contains(row, "Invited by "+admin.Name+" "+admin.Email) {
		t.Errorf("the row says %q", row)
	}
}

// TestWaysFromOutside: a member of the organization who manages the people of a project without
// being in it reads who can get in, and no more of the project than that.
func TestWaysFromOutside(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Outside", false)
	boss := s.User("Boss")
	ofOrganization(s, p, boss)
	c, guest := s.SignIn(boss), s.SignIn(s.Member(p, access.Guest))
	path := "/projects/" + num(p.ID) + "/settings"
	page := c.Get(path + "/access").Want(http.StatusOK).Page()
	if text := words(page.Find("main")); !strings.Contains(text, admin.Email) || !strings.Contains(text, "Members of the organization") {
		t.Errorf("they read %q", text)
	}
	if tabs := words(page.Find("main nav")); strings.Contains(tabs, "Audit") || strings.Contains(tabs, "Limits") || !strings.Contains(tabs, "Who can get in") {
		t.Errorf("the tabs are %q", tabs)
	}
	c.Get(path + "/audit").Want(http.StatusForbidden)
	guest.Get(path + "/access").Want(http.StatusForbidden)
}
