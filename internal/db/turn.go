package db

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// How far a commit is shared. SQLite has one writer, and a durable commit waits for the
// disk: whoever waits for its turn meanwhile writes into the same transaction as the one
// before, and they end with one commit.
const (
	sharedFor = 2 * time.Millisecond // nobody joins a transaction whose first writer has waited longer for its commit
	sharedBy  = 64                   // writers of a transaction at most
)

// errUnshared is why a writer has to write again: the transaction that it shared was
// rolled back as a whole, because of another one's error.
var errUnshared = errors.New("db: another writer's error ended the transaction that both wrote into")

// turns are those of the writers of a SQLite database, in the order in which they came.
type turns struct {
	share time.Duration // sharedFor

	mu      sync.Mutex
	taken   bool
	waiting []chan *shared
}

// take waits for a turn, and gives the transaction to go on with, or one that is to be
// begun.
func (t *turns) take(ctx context.Context) (*shared, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t.mu.Lock()
	if !t.taken {
		t.taken = true
		t.mu.Unlock()
		return newShared(), nil
	}
	turn := make(chan *shared, 1)
	t.waiting = append(t.waiting, turn)
	t.mu.Unlock()
	select {
	case s := <-turn:
		return s, nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.waiting, turn); i >= 0 {
		t.waiting = slices.Delete(t.waiting, i, i+1)
		return nil, ctx.Err()
	}
	return <-turn, nil // it was given to this one at the same moment, who must end it
}

// pass gives the turn to the one who waits for the longest time, with a transaction to go
// on with. When nobody waits it reports false, and the turn stays taken.
func (t *turns) pass(s *shared) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) == 0 {
		return false
	}
	t.waiting[0] <- s
	t.waiting = slices.Delete(t.waiting, 0, 1)
	return true
}

// leave gives the turn to the next one, or frees it.
func (t *turns) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken = len(t.waiting) > 0; t.taken {
		t.waiting[0] <- newShared()
		t.waiting = slices.Delete(t.waiting, 0, 1)
	}
}

// shared is a transaction that writers write into one after the other. It belongs to the
// one who has the turn.
type shared struct {
	tx      *sql.Tx           // nil until it has begun
	first   time.Time         // when the first one had written
	writers int               // whose work stands in it
	broken  bool              // it can only be rolled back
	closed  bool              // nobody joins any more
	blocks  map[string]*block // of ids that its writers reserved
	ended   chan struct{}     // closed when err says how it ended
	err     error
}

func newShared() *shared { return &shared{blocks: map[string]*block{}, ended: make(chan struct{})} }

// updateInTurn is one attempt at an Update where writers take turns. Statements are not
// interrupted when ctx ends, since SQLite would roll back what others wrote; it ends
// between two of them. Nobody joins behind one that writes again, so that it cannot lose
// its work once more.
func (d *DB) updateInTurn(ctx context.Context, attempt int, fn func(*Tx) error) error {
	s, err := d.turns.take(ctx)
	if err != nil {
		return d.dialect.translate(err)
	}
	if s.tx == nil {
		if s.tx, err = d.writer.BeginTx(context.Background(), nil); err != nil {
			d.turns.leave()
			return d.dialect.translate(err)
		}
	}
	tx := d.in(ctx, s.tx)
	tx.statements, tx.reserved = context.WithoutCancel(ctx), s.blocks
	returned := false
	defer func() {
		if !returned { // fn panicked: the others' work stands nevertheless
			d.endShared(s)
		}
	}()
	alone := s.writers == 0
	s.closed = attempt > 0
	err = s.write(tx, fn)
	broke := s.broken
	returned = true
	d.endShared(s)
	if err != nil && (alone || broke) {
		return err
	}
	<-s.ended
	switch {
	case err == nil && s.err == nil:
		tx.committed()
		return nil
	case err == nil:
		return s.err
	case s.err != nil: // it failed because of what others wrote, and that is no more
		return errUnshared
	}
	return err
}

// write runs fn in the transaction, which is afterwards as before unless it succeeds.
func (s *shared) write(tx *Tx, fn func(*Tx) error) (err error) {
	wrote := false
	defer func() {
		if !wrote {
			s.undo(tx)
			return
		}
		if s.writers++; s.writers == 1 {
			s.first = time.Now()
		}
	}()
	if s.writers > 0 {
		if _, err := s.tx.ExecContext(tx.statements, "SAVEPOINT writer"); err != nil {
			return tx.db.dialect.translate(err)
		}
	}
	if err := tx.run(fn); err != nil {
		return err
	}
	if s.writers > 0 {
		if _, err := s.tx.ExecContext(tx.statements, "RELEASE writer"); err != nil {
			return tx.db.dialect.translate(err)
		}
	}
	maps.Copy(s.blocks, tx.blocks)
	wrote = true
	return nil
}

// undo takes back what a writer wrote. It breaks the transaction when there is nothing
// else in it, or when it is gone: after some errors, such as a full disk, SQLite rolls
// back all of it.
func (s *shared) undo(tx *Tx) {
	if s.writers == 0 {
		s.broken = true
		return
	}
	for _, statement := range []string{"ROLLBACK TO writer", "RELEASE writer"} {
		if _, err := s.tx.ExecContext(tx.statements, statement); err != nil {
			s.broken = true
			return
		}
	}
}

// endShared leaves the transaction to the next writer, or else ends it.
func (d *DB) endShared(s *shared) {
	if !s.broken && !s.closed && s.writers < sharedBy && time.Since(s.first) < d.turns.share && d.turns.pass(s) {
		return
	}
	switch {
	case !s.broken:
		if s.err = d.commit(s.tx); s.err == nil {
			d.ids.keep(s.blocks)
		}
	case s.writers > 0:
		s.err = errUnshared
	}
	_ = s.tx.Rollback() // of what was not committed
	close(s.ended)
	d.turns.leave()
}
