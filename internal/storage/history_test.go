package storage_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/storage/csv"
	"steward/internal/storage/engine"
	"steward/web/webtest"
)

// do asks for a job and waits for its good end.
func (p *place) do(ask func(*db.Tx) (jobs.Job, error)) jobs.Job {
	p.t.Helper()
	j := p.ask(ask)
	p.await(j)
	p.View(func(tx *db.Tx) (err error) { j, err = p.App.Jobs.Get(tx, p.scope, j.ID); return err })
	return j
}

func (p *place) ask(ask func(*db.Tx) (jobs.Job, error)) (j jobs.Job) {
	p.t.Helper()
	p.Update(func(tx *db.Tx) (err error) { j, err = ask(tx); return err })
	return j
}

// loadText loads a CSV text into a table and waits.
func (p *place) loadText(table, content string, add bool, key ...string) jobs.Job {
	p.t.Helper()
	f, err := p.App.Storage.Upload(p.t.Context(), p.scope, table+".csv", strings.NewReader(content))
	if err != nil {
		p.t.Fatal(err)
	}
	return p.do(func(tx *db.Tx) (jobs.Job, error) {
		return p.App.Storage.StartLoad(tx, p.scope, storage.Load{File: f.ID, Bucket: bucket, Table: table, Append: add, Dialect: csv.DefaultDialect(), Key: key})
	})
}

// picture is everything that people see of a table: rows with their cells, columns, key,
// description and metadata.
func (p *place) picture(id string) string {
	p.t.Helper()
	var b strings.Builder
	var t storage.Table
	p.View(func(tx *db.Tx) error {
		var err error
		t, err = p.App.Storage.Table(tx, p.scope, id)
		if fault.Is(err, fault.NotFound) {
			b.WriteString("no table")
			return nil
		}
		if err != nil {
			return err
		}
		columns, err := p.App.Storage.Columns(tx, t)
		if err != nil {
			return err
		}
		for _, c := range columns {
			fmt.Fprintf(&b, "[%s %d]", c.Name, c.Key)
		}
		notes, err := p.App.Storage.TableMetadata(tx, t, storage.MetadataFilter{Limit: 1000})
		for _, n := range notes {
			fmt.Fprintf(&b, "{%s %s %s=%s}", n.Column, n.Provider, n.Key, n.Value)
		}
		fmt.Fprintf(&b, " %q %d rows\n", t.Description, t.Rows)
		return err
	})
	if t.ID == 0 {
		return b.String()
	}
	v, err := p.App.Storage.View(p.t.Context(), p.scope, t)
	if err != nil {
		p.t.Fatal(err)
	}
	b.WriteString(p.rows(v))
	return b.String()
}

func (p *place) rows(v *engine.View) string {
	p.t.Helper()
	defer func() { _ = v.Close() }()
	var rows []string
	err := v.Each(p.t.Context(), engine.Query{Origin: true}, func(r engine.Row) error {
		var cells []string
		for _, c := range r.Cells {
			if c.Null {
				cells = append(cells, "NULL")
			} else {
				cells = append(cells, fmt.Sprintf("%q", c.Value))
			}
		}
		rows = append(rows, fmt.Sprintf("%s @%d", strings.Join(cells, ","), r.Job))
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	slices.Sort(rows)
	return strings.Join(rows, "\n")
}

func history(t *testing.T) *place {
	t.Helper()
	return newPlace(t, webtest.Open(t, webtest.Options{Log: t.Output()}), "History")
}

// TestUndo does everything that changes a table, undoes it, and compares what people see
// before and after.
func TestUndo(t *testing.T) {
	t.Parallel()
	p := history(t)
	st := p.App.Storage
	const id = bucket + ".orders"
	p.loadText("orders", "id,name,note\n1,ada,\n2,bob,\"\"\n3,cyd,x\n", false)
	p.loadText("orders", "id,name,note\n4,\"d,e\",\n", true)
	p.Update(func(tx *db.Tx) error {
		if _, err := st.DescribeTable(tx, p.scope, id, "Orders of the *shop*"); err != nil {
			return err
		}
		for _, m := range []storage.Metadata{{Provider: "user", Key: "owner", Value: "ada"}, {Column: "name", Provider: "user", Key: "pii", Value: "yes"}} {
			if _, _, err := st.SetMetadata(tx, p.scope, id, m); err != nil {
				return err
			}
		}
		return nil
	})
	p.do(func(tx *db.Tx) (jobs.Job, error) { return st.AddKey(tx, p.scope, id, []string{"id"}) })
	p.do(func(tx *db.Tx) (jobs.Job, error) { return st.CreateSnapshot(tx, p.scope, id, "before") })
	for _, c := range []struct {
		name string
		do   func(*db.Tx) (jobs.Job, error)
	}{
		{"add a column", func(tx *db.Tx) (jobs.Job, error) { return st.AddColumn(tx, p.scope, id, "extra") }},
		{"rename a column", func(tx *db.Tx) (jobs.Job, error) { return st.RenameColumn(tx, p.scope, id, "name", "who") }},
		{"rename the key", func(tx *db.Tx) (jobs.Job, error) { return st.RenameColumn(tx, p.scope, id, "id", "number") }},
		{"drop a column", func(tx *db.Tx) (jobs.Job, error) { return st.DropColumn(tx, p.scope, id, "name") }},
		{"drop the key", func(tx *db.Tx) (jobs.Job, error) { return st.DropKey(tx, p.scope, id) }},
		{"delete rows", func(tx *db.Tx) (jobs.Job, error) {
			return st.DeleteRows(tx, p.scope, id, []engine.Condition{{Column: "name", Op: engine.Equal, Value: "bob"}}, false, 0)
		}},
		{"truncate", func(tx *db.Tx) (jobs.Job, error) { return st.DeleteRows(tx, p.scope, id, nil, true, 0) }},
		{"revert", func(tx *db.Tx) (jobs.Job, error) { return st.Revert(tx, p.scope, id, 1, p.table("orders").Version) }},
		{"drop", func(tx *db.Tx) (jobs.Job, error) { return st.DropTable(tx, p.scope, id) }},
		{"delete the bucket", func(tx *db.Tx) (jobs.Job, error) { return st.DeleteBucket(tx, p.scope, bucket, 1) }},
	} {
		before := p.picture(id)
		j := p.do(c.do)
		if c.name != "revert" && p.picture(id) == before {
			t.Errorf("%s changed nothing", c.name)
		}
		p.undo(j)
		if after := p.picture(id); after != before {
			t.Errorf("%s, undone:\n%s\nbefore:\n%s", c.name, after, before)
		}
		p.sums()
	}
}

// undo takes a job back and waits.
func (p *place) undo(j jobs.Job) {
	p.t.Helper()
	var u storage.Undone
	p.Update(func(tx *db.Tx) (err error) { u, err = p.App.Storage.Undo(tx, p.scope, j.ID); return err })
	if u.Job.ID != 0 {
		p.await(u.Job)
	}
}

// What is noted belongs to somebody: people's own is what they may take back.
func TestMetadataNeedsAProvider(t *testing.T) {
	t.Parallel()
	p := history(t)
	const id = bucket + ".orders"
	p.loadText("orders", "id\n1\n", false)
	err := p.App.DB.Update(t.Context(), func(tx *db.Tx) error {
		_, _, err := p.App.Storage.SetMetadata(tx, p.scope, id, storage.Metadata{Key: "owner", Value: "ada"})
		return err
	})
	var wrong *fault.Error
	if !errors.As(err, &wrong) || wrong.Kind != fault.Invalid || len(wrong.Fields) != 1 || wrong.Fields[0].Name != "provider" {
		t.Errorf("got %v", err)
	}
	if got := p.picture(id); strings.Contains(got, "owner") {
		t.Errorf("it was noted: %s", got)
	}
}
