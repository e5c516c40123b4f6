package engine_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"steward/internal/storage/blob"
	"steward/internal/storage/csv"
	"steward/internal/storage/engine"
)

// orders is the header of the file that writeOrders writes.
const orders = "id,customer_id,amount,name,note,created,status,email"

// writeOrders writes rows such as shops have: about 115 bytes each.
func writeOrders(w io.Writer, rows int) error {
	r := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields("parcel left with neighbour please ring twice fragile glass token returned damaged box repaid partly late delivery gift wrap invoice separate")
	states := []string{"new", "paid", "paid", "shipped", "shipped", "returned"}
	out := bufio.NewWriterSize(w, 1<<20)
	line := []byte(orders + "\n")
	created := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range rows {
		created = created.Add(time.Duration(r.IntN(60)) * time.Second)
		customer := r.IntN(50_000)
		line = fmt.Appendf(line, "%d,%d,%d.%02d,Customer %d,", i, customer, r.IntN(5000), r.IntN(100), customer)
		for n := range 4 + r.IntN(3) {
			if n > 0 {
				line = append(line, ' ')
			}
			line = append(line, words[r.IntN(len(words))]...)
		}
		line = fmt.Appendf(line, ",%s,%s,customer%d@example.org\n", created.Format(time.DateTime), states[r.IntN(len(states))], customer)
		if _, err := out.Write(line); err != nil {
			return err
		}
		line = line[:0]
	}
	return out.Flush()
}

func ordersFile(b *testing.B, rows int) string {
	b.Helper()
	name := filepath.Join(b.TempDir(), "orders.csv")
	f, err := os.Create(name)
	if err == nil {
		err = writeOrders(f, rows)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		b.Fatal(err)
	}
	return name
}

func loadFile(b *testing.B, e *engine.Engine, name, folder string) *engine.Staged {
	b.Helper()
	return loadKeyed(b, e, name, engine.Load{Folder: folder})
}

// loadKeyed loads a file as l says.
func loadKeyed(b *testing.B, e *engine.Engine, name string, l engine.Load) *engine.Staged {
	b.Helper()
	f, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	source, err := csv.NewReader(f, csv.DefaultDialect())
	if err != nil {
		b.Fatal(err)
	}
	l.Source, l.Job, l.Time = source, 1, time.Now()
	s, err := e.Load(b.Context(), l)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func benchEngine(b *testing.B) *engine.Engine {
	b.Helper()
	store, err := blob.OpenLocal(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	return engine.New(store, engine.Options{})
}

// processor returns the seconds of processor time that the process took so far.
func processor(b *testing.B) float64 {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds()
}

// peak returns the most memory that the process ever had, in MB.
func peak(b *testing.B) float64 {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return float64(r.Maxrss) / 1024
}

func BenchmarkLoad(b *testing.B) {
	for _, rows := range []int{100_000, 1_000_000, 5_000_000} {
		b.Run(strconv.Itoa(rows), func(b *testing.B) {
			name := ordersFile(b, rows)
			info, err := os.Stat(name)
			if err != nil {
				b.Fatal(err)
			}
			e := benchEngine(b)
			b.SetBytes(info.Size())
			b.ResetTimer()
			began := processor(b)
			for i := range b.N {
				s := loadFile(b, e, name, fmt.Sprintf("tables/%d", i))
				b.ReportMetric(float64(s.Bytes)/float64(info.Size()), "size/csv")
			}
			b.ReportMetric((processor(b)-began)/float64(b.N), "cpu-s/op")
			b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(peak(b), "peak-MB")
		})
	}
}

// changedOrders writes a file with some of the orders, by their ids: those of
// which change says so with another status, the others as they are. What is
// beyond rows is new.
func changedOrders(b *testing.B, name string, rows int, ids []int, change func(id int) bool) string {
	b.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	out := []string{lines[0]}
	for _, id := range ids {
		line := lines[1+id%rows]
		_, rest, _ := strings.Cut(line, ",")
		if id >= rows || change(id) {
			for _, status := range []string{",new,", ",paid,", ",shipped,", ",returned,"} {
				rest = strings.Replace(rest, status, ",changed,", 1)
			}
		}
		out = append(out, strconv.Itoa(id)+","+rest)
	}
	changed := filepath.Join(b.TempDir(), "changed.csv")
	if err := os.WriteFile(changed, []byte(strings.Join(out, "\n")+"\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	return changed
}

func BenchmarkKeyedLoad(b *testing.B) {
	const rows = 1_000_000
	name := ordersFile(b, rows)
	e := benchEngine(b)
	b.ResetTimer()
	began := processor(b)
	for i := range b.N {
		loadKeyed(b, e, name, engine.Load{Folder: fmt.Sprintf("tables/%d", i), Key: []string{"id"}})
	}
	b.ReportMetric((processor(b)-began)/float64(b.N), "cpu-s/op")
	b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(peak(b), "peak-MB")
}

// BenchmarkUpsert brings rows into a table of a million: half of the clustered
// ones are new; of the random ones a tenth is, and a third is there as it is.
func BenchmarkUpsert(b *testing.B) {
	const rows = 1_000_000
	name := ordersFile(b, rows)
	e := benchEngine(b)
	base := loadKeyed(b, e, name, engine.Load{Folder: "tables/1", Key: []string{"id"}})
	r := rand.New(rand.NewPCG(3, 4))
	clustered := func(n int) (ids []int) {
		for i := range n / 2 {
			ids = append(ids, rows/2+i, rows+i)
		}
		return ids
	}
	random := func(n int) (ids []int) {
		for range n {
			ids = append(ids, r.IntN(rows+rows/9))
		}
		return ids
	}
	for _, bench := range []struct {
		name   string
		ids    []int
		change func(id int) bool
	}{
		{"clustered", clustered(100_000), func(int) bool { return true }},
		{"random", random(100_000), func(id int) bool { return id%3 > 0 }},
		{"few", random(100), func(id int) bool { return id%3 > 0 }},
		{"unchanged", random(100_000), nil},
	} {
		if bench.change == nil { // the new ones left out
			kept := bench.ids[:0]
			for _, id := range bench.ids {
				if id < rows {
					kept = append(kept, id)
				}
			}
			bench.ids, bench.change = kept, func(int) bool { return false }
		}
		changed := changedOrders(b, name, rows, bench.ids, bench.change)
		b.Run(bench.name, func(b *testing.B) {
			began := processor(b)
			for range b.N {
				s := loadKeyed(b, e, changed, engine.Load{Folder: "tables/1", Base: base.Location, Mode: engine.Append, Key: []string{"id"}})
				b.StopTimer()
				if err := e.Discard(b.Context(), s); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric((processor(b)-began)/float64(b.N), "cpu-s/op")
		})
	}

	changed := changedOrders(b, name, rows, random(1000), func(int) bool { return true })
	after := loadKeyed(b, e, changed, engine.Load{Folder: "tables/1", Base: base.Location, Mode: engine.Append, Key: []string{"id"}})
	again := loadFile(b, e, name, "tables/2")
	compare := func(before, after string) {
		b.Helper()
		var views [2]*engine.View
		for i, location := range []string{before, after} {
			v, err := e.Open(b.Context(), location)
			if err != nil {
				b.Fatal(err)
			}
			views[i] = v
		}
		d, err := e.Compare(b.Context(), engine.Comparison{Before: views[0], After: views[1], Key: []string{"id"}, Sample: 100})
		if err != nil || d.Unchanged == 0 {
			b.Fatal(d, err)
		}
	}
	b.Run("compareNeighbours", func(b *testing.B) {
		for range b.N {
			compare(base.Location, after.Location)
		}
	})
	b.Run("compareAll", func(b *testing.B) {
		for range b.N {
			compare(again.Location, after.Location)
		}
	})
	b.Run("duplicates", func(b *testing.B) {
		for range b.N {
			v, err := e.Open(b.Context(), base.Location)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := v.Duplicates(b.Context(), []string{"customer_id", "status"}, 10); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRead opens the table anew for each query, as a request does.
func BenchmarkRead(b *testing.B) {
	name := ordersFile(b, 1_000_000)
	e := benchEngine(b)
	location := loadFile(b, e, name, "tables/1").Location
	for _, bench := range []struct {
		name  string
		query engine.Query
	}{
		{"preview", engine.Query{Limit: 100}},
		{"common", engine.Query{Limit: 100, Where: []engine.Condition{{Column: "status", Op: engine.Equal, Value: "paid"}}}},
		{"rare", engine.Query{Limit: 100, Where: []engine.Condition{{Column: "note", Op: engine.Contains, Value: "token token token"}}}},
		{"none", engine.Query{Limit: 100, Where: []engine.Condition{{Column: "note", Op: engine.Contains, Value: "zzzz"}}}},
		{"order", engine.Query{Limit: 100, Order: []engine.Order{{Column: "amount"}}}},
		{"orderNumber", engine.Query{Limit: 100, Order: []engine.Order{{Column: "amount", Number: true, Descending: true}}}},
		{"orderTies", engine.Query{Limit: 100, Order: []engine.Order{{Column: "status"}, {Column: "created", Descending: true}}}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			for range b.N {
				v, err := e.Open(b.Context(), location)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := v.Find(b.Context(), bench.query); err != nil {
					b.Fatal(err)
				}
				_ = v.Close()
			}
		})
	}
	b.Run("open", func(b *testing.B) {
		for range b.N {
			v, err := e.Open(b.Context(), location)
			if err != nil {
				b.Fatal(err)
			}
			_ = v.Close()
		}
	})
	b.Run("each", func(b *testing.B) {
		for range b.N {
			v, err := e.Open(b.Context(), location)
			if err != nil {
				b.Fatal(err)
			}
			if err := v.Each(b.Context(), engine.Query{}, func(engine.Row) error { return nil }); err != nil {
				b.Fatal(err)
			}
			_ = v.Close()
		}
	})
}

// BenchmarkExport writes a table as files that nobody keeps.
func BenchmarkExport(b *testing.B) {
	name := ordersFile(b, 1_000_000)
	e := benchEngine(b)
	location := loadFile(b, e, name, "tables/1").Location
	for _, bench := range []struct {
		name   string
		export engine.Export
	}{
		{"csv", engine.Export{}},
		{"parquet", engine.Export{Parquet: true}},
		{"common", engine.Export{Query: engine.Query{Where: []engine.Condition{{Column: "status", Op: engine.Equal, Value: "paid"}}}}},
		{"order", engine.Export{Query: engine.Query{Order: []engine.Order{{Column: "amount", Number: true}}}}},
		{"orderTies", engine.Export{Query: engine.Query{Order: []engine.Order{{Column: "status"}, {Column: "note"}}}}},
		{"first", engine.Export{Query: engine.Query{Order: []engine.Order{{Column: "amount", Number: true}}, Limit: 1000}}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			began := processor(b)
			var rows int64
			for range b.N {
				v, err := e.Open(b.Context(), location)
				if err != nil {
					b.Fatal(err)
				}
				if rows, err = v.Export(b.Context(), io.Discard, bench.export); err != nil {
					b.Fatal(err)
				}
				_ = v.Close()
			}
			b.ReportMetric((processor(b)-began)/float64(b.N), "cpu-s/op")
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(peak(b), "peak-MB")
		})
	}
}
