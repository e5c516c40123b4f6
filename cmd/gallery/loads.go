package main

import (
	"fmt"

	"steward/views/storage"
	"steward/views/ui"
)

func loadScreens() []Screen {
	choose := storage.Load{
		Shell: inside(), StorageURL: "/buckets", CancelURL: "/buckets", Action: "/projects/1042/storage/load?_key=k6",
		Accept: ".csv,.tsv,.txt,.gz,.zst", Hint: "CSV or TSV in UTF-8, UTF-16 or Windows-1252, plain or compressed with gzip or zstd, up to 5 GB.",
	}
	target := choose
	target.Bucket, target.Table = "in.c-crm", "customers"
	faulty := target
	faulty.Errors = ui.Errors{"file": "Choose a file that is not empty"}

	missing := loadCheck()
	missing.Note = "9 columns: 7 match the table, 2 are new"
	missing.Columns = append(missing.Columns[:7:7], storage.LoadColumn{Name: "last_order_at", Note: "new column", New: true}, storage.LoadColumn{Name: longest, Note: "new column", New: true})
	for i := range missing.Rows {
		missing.Rows[i] = append(missing.Rows[i][:8:8], ui.Value{Text: "ja"})
	}
	missing.Changes = []storage.ColumnChange{
		{Field: "drop", Value: "7f3a", Message: "The file lacks 2 columns that the table has.", Label: "Drop these columns and their values: loyalty_points, " + longest, Required: true},
		{Field: "add", Value: "91bc", Message: "The file has 2 columns that the table lacks.", Label: "Add these columns: last_order_at, " + longest, Required: true},
	}
	untold := missing
	untold.Table = "customers!"
	untold.Errors = ui.Errors{"table": "Use only letters, digits, - and _, and begin with a letter or digit", "drop": "Tick this, or choose a file that has these columns"}

	problem := loadCheck()
	problem.Problem = storage.ReadProblem{Message: "The row has 9 cells instead of 8.", Line: "18,204", Found: "100501;Tomáš Beneš;tomas.b@mail.example;CZ;loyal;990.00;true;2026-11-12;x"}
	unread := loadCheck()
	unread.Columns, unread.Rows = nil, nil
	unread.Problem = storage.ReadProblem{Message: "This is not a byte of UTF-8. Try another encoding.", Line: "2", Column: "full_name", Found: "0xE9"}

	problem.Problem.Row = true

	converted := loadCheck()
	converted.Options.Encoding.Value = "windows-1252"
	converted.Converted = "This file is Windows-1252; it is converted to UTF-8. Choose another encoding if letters below look wrong."
	converted.Nulls = storage.Nulls{Texts: "NULL\nn/a\n" + longest, Quoted: true}
	converted.Rows[1][2], converted.Rows[3][4] = ui.Value{Null: true}, ui.Value{Null: true}

	skipping := loadCheck()
	skipping.BadRows = "skip"
	skipping.Problem = problem.Problem
	skipping.Problem.Skipped = "3 rows"
	many := skipping
	many.Errors = ui.Errors{"nulls": "At most 50 texts can stand for NULL."}

	wide := loadCheck()
	wide.Columns, wide.Rows, wide.Note = nil, nil, "60 columns, all new"
	wide.Table = long
	for i := range 60 {
		name := fmt.Sprintf("measure_%02d", i+1)
		if i%7 == 1 {
			name = longest
		}
		wide.Columns = append(wide.Columns, storage.LoadColumn{Name: name, Note: "new column", New: true})
	}
	for r := range 20 {
		var row []ui.Value
		for i := range 60 {
			row = append(row, ui.Value{Text: fmt.Sprint(r*60 + i), Null: (r+i)%11 == 0})
		}
		row[2] = ui.Value{Text: longest}
		wide.Rows = append(wide.Rows, row)
	}

	return []Screen{
		ok("load", "Load data: choose a file", storage.LoadPage(choose)),
		ok("load-target", "Load data: choose a file for a known table", storage.LoadPage(target)),
		refused("load-errors", "Load data: choose a file, with an error", storage.LoadPage(faulty)),
		ok("load-check", "Load data: check", storage.LoadCheckPage(loadCheck())),
		ok("load-check-changes", "Load data: check, columns differ", storage.LoadCheckPage(missing)),
		refused("load-check-errors", "Load data: check, with errors", storage.LoadCheckPage(untold)),
		ok("load-check-problem", "Load data: check, a row does not fit", storage.LoadCheckPage(problem)),
		ok("load-check-converted", "Load data: check, converted from another encoding", storage.LoadCheckPage(converted)),
		ok("load-check-skip", "Load data: check, bad rows are left out", storage.LoadCheckPage(skipping)),
		refused("load-check-nulls", "Load data: check, too many texts that mean no value", storage.LoadCheckPage(many)),
		ok("load-check-unread", "Load data: check, nothing can be read", storage.LoadCheckPage(unread)),
		ok("load-check-wide", "Load data: check, many columns, long names", storage.LoadCheckPage(wide)),
	}
}

func loadCheck() storage.LoadCheck {
	m := storage.LoadCheck{
		Shell: inside(), StorageURL: "/buckets", URL: "/load-check", AgainURL: "/load", CheckURL: "/load-check", Key: "k7", BadRows: "stop",
		File: storage.LoadFile{Name: "customers-2026-11-21.csv.gz", Size: "96 MB"},
		Options: storage.ReadOptions{
			Delimiter: storage.Choice{Value: "comma", Options: []ui.Option{{Value: "comma", Label: "Comma ( , )"}, {Value: "semicolon", Label: "Semicolon ( ; )"}, {Value: "tab", Label: "Tab"}, {Value: "pipe", Label: "Pipe ( | )"}}},
			Quotes:    storage.Choice{Value: "double", Options: []ui.Option{{Value: "double", Label: `Double quote ( " )`}, {Value: "escape", Label: `None, escape with \`}}},
			Encoding:  storage.Choice{Value: "utf-8", Options: []ui.Option{{Value: "utf-8", Label: "UTF-8"}, {Value: "windows-1252", Label: "Windows-1252"}, {Value: "utf-16le", Label: "UTF-16 (little-endian)"}, {Value: "utf-16be", Label: "UTF-16 (big-endian)"}}},
			Header:    storage.Choice{Value: "names", Options: []ui.Option{{Value: "names", Label: "Column names"}, {Value: "data", Label: "Data"}}},
			Empty:     storage.Choice{Value: "null", Options: []ui.Option{{Value: "null", Label: "No value (null)"}, {Value: "text", Label: "Empty text"}}},
		},
		Note:    "8 columns, all match the table",
		Buckets: []ui.Option{{Value: "in.c-crm", Label: "in.c-crm"}, {Value: "in.c-shop", Label: "in.c-shop"}, {Value: longID, Label: longID}},
		Bucket:  "in.c-crm", Table: "customers", Tables: []string{"customers", "customer_addresses", long},
		Mode: "full",
		Modes: []ui.Choice{
			{Value: "full", Label: "Replace all rows", Text: "The 1,284,907 rows go, the rows of the file come. The version before stays in the table’s history."},
			{Value: "append", Label: "Add rows", Text: "The rows of the file come below those that are there."},
		},
		Rows: customers(),
	}
	for _, name := range customerColumns() {
		m.Columns = append(m.Columns, storage.LoadColumn{Name: name, Note: "matches"})
	}
	return m
}

func customerColumns() []string {
	return []string{"customer_id", "full_name", "email", "country", "segment", "lifetime_value", "consent", "last_order_at"}
}

func customers() [][]ui.Value {
	null := ui.Value{Null: true}
	t := func(cells ...string) []ui.Value {
		var row []ui.Value
		for _, c := range cells {
			row = append(row, ui.Value{Text: c})
		}
		return row
	}
	rows := [][]ui.Value{
		t("100482", "Amelia Thornbury", "amelia.t@mail.example", "GB", "loyal", "4812.40", "true", "2026-11-19 08:14:02"),
		t("100483", "Bao Nguyen", "bao.nguyen@mail.example", "VN", "new", "38.00", "true", "2026-11-20 17:40:55"),
		t("100484", "Chiara Fontana", "", "IT", "at risk", "912.75", "false", "2026-06-02 11:05:31"),
		t("100485", "Daniel Okafor", "d.okafor@mail.example", "NG", "loyal", "2204.10", "true", "2026-11-18 20:22:47"),
		t("100486", "Eliška Horáková", "eliska.h@mail.example", "CZ", "loyal", "1650.00", "true", "2026-11-21 06:59:10"),
		t("100487", "Farid Haddad", "farid.h@mail.example", "LB", "", "0.00", "false", ""),
		t("100488", "Greta Sørensen", "greta.s@mail.example", "DK", "new", "119.90", "true", "2026-11-11 13:37:00"),
		t("100489", "Hiro Tanaka", "hiro.tanaka@mail.example", "JP", "loyal", "7340.25", "true", "2026-11-20 02:10:18"),
		t("100490", "Ines Duarte", "ines@duarte-familia.example", "PT", "loyal", "640.00", "true", "2026-11-02 10:00:00"),
		t("100492", "Katarzyna Brzęczyszczykiewicz-Kowalska", "kasia@mail.example", "PL", "at risk", "88.00", "true", "2026-04-30 07:07:07"),
		t("100493", "Liam O’Connor", "liam.oc@mail.example", "IE", "loyal", "3020.00", "true", "2026-11-20 12:30:01"),
		t("100494", "Mei Lin", "mei.lin@mail.example", "SG", "loyal", "5110.60", "true", "2026-11-21 03:03:59"),
	}
	rows[2][2], rows[5][4], rows[5][7] = null, null, null
	return rows
}
