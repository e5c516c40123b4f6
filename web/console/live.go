package console

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
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
	liveTick      = 2 * time.Second        // also asks again whether the viewer may still look
)

// live streams the parts of an open page that changed. It ends when the viewer may not
// look any more, when the server stops, and when there is nothing left to wait for.
func (c *Console) live(ec echo.Context, s access.Project) error {
	parts := ec.QueryParams()["part"]
	if len(parts) == 0 || len(parts) > liveParts {
		return fault.Newf(fault.Invalid, "live.parts", "Name 1 to %d parts.", liveParts)
	}
	wake, stop := c.app.Hub.Watch(jobs.ProjectTopic(s.ID()))
	defer stop()
	w := ec.Response()
	w.Header().Set(echo.HeaderContentType, "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{}) // the request has been read
	tick := time.NewTicker(liveTick)
	defer tick.Stop()
	sent, last := make([]string, len(parts)), time.Now()
	number, _ := strconv.ParseInt(ec.Request().Header.Get("Last-Event-ID"), 10, 64)
	for first := true; ; first = false {
		fresh, over, err := c.renderParts(ec, s, parts, sent)
		if err != nil {
			if first {
				return err
			}
			fresh, over = "", true
		}
		_ = rc.SetWriteDeadline(time.Now().Add(30 * time.Second))
		switch {
		case fresh != "":
			number++
			err = writeEvent(w, number, fresh)
			last = time.Now()
		case first || time.Since(last) > liveHeartbeat:
			_, err = fmt.Fprint(w, ": still here\n\n")
			last = time.Now()
		}
		if over && err == nil {
			_, err = fmt.Fprint(w, "event: end\ndata: over\n\n")
		}
		if err == nil {
			err = rc.Flush()
		}
		if err != nil || over {
			return nil // the viewer has gone, there is nobody to tell
		}
		select {
		case <-ec.Request().Context().Done():
			return nil
		case <-c.stopping.Done():
			return nil
		case <-wake:
			time.Sleep(liveSpacing)
		case <-tick.C:
		}
	}
}

// renderParts gives the parts that differ from what was sent, and whether none of them
// will change again.
func (c *Console) renderParts(ec echo.Context, s access.Project, parts, sent []string) (fresh string, over bool, err error) {
	if err := c.stillIn(ec, s, access.ProjectRead, false); err != nil {
		return "", true, err
	}
	over = true
	var out strings.Builder
	for i, part := range parts {
		t, finished, err := c.part(ec, s, part)
		if err != nil {
			return "", true, err
		}
		over = over && finished
		var b bytes.Buffer
		if err := t.Render(ec.Request().Context(), &b); err != nil {
			return "", true, err
		}
		if text := b.String(); text != sent[i] {
			sent[i] = text
			out.WriteString(text)
		}
	}
	return out.String(), over, nil
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
