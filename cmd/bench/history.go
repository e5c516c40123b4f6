package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"steward/internal/access"
	"steward/internal/app"
	"steward/views/paths"
)

// history measures what is done with a large table's past: keeping a version by a
// snapshot, bringing it back and bringing another version back, and how soon the rows
// that came back are seen. The time does not depend on how many rows there are.
func (b *bench) history(ctx context.Context) ([]Row, error) {
	w, err := b.makeHistory(ctx)
	if err != nil {
		return nil, err
	}
	s, br, err := b.enter(ctx, w.data)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.stop() }()
	took := Series{}
	done := func(what string) error {
		t, err := br.job(ctx, w.project, 0)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		took.add(what, milliseconds(t.took()))
		page, err := br.time(ctx, paths.TablePreview(w.project, table))
		took.add("preview", milliseconds(page))
		return err
	}
	for range 4 * b.rounds {
		snapshot, err := br.snapshot(ctx, w.project)
		if err := errors.Join(err, done("snapshot")); err != nil {
			return nil, err
		}
		if err := errors.Join(br.revert(ctx, w.project, 1), done("revert")); err != nil {
			return nil, err
		}
		if err := errors.Join(br.restore(ctx, w.project, snapshot), done("restore")); err != nil {
			return nil, err
		}
	}
	return []Row{
		{What: "snapshot: job", Unit: "ms", Steward: took["snapshot"], Compare: Figure, Want: 10},
		{What: "restore of a snapshot: job", Unit: "ms", Steward: took["restore"], Compare: Figure, Want: 10},
		{What: "revert to a version: job", Unit: "ms", Steward: took["revert"], Compare: Figure, Want: 10},
		{What: "preview right after: page", Unit: "ms", Steward: took["preview"], Compare: Figure, Want: 15},
	}, nil
}

// makeHistory makes a folder whose large table has a second version, with some rows more.
func (b *bench) makeHistory(ctx context.Context) (world, error) {
	name, err := b.orders()
	if err != nil {
		return world{}, err
	}
	more := filepath.Join(b.dir, "more.csv")
	if err := writeOrders(more, 100); err != nil {
		return world{}, err
	}
	return b.makeFolder(ctx, "history", 1, func(a *app.App, s access.Project) error {
		for _, l := range []struct {
			name   string
			adding bool
		}{{name, false}, {more, true}} {
			f, err := os.Open(l.name)
			if err != nil {
				return err
			}
			if err := errors.Join(loadInto(ctx, a, s, f, bucket, "orders", l.adding), f.Close()); err != nil {
				return err
			}
		}
		return nil
	})
}

// snapshot makes a snapshot of the large table and gives its number.
func (b *browser) snapshot(ctx context.Context, project int64) (int64, error) {
	if _, err := b.send(ctx, paths.TableSnapshots(project, table), url.Values{"description": {"Before the revert"}}); err != nil {
		return 0, err
	}
	var list []struct {
		ID int64 `json:"id"`
	}
	if err := b.list(ctx, paths.TableSnapshots(project, table), &list); err != nil {
		return 0, err
	}
	if len(list) == 0 {
		return 0, errors.New("the table has no snapshot")
	}
	return list[0].ID, nil
}

// revert brings a version of the large table back.
func (b *browser) revert(ctx context.Context, project, version int64) error {
	return b.back(ctx, project, paths.VersionRevert(project, table, version))
}

// restore brings a snapshot of the large table back.
func (b *browser) restore(ctx context.Context, project, snapshot int64) error {
	return b.back(ctx, project, paths.SnapshotRestore(project, table, snapshot))
}

// back sends a form that brings a state of the large table back. It names the version
// that the person saw.
func (b *browser) back(ctx context.Context, project int64, path string) error {
	var list []struct {
		Version int64 `json:"version"`
	}
	if err := b.list(ctx, paths.TableVersions(project, table), &list); err != nil {
		return err
	}
	if len(list) == 0 {
		return errors.New("the table has no version")
	}
	_, err := b.send(ctx, path, url.Values{"from": {fmt.Sprint(list[0].Version)}})
	return err
}
