package audit

import (
	"context"
	"fmt"
	"math"
	"time"

	"steward/internal/db"
)

// Damage is something about the events that is not as the seals say.
type Damage struct{ Object, Want, Found string }

// Sealed tells how far the seals reach. The digest covers every event that is sealed: a
// copy of it kept elsewhere shows whether the whole chain was made anew.
type Sealed struct {
	Seals, Events, Unsealed int64
	Until                   time.Time // everything before is sealed
	Digest                  string    // of the last seal
}

// Verify computes the digests of all sealed events and of the seals again, and tells of
// each event that was changed, is missing or came later, and of each seal that does not
// hold. It reads one seal at a time, beside whoever writes; progress is told the number
// of events looked at.
func Verify(ctx context.Context, d *db.DB, found func(Damage), progress func(int64)) (Sealed, error) {
	v := verifier{d: d, found: found, progress: progress}
	for {
		more, err := v.next(ctx)
		if err != nil {
			return v.sealed, fmt.Errorf("audit: verify: %w", err)
		}
		if !more {
			break
		}
	}
	if err := v.unsealed(ctx); err != nil {
		return v.sealed, fmt.Errorf("audit: verify: %w", err)
	}
	if err := v.foreign(ctx); err != nil {
		return v.sealed, fmt.Errorf("audit: verify: %w", err)
	}
	return v.sealed, nil
}

type verifier struct {
	d        *db.DB
	found    func(Damage)
	progress func(int64)
	last     seal
	computed string // digest of the last seal, from what it covers
	sealed   Sealed
}

func (v *verifier) damage(object, want, found string) { v.found(Damage{object, want, found}) }

// next looks at the seal after the last one. False if there is none.
func (v *verifier) next(ctx context.Context) (more bool, err error) {
	var s seal
	var entries, events []entry
	var now time.Time
	err = v.d.View(ctx, func(tx *db.Tx) error {
		now = tx.Now
		list, err := db.All(tx, scanSeal, "SELECT "+sealColumns+" FROM seals WHERE number > $1 ORDER BY number LIMIT 1", v.last.number)
		if err != nil || len(list) == 0 {
			return err
		}
		s, more = list[0], true
		entries, err = db.All(tx, func(r db.Row) (entry, error) {
			var e entry
			return e, r.Scan(&e.position, &e.event, &e.at, &e.reading, &e.digest)
		}, "SELECT position, event_id, created_at, reading, digest FROM event_digests WHERE seal = $1 ORDER BY position", s.number)
		if err != nil {
			return err
		}
		events, err = db.All(tx, scanEntry, "SELECT "+sealedColumns+", seal FROM events WHERE id IN (SELECT event_id FROM event_digests WHERE seal = $1)", s.number)
		if err != nil {
			return err
		}
		return err
	})
	if err != nil || !more {
		return false, err
	}
	sum := s.compute(entries)
	v.chain(s, int64(len(entries)), sum)
	present := make(map[int64]entry, len(events))
	for _, e := range events {
		present[e.event] = e
	}
	for _, e := range entries {
		there, ok := present[e.event]
		v.event(s, e, there, ok, now)
	}
	v.last, v.computed = s, sum
	v.sealed.Seals++
	v.sealed.Events += int64(len(entries))
	v.sealed.Until, v.sealed.Digest = time.UnixMicro(s.horizon).UTC(), s.digest
	v.progress(v.sealed.Events)
	return true, nil
}

// chain looks at a seal by itself and at its link to the one before.
func (v *verifier) chain(s seal, digests int64, sum string) {
	name := fmt.Sprintf("seal %d", s.number)
	for n := v.last.number + 1; n < s.number; n++ {
		v.damage(fmt.Sprintf("seal %d", n), "a seal", "none: it is missing")
		if n-v.last.number == 10 {
			v.damage(fmt.Sprintf("the seals from %d to %d", n+1, s.number-1), "seals", "none: they are missing")
			break
		}
	}
	if s.encoding != encoding {
		v.damage(name, fmt.Sprintf("encoding %d", encoding), fmt.Sprintf("%d, which this program does not know", s.encoding))
		return
	}
	// Where the seal before does not hold, either of its digests will do: it is named.
	if s.number == v.last.number+1 && s.previous != v.last.digest && s.previous != v.computed {
		v.damage(name, "made after a seal with the digest "+short(s.previous), "the seal before has "+short(v.last.digest))
	}
	if digests != s.count {
		v.damage(name, fmt.Sprintf("%d digests of events", s.count), fmt.Sprint(digests))
	}
	if sum != s.digest {
		v.damage(name, "the digest "+short(s.digest), short(sum)+" for what it covers: the seal, or the list of its events, was changed")
	}
}

// event looks at one event of a seal, which is present or not.
func (v *verifier) event(s seal, e, there entry, present bool, now time.Time) {
	name := fmt.Sprintf("event %d of %s", e.event, moment(e.at))
	switch {
	case !present && e.reading && e.at < Retention(now).UnixMicro(): // pruned
	case !present:
		v.damage(name, fmt.Sprintf("an event, as seal %d covers it", s.number), "none: it was deleted")
	case there.digest != e.digest:
		v.damage(name, fmt.Sprintf("the digest %s, as seal %d covers it", short(e.digest), s.number), short(there.digest)+": the event was changed")
	case there.seal != s.number:
		v.damage(name, fmt.Sprintf("seal %d", s.number), fmt.Sprintf("seal %d", there.seal))
	}
	if e.at < v.last.horizon {
		v.damage(name, "sealed with the events of its time, before "+moment(v.last.horizon),
			fmt.Sprintf("seal %d, later: it was inserted afterwards, or the clock was put back", s.number))
	}
}

// unsealed looks for events that came after the seal of their time.
func (v *verifier) unsealed(ctx context.Context) error {
	err := v.d.View(ctx, func(tx *db.Tx) (err error) {
		v.sealed.Unsealed, err = db.Value[int64](tx, "SELECT count(*) FROM events WHERE seal IS NULL")
		return err
	})
	if err != nil {
		return err
	}
	for after := (entry{at: math.MinInt64}); ; {
		var list []entry
		err := v.d.View(ctx, func(tx *db.Tx) error {
			// Read anew: what is unsealed now may have been sealed meanwhile.
			last, err := lastSeal(tx)
			if err != nil {
				return err
			}
			list, err = db.All(tx, func(r db.Row) (entry, error) {
				var e entry
				return e, r.Scan(&e.event, &e.at)
			}, "SELECT id, created_at FROM events WHERE seal IS NULL AND created_at < $1 AND (created_at, id) > ($2, $3) ORDER BY created_at, id LIMIT 1000",
				last.horizon, after.at, after.event)
			return err
		})
		if err != nil {
			return err
		}
		for _, e := range list {
			v.damage(fmt.Sprintf("event %d of %s", e.event, moment(e.at)), "sealed with the events of its time",
				"not sealed: it was inserted afterwards, or the clock was put back")
			after = e
		}
		if len(list) == 0 {
			return nil
		}
	}
}

// foreign looks for events that claim a seal which does not cover them, and digests
// whose seal is gone.
func (v *verifier) foreign(ctx context.Context) error {
	err := v.d.View(ctx, func(tx *db.Tx) error {
		_, err := db.All(tx, func(r db.Row) (struct{}, error) {
			var number, n int64
			err := r.Scan(&number, &n)
			if err == nil {
				v.damage(fmt.Sprintf("seal %d", number), fmt.Sprintf("a seal for the %d digests that name it", n), "none: it is missing")
			}
			return struct{}{}, err
		}, "SELECT seal, count(*) FROM event_digests WHERE seal NOT IN (SELECT number FROM seals) GROUP BY seal ORDER BY seal")
		return err
	})
	for low, more := int64(math.MinInt64), true; more && err == nil; {
		err = v.d.View(ctx, func(tx *db.Tx) error {
			high, err := db.One(tx, func(r db.Row) (high int64, err error) { return high, r.Scan(db.Null(&high)) },
				"SELECT MAX(id) FROM (SELECT id FROM events WHERE id > $1 ORDER BY id LIMIT 20000) page", low)
			if more = high > low && high != 0; err != nil || !more {
				return err
			}
			_, err = db.All(tx, func(r db.Row) (struct{}, error) {
				var id, at, number int64
				err := r.Scan(&id, &at, &number)
				if err == nil {
					v.damage(fmt.Sprintf("event %d of %s", id, moment(at)), fmt.Sprintf("covered by seal %d, which it names", number), "not covered: it was inserted afterwards")
				}
				return struct{}{}, err
			}, `SELECT e.id, e.created_at, e.seal FROM events e WHERE e.id > $1 AND e.id <= $2 AND e.seal IS NOT NULL
				AND NOT EXISTS (SELECT 1 FROM event_digests d WHERE d.event_id = e.id) ORDER BY e.id`, low, high)
			low = high
			return err
		})
	}
	return err
}

// short is the beginning of a digest, enough to tell it apart.
func short(digest string) string {
	if len(digest) <= 12 {
		return fmt.Sprintf("%q", digest)
	}
	return digest[:12] + "…"
}

func moment(micros int64) string {
	return time.UnixMicro(micros).UTC().Format("2006-01-02 15:04:05.000000")
}
