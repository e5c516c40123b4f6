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
	"steward/internal/db/dbtest"
	"steward/internal/jobs"
	"steward/internal/tenancy"
	"steward/web/console"
	"steward/web/webtest"
)

// inviting is the form that invites people.
func inviting(role access.Role, emails ...string) url.Values {
	return url.Values{"emails": {strings.Join(emails, "\r\n")}, "role": {string(role)}, "reason": {""}, "until": {""}, "days": {"7"}}
}

// asked is where somebody accepts the only invitation that waits for them.
func asked(c *webtest.Client) string {
	return c.Get("/account/invitations").Want(http.StatusOK).Page().Find(`form[action$="/accept"]`).AttrOr("action", "")
}

// TestInviteNewcomer: somebody without an account is invited, activates it by the mailed
// link, finds the invitation and accepts it. Until then the project's address tells no more
// than that an invitation waits. Case 25: opening links and pages accepts nothing.
func TestInviteNewcomer(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Config: withMailbox})
	p, admin := s.Project("Harvest", false)
	c := s.SignIn(admin)
	// The link lets in whoever has it, so it is in the mail alone.
	if sent := c.Post(users(p), inviting(access.Guest, "Nina@Example.com")).Want(http.StatusOK); strings.Contains(sent.Body, "/activate/") || !strings.Contains(sent.Body, "nina@example.com") {
		t.Error("the link that activates the account is shown, or nothing is said")
	}
	if got := listed(c, p, ""); !slices.Equal(got, []string{"(nina@example.com guest)", admin.Email + " admin"}) {
		t.Errorf("the list has %q", got)
	}
	// The mail, and each that follows, names the day on which the time in the project ends.
	letter := func() string {
		if err := s.App.Jobs.Drain(t.Context(), jobs.System); err != nil {
			t.Fatal(err)
		}
		list := s.Anonymous().Get("/mailbox").Want(http.StatusOK).Page()
		return words(s.Anonymous().Get(list.Find(`tbody a[href^="/mailbox/"]`).AttrOr("href", "")).Want(http.StatusOK).Page().Find("main"))
	}
	if text := letter(); strings.Contains(text, "You are in it until") {
		t.Errorf("without a last day the mail says %q", text)
	}
	known, lasting := s.User("Known"), inviting(access.Guest, "Known")
	day := s.Clock.Now().UTC().AddDate(0, 1, 0)
	lasting.Set("emails", known.Email)
	lasting.Set("until", day.Format(time.DateOnly))
	c.Post(users(p), lasting).Want(http.StatusOK)
	row := rowOf(c, p, known.Email)
	for _, again := range []bool{false, true} {
		if again {
			s.Clock.Forward(time.Second)
			c.Post(row+"/send", nil).Want(http.StatusOK)
		}
		if text := letter(); !strings.Contains(text, "You are in it until "+day.Format("2 January 2006")+", 23:59 UTC") {
			t.Errorf("again %t: with a last day the mail says %q", again, text)
		}
	}
	c.Post(row+"/cancel", nil).Want(http.StatusSeeOther)
	nina := s.Anonymous()
	nina.Get(mailed(t, s, "/activate/"))
	nina.Post("/activate", url.Values{"email": {"nina@example.com"}, "name": {"Nina"}, "password": {another}, "repeat": {another}}).Want(http.StatusSeeOther)
	nina.Post("/login", url.Values{"email": {"nina@example.com"}, "password": {another}}).Want(http.StatusSeeOther)
	if text := nina.Get("/").Want(http.StatusOK).Page().Find(".banner").Text(); !strings.Contains(text, "1 invitation waits for your answer.") {
		t.Errorf("the list of projects says %q", text)
	}
	for range 5 { // as scanners of mail do
		accept := asked(nina)
		nina.Get(accept).Want(http.StatusMethodNotAllowed)
		nina.Do(nina.Request(http.MethodHead, accept, nil)).Want(http.StatusMethodNotAllowed)
	}
	waiting := nina.Get("/projects/" + num(p.ID)).Want(http.StatusForbidden)
	if !strings.Contains(waiting.Body, "You are invited to this project") || strings.Contains(waiting.Body, "Harvest") || waiting.Page().Find(`a[href="/account/invitations"]`).Length() == 0 {
		t.Error("the address of the project does not tell what waits, or tells more")
	}
	if title := waiting.Page().Find("h1").Text(); title != "You are not in this project yet" {
		t.Errorf("the title of the page is %q", title)
	}
	accept := asked(nina)
	nina.Post(accept, url.Values{"role": {"admin"}}).Want(http.StatusUnprocessableEntity)
	if r := nina.Post(accept, nil).Want(http.StatusSeeOther); r.Location != "/projects/"+num(p.ID) {
		t.Errorf("after accepting: %s", r.Location)
	}
	nina.Get("/projects/" + num(p.ID)).Want(http.StatusOK)
	if r := nina.Post(accept, nil).Want(http.StatusSeeOther); r.Location != "/projects/"+num(p.ID) { // once more
		t.Errorf("after accepting twice: %s", r.Location)
	}
	if got := listed(c, p, ""); !slices.Equal(got, []string{"nina@example.com guest", admin.Email + " admin"}) {
		t.Errorf("the list has %q", got)
	}
	if r := c.Post(users(p), inviting(access.Admin, "nina@example.com")).Want(http.StatusUnprocessableEntity); !strings.Contains(r.Body, "nina@example.com is a member already.") {
		t.Error("a member was invited")
	}
}

// TestInvitedAbove: who is invited to an organization or a maintainer reads so at all of its
// addresses, and learns nothing else; a member of the organization who is invited to a project of
// it reads of the invitation there. All others find nothing, as before.
func TestInvitedAbove(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Waiting", false)
	boss, guest, stranger := s.User("Boss"), s.User("Guest"), s.User("Stranger")
	organization := ofOrganization(s, p, boss)
	var maintainer int64
	s.Update(func(tx *db.Tx) (err error) {
		if maintainer, err = db.Value[int64](tx, "SELECT maintainer_id FROM organizations WHERE id = $1", p.Organization); err != nil {
			return err
		}
		return tenancy.JoinMaintainer(tx, boss.Actor(), maintainer, boss)
	})
	above, project := "/maintainers/"+num(maintainer), "/projects/"+num(p.ID)
	c, theirs := s.SignIn(boss), s.SignIn(guest)
	for kind, place := range map[string]string{"organization": organization, "maintainer": above} {
		theirs.Get(place).Want(http.StatusNotFound)
		c.Post(place+"/members", url.Values{"emails": {guest.Email}, "reason": {""}, "days": {"7"}}).Want(http.StatusOK)
		for _, at := range []string{"", "/members", "/settings", "/members/" + num(boss.ID)} {
			r := theirs.Get(place + at).Want(http.StatusForbidden)
			if text := words(r.Page().Find("main")); !strings.Contains(text, "You are invited to this "+kind+", but you do not belong to it yet. Accept the invitation first.") || strings.Contains(r.Body, "Waiting") || r.Page().Find(`a[href="/account/invitations"]`).Length() == 0 {
				t.Errorf("%s%s says %q", place, at, text)
			}
			s.SignIn(stranger).Get(place + at).Want(http.StatusNotFound)
		}
		theirs.Post(place+"/settings", url.Values{"name": {"Mine"}}).Want(http.StatusForbidden)
		theirs.Get(project + "/join").Want(http.StatusNotFound) // what projects there are is for members
		theirs.Get(project).Want(http.StatusNotFound)
		theirs.Get(place + "0/members").Want(http.StatusNotFound)
		theirs.Post(strings.Replace(asked(theirs), "/accept", "/decline", 1), nil).Want(http.StatusSeeOther)
		theirs.Get(place).Want(http.StatusNotFound)
	}
	text := func() string {
		return words(c.Get(project + "/storage").Want(http.StatusForbidden).Page().Find("main"))
	}
	if got := text(); !strings.Contains(got, "Join it first, or have somebody in it invite you.") {
		t.Errorf("a member of the organization reads %q", got)
	}
	s.SignIn(admin).Post(users(p), inviting(access.Guest, boss.Email)).Want(http.StatusOK)
	if got := text(); !strings.Contains(got, "You are invited to this project") || c.Get(project).Page().Find(`a[href="/account/invitations"]`).Length() == 0 {
		t.Errorf("one who is invited reads %q", got)
	}
	c.Get(project + "/settings/users/invite").Want(http.StatusOK) // which they may without joining
	c.Get(project + "/join").Want(http.StatusOK)
	c.Post(asked(c), nil).Want(http.StatusSeeOther)
	c.Get(project).Want(http.StatusOK)
}

// TestInvitationSecret: case 24, the link that activates an account is in its mail and nowhere
// else: in no page, list or address, whoever looks, in no line of the log, and in no column.
func TestInvitationSecret(t *testing.T) {
	t.Parallel()
	log, dsn := new(journal), dbtest.DSN(t)
	s := webtest.Open(t, webtest.Options{Idle: true, DSN: dsn, Log: log, Config: withMailbox})
	p, admin := s.Project("Secretive", false)
	boss, root := s.User("Boss"), s.SuperAdmin("Root")
	ofOrganization(s, p, boss)
	var maintainer int64
	s.Update(func(tx *db.Tx) (err error) {
		if maintainer, err = db.Value[int64](tx, "SELECT maintainer_id FROM organizations WHERE id = $1", p.Organization); err != nil {
			return err
		}
		return tenancy.JoinMaintainer(tx, boss.Actor(), maintainer, boss)
	})
	readers := map[string]*webtest.Client{"admin": s.SignIn(admin), "guest": s.SignIn(s.Member(p, access.Guest)), "reader": s.SignIn(s.Member(p, access.ReadOnly)), "boss": s.SignIn(boss), "root": s.SignIn(root), "nobody": s.Anonymous()}
	organization, above := "/organizations/"+num(p.Organization), "/maintainers/"+num(maintainer)
	var secrets []string
	for _, send := range []func() webtest.Response{
		func() webtest.Response {
			return readers["admin"].Post(users(p), inviting(access.Guest, "nina@example.com"))
		},
		func() webtest.Response {
			return readers["boss"].Post(organization+"/members", url.Values{"emails": {"otto@example.com"}, "reason": {""}, "days": {"7"}})
		},
		func() webtest.Response {
			return readers["boss"].Post(above+"/members", url.Values{"emails": {"mila@example.com"}, "reason": {""}, "days": {"7"}})
		},
		func() webtest.Response {
			return readers["admin"].Post("/projects/"+num(p.ID)+"/settings/invitations/1/send", url.Values{})
		},
	} {
		sent := send().Want(http.StatusOK)
		link := mailed(t, s, "/activate/")
		s.Anonymous().Get(link).Want(http.StatusSeeOther)
		secret := strings.Split(strings.TrimPrefix(link, "/activate/"), "_")[1]
		if strings.Contains(sent.Body, secret) {
			t.Error("who invites sees it")
		}
		secrets = append(secrets, secret)
	}
	if slices.Sort(secrets); len(slices.Compact(secrets)) != 4 || len(secrets[0]) < 43 {
		t.Fatalf("the codes are %q", secrets)
	}
	told := func(text string) bool {
		return slices.ContainsFunc(secrets, func(x string) bool { return strings.Contains(text, x) })
	}
	at := strings.NewReplacer(":project", num(p.ID), ":organization", num(p.Organization), ":maintainer", num(maintainer), ":invitation", "1", ":user", num(admin.ID), ":member", "1", ":request", "1", ":mail", "1",
		":bucket", "in.c-x", ":table", "in.c-x.t", ":file", "1", ":job", "1", ":trash", "1", ":version", "1", ":snapshot", "1", ":session", "1", ":code", "x", ":template", "demo")
	read := 0
	for _, r := range console.New(t.Context(), s.App, nil, nil).Routes() {
		if r.Method != http.MethodGet || strings.HasPrefix(r.Path, "/mailbox") || strings.HasSuffix(r.Path, "/live") {
			continue
		}
		for name, c := range readers {
			for _, path := range []string{at.Replace(r.Path), at.Replace(r.Path) + "?format=json"} {
				answer := c.Get(path)
				if told(answer.Body) || told(answer.Location) || told(fmt.Sprint(answer.Header)) {
					t.Errorf("%s reads it at %s", name, path)
				}
				if answer.Status == http.StatusOK {
					read++
				}
			}
		}
	}
	if read < 250 {
		t.Errorf("only %d pages were read", read)
	}
	if told(log.String()) || !strings.Contains(log.String(), "/activate/") {
		t.Error("the log has it, or nothing of the visit")
	}
	for table, columns := range dbtest.Columns(t, dsn) {
		for _, column := range columns {
			for _, v := range dbtest.Values(t, dsn, table, column) {
				if told(v) {
					t.Errorf("%s.%s has it", table, column)
				}
			}
		}
	}
}

// TestPastInvitations: where the mails about them lead, people read what became of invitations
// that wait no more, for a month; nobody else reads it.
func TestPastInvitations(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	boss, u, stranger := s.User("Boss"), s.User("Invited"), s.User("Stranger")
	past := func(who accounts.User) (out []string) {
		for _, row := range s.SignIn(who).Get("/account/invitations").Want(http.StatusOK).Page().Find(`[aria-labelledby="past"] tbody tr`).EachIter() {
			out = append(out, words(row))
		}
		return out
	}
	invite := func(name string) (tenancy.Project, *webtest.Client) {
		p, admin := s.Project(name, false)
		c := s.SignIn(admin)
		c.Post(users(p), inviting(access.Guest, u.Email)).Want(http.StatusOK)
		return p, c
	}
	p, c := invite("Cancelled one")
	if got := past(u); len(got) != 0 {
		t.Errorf("one that waits is over: %q", got)
	}
	c.Post(rowOf(c, p, u.Email)+"/cancel", nil).Want(http.StatusSeeOther)
	s.Clock.Forward(time.Minute)
	invite("Declined one")
	mine := s.SignIn(u)
	mine.Post(strings.TrimSuffix(asked(mine), "accept")+"decline", nil).Want(http.StatusSeeOther)
	s.Clock.Forward(time.Minute)
	invite("Accepted one")
	mine.Post(asked(mine), nil).Want(http.StatusSeeOther)
	s.Clock.Forward(time.Minute)
	p, _ = s.Project("Above", false)
	c = s.SignIn(boss)
	c.Post(ofOrganization(s, p, boss)+"/members", url.Values{"emails": {u.Email}, "reason": {""}, "days": {"7"}}).Want(http.StatusOK)
	s.Clock.Forward(7*24*time.Hour + time.Minute)
	want := []string{"Organization of Above Boss Its time was over", "Accepted one Admin of Accepted one Accepted", "Declined one Admin of Declined one You declined it", "Cancelled one Admin of Cancelled one Cancelled"}
	for _, marked := range []bool{false, true} { // before and after the sweep
		if marked {
			closeOver(s)
		}
		got := past(u)
		if len(got) != len(want) {
			t.Fatalf("marked %t: there are %q", marked, got)
		}
		for i := range want {
			if !strings.HasPrefix(got[i], want[i]) {
				t.Errorf("marked %t: %q, want %q", marked, got[i], want[i])
			}
		}
	}
	if got := past(stranger); len(got) != 0 {
		t.Errorf("somebody else reads %q", got)
	}
	s.Clock.Forward(25 * 24 * time.Hour)
	if got := past(u); len(got) != 1 {
		t.Errorf("a month later there are %q", got)
	}
}

// TestInvitationIsForOne: case 21, nobody but who is invited sees, accepts or declines an
// invitation; who declined is not in, and may be asked again.
func TestInvitationIsForOne(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Orchard", false)
	c, u := s.SignIn(admin), s.User("")
	c.Post(users(p), inviting(access.Guest, u.Email)).Want(http.StatusOK)
	mine, other := s.SignIn(u), s.SignIn(s.User(""))
	accept := asked(mine)
	decline := strings.TrimSuffix(accept, "accept") + "decline"
	if strings.Contains(other.Get("/account/invitations").Body, "Orchard") {
		t.Error("somebody else sees the invitation")
	}
	for _, path := range []string{accept, decline} {
		other.Post(path, nil).Want(http.StatusNotFound)
		c.Post(path, nil).Want(http.StatusNotFound)
	}
	other.Get("/projects/" + num(p.ID)).Want(http.StatusNotFound)
	mine.Post(decline, nil).Want(http.StatusSeeOther)
	if r := mine.Post(accept, nil).Want(http.StatusSeeOther); r.Location != "/account/invitations" {
		t.Errorf("what was declined is accepted: %s", r.Location)
	}
	mine.Get("/projects/" + num(p.ID)).Want(http.StatusNotFound)
	c.Post(users(p), inviting(access.Guest, u.Email)).Want(http.StatusOK)
	if r := c.Post(users(p), inviting(access.Guest, u.Email)).Want(http.StatusUnprocessableEntity); !strings.Contains(r.Body, "is invited already.") {
		t.Error("the same person was invited twice")
	}
}

// TestAllThatIsWrong: a list of addresses comes back with all of them that are wrong, that are of
// members, or are invited already; nobody is invited then.
func TestAllThatIsWrong(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Lists", false)
	guest, c := s.Member(p, access.Guest), s.SignIn(admin)
	c.Post(users(p), inviting(access.Guest, "one@example.com", "two@example.com")).Want(http.StatusOK)
	says := func(emails ...string) string {
		t.Helper()
		return text(c.Post(users(p), inviting(access.Guest, emails...)).Want(http.StatusUnprocessableEntity), "#emails-error")
	}
	if got := says("good@example.com", "bad", "worse@"); got != `Error: "bad", "worse@" are no full email addresses, like name@example.com.` {
		t.Errorf("it says %q", got)
	}
	if got, want := says("good@example.com", "ONE@example.com", guest.Email, "two@example.com"), "Error: "+guest.Email+" is a member already. one@example.com, two@example.com are invited already."; got != want {
		t.Errorf("it says %q", got)
	}
	if got := listed(c, p, "&status=invited"); len(got) != 2 {
		t.Errorf("invited are %q", got)
	}
}

// TestInvitedLink: the page of an invitation that waits has the link to pass on of who has an
// account; the one that activates an account only its mail has. Who may not invite sees neither.
func TestInvitedLink(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Links", false)
	boss, known := s.User("Boss"), s.User("")
	team := ofOrganization(s, p, boss) + "/members"
	c := s.SignIn(admin)
	c.Post(users(p), inviting(access.Guest, known.Email, "new@example.com")).Want(http.StatusOK)
	theirs := s.SignIn(boss)
	theirs.Post(team, url.Values{"emails": {known.Email + " new@example.com"}, "reason": {""}, "days": {"7"}}).Want(http.StatusOK)
	ofTeam := func(email string) string {
		return theirs.Get(team+"?q="+url.QueryEscape(email)).Want(http.StatusOK).Page().Find("tbody a.row-link").AttrOr("href", "")
	}
	for _, r := range []webtest.Response{c.Get(rowOf(c, p, known.Email)), theirs.Get(ofTeam(known.Email))} {
		if link := r.Want(http.StatusOK).Page().Find("[data-copy]").AttrOr("data-copy", ""); link != s.URL+"/account/invitations" {
			t.Errorf("the link is %q", link)
		}
	}
	for _, r := range []webtest.Response{c.Get(rowOf(c, p, "new@example.com")), theirs.Get(ofTeam("new@example.com"))} {
		if r.Want(http.StatusOK).Page().Find("[data-copy]").Length() != 0 || !strings.Contains(r.Body, "so only their mail has it") {
			t.Error("a link that activates an account is shown, or it is not said where it is")
		}
	}
	// Who is invited reads the address of who invites: anybody may be called anything.
	if text := words(s.SignIn(known).Get("/account/invitations").Want(http.StatusOK).Page().Find("main")); !strings.Contains(text, admin.Name+" ("+admin.Email+") invites you to this project") || !strings.Contains(text, "Boss ("+boss.Email+") invites you to this organization") {
		t.Errorf("who is invited reads %q", text)
	}
	guest := s.SignIn(s.Member(p, access.Guest))
	if r := guest.Get(rowOf(guest, p, known.Email)).Want(http.StatusOK); r.Page().Find("[data-copy]").Length() != 0 || strings.Contains(r.Body, "Link to pass on") {
		t.Error("a guest has it")
	}
}

// TestInvitationEnds: case 22, an invitation whose time is over, or that was cancelled while
// the page with it was open, lets nobody in, though nothing has come by to close it; nor does
// the link that came with it.
func TestInvitationEnds(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Ends", false)
	c, u, v := s.SignIn(admin), s.User(""), s.User("")
	sent := c.Post(users(p), inviting(access.Guest, u.Email, "new@example.com")).Want(http.StatusOK)
	link := strings.TrimPrefix(sent.Page().Find(`[data-copy*="/activate/"]`).AttrOr("data-copy", ""), s.URL)
	mine := s.SignIn(u)
	accept := asked(mine)
	for _, email := range []string{u.Email, "new@example.com"} {
		at := rowOf(c, p, email)
		c.Get(at).Want(http.StatusOK)
		c.Post(at+"/cancel", nil).Want(http.StatusSeeOther)
		before := waitingIn(s, p)
		if c.Get(at).Want(http.StatusOK).Page().Find("main form").Length() != 0 {
			t.Error("a cancelled invitation can be sent again")
		}
		for _, deed := range []string{"/cancel", "/send"} {
			if r := c.Post(at+deed, nil).Want(http.StatusSeeOther); r.Location != at {
				t.Errorf("%s of a cancelled invitation leads to %s", deed, r.Location)
			}
		}
		if waitingIn(s, p) != before {
			t.Error("a cancelled invitation waits again")
		}
	}
	if r := mine.Post(accept, nil).Want(http.StatusSeeOther); r.Location != "/account/invitations" {
		t.Errorf("a cancelled invitation leads to %s", r.Location)
	}
	mine.Get("/projects/" + num(p.ID)).Want(http.StatusNotFound)
	newcomer := s.Anonymous()
	newcomer.Get(link)
	newcomer.Post("/activate", url.Values{"email": {"new@example.com"}, "name": {"New"}, "password": {another}, "repeat": {another}}).Want(http.StatusNotFound)

	c.Post(users(p), inviting(access.Guest, v.Email)).Want(http.StatusOK)
	at := rowOf(c, p, v.Email)
	s.Clock.Forward(6 * 24 * time.Hour)
	c = s.SignIn(admin)
	c.Post(at+"/send", nil).Want(http.StatusOK) // counts from now on
	s.Clock.Forward(6 * 24 * time.Hour)
	late := s.SignIn(v)
	accept = asked(late)
	s.Clock.Forward(24 * time.Hour)
	late = s.SignIn(v)
	if r := late.Post(accept, nil).Want(http.StatusSeeOther); r.Location != "/account/invitations" {
		t.Errorf("an invitation whose time is over leads to %s", r.Location)
	}
	if asked(late) != "" || len(listed(s.SignIn(admin), p, "")) != 1 {
		t.Error("an invitation is shown whose time is over")
	}
	late.Get("/projects/" + num(p.ID)).Want(http.StatusNotFound)
	s.View(func(tx *db.Tx) error { // and nothing has made a member of anybody
		n, err := db.Value[int64](tx, "SELECT count(*) FROM memberships WHERE project_id = $1", p.ID)
		if n != 1 {
			t.Errorf("%d are in the project", n)
		}
		return err
	})
}

// waitingIn is how many invitations to a project wait.
func waitingIn(s *webtest.Site, p tenancy.Project) (n int64) {
	s.View(func(tx *db.Tx) (err error) {
		n, err = db.Value[int64](tx, "SELECT count(*) FROM invitations WHERE project_id = $1 AND state = 'pending'", p.ID)
		return err
	})
	return n
}

// TestInvitationIsVouchedFor: what would not be given any more is not given when it is
// accepted either.
func TestInvitationIsVouchedFor(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	for name, change := range map[string]string{
		"the inviter became a guest":     "UPDATE memberships SET role = 'guest' WHERE user_id = $1",
		"the inviter was removed":        "DELETE FROM memberships WHERE user_id = $1",
		"the inviter was disabled":       "UPDATE users SET state = 'disabled' WHERE id = $1",
		"the project was disabled":       "UPDATE projects SET state = 'disabled' WHERE id IN (SELECT project_id FROM memberships WHERE user_id = $1)",
		"the project is over":            "UPDATE projects SET expires_at = 1 WHERE id IN (SELECT project_id FROM memberships WHERE user_id = $1)",
		"the membership would be over":   "UPDATE invitations SET member_until = 1 WHERE created_by = $1",
		"the role is for others to give": "UPDATE invitations SET role = 'share' WHERE created_by = $1",
		"":                               "UPDATE users SET theme = '' WHERE id = $1", // nothing
	} {
		p, _ := s.Project("Vouched", false)
		by, u := s.Member(p, access.Admin), s.User("")
		s.SignIn(by).Post(users(p), inviting(access.Guest, u.Email)).Want(http.StatusOK)
		mine := s.SignIn(u)
		accept := asked(mine)
		s.Update(func(tx *db.Tx) error { return tx.Must(change, by.ID) })
		r := mine.Post(accept, nil).Want(http.StatusSeeOther)
		if in := r.Location == "/projects/"+num(p.ID); in != (name == "") || mine.Get("/projects/"+num(p.ID)).Status == http.StatusOK != in {
			t.Errorf("%s: after accepting: %s", name, r.Location)
		}
	}
}

// TestInviteForm: what is typed wrong is said by field, nobody is invited by half, and all
// that was typed stays.
func TestInviteForm(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Form", false)
	c := s.SignIn(admin)
	for name, x := range map[string]struct {
		fields map[string]string
		at     string
	}{
		"no address":        {map[string]string{"emails": " ,\r\n"}, "#emails"},
		"a broken one":      {map[string]string{"emails": "a@example.com\r\nb@"}, "#emails"},
		"two in one":        {map[string]string{"emails": "v@example.com%0d%0aBcc:a@example.com"}, "#emails"},
		"too many":          {map[string]string{"emails": strings.Repeat("a@example.com\r\n", 51)}, "#emails"},
		"no role":           {map[string]string{"role": ""}, "#role"},
		"an unknown role":   {map[string]string{"role": "owner"}, "#role"},
		"a governed role":   {map[string]string{"role": "developer"}, "#role"},
		"no days":           {map[string]string{"days": "soon"}, "#days"},
		"fifteen days":      {map[string]string{"days": "15"}, "#days"},
		"yesterday":         {map[string]string{"until": "2001-01-01"}, "#until"},
		"too far":           {map[string]string{"until": "9999-12-31"}, "#until"},
		"no day":            {map[string]string{"until": "31.12.2030"}, "#until"},
		"a long reason":     {map[string]string{"reason": strings.Repeat("x", 201)}, "#reason"},
		"a reason in lines": {map[string]string{"reason": "a\x1bb"}, "#reason"},
	} {
		form := inviting(access.Guest, "fine@example.com")
		for k, v := range x.fields {
			form.Set(k, v)
		}
		page := c.Post(users(p), form).Want(http.StatusUnprocessableEntity).Page()
		if page.Find(`.error-summary a[href="`+x.at+`"]`).Length() == 0 {
			t.Errorf("%s: no error leads to %s", name, x.at)
		}
		if kept := page.Find("#emails").Text(); strings.TrimSpace(kept) != strings.TrimSpace(strings.ReplaceAll(form.Get("emails"), "\r\n", "\n")) && kept != form.Get("emails") {
			t.Errorf("%s: %q was typed, %q is there", name, form.Get("emails"), kept)
		}
	}
	c.Post(users(p), url.Values{"emails": {"a@example.com"}, "role": {"guest"}, "project": {"2"}}).Want(http.StatusUnprocessableEntity)
	if got := listed(c, p, ""); len(got) != 1 {
		t.Errorf("the list has %q", got)
	}
}

// TestInviteFlood: case 26, a project sends no more than fifty invitations a day, and one
// address gets no more than ten; names in them are told as they are, and are nothing but text.
func TestInviteFlood(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Config: withMailbox})
	p, admin := s.Project(`<a href="https://evil.example">Click</a>`, false)
	c := s.SignIn(admin)
	for i := range 5 {
		var list []string
		for j := range 10 {
			list = append(list, fmt.Sprintf("flood%d-%d@example.com", i, j))
		}
		c.Post(users(p), inviting(access.Guest, list...)).Want(http.StatusOK)
	}
	if r := c.Post(users(p), inviting(access.Guest, "one-more@example.com")).Want(http.StatusTooManyRequests); r.Header.Get("Retry-After") == "" {
		t.Error("nobody is told when they may go on")
	}
	if n := len(listed(c, p, "&status=invited")); n != 50 {
		t.Errorf("%d are invited", n)
	}
	if err := s.App.Jobs.Drain(t.Context(), jobs.System); err != nil {
		t.Fatal(err)
	}
	mails := s.Anonymous().Get("/mailbox").Page()
	letter := s.Anonymous().Get(mails.Find(`tbody a[href^="/mailbox/"]`).AttrOr("href", "")).Want(http.StatusOK)
	if !strings.Contains(letter.Page().Text(), `<a href="https: //evil.example">Click</a>`) || letter.Page().Find(`a[href*="evil"]`).Length() > 0 || strings.Contains(letter.Body, "://evil") {
		t.Error("the name of the project is more than text in the mail")
	}
	victim := s.User("")
	q, by := s.Project("Again", false)
	second := s.SignIn(by)
	for range 5 {
		second.Post(users(q), inviting(access.Guest, victim.Email)).Want(http.StatusOK)
		second.Post(rowOf(second, q, victim.Email)+"/cancel", nil).Want(http.StatusSeeOther)
	}
	refused := second.Post(users(q), inviting(access.Guest, victim.Email)).Want(http.StatusTooManyRequests)
	if refused.Header.Get("Retry-After") == "" || refused.Page().Find("#emails").Text() != victim.Email {
		t.Error("what was typed is gone, or nobody is told when to go on")
	}
	other, third := s.Project("Not theirs", false)
	s.SignIn(third).Post(users(other), inviting(access.Guest, victim.Email)).Want(http.StatusOK)

	// One person alone does not use up what an address may get from all, in however many places.
	bomber := s.User("Bomber")
	var places []tenancy.Project
	for i := range 3 {
		x, _ := s.Project("Place "+num(int64(i)), false)
		s.Update(func(tx *db.Tx) error { return tenancy.Join(tx, bomber.Actor(), x, bomber, access.Admin) })
		places = append(places, x)
	}
	bombs, sent := s.SignIn(bomber), 0
	for _, x := range places {
		for range 5 {
			if bombs.Post(users(x), inviting(access.Guest, "target@example.com")).Status == http.StatusOK {
				sent++
				bombs.Post(rowOf(bombs, x, "target@example.com")+"/cancel", nil).Want(http.StatusSeeOther)
			}
		}
	}
	if sent != 10 {
		t.Errorf("one person sent %d to one address", sent)
	}
}

// TestAnsweredOnce: of an invitation that is accepted, declined and cancelled at the same moment
// one of these is true, and what is recorded says so.
func TestAnsweredOnce(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	for range 15 {
		p, admin := s.Project("Once", false)
		u := s.User("")
		c, mine := s.SignIn(admin), s.SignIn(u)
		c.Post(users(p), inviting(access.Guest, u.Email)).Want(http.StatusOK)
		accept, at := asked(mine), rowOf(c, p, u.Email)
		var all sync.WaitGroup
		all.Go(func() { mine.Post(accept, nil) })
		all.Go(func() { mine.Post(strings.TrimSuffix(accept, "accept")+"decline", nil) })
		all.Go(func() { c.Post(at+"/cancel", nil) })
		all.Wait()
		s.View(func(tx *db.Tx) error {
			state, err := db.Value[string](tx, "SELECT state FROM invitations WHERE project_id = $1", p.ID)
			if err != nil {
				return err
			}
			in, err := db.Value[int64](tx, "SELECT count(*) FROM memberships WHERE project_id = $1 AND user_id = $2", p.ID, u.ID)
			if err != nil {
				return err
			}
			told, err := db.All(tx, db.Scalar[string], "SELECT name FROM events WHERE project_id = $1 AND object_id = $2 AND name <> 'project.memberInvited'", p.ID, u.Email)
			want := map[string]string{"accepted": "project.memberAdded", "declined": "project.invitationDeclined", "cancelled": "project.invitationCancelled"}[state]
			if in == 1 != (state == "accepted") || len(told) != 1 || told[0] != want {
				t.Errorf("it is %s, %d are in, and recorded is %q", state, in, told)
			}
			return err
		})
	}
}

// TestSentAgainIsVouchedFor: an invitation that does not count because somebody else's link has
// activated the account meanwhile counts again when it is sent again, by who sees that.
func TestSentAgainIsVouchedFor(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	other, first := s.Project("Other", false)
	p, admin := s.Project("Ours", false)
	c := s.SignIn(admin)
	link := s.SignIn(first).Post(users(other), inviting(access.Guest, "new@example.com")).Want(http.StatusOK).Page().Find(`[data-copy*="/activate/"]`).AttrOr("data-copy", "")
	c.Post(users(p), inviting(access.Guest, "new@example.com")).Want(http.StatusOK)
	s.Clock.Forward(time.Minute)
	nina := s.Anonymous()
	nina.Get(strings.TrimPrefix(link, s.URL))
	nina.Post("/activate", url.Values{"email": {"new@example.com"}, "name": {"Nina"}, "password": {another}, "repeat": {another}}).Want(http.StatusSeeOther)
	nina.Post("/login", url.Values{"email": {"new@example.com"}, "password": {another}}).Want(http.StatusSeeOther)
	s.Clock.Forward(time.Minute)
	at := rowOf(c, p, "new@example.com")
	if text := words(c.Get(at).Want(http.StatusOK).Page().Find("main")); !strings.Contains(text, "does not count any more") {
		t.Errorf("the page says %q", text)
	}
	c.Post(at+"/send", nil).Want(http.StatusOK)
	if text := words(c.Get(at).Want(http.StatusOK).Page().Find("main")); strings.Contains(text, "does not count any more") {
		t.Errorf("sent again, the page says %q", text)
	}
	if got := listed(c, p, "&status=invited"); len(got) != 1 {
		t.Errorf("invited are %q", got)
	}
	nina.Get("/account/invitations").Page().Find(`form[action$="/accept"]`).Each(func(_ int, form *gq) { nina.Post(form.AttrOr("action", ""), nil).Want(http.StatusSeeOther) })
	nina.Get("/projects/" + num(p.ID)).Want(http.StatusOK)
}

// TestInvitationOfOthers: whoever holds the link that activates an account by one invitation
// does not get what others offered to the same address; and where mail is sent only the
// mailbox holds it.
func TestInvitationOfOthers(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	evil, attacker := s.Project("Evil", false)
	good, admin := s.Project("Good", false)
	ours, theirs := s.SignIn(admin), s.SignIn(attacker)
	link := theirs.Post(users(evil), inviting(access.Guest, "nina@example.com")).Want(http.StatusOK).Page().Find(`[data-copy*="/activate/"]`).AttrOr("data-copy", "")
	if again := ours.Post(users(good), inviting(access.Admin, "nina@example.com")).Want(http.StatusOK); strings.Contains(again.Body, "/activate/") || !strings.Contains(again.Body, "somebody else made it") {
		t.Error("a link to an account that somebody else made is shown")
	}
	if list := ours.Get(users(good) + "/?q=nina"); strings.Contains(list.Body, "/activate/") {
		t.Error("the list has a link")
	}
	nina := s.Anonymous()
	nina.Get(strings.TrimPrefix(link, s.URL))
	nina.Post("/activate", url.Values{"email": {"nina@example.com"}, "name": {"Nina"}, "password": {another}, "repeat": {another}}).Want(http.StatusSeeOther)
	nina.Post("/login", url.Values{"email": {"nina@example.com"}, "password": {another}}).Want(http.StatusSeeOther)
	accepted := 0
	for _, action := range nina.Get("/account/invitations").Page().Find(`form[action$="/accept"]`).EachIter() {
		if r := nina.Post(action.AttrOr("action", ""), nil).Want(http.StatusSeeOther); r.Location != "/account/invitations" {
			accepted++
		}
	}
	nina.Get("/projects/" + num(good.ID)).Want(http.StatusForbidden)
	nina.Get("/projects/" + num(evil.ID)).Want(http.StatusOK)
	if accepted != 1 {
		t.Errorf("%d invitations were accepted", accepted)
	}
	// Offered again, it counts.
	ours.Post(rowOf(ours, good, "nina@example.com")+"/cancel", nil).Want(http.StatusSeeOther)
	s.Clock.Forward(time.Second)
	ours.Post(users(good), inviting(access.Guest, "nina@example.com")).Want(http.StatusOK)
	nina.Post(asked(nina), nil).Want(http.StatusSeeOther)
	nina.Get("/projects/" + num(good.ID)).Want(http.StatusOK)
}

// TestInvitedAreNotTold: of who has not accepted nothing is told but the address.
func TestInvitedAreNotTold(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Quiet", false)
	c, known, off := s.SignIn(admin), s.User("Secret Realname"), s.User("Other Realname")
	s.TwoStep(s.SignIn(known))
	s.Update(func(tx *db.Tx) error { return tx.Must("UPDATE users SET state = 'disabled' WHERE id = $1", off.ID) })
	c.Post(users(p), inviting(access.Guest, known.Email, off.Email)).Want(http.StatusOK)
	for _, at := range []string{"", "?format=csv", "?format=json", "?q=realname"} {
		if body := c.Get(users(p) + at).Want(http.StatusOK).Body; strings.Contains(body, "Realname") {
			t.Errorf("%s tells a name", at)
		}
	}
	var list []map[string]any
	c.Get(users(p) + "?format=json&status=invited").Want(http.StatusOK).JSON(&list)
	if len(list) != 2 || list[0]["twoStep"] != nil || list[1]["twoStep"] != nil || list[0]["state"] != "invited" || list[1]["state"] != "invited" || list[0]["activated"] != list[1]["activated"] {
		t.Errorf("the list tells apart %v", list)
	}
}

// TestInviteTheSame: projects that invite the same people at the same moment do not keep
// each other waiting in a circle.
func TestInviteTheSame(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	emails := []string{"a@example.com", "b@example.com", "c@example.com", "d@example.com"}
	var all sync.WaitGroup
	for i := range 4 {
		p, admin := s.Project("Same", false)
		c := s.SignIn(admin)
		list := slices.Clone(emails)
		if i%2 == 1 {
			slices.Reverse(list)
		}
		all.Go(func() {
			if r := c.Post(users(p), inviting(access.Guest, list...)); r.Status != http.StatusOK {
				t.Errorf("%d", r.Status)
			}
		})
	}
	all.Wait()
}

// TestVoidInvitations: an invitation whose sender may not give it any more is marked in the list, on
// its page, in exports and to its person, who can only decline it; who sends it again vouches for it.
// The page before the change tells how many there will be.
func TestVoidInvitations(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Void", false)
	by, root, boss, u := s.Member(p, access.Admin), s.SuperAdmin("Root"), s.User("Boss"), s.User("Asked")
	organization := ofOrganization(s, p, boss, s.User("Stays"))
	var maintainer int64
	s.Update(func(tx *db.Tx) (err error) {
		if maintainer, err = db.Value[int64](tx, "SELECT maintainer_id FROM organizations WHERE id = $1", p.Organization); err != nil {
			return err
		}
		return tenancy.JoinMaintainer(tx, boss.Actor(), maintainer, boss)
	})
	above := "/maintainers/" + num(maintainer)
	c, r, mine := s.SignIn(admin), s.SignIn(root), s.SignIn(u)
	theirs, bosses := s.SignIn(by), s.SignIn(boss)
	theirs.Post(users(p), inviting(access.Guest, u.Email, "second@example.com")).Want(http.StatusOK)
	c.Post(users(p), inviting(access.Guest, "third@example.com")).Want(http.StatusOK)
	for _, at := range []string{organization, above} {
		bosses.Post(at+"/members", url.Values{"emails": {u.Email}, "reason": {""}, "days": {"7"}}).Want(http.StatusOK)
	}
	const mark = "Does not count"
	marked := func(at string) (out []string) {
		t.Helper()
		who := c
		if at != users(p) {
			who = r
		}
		for _, row := range who.Get(at).Want(http.StatusOK).Page().Find("tbody tr").EachIter() {
			if strings.Contains(words(row), mark) {
				out = append(out, row.Find("a.row-link").Text())
			}
		}
		var rows []map[string]any
		who.Get(at + "?format=json").Want(http.StatusOK).JSON(&rows)
		for _, x := range rows {
			if x["invited"] == false && x["counts"] != nil || x["invited"] == true && x["counts"] != !slices.Contains(out, x["email"].(string)) {
				t.Errorf("%s: programs are told %v, people %q", at, x, out)
			}
		}
		return out
	}
	if got := marked(users(p)); len(got) != 0 {
		t.Errorf("marked before: %q", got)
	}
	var membership int64
	s.View(func(tx *db.Tx) (err error) {
		membership, err = db.Value[int64](tx, "SELECT id FROM memberships WHERE project_id = $1 AND user_id = $2", p.ID, by.ID)
		return err
	})
	at := users(p) + "/" + num(membership)
	for _, page := range []string{at + "/remove", at + "/role?role=guest"} {
		if got := words(c.Get(page).Want(http.StatusOK).Page().Find("main")); !strings.Contains(got, "2 invitations that they sent to this project: they do not count until somebody who may sends them again. Unless they belong to the organization") {
			t.Errorf("%s says %q", page, got)
		}
	}
	if got := words(bosses.Get(at + "/role?role=share").Want(http.StatusOK).Page().Find("main")); strings.Contains(got, "that they sent") {
		t.Errorf("of a role that invites, too, the page says %q", got)
	}
	c.Post(at+"/remove", nil).Want(http.StatusSeeOther)
	if got := marked(users(p)); !slices.Equal(got, []string{u.Email, "second@example.com"}) {
		t.Errorf("marked are %q", got)
	}
	// What who sent one is to other places is not told to who only looks at the list.
	guest := s.SignIn(s.Member(p, access.Guest))
	if got := words(guest.Get(users(p)).Want(http.StatusOK).Page().Find("tbody")); strings.Contains(got, mark) || !strings.Contains(got, u.Email) {
		t.Errorf("a guest reads %q", got)
	}
	var rows []map[string]any
	guest.Get(users(p) + "?format=json").Want(http.StatusOK).JSON(&rows)
	for _, x := range rows {
		if x["counts"] != nil {
			t.Errorf("a guest's program is told %v", x)
		}
	}
	for _, team := range []string{organization, above} { // the members of both are removed by a super admin
		r.Post(team+"/members", url.Values{"emails": {"other@example.com"}, "reason": {""}, "days": {"7"}}).Want(http.StatusOK)
		if got := marked(team + "/members"); len(got) != 0 {
			t.Errorf("%s: marked before: %q", team, got)
		}
		s.Update(func(tx *db.Tx) error {
			_, err := tx.Exec("DELETE FROM "+map[string]string{organization: "organization", above: "maintainer"}[team]+"_members WHERE user_id = $1", boss.ID)
			return err
		})
		if got := marked(team + "/members"); !slices.Equal(got, []string{u.Email}) {
			t.Errorf("%s: marked are %q", team, got)
		}
	}

	// To its person it can only be declined.
	page := mine.Get("/account/invitations").Want(http.StatusOK)
	if got := page.Page().Find(`form[action$="/accept"]`).Length(); got != 0 || page.Page().Find(`form[action$="/decline"]`).Length() != 3 || strings.Count(page.Body, "This invitation does not count any more.") != 3 || !strings.Contains(page.Body, by.Name+", who invited you, may not do so any more.") {
		t.Errorf("%d can be accepted: %q", got, text(page, "main"))
	}
	decline := page.Page().Find(`form[action$="/decline"]`).Last().AttrOr("action", "")
	if r := mine.Post(strings.Replace(decline, "/decline", "/accept", 1), nil).Want(http.StatusSeeOther); r.Location != "/account/invitations" {
		t.Errorf("accepted it leads to %s", r.Location)
	}
	for _, x := range []struct {
		c    *webtest.Client
		page string
	}{{c, rowOf(c, p, u.Email)}, {r, r.Get(organization+"/members?q="+u.Email).Page().Find("tbody a.row-link").AttrOr("href", "")}, {r, r.Get(above+"/members?q="+u.Email).Page().Find("tbody a.row-link").AttrOr("href", "")}} {
		shown := x.c.Get(x.page).Want(http.StatusOK)
		if got := text(shown, ".banner"); !strings.Contains(got, "This invitation does not count any more.") || !strings.Contains(got, "Whoever sends it again vouches for it.") {
			t.Errorf("%s says %q", x.page, got)
		}
		x.c.Post(x.page+"/send", nil).Want(http.StatusOK)
		if strings.Contains(x.c.Get(x.page).Want(http.StatusOK).Body, "does not count") {
			t.Errorf("%s: sent again it does not count", x.page)
		}
	}
	for range 3 {
		mine.Post(asked(mine), nil).Want(http.StatusSeeOther)
	}
	for _, at := range []string{"/projects/" + num(p.ID), organization, above} {
		mine.Get(at).Want(http.StatusOK)
	}
}

// TestAnsweredInvitation: who answers what waits no more is led to where they read what became of
// it, or into what they are in; those who invite read it on its page, which does nothing more.
// All others find nothing, as ever.
func TestAnsweredInvitation(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	boss, other := s.User("Boss"), s.User("Other")
	ends := map[string]func(at string, mine, c *webtest.Client){
		"cancelled": func(at string, _, c *webtest.Client) { c.Post(at+"/cancel", nil).Want(http.StatusSeeOther) },
		"declined": func(_ string, mine, _ *webtest.Client) {
			mine.Post(strings.Replace(asked(mine), "/accept", "/decline", 1), nil).Want(http.StatusSeeOther)
		},
		"expired":  func(string, *webtest.Client, *webtest.Client) { s.Clock.Forward(8 * 24 * time.Hour) },
		"accepted": func(_ string, mine, _ *webtest.Client) { mine.Post(asked(mine), nil).Want(http.StatusSeeOther) },
	}
	for state, end := range ends {
		for _, team := range []bool{false, true} {
			p, admin := s.Project("Ended", false)
			u := s.User("Asked")
			c, mine, place, name := s.SignIn(admin), s.SignIn(u), "/projects/"+num(p.ID), "the project Ended"
			list := place + "/settings/users"
			if team {
				c, place, name = s.SignIn(boss), ofOrganization(s, p, boss), "the organization Organization of Ended"
				list = place + "/members"
				c.Post(list, url.Values{"emails": {u.Email}, "reason": {""}, "days": {"7"}}).Want(http.StatusOK)
			} else {
				c.Post(list, inviting(access.Guest, u.Email)).Want(http.StatusOK)
			}
			at := c.Get(list+"?q="+url.QueryEscape(u.Email)).Want(http.StatusOK).Page().Find("tbody a.row-link").AttrOr("href", "")
			accept := asked(mine)
			end(at, mine, c)
			if c, mine = s.SignIn(admin), s.SignIn(u); team {
				c = s.SignIn(boss)
			}
			for _, again := range []string{accept, strings.Replace(accept, "/accept", "/decline", 1)} {
				r := mine.Post(again, nil).Want(http.StatusSeeOther)
				if state == "accepted" {
					if got := text(mine.Get(r.Location).Want(http.StatusOK), "body"); r.Location != place || !strings.Contains(got, "You accepted the invitation to "+name+" before.") {
						t.Errorf("%s, team %t: led to %s, which says %q", state, team, r.Location, got)
					}
					continue
				}
				want := "The invitation to " + name + " does not wait any more. " + map[string]string{"cancelled": "Cancelled: ask for a new one if you need it.", "declined": "You declined it.", "expired": "Its time was over: ask for a new one if you need it."}[state]
				if got := text(mine.Get(r.Location), "[role=alert]"); r.Location != "/account/invitations" || !strings.Contains(got, want) {
					t.Errorf("%s, team %t: led to %s, which says %q", state, team, r.Location, got)
				}
				mine.Get(place).Want(http.StatusNotFound)
			}
			// Somebody else finds nothing, as where there is none.
			for _, path := range []string{accept, "/account/invitations/99999/accept"} {
				r := s.SignIn(other).Post(path, nil).Want(http.StatusNotFound)
				if got := text(r, "main"); !strings.Contains(got, "The address may be mistyped") {
					t.Errorf("somebody else reads %q", got)
				}
			}
			by := admin
			if team {
				by = boss
			}
			became := map[string]string{"cancelled": by.Name + " (" + by.Email + ") cancelled it.", "declined": "It was declined.", "expired": "Its time was over before it was answered.", "accepted": "It was accepted."}[state]
			shown := c.Get(at).Want(http.StatusOK)
			if got := words(shown.Page().Find("main")); !strings.Contains(got, "What became of it "+became+" When ") || shown.Page().Find("main form, main [data-copy]").Length() != 0 {
				t.Errorf("%s, team %t: its page says %q", state, team, got)
			}
			for _, deed := range []string{"/send", "/cancel"} {
				r := c.Post(at+deed, nil).Want(http.StatusSeeOther)
				if got := text(c.Get(r.Location), "[role=alert]"); r.Location != at || !strings.Contains(got, "This invitation does not wait any more. Nothing was changed.") {
					t.Errorf("%s, team %t, %s: led to %s, which says %q", state, team, deed, r.Location, got)
				}
			}
			s.SignIn(other).Get(at).Want(http.StatusNotFound)
			if !team { // and who only reads in the project finds as little
				s.SignIn(s.Member(p, access.Guest)).Get(at).Want(http.StatusNotFound)
			}
			if state == "cancelled" && !team { // after a month nothing is told of it
				s.Clock.Forward(31 * 24 * time.Hour)
				s.SignIn(u).Post(accept, nil).Want(http.StatusNotFound)
			}
		}
	}
}
