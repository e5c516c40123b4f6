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
	f, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	source, err := csv.NewReader(f, csv.DefaultDialect())
	if err != nil {
		b.Fatal(err)
	}
	s, err := e.Load(b.Context(), engine.Load{Folder: folder, Source: source, Job: 1, Time: time.Now()})
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
