package accounts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/markbates/goth/providers/openidConnect"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"steward/internal/config"
	"steward/internal/control"
	"steward/internal/fault"
)

// How the provider is spoken to.
const (
	providerWait  = 10 * time.Second // for each of its answers
	providerReply = 256 << 10        // bytes of an answer that are read
	providerRetry = time.Minute      // after it could not be reached
	clockSkew     = time.Minute      // that its clock may differ by
	freshAuth     = 5 * time.Minute  // how long ago the person may have signed in there to prove who they are
)

// Provider is an OpenID Connect provider that people may sign in by. What it says about
// itself is asked for when it is first needed, so that this program starts without it.
//
// The flow is goth's, with a state, a nonce and a proof key that are ours. goth reads an
// identity token without looking at its signature, and what it says about a person is
// merged with an answer that nobody signed: of the token's verification nothing is goth's,
// and that answer is not asked for.
type Provider struct {
	config.Provider
	back   string // where the provider sends people back to
	client *http.Client
	log    *slog.Logger
	now    func() time.Time
	asking singleflight.Group

	mu       sync.Mutex
	known    *endpoints
	problem  error // why it is not known
	failedAt time.Time
}

// endpoints are what the provider says about itself.
type endpoints struct {
	authorize, token string
	origin           string // of authorize
	chosen           bool   // it lets a flow choose what its token says
	verifier         *oidc.IDTokenVerifier
}

// NewProvider makes a provider that sends people back to a URL.
func NewProvider(c config.Provider, back string, log *slog.Logger, now func() time.Time) *Provider {
	return &Provider{Provider: c, back: back, log: log, now: now, client: &http.Client{
		Timeout:   providerWait,
		Transport: bounded{http.DefaultTransport},
		// Where it sends us to instead is not what was configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// bounded reads no more than providerReply bytes of an answer.
type bounded struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(res.Body, providerReply), res.Body}
	return res, nil
}

// Origin is where the provider's own pages are, such as https://accounts.google.com.
// Unavailable when it does not tell in the context's time.
func (p *Provider) Origin(ctx context.Context) (string, error) {
	e, err := p.discover(ctx)
	if err != nil {
		return "", err
	}
	return e.origin, nil
}

// discover gives what the provider says about itself. It is asked once; when that fails,
// again after a minute. Unavailable when it does not tell in the context's time.
func (p *Provider) discover(ctx context.Context) (*endpoints, error) {
	p.mu.Lock()
	known, problem, failedAt := p.known, p.problem, p.failedAt
	p.mu.Unlock()
	if known != nil {
		return known, nil
	}
	if problem != nil && p.now().Sub(failedAt) < providerRetry {
		return nil, p.unavailable(problem)
	}
	// Whoever asks first may not wait for the answer: the others still want it.
	answer := p.asking.DoChan("", func() (any, error) { return p.ask(context.WithoutCancel(ctx)) })
	select {
	case <-ctx.Done():
		return nil, p.unavailable(ctx.Err())
	case r := <-answer:
		if r.Err != nil {
			return nil, p.unavailable(r.Err)
		}
		return r.Val.(*endpoints), nil
	}
}

func (p *Provider) unavailable(cause error) error {
	return fault.Wrap(cause, fault.Unavailable, "accounts.provider", p.Name+" cannot be reached at the moment. Try again in a minute, or sign in with your password.")
}

func (p *Provider) ask(ctx context.Context) (*endpoints, error) {
	e, err := p.fetch(oidc.ClientContext(ctx, p.client))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known, p.problem, p.failedAt = e, err, p.now()
	if err != nil {
		p.log.Warn("the sign-in provider does not say where it is", "issuer", p.Issuer, "error", brief(err))
	}
	return e, err
}

func (p *Provider) fetch(ctx context.Context) (*endpoints, error) {
	found, err := oidc.NewProvider(ctx, p.Issuer) // which compares the issuer, sign by sign
	if err != nil {
		return nil, err
	}
	var said struct {
		Keys   string `json:"jwks_uri"`
		Chosen bool   `json:"claims_parameter_supported"`
	}
	if err := found.Claims(&said); err != nil {
		return nil, err
	}
	e := &endpoints{authorize: found.Endpoint().AuthURL, token: found.Endpoint().TokenURL, chosen: said.Chosen}
	for _, raw := range []string{said.Keys, e.token, e.authorize} {
		u, err := url.Parse(raw)
		if err != nil || !plainHost.MatchString(u.Host) || u.User != nil || u.Fragment != "" || (u.Scheme != "https" && (u.Scheme != "http" || !config.Loopback(u.Hostname()))) {
			return nil, fmt.Errorf("it names an endpoint that cannot be used: %.200q", raw)
		}
		e.origin = u.Scheme + "://" + u.Host
	}
	e.verifier = found.Verifier(&oidc.Config{ClientID: p.ClientID, SupportedSigningAlgs: []string{oidc.RS256, oidc.ES256}, Now: func() time.Time { return p.now().Add(-clockSkew) }})
	return e, nil
}

// plainHost is a host that can stand in a header as it is.
var plainHost = regexp.MustCompile(`^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]+)?$`)

// brief is as much of an error as goes into a log: it may quote what the provider sent.
func brief(err error) string {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.Response != nil { // whose text is the answer, which may hold tokens
		return fmt.Sprintf("the provider answered %d, %.100q", refused.Response.StatusCode, refused.ErrorCode)
	}
	return fmt.Sprintf("%.300s", err)
}

// asked is what one flow asked the provider, and has to find in its answer.
type asked struct {
	state, nonce, verifier string
	fresh                  bool // the person has to sign in there now
}

// relay is goth's side of one flow: its options are the flow's own, so it serves no other.
func (p *Provider) relay(e *endpoints) (*openidConnect.Provider, error) {
	r, err := openidConnect.NewCustomisedURL(p.ClientID, p.ClientSecret, p.back, e.authorize, e.token, p.Issuer, "", "", oidc.ScopeOpenID, "email", "profile")
	if err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	r.HTTPClient = p.client
	return r, nil
}

// departure is the URL at the provider where a flow begins.
func (p *Provider) departure(e *endpoints, a asked) (string, error) {
	r, err := p.relay(e)
	if err != nil {
		return "", err
	}
	options := map[string]string{"nonce": a.nonce, "code_challenge": oauth2.S256ChallengeFromVerifier(a.verifier), "code_challenge_method": "S256"}
	// Some providers put the address into the token, and the time of the sign-in there, only
	// when they are told that the token is where it is wanted.
	claims := map[string]map[string]bool{}
	if e.chosen {
		claims["email"], claims["email_verified"], claims["name"] = map[string]bool{"essential": true}, map[string]bool{"essential": true}, nil
	}
	if a.fresh {
		options["prompt"], options["max_age"] = "login", "0"
		claims["auth_time"] = map[string]bool{"essential": true}
	}
	if len(claims) > 0 {
		wanted, err := json.Marshal(map[string]any{"id_token": claims})
		if err != nil {
			return "", fmt.Errorf("accounts: %w", err)
		}
		options["claims"] = string(wanted)
	}
	r.SetAuthCodeOptions(options)
	s, err := r.BeginAuth(a.state)
	if err != nil {
		return "", fmt.Errorf("accounts: %w", err)
	}
	return s.GetAuthURL()
}

// claims are what the provider vouches for.
type claims struct {
	subject  string
	email    string // normalized
	name     string // "" when it cannot be shown
	signedIn time.Time
}

// redeem trades the code of a flow for what the provider says about the person. Its tokens
// go no further than this. Unavailable when it cannot be reached; Unauthenticated when
// what it says is not proved, or is about another flow; Forbidden when it has not verified
// the person's address.
func (p *Provider) redeem(ctx context.Context, a asked, code string) (claims, error) {
	e, err := p.discover(ctx)
	if err != nil {
		return claims{}, err
	}
	r, err := p.relay(e)
	if err != nil {
		return claims{}, err
	}
	var tokens openidConnect.Session
	if _, err := tokens.Authorize(r, url.Values{"code": {code}, "code_verifier": {a.verifier}}); err != nil {
		if lost := new(url.Error); errors.As(err, &lost) {
			return claims{}, p.unavailable(err)
		}
		return claims{}, p.doubt(err)
	}
	token, err := e.verifier.Verify(oidc.ClientContext(ctx, p.client), tokens.IDToken)
	if err != nil {
		return claims{}, p.doubt(err)
	}
	var raw json.RawMessage
	if err := token.Claims(&raw); err != nil {
		return claims{}, p.doubt(err)
	}
	said := map[string]any{} // and no struct, which takes names in any spelling
	if err := json.Unmarshal(raw, &said); err != nil {
		return claims{}, p.doubt(err)
	}
	if err := p.meant(said, a, len(token.Audience)); err != nil {
		return claims{}, p.doubt(err)
	}
	return p.vouched(said)
}

// doubt answers for what a provider said that proves nothing.
func (p *Provider) doubt(cause error) error {
	p.log.Warn("an answer of the sign-in provider was refused", "issuer", p.Issuer, "error", brief(cause))
	return fault.New(fault.Unauthenticated, "accounts.providerAnswer", "What "+p.Name+" answered does not prove who you are, so nothing was done. Start again.")
}

// meant reports whether a verified token was made for this flow.
func (p *Provider) meant(said map[string]any, a asked, audiences int) error {
	party, named := said["azp"]
	switch {
	case said["nonce"] != a.nonce && control.On(control.ProviderNonce):
		return errors.New("the token has another nonce, or none")
	case named && party != p.ClientID, !named && audiences != 1:
		return errors.New("the token was made for another client")
	}
	return nil
}

// vouched reads who the provider says that it is. Only an address that it has verified
// counts, and only when it says so by the value true: others write "false" as a text.
func (p *Provider) vouched(said map[string]any) (claims, error) {
	subject, _ := said["sub"].(string)
	if subject == "" || len(subject) > 255 {
		return claims{}, p.doubt(errors.New("the token names nobody"))
	}
	address, _ := said["email"].(string)
	email, err := NormalizeEmail(address)
	// A sign beyond ASCII that becomes a letter in lower case, as the Kelvin sign does, is
	// somebody else's address.
	if said["email_verified"] != true || err != nil || email != lowerASCII(address) {
		return claims{}, fault.New(fault.Forbidden, "accounts.unverified", p.Name+" does not say that your email address is verified. Verify it there first.")
	}
	c := claims{subject: subject, email: email}
	if name, ok := said["name"].(string); ok && CheckName("name", "a name", name) == nil {
		c.name = strings.TrimSpace(name)
	}
	if at, ok := said["auth_time"].(float64); ok && at > 0 && at < 1<<40 {
		c.signedIn = time.Unix(int64(at), 0)
	}
	return c, nil
}

func lowerASCII(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}

// fresh reports whether the person signed in at the provider a short time ago.
func (p *Provider) fresh(c claims) bool {
	ago := p.now().Sub(c.signedIn)
	return !c.signedIn.IsZero() && ago < freshAuth+clockSkew && ago > -clockSkew
}
