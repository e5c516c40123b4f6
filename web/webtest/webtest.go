// Package webtest runs the whole program for a test: the app that users run, a real
// database (see dbtest), and HTTP in front of it.
package webtest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/pquerna/otp/totp"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/app"
	"steward/internal/config"
	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/internal/ops"
	"steward/internal/tenancy"
	"steward/web"
)

// Password is every test person's.
const Password = "correct horse battery"

// Site is a running program.
type Site struct {
	T     testing.TB
	App   *app.App
	URL   string
	Clock *Clock
	Web   *web.Server
	hash  accounts.Hashed
	names atomic.Int64
	trust http.RoundTripper // knows the certificate of a site that is Secure
}

// Clock is a clock that tests move.
type Clock struct{ ahead atomic.Int64 }

// Now is the clock's time.
func (c *Clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// Forward moves the clock.
func (c *Clock) Forward(d time.Duration) { c.ahead.Add(int64(d)) }

// Options change what Open starts.
type Options struct {
	Data    string // folder; a fresh one by default
	DSN     string // database; a fresh one by default
	Idle    bool   // no worker runs
	Damaged bool   // the test breaks what steward verify looks at, or closes it
	Secure  bool   // people reach it by https
	Log     io.Writer
	Config  func(*config.Config) // changes what is configured; may be nil
	Handler func(http.Handler) http.Handler
}

// Open starts a program until the test ends.
func Open(t testing.TB, o Options) *Site {
	t.Helper()
	if o.Data == "" {
		o.Data = t.TempDir()
	}
	if o.DSN == "" {
		o.DSN = dbtest.DSN(t)
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	s := &Site{T: t, Clock: new(Clock)}
	var patience time.Duration
	if o.Idle {
		patience = time.Millisecond // nobody works on what a page would wait for
	}
	srv := httptest.NewUnstartedServer(nil)
	s.URL = "http://" + srv.Listener.Addr().String()
	cfg := config.Config{Addr: srv.Listener.Addr().String(), Data: o.Data, DB: o.DSN}
	if o.Secure {
		s.URL = "https://" + srv.Listener.Addr().String()
		cfg.PublicURL, cfg.BehindProxy = s.URL, true
	}
	if o.Config != nil {
		o.Config(&cfg)
	}
	a, err := app.Open(context.Background(), cfg,
		slog.New(slog.NewJSONHandler(o.Log, nil)), app.Options{Now: s.Clock.Now, Serve: true, Patience: patience})
	if err != nil {
		t.Fatal(err)
	}
	s.App = a
	h, err := web.New(a)
	if err != nil {
		t.Fatal(err)
	}
	s.Web, srv.Config.Handler = h, h
	if o.Handler != nil {
		srv.Config.Handler = o.Handler(h)
	}
	if o.Secure {
		srv.StartTLS()
		s.trust = srv.Client().Transport
	} else {
		srv.Start()
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if !o.Idle {
			a.Jobs.Work(ctx, 5*time.Second)
		}
	}()
	t.Cleanup(func() {
		h.Stop()
		stop()
		<-done
		srv.Close()
		if !o.Damaged {
			s.verify()
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// verify checks what the test has left, as steward verify does.
func (s *Site) verify() {
	s.T.Helper()
	if _, err := ops.Verify(context.Background(), s.App, func(p ops.Problem) { s.T.Errorf("verify: %s", p) }, func(string, int64) {}); err != nil {
		s.T.Errorf("verify: %v", err)
	}
}

// Update runs a transaction.
func (s *Site) Update(fn func(*db.Tx) error) {
	s.T.Helper()
	if err := s.App.DB.Update(context.Background(), fn); err != nil {
		s.T.Fatal(err)
	}
}

// View runs a read-only transaction.
func (s *Site) View(fn func(*db.Tx) error) {
	s.T.Helper()
	if err := s.App.DB.View(context.Background(), fn); err != nil {
		s.T.Fatal(err)
	}
}

// User makes a person with Password. A name is made up when it is empty.
func (s *Site) User(name string) accounts.User {
	s.T.Helper()
	return s.user(name, false)
}

// SuperAdmin makes a super admin.
func (s *Site) SuperAdmin(name string) accounts.User {
	s.T.Helper()
	return s.user(name, true)
}

func (s *Site) user(name string, super bool) accounts.User {
	s.T.Helper()
	n := s.names.Add(1)
	if name == "" {
		name = fmt.Sprintf("Person %d", n)
	}
	if s.hash == (accounts.Hashed{}) {
		h, err := s.App.Accounts.Hash(context.Background(), Password)
		if err != nil {
			s.T.Fatal(err)
		}
		s.hash = h
	}
	var u accounts.User
	s.Update(func(tx *db.Tx) (err error) {
		u, err = s.App.Accounts.Create(tx, access.Actor{}, accounts.NewUser{Email: fmt.Sprintf("person%d@example.com", n), Name: name, SuperAdmin: super}, s.hash)
		return err
	})
	return u
}

// Project makes a project in an organization of its own, with an administrator.
func (s *Site) Project(name string, governed bool) (tenancy.Project, accounts.User) {
	s.T.Helper()
	admin := s.User("Admin of " + name)
	var p tenancy.Project
	s.Update(func(tx *db.Tx) error {
		owner, err := s.App.Accounts.Create(tx, access.Actor{}, accounts.NewUser{Email: fmt.Sprintf("owner%d@example.com", s.names.Add(1)), Name: "Owner"}, s.hash)
		if err != nil {
			return err
		}
		m, err := tenancy.CreateMaintainer(tx, owner.Actor(), "Maintainer of "+name)
		if err != nil {
			return err
		}
		if err := tenancy.JoinMaintainer(tx, owner.Actor(), m.ID, owner); err != nil {
			return err
		}
		o, err := tenancy.CreateOrganization(tx, owner.Actor(), m.ID, "Organization of "+name, owner)
		if err != nil {
			return err
		}
		p, err = tenancy.CreateProject(tx, owner.Actor(), tenancy.NewProject{Organization: o.ID, Name: name, Governed: governed, Member: admin})
		return err
	})
	return p, admin
}

// Member makes a person with a role in a project.
func (s *Site) Member(p tenancy.Project, role access.Role) accounts.User {
	s.T.Helper()
	u := s.User("")
	s.Update(func(tx *db.Tx) error { return tenancy.Join(tx, u.Actor(), p, u, role) })
	return u
}

// Scope is what a person may do in a project's default branch.
func (s *Site) Scope(u accounts.User, p tenancy.Project) access.Project {
	s.T.Helper()
	var scope access.Project
	s.View(func(tx *db.Tx) (err error) {
		scope, err = tenancy.Enter(tx, u.Actor(), p.ID, access.ProjectRead)
		return err
	})
	return scope
}

// Client is a browser without scripts: it keeps cookies and follows no redirect.
type Client struct {
	site *Site
	HTTP *http.Client
}

// Anonymous is a client that is not signed in.
func (s *Site) Anonymous() *Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.T.Fatal(err)
	}
	return &Client{s, &http.Client{Jar: jar, Transport: s.trust, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// SignIn is a client that is signed in as a person, by the form.
func (s *Site) SignIn(u accounts.User) *Client {
	s.T.Helper()
	c := s.Anonymous()
	r := c.Post("/login", url.Values{"email": {u.Email}, "password": {Password}})
	if r.Status != http.StatusSeeOther {
		s.T.Fatalf("signing in as %s: %d\n%s", u.Email, r.Status, r.Body)
	}
	return c
}

// TwoStep turns two-step sign-in on for the person of a client, by the forms, and gives
// the secret and the recovery codes.
func (s *Site) TwoStep(c *Client) (secret string, codes []string) {
	s.T.Helper()
	c.Post("/account/two-step/start", url.Values{}).Want(http.StatusSeeOther)
	shown := c.Get("/account/two-step").Want(http.StatusOK).Page().Find("[data-copy]").AttrOr("data-copy", "")
	secret = strings.ReplaceAll(shown, " ", "")
	c.Post("/account/two-step", url.Values{"code": {s.Code(secret)}}).Want(http.StatusSeeOther)
	c.Get("/account/recovery-codes").Want(http.StatusOK).Page().Find(".codes li").Each(func(_ int, li *goquery.Selection) { codes = append(codes, li.Text()) })
	return secret, codes
}

// Code is what an authenticator app with this secret shows now, by the site's clock. It
// counts once: move the clock by half a minute for the next.
func (s *Site) Code(secret string) string {
	s.T.Helper()
	code, err := totp.GenerateCode(secret, s.Clock.Now())
	if err != nil {
		s.T.Fatal(err)
	}
	return code
}

// Response is an answer, read whole.
type Response struct {
	t        testing.TB
	Status   int
	Header   http.Header
	Location string
	Body     string
}

// Do sends a request.
func (c *Client) Do(r *http.Request) Response {
	c.site.T.Helper()
	res, err := c.HTTP.Do(r)
	if err != nil {
		c.site.T.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		c.site.T.Fatal(err)
	}
	return Response{c.site.T, res.StatusCode, res.Header, res.Header.Get("Location"), string(b)}
}

// Request makes a request to the site.
func (c *Client) Request(method, path string, body io.Reader) *http.Request {
	c.site.T.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, c.site.URL+path, body)
	if err != nil {
		c.site.T.Fatal(err)
	}
	return r
}

// Get asks for a page.
func (c *Client) Get(path string) Response {
	c.site.T.Helper()
	return c.Do(c.Request(http.MethodGet, path, nil))
}

// Post sends a form as the same site's page would.
func (c *Client) Post(path string, form url.Values) Response {
	c.site.T.Helper()
	r := c.Request(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", c.site.URL)
	return c.Do(r)
}

// Upload sends a file by the load form and gives the path of the next step.
func (c *Client) Upload(path, name, content string) Response {
	c.site.T.Helper()
	var b strings.Builder
	boundary := "steward-test-boundary-" + base64.RawURLEncoding.EncodeToString([]byte(name))
	fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=%q\r\nContent-Type: text/csv\r\n\r\n%s\r\n--%s--\r\n", boundary, name, content, boundary)
	r := c.Request(http.MethodPost, path, strings.NewReader(b.String()))
	r.Header.Set("Content-Type", "multipart/form-data; boundary="+boundary)
	r.Header.Set("Origin", c.site.URL)
	return c.Do(r)
}

// Page parses the answer's HTML.
func (r Response) Page() *goquery.Document {
	r.t.Helper()
	d, err := goquery.NewDocumentFromReader(strings.NewReader(r.Body))
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

// JSON decodes the answer.
func (r Response) JSON(into any) {
	r.t.Helper()
	if err := json.Unmarshal([]byte(r.Body), into); err != nil {
		r.t.Fatalf("%v in %.500s", err, r.Body)
	}
}

// Want fails the test unless the status is this one.
func (r Response) Want(status int) Response {
	r.t.Helper()
	if r.Status != status {
		r.t.Fatalf("status %d, want %d\n%.1500s", r.Status, status, r.Body)
	}
	return r
}

// Form gives the fields of a page's form as a browser without scripts would send them:
// of the one that is posted to the action, else of the first whose action begins so.
func (r Response) Form(action string) (path string, fields url.Values) {
	r.t.Helper()
	f := r.Page().Find(fmt.Sprintf(`form[method="post"][action=%q]`, action)).First()
	if f.Length() == 0 {
		f = r.Page().Find(fmt.Sprintf(`form[action^=%q]`, action)).First()
	}
	if f.Length() == 0 {
		r.t.Fatalf("the page has no form to %s\n%.1500s", action, r.Body)
	}
	fields = url.Values{}
	f.Find("input[name], select[name], textarea[name]").Each(func(_ int, in *goquery.Selection) {
		name := in.AttrOr("name", "")
		switch goquery.NodeName(in) {
		case "select":
			o := in.Find("option[selected]")
			if o.Length() == 0 {
				o = in.Find("option").First()
			}
			fields.Add(name, o.AttrOr("value", o.Text()))
		case "textarea":
			fields.Add(name, in.Text())
		default:
			switch in.AttrOr("type", "text") {
			case "file", "submit", "button":
			case "checkbox", "radio":
				if _, on := in.Attr("checked"); on {
					fields.Add(name, in.AttrOr("value", "on"))
				}
			default:
				fields.Add(name, in.AttrOr("value", ""))
			}
		}
	})
	return f.AttrOr("action", ""), fields
}
