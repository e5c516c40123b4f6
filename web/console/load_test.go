package console_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	stdcsv "encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/klauspost/compress/zstd"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/internal/storage"
	"steward/internal/storage/engine"
	"steward/internal/tenancy"
	"steward/views/paths"
	"steward/web/webtest"
)

// loader is a person at a browser who loads files into a project's bucket in.c-load.
type loader struct {
	*webtest.Site
	*webtest.Client
	t       *testing.T
	project int64
	scope   access.Project
	data    string
}

const loadBucket = "in.c-load"

// newLoader opens a site with a project and a bucket in it.
func newLoader(t *testing.T) *loader {
	t.Helper()
	data := t.TempDir()
	s := webtest.Open(t, webtest.Options{Data: data})
	p, admin := s.Project("Loading", false)
	l := enter(t, s, p, admin, data)
	l.makeBucket()
	return l
}

func enter(t *testing.T, s *webtest.Site, p tenancy.Project, u accounts.User, data string) *loader {
	t.Helper()
	return &loader{Site: s, Client: s.SignIn(u), t: t, project: p.ID, scope: s.Scope(u, p), data: data}
}

// in is the loader inside a subtest.
func (l *loader) in(t *testing.T) *loader {
	inner := *l
	inner.t = t
	return &inner
}

func (l *loader) makeBucket() {
	l.t.Helper()
	l.Post(paths.Buckets(l.project), url.Values{"stage": {"in"}, "name": {"load"}, "displayName": {""}, "description": {""}}).Want(http.StatusSeeOther)
}

// outcome is how far a file came, and what was said.
type outcome struct {
	step string // upload, check or job: where it was refused; loaded
	text string // of the page that says so
}

// try loads a file as a person does: the upload form, the page that checks it, the
// load, and the job's page. The choices, in pairs of field and value, are made on the
// page that checks.
func (l *loader) try(table, name, content string, choices ...string) outcome {
	l.t.Helper()
	r := l.upload(table, name, content)
	if r.Status != http.StatusSeeOther {
		return outcomeOf("upload", r)
	}
	check := l.Get(r.Location).Want(http.StatusOK)
	path, fields := check.Form(strings.SplitN(r.Location, "?", 2)[0])
	for i := 0; i+1 < len(choices); i += 2 {
		fields.Set(choices[i], choices[i+1])
	}
	r = l.Post(path, fields)
	if r.Status != http.StatusSeeOther {
		r.Want(http.StatusUnprocessableEntity)
		return outcomeOf("check", r)
	}
	return l.await(r.Location)
}

func (l *loader) upload(table, name, content string) webtest.Response {
	l.t.Helper()
	path, _ := l.Get(paths.LoadInto(l.project, loadBucket, table)).Want(http.StatusOK).Form(paths.Load(l.project))
	r := l.Upload(path, name, content)
	if r.Status == http.StatusSeeOther {
		// The fields bucket and table come before the file; Upload sends only the file.
		r.Location = paths.With(strings.SplitN(r.Location, "?", 2)[0], "bucket", loadBucket, "table", table)
	}
	return r
}

// await waits for a job's end, at most half a minute.
func (l *loader) await(job string) outcome {
	l.t.Helper()
	return l.awaitFor(30*time.Second, job)
}

func (l *loader) awaitFor(long time.Duration, job string) outcome {
	l.t.Helper()
	for end := time.Now().Add(long); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		var state string
		l.View(func(tx *db.Tx) (err error) {
			state, err = db.Value[string](tx, "SELECT state FROM jobs WHERE id = "+job[strings.LastIndexByte(job, '/')+1:])
			return err
		})
		switch r := l.Get(job).Want(http.StatusOK); state {
		case "success":
			return outcomeOf("loaded", r)
		case "error":
			return outcomeOf("job", r)
		}
	}
	l.t.Fatalf("%s does not end", job)
	return outcome{}
}

func outcomeOf(step string, r webtest.Response) outcome {
	return outcome{step, strings.Join(strings.Fields(r.Page().Find("main").Text()), " ")}
}

// content is a table's version and a sum over all its cells, "none" when there is no
// such table.
func (l *loader) content(table string) string {
	l.t.Helper()
	var t storage.Table
	var n int64
	l.View(func(tx *db.Tx) (err error) {
		n, err = db.Value[int64](tx, "SELECT count(*) FROM tables WHERE project_id = $1 AND text_id = $2", l.project, loadBucket+"."+table)
		if err == nil && n > 0 {
			t, err = l.App.Storage.Table(tx, l.scope, loadBucket+"."+table)
		}
		return err
	})
	if n == 0 {
		return "none"
	}
	v, err := l.App.Storage.View(l.t.Context(), l.scope, t)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = v.Close() }()
	sum, rows := sha256.New(), int64(0)
	for _, c := range v.Columns() {
		fmt.Fprintf(sum, "%q,", c.Name)
	}
	err = v.Each(l.t.Context(), engine.Query{}, func(r engine.Row) error {
		rows++
		for _, c := range r.Cells {
			fmt.Fprintf(sum, "%t%q,", c.Null, c.Value)
		}
		return nil
	})
	if err != nil || rows != t.Rows {
		l.t.Fatalf("%d rows are there, the table says %d: %v", rows, t.Rows, err)
	}
	return fmt.Sprintf("version %d, %d rows, %x", t.Version, rows, sum.Sum(nil)[:8])
}

func (l *loader) count(from string, args ...any) int64 {
	l.t.Helper()
	var n int64
	l.View(func(tx *db.Tx) (err error) {
		n, err = db.Value[int64](tx, "SELECT count(*) FROM "+from, args...)
		return err
	})
	return n
}

// blobs counts the objects that uploads left in the store.
func (l *loader) blobs() (n int64) {
	l.t.Helper()
	err := filepath.WalkDir(filepath.Join(l.data, "store", "files"), func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			n++
		}
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

// Sent twice, done once -------------------------------------------------------

// submission is a form with its key, and what it should do once.
type submission struct {
	name   string
	send   func(l *loader) *http.Request
	effect func(l *loader) map[string]int64
}

func urlencoded(c *webtest.Client, origin, path string, form url.Values) *http.Request {
	r := c.Request(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", origin)
	return r
}

func multipart(c *webtest.Client, origin, path, content string) *http.Request {
	body := "--limit\r\nContent-Disposition: form-data; name=\"bucket\"\r\n\r\n" + loadBucket + "\r\n" +
		"--limit\r\nContent-Disposition: form-data; name=\"file\"; filename=\"twice.csv\"\r\n\r\n" + content + "\r\n--limit--\r\n"
	r := c.Request(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "multipart/form-data; boundary=limit")
	r.Header.Set("Origin", origin)
	return r
}

func startForm(table, mode, key string) url.Values {
	f := url.Values{"delimiter": {"comma"}, "quotes": {"double"}, "header": {"yes"}, "empty": {"distinct"}, "bucket": {loadBucket}, "table": {table}, "mode": {mode}}
	if key != "" {
		f.Set("_key", key)
	}
	return f
}

// together lets no request read the body of an upload before as many as expected want
// to, so that all of them are under way at once.
type together struct {
	key     string
	mu      sync.Mutex
	missing int
	all     chan struct{}
}

func (g *together) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("_key") == g.key {
			r.Body = struct {
				io.Reader
				io.Closer
			}{io.MultiReader(readerFunc(g.wait), r.Body), r.Body}
		}
		next.ServeHTTP(w, r)
	})
}

// wait reads nothing, once all are there.
func (g *together) wait([]byte) (int, error) {
	g.mu.Lock()
	if g.missing--; g.missing == 0 {
		close(g.all)
	}
	g.mu.Unlock()
	select {
	case <-g.all:
		return 0, io.EOF
	case <-time.After(10 * time.Second):
		return 0, errors.New("the other uploads did not come")
	}
}

type readerFunc func([]byte) (int, error)

// Read implements io.Reader.
func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// answers sends a request many times at once, and gives what came back as
// "status location".
func (l *loader) answers(n int, request func() *http.Request) []string {
	l.t.Helper()
	out, errs := make([]string, n), make([]error, n)
	requests := make([]*http.Request, n)
	for i := range requests {
		requests[i] = request()
	}
	var wg sync.WaitGroup
	for i, r := range requests {
		wg.Go(func() {
			res, err := l.HTTP.Do(r)
			if err != nil {
				errs[i] = err
				return
			}
			_, errs[i] = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			out[i] = fmt.Sprint(res.StatusCode, " ", res.Header.Get("Location"))
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			l.t.Fatal(err)
		}
	}
	return out
}

// TestSentTwiceIsDoneOnce sends each kind of form fifty times at once, and again after
// a restart on the same database: one effect, one answer.
func TestSentTwiceIsDoneOnce(t *testing.T) {
	t.Parallel()
	data, dsn := t.TempDir(), dbtest.DSN(t)
	var (
		p     tenancy.Project
		admin accounts.User
		file  string // the page that checks an uploaded file
	)
	forms := []submission{
		{"bucket", func(l *loader) *http.Request {
			return urlencoded(l.Client, l.URL, paths.Buckets(l.project), url.Values{"stage": {"in"}, "name": {"twice"}, "displayName": {"Twice"}, "description": {""}, "_key": {"key of the bucket"}})
		}, func(l *loader) map[string]int64 {
			return map[string]int64{"buckets": l.count("buckets WHERE name = 'c-twice'"), "events": l.count("events WHERE name = 'storage.bucketCreated' AND object_id = 'in.c-twice'")}
		}},
		{"upload", func(l *loader) *http.Request {
			return multipart(l.Client, l.URL, paths.With(paths.Load(l.project), "_key", "key of the upload"), "id,name\n1,one\n2,two\n")
		}, func(l *loader) map[string]int64 {
			return map[string]int64{"files": l.count("files WHERE name = 'twice.csv'"), "events": l.count("events WHERE name = 'storage.fileUploaded' AND object_name = 'twice.csv'"),
				"objects in the store": l.blobs() - l.count("files WHERE name <> 'twice.csv'")}
		}},
		{"load", func(l *loader) *http.Request {
			return urlencoded(l.Client, l.URL, file, startForm("twice", "append", "key of the load"))
		}, func(l *loader) map[string]int64 {
			return map[string]int64{"jobs": l.count("jobs WHERE table_name = 'in.c-load.twice'"), "events": l.count("events WHERE name = 'storage.loadStarted' AND object_id = 'in.c-load.twice'")}
		}},
	}
	first := map[string]string{}
	t.Run("at once", func(t *testing.T) {
		g := &together{key: "key of the upload", missing: 50, all: make(chan struct{})}
		s := webtest.Open(t, webtest.Options{Data: data, DSN: dsn, Handler: g.handler})
		p, admin = s.Project("Twice", false)
		l := enter(t, s, p, admin, data)
		l.makeBucket()
		file = l.upload("twice", "once.csv", "id,name\n1,one\n2,two\n").Want(http.StatusSeeOther).Location
		file = strings.SplitN(file, "?", 2)[0]
		for _, f := range forms {
			t.Run(f.name, func(t *testing.T) {
				l := l.in(t)
				got := l.answers(50, func() *http.Request { return f.send(l) })
				first[f.name] = got[0]
				l.same(got, got[0])
				l.once(f)
			})
		}
		if got := l.await(strings.TrimPrefix(first["load"], "303 ")); got.step != "loaded" {
			t.Fatalf("the load: %v", got)
		}
	})
	t.Run("after a restart", func(t *testing.T) {
		l := enter(t, webtest.Open(t, webtest.Options{Data: data, DSN: dsn}), p, admin, data)
		for _, f := range forms {
			t.Run(f.name, func(t *testing.T) {
				l := l.in(t)
				l.same(l.answers(3, func() *http.Request { return f.send(l) }), first[f.name])
				l.once(f)
			})
		}
		if got := l.content("twice"); !strings.HasPrefix(got, "version 1, 2 rows") {
			t.Errorf("the table is at %s, want one version of 2 rows", got)
		}
	})
}

func (l *loader) same(got []string, want string) {
	l.t.Helper()
	if !strings.HasPrefix(want, "303 /projects/") {
		l.t.Errorf("the answer is %q, want a redirect to what was made", want)
	}
	for i, g := range got {
		if g != want {
			l.t.Errorf("answer %d is %q, the first one was %q", i, g, want)
		}
	}
}

func (l *loader) once(f submission) {
	l.t.Helper()
	for what, n := range f.effect(l) {
		if n != 1 {
			l.t.Errorf("there are %d %s, want 1", n, what)
		}
	}
}

// TestKeys sends forms with keys of another form, of another person, and without one.
func TestKeys(t *testing.T) {
	t.Parallel()
	l := newLoader(t)
	bucket := func(name, key string) url.Values {
		return url.Values{"stage": {"in"}, "name": {name}, "displayName": {""}, "description": {""}, "_key": {key}}
	}
	l.Post(paths.Buckets(l.project), bucket("one", "k1")).Want(http.StatusSeeOther)

	// The key of one form is no key of another.
	edit := url.Values{"displayName": {"Changed"}, "description": {""}, "_key": {"k1"}}
	r := l.Post(paths.Bucket(l.project, "in.c-one"), edit).Want(http.StatusUnprocessableEntity)
	if !strings.Contains(r.Body, "This key was used for something else") {
		t.Errorf("a key of another form: the page does not say so:\n%.1000s", r.Page().Find("main").Text())
	}
	if n := l.count("buckets WHERE display_name = 'Changed'"); n != 0 {
		t.Error("a form with the key of another form was done")
	}

	// What was refused is not remembered: the same form, put right, is done.
	l.Post(paths.Buckets(l.project), bucket("not a name", "k2")).Want(http.StatusUnprocessableEntity)
	l.Post(paths.Buckets(l.project), bucket("a-name", "k2")).Want(http.StatusSeeOther)

	// Keys belong to a person.
	other := l.Member(tenancy.Project{ID: l.project}, access.Admin)
	l.SignIn(other).Post(paths.Buckets(l.project), bucket("two", "k1")).Want(http.StatusSeeOther)
	if n := l.count("buckets WHERE name = 'c-two'"); n != 1 {
		t.Error("another person's form with the same key was not done")
	}

	// A key in the header counts as one in the form.
	for range 2 {
		r := urlencoded(l.Client, l.URL, paths.Buckets(l.project), url.Values{"stage": {"out"}, "name": {"header"}, "displayName": {""}, "description": {""}})
		r.Header.Set("Idempotency-Key", "k3")
		if got := l.Do(r).Want(http.StatusSeeOther).Location; got != paths.Bucket(l.project, "out.c-header") {
			t.Errorf("with a key in the header: to %s", got)
		}
	}

	// Without a key, twice is twice.
	var jobs []string
	file := strings.SplitN(l.upload("plain", "plain.csv", "id\n1\n").Want(http.StatusSeeOther).Location, "?", 2)[0]
	for range 2 {
		l.Do(multipart(l.Client, l.URL, paths.Load(l.project), "id\n1\n")).Want(http.StatusSeeOther)
		jobs = append(jobs, l.Post(file, startForm("plain", "append", "")).Want(http.StatusSeeOther).Location)
	}
	for _, j := range jobs {
		if got := l.await(j); got.step != "loaded" {
			t.Errorf("%s: %v", j, got)
		}
	}
	if got := l.content("plain"); jobs[0] == jobs[1] || !strings.HasPrefix(got, "version 2, 2 rows") {
		t.Errorf("two loads without a key are %v and leave %s", jobs, got)
	}
	if n := l.count("files WHERE name = 'twice.csv'"); n != 2 {
		t.Errorf("two uploads without a key make %d files", n)
	}
}

// Bad input --------------------------------------------------------------------

// badFile is a file that cannot be loaded, and what people must be told.
type badFile struct {
	name  string
	file  string // its name; bad.csv by default
	bytes string
	step  string // where it is refused
	says  []string
}

// late gives good rows to put before bad ones: more than the page that checks a file
// reads, so that only the job comes to the bad ones.
func late(rows int) string {
	var b strings.Builder
	b.WriteString("id,name,note\n")
	for i := range rows {
		fmt.Fprintf(&b, "%d,some name,%s\n", i, strings.Repeat("x", 80))
	}
	return b.String()
}

const lateRows = 14_000 // about 1.3 MB

func pack(content string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, content)
	_ = w.Close()
	return b.String()
}

func packZstd(content string) string {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	return string(w.EncodeAll([]byte(content), nil))
}

func columns(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint("c", i)
	}
	return strings.Join(names, ",")
}

func badFiles() []badFile {
	const head = "id,name,note\n1,a,b\n"
	lateLine := "Line 14,002"
	png, _ := hex.DecodeString("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000000020001e221bc330000000049454e44ae426082")
	packed, packedZstd := pack(late(lateRows)), packZstd(late(lateRows))
	return []badFile{
		{"too few cells", "", head + "2,c\n", "check", []string{"Line 3 has 2 cells", "the header has 3", "Found: 2,c"}},
		{"too few cells, late", "", late(lateRows) + "2,c\n", "job", []string{lateLine + " has 2 cells", "the header has 3", "Found: 2,c"}},
		{"too many cells", "", head + "2,c,d,e\n", "check", []string{"Line 3 has 4 cells", "the header has 3", "Found: 2,c,d,e"}},
		{"too many cells, late", "", late(lateRows) + "2,c,d,e\n", "job", []string{lateLine + " has 4 cells", "Found: 2,c,d,e"}},
		{"unterminated quote", "", head + "2,\"open,d\n3,e,f\n", "check", []string{`Line 3, cell 2 ("name") opens a quote (") that is never closed`, `Found: "open,d`}},
		{"unterminated quote, late", "", late(lateRows) + "2,\"open,d\n3,e,f\n", "job", []string{lateLine + `, cell 2 ("name") opens a quote (") that is never closed`, `Found: "open,d`}},
		{"NUL", "", head + "2,a\x00b,d\n", "check", []string{`Line 3, cell 2 ("name") holds a NUL byte at position 2`, `Found: a\x00`}},
		{"NUL, late", "", late(lateRows) + "2,a\x00b,d\n", "job", []string{lateLine + `, cell 2 ("name") holds a NUL byte at position 2`, `Found: a\x00`}},
		{"neither UTF-8 nor Windows-1252", "", head + "2,caf\x81,d\n", "check", []string{`Line 3, cell 2 ("name") is not UTF-8 text: byte 0x81 at position 4`, `Found: caf\x81`}},
		{"not UTF-8, late", "", late(lateRows) + "2,caf\xe9,d\n", "job", []string{lateLine + `, cell 2 ("name") is not UTF-8 text: byte 0xE9 at position 4`, `Found: caf\xe9`}},
		{"stray quote, late", "", late(lateRows) + "2,a\"b,d\n", "job", []string{lateLine + `, cell 2 ("name") has a quote (") inside unquoted text`, `Found: a"`}},
		{"half of a UTF-16 character", "", "\xff\xfei\x00d\x00\n\x001\x00\x3d\xd8\n\x00", "check", []string{`Line 2, cell 1 ("id") is not UTF-16 text: half of a surrogate pair at position 2`, "such as UTF-8"}},
		{"UTF-16 with an odd number of bytes", "", "\xff\xfei\x00d\x00\n\x001\x00\n", "check", []string{`Line 2, cell 1 ("id") is not UTF-16 text: the file ends with half of a character`}},
		{"UTF-16 with NUL", "", "\xff\xfei\x00d\x00\n\x001\x00\x00\x00\n\x00", "check", []string{`Line 2, cell 1 ("id") holds a NUL byte at position 2`}},
		{"UTF-32", "", "\xff\xfe\x00\x00i\x00\x00\x00", "check", []string{"This is UTF-32 text, not a CSV file"}},
		{"Windows-1252 without a character, late", "", "id;prix\n0;\x80 5\n" + strings.Repeat("1;caf\xe9\n", 270_000) + "2;\x81\n", "job",
			[]string{`Line 270,003, cell 2 ("prix") is not Windows-1252 text: byte 0x81 at position 1`, "such as UTF-8", "Check the file as UTF-8", "1 of 270,002 rows cannot be read", "Load the good rows"}},
		{"duplicate header", "", "id,name,id\n1,2,3\n", "check", []string{`the column name "id" twice`, "cell 1", "cell 3"}},
		{"empty header", "", "id,,note\n1,2,3\n", "check", []string{"Cell 2 of the header is empty"}},
		{"header of 10,000 characters", "", "id," + strings.Repeat("n", 10_000) + "\n1,2\n", "check", []string{"Cell 2 of the header is a name of 10,000 characters; a name has 300 at most"}},
		{"5,000 columns", "", columns(5_000) + "\n", "check", []string{"Line 1 has more than 4,096 cells", "Found: c0,c1,"}},
		{"header without an end", "", strings.Repeat("word ", 20_000), "check", []string{"The header in line 1 is over 64 KiB"}},
		{"reserved names", "", "id,_timestamp\n1,2\n", "check", []string{`The column name "_timestamp" is reserved`, `"timestamp"`}},
		{"reserved job", "", "_job,job\n1,2\n", "check", []string{`The column name "_job" is reserved`, `"job_2"`}},
		{"cell of 64 MB", "", head + "2," + strings.Repeat("x", 64_000_000) + ",d\n", "job", []string{`Line 3, cell 2 ("name") is over 16 MiB`, "Found: xxx"}},
		{"empty file", "", "", "upload", []string{"The file is empty"}},
		{"only a line end", "", "\n", "check", []string{"The file is empty"}},
		{"packed emptiness", "bad.csv.gz", pack(""), "check", []string{"The file is empty"}},
		{"picture", "", string(png), "check", []string{"This is a PNG picture, not a CSV file"}},
		{"archive", "", "PK\x03\x04\x14\x00\x00\x00", "check", []string{"ZIP archive or an Excel workbook"}},
		{"picture in zstd", "bad.csv.zst", packZstd(string(png)), "check", []string{"This is a PNG picture, not a CSV file"}},
		{"zstd cut off", "bad.csv.zst", packZstd(head)[:20], "check", []string{"The zstd file is damaged or cut off"}},
		{"zstd cut off, late", "bad.csv.zst", packedZstd[:len(packedZstd)-9], "job", []string{"The zstd file is damaged or cut off"}},
		{"zstd with a wrong sum", "bad.csv.zst", packedZstd[:len(packedZstd)-4] + "1234", "job", []string{"The zstd file is damaged or cut off"}},
		{"zstd with a window of 2 GiB", "bad.csv.zst", "\x28\xb5\x2f\xfd\x00\xa8" + packZstd(head)[6:], "check", []string{"needs a window of over 32 MiB"}},
		{"zstd with a window of 64 MiB", "bad.csv.zst", "\x28\xb5\x2f\xfd\x00\x80" + packZstd(head)[6:], "check", []string{"needs a window of over 32 MiB"}},
		{"gzip cut off", "bad.csv.gz", pack(head)[:30], "check", []string{"The gzip file is damaged or cut off"}},
		{"gzip cut off, late", "bad.csv.gz", packed[:len(packed)-9], "job", []string{"The gzip file is damaged or cut off"}},
		{"gzip with a wrong sum", "bad.csv.gz", packed[:len(packed)-8] + "12345678", "job", []string{"The gzip file is damaged or cut off"}},
	}
}

// TestBadFiles loads files that are no good into a table that is there and into one
// that is not: people are told what and where, and nothing changes.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	l := newLoader(t)
	if got := l.try("kept", "good.csv", "id,name,note\n1,one,\n2,two,\"\"\n"); got.step != "loaded" {
		t.Fatalf("a good file: %+v", got)
	}
	before := l.content("kept")
	for i, f := range badFiles() {
		t.Run(f.name, func(t *testing.T) {
			l := l.in(t)
			name := f.file
			if name == "" {
				name = "bad.csv"
			}
			tables := []string{"kept", "fresh"}
			if f.step == "job" { // these take longer, so they take turns
				tables = tables[i%2 : i%2+1]
			}
			for _, table := range tables {
				got := l.try(table, name, f.bytes, "header", "yes")
				if got.step != f.step {
					t.Errorf("into %s: ended at %s, want %s: %.600s", table, got.step, f.step, got.text)
				}
				for _, want := range f.says {
					if !strings.Contains(got.text, want) {
						t.Errorf("into %s: the page does not say %q: %.1200s", table, want, got.text)
					}
				}
			}
			if got := l.content("kept"); got != before {
				t.Errorf("the table was changed from %s to %s", before, got)
			}
			if got := l.content("fresh"); got != "none" {
				t.Errorf("a table came into being: %s", got)
			}
		})
	}
	if n := l.count("jobs WHERE state NOT IN ('success', 'error')"); n != 0 {
		t.Errorf("%d jobs did not end", n)
	}
	if n := l.count("jobs WHERE error_code = 'storage.jobs.internal'"); n != 0 {
		t.Errorf("%d jobs ended for a reason of the program's own", n)
	}
}

// TestOddFiles loads files that look wrong and are not.
func TestOddFiles(t *testing.T) {
	t.Parallel()
	l := newLoader(t)
	for i, f := range []struct {
		name, bytes string
		columns     []string
		rows        int64
	}{
		{"byte order mark", "\ufeffid,name\n1,one\n", []string{"id", "name"}, 1},
		{"quoted after a byte order mark", "\ufeff\"id\",\"name\"\r\n1,one\r\n", []string{"id", "name"}, 1},
		{"header only", "id,name\n", []string{"id", "name"}, 0},
		{"header without a line end", "id,name", []string{"id", "name"}, 0},
		{"line ends in quotes", "id,name\n1,\"a\r\nb\nc\"\n", []string{"id", "name"}, 1},
		{"packed", pack("id,name\n1,one\n2,two\n"), []string{"id", "name"}, 2},
		{"packed in two parts", pack("id,name\n1,one\n") + pack("2,two\n"), []string{"id", "name"}, 2},
		{"packed with zstd", packZstd("id,name\n1,one\n2,two\n"), []string{"id", "name"}, 2},
		{"packed with zstd in two parts", packZstd("id,name\n1,one\n") + packZstd("2,two\n"), []string{"id", "name"}, 2},
		{"4,096 columns", columns(4096) + "\n" + strings.Repeat(",", 4095) + "\n", strings.Split(columns(4096), ","), 1},
	} {
		t.Run(f.name, func(t *testing.T) {
			l, table := l.in(t), fmt.Sprint("odd", i)
			if got := l.try(table, "odd.csv", f.bytes); got.step != "loaded" {
				t.Fatalf("ended at %s: %.600s", got.step, got.text)
			}
			var list []struct{ Name string }
			l.Get(paths.With(paths.Table(l.project, loadBucket+"."+table), "format", "json")).Want(http.StatusOK).JSON(&list)
			var names []string
			for _, c := range list {
				names = append(names, c.Name)
			}
			if !slices.Equal(names, f.columns) {
				t.Errorf("columns %.200q, want %.200q", names, f.columns)
			}
			if got, want := l.content(table), fmt.Sprintf("version 1, %d rows", f.rows); !strings.HasPrefix(got, want) {
				t.Errorf("the table is at %s, want %s", got, want)
			}
		})
	}
}

// oddNames are column names that some program chokes on.
func oddNames() []string {
	return []string{
		`He said "hi"`, `it's`, `<script>alert(1)</script>`, `<img src=x onerror=alert(2)>`, `</td></table><h1>out`, `"><a href="javascript:alert(3)">`,
		`'; DROP TABLE tables; --`, `1=1) OR (1=1`, `%s%d%n`, `{{.Password}}`, `${7*7}`, `a,b;c|d`, ` spaces around `, `back\slash`, `per%20cent`, `a&amp;b`, `__proto__`,
		`שלום עולם`, `مرحبا`, "e\u0301 combining", "👩\u200d🚀", "private\U000F0000use", strings.Repeat("n", 300), strings.Repeat("ż", 300), "=1+1", "rowid", "-", "null",
	}
}

// TestOddNames loads a table whose columns have such names and cells, and looks at it in
// every way there is: all is shown as text, and can be filtered and ordered by.
func TestOddNames(t *testing.T) {
	t.Parallel()
	l := newLoader(t)
	names := oddNames()
	var file bytes.Buffer
	w := stdcsv.NewWriter(&file)
	cells := slices.Clone(names)
	slices.Reverse(cells)
	if err := w.WriteAll([][]string{names, cells}); err != nil {
		t.Fatal(err)
	}
	r := l.upload("odd", `<b>"odd".csv`, file.String()).Want(http.StatusSeeOther)
	l.shows(r.Location, names)
	if got := l.try("odd", "odd.csv", file.String()); got.step != "loaded" {
		t.Fatalf("ended at %s: %.600s", got.step, got.text)
	}
	table := loadBucket + "." + "odd"
	l.shows(paths.Table(l.project, table), names)
	l.shows(paths.TablePreview(l.project, table), append(slices.Clone(names), cells...))
	l.shows(paths.TableEvents(l.project, table), nil)
	l.shows(paths.StorageJobs(l.project), nil)

	// Without some of them: the page names what would be dropped, and so does the event.
	r = l.upload("odd", "fewer.csv", "id\n1\n").Want(http.StatusSeeOther)
	l.shows(r.Location, names)

	for i, name := range names {
		at := paths.With(paths.TablePreview(l.project, table), "column", name, "op", "eq", "value", cells[i], "order", name, "columns", name, "format", "json")
		var rows []map[string]string
		l.Get(at).Want(http.StatusOK).JSON(&rows)
		if len(rows) != 1 || len(rows[0]) != 1 || rows[0][name] != cells[i] {
			t.Errorf("filtered and ordered by %.40q: %.200v", name, rows)
		}
	}
	got, err := stdcsv.NewReader(strings.NewReader(l.Get(paths.With(paths.TablePreview(l.project, table), "format", "csv")).Want(http.StatusOK).Body)).ReadAll()
	if err != nil || len(got) != 2 || len(got[0]) != len(names) {
		t.Fatalf("as CSV: %v, %v", got, err)
	}
	for i, name := range names {
		if strings.TrimPrefix(got[0][i], "'") != strings.TrimPrefix(name, "'") {
			t.Errorf("column %d is %.40q in the CSV, want %.40q", i, got[0][i], name)
		}
	}
}

// shows fails the test unless a page has all texts as text, and no element that they
// would make.
func (l *loader) shows(path string, texts []string) {
	l.t.Helper()
	d := l.Get(path).Want(http.StatusOK).Page()
	d.Find("script, img, a, [onerror]").Each(func(_ int, e *goquery.Selection) {
		html, _ := goquery.OuterHtml(e)
		_, onerror := e.Attr("onerror")
		if onerror || strings.HasPrefix(strings.TrimSpace(e.AttrOr("href", "")), "javascript:") || (goquery.NodeName(e) == "script" && strings.Contains(e.Text(), "alert(")) {
			l.t.Errorf("%.80s: a name became an element: %.200s", path, html)
		}
	})
	if h := d.Find("h1").Length(); h != 1 {
		l.t.Errorf("%.80s has %d h1", path, h)
	}
	text := d.Find("body").Text()
	for _, want := range texts {
		if !strings.Contains(text, want) {
			l.t.Errorf("%.80s does not show %.60q", path, want)
		}
	}
}
