package webtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/config"
)

// Names by which every site of a test is known at a Provider.
const (
	ClientID     = "the-console"
	ClientSecret = "the-console-and-its-secret"
)

// Provider is an OpenID Connect provider that does as the test says. It signs by ES256, or
// by RS256 when it has such a key.
// Its fields may be changed between two requests; each zero field is honest.
type Provider struct {
	t   testing.TB
	URL string
	Key *ecdsa.PrivateKey
	RSA *rsa.PrivateKey

	Person    map[string]any                                 // what it says of who signs in
	Claims    func(map[string]any)                           // changes what a token says
	Sign      func(map[string]any) string                    // makes the token
	Tokens    func(map[string]any)                           // changes the answer that holds the token
	Discovery func(http.ResponseWriter, map[string]any) bool // answers for itself where it is, and reports that it did
	Before    func(*http.Request)                            // sees every request
	Now       func() time.Time

	mu     sync.Mutex
	codes  map[string]url.Values // what was asked for, by code
	reused bool                  // a code may be used again
	asked  map[string]int        // requests by path
}

// NewProvider starts a provider until the test ends.
func NewProvider(t testing.TB) *Provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &Provider{t: t, Key: key, codes: map[string]url.Values{}, asked: map[string]int{}, Now: time.Now,
		Person: map[string]any{"sub": "1001", "email": "person1@example.com", "email_verified": true, "name": "Person at the provider"}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /keys", p.keys)
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, p.approve(r.URL.Query()), http.StatusFound)
	})
	mux.HandleFunc("POST /token", p.token)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked[r.URL.Path]++
		before := p.Before
		p.mu.Unlock()
		if before != nil {
			before(r)
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	p.URL = srv.URL
	return p
}

// Configure makes a site know the provider, as "Google".
func (p *Provider) Configure(c *config.Config) {
	c.OIDCIssuer, c.OIDCClientID, c.OIDCClientSecret, c.OIDCName = p.URL, ClientID, ClientSecret, "Google"
}

// Set changes the provider while nobody asks it.
func (p *Provider) Set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// ReuseCodes lets a code be used more than once, as no honest provider does.
func (p *Provider) ReuseCodes() { p.reused = true }

// Asked is how often a path was asked for.
func (p *Provider) Asked(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

// Approve does what somebody does at the provider who lets it tell: location is where the
// site sent them, and the path is where it sends them back to.
func (p *Provider) Approve(location string) (path string) {
	p.t.Helper()
	u, err := url.Parse(location)
	if err != nil || !strings.HasPrefix(location, p.URL+"/authorize?") {
		p.t.Fatalf("the site leads to %q, which is not the provider", location)
	}
	back, err := url.Parse(p.approve(u.Query()))
	if err != nil {
		p.t.Fatal(err)
	}
	return back.RequestURI()
}

func (p *Provider) approve(q url.Values) (location string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	code := rand.Text()
	p.codes[code] = q
	return q.Get("redirect_uri") + "?" + url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.URL}}.Encode()
}

func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	said := map[string]any{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
		"id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"},
	}
	p.mu.Lock()
	other := p.Discovery
	p.mu.Unlock()
	if other != nil && other(w, said) {
		return
	}
	p.answer(w, http.StatusOK, said)
}

func (p *Provider) keys(w http.ResponseWriter, _ *http.Request) {
	raw, err := p.Key.PublicKey.Bytes()
	if err != nil {
		p.t.Error(err)
	}
	keys := []any{map[string]any{"kty": "EC", "crv": "P-256", "kid": "k1", "use": "sig", "alg": "ES256", "x": encode(raw[1:33]), "y": encode(raw[33:])}}
	if p.RSA != nil {
		keys = append(keys, map[string]any{"kty": "RSA", "kid": "k2", "use": "sig", "alg": "RS256", "n": encode(p.RSA.N.Bytes()), "e": "AQAB"})
	}
	p.answer(w, http.StatusOK, map[string]any{"keys": keys})
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	id, secret, ok := r.BasicAuth()
	if err := r.ParseForm(); err != nil || !ok || id != ClientID || secret != ClientSecret {
		p.answer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	asked, known := p.codes[r.PostForm.Get("code")]
	if !p.reused {
		delete(p.codes, r.PostForm.Get("code"))
	}
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	if !known || asked.Get("code_challenge_method") != "S256" || asked.Get("code_challenge") != encode(sum[:]) || asked.Get("redirect_uri") != r.PostForm.Get("redirect_uri") {
		p.answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return
	}
	now := p.Now()
	claims := map[string]any{"iss": p.URL, "aud": ClientID, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "nonce": asked.Get("nonce")}
	maps.Copy(claims, p.Person)
	if asked.Get("max_age") != "" {
		claims["auth_time"] = now.Unix()
	}
	if p.Claims != nil {
		p.Claims(claims)
	}
	sign := p.Sign
	if sign == nil {
		sign = p.Signed
	}
	answer := map[string]any{"access_token": "access-" + rand.Text(), "refresh_token": "refresh-" + rand.Text(), "token_type": "Bearer", "expires_in": 3600, "id_token": sign(claims)}
	if p.Tokens != nil {
		p.Tokens(answer)
	}
	p.answer(w, http.StatusOK, answer)
}

// Signed is an honest token.
func (p *Provider) Signed(claims map[string]any) string {
	if p.RSA != nil {
		text := Unsigned(p.t, map[string]any{"alg": "RS256", "kid": "k2", "typ": "JWT"}, claims)
		sum := sha256.Sum256([]byte(text))
		signature, err := rsa.SignPKCS1v15(nil, p.RSA, crypto.SHA256, sum[:])
		if err != nil {
			p.t.Error(err)
		}
		return text + "." + encode(signature)
	}
	return p.SignedAs(map[string]any{"alg": "ES256", "kid": "k1", "typ": "JWT"}, claims)
}

// SignedAs is a token with a header of the test's, signed by the provider's key.
func (p *Provider) SignedAs(header, claims map[string]any) string {
	text := Unsigned(p.t, header, claims)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, p.Key, sum[:])
	if err != nil {
		p.t.Error(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return text + "." + encode(signature)
}

// Unsigned is a token without its last part.
func Unsigned(t testing.TB, header, claims map[string]any) string {
	t.Helper()
	h, err := json.Marshal(header)
	if err != nil {
		t.Error(err)
	}
	c, err := json.Marshal(claims)
	if err != nil {
		t.Error(err)
	}
	return encode(h) + "." + encode(c)
}

// Public is the provider's public key, as some take it for a secret.
func (p *Provider) Public() crypto.PublicKey { return p.Key.Public() }

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (p *Provider) answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		p.t.Error(err)
	}
}
