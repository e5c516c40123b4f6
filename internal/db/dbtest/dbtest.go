// Package dbtest opens a real, migrated, empty database for one test.
package dbtest

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver that makes the test's database

	"steward/internal/db"
)

// PostgresEnv names the variable that makes tests use PostgreSQL: a connection string
// whose role may create databases.
const PostgresEnv = "STEWARD_TEST_POSTGRES"

var serial atomic.Int64

// DSN names a fresh, migrated database: a file below the test's folder, or a database on
// the PostgreSQL server of STEWARD_TEST_POSTGRES that is dropped when the test ends. It is
// a copy of one that was migrated once, which is many times quicker than to migrate it.
func DSN(t testing.TB) string {
	t.Helper()
	if admin := os.Getenv(PostgresEnv); admin != "" {
		return create(t, admin, postgresTemplate(t, admin))
	}
	content, err := sqliteTemplate()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "steward.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return "sqlite:" + path
}

// Empty names a fresh database like DSN, but without a schema: for what is about the
// migrations, or about a first start.
func Empty(t testing.TB) string {
	t.Helper()
	if admin := os.Getenv(PostgresEnv); admin != "" {
		return create(t, admin, "template0")
	}
	return "sqlite:" + filepath.Join(t.TempDir(), "steward.db")
}

// Open opens a fresh, migrated database that is closed when the test ends.
func Open(t testing.TB, o db.Options) *db.DB {
	t.Helper()
	return OpenAt(t, DSN(t), o)
}

// OpenAt opens and migrates the database of a DSN until the test ends.
func OpenAt(t testing.TB, dsn string, o db.Options) *db.DB {
	t.Helper()
	d, err := db.Open(context.Background(), dsn, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := d.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	return d
}
