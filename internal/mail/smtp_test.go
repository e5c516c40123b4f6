package mail_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"steward/internal/config"
	"steward/internal/mail"
)

// TestASVS_12_3_1: a server on another machine is told nothing without TLS.
func TestASVS_12_3_1(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	cfg := config.Config{SMTP: "smtp://" + sink.addr, MailFrom: "steward@console.example"}
	err := mail.SendElsewhere(t.Context(), cfg, time.Second)
	if err == nil || !strings.Contains(err.Error(), "does not offer STARTTLS") || len(sink.mails()) != 0 {
		t.Errorf("without STARTTLS: %v, %d came", err, len(sink.mails()))
	}
	pair, file := certificate(t)
	sink = newSink(t, func(k *mailServer) { k.tls = pair })
	cfg.SMTP, cfg.SMTPCAFile = "smtp://"+sink.addr, file
	if err := mail.SendElsewhere(t.Context(), cfg, time.Second); err != nil {
		t.Fatal(err)
	}
	if sink.only(); !sink.secure {
		t.Error("the mail came without TLS")
	}
}

// TestASVS_12_3_2: a certificate that nobody has signed is not trusted, unless its file
// says so, neither by STARTTLS nor by smtps, also on this machine.
func TestASVS_12_3_2(t *testing.T) {
	t.Parallel()
	for _, smtps := range []bool{false, true} {
		pair, file := certificate(t)
		sink := newSink(t, func(k *mailServer) { k.tls, k.smtps = pair, smtps })
		s := sink.site(func(c *config.Config) { c.SMTP = scheme(smtps) + sink.addr })
		n := send(t, s, mail.Letter{Kind: mail.PasswordChanged, To: "a@example.com"})
		work(t, s)
		if m := state(t, s, n); m.State != mail.Waiting || !strings.Contains(m.Reason, "has a certificate that is not trusted") || len(sink.mails()) != 0 {
			t.Errorf("smtps %v: %s, %q", smtps, m.State, m.Reason)
		}
		_, other := certificate(t)
		for _, ca := range []string{other, file} {
			s := sink.site(func(c *config.Config) { c.SMTP, c.SMTPCAFile = scheme(smtps)+sink.addr, ca })
			n := send(t, s, mail.Letter{Kind: mail.PasswordChanged, To: "a@example.com"})
			work(t, s)
			if m := state(t, s, n); (m.State == mail.Sent) != (ca == file) {
				t.Errorf("smtps %v, with the right file %v: %s, %q", smtps, ca == file, m.State, m.Reason)
			}
		}
		if sink.only(); !sink.secure {
			t.Error("the mail came without TLS")
		}
	}
}

func scheme(smtps bool) string {
	if smtps {
		return "smtps://"
	}
	return "smtp://"
}

// TestPassword: the server gets the password, from the URL or from a file, and nobody else.
func TestPassword(t *testing.T) {
	t.Parallel()
	pair, ca := certificate(t)
	sink := newSink(t, func(k *mailServer) { k.tls, k.user = pair, "steward:p@ss/word#1" })
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("p@ss/word#1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ user, file string }{{"steward:p%40ss%2Fword%231", ""}, {"steward", file}} {
		s := sink.site(func(cfg *config.Config) {
			cfg.SMTP, cfg.SMTPCAFile, cfg.SMTPPasswordFile = "smtp://"+c.user+"@"+sink.addr, ca, c.file
		})
		n := send(t, s, mail.Letter{Kind: mail.PasswordChanged, To: "a@example.com"})
		work(t, s)
		if m := state(t, s, n); m.State != mail.Sent {
			t.Errorf("%+v: %s, %q", c, m.State, m.Reason)
		}
	}
	s := sink.site(func(cfg *config.Config) { cfg.SMTP, cfg.SMTPCAFile = "smtp://steward:wrong-one@"+sink.addr, ca })
	n := send(t, s, mail.Letter{Kind: mail.PasswordChanged, To: "a@example.com"})
	work(t, s)
	if m := state(t, s, n); m.State != mail.Waiting || !strings.Contains(m.Reason, "answered to the user and password: 535") || strings.Contains(m.Reason, "wrong-one") {
		t.Errorf("a wrong password: %s, %q", m.State, m.Reason)
	}
}

// TestSteps: a server that says nothing, or stops in the middle, is left after the time of
// a step.
func TestSteps(t *testing.T) {
	t.Parallel()
	for name, says := range map[string]string{"nothing": "", "a greeting": "220 hello\r\n", "half a greeting": "220 he"} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ln.Close() })
		go func() {
			if conn, err := ln.Accept(); err == nil {
				_, _ = conn.Write([]byte(says))
				<-t.Context().Done()
				_ = conn.Close()
			}
		}()
		start := time.Now()
		err = mail.SendElsewhere(t.Context(), config.Config{SMTP: "smtp://" + ln.Addr().String(), MailFrom: "s@example.com"}, 100*time.Millisecond)
		if err == nil || !strings.Contains(err.Error(), "did not answer in time") || time.Since(start) > 5*time.Second {
			t.Errorf("%s: %v after %s", name, err, time.Since(start))
		}
	}
}

// TestWhole: a server that goes on slowly, a sign at a time, is left after the time of an
// attempt.
func TestWhole(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	go func() {
		conn, err := ln.Accept()
		for err == nil {
			time.Sleep(20 * time.Millisecond)
			_, err = conn.Write([]byte("2"))
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	err = mail.SendElsewhere(ctx, config.Config{SMTP: "smtp://" + ln.Addr().String(), MailFrom: "s@example.com"}, time.Second)
	if err == nil || !strings.Contains(err.Error(), "did not answer in time") || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(start))
	}
}
