package console_test

import (
	"net/http"
	"strings"
	"testing"

	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/storage/csv"
	"steward/views/paths"
)

// TestUndoComesLive: who stays on the page of a job is offered its undo when it ends.
func TestUndoComesLive(t *testing.T) {
	t.Parallel()
	l := newLoader(t)
	l.loadKeyed("customers", customersGood, false, "id")
	good := l.rows("customers", 0)
	f, err := l.App.Storage.Upload(t.Context(), l.scope, "wrong.csv", strings.NewReader(customersWrong))
	if err != nil {
		t.Fatal(err)
	}
	var j jobs.Job
	l.Update(func(tx *db.Tx) (err error) {
		j, err = l.App.Storage.StartLoad(tx, l.scope, storage.Load{File: f.ID, Bucket: loadBucket, Table: "customers", Dialect: csv.DefaultDialect()})
		return err
	})
	await(t, stream(t, l.Client, paths.Live(l.project, "job-"+num(j.ID))), `action="`+paths.StorageJobUndo(l.project, j.ID)+`"`)
	l.undoes(l.Get(paths.StorageJob(l.project, j.ID)))
	if got := l.rows("customers", 0); got != good {
		t.Errorf("after the undo the rows are %s, were %s", got, good)
	}
}

// TestUndoLeadsToTheTable: an undo ends at the table that it changed, whatever that is
// called by now, and a job that dropped a table does not lead to it.
func TestUndoLeadsToTheTable(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	trash := "/projects/" + num(d.project.ID) + "/trash"
	d.load("orders", "id\n1\n")
	d.load("orders", "id\nwrong\n")
	wrong := d.latest()
	orders := d.tablePath("orders")
	d.follow(d.send(orders+"/settings", orders+"/delete", nil))
	drop := d.c.Get(paths.StorageJob(d.project.ID, d.latest())).Want(http.StatusOK)
	if facts := text(drop, "aside .facts"); !strings.Contains(facts, "Table "+deskBucket+".orders, which it dropped") || drop.Page().Find(`main a[href="`+orders+`"]`).Length() != 0 {
		t.Errorf("the job that dropped the table says %q and leads to it", facts)
	}
	if list := d.c.Get(paths.StorageJobs(d.project.ID)).Want(http.StatusOK).Page().Find("tbody tr").First(); list.Find(`a[href="`+orders+`"]`).Length() != 0 {
		t.Errorf("the list leads to the table that is gone: %s", words(list))
	}
	path, form := d.c.Get(trash).Form(trash)
	form.Set("name", "orders-back")
	d.follow(d.c.Post(path, form))
	page := d.send(paths.StorageJob(d.project.ID, wrong), paths.StorageJobUndo(d.project.ID, wrong), nil)
	if page.Location != d.tablePath("orders-back") {
		t.Errorf("the undo leads to %s", page.Location)
	}
	d.follow(page)
	if got := d.c.Get(d.tablePath("orders-back") + "/preview?format=csv").Body; got != "id\n1\n" {
		t.Errorf("after the undo the rows are %q", got)
	}
}

// latest is the newest job.
func (d *desk) latest() (id int64) {
	d.t.Helper()
	d.View(func(tx *db.Tx) (err error) {
		list, err := d.App.Jobs.List(tx, d.scope, jobs.Filter{Limit: 1})
		if err == nil {
			id = list[0].ID
		}
		return err
	})
	return id
}
