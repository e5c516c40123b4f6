package console_test

import (
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
