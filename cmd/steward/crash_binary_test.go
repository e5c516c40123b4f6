//go:build crash

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"steward/web/webtest"
)

// The tests with the tag crash run the real program as processes of their own, and kill,
// stop, starve and flood them:
//
//	STEWARD_CRASH_POSTGRES=postgres://… go test -tags crash -run Crash ./cmd/steward
//
// They need the go command, root (for a small disk) and a PostgreSQL server, and fail
// when one is missing.

// program is the built binary.
var program string

func TestMain(m *testing.M) { os.Exit(built(m)) }

func built(m *testing.M) int {
	dir, err := os.MkdirTemp("", "steward-crash-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program = filepath.Join(dir, "steward")
	if err := build(program); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// build builds the program, with more arguments for go build.
func build(path string, more ...string) error {
	c := exec.Command("go", append([]string{"build", "-o", path}, append(more, ".")...)...)
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// process is a running program.
type process struct {
	*webtest.Site // its URL, when it serves
	t             *testing.T
	cmd           *exec.Cmd
	ops           string // address of its metrics
	out           output
	ended         chan struct{}
	code          int // after ended

	mu      sync.Mutex
	lines   []line
	watcher func(line)
}

// line is a line of the log.
type line struct {
	Time         time.Time
	Level, Msg   string
	Job          int64
	Operation    string
	URL, Address string
	Error        string
	raw          string
	Status       int
	Method, Path string
}

// launch starts the program. Its environment has nothing of ours but the folder for
// temporary files.
func launch(t *testing.T, temp string, args ...string) *process {
	t.Helper()
	return start(t, exec.Command(program, args...), temp)
}

// start starts a program with an environment of its own and what the command adds to it.
func start(t *testing.T, cmd *exec.Cmd, temp string) *process {
	t.Helper()
	p := &process{Site: &webtest.Site{T: t}, t: t, cmd: cmd, ended: make(chan struct{})}
	p.cmd.Env = append(p.cmd.Env, "TMPDIR="+temp, "HOME="+temp, "PATH="+os.Getenv("PATH"))
	p.cmd.Stdout = &p.out
	log, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read(log)
	t.Cleanup(func() {
		p.signal(syscall.SIGCONT)
		p.kill()
		if t.Failed() {
			p.tell()
		}
	})
	return p
}

// read keeps the log until the process ends.
func (p *process) read(log io.Reader) {
	in := bufio.NewReader(log)
	for {
		raw, err := in.ReadBytes('\n')
		if len(raw) > 0 {
			l := line{raw: string(raw)}
			_ = json.Unmarshal(raw, &l) // a panic is no JSON
			p.mu.Lock()
			p.lines = append(p.lines, l)
			watcher := p.watcher
			p.mu.Unlock()
			if watcher != nil {
				watcher(l)
			}
		}
		if err != nil {
			break
		}
	}
	err := p.cmd.Wait()
	p.code = p.cmd.ProcessState.ExitCode()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.code = -2
	}
	close(p.ended)
}

// tell writes the end of the log to the test's, without the lines of requests that went well.
func (p *process) tell() {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, l := range p.lines {
		if l.Msg != "request" || l.Status >= 500 {
			out = append(out, l.raw)
		}
	}
	if len(out) == 0 {
		return
	}
	if len(out) > 60 {
		out = out[len(out)-60:]
	}
	p.t.Logf("log of %s:\n%s", strings.Join(p.cmd.Args[1:], " "), strings.Join(out, ""))
}

// forget drops the log of a process that was all right.
func (p *process) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = nil
}

// watch calls fn for every line of the log from now on, in the order of the log; nil ends it.
func (p *process) watch(fn func(line)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watcher = fn
}

// find gives the first line of the log that fits.
func (p *process) find(fits func(line) bool) (line, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lines {
		if fits(l) {
			return l, true
		}
	}
	return line{}, false
}

// said waits for a line of the log with a message.
func (p *process) said(msg string) line {
	p.t.Helper()
	var l line
	poll(p.t, fmt.Sprintf("%s says %q", p.cmd.Args[1], msg), func() (ok bool) {
		if l, ok = p.find(func(l line) bool { return l.Msg == msg }); ok {
			return true
		}
		select {
		case <-p.ended:
			p.tell()
			p.t.Fatalf("%s ended with code %d before it said %q", p.cmd.Args[1], p.code, msg)
		default:
		}
		return false
	})
	return l
}

func (p *process) signal(s os.Signal) {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("signal: %v", err)
	}
}

// kill ends the process as a power cut would, and waits until it is gone.
func (p *process) kill() {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("kill: %v", err)
	}
	<-p.ended
}

// stop ends the process by SIGTERM, which must go well within a time.
func (p *process) stop(within time.Duration) {
	p.t.Helper()
	start := time.Now()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(within):
		p.t.Fatalf("%s did not end within %s after SIGTERM", p.cmd.Args[1], within)
	}
	if p.code != 0 {
		p.t.Errorf("%s ended with code %d %s after SIGTERM", p.cmd.Args[1], p.code, time.Since(start))
	}
}

// launchServe starts a serve and waits until it serves.
func launchServe(t *testing.T, data string, more ...string) *process {
	t.Helper()
	p := launch(t, t.TempDir(), append([]string{"serve", "--addr", "127.0.0.1:0", "--data", data, "--log-level", "debug"}, more...)...)
	p.URL = p.said("serving").URL
	if l, ok := p.find(func(l line) bool { return l.Msg == "operations" }); ok {
		p.ops = l.Address
	}
	return p
}

// client is a browser that has the cookies of a jar, whichever process it talks to.
func (p *process) client(jar http.CookieJar) *webtest.Client {
	c := p.Anonymous()
	c.HTTP.Jar = jar
	return c
}

// metric reads a number from the operations listener.
func (p *process) metric(name string) float64 {
	p.t.Helper()
	c := http.Client{Timeout: 10 * time.Second}
	res, err := c.Get("http://" + p.ops + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindSubmatch(text)
	if m == nil {
		p.t.Fatalf("there is no metric %s", name)
	}
	n, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// peak is the most memory that the process has had resident, in bytes.
func (p *process) peak() int64 {
	p.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`).FindSubmatch(status)
	if m == nil {
		p.t.Fatal("/proc does not tell VmHWM")
	}
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		p.t.Fatal(err)
	}
	return n << 10
}

// Loading by the forms of the console ------------------------------------------

const crashBucket = "in.c-crash"

func bucketForm(name, key string) url.Values {
	return url.Values{"stage": {"in"}, "name": {name}, "displayName": {""}, "description": {""}, "_key": {key}}
}

func loadForm(table string, add bool, key string) url.Values {
	mode := "full"
	if add {
		mode = "append"
	}
	return url.Values{"delimiter": {"comma"}, "quotes": {"double"}, "header": {"yes"}, "empty": {"distinct"}, "bucket": {crashBucket},
		"table": {table}, "mode": {mode}, "_key": {key}}
}

// uploadRequest is the upload form with a body that is written as it is sent.
func uploadRequest(c *webtest.Client, site, project, key, name string, write func(io.Writer) error) *http.Request {
	body, into := io.Pipe()
	r := c.Request(http.MethodPost, project+"/storage/load?_key="+url.QueryEscape(key), body)
	r.Header.Set("Content-Type", "multipart/form-data; boundary=limit")
	r.Header.Set("Origin", site)
	go func() {
		w := bufio.NewWriterSize(into, 256<<10)
		_, err := fmt.Fprintf(w, "--limit\r\nContent-Disposition: form-data; name=\"file\"; filename=%q\r\n\r\n", name)
		if err == nil {
			err = write(w)
		}
		if err == nil {
			_, err = io.WriteString(w, "\r\n--limit--\r\n")
		}
		if err == nil {
			err = w.Flush()
		}
		_ = into.CloseWithError(err)
	}()
	return r
}

func formRequest(c *webtest.Client, site, path string, form url.Values) *http.Request {
	r := c.Request(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", site)
	return r
}

// answer is a whole answer to a request.
type answer struct {
	status   int
	location string
	body     string
}

// ask sends a request. An error means that the connection broke: then nobody knows
// whether the request was done.
func ask(c *webtest.Client, r *http.Request) (answer, error) {
	res, err := c.HTTP.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	var b bytes.Buffer
	if _, err := io.Copy(&b, res.Body); err != nil {
		return answer{}, err
	}
	return answer{res.StatusCode, res.Header.Get("Location"), b.String()}, nil
}

// jobRow is a job as the list of jobs gives it to programs.
type jobRow struct {
	ID           int64
	Operation    string `json:"operationName"`
	Status       string
	TableID      string
	FileID       int64
	Rows         int64
	ErrorCode    string
	ErrorMessage string
}

// jobsOf lists the jobs of a table, or of all tables.
func jobsOf(c *webtest.Client, project, table string) ([]jobRow, error) {
	path := project + "/storage/jobs?format=json"
	if table != "" {
		path += "&table=" + crashBucket + "." + table
	}
	a, err := ask(c, c.Request(http.MethodGet, path, nil))
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, fmt.Errorf("the list of jobs: %d\n%.500s", a.status, a.body)
	}
	var list []jobRow
	return list, json.Unmarshal([]byte(a.body), &list)
}

// logOf gives the log of a job, a line per line.
func logOf(c *webtest.Client, job string) string {
	var lines []struct{ Message string }
	c.Get(job + "?format=json").Want(http.StatusOK).JSON(&lines)
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.Message + "\n")
	}
	return b.String()
}

// load uploads a file and starts its load. It gives the job's address.
func load(t *testing.T, p *process, c *webtest.Client, project, table string, add bool, name string, write func(io.Writer) error) string {
	t.Helper()
	a, err := ask(c, uploadRequest(c, p.URL, project, "", name, write))
	if err != nil || a.status != http.StatusSeeOther {
		t.Fatalf("the upload: %v %d\n%.2000s", err, a.status, a.body)
	}
	path, _, _ := strings.Cut(a.location, "?")
	return c.Do(formRequest(c, p.URL, path, loadForm(table, add, ""))).Want(http.StatusSeeOther).Location
}

// ends waits for a job's end.
func ends(t *testing.T, c *webtest.Client, project, job string, within time.Duration) jobRow {
	t.Helper()
	id := job[strings.LastIndexByte(job, '/')+1:]
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		list, err := jobsOf(c, project, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range list {
			if strconv.FormatInt(j.ID, 10) == id && (j.Status == "success" || j.Status == "error") {
				return j
			}
		}
	}
	t.Fatalf("job %s did not end within %s:\n%s", id, within, logOf(c, job))
	return jobRow{}
}
