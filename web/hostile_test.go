package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/storage/csv"
	"steward/web/webtest"
)

// table gives a site with one loaded table, and a client who may read it.
func table(t *testing.T, content string) (s *webtest.Site, c *webtest.Client, path string) {
	t.Helper()
	s = webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Hostile", false)
	scope := s.Scope(admin, p)
	f, err := s.App.Storage.Upload(t.Context(), scope, "t.csv", strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	s.Update(func(tx *db.Tx) error {
		if _, err := s.App.Storage.CreateBucket(tx, scope, storage.NewBucket{Stage: storage.In, Name: "x"}); err != nil {
			return err
		}
		_, err := s.App.Storage.StartLoad(tx, scope, storage.Load{File: f.ID, Bucket: "in.c-x", Table: "t", Dialect: csv.DefaultDialect()})
		return err
	})
	if err := s.App.Jobs.Drain(t.Context(), jobs.Storage); err != nil {
		t.Fatal(err)
	}
	return s, s.SignIn(admin), "/projects/" + itoa(p.ID) + "/storage/tables/in.c-x.t"
}

// An odd User-Agent must not cost an event, neither its own nor those of others.
func TestOddUserAgents(t *testing.T) {
	t.Parallel()
	s, c, path := table(t, "a\n1\n")
	for _, agent := range []string{"plain", "\xff\xfe", strings.Repeat("x", 5000), "a\tb"} {
		r := c.Request(http.MethodGet, path+"/preview", nil)
		r.Header.Set("User-Agent", agent)
		c.Do(r).Want(http.StatusOK)
	}
	r := c.Request(http.MethodPost, "/login", strings.NewReader("email=a@b.example&password=x"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "\xff")
	c.Do(r).Want(http.StatusUnprocessableEntity)
	s.App.Reads.Flush()
	s.View(func(tx *db.Tx) error {
		reads, err := db.Value[int64](tx, "SELECT count(*) FROM events WHERE name = 'storage.tablePreviewed'")
		if err != nil {
			return err
		}
		failed, err := db.Value[int64](tx, "SELECT count(*) FROM events WHERE name = 'user.loginFailed'")
		if reads != 4 || failed != 1 {
			t.Errorf("%d reads and %d failed sign-ins are events, want 4 and 1", reads, failed)
		}
		return err
	})
}

// What strangers make up does not become a label of the metrics.
func TestOddMethods(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	c := s.Anonymous()
	c.Do(c.Request("MADEUP"+strings.Repeat("X", 1000), "/", nil)).Want(http.StatusMethodNotAllowed)
	c.Get("/login?x=" + strings.Repeat("x", 20<<10)).Want(http.StatusRequestURITooLong)
	c.Post("/login", url.Values{"email": {strings.Repeat("x", 100<<10)}}).Want(http.StatusRequestEntityTooLarge)
	res := scrape(t, s)
	if strings.Contains(res, "MADEUP") || !strings.Contains(res, `method="OTHER"`) {
		t.Error("a made-up method is in the metrics")
	}
	for _, name := range []string{"steward_http_request_seconds", "steward_jobs{", "steward_jobs_oldest_waiting_seconds", "steward_db_commit_seconds", "steward_jobs_lost_leases_total"} {
		if !strings.Contains(res, name) {
			t.Errorf("the metrics lack %s", name)
		}
	}
}

func TestPreviewIsBounded(t *testing.T) {
	t.Parallel()
	_, c, path := table(t, "a,b\n-5,=1+1\n"+strings.Repeat("x", 20_000)+",@c\n")
	c.Get(path + "/preview?" + strings.Repeat("column=a&op=ne&value=z&as=text&", 21)).Want(http.StatusUnprocessableEntity)
	c.Get(path + "/preview?column=a&op=gt&value=inf&as=number").Want(http.StatusUnprocessableEntity)
	c.Get(path + "/preview?column=nope&op=eq&value=1").Want(http.StatusUnprocessableEntity)
	c.Get(path + "/preview?order=nope").Want(http.StatusUnprocessableEntity)
	c.Get(path + "/preview?column=a&op=resembles&value=1").Want(http.StatusUnprocessableEntity)
	// Rows are downloaded as they are stored, and never cut without a word.
	if r := c.Get(path + "/preview?columns=b&format=csv").Want(http.StatusOK); r.Body != "b\n=1+1\n@c\n" {
		t.Errorf("CSV of rows: %q", r.Body)
	}
	c.Get(path + "/preview?format=csv").Want(http.StatusRequestEntityTooLarge)
}

// One key stands for one submission: with other content it is refused.
func TestKeyWithOtherContent(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Keys", false)
	c := s.SignIn(admin)
	path := "/projects/" + itoa(p.ID) + "/storage/buckets"
	first := c.Post(path, url.Values{"_key": {"k"}, "stage": {"in"}, "name": {"one"}}).Want(http.StatusSeeOther)
	again := c.Post(path, url.Values{"_key": {"k"}, "stage": {"in"}, "name": {"one"}}).Want(http.StatusSeeOther)
	if again.Location != first.Location {
		t.Errorf("the same again leads to %s, not %s", again.Location, first.Location)
	}
	c.Post(path, url.Values{"_key": {"k"}, "stage": {"in"}, "name": {"two"}}).Want(http.StatusUnprocessableEntity)
}

// An upload whose sender lost the right meanwhile is not kept.
func TestUploadOfARemovedMember(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, _ := s.Project("Removed", false)
	u := s.Member(p, "guest")
	scope := s.Scope(u, p)
	s.Update(func(tx *db.Tx) error { return tx.Must("DELETE FROM memberships WHERE user_id = $1", u.ID) })
	if _, err := s.App.Storage.Upload(t.Context(), scope, "late.csv", strings.NewReader("a\n1\n")); err == nil {
		t.Error("the upload was kept")
	}
	n := 0
	if err := s.App.Blobs.Walk(t.Context(), "files", func(string, int64, time.Time) error { n++; return nil }); err != nil || n != 0 {
		t.Errorf("%d blobs are left (%v)", n, err)
	}
}

func scrape(t *testing.T, s *webtest.Site) string {
	t.Helper()
	w := &strings.Builder{}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	s.App.Metrics.Handler().ServeHTTP(&sink{w, http.Header{}}, r)
	return w.String()
}

type sink struct {
	*strings.Builder
	header http.Header
}

func (s *sink) Header() http.Header { return s.header }
func (s *sink) WriteHeader(int)     {}
