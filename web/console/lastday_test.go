package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/tenancy"
	"steward/web/webtest"
)

// noon moves the clock to the middle of a day, which then does not end while a test runs.
func noon(s *webtest.Site) {
	now := s.Clock.Now().UTC()
	s.Clock.Forward(now.Truncate(24 * time.Hour).Add(36 * time.Hour).Sub(now))
}

// dayIn is a day so many days ahead, as the field of a form has it.
func dayIn(s *webtest.Site, days int) string {
	return s.App.DB.Now().UTC().AddDate(0, 0, days).Format(time.DateOnly)
}

// lasting is the form that makes a day somebody's last one; "" for none.
func lasting(day string) url.Values { return url.Values{"until": {day}} }

// expires is the last day of somebody in a project, as programs read the list; "" for none.
func expires(c *webtest.Client, p tenancy.Project, email string) string {
	var list []struct{ Expires *time.Time }
	c.Get(users(p) + "?format=json&q=" + url.QueryEscape(email)).Want(http.StatusOK).JSON(&list)
	if len(list) != 1 || list[0].Expires == nil {
		return ""
	}
	end := list[0].Expires.UTC()
	if end.Format(time.TimeOnly) != "23:59:59" {
		return end.Format(time.RFC3339) // which is no end of a day
	}
	return end.Format(time.DateOnly)
}

// lastDays are the sentences of the events about last days, in order.
func lastDays(s *webtest.Site, p tenancy.Project) (out []string) {
	s.View(func(tx *db.Tx) (err error) {
		out, err = db.All(tx, db.Scalar[string], "SELECT message FROM events WHERE name = 'project.lastDayChanged' AND project_id = $1 ORDER BY id", p.ID)
		return err
	})
	return out
}

// TestLastDay: the last day of a member is changed by the form of their page, which has the one
// they have; they are told, an event tells from when to when, and the undo takes it back.
func TestLastDay(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Config: withMailbox})
	noon(s)
	p, admin := s.Project("Days", false)
	guest := s.Member(p, access.Guest)
	c := s.SignIn(admin)
	at, day := rowOf(c, p, guest.Email), dayIn(s, 30)
	path, fields := c.Get(at).Want(http.StatusOK).Form(at + "/last-day")
	if got, there := fields["until"]; !there || got[0] != "" {
		t.Fatalf("the form of who has no last day has %v", fields)
	}
	fields.Set("until", day)
	page := c.Get(c.Post(path, fields).Want(http.StatusSeeOther).Location).Want(http.StatusOK)
	if want := "The last day of " + guest.Name + " is " + spelled(day) + " UTC now. Before there was none."; !strings.Contains(page.Page().Text(), want) {
		t.Errorf("it does not say %q", want)
	}
	if got := expires(c, p, guest.Email); got != day {
		t.Errorf("the list has %q, want %s", got, day)
	}
	if _, fields := c.Get(at).Form(at + "/last-day"); fields.Get("until") != day {
		t.Errorf("the form has %v", fields)
	}
	if r := c.Post(at+"/last-day", lasting(day)).Want(http.StatusSeeOther); !strings.Contains(c.Get(r.Location).Body, "is "+spelled(day)+" UTC already.") {
		t.Error("it is not said that nothing changed")
	}
	undo, fields := page.Form(at + "/last-day")
	if undo == "" || fields.Get("until") != "" {
		t.Fatalf("the undo is %s %v", undo, fields)
	}
	c.Post(undo, fields).Want(http.StatusSeeOther)
	if got := expires(c, p, guest.Email); got != "" {
		t.Errorf("after the undo the list has %q", got)
	}
	got := lastDays(s, p)
	said := `"` + admin.Name + `" changed when the membership of "` + guest.Name + `" (` + guest.Email + `) in "Days" ends from `
	if want := []string{said + "never to " + spelled(day) + ", 23:59 UTC.", said + spelled(day) + ", 23:59 UTC to never."}; strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the events say %q, want %q", got, want)
	}
	if n := toldOf(t, s, "lastDayChanged", guest.Email); n != 2 {
		t.Errorf("they were told %d times", n)
	}
	if text := words(newest(t, s, guest.Email)); !strings.Contains(text, "changed when your time in the project Days at ") || !strings.Contains(text, "ends, from "+spelled(day)+", 23:59 UTC to never.") {
		t.Errorf("the mail says %s", text)
	}
	for i := range 19 { // with the changes before, one more than within an hour
		want := http.StatusSeeOther
		if i == 18 {
			want = http.StatusTooManyRequests
		}
		c.Post(at+"/last-day", lasting(dayIn(s, 10+i))).Want(want)
	}
	c.Post(at+"/role", url.Values{"role": {"readOnly"}}).Want(http.StatusTooManyRequests)
}

// TestLastDayCounts: after the last day the person is out before anything comes by to take the
// membership away, and who was given more time stays in.
func TestLastDayCounts(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	noon(s)
	p, admin := s.Project("Counts", false)
	path := "/projects/" + num(p.ID)
	shorter, longer, free := s.User("Shorter"), s.User("Longer"), s.User("Free")
	c := s.SignIn(admin)
	for _, u := range []accounts.User{shorter, longer, free} {
		form := inviting(access.Guest, u.Email)
		form.Set("until", dayIn(s, 5))
		c.Post(users(p), form).Want(http.StatusOK)
		mine := s.SignIn(u)
		mine.Post(asked(mine), nil).Want(http.StatusSeeOther)
		mine.Get(path).Want(http.StatusOK)
	}
	gone := rowOf(c, p, longer.Email)
	for email, days := range map[string]string{shorter.Email: dayIn(s, 0), longer.Email: dayIn(s, 20), free.Email: ""} {
		c.Post(rowOf(c, p, email)+"/last-day", lasting(days)).Want(http.StatusSeeOther)
	}
	who := func(when string, want map[string]int) {
		t.Helper()
		for _, u := range []accounts.User{shorter, longer, free} {
			if got := s.SignIn(u).Get(path); got.Status != want[u.Name] {
				t.Errorf("%s: %s gets %d, want %d", when, u.Name, got.Status, want[u.Name])
			}
		}
	}
	who("on that day", map[string]int{"Shorter": 200, "Longer": 200, "Free": 200})
	s.Clock.Forward(24 * time.Hour)
	who("on the day after", map[string]int{"Shorter": 404, "Longer": 200, "Free": 200})
	s.Clock.Forward(6 * 24 * time.Hour) // past the end that all had at first
	who("a week later", map[string]int{"Shorter": 404, "Longer": 200, "Free": 200})
	if err := s.App.Tenancy.EndMemberships(t.Context(), s.App.DB); err != nil {
		t.Fatal(err)
	}
	who("after the sweep", map[string]int{"Shorter": 404, "Longer": 200, "Free": 200})
	s.Clock.Forward(14 * 24 * time.Hour)
	who("three weeks later", map[string]int{"Shorter": 404, "Longer": 404, "Free": 200})
	s.SignIn(admin).Post(gone+"/last-day", lasting("")).Want(http.StatusNotFound)
}

// TestLastDayIsRefused: to whom it is not given, for whom, and which days are none; nothing
// changes then, no event tells of a change, and no form offers it.
func TestLastDayIsRefused(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	noon(s)
	p, admin := s.Project("Refused", false)
	second, guest, reader := s.Member(p, access.Admin), s.Member(p, access.Guest), s.Member(p, access.ReadOnly)
	other, stranger := s.Project("Other", false)
	c, theirs, outsider := s.SignIn(admin), s.SignIn(stranger), s.User("")
	_, visitor, _ := ofSupport(s, "Sven")
	visitor.Post("/projects/"+num(p.ID)+"/join", url.Values{"reason": {"Look"}, "hours": {"8"}}).Want(http.StatusSeeOther)
	founder := s.Member(p, access.ReadOnly)
	s.Update(func(tx *db.Tx) error { // as who makes a project from above is in it, for good
		if err := tx.Must("UPDATE memberships SET through = 'maintainer' WHERE project_id = $1 AND user_id = $2", p.ID, founder.ID); err != nil {
			return err
		}
		return tenancy.JoinOrganization(tx, outsider.Actor(), other.Organization, outsider)
	})
	state := func() (text string) {
		s.View(func(tx *db.Tx) error {
			list, err := db.All(tx, db.Scalar[string], "SELECT email || ' ' || COALESCE(CAST(expires_at AS TEXT), '') FROM memberships ORDER BY id LIMIT 100")
			text = strings.Join(list, "\n")
			return err
		})
		return text
	}
	page := rowOf(c, p, guest.Email)
	before, inside := state(), c.Get(users(p)+"?format=json&q=Sven").Want(http.StatusOK)
	visits := users(p) + "/" + num(idOf(inside))
	for what, x := range map[string]struct {
		by     *webtest.Client
		at     string
		form   url.Values
		status int
		says   string
	}{
		"a reader":                 {s.SignIn(reader), page, lasting(dayIn(s, 5)), http.StatusForbidden, ""},
		"a guest, their own":       {s.SignIn(guest), page, lasting(""), http.StatusForbidden, ""},
		"a visitor":                {visitor, page, lasting(dayIn(s, 5)), http.StatusForbidden, "for a time only"},
		"somebody of elsewhere":    {theirs, page, lasting(dayIn(s, 5)), http.StatusNotFound, ""},
		"a member of elsewhere":    {s.SignIn(outsider), page, lasting(dayIn(s, 5)), http.StatusNotFound, ""},
		"a number of elsewhere":    {theirs, strings.Replace(page, users(p), users(other), 1), lasting(dayIn(s, 5)), http.StatusNotFound, ""},
		"oneself":                  {c, rowOf(c, p, admin.Email), lasting(dayIn(s, 5)), http.StatusUnprocessableEntity, "This is you."},
		"oneself, for good":        {c, rowOf(c, p, admin.Email), lasting("2101-01-01"), http.StatusUnprocessableEntity, "within 10 years"},
		"a longer visit":           {c, visits, lasting(dayIn(s, 5)), http.StatusUnprocessableEntity, "Sven, of support, is in the project by that right."},
		"a visit for good":         {c, visits, lasting(""), http.StatusUnprocessableEntity, "Sven, of support, is in the project by that right."},
		"who came from above":      {c, rowOf(c, p, founder.Email), lasting(dayIn(s, 5)), http.StatusUnprocessableEntity, "of the maintainer, is in the project by that right."},
		"yesterday":                {c, page, lasting(dayIn(s, -1)), http.StatusUnprocessableEntity, "Choose a day that is still to come."},
		"a day in eleven years":    {c, page, lasting(dayIn(s, 11*365)), http.StatusUnprocessableEntity, "Choose a day within 10 years, or none."},
		"a day past all":           {c, page, lasting("9999-12-31"), http.StatusUnprocessableEntity, "Choose a day within 10 years, or none."},
		"nonsense":                 {c, page, lasting("soon"), http.StatusUnprocessableEntity, "Enter a day like 2026-12-31."},
		"no day of the calendar":   {c, page, lasting("2031-02-30"), http.StatusUnprocessableEntity, "Enter a day like 2026-12-31."},
		"another field":            {c, page, url.Values{"until": {""}, "role": {"share"}}, http.StatusUnprocessableEntity, "has no field"},
		"two days":                 {c, page, url.Values{"until": {dayIn(s, 5), ""}}, http.StatusUnprocessableEntity, "came 2 times"},
		"nobody":                   {c, users(p) + "/999999", lasting(""), http.StatusNotFound, ""},
		"somebody not signed in":   {s.Anonymous(), page, lasting(""), http.StatusSeeOther, ""},
		"an invitation's own path": {c, strings.Replace(page, "/users/", "/invitations/", 1), lasting(""), http.StatusNotFound, ""},
	} {
		r := x.by.Post(x.at+"/last-day", x.form)
		if r.Status != x.status || !strings.Contains(r.Body, x.says) {
			t.Errorf("%s: %d, want %d and %q:\n%s", what, r.Status, x.status, x.says, r.Page().Find("main").Text())
		}
		if x.at == page && r.Status == http.StatusUnprocessableEntity && x.by == c && len(x.form["until"]) == 1 && len(x.form) == 1 {
			if field := r.Page().Find(`[name="until"][aria-invalid]`); field.AttrOr("value", "") != x.form.Get("until") {
				t.Errorf("%s: the form does not have what was typed, or is not at fault", what)
			}
		}
	}
	if after := state(); after != before {
		t.Errorf("the memberships were\n%s\nand are\n%s", before, after)
	}
	if told := lastDays(s, p); len(told) != 0 {
		t.Errorf("events tell %q", told)
	}
	offered := func(by *webtest.Client, at string) bool {
		return by.Get(at).Want(http.StatusOK).Page().Find(`form[action="`+at+`/last-day"]`).Length() == 1
	}
	for what, x := range map[string]struct {
		by   *webtest.Client
		at   string
		want bool
	}{
		"an admin, of a guest": {c, page, true}, "an admin, of another": {c, rowOf(c, p, second.Email), true},
		"an admin, of themselves": {c, rowOf(c, p, admin.Email), false}, "an admin, of a visitor": {c, visits, false}, "an admin, of who came from above": {c, rowOf(c, p, founder.Email), false},
		"a reader": {s.SignIn(reader), page, false}, "a visitor, of a guest": {visitor, page, false}, "a visitor, of themselves": {visitor, visits, false},
	} {
		if got := offered(x.by, x.at); got != x.want {
			t.Errorf("%s: the form is offered: %t", what, got)
		}
	}
}

// idOf is the number of the only member of a list.
func idOf(r webtest.Response) int64 {
	var list []struct{ ID int64 }
	if r.JSON(&list); len(list) != 1 {
		return 0
	}
	return list[0].ID
}

// TestLastDayOfShare: who may not give a role gives nobody more time in it, but may give less,
// and then is offered no undo; members of the organization do both. In both kinds of project.
func TestLastDayOfShare(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	noon(s)
	for governed, highest := range map[bool]access.Role{false: access.Share, true: access.ProductionManager} {
		p, admin := s.Project("Highest", governed)
		if governed {
			admin = s.Member(p, access.ProductionManager)
		}
		high, boss := s.Member(p, highest), s.User("Boss")
		ofOrganization(s, p, boss)
		c, above := s.SignIn(admin), s.SignIn(boss)
		at := rowOf(c, p, high.Email)
		undo := func(r webtest.Response) bool {
			return c.Get(r.Location).Want(http.StatusOK).Page().Find(`form[action="`+at+`/last-day"]`).Length() == 1
		}
		r := c.Get(at)
		if !strings.Contains(r.Body, "only a member of the organization can give them more time") {
			t.Errorf("%s: the form does not say it", highest)
		}
		if undo(c.Post(at+"/last-day", lasting(dayIn(s, 9))).Want(http.StatusSeeOther)) {
			t.Errorf("%s: an undo is offered that is refused", highest)
		}
		for _, day := range []string{dayIn(s, 10), ""} {
			if r := c.Post(at+"/last-day", lasting(day)).Want(http.StatusForbidden); !strings.Contains(r.Body, "Only a member of the project&#39;s organization can give more time to somebody who is "+highest.Label()) {
				t.Errorf("%s: it is not said why", highest)
			}
			if got := expires(c, p, high.Email); got != dayIn(s, 9) {
				t.Errorf("%s: the last day is %q", highest, got)
			}
		}
		c.Post(at+"/last-day", lasting(dayIn(s, 8))).Want(http.StatusSeeOther)
		above.Post(at+"/last-day", lasting("")).Want(http.StatusSeeOther) // who is not even in the project
		if got := expires(c, p, high.Email); got != "" {
			t.Errorf("%s: the last day is %q", highest, got)
		}
		ofOrganization(s, p, admin)
		if !undo(c.Post(at+"/last-day", lasting(dayIn(s, 9))).Want(http.StatusSeeOther)) {
			t.Errorf("%s: no undo is offered to a member of the organization", highest)
		}
	}
}

// TestLastDayOfTheLast: nobody takes time from the last one who manages the people, nor is
// offered an undo that would; who manages them for less time does not stand in.
func TestLastDayOfTheLast(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	noon(s)
	p, admin := s.Project("Last", false)
	brief, boss := s.Member(p, access.Admin), s.User("Boss")
	ofOrganization(s, p, boss)
	member, c := s.SignIn(admin), s.SignIn(boss) // who is not in the project
	only, other := rowOf(member, p, admin.Email), rowOf(member, p, brief.Email)
	refused := func(at, day string) {
		t.Helper()
		if r := c.Post(at+"/last-day", lasting(day)).Want(http.StatusUnprocessableEntity); !strings.Contains(r.Body, "is the last one who manages the people of this project.") {
			t.Errorf("it is not said why:\n%s", r.Page().Find("main").Text())
		}
	}
	c.Post(other+"/last-day", lasting(dayIn(s, 10))).Want(http.StatusSeeOther)
	refused(only, dayIn(s, 5))
	refused(only, dayIn(s, 20)) // after the other one's, but somebody stays for good
	c.Post(other+"/last-day", lasting("")).Want(http.StatusSeeOther)
	c.Post(only+"/last-day", lasting(dayIn(s, 5))).Want(http.StatusSeeOther)
	refused(other, dayIn(s, 5))
	c.Post(only+"/remove", nil).Want(http.StatusSeeOther)
	refused(other, dayIn(s, 5))

	s.Update(func(tx *db.Tx) error { // as things may be after an account was disabled and more
		return tx.Must("UPDATE memberships SET expires_at = $2 WHERE user_id = $1", brief.ID, tx.Now.AddDate(0, 0, 3))
	})
	next := c.Post(other+"/last-day", lasting("")).Want(http.StatusSeeOther)
	if c.Get(next.Location).Page().Find(`form[action="`+other+`/last-day"]`).Length() != 0 {
		t.Error("an undo is offered that is refused")
	}
	refused(other, dayIn(s, 3))
}

// TestLastDayWhileOthersChange: two who manage a project and take time from each other, or
// remove each other, at the same moment: one of them stays as they were.
func TestLastDayWhileOthersChange(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Damaged: true}) // verifying that many events is not the point
	p, first := s.Project("Both", false)
	people := [2]accounts.User{first, s.Member(p, access.Admin)}
	var ids [2]int64
	s.View(func(tx *db.Tx) (err error) {
		for i, u := range people {
			if ids[i], err = db.Value[int64](tx, "SELECT id FROM memberships WHERE project_id = $1 AND user_id = $2", p.ID, u.ID); err != nil {
				return err
			}
		}
		return nil
	})
	for round := range 100 {
		s.Clock.Forward(time.Hour) // a member changes so often within one, and no more
		var scopes [2]access.Project
		for i, u := range people {
			scopes[i] = s.Scope(u, p)
		}
		var all sync.WaitGroup
		var errs [2]error
		for i := range people {
			all.Go(func() {
				errs[i] = s.App.DB.Update(t.Context(), func(tx *db.Tx) error {
					if round%3 == 2 && i == 1 {
						_, err := s.App.Tenancy.SetRole(tx, scopes[i], ids[1-i], access.Guest)
						return err
					}
					_, _, err := s.App.Tenancy.SetLastDay(tx, scopes[i], ids[1-i], tx.Now.AddDate(0, 0, 1+(round+i)%2))
					return err
				})
			})
		}
		all.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("round %d: %v, %v", round, errs[0], errs[1])
		}
		for i, err := range errs {
			if err != nil && !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.Forbidden) {
				t.Fatalf("round %d, person %d: %v", round, i, err)
			}
		}
		s.Update(func(tx *db.Tx) error {
			n, err := db.Value[int64](tx, "SELECT count(*) FROM memberships WHERE project_id = $1 AND role = 'admin' AND expires_at IS NULL", p.ID)
			if err != nil {
				return err
			}
			if n != 1 {
				t.Fatalf("round %d: %d manage the project for good", round, n)
			}
			_, err = tx.Exec("UPDATE memberships SET expires_at = NULL, role = 'admin' WHERE project_id = $1", p.ID)
			return err
		})
	}
}
