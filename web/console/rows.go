package console

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/storage/engine"
	"steward/views/paths"
	view "steward/views/storage"
	"steward/views/ui"
)

// doomedRows is how many of the rows that would be deleted are shown.
const doomedRows = 20

// rowsDelete shows which rows of a table fit the conditions of the address, and how many.
func (c *Console) rowsDelete(ec echo.Context, s access.Project) error {
	return c.rowsDeletePage(ec, s, ec.QueryParams(), nil)
}

// rowsDeletePage draws the page. refused is why what was sent was not done.
func (c *Console) rowsDeletePage(ec echo.Context, s access.Project, p url.Values, refused error) error {
	m := view.RowsDelete{URL: paths.RowsDelete(s.ID(), ec.Param("table")), Key: key(), Operators: operators(), Errors: ui.Errors{}}
	var t storage.Table
	var columns []storage.Column
	err := c.view(ec, func(tx *db.Tx) (err error) { m.Table, t, columns, err = c.tableHead(ec, tx, s); return err })
	if err != nil {
		return err
	}
	m.Names = namesOf(columns)
	m.AllURL = paths.TableSettings(s.ID(), t.TextID) + "#danger"
	var where []engine.Condition
	m.Conditions, where = conditionsOf(p, m.Names, m.Errors)
	if len(m.Errors) == 0 && len(where) > 0 {
		if err := c.doom(ec, s, t, where, &m); err != nil {
			return err
		}
	}
	status := http.StatusOK
	if refused != nil {
		m.Moved = fault.Of(refused).Message
	}
	if len(m.Errors) > 0 || refused != nil {
		status = http.StatusUnprocessableEntity
	}
	return page(ec, status, view.RowsDeletePage(m))
}

// doom counts the rows that fit, and gives the first of them.
func (c *Console) doom(ec echo.Context, s access.Project, t storage.Table, where []engine.Condition, m *view.RowsDelete) error {
	leave, err := turn(ec, c.previews)
	if err != nil {
		return err
	}
	defer leave()
	ctx := ec.Request().Context()
	res, err := c.app.Storage.Preview(ctx, s, t, engine.Query{Where: where, Limit: doomedRows})
	if errs, ok := fieldErrors(err); ok {
		m.Errors = errs
		return nil
	}
	if err != nil {
		return err
	}
	count, err := c.app.Storage.CountRows(ctx, s, t, where)
	if err != nil {
		return err
	}
	m.Count, m.None, m.Of, m.From = ui.Count(count, "row", "rows"), count == 0, ui.Number(t.Rows), itoa(t.Version)
	for _, name := range res.Columns {
		m.Columns = append(m.Columns, view.GridColumn{Name: name})
	}
	m.Rows = valuesOf(res.Rows)
	if m.Note = "All of them"; int64(len(res.Rows)) < count {
		m.Note = "The first " + strconv.Itoa(len(res.Rows)) + " of them"
	}
	return nil
}

func (c *Console) rowsDeleteStart(ec echo.Context, s access.Project) error {
	f, lists, err := formLists(ec, []string{"column", "op", "value", "as"}, "from")
	if err != nil {
		return err
	}
	from, err := strconv.ParseInt(f["from"], 10, 64)
	if err != nil || from <= 0 {
		return fault.New(fault.Invalid, "form.from", "The form does not say on which version its rows were counted. Load it again.")
	}
	id := ec.Param("table")
	errs := ui.Errors{}
	var j jobs.Job
	err = c.update(ec, func(tx *db.Tx) error {
		t, err := c.app.Storage.Table(tx, s, id)
		if err != nil {
			return err
		}
		columns, err := c.app.Storage.Columns(tx, t)
		if err != nil {
			return err
		}
		_, where := conditionsOf(lists, namesOf(columns), errs)
		if len(errs) > 0 {
			return fault.New(fault.Invalid, "storage.tables.query", "These conditions cannot be used.")
		}
		j, err = c.app.Storage.DeleteRows(tx, s, id, where, false, from)
		return err
	})
	if _, ok := fieldErrors(err); ok {
		return c.rowsDeletePage(ec, s, lists, err)
	}
	if err != nil {
		return err
	}
	return c.await(ec, s, j, paths.TablePreview(s.ID(), id))
}
