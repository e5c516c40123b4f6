package accounts_test

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/web/webtest"
)

const step = 30 * time.Second

// enrolled is a person with a second factor, and a client that is signed in.
func enrolled(t *testing.T, s *webtest.Site) (u accounts.User, c *webtest.Client, secret string, codes []string) {
	t.Helper()
	u = s.User("")
	c = s.SignIn(u)
	secret, codes = s.TwoStep(c)
	s.Clock.Forward(step)
	return u, c, secret, codes
}

// half is a client whose password is proved and whose second factor is awaited.
func half(s *webtest.Site, u accounts.User) *webtest.Client {
	s.T.Helper()
	c := s.Anonymous()
	if r := c.Post("/login", url.Values{"email": {u.Email}, "password": {webtest.Password}}); r.Location != "/mfa" {
		s.T.Fatalf("the password alone leads to %d %s", r.Status, r.Location)
	}
	return c
}

func second(c *webtest.Client, code string) webtest.Response {
	return c.Post("/mfa", url.Values{"code": {code}})
}

func in(c *webtest.Client) bool { return c.Get("/account").Status == http.StatusOK }

// TestASVS_6_3_4: a person with a second factor is nowhere in without it.
func TestASVS_6_3_4(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u, _, secret, codes := enrolled(t, s)
	c := half(s, u)
	for _, path := range []string{"/", "/account", "/account/security", "/account/sessions"} {
		if r := c.Get(path); r.Status != http.StatusSeeOther || !strings.HasPrefix(r.Location, "/login") {
			t.Errorf("%s after the password alone: %d %s", path, r.Status, r.Location)
		}
	}
	second(c, "000000").Want(http.StatusUnprocessableEntity)
	if in(c) {
		t.Fatal("a wrong code lets in")
	}
	second(c, s.Code(secret)).Want(http.StatusSeeOther)
	if !in(c) {
		t.Fatal("the right code does not let in")
	}
	r := half(s, u)
	second(r, strings.ToUpper(strings.ReplaceAll(codes[0], "-", " "))).Want(http.StatusSeeOther)
	if !in(r) {
		t.Error("a recovery code does not let in")
	}
}

// TestASVS_2_3_1: the second step without the first, or long after it, leads to the first.
func TestASVS_2_3_1(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u, _, secret, _ := enrolled(t, s)
	stranger := s.Anonymous()
	if r := stranger.Get("/mfa"); !strings.HasPrefix(r.Location, "/login") {
		t.Errorf("the second step alone: %d %s", r.Status, r.Location)
	}
	second(stranger, s.Code(secret)).Want(http.StatusUnprocessableEntity)
	if in(stranger) {
		t.Fatal("a code alone lets in")
	}
	late := half(s, u)
	s.Clock.Forward(11 * time.Minute)
	second(late, s.Code(secret)).Want(http.StatusUnprocessableEntity)
	if in(late) {
		t.Fatal("a first step of eleven minutes ago counts")
	}
	ended := half(s, u)
	s.Update(func(tx *db.Tx) error { return s.App.Accounts.End(tx, u.ID) })
	second(ended, s.Code(secret))
	if in(ended) {
		t.Fatal("a first step from before all sessions were ended counts")
	}
}

// TestASVS_6_5_1: case 6, a code counts once, also when it is sent fifty times at once, to sign in
// and to confirm.
func TestASVS_6_5_1(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u, c, secret, codes := enrolled(t, s)
	code := s.Code(secret)
	at := half(s, u)
	var wg sync.WaitGroup
	var entered atomic.Int64
	for range 50 {
		twin := s.Anonymous()
		twin.HTTP.Jar.SetCookies(twin.Request("GET", "/", nil).URL, at.HTTP.Jar.Cookies(at.Request("GET", "/", nil).URL))
		wg.Go(func() {
			if second(twin, code); in(twin) {
				entered.Add(1)
			}
		})
	}
	wg.Wait()
	if n := entered.Load(); n != 1 {
		t.Errorf("one code made %d sessions", n)
	}
	s.Clock.Forward(step)
	again := half(s, u)
	if second(again, code); in(again) {
		t.Error("a used code counts again")
	}
	if r := c.Post("/account/confirm", url.Values{"current": {webtest.Password}, "code": {code}}); r.Status != http.StatusUnprocessableEntity {
		t.Errorf("a code that signed in confirms too: %d", r.Status)
	}
	s.Clock.Forward(20 * time.Minute)
	one, two := half(s, u), half(s, u)
	if second(one, codes[3]); !in(one) {
		t.Error("a recovery code does not count")
	}
	if second(two, codes[3]); in(two) {
		t.Error("a recovery code counts twice")
	}
}

// TestASVS_6_5_5: a code lives for its step, and one step of tolerance around it.
func TestASVS_6_5_5(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u, _, secret, _ := enrolled(t, s)
	for _, tt := range []struct {
		age  time.Duration
		good bool
	}{{0, true}, {step, true}, {2 * step, false}, {-step, true}, {-2 * step, false}} {
		s.Clock.Forward(time.Hour)
		c := half(s, u)
		now := s.Clock.Now()
		s.Clock.Forward(-tt.age)
		code := s.Code(secret)
		s.Clock.Forward(now.Sub(s.Clock.Now()))
		if second(c, code); in(c) != tt.good {
			t.Errorf("a code of %s ago: in %t, want %t", tt.age, !tt.good, tt.good)
		}
	}
}

// TestASVS_6_3_1_codes: case 7, guesses are counted per account, whatever sessions and addresses they
// come from; twenty wrong ones in a row lock the factor, and a recovery code opens it.
func TestASVS_6_3_1_codes(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u, _, secret, codes := enrolled(t, s)
	for round := range 4 { // five in a quarter of an hour, each in a sign-in of its own
		var looked, waiting int
		for range 7 {
			switch second(half(s, u), "123456").Status {
			case http.StatusUnprocessableEntity:
				looked++
			case http.StatusTooManyRequests:
				waiting++
			}
		}
		if locked := round == 3; !locked && (looked != 5 || waiting != 2) || locked && waiting != 0 { // a locked factor looks at nothing and says so
			t.Errorf("round %d: %d guesses were answered and %d had to wait, want 5 and 2", round, looked, waiting)
		}
		s.Clock.Forward(16 * time.Minute)
	}
	if n := mails(s, u.Email, "factorLocked"); n != 1 {
		t.Errorf("%d mails tell of the lock", n)
	}
	c := half(s, u)
	if r := second(c, s.Code(secret)); in(c) || !strings.Contains(r.Body, "recovery code") {
		t.Errorf("a locked factor takes a right code: %d", r.Status)
	}
	if second(c, codes[0]); !in(c) {
		t.Fatal("a recovery code does not open the factor")
	}
	s.Clock.Forward(time.Hour)
	if c = half(s, u); second(c, s.Code(secret)).Status != http.StatusSeeOther {
		t.Error("the factor is still locked after a recovery code")
	}
}

// TestFiveCodesEndASignIn: one sign-in takes five codes.
func TestFiveCodesEndASignIn(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u, _, secret, codes := enrolled(t, s)
	c := half(s, u)
	for range 5 {
		second(c, "not-a-code-at-all").Want(http.StatusUnprocessableEntity)
	}
	if second(c, s.Code(secret)); in(c) {
		t.Error("a sixth code was taken")
	}
	if second(c, codes[0]); in(c) {
		t.Error("a recovery code was taken after five wrong ones")
	}
	if n := mails(s, u.Email, "signInAttempts"); n != 1 {
		t.Errorf("%d mails tell of wrong codes after the right password", n)
	}
}

// mails counts the letters of a kind to an address.
func mails(s *webtest.Site, to, kind string) (n int64) {
	s.T.Helper()
	s.View(func(tx *db.Tx) (err error) {
		n, err = db.Value[int64](tx, "SELECT count(*) FROM mails WHERE recipient = $1 AND kind = $2", to, kind)
		return err
	})
	return n
}

// TestRecoveryCodeOfAnother: case 8, a code counts for its own person only.
func TestRecoveryCodeOfAnother(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	a, _, _, _ := enrolled(t, s)
	_, _, secret, codes := enrolled(t, s)
	c := half(s, a)
	if second(c, codes[0]); in(c) {
		t.Error("another's recovery code lets in")
	}
	if second(c, s.Code(secret)); in(c) {
		t.Error("another's code lets in")
	}
}

// TestASVS_7_5_1: what changes how the account is kept asks for a proof of the last ten
// minutes, and changes nothing without one; so does what destroys for good.
func TestASVS_7_5_1(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u, c, secret, _ := enrolled(t, s)
	other := half(s, u)
	second(other, s.Code(secret)).Want(http.StatusSeeOther)
	s.Clock.Forward(11 * time.Minute)
	count := func() (n int64) {
		s.View(func(tx *db.Tx) (err error) {
			n, err = db.Value[int64](tx, "SELECT (SELECT count(*) FROM factors) + (SELECT count(*) FROM factor_enrolments) * 10 + (SELECT count(*) FROM sessions WHERE revoked_at IS NULL) * 100 + (SELECT sum(session_epoch) FROM users) * 10000")
			return err
		})
		return n
	}
	before := count()
	for path, f := range map[string]url.Values{
		"/account/password":       {"current": {webtest.Password}, "password": {"entirely new and unrelated"}, "repeat": {"entirely new and unrelated"}},
		"/account/two-step/start": {}, "/account/two-step/delete": {}, "/account/recovery-codes": {}, "/account/sessions": {},
	} {
		if r := c.Post(path, f); r.Status != http.StatusSeeOther || !strings.HasPrefix(r.Location, "/account/confirm") {
			t.Errorf("%s with an old proof: %d %s", path, r.Status, r.Location)
		}
	}
	for _, path := range []string{"/account/password", "/account/two-step", "/account/recovery-codes", "/account/recovery-codes/download"} {
		if r := c.Get(path); r.Location != "/account/confirm?next="+url.QueryEscape(path) {
			t.Errorf("%s with an old proof: %d %s", path, r.Status, r.Location)
		}
	}
	if count() != before {
		t.Error("something changed without a proof")
	}
	// Neither factor alone is a proof.
	c.Post("/account/confirm", url.Values{"current": {webtest.Password}, "code": {"000000"}}).Want(http.StatusUnprocessableEntity)
	c.Post("/account/confirm", url.Values{"current": {"wrong"}, "code": {s.Code(secret)}}).Want(http.StatusUnprocessableEntity)
	c.Get("/account/password").Want(http.StatusSeeOther)
	old := session(c)
	if r := c.Post("/account/confirm", url.Values{"current": {webtest.Password}, "code": {s.Code(secret)}, "next": {"/account/password"}}); r.Location != "/account/password" {
		t.Fatalf("confirmed: %d %s", r.Status, r.Location)
	}
	c.Get("/account/password").Want(http.StatusOK)
	if session(c).Value == old.Value {
		t.Error("the session has the token from before the proof")
	}
	c.Post("/account/two-step/delete", url.Values{}).Want(http.StatusSeeOther)
	if in(other) {
		t.Error("turning the second factor off left another session open")
	}
	if !in(c) {
		t.Error("turning the second factor off ended one's own session")
	}
	plain := s.SignIn(u) // by password alone from now on
	if !in(plain) {
		t.Error("the second factor is still asked for")
	}
	for kind, want := range map[string]int64{"factorEnabled": 1, "factorDisabled": 1} {
		if n := mails(s, u.Email, kind); n != want {
			t.Errorf("%d mails %s, want %d", n, kind, want)
		}
	}
}

// TestASVS_7_5_3: what destroys data for good, or much at once, asks for a recent proof too.
func TestASVS_7_5_3(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Guarded", false)
	scope := s.Scope(admin, p)
	s.Update(func(tx *db.Tx) error {
		_, err := s.App.Storage.CreateBucket(tx, scope, storage.NewBucket{Stage: storage.In, Name: "kept"})
		return err
	})
	c := s.SignIn(admin)
	base := fmt.Sprintf("/projects/%d", p.ID)
	bucket := base + "/storage/buckets/in.c-kept"
	c.Get(bucket + "/delete").Want(http.StatusOK)
	s.Clock.Forward(11 * time.Minute)
	for path, f := range map[string]url.Values{bucket + "/delete": {"confirm": {"in.c-kept"}, "tables": {"0"}}, base + "/trash/1/purge": {"confirm": {"x"}}} {
		if r := c.Post(path, f); r.Status != http.StatusSeeOther || !strings.HasPrefix(r.Location, "/account/confirm") {
			t.Errorf("%s with an old proof: %d %s", path, r.Status, r.Location)
		}
	}
	if err := s.App.Jobs.Drain(t.Context(), jobs.Storage); err != nil {
		t.Fatal(err)
	}
	c.Get(bucket).Want(http.StatusOK)
	// The way leads back to what was to be done.
	r := c.Get(bucket + "/delete")
	path, fields := c.Get(r.Location).Form("/account/confirm")
	fields.Set("current", webtest.Password)
	if r := c.Post(path, fields); r.Location != bucket+"/delete" {
		t.Errorf("confirmed: %d %s", r.Status, r.Location)
	}
	c.Get(bucket + "/delete").Want(http.StatusOK)
}

// TestProofDoesNotLengthenASession: proving anew who it is leaves the end of the session where it was.
func TestProofDoesNotLengthenASession(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u := s.User("")
	c := s.SignIn(u)
	for range 26 {
		s.Clock.Forward(27 * time.Minute)
		c.Post("/account/confirm", url.Values{"current": {webtest.Password}}).Want(http.StatusSeeOther)
	}
	s.Clock.Forward(20 * time.Minute) // 12 h 2 min after signing in
	if in(c) {
		t.Error("a session outlived twelve hours by being proved")
	}
}

// TestKeptSignedIn: only with a second factor; a day idle, fourteen days in all, and the
// cookie outlives the browser.
func TestKeptSignedIn(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u, _, secret, _ := enrolled(t, s)
	c := half(s, u)
	r := c.Post("/mfa", url.Values{"code": {s.Code(secret)}, "keep": {"1"}})
	if !strings.Contains(strings.Join(r.Header.Values("Set-Cookie"), "\n"), "Max-Age=1209") {
		t.Errorf("cookies of a kept session: %q", r.Header.Values("Set-Cookie"))
	}
	for range 14 {
		s.Clock.Forward(23 * time.Hour)
		if !in(c) {
			t.Fatal("a kept session ended within a day without use")
		}
	}
	s.Clock.Forward(15 * time.Hour)
	if in(c) {
		t.Error("a kept session outlived fourteen days")
	}
	d := half(s, u)
	d.Post("/mfa", url.Values{"code": {s.Code(secret)}, "keep": {"1"}}).Want(http.StatusSeeOther)
	s.Clock.Forward(25 * time.Hour)
	if in(d) {
		t.Error("a kept session outlived a day without use")
	}
}

// TestCodesAreShownForTenMinutes: and not once they are stored.
func TestCodesAreShownForTenMinutes(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	_, c, secret, codes := enrolled(t, s)
	if len(codes) != 10 {
		t.Fatalf("%d codes", len(codes))
	}
	file := c.Get("/account/recovery-codes/download").Want(http.StatusOK)
	for _, code := range codes {
		if !strings.Contains(file.Body, code+"\n") {
			t.Errorf("the file lacks %s", code)
		}
	}
	c.Post("/account/recovery-codes/stored", url.Values{}).Want(http.StatusSeeOther)
	if r := c.Get("/account/recovery-codes"); r.Status != http.StatusSeeOther {
		t.Errorf("stored codes are shown: %d", r.Status)
	}
	c.Post("/account/recovery-codes", url.Values{}).Want(http.StatusSeeOther)
	c.Get("/account/recovery-codes").Want(http.StatusOK)
	s.Clock.Forward(11 * time.Minute)
	c.Post("/account/confirm", url.Values{"current": {webtest.Password}, "code": {s.Code(secret)}}).Want(http.StatusSeeOther)
	if r := c.Get("/account/recovery-codes"); r.Status != http.StatusSeeOther {
		t.Errorf("codes of eleven minutes ago are shown: %d", r.Status)
	}
}

// TestLateRequests: what began before a session ended does nothing after it: no factor is put
// on or taken away, nobody else is signed out, no right is given.
func TestLateRequests(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u, root, friend := s.User(""), s.SuperAdmin("Root"), s.User("Friend")
	s.SuperAdmin("Another")
	visit := func(of accounts.User) *accounts.Visit { // as a request has it that begins now
		t.Helper()
		s.SignIn(of)
		v := &accounts.Visit{User: of, ProvedAt: s.Clock.Now()}
		s.View(func(tx *db.Tx) error {
			list, err := accounts.Sessions(tx, of.ID)
			v.SessionID = list[0].ID
			return err
		})
		return v
	}
	late, super := visit(u), visit(root)
	s.Update(func(tx *db.Tx) error { return s.App.Accounts.StartFactor(tx, late.Actor()) })
	s.Update(func(tx *db.Tx) error { return s.App.Accounts.End(tx, u.ID) })
	now := s.SignIn(u)
	secret := ""
	s.View(func(tx *db.Tx) error {
		e, err := s.App.Accounts.Enrolment(tx, u.Actor(), "test")
		secret = strings.ReplaceAll(e.Secret, " ", "")
		return err
	})
	for name, do := range map[string]func() error{
		"turn on": func() error { return s.App.Accounts.ConfirmFactor(t.Context(), late, s.Code(secret)) },
		"start": func() error {
			return s.App.DB.Update(t.Context(), func(tx *db.Tx) error { return s.App.Accounts.StartFactor(tx, late.Actor()) })
		},
		"end others": func() error {
			return s.App.DB.Update(t.Context(), func(tx *db.Tx) error { return s.App.Accounts.EndOtherSessions(tx, late) })
		},
		"rename": func() error {
			return s.App.DB.Update(t.Context(), func(tx *db.Tx) error {
				return s.App.Accounts.SetProfile(tx, late.Actor(), accounts.Profile{Name: "Mallory", TimeZone: "UTC"})
			})
		},
	} {
		if err := do(); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s after the session ended: %v", name, err)
		}
	}
	if !in(now) {
		t.Error("an ended session signed the person out")
	}
	grant := func() error {
		return s.App.DB.Update(t.Context(), func(tx *db.Tx) error { return s.App.Accounts.GrantSuperAdmin(tx, super.Actor(), friend.ID) })
	}
	s.Update(func(tx *db.Tx) error {
		return s.App.Accounts.RevokeSuperAdmin(tx, access.Actor{Name: "The operator", SuperAdmin: true}, root.ID)
	})
	if err := grant(); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a right given by who has none any more: %v", err)
	}
	s.Update(func(tx *db.Tx) error {
		if err := s.App.Accounts.GrantSuperAdmin(tx, access.Actor{Name: "The operator", SuperAdmin: true}, root.ID); err != nil {
			return err
		}
		return s.App.Accounts.End(tx, root.ID)
	})
	if err := grant(); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("a right given in a session that has ended: %v", err)
	}
}

// TestLostCountIsNoWrongCode: when a wrong code cannot be counted, the answer is an error.
func TestLostCountIsNoWrongCode(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u, _, _, _ := enrolled(t, s)
	c := half(s, u)
	s.Update(func(tx *db.Tx) error {
		_, err := tx.Exec("ALTER TABLE pending_sign_ins RENAME COLUMN tries TO tried")
		return err
	})
	if r := second(c, "123456"); r.Status != http.StatusInternalServerError {
		t.Errorf("a code that could not be counted: %d", r.Status)
	}
}

// TestRecoveryCodesStayOpen: who knows the password cannot keep the person from the way out.
func TestRecoveryCodesStayOpen(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u, _, _, codes := enrolled(t, s)
	for range 2 {
		c := half(s, u)
		for range 5 {
			second(c, "aaaaa-aaaaa-aaaaa-aaaaa-aaaaaa")
		}
	}
	c := half(s, u)
	if second(c, codes[0]); !in(c) {
		t.Error("a recovery code does not count after others' wrong ones")
	}
}

// TestASVS_6_5_2: recovery codes have 128 bits each, so that a keyed digest is enough, which
// is all that is kept of them once they are stored.
func TestASVS_6_5_2(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u, c, _, codes := enrolled(t, s)
	c.Post("/account/recovery-codes/stored", url.Values{}).Want(http.StatusSeeOther)
	var macs []string
	s.View(func(tx *db.Tx) (err error) {
		if macs, err = db.All(tx, db.Scalar[string], "SELECT mac FROM recovery_codes WHERE user_id = $1 LIMIT 100", u.ID); err != nil {
			return err
		}
		sealed, err := db.Value[string](tx, "SELECT codes_sealed FROM factors WHERE user_id = $1", u.ID)
		if sealed != "" {
			t.Error("the codes can still be read")
		}
		return err
	})
	if len(macs) != accounts.RecoveryCodes {
		t.Fatalf("%d digests", len(macs))
	}
	for i, code := range codes {
		plain := strings.ToUpper(strings.ReplaceAll(code, "-", ""))
		raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(plain)
		if err != nil || len(raw) != 16 {
			t.Errorf("code %q has %d bytes, %v", code, len(raw), err)
		}
		mac, err := base64.RawStdEncoding.DecodeString(macs[i])
		if err != nil || len(mac) != sha256.Size {
			t.Errorf("%q is no HMAC-SHA-256 of a code", macs[i])
		}
		for _, unkeyed := range [][]byte{raw, []byte(plain), []byte(code), fmt.Appendf(nil, "%d:%s", u.ID, plain)} { // by the database alone nobody tells whether a code is right
			if sum := sha256.Sum256(unkeyed); slices.Contains(macs, base64.RawStdEncoding.EncodeToString(sum[:])) {
				t.Error("a code is kept by a digest without a key")
			}
		}
	}
}

// TestASVS_6_5_4: what is shown once has at least 128 bits, what an app shows six digits.
func TestASVS_6_5_4(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	seen := map[string]bool{}
	for range 3 {
		_, _, secret, codes := enrolled(t, s)
		raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
		if err != nil || len(raw) != 20 || seen[secret] {
			t.Errorf("the secret %q has %d bytes, %v", secret, len(raw), err)
		}
		if code := s.Code(secret); len(code) != 6 {
			t.Errorf("the code %q", code)
		}
		seen[secret] = true
		for _, code := range codes {
			if plain := strings.ReplaceAll(code, "-", ""); len(plain) != 26 || seen[code] { // of 32 signs each
				t.Errorf("the recovery code %q", code)
			}
			seen[code] = true
		}
	}
	if len(seen) != 3*(1+accounts.RecoveryCodes) {
		t.Errorf("%d secrets", len(seen))
	}
}

// TestASVS_6_5_6: whatever somebody proves who they are by, they take away by themselves, and
// it counts for nothing from then on.
func TestASVS_6_5_6(t *testing.T) {
	t.Parallel()
	f := federate(t)
	s := f.Site
	u := s.User("")
	c := s.SignIn(u)
	f.p.Set(func() { f.p.Person["email"] = u.Email })
	c.Get(f.p.Approve(c.Post("/account/identity/start", nil).Location)).Want(http.StatusSeeOther)
	old, oldCodes := s.TwoStep(c)
	s.Clock.Forward(step)
	for what, code := range map[string]string{"app": s.Code(old), "recovery": oldCodes[0]} {
		d := half(s, u)
		if second(d, code); !in(d) {
			t.Fatalf("the code of the %s does not count before", what)
		}
	}
	secret, codes := s.TwoStep(c) // another app in the place of the first
	s.Clock.Forward(step)
	for what, code := range map[string]string{"app": s.Code(old), "recovery": oldCodes[1]} {
		d := half(s, u)
		if second(d, code); in(d) {
			t.Errorf("the code of the %s before counts", what)
		}
	}
	c.Post("/account/recovery-codes", url.Values{}).Want(http.StatusSeeOther)
	d := half(s, u)
	if second(d, codes[0]); in(d) {
		t.Error("a recovery code from before new ones were made counts")
	}
	c.Post("/account/identity/delete", nil).Want(http.StatusSeeOther)
	d = s.Anonymous()
	if r := f.arrive(d); r.Location != "/auth/google/link" || in(d) {
		t.Errorf("an identity that was unlinked: %d %s", r.Status, r.Location)
	}
	waiting := half(s, u)
	c.Post("/account/two-step/delete", url.Values{}).Want(http.StatusSeeOther)
	if second(waiting, s.Code(secret)); in(waiting) {
		t.Error("a code of an app that was taken away finishes a sign-in")
	}
	s.SignIn(u)
}

// TestASVS_6_5_8: what time it is for a code, the server says and nobody who sends one.
func TestASVS_6_5_8(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u, _, secret, _ := enrolled(t, s)
	old := s.Code(secret)
	then := s.Clock.Now()
	s.Clock.Forward(10 * time.Minute)
	c := half(s, u)
	r := c.Request(http.MethodPost, "/mfa", strings.NewReader(url.Values{"code": {old}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", s.URL)
	for _, h := range []string{"Date", "X-Time", "X-Request-Time", "X-Timestamp", "If-Modified-Since", "X-Amz-Date"} {
		r.Header.Set(h, then.UTC().Format(http.TimeFormat))
	}
	c.Do(r).Want(http.StatusUnprocessableEntity)
	for _, field := range []string{"time", "timestamp", "t", "step", "now"} {
		c.Post("/mfa", url.Values{"code": {old}, field: {fmt.Sprint(then.Unix())}}).Want(http.StatusUnprocessableEntity)
	}
	if in(c) {
		t.Fatal("a code of ten minutes ago lets in")
	}
	if second(c, s.Code(secret)); !in(c) {
		t.Error("the code of now does not let in")
	}
}

// TestDoubleClick: a second step that is sent twice lands where the first one did, and makes
// no second session.
func TestDoubleClick(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u, _, secret, _ := enrolled(t, s)
	c, twin, stranger := half(s, u), s.Anonymous(), s.Anonymous()
	at := c.Request("GET", "/", nil).URL
	twin.HTTP.Jar.SetCookies(at, c.HTTP.Jar.Cookies(at))
	form := url.Values{"code": {s.Code(secret)}, "next": {"/account/sessions"}}
	first := c.Post("/mfa", form).Want(http.StatusSeeOther)
	if again := twin.Post("/mfa", form); again.Status != first.Status || again.Location != first.Location || in(twin) {
		t.Errorf("first: %d %s, second: %d %s, in %t", first.Status, first.Location, again.Status, again.Location, in(twin))
	}
	twin.HTTP.Jar.SetCookies(at, c.HTTP.Jar.Cookies(at)) // a browser keeps the cookies of the first
	twin.Get(first.Location).Want(http.StatusOK)
	if n := c.Get("/account/sessions").Page().Find("tbody tr").Length(); n != 2 {
		t.Errorf("%d sessions, want the one that set it up and this one", n)
	}
	stranger.Post("/mfa", form).Want(http.StatusUnprocessableEntity)
	lost := half(s, u) // five wrong codes are no finished sign-in
	for range 5 {
		second(lost, "not-a-code-at-all")
	}
	lost.Post("/mfa", form).Want(http.StatusUnprocessableEntity)
}
