//go:build crash

package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"steward/internal/db"
)

// held is an upload that is under way: half of its body is sent.
type held struct {
	goOn chan struct{} // close it to send the rest
	done chan error    // nil when it was answered as it should be
}

// hold starts an upload that stops in the middle.
func hold(p *process, jar http.CookieJar, project string, n int) held {
	h := held{make(chan struct{}), make(chan error, 1)}
	c := p.client(jar)
	body, into := io.Pipe()
	r := c.Request(http.MethodPost, project+"/storage/load", body)
	r.Header.Set("Content-Type", "multipart/form-data; boundary=limit")
	r.Header.Set("Origin", p.URL)
	go func() {
		_, _ = fmt.Fprintf(into, "--limit\r\nContent-Disposition: form-data; name=\"file\"; filename=\"held%d.csv\"\r\n\r\nid,name\n%s", n, strings.Repeat("1,one\n", 20_000))
		<-h.goOn
		_, err := io.WriteString(into, "2,two\n\r\n--limit--\r\n")
		_ = into.CloseWithError(err)
	}()
	go func() {
		a, err := ask(c, r)
		if err == nil && (a.status != http.StatusSeeOther || !strings.HasPrefix(a.location, project+"/storage/load/")) {
			err = fmt.Errorf("%d to %q", a.status, a.location)
		}
		h.done <- err
	}()
	return h
}

// objects counts the files below a folder of the store.
func objects(t *testing.T, dir string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			n++
		}
		return nil // what vanishes meanwhile is not counted
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// shortRows are rows of few bytes, packed so that they take long to load for their size.
func shortRows(t *testing.T, rows int) (content []byte, rowsInFile int) {
	t.Helper()
	const part = 1_000_000
	rng := rand.New(rand.NewPCG(3, 3))
	var b strings.Builder
	for i := range part {
		if i%20 == 0 { // not all the same, or it would pass for a bomb
			fmt.Fprintf(&b, "%d,%d\n", rng.IntN(1_000_000), i)
		} else {
			b.WriteString("0,0\n")
		}
	}
	head, err := packed(text("id,name\n"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := packed(text(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	parts := 1 + rows/part
	return append(head, bytes.Repeat(again, parts)...), parts * part
}

func bytesOf(content []byte) func(io.Writer) error {
	return func(w io.Writer) error { _, err := w.Write(content); return err }
}

// TestCrashStop ends the program by SIGTERM while a hundred requests are in flight, a
// load has just begun, and another one takes longer than the program may: no request
// fails, and the loads are finished, or given back and go on after the start.
func TestCrashStop(t *testing.T) {
	data := t.TempDir()
	p := launchServe(t, data)
	_, c, project := setup(t, p.Site, &p.out)
	jar := c.HTTP.Jar
	c.Post(project+"/storage/buckets", bucketForm("crash", "")).Want(http.StatusSeeOther)

	// How many rows take 40 s on this machine?
	sample, rows := shortRows(t, 5_000_000)
	job := load(t, p, c, project, "sample", false, "sample.csv.gz", bytesOf(sample))
	start := time.Now()
	if j := ends(t, c, project, job, time.Minute); j.Status != "success" || j.Rows != int64(rows) {
		t.Fatalf("the sample: %+v", j)
	}
	long, longRows := shortRows(t, int(40*float64(rows)/time.Since(start).Seconds()))
	longJob := load(t, p, c, project, "long", false, "long.csv.gz", bytesOf(long))
	shortJob := load(t, p, c, project, "short", false, "short.csv", manyRows(100_000))

	// A hundred uploads have come to the store; the rest of their bodies waits.
	before := objects(t, filepath.Join(data, "store", "files"))
	var uploads []held
	for n := range 100 {
		uploads = append(uploads, hold(p, jar, project, n))
	}
	poll(t, "a hundred uploads are under way", func() bool { return objects(t, filepath.Join(data, "store", "files")) == before+100 })

	start = time.Now()
	p.signal(syscall.SIGTERM)
	p.said("stopping")
	for _, u := range uploads {
		close(u.goOn)
	}
	failed := 0
	for n, u := range uploads {
		if err := <-u.done; err != nil {
			if failed++; failed < 5 {
				t.Errorf("upload %d, in flight at SIGTERM, failed: %v", n, err)
			}
		}
	}
	select {
	case <-p.ended:
	case <-time.After(25*time.Second - time.Since(start)):
		t.Fatal("the program did not end within 25 s after SIGTERM")
	}
	t.Logf("ended %s after SIGTERM, %d of 100 requests failed", time.Since(start).Round(10*time.Millisecond), failed)
	if p.code != 0 {
		t.Errorf("the program ended with code %d", p.code)
	}

	dsn := "sqlite:" + filepath.Join(data, "steward.db")
	inspect(t, dsn, func(tx *db.Tx) error {
		n, err := db.Value[int64](tx, "SELECT count(*) FROM files WHERE name LIKE 'held%'")
		if n != 100 {
			t.Errorf("%d of 100 uploads are there", n)
		}
		if err != nil {
			return err
		}
		for job, want := range map[string]string{longJob: "waiting", shortJob: "success"} {
			got, err := db.Value[string](tx, "SELECT state FROM jobs WHERE id = "+job[strings.LastIndexByte(job, '/')+1:])
			if err != nil {
				return err
			}
			if got != want {
				t.Errorf("%s is %s after the stop, want %s", job, got, want)
			}
		}
		n, err = db.Value[int64](tx, "SELECT count(*) FROM tables WHERE name = 'long'")
		if n != 0 {
			t.Error("a load that was given back made a table")
		}
		return err
	})

	p = launchServe(t, data)
	c = p.client(jar)
	if j := ends(t, c, project, longJob, 5*time.Minute); j.Status != "success" || j.Rows != int64(longRows) {
		t.Errorf("after the start the long load is %+v, want %d rows", j, longRows)
	}
	if log := logOf(c, longJob); !strings.Contains(log, "Interrupted because the server stops") {
		t.Errorf("the log of the long load does not say that it was interrupted:\n%s", log)
	}
	p.stop(10 * time.Second)
}

// TestCrashStopTwice sends a second SIGTERM while a request keeps the program from ending:
// then it ends at once.
func TestCrashStopTwice(t *testing.T) {
	data := t.TempDir()
	p := launchServe(t, data)
	_, c, project := setup(t, p.Site, &p.out)
	before := objects(t, filepath.Join(data, "store"))
	h := hold(p, c.HTTP.Jar, project, 0)
	poll(t, "an upload is under way", func() bool { return objects(t, filepath.Join(data, "store")) == before+1 })
	p.signal(syscall.SIGTERM)
	p.said("stopping")
	select {
	case <-p.ended:
		t.Fatal("the program ended though a request was in flight")
	default:
	}
	start := time.Now()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(5 * time.Second):
		t.Fatalf("the second SIGTERM did not end the program within %s", time.Since(start))
	}
	if p.code == 0 {
		t.Error("a program that broke off a request ended with code " + strconv.Itoa(p.code))
	}
	close(h.goOn)
	if err := <-h.done; err == nil {
		t.Error("the request that was broken off was answered")
	}
	again := launchServe(t, data)
	inspect(t, "sqlite:"+filepath.Join(data, "steward.db"), func(tx *db.Tx) error {
		n, err := db.Value[int64](tx, "SELECT count(*) FROM files")
		if n != 0 {
			t.Errorf("a broken upload left %d files", n)
		}
		return err
	})
	again.stop(10 * time.Second)
}
