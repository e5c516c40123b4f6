package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go/table"

	"steward/internal/storage/blob"
	"steward/internal/storage/engine"
)

// rows returns all rows of the table at a location, rendered, and sees to it
// that the library's own reader finds the same.
func (b *bundle) rows(t *testing.T, location string) []string {
	t.Helper()
	rows := all(t, b.open(t, location), engine.Query{Origin: true})
	foreign := b.foreignRows(t, location)
	slices.Sort(foreign)
	same(t, "library", foreign, slices.Sorted(slices.Values(rows)))
	return rows
}

// values returns the cells of all rows of the table at a location.
func (b *bundle) values(t *testing.T, location string) []string {
	t.Helper()
	b.rows(t, location)
	return all(t, b.open(t, location), engine.Query{})
}

// version returns the cells of all rows of a version of the table at a location.
func (b *bundle) version(t *testing.T, location string, snapshot int64, schema int) []string {
	t.Helper()
	v, err := b.OpenVersion(t.Context(), location, snapshot, schema)
	if err != nil {
		t.Fatal(err)
	}
	return all(t, v, engine.Query{})
}

// must returns what an operation staged, and compares what it says of the table
// with the table.
func (b *bundle) must(t *testing.T) func(*engine.Staged, error) *engine.Staged {
	return func(s *engine.Staged, err error) *engine.Staged {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		v := b.open(t, s.Location)
		equal(t, "staged", []int64{s.Rows, s.Bytes, s.SnapshotID}, []int64{v.Rows(), v.Bytes(), v.SnapshotID()})
		equal(t, "columns", s.Columns, v.Columns())
		return s
	}
}

// csvNumbers is a CSV of one column with the numbers from one to before another.
func csvNumbers(from, to int) string {
	var s strings.Builder
	s.WriteString("n\n")
	for i := from; i < to; i++ {
		fmt.Fprintf(&s, "%04d\n", i)
	}
	return s.String()
}

// shown is how the rows of csvNumbers are rendered.
func shown(from, to int) []string {
	rows := []string{}
	for i := from; i < to; i++ {
		rows = append(rows, fmt.Sprintf("%q", fmt.Sprintf("%04d", i)))
	}
	return rows
}

func TestCreate(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	s := b.must(t)(b.Create(t.Context(), engine.Create{Folder: "tables/1", Columns: []string{"b", "a"}, Job: 1}))
	equal(t, "created", []any{s.Base, s.Rows, s.SnapshotID, s.SchemaID, names(s.Columns), s.ColumnsAdded},
		[]any{"", int64(0), int64(0), 0, []string{"b", "a"}, []string{"b", "a"}})
	equal(t, "rows", b.values(t, s.Location), []string{})
	filled := b.must(t)(b.Load(t.Context(), request(t, s.Location, engine.Append, "a,b\n1,2\n")))
	equal(t, "rows", b.values(t, filled.Location), []string{`"2"|"1"`})

	before := b.files(t)
	for _, c := range []struct {
		columns []string
		want    error
	}{
		{nil, engine.ErrLastColumn}, {[]string{"a", "b", "a"}, engine.ErrColumnExists},
		{[]string{"a", ""}, engine.ErrColumnName}, {[]string{"_job"}, engine.ErrColumnName},
	} {
		if _, err := b.Create(t.Context(), engine.Create{Folder: "tables/2", Columns: c.columns}); !errors.Is(err, c.want) {
			t.Errorf("%q: %v", c.columns, err)
		}
	}
	if _, err := b.Create(t.Context(), engine.Create{Folder: "../2", Columns: []string{"a"}}); !errors.Is(err, blob.ErrKey) {
		t.Errorf("bad folder: %v", err)
	}
	equal(t, "files", b.files(t), before)
}

func TestAlter(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	base := b.load(t, "", engine.Full, "a,b,c\n1,2,3\n")
	alter := func(base string, a engine.Alter) *engine.Staged {
		t.Helper()
		a.Folder, a.Base, a.Job = "tables/1", base, 2
		return b.must(t)(b.Alter(t.Context(), a))
	}
	dropped := alter(base.Location, engine.Alter{Drop: []string{"b"}})
	equal(t, "dropped", []any{names(dropped.Columns), dropped.ColumnsDropped, dropped.SnapshotID, b.values(t, dropped.Location)},
		[]any{[]string{"a", "c"}, []string{"b"}, base.SnapshotID, []string{`"1"|"3"`}})
	back := alter(dropped.Location, engine.Alter{Add: []string{"b", "d"}})
	equal(t, "back", []any{names(back.Columns), back.ColumnsAdded, b.values(t, back.Location)},
		[]any{[]string{"a", "c", "b", "d"}, []string{"b", "d"}, []string{`"1"|"3"|NULL|NULL`}})
	swapped := alter(back.Location, engine.Alter{Rename: map[string]string{"a": "c", "c": "a", "d": "e"}, Drop: []string{"b"}, Add: []string{"d", "b"}})
	equal(t, "swapped", []any{names(swapped.Columns), b.values(t, swapped.Location)},
		[]any{[]string{"c", "a", "e", "d", "b"}, []string{`"1"|"3"|NULL|NULL|NULL`}})
	more := b.load(t, swapped.Location, engine.Append, "a,b,c,d,e\nA,B,C,D,E\n")
	equal(t, "more", b.values(t, more.Location), []string{`"1"|"3"|NULL|NULL|NULL`, `"C"|"A"|"E"|"D"|"B"`})

	ids := map[int]string{}
	for _, s := range []*engine.Staged{base, dropped, back, swapped} {
		for _, c := range s.Columns {
			ids[c.ID] = c.Name
		}
	}
	equal(t, "ids ever given", len(ids), 7) // a b c, b d, d b
	for _, s := range []*engine.Staged{base, dropped, back, swapped, more} {
		v, err := b.OpenVersion(t.Context(), more.Location, s.SnapshotID, s.SchemaID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "version", []any{names(v.Columns()), all(t, v, engine.Query{})},
			[]any{names(s.Columns), all(t, b.open(t, s.Location), engine.Query{})})
	}
	// Columns that were loaded away do not come back either.
	l := request(t, more.Location, engine.Full, "c\nx\n")
	l.DropColumns = []string{"a", "b", "d", "e"}
	narrow := b.must(t)(b.Load(t.Context(), l))
	wide := alter(narrow.Location, engine.Alter{Add: []string{"a"}})
	equal(t, "wide", b.values(t, wide.Location), []string{`"x"|NULL`})
	equal(t, "id", wide.Columns[1].ID > more.Columns[4].ID, true)

	before := b.files(t)
	var unknown *engine.UnknownColumnError
	for _, a := range []engine.Alter{
		{Drop: []string{"b"}}, {Drop: []string{"_job"}}, {Rename: map[string]string{"b": "x"}},
		{Rename: map[string]string{"_timestamp": "x"}}, {Drop: []string{"a"}, Rename: map[string]string{"a": "x"}},
	} {
		a.Folder, a.Base = "tables/1", wide.Location
		if _, err := b.Alter(t.Context(), a); !errors.As(err, &unknown) || unknown.Column == "" {
			t.Errorf("%+v: %v", a, err)
		}
	}
	for _, c := range []struct {
		alter engine.Alter
		want  error
	}{
		{engine.Alter{Add: []string{"a"}}, engine.ErrColumnExists},
		{engine.Alter{Add: []string{"x", "x"}}, engine.ErrColumnExists},
		{engine.Alter{Rename: map[string]string{"a": "c"}}, engine.ErrColumnExists},
		{engine.Alter{Drop: []string{"a", "c"}}, engine.ErrLastColumn},
		{engine.Alter{Add: []string{""}}, engine.ErrColumnName},
		{engine.Alter{Rename: map[string]string{"a": "_job"}}, engine.ErrColumnName},
	} {
		c.alter.Folder, c.alter.Base = "tables/1", wide.Location
		if _, err := b.Alter(t.Context(), c.alter); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c.alter, err)
		}
	}
	for _, a := range []engine.Alter{{}, {Rename: map[string]string{"a": "a"}}} {
		equal(t, "nothing to alter", alter(wide.Location, a).Location, wide.Location)
	}
	equal(t, "files", b.files(t), before)
}

func TestDelete(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{RowGroup: 100, FileSize: 1}) // a file for each row group
	base := b.load(t, "", engine.Full, csvNumbers(0, 1000))
	base = b.load(t, base.Location, engine.Append, csvNumbers(1000, 1050))
	where := func(op engine.Op, value string) engine.Condition {
		return engine.Condition{Column: "n", Op: op, Value: value}
	}
	var progress []int64
	remove := func(base string, where ...engine.Condition) *engine.Staged {
		t.Helper()
		progress = nil
		return b.must(t)(b.Delete(t.Context(), engine.Delete{Folder: "tables/1", Base: base, Where: where, Job: 2,
			Progress: func(rows int64) { progress = append(progress, rows) }}))
	}
	// Some rows of a file, all of others.
	first := remove(base.Location, where(engine.GreaterOrEqual, "0150"), where(engine.Less, "0320"))
	equal(t, "first", []int64{first.Removed, first.Rows, first.Files, first.Deleted}, []int64{170, 880, base.Files - 1, 70})
	equal(t, "progress", progress[len(progress)-1], int64(1050))
	same(t, "first", b.values(t, first.Location), slices.Concat(shown(0, 150), shown(320, 1050)))
	// More rows of a file that lost some.
	second := remove(first.Location, where(engine.Contains, "7"))
	var want []string
	for _, n := range slices.Concat(shown(0, 150), shown(320, 1050)) {
		if !strings.Contains(n, "7") {
			want = append(want, n)
		}
	}
	same(t, "second", b.values(t, second.Location), want)
	equal(t, "second", []int64{second.Removed, second.Rows}, []int64{int64(880 - len(want)), int64(len(want))})
	// The last rows of a file that lost the others.
	third := remove(second.Location, where(engine.GreaterOrEqual, "0100"), where(engine.Less, "0200"))
	equal(t, "third", third.Files, second.Files-1)

	nothing := remove(third.Location, where(engine.Equal, "0150"))
	equal(t, "nothing", []any{nothing.Location, nothing.Removed, nothing.Rows}, []any{third.Location, int64(0), third.Rows})
	emptied := remove(third.Location)
	equal(t, "emptied", []int64{emptied.Removed, emptied.Rows, emptied.Files, emptied.Bytes}, []int64{third.Rows, 0, 0, 0})
	equal(t, "emptied", b.values(t, emptied.Location), []string{})
	equal(t, "again", remove(emptied.Location).Location, emptied.Location)
	filled := b.load(t, emptied.Location, engine.Append, csvNumbers(7, 9))
	same(t, "filled", b.values(t, filled.Location), shown(7, 9))
	for _, s := range []*engine.Staged{base, first, second, third} {
		same(t, "version", b.version(t, filled.Location, s.SnapshotID, s.SchemaID), all(t, b.open(t, s.Location), engine.Query{}))
	}

	before := b.files(t)
	var unknown *engine.UnknownColumnError
	for _, c := range []struct {
		where engine.Condition
		check func(error) bool
	}{
		{where("like", ""), func(err error) bool { return errors.Is(err, engine.ErrQuery) }},
		{engine.Condition{Column: "n", Op: engine.Less, Value: "x", Number: true}, func(err error) bool { return errors.Is(err, engine.ErrNotNumber) }},
		{engine.Condition{Column: "m", Op: engine.IsNull}, func(err error) bool { return errors.As(err, &unknown) }},
	} {
		if _, err := b.Delete(t.Context(), engine.Delete{Folder: "tables/1", Base: base.Location, Where: []engine.Condition{c.where}}); !c.check(err) {
			t.Errorf("%v: %v", c.where, err)
		}
	}
	equal(t, "files", b.files(t), before)
}

func TestRestore(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	restore := func(base string, to *engine.Staged) *engine.Staged {
		t.Helper()
		s := b.must(t)(b.Restore(t.Context(), engine.Restore{Folder: "tables/1", Base: base, Snapshot: to.SnapshotID, Schema: to.SchemaID, Job: 9}))
		equal(t, "restored", []any{s.SnapshotID, s.SchemaID, s.Columns, s.Rows, s.Bytes}, []any{to.SnapshotID, to.SchemaID, to.Columns, to.Rows, to.Bytes})
		same(t, "restored", b.rows(t, s.Location), all(t, b.open(t, to.Location), engine.Query{Origin: true}))
		return s
	}
	empty := b.must(t)(b.Create(t.Context(), engine.Create{Folder: "tables/1", Columns: []string{"n"}}))
	first := b.load(t, empty.Location, engine.Append, csvNumbers(0, 10))
	dropped := b.must(t)(b.Alter(t.Context(), engine.Alter{Folder: "tables/1", Base: first.Location, Add: []string{"m"}, Drop: []string{"n"}}))
	again := b.must(t)(b.Alter(t.Context(), engine.Alter{Folder: "tables/1", Base: dropped.Location, Add: []string{"n"}}))
	second := b.load(t, again.Location, engine.Append, "m,n\n1,2\n")

	// Back, to no rows, forward, and to where it was.
	location := restore(second.Location, first).Location
	location = restore(location, empty).Location
	location = restore(location, second).Location
	location = restore(location, dropped).Location
	location = restore(location, empty).Location
	equal(t, "same again", restore(location, empty).Location, location)

	// Changes after a restore make another line of versions.
	other := b.load(t, location, engine.Append, csvNumbers(50, 60))
	same(t, "other", b.values(t, other.Location), shown(50, 60))
	location = restore(other.Location, first).Location
	third := b.load(t, location, engine.Append, csvNumbers(10, 20))
	same(t, "third", b.values(t, third.Location), shown(0, 20))
	location = restore(third.Location, other).Location
	location = restore(location, second).Location
	cut := b.must(t)(b.Delete(t.Context(), engine.Delete{Folder: "tables/1", Base: location, Where: []engine.Condition{{Column: "n", Op: engine.IsNull}}}))
	equal(t, "cut", b.values(t, cut.Location), []string{`"1"|"2"`})
	for _, s := range []*engine.Staged{first, dropped, again, second, other, third, cut} {
		location = restore(cut.Location, s).Location
	}
	// The ids of columns of another line are not given again.
	wider := b.must(t)(b.Alter(t.Context(), engine.Alter{Folder: "tables/1", Base: restore(location, first).Location, Add: []string{"x"}}))
	equal(t, "fresh id", wider.Columns[1].ID > again.Columns[1].ID, true)

	before := b.files(t)
	for _, r := range []engine.Restore{{Snapshot: 5}, {Snapshot: first.SnapshotID, Schema: 99}} {
		r.Folder, r.Base = "tables/1", location
		if _, err := b.Restore(t.Context(), r); !errors.Is(err, engine.ErrNoSnapshot) {
			t.Errorf("%v: %v", r, err)
		}
	}
	equal(t, "files", b.files(t), before)
}

func TestCopy(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{RowGroup: 100, FileSize: 1})
	copyOf := func(location string, of *engine.Staged, folder string) *engine.Staged {
		t.Helper()
		s := b.must(t)(b.Copy(t.Context(), engine.Copy{Location: location, Snapshot: of.SnapshotID, Schema: of.SchemaID, Folder: folder, Job: 9}))
		equal(t, "copied", []any{s.Base, s.Columns, s.Rows, s.Added, s.Deleted}, []any{"", of.Columns, of.Rows, of.Rows, of.Deleted})
		same(t, "copied", b.rows(t, s.Location), all(t, b.open(t, of.Location), engine.Query{Origin: true}))
		return s
	}
	empty := b.must(t)(b.Create(t.Context(), engine.Create{Folder: "tables/1", Columns: []string{"n", "secret"}}))
	first := b.load(t, empty.Location, engine.Append, "n,secret\n"+strings.ReplaceAll(strings.TrimPrefix(csvNumbers(0, 250), "n\n"), "\n", ",x\n"))
	second := b.must(t)(b.Delete(t.Context(), engine.Delete{Folder: "tables/1", Base: first.Location, Where: []engine.Condition{{Column: "n", Op: engine.Contains, Value: "3"}}}))
	third := b.must(t)(b.Alter(t.Context(), engine.Alter{Folder: "tables/1", Base: second.Location, Drop: []string{"secret"}, Add: []string{"later"}}))
	fourth := b.load(t, third.Location, engine.Append, "n,later\n0250,y\n")
	last := b.must(t)(b.Alter(t.Context(), engine.Alter{Folder: "tables/1", Base: fourth.Location, Drop: []string{"later"}}))

	copies := map[*engine.Staged]*engine.Staged{}
	for i, s := range []*engine.Staged{empty, first, second, third, fourth, last} {
		copies[s] = copyOf(last.Location, s, fmt.Sprintf("tables/%d", 10+i))
	}
	// What was dropped does not come back, whatever the table is a copy of.
	for i, s := range []*engine.Staged{third, fourth, last} {
		of := copies[s]
		wide := b.must(t)(b.Alter(t.Context(), engine.Alter{Folder: fmt.Sprintf("tables/%d", 13+i), Base: of.Location, Add: []string{"secret", "more"}}))
		for _, id := range wide.Columns[len(wide.Columns)-2:] {
			equal(t, "fresh id", id.ID > last.Columns[0].ID+4, true)
		}
		for _, row := range b.values(t, wide.Location) {
			if strings.Contains(row, "x") || !strings.HasSuffix(row, "|NULL|NULL") {
				t.Fatalf("row %s", row)
			}
		}
	}
	// A copy of a copy, and changes of a copy.
	again := copyOf(copies[second].Location, copies[second], "tables/20")
	want := all(t, b.open(t, again.Location), engine.Query{})
	more := b.must(t)(b.Load(t.Context(), engine.Load{Folder: "tables/20", Base: again.Location, Mode: engine.Append, Source: source(t, strings.NewReader("n,secret\nz,\n")), Time: moment(1)}))
	same(t, "more", b.values(t, more.Location), append(want, `"z"|NULL`))
	less := b.must(t)(b.Delete(t.Context(), engine.Delete{Folder: "tables/20", Base: more.Location, Where: []engine.Condition{{Column: "n", Op: engine.Less, Value: "0200"}}}))
	equal(t, "less", less.Rows < more.Rows, true)
	b.rows(t, less.Location)

	// All of it without the source.
	if err := os.RemoveAll(filepath.Join(b.dir, "tables/1")); err != nil {
		t.Fatal(err)
	}
	for i, s := range []*engine.Staged{empty, first, second, third, fourth, last} {
		equal(t, fmt.Sprint("rows of copy ", i), int64(len(b.rows(t, copies[s].Location))), s.Rows)
	}
	before := b.files(t)
	for _, c := range []engine.Copy{{Snapshot: 5}, {Schema: 99}, {Snapshot: again.SnapshotID, Schema: again.SchemaID, Folder: "../x"}} {
		c.Location = again.Location
		if c.Folder == "" {
			c.Folder = "tables/30"
		}
		if _, err := b.Copy(t.Context(), c); !errors.Is(err, engine.ErrNoSnapshot) && !errors.Is(err, blob.ErrKey) {
			t.Errorf("%v: %v", c, err)
		}
	}
	// A file that is missing leaves nothing of the copy.
	data, err := filepath.Glob(filepath.Join(b.dir, "tables/20/data/*.parquet"))
	if err != nil || len(data) < 3 {
		t.Fatal(data, err)
	}
	if err := os.Remove(data[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Copy(t.Context(), engine.Copy{Location: more.Location, Snapshot: more.SnapshotID, Schema: more.SchemaID, Folder: "tables/30"}); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("missing file: %v", err)
	}
	equal(t, "files", len(b.files(t)), len(before)-1)
}

func TestPin(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	first := b.load(t, "", engine.Full, csvNumbers(0, 10))
	second := b.load(t, first.Location, engine.Full, csvNumbers(10, 30))
	pin := engine.Pin{Folder: "tables/1", Base: second.Location, Name: "snapshot-1", Snapshot: first.SnapshotID}
	pinned := b.must(t)(b.Pin(t.Context(), pin))
	equal(t, "pinned", []any{pinned.SnapshotID, pinned.Rows, pinned.Bytes}, []any{second.SnapshotID, second.Rows, second.Bytes})
	same(t, "pinned", b.values(t, pinned.Location), shown(10, 30))
	pin.Base = pinned.Location
	equal(t, "again", b.must(t)(b.Pin(t.Context(), pin)).Location, pinned.Location)
	pin.Snapshot = second.SnapshotID
	moved := b.must(t)(b.Pin(t.Context(), pin))
	equal(t, "moved", moved.Location == pinned.Location, false)
	pin.Base = moved.Location
	free := b.must(t)(b.Unpin(t.Context(), pin))
	same(t, "free", b.values(t, free.Location), shown(10, 30))
	pin.Base = free.Location
	equal(t, "free again", b.must(t)(b.Unpin(t.Context(), pin)).Location, free.Location)
	pin.Snapshot = 0
	equal(t, "no rows", b.must(t)(b.Pin(t.Context(), pin)).Location, free.Location)
	pin.Snapshot = 5
	if _, err := b.Pin(t.Context(), pin); !errors.Is(err, engine.ErrNoSnapshot) {
		t.Errorf("no snapshot: %v", err)
	}
	for _, name := range []string{"", "main"} {
		pin.Name = name
		for _, run := range []func(context.Context, engine.Pin) (*engine.Staged, error){b.Pin, b.Unpin} {
			if _, err := run(t.Context(), pin); err == nil {
				t.Errorf("pin %q", name)
			}
		}
	}
}

func TestCompact(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{RowGroup: 100})
	compact := func(base string) *engine.Staged {
		t.Helper()
		var progress int64
		s := b.must(t)(b.Compact(t.Context(), engine.Compact{Folder: "tables/1", Base: base, Job: 99, Progress: func(rows int64) { progress = rows }}))
		same(t, "compacted", b.rows(t, s.Location), all(t, b.open(t, base), engine.Query{Origin: true}))
		if s.Location != base {
			equal(t, "progress", 0 < progress && progress <= s.Rows, true)
			equal(t, "operation", b.foreign(t, s.Location).CurrentSnapshot().Summary.Operation, table.OpReplace)
		}
		equal(t, "compacted", []int64{s.Deleted, s.Added, s.Removed}, []int64{0, 0, 0})
		equal(t, "again", s.NeedsCompaction(), false)
		return s
	}
	// Many small loads, each by a job of its own, and columns that come and go.
	location := ""
	var s *engine.Staged
	for i := range 40 {
		text := csvNumbers(i*10, i*10+10)
		if i >= 20 {
			text = "m," + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n,") + "\n"
		}
		l := request(t, location, engine.Append, text)
		l.Job, l.Time = int64(i), moment(int64(i))
		s = b.must(t)(b.Load(t.Context(), l))
		location = s.Location
		equal(t, fmt.Sprint("after ", i+1), s.NeedsCompaction(), i+1 >= 30)
	}
	one := compact(location)
	equal(t, "files", []int64{one.Files, one.Rows}, []int64{1, 400})
	equal(t, "nothing to do", compact(one.Location).Location, one.Location)
	same(t, "version", b.version(t, one.Location, s.SnapshotID, s.SchemaID), all(t, b.open(t, location), engine.Query{}))

	cut := b.must(t)(b.Delete(t.Context(), engine.Delete{Folder: "tables/1", Base: one.Location, Where: []engine.Condition{{Column: "n", Op: engine.Contains, Value: "7"}}}))
	equal(t, "few deleted", cut.NeedsCompaction(), false)
	whole := compact(cut.Location)
	equal(t, "whole", []int64{whole.Files, whole.Rows}, []int64{1, cut.Rows})
	dropped := b.must(t)(b.Alter(t.Context(), engine.Alter{Folder: "tables/1", Base: whole.Location, Drop: []string{"n"}, Rename: map[string]string{"m": "n"}}))
	l := b.load(t, dropped.Location, engine.Append, "n\nlast\n")
	equal(t, "dropped", compact(l.Location).Rows, l.Rows)

	emptied := b.must(t)(b.Delete(t.Context(), engine.Delete{Folder: "tables/1", Base: l.Location}))
	equal(t, "empty", compact(emptied.Location).Location, emptied.Location)

	// Large files stay where they stand, between small ones.
	b = setup(t, engine.Options{RowGroup: 100, FileSize: 6000})
	location = ""
	for i, n := range []int{2, 3, 400, 5, 6, 7, 1000, 8} {
		location = b.load(t, location, engine.Append, csvNumbers(i*1000, i*1000+n)).Location
	}
	large := b.open(t, location)
	mixed := compact(location)
	equal(t, "fewer", mixed.Rows == large.Rows() && mixed.Files < 10, true)
	more := b.load(t, mixed.Location, engine.Append, csvNumbers(9000, 9010))
	rows := all(t, b.open(t, more.Location), engine.Query{})
	same(t, "appended after it", rows[len(rows)-10:], shown(9000, 9010))
	compact(more.Location)

	// A tenth of many rows.
	b = setup(t, engine.Options{})
	whole = b.load(t, "", engine.Full, csvNumbers(0, 60_000))
	few := b.must(t)(b.Delete(t.Context(), engine.Delete{Folder: "tables/1", Base: whole.Location, Where: []engine.Condition{{Column: "n", Op: engine.Less, Value: "5999", Number: true}}}))
	equal(t, "less than a tenth", few.NeedsCompaction(), false)
	tenth := b.must(t)(b.Delete(t.Context(), engine.Delete{Folder: "tables/1", Base: whole.Location, Where: []engine.Condition{{Column: "n", Op: engine.Less, Value: "6000", Number: true}}}))
	equal(t, "a tenth", tenth.NeedsCompaction(), true)
	compact(tenth.Location)
}

// sweep sweeps everything that nothing refers to, however young it is.
func (b *bundle) sweep(t *testing.T, folder, base string) engine.Swept {
	t.Helper()
	swept, err := b.Sweep(t.Context(), folder, base, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return swept
}

func TestExpireAndSweep(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{RowGroup: 100, FileSize: 1})
	first := b.load(t, "", engine.Full, csvNumbers(0, 250))
	second := b.must(t)(b.Delete(t.Context(), engine.Delete{Folder: "tables/1", Base: first.Location, Where: []engine.Condition{{Column: "n", Op: engine.Contains, Value: "7"}}}))
	third := b.load(t, second.Location, engine.Append, csvNumbers(300, 350))
	fourth := b.load(t, third.Location, engine.Full, csvNumbers(400, 450))
	pinned := b.must(t)(b.Pin(t.Context(), engine.Pin{Folder: "tables/1", Base: fourth.Location, Name: "keep", Snapshot: second.SnapshotID}))
	other := b.must(t)(b.Create(t.Context(), engine.Create{Folder: "tables/11", Columns: []string{"n"}}))
	whole := all(t, b.open(t, second.Location), engine.Query{Origin: true})

	// Nothing is an orphan yet.
	before := b.files(t)
	equal(t, "swept", b.sweep(t, "tables/1", pinned.Location), engine.Swept{})
	equal(t, "files", b.files(t), before)

	// What was current a moment ago may still be read.
	spared := b.must(t)(b.Expire(t.Context(), engine.Expire{Folder: "tables/1", Base: pinned.Location, Used: time.Now().Add(-time.Hour)}))
	for _, s := range []*engine.Staged{first, second, third, fourth} {
		equal(t, "spared", int64(len(b.version(t, spared.Location, s.SnapshotID, s.SchemaID))), s.Rows)
	}
	if err := b.Discard(t.Context(), spared); err != nil {
		t.Fatal(err)
	}
	expired := b.must(t)(b.Expire(t.Context(), engine.Expire{Folder: "tables/1", Base: pinned.Location, Keep: []int64{third.SnapshotID, 12345}, Used: time.Now().Add(time.Hour)}))
	equal(t, "expired", []int64{expired.Rows, expired.SnapshotID}, []int64{fourth.Rows, fourth.SnapshotID})
	if _, err := b.OpenVersion(t.Context(), expired.Location, first.SnapshotID, first.SchemaID); !errors.Is(err, engine.ErrNoSnapshot) {
		t.Errorf("expired snapshot: %v", err)
	}
	// A change that is staged when the sweep comes is young.
	staged := b.load(t, expired.Location, engine.Append, csvNumbers(500, 510))
	if swept, err := b.Sweep(t.Context(), "tables/1", expired.Location, time.Now().Add(-time.Hour)); swept != (engine.Swept{}) || err != nil {
		t.Errorf("young files: %v, %v", swept, err)
	}
	copied := b.must(t)(b.Copy(t.Context(), engine.Copy{Location: expired.Location, Snapshot: second.SnapshotID, Schema: second.SchemaID, Folder: "tables/2"}))
	if swept, err := b.Sweep(t.Context(), "tables/2", "", time.Now().Add(-time.Hour)); swept != (engine.Swept{}) || err != nil {
		t.Errorf("young copy: %v, %v", swept, err)
	}
	if err := b.Discard(t.Context(), staged); err != nil {
		t.Fatal(err)
	}

	swept := b.sweep(t, "tables/1", expired.Location)
	equal(t, "swept", swept.Files > 3 && swept.Bytes > 1000, true)
	equal(t, "swept again", b.sweep(t, "tables/1", expired.Location), engine.Swept{})
	if _, err := b.restarted(t).Open(t.Context(), second.Location); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("old metadata: %v", err)
	}
	for _, s := range []*engine.Staged{second, third, fourth} {
		equal(t, "version", int64(len(b.version(t, expired.Location, s.SnapshotID, s.SchemaID))), s.Rows)
	}
	same(t, "restored", b.rows(t, b.must(t)(b.Restore(t.Context(), engine.Restore{Folder: "tables/1", Base: expired.Location, Snapshot: second.SnapshotID, Schema: second.SchemaID})).Location), whole)
	equal(t, "neighbour", b.values(t, other.Location), []string{})

	// Only the current snapshot is left; then no table.
	free := b.must(t)(b.Unpin(t.Context(), engine.Pin{Folder: "tables/1", Base: expired.Location, Name: "keep"}))
	last := b.must(t)(b.Expire(t.Context(), engine.Expire{Folder: "tables/1", Base: free.Location}))
	equal(t, "nothing to forget", b.must(t)(b.Expire(t.Context(), engine.Expire{Folder: "tables/1", Base: last.Location})).Location, last.Location)
	b.sweep(t, "tables/1", last.Location)
	same(t, "last", b.values(t, last.Location), shown(400, 450))
	more := b.load(t, last.Location, engine.Append, csvNumbers(450, 460))
	same(t, "more", b.values(t, more.Location), shown(400, 460))

	if _, err := b.Sweep(t.Context(), "tables/1", "steward:///tables/1/metadata/00009-x.metadata.json", time.Now().Add(time.Hour)); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("no table: %v", err)
	}
	if _, err := b.Sweep(t.Context(), "tables/2", more.Location, time.Now().Add(time.Hour)); err == nil {
		t.Error("swept another table's folder")
	}
	if _, err := b.Sweep(t.Context(), "", "", time.Now().Add(time.Hour)); err == nil {
		t.Error("swept everything")
	}
	same(t, "more", b.values(t, more.Location), shown(400, 460))
	b.sweep(t, "tables/1", "")
	same(t, "copied", b.rows(t, copied.Location), whole)
	b.sweep(t, "tables/2", "")
	for _, name := range b.files(t) {
		if !strings.HasPrefix(name, "tables/11/") {
			t.Errorf("%s is left", name)
		}
	}
	equal(t, "neighbour", b.values(t, other.Location), []string{})
}

func TestRow(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{RowGroup: 10, FileSize: 200})
	long := strings.Repeat("long ", 10_000)
	location := b.load(t, "", engine.Full, csvNumbers(0, 300)).Location
	location = b.load(t, location, engine.Append, "n,m\n0300,"+long+"\n").Location
	location = b.must(t)(b.Delete(t.Context(), engine.Delete{Folder: "tables/1", Base: location, Where: []engine.Condition{{Column: "n", Op: engine.Contains, Value: "7"}}})).Location
	v := b.open(t, location)
	seen := map[string]bool{}
	for _, order := range [][]engine.Order{nil, {{Column: "n", Descending: true}}} {
		found, err := v.Find(t.Context(), engine.Query{Limit: 300, Origin: true, Order: order})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "rows", int64(len(found.Rows)), v.Rows())
		for _, want := range found.Rows {
			row, err := v.Row(t.Context(), want.Place)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "row", *row, want)
			seen[want.Place] = true
		}
	}
	equal(t, "places", int64(len(seen)), v.Rows())
	for _, place := range []string{"", "0", "0.0", "0.0.7", "0.0.10", "0.0.-1", "0.-1.0", "-1.0.0", "0.99.0", "99.0.0", "00.0.0", "+0.0.0", "0.0.0.0", "0.0.0 ", "x.y.z", "0.0.99999999999999999999"} {
		if row, err := v.Row(t.Context(), place); !errors.Is(err, engine.ErrNoRow) {
			t.Errorf("place %q: %v, %v", place, row, err)
		}
	}
	_ = v.Close()
	if _, err := v.Row(t.Context(), "0.0.0"); err == nil {
		t.Error("row of a closed view")
	}
}

// TestOperationsRefuse asks all operations for what cannot be.
func TestOperationsRefuse(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	base := b.load(t, "", engine.Full, csvNumbers(0, 10))
	base = b.load(t, base.Location, engine.Append, csvNumbers(10, 20))
	before := b.files(t)
	missing := "steward:///tables/1/metadata/00009-x.metadata.json"
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, run := range b.operations(base) {
		if _, err := run(t.Context(), "tables/1", missing); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("%s of no table: %v", name, err)
		}
		if _, err := run(t.Context(), "tables/2", base.Location); err == nil {
			t.Errorf("%s of another table's folder", name)
		}
		if _, err := run(canceled, "tables/1", base.Location); !errors.Is(err, context.Canceled) {
			t.Errorf("%s canceled: %v", name, err)
		}
		equal(t, name+" leaves files", b.files(t), before)

		s, err := run(t.Context(), "tables/1", base.Location)
		if err != nil || s.Location == base.Location {
			t.Errorf("%s: %v, %v", name, s, err)
			continue
		}
		equal(t, name+" while staged", b.values(t, base.Location), shown(0, 20))
		if err := b.Discard(t.Context(), s); err != nil {
			t.Error(err)
		}
		equal(t, name+" discarded", b.files(t), before)
	}
	equal(t, "table", b.values(t, base.Location), shown(0, 20))
}

// operations are changes that all do something to the table that is given.
func (b *bundle) operations(s *engine.Staged) map[string]func(ctx context.Context, folder, base string) (*engine.Staged, error) {
	return map[string]func(ctx context.Context, folder, base string) (*engine.Staged, error){
		"alter": func(ctx context.Context, folder, base string) (*engine.Staged, error) {
			return b.Alter(ctx, engine.Alter{Folder: folder, Base: base, Add: []string{"x"}})
		},
		"delete": func(ctx context.Context, folder, base string) (*engine.Staged, error) {
			return b.Delete(ctx, engine.Delete{Folder: folder, Base: base, Where: []engine.Condition{{Column: "n", Op: engine.Contains, Value: "5"}}})
		},
		"delete all": func(ctx context.Context, folder, base string) (*engine.Staged, error) {
			return b.Delete(ctx, engine.Delete{Folder: folder, Base: base})
		},
		"pin": func(ctx context.Context, folder, base string) (*engine.Staged, error) {
			return b.Pin(ctx, engine.Pin{Folder: folder, Base: base, Name: "x", Snapshot: s.SnapshotID})
		},
		"compact": func(ctx context.Context, folder, base string) (*engine.Staged, error) {
			return b.Compact(ctx, engine.Compact{Folder: folder, Base: base})
		},
		"expire": func(ctx context.Context, folder, base string) (*engine.Staged, error) {
			return b.Expire(ctx, engine.Expire{Folder: folder, Base: base})
		},
		"restore": func(ctx context.Context, folder, base string) (*engine.Staged, error) {
			return b.Restore(ctx, engine.Restore{Folder: folder, Base: base, Schema: s.SchemaID})
		},
	}
}
