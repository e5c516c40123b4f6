package main

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"

	"steward/internal/storage"
	"steward/views/paths"
)

// export measures how the large table becomes a file, beside what SQLite's shell writes
// of the same rows.
func (b *bench) export(ctx context.Context) ([]Row, error) {
	w, err := b.world()
	if err != nil {
		return nil, err
	}
	file, err := b.imported()
	if err != nil {
		return nil, err
	}
	s, br, err := b.enter(ctx, w.data)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.stop() }()
	formats := []storage.Format{storage.FormatCSV, storage.FormatGzip, storage.FormatParquet}
	ours, sqlite := Series{}, Series{}
	for range b.rounds {
		for _, f := range formats {
			t, spent, err := br.run(ctx, s, w.project, func() (int64, error) {
				return br.start(ctx, paths.TableExport(w.project, table), url.Values{"format": {string(f)}})
			})
			if err != nil {
				return nil, err
			}
			ours.add(string(f), t.took().Seconds())
			ours.add(string(f)+" cpu", spent)
		}
		u, err := b.sqliteExport(ctx, file)
		if err != nil {
			return nil, err
		}
		sqlite.addUsage(u)
	}
	out := []Row{
		{What: "export, csv: job", Unit: "s", Steward: ours["csv"], Baseline: sqlite["wall"], Want: 2.5},
		{What: "export, csv: processor time of the job", Unit: "s", Steward: ours["csv cpu"], Baseline: sqlite["cpu"], Compare: Share},
	}
	for _, f := range formats[1:] {
		out = append(out, Row{What: "export, " + string(f) + ": job", Unit: "s", Steward: ours[string(f)]},
			Row{What: "export, " + string(f) + ": processor time of the job", Unit: "s", Steward: ours[string(f)+" cpu"]})
	}
	return append(out, Row{What: "export: most memory of the server", Unit: "MB", Steward: Samples{memory(s.pid(), "VmHWM")}, Baseline: sqlite["peak"], Compare: Figure, Want: 300}), nil
}

// sqliteExport lets SQLite's shell write the large table into a CSV file. It does not
// sync it.
func (b *bench) sqliteExport(ctx context.Context, file string) (usage, error) {
	name := filepath.Join(b.dir, "export.csv")
	out, err := os.Create(name)
	if err != nil {
		return usage{}, err
	}
	defer func() {
		_ = out.Close()
		_ = os.Remove(name)
	}()
	cmd := exec.CommandContext(ctx, "sqlite3", "-batch", "-csv", file, "SELECT * FROM orders")
	cmd.Stdout = out
	return timedCommand(cmd)
}
