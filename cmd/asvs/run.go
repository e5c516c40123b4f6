package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Results tell what became of each test, by package and name: pass, fail or skip.
type results map[[2]string]string

// runTests runs tests by the go command, as everybody does. A test of which a part was
// skipped counts as skipped. The error is that of a run that did not come about, with
// what the go command says; tests that fail are results.
func runTests(ctx context.Context, tests []test, extra ...string) (results, error) {
	var packages, names []string
	for _, t := range tests {
		packages, names = append(packages, t.pkg), append(names, t.name)
	}
	slices.Sort(packages)
	slices.Sort(names)
	args := append([]string{"test", "-json", "-timeout", "20m", "-run", "^(" + strings.Join(slices.Compact(names), "|") + ")$"}, extra...)
	// #nosec G204 -- the arguments are names of this module's own packages and tests
	cmd := exec.CommandContext(ctx, "go", append(args, slices.Compact(packages)...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = os.Environ()
	failed := cmd.Run()
	out := results{}
	lines := json.NewDecoder(&stdout)
	for {
		var e struct{ Action, Package, Test, Output string }
		if err := lines.Decode(&e); err != nil {
			break
		}
		if e.Test == "" || !slices.Contains([]string{"pass", "fail", "skip"}, e.Action) {
			continue
		}
		name, _, part := strings.Cut(e.Test, "/")
		key := [2]string{e.Package, name}
		if part && e.Action == "pass" || out[key] == "skip" && e.Action == "pass" {
			continue
		}
		out[key] = e.Action
	}
	var exit *exec.ExitError
	if failed != nil && (!errors.As(failed, &exit) || len(out) == 0) {
		return nil, fmt.Errorf("go test: %w: %s", failed, stderr.String())
	}
	return out, nil
}

// of is what became of a test: also "missing", when it did not run at all, because its
// package did not compile or it ended the process.
func (r results) of(t test) string {
	if a := r[[2]string{"steward" + strings.TrimPrefix(t.pkg, "."), t.name}]; a != "" {
		return a
	}
	return "missing"
}
