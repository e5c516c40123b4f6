// Package db opens the metadata database, SQLite or PostgreSQL, and runs
// transactions on it. SQL is one text for both: $1 placeholders, RETURNING,
// ON CONFLICT, and types that mean the same in each (BIGINT, TEXT, BOOLEAN,
// DOUBLE PRECISION; times are UTC microseconds). What differs is in dialect.go.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"steward/internal/failpoint"
	"steward/internal/fault"
)

// DB is an open metadata database. It is safe for concurrent use.
type DB struct {
	dialect dialect
	writer  *sql.DB // SQLite: one connection, so that writers queue instead of failing
	reader  *sql.DB
	pool    *pgxpool.Pool // beneath writer, on PostgreSQL
	turns   turns         // SQLite: of the writers
	ids     ids
	now     func() time.Time
	timed   func(time.Duration)
}

// Options are the parts of a DB that a caller may replace.
type Options struct {
	Now       func() time.Time    // the clock of every transaction; nil = time.Now
	Committed func(time.Duration) // told the time each commit took; may be nil
}

// Open connects to a database named sqlite:PATH or postgres://… and checks that it
// can be relied on: SQLite at least 3.51.3 (earlier versions may corrupt a WAL file),
// PostgreSQL at least 15 and with C collation. It does not migrate.
func Open(ctx context.Context, dsn string, o Options) (*DB, error) {
	d := &DB{now: o.Now, timed: o.Committed}
	if d.now == nil {
		d.now = time.Now
	}
	var err error
	switch {
	case strings.HasPrefix(dsn, "sqlite:"):
		d.dialect = sqlite
		err = d.openSQLite(ctx, strings.TrimPrefix(dsn, "sqlite:"))
	case strings.HasPrefix(dsn, "postgres://"), strings.HasPrefix(dsn, "postgresql://"):
		d.dialect = postgres
		err = d.openPostgres(ctx, dsn)
	default:
		err = fmt.Errorf("a database is named sqlite:PATH or postgres://…, not %q", dsn)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("db: %w", err), d.Close())
	}
	d.ids.db = d
	return d, nil
}

// Close closes all connections.
func (d *DB) Close() error {
	var errs []error
	for _, c := range []*sql.DB{d.writer, d.reader, d.ids.pool} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	if d.pool != nil {
		d.pool.Close()
	}
	return errors.Join(errs...)
}

// Shared reports whether other processes may write to this database.
func (d *DB) Shared() bool { return d.dialect.shared }

// Now is the time by the database's clock.
func (d *DB) Now() time.Time { return d.now().UTC().Truncate(time.Microsecond) }

// Ping reports whether the database answers.
func (d *DB) Ping(ctx context.Context) error { return d.reader.PingContext(ctx) }

// Tx is one transaction. It lives inside the function that View or Update calls.
type Tx struct {
	Now        time.Time // the same for the whole transaction
	ctx        context.Context
	statements context.Context // that statements run under
	tx         *sql.Tx
	db         *DB
	trace      *Trace
	failed     error // of a statement; nothing more can be done
	onCommit   []func()
	blocks     map[string]*block // of ids, that it reserved
	reserved   map[string]*block // by others in the same transaction
}

// Context is the context that the transaction runs under.
func (tx *Tx) Context() context.Context { return tx.ctx }

// OnCommit calls fn after the transaction has committed, and not if it rolls back.
func (tx *Tx) OnCommit(fn func()) { tx.onCommit = append(tx.onCommit, fn) }

// View runs fn in a read-only transaction that sees one state of the database.
func (d *DB) View(ctx context.Context, fn func(*Tx) error) error {
	tx, err := d.reader.BeginTx(ctx, d.dialect.viewOptions)
	if err != nil {
		return d.dialect.translate(err)
	}
	defer func() { _ = tx.Rollback() }()
	return fn(d.in(ctx, tx))
}

// Update runs fn in a read-write transaction and commits when fn returns nil. Where
// transactions that run at the same time got in each other's way, fn runs again, up to
// four times, so it must have no effect outside the transaction (see Tx.OnCommit).
//
// On SQLite those who wait for their turn to write share a commit, so that each of them
// is durable without waiting for the disk on its own: it may take as long as the next
// one's fn. An error of one is an error of that one alone. After a statement that failed
// no other runs, as on PostgreSQL, and the transaction fails.
func (d *DB) Update(ctx context.Context, fn func(*Tx) error) error {
	var err error
	for attempt := range 4 {
		if attempt > 0 {
			select {
			case <-ctx.Done():
				return d.dialect.translate(err)
			case <-time.After(time.Duration(attempt*attempt) * 10 * time.Millisecond):
			}
		}
		if err = d.dialect.update(d, ctx, attempt, fn); err == nil || !d.dialect.collided(err) {
			return err
		}
	}
	return d.dialect.translate(err)
}

var errUncertain = errors.New("db: the commit was not acknowledged")

// Uncertain reports whether an Update failed in its commit, so that its effect may
// stand nevertheless: when the connection broke, nobody can tell.
func Uncertain(err error) bool { return errors.Is(err, errUncertain) }

// updateAlone is one attempt at an Update in a transaction of its own.
func (d *DB) updateAlone(ctx context.Context, _ int, fn func(*Tx) error) error {
	raw, err := d.writer.BeginTx(ctx, nil)
	if err != nil {
		return d.dialect.translate(err)
	}
	defer func() { _ = raw.Rollback() }()
	tx := d.in(ctx, raw)
	if err := tx.run(fn); err != nil {
		return err
	}
	if err := d.commit(raw); err != nil {
		return err
	}
	d.ids.keep(tx.blocks)
	tx.committed()
	return nil
}

// in is a transaction as its functions see it.
func (d *DB) in(ctx context.Context, raw *sql.Tx) *Tx {
	tx := &Tx{Now: d.Now(), ctx: ctx, statements: ctx, tx: raw, db: d}
	tx.trace, _ = ctx.Value(traceKey{}).(*Trace)
	return tx
}

// run calls fn, and what has to be done first. A statement that failed fails all of it,
// whatever fn makes of its error: some errors roll back what was written before them.
func (tx *Tx) run(fn func(*Tx) error) error {
	if err := tx.call(fn); err != nil {
		return err
	}
	return tx.failed
}

func (tx *Tx) call(fn func(*Tx) error) error {
	if first, _ := tx.ctx.Value(firstKey{}).(*first); first != nil && !first.done.Load() {
		if err := first.fn(tx); err != nil {
			return err
		}
		tx.OnCommit(func() { first.done.Store(true) })
	}
	return fn(tx)
}

// commit makes a transaction durable.
func (d *DB) commit(tx *sql.Tx) error {
	start := time.Now()
	failpoint.Step("db: commit")
	if err := tx.Commit(); err != nil {
		if c := d.dialect.classify(err); c != causeOther && c != causeGone { // the database itself says no
			return d.dialect.translate(err)
		}
		return errors.Join(errUncertain, d.dialect.translate(err))
	}
	failpoint.Step("db: committed")
	if d.timed != nil {
		d.timed(time.Since(start))
	}
	return nil
}

// committed does what waits for the commit.
func (tx *Tx) committed() {
	for _, fn := range tx.onCommit {
		fn()
	}
}

type firstKey struct{}

type first struct {
	fn   func(*Tx) error
	done atomic.Bool
}

// WithFirst returns a context whose first committed Update also runs fn, before the
// caller's function and in the same transaction. An error of fn ends that Update.
func WithFirst(ctx context.Context, fn func(*Tx) error) context.Context {
	return context.WithValue(ctx, firstKey{}, &first{fn: fn})
}

// WithoutFirst returns a context under which a pending WithFirst does not run: for
// writes beside the request's own effect, such as the note of a refusal.
func WithoutFirst(ctx context.Context) context.Context {
	return context.WithValue(ctx, firstKey{}, (*first)(nil))
}

type traceKey struct{}

// Trace notes the queries that run under a context. It is safe for concurrent use.
type Trace struct {
	mu      sync.Mutex
	queries []Query
}

// Query is one statement with its arguments.
type Query struct {
	SQL  string
	Args []any
}

// WithTrace returns a context whose queries are noted.
func WithTrace(ctx context.Context) (context.Context, *Trace) {
	t := new(Trace)
	return context.WithValue(ctx, traceKey{}, t), t
}

// Queries are those that ran so far.
func (t *Trace) Queries() []Query {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.queries)
}

func (t *Trace) note(query string, args []any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queries = append(t.queries, Query{query, args})
}

// ids hands out row ids in blocks from the sequences table.
type ids struct {
	db   *DB
	pool *sql.DB // PostgreSQL: apart from the main pool, so that a full pool cannot wait for itself
	mu   sync.Mutex
	free map[string]*block
}

type block struct{ next, end int64 }

const blockSize = 64

// NewID returns an id that no row of this kind has had. Ids grow, are safe integers
// in JavaScript, and may leave gaps; across processes they do not follow commit order.
func (tx *Tx) NewID(kind string) (int64, error) {
	if err := tx.ready(); err != nil {
		return 0, err
	}
	for _, blocks := range []map[string]*block{tx.blocks, tx.reserved} {
		if b := blocks[kind]; b != nil && b.next < b.end {
			b.next++
			return b.next - 1, nil
		}
	}
	if n, ok := tx.db.ids.take(kind); ok {
		return n, nil
	}
	b, err := tx.db.dialect.reserve(tx, kind)
	if err != nil {
		return 0, tx.fail(err)
	}
	if tx.blocks == nil {
		tx.blocks = map[string]*block{}
	}
	tx.blocks[kind] = b
	b.next++
	return b.next - 1, nil
}

const reserveSQL = `INSERT INTO sequences (kind, next) VALUES ($1, $2 + 1)
ON CONFLICT (kind) DO UPDATE SET next = sequences.next + $2 RETURNING next`

func (i *ids) take(kind string) (int64, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	b := i.free[kind]
	if b == nil || b.next == b.end {
		return 0, false
	}
	b.next++
	return b.next - 1, true
}

// keep makes the rest of a committed transaction's blocks available to others. A
// block whose transaction rolled back was never reserved, so it must not come here.
func (i *ids) keep(blocks map[string]*block) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for kind, b := range blocks {
		if i.free == nil {
			i.free = map[string]*block{}
		}
		if old := i.free[kind]; old == nil || old.next == old.end {
			i.free[kind] = b
		}
	}
}

// errNotFound is what a query for one row gives when there is none.
func errNotFound() error {
	return fault.Wrap(sql.ErrNoRows, fault.NotFound, "notFound", "Not found.")
}
