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

// inviting is the form that invites people.
func inviting(role access.Role, emails ...string) url.Values {
	return url.Values{"emails": {strings.Join(emails, "\r\n")}, "role": {string(role)}, "reason": {""}, "until": {""}, "days": {"7"}}
}

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
	accept := asked(nina)
	nina.Post(accept, url.Values{"role": {"admin"}}).Want(http.StatusUnprocessableEntity)
	if r := nina.Post(accept, nil).Want(http.StatusSeeOther); r.Location != "/projects/"+num(p.ID) {
		t.Errorf("after accepting: %s", r.Location)
	}
	nina.Get("/projects/" + num(p.ID)).Want(http.StatusOK)
	nina.Post(accept, nil).Want(http.StatusNotFound)
	if got := listed(c, p, ""); !slices.Equal(got, []string{"nina@example.com guest", admin.Email + " admin"}) {
		t.Errorf("the list has %q", got)
	}
	if r := c.Post(users(p), inviting(access.Admin, "nina@example.com")).Want(http.StatusUnprocessableEntity); !strings.Contains(r.Body, "nina@example.com is a member already.") {
		t.Error("a member was invited")
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
	mine.Post(accept, nil).Want(http.StatusNotFound)
	mine.Get("/projects/" + num(p.ID)).Want(http.StatusNotFound)
	c.Post(users(p), inviting(access.Guest, u.Email)).Want(http.StatusOK)
	if r := c.Post(users(p), inviting(access.Guest, u.Email)).Want(http.StatusUnprocessableEntity); !strings.Contains(r.Body, "is invited already.") {
		t.Error("the same person was invited twice")
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
		c.Get(at).Want(http.StatusNotFound)
		c.Post(at+"/cancel", nil).Want(http.StatusNotFound)
		c.Post(at+"/send", nil).Want(http.StatusNotFound)
	}
	mine.Post(accept, nil).Want(http.StatusNotFound)
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
	late.Post(accept, nil).Want(http.StatusNotFound)
	if asked(late) != "" || len(listed(s.SignIn(admin), p, "")) != 1 {
		t.Error("an invitation is shown whose time is over")
	}
	late.Get("/projects/" + num(p.ID)).Want(http.StatusNotFound)
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
	if len(list) != 2 || list[0]["twoStep"] != false || list[1]["twoStep"] != false || list[0]["activated"] != list[1]["activated"] {
		t.Errorf("the list tells apart %v", list)
	}
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
				if err := tenancy.JoinOrganization(tx, admin.Actor(), p.Organization, u.ID); err != nil {
					return err
				}
			}
			return nil
		})
		highest := map[bool]access.Role{false: access.Share, true: access.ProductionManager}[governed]
		actors := map[string]*webtest.Client{"manager": s.SignIn(admin), "manager of the organization": s.SignIn(insider), "organization only": s.SignIn(orgOnly)}
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
			func(tx *db.Tx, i int) error { return s.App.Tenancy.Leave(tx, scopes[i]) },
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
	form := inviting(access.Guest, u.Email)
	form.Set("until", s.App.DB.Now().AddDate(0, 0, 2).UTC().Format(time.DateOnly))
	form.Set("reason", "Two days of help")
	s.SignIn(admin).Post(users(p), form).Want(http.StatusOK)
	mine := s.SignIn(u)
	mine.Post(asked(mine), nil).Want(http.StatusSeeOther)
	s.Clock.Forward(24 * time.Hour)
	mine = s.SignIn(u)
	mine.Get("/projects/" + num(p.ID)).Want(http.StatusOK)
	s.Clock.Forward(48 * time.Hour)
	mine, c := s.SignIn(u), s.SignIn(admin)
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
	for i := range 70 {
		s.Clock.Forward(time.Second)
		if i%7 == 0 {
			c.Post(users(p), inviting(access.ReadOnly, fmt.Sprintf("asked%d@example.com", i))).Want(http.StatusOK)
		} else {
			s.Member(p, access.Guest)
		}
	}
	for _, sort := range []string{"", "?sort=newest"} {
		seen, pages := []string{}, 0
		for at := users(p) + sort; at != ""; pages++ {
			page := c.Get(at).Want(http.StatusOK).Page()
			for _, n := range page.Find("tbody a.row-link").EachIter() {
				seen = append(seen, n.AttrOr("href", ""))
			}
			at = page.Find(`a:contains("More people")`).AttrOr("href", "")
		}
		if unique := slices.Compact(slices.Sorted(slices.Values(seen))); len(seen) != 71 || len(unique) != 71 || pages != 2 {
			t.Errorf("%q: %d rows, %d of them once, on %d pages", sort, len(seen), len(unique), pages)
		}
	}
	for query, want := range map[string]int{"&status=invited": 10, "&status=active": 61, "&role=guest": 60, "&q=asked1": 1, "&q=ASKED": 10, "&status=inactive": 10, "&twoStep=off": 61, "&q=%25": 0} {
		if got := listed(c, p, query); len(got) != want {
			t.Errorf("%s: %d people, want %d", query, len(got), want)
		}
	}
	byAddress := listed(c, p, "")
	if !strings.HasPrefix(byAddress[0], "(asked0@") || len(byAddress) != 71 {
		t.Errorf("by address: %q first", byAddress[0])
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
		want := []string{admin.Email, guest.Email}
		if slices.Sort(want); !slices.Equal(to, want) {
			t.Errorf("reminded: %q", to)
		}
		return err
	})
	s.Clock.Forward(24*time.Hour + time.Minute)
	s.SignIn(admin).Post(users(p)+"/remind", nil).Want(http.StatusSeeOther)
	s.View(func(tx *db.Tx) error {
		n, err := db.Value[int64](tx, "SELECT count(*) FROM mails WHERE kind = 'factorWanted'")
		if n != 4 {
			t.Errorf("%d mails after a day", n)
		}
		return err
	})
}

// TestProjectSettings: name, description and days are changed, told with what they were, and
// undone; who may not change them reads them.
func TestProjectSettings(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Before", false)
	c, reader := s.SignIn(admin), s.SignIn(s.Member(p, access.ReadOnly))
	path := "/projects/" + num(p.ID) + "/settings/project"
	for at, fields := range map[string]url.Values{
		"#name": {"name": {" "}, "description": {""}, "retention": {"30"}}, "#description": {"name": {"X"}, "description": {strings.Repeat("x", 10_001)}, "retention": {"30"}},
		"#retention": {"name": {"X"}, "description": {""}, "retention": {"soon"}},
	} {
		if r := c.Post(path, fields).Want(http.StatusUnprocessableEntity); r.Page().Find(`.error-summary a[href="`+at+`"]`).Length() == 0 {
			t.Errorf("no error leads to %s", at)
		}
	}
	typed := url.Values{"name": {`After <b>"x"</b>`}, "description": {"Line\r\nline"}, "retention": {"90"}}
	reader.Post(path, typed).Want(http.StatusForbidden)
	c.Post(path, typed).Want(http.StatusSeeOther)
	if text := reader.Get(path).Want(http.StatusOK).Page().Find("main").Text(); !strings.Contains(text, `After <b>"x"</b>`) || !strings.Contains(text, "90 days") {
		t.Error("who may only read does not read what is set")
	}
	if n := len(listedProjects(reader, "AFTER")); n != 1 {
		t.Errorf("%d projects are found by the new name", n)
	}
	next := c.Get(path)
	undo, fields := next.Form(path)
	if fields.Get("name") != "Before" {
		t.Fatalf("the undo has %v", fields)
	}
	c.Post(undo, fields).Want(http.StatusSeeOther)
	s.View(func(tx *db.Tx) error {
		x, err := tenancy.Describe(tx, s.Scope(admin, p))
		if x.Name != "Before" || x.Description != "" || x.Retention != 30 {
			t.Errorf("after the undo: %q %q %d", x.Name, x.Description, x.Retention)
		}
		if err != nil {
			return err
		}
		told, err := db.Value[string](tx, "SELECT message FROM events WHERE name = 'project.updated' ORDER BY id LIMIT 1")
		if !strings.Contains(told, `name from "Before" to "After <b>\"x\"</b>"`) || !strings.Contains(told, "from 30 to 90") {
			t.Errorf("the event says %s", told)
		}
		return err
	})
}

func listedProjects(c *webtest.Client, search string) (out []map[string]any) {
	c.Get("/?format=json&q=" + search).Want(http.StatusOK).JSON(&out)
	return out
}
