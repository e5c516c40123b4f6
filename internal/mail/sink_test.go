package mail_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"steward/internal/config"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/mail"
	"steward/web/webtest"
)

// mailServer is a real mail server, which keeps what it gets.
type mailServer struct {
	t       testing.TB
	addr    string
	close   func()
	tls     *tls.Config // it offers STARTTLS
	smtps   bool        // or speaks TLS from the start
	user    string      // it lets nobody else send
	answers func(command string) error

	mu     sync.Mutex
	got    []delivery
	logins []string
	secure bool // the last mail came by TLS
}

// delivery is a mail that the sink took.
type delivery struct {
	from string
	to   []string
	raw  string
}

func (d delivery) parse(t *testing.T) *netmail.Message {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(d.raw))
	if err != nil {
		t.Fatalf("%v in %s", err, d.raw)
	}
	return m
}

func newSink(t testing.TB, changes ...func(*mailServer)) *mailServer {
	t.Helper()
	s := &mailServer{t: t, answers: func(string) error { return nil }}
	for _, change := range changes {
		change(s)
	}
	s.listen("127.0.0.1:0")
	return s
}

// listen starts the server, at the same address as before when it is given.
func (s *mailServer) listen(addr string) {
	s.t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	srv := smtp.NewServer(s)
	srv.Domain, srv.TLSConfig, srv.AllowInsecureAuth = "sink.example", s.tls, true
	srv.ErrorLog = quiet{}
	if s.smtps {
		ln = tls.NewListener(ln, s.tls)
		srv.TLSConfig = nil
	}
	go func() { _ = srv.Serve(ln) }()
	s.close = func() { _, _ = ln.Close(), srv.Close() }
	s.t.Cleanup(s.close)
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

func (s *mailServer) mails() []delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]delivery(nil), s.got...)
}

// only is the one mail that came.
func (s *mailServer) only() delivery {
	s.t.Helper()
	got := s.mails()
	if len(got) != 1 {
		s.t.Fatalf("%d mails came, want one", len(got))
	}
	return got[0]
}

// NewSession implements smtp.Backend.
func (s *mailServer) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{mailServer: s, conn: c}, s.answers("EHLO")
}

type session struct {
	*mailServer
	conn *smtp.Conn
	in   delivery
	who  string
}

func (s *session) AuthMechanisms() []string {
	if s.user == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.logins = append(s.logins, user+":"+password)
		if user+":"+password != s.user {
			return &smtp.SMTPError{Code: 535, Message: "wrong user or password " + password}
		}
		s.who = user
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.user != "" && s.who == "" {
		return smtp.ErrAuthRequired
	}
	s.in = delivery{from: from}
	return s.answers("MAIL")
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.in.to = append(s.in.to, to)
	return s.answers("RCPT")
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := s.answers("DATA " + string(raw)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.in.raw = string(raw)
	s.got = append(s.got, s.in)
	_, s.secure = s.conn.TLSConnectionState()
	return nil
}

func (s *session) Reset()        { s.in = delivery{} }
func (s *session) Logout() error { return nil }

// say is an answer to one command, and none to the others.
func say(command string, code int, text string) func(string) error {
	return func(c string) error {
		if strings.HasPrefix(c, command) {
			return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: text}
		}
		return nil
	}
}

// site is a program whose mails go to the sink.
func (s *mailServer) site(more ...func(*config.Config)) *webtest.Site {
	s.t.Helper()
	return webtest.Open(s.t, webtest.Options{Idle: true, Config: func(c *config.Config) {
		c.SMTP, c.MailFrom = "smtp://"+s.addr, "Steward <steward@console.example>"
		for _, change := range more {
			change(c)
		}
	}})
}

// send puts a letter into the outbox.
func send(t testing.TB, s *webtest.Site, l mail.Letter) (id int64) {
	t.Helper()
	s.Update(func(tx *db.Tx) (err error) { id, err = s.App.Mail.Send(tx, l); return err })
	return id
}

// work runs the jobs that are due.
func work(t testing.TB, s *webtest.Site) {
	t.Helper()
	if err := s.App.Jobs.Drain(t.Context(), jobs.System); err != nil {
		t.Fatal(err)
	}
}

// state is a mail as a super admin sees it.
func state(t testing.TB, s *webtest.Site, id int64) (m mail.Mail) {
	t.Helper()
	s.View(func(tx *db.Tx) (err error) { m, err = s.App.Mail.Get(tx, super(), id); return err })
	return m
}

// certificate makes one that nobody has signed, for a server on this machine, and a file
// of it.
func certificate(t testing.TB) (*tls.Config, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP("127.0.0.1")}, IsCA: true, BasicConstraintsValid: true}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}}, path
}
