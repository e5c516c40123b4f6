package main

import (
	"fmt"
	"time"

	"steward/views/storage"
	"steward/views/ui"
)

func storageTabs() storage.Tabs {
	return storage.Tabs{BucketsURL: "/buckets", JobsURL: "/storage-jobs", Buckets: "5"}
}

func crmTables() []storage.TableRow {
	return []storage.TableRow{
		{Name: "customers", URL: "/table-columns", Rows: "1,284,907", Size: "412 MB", Changed: ago(7 * time.Minute)},
		{Name: "customer_addresses", URL: "/table-columns", Rows: "1,390,116", Size: "388 MB", Changed: ago(49 * time.Hour)},
		{Name: long, URL: "/table-columns", Rows: "1,243,191", Size: "401 MB", Changed: ago(60 * time.Hour)},
		{Name: "segments", URL: "/table-columns", Rows: "6", Size: "4 KB", Changed: ago(80 * day)},
	}
}

func bucketTree() storage.Buckets {
	row := func(id, name, tables, rows, size string, changed ui.Time) storage.BucketRow {
		return storage.BucketRow{ID: id, Name: name, URL: "/bucket", FoldURL: "/buckets-open?open=" + id, Tables: tables, Rows: rows, Size: size, Changed: changed}
	}
	return storage.Buckets{
		Shell:   inside(),
		Tabs:    storageTabs(),
		LoadURL: "/load",
		NewURL:  "/bucket-new",
		Buckets: []storage.BucketRow{
			row("in.c-ad-costs", "", "3", "18,204,551", "6.1 GB", ago(3*time.Hour)),
			row("in.c-crm", "Customers", "4", "3,918,220", "1.2 GB", ago(time.Minute)),
			row("in.c-shop", "", "9", "71,340,008", "32.9 GB", ago(time.Minute)),
			row(longID, "Segments for partners, exported every Saturday before noon", "2", "1,284,913", "318 MB", ago(2*time.Hour)),
			row("out.c-reporting", "", "0", "0", "0 B", ui.Time{}),
		},
		Pager:    ui.Pager{Text: "5 buckets, 18 tables"},
		Download: ui.Download{CSV: "/buckets?format=csv", JSON: "/buckets?format=json"},
	}
}

func bucketScreens() []Screen {
	open := bucketTree()
	open.Open = []string{"in.c-crm", "out.c-reporting"}
	open.Buckets[1].Open, open.Buckets[1].FoldURL, open.Buckets[1].Inside = true, "/buckets", crmTables()
	open.Buckets[1].More = ui.Link{Label: "196 more tables", URL: "/bucket"}
	open.Buckets[4].Open, open.Buckets[4].FoldURL = true, "/buckets"
	open.Shell.Flash = "Bucket in.c-crm is saved."

	empty := storage.Buckets{Shell: inside(), Tabs: storageTabs(), LoadURL: "/load", NewURL: "/bucket-new"}
	empty.Tabs.Buckets = "0"
	reader := empty
	reader.LoadURL, reader.NewURL = "", ""
	none := bucketTree()
	none.Buckets, none.Query, none.Stage, none.ClearURL = nil, "warehouse", "out", "/buckets"

	form := storage.BucketForm{Shell: inside(), StorageURL: "/buckets", Action: "/projects/1042/storage/buckets", CancelURL: "/buckets", Key: "k5", Stage: "in"}
	faulty := form
	faulty.Stage, faulty.Name, faulty.Description = "", "shop orders!", "Orders of all shops, every hour."
	faulty.Errors = ui.Errors{"stage": "Choose a stage", "name": "Use only letters, digits, - and _, and begin with a letter or digit"}
	edit := form
	edit.ID, edit.CancelURL, edit.DisplayName, edit.Description = "in.c-crm", "/bucket", "Customers", "Customers and their consents, from the shop, every hour."

	bucket := storage.Bucket{
		Shell: inside(), StorageURL: "/buckets", ID: "in.c-crm", Name: "Customers", URL: "/bucket", EditURL: "/bucket-edit", LoadURL: "/load-target",
		NewURL: "/table-new", DeleteURL: "/bucket-delete", Description: "Customers and their **consents**.\n\n- refreshed every hour\n- from the [shop](https://shop.example)", Stage: "in", Rows: "3,918,220", Size: "1.2 GB", TableCount: "4",
		Created: exact(678 * day), Changed: exact(time.Minute), Tables: crmTables(), Pager: ui.Pager{Text: "4 tables"},
		Download: ui.Download{CSV: "/bucket?format=csv", JSON: "/bucket?format=json"},
	}
	bare := bucket
	bare.Name, bare.Description, bare.Tables, bare.Rows, bare.Size, bare.TableCount, bare.Changed = "", "", nil, "0", "0 B", "0", ui.Time{}
	full := bucket
	full.ID, full.Name, full.Description, full.EditURL, full.LoadURL, full.NewURL, full.DeleteURL, full.Query = longID, longest, longest, "", "", "", "", "orders"
	full.Tables, full.TableCount = nil, "1,204"
	for i := range 100 {
		full.Tables = append(full.Tables, storage.TableRow{Name: fmt.Sprintf("orders_%04d", i+1), URL: "/table-columns", Rows: ui.Number(int64(i * 1204)), Size: ui.Bytes(int64(i) * 88_000), Changed: ago(time.Duration(i) * day)})
	}
	full.Pager = ui.Pager{Text: "100 tables shown", Prev: ui.Link{Label: "Previous", URL: "/bucket-full"}, Next: ui.Link{Label: "Next", URL: "/bucket-full?after=orders_0100"}}

	return []Screen{
		ok("buckets", "Storage", storage.BucketsPage(bucketTree())),
		ok("buckets-open", "Storage, buckets unfolded", storage.BucketsPage(open)),
		ok("buckets-empty", "Storage, no bucket yet", storage.BucketsPage(empty)),
		ok("buckets-empty-reader", "Storage, no bucket yet, read only", storage.BucketsPage(reader)),
		ok("buckets-none-found", "Storage, none found", storage.BucketsPage(none)),
		ok("bucket-new", "New bucket", storage.BucketFormPage(form)),
		refused("bucket-new-errors", "New bucket, with errors", storage.BucketFormPage(faulty)),
		ok("bucket-edit", "Edit bucket", storage.BucketFormPage(edit)),
		ok("bucket", "Bucket", storage.BucketPage(bucket)),
		ok("bucket-empty", "Bucket, no table yet", storage.BucketPage(bare)),
		ok("bucket-full", "Bucket, many tables, long names, read only", storage.BucketPage(full)),
	}
}
