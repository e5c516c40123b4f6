package console

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	view "steward/views/storage"
	tenancyview "steward/views/tenancy"
)

const (
	liveParts     = 4
	liveHeartbeat = 15 * time.Second
	liveSpacing   = 250 * time.Millisecond // between two messages at least
	liveTick      = 2 * time.Second        // then it is asked again whether the viewer may still look
	livePerPerson = 16
	liveAll       = 500
)

// live streams the parts of an open page that changed. It ends when the viewer may not
// look any more, when the server stops, and when there is nothing left to wait for.
func (c *Console) live(ec echo.Context, s access.Project) error {
	parts := slices.Compact(slices.Sorted(slices.Values(ec.QueryParams()["part"])))
	if len(parts) == 0 || len(parts) > liveParts {
		return fault.Newf(fault.Invalid, "live.parts", "Name 1 to %d parts.", liveParts)
	}
	leave, err := c.streams.enter(s.Actor().UserID)
	if err != nil {
		return err
	}
	defer leave()
	wake, stop := c.app.Hub.Watch(jobs.ProjectTopic(s.ID()))
	defer stop()
	l := &stream{c: c, ec: ec, scope: s, parts: parts, sent: make([]string, len(parts))}
	if l.number, err = strconv.ParseInt(ec.Request().Header.Get("Last-Event-ID"), 10, 64); err != nil {
		l.number = 0
	}
	if _, err := l.render(); err != nil { // an answer, as long as there is one
		return err
	}
	l.sent = make([]string, len(parts))
	w := ec.Response()
	w.Header().Set(echo.HeaderContentType, "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	tick := time.NewTicker(liveTick)
	defer tick.Stop()
	for look := true; ; {
		if !l.send(look) {
			return nil
		}
		select {
		case <-ec.Request().Context().Done():
			return nil
		case <-c.stopping.Done():
			return nil
		case <-wake:
			look = true
			time.Sleep(liveSpacing)
		case <-tick.C:
			look = c.app.DB.Shared() // other processes change jobs without a word
		}
	}
}

// stream is one open event stream.
type stream struct {
	c      *Console
	ec     echo.Context
	scope  access.Project
	parts  []string
	sent   []string
	number int64
	last   time.Time
}

// send asks whether the viewer may still look, sends what is new when look is set, and
// reports whether the stream goes on.
func (l *stream) send(look bool) bool {
	fresh, over := "", false
	scope, err := l.c.stillIn(l.ec, l.scope, access.ProjectRead, false)
	if err == nil {
		l.scope = scope // the role may have changed, and what may be done with it
		if look {
			var finished bool
			fresh, finished, err = l.renderFresh()
			over = finished
		}
	}
	over = over || err != nil
	w := l.ec.Response()
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(30 * time.Second))
	var werr error
	switch {
	case fresh != "":
		l.number++
		werr = writeEvent(w, l.number, fresh)
		l.last = time.Now()
	case time.Since(l.last) > liveHeartbeat:
		_, werr = fmt.Fprint(w, ": still here\n\n")
		l.last = time.Now()
	}
	if over && werr == nil {
		_, werr = fmt.Fprint(w, "event: end\ndata: over\n\n")
	}
	if werr == nil {
		werr = rc.Flush()
	}
	return werr == nil && !over
}

// renderFresh gives the parts that differ from what was sent, and whether none of them
// will change again.
func (l *stream) renderFresh() (fresh string, finished bool, err error) {
	finished, err = l.renderInto(func(i int, text string) {
		if text != l.sent[i] {
			l.sent[i] = text
			fresh += text
		}
	})
	return fresh, finished, err
}

// render draws every part once, to find out whether all can be drawn.
func (l *stream) render() (finished bool, err error) { return l.renderInto(func(int, string) {}) }

func (l *stream) renderInto(put func(i int, text string)) (finished bool, err error) {
	finished = true
	for i, part := range l.parts {
		t, over, err := l.c.part(l.ec, l.scope, part)
		if err != nil {
			return false, err
		}
		finished = finished && over
		var b strings.Builder
		if err := t.Render(zoned(l.ec), &b); err != nil {
			return false, err
		}
		put(i, b.String())
	}
	return finished, nil
}

// watchers counts open streams: a person opens a handful of tabs, not a thousand.
type watchers struct {
	mu     sync.Mutex
	people map[int64]int
	all    int
}

func newWatchers() *watchers { return &watchers{people: map[int64]int{}} }

// enter takes a place for a person's stream. TooMany when they, or all, have too many.
func (w *watchers) enter(person int64) (leave func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.people[person] >= livePerPerson || w.all >= liveAll {
		f := fault.New(fault.TooMany, "live.many", "Too many pages that update by themselves are open.")
		f.RetryAfter = 10 * time.Second
		return nil, f
	}
	w.people[person]++
	w.all++
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.all--
		if w.people[person]--; w.people[person] == 0 {
			delete(w.people, person)
		}
	}, nil
}

// part draws one live part by its name.
func (c *Console) part(ec echo.Context, s access.Project, name string) (t templ.Component, finished bool, err error) {
	err = c.view(ec, func(tx *db.Tx) error {
		switch {
		case name == view.JobsPart:
			f, err := jobFilter(ec)
			if err != nil {
				return err
			}
			list, err := c.jobList(ec, tx, s, f)
			t = view.JobsUpdate(list)
			return err
		case name == tenancyview.LatestJobsPart:
			list, err := c.latestJobs(tx, s)
			t = tenancyview.LatestJobsUpdate(list)
			return err
		case strings.HasPrefix(name, view.JobPart("")):
			id, err := strconv.ParseInt(strings.TrimPrefix(name, view.JobPart("")), 10, 64)
			if err != nil {
				return fault.New(fault.NotFound, "notFound", "Not found.")
			}
			j, err := c.app.Jobs.Get(tx, s, id)
			if err != nil {
				return err
			}
			lines, err := jobs.Log(tx, j, logLines+1)
			if err != nil {
				return err
			}
			card, err := c.jobCard(tx, s, j)
			t, finished = view.JobUpdate(card, c.jobLog(lines)), j.Finished()
			return err
		}
		return fault.New(fault.NotFound, "notFound", "Not found.")
	})
	return t, finished, err
}

func writeEvent(w http.ResponseWriter, number int64, html string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "id: %d\n", number)
	// A carriage return would end a field of the stream.
	for line := range strings.Lines(strings.ReplaceAll(html, "\r", " ")) {
		b.WriteString("data: " + strings.TrimSuffix(line, "\n") + "\n")
	}
	b.WriteString("\n")
	_, err := w.Write([]byte(b.String()))
	return err
}
