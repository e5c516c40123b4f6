package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"steward/internal/access"
	"steward/internal/app"
	"steward/internal/jobs"
	"steward/internal/storage/engine"
	"steward/views/paths"
)

// How many loads a table has had: one after the other, and all at once. Of these each
// reads what the ones before it left, so that many more would take very long.
const (
	smallLoads = 1000
	burstLoads = 100
)

// many measures how a table opens that many small loads were put into. Where they come
// one after the other, the program compacts the table between them. Where all wait at
// once, it does so behind the last one: then the table is opened before and after.
func (b *bench) many(ctx context.Context) ([]Row, error) {
	b.say("loading %d times", smallLoads)
	calm, err := b.makeFolder(ctx, "calm", 1, func(a *app.App, s access.Project) error {
		for range smallLoads {
			if err := errors.Join(startLoad(ctx, a, s, bytes.NewReader(tiny(3)), bucket, "orders", true), a.Jobs.Drain(ctx, jobs.Storage), a.Jobs.Drain(ctx, jobs.System)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	b.say("loading %d times at once", burstLoads)
	burst, err := b.makeFolder(ctx, "burst", 1, func(a *app.App, s access.Project) error {
		for range burstLoads {
			if err := startLoad(ctx, a, s, bytes.NewReader(tiny(3)), bucket, "orders", true); err != nil {
				return err
			}
		}
		return a.Jobs.Drain(ctx, jobs.Storage)
	})
	if err != nil {
		return nil, err
	}
	came, before, after := Series{}, Series{}, Series{}
	for range b.rounds {
		if err := errors.Join(b.openByService(ctx, calm, came), b.openByPage(ctx, calm, came), b.openByService(ctx, burst, before)); err != nil {
			return nil, err
		}
	}
	if err := b.compact(ctx, burst); err != nil {
		return nil, err
	}
	for range b.rounds {
		if err := b.openByService(ctx, burst, after); err != nil {
			return nil, err
		}
	}
	row := func(loads int, when, how string, s Series) Row {
		return Row{What: fmt.Sprintf("table of %d small loads%s: %s", loads, when, how), Unit: "ms", Steward: s[how], Compare: Figure, Want: 10}
	}
	const early, late = " at once, before compaction", " at once, after compaction"
	return []Row{
		row(smallLoads, "", byService+firstTime, came), row(smallLoads, "", byService, came), row(smallLoads, "", byPage+firstTime, came), row(smallLoads, "", byPage, came),
		row(burstLoads, early, byService+firstTime, before), row(burstLoads, early, byService, before),
		row(burstLoads, late, byService+firstTime, after), row(burstLoads, late, byService, after),
	}, nil
}

// compact does the work that the system gave itself.
func (b *bench) compact(ctx context.Context, w world) error {
	a, err := b.open(ctx, w.data)
	if err != nil {
		return err
	}
	return errors.Join(a.Jobs.Drain(ctx, jobs.System), a.Close())
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
