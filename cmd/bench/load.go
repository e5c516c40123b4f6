package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"steward/internal/storage/blob"
	"steward/internal/storage/csv"
	"steward/internal/storage/engine"
)

// load measures how a large CSV file becomes a table: the whole way through a server on
// a fresh folder, and by the engine alone, beside SQLite's shell.
func (b *bench) load(ctx context.Context) ([]Row, error) {
	name, err := b.orders()
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	size := float64(info.Size())
	ours, alone, sqlite := Series{}, Series{}, Series{}
	for round := range b.rounds {
		if err := b.loadThrough(ctx, fmt.Sprintf("load-%d", round), name, size, nil, ours); err != nil {
			return nil, err
		}
		file, dir := filepath.Join(b.dir, "import.sqlite"), filepath.Join(b.dir, "engine")
		u, err := b.sqliteImport(ctx, file, name, "orders")
		if err != nil {
			return nil, err
		}
		sqlite.addUsage(u)
		held, err := os.Stat(file)
		if err != nil {
			return nil, err
		}
		sqlite.add("share", float64(held.Size())/size)
		if u, err = timed(ctx, nil, b.self, "-role", "engine", name, dir); err != nil {
			return nil, err
		}
		alone.addUsage(u)
		if err := errors.Join(os.Remove(file), os.RemoveAll(dir)); err != nil {
			return nil, err
		}
	}
	return []Row{
		{What: "load: job", Unit: "s", Steward: ours["job"], Baseline: sqlite["wall"], Want: 2.5},
		{What: "load: processor time of the job", Unit: "s", Steward: ours["job cpu"], Baseline: sqlite["cpu"], Compare: Share, Want: 0.75},
		{What: "load: upload before it", Unit: "s", Steward: ours["upload"]},
		{What: "load: processor time of the upload", Unit: "s", Steward: ours["upload cpu"]},
		{What: "load: upload and job", Unit: "s", Steward: ours["both"], Baseline: sqlite["wall"]},
		{What: "load: most memory of the server", Unit: "MB", Steward: ours["peak"], Baseline: sqlite["peak"], Compare: Figure, Want: 300},
		{What: fmt.Sprintf("load: size on disk ÷ size of the CSV (%.0f MB)", size/1e6), Steward: ours["share"], Baseline: sqlite["share"], Compare: Figure, Want: 0.25},
		{What: "load by the engine alone", Unit: "s", Steward: alone["wall"], Baseline: sqlite["wall"]},
		{What: "load by the engine alone: processor time", Unit: "s", Steward: alone["cpu"], Baseline: sqlite["cpu"], Compare: Share},
		{What: "load by the engine alone: most memory", Unit: "MB", Steward: alone["peak"], Baseline: sqlite["peak"], Compare: Share},
	}, nil
}

// keyed measures how the same file becomes a table with a primary key.
func (b *bench) keyed(ctx context.Context) ([]Row, error) {
	name, err := b.orders()
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	ours, sqlite := Series{}, Series{}
	for round := range b.rounds {
		if err := b.loadThrough(ctx, fmt.Sprintf("keyed-%d", round), name, float64(info.Size()), url.Values{"key": {ordersKey}}, ours); err != nil {
			return nil, err
		}
		file := filepath.Join(b.dir, "keyed.sqlite")
		u, err := b.sqliteKeyed(ctx, file, name)
		if err = errors.Join(err, os.Remove(file)); err != nil {
			return nil, err
		}
		sqlite.addUsage(u)
	}
	return []Row{
		{What: "keyed load: job", Unit: "s", Steward: ours["job"], Baseline: sqlite["wall"], Want: 3},
		{What: "keyed load: processor time of the job", Unit: "s", Steward: ours["job cpu"], Baseline: sqlite["cpu"], Compare: Share},
		{What: "keyed load: most memory of the server", Unit: "MB", Steward: ours["peak"], Baseline: sqlite["peak"], Compare: Figure, Want: 300},
	}, nil
}

// loadThrough loads a file as a person does, through a new server on a new folder, and
// adds what it took.
func (b *bench) loadThrough(ctx context.Context, folder, name string, size float64, fields url.Values, out Series) error {
	w, err := b.makeFolder(ctx, folder, 1, nil)
	if err != nil {
		return err
	}
	s, br, err := b.enter(ctx, w.data)
	if err != nil {
		return err
	}
	defer func() {
		_ = s.stop()
		_ = os.RemoveAll(w.data)
	}()
	var file int64
	upload, uploadCPU, err := s.spend(func() (err error) { file, err = br.upload(ctx, w.project, name); return err })
	if err != nil {
		return err
	}
	t, jobCPU, err := br.run(ctx, s, w.project, func() (int64, error) { return br.load(ctx, w.project, file, "orders", fields) })
	if err != nil {
		return err
	}
	held, err := sizeOf(filepath.Join(w.data, "store", "tables"))
	took := t.took().Seconds()
	out.add("upload", upload)
	out.add("upload cpu", uploadCPU)
	out.add("job", took)
	out.add("job cpu", jobCPU)
	out.add("both", upload+took)
	out.add("peak", memory(s.pid(), "VmHWM"))
	out.add("share", held/size)
	return err
}

// sizeOf is the bytes of all files in a folder.
func sizeOf(dir string) (total float64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		total += float64(info.Size())
		return err
	})
	return total, err
}

// loadByEngine is the role of the engine alone: it loads a CSV file into a new table in
// a new folder.
func loadByEngine(ctx context.Context, name, dir string) error {
	store, err := blob.OpenLocal(dir)
	if err != nil {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	source, err := csv.NewReader(f, csv.DefaultDialect())
	if err != nil {
		return err
	}
	_, err = engine.New(store, engine.Options{}).Load(ctx, engine.Load{Folder: "tables/1", Source: source, Job: 1, Time: time.Now()})
	return err
}
