package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"steward/internal/access"
	"steward/internal/app"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/storage/engine"
	"steward/views/paths"
)

// smallLoads is how many loads a table has had.
const smallLoads = 1000

// many measures how a table opens that many small loads were put into: one after the
// other, and all of them waiting at once. The program compacts the table between them.
func (b *bench) many(ctx context.Context) ([]Row, error) {
	b.say("loading %d times", smallLoads)
	calm, _, err := b.smallLoads(ctx, "calm", 1)
	if err != nil {
		return nil, err
	}
	b.say("loading %d times at once", smallLoads)
	burst, took, err := b.smallLoads(ctx, "burst", smallLoads)
	if err != nil {
		return nil, err
	}
	came, waited := Series{}, Series{}
	for range b.rounds {
		if err := errors.Join(b.openByService(ctx, calm, came), b.openByPage(ctx, calm, came), b.openByService(ctx, burst, waited)); err != nil {
			return nil, err
		}
	}
	row := func(when, how string, s Series) Row {
		return Row{What: fmt.Sprintf("table of %d small loads%s: %s", smallLoads, when, how), Unit: "ms", Steward: s[how], Compare: Figure, Want: 10}
	}
	const atOnce = " that waited at once"
	return []Row{
		row("", byService+firstTime, came), row("", byService, came), row("", byPage+firstTime, came), row("", byPage, came),
		row(atOnce, byService+firstTime, waited), row(atOnce, byService, waited),
		{What: fmt.Sprintf("each of %d small loads%s", smallLoads, atOnce), Unit: "ms", Steward: took},
	}, nil
}

// smallLoads makes a folder with a table that was loaded into, so many times at once until
// it was often enough, and tells how long a load took.
func (b *bench) smallLoads(ctx context.Context, folder string, atOnce int) (w world, took Samples, err error) {
	w, err = b.makeFolder(ctx, folder, 1, func(a *app.App, s access.Project) error {
		start := time.Now()
		for done := 0; done < smallLoads; done += atOnce {
			for range atOnce {
				if err := startLoad(ctx, a, s, bytes.NewReader(tiny(3)), bucket, "orders", true); err != nil {
					return err
				}
			}
			if err := drain(ctx, a); err != nil {
				return err
			}
		}
		took = Samples{milliseconds(time.Since(start)) / smallLoads}
		return nil
	})
	return w, took, err
}

// drain runs the jobs of people and of the system, which wait for each other, until none
// is left.
func drain(ctx context.Context, a *app.App) error {
	for left := true; left; {
		if err := errors.Join(a.Jobs.Drain(ctx, jobs.Storage), a.Jobs.Drain(ctx, jobs.System)); err != nil {
			return err
		}
		err := a.DB.View(ctx, func(tx *db.Tx) (err error) {
			left, err = db.Value[bool](tx, "SELECT EXISTS (SELECT 1 FROM jobs WHERE state = 'waiting' AND class = 'storage')")
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// How a table is opened: for the first time in a process, which then remembers what the
// table's metadata says, and again.
const (
	byService = "service"
	byPage    = "page"
	firstTime = ", first time"
)

// again is how often a table is opened after the first time.
const again = 10

func (b *bench) openByService(ctx context.Context, w world, out Series) (err error) {
	a, err := b.open(ctx, w.data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	how := byService + firstTime
	for range 1 + again {
		took, err := previewOf(ctx, a, w.project, engine.Query{})
		if err != nil {
			return err
		}
		out.add(how, milliseconds(took))
		how = byService
	}
	return nil
}

func (b *bench) openByPage(ctx context.Context, w world, out Series) (err error) {
	s, err := b.serve(ctx, w.data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	time.Sleep(settle) // at its start a server does what was due meanwhile
	br, err := b.signIn(ctx, s)
	if err != nil {
		return err
	}
	how := byPage + firstTime
	for range 1 + again {
		took, err := br.time(ctx, paths.TablePreview(w.project, table))
		if err != nil {
			return err
		}
		out.add(how, milliseconds(took))
		how = byPage
	}
	return nil
}
