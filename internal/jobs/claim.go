package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"steward/internal/audit"
	"steward/internal/db"
)

// sameCommit is how long jobs take to end that ended with the same commit, so that the
// next ones can be claimed with one.
const sameCommit = 50 * time.Microsecond

// smallLanes is how many lanes of each class are kept for small work, so that it never
// waits behind bulk work. Most of its time it waits for the disk.
const smallLanes = 4

// lanes runs jobs of a class beside each other, under the context running, until ctx ends
// and the last of them has ended: in so many slots for any work, and the small lanes.
func (s *Service) lanes(ctx, running context.Context, class Class, slots int) {
	wake, stop := s.hub.Watch(wakeTopic)
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	timer := time.NewTimer(poll)
	defer timer.Stop()
	free := places{any: slots, small: smallLanes}
	ended := make(chan *int, free.all())
	for left := false; ctx.Err() == nil; {
		if free.all() > 0 && (left || s.waits(ctx, class, free)) {
			c, err := s.claim(ctx, class, free)
			if err != nil && ctx.Err() == nil {
				s.log.Error("claiming jobs failed", "error", err)
			}
			for _, j := range c.claimed {
				lane := free.lane(j.Priority)
				*lane--
				wg.Go(func() { s.run(running, j); ended <- lane })
			}
			if left = c.left; c.again() {
				continue
			}
		}
		timer.Reset(poll)
		select {
		case <-ctx.Done():
		case <-wake:
		case <-timer.C:
		case lane := <-ended:
			*lane++
			time.Sleep(sameCommit)
			for range len(ended) {
				*<-ended++
			}
		}
	}
}

// Drain runs waiting jobs of a class in the caller's goroutine until none is left.
func (s *Service) Drain(ctx context.Context, class Class) error {
	for {
		c, err := s.claim(ctx, class, places{any: 1})
		if err != nil {
			return err
		}
		for _, j := range c.claimed {
			s.run(context.Background(), j)
		}
		if len(c.claimed) == 0 && !c.again() {
			return nil
		}
	}
}

// places are lanes that are free.
type places struct {
	any   int
	small int // for small work only
}

func (p places) all() int { return p.any + p.small }

// lane is the kind that a job of a priority takes: small work those first that are kept for
// it, so that they do not lie idle while other work waits.
func (p *places) lane(priority int64) *int {
	if priority >= Person && p.small > 0 {
		return &p.small
	}
	return &p.any
}

// atLeast is the priority that a job must have to find a place.
func (p places) atLeast() int64 {
	if p.any > 0 {
		return Bulk
	}
	return Person
}

// waits reports whether a job waits that might be claimed: a look that keeps nobody from
// writing.
func (s *Service) waits(ctx context.Context, class Class, free places) (waits bool) {
	err := s.db.View(ctx, func(tx *db.Tx) (err error) {
		waits, err = db.Value[bool](tx, `SELECT EXISTS (SELECT 1 FROM jobs WHERE state = 'waiting' AND NOT held
			AND class = $1 AND priority >= $2 AND `+ready("$3")+`)`, string(class), free.atLeast(), tx.Now)
		return err
	})
	if err != nil && ctx.Err() == nil {
		s.log.Error("looking for waiting jobs failed", "error", err)
	}
	return waits
}

// claims are what a claim has come to.
type claims struct {
	claimed []Job
	refused []Job // that may not run and were ended, or that somebody else ended meanwhile
	unsure  []Job // of which the guard could not tell, and that are put off
	left    bool  // others wait
}

// again tells whether another claim may come to something before a lane is free.
func (c claims) again() bool { return c.left && len(c.claimed)+len(c.refused)+len(c.unsure) > 0 }

// claim takes the next jobs that may run, as many as places are free, in one transaction.
// It ends those that the guard refuses or that somebody has cancelled, and puts those off
// of which the guard cannot tell, so that they keep no others waiting.
func (s *Service) claim(ctx context.Context, class Class, free places) (c claims, err error) {
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		c = claims{}
		// One claims at a time, so that the parallelism of projects holds over all processes.
		if err := tx.Lock("jobs.claim"); err != nil {
			return err
		}
		ids, left, err := choose(tx, class, free)
		if err != nil {
			return err
		}
		answers := map[creator]error{}
		for _, id := range ids {
			j, err := get(tx, "id = $1", id)
			if err != nil {
				return err
			}
			answer := s.ask(tx, j, answers)
			if answer != nil && !refuses(answer) {
				// Fails if it was a statement that failed: then nothing of this stands.
				if _, err := tx.Exec("UPDATE jobs SET available_at = $2 WHERE id = $1 AND state = 'waiting'", id, tx.Now.Add(unsureDelay)); err != nil {
					return err
				}
				c.unsure = append(c.unsure, j)
				continue
			}
			switch ok, err := s.start(tx, &j, answer); {
			case errors.Is(err, ErrFenced): // somebody cancelled it meanwhile
				c.refused = append(c.refused, j)
			case err != nil:
				return err
			case ok:
				c.claimed = append(c.claimed, j)
			default:
				c.refused = append(c.refused, j)
			}
		}
		c.left = left || len(c.refused)+len(c.unsure) > 0
		for _, j := range c.unsure {
			tx.OnCommit(func() {
				s.log.Error("nobody can tell whether a job may run; it is put off", "job", j.ID, "operation", j.Operation, "error", answers[creatorOf(j)])
			})
		}
		return nil
	})
	if err != nil {
		return claims{}, err
	}
	for _, j := range slices.Concat(c.refused, c.claimed) {
		s.changed(j)
	}
	return c, nil
}

// creator is what the guard decides by, so that it is asked once for jobs that have it in
// common.
type creator struct {
	project, branch, user, token int64
	operation                    string
}

func creatorOf(j Job) creator { return creator{j.Project, j.Branch, j.UserID, j.TokenID, j.Operation} }

// ask is what the guard says of a job. It keeps the answers.
func (s *Service) ask(tx *db.Tx, j Job, answers map[creator]error) error {
	by := creatorOf(j)
	answer, asked := answers[by]
	if !asked {
		answer = s.guard(tx, j)
		answers[by] = answer
	}
	return answer
}

// start makes a waiting job this process's own. It ends one that is refused or cancelled,
// and then reports false. ErrFenced if somebody has cancelled it since it was read.
func (s *Service) start(tx *db.Tx, j *Job, refused error) (bool, error) {
	if j.CancelRequested {
		refused = cancelled(j.CancelReason)
	}
	if refused != nil {
		return false, s.end(tx, *j, refused)
	}
	j.State, j.Fence, j.RowsDone, j.BytesDone = Processing, j.Fence+1, 0, 0
	if j.StartedAt.IsZero() {
		j.StartedAt = tx.Now
	}
	n, err := tx.Exec(`UPDATE jobs SET state = 'processing', owner = $2, fence = $3, lease_until = $4, available_at = 0, started_at = $5, rows_done = 0, bytes_done = 0
		WHERE id = $1 AND state = 'waiting' AND fence = $3 - 1`, j.ID, s.owner, j.Fence, tx.Now.Add(Lease), j.StartedAt)
	if err == nil && n != 1 {
		err = ErrFenced
	}
	if err != nil {
		return false, err
	}
	says := "Started."
	if j.Attempt > 0 {
		says = fmt.Sprintf("Started again, attempt %d.", j.Attempt+1)
	}
	return true, addLog(tx, j.ID, audit.Info, says)
}

// ready is the condition that a waiting job may run at the moment of a parameter. It may at
// once, where available_at is 0, unless an attempt failed. A moment that lies further off
// than twice what the next attempt is put off by, see retryDelay, is of a clock that was
// put back since, and void; twice, because the clocks of processes differ.
func ready(now string) string {
	return fmt.Sprintf("(available_at <= %[1]s OR available_at > %[1]s + (CAST(%d AS BIGINT) << CAST(CASE WHEN attempt < %[3]d THEN attempt ELSE %[3]d END AS INTEGER)))",
		now, firstDelay.Microseconds(), delayDoubles)
}

// waiter is a job that waits in the queue, with how many of its class its project runs.
type waiter struct{ id, project, priority, limit int64 }

func scanWaiter(r db.Row) (w waiter, err error) {
	return w, r.Scan(&w.id, db.Null(&w.project), &w.priority, &w.limit)
}

// choose gives the jobs that are next: by priority and age, none whose serial key another
// unfinished job has, and none of a project that runs as many of the class as it may. It
// reports whether others wait.
//
// It looks at few jobs, however many wait: at as many as places are free and, if one of
// them belongs to a project that runs enough, at the first one of each other project.
func choose(tx *db.Tx, class Class, free places) (ids []int64, left bool, err error) {
	running, err := runningIn(tx, class)
	if err != nil {
		return nil, false, err
	}
	rest := free
	pick := func(line []waiter) {
		for _, w := range line {
			lane := rest.lane(w.priority)
			if *lane == 0 {
				return // those after it have no higher priority
			}
			if !slices.Contains(ids, w.id) && (w.project == 0 || running[w.project] < w.limit) {
				ids = append(ids, w.id)
				*lane--
				running[w.project]++
			}
		}
	}
	// The limit is part of the text, because SQLite compiles a statement anew for each value of one.
	line, err := db.All(tx, scanWaiter, fmt.Sprintf(`SELECT id, project_id, priority, `+limitOf("jobs.project_id")+` FROM jobs
		WHERE state = 'waiting' AND NOT held AND class = $1 AND priority >= $2 AND %s
		ORDER BY priority DESC, created_at, id LIMIT %d`, ready("$3"), free.all()), string(class), free.atLeast(), tx.Now)
	if err != nil {
		return nil, false, err
	}
	left = len(line) == free.all()
	if pick(line); len(ids) == free.all() || !left {
		return ids, left, nil
	}
	line, err = db.All(tx, scanWaiter, fmt.Sprintf("%s LIMIT %d", firstOfProjects, len(ids)+free.all()), string(class), tx.Now)
	pick(line)
	return ids, left, err
}

// runningIn is how many jobs of a class run in each project that has any.
func runningIn(tx *db.Tx, class Class) (map[int64]int64, error) {
	running := map[int64]int64{}
	_, err := db.All(tx, func(r db.Row) (struct{}, error) {
		var project, n int64
		err := r.Scan(db.Null(&project), &n)
		running[project] = n
		return struct{}{}, err
	}, "SELECT project_id, count(*) FROM jobs WHERE state = 'processing' AND class = $1 GROUP BY project_id", string(class))
	return running, err
}

// limitOf is how many jobs of a class a project runs at once.
func limitOf(project string) string {
	return fmt.Sprintf("COALESCE((SELECT limit_jobs FROM projects WHERE id = %s), %d)", project, ProjectParallelism)
}

// firstOfProjects is the line of those jobs that are the first of their project, of all
// projects that may run more, and of those of no project. It steps from project to project
// in an index, so that it does not read how many wait in each.
var firstOfProjects = `WITH RECURSIVE waiting (project_id) AS (
		SELECT MIN(project_id) FROM jobs WHERE state = 'waiting' AND NOT held AND class = $1
		UNION ALL
		SELECT (SELECT MIN(project_id) FROM jobs WHERE state = 'waiting' AND NOT held AND class = $1 AND project_id > waiting.project_id)
		FROM waiting WHERE project_id IS NOT NULL
	), heads (id) AS (
		SELECT (SELECT id FROM jobs WHERE state = 'waiting' AND NOT held AND class = $1 AND project_id = waiting.project_id AND ` + ready("$2") + `
			ORDER BY priority DESC, created_at, id LIMIT 1)
		FROM waiting WHERE project_id IS NOT NULL
			AND (SELECT count(*) FROM jobs WHERE state = 'processing' AND class = $1 AND project_id = waiting.project_id) < ` + limitOf("waiting.project_id") + `
		UNION ALL
		SELECT (SELECT id FROM jobs WHERE state = 'waiting' AND NOT held AND class = $1 AND project_id IS NULL AND ` + ready("$2") + `
			ORDER BY priority DESC, created_at, id LIMIT 1)
	)
	SELECT j.id, j.project_id, j.priority, ` + limitOf("j.project_id") + ` FROM heads JOIN jobs j ON j.id = heads.id ORDER BY j.priority DESC, j.created_at, j.id`
