package console_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/tenancy"
	"steward/web/webtest"
)

// TestFarewells: a letter to somebody whose place ended says why it did, and how they can come in
// again, as that is.
func TestFarewells(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Config: withMailbox})
	root := s.SuperAdmin("Root")
	p, admin := s.Project("Left", false)
	boss, colleague, mina, guest := s.User("Boss"), s.User("Colleague"), s.User("Mina"), s.Member(p, access.Guest)
	organization, path := ofOrganization(s, p, boss, colleague), "/projects/"+num(p.ID)
	maintainer := ofMaintainer(s, p, mina, boss)
	sven, c, _ := ofSupport(s, "Sven")
	b, a, m := s.SignIn(boss), s.SignIn(admin), s.SignIn(mina)
	lets(s, p, true)
	out := func(email string) {
		t.Helper()
		a.Post(rowOf(a, p, email)+"/remove", nil).Want(http.StatusSeeOther)
	}
	says := func(email string, not string, want ...string) {
		t.Helper()
		text := lettersTo(t, s, email)[0]
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s is told %q, want %q", email, text, w)
			}
		}
		if not != "" && strings.Contains(text, not) {
			t.Errorf("%s is told %q", email, text)
		}
	}

	// By hand: what each can do now.
	out(guest.Email)
	says(guest.Email, "again by yourself", "removed you from the project Left", "You can come back by an invitation.")
	s.Update(func(tx *db.Tx) error { return tenancy.Join(tx, colleague.Actor(), p, colleague, access.Admin) })
	out(colleague.Email)
	says(colleague.Email, "invitation", "You can join it again by yourself.")
	m.Post(path+"/join", asVisitor).Want(http.StatusSeeOther)
	out(mina.Email)
	says(mina.Email, "invitation", "You can join it again by yourself.")

	// Through the door that closes.
	m.Post(organization+"/join", asVisitor).Want(http.StatusSeeOther)
	m.Post(path+"/join", asVisitor).Want(http.StatusSeeOther)
	b.Post(organization+"/settings", url.Values{"name": {"Organization of Left"}}).Want(http.StatusSeeOther)
	for _, text := range lettersTo(t, s, mina.Email)[:2] {
		if !strings.Contains(text, "Boss decided that people of the maintainer and of support have to ask") || !strings.Contains(text, "You can ask to be let in") || strings.Contains(text, "removed you from") {
			t.Errorf("Mina is told %q", text)
		}
	}

	// By time: a visit to the organization, and one to the project.
	lets(s, p, true)
	hour := url.Values{"reason": {"Ticket 4"}, "hours": {"1"}}
	c.Post(organization+"/join", hour).Want(http.StatusSeeOther)
	c.Post(path+"/join", hour).Want(http.StatusSeeOther)
	s.Clock.Forward(61 * time.Minute)
	for range 2 {
		if err := s.App.Tenancy.EndMemberships(t.Context(), s.App.DB); err != nil {
			t.Fatal(err)
		}
	}
	both := lettersTo(t, s, sven.Email)[:2]
	slices.Sort(both)
	for i, subject := range []string{"Your time in Left is over", "Your time in Organization of Left is over"} {
		if !strings.Contains(both[i], subject) || !strings.Contains(both[i], "you can join it") {
			t.Errorf("Sven is told %q", both[i])
		}
	}
	if n := toldOf(t, s, "teamRemoved", sven.Email); n != 1 {
		t.Errorf("%d letters about the organization", n)
	}

	// A right that is taken.
	b, m = s.SignIn(boss), s.SignIn(mina)
	s.Update(func(tx *db.Tx) error {
		o, err := tenancy.EnterOrganization(tx, sven.Actor(), p.Organization, access.ProjectsJoin)
		if err == nil {
			_, err = s.App.Tenancy.JoinProject(tx, o, p.ID, tenancy.Joining{Reason: "Ticket 5", Hours: 8})
		}
		return err
	})
	r := s.SignIn(root)
	r.Post("/admin/users/"+num(sven.ID)+"/no-support", nil).Want(http.StatusSeeOther)
	says(sven.Email, "The time is over", "Root took from you the right", "as somebody of support", "that you were in by it: 1 place.")
	m.Post(path+"/join", asVisitor).Want(http.StatusSeeOther)
	b.Post(maintainer+"/members/"+num(mina.ID)+"/remove", nil).Want(http.StatusSeeOther)
	says(mina.Email, "that others gave you", "Boss removed you from the maintainer", "You are out of what you were in by that, too: 1 place in projects and organizations.", "roles in projects to which you were invited")

	second := s.SuperAdmin("Second")
	r.Post("/admin/users/"+num(second.ID)+"/no-super-admin", nil).Want(http.StatusSeeOther)
	says(second.Email, "as somebody of support", "You are not a super admin any more", "Root took the rights of a super admin from you")

	// What was over before the door closed, and nothing had cleared away, is told as that.
	late := s.User("Late")
	ofMaintainer(s, p, late)
	s.SignIn(late).Post(organization+"/join", hour).Want(http.StatusSeeOther)
	s.Clock.Forward(61 * time.Minute)
	b, r = s.SignIn(boss), s.SignIn(root)
	b.Post(organization+"/settings", url.Values{"name": {"Organization of Left"}}).Want(http.StatusSeeOther)
	says(late.Email, "have to ask before", "Your time in Organization of Left is over")
	lets(s, p, true)

	// Nobody is told who cannot sign in.
	nora := s.User("Nora")
	ofMaintainer(s, p, nora)
	n := s.SignIn(nora)
	n.Post(organization+"/join", asVisitor).Want(http.StatusSeeOther)
	before := len(lettersTo(t, s, nora.Email))
	r.Post("/admin/users/"+num(nora.ID)+"/disable", nil).Want(http.StatusSeeOther)
	disabled := len(lettersTo(t, s, nora.Email)) - before
	b.Post(organization+"/settings", url.Values{"name": {"Organization of Left"}}).Want(http.StatusSeeOther)
	if n := len(lettersTo(t, s, nora.Email)) - before - disabled; n != 0 {
		t.Errorf("%d letters to somebody who is disabled", n)
	}
}

// lettersTo are the letters to an address, the newest first, as people read them.
func lettersTo(t *testing.T, s *webtest.Site, email string) (out []string) {
	t.Helper()
	if err := s.App.Jobs.Drain(t.Context(), jobs.System); err != nil {
		t.Fatal(err)
	}
	c := s.Anonymous()
	for _, a := range c.Get("/mailbox?q=" + url.QueryEscape(email)).Want(http.StatusOK).Page().Find("tbody a").EachIter() {
		out = append(out, words(c.Get(a.AttrOr("href", "")).Want(http.StatusOK).Page().Find("main")))
	}
	return out
}
