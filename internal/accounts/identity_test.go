package accounts_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/internal/jobs"
	"steward/web/webtest"
)

// kinds are the mails to an address, the oldest first.
func kinds(s *webtest.Site, to string) (out []string) {
	s.T.Helper()
	if err := s.App.Jobs.Drain(s.T.Context(), jobs.System); err != nil {
		s.T.Fatal(err)
	}
	s.View(func(tx *db.Tx) (err error) {
		out, err = db.All(tx, db.Scalar[string], "SELECT kind FROM mails WHERE recipient = $1 ORDER BY id LIMIT 100", to)
		return err
	})
	return out
}

// confirmation is the newest mailed link that links an identity.
func confirmation(s *webtest.Site, to string) string {
	s.T.Helper()
	if err := s.App.Jobs.Drain(s.T.Context(), jobs.System); err != nil {
		s.T.Fatal(err)
	}
	c := s.Anonymous()
	found := ""
	c.Get("/mailbox?q=" + url.QueryEscape(to)).Want(http.StatusOK).Page().Find("tbody tr a").Each(func(_ int, a *goquery.Selection) {
		if found == "" {
			found = c.Get(a.AttrOr("href", "")).Page().Find(`a[href*="/auth/google/confirm/"]`).AttrOr("href", "")
		}
	})
	path, ok := strings.CutPrefix(found, s.URL)
	if !ok {
		s.T.Fatalf("the link leads to %q", found)
	}
	return path
}

// says counts the events with a name.
func (f *federated) says(name string) (n int64) {
	f.T.Helper()
	f.View(func(tx *db.Tx) (err error) {
		n, err = db.Value[int64](tx, "SELECT count(*) FROM events WHERE name = $1", name)
		return err
	})
	return n
}

// both are the fields of a form that links a person's account to who has its address at the
// provider.
func both(u accounts.User) url.Values {
	return url.Values{"email": {u.Email}, "there": {u.Email}}
}

// TestProviderSignIn: a person who has linked the two signs in by the provider, and nothing
// of the way back can be used again.
func TestProviderSignIn(t *testing.T) {
	t.Parallel()
	f := federate(t)
	u, linker := f.linked(t)
	if got := f.identities(u); !slices.Equal(got, []string{"1001"}) {
		t.Fatalf("identities %q", got)
	}
	if got := kinds(f.Site, u.Email); !slices.Contains(got, "identityLinked") || f.says("user.identityLinked") != 1 {
		t.Errorf("mails %q, events %d", got, f.says("user.identityLinked"))
	}
	if card := linker.Get("/account/security").Page().Find(`section[aria-labelledby="identity"]`).Text(); !strings.Contains(card, u.Email) {
		t.Errorf("the card says %q", card)
	}
	c := f.Anonymous()
	location := depart(c, "/account/sessions")
	if r := c.Get(f.p.Approve(location)); r.Location != "/account/sessions" || !in(c) {
		t.Fatalf("signed in: %d %s", r.Status, r.Location)
	}
	if page := c.Get("/account/sessions").Body; !strings.Contains(page, "single sign-on") {
		t.Error("the session does not say how one signed in")
	}
}

// TestASVS_6_8_1: who somebody is, is told by issuer and subject together.
func TestASVS_6_8_1(t *testing.T) {
	t.Parallel()
	f := federate(t)
	u, _ := f.linked(t)
	f.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE identities SET issuer = 'https://other.example.com' WHERE user_id = $1", u.ID)
	})
	c := f.Anonymous()
	if r := f.arrive(c); r.Location != "/auth/google/link" || in(c) {
		t.Errorf("the subject of another issuer: %d %s", r.Status, r.Location)
	}
}

// TestLinkingByAddress: case 4, another subject with the address of somebody who has linked
// theirs gets nowhere, and the person hears of it.
func TestLinkingByAddress(t *testing.T) {
	t.Parallel()
	f := federate(t)
	u, _ := f.linked(t)
	f.p.Set(func() { f.p.Person["sub"] = "6666" })
	watch := dbtest.Watch(t, f.dsn, "events", "sequences", "throttles", "oidc_flows", "mails", "jobs", "job_logs")
	before := watch.Sum()
	for range 3 {
		c := f.Anonymous()
		if r := f.arrive(c).Want(http.StatusForbidden); !strings.Contains(main(r), "linked to another identity") || in(c) {
			t.Errorf("it says %q", main(r))
		}
	}
	if watch.Sum() != before || !slices.Equal(f.identities(u), []string{"1001"}) {
		t.Error("it changed something")
	}
	if got := kinds(f.Site, u.Email); strings.Count(strings.Join(got, " "), "identityRefused") != 1 {
		t.Errorf("mails %q, want one notice a day", got)
	}
}

// TestPreHijack: case 1, whoever has the address at the provider does not get into an
// account that somebody else may hold, and gets it only by the account's own factor.
func TestPreHijack(t *testing.T) {
	t.Parallel()
	f := federate(t)
	u := f.User("")
	other := f.User("")
	watch := dbtest.Watch(t, f.dsn, "events", "sequences", "throttles", "oidc_flows", "identity_offers")
	before := watch.Sum()
	c := f.Anonymous()
	if r := f.arrive(c); r.Location != "/auth/google/link" {
		t.Fatalf("%d %s", r.Status, r.Location)
	}
	page := c.Get("/auth/google/link").Want(http.StatusOK)
	if !strings.Contains(page.Body, u.Email) || in(c) || watch.Sum() != before {
		t.Fatalf("in %v, changed %v: %s", in(c), watch.Sum() != before, main(page))
	}
	next := page.Page().Find("main a.btn").AttrOr("href", "")
	if next != "/login?next=%2Faccount%2Fidentity" {
		t.Fatalf("the page leads to %q", next)
	}
	// Another browser, and another person in this one, have nothing of it.
	f.Anonymous().Get("/auth/google/link").Want(http.StatusSeeOther)
	c.Post("/login", url.Values{"email": {other.Email}, "password": {webtest.Password}, "next": {"/account/identity"}}).Want(http.StatusSeeOther)
	c.Get("/account/identity").Want(http.StatusSeeOther)
	c.Post("/account/identity", both(other)).Want(http.StatusSeeOther)
	if len(f.identities(other))+len(f.identities(u)) != 0 {
		t.Fatal("linked to somebody else")
	}
	c = f.Anonymous()
	f.arrive(c)
	if r := c.Post("/login", url.Values{"email": {u.Email}, "password": {webtest.Password}, "next": {"/account/identity"}}); r.Location != "/account/identity" {
		t.Fatalf("signed in: %d %s", r.Status, r.Location)
	}
	if len(f.identities(u)) != 0 {
		t.Fatal("linked before it was confirmed")
	}
	action, fields := c.Get("/account/identity").Want(http.StatusOK).Form("/account/identity")
	c.Post(action, fields).Want(http.StatusSeeOther)
	if !slices.Equal(f.identities(u), []string{"1001"}) {
		t.Fatal("not linked")
	}
	fresh := f.Anonymous()
	if f.arrive(fresh); !in(fresh) {
		t.Error("the provider does not sign in afterwards")
	}
}

// TestLinkingNeedsTheSecondFactor: a password alone links nothing to an account with two.
func TestLinkingNeedsTheSecondFactor(t *testing.T) {
	t.Parallel()
	f := federate(t)
	u, _, secret, _ := enrolled(t, f.Site)
	c := f.Anonymous()
	f.arrive(c)
	if r := c.Post("/login", url.Values{"email": {u.Email}, "password": {webtest.Password}, "next": {"/account/identity"}}); !strings.HasPrefix(r.Location, "/mfa") {
		t.Fatalf("%d %s", r.Status, r.Location)
	}
	c.Post("/account/identity", both(u)).Want(http.StatusSeeOther)
	if len(f.identities(u)) != 0 {
		t.Fatal("linked by the password alone")
	}
	if r := c.Post("/mfa", url.Values{"code": {f.Code(secret)}, "next": {"/account/identity"}}); r.Location != "/account/identity" {
		t.Fatalf("%d %s", r.Status, r.Location)
	}
	c.Post("/account/identity", both(u)).Want(http.StatusSeeOther)
	f.Clock.Forward(step)
	// And from then on the provider is the first factor only.
	c = f.Anonymous()
	if r := f.arrive(c); r.Location != "/mfa" || in(c) {
		t.Fatalf("the provider alone: %d %s", r.Status, r.Location)
	}
	second(c, f.Code(secret)).Want(http.StatusSeeOther)
	if !in(c) {
		t.Error("not in after both")
	}
}

// TestLinkingByMail: the link goes to the account's own address, opens nothing by being
// opened, works once for half an hour, and signs nobody in.
func TestLinkingByMail(t *testing.T) {
	t.Parallel()
	f := federate(t)
	u := f.User("")
	ask := func() string {
		t.Helper()
		c := f.Anonymous()
		f.arrive(c)
		action, fields := c.Get("/auth/google/link").Form("/auth/google/link/mail")
		if r := c.Post(action, fields); r.Location != "/auth/google/link?sent=1" {
			t.Fatalf("%d %s", r.Status, r.Location)
		}
		return confirmation(f.Site, u.Email)
	}
	late := ask()
	f.Clock.Forward(31 * time.Minute)
	open(f.Anonymous(), late).Want(http.StatusNotFound)
	path := ask()
	for range 3 {
		f.Anonymous().Get(path).Want(http.StatusSeeOther)
	}
	c, other := f.Anonymous(), f.Anonymous()
	open(c, path).Want(http.StatusOK)
	open(other, path).Want(http.StatusOK)
	if len(f.identities(u)) != 0 {
		t.Fatal("opening the link links")
	}
	c.Post("/auth/google/confirm", url.Values{"email": {u.Email}, "there": {"somebody@example.com"}}).Want(http.StatusNotFound)
	c.Post("/auth/google/confirm", url.Values{"email": {"somebody@example.com"}, "there": {u.Email}}).Want(http.StatusNotFound)
	if r := c.Post("/auth/google/confirm", both(u)); r.Location != "/login?linked=1" || in(c) {
		t.Fatalf("%d %s", r.Status, r.Location)
	}
	other.Post("/auth/google/confirm", both(u)).Want(http.StatusNotFound)
	if !slices.Equal(f.identities(u), []string{"1001"}) {
		t.Fatal("not linked")
	}
	if f.arrive(c); !in(c) {
		t.Error("the provider does not sign in afterwards")
	}
	// A new password since then ends what waited.
	g := federate(t)
	v := g.User("")
	c = g.Anonymous()
	g.arrive(c)
	c.Post("/auth/google/link/mail", nil).Want(http.StatusSeeOther)
	waiting := confirmation(g.Site, v.Email)
	g.Update(func(tx *db.Tx) error { return g.App.Accounts.End(tx, v.ID) })
	open(g.Anonymous(), waiting).Want(http.StatusNotFound)
	c.Get("/auth/google/link").Want(http.StatusSeeOther)
	for range 3 {
		c = g.Anonymous()
		g.arrive(c)
		last := c.Post("/auth/google/link/mail", nil)
		if last.Status != http.StatusSeeOther && last.Status != http.StatusTooManyRequests {
			t.Errorf("mail: %d", last.Status)
		}
	}
	c.Post("/auth/google/link/mail", nil).Want(http.StatusTooManyRequests)
}

// TestStrangers: nobody gets an account by having an address, and who is invited gets the
// one that was made for exactly this address.
func TestStrangers(t *testing.T) {
	t.Parallel()
	f := federate(t)
	invite(f.Site, "victim@corp.com")
	watch := dbtest.Watch(t, f.dsn, "events", "sequences", "throttles", "oidc_flows")
	before := watch.Sum()
	for _, address := range []string{"nobody@example.com", "victim@corp.com.evil.com", "victim@corp.com ", "v\u0130ctim@corp.com", "victim@corp.\u0441om", "vi\u0441tim@corp.com", "victim@\uff43orp.com", "a@corp.com, victim@corp.com"} {
		f.Clock.Forward(time.Minute)
		f.p.Set(func() { f.p.Person["email"] = address })
		c := f.Anonymous()
		if r := f.arrive(c).Want(http.StatusForbidden); in(c) || (address == "nobody@example.com" && !strings.Contains(main(r), "There is no account for nobody@example.com here. Ask for an invitation.")) {
			t.Errorf("%q: %s", address, main(r))
		}
	}
	if watch.Sum() != before {
		t.Error("a refusal changed the database")
	}
	f.p.Set(func() { f.p.Person["email"] = "Victim@Corp.com" })
	c := f.Anonymous()
	if r := f.arrive(c); r.Location != "/" || !in(c) {
		t.Fatalf("who is invited: %d %s %s", r.Status, r.Location, main(r))
	}
	f.View(func(tx *db.Tx) error {
		u, err := f.App.Accounts.ByEmail(tx, "victim@corp.com")
		if u.State != accounts.Active || u.Name != "Person at the provider" || u.HasPassword() {
			t.Errorf("%+v", u)
		}
		return err
	})
}

// TestActivationByProvider: the mailed link dies by it, and a name that cannot be shown is
// not taken over.
func TestActivationByProvider(t *testing.T) {
	t.Parallel()
	f := federate(t)
	path := invite(f.Site, "new@example.com")
	f.p.Set(func() { f.p.Person["email"], f.p.Person["name"] = "new@example.com", "Nina \u202e evil" })
	c := f.Anonymous()
	f.arrive(c)
	if !in(c) || f.says("user.activated") != 1 {
		t.Fatal("not activated")
	}
	open(f.Anonymous(), path).Want(http.StatusNotFound)
	if strings.Contains(c.Get("/account").Body, "\u202e") {
		t.Error("a hostile name was taken over")
	}
	// Such an account has no password until its owner sets one by mail, as others do.
	c.Post("/account/identity/delete", nil).Want(http.StatusSeeOther)
	if page := c.Get("/account/security").Want(http.StatusOK); !strings.Contains(main(page), "Your account has no password") {
		t.Errorf("%s", main(page))
	}
	f.View(func(tx *db.Tx) error {
		u, err := f.App.Accounts.ByEmail(tx, "new@example.com")
		if err == nil && len(f.identities(u)) != 1 {
			t.Error("the only way in was unlinked")
		}
		return err
	})
}

// TestResetEndsIdentities: case 2, a new password by mail ends what others may have linked.
func TestResetEndsIdentities(t *testing.T) {
	t.Parallel()
	f := federate(t)
	u, _ := f.linked(t)
	forgot(f.Anonymous(), u.Email)
	c := f.Anonymous()
	open(c, letters(f.Site, u.Email)[0]).Want(http.StatusOK)
	c.Post("/password/reset", url.Values{"email": {u.Email}, "password": {fresh}, "repeat": {fresh}}).Want(http.StatusSeeOther)
	if got := f.identities(u); len(got) != 0 {
		t.Fatalf("identities %q", got)
	}
	c = f.Anonymous()
	if r := f.arrive(c); r.Location != "/auth/google/link" || in(c) {
		t.Errorf("the identity still signs in: %d %s", r.Status, r.Location)
	}
	told := ""
	f.View(func(tx *db.Tx) (err error) {
		told, err = db.Value[string](tx, "SELECT message FROM events WHERE name = 'user.passwordReset'")
		return err
	})
	if !strings.Contains(told, "by another provider") {
		t.Errorf("the event says %q", told)
	}
	kinds(f.Site, u.Email)
	box := f.Anonymous()
	newest := box.Get("/mailbox?q="+url.QueryEscape(u.Email)).Page().Find("tbody tr a").AttrOr("href", "")
	if page := box.Get(newest).Want(http.StatusOK); !strings.Contains(page.Body, "link it again") {
		t.Errorf("the mail does not tell it: %s", main(page))
	}
}

// TestDisabledStaysOut: case 19, a disabled account does not come back by the provider.
func TestDisabledStaysOut(t *testing.T) {
	t.Parallel()
	f := federate(t)
	u, _ := f.linked(t)
	super := f.SuperAdmin("Super")
	f.Update(func(tx *db.Tx) error { return f.App.Accounts.Disable(tx, super.Actor(), u.ID) })
	for range 2 {
		c := f.Anonymous()
		if r := f.arrive(c).Want(http.StatusForbidden); in(c) || !strings.Contains(main(r), "disabled") {
			t.Errorf("%s", main(r))
		}
		f.Update(func(tx *db.Tx) error { // nor as one who has never linked anything
			_, err := tx.Exec("DELETE FROM identities WHERE user_id = $1", u.ID)
			return err
		})
	}
}

// TestASVS_10_1_2: case 18, a way back counts once, in the browser that departed, and not
// later than ten minutes after.
func TestASVS_10_1_2(t *testing.T) {
	t.Parallel()
	f := federate(t)
	f.linked(t)
	f.p.ReuseCodes()
	back := func() (c *webtest.Client, path string) {
		c = f.Anonymous()
		return c, f.p.Approve(depart(c, "/"))
	}
	victim := f.SignIn(f.User("")) // somebody's link, opened by another
	_, path := back()
	if r := victim.Get(path).Want(http.StatusBadRequest); !strings.Contains(main(r), "Start again") || !strings.Contains(victim.Get("/account").Body, "Person 2") {
		t.Errorf("another browser: %s", main(r))
	}
	c, path := back()
	f.Anonymous().Get(path).Want(http.StatusBadRequest)
	if r := c.Get(path); r.Location != "/" || !in(c) {
		t.Errorf("another browser's try used it up: %d", r.Status)
	}
	c.Post("/logout", nil).Want(http.StatusSeeOther)
	if c.Get(path).Want(http.StatusBadRequest); in(c) {
		t.Error("a way back counts twice")
	}
	c, path = back()
	f.Clock.Forward(10*time.Minute + time.Second)
	if c.Get(path).Want(http.StatusBadRequest); in(c) {
		t.Error("a way back counts after ten minutes")
	}
	// Many at once: one gets in.
	c, path = back()
	cookies := c.HTTP.Jar.Cookies(c.Request("GET", "/", nil).URL)
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[int]int{}
	for range 10 {
		wg.Go(func() {
			twin := f.Anonymous()
			twin.HTTP.Jar.SetCookies(twin.Request("GET", "/", nil).URL, cookies)
			r := twin.Get(path)
			mu.Lock()
			defer mu.Unlock()
			got[r.Status]++
		})
	}
	wg.Wait()
	if got[http.StatusSeeOther] != 1 || got[http.StatusBadRequest] != 9 {
		t.Errorf("ten at once: %v", got)
	}
}

// TestASVS_10_2_1: the state is ours, and so is the proof key; without them nothing counts.
func TestASVS_10_2_1(t *testing.T) {
	t.Parallel()
	f := federate(t)
	f.linked(t)
	c := f.Anonymous()
	r := c.Post("/auth/google?state=chosen&nonce=chosen", url.Values{"next": {"/"}}).Want(http.StatusSeeOther)
	u, err := url.Parse(r.Location)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for name, want := range map[string]string{"client_id": webtest.ClientID, "response_type": "code", "scope": "openid email profile", "redirect_uri": f.URL + "/auth/google/callback", "code_challenge_method": "S256"} {
		if q.Get(name) != want {
			t.Errorf("%s is %q", name, q.Get(name))
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(q.Get(name)) < 43 || q.Get(name) == "chosen" {
			t.Errorf("%s is %q", name, q.Get(name))
		}
	}
	if q.Has("client_secret") || q.Has("code_verifier") {
		t.Error("a secret is in the address")
	}
	c.Post("/auth/google", url.Values{"next": {"/"}, "state": {"chosen"}}).Want(http.StatusUnprocessableEntity)
	path := f.p.Approve(r.Location)
	good, err := url.Parse(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(url.Values){
		"no state":         func(q url.Values) { q.Del("state") },
		"an empty state":   func(q url.Values) { q.Set("state", "") },
		"another state":    func(q url.Values) { q.Set("state", "x") },
		"nothing":          func(q url.Values) { clear(q) },
		"the state's hash": func(q url.Values) { q.Set("state", strings.Repeat("0", 64)) },
	} {
		q := good.Query()
		change(q)
		if c.Get("/auth/google/callback?" + q.Encode()).Want(http.StatusBadRequest); in(c) {
			t.Errorf("%s: signed in", name)
		}
	}
	if r := c.Get(path); r.Location != "/" {
		t.Errorf("the right one: %d %s", r.Status, r.Location)
	}
	for name, change := range map[string]func(url.Values){
		"denied":           func(q url.Values) { q.Del("code"); q.Set("error", "access_denied") },
		"another problem":  func(q url.Values) { q.Del("code"); q.Set("error", "server_error") },
		"both":             func(q url.Values) { q.Set("error", "server_error") },
		"no code":          func(q url.Values) { q.Del("code") },
		"another code":     func(q url.Values) { q.Set("code", "x") },
		"another provider": func(q url.Values) { q.Set("iss", "https://accounts.google.com") },
	} {
		c := f.Anonymous()
		back, err := url.Parse(f.p.Approve(depart(c, "/")))
		if err != nil {
			t.Fatal(err)
		}
		q := back.Query()
		change(q)
		r := c.Get("/auth/google/callback?" + q.Encode()).Want(http.StatusBadRequest)
		if in(c) || r.Page().Find(`main a[href="/login"]`).Length() != 1 || (name == "denied" && !strings.Contains(main(r), "did not let Google tell")) {
			t.Errorf("%s: %s", name, main(r))
		}
	}
	// A code of another flow is worth nothing: its proof key is another.
	a, b := f.Anonymous(), f.Anonymous()
	one, err := url.Parse(f.p.Approve(depart(a, "/")))
	if err != nil {
		t.Fatal(err)
	}
	two, err := url.Parse(f.p.Approve(depart(b, "/")))
	if err != nil {
		t.Fatal(err)
	}
	mixed := one.Query()
	mixed.Set("code", two.Query().Get("code"))
	if a.Get("/auth/google/callback?" + mixed.Encode()).Want(http.StatusBadRequest); in(a) {
		t.Error("a code of another browser's flow signs in")
	}
}

// TestASVS_7_6_2: nobody is signed in without asking for it: opening the address shows the
// button, and other sites cannot press it.
func TestASVS_7_6_2(t *testing.T) {
	t.Parallel()
	f := federate(t)
	c := f.Anonymous()
	if c.Get("/auth/google").Want(http.StatusOK).Page().Find(`form[method="post"][action="/auth/google"] button`).Length() != 1 {
		t.Error("no button")
	}
	r := c.Request(http.MethodPost, "/auth/google", strings.NewReader("next=/"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "https://evil.example")
	c.Do(r).Want(http.StatusForbidden)
	limited := 0
	for range 25 {
		if f.Anonymous().Post("/auth/google", url.Values{"next": {"/"}}).Status == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited != 5 {
		t.Errorf("%d of 25 departures in a minute were refused, want 5", limited)
	}
}

// TestWhereTheProviderLeads: case 20, the way ends on this site.
func TestWhereTheProviderLeads(t *testing.T) {
	t.Parallel()
	f := federate(t)
	f.linked(t)
	for _, next := range []string{"//evil.example", `/\evil.example`, "/\t/evil.example", "https:evil.example", "https://evil.example", "javascript:alert(1)", "/\x00", "///evil.example"} {
		c := f.Anonymous()
		if r := c.Get(f.p.Approve(depart(c, next))); r.Location != "/" {
			t.Errorf("%q leads to %q", next, r.Location)
		}
	}
}

// TestASVS_6_8_4: how fresh a proof at the provider is, it has to say: who has no password proves who they are by signing in there anew.
func TestASVS_6_8_4(t *testing.T) {
	t.Parallel()
	f := federate(t)
	invite(f.Site, "new@example.com")
	f.p.Set(func() { f.p.Person["email"] = "new@example.com" })
	c := f.Anonymous()
	f.arrive(c)
	stale := func() bool { return strings.HasPrefix(c.Post("/account/sessions", nil).Location, "/account/confirm") }
	prove := func(change func(map[string]any), code string) webtest.Response {
		t.Helper()
		f.p.Set(func() { f.p.Claims = change })
		defer f.p.Set(func() { f.p.Claims = nil })
		c.Get("/account/confirm?next=/account/sessions").Want(http.StatusOK)
		r := c.Post("/account/confirm/provider", url.Values{"next": {"/account/sessions"}, "code": {code}})
		if r.Status != http.StatusSeeOther {
			return r
		}
		if u, err := url.Parse(r.Location); err != nil || u.Query().Get("prompt") != "login" || u.Query().Get("max_age") != "0" {
			t.Errorf("the provider is asked by %s", r.Location)
		}
		return c.Get(f.p.Approve(r.Location))
	}
	if stale() {
		t.Error("signing in is no proof")
	}
	f.Clock.Forward(11 * time.Minute)
	at := func(ago time.Duration) func(map[string]any) {
		return func(c map[string]any) { c["auth_time"] = f.Clock.Now().Add(-ago).Unix() }
	}
	for name, change := range map[string]func(map[string]any){
		"no auth_time": func(c map[string]any) { delete(c, "auth_time") }, "an old one": at(7 * time.Minute), "one to come": at(-7 * time.Minute),
		"a text": func(c map[string]any) { c["auth_time"] = "now" }, "another subject": func(c map[string]any) { c["sub"] = "6666" },
	} {
		if r := prove(change, "").Want(http.StatusForbidden); !stale() || r.Page().Find(`main a[href^="/account/confirm"]`).Length() != 1 {
			t.Errorf("%s: %s", name, main(r))
		}
	}
	old := session(c).Value
	if r := prove(at(time.Minute), ""); r.Location != "/account/sessions" || stale() || session(c).Value == old {
		t.Errorf("a good proof: %d %s", r.Status, r.Location)
	}
	// With a second factor, that is asked for too.
	f.Clock.Forward(11 * time.Minute)
	prove(at(0), "")
	secret, _ := f.TwoStep(c)
	f.Clock.Forward(11 * time.Minute)
	prove(at(0), "000000").Want(http.StatusUnprocessableEntity)
	if !stale() {
		t.Error("proved by the provider alone")
	}
	if r := prove(at(0), f.Code(secret)); r.Location != "/account/sessions" || stale() {
		t.Errorf("both: %d %s %s", r.Status, r.Location, main(r))
	}
	// Who has a password proves by that.
	v := f.SignIn(f.User(""))
	v.Post("/account/confirm/provider", url.Values{"next": {"/"}, "code": {""}}).Want(http.StatusUnprocessableEntity)
}

// TestLinkAndUnlink: one identity is one person's, and one person's is one.
func TestLinkAndUnlink(t *testing.T) {
	t.Parallel()
	f := federate(t)
	u, c := f.linked(t)
	link := func(c *webtest.Client) webtest.Response {
		return c.Get(f.p.Approve(c.Post("/account/identity/start", nil).Want(http.StatusSeeOther).Location))
	}
	other := f.SignIn(f.User(""))
	if r := link(other).Want(http.StatusBadRequest); !strings.Contains(main(r), "linked already") {
		t.Errorf("another's: %s", main(r))
	}
	f.p.Set(func() { f.p.Person["sub"] = "1002" })
	link(c).Want(http.StatusBadRequest)
	if got := f.identities(u); !slices.Equal(got, []string{"1001"}) {
		t.Errorf("identities %q", got)
	}
	// A way that began signed in does not end for another.
	start := c.Post("/account/identity/start", nil).Want(http.StatusSeeOther)
	back := f.p.Approve(start.Location)
	c.Post("/logout", nil).Want(http.StatusSeeOther)
	c.Get(back).Want(http.StatusBadRequest)

	second := f.SignIn(u)
	c = f.SignIn(u)
	old := session(c).Value
	action, fields := c.Get("/account/security").Form("/account/identity/delete")
	c.Post(action, fields).Want(http.StatusSeeOther)
	if len(f.identities(u)) != 0 || in(second) || !in(c) || session(c).Value == old {
		t.Errorf("unlinked: %q, others in %v, own in %v", f.identities(u), in(second), in(c))
	}
	if got := kinds(f.Site, u.Email); !slices.Contains(got, "identityUnlinked") || f.says("user.identityUnlinked") != 1 {
		t.Errorf("mails %q", got)
	}
	f.Clock.Forward(11 * time.Minute)
	for _, path := range []string{"/account/identity/start", "/account/identity", "/account/identity/delete"} {
		if r := c.Post(path, nil); !strings.HasPrefix(r.Location, "/account/confirm") {
			t.Errorf("%s without a proof: %d %s", path, r.Status, r.Location)
		}
	}
}

// TestWithoutProvider: where none is configured there is nothing of it.
func TestWithoutProvider(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	c := s.Anonymous()
	if c.Get("/login").Page().Find(`form[action="/auth/google"]`).Length() != 0 {
		t.Error("a button that leads nowhere")
	}
	c.Post("/auth/google", url.Values{"next": {"/"}}).Want(http.StatusNotFound)
	c.Get("/auth/google/callback?state=x&code=y").Want(http.StatusNotFound)
	if page := s.SignIn(s.User("")).Get("/account/security"); page.Page().Find("#identity").Length() != 0 {
		t.Error("a card that leads nowhere")
	}
}

// TestEndedMeanwhile: a session that ends while the provider takes its time links and proves
// nothing any more.
func TestEndedMeanwhile(t *testing.T) {
	t.Parallel()
	f := federate(t)
	u := f.User("")
	c := f.SignIn(u)
	end := func(r *http.Request) {
		if r.URL.Path == "/token" {
			f.Update(func(tx *db.Tx) error { return f.App.Accounts.End(tx, u.ID) })
		}
	}
	back := f.p.Approve(c.Post("/account/identity/start", nil).Want(http.StatusSeeOther).Location)
	f.p.Set(func() { f.p.Before = end })
	c.Get(back).Want(http.StatusBadRequest)
	if len(f.identities(u)) != 0 {
		t.Error("an ended session linked an identity")
	}
	f.p.Set(func() { f.p.Before = nil })
	c = f.SignIn(u)
	c.Get(f.p.Approve(c.Post("/account/identity/start", nil).Location)).Want(http.StatusSeeOther)
	f.Update(func(tx *db.Tx) error { return tx.Must("UPDATE users SET password_hash = '' WHERE id = $1", u.ID) })
	back = f.p.Approve(c.Post("/account/confirm/provider", url.Values{"next": {"/"}}).Want(http.StatusSeeOther).Location)
	f.p.Set(func() { f.p.Before = end })
	c.Get(back).Want(http.StatusBadRequest)
	if f.says("user.proved") != 0 || in(c) {
		t.Error("an ended session was proved")
	}
}
