package main

import (
	"fmt"
	"time"

	"steward/views/layout"
	"steward/views/storage"
	"steward/views/ui"
)

func jobList() storage.Jobs {
	customers := storage.JobTable{Link: ui.Link{Label: "in.c-crm.customers", URL: "/table-columns"}}
	orders := storage.JobTable{Link: ui.Link{Label: "in.c-shop.orders", URL: "/table-columns"}, Now: ui.Link{Label: "now in.c-shop.orders-2025-until-the-move", URL: "/table-columns"}}
	return storage.Jobs{
		Shell: inside(),
		Tabs:  storageTabs(),
		Status: storage.Choice{Options: []ui.Option{{Value: "", Label: "Any state"}, {Value: "waiting", Label: "Waiting"}, {Value: "processing", Label: "Processing"}, {Value: "success", Label: "Success"},
			{Value: "error", Label: "Error"}, {Value: "cancelled", Label: "Cancelled"}}},
		Operation: storage.Choice{Options: []ui.Option{{Value: "", Label: "Any operation"}, {Value: "tableImport", Label: "Table import"}, {Value: "tableCreate", Label: "Table create"}}},
		List: storage.JobList{
			Jobs: []storage.JobRow{
				{ID: "84216", URL: "/job-waiting", Operation: "Table import", Table: orders, Created: ago(10 * time.Second), Creator: loader, State: ui.Waiting},
				{ID: "84213", URL: "/job-running", Operation: "Table import", Table: customers, Transfer: "61.4 MB", Created: ago(4 * time.Minute), Duration: "3 min 53 s", Creator: marcus, State: ui.Processing},
				{ID: "84211", URL: "/job-error", Operation: "Table import", Table: storage.JobTable{Link: ui.Link{Label: longID + ".customer_segments", URL: "/table-columns"}}, Transfer: "18 KB", Created: ago(75 * time.Minute), Duration: "4 s", Creator: partner, State: ui.Error},
				{ID: "84209", URL: "/job-success", Operation: "Table create", Table: storage.JobTable{Link: ui.Link{Label: "in.c-shop." + long}, Now: ui.Link{Label: "now in the trash", URL: "/trash"}}, Transfer: "1.2 GB", Created: ago(90 * time.Minute), Duration: "41 s", Creator: hana, State: ui.Success},
				{ID: "84207", URL: "/job-cancelled", Operation: "Table import", Table: customers, Transfer: "2.1 MB", Created: ago(26 * time.Hour), Duration: "9 s", Creator: hana, State: ui.Cancelled},
				{ID: "84205", URL: "/job-success", Operation: "Bucket delete", Created: ago(3 * day), Duration: "0.2 s", Creator: system, State: ui.Success},
			},
			Pager:    ui.Pager{Text: "Jobs 84205 to 84216, newest first", Next: ui.Link{Label: "Older", URL: "/storage-jobs-many?before=84205"}},
			Download: ui.Download{CSV: "/storage-jobs?format=csv", JSON: "/storage-jobs?format=json"},
		},
		SelfURL: "/storage-jobs",
	}
}

func jobScreens() []Screen {
	many := jobList()
	many.Status.Value, many.Table = "success", "in.c-shop"
	many.List.Jobs = nil
	for i := range 100 {
		many.List.Jobs = append(many.List.Jobs, storage.JobRow{ID: fmt.Sprint(84204 - i), URL: "/job-success", Operation: "Table import", Table: storage.JobTable{Link: ui.Link{Label: "in.c-shop.orders", URL: "/table-columns"}}, Transfer: ui.Bytes(int64(i) * 1_204_000), Created: ago(time.Duration(i) * 7 * time.Hour), Duration: ui.Duration(time.Duration(i) * 731 * time.Millisecond), Creator: loader, State: ui.Success})
	}
	many.List.Pager = ui.Pager{Text: "Jobs 84105 to 84204, newest first", Prev: ui.Link{Label: "Newer", URL: "/storage-jobs"}, Next: ui.Link{Label: "Older", URL: "/storage-jobs-many?before=84105"}}
	empty := jobList()
	empty.List = storage.JobList{LoadURL: "/load"}
	none := jobList()
	none.Status.Value = "error"
	none.List = storage.JobList{Filtered: true, ClearURL: "/storage-jobs"}

	card, log := runningJob(64)
	running := storage.Job{Shell: inside(), JobsURL: "/storage-jobs", SelfURL: "/job-running", LiveURL: "/live?part=" + storage.JobPart(card.ID), Card: card, Log: log,
		Cancel: ui.Confirm{Question: "Cancel job 84213?", Consequence: "Rows loaded so far are left out. The table stays as it was before the job.", Action: "/projects/1042/storage/jobs/84213/cancel", Verb: "Cancel job", Keep: "Keep running", Key: "k8"}}

	waiting := running
	waiting.LiveURL = ""
	waiting.Card.State, waiting.Card.Progress, waiting.Card.Started, waiting.Card.Duration, waiting.Card.Transfer = ui.Waiting, nil, ui.Time{}, "", ""
	waiting.Log = storage.JobLog{}

	done := waiting
	done.Card = card
	done.Card.State, done.Card.Progress, done.Card.CanCancel = ui.Success, nil, false
	done.Card.Undo = undoLoad()
	done.Card.Ended, done.Card.Duration, done.Card.Transfer, done.Card.Attempt = exact(0), "3 min 53 s", "96 MB", "2"
	done.Card.Rows = []ui.Stat{{Label: "Rows in the file", Figure: "1,284,907"}, {Label: "Rows in the table", Figure: "1,284,907"}, {Label: "Version", Figure: "214"}}
	done.Card.Results = "{\n  \"rows\": 1284907,\n  \"version\": 214,\n  \"newColumns\": []\n}"
	done.Log = log

	failed := done
	failed.Card.State, failed.Card.Rows, failed.Card.Results, failed.Card.Attempt = ui.Error, nil, "", ""
	failed.Card.Undo = layout.Undo{}
	failed.Card.Title = "Load into " + long
	failed.Card.Table = storage.JobTable{Link: ui.Link{Label: longID + "." + long}}
	failed.Card.Creator = partner
	failed.Card.Error = storage.JobError{Where: "Line 18,204, column lifetime_value.", Message: "The row has 9 cells instead of 8. The table stays as it was.", Code: "storage.import.raggedRow", Retry: ui.Button{Label: "Load again", URL: "/load-check", Small: true, Icon: "upload"}}
	failed.Log.Lines = append([]ui.Line{{Time: clock(0), Tone: "bad", Level: "error", Text: "Line 18,204: the row has 9 cells instead of 8."}}, log.Lines...)

	failed.Card.Rejected = &storage.JobRejected{Text: "12 of 1,284,919 rows cannot be read.", ListURL: "/job-error?download",
		Load: &storage.JobLoad{Label: "Load the good rows", Text: "1,284,907 rows, with the same options, into " + long + ".", Action: "/projects/1042/storage/load/88", Key: "k9", Fields: []storage.JobField{{Name: "badRows", Value: "skip"}}}}

	partly := done
	partly.Card.Attempt = ""
	partly.Card.Rows = append(partly.Card.Rows[:3:3], ui.Stat{Label: "Rows left out", Figure: "12,004"})
	partly.Card.Rejected = &storage.JobRejected{Text: "12,004 of 1,296,911 rows cannot be read.", Note: "The list has the first 10,000.", ListURL: "/job-partly?download"}
	partly.Log.Lines = append([]ui.Line{{Time: clock(0), Tone: "warn", Level: "warn", Text: "12004 of 1296911 rows cannot be read and are left out."}}, log.Lines...)

	checked := done
	checked.Card.Title, checked.Card.Operation, checked.Card.Table, checked.Card.Attempt = "Check all rows of a file", "File check", storage.JobTable{}, ""
	checked.Card.Undo = layout.Undo{}
	checked.Card.Rows = []ui.Stat{{Label: "Rows in the file", Figure: "1,284,907"}, {Label: "Good rows", Figure: "1,284,907"}, {Label: "Rows that cannot be read", Figure: "0"}}
	checked.Card.Load = &storage.JobLoad{Label: "Load into customers", Text: "With the options of this check.", Action: "/projects/1042/storage/load/88", Key: "k10", Fields: []storage.JobField{{Name: "badRows", Value: "stop"}}}
	for i, name := range append(customerColumns(), longest) {
		checked.Card.Nulls = append(checked.Card.Nulls, storage.JobNulls{Column: name, Count: ui.Number(int64(i * i * 4021)), Share: ui.Percent(float64(i*i*4021) / 1284907)})
	}
	doubtful := checked
	doubtful.Card.Load, doubtful.Card.Nulls = nil, checked.Card.Nulls[:3]
	doubtful.Card.Rows = []ui.Stat{{Label: "Rows in the file", Figure: "1,284,919"}, {Label: "Good rows", Figure: "1,284,907"}, {Label: "Rows that cannot be read", Figure: "12"}}
	doubtful.Card.Rejected = failed.Card.Rejected

	cancelled := done
	cancelled.Card.State, cancelled.Card.Rows, cancelled.Card.Results = ui.Cancelled, nil, ""
	cancelled.Card.Undo = layout.Undo{}
	cancelled.Card.Error = storage.JobError{Message: "Hana Dvořáková cancelled this job. The table stays as it was.", Code: "storage.jobs.cancelled"}

	return []Screen{
		ok("storage-jobs", "Storage jobs", storage.JobsPage(jobList())),
		ok("storage-jobs-many", "Storage jobs, many, filtered", storage.JobsPage(many)),
		ok("storage-jobs-empty", "Storage jobs, none yet", storage.JobsPage(empty)),
		ok("storage-jobs-none-found", "Storage jobs, none found", storage.JobsPage(none)),
		ok("job-running", "Storage job, running and live", storage.JobPage(running)),
		ok("job-waiting", "Storage job, waiting", storage.JobPage(waiting)),
		ok("job-success", "Storage job, done", storage.JobPage(done)),
		ok("job-error", "Storage job, failed, long names", storage.JobPage(failed)),
		ok("job-partly", "Storage job, done without its bad rows", storage.JobPage(partly)),
		ok("job-check", "Storage job, a check of all rows", storage.JobPage(checked)),
		ok("job-check-bad", "Storage job, a check that found bad rows", storage.JobPage(doubtful)),
		ok("job-cancelled", "Storage job, cancelled", storage.JobPage(cancelled)),
	}
}

func clock(d time.Duration) ui.Time { return ui.Clock(now().Add(-d), prague()) }

func undoLoad() layout.Undo {
	return layout.Undo{Action: "/projects/1042/storage/jobs/84213/undo", Key: "k11"}
}

// runningJob is a load that is so far done; at 100 it has ended.
func runningJob(percent int) (storage.JobCard, storage.JobLog) {
	card := storage.JobCard{
		ID: "84213", Title: "Load into customers", State: ui.Processing, Operation: "Table import",
		Progress: &ui.Progress{ID: "job-progress", Label: fmt.Sprintf("%d%% loaded", percent), Note: ui.Number(int64(percent)*12849) + " rows, " + ui.Bytes(int64(percent)*960_000) + " of 96 MB", Percent: fmt.Sprint(percent)},
		Table:    storage.JobTable{Link: ui.Link{Label: "in.c-crm.customers", URL: "/table-columns"}},
		File:     storage.JobFile{Name: "customers-2026-11-21.csv.gz", Size: "96 MB", SHA256: "9f2c41d07be3a8c5b60ad2f41c7e58930d1b6a2f8e4c97d35a01c8f26be7d4a4"},
		Transfer: ui.Bytes(int64(percent) * 960_000), Created: exact(4 * time.Minute), Started: exact(4*time.Minute - 2*time.Second), Duration: "3 min 53 s",
		Creator: marcus, RunID: "84213", CanCancel: true,
		Params: "{\n  \"mode\": \"full\",\n  \"delimiter\": \",\",\n  \"enclosure\": \"\\\"\",\n  \"header\": true,\n  \"emptyIsNull\": true\n}",
	}
	log := storage.JobLog{Lines: []ui.Line{
		{Time: clock(30 * time.Second), Level: "info", Text: ui.Number(int64(percent)*12849) + " rows read"},
		{Time: clock(3*time.Minute + 40*time.Second), Tone: "ok", Level: "ok", Text: "Columns match: 8 of 8"},
		{Time: clock(3*time.Minute + 58*time.Second), Level: "info", Text: "Job started"},
	}}
	if percent >= 100 {
		card.State, card.Progress, card.CanCancel, card.Ended = ui.Success, nil, false, exact(0)
		card.Undo = undoLoad()
		card.Results = "{\n  \"rows\": 1284907,\n  \"version\": 214\n}"
		log.Lines = append([]ui.Line{{Time: clock(0), Tone: "ok", Level: "ok", Text: "Version 214 made"}}, log.Lines...)
	}
	return card, log
}
