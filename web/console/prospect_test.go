package console_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/storage/csv"
	"steward/internal/tenancy"
	"steward/web/webtest"
)

// TestProspectsAreTrue: for every role, to every other and to none, of members of the
// organization, of others and of visitors, what is foreseen is what the gate then does.
func TestProspectsAreTrue(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	all := access.ProjectPermissions()
	seen := 0
	for _, governed := range []bool{false, true} {
		p, admin := s.Project("Prospects", governed)
		s.Update(func(tx *db.Tx) error { return tenancy.JoinOrganization(tx, admin.Actor(), p.Organization, admin) })
		for _, kind := range []string{"", "organization", "visitor"} {
			for _, from := range access.Roles(governed) {
				u := s.Member(p, from)
				s.Update(func(tx *db.Tx) error {
					switch kind {
					case "organization":
						return tenancy.JoinOrganization(tx, u.Actor(), p.Organization, u)
					case "visitor":
						return tx.Must("UPDATE memberships SET through = 'support', expires_at = $3 WHERE project_id = $1 AND user_id = $2", p.ID, u.ID, tx.Now.AddDate(0, 0, 1))
					}
					return nil
				})
				for _, to := range append(access.Roles(governed), "") {
					if to != from {
						seen += foreseen(t, s, p, admin, u, to, all)
					}
				}
			}
		}
	}
	if seen < 2000 {
		t.Errorf("only %d permissions changed", seen)
	}
}

// foreseen holds what is foreseen of a member against what the change makes of them, takes it
// back, and tells how many permissions changed.
func foreseen(t *testing.T, s *webtest.Site, p tenancy.Project, by, u accounts.User, to access.Role, all []access.Permission) int {
	t.Helper()
	scope := s.Scope(by, p)
	may := func(tx *db.Tx) map[access.Permission]bool {
		out := map[access.Permission]bool{}
		for _, x := range all {
			_, err := tenancy.Enter(tx, u.Actor(), p.ID, x)
			if out[x] = err == nil; err != nil && !fault.Is(err, fault.Forbidden) && !fault.Is(err, fault.NotFound) {
				t.Fatal(err)
			}
		}
		return out
	}
	changed := 0
	err := s.App.DB.Update(t.Context(), func(tx *db.Tx) error {
		id, err := db.Value[int64](tx, "SELECT id FROM memberships WHERE project_id = $1 AND user_id = $2", p.ID, u.ID)
		if err != nil {
			return err
		}
		x, err := tenancy.Foresee(tx, scope, id, to, all)
		if err != nil || x.Refused != nil {
			t.Fatal(err, x.Refused)
		}
		before := may(tx)
		if to == "" {
			_, err = s.App.Tenancy.Remove(tx, scope, id)
		} else {
			_, err = s.App.Tenancy.SetRole(tx, scope, id, to)
		}
		if err != nil {
			return err
		}
		after := may(tx)
		foretold := map[access.Permission]bool{}
		for _, c := range x.Changes {
			foretold[c.Permission] = true
			full := func(e access.Extent) bool { return e == access.ToAll || e == access.ToState }
			if full(c.Before) != before[c.Permission] || full(c.After) != after[c.Permission] {
				t.Errorf("%s, from %q to %q: %s is foretold from %q to %q, and went from %t to %t", u.Email, x.Member.Role, to, c.Permission, c.Before, c.After, before[c.Permission], after[c.Permission])
			}
		}
		for _, x := range all {
			if before[x] != after[x] {
				if changed++; !foretold[x] {
					t.Errorf("%s, to %q: nothing is foretold of %s, which went from %t to %t", u.Email, to, x, before[x], after[x])
				}
			}
		}
		return errBack
	})
	if !errors.Is(err, errBack) {
		t.Fatal(err)
	}
	return changed
}

// TestProspectPages: the page tells what a change of role, and a removal, would take, names the
// jobs that stop, and these stop; it offers nothing that is refused, and changes nothing.
func TestProspectPages(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Prospects", false)
	guest := s.Member(p, access.Guest)
	c := s.SignIn(admin)
	at := rowOf(c, p, guest.Email)
	scope := s.Scope(guest, p)
	f, err := s.App.Storage.Upload(t.Context(), scope, "things.csv", strings.NewReader("id,name\n1,one\n"))
	if err != nil {
		t.Fatal(err)
	}
	var j jobs.Job
	s.Update(func(tx *db.Tx) error {
		if _, err := s.App.Storage.CreateBucket(tx, scope, storage.NewBucket{Stage: storage.In, Name: "walk"}); err != nil {
			return err
		}
		j, err = s.App.Storage.StartLoad(tx, scope, storage.Load{File: f.ID, Bucket: "in.c-walk", Table: "things", Dialect: csv.DefaultDialect()})
		return err
	})
	text := func(path string) string { return words(c.Get(path).Want(http.StatusOK).Page().Find("main")) }
	job := "Job " + num(j.ID) + ":"
	for path, want := range map[string][]string{
		at + "/role?role=readOnly": {"Make " + guest.Name + " Read only?", "No longer: load, change and drop tables", job, "Their own token, which then may"},
		at + "/role?role=admin":    {"From then on: invite people", "From then on: delete the project", "From then on: merge"},
		at + "/remove":             {"No longer: enter the project", "Their own token of this project.", job, "They can be invited again."},
	} {
		got := text(path)
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s does not say %q: %s", path, w, got)
			}
		}
		if strings.Contains(path, "admin") && (strings.Contains(got, job) || strings.Contains(got, "share buckets") || strings.Contains(got, "grant the role")) {
			t.Errorf("%s tells of a job that goes on, or of what only members of the organization may: %s", path, got)
		}
	}
	s.Update(func(tx *db.Tx) error { return tenancy.JoinOrganization(tx, guest.Actor(), p.Organization, guest) })
	told := text(at + "/remove")
	s.Update(func(tx *db.Tx) error {
		return tx.Must("DELETE FROM organization_members WHERE user_id = $1", guest.ID)
	})
	if other := text(at + "/remove"); other != told || !strings.Contains(told, "only its members see that") {
		t.Errorf("who is not of the organization reads that somebody else is: %q, and of somebody who is not %q", told, other)
	}
	s.Update(func(tx *db.Tx) error {
		if err := tenancy.JoinOrganization(tx, guest.Actor(), p.Organization, guest); err != nil {
			return err
		}
		return tenancy.JoinOrganization(tx, admin.Actor(), p.Organization, admin)
	})
	if got := text(at + "/remove"); !strings.Contains(got, "they may join again at any time") || !strings.Contains(got, "From then on: invite people") {
		t.Errorf("of a member of the organization it says %q", got)
	}
	// An administrator who is not of the organization may share as Share only; one who is, already.
	second := rowOf(c, p, s.Member(p, access.Admin).Email)
	if got := text(second + "/role?role=share"); !strings.Contains(got, "From then on: share buckets") || strings.Contains(got, "Nothing changes") || strings.Contains(got, "grant the role") {
		t.Errorf("from Admin to Share it says %q", got)
	}
	c.Post(second+"/remove", nil).Want(http.StatusSeeOther)
	if got := text(at + "/role?role=admin"); !strings.Contains(got, "From then on: share buckets") || !strings.Contains(got, "From then on: grant the role Share") {
		t.Errorf("to Admin, of a member of the organization, it says %q", got)
	}
	for path, want := range map[string]string{
		at + "/role?role=guest":                       guest.Name + " has the role Guest already.",
		rowOf(c, p, admin.Email) + "/remove":          "This is you. Leave the project instead.",
		rowOf(c, p, admin.Email) + "/role?role=guest": "is the last one who manages the people of this project.",
	} {
		page := c.Get(path).Want(http.StatusOK).Page()
		if got := words(page.Find(`[role="alert"]`)); !strings.Contains(got, want) || page.Find("main form button").Length() != 0 {
			t.Errorf("%s says %q, and offers %d buttons", path, got, page.Find("main form button").Length())
		}
	}
	c.Get(at + "/role?role=owner").Want(http.StatusUnprocessableEntity)
	s.Update(func(tx *db.Tx) error {
		return tx.Must("DELETE FROM organization_members WHERE user_id = $1", admin.ID)
	})
	c.Get(at + "/role?role=share").Want(http.StatusForbidden)
	c.Get(users(p) + "/999/remove").Want(http.StatusNotFound)
	for _, path := range []string{"/role?role=readOnly", "/remove"} {
		s.SignIn(s.Member(p, access.Guest)).Get(at + path).Want(http.StatusForbidden)
		s.SignIn(s.User("")).Get(at + path).Want(http.StatusNotFound)
	}
	if got := strings.Join(listed(c, p, ""), " "); !strings.Contains(got, guest.Email+" guest") {
		t.Errorf("looking changed something: %s", got)
	}
	action, fields := c.Get(at + "/role?role=readOnly").Form(at + "/role")
	c.Post(action, fields).Want(http.StatusSeeOther)
	if err := s.App.Jobs.Drain(t.Context(), jobs.Storage); err != nil {
		t.Fatal(err)
	}
	s.View(func(tx *db.Tx) error {
		j, err := s.App.Jobs.Get(tx, s.Scope(admin, p), j.ID)
		if err != nil || j.State != jobs.Failed || !strings.Contains(j.ErrorMessage, "may not do this any more") {
			t.Errorf("the job is %s: %s, %v", j.State, j.ErrorMessage, err)
		}
		return nil
	})
	c.Post(at+"/remove", url.Values{}).Want(http.StatusSeeOther)
}
