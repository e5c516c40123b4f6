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
	"steward/internal/tenancy"
	"steward/web/webtest"
)

// endings are the rows of a list of somebody's page about what waits no more.
func endings(c *webtest.Client, list string) (out []string) {
	for _, row := range c.Get("/account/invitations").Want(http.StatusOK).Page().Find(`[aria-labelledby="` + list + `"] tbody tr`).EachIter() {
		out = append(out, words(row))
	}
	return out
}

// toldBy are the sentences of the events of a name that are in a project, or in none.
func toldBy(s *webtest.Site, name string) (out []string) {
	s.T.Helper()
	s.View(func(tx *db.Tx) (err error) {
		out, err = db.All(tx, db.Scalar[string], "SELECT message FROM events WHERE name = $1 ORDER BY id", name)
		return err
	})
	return out
}

// TestJoinedWithoutInvitation: who joins by themselves has accepted no invitation that waits: it was
// not needed any more, wherever it is told.
func TestJoinedWithoutInvitation(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Joined", false)
	boss := s.User("Boss")
	ofOrganization(s, p, boss)
	c, mine := s.SignIn(admin), s.SignIn(boss)
	c.Post(users(p), inviting(access.Guest, boss.Email)).Want(http.StatusOK)
	at, accept := rowOf(c, p, boss.Email), asked(mine)
	mine.Post("/projects/"+num(p.ID)+"/join", url.Values{"role": {"readOnly"}, "reason": {""}}).Want(http.StatusSeeOther)
	if got := endings(mine, "past"); len(got) != 1 || !strings.Contains(got[0], "Not needed any more: you joined by yourself") || strings.Contains(got[0], "Accepted") {
		t.Errorf("their list has %q", got)
	}
	if text := text(c.Get(at).Want(http.StatusOK), "main"); !strings.Contains(text, "It was not needed any more: they joined by themselves.") || strings.Contains(text, "accepted") {
		t.Errorf("the page of the invitation says %q", text)
	}
	if got := toldBy(s, "project.invitationClosed"); len(got) != 1 || got[0] != `The invitation of `+boss.Email+` to "Joined" was not needed any more: they joined by themselves.` {
		t.Errorf("the events are %q", got)
	}
	if r := mine.Post(accept, nil); r.Status != http.StatusSeeOther || r.Location != "/projects/"+num(p.ID) {
		t.Errorf("who accepts afterwards is led by %d to %q", r.Status, r.Location)
	}

	q, first := s.Project("Above", false)

	// One whose time is over is that, and one that is accepted is that.
	late := s.User("Late")
	ofOrganization(s, q, late)
	s.SignIn(first).Post(users(q), inviting(access.Guest, late.Email, admin.Email)).Want(http.StatusOK)
	mine = s.SignIn(admin)
	mine.Post(asked(mine), nil).Want(http.StatusSeeOther)
	if got := endings(mine, "past"); len(got) != 1 || !strings.Contains(got[0], "Accepted") {
		t.Errorf("of one that was accepted the list has %q", got)
	}
	s.Clock.Forward(8 * 24 * time.Hour)
	mine = s.SignIn(late)
	mine.Post("/projects/"+num(q.ID)+"/join", url.Values{"role": {"guest"}, "reason": {""}}).Want(http.StatusSeeOther)
	if got := endings(mine, "past"); len(got) != 1 || !strings.Contains(got[0], "Its time was over") {
		t.Errorf("of one whose time was over the list has %q", got)
	}
	if got := toldBy(s, "project.invitationClosed"); len(got) != 1 {
		t.Errorf("the events are %q", got)
	}
}

// asks has somebody of support ask to join a project that lets nobody in by themselves. back signs
// them in again.
func asks(s *webtest.Site, p tenancy.Project, name string) (u accounts.User, c *webtest.Client, back func() *webtest.Client) {
	s.T.Helper()
	lets(s, p, false)
	u, c, secret := ofSupport(s, name)
	c.Post("/projects/"+num(p.ID)+"/request", url.Values{"reason": {"Ticket 9"}, "hours": {"8"}}).Want(http.StatusSeeOther)
	return u, c, func() *webtest.Client {
		s.Clock.Forward(time.Minute)
		c := s.SignIn(u)
		c.Post("/mfa", url.Values{"code": {s.Code(secret)}}).Want(http.StatusSeeOther)
		return c
	}
}

// TestRequestsOfDeleted: who has asked to join a project that is deleted gets a mail, by hand or by
// time, and reads that it is deleted wherever they look; the page that asks before says so, and
// each leaves an event.
func TestRequestsOfDeleted(t *testing.T) {
	t.Parallel()
	l := newLife(t, "Goes away")
	sven, c, _ := asks(l.Site, l.p, "Sven")
	mina, _, _ := asks(l.Site, l.p, "Mina")
	before := l.SignIn(l.admin)
	var waiting int64
	l.View(func(tx *db.Tx) (err error) {
		waiting, err = db.Value[int64](tx, "SELECT count(*) FROM join_requests WHERE project_id = $1 AND state = 'pending'", l.p.ID)
		return err
	})
	if text := text(before.Get(l.path("/settings/project/delete")).Want(http.StatusOK), `[aria-labelledby="then"]`); !strings.Contains(text, "Requests to join it are closed, too. "+num(waiting)+" wait.") {
		t.Errorf("the page says %q", text)
	}
	l.delete(before).Want(http.StatusSeeOther)
	for _, u := range []accounts.User{sven, mina} {
		if n := toldOf(t, l.Site, "joinClosed", u.Email); n != 1 {
			t.Errorf("%s got %d mails", u.Name, n)
		}
	}
	if text := words(newest(t, l.Site, sven.Email)); !strings.Contains(text, "Your request to join the project Goes away") || !strings.Contains(text, "deleted the project.") {
		t.Errorf("the mail says %q", text)
	}
	if got := toldBy(l.Site, "project.joinRequestClosed"); int64(len(got)) != waiting || !strings.Contains(strings.Join(got, "\n"), `The request of "Sven" (`+sven.Email+`) to join "Goes away" was closed: the project was deleted.`) {
		t.Errorf("the events are %q", got)
	}
	for _, path := range []string{"", "/request", "/settings/users"} {
		r := c.Get(l.path(path)).Want(http.StatusForbidden)
		if text := text(r, "main"); !strings.Contains(text, "This project was deleted.") || r.Page().Find(`main a[href$="/request"]`).Length() > 0 {
			t.Errorf("%s says %q", path, text)
		}
	}
	c.Get(l.path("/join")).Want(http.StatusNotFound) // which they could not do before
	if got := endings(c, "asked"); len(got) != 1 || !strings.Contains(got[0], "Goes away Closed: the project was deleted") {
		t.Errorf("their list has %q", got)
	}

	other := newLife(t, "Runs out")
	ursa, _, back := asks(other.Site, other.p, "Ursa")
	other.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE projects SET expires_at = $2 WHERE id = $1", other.p.ID, tx.Now.Add(time.Hour))
	})
	other.Clock.Forward(2 * time.Hour)
	if text := text(back().Get(other.path("/request")).Want(http.StatusForbidden), "main"); !strings.Contains(text, "The time of this project is over") {
		t.Errorf("before the sweep it says %q", text)
	}
	if err := other.App.Tenancy.Expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if text := words(newest(t, other.Site, ursa.Email)); !strings.Contains(text, "the time of the project was over, so it was deleted.") {
		t.Errorf("the mail says %q", text)
	}
}

// TestRequestsOfMoved: who has asked to join a project that moves, and who loses the right by which
// they asked, are told.
func TestRequestsOfMoved(t *testing.T) {
	t.Parallel()
	m := newMove(t, webtest.Options{Idle: true, Config: withMailbox})
	sven, c, _ := asks(m.Site, m.p, "Sven")
	m.moved(m.to)
	if text := words(newest(t, m.Site, sven.Email)); !strings.Contains(text, "Boss moved the project to another organization.") || strings.Contains(text, "Target") {
		t.Errorf("the mail says %q", text)
	}
	if got := endings(c, "asked"); len(got) != 1 || !strings.Contains(got[0], "Mover Closed: the project was moved to another organization") {
		t.Errorf("their list has %q", got)
	}
	p, admin := m.Project("Right", false)
	mina, c, _ := asks(m.Site, p, "Mina")
	at := m.SignIn(admin).Get(users(p)+"?status=asking").Want(http.StatusOK).Page().Find("tbody a.row-link").AttrOr("href", "")
	m.SignIn(m.SuperAdmin("Root")).Post("/admin/users/"+num(mina.ID)+"/no-support", nil).Want(http.StatusSeeOther)
	if told := strings.Join(lettersTo(t, m.Site, mina.Email)[:2], "\n"); !strings.Contains(told, "you do not have the right any more by which you asked.") || !strings.Contains(told, "Root took from you the right") || strings.Contains(told, "places") {
		t.Errorf("the mails say %q", told)
	}
	if got := endings(c, "asked"); len(got) != 1 || !strings.Contains(got[0], "Closed: you lost the right by which you asked") {
		t.Errorf("their list has %q", got)
	}
	if text := text(m.SignIn(admin).Get(at).Want(http.StatusOK), "main"); !strings.Contains(text, "It was closed: they lost the right by which they asked.") {
		t.Errorf("who decides reads %q", text)
	}
	if got := strings.Join(toldBy(m.Site, "project.joinRequestClosed"), "\n"); !strings.Contains(got, `to join "Mover" was closed: the project was moved`) || !strings.Contains(got, `to join "Right" was closed: they lost the right`) {
		t.Errorf("the events are %q", got)
	}
}

// TestAskedBefore: who asked reads on the page where they asked, and in their account, what became
// of it, for 30 days; who decides reads whether it was taken back or not needed.
func TestAskedBefore(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Asked", false)
	member, path := s.SignIn(admin), "/projects/"+num(p.ID)
	sven, c, back := asks(s, p, "Sven")
	request := func() string {
		return member.Get(users(p)+"?status=asking").Want(http.StatusOK).Page().Find("tbody a.row-link").AttrOr("href", "")
	}
	reads := func(at string, decides string, own ...string) {
		t.Helper()
		if text := text(member.Get(at).Want(http.StatusOK), "main"); !strings.Contains(text, decides) {
			t.Errorf("who decides reads %q", text)
		}
		last, list := text(c.Get(path+"/request").Want(http.StatusOK), `[aria-labelledby="last"]`), endings(c, "asked")
		for _, x := range own {
			if !strings.Contains(last, x) || len(list) == 0 || !strings.Contains(list[0], x) {
				t.Errorf("who asked reads %q and %q, not %q", last, list, x)
			}
		}
	}
	again := func() {
		t.Helper()
		s.Clock.Forward(time.Minute)
		c.Post(path+"/request", url.Values{"reason": {"Ticket 10"}, "hours": {"8"}}).Want(http.StatusSeeOther)
	}
	at := request()
	if n := c.Get(path + "/request").Want(http.StatusOK).Page().Find(`[aria-labelledby="last"]`).Length(); n != 0 {
		t.Error("one that waits is over")
	}
	member.Post(at+"/reject", url.Values{"reason": {"Use the other one"}}).Want(http.StatusSeeOther)
	reads(at, admin.Name+" did not let them in.", admin.Name+" did not let you in", "Use the other one")
	again()
	at = request()
	c.Post(path+"/request/cancel", nil).Want(http.StatusSeeOther)
	reads(at, "They took it back.", "You took it back")
	again()
	at = request()
	s.Clock.Forward(7*24*time.Hour + time.Minute)
	member, c = s.SignIn(admin), back()
	reads(at, "Its time was over before anybody decided.", "Its time was over before anybody decided")
	again()
	at = request()
	member.Post(users(p), inviting(access.Guest, sven.Email)).Want(http.StatusOK)
	c.Post(asked(c), nil).Want(http.StatusSeeOther)
	member.Post(memberOf(member, p, sven.Email)+"/remove", nil).Want(http.StatusSeeOther)
	reads(at, "It was not needed any more: they accepted an invitation.", "Not needed any more: you accepted an invitation")
	again()
	at = request()
	member.Post(at+"/approve", nil).Want(http.StatusSeeOther)
	s.Clock.Forward(9 * time.Hour)
	member, c = s.SignIn(admin), back()
	reads(at, admin.Name+" let them in.", admin.Name+" let you in")
	if got := endings(c, "asked"); len(got) != 5 {
		t.Errorf("their list has %q", got)
	}
	if got := endings(s.SignIn(admin), "asked"); len(got) != 0 {
		t.Errorf("somebody else's list has %q", got)
	}
	s.Clock.Forward(31 * 24 * time.Hour)
	c = back()
	if got := endings(c, "asked"); len(got) != 0 || c.Get(path+"/request").Want(http.StatusOK).Page().Find(`[aria-labelledby="last"]`).Length() != 0 {
		t.Errorf("a month later there are %q", got)
	}
}

// memberOf is where a member of a project is.
func memberOf(c *webtest.Client, p tenancy.Project, email string) string {
	return c.Get(users(p)+"?status=active&q="+url.QueryEscape(email)).Want(http.StatusOK).Page().Find("tbody a.row-link").AttrOr("href", "")
}

// TestPastOfProject: those who invite find what became of invitations that wait no more, the last
// that ended first, on pages and in exports; nobody else does.
func TestPastOfProject(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Past", false)
	boss, guest := s.User("Boss"), s.Member(p, access.Guest)
	organization := ofOrganization(s, p, boss)
	for at, who := range map[string]accounts.User{users(p): admin, organization + "/members": boss} {
		c := s.SignIn(who)
		form := func(emails ...string) url.Values {
			if f := inviting(access.Guest, emails...); at == users(p) {
				return f
			}
			return url.Values{"emails": {strings.Join(emails, "\n")}, "reason": {"Because"}, "days": {"7"}}
		}
		page := func(query string) webtest.Response { return c.Get(at + "?status=over" + query).Want(http.StatusOK) }
		if c.Get(at).Want(http.StatusOK).Page().Find(`select option[value="over"]`).Length() != 1 {
			t.Errorf("%s: there is no such filter", at)
		}
		yes, no := s.User("Yes"), s.User("No")
		c.Post(at, form(yes.Email, no.Email, "off@example.com", "late@example.com")).Want(http.StatusOK)
		c.Post(c.Get(at+"?q=off@").Want(http.StatusOK).Page().Find("tbody a.row-link").AttrOr("href", "")+"/cancel", nil).Want(http.StatusSeeOther)
		s.Clock.Forward(time.Minute)
		mine := s.SignIn(yes)
		mine.Post(asked(mine), nil).Want(http.StatusSeeOther)
		s.Clock.Forward(time.Minute)
		mine = s.SignIn(no)
		mine.Post(strings.TrimSuffix(asked(mine), "accept")+"decline", nil).Want(http.StatusSeeOther)
		s.Clock.Forward(7 * 24 * time.Hour)
		want := []string{"late@example.com expired", no.Email + " declined", yes.Email + " accepted", "off@example.com cancelled"}
		for _, marked := range []bool{false, true} { // before and after the sweep
			if marked {
				s.Update(tenancy.CloseInvitations)
			}
			c = s.SignIn(who)
			if got := endedIn(c, at+"?status=over"); strings.Join(got, ", ") != strings.Join(want, ", ") {
				t.Errorf("%s, marked %t: the list has %q", at, marked, got)
			}
			rows := page("").Page().Find("tbody tr")
			if text := words(rows.Eq(1)); rows.Length() != 4 || !strings.Contains(text, no.Email) || !strings.Contains(text, "It was declined.") {
				t.Errorf("%s, marked %t: the second of %d rows says %q", at, marked, rows.Length(), text)
			}
			if text := text(c.Get(rows.Eq(2).Find("a.row-link").AttrOr("href", "")).Want(http.StatusOK), "main"); !strings.Contains(text, "It was accepted.") {
				t.Errorf("%s: the page of it says %q", at, text)
			}
			if got := endedIn(c, at+"?status=over&q=OFF"); len(got) != 1 || got[0] != "off@example.com cancelled" {
				t.Errorf("%s: a search finds %q", at, got)
			}
		}
		if body := page("&format=csv").Body; strings.Count(body, "\n") != 5 || !strings.Contains(body, "declined") {
			t.Errorf("%s: as CSV it is %q", at, body)
		}
		c.Get(at + "?status=over&after=ix").Want(http.StatusUnprocessableEntity)
		s.Clock.Forward(31 * 24 * time.Hour)
		c = s.SignIn(who)
		if got := endedIn(c, at+"?status=over"); len(got) != 0 {
			t.Errorf("%s: a month later it has %q", at, got)
		}
	}
	c := s.SignIn(guest)
	if c.Get(users(p)).Want(http.StatusOK).Page().Find(`select option[value="over"]`).Length() != 0 {
		t.Error("the filter is offered to who may not invite")
	}
	c.Get(users(p) + "?status=over").Want(http.StatusForbidden)
	c.Get(users(p) + "?status=over&format=json").Want(http.StatusForbidden)
}

// endedIn is what a list says to programs of invitations that wait no more.
func endedIn(c *webtest.Client, list string) (out []string) {
	var rows []struct {
		Email, Outcome string
		Ended          time.Time
		State          *string
	}
	c.Get(list + "&format=json").Want(http.StatusOK).JSON(&rows)
	for i, r := range rows {
		if r.State != nil || i > 0 && r.Ended.After(rows[i-1].Ended) {
			out = append(out, "wrong:")
		}
		out = append(out, r.Email+" "+r.Outcome)
	}
	return out
}

// TestPastPages: the list of invitations that wait no more is walked by its links, each once, also
// where many ended at the same moment.
func TestPastPages(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Many", false)
	u := s.User("")
	const ended = 123
	s.Update(func(tx *db.Tx) error {
		for i := range ended {
			id, err := tx.NewID("invitations")
			if err != nil {
				return err
			}
			state, at := "declined", any(tx.Now.Add(-time.Duration(i/50)*time.Hour))
			if i%50 == 7 {
				state, at = "pending", nil
			}
			if state == "pending" && i > 7 { // of one person no more than one waits
				state, at = "cancelled", tx.Now
			}
			if _, err := tx.Exec(`INSERT INTO invitations (id, project_id, user_id, email, role, reason, days, newcomer, state, created_at, created_by, expires_at, ended_at)
				VALUES ($1, $2, $3, $4, 'guest', '', 7, FALSE, $5, $6, $7, $8, $9)`, id, p.ID, u.ID, u.Email, state, tx.Now.AddDate(0, 0, -8), admin.ID, tx.Now.Add(-time.Hour), at); err != nil {
				return err
			}
		}
		return nil
	})
	c := s.SignIn(admin)
	seen, pages := map[string]int{}, 0
	for path := users(p) + "?status=over"; path != "" && pages < 10; pages++ {
		page := c.Get(path).Want(http.StatusOK).Page()
		for _, a := range page.Find("tbody a.row-link").EachIter() {
			seen[a.AttrOr("href", "")]++
		}
		path = page.Find(`a[rel="next"]`).AttrOr("href", "")
	}
	if len(seen) != ended || pages != 3 {
		t.Errorf("%d invitations on %d pages", len(seen), pages)
	}
	for at, n := range seen {
		if n != 1 {
			t.Errorf("%s is there %d times", at, n)
		}
	}
}
