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
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/views/paths"
	view "steward/views/storage"
	"steward/views/ui"
)

// tagsMax is how many snapshots a page of versions shows.
const tagsMax = 200

var versionFields = []field[storage.Version]{
	{"version", func(v storage.Version) any { return v.Number }},
	{"created", func(v storage.Version) any { return v.CreatedAt }},
	{"operation", func(v storage.Version) any { return v.Operation }},
	{"jobId", func(v storage.Version) any { return v.JobID }},
	{"actor", func(v storage.Version) any { return v.ActorName }},
	{"rowsAdded", func(v storage.Version) any { return v.Added }},
	{"rowsRemoved", func(v storage.Version) any { return v.Removed }},
	{"rowsChanged", func(v storage.Version) any { return v.Changed }},
	{"rowsCount", func(v storage.Version) any { return v.Rows }},
	{"sizeBytes", func(v storage.Version) any { return v.Bytes }},
	{"columnsCount", func(v storage.Version) any { return len(v.Columns) }},
	{"restoredVersion", func(v storage.Version) any { return orNil(v.Source) }},
	{"expired", func(v storage.Version) any { return v.ExpiredAt }},
}

func (c *Console) versions(ec echo.Context, s access.Project) error {
	id := ec.Param("table")
	done, err := exported(ec, id+"-versions", versionFields, func(last *storage.Version) (out []storage.Version, err error) {
		f := storage.VersionFilter{Limit: 1000}
		if last != nil {
			f.Before = last.Number
		}
		err = c.view(ec, func(tx *db.Tx) error {
			t, err := c.app.Storage.Table(tx, s, id)
			if err != nil {
				return err
			}
			out, err = c.app.Storage.Versions(tx, s, t, f)
			return err
		})
		return out, err
	})
	if done || err != nil {
		return err
	}
	f := storage.VersionFilter{Limit: pageSize + 1}
	if text := ec.QueryParam("before"); text != "" {
		if f.Before, err = strconv.ParseInt(text, 10, 64); err != nil || f.Before <= 0 {
			return fault.New(fault.Invalid, "list.cursor", "This page of the list cannot be found. Start at its first page.")
		}
	}
	m := view.Versions{Download: downloads(ec)}
	var t storage.Table
	var list []storage.Version
	var tags []storage.Snapshot
	err = c.view(ec, func(tx *db.Tx) (err error) {
		if m.Table, t, _, err = c.tableHead(ec, tx, s); err != nil {
			return err
		}
		if list, err = c.app.Storage.Versions(tx, s, t, f); err != nil || len(list) == 0 {
			return err
		}
		tags, err = c.app.Storage.Snapshots(tx, s, t, storage.SnapshotFilter{From: list[min(len(list), pageSize)-1], To: list[0].Number, Limit: tagsMax})
		return err
	})
	if err != nil {
		return err
	}
	m.Compare = compareForm(s, t, t.Version-1, t.Version)
	cursor := ""
	if len(list) > pageSize {
		cursor = itoa(list[pageSize-1].Number)
	}
	shown := min(len(list), pageSize)
	for i, v := range list[:shown] {
		row := c.versionRow(s, t, v, before(list, i))
		for _, sn := range tags {
			if sn.Version == v.Number {
				row.Snapshots = append(row.Snapshots, snapshotName(sn))
			}
		}
		if day := c.dayOf(v.CreatedAt, zone(ec)); len(m.Days) == 0 || m.Days[len(m.Days)-1].Title != day {
			m.Days = append(m.Days, view.VersionDay{Title: day})
		}
		last := &m.Days[len(m.Days)-1]
		last.Rows = append(last.Rows, row)
	}
	text := "No version here"
	if shown > 0 {
		text = fmt.Sprintf("Versions %s to %s of %s, newest first", ui.Number(list[shown-1].Number), ui.Number(list[0].Number), ui.Number(t.Version))
	}
	m.Pager = more(ec, text, "before", cursor, "Older versions")
	return page(ec, http.StatusOK, view.VersionsPage(m))
}

// before is the version before the one at i of a list, newest first; nil at its end.
func before(list []storage.Version, i int) *storage.Version {
	if i+1 < len(list) {
		return &list[i+1]
	}
	return nil
}

func (c *Console) versionRow(s access.Project, t storage.Table, v storage.Version, before *storage.Version) view.VersionRow {
	row := view.VersionRow{Number: itoa(v.Number), Operation: operation(v), Time: ui.Clock(v.CreatedAt, utc),
		Job: ui.Link{Label: "job " + itoa(v.JobID), URL: paths.StorageJob(s.ID(), v.JobID)}, By: who(v.ActorName, v.UserID),
		Added: signed("+", v.Added), Removed: signed("−", v.Removed), Changed: signed("~", v.Changed), Rows: ui.Number(v.Rows),
		Now: v.Number == t.Version, Expired: !v.Kept()}
	if before != nil {
		row.Changes = columnChangesOf(*before, v)
	}
	if !v.Kept() {
		return row
	}
	row.PreviewURL = paths.VersionPreview(s.ID(), t.TextID, v.Number)
	if before != nil && before.Kept() {
		row.CompareURL = paths.VersionCompare(s.ID(), t.TextID, before.Number, v.Number)
	}
	if !row.Now {
		row.CompareNowURL = paths.VersionCompare(s.ID(), t.TextID, v.Number, t.Version)
	}
	if s.May(access.SnapshotsWrite) {
		row.CopyURL = paths.VersionCopy(s.ID(), t.TextID, v.Number)
		if !row.Now {
			row.RevertURL = paths.VersionRevert(s.ID(), t.TextID, v.Number)
		}
	}
	return row
}

// signed is a number of rows with a sign, empty for none.
func signed(sign string, n int64) string {
	if n == 0 {
		return ""
	}
	return sign + ui.Number(n)
}

// who is an actor: a person, or a token where there is none.
func who(name string, person int64) ui.Who {
	w := ui.Who{Name: name}
	if person == 0 {
		w.Kind = "token"
	}
	return w
}

// dayOf names a day as a heading.
func (c *Console) dayOf(t time.Time, loc *time.Location) string {
	date := func(t time.Time) time.Time { // one that can be subtracted across changes of the clock
		y, m, d := t.In(loc).Date()
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	}
	day, today := date(t), date(c.app.DB.Now())
	name := day.Format("2 January 2006")
	switch today.Sub(day) {
	case 0:
		return "Today, " + name
	case 24 * time.Hour:
		return "Yesterday, " + name
	}
	return name
}

// operation says in words what made a version.
func operation(v storage.Version) string {
	words := map[string]string{
		storage.TableCreate: "First load", storage.TableImport: "Load", storage.TableDefinitionCreate: "Definition", storage.TableColumnAdd: "Add a column",
		storage.TableColumnDelete: "Drop a column", storage.TableColumnRename: "Rename a column", storage.TableKeyAdd: "Set the primary key",
		storage.TableKeyDelete: "Remove the primary key", storage.TableRowsDelete: "Delete rows", storage.TableCopy: "Copy",
	}
	switch {
	case v.Operation == storage.TableRevert && v.Source != 0:
		return "Revert to version " + itoa(v.Source)
	case words[v.Operation] != "":
		return words[v.Operation]
	}
	return v.Operation
}

// columnChangesOf says in which columns and key a version differs from the one before.
func columnChangesOf(before, after storage.Version) []string {
	var out []string
	added, dropped := without(after.Columns, before.Columns), without(before.Columns, after.Columns)
	if after.Operation == storage.TableColumnRename && len(added) == 1 && len(dropped) == 1 {
		out = append(out, fmt.Sprintf("column %s is now %s", shortName(dropped[0]), shortName(added[0])))
	} else {
		out = append(out, columnsText(added, "added")...)
		out = append(out, columnsText(dropped, "dropped")...)
	}
	if !slices.Equal(before.Key, after.Key) {
		out = append(out, "primary key "+shortName(keyText(after.Key)))
	}
	return out
}

func columnsText(names []string, how string) []string {
	switch len(names) {
	case 0:
		return nil
	case 1:
		return []string{"column " + shortName(names[0]) + " " + how}
	}
	return []string{ui.Count(int64(len(names)), "column", "columns") + " " + how}
}

// shortName is the beginning of a long name, for a line among others.
func shortName(name string) string {
	if r := []rune(name); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return name
}

func keyText(key []string) string {
	if len(key) == 0 {
		return "none"
	}
	return strings.Join(key, ", ")
}

// without gives the names that are not among others, in their order.
func without(names, others []string) []string {
	there := map[string]bool{}
	for _, n := range others {
		there[n] = true
	}
	var out []string
	for _, n := range names {
		if !there[n] {
			out = append(out, n)
		}
	}
	return out
}

// madeBy says in one line what made a version, and when.
func madeBy(v storage.Version) string {
	return operation(v) + " by " + v.ActorName + ", " + ui.Exact(v.CreatedAt, utc).Title
}

// Reverting

// revertTarget is what a table may go back to: a version or a snapshot.
type revertTarget struct {
	state  storage.Version
	name   string // "version 212"
	lede   string
	action string
	copy   string
	cancel string
}

func (c *Console) versionTarget(tx *db.Tx, s access.Project, t storage.Table, number int64) (revertTarget, error) {
	v, err := c.app.Storage.Version(tx, s, t, number)
	if err != nil {
		return revertTarget{}, err
	}
	switch {
	case !v.Kept():
		return revertTarget{}, storage.RowsGone(number)
	case number == t.Version:
		return revertTarget{}, fault.Newf(fault.Conflict, "storage.versions.current", "Table %s is at version %d already.", t.TextID, number)
	}
	return revertTarget{state: v, name: "version " + itoa(number), lede: madeBy(v), action: paths.VersionRevert(s.ID(), t.TextID, number),
		copy: paths.VersionCopy(s.ID(), t.TextID, number), cancel: paths.TableVersions(s.ID(), t.TextID)}, nil
}

func (c *Console) versionRevert(ec echo.Context, s access.Project) error {
	number, err := number(ec, "version")
	if err != nil {
		return err
	}
	return c.revertPage(ec, s, http.StatusOK, nil, func(tx *db.Tx, t storage.Table) (revertTarget, error) { return c.versionTarget(tx, s, t, number) })
}

func (c *Console) versionRevertSubmit(ec echo.Context, s access.Project) error {
	number, err := number(ec, "version")
	if err != nil {
		return err
	}
	return c.revert(ec, s, paths.TableVersions(s.ID(), ec.Param("table")),
		func(tx *db.Tx, from int64) (jobs.Job, error) {
			return c.app.Storage.Revert(tx, s, ec.Param("table"), number, from)
		},
		func(tx *db.Tx, t storage.Table) (revertTarget, error) { return c.versionTarget(tx, s, t, number) })
}

// revert enqueues what ask asks for, on the ground of the version that the form names,
// and goes to next when it is done. A table that moved on meanwhile is looked at again.
func (c *Console) revert(ec echo.Context, s access.Project, next string, ask func(tx *db.Tx, from int64) (jobs.Job, error), find func(*db.Tx, storage.Table) (revertTarget, error)) error {
	f, err := form(ec, "from")
	if err != nil {
		return err
	}
	from, err := strconv.ParseInt(f["from"], 10, 64)
	if err != nil {
		return c.revertPage(ec, s, http.StatusUnprocessableEntity, ui.Errors{"": "Look at what would change first."}, find)
	}
	var j jobs.Job
	if err := c.provedForLarge(ec, s); err != nil {
		return err
	}
	err = c.update(ec, func(tx *db.Tx) (err error) { j, err = ask(tx, from); return err })
	switch {
	case fault.HasCode(err, "storage.tables.moved"):
		return c.revertPage(ec, s, http.StatusUnprocessableEntity, ui.Errors{"": fault.Of(err).Message}, find)
	case fault.Is(err, fault.Conflict):
		return c.refused(ec, err, next)
	case err != nil:
		return err
	}
	return c.await(ec, s, j, next)
}

// largeTable is how many rows make a table one that is not turned back on a whim.
const largeTable = 1_000_000

// provedForLarge asks for a recent proof of who it is before a large table goes back.
func (c *Console) provedForLarge(ec echo.Context, s access.Project) error {
	var t storage.Table
	err := c.view(ec, func(tx *db.Tx) (err error) { t, err = c.app.Storage.Table(tx, s, ec.Param("table")); return err })
	if err != nil || t.Rows < largeTable {
		return err
	}
	return c.gate.Proved(ec)
}

// revertPage shows what going back would change.
func (c *Console) revertPage(ec echo.Context, s access.Project, status int, errs ui.Errors, find func(*db.Tx, storage.Table) (revertTarget, error)) error {
	m := view.Revert{Key: key(), Errors: errs}
	var t storage.Table
	var now storage.Version
	var to revertTarget
	err := c.view(ec, func(tx *db.Tx) (err error) {
		if m.Table, t, _, err = c.tableHead(ec, tx, s); err != nil {
			return err
		}
		if to, err = find(tx, t); err != nil {
			return err
		}
		now, err = c.app.Storage.Version(tx, s, t, t.Version)
		return err
	})
	if err != nil {
		return err
	}
	m.Target, m.Lede, m.Action, m.CopyURL, m.CancelURL = to.name, to.lede, to.action, to.copy, to.cancel
	m.From, m.Next, m.Keep = itoa(t.Version), itoa(t.Version+1), "Keep version "+itoa(t.Version)
	m.RowsNow, m.RowsThen = ui.Number(t.Rows), ui.Number(to.state.Rows)
	d, err := c.compare(ec, s, t, now, to.state, counting)
	switch {
	case err == nil:
		m.Counted = true
		m.Rows = counts(d)
		m.Summary = revertText(d)
		m.Fates, m.KeyFate = revertFates(d, now, to.state)
		m.Samples = revertSamples(d, now, to.state)
	case errors.Is(err, errTooLong), fault.HasCode(err, "storage.previews.busy"):
		m.Summary = fmt.Sprintf("Counting which of the rows change would take too long here: the table has %s now, and %s then.", ui.Count(t.Rows, "row", "rows"), ui.Number(to.state.Rows))
		m.Fates, m.KeyFate = revertFates(byName(now, to.state), now, to.state)
	default:
		return err
	}
	m.Columns, m.Others = staying(now, m.Fates)
	return page(ec, status, view.RevertPage(m))
}

func staying(now storage.Version, fates []view.ColumnFate) (text, others string) {
	stay, all := len(now.Columns), len(now.Columns)
	for _, f := range fates {
		if f.Before != "" {
			stay--
		}
	}
	if stay == all && len(fates) == 0 {
		return "All columns stay.", "All columns"
	}
	text = fmt.Sprintf("%s of %s stay.", ui.Number(int64(stay)), ui.Count(int64(all), "column", "columns"))
	if stay == 0 {
		return text, ""
	}
	return text, ui.Count(int64(stay), "other", "others")
}

// Copying

func (c *Console) versionCopy(ec echo.Context, s access.Project) error {
	number, err := number(ec, "version")
	if err != nil {
		return err
	}
	return c.copyPage(ec, s, storage.Source{Table: ec.Param("table"), Version: number}, http.StatusOK, nil, nil)
}

func (c *Console) versionCopySubmit(ec echo.Context, s access.Project) error {
	number, err := number(ec, "version")
	if err != nil {
		return err
	}
	return c.copyTable(ec, s, storage.Source{Table: ec.Param("table"), Version: number})
}

// copyTable makes a new table of a version or a snapshot.
func (c *Console) copyTable(ec echo.Context, s access.Project, from storage.Source) error {
	f, err := form(ec, "bucket", "table")
	if err != nil {
		return err
	}
	var j jobs.Job
	err = c.update(ec, func(tx *db.Tx) (err error) {
		j, err = c.app.Storage.Copy(tx, s, from, f["bucket"], f["table"])
		return err
	})
	if errs, ok := fieldErrors(err); ok && !gone(err) {
		return c.copyPage(ec, s, from, http.StatusUnprocessableEntity, f, errs)
	}
	if err != nil {
		return err
	}
	return c.await(ec, s, j, paths.Table(s.ID(), j.Table))
}

// copyPage draws the form of a copy, with what was sent or with a name that says what
// it is a copy of.
func (c *Console) copyPage(ec echo.Context, s access.Project, from storage.Source, status int, in map[string]string, errs ui.Errors) error {
	m := view.Copy{Key: key(), Errors: errs}
	var buckets []storage.Bucket
	var t storage.Table
	suffix := ""
	err := c.view(ec, func(tx *db.Tx) (err error) {
		if m.Table, t, _, err = c.tableHead(ec, tx, s); err != nil {
			return err
		}
		if suffix, err = c.copySource(tx, s, t, from, &m); err != nil {
			return err
		}
		buckets, err = c.app.Storage.Buckets(tx, s, storage.BucketFilter{Limit: 500})
		return err
	})
	if err != nil {
		return err
	}
	m.Bucket.Value, m.Name = t.Bucket, t.Name[:min(len(t.Name), storage.NameMax-len(suffix))]+suffix
	if in != nil {
		m.Bucket.Value, m.Name = in["bucket"], in["table"]
	}
	for _, b := range buckets {
		if b.SourceBucket == 0 {
			m.Bucket.Options = append(m.Bucket.Options, ui.Option{Value: b.TextID, Label: b.TextID})
		}
	}
	if !slices.ContainsFunc(m.Bucket.Options, func(o ui.Option) bool { return o.Value == t.Bucket }) && len(buckets) == 500 { // beyond what is offered
		m.Bucket.Options = append(m.Bucket.Options, ui.Option{Value: t.Bucket, Label: t.Bucket})
	}
	return page(ec, status, view.CopyPage(m))
}

// copySource describes what is copied, and gives the end of the copy's name.
func (c *Console) copySource(tx *db.Tx, s access.Project, t storage.Table, from storage.Source, m *view.Copy) (suffix string, err error) {
	if from.Snapshot != 0 {
		sn, err := c.app.Storage.Snapshot(tx, s, t, from.Snapshot)
		m.Source, m.Lede, m.Action, m.CancelURL = "snapshot "+itoa(sn.ID), snapshotText(sn), paths.SnapshotCopy(s.ID(), t.TextID, sn.ID), paths.TableSnapshots(s.ID(), t.TextID)
		return "_" + sn.CreatedAt.In(utc).Format("20060102150405"), err
	}
	v, err := c.app.Storage.Version(tx, s, t, from.Version)
	if err == nil && !v.Kept() {
		err = storage.RowsGone(v.Number)
	}
	m.Source, m.Lede, m.Action, m.CancelURL = "version "+itoa(v.Number), madeBy(v), paths.VersionCopy(s.ID(), t.TextID, v.Number), paths.TableVersions(s.ID(), t.TextID)
	return "_v" + itoa(v.Number), err
}

// errTooLong says that a comparison did not end within its time.
var errTooLong = errors.New("console: the comparison takes too long")

var errStopping = fault.New(fault.Unavailable, "server.stopping", "The server is stopping. Load the page again in a few seconds.")

// counting is how long a page waits for the count of what a revert would change.
const counting = 2 * time.Second

// beat is how often a request that goes on makes sure that it still may.
const beat = 10 * time.Second

// lasting runs work that may take long: the connection's deadline moves with it, and it
// ends when the reader leaves or may not read any more, or when the server stops.
func (c *Console) lasting(ec echo.Context, work func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ec.Request().Context())
	defer cancel(nil)
	defer context.AfterFunc(c.stopping, func() { cancel(errStopping) })()
	ended := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		tick := time.NewTicker(beat)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				return
			case <-tick.C:
				if err := extend(ec); err != nil {
					cancel(err)
					return
				}
			}
		}
	}()
	err := work(ctx)
	close(ended)
	<-watched
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
