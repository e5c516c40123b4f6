package console_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/tenancy"
	"steward/web/webtest"
)

// move is a project, the organization that it is to move to, and somebody of both.
type move struct {
	*webtest.Site
	t         *testing.T
	p         tenancy.Project
	admin     accounts.User
	boss      accounts.User
	from, to  int64
	path      string
	maintains int64 // the maintainer of the other organization
}

func newMove(t *testing.T, o webtest.Options) *move {
	t.Helper()
	s := webtest.Open(t, o)
	p, admin := s.Project("Mover", false)
	m := &move{Site: s, t: t, p: p, admin: admin, boss: s.User("Boss"), from: p.Organization, path: "/projects/" + num(p.ID) + "/move"}
	ofOrganization(s, p, m.boss)
	m.to, m.maintains = m.organization("Target", m.boss)
	return m
}

// organization makes one of its own maintainer, with members.
func (m *move) organization(name string, members ...accounts.User) (id, maintainer int64) {
	m.t.Helper()
	first := m.User("")
	m.Update(func(tx *db.Tx) error {
		x, err := tenancy.CreateMaintainer(tx, first.Actor(), "Maintainer of "+name)
		if err != nil {
			return err
		}
		if err := tenancy.JoinMaintainer(tx, first.Actor(), x.ID, first); err != nil {
			return err
		}
		o, err := tenancy.CreateOrganization(tx, first.Actor(), x.ID, name, first)
		if err != nil {
			return err
		}
		id, maintainer = o.ID, x.ID
		for _, u := range members {
			if err := tenancy.JoinOrganization(tx, u.Actor(), o.ID, u); err != nil {
				return err
			}
		}
		return nil
	})
	return id, maintainer
}

// where is the organization that the project is in.
func (m *move) where() (id int64) {
	m.t.Helper()
	m.View(func(tx *db.Tx) error {
		p, err := tenancy.Find(tx, m.p.ID)
		id = p.Organization
		return err
	})
	return id
}

func (m *move) typed(to int64) url.Values {
	return url.Values{"to": {num(to)}, "confirm": {m.p.Name}}
}

// moved moves the project as its boss.
func (m *move) moved(to int64) webtest.Response {
	m.t.Helper()
	return m.SignIn(m.boss).Post(m.path, m.typed(to)).Want(http.StatusSeeOther)
}

// TestMove: a project moves by the form, and back by the undo; both organizations and the
// project have it in their logs.
func TestMove(t *testing.T) {
	t.Parallel()
	m := newMove(t, webtest.Options{Idle: true})
	c, admin := m.SignIn(m.boss), m.SignIn(m.admin)
	choice := c.Get("/organizations/" + num(m.from)).Want(http.StatusOK).Page().Find(`a[href="` + m.path + `"]`)
	if choice.Length() != 1 {
		t.Error("the organization does not lead to it")
	}
	if list := c.Get(m.path).Want(http.StatusOK).Page().Find("tbody a.row-link"); list.Length() != 1 || list.AttrOr("href", "") != m.path+"?to="+num(m.to) {
		t.Errorf("the choices are %q", words(list))
	}
	if c.Get(m.path+"?q=tARG").Page().Find("tbody a.row-link").Length() != 1 || c.Get(m.path+"?q=nothing").Page().Find("tbody a.row-link").Length() != 0 {
		t.Error("the search finds something else")
	}
	action, form := c.Get(m.path + "?to=" + num(m.to)).Want(http.StatusOK).Form(m.path)
	form.Set("confirm", "Another name")
	if r := c.Post(action, form).Want(http.StatusUnprocessableEntity); !strings.Contains(r.Body, "This is not the name of the project") {
		t.Error("another name is not refused in words")
	}
	if m.where() != m.from {
		t.Fatal("it has moved all the same")
	}
	form.Set("confirm", m.p.Name)
	next := c.Post(action, form).Want(http.StatusSeeOther)
	if next.Location != "/organizations/"+num(m.to) || m.where() != m.to {
		t.Fatalf("after the move: %s, in %d", next.Location, m.where())
	}
	undo, fields := c.Get(next.Location).Want(http.StatusOK).Form(m.path)
	admin.Get("/projects/" + num(m.p.ID) + "/storage").Want(http.StatusOK) // whoever has a role keeps it
	for path, want := range map[string]string{
		"/organizations/" + num(m.from) + "/audit": "moved the project “Mover” out of the organization “Organization of Mover”, into “Target”.",
		"/organizations/" + num(m.to) + "/audit":   "moved the project “Mover” into the organization “Target”, out of “Organization of Mover”.",
	} {
		if text := strings.NewReplacer(`"`, "“").Replace(c.Get(path).Want(http.StatusOK).Page().Find("main").Text()); !strings.Contains(strings.ReplaceAll(text, "”", "“"), strings.ReplaceAll(want, "”", "“")) {
			t.Errorf("%s does not say %q: %.2000s", path, want, text)
		}
	}
	if text := admin.Get("/projects/" + num(m.p.ID) + "/settings/audit?event=project.*").Want(http.StatusOK).Page().Find("main").Text(); !strings.Contains(text, "project.removedFromOrganization") || !strings.Contains(text, "project.addedToOrganization") || !strings.Contains(text, "project.created") {
		t.Errorf("the project's log has %.2000s", text)
	}
	c.Post(undo, fields).Want(http.StatusSeeOther)
	if m.where() != m.from {
		t.Error("the undo does not move it back")
	}
}

// TestMoveTold: the people of a moved project and the members of both organizations get a mail,
// each one.
func TestMoveTold(t *testing.T) {
	t.Parallel()
	m := newMove(t, webtest.Options{Idle: true})
	left, gets, both, stranger := m.User("Left"), m.User("Gets"), m.User("Both"), m.User("Stranger")
	ofOrganization(m.Site, m.p, left, both, m.admin)
	m.Update(func(tx *db.Tx) error {
		return errors.Join(tenancy.JoinOrganization(tx, gets.Actor(), m.to, gets), tenancy.JoinOrganization(tx, both.Actor(), m.to, both), tenancy.Join(tx, m.boss.Actor(), m.p, m.boss, access.Admin))
	})
	guest := m.Member(m.p, access.Guest)
	m.moved(m.to)
	for u, want := range map[accounts.User]int64{left: 1, gets: 1, both: 1, m.admin: 1, guest: 1, m.boss: 0, stranger: 0} {
		if n := toldOf(t, m.Site, "projectMoved", u.Email); n != want {
			t.Errorf("%s got %d mails", u.Name, n)
		}
	}
}

// TestMoveFlood: a project does not go to and fro without end, as each time many are mailed.
func TestMoveFlood(t *testing.T) {
	t.Parallel()
	m := newMove(t, webtest.Options{Idle: true})
	for i := range 20 {
		m.moved([]int64{m.to, m.from}[i%2])
	}
	if r := m.SignIn(m.boss).Post(m.path, m.typed(m.to)).Want(http.StatusTooManyRequests); m.where() != m.from || r.Page().Find(".error-summary").Length() != 1 {
		t.Error("it is moved all the same, or it is not said why not")
	}
}

// TestMoveRights: who moves a project may do so where it is and where it goes, at the moment
// of the move.
func TestMoveRights(t *testing.T) {
	t.Parallel()
	m := newMove(t, webtest.Options{Idle: true})
	var owner int64
	m.View(func(tx *db.Tx) (err error) {
		owner, err = db.Value[int64](tx, "SELECT maintainer_id FROM organizations WHERE id = $1", m.from)
		return err
	})
	one, other, above, half := m.User("Of one"), m.User("Of the other"), m.User("Maintainer of both"), m.User("Maintainer of one")
	ofOrganization(m.Site, m.p, one)
	m.Update(func(tx *db.Tx) error {
		if err := tenancy.JoinOrganization(tx, other.Actor(), m.to, other); err != nil {
			return err
		}
		for u, list := range map[*accounts.User][]int64{&above: {owner, m.maintains}, &half: {owner}} {
			for _, id := range list {
				if err := tenancy.JoinMaintainer(tx, u.Actor(), id, *u); err != nil {
					return err
				}
			}
		}
		return nil
	})
	_, support, _ := ofSupport(m.Site, "Sven")
	root := m.SignIn(m.SuperAdmin("Root"))
	for _, x := range []struct {
		name   string
		c      *webtest.Client
		status int
	}{
		{"nobody", m.Anonymous(), http.StatusSeeOther}, {"outsider", m.SignIn(m.User("")), http.StatusNotFound},
		{"administrator of the project", m.SignIn(m.admin), http.StatusForbidden}, {"guest", m.SignIn(m.Member(m.p, access.Guest)), http.StatusForbidden},
		{"member of its organization alone", m.SignIn(one), http.StatusNotFound}, {"member of the other alone", m.SignIn(other), http.StatusNotFound},
		{"support", support, http.StatusForbidden}, {"maintainer of one", m.SignIn(half), http.StatusNotFound},
	} {
		if r := x.c.Post(m.path, m.typed(m.to)); r.Status != x.status || x.status == http.StatusSeeOther && !strings.HasPrefix(r.Location, "/login") {
			t.Errorf("%s: %d %s", x.name, r.Status, r.Location)
		}
		if r := x.c.Get(m.path + "?to=" + num(m.to)); r.Status != x.status {
			t.Errorf("%s sees %d", x.name, r.Status)
		}
		if m.where() != m.from {
			t.Fatalf("%s has moved it", x.name)
		}
	}
	for name, c := range map[string]*webtest.Client{"member of both": m.SignIn(m.boss), "maintainer of both": m.SignIn(above), "super admin": root} {
		if c.Get(m.path).Want(http.StatusOK).Page().Find(`a.row-link[href="`+m.path+"?to="+num(m.to)+`"]`).Length() != 1 {
			t.Errorf("%s is not offered the other organization", name)
		}
		c.Post(m.path, m.typed(m.to)).Want(http.StatusSeeOther)
		if m.where() != m.to {
			t.Errorf("%s has not moved it", name)
		}
		c.Post(m.path, m.typed(m.from)).Want(http.StatusSeeOther)
	}
	// Settings lead to it who may.
	settings := "/projects/" + num(m.p.ID) + "/settings/project"
	m.Update(func(tx *db.Tx) error { return tenancy.Join(tx, m.boss.Actor(), m.p, m.boss, access.Guest) })
	if m.SignIn(m.boss).Get(settings).Page().Find(`a[href="`+m.path+`"]`).Length() != 1 || m.SignIn(m.admin).Get(settings).Page().Find(`a[href="`+m.path+`"]`).Length() != 0 {
		t.Error("the settings do not lead to it, or lead others")
	}

	// Lost between form and click; a stale proof; what is no target.
	c := m.SignIn(m.boss)
	action, form := c.Get(m.path + "?to=" + num(m.to)).Want(http.StatusOK).Form(m.path)
	form.Set("confirm", m.p.Name)
	out := func(organization int64) {
		m.Update(func(tx *db.Tx) error {
			return tx.Must("DELETE FROM organization_members WHERE organization_id = $1 AND user_id = $2", organization, m.boss.ID)
		})
	}
	out(m.to)
	c.Post(action, form).Want(http.StatusNotFound)
	m.Update(func(tx *db.Tx) error { return tenancy.JoinOrganization(tx, m.boss.Actor(), m.to, m.boss) })
	out(m.from)
	c.Post(action, form).Want(http.StatusForbidden) // they are in the project still
	ofOrganization(m.Site, m.p, m.boss)
	for _, to := range []string{"0", "-1", "x", "999999", ""} {
		c.Post(m.path, url.Values{"to": {to}, "confirm": {m.p.Name}}).Want(http.StatusNotFound)
	}
	if r := c.Post(m.path, m.typed(m.from)).Want(http.StatusSeeOther); r.Location != "/" || !strings.Contains(c.Get("/").Body, "The project is in this organization already.") {
		t.Error("a move to where it is says nothing")
	}
	m.Clock.Forward(11 * time.Minute)
	if r := c.Post(m.path, m.typed(m.to)).Want(http.StatusSeeOther); !strings.HasPrefix(r.Location, "/account/confirm") {
		t.Errorf("with a stale proof: %s", r.Location)
	}
	if m.where() != m.from {
		t.Error("it has moved")
	}
}

// TestMoveRefused: only a project that is open moves, and only to an organization that is there.
func TestMoveRefused(t *testing.T) {
	t.Parallel()
	m := newMove(t, webtest.Options{Idle: true})
	c := m.SignIn(m.boss)
	for _, state := range []string{"disabled", "deleted", "purged"} {
		m.Update(func(tx *db.Tx) error { return tx.Must("UPDATE projects SET state = $2 WHERE id = $1", m.p.ID, state) })
		c.Get(m.path).Want(http.StatusNotFound)
		c.Post(m.path, m.typed(m.to)).Want(http.StatusNotFound)
	}
	m.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE projects SET state = 'active', expires_at = $2 WHERE id = $1", m.p.ID, tx.Now)
	})
	c.Post(m.path, m.typed(m.to)).Want(http.StatusNotFound)
	m.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE projects SET expires_at = NULL WHERE id = $1", m.p.ID)
	})
	c.Post("/organizations/"+num(m.to)+"/delete", url.Values{"confirm": {"Target"}}).Want(http.StatusSeeOther)
	c.Post(m.path, m.typed(m.to)).Want(http.StatusNotFound)
	m.SignIn(m.SuperAdmin("Root")).Post(m.path, m.typed(m.to)).Want(http.StatusNotFound)
	if m.where() != m.from {
		t.Error("it has moved")
	}
	// The organization asks for a second factor that the person does not have.
	strict, _ := m.organization("Strict", m.boss)
	m.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE organizations SET mfa_required = TRUE WHERE id = $1", strict)
	})
	if r := c.Post(m.path, m.typed(strict)); r.Status == http.StatusOK || m.where() != m.from {
		t.Errorf("without the factor: %d", r.Status)
	}
	m.TwoStep(c)
	page := c.Get(m.path + "?to=" + num(strict)).Want(http.StatusOK).Page()
	if text := page.Find("#locked").Parent().Text() + page.Find("main").Text(); !strings.Contains(text, m.admin.Email) {
		t.Errorf("who is kept out is not named: %q", text)
	}
	c.Post(m.path, m.typed(strict)).Want(http.StatusSeeOther)
	if r := m.SignIn(m.admin).Get("/projects/" + num(m.p.ID)); r.Status == http.StatusOK {
		t.Error("who has no second factor is still let in")
	}
}

// TestMovePlaces: who came in by a right that they do not hold in the other organization is
// out and told; the others stay, whatever became of requests and invitations.
func TestMovePlaces(t *testing.T) {
	t.Parallel()
	m := newMove(t, webtest.Options{Idle: true, Config: withMailbox})
	here, both, mina, milo := m.User("Only here"), m.User("Of both"), m.User("Mina"), m.User("Milo")
	sven, support, _ := ofSupport(m.Site, "Sven")
	ofOrganization(m.Site, m.p, here, both)
	m.Update(func(tx *db.Tx) error {
		owner, err := db.Value[int64](tx, "SELECT maintainer_id FROM organizations WHERE id = $1", m.from)
		if err != nil {
			return err
		}
		for _, x := range []struct {
			u  accounts.User
			id int64
		}{{mina, owner}, {milo, owner}, {milo, m.maintains}} {
			if err := tenancy.JoinMaintainer(tx, x.u.Actor(), x.id, x.u); err != nil {
				return err
			}
		}
		return tenancy.JoinOrganization(tx, both.Actor(), m.to, both)
	})
	project := "/projects/" + num(m.p.ID)
	clients := map[string]*webtest.Client{"here": m.SignIn(here), "both": m.SignIn(both), "mina": m.SignIn(mina), "milo": m.SignIn(milo), "sven": support}
	for name, c := range clients {
		f := url.Values{"reason": {"To look"}, "hours": {"8"}}
		if name == "here" || name == "both" {
			f = url.Values{"reason": {""}, "role": {"admin"}}
		}
		c.Post(project+"/join", f).Want(http.StatusSeeOther)
	}
	invite := func(by *webtest.Client, email, role string) {
		by.Post(project+"/settings/users", url.Values{"emails": {email}, "role": {role}, "reason": {""}, "until": {""}, "days": {"7"}}).Want(http.StatusOK)
	}
	lost, kept, high := m.User("Invited by who loses"), m.User("Invited by who stays"), m.User("Invited as Share")
	invite(clients["here"], lost.Email, "guest")
	invite(m.SignIn(m.admin), kept.Email, "guest")
	ofOrganization(m.Site, m.p, m.admin)
	invite(m.SignIn(m.admin), high.Email, "share")
	boss := m.SignIn(m.boss)
	page := boss.Get(m.path + "?to=" + num(m.to)).Want(http.StatusOK).Page()
	out := page.Find("main").Text()
	for email, named := range map[string]bool{here.Email: true, mina.Email: true, both.Email: false, milo.Email: false, sven.Email: false} {
		if strings.Contains(out, email) != named {
			t.Errorf("%s is named as one who loses their place: %t", email, !named)
		}
	}
	if !strings.Contains(out, "2 people") || !strings.Contains(out, "2 of 3 invitations that wait will end") || !strings.Contains(out, "They came in by a right that they do not hold in Target") {
		t.Errorf("the page says %q", out)
	}
	m.moved(m.to)
	for name, status := range map[string]int{"here": http.StatusNotFound, "mina": http.StatusNotFound, "both": http.StatusOK, "milo": http.StatusOK, "sven": http.StatusOK} {
		if r := clients[name].Get(project); r.Status != status {
			t.Errorf("%s gets %d, want %d", name, r.Status, status)
		}
	}
	for u, n := range map[*accounts.User]int64{&here: 1, &mina: 1, &both: 0, &milo: 0, &sven: 0, &m.admin: 0} {
		if got := toldOf(t, m.Site, "memberRemoved", u.Email); got != n {
			t.Errorf("%s was mailed %d times", u.Name, got)
		}
	}
	for u, waits := range map[*accounts.User]bool{&lost: false, &kept: true, &high: false} {
		if got := asked(m.SignIn(*u)) != ""; got != waits {
			t.Errorf("the invitation of %s waits: %t", u.Name, got)
		}
	}
	c := m.SignIn(kept)
	c.Post(asked(c), nil).Want(http.StatusSeeOther)
	c.Get(project).Want(http.StatusOK)

	// Back where nobody lets themselves in: visitors are out, and who asked has to ask again.
	lets(m.Site, m.p, false)
	other, wish := m.User("Asker"), url.Values{"reason": {"To look"}, "hours": {"8"}}
	m.Update(func(tx *db.Tx) error {
		if err := tenancy.JoinMaintainer(tx, other.Actor(), m.maintains, other); err != nil {
			return err
		}
		return tx.Must("UPDATE organizations SET allow_auto_join = FALSE WHERE id = $1", m.to)
	})
	m.SignIn(other).Post(project+"/request", wish).Want(http.StatusSeeOther)
	m.moved(m.from)
	for name, status := range map[string]int{"both": http.StatusOK, "milo": http.StatusForbidden, "sven": http.StatusForbidden} {
		if r := clients[name].Get(project); r.Status != status {
			t.Errorf("back again, %s gets %d, want %d", name, r.Status, status)
		}
	}
	m.View(func(tx *db.Tx) error {
		n, err := db.Value[int64](tx, "SELECT count(*) FROM join_requests WHERE project_id = $1 AND state = 'pending'", m.p.ID)
		if n != 0 {
			t.Error("a request waits still")
		}
		return err
	})
}

// TestMoveSeesNoPeople: whoever may move a project but not come in by themselves learns how
// many people lose their place, and not who.
func TestMoveSeesNoPeople(t *testing.T) {
	t.Parallel()
	m := newMove(t, webtest.Options{Idle: true})
	here := m.User("Only here")
	ofOrganization(m.Site, m.p, here)
	m.SignIn(here).Post("/projects/"+num(m.p.ID)+"/join", url.Values{"reason": {""}, "role": {"guest"}}).Want(http.StatusSeeOther)
	lets(m.Site, m.p, false)
	m.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE organizations SET allow_auto_join = FALSE WHERE id = $1", m.to)
	})
	text := m.SignIn(m.SuperAdmin("Root")).Get(m.path + "?to=" + num(m.to)).Want(http.StatusOK).Page().Find("main").Text()
	if strings.Contains(text, here.Email) || !strings.Contains(text, "1 person") {
		t.Errorf("they read %q", text)
	}
}

// TestMoveOpensNoDoor: where an organization lets nobody of its maintainer in, they do not move
// its projects, wherever to: there they, or somebody for them, could open it afterwards.
func TestMoveOpensNoDoor(t *testing.T) {
	t.Parallel()
	m := newMove(t, webtest.Options{Idle: true})
	mina := m.User("Mina")
	m.Update(func(tx *db.Tx) error {
		owner, err := db.Value[int64](tx, "SELECT maintainer_id FROM organizations WHERE id = $1", m.from)
		if err != nil {
			return err
		}
		if err := tenancy.JoinMaintainer(tx, mina.Actor(), owner, mina); err != nil {
			return err
		}
		return tenancy.JoinMaintainer(tx, mina.Actor(), m.maintains, mina)
	})
	c := m.SignIn(mina)
	own, _ := m.organization("Mina's own", mina)
	lets := func(organization int64, in bool) {
		m.Update(func(tx *db.Tx) error {
			return tx.Must("UPDATE organizations SET allow_auto_join = $2 WHERE id = $1", organization, in)
		})
	}
	lets(m.from, false)
	if r := c.Get(m.path).Want(http.StatusForbidden); !strings.Contains(r.Body, "Ask one of its members to move it") { // not after they have chosen
		t.Errorf("the first page does not say why: %s", words(r.Page().Find("main")))
	}
	m.SignIn(m.SuperAdmin("Root")).Get(m.path).Want(http.StatusOK)
	m.SignIn(m.boss).Get(m.path).Want(http.StatusOK)
	for _, to := range []int64{m.to, own, m.to} { // and again, as it lets them in as little
		c.Get(m.path + "?to=" + num(to)).Want(http.StatusForbidden)
		if r := c.Post(m.path, m.typed(to)).Want(http.StatusForbidden); !strings.Contains(r.Body, "Ask one of its members to move it") {
			t.Errorf("it is not said why: %s", words(r.Page().Find("main")))
		}
		lets(m.to, to == m.to)
	}
	if m.where() != m.from {
		t.Fatal("it has moved")
	}
	lets(m.from, true)
	c.Post(m.path, m.typed(m.to)).Want(http.StatusSeeOther)
	if m.where() != m.to {
		t.Error("it has not moved")
	}
}

// TestMoveJobs: what waits in a project when it moves goes on if who started it is still in
// it, and is recorded where the project is then.
func TestMoveJobs(t *testing.T) {
	t.Parallel()
	m := newMove(t, webtest.Options{Idle: true})
	here := m.User("Only here")
	ofOrganization(m.Site, m.p, here)
	m.SignIn(here).Post("/projects/"+num(m.p.ID)+"/join", url.Values{"reason": {""}, "role": {"admin"}}).Want(http.StatusSeeOther)
	ask := func(u accounts.User, name string) (j jobs.Job) {
		m.Update(func(tx *db.Tx) (err error) {
			j, err = m.App.Storage.CreateTable(tx, m.Scope(u, m.p), storage.Definition{Bucket: "in.c-desk", Name: name, Columns: []string{"a"}})
			return err
		})
		return j
	}
	m.Update(func(tx *db.Tx) error {
		_, err := m.App.Storage.CreateBucket(tx, m.Scope(m.admin, m.p), storage.NewBucket{Stage: storage.In, Name: "desk"})
		return err
	})
	stays, goes := ask(m.admin, "stays"), ask(here, "goes")
	m.moved(m.to)
	if err := m.App.Jobs.Drain(t.Context(), jobs.Storage); err != nil {
		t.Fatal(err)
	}
	m.View(func(tx *db.Tx) error {
		for j, want := range map[int64]jobs.State{stays.ID: jobs.Success, goes.ID: jobs.Failed} {
			x, err := m.App.Jobs.Get(tx, m.Scope(m.admin, m.p), j)
			if err != nil {
				return err
			}
			if x.State != want {
				t.Errorf("job %d is %s: %s", j, x.State, x.ErrorMessage)
			}
		}
		n, err := db.Value[int64](tx, "SELECT count(*) FROM events WHERE job_id = $1 AND organization_id = $2", stays.ID, m.to)
		if n == 0 {
			t.Error("nothing of the job is recorded in the organization that the project is in")
		}
		return err
	})
}

// TestMoveRaces: of two moves at once one is done, and the other told so; a project ends in no
// organization that is deleted; and nobody stays in it by a right that they have lost.
func TestMoveRaces(t *testing.T) {
	t.Parallel()
	m := newMove(t, webtest.Options{Idle: true})
	mina, root := m.User("Mina"), m.SuperAdmin("Root")
	enter := func(tx *db.Tx, organization int64, p access.Permission) (access.Organization, error) {
		return tenancy.EnterOrganization(tx, m.boss.Actor(), organization, p)
	}
	scope := func(organization int64, p access.Permission) (s access.Organization) {
		m.View(func(tx *db.Tx) (err error) { s, err = enter(tx, organization, p); return err })
		return s
	}
	together := func(deeds ...func(tx *db.Tx) error) []error {
		errs := make([]error, len(deeds))
		var all sync.WaitGroup
		for i, do := range deeds {
			all.Add(1)
			go func() { defer all.Done(); errs[i] = m.App.DB.Update(t.Context(), do) }()
		}
		all.Wait()
		return errs
	}
	for range 15 {
		m.Update(func(tx *db.Tx) error { // more moves of one project than a day has
			_, err := tx.Exec("DELETE FROM throttles WHERE window_end > 0")
			return err
		})
		other, maintainer := m.organization("Other", m.boss)
		third, _ := m.organization("Third", m.boss)
		now := m.where()
		s, moved := scope(now, access.ProjectsMove), 0
		move := func(to int64) func(*db.Tx) error {
			return func(tx *db.Tx) error { _, err := m.App.Tenancy.Move(tx, s, m.p.ID, to, m.p.Name); return err }
		}
		for _, err := range together(move(other), move(third)) {
			if err == nil {
				moved++
			} else if !fault.HasCode(err, "tenancy.moved") {
				t.Errorf("a move that came second: %v", err)
			}
		}
		if at := m.where(); moved != 1 || at != other && at != third {
			t.Fatalf("%d moves were done, it is in %d", moved, at)
		}

		// The target is deleted meanwhile, or holds the project then.
		fourth, _ := m.organization("Fourth", m.boss)
		gone := scope(fourth, access.OrganizationDelete)
		s = scope(m.where(), access.ProjectsMove)
		errs := together(move(fourth), func(tx *db.Tx) error { return m.App.Tenancy.DeleteOrganization(tx, gone) })
		if (errs[0] == nil) == (errs[1] == nil) || (m.where() == fourth) != (errs[0] == nil) {
			t.Fatalf("a move to an organization that is deleted: %v; %v; it is in %d", errs[0], errs[1], m.where())
		}

		// Somebody of the other organization's maintainer is in it, and removed from that.
		if m.where() != other {
			s = scope(m.where(), access.ProjectsMove)
			m.Update(move(other))
		}
		m.Update(func(tx *db.Tx) error { return tenancy.JoinMaintainer(tx, mina.Actor(), maintainer, mina) })
		var entrance access.Organization
		var team tenancy.Team
		m.Update(func(tx *db.Tx) (err error) {
			if entrance, err = tenancy.Approach(tx, mina.Actor(), m.p.ID, access.ProjectsJoin); err != nil {
				return err
			}
			above, err := tenancy.EnterMaintainer(tx, root.Actor(), maintainer, access.MaintainerManage)
			if err != nil {
				return err
			}
			team, err = tenancy.MaintainerTeam(tx, above)
			return err
		})
		join := func(tx *db.Tx) error {
			_, err := m.App.Tenancy.JoinProject(tx, entrance, m.p.ID, tenancy.Joining{Reason: "To look", Hours: 8})
			return err
		}
		s = scope(other, access.ProjectsMove)
		away := func(tx *db.Tx) error { return move(third)(tx) }
		together(join, away)
		m.View(func(tx *db.Tx) error {
			if _, err := tenancy.Enter(tx, mina.Actor(), m.p.ID, access.ProjectRead); err == nil {
				t.Error("who joined by the organization that it was in is in it still")
			}
			return nil
		})
		s = scope(third, access.ProjectsMove)
		remove := func(tx *db.Tx) error { _, err := m.App.Tenancy.RemoveFromTeam(tx, team, mina.ID); return err }
		m.Update(func(tx *db.Tx) error { // a place that counts where it goes, but not where it is
			_, err := tx.Exec("INSERT INTO memberships (id, project_id, user_id, email, role, joined_at, expires_at, reason, through) VALUES ($1, $2, $3, $4, 'admin', $5, $6, '', 'maintainer')", 900_000, m.p.ID, mina.ID, mina.Email, tx.Now, tx.Now.Add(time.Hour))
			return err
		})
		if errs := together(move(other), remove); errs[0] != nil || errs[1] != nil {
			t.Fatalf("%v; %v", errs[0], errs[1])
		}
		m.View(func(tx *db.Tx) error {
			if _, err := tenancy.Enter(tx, mina.Actor(), m.p.ID, access.ProjectRead); err == nil {
				t.Error("who was removed from the maintainer is in a project that moved to it meanwhile")
			}
			return nil
		})
	}
}
