package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	sqlitedriver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"steward/internal/fault"
)

// dialect is everything in which the two databases differ.
type dialect struct {
	name        string
	shared      bool // other processes may write
	viewOptions *sql.TxOptions
	goose       goose.Dialect
	classify    func(error) cause
	own         func(error) bool // the database itself says that a statement failed
	update      func(d *DB, ctx context.Context, attempt int, fn func(*Tx) error) error
	reserve     func(tx *Tx, kind string) (*block, error)
	lock        func(tx *Tx, name string) error
	horizon     func(tx *Tx) (int64, error)
	oldest      func(tx *Tx) (time.Time, error)
	check       func(tx *Tx, found func(Damage)) error
}

// cause is what a driver's error means to us.
type cause uint8

const (
	causeOther cause = iota
	causeUnique
	causeForeignKey
	causeCheck
	causeBusy
	causeCollided
	causeFull
	causeGone
	causeText
)

var sqlite = dialect{
	name:     "sqlite",
	goose:    goose.DialectSQLite3,
	classify: classifySQLite,
	own:      isError[*sqlitedriver.Error],
	update:   (*DB).updateInTurn,
	lock:     func(*Tx, string) error { return nil },
	horizon:  func(*Tx) (int64, error) { return math.MaxInt64, nil },
	oldest:   func(tx *Tx) (time.Time, error) { return tx.Now, nil },
	check:    checkSQLite,
	reserve: func(tx *Tx, kind string) (*block, error) {
		return reserveBlock(func(n *int64) error {
			return tx.tx.QueryRowContext(tx.statements, reserveSQL, kind, blockSize).Scan(n)
		})
	},
}

var postgres = dialect{
	name:        "postgres",
	shared:      true,
	viewOptions: &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
	goose:       goose.DialectPostgres,
	classify:    classifyPostgres,
	own:         isError[*pgconn.PgError],
	update:      (*DB).updateAlone, // the server itself lets commits share a write
	lock: func(tx *Tx, name string) error {
		h := fnv.New64a()
		_, _ = h.Write([]byte(name))
		_, err := tx.Exec("SELECT pg_advisory_xact_lock($1)", int64(h.Sum64()))
		return err
	},
	horizon: func(tx *Tx) (int64, error) {
		return Value[int64](tx, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
	},
	// By the server's clock, because the processes' own may differ.
	oldest: func(tx *Tx) (time.Time, error) {
		micros, err := Value[int64](tx, `SELECT (EXTRACT(EPOCH FROM clock_timestamp() - MIN(xact_start)) * 1000000)::bigint
			FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'`)
		return tx.Now.Add(-time.Duration(micros) * time.Microsecond), err
	},
	check: checkPostgres,
	// Reserved in a transaction of its own: the row stays locked for an instant only,
	// and a block is never handed out twice when the caller's transaction rolls back.
	reserve: func(tx *Tx, kind string) (*block, error) {
		return reserveBlock(func(n *int64) error {
			return tx.db.ids.pool.QueryRowContext(tx.statements, reserveSQL, kind, blockSize).Scan(n)
		})
	},
}

func reserveBlock(query func(*int64) error) (*block, error) {
	var next int64
	if err := query(&next); err != nil {
		return nil, fmt.Errorf("reserve ids: %w", err)
	}
	return &block{next: next - blockSize, end: next}, nil
}

func (d *DB) openSQLite(ctx context.Context, path string) error {
	if path == "" {
		return errors.New("sqlite: needs a path")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	open := func(extra string, conns int) (*sql.DB, error) {
		q := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)",
			"trusted_schema(OFF)", "cell_size_check(ON)", "mmap_size(0)", "secure_delete(FAST)", extra}, "_txlock": {"immediate"}}
		if conns > 1 {
			q.Set("_txlock", "deferred")
		}
		plain, err := sqlitedriver.NewConnector("file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode())
		if err != nil {
			return nil, err
		}
		pool := sql.OpenDB(connector{Connector: plain, reads: conns > 1})
		pool.SetMaxOpenConns(conns)
		pool.SetMaxIdleConns(conns)
		return pool, pool.PingContext(ctx)
	}
	d.turns.share = sharedFor
	var err error
	if d.writer, err = open("cache_size(-16000)", 1); err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	if d.reader, err = open("query_only(ON)", max(4, 2*runtime.GOMAXPROCS(0))); err != nil {
		return err
	}
	var version string
	if err := d.writer.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
		return err
	}
	if versionBefore(version, "3.51.3") {
		return fmt.Errorf("SQLite %s may corrupt a database under concurrent writers; 3.51.3 or later is needed", version)
	}
	return nil
}

func (d *DB) openPostgres(ctx context.Context, dsn string) error {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return fmt.Errorf("the connection string is not readable: %w", err)
	}
	if cfg.MaxConns < 8 {
		cfg.MaxConns = 8
	}
	cfg.ConnConfig.RuntimeParams["timezone"] = "UTC"
	cfg.ConnConfig.RuntimeParams["synchronous_commit"] = "on"
	cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return err
	}
	d.pool = pool
	d.writer = stdlib.OpenDBFromPool(pool)
	d.writer.SetMaxIdleConns(0) // the pool below keeps the connections
	d.reader = d.writer
	d.ids.pool = stdlib.OpenDB(*cfg.ConnConfig.Copy())
	d.ids.pool.SetMaxOpenConns(2)
	var version int
	if err := d.writer.QueryRowContext(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
		return err
	}
	if version < 150000 {
		return fmt.Errorf("PostgreSQL 15 or later is needed, this one reports %d", version)
	}
	var c bool
	if err := d.writer.QueryRowContext(ctx, "SELECT 'B' < 'a' AND 'a-b' < 'aa'").Scan(&c); err != nil {
		return err
	}
	if !c {
		return errors.New("the database does not sort by bytes; make it by: CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
	}
	return nil
}

func versionBefore(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		x, _ := strconv.Atoi(as[i])
		y, _ := strconv.Atoi(bs[i])
		if x != y {
			return x < y
		}
	}
	return len(as) < len(bs)
}

func isError[E error](err error) bool {
	_, is := errors.AsType[E](err)
	return is
}

func classifySQLite(err error) cause {
	var e *sqlitedriver.Error
	switch {
	case errors.Is(err, errUnshared):
		return causeCollided
	case !errors.As(err, &e):
		return causeOther
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return causeUnique
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return causeForeignKey
	case sqlite3.SQLITE_CONSTRAINT_CHECK, sqlite3.SQLITE_CONSTRAINT_NOTNULL:
		return causeCheck
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return causeBusy
	case sqlite3.SQLITE_FULL:
		return causeFull
	}
	return causeOther
}

func classifyPostgres(err error) cause {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		if pgconn.SafeToRetry(err) || errors.Is(err, syscall.ECONNREFUSED) {
			return causeGone
		}
		return causeOther
	}
	switch e.Code {
	case "23505":
		return causeUnique
	case "23503":
		return causeForeignKey
	case "23514", "23502":
		return causeCheck
	case "40001", "40P01":
		return causeCollided
	case "22021": // NUL, or bytes that are no UTF-8
		return causeText
	case "53100":
		return causeFull
	case "57P01", "57P02", "57P03", "53300":
		return causeGone
	}
	return causeOther
}

func (d dialect) collided(err error) bool { return d.classify(err) == causeCollided }

// translate turns a driver's error into a fault where it has a meaning of its own.
// It goes by codes, never by texts.
func (d dialect) translate(err error) error {
	switch {
	case err == nil:
		return nil
	case fault.Of(err) != nil:
		return err
	case errors.Is(err, sql.ErrNoRows):
		return errNotFound()
	}
	switch d.classify(err) {
	case causeUnique:
		return fault.Wrap(err, fault.Conflict, "db.unique", "This exists already.")
	case causeForeignKey:
		return fault.Wrap(err, fault.Conflict, "db.reference", "Something else still refers to this.")
	case causeCheck:
		return fault.Wrap(err, fault.Internal, "db.check", "The data breaks a rule of the database.")
	case causeBusy, causeGone, causeCollided:
		e := fault.Wrap(err, fault.Unavailable, "db.busy", "The database is busy. Nothing was changed.")
		e.RetryAfter = 2 * time.Second
		return e
	case causeText:
		return fault.Wrap(err, fault.Invalid, "db.text", "A text is not valid UTF-8.")
	case causeFull:
		return fault.Wrap(err, fault.Full, "db.full", "No space is left for the database. Nothing was changed.")
	case causeOther:
	}
	return fmt.Errorf("db: %w", err)
}
