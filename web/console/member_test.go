package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/tenancy"
	"steward/web/webtest"
)

// users is the address of the list of a project's people.
func users(p tenancy.Project) string { return "/projects/" + num(p.ID) + "/settings/users" }

// listed is what the list of people says to programs: address and role, in brackets for who
// is invited.
func listed(c *webtest.Client, p tenancy.Project, query string) (out []string) {
	var list []struct {
		Email, Role string
		Invited     bool
	}
	c.Get(users(p) + "?format=json" + query).Want(http.StatusOK).JSON(&list)
	for _, m := range list {
		text := m.Email + " " + m.Role
		if m.Invited {
			text = "(" + text + ")"
		}
		out = append(out, text)
	}
	return out
}

// rowOf is the address of somebody's page in a project.
func rowOf(c *webtest.Client, p tenancy.Project, email string) string {
	return c.Get(users(p)+"?q="+url.QueryEscape(email)).Want(http.StatusOK).Page().Find("tbody a.row-link").AttrOr("href", "")
}

// TestRoles: case 23, who may give which role, in both kinds of project; each change works
// from the next request on, and its undo takes it back.
func TestRoles(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	for _, governed := range []bool{false, true} {
		p, admin := s.Project("Roles", governed)
		lowest := access.ReadOnly
		insider := s.Member(p, access.Roles(governed)[3]) // the highest of a governed project
		if !governed {
			insider = s.Member(p, access.Admin)
		}
		orgOnly := s.User("")
		s.Update(func(tx *db.Tx) error {
			for _, u := range []accounts.User{insider, orgOnly} {
				if err := tenancy.JoinOrganization(tx, admin.Actor(), p.Organization, u); err != nil {
					return err
				}
			}
			return nil
		})
		highest := map[bool]access.Role{false: access.Share, true: access.ProductionManager}[governed]
		actors := map[string]*webtest.Client{"manager": s.SignIn(admin), "manager of the organization": s.SignIn(insider), "organization only": s.SignIn(orgOnly)}
		shown := rowOf(actors["manager"], p, s.Member(p, access.ReadOnly).Email)
		for name, off := range map[string]int{"manager": 1, "manager of the organization": 0} { // the highest is shown to all, and says who gives it
			choices := actors[name].Get(shown).Want(http.StatusOK).Page().Find(`input[name="role"]`)
			closed := choices.Filter("[disabled]")
			if choices.Length() != len(access.Roles(governed)) || closed.Length() != off || off == 1 && (closed.AttrOr("value", "") != string(highest) || !strings.Contains(closed.Parent().Text(), "Only members of the organization give this role.")) {
				t.Errorf("%s may choose of %d roles all but %d", name, choices.Length(), closed.Length())
			}
		}
		for _, r := range access.Roles(governed) {
			if r != highest && r != access.Admin {
				actors[string(r)] = s.SignIn(s.Member(p, r))
			}
		}
		for name, c := range actors {
			manages := name == "manager" || name == "manager of the organization" || name == "organization only"
			for _, r := range access.Roles(governed) {
				target := s.Member(p, lowest)
				at := rowOf(actors["manager"], p, target.Email)
				want := http.StatusForbidden
				if manages && (r != highest || name != "manager") {
					want = http.StatusSeeOther
				}
				if got := c.Post(at+"/role", url.Values{"role": {string(r)}}); got.Status != want {
					t.Errorf("governed %t: %s makes somebody %s: %d, want %d", governed, name, r, got.Status, want)
				}
				// Inviting obeys the same, but that in a governed project only who is of the organization invites.
				want = http.StatusForbidden
				if manages && (r != highest || name != "manager") && (!governed || name != "manager") {
					want = http.StatusOK
				}
				if got := c.Post(users(p), inviting(r, s.User("").Email)); got.Status != want {
					t.Errorf("governed %t: %s invites somebody as %s: %d, want %d", governed, name, r, got.Status, want)
				}
			}
			for _, r := range []string{"owner", "", string(map[bool]access.Role{true: access.Guest, false: access.Developer}[governed])} {
				if got := c.Post(rowOf(actors["manager"], p, insider.Email)+"/role", url.Values{"role": {r}}); got.Status != http.StatusUnprocessableEntity && got.Status != http.StatusForbidden {
					t.Errorf("governed %t: %s makes somebody %q: %d", governed, name, r, got.Status)
				}
			}
		}
	}
}

// TestRoleChanges: a role counts from the next request on, its undo takes it back, and the
// person is told.
func TestRoleChanges(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Config: withMailbox})
	p, admin := s.Project("Changes", false)
	guest := s.Member(p, access.Guest)
	c, theirs := s.SignIn(admin), s.SignIn(guest)
	bucket := url.Values{"stage": {"in"}, "name": {"made"}, "displayName": {""}, "description": {""}}
	theirs.Get("/projects/" + num(p.ID) + "/storage/buckets/new").Want(http.StatusOK) // the form is open
	at := rowOf(c, p, guest.Email)
	next := c.Post(at+"/role", url.Values{"role": {"readOnly"}}).Want(http.StatusSeeOther)
	theirs.Post("/projects/"+num(p.ID)+"/storage/buckets", bucket).Want(http.StatusForbidden)
	undo, fields := c.Get(next.Location).Form(at + "/role")
	if undo == "" || fields.Get("role") != "guest" {
		t.Fatalf("the undo is %s %v", undo, fields)
	}
	c.Post(undo, fields).Want(http.StatusSeeOther)
	theirs.Post("/projects/"+num(p.ID)+"/storage/buckets", bucket).Want(http.StatusSeeOther)
	if err := s.App.Jobs.Drain(t.Context(), jobs.System); err != nil {
		t.Fatal(err)
	}
	told := 0
	s.View(func(tx *db.Tx) (err error) {
		told, err = db.Value[int](tx, "SELECT count(*) FROM mails WHERE kind = 'roleChanged' AND recipient = $1", guest.Email)
		return err
	})
	if told != 2 {
		t.Errorf("they were told %d times", told)
	}
}

// TestPeopleFromOutside: a member of the organization manages the people of a project without
// being in it, by the list that its people see, and gets into nothing else of it.
func TestPeopleFromOutside(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, _ := s.Project("Managed", false)
	boss, keeper, guest := s.User("Boss"), s.User("Keeper"), s.Member(p, access.Guest)
	organization, list := ofOrganization(s, p, boss), users(p)
	s.Update(func(tx *db.Tx) error {
		owner, err := db.Value[int64](tx, "SELECT maintainer_id FROM organizations WHERE id = $1", p.Organization)
		if err != nil {
			return err
		}
		return tenancy.JoinMaintainer(tx, keeper.Actor(), owner, keeper)
	})
	c := s.SignIn(boss)
	if link := c.Get(organization).Want(http.StatusOK).Page().Find(`a[href="` + list + `"]`); link.Length() != 1 {
		t.Error("the organization does not lead to the people of its project")
	}
	page := c.Get(list).Want(http.StatusOK).Page()
	if !strings.Contains(page.Find("main").Text(), "You are not in this project") || words(page.Find("nav.tabs a")) != "Users Who can get in" || page.Find(`nav a[href$="/storage"]`).Length() != 0 {
		t.Errorf("it leads where they may not go: %s", words(page.Find("nav")))
	}
	c.Get(list + "?format=csv").Want(http.StatusOK)
	at := rowOf(c, p, guest.Email)
	action, form := c.Get(at + "/role?role=readOnly").Want(http.StatusOK).Form(at + "/role")
	if next := c.Post(action, form).Want(http.StatusSeeOther); next.Location != list || !strings.Contains(c.Get(list).Body, "is Read only now") {
		t.Errorf("they are led to %s", next.Location)
	}
	c.Post(list, url.Values{"emails": {"new@example.com"}, "role": {"guest"}, "days": {"7"}}).Want(http.StatusOK)
	c.Get(c.Get(list+"?status=invited").Page().Find("tbody a").AttrOr("href", "")).Want(http.StatusOK)
	c.Post(at+"/remove", nil).Want(http.StatusSeeOther)
	for _, path := range []string{"", "/storage", "/settings/project", "/settings/limits", "/trash"} {
		c.Get("/projects/" + num(p.ID) + path).Want(http.StatusForbidden)
	}
	s.SignIn(keeper).Get(list).Want(http.StatusForbidden)
	s.SignIn(s.User("")).Get(list).Want(http.StatusNotFound)
}

// TestShareIsTaken: who may not give a role is not offered to give it back; nothing is asked
// of a form that changes nothing.
func TestShareIsTaken(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Taken", false)
	c, sharer := s.SignIn(admin), s.Member(p, access.Share)
	at := rowOf(c, p, sharer.Email)
	c.Post(at+"/role", url.Values{"role": {"share"}}).Want(http.StatusSeeOther)
	next := c.Post(at+"/role", url.Values{"role": {"guest"}}).Want(http.StatusSeeOther)
	if c.Get(next.Location).Want(http.StatusOK).Page().Find(`form[action="`+at+`/role"]`).Length() > 0 {
		t.Error("an undo is offered that is refused")
	}
	for i := range 20 {
		want := http.StatusSeeOther
		if i == 19 { // the twenty-first change within an hour
			want = http.StatusTooManyRequests
		}
		c.Post(at+"/role", url.Values{"role": {[]string{"readOnly", "guest"}[i%2]}}).Want(want)
	}
}

// TestKeepers: who stays for a limited time does not stand in for who stays for good, and
// whoever has been disabled or signed out while the request waited does nothing.
func TestKeepers(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Keepers", false)
	brief := s.Member(p, access.Admin)
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE memberships SET expires_at = $2 WHERE user_id = $1", brief.ID, tx.Now.Add(48*time.Hour))
	})
	c, theirs := s.SignIn(admin), s.SignIn(brief)
	c.Post(users(p)+"/leave", nil).Want(http.StatusSeeOther)
	c.Get("/projects/" + num(p.ID)).Want(http.StatusOK)
	theirs.Post(users(p)+"/leave", nil).Want(http.StatusSeeOther)
	theirs.Get("/projects/" + num(p.ID)).Want(http.StatusNotFound)

	scope, guest := s.Scope(admin, p), s.Member(p, access.Guest)
	var actor access.Project // as of a request that began before the session ended
	s.View(func(tx *db.Tx) (err error) {
		id, err := db.Value[int64](tx, "SELECT max(id) FROM sessions WHERE user_id = $1", admin.ID)
		if err != nil {
			return err
		}
		a := scope.Actor()
		a.SessionID = id
		actor, err = tenancy.Enter(tx, a, p.ID, access.ProjectRead)
		return err
	})
	c.Post("/logout", nil).Want(http.StatusSeeOther)
	err := s.App.DB.Update(t.Context(), func(tx *db.Tx) error {
		_, err := s.App.Tenancy.Invite(tx, actor, tenancy.NewInvitation{Emails: []string{guest.Email}, Role: access.Guest, Days: 7})
		return err
	})
	if !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("somebody who signed out invites: %v", err)
	}
}

// TestLeavingLast: the last one who manages the people leaves only as a lasting member of the
// organization, and after the page has told them; then they come back by themselves.
func TestLeavingLast(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Alone", false)
	s.Member(p, access.Guest)
	c := s.SignIn(admin)
	own, leave := rowOf(c, p, admin.Email), users(p)+"/leave"
	stays := func(form url.Values, what string) {
		t.Helper()
		if r := c.Post(leave, form).Want(http.StatusSeeOther); r.Location != own+"#end" {
			t.Errorf("%s is led to %s", what, r.Location)
		}
		if text := words(c.Get(own).Want(http.StatusOK).Page().Find("main")); !strings.Contains(text, "is the last one who manages the people of this project.") {
			t.Errorf("%s does not read why: %s", what, text)
		}
	}
	offers := func() (url.Values, string) {
		t.Helper()
		r := c.Get(own).Want(http.StatusOK)
		if r.Page().Find(`form[action="`+leave+`"]`).Length() == 0 {
			return nil, text(r, "main")
		}
		_, form := r.Form(leave)
		return form, text(r, "#leave")
	}
	if form, says := offers(); form != nil || !strings.Contains(says, "Give somebody else such a role first.") {
		t.Errorf("who is not of the organization is offered %v: %s", form, says)
	}
	stays(url.Values{"last": {"1"}}, "who is not of the organization")

	ofOrganization(s, p, admin, s.User("Colleague"))
	set := func(through string, until time.Time) {
		s.Update(func(tx *db.Tx) error {
			return tx.Must("UPDATE organization_members SET through = $2, expires_at = $3 WHERE user_id = $1", admin.ID, through, until)
		})
	}
	set("maintainer", s.App.DB.Now().AddDate(0, 0, 7))
	if form, _ := offers(); form != nil {
		t.Error("who is of the organization for a time is offered to leave")
	}
	stays(url.Values{"last": {"1"}}, "who is of the organization for a time")
	set("", time.Time{})
	stays(nil, "who was not told")
	form, says := offers()
	if form.Get("last") != "1" || !strings.Contains(says, "You are the last one in it who does.") {
		t.Fatalf("%v, %s", form, says)
	}
	c.Post(leave, form).Want(http.StatusSeeOther)
	c.Get("/projects/" + num(p.ID)).Want(http.StatusForbidden)
	s.View(func(tx *db.Tx) error {
		told, err := db.Value[string](tx, "SELECT message FROM events WHERE name = 'project.memberLeft'")
		if !strings.HasSuffix(told, "Nobody in it manages its people any more: the members of its organization do.") {
			t.Errorf("the event says %q", told)
		}
		return err
	})
	c.Post("/projects/"+num(p.ID)+"/join", url.Values{"role": {"admin"}, "reason": {""}}).Want(http.StatusSeeOther)
	c.Get("/projects/" + num(p.ID)).Want(http.StatusOK)

	// With another one there, leaving is as plain as ever.
	s.Member(p, access.Admin)
	own = rowOf(c, p, admin.Email)
	if form, says := offers(); form == nil || form.Has("last") || strings.Contains(says, "last one") {
		t.Errorf("%v, %s", form, says)
	}
}

// TestRowDeeds: the menu of each row of the users leads to what the reader may do to that
// person, and to nothing else; an end that is near is marked.
func TestRowDeeds(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Rows", false)
	guest, brief, long := s.Member(p, access.Guest), s.Member(p, access.ReadOnly), s.Member(p, access.ReadOnly)
	s.Update(func(tx *db.Tx) error {
		for u, days := range map[int64]int{brief.ID: 6, long.ID: 8} {
			if err := tx.Must("UPDATE memberships SET expires_at = $2 WHERE user_id = $1", u, tx.Now.AddDate(0, 0, days)); err != nil {
				return err
			}
		}
		return nil
	})
	known := s.User("")
	c, theirs := s.SignIn(admin), s.SignIn(guest)
	c.Post(users(p), inviting(access.Guest, known.Email, "new@example.com")).Want(http.StatusOK)
	menu := func(c *webtest.Client, email string) (out string) {
		row := c.Get(users(p) + "?q=" + url.QueryEscape(email)).Want(http.StatusOK).Page().Find("tbody tr")
		row.Find(".menu a").Each(func(_ int, a *gq) { out += words(a) + "; " })
		if mark := strings.Contains(row.Text(), "Soon"); mark != (email == brief.Email) {
			t.Errorf("%s is marked: %v", email, mark)
		}
		return out
	}
	for email, want := range map[string][2]string{
		admin.Email:       {"Change role; Leave project; ", ""},
		guest.Email:       {"Change role; Change last day; Remove from project; ", "Leave project; "},
		brief.Email:       {"Change role; Change last day; Remove from project; ", ""},
		long.Email:        {"Change role; Change last day; Remove from project; ", ""},
		known.Email:       {"Send again; Copy link; Cancel invitation; ", ""},
		"new@example.com": {"Send again; Cancel invitation; ", ""},
	} {
		if got := menu(c, email); got != want[0] {
			t.Errorf("an administrator may do to %s: %q", email, got)
		}
		if got := menu(theirs, email); got != want[1] {
			t.Errorf("a guest may do to %s: %q", email, got)
		}
	}
	c.Get(users(p)).Page().Find("tbody .menu a").Each(func(_ int, a *gq) {
		at, section, _ := strings.Cut(a.AttrOr("href", ""), "#")
		if page := c.Get(at).Want(http.StatusOK).Page(); section != "" && page.Find("#"+section).Length() == 0 {
			t.Errorf("%s leads to a section that is not there: #%s", words(a), section)
		}
	})
	c.Post("/projects/"+num(p.ID)+"/settings/project", url.Values{"name": {"Rows"}, "description": {""}, "retention": {"30"}, "externalRoles": {"1"}}).Want(http.StatusSeeOther)
	if got := menu(c, guest.Email); got != "Change last day; Remove from project; " {
		t.Errorf("where roles are fixed: %q", got)
	}
}

// TestRemove: who is removed, and who leaves, is out with the next request, and so are their
// sessions' pages, running exports and master token; they are told, and may be invited again.
func TestRemove(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Out", false)
	guest, leaver := s.Member(p, access.Guest), s.Member(p, access.ReadOnly)
	c, theirs, other := s.SignIn(admin), s.SignIn(guest), s.SignIn(leaver)
	at := rowOf(c, p, guest.Email)
	theirs.Get("/projects/" + num(p.ID)).Want(http.StatusOK)
	c.Post(at+"/remove", nil).Want(http.StatusSeeOther)
	theirs.Get("/projects/" + num(p.ID)).Want(http.StatusNotFound)
	c.Post(at+"/remove", nil).Want(http.StatusNotFound)
	other.Post(users(p)+"/leave", nil).Want(http.StatusSeeOther)
	other.Get("/projects/" + num(p.ID)).Want(http.StatusNotFound)
	s.View(func(tx *db.Tx) error {
		tokens, err := db.Value[int64](tx, "SELECT count(*) FROM tokens WHERE project_id = $1 AND is_master AND deleted_at IS NULL", p.ID)
		if tokens != 1 {
			t.Errorf("%d master tokens are left", tokens)
		}
		if err != nil {
			return err
		}
		mails, err := db.Value[int64](tx, "SELECT count(*) FROM mails WHERE kind = 'memberRemoved' AND recipient = $1", guest.Email)
		if mails != 1 {
			t.Errorf("%d mails tell of it", mails)
		}
		return err
	})
	c.Post(users(p), inviting(access.ReadOnly, guest.Email)).Want(http.StatusOK)
	theirs.Post(asked(theirs), nil).Want(http.StatusSeeOther)
	theirs.Get("/projects/" + num(p.ID)).Want(http.StatusOK)
	if own := rowOf(c, p, admin.Email); c.Post(own+"/remove", nil).Want(http.StatusSeeOther).Location != own {
		t.Error("one removes oneself")
	}
}

// TestLastAdministrator: case 27, two who manage a project and remove, demote and leave at
// the same moment, a thousand times: one of them stays, with the role.
func TestLastAdministrator(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Damaged: true}) // verifying that many events is not the point
	p, first := s.Project("Two", false)
	second := s.Member(p, access.Admin)
	s.Member(p, access.Guest)
	people := [2]accounts.User{first, second}
	scope := func(i int) access.Project { return s.Scope(people[i], p) }
	memberships := func() (ids [2]int64) {
		s.View(func(tx *db.Tx) error {
			list, err := tenancy.Members(tx, scope(0), tenancy.MemberFilter{Role: access.Admin, Limit: 10})
			for _, m := range list {
				for i, u := range people {
					if m.Who.ID == u.ID {
						ids[i] = m.ID
					}
				}
			}
			return err
		})
		return ids
	}
	for round := range 1000 {
		ids, scopes := memberships(), [2]access.Project{scope(0), scope(1)}
		deeds := []func(tx *db.Tx, i int) error{
			func(tx *db.Tx, i int) error { _, err := s.App.Tenancy.Remove(tx, scopes[i], ids[1-i]); return err },
			func(tx *db.Tx, i int) error { _, err := s.App.Tenancy.Leave(tx, scopes[i], false); return err },
			func(tx *db.Tx, i int) error {
				_, err := s.App.Tenancy.SetRole(tx, scopes[i], ids[1-i], access.Guest)
				return err
			},
			func(tx *db.Tx, i int) error {
				_, err := s.App.Tenancy.SetRole(tx, scopes[i], ids[i], access.ReadOnly)
				return err
			},
		}
		var all sync.WaitGroup
		var errs [2]error
		for i := range people {
			all.Go(func() {
				errs[i] = s.App.DB.Update(t.Context(), func(tx *db.Tx) error { return deeds[(round+i*(round/4))%4](tx, i) })
			})
		}
		all.Wait()
		if errs[0] != nil && errs[1] != nil {
			t.Fatalf("round %d: neither came first: %v", round, errs)
		}
		for i, err := range errs {
			if err != nil && !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.Forbidden) && !fault.Is(err, fault.NotFound) {
				t.Fatalf("round %d, person %d: %v", round, i, err)
			}
		}
		s.Update(func(tx *db.Tx) error {
			n, err := db.Value[int64](tx, "SELECT count(*) FROM memberships WHERE project_id = $1 AND role = 'admin'", p.ID)
			if n != 1 {
				t.Fatalf("round %d: %d manage the project", round, n)
			}
			if err != nil {
				return err
			}
			for _, u := range people {
				if _, err := tx.Exec("DELETE FROM memberships WHERE project_id = $1 AND user_id = $2 AND role <> 'admin'", p.ID, u.ID); err != nil {
					return err
				}
				n, err := db.Value[int64](tx, "SELECT count(*) FROM memberships WHERE project_id = $1 AND user_id = $2", p.ID, u.ID)
				if err != nil {
					return err
				}
				if n == 0 {
					if err := tenancy.Join(tx, first.Actor(), p, u, access.Admin); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
}

// TestMembershipEnds: a membership with an end ends by itself, before anything comes by to
// take it away; then it is taken away once, with a mail and an event.
func TestMembershipEnds(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("While", false)
	u := s.User("")
	last := s.App.DB.Now().AddDate(0, 0, 2).UTC().Format(time.DateOnly)
	form := inviting(access.Guest, u.Email)
	form.Set("until", last)
	form.Set("reason", "Two days of help")
	c := s.SignIn(admin)
	c.Post(users(p), form).Want(http.StatusOK)
	if page := c.Get(users(p)).Want(http.StatusOK).Page(); page.Find(`td time[datetime^="`+last+`"]`).Length() != 1 {
		t.Errorf("the list does not have the day that was typed, %s", last)
	}
	mine := s.SignIn(u)
	mine.Post(asked(mine), nil).Want(http.StatusSeeOther)
	s.Clock.Forward(24 * time.Hour)
	mine = s.SignIn(u)
	mine.Get("/projects/" + num(p.ID)).Want(http.StatusOK)
	s.Clock.Forward(48 * time.Hour)
	mine, c = s.SignIn(u), s.SignIn(admin)
	mine.Get("/projects/" + num(p.ID)).Want(http.StatusNotFound)
	if got := listed(c, p, ""); len(got) != 1 {
		t.Errorf("the list has %q", got)
	}
	c.Post(users(p), inviting(access.Guest, u.Email)).Want(http.StatusOK) // while the row is still there
	for range 2 {
		if err := s.App.Tenancy.EndMemberships(t.Context(), s.App.DB); err != nil {
			t.Fatal(err)
		}
	}
	s.View(func(tx *db.Tx) error {
		for what, query := range map[string]string{
			"events": "SELECT count(*) FROM events WHERE name = 'project.memberEnded'", "mails": "SELECT count(*) FROM mails WHERE kind = 'membershipEnded'",
		} {
			if n, err := db.Value[int64](tx, query); n != 1 || err != nil {
				t.Errorf("%d %s (%v)", n, what, err)
			}
		}
		left, err := db.Value[int64](tx, "SELECT count(*) FROM memberships WHERE user_id = $1", u.ID)
		if left != 0 {
			t.Error("the membership is still there")
		}
		return err
	})
	mine.Post(asked(mine), nil).Want(http.StatusSeeOther)
	mine.Get("/projects/" + num(p.ID)).Want(http.StatusOK)
}

// TestMemberList: the list is filtered, put in order and paged, each person is in it once.
func TestMemberList(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Crowd", false)
	c := s.SignIn(admin)
	lets(s, p, false)
	asking := map[string]bool{}
	for _, name := range []string{"Zoe", "Zora"} {
		u, theirs, _ := ofSupport(s, name)
		theirs.Post("/projects/"+num(p.ID)+"/request", url.Values{"reason": {"Look"}, "hours": {"8"}}).Want(http.StatusSeeOther)
		asking[u.Email+" admin"] = true
	}
	for i := range 70 {
		s.Clock.Forward(time.Second)
		if i%7 == 0 {
			c.Post(users(p), inviting(access.ReadOnly, fmt.Sprintf("asked%d@example.com", i))).Want(http.StatusOK)
		} else {
			s.Member(p, access.Guest)
		}
	}
	s.Update(func(tx *db.Tx) error { // some end, some at the same moment
		if _, err := tx.Exec("UPDATE memberships SET role = 'share' WHERE project_id = $1 AND id % 5 = 0 AND role <> 'admin'", p.ID); err != nil {
			return err
		}
		if _, err := tx.Exec("UPDATE memberships SET expires_at = $2 WHERE project_id = $1 AND id % 3 = 0 AND role <> 'admin'", p.ID, tx.Now.AddDate(0, 0, 30)); err != nil {
			return err
		}
		_, err := tx.Exec("UPDATE invitations SET member_until = $2 WHERE project_id = $1 AND id % 2 = 0", p.ID, tx.Now.AddDate(0, 0, 20))
		return err
	})
	for _, sort := range []string{"", "?sort=newest", "?sort=role", "?sort=expires"} {
		seen, pages := []string{}, 0
		for at := users(p) + sort; at != ""; pages++ {
			page := c.Get(at).Want(http.StatusOK).Page()
			for _, n := range page.Find("tbody a.row-link").EachIter() {
				seen = append(seen, n.AttrOr("href", ""))
			}
			at = page.Find(`a:contains("More people")`).AttrOr("href", "")
		}
		if unique := slices.Compact(slices.Sorted(slices.Values(seen))); len(seen) != 73 || len(unique) != 73 || pages != 2 {
			t.Errorf("%q: %d rows, %d of them once, on %d pages", sort, len(seen), len(unique), pages)
		}
	}
	type row struct {
		Asks          bool
		Role, Expires string
	}
	var ordered []row
	c.Get(users(p) + "?format=json&sort=role").Want(http.StatusOK).JSON(&ordered)
	if !slices.IsSortedFunc(ordered[2:], func(a, b row) int { return strings.Compare(a.Role, b.Role) }) || ordered[2].Role != "admin" || ordered[72].Role != "share" {
		t.Errorf("by role: %v", ordered)
	}
	ordered = nil
	c.Get(users(p) + "?format=json&sort=expires").Want(http.StatusOK).JSON(&ordered)
	ends := 0
	for i, m := range ordered[2:] {
		if m.Expires == "" {
			continue
		}
		if ends++; ends != i+1 || i > 0 && m.Expires < ordered[1+i].Expires {
			t.Errorf("by end, place %d has %q after %q", i, m.Expires, ordered[1+i].Expires)
		}
	}
	if ends < 10 || ends > 60 || !ordered[0].Asks || !ordered[1].Asks {
		t.Errorf("%d have an end", ends)
	}
	s.Update(func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE memberships SET role = 'guest' WHERE project_id = $1 AND role = 'share'", p.ID)
		return err
	})
	off := strings.Fields(listed(c, p, "&role=guest")[0])[0]
	s.Update(func(tx *db.Tx) error { return tx.Must("UPDATE users SET state = 'disabled' WHERE email = $1", off) })
	var disabled []map[string]any
	c.Get(users(p) + "?format=json&status=disabled").Want(http.StatusOK).JSON(&disabled)
	if len(disabled) != 1 || disabled[0]["email"] != off || disabled[0]["state"] != "disabled" || disabled[0]["twoStep"] != nil {
		t.Errorf("disabled: %v", disabled)
	}
	for query, want := range map[string]int{"&status=invited": 10, "&status=active": 60, "&status=asking": 2, "&status=disabled": 1, "&role=guest": 60, "&q=asked1": 1, "&q=ASKED": 10, "&status=inactive": 10, "&twoStep=off": 60, "&q=%25": 0} {
		if got := listed(c, p, query); len(got) != want {
			t.Errorf("%s: %d people, want %d", query, len(got), want)
		}
	}
	for query, on := range map[string]string{"": "", "?twoStep=off": "off"} { // the filter shows that it is on, and how to clear it
		if is := c.Get(users(p) + query).Page().Find(`select[name="twoStep"]`); is.Find("option").Length() != 2 || is.Find("option[selected]").AttrOr("value", "") != on {
			t.Errorf("the filter of %q shows %s", query, words(is))
		}
	}
	byAddress := listed(c, p, "")
	for _, sort := range []string{"", "&sort=newest", "&sort=role", "&sort=expires"} { // who asks stands before everybody else
		if got := listed(c, p, sort); !asking[got[0]] || !asking[got[1]] || got[0] == got[1] {
			t.Errorf("%q: %q first", sort, got[:2])
		}
	}
	if !strings.HasPrefix(byAddress[2], "(asked0@") || len(byAddress) != 73 {
		t.Errorf("by address: %q first", byAddress[2])
	}
}

// TestRemind: who signs in without a second factor is asked to turn it on, once a day, and
// nobody else.
func TestRemind(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Reminded", false)
	guest, safe := s.Member(p, access.Guest), s.Member(p, access.Guest)
	s.TwoStep(s.SignIn(safe))
	c, theirs := s.SignIn(admin), s.SignIn(guest)
	c.Post(users(p), inviting(access.Guest, s.User("").Email)).Want(http.StatusOK)
	if text := c.Get(users(p)).Page().Find(".banner").Text(); !strings.Contains(text, "2 people sign in without a second step.") {
		t.Errorf("the list says %q", text)
	}
	theirs.Post(users(p)+"/remind", nil).Want(http.StatusForbidden)
	for range 2 {
		c.Post(users(p)+"/remind", nil).Want(http.StatusSeeOther)
	}
	s.View(func(tx *db.Tx) error {
		to, err := db.All(tx, db.Scalar[string], "SELECT recipient FROM mails WHERE kind = 'factorWanted' ORDER BY recipient")
		want := []string{guest.Email} // not who sends them
		if !slices.Equal(to, want) {
			t.Errorf("reminded: %q", to)
		}
		return err
	})
	s.Clock.Forward(24*time.Hour + time.Minute)
	s.SignIn(admin).Post(users(p)+"/remind", nil).Want(http.StatusSeeOther)
	s.View(func(tx *db.Tx) error {
		n, err := db.Value[int64](tx, "SELECT count(*) FROM mails WHERE kind = 'factorWanted'")
		if n != 2 {
			t.Errorf("%d mails after a day", n)
		}
		return err
	})
	s.TwoStep(s.SignIn(guest))
	s.Clock.Forward(24*time.Hour + time.Minute)
	c = s.SignIn(admin)
	if text := c.Get(c.Post(users(p)+"/remind", nil).Want(http.StatusSeeOther).Location).Body; !strings.Contains(text, "Nobody else signs in without a second step.") {
		t.Error("with nobody to remind, it does not say so")
	}
}
