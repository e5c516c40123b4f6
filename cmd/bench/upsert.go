package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// mix is rows that come into the large table by their key.
type mix struct {
	name      string
	clustered bool
	ids       []int   // numbers of rows, from 0; those that the table does not have are new
	times     int     // how often it is measured, for each round
	want      float64 // of SQLite's time
	most      float64 // milliseconds
}

// mixes are those of a table of some rows. Of clustered rows, which stand together in the
// table, half change and half are new. Of random ones a tenth is new, three in ten are
// there as they are, and the others change.
func mixes(rows int) []mix {
	r := rand.New(rand.NewPCG(3, 4))
	many, few := rows/10, 100
	var clustered []int
	for i := range many / 2 {
		clustered = append(clustered, rows/2+i, rows+i)
	}
	random := func(n int) (ids []int) {
		for range n {
			ids = append(ids, r.IntN(rows+rows/9))
		}
		return ids
	}
	return []mix{
		{name: fmt.Sprintf("%d clustered rows", many), clustered: true, ids: clustered, times: 1, want: 0.7},
		{name: fmt.Sprintf("%d random rows", many), ids: random(many), times: 1, want: 0.7},
		{name: fmt.Sprintf("%d random rows", few), ids: random(few), times: 4, most: 60},
	}
}

// changes reports whether a row is brought with another cell.
func (m mix) changes(n int) bool { return m.clustered || n%3 > 0 }

// write writes the rows of a mix, made of those of the large file.
func (m mix) write(w io.Writer, orders io.Reader) error {
	text, err := io.ReadAll(orders)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	header, lines := lines[0], lines[1:]
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, header)
	for _, n := range m.ids {
		_, rest, _ := strings.Cut(lines[n%len(lines)], ",")
		if n >= len(lines) || m.changes(n) {
			rest = strings.Replace(rest, "@example.org", "@example.net", 1)
		}
		fmt.Fprintf(out, "%s,%s\n", strconv.Itoa(n+1), rest)
	}
	return out.Flush()
}

// upsert measures how rows come into the large table by its primary key. The table is
// then brought back to what it was, and on SQLite's side its file.
func (b *bench) upsert(ctx context.Context) ([]Row, error) {
	name, err := b.orders()
	if err != nil {
		return nil, err
	}
	w, err := b.makeFolder(ctx, "upsert", 1, nil)
	if err != nil {
		return nil, err
	}
	s, br, err := b.enter(ctx, w.data)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.stop() }()
	load := func(csv string, fields url.Values) (times, float64, error) {
		file, err := br.upload(ctx, w.project, csv)
		if err != nil {
			return times{}, 0, err
		}
		return br.run(ctx, s, w.project, func() (int64, error) { return br.load(ctx, w.project, file, "orders", fields) })
	}
	if _, _, err := load(name, url.Values{"key": {ordersKey}}); err != nil {
		return nil, err
	}
	base := filepath.Join(b.dir, "upsert.sqlite")
	if _, err := b.sqliteKeyed(ctx, base, name); err != nil {
		return nil, err
	}
	var out []Row
	for _, m := range mixes(b.rows) {
		csv := filepath.Join(b.dir, "upsert.csv")
		if err := m.writeFile(csv, name); err != nil {
			return nil, err
		}
		ours, sqlite := Series{}, Series{}
		for range m.times * b.rounds {
			t, spent, err := load(csv, url.Values{"mode": {"append"}})
			if err != nil {
				return nil, err
			}
			ours.add("job", milliseconds(t.took()))
			ours.add("cpu", spent*1000)
			if err := br.revert(ctx, w.project, 1); err != nil {
				return nil, err
			}
			file := filepath.Join(b.dir, "upserted.sqlite")
			if err := copyFile(file, base); err != nil {
				return nil, err
			}
			u, err := b.sqliteUpsert(ctx, file, csv)
			if err = errors.Join(err, os.Remove(file)); err != nil {
				return nil, err
			}
			sqlite.add("wall", u.wall*1000)
			sqlite.add("cpu", u.cpu*1000)
		}
		job := Row{What: "upsert of " + m.name + ": job", Unit: "ms", Steward: ours["job"], Baseline: sqlite["wall"], Compare: Share, Want: m.want}
		if m.most != 0 {
			job.Compare, job.Want = Figure, m.most
		}
		out = append(out, job, Row{What: "upsert of " + m.name + ": processor time of the job", Unit: "ms", Steward: ours["cpu"], Baseline: sqlite["cpu"], Compare: Share})
	}
	return out, nil
}

func (m mix) writeFile(name, orders string) (err error) {
	in, err := os.Open(orders)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return m.write(f, in)
}

// copyFile copies a file, down to the disk: what is still to be written would disturb
// what is measured next.
func copyFile(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Sync()
}
