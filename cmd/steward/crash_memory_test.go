//go:build crash

package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"steward/web/webtest"
)

// memoryMax is what the program may have resident, whatever it is fed.
const memoryMax = 300 << 20

// flood is a serve with a bucket and a small table in it, whose memory is watched.
type flood struct {
	*process
	t       *testing.T
	c       *webtest.Client
	project string
}

func newFlood(t *testing.T) *flood {
	t.Helper()
	p := launchServe(t, t.TempDir())
	_, c, project := setup(t, p.Site, &p.out)
	c.Post(project+"/storage/buckets", bucketForm("crash", "")).Want(http.StatusSeeOther)
	f := &flood{p, t, c, project}
	f.succeeds(load(t, p, c, project, "kept", false, "kept.csv", text("id,name\n1,one\n2,two\n")))
	return f
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func (f *flood) succeeds(job string) jobRow {
	f.t.Helper()
	j := ends(f.t, f.c, f.project, job, 5*time.Minute)
	if j.Status != "success" {
		f.t.Errorf("%s: %s %s", j.TableID, j.ErrorCode, j.ErrorMessage)
	}
	return j
}

// fails checks that a load ends with an error that says all of these.
func (f *flood) fails(job string, says ...string) {
	f.t.Helper()
	j := ends(f.t, f.c, f.project, job, 5*time.Minute)
	for _, want := range says {
		if j.Status != "error" || !strings.Contains(j.ErrorMessage, want) {
			f.t.Errorf("%s: the error does not say %q: %s %s", j.TableID, want, j.Status, j.ErrorMessage)
		}
	}
}

// small fails the test when the program took more memory than it may, and when the
// table that was there before has changed.
func (f *flood) small() {
	f.t.Helper()
	peak := f.peak()
	f.t.Logf("at most %d MiB resident", peak>>20)
	if peak > memoryMax {
		f.t.Errorf("the program had %d MiB resident, more than %d", peak>>20, int64(memoryMax)>>20)
	}
	var rows []map[string]string
	f.c.Get(f.project + "/storage/tables/" + crashBucket + ".kept/preview?format=json").Want(http.StatusOK).JSON(&rows)
	if fmt.Sprint(rows) != "[map[id:1 name:one] map[id:2 name:two]]" {
		f.t.Errorf("the table that was there has %v", rows)
	}
	f.stop(25 * time.Second)
}

// manyRows writes rows of eight columns, about 115 bytes each.
func manyRows(rows int) func(io.Writer) error {
	return func(w io.Writer) error {
		if _, err := io.WriteString(w, "id,code,name,city,amount,at,flag,note\n"); err != nil {
			return err
		}
		rng := rand.New(rand.NewPCG(1, 1))
		var b []byte
		for i := range rows {
			n := rng.Uint64()
			b = strconv.AppendInt(b[:0], int64(i), 10)
			b = append(b, ',')
			b = strconv.AppendUint(b, n, 36)
			b = append(b, ",Customer number "...)
			b = strconv.AppendUint(b, n%100_000, 10)
			b = append(b, ",\"Somewhere, "...)
			b = strconv.AppendUint(b, n%977, 10)
			b = append(b, "\","...)
			b = strconv.AppendUint(b, n%1_000_000, 10)
			b = append(b, ".25,2026-11-"...)
			b = append(b, byte('0'+n%3), byte('0'+n%10))
			b = append(b, "T12:00:00Z,true,some longer text of "...)
			b = strconv.AppendUint(b, n>>40, 10)
			b = append(b, '\n')
			if _, err := w.Write(b); err != nil {
				return err
			}
		}
		return nil
	}
}

// TestCrashMemoryOfALoad loads a million rows.
func TestCrashMemoryOfALoad(t *testing.T) {
	f := newFlood(t)
	sent := new(counter)
	start := time.Now()
	job := load(t, f.process, f.c, f.project, "million", false, "million.csv", func(w io.Writer) error { return manyRows(1_000_000)(io.MultiWriter(w, sent)) })
	uploaded := time.Since(start)
	j := f.succeeds(job)
	t.Logf("%d MB sent in %s, loaded in %s", sent.n/1_000_000, uploaded.Round(time.Millisecond), (time.Since(start) - uploaded).Round(time.Millisecond))
	if j.Rows != 1_000_000 {
		t.Errorf("%d rows were loaded", j.Rows)
	}
	var last []map[string]string
	f.c.Get(f.project + "/storage/tables/" + crashBucket + ".million/preview?format=json&column=id&op=ge&value=999999&as=number").Want(http.StatusOK).JSON(&last)
	if len(last) != 1 || last[0]["city"] == "" {
		t.Errorf("the last row is %v", last)
	}
	f.small()
}

// counter counts what is written to it.
type counter struct{ n int64 }

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) { c.n += int64(len(p)); return len(p), nil }

// repeat writes a piece again and again.
func repeat(piece string, bytes int64) func(io.Writer) error {
	chunk := strings.Repeat(piece, 1<<20/len(piece)+1)
	return func(w io.Writer) error {
		for n := int64(0); n < bytes; n += int64(len(chunk)) {
			if _, err := io.WriteString(w, chunk); err != nil {
				return err
			}
		}
		return nil
	}
}

func then(writes ...func(io.Writer) error) func(io.Writer) error {
	return func(w io.Writer) error {
		for _, write := range writes {
			if err := write(w); err != nil {
				return err
			}
		}
		return nil
	}
}

// bomb writes a gzip file that holds a piece again and again: ten megabytes of it,
// packed once, stand there as often as it takes.
func bomb(head, piece string, bytes int64) func(io.Writer) error {
	const part = 10_000_000
	return func(w io.Writer) error {
		first, err := packed(text(head))
		if err != nil {
			return err
		}
		again, err := packed(text(strings.Repeat(piece, part/len(piece))))
		if err != nil {
			return err
		}
		if _, err := w.Write(first); err != nil {
			return err
		}
		for n := int64(0); n < bytes; n += part {
			if _, err := w.Write(again); err != nil {
				return err
			}
		}
		return nil
	}
}

func packed(write func(io.Writer) error) ([]byte, error) {
	var b bytes.Buffer
	g, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if err := write(g); err != nil {
		return nil, err
	}
	err = g.Close()
	return b.Bytes(), err
}

// TestCrashMemoryOfALongLine loads files whose third line is longer than the memory that
// the program may take: one cell, one cell in quotes, and many cells.
func TestCrashMemoryOfALongLine(t *testing.T) {
	const size = memoryMax + 100<<20
	f := newFlood(t)
	line := func(before, piece string) func(io.Writer) error {
		return then(text("id,name\n1,one\n"+before), repeat(piece, size))
	}
	f.fails(load(t, f.process, f.c, f.project, "cell", false, "cell.csv", line("2,", "x")), `Line 3, cell 2 ("name") is over 16 MiB`)
	f.fails(load(t, f.process, f.c, f.project, "quoted", false, "quoted.csv", line(`2,"`, "line\n")), `Line 3, cell 2 ("name") is over 16 MiB`, "its closing quote is missing")
	f.refused("cells", line("", "1,"), "Line 3 has more than")
	f.small()
}

// refused checks that the page that checks a file says what is wrong with it, and that
// the load is not started.
func (f *flood) refused(table string, write func(io.Writer) error, says string) {
	f.t.Helper()
	a, err := ask(f.c, uploadRequest(f.c, f.URL, f.project, "", table+".csv", write))
	if err != nil || a.status != http.StatusSeeOther {
		f.t.Fatalf("upload: %v %d", err, a.status)
	}
	if page := f.c.Get(a.location).Want(http.StatusOK).Page().Find("main").Text(); !strings.Contains(page, says) {
		f.t.Errorf("the page that checks %s does not say %q: %.500s", table, says, page)
	}
	path, _, _ := strings.Cut(a.location, "?")
	f.c.Do(formRequest(f.c, f.URL, path, loadForm(table, false, ""))).Want(http.StatusUnprocessableEntity)
}

// loadWide loads a file in UTF-16 into a new table.
func (f *flood) loadWide(table string, write func(io.Writer) error) (job string) {
	f.t.Helper()
	a, err := ask(f.c, uploadRequest(f.c, f.URL, f.project, "", table+".csv", write))
	if err != nil || a.status != http.StatusSeeOther {
		f.t.Fatalf("the upload: %v %d\n%.2000s", err, a.status, a.body)
	}
	path, _, _ := strings.Cut(a.location, "?")
	form := loadForm(table, false, "")
	form.Set("encoding", "utf-16le")
	return f.c.Do(formRequest(f.c, f.URL, path, form)).Want(http.StatusSeeOther).Location
}

// TestCrashMemoryOfBadRows loads files of which no row can be read, and which end none of
// their quotes, from UTF-16.
func TestCrashMemoryOfBadRows(t *testing.T) {
	f := newFlood(t)
	wide := func(s string) string { return strings.Join(strings.Split(s, ""), "\x00") + "\x00" }
	f.fails(load(t, f.process, f.c, f.project, "bad", false, "bad.csv", then(manyRows(20_000), repeat("bad row, of few cells\n", 200_000_000))), "Line 20,002 has 2 cells; the header has 8.")
	f.fails(f.loadWide("wide", then(text("\xff\xfe"+wide("id,name\n")), repeat(wide("1,one\n"), 4<<20), text(wide("2,\"x")), repeat(wide("line\n"), 200_000_000))), "is over 16 MiB")
	f.small()
}

// TestCrashMemoryOfABomb loads small gzip files that hold ten gigabytes: zeros, which the
// first look at the file refuses, and rows, whose load stops where they become too many
// for what was sent.
func TestCrashMemoryOfABomb(t *testing.T) {
	const size = 10_000_000_000
	f := newFlood(t)
	f.refused("zeros", bomb("", "\x00", size), "NUL byte")
	zeros, err := zstd.NewWriter(nil, zstd.WithWindowSize(32<<20))
	if err != nil {
		t.Fatal(err)
	}
	part := zeros.EncodeAll([]byte(strings.Repeat("0,"+strings.Repeat("0", 500)+"\n", 300_000)), nil)
	f.fails(load(t, f.process, f.c, f.project, "window", false, "window.csv.zst", then(text(string(zeros.EncodeAll([]byte("id,name\n"), nil))), func(w io.Writer) error {
		for range 70 {
			if _, err := w.Write(part); err != nil {
				return err
			}
		}
		return nil
	})), "expands from", "too much for real data")
	f.fails(load(t, f.process, f.c, f.project, "rows", false, "rows.csv.gz", bomb("id,name\n", "0,"+strings.Repeat("0", 500)+"\n", size)), "expands from", "too much for real data")
	f.small()
}

// TestCrashMemoryOfKeys loads rows with a primary key, more than are kept in memory, and
// loads as many again over them. STEWARD_CRASH_KEYS is how many rows that are, 1,200,000
// unless it is set.
func TestCrashMemoryOfKeys(t *testing.T) {
	rows := int(crashSetting(t, "STEWARD_CRASH_KEYS", 1_200_000))
	f := newFlood(t)
	keyed := func(add bool) jobRow {
		t.Helper()
		a, err := ask(f.c, uploadRequest(f.c, f.URL, f.project, "", "keys.csv", manyRows(rows)))
		if err != nil || a.status != http.StatusSeeOther {
			t.Fatalf("the upload: %v %d", err, a.status)
		}
		path, _, _ := strings.Cut(a.location, "?")
		form := loadForm("keys", add, "")
		if !add {
			form.Set("key", "code\nid")
		}
		job := f.c.Do(formRequest(f.c, f.URL, path, form)).Want(http.StatusSeeOther).Location
		return f.succeeds(job)
	}
	if j := keyed(false); j.Rows != int64(rows) {
		t.Errorf("%d rows were loaded", j.Rows)
	}
	t.Logf("%d MiB after the first load", f.peak()>>20)
	keyed(true)
	table := f.project + "/storage/tables/" + crashBucket + ".keys"
	if page := f.c.Get(table).Want(http.StatusOK).Page().Find("main").Text(); !strings.Contains(strings.ReplaceAll(page, ",", ""), strconv.Itoa(rows)) {
		t.Errorf("the table does not have %d rows", rows)
	}
	f.c.Get(table + "/preview?order=name").Want(http.StatusOK)
	f.small()
}
