package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/app"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/web"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		samples Samples
		want    float64
	}{{nil, 0}, {Samples{3}, 3}, {Samples{9, 1, 5}, 5}, {Samples{4, 1, 2, 9}, 3}} {
		if got := c.samples.Median(); got != c.want {
			t.Errorf("%v: %v, want %v", c.samples, got, c.want)
		}
	}
}

// TestTable writes one row of each kind of comparison.
func TestTable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := write(&out, []Row{
		{What: "load", Unit: "s", Steward: Samples{1, 0.5, 2}, Baseline: Samples{3}, Want: 2.5},
		{What: "pages", Steward: Samples{100}, Baseline: Samples{500}, Compare: Rate, Want: 0.25},
		{What: "processor", Unit: "s", Steward: Samples{3}, Baseline: Samples{4}, Compare: Share, Want: 0.75},
		{What: "memory", Unit: "MB", Steward: Samples{1234.5}, Compare: Figure, Want: 300},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `| Measurement | Steward | Baseline | Ratio | Wanted |
|---|---|---|---|---|
| load | 1 s (0.5–2) | 3 s (3–3) | 3 × | ≥ 2.5 ×, met |
| pages | 100 (100–100) | 500 (500–500) | 0.2 × | ≥ 0.25 ×, **not met** |
| processor | 3 s (3–3) | 4 s (4–4) | 0.75 × | ≤ 0.75 ×, met |
| memory | 1234 MB (1234–1234) | – | – | ≤ 300 MB, **not met** |
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}

// TestOrders reads the large file with the standard library.
func TestOrders(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	if err := orders(&file, 100_000); err != nil {
		t.Fatal(err)
	}
	if perRow := file.Len() / 100_000; perRow < 100 || perRow > 130 {
		t.Errorf("a row has %d bytes", perRow)
	}
	rows, err := csv.NewReader(&file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	rare := 0
	for _, r := range rows {
		if strings.Contains(r[7], recalled) {
			rare++
		}
	}
	if len(rows) != 100_001 || len(rows[0]) != 8 || rare != 2 {
		t.Errorf("%d rows of %d columns, %d of them rare", len(rows), len(rows[0]), rare)
	}
}

// TestTwins makes a small world and compares its pages with the bare ones: those that
// render something else are no measure.
func TestTwins(t *testing.T) {
	t.Parallel()
	b := testBench(t)
	w, err := b.world()
	if err != nil {
		t.Fatal(err)
	}
	a, err := b.open(t.Context(), w.data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	handler, err := web.New(a)
	if err != nil {
		t.Fatal(err)
	}
	served := httptest.NewServer(handler)
	t.Cleanup(served.Close)
	br, err := b.signIn(t.Context(), &server{address: strings.TrimPrefix(served.URL, "http://")})
	if err != nil {
		t.Fatal(err)
	}
	m, err := newModels()
	if err != nil {
		t.Fatal(err)
	}
	bare := m.pages()
	for _, p := range w.pages() {
		got, err := br.get(t.Context(), p.path)
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		if err := bare[p.bare].Render(t.Context(), &want); err != nil {
			t.Fatal(err)
		}
		if ratio := float64(want.Len()) / float64(len(got)); ratio < 0.98 || ratio > 1.02 {
			t.Errorf("page %s has %d bytes, the bare one %d", p.name, len(got), want.Len())
		}
	}
}

// TestMixes counts which rows come into a table.
func TestMixes(t *testing.T) {
	t.Parallel()
	const rows = 1000
	var file bytes.Buffer
	if err := orders(&file, rows); err != nil {
		t.Fatal(err)
	}
	there := strings.Split(strings.TrimSpace(file.String()), "\n")
	for _, m := range mixes(rows) {
		var out bytes.Buffer
		if err := m.write(&out, strings.NewReader(file.String())); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		var fresh, same, changed int
		for _, line := range lines[1:] {
			id, _, _ := strings.Cut(line, ",")
			switch n, err := strconv.Atoi(id); {
			case err != nil:
				t.Fatal(err)
			case n > rows:
				fresh++
			case line == there[n]:
				same++
			default:
				changed++
			}
		}
		if lines[0] != ordersHeader || len(lines) != 1+len(m.ids) || len(m.ids) != 100 {
			t.Errorf("%s: header %s, %d lines", m.name, lines[0], len(lines))
		}
		want := [3]int{50, 0, 50}
		if !m.clustered {
			want = [3]int{10, 30, 60}
		}
		for i, got := range [3]int{fresh, same, changed} {
			if got < want[i]-15 || got > want[i]+15 || m.clustered && got != want[i] {
				t.Errorf("%s: %d new, %d the same, %d changed", m.name, fresh, same, changed)
			}
		}
	}
}

// TestHadJobs writes the jobs of the smaller project into a database and looks at them.
func TestHadJobs(t *testing.T) {
	t.Parallel()
	b := testBench(t)
	h := hadJobs{n: fewJobs, end: time.Now()}
	w, err := b.makeFolder(t.Context(), "jobs", 1, func(a *app.App, s access.Project) error {
		h.project, h.branch = s.ID(), s.Branch()
		return a.DB.Update(t.Context(), func(tx *db.Tx) error {
			for _, statement := range h.statements() {
				if _, err := tx.Exec(statement); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	a, err := b.open(t.Context(), w.data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	had := jobWorld{world: w, app: a}
	for _, l := range jobLooks(h.middle()) {
		if _, err := had.list(t.Context(), l); err != nil {
			t.Errorf("%s: %v", l.name, err)
		}
	}
	err = a.DB.View(t.Context(), func(tx *db.Tx) error {
		scope, err := enter(tx, a, w.project)
		if err != nil {
			return err
		}
		list, err := a.Jobs.List(tx, scope, jobs.Filter{Before: h.middle(), Limit: fewJobs})
		if len(list) != fewJobs/2-1 {
			t.Errorf("%d jobs are behind the middle", len(list))
		}
		indexes, err2 := jobIndexes(tx)
		if len(indexes) < 10 {
			t.Errorf("only %d indexes are made anew", len(indexes))
		}
		return errors.Join(err, err2)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNames: what can be measured alone is told by the help and in the documentation.
func TestNames(t *testing.T) {
	t.Parallel()
	var help bytes.Buffer
	if err := run(t.Context(), []string{"-h"}, nil, io.Discard, &help); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	names := new(bench).names()
	if !strings.Contains(help.String(), names) || !strings.Contains(string(text), names) {
		t.Errorf("%s: not in the help, or not in the documentation", names)
	}
	for _, m := range new(bench).measurements() {
		if !strings.Contains(string(text), "\n**"+m.name+"** ") {
			t.Errorf("the documentation does not say what %s measures", m.name)
		}
	}
	if err := run(t.Context(), []string{"-only", "nothing"}, nil, io.Discard, io.Discard); err == nil {
		t.Error("nothing is measured without a word")
	}
}

// testBench is a run that measures nothing.
func testBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{rounds: 1, rows: 1000, dir: t.TempDir(), say: t.Logf}
	b.share(t.Context())
	return b
}

// TestBarePages asks every bare page by the load generator.
func TestBarePages(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	address, told := io.Pipe()
	served := make(chan error, 1)
	go func() { served <- serveBare(ctx, told) }()
	line := make([]byte, 100)
	n, err := address.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	m, err := newModels()
	if err != nil {
		t.Fatal(err)
	}
	for path := range m.pages() {
		order, err := json.Marshal(Order{Address: strings.TrimSpace(string(line[:n])), Path: path, Gzip: true, Connections: 2, Warm: time.Millisecond, For: 500 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := generate(ctx, bytes.NewReader(order), &out); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		var a Answer
		if err := json.Unmarshal(out.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		if a.All == 0 || a.All < a.Requests || a.Bytes < 1000 {
			t.Errorf("%s: %+v", path, a)
		}
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
