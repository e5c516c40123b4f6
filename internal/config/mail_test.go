package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"steward/internal/config"
)

const from = "Steward <steward@example.com>"

func TestMail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg  config.Config
		says string // part of the refusal; "" = accepted
	}{
		"no mail":                  {config.Config{}, ""},
		"only a sender":            {config.Config{MailFrom: from}, ""},
		"a server":                 {config.Config{SMTP: "smtp://u:sesame@mail.example.com:587", MailFrom: from}, ""},
		"TLS from the start":       {config.Config{SMTP: "smtps://u:sesame@mail.example.com", MailFrom: "steward@example.com"}, ""},
		"no password is needed":    {config.Config{SMTP: "smtp://mail.example.com", MailFrom: from}, ""},
		"a password's file":        {config.Config{SMTP: "smtp://u@mail.example.com", SMTPPasswordFile: "p", MailFrom: from}, ""},
		"no sender":                {config.Config{SMTP: "smtp://mail.example.com"}, "--mail-from"},
		"no address":               {config.Config{SMTP: "smtp://mail.example.com", MailFrom: "Steward"}, "--mail-from"},
		"a sender of two lines":    {config.Config{SMTP: "smtp://mail.example.com", MailFrom: "a@example.com\r\nBcc: b@example.com"}, "--mail-from"},
		"two senders":              {config.Config{SMTP: "smtp://mail.example.com", MailFrom: "a@example.com, b@example.com"}, "--mail-from"},
		"another scheme":           {config.Config{SMTP: "http://u:sesame@mail.example.com", MailFrom: from}, "--smtp"},
		"no scheme":                {config.Config{SMTP: "mail.example.com:587", MailFrom: from}, "--smtp"},
		"no host":                  {config.Config{SMTP: "smtp://u:sesame@:587", MailFrom: from}, "--smtp"},
		"no port":                  {config.Config{SMTP: "smtp://u:sesame@mail.example.com:0", MailFrom: from}, "--smtp"},
		"a bad port":               {config.Config{SMTP: "smtp://u:sesame@mail.example.com:port", MailFrom: from}, "--smtp"},
		"a password with a slash":  {config.Config{SMTP: "smtp://u:sesame/x@mail.example.com", MailFrom: from}, "--smtp"},
		"a password with a hash":   {config.Config{SMTP: "smtp://u:sesame#x@mail.example.com", MailFrom: from}, "--smtp"},
		"a password with percents": {config.Config{SMTP: "smtp://u:sesame%zz@mail.example.com", MailFrom: from}, "%2F"},
		"a path":                   {config.Config{SMTP: "smtp://mail.example.com/sesame", MailFrom: from}, "--smtp"},
		"a query":                  {config.Config{SMTP: "smtp://mail.example.com?password=sesame", MailFrom: from}, "--smtp"},
		"two passwords":            {config.Config{SMTP: "smtp://u:sesame@mail.example.com", SMTPPasswordFile: "p", MailFrom: from}, "--smtp-password-file"},
		"no user":                  {config.Config{SMTP: "smtp://:sesame@mail.example.com", MailFrom: from}, "no user"},
		"no password":              {config.Config{SMTP: "smtp://u@mail.example.com", MailFrom: from}, "--smtp-password-file"},
		"a file for no server":     {config.Config{SMTPPasswordFile: "p"}, "--smtp"},
		"a mailbox":                {config.Config{SMTP: "mailbox:"}, ""},
		"a mailbox with a sender":  {config.Config{SMTP: "mailbox:", MailFrom: from}, ""},
		"a mailbox with a file":    {config.Config{SMTP: "mailbox:", SMTPCAFile: "f"}, "no meaning"},
		"a mailbox for everybody":  {config.Config{SMTP: "mailbox:", BehindProxy: true, PublicURL: "https://console.example.com"}, "this machine only"},
		"a mailbox behind TLS":     {config.Config{SMTP: "mailbox:", Addr: ":443", TLSCert: "c", TLSKey: "k", PublicURL: "https://localhost"}, "this machine only"},
	} {
		if c.cfg.Addr == "" {
			c.cfg.Addr = "127.0.0.1:8080"
		}
		c.cfg.Data = t.TempDir()
		err := c.cfg.Check()
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %v, want a refusal that names %q", name, err, c.says)
		case err != nil && strings.Contains(err.Error(), "sesame"):
			t.Errorf("%s: the password is told: %v", name, err)
		}
	}
}

func TestMailServer(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("open sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]config.MailServer{
		"smtp://u@mail.example.com":                 {Host: "mail.example.com", Port: "587", User: "u", Password: "open sesame"},
		"smtps://u%40example.com@mail.example.com/": {Host: "mail.example.com", Port: "465", TLS: true, User: "u@example.com", Password: "open sesame"},
		"smtp://u@127.0.0.1:25":                     {Host: "127.0.0.1", Port: "25", Plain: true, User: "u", Password: "open sesame"},
		"smtp://u@[::1]:25":                         {Host: "::1", Port: "25", Plain: true, User: "u", Password: "open sesame"},
	} {
		c := config.Config{SMTP: in, SMTPPasswordFile: file}
		if got, err := c.MailServer(); err != nil || got != want {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
	}
	c := config.Config{SMTP: "smtp://u@mail.example.com", SMTPPasswordFile: file + "-not-there"}
	if _, err := c.MailServer(); err == nil || !strings.HasPrefix(err.Error(), "--smtp-password-file") {
		t.Errorf("no such file: %v", err)
	}
}
