package accounts_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/tenancy"
	"steward/internal/throttle"
	"steward/web/console"
	"steward/web/webtest"
)

// section gives the text below a heading of docs/accounts.md.
func section(t *testing.T, heading string) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/accounts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("docs/accounts.md has no section %q", heading)
	}
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}

// tells fails unless a section has each of the texts.
func tells(t *testing.T, heading string, texts ...string) {
	t.Helper()
	text := section(t, heading)
	for _, want := range texts {
		if !strings.Contains(text, want) {
			t.Errorf("docs/accounts.md, %s: it does not say %q", heading, want)
		}
	}
}

func minutes(d time.Duration) string { return fmt.Sprintf("%d minutes", int(d/time.Minute)) }

func growing(g throttle.Growing) string {
	return fmt.Sprintf("%d free, then %d, %d, %d … %d seconds between", g.Free, int(g.First.Seconds()), int(2*g.First.Seconds()), int(4*g.First.Seconds()), int(g.Most.Seconds()))
}

// TestASVS_6_1_1: the document tells every limit as the program has it, and why none of them
// locks anybody out.
func TestASVS_6_1_1(t *testing.T) {
	t.Parallel()
	tells(t, "Limits",
		"| passwords for an account | "+growing(accounts.PerAccount)+" | a browser that the person has signed in with before has a count of its own |",
		fmt.Sprintf("| failed sign-ins from an address (an IPv6 /64) | %d a minute, %d an hour | those that succeed are given back |", accounts.PerAddressMinute.Count, accounts.PerAddressHour.Count),
		fmt.Sprintf("| authenticator codes | %d wrong in %s; %d wrong in a row lock the factor | a recovery code opens it |", accounts.PerFactor.Count, minutes(accounts.PerFactor.Window), accounts.FactorLock),
		fmt.Sprintf("| codes of one sign-in | %d, within %s |", accounts.PendingTries, minutes(accounts.PendingLife)),
		"| passwords inside a session | "+growing(accounts.PerProof)+" |",
		fmt.Sprintf("| reset links | %d an hour for an address of mail, %d an hour from a sender | a browser", accounts.ResetsPerAccount.Count, accounts.ResetsPerAddress.Count),
		fmt.Sprintf("| ways to the provider | %d a minute from an address |", accounts.PerFlows.Count),
		fmt.Sprintf("| links that link a provider | %d an hour for an account |", accounts.Confirms.Count),
		fmt.Sprintf("| hashes at once | one less than there are cores, at least one, each followed by a rest of %d ms; %d waiting for %d seconds, %d of them of one person or sender, then 503 with `Retry-After` |", accounts.HashRest.Milliseconds(), accounts.HashQueue, int(accounts.HashWait.Seconds()), accounts.HashShare),
		"There is no cap after which a password stops working")
	for name, l := range map[string][2]time.Duration{
		"a minute": {accounts.PerAddressMinute.Window, time.Minute}, "an hour": {accounts.PerAddressHour.Window, time.Hour}, "resets": {accounts.ResetsPerAccount.Window, time.Hour},
		"senders": {accounts.ResetsPerAddress.Window, time.Hour}, "flows": {accounts.PerFlows.Window, time.Minute}, "links": {accounts.Confirms.Window, time.Hour},
	} {
		if l[0] != l[1] {
			t.Errorf("%s: the window is %s", name, l[0])
		}
	}
	if n := strings.Count(section(t, "Limits"), "\n| "); n != 11 {
		t.Errorf("the table has %d rows, of which this test knows 11", n)
	}
	tells(t, "What people are told", "ten wrong passwords in a row", "five wrong codes after the right password")
	if accounts.AlarmAt != 10 || accounts.PendingTries != 5 {
		t.Errorf("people are told after %d passwords and %d codes", accounts.AlarmAt, accounts.PendingTries)
	}
}

// TestASVS_6_1_1_kept: what the table of limits says is what happens, by the numbers that
// stand there.
func TestASVS_6_1_1_kept(t *testing.T) {
	t.Parallel()
	limits := section(t, "Limits")
	told := func(row, pattern string) (n []int) {
		t.Helper()
		m := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(row) + `[^|]* \| ` + pattern).FindStringSubmatch(limits)
		if m == nil {
			t.Fatalf("the row %q does not read as %s", row, pattern)
		}
		for _, text := range m[1:] {
			x, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(err)
			}
			n = append(n, x)
		}
		return n
	}
	f := federate(t)
	post := func(path string, form url.Values) func(int) webtest.Response {
		return func(int) webtest.Response { return f.Anonymous().Post(path, form) }
	}

	// Delays that grow: so many are free, and after each more one has to wait as long as it says.
	u := f.User("")
	c := f.SignIn(u)
	for row, guess := range map[string]func(int) webtest.Response{
		"passwords for an account": post("/login", url.Values{"email": {u.Email}, "password": {"wrong wrong wrong"}}),
		"passwords inside a session": func(int) webtest.Response {
			return c.Post("/account/confirm", url.Values{"current": {"wrong wrong wrong"}})
		},
	} {
		n := told(row, `(\d+) free, then (\d+), (\d+), (\d+) … (\d+) seconds between`)
		for range n[0] {
			guess(0).Want(http.StatusUnprocessableEntity)
		}
		delays := append(slices.Clone(n[1:4]), 8, 16, 32, n[4], n[4])
		for i, delay := range delays {
			if got := guess(0).Status; got != http.StatusUnprocessableEntity {
				t.Errorf("%s: %d seconds after the one before, guess %d is answered by %d", row, append([]int{0}, delays...)[i], n[0]+i+1, got)
			}
			if delay >= 8 { // those that are shorter may be over by now
				if r := guess(0); r.Status != http.StatusTooManyRequests || !within(r.Header.Get("Retry-After"), delay) {
					t.Errorf("%s: after guess %d: %d, Retry-After %q, want %d", row, n[0]+i+1, r.Status, r.Header.Get("Retry-After"), delay)
				}
			}
			f.Clock.Forward(time.Duration(delay) * time.Second)
		}
	}

	// Windows: so many, then none until the window is over.
	f.Clock.Forward(25 * time.Hour)
	v, w := f.User(""), f.User("")
	numbered := func(path string, form func(email string) url.Values) func(int) webtest.Response {
		return func(i int) webtest.Response {
			return f.Anonymous().Post(path, form(fmt.Sprintf("nobody%d@example.com", i)))
		}
	}
	offered := f.Anonymous()
	f.p.Set(func() { f.p.Person["sub"], f.p.Person["email"] = "4004", w.Email })
	f.arrive(offered)
	f.Clock.Forward(2 * time.Minute)
	for _, x := range []struct {
		name   string
		n      int
		window time.Duration
		do     func(i int) webtest.Response
		taken  int
	}{
		{"failed sign-ins from an address", told("failed sign-ins from an address", `(\d+) a minute`)[0], time.Minute, numbered("/login", func(email string) url.Values { return url.Values{"email": {email}, "password": {"wrong wrong wrong"}} }), http.StatusUnprocessableEntity},
		{"links that link a provider", told("links that link a provider", `(\d+) an hour for an account`)[0], 0, func(int) webtest.Response { return offered.Post("/auth/google/link/mail", nil) }, http.StatusSeeOther},
		{"reset links for an address", told("reset links", `(\d+) an hour for an address of mail`)[0], time.Hour, post("/password/forgot", url.Values{"email": {v.Email}}), http.StatusSeeOther},
		{"reset links from a sender", told("reset links", `\d+ an hour for an address of mail, (\d+) an hour from a sender`)[0], time.Hour, numbered("/password/forgot", func(email string) url.Values { return url.Values{"email": {email}} }), http.StatusSeeOther},
		{"ways to the provider", told("ways to the provider", `(\d+) a minute from an address`)[0], time.Minute, post("/auth/google", url.Values{"next": {"/"}}), http.StatusSeeOther},
	} {
		for round := range 2 {
			for i := range x.n {
				if got := x.do(100*round + i).Status; got != x.taken {
					t.Errorf("%s, round %d: number %d of %d: %d", x.name, round+1, i+1, x.n, got)
				}
			}
			if got := x.do(99).Status; got != http.StatusTooManyRequests {
				t.Errorf("%s, round %d: one more than %d: %d", x.name, round+1, x.n, got)
			}
			if x.window == 0 { // what it is asked by ends before
				break
			}
			f.Clock.Forward(x.window / 2)
			if got := x.do(99).Status; got != http.StatusTooManyRequests {
				t.Errorf("%s: after half the time: %d", x.name, got)
			}
			f.Clock.Forward(x.window/2 + time.Second)
		}
		f.Clock.Forward(x.window)
	}

	// And those that failed at signing in are counted over an hour, too.
	n := told("failed sign-ins from an address", `\d+ a minute, (\d+) an hour`)[0]
	f.Clock.Forward(2 * time.Hour)
	once := numbered("/login", func(email string) url.Values { return url.Values{"email": {email}, "password": {"wrong wrong wrong"}} })
	once(1).Want(http.StatusUnprocessableEntity)
	f.Update(func(tx *db.Tx) error { // the others took hashes, and an hour
		return tx.Must("UPDATE throttles SET count = $1 WHERE key LIKE 'signin/hour:%'", int64(n-1))
	})
	once(2).Want(http.StatusUnprocessableEntity)
	f.Clock.Forward(2 * time.Minute)
	once(3).Want(http.StatusTooManyRequests)
	f.Clock.Forward(time.Hour)
	once(4).Want(http.StatusUnprocessableEntity)
}

// within reports whether a header tells a wait, less what a slow machine has used of it.
func within(header string, seconds int) bool {
	n, err := strconv.Atoi(header)
	return err == nil && n <= seconds && n > seconds*3/4
}

// TestASVS_6_1_2: the document tells which words a password must not be made of, and those
// are the ones.
func TestASVS_6_1_2(t *testing.T) {
	t.Parallel()
	if accounts.OwnLetters != 8 {
		t.Errorf("%d letters have to remain", accounts.OwnLetters)
	}
	tells(t, "Passwords", "less than eight letters remain when the names that everyone would guess are taken out",
		"the product's (`steward`)", "the person's name", "the part of the address before the @", "those of their organizations and projects",
		fmt.Sprintf("%d characters to %d bytes", accounts.PasswordMin, accounts.PasswordMax), fmt.Sprintf("%d characters are enough", accounts.PasswordMinFactor))
	s := webtest.Open(t, webtest.Options{Idle: true})
	u, words := known(t, s)
	c := s.SignIn(u)
	for of, word := range words {
		if r := change(c, webtest.Password, around(word)); r.Status != http.StatusUnprocessableEntity || !strings.Contains(r.Body, "little more than a name") {
			t.Errorf("%s: a password made of %q: %d", of, word, r.Status)
		}
	}
	if r := change(c, webtest.Password, around("another")); r.Status != http.StatusSeeOther {
		t.Errorf("a password made of another word: %d", r.Status)
	}
}

// known is a person of whom there is something to guess, and the words by where they come
// from: none is in two of them.
func known(t *testing.T, s *webtest.Site) (accounts.User, map[string]string) {
	t.Helper()
	u, owner := s.User("Hildegard"), s.User("")
	s.Update(func(tx *db.Tx) error {
		m, err := tenancy.CreateMaintainer(tx, owner.Actor(), "Maintainer")
		if err != nil {
			return err
		}
		o, err := tenancy.CreateOrganization(tx, owner.Actor(), m.ID, "Flussuferweg", owner)
		if err != nil {
			return err
		}
		if _, err := tenancy.CreateOrganization(tx, u.Actor(), m.ID, "Sternwarte", u); err != nil {
			return err
		}
		if _, err = tenancy.CreateProject(tx, owner.Actor(), tenancy.NewProject{Organization: o.ID, Name: "Wolkenkratzer", Member: u}); err != nil {
			return err
		}
		// They are in a project of the one organization, and a member of the other.
		_, err = tx.Exec("DELETE FROM organization_members WHERE organization_id = $1 AND user_id = $2", o.ID, u.ID)
		return err
	})
	local, _, _ := strings.Cut(u.Email, "@")
	return u, map[string]string{"the product": "Steward", "the name": "hildegard", "the address": local, "a project": "WolkenKratzer", "its organization": "flussuferweg", "their organization": "Sternwarte"}
}

// around is a password that has nothing but a word for its letters.
func around(word string) string { return "9-7-5-" + word + "-2-4-6-8-0!" }

// TestASVS_6_1_3: the document tells every way in, and there are no others: a session is made
// in one place, for a visit that is marked in two.
func TestASVS_6_1_3(t *testing.T) {
	t.Parallel()
	ways := section(t, "Ways in")
	for _, want := range []string{"activation link", "password", "password and authenticator code", "password and recovery code", "a provider (OpenID Connect), by default Google", "reset link", "link for a lost second factor", "the operator"} {
		if !strings.Contains(ways, "\n| "+want+" |") {
			t.Errorf("the table has no row %q", want)
		}
	}
	if n := strings.Count(ways, "\n| "); n != 9 {
		t.Errorf("the table has %d rows, of which this test knows 9", n)
	}
	s := webtest.Open(t, webtest.Options{Idle: true})
	var doors []string
	for _, r := range console.New(t.Context(), s.App, nil, nil).Routes() {
		if r.Rule.Kind == "public" && r.Method == http.MethodPost {
			doors = append(doors, r.Path)
		}
	}
	slices.Sort(doors)
	if want := []string{"/activate", "/auth/google", "/auth/google/confirm", "/auth/google/link/mail", "/login", "/mfa", "/password/forgot", "/password/reset", "/setup", "/two-step/lost"}; !slices.Equal(doors, want) {
		t.Errorf("forms for everybody: %q, want %q", doors, want)
	}
	var marked, made []string
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.AssignStmt:
					if sel, ok := n.Lhs[0].(*ast.SelectorExpr); ok && sel.Sel.Name == "issue" {
						marked = append(marked, fn.Name.Name)
					}
				case *ast.BasicLit:
					if strings.Contains(n.Value, "INSERT INTO sessions") {
						made = append(made, fn.Name.Name)
					}
				}
				return true
			})
		}
	}
	slices.Sort(marked)
	if !slices.Equal(marked, []string{"Finish", "arrive"}) || !slices.Equal(made, []string{"issue"}) {
		t.Errorf("visits are marked in %q, sessions made in %q", marked, made)
	}
}

// TestASVS_7_1_1: the document tells how long sessions last, as the program has it, and what
// that is measured by.
func TestASVS_7_1_1(t *testing.T) {
	t.Parallel()
	tells(t, "Sessions",
		fmt.Sprintf("A session ends after %s without use and after %d hours in any case", minutes(accounts.SessionIdle), int(accounts.SessionAbsolute/time.Hour)),
		"NIST SP 800-63B at its second level", "30 minutes and 12 hours", "Somebody with a second factor can ask to be kept signed in: then after a day without use, and after 14 days",
		"There are ten at most; the oldest ends first.", "asks for a proof of the last ten minutes", "A proof does not lengthen a session.")
	if accounts.KeptIdle != 24*time.Hour || accounts.KeptAbsolute != 14*24*time.Hour || accounts.SessionsMax != 10 || accounts.ProofLife != 10*time.Minute {
		t.Errorf("kept for %s and %s, %d sessions, a proof of %s", accounts.KeptIdle, accounts.KeptAbsolute, accounts.SessionsMax, accounts.ProofLife)
	}
	if accounts.SessionIdle > 30*time.Minute || accounts.SessionAbsolute > 12*time.Hour {
		t.Errorf("%s and %s are more than the standard gives", accounts.SessionIdle, accounts.SessionAbsolute)
	}
	links := regexp.MustCompile(`within (\d+ (?:days|minutes))`).FindAllStringSubmatch(section(t, "Ways in"), -1)
	want := []string{fmt.Sprintf("%d days", int(accounts.ActivationLife/(24*time.Hour))), minutes(accounts.ResetLife), minutes(accounts.ResetLife)}
	if len(links) != len(want) {
		t.Fatalf("the links: %q", links)
	}
	for i, l := range links {
		if l[1] != want[i] {
			t.Errorf("a link lasts %s in the document and %s here", l[1], want[i])
		}
	}
}

// TestASVS_7_1_1_kept: sessions last as long as the document says, by the numbers that stand
// there.
func TestASVS_7_1_1_kept(t *testing.T) {
	t.Parallel()
	text := section(t, "Sessions")
	numbers := map[string]int{"ten": 10}
	told := func(pattern string) (n []int) {
		t.Helper()
		m := regexp.MustCompile(pattern).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("it does not say %s", pattern)
		}
		for _, word := range m[1:] {
			x, known := numbers[word]
			if !known {
				var err error
				if x, err = strconv.Atoi(word); err != nil {
					t.Fatal(err)
				}
			}
			n = append(n, x)
		}
		return n
	}
	s := webtest.Open(t, webtest.Options{Idle: true})
	plain := told(`ends after (\d+) minutes without use and after (\d+) hours in any case`)
	kept := told(`kept signed in: then after a day without use, and after (\d+) days`)
	u := s.User("")
	c := s.SignIn(u)
	secret, _ := s.TwoStep(c)
	enter := func(keep string) *webtest.Client {
		t.Helper()
		s.Clock.Forward(step)
		c := half(s, u)
		c.Post("/mfa", url.Values{"code": {s.Code(secret)}, "keep": {keep}}).Want(http.StatusSeeOther)
		return c
	}
	for _, x := range []struct {
		name, keep string
		idle, life time.Duration
	}{
		{"a session", "", time.Duration(plain[0]) * time.Minute, time.Duration(plain[1]) * time.Hour}, {"one that is kept", "1", 24 * time.Hour, time.Duration(kept[0]) * 24 * time.Hour},
	} {
		c := enter(x.keep)
		s.Clock.Forward(x.idle - time.Minute)
		if !in(c) {
			t.Errorf("%s ends before it was %s without use", x.name, x.idle)
		}
		s.Clock.Forward(x.idle + time.Minute)
		if in(c) {
			t.Errorf("%s does not end after %s without use", x.name, x.idle)
		}
		c = enter(x.keep)
		used := time.Duration(0)
		for used+x.idle-2*time.Minute < x.life {
			s.Clock.Forward(x.idle - 2*time.Minute)
			if used += x.idle - 2*time.Minute; !in(c) {
				t.Fatalf("%s ends after %s", x.name, used)
			}
		}
		if x.keep == "" { // a proof does not lengthen it
			c.Post("/account/confirm", url.Values{"current": {webtest.Password}, "code": {s.Code(secret)}}).Want(http.StatusSeeOther)
		}
		s.Clock.Forward(x.life - used - time.Minute)
		if !in(c) {
			t.Errorf("%s ends before %s", x.name, x.life)
		}
		s.Clock.Forward(2 * time.Minute)
		if in(c) {
			t.Errorf("%s does not end after %s", x.name, x.life)
		}
	}
	v := s.User("")
	c = s.SignIn(v)
	proof := time.Duration(told(`asks for a proof of the last (\w+) minutes`)[0]) * time.Minute
	s.Clock.Forward(proof - time.Minute)
	c.Get("/account/password").Want(http.StatusOK)
	s.Clock.Forward(2 * time.Minute)
	if r := c.Get("/account/password"); !strings.HasPrefix(r.Location, "/account/confirm") {
		t.Errorf("a proof counts longer than %s: %d %s", proof, r.Status, r.Location)
	}
	most := told(`There are (\w+) at most; the oldest ends first`)[0]
	all := []*webtest.Client{c}
	for range most {
		s.Clock.Forward(time.Second)
		all = append(all, s.SignIn(v))
	}
	for i, c := range all {
		if in(c) != (i > 0) {
			t.Errorf("of %d sessions, number %d goes on: %t", len(all), i+1, in(c))
		}
	}
}

// TestASVS_7_1_3: the document tells how a session here and one at the provider hang together,
// as TestASVS_7_6_1 shows it.
func TestASVS_7_1_3(t *testing.T) {
	t.Parallel()
	tells(t, "Sessions", "A session by a provider is a session here", "signing out there, changes nothing before it ends",
		fmt.Sprintf("After %d hours at the latest (%d days for one who is kept signed in) the provider is asked again", int(accounts.SessionAbsolute/time.Hour), int(accounts.KeptAbsolute/(24*time.Hour))),
		"does not vouch for any more, stays out", "Disabling the account here ends it at once")
	tells(t, "Sign-in by a provider", fmt.Sprintf("for one browser and %s minutes", map[time.Duration]string{10 * time.Minute: "ten"}[accounts.FlowLife]), "by signing in at the provider anew")

	// What the provider says later changes nothing in a session, which then ends by itself.
	f := federate(t)
	u, _ := f.linked(t)
	c := f.Anonymous()
	f.arrive(c)
	asked := f.p.Asked("/token")
	f.p.Set(func() { f.p.Tokens = func(answer map[string]any) { delete(answer, "id_token") } }) // they are signed out there
	for used := time.Duration(0); used+20*time.Minute < accounts.SessionAbsolute; used += 20 * time.Minute {
		f.Clock.Forward(20 * time.Minute)
		if !in(c) {
			t.Fatalf("the session ended after %s", used)
		}
	}
	if f.p.Asked("/token") != asked {
		t.Error("the provider was asked while the session went on")
	}
	f.Clock.Forward(20 * time.Minute)
	if in(c) {
		t.Errorf("the session did not end after %s", accounts.SessionAbsolute)
	}
	if f.arrive(c); in(c) {
		t.Error("whom the provider does not vouch for any more comes in")
	}
	f.p.Set(func() { f.p.Tokens = nil })
	if f.arrive(c); !in(c) {
		t.Fatal("whom it vouches for again does not come in")
	}
	other, late, soon := f.Anonymous(), f.Anonymous(), f.Anonymous()
	f.arrive(other)
	wait, quick := depart(late, "/"), depart(soon, "/")
	f.Clock.Forward(accounts.FlowLife - time.Minute)
	if soon.Get(f.p.Approve(quick)); !in(soon) {
		t.Error("a way through the provider of nine minutes does not count")
	}
	f.Clock.Forward(2 * time.Minute)
	if late.Get(f.p.Approve(wait)); in(late) {
		t.Error("a way through the provider of eleven minutes counts")
	}
	c.Post("/logout", nil).Want(http.StatusSeeOther)
	if in(c) || !in(other) {
		t.Errorf("after signing out in one browser: here %t, in the other %t", in(c), in(other))
	}
	f.Update(func(tx *db.Tx) error { return f.App.Accounts.Disable(tx, operator, u.ID) })
	if in(other) {
		t.Error("disabling the account does not end the session")
	}
	if f.arrive(c); in(c) {
		t.Error("the provider lets a disabled person in")
	}
}
