package access

import (
	"encoding/csv"
	"fmt"
	"os"
	"strings"
	"testing"
)

// words are how the document writes rules, in the order of the constants.
var words = [...]string{"–", "yes", "own", "in a branch", "own, in a branch", "state only", "if of the organization", "after joining", "with auto-join", "without auto-join", "as the role says"}

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

// table writes who may do what, in the order of a list of permissions.
func table(t *testing.T, list string, rules map[Permission][8]rule, columns []string) string {
	t.Helper()
	f, err := os.Open("testdata/" + list)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| permission | what | %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)+2))
	seen := 0
	for _, r := range rows[1:] {
		rule, ok := rules[Permission(r[1])]
		if !ok {
			t.Errorf("%s is in no table of the program", r[1])
			continue
		}
		seen++
		fmt.Fprintf(&b, "| `%s` | %s |", r[1], r[2])
		for _, x := range rule[:len(columns)] {
			fmt.Fprintf(&b, " %s |", words[x])
		}
		b.WriteByte('\n')
	}
	if seen != len(rules) {
		t.Errorf("%d permissions are listed, the program has %d", seen, len(rules))
	}
	return b.String()
}

// TestASVS_8_1_1: the document's tables of who may do what are the program's.
func TestASVS_8_1_1(t *testing.T) {
	t.Parallel()
	roles := []string{Share.Label(), Admin.Label(), Guest.Label(), ReadOnly.Label(), Developer.Label(), Reviewer.Label(), ProductionManager.Label(), "organization"}
	places := []string{"everybody", "signed in", "invited", "of a project", "of the organization", "of the maintainer", "support", "super admin"}
	for heading, want := range map[string]string{
		"In a project":   table(t, "permissions.csv", inProject, roles),
		"Above projects": table(t, "permissions-above.csv", above, places),
	} {
		if text := document(t, heading); !strings.Contains(text, want) {
			t.Errorf("docs/authorization.md, %s: it should say\n%s", heading, want)
		}
	}
	for _, word := range words[1:] {
		if word != "yes" && !strings.Contains(document(t, "How to read the tables"), "**"+word+"**") {
			t.Errorf("what %q means is not told", word)
		}
	}
}

// TestPermissionsHaveWords: refusals tell of every permission in words.
func TestPermissionsHaveWords(t *testing.T) {
	t.Parallel()
	for p := range inProject {
		if p.Describe() == "" {
			t.Errorf("%s has no words", p)
		}
	}
	for p := range above {
		if p.Describe() == "" {
			t.Errorf("%s has no words", p)
		}
	}
}
