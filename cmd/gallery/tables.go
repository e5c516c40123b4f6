package main

import (
	"fmt"
	"strings"
	"time"

	"steward/views/storage"
	"steward/views/ui"
)

func customersTable() storage.Table {
	return storage.Table{
		Shell: inside(), StorageURL: "/buckets", Bucket: ui.Link{Label: "in.c-crm", URL: "/bucket"}, ID: "in.c-crm.customers", Name: "customers",
		Rows: "1,284,907", Size: "412 MB", Columns: "8", Created: exact(678 * day), Changed: exact(7 * time.Minute),
		Version: "214", Snapshots: "3", Kept: "30 days",
		ColumnsURL: "/table-columns", PreviewURL: "/table-preview", VersionsURL: "/table-versions", SnapshotsURL: "/snapshots", EventsURL: "/table-events",
		SettingsURL: "/table-settings", ExportURL: "/table-export", LoadURL: "/load-target",
	}
}

func longTable() storage.Table {
	t := customersTable()
	t.Bucket.Label, t.Name, t.ID, t.LoadURL = longID, long+"_"+long, longID+"."+long+"_"+long, ""
	return t
}

func operators() []ui.Option {
	return []ui.Option{{Value: "eq", Label: "is"}, {Value: "ne", Label: "is not"}, {Value: "gt", Label: "is more than"}, {Value: "ge", Label: "is at least"}, {Value: "lt", Label: "is less than"}, {Value: "le", Label: "is at most"}}
}

func preview() storage.Preview {
	m := storage.Preview{
		Table: customersTable(), URL: "/table-preview", PlainURL: "/table-preview", Names: customerColumns(), Operators: operators(),
		Order: storage.Order{Direction: "asc", As: "text"}, Rows: originRows(customers()), Note: "First 12 of 1,284,907 rows",
	}
	for _, name := range customerColumns() {
		m.Columns = append(m.Columns, storage.GridColumn{Name: name, SortURL: "/table-preview?order=" + name})
	}
	return m
}

func tableScreens() []Screen {
	columns := storage.Columns{Table: customersTable(), ChangedBy: marcus, ChangedJob: ui.Link{Label: "Job 84210", URL: "/job-success"}, Download: ui.Download{CSV: "/table-columns?format=csv", JSON: "/table-columns?format=json"}}
	for i, name := range customerColumns() {
		columns.List = append(columns.List, storage.ColumnRow{Number: fmt.Sprint(i + 1), Name: name, Nulls: ui.Number(int64(i * 1204))})
	}
	manyColumns := storage.Columns{Table: longTable()}
	manyColumns.Table.Columns, manyColumns.Table.Changed = "300", ui.Time{}
	for i := range 300 {
		name := fmt.Sprintf("measure_%03d", i+1)
		switch i % 40 {
		case 1:
			name = longest
		case 2:
			name = "  naïve column, with spaces & <b>signs</b>  "
		}
		manyColumns.List = append(manyColumns.List, storage.ColumnRow{Number: fmt.Sprint(i + 1), Name: name})
	}

	filtered := preview()
	filtered.Conditions = []storage.Condition{{Column: "country", Op: "ne", Value: "CZ", As: "text"}, {Column: "lifetime_value", Op: "ge", Value: "1000", As: "number"}}
	filtered.Order = storage.Order{Column: "lifetime_value", Direction: "desc", As: "number"}
	filtered.Chosen = []string{"customer_id", "full_name", "lifetime_value"}
	filtered.Columns = []storage.GridColumn{{Name: "customer_id", SortURL: "/table-preview"}, {Name: "full_name", SortURL: "/table-preview"}, {Name: "lifetime_value", SortURL: "/table-preview", Sort: "descending"}}
	for i, row := range filtered.Rows {
		filtered.Rows[i].Cells = []ui.Value{row.Cells[0], row.Cells[1], row.Cells[5]}
	}
	filtered.Note = "First 12 rows that fit"
	nothing := filtered
	nothing.Rows = nil
	refusedFilter := nothing
	refusedFilter.Errors = ui.Errors{"": "“about 1000” is not a number. Type digits, or compare as text."}
	bare := preview()
	bare.Rows = nil

	wide := preview()
	wide.Table = longTable()
	wide.Names, wide.Columns, wide.Rows, wide.Note = nil, nil, nil, "First 100 of 100 rows"
	for i := range 40 {
		name := fmt.Sprintf("measure_%02d", i+1)
		if i%6 == 0 {
			name = longest
		}
		wide.Names = append(wide.Names, name)
		wide.Columns = append(wide.Columns, storage.GridColumn{Name: name, SortURL: "/table-preview-wide"})
	}
	for r := range 100 {
		var row []ui.Value
		for i := range 40 {
			row = append(row, ui.Value{Text: fmt.Sprint(r*40 + i), Null: (r+i)%11 == 0})
		}
		row[0] = ui.Value{Text: strings.Repeat("Ein langer Schlüssel ", r%7+1)}
		row[1] = ui.Value{Text: "  two spaces before, and a\nsecond line"}
		row[2] = ui.Value{Text: strings.Repeat("Lorem ipsum dolor sit amet. ", 60), Cut: "16,384 of 90,112 characters"}
		row[3] = ui.Value{Text: strings.Repeat("0123456789abcdef", 4)}
		wide.Rows = append(wide.Rows, storage.GridRow{Cells: row, URL: "/table-origin"})
	}

	events := storage.Events{
		Table: customersTable(),
		Events: []storage.EventRow{
			{Time: ago(7 * time.Minute), Who: marcus, Text: "Loaded 1,284,907 rows, replacing all", Name: "storage.tableImported", Job: ui.Link{Label: "84210", URL: "/job-success"}, From: "203.0.113.24", Facts: []storage.Fact{{Term: "Rows before", Value: "1,284,890"}, {Term: "Rows after", Value: "1,284,907"}, {Term: "Request", Value: "req_7c1f0a52b9"}}},
			{Time: ago(20 * time.Hour), Who: partner, Text: "Was refused to load: no right to write in.c-crm", Name: "storage.accessRefused", From: "2001:db8:85a3:8d3:1319:8a2e:370:7348", Facts: []storage.Fact{{Term: "Needed", Value: "Write"}}},
			{Time: ago(3 * day), Who: system, Text: "Removed versions older than 30 days", Name: "storage.versionsExpired", Facts: []storage.Fact{{Term: "Versions", Value: "181 to 185"}}},
			{Time: ago(678 * day), Who: hana, Text: "Made the table with 8 columns", Name: "storage.tableCreated", Job: ui.Link{Label: "1", URL: "/job-success"}, From: "203.0.113.24", Facts: []storage.Fact{{Term: "Columns", Value: strings.Join(customerColumns(), ", ")}}},
		},
		Pager:    ui.Pager{Text: "4 events, newest first", Next: ui.Link{Label: "Older", URL: "/table-events?before=4"}},
		Download: ui.Download{CSV: "/table-events?format=csv", JSON: "/table-events?format=json"},
	}

	return []Screen{
		ok("table-columns", "Table, columns", storage.ColumnsPage(columns)),
		ok("table-columns-many", "Table, many columns, long names, read only", storage.ColumnsPage(manyColumns)),
		ok("table-preview", "Table, data preview", storage.PreviewPage(preview())),
		ok("table-preview-filtered", "Table, data preview, narrowed", storage.PreviewPage(filtered)),
		ok("table-preview-nothing", "Table, data preview, no row fits", storage.PreviewPage(nothing)),
		refused("table-preview-errors", "Table, data preview, with an error", storage.PreviewPage(refusedFilter)),
		ok("table-preview-empty", "Table, data preview, no rows", storage.PreviewPage(bare)),
		ok("table-preview-wide", "Table, data preview, wide, long values", storage.PreviewPage(wide)),
		ok("table-events", "Table, events", storage.EventsPage(events)),
		ok("table-events-empty", "Table, no events", storage.EventsPage(storage.Events{Table: longTable()})),
	}
}
