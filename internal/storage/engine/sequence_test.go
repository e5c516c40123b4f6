package engine_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"steward/internal/storage/engine"
)

// remember keeps the rows as they are under a name.
func (o *oracle) remember(name string) {
	o.t.Helper()
	o.exec("CREATE TABLE " + quoted(name) + " AS SELECT * FROM o")
}

// recall makes the rows as they were remembered the current ones.
func (o *oracle) recall(name string, columns []string) {
	o.t.Helper()
	o.exec("DROP TABLE o")
	o.exec("CREATE TABLE o AS SELECT * FROM " + quoted(name))
	o.columns = slices.Clone(columns)
}

// remove deletes rows and returns how many.
func (o *oracle) remove(conditions []engine.Condition) int64 {
	o.t.Helper()
	condition, args := where(conditions)
	result, err := o.db.Exec("DELETE FROM o WHERE "+condition, args...)
	if err != nil {
		o.t.Fatal(err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		o.t.Fatal(err)
	}
	return n
}

func (o *oracle) add(column string) {
	o.t.Helper()
	o.exec("ALTER TABLE o ADD COLUMN " + quoted(column) + " TEXT")
	o.exec("ALTER TABLE o ADD COLUMN " + numeric(column) + " REAL")
	o.columns = append(o.columns, column)
}

func (o *oracle) drop(column string) {
	o.t.Helper()
	o.exec("ALTER TABLE o DROP COLUMN " + quoted(column))
	o.exec("ALTER TABLE o DROP COLUMN " + numeric(column))
	o.columns = slices.DeleteFunc(o.columns, func(x string) bool { return x == column })
}

func (o *oracle) rename(from, to string) {
	o.t.Helper()
	o.exec("ALTER TABLE o RENAME COLUMN " + quoted(from) + " TO " + quoted(to))
	o.exec("ALTER TABLE o RENAME COLUMN " + numeric(from) + " TO " + numeric(to))
	o.columns[slices.Index(o.columns, from)] = to
}

// kept is a version of a table, and what it must show.
type kept struct {
	name         string // in the oracle
	snapshot     int64
	schema       int
	columns, ids []string // what they are called, and what they are, whatever they are called
	rows         []string // with origin
	cells        [][]string
}

// duplicate is a table that was copied, and what it must show.
type duplicate struct {
	location string
	rows     []string
}

// steps is how many changes a history has.
const steps = 16

// history is a table that goes through random changes beside the oracle.
type history struct {
	t *testing.T
	chance
	*bundle
	*oracle
	location string
	job      int64
	versions []kept
	pinned   map[string]int64
	copies   []duplicate
	columnNo int
	ids      map[string]string // of the columns by their names
	lastID   int
}

// track gives new columns an id, and forgets those that are gone.
func (h *history) track() {
	for name := range h.ids {
		if !slices.Contains(h.columns, name) {
			delete(h.ids, name)
		}
	}
	for _, name := range h.columns {
		if h.ids[name] == "" {
			h.lastID++
			h.ids[name] = fmt.Sprint("id ", h.lastID)
		}
	}
}

// fresh returns a column that the table does not have; names come back.
func (h *history) fresh() string {
	for {
		h.columnNo++
		if name := fmt.Sprintf("column %d", h.columnNo%9); !slices.Contains(h.columns, name) {
			return name
		}
	}
}

// load loads random rows; with a key, some of them are there already, as they are or
// but for a cell.
func (h *history) load(mode engine.Mode, key []string) *engine.Staged {
	header := slices.Clone(h.columns)
	for len(header) < 2 || h.IntN(3) == 0 {
		name := h.fresh()
		if !slices.Contains(header, name) {
			header = append(header, name)
		}
	}
	h.Shuffle(len(header), func(i, j int) { header[i], header[j] = header[j], header[i] })
	rows := make([][]*string, h.IntN(400))
	old := h.table(header)
	for i := range rows {
		if key != nil && len(old) > 0 && h.IntN(2) == 0 {
			rows[i] = slices.Clone(pick(h.chance, old...))
			if h.IntN(2) == 0 {
				n := h.IntN(len(header))
				rows[i][n] = h.cell(style(header[n][len(header[n])-1]))
			}
			continue
		}
		for _, name := range header {
			rows[i] = append(rows[i], h.cell(style(name[len(name)-1])))
		}
	}
	l := request(h.t, h.location, mode, h.encode(header, rows))
	l.Job, l.Time, l.Key = h.job, moment(h.job), key
	want := counts{inserted: int64(len(rows))}
	if key == nil {
		h.oracle.load(mode, header, rows, l.Time.UnixMicro(), h.job)
	} else {
		want = h.loadKeyed(mode, key, header, rows, l.Time.UnixMicro(), h.job)
	}
	h.track()
	s := h.must(h.t)(h.Load(h.t.Context(), l))
	equal(h.t, fmt.Sprintf("counts of mode %d by %v", mode, key), countsOf(s), want)
	return s
}

// key is some columns by which rows can be told apart in the versions given.
func (h *history) key(in ...kept) (key []string) {
	for _, name := range h.columns {
		shared := true
		for _, v := range in {
			i := slices.Index(v.columns, name)
			shared = shared && i >= 0 && v.ids[i] == h.ids[name]
		}
		if shared && h.IntN(2) == 0 {
			key = append(key, name)
		}
	}
	return key
}

// change makes one random change, and returns its name.
func (h *history) change() string {
	ctx := h.t.Context()
	var s *engine.Staged
	action := pick(h.chance, "full", "append", "append", "upsert", "upsert", "delete", "delete", "alter", "alter", "restore", "restore", "compact", "pin", "copy", "expire", "delete all")
	if h.job == steps/2 {
		action = "copy" // one at least
	}
	switch action {
	case "full":
		s = h.load(engine.Full, pick(h.chance, nil, h.key()))
	case "append":
		s = h.load(engine.Append, nil)
	case "upsert":
		s = h.load(engine.Append, h.key())
	case "delete", "delete all":
		d := engine.Delete{Folder: "tables/1", Base: h.location, Job: h.job}
		if action == "delete" {
			for range 1 + h.IntN(2) {
				d.Where = append(d.Where, h.condition(h.columns))
			}
		}
		s = h.must(h.t)(h.Delete(ctx, d))
		equal(h.t, fmt.Sprintf("removed by %v", d.Where), s.Removed, h.remove(d.Where))
		equal(h.t, "same if nothing was removed", s.Location == h.location, s.Removed == 0)
	case "alter":
		a := engine.Alter{Folder: "tables/1", Base: h.location, Job: h.job, Rename: map[string]string{}}
		if len(h.columns) > 1 {
			a.Drop = []string{pick(h.chance, h.columns...)}
			h.drop(a.Drop[0])
			h.track()
		}
		if h.IntN(2) == 0 {
			from, to := pick(h.chance, h.columns...), h.fresh()
			a.Rename[from] = to
			h.oracle.rename(from, to)
			h.ids[to] = h.ids[from]
			delete(h.ids, from)
		}
		if h.IntN(2) == 0 {
			a.Add = []string{h.fresh()}
			if len(a.Drop) > 0 && !slices.Contains(h.columns, a.Drop[0]) && h.IntN(2) == 0 {
				a.Add = a.Drop
			}
			h.add(a.Add[0])
		}
		h.track()
		s = h.must(h.t)(h.Alter(ctx, a))
	case "restore":
		to := pick(h.chance, h.versions...)
		s = h.must(h.t)(h.Restore(ctx, engine.Restore{Folder: "tables/1", Base: h.location, Snapshot: to.snapshot, Schema: to.schema, Job: h.job}))
		h.recall(to.name, to.columns)
		clear(h.ids)
		for i, name := range to.columns {
			h.ids[name] = to.ids[i]
		}
	case "compact":
		s = h.must(h.t)(h.Compact(ctx, engine.Compact{Folder: "tables/1", Base: h.location, Job: h.job}))
		equal(h.t, "deleted rows", s.Deleted, int64(0))
	case "pin":
		name := pick(h.chance, "a", "b", "c")
		if _, pinned := h.pinned[name]; pinned && h.IntN(2) == 0 {
			delete(h.pinned, name)
			s = h.must(h.t)(h.Unpin(ctx, engine.Pin{Folder: "tables/1", Base: h.location, Name: name}))
			break
		}
		of := pick(h.chance, h.versions...)
		s = h.must(h.t)(h.Pin(ctx, engine.Pin{Folder: "tables/1", Base: h.location, Name: name, Snapshot: of.snapshot}))
		if of.snapshot != 0 {
			h.pinned[name] = of.snapshot
		}
	case "copy":
		h.copy()
		return action
	case "expire":
		current := h.open(h.t, h.location).SnapshotID()
		h.versions = slices.DeleteFunc(h.versions, func(v kept) bool {
			pinned := false
			for _, id := range h.pinned {
				pinned = pinned || id == v.snapshot
			}
			return v.snapshot != 0 && v.snapshot != current && !pinned && h.IntN(2) == 0
		})
		s = h.must(h.t)(h.Expire(ctx, engine.Expire{Folder: "tables/1", Base: h.location, Keep: h.snapshots()}))
	}
	h.location = s.Location
	return action
}

func (h *history) snapshots() (ids []int64) {
	for _, v := range h.versions {
		ids = append(ids, v.snapshot)
	}
	return ids
}

// compare compares everything that can be seen with what must be seen.
func (h *history) compare(what string) {
	t := h.t
	v := h.open(t, h.location)
	want := h.oracle.rows(engine.Query{})
	equal(t, what+": columns", names(v.Columns()), h.columns)
	equal(t, what+": count", v.Rows(), int64(len(want)))
	same(t, what, h.bundle.rows(t, h.location), want)
	equal(t, what+": damage", h.verify(t, h.location), []string(nil)) // the outline agrees with the manifests
	ask(t, h.chance, v, h.oracle)
	for i, past := range h.versions {
		if i%4 != int(h.job)%4 && h.job < steps {
			continue // in turn, and all of them in the end
		}
		v, err := h.OpenVersion(t.Context(), h.location, past.snapshot, past.schema)
		if err != nil {
			t.Fatalf("%s: version %s: %v", what, past.name, err)
		}
		equal(t, what+": columns of version "+past.name, names(v.Columns()), past.columns)
		same(t, what+": version "+past.name, all(t, v, engine.Query{Origin: true}), past.rows)
	}
	before, after := pick(h.chance, h.versions...), pick(h.chance, h.versions...)
	askDifference(t, h.chance, h.bundle, h.location, before, after, h.key(before, after))
	for _, c := range h.copies {
		same(t, what+": copy at "+c.location, all(t, h.open(t, c.location), engine.Query{Origin: true}), c.rows)
	}
}

// keep makes the table as it is a version.
func (h *history) keep() {
	v := kept{
		name: fmt.Sprintf("v%d", h.job), snapshot: h.open(h.t, h.location).SnapshotID(), schema: h.foreign(h.t, h.location).Schema().ID,
		columns: slices.Clone(h.columns), rows: h.oracle.rows(engine.Query{}), cells: h.shown(),
	}
	for _, name := range v.columns {
		v.ids = append(v.ids, h.ids[name])
	}
	h.remember(v.name)
	h.versions = append(h.versions, v)
}

// copy makes another table of a version that is kept.
func (h *history) copy() {
	h.t.Helper()
	of := pick(h.chance, h.versions...)
	folder := fmt.Sprintf("tables/%d", 10+h.job)
	copied := h.must(h.t)(h.Copy(h.t.Context(), engine.Copy{Location: h.location, Snapshot: of.snapshot, Schema: of.schema, Folder: folder, Job: h.job}))
	h.copies = append(h.copies, duplicate{copied.Location, of.rows})
}

// TestSequences makes random changes of all kinds beside SQLite. After each of
// them all kept versions and all copies must show what they showed before, also
// once everything that nothing refers to was swept.
func TestSequences(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds(t, 10) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			h := &history{t: t, chance: chance{rand.New(rand.NewPCG(seed, 1))}, oracle: newOracle(t), pinned: map[string]int64{}, ids: map[string]string{}}
			h.bundle = setup(t, engine.Options{RowGroup: 1 + h.IntN(300), FileSize: int64(1000 + h.IntN(20_000))})
			h.location = h.must(t)(h.Create(t.Context(), engine.Create{Folder: "tables/1", Columns: []string{"column 0", "column 1"}})).Location
			h.add("column 0")
			h.add("column 1")
			h.track()
			h.keep()
			for h.job = 1; h.job <= steps; h.job++ {
				if h.IntN(3) == 0 {
					h.bundle = h.restarted(t)
				}
				what := fmt.Sprintf("job %d (%s)", h.job, h.change())
				h.compare(what)
				h.keep()
				if h.IntN(3) == 0 {
					h.sweep(t, "tables/1", h.location)
					h.compare("sweep after " + what)
				}
			}
			h.copy()
			h.sweep(t, "tables/1", h.location)
			equal(t, "left to sweep", h.sweep(t, "tables/1", h.location), engine.Swept{})

			// The copies do not need the table.
			if err := os.RemoveAll(filepath.Join(h.dir, "tables/1")); err != nil {
				t.Fatal(err)
			}
			for _, c := range h.copies {
				same(t, "copy at "+c.location, h.bundle.rows(t, c.location), c.rows)
				folder, _, _ := strings.Cut(strings.TrimPrefix(c.location, "steward:///"), "/metadata/")
				equal(t, "swept", h.sweep(t, folder, c.location), engine.Swept{})
			}
		})
	}
}
