package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/tenancy"
	"steward/web/webtest"
)

// ofSupport makes somebody of support who signs in in two steps, and gives the secret.
func ofSupport(s *webtest.Site, name string) (accounts.User, *webtest.Client, string) {
	s.T.Helper()
	u := s.User(name)
	c := s.SignIn(u)
	secret, _ := s.TwoStep(c)
	s.Update(func(tx *db.Tx) error {
		return s.App.Tenancy.GrantSupport(tx, access.Actor{Name: "The operator", SuperAdmin: true}, u.ID, tx.Now.AddDate(0, 0, 90))
	})
	return u, c, secret
}

// lets says whether the organization of a project lets visitors in by themselves.
func lets(s *webtest.Site, p tenancy.Project, on bool) {
	s.T.Helper()
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE organizations SET allow_auto_join = $2 WHERE id = $1", p.Organization, on)
	})
}

// TestVisits: somebody of support comes in with a reason and for a time, which everybody in
// the project sees on every page, and is out by themselves.
func TestVisits(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	for _, governed := range []bool{false, true} {
		p, admin := s.Project("Visited", governed)
		sven, c, _ := ofSupport(s, "Sven")
		member, path := s.SignIn(admin), "/projects/"+num(p.ID)
		if r := c.Get(path).Want(http.StatusForbidden); r.Page().Find(`a[href="`+path+`/join"]`).Length() != 1 {
			t.Error("the page does not lead to the way in")
		}
		for _, f := range []url.Values{{"reason": {""}, "hours": {"8"}}, {"reason": {"Ticket 7"}, "hours": {"0"}}, {"reason": {"Ticket 7"}, "hours": {"9999"}}, {"reason": {"Ticket 7"}, "hours": {"8"}, "role": {"share"}}} {
			c.Post(path+"/join", f).Want(http.StatusUnprocessableEntity)
		}
		c.Post(path+"/join", url.Values{"reason": {"Ticket 7"}, "hours": {"8"}}).Want(http.StatusSeeOther)
		c.Get(path).Want(http.StatusOK)
		role := map[bool]string{false: "admin", true: "developer"}[governed]
		if got := strings.Join(listed(member, p, ""), " "); !strings.Contains(got, sven.Email+" "+role) {
			t.Errorf("the list has %q", got)
		}
		for _, page := range []string{"", "/storage", "/trash", "/settings/users", "/storage/jobs"} {
			if text := member.Get(path + page).Want(http.StatusOK).Page().Find(".banner").Text(); !strings.Contains(text, "Sven, of support, is in this project until ") || !strings.Contains(text, ": Ticket 7") {
				t.Errorf("%s says %q", page, text)
			}
		}
		if body := member.Get(path + "/settings/users").Body; !strings.Contains(body, "Ticket 7") || !strings.Contains(body, "Support") {
			t.Error("the list does not say why, and that they are of support")
		}
		s.Clock.Forward(8*time.Hour + time.Second)
		member = s.SignIn(admin)
		if text := member.Get(path).Want(http.StatusOK).Page().Find(".banner").Text(); strings.Contains(text, "Sven") {
			t.Errorf("afterwards it says %q", text)
		}
		s.View(func(tx *db.Tx) error {
			if _, err := tenancy.Enter(tx, sven.Actor(), p.ID, access.ProjectRead); err == nil {
				t.Error("they are in it still")
			}
			return nil
		})
	}
}

// TestRequests: where an organization lets nobody in by themselves, visitors see no more than
// a project's name and ask; those who manage its people decide, and nobody else.
func TestRequests(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Config: withMailbox})
	p, admin := s.Project("Asked", false)
	lets(s, p, false)
	sven, c, _ := ofSupport(s, "Sven")
	guest, boss := s.Member(p, access.Guest), s.User("Boss")
	organization := ofOrganization(s, p, boss)
	member, path := s.SignIn(admin), "/projects/"+num(p.ID)
	request := func() string {
		return member.Get(users(p)+"?status=asking").Want(http.StatusOK).Page().Find("tbody a.row-link").AttrOr("href", "")
	}
	wish := url.Values{"reason": {"Ticket 8"}, "hours": {"24"}}
	c.Get(path + "/join").Want(http.StatusForbidden)
	c.Post(path+"/join", wish).Want(http.StatusForbidden)
	c.Get(organization).Want(http.StatusForbidden)
	if r := c.Get(path).Want(http.StatusForbidden); r.Page().Find(`a[href="`+path+`/request"]`).Length() != 1 {
		t.Error("the page does not lead to the form")
	}
	for _, f := range []url.Values{{"reason": {" "}, "hours": {"24"}}, {"reason": {"x"}, "hours": {"25"}}} {
		c.Post(path+"/request", f).Want(http.StatusUnprocessableEntity)
	}
	c.Post(path+"/request", wish).Want(http.StatusSeeOther)
	if twice := c.Post(path+"/request", wish).Want(http.StatusUnprocessableEntity); !strings.Contains(text(twice, ".error-summary"), "A request of yours waits already.") || twice.Page().Find(`form[action="`+path+`/request/cancel"]`).Length() != 1 {
		t.Errorf("who asks twice reads %q", text(twice, "main"))
	}
	if toldOf(t, s, "joinRequested", admin.Email) != 1 || toldOf(t, s, "joinRequested", guest.Email) != 0 {
		t.Error("not those who decide were mailed")
	}
	at := request()
	if text := member.Get(at).Want(http.StatusOK).Page().Find("main").Text(); !strings.Contains(text, "Ticket 8") || !strings.Contains(text, "1 day") {
		t.Errorf("the request says %q", text)
	}
	for _, page := range []string{"users", "access"} {
		row := words(member.Get(path + "/settings/" + page).Want(http.StatusOK).Page().Find("tbody tr:contains('Ticket 8')"))
		if !strings.Contains(row, "Admin") || !strings.Contains(row, "For 1 day, if approved") || strings.Contains(row, "Never") {
			t.Errorf("the page %s says %q", page, row)
		}
		var rows []map[string]any
		member.Get(path + "/settings/" + page + "?format=json&q=" + url.QueryEscape(sven.Email)).Want(http.StatusOK).JSON(&rows)
		if len(rows) == 0 || rows[len(rows)-1]["role"] != "admin" || rows[len(rows)-1]["hours"] != 24.0 || rows[len(rows)-1]["expires"] != nil || rows[len(rows)-1]["state"] != "active" || rows[len(rows)-1]["twoStep"] != true {
			t.Errorf("programs are told by %s: %v", page, rows)
		}
	}
	for name, x := range map[string]struct {
		c      *webtest.Client
		status int
	}{"guest": {s.SignIn(guest), http.StatusForbidden}, "organization member": {s.SignIn(boss), http.StatusForbidden}, "who asked": {c, http.StatusForbidden}, "outsider": {s.SignIn(s.User("")), http.StatusNotFound}} {
		if r := x.c.Post(at+"/approve", nil); r.Status != x.status {
			t.Errorf("%s approves: %d", name, r.Status)
		}
	}
	c.Get(path).Want(http.StatusForbidden)

	// Rejected, with a reason, which is shown as it is and nothing more; taken back, approved.
	for _, reason := range []string{strings.Repeat("x", 201), "a\u202eb"} {
		if r := member.Post(at+"/reject", url.Values{"reason": {reason}}).Want(http.StatusUnprocessableEntity); r.Page().Find("#reason").AttrOr("value", "") != reason || r.Page().Find("#reason-error").Length() != 1 {
			t.Errorf("the form loses what was typed, %q, or says nothing", reason)
		}
	}
	const no = "<b>Nothing stands still</b> https://evil.example"
	member.Post(at+"/reject", url.Values{"reason": {" " + no + " "}}).Want(http.StatusSeeOther)
	// The others who decide, whose mails lead there, read who did what, and can do nothing more.
	other := s.SignIn(s.Member(p, access.Admin))
	decided := func(outcome string) {
		t.Helper()
		tried := []webtest.Response{other.Get(at).Want(http.StatusOK), other.Post(at+"/approve", nil).Want(http.StatusConflict), other.Post(at+"/reject", url.Values{"reason": {""}}).Want(http.StatusConflict)}
		for i, r := range tried {
			if text := words(r.Page().Find("main")); !strings.Contains(text, "What became of it "+outcome+" When ") || r.Page().Find("main form").Length() != 0 || (i > 0) != strings.Contains(text, "This request does not wait any more. Nothing was changed.") {
				t.Errorf("try %d of a request that waits no more says %q", i, text)
			}
		}
		s.SignIn(guest).Get(at).Want(http.StatusForbidden)
	}
	decided(admin.Name + " did not let them in.")
	if got := words(other.Get(at).Page().Find("main")); !strings.Contains(got, "Reason that they were given "+no) || other.Get(at).Page().Find("main b").Length() != 0 {
		t.Errorf("of why it was rejected the page says %q", got)
	}
	c.Get(path).Want(http.StatusForbidden)
	other.Get(at + "0").Want(http.StatusNotFound)
	if body := newest(t, s, sven.Email); !strings.Contains(body.Text(), "<b>Nothing stands still</b> https: //evil.example") || body.Find(`b, a[href*="evil"]`).Length() != 0 {
		t.Errorf("the mail says %q", body.Text())
	}
	if text := member.Get(path + "/settings/audit?event=project.joinRequestRejected").Want(http.StatusOK).Page().Find("tbody").Text(); !strings.Contains(text, `to join "Asked": "`+no+`".`) {
		t.Errorf("the audit says %q", text)
	}
	c.Post(path+"/request", wish).Want(http.StatusSeeOther)
	at = request()
	c.Post(path+"/request/cancel", nil).Want(http.StatusSeeOther)
	c.Post(path+"/request/cancel", nil).Want(http.StatusNotFound)
	decided("They took it back.")
	c.Post(path+"/request", wish).Want(http.StatusSeeOther)
	at = request()
	member.Post(at+"/approve", nil).Want(http.StatusSeeOther)
	decided(admin.Name + " let them in.")
	c.Get(path).Want(http.StatusOK)
	if toldOf(t, s, "joinApproved", sven.Email) != 1 || toldOf(t, s, "joinRejected", sven.Email) != 1 {
		t.Error("who asked is not mailed")
	}
	if body := member.Get(users(p)).Body; !strings.Contains(body, "Asked to join, approved by Admin of Asked") || !strings.Contains(body, "Ticket 8") {
		t.Error("the list does not tell who let them in, and why")
	}
	if r := c.Post(path+"/request", wish); r.Location != path { // a member has no need to
		t.Errorf("asking from inside: %d %s", r.Status, r.Location)
	}

	// Who is of support no more is out at once.
	root := s.SignIn(s.SuperAdmin("Root"))
	if text := root.Get(organization).Want(http.StatusOK).Page().Find(`main a[href="` + path + `/request"]`).Text(); text != "Ask to join Asked" {
		t.Errorf("who may only ask is offered %q", text)
	}
	root.Post("/admin/users/"+num(sven.ID)+"/no-support", nil).Want(http.StatusSeeOther)
	c.Get(path).Want(http.StatusNotFound)
	c.Post(path+"/request", wish).Want(http.StatusNotFound)
}

// newest is the last mail to an address, as the mailbox shows it.
func newest(t *testing.T, s *webtest.Site, email string) *goquery.Selection {
	t.Helper()
	if err := s.App.Jobs.Drain(t.Context(), jobs.System); err != nil {
		t.Fatal(err)
	}
	c := s.Anonymous()
	at := c.Get("/mailbox?q="+url.QueryEscape(email)).Want(http.StatusOK).Page().Find("tbody a").AttrOr("href", "")
	return c.Get(at).Want(http.StatusOK).Page().Find("main")
}

// TestRequestEnds: a request counts for a week, and only as long as its person could make it.
func TestRequestEnds(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Late", false)
	lets(s, p, false)
	mina := s.User("Mina")
	var owner int64
	s.Update(func(tx *db.Tx) (err error) {
		if owner, err = db.Value[int64](tx, "SELECT maintainer_id FROM organizations WHERE id = $1", p.Organization); err == nil {
			err = tenancy.JoinMaintainer(tx, mina.Actor(), owner, mina)
		}
		return err
	})
	path, wish := "/projects/"+num(p.ID), url.Values{"reason": {"Look"}, "hours": {"1"}}
	ask := func() (approve string) {
		s.SignIn(mina).Post(path+"/request", wish).Want(http.StatusSeeOther)
		return s.SignIn(admin).Get(users(p)+"?status=asking").Page().Find("tbody a.row-link").AttrOr("href", "") + "/approve"
	}
	at := ask()
	s.Clock.Forward(7*24*time.Hour + time.Second) // nothing has come by to close it
	if text := words(s.SignIn(admin).Post(at, nil).Want(http.StatusConflict).Page().Find("main")); !strings.Contains(text, "Its time was over before anybody decided.") {
		t.Errorf("of a request whose time is over it says %q", text)
	}
	at = ask()
	s.Update(func(tx *db.Tx) error { return tx.Must("UPDATE users SET state = 'disabled' WHERE id = $1", mina.ID) })
	s.SignIn(admin).Post(at, nil).Want(http.StatusConflict)
	s.Update(func(tx *db.Tx) error { return tx.Must("UPDATE users SET state = 'active' WHERE id = $1", mina.ID) })
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE organizations SET mfa_required = TRUE WHERE id = $1", p.Organization)
	})
	member := s.SignIn(admin)
	s.TwoStep(member)
	member.Post(at, nil).Want(http.StatusConflict)
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE organizations SET mfa_required = FALSE WHERE id = $1", p.Organization)
	})
	member.Post(at, nil).Want(http.StatusSeeOther)
	c := s.SignIn(mina)
	c.Get(path).Want(http.StatusOK)
	// Removed from the maintainer, they are out of what they were let into by it.
	root := s.SignIn(s.SuperAdmin("Root"))
	root.Post("/maintainers/"+num(owner)+"/members/"+num(mina.ID)+"/remove", nil).Want(http.StatusSeeOther)
	c.Get(path).Want(http.StatusNotFound)
}

// TestMaintainers: a super admin makes a maintainer and invites its people; these make
// organizations, see the tree of projects, and come in as the organizations let them.
func TestMaintainers(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	root, mina := s.SignIn(s.SuperAdmin("Root")), s.User("Mina")
	c, outsider := s.SignIn(mina), s.SignIn(s.User(""))
	root.Post("/maintainers", url.Values{"name": {""}}).Want(http.StatusUnprocessableEntity)
	members := root.Post("/maintainers", url.Values{"name": {"North EU"}}).Want(http.StatusSeeOther).Location
	path := strings.TrimSuffix(members, "/members")
	outsider.Post("/maintainers", url.Values{"name": {"Mine"}}).Want(http.StatusForbidden)
	c.Get(path).Want(http.StatusNotFound)
	root.Post(members, url.Values{"emails": {mina.Email}, "reason": {""}, "days": {"7"}}).Want(http.StatusOK)
	if text := c.Get("/account/invitations").Want(http.StatusOK).Page().Find("main").Text(); !strings.Contains(text, "To projects, organizations and maintainers.") {
		t.Errorf("the invitations are said to be %q", text)
	}
	c.Post(asked(c), nil).Want(http.StatusSeeOther)
	c.Get(path).Want(http.StatusOK)
	if text := c.Get("/maintainers").Page().Find("tbody").Text(); !strings.Contains(text, "North EU") {
		t.Errorf("the maintainers are %q", text)
	}
	outsider.Get("/maintainers").Want(http.StatusOK)
	if strings.Contains(outsider.Get("/maintainers").Body, "North EU") {
		t.Error("somebody else sees the maintainer")
	}
	next := c.Post(path+"/settings", url.Values{"name": {"North Europe"}}).Want(http.StatusSeeOther)
	undo, fields := c.Get(next.Location).Form(path + "/settings")
	if fields.Get("name") != "North EU" {
		t.Errorf("the undo is %v", fields)
	}
	c.Post(undo, fields).Want(http.StatusSeeOther)
	organization := c.Post(path+"/organizations", url.Values{"name": {"Harbour"}}).Want(http.StatusSeeOther).Location
	project := c.Post(organization+"/projects", url.Values{"name": {"Quay"}, "template": {"production"}}).Want(http.StatusSeeOther).Location
	number := strings.TrimPrefix(organization, "/organizations/")
	if text := c.Get(path + "?organization=" + number).Want(http.StatusOK).Page().Find("tbody").Text(); !strings.Contains(text, "Harbour") || !strings.Contains(text, "Quay") {
		t.Errorf("the tree is %q", text)
	}
	// Another of the maintainer is no member of the organization: they visit, or ask.
	other := s.User("Max")
	s.Update(func(tx *db.Tx) error {
		id, err := db.Value[int64](tx, "SELECT id FROM maintainers WHERE name = 'North EU'")
		if err != nil {
			return err
		}
		return tenancy.JoinMaintainer(tx, other.Actor(), id, other)
	})
	visitor := s.SignIn(other)
	open := path + "?organization=" + number
	if visitor.Get(open).Page().Find(`a[href="`+project+`/join"]`).Length() != 1 {
		t.Error("the tree does not lead into the project")
	}
	c.Post(organization+"/settings", url.Values{"name": {"Harbour"}}).Want(http.StatusSeeOther)
	tree := visitor.Get(open).Want(http.StatusOK).Page()
	if tree.Find(`a[href="`+project+`/request"]`).Length() != 1 || tree.Find(`a[href="`+organization+`"]`).Length() != 0 {
		t.Error("the tree does not lead to asking, or leads to an organization that is closed")
	}
	visitor.Get(organization).Want(http.StatusForbidden)
	visitor.Post(organization+"/join", nil).Want(http.StatusForbidden)
	c.Post(organization+"/settings", url.Values{"name": {"Harbour"}, "autoJoin": {"1"}}).Want(http.StatusSeeOther)
	visitor.Post(organization+"/join", asVisitor).Want(http.StatusSeeOther)
	visitor.Get(organization + "/audit").Want(http.StatusOK)
	visitor.Get(organization + "/billing").Want(http.StatusForbidden)
}

// TestJoinersTold: the members of an organization get a mail when somebody joins it by
// themselves, who can do so a few times a day only.
func TestJoinersTold(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Config: withMailbox})
	p, admin := s.Project("Told", false)
	boss, gone := s.User("Boss"), s.User("Gone")
	organization := ofOrganization(s, p, boss, gone)
	s.Update(func(tx *db.Tx) error { return tx.Must("UPDATE users SET state = 'disabled' WHERE id = $1", gone.ID) })
	sven, c, _ := ofSupport(s, "Sven <b>Berg</b>")
	told := func(of int64) {
		t.Helper()
		for u, want := range map[accounts.User]int64{boss: of, gone: 0, sven: 0, admin: 0} { // who is only in its project belongs to it not
			if n := toldOf(t, s, "teamJoined", u.Email); n != want {
				t.Errorf("%s got %d mails, want %d", u.Name, n, want)
			}
		}
	}
	lets(s, p, false)
	c.Post(organization+"/join", nil).Want(http.StatusForbidden)
	told(0)
	lets(s, p, true)
	c.Post(organization+"/join", asVisitor).Want(http.StatusSeeOther)
	told(1)
	letter := newest(t, s, boss.Email)
	if text := letter.Text(); !strings.Contains(text, "Sven <b>Berg</b> ("+sven.Email+"), of support, joined the organization Organization of Told") || letter.Find("b").Length() != 0 || letter.Find(`a[href="`+s.URL+organization+`/members"]`).Length() != 1 {
		t.Errorf("the mail says %q", text)
	}
	c.Post(organization+"/join", asVisitor).Want(http.StatusSeeOther) // twice
	told(1)
	for range 19 {
		c.Post(organization+"/join/end", nil).Want(http.StatusSeeOther)
		c.Post(organization+"/join", asVisitor).Want(http.StatusSeeOther)
	}
	told(20)
	c.Post(organization+"/join/end", nil).Want(http.StatusSeeOther)
	c.Post(organization+"/join", asVisitor).Want(http.StatusTooManyRequests)
	told(20)
	c.Get(organization + "/billing").Want(http.StatusForbidden)
}

// operator is who acts at the command line.
func operator() access.Actor { return access.Actor{Name: "The operator", SuperAdmin: true} }

// TestPutOutOfOrganization: whoever is in an organization by a right and is removed from it is out
// of what they visit of it, too; who leaves it by themselves, and who belongs to it, keeps their
// places.
func TestPutOutOfOrganization(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, _ := s.Project("Lent", false)
	boss, own := s.User("Boss"), s.User("Own")
	organization, path := ofOrganization(s, p, boss, own), "/projects/"+num(p.ID)
	_, leaves, _ := ofSupport(s, "Leaves")
	removed, out, _ := ofSupport(s, "Removed")
	for _, c := range []*webtest.Client{leaves, out} {
		c.Post(organization+"/join", asVisitor).Want(http.StatusSeeOther)
		c.Post(path+"/join", asVisitor).Want(http.StatusSeeOther)
		c.Get(path).Want(http.StatusOK)
	}
	leaves.Post(organization+"/join/end", nil).Want(http.StatusSeeOther)
	leaves.Post(organization+"/join/end", nil).Want(http.StatusNotFound)
	leaves.Get(path).Want(http.StatusOK)
	at := organization + "/members/" + num(removed.ID)
	b := s.SignIn(boss)
	if text := words(b.Get(at).Want(http.StatusOK).Page().Find("main")); !strings.Contains(text, "Their visits to its projects end, too.") || !strings.Contains(text, "Ends at once") || strings.Contains(text, "until somebody takes") {
		t.Errorf("the page says %q", text)
	}
	b.Post(at+"/remove", nil).Want(http.StatusSeeOther)
	if r := out.Get(path); r.Status != http.StatusForbidden || !strings.Contains(r.Body, "lets you join it, for a time") {
		t.Errorf("who is removed gets %d", r.Status)
	}
	c := s.SignIn(own)
	c.Post(path+"/join", url.Values{"role": {"share"}, "reason": {""}}).Want(http.StatusSeeOther)
	c.Post(organization+"/members/leave", nil).Want(http.StatusSeeOther)
	c.Get(path).Want(http.StatusOK)
	if log := b.Get(organization + "/audit?event=project.memberRemoved").Page().Find("tbody").Text(); !strings.Contains(log, "who had come by a right, from the organization, and from") {
		t.Errorf("the audit log says %s", log)
	}
}

// TestAskAsMember: who belongs to the organization, and to its maintainer too, joins and does
// not ask.
func TestAskAsMember(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, _ := s.Project("Asked", false)
	both := s.User("Both")
	ofOrganization(s, p, both)
	s.Update(func(tx *db.Tx) error {
		owner, err := db.Value[int64](tx, "SELECT maintainer_id FROM organizations WHERE id = $1", p.Organization)
		if err != nil {
			return err
		}
		return tenancy.JoinMaintainer(tx, both.Actor(), owner, both)
	})
	lets(s, p, false)
	c, path := s.SignIn(both), "/projects/"+num(p.ID)
	if r := c.Get(path + "/request").Want(http.StatusSeeOther); r.Location != path+"/join" {
		t.Errorf("they are led to %s", r.Location)
	}
	if r := c.Post(path+"/request", url.Values{"reason": {"To see"}, "hours": {"8"}}).Want(http.StatusSeeOther); r.Location != path+"/join" {
		t.Errorf("who asks is led to %s", r.Location)
	}
	c.Post(path+"/join", url.Values{"role": {"guest"}, "reason": {""}}).Want(http.StatusSeeOther)
}

// TestRightsEnd: what somebody entered by a right goes with the right: projects that they
// visit or made, and organizations that they joined.
func TestRightsEnd(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, _ := s.Project("Theirs", false)
	boss := s.User("Boss")
	organization, path := ofOrganization(s, p, boss), "/projects/"+num(p.ID)
	made := url.Values{"name": {"Made"}, "template": {"production"}}
	sven, support, _ := ofSupport(s, "Sven")
	support.Post(organization+"/join", asVisitor).Want(http.StatusSeeOther)
	support.Post(path+"/join", asVisitor).Want(http.StatusSeeOther)
	support.Get(path).Want(http.StatusOK)
	support.Post(organization+"/projects", made).Want(http.StatusForbidden)
	if text := s.SignIn(boss).Get(organization + "/members").Page().Find("tbody").Text(); !strings.Contains(text, "Joined by themselves") || !strings.Contains(text, "Support") {
		t.Errorf("the members are %q", text)
	}
	s.Update(func(tx *db.Tx) error { return s.App.Tenancy.RevokeSupport(tx, operator(), sven.ID) })
	for _, at := range []string{organization, path} {
		support.Get(at).Want(http.StatusNotFound)
	}

	mina := s.User("Mina")
	var owner int64
	s.Update(func(tx *db.Tx) (err error) {
		if owner, err = db.Value[int64](tx, "SELECT maintainer_id FROM organizations WHERE id = $1", p.Organization); err == nil {
			err = tenancy.JoinMaintainer(tx, mina.Actor(), owner, mina)
		}
		return err
	})
	c := s.SignIn(mina)
	project := c.Post(organization+"/projects", made).Want(http.StatusSeeOther).Location
	c.Get(project + "/settings/users/invite").Want(http.StatusOK) // it is theirs to fill, for no time that ends
	c.Post(organization+"/join", asVisitor).Want(http.StatusSeeOther)
	c.Get(organization + "/audit").Want(http.StatusOK)
	another := c.Post(organization+"/projects", url.Values{"name": {"Made as a member"}, "template": {"production"}}).Want(http.StatusSeeOther).Location
	s.SignIn(s.SuperAdmin("Root")).Post("/maintainers/"+num(owner)+"/members/"+num(mina.ID)+"/remove", nil).Want(http.StatusSeeOther)
	for _, at := range []string{organization, project, another, path} {
		c.Get(at).Want(http.StatusNotFound)
	}
	s.SignIn(boss).Get(organization).Want(http.StatusOK)
}

// TestVisitorsAreGuests: case 29, whoever is in a project for a time lets nobody in or out,
// decides on no request, is told of none, and keeps nobody from removing them.
func TestVisitorsAreGuests(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Config: withMailbox})
	p, admin := s.Project("Lent", false)
	boss := s.User("Boss")
	ofOrganization(s, p, boss)
	sven, a, _ := ofSupport(s, "Sven")
	_, b, _ := ofSupport(s, "Berta")
	path := "/projects/" + num(p.ID)
	a.Post(path+"/join", url.Values{"reason": {"Look"}, "hours": {"168"}}).Want(http.StatusSeeOther)
	lets(s, p, false)
	b.Post(path+"/request", url.Values{"reason": {"Look"}, "hours": {"168"}}).Want(http.StatusSeeOther)
	if toldOf(t, s, "joinRequested", admin.Email) != 1 || toldOf(t, s, "joinRequested", sven.Email) != 0 {
		t.Error("not those who decide were mailed")
	}
	member := s.SignIn(admin)
	request := member.Get(users(p)+"?status=asking").Page().Find("tbody a.row-link").AttrOr("href", "")
	at := rowOf(member, p, admin.Email)
	for _, deed := range []string{request + "/approve", request + "/reject", at + "/remove", at + "/role", path + "/settings/project/delete"} {
		if r := a.Post(deed, url.Values{}); r.Status != http.StatusForbidden || !strings.Contains(r.Body, "for a time only") {
			t.Errorf("%s: %d", deed, r.Status)
		}
	}
	a.Post(users(p), inviting(access.Admin, "accomplice@example.com")).Want(http.StatusForbidden)
	a.Get(path + "/storage/buckets/new").Want(http.StatusOK) // what they came for

	// The only other administrator is away; those of the organization throw the visitor out.
	s.Update(func(tx *db.Tx) error { return s.App.Accounts.Disable(tx, operator(), admin.ID) })
	c := s.SignIn(boss)
	var id int64
	s.View(func(tx *db.Tx) (err error) {
		id, err = db.Value[int64](tx, "SELECT id FROM memberships WHERE project_id = $1 AND through = 'support'", p.ID)
		return err
	})
	c.Post(users(p)+"/"+num(id)+"/remove", nil).Want(http.StatusSeeOther)
	a.Get(path).Want(http.StatusForbidden)
}

// TestAutoJoinIsForMembers: nobody but its members decides who may come into an organization's
// projects by themselves, and a visitor of the tree needs the second factor that it asks for.
func TestAutoJoinIsForMembers(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, _ := s.Project("Closed", false)
	lets(s, p, false)
	root, mina := s.SignIn(s.SuperAdmin("Root")), s.User("Mina")
	organization := "/organizations/" + num(p.Organization)
	root.Post(organization+"/settings", url.Values{"name": {"Organization of Closed"}, "autoJoin": {"1"}}).Want(http.StatusForbidden)
	root.Post("/projects/"+num(p.ID)+"/join", url.Values{"reason": {"Look"}, "hours": {"1"}}).Want(http.StatusForbidden)
	path, fields := root.Get(organization + "/settings").Want(http.StatusOK).Form(organization + "/settings")
	fields.Set("name", "Renamed")
	root.Post(path, fields).Want(http.StatusSeeOther)
	root.Get(organization) // which offers to undo it
	lets(s, p, true)
	path, fields = root.Get(organization + "/settings").Form(organization + "/settings")
	root.Post(path, fields).Want(http.StatusSeeOther) // which leaves it open

	var owner int64
	s.Update(func(tx *db.Tx) (err error) {
		if owner, err = db.Value[int64](tx, "SELECT maintainer_id FROM organizations WHERE id = $1 AND allow_auto_join", p.Organization); err != nil {
			return err
		}
		if err := tenancy.JoinMaintainer(tx, mina.Actor(), owner, mina); err != nil {
			return err
		}
		return tx.Must("UPDATE organizations SET mfa_required = TRUE WHERE id = $1", p.Organization)
	})
	c, tree := s.SignIn(mina), "/maintainers/"+num(owner)
	c.Get(tree).Want(http.StatusOK)
	if r := c.Get(tree + "?organization=" + num(p.Organization)); r.Location != "/account/security" {
		t.Errorf("the names of its projects: %d %s", r.Status, r.Location)
	}
}

// TestNobodyDecides: where nobody in a project manages its people, who asks to come in, and who
// comes in from outside, is told to the members of the organization, whom the mail leads to it.
func TestNobodyDecides(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Config: withMailbox})
	p, admin := s.Project("Orphan", false)
	lets(s, p, false)
	boss, mina := s.User("Boss"), s.User("Mina")
	ofOrganization(s, p, admin, boss)
	ofMaintainer(s, p, mina)
	path := "/projects/" + num(p.ID)
	s.SignIn(admin).Post(users(p)+"/leave", url.Values{"last": {"1"}}).Want(http.StatusSeeOther)
	s.SignIn(mina).Post(path+"/request", url.Values{"reason": {"Ticket 9"}, "hours": {"1"}}).Want(http.StatusSeeOther)
	for _, u := range []accounts.User{admin, boss} {
		if n := toldOf(t, s, "joinRequested", u.Email); n != 1 {
			t.Errorf("%s got %d mails", u.Name, n)
		}
	}
	c := s.SignIn(boss)
	at := mailed(t, s, path+"/join")
	if text := words(c.Get(at).Want(http.StatusOK).Page().Find("main")); !strings.Contains(text, "Join") {
		t.Errorf("the mail leads to %q", text)
	}
	c.Post(at, url.Values{"reason": {""}, "role": {"admin"}}).Want(http.StatusSeeOther)
	waits := c.Get(users(p)+"?status=asking").Want(http.StatusOK).Page().Find("tbody a.row-link").AttrOr("href", "")
	c.Post(waits+"/approve", nil).Want(http.StatusSeeOther)
	s.SignIn(mina).Get(path).Want(http.StatusOK)
	// Now somebody decides, and the others are left in peace.
	nora := s.User("Nora")
	ofMaintainer(s, p, nora)
	s.SignIn(nora).Post(path+"/request", url.Values{"reason": {"Ticket 10"}, "hours": {"1"}}).Want(http.StatusSeeOther)
	for u, want := range map[string]int64{boss.Email: 2, admin.Email: 1} {
		if n := toldOf(t, s, "joinRequested", u); n != want {
			t.Errorf("%s got %d mails", u, n)
		}
	}
}
