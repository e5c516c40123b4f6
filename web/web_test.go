package web_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"steward/internal/app"
	"steward/internal/config"
	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/web"
	"steward/web/webtest"
)

// TestASVS_3_5_1: nothing is done for a request that comes from another site.
func TestASVS_3_5_1(t *testing.T) {
	t.Parallel()
	dsn := dbtest.DSN(t)
	s := webtest.Open(t, webtest.Options{DSN: dsn, Idle: true})
	p, admin := s.Project("Guarded", false)
	c := s.SignIn(admin)
	watch := dbtest.Watch(t, dsn, "events")
	path := "/projects/" + itoa(p.ID) + "/storage/buckets"
	post := func(headers map[string]string) webtest.Response {
		r := c.Request(http.MethodPost, path, strings.NewReader("stage=in&name=x"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for k, v := range headers {
			r.Header.Set(k, v)
		}
		return c.Do(r)
	}
	before := watch.Sum()
	for _, h := range []map[string]string{
		{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"},
		{"Origin": s.URL + ".evil.example"}, {"Origin": strings.Replace(s.URL, "http:", "https:", 1) + "0"},
	} {
		post(h).Want(http.StatusForbidden)
	}
	if watch.Sum() != before {
		t.Error("a request from another site changed something")
	}
	post(map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": s.URL}).Want(http.StatusSeeOther)
	if watch.Sum() == before {
		t.Error("the own site's request did nothing")
	}
}

// TestASVS_3_3_1: the session's cookie over TLS, and over plain http on loopback.
func TestASVS_3_3_1(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u := s.User("")
	plain := s.Anonymous().Post("/login", url.Values{"email": {u.Email}, "password": {webtest.Password}})
	want := func(header http.Header, forms ...string) {
		t.Helper()
		for _, form := range forms {
			if !slices.ContainsFunc(header.Values("Set-Cookie"), regexp.MustCompile(form).MatchString) {
				t.Errorf("no cookie is like %s: %q", form, header.Values("Set-Cookie"))
			}
		}
		if n := len(header.Values("Set-Cookie")); n != len(forms) {
			t.Errorf("%d cookies, want %d", n, len(forms))
		}
	}
	want(plain.Header, `^session=[\w-]{43}; Path=/; HttpOnly; SameSite=Lax$`, `^device=[\w-]{43}; Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax$`)
	srv := httptest.NewUnstartedServer(nil)
	cfg := config.Config{Addr: srv.Listener.Addr().String(), PublicURL: "https://console.example.com", BehindProxy: true, Data: t.TempDir(), DB: dbtest.DSN(t)}
	a, err := app.Open(t.Context(), cfg, slog.New(slog.DiscardHandler), app.Options{Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	h, err := web.New(a)
	if err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = h
	srv.StartTLS()
	defer srv.Close()
	twin := &webtest.Site{T: t, App: a, URL: srv.URL, Clock: s.Clock}
	v := twin.User("")
	jar, _ := cookiejar.New(nil)
	client := srv.Client()
	client.Jar, client.CheckRedirect = jar, func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.PostForm(srv.URL+"/login", url.Values{"email": {v.Email}, "password": {webtest.Password}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	want(res.Header, `^__Host-session=[\w-]{43}; Path=/; HttpOnly; Secure; SameSite=Lax$`, `^__Host-device=[\w-]{43}; Path=/; Max-Age=34560000; HttpOnly; Secure; SameSite=Lax$`)
	if res.Header.Get("Strict-Transport-Security") == "" {
		t.Error("no Strict-Transport-Security")
	}
}

// TestASVS_3_7_2: after signing in one goes to a path of this site.
func TestASVS_3_7_2(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u := s.User("")
	c := s.SignIn(u)
	for next, want := range map[string]string{
		"/projects/1": "/projects/1", "/a?b=c": "/a?b=c", "": "/", "//evil.example": "/", `/\evil.example`: "/", `\\evil.example`: "/", "https://evil.example": "/", "https:evil.example": "/",
		"/\t/evil.example": "/", "/%09/evil.example": "/%09/evil.example", "javascript:alert(1)": "/", "evil.example": "/", "/\x00": "/", "/\r\nSet-Cookie: x=1": "/", "///evil.example": "/", "/..//evil.example": "/..//evil.example",
	} {
		r := c.Get("/login?next=" + url.QueryEscape(next)).Want(http.StatusSeeOther)
		if r.Location != want {
			t.Errorf("%q leads to %q, want %q", next, r.Location, want)
		}
	}
}

// TestASVS_4_1_3: addresses in headers count only behind a trusted proxy.
func TestASVS_4_1_3(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]struct {
		cfg  config.Config
		sent string
		want string
	}{
		"direct":             {config.Config{}, "203.0.113.9", "127.0.0.1"},
		"behind a proxy":     {config.Config{BehindProxy: true, PublicURL: "https://x.example"}, "198.51.100.1, 203.0.113.9", "203.0.113.9"},
		"two proxies":        {config.Config{BehindProxy: true, PublicURL: "https://x.example", TrustedProxies: []string{"127.0.0.0/8", "10.0.0.0/8"}}, "198.51.100.1, 203.0.113.9, 10.1.2.3", "203.0.113.9"},
		"nonsense":           {config.Config{BehindProxy: true, PublicURL: "https://x.example"}, "bad", "127.0.0.1"},
		"untrusted neighbor": {config.Config{BehindProxy: true, PublicURL: "https://x.example", TrustedProxies: []string{"10.0.0.0/8"}}, "203.0.113.9", "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewUnstartedServer(nil)
			o.cfg.Addr, o.cfg.Data, o.cfg.DB = srv.Listener.Addr().String(), t.TempDir(), dbtest.DSN(t)
			a, err := app.Open(t.Context(), o.cfg, slog.New(slog.DiscardHandler), app.Options{Serve: true})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = a.Close() }()
			if srv.Config.Handler, err = web.New(a); err != nil {
				t.Fatal(err)
			}
			srv.Start()
			defer srv.Close()
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/login", strings.NewReader("email=a@b.example&password=x"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for _, h := range []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded", "True-Client-Ip"} {
				r.Header.Set(h, o.sent)
			}
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			var got string
			err = a.DB.View(context.Background(), func(tx *db.Tx) error {
				got, err = db.Value[string](tx, "SELECT address FROM events WHERE name = 'user.loginFailed'")
				return err
			})
			if err != nil || got != o.want {
				t.Errorf("address %q (%v), want %q", got, err, o.want)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Errors", false)
	c := s.SignIn(admin)
	base := "/projects/" + itoa(p.ID)
	buckets := base + "/storage/buckets"

	t.Run("JSON for who asks for it", func(t *testing.T) {
		r := c.Request(http.MethodGet, base+"/storage/tables/in.c-x.y", nil)
		r.Header.Set("Accept", "application/json")
		var body struct{ Error, Code, RequestID string }
		res := c.Do(r).Want(http.StatusNotFound)
		res.JSON(&body)
		if body.Code != "notFound" || body.RequestID != res.Header.Get("X-Request-Id") {
			t.Errorf("%+v", body)
		}
	})
	t.Run("method", func(t *testing.T) {
		c.Do(c.Request(http.MethodDelete, base, nil)).Want(http.StatusMethodNotAllowed)
		c.Do(c.Request(http.MethodTrace, base, nil)).Want(http.StatusMethodNotAllowed)
	})
	t.Run("unknown and repeated fields", func(t *testing.T) {
		c.Post(buckets, url.Values{"stage": {"in"}, "name": {"a"}, "role": {"admin"}}).Want(http.StatusUnprocessableEntity)
		c.Post(buckets, url.Values{"stage": {"in"}, "name": {"a", "b"}}).Want(http.StatusUnprocessableEntity)
	})
	t.Run("a form that is too large", func(t *testing.T) {
		c.Post(buckets, url.Values{"stage": {"in"}, "name": {strings.Repeat("x", 11<<20)}}).Want(http.StatusRequestEntityTooLarge)
	})
	t.Run("values are kept", func(t *testing.T) {
		r := c.Post(buckets, url.Values{"stage": {"out"}, "name": {"no spaces"}, "description": {`<b>"kept"</b>`}}).Want(http.StatusUnprocessableEntity)
		page := r.Page()
		if page.Find(`[name=name]`).AttrOr("value", "") != "no spaces" || page.Find("textarea").Text() != `<b>"kept"</b>` || page.Find(".error-summary").Length() != 1 {
			t.Errorf("%.2000s", r.Body)
		}
	})
	t.Run("a panic is an answer", func(t *testing.T) {
		// A broken cookie, a broken query and odd paths must never be one.
		for _, path := range []string{"/%", "/projects/%zz", "/projects/1/storage/tables/%00", "/?after=x%0a", base + "/storage?open=%ff&after=%ff", base + "/storage/buckets/%ff", base + "/storage/tables/in.c-x.%00%ff", base + "/storage/jobs?table=%ff%00", base + "/storage/jobs?before=zzzzzzzzzzzzzzzzzzzz-1", base + "/live?part=job-x", base + "/live"} {
			r := c.Request(http.MethodGet, "/", nil)
			r.URL.Opaque = "//" + r.URL.Host + path
			if res := c.Do(r); res.Status >= 500 {
				t.Errorf("%s: %d", path, res.Status)
			}
		}
	})
}

// TestMutationsAreEvents: every mutating route leaves an event whose sentence names who
// did what to what.
func TestMutationsAreEvents(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{})
	p, _ := s.Project("Events", false)
	u := s.Member(p, "admin")
	c := s.SignIn(u)
	base := "/projects/" + itoa(p.ID) + "/storage"
	c.Post(base+"/buckets", url.Values{"stage": {"in"}, "name": {"x"}, "displayName": {"Ex"}}).Want(http.StatusSeeOther)
	c.Post(base+"/buckets/in.c-x", url.Values{"displayName": {"Why"}, "description": {"New"}}).Want(http.StatusSeeOther)
	check := c.Upload(base+"/load", "t.csv", "a\n1\n").Want(http.StatusSeeOther).Location
	r := c.Get(check).Want(http.StatusOK)
	path, form := r.Form(strings.SplitN(check, "?", 2)[0])
	c.Post(path, form).Want(http.StatusSeeOther)
	form.Set("_key", "of the other button")
	c.Post(path+"/check", form).Want(http.StatusSeeOther)
	c.Post("/account/theme", url.Values{"theme": {"dark"}, "next": {"/"}}).Want(http.StatusSeeOther)
	c.Post("/logout", url.Values{}).Want(http.StatusSeeOther)
	var got []string
	s.View(func(tx *db.Tx) (err error) {
		got, err = db.All(tx, db.Scalar[string], "SELECT name || ': ' || message FROM events WHERE user_id = $1 AND name <> 'user.created' ORDER BY created_at, id", u.ID)
		return err
	})
	want := []string{
		`project.memberAdded: "Person N" (personN@example.com) became a member of "Events", as Admin.`,
		`user.loggedIn: "Person N" signed in by password.`,
		`storage.bucketCreated: "Person N" created bucket in.c-x.`,
		`storage.bucketUpdated: "Person N" changed bucket in.c-x: display name from "Ex" to "Why", description from "" to "New".`,
		`storage.fileUploaded: "Person N" uploaded file N (t.csv, N bytes).`,
		`storage.loadStarted: "Person N" started job N: load file N (t.csv) into new table in.c-x.t.`,
		`storage.fileCheckStarted: "Person N" started job N: check all rows of file N (t.csv).`,
		`user.themeChanged: "Person N" chose the theme "dark".`,
		`user.loggedOut: "Person N" signed out.`,
	}
	number := regexp.MustCompile(`\d+`)
	for _, w := range want {
		found := false
		for _, g := range got {
			found = found || number.ReplaceAllString(g, "N") == w
		}
		if !found {
			t.Errorf("no event %q in:\n%s", w, strings.Join(got, "\n"))
		}
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// A program that stops says that it is not ready, and goes on answering what is under way.
func TestStopping(t *testing.T) {
	t.Parallel()
	cfg := config.Config{Addr: "127.0.0.1:0", Data: t.TempDir(), DB: dbtest.DSN(t)}
	a, err := app.Open(t.Context(), cfg, slog.New(slog.DiscardHandler), app.Options{Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	h, err := web.New(a)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(path string) int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code
	}
	if got := ask("/readyz"); got != http.StatusOK {
		t.Errorf("/readyz before: %d", got)
	}
	h.Stop()
	if ready, healthy, page := ask("/readyz"), ask("/healthz"), ask("/login"); ready != http.StatusServiceUnavailable || healthy != http.StatusOK || page != http.StatusOK {
		t.Errorf("while stopping: /readyz %d, /healthz %d, a page %d", ready, healthy, page)
	}
}
