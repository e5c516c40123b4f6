package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"steward/internal/config"
)

// step is how long each step of a conversation with the server may take.
const step = 10 * time.Second

// server is an SMTP server. Each mail has a connection of its own.
type server struct {
	config.MailServer
	from  *netmail.Address
	hello string // how it is greeted
	tls   *tls.Config
	step  time.Duration // what each step may take
}

func newServer(c config.Config) (*server, error) {
	at, err := c.MailServer()
	if err != nil {
		return nil, err
	}
	s := &server{MailServer: at, hello: c.MailName(), step: step, tls: &tls.Config{ServerName: at.Host, MinVersion: tls.VersionTLS12}}
	if s.from, err = c.MailSender(); err != nil {
		return nil, err
	}
	if c.SMTPCAFile == "" {
		return s, nil
	}
	pem, err := os.ReadFile(c.SMTPCAFile)
	if err != nil {
		return nil, fmt.Errorf("--smtp-ca-file: %w", err)
	}
	if s.tls.RootCAs = x509.NewCertPool(); !s.tls.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--smtp-ca-file: %s holds no certificate (PEM)", c.SMTPCAFile)
	}
	return s, nil
}

func (*server) keeps() bool { return false }

// send hands a mail over. An answer of 5xx to the sender, the recipient or the content is
// the server's last word on the mail; whatever else goes wrong may pass.
func (s *server) send(ctx context.Context, m Mail, c Content) error {
	conn, err := s.dial(ctx)
	if err != nil {
		return s.failed(ctx, "", err)
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	client, err := smtp.NewClient(conn, s.Host)
	if err != nil {
		return s.failed(ctx, "the connection", err)
	}
	if err := s.greet(client); err != nil {
		return s.failed(ctx, "the greeting", err)
	}
	if s.User != "" {
		if err := client.Auth(&login{server: s}); err != nil {
			return s.failed(ctx, "the user and password", err)
		}
	}
	if err := client.Mail(bracketed(s.from.Address)); err != nil {
		return s.refused(ctx, "the sender", err)
	}
	if err := client.Rcpt(bracketed(m.To)); err != nil {
		return s.refused(ctx, "the recipient", err)
	}
	w, err := client.Data()
	if err != nil {
		return s.refused(ctx, "the mail", err)
	}
	if _, err := s.message(m, c).WriteTo(w); err != nil {
		return s.failed(ctx, "the mail", err)
	}
	if err := w.Close(); err != nil {
		return s.refused(ctx, "the mail", err)
	}
	_ = client.Quit() // the mail is taken, whatever comes now
	return nil
}

// dial connects, and by smtps also agrees on TLS.
func (s *server) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.step)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(s.Host, s.Port))
	if err != nil {
		return nil, err
	}
	if !s.TLS {
		return timed{raw, s.step}, nil
	}
	conn := tls.Client(timed{raw, s.step}, s.tls)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return conn, nil
}

// errNoTLS is why a server is not told anything.
var errNoTLS = errors.New("it does not offer STARTTLS, and without it everybody on the way could read the mail")

// greet says hello and goes over to TLS. Only a server on this machine may do without.
func (s *server) greet(client *smtp.Client) error {
	if err := client.Hello(s.hello); err != nil {
		return err
	}
	offered, _ := client.Extension("STARTTLS")
	switch {
	case s.TLS:
		return nil
	case offered:
		return client.StartTLS(s.tls)
	case s.Plain:
		return nil
	}
	return errNoTLS
}

// login chooses how to tell the server who we are, among the ways that it offers.
type login struct {
	*server
	smtp.Auth
}

// Start implements smtp.Auth.
func (l *login) Start(info *smtp.ServerInfo) (string, []byte, error) {
	switch {
	case slices.Contains(info.Auth, "SCRAM-SHA-256"):
		l.Auth = smtp.ScramSHA256Auth(l.User, l.Password)
	case slices.Contains(info.Auth, "PLAIN"):
		l.Auth = smtp.PlainAuth("", l.User, l.Password, l.Host, l.Plain)
	case slices.Contains(info.Auth, "LOGIN"):
		l.Auth = smtp.LoginAuth(l.User, l.Password, l.Host, l.Plain)
	default:
		return "", nil, fmt.Errorf("it offers none of SCRAM-SHA-256, PLAIN and LOGIN, but %.100q", info.Auth)
	}
	return l.Auth.Start(info)
}

// message is the mail as it is sent: a text, and the same as HTML.
func (s *server) message(m Mail, c Content) *gomail.Msg {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(s.from)
	msg.ToMailAddress(&netmail.Address{Name: m.Name, Address: m.To})
	msg.Subject(plain(c.Subject))
	msg.SetMessageIDWithValue(m.MessageID)
	msg.SetDateWithValue(m.CreatedAt)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(gomail.TypeTextPlain, c.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, c.HTML)
	return msg
}

func bracketed(address string) string { return (&netmail.Address{Address: address}).String() }

// timed gives every step of a conversation its time.
type timed struct {
	net.Conn
	step time.Duration
}

// Read implements io.Reader.
func (c timed) Read(p []byte) (int, error) {
	_ = c.SetReadDeadline(time.Now().Add(c.step))
	return c.Conn.Read(p)
}

// Write implements io.Writer.
func (c timed) Write(p []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(c.step))
	return c.Conn.Write(p)
}

// refused is failed where an answer of 5xx is about the mail, and final.
func (s *server) refused(ctx context.Context, what string, err error) error {
	e := s.failed(ctx, what, err)
	var answer *textproto.Error
	e.final = errors.As(err, &answer) && answer.Code >= 500
	return e
}

// failed says what went wrong at a step; "" is before there was a connection.
func (s *server) failed(ctx context.Context, what string, err error) *sendError {
	at := "The mail server " + net.JoinHostPort(s.Host, s.Port)
	var answer *textproto.Error
	var network net.Error
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &answer):
		at = fmt.Sprintf("%s answered to %s: %d %s", at, what, answer.Code, s.withoutPassword(answer.Msg))
	case errors.As(err, &untrusted):
		at = fmt.Sprintf("%s has a certificate that is not trusted: %s", at, untrusted.Err)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout(), ctx.Err() != nil:
		at += " did not answer in time."
	case what == "":
		at = fmt.Sprintf("%s cannot be reached: %s", at, rootOf(err))
	default:
		at = fmt.Sprintf("%s could not be told %s: %s", at, what, rootOf(err))
	}
	return &sendError{reason: at}
}

// withoutPassword takes the password out of what the server says of it.
func (s *server) withoutPassword(text string) string {
	if s.Password == "" {
		return text
	}
	sent := base64.StdEncoding.EncodeToString([]byte("\x00" + s.User + "\x00" + s.Password))
	return strings.NewReplacer(sent, "…", base64.StdEncoding.EncodeToString([]byte(s.Password)), "…", s.Password, "…").Replace(text)
}

// rootOf is the innermost error: those around it repeat the address.
func rootOf(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// tidy makes of what a server said a sentence of at most 300 characters that can be seen.
func tidy(text string) string {
	text = strings.Map(func(r rune) rune {
		if hidden(r) || unicode.IsSpace(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > 300 {
		text = string(r[:299]) + "…"
	}
	return text
}
