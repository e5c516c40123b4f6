package console_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
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

// closeOver marks, as the sweep does, what waits and whose time is over, twice.
func closeOver(s *webtest.Site) {
	s.T.Helper()
	for range 2 {
		if err := errors.Join(tenancy.CloseInvitations(s.T.Context(), s.App.DB), tenancy.CloseRequests(s.T.Context(), s.App.DB)); err != nil {
			s.T.Fatal(err)
		}
	}
}

// about are the names of the events about an address and what an audit log tells of it, the last
// first.
func about(c *webtest.Client, log, email string) (out []string) {
	var rows []struct {
		Event, Actor string
		Params       map[string]any
	}
	c.Get(log + "?object=" + url.QueryEscape(email) + "&format=json").Want(http.StatusOK).JSON(&rows)
	for _, r := range rows {
		one := r.Event
		if cause, ok := r.Params["cause"]; ok {
			one += " " + cause.(string)
		}
		if _, ok := r.Params["invitation"]; !ok && strings.Contains(one, "nvitation") {
			one += " of none"
		}
		out = append(out, one+" by "+r.Actor)
	}
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
		rows := func() *gq { return page("").Page().Find("tbody tr") }
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
		want := []string{"late@example.com expired", no.Email + " declined", yes.Email + " accepted", "off@example.com cancelled by " + who.Email}
		for _, marked := range []bool{false, true} { // before and after the sweep
			if marked {
				closeOver(s)
			}
			c = s.SignIn(who)
			if got := endedIn(c, at+"?status=over"); strings.Join(got, ", ") != strings.Join(want, ", ") {
				t.Errorf("%s, marked %t: the list has %q", at, marked, got)
			}
			rows := rows()
			if text := words(rows.Eq(1)); rows.Length() != 4 || !strings.Contains(text, no.Email) || !strings.Contains(text, "It was declined.") {
				t.Errorf("%s, marked %t: the second of %d rows says %q", at, marked, rows.Length(), text)
			}
			if text := text(c.Get(rows.Eq(2).Find("a.row-link").AttrOr("href", "")).Want(http.StatusOK), "main"); !strings.Contains(text, "It was accepted.") {
				t.Errorf("%s: the page of it says %q", at, text)
			}
			if got := endedIn(c, at+"?status=over&q=OFF"); len(got) != 1 || got[0] != "off@example.com cancelled by "+who.Email {
				t.Errorf("%s: a search finds %q", at, got)
			}
		}
		off := who.Name + " (" + who.Email + ") cancelled it."
		if text := words(rows().Eq(3)); !strings.Contains(text, off) {
			t.Errorf("%s: of one that was cancelled the list says %q, not %q", at, text, off)
		}
		main := c.Get(rows().Eq(3).Find("a.row-link").AttrOr("href", "")).Want(http.StatusOK).Page().Find("main")
		if text := words(main); !strings.Contains(text, "What became of it "+off) || !strings.Contains(text, "How they were invited Invited by "+who.Name) {
			t.Errorf("%s: of one that was cancelled its page says %q", at, text)
		}
		s.Update(func(tx *db.Tx) error { // of one from before it was kept who did
			return tx.Must("UPDATE invitations SET ended_by = NULL WHERE email = 'off@example.com' AND ended_by = $1", who.ID)
		})
		if text := words(rows().Eq(3)); !strings.Contains(text, "It was cancelled.") {
			t.Errorf("%s: of one that somebody cancelled the list says %q", at, text)
		}
		if text, roles := text(page(""), "thead"), at == users(p); !strings.Contains(text, "How they were invited") || strings.Contains(text, "Role") != roles {
			t.Errorf("%s: the columns are %q", at, text)
		}
		if text := text(page(""), "footer"); strings.Count(text, "on this page") != 1 || !strings.Contains(text, "Those that ended in the last 30 days") || !strings.Contains(text, "4 invitations on this page") {
			t.Errorf("%s: below the list stands %q", at, text)
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
		Email, Outcome, CancelledBy string
		Ended                       time.Time
		State                       *string
		Counts                      *bool
	}
	c.Get(list + "&format=json").Want(http.StatusOK).JSON(&rows)
	for i, r := range rows {
		if r.CancelledBy != "" {
			r.Outcome += " by " + r.CancelledBy
		}
		if r.State != nil || r.Counts != nil || i > 0 && r.Ended.After(rows[i-1].Ended) {
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

// TestInvitationsOfDeleted: each invitation that is closed because what it is to is deleted leaves an
// event about its person, and one whose time was over before is not closed by that.
func TestInvitationsOfDeleted(t *testing.T) {
	t.Parallel()
	l := newLife(t, "Goes away")
	c := l.SignIn(l.admin)
	c.Post(users(l.p), inviting(access.Guest, "late@example.com")).Want(http.StatusOK)
	l.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE invitations SET expires_at = $1 WHERE email = 'late@example.com'", tx.Now)
	})
	c.Post(users(l.p), inviting(access.Guest, "waits@example.com")).Want(http.StatusOK)
	waiting := l.value("SELECT count(*) FROM invitations WHERE project_id = $1 AND state = 'pending' AND email <> 'late@example.com'", l.p.ID)
	l.delete(c).Want(http.StatusSeeOther)
	got := toldBy(l.Site, "project.invitationClosed")
	if int64(len(got)) != waiting || !slices.Contains(got, `The invitation of waits@example.com to "Goes away" as Guest was closed: the project was deleted.`) {
		t.Errorf("of %d that wait the events are %q", waiting, got)
	}
	if n := l.value("SELECT count(*) FROM events WHERE name = 'project.deleted' AND results LIKE '%\"invitationsClosed\":' || CAST($1 AS TEXT) || ',%'", num(waiting)); n != 1 {
		t.Errorf("the event of the project does not have %d invitations", waiting)
	}
	audit := "/admin/audit"
	if got := strings.Join(about(l.super(), audit, "waits@example.com"), ", "); !strings.HasPrefix(got, "project.invitationClosed deleted by "+l.admin.Name+", project.memberInvited by ") {
		t.Errorf("the log has %q", got)
	}
	if got := strings.Join(about(l.super(), audit, "late@example.com"), ", "); !strings.HasPrefix(got, "project.invitationExpired by Steward, project.memberInvited by ") {
		t.Errorf("of one whose time was over before the log has %q", got)
	}

	// An organization and a maintainer.
	mina := l.User("Mina")
	root := l.super()
	at := strings.TrimSuffix(root.Post("/maintainers", url.Values{"name": {"Short lived"}}).Want(http.StatusSeeOther).Location, "/members")
	invite := func(c *webtest.Client, at, email string) {
		c.Post(at+"/members", url.Values{"emails": {email}, "reason": {""}, "days": {"7"}}).Want(http.StatusOK)
	}
	invite(root, at, mina.Email)
	m := l.SignIn(mina)
	m.Post(asked(m), nil).Want(http.StatusSeeOther)
	organization := m.Post(at+"/organizations", url.Values{"name": {"Its only one"}}).Want(http.StatusSeeOther).Location
	invite(m, at, "above@example.com")
	invite(m, organization, "below@example.com")
	m.Post(organization+"/delete", url.Values{"confirm": {"Its only one"}}).Want(http.StatusSeeOther)
	root.Post(at+"/delete", url.Values{"confirm": {"Short lived"}}).Want(http.StatusSeeOther)
	for name, want := range map[string]string{
		"organization.invitationClosed": `The invitation of below@example.com to the organization "Its only one" was closed: the organization was deleted.`,
		"maintainer.invitationClosed":   `The invitation of above@example.com to the maintainer "Short lived" was closed: the maintainer was deleted.`,
	} {
		if got := toldBy(l.Site, name); len(got) != 1 || got[0] != want {
			t.Errorf("the events are %q", got)
		}
	}
}

// TestInvitationsOfMoved: each invitation that a move closes leaves an event about its person, in the
// organization that invited them.
func TestInvitationsOfMoved(t *testing.T) {
	t.Parallel()
	m := newMove(t, webtest.Options{Idle: true, Config: withMailbox})
	here := m.User("Only here")
	ofOrganization(m.Site, m.p, here)
	m.SignIn(here).Post(users(m.p), inviting(access.Guest, "lost@example.com")).Want(http.StatusOK)
	m.SignIn(m.admin).Post(users(m.p), inviting(access.Guest, "kept@example.com")).Want(http.StatusOK)
	m.moved(m.to)
	if got := toldBy(m.Site, "project.invitationClosed"); len(got) != 1 || got[0] != `The invitation of lost@example.com to "Mover" as Guest was closed: the project was moved to another organization.` {
		t.Errorf("the events are %q", got)
	}
	if got := about(m.SignIn(here), "/organizations/"+num(m.from)+"/audit", "lost@example.com"); len(got) < 1 || got[0] != "project.invitationClosed moved by Boss" {
		t.Errorf("the organization that it left reads %q", got)
	}
}

// TestEventsOfOver: what waits and is over leaves an event by Steward, once, when the sweep marks it
// or somebody else does before; and the log tells what became of each invitation of an address.
func TestEventsOfOver(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Over", false)
	boss, mina := s.User("Boss"), s.User("Mina")
	organization, maintainer := ofOrganization(s, p, boss), ofMaintainer(s, p, mina)
	sven, _, back := asks(s, p, "Sven")
	const email = "late@example.com"
	above := url.Values{"emails": {email}, "reason": {""}, "days": {"7"}}
	s.SignIn(admin).Post(users(p), inviting(access.Guest, email)).Want(http.StatusOK)
	s.SignIn(boss).Post(organization+"/members", above).Want(http.StatusOK)
	s.SignIn(mina).Post(maintainer+"/members", above).Want(http.StatusOK)
	s.Clock.Forward(7*24*time.Hour + time.Minute)
	counted := func(name string, want int, says string) {
		t.Helper()
		if got := toldBy(s, name); len(got) != want || want > 0 && got[0] != says {
			t.Errorf("%s: the events are %q", name, got)
		}
	}
	closeOver(s)
	counted("project.invitationExpired", 1, `The time of the invitation of late@example.com to "Over" as Guest was over before it was answered.`)
	counted("organization.invitationExpired", 1, `The time of the invitation of late@example.com to the organization "Organization of Over" was over before it was answered.`)
	counted("maintainer.invitationExpired", 1, `The time of the invitation of late@example.com to the maintainer "Maintainer of Over" was over before it was answered.`)
	counted("project.joinRequestExpired", 1, `The time of the request of "Sven" (`+sven.Email+`) to join "Over" was over before anybody decided.`)

	// Before the sweep, by who is invited or asks again.
	c := s.SignIn(admin)
	c.Post(users(p), inviting(access.Guest, email)).Want(http.StatusOK)
	again := back()
	again.Post("/projects/"+num(p.ID)+"/request", url.Values{"reason": {"Ticket 10"}, "hours": {"8"}}).Want(http.StatusSeeOther)
	s.Clock.Forward(7*24*time.Hour + time.Minute)
	c, again = s.SignIn(admin), back()
	c.Post(users(p), inviting(access.Guest, email)).Want(http.StatusOK)
	again.Post("/projects/"+num(p.ID)+"/request", url.Values{"reason": {"Ticket 11"}, "hours": {"8"}}).Want(http.StatusSeeOther)
	closeOver(s)
	for _, name := range []string{"project.invitationExpired", "project.joinRequestExpired"} {
		if got := toldBy(s, name); len(got) != 2 {
			t.Errorf("%s: the events are %q", name, got)
		}
	}
	c.Post(rowOf(c, p, email)+"/cancel", nil).Want(http.StatusSeeOther)
	log := strings.Join(about(c, "/projects/"+num(p.ID)+"/settings/audit", email), ", ")
	invited, over := "project.memberInvited by "+admin.Name, "project.invitationExpired by Steward"
	if want := strings.Join([]string{"project.invitationCancelled by " + admin.Name, invited, over, invited, over, invited}, ", "); log != want {
		t.Errorf("the log has\n%s\nnot\n%s", log, want)
	}

	// More than one transaction takes, of as many people.
	const many = 230
	s.Update(func(tx *db.Tx) error {
		for i := range many {
			id, err := tx.NewID("invitations")
			if err != nil {
				return err
			}
			u, err := s.App.Accounts.ByEmail(tx, admin.Email)
			if err == nil {
				u, _, err = s.App.Accounts.Welcome(tx, u.Actor(), "many"+num(int64(i))+"@example.com")
			}
			if err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO invitations (id, project_id, user_id, email, role, reason, days, newcomer, state, created_at, created_by, expires_at)
				VALUES ($1, $2, $3, $4, 'guest', '', 7, TRUE, 'pending', $5, $6, $7)`, id, p.ID, u.ID, u.Email, tx.Now.AddDate(0, 0, -8), admin.ID, tx.Now.Add(-time.Hour)); err != nil {
				return err
			}
		}
		return nil
	})
	closeOver(s)
	if got := toldBy(s, "project.invitationExpired"); len(got) != 2+many {
		t.Errorf("of %d the events are %d", 2+many, len(got))
	}
}

// TestEndsOfPurged: of a project that is purged before its time people read for 30 days what became
// of their invitations and requests, and nothing else is kept of them; then that goes, too.
func TestEndsOfPurged(t *testing.T) {
	t.Parallel()
	l := newLife(t, "Early")
	u, v := l.User("Invited"), l.User("Declines")
	sven, _, back := asks(l.Site, l.p, "Sven")
	c := l.SignIn(l.admin)
	c.Post(users(l.p), url.Values{"emails": {u.Email + " " + v.Email + " new@example.com"}, "role": {"guest"}, "reason": {"For the audit"}, "until": {""}, "days": {"7"}}).Want(http.StatusOK)
	mine := l.SignIn(v)
	mine.Post(strings.TrimSuffix(asked(mine), "accept")+"decline", nil).Want(http.StatusSeeOther)
	l.delete(c).Want(http.StatusSeeOther)
	read := func(after string) {
		t.Helper()
		for who, want := range map[*accounts.User]string{&u: "Early " + l.admin.Name + " Closed: the project was deleted", &v: "Early " + l.admin.Name + " You declined it"} {
			if got := endings(l.SignIn(*who), "past"); len(got) != 1 || !strings.HasPrefix(got[0], want) {
				t.Errorf("%s: the list of %s has %q, not %q", after, who.Name, got, want)
			}
		}
		if got := endings(back(), "asked"); len(got) != 1 || !strings.HasPrefix(got[0], "Early Closed: the project was deleted") {
			t.Errorf("%s: the list of %s has %q", after, sven.Name, got)
		}
	}
	read("deleted")
	l.does(l.super(), "purge", url.Values{"confirm": {"Early"}}).Want(http.StatusSeeOther)
	l.house()
	if state := l.text("SELECT state FROM projects WHERE id = $1", l.p.ID); state != tenancy.Purged {
		t.Fatalf("it is %s", state)
	}
	l.Clock.Forward(29 * 24 * time.Hour)
	l.house("housekeeping")
	read("purged")
	for what, query := range map[string]string{
		"invitations": "SELECT count(*) FROM invitations WHERE project_id = $1 AND (email <> '' OR role <> '' OR reason <> '' OR member_until IS NOT NULL OR days <> 0 OR newcomer OR ended_by IS NOT NULL)",
		"requests":    "SELECT count(*) FROM join_requests WHERE project_id = $1 AND (email <> '' OR reason <> '' OR hours <> 0 OR answer <> '')",
		"links":       "SELECT count(*) FROM account_links WHERE invitation_id IN (SELECT id FROM invitations WHERE project_id = $1)",
	} {
		if n := l.value(query, l.p.ID); n != 0 {
			t.Errorf("of %d %s more is kept than is read", n, what)
		}
	}
	l.Clock.Forward(25 * time.Hour)
	l.house("housekeeping")
	if n := l.value("SELECT (SELECT count(*) FROM invitations WHERE project_id = $1) + (SELECT count(*) FROM join_requests WHERE project_id = $1)", l.p.ID); n != 0 {
		t.Errorf("a month later %d are there", n)
	}
}

// TestRequestsThatWait: who asks to join finds it in their account while it waits, with what they
// asked for, and the way to take it back; its page says the same.
func TestRequestsThatWait(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	for _, governed := range []bool{false, true} {
		p, admin := s.Project("Waits", governed)
		role := tenancy.VisitorRole(governed).Label()
		_, c, back := asks(s, p, "Sven")
		path := "/projects/" + num(p.ID) + "/request"
		got := endings(c, "asking")
		if want := "Waits Organization of Waits " + role + " 8 hours Ticket 9 "; len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("their list has %q, not %q", got, want)
		}
		if n := c.Get("/account/invitations").Page().Find(`[aria-labelledby="asking"] a[href="` + path + `"]`).Length(); n != 1 {
			t.Errorf("%d ways to the request", n)
		}
		if text := text(c.Get(path).Want(http.StatusOK), `[aria-labelledby="waiting"]`); !strings.Contains(text, "Your reason Ticket 9 For how long 8 hours Role "+role) {
			t.Errorf("the page of the request says %q", text)
		}
		if got := endings(s.SignIn(admin), "asking"); len(got) != 0 {
			t.Errorf("somebody else's list has %q", got)
		}
		c.Post(path+"/cancel", nil).Want(http.StatusSeeOther)
		if waits, over := endings(c, "asking"), endings(c, "asked"); len(waits) != 0 || len(over) != 1 {
			t.Errorf("of one that was taken back %q wait, and %q do not", waits, over)
		}
		s.Clock.Forward(time.Minute)
		c.Post(path, url.Values{"reason": {"Ticket 10"}, "hours": {"24"}}).Want(http.StatusSeeOther)
		s.Clock.Forward(7*24*time.Hour + time.Minute)
		if got := endings(back(), "asking"); len(got) != 0 {
			t.Errorf("of one whose time is over the list has %q", got)
		}
	}
}
