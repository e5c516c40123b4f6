package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"unicode"
)

// GoogleIssuer is the issuer by default.
const GoogleIssuer = "https://accounts.google.com"

// Provider is an OpenID Connect provider that people may sign in by, and what this
// installation is there. The zero Provider is none.
type Provider struct {
	Issuer       string // exactly as the provider writes it
	Name         string // what people call it
	ClientID     string
	ClientSecret string
}

// Provider reads the --oidc flags, and the secret's file. The zero Provider when none is
// configured. An error quotes nothing of the secret.
func (c *Config) Provider() (Provider, error) {
	p, err := c.provider()
	if err != nil || p == (Provider{}) || c.OIDCClientSecretFile == "" {
		return p, err
	}
	raw, err := os.ReadFile(c.OIDCClientSecretFile)
	if err != nil {
		return Provider{}, fmt.Errorf("--oidc-client-secret-file: %w", err)
	}
	if p.ClientSecret = strings.TrimRight(string(raw), "\r\n"); p.ClientSecret == "" {
		return Provider{}, fmt.Errorf("--oidc-client-secret-file: %s is empty", c.OIDCClientSecretFile)
	}
	return p, nil
}

// checkProvider is part of Check.
func (c *Config) checkProvider() error {
	_, err := c.provider()
	return err
}

func (c *Config) provider() (Provider, error) {
	secret := c.OIDCClientSecret != "" || c.OIDCClientSecretFile != ""
	switch {
	case c.OIDCClientSecret != "" && c.OIDCClientSecretFile != "":
		return Provider{}, errors.New("--oidc-client-secret and --oidc-client-secret-file both name the secret: give one of them")
	case (c.OIDCClientID != "") != secret:
		return Provider{}, errors.New("--oidc-client-id and --oidc-client-secret (or --oidc-client-secret-file) go together")
	case c.OIDCClientID == "" && (c.OIDCIssuer != "" || c.OIDCName != ""):
		return Provider{}, errors.New("--oidc-issuer and --oidc-name go with --oidc-client-id and --oidc-client-secret")
	case c.OIDCClientID == "":
		return Provider{}, nil
	}
	issuer := cmp.Or(c.OIDCIssuer, GoogleIssuer)
	u, err := url.Parse(issuer)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || (u.Scheme != "https" && u.Scheme != "http") {
		return Provider{}, errors.New("--oidc-issuer is not like https://accounts.example.com")
	}
	if u.Scheme == "http" && !Loopback(u.Hostname()) {
		return Provider{}, fmt.Errorf("--oidc-issuer %s: whoever sits on the way could sign in as anybody; the issuer has to be https", issuer)
	}
	name := cmp.Or(strings.TrimSpace(c.OIDCName), map[bool]string{true: "Google", false: u.Host}[issuer == GoogleIssuer])
	if len(name) > 60 || strings.ContainsFunc(name, unicode.IsControl) {
		return Provider{}, errors.New("--oidc-name is a word or two, such as Google")
	}
	return Provider{Issuer: issuer, Name: name, ClientID: c.OIDCClientID, ClientSecret: c.OIDCClientSecret}, nil
}
