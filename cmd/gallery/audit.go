package main

import (
	"strings"
	"time"

	"steward/views/audit"
	people "steward/views/settings"
	"steward/views/tenancy"
	"steward/views/ui"
)

func settingsTabs() people.Tabs {
	return people.Tabs{Users: "/projects/1042/settings/users", Project: "/projects/1042/settings/project", Limits: "/projects/1042/settings/limits", Access: "/projects/1042/settings/access", Audit: "/projects/1042/settings/audit"}
}

func emptyLog(at string) audit.Log {
	return audit.Log{URL: at, Seals: audit.Seals{Waiting: "No event waits for its seal."}, Filter: audit.Filter{
		Kinds: []ui.Option{{Label: "All kinds"}, {Value: "table", Label: "Table"}}, Tones: []ui.Option{{Label: "Any outcome"}, {Value: "warn", Label: "Warning or refusal"}}}}
}

func auditLog(at string) audit.Log {
	m := emptyLog(at)
	m.Seals = audit.Seals{Sealed: true, Until: exact(4 * time.Minute), Number: "3,112", Digest: strings.Repeat("7c1f0a9be4d25386", 4), Waiting: "12 newer events wait for their seal.", Checked: exact(time.Hour), Check: "3,112 seals hold."}
	row := func(id string, age time.Duration, who ui.Who, text, name, kind, object string) audit.Row {
		return audit.Row{ID: id, Time: exact(age), Who: who, WhoURL: at + "?who=x", Text: text, Name: name, Kind: kind, Object: ui.Link{Label: object, URL: at + "?object=x"}, Address: ui.Link{Label: "203.0.113.24", URL: at + "?address=203.0.113.24"},
			Facts: []ui.Pair{{Name: "Event", Value: id}, {Name: "Seal", Value: "3112"}, {Name: "Request", Value: "7c1f0a9be4d2"}, {Name: "Browser", Value: "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"}}}
	}
	started := row("1204899", time.Minute, ui.Who{Name: "Marcus Oyelaran"}, "Started an import into table in.c-crm.customers.", "storage.tableImportStarted", "Table", "in.c-crm.customers")
	started.Email = "marcus.oyelaran@northwind.example"
	started.Job = ui.Link{Label: "84213", URL: "/projects/1042/storage/jobs/84213"}
	refused := row("1204881", time.Hour, ui.Who{Name: "Robin Stone"}, "Was refused tables.write in project 1042.", "access.refused", "Project", "1042")
	refused.Tag = ui.Warning
	long := row("1204880", day, ui.Who{Name: longest[:200]}, "Invited "+longest[:200]+" as Read only.", "project.memberInvited", "User", longest[:200])
	long.Email = longEmail
	long.Address.Label = "2001:db8:85a3:8d3:1319:8a2e:370:7348"
	long.Facts = append(long.Facts, ui.Pair{Name: "reason", Value: strings.Repeat("unbroken", 40)})
	own := row("1204879", 2*day, ui.Who{Name: "System", Kind: "auto"}, "Swept 12 files.", "storage.fileExpired", "File", "")
	own.Address, own.Object = ui.Link{}, ui.Link{}
	m.List = []audit.Row{started, refused, long, own}
	m.Pager = ui.Pager{Text: "4 events on this page", Next: ui.Link{Label: "Older events", URL: at + "?before=a-1"}}
	m.Download = ui.Download{CSV: at + "?format=csv", JSON: at + "?format=json", JSONL: at + "?format=jsonl"}
	return m
}

func auditScreens() []Screen {
	const at = "/projects/1042/settings/audit"
	pageOf := func(m audit.Log) people.Audit { return people.Audit{Shell: inside(), Tabs: settingsTabs(), Log: m} }
	broken := auditLog(at)
	broken.Seals.Broken, broken.Seals.Check = true, "steward verify found 2 problems in 3,112 seals. Its output names them."
	none := emptyLog(at)
	none.Filtered, none.Filter.Who, none.Filter.Object, none.Filter.Event, none.Filter.Address, none.Filter.From = true, longEmail, longest, "storage.*", "203.0.113.*", "2026-11-18"
	searching := none
	searching.Pager = ui.Pager{Text: "0 events on this page, searched back to 18 Nov 2026, 06:40:02", Next: ui.Link{Label: "Search older events", URL: at + "?before=a-1"}}
	return []Screen{
		ok("audit", "Audit log of a project", people.AuditPage(pageOf(auditLog(at)))),
		ok("organization-audit", "Audit log of an organization", tenancy.OrganizationAuditPage(tenancy.OrganizationAudit{Shell: outside(), Name: longest, URL: "/organizations/7", Tabs: tenancy.OrganizationTabs(7, true, true, "audit"), Log: auditLog("/organizations/7/audit")})),
		ok("audit-broken", "Audit log, a seal does not hold", people.AuditPage(pageOf(broken))),
		ok("audit-none", "Audit log, nothing fits", people.AuditPage(pageOf(none))),
		ok("audit-searching", "Audit log, nothing fits so far", people.AuditPage(pageOf(searching))),
	}
}
