package console_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
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
	prefixes := map[string]string{"project": "/projects/:project", "storage": "/projects/:project/storage"}
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
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "c" && out[method+" "+path] == "" {
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
	c := s.SignIn(admin)
	names, fields := handlers(t), fieldsOf(t)
	var read, sent strings.Builder
	read.WriteString("| list | permission | fields |\n|---|---|---|\n")
	sent.WriteString("| form | permission | fields |\n|---|---|---|\n")
	for _, r := range console.New(t.Context(), s.App, nil, nil).Routes() {
		if lists[r.Path] && r.Method == http.MethodGet && !strings.HasSuffix(r.Path, "/preview") { // whose fields are the table's columns
			header, _, _ := strings.Cut(c.Get(in.path(r.Path)+"?format=csv").Want(http.StatusOK).Body, "\n")
			fmt.Fprintf(&read, "| `%s` | `%s` | %s |\n", r.Path, r.Rule.Permission, strings.ReplaceAll(strings.TrimSpace(header), ",", ", "))
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
	for _, row := range []string{"age of the last proof", "kind of the project", "branch", "who owns an object", "membership of the organization", "where a request comes from", "address of the sender", "browser"} {
		if !strings.Contains(text, "\n| "+row+" |") { // each has a test of its own: 7.5.1, 8.2.1, 3.5.1, 4.1.3, 6.3.5
			t.Errorf("the table has no row %q", row)
		}
	}
	if n := strings.Count(text, "\n| "); n != 14 {
		t.Errorf("the table has %d rows, of which this test knows 14", n)
	}
}

// TestASVS_8_1_4: the document tells in which order these decide, and where a recent proof is
// asked for; the program does so.
func TestASVS_8_1_4(t *testing.T) {
	t.Parallel()
	text := document(t, "How it is used")
	s := webtest.Open(t, webtest.Options{Idle: true})
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
	p, admin := s.Project("Ordered", false)
	u := s.Member(p, access.ReadOnly)
	c, super := s.SignIn(u), s.SignIn(s.SuperAdmin("Root"))
	base := "/projects/" + num(p.ID) + "/storage"
	s.Update(func(tx *db.Tx) error {
		_, err := tx.Exec("INSERT INTO installation (name, value) VALUES ('require second factor', 'yes')")
		return err
	})
	_, _ = admin, super
	send := func(c *webtest.Client, origin string) webtest.Response {
		r := c.Request(http.MethodPost, base+"/buckets/in.c-x/delete", strings.NewReader(url.Values{"confirm": {"in.c-x"}, "tables": {"0"}, gate.KeyField: {"once"}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", origin)
		return c.Do(r)
	}
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
	s.Update(func(tx *db.Tx) error { return tx.Must("DELETE FROM installation WHERE name = 'require second factor'") })
	if r := send(c, s.URL); r.Status != http.StatusForbidden {
		t.Errorf("4, permission: %d %s", r.Status, r.Location)
	}
	s.Update(func(tx *db.Tx) error {
		return tx.Must("UPDATE memberships SET role = 'admin' WHERE user_id = $1", u.ID)
	})
	if r := send(c, s.URL); !strings.HasPrefix(r.Location, "/account/confirm") {
		t.Errorf("5, proof: %d %s", r.Status, r.Location)
	}
	c.Post("/account/confirm", url.Values{"current": {webtest.Password}}).Want(http.StatusSeeOther)
	c.Post(base+"/buckets", url.Values{"stage": {"in"}, "name": {"x"}}).Want(http.StatusSeeOther)
	first := send(c, s.URL)
	again := send(c, s.URL)
	if first.Status != http.StatusSeeOther || again.Location != first.Location || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("6, once: %d %s, then %d %s", first.Status, first.Location, again.Status, again.Location)
	}
}
