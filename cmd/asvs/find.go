package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
)

// A test proves one requirement, perhaps beside others.
type test struct {
	name string // as TestASVS_6_3_1_codes
	id   string // as 6.3.1
	pkg  string // as ./internal/accounts
}

var testName = regexp.MustCompile(`^TestASVS_(\d+)_(\d+)_(\d+)(_[a-z]\w*)?$`)

// findTests looks for the tests under a folder. One whose name has no number of a
// requirement is an error, and so is one that an ordinary run would leave out.
func findTests(root string) ([]test, error) {
	var out []test
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return err
		}
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(fn.Name.Name, "TestASVS") {
				continue
			}
			m := testName.FindStringSubmatch(fn.Name.Name)
			if m == nil {
				return fmt.Errorf("%s: %s does not name one requirement", path, fn.Name.Name)
			}
			if constrained(f) {
				return fmt.Errorf("%s: %s runs only with a build tag", path, fn.Name.Name)
			}
			out = append(out, test{name: fn.Name.Name, id: m[1] + "." + m[2] + "." + m[3], pkg: folder(path)})
		}
		return nil
	})
	return out, err
}

// folder is the package of a file as the go command takes it: ./internal/accounts, or . for
// the root's own.
func folder(path string) string {
	if dir := filepath.ToSlash(filepath.Dir(path)); dir != "." {
		return "./" + dir
	}
	return "."
}

func constrained(f *ast.File) bool {
	for _, g := range f.Comments {
		for _, c := range g.List {
			if strings.HasPrefix(c.Text, "//go:build") {
				return true
			}
		}
	}
	return false
}
