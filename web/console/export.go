package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/views/paths"
	view "steward/views/storage"
	"steward/views/ui"
)

// exportFields and exportLists are the fields of the export form: those that come once,
// and those that may be repeated.
var (
	exportFields = []string{"order", "direction", "orderAs", "since", "limit", "format", "formulas"}
	exportLists  = []string{"column", "op", "value", "as", "columns"}
)

// export is the form that exports rows, filled in with what the address says.
func (c *Console) export(ec echo.Context, s access.Project) error {
	return c.exportPage(ec, s, http.StatusOK, ec.QueryParams(), nil)
}

func (c *Console) exportPage(ec echo.Context, s access.Project, status int, p url.Values, errs ui.Errors) error {
	var m view.Export
	var columns []storage.Column
	err := c.view(ec, func(tx *db.Tx) (err error) { m.Table, _, columns, err = c.tableHead(ec, tx, s); return err })
	if err != nil {
		return err
	}
	e, shown := exportOf(p, namesOf(columns), ui.Errors{})
	shown.Table, shown.URL, shown.Key, shown.Names, shown.Operators, shown.Errors = m.Table, paths.TableExport(s.ID(), ec.Param("table")), key(), namesOf(columns), operators(), errs
	if shown.Format == "" {
		shown.Format = string(storage.FormatCSV)
	}
	shown.Formulas = e.Formulas
	return page(ec, status, view.ExportPage(shown))
}

func namesOf(columns []storage.Column) []string {
	names := make([]string, len(columns))
	for i, col := range columns {
		names[i] = col.Name
	}
	return names
}

// exportOf reads an export, as it is asked for and as the form shows it. What is wrong
// goes into errs.
func exportOf(p url.Values, names []string, errs ui.Errors) (storage.Export, view.Export) {
	e := storage.Export{Format: storage.Format(p.Get("format")), Formulas: p.Get("formulas") != ""}
	m := view.Export{Since: p.Get("since"), Limit: p.Get("limit"), Format: p.Get("format")}
	m.Conditions, e.Where = conditionsOf(p, names, errs)
	m.Order, e.Order = orderOf(p, names, errs)
	e.Columns = columnsOf(p, names, errs)
	m.Chosen = e.Columns
	if text := strings.TrimSpace(m.Since); text != "" {
		at, err := time.Parse("2006-01-02T15:04", text)
		if err != nil {
			at, err = time.Parse("2006-01-02T15:04:05", text)
		}
		if err != nil {
			errs["since"] = "Enter a date and time in UTC, like 2026-11-21T22:45."
		}
		e.Since = at
	}
	if text := strings.ReplaceAll(strings.TrimSpace(m.Limit), ",", ""); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n <= 0 {
			errs["limit"] = "Enter a number of rows, or leave it empty."
		}
		e.Limit = n
	}
	return e, m
}

func (c *Console) exportStart(ec echo.Context, s access.Project) error {
	f, lists, err := formLists(ec, exportLists, exportFields...)
	if err != nil {
		return err
	}
	for name, value := range f {
		lists.Set(name, value)
	}
	errs := ui.Errors{}
	var j jobs.Job
	err = c.update(ec, func(tx *db.Tx) error {
		t, err := c.app.Storage.Table(tx, s, ec.Param("table"))
		if err != nil {
			return err
		}
		columns, err := c.app.Storage.Columns(tx, t)
		if err != nil {
			return err
		}
		e, _ := exportOf(lists, namesOf(columns), errs)
		if len(errs) > 0 {
			return nil
		}
		e.Table = t.TextID
		j, err = c.app.Storage.StartExport(tx, s, e)
		return err
	})
	if wrong, ok := fieldErrors(err); ok {
		errs, err = wrong, nil
	}
	if err != nil {
		return err
	}
	if len(errs) > 0 {
		return c.exportPage(ec, s, http.StatusUnprocessableEntity, lists, errs)
	}
	return c.await(ec, s, j, paths.StorageJob(s.ID(), j.ID))
}

// nextExport leads from an export to one of what changes after it. Of one that has only
// so many rows there is none.
func (c *Console) nextExport(s access.Project, j jobs.Job, about storage.Subject) (view.JobNext, error) {
	if j.Operation != storage.TableExport {
		return view.JobNext{}, nil
	}
	var r struct {
		Since int64 `json:"nextChangedSince"`
	}
	if err := json.Unmarshal(j.Results, &r); err != nil {
		return view.JobNext{}, fmt.Errorf("console: results of job %d: %w", j.ID, err)
	}
	e, err := storage.ExportOf(j)
	if err != nil || r.Since == 0 || e.Limit > 0 {
		return view.JobNext{}, err
	}
	e.Since = time.UnixMicro(r.Since).UTC()
	m := view.JobNext{Since: c.exact(e.Since)}
	if about.State == storage.Here {
		m.URL = paths.TableExport(s.ID(), about.TextID) + "?" + exportQuery(e)
	}
	return m, nil
}

// longestAddress is about how long an address may be that every proxy lets through.
const longestAddress = 4000

// exportQuery is an export as the form's address says it, without its columns where they
// would make the address too long.
func exportQuery(e storage.Export) string {
	q := exportValues(e)
	if len(q.Encode()) > longestAddress {
		q.Del("columns")
	}
	return q.Encode()
}

func exportValues(e storage.Export) url.Values {
	q := url.Values{"since": {e.Since.Format("2006-01-02T15:04:05.000")}, "format": {string(e.Format)}}
	if e.Formulas {
		q.Set("formulas", "guard")
	}
	for _, name := range e.Columns {
		q.Add("columns", name)
	}
	as := func(number bool) string {
		if number {
			return "number"
		}
		return "text"
	}
	for _, w := range e.Where {
		q.Add("column", w.Column)
		q.Add("op", string(w.Op))
		q.Add("value", w.Value)
		q.Add("as", as(w.Number))
	}
	for _, o := range e.Order {
		q.Set("order", o.Column)
		q.Set("orderAs", as(o.Number))
		if o.Descending {
			q.Set("direction", "desc")
		}
	}
	return q
}
