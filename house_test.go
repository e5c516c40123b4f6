// Package steward_test holds the rules of the house against its code.
package steward_test

import (
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

// TestASVS_6_5_3: what is secret comes from the system's random source: nothing in the program
// imports another, and whoever makes secrets imports that one.
func TestASVS_6_5_3(t *testing.T) {
	t.Parallel()
	makers := map[string]bool{"internal/id/id.go": false, "internal/accounts/factor.go": false, "internal/keys/keys.go": false}
	for _, f := range files(t) {
		if f.test || f.pkg == "cmd/bench" { // which makes data, and no secrets
			continue
		}
		for _, i := range f.imports {
			if strings.HasPrefix(i, "math/rand") || strings.HasPrefix(i, "golang.org/x/exp/rand") {
				t.Errorf("%s imports %s", f.path, i)
			}
			if _, makes := makers[f.path]; makes && i == "crypto/rand" {
				makers[f.path] = true
			}
		}
	}
	for path, good := range makers {
		if !good {
			t.Errorf("%s does not import crypto/rand", path)
		}
	}
}
