package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // zones mean the same on every machine

	"github.com/netresearch/go-cron"

	"steward/internal/db"
	"steward/internal/fault"
)

// Schedule is a job that is enqueued again and again.
type Schedule struct {
	Name      string // unique
	Operation string
	Class     Class
	Spec      string // five fields of cron, such as 30 2 * * *, or @hourly, @daily and the like
	Zone      string // of the IANA database, such as Europe/Prague
	Params    any    // encodes to a JSON object; nil = {}
}

// scheduledAttempts of a job: a schedule comes again by itself.
const scheduledAttempts = 3

// Times are the moments at which a schedule fires.
type Times struct {
	spec   cron.Schedule
	zone   *time.Location
	hourly bool // it names every hour of the day
}

// ParseTimes reads a cron spec in a time zone. Invalid, with a sentence that names what
// is wrong, for a spec that is not readable or never fires, and for an unknown zone.
func ParseTimes(spec, zone string) (Times, error) {
	bad := func(field, format string, args ...any) (Times, error) {
		message := fmt.Sprintf(format, args...)
		return Times{}, &fault.Error{Kind: fault.Invalid, Code: "jobs.schedule", Message: message, Fields: []fault.Field{{Name: field, Message: message}}}
	}
	z, err := time.LoadLocation(zone)
	if err != nil || zone == "" || zone == "Local" {
		return bad("zone", "%q is no time zone. Enter one such as UTC or Europe/Prague.", zone)
	}
	switch trimmed := strings.TrimSpace(spec); {
	case strings.HasPrefix(trimmed, "@every"):
		return bad("schedule", "%q counts from an unknown moment. Enter times of the day, such as */10 * * * *.", spec)
	case strings.Contains(spec, "TZ="):
		return bad("schedule", "%q names a time zone; that is a field of its own.", spec)
	}
	parser, err := cron.TryNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.DowOrDom | cron.Descriptor)
	if err != nil {
		return Times{}, fmt.Errorf("jobs: schedules: %w", err)
	}
	parsed, err := parser.Parse(spec)
	if err != nil {
		return bad("schedule", "%q is no schedule: %s. Enter minute, hour, day of the month, month and day of the week, such as 30 2 * * 1.", spec, err)
	}
	t := Times{spec: parsed, zone: z}
	if s, ok := parsed.(*cron.SpecSchedule); ok {
		s.Location = z
		const day = 1<<24 - 1
		t.hourly = s.Hour&day == day
	}
	if t.Next(time.Unix(0, 0)).IsZero() {
		return bad("schedule", "%q never comes: there is no such day.", spec)
	}
	return t, nil
}

// Next is the first moment after now. Where clocks are put forward, a time that is left
// out comes when the gap ends; where they are put back, a time that comes twice counts
// once, unless the spec names every hour. The zero time if there is none within years.
func (t Times) Next(now time.Time) time.Time {
	next := t.spec.Next(now.In(t.zone))
	for !t.hourly && !next.IsZero() && repeated(next) {
		next = t.spec.Next(next)
	}
	if next.IsZero() {
		return next
	}
	return next.UTC()
}

// repeated reports whether the clocks of t's zone have shown this time before, because
// they were put back since.
func repeated(t time.Time) bool {
	start, _ := t.ZoneBounds()
	if start.IsZero() {
		return false
	}
	_, before := start.Add(-time.Second).Zone()
	_, after := t.Zone()
	return t.Sub(start) < time.Duration(before-after)*time.Second
}

// Schedule makes the system's schedules those that are listed: what is not listed any
// more goes, a schedule whose spec or zone changed fires next by the new one, and the
// others keep their next time, also one that was missed. Invalid for a spec that cannot
// be used.
func (s *Service) Schedule(ctx context.Context, list []Schedule) error {
	return s.db.Update(ctx, func(tx *db.Tx) error {
		if err := tx.Lock("jobs.schedules"); err != nil {
			return err
		}
		names, err := db.All(tx, db.Scalar[string], "SELECT name FROM schedules WHERE class = 'system'")
		if err != nil {
			return err
		}
		for _, name := range names {
			if slices.ContainsFunc(list, func(n Schedule) bool { return n.Name == name }) {
				continue
			}
			if _, err := tx.Exec("DELETE FROM schedules WHERE name = $1", name); err != nil {
				return err
			}
		}
		for _, n := range list {
			if err := declare(tx, n); err != nil {
				return fmt.Errorf("jobs: schedule %s: %w", n.Name, err)
			}
		}
		return nil
	})
}

// declare writes one schedule. A time further off than the next one is of a clock that
// has been put back since, and gives way.
func declare(tx *db.Tx, n Schedule) error {
	times, err := ParseTimes(n.Spec, n.Zone)
	if err != nil {
		return err
	}
	params := []byte("{}")
	if n.Params != nil {
		if params, err = json.Marshal(n.Params); err != nil {
			return err
		}
	}
	_, err = tx.Exec(`INSERT INTO schedules (name, operation, class, spec, zone, params, next_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (name) DO UPDATE SET operation = $2, class = $3, params = $6, spec = $4, zone = $5,
			next_at = CASE WHEN schedules.spec = $4 AND schedules.zone = $5 AND schedules.next_at < $7 THEN schedules.next_at ELSE $7 END`,
		n.Name, n.Operation, string(n.Class), n.Spec, n.Zone, string(params), times.Next(tx.Now))
	return err
}

// due is a schedule whose time has come.
type due struct {
	name, operation, spec, zone, params string
	class                               Class
	next                                time.Time
	last                                int64 // its latest job
}

const dueColumns = "name, operation, class, spec, zone, params, next_at, last_job_id"

func scanDue(r db.Row) (d due, err error) {
	return d, r.Scan(&d.name, &d.operation, &d.class, &d.spec, &d.zone, &d.params, db.Time(&d.next), db.Null(&d.last))
}

// tick fires schedules until ctx ends.
func (s *Service) tick(ctx context.Context) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		if _, err := s.Fire(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("firing schedules failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Fire enqueues the jobs of the schedules whose time has come, by the database's clock,
// and gives how many. Over all processes each time fires once; times that were missed
// fire once together. A time that comes while the schedule's last job is unfinished is
// passed over.
func (s *Service) Fire(ctx context.Context) (fired int, err error) {
	var list []due
	err = errors.Join(s.rewind(ctx), s.db.View(ctx, func(tx *db.Tx) (err error) {
		list, err = db.All(tx, scanDue, "SELECT "+dueColumns+" FROM schedules WHERE next_at <= $1 ORDER BY next_at, name LIMIT 1000", tx.Now)
		return err
	}))
	for _, d := range list {
		var did bool
		ferr := s.db.Update(ctx, func(tx *db.Tx) (err error) { did, err = s.fire(tx, d); return err })
		if ferr != nil { // the others come in time nevertheless
			err = errors.Join(err, fmt.Errorf("jobs: schedule %s: %w", d.name, ferr))
		} else if did {
			fired++
		}
	}
	return fired, err
}

// rewindEvery is how often schedules are looked at that the clock may have left behind.
const rewindEvery = time.Minute

// rewind lets schedules go by the clock again that was put back since they last fired:
// those that would pass over more than one of their times. One may have fired already, by
// the clock of another process or before this one was put back by a moment.
func (s *Service) rewind(ctx context.Context) error {
	now := s.db.Now()
	s.mu.Lock()
	recent := !now.Before(s.rewound) && now.Sub(s.rewound) < rewindEvery
	if !recent {
		s.rewound = now
	}
	s.mu.Unlock()
	if recent {
		return nil
	}
	var list []due
	err := s.db.View(ctx, func(tx *db.Tx) (err error) {
		list, err = db.All(tx, scanDue, "SELECT "+dueColumns+" FROM schedules WHERE next_at > $1 ORDER BY next_at DESC, name LIMIT 1000", now)
		return err
	})
	for _, d := range list {
		times, perr := ParseTimes(d.spec, d.zone)
		if perr != nil {
			err = errors.Join(err, fmt.Errorf("jobs: schedule %s: %w", d.name, perr))
			continue
		}
		next := times.Next(now)
		if second := times.Next(next); next.IsZero() || second.IsZero() || !d.next.After(second) {
			continue
		}
		err = errors.Join(err, s.db.Update(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec("UPDATE schedules SET next_at = $3 WHERE name = $1 AND next_at = $2", d.name, d.next, next)
			return err
		}))
	}
	return err
}

// fire moves a schedule on and enqueues its job. False when another process has done so,
// and when the last job is unfinished.
func (s *Service) fire(tx *db.Tx, d due) (bool, error) {
	times, err := ParseTimes(d.spec, d.zone)
	if err != nil {
		return false, err
	}
	n, err := tx.Exec("UPDATE schedules SET next_at = $3 WHERE name = $1 AND next_at = $2", d.name, d.next, times.Next(tx.Now))
	if err != nil || n == 0 {
		return false, err
	}
	busy, err := db.Value[bool](tx, "SELECT EXISTS (SELECT 1 FROM jobs WHERE id = $1 AND state IN ('waiting', 'processing'))", d.last)
	if err != nil || busy {
		return false, err
	}
	j, err := s.Enqueue(tx, Spec{Class: d.class, Operation: d.operation, SerialKey: scheduleKey + d.name, Params: json.RawMessage(d.params), MaxAttempts: scheduledAttempts})
	if err != nil {
		return false, err
	}
	return true, tx.Must("UPDATE schedules SET last_at = $2, last_job_id = $3 WHERE name = $1", d.name, tx.Now, j.ID)
}

// scheduleKey begins the serial keys of jobs that a schedule made.
const scheduleKey = "schedule:"

// Prune forgets jobs of system schedules that succeeded before a time, at most a
// thousand, and gives how many: they come every minute, and tell nothing. Those that
// failed are kept. Of the named operations, which say more about somebody than has to be
// kept, it forgets all that have ended before.
func Prune(tx *db.Tx, before time.Time, operations ...string) (int64, error) {
	const system = "SELECT id FROM jobs WHERE project_id IS NULL AND branch_id IS NULL AND class = 'system' AND created_at < $1 AND "
	n, err := prune(tx, system+"state = 'success' AND serial_key LIKE '"+scheduleKey+"%' ORDER BY created_at LIMIT 1000", before)
	for _, o := range operations {
		if err != nil {
			return n, err
		}
		var more int64
		more, err = prune(tx, system+"state IN ('success', 'error') AND operation = $2 ORDER BY created_at LIMIT 1000", before, o)
		n += more
	}
	return n, err
}

func prune(tx *db.Tx, old string, args ...any) (int64, error) {
	if _, err := tx.Exec("DELETE FROM job_log WHERE job_id IN ("+old+")", args...); err != nil {
		return 0, err
	}
	return tx.Exec("DELETE FROM jobs WHERE id IN ("+old+")", args...)
}
