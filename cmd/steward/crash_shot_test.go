//go:build crash

package main

import (
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// aim is the moment at which a program is killed: what it last said, or any time.
type aim string

const (
	anyTime aim = "any time"
	inJob   aim = "job: run"
	inStage aim = "commit: stage"
	inFlip  aim = "commit: flip"
)

// shot is a kill that is to come.
type shot struct {
	target string // the kind of deed
	at     aim
	after  int // deeds before it
}

// shots are all that is aimed at, in a random order.
func (w *crashWorld) shots() (list []shot) {
	for _, kind := range targets {
		at := []aim{inStage, inFlip, inJob, anyTime}
		switch kind {
		case "sweep": // it commits nothing
			at = []aim{inJob, inJob}
		case "drop", "export": // they stage nothing
			at = []aim{inFlip, inJob, anyTime}
		}
		for _, a := range at {
			list = append(list, shot{kind, a, w.rng.IntN(3)})
		}
	}
	w.rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// shoot kills the program: at any time within what a deed takes, or a moment after it
// says that it is at a certain point of its work.
func (w *crashWorld) shoot(p *process, at aim, operation string) {
	delay := between(w.rng, 2*w.deedsIn)
	switch at {
	case anyTime:
		time.AfterFunc(delay, func() { _ = p.cmd.Process.Kill() })
		return
	case inJob:
		delay = between(w.rng, w.lasts[operation]+2*time.Millisecond)
	case inStage:
		delay = between(w.rng, 4*time.Millisecond)
	case inFlip:
		delay = between(w.rng, 2*time.Millisecond)
	}
	var once sync.Once
	p.watch(func(l line) {
		if aim(l.Msg) == at && (l.Operation == "" || l.Operation == operation) {
			once.Do(func() {
				time.Sleep(delay)
				_ = p.cmd.Process.Kill()
			})
		}
	})
}

// listen reads in the log how long jobs last, and that nothing failed.
func (w *crashWorld) listen(p *process) {
	w.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	began := map[int64]time.Time{}
	for _, l := range p.lines {
		if l.Level == slog.LevelError.String() {
			w.t.Errorf("the log says %s", l.raw)
		}
		switch l.Msg {
		case "job: run":
			began[l.Job] = l.Time
		case "job: ran":
			w.lasts[l.Operation] = (w.lasts[l.Operation] + l.Time.Sub(began[l.Job])) / 2
		}
	}
}

// where tells what the program last said about a commit before it was killed.
func where(p *process) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range slices.Backward(p.lines) {
		if strings.HasPrefix(l.Msg, "commit: ") {
			return l.Msg
		}
	}
	return "no commit"
}

// between is a random time below d.
func between[D ~int64](rng *rand.Rand, d D) D { return D(rng.Int64N(int64(max(d, 1)))) }
