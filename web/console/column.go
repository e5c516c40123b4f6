package console

import (
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/views/paths"
	view "steward/views/storage"
	"steward/views/ui"
)

// notesShown is how many notes stand under a column's name.
const notesShown = 3

// columnFact is a column with what is known of its values.
type columnFact struct {
	position int
	column   storage.Column
	nulls    any // int64, or nil when it is not known
}

var columnFields = []field[columnFact]{
	{"position", func(c columnFact) any { return c.position }},
	{"name", func(c columnFact) any { return c.column.Name }},
	{"primaryKey", func(c columnFact) any { return orNil(c.column.Key) }},
	{"nullsCount", func(c columnFact) any { return c.nulls }},
}

func (c *Console) table(ec echo.Context, s access.Project) error {
	return c.columnsPage(ec, s, http.StatusOK, ec.QueryParam("column"), func(*view.Columns) {})
}

// columnsPage draws a table's columns, with the forms for the one that is chosen by its
// field number. edit puts in what was sent and what is wrong with it.
func (c *Console) columnsPage(ec echo.Context, s access.Project, status int, chosen string, edit func(*view.Columns)) error {
	var m view.Columns
	var t storage.Table
	var columns []storage.Column
	var notes map[int64][]storage.Metadata
	err := c.view(ec, func(tx *db.Tx) (err error) {
		if m.Table, t, columns, err = c.tableHead(ec, tx, s); err != nil {
			return err
		}
		notes, err = c.app.Storage.ColumnNotes(tx, t)
		return err
	})
	if err != nil {
		return err
	}
	v, err := c.app.Storage.View(ec.Request().Context(), s, t)
	if err != nil {
		return err
	}
	defer func() { _ = v.Close() }()
	nulls := v.Nulls()
	var facts []columnFact
	for i, col := range columns {
		f := columnFact{position: i + 1, column: col}
		if n, ok := nulls[col.Name]; ok {
			f.nulls = n
		}
		facts = append(facts, f)
	}
	if done, err := exported(ec, t.TextID+"-columns", columnFields, once(facts)); done || err != nil {
		return err
	}
	writes := s.May(access.TablesWrite)
	for _, f := range facts {
		row := view.ColumnRow{Number: strconv.Itoa(f.position), Name: f.column.Name}
		if f.column.Key > 0 {
			row.Key = itoa(f.column.Key)
		}
		if n, ok := f.nulls.(int64); ok {
			row.Nulls = ui.Number(n)
		}
		for _, n := range notes[f.column.FieldID][:min(notesShown, len(notes[f.column.FieldID]))] {
			row.Notes = append(row.Notes, view.Fact{Term: n.Key, Value: n.Value})
		}
		if writes {
			row.ChangeURL, row.Chosen = paths.ColumnChange(s.ID(), t.TextID, f.column.FieldID), itoa(f.column.FieldID) == chosen
		}
		if row.Chosen {
			m.Change = columnChange(s, t, f.column, len(columns), m.Table.Kept)
		}
		m.List = append(m.List, row)
	}
	if writes {
		m.Add = view.ColumnAdd{Action: paths.Columns(s.ID(), t.TextID), Key: key()}
	}
	m.Description = t.Description
	m.ChangedBy = ui.Who{Name: t.ChangedBy}
	m.ChangedJob = ui.Link{Label: "Job " + itoa(t.ChangedJobID), URL: paths.StorageJob(s.ID(), t.ChangedJobID)}
	m.Download = downloadsAt(paths.Table(s.ID(), t.TextID), nil)
	edit(&m)
	return page(ec, status, view.ColumnsPage(m))
}

// columnChange is the forms for one column.
func columnChange(s access.Project, t storage.Table, col storage.Column, columns int, kept string) *view.ColumnChangeForm {
	m := &view.ColumnChangeForm{Name: col.Name, RenameURL: paths.ColumnRename(s.ID(), t.TextID), Key: key(), Value: col.Name, CloseURL: paths.Table(s.ID(), t.TextID),
		NoteURL: paths.MetadataChange(s.ID(), t.TextID, col.FieldID, "")}
	switch {
	case col.Key > 0:
		m.Kept = "It is part of the primary key. Remove the key first to drop it."
	case columns == 1:
		m.Kept = "It is the only column. Drop the table instead."
	default:
		m.Drop = ui.Confirm{Question: "Drop column " + col.Name + "?", Action: paths.ColumnDelete(s.ID(), t.TextID), Verb: "Drop column", Keep: "Keep column", Key: key(),
			Consequence: "Its values in " + ui.Count(t.Rows, "row", "rows") + " of " + t.Name + " go with it. Version " + itoa(t.Version) + " keeps them for " + kept + ": until then you can undo this.",
			Fields:      []ui.Pair{{Name: "column", Value: col.Name}}}
	}
	return m
}

func (c *Console) columnAdd(ec echo.Context, s access.Project) error {
	f, err := form(ec, "column")
	if err != nil {
		return err
	}
	table := ec.Param("table")
	var j jobs.Job
	err = c.update(ec, func(tx *db.Tx) (err error) { j, err = c.app.Storage.AddColumn(tx, s, table, f["column"]); return err })
	if errs, ok := fieldErrors(err); ok {
		return c.columnsPage(ec, s, http.StatusUnprocessableEntity, "", func(m *view.Columns) { m.Add.Value, m.Add.Errors = f["column"], errs })
	}
	if err != nil {
		return err
	}
	return c.await(ec, s, j, paths.Table(s.ID(), table))
}

func (c *Console) columnRename(ec echo.Context, s access.Project) error {
	f, err := form(ec, "column", "newName")
	if err != nil {
		return err
	}
	table := ec.Param("table")
	var j jobs.Job
	chosen := ""
	err = c.update(ec, func(tx *db.Tx) error {
		t, err := c.app.Storage.Table(tx, s, table)
		if err != nil {
			return err
		}
		columns, err := c.app.Storage.Columns(tx, t)
		if err != nil {
			return err
		}
		for _, col := range columns {
			if col.Name == f["column"] {
				chosen = itoa(col.FieldID)
			}
		}
		j, err = c.app.Storage.RenameColumn(tx, s, table, f["column"], f["newName"])
		return err
	})
	if fault.HasCode(err, "storage.tables.unknownColumn") {
		return c.refused(ec, err, paths.Table(s.ID(), table))
	}
	if errs, ok := fieldErrors(err); ok {
		if text, wrong := errs["name"]; wrong {
			errs = ui.Errors{"newName": text}
		}
		return c.columnsPage(ec, s, http.StatusUnprocessableEntity, chosen, func(m *view.Columns) {
			if m.Change != nil {
				m.Change.Value, m.Change.Errors = f["newName"], errs
			}
		})
	}
	if err != nil {
		return err
	}
	return c.await(ec, s, j, paths.Table(s.ID(), table))
}

func (c *Console) columnDelete(ec echo.Context, s access.Project) error {
	f, err := form(ec, "column")
	if err != nil {
		return err
	}
	table := ec.Param("table")
	var j jobs.Job
	err = c.update(ec, func(tx *db.Tx) (err error) { j, err = c.app.Storage.DropColumn(tx, s, table, f["column"]); return err })
	if fault.Is(err, fault.Conflict) || fault.HasCode(err, "storage.tables.unknownColumn") {
		return c.refused(ec, err, paths.Table(s.ID(), table))
	}
	if err != nil {
		return err
	}
	return c.await(ec, s, j, paths.Table(s.ID(), table))
}
