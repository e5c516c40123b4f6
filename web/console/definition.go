package console

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/views/paths"
	view "steward/views/storage"
	"steward/views/ui"
)

// bucketsMax is how many buckets a choice offers.
const bucketsMax = 1000

// tableNew is the form that defines an empty table.
func (c *Console) tableNew(ec echo.Context, s access.Project) error {
	return c.tableForm(ec, s, http.StatusOK, view.TableForm{Bucket: query(ec, "bucket")})
}

func (c *Console) tableForm(ec echo.Context, s access.Project, status int, m view.TableForm) error {
	m.StorageURL, m.CancelURL, m.Action, m.Key = paths.Storage(s.ID()), paths.Storage(s.ID()), paths.Tables(s.ID()), key()
	m.LoadURL = paths.LoadInto(s.ID(), m.Bucket, m.Table)
	if m.Bucket != "" {
		m.CancelURL = paths.Bucket(s.ID(), m.Bucket)
	}
	err := c.view(ec, func(tx *db.Tx) (err error) {
		if m.Shell, _, err = c.projectShell(ec, tx, s); err != nil {
			return err
		}
		buckets, err := c.app.Storage.Buckets(tx, s, storage.BucketFilter{Limit: bucketsMax})
		m.Buckets = []ui.Option{{Value: "", Label: "Choose a bucket"}}
		for _, b := range buckets {
			m.Buckets = append(m.Buckets, ui.Option{Value: b.TextID, Label: b.TextID})
		}
		return err
	})
	if err != nil {
		return err
	}
	return page(ec, status, view.TableFormPage(m))
}

func (c *Console) tableCreate(ec echo.Context, s access.Project) error {
	f, err := form(ec, "bucket", "table", "columns", "key", "description")
	if err != nil {
		return err
	}
	d := storage.Definition{Bucket: f["bucket"], Name: f["table"], Columns: linesOf(f["columns"]), Key: linesOf(f["key"]), Description: plainLines(f["description"])}
	var j jobs.Job
	err = c.update(ec, func(tx *db.Tx) (err error) { j, err = c.app.Storage.CreateTable(tx, s, d); return err })
	if errs, ok := fieldErrors(err); ok {
		return c.tableForm(ec, s, http.StatusUnprocessableEntity, view.TableForm{Bucket: d.Bucket, Table: d.Name, Columns: f["columns"], KeyColumns: f["key"], Description: f["description"], Errors: errs})
	}
	if err != nil {
		return err
	}
	return c.await(ec, s, j, paths.Table(s.ID(), d.Bucket+"."+d.Name))
}
