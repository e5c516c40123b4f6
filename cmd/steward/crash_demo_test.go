//go:build crash

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"steward/internal/access"
	"steward/internal/db"
	"steward/web/webtest"
)

// world is the file that scripts rely on.
type world struct {
	URL      string `json:"url"`
	Accounts []struct {
		Email, Password, Role string
		Project               *int64
		TOTPSecret            *string `json:"totpSecret"`
	} `json:"accounts"`
	Tokens []struct {
		Description, Token, Kind string
		Project                  int64
	} `json:"tokens"`
	Projects []struct {
		ID   int64
		Name string
	} `json:"projects"`
	Mailbox *string `json:"mailbox"`
}

// demoProcess is a running demo and its world.
type demoProcess struct {
	*process
	world
	ready string // the file
	raw   []byte // and its content
}

// launchDemo starts a demo and waits for its ready file, which must be whole as soon as
// it is there.
func launchDemo(t *testing.T, temp string, within time.Duration, more ...string) *demoProcess {
	t.Helper()
	d := &demoProcess{ready: filepath.Join(t.TempDir(), "ready.json")}
	start := time.Now()
	d.process = launch(t, temp, append([]string{"demo", "--addr", "127.0.0.1:0", "--ready-file", d.ready}, more...)...)
	for {
		var err error
		if d.raw, err = os.ReadFile(d.ready); err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		select {
		case <-d.ended:
			t.Fatalf("the demo ended with code %d before it was ready", d.code)
		case <-time.After(5 * time.Millisecond):
		}
		if time.Since(start) > within {
			t.Fatalf("the demo is not ready after %s", within)
		}
	}
	t.Logf("ready after %s", time.Since(start).Round(10*time.Millisecond))
	if err := json.Unmarshal(d.raw, &d.world); err != nil {
		t.Fatalf("the ready file was there before it was whole: %v\n%.500s", err, d.raw)
	}
	d.Site.URL = d.world.URL
	return d
}

// keys checks that JSON objects have these keys, all of them and no other.
func keys(t *testing.T, what string, raw json.RawMessage, want ...string) map[string]json.RawMessage {
	t.Helper()
	var object map[string]json.RawMessage
	if err := json.Unmarshal(raw, &object); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(object)); !slices.Equal(got, want) {
		t.Errorf("%s has the keys %v, want %v", what, got, want)
	}
	return object
}

func list(t *testing.T, what string, raw json.RawMessage) (out []json.RawMessage) {
	t.Helper()
	if err := json.Unmarshal(raw, &out); err != nil || out == nil {
		t.Fatalf("%s is no list: %v %.100s", what, err, raw)
	}
	return out
}

// TestCrashDemo starts the demo as scripts do.
func TestCrashDemo(t *testing.T) {
	temp := t.TempDir()
	w := launchDemo(t, temp, 15*time.Second)
	address := w.world.URL

	top := keys(t, "the file", w.raw, "url", "accounts", "tokens", "projects", "mailbox")
	for _, a := range list(t, "accounts", top["accounts"]) {
		keys(t, "an account", a, "email", "password", "role", "project", "totpSecret")
	}
	for _, x := range list(t, "tokens", top["tokens"]) {
		keys(t, "a token", x, "description", "token", "project", "kind")
	}
	for _, x := range list(t, "projects", top["projects"]) {
		keys(t, "a project", x, "id", "name")
	}
	if !strings.HasPrefix(address, "http://127.0.0.1:") || strings.HasSuffix(address, ":0") {
		t.Errorf("url is %s", address)
	}
	if info, err := os.Stat(w.ready); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the file, which has passwords, is open to others: %v %v", info.Mode(), err)
	}

	projects := map[int64]string{}
	for _, x := range w.Projects {
		projects[x.ID] = x.Name
	}
	if len(projects) != 3 {
		t.Errorf("there are %d projects, want 3", len(projects))
	}
	roles := map[string][]int64{}
	for _, a := range w.Accounts {
		id := int64(0)
		if a.Project != nil {
			if id = *a.Project; projects[id] == "" {
				t.Errorf("%s is in project %d, which is not in the file", a.Email, id)
			}
		}
		roles[a.Role] = append(roles[a.Role], id)
		if (a.TOTPSecret != nil) != (a.Role == "support") {
			t.Errorf("%s, of role %s: that there is a TOTP secret is %v", a.Email, a.Role, a.TOTPSecret != nil)
		}
	}
	want := []string{"orgMember", "maintainerMember", "support", "superAdmin"}
	for _, r := range append(access.Roles(false), access.Roles(true)...) {
		if !slices.Contains(want, string(r)) {
			want = append(want, string(r))
		}
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(roles)); !slices.Equal(got, want) {
		t.Errorf("the roles are %v, want %v", got, want)
	}

	// Everybody can sign in, and sees their project.
	clients := map[string]*webtest.Client{}
	for _, a := range w.Accounts {
		c := clients[a.Email]
		if c == nil {
			if c = signIn(w.Site, a.Email, a.Password); c == nil {
				t.Errorf("%s cannot sign in", a.Email)
				continue
			}
			clients[a.Email] = c
			if a.TOTPSecret != nil {
				code, err := totp.GenerateCode(*a.TOTPSecret, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				c.Post("/mfa", url.Values{"code": {code}}).Want(http.StatusSeeOther)
			}
		}
		c.Get("/").Want(http.StatusOK)
		if a.Project != nil {
			c.Get(fmt.Sprint("/projects/", *a.Project)).Want(http.StatusOK)
		}
	}

	// At least one table is past 100,000 rows.
	most := int64(0)
	for _, a := range w.Accounts {
		if a.Role != "admin" {
			continue
		}
		var buckets []struct {
			ID        string
			RowsCount int64
		}
		c := clients[a.Email]
		c.Get(fmt.Sprintf("/projects/%d/storage?format=json", *a.Project)).Want(http.StatusOK).JSON(&buckets)
		for _, b := range buckets {
			var tables []struct{ RowsCount int64 }
			c.Get(fmt.Sprintf("/projects/%d/storage/buckets/%s?format=json", *a.Project, b.ID)).Want(http.StatusOK).JSON(&tables)
			for _, x := range tables {
				most = max(most, x.RowsCount)
			}
		}
	}
	if most <= 100_000 {
		t.Errorf("the largest table has %d rows", most)
	}
	if out := w.out.String(); !strings.Contains(out, address) || !strings.Contains(out, w.Accounts[0].Email) || !strings.Contains(out, w.Accounts[0].Password) {
		t.Errorf("the output does not tell how to sign in:\n%s", out)
	}

	w.stop(25 * time.Second)
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("the temporary folder was not removed: %v %v", left, err)
	}
}

// TestCrashDemoAgain opens a world a second time.
func TestCrashDemoAgain(t *testing.T) {
	temp, dir := t.TempDir(), filepath.Join(t.TempDir(), "world")
	first := launchDemo(t, temp, 15*time.Second, "--dir", dir)
	dsn := "sqlite:" + filepath.Join(dir, "steward.db")
	poll(t, "the first one to have done what its world left to do", func() (done bool) {
		inspect(t, dsn, func(tx *db.Tx) error {
			n, err := db.Value[int64](tx, "SELECT count(*) FROM jobs WHERE state IN ('waiting', 'processing')")
			done = n == 0
			return err
		})
		return done
	})
	first.stop(25 * time.Second)
	counts := func() (out []int64) {
		inspect(t, dsn, func(tx *db.Tx) error {
			for _, table := range []string{"users", "projects", "jobs", "versions", "files", "tables", "memberships"} {
				n, err := db.Value[int64](tx, "SELECT count(*) FROM "+table)
				if err != nil {
					return err
				}
				out = append(out, n)
			}
			return sound(t, tx)
		})
		return out
	}
	before := counts()
	second := launchDemo(t, temp, 5*time.Second, "--dir", dir)
	if a, b := strings.ReplaceAll(string(first.raw), first.world.URL, ""), strings.ReplaceAll(string(second.raw), second.world.URL, ""); a != b {
		t.Errorf("the second world differs:\n%s\n%s", a, b)
	}
	if _, ok := second.find(func(l line) bool { return strings.HasPrefix(l.raw, "making") }); ok {
		t.Error("a world that is there is made again")
	}
	second.stop(25 * time.Second)
	if after := counts(); !slices.Equal(before, after) {
		t.Errorf("the second start changed the numbers of rows from %v to %v", before, after)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("with --dir, something was left in the folder for temporary files: %v %v", left, err)
	}
}

// TestCrashDemoStopped stops a demo while it makes its world: nothing is left, and no
// ready file lies.
func TestCrashDemoStopped(t *testing.T) {
	temp := t.TempDir()
	ready := filepath.Join(t.TempDir(), "ready.json")
	p := launch(t, temp, "demo", "--addr", "127.0.0.1:0", "--ready-file", ready)
	poll(t, "the demo makes something", func() bool {
		_, ok := p.find(func(l line) bool { return strings.HasPrefix(l.raw, "making") })
		return ok
	})
	p.signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(25 * time.Second):
		t.Fatal("the demo did not end within 25 s after SIGTERM")
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("the temporary folder was not removed: %v %v", left, err)
	}
	if _, err := os.Stat(ready); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a demo that was stopped before it was ready left a ready file: %v", err)
	}
}

// TestCrashDemoElsewhere refuses to make a demo of an installation that people use.
func TestCrashDemoElsewhere(t *testing.T) {
	data := t.TempDir()
	s := launchServe(t, data)
	setup(t, s.Site, &s.out)
	s.stop(25 * time.Second)
	p := launch(t, t.TempDir(), "demo", "--addr", "127.0.0.1:0", "--dir", data)
	select {
	case <-p.ended:
	case <-time.After(25 * time.Second):
		t.Fatal("a demo runs on an installation that people use")
	}
	if _, ok := p.find(func(l line) bool { return strings.Contains(l.raw, "holds something else") }); p.code != 1 || !ok {
		t.Errorf("the demo ended with code %d and does not say why", p.code)
	}
}
