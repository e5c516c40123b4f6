package audit

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"steward/internal/db"
	"steward/internal/fault"
)

// Window is how long an event of a read may wait in memory while the database takes
// writes. If the program is killed, the reads of this last window are lost; changes
// never are.
const Window = time.Second

const (
	// maxBuffered bounds memory: past it, Note waits for the database.
	maxBuffered = 4096

	// maxHeld bounds memory while the database takes nothing. Half of it is for refusals.
	maxHeld = 4 * maxBuffered

	patience = 30 * time.Second
)

// Buffer collects the events of reads, listings and refusals and commits them in
// batches.
type Buffer struct {
	db       *db.DB
	log      *slog.Logger
	patience time.Duration // how long a write may take

	mu      sync.Mutex
	held    []held
	dropped int64
	late    bool // the database did not take the last batch

	writing sync.Mutex // one batch after the other
	full    chan struct{}
	stop    chan struct{}
	done    chan struct{}
}

type held struct {
	event   Event
	at      time.Time
	request Request
}

// NewBuffer starts a buffer. Close it to commit what it holds.
func NewBuffer(d *db.DB, log *slog.Logger) *Buffer { return newBuffer(d, log, patience) }

func newBuffer(d *db.DB, log *slog.Logger, patience time.Duration) *Buffer {
	b := &Buffer{db: d, log: log, patience: patience, full: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go b.run()
	return b
}

// Note keeps the event of a read or a listing, with the current time and the context's
// request.
func (b *Buffer) Note(ctx context.Context, e Event) {
	e.Reading = true
	b.hold(ctx, e)
}

// Refusal keeps the event of a refused request, like Note; it stays for ever.
func (b *Buffer) Refusal(ctx context.Context, e Event) { b.hold(ctx, e) }

func (b *Buffer) hold(ctx context.Context, e Event) {
	room := maxHeld
	if e.Reading {
		room /= 2
	}
	b.mu.Lock()
	if len(b.held) < room {
		b.held = append(b.held, held{e, b.db.Now(), RequestOf(ctx)})
	} else {
		b.dropped++
	}
	n, late := len(b.held), b.late
	b.mu.Unlock()
	if late { // it makes no sense to wait
		return
	}
	if n >= maxBuffered/2 {
		select {
		case b.full <- struct{}{}:
		default:
		}
	}
	if n >= maxBuffered {
		b.writing.Lock()
		defer b.writing.Unlock()
		if !b.isLate() {
			b.flush()
		}
	}
}

func (b *Buffer) isLate() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.late
}

// Flush commits what is held now, and waits for what is being committed. What the
// database does not take in time stays for the next Flush.
func (b *Buffer) Flush() {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.flush()
}

// flush is Flush for whoever has the right to write.
func (b *Buffer) flush() {
	b.mu.Lock()
	batch, dropped := b.held, b.dropped
	b.dropped = 0
	b.mu.Unlock()
	if dropped > 0 {
		b.log.Error("events of reads and refusals were lost, because the database took none for too long", "count", dropped)
	}
	written := b.commit(batch)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = slices.Clone(b.held[written:])
	b.late = written < len(batch)
}

// commit writes the events in their order, so many in one transaction that others do not
// wait long, and gives how many are done with.
func (b *Buffer) commit(batch []held) (done int) {
	for chunk := range slices.Chunk(batch, 500) {
		n := b.commitChunk(chunk)
		if done += n; n < len(chunk) {
			b.log.Warn("the events of reads and refusals wait for the database", "count", len(batch)-done)
			return done
		}
	}
	return done
}

func (b *Buffer) commitChunk(chunk []held) int {
	err := b.write(chunk)
	switch {
	case err == nil:
		return len(chunk)
	case later(err):
		return 0
	}
	for i, h := range chunk { // one event that cannot be written must not take the others with it
		if err := b.write(chunk[i : i+1]); later(err) {
			return i
		} else if err != nil {
			b.log.Error("an event was lost", "event", h.event.Name, "message", h.event.Message, "error", err)
		}
	}
	return len(chunk)
}

// later reports whether a write that failed may succeed when it is tried again. One
// whose commit was not acknowledged is: a read that is told of twice does no harm.
func later(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Full)
}

func (b *Buffer) write(batch []held) error {
	ctx, cancel := context.WithTimeout(context.Background(), b.patience)
	defer cancel()
	err := b.db.Update(ctx, func(tx *db.Tx) error {
		for _, h := range batch {
			// The seals may have passed over the time of an event that waited for long.
			if tx.Now.Sub(h.at) > Settle/2 {
				h.event.Params = maps.Clone(h.event.Params)
				if h.event.Params == nil {
					h.event.Params = map[string]any{}
				}
				h.event.Params["noted"] = h.at.Format(time.RFC3339Nano)
				h.at = tx.Now
			}
			if err := record(tx, h.event, h.at, h.request); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && ctx.Err() != nil { // whatever the driver made of it
		err = errors.Join(ctx.Err(), err)
	}
	return err
}

func (b *Buffer) run() {
	defer close(b.done)
	tick := time.NewTicker(Window)
	defer tick.Stop()
	for {
		select {
		case <-b.stop:
			b.Flush()
			return
		case <-tick.C:
		case <-b.full:
		}
		b.Flush()
	}
}

// Close commits what is held and stops. What the database does not take is lost.
func (b *Buffer) Close() {
	close(b.stop)
	<-b.done
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := int64(len(b.held)) + b.dropped; n > 0 {
		b.log.Error("events of reads and refusals were lost, because the database took none until the stop", "count", n)
	}
}
