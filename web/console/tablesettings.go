package console

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/tenancy"
	"steward/views/paths"
	view "steward/views/storage"
	"steward/views/ui"
)

// Places of the form that chooses a primary key: at first, empty ones beyond those that
// are filled in, and at most.
const (
	keyPlaces     = 3
	keyPlacesMore = 2
	keyPlacesMax  = 32
)

// kept says how long a project keeps what was deleted.
func kept(p tenancy.Project) string { return ui.Count(p.Retention, "day", "days") }

var metadataFields = []field[storage.Metadata]{
	{"column", func(m storage.Metadata) any { return textOrNil(m.Column) }},
	{"key", func(m storage.Metadata) any { return m.Key }},
	{"value", func(m storage.Metadata) any { return m.Value }},
	{"provider", func(m storage.Metadata) any { return m.Provider }},
	{"timestamp", func(m storage.Metadata) any { return m.ChangedAt }},
	{"changedBy", func(m storage.Metadata) any { return m.ChangedBy }},
}

func textOrNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (c *Console) tableSettings(ec echo.Context, s access.Project) error {
	done, err := exported(ec, ec.Param("table")+"-metadata", metadataFields, func(last *storage.Metadata) (out []storage.Metadata, err error) {
		f := storage.MetadataFilter{Limit: 500}
		if last != nil {
			f.After = storage.MetadataCursor{Field: last.Field, Provider: last.Provider, Key: last.Key}
		}
		err = c.view(ec, func(tx *db.Tx) error {
			t, err := c.app.Storage.Table(tx, s, ec.Param("table"))
			if err != nil {
				return err
			}
			out, err = c.app.Storage.TableMetadata(tx, t, f)
			return err
		})
		return out, err
	})
	if done || err != nil {
		return err
	}
	return c.settingsPage(ec, s, http.StatusOK, func(m *view.Settings) {
		if p := ec.QueryParams()["key"]; len(p) > 0 {
			m.Key.Places = places(p)
		}
	})
}

// places are the chosen columns of a key with empty ones to fill in.
func places(chosen []string) []string {
	var out []string
	for _, name := range chosen[:min(len(chosen), keyPlacesMax)] {
		if name != "" {
			out = append(out, name)
		}
	}
	return append(out, make([]string, min(keyPlacesMax-len(out), max(keyPlacesMore, keyPlaces-len(out))))...)
}

// settingsPage draws a table's settings. edit puts in what was sent and what is wrong
// with it.
func (c *Console) settingsPage(ec echo.Context, s access.Project, status int, edit func(*view.Settings)) error {
	var m view.Settings
	var t storage.Table
	var columns []storage.Column
	var notes []storage.Metadata
	var draft view.Note
	f := storage.MetadataFilter{After: metadataCursor(ec.QueryParam("after")), Limit: pageSize + 1}
	err := c.view(ec, func(tx *db.Tx) (err error) {
		if m.Table, t, columns, err = c.tableHead(ec, tx, s); err != nil {
			return err
		}
		if draft, err = c.draft(ec, tx, t, columns); err != nil {
			return err
		}
		notes, err = c.app.Storage.TableMetadata(tx, t, f)
		return err
	})
	if err != nil {
		return err
	}
	id, writes := t.TextID, s.May(access.TablesWrite)
	m.Description = view.Described{Text: t.Description, Draft: t.Description}
	m.Notes = view.Notes{Draft: draft, Download: downloadsAt(paths.TableSettings(s.ID(), id), nil), Names: namesOf(columns)}
	m.Key = view.TableKey{Columns: storage.KeyOf(columns), Names: m.Notes.Names, Places: places(nil), MoreURL: paths.TableSettings(s.ID(), id) + "#primary-key"}
	cursor := ""
	if len(notes) > pageSize {
		notes = notes[:pageSize]
		last := notes[pageSize-1]
		cursor = itoa(last.Field) + "\n" + last.Provider + "\n" + last.Key
	}
	m.Notes.Pager = more(ec, ui.Count(int64(len(notes)), "value", "values")+" on this page", "after", cursor, "More values")
	for _, n := range notes {
		m.Notes.List = append(m.Notes.List, c.note(s, t, n))
	}
	if writes {
		m.Description.Action, m.Description.Key = paths.TableDescription(s.ID(), id), key()
		m.Notes.Action, m.Notes.Key = paths.Metadata(s.ID(), id), key()
		m.RowsURL = paths.RowsDelete(s.ID(), id)
		c.dangers(s, t, &m)
	}
	edit(&m)
	return page(ec, status, view.SettingsPage(m))
}

// dangers are the forms of what changes a table as a whole.
func (c *Console) dangers(s access.Project, t storage.Table, m *view.Settings) {
	if len(m.Key.Columns) == 0 {
		m.Key.Action, m.Key.Key = paths.TableKey(s.ID(), t.TextID), key()
	} else {
		m.Key.Remove = ui.Confirm{Question: "Remove the primary key of " + t.Name + "?", Action: paths.TableKeyDelete(s.ID(), t.TextID), Verb: "Remove key", Keep: "Keep key", Key: key(),
			Consequence: "Rows and columns stay. Loads that add rows no longer find the rows they should change, and may bring the same row twice."}
	}
	if t.Rows > 0 {
		m.Truncate = ui.Confirm{Question: "Delete all rows of " + t.Name + "?", Action: paths.TableTruncate(s.ID(), t.TextID), Verb: "Delete " + ui.Count(t.Rows, "row", "rows"), Keep: "Keep rows", Key: key(),
			Consequence: ui.Count(t.Rows, "row goes", "rows go") + "; columns, key and description stay. Version " + itoa(t.Version) + " keeps the rows for " + m.Table.Kept + ": until then you can undo this.",
			Fields:      []ui.Pair{{Name: "from", Value: itoa(t.Version)}}}
	}
	m.Drop = ui.Confirm{Question: "Drop table " + t.Name + "?", Action: paths.TableDrop(s.ID(), t.TextID), Verb: "Drop table", Keep: "Keep table", Key: key(),
		Consequence: "Nobody can read or load " + t.TextID + " any more. The trash keeps it for " + m.Table.Kept + " with its " + ui.Count(t.Rows, "row", "rows") + ", versions and snapshots; until then you can undo this."}
}

// draft is the note that the address asks to change.
func (c *Console) draft(ec echo.Context, tx *db.Tx, t storage.Table, columns []storage.Column) (view.Note, error) {
	n := view.Note{Name: query(ec, "note")}
	number, ok := fieldNumber(ec.QueryParam("field"))
	if !ok {
		return view.Note{}, nil
	}
	for _, col := range columns {
		if col.FieldID == number {
			n.Column = col.Name
		}
	}
	if n.Name == "" {
		return n, nil
	}
	value, err := c.app.Storage.Noted(tx, t, number, n.Name)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return n, err
	}
	n.Value = value
	return n, nil
}

func fieldNumber(text string) (n int64, ok bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

func metadataCursor(text string) storage.MetadataCursor {
	parts := strings.SplitN(text, "\n", 3)
	if len(parts) != 3 {
		return storage.MetadataCursor{}
	}
	number, ok := fieldNumber(parts[0])
	if !ok {
		return storage.MetadataCursor{}
	}
	return storage.MetadataCursor{Field: number, Provider: parts[1], Key: parts[2]}
}

func (c *Console) note(s access.Project, t storage.Table, n storage.Metadata) view.Note {
	out := view.Note{Column: n.Column, Name: n.Key, Value: n.Value, Provider: n.Provider, Changed: c.when(n.ChangedAt), By: ui.Who{Name: n.ChangedBy}}
	if n.Provider == storage.ProviderUser && s.May(access.TablesWrite) {
		out.ChangeURL = paths.MetadataChange(s.ID(), t.TextID, n.Field, n.Key)
		out.Delete = view.NoteDelete{Action: paths.MetadataDelete(s.ID(), t.TextID), Key: key()}
	}
	return out
}

func (c *Console) tableDescribe(ec echo.Context, s access.Project) error {
	f, err := form(ec, "description")
	if err != nil {
		return err
	}
	id := ec.Param("table")
	var before string
	err = c.update(ec, func(tx *db.Tx) (err error) {
		before, err = c.app.Storage.DescribeTable(tx, s, id, plainLines(f["description"]))
		return err
	})
	if errs, ok := fieldErrors(err); ok {
		return c.settingsPage(ec, s, http.StatusUnprocessableEntity, func(m *view.Settings) {
			m.Description.Draft, m.Description.Errors = f["description"], errs
		})
	}
	if err != nil {
		return err
	}
	back := undo{Action: paths.TableDescription(s.ID(), id), Fields: []ui.Pair{{Name: "description", Value: before}}}
	return c.doneWith(ec, "The description is saved.", back, paths.TableSettings(s.ID(), id))
}

func (c *Console) metadataSet(ec echo.Context, s access.Project) error {
	f, err := form(ec, "column", "key", "value")
	if err != nil {
		return err
	}
	id := ec.Param("table")
	m := storage.Metadata{Column: f["column"], Provider: storage.ProviderUser, Key: f["key"], Value: plainLines(f["value"])}
	var before string
	var was bool
	err = c.update(ec, func(tx *db.Tx) (err error) { before, was, err = c.app.Storage.SetMetadata(tx, s, id, m); return err })
	errs, ok := fieldErrors(err)
	if fault.HasCode(err, "storage.tables.unknownColumn") {
		errs, ok = ui.Errors{"column": fault.Of(err).Message}, true
	}
	if ok {
		return c.settingsPage(ec, s, http.StatusUnprocessableEntity, func(v *view.Settings) {
			v.Notes.Draft, v.Notes.Errors = view.Note{Column: f["column"], Name: f["key"], Value: f["value"]}, noteErrors(errs)
		})
	}
	if err != nil {
		return err
	}
	on := []ui.Pair{{Name: "column", Value: m.Column}, {Name: "key", Value: m.Key}}
	back := undo{Action: paths.MetadataDelete(s.ID(), id), Fields: on}
	if was {
		back = undo{Action: paths.Metadata(s.ID(), id), Fields: append(on, ui.Pair{Name: "value", Value: before})}
	}
	return c.doneWith(ec, "Noted under "+m.Key+".", back, paths.TableSettings(s.ID(), id))
}

// noteErrors names the fields of errors as the page does, which has a field key elsewhere.
func noteErrors(errs ui.Errors) ui.Errors {
	out := ui.Errors{}
	for field, text := range errs {
		if field != "" {
			field = "note-" + field
		}
		out[field] = text
	}
	return out
}

func (c *Console) metadataDelete(ec echo.Context, s access.Project) error {
	f, err := form(ec, "column", "key")
	if err != nil {
		return err
	}
	id := ec.Param("table")
	var before string
	err = c.update(ec, func(tx *db.Tx) (err error) {
		before, err = c.app.Storage.DeleteMetadata(tx, s, id, storage.Metadata{Column: f["column"], Provider: storage.ProviderUser, Key: f["key"]})
		return err
	})
	if err != nil {
		return err
	}
	back := undo{Action: paths.Metadata(s.ID(), id), Fields: []ui.Pair{{Name: "column", Value: f["column"]}, {Name: "key", Value: f["key"]}, {Name: "value", Value: before}}}
	return c.doneWith(ec, "What stood under "+f["key"]+" is removed.", back, paths.TableSettings(s.ID(), id))
}

func (c *Console) keyAdd(ec echo.Context, s access.Project) error {
	_, lists, err := formLists(ec, []string{"key"})
	if err != nil {
		return err
	}
	var chosen []string
	for _, name := range lists["key"] {
		if name != "" {
			chosen = append(chosen, name)
		}
	}
	id := ec.Param("table")
	var j jobs.Job
	err = c.update(ec, func(tx *db.Tx) (err error) { j, err = c.app.Storage.AddKey(tx, s, id, chosen); return err })
	if errs, ok := fieldErrors(err); ok {
		return c.settingsPage(ec, s, http.StatusUnprocessableEntity, func(m *view.Settings) {
			if m.Key.Places, m.Key.Errors = places(lists["key"]), errs; m.Key.Action == "" { // somebody was faster
				m.Key.Errors, m.Table.Shell.Problem = nil, fault.Of(err).Message
			}
		})
	}
	if err != nil {
		return err
	}
	return c.await(ec, s, j, paths.TableSettings(s.ID(), id))
}

func (c *Console) keyDelete(ec echo.Context, s access.Project) error {
	return c.whole(ec, s, paths.TableSettings(s.ID(), ec.Param("table")), func(tx *db.Tx, _ map[string]string) (jobs.Job, error) {
		return c.app.Storage.DropKey(tx, s, ec.Param("table"))
	})
}

func (c *Console) tableTruncate(ec echo.Context, s access.Project) error {
	return c.whole(ec, s, paths.TableSettings(s.ID(), ec.Param("table")), func(tx *db.Tx, f map[string]string) (jobs.Job, error) {
		from, err := strconv.ParseInt(f["from"], 10, 64)
		if err != nil || from <= 0 {
			return jobs.Job{}, fault.New(fault.Invalid, "form.from", "The form does not say which version it was made for. Load it again.")
		}
		return c.app.Storage.DeleteRows(tx, s, ec.Param("table"), nil, true, from)
	}, "from")
}

func (c *Console) tableDrop(ec echo.Context, s access.Project) error {
	bucket, _ := storage.SplitTable(ec.Param("table"))
	return c.whole(ec, s, paths.Bucket(s.ID(), bucket), func(tx *db.Tx, _ map[string]string) (jobs.Job, error) {
		return c.app.Storage.DropTable(tx, s, ec.Param("table"))
	})
}

// whole starts the job that changes a table as a whole, waits for it and goes to next.
// What stands in its way is told on the settings page.
func (c *Console) whole(ec echo.Context, s access.Project, next string, start func(*db.Tx, map[string]string) (jobs.Job, error), fields ...string) error {
	f, err := form(ec, fields...)
	if err != nil {
		return err
	}
	var j jobs.Job
	err = c.update(ec, func(tx *db.Tx) (err error) { j, err = start(tx, f); return err })
	if fault.Is(err, fault.Conflict) {
		return c.refused(ec, err, paths.TableSettings(s.ID(), ec.Param("table")))
	}
	if err != nil {
		return err
	}
	return c.await(ec, s, j, next)
}
