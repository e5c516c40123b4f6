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
	"steward/views/ui"
	"steward/web/webtest"
)

// ofOrganization makes people members of a project's organization.
func ofOrganization(s *webtest.Site, p tenancy.Project, people ...accounts.User) (path string) {
	s.T.Helper()
	s.Update(func(tx *db.Tx) error {
		for _, u := range people {
			if err := tenancy.JoinOrganization(tx, u.Actor(), p.Organization, u); err != nil {
				return err
			}
		}
		return nil
	})
	return "/organizations/" + num(p.Organization)
}

// told is how many mails of a kind somebody got.
func toldOf(t *testing.T, s *webtest.Site, kind, email string) (n int64) {
	t.Helper()
	if err := s.App.Jobs.Drain(t.Context(), jobs.System); err != nil {
		t.Fatal(err)
	}
	s.View(func(tx *db.Tx) (err error) {
		n, err = db.Value[int64](tx, "SELECT count(*) FROM mails WHERE kind = $1 AND recipient = $2", kind, email)
		return err
	})
	return n
}

// TestOrganizationMembers: a member invites a newcomer and somebody with an account, who
// accept; removes one, who is mailed and out at once; and leaves, but not as the last.
func TestOrganizationMembers(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Config: withMailbox})
	p, admin := s.Project("Team", false)
	boss, friend := s.User("Boss"), s.User("Friend")
	path := ofOrganization(s, p, boss)
	c := s.SignIn(boss)
	invite := func(emails ...string) webtest.Response {
		return c.Post(path+"/members", url.Values{"emails": {strings.Join(emails, "\n")}, "reason": {"To run it"}, "days": {"7"}})
	}
	if sent := invite("nina@example.com", friend.Email).Want(http.StatusOK); strings.Contains(sent.Body, "/activate/") {
		t.Error("the link that activates the account is shown though it is mailed")
	}
	invite(friend.Email).Want(http.StatusUnprocessableEntity)
	invite(boss.Email).Want(http.StatusUnprocessableEntity)
	invite("nonsense").Want(http.StatusUnprocessableEntity)
	theirs := s.SignIn(friend)
	theirs.Get(path).Want(http.StatusForbidden) // invited, and no more
	if r := theirs.Post(asked(theirs), nil).Want(http.StatusSeeOther); r.Location != path {
		t.Errorf("after accepting: %s", r.Location)
	}
	theirs.Get(path).Want(http.StatusOK)
	if text := theirs.Get("/account").Want(http.StatusOK).Page().Find("#teams").Text() + theirs.Get("/account").Body; !strings.Contains(text, "Organization of Team") {
		t.Error("the account page does not name the organization")
	}
	if body := s.SignIn(admin).Get("/account").Body; strings.Contains(body, "Organizations and maintainers") {
		t.Error("the account page has the section for somebody who belongs to none")
	}
	nina := s.Anonymous()
	nina.Get(mailed(t, s, "/activate/"))
	nina.Post("/activate", url.Values{"email": {"nina@example.com"}, "name": {"Nina"}, "password": {another}, "repeat": {another}}).Want(http.StatusSeeOther)
	nina.Post("/login", url.Values{"email": {"nina@example.com"}, "password": {another}}).Want(http.StatusSeeOther)
	nina.Post(asked(nina), nil).Want(http.StatusSeeOther)
	nina.Get(path + "/billing").Want(http.StatusOK)

	// Removed: out with the next request, and mailed; their own removal is leaving.
	at := path + "/members/" + num(friend.ID)
	theirs.Post(at+"/remove", nil).Want(http.StatusSeeOther) // "this is you"
	theirs.Get(path).Want(http.StatusOK)
	c.Post(at+"/remove", nil).Want(http.StatusSeeOther)
	theirs.Get(path).Want(http.StatusNotFound)
	theirs.Post(path+"/members", url.Values{"emails": {"x@example.com"}, "reason": {""}, "days": {"7"}}).Want(http.StatusNotFound)
	c.Get(at).Want(http.StatusNotFound)
	if toldOf(t, s, "teamRemoved", friend.Email) != 1 {
		t.Error("who was removed is not mailed")
	}

	// An invitation that is cancelled while its page is open, and one whose time is over.
	invite(friend.Email).Want(http.StatusOK)
	accept := asked(theirs)
	row := c.Get(path+"/members").Page().Find(fmt.Sprintf(`a.row-link:contains(%q)`, friend.Email)).AttrOr("href", "")
	c.Post(row+"/send", nil).Want(http.StatusOK)
	c.Post(row+"/cancel", nil).Want(http.StatusSeeOther)
	if r := theirs.Post(accept, nil).Want(http.StatusSeeOther); r.Location != "/account/invitations" {
		t.Errorf("an invitation that waits no more leads to %s", r.Location)
	}
	theirs.Get(path).Want(http.StatusNotFound)
	invite(friend.Email).Want(http.StatusOK)
	accept = asked(theirs)
	s.Clock.Forward(7*24*time.Hour + time.Minute)
	theirs = s.SignIn(friend)
	if r := theirs.Post(accept, nil).Want(http.StatusSeeOther); r.Location != "/account/invitations" {
		t.Errorf("an invitation that waits no more leads to %s", r.Location)
	}
	theirs.Get(path).Want(http.StatusNotFound)

	// The inviter's right is asked for again when one is accepted.
	c = s.SignIn(boss)
	invite(friend.Email).Want(http.StatusOK)
	accept = asked(theirs)
	c.Post(path+"/members/leave", nil).Want(http.StatusSeeOther)
	c.Get(path).Want(http.StatusNotFound)
	if r := theirs.Post(accept, nil).Want(http.StatusSeeOther); r.Location != "/account/invitations" || asked(theirs) != "" {
		t.Errorf("one that does not count any more leads to %s, or can still be accepted", r.Location)
	}
	theirs.Get(path).Want(http.StatusForbidden)
}

// TestOrganizationsLastMember: of people who remove each other and leave at the same time one
// stays, always.
func TestOrganizationsLastMember(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	for round := range 60 {
		var o tenancy.Organization
		a, b := s.User(""), s.User("")
		s.Update(func(tx *db.Tx) error {
			m, err := tenancy.CreateMaintainer(tx, a.Actor(), "M")
			if err != nil {
				return err
			}
			if o, err = tenancy.CreateOrganization(tx, a.Actor(), m.ID, "O", a); err != nil {
				return err
			}
			return tenancy.JoinOrganization(tx, b.Actor(), o.ID, b)
		})
		team := func(tx *db.Tx, u accounts.User) (tenancy.Team, error) {
			scope, err := tenancy.EnterOrganization(tx, u.Actor(), o.ID, access.OrganizationMembers)
			if err != nil {
				return tenancy.Team{}, err
			}
			return tenancy.OrganizationTeam(tx, scope)
		}
		var scopes [2]tenancy.Team
		s.View(func(tx *db.Tx) (err error) {
			if scopes[0], err = team(tx, a); err == nil {
				scopes[1], err = team(tx, b)
			}
			return err
		})
		var done sync.WaitGroup
		for i, other := range []accounts.User{b, a} {
			done.Go(func() {
				err := s.App.DB.Update(t.Context(), func(tx *db.Tx) error {
					if round%2 == 0 {
						return s.App.Tenancy.LeaveTeam(tx, scopes[i])
					}
					_, err := s.App.Tenancy.RemoveFromTeam(tx, scopes[i], other.ID)
					return err
				})
				if err != nil && fault.Of(err) == nil {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		done.Wait()
		s.View(func(tx *db.Tx) error {
			n, err := db.Value[int64](tx, "SELECT count(*) FROM organization_members WHERE organization_id = $1", o.ID)
			if n != 1 {
				t.Errorf("round %d leaves %d members", round, n)
			}
			return err
		})
	}
}

// TestOrganizationSettings: the name and who may come in by themselves are changed and taken
// back; hostile names stay text.
func TestOrganizationSettings(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Named", false)
	boss := s.User("Boss")
	path := ofOrganization(s, p, boss)
	c := s.SignIn(boss)
	hostile := strings.Repeat(`<b>"'&{{x}}`, 18)
	next := c.Post(path+"/settings", url.Values{"name": {hostile}}).Want(http.StatusSeeOther)
	shown := c.Get(next.Location).Want(http.StatusOK)
	if shown.Page().Find("main b").Length() != 0 || !strings.Contains(shown.Page().Find("h1").Text(), hostile) {
		t.Error("the name is not shown as text")
	}
	var autoJoin bool
	read := func() (name string) {
		s.View(func(tx *db.Tx) (err error) {
			if name, err = db.Value[string](tx, "SELECT name FROM organizations WHERE id = $1", p.Organization); err == nil {
				autoJoin, err = db.Value[bool](tx, "SELECT allow_auto_join FROM organizations WHERE id = $1", p.Organization)
			}
			return err
		})
		return name
	}
	if read() != hostile || autoJoin {
		t.Errorf("it is %q, auto-join %t", read(), autoJoin)
	}
	undo, fields := shown.Form(path + "/settings")
	c.Post(undo, fields).Want(http.StatusSeeOther)
	if read() != "Organization of Named" || !autoJoin {
		t.Errorf("undone it is %q, auto-join %t", read(), autoJoin)
	}
	for _, name := range []string{"", " ", strings.Repeat("x", 201), "a\x00b", "a\nb"} {
		c.Post(path+"/settings", url.Values{"name": {name}}).Want(http.StatusUnprocessableEntity)
	}
	s.SignIn(admin).Post(path+"/settings", url.Values{"name": {"Mine"}}).Want(http.StatusForbidden)
}

// TestRequiredFactor: who signs in without a second factor is listed, and kept out of the
// organization and its projects while it is a must; whoever would lock themselves out cannot
// ask for it, and somebody of the maintainer neither.
func TestRequiredFactor(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Guarded", false)
	boss, colleague := s.User("Boss"), s.User("Colleague")
	path := ofOrganization(s, p, boss, colleague)
	c, member, other := s.SignIn(boss), s.SignIn(admin), s.SignIn(colleague)
	project := "/projects/" + num(p.ID)
	c.Post(path+"/two-step", url.Values{"on": {"1"}}).Want(http.StatusConflict)
	s.TwoStep(c)
	if text := c.Get(path + "/two-step").Want(http.StatusOK).Page().Find("tbody").Text(); !strings.Contains(text, admin.Email) || !strings.Contains(text, colleague.Email) || strings.Contains(text, boss.Email) {
		t.Errorf("kept out would be %q", text)
	}
	s.Update(func(tx *db.Tx) error { return tenancy.Join(tx, colleague.Actor(), p, colleague, access.Guest) })
	if text := words(c.Get(path + "/two-step").Want(http.StatusOK).Page().Find("main")); !strings.Contains(text, "3 people in 4 rows on this page") {
		t.Errorf("the list counts %q", text)
	}
	s.Update(func(tx *db.Tx) error {
		return tx.Must("DELETE FROM memberships WHERE project_id = $1 AND user_id = $2", p.ID, colleague.ID)
	})
	c.Post(path+"/two-step", url.Values{"on": {"1"}}).Want(http.StatusSeeOther)
	for name, x := range map[string]struct {
		c    *webtest.Client
		path string
	}{"project member": {member, project}, "project member, storage": {member, project + "/storage"}, "organization member": {other, path}, "organization member, join": {other, project + "/join"}} {
		if r := x.c.Get(x.path); r.Status != http.StatusSeeOther || r.Location != "/account/security" {
			t.Errorf("%s: %d %s", name, r.Status, r.Location)
		}
	}
	if r := member.Get(project + "/storage?format=json"); r.Status != http.StatusUnauthorized {
		t.Errorf("a program: %d", r.Status)
	}
	if !strings.Contains(member.Get("/account/security").Want(http.StatusOK).Body, "Organization of Guarded") {
		t.Error("the page does not say who asks for it")
	}
	c.Get(path).Want(http.StatusOK)
	// Whoever is invited accepts once they have it.
	guest := s.User("Guest")
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE organizations SET mfa_required = FALSE WHERE id = $1", p.Organization)
	})
	member.Post(users(p), inviting(access.Guest, guest.Email)).Want(http.StatusOK)
	c.Post(path+"/two-step", url.Values{"on": {"1"}}).Want(http.StatusSeeOther)
	theirs := s.SignIn(guest)
	s.TwoStep(member) // so that the one who invited still may
	if r := theirs.Post(asked(theirs), nil); r.Location != "/account/security" {
		t.Errorf("accepting without a second factor: %d %s", r.Status, r.Location)
	}
	s.TwoStep(theirs)
	theirs.Post(asked(theirs), nil).Want(http.StatusSeeOther)
	theirs.Get(project).Want(http.StatusOK)
	member.Get(project).Want(http.StatusOK)
	c.Post(path+"/two-step", nil).Want(http.StatusSeeOther)
	other.Get(path).Want(http.StatusOK)
	other.Get(project + "/join").Want(http.StatusOK)
}

// TestFactorWhy: who is led to the page Security reads which organization lets them in only with a
// second factor, whatever their tie to it is, and once; who accepts an invitation, that it still
// waits. The invitation and its mail say so before. Who has no tie reads of nothing.
func TestFactorWhy(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Config: withMailbox})
	p, admin := s.Project("Guarded", false)
	boss, above, root, guest, stranger := s.User("Boss"), s.User("Above"), s.SuperAdmin("Root"), s.User("Guest"), s.User("Stranger")
	path, project := ofOrganization(s, p, boss), "/projects/"+num(p.ID)
	var maintainer int64
	s.Update(func(tx *db.Tx) (err error) {
		if maintainer, err = db.Value[int64](tx, "SELECT maintainer_id FROM organizations WHERE id = $1", p.Organization); err != nil {
			return err
		}
		return tenancy.JoinMaintainer(tx, above.Actor(), maintainer, above)
	})
	b, member := s.SignIn(boss), s.SignIn(admin)
	s.TwoStep(b)
	b.Post(path+"/two-step", url.Values{"on": {"1"}}).Want(http.StatusSeeOther)
	banner := func(c *webtest.Client) string { return text(c.Get("/account/security").Want(http.StatusOK), ".banner") }
	const name, why = "Organization of Guarded", `The organization "Organization of Guarded" and its projects are open only to who signs in in two steps.`
	for who, x := range map[string]struct {
		u     accounts.User
		paths []string
	}{
		"super admin": {root, []string{path, path + "/members", project + "/join"}},
		"maintainer":  {above, []string{path, project + "/join", "/maintainers/" + num(maintainer) + "?organization=" + num(p.Organization)}},
		"member":      {admin, []string{project, project + "/storage"}},
	} {
		c := s.SignIn(x.u)
		for _, at := range x.paths {
			if r := c.Get(at).Want(http.StatusSeeOther); r.Location != "/account/security" {
				t.Errorf("%s is led from %s to %s", who, at, r.Location)
			}
			if got := banner(c); !strings.Contains(got, why) {
				t.Errorf("%s, from %s, reads %q", who, at, got)
			}
			if got := banner(c); strings.Contains(got, why) || strings.Contains(got, name) != (who == "member") {
				t.Errorf("%s, later, reads %q", who, got)
			}
		}
	}
	c := s.SignIn(stranger)
	for _, at := range []string{path, project, project + "/join"} {
		c.Get(at).Want(http.StatusNotFound)
	}
	if got := banner(c); got != "" {
		t.Errorf("who has no tie reads %q", got)
	}

	// Invited to the project and to the organization.
	s.TwoStep(member)
	member.Post(users(p), inviting(access.Guest, guest.Email)).Want(http.StatusOK)
	mail := newest(t, s, guest.Email).Text()
	b.Post(path+"/members", url.Values{"emails": {guest.Email}, "reason": {""}, "days": {"7"}}).Want(http.StatusOK)
	if !strings.Contains(mail, "Its organization asks for two-step sign-in: turn it on, on the page Security of your account, before you accept.") {
		t.Errorf("the mail says %q", mail)
	}
	if mail = newest(t, s, guest.Email).Text(); !strings.Contains(mail, "It asks for two-step sign-in: turn it on") {
		t.Errorf("the mail of the organization says %q", mail)
	}
	c = s.SignIn(guest)
	page := c.Get("/account/invitations").Want(http.StatusOK)
	if strings.Count(page.Body, name+" asks for two-step sign-in.") != 2 || page.Page().Find(`.banner a[href="/account/security"]`).Length() != 2 {
		t.Errorf("before they accept they read %q", text(page, "main"))
	}
	for _, at := range []string{path, project} { // they read that an invitation waits, and no more
		if r := c.Get(at).Want(http.StatusForbidden); !strings.Contains(r.Body, "You are invited to this ") || strings.Contains(r.Body, "Guarded") {
			t.Errorf("%s says %q", at, text(r, "main"))
		}
	}
	for _, form := range page.Page().Find(`form[action$="/accept"]`).EachIter() {
		if r := c.Post(form.AttrOr("action", ""), nil).Want(http.StatusSeeOther); r.Location != "/account/security" {
			t.Errorf("accepted it leads to %s", r.Location)
		}
		if got := banner(c); !strings.Contains(got, `was not accepted, and still waits: the organization "`+name+`" is open only to who signs in in two steps.`) || strings.Contains(got, "again") {
			t.Errorf("who accepts reads %q", got)
		}
	}
	if got := c.Get("/account/invitations").Page().Find(`form[action$="/accept"]`).Length(); got != 2 {
		t.Errorf("%d invitations wait", got)
	}
	// Somebody of the project who is invited to its organization reads of the invitation there, too.
	inside := s.Member(p, access.Guest)
	b.Post(path+"/members", url.Values{"emails": {inside.Email}, "reason": {""}, "days": {"7"}}).Want(http.StatusOK)
	if r := s.SignIn(inside).Get(path).Want(http.StatusForbidden); !strings.Contains(r.Body, "You are invited to this organization") {
		t.Errorf("one of the project reads %q", text(r, "main"))
	}
	s.TwoStep(c)
	if got := text(c.Get("/account/invitations"), "main"); strings.Contains(got, "two-step") {
		t.Errorf("who has it reads %q", got)
	}
	for range 2 {
		c.Post(asked(c), nil).Want(http.StatusSeeOther)
	}
	c.Get(path).Want(http.StatusOK)
	c.Get(project).Want(http.StatusOK)
}

// TestFactorDemanded: when two-step sign-in becomes a must, whom that keeps out is mailed, each
// once, once a day, a thousand at most in the order of their addresses; the page says so.
func TestFactorDemanded(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Demanding", false)
	boss, both, safe, gone := s.User("Boss"), s.User("Both"), s.Member(p, access.Guest), s.Member(p, access.Guest)
	path := ofOrganization(s, p, boss, both)
	s.Update(func(tx *db.Tx) error {
		if err := tenancy.Join(tx, both.Actor(), p, both, access.Guest); err != nil {
			return err
		}
		return tx.Must("UPDATE users SET state = 'disabled' WHERE id = $1", gone.ID)
	})
	s.TwoStep(s.SignIn(safe))
	c := s.SignIn(boss)
	s.TwoStep(c)
	set := func(on string) string {
		t.Helper()
		return text(c.Get(c.Post(path+"/two-step", url.Values{"on": {on}}).Want(http.StatusSeeOther).Location), "body")
	}
	mailed := func() (out []string) {
		s.View(func(tx *db.Tx) (err error) {
			out, err = db.All(tx, db.Scalar[string], "SELECT recipient FROM mails WHERE kind = 'factorDemanded' ORDER BY id")
			return err
		})
		return out
	}
	if got := text(c.Get(path+"/two-step"), "main"); !strings.Contains(got, "When it becomes one they get a mail, the first 1,000 by their addresses, once a day at most.") {
		t.Errorf("before, the page says %q", got)
	}
	var rows []struct{ Email string }
	c.Get(path + "/two-step?format=json").Want(http.StatusOK).JSON(&rows)
	var want []string // one of them twice: in the organization and in the project
	for _, x := range rows {
		want = append(want, x.Email)
	}
	slices.Sort(want)
	if want = slices.Compact(want); len(rows) != 4 || len(want) != 3 || !slices.Contains(want, admin.Email) || !slices.Contains(want, both.Email) {
		t.Errorf("kept out would be %v", rows)
	}
	if got := set("1"); !strings.Contains(got, "3 people who sign in without it were mailed.") || !slices.Equal(mailed(), want) {
		t.Errorf("mailed are %q; the page says %q", mailed(), got)
	}
	set("1") // which it is already
	set("")
	if got := set("1"); !strings.Contains(got, "were mailed within the last day; nobody is mailed again") || len(mailed()) != 3 {
		t.Errorf("mailed are %q; the page says %q", mailed(), got)
	}
	set("")
	s.Update(func(tx *db.Tx) error {
		for i := range tenancy.RemindMost {
			id, err := tx.NewID("users")
			if err != nil {
				return err
			}
			if _, err := tx.Exec("INSERT INTO users (id, email, name, search, password_hash, pepper_key, state, is_super_admin, session_epoch, theme, created_at) VALUES ($1, $2, $2, $2, '', '', 'active', FALSE, 1, '', $3)", id, fmt.Sprintf("a%04d@example.com", i), tx.Now); err != nil {
				return err
			}
			if _, err := tx.Exec("INSERT INTO organization_members (organization_id, user_id, email, reason, joined_at) VALUES ($1, $2, $3, '', $4)", p.Organization, id, fmt.Sprintf("a%04d@example.com", i), tx.Now); err != nil {
				return err
			}
		}
		return nil
	})
	s.Clock.Forward(24*time.Hour + time.Minute)
	c = s.SignIn(both)
	s.TwoStep(c)
	if got := set("1"); !strings.Contains(got, "The first 1,000 people who sign in without it were mailed; all others read it when they come.") || len(mailed()) != 3+tenancy.RemindMost {
		t.Errorf("mailed are %d; the page says %q", len(mailed()), got)
	}
	if list := mailed(); len(list) > 1002 && (list[3] != "a0000@example.com" || list[1002] != "a0999@example.com") {
		t.Errorf("the first is %s, the last %s", list[3], list[1002])
	}
	s.View(func(tx *db.Tx) error {
		n, err := db.Value[int64](tx, "SELECT count(*) FROM events WHERE name = 'organization.factorRequired'")
		if n != 3 {
			t.Errorf("%d events of the switch", n)
		}
		return err
	})
}

// TestBilling: each change of billing details is kept with who made it; what they say is in
// no event.
func TestBilling(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, _ := s.Project("Billed", false)
	boss := s.User("Boss")
	path := ofOrganization(s, p, boss) + "/billing"
	c := s.SignIn(boss)
	details := func(company, email string) url.Values {
		return url.Values{"company": {company}, "address": {"Line 1\r\nLine 2"}, "registration": {"12345678"}, "vat": {"CZ12345678"}, "email": {email}, "phone": {"+420 1"}, "order": {"PO-7"}, "note": {""}}
	}
	c.Post(path, details("First <Ltd>", "Bills@Example.com")).Want(http.StatusSeeOther)
	s.Clock.Forward(time.Minute)
	c.Post(path, details("Second", "bills@example.com")).Want(http.StatusSeeOther)
	c.Post(path, details("Second", "bills@example.com")).Want(http.StatusSeeOther) // which changes nothing
	c.Post(path, details("Third", "nonsense")).Want(http.StatusUnprocessableEntity)
	c.Post(path, details(strings.Repeat("x", 201), "")).Want(http.StatusUnprocessableEntity)
	c.Post(path, details("a\x01b", "")).Want(http.StatusUnprocessableEntity)
	var rows []map[string]any
	c.Get(path + "?format=json").Want(http.StatusOK).JSON(&rows)
	if len(rows) != 2 || rows[0]["company"] != "Second" || rows[1]["company"] != "First <Ltd>" || rows[0]["email"] != "bills@example.com" || rows[0]["by"] != boss.Email || rows[0]["address"] != "Line 1\nLine 2" {
		t.Errorf("the history is %v", rows)
	}
	page := c.Get(path).Want(http.StatusOK)
	if v := page.Page().Find("#company").AttrOr("value", ""); v != "Second" {
		t.Errorf("the form has %q", v)
	}
	if text := page.Page().Find("#history + *, tbody").Text(); !strings.Contains(text, "company") || page.Page().Find("main ltd").Length() != 0 {
		t.Errorf("the changes are %q", text)
	}
	s.View(func(tx *db.Tx) error {
		n, err := db.Value[int64](tx, "SELECT count(*) FROM events WHERE params LIKE '%CZ1234%' OR message LIKE '%CZ1234%' OR message LIKE '%Second%'")
		if n != 0 {
			t.Errorf("%d events hold what the details say", n)
		}
		return err
	})
}

// TestOrganizationEnds: an organization is deleted by its typed name, and not while it has a
// project whose data is there, of which its pages tell until when. Its other members who can sign in are mailed.
func TestOrganizationEnds(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, _ := s.Project("Ends", false)
	boss := s.User("Boss")
	others := []accounts.User{s.User("Colleague"), s.User("Friend"), s.User("Left")}
	path := ofOrganization(s, p, append(others, boss)...)
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE users SET state = 'disabled' WHERE id = $1", others[2].ID)
	})
	c := s.SignIn(boss)
	end := url.Values{"confirm": {"Organization of Ends"}}
	c.Post(path+"/delete", end).Want(http.StatusUnprocessableEntity)
	state := func(to string) {
		s.Update(func(tx *db.Tx) error { return tx.Must("UPDATE projects SET state = $2 WHERE id = $1", p.ID, to) })
	}
	text := func(path string) string { return words(c.Get(path).Want(http.StatusOK).Page().Find("main")) }
	if got := text(path + "/settings"); !strings.Contains(got, "It has 1 project. Delete or move it first.") || strings.Contains(got, "purge") {
		t.Errorf("with a project its settings say %q", got)
	}
	due := s.Clock.Now().Add(tenancy.Grace)
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE projects SET state = 'deleted', deleted_at = $2, deleted_by = 'Somebody <b>', purge_at = $3 WHERE id = $1", p.ID, tx.Now, due)
	})
	c.Post(path+"/delete", end).Want(http.StatusUnprocessableEntity)
	const waits = "1 deleted project waits for its purge, until "
	day := ui.When(due, time.UTC, s.Clock.Now()).Text
	if got := text(path + "/settings"); !strings.Contains(got, waits+day) || strings.Contains(got, "It has") {
		t.Errorf("with a deleted one its settings say %q", got)
	}
	gone := c.Get(path).Want(http.StatusOK).Page()
	if got := words(gone.Find(`[aria-labelledby="deleted"]`)); !strings.Contains(got, waits+day) || !strings.Contains(got, "Ends Project "+num(p.ID)+" Deleted") || !strings.Contains(got, "by Somebody <b>") || !strings.Contains(words(gone.Find("main")), "with 0 projects") {
		t.Errorf("of a deleted project it says %q", got)
	}
	other, _ := s.Project("Ends too", false)
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE projects SET organization_id = $2, state = 'deleted', deleted_at = $3, purge_at = $4, purge_begun_at = $3 WHERE id = $1", other.ID, p.Organization, tx.Now, due.AddDate(0, 0, -2))
	})
	if got := text(path); !strings.Contains(got, "2 deleted projects wait for their purge, the last until "+day) || !strings.Contains(got, "Ends too Project "+num(other.ID)+" Being purged") {
		t.Errorf("of two deleted projects it says %q", got)
	}
	if got := text(path + "/settings"); !strings.Contains(got, "2 deleted projects wait for their purge, the last until "+day) {
		t.Errorf("with two deleted ones its settings say %q", got)
	}
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE projects SET state = 'purged' WHERE id = $1", other.ID)
	})
	state("purged")
	c.Post(path+"/delete", url.Values{"confirm": {"organization of ends"}}).Want(http.StatusUnprocessableEntity)
	c.Post(path+"/delete", end).Want(http.StatusSeeOther)
	c.Get(path).Want(http.StatusNotFound)
	for i, want := range []int64{1, 1, 0} {
		if n := toldOf(t, s, "teamDeleted", others[i].Email); n != want {
			t.Errorf("%s gets %d mails", others[i].Email, n)
		}
	}
	if toldOf(t, s, "teamDeleted", boss.Email) != 0 {
		t.Error("who did it is mailed")
	}
	c.Get("/") // which says what was done
	if strings.Contains(c.Get("/").Body, "Organization of Ends") {
		t.Error("it is listed still")
	}
	s.SignIn(s.SuperAdmin("")).Get(path).Want(http.StatusNotFound)
}

// TestNewProject: a member of the organization makes projects of every kind, is their first
// administrator, leaves and enters again.
func TestNewProject(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("First", false)
	boss := s.User("Boss")
	path := ofOrganization(s, p, boss)
	c := s.SignIn(boss)
	var templates []string
	s.View(func(tx *db.Tx) error {
		list, err := tenancy.Templates(tx)
		for _, x := range list {
			templates = append(templates, x.ID)
			r := c.Post(path+"/projects", url.Values{"name": {"Of " + x.ID}, "template": {x.ID}}).Want(http.StatusSeeOther)
			c.Get(r.Location).Want(http.StatusOK)
			c.Get(r.Location + "/settings/users/invite").Want(http.StatusOK)
			s.Clock.Forward(time.Duration(x.Days) * 24 * time.Hour)
			want := http.StatusOK
			if x.Days > 0 {
				want = http.StatusForbidden
			}
			c = s.SignIn(boss)
			c.Get(r.Location).Want(want)
		}
		return err
	})
	if len(templates) != 5 {
		t.Errorf("there are the templates %q", templates)
	}
	for _, f := range []url.Values{{"name": {""}, "template": {"demo"}}, {"name": {"X"}, "template": {"none"}}, {"name": {"X"}, "template": {""}}} {
		c.Post(path+"/projects", f).Want(http.StatusUnprocessableEntity)
	}
	s.SignIn(admin).Post(path+"/projects", url.Values{"name": {"X"}, "template": {"demo"}}).Want(http.StatusForbidden)

	// Joining, leaving, joining again.
	first := "/projects/" + num(p.ID)
	if r := c.Get(first).Want(http.StatusForbidden); r.Page().Find(`a[href="`+first+`/join"]`).Length() != 1 {
		t.Error("the page does not lead to the way in")
	}
	for _, role := range []string{"share", "guest"} {
		c.Post(first+"/join", url.Values{"role": {role}, "reason": {""}}).Want(http.StatusSeeOther)
		c.Get(first).Want(http.StatusOK)
		if got := listed(c, p, ""); !strings.Contains(strings.Join(got, " "), boss.Email+" "+role) {
			t.Errorf("the list has %q", got)
		}
		if r := c.Get(first + "/join"); r.Location != first {
			t.Errorf("the way in, from inside: %d %s", r.Status, r.Location)
		}
		if r := c.Post(first+"/join", url.Values{"role": {"share"}, "reason": {""}}); r.Location != first { // twice
			t.Errorf("joining again: %d %s", r.Status, r.Location)
		}
		if got := listed(c, p, ""); !strings.Contains(strings.Join(got, " "), boss.Email+" "+role) {
			t.Errorf("joining again, the list has %q", got)
		}
		list := c.Get(path).Want(http.StatusOK)
		button := list.Page().Find(`button[command="show-modal"][commandfor="leave-` + num(p.ID) + `"]`)
		if ask := list.Page().Find(`dialog[id="leave-` + num(p.ID) + `"]`); words(button) != "Leave First" || !strings.Contains(words(ask), "Leave First? You are out at once.") || list.Page().Find(`form[action$="/leave"]`).Not("dialog form").Length() != 0 {
			t.Errorf("to leave is offered by %q, which asks %q", words(button), words(ask))
		}
		action, fields := list.Form(first + "/settings/users/leave")
		c.Post(action, fields).Want(http.StatusSeeOther)
		c.Get(first).Want(http.StatusForbidden)
	}
	for _, role := range []string{"", "developer", "owner"} {
		c.Post(first+"/join", url.Values{"role": {role}, "reason": {""}}).Want(http.StatusUnprocessableEntity)
	}
	c.Get(first + "/request").Want(http.StatusForbidden)
}
