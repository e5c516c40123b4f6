package dbtest

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"steward/internal/db"
	"steward/migrations"
)

// sqliteTemplate is the file of a migrated database. It is made once in a process.
var sqliteTemplate = sync.OnceValues(func() (content []byte, err error) {
	folder, err := os.MkdirTemp("", "steward-template-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	path := filepath.Join(folder, "steward.db")
	if err := migrate("sqlite:" + path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// postgresTemplate names a migrated database on a server, to make others from. All
// processes that test the same migrations share it, and it stays for the next ones.
func postgresTemplate(t testing.TB, admin string) string {
	t.Helper()
	steps, err := digest(migrations.For("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	name := "steward_template_" + steps
	on(t, admin, func(c *sql.Conn, exec func(string)) {
		made := func() (yes bool) {
			if err := c.QueryRowContext(context.Background(), "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)", name).Scan(&yes); err != nil {
				t.Fatal(err)
			}
			return yes
		}
		if made() {
			return
		}
		exec("SELECT pg_advisory_lock(hashtext('steward_template'))") // the connection's end gives it back
		if made() {
			return
		}
		// It gets its name when it is complete: whoever makes it may be stopped.
		unfinished := name + "_unfinished"
		exec("DROP DATABASE IF EXISTS " + unfinished + " WITH (FORCE)")
		exec(createSQL(unfinished, "template0"))
		if err := migrate(in(t, admin, unfinished)); err != nil {
			t.Fatal(err)
		}
		exec("ALTER DATABASE " + unfinished + " RENAME TO " + name)
	})
	return name
}

func migrate(dsn string) error {
	d, err := db.Open(context.Background(), dsn, db.Options{})
	if err != nil {
		return err
	}
	if err := d.Migrate(context.Background()); err != nil {
		_ = d.Close()
		return err
	}
	return d.Close()
}

// digest tells the steps of one schema from those of any other.
func digest(steps fs.FS) (string, error) {
	h := sha256.New()
	list, err := fs.ReadDir(steps, ".")
	if err != nil {
		return "", err
	}
	for _, e := range list {
		content, err := fs.ReadFile(steps, e.Name())
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%q %q\n", e.Name(), content)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8]), nil
}

// create makes a database of a test's own.
func create(t testing.TB, admin, template string) string {
	t.Helper()
	name := fmt.Sprintf("steward_test_%d_%d", os.Getpid(), serial.Add(1))
	on(t, admin, func(_ *sql.Conn, exec func(string)) { exec(createSQL(name, template)) })
	t.Cleanup(func() {
		on(t, admin, func(_ *sql.Conn, exec func(string)) { exec("DROP DATABASE " + name + " WITH (FORCE)") })
	})
	return in(t, admin, name)
}

func createSQL(name, template string) string {
	return "CREATE DATABASE " + name + " TEMPLATE " + template + " ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
}

// in names a database on the server of a connection string.
func in(t testing.TB, admin, name string) string {
	t.Helper()
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatalf("%s: %v", PostgresEnv, err)
	}
	u.Path = "/" + name
	return u.String()
}

// on gives do a connection to a server.
func on(t testing.TB, admin string, do func(c *sql.Conn, exec func(statement string))) {
	t.Helper()
	ctx := context.Background()
	pool, err := sql.Open("pgx", admin)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pool.Close() }()
	c, err := pool.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	do(c, func(statement string) {
		if _, err := c.ExecContext(ctx, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	})
}
