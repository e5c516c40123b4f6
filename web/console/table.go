package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/storage"
	"steward/internal/storage/csv"
	"steward/internal/storage/engine"
	"steward/views/paths"
	view "steward/views/storage"
	"steward/views/ui"
)

// previewRows is how many rows a preview shows, conditionsMax how many conditions it takes.
const (
	previewRows   = 100
	conditionsMax = 20
)

// linksMax bounds the bytes of links that repeat the address in the heads of columns.
const linksMax = 1 << 20

// tableHead fills what stands atop every page of a table.
func (c *Console) tableHead(ec echo.Context, tx *db.Tx, s access.Project) (view.Table, storage.Table, []storage.Column, error) {
	m, t, err := c.tableTop(ec, tx, s)
	if err != nil {
		return m, t, nil, err
	}
	columns, err := c.app.Storage.Columns(tx, t)
	m.Columns = itoa(int64(len(columns)))
	return m, t, columns, err
}

// tableTop is tableHead without the columns.
func (c *Console) tableTop(ec echo.Context, tx *db.Tx, s access.Project) (view.Table, storage.Table, error) {
	id := ec.Param("table")
	var m view.Table
	t, err := c.app.Storage.Table(tx, s, id)
	if err != nil {
		return m, t, err
	}
	shell, p, err := c.projectShell(ec, tx, s)
	if err != nil {
		return m, t, err
	}
	m = view.Table{Shell: shell, Kept: kept(p), StorageURL: paths.Storage(s.ID()), Bucket: ui.Link{Label: t.Bucket, URL: paths.Bucket(s.ID(), t.Bucket)},
		ID: id, Name: t.Name, Rows: ui.Number(t.Rows), Size: ui.Bytes(t.Bytes),
		Created: c.when(t.CreatedAt), Changed: c.when(t.ChangedAt),
		Version: itoa(t.Version), ColumnsURL: paths.Table(s.ID(), id), PreviewURL: paths.TablePreview(s.ID(), id), VersionsURL: paths.TableVersions(s.ID(), id),
		SnapshotsURL: paths.TableSnapshots(s.ID(), id), EventsURL: paths.TableEvents(s.ID(), id), SettingsURL: paths.TableSettings(s.ID(), id), ExportURL: paths.TableExport(s.ID(), id)}
	m.Snapshots = ui.Number(t.Snapshots)
	if s.May(access.TablesWrite) {
		m.LoadURL = paths.LoadInto(s.ID(), t.Bucket, t.Name)
	}
	return m, t, nil
}

// once gives a list that is there as a whole.
func once[T any](rows []T) func(*T) ([]T, error) {
	return func(last *T) ([]T, error) {
		if last != nil {
			return nil, nil
		}
		return rows, nil
	}
}

func (c *Console) tablePreview(ec echo.Context, s access.Project) error {
	m := view.Preview{URL: ec.Request().URL.Path, PlainURL: ec.Request().URL.Path, Operators: operators()}
	var t storage.Table
	var v storage.Version // zero for the current one
	err := c.view(ec, func(tx *db.Tx) error {
		var err error
		if m.Table, t, err = c.tableTop(ec, tx, s); err != nil {
			return err
		}
		if ec.QueryParam("version") != "" {
			v, err = c.pastVersion(ec, tx, s, t, &m)
			return err
		}
		columns, err := c.app.Storage.Columns(tx, t)
		m.Table.Columns = itoa(int64(len(columns)))
		m.Names = namesOf(columns)
		return err
	})
	if err != nil {
		return err
	}
	q, errs := previewQuery(ec, &m)
	c.rowActions(ec, s, t, &m)
	if len(errs) > 0 {
		m.Errors = errs
		return page(ec, http.StatusUnprocessableEntity, view.PreviewPage(m))
	}
	// Rows of wide cells take much memory until the slowest reader has them.
	leave, err := turn(ec, c.previews)
	if err != nil {
		return err
	}
	defer leave()
	res, err := c.rows(ec.Request().Context(), s, t, v, q)
	if errs, ok := fieldErrors(err); ok && !gone(err) && ec.QueryParam("format") == "" {
		m.Errors = errs
		return page(ec, http.StatusUnprocessableEntity, view.PreviewPage(m))
	}
	if err != nil {
		return err
	}
	if done, err := exportRows(ec, t, res); done || err != nil {
		return err
	}
	for _, name := range res.Columns {
		col := previewColumn(ec, name, m.Order)
		if len(ec.Request().URL.RawQuery)*len(res.Columns) > linksMax {
			col.SortURL = ""
		}
		m.Columns = append(m.Columns, col)
	}
	m.Rows = gridRows(ec, s, t, v, res.Rows)
	m.Note = previewNote(rowsOf(t, v), q, len(res.Rows))
	status := http.StatusOK
	if place := ec.QueryParam("row"); place != "" {
		if m.Origin, status, err = c.origin(ec, s, t, v, place); err != nil {
			return err
		}
	}
	return page(ec, status, view.PreviewPage(m))
}

// rowActions offers to export the rows of a preview, and to delete them.
func (c *Console) rowActions(ec echo.Context, s access.Project, t storage.Table, m *view.Preview) {
	if m.Table.Rows == "0" || m.Past != nil {
		return
	}
	q := url.Values{}
	for _, k := range []string{"column", "op", "value", "as", "order", "direction", "orderAs", "columns"} {
		if v := ec.QueryParams()[k]; len(v) > 0 {
			q[k] = v
		}
	}
	query := ""
	if len(q) > 0 {
		query = "?" + q.Encode()
	}
	m.ExportURL = paths.TableExport(s.ID(), t.TextID) + query
	if s.May(access.TablesWrite) && len(m.Conditions) > 0 {
		for _, k := range []string{"order", "direction", "orderAs", "columns"} {
			q.Del(k)
		}
		m.DeleteURL = paths.RowsDelete(s.ID(), t.TextID) + "?" + q.Encode()
	}
}

// gridRows are rows whose first cells lead to where they came from.
func gridRows(ec echo.Context, s access.Project, t storage.Table, v storage.Version, rows []engine.Row) []view.GridRow {
	link, number := originLinks(ec, s, t, len(rows)), t.Version
	if v.Number != 0 {
		number = v.Number
	}
	out := view.GridRows(valuesOf(rows))
	for i, r := range rows {
		out[i].URL, out[i].Selected = link(number, r.Place), r.Place != "" && r.Place == ec.QueryParam("row")
	}
	return out
}

// valuesOf gives rows as a grid shows them.
func valuesOf(rows []engine.Row) [][]ui.Value {
	out := make([][]ui.Value, len(rows))
	for i, r := range rows {
		for _, cell := range r.Cells {
			out[i] = append(out[i], valueOf(cell))
		}
	}
	return out
}

// pastVersion finds the version that the address names, for a preview of it.
func (c *Console) pastVersion(ec echo.Context, tx *db.Tx, s access.Project, t storage.Table, m *view.Preview) (storage.Version, error) {
	n, err := strconv.ParseInt(ec.QueryParam("version"), 10, 64)
	if err != nil || n <= 0 {
		return storage.Version{}, fault.New(fault.NotFound, "notFound", "Not found.")
	}
	v, now, err := c.app.Storage.VersionAndNow(tx, s, t, n)
	if err != nil {
		return v, err
	}
	m.Names, m.Table.Columns = v.Columns, itoa(int64(len(now.Columns)))
	if n == t.Version {
		return v, nil
	}
	m.PlainURL = paths.VersionPreview(s.ID(), t.TextID, n)
	m.Past = &view.Past{Number: itoa(n), Newest: itoa(t.Version), Text: madeBy(v) + ".", NowURL: paths.TablePreview(s.ID(), t.TextID),
		CompareURL: paths.VersionCompare(s.ID(), t.TextID, n, t.Version)}
	if s.May(access.SnapshotsWrite) {
		m.Past.RevertURL, m.Past.CopyURL = paths.VersionRevert(s.ID(), t.TextID, n), paths.VersionCopy(s.ID(), t.TextID, n)
	}
	return v, nil
}

// rows gives rows of a version, or of the current one for the zero version, with their
// places.
func (c *Console) rows(ctx context.Context, s access.Project, t storage.Table, v storage.Version, q engine.Query) (*engine.Result, error) {
	q.Origin = true
	if v.Number == 0 {
		return c.app.Storage.Preview(ctx, s, t, q)
	}
	return c.app.Storage.PreviewVersion(ctx, s, t, v, q)
}

func rowsOf(t storage.Table, v storage.Version) int64 {
	if v.Number != 0 {
		return v.Rows
	}
	return t.Rows
}

// turn waits for a free place among those that do such work. Unavailable after two seconds.
func turn(ec echo.Context, places chan struct{}) (leave func(), err error) {
	timer := time.NewTimer(2 * time.Second)
	defer timer.Stop()
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ec.Request().Context().Done():
		return nil, ec.Request().Context().Err()
	case <-timer.C:
		busy := fault.New(fault.Unavailable, "storage.previews.busy", "Many people look at rows at this moment. Load the page again in a few seconds.")
		busy.RetryAfter = 3 * time.Second
		return nil, busy
	}
}

func previewNote(rows int64, q engine.Query, shown int) string {
	switch {
	case len(q.Where) > 0 && shown == q.Limit:
		return "First " + strconv.Itoa(shown) + " rows that fit, of " + ui.Count(rows, "row", "rows")
	case len(q.Where) > 0:
		return ui.Count(int64(shown), "row fits", "rows fit") + ", of " + ui.Number(rows)
	case int64(shown) < rows:
		return "First " + strconv.Itoa(shown) + " of " + ui.Count(rows, "row", "rows")
	}
	return ui.Count(rows, "row", "rows")
}

func exportRows(ec echo.Context, t storage.Table, res *engine.Result) (bool, error) {
	var fields []field[engine.Row]
	for i, name := range res.Columns {
		fields = append(fields, field[engine.Row]{name, func(r engine.Row) any {
			if r.Cells[i].Null {
				return nil
			}
			return r.Cells[i].Value
		}})
	}
	if ec.QueryParam("format") != "" {
		for _, r := range res.Rows {
			if slices.ContainsFunc(r.Cells, func(c engine.Cell) bool { return c.Cut }) {
				return true, fault.New(fault.TooLarge, "storage.preview.cut", "A cell of these rows is too long for a preview. Choose other columns.")
			}
		}
	}
	return exportedAs(ec, t.TextID+"-preview", csv.WriterOptions{}, fields, once(res.Rows))
}

func operators() []ui.Option {
	return []ui.Option{
		{Value: string(engine.Equal), Label: "is"}, {Value: string(engine.NotEqual), Label: "is not"},
		{Value: string(engine.Contains), Label: "contains"}, {Value: string(engine.StartsWith), Label: "starts with"},
		{Value: string(engine.Less), Label: "is less than"}, {Value: string(engine.LessOrEqual), Label: "is at most"},
		{Value: string(engine.Greater), Label: "is more than"}, {Value: string(engine.GreaterOrEqual), Label: "is at least"},
		{Value: string(engine.IsNull), Label: "has no value"}, {Value: string(engine.IsNotNull), Label: "has a value"},
	}
}

// previewQuery reads the query of the address into the model and the engine's terms.
func previewQuery(ec echo.Context, m *view.Preview) (engine.Query, ui.Errors) {
	p, errs := ec.QueryParams(), ui.Errors{}
	q := engine.Query{Limit: previewRows}
	m.Conditions, q.Where = conditionsOf(p, m.Names, errs)
	m.Order, q.Order = orderOf(p, m.Names, errs)
	q.Columns = columnsOf(p, m.Names, errs)
	m.Chosen = q.Columns
	return q, errs
}

// unknown notes that the table has no column of this name, and reports whether it did.
func unknown(names []string, errs ui.Errors, field, name string) bool {
	if slices.Contains(names, name) {
		return false
	}
	errs[field] = "The table has no column " + strconv.Quote(name) + "."
	return true
}

// conditionsOf reads the fields column, op, value and as, which stand for one condition
// each time they come together. What is wrong goes into errs.
func conditionsOf(p url.Values, names []string, errs ui.Errors) (shown []view.Condition, where []engine.Condition) {
	at := func(name string, i int) string {
		if v := p[name]; i < len(v) {
			return v[i]
		}
		return ""
	}
	columns := p["column"]
	if len(columns) > conditionsMax {
		errs["column"] = "Use at most " + strconv.Itoa(conditionsMax) + " conditions."
		columns = columns[:conditionsMax]
	}
	for i, column := range columns {
		if column == "" {
			continue
		}
		cond := view.Condition{Column: column, Op: at("op", i), Value: at("value", i), As: at("as", i)}
		shown = append(shown, cond)
		op, ok := engine.ParseOp(cond.Op)
		if !ok {
			errs["column"] = "Choose how " + column + " is compared."
			continue
		}
		number := cond.As == "number" && op != engine.IsNull && op != engine.IsNotNull
		if !unknown(names, errs, "column", column) {
			where = append(where, engine.Condition{Column: column, Op: op, Value: cond.Value, Number: number})
		}
	}
	return shown, where
}

// orderOf reads the fields order, direction and orderAs.
func orderOf(p url.Values, names []string, errs ui.Errors) (view.Order, []engine.Order) {
	column := p.Get("order")
	o := view.Order{Column: column, Direction: p.Get("direction"), As: p.Get("orderAs")}
	if column == "" || unknown(names, errs, "order", column) {
		return o, nil
	}
	return o, []engine.Order{{Column: column, Descending: o.Direction == "desc", Number: o.As == "number"}}
}

// columnsOf reads the repeated field columns.
func columnsOf(p url.Values, names []string, errs ui.Errors) []string {
	var out []string
	for _, name := range p["columns"] {
		if name != "" && !slices.Contains(out, name) && !unknown(names, errs, "columns", name) {
			out = append(out, name)
		}
	}
	return out
}

// previewColumn is a column's head: choosing it orders by it, and turns the order round.
func previewColumn(ec echo.Context, name string, o view.Order) view.GridColumn {
	col := view.GridColumn{Name: name}
	q := ec.Request().URL.Query()
	q.Del("row")
	q.Set("order", name)
	q.Set("direction", "asc")
	if o.Column == name {
		col.Sort = "ascending"
		if o.Direction == "desc" {
			col.Sort = "descending"
		} else {
			q.Set("direction", "desc")
		}
	}
	col.SortURL = address(ec, q)
	return col
}

var eventFields = []field[audit.Event]{
	{"id", func(e audit.Event) any { return e.ID }},
	{"created", func(e audit.Event) any { return e.At }},
	{"type", func(e audit.Event) any { return string(e.Type) }},
	{"event", func(e audit.Event) any { return e.Name }},
	{"message", func(e audit.Event) any { return e.Message }},
	{"actor", func(e audit.Event) any { return e.ActorName }},
	{"objectType", func(e audit.Event) any { return e.ObjectType }},
	{"objectId", func(e audit.Event) any { return e.ObjectID }},
	{"jobId", func(e audit.Event) any { return orNil(e.JobID) }},
	{"requestId", func(e audit.Event) any { return e.RequestID }},
	{"address", func(e audit.Event) any { return e.Address }},
}

func orNil(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

func (c *Console) tableEvents(ec echo.Context, s access.Project) error {
	m := view.Events{Download: downloads(ec)}
	var list []audit.Event
	f := audit.Filter{ObjectType: "table", ObjectID: ec.Param("table"), Limit: pageSize + 1}
	done, err := exported(ec, "events", eventFields, func(last *audit.Event) (out []audit.Event, err error) {
		f := f
		f.Limit = 1000
		if last != nil {
			f.Before = audit.Cursor{At: last.At, ID: last.ID}
		}
		err = c.view(ec, func(tx *db.Tx) error {
			if _, err := c.app.Storage.Table(tx, s, f.ObjectID); err != nil {
				return err
			}
			out, err = audit.List(tx, s, f)
			return err
		})
		return out, err
	})
	if done || err != nil {
		return err
	}
	if f.Before.At, f.Before.ID, err = parseCursor(ec.QueryParam("before")); err != nil {
		return err
	}
	err = c.view(ec, func(tx *db.Tx) (err error) {
		if m.Table, _, _, err = c.tableHead(ec, tx, s); err != nil {
			return err
		}
		list, err = audit.List(tx, s, f)
		return err
	})
	if err != nil {
		return err
	}
	cursor := ""
	if len(list) > pageSize {
		list = list[:pageSize]
		cursor = cursorOf(list[pageSize-1].At, list[pageSize-1].ID)
	}
	m.Pager = more(ec, ui.Count(int64(len(list)), "event", "events")+" on this page", "before", cursor, "Older events")
	for _, e := range list {
		m.Events = append(m.Events, c.eventRow(s, e))
	}
	return page(ec, http.StatusOK, view.EventsPage(m))
}

func (c *Console) eventRow(s access.Project, e audit.Event) view.EventRow {
	row := view.EventRow{Time: c.when(e.At), Who: ui.Who{Name: e.ActorName}, Text: e.Message, Name: e.Name, From: e.Address}
	if rest, ok := strings.CutPrefix(e.Message, e.ActorName+" "); ok {
		row.Text = strings.ToUpper(rest[:1]) + rest[1:]
	}
	if e.JobID != 0 {
		row.Job = ui.Link{Label: "Job " + itoa(e.JobID), URL: paths.StorageJob(s.ID(), e.JobID)}
	}
	for _, f := range factsOf(e) {
		row.Facts = append(row.Facts, view.Fact{Term: f.Name, Value: f.Value})
	}
	return row
}
