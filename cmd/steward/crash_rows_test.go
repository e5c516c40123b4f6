//go:build crash

package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"steward/internal/access"
	"steward/internal/app"
	"steward/internal/db"
	"steward/internal/storage"
	"steward/internal/storage/engine"
)

// row is a generated row of a file: its cells follow from the file's seed and its number,
// which is its key. Beside the columns of crashHeader it has those of extra.
type row struct {
	seed  uint64
	n     int
	extra []string
}

// crashColumns makes the metadata of a table large enough that staging it takes a while.
const crashColumns = 80

func crashHeader() []string {
	names := make([]string, crashColumns)
	for i := range names {
		names[i] = fmt.Sprintf("column_%03d", i)
	}
	return names
}

// rowsOf are the first rows of a file.
func rowsOf(seed uint64, count int) []row {
	rows := make([]row, count)
	for n := range rows {
		rows[n] = row{seed: seed, n: n}
	}
	return rows
}

// part is the cell of the second column, which many rows share.
func (r row) part() string { return "part " + strconv.FormatUint((r.seed+uint64(r.n))%5, 10) }

// cells are those of a table whose columns are crashHeader and some more.
func (r row) cells(columns []string) []string {
	rng := rand.New(rand.NewPCG(r.seed, uint64(r.n)))
	cells := make([]string, len(columns))
	cells[0], cells[1] = strconv.Itoa(r.n), r.part()
	for i := 2; i < crashColumns; i++ {
		cells[i] = strconv.FormatUint(rng.Uint64N(1_000_000_000), 36)
	}
	for i := crashColumns; i < len(columns); i++ {
		if slices.Contains(r.extra, columns[i]) {
			cells[i] = fmt.Sprintf("%s of %d.%d", columns[i], r.seed, r.n)
		}
	}
	return cells
}

// writeRows writes rows as CSV.
func writeRows(w io.Writer, columns []string, rows []row) error {
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, strings.Join(columns, ","))
	for _, r := range rows {
		fmt.Fprintln(b, strings.Join(r.cells(columns), ","))
	}
	return b.Flush()
}

// digest sums a table's rows in their order.
type digest struct {
	hash.Hash
	rows int64
}

func newDigest(columns []string) *digest {
	d := &digest{Hash: sha256.New()}
	d.add(columns)
	d.rows = 0
	return d
}

func (d *digest) add(cells []string) {
	d.rows++
	for _, c := range cells {
		_, _ = fmt.Fprintf(d, "%d:%s,", len(c), c)
	}
}

func (d *digest) String() string { return fmt.Sprintf("%d rows %x", d.rows, d.Sum(nil)[:8]) }

// digestOf is the digest of a table. from gives what the rows came from; nil leaves it out.
func digestOf(columns []string, rows []row, from func(row) string) string {
	d := newDigest(columns)
	for _, r := range rows {
		cells := r.cells(columns)
		if from != nil {
			cells = append(cells, from(r))
		}
		d.add(cells)
	}
	return d.String()
}

// digestOfView is the digest of what a view shows. from names the jobs that wrote rows;
// nil leaves it out.
func digestOfView(v *engine.View, from map[int64]string) (*digest, error) {
	var columns []string
	for _, c := range v.Columns() {
		columns = append(columns, c.Name)
	}
	d := newDigest(columns)
	return d, v.Each(context.Background(), engine.Query{Origin: from != nil}, func(r engine.Row) error {
		cells := make([]string, len(r.Cells), len(r.Cells)+1)
		for i, c := range r.Cells {
			cells[i] = c.Value
		}
		if from != nil {
			cells = append(cells, from[r.Job])
		}
		d.add(cells)
		return nil
	})
}

// readTable is the digest of a table's rows, which must be as many as it says.
func readTable(t *testing.T, a *app.App, scope access.Project, name string) string {
	t.Helper()
	var table storage.Table
	err := a.DB.View(context.Background(), func(tx *db.Tx) (err error) {
		table, err = a.Storage.Table(tx, scope, crashBucket+"."+name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := a.Storage.View(context.Background(), scope, table)
	if err != nil {
		t.Errorf("table %s: %v", name, err)
		return "unreadable"
	}
	defer func() { _ = v.Close() }()
	d, err := digestOfView(v, nil)
	addsUp(t, table, v, d.rows, err)
	return d.String()
}

// addsUp checks that the sums of a table that was read are those of its rows.
func addsUp(t *testing.T, table storage.Table, v *engine.View, rows int64, err error) {
	t.Helper()
	if err != nil || rows != table.Rows || v.Bytes() != table.Bytes || v.Files() != table.Files {
		t.Errorf("table %s says %d rows and %d bytes in %d files; there are %d, %d and %d: %v", table.TextID, table.Rows, table.Bytes, table.Files, rows, v.Bytes(), v.Files(), err)
	}
}
