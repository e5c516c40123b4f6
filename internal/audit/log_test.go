package audit_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
)

// reader is somebody who may read the audit log of a project.
func reader(t *testing.T, project int64) audit.Reach {
	t.Helper()
	s, err := access.InProject(access.Actor{UserID: 1, Name: "Ada"}, access.Place{Project: project, Branch: project, Org: project}, access.Facts{Role: access.Admin}, access.AuditRead, false)
	if err != nil {
		t.Fatal(err)
	}
	r, err := audit.OfProject(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func all(t *testing.T) audit.Reach {
	t.Helper()
	r, err := audit.OfAll(access.Actor{UserID: 1, Name: "Root", SuperAdmin: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestReachOfNothing: what nobody was given reaches no event.
func TestReachOfNothing(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	s.record(1, audit.Event{Project: 1})
	s.update(func(tx *db.Tx) error {
		_, find := audit.Find(tx, audit.Reach{}, audit.Query{Limit: 10})
		_, status := audit.StatusOf(tx, audit.Reach{})
		for _, err := range []error{find, status, audit.Exported(tx, audit.Reach{}, audit.Query{}, "csv")} {
			if !fault.Is(err, fault.Forbidden) {
				t.Errorf("%v", err)
			}
		}
		return nil
	})
	if _, err := audit.OfAll(access.Actor{UserID: 1}); !fault.Is(err, fault.Forbidden) {
		t.Errorf("who is no super admin reads all: %v", err)
	}
	guest, err := access.InProject(access.Actor{UserID: 1}, access.Place{Project: 1, Branch: 1, Org: 1}, access.Facts{Role: access.Guest}, access.ProjectRead, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := audit.OfProject(guest); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a guest reads the log: %v", err)
	}
}

// fits says of an event what a query should, in plain Go.
func fits(e audit.Event, q audit.Query) bool {
	text := func(want string, have ...string) bool {
		rest, star := strings.CutSuffix(want, "*")
		for _, h := range have {
			if want == "" || h == want || star && strings.HasPrefix(strings.ToLower(h), strings.ToLower(rest)) {
				return true
			}
		}
		return false
	}
	object := []string{e.ObjectID}
	if strings.HasSuffix(q.Object, "*") {
		object = append(object, e.ObjectName)
	}
	who := q.UserID == e.UserID
	if q.UserID == 0 {
		who = text(q.Actor, e.ActorName) || strings.EqualFold(q.Actor, e.ActorName)
	}
	return who && text(q.Object, object...) && text(q.Name, e.Name) && text(q.Address, e.Address) && (q.Kind == "" || q.Kind == e.ObjectType) && (q.Tone == "" || q.Tone == e.Type) &&
		(q.From.IsZero() || !e.At.Before(q.From)) && (q.To.IsZero() || e.At.Before(q.To)) &&
		(q.Reading == audit.AllEvents || (q.Reading == audit.OnlyReads) == e.Reading)
}

// TestFind asks for many combinations of filters, on pages and through windows of all sizes,
// of events of which many happened at the same moment: each that fits comes once, in order,
// and no other.
func TestFind(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	random := rand.New(rand.NewPCG(7, 11))
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	start := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	moment := func() time.Time { return start.Add(time.Duration(random.IntN(6)) * time.Minute) }
	people := []string{"", "Hana", "HANA", "Hana Dvořáková", "100%_\\ of 'em"}
	objects := []string{"", "in.c-shop.orders", "in.c-shop", "100%", "hana@northwind.example"}
	names := []string{"storage.tableImported", "storage.tableDropped", "user.loggedIn"}
	addresses := []string{"", "203.0.113.24", "203.0.113.240", "2001:db8::1"}
	kinds := []string{"table", "bucket", "user"}
	types := []audit.Type{audit.Info, audit.Success, audit.Warn, audit.Error}
	for range 300 {
		user := random.IntN(len(people))
		e := audit.Event{Type: types[random.IntN(4)], Name: pick(names...), ObjectType: pick(kinds...), ObjectID: pick(objects...), ObjectName: pick(objects...),
			Project: int64(random.IntN(3)), UserID: int64(user), ActorName: people[user], Message: "x"}
		ctx := audit.WithRequest(context.Background(), audit.Request{ID: "r", Address: pick(addresses...)})
		err := s.db.Update(ctx, func(tx *db.Tx) error {
			tx.Now = moment()
			if err := audit.Record(tx, e); err != nil {
				return err
			}
			if random.IntN(3) == 0 {
				_, err := tx.Exec("UPDATE events SET reading = TRUE WHERE id = (SELECT MAX(id) FROM events)")
				return err
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	find := func(r audit.Reach, q audit.Query, most int) (f audit.Found) {
		t.Helper()
		if err := s.db.View(t.Context(), func(tx *db.Tx) (err error) { f, err = audit.FindWithin(tx, r, q, most); return err }); err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		return f
	}
	every := find(all(t), audit.Query{Limit: 1000}, 1000).Events
	if len(every) != 300 {
		t.Fatalf("%d events", len(every))
	}
	some, searched := 0, 0
	for round := range 600 {
		q := audit.Query{}
		for _, set := range []func(){
			func() { q.UserID = int64(1 + random.IntN(4)) },
			func() { q.Actor = pick("Hana", "hana", "Hana*", "HANA D*", "100%_\\*", "nobody", "*") },
			func() { q.Kind = pick(append(kinds, "mail")...) },
			func() {
				q.Object = pick("in.c-shop", "in.c-shop*", "IN.C-*", "100%", "100%*", "hana@northwind.example", "_*")
			},
			func() { q.Name = pick("storage.tableImported", "storage.*", "user.loggedIn", "storage") },
			func() { q.Tone = types[random.IntN(4)] },
			func() { q.Address = pick("203.0.113.24", "203.0.113.24*", "203.*", "2001:DB8:*") },
			func() { q.From = moment() },
			func() { q.To = moment() },
			func() { q.Reading = audit.Reading(pick("no", "only")) },
		} {
			if random.IntN(4) == 0 {
				set()
			}
		}
		reach, project := all(t), int64(round%3)
		if project > 0 {
			reach = reader(t, project)
		}
		var want, got []int64
		for _, e := range every {
			if (project == 0 || e.Project == project) && fits(e, q) {
				want = append(want, e.ID)
			}
		}
		q.Limit = 1 + random.IntN(20)
		most := 1 + random.IntN(80)
		for page := q; ; {
			found := find(reach, page, most)
			for _, e := range found.Events {
				got = append(got, e.ID)
			}
			switch n := len(found.Events); {
			case n == q.Limit:
				page.Before = audit.Cursor{At: found.Events[n-1].At, ID: found.Events[n-1].ID}
			case !found.Until.IsZero():
				searched++
				page.Before = audit.Cursor{At: found.Until}
			default:
				page.Limit = 0
			}
			if page.Limit == 0 {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%+v in project %d, %d at a time: %d events %v, want %v", q, project, most, len(got), got, want)
		}
		some += len(want)
	}
	if some < 1000 || searched < 100 {
		t.Fatalf("too little was tried: %d events, %d searches", some, searched)
	}
}

// TestStatus: the state of the seals tells what is sealed, what waits in a project, and what
// the last verification said.
func TestStatus(t *testing.T) {
	t.Parallel()
	s := newStream(t)
	status := func(r audit.Reach) (out audit.Status) {
		t.Helper()
		s.update(func(tx *db.Tx) (err error) { out, err = audit.StatusOf(tx, r); return err })
		return out
	}
	if got := status(all(t)); got != (audit.Status{}) {
		t.Errorf("of an empty installation: %+v", got)
	}
	s.record(3, audit.Event{Project: 1})
	s.record(2, audit.Event{Project: 2})
	s.forward(time.Hour)
	s.seal()
	var sealed audit.Sealed
	var problems []string
	verify := func() {
		t.Helper()
		problems = nil
		var err error
		if sealed, err = audit.Verify(t.Context(), s.db, func(d audit.Damage) { problems = append(problems, fmt.Sprint(d)) }, func(int64) {}); err != nil {
			t.Fatal(err)
		}
		s.update(func(tx *db.Tx) error { return audit.Verified(tx, sealed, int64(len(problems))) })
	}
	verify()
	s.record(4, audit.Event{Project: 2})
	for _, x := range []struct {
		reach   audit.Reach
		waiting int64
	}{{all(t), 5}, {reader(t, 1), 0}, {reader(t, 2), 4}} {
		got := status(x.reach)
		if got.Digest != sealed.Digest || got.Digest == "" || !got.Until.Equal(sealed.Until) || got.Waiting != x.waiting || got.More {
			t.Errorf("%+v, want %d waiting and %+v", got, x.waiting, sealed)
		}
		if c := got.Check; c.Seals != sealed.Seals || c.Events != 5 || c.Problems != 0 || c.Digest != sealed.Digest || c.At.IsZero() {
			t.Errorf("the verification said %+v", c)
		}
	}
	s.exec("UPDATE events SET message = 'Somebody did nothing.' WHERE id = (SELECT MIN(id) FROM events)")
	s.forward(time.Second)
	verify()
	if got := status(reader(t, 1)); got.Check.Problems != int64(len(problems)) || len(problems) == 0 {
		t.Errorf("of a log that was changed: %+v, problems %v", got.Check, problems)
	}
}
