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

// smallLoads is how many loads the table of many loads has had.
const smallLoads = 1000

// many measures how a table opens that many small loads were put into: as they left it,
// and after the compaction that the program does by itself meanwhile. The loads run in
// this process, which does the work of people only as long as it is not asked for the
// system's.
func (b *bench) many(ctx context.Context) ([]Row, error) {
	b.say("loading %d times", smallLoads)
	w, err := b.makeFolder(ctx, "many", 1, func(a *app.App, s access.Project) error {
		for range smallLoads {
			if err := loadInto(ctx, a, s, bytes.NewReader(tiny(3)), bucket, "orders", true); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	before, after := Series{}, Series{}
	for range b.rounds {
		if err := b.openByService(ctx, w, before); err != nil {
			return nil, err
		}
	}
	if err := b.compact(ctx, w); err != nil {
		return nil, err
	}
	for range b.rounds {
		if err := errors.Join(b.openByService(ctx, w, after), b.openByPage(ctx, w, after)); err != nil {
			return nil, err
		}
	}
	row := func(when, how string, s Series) Row {
		return Row{What: fmt.Sprintf("table of %d small loads, %s compaction: %s", smallLoads, when, how), Unit: "ms", Steward: s[how], Compare: Figure, Want: 10}
	}
	return []Row{
		row("before", byService+firstTime, before), row("before", byService, before),
		row("after", byService+firstTime, after), row("after", byService, after),
		row("after", byPage+firstTime, after), row("after", byPage, after),
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
