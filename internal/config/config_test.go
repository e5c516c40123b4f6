package config_test

import (
	"strings"
	"testing"

	"steward/internal/config"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg  config.Config
		says string // part of the refusal; "" = accepted
		url  string
	}{
		"loopback":                 {config.Config{Addr: "127.0.0.1:8080"}, "", "http://127.0.0.1:8080"},
		"IPv6 loopback":            {config.Config{Addr: "[::1]:8080"}, "", "http://[::1]:8080"},
		"TLS":                      {config.Config{Addr: ":443", TLSCert: "c", TLSKey: "k", PublicURL: "https://x.example"}, "", "https://x.example"},
		"proxy":                    {config.Config{Addr: ":80", BehindProxy: true, PublicURL: "https://x.example/"}, "", "https://x.example"},
		"open without TLS":         {config.Config{Addr: "0.0.0.0:80"}, "--tls-cert", ""},
		"open, any address":        {config.Config{Addr: ":80"}, "--tls-cert", ""},
		"public http":              {config.Config{Addr: "127.0.0.1:80", PublicURL: "http://x.example"}, "in the clear", ""},
		"certificate without key":  {config.Config{Addr: ":443", TLSCert: "c"}, "go together", ""},
		"proxy without URL":        {config.Config{Addr: ":80", BehindProxy: true}, "--public-url", ""},
		"proxy with http":          {config.Config{Addr: ":80", BehindProxy: true, PublicURL: "http://localhost"}, "https", ""},
		"URL with a path":          {config.Config{Addr: "127.0.0.1:80", PublicURL: "http://localhost/x"}, "--public-url", ""},
		"URL with another scheme":  {config.Config{Addr: "127.0.0.1:80", PublicURL: "ftp://localhost"}, "--public-url", ""},
		"no port":                  {config.Config{Addr: "127.0.0.1"}, "--addr", ""},
		"trusted network":          {config.Config{Addr: "127.0.0.1:80", TrustedProxies: []string{"10.0.0.0"}}, "--trusted-proxies", ""},
		"operations for everybody": {config.Config{Addr: "127.0.0.1:80", OpsAddr: ":9090"}, "--ops-addr", ""},
		"another store":            {config.Config{Addr: "127.0.0.1:80", Store: "s3://bucket"}, "--store", ""},
	} {
		c.cfg.Data = t.TempDir()
		err := c.cfg.Check()
		switch {
		case c.says == "" && (err != nil || c.cfg.PublicURL != c.url):
			t.Errorf("%s: %v, URL %q", name, err, c.cfg.PublicURL)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %v, want a refusal that names %q", name, err, c.says)
		}
	}
}
