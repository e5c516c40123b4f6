package accounts_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"math/bits"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/web/webtest"
)

// with is a client that has nothing but a session's cookie of this value.
func with(s *webtest.Site, value string) *webtest.Client {
	c := s.Anonymous()
	c.HTTP.Jar.SetCookies(c.Request("GET", "/", nil).URL, []*http.Cookie{{Name: "session", Value: value}})
	return c
}

// TestASVS_7_2_1: whether a session counts, the server looks up; the cookie says nothing by
// itself.
func TestASVS_7_2_1(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u := s.User("")
	c := s.SignIn(u)
	token := session(c).Value
	if !in(with(s, token)) {
		t.Fatal("the cookie itself does not count")
	}
	for name, value := range map[string]string{
		"cut": token[:len(token)-1], "longer": token + "A", "another case": strings.ToUpper(token), "turned": token[1:] + token[:1], "empty": "", "the person": fmt.Sprint(u.ID),
		"JSON": base64.RawURLEncoding.EncodeToString([]byte(`{"user":1,"superAdmin":true}`)), "signed by nobody": "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.",
	} {
		if in(with(s, value)) {
			t.Errorf("%s: %q counts", name, value)
		}
	}
	var kept string
	s.View(func(tx *db.Tx) (err error) {
		kept, err = db.Value[string](tx, "SELECT token_hash FROM sessions WHERE user_id = $1", u.ID)
		return err
	})
	if in(with(s, kept)) {
		t.Error("what the database keeps of a token counts as one")
	}
	s.Update(func(tx *db.Tx) error { return tx.Must("DELETE FROM sessions WHERE user_id = $1", u.ID) })
	if in(c) {
		t.Error("a session counts that is not there")
	}
}

// TestASVS_7_2_2: a session's token is made when one signs in, and never twice.
func TestASVS_7_2_2(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	seen := map[string]bool{}
	for range 2 {
		u := s.User("")
		for range 3 {
			c := s.SignIn(u)
			first := session(c).Value
			c.Post("/account/confirm", url.Values{"current": {webtest.Password}}).Want(http.StatusSeeOther)
			for _, token := range []string{first, session(c).Value} {
				if token == "" || seen[token] {
					t.Errorf("token %q comes again", token)
				}
				seen[token] = true
			}
			if in(with(s, first)) {
				t.Error("a token from before a proof counts")
			}
		}
	}
}

// TestASVS_7_2_3: a token is 256 random bits, of which the database has no more than a digest.
func TestASVS_7_2_3(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u := s.User("")
	shape := regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)
	var tokens []string
	var drawn [][]byte
	var ones [256]int
	const many = 32
	for range many {
		s.Clock.Forward(10 * time.Second)
		token := session(s.SignIn(u)).Value
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil || len(raw) != 32 || !shape.MatchString(token) {
			t.Fatalf("the token %q has %d bytes, %v", token, len(raw), err)
		}
		tokens, drawn = append(tokens, token), append(drawn, raw)
		for i := range ones {
			ones[i] += int(raw[i/8]>>(i%8)) & 1
		}
	}
	for i, n := range ones {
		if n == 0 || n == many { // one bit in two billion tests by chance
			t.Errorf("bit %d is the same in %d tokens", i, many)
		}
	}
	// Two tokens differ in about 128 bits, each 8 more or less: none is another one plus
	// something, and none begins or ends as another does.
	for i := range drawn {
		for j := range i {
			differ := 0
			for k := range drawn[i] {
				differ += bits.OnesCount8(drawn[i][k] ^ drawn[j][k])
			}
			if differ < 64 || differ > 192 || tokens[i][:8] == tokens[j][:8] || tokens[i][35:] == tokens[j][35:] {
				t.Errorf("the tokens %q and %q differ in %d bits", tokens[i], tokens[j], differ)
			}
		}
	}
	var kept []string
	s.View(func(tx *db.Tx) (err error) {
		kept, err = db.All(tx, db.Scalar[string], "SELECT token_hash FROM sessions WHERE user_id = $1 ORDER BY id LIMIT 100", u.ID)
		return err
	})
	if len(kept) != many {
		t.Fatalf("%d sessions are kept, want %d", len(kept), many)
	}
	for i, token := range tokens {
		sum := sha256.Sum256([]byte(token))
		if kept[i] == token || kept[i] != base64.RawURLEncoding.EncodeToString(sum[:]) {
			t.Errorf("of the token %q the database has %q", token, kept[i])
		}
	}
}

// TestASVS_7_4_2: who is disabled is out at once, by every way in: sessions, sign-ins under
// way, links, the provider; case 13, and case 19.
func TestASVS_7_4_2(t *testing.T) {
	t.Parallel()
	f := federate(t)
	u, c := f.linked(t)
	secret, codes := f.TwoStep(c)
	f.Clock.Forward(step)
	pending := half(f.Site, u)
	viaProvider := f.Anonymous()
	if r := f.arrive(viaProvider); r.Location != "/mfa" {
		t.Fatalf("by the provider: %d %s", r.Status, r.Location)
	}
	open2 := f.Anonymous()
	open(open2, invite2(f.Site, u.Email)).Want(http.StatusOK)
	dropping := f.Anonymous()
	open(dropping, lost(f.Site, u)).Want(http.StatusOK)
	departed := f.Anonymous()
	back := f.p.Approve(depart(departed, "/"))
	super := f.SignIn(f.SuperAdmin("Root"))
	super.Post(fmt.Sprintf("/admin/users/%d/disable", u.ID), url.Values{}).Want(http.StatusSeeOther)

	for name, do := range map[string]func() *webtest.Client{
		"an open session": func() *webtest.Client { return c },
		"the password": func() *webtest.Client {
			d := f.Anonymous()
			d.Post("/login", url.Values{"email": {u.Email}, "password": {webtest.Password}})
			return d
		},
		"the second step": func() *webtest.Client { second(pending, f.Code(secret)); return pending },
		"a recovery code": func() *webtest.Client { second(viaProvider, codes[0]); return viaProvider },
		"a reset link":    func() *webtest.Client { reset(open2, u.Email, fresh).Want(http.StatusNotFound); return open2 },
		"a lost factor": func() *webtest.Client {
			sendLost(dropping, u, webtest.Password).Want(http.StatusNotFound)
			return dropping
		},
		"the provider":    func() *webtest.Client { d := f.Anonymous(); f.arrive(d); return d },
		"the way back":    func() *webtest.Client { departed.Get(back); return departed },
		"a forgotten one": func() *webtest.Client { d := f.Anonymous(); forgot(d, u.Email).Want(http.StatusSeeOther); return d },
		"the new password": func() *webtest.Client {
			d := f.Anonymous()
			d.Post("/login", url.Values{"email": {u.Email}, "password": {fresh}})
			return d
		},
		"a link by a proof": func() *webtest.Client { c.Post("/account/identity/start", nil); return c },
	} {
		if in(do()) {
			t.Errorf("%s lets a disabled person in", name)
		}
	}
	before := len(letters(f.Site, u.Email))
	forgot(f.Anonymous(), u.Email)
	if len(letters(f.Site, u.Email)) != before {
		t.Error("a disabled person gets a link")
	}
	super.Post(fmt.Sprintf("/admin/users/%d/enable", u.ID), url.Values{}).Want(http.StatusSeeOther)
	if in(c) || in(pending) {
		t.Error("what had ended goes on when the account is enabled again")
	}
	reset(open2, u.Email, fresh).Want(http.StatusNotFound)
	sendLost(dropping, u, webtest.Password).Want(http.StatusNotFound)
}

// TestASVS_7_4_3: a change of how one proves who one is ends the other sessions; a reset ends
// all of them.
func TestASVS_7_4_3(t *testing.T) {
	t.Parallel()
	s := posted(t)
	var secret string
	for _, x := range []struct {
		name string
		do   func(c *webtest.Client, u accounts.User)
		own  bool // the session that does it goes on
	}{
		{"a new password", func(c *webtest.Client, _ accounts.User) { change(c, webtest.Password, fresh).Want(http.StatusSeeOther) }, true},
		{"a second factor", func(c *webtest.Client, _ accounts.User) { s.TwoStep(c) }, true},
		{"no second factor", func(c *webtest.Client, _ accounts.User) {
			c.Post("/account/two-step/delete", url.Values{}).Want(http.StatusSeeOther)
		}, true},
		{"asking for it", func(c *webtest.Client, _ accounts.User) {
			c.Post("/account/sessions", url.Values{}).Want(http.StatusSeeOther)
		}, true},
		{"a reset", func(_ *webtest.Client, u accounts.User) {
			d := s.Anonymous()
			open(d, invite2(s, u.Email)).Want(http.StatusOK)
			reset(d, u.Email, fresh).Want(http.StatusSeeOther)
		}, false},
	} {
		u := s.User("")
		c := s.SignIn(u)
		others := []*webtest.Client{s.SignIn(u), s.SignIn(u)}
		if x.name == "no second factor" {
			secret, _ = s.TwoStep(c)
			for i := range others {
				s.Clock.Forward(step)
				others[i] = half(s, u)
				second(others[i], s.Code(secret)).Want(http.StatusSeeOther)
			}
		}
		if !in(c) || !in(others[0]) || !in(others[1]) {
			t.Fatalf("%s: not signed in before", x.name)
		}
		x.do(c, u)
		if in(others[0]) || in(others[1]) || in(c) != x.own {
			t.Errorf("%s: own session %t, the others %t and %t", x.name, in(c), in(others[0]), in(others[1]))
		}
	}
}

// TestASVS_7_4_5: a super admin ends the sessions of a person, and nobody else's.
func TestASVS_7_4_5(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u, v := s.User(""), s.User("")
	mine, more, other, super := s.SignIn(u), s.SignIn(u), s.SignIn(v), s.SignIn(s.SuperAdmin("Root"))
	page := fmt.Sprintf("/admin/users/%d", u.ID)
	other.Post(page+"/end-sessions", url.Values{}).Want(http.StatusForbidden)
	if !in(mine) {
		t.Fatal("somebody else ended the sessions")
	}
	action, fields := super.Get(page).Want(http.StatusOK).Form(page + "/end-sessions")
	super.Post(action, fields).Want(http.StatusSeeOther)
	if in(mine) || in(more) || !in(other) || !in(super) {
		t.Errorf("theirs %t and %t, another's %t, the super admin's %t", in(mine), in(more), in(other), in(super))
	}
	s.SignIn(u)
}

// TestASVS_7_6_1: a session by the provider ends like every other, and whom the provider does
// not vouch for any more does not get another.
func TestASVS_7_6_1(t *testing.T) {
	t.Parallel()
	f := federate(t)
	f.linked(t)
	c := f.Anonymous()
	f.arrive(c)
	for range 35 {
		f.Clock.Forward(20 * time.Minute)
		if !in(c) {
			t.Fatal("it ended before twelve hours")
		}
	}
	f.Clock.Forward(20 * time.Minute)
	if in(c) {
		t.Error("it outlived twelve hours")
	}
	for _, problem := range []string{"access_denied", "login_required", "account_selection_required"} {
		denied := f.Anonymous()
		u, err := url.Parse(depart(denied, "/"))
		if err != nil {
			t.Fatal(err)
		}
		denied.Get("/auth/google/callback?" + url.Values{"error": {problem}, "state": {u.Query().Get("state")}, "iss": {f.p.URL}}.Encode()).Want(http.StatusBadRequest)
		if in(denied) {
			t.Errorf("%s lets in", problem)
		}
	}
	again := f.Anonymous()
	if f.arrive(again); !in(again) {
		t.Error("whom the provider vouches for does not get in")
	}
	// Signing out ends the session here, whatever goes on there.
	again.Post("/logout", nil).Want(http.StatusSeeOther)
	if in(again) {
		t.Error("signing out does not end it")
	}
}

// TestClockPutBack: what had ended does not begin anew when the clock of the machine is put
// back, and nobody waits longer than the longest wait.
func TestClockPutBack(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u := s.User("")
	house := func() {
		t.Helper()
		s.Update(accounts.EndOver)
	}
	asked, swept := s.SignIn(u), s.SignIn(u)
	s.Clock.Forward(31 * time.Minute)
	if in(asked) {
		t.Fatal("a session outlived half an hour without use")
	}
	s.Clock.Forward(-20 * time.Minute) // the last use was eleven minutes ago now
	if in(asked) {
		t.Error("a session that was seen to have ended goes on")
	}
	if !in(swept) {
		t.Fatal("one that nobody looked at has ended")
	}
	s.Clock.Forward(31 * time.Minute)
	house()
	s.Clock.Forward(-20 * time.Minute)
	if in(swept) {
		t.Error("a session that was swept goes on")
	}
	far := s.SignIn(u)
	s.Clock.Forward(-30 * time.Second) // as much as the clocks of two processes may differ
	if !in(far) {
		t.Error("a session ended because another clock is half a minute ahead")
	}
	s.Clock.Forward(-3 * time.Hour)
	if in(far) {
		t.Error("a session that was last used in the future goes on")
	}
	s.Clock.Forward(3 * time.Hour)
	if in(far) {
		t.Error("it goes on when the clock is right again")
	}

	for range 12 {
		s.Clock.Forward(61 * time.Second)
		s.Anonymous().Post("/login", url.Values{"email": {u.Email}, "password": {"wrong wrong wrong"}})
	}
	right := url.Values{"email": {u.Email}, "password": {webtest.Password}}
	s.Anonymous().Post("/login", right).Want(http.StatusTooManyRequests)
	s.Clock.Forward(-2 * time.Hour)
	s.Anonymous().Post("/login", right).Want(http.StatusSeeOther)
	for range 4 { // a window of the time to come is over, too
		forgot(s.Anonymous(), u.Email)
	}
	forgot(s.Anonymous(), u.Email).Want(http.StatusTooManyRequests)
	s.Clock.Forward(-2 * time.Hour)
	forgot(s.Anonymous(), u.Email).Want(http.StatusSeeOther)
}

// TestKnownBrowsers: the browser that used a link is no stranger afterwards, and after a new
// password it is the only one that is none.
func TestKnownBrowsers(t *testing.T) {
	t.Parallel()
	s := posted(t)
	guess := func(email string) {
		for range 8 {
			s.Anonymous().Post("/login", url.Values{"email": {email}, "password": {"wrong wrong wrong"}})
		}
		s.Clock.Forward(time.Second)
		s.Anonymous().Post("/login", url.Values{"email": {email}, "password": {"wrong wrong wrong"}})
	}
	open2 := func(c *webtest.Client, email, password string) int {
		return c.Post("/login", url.Values{"email": {email}, "password": {password}}).Status
	}
	activated := s.Anonymous()
	open(activated, invite(s, "new@example.com")).Want(http.StatusOK)
	activated.Post("/activate", url.Values{"email": {"new@example.com"}, "name": {"New"}, "password": {fresh}, "repeat": {fresh}}).Want(http.StatusSeeOther)
	guess("new@example.com")
	if got := open2(activated, "new@example.com", fresh); got != http.StatusSeeOther {
		t.Errorf("the browser that activated the account: %d", got)
	}

	u := s.User("")
	home, work := s.SignIn(u), s.SignIn(u)
	s.Clock.Forward(time.Minute)
	fixed := s.Anonymous()
	open(fixed, invite2(s, u.Email)).Want(http.StatusOK)
	reset(fixed, u.Email, fresh).Want(http.StatusSeeOther)
	guess(u.Email)
	before := mails(s, u.Email, "newDevice")
	if got := open2(fixed, u.Email, fresh); got != http.StatusSeeOther || mails(s, u.Email, "newDevice") != before {
		t.Errorf("the browser that reset the password: %d, %d mails about it", got, mails(s, u.Email, "newDevice")-before)
	}
	if got := open2(home, u.Email, fresh); got != http.StatusTooManyRequests {
		t.Errorf("a browser that knew the old password has a count of its own: %d", got)
	}

	s.Clock.Forward(time.Hour)
	open2(home, u.Email, fresh)
	open2(work, u.Email, fresh)
	change(home, fresh, "eight amber lanterns sway").Want(http.StatusSeeOther)
	home.Post("/logout", url.Values{})
	s.Clock.Forward(time.Minute)
	guess(u.Email)
	if got := open2(work, u.Email, "eight amber lanterns sway"); got != http.StatusTooManyRequests {
		t.Errorf("after a change by the owner another browser is still known: %d", got)
	}
	if got := open2(home, u.Email, "eight amber lanterns sway"); got != http.StatusSeeOther {
		t.Errorf("the browser that changed the password: %d", got)
	}
}

// TestStrangersCannotKeepOneFromAReset: however often others ask, a browser that the person
// has signed in with gets a link.
func TestStrangersCannotKeepOneFromAReset(t *testing.T) {
	t.Parallel()
	s := posted(t)
	u := s.User("")
	known := s.SignIn(u)
	known.Post("/logout", url.Values{}).Want(http.StatusSeeOther)
	for range 3 {
		forgot(s.Anonymous(), u.Email).Want(http.StatusSeeOther)
	}
	forgot(s.Anonymous(), u.Email).Want(http.StatusTooManyRequests)
	before := len(letters(s, u.Email))
	forgot(known, u.Email).Want(http.StatusSeeOther)
	if after := len(letters(s, u.Email)); after != before+1 {
		t.Errorf("%d links, then %d", before, after)
	}
	for range 2 {
		forgot(known, u.Email).Want(http.StatusSeeOther)
	}
	forgot(known, u.Email).Want(http.StatusTooManyRequests) // three for a known one as well
	other := s.User("")
	for range 3 {
		forgot(s.Anonymous(), other.Email)
	}
	forgot(known, other.Email).Want(http.StatusTooManyRequests)
}

// TestSwept: what signing in leaves behind goes when its time is over, and not before.
func TestSwept(t *testing.T) {
	t.Parallel()
	f := federate(t)
	s := f.Site
	u, c, _, _ := enrolled(t, s) // whom the provider knows, too, and who has not linked the two
	half(s, u)
	forgot(s.Anonymous(), u.Email)
	letters(s, u.Email)
	c.Post("/account/two-step/start", url.Values{}).Want(http.StatusSeeOther)
	back := s.Anonymous()
	f.arrive(back)
	back.Post("/auth/google/link/mail", nil).Want(http.StatusSeeOther)
	depart(s.Anonymous(), "/") // who never comes back
	count := func(of string) (n int64) {
		t.Helper()
		s.View(func(tx *db.Tx) (err error) { n, err = db.Value[int64](tx, "SELECT count(*) FROM "+of); return err })
		return n
	}
	house := func(ahead time.Duration) {
		t.Helper()
		s.Clock.Forward(ahead)
		// It comes every ten minutes of the wall clock; here it comes now.
		s.Update(func(tx *db.Tx) error {
			return tx.Must("UPDATE schedules SET next_at = $1 WHERE name = 'housekeeping'", tx.Now)
		})
		if n, err := s.App.Jobs.Fire(t.Context()); err != nil || n == 0 {
			t.Fatalf("%d schedules fired, %v", n, err)
		}
		if err := s.App.Jobs.Drain(t.Context(), jobs.System); err != nil {
			t.Fatal(err)
		}
	}
	const (
		requests, links, waiting, shown = "jobs WHERE operation = 'accounts.resetRequest'", "account_links WHERE purpose = 'reset'", "pending_sign_ins", "factors WHERE codes_sealed <> ''"
		flows, here, mailed, begun      = "oidc_flows", "identity_offers WHERE via = 'browser'", "identity_offers WHERE via = 'mail'", "factor_enrolments"
	)
	house(0)
	want := func(when string, of map[string]int64) {
		t.Helper()
		for what, n := range of {
			if got := count(what); got != n {
				t.Errorf("%s: %d of %s, want %d", when, got, what, n)
			}
		}
	}
	all := map[string]int64{requests: 1, links: 1, waiting: 1, shown: 1, flows: 2, here: 1, mailed: 1, begun: 1, "factors": 1, "devices": 1}
	want("at once", all)
	house(9 * time.Minute)
	want("after nine minutes", all)
	house(3 * time.Minute)
	want("after twelve minutes", map[string]int64{links: 1, waiting: 0, shown: 0, flows: 0, here: 0, mailed: 1, begun: 1, "factors": 1})
	house(17 * time.Minute)
	want("after 29 minutes", map[string]int64{links: 1, mailed: 1, begun: 1})
	house(3 * time.Minute)
	want("after half an hour", map[string]int64{links: 0, mailed: 0, begun: 0, requests: 1, "factors": 1})
	house(29 * 24 * time.Hour)
	want("after 29 days", map[string]int64{requests: 1})
	house(2 * 24 * time.Hour)
	want("after 31 days", map[string]int64{requests: 0, "devices": 1})
	house(accounts.DeviceLife - 32*24*time.Hour)
	want("after 399 days", map[string]int64{"devices": 1})
	house(2 * 24 * time.Hour)
	want("after 401 days", map[string]int64{"devices": 0, "factors": 1})
}

// TestUnknownActor: who fails to sign in is not known: the account is what it was about, and
// no name makes a sentence of its own.
func TestUnknownActor(t *testing.T) {
	t.Parallel()
	f := federate(t)
	s := f.Site
	u, c := f.linked(t)
	secret, _ := f.TwoStep(c)
	off, waiting := s.User(""), s.User("")
	s.Update(func(tx *db.Tx) error { return s.App.Accounts.Disable(tx, operator, off.ID) })
	by := map[string]map[string]bool{} // of the events so far, whom they are about and who did it
	told := func(name string, about ...string) {
		t.Helper()
		list := []string(nil)
		s.View(func(tx *db.Tx) (err error) {
			list, err = db.All(tx, db.Scalar[string], "SELECT DISTINCT object_id || ' by ' || actor_name || ' ' || COALESCE(user_id, 0) FROM events WHERE name = $1 LIMIT 100", name)
			return err
		})
		if by[name] == nil {
			by[name] = map[string]bool{}
		}
		for _, email := range about {
			by[name][email+" by Somebody 0"] = true
		}
		if want := slices.Sorted(maps.Keys(by[name])); !slices.Equal(slices.Sorted(slices.Values(list)), want) {
			t.Errorf("%s: %q, want %q", name, list, want)
		}
	}
	s.Anonymous().Post("/login", url.Values{"email": {u.Email}, "password": {"wrong wrong wrong"}}).Want(http.StatusUnprocessableEntity)
	told("user.loginFailed", u.Email)
	for range accounts.FactorLock / accounts.PendingTries {
		s.Clock.Forward(accounts.PerFactor.Window + time.Minute)
		c.Get("/account").Want(http.StatusOK) // so that the session goes on
		d, right := half(s, u), s.Code(secret)
		for range accounts.PendingTries {
			second(d, string('0'+(right[0]-'0'+5)%10)+right[1:]).Want(http.StatusUnprocessableEntity)
		}
	}
	told("user.mfaFailed", u.Email)
	told("user.factorLocked", u.Email)
	for email, what := range map[string]string{"nobody@example.com": "no account", off.Email: "a disabled one", u.Email: "another identity"} {
		f.p.Set(func() { f.p.Person["sub"], f.p.Person["email"] = "6666", email })
		if r := f.arrive(s.Anonymous()); r.Status != http.StatusForbidden {
			t.Errorf("%s: the provider's word: %d", what, r.Status)
		}
		told("user.loginFailed", email)
	}
	f.p.Set(func() { f.p.Person["sub"], f.p.Person["email"] = "7777", waiting.Email })
	back := s.Anonymous()
	f.arrive(back)
	back.Post("/auth/google/link/mail", nil).Want(http.StatusSeeOther)
	told("user.identityOffered", waiting.Email)
	for _, email := range []string{waiting.Email, off.Email, "nobody@example.com"} {
		forgot(s.Anonymous(), email).Want(http.StatusSeeOther)
		kinds(s, email) // a job looks the address up
		told("user.resetRequested", email)
	}
	if got := main(c.Get("/account/activity")); !strings.Contains(got, "A sign-in as "+u.Email+" by password failed") || !strings.Contains(got, "second step") {
		t.Errorf("the activity of the account does not tell: %.500s", got)
	}
	forged := s.User("Root made Mallory a super admin. Nobody")
	s.SignIn(forged).Post("/logout", url.Values{}).Want(http.StatusSeeOther)
	root := s.SuperAdmin("Root")
	s.Update(func(tx *db.Tx) error { return s.App.Accounts.EndAll(tx, root.Actor(), forged.ID) })
	s.View(func(tx *db.Tx) error {
		for name, want := range map[string]string{
			"user.loggedOut":     `"Root made Mallory a super admin. Nobody" signed out.`,
			"user.sessionsEnded": `"Root" ended all sessions of "Root made Mallory a super admin. Nobody".`,
		} {
			got, err := db.Value[string](tx, "SELECT message FROM events WHERE name = $1", name)
			if err != nil || got != want {
				t.Errorf("%s: %s, %v", name, got, err)
			}
		}
		return nil
	})
}

// TestHiddenCharacters: a name is what one sees of it.
func TestHiddenCharacters(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	c := s.SignIn(s.User(""))
	names := map[string]bool{
		"Zoë O’Brien": true, "حسین\u200cی": true, "क्\u200dष": true, "李小龍": true, "Анна": true, "Ann\u200ca": false, "Ann\u200da": false, "\u200dक": false, "क\u200d": false, "\u3164": false, "\ufeffAnn": false, "Ann\x00": false, "Ann\xffa": false,
	}
	for class, table := range map[string]*unicode.RangeTable{
		"controls": unicode.Cc, "formats": unicode.Cf, "ends of lines": unicode.Zl, "ends of paragraphs": unicode.Zp, "what is drawn as nothing": unicode.Other_Default_Ignorable_Code_Point,
	} {
		seen := 0
		for _, r := range table.R16 {
			names["Ann"+string(rune(r.Lo))+"a"], names["Ann"+string(rune(r.Hi))+"a"] = false, false
			seen++
		}
		for _, r := range table.R32 {
			names["Ann"+string(rune(r.Lo))+"a"], names["Ann"+string(rune(r.Hi))+"a"] = false, false
			seen++
		}
		if seen == 0 {
			t.Errorf("there are no %s", class)
		}
	}
	for name, ok := range names {
		want := http.StatusUnprocessableEntity
		if ok {
			want = http.StatusSeeOther
		}
		if r := c.Post("/account", url.Values{"name": {name}, "timeZone": {"UTC"}}); r.Status != want {
			t.Errorf("%+q: %d", name, r.Status)
		}
	}
}

var operator = access.Actor{Name: "The operator", SuperAdmin: true}

// TestThrottleForgetsByAddress: a reset forgets the guesses before it, however the address
// was spelled, and so does signing in; time ends the wait, and forgets the count after a day.
func TestThrottleForgetsByAddress(t *testing.T) {
	t.Parallel()
	s := posted(t)
	const email = "\uff41nn@example.com" // which NFKC makes ann@example.com
	path := ""
	s.Update(func(tx *db.Tx) (err error) {
		_, path, err = s.App.Accounts.Invite(tx, operator, accounts.NewUser{Email: email})
		return err
	})
	c := s.Anonymous()
	open(c, path).Want(http.StatusOK)
	c.Post("/activate", url.Values{"email": {email}, "name": {"Ann"}, "password": {fresh}, "repeat": {fresh}}).Want(http.StatusSeeOther)
	try := func(password string) int { // each by a browser that nobody knows
		return s.Anonymous().Post("/login", url.Values{"email": {email}, "password": {password}}).Status
	}
	free := func(after string) { // five are free again, and the sixth sets a wait: the count began anew
		t.Helper()
		for i := range accounts.PerAccount.Free + 1 {
			if got := try("wrong wrong wrong"); got != http.StatusUnprocessableEntity {
				t.Errorf("%s: guess %d: %d", after, i+1, got)
			}
		}
	}
	longest := func() { // as many guesses as set the longest wait
		t.Helper()
		for range 12 {
			s.Clock.Forward(accounts.PerAccount.Most + time.Second)
			try("wrong wrong wrong")
		}
		if got := try(fresh); got != http.StatusTooManyRequests {
			t.Fatalf("the right password after twelve guesses: %d", got)
		}
	}
	longest()
	s.Clock.Forward(accounts.PerAccount.Most / 2) // the wait is not over, so nothing but the reset ends it
	if got := try(fresh); got != http.StatusTooManyRequests {
		t.Fatalf("the wait ended after half its time: %d", got)
	}
	const other = "eight amber lanterns sway"
	open(c, invite2(s, email)).Want(http.StatusOK)
	reset(c, email, other).Want(http.StatusSeeOther)
	free("after a reset")
	s.Clock.Forward(accounts.PerAccount.First + time.Second)
	if got := try(other); got != http.StatusSeeOther {
		t.Errorf("the new password: %d", got)
	}
	free("after a sign-in")
	longest()
	for _, wait := range []time.Duration{accounts.PerAccount.Most + time.Second, 23 * time.Hour} {
		s.Clock.Forward(wait)
		if first, next := try("wrong wrong wrong"), try("wrong wrong wrong"); first != http.StatusUnprocessableEntity || next != http.StatusTooManyRequests {
			t.Errorf("%s later one guess is answered by %d, and the next by %d: the count is forgotten", wait, first, next)
		}
	}
	s.Clock.Forward(24*time.Hour + time.Minute)
	free("after a day")
}
