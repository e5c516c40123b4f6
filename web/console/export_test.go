package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/storage/csv"
)

// TestExportLeadsToTheNext: the page of an export leads to the form that exports what
// changes after it, filled in as it was.
func TestExportLeadsToTheNext(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.load("orders", "id,city\n1,Oslo\n2,Rome\n", "id")
	form := d.tablePath("orders") + "/export"
	job := d.follow(d.send(form, form, url.Values{"column": {"city"}, "op": {"ne"}, "value": {"Rome"}, "as": {"text"}, "columns": {"id"}, "format": {"csv.gz"}}))
	made := text(job, `section[aria-labelledby="made"]`)
	if !strings.Contains(made, "To export what changes after this, ask for changes since") || !strings.Contains(made, "UTC") || !strings.Contains(made, "Rows that were deleted") {
		t.Errorf("the export does not say how to go on: %q", made)
	}
	next := job.Page().Find(`section[aria-labelledby="made"] a[href^="`+form+`?"]`).AttrOr("href", "")
	d.addRows("orders", "id,city\n3,Oslo\n4,Rome\n")
	path, fields := d.c.Get(next).Want(http.StatusOK).Form(form)
	if got := fields.Get("since"); len(got) != len("2026-11-21T22:45:03.512") {
		t.Errorf("the form asks for changes since %q", got)
	}
	if fields.Get("column") != "city" || fields.Get("value") != "Rome" || fields.Get("format") == "" {
		t.Errorf("the form is not filled in as the export was: %v", fields)
	}
	fields.Set("format", "csv")
	job = d.follow(d.c.Post(path, fields))
	got := d.c.Get(job.Page().Find(`a[href$="/download"]`).AttrOr("href", "")).Want(http.StatusOK).Body
	if got != "id\n3\n" {
		t.Errorf("the next export has %q", got)
	}

	limited := d.follow(d.send(form, form, url.Values{"limit": {"1"}, "format": {"csv"}}))
	if strings.Contains(limited.Body, "To export what changes after this") {
		t.Error("an export of some rows says how to go on after all")
	}
}

// addRows adds the rows of a CSV text to a table.
func (d *desk) addRows(name, content string) jobs.Job {
	d.t.Helper()
	f, err := d.App.Storage.Upload(d.t.Context(), d.scope, name+".csv", strings.NewReader(content))
	if err != nil {
		d.t.Fatal(err)
	}
	var j jobs.Job
	d.Update(func(tx *db.Tx) (err error) {
		j, err = d.App.Storage.StartLoad(tx, d.scope, storage.Load{File: f.ID, Bucket: deskBucket, Table: name, Append: true, Dialect: csv.DefaultDialect()})
		return err
	})
	return d.ended(j.ID)
}
