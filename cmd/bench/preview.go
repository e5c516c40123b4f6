package main

import (
	"context"
	"net/url"
	"time"

	"steward/internal/access"
	"steward/internal/app"
	"steward/internal/db"
	"steward/internal/storage"
	"steward/internal/storage/engine"
	"steward/internal/tenancy"
	"steward/views/paths"
)

// look is a query for a table's preview in the three ways it is asked.
type look struct {
	name  string
	query engine.Query
	url   url.Values
	sql   string
	most  float64 // milliseconds at the median
}

func looks() []look {
	return []look{
		{"plain", engine.Query{}, nil, "SELECT * FROM orders LIMIT 100", 15},
		{"common filter", engine.Query{Where: []engine.Condition{{Column: "status", Op: engine.Equal, Value: "paid"}}},
			url.Values{"column": {"status"}, "op": {"eq"}, "value": {"paid"}}, "SELECT * FROM orders WHERE status = 'paid' LIMIT 100", 25},
		{"rare filter", engine.Query{Where: []engine.Condition{{Column: "note", Op: engine.Contains, Value: recalled}}},
			url.Values{"column": {"note"}, "op": {"contains"}, "value": {recalled}}, "SELECT * FROM orders WHERE instr(note, '" + recalled + "') LIMIT 100", 250},
		{"order as text", engine.Query{Order: []engine.Order{{Column: "amount"}}},
			url.Values{"order": {"amount"}}, "SELECT * FROM orders ORDER BY amount LIMIT 100", 250},
		{"order as number", engine.Query{Order: []engine.Order{{Column: "amount", Number: true, Descending: true}}},
			url.Values{"order": {"amount"}, "direction": {"desc"}, "orderAs": {"number"}}, "SELECT * FROM orders ORDER BY CAST(amount AS REAL) DESC LIMIT 100", 250},
	}
}

// preview measures the first rows of the large table: by the service in this process,
// by the page of a server, and by SQLite's shell, which has its start in its time. Each
// opens the table anew.
func (b *bench) preview(ctx context.Context) ([]Row, error) {
	w, err := b.world()
	if err != nil {
		return nil, err
	}
	file, err := b.imported()
	if err != nil {
		return nil, err
	}
	s, br, err := b.enter(ctx, w.data)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.stop() }()
	a, err := b.open(ctx, w.data)
	if err != nil {
		return nil, err
	}
	defer func() { _ = a.Close() }()
	var out []Row
	for _, l := range looks() {
		var service, page, shell Samples
		for range 4 * b.rounds {
			took, err := previewOf(ctx, a, w.project, l.query)
			if err != nil {
				return nil, err
			}
			service = append(service, milliseconds(took))
			if took, err = br.time(ctx, paths.TablePreview(w.project, table)+"?"+l.url.Encode()); err != nil {
				return nil, err
			}
			page = append(page, milliseconds(took))
			u, err := b.sqliteQuery(ctx, file, l.sql)
			if err != nil {
				return nil, err
			}
			shell = append(shell, u.wall*1000)
		}
		what := "preview, " + l.name + ": "
		out = append(out, Row{What: what + "service", Unit: "ms", Steward: service, Baseline: shell, Compare: Figure, Want: l.most},
			Row{What: what + "page", Unit: "ms", Steward: page, Baseline: shell, Compare: Figure, Want: l.most})
	}
	return out, nil
}

// previewOf is how long the service takes for the first rows of the large table, from
// finding the person, the project and the table on.
func previewOf(ctx context.Context, a *app.App, project int64, q engine.Query) (time.Duration, error) {
	q.Limit = 100
	start := time.Now()
	var scope access.Project
	var t storage.Table
	err := a.DB.View(ctx, func(tx *db.Tx) (err error) {
		if scope, err = enter(tx, a, project); err != nil {
			return err
		}
		t, err = a.Storage.Table(tx, scope, table)
		return err
	})
	if err != nil {
		return 0, err
	}
	_, err = a.Storage.Preview(ctx, scope, t, q)
	return time.Since(start), err
}

// enter finds the person and their project.
func enter(tx *db.Tx, a *app.App, project int64) (access.Project, error) {
	u, err := a.Accounts.ByEmail(tx, email)
	if err != nil {
		return access.Project{}, err
	}
	return tenancy.Enter(tx, u.Actor(), project, access.StorageRead)
}
