package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"steward/views/paths"
)

// Bounds of asking for pages.
const (
	connections = 8
	warm        = 500 * time.Millisecond
	askFor      = 3 * time.Second
)

// compressed marks the name of a page that is asked for as browsers do, with gzip.
const compressed = ", compressed"

// twin is a page of the world, and the bare one that renders the same.
type twin struct{ name, path, bare string }

func (w world) pages() []twin {
	return []twin{
		{"projects", paths.Projects(), "/projects"},
		{"overview", paths.Project(w.project), "/overview"},
		{"storage", paths.Storage(w.project), "/storage"},
		{"jobs", paths.StorageJobs(w.project), "/jobs"},
		{"columns of a table", paths.Table(w.project, table), "/columns"},
		{"preview of a table", paths.TablePreview(w.project, table), "/preview"},
	}
}

// pages measures how many signed-in pages a second the program answers, beside handlers
// that only render the same components, and the processor time of one page.
func (b *bench) pages(ctx context.Context) ([]Row, error) {
	w, err := b.world()
	if err != nil {
		return nil, err
	}
	s, br, err := b.enter(ctx, w.data)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.stop() }()
	bare, err := b.serveBareApart(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = bare.stop() }()
	var out []Row
	asked := w.pages()
	last := asked[len(asked)-1]
	last.name += compressed
	for _, p := range append(asked, last) {
		ours, base := Series{}, Series{}
		for range b.rounds {
			o := Order{Address: s.address, Path: p.path, Cookie: br.cookie(), Gzip: strings.HasSuffix(p.name, compressed), Connections: connections, Warm: warm, For: askFor}
			if err := b.ask(ctx, s, o, ours); err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
			o.Address, o.Path = bare.address, p.bare
			if err := b.ask(ctx, bare, o, base); err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
		}
		what := fmt.Sprintf("page %s (%s kB, bare %s kB): ", p.name, figure(ours["size"].Median()), figure(base["size"].Median()))
		out = append(out, Row{What: what + "requests in a second", Steward: ours["rate"], Baseline: base["rate"], Compare: Rate, Want: 0.25},
			Row{What: what + "processor time of one", Unit: "ms", Steward: ours["cost"], Baseline: base["cost"], Compare: Share})
	}
	return out, nil
}

// ask lets the load generator work, and adds the requests in a second, the processor
// time of the server for each, and the size of a page.
func (b *bench) ask(ctx context.Context, s *server, o Order, out Series) error {
	order, err := json.Marshal(o)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, b.self, "-role", "generate")
	var answer, complaint bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(order), &answer, &complaint
	_, spent, err := s.spend(cmd.Run)
	if err != nil {
		return fmt.Errorf("%w: %s", err, complaint.Bytes())
	}
	var a Answer
	if err := json.Unmarshal(answer.Bytes(), &a); err != nil {
		return err
	}
	out.add("rate", float64(a.Requests)/o.For.Seconds())
	out.add("cost", spent*1000/float64(a.All))
	out.add("size", a.Bytes/1000)
	return nil
}
