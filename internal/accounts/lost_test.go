package accounts_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/web/console"
	"steward/web/webtest"
)

// lost is the path of the link that a super admin has sent to somebody who lost the second
// factor.
func lost(s *webtest.Site, u accounts.User) (path string) {
	s.T.Helper()
	super := s.SignIn(s.SuperAdmin(""))
	shown := super.Post(fmt.Sprintf("/admin/users/%d/reset-mfa", u.ID), url.Values{}).Want(http.StatusOK).Page().Find("[data-copy]").AttrOr("data-copy", "")
	path, ok := strings.CutPrefix(shown, s.URL)
	if !ok || !strings.HasPrefix(path, accounts.DropFactorPath) {
		s.T.Fatalf("the link is %q", shown)
	}
	return path
}

// sendLost fills in the form that the link leads to.
func sendLost(c *webtest.Client, u accounts.User, password string) webtest.Response {
	return c.Post("/two-step/lost", url.Values{"email": {u.Email}, "password": {password}})
}

// TestASVS_6_4_4: a second factor that was lost goes by what its person had when they set it
// up, a link to their address and the password, and by nothing less.
func TestASVS_6_4_4(t *testing.T) {
	t.Parallel()
	s := posted(t)
	u, signedIn, secret, _ := enrolled(t, s)
	other := s.User("")
	path := lost(s, u)
	if !in(signedIn) || mails(s, u.Email, "factorLost") != 1 {
		t.Fatal("the link alone ended a session, or was not mailed")
	}
	waiting := half(s, u) // the password alone still leads to the second step
	c := s.Anonymous()
	if r := open(c, path).Want(http.StatusOK); !strings.Contains(r.Body, u.Email) {
		t.Error("the form does not name the address")
	}
	sendLost(c, u, "wrong wrong wrong").Want(http.StatusUnprocessableEntity)
	sendLost(c, other, webtest.Password).Want(http.StatusNotFound)
	sendLost(s.Anonymous(), u, webtest.Password).Want(http.StatusNotFound) // the password without the link
	half(s, u)
	if r := sendLost(c, u, webtest.Password); r.Location != "/login?lost=1" || in(c) {
		t.Fatalf("link and password: %d %s", r.Status, r.Location)
	}
	if second(waiting, s.Code(secret)); in(signedIn) || in(waiting) {
		t.Error("a session or a sign-in from before goes on")
	}
	sendLost(c, u, webtest.Password).Want(http.StatusNotFound)
	if n := mails(s, u.Email, "factorDisabled"); n != 1 {
		t.Errorf("%d mails tell of it", n)
	}
	again := s.SignIn(u) // a recent proof, and the factor is set up anew
	s.TwoStep(again)
	open(s.Anonymous(), path).Want(http.StatusNotFound) // the used link takes the new one away as little
	half(s, u)

	late := lost(s, u)
	s.Clock.Forward(31 * time.Minute)
	open(s.Anonymous(), late).Want(http.StatusNotFound)
	two := []string{lost(s, u), lost(s, u)}
	open(s.Anonymous(), two[0]).Want(http.StatusNotFound) // the newest only
	d := s.Anonymous()
	open(d, two[1]).Want(http.StatusOK)
	last := 0
	for range 8 {
		last = sendLost(d, u, "wrong wrong wrong").Status
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("guesses of the password at the link are not slowed down: %d", last)
	}
}

// TestASVS_6_4_5: who was invited is told a day before the link ends, once, and not who has
// used it or whose link is another by then.
func TestASVS_6_4_5(t *testing.T) {
	t.Parallel()
	s := posted(t)
	house := func(ahead time.Duration) {
		t.Helper()
		s.Clock.Forward(ahead)
		if _, err := s.App.Jobs.Fire(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.App.Jobs.Drain(t.Context(), jobs.System); err != nil {
			t.Fatal(err)
		}
	}
	idle, done, again := invite(s, "idle@example.com"), invite(s, "done@example.com"), invite(s, "again@example.com")
	c := s.Anonymous()
	open(c, done).Want(http.StatusOK)
	c.Post("/activate", url.Values{"email": {"done@example.com"}, "name": {"Done"}, "password": {fresh}, "repeat": {fresh}}).Want(http.StatusSeeOther)
	told := func() [3]int64 {
		return [3]int64{mails(s, "idle@example.com", "activateSoon"), mails(s, "done@example.com", "activateSoon"), mails(s, "again@example.com", "activateSoon")}
	}
	house(0)
	house(accounts.ActivationLife - accounts.RemindBefore - time.Hour)
	invite2(s, "again@example.com")
	if got := told(); got != [3]int64{} {
		t.Errorf("more than a day before: %v", got)
	}
	house(2 * time.Hour)
	house(time.Hour)
	if got := told(); got != [3]int64{1, 0, 0} {
		t.Errorf("within a day of the end: %v", got)
	}
	if got := letters(s, "idle@example.com"); len(got) != 1 || got[0] != idle {
		t.Errorf("the reminder has a link of its own: %q", got)
	}
	open(s.Anonymous(), idle).Want(http.StatusOK)
	open(s.Anonymous(), again).Want(http.StatusNotFound)
	house(25 * time.Hour)
	if got := told(); got != [3]int64{1, 0, 0} {
		t.Errorf("after the end: %v", got)
	}
	// What the mail says to do, when it is too late.
	forgot(s.Anonymous(), "idle@example.com").Want(http.StatusSeeOther)
	open(s.Anonymous(), letters(s, "idle@example.com")[0]).Want(http.StatusOK)
}

// TestASVS_6_4_6: a super admin starts a reset and chooses nobody's password.
func TestASVS_6_4_6(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u := s.User("Petra")
	p, _ := s.Project("Looked at", false)
	super := s.SignIn(s.SuperAdmin("Root"))
	person := fmt.Sprintf("/admin/users/%d", u.ID)
	for _, r := range console.New(t.Context(), s.App, nil, nil).Routes() {
		if !strings.HasPrefix(r.Path, "/admin") {
			continue
		}
		path := strings.NewReplacer(":user", fmt.Sprint(u.ID), ":project", fmt.Sprint(p.ID), ":template", "demo").Replace(r.Path)
		if r.Method == http.MethodGet {
			page := super.Get(path).Want(http.StatusOK).Page()
			if n := page.Find(`main input[type="password"], main input[name="password"]`).Length(); n != 0 {
				t.Errorf("%s asks for a password", path)
			}
		}
	}
	super.Post("/admin/users", url.Values{"email": {"new@example.com"}, "name": {"New"}, "password": {fresh}}).Want(http.StatusUnprocessableEntity)
	super.Post(person+"/link", url.Values{"password": {fresh}}).Want(http.StatusUnprocessableEntity)
	shown := super.Post(person+"/link", nil).Page().Find("[data-copy]").AttrOr("data-copy", "")
	if !strings.HasPrefix(shown, s.URL+accounts.ResetPath) {
		t.Fatalf("a reset gives %q", shown)
	}
	if enters(s, u.Email, fresh) || !enters(s, u.Email, webtest.Password) {
		t.Error("starting a reset changed the password")
	}
	for _, what := range []string{"disable", "enable", "end-sessions", "reset-mfa", "super-admin", "no-super-admin"} {
		super.Post(person+"/"+what, url.Values{"password": {fresh}}).Want(http.StatusUnprocessableEntity)
	}
	if enters(s, u.Email, fresh) {
		t.Error("a super admin chose a password")
	}
}

// TestASVS_6_6_2: a code counts for what it was made for, and for whom.
func TestASVS_6_6_2(t *testing.T) {
	t.Parallel()
	f := federate(t)
	u, _, _, _ := enrolled(t, f.Site)
	v, _, _, codes := enrolled(t, f.Site)
	forms := map[string]string{"activate": "/activate", "reset": "/password/reset", "lost": "/two-step/lost", "confirm": "/auth/google/confirm"}
	links := map[string]string{"activate": invite(f.Site, "new@example.com"), "reset": invite2(f.Site, u.Email), "lost": lost(f.Site, u)}
	w := f.User("")
	f.p.Set(func() { f.p.Person["sub"], f.p.Person["email"] = "77", w.Email })
	c := f.Anonymous()
	f.arrive(c)
	c.Post("/auth/google/link/mail", nil).Want(http.StatusSeeOther)
	links["confirm"] = confirmation(f.Site, w.Email)
	for what, link := range links {
		code := link[strings.LastIndexByte(link, '/')+1:]
		for form, path := range forms {
			c := f.Anonymous()
			c.Get(path + "/" + code).Want(http.StatusSeeOther)
			want := http.StatusNotFound
			if form == what {
				want = http.StatusOK
			}
			if r := c.Get(path); r.Status != want {
				t.Errorf("the code to %s at %s: %d, want %d", what, path, r.Status, want)
			}
		}
	}
	// The second step of one person's sign-in takes nobody else's code.
	at := half(f.Site, u)
	second(at, codes[0]).Want(http.StatusUnprocessableEntity)
	own := half(f.Site, v)
	if second(own, codes[0]); !in(own) || in(at) {
		t.Error("a recovery code counts for another, or was used up by them")
	}
}

// TestASVS_6_6_3: nobody guesses a link: its code has 256 bits, a wrong one finds nothing
// however often one tries, and few are given out.
func TestASVS_6_6_3(t *testing.T) {
	t.Parallel()
	s := posted(t)
	u := s.User("")
	seen := map[string]bool{}
	for range 3 {
		forgot(s.Anonymous(), u.Email).Want(http.StatusSeeOther)
	}
	forgot(s.Anonymous(), u.Email).Want(http.StatusTooManyRequests)
	for _, path := range append(letters(s, u.Email), invite(s, "a@example.com"), invite(s, "b@example.com")) {
		code := path[strings.LastIndexByte(path, '/')+1:]
		body := strings.Split(code, "_")
		if len(body) != 3 || len(body[1]) != 43 || seen[code] { // 43 of 62 signs: 256 bits
			t.Errorf("the code %q", code)
		}
		seen[code] = true
	}
	if len(seen) != 5 {
		t.Fatalf("%d codes", len(seen))
	}
	good := letters(s, u.Email)[0]
	for i := range 50 {
		guess := []byte(good)
		at := len(accounts.ResetPath) + len("stw_") + i%43
		guess[at] = "ab"[map[bool]int{true: 1}[guess[at] == 'a']]
		if r := open(s.Anonymous(), string(guess)); r.Status != http.StatusNotFound {
			t.Fatalf("a guess: %d", r.Status)
		}
	}
	open(s.Anonymous(), good).Want(http.StatusOK)
}

// TestASVS_6_3_2: a new installation has no account, and none of the usual ones gets in.
func TestASVS_6_3_2(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	s.View(func(tx *db.Tx) error {
		n, err := db.Value[int64](tx, "SELECT count(*) FROM users")
		if n != 0 {
			t.Errorf("%d people are there before the first", n)
		}
		return err
	})
	for _, name := range []string{"admin", "root", "steward", "administrator", "test", "guest"} {
		s.Clock.Forward(time.Minute)
		for _, email := range []string{name, name + "@example.com", name + "@localhost"} {
			for _, password := range []string{name, "password", ""} {
				c := s.Anonymous()
				if r := c.Post("/login", url.Values{"email": {email}, "password": {password}}); r.Status == http.StatusSeeOther || in(c) {
					t.Errorf("%s, %s: %d", email, password, r.Status)
				}
			}
		}
	}
	c := s.Anonymous()
	c.Get("/setup").Want(http.StatusForbidden)
	c.Get("/setup?code=admin").Want(http.StatusForbidden)
	first := url.Values{"code": {""}, "name": {"Mallory"}, "email": {"mallory@example.com"}, "password": {fresh}, "repeat": {fresh}, "maintainer": {"M"}, "organization": {"O"}, "project": {"P"}}
	c.Post("/setup", first).Want(http.StatusForbidden)
}

// TestASVS_6_3_6: having somebody's mail proves nothing at sign-in: no link that is mailed
// signs in, and no code is mailed.
func TestASVS_6_3_6(t *testing.T) {
	t.Parallel()
	f := federate(t)
	u, _, _, _ := enrolled(t, f.Site)
	known := []string{"/activate/:code", "/auth/google/confirm/:code", "/password/reset/:code", "/two-step/lost/:code"}
	var walked []string
	for _, r := range console.New(t.Context(), f.App, nil, nil).Routes() {
		if strings.Contains(r.Path, ":code") {
			walked = append(walked, r.Path)
		}
	}
	slices.Sort(walked)
	if !slices.Equal(walked, known) {
		t.Fatalf("the links are %q", walked)
	}
	c := f.Anonymous()
	open(c, invite(f.Site, "new@example.com")).Want(http.StatusOK)
	c.Post("/activate", url.Values{"email": {"new@example.com"}, "name": {"New"}, "password": {fresh}, "repeat": {fresh}}).Want(http.StatusSeeOther)
	if in(c) {
		t.Error("activating signs in")
	}
	c = f.Anonymous()
	open(c, invite2(f.Site, u.Email)).Want(http.StatusOK)
	reset(c, u.Email, fresh).Want(http.StatusSeeOther)
	plain, d := f.User(""), f.Anonymous() // without a second factor, which would be asked for
	open(d, invite2(f.Site, plain.Email)).Want(http.StatusOK)
	reset(d, plain.Email, fresh).Want(http.StatusSeeOther)
	if in(c) || in(d) {
		t.Error("a reset signs in")
	}
	if r := c.Post("/login", url.Values{"email": {u.Email}, "password": {fresh}}); r.Location != "/mfa" || in(c) {
		t.Errorf("a reset stands in for the second factor: %d %s", r.Status, r.Location)
	}
	f.Clock.Forward(accounts.ResetWait)
	c = f.Anonymous()
	open(c, lost(f.Site, u)).Want(http.StatusOK)
	sendLost(c, u, fresh).Want(http.StatusSeeOther)
	if in(c) {
		t.Error("taking a lost factor away signs in")
	}
	f.p.Set(func() { f.p.Person["email"] = u.Email })
	c = f.Anonymous()
	f.arrive(c)
	c.Post("/auth/google/link/mail", nil).Want(http.StatusSeeOther)
	open(c, confirmation(f.Site, u.Email)).Want(http.StatusOK)
	c.Post("/auth/google/confirm", url.Values{"email": {u.Email}, "there": {u.Email}}).Want(http.StatusSeeOther)
	if in(c) {
		t.Error("linking by mail signs in")
	}
}

// TestASVS_6_3_7: whoever changes how an account is kept, its person is told by mail.
func TestASVS_6_3_7(t *testing.T) {
	t.Parallel()
	f := federate(t)
	u := f.User("")
	f.p.Set(func() { f.p.Person["email"] = u.Email })
	c := f.SignIn(u)
	super := f.SignIn(f.SuperAdmin("Root"))
	admin := func(what string) {
		super.Post(fmt.Sprintf("/admin/users/%d/%s", u.ID, what), url.Values{})
	}
	var secret string
	codes := []string{}
	for _, x := range []struct {
		kind string
		do   func()
	}{
		{"passwordChanged", func() { change(c, webtest.Password, fresh) }},
		{"identityLinked", func() { c.Get(f.p.Approve(c.Post("/account/identity/start", nil).Location)) }},
		{"identityUnlinked", func() { c.Post("/account/identity/delete", nil) }},
		{"factorEnabled", func() { secret, codes = f.TwoStep(c) }},
		{"recoveryCodesNew", func() { c.Post("/account/recovery-codes", url.Values{}) }},
		{"factorDisabled", func() { c.Post("/account/two-step/delete", url.Values{}) }},
		{"factorEnabled", func() { secret, codes = f.TwoStep(c) }},
		{"recoveryCodeUsed", func() {
			d := f.Anonymous()
			d.Post("/login", url.Values{"email": {u.Email}, "password": {fresh}})
			second(d, codes[0])
		}},
		{"factorLost", func() { admin("reset-mfa") }},
		{"resetByAdmin", func() { admin("link") }},
		{"passwordChanged", func() {
			d := f.Anonymous()
			open(d, letters(f.Site, u.Email)[0])
			reset(d, u.Email, "eight amber lanterns sway")
		}},
		{"sessionsEnded", func() { admin("end-sessions") }},
		{"accountDisabled", func() { admin("disable") }},
		{"accountEnabled", func() { admin("enable") }},
	} {
		before := mails(f.Site, u.Email, x.kind)
		x.do()
		if n := mails(f.Site, u.Email, x.kind) - before; n != 1 {
			t.Errorf("%d mails of kind %s, want one", n, x.kind)
		}
	}
	if secret == "" || len(codes) == 0 {
		t.Fatal("no second factor was set up")
	}
}

// TestNoTwoLinksAtOnce: who sends a link for a new password sends none for the second factor
// on the same day, unless the factor is newer than the password.
func TestNoTwoLinksAtOnce(t *testing.T) {
	t.Parallel()
	s := posted(t)
	u, _, _, _ := enrolled(t, s)
	super := s.SignIn(s.SuperAdmin(""))
	person := fmt.Sprintf("/admin/users/%d", u.ID)
	s.Clock.Forward(time.Minute)
	link := super.Post(person+"/link", url.Values{}).Want(http.StatusOK).Page().Find("[data-copy]").AttrOr("data-copy", "")
	c := s.Anonymous()
	open(c, strings.TrimPrefix(link, s.URL)).Want(http.StatusOK)
	reset(c, u.Email, fresh).Want(http.StatusSeeOther)
	super.Post(person+"/reset-mfa", url.Values{}).Want(http.StatusSeeOther)
	if page := super.Get(person).Body; !strings.Contains(page, "less than a day ago") {
		t.Error("the page does not say why")
	}
	if n := mails(s, u.Email, "factorLost"); n != 0 {
		t.Errorf("%d links were mailed", n)
	}
	s.Clock.Forward(accounts.ResetWait)
	super = s.SignIn(s.SuperAdmin(""))
	super.Post(person+"/reset-mfa", url.Values{}).Want(http.StatusOK)
}
