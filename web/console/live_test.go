package console_test

import (
	"bufio"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/web/webtest"
)

// stream opens a live stream and gives its lines; the channel closes when it ends.
func stream(t *testing.T, c *webtest.Client, path string) <-chan string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	res, err := c.HTTP.Do(c.Request(http.MethodGet, path, nil).WithContext(ctx))
	if err != nil {
		stop()
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%s: %d %s", path, res.StatusCode, res.Header.Get("Content-Type"))
	}
	lines := make(chan string, 10_000)
	done := make(chan struct{})
	t.Cleanup(func() { stop(); <-done })
	go func() {
		defer close(done)
		defer close(lines)
		defer func() { _ = res.Body.Close() }()
		for s := bufio.NewScanner(res.Body); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return lines
}

// await reads lines until one holds a text; it fails when the stream ends before.
func await(t *testing.T, lines <-chan string, text string) {
	t.Helper()
	deadline := time.After(15 * time.Second)
	for {
		select {
		case l, open := <-lines:
			if strings.Contains(l, text) {
				return
			}
			if !open {
				t.Fatalf("the stream ended before %q", text)
			}
		case <-deadline:
			t.Fatalf("waited too long for %q", text)
		}
	}
}

// ended waits until the stream is over.
func ended(t *testing.T, lines <-chan string, within time.Duration) {
	t.Helper()
	deadline := time.After(within)
	for {
		select {
		case _, open := <-lines:
			if !open {
				return
			}
		case <-deadline:
			t.Fatal("the stream goes on")
		}
	}
}

func TestLive(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Live", false)
	other, _ := s.Project("Other", false)
	in := furnish(t, s, p, admin)
	base := "/projects/" + num(p.ID)
	c := s.SignIn(admin)

	t.Run("shows a job's end and then ends", func(t *testing.T) {
		t.Parallel()
		lines := stream(t, c, base+"/live?part=job-"+in.job)
		await(t, lines, "Waiting")
		s.Update(func(tx *db.Tx) error {
			n, err := strconv.ParseInt(in.job, 10, 64)
			if err != nil {
				return err
			}
			_, err = s.App.Jobs.Cancel(tx, s.Scope(admin, p), n)
			return err
		})
		await(t, lines, "Cancelled")
		await(t, lines, "event: end")
		ended(t, lines, 5*time.Second)
	})
	t.Run("ends with the session", func(t *testing.T) {
		t.Parallel()
		mine := s.SignIn(admin)
		lines := stream(t, mine, base+"/live?part=jobs")
		await(t, lines, "hx-partial")
		mine.Post("/logout", url.Values{}).Want(http.StatusSeeOther)
		ended(t, lines, 5*time.Second)
	})
	t.Run("ends with the role", func(t *testing.T) {
		t.Parallel()
		u := s.Member(p, "guest")
		lines := stream(t, s.SignIn(u), base+"/live?part=latest-jobs")
		await(t, lines, "hx-partial")
		s.Update(func(tx *db.Tx) error { return tx.Must("DELETE FROM memberships WHERE user_id = $1", u.ID) })
		ended(t, lines, 5*time.Second)
	})
	t.Run("refuses what is not there", func(t *testing.T) {
		t.Parallel()
		for _, part := range []string{"", "?part=", "?part=nothing", "?part=job-", "?part=job-999999", "?part=job-x", "?part=jobs&part=job-1&part=job-2&part=job-3&part=job-4"} {
			if r := c.Get(base + "/live" + part); r.Status != http.StatusNotFound && r.Status != http.StatusUnprocessableEntity {
				t.Errorf("%q: %d", part, r.Status)
			}
		}
		c.Get("/projects/" + num(other.ID) + "/live?part=jobs").Want(http.StatusNotFound)
	})
	t.Run("new jobs appear", func(t *testing.T) {
		t.Parallel()
		lines := stream(t, c, base+"/live?part=jobs")
		await(t, lines, "hx-partial")
		s.Update(func(tx *db.Tx) error {
			_, err := s.App.Jobs.Enqueue(tx, jobs.Spec{Class: jobs.Storage, Operation: storage.TableImport, Scope: s.Scope(admin, p), Table: "in.c-walk.brand_new", Params: storage.Load{}})
			return err
		})
		await(t, lines, "brand_new")
	})
}
