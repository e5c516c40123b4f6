package accounts_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"steward/internal/accounts"
	"steward/internal/config"
	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/web/webtest"
)

// federated is a site whose people may sign in by a provider.
type federated struct {
	*webtest.Site
	p   *webtest.Provider
	dsn string
	log *syncBuffer
}

func federate(t *testing.T) *federated {
	t.Helper()
	f := &federated{p: webtest.NewProvider(t), dsn: dbtest.DSN(t), log: new(syncBuffer)}
	f.Site = webtest.Open(t, webtest.Options{Idle: true, DSN: f.dsn, Log: f.log, Config: func(c *config.Config) { c.SMTP = config.MailboxURL; f.p.Configure(c) }})
	f.p.Now = f.Clock.Now
	return f
}

type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

// depart sends a client to the provider, and gives where that is.
func depart(c *webtest.Client, next string) string {
	return c.Post("/auth/google", url.Values{"next": {next}}).Want(http.StatusSeeOther).Location
}

// arrive goes the whole way through the provider.
func (f *federated) arrive(c *webtest.Client) webtest.Response {
	f.T.Helper()
	return c.Get(f.p.Approve(depart(c, "/")))
}

// linked is a person whose account is linked to whom the provider knows as 1001, and a
// client that is signed in.
func (f *federated) linked(t *testing.T) (accounts.User, *webtest.Client) {
	t.Helper()
	u := f.User("")
	c := f.SignIn(u)
	link := c.Post("/account/identity/start", nil).Want(http.StatusSeeOther)
	if r := c.Get(f.p.Approve(link.Location)); r.Location != "/account/security" {
		t.Fatalf("linking: %d %s\n%s", r.Status, r.Location, r.Body)
	}
	return u, c
}

// identities are the issuers and subjects that are linked to a person.
func (f *federated) identities(u accounts.User) (out []string) {
	f.T.Helper()
	f.View(func(tx *db.Tx) (err error) {
		out, err = db.All(tx, db.Scalar[string], "SELECT subject FROM identities WHERE user_id = $1 ORDER BY subject LIMIT 100", u.ID)
		return err
	})
	return out
}

// main is the text of a page.
func main(r webtest.Response) string {
	return strings.Join(strings.Fields(r.Page().Find("main").Text()), " ")
}

// hostile is a trick that an honest sign-in differs from in one thing.
type hostile struct {
	status int // of the refusal
	says   string
	do     func(f *federated, p *webtest.Provider)
}

// claim changes one claim of the token; nil leaves it out.
func claim(name string, value any) func(*federated, *webtest.Provider) {
	return func(_ *federated, p *webtest.Provider) {
		p.Claims = func(c map[string]any) {
			c[name] = value
			if value == nil {
				delete(c, name)
			}
		}
	}
}

// refuses tries every trick on a person who is linked: nobody gets in, and nothing but the
// used flow changes. Without the trick they get in.
func refuses(t *testing.T, tricks map[string]hostile) {
	t.Helper()
	f := federate(t)
	f.linked(t)
	watch := dbtest.Watch(t, f.dsn, "events", "sequences", "throttles", "oidc_flows")
	for name, h := range tricks {
		f.Clock.Forward(time.Minute) // at most so many departures a minute
		before := watch.Sum()
		c := f.Anonymous()
		f.p.Set(func() { h.do(f, f.p) })
		r := f.arrive(c)
		if r.Status != h.status || !strings.Contains(main(r), h.says) {
			t.Errorf("%s: %d %s %q, want %d and %q", name, r.Status, r.Location, main(r), h.status, h.says)
		}
		if r.Page().Find(`main a[href="/login"]`).Length() == 0 {
			t.Errorf("%s: no way back", name)
		}
		if in(c) {
			t.Errorf("%s: signed in", name)
		}
		if watch.Sum() != before {
			t.Errorf("%s: the database changed", name)
		}
		f.p.Set(func() { f.p.Claims, f.p.Sign, f.p.Tokens = nil, nil, nil })
	}
	f.Clock.Forward(time.Minute)
	c := f.Anonymous()
	if r := f.arrive(c); r.Location != "/" || !in(c) {
		t.Errorf("an honest answer: %d %s %s", r.Status, r.Location, main(r))
	}
}

const notProved = "does not prove who you are"

// TestASVS_6_8_2: what the provider says counts by its signature, and so do tests 9.1.1.
func TestASVS_6_8_2(t *testing.T) {
	t.Parallel()
	refuses(t, map[string]hostile{
		"a changed claim": {http.StatusBadRequest, notProved, func(f *federated, p *webtest.Provider) {
			p.Sign = func(c map[string]any) string {
				token := p.Signed(c)
				c["name"] = "Mallory"
				return webtest.Unsigned(f.T, map[string]any{"alg": "ES256", "kid": "k1"}, c) + token[strings.LastIndex(token, "."):]
			}
		}},
		"another's key": {http.StatusBadRequest, notProved, func(f *federated, p *webtest.Provider) {
			other := webtest.NewProvider(f.T)
			p.Sign = other.Signed
		}},
		"another's key, brought along": {http.StatusBadRequest, notProved, func(f *federated, p *webtest.Provider) {
			other := webtest.NewProvider(f.T)
			raw, _ := other.Key.PublicKey.Bytes()
			b64 := base64.RawURLEncoding.EncodeToString
			p.Sign = func(c map[string]any) string {
				return other.SignedAs(map[string]any{"alg": "ES256", "kid": "k1", "jwk": map[string]any{"kty": "EC", "crv": "P-256", "x": b64(raw[1:33]), "y": b64(raw[33:])}}, c)
			}
		}},
		"no signature": {http.StatusBadRequest, notProved, func(_ *federated, p *webtest.Provider) {
			p.Sign = func(c map[string]any) string { return p.Signed(c)[:strings.LastIndex(p.Signed(c), ".")+1] }
		}},
		"no token": {http.StatusBadRequest, notProved, func(_ *federated, p *webtest.Provider) {
			p.Tokens = func(a map[string]any) { delete(a, "id_token") }
		}},
		"no JWT": {http.StatusBadRequest, notProved, func(_ *federated, p *webtest.Provider) {
			p.Sign = func(map[string]any) string { return "x.y.z" }
		}},
	})
}

// TestASVS_9_1_1: see TestASVS_6_8_2; here, claims are not looked at before the signature.
func TestASVS_9_1_1(t *testing.T) {
	t.Parallel()
	refuses(t, map[string]hostile{
		"unverified and badly signed": {http.StatusBadRequest, notProved, func(f *federated, p *webtest.Provider) {
			other := webtest.NewProvider(f.T)
			p.Claims = func(c map[string]any) { c["email_verified"] = false }
			p.Sign = other.Signed
		}},
	})
}

// TestASVS_9_1_2: only the algorithms of ours count, whatever the provider says of itself.
func TestASVS_9_1_2(t *testing.T) {
	t.Parallel()
	mac := func(f *federated, secret []byte, header map[string]any) func(map[string]any) string {
		return func(c map[string]any) string {
			text := webtest.Unsigned(f.T, header, c)
			m := hmac.New(sha256.New, secret)
			m.Write([]byte(text))
			return text + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
		}
	}
	refuses(t, map[string]hostile{
		"none": {http.StatusBadRequest, notProved, func(f *federated, p *webtest.Provider) {
			p.Sign = func(c map[string]any) string { return webtest.Unsigned(f.T, map[string]any{"alg": "none"}, c) + "." }
		}},
		"None": {http.StatusBadRequest, notProved, func(f *federated, p *webtest.Provider) {
			p.Sign = func(c map[string]any) string { return webtest.Unsigned(f.T, map[string]any{"alg": "None"}, c) + "." }
		}},
		"the public key as a secret": {http.StatusBadRequest, notProved, func(f *federated, p *webtest.Provider) {
			public, err := x509.MarshalPKIXPublicKey(p.Public())
			if err != nil {
				f.T.Fatal(err)
			}
			p.Sign = mac(f, public, map[string]any{"alg": "HS256", "kid": "k1"})
		}},
		"the client's secret": {http.StatusBadRequest, notProved, func(f *federated, p *webtest.Provider) {
			p.Sign = mac(f, []byte(webtest.ClientSecret), map[string]any{"alg": "HS256"})
		}},
		"another algorithm's name": {http.StatusBadRequest, notProved, func(_ *federated, p *webtest.Provider) {
			p.Sign = func(c map[string]any) string { return p.SignedAs(map[string]any{"alg": "RS256", "kid": "k1"}, c) }
		}},
	})
}

// TestAlgorithms: RS256, which most providers sign by, and ES256 count; and a key that is
// new is asked for.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	f := federate(t)
	f.linked(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	f.p.Set(func() { f.p.RSA = key })
	for range 2 {
		if c := f.Anonymous(); f.arrive(c).Location != "/" || !in(c) {
			t.Fatal("RS256 does not count")
		}
	}
	if n := f.p.Asked("/keys"); n != 2 {
		t.Errorf("keys were asked for %d times", n)
	}
}

// TestASVS_9_1_3: keys come from the configured issuer, not from where a token says.
func TestASVS_9_1_3(t *testing.T) {
	t.Parallel()
	var fetched atomic.Int64
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { fetched.Add(1) }))
	defer trap.Close()
	tricks := map[string]hostile{}
	for _, header := range []string{"jku", "x5u"} {
		tricks[header] = hostile{http.StatusBadRequest, notProved, func(f *federated, p *webtest.Provider) {
			other := webtest.NewProvider(f.T)
			p.Sign = func(c map[string]any) string {
				return other.SignedAs(map[string]any{"alg": "ES256", "kid": "k2", header: trap.URL + "/keys"}, c)
			}
		}}
	}
	refuses(t, tricks)
	if fetched.Load() != 0 {
		t.Error("keys were fetched from where a token said")
	}
}

// TestASVS_9_2_1: a token counts in its time, give or take a minute.
func TestASVS_9_2_1(t *testing.T) {
	t.Parallel()
	at := func(name string, ahead time.Duration) hostile {
		return hostile{http.StatusBadRequest, notProved, func(f *federated, p *webtest.Provider) {
			p.Claims = func(c map[string]any) { c[name] = f.Clock.Now().Add(ahead).Unix() }
		}}
	}
	refuses(t, map[string]hostile{
		"expired": at("exp", -2*time.Minute), "not yet": at("nbf", 10*time.Minute),
		"without an end": {http.StatusBadRequest, notProved, claim("exp", nil)}, "an end in words": {http.StatusBadRequest, notProved, claim("exp", "tomorrow")},
	})
}

// TestASVS_9_2_2: only an identity token of this flow signs in.
func TestASVS_9_2_2(t *testing.T) {
	t.Parallel()
	refuses(t, map[string]hostile{
		"the identity token as access token alone": {http.StatusBadRequest, notProved, func(_ *federated, p *webtest.Provider) {
			p.Tokens = func(a map[string]any) { a["access_token"] = a["id_token"]; delete(a, "id_token") }
		}},
		"an access token in its place": {http.StatusBadRequest, notProved, func(_ *federated, p *webtest.Provider) {
			p.Sign = func(c map[string]any) string {
				delete(c, "nonce")
				c["aud"], c["scope"] = []string{webtest.ClientID, "https://api.example.com"}, "openid email"
				return p.SignedAs(map[string]any{"alg": "ES256", "kid": "k1", "typ": "at+jwt"}, c)
			}
		}},
	})
}

// TestASVS_9_2_3: a token for others does not count, and so asks 10.5.4.
func TestASVS_9_2_3(t *testing.T) {
	t.Parallel()
	refuses(t, map[string]hostile{
		"another client's":         {http.StatusBadRequest, notProved, claim("aud", "another-client")},
		"others'":                  {http.StatusBadRequest, notProved, claim("aud", []string{"another-client", "a-third"})},
		"nobody's":                 {http.StatusBadRequest, notProved, claim("aud", nil)},
		"made for another":         {http.StatusBadRequest, notProved, claim("azp", "another-client")},
		"ours and others', no azp": {http.StatusBadRequest, notProved, claim("aud", []string{webtest.ClientID, "another-client"})},
	})
}

// TestASVS_10_5_4: see TestASVS_9_2_3; a token that names us as the one it was made for counts.
func TestASVS_10_5_4(t *testing.T) {
	t.Parallel()
	f := federate(t)
	f.linked(t)
	for _, aud := range []any{webtest.ClientID, []string{webtest.ClientID}, []string{"another", webtest.ClientID}} {
		f.p.Set(func() { f.p.Claims = func(c map[string]any) { c["aud"], c["azp"] = aud, webtest.ClientID } })
		if c := f.Anonymous(); f.arrive(c).Location != "/" || !in(c) {
			t.Errorf("a token for %v is refused", aud)
		}
	}
}

// TestASVS_10_5_1: a token of another flow does not count.
func TestASVS_10_5_1(t *testing.T) {
	t.Parallel()
	refuses(t, map[string]hostile{
		"another nonce": {http.StatusBadRequest, notProved, claim("nonce", "another")}, "no nonce": {http.StatusBadRequest, notProved, claim("nonce", nil)},
		"an empty nonce": {http.StatusBadRequest, notProved, claim("nonce", "")}, "a list": {http.StatusBadRequest, notProved, claim("nonce", []string{"a"})},
	})
}

// TestVerifiedAddress: case 3, only the value true says that an address is verified.
func TestVerifiedAddress(t *testing.T) {
	t.Parallel()
	tricks := map[string]hostile{}
	for name, v := range map[string]any{"false": false, "false as a text": "false", "true as a text": "true", "1": 1, "0": 0, "missing": nil, "a list": []bool{true}} {
		tricks[name] = hostile{http.StatusForbidden, "does not say that your email address is verified", claim("email_verified", v)}
	}
	tricks["another spelling"] = hostile{http.StatusForbidden, "is verified", func(_ *federated, p *webtest.Provider) {
		p.Claims = func(c map[string]any) { delete(c, "email_verified"); c["Email_Verified"] = true }
	}}
	tricks["no address"] = hostile{http.StatusForbidden, "is verified", claim("email", nil)}
	refuses(t, tricks)
}

// TestASVS_10_5_2: who signs in is told by the subject, whatever else is said.
func TestASVS_10_5_2(t *testing.T) {
	t.Parallel()
	refuses(t, map[string]hostile{
		"no subject": {http.StatusBadRequest, notProved, claim("sub", nil)}, "an empty one": {http.StatusBadRequest, notProved, claim("sub", "")},
		"a number": {http.StatusBadRequest, notProved, claim("sub", 1001)}, "too long": {http.StatusBadRequest, notProved, claim("sub", strings.Repeat("1", 256))},
		"another issuer in the token": {http.StatusBadRequest, notProved, claim("iss", "https://accounts.google.com")},
	})
	f := federate(t)
	u, _ := f.linked(t)
	f.p.Set(func() { f.p.Person["email"] = "renamed@example.com" })
	c := f.Anonymous()
	if r := f.arrive(c); r.Location != "/" || !strings.Contains(c.Get("/account").Body, u.Email) {
		t.Errorf("the same subject under another address: %d %s", r.Status, r.Location)
	}
}

// TestASVS_10_5_3: what is configured and what the provider says it is are the same, sign
// by sign; and what it says is taken from nowhere else.
func TestASVS_10_5_3(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }))
	defer other.Close()
	set := func(name, value string) func(http.ResponseWriter, map[string]any) bool {
		return func(_ http.ResponseWriter, said map[string]any) bool { said[name] = value; return false }
	}
	for name, discovery := range map[string]func(http.ResponseWriter, map[string]any) bool{
		"another issuer": set("issuer", "https://accounts.google.com"),
		"a slash more": func(_ http.ResponseWriter, said map[string]any) bool {
			said["issuer"] = said["issuer"].(string) + "/"
			return false
		},
		"no issuer":             func(_ http.ResponseWriter, said map[string]any) bool { delete(said, "issuer"); return false },
		"no keys":               func(_ http.ResponseWriter, said map[string]any) bool { delete(said, "jwks_uri"); return false },
		"tokens in the clear":   set("token_endpoint", "http://id.example.com/token"),
		"keys in the clear":     set("jwks_uri", "http://id.example.com/keys"),
		"a host for the header": set("authorization_endpoint", "https://id.example.com;script-src*/authorize"),
		"elsewhere": func(w http.ResponseWriter, _ map[string]any) bool {
			w.Header().Set("Location", other.URL)
			w.WriteHeader(http.StatusFound)
			return true
		},
		"too much": func(w http.ResponseWriter, _ map[string]any) bool {
			_, _ = w.Write([]byte(`{"issuer": "` + strings.Repeat("x", 1<<20)))
			return true
		},
		"nothing": func(w http.ResponseWriter, _ map[string]any) bool { w.WriteHeader(http.StatusOK); return true },
		"no JSON": func(w http.ResponseWriter, _ map[string]any) bool { _, _ = w.Write([]byte("<html>")); return true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := federate(t)
			f.p.Discovery = discovery
			u := f.User("")
			page := f.Anonymous().Get("/login").Want(http.StatusOK)
			if b := page.Page().Find(`form[action="/auth/google"] button[disabled]`).Text(); !strings.Contains(b, "cannot be reached") {
				t.Errorf("the button says %q", b)
			}
			if csp := page.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self';") {
				t.Errorf("policy %q", csp)
			}
			r := f.Anonymous().Post("/auth/google", url.Values{"next": {"/"}}).Want(http.StatusServiceUnavailable)
			if !strings.Contains(main(r), "cannot be reached") {
				t.Errorf("it says %q", main(r))
			}
			f.SignIn(u) // as ever
			if n := f.p.Asked("/.well-known/openid-configuration"); n != 1 {
				t.Errorf("it was asked %d times within a minute", n)
			}
			f.p.Set(func() { f.p.Discovery = nil })
			f.Clock.Forward(61 * time.Second)
			if f.Anonymous().Get("/login").Page().Find(`form[action="/auth/google"] button:not([disabled])`).Length() != 1 {
				t.Error("a minute later it is not asked again")
			}
		})
	}
}

// TestSlowProvider: who signs in by password does not wait for a provider that is slow.
func TestSlowProvider(t *testing.T) {
	t.Parallel()
	f := federate(t)
	release := make(chan struct{})
	f.p.Discovery = func(http.ResponseWriter, map[string]any) bool { <-release; return false }
	defer close(release)
	began := time.Now()
	page := f.Anonymous().Get("/login").Want(http.StatusOK)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the page took %s", took)
	}
	if page.Page().Find(`form[action="/auth/google"] button[disabled]`).Length() != 1 {
		t.Error("the button does not say that the provider cannot be reached")
	}
	f.SignIn(f.User(""))
}

// TestASVS_10_1_1: what the provider gives with its word is dropped: it is in no table, no
// file, no cookie and no log.
func TestASVS_10_1_1(t *testing.T) {
	t.Parallel()
	f := federate(t)
	var mu sync.Mutex
	var secrets []string
	f.p.Tokens = func(a map[string]any) {
		mu.Lock()
		defer mu.Unlock()
		id := a["id_token"].(string)
		secrets = append(secrets, a["access_token"].(string), a["refresh_token"].(string), id, id[strings.LastIndex(id, ".")+1:])
	}
	f.linked(t)
	c := f.Anonymous()
	location := depart(c, "/")
	back := f.p.Approve(location)
	r := c.Get(back).Want(http.StatusSeeOther)
	f.p.Set(func() { f.p.Claims = func(c map[string]any) { c["nonce"] = "another" } })
	f.arrive(f.Anonymous()).Want(http.StatusBadRequest)
	q, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	b, err := url.Parse(back)
	if err != nil {
		t.Fatal(err)
	}
	secrets = append(secrets, webtest.ClientSecret, b.Query().Get("code"), q.Query().Get("state"), q.Query().Get("nonce"))
	sent := strings.Join(r.Header.Values("Set-Cookie"), "\n") + f.log.String() + r.Body
	kept := f.dump(t)
	for _, s := range secrets {
		if len(s) < 20 || strings.Contains(sent, s) {
			t.Errorf("%.12q… is in a cookie, a page or the log", s)
		}
		if strings.Contains(kept, s) {
			t.Errorf("%.12q… is in the database", s)
		}
	}
	if len(secrets) < 12 {
		t.Errorf("%d secrets", len(secrets))
	}
}

// dump is all that the database holds.
func (f *federated) dump(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	if path, ok := strings.CutPrefix(f.dsn, "sqlite:"); ok {
		for _, file := range []string{path, path + "-wal"} {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			b.Write(raw)
		}
		return b.String()
	}
	f.View(func(tx *db.Tx) error {
		for _, table := range []string{"identities", "oidc_flows", "identity_offers", "sessions", "events", "idempotency", "jobs", "mails", "throttles", "pending_sign_ins"} {
			rows, err := db.All(tx, db.Scalar[string], "SELECT x::text FROM "+table+" x LIMIT 1000")
			if err != nil {
				return err
			}
			b.WriteString(strings.Join(rows, "\n"))
		}
		return nil
	})
	return b.String()
}
