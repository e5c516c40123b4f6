package db_test

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"steward/internal/db/dbtest"
	"steward/migrations"
)

// migrating is an empty database, with the steps that make the schema.
func migrating(t *testing.T) (*sql.DB, *goose.Provider) {
	t.Helper()
	dsn := dbtest.Empty(t)
	driver, name, dialect := "pgx", "postgres", goose.DialectPostgres
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		driver, name, dialect, dsn = "sqlite", "sqlite", goose.DialectSQLite3, path
	}
	conn, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	steps, err := goose.NewProvider(dialect, conn, migrations.For(name))
	if err != nil {
		t.Fatal(err)
	}
	return conn, steps
}

// TestMigrationOfFiles: a database from before files could be compressed with zstd keeps
// its files, and takes such ones afterwards.
func TestMigrationOfFiles(t *testing.T) {
	t.Parallel()
	conn, steps := migrating(t)
	if _, err := steps.UpTo(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	exec := func(query string, args ...any) error {
		_, err := conn.ExecContext(t.Context(), query, args...)
		return err
	}
	const file = `INSERT INTO files (id, project_id, branch_id, name, size_bytes, sha256, compression, blob_key, user_id, actor_name, created_at, expires_at)
		VALUES ($1, 1, 1, 'kept.csv', 5, 'aa', $2, $3, 1, 'Ada', 7, NULL)`
	for _, query := range []string{
		`INSERT INTO users (id, email, name, password_hash, pepper_key, state, is_super_admin, session_epoch, theme, created_at) VALUES (1, 'a@b.example', 'Ada', '', '', 'active', false, 0, '', 1)`,
		`INSERT INTO maintainers (id, name, created_at) VALUES (1, 'm', 1)`,
		`INSERT INTO organizations (id, maintainer_id, name, allow_auto_join, created_at) VALUES (1, 1, 'o', true, 1)`,
		`INSERT INTO projects (id, organization_id, name, name_search, description, governed, state, created_at, created_by, changed_at) VALUES (1, 1, 'p', 'p', '', false, 'active', 1, 1, 1)`,
		`INSERT INTO branches (id, project_id, name, is_default, created_at) VALUES (1, 1, 'Main', true, 1)`,
	} {
		if err := exec(query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	if err := exec(file, 1, "gzip", "files/1/a"); err != nil {
		t.Fatal(err)
	}
	if err := exec(file, 2, "zstd", "files/1/b"); err == nil {
		t.Fatal("the old schema takes zstd: there is nothing to migrate")
	}
	if _, err := steps.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	var kept string
	if err := conn.QueryRowContext(t.Context(), "SELECT name || ' ' || compression || ' ' || blob_key FROM files WHERE id = 1").Scan(&kept); err != nil || kept != "kept.csv gzip files/1/a" {
		t.Errorf("the file is %q, %v", kept, err)
	}
	if err := exec(file, 2, "zstd", "files/1/b"); err != nil {
		t.Errorf("a file of zstd: %v", err)
	}
	if err := exec(file, 3, "lzma", "files/1/c"); err == nil {
		t.Error("a file of lzma is taken")
	}
	if err := exec(file, 4, "gzip", "files/1/a"); err == nil {
		t.Error("two files have one key")
	}
}

// TestMigrationOfSupport: whoever was of support without an end is so for 90 days more, whole
// ones, and so is what they joined by it; a super admin is in that for ever.
func TestMigrationOfSupport(t *testing.T) {
	t.Parallel()
	conn, steps := migrating(t)
	if _, err := steps.UpTo(t.Context(), 18); err != nil {
		t.Fatal(err)
	}
	const user = `INSERT INTO users (id, email, name, password_hash, pepper_key, state, is_super_admin, is_support, session_epoch, theme, created_at) VALUES `
	const member = `INSERT INTO organization_members (organization_id, user_id, email, joined_at, through) VALUES `
	const membership = `INSERT INTO memberships (id, project_id, user_id, email, role, joined_at, reason, through, expires_at) VALUES `
	for _, query := range []string{
		user + `(1, 'sven', 'Sven', '', '', 'active', FALSE, TRUE, 0, '', 1), (2, 'vera', 'Vera', '', '', 'active', TRUE, TRUE, 0, '', 1), (3, 'mina', 'Mina', '', '', 'active', FALSE, FALSE, 0, '', 1)`,
		`INSERT INTO maintainers (id, name, created_at) VALUES (1, 'm', 1)`,
		`INSERT INTO organizations (id, maintainer_id, name, allow_auto_join, created_at) VALUES (1, 1, 'o', TRUE, 1), (2, 1, 'own', TRUE, 1)`,
		`INSERT INTO projects (id, organization_id, name, name_search, description, governed, state, created_at, created_by, changed_at) VALUES (1, 1, 'p', 'p', '', FALSE, 'active', 1, 1, 1), (2, 2, 'q', 'q', '', FALSE, 'active', 1, 1, 1)`,
		member + `(1, 1, 'sven', 1, 'support'), (1, 2, 'vera', 1, 'support'), (1, 3, 'mina', 1, 'maintainer'), (2, 1, 'sven', 1, '')`,
		membership + `(1, 1, 1, 'sven', 'admin', 1, '', 'organization', NULL), (2, 1, 2, 'vera', 'admin', 1, '', 'organization', NULL), (3, 1, 3, 'mina', 'admin', 1, '', 'organization', NULL), (4, 2, 1, 'sven', 'admin', 1, '', 'organization', NULL)`,
	} {
		if _, err := conn.ExecContext(t.Context(), query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	before := time.Now().UTC()
	if _, err := steps.UpTo(t.Context(), 22); err != nil {
		t.Fatal(err)
	}
	micros := func(query string) int64 {
		t.Helper()
		var n sql.NullInt64
		if err := conn.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return n.Int64
	}
	until := micros("SELECT support_until FROM users WHERE id = 1")
	if at := time.UnixMicro(until).UTC(); at.Before(before.AddDate(0, 0, 90)) || at.After(time.Now().UTC().AddDate(0, 0, 91)) || at.Format(time.TimeOnly) != "23:59:59" {
		t.Errorf("they are of support until %s", at)
	}
	for query, want := range map[string]int64{
		"SELECT support_until FROM users WHERE id = 2":                                          until,
		"SELECT support_until FROM users WHERE id = 3":                                          0,
		"SELECT expires_at FROM organization_members WHERE organization_id = 1 AND user_id = 1": until,
		"SELECT expires_at FROM organization_members WHERE organization_id = 2 AND user_id = 1": 0,
		"SELECT expires_at FROM organization_members WHERE user_id = 2":                         0,
		"SELECT expires_at FROM organization_members WHERE user_id = 3":                         0,
		"SELECT expires_at FROM memberships WHERE id = 1":                                       until,
		"SELECT expires_at FROM memberships WHERE id = 2":                                       0,
		"SELECT expires_at FROM memberships WHERE id = 3":                                       0,
		"SELECT expires_at FROM memberships WHERE id = 4":                                       0,
	} {
		if got := micros(query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}

	// What people came into by a right ends within a week; what they belong to does not.
	if _, err := conn.ExecContext(t.Context(), "UPDATE organization_members SET expires_at = 7 WHERE organization_id = 1 AND user_id = 2"); err != nil {
		t.Fatal(err)
	}
	before = time.Now().UTC()
	if _, err := steps.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]bool{
		"organization_members WHERE organization_id = 1 AND user_id = 1": true, "organization_members WHERE organization_id = 1 AND user_id = 3": true, "organization_members WHERE organization_id = 2 AND user_id = 1": false,
		"memberships WHERE id = 1 AND through = 'support'": true, "memberships WHERE id = 3 AND through = 'maintainer'": true, "memberships WHERE id = 4 AND through = 'organization'": false,
	} {
		at := micros("SELECT expires_at FROM " + query)
		if end := time.UnixMicro(at); want && (end.Before(before.AddDate(0, 0, 7).Add(-time.Minute)) || end.After(time.Now().AddDate(0, 0, 7))) || !want && at != 0 {
			t.Errorf("%s ends at %d", query, at)
		}
	}
	if got := micros("SELECT expires_at FROM organization_members WHERE organization_id = 1 AND user_id = 2"); got != 7 {
		t.Errorf("what ended sooner ends at %d", got)
	}
}
