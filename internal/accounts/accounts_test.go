package accounts_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/web/webtest"
)

func TestNormalizeEmail(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"A@Example.COM": "a@example.com", "  a@example.com ": "a@example.com", "a+b@example.com": "a+b@example.com",
		"": "", "a": "", "@x": "", "a@": "", "a b@x.com": "", "Name <a@x.com>": "", "a@x.com, b@x.com": "", "a@x.com\r\nBcc: b@x.com": "", "a@x\x00.com": "", "a\u202eb@x.com": "", "a\u200b@x.com": "", "a\u2028b@x.com": "", "root\u2003made\u2003eve@x.com": "", "a\ufeff@x.com": "",
		strings.Repeat("a", 65) + "@x.com": "", "a@" + strings.Repeat("x", 260): "",
	} {
		got, err := accounts.NormalizeEmail(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

// TestASVS_6_2_9: from 15 to 256 bytes, never cut.
func TestASVS_6_2_9(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	for n, ok := range map[int]bool{0: false, 14: false, 15: true, 64: true, 256: true, 257: false} {
		if err := s.App.Accounts.CheckPassword(t.Context(), unusual(n)); (err == nil) != ok {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// unusual is a password of n bytes that is on no list.
func unusual(n int) string {
	const words = "mild otter quarrels beneath copper lanterns while seven violet kettles hum "
	return strings.Repeat(words, n/len(words)+1)[:n]
}

// TestASVS_6_2_8: a password is verified as received, up to its last byte.
func TestASVS_6_2_8(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	password := unusual(84) + "é  "
	hash, err := s.App.Accounts.Hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	s.Update(func(tx *db.Tx) error {
		_, err := s.App.Accounts.Create(tx, access.Actor{}, accounts.NewUser{Email: "exact@example.com", Name: "Exact"}, hash)
		return err
	})
	for p, ok := range map[string]bool{password: true, strings.TrimSpace(password): false, password[:len(password)-1]: false, strings.ToUpper(password): false} {
		r := s.Anonymous().Post("/login", url.Values{"email": {"exact@example.com"}, "password": {p}})
		if (r.Status == http.StatusSeeOther) != ok {
			t.Errorf("%q: %d", p, r.Status)
		}
	}
}

// TestASVS_7_4_1: case 13, a request that was running across a sign-out does not bring the
// session back, and neither does one across the end of all sessions, a disable, a new
// password or a reset.
func TestASVS_7_4_1(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, *webtest.Site, *webtest.Client, accounts.User){
		"sign out": func(_ *testing.T, _ *webtest.Site, c *webtest.Client, _ accounts.User) {
			c.Post("/logout", url.Values{}).Want(http.StatusSeeOther)
		},
		"end all": func(_ *testing.T, s *webtest.Site, _ *webtest.Client, u accounts.User) {
			s.Update(func(tx *db.Tx) error { return s.App.Accounts.End(tx, u.ID) })
		},
		"disable": func(_ *testing.T, s *webtest.Site, _ *webtest.Client, u accounts.User) {
			s.Update(func(tx *db.Tx) error { return s.App.Accounts.Disable(tx, operator, u.ID) })
		},
		"disable and enable": func(_ *testing.T, s *webtest.Site, _ *webtest.Client, u accounts.User) {
			s.Update(func(tx *db.Tx) error {
				if err := s.App.Accounts.Disable(tx, operator, u.ID); err != nil {
					return err
				}
				return s.App.Accounts.Enable(tx, operator, u.ID)
			})
		},
		"new password": func(_ *testing.T, s *webtest.Site, _ *webtest.Client, u accounts.User) {
			change(s.SignIn(u), webtest.Password, fresh).Want(http.StatusSeeOther)
		},
		"reset": func(_ *testing.T, s *webtest.Site, _ *webtest.Client, u accounts.User) {
			c := s.Anonymous()
			open(c, invite2(s, u.Email))
			reset(c, u.Email, fresh).Want(http.StatusSeeOther)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var hold atomic.Bool
			inside, release := make(chan struct{}), make(chan struct{})
			s := webtest.Open(t, webtest.Options{Idle: true, Handler: func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					next.ServeHTTP(&slow{ResponseWriter: w, wait: func() {
						if r.URL.Path == "/account/theme" && hold.CompareAndSwap(true, false) {
							close(inside)
							<-release
						}
					}}, r)
				})
			}})
			u := s.User("")
			c, other := s.SignIn(u), s.Anonymous()
			other.HTTP.Jar = c.HTTP.Jar
			cookies := c.HTTP.Jar.Cookies(c.Request("GET", "/", nil).URL)
			hold.Store(true)
			var wg sync.WaitGroup
			wg.Go(func() { other.Post("/account/theme", url.Values{"theme": {"dark"}, "next": {"/"}}) })
			<-inside
			end(t, s, c, u)
			close(release)
			wg.Wait()
			again := s.Anonymous()
			again.HTTP.Jar.SetCookies(again.Request("GET", "/", nil).URL, cookies)
			if r := again.Get("/"); r.Status != http.StatusSeeOther {
				t.Errorf("the ended session still answers %d", r.Status)
			}
		})
	}
}

// slow waits before the answer's header is written.
type slow struct {
	http.ResponseWriter
	wait func()
	once sync.Once
}

func (s *slow) WriteHeader(status int) { s.once.Do(s.wait); s.ResponseWriter.WriteHeader(status) }

// Unwrap lets http.ResponseController reach the connection.
func (s *slow) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// TestASVS_7_3_1 and 7_3_2: 30 minutes idle, 12 hours in all.
func TestASVS_7_3_1(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	c := s.SignIn(s.User(""))
	s.Clock.Forward(29 * time.Minute)
	c.Get("/").Want(http.StatusOK)
	s.Clock.Forward(29 * time.Minute) // activity moved the idle time
	c.Get("/").Want(http.StatusOK)
	s.Clock.Forward(31 * time.Minute)
	c.Get("/").Want(http.StatusSeeOther)
}

func TestASVS_7_3_2(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	c := s.SignIn(s.User(""))
	for range 35 { // 11 h 40 min of activity
		s.Clock.Forward(20 * time.Minute)
		c.Get("/").Want(http.StatusOK)
	}
	s.Clock.Forward(20 * time.Minute)
	c.Get("/").Want(http.StatusSeeOther)
}

// TestASVS_7_1_2: at most 10 sessions, the oldest is ended.
func TestASVS_7_1_2(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u := s.User("")
	var clients []*webtest.Client
	for range 12 {
		clients = append(clients, s.SignIn(u))
		s.Clock.Forward(10 * time.Second)
	}
	for i, c := range clients {
		want := http.StatusOK
		if i < 2 {
			want = http.StatusSeeOther
		}
		if r := c.Get("/"); r.Status != want {
			t.Errorf("session %d of 12: %d, want %d", i+1, r.Status, want)
		}
	}
}

// session is the cookie of a client's session.
func session(c *webtest.Client) *http.Cookie {
	for _, k := range c.HTTP.Jar.Cookies(c.Request("GET", "/", nil).URL) {
		if k.Name == "session" {
			return k
		}
	}
	return &http.Cookie{Name: "session"}
}

// TestASVS_7_2_4: case 12, signing in gives a new token; the one before is dead.
func TestASVS_7_2_4(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u := s.User("")
	c := s.SignIn(u)
	old := session(c)
	c.Post("/login", url.Values{"email": {u.Email}, "password": {webtest.Password}}).Want(http.StatusSeeOther)
	fresh := session(c)
	if old.Value == fresh.Value || len(fresh.Value) < 43 {
		t.Errorf("token %q then %q", old.Value, fresh.Value)
	}
	again := s.Anonymous()
	again.HTTP.Jar.SetCookies(again.Request("GET", "/", nil).URL, []*http.Cookie{old})
	again.Get("/").Want(http.StatusSeeOther)
	planted := s.Anonymous() // a token that a stranger chose is not taken over
	planted.HTTP.Jar.SetCookies(planted.Request("GET", "/", nil).URL, []*http.Cookie{{Name: "session", Value: "chosen-by-a-stranger-chosen-by-a-stranger-x"}})
	planted.Post("/login", url.Values{"email": {u.Email}, "password": {webtest.Password}}).Want(http.StatusSeeOther)
	if got := session(planted).Value; strings.HasPrefix(got, "chosen") {
		t.Error("a planted token was kept")
	}
}

// TestASVS_6_3_1: an account's guesses are delayed, also when they come at once, under
// other spellings, and after a restart.
func TestASVS_6_3_1(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u := s.User("")
	guess := func(email string) (status int) {
		for range 500 { // one sender has few places in the queue
			status = s.Anonymous().Post("/login", url.Values{"email": {email}, "password": {"wrong wrong wrong"}}).Status
			if status != http.StatusServiceUnavailable {
				break
			}
		}
		return status
	}
	var wg sync.WaitGroup
	var tried, delayed atomic.Int64
	for i := range 12 {
		email := []string{u.Email, strings.ToUpper(u.Email), " " + u.Email + " "}[i%3]
		wg.Go(func() {
			switch guess(email) {
			case http.StatusUnprocessableEntity:
				tried.Add(1)
			case http.StatusTooManyRequests:
				delayed.Add(1)
			}
		})
	}
	wg.Wait()
	if tried.Load() > 6 || delayed.Load() < 6 {
		t.Errorf("%d guesses were tried, %d delayed", tried.Load(), delayed.Load())
	}
	for range 6 { // the delay grows to a minute
		s.Clock.Forward(61 * time.Second)
		guess(u.Email)
	}
	if r := s.Anonymous().Post("/login", url.Values{"email": {u.Email}, "password": {webtest.Password}}); r.Status != http.StatusTooManyRequests || r.Header.Get("Retry-After") == "" {
		t.Errorf("while delayed: %d, Retry-After %q", r.Status, r.Header.Get("Retry-After"))
	}
	s.Clock.Forward(2 * time.Minute)
	s.SignIn(u)
}

func TestAddressesAreLimited(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	limited := 0
	for i := range 25 {
		r := s.Anonymous().Post("/login", url.Values{"email": {"nobody" + string(rune('a'+i)) + "@example.com"}, "password": {"wrong wrong wrong"}})
		if r.Status == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited != 5 {
		t.Errorf("%d of 25 attempts in a minute were refused, want 5", limited)
	}
}

// TestASVS_6_3_8: case 11, an unknown address gets the same answer as a wrong password.
func TestASVS_6_3_8(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u := s.User("")
	text := func(email string) string {
		r := s.Anonymous().Post("/login", url.Values{"email": {email}, "password": {"wrong wrong wrong"}}).Want(http.StatusUnprocessableEntity)
		return strings.Join(strings.Fields(r.Page().Find("main").Text()), " ")
	}
	if a, b := text(u.Email), text("nobody@example.com"); a != b {
		t.Errorf("%q differs from %q", a, b)
	}
	// A hash is computed for nobody, too; how near the times are is measured by cmd/bench.
	quickest := func(email string) time.Duration {
		least := time.Hour
		for range 4 {
			start := time.Now()
			text(email)
			least = min(least, time.Since(start))
		}
		return least
	}
	if known, unknown := quickest(s.User("").Email), quickest("somebody@example.com"); unknown < known/3 {
		t.Errorf("an unknown address is refused after %s, a known one after %s", unknown, known)
	}
}

func TestDatabaseHoldsNoSecret(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u := s.User("")
	c := s.SignIn(u)
	token := session(c).Value
	s.View(func(tx *db.Tx) error {
		kept, err := db.Value[string](tx, "SELECT token_hash FROM sessions WHERE user_id = $1", u.ID)
		if kept == token || err != nil {
			t.Errorf("the session's token is kept as it is (%v)", err)
		}
		hash, err := db.Value[string](tx, "SELECT password_hash FROM users WHERE id = $1", u.ID)
		if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
			t.Errorf("password hash %q", hash)
		}
		return err
	})
}

func TestCreateRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u := s.User("")
	for _, n := range []accounts.NewUser{{Email: strings.ToUpper(u.Email), Name: "Twin"}, {Email: "x", Name: "Bad"}, {Email: "ok@example.com"}, {Email: "ok@example.com", Name: "a\x00b"}, {Email: "ok@example.com", Name: strings.Repeat("n", 201)}} {
		err := s.App.DB.Update(t.Context(), func(tx *db.Tx) error {
			_, err := s.App.Accounts.Create(tx, access.Actor{}, n, accounts.Hashed{})
			return err
		})
		if k := fault.KindOf(err); k != fault.Invalid && k != fault.Conflict {
			t.Errorf("%+v: %v", n, err)
		}
	}
}

// TestStrangersCannotKeepOneOut: case 10, however often others guess a person's password, a browser
// that the person has signed in with signs in.
func TestStrangersCannotKeepOneOut(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u := s.User("")
	known := s.SignIn(u)
	known.Post("/logout", url.Values{}).Want(http.StatusSeeOther)
	for range 8 {
		s.Anonymous().Post("/login", url.Values{"email": {u.Email}, "password": {"wrong wrong wrong"}})
	}
	right := url.Values{"email": {u.Email}, "password": {webtest.Password}}
	s.Anonymous().Post("/login", right).Want(http.StatusTooManyRequests)
	known.Post("/login", right).Want(http.StatusSeeOther)
	// The browser itself has no more guesses than anyone.
	known.Post("/logout", url.Values{})
	s.Clock.Forward(time.Minute)
	last := 0
	for range 8 {
		last = known.Post("/login", url.Values{"email": {u.Email}, "password": {"wrong wrong wrong"}}).Status
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("a known browser guesses on: %d", last)
	}
	// And it is known for its own person only.
	other := s.User("")
	for range 8 {
		s.Anonymous().Post("/login", url.Values{"email": {other.Email}, "password": {"wrong wrong wrong"}})
	}
	known.Post("/login", url.Values{"email": {other.Email}, "password": {webtest.Password}}).Want(http.StatusTooManyRequests)
}

// TestASVS_6_3_5: a sign-in with a new browser and many wrong passwords are told by mail,
// once a day.
func TestASVS_6_3_5(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u := s.User("")
	c := s.SignIn(u)
	if n := mails(s, u.Email, "newDevice"); n != 0 {
		t.Errorf("%d mails about the first browser of all", n)
	}
	c.Post("/logout", url.Values{})
	c.Post("/login", url.Values{"email": {u.Email}, "password": {webtest.Password}}).Want(http.StatusSeeOther)
	if n := mails(s, u.Email, "newDevice"); n != 0 {
		t.Errorf("%d mails about a browser that is known", n)
	}
	s.SignIn(u)
	if n := mails(s, u.Email, "newDevice"); n != 1 {
		t.Errorf("%d mails about a new browser", n)
	}
	for range 14 {
		s.Clock.Forward(time.Minute)
		s.Anonymous().Post("/login", url.Values{"email": {u.Email}, "password": {"wrong wrong wrong"}}).Want(http.StatusUnprocessableEntity)
	}
	if n := mails(s, u.Email, "signInAttempts"); n != 1 {
		t.Errorf("%d mails about wrong passwords", n)
	}
}

// TestASVS_7_5_2: people see their own sessions and end them; nobody else's.
func TestASVS_7_5_2(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u, v := s.User(""), s.User("")
	c, other, stranger := s.SignIn(u), s.SignIn(u), s.SignIn(v)
	rows := c.Get("/account/sessions").Want(http.StatusOK).Page().Find("tbody tr")
	if rows.Length() != 2 {
		t.Fatalf("%d sessions are listed", rows.Length())
	}
	end := rows.Find(`form[action$="/end"]`).AttrOr("action", "")
	stranger.Post(end, url.Values{}).Want(http.StatusNotFound)
	if !in(other) {
		t.Fatal("a stranger ended a session")
	}
	c.Post(end, url.Values{}).Want(http.StatusSeeOther)
	if in(other) || !in(c) {
		t.Errorf("after ending the other: other %t, own %t", in(other), in(c))
	}
	c.Post(end, url.Values{}).Want(http.StatusNotFound)
	third := s.SignIn(u)
	c.Post("/account/sessions", url.Values{}).Want(http.StatusSeeOther)
	if in(third) || !in(c) || !in(stranger) {
		t.Errorf("after ending all others: third %t, own %t, another person's %t", in(third), in(c), in(stranger))
	}
}
