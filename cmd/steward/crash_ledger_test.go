//go:build crash

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ledger is what an installation must hold: what all that was acknowledged leads to. What
// is in it never changes; a deed leads to another ledger.
type ledger struct {
	tables  map[string]*crashTable
	trash   []*crashTable // in the order in which they were dropped
	exports []string      // the digests of exported files, the oldest first
}

// crashTable is a table with its past.
type crashTable struct {
	name        string
	description string
	versions    []*state // the first one is version 1
	snapshots   []crashSnapshot
}

// crashSnapshot is a version that is kept under a description of its own.
type crashSnapshot struct {
	description string
	version     int
}

// state is a version of a table.
type state struct {
	operation               string // that made it
	columns, key            []string
	rows                    []row
	added, changed, removed int
	source                  int // the version that came back
	sum                     string
}

// now is the table's current version.
func (t *crashTable) now() *state { return t.versions[len(t.versions)-1] }

// extra are the columns beyond those of crashHeader.
func (s *state) extra() []string { return s.columns[crashColumns:] }

// like reports whether bringing one of two states back would not change the other.
func (s *state) like(o *state) bool {
	same := len(s.rows) == len(o.rows) && (len(s.rows) == 0 || &s.rows[0] == &o.rows[0])
	return same && slices.Equal(s.columns, o.columns) && slices.Equal(s.key, o.key)
}

// content is the digest of the rows, each with the file that brought it.
func (s *state) content() string {
	if s.sum == "" {
		s.sum = digestOf(s.columns, s.rows, func(r row) string { return fileOf(r.seed) })
	}
	return s.sum
}

// fileOf is the name of the file that is generated from a seed.
func fileOf(seed uint64) string { return fmt.Sprintf("%d.csv", seed) }

// with is the ledger with another state of a table, which may be new.
func (l ledger) with(t *crashTable) ledger {
	l.tables = maps.Clone(l.tables)
	l.tables[t.name] = t
	return l
}

// without is the ledger in which a table is not among the living.
func (l ledger) without(name string) ledger {
	l.tables = maps.Clone(l.tables)
	delete(l.tables, name)
	return l
}

// moved is the ledger in which a table has one more version.
func (l ledger) moved(name string, s *state) ledger {
	t := &crashTable{name: name}
	if old := l.tables[name]; old != nil {
		*t = *old
	}
	t.versions = append(slices.Clone(t.versions), s)
	return l.with(t)
}

// loaded is the state after a load of rows.
func (l ledger) loaded(name string, add bool, columns []string, rows []row) *state {
	t := l.tables[name]
	switch {
	case t == nil:
		return &state{operation: "tableCreate", columns: columns, rows: rows, added: len(rows)}
	case !add:
		return &state{operation: "tableImport", columns: columns, key: t.now().key, rows: rows, added: len(rows), removed: len(t.now().rows)}
	case len(t.now().key) == 0:
		return &state{operation: "tableImport", columns: columns, rows: slices.Concat(t.now().rows, rows), added: len(rows)}
	}
	s := &state{operation: "tableImport", columns: columns, key: t.now().key}
	incoming, known := map[int]row{}, map[int]uint64{}
	for _, r := range rows {
		incoming[r.n] = r
	}
	for _, r := range t.now().rows {
		known[r.n] = r.seed
		if in, ok := incoming[r.n]; !ok || in.seed == r.seed { // a row that is as it was keeps its place
			s.rows = append(s.rows, r)
		}
	}
	for _, r := range rows {
		switch seed, ok := known[r.n]; {
		case !ok:
			s.added++
		case seed != r.seed:
			s.changed++
		default:
			continue
		}
		s.rows = append(s.rows, r)
	}
	return s
}

// picture is the ledger as lines. deep says of which versions the rows are told.
func (l ledger) picture(deep func(number, newest int) bool) string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(l.tables)) {
		t := l.tables[name]
		lines = append(lines, fmt.Sprintf("table %s: version %d, %d rows, described as %q, key %q, %d columns", name, len(t.versions), len(t.now().rows), t.description, t.now().key, len(t.now().columns)))
		for i, s := range t.versions {
			line := versionLine{name, i + 1, s.operation, s.added, s.changed, s.removed, len(s.rows), s.source, s.columns, s.key, ""}
			if deep(i+1, len(t.versions)) {
				line.content = s.content()
			}
			lines = append(lines, line.String())
		}
		for _, x := range t.snapshots {
			lines = append(lines, snapshotLine(name, x.description, x.version, t.versions[x.version-1].content()))
		}
	}
	for _, t := range l.trash {
		lines = append(lines, trashLine(t.name, len(t.now().rows)))
	}
	lines = append(lines, exportLines(l.exports, deep)...)
	return strings.Join(lines, "\n")
}

// versionLine tells of a version of a table.
type versionLine struct {
	table                         string
	number                        int
	operation                     string
	added, changed, removed, rows int
	source                        int
	columns, key                  []string
	content                       string // empty when it is not looked at
}

func (l versionLine) String() string {
	columns := l.columns
	if len(columns) >= crashColumns && slices.Equal(columns[:crashColumns], crashHeader()) {
		columns = append([]string{"the usual"}, columns[crashColumns:]...)
	}
	return fmt.Sprintf("%s version %d: %s, +%d ~%d -%d = %d rows, from %d, columns %q, key %q: %s",
		l.table, l.number, l.operation, l.added, l.changed, l.removed, l.rows, l.source, columns, l.key, l.content)
}

func snapshotLine(table, description string, version int, content string) string {
	return fmt.Sprintf("%s snapshot %q of version %d: %s", table, description, version, content)
}

func trashLine(table string, rows int) string {
	return fmt.Sprintf("trash: %s, %d rows", table, rows)
}

func exportLines(exports []string, deep func(number, newest int) bool) []string {
	lines := []string{fmt.Sprintf("%d exports", len(exports))}
	for i, x := range exports {
		if deep(i+1, len(exports)) {
			lines = append(lines, fmt.Sprintf("export %d: %s", i+1, x))
		}
	}
	return lines
}

// difference gives the lines that only one of two pictures has.
func difference(got, want string) string {
	var out []string
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for _, l := range g {
		if !slices.Contains(w, l) {
			out = append(out, "there is "+l)
		}
	}
	for _, l := range w {
		if !slices.Contains(g, l) {
			out = append(out, "missing  "+l)
		}
	}
	if len(out) == 0 {
		out = []string{"the same lines in another order"}
	}
	return strings.Join(out, "\n")
}
