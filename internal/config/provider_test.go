package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"steward/internal/config"
)

func TestProvider(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg  config.Config
		says string          // part of the refusal; "" = accepted
		want config.Provider // when it is accepted
	}{
		"none":                  {config.Config{}, "", config.Provider{}},
		"Google":                {config.Config{OIDCClientID: "id", OIDCClientSecret: "sesame"}, "", config.Provider{Issuer: config.GoogleIssuer, Name: "Google", ClientID: "id", ClientSecret: "sesame"}},
		"another":               {config.Config{OIDCIssuer: "https://id.example.com/realm", OIDCClientID: "id", OIDCClientSecret: "sesame"}, "", config.Provider{Issuer: "https://id.example.com/realm", Name: "id.example.com", ClientID: "id", ClientSecret: "sesame"}},
		"a name":                {config.Config{OIDCIssuer: "http://127.0.0.1:5", OIDCName: " Our people ", OIDCClientID: "id", OIDCClientSecret: "sesame"}, "", config.Provider{Issuer: "http://127.0.0.1:5", Name: "Our people", ClientID: "id", ClientSecret: "sesame"}},
		"no secret":             {config.Config{OIDCClientID: "id"}, "--oidc-client-secret", config.Provider{}},
		"no id":                 {config.Config{OIDCClientSecret: "sesame"}, "--oidc-client-id", config.Provider{}},
		"only an issuer":        {config.Config{OIDCIssuer: "https://id.example.com"}, "--oidc-client-id", config.Provider{}},
		"two secrets":           {config.Config{OIDCClientID: "id", OIDCClientSecret: "sesame", OIDCClientSecretFile: "f"}, "one of them", config.Provider{}},
		"in the clear":          {config.Config{OIDCIssuer: "http://id.example.com", OIDCClientID: "id", OIDCClientSecret: "sesame"}, "https", config.Provider{}},
		"no URL":                {config.Config{OIDCIssuer: "id.example.com", OIDCClientID: "id", OIDCClientSecret: "sesame"}, "--oidc-issuer", config.Provider{}},
		"a query":               {config.Config{OIDCIssuer: "https://id.example.com?x=1", OIDCClientID: "id", OIDCClientSecret: "sesame"}, "--oidc-issuer", config.Provider{}},
		"a fragment":            {config.Config{OIDCIssuer: "https://id.example.com#x", OIDCClientID: "id", OIDCClientSecret: "sesame"}, "--oidc-issuer", config.Provider{}},
		"a password in the URL": {config.Config{OIDCIssuer: "https://u:sesame@id.example.com", OIDCClientID: "id", OIDCClientSecret: "sesame"}, "--oidc-issuer", config.Provider{}},
		"a name of two lines":   {config.Config{OIDCName: "a\nb", OIDCClientID: "id", OIDCClientSecret: "sesame"}, "--oidc-name", config.Provider{}},
	} {
		c.cfg.Addr, c.cfg.Data = "127.0.0.1:8080", t.TempDir()
		err := c.cfg.Check()
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %v, want a refusal that names %q", name, err, c.says)
		case err != nil && strings.Contains(err.Error(), "sesame"):
			t.Errorf("%s: the secret is told: %v", name, err)
		}
		if got, _ := c.cfg.Provider(); got != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestProviderSecretFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	for content, want := range map[string]string{"open sesame\n": "open sesame", "\n": ""} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		c := config.Config{OIDCClientID: "id", OIDCClientSecretFile: file}
		if got, err := c.Provider(); got.ClientSecret != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", content, got.ClientSecret, err)
		}
	}
}
