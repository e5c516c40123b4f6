package console

import (
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/views/paths"
	view "steward/views/storage"
	"steward/views/ui"
)

// snapshotsPage is how many snapshots stand on a page.
const snapshotsPage = 20

var snapshotFields = []field[storage.Snapshot]{
	{"id", func(x storage.Snapshot) any { return x.ID }},
	{"description", func(x storage.Snapshot) any { return x.Description }},
	{"version", func(x storage.Snapshot) any { return x.Version }},
	{"rowsCount", func(x storage.Snapshot) any { return x.Rows }},
	{"sizeBytes", func(x storage.Snapshot) any { return x.Bytes }},
	{"created", func(x storage.Snapshot) any { return x.CreatedAt }},
	{"creator", func(x storage.Snapshot) any { return x.ActorName }},
	{"jobId", func(x storage.Snapshot) any { return x.JobID }},
}

func (c *Console) snapshots(ec echo.Context, s access.Project) error {
	id := ec.Param("table")
	done, err := exported(ec, id+"-snapshots", snapshotFields, func(last *storage.Snapshot) (out []storage.Snapshot, err error) {
		f := storage.SnapshotFilter{Limit: 1000}
		if last != nil {
			f.Before = storage.SnapshotCursor{At: last.CreatedAt, ID: last.ID}
		}
		err = c.view(ec, func(tx *db.Tx) error {
			t, err := c.app.Storage.Table(tx, s, id)
			if err != nil {
				return err
			}
			out, err = c.app.Storage.Snapshots(tx, s, t, f)
			return err
		})
		return out, err
	})
	if done || err != nil {
		return err
	}
	return c.snapshotList(ec, s, http.StatusOK, "", nil)
}

// snapshotList draws the snapshots with the form of a new one.
func (c *Console) snapshotList(ec echo.Context, s access.Project, status int, description string, errs ui.Errors) error {
	m := view.Snapshots{Key: key(), Description: description, Errors: errs, Download: downloads(ec)}
	f := storage.SnapshotFilter{Limit: snapshotsPage + 1}
	var err error
	if f.Before.At, f.Before.ID, err = parseCursor(ec.QueryParam("before")); err != nil {
		return err
	}
	var t storage.Table
	var list []storage.Snapshot
	err = c.view(ec, func(tx *db.Tx) (err error) {
		if m.Table, t, _, err = c.tableHead(ec, tx, s); err != nil {
			return err
		}
		list, err = c.app.Storage.Snapshots(tx, s, t, f)
		return err
	})
	if err != nil {
		return err
	}
	if s.May(access.SnapshotsWrite) {
		m.Action = paths.TableSnapshots(s.ID(), t.TextID)
	}
	cursor := ""
	if len(list) > snapshotsPage {
		list = list[:snapshotsPage]
		cursor = cursorOf(list[snapshotsPage-1].CreatedAt, list[snapshotsPage-1].ID)
	}
	m.Pager = more(ec, ui.Count(int64(len(list)), "snapshot", "snapshots")+" on this page", "before", cursor, "Older snapshots")
	for _, sn := range list {
		m.List = append(m.List, c.snapshotRow(s, t, sn))
	}
	return page(ec, status, view.SnapshotsPage(m))
}

func (c *Console) snapshotRow(s access.Project, t storage.Table, sn storage.Snapshot) view.SnapshotRow {
	id := itoa(sn.ID)
	row := view.SnapshotRow{ID: id, Description: sn.Description, Version: ui.Number(sn.Version), Rows: ui.Number(sn.Rows), Created: c.when(sn.CreatedAt), Creator: who(sn.ActorName, sn.UserID)}
	if !s.May(access.SnapshotsWrite) {
		return row
	}
	row.RestoreURL, row.CopyURL = paths.SnapshotRestore(s.ID(), t.TextID, sn.ID), paths.SnapshotCopy(s.ID(), t.TextID, sn.ID)
	row.Delete = ui.Confirm{ID: "delete-" + id, Question: "Delete snapshot " + id + " of " + t.Name + "?", Action: paths.SnapshotDelete(s.ID(), t.TextID, sn.ID),
		Consequence: "The table stays as it is. Right after, and for as long as versions are kept, the deletion can be undone.",
		Verb:        "Delete snapshot", Keep: "Keep snapshot", Key: key()}
	return row
}

// snapshotName is how a snapshot is called where there is little room.
func snapshotName(sn storage.Snapshot) string {
	if sn.Description == "" {
		return "Snapshot " + itoa(sn.ID)
	}
	return sn.Description
}

// snapshotText says in one line what a snapshot is.
func snapshotText(sn storage.Snapshot) string {
	text := fmt.Sprintf("Version %d, kept by %s on %s", sn.Version, sn.ActorName, ui.Exact(sn.CreatedAt, utc).Title)
	if sn.Description != "" {
		text += ": " + sn.Description
	}
	return text
}

func (c *Console) snapshotCreate(ec echo.Context, s access.Project) error {
	f, err := form(ec, "description")
	if err != nil {
		return err
	}
	var j jobs.Job
	err = c.update(ec, func(tx *db.Tx) (err error) {
		j, err = c.app.Storage.CreateSnapshot(tx, s, ec.Param("table"), f["description"])
		return err
	})
	if errs, ok := fieldErrors(err); ok {
		return c.snapshotList(ec, s, http.StatusUnprocessableEntity, f["description"], errs)
	}
	if err != nil {
		return err
	}
	return c.await(ec, s, j, paths.TableSnapshots(s.ID(), ec.Param("table")))
}

func (c *Console) snapshotTarget(tx *db.Tx, s access.Project, t storage.Table, id int64) (revertTarget, error) {
	sn, err := c.app.Storage.Snapshot(tx, s, t, id)
	return revertTarget{state: sn.State(), name: "snapshot " + itoa(id), lede: snapshotText(sn), action: paths.SnapshotRestore(s.ID(), t.TextID, id),
		copy: paths.SnapshotCopy(s.ID(), t.TextID, id), cancel: paths.TableSnapshots(s.ID(), t.TextID)}, err
}

func (c *Console) snapshotRestore(ec echo.Context, s access.Project) error {
	id, err := number(ec, "snapshot")
	if err != nil {
		return err
	}
	return c.revertPage(ec, s, http.StatusOK, nil, func(tx *db.Tx, t storage.Table) (revertTarget, error) { return c.snapshotTarget(tx, s, t, id) })
}

func (c *Console) snapshotRestoreSubmit(ec echo.Context, s access.Project) error {
	id, err := number(ec, "snapshot")
	if err != nil {
		return err
	}
	return c.revert(ec, s, paths.TableVersions(s.ID(), ec.Param("table")),
		func(tx *db.Tx, from int64) (jobs.Job, error) {
			return c.app.Storage.RestoreSnapshot(tx, s, ec.Param("table"), id, from)
		},
		func(tx *db.Tx, t storage.Table) (revertTarget, error) { return c.snapshotTarget(tx, s, t, id) })
}

func (c *Console) snapshotCopy(ec echo.Context, s access.Project) error {
	id, err := number(ec, "snapshot")
	if err != nil {
		return err
	}
	return c.copyPage(ec, s, storage.Source{Table: ec.Param("table"), Snapshot: id}, http.StatusOK, nil, nil)
}

func (c *Console) snapshotCopySubmit(ec echo.Context, s access.Project) error {
	id, err := number(ec, "snapshot")
	if err != nil {
		return err
	}
	return c.copyTable(ec, s, storage.Source{Table: ec.Param("table"), Snapshot: id})
}

func (c *Console) snapshotDelete(ec echo.Context, s access.Project) error {
	id, err := number(ec, "snapshot")
	if err != nil {
		return err
	}
	if _, err := form(ec); err != nil {
		return err
	}
	var j jobs.Job
	err = c.update(ec, func(tx *db.Tx) (err error) {
		j, err = c.app.Storage.DeleteSnapshot(tx, s, ec.Param("table"), id)
		return err
	})
	if err != nil {
		return err
	}
	return c.await(ec, s, j, paths.TableSnapshots(s.ID(), ec.Param("table")))
}
