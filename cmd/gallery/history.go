package main

import (
	"fmt"
	"strings"
	"time"

	"steward/views/storage"
	"steward/views/ui"
)

// originRows are rows whose first cells lead to where they came from.
func originRows(rows [][]ui.Value) []storage.GridRow {
	out := storage.GridRows(rows)
	for i := range out {
		out[i].URL = "/table-origin?row=" + rows[i][0].Text + "#origin"
	}
	return out
}

func version(number int, operation string, by ui.Who, at time.Duration) storage.VersionRow {
	n := fmt.Sprint(number)
	return storage.VersionRow{
		Number: n, Operation: operation, Time: ui.Clock(now().Add(-at), prague()), Job: ui.Link{Label: fmt.Sprintf("job %d", 84000+number), URL: "/job-success"}, By: by, Rows: "1,284,890",
		PreviewURL: "/table-preview-version", CompareURL: "/table-compare", CompareNowURL: "/table-compare", RevertURL: "/table-revert", CopyURL: "/table-copy",
	}
}

func versions() storage.Versions {
	latest := version(214, "Load", marcus, 7*time.Minute)
	latest.Now, latest.Added, latest.Changed, latest.Changes, latest.RevertURL, latest.CompareNowURL = true, "+17", "~20,311", []string{"column consent added"}, "", ""
	deleted := version(213, "Delete rows", hana, 5*time.Hour)
	deleted.Removed = "−1,204"
	nightly := version(212, "Load", loader, 17*time.Hour)
	nightly.Added, nightly.Changed = "+412", "~18,220"
	back := version(211, "Revert to version 208", marcus, 35*time.Hour)
	back.Added, back.Removed, back.Changed = "+302", "−17", "~1,284,087"
	pinned := version(210, "Load", partner, 36*time.Hour)
	pinned.Snapshots, pinned.Added = []string{"Before segment rework", "Nightly 2026-11-20"}, "+17"
	first := version(1, "First load", hana, 40*day)
	first.Expired, first.PreviewURL, first.CompareURL, first.CompareNowURL, first.RevertURL, first.CopyURL, first.Added = true, "", "", "", "", "", "+1,284,890"
	t := customersTable()
	t.Version = "214"
	return storage.Versions{
		Table: t,
		Days: []storage.VersionDay{
			{Title: "Today, 21 November 2026", Rows: []storage.VersionRow{latest, deleted, nightly}},
			{Title: "Yesterday, 20 November 2026", Rows: []storage.VersionRow{back, pinned}},
			{Title: "12 October 2026", Rows: []storage.VersionRow{first}},
		},
		Compare:  storage.CompareForm{URL: "/table-compare", Before: "213", After: "214", Newest: "214"},
		Pager:    ui.Pager{Text: "Versions 1 to 214 of 214, newest first", Next: ui.Link{Label: "Older versions", URL: "/table-versions?before=1"}},
		Download: ui.Download{CSV: "/table-versions?format=csv", JSON: "/table-versions?format=json"},
	}
}

func manyVersions() storage.Versions {
	m := storage.Versions{Table: longTable(), Compare: storage.CompareForm{URL: "/table-compare", Before: "1099", After: "1100", Newest: "1100"}, Pager: ui.Pager{Text: "Versions 1,051 to 1,100 of 1,100, newest first", Next: ui.Link{Label: "Older versions", URL: "/table-versions-many"}}}
	for d := range 5 {
		var rows []storage.VersionRow
		for i := range 10 {
			v := version(1100-d*10-i, "Load", []ui.Who{marcus, loader, partner}[i%3], time.Duration(i)*time.Hour)
			v.RevertURL, v.CopyURL, v.Rows, v.Added, v.Removed = "", "", "1,284,907,000", "+1,284,907,000", "−1,284,890,000"
			if i == 4 {
				v.Changes = []string{"column " + longest[:60] + "… added", "12 columns dropped", "primary key " + long + ", customer_id"}
				v.Snapshots = []string{longest, "Quarter"}
			}
			rows = append(rows, v)
		}
		m.Days = append(m.Days, storage.VersionDay{Title: fmt.Sprintf("%d November 2026", 21-d), Rows: rows})
	}
	return m
}

func whole(rows [][]ui.Value) [][]storage.DiffCell {
	var out [][]storage.DiffCell
	for _, r := range rows {
		cells := make([]storage.DiffCell, len(r))
		for i, v := range r {
			cells[i].After = v
		}
		out = append(out, cells)
	}
	return out
}

func sampleColumns() []storage.GridColumn {
	var out []storage.GridColumn
	for i, name := range customerColumns() {
		c := storage.GridColumn{Name: name}
		if i == 0 {
			c.Note = "primary key"
		}
		out = append(out, c)
	}
	return out
}

func changedSample() storage.Sample {
	rows := whole(customers()[:4])
	rows[0][3] = storage.DiffCell{Before: ui.Value{Text: "GB"}, After: ui.Value{Text: "IE"}, Changed: true}
	rows[1][3] = storage.DiffCell{Before: ui.Value{Text: "VN"}, After: ui.Value{Null: true}, Changed: true}
	rows[2][4] = storage.DiffCell{Before: ui.Value{Null: true}, After: ui.Value{Text: "at risk"}, Changed: true}
	rows[3][5] = storage.DiffCell{Before: ui.Value{Text: strings.Repeat("a long note ", 40)}, After: ui.Value{}, Changed: true}
	return storage.Sample{ID: "rows-changed", Title: "Rows changed", Note: "First 4 of 20,311 rows", Columns: sampleColumns(), Rows: rows}
}

func comparison() storage.Comparison {
	v := versions()
	return storage.Comparison{
		Table: v.Table, Form: v.Compare, How: "Rows are told apart by the primary key: customer_id.", RevertText: "Revert to version 213", RevertURL: "/table-revert",
		Before:  storage.VersionFact{Number: "213", Text: "Delete rows by Hana Dvořáková", Time: exact(5 * time.Hour), Rows: "1,284,890 rows", PreviewURL: "/table-preview-version"},
		After:   storage.VersionFact{Number: "214", Text: "Load by Marcus Oyelaran", Time: exact(7 * time.Minute), Rows: "1,284,907 rows", PreviewURL: "/table-preview"},
		Rows:    storage.Counts{Added: "1,221", Removed: "1,204", Changed: "20,311", Unchanged: "1,263,375"},
		Columns: []storage.ColumnFate{{Name: "consent", Fate: storage.Fate{After: "consent", Tone: "plus", Text: "Added"}}, {Name: "full_name", Fate: storage.Fate{Before: "name", After: "full_name", Tone: "change", Text: "Renamed"}}, {Name: longest, Fate: storage.Fate{Before: longest, Tone: "minus", Text: "Dropped"}}},
		Key:     storage.Fate{Before: "customer_id, country", After: "customer_id", Tone: "change", Text: "Changed"},
		Samples: []storage.Sample{changedSample(), {ID: "rows-added", Title: "Rows added", Note: "First 3 of 1,221 rows", Columns: sampleColumns(), Rows: whole(customers()[4:7])}, {ID: "rows-removed", Title: "Rows removed", Note: "First 3 of 1,204 rows", Columns: sampleColumns(), Rows: whole(customers()[7:10])}},
	}
}

func revert() storage.Revert {
	come := storage.Sample{ID: "rows-added", Title: "Show 3 of the rows that come back", Columns: sampleColumns(), Rows: whole(customers()[4:7])}
	changed := changedSample()
	changed.Title = "Show 4 of the rows that get their old values"
	return storage.Revert{
		Table: versions().Table, Target: "version 212", Lede: "Load by Nightly loader, 21 Nov 2026, 06:00:41 CET", Action: "/table-revert", Key: "k1", From: "214", Next: "215",
		Counted: true, Summary: "1,204 rows come back, 17 go, 20,311 get their old values.", Columns: "7 of 8 columns stay.",
		Rows: storage.Counts{Added: "1,204", Removed: "17", Changed: "20,311", Unchanged: "1,264,579"}, RowsNow: "1,284,907", RowsThen: "1,286,094",
		Fates: []storage.ColumnFate{{Name: "consent", Fate: storage.Fate{Before: "consent", Tone: "minus", Text: "Goes, with its values"}}}, Others: "7 others",
		KeyFate: storage.Fate{Before: "none", After: "customer_id", Tone: "change", Text: "Becomes customer_id"},
		Samples: []storage.Sample{come, changed}, Keep: "Keep version 214", CancelURL: "/table-versions", CopyURL: "/table-copy",
	}
}

func snapshotRow(id, description, version string, by ui.Who, at time.Duration) storage.SnapshotRow {
	return storage.SnapshotRow{
		ID: id, Description: description, Version: version, Rows: "1,284,890", Created: ago(at), Creator: by, RestoreURL: "/snapshot-restore", CopyURL: "/table-copy",
		Delete: ui.Confirm{ID: "delete-" + id, Question: "Delete snapshot " + id + " of customers?", Consequence: "The table stays as it is. Right after, and for as long as versions are kept, the deletion can be undone.", Action: "/snapshots", Verb: "Delete snapshot", Keep: "Keep snapshot", Key: "k" + id},
	}
}

func snapshots() storage.Snapshots {
	return storage.Snapshots{
		Table: versions().Table, Action: "/snapshots", Key: "k1",
		List: []storage.SnapshotRow{
			snapshotRow("31", "Before segment rework", "210", marcus, 36*time.Hour), snapshotRow("30", "", "208", loader, 40*time.Hour),
			snapshotRow("12", strings.Repeat("Stand vor der Umstellung ", 18), "12", partner, 300*day),
		},
		Pager: ui.Pager{Text: "3 snapshots on this page"}, Download: ui.Download{CSV: "/snapshots?format=csv", JSON: "/snapshots?format=json"},
	}
}

func origin() *storage.Origin {
	row := customers()[3]
	o := &storage.Origin{
		Title: "Where row 100485 came from", CloseURL: "/table-preview", VersionsURL: "/table-versions",
		Steps: []storage.OriginStep{
			{Text: "File received", Sub: "customers-2026-11-21.csv.gz", Time: ago(17 * time.Hour)}, {Text: "Asked for", Sub: "by Nightly loader", Time: ago(17 * time.Hour)},
			{Text: "Row written", Sub: "Load into customers", Time: ago(17*time.Hour - 2*time.Second)}, {Text: "Version 212", Time: ago(17*time.Hour - 3*time.Second)},
		},
		Written: exact(17 * time.Hour), Job: ui.Link{Label: "Job 84171, Load into customers", URL: "/job-success"}, By: loader, Version: ui.Link{Label: "Version 212", URL: "/table-preview-version"},
		File: ui.Link{Label: "customers-2026-11-21.csv.gz (file 55064), 95 MB", URL: "/file"}, SHA256: "9f2c41d07be3a8c5b60ad2f41c7e58930d1b6a2f8e4c97d35a01c8f26be7d4a4",
	}
	for i, name := range customerColumns() {
		o.Cells = append(o.Cells, storage.OriginCell{Column: name, Value: row[i]})
	}
	return o
}

// past is a preview of another version than the current one.
func past() *storage.Past {
	return &storage.Past{Number: "212", Newest: "214", Text: "Load by Nightly loader, 21 Nov 2026, 06:00:41 CET.", NowURL: "/table-preview", CompareURL: "/table-compare", RevertURL: "/table-revert", CopyURL: "/table-copy"}
}

func historyScreens() []Screen {
	one := versions()
	one.Days, one.Compare.Newest = []storage.VersionDay{{Title: "Today, 21 November 2026", Rows: []storage.VersionRow{one.Days[0].Rows[0]}}}, "1"

	same := comparison()
	same.Equal, same.RevertURL = true, ""
	unfit := storage.Comparison{Table: same.Table, Form: storage.CompareForm{URL: "/table-compare", Before: "0", After: "214", Newest: "214", Errors: ui.Errors{"before": "Enter a version from 1 to 214."}}}

	stale := revert()
	stale.Errors = ui.Errors{"": "Table in.c-crm.customers is at version 214 now, no longer at 213. Look at what would change again."}
	huge := revert()
	huge.Counted, huge.Samples = false, nil
	huge.Summary = "Counting which of the rows change would take too long here: the table has 1,284,907,000 rows now, and 1,284,890,000 then."
	huge.RowsNow, huge.RowsThen = "1,284,907,000", "1,284,890,000"
	restore := revert()
	restore.Table, restore.Target, restore.Lede, restore.Action = longTable(), "snapshot 31", "Version 210, kept by Marcus Oyelaran on 20 Nov 2026, 11:02:30 CET: "+longest, "/snapshot-restore"

	copied := storage.Copy{Table: one.Table, Source: "version 212", Lede: past().Text, Action: "/table-copy", CancelURL: "/table-versions", Key: "k1", Name: "customers_v212", Bucket: storage.Choice{Value: "in.c-crm", Options: []ui.Option{{Value: "in.c-crm", Label: "in.c-crm"}, {Value: longID, Label: longID}}}}
	taken := copied
	taken.Name, taken.Errors = "customers", ui.Errors{"table": "There is a table in.c-crm.customers already. Choose another name."}

	full := snapshots()
	full.Table, full.Action = longTable(), ""
	full.List = nil
	for i := range 20 {
		s := snapshotRow(fmt.Sprint(100-i), longest, "1,100", partner, time.Duration(i)*day)
		s.RestoreURL, s.Delete = "", ui.Confirm{}
		full.List = append(full.List, s)
	}
	full.Pager.Next = ui.Link{Label: "Older snapshots", URL: "/snapshots-full"}
	wordy := snapshots()
	wordy.Description, wordy.Errors = longest+longest, ui.Errors{"description": "Use at most 500 characters."}

	older := preview()
	older.Past = past()
	traced := preview()
	traced.Origin, traced.Rows[3].Selected = origin(), true
	lost := preview()
	lost.Past, lost.Origin = past(), &storage.Origin{Title: "Where the row came from", CloseURL: "/table-preview", VersionsURL: "/table-versions", Problem: "The rows of the table were stored anew meanwhile. Choose the row again."}
	wideRow := preview()
	wideRow.Origin = origin()
	wideRow.Origin.Title = "Where row " + longest[:40] + "… came from"
	wideRow.Origin.Version.Label, wideRow.Origin.Version.URL = "Version 212 of table "+longID+"."+long, ""
	wideRow.Origin.Cells = append(wideRow.Origin.Cells, storage.OriginCell{Column: longest, Value: ui.Value{Text: strings.Repeat("Delivered to the side door because nobody was at home. ", 60), Cut: "Only the first 16 kB are shown."}}, storage.OriginCell{Column: "empty", Value: ui.Value{}})

	return []Screen{
		ok("table-versions", "Table, versions", storage.VersionsPage(versions())),
		ok("table-versions-one", "Table, one version", storage.VersionsPage(one)),
		ok("table-versions-many", "Table, versions, many, read only", storage.VersionsPage(manyVersions())),
		ok("table-compare", "Table, two versions compared", storage.ComparisonPage(comparison())),
		ok("table-compare-same", "Table, two versions alike", storage.ComparisonPage(same)),
		refused("table-compare-errors", "Table, compare, with an error", storage.ComparisonPage(unfit)),
		ok("table-revert", "Table, revert", storage.RevertPage(revert())),
		ok("table-revert-huge", "Table, revert, not counted", storage.RevertPage(huge)),
		refused("table-revert-stale", "Table, revert, table moved on", storage.RevertPage(stale)),
		ok("table-copy", "Table, copy a version", storage.CopyPage(copied)),
		refused("table-copy-errors", "Table, copy, name taken", storage.CopyPage(taken)),
		ok("snapshots", "Table, snapshots", storage.SnapshotsPage(snapshots())),
		ok("snapshots-empty", "Table, no snapshot", storage.SnapshotsPage(storage.Snapshots{Table: one.Table, Action: "/snapshots", Key: "k1"})),
		ok("snapshots-full", "Table, snapshots, many, read only", storage.SnapshotsPage(full)),
		refused("snapshots-errors", "Table, snapshots, with an error", storage.SnapshotsPage(wordy)),
		ok("snapshot-restore", "Table, restore a snapshot", storage.RevertPage(restore)),
		ok("table-preview-version", "Table, data preview of a version", storage.PreviewPage(older)),
		ok("table-origin", "Table, where a row came from", storage.PreviewPage(traced)),
		ok("table-origin-long", "Table, where a row came from, long values", storage.PreviewPage(wideRow)),
		ok("table-origin-lost", "Table, a row that is not there any more", storage.PreviewPage(lost)),
	}
}
