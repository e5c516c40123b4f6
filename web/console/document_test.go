package console_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/tenancy"
	"steward/web/console"
	"steward/web/gate"
	"steward/web/webtest"
)

// document gives the text of docs/authorization.md below a heading.
func document(t *testing.T, heading string) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/authorization.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("docs/authorization.md has no section %q", heading)
	}
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}

// handlers gives the name of the handler of every route, as routes.go has it.
func handlers(t *testing.T) map[string]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "routes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	prefixes := map[string]string{"project": "/projects/:project", "storage": "/projects/:project/storage", "settings": "/projects/:project/settings", "organization": "/organizations/:organization", "maintainer": "/maintainers/:maintainer"}
	var text func(ast.Expr) string
	text = func(e ast.Expr) string {
		switch e := e.(type) {
		case *ast.BasicLit:
			s, err := strconv.Unquote(e.Value)
			if err != nil {
				t.Fatal(err)
			}
			return s
		case *ast.Ident:
			return prefixes[e.Name]
		case *ast.BinaryExpr:
			return text(e.X) + text(e.Y)
		}
		return ""
	}
	out := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok || lit.Type != nil || len(lit.Elts) != 3 {
			return true
		}
		method, path := text(lit.Elts[0].(*ast.KeyValueExpr).Value), text(lit.Elts[1].(*ast.KeyValueExpr).Value)
		ast.Inspect(lit.Elts[2], func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "c" && out[method+" "+path] == "" && sel.Sel.Name != "ofOrganization" && sel.Sel.Name != "ofMaintainer" {
					out[method+" "+path] = sel.Sel.Name
				}
			}
			return true
		})
		return true
	})
	return out
}

// fieldsOf gives the fields of the forms that each handler reads, itself or by what it calls.
func fieldsOf(t *testing.T) map[string][]string {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	own, calls, named := map[string][]string{}, map[string][]string{}, map[string][]string{}
	texts := func(n ast.Node) (out []string) {
		ast.Inspect(n, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil {
					out = append(out, text)
				}
			case *ast.Ident:
				out = append(out, "="+n.Name)
			}
			return true
		})
		return out
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if vars, ok := d.(*ast.GenDecl); ok && vars.Tok == token.VAR {
				for _, spec := range vars.Specs {
					v := spec.(*ast.ValueSpec)
					for i, value := range v.Values {
						named[v.Names[i].Name] = texts(value)
					}
				}
			}
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Name.Name == "form" || fn.Name.Name == "formLists" {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				name := ""
				switch f := call.Fun.(type) {
				case *ast.Ident:
					name = f.Name
				case *ast.SelectorExpr:
					if x, ok := f.X.(*ast.Ident); ok && x.Name == "c" {
						name = f.Sel.Name
					}
				}
				if name == "whole" { // which is given the fields of its form
					for _, arg := range call.Args[4:] {
						own[fn.Name.Name] = append(own[fn.Name.Name], texts(arg)...)
					}
				}
				if name != "form" && name != "formLists" {
					calls[fn.Name.Name] = append(calls[fn.Name.Name], name)
					return true
				}
				for _, arg := range call.Args {
					own[fn.Name.Name] = append(own[fn.Name.Name], texts(arg)...)
				}
				return true
			})
		}
	}
	out := map[string][]string{}
	for name := range calls {
		seen := map[string]bool{}
		var walk func(string)
		walk = func(name string) {
			if seen[name] {
				return
			}
			seen[name] = true
			for _, other := range calls[name] {
				walk(other)
			}
		}
		walk(name)
		fields := map[string]bool{}
		var add func([]string)
		add = func(list []string) {
			for _, x := range list {
				if v, ok := strings.CutPrefix(x, "="); ok {
					add(named[v])
				} else {
					fields[x] = true
				}
			}
		}
		for f := range seen {
			add(own[f])
		}
		out[name] = slices.Sorted(maps.Keys(fields))
	}
	return out
}

// demands are the permissions of which a rule demands one.
func demands(r gate.Rule) string {
	if r.Else != "" {
		return string(r.Permission) + "` or `" + string(r.Else)
	}
	return string(r.Permission)
}

// TestASVS_8_1_2: the document tells the fields of every list and of every form, and they have
// no others.
func TestASVS_8_1_2(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Fields", false)
	in := furnish(t, s, p, admin)
	in.job = "1"
	s.Update(func(tx *db.Tx) error {
		_, _, err := s.App.Accounts.Invite(tx, access.Actor{Name: "Op", SuperAdmin: true}, accounts.NewUser{Email: "invited@example.com"})
		return err
	})
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE users SET is_super_admin = TRUE WHERE id = $1", admin.ID)
	})
	member, boss := s.SignIn(admin), s.SignIn(in.boss)
	names, fields := handlers(t), fieldsOf(t)
	var read, sent strings.Builder
	read.WriteString("| list | permission | fields |\n|---|---|---|\n")
	sent.WriteString("| form | permission | fields |\n|---|---|---|\n")
	for _, r := range console.New(t.Context(), s.App, nil, nil).Routes() {
		if lists[r.Path] && r.Method == http.MethodGet && !strings.HasSuffix(r.Path, "/preview") { // whose fields are the table's columns
			c := member
			if r.Rule.Kind == gate.ForOrganization || r.Rule.Kind == gate.ForMaintainer {
				c = boss
			}
			header, _, _ := strings.Cut(c.Get(in.path(strings.Replace(r.Path, ":user", num(in.boss.ID), 1))+"?format=csv").Want(http.StatusOK).Body, "\n")
			fmt.Fprintf(&read, "| `%s` | `%s` | %s |\n", r.Path, demands(r.Rule), strings.ReplaceAll(strings.TrimSpace(header), ",", ", "))
		}
		if r.Method != http.MethodPost || strings.HasSuffix(r.Path, "/storage/load") { // a file
			continue
		}
		name := names[r.Method+" "+r.Path]
		if name == "" {
			t.Errorf("the handler of %s is not found", r.Path)
		}
		of := strings.Join(fields[name], ", ")
		if of == "" {
			of = "–"
		}
		fmt.Fprintf(&sent, "| `%s` | `%s` | %s |\n", r.Path, r.Rule.Permission, of)
	}
	for what, want := range map[string]string{"lists": read.String(), "forms": sent.String()} {
		if !strings.Contains(document(t, "Fields"), want) {
			t.Errorf("docs/authorization.md, Fields: of %s it should say\n%s", what, want)
		}
	}
}

// TestASVS_8_1_3: the document tells what else decides, by the numbers that the program has.
func TestASVS_8_1_3(t *testing.T) {
	t.Parallel()
	text := document(t, "What else decides")
	hours := func(d time.Duration) int { return int(d / time.Hour) }
	for _, want := range []string{
		fmt.Sprintf("not older than %d hours or unused for %d minutes (%d days and %d hours for one who is kept signed in)", hours(accounts.SessionAbsolute), int(accounts.SessionIdle/time.Minute), hours(accounts.KeptAbsolute)/24, hours(accounts.KeptIdle)),
		fmt.Sprintf("asks for one of the last %d minutes", int(accounts.ProofLife/time.Minute)),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Around", false)
	path := "/projects/" + num(p.ID)
	undo := func(query string) func() {
		return func() { s.Update(func(tx *db.Tx) error { _, err := tx.Exec(query, p.ID); return err }) }
	}
	for row, x := range map[string]struct {
		change, back func()
		status       int
	}{
		"whether the session counts": {undo("UPDATE sessions SET expires_at = 1 WHERE 0 < $1"), func() {}, http.StatusSeeOther},
		"state of the account":       {undo("UPDATE users SET state = 'disabled' WHERE 0 < $1"), undo("UPDATE users SET state = 'active' WHERE 0 < $1"), http.StatusSeeOther},
		"second factor":              {undo("INSERT INTO installation (name, value) SELECT 'require second factor', name FROM projects WHERE id = $1"), undo("DELETE FROM installation WHERE 0 < $1"), http.StatusSeeOther},
		"state of the project":       {undo("UPDATE projects SET state = 'disabled' WHERE id = $1"), undo("UPDATE projects SET state = 'active' WHERE id = $1"), http.StatusForbidden},
		"end of a membership":        {undo("UPDATE memberships SET expires_at = 1 WHERE project_id = $1"), undo("UPDATE memberships SET expires_at = NULL WHERE project_id = $1"), http.StatusNotFound},
	} {
		if !strings.Contains(text, "\n| "+row+" |") {
			t.Errorf("the table has no row %q", row)
		}
		c := s.SignIn(admin)
		c.Get(path).Want(http.StatusOK)
		x.change()
		if r := c.Get(path); r.Status != x.status {
			t.Errorf("%s: %d, want %d", row, r.Status, x.status)
		}
		x.back()
	}
	around := map[string]func(*testing.T){
		"age of the last proof": ageOfProof, "kind of the project": kindOfProject, "branch": branchOfProject, "who owns an object": ownerOfObject,
		"membership of the organization": organizationOfProject, "where a request comes from": originOfRequest, "address of the sender": addressOfSender, "browser": browserOfPerson,
	}
	for row, prove := range around {
		if !strings.Contains(text, "\n| "+row+" |") {
			t.Errorf("the table has no row %q", row)
		}
		t.Run(row, prove)
	}
	if n := strings.Count(text, "\n| "); n != 16 { // the visit is in TestVisitorsAreGuests, being of support in TestSupportIsOver
		t.Errorf("the table has %d rows, of which this test knows 16", n)
	}
}

func ageOfProof(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	c := s.SignIn(s.User(""))
	c.Get("/account/password").Want(http.StatusOK)
	s.Clock.Forward(accounts.ProofLife + time.Minute)
	if r := c.Get("/account/password"); !strings.HasPrefix(r.Location, "/account/confirm") {
		t.Errorf("an old proof: %d %s", r.Status, r.Location)
	}
	c.Get("/account").Want(http.StatusOK) // what is not sensitive goes on
	c.Post("/account/confirm", url.Values{"current": {webtest.Password}}).Want(http.StatusSeeOther)
	c.Get("/account/password").Want(http.StatusOK)
}

func kindOfProject(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	for _, governed := range []bool{false, true} {
		p, _ := s.Project(fmt.Sprintf("Governed %t", governed), governed)
		for _, kind := range []bool{false, true} {
			for _, role := range access.Roles(kind) {
				u := s.User("")
				err := s.App.DB.Update(t.Context(), func(tx *db.Tx) error { return tenancy.Join(tx, u.Actor(), p, u, role) })
				if has := slices.Contains(access.Roles(governed), role); (err == nil) != has {
					t.Errorf("governed %t: the role %s: %v", governed, role, err)
				}
				want := http.StatusNotFound
				if err == nil {
					want = http.StatusOK
				}
				s.SignIn(u).Get("/projects/" + num(p.ID)).Want(want)
			}
		}
	}
}

// developed is a developer of a governed project, and a branch of it.
func developed(t *testing.T, s *webtest.Site) (tenancy.Project, accounts.User, int64) {
	t.Helper()
	p, _ := s.Project("Developed", true)
	var branch int64
	s.Update(func(tx *db.Tx) (err error) {
		if branch, err = tx.NewID("branches"); err != nil {
			return err
		}
		_, err = tx.Exec("INSERT INTO branches (id, project_id, name, is_default, created_at) VALUES ($1, $2, 'Side', $3, $4)", branch, p.ID, false, tx.Now)
		return err
	})
	return p, s.Member(p, "developer"), branch
}

func branchOfProject(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, u, branch := developed(t, s)
	s.SignIn(u).Post("/projects/"+num(p.ID)+"/storage/buckets", url.Values{"stage": {"in"}, "name": {"x"}}).Want(http.StatusForbidden)
	// No address leads into a branch yet; what decides does.
	s.View(func(tx *db.Tx) error {
		if _, err := tenancy.Enter(tx, u.Actor(), p.ID, access.BucketsWrite); !fault.Is(err, fault.Forbidden) {
			t.Errorf("in production: %v", err)
		}
		if _, err := tenancy.EnterBranch(tx, u.Actor(), p.ID, branch, access.BucketsWrite); err != nil {
			t.Errorf("in a branch: %v", err)
		}
		return nil
	})
}

func ownerOfObject(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, u, branch := developed(t, s)
	s.View(func(tx *db.Tx) error {
		scope, err := tenancy.EnterBranch(tx, u.Actor(), p.ID, branch, access.ProjectRead)
		if err != nil {
			return err
		}
		if own, other := scope.Require(access.StorageJobsCancel, true), scope.Require(access.StorageJobsCancel, false); own != nil || !fault.Is(other, fault.Forbidden) {
			t.Errorf("one's own job: %v, another's: %v", own, other)
		}
		return nil
	})
	// One's own sessions are nobody else's to end, whoever knows their numbers.
	c, stranger := s.SignIn(u), s.SignIn(s.User(""))
	s.SignIn(u)
	end := c.Get("/account/sessions").Want(http.StatusOK).Page().Find(`form[action$="/end"]`).AttrOr("action", "")
	stranger.Post(end, url.Values{}).Want(http.StatusNotFound)
	c.Post(end, url.Values{}).Want(http.StatusSeeOther)
}

func organizationOfProject(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, _ := s.Project("Of an organization", false)
	path, u, admin := "/projects/"+num(p.ID), s.User(""), s.Member(p, access.Admin)
	c := s.SignIn(u)
	c.Get(path).Want(http.StatusNotFound)
	of := func(u accounts.User) { // what the members of a project are, too, who need not be
		s.Update(func(tx *db.Tx) error {
			_, err := tx.Exec("DELETE FROM organization_members WHERE user_id = $1", u.ID)
			return err
		})
	}
	may := func() bool { return s.Scope(admin, p).May(access.MembersGrantShare) }
	of(admin)
	if may() {
		t.Error("who is not of the organization holds what is for its members")
	}
	for _, x := range []accounts.User{u, admin} {
		s.Update(func(tx *db.Tx) error { return tenancy.JoinOrganization(tx, x.Actor(), p.Organization, x) })
	}
	if !may() {
		t.Error("a member of the organization does not hold what is for its members")
	}
	c.Get(path).Want(http.StatusForbidden) // they may know of it
	of(u)
	c.Get(path).Want(http.StatusNotFound)
}

func originOfRequest(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u := s.User("")
	c := s.SignIn(u)
	for headers, want := range map[[2]string]int{
		{"Origin", s.URL}: http.StatusSeeOther, {"Sec-Fetch-Site", "same-origin"}: http.StatusSeeOther,
		{"Origin", "https://evil.example.com"}: http.StatusForbidden, {"Origin", "null"}: http.StatusForbidden, {"Sec-Fetch-Site", "cross-site"}: http.StatusForbidden, {"Sec-Fetch-Site", "same-site"}: http.StatusForbidden,
	} {
		r := c.Request(http.MethodPost, "/account", strings.NewReader(url.Values{"name": {"By " + headers[0] + " " + headers[1]}, "timeZone": {"UTC"}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(headers[0], headers[1])
		if res := c.Do(r); res.Status != want {
			t.Errorf("%v: %d, want %d", headers, res.Status, want)
		}
		if done := strings.Contains(c.Get("/account").Body, "By "+headers[0]+" "+headers[1]); done != (want == http.StatusSeeOther) {
			t.Errorf("%v: it is done: %t", headers, done)
		}
	}
}

func addressOfSender(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Secure: true}) // behind a proxy, which tells the address
	u := s.User("")
	c := s.SignIn(u)
	from := func(c *webtest.Client, address, method, path string, f url.Values) webtest.Response {
		r := c.Request(method, path, strings.NewReader(f.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", s.URL)
		r.Header.Set("X-Forwarded-For", address)
		return c.Do(r)
	}
	guess := func(address string, i int) int {
		return from(s.Anonymous(), address, http.MethodPost, "/login", url.Values{"email": {"nobody" + num(int64(i)) + "@example.com"}, "password": {"wrong wrong wrong"}}).Status
	}
	last := 0
	for i := 0; i < 30 && last != http.StatusTooManyRequests; i++ {
		last = guess("203.0.113.1", i)
	}
	if last != http.StatusTooManyRequests {
		t.Fatalf("one sender guesses on: %d", last)
	}
	if got := guess("203.0.113.2", 40); got != http.StatusUnprocessableEntity {
		t.Errorf("another sender has to wait, too: %d", got)
	}
	// What one may do is the same from everywhere.
	for _, address := range []string{"203.0.113.1", "203.0.113.2"} {
		from(c, address, http.MethodGet, "/account", nil).Want(http.StatusOK)
		from(c, address, http.MethodPost, "/account", url.Values{"name": {"From " + address}, "timeZone": {"UTC"}}).Want(http.StatusSeeOther)
		from(c, address, http.MethodGet, "/admin", nil).Want(http.StatusForbidden)
	}
}

func browserOfPerson(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	u := s.User("")
	c, right := s.SignIn(u), url.Values{"email": {u.Email}, "password": {webtest.Password}}
	for range 12 { // by browsers that the person has never used, to the longest wait
		s.Clock.Forward(61 * time.Second)
		s.Anonymous().Post("/login", url.Values{"email": {u.Email}, "password": {"wrong wrong wrong"}})
	}
	s.Anonymous().Post("/login", right).Want(http.StatusTooManyRequests)
	mails := func() (n int64) {
		s.View(func(tx *db.Tx) (err error) {
			n, err = db.Value[int64](tx, "SELECT count(*) FROM mails WHERE kind = 'newDevice'")
			return err
		})
		return n
	}
	c.Post("/logout", nil).Want(http.StatusSeeOther)
	c.Post("/login", right).Want(http.StatusSeeOther)
	if n := mails(); n != 0 {
		t.Errorf("%d mails tell of a browser that is known", n)
	}
	s.Clock.Forward(2 * time.Minute)
	s.SignIn(u)
	if n := mails(); n != 1 {
		t.Errorf("%d mails tell of a browser that is not", n)
	}
	// The session alone is what one acts by.
	bare := s.Anonymous()
	at := c.Request(http.MethodGet, "/", nil).URL
	for _, k := range c.HTTP.Jar.Cookies(at) {
		if k.Name == "session" {
			bare.HTTP.Jar.SetCookies(at, []*http.Cookie{k})
		}
	}
	bare.Get("/account").Want(http.StatusOK)
	bare.Post("/account", url.Values{"name": {"Without a name"}, "timeZone": {"UTC"}}).Want(http.StatusSeeOther)
}

// TestASVS_8_1_4: the document tells in which order these decide, and where a recent proof is
// asked for; the program does so.
func TestASVS_8_1_4(t *testing.T) {
	t.Parallel()
	text := document(t, "How it is used")
	var held atomic.Pointer[pausing]
	s := webtest.Open(t, webtest.Options{Idle: true, Handler: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if p := held.Load(); p != nil && r.Header.Get("X-Test") == "slow" {
				p.ReadCloser, r.Body = r.Body, p
			}
			next.ServeHTTP(w, r)
		})
	}})
	var proved strings.Builder
	proved.WriteString("| address | permission |\n|---|---|\n")
	for _, r := range console.New(t.Context(), s.App, nil, nil).Routes() {
		if r.Rule.Proof {
			fmt.Fprintf(&proved, "| `%s %s` | `%s` |\n", r.Method, r.Path, r.Rule.Permission)
		}
	}
	if !strings.Contains(text, proved.String()) {
		t.Errorf("docs/authorization.md, How it is used: it should say\n%s", proved.String())
	}
	at := -1
	for i, step := range []string{"Origin", "Session", "Second factor", "Permission", "Proof", "Once", "In the transaction of the deed", "Later"} {
		j := strings.Index(text, fmt.Sprintf("%d. **%s**", i+1, step))
		if j <= at {
			t.Errorf("step %d is not %s", i+1, step)
		}
		at = j
	}
	// One request that every step would refuse; each change lets it one step further.
	p, _ := s.Project("Ordered", false)
	u := s.Member(p, access.ReadOnly)
	c := s.SignIn(u)
	base := "/projects/" + num(p.ID) + "/storage"
	required := func(on bool) {
		s.Update(func(tx *db.Tx) error {
			if on {
				return tx.Must("INSERT INTO installation (name, value) VALUES ('require second factor', 'yes')")
			}
			return tx.Must("DELETE FROM installation WHERE name = 'require second factor'")
		})
	}
	role := func(r access.Role) {
		s.Update(func(tx *db.Tx) error {
			return tx.Must("UPDATE memberships SET role = $2 WHERE user_id = $1", u.ID, string(r))
		})
	}
	send := func(c *webtest.Client, origin string) webtest.Response {
		r := c.Request(http.MethodPost, base+"/buckets/in.c-x/delete", strings.NewReader(url.Values{"confirm": {"in.c-x"}, "tables": {"0"}, gate.KeyField: {"once"}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", origin)
		return c.Do(r)
	}
	prove := func() {
		c.Post("/account/confirm", url.Values{"current": {webtest.Password}}).Want(http.StatusSeeOther)
	}
	required(true)
	s.Clock.Forward(11 * time.Minute) // the proof is old
	if r := send(s.Anonymous(), "https://evil.example.com"); r.Status != http.StatusForbidden {
		t.Errorf("1, origin: %d", r.Status)
	}
	if r := send(s.Anonymous(), s.URL); !strings.HasPrefix(r.Location, "/login") {
		t.Errorf("2, session: %d %s", r.Status, r.Location)
	}
	if r := send(c, s.URL); r.Location != "/account/security" {
		t.Errorf("3, second factor: %d %s", r.Status, r.Location)
	}
	required(false)
	if r := send(c, s.URL); r.Status != http.StatusForbidden {
		t.Errorf("4, permission: %d %s", r.Status, r.Location)
	}
	role(access.Admin)
	if r := send(c, s.URL); !strings.HasPrefix(r.Location, "/account/confirm") {
		t.Errorf("5, proof: %d %s", r.Status, r.Location)
	}
	prove()
	c.Post(base+"/buckets", url.Values{"stage": {"in"}, "name": {"x"}}).Want(http.StatusSeeOther)
	first := send(c, s.URL)
	again := send(c, s.URL)
	if first.Status != http.StatusSeeOther || again.Location != first.Location || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("6, once: %d %s, then %d %s", first.Status, first.Location, again.Status, again.Location)
	}
	// What was done once is told again to nobody whom an earlier step stops by now, and the
	// earliest of them answers.
	stopped := func(step string, r webtest.Response, status int, to string) {
		t.Helper()
		if r.Status != status || !strings.HasPrefix(r.Location, to) || r.Header.Get("Idempotency-Replayed") != "" {
			t.Errorf("%s before once: %d %s", step, r.Status, r.Location)
		}
	}
	s.Clock.Forward(11 * time.Minute)
	stopped("5, proof", send(c, s.URL), http.StatusSeeOther, "/account/confirm")
	role(access.ReadOnly)
	stopped("4, permission", send(c, s.URL), http.StatusForbidden, "")
	required(true)
	stopped("3, second factor", send(c, s.URL), http.StatusSeeOther, "/account/security")
	stopped("2, session", send(s.Anonymous(), s.URL), http.StatusSeeOther, "/login")
	stopped("1, origin", send(c, "https://evil.example.com"), http.StatusForbidden, "")
	required(false)
	role(access.Admin)
	prove()
	if r := send(c, s.URL); r.Header.Get("Idempotency-Replayed") != "true" || r.Location != first.Location {
		t.Errorf("6, once more: %d %s", r.Status, r.Location)
	}

	// 7: the request is through the gate, and waits for the rest of its form, while the right
	// or the session by which it came ends.
	root := s.SuperAdmin("Root")
	for name, x := range map[string]struct {
		end    func(tx *db.Tx, by accounts.User) error
		status int
		to     string
	}{
		"the rights of a super admin": {func(tx *db.Tx, by accounts.User) error {
			return s.App.Accounts.RevokeSuperAdmin(tx, root.Actor(), by.ID)
		}, http.StatusForbidden, ""},
		"the session": {func(tx *db.Tx, by accounts.User) error { return s.App.Accounts.End(tx, by.ID) }, http.StatusSeeOther, "/login"},
		"nothing":     {func(*db.Tx, accounts.User) error { return nil }, http.StatusSeeOther, "/admin/users/"},
	} {
		by, victim := s.SuperAdmin(""), s.User("")
		super := s.SignIn(by)
		hold := &pausing{inside: make(chan struct{}), release: make(chan struct{})}
		held.Store(hold)
		answer := make(chan webtest.Response, 1)
		go func() {
			r := super.Request(http.MethodPost, "/admin/users/"+num(victim.ID)+"/disable", strings.NewReader(url.Values{gate.KeyField: {name}}.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Origin", s.URL)
			r.Header.Set("X-Test", "slow")
			answer <- super.Do(r)
		}()
		select {
		case <-hold.inside:
		case r := <-answer:
			t.Fatalf("7: the form was not read before the answer: %d %s", r.Status, r.Location)
		}
		s.Update(func(tx *db.Tx) error { return x.end(tx, by) })
		close(hold.release)
		r := <-answer
		s.View(func(tx *db.Tx) error {
			now, err := accounts.Find(tx, victim.ID)
			if done := now.State == accounts.Disabled; r.Status != x.status || !strings.HasPrefix(r.Location, x.to) || done != (name == "nothing") {
				t.Errorf("7, in the transaction, %s ended meanwhile: %d %s, done %t", name, r.Status, r.Location, done)
			}
			return err
		})
	}

	// 8: a job asks when it begins.
	for _, r := range []access.Role{access.ReadOnly, access.Admin} {
		role(access.Admin)
		table := "late-" + strings.ToLower(string(r))
		c.Post(base+"/buckets", url.Values{"stage": {"in"}, "name": {table}}).Want(http.StatusSeeOther)
		c.Post(base+"/tables", url.Values{"bucket": {"in.c-" + table}, "table": {table}, "columns": {"a"}}).Want(http.StatusSeeOther)
		role(r)
		if err := s.App.Jobs.Drain(t.Context(), jobs.Storage); err != nil {
			t.Fatal(err)
		}
		want := http.StatusNotFound
		if r == access.Admin {
			want = http.StatusOK
		}
		if got := c.Get(base + "/tables/in.c-" + table + "." + table); got.Status != want {
			t.Errorf("8, later: the table that was asked for before one became %s: %d, want %d", r, got.Status, want)
		}
	}
}

// pausing is a form of which the rest comes late.
type pausing struct {
	io.ReadCloser
	once            sync.Once
	inside, release chan struct{}
}

func (p *pausing) Read(b []byte) (int, error) {
	p.once.Do(func() {
		close(p.inside)
		<-p.release
	})
	return p.ReadCloser.Read(b)
}
