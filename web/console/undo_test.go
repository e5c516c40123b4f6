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
	"steward/internal/storage/engine"
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

// TestNoUndoOfNothing: what changed nothing is not offered to be undone, neither on its
// page nor where it leads.
func TestNoUndoOfNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.load("orders", "id,city\n1,Oslo\n", "id")
	var none jobs.Job
	d.Update(func(tx *db.Tx) (err error) {
		none, err = d.App.Storage.DeleteRows(tx, d.scope, deskBucket+".orders", []engine.Condition{{Column: "city", Op: engine.Equal, Value: "Rome"}}, false, 0)
		return err
	})
	d.ended(none.ID)
	for what, job := range map[string]int64{"a load of the same rows": d.addRows("orders", "id,city\n1,Oslo\n").ID, "a delete of no rows": none.ID} {
		page := d.c.Get(paths.StorageJob(d.project.ID, job)).Want(http.StatusOK)
		if state := text(page, ".job-state"); !strings.HasPrefix(state, "Success") {
			t.Errorf("%s: %s", what, state)
		}
		if page.Page().Find(`form[action$="/undo"]`).Length() != 0 {
			t.Errorf("%s is offered to be undone", what)
		}
	}
	changed := d.c.Get(paths.StorageJob(d.project.ID, d.addRows("orders", "id,city\n1,Rome\n").ID))
	if changed.Page().Find(`form[action$="/undo"]`).Length() != 1 {
		t.Error("a load that changed a row is not offered to be undone")
	}
}

// TestJobsKnowTheirTables: a job leads to its table under the name that it has now, and
// says when it is in the trash or gone.
func TestJobsKnowTheirTables(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	trash := "/projects/" + num(d.project.ID) + "/trash"
	d.load("orders", "id\n1\n")
	load := d.latest()
	failed := d.addRows("orders", "other\n1\n").ID
	export := d.follow(d.send(d.tablePath("orders")+"/export", d.tablePath("orders")+"/export", url.Values{"format": {"csv"}}))
	exportJob := d.latest()
	if export.Page().Find(`section[aria-labelledby="made"] a[href*="/export?"]`).Length() != 1 {
		t.Error("the export does not lead to the next one")
	}
	check := func(when, now, href string) {
		t.Helper()
		list := d.c.Get(paths.StorageJobs(d.project.ID)).Want(http.StatusOK)
		for _, job := range []int64{load, failed, exportJob} {
			page := d.c.Get(paths.StorageJob(d.project.ID, job)).Want(http.StatusOK)
			for where, s := range map[string]*gq{"page": page.Page().Find("aside .facts"), "list": list.Page().Find("#job-row-" + num(job))} {
				if got := words(s); !strings.Contains(got, strings.TrimSpace(deskBucket+".orders "+now)) {
					t.Errorf("%s, the %s of job %d says %q", when, where, job, got)
				}
				links := s.Find("a").FilterFunction(func(_ int, a *gq) bool { return a.AttrOr("href", "") == d.tablePath("orders") }).Length()
				if want := map[bool]int{true: 1}[href == d.tablePath("orders")]; links != want {
					t.Errorf("%s, the %s of job %d leads to %s %d times", when, where, job, d.tablePath("orders"), links)
				}
				if href != "" && s.Find(`a[href="`+href+`"]`).Length() == 0 {
					t.Errorf("%s, the %s of job %d does not lead to %s", when, where, job, href)
				}
			}
		}
		for _, job := range []int64{load, failed, exportJob} {
			d.c.Get(paths.StorageJob(d.project.ID, job)).Page().Find(`main a[href*="/tables/"]`).Each(func(_ int, a *gq) {
				d.c.Get(a.AttrOr("href", "")).Want(http.StatusOK)
			})
		}
	}
	check("at first", "", d.tablePath("orders"))
	d.follow(d.send(d.tablePath("orders")+"/settings", d.tablePath("orders")+"/delete", nil))
	check("dropped", "now in the trash", trash)
	if d.c.Get(paths.StorageJob(d.project.ID, load)).Page().Find(`form[action$="/undo"]`).Length() != 0 {
		t.Error("the load of a table that is in the trash is offered to be undone")
	}
	d.load("orders", "id\n2\n") // another one
	check("replaced", "now in the trash", trash)
	path, form := d.c.Get(trash).Form(trash)
	form.Set("name", "orders-back")
	d.follow(d.c.Post(path, form))
	check("restored", "now "+deskBucket+".orders-back", d.tablePath("orders-back"))
	d.follow(d.send(d.tablePath("orders-back")+"/settings", d.tablePath("orders-back")+"/delete", nil))
	d.Update(func(tx *db.Tx) error {
		list, err := d.App.Storage.Trash(tx, d.scope, storage.TrashFilter{Limit: 1})
		if err != nil {
			return err
		}
		_, err = d.App.Storage.Purge(tx, d.scope, list[0].ID)
		return err
	})
	check("purged", "no longer exists", "")
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
