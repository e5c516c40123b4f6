//go:build crash

package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"steward/internal/db"
	"steward/web/webtest"
)

// smallDisk mounts a disk of a size.
func smallDisk(t *testing.T, megabytes int) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("a small disk can be mounted by root only: run the crash tests as root")
	}
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0700", megabytes)); err != nil {
		t.Fatalf("mounting a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	return dir
}

// free is how many bytes a disk has left.
func free(t *testing.T, dir string) int64 {
	t.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		t.Fatal(err)
	}
	return int64(s.Bavail) * s.Bsize
}

// fill takes up a disk but for some bytes. Calling the result gives them back.
func fill(t *testing.T, dir string, leave int64) (empty func()) {
	t.Helper()
	name := filepath.Join(dir, fmt.Sprintf("filler-%d", time.Now().UnixNano()))
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 4096)
	for free(t, dir) > leave {
		if _, err := f.Write(block); err != nil {
			if errors.Is(err, syscall.ENOSPC) {
				break
			}
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// noise writes rows that cannot be packed.
func noise(bytes int) func(io.Writer) error {
	return func(w io.Writer) error {
		if _, err := io.WriteString(w, "id,name\n"); err != nil {
			return err
		}
		raw := make([]byte, 300)
		for i := 0; bytes > 0; i++ {
			_, _ = rand.Read(raw)
			n, err := fmt.Fprintf(w, "%d,%s\n", i, base64.RawURLEncoding.EncodeToString(raw))
			if err != nil {
				return err
			}
			bytes -= n
		}
		return nil
	}
}

const (
	fullData     = "No space is left for data"
	fullDatabase = "No space is left for the database"
)

// saysFull checks that an answer is the page about a full disk.
func saysFull(t *testing.T, what string, a answer, err error) {
	t.Helper()
	if err != nil || a.status != http.StatusInsufficientStorage || !strings.Contains(a.body, "No space is left") {
		t.Errorf("%s on a full disk: %v, %d, want a 507 that says so\n%.1500s", what, err, a.status, a.body)
	}
}

// TestCrashDisk fills the disk of an installation: an upload, a load and a form say so,
// pages are still shown, nothing changes, and as soon as there is space again all goes on
// without a restart.
func TestCrashDisk(t *testing.T) {
	dir := smallDisk(t, 64)
	p := launchServe(t, dir)
	_, c, project := setup(t, p.Site, &p.out)
	c.Post(project+"/storage/buckets", bucketForm("crash", "")).Want(http.StatusSeeOther)
	first := load(t, p, c, project, "kept", false, "kept.csv", text("id,name\n1,one\n2,two\n"))
	if j := ends(t, c, project, first, 30*time.Second); j.Status != "success" {
		t.Fatalf("the first load: %+v", j)
	}
	c.Get(project) // shows what the redirects had to tell
	table := project + "/storage/tables/" + crashBucket + ".kept"
	reads := func(when string) {
		t.Helper()
		for _, path := range []string{"/", project, project + "/storage", project + "/storage/buckets/" + crashBucket, table, table + "/preview", table + "/events",
			project + "/storage/jobs", first, project + "/storage/load", project + "/storage/buckets/new", "/healthz", "/readyz"} {
			if r := c.Get(path); r.Status != http.StatusOK {
				t.Errorf("%s, GET %s is %d: %.200s", when, path, r.Status, strings.Join(strings.Fields(r.Page().Find("main").Text()), " "))
			}
		}
		var rows []map[string]string
		c.Get(table + "/preview?format=json").Want(http.StatusOK).JSON(&rows)
		if fmt.Sprint(rows) != "[map[id:1 name:one] map[id:2 name:two]]" {
			t.Errorf("%s the table has %v", when, rows)
		}
	}

	// An upload that does not fit leaves nothing.
	left := free(t, dir)
	a, err := ask(c, uploadRequest(c, p.URL, project, "", "large.csv", noise(80<<20)))
	saysFull(t, "an upload", a, err)
	if !strings.Contains(a.body, fullData) {
		t.Errorf("the page does not say %q", fullData)
	}
	if now := free(t, dir); now < left-1<<20 {
		t.Errorf("an upload that did not fit took %d bytes", left-now)
	}
	reads("after an upload that did not fit")

	// A load that does not fit leaves nothing: its job says why.
	a, err = ask(c, uploadRequest(c, p.URL, project, "", "medium.csv", noise(24<<20)))
	if err != nil || a.status != http.StatusSeeOther {
		t.Fatalf("an upload that fits: %v %d", err, a.status)
	}
	medium, _, _ := strings.Cut(a.location, "?")
	empty := fill(t, dir, 6<<20)
	left = free(t, dir)
	for _, target := range []string{"kept", "fresh"} {
		job := c.Do(formRequest(c, p.URL, medium, loadForm(target, false, ""))).Want(http.StatusSeeOther).Location
		if j := ends(t, c, project, job, time.Minute); j.Status != "error" || !strings.Contains(j.ErrorMessage, fullData) {
			t.Errorf("a load into %s that does not fit: %+v", target, j)
		}
	}
	if now := free(t, dir); now < left-2<<20 {
		t.Errorf("two loads that did not fit took %d bytes", left-now)
	}
	c.Get(project + "/storage/tables/" + crashBucket + ".fresh").Want(http.StatusNotFound)
	reads("after a load that did not fit")
	empty()

	// A disk without a byte left. The person has been away for a minute and has a message
	// waiting, so that showing a page would like to write.
	c.Post(project+"/storage/buckets", bucketForm("waiting", "")).Want(http.StatusSeeOther)
	age(t, dir)
	empty = fill(t, dir, 0)
	reads("on a full disk")
	made := map[string]bool{}
	form := func(n int) url.Values {
		f := bucketForm(fmt.Sprint("full", n), fmt.Sprint("key ", n))
		f.Set("description", strings.Repeat("d", 9_000))
		return f
	}
	refused := -1
	for n := range 500 { // the log of the database may have some room of its own
		a, err := ask(c, formRequest(c, p.URL, project+"/storage/buckets", form(n)))
		if err == nil && a.status == http.StatusSeeOther {
			made[fmt.Sprint("in.c-full", n)] = true
			continue
		}
		saysFull(t, "a form", a, err)
		if !strings.Contains(a.body, fullDatabase) {
			t.Errorf("the page does not say %q", fullDatabase)
		}
		refused = n
		break
	}
	if refused < 0 {
		t.Fatal("500 buckets were made on a full disk")
	}
	t.Logf("%d forms were done on a full disk before one was refused", len(made))
	a, err = ask(c, uploadRequest(c, p.URL, project, "", "small.csv", noise(1<<20)))
	saysFull(t, "a small upload", a, err)
	a, err = ask(c, formRequest(c, p.URL, medium, loadForm("fresh", false, "the fresh load")))
	saysFull(t, "the start of a load", a, err)
	reads("on a full disk, later")
	p.Anonymous().Get("/login").Want(http.StatusOK)

	// Space again: everything goes on, and what was refused is done when it is sent again.
	empty()
	r := c.Do(formRequest(c, p.URL, project+"/storage/buckets", form(refused))).Want(http.StatusSeeOther)
	made[fmt.Sprint("in.c-full", refused)] = true
	c.Get(r.Location).Want(http.StatusOK)
	job := c.Do(formRequest(c, p.URL, medium, loadForm("fresh", false, "the fresh load"))).Want(http.StatusSeeOther).Location
	if j := ends(t, c, project, job, time.Minute); j.Status != "success" {
		t.Errorf("with space again, a load: %+v", j)
	}
	reads("with space again")
	var buckets []struct{ ID string }
	c.Get(project + "/storage?format=json").Want(http.StatusOK).JSON(&buckets)
	there := map[string]bool{}
	for _, b := range buckets {
		there[b.ID] = true
	}
	for id := range made {
		if !there[id] {
			t.Errorf("bucket %s was acknowledged and is lost", id)
		}
	}
	if len(buckets) != len(made)+2 {
		t.Errorf("there are %d buckets, %d were acknowledged", len(buckets), len(made)+2)
	}
	p.stop(25 * time.Second)
	inspect(t, "sqlite:"+filepath.Join(dir, "steward.db"), func(tx *db.Tx) error { return sound(t, tx) })
}

// TestCrashDiskDuringALoad fills the disk to the last byte while a load runs, so that not
// even the end of its job can be written. With space again the job comes to its end.
func TestCrashDiskDuringALoad(t *testing.T) {
	dir := smallDisk(t, 128)
	p := launchServe(t, dir)
	_, c, project := setup(t, p.Site, &p.out)
	c.Post(project+"/storage/buckets", bucketForm("crash", "")).Want(http.StatusSeeOther)
	a, err := ask(c, uploadRequest(c, p.URL, project, "", "medium.csv", noise(20<<20)))
	if err != nil || a.status != http.StatusSeeOther {
		t.Fatalf("upload: %v %d", err, a.status)
	}
	medium, _, _ := strings.Cut(a.location, "?")
	start := func(table string) string {
		return c.Do(formRequest(c, p.URL, medium, loadForm(table, false, ""))).Want(http.StatusSeeOther).Location
	}

	// The program sleeps while the disk is filled; it must have begun, and not be done.
	var job string
	var empty func()
	for n := 0; empty == nil; n++ {
		if n == 5 {
			t.Fatal("five loads were done before the disk could be filled")
		}
		job = start("table_during")
		poll(t, "the load begins", func() bool { return stateOf(t, c, project, job) != "waiting" })
		p.signal(syscall.SIGSTOP)
		empty = fill(t, dir, 0)
		p.signal(syscall.SIGCONT)
		if stateOf(t, c, project, job) == "success" {
			empty()
			empty = nil
		}
	}
	// Its end is written only if the log of the database has some room of its own.
	unwritten := func(l line) bool { return strings.Contains(l.Msg, "a job's end was not written") }
	var again bool
	poll(t, "the load finds that no space is left", func() bool {
		_, again = p.find(unwritten)
		return again || stateOf(t, c, project, job) == "error"
	})
	c.Get(job).Want(http.StatusOK)
	c.Get(project + "/storage/jobs").Want(http.StatusOK)
	want := "error"
	if again {
		want = "success"
		if got := stateOf(t, c, project, job); got != "processing" {
			t.Errorf("the job whose end could not be written is %s", got)
		}
	}
	empty()
	j := ends(t, c, project, job, 90*time.Second)
	if j.Status != want || (want == "error" && !strings.Contains(j.ErrorMessage, "No space is left")) {
		t.Errorf("with space again the job ends in %+v, want %s", j, want)
	}
	if log := logOf(c, job); again && !strings.Contains(log, "Interrupted") {
		t.Errorf("the job's log does not say that it was interrupted:\n%s", log)
	}
	if j := ends(t, c, project, start("table_after"), time.Minute); j.Status != "success" {
		t.Errorf("the next load: %+v", j)
	}
	p.stop(25 * time.Second)
	inspect(t, "sqlite:"+filepath.Join(dir, "steward.db"), func(tx *db.Tx) error { return sound(t, tx) })
}

func stateOf(t *testing.T, c *webtest.Client, project, job string) string {
	t.Helper()
	list, err := jobsOf(c, project, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range list {
		if strings.HasSuffix(job, fmt.Sprint("/", j.ID)) {
			return j.Status
		}
	}
	t.Fatalf("%s is not there", job)
	return ""
}

// age makes every session look as if its person had been away for two minutes.
func age(t *testing.T, dir string) {
	t.Helper()
	d, err := db.Open(t.Context(), "sqlite:"+filepath.Join(dir, "steward.db"), db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	err = d.Update(t.Context(), func(tx *db.Tx) error {
		return tx.Must("UPDATE sessions SET last_seen_at = last_seen_at - 120000000")
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCrashDiskDuringChanges fills the disk beside a keyed table of many megabytes: what
// writes more than is left says so and leaves the table, and the disk, as they were. With
// space again the same is done.
func TestCrashDiskDuringChanges(t *testing.T) {
	dir := smallDisk(t, 160)
	p := launchServe(t, dir)
	_, c, project := setup(t, p.Site, &p.out)
	storage := project + "/storage"
	table := storage + "/tables/" + crashBucket + ".kept"
	c.Post(storage+"/buckets", bucketForm("crash", "")).Want(http.StatusSeeOther)
	succeeds := func(job string) {
		t.Helper()
		if j := ends(t, c, project, job, time.Minute); j.Status != "success" {
			t.Errorf("%s: %+v", job, j)
		}
	}
	submit := func(page, action string, fields url.Values) func() string {
		return func() string {
			t.Helper()
			path, form := c.Get(page).Want(http.StatusOK).Form(action)
			for name, values := range fields {
				form[name] = values
			}
			c.Post(path, form).Want(http.StatusSeeOther)
			list, err := jobsOf(c, project, "")
			if err != nil || len(list) == 0 {
				t.Fatal(err)
			}
			return fmt.Sprint(storage, "/jobs/", list[0].ID)
		}
	}
	succeeds(load(t, p, c, project, "kept", false, "kept.csv", noise(12<<20)))
	succeeds(submit(table+"/settings", table+"/key", url.Values{"key": {"id"}})())
	a, err := ask(c, uploadRequest(c, p.URL, project, "", "other.csv", noise(12<<20)))
	if err != nil || a.status != http.StatusSeeOther {
		t.Fatalf("upload: %v %d", err, a.status)
	}
	other, _, _ := strings.Cut(a.location, "?")
	changes := []struct {
		name string
		do   func() string // gives the page of its job
	}{
		{"an upsert", func() string {
			return c.Do(formRequest(c, p.URL, other, loadForm("kept", true, ""))).Want(http.StatusSeeOther).Location
		}},
		{"an export", submit(table+"/export", table+"/export", url.Values{"format": {"csv"}})},
		{"an export in order", submit(table+"/export", table+"/export", url.Values{"format": {"parquet"}, "order": {"name"}})},
	}
	rows := func() string {
		t.Helper()
		return c.Get(table + "/preview?format=csv&limit=100&order=name").Want(http.StatusOK).Body
	}
	c.Get(project) // shows what the redirects had to tell
	before := rows()

	empty := fill(t, dir, 4<<20)
	left := free(t, dir)
	for _, change := range changes {
		job := change.do()
		if j := ends(t, c, project, job, time.Minute); j.Status != "error" || !strings.Contains(j.ErrorMessage, fullData) {
			t.Errorf("%s on a full disk: %+v", change.name, j)
		}
		c.Get(job).Want(http.StatusOK)
		if rows() != before {
			t.Errorf("%s on a full disk changed the table", change.name)
		}
		if now := free(t, dir); now < left-1<<20 {
			t.Errorf("%s on a full disk took %d bytes", change.name, left-now)
		}
	}
	// A copy and a snapshot share the bytes, and a revert takes no new ones.
	succeeds(submit(table+"/versions/1/copy", table+"/versions/1/copy", url.Values{"table": {"copied"}})())
	succeeds(submit(table+"/snapshots", table+"/snapshots", url.Values{"description": {"on a full disk"}})())
	empty()
	for _, change := range changes {
		succeeds(change.do())
	}
	if rows() == before {
		t.Error("with space again the upsert changed nothing")
	}
	succeeds(submit(table+"/versions/2/revert", table+"/versions/2/revert", nil)())
	if rows() != before {
		t.Error("the table that was reverted is another")
	}
	p.stop(25 * time.Second)
	if out, err := command(t, "", "verify", "--data", dir); err != nil || !strings.HasPrefix(out, "All is well.") {
		t.Errorf("verify: %v\n%s", err, out)
	}
}
