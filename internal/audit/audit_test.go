package audit_test

import (
	"errors"
	"log/slog"
	"testing"

	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/db/dbtest"
)

func count(t *testing.T, d *db.DB) (n int64) {
	t.Helper()
	err := d.View(t.Context(), func(tx *db.Tx) (err error) { n, err = db.Value[int64](tx, "SELECT count(*) FROM events"); return err })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestRecordJoinsTheTransaction: an event stands or falls with the change that it tells of.
func TestRecordJoinsTheTransaction(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, db.Options{})
	no := errors.New("no")
	err := d.Update(t.Context(), func(tx *db.Tx) error {
		if err := audit.Record(tx, audit.Event{Name: "x", Message: "Somebody did x."}); err != nil {
			return err
		}
		return no
	})
	if !errors.Is(err, no) || count(t, d) != 0 {
		t.Fatalf("%v, %d events", err, count(t, d))
	}
}

func TestBuffer(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, db.Options{})
	b := audit.NewBuffer(d, slog.New(slog.DiscardHandler))
	ctx := audit.WithRequest(t.Context(), audit.Request{ID: "r1", Address: "192.0.2.1"})
	const n = 5000
	for range n {
		b.Note(ctx, audit.Event{Name: "read", Message: "Somebody read."})
	}
	b.Close()
	if got := count(t, d); got != n {
		t.Fatalf("%d of %d events are there after the close", got, n)
	}
	err := d.View(t.Context(), func(tx *db.Tx) error {
		wrong, err := db.Value[int64](tx, "SELECT count(*) FROM events WHERE request_id <> 'r1' OR address <> '192.0.2.1'")
		if wrong != 0 {
			t.Errorf("%d events lack their request", wrong)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
