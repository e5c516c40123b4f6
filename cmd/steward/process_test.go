package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/web/webtest"
)

// output is what a program writes, as it comes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String gives all that was written.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// command runs a command line in this process to its end, which must come soon.
func command(t *testing.T, stdin string, args ...string) (stdout string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	var out, log output
	err = run(ctx, args, none, strings.NewReader(stdin), &out, &log)
	if ctx.Err() != nil {
		t.Errorf("%s does not end by itself", strings.Join(args, " "))
	}
	return out.String(), err
}

func none(string) string { return "" }

// server is a serve in this process.
type server struct {
	*webtest.Site
	out  output
	log  output
	stop func() error // ends it as SIGTERM does
}

var servingLine = regexp.MustCompile(`"msg":"serving".*"url":"([^"]+)"`)

// startServe serves a data folder and a database until the test ends, with more flags.
func startServe(t *testing.T, data, dsn string, more ...string) *server {
	t.Helper()
	s := &server{Site: &webtest.Site{T: t}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, append([]string{"serve", "--addr", "127.0.0.1:0", "--data", data, "--db", dsn}, more...), none, strings.NewReader(""), &s.out, &s.log)
	}()
	s.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("serve ended badly: %v", err)
		}
	})
	poll(t, "the program serves", func() bool {
		if m := servingLine.FindStringSubmatch(s.log.String()); m != nil {
			s.URL = m[1]
		}
		return s.URL != "" || len(ended) > 0
	})
	if s.URL == "" {
		t.Fatalf("serve ended: %v\n%s", s.stop(), s.log.String())
	}
	return s
}

// poll waits until a condition holds, at most half a minute.
func poll(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

var setupLink = regexp.MustCompile(`http://[^\s]+(/setup\?code=\S+)`)

// setup opens the link that a first run printed, and makes the first person. It gives
// the link's path, the person's browser and the page that comes next.
func setup(t *testing.T, s *webtest.Site, stdout fmt.Stringer) (link string, c *webtest.Client, next string) {
	t.Helper()
	poll(t, "the set-up link is printed", func() bool { return setupLink.MatchString(stdout.String()) })
	link = setupLink.FindStringSubmatch(stdout.String())[1]
	c = s.Anonymous()
	path, fields := c.Get(link).Want(http.StatusOK).Form("/setup")
	for name, value := range map[string]string{"name": "Ada First", "email": "ada@example.com", "password": webtest.Password, "repeat": webtest.Password,
		"maintainer": "Keepers", "organization": "First Org", "project": "First Project"} {
		if _, ok := fields[name]; !ok {
			t.Fatalf("the form has no field %s", name)
		}
		fields.Set(name, value)
	}
	return link, c, c.Post(path, fields).Want(http.StatusSeeOther).Location
}

// signIn is a browser of a person, or nil when the password is refused.
func signIn(s *webtest.Site, email, password string) *webtest.Client {
	c := s.Anonymous()
	if c.Post("/login", url.Values{"email": {email}, "password": {password}}).Status != http.StatusSeeOther {
		return nil
	}
	return c
}

// inspect opens a database beside whoever serves it.
func inspect(t *testing.T, dsn string, fn func(*db.Tx) error) {
	t.Helper()
	d, err := db.Open(t.Context(), dsn, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	if err := d.View(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func TestSecondServeIsRefused(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	dsn := "sqlite:" + filepath.Join(data, "steward.db")
	s := startServe(t, data, dsn)
	_, err := command(t, "", "serve", "--addr", "127.0.0.1:0", "--data", data)
	if err == nil || !strings.Contains(err.Error(), "another steward serves "+filepath.Join(data, "steward.db")) {
		t.Errorf("a second serve on one SQLite file: %v", err)
	}
	_, err = command(t, "", "serve", "--addr", "127.0.0.1:0", "--data", t.TempDir(), "--db", dsn)
	if err == nil || !strings.Contains(err.Error(), "another steward serves") {
		t.Errorf("a second serve on one SQLite file, with a folder of its own: %v", err)
	}
	s.Anonymous().Get("/readyz").Want(http.StatusOK)
	if err := s.stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	startServe(t, data, dsn) // the lock went with the process
}

func TestRefusedCommandLines(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	for _, c := range []struct {
		args  string
		wants []string
	}{
		{"serve --addr 0.0.0.0:0", []string{"--addr 0.0.0.0:0", "--tls-cert", "--tls-key", "--behind-proxy"}},
		{"serve --addr :0", []string{"--addr :0", "--tls-cert", "--behind-proxy"}},
		{"serve --addr [::]:0", []string{"--addr [::]:0", "--tls-cert", "--behind-proxy"}},
		{"serve --addr 127.0.0.1:0 --public-url http://console.example.com", []string{"--public-url http://console.example.com", "passwords in the clear", "--tls-cert", "--behind-proxy"}},
		{"serve --addr 0.0.0.0:0 --behind-proxy", []string{"--behind-proxy needs --public-url"}},
		{"serve --addr 127.0.0.1:0 --ops-addr 0.0.0.0:0", []string{"--ops-addr", "loopback"}},
		{"serve --addr 127.0.0.1:0 --tls-cert cert.pem", []string{"--tls-cert and --tls-key go together"}},
		{"serve --addr nowhere", []string{`--addr "nowhere" is not HOST:PORT`}},
		{"work", []string{"--db postgres://", "serve does the work"}},
	} {
		_, err := command(t, "", append(strings.Fields(c.args), "--data", data)...)
		for _, want := range c.wants {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error does not say %q: %v", c.args, want, err)
			}
		}
	}
	if left, err := filepath.Glob(filepath.Join(data, "*")); err != nil || len(left) > 0 {
		t.Errorf("refused command lines left %v behind: %v", left, err)
	}
}

// TestFirstRun follows the link that an empty installation prints.
func TestFirstRun(t *testing.T) {
	t.Parallel()
	data, dsn := t.TempDir(), dbtest.Empty(t)
	s := startServe(t, data, dsn)
	anyone := s.Anonymous()
	anyone.Get("/setup").Want(http.StatusForbidden)
	wrong := anyone.Get("/setup?code=stw_0000000000000000000000000000000000000000000_000000").Want(http.StatusForbidden)
	poll(t, "the set-up link is printed", func() bool { return setupLink.MatchString(s.out.String()) })
	before := setupLink.FindStringSubmatch(s.out.String())[1]

	// Each start prints a new link, as long as nobody has an account; only the newest works.
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	s = startServe(t, data, dsn)
	anyone = s.Anonymous()
	anyone.Get(before).Want(http.StatusForbidden)

	link, ada, next := setup(t, s.Site, &s.out)
	page := ada.Get(next).Want(http.StatusOK)
	if got := page.Page().Find("h1").Text(); strings.TrimSpace(got) != "First Project" {
		t.Errorf("after the set-up comes %s with the title %q", next, got)
	}
	ada.Post(next+"/storage/buckets", url.Values{"stage": {"in"}, "name": {"first"}, "displayName": {""}, "description": {""}}).Want(http.StatusSeeOther)
	inspect(t, dsn, func(tx *db.Tx) error {
		for what, query := range map[string]string{
			"super admin":      "users WHERE email = 'ada@example.com' AND name = 'Ada First' AND is_super_admin",
			"person":           "users",
			"maintainer":       "maintainers WHERE name = 'Keepers'",
			"organization":     "organizations WHERE name = 'First Org'",
			"project":          "projects WHERE name = 'First Project'",
			"administrator":    "memberships m JOIN users u ON u.id = m.user_id WHERE u.email = 'ada@example.com' AND m.role = 'admin'",
			"set-up event":     "events WHERE name = 'installation.setUp'",
			"bucket of theirs": "buckets WHERE text_id = 'in.c-first'",
		} {
			n, err := db.Value[int64](tx, "SELECT count(*) FROM "+query)
			if err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			if n != 1 {
				t.Errorf("there are %d × %s, want 1", n, what)
			}
		}
		return nil
	})

	// The link is used up, for looking and for sending, and looks like a wrong one.
	used := anyone.Get(link).Want(http.StatusForbidden)
	code := strings.TrimPrefix(link, "/setup?code=")
	anyone.Post("/setup", url.Values{"code": {code}, "name": {"Eve"}, "email": {"eve@example.com"}, "password": {webtest.Password}, "repeat": {webtest.Password},
		"maintainer": {"M"}, "organization": {"O"}, "project": {"P"}}).Want(http.StatusForbidden)
	id := regexp.MustCompile(`[A-Za-z0-9_-]{20,}`)
	if a, b := id.ReplaceAllString(wrong.Page().Find("main").Text(), ""), id.ReplaceAllString(used.Page().Find("main").Text(), ""); a != b {
		t.Errorf("a used code is answered by %q, a wrong one by %q", b, a)
	}
	if signIn(s.Site, "eve@example.com", webtest.Password) != nil {
		t.Error("a used link made an account")
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if s := startServe(t, data, dsn); strings.Contains(s.out.String(), "/setup") {
		t.Error("an installation with people prints a set-up link")
	}
}

// TestUserAdd adds people while the program serves.
func TestUserAdd(t *testing.T) {
	t.Parallel()
	data, dsn := t.TempDir(), dbtest.DSN(t)
	s := startServe(t, data, dsn)
	_, _, project := setup(t, s.Site, &s.out)
	number := project[strings.LastIndexByte(project, '/')+1:]
	add := func(password string, args ...string) (string, error) {
		t.Helper()
		return command(t, password, append([]string{"user", "add", "--data", data, "--db", dsn}, args...)...)
	}

	out, err := add("a guest's long password\n", "gus@example.com", "--name", "Gus Guest", "--project", number, "--role", "readOnly")
	if err != nil || !strings.Contains(out, "gus@example.com may sign in now") {
		t.Fatalf("user add: %q, %v", out, err)
	}
	if strings.Contains(out+s.log.String(), "long password") {
		t.Error("the password is in the output")
	}
	gus := signIn(s.Site, "gus@example.com", "a guest's long password")
	if gus == nil {
		t.Fatal("the new person cannot sign in")
	}
	gus.Get(project).Want(http.StatusOK)
	gus.Get(project + "/storage").Want(http.StatusOK)
	gus.Get(project + "/storage/buckets/new").Want(http.StatusForbidden)

	// Without a project: an account and nothing else. A line end of Windows is no part of the password.
	if _, err := add("another long password\r\nignored\n", "lone@example.com"); err != nil {
		t.Fatal(err)
	}
	lone := signIn(s.Site, "lone@example.com", "another long password")
	if lone == nil {
		t.Fatal("the new person cannot sign in")
	}
	lone.Get(project).Want(http.StatusNotFound)

	for _, c := range []struct {
		what, password string
		args           []string
		want           string
	}{
		{"a short password", "short\n", []string{"new@example.com"}, "15"},
		{"no password", "", []string{"new@example.com"}, "15"},
		{"an address that is taken", webtest.Password, []string{"GUS@example.com"}, "already"},
		{"no address", webtest.Password, []string{"nobody"}, "email address"},
		{"an unknown project", webtest.Password, []string{"new@example.com", "--project", "999"}, "project 999"},
		{"an unknown role", webtest.Password, []string{"new@example.com", "--project", number, "--role", "emperor"}, "emperor"},
		{"a role of other projects", webtest.Password, []string{"new@example.com", "--project", number, "--role", "reviewer"}, "reviewer"},
	} {
		if out, err := add(c.password, c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q, %v; want an error with %q", c.what, out, err, c.want)
		}
	}
	inspect(t, dsn, func(tx *db.Tx) error {
		emails, err := db.All(tx, func(r db.Row) (e string, err error) { return e, r.Scan(&e) }, "SELECT email FROM users ORDER BY email")
		if want := []string{"ada@example.com", "gus@example.com", "lone@example.com"}; !slices.Equal(emails, want) {
			t.Errorf("the people are %v, want %v", emails, want)
		}
		return err
	})
}

// TestStop ends a program that serves streams and idle connections: at once, and well.
func TestStop(t *testing.T) {
	t.Parallel()
	s := startServe(t, t.TempDir(), dbtest.DSN(t))
	_, ada, project := setup(t, s.Site, &s.out)
	var streams []io.ReadCloser
	for range 3 {
		res, err := ada.HTTP.Do(ada.Request(http.MethodGet, project+"/live?part=latest-jobs", nil))
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusOK {
			t.Fatalf("the stream: %s", res.Status)
		}
		streams = append(streams, res.Body)
	}
	start := time.Now()
	if err := s.stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("with idle streams, stopping took %s", took)
	}
	for _, b := range streams {
		if _, err := io.Copy(io.Discard, b); err != nil {
			t.Errorf("a stream broke off: %v", err)
		}
		_ = b.Close()
	}
	for line := range strings.Lines(s.log.String()) {
		var entry struct{ Level, Msg string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("a line of the log is no JSON: %s", line)
		}
		if entry.Level == "ERROR" {
			t.Errorf("the log has an error: %s", line)
		}
	}
}
