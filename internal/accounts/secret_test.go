package accounts_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"steward/internal/config"
	"steward/internal/id"
	"steward/web/webtest"
)

// journal is a log that is read while it is written.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// TestASVS_16_2_5 and 14.2.1: nothing that lets somebody in is in the log or the database,
// in whatever spelling, after all ways in were used.
func TestASVS_16_2_5(t *testing.T) {
	t.Parallel()
	log, data := new(journal), t.TempDir()
	s := webtest.Open(t, webtest.Options{Idle: true, Log: log, Data: data, DSN: "sqlite:" + filepath.Join(data, "steward.db"), Config: func(c *config.Config) { c.SMTP = config.MailboxURL }})
	const password, another = fresh, "eight amber lanterns sway"
	activation := invite(s, "nina@example.com")
	c := s.Anonymous()
	open(c, activation).Want(http.StatusOK)
	c.Post("/activate", url.Values{"email": {"nina@example.com"}, "name": {"Nina"}, "password": {password}, "repeat": {password}}).Want(http.StatusSeeOther)
	login := func(password string) webtest.Response {
		return c.Post("/login", url.Values{"email": {"nina@example.com"}, "password": {password}})
	}
	login(password).Want(http.StatusSeeOther)
	secret, codes := s.TwoStep(c)
	c.Post("/account/recovery-codes/stored", url.Values{}).Want(http.StatusSeeOther)
	// A form with a key is remembered by what was sent: not by a password that was in it.
	c.Post("/account/confirm", url.Values{"current": {password}, "code": {codes[2]}, "next": {"/"}, "_key": {"a-key"}}).Want(http.StatusSeeOther)
	digest := id.Digest(url.Values{"current": {password}, "code": {codes[2]}, "next": {"/"}}.Encode())
	first := session(c).Value
	c.Post("/logout", url.Values{}).Want(http.StatusSeeOther)
	login("wrong wrong wrong").Want(http.StatusUnprocessableEntity)
	login(password).Want(http.StatusSeeOther)
	var pending, device string
	for _, k := range c.HTTP.Jar.Cookies(c.Request("GET", "/", nil).URL) {
		switch k.Name {
		case "pending":
			pending = k.Value
		case "device":
			device = k.Value
		}
	}
	second(c, codes[0]).Want(http.StatusSeeOther)
	forgot(s.Anonymous(), "nina@example.com").Want(http.StatusSeeOther)
	reset1 := letters(s, "nina@example.com")[0]
	open(c, reset1).Want(http.StatusOK)
	reset(c, "nina@example.com", another).Want(http.StatusSeeOther)
	last := session(c).Value

	var kept strings.Builder
	for _, name := range []string{"steward.db", "steward.db-wal"} {
		b, err := os.ReadFile(filepath.Join(data, name))
		if err != nil {
			t.Fatal(err)
		}
		kept.Write(b)
	}
	places := map[string]string{"log": log.String(), "database": kept.String()}
	if !strings.Contains(places["log"], `"path":"/activate/:code"`) || !strings.Contains(places["database"], "nina@example.com") {
		t.Fatal("there is nothing to look into")
	}
	code := func(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }
	for what, value := range map[string]string{
		"password": password, "new password": another, "wrong password": "wrong wrong wrong", "factor": secret, "recovery code": codes[1], "used recovery code": codes[0],
		"digest of a form": digest, "session": first, "last session": last, "sign-in under way": pending, "browser": device, "activation": code(activation), "reset": code(reset1),
	} {
		if value == "" {
			t.Fatalf("no %s", what)
		}
		for spelling, text := range map[string]string{"plain": value, "base64": base64.StdEncoding.EncodeToString([]byte(value)), "URL": url.QueryEscape(value), "hex": hex.EncodeToString([]byte(value)), "bare": strings.ToUpper(strings.ReplaceAll(value, "-", ""))} {
			for place, content := range places {
				if strings.Contains(content, text) {
					t.Errorf("the %s holds the %s (%s)", place, what, spelling)
				}
			}
		}
	}
}
