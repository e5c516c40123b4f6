package main

import (
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"steward/internal/app"
	"steward/internal/config"
	"steward/internal/db"
)

// TestUser manages accounts as an operator does.
func TestUser(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	user := func(stdin, want, refused string, args ...string) {
		t.Helper()
		out, err := command(t, stdin, append(append([]string{"user"}, args...), "--data", data, "--public-url", "https://console.example.com", "--behind-proxy")...)
		if !strings.Contains(out, want) || (err == nil) != (refused == "") || err != nil && !strings.Contains(err.Error(), refused) {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	user("short\n", "", "at least 15", "add", "root@example.com", "--super-admin")
	user("root-root-root-root\n", "", "Choose another", "add", "root@example.com", "--super-admin")
	user("seven violet kettles hum\n", "root@example.com may sign in now.", "", "add", "root@example.com", "--super-admin", "--name", "Root")
	user("", "https://console.example.com/activate/stw_", "", "invite", "Nina@example.com")
	user("", "", "already", "invite", "nina@example.com")
	user("", "https://console.example.com/activate/stw_", "", "link", "nina@example.com")
	user("", "https://console.example.com/password/reset/stw_", "", "link", "root@example.com")
	user("", "", "there is no account for nobody@example.com", "disable", "nobody@example.com")
	user("", "", "last super admin", "disable", "root@example.com")
	user("", "", "last super admin", "super-admin", "root@example.com", "--revoke")
	user("", "", "can sign in", "super-admin", "nina@example.com")
	user("", "nina@example.com is disabled.", "", "disable", "nina@example.com")
	user("", "", "is disabled. Enable it", "link", "nina@example.com")
	user("", "nina@example.com is enabled.", "", "enable", "nina@example.com")
	user("", "has no second factor", "", "reset-mfa", "root@example.com")
	user("", "root@example.com is signed out everywhere.", "", "end-sessions", "root@example.com")
}

// TestASVS_6_3_7_operator: what the operator does to an account, its person is told by mail.
func TestASVS_6_3_7_operator(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	user := func(stdin string, args ...string) string {
		t.Helper()
		out, err := command(t, stdin, append(append([]string{"user"}, args...), "--data", data)...)
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return out
	}
	user("seven violet kettles hum\n", "add", "root@example.com", "--super-admin")
	user("eight amber lanterns sway\n", "add", "nina@example.com")
	a, err := app.Open(t.Context(), config.Config{Data: data, Addr: "127.0.0.1:0"}, slog.New(slog.DiscardHandler), app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	err = a.DB.Update(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec("INSERT INTO factors (user_id, secret, last_step, failures, codes_sealed, codes_at, created_at) SELECT id, '', 0, 0, '', 0, 1 FROM users WHERE email = 'nina@example.com'")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if out := user("", "reset-mfa", "nina@example.com"); !strings.Contains(out, "/two-step/lost/stw_") {
		t.Errorf("reset-mfa prints %q", out)
	}
	user("", "link", "nina@example.com")
	user("", "end-sessions", "nina@example.com")
	user("", "disable", "nina@example.com")
	user("", "enable", "nina@example.com")
	var kinds []string
	err = a.DB.View(t.Context(), func(tx *db.Tx) (err error) {
		kinds, err = db.All(tx, db.Scalar[string], "SELECT kind FROM mails WHERE recipient = 'nina@example.com' ORDER BY id LIMIT 100")
		return err
	})
	if want := []string{"factorLost", "resetByAdmin", "sessionsEnded", "accountDisabled", "accountEnabled"}; err != nil || !slices.Equal(kinds, want) {
		t.Errorf("mails %q, %v, want %q", kinds, err, want)
	}
}
