package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

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
