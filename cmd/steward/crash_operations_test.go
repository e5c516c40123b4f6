//go:build crash

package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"steward/internal/config"
	"steward/internal/jobs"
	"steward/web/webtest"
)

// crashWorld is an installation whose program is killed again and again, with a ledger
// of all that was asked for.
type crashWorld struct {
	t           *testing.T
	rng         *rand.Rand
	data        string
	dsn         string
	jar         http.CookieJar
	project     string
	ledger      ledger                   // what was acknowledged
	pending     *deed                    // what is under way
	known       map[int64]bool           // jobs that are over
	serial      uint64                   // of the last deed or file
	round       int                      // of kills
	whole       bool                     // examine everything, not some of the past
	lasts       map[string]time.Duration // how long a job of an operation lasts
	deedsIn     time.Duration            // how long a deed takes
	interrupted bool                     // the last kill interrupted the pending deed's job
	landed      map[string]int           // kills, by where they landed
	inside      map[string]int           // kills inside commits, by the kind of what was under way
	done        map[string]int           // deeds that are over, by kind
	lost        int                      // answers that were lost though the effect stands
}

func (w *crashWorld) sqlite() bool { return strings.HasPrefix(w.dsn, "sqlite:") }

func (w *crashWorld) config() config.Config {
	return config.Config{Addr: "127.0.0.1:0", Data: w.data, DB: w.dsn}
}

// deep tells of which versions the rows are read: the newest one, and each of the others
// now and then.
func (w *crashWorld) deep(number, newest int) bool {
	return w.whole || number == newest || (number+w.round)%16 == 0
}

// settle notes that the pending deed is done.
func (w *crashWorld) settle() {
	d := w.pending
	w.ledger, w.done[d.kind] = d.after(w.ledger), w.done[d.kind]+1
	w.giveUp()
}

// giveUp notes that the pending deed is over and changed nothing.
func (w *crashWorld) giveUp() {
	if w.pending.id != 0 {
		w.known[w.pending.id] = true
	}
	w.pending = nil
}

// errWrong ends the work: the program did not do what it should.
var errWrong = errors.New("not as it should be")

func (w *crashWorld) wrong(format string, args ...any) error {
	w.t.Errorf(format, args...)
	return errWrong
}

// finish takes the pending deed to its end, from wherever it is. Every request can be
// sent again with its key. An error means that the connection broke.
func (w *crashWorld) finish(p *process) error {
	d := w.pending
	if d.system != nil {
		return w.finishSystem(p)
	}
	c := p.client(w.jar)
	if err := w.send(p, c, d); err != nil {
		return err
	}
	if d.asked = true; d.job == "" {
		w.settle()
		return nil
	}
	return w.finishJob(p, c)
}

// send sends what a deed takes: its file, and its form.
func (w *crashWorld) send(p *process, c *webtest.Client, d *deed) error {
	for d.rows != nil && d.file == "" {
		if err := w.sendFile(p, c, d); err != nil {
			return err
		}
	}
	if d.find != nil {
		path, err := d.find(c)
		if err != nil {
			return err
		}
		d.path, d.find = path, nil
	}
	// Whoever finds the job in the list need not ask again, and may.
	if d.asked || d.id != 0 && w.rng.IntN(8) > 0 {
		return nil
	}
	a, err := ask(c, formRequest(c, p.URL, d.path, d.form))
	if err != nil {
		return err
	}
	if a.status != http.StatusSeeOther {
		return w.wrong("%s: %d\n%.2000s", d, a.status, a.body)
	}
	if a.location == "/" {
		w.lost++
	}
	return nil
}

// sendFile uploads the rows of a deed, under a new key when the answer to the last one
// was lost with the process.
func (w *crashWorld) sendFile(p *process, c *webtest.Client, d *deed) error {
	a, err := ask(c, uploadRequest(c, p.URL, w.project, d.key("upload"), fileOf(d.serial), func(to io.Writer) error { return writeRows(to, d.columns, d.rows) }))
	if err != nil {
		return err
	}
	path, _, _ := strings.Cut(a.location, "?")
	switch {
	case a.status != http.StatusSeeOther:
		return w.wrong("upload: %d\n%.1000s", a.status, a.body)
	case strings.HasPrefix(path, w.project+"/storage/load/"):
		d.file, d.path = path, path
	default:
		w.lost++
		d.tries++
	}
	return nil
}

// finishJob waits for the end of the pending deed's job.
func (w *crashWorld) finishJob(p *process, c *webtest.Client) error {
	d := w.pending
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		list, err := jobsOf(c, w.project, d.table)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list, func(j jobRow) bool { return j.Operation == d.job && !w.known[j.ID] })
		if i < 0 {
			return w.wrong("%s was acknowledged, and there is no job", d)
		}
		d.id = list[i].ID
		switch j := list[i]; {
		case j.Status == "success":
			w.settle()
			return nil
		case j.Status == "error" && d.cancels && j.ErrorCode == jobs.Cancelled:
			w.done["cancelled"]++
			w.giveUp()
			return nil
		case j.Status == "error":
			return w.wrong("%s failed: %s %s", d, j.ErrorCode, j.ErrorMessage)
		case d.cancels && !d.stopped:
			job := fmt.Sprintf("%s/storage/jobs/%d", w.project, d.id)
			if _, err := ask(c, formRequest(c, p.URL, job+"/cancel", url.Values{"_key": {d.key("cancel")}})); err != nil {
				return err
			}
			d.stopped = true
		}
	}
	return w.wrong("%s does not end", d)
}

// until waits for something, or for the program's end, which is an error.
func (w *crashWorld) until(p *process, what string, ok func() bool) error {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return nil
		}
		select {
		case <-p.ended:
			return errors.New("the program has ended")
		default:
		}
	}
	return w.wrong("waited in vain: %s", what)
}

// work does one deed after the other until the program is gone, which is shot at during
// one of them: during what is pending at first, if anything is.
func (w *crashWorld) work(p *process, s shot) {
	for n := 0; ; n++ {
		if w.pending == nil && n >= s.after {
			w.pending = w.deeds()[s.target]()
		}
		if w.pending == nil {
			w.pending = w.any()
		} else {
			w.shoot(p, s.at, w.pending.job)
			s.at, s.after = anyTime, n+3 // should it live on
		}
		if err := w.finish(p); err != nil {
			return
		}
	}
}

// crashSetting reads a number from the environment.
func crashSetting(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// begin makes an installation with two tables, of which one has a primary key, and learns
// how long things take.
func (w *crashWorld) begin(p *process) {
	w.t.Helper()
	_, c, project := setup(w.t, p.Site, &p.out)
	w.jar, w.project = c.HTTP.Jar, project
	c.Post(project+"/storage/buckets", bucketForm("crash", "the bucket")).Want(http.StatusSeeOther)
	do := func(d *deed) {
		w.pending = d
		if err := w.finish(p); err != nil {
			w.t.Fatal(d, err)
		}
	}
	do(w.load("keyed"))
	do(w.upsert()) // sets the key
	do(w.load("steady"))
	start := time.Now()
	for _, kind := range targets {
		if d := w.deeds()[kind](); d.system == nil {
			do(d)
		}
	}
	w.deedsIn = time.Since(start) / time.Duration(len(targets))
	w.listen(p)
	w.t.Logf("a deed takes about %s, its job %v", w.deedsIn.Round(time.Millisecond), w.lasts)
}

// TestCrashOperations kills the program again and again while people load, upsert, revert,
// keep, restore, copy, delete, drop and export, and while it compacts and sweeps: at any
// time, and inside the stage and the flip of commits. After each kill everything is exactly
// as it was before the deed that was under way, or as that deed makes it, whichever its job
// says; the sums are right, and nothing that was acknowledged is lost; after each start
// the deed goes on.
//
// STEWARD_CRASH_KILLS sets the number of kills at least, STEWARD_CRASH_SEED repeats a run as far
// as time allows.
func TestCrashOperations(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		data := t.TempDir()
		crashOperations(t, data, "sqlite:"+filepath.Join(data, "steward.db"), 24)
	})
	t.Run("PostgreSQL", func(t *testing.T) { crashOperations(t, t.TempDir(), postgres(t), 8) })
}

func crashOperations(t *testing.T, data, dsn string, otherwise uint64) {
	t.Helper()
	kills := int(crashSetting(t, "STEWARD_CRASH_KILLS", otherwise))
	seed := crashSetting(t, "STEWARD_CRASH_SEED", uint64(time.Now().UnixNano()))
	t.Logf("STEWARD_CRASH_SEED=%d", seed)
	w := &crashWorld{t: t, rng: rand.New(rand.NewPCG(seed, 2)), data: data, dsn: dsn, ledger: ledger{tables: map[string]*crashTable{}},
		known: map[int64]bool{}, lasts: map[string]time.Duration{}, done: map[string]int{}, landed: map[string]int{}, inside: map[string]int{}}
	p := launchServe(t, data, "--db", dsn)
	w.begin(p)
	var shots []shot
	// Few kills may miss all commits: it goes on until enough of them hit one.
	for w.round = 1; w.round <= kills || 3*w.hits() < w.round-1 && w.round <= 4*kills; w.round++ {
		if len(shots) == 0 {
			shots = w.shots()
		}
		w.kill(p, shots[0])
		shots = shots[1:]
		p = launchServe(t, data, "--db", dsn)
		if w.interrupted {
			w.goesOn(p)
		}
		// Now and then the program is killed again while it makes up for the last kill.
		if w.pending != nil && w.rng.IntN(4) > 0 {
			if err := w.finish(p); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.end(p)
	kills = w.round - 1
	t.Logf("%d kills, %d inside commits: %v; they landed in %v; done were %v; %d answers were lost whose effect stands", kills, w.hits(), w.inside, w.landed, w.done, w.lost)
	if 3*w.hits() < kills {
		t.Errorf("only %d of %d kills landed inside a commit; a third is needed", w.hits(), kills)
	}
}

// hits is how many kills landed inside a commit.
func (w *crashWorld) hits() (n int) {
	for _, of := range w.inside {
		n += of
	}
	return n
}

// kill works until the program is killed, examines what that left and notes where it
// landed.
func (w *crashWorld) kill(p *process, s shot) {
	w.t.Helper()
	w.work(p, s)
	if w.t.Failed() { // what ended the work was no kill
		p.kill()
		w.t.FailNow()
	}
	if err := w.until(p, "the program is gone", func() bool { return false }); errors.Is(err, errWrong) {
		w.t.FailNow()
	}
	w.listen(p)
	during := "nothing"
	if w.pending != nil {
		during = w.pending.kind
	}
	place, job := where(p), w.examine()
	if w.t.Failed() {
		w.t.Fatalf("kill %d, aimed at %s of %s, landed in %s after %q, its job was %q", w.round, s.at, s.target, during, place, job)
	}
	p.forget()
	switch {
	case place == string(inStage), place == string(inFlip):
		w.inside[during]++
	case job == "":
		place = "no job"
	default:
		place = "a job that is " + job
	}
	w.landed[place]++
	w.interrupted = job == "processing"
}

// end finishes what is pending, sweeps, and examines everything.
func (w *crashWorld) end(p *process) {
	w.t.Helper()
	if w.pending == nil {
		w.pending = w.sweep()
	}
	for range 2 {
		if err := w.finish(p); err != nil {
			w.t.Fatal(err)
		}
		w.pending = w.sweep()
	}
	w.pending = nil
	if err := w.until(p, "no job is left", w.idle); err != nil {
		w.t.Fatal(err)
	}
	p.stop(10 * time.Second)
	w.listen(p)
	w.whole = true
	w.examine()
}

// goesOn checks that the start gave the pending job back, and said so.
func (w *crashWorld) goesOn(p *process) {
	w.t.Helper()
	c, job := p.client(w.jar), fmt.Sprintf("%s/storage/jobs/%d", w.project, w.pending.id)
	start := time.Now()
	for !strings.Contains(logOf(c, job), "Interrupted") {
		if time.Since(start) > 5*time.Second {
			w.t.Fatalf("%s does not say that it was interrupted:\n%s", job, logOf(c, job))
		}
		time.Sleep(10 * time.Millisecond)
	}
}
