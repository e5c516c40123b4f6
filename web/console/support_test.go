package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/tenancy"
	"steward/web/webtest"
)

// supporting is a site where somebody is of support until a day.
type supporting struct {
	life   // for its jobs
	sven   accounts.User
	root   accounts.User
	secret string
}

func newSupporting(t *testing.T, o webtest.Options) *supporting {
	t.Helper()
	s := webtest.Open(t, o)
	noon(s)
	x := &supporting{life: life{Site: s, t: t}, sven: s.User("Sven"), root: s.SuperAdmin("Root")}
	x.secret, _ = s.TwoStep(s.SignIn(x.sven))
	return x
}

func (x *supporting) day(ahead int) string { return dayIn(x.Site, ahead) }

// until makes Sven of support, by the form, until the end of a day.
func (x *supporting) until(day string) {
	x.t.Helper()
	x.does("support", url.Values{"until": {day}})
}

// does is what a super admin does to Sven.
func (x *supporting) does(what string, f url.Values) {
	x.t.Helper()
	at := "/admin/users/" + num(x.sven.ID)
	if r := x.SignIn(x.root).Post(at+"/"+what, f).Want(http.StatusSeeOther); r.Location != at {
		x.t.Fatalf("%s leads to %s", what, r.Location)
	}
}

// signIn signs Sven in, in two steps.
func (x *supporting) signIn() *webtest.Client {
	x.t.Helper()
	c := x.Anonymous()
	x.Clock.Forward(30 * time.Second) // a code counts once
	c.Post("/login", url.Values{"email": {x.sven.Email}, "password": {webtest.Password}}).Want(http.StatusSeeOther)
	c.Post("/mfa", url.Values{"code": {x.Code(x.secret)}}).Want(http.StatusSeeOther)
	return c
}

// pass moves the clock to so long before midnight, UTC, that many days ahead.
func (x *supporting) pass(days int, before time.Duration) {
	x.t.Helper()
	now := x.Clock.Now().UTC()
	x.Clock.Forward(now.Truncate(24*time.Hour).AddDate(0, 0, days+1).Add(-before).Sub(now))
}

// count is the one number of a query.
func (x *supporting) count(query string, args ...any) (n int64) {
	x.t.Helper()
	x.View(func(tx *db.Tx) (err error) { n, err = db.Value[int64](tx, query, args...); return err })
	return n
}

// in reports whether Sven gets into a project, whatever he is to its organization.
func (x *supporting) in(p tenancy.Project) bool {
	x.t.Helper()
	var err error
	x.View(func(tx *db.Tx) error {
		_, err = tenancy.Enter(tx, x.sven.Actor(), p.ID, access.ProjectRead)
		return nil
	})
	if err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Forbidden) {
		x.t.Fatal(err)
	}
	return err == nil
}

var (
	asMember  = url.Values{"role": {"share"}, "reason": {""}}
	asVisitor = url.Values{"reason": {"Ticket 9"}, "hours": {"168"}}
)

// TestSupportHasALastDay: nobody is of support without a last day, which is today or later and
// within a year; it is shown and exported, and each change of it is an event.
func TestSupportHasALastDay(t *testing.T) {
	t.Parallel()
	x := newSupporting(t, webtest.Options{Idle: true})
	root, at := x.SignIn(x.root), "/admin/users/"+num(x.sven.ID)
	is := func() (until string) {
		var people []struct{ Email, SupportUntil string }
		root.Get("/admin?format=json&q=" + url.QueryEscape(x.sven.Email)).Want(http.StatusOK).JSON(&people)
		return people[0].SupportUntil
	}
	for _, bad := range []string{"", " ", "soon", "-1", "31.12.2026", "2027-02-30", x.day(-1), x.day(accounts.SupportDays + 1), "0001-01-01", "9999-12-31"} {
		page := root.Post(at+"/support", url.Values{"until": {bad}}).Want(http.StatusUnprocessableEntity).Page()
		if got := page.Find(`form[action="`+at+`/support"] #until`).AttrOr("value", ""); got != bad || page.Find("#until-error").Length() != 1 || !strings.HasPrefix(page.Find("title").Text(), "Error: ") {
			t.Errorf("of %q the form keeps %q, with %d errors", bad, got, page.Find("#until-error").Length())
		}
	}
	root.Post(at+"/support", nil).Want(http.StatusUnprocessableEntity)
	if got := is(); got != "" || x.count("SELECT count(*) FROM events WHERE name LIKE 'user.support%'") != 0 {
		t.Fatalf("they are of support until %q", got)
	}
	for _, ahead := range []int{0, accounts.SupportDays, 7, 7} { // today; the last; shortened; again, which changes nothing
		root.Post(at+"/support", url.Values{"until": {x.day(ahead)}}).Want(http.StatusSeeOther)
		if got, want := is(), x.day(ahead)+"T23:59:59Z"; got != want {
			t.Errorf("they are of support until %q, want %q", got, want)
		}
	}
	if got := x.text("SELECT message FROM events WHERE name = 'user.supportGranted'"); got != `"Root" made "Sven" somebody of support until `+spelled(x.day(0))+", 23:59 UTC." {
		t.Errorf("the event says %q", got)
	}
	if got := x.text("SELECT message FROM events WHERE name = 'user.supportChanged' ORDER BY id DESC LIMIT 1"); got != `"Root" changed until when "Sven" is of support, from `+spelled(x.day(accounts.SupportDays))+", 23:59 UTC to "+spelled(x.day(7))+", 23:59 UTC." {
		t.Errorf("the event says %q", got)
	}
	if n := x.count("SELECT count(*) FROM events WHERE name = 'user.supportChanged'"); n != 2 {
		t.Errorf("%d events of changes", n)
	}
	last := `time[datetime^="` + x.day(7) + `"]`
	if row := root.Get("/admin?q=" + url.QueryEscape(x.sven.Email)).Want(http.StatusOK).Page().Find("tbody tr"); !strings.Contains(row.Text(), "Support until ") || row.Find(last).Length() != 1 {
		t.Errorf("the list says %q", words(row))
	}
	page := root.Get(at).Want(http.StatusOK).Page()
	if page.Find("main "+last).Length() != 1 || page.Find("#until").AttrOr("value", "") != x.day(7) || page.Find(`form[action="`+at+`/no-support"]`).Length() != 1 {
		t.Errorf("the page says %q", words(page.Find("main")))
	}
	if text := words(x.signIn().Get("/account/access").Want(http.StatusOK).Page().Find("main")); !strings.Contains(text, "until the end of "+spelled(x.day(7))+" UTC") {
		t.Errorf("they read %q", text)
	}

	// They need a second factor from now on, and until it is cleared away that they are no more.
	nora := x.User("Nora")
	c := x.SignIn(nora)
	c.Get("/").Want(http.StatusOK)
	root.Post("/admin/users/"+num(nora.ID)+"/support", url.Values{"until": {x.day(0)}}).Want(http.StatusSeeOther)
	for range 2 {
		if r := c.Get("/").Want(http.StatusSeeOther); r.Location != "/account/security" {
			t.Errorf("without a second factor they are led to %s", r.Location)
		}
		x.pass(0, -time.Second)
		c, root = x.SignIn(nora), x.SignIn(x.root)
	}
	x.house("housekeeping")
	c.Get("/").Want(http.StatusOK)

	// Who cannot sign in is none.
	for name, u := range map[string]accounts.User{"disabled": x.User("Dora"), "invited": x.User("Ivo")} {
		x.Update(func(tx *db.Tx) error { return tx.Must("UPDATE users SET state = $2 WHERE id = $1", u.ID, name) })
		at := "/admin/users/" + num(u.ID)
		root.Post(at+"/support", url.Values{"until": {x.day(1)}}).Want(http.StatusSeeOther)
		page := root.Get(at).Want(http.StatusOK).Page()
		if text := words(page.Find("body")); !strings.Contains(text, "Only somebody who can sign in can be of support.") || strings.Contains(text, "Support until") || page.Find("#until").Length() != 0 {
			t.Errorf("%s: the page says %q", name, text)
		}
	}
}

// TestSupportIsOver: with the end of the last day somebody of support is so no more, and out of
// all that they entered by it, before anything comes by to clear it away: they see nothing, ask
// for nothing, and nobody sees them. Then it is cleared away once, with one mail.
func TestSupportIsOver(t *testing.T) {
	t.Parallel()
	x := newSupporting(t, webtest.Options{Idle: true, Config: withMailbox})
	visited, admin := x.Project("Visited", false)
	joined, _ := x.Project("Joined", false)
	asked, decider := x.Project("Asked", false)
	boss, theirs := x.User("Boss"), x.Member(visited, access.Guest)
	organization := ofOrganization(x.Site, joined, boss)
	ofOrganization(x.Site, visited, boss)
	x.Update(func(tx *db.Tx) error { // who reads the lists of projects is in them
		if err := tenancy.Join(tx, boss.Actor(), visited, boss, access.Admin); err != nil {
			return err
		}
		return tenancy.Join(tx, boss.Actor(), joined, boss, access.Admin)
	})
	lets(x.Site, asked, false)
	x.until(x.day(2))
	c := x.signIn()
	c.Post("/projects/"+num(visited.ID)+"/join", asVisitor).Want(http.StatusSeeOther)
	c.Post(organization+"/join", asVisitor).Want(http.StatusSeeOther)
	c.Post("/projects/"+num(joined.ID)+"/join", asVisitor).Want(http.StatusSeeOther)
	c.Post("/projects/"+num(asked.ID)+"/request", asVisitor).Want(http.StatusSeeOther)
	if row := words(c.Get("/account/access").Want(http.StatusOK).Page().Find(`tbody tr:contains("Request")`)); !strings.Contains(row, "Request Ticket 9 Admin") || !strings.Contains(row, "For 7 days, if approved") {
		t.Errorf("of what they ask for they read %q", row)
	}
	request := x.SignIn(decider).Get(users(asked)+"?status=asking").Want(http.StatusOK).Page().Find("tbody a.row-link").AttrOr("href", "")
	tokens := "SELECT count(*) FROM tokens WHERE user_id = $1 AND deleted_at IS NULL"
	if n := x.count(tokens, x.sven.ID); n != 2 {
		t.Fatalf("%d tokens", n)
	}
	// see is in how many of the lists of others Sven is.
	see := func() (seen []string) {
		for at, u := range map[string]accounts.User{
			users(visited): admin, users(joined): boss, users(asked): decider, organization + "/members": boss,
			"/projects/" + num(visited.ID) + "/settings/access": boss, "/projects/" + num(joined.ID) + "/settings/access": boss, "/projects/" + num(asked.ID) + "/settings/access": decider,
		} {
			if strings.Contains(x.SignIn(u).Get(at+"?format=json").Want(http.StatusOK).Body, x.sven.Email) {
				seen = append(seen, at)
			}
		}
		return seen
	}
	open := []string{"/projects/" + num(visited.ID), "/projects/" + num(joined.ID), organization, organization + "/audit", "/maintainers/1"}

	x.pass(2, time.Minute)
	c = x.signIn()
	for _, at := range open {
		c.Get(at).Want(http.StatusOK)
	}
	if got := see(); len(got) != 7 {
		t.Errorf("before the end they are seen in %q", got)
	}
	if c.Get("/").Page().Find(`a[href="/maintainers"]`).Length() == 0 {
		t.Error("before the end no page leads to the maintainers")
	}

	x.pass(0, -time.Second)
	for _, at := range append(open, "/projects/"+num(visited.ID)+"/join", "/projects/"+num(joined.ID)+"/join", "/projects/"+num(asked.ID)+"/request") {
		c.Get(at).Want(http.StatusNotFound)
	}
	for at, f := range map[string]url.Values{
		"/projects/" + num(visited.ID) + "/join": asVisitor, "/projects/" + num(joined.ID) + "/join": asVisitor, "/projects/" + num(asked.ID) + "/request": asVisitor,
		organization + "/join": asVisitor, organization + "/join/end": nil, "/projects/" + num(asked.ID) + "/request/cancel": nil,
	} {
		c.Post(at, f).Want(http.StatusNotFound)
	}
	x.SignIn(decider).Post(request+"/approve", nil).Want(http.StatusConflict)
	if got := see(); len(got) != 0 {
		t.Errorf("after the end they are seen in %q", got)
	}
	page := c.Get("/account/access").Want(http.StatusOK).Page()
	if c.Get("/").Page().Find(`a[href="/maintainers"]`).Length() != 0 || page.Find("tbody tr").Length() != 0 || strings.Contains(words(page.Find("main")), "Support") {
		t.Errorf("they read %q", words(page.Find("main")))
	}
	if text := words(x.SignIn(x.root).Get("/admin/users/" + num(x.sven.ID)).Page().Find("main dl")); strings.Contains(text, "Support") {
		t.Errorf("super admins read %q", text)
	}
	if text := x.SignIn(theirs).Get("/projects/" + num(visited.ID)).Want(http.StatusOK).Page().Find(".banner").Text(); strings.Contains(text, "Sven") {
		t.Errorf("the members read %q", text)
	}
	// They keep the second factor until it is cleared away, at least.
	if c.Post("/account/two-step/delete", nil); x.count("SELECT count(*) FROM factors WHERE user_id = $1", x.sven.ID) != 1 {
		t.Error("the factor is gone")
	}
	if n := x.count("SELECT count(*) FROM users WHERE support_until IS NOT NULL"); n != 1 {
		t.Fatalf("it was cleared away already: %d", n)
	}

	for range 2 {
		x.house("housekeeping")
	}
	for what, want := range map[string]int64{"supportEnded": 1, "membershipEnded": 0, "memberRemoved": 0, "teamRemoved": 0} {
		if n := toldOf(t, x.Site, what, x.sven.Email); n != want {
			t.Errorf("they got %d mails %s, want %d", n, what, want)
		}
	}
	if text := newest(t, x.Site, x.sven.Email).Text(); !strings.Contains(text, "You are out of every project and organization that you were in by it.") {
		t.Errorf("the mail says %q", text)
	}
	for query, want := range map[string]int64{
		"SELECT count(*) FROM events WHERE name = 'user.supportEnded' AND actor_name = 'Steward' AND message = 'The time of \"Sven\" (" + x.sven.Email + ") as somebody of support was over.'": 1,
		"SELECT count(*) FROM events WHERE name IN ('project.memberRemoved', 'organization.memberRemoved') AND actor_name = 'Steward'":                                                         3,
		"SELECT count(*) FROM events WHERE name = 'project.memberEnded'":                                                                                                                       0,
		"SELECT count(*) FROM users WHERE support_until IS NOT NULL":                                                                                                                           0,
		"SELECT count(*) FROM organization_members WHERE through = 'support'":                                                                                                                  0,
		"SELECT count(*) FROM join_requests WHERE state = 'pending'":                                                                                                                           0,
		"SELECT count(*) FROM memberships WHERE through <> ''":                                                                                                                                 0,
		"SELECT count(*) FROM tokens WHERE user_id = " + num(x.sven.ID) + " AND deleted_at IS NULL":                                                                                            0,
	} {
		if n := x.count(query); n != want {
			t.Errorf("%d, want %d: %s", n, want, query)
		}
	}
	c.Post("/account/two-step/delete", nil)
	if x.count("SELECT count(*) FROM factors WHERE user_id = $1", x.sven.ID) != 0 {
		t.Error("the factor cannot be turned off")
	}
}

// TestSupportIsProlonged: a visit, of a project or of an organization, keeps the end that it had when
// the right lasts longer, and ends sooner with a sooner last day. What was over does not come back
// with another day.
func TestSupportIsProlonged(t *testing.T) {
	t.Parallel()
	x := newSupporting(t, webtest.Options{Idle: true})
	visited, admin := x.Project("Visited", false)
	boss := x.User("Boss")
	organization := ofOrganization(x.Site, visited, boss)
	is := func(in bool) {
		t.Helper()
		if got := x.in(visited); got != in {
			t.Errorf("in the project: %t", got)
		}
		member := x.count("SELECT count(*) FROM organization_members WHERE user_id = $1 AND expires_at > $2", x.sven.ID, x.Clock.Now())
		if (member == 1) != in {
			t.Errorf("of the organization: %d", member)
		}
	}
	// ends is the last day that the lists of both tell.
	ends := func(want string) {
		t.Helper()
		for at, u := range map[string]accounts.User{users(visited): admin, organization + "/members": boss} {
			var people []struct{ Email, Expires string }
			x.SignIn(u).Get(at + "?format=json").Want(http.StatusOK).JSON(&people)
			day := ""
			for _, m := range people {
				if m.Email == x.sven.Email {
					day, _, _ = strings.Cut(m.Expires, "T")
				}
			}
			if day != want {
				t.Errorf("%s: it ends on %q, want %q", at, day, want)
			}
		}
	}
	visit := func() {
		t.Helper()
		c := x.signIn()
		c.Post(organization+"/join", asVisitor).Want(http.StatusSeeOther)
		c.Post("/projects/"+num(visited.ID)+"/join", asVisitor).Want(http.StatusSeeOther)
	}
	x.until(x.day(1))
	visit()
	ends(x.day(1))
	first := x.day(1)
	x.until(x.day(40))
	ends(first)
	x.pass(1, -time.Hour)
	is(false)
	visit()
	ends(x.day(7))
	x.until(x.day(3))
	ends(x.day(3))
	is(true)

	// A super admin holds the right without an end, and loses it with one.
	x.does("super-admin", nil)
	x.pass(4, 0)
	is(false)
	x.house("housekeeping")
	visit()
	x.until(x.day(2))
	ends(x.day(7))
	x.does("no-super-admin", nil)
	ends(x.day(2))
	is(true)
	x.pass(2, -time.Second)
	is(false)

	// Another day brings nothing back, whether it was cleared away before or not.
	x.until(x.day(9))
	is(false)
	if n := x.count("SELECT count(*) FROM events WHERE name = 'user.supportEnded'"); n != 2 {
		t.Errorf("%d times it has ended", n)
	}
	visit()
	is(true)
	x.does("no-support", nil)
	is(false)
}

// TestSupportAmongMembers: to an organization somebody of support is none that it can rely on,
// and who is invited to it stays when they are of support no more.
func TestSupportAmongMembers(t *testing.T) {
	t.Parallel()
	x := newSupporting(t, webtest.Options{Idle: true})
	p, _ := x.Project("Small", false)
	boss := x.User("Boss")
	organization := ofOrganization(x.Site, p, boss)
	x.Update(func(tx *db.Tx) error { // who made it
		return tx.Must("DELETE FROM organization_members WHERE organization_id = $1 AND user_id <> $2", p.Organization, boss.ID)
	})
	x.until(x.day(1))
	x.signIn().Post(organization+"/join", asVisitor).Want(http.StatusSeeOther)
	member := x.SignIn(boss)
	if r := member.Post(organization+"/members/leave", nil).Want(http.StatusSeeOther); !strings.HasPrefix(r.Location, organization) {
		t.Errorf("the last one leaves to %s", r.Location)
	}
	member.Get(organization).Want(http.StatusOK)
	sent := url.Values{"emails": {x.sven.Email}, "reason": {""}, "days": {"7"}}
	if page := member.Get(organization + "/members/" + num(x.sven.ID)).Want(http.StatusOK).Page(); page.Find(`main time[datetime^="`+x.day(1)+`"]`).Length() != 1 {
		t.Error("their page does not say until when they are in it")
	}
	x.pass(1, -time.Second)
	x.SignIn(boss).Post(organization+"/members", sent).Want(http.StatusOK)
	c := x.signIn()
	c.Post(asked(c), nil).Want(http.StatusSeeOther)
	x.house("housekeeping")
	c.Get(organization).Want(http.StatusOK)
	x.SignIn(boss).Post(organization+"/members/leave", nil).Want(http.StatusSeeOther)
	c.Post(organization+"/members/leave", nil)
	c.Get(organization).Want(http.StatusOK) // they are the last now
}

// TestLastDaysStay: a last day that was agreed in a project stays, whatever becomes of its person's
// place in the organization, and wherever the project moves.
func TestLastDaysStay(t *testing.T) {
	t.Parallel()
	x := newSupporting(t, webtest.Options{Idle: true})
	p, admin := x.Project("Agreed", false)
	other, _ := x.Project("Other", false)
	member, left := x.User("Member of both"), x.User("Left")
	organization := ofOrganization(x.Site, p, member, left)
	ofOrganization(x.Site, other, member)
	path := "/projects/" + num(p.ID)
	for _, u := range []accounts.User{member, left} {
		x.SignIn(u).Post(path+"/join", asMember).Want(http.StatusSeeOther)
	}
	x.SignIn(left).Post(organization+"/members/leave", nil).Want(http.StatusSeeOther)
	x.Update(func(tx *db.Tx) error { // who gives time to somebody who is Share
		return tenancy.JoinOrganization(tx, admin.Actor(), p.Organization, admin)
	})
	agree := func(u accounts.User, day string) {
		t.Helper()
		c := x.SignIn(admin)
		c.Post(rowOf(c, p, u.Email)+"/last-day", lasting(day)).Want(http.StatusSeeOther)
		if got := expires(c, p, u.Email); got != day {
			t.Errorf("%s has the last day %q, want %q", u.Name, got, day)
		}
	}
	agree(left, x.day(11))
	agree(member, x.day(7))
	x.SignIn(x.root).Post(path+"/move", url.Values{"to": {num(other.Organization)}, "confirm": {p.Name}}).Want(http.StatusSeeOther)
	if got := expires(x.SignIn(admin), p, member.Email); got != x.day(7) {
		t.Errorf("after the move the last day is %q", got)
	}
}
