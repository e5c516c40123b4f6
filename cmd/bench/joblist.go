package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"steward/internal/access"
	"steward/internal/app"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/views/paths"
)

// fewJobs is how many jobs the smaller project has had.
const fewJobs = 10_000

// jobPage is how many jobs a page of the list shows, and one that tells whether there are
// more.
const jobPage = 51

// jobLook is a look at the list of jobs, by the service and, unless it is nil, by the page.
type jobLook struct {
	name   string
	filter jobs.Filter
	url    url.Values
}

// jobLooks are the ways to look at a list of jobs: each filter alone, because each has an
// index, and the middle of the list. Every one of them fills a page.
func jobLooks(middle jobs.Cursor) []jobLook {
	deep := strconv.FormatInt(middle.At.UnixMicro(), 36) + "-" + strconv.FormatInt(middle.ID, 36)
	return []jobLook{
		{"first page", jobs.Filter{}, url.Values{}},
		{"state", jobs.Filter{State: jobs.Failed}, url.Values{"status": {"error"}}},
		{"cancelled", jobs.Filter{State: jobs.Failed, Cancelled: true}, url.Values{"status": {"cancelled"}}},
		{"operation", jobs.Filter{Operation: storage.TableExport}, url.Values{"operation": {storage.TableExport}}},
		{"table", jobs.Filter{Table: bucket + ".table_7"}, url.Values{"table": {bucket + ".table_7"}}},
		{"creator", jobs.Filter{UserID: 7}, nil},
		{"deep page", jobs.Filter{Before: middle}, url.Values{"before": {deep}}},
		{"deep page of an operation", jobs.Filter{Operation: storage.TableExport, Before: middle}, url.Values{"operation": {storage.TableExport}, "before": {deep}}},
	}
}

// jobs measures whether the list of jobs takes as long for very many jobs as for few, and
// how soon a server with very many jobs answers.
func (b *bench) jobs(ctx context.Context) (rows []Row, err error) {
	started := map[int]Samples{}
	var worlds []*jobWorld
	defer func() {
		for _, w := range worlds {
			err = errors.Join(err, w.close())
		}
	}()
	for _, n := range []int{fewJobs, b.manyJobs} {
		w, err := b.makeJobs(ctx, n)
		if err != nil {
			return nil, err
		}
		worlds = append(worlds, w)
		for range b.rounds {
			if w.s, err = b.serve(ctx, w.data); err != nil {
				return nil, err
			}
			started[n] = append(started[n], w.s.started)
			if err := w.s.stop(); err != nil {
				return nil, err
			}
		}
		if err := w.open(ctx, b); err != nil {
			return nil, err
		}
	}
	for i, look := range worlds[0].looks {
		var service, page [2]Samples
		for range 20 * b.rounds {
			for k, w := range worlds {
				took, err := w.list(ctx, w.looks[i])
				if err != nil {
					return nil, fmt.Errorf("%s: %w", look.name, err)
				}
				service[k] = append(service[k], milliseconds(took))
				if look.url == nil {
					continue
				}
				if took, err = w.br.time(ctx, paths.StorageJobs(w.project)+"?"+w.looks[i].url.Encode()); err != nil {
					return nil, fmt.Errorf("%s: %w", look.name, err)
				}
				page[k] = append(page[k], milliseconds(took))
			}
		}
		what := fmt.Sprintf("list of %d jobs, %s, beside %d: ", b.manyJobs, look.name, fewJobs)
		rows = append(rows, Row{What: what + "service", Unit: "ms", Steward: service[1], Baseline: service[0], Compare: Share, Want: 1.2})
		if look.url != nil {
			rows = append(rows, Row{What: what + "page", Unit: "ms", Steward: page[1], Baseline: page[0], Compare: Share, Want: 1.2})
		}
	}
	return append(rows, Row{What: fmt.Sprintf("cold start with %d jobs to the first answer, beside %d", b.manyJobs, fewJobs), Unit: "s",
		Steward: started[b.manyJobs], Baseline: started[fewJobs], Compare: Figure, Want: 1}), nil
}

// jobWorld is a data folder with a project that has had many jobs, opened in this process
// and served by another.
type jobWorld struct {
	world
	looks []jobLook
	app   *app.App
	s     *server
	br    *browser
}

func (w *jobWorld) open(ctx context.Context, b *bench) (err error) {
	if w.app, err = b.open(ctx, w.data); err != nil {
		return err
	}
	if w.s, err = b.serve(ctx, w.data); err != nil {
		return err
	}
	w.br, err = b.signIn(ctx, w.s)
	return err
}

func (w *jobWorld) close() (err error) {
	if w.app != nil {
		err = w.app.Close()
	}
	if w.br != nil {
		err = errors.Join(err, w.s.stop())
	}
	return errors.Join(err, os.RemoveAll(w.data))
}

// list is how long the service takes for a page of the list.
func (w *jobWorld) list(ctx context.Context, l jobLook) (time.Duration, error) {
	l.filter.Limit = jobPage
	start := time.Now()
	var found jobs.Found
	err := w.app.DB.View(ctx, func(tx *db.Tx) error {
		scope, err := enter(tx, w.app, w.project)
		if err != nil {
			return err
		}
		found, err = w.app.Jobs.Search(tx, scope, l.filter)
		return err
	})
	took := time.Since(start)
	if err == nil && len(found.Jobs) < jobPage {
		err = fmt.Errorf("there are %d jobs only", len(found.Jobs))
	}
	return took, err
}

// makeJobs makes a folder whose project has had many jobs, by SQL: through the queue it
// would take hours. SQLite's shell writes them, with the constraints of the table and
// without its indexes, which it then makes anew.
func (b *bench) makeJobs(ctx context.Context, n int) (*jobWorld, error) {
	b.say("making a data folder with %d jobs", n)
	h := hadJobs{n: n, end: time.Now()}
	w, err := b.makeFolder(ctx, fmt.Sprintf("jobs-%d", n), 1, func(a *app.App, s access.Project) error {
		h.project, h.branch, h.file = s.ID(), s.Branch(), a.Config.SQLite()
		return a.DB.View(ctx, func(tx *db.Tx) (err error) { h.indexes, err = jobIndexes(tx); return err })
	})
	if err != nil {
		return nil, err
	}
	if _, err := timed(ctx, strings.NewReader(h.script()), "sqlite3", "-batch", "-bail", h.file); err != nil {
		return nil, err
	}
	return &jobWorld{world: w, looks: jobLooks(h.middle())}, nil
}

// hadJobs are the jobs of a project in the year before a moment.
type hadJobs struct {
	n               int
	end             time.Time
	file            string
	project, branch int64
	indexes         []index
}

type index struct{ name, sql string }

// jobIndexes are the indexes of the table of jobs that can be made anew, in the order in
// which they were: of two that serve a query equally SQLite takes the younger.
func jobIndexes(tx *db.Tx) ([]index, error) {
	return db.All(tx, func(r db.Row) (index, error) {
		var i index
		return i, r.Scan(&i.name, &i.sql)
	}, "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'jobs' AND sql IS NOT NULL ORDER BY rowid")
}

// step is the time from one job to the next.
func (h hadJobs) step() time.Duration { return 365 * 24 * time.Hour / time.Duration(h.n) }

func (h hadJobs) middle() jobs.Cursor {
	return jobs.Cursor{At: h.end.Add(-time.Duration(h.n-h.n/2) * h.step()), ID: int64(h.n / 2)}
}

// script is what SQLite's shell does. Nothing is lost if it breaks off but the folder,
// which is made for this run.
func (h hadJobs) script() string {
	var s strings.Builder
	s.WriteString("PRAGMA journal_mode=OFF;\nPRAGMA synchronous=OFF;\nPRAGMA cache_size=-1000000;\nPRAGMA threads=4;\n")
	for _, i := range h.indexes {
		fmt.Fprintf(&s, "DROP INDEX %s;\n", i.name)
	}
	for _, statement := range h.statements() {
		s.WriteString(statement + ";\n")
	}
	for _, i := range h.indexes {
		s.WriteString(i.sql + ";\n")
	}
	return s.String()
}

// statements write the jobs. Two of a hundred were cancelled and four failed; they are of
// 50 tables, 20 people and four operations.
func (h hadJobs) statements() []string {
	return []string{
		fmt.Sprintf(`INSERT INTO sequences (kind, next) VALUES ('jobs', %d) ON CONFLICT (kind) DO UPDATE SET next = excluded.next`, h.n+1),
		fmt.Sprintf(`WITH RECURSIVE made (i, at) AS (SELECT 1, %d UNION ALL SELECT i + 1, at + %d FROM made WHERE i < %d),
drawn AS (SELECT i, at, i * 15485863 %% 100 AS fate, i * 7919 %% 50 AS tab, 1 + i * 104729 %% 20 AS person, i * 1299709 %% 10 AS kind FROM made)
INSERT INTO jobs (id, class, operation, state, project_id, branch_id, priority, serial_key, held, params, results, error_code, error_message, table_name,
	run_id, user_id, actor_name, created_at, available_at, started_at, finished_at, attempt, max_attempts, owner, fence, cancel_requested,
	rows_done, bytes_done, bytes_total, in_bytes, out_bytes)
SELECT i, 'storage', CASE WHEN kind < 5 THEN 'tableImport' WHEN kind < 8 THEN 'tableExport' WHEN kind < 9 THEN 'tableCreate' ELSE 'tableRowsDelete' END,
	CASE WHEN fate < 6 THEN 'error' ELSE 'success' END, %d, %d, 10, 'table:%d:%s.table_' || tab, FALSE,
	'{"dataFileId":' || i || ',"fileName":"prices.csv","bucket":"%s","name":"table_' || tab || '","incremental":false,"encoding":"utf-8","delimiter":",","badRows":"stop"}',
	'{"rowsInFile":3,"rowsAdded":3,"rowsChanged":0,"rowsUnchanged":0,"rowsRemoved":0,"version":' || i || '}',
	CASE WHEN fate < 2 THEN 'storage.jobs.cancelled' WHEN fate < 6 THEN 'storage.import.ragged' ELSE '' END,
	CASE WHEN fate < 2 THEN 'Cancelled. The table was not changed.' WHEN fate < 6 THEN 'Line 3 has 2 cells, the header 3.' ELSE '' END, '%s.table_' || tab,
	i, person, 'Person ' || person, at, at, at + 2000, at + 14000, 0, 10, 'one', 1, fate < 2, 3, 67, 67, 67, 0
FROM drawn`, h.end.Add(-time.Duration(h.n-1)*h.step()).UnixMicro(), h.step().Microseconds(), h.n, h.project, h.branch, h.branch, bucket, bucket, bucket),
	}
}
