package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/web/webtest"
)

const asProgram = "STEWARD_TEST_ARGS"

// TestAsProgram is the program in a process of its own, when a test starts it so; see
// spawn. By itself it does nothing.
func TestAsProgram(t *testing.T) {
	args := os.Getenv(asProgram)
	if args == "" {
		return
	}
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGTERM)
	defer stop()
	if err := run(ctx, strings.Fields(args), os.Getenv, os.Stdin, os.Stdout, os.Stderr); err != nil {
		t.Fatal(err)
	}
}

// spawned is a serve in a process of its own, in another zone than UTC.
type spawned struct {
	*webtest.Site
	cmd             *exec.Cmd
	data, cwd, temp string
	read            sync.WaitGroup
	mu              sync.Mutex
	lines           []string
}

func spawn(t *testing.T) *spawned {
	t.Helper()
	if _, err := time.LoadLocation("Asia/Tokyo"); err != nil {
		t.Fatal(err)
	}
	s := &spawned{Site: &webtest.Site{T: t}, data: t.TempDir(), cwd: t.TempDir(), temp: t.TempDir()}
	s.cmd = exec.Command(os.Args[0], "-test.run=^TestAsProgram$")
	s.cmd.Dir = s.cwd
	s.cmd.Env = append(os.Environ(), asProgram+"=serve --addr 127.0.0.1:0 --data "+s.data, "TZ=Asia/Tokyo", "TMPDIR="+s.temp)
	pipe, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill(); _ = s.cmd.Wait() })
	s.read.Go(func() {
		for in := bufio.NewScanner(pipe); in.Scan(); {
			s.mu.Lock()
			s.lines = append(s.lines, in.Text())
			s.mu.Unlock()
		}
	})
	poll(t, "the program serves", func() bool {
		for _, l := range s.log() {
			if m := servingLine.FindStringSubmatch(l); m != nil {
				s.URL = m[1]
			}
		}
		return s.URL != ""
	})
	return s
}

func (s *spawned) log() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.lines...)
}

// use does a little of everything, also of what is refused.
func (s *spawned) use() {
	c := s.Anonymous()
	c.Get("/login")
	c.Get("/setup")
	c.Get("/nothing?x=%0a%1b")
	c.Do(c.Request("ODD", "/", nil))
	c.Post("/login", url.Values{"email": {"a@example.com"}, "password": {"a secret that is wrong"}})
	c.Post("/password/forgot", url.Values{"email": {"a@example.com"}})
	r := c.Request(http.MethodPost, "/login", strings.NewReader("x"))
	r.Header.Set("Content-Type", "text/plain")
	c.Do(r)
}

// end stops the program and gives all lines of its log.
func (s *spawned) end(t *testing.T) []string {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.read.Wait()
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("it ended badly: %v\n%s", err, strings.Join(s.log(), "\n"))
	}
	return s.log()
}

// TestASVS_16_2_4: from start to end the program writes one JSON object in each line of
// standard error, each with time, level and message.
func TestASVS_16_2_4(t *testing.T) {
	t.Parallel()
	s := spawn(t)
	s.use()
	lines := s.end(t)
	messages := map[string]bool{}
	for _, text := range lines {
		var l map[string]any
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Errorf("%v: %s", err, text)
			continue
		}
		for _, key := range []string{"time", "level", "msg"} {
			if v, ok := l[key].(string); !ok || v == "" {
				t.Errorf("a line without %s: %s", key, text)
			}
		}
		messages[l["msg"].(string)] = true
	}
	for _, want := range []string{"serving", "request", "stopping", "stopped"} {
		if !messages[want] {
			t.Errorf("no line says %q: %s", want, strings.Join(lines, "\n"))
		}
	}
}

// TestASVS_16_2_2: times of the log are UTC, in whatever zone the machine is.
func TestASVS_16_2_2(t *testing.T) {
	t.Parallel()
	s := spawn(t)
	s.use()
	lines := s.end(t)
	for _, text := range lines {
		var l struct{ Time string }
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339Nano, l.Time)
		if away := time.Since(at).Abs(); err != nil || !strings.HasSuffix(l.Time, "Z") || away > 5*time.Minute {
			t.Errorf("the time is %q (%v), %s away", l.Time, err, away)
		}
	}
	if len(lines) < 8 {
		t.Errorf("only %d lines", len(lines))
	}
}

// kept are the files that docs/logging.md says a program has.
var kept = regexp.MustCompile(`^(steward\.db(-wal|-shm|\.lock)?|keys/keys\.json|run/.*|store/.*)$`)

// TestASVS_16_2_3: the log goes to standard error and nowhere else: no file of the program
// holds a line of it, and it leaves none but those that are documented.
func TestASVS_16_2_3(t *testing.T) {
	t.Parallel()
	s := spawn(t)
	s.use()
	lines := s.end(t)
	found := 0
	for _, root := range []string{s.data, s.cwd, s.temp} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			name, err := filepath.Rel(root, path)
			if found++; err != nil || root != s.data || !kept.MatchString(filepath.ToSlash(name)) {
				t.Errorf("it leaves %s", path)
			}
			b, err := os.ReadFile(path)
			for _, l := range lines {
				if strings.Contains(string(b), l) || strings.Contains(string(b), `"msg":"`) {
					t.Errorf("%s holds a line of the log: %s", path, l)
					break
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 2 || len(lines) < 8 {
		t.Errorf("%d files, %d lines", found, len(lines))
	}
	// Events are the other sink, and no file: they are in the database.
	inspectEvents(t, "sqlite:"+filepath.Join(s.data, "steward.db"), "user.loginFailed")
}

// TestASVS_16_4_3: what is logged leaves the program at once: whoever collects it has all of
// it, also when the program is killed.
func TestASVS_16_4_3(t *testing.T) {
	t.Parallel()
	s := spawn(t)
	var asked []string
	for range 30 {
		asked = append(asked, s.Anonymous().Get("/login").Want(http.StatusOK).Header.Get("X-Request-Id"))
	}
	// The line of a request is written when its answer has been.
	poll(t, "the last line comes while the program runs", func() bool { return strings.Contains(strings.Join(s.log(), "\n"), asked[len(asked)-1]) })
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.read.Wait()
	all := strings.Join(s.log(), "\n")
	for _, id := range asked {
		if strings.Count(all, `"request":"`+id+`"`) != 1 {
			t.Errorf("the request %s is not in what was collected", id)
		}
	}
}

// inspectEvents fails unless there is an event of this name.
func inspectEvents(t *testing.T, dsn, name string) {
	t.Helper()
	inspect(t, dsn, func(tx *db.Tx) error {
		n, err := db.Value[int64](tx, "SELECT count(*) FROM events WHERE name = $1", name)
		if n == 0 {
			t.Errorf("no event %s", name)
		}
		return err
	})
}

// TestASVS_16_2_5_config, secrets in the log (case 55): what the operator configures is told
// to nobody, at the most talkative level and when what it is for fails.
func TestASVS_16_2_5_config(t *testing.T) {
	t.Parallel()
	data, dsn := t.TempDir(), dbtest.DSN(t)
	const mailSecret, providerSecret, databaseSecret = "m4il-s3cret-word", "pr0vider-s3cret-word", "s3ssion-of-nobody-at-all-0123456789abcdefghij"
	s := startServe(t, data, dsn, "--log-level", "debug", "--smtp", "smtp://steward:"+mailSecret+"@127.0.0.1:1", "--mail-from", "steward@console.example",
		"--oidc-issuer", "http://127.0.0.1:1", "--oidc-client-id", "console", "--oidc-client-secret", providerSecret)
	_, ada, project := setup(t, s.Site, &s.out)
	c := s.Anonymous()
	var shown strings.Builder
	for _, path := range []string{"/login", "/readyz", "/nothing", "/?x=" + databaseSecret} {
		r := c.Request(http.MethodGet, path, nil)
		r.Header.Set("Cookie", "session="+databaseSecret)
		r.Header.Set("Authorization", "Bearer "+databaseSecret)
		shown.WriteString(c.Do(r).Body)
	}
	shown.WriteString(c.Post("/auth/google", url.Values{}).Body)
	for _, path := range []string{"/admin/settings", "/admin/mails", "/admin/jobs", "/admin/audit", project} {
		shown.WriteString(ada.Get(path).Body)
	}
	ada.Post("/admin/users", url.Values{"email": {"new@example.com"}, "name": {"New"}})
	poll(t, "the mail is tried", func() bool { return strings.Contains(s.log.String(), "a mail was not sent") })
	shown.WriteString(ada.Get("/admin/mails").Want(http.StatusOK).Body)
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(s.log.String(), `"level":"DEBUG"`) || !strings.Contains(s.log.String(), "the sign-in provider does not say where it is") {
		t.Errorf("the log is not as talkative as it can be, or nothing failed:\n%s", s.log.String())
	}
	places := map[string]string{"log": s.log.String(), "output": s.out.String(), "pages": shown.String()}
	inspect(t, dsn, func(tx *db.Tx) error {
		kept, err := db.All(tx, db.Scalar[string], "SELECT message || params || results FROM events UNION ALL SELECT params || results || error_message FROM jobs UNION ALL SELECT reason || content FROM mails UNION ALL SELECT message FROM job_log")
		places["database"] = strings.Join(kept, "\n")
		return err
	})
	for place, text := range places {
		for _, secret := range []string{mailSecret, providerSecret, databaseSecret, webtest.Password} {
			if text == "" || strings.Contains(text, secret) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(secret))) || strings.Contains(text, url.QueryEscape(secret)) {
				t.Errorf("the %s holds %q, or nothing", place, secret)
			}
		}
	}
}
