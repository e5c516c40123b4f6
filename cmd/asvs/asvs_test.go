package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// TestCatalogue: every test names a requirement that applies, every requirement has a
// test or says why not, and no reason outlives its test.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	requirements, err := catalogue()
	if err != nil {
		t.Fatal(err)
	}
	tests, err := findTests(root)
	if err != nil {
		t.Fatal(err)
	}
	known, proved := map[string]bool{}, map[string]bool{}
	names := map[string]string{}
	for _, x := range tests {
		proved[x.id] = true
		if other := names[x.name]; other != "" {
			t.Errorf("%s is in %s and in %s", x.name, other, x.pkg)
		}
		names[x.name] = x.pkg
	}
	for _, r := range requirements {
		known[r.id] = true
		switch {
		case !r.applies && proved[r.id]:
			t.Errorf("%s does not apply, and has a test", r.id)
		case r.applies && proved[r.id] && r.reason != "":
			t.Errorf("%s has a test, and a reason why not", r.id)
		case r.applies && !proved[r.id] && r.reason == "":
			t.Errorf("%s has neither a test nor a reason: %s", r.id, r.text)
		}
	}
	for id := range proved {
		if !known[id] {
			t.Errorf("there is no requirement %s", id)
		}
	}
}

// TestControls: each control has a test that exists, and stands in the code that people
// run.
func TestControls(t *testing.T) {
	t.Parallel()
	tests, err := findTests(root)
	if err != nil {
		t.Fatal(err)
	}
	declared, used := constants(t), uses(t)
	for _, c := range declared {
		if !slices.Contains(used, c) {
			t.Errorf("nothing asks for control.%s", c)
		}
	}
	if len(declared) != len(proofs()) {
		t.Errorf("%d controls, and proofs of %d", len(declared), len(proofs()))
	}
	seen := map[string]bool{}
	for _, p := range proofs() {
		if seen[string(p.control)] {
			t.Errorf("%q has two proofs", p.control)
		}
		seen[string(p.control)] = true
		if !slices.ContainsFunc(tests, func(x test) bool { return x.name == p.test }) {
			t.Errorf("there is no test %s for %q", p.test, p.control)
		}
	}
}

func constants(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "internal/control/name.go"))
	if err != nil {
		t.Fatal(err)
	}
	return matches(regexp.MustCompile(`(?m)^\s+(\w+)\s+Name = "`), string(b))
}

func uses(t *testing.T) (out []string) {
	t.Helper()
	asked := regexp.MustCompile(`control\.On\(control\.(\w+)\)`)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path) // #nosec G304 -- the module's own sources
		out = append(out, matches(asked, string(b))...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func matches(re *regexp.Regexp, s string) (out []string) {
	for _, m := range re.FindAllStringSubmatch(s, -1) {
		out = append(out, m[1])
	}
	return out
}
