package main

import (
	"fmt"
	"strings"
	"time"

	"steward/views/storage"
	"steward/views/ui"
)

const description = `# Customers of all shops

One row per customer, from the shop **every hour**. The job that loads it is described in
[the handbook](https://handbook.example/loads).

- ` + "`customer_id`" + ` is the shop's number
- ` + "`lifetime_value`" + ` is in euros, without VAT
  1. returns are taken off
  2. vouchers are not

> Ask the data office before you share anything of this.

` + "```sql" + `
SELECT country, count(*) FROM customers GROUP BY country;
` + "```" + `
<script>alert("shown as text")</script>`

func notes() []storage.Note {
	del := storage.NoteDelete{Action: "/projects/1042/storage/tables/in.c-crm.customers/metadata/delete", Key: "k1"}
	return []storage.Note{
		{Name: "owner", Value: "data-office@northwind.example", Provider: "user", Changed: ago(3 * day), By: hana, ChangeURL: "/table-settings?field=0&note=owner#note", Delete: del},
		{Name: "createdBy.component", Value: "shop-extractor", Provider: "system", Changed: ago(678 * day), By: system},
		{Column: "email", Name: "pii", Value: "yes", Provider: "user", Changed: ago(time.Hour), By: marcus, ChangeURL: "/table-settings?field=2&note=pii#note", Delete: del},
	}
}

func settings() storage.Settings {
	const base = "/projects/1042/storage/tables/in.c-crm.customers"
	t := customersTable()
	return storage.Settings{
		Table:       t,
		Description: storage.Described{Text: description, Draft: description, Action: base + "/description", Key: "k1"},
		Notes: storage.Notes{List: notes(), Names: customerColumns(), Action: base + "/metadata", Key: "k2", Pager: ui.Pager{Text: "3 values on this page"},
			Download: ui.Download{CSV: "/table-settings?format=csv", JSON: "/table-settings?format=json"}},
		Key: storage.TableKey{Columns: []string{"customer_id"}, Names: customerColumns(), Remove: ui.Confirm{Question: "Remove the primary key of customers?", Action: base + "/key/delete",
			Verb: "Remove key", Keep: "Keep key", Key: "k3", Consequence: "Rows and columns stay. Loads that add rows no longer find the rows they should change, and may bring the same row twice."}},
		Truncate: ui.Confirm{Question: "Delete all rows of customers?", Action: base + "/truncate", Verb: "Delete 1,284,907 rows", Keep: "Keep rows", Key: "k4", Fields: []ui.Pair{{Name: "from", Value: "186"}},
			Consequence: "1,284,907 rows go; columns, key and description stay. Version 186 keeps the rows for 30 days: until then you can undo this."},
		Drop: ui.Confirm{Question: "Drop table customers?", Action: base + "/delete", Verb: "Drop table", Keep: "Keep table", Key: "k5",
			Consequence: "Nobody can read or load in.c-crm.customers any more. The trash keeps it for 30 days with its 1,284,907 rows, versions and snapshots; until then you can undo this."},
		RowsURL: "/table-rows-delete",
	}
}

func changeScreens() []Screen {
	bare := settings()
	bare.Table.Shell.Flash, bare.Table.Shell.Undo.Action, bare.Table.Shell.Undo.Key = "The description is saved.", "/projects/1042/storage/tables/in.c-crm.customers/description", "k9"
	bare.Description.Text, bare.Description.Draft, bare.Notes.List, bare.Truncate = "", "", nil, ui.Confirm{}
	bare.Key = storage.TableKey{Action: "/projects/1042/storage/tables/in.c-crm.customers/key", MoreURL: "/table-settings-bare#primary-key", Key: "k3", Places: []string{"", "", ""}, Names: customerColumns()}
	faulty := bare
	faulty.Table.Shell = inside()
	faulty.Key.Places, faulty.Key.Errors = []string{"email", "email", ""}, ui.Errors{"key": "Column \"email\" is chosen twice."}
	noted := settings()
	noted.Notes.Draft = storage.Note{Column: "email", Name: " pii ", Value: "yes"}
	noted.Notes.Errors = ui.Errors{"note-key": "Enter a key without spaces at its ends or control characters."}
	reader := settings()
	reader.Table = longTable()
	reader.Description, reader.Notes.Action, reader.Notes.List, reader.Key.Remove = storage.Described{Text: longest}, "", notes()[1:2], ui.Confirm{}
	reader.Notes.List = append(reader.Notes.List, storage.Note{Column: longest, Name: strings.Repeat("key", 60), Value: strings.Repeat("a long value ", 60), Provider: "user", Changed: ago(day), By: partner})
	many := settings()
	many.Key = bare.Key
	many.Key.Names, many.Notes.Names = nil, nil
	for i := range 300 {
		many.Key.Names = append(many.Key.Names, fmt.Sprintf("measure_%03d", i+1))
	}
	many.Notes.Names = many.Key.Names

	columns := changedColumns()
	faultyColumn := changedColumns()
	faultyColumn.Change.Value, faultyColumn.Change.Errors = "phone", ui.Errors{"newName": "The table has a column of this name already."}

	const rowsURL = "/projects/1042/storage/tables/in.c-crm.customers/rows/delete"
	rows := storage.RowsDelete{Table: customersTable(), URL: rowsURL, Key: "k1", Names: customerColumns(), Operators: operators(), AllURL: "/table-settings#danger"}
	counted := rows
	counted.Conditions = []storage.Condition{{Column: "country", Op: "eq", Value: "CZ", As: "text"}, {Column: "lifetime_value", Op: "lt", Value: "1", As: "number"}}
	counted.Count, counted.Of, counted.From, counted.Rows, counted.Note = "1,204 rows", "1,284,907", "186", customers(), "The first 12 of them"
	for _, name := range customerColumns() {
		counted.Columns = append(counted.Columns, storage.GridColumn{Name: name})
	}
	moved := counted
	moved.Moved = "Table in.c-crm.customers is at version 186 now, no longer at 185. Look at what would change again."
	nothing := counted
	nothing.None, nothing.Count = true, "0 rows"
	wrong := rows
	wrong.Conditions, wrong.Errors = counted.Conditions, ui.Errors{"": "Enter a number to compare as a number."}

	export := storage.Export{Table: customersTable(), URL: "/projects/1042/storage/tables/in.c-crm.customers/export", Key: "k1", Names: customerColumns(), Operators: operators(), Format: "csv"}
	filtered := export
	filtered.Conditions, filtered.Order, filtered.Chosen = counted.Conditions, storage.Order{Column: "lifetime_value", Direction: "desc", As: "number"}, []string{"customer_id", "email"}
	filtered.Since, filtered.Limit, filtered.Format, filtered.Formulas = "2026-11-01T06:00", "many", "csv.gz", true
	filtered.Errors = ui.Errors{"limit": "Enter a number of rows, or leave it empty."}

	form := storage.TableForm{Shell: inside(), StorageURL: "/buckets", Action: "/projects/1042/storage/tables", CancelURL: "/bucket", LoadURL: "/load-target", Key: "k1",
		Buckets: []ui.Option{{Value: "", Label: "Choose a bucket"}, {Value: "in.c-crm", Label: "in.c-crm"}, {Value: longID, Label: longID}}, Bucket: "in.c-crm"}
	faultyForm := form
	faultyForm.Bucket, faultyForm.Table, faultyForm.Columns, faultyForm.KeyColumns = "", "visits 2026", "visit_id\ncustomer_id\nvisit_id", "visit"
	faultyForm.Errors = ui.Errors{"bucket": "There is no such bucket. Choose another one.", "table": "Use only letters, digits, - and _.", "columns": "The name \"visit_id\" stands there twice.", "key": "The key names \"visit\", which is no column."}

	bucket := storage.BucketDelete{Shell: inside(), StorageURL: "/buckets", BucketURL: "/bucket", ID: "in.c-crm", Action: "/projects/1042/storage/buckets/in.c-crm/delete", Key: "k1",
		Seen: "1204", TableCount: "1,204", Tables: "1,204 tables", Rows: "3,918,220", Size: "1.2 GB", Names: []string{"customers", "customer_addresses", long, "segments"}, More: "and 1,200 more", Kept: "30 days"}
	typed := bucket
	typed.Errors = ui.Errors{"confirm": "Type the bucket’s id, in.c-crm, to delete it."}

	return []Screen{
		ok("table-settings", "Table, settings", storage.SettingsPage(settings())),
		ok("table-settings-bare", "Table, settings, nothing said yet", storage.SettingsPage(bare)),
		refused("table-settings-key", "Table, settings, key refused", storage.SettingsPage(faulty)),
		refused("table-settings-note", "Table, settings, note refused", storage.SettingsPage(noted)),
		ok("table-settings-many", "Table, settings, many columns", storage.SettingsPage(many)),
		ok("table-settings-reader", "Table, settings, long, read only", storage.SettingsPage(reader)),
		ok("table-columns-change", "Table, columns, one chosen", storage.ColumnsPage(columns)),
		refused("table-columns-errors", "Table, columns, name refused", storage.ColumnsPage(faultyColumn)),
		ok("table-rows-delete", "Delete rows, no conditions", storage.RowsDeletePage(rows)),
		ok("table-rows-delete-counted", "Delete rows, counted", storage.RowsDeletePage(counted)),
		refused("table-rows-delete-moved", "Delete rows, the table moved on", storage.RowsDeletePage(moved)),
		ok("table-rows-delete-none", "Delete rows, none fits", storage.RowsDeletePage(nothing)),
		refused("table-rows-delete-errors", "Delete rows, with an error", storage.RowsDeletePage(wrong)),
		ok("table-export", "Export", storage.ExportPage(export)),
		refused("table-export-errors", "Export, narrowed, with an error", storage.ExportPage(filtered)),
		ok("table-new", "New table", storage.TableFormPage(form)),
		refused("table-new-errors", "New table, with errors", storage.TableFormPage(faultyForm)),
		ok("bucket-delete", "Delete a bucket", storage.BucketDeletePage(bucket)),
		refused("bucket-delete-errors", "Delete a bucket, wrong name", storage.BucketDeletePage(typed)),
		ok("job-export", "Job, an export", storage.JobPage(exportJob())),
		ok("job-duplicates", "Job, a refused key", storage.JobPage(duplicatesJob())),
	}
}

func changedColumns() storage.Columns {
	m := storage.Columns{Table: customersTable(), Description: description, ChangedBy: marcus, ChangedJob: ui.Link{Label: "Job 84210", URL: "/job-success"},
		Download: ui.Download{CSV: "/table-columns?format=csv", JSON: "/table-columns?format=json"},
		Add:      storage.ColumnAdd{Action: "/projects/1042/storage/tables/in.c-crm.customers/columns", Key: "k1"}}
	for i, name := range customerColumns() {
		row := storage.ColumnRow{Number: fmt.Sprint(i + 1), Name: name, Nulls: ui.Number(int64(i * 1204)), ChangeURL: "/table-columns-change?column=" + fmt.Sprint(i+1) + "#change", Chosen: i == 2}
		switch i {
		case 0:
			row.Key = "1"
		case 2:
			row.Notes = []storage.Fact{{Term: "pii", Value: "yes"}, {Term: "source", Value: "shop"}}
		}
		m.List = append(m.List, row)
	}
	m.Change = &storage.ColumnChangeForm{Name: m.List[2].Name, RenameURL: "/projects/1042/storage/tables/in.c-crm.customers/columns/rename", Key: "k2", Value: m.List[2].Name, CloseURL: "/table-columns", NoteURL: "/table-settings?field=3#note",
		Drop: ui.Confirm{Question: "Drop column " + m.List[2].Name + "?", Action: "/projects/1042/storage/tables/in.c-crm.customers/columns/delete", Verb: "Drop column", Keep: "Keep column", Key: "k3", Fields: []ui.Pair{{Name: "column", Value: m.List[2].Name}},
			Consequence: "Its values in 1,284,907 rows of customers go with it. Version 186 keeps them for 30 days: until then you can undo this."}}
	return m
}

func exportJob() storage.Job {
	card := storage.JobCard{
		ID: "84220", Title: "Export customers", State: ui.Success, Created: exact(4 * time.Minute), Started: exact(4 * time.Minute), Ended: exact(3 * time.Minute), Duration: "6.1 s",
		Operation: "tableExport", Table: storage.JobTable{Link: ui.Link{Label: "in.c-crm.customers", URL: "/table-columns"}}, RunID: "84220", Transfer: "61.4 MB", Creator: marcus, Params: "{\n  \"fileType\": \"csv.gz\"\n}", Results: "{\n  \"rows\": 1204\n}",
		Rows: []ui.Stat{{Label: "Rows", Figure: "1,284,907"}, {Label: "Data", Figure: "412 MB"}, {Label: "Version", Figure: "186"}},
		Made: storage.JobFile{Name: "customers-v186.csv.gz (file 55131)", Size: "61.4 MB", SHA256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", URL: "/files/55131"},
		Next: storage.JobNext{Since: exact(4 * time.Minute), URL: "/table-export"},
	}
	return storage.Job{Shell: inside(), JobsURL: "/storage-jobs", SelfURL: "/job-export", Card: card}
}

func duplicatesJob() storage.Job {
	card := storage.JobCard{
		ID: "84221", Title: "Set the primary key of customers", State: ui.Error, Created: exact(4 * time.Minute), Started: exact(4 * time.Minute), Ended: exact(3 * time.Minute), Duration: "1.2 s",
		Operation: "tablePrimaryKeyAdd", Table: storage.JobTable{Link: ui.Link{Label: "in.c-crm.customers"}, Now: ui.Link{Label: "no longer exists"}}, RunID: "84221", Creator: marcus, Params: "{\n  \"columns\": [\n    \"email\"\n  ]\n}",
		Error: storage.JobError{Message: `The primary key of table in.c-crm.customers cannot be "email": 14 values stand in more than one row each. 17 rows are too many.`, Code: "storage.tables.duplicates",
			Details: []string{`"ada@northwind.example": 3 rows`, `no value: 2 rows`, `"` + longest[:80] + `…": 2 rows`, "and 11 more"},
			Retry:   ui.Button{Label: "Choose another key", URL: "/table-settings-bare#primary-key", Icon: "key-round", Small: true}},
	}
	return storage.Job{Shell: inside(), JobsURL: "/storage-jobs", SelfURL: "/job-duplicates", Card: card}
}

func trashScreens() []Screen {
	row := func(id, kind, name, tables, rows, size string, who ui.Who, dropped time.Duration) storage.TrashRow {
		const base = "/projects/1042/trash/"
		bucket, label := "", name
		if i := strings.LastIndexByte(name, '.'); kind == "table" {
			bucket, label = name[:i], name[i+1:]
		}
		return storage.TrashRow{ID: id, Kind: kind, Name: name, Label: label, Bucket: bucket, Tables: tables, Rows: rows, Size: size, By: who, Job: ui.Link{Label: "Job 84218", URL: "/job-success"}, Dropped: ago(dropped), Until: ago(dropped - 30*day),
			Restore: storage.TrashAction{Action: base + id + "/restore", Key: "k1"},
			Purge: ui.Confirm{Question: "Purge " + kind + " " + name + " for good?", Action: base + id + "/purge", Verb: "Purge " + kind, Keep: "Keep it", Key: "k2", Typed: name,
				Consequence: rows + " rows, all versions and snapshots are gone for good then. Nobody can bring them back."}}
	}
	m := storage.Trash{Shell: inside(), Kept: "30 days", Pager: ui.Pager{Text: "3 things on this page"}, Download: ui.Download{CSV: "/trash?format=csv", JSON: "/trash?format=json"}, List: []storage.TrashRow{
		row("17", "table", "in.c-crm.segments", "1", "6", "4 KB", hana, 20*time.Minute),
		row("16", "bucket", "out.c-reporting", "204", "91,340,008", "32.9 GB", marcus, 2*day),
		row("15", "table", longID+"."+long, "1", "1,284,907", "412 MB", partner, 29*day),
	}}
	reader := m
	reader.List = nil
	for _, r := range m.List {
		r.Restore, r.Purge = storage.TrashAction{}, ui.Confirm{}
		reader.List = append(reader.List, r)
	}
	name := storage.TrashAnswer{Shell: inside(), TrashURL: "/trash", Kind: "table", Name: "in.c-crm.segments", Action: "/projects/1042/trash/17/restore", Key: "k1", Bucket: "in.c-crm", Value: "segments",
		Errors: ui.Errors{"name": "There is a table in.c-crm.segments now. Give the restored one another name."}}
	purge := name
	purge.Purge, purge.Action, purge.Consequence = true, "/projects/1042/trash/17/purge", m.List[0].Purge.Consequence
	purge.Errors = ui.Errors{"confirm": "Type in.c-crm.segments to purge it."}
	return []Screen{
		ok("trash", "Trash", storage.TrashPage(m)),
		ok("trash-reader", "Trash, read only", storage.TrashPage(reader)),
		ok("trash-empty", "Trash, empty", storage.TrashPage(storage.Trash{Shell: inside(), Kept: "30 days"})),
		refused("trash-restore", "Trash, another name", storage.TrashAnswerPage(name)),
		refused("trash-purge", "Trash, wrong name", storage.TrashAnswerPage(purge)),
	}
}
