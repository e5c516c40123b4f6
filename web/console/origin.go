package console

import (
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/fault"
	"steward/internal/storage"
	"steward/internal/storage/engine"
	"steward/views/paths"
	view "steward/views/storage"
	"steward/views/ui"
)

// originLinks builds the address of where a row came from, by the row's version and
// place: this page with all that it shows, as long as the addresses of all rows do not
// grow too long.
func originLinks(ec echo.Context, s access.Project, t storage.Table, rows int) func(version int64, place string) string {
	q := ec.Request().URL.Query()
	long := len(ec.Request().URL.RawQuery)*rows > linksMax
	return func(version int64, place string) string {
		switch {
		case place == "":
			return ""
		case long:
			return paths.RowOrigin(s.ID(), t.TextID, version, place)
		}
		q.Set("version", itoa(version))
		q.Set("row", place)
		return address(ec, q) + "#origin"
	}
}

// origin tells where the row in a place came from, and the status of the page that says
// so: a row that is not there, or not there any more, is said in the panel.
func (c *Console) origin(ec echo.Context, s access.Project, t storage.Table, v storage.Version, place string) (*view.Origin, int, error) {
	q := ec.Request().URL.Query()
	q.Del("row")
	m := &view.Origin{Title: "Where the row came from", CloseURL: address(ec, q), VersionsURL: paths.TableVersions(s.ID(), t.TextID)}
	if v.Number == 0 {
		m.Problem = "The address of a row names its version. Choose the row again."
		return m, http.StatusNotFound, nil
	}
	o, err := c.app.Storage.Origin(ec.Request().Context(), s, t, v, place)
	if fault.Is(err, fault.NotFound) {
		m.Problem = fault.Of(err).Message
		return m, http.StatusNotFound, nil
	}
	if err != nil {
		return nil, 0, err
	}
	if len(o.Row.Cells) > 0 {
		m.Title = "Where row " + shortCell(o.Row.Cells[0]) + " came from"
	}
	for i, cell := range o.Row.Cells {
		m.Cells = append(m.Cells, view.OriginCell{Column: o.Columns[i], Value: valueOf(cell)})
	}
	m.Written = c.exact(o.Row.Time)
	m.Job = ui.Link{Label: "Job " + itoa(o.Row.Job)}
	if o.Job.ID == 0 {
		m.Job.Label += ", which is not known here"
		return m, http.StatusOK, nil
	}
	c.writer(m, s, t, o)
	return m, http.StatusOK, nil
}

// writer fills in the job that wrote the row, and what it wrote it from.
func (c *Console) writer(m *view.Origin, s access.Project, t storage.Table, o storage.Origin) {
	j := o.Job
	m.Job = ui.Link{Label: m.Job.Label + ", " + jobTitle(j), URL: paths.StorageJob(s.ID(), j.ID)}
	m.By = who(j.ActorName, j.UserID)
	m.Steps = append(m.Steps, view.OriginStep{Text: "Asked for", Sub: "by " + j.ActorName, Time: c.when(j.CreatedAt)})
	switch {
	case o.File.ID != 0:
		m.File, m.SHA256 = ui.Link{Label: fmt.Sprintf("%s (file %d), %s", o.File.Name, o.File.ID, ui.Bytes(o.File.Bytes))}, o.File.SHA256
		if o.File.RemovedAt.IsZero() {
			m.File.URL = paths.FileDownload(s.ID(), o.File.ID)
		} else {
			m.File.Label += ", not kept any more"
		}
		m.Steps = append([]view.OriginStep{{Text: "File received", Sub: o.File.Name, Time: c.when(o.File.CreatedAt)}}, m.Steps...)
	case j.FileID != 0:
		m.FileNote = fmt.Sprintf("File %d, which is not kept any more or is somebody else’s", j.FileID)
	}
	m.Steps = append(m.Steps, view.OriginStep{Text: "Row written", Sub: jobTitle(j), Time: c.when(o.Row.Time)})
	if o.Wrote.TableID == 0 {
		return
	}
	m.Version = ui.Link{Label: "Version " + itoa(o.Wrote.VersionAfter)}
	switch { // by the table that was written: names are given away, and come back
	case o.Wrote.TableID == t.ID:
		m.Version.URL = paths.VersionPreview(s.ID(), t.TextID, o.Wrote.VersionAfter)
	case j.Table == t.TextID:
		m.Version.Label += " of an earlier table " + j.Table
	default:
		m.Version.Label += " of table " + j.Table
	}
	m.Steps = append(m.Steps, view.OriginStep{Text: m.Version.Label, Time: c.when(j.FinishedAt)})
}

// shortCell is a cell within a heading.
func shortCell(cell engine.Cell) string {
	if cell.Null {
		return "null"
	}
	text, _, _ := strings.Cut(cell.Value, "\n")
	if utf8.RuneCountInString(text) > 40 {
		text = string([]rune(text)[:40]) + "…"
	}
	return text
}
