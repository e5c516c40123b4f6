package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"steward/internal/db"
	"steward/internal/db/dbtest"
)

// TestVerifyCommand verifies an installation that is being served: clean, and damaged.
func TestVerifyCommand(t *testing.T) {
	t.Parallel()
	data, dsn := t.TempDir(), dbtest.DSN(t)
	s := startServe(t, data, dsn)
	_, ada, project := setup(t, s.Site, &s.out)
	ada.Post(project+"/storage/buckets", url.Values{"stage": {"in"}, "name": {"first"}, "displayName": {""}, "description": {""}}).Want(http.StatusSeeOther)
	verify := func(more ...string) (string, error) {
		return command(t, "", append([]string{"verify", "--data", data, "--db", dsn}, more...)...)
	}
	out, err := verify()
	if err != nil || !strings.HasPrefix(out, "All is well.\n") || !strings.Contains(out, "counters   1 checked") {
		t.Errorf("a clean installation: %v\n%s", err, out)
	}

	type document struct {
		Problems []struct{ Check, Object, Expected, Found string }
		Clean    bool
		Count    int64 `json:"problemsCount"`
		Checks   []struct {
			Check   string
			Checked int64
		}
	}
	read := func(out string) (d document) {
		t.Helper()
		if err := json.Unmarshal([]byte(out), &d); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		return d
	}
	out, err = verify("--json")
	if d := read(out); err != nil || !d.Clean || len(d.Problems) != 0 || len(d.Checks) != 5 {
		t.Errorf("a clean installation: %v\n%s", err, out)
	}

	d, err := db.Open(t.Context(), dsn, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	if err := d.Update(t.Context(), func(tx *db.Tx) error {
		return tx.Must("UPDATE buckets SET tables_count = 2, rows_count = 3, text_id = 'in.c-first' || $1", "\n\x1b[31mred")
	}); err != nil {
		t.Fatal(err)
	}
	out, err = verify()
	if err == nil || !strings.Contains(err.Error(), "2 problems were found") || strings.Contains(out, "All is well") {
		t.Errorf("a damaged installation: %v\n%s", err, out)
	}
	if lines := strings.Split(out, "\n"); strings.Contains(out, "\x1b") || !strings.Contains(lines[0], "expected 0 tables, as its tables have; found 2 in its counter") || !strings.Contains(lines[1], "0 rows") {
		t.Errorf("each problem is one line of plain text:\n%q", out)
	}
	out, err = verify("--json")
	if d := read(out); err == nil || d.Clean || d.Count != 2 || len(d.Problems) != 2 || d.Problems[0].Check != "counters" || d.Problems[0].Found != "2 in its counter" {
		t.Errorf("a damaged installation: %v\n%s", err, out)
	}
}

// TestVerifyNothing: where there is nothing, verify says so and makes nothing.
func TestVerifyNothing(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "none")
	out, err := command(t, "", "verify", "--data", data)
	if err == nil || !strings.Contains(err.Error(), "no installation here") || out != "" {
		t.Errorf("%v, %q", err, out)
	}
	if left, err := filepath.Glob(fmt.Sprint(data, "*")); err != nil || len(left) > 0 {
		t.Errorf("it made %v, %v", left, err)
	}
}
