package main

import (
	"fmt"
	"math"
	"time"

	"steward/views/tenancy"
	"steward/views/ui"
)

func tenancyScreens() []Screen {
	list := tenancy.Projects{
		Shell: outside(),
		Projects: []tenancy.ProjectRow{
			{ID: "1042", Name: "Retail analytics", URL: "/projects/1042", Organization: "Northwind Foods", Role: "Share", Changed: ago(time.Minute)},
			{ID: "1043", Name: "Supply chain", URL: "/projects/1043", Organization: "Northwind Foods", Role: "Admin", Changed: ago(26 * time.Hour)},
			{ID: "1051", Name: "Finance sandbox for the month end of all regions", URL: "/projects/1051", Organization: "Northwind Foods and its subsidiaries in Central and Eastern Europe", Role: "Read only", Changed: ago(90 * day)},
			{ID: "1066", Name: "Trial", URL: "/projects/1066", Organization: "Partner Labs", Role: "Guest"},
			{ID: "1067", Name: "Closed books", Organization: "Partner Labs", Role: "Guest", Disabled: true, Reason: "Its storage is being moved.", Back: ago(-6 * day)},
			{ID: "1068", Name: "Payroll", Organization: "Partner Labs", Role: "Guest", Locked: true},
		},
		Pager:    ui.Pager{Text: "6 projects"},
		Download: ui.Download{CSV: "/?format=csv", JSON: "/?format=json"},
	}
	many := list
	many.Shell.Flash = "You left Trial."
	many.Projects = nil
	for i := range 50 {
		many.Projects = append(many.Projects, tenancy.ProjectRow{ID: fmt.Sprint(1100 + i), Name: fmt.Sprintf("Branch office %d", i+1), URL: "/projects/1042", Organization: "Northwind Foods", Role: "Admin", Changed: ago(time.Duration(i) * day)})
	}
	many.Pager = ui.Pager{Text: "50 projects shown", Next: ui.Link{Label: "More", URL: "/?after=1149"}}
	empty := tenancy.Projects{Shell: outside()}
	empty.Shell.Projects = nil
	none := tenancy.Projects{Shell: outside(), Query: "warehouse"}

	return []Screen{
		ok("projects", "Projects", tenancy.ProjectsPage(list)),
		ok("projects-many", "Projects, many, after leaving one", tenancy.ProjectsPage(many)),
		ok("projects-empty", "Projects, none yet", tenancy.ProjectsPage(empty)),
		ok("projects-none-found", "Projects, none found", tenancy.ProjectsPage(none)),
		ok("overview", "Project overview", tenancy.OverviewPage(overview())),
		ok("overview-new", "Project overview, new project", tenancy.OverviewPage(overviewNew())),
		ok("overview-reader", "Project overview, read only, long names", tenancy.OverviewPage(overviewReader())),
	}
}

func overview() tenancy.Overview {
	return tenancy.Overview{
		Shell:       inside(),
		Title:       "Retail analytics",
		Description: "Customers, orders and advertising costs of the Northwind shops.",
		LoadURL:     "/load",
		Tiles: []ui.Tile{
			{ID: "stored", Title: "Stored data", Figure: "41.8", Unit: "GB", Note: "+3.6 GB in 30 days", Points: growth(38.2, 41.8), Trend: "Stored data, last 30 days: from 38.2 to 41.8 GB"},
			{ID: "rows", Title: "Rows", Figure: "96,204,118", Note: "+8,101,220 in 30 days", Points: growth(88.1, 96.2), Trend: "Rows, last 30 days: from 88.1 to 96.2 million"},
			{ID: "tables", Title: "Tables", Figure: "23", Note: "in 5 buckets"},
			{ID: "people", Title: "People", Figure: "4", Note: "with access"},
		},
		JobsURL: "/storage-jobs",
		Jobs: []tenancy.JobRow{
			{Title: "Load into customers", URL: "/job-running", State: ui.Processing, Creator: marcus, Created: ago(4 * time.Minute), Duration: "3 min 53 s"},
			{Title: "Load into orders", URL: "/job-waiting", State: ui.Waiting, Creator: loader, Created: ago(time.Minute)},
			{Title: "Load into ad_costs", URL: "/job-error", State: ui.Error, Creator: partner, Created: ago(75 * time.Minute), Duration: "4 s"},
			{Title: "Load into order_items", URL: "/job-success", State: ui.Success, Creator: loader, Created: ago(90 * time.Minute), Duration: "41 s"},
			{Title: "Load into " + long, URL: "/job-cancelled", State: ui.Cancelled, Creator: hana, Created: ago(26 * time.Hour), Duration: "1 min 12 s"},
		},
		Changes: []ui.Item{
			{Icon: "table-2", Who: "Marcus Oyelaran", Text: "loaded 1,204 rows into customers", URL: "/table-columns", Time: ago(9 * time.Minute)},
			{Icon: "folder", Who: "Hana Dvořáková", Text: "made bucket in.c-ad-costs", URL: "/bucket", Time: ago(20 * time.Hour)},
			{Icon: "pencil", Who: "Hana Dvořáková", Text: "changed the description of in.c-crm from “CRM” to “Customers and their consents”", Time: ago(3 * day)},
		},
		About:   tenancy.About{Organization: "Northwind Foods", Role: "Share", Created: ui.Day(now().Add(-678*day), prague()), Number: "1042"},
		SelfURL: "/overview",
	}
}

func overviewNew() tenancy.Overview {
	m := overview()
	m.Shell.Flash = "Steward is set up. This is your first project."
	m.Description, m.Jobs, m.Changes = "", nil, nil
	m.Tiles = []ui.Tile{
		{ID: "stored", Title: "Stored data", Figure: "0", Unit: "B", Note: "No data yet"},
		{ID: "rows", Title: "Rows", Figure: "0", Note: "No data yet"},
		{ID: "tables", Title: "Tables", Figure: "0", Note: "in 0 buckets"},
		{ID: "people", Title: "People", Figure: "1", Note: "with access: you"},
	}
	return m
}

func overviewReader() tenancy.Overview {
	m := overview()
	m.LoadURL = ""
	m.Shell.Project.Name = longest
	m.Title = longest
	m.Description = "Alles, was der Einkauf über Lieferanten weiß. " + longest
	m.About.Organization = longest
	m.About.Role = "Read only"
	return m
}

// growth is a sample of 30 days between two values.
func growth(from, to float64) []float64 {
	var out []float64
	for i := range 30 {
		part := math.Pow(float64(i)/29, 1.15)
		out = append(out, from+(to-from)*part+math.Sin(float64(i)*1.9)*(to-from)*.04)
	}
	return out
}
