package audit

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"steward/internal/db"
)

// Window is how long an event of a read may wait in memory. If the program is killed,
// the reads of this last window are lost; changes never are.
const Window = time.Second

// maxBuffered bounds memory: past it, Note waits for the database.
const maxBuffered = 4096

// Buffer collects the events of reads, listings and refusals and commits them in
// batches.
type Buffer struct {
	db   *db.DB
	log  *slog.Logger
	mu   sync.Mutex
	held []held

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
func NewBuffer(d *db.DB, log *slog.Logger) *Buffer {
	b := &Buffer{db: d, log: log, full: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
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
	b.mu.Lock()
	b.held = append(b.held, held{e, b.db.Now(), RequestOf(ctx)})
	n := len(b.held)
	b.mu.Unlock()
	if n >= maxBuffered/2 {
		select {
		case b.full <- struct{}{}:
		default:
		}
	}
	if n >= maxBuffered {
		b.Flush()
	}
}

// Flush commits what is held now, and waits for what is being committed.
func (b *Buffer) Flush() {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.mu.Lock()
	batch := b.held
	b.held = nil
	b.mu.Unlock()
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if b.write(ctx, batch) == nil {
		return
	}
	for _, h := range batch { // one event that cannot be written must not take the others with it
		if err := b.write(ctx, []held{h}); err != nil {
			b.log.Error("the event of a read was lost", "event", h.event.Name, "message", h.event.Message, "error", err)
		}
	}
}

func (b *Buffer) write(ctx context.Context, batch []held) error {
	return b.db.Update(ctx, func(tx *db.Tx) error {
		for _, h := range batch {
			if err := record(tx, h.event, h.at, h.request); err != nil {
				return err
			}
		}
		return nil
	})
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

// Close commits what is held and stops.
func (b *Buffer) Close() {
	close(b.stop)
	<-b.done
}
