package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/storage"
	"steward/internal/storage/engine"
	"steward/views/paths"
	view "steward/views/storage"
	"steward/views/ui"
)

// differing is how many rows of each kind a comparison shows.
const differing = 20

func compareForm(s access.Project, t storage.Table, before, after int64) view.CompareForm {
	return view.CompareForm{URL: paths.VersionsCompare(s.ID(), t.TextID), Newest: itoa(t.Version), Before: itoa(max(before, 1)), After: itoa(after)}
}

// versionCompare shows what two versions differ in; without a choice the last two.
func (c *Console) versionCompare(ec echo.Context, s access.Project) error {
	var m view.Comparison
	var t storage.Table
	var old, now storage.Version
	err := c.view(ec, func(tx *db.Tx) (err error) {
		if m.Table, t, _, err = c.tableHead(ec, tx, s); err != nil {
			return err
		}
		m.Form = compareForm(s, t, t.Version-1, t.Version)
		m.Form.Errors = ui.Errors{}
		if old, err = c.chosenVersion(ec, tx, s, t, "before", &m.Form.Before, m.Form.Errors); err != nil {
			return err
		}
		now, err = c.chosenVersion(ec, tx, s, t, "after", &m.Form.After, m.Form.Errors)
		return err
	})
	if err != nil {
		return err
	}
	if len(m.Form.Errors) > 0 {
		return page(ec, http.StatusUnprocessableEntity, view.ComparisonPage(m))
	}
	d, err := c.compare(ec, s, t, old, now, comparing)
	if errors.Is(err, errTooLong) {
		return fault.New(fault.Unavailable, "storage.versions.long", "These versions are too large to be compared within two minutes. Look at their rows by conditions, or export both.")
	}
	if err != nil {
		return err
	}
	m.Before, m.After = c.versionFact(s, t, old), c.versionFact(s, t, now)
	m.How = howCompared(d, now)
	m.Rows = counts(d)
	m.Columns, m.Key = comparedFates(d, old, now)
	m.Samples = samples(d, old, now, [3]string{"Rows added", "Rows removed", "Rows changed"})
	m.Equal = d.Added+d.Removed+d.Changed == 0 && len(m.Columns) == 0 && m.Key.Text == ""
	if s.May(access.SnapshotsWrite) && old.Number != t.Version {
		m.RevertText, m.RevertURL = "Revert to version "+itoa(old.Number), paths.VersionRevert(s.ID(), t.TextID, old.Number)
	}
	return page(ec, http.StatusOK, view.ComparisonPage(m))
}

// chosenVersion finds the version that a field of the address names, or that it holds
// already. What cannot be compared is an error of the field.
func (c *Console) chosenVersion(ec echo.Context, tx *db.Tx, s access.Project, t storage.Table, field string, value *string, errs ui.Errors) (storage.Version, error) {
	if text := ec.QueryParam(field); text != "" {
		*value = text
	}
	n, _ := strconv.ParseInt(*value, 10, 64) // 0 for what is no number
	if n < 1 || n > t.Version {
		errs[field] = fmt.Sprintf("Enter a version from 1 to %d.", t.Version)
		return storage.Version{}, nil
	}
	v, err := c.app.Storage.Version(tx, s, t, n)
	if err == nil && !v.Kept() {
		errs[field] = fmt.Sprintf("The rows of version %d are not kept any more. Choose a later one.", n)
	}
	return v, err
}

// comparing is how long a comparison may take.
const comparing = 2 * time.Minute

// compare compares two versions in one of a few places for that. It fails with
// errTooLong after a time.
func (c *Console) compare(ec echo.Context, s access.Project, t storage.Table, before, after storage.Version, limit time.Duration) (d *engine.Difference, err error) {
	leave, err := turn(ec, c.comparisons)
	if err != nil {
		return nil, err
	}
	defer leave()
	err = c.lasting(ec, func(ctx context.Context) (err error) {
		ctx, cancel := context.WithTimeoutCause(ctx, limit, errTooLong)
		defer cancel()
		d, err = c.app.Storage.Compare(ctx, s, t, before, after, differing)
		if err != nil && errors.Is(context.Cause(ctx), errTooLong) {
			return errTooLong
		}
		return err
	})
	return d, err
}

func (c *Console) versionFact(s access.Project, t storage.Table, v storage.Version) view.VersionFact {
	return view.VersionFact{Number: itoa(v.Number), Text: operation(v) + " by " + v.ActorName, Time: ui.Exact(v.CreatedAt, utc),
		Rows: ui.Count(v.Rows, "row", "rows"), PreviewURL: paths.VersionPreview(s.ID(), t.TextID, v.Number)}
}

func howCompared(d *engine.Difference, after storage.Version) string {
	if d.Keyed {
		return "Rows are told apart by the primary key: " + strings.Join(after.Key, ", ") + "."
	}
	return "Rows are told apart as a whole: one with another cell counts as removed and added."
}

func counts(d *engine.Difference) view.Counts {
	return view.Counts{Added: ui.Number(d.Added), Removed: ui.Number(d.Removed), Changed: ui.Number(d.Changed), Unchanged: ui.Number(d.Unchanged)}
}

// byName is what is known of a difference without looking at rows.
func byName(before, after storage.Version) *engine.Difference {
	return &engine.Difference{ColumnsAdded: without(after.Columns, before.Columns), ColumnsDropped: without(before.Columns, after.Columns)}
}

// comparedFates says how the columns and the key of two versions differ.
func comparedFates(d *engine.Difference, before, after storage.Version) ([]view.ColumnFate, view.Fate) {
	return fates(d, before, after, [4]string{"Added", "Dropped", "Renamed", "Changed"})
}

// revertFates is comparedFates in words for a table that goes back.
func revertFates(d *engine.Difference, now, then storage.Version) ([]view.ColumnFate, view.Fate) {
	f, key := fates(d, now, then, [4]string{"Comes back", "Goes, with its values", "Gets its old name back", "Becomes "})
	if key.Text != "" {
		key.Text += keyText(then.Key)
	}
	return f, key
}

func fates(d *engine.Difference, before, after storage.Version, words [4]string) (out []view.ColumnFate, key view.Fate) {
	for _, name := range d.ColumnsAdded {
		out = append(out, view.ColumnFate{Name: name, Fate: view.Fate{After: name, Tone: "plus", Text: words[0]}})
	}
	for _, name := range d.ColumnsDropped {
		out = append(out, view.ColumnFate{Name: name, Fate: view.Fate{Before: name, Tone: "minus", Text: words[1]}})
	}
	for _, r := range d.ColumnsRenamed {
		out = append(out, view.ColumnFate{Name: r.After, Fate: view.Fate{Before: r.Before, After: r.After, Tone: "change", Text: words[2]}})
	}
	if !slices.Equal(before.Key, after.Key) {
		key = view.Fate{Before: keyText(before.Key), After: keyText(after.Key), Tone: "change", Text: words[3]}
	}
	return out, key
}

// revertText says how many rows a revert changes.
func revertText(d *engine.Difference) string {
	if d.Added+d.Removed+d.Changed == 0 {
		return "No row changes."
	}
	parts := []string{ui.Count(d.Added, "row comes back", "rows come back"), ui.Number(d.Removed) + plural(d.Removed, " goes", " go")}
	if d.Keyed {
		parts = append(parts, ui.Number(d.Changed)+plural(d.Changed, " gets its old values", " get their old values"))
	}
	return strings.Join(parts, ", ") + "."
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func revertSamples(d *engine.Difference, now, then storage.Version) []view.Sample {
	out := samples(d, now, then, [3]string{"of the rows that come back", "of the rows that go", "of the rows that get their old values"})
	for i := range out {
		out[i].Title = "Show " + itoa(int64(len(out[i].Rows))) + " " + out[i].Title
	}
	return out
}

// samples are rows of each kind that there is, titled in the order added, removed,
// changed. The columns of the key stand first, then those that changed.
func samples(d *engine.Difference, before, after storage.Version, titles [3]string) []view.Sample {
	var out []view.Sample
	add := func(id, title string, total int64, names []string, rows [][]view.DiffCell, key []string, changed map[string]bool) {
		if len(rows) == 0 {
			return
		}
		s := view.Sample{ID: id, Title: title, Note: sampleNote(len(rows), total)}
		order := sampleOrder(names, key, changed)
		for _, at := range order {
			col := view.GridColumn{Name: names[at]}
			if slices.Contains(key, names[at]) {
				col.Note = "primary key"
			}
			s.Columns = append(s.Columns, col)
		}
		for _, row := range rows {
			cells := make([]view.DiffCell, len(order))
			for i, at := range order {
				cells[i] = row[at]
			}
			s.Rows = append(s.Rows, cells)
		}
		out = append(out, s)
	}
	changed, rows := changedRows(d, before, after)
	add("rows-changed", titles[2], d.Changed, after.Columns, rows, after.Key, changed)
	add("rows-added", titles[0], d.Added, after.Columns, wholeRows(d.AddedRows), after.Key, nil)
	add("rows-removed", titles[1], d.Removed, before.Columns, wholeRows(d.RemovedRows), before.Key, nil)
	return out
}

func sampleNote(shown int, total int64) string {
	if int64(shown) == total {
		return ui.Count(total, "row", "rows")
	}
	return "First " + itoa(int64(shown)) + " of " + ui.Count(total, "row", "rows")
}

// sampleOrder gives the places of columns in the order in which they are shown.
func sampleOrder(names, key []string, changed map[string]bool) []int {
	var first, second, rest []int
	for i, name := range names {
		switch {
		case slices.Contains(key, name):
			first = append(first, i)
		case changed[name]:
			second = append(second, i)
		default:
			rest = append(rest, i)
		}
	}
	return slices.Concat(first, second, rest)
}

func wholeRows(rows []engine.Row) [][]view.DiffCell {
	var out [][]view.DiffCell
	for _, r := range rows {
		cells := make([]view.DiffCell, len(r.Cells))
		for i, c := range r.Cells {
			cells[i].After = valueOf(c)
		}
		out = append(out, cells)
	}
	return out
}

// changedRows lays the two states of each row over each other, under the columns of the
// later one, and tells which columns differ in any of them.
func changedRows(d *engine.Difference, before, after storage.Version) (map[string]bool, [][]view.DiffCell) {
	later := map[string]string{}
	for _, r := range d.ColumnsRenamed {
		later[r.Before] = r.After
	}
	old := map[string]int{} // places, by the name that the column has later
	for i, name := range before.Columns {
		if slices.Contains(d.ColumnsDropped, name) {
			continue
		}
		if to, ok := later[name]; ok {
			name = to
		}
		old[name] = i
	}
	differ := map[string]bool{}
	var out [][]view.DiffCell
	for _, r := range d.ChangedRows {
		cells := make([]view.DiffCell, len(r.After.Cells))
		for i, c := range r.After.Cells {
			name := after.Columns[i]
			cells[i].After = valueOf(c)
			if at, ok := old[name]; ok && slices.Contains(r.Columns, name) {
				differ[name] = true
				cells[i].Before, cells[i].Changed = valueOf(r.Before.Cells[at]), true
			}
		}
		out = append(out, cells)
	}
	return differ, out
}

// valueOf is a cell as pages show it.
func valueOf(c engine.Cell) ui.Value {
	v := ui.Value{Text: c.Value, Null: c.Null}
	if c.Cut {
		v.Cut = "Only the first 16 kB are shown."
	}
	return v
}

// gone reports whether what was asked for is not kept any more.
func gone(err error) bool { return fault.HasCode(err, "storage.versions.gone") }
