package console_test

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/mail"
	"steward/internal/tenancy"
	"steward/web/webtest"
)

// loss is a project that Mina, who is of the maintainers of both organizations, moves away from Lea,
// who is a lasting member of the first alone.
type loss struct {
	*move
	mina, lea accounts.User
	away      string // the page that takes it back
}

func newLoss(t *testing.T, o webtest.Options) *loss {
	t.Helper()
	o.Idle = true
	l := &loss{move: newMove(t, o)}
	l.mina, l.lea = l.User("Mina"), l.User("Lea")
	ofMaintainer(l.Site, l.p, l.mina)
	ofOrganization(l.Site, l.p, l.lea)
	l.maintains(l.move.maintains, l.mina)
	l.away = l.takes(l.from)
	return l
}

func (l *loss) maintains(maintainer int64, u accounts.User) {
	l.t.Helper()
	l.Update(func(tx *db.Tx) error { return tenancy.JoinMaintainer(tx, u.Actor(), maintainer, u) })
}

// takes is where an organization takes the project back.
func (l *loss) takes(organization int64) string {
	return "/organizations/" + num(organization) + "/projects/" + num(l.p.ID) + "/take-back"
}

// move moves the project as somebody.
func (l *loss) moves(u accounts.User, to int64) {
	l.t.Helper()
	l.SignIn(u).Post(l.path, l.typed(to)).Want(http.StatusSeeOther)
	if l.where() != to {
		l.t.Fatalf("%s has not moved it to %d", u.Name, to)
	}
	l.Clock.Forward(time.Second)
}

func (l *loss) takesBack(u accounts.User, organization int64) webtest.Response {
	l.t.Helper()
	return l.SignIn(u).Post(l.takes(organization), url.Values{"confirm": {l.p.Name}})
}

// listed are the projects that an organization shows to somebody as moved away.
func (l *loss) listed(u accounts.User, organization int64) string {
	l.t.Helper()
	return words(l.SignIn(u).Get("/organizations/" + num(organization)).Want(http.StatusOK).Page().Find(`table[aria-label="Moved away"] tbody, [aria-labelledby="away"] tbody`))
}

// TestMoveNotToOwn: who moves a project by the right of a maintainer alone does not move it into an
// organization of theirs, where they would be its people for good.
func TestMoveNotToOwn(t *testing.T) {
	t.Parallel()
	l := newLoss(t, webtest.Options{})
	c := l.SignIn(l.mina)
	at := c.Post(ofMaintainer(l.Site, l.p)+"/organizations", url.Values{"name": {"Mina’s own"}}).Want(http.StatusSeeOther).Location
	own, err := strconv.ParseInt(strings.Split(at, "/")[2], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(how string) {
		t.Helper()
		page := c.Get(l.path).Want(http.StatusOK).Page()
		if page.Find(`a.row-link[href$="?to=`+num(own)+`"]`).Length() != 0 || page.Find(`a.row-link[href$="?to=`+num(l.to)+`"]`).Length() != 1 || !strings.Contains(words(page.Find("main")), "Organizations that you belong to are left out.") {
			t.Errorf("%s, the choices are %q", how, words(page.Find("main")))
		}
		const why = "Nobody does that into an organization of their own."
		if r := c.Get(l.path + "?to=" + num(own)).Want(http.StatusUnprocessableEntity); !strings.Contains(r.Body, why) {
			t.Errorf("%s, the page says %q", how, words(r.Page().Find("main")))
		}
		if next := c.Post(l.path, l.typed(own)).Want(http.StatusSeeOther).Location; !strings.Contains(c.Get(next).Body, why) || l.where() != l.from {
			t.Errorf("%s, it is moved, or they are not told why not", how)
		}
	}
	refused("of the maintainer")
	c.Post("/organizations/"+num(l.from)+"/join", asVisitor).Want(http.StatusSeeOther)
	refused("as a visitor of its organization")
	c.Post("/projects/"+num(l.p.ID)+"/join", asVisitor).Want(http.StatusSeeOther)
	refused("as a visitor of the project")

	// Members of both do, and super admins.
	l.moves(l.boss, l.to)
	l.moves(l.boss, l.from)
	root := l.SuperAdmin("Root")
	l.Update(func(tx *db.Tx) error { return tenancy.JoinOrganization(tx, root.Actor(), own, root) })
	l.moves(root, own)
	l.moves(root, l.from)

	// A member of where it is moves it to where they are of the maintainer, and has no way back then.
	both := l.User("Of one, for the other")
	ofOrganization(l.Site, l.p, both)
	l.maintains(l.move.maintains, both)
	b := l.SignIn(both)
	next := b.Post(l.path, l.typed(l.to)).Want(http.StatusSeeOther).Location
	if l.where() != l.to || b.Get(next).Want(http.StatusOK).Page().Find(`form[action="`+l.path+`"]`).Length() != 0 {
		t.Error("they are offered an undo that would be refused")
	}
}

// TestTakeBack: the members of an organization take a project back that somebody of its maintainer
// moved away, and nobody else does.
func TestTakeBack(t *testing.T) {
	t.Parallel()
	l := newLoss(t, webtest.Options{Config: withMailbox})
	theirs, visitor, insider, invitee := l.User("Of the other"), l.User("Visitor"), l.Member(l.p, access.ReadOnly), l.User("Invitee")
	ofMaintainer(l.Site, l.p, visitor)
	l.Update(func(tx *db.Tx) error { return tenancy.JoinOrganization(tx, theirs.Actor(), l.to, theirs) })
	l.SignIn(visitor).Post("/organizations/"+num(l.from)+"/join", asVisitor).Want(http.StatusSeeOther)
	lea := l.SignIn(l.lea)
	lea.Get(l.away).Want(http.StatusNotFound) // it is there still
	l.takesBack(l.lea, l.from).Want(http.StatusNotFound)
	if page := l.SignIn(l.mina).Get(l.path + "?to=" + num(l.to)).Want(http.StatusOK).Page(); !strings.Contains(words(page.Find("main")), "Members of Organization of Mover can take it back for 30 days") {
		t.Errorf("who moves it is not told: %q", words(page.Find("main")))
	}
	l.moves(l.mina, l.to)

	// Members of where it is let themselves in, as anything.
	l.SignIn(theirs).Post("/projects/"+num(l.p.ID)+"/join", url.Values{"reason": {""}, "role": {"share"}}).Want(http.StatusSeeOther)
	l.SignIn(theirs).Post(users(l.p), inviting(access.Share, invitee.Email)).Want(http.StatusOK)
	l.SignIn(l.admin).Post(users(l.p), inviting(access.Guest, l.User("Kept").Email)).Want(http.StatusOK)

	// The card and the mail lead there, those of others do not.
	if got := l.listed(l.lea, l.from); !strings.Contains(got, "Mover Project "+num(l.p.ID)+" Target") || !strings.Contains(got, "by Mina") {
		t.Errorf("moved away is %q", got)
	}
	if lea.Get("/organizations/"+num(l.from)).Page().Find(`a[href="`+l.away+`"]`).Length() != 1 {
		t.Error("the organization does not lead to it")
	}
	if text := l.mailed(mail.ProjectMoved, l.lea.Email); !strings.Contains(words(text), "You can take it back until ") || text.Find(`a[href$="`+l.away+`"]`).Length() != 1 {
		t.Errorf("the mail says %q", words(text))
	}
	for _, u := range []accounts.User{theirs, visitor, l.admin} {
		if text := words(l.mailed(mail.ProjectMoved, u.Email)); !strings.Contains(text, "moved the project") || strings.Contains(text, "take it back") || strings.Contains(text, "taking it back") {
			t.Errorf("%s reads %q", u.Name, text)
		}
	}
	root := l.SuperAdmin("Root")
	for _, u := range []accounts.User{visitor, l.mina, root} {
		if l.listed(u, l.from) != "" {
			t.Errorf("%s is shown what was moved away", u.Name)
		}
	}

	// Nobody but the members of the organization that lost it.
	unknown := strings.Replace(l.away, "/projects/"+num(l.p.ID), "/projects/999999", 1)
	same := func(r webtest.Response) string { return requestID.ReplaceAllString(r.Body, "") }
	for name, u := range map[string]accounts.User{"stranger": l.User("Stranger"), "member of the other": theirs, "visitor of the organization": visitor, "who moved it": l.mina,
		"super admin": root, "administrator of the project": l.admin, "in the project": insider, "invited to it": invitee} {
		c := l.SignIn(u)
		if got := c.Get(l.away).Want(http.StatusNotFound); same(got) != same(c.Get(unknown)) {
			t.Errorf("%s gets another answer than for no project", name)
		}
		typed := url.Values{"confirm": {l.p.Name}}
		if got := c.Post(l.away, typed).Want(http.StatusNotFound); same(got) != same(c.Post(unknown, typed)) || l.where() != l.to {
			t.Errorf("%s gets another answer than for no project, or it is moved", name)
		}
	}
	if got := lea.Get(l.away).Want(http.StatusOK); same(lea.Get(unknown).Want(http.StatusNotFound)) != same(lea.Get("/organizations/"+num(l.from)+"/projects/0/take-back")) || strings.Contains(got.Body, theirs.Email) {
		t.Error("numbers are told apart, or people of the project named")
	}
	if r := l.Anonymous().Get(l.away).Want(http.StatusSeeOther); !strings.HasPrefix(r.Location, "/login") {
		t.Errorf("nobody is sent to %s", r.Location)
	}
	for _, u := range []accounts.User{theirs, l.boss} { // not from the other side either
		l.SignIn(u).Get(l.takes(l.to)).Want(http.StatusNotFound)
	}

	page := lea.Get(l.away).Want(http.StatusOK)
	for _, want := range []string{"Take Mover back?", "From Target to Organization of Mover.", "They came in since it was moved away, and do not belong to Organization of Mover, or by a right", "1 person", "2 of 2 invitations that wait will end", "Members of Target cannot take it back in their turn."} {
		if !strings.Contains(words(page.Page().Find("main")), want) {
			t.Errorf("the page does not say %q: %q", want, words(page.Page().Find("main")))
		}
	}
	action, form := page.Form(l.away)
	form.Set("confirm", "Another")
	if r := lea.Post(action, form).Want(http.StatusUnprocessableEntity); !strings.Contains(r.Body, "This is not the name of the project") || l.where() != l.to {
		t.Error("another name is not refused in words")
	}
	_, form = lea.Get(l.away).Form(l.away)
	form.Set("confirm", l.p.Name)
	if next := lea.Post(action, form).Want(http.StatusSeeOther).Location; next != "/organizations/"+num(l.from) || !strings.Contains(lea.Get(next).Body, "Mover is in Organization of Mover again.") || l.where() != l.from {
		t.Errorf("it is in %d, they are at %s", l.where(), next)
	}
	for _, organization := range []int64{l.from, l.to} { // and not twice, nor by the others in their turn
		for _, u := range []accounts.User{l.lea, l.boss, theirs} {
			if r := l.takesBack(u, organization); r.Status != http.StatusNotFound {
				t.Errorf("%s takes it back once more: %d", u.Name, r.Status)
			}
		}
	}
	if l.listed(l.lea, l.from) != "" || l.listed(theirs, l.to) != "" {
		t.Error("it is still listed as moved away")
	}
	l.SignIn(theirs).Get("/projects/" + num(l.p.ID)).Want(http.StatusNotFound)
	l.SignIn(insider).Get("/projects/" + num(l.p.ID) + "/storage").Want(http.StatusOK)
	b := l.SignIn(l.boss) // of both
	for organization, want := range map[int64]string{l.from: "took the project “Mover” back into the organization “Organization of Mover”, out of “Target”.", l.to: "took the project “Mover” back out of the organization “Target”, into “Organization of Mover”, which had lost it."} {
		if text := strings.NewReplacer(`"`, "“", "”", "“").Replace(b.Get("/organizations/" + num(organization) + "/audit").Want(http.StatusOK).Page().Find("main").Text()); !strings.Contains(text, strings.ReplaceAll(want, "”", "“")) {
			t.Errorf("the audit log of %d does not say %q", organization, want)
		}
	}
	if text := words(l.mailed(mail.ProjectMoved, l.admin.Email)); !strings.Contains(text, "Lea took the project") || strings.Contains(text, "You can take it back") {
		t.Errorf("of its way back they read %q", text)
	}
	for at, want := range map[string]string{"cause": "returned", "to": "Organization of Mover"} {
		if got := l.letter(mail.MemberRemoved, theirs.Email).Values[at]; got != want {
			t.Errorf("the mail of an end has %s %q", at, got)
		}
	}
}

// newestOf is the number of the newest mail of a kind to somebody.
func (l *loss) newestOf(kind mail.Kind, email string) (id int64) {
	l.t.Helper()
	if err := l.App.Jobs.Drain(l.t.Context(), jobs.System); err != nil {
		l.t.Fatal(err)
	}
	l.View(func(tx *db.Tx) (err error) {
		id, err = db.Value[int64](tx, "SELECT max(id) FROM mails WHERE kind = $1 AND recipient = $2", string(kind), email)
		return err
	})
	return id
}

// mailed is what it says.
func (l *loss) mailed(kind mail.Kind, email string) *gq {
	l.t.Helper()
	return l.Anonymous().Get("/mailbox/" + num(l.newestOf(kind, email))).Want(http.StatusOK).Page().Find("main")
}

// letter is what it is written from.
func (l *loss) letter(kind mail.Kind, email string) (out mail.Letter) {
	l.t.Helper()
	id := l.newestOf(kind, email)
	l.View(func(tx *db.Tx) error {
		m, err := l.App.Mail.InBox(tx, id)
		if err != nil {
			return err
		}
		out, err = l.App.Mail.Open(m)
		return err
	})
	return out
}

// TestTakeBackMovedOn: wherever the project moves on to, those who lost it first take it back; the
// others have nothing to take back then.
func TestTakeBackMovedOn(t *testing.T) {
	t.Parallel()
	l := newLoss(t, webtest.Options{})
	friend, only := l.User("Friend"), l.User("Of the other alone")
	l.Update(func(tx *db.Tx) error {
		if err := tenancy.JoinOrganization(tx, only.Actor(), l.to, only); err != nil {
			return err
		}
		return tenancy.JoinOrganization(tx, friend.Actor(), l.to, friend)
	})
	third, _ := l.organization("Third", friend)
	fourth, above := l.organization("Fourth")
	l.maintains(above, l.mina)
	l.moves(l.mina, l.to)
	lea := l.SignIn(l.lea)
	action, old := lea.Get(l.away).Want(http.StatusOK).Form(l.away)
	old.Set("confirm", l.p.Name)
	l.moves(friend, third) // a member of both
	if r := lea.Post(action, old).Want(http.StatusConflict); !strings.Contains(words(r.Page().Find("main")), "has moved on to “Third” meanwhile") && !strings.Contains(words(r.Page().Find("main")), `has moved on to "Third" meanwhile`) {
		t.Errorf("they read %q", words(r.Page().Find("main")))
	}
	if l.where() != third || !strings.Contains(l.listed(l.lea, l.from), "Third") {
		t.Error("it is moved, or not said to be where it is")
	}
	l.SignIn(only).Get(l.takes(l.to)).Want(http.StatusNotFound) // one of theirs moved it
	l.takesBack(l.lea, l.from).Want(http.StatusSeeOther)

	// Two losses: both may, and the first stands above the second.
	l.moves(l.mina, l.to)
	l.moves(l.mina, fourth)
	if l.listed(only, l.to) == "" || l.listed(l.lea, l.from) == "" {
		t.Fatal("one of them is not told of its loss")
	}
	l.takesBack(only, l.to).Want(http.StatusSeeOther)
	if l.where() != l.to || l.listed(only, l.to) != "" || l.listed(l.lea, l.from) == "" {
		t.Fatal("the second has not taken it back, or the first cannot any more")
	}
	l.moves(l.mina, fourth)
	l.takesBack(l.lea, l.from).Want(http.StatusSeeOther)
	l.takesBack(only, l.to).Want(http.StatusNotFound)
	if l.where() != l.from {
		t.Errorf("it is in %d", l.where())
	}

	// What comes back by a move was not lost by those whom it leaves.
	for _, way := range [][]int64{{l.to, l.from}, {l.to, fourth, l.from}, {l.to, fourth, l.to, l.from}} {
		for _, to := range way {
			l.moves(l.mina, to)
		}
		for u, organization := range map[accounts.User]int64{only: l.to, l.lea: l.from} {
			l.takesBack(u, organization).Want(http.StatusNotFound)
		}
		if l.where() != l.from {
			t.Fatalf("after %v it is in %d", way, l.where())
		}
	}

	// A member who moves it away loses it to nobody, and a super admin has the last word: nobody takes
	// back what they return to whose it is.
	l.moves(l.boss, l.to)
	l.takesBack(l.lea, l.from).Want(http.StatusNotFound)
	root := l.SuperAdmin("Root")
	l.moves(root, l.from)
	l.takesBack(only, l.to).Want(http.StatusNotFound)
	l.moves(root, l.to)
	l.takesBack(l.lea, l.from).Want(http.StatusNotFound)
	l.moves(root, l.from)
}

// TestTakeBackEnds: an organization takes back within 30 days what is open, by who belongs to it then
// and has proved who they are, and by one person only.
func TestTakeBackEnds(t *testing.T) {
	t.Parallel()
	l := newLoss(t, webtest.Options{})
	l.moves(l.mina, l.to)
	for state, says := range map[string]string{"disabled": "Disabled", "deleted": "Deleted", "purged": ""} {
		l.Update(func(tx *db.Tx) error { return tx.Must("UPDATE projects SET state = $2 WHERE id = $1", l.p.ID, state) })
		l.SignIn(l.lea).Get(l.away).Want(http.StatusNotFound)
		l.takesBack(l.lea, l.from).Want(http.StatusNotFound)
		if got := l.listed(l.lea, l.from); !strings.Contains(got, says) || says == "" && got != "" || strings.Contains(got, "Take back") {
			t.Errorf("while it is %s the list says %q", state, got)
		}
	}
	l.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE projects SET state = 'active', expires_at = $2 WHERE id = $1", l.p.ID, tx.Now)
	})
	l.takesBack(l.lea, l.from).Want(http.StatusNotFound)
	l.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE projects SET expires_at = NULL WHERE id = $1", l.p.ID)
	})

	// Who is out of the organization between form and click, and who has not proved who they are.
	gone := l.User("Gone")
	ofOrganization(l.Site, l.p, gone)
	c := l.SignIn(gone)
	action, form := c.Get(l.away).Want(http.StatusOK).Form(l.away)
	form.Set("confirm", l.p.Name)
	l.Update(func(tx *db.Tx) error {
		return tx.Must("DELETE FROM organization_members WHERE organization_id = $1 AND user_id = $2", l.from, gone.ID)
	})
	c.Post(action, form).Want(http.StatusNotFound)
	c = l.SignIn(l.lea)
	l.Clock.Forward(11 * time.Minute)
	if r := c.Post(l.away, url.Values{"confirm": {l.p.Name}}).Want(http.StatusSeeOther); !strings.HasPrefix(r.Location, "/account/confirm") || l.where() != l.to {
		t.Errorf("with a stale proof: %s", r.Location)
	}

	// The last minute of it, and the one after.
	l.Clock.Forward(tenancy.TakeBackFor - 15*time.Minute)
	l.SignIn(l.lea).Get(l.away).Want(http.StatusOK)
	l.Clock.Forward(5 * time.Minute)
	l.SignIn(l.lea).Get(l.away).Want(http.StatusNotFound)
	l.takesBack(l.lea, l.from).Want(http.StatusNotFound)
	if l.where() != l.to || l.listed(l.lea, l.from) != "" {
		t.Error("it is taken back after its time, or listed")
	}

	// Of two at once one does.
	l.moves(l.boss, l.from)
	l.moves(l.mina, l.to)
	var all sync.WaitGroup
	errs := make([]error, 2)
	for i, u := range []accounts.User{l.lea, l.boss} {
		var s access.Organization
		l.View(func(tx *db.Tx) (err error) {
			s, err = tenancy.EnterOrganization(tx, u.Actor(), l.from, access.ProjectsMove)
			return err
		})
		all.Add(1)
		go func() {
			defer all.Done()
			errs[i] = l.App.DB.Update(t.Context(), func(tx *db.Tx) error {
				_, err := l.App.Tenancy.TakeBack(tx, s, l.p.ID, l.to, l.p.Name)
				return err
			})
		}()
	}
	all.Wait()
	if (errs[0] == nil) == (errs[1] == nil) || !fault.Is(errs[0], fault.Conflict) && !fault.Is(errs[1], fault.Conflict) || l.where() != l.from {
		t.Errorf("two at once: %v; %v; it is in %d", errs[0], errs[1], l.where())
	}
}

// TestMovesOfOnePerson: one person moves so many projects a day; how often others move one does not
// keep those from taking it back who lost it.
func TestMovesOfOnePerson(t *testing.T) {
	t.Parallel()
	l := newLoss(t, webtest.Options{})
	second, _ := l.Project("Second", false)
	l.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE projects SET organization_id = $2 WHERE id = $1", second.ID, l.from)
	})
	path := "/projects/" + num(second.ID) + "/move"
	c := l.SignIn(l.mina)
	for i := range 20 {
		at, p := l.path, l.p
		if i%2 == 1 {
			at, p = path, second
		}
		c.Post(at, url.Values{"to": {num([]int64{l.to, l.from}[i/2%2])}, "confirm": {p.Name}}).Want(http.StatusSeeOther)
	}
	r := c.Post(path, url.Values{"to": {num(l.to)}, "confirm": {second.Name}}).Want(http.StatusTooManyRequests)
	if text := words(r.Page().Find(".error-summary")); !strings.Contains(text, "One person moves at most 20 projects a day.") || r.Page().Find(`form[action="`+path+`"] #confirm`).Length() != 1 {
		t.Errorf("they read %q", text)
	}

	// The project has moved as often as it may; and yet it is taken back.
	l.moves(l.boss, l.to)
	l.moves(l.boss, l.from)
	l.Clock.Forward(25 * time.Hour)
	l.moves(l.mina, l.to)
	third, _ := l.organization("Third", l.boss)
	b := l.SignIn(l.boss)
	for i := range 19 {
		b.Post(l.path, l.typed([]int64{third, l.to}[i%2])).Want(http.StatusSeeOther)
	}
	other := l.User("Of the third, too")
	l.Update(func(tx *db.Tx) error {
		if err := tenancy.JoinOrganization(tx, other.Actor(), third, other); err != nil {
			return err
		}
		return tenancy.JoinOrganization(tx, other.Actor(), l.to, other)
	})
	r = l.SignIn(other).Post(l.path, l.typed(l.to)).Want(http.StatusTooManyRequests)
	if text := words(r.Page().Find(".error-summary")); !strings.Contains(text, "One project is moved at most 20 times a day.") {
		t.Errorf("they read %q", text)
	}
	l.takesBack(l.lea, l.from).Want(http.StatusSeeOther)
	if l.where() != l.from {
		t.Error("it is not taken back")
	}
}

// TestMovedAwayIsBounded: an organization lists no more than so many projects that it has lost, and
// says that there are others.
func TestMovedAwayIsBounded(t *testing.T) {
	t.Parallel()
	l := newLoss(t, webtest.Options{})
	l.Update(func(tx *db.Tx) error {
		for i := range int64(tenancy.MovedAwayMost + 1) {
			id, err := tx.NewID("projects")
			if err != nil {
				return err
			}
			if _, err := tx.Exec("INSERT INTO projects (id, organization_id, name, name_search, description, governed, state, created_at, created_by, changed_at) SELECT CAST($1 AS BIGINT), CAST($2 AS BIGINT), name, name_search, '', governed, 'active', created_at, created_by, changed_at FROM projects WHERE id = $3", id, l.to, l.p.ID); err != nil {
				return err
			}
			if _, err := tx.Exec("INSERT INTO project_losses (project_id, organization_id, moved_at, moved_by, ends_at) VALUES ($1, $2, CAST($3 AS BIGINT), $4, CAST($3 AS BIGINT) + 2592000000000)", id, l.from, tx.Now.Add(-time.Duration(i)*time.Hour), l.mina.ID); err != nil {
				return err
			}
		}
		return nil
	})
	page := l.SignIn(l.lea).Get("/organizations/" + num(l.from)).Want(http.StatusOK).Page()
	if n := page.Find(`a[href$="/take-back"]`).Length(); n != tenancy.MovedAwayMost || !strings.Contains(words(page.Find("main")), "And others") {
		t.Errorf("%d are listed", n)
	}
}

// TestTakeBackPutsOut: who came into a project since it was lost, and does not belong to the
// organization that takes it back, is out of it, and what they sent does not count; the page says so
// before. Who was in it before stays, and so does who belongs to the organization.
func TestTakeBackPutsOut(t *testing.T) {
	t.Parallel()
	for name, returns := range map[string]func(l *loss){
		"taken back":         func(l *loss) { l.takesBack(l.lea, l.from).Want(http.StatusSeeOther) },
		"moved by the same":  func(l *loss) { l.moves(l.mina, l.from) },
		"moved by root":      func(l *loss) { l.moves(l.SuperAdmin("Root"), l.from) },
		"moved by one of it": func(l *loss) { l.moves(l.boss, l.from) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			putsOut(t, name, returns)
		})
	}
}

func putsOut(t *testing.T, name string, returns func(*loss)) {
	l := newLoss(t, webtest.Options{Config: withMailbox})
	before := l.Member(l.p, access.Guest)
	visitor := l.Member(l.p, access.Admin) // by a right that will end sooner than the visit
	l.Update(func(tx *db.Tx) error {
		if err := tx.Must("UPDATE users SET support_until = $2 WHERE id = $1", visitor.ID, tx.Now.AddDate(0, 0, 90)); err != nil {
			return err
		}
		return tx.Must("UPDATE memberships SET through = 'support', approver_id = user_id, expires_at = $3 WHERE project_id = $1 AND user_id = $2", l.p.ID, visitor.ID, tx.Now.AddDate(0, 0, 7))
	})
	l.Clock.Forward(time.Second)
	l.moves(l.mina, l.to)
	since, later, own := l.Member(l.p, access.Admin), l.User("Later"), l.User("Own")
	ofOrganization(l.Site, tenancy.Project{Organization: l.from}, own)
	l.Update(func(tx *db.Tx) error { return tenancy.Join(tx, own.Actor(), l.p, own, access.Guest) })
	l.SignIn(since).Post(users(l.p), inviting(access.Admin, later.Email)).Want(http.StatusOK)
	// One from before is given more, and sends an invitation by that.
	other := l.User("Other")
	c := l.SignIn(since)
	at := rowOf(c, l.p, before.Email)
	c.Post(at+"/role", url.Values{"role": {"admin"}}).Want(http.StatusSeeOther)
	c.Post(at+"/last-day", url.Values{"until": {l.Clock.Now().AddDate(0, 0, 9).UTC().Format(time.DateOnly)}}).Want(http.StatusSeeOther)
	l.SignIn(before).Post(users(l.p), inviting(access.Admin, other.Email)).Want(http.StatusOK)
	c.Post(rowOf(c, l.p, visitor.Email)+"/role", url.Values{"role": {"guest"}}).Want(http.StatusSeeOther)
	var ends time.Time
	l.Update(func(tx *db.Tx) error {
		ends = tx.Now.AddDate(0, 0, 1)
		return tx.Must("UPDATE memberships SET expires_at = $3 WHERE project_id = $1 AND user_id = $2", l.p.ID, visitor.ID, ends)
	})
	if name != "taken back" {
		l.Clock.Forward(time.Second)
	} else if text := words(l.SignIn(l.lea).Get(l.away).Want(http.StatusOK).Page().Find("main")); !strings.Contains(text, "1 person") || !strings.Contains(text, "2 of 2 invitations that wait will end") || !strings.Contains(text, "2 people get back the role and last day") {
		t.Errorf("the page says %q", text)
	}
	returns(l)
	l.SignIn(since).Get(l.path2()).Want(http.StatusNotFound)
	if told := strings.Join(lettersTo(t, l.Site, since.Email), "\n"); !strings.Contains(told, "Whoever came into it since, and does not belong to that organization, is out of it.") {
		t.Errorf("who is out is told %q", told)
	}
	if told := strings.Join(lettersTo(t, l.Site, before.Email), "\n"); !strings.Contains(told, "Who came into it since that organization had lost it, and does not belong to it, is out of it; everybody else has the role that they had then.") {
		t.Errorf("who stays is told %q", told)
	}
	for _, u := range []accounts.User{later, other} {
		if at := asked(l.SignIn(u)); at != "" {
			t.Errorf("an invitation waits at %s", at)
		}
	}
	l.View(func(tx *db.Tx) error {
		n, err := db.Value[int64](tx, "SELECT count(*) FROM memberships WHERE project_id = $1 AND user_id = $2 AND role = 'guest' AND expires_at IS NULL", l.p.ID, before.ID)
		if n != 1 {
			t.Error("who was in it before has not the role of then, without a last day")
		}
		n, lost := db.Value[int64](tx, "SELECT count(*) FROM memberships WHERE project_id = $1 AND user_id = $2 AND role = 'admin' AND expires_at = $3", l.p.ID, visitor.ID, ends)
		if err = errors.Join(err, lost); n != 1 {
			t.Error("a visit has not the role of then, or lasts longer than its right")
		}
		left, other := db.Value[int64](tx, "SELECT count(*) FROM project_loss_roles")
		if left != 0 {
			t.Errorf("%d roles are kept on", left)
		}
		return errors.Join(err, other)
	})
	for _, u := range []accounts.User{before, own} {
		l.SignIn(u).Get(l.path2() + "/storage").Want(http.StatusOK)
	}
}

func (l *loss) path2() string { return "/projects/" + num(l.p.ID) }

// TestClaimsLast: a claim to a project waits while nobody can enter it, and while there is one only the
// members of the organization delete it.
func TestClaimsLast(t *testing.T) {
	t.Parallel()
	l := newLoss(t, webtest.Options{})
	l.moves(l.mina, l.to)
	home := "/organizations/" + num(l.from)
	name := l.SignIn(l.lea).Get(home + "/settings").Page().Find("h1").Text()
	for _, u := range []accounts.User{l.mina, l.SuperAdmin("Root")} {
		if text := words(l.SignIn(u).Post(home+"/delete", url.Values{"confirm": {name}}).Want(http.StatusUnprocessableEntity).Page().Find("main")); !strings.Contains(text, "its members may still take it back") {
			t.Errorf("%s reads %q", u.Name, text)
		}
	}
	root := l.SuperAdmin("Second root")
	l.Update(func(tx *db.Tx) error { return tenancy.Join(tx, l.boss.Actor(), l.p, l.boss, access.Admin) })
	l.Clock.Forward(20 * 24 * time.Hour)
	for _, way := range [][2]string{{"/disable", "/enable"}, {"/delete", "/undelete"}} {
		if way[0] == "/delete" {
			l.Update(func(tx *db.Tx) error {
				s, err := tenancy.Enter(tx, l.boss.Actor(), l.p.ID, access.ProjectDelete)
				if err == nil {
					err = l.App.Tenancy.Delete(tx, s, l.p.Name)
				}
				return err
			})
		} else {
			l.SignIn(root).Post("/admin/projects/"+num(l.p.ID)+way[0], url.Values{"reason": {"A look"}}).Want(http.StatusSeeOther)
		}
		l.Clock.Forward(25 * 24 * time.Hour)
		if got := l.listed(l.lea, l.from); !strings.Contains(got, "A super admin can open it again; the days go on then.") {
			t.Errorf("after %s the list says %q", way[0], got)
		}
		l.SignIn(root).Post("/admin/projects/"+num(l.p.ID)+way[1], nil).Want(http.StatusSeeOther)
	}
	// So it is when its own time is over, whether housekeeping has come by or not.
	l.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE projects SET expires_at = $2 WHERE id = $1", l.p.ID, tx.Now.Add(time.Hour))
	})
	l.Clock.Forward(20 * 24 * time.Hour)
	l.Update(tenancy.SweepClaims)
	if got := l.listed(l.lea, l.from); !strings.Contains(got, "Expired") {
		t.Errorf("of an expired one the list says %q", got)
	}
	l.SignIn(root).Post("/admin/projects/"+num(l.p.ID)+"/expiry", url.Values{"expires": {""}}).Want(http.StatusSeeOther)
	l.Update(tenancy.SweepClaims)
	l.Clock.Forward(9 * 24 * time.Hour)
	l.SignIn(l.lea).Get(l.away).Want(http.StatusOK)
	l.Clock.Forward(2 * 24 * time.Hour)
	l.SignIn(l.lea).Get(l.away).Want(http.StatusNotFound)
	l.Update(tenancy.SweepClaims)
	l.View(func(tx *db.Tx) error {
		n, err := db.Value[int64](tx, "SELECT count(*) FROM project_losses")
		if n != 0 {
			t.Errorf("%d claims are kept", n)
		}
		return err
	})
}
