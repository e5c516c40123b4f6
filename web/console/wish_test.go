package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"steward/internal/access"
	"steward/internal/db"
	"steward/web/webtest"
)

// TestWish: who manages a project asks for more of it where they read what there is; each super
// admin is mailed once, what is asked for is in the audit log, and nobody is flooded.
func TestWish(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Config: withMailbox})
	p, admin := s.Project("Growing", false)
	root, guest := s.SuperAdmin("Root"), s.Member(p, access.Guest)
	off := s.SuperAdmin("Off")
	s.Update(func(tx *db.Tx) error {
		if err := tx.Must("UPDATE users SET state = 'disabled' WHERE id = $1", off.ID); err != nil {
			return err
		}
		return tx.Must("UPDATE projects SET expires_at = $2 WHERE id = $1", p.ID, tx.Now.AddDate(0, 0, 3))
	})
	c, g := s.SignIn(admin), s.SignIn(guest)
	path := "/projects/" + num(p.ID) + "/settings"
	ask := path + "/limits/ask"
	for _, page := range []string{path + "/limits", path + "/project", path + "/users"} { // the last has the banner of the end
		if c.Get(page).Want(http.StatusOK).Page().Find(`main a[href^="`+ask+`"], .banner a[href^="`+ask+`"]`).Length() == 0 {
			t.Errorf("%s does not lead to the form", page)
		}
		if got := g.Get(page).Want(http.StatusOK).Body; strings.Contains(got, ask) {
			t.Errorf("%s leads a guest to the form", page)
		}
	}
	g.Get(ask).Want(http.StatusForbidden)
	g.Post(ask, url.Values{"for": {"time"}, "text": {"Please"}}).Want(http.StatusForbidden)

	if got := c.Get(ask+"?for=time").Want(http.StatusOK).Page().Find(`input[name="for"][checked]`).AttrOr("value", ""); got != "time" {
		t.Errorf("the form begins with %q", got)
	}
	for _, form := range []url.Values{{"for": {"all"}, "text": {"Why"}}, {"text": {"Why"}}, {"for": {"time"}, "text": {" \n "}}, {"for": {"time"}, "text": {strings.Repeat("x", 501)}}, {"for": {"time"}, "text": {"\u202egnp.exe"}}} {
		r := c.Post(ask, form).Want(http.StatusUnprocessableEntity)
		if r.Page().Find(".error, [aria-invalid]").Length() == 0 {
			t.Errorf("%v: it is not said what is wrong", form)
		}
	}
	if n := toldOf(t, s, "moreWanted", root.Email); n != 0 {
		t.Errorf("of wrong forms there are %d mails", n)
	}
	c.Post(ask, url.Values{"for": {"limits"}, "text": {"40 people,\r\nas sales joins <b>"}}).Want(http.StatusSeeOther)
	for u, want := range map[string]int64{root.Email: 1, off.Email: 0, admin.Email: 0} {
		if n := toldOf(t, s, "moreWanted", u); n != want {
			t.Errorf("%s got %d mails", u, n)
		}
	}
	if at := mailed(t, s, "/admin/projects/"); at != "/admin/projects/"+num(p.ID) {
		t.Errorf("the mail leads to %s", at)
	}
	const says = `asked super admins for a higher limit for the project "Growing": "40 people, as sales joins <b>"`
	for _, x := range []struct {
		c  *webtest.Client
		at string
	}{{c, path + "/audit"}, {s.SignIn(root), "/admin/projects/" + num(p.ID)}} {
		if got := words(x.c.Get(x.at).Want(http.StatusOK).Page().Find("main")); !strings.Contains(strings.ReplaceAll(got, `\"`, `"`), says) {
			t.Errorf("%s does not say it: %s", x.at, got)
		}
	}
	for range 4 {
		c.Post(ask, url.Values{"for": {"other"}, "text": {"More"}}).Want(http.StatusSeeOther)
	}
	c.Post(ask, url.Values{"for": {"other"}, "text": {"More"}}).Want(http.StatusTooManyRequests)
	if n := toldOf(t, s, "moreWanted", root.Email); n != 5 {
		t.Errorf("there are %d mails", n)
	}
}
