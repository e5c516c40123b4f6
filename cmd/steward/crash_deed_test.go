//go:build crash

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"steward/internal/storage"
	"steward/web/webtest"
)

// deed is one thing that somebody asks for, and how far it has come. What is set of its
// progress was acknowledged.
type deed struct {
	kind    string
	job     string // the operation of its job; empty when the answer says that it is done
	table   string
	path    string
	find    func(c *webtest.Client) (path string, err error) // for a path with a number that people see in a list
	form    url.Values
	columns []string // of the file that is uploaded first
	rows    []row
	system  func() error // asks for the job of the system; such a deed has no form
	cancels bool         // it is cancelled as soon as it was asked for
	after   func(ledger) ledger
	done    func() // looks when it is done; may be nil

	serial  uint64
	tries   int    // of the upload; each has a key of its own
	file    string // where the upload led
	asked   bool
	id      int64 // the job
	stopped bool  // it was cancelled
}

func (d *deed) String() string { return fmt.Sprintf("%d, %s of %s", d.serial, d.kind, d.table) }

func (d *deed) key(what string) string {
	return fmt.Sprintf("%s for %d, try %d", what, d.serial, d.tries)
}

// deeds are all that is done to the tables, and how one of them is made up. One that
// cannot be done now makes up another that leads to it.
func (w *crashWorld) deeds() map[string]func() *deed {
	return map[string]func() *deed{
		"load": func() *deed { return w.load([]string{"keyed", "steady"}[w.rng.IntN(2)]) }, "append": w.append, "upsert": w.upsert,
		"revert": w.revert, "snapshot": w.snapshot, "restore": w.restore, "copy": w.copy, "delete rows": w.deleteRows, "drop": w.drop,
		"export": w.export, "compaction": w.compaction, "sweep": w.sweep,
		"cancel": w.cancel, "columns": w.alter, "describe": w.describe, "undrop": w.undrop, "purge": w.purge,
	}
}

// targets are the deeds during which the program is killed; the others happen between them.
var targets = []string{"load", "append", "upsert", "revert", "snapshot", "restore", "copy", "delete rows", "drop", "export", "compaction", "sweep"}

// any makes up a deed of any kind that is asked for by a form.
func (w *crashWorld) any() *deed {
	kinds := slices.Sorted(maps.Keys(w.deeds()))
	for {
		if d := w.deeds()[kinds[w.rng.IntN(len(kinds))]](); d.system == nil {
			return d
		}
	}
}

// deed begins a deed at a page of a table.
func (w *crashWorld) deed(kind, job, table, page string, form url.Values) *deed {
	w.serial++
	d := &deed{kind: kind, job: job, table: table, path: w.project + "/storage/tables/" + crashBucket + "." + table + page, form: form, serial: w.serial}
	d.form.Set("_key", d.key(kind))
	return d
}

// one gives one of the tables that fit, nil if none does.
func (w *crashWorld) one(fits func(*crashTable) bool) *crashTable {
	var list []*crashTable
	for _, name := range slices.Sorted(maps.Keys(w.ledger.tables)) {
		if t := w.ledger.tables[name]; fits == nil || fits(t) {
			list = append(list, t)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[w.rng.IntN(len(list))]
}

// isCopy tells the tables that come and go from the two that loads go into.
func (t *crashTable) isCopy() bool { return strings.HasPrefix(t.name, "copy") }

// Loads

func (w *crashWorld) load(table string) *deed {
	w.serial++
	return w.upload("load", table, false, rowsOf(w.serial, 60+w.rng.IntN(60)))
}

func (w *crashWorld) append() *deed {
	w.serial++
	return w.upload("append", "steady", true, rowsOf(w.serial, 10+w.rng.IntN(40)))
}

// upsert loads into the table with a primary key: some rows are new, some change and some
// are there already as they are.
func (w *crashWorld) upsert() *deed {
	t := w.ledger.tables["keyed"]
	if t == nil {
		return w.load("keyed")
	}
	if len(t.now().key) == 0 {
		return w.setKey(t)
	}
	w.serial++
	there := map[int]row{}
	for _, r := range t.now().rows {
		there[r.n] = r
	}
	var rows []row
	for i, n := range w.rng.Perm(200)[:20+w.rng.IntN(40)] {
		r, ok := there[n]
		if !ok || i == 0 || w.rng.IntN(3) > 0 {
			r = row{seed: w.serial, n: n}
		}
		rows = append(rows, r)
	}
	return w.upload("upsert", "keyed", true, rows)
}

// upload loads rows, whose seed is the last serial unless the table has them already.
func (w *crashWorld) upload(kind, table string, add bool, rows []row) *deed {
	columns, job := crashHeader(), storage.TableCreate
	if t := w.ledger.tables[table]; t != nil {
		columns, job = t.now().columns, storage.TableImport
	}
	for i, r := range rows {
		if r.seed == w.serial {
			rows[i].extra = columns[crashColumns:]
		}
	}
	d := &deed{kind: kind, job: job, table: table, columns: columns, rows: rows, serial: w.serial}
	d.form = loadForm(table, add, d.key("start"))
	d.after = func(l ledger) ledger { return l.moved(table, l.loaded(table, add, columns, rows)) }
	return d
}

// cancel is a load that is cancelled at once: it ends before that, or does nothing.
func (w *crashWorld) cancel() *deed {
	d := w.load("steady")
	d.kind, d.cancels = "cancel", true
	return d
}

// What changes a table

// changed is the version that a job makes of a table's current one.
func changed(t *crashTable, job string, edit func(*state)) func(ledger) ledger {
	s := *t.now()
	s.operation, s.added, s.changed, s.removed, s.source, s.sum = job, 0, 0, 0, 0, ""
	edit(&s)
	return func(l ledger) ledger { return l.moved(t.name, &s) }
}

func (w *crashWorld) setKey(t *crashTable) *deed {
	d := w.deed("key", storage.TableKeyAdd, t.name, "/key", url.Values{"key": {crashHeader()[0]}})
	d.after = changed(t, d.job, func(s *state) { s.key = []string{crashHeader()[0]} })
	return d
}

// alter adds a column, or drops one that was added.
func (w *crashWorld) alter() *deed {
	t := w.one(nil)
	extra := t.now().extra()
	if len(extra) > 1 || len(extra) == 1 && w.rng.IntN(2) == 0 {
		name := extra[w.rng.IntN(len(extra))]
		d := w.deed("columns", storage.TableColumnDelete, t.name, "/columns/delete", url.Values{"column": {name}})
		d.after = changed(t, d.job, func(s *state) {
			s.columns = slices.DeleteFunc(slices.Clone(s.columns), func(c string) bool { return c == name })
		})
		return d
	}
	name := fmt.Sprintf("extra_%d", w.serial)
	d := w.deed("columns", storage.TableColumnAdd, t.name, "/columns", url.Values{"column": {name}})
	d.after = changed(t, d.job, func(s *state) { s.columns = append(slices.Clone(s.columns), name) })
	return d
}

func (w *crashWorld) deleteRows() *deed {
	t := w.one(func(t *crashTable) bool { return len(t.now().rows) > 0 })
	if t == nil {
		return w.append()
	}
	part := t.now().rows[w.rng.IntN(len(t.now().rows))].part()
	d := w.deed("delete rows", storage.TableRowsDelete, t.name, "/rows/delete",
		url.Values{"column": {crashHeader()[1]}, "op": {"eq"}, "value": {part}, "as": {"text"}, "from": {strconv.Itoa(len(t.versions))}})
	d.after = changed(t, d.job, func(s *state) {
		before := len(s.rows)
		s.rows = slices.DeleteFunc(slices.Clone(s.rows), func(r row) bool { return r.part() == part })
		s.removed = before - len(s.rows)
	})
	return d
}

// back is the version that a revert of a table to a former one makes.
func back(t *crashTable, to int) func(ledger) ledger {
	return changed(t, storage.TableRevert, func(s *state) {
		old := t.versions[to-1]
		s.added, s.removed, s.source = len(old.rows), len(s.rows), to
		s.rows, s.columns, s.key = old.rows, old.columns, old.key
	})
}

func (w *crashWorld) revert() *deed {
	others := func(t *crashTable) (list []int) {
		for i, s := range t.versions {
			if !s.like(t.now()) {
				list = append(list, i+1)
			}
		}
		return list
	}
	t := w.one(func(t *crashTable) bool { return len(others(t)) > 0 })
	if t == nil {
		return w.append()
	}
	to := others(t)[w.rng.IntN(len(others(t)))]
	d := w.deed("revert", storage.TableRevert, t.name, fmt.Sprintf("/versions/%d/revert", to), url.Values{"from": {strconv.Itoa(len(t.versions))}})
	d.after = back(t, to)
	return d
}

// describe is done by its answer: there is no job.
func (w *crashWorld) describe() *deed {
	t := w.one(nil)
	text := fmt.Sprintf("as of %d", w.serial)
	d := w.deed("describe", "", t.name, "/description", url.Values{"description": {text}})
	d.after = func(l ledger) ledger {
		x := *l.tables[t.name]
		x.description = text
		return l.with(&x)
	}
	return d
}

// Snapshots and copies

// snapshot keeps a table, and now and then forgets an older one.
func (w *crashWorld) snapshot() *deed {
	t := w.one(nil)
	if len(t.snapshots) > 2 {
		return w.forget(t, w.rng.IntN(len(t.snapshots)))
	}
	text := fmt.Sprintf("kept by %d", w.serial+1)
	d := w.deed("snapshot", storage.SnapshotCreate, t.name, "/snapshots", url.Values{"description": {text}})
	d.after = func(l ledger) ledger {
		x := *l.tables[t.name]
		x.snapshots = append(slices.Clone(x.snapshots), crashSnapshot{text, len(x.versions)})
		return l.with(&x)
	}
	return d
}

func (w *crashWorld) forget(t *crashTable, i int) *deed {
	d := w.deed("forget", storage.SnapshotDelete, t.name, "", url.Values{})
	d.find = w.snapshotPage(t, t.snapshots[i].description, "/delete")
	d.after = func(l ledger) ledger {
		x := *l.tables[t.name]
		x.snapshots = slices.Delete(slices.Clone(x.snapshots), i, i+1)
		return l.with(&x)
	}
	return d
}

// snapshotPage finds the page of a snapshot by its description.
func (w *crashWorld) snapshotPage(t *crashTable, description, page string) func(*webtest.Client) (string, error) {
	at := w.project + "/storage/tables/" + crashBucket + "." + t.name + "/snapshots"
	return func(c *webtest.Client) (string, error) {
		var list []struct {
			ID          int64
			Description string
		}
		if err := w.list(c, at, &list); err != nil {
			return "", err
		}
		for _, x := range list {
			if x.Description == description {
				return fmt.Sprintf("%s/%d%s", at, x.ID, page), nil
			}
		}
		return "", w.wrong("%s has no snapshot %q", t.name, description)
	}
}

func (w *crashWorld) restore() *deed {
	others := func(t *crashTable) (list []crashSnapshot) {
		for _, x := range t.snapshots {
			if !t.versions[x.version-1].like(t.now()) {
				list = append(list, x)
			}
		}
		return list
	}
	t := w.one(func(t *crashTable) bool { return len(others(t)) > 0 })
	if t == nil {
		return w.snapshot()
	}
	x := others(t)[w.rng.IntN(len(others(t)))]
	d := w.deed("restore", storage.TableRevert, t.name, "", url.Values{"from": {strconv.Itoa(len(t.versions))}})
	d.find = w.snapshotPage(t, x.description, "/restore")
	d.after = back(t, x.version)
	return d
}

// copy makes a table of a version of another one; there are few at a time.
func (w *crashWorld) copy() *deed {
	copies := 0
	for _, t := range w.ledger.tables {
		if t.isCopy() {
			copies++
		}
	}
	if copies > 1 {
		return w.drop()
	}
	t := w.one(nil)
	of := 1 + w.rng.IntN(len(t.versions))
	d := w.deed("copy", storage.TableCopy, t.name, fmt.Sprintf("/versions/%d/copy", of), url.Values{})
	d.table = fmt.Sprintf("copy_%d", d.serial)
	d.form.Set("bucket", crashBucket)
	d.form.Set("table", d.table)
	s := t.versions[of-1]
	d.after = func(l ledger) ledger {
		first := &state{operation: d.job, columns: s.columns, key: s.key, rows: s.rows, added: len(s.rows), sum: s.sum}
		return l.with(&crashTable{name: d.table, description: t.description, versions: []*state{first}})
	}
	return d
}

// The trash

// drop drops a copy, or a table whose past has become long.
func (w *crashWorld) drop() *deed {
	t := w.one(func(t *crashTable) bool { return t.isCopy() || len(t.versions) > 25 })
	if t == nil || len(w.ledger.tables) == 1 {
		return w.copy()
	}
	d := w.deed("drop", storage.TableDrop, t.name, "/delete", url.Values{})
	d.after = func(l ledger) ledger {
		l = l.without(t.name)
		l.trash = append(slices.Clone(l.trash), t)
		return l
	}
	return d
}

// undrop brings back what was dropped last.
func (w *crashWorld) undrop() *deed {
	i := len(w.ledger.trash) - 1
	if i < 0 || w.ledger.tables[w.ledger.trash[i].name] != nil {
		return w.drop()
	}
	t := w.ledger.trash[i]
	d := w.deed("undrop", "", t.name, "", url.Values{"name": {""}})
	d.find = w.trashPage(i, "/restore")
	d.after = func(l ledger) ledger {
		l = l.with(t)
		l.trash = l.trash[:i]
		return l
	}
	return d
}

// purge ends what was dropped first, when there is much in the trash.
func (w *crashWorld) purge() *deed {
	if len(w.ledger.trash) < 3 {
		return w.drop()
	}
	t := w.ledger.trash[0]
	d := w.deed("purge", "", t.name, "", url.Values{"confirm": {crashBucket + "." + t.name}})
	d.find = w.trashPage(0, "/purge")
	d.after = func(l ledger) ledger { l.trash = l.trash[1:]; return l }
	return d
}

// trashPage finds the page of something in the trash by its place, the oldest at 0. A
// name may be in it more than once.
func (w *crashWorld) trashPage(i int, page string) func(*webtest.Client) (string, error) {
	left := len(w.ledger.trash)
	return func(c *webtest.Client) (string, error) {
		var list []struct{ ID int64 }
		if err := w.list(c, w.project+"/trash", &list); err != nil {
			return "", err
		}
		if len(list) != left {
			return "", w.wrong("there are %d things in the trash, want %d", len(list), left)
		}
		return fmt.Sprintf("%s/trash/%d%s", w.project, list[left-1-i].ID, page), nil
	}
}

func (w *crashWorld) export() *deed {
	t := w.one(nil)
	d := w.deed("export", storage.TableExport, t.name, "/export", url.Values{"format": {"csv"}})
	d.after = func(l ledger) ledger {
		l.exports = append(slices.Clone(l.exports), digestOf(t.now().columns, t.now().rows, nil))
		return l
	}
	return d
}

// list reads a list as programs do. An error is that of ask.
func (w *crashWorld) list(c *webtest.Client, path string, into any) error {
	a, err := ask(c, c.Request(http.MethodGet, path+"?format=json", nil))
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(a.body), into); err != nil || a.status != http.StatusOK {
		return w.wrong("%s: %d %v\n%.500s", path, a.status, err, a.body)
	}
	return nil
}
