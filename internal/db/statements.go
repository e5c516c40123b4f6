package db

import (
	"context"
	"database/sql/driver"
	"errors"
)

// What a connection to SQLite keeps compiled.
const (
	keptStatements = 64       // the program has about a hundred; which of them recur depends on its people
	keptLength     = 16 << 10 // bytes of a statement's text at most
)

// connector opens connections to SQLite that keep compiled statements: compiling
// one takes longer than most of them run, and the driver does it for each query.
// When the schema changes, SQLite compiles a kept statement anew by itself.
type connector struct {
	driver.Connector
	reads bool // nothing is written
}

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	raw, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn, ok := raw.(sqliteConn)
	if !ok {
		return nil, errors.Join(errors.New("sqlite: the driver's connections lack a method"), raw.Close())
	}
	return &keepingConn{sqliteConn: conn, reads: c.reads, kept: make(map[string]*keptStatement)}, nil
}

// sqliteConn is what the driver's connections can do and database/sql makes use of.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// keepingConn is a connection that keeps the statements it used last. database/sql
// lets one goroutine at a time use it and the rows that come from it.
type keepingConn struct {
	sqliteConn
	reads bool
	kept  map[string]*keptStatement // by their text; without those in use
	uses  int64                     // so far; it tells which statement was used last
}

// keptStatement is a compiled statement.
type keptStatement struct {
	driver.StmtQueryContext
	driver.StmtExecContext
	text string
	used int64
	stop func() error
}

// take returns the statement with a text, for one use: it is not kept while rows are
// read from it, so whoever wants the same one meanwhile gets another.
func (c *keepingConn) take(ctx context.Context, text string) (*keptStatement, error) {
	if s := c.kept[text]; s != nil {
		delete(c.kept, text)
		return s, nil
	}
	raw, err := c.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	query, queries := raw.(driver.StmtQueryContext)
	exec, execs := raw.(driver.StmtExecContext)
	if !queries || !execs {
		return nil, errors.Join(errors.New("sqlite: the driver's statements lack a method"), raw.Close())
	}
	return &keptStatement{StmtQueryContext: query, StmtExecContext: exec, text: text, stop: raw.Close}, nil
}

// keep takes a statement back. It closes the one that was not used for the longest
// time if there are too many.
func (c *keepingConn) keep(s *keptStatement) error {
	if c.kept[s.text] != nil || len(s.text) > keptLength {
		return s.stop()
	}
	c.uses++
	s.used = c.uses
	c.kept[s.text] = s
	if len(c.kept) <= keptStatements {
		return nil
	}
	oldest := s
	for _, other := range c.kept {
		if other.used < oldest.used {
			oldest = other
		}
	}
	delete(c.kept, oldest.text)
	return oldest.stop()
}

// QueryContext implements driver.QueryerContext.
func (c *keepingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := s.QueryContext(ctx, args)
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return &keptRows{Rows: rows, conn: c, statement: s}, nil
}

// ExecContext implements driver.ExecerContext.
func (c *keepingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	result, err := s.ExecContext(ctx, args)
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return result, c.keep(s)
}

// BeginTx implements driver.ConnBeginTx. The driver would compile BEGIN, COMMIT and ROLLBACK
// for each transaction. Another process may keep a writer waiting, for as long as the busy
// timeout says.
func (c *keepingConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	begin := "BEGIN IMMEDIATE"
	if c.reads {
		begin = "BEGIN" // waits for nobody
	}
	if _, err := c.ExecContext(context.WithoutCancel(ctx), begin, nil); err != nil {
		return nil, err
	}
	return keptTx{c}, nil
}

// keptTx is a transaction whose end is not left to a context.
type keptTx struct{ conn *keepingConn }

// Commit implements driver.Tx.
func (t keptTx) Commit() error {
	if t.conn.reads { // there is nothing to commit
		return t.Rollback()
	}
	_, err := t.conn.ExecContext(context.Background(), "COMMIT", nil)
	if err != nil {
		_ = t.Rollback() // it may be open still, and must not be for the next one
	}
	return err
}

// Rollback implements driver.Tx.
func (t keptTx) Rollback() error {
	_, err := t.conn.ExecContext(context.Background(), "ROLLBACK", nil)
	return err
}

// Close closes the connection with all that it keeps.
func (c *keepingConn) Close() error {
	var failed error
	for _, s := range c.kept {
		failed = errors.Join(failed, s.stop())
	}
	clear(c.kept)
	return errors.Join(failed, c.sqliteConn.Close())
}

// keptRows give their statement back when they are closed.
type keptRows struct {
	driver.Rows
	conn      *keepingConn
	statement *keptStatement
}

// Close implements driver.Rows.
func (r *keptRows) Close() error {
	s := r.statement
	if s == nil {
		return nil
	}
	r.statement = nil
	if err := r.Rows.Close(); err != nil {
		return errors.Join(err, s.stop())
	}
	return r.conn.keep(s)
}

var (
	_ driver.QueryerContext = (*keepingConn)(nil)
	_ driver.ExecerContext  = (*keepingConn)(nil)
)
