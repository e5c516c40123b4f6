package mail_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/config"
	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/internal/id"
	"steward/internal/mail"
	"steward/web/webtest"
)

// parts are the texts of a multipart message by their types.
func parts(t *testing.T, d delivery) map[string]string {
	t.Helper()
	m := d.parse(t)
	kind, p, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("Content-Type %s (%v)", kind, err)
	}
	out := map[string]string{}
	r := multipart.NewReader(m.Body, p["boundary"])
	for {
		part, err := r.NextRawPart()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		out[part.Header.Get("Content-Type")] = string(text)
	}
}

// TestDelivery: a letter arrives once, as text and as HTML, with the headers it must have.
func TestDelivery(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	s := sink.site()
	u := s.User("")
	n := send(t, s, mail.Letter{Kind: mail.Activate, To: "hana@example.com", Name: "Hana Dvořáková", UserID: u.ID, Path: "/activate/one-code", Values: map[string]string{"inviter": "Vera <Lindqvist>"}})
	work(t, s)
	work(t, s)
	got := sink.only()
	if got.from != "steward@console.example" || len(got.to) != 1 || got.to[0] != "hana@example.com" {
		t.Errorf("from %s to %v", got.from, got.to)
	}
	h := got.parse(t).Header
	m := state(t, s, n)
	for name, want := range map[string]string{"From": `"Steward" <steward@console.example>`, "Auto-Submitted": "auto-generated", "Message-Id": "<" + m.MessageID + ">", "Subject": "Activate your Steward account", "Mime-Version": "1.0"} {
		if h.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, h.Get(name), want)
		}
	}
	if to, err := h.AddressList("To"); err != nil || to[0].Name != "Hana Dvořáková" || !strings.Contains(h.Get("To"), "=?utf-8?") {
		t.Errorf("To %q", h.Get("To"))
	}
	if at, err := h.Date(); err != nil || at.Unix() != m.CreatedAt.Unix() {
		t.Errorf("Date %q, want %s", h.Get("Date"), m.CreatedAt)
	}
	both := parts(t, got)
	link := s.URL + "/activate/one-code"
	if text := both["text/plain; charset=UTF-8"]; !strings.Contains(text, "\r\n"+link+"\r\n") || !strings.Contains(text, "Vera <Lindqvist> has made an account for you") {
		t.Errorf("the text is %q", text)
	}
	if html := both["text/html; charset=UTF-8"]; !strings.Contains(html, `href="`+link+`"`) || !strings.Contains(html, "Vera &lt;Lindqvist&gt; has made") {
		t.Errorf("the HTML is %q", html)
	}
	if m.State != mail.Sent || m.Kept() || m.Attempts != 1 || m.UserID != u.ID {
		t.Errorf("%+v", m)
	}
	if says := events(s); len(says) != 1 || says[0] != fmt.Sprintf("The mail %d (activate) to hana@example.com was sent.", n) {
		t.Errorf("events: %q", says)
	}
}

// TestServerComesBack: while the server is down nothing is lost, and nothing comes twice.
func TestServerComesBack(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	s := sink.site()
	sink.close()
	n := send(t, s, mail.Letter{Kind: mail.PasswordChanged, To: "a@example.com"})
	first := state(t, s, n).MessageID
	for _, wait := range []time.Duration{0, 31 * time.Second, 61 * time.Second, 121 * time.Second} {
		s.Clock.Forward(wait)
		work(t, s)
	}
	m := state(t, s, n)
	if m.State != mail.Waiting || m.Attempts != 4 || m.Reason != "The mail server "+sink.addr+" cannot be reached: connection refused" {
		t.Errorf("%+v", m)
	}
	sink.listen(sink.addr)
	work(t, s) // it is not due yet
	if len(sink.mails()) != 0 {
		t.Error("an attempt did not wait for its time")
	}
	for range 3 {
		s.Clock.Forward(6 * time.Hour)
		work(t, s)
	}
	if got := sink.only().parse(t).Header.Get("Message-ID"); got != "<"+first+">" {
		t.Errorf("Message-ID %s, want %s", got, first)
	}
	if m := state(t, s, n); m.State != mail.Sent || m.Reason != "" {
		t.Errorf("%+v", m)
	}
}

// TestGivesUp: after 48 hours a mail is dead, and its job has ended.
func TestGivesUp(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	sink.answers = say("RCPT", 451, "try later")
	s := sink.site()
	n := send(t, s, mail.Letter{Kind: mail.PasswordChanged, To: "a@example.com"})
	start := s.App.DB.Now()
	for state(t, s, n).State == mail.Waiting {
		if s.App.DB.Now().Sub(start) > 55*time.Hour {
			t.Fatal("it does not give up")
		}
		work(t, s)
		s.Clock.Forward(time.Hour)
	}
	m := state(t, s, n)
	if took := m.ChangedAt.Sub(start); m.State != mail.Dead || took < 48*time.Hour || !m.Kept() || m.Attempts < 10 {
		t.Errorf("after %s: %+v", took, m)
	}
	if j := job(s); j.state != "success" || j.says != "Not sent, and not tried again: "+m.Reason {
		t.Errorf("the job: %+v", j)
	}
	if says := events(s); len(says) != 1 || says[0] != fmt.Sprintf("The mail %d (password changed) to a@example.com was not sent, and is not tried again: %s", n, m.Reason) {
		t.Errorf("events: %q", says)
	}
}

// jobEnd is how a job stands, and the last line of its log.
type jobEnd struct{ state, says string }

// job is the only one that sends mail.
func job(s *webtest.Site) (j jobEnd) {
	s.View(func(tx *db.Tx) (err error) {
		j, err = db.One(tx, func(r db.Row) (j jobEnd, err error) { return j, r.Scan(&j.state, &j.says) },
			"SELECT state, message FROM jobs JOIN job_log ON job_id = id WHERE operation = $1 ORDER BY seq DESC LIMIT 1", mail.Deliver)
		return err
	})
	return j
}

// TestAnswers: what a server refuses for good is not tried again, what it puts off is.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers func(string) error
		dead    bool
		reason  string
	}{
		"greeting 4xx":  {say("EHLO", 421, "busy"), false, "the greeting: 421"},
		"greeting 5xx":  {say("EHLO", 554, "not you"), false, "the greeting: 554"},
		"sender 4xx":    {say("MAIL", 451, "busy"), false, "the sender: 451 4.1.1 busy"},
		"sender 5xx":    {say("MAIL", 550, "not from you"), true, "the sender: 550 5.1.1 not from you"},
		"recipient 4xx": {say("RCPT", 450, "greylisted"), false, "the recipient: 450 4.1.1 greylisted"},
		"recipient 5xx": {say("RCPT", 550, "no such user"), true, "the recipient: 550 5.1.1 no such user"},
		"content 4xx":   {say("DATA", 452, "full"), false, "the mail: 452 4.1.1 full"},
		"content 5xx":   {say("DATA", 554, "spam\u202e \x1b[31m"+strings.Repeat("!", 400)), true, "the mail: 554 5.1.1 spam [31m!!!"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink := newSink(t)
			sink.answers = c.answers
			s := sink.site()
			n := send(t, s, mail.Letter{Kind: mail.PasswordChanged, To: "a@example.com"})
			work(t, s)
			m := state(t, s, n)
			if (m.State == mail.Dead) != c.dead || !strings.Contains(m.Reason, c.reason) || len([]rune(m.Reason)) > 300 || m.Attempts != 1 {
				t.Errorf("%s: %q", m.State, m.Reason)
			}
			s.Clock.Forward(31 * time.Second)
			sink.answers = func(string) error { return nil }
			work(t, s)
			if sent := len(sink.mails()) == 1; sent == c.dead {
				t.Errorf("sent afterwards: %v", sent)
			}
		})
	}
}

// TestSilentServer: who asks for a mail does not wait for the server, and the job does
// not wait for ever.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	s := webtest.Open(t, webtest.Options{Config: func(c *config.Config) {
		c.SMTP, c.MailFrom = "smtp://"+ln.Addr().String(), "steward@console.example"
	}})
	start := time.Now()
	n := send(t, s, mail.Letter{Kind: mail.PasswordChanged, To: "a@example.com"})
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("sending took %s", took)
	}
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	// The job speaks to the server now, and keeps nobody from writing.
	start = time.Now()
	send(t, s, mail.Letter{Kind: mail.PasswordChanged, To: "b@example.com"})
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("sending another took %s", took)
	}
	if m := state(t, s, n); m.State != mail.Waiting || m.Attempts != 1 {
		t.Errorf("%+v", m)
	}
}

// TestExpires: a letter is not sent once its time is over.
func TestExpires(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	sink.answers = say("RCPT", 450, "later")
	s := sink.site()
	n := send(t, s, mail.Letter{Kind: mail.ResetPassword, To: "a@example.com", Path: "/password/reset/some-code", Until: s.App.DB.Now().Add(time.Hour)})
	work(t, s)
	sink.answers = func(string) error { return nil }
	s.Clock.Forward(time.Hour)
	work(t, s)
	if m := state(t, s, n); m.State != mail.Expired || m.Kept() || len(sink.mails()) != 0 {
		t.Errorf("%+v, %d came", m, len(sink.mails()))
	}
	if j := job(s); j.state != "success" || j.says != "Not sent, because its time is over." {
		t.Errorf("the job: %+v", j)
	}
}

// TestNoServer: without a server a mail is dead at once, and no job goes on trying.
func TestNoServer(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	n := send(t, s, mail.Letter{Kind: mail.Activate, To: "a@example.com", Path: "/activate/x"})
	work(t, s)
	if m := state(t, s, n); m.State != mail.Dead || m.Reason != "No mail server is configured (--smtp)." || !m.Kept() {
		t.Errorf("%+v", m)
	}
	if j := job(s); j.state != "success" || j.says != "Not sent, and not tried again: No mail server is configured (--smtp)." {
		t.Errorf("the job: %+v", j)
	}
}

// TestTakenOver: a worker that lost its job while the server took the mail sees to it that
// the next one does not send it again.
func TestTakenOver(t *testing.T) {
	t.Parallel()
	dsn := dbtest.DSN(t)
	sink := newSink(t)
	var once sync.Once
	sink.answers = func(command string) error {
		if strings.HasPrefix(command, "DATA") {
			once.Do(func() {
				dbtest.Raw(t, dsn, "UPDATE jobs SET state = 'waiting', owner = '', lease_until = NULL, attempt = attempt + 1 WHERE operation = 'mail.deliver'")
			})
		}
		return nil
	}
	s := webtest.Open(t, webtest.Options{Idle: true, DSN: dsn, Config: func(c *config.Config) {
		c.SMTP, c.MailFrom = "smtp://"+sink.addr, "steward@console.example"
	}})
	n := send(t, s, mail.Letter{Kind: mail.PasswordChanged, To: "a@example.com"})
	work(t, s)
	work(t, s)
	sink.only()
	if m := state(t, s, n); m.State != mail.Sent {
		t.Errorf("%+v", m)
	}
	if j := job(s); j.state != "success" || j.says != "There was nothing to send any more." {
		t.Errorf("the job: %+v", j)
	}
	if says := events(s); len(says) != 1 {
		t.Errorf("events: %q", says)
	}
}

// TestKilled: a process that dies after the server took the mail, and before it could note
// that, leads to one more mail with the same Message-ID.
func TestKilled(t *testing.T) {
	t.Parallel()
	dsn := dbtest.DSN(t)
	sink := newSink(t)
	s := webtest.Open(t, webtest.Options{Idle: true, DSN: dsn, Config: func(c *config.Config) {
		c.SMTP, c.MailFrom = "smtp://"+sink.addr, "steward@console.example"
	}})
	n := send(t, s, mail.Letter{Kind: mail.Activate, To: "a@example.com", Path: "/activate/code"})
	sealed := value(s, "SELECT content FROM mails")
	work(t, s)
	dbtest.Raw(t, dsn, "UPDATE mails SET state = 'waiting', content = '"+sealed+"'")
	dbtest.Raw(t, dsn, "UPDATE jobs SET state = 'waiting', attempt = attempt + 1, finished_at = NULL WHERE operation = 'mail.deliver'")
	work(t, s)
	work(t, s)
	got := sink.mails()
	if len(got) != 2 || got[0].parse(t).Header.Get("Message-ID") != got[1].parse(t).Header.Get("Message-ID") {
		t.Errorf("%d mails came", len(got))
	}
	if m := state(t, s, n); m.State != mail.Sent {
		t.Errorf("%+v", m)
	}
}

func value(s *webtest.Site, query string) (v string) {
	s.View(func(tx *db.Tx) (err error) { v, err = db.Value[string](tx, query); return err })
	return v
}

// TestStopping: a worker that stops in the middle of a mail gives it back, and does not
// blame the server.
func TestStopping(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	s := webtest.Open(t, webtest.Options{Idle: true, Config: func(c *config.Config) {
		c.SMTP, c.MailFrom = "smtp://"+ln.Addr().String(), "steward@console.example"
	}})
	n := send(t, s, mail.Letter{Kind: mail.PasswordChanged, To: "a@example.com"})
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		if conn, err := ln.Accept(); err == nil {
			stop <- struct{}{}
			_, _ = io.Copy(io.Discard, conn) // until the worker hangs up
			_ = conn.Close()
		}
	}()
	working, end := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.App.Jobs.Work(working, time.Millisecond) }()
	<-stop
	end()
	<-done
	if m := state(t, s, n); m.State != mail.Waiting || m.Reason != "" {
		t.Errorf("%+v", m)
	}
	if j := job(s); j.state != "waiting" {
		t.Errorf("the job: %+v", j)
	}
}

// TestSecretsStaySealed: the code of a link is nowhere but in the mail, neither as it is nor
// encoded, whatever becomes of the mail.
func TestSecretsStaySealed(t *testing.T) {
	t.Parallel()
	dsn := dbtest.DSN(t)
	var log lines
	sink := newSink(t)
	s := webtest.Open(t, webtest.Options{Idle: true, DSN: dsn, Log: &log, Config: func(c *config.Config) {
		c.SMTP, c.MailFrom = "smtp://"+sink.addr, "steward@console.example"
	}})
	code := id.Secret()
	letter := func(kind mail.Kind, path string) mail.Letter {
		return mail.Letter{Kind: kind, To: "a@example.com", Path: path + code, Values: map[string]string{"inviter": code + "-value"}}
	}
	look := func(when string) {
		t.Helper()
		all := everything(t, s, dsn) + log.String()
		for _, form := range forms(code) {
			if strings.Contains(all, form) {
				t.Errorf("%s: %q is there to be read", when, form)
			}
		}
	}
	n := send(t, s, letter(mail.Activate, "/activate/"))
	look("waiting")
	sink.answers = func(command string) error { // a server that quotes what it refuses
		if raw, ok := strings.CutPrefix(command, "DATA "); ok {
			plain, _ := io.ReadAll(quotedprintable.NewReader(strings.NewReader(raw)))
			if !bytes.Contains(plain, []byte(code)) {
				t.Error("the mail has no code")
			}
			return say("DATA", 451, "suspicious link "+s.URL+"/activate/"+code+" and "+code[:20])(command)
		}
		return nil
	}
	work(t, s)
	if m := state(t, s, n); !strings.Contains(m.Reason, "suspicious link "+s.URL+"/activate/…") {
		t.Errorf("the reason is %q", m.Reason)
	}
	look("put off")
	sink.answers = func(string) error { return nil }
	s.Clock.Forward(time.Minute)
	work(t, s)
	if m := state(t, s, n); m.State != mail.Sent || !strings.Contains(sink.only().raw, code[:10]) {
		t.Errorf("%+v", m)
	}
	look("sent")
	sink.answers = say("RCPT", 550, "no such user")
	n = send(t, s, letter(mail.ResetPassword, "/password/reset/"))
	work(t, s)
	if m := state(t, s, n); m.State != mail.Dead {
		t.Errorf("%+v", m)
	}
	look("dead")
}

// forms are a code as it might be written somewhere, also as a part of a longer text.
func forms(code string) []string {
	out := []string{code, code[:16], code[len(code)-16:], url.QueryEscape(code), base64.RawStdEncoding.EncodeToString([]byte(code))}
	for pad := range 3 { // the three ways in which it may lie in a longer text
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			out = append(out, e.EncodeToString([]byte(strings.Repeat("x", pad) + code))[4:40])
		}
	}
	return append(out, fmt.Sprintf("%x", code))
}

// everything is all that the database holds: the bytes of its files, or its rows.
func everything(t *testing.T, s *webtest.Site, dsn string) string {
	t.Helper()
	var all strings.Builder
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		files, err := filepath.Glob(path + "*")
		if err != nil || len(files) < 2 {
			t.Fatalf("%v, %v", files, err)
		}
		for _, f := range files {
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(raw)
		}
		if !strings.Contains(all.String(), "a@example.com") {
			t.Fatal("the files do not hold the recipient either")
		}
	}
	s.View(func(tx *db.Tx) error {
		for _, query := range []string{"SELECT kind || recipient || reason || content || message_id FROM mails", "SELECT params || results || error_message FROM jobs",
			"SELECT message FROM job_log", "SELECT message || params || results || object_name FROM events"} {
			rows, err := db.All(tx, db.Scalar[string], query)
			if err != nil {
				return err
			}
			all.WriteString(strings.Join(rows, "\n"))
		}
		return nil
	})
	return all.String()
}

// lines is a log that is read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
