package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"steward/internal/id"
	"steward/views/paths"
	"steward/views/storage"
)

// browser is a person's, signed in. It sends what the console's forms would.
type browser struct {
	base string
	http http.Client
}

// enter starts the program on a data folder and signs in.
func (b *bench) enter(ctx context.Context, data string) (*server, *browser, error) {
	s, err := b.serve(ctx, data)
	if err != nil {
		return nil, nil, err
	}
	br, err := b.signIn(ctx, s)
	if err != nil {
		return nil, nil, errors.Join(err, s.stop())
	}
	return s, br, nil
}

// signIn opens the front page as the person of the data folder, by the form.
func (b *bench) signIn(ctx context.Context, s *server) (*browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	br := &browser{s.url(), http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	_, err = br.post(ctx, paths.Login(""), url.Values{"email": {email}, "password": {password}})
	return br, err
}

// cookie is the session, for a client that keeps none itself.
func (b *browser) cookie() string {
	u, err := url.Parse(b.base)
	if err != nil {
		return ""
	}
	var out []string
	for _, c := range b.http.Jar.Cookies(u) {
		out = append(out, c.Name+"="+c.Value)
	}
	return strings.Join(out, "; ")
}

func (b *browser) do(ctx context.Context, method, path, contentType string, body io.Reader, length int64, want int) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, b.base+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.ContentLength = length
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Origin", b.base)
	}
	res, err := b.http.Do(r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != want {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 2000))
		return nil, errors.Join(fmt.Errorf("%s %s: %s\n%s", method, path, res.Status, text), res.Body.Close())
	}
	return res, nil
}

// get reads a page.
func (b *browser) get(ctx context.Context, path string) ([]byte, error) {
	res, err := b.do(ctx, http.MethodGet, path, "", nil, 0, http.StatusOK)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	return body, errors.Join(err, res.Body.Close())
}

// time is how long a page takes.
func (b *browser) time(ctx context.Context, path string) (time.Duration, error) {
	start := time.Now()
	_, err := b.get(ctx, path)
	return time.Since(start), err
}

// post sends a form and gives the address that the answer leads to.
func (b *browser) post(ctx context.Context, path string, form url.Values) (string, error) {
	text := form.Encode()
	res, err := b.do(ctx, http.MethodPost, path, "application/x-www-form-urlencoded", strings.NewReader(text), int64(len(text)), http.StatusSeeOther)
	if err != nil {
		return "", err
	}
	return res.Header.Get("Location"), res.Body.Close()
}

// upload sends a file by the form of the first step of a load, and gives the file's
// number.
func (b *browser) upload(ctx context.Context, project int64, file string) (number int64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	var head bytes.Buffer
	form := multipart.NewWriter(&head)
	if _, err := form.CreateFormFile("file", filepath.Base(file)); err != nil {
		return 0, err
	}
	tail := "\r\n--" + form.Boundary() + "--\r\n"
	length := int64(head.Len()) + info.Size() + int64(len(tail))
	res, err := b.do(ctx, http.MethodPost, paths.With(paths.Load(project), "_key", id.Short()), form.FormDataContentType(),
		io.MultiReader(&head, f, strings.NewReader(tail)), length, http.StatusSeeOther)
	if err != nil {
		return 0, err
	}
	next, _, _ := strings.Cut(res.Header.Get("Location"), "?")
	number, err = strconv.ParseInt(path.Base(next), 10, 64)
	return number, errors.Join(err, res.Body.Close())
}

// load starts the load of an uploaded file into a table by the form of the second step,
// with more of its fields than where to, and gives the job's number.
func (b *browser) load(ctx context.Context, project, file int64, table string, more url.Values) (job int64, err error) {
	form := url.Values{"bucket": {bucket}, "table": {table}, "mode": {"full"}}
	maps.Copy(form, more)
	return b.start(ctx, paths.LoadFile(project, file), form)
}

// start sends a form that starts a job and leads to its page, and gives the job's number.
func (b *browser) start(ctx context.Context, path string, form url.Values) (job int64, err error) {
	next, err := b.send(ctx, path, form)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(filepath.Base(next), 10, 64)
}

// send is post of a form that is done once, however often it is sent.
func (b *browser) send(ctx context.Context, path string, form url.Values) (string, error) {
	form.Set("_key", id.Short())
	return b.post(ctx, path, form)
}

// watch follows a job on its page until it has ended.
func (b *browser) watch(ctx context.Context, project, job int64) error {
	res, err := b.do(ctx, http.MethodGet, paths.Live(project, storage.JobPart(strconv.FormatInt(job, 10))), "", nil, 0, http.StatusOK)
	if err != nil {
		return err
	}
	stream, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return err
	}
	if !bytes.Contains(stream, []byte("event: end")) {
		return errors.New("the stream of the job's page broke off")
	}
	return nil
}

// times are those of a job, as the list of jobs gives them to programs.
type times struct {
	ID      int64     `json:"id"`
	Status  string    `json:"status"`
	Message string    `json:"errorMessage"`
	Created time.Time `json:"createdTime"`
	Started time.Time `json:"startTime"`
	Ended   time.Time `json:"endTime"`
}

// took is how long the job ran.
func (t times) took() time.Duration { return t.Ended.Sub(t.Started) }

// job gives the times of a job that has succeeded; 0 is the newest.
func (b *browser) job(ctx context.Context, project, job int64) (times, error) {
	var list []times
	if err := b.list(ctx, paths.StorageJobs(project), &list); err != nil {
		return times{}, err
	}
	for _, j := range list {
		switch {
		case job != 0 && j.ID != job:
		case j.Status == "success":
			return j, nil
		default:
			return j, fmt.Errorf("job %d ended as %s: %s", j.ID, j.Status, j.Message)
		}
	}
	return times{}, fmt.Errorf("job %d is not in the list", job)
}

// list reads a page as programs get it.
func (b *browser) list(ctx context.Context, path string, into any) error {
	raw, err := b.get(ctx, paths.With(path, "format", "json"))
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// run starts a job and waits for its end: its times, and the server's processor time.
func (b *browser) run(ctx context.Context, s *server, project int64, start func() (job int64, err error)) (t times, spent float64, err error) {
	var job int64
	_, spent, err = s.spend(func() (err error) {
		if job, err = start(); err != nil {
			return err
		}
		return b.watch(ctx, project, job)
	})
	if err != nil {
		return t, 0, err
	}
	t, err = b.job(ctx, project, job)
	return t, spent, err
}
