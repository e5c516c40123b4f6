package db_test

import (
	"database/sql"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"steward/internal/db/dbtest"
	"steward/migrations"
)

// TestMigrationOfFiles: a database from before files could be compressed with zstd keeps
// its files, and takes such ones afterwards.
func TestMigrationOfFiles(t *testing.T) {
	t.Parallel()
	dsn := dbtest.Empty(t)
	driver, name, dialect := "pgx", "postgres", goose.DialectPostgres
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		driver, name, dialect, dsn = "sqlite", "sqlite", goose.DialectSQLite3, path
	}
	conn, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	steps, err := goose.NewProvider(dialect, conn, migrations.For(name))
	if err != nil {
		t.Fatal(err)
	}
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
