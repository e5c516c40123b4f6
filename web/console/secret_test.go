package console_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"steward/internal/accounts"
	"steward/internal/config"
	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/internal/id"
	"steward/internal/keys"
	"steward/internal/tenancy"
	"steward/web/webtest"
)

const another = "eight amber lanterns sway"

// kept is how a password is kept: PHC, with the parameters that are written down.
var kept = regexp.MustCompile(`^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`)

// hashOf is how a person's password is kept, and by which key it is peppered.
func hashOf(s *webtest.Site, email string) (hash, key string) {
	s.T.Helper()
	s.View(func(tx *db.Tx) error {
		_, err := db.One(tx, func(r db.Row) (int, error) { return 0, r.Scan(&hash, &key) }, "SELECT password_hash, pepper_key FROM users WHERE email = $1", email)
		return err
	})
	return hash, key
}

// TestASVS_11_4_2: by whatever way a password is set, it is kept as argon2id with the
// parameters that are written down, a salt of its own, and a pepper that is not there.
func TestASVS_11_4_2(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := webtest.Open(t, webtest.Options{Idle: true, Config: withMailbox, Data: data})
	code, err := tenancy.SetupCode(t.Context(), s.App.DB)
	if err != nil {
		t.Fatal(err)
	}
	s.Anonymous().Post("/setup", url.Values{"code": {code}, "name": {"Ada"}, "email": {"ada@example.com"}, "password": {another}, "repeat": {another}, "maintainer": {"M"}, "organization": {"O"}, "project": {"P"}}).Want(http.StatusSeeOther)
	invited := s.Anonymous()
	invited.Get("/activate/" + activation(t, s))
	invited.Post("/activate", url.Values{"email": {"invited@example.com"}, "name": {"Iva"}, "password": {another}, "repeat": {another}}).Want(http.StatusSeeOther)
	added := s.User("")
	changed := s.User("")
	s.SignIn(changed).Post("/account/password", url.Values{"current": {webtest.Password}, "password": {another}, "repeat": {another}}).Want(http.StatusSeeOther)
	reset := s.User("")
	s.Anonymous().Post("/password/forgot", url.Values{"email": {reset.Email}}).Want(http.StatusSeeOther)
	c := s.Anonymous()
	c.Get(mailed(t, s, "/password/reset/"))
	c.Post("/password/reset", url.Values{"email": {reset.Email}, "password": {another}, "repeat": {another}}).Want(http.StatusSeeOther)
	salts := map[string]bool{}
	for way, email := range map[string]string{"set-up": "ada@example.com", "activation": "invited@example.com", "the operator": added.Email, "change": changed.Email, "reset": reset.Email} {
		hash, _ := hashOf(s, email)
		if !kept.MatchString(hash) {
			t.Errorf("by %s: %s", way, hash)
			continue
		}
		password := another
		if way == "the operator" {
			password = webtest.Password
		}
		if ok, err := argon2id.ComparePasswordAndHash(password, hash); ok || err != nil {
			t.Errorf("by %s: without the pepper (%t, %v)", way, ok, err)
		}
		// The reference is x/crypto's implementation.
		if ok, err := argon2id.ComparePasswordAndHash(peppered(t, data, password), hash); !ok || err != nil {
			t.Errorf("by %s: by the reference, with the pepper (%t, %v)", way, ok, err)
		}
		salt := strings.Split(hash, "$")[4]
		if salts[salt] {
			t.Errorf("by %s: a salt that was used", way)
		}
		salts[salt] = true
	}

	made, err := argon2id.CreateHash(peppered(t, data, "made by the reference"), &argon2id.Params{Memory: 19456, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	if err != nil {
		t.Fatal(err)
	}
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE users SET password_hash = $2 WHERE id = $1", added.ID, made)
	})
	s.Anonymous().Post("/login", url.Values{"email": {added.Email}, "password": {"made by the reference"}}).Want(http.StatusSeeOther)
	if hash, _ := hashOf(s, added.Email); hash != made {
		t.Errorf("the reference's hash was replaced by %s", hash)
	}
}

// peppered is what of a password is hashed, by the key of a data folder.
func peppered(t *testing.T, data, password string) string {
	t.Helper()
	ring, err := keys.Open(filepath.Join(data, "keys", "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	mac, err := ring.MAC(ring.Current(), keys.Pepper, []byte(password))
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawStdEncoding.EncodeToString(mac)
}

// mailed is the path of a link in the newest mail of the mailbox.
func mailed(t *testing.T, s *webtest.Site, begin string) string {
	t.Helper()
	for range 3 {
		if err := s.App.Jobs.Drain(t.Context(), "system"); err != nil {
			t.Fatal(err)
		}
	}
	c := s.Anonymous()
	list := c.Get("/mailbox").Want(http.StatusOK).Page().Find(`tbody a[href^="/mailbox/"]`)
	for i := range list.Length() {
		at, ok := c.Get(list.Eq(i).AttrOr("href", "")).Page().Find(`a[href*="` + begin + `"]`).Attr("href")
		if ok {
			return strings.TrimPrefix(at, s.URL)
		}
	}
	t.Fatalf("no mail has a link to %s", begin)
	return ""
}

// TestASVS_11_2_2: keys and parameters can be changed under a running installation: what
// was made with the old ones still counts, and becomes new when it is used.
func TestASVS_11_2_2(t *testing.T) {
	t.Parallel()
	data, dsn := t.TempDir(), dbtest.DSN(t)
	s := webtest.Open(t, webtest.Options{Idle: true, Damaged: true, Data: data, DSN: dsn})
	u, plain := s.User(""), s.User("")
	c := s.SignIn(u)
	secret, codes := s.TwoStep(c)
	c.Post("/account/recovery-codes/stored", url.Values{}).Want(http.StatusSeeOther)
	_, old := hashOf(s, u.Email)
	path := filepath.Join(data, "keys", "keys.json")

	// Weak parameters, as an older program may have had.
	weak, err := argon2id.CreateHash(peppered(t, data, webtest.Password), &argon2id.Params{Memory: 8192, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	if err != nil {
		t.Fatal(err)
	}
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE users SET password_hash = $2 WHERE id = $1", plain.ID, weak)
	})
	s.SignIn(plain)
	if hash, _ := hashOf(s, plain.Email); !kept.MatchString(hash) {
		t.Errorf("after the next sign-in it is kept as %s", hash)
	}

	// A second key.
	if err := s.App.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw = bytes.Replace(raw, []byte("]"), []byte(`,{"id":"knew","secret":"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"}]`), 1)
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	s = webtest.Open(t, webtest.Options{Idle: true, Data: data, DSN: dsn})
	s.Clock.Forward(time.Minute)
	enter := func(code string) {
		t.Helper()
		c = s.SignIn(u)
		c.Post("/mfa", url.Values{"code": {code}}).Want(http.StatusSeeOther)
		c.Get("/account").Want(http.StatusOK)
	}
	enter(s.Code(secret))
	if _, key := hashOf(s, u.Email); key != "knew" || old == "knew" {
		t.Errorf("the password is peppered by %s, was by %s", key, old)
	}
	enter(codes[0])
	c.Post("/account/recovery-codes", url.Values{}).Want(http.StatusSeeOther)
	for column, form := range map[string]string{"recovery_codes.mac_key": "^knew$", "factors.codes_sealed": "^knew:"} {
		table, name, _ := strings.Cut(column, ".")
		values := dbtest.Values(t, dsn, table, name)
		if len(values) == 0 || slices.ContainsFunc(values, func(v string) bool { return !regexp.MustCompile(form).MatchString(v) }) {
			t.Errorf("%s is made anew with %v", column, values)
		}
	}
}

// drawn are the secrets that the program gives out, of each kind many, with how many bits
// each has to have.
type drawn struct {
	values []string
	signs  string // that each place is drawn from
	bits   float64
}

// TestASVS_11_2_3: whatever lets somebody in has the strength of 128 bits at least.
func TestASVS_11_2_3(t *testing.T) {
	t.Parallel()
	for kind, length := range map[string]int{"__Host-session": 43, "__Host-device": 43, "__Host-oidc": 43} {
		for _, k := range cookies(t) {
			if k.Name != kind || k.Value == "" {
				continue
			}
			if raw, err := base64.RawURLEncoding.DecodeString(k.Value); err != nil || len(k.Value) != length || len(raw)*8 < 256 {
				t.Errorf("%s has %d bits (%v)", kind, len(raw)*8, err)
			}
		}
	}
	for _, k := range cookies(t) {
		if slices.Contains([]string{"__Host-pending", "__Host-link", "__Host-offer"}, k.Name) && k.Value != "" && !id.IsCode(k.Value) {
			t.Errorf("%s is no code of 256 bits: %d signs", k.Name, len(k.Value))
		}
	}
	s := webtest.Open(t, webtest.Options{Idle: true})
	c := s.SignIn(s.User(""))
	secret, codes := s.TwoStep(c)
	if n := len(secret) * 5; n < 160 { // base 32
		t.Errorf("the secret of an authenticator app has %d bits", n)
	}
	for _, code := range codes {
		if n := len(strings.ReplaceAll(code, "-", "")) * 5; n < 128 {
			t.Errorf("a recovery code has %d bits", n)
		}
	}
	if len(codes) != accounts.RecoveryCodes {
		t.Errorf("%d recovery codes", len(codes))
	}
}

// TestASVS_11_5_1: secrets are drawn from the system's random source: of each kind no two
// are equal, and in every place stands every sign that may, about as often.
func TestASVS_11_5_1(t *testing.T) {
	t.Parallel()
	const (
		base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
		many   = 40_000
	)
	kinds := map[string]*drawn{"session": {signs: base64, bits: 256}, "code": {signs: base62, bits: 255}, "recovery code": {signs: base32, bits: 128}, "nonce": {signs: base64, bits: 128}}
	for range many {
		kinds["session"].values = append(kinds["session"].values, id.Secret()[:42]) // the last sign has two bits of padding
		kinds["code"].values = append(kinds["code"].values, strings.TrimPrefix(id.Code(), "stw_")[:43])
	}
	for _, a := range walk(t).answers {
		if scripts := a.policy()["script-src"]; len(scripts) == 2 {
			kinds["nonce"].values = append(kinds["nonce"].values, noncePart.FindStringSubmatch(scripts[1])[1][:21])
		}
	}
	s := webtest.Open(t, webtest.Options{Idle: true})
	c := s.SignIn(s.User(""))
	_, codes := s.TwoStep(c)
	c.Post("/account/recovery-codes/stored", url.Values{})
	for range 30 {
		for _, code := range codes {
			kinds["recovery code"].values = append(kinds["recovery code"].values, strings.ToUpper(strings.ReplaceAll(code, "-", ""))[:25])
		}
		c.Post("/account/recovery-codes", url.Values{}).Want(http.StatusSeeOther)
		codes = nil
		c.Get("/account/recovery-codes").Want(http.StatusOK).Page().Find(".codes li").Each(func(_ int, li *gq) { codes = append(codes, li.Text()) })
	}
	for kind, d := range kinds {
		if len(d.values) < 250 {
			t.Fatalf("only %d × %s", len(d.values), kind)
		}
		seen := map[string]bool{}
		counts := make([]map[rune]int, len(d.values[0]))
		for _, v := range d.values {
			if seen[v] || len(v) != len(counts) {
				t.Fatalf("%s: one came twice, or is of another length: %d", kind, len(v))
			}
			seen[v] = true
			for i, r := range v {
				if counts[i] == nil {
					counts[i] = map[rune]int{}
				}
				if counts[i][r]++; !strings.ContainsRune(d.signs, r) {
					t.Fatalf("%s: nobody expects the sign %q", kind, r)
				}
			}
		}
		fair := float64(len(d.values)) / float64(len(d.signs))
		for i, c := range counts {
			chi := 0.0
			for _, r := range d.signs {
				chi += (float64(c[r]) - fair) * (float64(c[r]) - fair) / fair
			}
			if most := float64(len(d.signs)) * 3; chi > most { // far beyond chance for 31 to 63 degrees of freedom
				t.Errorf("%s: the signs in place %d are not even: %.0f", kind, i, chi)
			}
		}
	}
}

// TestASVS_11_6_1_signatures: the provider's word is taken when it is signed by one of the
// two algorithms that are written down, and by no other.
func TestASVS_11_6_1_signatures(t *testing.T) {
	t.Parallel()
	p := webtest.NewProvider(t)
	s := webtest.Open(t, webtest.Options{Idle: true, Config: p.Configure})
	u := s.User("")
	p.Person["email"] = u.Email
	owner := s.SignIn(u)
	owner.Get(p.Approve(owner.Post("/account/identity/start", url.Values{}).Want(http.StatusSeeOther).Location)).Want(http.StatusSeeOther)
	in := func(sign func(map[string]any) string) bool {
		p.Set(func() { p.Sign = sign })
		c := s.Anonymous()
		c.Get(p.Approve(c.Post("/auth/google", url.Values{}).Want(http.StatusSeeOther).Location))
		return c.Get("/account").Status == http.StatusOK
	}
	if !in(p.Signed) {
		t.Fatal("an honest token is refused: this proves nothing")
	}
	for _, alg := range []string{"none", "HS256", "HS384", "HS512", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "EdDSA", "ES256K", "es256", ""} {
		if in(func(claims map[string]any) string {
			return p.SignedAs(map[string]any{"alg": alg, "kid": "k1", "typ": "JWT"}, claims)
		}) {
			t.Errorf("a signature by %q lets in", alg)
		}
	}
}

// shapes of what may be kept of a secret: a digest, a code over it, a hash, or sealed text.
var shapes = []*regexp.Regexp{
	regexp.MustCompile(`^[0-9a-f]{64}$`), regexp.MustCompile(`^k[0-9a-z]+:[A-Za-z0-9+/]{38,}$`), kept,
}

// encoded is a digest of 256 bits in base 64: a cookie looks the same, and so is looked for.
var encoded = regexp.MustCompile(`^[A-Za-z0-9+/_-]{43}=?$`)

// secretColumns are the columns that docs/data.md classes as secret.
func secretColumns(t *testing.T) (out []string) {
	t.Helper()
	b, err := os.ReadFile("../../docs/data.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "\n## Columns\n")
	name := regexp.MustCompile("`([^`]+)`")
	for l := range strings.Lines(text) {
		cells := strings.Split(l, "|")
		if len(cells) != 7 || name.FindString(cells[1]) == "" {
			continue
		}
		for _, m := range name.FindAllStringSubmatch(cells[2], -1) {
			out = append(out, name.FindStringSubmatch(cells[1])[1]+"."+m[1])
		}
	}
	return out
}

// TestASVS_14_2_4: the classes of data are kept as they are written down: a column that is
// secret holds digests and sealed text only, what it holds is in no answer to anybody, and
// nothing that is personal or a project's is in the log but numbers and addresses.
func TestASVS_14_2_4(t *testing.T) {
	t.Parallel()
	log, dsn := new(journal), dbtest.DSN(t)
	p := webtest.NewProvider(t)
	w := newTour(t, webtest.Options{DSN: dsn, Log: log, Config: func(c *config.Config) { p.Configure(c); withMailbox(c) }})
	cookies := live(t, w, p)
	columns := secretColumns(t)
	if len(columns) < 15 {
		t.Fatalf("only the columns %v", columns)
	}
	held := map[string]string{}
	for _, column := range columns {
		table, name, _ := strings.Cut(column, ".")
		values := dbtest.Values(t, dsn, table, name)
		if len(values) == 0 {
			t.Errorf("%s holds nothing: this proves nothing of it", column)
		}
		for _, v := range values {
			if column == "installation.value" && v == "yes" { // a switch
				continue
			}
			digest := (column == "sessions.token_hash" || column == "recovery_codes.mac") && encoded.MatchString(v)
			if !digest && !slices.ContainsFunc(shapes, func(r *regexp.Regexp) bool { return r.MatchString(v) }) {
				t.Errorf("%s holds %.20q…, which is neither a digest nor sealed", column, v)
			}
			held[v] = column
		}
	}
	for _, k := range cookies {
		if column, ok := held[k]; ok || len(k) < 43 {
			t.Errorf("%s holds a cookie as it is", column)
		}
	}
	w.answers = nil
	w.get()
	w.lists()
	for _, a := range w.answers {
		for v, column := range held {
			if strings.Contains(a.Body, v) || strings.Contains(a.Location, v) {
				t.Errorf("%s: the answer tells of %s", a, column)
			}
		}
	}
	text := log.String()
	for _, u := range w.people {
		if u.Email != "" && (strings.Contains(text, u.Email) || strings.Contains(text, u.Name+`"`)) {
			t.Errorf("the log tells of %s", u.Email)
		}
	}
	for v, column := range held {
		if strings.Contains(text, v) {
			t.Errorf("the log tells of %s", column)
		}
	}
	if len(held) < 30 || len(linesIn(t, text)) < 300 || len(cookies) < 8 {
		t.Errorf("%d secrets, %d lines", len(held), len(linesIn(t, text)))
	}
}

// live makes one of every secret that the database keeps something of, and gives the
// cookies that came of it.
func live(t *testing.T, w *tour, p *webtest.Provider) (cookies []string) {
	t.Helper()
	s := w.Site
	u := s.User("Lively")
	p.Person["email"] = u.Email
	p.Now = s.Clock.Now
	c := s.SignIn(u)
	s.TwoStep(c) // leaves new recovery codes sealed
	c.Post("/account/theme", url.Values{"theme": {"dark"}, "_key": {"a-key"}}).Want(http.StatusSeeOther)
	other := s.SignIn(s.User(""))
	other.Post("/account/two-step/start", url.Values{}).Want(http.StatusSeeOther)
	half := s.Anonymous()
	half.Post("/login", url.Values{"email": {u.Email}, "password": {webtest.Password}}).Want(http.StatusSeeOther)
	activation(t, s)
	gone := s.Anonymous()
	gone.Get(p.Approve(gone.Post("/auth/google", url.Values{}).Want(http.StatusSeeOther).Location)).Want(http.StatusSeeOther)
	away := s.Anonymous()
	away.Post("/auth/google", url.Values{}).Want(http.StatusSeeOther)
	for _, one := range []*webtest.Client{c, other, half, gone, away} {
		for _, k := range one.HTTP.Jar.Cookies(one.Request(http.MethodGet, "/", nil).URL) {
			cookies = append(cookies, k.Value)
		}
	}
	// The code of the first run is kept until it is used.
	s.Update(func(tx *db.Tx) error {
		_, err := tx.Exec("INSERT INTO installation (name, value) VALUES ('setup code', $1)", id.Digest(id.Secret()))
		return err
	})
	return cookies
}

// TestASVS_14_2_1: nothing that lets somebody in is in an address: neither in what a page
// leads to, nor in what it is asked by. The codes of links leave it at once, and the log
// has none.
func TestASVS_14_2_1(t *testing.T) {
	t.Parallel()
	told := walk(t)
	secret := regexp.MustCompile(`stw_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}`)
	looked := 0
	for _, a := range told.answers {
		for _, h := range []string{a.Location, a.Header.Get("Refresh"), a.Header.Get("Link")} {
			if secret.MatchString(h) {
				t.Errorf("%s leads to a code: %s", a, h)
			}
		}
		if !a.html() || strings.HasSuffix(a.route, "/link") || a.route == "/admin/users" { // a super admin is shown a link to hand on
			continue
		}
		a.Page().Find("[href], [action], [src], [formaction]").Each(func(_ int, x *gq) {
			for _, at := range x.Nodes[0].Attr {
				if looked++; secret.MatchString(at.Val) || strings.Contains(at.Val, "password=") || strings.Contains(at.Val, "session=") {
					t.Errorf("%s: <%s %s=%q>", a, x.Nodes[0].Data, at.Key, at.Val)
				}
			}
		})
		a.Page().Find("form").Each(func(_ int, f *gq) {
			if f.Find("input[type=password], input[autocomplete=one-time-code]").Length() > 0 && f.AttrOr("method", "get") != "post" {
				t.Errorf("%s: a form with a secret goes into the address", a)
			}
		})
	}
	if looked < 5000 {
		t.Errorf("only %d addresses", looked)
	}
	log := new(journal)
	s := webtest.Open(t, webtest.Options{Idle: true, Log: log, Config: withMailbox})
	code := activation(t, s)
	u := s.User("")
	s.Anonymous().Post("/password/forgot", url.Values{"email": {u.Email}})
	reset := mailed(t, s, "/password/reset/")
	c := s.Anonymous()
	for _, path := range []string{"/activate/" + code, reset, "/auth/google/confirm/" + code} {
		r := c.Get(path)
		if r.Status != http.StatusSeeOther || secret.MatchString(r.Location) || strings.Contains(r.Location, "?") || strings.Contains(r.Body, code) {
			t.Errorf("%s leads to %s", path, r.Location)
		}
		if next := c.Get(r.Location); secret.MatchString(next.Body) {
			t.Errorf("the form at %s holds the code", r.Location)
		}
	}
	setup, err := tenancy.SetupCode(t.Context(), s.App.DB)
	if err != nil || setup != "" {
		t.Fatalf("a set-up code of an installation with people: %v", err)
	}
	made := id.Secret()
	c.Get("/setup?code=" + made)
	c.Get("/login?password=" + made)
	if text := log.String(); strings.Contains(text, code) || strings.Contains(text, reset[strings.LastIndexByte(reset, '/')+1:]) || strings.Contains(text, made) || !strings.Contains(text, `"path":"/activate/:code"`) {
		t.Error("the log has the code of a link, or no line of one")
	}
}

// TestASVS_16_1_1_events: every event of a walk over all routes has a name that is written
// down.
func TestASVS_16_1_1_events(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../docs/logging.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "\n## Events\n")
	var names []*regexp.Regexp
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(text, -1) {
		one := regexp.MustCompile(`\\\{(.+),(.+)\\\}`).ReplaceAllString(strings.ReplaceAll(regexp.QuoteMeta(m[1]), `\*`, `[a-zA-Z.]+`), `($1|$2)`)
		names = append(names, regexp.MustCompile("^"+one+"$"))
	}
	seen := map[string]bool{}
	for _, e := range walk(t).events {
		if seen[e["name"]] = true; !slices.ContainsFunc(names, func(r *regexp.Regexp) bool { return r.MatchString(e["name"]) }) {
			t.Errorf("nobody wrote down %s", e["name"])
		}
	}
	if len(seen) < 25 {
		t.Errorf("only %d kinds of events", len(seen))
	}
}
