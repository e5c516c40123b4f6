// Package steward_test holds the rules of the house against its code.
package steward_test

import (
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// floors are the packages from top to bottom: a package imports only from floors below
// its own.
var floors = [][]string{
	{"cmd/steward", "cmd/gallery", "cmd/bench", "cmd/asvs"},
	{"web/webtest"},
	{"web"},
	{"web/console", "web/api"},
	{"web/gate"},
	{"internal/demo", "internal/takeout", "internal/ops"},
	{"internal/app"},
	{"internal/notifications", "internal/limits"},
	{"internal/governance", "internal/catalog", "internal/components"},
	{"internal/storage"},
	{"internal/storage/engine"},
	{"internal/storage/blob", "internal/storage/csv"},
	{"internal/tenancy"},
	{"internal/tokens"},
	{"internal/accounts"},
	{"internal/mail"},
	{"internal/jobs"},
	{"internal/throttle", "internal/live", "internal/audit"},
	{"internal/access"},
	{"internal/db/dbtest"},
	{"internal/db"},
	{"internal/keys", "internal/id", "internal/fault", "internal/failpoint", "internal/config", "internal/breached", "migrations"},
	{"internal/control"},
}

func floor(pkg string) int {
	for i, f := range floors {
		if slices.Contains(f, pkg) {
			return i
		}
	}
	return -1
}

type file struct {
	path    string
	pkg     string
	imports []string
	test    bool
}

func files(t *testing.T) []file {
	t.Helper()
	var out []file
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != "." {
				return fs.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		x := file{path: path, pkg: filepath.ToSlash(filepath.Dir(path)), test: strings.HasSuffix(path, "_test.go")}
		for _, i := range f.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			x.imports = append(x.imports, name)
		}
		out = append(out, x)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 100 {
		t.Fatalf("only %d files were read", len(out))
	}
	return out
}

// TestImportsRunDownwards: nobody calls up.
func TestImportsRunDownwards(t *testing.T) {
	t.Parallel()
	for _, f := range files(t) {
		if f.test || f.pkg == "." {
			continue
		}
		views := f.pkg == "views" || strings.HasPrefix(f.pkg, "views/") || f.pkg == "static"
		own := floor(f.pkg)
		if own < 0 && !views {
			t.Errorf("%s: package %s has no floor", f.path, f.pkg)
			continue
		}
		for _, i := range f.imports {
			inner, ours := strings.CutPrefix(i, "steward/")
			if !ours {
				continue
			}
			other := floor(inner)
			isView := strings.HasPrefix(inner, "views/") || inner == "static"
			switch {
			case views && !isView:
				t.Errorf("%s: a view imports %s", f.path, i)
			case views:
			case f.pkg == "internal/app" && inner == "views/mail": // a job writes mails, and no web is there when it does
			case isView && !strings.HasPrefix(f.pkg, "web") && !strings.HasPrefix(f.pkg, "cmd/"):
				t.Errorf("%s: only web and cmd know views, this imports %s", f.path, i)
			case isView:
			case other <= own:
				t.Errorf("%s: %s is not below %s", f.path, inner, f.pkg)
			}
		}
	}
}

// only says who may import what comes from outside.
var only = map[string][]string{
	"github.com/apache/iceberg-go": {"internal/storage/engine"},
	"github.com/apache/arrow-go":   {"internal/storage/engine"},
	"github.com/labstack/echo":     {"web", "web/console", "web/gate", "web/api", "cmd/bench"},
	"github.com/a-h/templ":         {"web/console", "cmd/gallery", "cmd/bench", "views"},
	"github.com/jackc/pgx":         {"internal/db", "internal/db/dbtest"},
	"modernc.org/sqlite":           {"internal/db", "internal/db/dbtest"},
	"database/sql":                 {"internal/db", "internal/db/dbtest"},
	"os/exec":                      {"cmd/bench", "cmd/asvs"},
	"math/rand":                    {"cmd/bench"},
	"unsafe":                       {},
}

// TestOutsideImports: the table library stays in the engine, drivers in the database,
// HTTP in web; nothing runs other programs, and randomness is the system's.
func TestOutsideImports(t *testing.T) {
	t.Parallel()
	for _, f := range files(t) {
		if f.test {
			continue
		}
		for _, i := range f.imports {
			for prefix, who := range only {
				if i != prefix && !strings.HasPrefix(i, prefix+"/") {
					continue
				}
				if !slices.ContainsFunc(who, func(w string) bool { return f.pkg == w || (w == "views" && strings.HasPrefix(f.pkg, "views/")) }) {
					t.Errorf("%s imports %s", f.path, i)
				}
			}
		}
	}
}

// TestOfSupport: until when somebody is of support is asked in one place, where it ends: no query
// elsewhere could forget the time.
func TestOfSupport(t *testing.T) {
	t.Parallel()
	found := 0
	for _, f := range files(t) {
		if f.test {
			continue
		}
		for _, text := range literals(t, f.path) {
			if !strings.Contains(text, "support_until") {
				continue
			}
			if found++; f.pkg != "internal/accounts" {
				t.Errorf("%s names the column: %q", f.path, text)
			}
		}
	}
	if found < 3 {
		t.Errorf("only %d places were found", found)
	}
}

// TestNothingReadsOutside: no file names a path outside the repository.
func TestNothingReadsOutside(t *testing.T) {
	t.Parallel()
	for _, f := range files(t) {
		if f.path == "house_test.go" {
			continue
		}
		depth := 0
		if f.pkg != "." {
			depth = strings.Count(f.pkg, "/") + 1
		}
		for _, text := range literals(t, f.path) {
			up := 0
			for rest := text; strings.HasPrefix(rest, "../"); rest = rest[3:] {
				up++
			}
			if up > depth || strings.HasPrefix(text, "/work/") || strings.HasPrefix(text, "/home/") || strings.HasPrefix(text, "/root/") {
				t.Errorf("%s names %q, which is outside the repository", f.path, text)
			}
		}
	}
}

func literals(t *testing.T, path string) (out []string) {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var s scanner.Scanner
	fset := token.NewFileSet()
	s.Init(fset.AddFile(path, fset.Base(), len(src)), src, nil, 0)
	for {
		_, tok, lit := s.Scan()
		switch tok {
		case token.EOF:
			return out
		case token.STRING:
			if text, err := strconv.Unquote(lit); err == nil {
				out = append(out, text)
			}
		}
	}
}

// takings gives what each function calls out of a package, as "file function", each call with
// the name of what it fills, if any. A package under another name is an error: nobody would
// find it by what it is called.
func takings(t *testing.T, path string) map[string][]string {
	t.Helper()
	short := path[strings.LastIndexByte(path, '/')+1:]
	out := map[string][]string{}
	for _, f := range files(t) {
		if f.test || !slices.Contains(f.imports, path) || f.pkg == "web/webtest" || f.pkg == "cmd/bench" { // which make data, and no secrets
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f.path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range parsed.Imports {
			if i.Path.Value == strconv.Quote(path) && i.Name != nil {
				t.Errorf("%s calls %s %s", f.path, path, i.Name)
			}
		}
		for _, d := range parsed.Decls {
			where := f.path
			if fn, ok := d.(*ast.FuncDecl); ok {
				where += " " + fn.Name.Name
			}
			ast.Inspect(d, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				sel, ok := call.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if x, ok := sel.X.(*ast.Ident); !ok || x.Name != short {
					return true
				}
				name := sel.Sel.Name
				if len(call.Args) == 1 {
					arg := call.Args[0]
					if whole, ok := arg.(*ast.SliceExpr); ok && whole.Low == nil && whole.High == nil {
						arg = whole.X
					}
					if x, ok := arg.(*ast.Ident); ok {
						name += " " + x.Name
						if fn, ok := d.(*ast.FuncDecl); ok && overwritten(fn, x.Name, call.End()) {
							t.Errorf("%s: what was drawn into %s is written over", where, x.Name)
						}
					}
				}
				out[where] = append(out[where], name)
				return true
			})
		}
	}
	return out
}

// overwritten reports whether a function changes a variable, or a part of it, after a place.
func overwritten(fn *ast.FuncDecl, name string, after token.Pos) (over bool) {
	is := func(e ast.Expr) bool {
		for {
			switch x := e.(type) {
			case *ast.IndexExpr:
				e = x.X
			case *ast.SliceExpr:
				e = x.X
			case *ast.Ident:
				return x.Name == name
			default:
				return false
			}
		}
	}
	ast.Inspect(fn, func(n ast.Node) bool {
		if n == nil || n.Pos() < after {
			return true
		}
		switch n := n.(type) {
		case *ast.AssignStmt:
			over = over || slices.ContainsFunc(n.Lhs, is)
		case *ast.IncDecStmt:
			over = over || is(n.X)
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "copy" || f.Name == "clear") {
				over = over || is(n.Args[0])
			}
		}
		return true
	})
	return over
}

// TestASVS_6_5_3: what is secret comes from the system's random source: whoever makes secrets
// fills them from it, whoever gives them out takes them from there, and nothing in the program
// imports another source.
func TestASVS_6_5_3(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]map[string][]string{
		"crypto/rand": {
			"internal/id/id.go Secret": {"Read b"}, "internal/id/id.go Short": {"Read b"}, "internal/id/id.go Code": {"Read b"},
			"internal/keys/keys.go create": {"Read secret"}, "internal/keys/keys.go newID": {"Read b"},
			"internal/accounts/factor.go StartFactor": {"Read secret"}, "internal/accounts/factor.go makeCodes": {"Read raw"}, "internal/accounts/hasher.go create": {"Read salt"},
			"web/web.go headers": {"Read nonce"},
			// Names that must not collide, and are no secrets.
			"internal/storage/blob/key.go temporaryName": {"Text"}, "internal/storage/engine/keys.go newHasher": {"Read seed"}, "internal/storage/engine/files.go freshName": {"Text"},
		},
		"steward/internal/id": {
			"internal/accounts/link.go linkUntil": {"Code"}, "internal/accounts/identity.go makeOffer": {"Code"},
			"internal/accounts/signin.go arrive": {"Secret", "Code"}, "internal/accounts/signin.go Finish": {"Secret"},
			"internal/accounts/flow.go Depart":    {"Secret", "Secret", "Secret", "Secret"},
			"internal/tenancy/setup.go SetupCode": {"Secret"}, "web/console/signin.go device": {"Secret"},
		},
	} {
		got := takings(t, path)
		if path == "steward/internal/id" {
			for where, calls := range got { // the rest are names, and digests of what came in
				got[where] = slices.DeleteFunc(calls, func(name string) bool { return name != "Secret" && name != "Code" })
				if len(got[where]) == 0 {
					delete(got, where)
				}
			}
		}
		for where, calls := range want {
			if !slices.Equal(got[where], calls) {
				t.Errorf("%s takes %q out of %s, want %q", where, got[where], path, calls)
			}
		}
		for where, calls := range got {
			if want[where] == nil {
				t.Errorf("%s takes %q out of %s, of which this test knows nothing", where, calls, path)
			}
		}
	}
	for _, f := range files(t) {
		if f.test || f.pkg == "cmd/bench" { // which makes data, and no secrets
			continue
		}
		for _, i := range f.imports {
			if strings.HasPrefix(i, "math/rand") || strings.HasPrefix(i, "golang.org/x/exp/rand") {
				t.Errorf("%s imports %s", f.path, i)
			}
		}
	}
}
