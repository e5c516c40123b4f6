package console_test

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/internal/tenancy"
	"steward/web/webtest"
)

// shared is a form that several people have open at once. Each sets one of its fields.
type shared struct {
	at, action string
	field      string
	values     [4]string // that are set in turn, all unlike the one at first
	said       [4]string // what a page says of each
	wrong      string    // what is invalid in the field; "" where people choose
	undone     bool      // offers its undo
	also       url.Values
	one, other *webtest.Client
}

// open is the form as somebody has it.
func (f shared) open(c *webtest.Client, value string) url.Values {
	at := f.at
	if strings.Contains(at, "?") {
		at += value
	}
	_, form := c.Get(at).Want(http.StatusOK).Form(f.action)
	form.Set(f.field, value)
	maps.Copy(form, f.also)
	return form
}

// TestOvertaken: a form that was open while somebody else changed the same thing changes
// nothing, and neither does an undo. It comes again with what was typed and what it says now;
// saved again, it counts.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	names := [4]string{"First of all", "Second to none", "Third time lucky", "Fourth of July"}
	for _, name := range []string{"organization", "billing", "project", "retention", "terms", "expiry", "type", "maintainer", "role", "last day"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := dbtest.DSN(t)
			s := webtest.Open(t, webtest.Options{DSN: dsn, Idle: true})
			noon(s)
			p, admin := s.Project("Shared", false)
			insider, colleague, guest := s.User("Insider"), s.User("Colleague"), s.Member(p, access.Guest)
			organization := ofOrganization(s, p, insider, colleague)
			f := shared{one: s.SignIn(admin), other: s.SignIn(s.Member(p, access.Admin)), undone: true, wrong: "0"}
			project := "/projects/" + num(p.ID) + "/settings/project"
			switch name {
			case "organization":
				f.at, f.field, f.values, f.said, f.wrong = organization+"/settings", "name", names, names, " "
				f.one, f.other = s.SignIn(insider), s.SignIn(colleague)
			case "billing":
				f.at, f.field, f.values, f.said, f.wrong, f.undone = organization+"/billing", "company", names, names, strings.Repeat("x", 201), false
				f.one, f.other = s.SignIn(insider), s.SignIn(colleague)
			case "project":
				f.at, f.field, f.values, f.said, f.wrong = project, "name", names, names, " "
			case "retention":
				f.at, f.field, f.values, f.said = project, "retention", [4]string{"31", "32", "33", "34"}, [4]string{"31 days", "32 days", "33 days", "34 days"}
			case "terms":
				f.at, f.field, f.values, f.said = "/admin/projects/"+num(p.ID), "storage", [4]string{"51", "52", "53", "54"}, [4]string{"51 GB", "52 GB", "53 GB", "54 GB"}
				f.action, f.one, f.other = f.at+"/terms", s.SignIn(s.SuperAdmin("Root")), s.SignIn(s.SuperAdmin("Super"))
			case "expiry":
				f.at, f.field, f.wrong = "/admin/projects/"+num(p.ID), "expires", "2001-01-01"
				f.action, f.one, f.other = f.at+"/expiry", s.SignIn(s.SuperAdmin("Root")), s.SignIn(s.SuperAdmin("Super"))
				for i := range f.values {
					f.values[i], f.said[i] = dayIn(s, 20+i), s.App.DB.Now().UTC().AddDate(0, 0, 20+i).Format("Expires 2 Jan 2006")
				}
			case "type":
				f.at, f.field, f.values, f.undone, f.wrong = "/admin/projects/"+num(p.ID), "template", [4]string{"demo", "poc15Days", "poc30Days", "poc45Days"}, false, "none of them"
				f.said = [4]string{"Type Demo, 2 days", "Type Proof of concept, 15 days", "Type Proof of concept, 30 days", "Type Proof of concept, 45 days"}
				f.action, f.one, f.other, f.also = f.at+"/type", s.SignIn(s.SuperAdmin("Root")), s.SignIn(s.SuperAdmin("Super")), url.Values{"follow": {"never"}}
			case "maintainer":
				id := int64(0)
				s.Update(func(tx *db.Tx) (err error) {
					id, err = db.Value[int64](tx, "SELECT maintainer_id FROM organizations WHERE id = $1", p.Organization)
					for _, u := range []accounts.User{insider, colleague} {
						if err == nil {
							err = tenancy.JoinMaintainer(tx, u.Actor(), id, u)
						}
					}
					return err
				})
				f.at, f.field, f.values, f.said, f.wrong = "/maintainers/"+num(id)+"/settings", "name", names, names, " "
				f.one, f.other = s.SignIn(insider), s.SignIn(colleague)
			case "role":
				f.action, f.field, f.wrong = rowOf(f.one, p, guest.Email)+"/role", "role", ""
				f.at, f.values, f.said = f.action+"?role=", [4]string{"readOnly", "admin", "guest", "readOnly"}, [4]string{"Role now Read only", "Role now Admin", "Role now Guest", "Role now Read only"}
			case "last day":
				f.at, f.field, f.wrong = rowOf(f.one, p, guest.Email), "until", "2001-01-01"
				f.action = f.at + "/last-day"
				for i := range f.values {
					f.values[i], f.said[i] = dayIn(s, 20+i), s.App.DB.Now().UTC().AddDate(0, 0, 20+i).Format("Expires 2 Jan 2006")
				}
			}
			f.action = cmp.Or(f.action, f.at)
			watch := dbtest.Watch(t, dsn, untouched...)
			var now int // which of the values is set
			state := func() string {
				n := int64(0)
				s.View(func(tx *db.Tx) (err error) {
					n, err = db.Value[int64](tx, "SELECT count(*) FROM events WHERE name IN ('organization.updated', 'organization.billingChanged', 'project.updated', 'project.termsChanged', 'project.roleChanged', 'project.lastDayChanged', 'project.expiryChanged', 'project.typeChanged', 'maintainer.updated')")
					return err
				})
				return fmt.Sprint(n, watch.Sum())
			}
			set := func(c *webtest.Client, form url.Values, value int) webtest.Response {
				t.Helper()
				before := state()
				r := c.Post(f.action, form).Want(http.StatusSeeOther)
				if now = value; state() == before {
					t.Errorf("%s is not set", form.Get(f.field))
				}
				return c.Get(r.Location).Want(http.StatusOK)
			}
			refused := func(c *webtest.Client, form url.Values) url.Values {
				t.Helper()
				before := state()
				r := c.Post(f.action, form).Want(http.StatusConflict)
				if state() != before {
					t.Error("it is refused, and yet the database changed")
				}
				text := words(r.Page().Find("main"))
				if !strings.Contains(text, "This was changed meanwhile, so nothing was saved.") && !strings.Contains(text, "already") || !strings.Contains(text, f.said[now]) {
					t.Errorf("it is not said what there is now, %s: %s", f.said[now], text)
				}
				if r.Page().Find(`main form[action="`+f.action+`"]`).Length() == 0 {
					return nil
				}
				_, again := r.Form(f.action)
				if got := again.Get(f.field); got != form.Get(f.field) || again.Get("seen") == form.Get("seen") || again.Get("seen") == "" {
					t.Errorf("typed was %v, and the form has %v", form, again)
				}
				return again
			}

			// A form that is older than what others did, and then knowingly sent again.
			stale := f.open(f.one, f.values[1])
			set(f.other, f.open(f.other, f.values[0]), 0)
			again := refused(f.one, stale)
			stale.Del("_key")
			refused(f.one, stale)
			next := set(f.one, again, 1)

			// An undo, in time and too late.
			if f.undone {
				_, undo := next.Form(f.action)
				set(f.one, undo, 0)
				next = set(f.one, f.open(f.one, f.values[1]), 1)
				_, undo = next.Form(f.action)
				if undo.Get(f.field) != f.values[0] {
					t.Fatalf("the undo has %v", undo)
				}
				set(f.other, f.open(f.other, f.values[2]), 2)
				if refused(f.one, undo) == nil {
					t.Error("the undo does not lead on")
				}
			} else {
				set(f.other, f.open(f.other, f.values[2]), 2)
			}

			// Nobody looks at what is new by putting right what they typed wrong.
			if f.wrong != "" {
				stale = f.open(f.one, f.wrong)
				set(f.other, f.open(f.other, f.values[3]), 3)
				_, again = f.one.Post(f.action, stale).Want(http.StatusUnprocessableEntity).Form(f.action)
				again.Set(f.field, f.values[1])
				refused(f.one, again)
			}

			// A program does not tell what it has seen.
			plain := f.open(f.one, f.values[0])
			plain.Del("seen")
			set(f.one, plain, 0)
			set(f.other, f.open(f.other, f.values[1]), 1)

			// Who saves what is there reads that nothing has changed.
			if name == "role" { // whose form is not offered for the one that they have
				return
			}
			before := state()
			r := f.one.Post(f.action, f.open(f.one, f.values[1])).Want(http.StatusSeeOther)
			if says := words(f.one.Get(r.Location).Want(http.StatusOK).Page().Find("main")); !strings.Contains(says, "Nothing has changed") && !strings.Contains(says, "already") || state() != before {
				t.Errorf("saved as it was it says %q", says)
			}
		})
	}
}

// TestOvertakenAutoJoin: an old form, or an undo, of who renames an organization does not let
// its maintainer and support in again, whom somebody else has shut out meanwhile. A super admin,
// who may not decide on that, renames it all the same once they have seen it.
func TestOvertakenAutoJoin(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, _ := s.Project("Doors", false)
	member, colleague := s.User("Member"), s.User("Colleague")
	at := ofOrganization(s, p, member, colleague) + "/settings"
	renames, shuts, outside := s.SignIn(member), s.SignIn(colleague), s.SignIn(s.SuperAdmin("Root"))
	is := func() (o tenancy.OrganizationSettings) {
		s.View(func(tx *db.Tx) error {
			scope, err := tenancy.EnterOrganization(tx, member.Actor(), p.Organization, access.OrganizationRead)
			if err != nil {
				return err
			}
			x, err := tenancy.DescribeOrganization(tx, scope)
			o = x.Settings()
			return err
		})
		return o
	}
	_, theirs := outside.Get(at).Want(http.StatusOK).Form(at)
	_, mine := renames.Get(at).Want(http.StatusOK).Form(at)
	mine.Set("name", "Renamed")
	_, undo := renames.Get(renames.Post(at, mine).Want(http.StatusSeeOther).Location).Form(at)
	if undo.Get("autoJoin") != "1" || theirs.Get("autoJoin") != "1" {
		t.Fatalf("the undo has %v, the form from outside %v", undo, theirs)
	}
	_, shut := shuts.Get(at).Form(at)
	shut.Del("autoJoin")
	shuts.Post(at, shut).Want(http.StatusSeeOther)
	mine.Del("_key")
	renames.Post(at, mine).Want(http.StatusConflict)
	r := renames.Post(at, undo).Want(http.StatusConflict)
	if got := is(); got != (tenancy.OrganizationSettings{Name: "Renamed"}) {
		t.Errorf("after the undo it is %+v", got)
	}
	if now := text(r, `section[aria-labelledby="now"]`); !strings.Contains(now, "join projects by themselves No") {
		t.Errorf("the page says %q", now)
	}
	theirs.Set("name", "From outside")
	_, again := outside.Post(at, theirs).Want(http.StatusConflict).Form(at)
	if again.Get("name") != "From outside" || again.Has("autoJoin") {
		t.Errorf("the form has %v", again)
	}
	outside.Post(at, again).Want(http.StatusSeeOther)
	if got := is(); got != (tenancy.OrganizationSettings{Name: "From outside"}) {
		t.Errorf("it is %+v", got)
	}
}

// TestSettingsInTurn: of settings that are saved at once each event tells what there was before.
func TestSettingsInTurn(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("In turn 0", false)
	scope := s.Scope(admin, p)
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			if err := s.App.DB.Update(t.Context(), func(tx *db.Tx) error {
				_, _, err := tenancy.Set(tx, scope, tenancy.Settings{Name: fmt.Sprintf("In turn %d", i+1), Retention: 30})
				return err
			}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	before := map[string]int{} // how many events tell that a name was there before
	var told []string
	s.View(func(tx *db.Tx) (err error) {
		told, err = db.All(tx, db.Scalar[string], "SELECT message FROM events WHERE name = 'project.updated'")
		return err
	})
	for _, message := range told {
		_, from, _ := strings.Cut(message, ` name from "`)
		from, _, _ = strings.Cut(from, `"`)
		before[from]++
	}
	if len(told) != 12 || len(before) != 12 {
		t.Errorf("%d events tell of %d names before: %v", len(told), len(before), before)
	}
}
