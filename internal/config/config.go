// Package config is the program's configuration: one struct, filled from flags and
// STEWARD_… variables, checked before anything is opened.
package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
)

// Config is everything an installation can set.
type Config struct {
	Addr           string   `help:"Address to listen on." default:"127.0.0.1:8080" env:"STEWARD_ADDR"`
	PublicURL      string   `help:"URL that people reach the console at; links are built from it only." env:"STEWARD_PUBLIC_URL" placeholder:"URL"`
	Data           string   `help:"Folder for data, keys and the default database." default:"./data" env:"STEWARD_DATA" type:"path"`
	DB             string   `name:"db" help:"Metadata database, sqlite:PATH or postgres://…; by default sqlite in the data folder." env:"STEWARD_DB" placeholder:"DSN"`
	Store          string   `help:"Store for table data and files, file:DIR; by default in the data folder." env:"STEWARD_STORE" placeholder:"URL"`
	KeysFile       string   `help:"File with the key material; by default keys/keys.json in the data folder." env:"STEWARD_KEYS_FILE" type:"path" placeholder:"FILE"`
	TLSCert        string   `help:"Certificate file (PEM)." env:"STEWARD_TLS_CERT" type:"path" placeholder:"FILE"`
	TLSKey         string   `help:"Key file (PEM)." env:"STEWARD_TLS_KEY" type:"path" placeholder:"FILE"`
	BehindProxy    bool     `help:"A reverse proxy in front speaks TLS." env:"STEWARD_BEHIND_PROXY"`
	TrustedProxies []string `help:"Networks whose X-Forwarded-For is believed, such as 10.0.0.0/8." env:"STEWARD_TRUSTED_PROXIES" placeholder:"CIDR"`
	OpsAddr        string   `help:"Loopback address for metrics and profiling; off when empty." env:"STEWARD_OPS_ADDR" placeholder:"ADDR"`
	LogLevel       string   `help:"debug, info, warn or error." default:"info" enum:"debug,info,warn,error" env:"STEWARD_LOG_LEVEL"`

	SMTP             string `name:"smtp" help:"Mail server, smtp://user:password@host:587 (STARTTLS) or smtps://host:465; mailbox: shows mails in the console instead, for development." env:"STEWARD_SMTP" placeholder:"URL"`
	SMTPPasswordFile string `name:"smtp-password-file" help:"File with the mail server's password, in place of one in --smtp." env:"STEWARD_SMTP_PASSWORD_FILE" type:"path" placeholder:"FILE"`
	SMTPCAFile       string `name:"smtp-ca-file" help:"Certificates (PEM) that the mail server's must be signed by, in place of the system's." env:"STEWARD_SMTP_CA_FILE" type:"path" placeholder:"FILE"`
	MailFrom         string `help:"Sender of mails, such as \"Steward <steward@example.com>\"." env:"STEWARD_MAIL_FROM" placeholder:"ADDRESS"`

	OIDCIssuer           string `name:"oidc-issuer" help:"OpenID Connect provider that people may sign in by, besides their passwords; Google by default. It is on with a client's id and secret." env:"STEWARD_OIDC_ISSUER" placeholder:"URL"`
	OIDCClientID         string `name:"oidc-client-id" help:"This console's id at the provider." env:"STEWARD_OIDC_CLIENT_ID" placeholder:"ID"`
	OIDCClientSecret     string `name:"oidc-client-secret" help:"This console's secret at the provider." env:"STEWARD_OIDC_CLIENT_SECRET" placeholder:"SECRET"`
	OIDCClientSecretFile string `name:"oidc-client-secret-file" help:"File with the secret, in place of --oidc-client-secret." env:"STEWARD_OIDC_CLIENT_SECRET_FILE" type:"path" placeholder:"FILE"`
	OIDCName             string `name:"oidc-name" help:"What people call the provider; by default Google, or the issuer's host." env:"STEWARD_OIDC_NAME" placeholder:"NAME"`
}

// Check fills what follows from other values and refuses what cannot work, in a
// sentence that names the flag to change.
func (c *Config) Check() error {
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return fmt.Errorf("--addr %q is not HOST:PORT", c.Addr)
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.New("--tls-cert and --tls-key go together")
	}
	if c.PublicURL == "" {
		scheme := "http"
		if c.TLSCert != "" {
			scheme = "https"
		}
		if c.BehindProxy {
			return errors.New("--behind-proxy needs --public-url, the https address that people use")
		}
		if host == "" || net.ParseIP(host).IsUnspecified() {
			host = "localhost"
		}
		c.PublicURL = scheme + "://" + net.JoinHostPort(host, port)
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.User != nil {
		return fmt.Errorf("--public-url %q is not like https://console.example.com", c.PublicURL)
	}
	c.PublicURL = u.Scheme + "://" + u.Host
	if c.BehindProxy && u.Scheme != "https" {
		return fmt.Errorf("--public-url %s: behind a proxy that speaks TLS, people use https", c.PublicURL)
	}
	if u.Scheme == "http" && !Loopback(u.Hostname()) {
		return fmt.Errorf("--public-url %s would send passwords in the clear: serve TLS by --tls-cert and --tls-key, or put a TLS proxy in front and say --behind-proxy", c.PublicURL)
	}
	if listen, _, _ := net.SplitHostPort(c.Addr); c.TLSCert == "" && !c.BehindProxy && !Loopback(listen) {
		return fmt.Errorf("--addr %s is reachable from other machines without TLS: give --tls-cert and --tls-key, or --behind-proxy when a proxy speaks TLS", c.Addr)
	}
	for _, p := range c.TrustedProxies {
		if _, err := netip.ParsePrefix(p); err != nil {
			return fmt.Errorf("--trusted-proxies %q is not a network like 10.0.0.0/8", p)
		}
	}
	if c.OpsAddr != "" {
		if h, _, err := net.SplitHostPort(c.OpsAddr); err != nil || !Loopback(h) {
			return fmt.Errorf("--ops-addr %q must be a loopback address: metrics and profiles are not for everyone", c.OpsAddr)
		}
	}
	if err := c.checkMail(); err != nil {
		return err
	}
	if err := c.checkProvider(); err != nil {
		return err
	}
	if c.Data == "" {
		return errors.New("--data is empty")
	}
	if c.Data, err = filepath.Abs(c.Data); err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	if c.DB == "" {
		c.DB = "sqlite:" + filepath.Join(c.Data, "steward.db")
	}
	if c.Store == "" {
		c.Store = "file:" + filepath.Join(c.Data, "store")
	}
	if !strings.HasPrefix(c.Store, "file:") {
		return fmt.Errorf("--store %q is not file:DIR", c.Store)
	}
	if c.KeysFile == "" {
		c.KeysFile = filepath.Join(c.Data, "keys", "keys.json")
	}
	return nil
}

// StoreDir is the local folder of the blob store.
func (c *Config) StoreDir() string { return strings.TrimPrefix(c.Store, "file:") }

// SQLite is the path of the SQLite file, "" with another database.
func (c *Config) SQLite() string {
	path, ok := strings.CutPrefix(c.DB, "sqlite:")
	if !ok {
		return ""
	}
	return path
}

// Secure reports whether people reach the console by https.
func (c *Config) Secure() bool { return strings.HasPrefix(c.PublicURL, "https://") }

// Loopback reports whether a host names this machine only.
func Loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
