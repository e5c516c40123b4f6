package audit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/db/dbtest"
)

// stream is a database of events with a clock.
type stream struct {
	t     *testing.T
	dsn   string
	db    *db.DB
	ahead atomic.Int64
}

func newStream(t *testing.T) *stream {
	t.Helper()
	s := &stream{t: t, dsn: dbtest.DSN(t)}
	s.db = s.open()
	return s
}

func (s *stream) open() *db.DB { return dbtest.OpenAt(s.t, s.dsn, db.Options{Now: s.now}) }

func (s *stream) now() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

func (s *stream) forward(d time.Duration) { s.ahead.Add(int64(d)) }

func (s *stream) update(fn func(*db.Tx) error) {
	s.t.Helper()
	if err := s.db.Update(context.Background(), fn); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stream) exec(query string, args ...any) {
	s.t.Helper()
	s.update(func(tx *db.Tx) error {
		n, err := tx.Exec(query, args...)
		if err == nil && n == 0 {
			s.t.Errorf("%s changed nothing", query)
		}
		return err
	})
}

// record writes n events, in one transaction.
func (s *stream) record(n int, e audit.Event) {
	s.t.Helper()
	s.update(func(tx *db.Tx) error {
		for i := range n {
			x := e
			x.Name, x.Message = "thing.done", fmt.Sprintf("Somebody did thing %d.", i)
			x.Params = map[string]any{"n": i}
			if err := audit.Record(tx, x); err != nil {
				return err
			}
		}
		return nil
	})
}

// seal seals all that has settled and gives how many events and seals that made. On
// PostgreSQL, transactions in the databases of other tests may be in the way for a while.
func (s *stream) seal() (events, seals int64) {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		n, m, err := audit.Seal(context.Background(), s.db)
		if err != nil {
			s.t.Fatal(err)
		}
		events, seals = events+n, seals+m
		if s.value("SELECT count(*) FROM events WHERE seal IS NULL AND created_at < $1", s.now().Add(-audit.Settle)) == 0 {
			return events, seals
		}
		if time.Now().After(end) {
			s.t.Fatal("waited in vain for all events to be sealed")
		}
	}
}

func (s *stream) value(query string, args ...any) (n int64) {
	s.t.Helper()
	err := s.db.View(context.Background(), func(tx *db.Tx) (err error) { n, err = db.Value[int64](tx, query, args...); return err })
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *stream) verify() (damage []string, sealed audit.Sealed) {
	s.t.Helper()
	sealed, err := audit.Verify(context.Background(), s.db, func(d audit.Damage) {
		damage = append(damage, d.Object+": expected "+d.Want+"; found "+d.Found)
	}, func(int64) {})
	if err != nil {
		s.t.Fatal(err)
	}
	return damage, sealed
}

func (s *stream) clean() audit.Sealed {
	s.t.Helper()
	damage, sealed := s.verify()
	for _, d := range damage {
		s.t.Errorf("a sound stream: %s", d)
	}
	return sealed
}

func TestSeal(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	if events, seals := s.seal(); events != 0 || seals != 0 {
		t.Fatalf("an empty stream: %d events, %d seals", events, seals)
	}
	s.record(2500, audit.Event{})
	if events, _ := s.seal(); events != 0 {
		t.Fatalf("%d events were sealed before they settled", events)
	}
	s.clean()
	s.forward(audit.Settle + time.Second)
	if events, seals := s.seal(); events != 2500 || seals != 3 {
		t.Fatalf("%d events, %d seals; want 2500 and 3", events, seals)
	}
	if events, seals := s.seal(); events != 0 || seals != 0 {
		t.Fatalf("nothing new: %d events, %d seals", events, seals)
	}
	s.record(1, audit.Event{UserID: 7, Project: 3, ActorName: "Ada"})
	s.forward(audit.Settle + time.Second)
	if events, seals := s.seal(); events != 1 || seals != 1 {
		t.Fatalf("one more: %d events, %d seals", events, seals)
	}
	s.record(3, audit.Event{})
	sealed := s.clean()
	if sealed.Seals != 4 || sealed.Events != 2501 || sealed.Unsealed != 3 || len(sealed.Digest) != 64 {
		t.Errorf("verified: %+v", sealed)
	}
}

// TestDigestIsStable: the encoding is written down, and is the same on both databases.
func TestDigestIsStable(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	s.exec(`INSERT INTO events (id, xid, created_at, type, name, object_type, object_id, object_name, organization_id, project_id, branch_id, user_id,
		token_id, actor_name, job_id, request_id, address, user_agent, message, params, results, reading)
		VALUES (5, 0, 1700000000000000, 'info', 'a.b', 'x', '1', 'ř', NULL, 2, NULL, 0, NULL, 'Ada', NULL, '', '', '', 'Said.', '{}', '{}', TRUE)`)
	s.seal()
	var digest string
	err := s.db.View(t.Context(), func(tx *db.Tx) (err error) {
		digest, err = db.Value[string](tx, "SELECT digest FROM event_digests")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := "b311facd09ab74b504490a39b4b8b8f1f769651be4ce7829fd8f3922c4ff4c56"; digest != want {
		t.Errorf("the digest is %s, want %s", digest, want)
	}
}

// TestTwoSealers: two processes seal one stream, and each event is sealed once.
func TestTwoSealers(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	s.record(3000, audit.Event{})
	s.forward(audit.Settle + time.Second)
	var total atomic.Int64
	done := make(chan error, 3)
	for range 3 {
		d := s.open()
		go func() {
			for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
				n, _, err := audit.Seal(context.Background(), d)
				if err != nil || total.Add(n) == 3000 {
					done <- err
					return
				}
			}
			done <- errors.New("waited in vain")
		}()
	}
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if sealed := s.clean(); total.Load() != 3000 || sealed.Events != 3000 || sealed.Seals != 3 {
		t.Errorf("they say %d; %+v", total.Load(), sealed)
	}
}

// TestSealWaitsForUnfinishedTransactions: an event that is committed late is sealed in
// its turn, and none of its time before it.
func TestSealWaitsForUnfinishedTransactions(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	if !s.db.Shared() {
		t.Log("one writer commits in order here: the transaction below ends before the next begins")
	}
	s.record(1, audit.Event{})
	begun, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	slow := s.open()
	go func() {
		ended <- slow.Update(context.Background(), func(tx *db.Tx) error {
			err := audit.Record(tx, audit.Event{Name: "slow", Message: "Somebody was slow."})
			close(begun)
			<-goOn
			return err
		})
	}()
	<-begun
	if s.db.Shared() {
		s.record(1, audit.Event{}) // its transaction is younger than the slow one
		s.forward(audit.Settle + time.Second)
		var events int64
		for range 200 { // again and again: the one before it is sealed in time, nothing else ever
			n, _, err := audit.Seal(t.Context(), s.db)
			if err != nil {
				t.Fatal(err)
			}
			events += n
		}
		if events > 1 {
			t.Errorf("%d events were sealed beside an unfinished transaction, want only the one before it", events)
		}
	}
	close(goOn)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	s.forward(audit.Settle + time.Second)
	s.seal()
	if sealed := s.clean(); sealed.Unsealed != 0 {
		t.Errorf("%+v", sealed)
	}
}

// TestSealBesideATransaction: no seal passes over the time of a transaction that is under
// way, as slow as each database lets one be.
func TestSealBesideATransaction(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	if s.db.Shared() {
		s.besideALongOne()
	} else {
		s.besideASleep()
	}
	if sealed := s.clean(); sealed.Events != 2 || sealed.Unsealed != 0 {
		t.Errorf("%+v", sealed)
	}
}

// besideASleep: a transaction took its time, the machine slept, and the next seal is
// computed before the transaction ends.
func (s *stream) besideASleep() {
	s.record(1, audit.Event{})
	s.forward(audit.Settle + time.Second)
	goOn := s.slow(s.db)
	s.forward(5 * time.Minute)
	ctx, trace := db.WithTrace(s.t.Context())
	sealed := make(chan error, 1)
	go func() { _, _, err := audit.Seal(ctx, s.db); sealed <- err }()
	for !slices.ContainsFunc(trace.Queries(), func(q db.Query) bool { return strings.Contains(q.SQL, "FROM events WHERE seal IS NULL") }) {
		time.Sleep(time.Millisecond)
	}
	goOn()
	if err := <-sealed; err != nil {
		s.t.Error(err)
	}
}

// besideALongOne: a transaction runs for long and has written nothing yet.
func (s *stream) besideALongOne() {
	s.forward(-time.Hour)
	s.record(1, audit.Event{})
	s.forward(time.Hour)
	// A clock that is behind stands for a transaction that began so long ago.
	goOn := s.slow(dbtest.OpenAt(s.t, s.dsn, db.Options{Now: func() time.Time { return time.Now().Add(-audit.Settle) }}))
	if events, _ := s.seal(); events != 1 {
		s.t.Errorf("%d events were sealed, want the one before", events)
	}
	goOn()
	s.clean()
	s.forward(audit.Settle + time.Second)
	s.seal()
}

// slow begins a transaction that records an event, and ends, when the function that it
// returns is called.
func (s *stream) slow(d *db.DB) (goOn func()) {
	begun, proceed, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- d.Update(context.Background(), func(tx *db.Tx) error {
			close(begun)
			<-proceed
			return audit.Record(tx, audit.Event{Name: "slow", Message: "Somebody was slow."})
		})
	}()
	<-begun
	return func() {
		s.t.Helper()
		close(proceed)
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	}
}

// TestPrune: events of reads go after six months, and the seals hold.
func TestPrune(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	s.record(1500, audit.Event{Reading: true})
	s.record(10, audit.Event{})
	s.forward(time.Hour)
	s.seal()
	prune := func() int64 {
		t.Helper()
		n, err := audit.Prune(t.Context(), s.db)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	s.forward(170 * 24 * time.Hour)
	if n := prune(); n != 0 {
		t.Errorf("%d were forgotten too early", n)
	}
	s.record(5, audit.Event{Reading: true}) // not sealed
	s.forward(20 * 24 * time.Hour)
	if n := prune(); n != 1500 {
		t.Errorf("%d were forgotten, want 1500", n)
	}
	if n := s.value("SELECT count(*) FROM events"); n != 15 {
		t.Errorf("%d are left, want 15", n)
	}
	s.forward(200 * 24 * time.Hour)
	if n := prune(); n != 0 {
		t.Errorf("%d were forgotten before they were sealed", n)
	}
	s.seal()
	if n := prune(); n != 5 {
		t.Errorf("%d were forgotten, want 5", n)
	}
	s.clean()
}

// TestDamage: whatever is done to the events or the seals behind the program's back,
// Verify names it.
func TestDamage(t *testing.T) {
	t.Parallel()
	const insert = `INSERT INTO events (id, xid, created_at, type, name, object_type, object_id, object_name, actor_name, request_id, address, user_agent,
		message, params, results, reading, seal) VALUES (-4, 0, %s, 'info', 'forged', '', '', '', '', '', '', '', 'Never happened.', '{}', '{}', FALSE, %s)`
	for _, c := range []struct {
		what  string
		sql   []string
		wants []string // each a part of one line
		late  bool     // seal once more after the damage
	}{
		{"a changed message", []string{"UPDATE events SET message = 'Nothing.' WHERE id = 5"}, []string{"event 5 of", "changed"}, false},
		{"a changed actor", []string{"UPDATE events SET user_id = 0 WHERE id = 5"}, []string{"event 5 of", "changed"}, false},
		{"a changed time", []string{"UPDATE events SET created_at = created_at + 1 WHERE id = 5"}, []string{"event 5 of", "changed"}, false},
		{"an event made a read", []string{"UPDATE events SET reading = TRUE WHERE id = 5"}, []string{"event 5 of", "changed"}, false},
		{"a moved event", []string{"UPDATE events SET seal = 2 WHERE id = 5"}, []string{"event 5 of", "expected seal 1", "found seal 2"}, false},
		{"an unsealed event", []string{"UPDATE events SET seal = NULL WHERE id = 5"}, []string{"event 5 of", "expected seal 1"}, false},
		{"a deleted event", []string{"DELETE FROM events WHERE id = 5"}, []string{"event 5 of", "deleted"}, false},
		{"a deleted event that is then called a read", []string{"DELETE FROM events WHERE id = 5", "UPDATE event_digests SET reading = TRUE, created_at = 1 WHERE event_id = 5"},
			[]string{"seal 1:", "changed"}, false},
		{"an event and its digest changed", []string{"UPDATE events SET message = 'Nothing.' WHERE id = 5", "UPDATE event_digests SET digest = 'x' WHERE event_id = 5"},
			[]string{"event 5 of", "changed"}, false},
		{"a digest removed", []string{"DELETE FROM event_digests WHERE event_id = 5"}, []string{"seal 1:", "found 9"}, false},
		{"a digest changed", []string{"UPDATE event_digests SET digest = 'x' WHERE event_id = 5"}, []string{"seal 1:", "changed"}, false},
		{"a seal changed", []string{"UPDATE seals SET digest = 'x' WHERE number = 2"}, []string{"seal 2:", "changed"}, false},
		{"the horizon of a seal changed", []string{"UPDATE seals SET horizon = 1 WHERE number = 2"}, []string{"seal 2:", "changed"}, false},
		{"a link changed", []string{"UPDATE seals SET previous = 'x' WHERE number = 2"}, []string{"seal 2:", "the seal before has"}, false},
		{"an encoding of the future", []string{"UPDATE seals SET encoding = 9 WHERE number = 2"}, []string{"seal 2:", "does not know"}, false},
		{"a seal removed", []string{"DELETE FROM event_digests WHERE seal = 2", "DELETE FROM seals WHERE number = 2"}, []string{"seal 2:", "missing"}, false},
		{"the newest seal removed", []string{"DELETE FROM event_digests WHERE seal = 3", "DELETE FROM seals WHERE number = 3"}, []string{"event 21 of", "not covered"}, false},
		{"an event inserted", []string{fmt.Sprintf(insert, "1700000000000000", "NULL")}, []string{"event -4 of 2023-11-14", "inserted afterwards"}, false},
		{"an event inserted, and sealed since", []string{fmt.Sprintf(insert, "1700000000000000", "NULL")}, []string{"event -4 of 2023-11-14", "seal 4, later: it was inserted afterwards"}, true},
		{"an event inserted under a seal", []string{fmt.Sprintf(insert, "1700000000000000", "2")}, []string{"event -4 of", "not covered"}, false},
		{"an event inserted at the time of another", []string{fmt.Sprintf(insert, "(SELECT created_at FROM events WHERE id = 12)", "NULL")}, []string{"event -4 of", "inserted afterwards"}, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			s := newStream(t)
			for range 3 {
				s.record(10, audit.Event{})
				s.forward(audit.Settle + time.Second)
				s.seal()
			}
			s.clean()
			for _, q := range c.sql {
				s.exec(q)
			}
			if c.late {
				s.seal()
			}
			damage, _ := s.verify()
			for _, d := range damage {
				named := true
				for _, w := range c.wants {
					named = named && strings.Contains(d, w)
				}
				if named {
					return
				}
			}
			t.Errorf("no line names %q:\n%s", c.wants, strings.Join(damage, "\n"))
		})
	}
}

// TestOneLineForOneEvent: what is changed is named, and nothing else.
func TestOneLineForOneEvent(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	s.record(2000, audit.Event{})
	s.forward(time.Hour)
	s.seal()
	s.exec("UPDATE events SET message = 'Nothing.' WHERE id = 1500")
	if damage, _ := s.verify(); len(damage) != 1 {
		t.Errorf("%d lines: %q", len(damage), damage)
	}
	s.exec("UPDATE seals SET digest = 'x' WHERE number = 1")
	if damage, _ := s.verify(); len(damage) != 2 {
		t.Errorf("%d lines: %q", len(damage), damage)
	}
}

// TestWhatIsARead: what Buffer notes is a read, unless it is a refusal.
func TestWhatIsARead(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	b := audit.NewBuffer(s.db, nil)
	b.Note(t.Context(), audit.Event{Name: "read"})
	b.Refusal(t.Context(), audit.Event{Name: "refused"})
	b.Close()
	s.record(1, audit.Event{})
	if n := s.value("SELECT count(*) FROM events WHERE reading AND name = 'read'"); n != 1 {
		t.Error("a read is not marked as one")
	}
	if n := s.value("SELECT count(*) FROM events WHERE reading"); n != 1 {
		t.Errorf("%d events are marked as reads", n)
	}
}

// TestPlans: sealing and pruning go by an index, however many events there are.
func TestPlans(t *testing.T) {
	t.Parallel()
	dsn := "sqlite:" + t.TempDir() + "/steward.db"
	d := dbtest.OpenAt(t, dsn, db.Options{})
	ctx, trace := db.WithTrace(t.Context())
	if err := d.Update(ctx, func(tx *db.Tx) error {
		return audit.Record(tx, audit.Event{Name: "old", Message: "Long ago.", Reading: true})
	}); err != nil {
		t.Fatal(err)
	}
	later := dbtest.OpenAt(t, dsn, db.Options{Now: func() time.Time { return time.Now().AddDate(1, 0, 0) }})
	if _, _, err := audit.Seal(ctx, later); err != nil {
		t.Fatal(err)
	}
	if n, err := audit.Prune(ctx, later); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if _, err := audit.Verify(ctx, later, func(d audit.Damage) { t.Error(d) }, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	for _, q := range trace.Queries() {
		if strings.HasPrefix(q.SQL, "INSERT") || strings.Contains(q.SQL, "count(*)") {
			continue
		}
		for _, step := range dbtest.Plan(t, dsn, q.SQL, q.Args) {
			if strings.HasPrefix(step, "SCAN e") && !strings.Contains(step, "INDEX") {
				t.Errorf("%s\n  reads all: %s", q.SQL, step)
			}
			if strings.Contains(step, "TEMP B-TREE") {
				t.Errorf("%s\n  sorts: %s", q.SQL, step)
			}
		}
	}
}
