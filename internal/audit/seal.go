package audit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"

	"steward/internal/db"
	"steward/internal/fault"
)

const (
	// Settle is how old an event is before it is sealed, and so how far the clocks of
	// processes may differ.
	Settle = 2 * time.Minute

	// sealMax bounds the events of one seal, and so how long it keeps other writers out.
	sealMax = 1000
)

// encoding is how digests are computed. A change of what they cover gets the next
// number, and Verify then knows both.
//
// Encoding 1: the digest of an event is the SHA-256, in lower-case hexadecimal, of the
// line "steward event 1" and the values of sealedColumns in their order. The digest of a
// seal is that of the line "steward seal 1"; of its number, the digest of the seal before
// ("" for the first), horizon, count, times of the first and last event, and its own
// time; and of the position, id, time, kind and digest of each event. A value is written
// as one letter and its content:
//
//	n  NULL
//	i  an integer, or a time in microseconds: 8 bytes, big-endian, two's complement
//	b  a boolean: one byte, 0 or 1
//	s  a text: its length in bytes as 8 bytes, big-endian, then its bytes (UTF-8)
//	?  anything else, which no program of ours writes: like a text, as Go prints it
const encoding = 1

// sealedColumns are all columns of an event but the number of its seal.
const sealedColumns = `id, xid, created_at, type, name, object_type, object_id, object_name, organization_id, project_id, branch_id,
	user_id, token_id, actor_name, job_id, request_id, address, user_agent, message, params, results, reading`

const sealedCount = 22

// digest computes a digest of encoding 1.
type digest struct{ hash.Hash }

func newDigest(of string) digest {
	d := digest{sha256.New()}
	fmt.Fprintf(d, "steward %s %d\n", of, encoding)
	return d
}

func (d digest) add(values ...any) digest {
	for _, v := range values {
		switch v := v.(type) {
		case nil:
			d.write('n', nil)
		case int64:
			d.write('i', binary.BigEndian.AppendUint64(nil, uint64(v)))
		case bool:
			b := []byte{0}
			if v {
				b[0] = 1
			}
			d.write('b', b)
		case string:
			d.text('s', v)
		default:
			d.text('?', fmt.Sprintf("%T %v", v, v))
		}
	}
	return d
}

func (d digest) text(letter byte, s string) {
	d.write(letter, binary.BigEndian.AppendUint64(nil, uint64(len(s))))
	_, _ = d.Write([]byte(s)) // a hash takes everything
}

func (d digest) write(letter byte, content []byte) {
	_, _ = d.Write([]byte{letter})
	_, _ = d.Write(content)
}

func (d digest) String() string { return hex.EncodeToString(d.Sum(nil)) }

// entry is an event as a seal covers it.
type entry struct {
	position int64
	event    int64
	at       int64 // microseconds
	reading  bool
	digest   string
	xid      int64
	seal     int64 // 0 = none
}

// scanEntry reads sealedColumns and the seal. Columns whose types are not ours make a
// digest, too.
func scanEntry(r db.Row) (entry, error) {
	values, into := make([]any, sealedCount), make([]any, sealedCount)
	for i := range values {
		into[i] = &values[i]
	}
	var number int64
	if err := r.Scan(append(into, db.Null(&number))...); err != nil {
		return entry{}, err
	}
	if n, ok := values[sealedCount-1].(int64); ok && (n == 0 || n == 1) { // SQLite's booleans
		values[sealedCount-1] = n == 1
	}
	e := entry{seal: number, digest: newDigest("event").add(values...).String()}
	e.event, _ = values[0].(int64)
	e.xid, _ = values[1].(int64)
	e.at, _ = values[2].(int64)
	e.reading, _ = values[sealedCount-1].(bool)
	return e, nil
}

// seal is one link of the chain. Times are microseconds.
type seal struct {
	number, encoding, count, first, last, horizon, at int64
	digest, previous                                  string
}

func (s seal) compute(entries []entry) string {
	d := newDigest("seal").add(s.number, s.previous, s.horizon, s.count, s.first, s.last, s.at)
	for _, e := range entries {
		d.add(e.position, e.event, e.at, e.reading, e.digest)
	}
	return d.String()
}

const sealColumns = "number, encoding, events_count, first_at, last_at, horizon, digest, previous, created_at"

func scanSeal(r db.Row) (seal, error) {
	var s seal
	return s, r.Scan(&s.number, &s.encoding, &s.count, &s.first, &s.last, &s.horizon, &s.digest, &s.previous, &s.at)
}

// lastSeal is the newest seal, the zero seal if there is none.
func lastSeal(tx *db.Tx) (seal, error) {
	s, err := db.One(tx, scanSeal, "SELECT "+sealColumns+" FROM seals ORDER BY number DESC LIMIT 1")
	if fault.Is(err, fault.NotFound) {
		return seal{}, nil
	}
	return s, err
}

// Seal seals all events that are settled, in the order of time and id, a bounded number
// with each seal, and gives how many events and seals there were: none, if nothing is
// new. Events of unfinished transactions, and those after them, wait for the next time.
func Seal(ctx context.Context, d *db.DB) (events, seals int64, err error) {
	for {
		n, more, err := sealOne(ctx, d)
		if err != nil {
			return events, seals, fmt.Errorf("audit: seal: %w", err)
		}
		if events += n; n > 0 {
			seals++
		}
		if !more {
			return events, seals, nil
		}
	}
}

// sealOne makes one seal. It reads and computes before it writes, because events do not
// change; whoever makes the same seal meanwhile wins. It starts over when an event was
// committed meanwhile that belongs into this seal.
func sealOne(ctx context.Context, d *db.DB) (n int64, more bool, err error) {
	var next seal
	var entries []entry
	err = d.View(ctx, func(tx *db.Tx) error {
		next, entries, more, err = prepare(tx)
		return err
	})
	if err != nil || len(entries) == 0 {
		return 0, false, err
	}
	err = d.Update(ctx, func(tx *db.Tx) error {
		if err := tx.Lock("events.seal"); err != nil {
			return err
		}
		last, err := lastSeal(tx)
		if err != nil {
			return err
		}
		if last.digest != next.previous || last.number != next.number-1 {
			return errOvertaken
		}
		covered := int64(0)
		for _, e := range entries {
			if last.horizon <= e.at && e.at < next.horizon {
				covered++
			}
		}
		n, err := db.Value[int64](tx, "SELECT count(*) FROM events WHERE seal IS NULL AND created_at >= $1 AND created_at < $2", last.horizon, next.horizon)
		if err != nil {
			return err
		}
		if n != covered {
			return errOvertaken
		}
		return write(tx, next, entries)
	})
	if errors.Is(err, errOvertaken) {
		return 0, true, nil
	}
	return int64(len(entries)), more, err
}

var errOvertaken = errors.New("this seal was made, or an event of its time committed, meanwhile")

// prepare computes the next seal; no entries if nothing is settled. There may be more.
func prepare(tx *db.Tx) (s seal, entries []entry, more bool, err error) {
	last, err := lastSeal(tx)
	if err != nil {
		return seal{}, nil, false, err
	}
	xid, err := tx.Horizon()
	if err != nil {
		return seal{}, nil, false, err
	}
	oldest, err := tx.Oldest()
	if err != nil {
		return seal{}, nil, false, err
	}
	settled := tx.Now.Add(-Settle)
	entries, err = db.All(tx, scanEntry, fmt.Sprintf("SELECT %s, seal FROM events WHERE seal IS NULL AND created_at < $1 ORDER BY created_at, id LIMIT %d", sealedColumns, sealMax), settled)
	if err != nil {
		return seal{}, nil, false, err
	}
	// Once this seal is made, everything before the horizon is sealed, so it stays before
	// the transactions that run, and does not move while the events of one hold others back.
	horizon := oldest.Add(-Settle).UnixMicro()
	if more = len(entries) == sealMax; more {
		horizon = min(horizon, entries[sealMax-1].at)
	}
	if i := slices.IndexFunc(entries, func(e entry) bool { return e.xid >= xid }); i >= 0 {
		horizon, entries, more = last.horizon, entries[:i], false
	}
	if len(entries) == 0 {
		return seal{}, nil, false, nil
	}
	for i := range entries {
		entries[i].position = int64(i + 1)
	}
	s = seal{number: last.number + 1, encoding: encoding, count: int64(len(entries)), first: entries[0].at, last: entries[len(entries)-1].at,
		horizon: max(horizon, last.horizon), previous: last.digest, at: tx.Now.UnixMicro()}
	s.digest = s.compute(entries)
	return s, entries, more, nil
}

func write(tx *db.Tx, s seal, entries []entry) error {
	_, err := tx.Exec("INSERT INTO seals ("+sealColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
		s.number, s.encoding, s.count, s.first, s.last, s.horizon, s.digest, s.previous, s.at)
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(entries, 200) {
		var rows strings.Builder
		args := []any{s.number}
		for _, e := range chunk {
			if len(args) > 1 {
				rows.WriteByte(',')
			}
			n := len(args)
			fmt.Fprintf(&rows, "($1, $%d, $%d, $%d, $%d, $%d)", n+1, n+2, n+3, n+4, n+5)
			args = append(args, e.position, e.event, e.at, e.reading, e.digest)
		}
		if _, err := tx.Exec("INSERT INTO event_digests (seal, position, event_id, created_at, reading, digest) VALUES "+rows.String(), args...); err != nil {
			return err
		}
	}
	n, err := tx.Exec("UPDATE events SET seal = $1 WHERE seal IS NULL AND id IN (SELECT event_id FROM event_digests WHERE seal = $1)", s.number)
	if err == nil && n != s.count {
		err = fmt.Errorf("seal %d covers %d events, of which only %d are there", s.number, s.count, n)
	}
	return err
}

// Retention is before when the events of reads and listings may be forgotten: six
// months before now. All others are kept for ever.
func Retention(now time.Time) time.Time { return now.AddDate(0, -6, 0) }

// pruneMax is how many events go at a time, so that nobody waits long.
const pruneMax = 1000

// Prune forgets the sealed events of reads and listings past their retention; their
// digests stay. It gives how many there were.
func Prune(ctx context.Context, d *db.DB) (total int64, err error) {
	for {
		var n int64
		err := d.Update(ctx, func(tx *db.Tx) (err error) {
			n, err = tx.Exec(fmt.Sprintf(`DELETE FROM events WHERE id IN
				(SELECT id FROM events WHERE reading AND seal IS NOT NULL AND created_at < $1 ORDER BY created_at LIMIT %d)`, pruneMax), Retention(tx.Now))
			return err
		})
		if total += n; err != nil || n < pruneMax {
			return total, err
		}
	}
}
