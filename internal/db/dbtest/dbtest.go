// Package dbtest opens a real, migrated, empty database for one test.
package dbtest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver that makes the test's database

	"steward/internal/db"
)

// PostgresEnv names the variable that makes tests use PostgreSQL: a connection string
// whose role may create databases.
const PostgresEnv = "STEWARD_TEST_POSTGRES"

var serial atomic.Int64

// DSN names a fresh database: a file below the test's folder, or a database on the
// PostgreSQL server of STEWARD_TEST_POSTGRES that is dropped when the test ends.
func DSN(t testing.TB) string {
	t.Helper()
	admin := os.Getenv(PostgresEnv)
	if admin == "" {
		return "sqlite:" + filepath.Join(t.TempDir(), "steward.db")
	}
	name := fmt.Sprintf("steward_test_%d_%d", os.Getpid(), serial.Add(1))
	run(t, admin, "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
	t.Cleanup(func() { run(t, admin, "DROP DATABASE "+name+" WITH (FORCE)") })
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatalf("%s: %v", PostgresEnv, err)
	}
	u.Path = "/" + name
	return u.String()
}

func run(t testing.TB, dsn, statement string) {
	t.Helper()
	c, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.ExecContext(context.Background(), statement); err != nil {
		t.Fatalf("%s: %v", strings.Fields(statement)[0], err)
	}
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
