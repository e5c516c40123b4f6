package main

import (
	"path/filepath"
	"strings"
	"testing"
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
