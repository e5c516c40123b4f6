package config

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"os"
	"strconv"
	"strings"
	"unicode"
)

// MailboxURL as --smtp stands for no server: mails are kept and shown.
const MailboxURL = "mailbox:"

// Mailbox reports whether mails are kept and shown in place of being sent.
func (c *Config) Mailbox() bool { return c.SMTP == MailboxURL }

// MailName is the host that mails say they are made on.
func (c *Config) MailName() string {
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Hostname() == "" || net.ParseIP(u.Hostname()) != nil {
		return "localhost"
	}
	return u.Hostname()
}

// MailServer is where mails are handed over.
type MailServer struct {
	Host     string
	Port     string
	TLS      bool // from the start; otherwise by STARTTLS
	Plain    bool // it may go without TLS, because no other machine sees it
	User     string
	Password string
}

// MailServer reads --smtp, and the password's file. An error quotes nothing of the URL,
// because it may hold the password.
func (c *Config) MailServer() (MailServer, error) {
	s, err := c.mailServer()
	if err != nil || c.SMTPPasswordFile == "" {
		return s, err
	}
	raw, err := os.ReadFile(c.SMTPPasswordFile)
	if err != nil {
		return MailServer{}, fmt.Errorf("--smtp-password-file: %w", err)
	}
	if s.Password = strings.TrimRight(string(raw), "\r\n"); s.Password == "" {
		return MailServer{}, fmt.Errorf("--smtp-password-file: %s is empty", c.SMTPPasswordFile)
	}
	return s, nil
}

func (c *Config) mailServer() (MailServer, error) {
	bad := errors.New("--smtp is not like smtp://user:password@mail.example.com:587, smtps://… or mailbox: (signs such as / @ : in a user or password are written %2F %40 %3A)")
	u, err := url.Parse(c.SMTP)
	if err != nil || u.Hostname() == "" || (u.Scheme != "smtp" && u.Scheme != "smtps") || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "" {
		return MailServer{}, bad
	}
	s := MailServer{Host: u.Hostname(), Port: u.Port(), TLS: u.Scheme == "smtps", Plain: Loopback(u.Hostname()), User: u.User.Username()}
	if s.Port == "" {
		s.Port = map[bool]string{false: "587", true: "465"}[s.TLS]
	}
	if n, err := strconv.ParseUint(s.Port, 10, 16); err != nil || n == 0 {
		return MailServer{}, bad
	}
	password, has := u.User.Password()
	s.Password = password
	switch {
	case has && c.SMTPPasswordFile != "":
		return MailServer{}, errors.New("--smtp has a password, and so has --smtp-password-file: give one of them")
	case s.User == "" && (has || c.SMTPPasswordFile != ""):
		return MailServer{}, errors.New("--smtp has no user, but there is a password: write smtp://user@…")
	case s.User != "" && password == "" && c.SMTPPasswordFile == "":
		return MailServer{}, errors.New("--smtp has a user, but no password: write smtp://user:password@… or give --smtp-password-file")
	}
	return s, nil
}

// MailSender reads --mail-from. A mailbox does with a made-up address.
func (c *Config) MailSender() (*mail.Address, error) {
	if c.MailFrom == "" && c.Mailbox() {
		return &mail.Address{Name: "Steward", Address: "steward@localhost"}, nil
	}
	a, err := mail.ParseAddress(c.MailFrom)
	if err != nil || len(a.Address) > 254 || strings.ContainsFunc(a.Name+a.Address, unicode.IsControl) {
		return nil, fmt.Errorf("--mail-from %q is not like \"Steward <steward@example.com>\"", c.MailFrom)
	}
	return a, nil
}

// checkMail is part of Check, once the public URL is known.
func (c *Config) checkMail() error {
	switch {
	case c.SMTP == "" && (c.SMTPPasswordFile != "" || c.SMTPCAFile != ""):
		return errors.New("--smtp-password-file and --smtp-ca-file go with --smtp")
	case c.SMTP == "" && c.MailFrom == "":
		return nil
	case c.SMTP == "":
		_, err := c.MailSender()
		return err
	case c.Mailbox():
		return c.checkMailbox()
	case c.MailFrom == "":
		return errors.New("--smtp needs --mail-from, the address that mails come from, such as \"Steward <steward@example.com>\"")
	}
	if _, err := c.mailServer(); err != nil {
		return err
	}
	_, err := c.MailSender()
	return err
}

// checkMailbox refuses to show mails, and the links in them, to other machines.
func (c *Config) checkMailbox() error {
	u, err := url.Parse(c.PublicURL)
	if err != nil {
		return fmt.Errorf("--public-url: %w", err)
	}
	listen, _, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return fmt.Errorf("--addr: %w", err)
	}
	if !Loopback(u.Hostname()) || !Loopback(listen) {
		return errors.New("--smtp mailbox: shows everybody's mail to whoever reaches the console, so --addr and --public-url must name this machine only, such as 127.0.0.1")
	}
	if c.SMTPPasswordFile != "" || c.SMTPCAFile != "" {
		return errors.New("--smtp mailbox: is no server, so --smtp-password-file and --smtp-ca-file have no meaning with it")
	}
	_, err = c.MailSender()
	return err
}
