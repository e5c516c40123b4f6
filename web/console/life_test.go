package console_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/storage/csv"
	"steward/internal/tenancy"
	"steward/web/console"
	"steward/web/gate"
	"steward/web/webtest"
)

// life is a project with one of everything, and a program in which nothing runs but what a
// test runs.
type life struct {
	*webtest.Site
	t     *testing.T
	p     tenancy.Project
	in    project
	admin accounts.User
	root  accounts.User // a super admin
}

func newLife(t *testing.T, name string) *life {
	t.Helper()
	s := webtest.Open(t, webtest.Options{Idle: true, Config: withMailbox})
	p, admin := s.Project(name, false)
	l := &life{Site: s, t: t, p: p, in: furnish(t, s, p, admin), admin: admin, root: s.SuperAdmin("Vera")}
	l.mails() // those of the furniture
	return l
}

func (l *life) path(rest string) string  { return "/projects/" + num(l.p.ID) + rest }
func (l *life) above(rest string) string { return "/admin/projects/" + num(l.p.ID) + rest }

// super is a super admin who has just proved who they are.
func (l *life) super() *webtest.Client { l.t.Helper(); return l.SignIn(l.root) }

// delete deletes the project by its form.
func (l *life) delete(c *webtest.Client) webtest.Response {
	l.t.Helper()
	action, form := c.Get(l.path("/settings/project/delete")).Want(http.StatusOK).Form(l.path("/settings/project/delete"))
	form.Set("confirm", l.p.Name)
	return c.Post(action, form)
}

// does fills in a form of the page for super admins.
func (l *life) does(c *webtest.Client, what string, fields url.Values) webtest.Response {
	l.t.Helper()
	action, form := c.Get(l.above("")).Want(http.StatusOK).Form(l.above("/" + what))
	for k, v := range fields {
		form[k] = v
	}
	return c.Post(action, form)
}

// house runs the system's jobs that are due, until none is left.
func (l *life) house(schedules ...string) {
	l.t.Helper()
	for _, name := range schedules {
		l.Update(func(tx *db.Tx) error {
			return tx.Must("UPDATE schedules SET next_at = $2 WHERE name = $1", name, tx.Now.Add(-time.Minute))
		})
	}
	if _, err := l.App.Jobs.Fire(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
	for range 4 {
		if err := l.App.Jobs.Drain(l.t.Context(), jobs.System); err != nil {
			l.t.Fatal(err)
		}
	}
}

// mails gives the kinds of the mails about the project that were written since it was last
// asked, with to whom.
func (l *life) mails() (out []string) {
	l.t.Helper()
	l.house()
	l.Update(func(tx *db.Tx) (err error) {
		if out, err = db.All(tx, db.Scalar[string], "SELECT kind || ' to ' || recipient FROM mails WHERE kind LIKE 'project%' ORDER BY kind, recipient"); err == nil {
			_, err = tx.Exec("DELETE FROM mails")
		}
		return err
	})
	return out
}

func (l *life) value(query string, args ...any) (n int64) {
	l.t.Helper()
	l.View(func(tx *db.Tx) (err error) { n, err = db.Value[int64](tx, query, args...); return err })
	return n
}

func (l *life) text(query string, args ...any) (s string) {
	l.t.Helper()
	l.View(func(tx *db.Tx) (err error) { s, err = db.Value[string](tx, query, args...); return err })
	return s
}

// TestDeleteProject: only its name deletes a project, and then at once nobody is in it and
// nothing runs in it: sessions, streams and jobs that wait end; invitations are closed;
// members are told. Whoever opens it reads what happened. Case 33: mid-session.
func TestDeleteProject(t *testing.T) {
	t.Parallel()
	l := newLife(t, "Harvest")
	reader := l.Member(l.p, access.ReadOnly)
	c, other := l.SignIn(l.admin), l.SignIn(reader)
	before := l.text("SELECT state FROM projects WHERE id = $1", l.p.ID)
	for _, typed := range []string{"", "harvest", "Harvest2", "Harv est"} {
		r := c.Post(l.path("/settings/project/delete"), url.Values{"confirm": {typed}}).Want(http.StatusUnprocessableEntity)
		if r.Page().Find(`[name="confirm"][aria-invalid]`).Length() != 1 {
			t.Errorf("typed %q: the field is not at fault", typed)
		}
	}
	c.Post(l.path("/settings/project/delete"), url.Values{"confirm": {"Harvest"}, "more": {"x"}}).Want(http.StatusUnprocessableEntity)
	if l.text("SELECT state FROM projects WHERE id = $1", l.p.ID) != before {
		t.Fatal("it is deleted by another name")
	}
	if other.Get(l.path("/settings/project")).Want(http.StatusOK).Page().Find(`a[href$="/settings/project/delete"]`).Length() != 0 {
		t.Error("who may not delete it is offered to")
	}
	waiting := l.value("SELECT id FROM jobs WHERE project_id = $1 AND state = 'waiting'", l.p.ID)
	invited := l.value("SELECT count(*) FROM invitations WHERE project_id = $1 AND state = 'pending'", l.p.ID)
	links := "SELECT count(*) FROM account_links WHERE ended_at IS NULL AND invitation_id IN (SELECT id FROM invitations WHERE project_id = $1)"
	if invited == 0 || l.value(links, l.p.ID) == 0 {
		t.Fatal("nobody is invited")
	}
	lines := stream(t, other, l.path("/live?part=jobs"))
	if r := l.delete(c); r.Status != http.StatusSeeOther || r.Location != "/" {
		t.Fatalf("%d %s", r.Status, r.Location)
	}
	if text := c.Get("/").Want(http.StatusOK).Page().Find("main").Text(); !strings.Contains(text, "The project is deleted. A super admin can bring it back for 60 days.") || strings.Contains(text, "Harvest") {
		t.Errorf("the list of projects says %q", text)
	}
	ended(t, lines, 5*time.Second)
	until := l.Clock.Now().Add(tenancy.Grace).UTC().Format("2 January 2006")
	for _, x := range []*webtest.Client{c, other} {
		r := x.Get(l.path("/storage")).Want(http.StatusForbidden)
		for _, want := range []string{"This project is deleted", fmt.Sprintf("%q deleted this project on ", l.admin.Name), "A super admin can bring it back as it was, until " + until, "Go to projects"} {
			if !strings.Contains(r.Page().Text(), want) {
				t.Errorf("who opens it does not read %q", want)
			}
		}
		x.Post(l.path("/storage/buckets"), url.Values{"stage": {"in"}, "name": {"x"}}).Want(http.StatusForbidden)
	}
	l.SignIn(l.User("Stranger")).Get(l.path("")).Want(http.StatusNotFound)

	if err := l.App.Jobs.Drain(t.Context(), jobs.Storage); err != nil {
		t.Fatal(err)
	}
	if got := l.text("SELECT state || ' ' || error_code || ' ' || error_message FROM jobs WHERE id = $1", waiting); got != "error "+jobs.Cancelled+" Cancelled because the project was deleted. The table was not changed." {
		t.Errorf("the job that waited: %s", got)
	}
	if n := l.value("SELECT count(*) FROM invitations WHERE project_id = $1 AND state = 'cancelled'", l.p.ID); n != invited || l.value(links, l.p.ID) != 0 {
		t.Errorf("%d of %d invitations are closed, %d links live", n, invited, l.value(links, l.p.ID))
	}
	want := []string{}
	for _, email := range []string{l.admin.Email, reader.Email} {
		want = append(want, "projectDeleted to "+email)
	}
	got := l.mails()
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("no mail: %s; there are %q", w, got)
		}
	}
	if n := l.value("SELECT count(*) FROM memberships WHERE project_id = $1", l.p.ID); int64(len(got)) != n {
		t.Errorf("%d mails for %d members", len(got), n)
	}
	if n := l.value("SELECT count(*) FROM events WHERE name = 'project.deleted' AND project_id = $1 AND user_id = $2", l.p.ID, l.admin.ID); n != 1 {
		t.Errorf("%d events", n)
	}
}

// TestDeleteTwice: two delete a project at once, and it is done once.
func TestDeleteTwice(t *testing.T) {
	t.Parallel()
	l := newLife(t, "Twice")
	clients := []*webtest.Client{l.SignIn(l.admin), l.SignIn(l.Member(l.p, access.Admin)), l.SignIn(l.admin)}
	status := make([]int, len(clients))
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() {
			status[i] = c.Post(l.path("/settings/project/delete"), url.Values{"confirm": {"Twice"}}).Status
		})
	}
	wg.Wait()
	slices.Sort(status)
	if !slices.Equal(status, []int{http.StatusSeeOther, http.StatusForbidden, http.StatusForbidden}) {
		t.Errorf("the answers are %v", status)
	}
	if n := l.value("SELECT count(*) FROM events WHERE name = 'project.deleted'"); n != 1 {
		t.Errorf("%d events", n)
	}
	if got := l.mails(); len(got) != int(l.value("SELECT count(*) FROM memberships WHERE project_id = $1", l.p.ID)) {
		t.Errorf("%d mails", len(got))
	}
}

// TestUndelete: what is brought back is as it was, however long it rested: tables with their
// versions and snapshots, the trash, files, people and rights. Invitations stay closed, and the
// time in which it rested counts for nothing that is kept for a while.
func TestUndelete(t *testing.T) {
	t.Parallel()
	l := newLife(t, "Back")
	d := &desk{Site: l.Site, t: t, project: l.p, admin: l.admin, scope: l.Scope(l.admin, l.p)}
	// What its storage shows, with the past.
	look := func() string {
		c := l.SignIn(l.admin)
		out := d.picture()
		for _, list := range []string{"/storage/tables/" + l.in.table + "/versions", "/storage/tables/" + l.in.table + "/snapshots", "/settings/users"} {
			out += c.Get(l.path(list) + "?format=json").Want(http.StatusOK).Body
		}
		out += fmt.Sprintf("%d in the trash\n", l.value("SELECT count(*) FROM trash WHERE project_id = $1 AND state = 'held'", l.p.ID))
		out += fmt.Sprintf("%d tokens\n", l.value("SELECT count(*) FROM tokens WHERE project_id = $1 AND deleted_at IS NULL", l.p.ID))
		out += words(c.Get(l.path("/storage/tables/" + l.in.table + "/preview?version=1")).Want(http.StatusOK).Page().Find("tbody"))
		return out + c.Get(l.path("/storage/files/"+l.in.file+"/download")).Want(http.StatusOK).Body
	}
	waiting := l.value("SELECT count(*) FROM invitations WHERE project_id = $1 AND state = 'pending'", l.p.ID)
	before := look()
	// The list of people without those who are invited, and those who ask to be let in.
	l.Update(func(tx *db.Tx) error {
		if _, err := tx.Exec("UPDATE invitations SET expires_at = 1 WHERE project_id = $1", l.p.ID); err != nil {
			return err
		}
		_, err := tx.Exec("UPDATE join_requests SET expires_at = 1 WHERE project_id = $1", l.p.ID)
		return err
	})
	if without := look(); without == before || waiting == 0 {
		t.Fatal("nobody is invited")
	} else {
		before = without
	}
	l.Update(func(tx *db.Tx) error {
		if _, err := tx.Exec("UPDATE join_requests SET expires_at = $2 WHERE project_id = $1", l.p.ID, tx.Now.AddDate(1, 0, 0)); err != nil {
			return err
		}
		_, err := tx.Exec("UPDATE invitations SET expires_at = $2 WHERE project_id = $1", l.p.ID, tx.Now.AddDate(1, 0, 0))
		return err
	})
	l.delete(l.SignIn(l.admin)).Want(http.StatusSeeOther)
	l.mails()
	for range 5 { // past the time of versions, files and of what is in the trash
		l.Clock.Forward(11 * 24 * time.Hour)
		l.house("housekeeping", "storage.maintain", "storage.sweep")
	}
	c := l.super()
	if r := l.does(c, "undelete", url.Values{"expires": {"2001-01-01"}}).Want(http.StatusUnprocessableEntity); r.Page().Find(`[name="expires"][aria-invalid][value="2001-01-01"]`).Length() != 1 {
		t.Error("a day that is over is not at fault")
	}
	l.does(c, "undelete", url.Values{"expires": {"no day"}}).Want(http.StatusUnprocessableEntity)
	if r := l.does(c, "undelete", nil); r.Status != http.StatusSeeOther || r.Location != l.above("") {
		t.Fatalf("%d %s", r.Status, r.Location)
	}
	l.house("housekeeping", "storage.maintain", "storage.sweep")
	if after := look(); after != before {
		t.Errorf("after it there is\n%s\nnot\n%s", after, before)
	}
	if n := l.value("SELECT count(*) FROM invitations WHERE project_id = $1 AND state = 'pending'", l.p.ID); n != 0 {
		t.Errorf("%d invitations are open again", n)
	}
	if n := l.value("SELECT count(*) FROM join_requests WHERE project_id = $1 AND state = 'pending'", l.p.ID); n != 0 {
		t.Errorf("%d requests to join are open again", n)
	}
	if got := l.mails(); !slices.Contains(got, "projectRestored to "+l.admin.Email) {
		t.Errorf("the mails are %q", got)
	}
	l.Clock.Forward(10 * 24 * time.Hour) // of the 30 days nearly all are left, of the 15 of files, too
	l.house("housekeeping", "storage.maintain")
	if after := look(); after != before {
		t.Errorf("ten days later there is\n%s\nnot\n%s", after, before)
	}
	l.Clock.Forward(25 * 24 * time.Hour)
	l.house("housekeeping", "storage.maintain")
	if n := l.value("SELECT count(*) FROM versions WHERE expired_at IS NOT NULL") * l.value("SELECT count(*) FROM files WHERE swept") * l.value("SELECT count(*) FROM trash WHERE state = 'purged'"); n == 0 {
		t.Error("its past is kept for ever now")
	}
	if text := l.super().Get(l.above("")).Want(http.StatusOK).Page().Find(`[aria-labelledby="history"]`).Text(); !strings.Contains(text, "deleted the project") || !strings.Contains(text, "brought the project") {
		t.Errorf("the history says %q", text)
	}
}

// TestProjectExpires: members are told a week before, once, and every page tells how many days
// are left; when the time is over nobody is in it from that moment on, and Steward deletes it.
func TestProjectExpires(t *testing.T) {
	t.Parallel()
	l := newLife(t, "Short")
	root := l.super()
	day := l.Clock.Now().UTC().AddDate(0, 0, 9).Format(time.DateOnly)
	l.does(root, "expiry", url.Values{"expires": {"2001-01-01"}}).Want(http.StatusUnprocessableEntity)
	l.does(root, "expiry", url.Values{"expires": {"2999-01-01"}}).Want(http.StatusUnprocessableEntity)
	l.does(root, "expiry", url.Values{"expires": {day}}).Want(http.StatusSeeOther)
	if got := root.Get(l.above("")).Page().Find(`#expires`).AttrOr("value", ""); got != day {
		t.Errorf("it expires on %q, want %q", got, day)
	}
	l.house("housekeeping")
	banner := func(c *webtest.Client, path string) string {
		return words(c.Get(path).Want(http.StatusOK).Page().Find(`main .banner[data-tone="warn"]`))
	}
	if got := l.mails(); len(got) != 0 || strings.Contains(banner(l.SignIn(l.admin), l.path("")), "expires") {
		t.Errorf("nine days before there are %q", got)
	}
	l.Clock.Forward(3 * 24 * time.Hour)
	l.house("housekeeping")
	if got := l.mails(); int64(len(got)) != l.value("SELECT count(*) FROM memberships WHERE project_id = $1", l.p.ID) || !slices.Contains(got, "projectExpires to "+l.admin.Email) {
		t.Errorf("a week before there are %q", got)
	}
	l.Clock.Forward(24 * time.Hour)
	l.house("housekeeping")
	if got := l.mails(); len(got) != 0 {
		t.Errorf("they are told again: %q", got)
	}
	c, pages := l.SignIn(l.admin), 0
	for _, r := range console.New(t.Context(), l.App, nil, nil).Routes() {
		if r.Method != http.MethodGet || r.Rule.Kind != gate.ForProject || strings.HasSuffix(r.Path, "/live") || strings.HasSuffix(r.Path, "/download") {
			continue
		}
		pages++
		if got := banner(c, l.in.path(r.Path)); !strings.Contains(got, "This project expires in 5 days.") {
			t.Errorf("%s says %q", r.Path, got)
		}
	}
	if pages < 25 {
		t.Errorf("only %d pages", pages)
	}
	// Another day is another warning.
	l.does(l.super(), "expiry", url.Values{"expires": {l.Clock.Now().UTC().Format(time.DateOnly)}}).Want(http.StatusSeeOther)
	if got := banner(c, l.path("")); !strings.Contains(got, "This project expires today.") {
		t.Errorf("on the last day it says %q", got)
	}
	l.house("housekeeping")
	if got := l.mails(); len(got) == 0 {
		t.Error("nobody is told of another day")
	}
	l.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE projects SET expires_at = $2 WHERE id = $1", l.p.ID, tx.Now.Add(10*time.Minute)) // while the session counts
	})
	c = l.SignIn(l.admin)
	lines := stream(t, c, l.path("/live?part=jobs"))
	l.Clock.Forward(10 * time.Minute)
	ended(t, lines, 5*time.Second)
	if r := c.Get(l.path("")).Want(http.StatusForbidden); !strings.Contains(r.Body, "This project has expired") {
		t.Errorf("who opens it reads %.500s", r.Body)
	}
	l.house("housekeeping")
	if got := l.mails(); !slices.Contains(got, "projectDeleted to "+l.admin.Email) {
		t.Errorf("when it is over there are %q", got)
	}
	if r := c.Get(l.path("")).Want(http.StatusForbidden); !strings.Contains(r.Body, "so Steward deleted it") {
		t.Errorf("who opens it reads %.500s", r.Body)
	}
	if got := l.text("SELECT actor_name FROM events WHERE name = 'project.deleted'"); got != "Steward" {
		t.Errorf("%s deleted it", got)
	}
	// Back for ever, or until another day.
	root = l.super()
	page := root.Get(l.above("")).Want(http.StatusOK)
	if _, form := page.Form(l.above("/undelete")); form.Get("expires") != "" {
		t.Errorf("it would expire at once again: %v", form)
	}
	l.does(root, "undelete", nil).Want(http.StatusSeeOther)
	l.SignIn(l.admin).Get(l.path("")).Want(http.StatusOK)
	l.house("housekeeping")
	if got := l.text("SELECT state FROM projects WHERE id = $1", l.p.ID); got != tenancy.Active {
		t.Errorf("it is %s", got)
	}
}

// TestExpiredWhileOff: a program that was off for the whole of it does what is due at once.
func TestExpiredWhileOff(t *testing.T) {
	t.Parallel()
	l := newLife(t, "Off")
	l.does(l.super(), "expiry", url.Values{"expires": {l.Clock.Now().UTC().AddDate(0, 0, 30).Format(time.DateOnly)}}).Want(http.StatusSeeOther)
	l.Clock.Forward(200 * 24 * time.Hour)
	l.house("housekeeping")
	if got := l.mails(); !slices.Contains(got, "projectDeleted to "+l.admin.Email) || slices.Contains(got, "projectExpires to "+l.admin.Email) {
		t.Errorf("the mails are %q", got)
	}
	l.does(l.super(), "undelete", nil).Want(http.StatusSeeOther) // the grace begins when it is deleted
}

// TestDisableProject: nobody enters a disabled project, nothing runs in it, and whoever opens
// it reads why; its members are mailed that, and that it is open again. Case 33: an upload that is under way ends, and leaves nothing.
func TestDisableProject(t *testing.T) {
	t.Parallel()
	l := newLife(t, "Closed")
	c, root := l.SignIn(l.admin), l.super()
	l.does(root, "disable", url.Values{"reason": {" "}}).Want(http.StatusUnprocessableEntity)
	l.does(root, "disable", url.Values{"reason": {strings.Repeat("x", 501)}}).Want(http.StatusUnprocessableEntity)
	files, stored := l.value("SELECT count(*) FROM files"), l.blobs()

	const reason = "Its <b>owner</b> has not paid"
	status := halfUpload(t, c, l.path("/storage/load"), func() { l.does(root, "disable", url.Values{"reason": {reason}}).Want(http.StatusSeeOther) })
	if status != http.StatusForbidden {
		t.Errorf("the upload is answered by %d", status)
	}
	if n := l.value("SELECT count(*) FROM files"); n != files || !slices.Equal(l.blobs(), stored) {
		t.Errorf("the upload left a row or bytes: %d files, %q", n, l.blobs())
	}

	page := c.Get(l.path("/storage")).Want(http.StatusForbidden)
	if text := words(page.Page().Find("main")); !strings.Contains(text, "This project is disabled") || !strings.Contains(text, "for this reason: "+reason+". Its data is kept") || page.Page().Find("main b").Length() != 0 {
		t.Errorf("who opens it reads %q", text)
	}
	if err := l.App.Jobs.Drain(t.Context(), jobs.Storage); err != nil {
		t.Fatal(err)
	}
	if n := l.value("SELECT count(*) FROM jobs WHERE project_id = $1 AND error_message = 'Cancelled because the project was disabled. The table was not changed.'", l.p.ID); n != 1 {
		t.Errorf("%d jobs were cancelled", n)
	}
	c.Post(l.path("/settings/project/delete"), url.Values{"confirm": {"Closed"}}).Want(http.StatusForbidden)
	if row := c.Get("/").Want(http.StatusOK).Page().Find("tbody tr"); !strings.Contains(words(row), "Closed Disabled "+reason) || row.Find("a").Length() != 0 {
		t.Errorf("in the list of their projects they read %q", words(row))
	}
	// On the page of the organization its members read why, and who only looks in does not.
	boss, visitor := l.User("Boss"), l.User("Visitor")
	at := ofOrganization(l.Site, l.p, boss)
	l.Update(func(tx *db.Tx) error {
		return tx.Must("INSERT INTO maintainer_members (maintainer_id, user_id, email, reason, joined_at) SELECT maintainer_id, CAST($2 AS BIGINT), CAST($3 AS TEXT), '', CAST($4 AS BIGINT) FROM organizations WHERE id = $1", l.p.Organization, visitor.ID, visitor.Email, tx.Now)
	})
	for _, x := range []struct {
		u    accounts.User
		told bool
	}{{boss, true}, {l.root, true}, {visitor, false}} {
		who := l.SignIn(x.u)
		row := words(who.Get(at).Want(http.StatusOK).Page().Find(`[aria-labelledby="projects"] tbody`))
		if list := who.Get(at + "?format=json").Want(http.StatusOK).Body; !strings.Contains(row, "Disabled") || strings.Contains(row, reason) != x.told || strings.Contains(list, "has not paid") != x.told {
			t.Errorf("%s reads %q, and in the list %s", x.u.Name, row, list)
		}
	}
	if got, n := l.mails(), l.value("SELECT count(*) FROM memberships WHERE project_id = $1", l.p.ID); !slices.Contains(got, "projectDisabled to "+l.admin.Email) || int64(len(got)) != n {
		t.Errorf("the mails to %d members are %q", n, got)
	}
	l.does(root, "enable", nil).Want(http.StatusSeeOther)
	if row := c.Get("/").Want(http.StatusOK).Page().Find("tbody tr"); strings.Contains(words(row), "Disabled") || row.Find("a").Length() != 1 {
		t.Errorf("once it is enabled they read %q", words(row))
	}
	if got := l.mails(); !slices.Contains(got, "projectEnabled to "+l.admin.Email) {
		t.Errorf("the mails are %q", got)
	}
	c.Get(l.path("/storage")).Want(http.StatusOK)
	if text := root.Get(l.above("")).Page().Find(`[aria-labelledby="history"]`).Text(); !strings.Contains(text, reason) {
		t.Errorf("the history says %q", text)
	}
	// One whose time is over meanwhile needs another one first.
	day := l.Clock.Now().UTC().AddDate(0, 0, 2).Format(time.DateOnly)
	l.does(root, "expiry", url.Values{"expires": {day}}).Want(http.StatusSeeOther)
	l.does(root, "disable", url.Values{"reason": {"Once more"}}).Want(http.StatusSeeOther)
	l.Clock.Forward(4 * 24 * time.Hour)
	l.house("housekeeping")
	root = l.super()
	l.does(root, "enable", nil).Want(http.StatusSeeOther)
	if text := root.Get(l.above("")).Page().Find(`[role="alert"]`).Text(); !strings.Contains(text, "The time of this project is over.") {
		t.Errorf("enabling an expired project says %q", text)
	}
	l.does(root, "expiry", url.Values{"expires": {""}}).Want(http.StatusSeeOther)
	l.does(root, "enable", nil).Want(http.StatusSeeOther)
	l.SignIn(l.admin).Get(l.path("/storage")).Want(http.StatusOK)
}

// blobs are the names of all that is in the store.
func (l *life) blobs() (out []string) {
	l.t.Helper()
	err := filepath.WalkDir(l.App.Config.StoreDir(), func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return out
}

// mine are the objects in the store that are of the project.
func (l *life) mine(before []string) (left []string) {
	l.t.Helper()
	for _, b := range l.blobs() {
		if slices.Contains(before, b) {
			left = append(left, b)
		}
	}
	return left
}

// TestPurge: when the grace is over the project is purged: what is left of it is its name, its
// events and its jobs; another project has all that it had, and the bytes are gone.
func TestPurge(t *testing.T) {
	t.Parallel()
	l := newLife(t, "Gone")
	other, stranger := l.Project("Other", false)
	before := l.blobs() // of both: the other one has none yet
	furnish(t, l.Site, other, stranger)
	d := &desk{Site: l.Site, t: t, project: other, admin: stranger, scope: l.Scope(stranger, other)}
	picture := d.picture()
	l.Update(func(tx *db.Tx) error { // somebody came in by an invitation to it, and has its description
		if err := tx.Must("UPDATE users SET activated_by = (SELECT min(id) FROM invitations WHERE project_id = $2), activated_at = $3, activated_shown = TRUE WHERE id = $1", stranger.ID, l.p.ID, tx.Now); err != nil {
			return err
		}
		if _, err := tx.Exec("INSERT INTO project_losses (project_id, organization_id, moved_at, moved_by, ends_at) VALUES ($1, $2, CAST($3 AS BIGINT), $4, CAST($3 AS BIGINT) + 2592000000000)", l.p.ID, other.Organization, tx.Now, stranger.ID); err != nil {
			return err
		}
		return tx.Must("UPDATE projects SET description = 'Ours' WHERE id = $1", l.p.ID)
	})
	events, work := "SELECT count(*) FROM events WHERE project_id = $1", "SELECT count(*) FROM jobs WHERE project_id = $1"
	l.delete(l.SignIn(l.admin)).Want(http.StatusSeeOther)
	if err := l.App.Jobs.Drain(t.Context(), jobs.Storage); err != nil {
		t.Fatal(err)
	}
	l.house()
	recorded, worked := l.value(events, l.p.ID), l.value(work, l.p.ID)
	l.Clock.Forward(tenancy.Grace - time.Hour)
	l.house("housekeeping", "storage.maintain")
	if l.text("SELECT state FROM projects WHERE id = $1", l.p.ID) != tenancy.Deleted || len(l.mine(before)) != len(before) {
		t.Fatal("it is purged before its time")
	}
	l.Clock.Forward(2 * time.Hour)
	l.house("housekeeping")
	if got := l.text("SELECT state || ' ' || name || ' ' || description FROM projects WHERE id = $1", l.p.ID); got != "purged Gone " {
		t.Errorf("of its row is left %q", got)
	}
	if left := l.mine(before); len(left) > 0 {
		t.Errorf("of its bytes are left %q", left)
	}
	for _, table := range []string{"buckets", "tables", "files", "trash", "memberships", "invitations", "tokens", "purged_folders", "project_losses"} {
		if n := l.value("SELECT count(*) FROM "+table+" WHERE project_id = $1", l.p.ID); n != 0 {
			t.Errorf("%d %s are left", n, table)
		}
	}
	for _, orphans := range []string{"versions WHERE table_id NOT IN (SELECT id FROM tables)", "snapshots WHERE table_id NOT IN (SELECT id FROM tables)", "table_columns WHERE table_id NOT IN (SELECT id FROM tables)",
		"metadata WHERE object_type = 'bucket' AND object_id NOT IN (SELECT id FROM buckets) OR object_type <> 'bucket' AND object_id NOT IN (SELECT id FROM tables)"} {
		if n := l.value("SELECT count(*) FROM " + orphans); n != 0 {
			t.Errorf("%d of %s", n, orphans)
		}
	}
	if l.value(events, l.p.ID) != recorded+1 || l.value(work, l.p.ID) != worked {
		t.Errorf("there are %d events and %d jobs, were %d and %d", l.value(events, l.p.ID), l.value(work, l.p.ID), recorded, worked)
	}
	d.scope = l.Scope(stranger, other)
	if now := d.picture(); now != picture {
		t.Errorf("of the other project there is\n%s\nnot\n%s", now, picture)
	}
	l.View(func(tx *db.Tx) error { // it is as certain as before
		for invited, want := range map[time.Duration]bool{-400 * 24 * time.Hour: false, 0: true} {
			if sure, err := accounts.Vouched(tx, stranger.ID, 1, tx.Now.Add(invited)); sure != want || err != nil {
				t.Errorf("an invitation of %s may be answered: %t, %v", invited, sure, err)
			}
		}
		return nil
	})
	root := l.super()
	page := root.Get(l.above("")).Want(http.StatusOK)
	if text := page.Page().Find("main").Text(); !strings.Contains(text, "Purged") || page.Page().Find(`main form[method="post"]`).Length() != 0 {
		t.Errorf("the page says %q", words(page.Page().Find("main")))
	}
	root.Post(l.above("/undelete"), url.Values{"expires": {""}}).Want(http.StatusSeeOther)
	if text := root.Get(l.above("")).Page().Find(`[role="alert"]`).Text(); !strings.Contains(text, "This project is not deleted.") {
		t.Errorf("bringing it back says %q", text)
	}
	l.SignIn(l.admin).Get(l.path("")).Want(http.StatusNotFound) // nobody is of it any more
}

// TestPurgeNow: a super admin purges a deleted project before its time by its name, stops that,
// and brings it back as long as it has not begun.
func TestPurgeNow(t *testing.T) {
	t.Parallel()
	l := newLife(t, "Early")
	root := l.super()
	root.Post(l.above("/purge"), url.Values{"confirm": {"Early"}}).Want(http.StatusSeeOther)
	if l.value("SELECT count(*) FROM jobs WHERE operation = $1", tenancy.ProjectPurge) != 0 {
		t.Fatal("a project that is not deleted is purged")
	}
	l.delete(l.SignIn(l.admin)).Want(http.StatusSeeOther)
	l.house()
	before := l.blobs()
	l.does(root, "purge", url.Values{"confirm": {"early"}}).Want(http.StatusUnprocessableEntity)
	l.does(root, "purge", url.Values{"confirm": {"Early"}}).Want(http.StatusSeeOther)
	root.Post(l.above("/purge"), url.Values{"confirm": {"Early"}}).Want(http.StatusSeeOther) // once is enough
	l.does(root, "purge/stop", nil).Want(http.StatusSeeOther)
	l.house("housekeeping")
	if got := l.text("SELECT error_message FROM jobs WHERE operation = $1", tenancy.ProjectPurge); !strings.Contains(got, l.root.Name+" stopped the purge") {
		t.Errorf("the job says %q", got)
	}
	// Nothing is gone, and it can come back, also while a purge waits.
	l.does(root, "purge", url.Values{"confirm": {"Early"}}).Want(http.StatusSeeOther)
	l.does(root, "undelete", nil).Want(http.StatusSeeOther)
	l.house("housekeeping")
	if !slices.Equal(l.blobs(), before) || l.text("SELECT state FROM projects WHERE id = $1", l.p.ID) != tenancy.Active {
		t.Fatal("it did not come back whole")
	}
	l.SignIn(l.admin).Get(l.path("/storage/tables/" + l.in.table + "/preview")).Want(http.StatusOK)

	l.delete(l.SignIn(l.admin)).Want(http.StatusSeeOther)
	l.house()
	l.does(root, "purge", url.Values{"confirm": {" Early "}}).Want(http.StatusSeeOther)
	l.house()
	if got := l.text("SELECT state FROM projects WHERE id = $1", l.p.ID); got != tenancy.Purged {
		t.Errorf("it is %s", got)
	}
	if got := l.text("SELECT message FROM events WHERE name = 'project.purged'"); !strings.HasPrefix(got, `Steward purged the project "Early": 8 tables and 1 file went, `) {
		t.Errorf("the event says %q", got)
	}
}

// TestPurgeGoesOn: a purge that broke off in the middle cannot be undone; another run of it
// finishes it.
func TestPurgeGoesOn(t *testing.T) {
	t.Parallel()
	l := newLife(t, "Halves")
	l.delete(l.SignIn(l.admin)).Want(http.StatusSeeOther)
	l.house()
	root := l.super()
	l.does(root, "purge", url.Values{"confirm": {"Halves"}}).Want(http.StatusSeeOther)
	// The bytes of its files cannot be removed.
	folder := filepath.Join(l.App.Config.StoreDir(), "files", num(l.p.ID))
	away := folder + "-away"
	if err := os.Rename(folder, away); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(folder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l.house()
	if n := l.value("SELECT count(*) FROM tables WHERE project_id = $1", l.p.ID); n != 0 || l.text("SELECT state FROM projects WHERE id = $1", l.p.ID) != tenancy.Deleted {
		t.Fatalf("%d tables are left, and it is %s", n, l.text("SELECT state FROM projects WHERE id = $1", l.p.ID))
	}
	page := root.Get(l.above("")).Want(http.StatusOK)
	if text := words(page.Page().Find("main")); !strings.Contains(text, "Being purged") || page.Page().Find(`form[action$="/undelete"]`).Length() != 0 {
		t.Errorf("half way the page says %q", text)
	}
	root.Post(l.above("/undelete"), url.Values{"expires": {""}}).Want(http.StatusSeeOther)
	if text := root.Get(l.above("")).Page().Find(`[role="alert"]`).Text(); !strings.Contains(text, "cannot be brought back any more") {
		t.Errorf("bringing it back says %q", text)
	}
	if r := l.SignIn(l.admin).Get(l.path("")).Want(http.StatusForbidden); !strings.Contains(r.Body, "It cannot be brought back.") {
		t.Errorf("its people read %.500s", r.Body)
	}
	if err := os.Remove(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(away, folder); err != nil {
		t.Fatal(err)
	}
	l.house("housekeeping")
	if got := l.text("SELECT state FROM projects WHERE id = $1", l.p.ID); got != tenancy.Purged {
		t.Errorf("it is %s", got)
	}
	if left := l.blobs(); len(left) != 0 {
		t.Errorf("left are %q", left)
	}
}

// TestHostileProject: a long name that looks like markup is only a name, wherever a project
// lives and ends, and can be typed.
func TestHostileProject(t *testing.T) {
	t.Parallel()
	name := `<script>alert(1)</script> "><img src=x onerror=alert(2)> {{.}} ` + strings.Repeat("ö", 137)
	if len([]rune(name)) != 200 {
		t.Fatalf("%d characters", len([]rune(name)))
	}
	s := webtest.Open(t, webtest.Options{Idle: true, Config: withMailbox})
	p, admin := s.Project("Plain", false)
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE projects SET name = $2, name_search = $3 WHERE id = $1", p.ID, name, strings.ToLower(name))
	})
	p.Name = name
	l := &life{Site: s, t: t, p: p, admin: admin, root: s.SuperAdmin("Vera")}
	inert := func(where string, r webtest.Response) {
		t.Helper()
		d := r.Page()
		if n := d.Find("main script, main img[src=x], [onerror]").Length(); n != 0 {
			t.Errorf("%s runs its name", where)
		}
		if !strings.Contains(d.Text(), name) && where != "closed" {
			t.Errorf("%s does not show the name", where)
		}
	}
	c, root := l.SignIn(admin), l.super()
	l.does(root, "expiry", url.Values{"expires": {l.Clock.Now().UTC().Format(time.DateOnly)}}).Want(http.StatusSeeOther)
	for _, path := range []string{"", "/settings/project", "/settings/project/delete"} {
		inert(path, c.Get(l.path(path)).Want(http.StatusOK))
	}
	l.delete(c).Want(http.StatusSeeOther)
	inert("closed", c.Get(l.path("")).Want(http.StatusForbidden))
	inert("the list", root.Get("/admin/projects").Want(http.StatusOK))
	inert("the search", root.Get("/admin/projects?"+url.Values{"q": {"ONERROR=alert"}, "state": {"deleted"}}.Encode()).Want(http.StatusOK))
	inert("the page", root.Get(l.above("")).Want(http.StatusOK))
	if n := root.Get("/admin/projects?state=active").Page().Find(`a[href="` + l.above("") + `"]`).Length(); n != 0 {
		t.Error("the state filters nothing")
	}
	l.house()
	mails := s.Anonymous().Get("/mailbox").Want(http.StatusOK)
	inert("the mailbox", mails)
	l.does(root, "purge", url.Values{"confirm": {name}}).Want(http.StatusSeeOther)
	l.house()
	inert("the purged", root.Get(l.above("")).Want(http.StatusOK))
}

// TestOverseenList: the list of all projects is paged by name, and searched by name, state and
// organization.
func TestOverseenList(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("First", false)
	other, _ := s.Project("Zulu", false)
	s.Update(func(tx *db.Tx) error {
		for i := range 120 {
			if _, err := tenancy.CreateProject(tx, admin.Actor(), tenancy.NewProject{Organization: p.Organization, Name: fmt.Sprintf("Many %03d", i), Member: admin}); err != nil {
				return err
			}
		}
		return tx.Must("UPDATE projects SET state = 'disabled' WHERE id = $1", other.ID)
	})
	root := s.SignIn(s.SuperAdmin("Vera"))
	seen, pages := map[string]bool{}, 0
	for path := "/admin/projects?q=many"; path != ""; pages++ {
		page := root.Get(path).Want(http.StatusOK).Page()
		page.Find("tbody th a").Each(func(_ int, a *gq) { seen[a.AttrOr("href", "")] = true })
		path = page.Find(`a[rel="next"]`).AttrOr("href", "")
	}
	if len(seen) != 120 || pages != 3 {
		t.Errorf("%d projects on %d pages", len(seen), pages)
	}
	for query, want := range map[string]int{"": 122, "?organization=" + num(p.Organization): 121, "?organization=" + num(other.Organization): 1, "?state=disabled": 1, "?state=purged": 0, "?q=zUL": 1, "?q=%25": 0, "?q=first&state=active&organization=" + num(p.Organization): 1} {
		var rows []map[string]any
		root.Get("/admin/projects" + query + map[bool]string{true: "?", false: "&"}[query == ""] + "format=json").Want(http.StatusOK).JSON(&rows)
		if len(rows) != want {
			t.Errorf("%q finds %d, want %d", query, len(rows), want)
		}
	}
	root.Get("/admin/projects?organization=x").Want(http.StatusUnprocessableEntity)
	root.Get("/admin/projects?after=x").Want(http.StatusUnprocessableEntity)
	root.Get("/admin/projects/999999").Want(http.StatusNotFound)
	s.SignIn(admin).Get("/admin/projects").Want(http.StatusForbidden)
	for _, what := range []string{"undelete", "expiry", "disable", "enable", "purge", "purge/stop"} {
		path := "/admin/projects/" + num(p.ID) + "/" + what
		s.SignIn(admin).Post(path, forms(path)).Want(http.StatusForbidden)
		root.Post(strings.Replace(path, num(p.ID), "999999", 1), forms(path)).Want(http.StatusNotFound)
	}
}

// TestDeleteWhileItWorks: case 33, mid-job: what runs in a project when it is deleted, or when
// its time is over, stops at once and changes nothing; a project that is deleted while nobody
// works, and comes back before anybody does, runs nothing of before.
func TestDeleteWhileItWorks(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"deleted", "disabled", "expired"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			l := newLife(t, "Busy")
			if err := l.App.Jobs.Drain(t.Context(), jobs.Storage); err != nil {
				t.Fatal(err)
			}
			d := &desk{Site: l.Site, t: t, project: l.p, admin: l.admin, scope: l.Scope(l.admin, l.p)}
			before := d.picture()
			running, done := make(chan struct{}), make(chan error, 1)
			l.App.Jobs.Handle(map[string]jobs.Handler{storage.TableImport: func(ctx context.Context, r *jobs.Run) error {
				close(running)
				<-ctx.Done()
				// It has not noticed, and would end well.
				err := l.App.Storage.RunLoad(context.WithoutCancel(ctx), r)
				done <- err
				return err
			}}, l.App.Storage.Guard)
			var j jobs.Job
			l.Update(func(tx *db.Tx) (err error) {
				j, err = l.App.Storage.StartLoad(tx, d.scope, storage.Load{File: atoi(t, l.in.file), Bucket: l.in.bucket, Table: "things", Append: true, Dialect: csv.DefaultDialect()})
				return err
			})
			ctx, stop := context.WithCancel(t.Context())
			worked := make(chan struct{})
			go func() { defer close(worked); l.App.Jobs.Work(ctx, 5*time.Second) }()
			defer func() { stop(); <-worked }()
			<-running
			switch end {
			case "deleted":
				l.delete(l.SignIn(l.admin)).Want(http.StatusSeeOther)
			case "disabled":
				l.does(l.super(), "disable", url.Values{"reason": {"For a test"}}).Want(http.StatusSeeOther)
			case "expired":
				l.Update(func(tx *db.Tx) error {
					return tx.Must("UPDATE projects SET expires_at = $2 WHERE id = $1", l.p.ID, tx.Now)
				})
			}
			select {
			case err := <-done:
				if err == nil {
					t.Error("it ended well")
				}
			case <-time.After(20 * time.Second):
				t.Fatal("it goes on")
			}
			for l.text("SELECT state FROM jobs WHERE id = $1", j.ID) == "processing" {
				time.Sleep(10 * time.Millisecond)
			}
			code, message := l.text("SELECT error_code FROM jobs WHERE id = $1", j.ID), l.text("SELECT error_message FROM jobs WHERE id = $1", j.ID)
			if end == "expired" { // Steward deletes it at the next housekeeping
				if code != "storage.jobs.notAllowed" || !strings.Contains(message, "The time of this project was over on") {
					t.Errorf("the job says %s: %s", code, message)
				}
				l.Update(func(tx *db.Tx) error { return tx.Must("UPDATE projects SET expires_at = NULL WHERE id = $1", l.p.ID) })
			} else if code != jobs.Cancelled || message != "Cancelled because the project was "+end+". The table was not changed." {
				t.Errorf("the job says %s: %s", code, message)
			}
			switch end {
			case "deleted":
				l.does(l.super(), "undelete", nil).Want(http.StatusSeeOther)
			case "disabled":
				l.does(l.super(), "enable", nil).Want(http.StatusSeeOther)
			}
			if after := d.picture(); after != before {
				t.Errorf("there is\n%s\nnot\n%s", after, before)
			}
		})
	}
}

// TestWaitingThroughADeletion: a job that waits when its project is deleted does not run when
// it comes back, even if nobody has looked at it in between.
func TestWaitingThroughADeletion(t *testing.T) {
	t.Parallel()
	l := newLife(t, "Patient")
	waiting := l.value("SELECT id FROM jobs WHERE project_id = $1 AND state = 'waiting'", l.p.ID)
	l.delete(l.SignIn(l.admin)).Want(http.StatusSeeOther)
	l.does(l.super(), "undelete", nil).Want(http.StatusSeeOther)
	if err := l.App.Jobs.Drain(t.Context(), jobs.Storage); err != nil {
		t.Fatal(err)
	}
	if got := l.text("SELECT error_code FROM jobs WHERE id = $1", waiting); got != jobs.Cancelled {
		t.Errorf("it ends with %q", got)
	}
}

// TestWhoDeletes: those delete a project whose role includes it, and nobody else.
func TestWhoDeletes(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	may := permissions(t, "permissions.csv")[string(access.ProjectDelete)]
	for _, governed := range []bool{false, true} {
		for _, role := range access.Roles(governed) {
			p, _ := s.Project("Of "+string(role), governed)
			path := "/projects/" + num(p.ID) + "/settings/project"
			c, want, state := s.SignIn(s.Member(p, role)), http.StatusForbidden, tenancy.Active
			if may[string(role)] == "yes" {
				want, state = http.StatusSeeOther, tenancy.Deleted
			}
			if shown := c.Get(path).Want(http.StatusOK).Page().Find(`a[href="`+path+`/delete"]`).Length() == 1; shown != (want == http.StatusSeeOther) {
				t.Errorf("%s is offered it: %t", role, shown)
			}
			c.Post(path+"/delete", url.Values{"confirm": {p.Name}}).Want(want)
			s.View(func(tx *db.Tx) error {
				got, err := db.Value[string](tx, "SELECT state FROM projects WHERE id = $1", p.ID)
				if got != state {
					t.Errorf("after %s tried it, the project is %s", role, got)
				}
				return err
			})
		}
	}
}
