package steward_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSupplyChain: what comes from elsewhere has one version and one checksum, and nothing
// takes another's place (case 60). The checksums of modules are go.sum's, those of the
// static files are compared where they are kept.
func TestSupplyChain(t *testing.T) {
	t.Parallel()
	read := func(path string) string {
		t.Helper()
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	if m := regexp.MustCompile(`(?m)^\s*replace\b.*|^.*=>.*$`).FindString(read("go.mod")); m != "" {
		t.Errorf("go.mod puts one module in another's place: %s", m)
	}
	scripts, err := filepath.Glob(".ci/*")
	if err != nil {
		t.Fatal(err)
	}
	fetched := regexp.MustCompile(`go (?:run|install) ([\w.-]+\.[a-z]+/\S+)`)
	exact := regexp.MustCompile(`^[^@]+@v\d+\.\d+\.\d+["` + "`" + `]?$`)
	tools := 0
	for _, path := range append(scripts, "Taskfile.yml", "README.md", "docs/security.md") {
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			continue
		}
		for _, m := range fetched.FindAllStringSubmatch(read(path), -1) {
			tools++
			if !exact.MatchString(strings.TrimSuffix(m[1], ",")) {
				t.Errorf("%s runs %s, of no exact version", path, m[1])
			}
		}
	}
	if tools < 4 {
		t.Errorf("only %d tools were found", tools)
	}
	for _, line := range strings.Split(read(".ci/npm"), "\n") {
		if strings.HasPrefix(line, "install ") && !regexp.MustCompile(`^install \S+ \d+\.\d+\.\d+ sha512-\S{88}$`).MatchString(line) {
			t.Errorf(".ci/npm: %s", line)
		}
	}
	var lock struct {
		Packages map[string]struct {
			Resolved, Integrity string
			Link                bool
		}
	}
	if err := json.Unmarshal([]byte(read(".ci/oidc-provider/package-lock.json")), &lock); err != nil {
		t.Fatal(err)
	}
	for name, p := range lock.Packages {
		if name != "" && (p.Link || !strings.HasPrefix(p.Integrity, "sha512-")) {
			t.Errorf("the lock of oidc-provider has no checksum of %s", name)
		}
	}
	if len(lock.Packages) < 5 {
		t.Errorf("the lock of oidc-provider has %d packages", len(lock.Packages))
	}
}
