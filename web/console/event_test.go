package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"steward/internal/config"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/tenancy"
	"steward/web/console"
	"steward/web/gate"
	"steward/web/webtest"
)

// unrecorded are the forms outside projects that leave no event of their own, and why.
var unrecorded = map[string]string{
	"/auth/google":              "goes to the provider; what comes back is recorded",
	"/account/identity/start":   "goes to the provider; what comes back is recorded",
	"/account/confirm/provider": "goes to the provider; what comes back is recorded",
	"/account/two-step/start":   "draws a secret; what confirms it is recorded",
	"/account/identity":         "links what the way to the provider has not linked at once",
	"/password/forgot":          "is answered alike for every address; the job that finds an account records it",
}

// TestEveryChangeIsRecorded does all that can be done outside projects, each by its form: it
// leaves an event under the request's own number.
func TestEveryChangeIsRecorded(t *testing.T) {
	t.Parallel()
	p := webtest.NewProvider(t)
	s := webtest.Open(t, webtest.Options{Idle: true, Config: func(c *config.Config) { p.Configure(c); c.SMTP = config.MailboxURL }})
	code, err := tenancy.SetupCode(t.Context(), s.App.DB)
	if err != nil {
		t.Fatal(err)
	}
	done := map[string]bool{}
	recorded := func(route, event string, r webtest.Response) webtest.Response {
		t.Helper()
		done[route] = true
		if r.Status >= 400 {
			t.Fatalf("%s: %d %.500s", route, r.Status, r.Body)
		}
		s.View(func(tx *db.Tx) error {
			names, err := db.All(tx, db.Scalar[string], "SELECT name FROM events WHERE request_id = $1 ORDER BY id", r.Header.Get("X-Request-Id"))
			if !strings.Contains(strings.Join(names, " "), event) {
				t.Errorf("%s leaves the events %q, want %s", route, names, event)
			}
			return err
		})
		return r
	}
	const fresh, other = "eight amber lanterns sway", "nine copper kettles hum"
	s.Anonymous().Get("/setup?code=" + code)
	recorded("/setup", "user.created", s.Anonymous().Post("/setup", url.Values{"code": {code}, "name": {"Vera"}, "email": {"vera@example.com"}, "password": {fresh}, "repeat": {fresh},
		"maintainer": {"M"}, "organization": {"O"}, "project": {"P"}}))
	root := s.Anonymous()
	recorded("/login", "user.loggedIn", root.Post("/login", url.Values{"email": {"vera@example.com"}, "password": {fresh}}))

	// Somebody comes in, and keeps the account.
	link := recorded("/admin/users", "user.invited", root.Post("/admin/users", url.Values{"email": {"person1@example.com"}, "name": {"Nina"}}))
	person, _ := strings.CutSuffix(link.Page().Find(`form[action$="/link"]`).AttrOr("action", ""), "/link")
	link = recorded("/admin/users/:user/link", "user.linkSent", root.Post(person+"/link", nil))
	c := s.Anonymous()
	c.Get(strings.TrimPrefix(link.Page().Find("[data-copy]").AttrOr("data-copy", ""), s.URL))
	mine := url.Values{"email": {"person1@example.com"}, "password": {fresh}, "repeat": {fresh}, "name": {"Nina"}}
	recorded("/activate", "user.activated", c.Post("/activate", mine))
	login := url.Values{"email": mine["email"], "password": mine["password"]}
	c.Post("/login", login)
	recorded("/account", "user.profileChanged", c.Post("/account", url.Values{"name": {"Nina Novak"}, "timeZone": {"Europe/Prague"}}))
	recorded("/account/theme", "user.themeChanged", c.Post("/account/theme", url.Values{"theme": {"dark"}}))
	recorded("/account/password", "user.passwordChanged", c.Post("/account/password", url.Values{"current": {fresh}, "password": {other}, "repeat": {other}}))
	login.Set("password", other)
	second := s.Anonymous()
	second.Post("/login", login)
	end := c.Get("/account/sessions").Want(http.StatusOK).Page().Find(`form[action$="/end"]`).First().AttrOr("action", "")
	recorded("/account/sessions/:session/end", "user.sessionEnded", c.Post(end, nil))
	second.Post("/login", login)
	recorded("/account/sessions", "user.sessionsEnded", c.Post("/account/sessions", nil))
	recorded("/account/confirm", "user.proved", c.Post("/account/confirm", url.Values{"current": {other}, "next": {"/"}}))

	// The provider.
	there := func(c *webtest.Client) { c.Get(p.Approve(c.Post("/auth/google", nil).Location)) }
	waiting := s.Anonymous()
	there(waiting)
	recorded("/auth/google/link/mail", "user.identityOffered", waiting.Post("/auth/google/link/mail", nil))
	waiting.Get(mailed(t, s, "/auth/google/confirm/"))
	recorded("/auth/google/confirm", "user.identityLinked", waiting.Post("/auth/google/confirm", url.Values{"email": mine["email"], "there": mine["email"]}))
	recorded("/account/identity/delete", "user.identityUnlinked", c.Post("/account/identity/delete", nil))

	// The second factor.
	secret, _ := s.TwoStep(c)
	done["/account/two-step"] = true
	s.View(func(tx *db.Tx) error {
		n, err := db.Value[int64](tx, "SELECT count(*) FROM events WHERE name = 'user.factorEnabled'")
		if n != 1 {
			t.Errorf("%d events of the factor", n)
		}
		return err
	})
	recorded("/account/recovery-codes", "user.recoveryCodesMade", c.Post("/account/recovery-codes", nil))
	recorded("/account/recovery-codes/stored", "user.recoveryCodesStored", c.Post("/account/recovery-codes/stored", nil))
	s.Clock.Forward(31 * time.Second)
	second.Post("/login", login)
	recorded("/mfa", "user.loggedIn", second.Post("/mfa", url.Values{"code": {s.Code(secret)}}))
	lost := recorded("/admin/users/:user/reset-mfa", "user.factorReset", root.Post(person+"/reset-mfa", nil))
	without := s.Anonymous()
	without.Get(strings.TrimPrefix(lost.Page().Find("[data-copy]").AttrOr("data-copy", ""), s.URL))
	recorded("/two-step/lost", "user.factorDropped", without.Post("/two-step/lost", login))
	c.Post("/login", login)
	s.TwoStep(c)
	recorded("/account/two-step/delete", "user.factorDisabled", c.Post("/account/two-step/delete", nil))

	// What they are invited to.
	for _, answer := range [][2]string{{"decline", "project.invitationDeclined"}, {"accept", "project.memberAdded"}} {
		root.Post("/projects/1/settings/users", url.Values{"emails": mine["email"], "role": {"guest"}, "reason": {""}, "until": {""}, "days": {"7"}}).Want(http.StatusOK)
		at := c.Get("/account/invitations").Want(http.StatusOK).Page().Find(`form[action$="/`+answer[0]+`"]`).AttrOr("action", "")
		recorded("/account/invitations/:invitation/"+answer[0], answer[1], c.Post(at, nil))
	}

	aboveProjects(s, root, c, mine.Get("email"), recorded)

	// A new password, and the way out.
	second.Post("/password/forgot", url.Values{"email": mine["email"]}).Want(http.StatusSeeOther)
	second.Get(mailed(t, s, "/password/reset/"))
	mine.Del("name")
	recorded("/password/reset", "user.passwordReset", second.Post("/password/reset", mine))
	login.Set("password", fresh)
	c.Post("/login", login)
	recorded("/logout", "user.loggedOut", c.Post("/logout", nil))

	// What super admins do.
	until := url.Values{"until": {s.Clock.Now().AddDate(0, 0, 7).UTC().Format(time.DateOnly)}}
	recorded("/admin/users/:user/support", "user.supportGranted", root.Post(person+"/support", until))
	for _, deed := range [][2]string{{"no-support", "user.supportRevoked"}, {"super-admin", "user.superAdminGranted"}, {"no-super-admin", "user.superAdminRevoked"}, {"end-sessions", "user.sessionsEnded"}, {"disable", "user.disabled"}, {"enable", "user.enabled"}} {
		recorded("/admin/users/:user/"+deed[0], deed[1], root.Post(person+"/"+deed[0], nil))
	}
	name := url.Values{"confirm": {"P"}}
	for _, deed := range []struct {
		what, event string
		form        url.Values
	}{
		{"expiry", "project.expiryChanged", url.Values{"expires": {time.Now().AddDate(0, 1, 0).Format(time.DateOnly)}}}, {"disable", "project.disabled", url.Values{"reason": {"For a test"}}}, {"enable", "project.enabled", nil},
		{"", "project.deleted", name}, {"purge", "project.purgeStarted", name}, {"purge/stop", "project.purgeStopped", nil}, {"undelete", "project.undeleted", nil},
	} {
		if deed.what == "" {
			recorded("/projects/:project/settings/project/delete", deed.event, root.Post("/projects/1/settings/project/delete", deed.form))
			continue
		}
		recorded("/admin/projects/:project/"+deed.what, deed.event, root.Post("/admin/projects/1/"+deed.what, deed.form))
	}
	recorded("/admin/projects/:project/type", "project.typeChanged", root.Post("/admin/projects/1/type", url.Values{"template": {"demo"}, "follow": {"never"}}))
	recorded("/admin/projects/:project/terms", "project.termsChanged", root.Post("/admin/projects/1/terms", url.Values{"users": {"5"}}))
	template := url.Values{"name": {"Walked"}, "description": {""}, "days": {""}, "retention": {"30"}, "position": {"1"}, "offered": {"1"}}
	recorded("/admin/templates", "template.created", root.Post("/admin/templates", template))
	template.Set("name", "Walked again")
	template.Set("revision", "1")
	recorded("/admin/templates/:template", "template.updated", root.Post("/admin/templates/demo", template))
	s.TwoStep(root)
	recorded("/organizations/:organization/two-step", "organization.factorRequired", root.Post("/organizations/1/two-step", url.Values{"on": {"1"}}))
	recorded("/admin/settings", "installation.settingsChanged", root.Post("/admin/settings", url.Values{"requireFactor": {"1"}}))
	var dead int64
	s.Update(func(tx *db.Tx) (err error) {
		dead, err = db.Value[int64](tx, "UPDATE mails SET state = 'dead' WHERE id = (SELECT min(id) FROM mails) RETURNING id")
		return err
	})
	recorded("/admin/mails/:mail/retry", "mail.retried", root.Post(fmt.Sprintf("/admin/mails/%d/retry", dead), nil))
	if err := s.App.Jobs.Drain(t.Context(), jobs.System); err != nil {
		t.Fatal(err)
	}

	for _, r := range console.New(t.Context(), s.App, nil, nil).Routes() {
		if r.Method == http.MethodGet || r.Rule.Kind == gate.ForProject {
			continue
		}
		if unrecorded[r.Path] == "" && !done[r.Path] {
			t.Errorf("nobody looked at what %s records", r.Path)
		}
	}
}

// aboveProjects does what can be done to organizations, maintainers and at the entrances of
// projects: root is a super admin, c is somebody with this address.
func aboveProjects(s *webtest.Site, root, c *webtest.Client, email string, recorded func(route, event string, r webtest.Response) webtest.Response) {
	s.T.Helper()
	const organization, maintainer = "/organizations/:organization", "/maintainers/:maintainer"
	home := strings.TrimSuffix(recorded("/maintainers", "maintainer.created", root.Post("/maintainers", url.Values{"name": {"Second"}})).Location, "/members")
	recorded(maintainer+"/settings", "maintainer.updated", root.Post(home+"/settings", url.Values{"name": {"Other"}}))
	own := recorded(maintainer+"/organizations", "organization.created", root.Post(home+"/organizations", url.Values{"name": {"Of its own"}})).Location
	recorded(maintainer+"/organizations/:organization", "organization.crmIdChanged", root.Post(home+own, url.Values{"crmId": {"N-17"}}))
	recorded(organization+"/billing", "organization.billingChanged", root.Post(own+"/billing", url.Values{"company": {"One"}}))
	project := recorded(organization+"/projects", "project.created", root.Post(own+"/projects", url.Values{"name": {"Theirs"}, "template": {"production"}})).Location
	invite := func(route, kind, at string) (waiting string) {
		recorded(route+"/members", kind+".memberInvited", root.Post(at+"/members", url.Values{"emails": {email}, "reason": {""}, "days": {"7"}}))
		return root.Get(at+"/members").Want(http.StatusOK).Page().Find(`tbody a.row-link[href*="/invitations/"]`).AttrOr("href", "")
	}
	member := func(at string) string {
		return root.Get(at+"/members?q="+url.QueryEscape(email)).Want(http.StatusOK).Page().Find("tbody a.row-link").AttrOr("href", "")
	}
	for _, x := range [][3]string{{organization, "organization", own}, {maintainer, "maintainer", home}} {
		route, kind, at := x[0], x[1], x[2]
		if kind == "maintainer" { // the last one may not leave
			s.Update(func(tx *db.Tx) error {
				root, err := s.App.Accounts.ByEmail(tx, "vera@example.com")
				if err != nil {
					return err
				}
				id, err := db.Value[int64](tx, "SELECT id FROM maintainers WHERE name = 'Other'")
				if err != nil {
					return err
				}
				return tenancy.JoinMaintainer(tx, root.Actor(), id, root)
			})
		}
		waiting := invite(route, kind, at)
		recorded(route+"/invitations/:invitation/send", kind+".memberInvited", root.Post(waiting+"/send", nil))
		recorded(route+"/invitations/:invitation/cancel", kind+".invitationCancelled", root.Post(waiting+"/cancel", nil))
		invite(route, kind, at)
		c.Post(asked(c), nil).Want(http.StatusSeeOther)
		recorded(route+"/members/:member/remove", kind+".memberRemoved", root.Post(member(at)+"/remove", nil))
		invite(route, kind, at)
		c.Post(asked(c), nil).Want(http.StatusSeeOther)
		if kind == "organization" {
			recorded(route+"/members/leave", kind+".memberLeft", c.Post(at+"/members/leave", nil))
		}
	}

	// As somebody of the maintainer: visits, and an organization of their own, which root joins.
	recorded("/projects/:project/join", "project.memberAdded", c.Post(project+"/join", url.Values{"reason": {"To look"}, "hours": {"1"}}))
	c.Post(project+"/settings/users/leave", nil).Want(http.StatusSeeOther)
	recorded(organization+"/settings", "organization.updated", root.Post(own+"/settings", url.Values{"name": {"Renamed"}}))
	recorded("/projects/:project/request", "project.joinRequested", c.Post(project+"/request", url.Values{"reason": {"To look"}, "hours": {"1"}}))
	recorded("/projects/:project/request/cancel", "project.joinRequestCancelled", c.Post(project+"/request/cancel", nil))
	theirs := c.Post(home+"/organizations", url.Values{"name": {"Theirs"}}).Want(http.StatusSeeOther).Location
	for _, to := range []string{theirs, own} {
		recorded("/projects/:project/move", "project.removedFromOrganization project.addedToOrganization", root.Post(project+"/move", url.Values{"to": {strings.TrimPrefix(to, "/organizations/")}, "confirm": {"Theirs"}}))
	}
	root.Post(project+"/move", url.Values{"to": {strings.TrimPrefix(theirs, "/organizations/")}, "confirm": {"Theirs"}}).Want(http.StatusSeeOther)
	s.Update(func(tx *db.Tx) error { // as if somebody had moved it who is none of theirs
		return tx.Must("INSERT INTO project_losses (project_id, organization_id, moved_at, moved_by, ends_at) SELECT p.id, o.id, CAST($1 AS BIGINT), u.id, CAST($1 AS BIGINT) + 1000000000000 FROM projects p, organizations o, users u WHERE p.name = 'Theirs' AND o.name = 'Renamed' AND u.email = $2", tx.Now, email)
	})
	recorded(organization+"/projects/:moved/take-back", "project.removedFromOrganization project.addedToOrganization", root.Post(own+project+"/take-back", url.Values{"confirm": {"Theirs"}}))
	recorded(organization+"/join", "organization.memberAdded", root.Post(theirs+"/join", asVisitor))
	recorded(organization+"/join/end", "organization.memberLeft", root.Post(theirs+"/join/end", nil))
	root.Post(theirs+"/join", asVisitor)
	recorded(organization+"/delete", "organization.deleted", root.Post(theirs+"/delete", url.Values{"confirm": {"Theirs"}}))
	recorded(maintainer+"/members/leave", "maintainer.memberLeft", c.Post(home+"/members/leave", nil))
	empty := root.Post("/maintainers", url.Values{"name": {"Empty"}}).Want(http.StatusSeeOther).Location
	recorded(maintainer+"/delete", "maintainer.deleted", root.Post(strings.TrimSuffix(empty, "/members")+"/delete", url.Values{"confirm": {"Empty"}}))
}
