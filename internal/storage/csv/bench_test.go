package csv_test

import (
	"bytes"
	stdcsv "encoding/csv"
	"fmt"
	"io"
	"testing"

	"steward/internal/storage/csv"
)

// orders is a file of n rows of eight columns, about 115 bytes each.
func orders(n int) []byte {
	var b bytes.Buffer
	b.WriteString("id,customer,email,amount,status,created,country,note\n")
	statuses := []string{"paid", "open", "cancelled"}
	for i := range n {
		fmt.Fprintf(&b, "%d,Customer %d,customer%d@example.com,%d.%02d,%s,2024-%02d-%02d 10:%02d:00,CZ,delivered to the door %d\n",
			1_000_000+i, i%70_000, i%70_000, i%5000, i%100, statuses[i%3], 1+i%12, 1+i%28, i%60, i*7919%100_000)
	}
	return b.Bytes()
}

// quoted is the same with every cell in quotes.
func quoted(file []byte) []byte {
	file = bytes.ReplaceAll(file, []byte(","), []byte(`","`))
	file = bytes.ReplaceAll(file, []byte("\n"), []byte("\"\n\""))
	return append([]byte(`"`), file[:len(file)-1]...)
}

func BenchmarkReader(b *testing.B) {
	plain := orders(200_000)
	for _, bench := range []struct {
		name string
		file []byte
	}{
		{"plain", plain},
		{"quoted", quoted(plain)},
		{"unicode", bytes.ReplaceAll(plain, []byte("door"), []byte("dveře žluť"))},
		{"narrow", bytes.Repeat([]byte("1,2,3,4,5,6,7,8\n"), 1_000_000)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			batches := make([]csv.Batch, 6)
			b.SetBytes(int64(len(bench.file)))
			b.ReportAllocs()
			for b.Loop() {
				r, err := csv.NewReader(bytes.NewReader(bench.file), csv.DefaultDialect())
				if err != nil {
					b.Fatal(err)
				}
				for i := 0; err == nil; i++ {
					err = r.Next(&batches[i%len(batches)])
				}
				if err != io.EOF {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkStandardLibrary(b *testing.B) {
	file := orders(200_000)
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		r := stdcsv.NewReader(bytes.NewReader(file))
		r.ReuseRecord = true
		for {
			if _, err := r.Read(); err != nil {
				break
			}
		}
	}
}

func BenchmarkAppendCell(b *testing.B) {
	file := orders(10_000)
	rows := bytes.Split(file, []byte("\n"))
	var cells [][][]byte
	for _, row := range rows {
		cells = append(cells, bytes.Split(row, []byte(",")))
	}
	b.SetBytes(int64(len(file)))
	var out []byte
	for b.Loop() {
		out = out[:0]
		for _, row := range cells {
			for _, cell := range row {
				out = append(csv.WriterOptions{}.AppendCell(out, cell, false), ',')
			}
		}
	}
}

func BenchmarkDetect(b *testing.B) {
	sample := orders(10_000)[:1<<20]
	b.SetBytes(int64(len(sample)))
	for b.Loop() {
		if _, err := csv.Detect(sample, false, 100); err != nil {
			b.Fatal(err)
		}
	}
}
