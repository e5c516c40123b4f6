package console

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/views/paths"
	view "steward/views/storage"
	"steward/views/ui"
)

// insideMax is how many tables an unfolded bucket shows in the tree.
const insideMax = 20

// openMax is how many buckets the tree shows unfolded at once.
const openMax = 10

var bucketFields = []field[storage.Bucket]{
	{"id", func(b storage.Bucket) any { return b.TextID }},
	{"stage", func(b storage.Bucket) any { return string(b.Stage) }},
	{"name", func(b storage.Bucket) any { return b.Name }},
	{"displayName", func(b storage.Bucket) any { return b.DisplayName }},
	{"description", func(b storage.Bucket) any { return b.Description }},
	{"tables", func(b storage.Bucket) any { return b.Tables }},
	{"rowsCount", func(b storage.Bucket) any { return b.Rows }},
	{"dataSizeBytes", func(b storage.Bucket) any { return b.Bytes }},
	{"created", func(b storage.Bucket) any { return b.CreatedAt }},
	{"lastChangeDate", func(b storage.Bucket) any { return b.ChangedAt }},
}

var tableFields = []field[storage.Table]{
	{"id", func(t storage.Table) any { return t.TextID }},
	{"name", func(t storage.Table) any { return t.Name }},
	{"rowsCount", func(t storage.Table) any { return t.Rows }},
	{"dataSizeBytes", func(t storage.Table) any { return t.Bytes }},
	{"version", func(t storage.Table) any { return t.Version }},
	{"created", func(t storage.Table) any { return t.CreatedAt }},
	{"lastChangeDate", func(t storage.Table) any { return t.ChangedAt }},
	{"lastChangedBy", func(t storage.Table) any { return t.ChangedBy }},
}

func (c *Console) buckets(ec echo.Context, s access.Project) error {
	f := storage.BucketFilter{Search: query(ec, "q"), Stage: storage.Stage(query(ec, "stage"))}
	done, err := exported(ec, "buckets", bucketFields, func(last *storage.Bucket) (out []storage.Bucket, err error) {
		f := f
		f.Limit = 1000
		if last != nil {
			f.After = last.TextID
		}
		err = c.view(ec, func(tx *db.Tx) error { out, err = c.app.Storage.Buckets(tx, s, f); return err })
		return out, err
	})
	if done || err != nil {
		return err
	}
	f.After, f.Limit = query(ec, "after"), pageSize+1
	open := unfolded(ec.QueryParams()["open"])
	m := view.Buckets{Tabs: tabs(s), Query: f.Search, Stage: string(f.Stage), Open: open, ClearURL: paths.Storage(s.ID()), Download: downloads(ec)}
	err = c.view(ec, func(tx *db.Tx) error {
		if m.Shell, _, err = c.projectShell(ec, tx, s); err != nil {
			return err
		}
		list, err := c.app.Storage.Buckets(tx, s, f)
		if err != nil {
			return err
		}
		cursor := ""
		if len(list) > pageSize {
			list, cursor = list[:pageSize], list[pageSize-1].TextID
		}
		m.Pager = more(ec, ui.Count(int64(len(list)), "bucket", "buckets")+" on this page", "after", cursor, "More buckets")
		inside, err := c.app.Storage.Inside(tx, s, open, insideMax)
		if err != nil {
			return err
		}
		for _, b := range list {
			row := c.bucketRow(ec, s, b, open)
			if row.Open {
				c.unfold(s, b, inside[b.TextID], &row)
			}
			m.Buckets = append(m.Buckets, row)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if s.May(access.BucketsWrite) {
		m.NewURL = paths.BucketNew(s.ID())
	}
	if s.May(access.TablesWrite) {
		m.LoadURL = paths.Load(s.ID())
	}
	return page(ec, http.StatusOK, view.BucketsPage(m))
}

func tabs(s access.Project) view.Tabs {
	return view.Tabs{BucketsURL: paths.Storage(s.ID()), JobsURL: paths.StorageJobs(s.ID())}
}

func (c *Console) bucketRow(ec echo.Context, s access.Project, b storage.Bucket, open []string) view.BucketRow {
	row := view.BucketRow{ID: b.TextID, Name: b.DisplayName, URL: paths.Bucket(s.ID(), b.TextID), Open: slices.Contains(open, b.TextID),
		Tables: ui.Number(b.Tables), Rows: ui.Number(b.Rows), Size: ui.Bytes(b.Bytes), Changed: c.when(b.ChangedAt)}
	q := ec.Request().URL.Query()
	q.Del("open")
	for _, o := range open {
		if o != b.TextID {
			q.Add("open", o)
		}
	}
	if !row.Open {
		q.Add("open", b.TextID)
	}
	row.FoldURL = address(ec, q)
	return row
}

// unfolded are the buckets to show unfolded: the last ones that were, so that one more
// can always be opened.
func unfolded(open []string) []string {
	var out []string
	for _, id := range slices.Backward(open) {
		if len(out) < openMax && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	slices.Reverse(out)
	return out
}

func (c *Console) unfold(s access.Project, b storage.Bucket, tables []storage.Table, row *view.BucketRow) {
	row.Inside = c.tableRows(s, tables)
	if rest := b.Tables - int64(len(tables)); rest > 0 {
		row.More = ui.Link{Label: ui.Count(rest, "more table", "more tables"), URL: paths.Bucket(s.ID(), b.TextID)}
	}
}

func (c *Console) tableRows(s access.Project, tables []storage.Table) []view.TableRow {
	var out []view.TableRow
	for _, t := range tables {
		out = append(out, view.TableRow{Name: t.Name, URL: paths.Table(s.ID(), t.TextID), Rows: ui.Number(t.Rows), Size: ui.Bytes(t.Bytes), Changed: c.when(t.ChangedAt)})
	}
	return out
}

func (c *Console) bucket(ec echo.Context, s access.Project) error {
	id := ec.Param("bucket")
	f := storage.TableFilter{Search: query(ec, "q")}
	done, err := exported(ec, "tables", tableFields, func(last *storage.Table) (out []storage.Table, err error) {
		f := f
		f.Limit = 1000
		if last != nil {
			f.After = last.Name
		}
		err = c.view(ec, func(tx *db.Tx) error {
			if _, err := c.app.Storage.Bucket(tx, s, id); err != nil {
				return err
			}
			out, err = c.app.Storage.Tables(tx, s, id, f)
			return err
		})
		return out, err
	})
	if done || err != nil {
		return err
	}
	f.After, f.Limit = query(ec, "after"), pageSize+1
	m := view.Bucket{StorageURL: paths.Storage(s.ID()), URL: paths.Bucket(s.ID(), id), Query: f.Search, Download: downloads(ec)}
	err = c.view(ec, func(tx *db.Tx) error {
		if m.Shell, _, err = c.projectShell(ec, tx, s); err != nil {
			return err
		}
		b, err := c.app.Storage.Bucket(tx, s, id)
		if err != nil {
			return err
		}
		tables, err := c.app.Storage.Tables(tx, s, id, f)
		if err != nil {
			return err
		}
		cursor := ""
		if len(tables) > pageSize {
			tables, cursor = tables[:pageSize], tables[pageSize-1].Name
		}
		m.Pager = more(ec, ui.Count(int64(len(tables)), "table", "tables")+" on this page", "after", cursor, "More tables")
		m.Tables = c.tableRows(s, tables)
		m.ID, m.Name, m.Description, m.Stage = b.TextID, b.DisplayName, b.Description, string(b.Stage)
		m.Rows, m.Size, m.TableCount = ui.Number(b.Rows), ui.Bytes(b.Bytes), ui.Number(b.Tables)
		m.Created, m.Changed = c.when(b.CreatedAt), c.when(b.ChangedAt)
		return nil
	})
	if err != nil {
		return err
	}
	if s.May(access.BucketsWrite) {
		m.EditURL, m.DeleteURL = paths.BucketEdit(s.ID(), id), paths.BucketDelete(s.ID(), id)
	}
	if s.May(access.TablesWrite) {
		m.NewURL = paths.TableNew(s.ID(), id)
		m.LoadURL = paths.LoadInto(s.ID(), id, "")
	}
	return page(ec, http.StatusOK, view.BucketPage(m))
}

func (c *Console) bucketNew(ec echo.Context, s access.Project) error {
	return c.bucketForm(ec, s, http.StatusOK, view.BucketForm{Stage: "in"})
}

// bucketForm draws the form of a new bucket, or of one that has an id.
func (c *Console) bucketForm(ec echo.Context, s access.Project, status int, m view.BucketForm) error {
	m.Key, m.StorageURL, m.Action, m.CancelURL = key(), paths.Storage(s.ID()), paths.Buckets(s.ID()), paths.Storage(s.ID())
	if m.ID != "" {
		m.Action, m.CancelURL = paths.Bucket(s.ID(), m.ID), paths.Bucket(s.ID(), m.ID)
	}
	err := c.view(ec, func(tx *db.Tx) (err error) { m.Shell, _, err = c.projectShell(ec, tx, s); return err })
	if err != nil {
		return err
	}
	return page(ec, status, view.BucketFormPage(m))
}

func (c *Console) bucketCreate(ec echo.Context, s access.Project) error {
	f, err := form(ec, "stage", "name", "displayName", "description")
	if err != nil {
		return err
	}
	var b storage.Bucket
	err = c.update(ec, func(tx *db.Tx) (err error) {
		b, err = c.app.Storage.CreateBucket(tx, s, storage.NewBucket{Stage: storage.Stage(f["stage"]), Name: f["name"], DisplayName: f["displayName"], Description: plainLines(f["description"])})
		return err
	})
	if errs, ok := fieldErrors(err); ok {
		return c.bucketForm(ec, s, http.StatusUnprocessableEntity, view.BucketForm{Stage: f["stage"], Name: f["name"], DisplayName: f["displayName"], Description: f["description"], Errors: errs})
	}
	if err != nil {
		return err
	}
	return c.done(ec, fmt.Sprintf("Bucket %s is there. Load data to make its first table.", b.TextID), paths.Bucket(s.ID(), b.TextID))
}

func (c *Console) bucketEdit(ec echo.Context, s access.Project) error {
	var b storage.Bucket
	err := c.view(ec, func(tx *db.Tx) (err error) { b, err = c.app.Storage.Bucket(tx, s, ec.Param("bucket")); return err })
	if err != nil {
		return err
	}
	return c.bucketForm(ec, s, http.StatusOK, view.BucketForm{ID: b.TextID, Stage: string(b.Stage), Name: b.Name[len("c-"):], DisplayName: b.DisplayName, Description: b.Description})
}

func (c *Console) bucketUpdate(ec echo.Context, s access.Project) error {
	f, err := form(ec, "displayName", "description")
	if err != nil {
		return err
	}
	id := ec.Param("bucket")
	var old storage.Bucket
	err = c.update(ec, func(tx *db.Tx) error {
		if old, err = c.app.Storage.Bucket(tx, s, id); err != nil {
			return err
		}
		_, err = c.app.Storage.UpdateBucket(tx, s, id, storage.BucketPatch{DisplayName: f["displayName"], Description: plainLines(f["description"])})
		return err
	})
	if errs, ok := fieldErrors(err); ok {
		stage, name, _ := cutBucket(id)
		return c.bucketForm(ec, s, http.StatusUnprocessableEntity, view.BucketForm{ID: id, Stage: stage, Name: name, DisplayName: f["displayName"], Description: f["description"], Errors: errs})
	}
	if err != nil {
		return err
	}
	back := undo{Action: paths.Bucket(s.ID(), id), Fields: []ui.Pair{{Name: "displayName", Value: old.DisplayName}, {Name: "description", Value: old.Description}}}
	return c.doneWith(ec, "Saved.", back, paths.Bucket(s.ID(), id))
}

// bucketDelete asks whether a bucket may go.
func (c *Console) bucketDelete(ec echo.Context, s access.Project) error {
	return c.bucketDeletePage(ec, s, http.StatusOK, nil)
}

func (c *Console) bucketDeletePage(ec echo.Context, s access.Project, status int, errs ui.Errors) error {
	id := ec.Param("bucket")
	m := view.BucketDelete{StorageURL: paths.Storage(s.ID()), BucketURL: paths.Bucket(s.ID(), id), ID: id, Action: paths.BucketDelete(s.ID(), id), Key: key(), Errors: errs}
	err := c.view(ec, func(tx *db.Tx) error {
		b, err := c.app.Storage.Bucket(tx, s, id)
		if err != nil {
			return err
		}
		tables, err := c.app.Storage.Tables(tx, s, id, storage.TableFilter{Limit: insideMax})
		if err != nil {
			return err
		}
		for _, t := range tables {
			m.Names = append(m.Names, t.Name)
		}
		if rest := b.Tables - int64(len(tables)); rest > 0 {
			m.More = "and " + ui.Number(rest) + " more"
		}
		m.Seen, m.TableCount, m.Tables, m.Rows, m.Size = itoa(b.Tables), ui.Number(b.Tables), ui.Count(b.Tables, "table", "tables"), ui.Number(b.Rows), ui.Bytes(b.Bytes)
		shell, p, err := c.projectShell(ec, tx, s)
		m.Shell, m.Kept = shell, kept(p)
		return err
	})
	if err != nil {
		return err
	}
	return page(ec, status, view.BucketDeletePage(m))
}

func (c *Console) bucketDeleteStart(ec echo.Context, s access.Project) error {
	f, err := form(ec, "confirm", "tables")
	if err != nil {
		return err
	}
	id := ec.Param("bucket")
	if f["confirm"] != id {
		return c.bucketDeletePage(ec, s, http.StatusUnprocessableEntity, ui.Errors{"confirm": "Type the bucket’s id, " + id + ", to delete it."})
	}
	tables, err := strconv.ParseInt(f["tables"], 10, 64)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "form.tables", "The form does not say how many tables the bucket had. Load it again.")
	}
	var j jobs.Job
	err = c.update(ec, func(tx *db.Tx) (err error) { j, err = c.app.Storage.DeleteBucket(tx, s, id, tables); return err })
	if errs, ok := fieldErrors(err); ok {
		return c.bucketDeletePage(ec, s, http.StatusUnprocessableEntity, errs)
	}
	if err != nil {
		return err
	}
	return c.await(ec, s, j, paths.Storage(s.ID()))
}

func cutBucket(id string) (stage, name string, ok bool) {
	for _, stage := range []string{"in", "out"} {
		if p := stage + ".c-"; len(id) > len(p) && id[:len(p)] == p {
			return stage, id[len(p):], true
		}
	}
	return "", id, false
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
