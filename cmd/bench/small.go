package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// small measures loads that are over at once: what remains is the way through the queue.
// Each makes a new table.
func (b *bench) small(ctx context.Context) ([]Row, error) {
	w, err := b.makeFolder(ctx, "small", 1, nil)
	if err != nil {
		return nil, err
	}
	s, br, err := b.enter(ctx, w.data)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.stop() }()
	csv, file := filepath.Join(b.dir, "prices.csv"), filepath.Join(b.dir, "small.sqlite")
	if err := os.WriteFile(csv, tiny(3), 0o600); err != nil {
		return nil, err
	}
	var wait, run, seen, shell Samples
	for i := range 5 * b.rounds {
		uploaded, err := br.upload(ctx, w.project, csv)
		if err != nil {
			return nil, err
		}
		start := time.Now()
		job, err := br.load(ctx, w.project, uploaded, fmt.Sprintf("prices_%d", i), nil)
		if err != nil {
			return nil, err
		}
		if err := br.watch(ctx, w.project, job); err != nil {
			return nil, err
		}
		seen = append(seen, milliseconds(time.Since(start)))
		t, err := br.job(ctx, w.project, job)
		if err != nil {
			return nil, err
		}
		wait, run = append(wait, milliseconds(t.Started.Sub(t.Created))), append(run, milliseconds(t.took()))
		u, err := b.sqliteImport(ctx, file, csv, fmt.Sprintf("prices_%d", i))
		if err != nil {
			return nil, err
		}
		shell = append(shell, u.wall*1000)
	}
	return []Row{
		{What: "load of 3 rows: from asking to start", Unit: "ms", Steward: wait},
		{What: "load of 3 rows: job", Unit: "ms", Steward: run, Baseline: shell},
		{What: "load of 3 rows: from the button to the end on the job's page", Unit: "ms", Steward: seen, Baseline: shell},
	}, nil
}
