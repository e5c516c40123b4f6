package console

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/storage"
	"steward/internal/tenancy"
	"steward/views/paths"
	view "steward/views/storage"
	"steward/views/ui"
)

var trashFields = []field[storage.Trashed]{
	{"id", func(x storage.Trashed) any { return x.ID }},
	{"kind", func(x storage.Trashed) any { return x.Kind }},
	{"name", func(x storage.Trashed) any { return x.TextID }},
	{"tables", func(x storage.Trashed) any { return x.Tables }},
	{"rowsCount", func(x storage.Trashed) any { return x.Rows }},
	{"dataSizeBytes", func(x storage.Trashed) any { return x.Bytes }},
	{"droppedBy", func(x storage.Trashed) any { return x.ActorName }},
	{"jobId", func(x storage.Trashed) any { return orNil(x.JobID) }},
	{"dropped", func(x storage.Trashed) any { return x.DeletedAt }},
	{"keptUntil", func(x storage.Trashed) any { return x.ExpiresAt }},
}

func (c *Console) trash(ec echo.Context, s access.Project) error {
	var f storage.TrashFilter
	done, err := exported(ec, "trash", trashFields, func(last *storage.Trashed) (out []storage.Trashed, err error) {
		f := f
		f.Limit = 1000
		if last != nil {
			f.Before = storage.TrashCursor{At: last.DeletedAt, ID: last.ID}
		}
		err = c.view(ec, func(tx *db.Tx) error { out, err = c.app.Storage.Trash(tx, s, f); return err })
		return out, err
	})
	if done || err != nil {
		return err
	}
	if f.Before.At, f.Before.ID, err = parseCursor(ec.QueryParam("before")); err != nil {
		return err
	}
	f.Limit = pageSize + 1
	m := view.Trash{Download: downloads(ec)}
	var list []storage.Trashed
	err = c.view(ec, func(tx *db.Tx) (err error) {
		var p tenancy.Project
		if m.Shell, p, err = c.projectShell(ec, tx, s); err != nil {
			return err
		}
		m.Kept = kept(p)
		list, err = c.app.Storage.Trash(tx, s, f)
		return err
	})
	if err != nil {
		return err
	}
	cursor := ""
	if len(list) > pageSize {
		list = list[:pageSize]
		cursor = cursorOf(list[pageSize-1].DeletedAt, list[pageSize-1].ID)
	}
	m.Pager = more(ec, ui.Count(int64(len(list)), "thing", "things")+" on this page", "before", cursor, "Dropped earlier")
	for _, x := range list {
		m.List = append(m.List, c.trashRow(s, x))
	}
	return page(ec, http.StatusOK, view.TrashPage(m))
}

func (c *Console) trashRow(s access.Project, x storage.Trashed) view.TrashRow {
	row := view.TrashRow{ID: itoa(x.ID), Kind: x.Kind, Name: x.TextID, Tables: ui.Number(x.Tables), Rows: ui.Number(x.Rows), Size: ui.Bytes(x.Bytes), By: ui.Who{Name: x.ActorName},
		Job: ui.Link{Label: "Job " + itoa(x.JobID), URL: paths.StorageJob(s.ID(), x.JobID)}, Dropped: c.when(x.DeletedAt), Until: c.when(x.ExpiresAt)}
	if row.Label = x.TextID; x.Kind == "table" {
		row.Bucket, row.Label = storage.SplitTable(x.TextID)
	}
	if s.May(access.TableTrashRestore) {
		row.Restore = view.TrashAction{Action: paths.TrashRestore(s.ID(), x.ID), Key: key()}
	}
	if s.May(access.TableTrashPurge) {
		row.Purge = ui.Confirm{Question: "Purge " + x.Kind + " " + x.TextID + " for good?", Action: paths.TrashPurge(s.ID(), x.ID), Verb: "Purge " + x.Kind, Keep: "Keep it", Key: key(), Typed: x.TextID,
			Consequence: purged(x)}
	}
	return row
}

// purged says what a purge would end.
func purged(x storage.Trashed) string {
	what := ui.Count(x.Rows, "row", "rows")
	if x.Kind == "bucket" {
		what = ui.Count(x.Tables, "table", "tables") + " with " + what
	}
	return what + ", all versions and snapshots are gone for good then. Nobody can bring them back."
}

func (c *Console) trashRestore(ec echo.Context, s access.Project) error {
	id, err := number(ec, "trash")
	if err != nil {
		return err
	}
	f, err := form(ec, "name")
	if err != nil {
		return err
	}
	var x storage.Trashed
	err = c.update(ec, func(tx *db.Tx) (err error) { x, err = c.app.Storage.Restore(tx, s, id, f["name"]); return err })
	if errs, ok := fieldErrors(err); ok && errs["name"] != "" {
		return c.trashAnswer(ec, s, id, view.TrashAnswer{Value: f["name"], Errors: errs})
	}
	if fault.Is(err, fault.Conflict) {
		return c.refused(ec, err, paths.Trash(s.ID()))
	}
	if err != nil {
		return err
	}
	next := paths.Table(s.ID(), x.TextID)
	if x.Kind == "bucket" {
		next = paths.Bucket(s.ID(), x.TextID)
	}
	return c.done(ec, "The "+x.Kind+" "+x.TextID+" is back.", next)
}

func (c *Console) trashPurge(ec echo.Context, s access.Project) error {
	id, err := number(ec, "trash")
	if err != nil {
		return err
	}
	f, err := form(ec, "confirm")
	if err != nil {
		return err
	}
	var x storage.Trashed
	err = c.update(ec, func(tx *db.Tx) (err error) {
		if x, err = c.app.Storage.Trashed(tx, s, id); err != nil {
			return err
		}
		if f["confirm"] != x.TextID {
			message := "Type " + x.TextID + " to purge it."
			return &fault.Error{Kind: fault.Invalid, Code: "form.confirm", Message: message, Fields: []fault.Field{{Name: "confirm", Message: message}}}
		}
		_, err = c.app.Storage.Purge(tx, s, id)
		return err
	})
	if errs, ok := fieldErrors(err); ok && errs["confirm"] != "" {
		return c.trashAnswer(ec, s, id, view.TrashAnswer{Purge: true, Errors: errs})
	}
	if fault.Is(err, fault.Conflict) {
		return c.refused(ec, err, paths.Trash(s.ID()))
	}
	if err != nil {
		return err
	}
	return c.done(ec, "The "+x.Kind+" "+x.TextID+" is gone for good.", paths.Trash(s.ID()))
}

// trashAnswer asks again: for another name, or for the name as it is.
func (c *Console) trashAnswer(ec echo.Context, s access.Project, id int64, m view.TrashAnswer) error {
	err := c.view(ec, func(tx *db.Tx) error {
		x, err := c.app.Storage.Trashed(tx, s, id)
		if err != nil {
			return err
		}
		m.Kind, m.Name, m.TrashURL, m.Action, m.Key, m.Consequence = x.Kind, x.TextID, paths.Trash(s.ID()), paths.TrashRestore(s.ID(), id), key(), purged(x)
		if m.Purge {
			m.Action = paths.TrashPurge(s.ID(), id)
		}
		if x.Kind == "table" {
			var was string
			if m.Bucket, was = storage.SplitTable(x.TextID); m.Value == "" {
				m.Value = was
			}
		}
		m.Shell, _, err = c.projectShell(ec, tx, s)
		return err
	})
	if err != nil {
		return err
	}
	return page(ec, http.StatusUnprocessableEntity, view.TrashAnswerPage(m))
}
