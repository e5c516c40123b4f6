package audit_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"steward/internal/audit"
	"steward/internal/db"
)

// block keeps everybody from writing events until the function that it returns is called.
func (s *stream) block() (release func()) {
	s.t.Helper()
	begun, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	d := s.open()
	if !s.db.Shared() {
		d = s.db // one writer
	}
	go func() {
		ended <- d.Update(context.Background(), func(tx *db.Tx) error {
			defer func() { <-goOn }()
			defer close(begun)
			if !d.Shared() {
				return nil
			}
			_, err := tx.Exec("LOCK TABLE events IN EXCLUSIVE MODE")
			return err
		})
	}()
	<-begun
	return func() {
		s.t.Helper()
		close(goOn)
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	}
}

// flush flushes a buffer until so many events are there: a write may take longer than an
// impatient one waits.
func (s *stream) flush(b *audit.Buffer, events int64) {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); s.value("SELECT count(*) FROM events") < events && time.Now().Before(end); {
		b.Flush()
	}
}

// TestBufferOutlastsABlockedWriter: what cannot be written now is written later, in its
// order, and its time is the time that it was noted, unless that may have been sealed.
func TestBufferOutlastsABlockedWriter(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	var log bytes.Buffer
	b := audit.NewImpatientBuffer(s.db, slog.New(slog.NewTextHandler(&log, nil)), time.Second)
	release := s.block()
	noted := s.now()
	b.Note(t.Context(), audit.Event{Name: "read"})
	b.Refusal(t.Context(), audit.Event{Name: "refused", Params: map[string]any{"n": 1}})
	b.Flush()
	b.Flush()
	s.forward(audit.Settle)
	b.Note(t.Context(), audit.Event{Name: "read"})
	release()
	s.flush(b, 3)
	if n := s.value("SELECT count(*) FROM events"); n != 3 {
		t.Errorf("%d of 3 events are there", n)
	}
	if n := s.value("SELECT count(*) FROM events WHERE created_at < $1", noted.Add(audit.Settle)); n != 0 {
		t.Errorf("%d events are of a time that may be sealed", n)
	}
	if n := s.value("SELECT count(*) FROM events WHERE name = 'refused' AND params LIKE '{\"n\":1,\"noted\":\"2%'"); n != 1 {
		t.Error("a late event does not say when it was noted")
	}
	b.Close()
	if strings.Contains(log.String(), "lost") {
		t.Error(log.String())
	}
}

// TestBufferIsBounded: while nothing can be written nobody waits for it, refusals have
// room when there is none for reads, and what is dropped is counted.
func TestBufferIsBounded(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	var log bytes.Buffer
	b := audit.NewImpatientBuffer(s.db, slog.New(slog.NewTextHandler(&log, nil)), time.Second)
	release := s.block()
	for range audit.MaxHeld {
		b.Note(t.Context(), audit.Event{Name: "read"})
	}
	b.Refusal(t.Context(), audit.Event{Name: "refused"})
	b.Flush()
	release()
	s.flush(b, audit.MaxHeld/2+1)
	b.Close()
	if n := s.value("SELECT count(*) FROM events WHERE NOT reading"); n != 1 {
		t.Errorf("%d refusals are there, want 1", n)
	}
	if n := s.value("SELECT count(*) FROM events WHERE reading"); n != audit.MaxHeld/2 {
		t.Errorf("%d reads are there, want %d", n, audit.MaxHeld/2)
	}
	if !strings.Contains(log.String(), "count=8192") {
		t.Errorf("the log is %s", log.String())
	}
}

// TestBufferLeavesOutWhatCannotBeWritten: one event that the database refuses does not
// take the others with it.
func TestBufferLeavesOutWhatCannotBeWritten(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	var log bytes.Buffer
	b := audit.NewBuffer(s.db, slog.New(slog.NewTextHandler(&log, nil)))
	for _, params := range []map[string]any{nil, {"no": func() {}}, nil} {
		b.Note(t.Context(), audit.Event{Name: "read", Params: params})
	}
	b.Close()
	if n := s.value("SELECT count(*) FROM events"); n != 2 || !strings.Contains(log.String(), "an event was lost") {
		t.Errorf("%d events, the log is %q", n, log.String())
	}
}
