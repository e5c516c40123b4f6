package console_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/db"
	"steward/web/webtest"
)

// spelled is a day like 2026-12-31 as people read it.
func spelled(day string) string {
	parsed, err := time.Parse(time.DateOnly, day)
	if err != nil {
		panic(err)
	}
	return parsed.Format("2 January 2006")
}

// sentence is what the last event of a name says.
func sentence(s *webtest.Site, name string) (text string) {
	s.T.Helper()
	s.View(func(tx *db.Tx) (err error) {
		text, err = db.Value[string](tx, "SELECT message FROM events WHERE name = $1 ORDER BY id DESC LIMIT 1", name)
		return err
	})
	return text
}

// TestSentencesNameTheirPlace: an event says which organization or project it is about, by which
// right somebody came in, and when as all others do.
func TestSentencesNameTheirPlace(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	noon(s)
	p, _ := s.Project("Named", false)
	mina := s.User("Mina")
	path := ofOrganization(s, p, mina)
	c := s.SignIn(mina)
	settings := func(name string) url.Values {
		f := url.Values{"name": {name}, "autoJoin": {"on"}}
		_, is := c.Get(path + "/settings").Want(http.StatusOK).Form(path + "/settings")
		for k := range is {
			if f[k] == nil {
				f[k] = is[k]
			}
		}
		return f
	}
	c.Post(path+"/settings", settings("Northwind")).Want(http.StatusSeeOther)
	if got := sentence(s, "organization.updated"); !strings.HasPrefix(got, `"Mina" changed the organization "Organization of Named": name from "Organization of Named" to "Northwind"`) {
		t.Errorf("the change says %s", got)
	}
	c.Get(path + "/audit?format=csv").Want(http.StatusOK)
	if got := sentence(s, "audit.exported"); got != `"Mina" exported the audit log of the organization "Northwind".` {
		t.Errorf("the export says %s", got)
	}
	lets(s, p, true)
	_, sven, _ := ofSupport(s, "Sven")
	sven.Post(path+"/join", url.Values{"reason": {"Ticket 2"}, "hours": {"8"}}).Want(http.StatusSeeOther)
	end := s.Clock.Now().UTC().Add(8 * time.Hour).Format("2 January 2006, 15:04 UTC")
	if got := sentence(s, "organization.memberAdded"); !strings.HasPrefix(got, `"Sven" (`) || !strings.HasSuffix(got, `), of support, joined the organization "Northwind" until `+end+`: "Ticket 2".`) {
		t.Errorf("the join says %s", got)
	}
	_, tilda, _ := ofSupport(s, "Tilda")
	tilda.Post("/projects/"+num(p.ID)+"/join", url.Values{"reason": {"Ticket 3"}, "hours": {"8"}}).Want(http.StatusSeeOther)
	until := s.Clock.Now().UTC().Add(8 * time.Hour).Format("2 January 2006, 15:04 UTC")
	if got := sentence(s, "project.memberAdded"); !strings.HasSuffix(got, `joined "Named" as Admin until `+until+`: "Ticket 3".`) {
		t.Errorf("the visit says %s, and not until %s", got, until)
	}
	member := s.SignIn(s.Member(p, access.Admin))
	member.Get(auditOf(p) + "?format=json").Want(http.StatusOK)
	if got := sentence(s, "audit.exported"); !strings.HasSuffix(got, ` exported the audit log of the project "Named".`) {
		t.Errorf("the export says %s", got)
	}
}

// TestInvitationLimitsAreNamed: who sends too many is told which limit they met, and nobody else's
// address.
func TestInvitationLimitsAreNamed(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Many", false)
	c := s.SignIn(admin)
	many := func(begin string, n int) (out []string) {
		for i := range n {
			out = append(out, begin+num(int64(i))+"@many.example")
		}
		return out
	}
	refused := func(path string, f url.Values) string {
		t.Helper()
		return text(c.Post(path, f).Want(http.StatusTooManyRequests), "#emails-error")
	}
	c.Post(users(p), inviting(access.Guest, many("a", 46)...)).Want(http.StatusOK)
	if got := refused(users(p), inviting(access.Guest, many("p", 5)...)); got != "Error: At most 50 invitations a day are sent from this project. Nothing was sent. Go on tomorrow." {
		t.Errorf("of the project it says %q", got)
	}
	path := ofOrganization(s, p, admin)
	toTeam := func(emails ...string) url.Values {
		return url.Values{"emails": {strings.Join(emails, "\n")}, "reason": {""}, "days": {"7"}}
	}
	c.Post(path+"/members", toTeam(many("b", 49)...)).Want(http.StatusOK)
	if got := refused(path+"/members", toTeam(many("q", 2)...)); got != "Error: At most 50 invitations a day are sent from this organization. Nothing was sent. Go on tomorrow." {
		t.Errorf("of the organization it says %q", got)
	}
	s.Clock.Forward(25 * time.Hour)
	c = s.SignIn(admin)
	at := rowOf(c, p, "a0@many.example")
	for range 5 {
		c.Post(at+"/send", nil).Want(http.StatusOK)
	}
	r := c.Get(c.Post(at+"/send", nil).Want(http.StatusSeeOther).Location)
	if !strings.Contains(r.Body, "At most 5 invitations a day are sent from this project to a0@many.example.") {
		t.Errorf("of the address it says %q", text(r, "main"))
	}
}

// TestPastedAddresses: what mail programs write is read as they mean it, and what is no address is
// told of as before, with who is known already.
func TestPastedAddresses(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Pasted", false)
	c := s.SignIn(admin)
	for i, pasted := range []string{
		`Priya Raman <priya%@northwind.example>, "Lee, Ann" <ann%@x.example>`,
		`Priya Raman <priya%@northwind.example>; "Lee, Ann" <ann%@x.example>;`,
		"<priya%@northwind.example>,\r\nAnn Lee <ann%@x.example>,\r\n",
		"priya%@northwind.example ann%@x.example",
	} {
		n := num(int64(i))
		c.Post(users(p), inviting(access.Guest, strings.ReplaceAll(pasted, "%", n))).Want(http.StatusOK)
		if got := strings.Join(listed(c, p, "&q=a"+"&status=invited"), " "); !strings.Contains(got, "(ann"+n+"@x.example guest)") || !strings.Contains(got, "(priya"+n+"@northwind.example guest)") {
			t.Errorf("of %q are invited %q", pasted, got)
		}
	}
	for pasted, want := range map[string]string{
		"Priya <priya0@northwind.example>, nonsense, worse@": `Error: "nonsense", "worse@" are no full email addresses, like name@example.com. priya0@northwind.example is invited already.`,
		"Priya <priya":              `Error: "Priya", "<priya" are no full email addresses, like name@example.com.`,
		admin.Email + " bad":        `Error: "bad" is no full email address, like name@example.com. ` + admin.Email + " is a member already.",
		strings.Repeat("<", 30_000): "",
	} {
		got := text(c.Post(users(p), inviting(access.Guest, pasted)).Want(http.StatusUnprocessableEntity), "#emails-error")
		if want != "" && got != want {
			t.Errorf("of %q it says %q", pasted, got)
		}
	}
	f := inviting(access.Guest, "bad "+admin.Email)
	f.Set("days", "99")
	if page := c.Post(users(p), f).Want(http.StatusUnprocessableEntity); text(page, "#days-error") == "" || !strings.Contains(text(page, "#emails-error"), "is a member already.") {
		t.Errorf("with another fault it says %q", text(page, "main"))
	}
	for _, m := range listed(c, p, "") {
		if strings.Contains(m, "<") || strings.Contains(m, "nonsense") {
			t.Errorf("%s is in the list", m)
		}
	}
}

// TestInvitationThatRests: one whose sender lacks the second factor that the organization asks for
// counts again when they have one, and says so.
func TestInvitationThatRests(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Resting", false)
	guest, other := s.User("Guest"), s.Member(p, access.Admin)
	c := s.SignIn(admin)
	c.Post(users(p), inviting(access.Guest, guest.Email)).Want(http.StatusOK)
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE organizations SET mfa_required = TRUE WHERE id = $1", p.Organization)
	})
	theirs, colleague := s.SignIn(guest), s.SignIn(other)
	s.TwoStep(theirs)
	s.TwoStep(colleague)
	const rests = "This invitation does not count at this time."
	page := theirs.Get("/account/invitations").Want(http.StatusOK)
	if got := text(page, "main"); !strings.Contains(got, rests+" "+admin.Name+", who invited you, has to sign in in two steps first, which the organization asks for. It counts again when they do.") || page.Page().Find(`form[action$="/accept"]`).Length() != 0 {
		t.Errorf("they read %q", got)
	}
	path := strings.Replace(page.Page().Find(`form[action$="/decline"]`).AttrOr("action", ""), "/decline", "/accept", 1)
	if got := theirs.Get(theirs.Post(path, nil).Want(http.StatusSeeOther).Location).Body; !strings.Contains(got, "It counts again when they do.") {
		t.Error("who accepts it is not told that it counts again")
	}
	row := colleague.Get(users(p) + "?q=" + url.QueryEscape(guest.Email)).Want(http.StatusOK)
	if got := text(row, "tbody"); !strings.Contains(got, "Does not count") || !strings.Contains(got, admin.Name+", who sent it, has to sign in in two steps first, which the organization asks for: then it counts again.") {
		t.Errorf("the list says %q", got)
	}
	if got := text(colleague.Get(row.Page().Find("tbody a.row-link").AttrOr("href", "")), ".banner"); !strings.Contains(got, rests) {
		t.Errorf("its page says %q", got)
	}
	s.TwoStep(c)
	theirs.Post(asked(theirs), nil).Want(http.StatusSeeOther)
	theirs.Get("/projects/" + num(p.ID)).Want(http.StatusOK)
}

// TestDisabledUntil: who disables a project may say when it is expected back, which everybody of it
// reads; enabling clears it, and nothing happens on that day.
func TestDisabledUntil(t *testing.T) {
	t.Parallel()
	l := newLife(t, "Maintained")
	noon(l.Site)
	super := l.super()
	l.house() // what waited
	for _, bad := range []string{dayIn(l.Site, -1), dayIn(l.Site, 367), "soon", "2027-02-30", "9999-12-31"} {
		page := l.does(super, "disable", url.Values{"reason": {"Too large"}, "back": {bad}}).Want(http.StatusUnprocessableEntity)
		if page.Page().Find("#back-error").Length() != 1 || page.Page().Find("#reason").AttrOr("value", "") != "Too large" {
			t.Errorf("of %q it says %q", bad, text(page, "main"))
		}
	}
	if page := l.does(super, "disable", url.Values{"reason": {""}, "back": {dayIn(l.Site, -1)}}).Want(http.StatusUnprocessableEntity); page.Page().Find("#back-error, #reason-error").Length() != 2 {
		t.Error("not all that is wrong is told")
	}
	if l.value("SELECT count(*) FROM projects WHERE state = 'disabled' OR expected_at IS NOT NULL") != 0 {
		t.Fatal("it is disabled")
	}
	for _, ahead := range []int{366, 0, 6} {
		l.does(super, "disable", url.Values{"reason": {"Too large"}, "back": {dayIn(l.Site, ahead)}}).Want(http.StatusSeeOther)
		if ahead != 6 {
			l.does(super, "enable", nil).Want(http.StatusSeeOther)
		}
	}
	day := spelled(dayIn(l.Site, 6))
	if got := sentence(l.Site, "project.disabled"); got != `"Vera" disabled the project "Maintained", which is expected back on `+day+`: "Too large"` {
		t.Errorf("the event says %s", got)
	}
	c := l.SignIn(l.admin)
	if got := text(c.Get(l.path("")).Want(http.StatusForbidden), "main"); !strings.Contains(got, "It is expected back on "+day+".") {
		t.Errorf("who opens it reads %q", got)
	}
	last := `time[datetime^="` + dayIn(l.Site, 6) + `"]`
	if row := c.Get("/").Want(http.StatusOK).Page().Find("tbody tr"); !strings.Contains(words(row), "Expected back on") || row.Find(last).Length() != 1 {
		t.Errorf("the list says %q", words(row))
	}
	if list := c.Get("/?format=json").Want(http.StatusOK).Body; !strings.Contains(list, `"expectedBack":"`+dayIn(l.Site, 6)) {
		t.Errorf("the export says %s", list)
	}
	if page := super.Get(l.above("")).Want(http.StatusOK).Page(); page.Find("main "+last).Length() != 1 || !strings.Contains(words(page.Find("main")), "Expected back on") {
		t.Errorf("super admins read %q", words(page.Find("main")))
	}
	l.house()
	if got := words(newest(t, l.Site, l.admin.Email)); !strings.Contains(got, "Expected back on "+day) {
		t.Errorf("the mail says %q", got)
	}
	l.Clock.Forward(8 * 24 * time.Hour)
	if err := l.App.Tenancy.Expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	super = l.super()
	if l.value("SELECT count(*) FROM projects WHERE state = 'disabled' AND expected_at IS NOT NULL") != 1 {
		t.Error("something happened on that day")
	}
	l.does(super, "enable", nil).Want(http.StatusSeeOther)
	if l.value("SELECT count(*) FROM projects WHERE expected_at IS NOT NULL") != 0 {
		t.Error("enabling does not clear the day")
	}
	l.does(super, "disable", url.Values{"reason": {"Again"}, "back": {""}}).Want(http.StatusSeeOther)
	if got := text(l.SignIn(l.admin).Get(l.path("")).Want(http.StatusForbidden), "main"); strings.Contains(got, "expected") {
		t.Errorf("without a day they read %q", got)
	}
}

// TestMailsOfLifeNameTheOrganization: mails about what became of a project name its organization,
// and lead to it while it can be opened.
func TestMailsOfLifeNameTheOrganization(t *testing.T) {
	t.Parallel()
	l := newLife(t, "Reports")
	super := l.super()
	says := func(what string, leads bool) {
		t.Helper()
		l.house()
		letter := newest(t, l.Site, l.admin.Email)
		if got := words(letter); !strings.Contains(got, "the project Reports of the organization Organization of Reports at ") || !strings.Contains(got, what) {
			t.Errorf("of %q the mail says %q", what, got)
		}
		if got := letter.Find(`a[href="` + l.URL + l.path("") + `"]`).Length(); (got > 0) != leads {
			t.Errorf("the mail of %q has %d links to the project", what, got)
		}
		l.mails()
	}
	l.does(super, "disable", url.Values{"reason": {"Too large"}}).Want(http.StatusSeeOther)
	says("was disabled", false)
	l.does(super, "enable", nil).Want(http.StatusSeeOther)
	says("is open again", true)
	l.delete(l.SignIn(l.admin)).Want(http.StatusSeeOther)
	says("was deleted", false)
	l.does(super, "undelete", url.Values{"expires": {dayIn(l.Site, 3)}}).Want(http.StatusSeeOther)
	says("is back", true)
	if err := l.App.Tenancy.Expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	says("is over soon", true)
}

// TestLockedProjectsAreMarked: the list of one's projects marks those that want a second factor,
// until one has it.
func TestLockedProjectsAreMarked(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Locked", false)
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE organizations SET mfa_required = TRUE WHERE id = $1", p.Organization)
	})
	c := s.SignIn(admin)
	row := c.Get("/").Want(http.StatusOK).Page().Find("tbody tr").First()
	if !strings.Contains(words(row), "Locked Needs two-step sign-in Turn it on") || row.Find(`a[href="/account/security"]`).Length() != 1 || row.Find("a").Length() != 1 {
		t.Errorf("it says %q", words(row))
	}
	if list := c.Get("/?format=json").Want(http.StatusOK).Body; !strings.Contains(list, `"needsTwoStep":true`) {
		t.Errorf("the export says %s", list)
	}
	s.TwoStep(c)
	if row := c.Get("/").Want(http.StatusOK).Page().Find("tbody tr").First(); strings.Contains(words(row), "Needs") || row.Find(`a[href="/projects/`+num(p.ID)+`"]`).Length() != 1 {
		t.Errorf("with a second factor it says %q", words(row))
	}
}

// TestNewProjectHasAType: what a project is to be is called as its settings do.
func TestNewProjectHasAType(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Typed", false)
	path := ofOrganization(s, p, admin)
	form := s.SignIn(admin).Get(path + "/projects/new").Want(http.StatusOK)
	if got := text(form, "legend"); got != "Type" || !strings.Contains(text(form, "form"), "It can be changed later: ask a super admin.") {
		t.Errorf("it says %q", text(form, "form"))
	}
}

// TestUsersSayUntilWhen: an invitation and a request show until when they can be answered; the list
// can be narrowed to who visits and to whose time ends soon, and tells programs who a member is.
func TestUsersSayUntilWhen(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	noon(s)
	p, admin := s.Project("Until", false)
	lets(s, p, true)
	leaving, guest := s.Member(p, access.Guest), s.Member(p, access.Guest)
	sven, visitor, _ := ofSupport(s, "Sven")
	visitor.Post("/projects/"+num(p.ID)+"/join", url.Values{"reason": {"Ticket 3"}, "hours": {"8"}}).Want(http.StatusSeeOther)
	c := s.SignIn(admin)
	c.Post(users(p), inviting(access.Guest, "nina@example.com")).Want(http.StatusOK)
	c.Post(rowOf(c, p, leaving.Email)+"/last-day", lasting(dayIn(s, 6))).Want(http.StatusSeeOther)
	c.Post(rowOf(c, p, guest.Email)+"/last-day", lasting(dayIn(s, 8))).Want(http.StatusSeeOther)
	row := c.Get(users(p) + "?q=nina").Want(http.StatusOK).Page().Find("tbody tr")
	if !strings.Contains(words(row), "Never Answer until ") || row.Find(`small time[datetime^="`+dayIn(s, 7)+`"]`).Length() != 1 {
		t.Errorf("the row of who is invited says %q", words(row))
	}
	if row := c.Get(users(p) + "?q=" + url.QueryEscape(guest.Email)).Want(http.StatusOK).Page().Find("tbody tr"); strings.Contains(words(row), "Answer") {
		t.Errorf("the row of a member says %q", words(row))
	}
	emails := func(query string) (out []string) {
		for _, m := range listed(c, p, query) {
			out = append(out, strings.Fields(strings.Trim(m, "()"))[0])
		}
		slices.Sort(out)
		return out
	}
	ending := []string{leaving.Email, sven.Email}
	slices.Sort(ending)
	for query, want := range map[string][]string{"&status=outside": {sven.Email}, "&status=ending": ending, "&status=ending&sort=newest": ending, "&status=nothing": nil, "&sort=nothing": nil, "&twoStep=nothing": nil, "&twoStep=on": nil, "&role=nothing": nil} {
		if got := emails(query); !slices.Equal(got, want) {
			t.Errorf("%s finds %q, want %q", query, got, want)
		}
		if got := c.Get(users(p) + "?" + query[1:]).Want(http.StatusOK).Page().Find("tbody tr").Length(); got != len(want) {
			t.Errorf("the page of %s has %d rows", query, got)
		}
	}
	var list []struct {
		Email  string
		UserID int64
	}
	c.Get(users(p) + "?format=json").Want(http.StatusOK).JSON(&list)
	for _, m := range list {
		if want := map[string]int64{admin.Email: admin.ID, sven.Email: sven.ID, guest.Email: guest.ID, leaving.Email: leaving.ID}[m.Email]; m.UserID != want {
			t.Errorf("%s is told of as number %d, want %d", m.Email, m.UserID, want)
		}
	}
}
