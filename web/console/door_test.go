package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/web/webtest"
)

// TestVisitsOfOrganizations: who joins an organization by a right from above says why and for how
// long, and looks into it: they let nobody in or out, change none of its settings, and come into its
// projects like other visitors, seen by everybody there.
func TestVisitsOfOrganizations(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Config: withMailbox})
	p, admin := s.Project("Looked at", false)
	boss := s.User("Boss")
	organization, path := ofOrganization(s, p, boss), "/projects/"+num(p.ID)
	_, c, _ := ofSupport(s, "Sven")
	mina := s.User("Mina")
	ofMaintainer(s, p, mina)
	m := s.SignIn(mina)
	for _, who := range []*webtest.Client{c, m} {
		for _, form := range []url.Values{nil, {"reason": {""}, "hours": {"8"}}, {"reason": {"Ticket 9"}, "hours": {"9"}}, {"reason": {"Ticket 9"}}} {
			who.Post(organization+"/join", form).Want(http.StatusUnprocessableEntity)
		}
		if page := who.Get(organization + "/members").Want(http.StatusOK).Page(); page.Find(`main a[href="`+organization+`/join"]`).Length() != 1 {
			t.Error("the list of members does not lead to the form")
		}
		who.Get(organization + "/join").Want(http.StatusOK)
		who.Get(organization + "/audit").Want(http.StatusForbidden)
		who.Post(organization+"/join", url.Values{"reason": {"Ticket 9"}, "hours": {"8"}}).Want(http.StatusSeeOther)
		who.Get(organization + "/audit").Want(http.StatusOK)
		for _, at := range []string{"/billing", "/members/invite", "/two-step"} {
			who.Get(organization + at).Want(http.StatusForbidden)
		}
		for at, form := range map[string]url.Values{
			"/settings": {"name": {"Theirs"}, "autoJoin": {"1"}}, "/billing": {"company": {"Theirs"}}, "/two-step": {"required": {"1"}}, "/delete": {"confirm": {"x"}},
			"/members": {"emails": {"friend@example.com"}, "reason": {""}, "days": {"7"}}, "/members/" + num(boss.ID) + "/remove": nil,
		} {
			want := http.StatusForbidden
			if at == "/delete" && who == m { // which people of the maintainer may
				want = http.StatusUnprocessableEntity
			}
			who.Post(organization+at, form).Want(want)
		}
		who.Post(path+"/join", url.Values{"role": {"share"}, "reason": {""}}).Want(http.StatusUnprocessableEntity)
		who.Get(path + "/settings/users").Want(http.StatusForbidden)
		who.Post(path+"/join", url.Values{"reason": {"Ticket 10"}, "hours": {"8"}}).Want(http.StatusSeeOther)
		who.Get(path + "/settings/users/invite").Want(http.StatusForbidden)
	}
	rows := words(s.SignIn(boss).Get(organization + "/members").Want(http.StatusOK).Page().Find("tbody"))
	for _, want := range []string{"Support", "Maintainer", "Joined by themselves, until ", "Ticket 9"} {
		if !strings.Contains(rows, want) {
			t.Errorf("the members do not read %q: %s", want, rows)
		}
	}
	letter := newest(t, s, boss.Email).Text()
	if !strings.Contains(letter, "they let nobody in or out") || !strings.Contains(letter, "Ticket 9") || !strings.Contains(letter, "Until") {
		t.Errorf("the mail says %q", letter)
	}
	for u, want := range map[*webtest.Client]string{s.SignIn(admin): "and 1 other from outside the organization are in this project", c: "You are in this project as somebody of support until "} {
		if got := words(u.Get(path + "/storage").Want(http.StatusOK).Page().Find(".banner")); !strings.Contains(got, want) {
			t.Errorf("the banner says %q", got)
		}
	}
	nora := s.User("Nora")
	ofMaintainer(s, p, nora)
	for u, want := range map[*webtest.Client]string{s.SignIn(boss): "and 1 other from outside the organization are in this organization for a time. See who", s.SignIn(nora): "and 1 other",
		c: "You are in this organization as somebody of support until ", m: "You are in this organization as somebody of the maintainer until "} {
		for _, at := range []string{"", "/members", "/members/" + num(boss.ID), "/settings"} {
			if got := words(u.Get(organization + at).Want(http.StatusOK).Page().Find(".banner")); !strings.Contains(got, want) {
				t.Errorf("the banner on %s says %q, want %q", at, got, want)
			}
		}
	}
	if n := c.Get(strings.TrimSuffix(c.Get(organization).Page().Find(".banner a").AttrOr("href", ""), "#leave")).Page().Find("form#leave").Length(); n != 1 {
		t.Errorf("the banner leads to %d ways out", n)
	}
	own := c.Get(path).Want(http.StatusOK).Page().Find(`.banner a[href$="#end"]`).AttrOr("href", "")
	c.Get(strings.TrimSuffix(own, "#end")).Want(http.StatusOK)
	c.Post(path+"/settings/users/leave", nil).Want(http.StatusSeeOther)

	// It ends by itself.
	s.Clock.Forward(8 * 60 * 60 * 1e9)
	for range 2 {
		if err := s.App.Tenancy.EndMemberships(t.Context(), s.App.DB); err != nil {
			t.Fatal(err)
		}
	}
	s.View(func(tx *db.Tx) error {
		for query, want := range map[string]int64{
			"SELECT count(*) FROM organization_members WHERE through <> ''":                                                        0,
			"SELECT count(*) FROM events WHERE name = 'organization.memberEnded' AND message LIKE 'The membership of % was over.'": 2,
			"SELECT count(*) FROM events WHERE name = 'organization.memberRemoved'":                                                0,
		} {
			n, err := db.Value[int64](tx, query)
			if err != nil || n != want {
				t.Errorf("%d, want %d: %s: %v", n, want, query, err)
			}
		}
		return nil
	})
	s.SignIn(mina).Get(organization + "/audit").Want(http.StatusForbidden)
	if n := s.SignIn(boss).Get(organization).Want(http.StatusOK).Page().Find(".banner").Length(); n != 0 {
		t.Errorf("%d banners after it", n)
	}
}

// TestForegone: before somebody is put out of an organization or a maintainer, or leaves it, their page
// tells what they may no longer then, as the table of permissions has it.
func TestForegone(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, _ := s.Project("Of two", false)
	boss, both := s.User("Boss"), s.User("Both")
	organization := ofOrganization(s, p, boss)
	ofOrganization(s, p, both)
	maintainer := ofMaintainer(s, p, boss, both)
	lets(s, p, true)
	b := s.SignIn(boss)
	losses := func(c *webtest.Client, at string) (out []string) {
		c.Get(at).Want(http.StatusOK).Page().Find(`[aria-labelledby="losses"] li`).Each(func(_ int, li *goquery.Selection) { out = append(out, words(li)) })
		slices.Sort(out)
		return out
	}
	// Both stays of the maintainer, which the organization lets in.
	got := strings.Join(losses(b, organization+"/members/"+num(both.ID)), "\n")
	want := strings.Join([]string{
		"Change this organization.",
		"In its projects, without a role there: change people's roles.", "In its projects, without a role there: grant the role Share or Production manager.", "In its projects, without a role there: invite people and cancel invitations.", "In its projects, without a role there: remove members.",
		"Invite and remove its members.", "Read its audit log.", "Require two-step sign-in of its people.", "See its billing details.",
	}, "\n")
	if got != want {
		t.Errorf("of the organization:\n%s\nwant\n%s", got, want)
	}
	got = strings.Join(losses(b, maintainer+"/members/"+num(boss.ID)), "\n") // oneself, who would leave
	for _, want := range []string{"Create organizations.", "Manage this maintainer and its members.", "See this maintainer.", "In its organizations: join its projects. As far as they let their maintainer in."} {
		if !strings.Contains(got, want) {
			t.Errorf("of the maintainer %q is missing:\n%s", want, got)
		}
	}
	// And so it is.
	b.Post(organization+"/members/"+num(both.ID)+"/remove", nil).Want(http.StatusSeeOther)
	c := s.SignIn(both)
	c.Get(organization + "/billing").Want(http.StatusForbidden)
	c.Get(organization + "/audit").Want(http.StatusForbidden)
	c.Get(users(p)).Want(http.StatusForbidden)
	c.Get(organization).Want(http.StatusOK)
	if got := losses(c, organization+"/members/"+num(boss.ID)); got != nil { // who manages nobody is told nothing
		t.Errorf("others read %q", got)
	}
}

// TestDoorCloses: when an organization does not let its maintainer and support in by themselves any
// more, who is in it and its projects by that is out at once, and mailed; who was let in stays, and
// so does who belongs to it. The page says before how many there are.
func TestDoorCloses(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Config: withMailbox})
	p, admin := s.Project("Open", false)
	other, _ := s.Project("Of others", false)
	boss, mina, nora := s.User("Boss"), s.User("Mina"), s.User("Nora")
	organization, path := ofOrganization(s, p, boss), "/projects/"+num(p.ID)
	ofMaintainer(s, p, mina, nora)
	ofMaintainer(s, other, mina)
	b, m, n := s.SignIn(boss), s.SignIn(mina), s.SignIn(nora)

	// Nora is let in while the door is closed.
	set := func(open bool) webtest.Response {
		t.Helper()
		form := url.Values{"name": {"Organization of Open"}}
		if open {
			form.Set("autoJoin", "1")
		}
		return b.Get(b.Post(organization+"/settings", form).Want(http.StatusSeeOther).Location).Want(http.StatusOK)
	}
	set(false)
	n.Post(path+"/request", asVisitor).Want(http.StatusSeeOther)
	d := s.SignIn(admin)
	d.Post(d.Get(users(p)+"?status=asking").Page().Find("tbody a.row-link").AttrOr("href", "")+"/approve", nil).Want(http.StatusSeeOther)
	set(true)
	if text := words(b.Get(organization + "/settings").Page().Find("main")); strings.Contains(text, "Switched off, it ends") {
		t.Errorf("with nobody in it says %q", text)
	}

	m.Post(organization+"/join", asVisitor).Want(http.StatusSeeOther)
	m.Post(path+"/join", asVisitor).Want(http.StatusSeeOther)
	m.Post("/projects/"+num(other.ID)+"/join", asVisitor).Want(http.StatusSeeOther)
	founded := m.Post(organization+"/projects", url.Values{"name": {"Founded"}, "template": {"production"}}).Want(http.StatusSeeOther).Location
	if text := words(b.Get(organization + "/settings").Page().Find("main")); !strings.Contains(text, "Switched off, it ends 3 places that they have by it now") {
		t.Errorf("the page says %q", text)
	}
	set(false)
	for at, want := range map[string]int{path: http.StatusForbidden, founded: http.StatusForbidden, organization: http.StatusForbidden, "/projects/" + num(other.ID): http.StatusOK} {
		if r := m.Get(at); r.Status != want {
			t.Errorf("%s: %d, want %d", at, r.Status, want)
		}
	}
	n.Get(path).Want(http.StatusOK)
	d.Get(path).Want(http.StatusOK)
	if got := d.Get(path).Page().Find(".banner").Text(); strings.Contains(got, "Mina") {
		t.Errorf("the banner says %q", got)
	}
	for kind, want := range map[string]int64{"memberRemoved": 2, "teamRemoved": 1} {
		if got := toldOf(t, s, kind, mina.Email); got != want {
			t.Errorf("%d mails %s", got, kind)
		}
	}
	log := b.Get(organization + "/audit").Want(http.StatusOK).Page().Find("tbody").Text()
	if got := strings.Count(log, "decided that the maintainer and support"); got != 3 {
		t.Errorf("it is told %d times: %s", got, log)
	}
	s.View(func(tx *db.Tx) error {
		tokens, err := db.Value[int64](tx, "SELECT count(*) FROM tokens WHERE user_id = $1 AND deleted_at IS NULL", mina.ID)
		if tokens != 1 {
			t.Errorf("they have %d tokens left", tokens)
		}
		return err
	})
}

// TestJoinedRolesFromOutside: where roles come from single sign-on nobody gives themselves one by
// joining.
func TestJoinedRolesFromOutside(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, _ := s.Project("External", false)
	own := s.User("Own")
	ofOrganization(s, p, own)
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE projects SET external_roles = TRUE WHERE id = $1", p.ID)
	})
	c, path := s.SignIn(own), "/projects/"+num(p.ID)
	if page := c.Get(path + "/join").Want(http.StatusOK).Page(); page.Find(`[name="role"]`).Length() != 0 || !strings.Contains(words(page.Find("main")), "Its roles come from single sign-on") {
		t.Error("the form offers roles, or does not say why not")
	}
	c.Post(path+"/join", url.Values{"role": {"share"}, "reason": {""}}).Want(http.StatusSeeOther)
	s.View(func(tx *db.Tx) error {
		role, err := db.Value[string](tx, "SELECT role FROM memberships WHERE project_id = $1 AND user_id = $2", p.ID, own.ID)
		if role != string(access.ReadOnly) {
			t.Errorf("they are %s", role)
		}
		return err
	})
}

// TestWrongDoor: who asks though they may join, joins though they have to ask, or is in already,
// reads what to do, and is led there.
func TestWrongDoor(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Doors", false)
	own, mina := s.User("Own"), s.User("Mina")
	ofOrganization(s, p, own)
	ofMaintainer(s, p, mina)
	lets(s, p, false)
	path := "/projects/" + num(p.ID)
	for _, x := range []struct {
		who             accounts.User
		at, says, leads string
	}{
		{own, "/request", "you may join this project by yourself", path + "/join"},
		{mina, "/join", "Ask those who manage its people", path + "/request"},
		{admin, "/join", "You are in this project already.", path},
		{admin, "/request", "You are in this project already.", path},
	} {
		c := s.SignIn(x.who)
		for _, r := range []webtest.Response{c.Get(path + x.at), c.Post(path+x.at, asVisitor)} {
			if r.Status != http.StatusForbidden || !strings.Contains(words(r.Page().Find("main")), x.says) || r.Page().Find(`main a[href="`+x.leads+`"]`).Length() != 1 {
				t.Errorf("%s at %s: %d %q", x.who.Name, x.at, r.Status, words(r.Page().Find("main")))
			}
		}
	}
}

// TestMaintainerDeleted: a super admin deletes a maintainer by its name, once it has no
// organization; then nobody belongs to it, its invitations are closed, and nothing is made in it.
func TestMaintainerDeleted(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, _ := s.Project("Held", false)
	mina, waits := s.User("Mina"), s.User("Waits")
	held := ofMaintainer(s, p, mina)
	root := s.SignIn(s.SuperAdmin("Root"))
	m := s.SignIn(mina)
	at := strings.TrimSuffix(root.Post("/maintainers", url.Values{"name": {"Short lived"}}).Want(http.StatusSeeOther).Location, "/members")
	root.Post(at+"/members", url.Values{"emails": {mina.Email + " " + waits.Email}, "reason": {""}, "days": {"7"}}).Want(http.StatusOK)
	m.Post(asked(m), nil).Want(http.StatusSeeOther)
	organization := m.Post(at+"/organizations", url.Values{"name": {"Its only one"}}).Want(http.StatusSeeOther).Location

	if page := m.Get(at + "/settings").Want(http.StatusOK).Page(); page.Find(`form[action="`+at+`/delete"]`).Length() != 0 {
		t.Error("a member is offered to delete it")
	}
	if r := m.Post(at+"/delete", url.Values{"confirm": {"Short lived"}}); r.Status != http.StatusForbidden {
		t.Errorf("a member gets %d", r.Status)
	}
	for name, says := range map[string]string{"Short lived": "The maintainer has organizations. Delete them first.", "short lived": "This is not the name of the maintainer."} {
		if r := root.Post(at+"/delete", url.Values{"confirm": {name}}).Want(http.StatusUnprocessableEntity); !strings.Contains(words(r.Page().Find("main")), says) {
			t.Errorf("%q: %s", name, words(r.Page().Find("main")))
		}
	}
	m.Post(organization+"/delete", url.Values{"confirm": {"Its only one"}}).Want(http.StatusSeeOther)
	root.Post(at+"/delete", url.Values{"confirm": {"Short lived"}}).Want(http.StatusSeeOther)
	for _, c := range []*webtest.Client{root, m} {
		c.Get(at).Want(http.StatusNotFound)
		c.Post(at+"/organizations", url.Values{"name": {"Too late"}}).Want(http.StatusNotFound)
		if c.Get("/maintainers").Want(http.StatusOK).Page().Find(`main a[href="`+at+`"]`).Length() != 0 {
			t.Error("it is listed")
		}
	}
	a := s.SignIn(waits)
	if text := words(a.Get("/account/invitations").Want(http.StatusOK).Page().Find("main")); a.Get("/account/invitations").Page().Find(`form[action$="/accept"]`).Length() != 0 || !strings.Contains(text, "the maintainer was deleted") {
		t.Errorf("who is invited reads %q", text)
	}
	root.Post(at+"/delete", url.Values{"confirm": {"Short lived"}}).Want(http.StatusNotFound)
	m.Get(held).Want(http.StatusOK)
}

// TestLowersAllTheSame: whoever has changed a role again and again keeps nobody else from lowering it.
func TestLowersAllTheSame(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Lowered", false)
	rogue, friend := s.Member(p, access.Admin), s.Member(p, access.Guest)
	c := s.SignIn(rogue)
	at := rowOf(c, p, friend.Email)
	for i := range 20 {
		c.Post(at+"/role", url.Values{"role": {[]string{"readOnly", "admin"}[i%2]}}).Want(http.StatusSeeOther)
	}
	c.Post(at+"/role", url.Values{"role": {"guest"}}).Want(http.StatusTooManyRequests)
	s.SignIn(admin).Post(at+"/role", url.Values{"role": {"guest"}}).Want(http.StatusSeeOther)
	s.SignIn(friend).Get(users(p) + "/invite").Want(http.StatusForbidden)
}

// TestNeighboursAreNotThere: who is in one project of an organization does not learn which others
// there are.
func TestNeighboursAreNotThere(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, _ := s.Project("Here", false)
	guest, boss := s.Member(p, access.Guest), s.User("Boss")
	organization := ofOrganization(s, p, boss)
	next := s.SignIn(boss).Post(organization+"/projects", url.Values{"name": {"Next"}, "template": {"production"}}).Want(http.StatusSeeOther).Location
	c := s.SignIn(guest)
	for _, door := range []string{"", "/join", "/request", "/move"} {
		c.Get(next + door).Want(http.StatusNotFound)
		if door != "" {
			c.Post(next+door, asVisitor).Want(http.StatusNotFound)
			c.Get("/projects/" + num(p.ID) + door).Want(http.StatusForbidden)
		}
	}
}

// TestLastWithRolesFromOutside: where roles come from single sign-on the last one who manages the
// people cannot leave, as they would come back as Read only.
func TestLastWithRolesFromOutside(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("External", false)
	ofOrganization(s, p, admin)
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE projects SET external_roles = TRUE WHERE id = $1", p.ID)
	})
	c := s.SignIn(admin)
	c.Post(users(p)+"/leave", url.Values{"last": {"1"}}).Want(http.StatusSeeOther)
	if text := words(c.Get(rowOf(c, p, admin.Email)).Want(http.StatusOK).Page().Find("main")); !strings.Contains(text, "is the last one who manages the people of this project.") {
		t.Errorf("they read %q", text)
	}
}

// TestMovedWithoutAdministrator: a move after which nobody in the project manages its people says so
// before, and in its event.
func TestMovedWithoutAdministrator(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Lonely", false)
	other, _ := s.Project("Other", false)
	own := s.User("Own")
	ofOrganization(s, p, own, admin)
	s.SignIn(own).Post("/projects/"+num(p.ID)+"/join", url.Values{"role": {"admin"}, "reason": {""}}).Want(http.StatusSeeOther)
	root := s.SignIn(s.SuperAdmin("Root"))
	says := func() bool {
		return strings.Contains(words(root.Get("/projects/"+num(p.ID)+"/move?to="+num(other.Organization)).Want(http.StatusOK).Page().Find("main")), "Nobody in it will manage its people.")
	}
	if says() {
		t.Error("it is said though somebody stays")
	}
	s.SignIn(admin).Post(users(p)+"/leave", nil).Want(http.StatusSeeOther)
	if !says() {
		t.Error("it is not said")
	}
	root.Post("/projects/"+num(p.ID)+"/move", url.Values{"to": {num(other.Organization)}, "confirm": {"Lonely"}}).Want(http.StatusSeeOther)
	s.View(func(tx *db.Tx) error {
		n, err := db.Value[int64](tx, "SELECT count(*) FROM events WHERE name LIKE 'project.%Organization' AND results LIKE '%\"nobodyManages\":true%'")
		if n != 2 {
			t.Errorf("%d events say it", n)
		}
		return err
	})
}

// TestNamesOfPastInvitations: whoever was invited, and is not in it, reads no name that the place got
// later.
func TestNamesOfPastInvitations(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Before", false)
	u := s.User("Asked")
	c, mine := s.SignIn(admin), s.SignIn(u)
	c.Post(users(p), inviting(access.Guest, u.Email)).Want(http.StatusOK)
	accept := asked(mine)
	c.Post(rowOf(c, p, u.Email)+"/cancel", nil).Want(http.StatusSeeOther)
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE projects SET name = 'Secret merger' WHERE id = $1", p.ID)
	})
	mine.Post(accept, nil)
	if got := mine.Get("/account/invitations").Want(http.StatusOK).Body; strings.Contains(got, "Secret merger") || !strings.Contains(got, "Before") {
		t.Error("they read the later name, or not the one of then")
	}
}

// TestVisitorsAreInvited: who is in a project or an organization for a time can be invited to it for
// good, before and meanwhile: the visit ends no invitation, and gives way to the place.
func TestVisitorsAreInvited(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Both", false)
	boss, mina, nora := s.User("Boss"), s.User("Mina"), s.User("Nora")
	organization, path := ofOrganization(s, p, boss), "/projects/"+num(p.ID)
	ofMaintainer(s, p, mina, nora)
	lets(s, p, true)
	b, a, m, n := s.SignIn(boss), s.SignIn(admin), s.SignIn(mina), s.SignIn(nora)
	invited := func(emails ...string) {
		t.Helper()
		b.Post(organization+"/members", url.Values{"emails": {strings.Join(emails, ",")}, "reason": {""}, "days": {"7"}}).Want(http.StatusOK)
		a.Post(users(p), inviting(access.Guest, emails...)).Want(http.StatusOK)
	}
	visits := func(c *webtest.Client) {
		t.Helper()
		c.Post(organization+"/join", asVisitor).Want(http.StatusSeeOther)
		c.Post(path+"/join", asVisitor).Want(http.StatusSeeOther)
	}
	invited(mina.Email)
	visits(m)
	visits(n)
	invited(nora.Email)
	for _, c := range []*webtest.Client{m, n} {
		for range 2 {
			c.Post(asked(c), nil).Want(http.StatusSeeOther)
		}
	}
	s.Clock.Forward(169 * time.Hour) // past every visit
	if err := s.App.Tenancy.EndMemberships(t.Context(), s.App.DB); err != nil {
		t.Fatal(err)
	}
	for _, u := range []accounts.User{mina, nora} {
		c := s.SignIn(u)
		c.Get(organization + "/billing").Want(http.StatusOK)
		c.Get(path + "/storage").Want(http.StatusOK)
		if got := listed(c, p, "&q="+url.QueryEscape(u.Email)); len(got) != 1 || got[0] != u.Email+" guest" {
			t.Errorf("they are %q", got)
		}
	}
	s.View(func(tx *db.Tx) error {
		for query, want := range map[string]int64{
			"SELECT count(*) FROM organization_members WHERE through <> ''":                              0,
			"SELECT count(*) FROM memberships WHERE through <> ''":                                       0,
			"SELECT count(*) FROM tokens WHERE is_master AND deleted_at IS NULL AND user_id IN ($1, $2)": 2,
		} {
			args := []any{}
			if strings.Contains(query, "$1") {
				args = []any{mina.ID, nora.ID}
			}
			if n, err := db.Value[int64](tx, query, args...); err != nil || n != want {
				t.Errorf("%d, want %d: %s: %v", n, want, query, err)
			}
		}
		return nil
	})
}

// TestOfTheOrganizationSince: who comes to belong to an organization while they visit a project of it
// is bound no more as visitors are, and stays when the door closes.
func TestOfTheOrganizationSince(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, _ := s.Project("Since", false)
	mina := s.User("Mina")
	organization, path := ofOrganization(s, p), "/projects/"+num(p.ID)
	ofMaintainer(s, p, mina)
	lets(s, p, true)
	m := s.SignIn(mina)
	m.Post(path+"/join", asVisitor).Want(http.StatusSeeOther)
	m.Get(users(p) + "/invite").Want(http.StatusForbidden)
	ofOrganization(s, p, mina)
	m.Get(users(p) + "/invite").Want(http.StatusOK)
	guest := s.User("Guest")
	m.Post(users(p), inviting(access.Guest, guest.Email)).Want(http.StatusOK)
	if text := words(m.Get(users(p) + "?status=invited").Want(http.StatusOK).Page().Find("tbody")); strings.Contains(text, "Does not count") {
		t.Errorf("what they send: %q", text)
	}
	g := s.SignIn(guest)
	g.Post(asked(g), nil).Want(http.StatusSeeOther)
	g.Get(path + "/storage").Want(http.StatusOK)
	if n := g.Get(path).Page().Find(".banner").Length(); n != 0 {
		t.Error("the banner calls who belongs to the organization somebody from outside")
	}
	if text := words(m.Get(organization + "/settings").Page().Find("main")); strings.Contains(text, "Switched off, it ends") {
		t.Errorf("the settings say %q", text)
	}
	m.Post(organization+"/settings", url.Values{"name": {"Organization of Since"}}).Want(http.StatusSeeOther)
	m.Get(path + "/storage").Want(http.StatusOK)
	for _, at := range []string{"/request", "/join"} { // who is in it is in it
		if r := m.Get(path + at); r.Status == http.StatusForbidden && !strings.Contains(words(r.Page().Find("main")), "You are in this project already.") {
			t.Errorf("%s says %q", at, words(r.Page().Find("main")))
		}
	}
}

// TestManyInside: a door closes at once however many are in by it, and what one transaction left is
// put out by the next, also after a process has ended meanwhile.
func TestManyInside(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Config: withMailbox})
	p, _ := s.Project("Full", false)
	boss, mina := s.User("Boss"), s.User("Mina")
	organization := ofOrganization(s, p, boss)
	ofMaintainer(s, p, mina)
	lets(s, p, true)
	s.SignIn(mina).Post(organization+"/join", asVisitor).Want(http.StatusSeeOther)
	fill := func() {
		s.Update(func(tx *db.Tx) error {
			for i := range 1010 {
				id, email := int64(100_000+i), fmt.Sprintf("visitor%d@example.com", i)
				if err := tx.Must(`INSERT INTO users (id, email, name, search, password_hash, pepper_key, state, is_super_admin, session_epoch, theme, created_at)
					VALUES ($1, $2, 'Visitor', $2, '', '', 'disabled', FALSE, 1, '', $3) ON CONFLICT (id) DO UPDATE SET name = 'Visitor'`, id, email, tx.Now); err != nil {
					return err
				}
				if err := tx.Must(`INSERT INTO memberships (id, project_id, user_id, email, role, joined_at, expires_at, reason, approver_id, through) VALUES ($1, $2, $1, $5, 'admin', $3, $4, 'Ticket', $1, 'maintainer')`,
					id, p.ID, tx.Now, tx.Now.Add(time.Hour), email); err != nil {
					return err
				}
			}
			return nil
		})
	}
	inside := func() (n int64) {
		s.View(func(tx *db.Tx) (err error) {
			n, err = db.Value[int64](tx, "SELECT (SELECT count(*) FROM memberships WHERE through <> '') + (SELECT count(*) FROM organization_members WHERE through <> '')")
			return err
		})
		return n
	}
	fill()
	b := s.SignIn(boss)
	if text := words(b.Get(organization + "/settings").Page().Find("main")); !strings.Contains(text, "Switched off, it ends more than 1,000 places") {
		t.Errorf("the settings say %q", text)
	}
	b.Post(organization+"/settings", url.Values{"name": {"Organization of Full"}}).Want(http.StatusSeeOther)
	if n := inside(); n != 0 {
		t.Errorf("%d are in it still", n)
	}
	// Who makes a project as a super admin is in it by no open door, and stays.
	root := s.SuperAdmin("Root")
	made := strings.TrimPrefix(s.SignIn(root).Post(organization+"/projects", url.Values{"name": {"Made"}, "template": {"production"}}).Want(http.StatusSeeOther).Location, "/projects/")
	// So does who is of the maintainer, too; who is a super admin no more is out by the next round.
	both, former := s.SuperAdmin("Both"), s.SuperAdmin("Former")
	ofMaintainer(s, p, both)
	theirs := strings.TrimPrefix(s.SignIn(both).Post(organization+"/projects", url.Values{"name": {"Theirs"}, "template": {"production"}}).Want(http.StatusSeeOther).Location, "/projects/")
	s.SignIn(former).Post(organization+"/projects", url.Values{"name": {"Formerly"}, "template": {"production"}}).Want(http.StatusSeeOther)
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE users SET is_super_admin = FALSE, support_until = $2 WHERE id = $1", former.ID, tx.Now.AddDate(0, 0, 90))
	})
	fill() // as a process leaves it that ends after the first transaction
	nora := s.User("Nora")
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE memberships SET user_id = $2, email = $3, approver_id = $2 WHERE id = $1", int64(100_000), nora.ID, nora.Email)
	})
	if err := s.App.Tenancy.EndMemberships(t.Context(), s.App.DB); err != nil {
		t.Fatal(err)
	}
	s.SignIn(both).Get("/projects/" + theirs + "/storage").Want(http.StatusOK)
	if n := inside(); n != 2 {
		t.Errorf("%d are in it after the sweep", n)
	}
	s.SignIn(root).Get("/projects/" + made + "/storage").Want(http.StatusOK)
	if told := lettersTo(t, s, nora.Email); len(told) != 1 || !strings.Contains(told[0], "Organization of Full decided that people of the maintainer") || strings.Contains(told[0], "Steward decided") {
		t.Errorf("who was put out by the sweep is told %q", told)
	}
	if told := strings.Join(lettersTo(t, s, root.Email), "\n"); strings.Contains(told, "have to ask") {
		t.Errorf("the super admin is told %q", told)
	}
}
