package main

import (
	"net/http"
	"time"

	"steward/views/admin"
	viewerrors "steward/views/errors"
	"steward/views/layout"
	people "steward/views/settings"
	"steward/views/ui"
)

// lifeScreens are those about the life of a project: its end, and what super admins do to it.
func lifeScreens() []Screen {
	active := admin.Standing{Tone: "ok", Icon: "check", Word: "Active"}
	deleted := admin.Standing{Tone: "bad", Icon: "trash-2", Word: "Deleted"}
	name := longest[:200]
	list := admin.Projects{Shell: above(), List: []admin.ProjectRow{
		{ID: "1042", Name: "Retail analytics", URL: "/admin/projects/1042", Organization: "Northwind Foods", OrganizationURL: "/admin/projects?organization=3", State: active, Created: ago(600 * day), Expires: ago(-5 * day)},
		{ID: "1043", Name: name, URL: "/admin/projects/1043", Organization: name, OrganizationURL: "/admin/projects?organization=4", State: deleted, Created: ago(90 * day), Until: ago(-40 * day)},
		{ID: "1051", Name: "Finance sandbox", URL: "/admin/projects/1051", Organization: "Northwind Foods", OrganizationURL: "/admin/projects?organization=3", State: admin.Standing{Tone: "warn", Icon: "ban", Word: "Disabled"}, Created: ago(20 * day)},
		{ID: "7", Name: "Trial", URL: "/admin/projects/7", Organization: "Northwind Foods", OrganizationURL: "/admin/projects?organization=3", State: admin.Standing{Icon: "eraser", Word: "Purged"}, Created: ago(900 * day)},
	}, Pager: ui.Pager{Text: "4 projects on this page"}, Download: ui.Download{CSV: "/admin/projects?format=csv", JSON: "/admin/projects?format=json"}}
	of := list
	of.Organization, of.Of, of.AllURL = "4", name, "/admin/projects"
	form := func(what, value string) admin.Form {
		return admin.Form{Action: "/admin/projects/1042/" + what, Key: "k60-" + what, Value: value}
	}
	history := []ui.Item{
		{Tone: "warn", Icon: "folder", Who: "Hana Dvořáková", Text: "deleted the project “Retail analytics”. It can be brought back until 20 January 2027, 22:45 UTC.", Time: ago(time.Hour)},
		{Icon: "folder", Who: "Vera Lindqvist", Text: "created the project “Retail analytics”.", Time: ago(600 * day)},
	}
	project := admin.Project{Shell: above(), ID: "1042", Name: "Retail analytics", Organization: "Northwind Foods", Kind: "Standard", People: "12", State: active, Created: ago(600 * day), Expires: ago(-5 * day),
		Expiry: form("expiry", "2026-11-26"), Disable: form("disable", ""), History: history[1:]}
	project.Type, project.MoveURL, project.Retype, project.Types = "Demo, 2 days", "/projects/1042/move", form("type", "demo"), []ui.Option{{Value: "production", Label: "Production (expires: never)"}, {Value: "demo", Label: "Demo, 2 days (expires: after 2 days)"}}
	project.Follow = ui.Choices{ID: "follow", Legend: "It expires", Items: []ui.Choice{{Value: "type", Label: "As the type says, from now on"}, {Value: "never", Label: "Never"}}}
	wrong := project
	wrong.Type, wrong.Types, wrong.Follow.Error = name, []ui.Option{{Value: "demo", Label: name + " (expires: after 2 days)"}}, "Choose when it expires."
	wrong.Back, wrong.Name, wrong.Expiry.Value, wrong.Disable.Value, wrong.Errors = "2001-01-01", name, "2001-01-01", name, ui.Errors{"expires": "Choose a day that is still to come, or none.", "reason": "At most 500 characters.", "back": "Choose today or a day that is still to come, or none.", "template": "Choose one of the types that are offered.", "follow": "Choose when it expires."}
	project.Agree, project.Terms = form("terms", ""), admin.Terms{Users: "12", Storage: "50", Jobs: "3", Usual: "10"}
	wrong.Agree, wrong.Terms = project.Agree, admin.Terms{Users: "0", Storage: "1000001", Jobs: "101", Usual: "10"}
	wrong.Errors["users"], wrong.Errors["storage"], wrong.Errors["jobs"] = "Enter a number from 1 to 1,000,000, or nothing for no limit.", "Enter a number from 1 to 1,000,000, or nothing for no limit.", "Enter a number from 1 to 100, or nothing for 10."
	agreed := project
	agreed.Errors = ui.Errors{"": "This was changed meanwhile, so nothing was saved. Look at what it says now, and save again if yours is to stand in its place."}
	agreed.Now = []ui.Pair{{Name: "Limit of users", Value: "None"}, {Name: "Limit of stored data", Value: "1,000,000 GB"}, {Name: "Jobs at once", Value: "100"}, {Name: "Roles come from single sign-on", Value: "Yes"}}
	disabled := project
	disabled.State, disabled.Disabled, disabled.Reason, disabled.Disable, disabled.Enable = admin.Standing{Tone: "warn", Icon: "ban", Word: "Disabled"}, ago(2*day), name, admin.Form{}, form("enable", "")
	disabled.Expected = ago(-6 * day)
	gone := project
	gone.State, gone.Deleted, gone.DeletedBy, gone.Until, gone.PurgeDue = deleted, ago(time.Hour), name, ago(-59*day), ago(-59*day)
	gone.Retype, gone.Agree, gone.MoveURL = admin.Form{}, admin.Form{}, ""
	gone.Expiry, gone.Disable, gone.Undelete, gone.Purge, gone.History = admin.Form{}, admin.Form{}, form("undelete", ""), form("purge", ""), history
	confirm := gone
	confirm.Name, confirm.Errors = name, ui.Errors{"confirm": "This is not the name of the project. Nothing was changed."}
	purging := gone
	purging.State, purging.Until, purging.PurgeDue, purging.Undelete, purging.Purge = admin.Standing{Tone: "bad", Icon: "eraser", Word: "Being purged"}, ui.Time{}, ui.Time{}, admin.Form{}, admin.Form{}
	purging.Progress = admin.Purging{State: ui.Processing, Text: "1,204 tables and files removed, 3.4 GB", Stop: form("purge/stop", "")}
	broken := gone
	broken.Until, broken.Undelete = ui.Time{}, admin.Form{}
	broken.Progress = admin.Purging{State: ui.Cancelled, Text: "1,204 tables and files removed, 3.4 GB", Problem: "Vera Lindqvist stopped the purge. What was removed is gone for good; the rest is still there."}
	purged := purging
	purged.State, purged.Purged, purged.People = admin.Standing{Icon: "eraser", Word: "Purged"}, ago(time.Minute), "0"
	purged.Progress = admin.Purging{State: ui.Success, Text: "1,204 tables and files were removed."}

	templates := admin.Templates{Shell: above(), Download: ui.Download{CSV: "/admin/templates?format=csv", JSON: "/admin/templates?format=json"}, List: []admin.TemplateRow{
		{Place: "1", Name: "Production", Description: "For work that stays. It never expires.", URL: "/admin/templates/production", Expires: "Never", Retention: "30 days", Made: "1,000 or more", Offered: true},
		{Place: "2", Name: name, Description: longest, URL: "/admin/templates/template1", Expires: "After 3,650 days", Retention: "7 days", Made: "0"}}}
	template := admin.Template{Shell: above(), Title: "Production", Action: "/admin/templates/production", Key: "k63", Revision: "3", Name: "Production", Description: "For work that stays. It never expires.", Retention: "30", Position: "1", Offered: true, Terms: admin.Terms{Users: "1000000", Storage: "50", External: true, Usual: "10"},
		History: []ui.Item{{Icon: "circle", Who: "Vera Lindqvist", Text: "changed the template “Production”: place from 2 to 1.", Time: ago(time.Hour)}}}
	fresh := admin.Template{Shell: above(), Title: "New template", New: true, Action: "/admin/templates", Key: "k64", Retention: "30", Position: "1", Offered: true, Terms: admin.Terms{Usual: "10"}}
	refusedTemplate := template
	refusedTemplate.Title, refusedTemplate.Name, refusedTemplate.Days, refusedTemplate.Offered = name, name, "0", false
	refusedTemplate.Errors = ui.Errors{"name": "Another template has this name.", "days": "Enter a number of days from 1 to 3650, or nothing for never.", "offered": "This is the last one that is offered. Offer another one first, or nobody can make a project."}
	overtaken := template
	overtaken.Errors = ui.Errors{"": "Somebody else has changed this template meanwhile. Look at what it says now, and save again if yours is to stand in its place."}
	overtaken.Now = []ui.Pair{{Name: "Name", Value: name}, {Name: "Description", Value: longest}, {Name: "Expires", Value: "Never"}, {Name: "Offered", Value: "Yes"}}

	limits := people.Limits{Shell: inside(), Tabs: settingsTabs(), EditURL: "/admin/projects/1042", List: []people.Limit{
		{ID: "storage", Title: "Stored data", Figure: "41.8 GB", Of: "of 50 GB", Limited: true, Share: 0.836}, {ID: "users", Title: "Users", Figure: "6", Of: "of 10 people", Limited: true, Share: 0.6},
		{ID: "over", Title: "Stored data, far over", Figure: "1,234,567 GB", Of: "of 1 GB", Limited: true, Share: 1_234_567}, {ID: "rows", Title: "Rows", Figure: "48,120,311", Of: "No limit"},
		{ID: "jobs", Title: "Jobs at once", Figure: "10", Of: "of each kind of work; others wait for their turn"}}}

	wish := people.Wish{Shell: inside(), Users: "/projects/1042/settings/users", Limits: "/projects/1042/settings/limits", Action: "/projects/1042/settings/limits/ask", Key: "k65",
		For: ui.Choices{ID: "for", Legend: "What you ask for", Value: "time", Items: []ui.Choice{{Value: "time", Label: "More time"}, {Value: "limits", Label: "A higher limit"}, {Value: "type", Label: "Another type"}, {Value: "other", Label: "Something else"}}}}
	refusedWish := wish
	refusedWish.For.Error, refusedWish.Text = "Choose what you ask for.", name
	refusedWish.Errors = ui.Errors{"for": "Choose what you ask for.", "text": "At most 500 characters."}

	ask := people.ProjectDelete{Shell: inside(), Members: "/projects/1042/settings/users", URL: "/projects/1042/settings/project", Name: "Retail analytics", Action: "/projects/1042/settings/project/delete", Key: "k61", Tables: "1,204", Rows: "48,120,311", People: "12", Asking: "2 wait.", Grace: "60 days"}
	ask.Shell.Ends = layout.Ends{Left: "in 3 days", At: exact(-3 * day), URL: "/projects/1042/settings/limits/ask?for=time"}
	again := ask
	again.Name, again.Errors = name, ui.Errors{"confirm": "This is not the name of the project. Nothing was changed."}
	closed := func(screen, title, message string) Screen {
		return Screen{Name: screen, Title: title, Status: http.StatusForbidden, Component: viewerrors.Page(viewerrors.Error{Status: http.StatusForbidden, Title: title, Message: message, RequestID: "0123456789abcdef0123", SignOutKey: "k62"})}
	}
	return []Screen{
		ok("admin-projects", "All projects", admin.ProjectsPage(list)),
		ok("admin-projects-of", "All projects, of one organization", admin.ProjectsPage(of)),
		ok("admin-projects-none", "All projects, none fits", admin.ProjectsPage(admin.Projects{Shell: above(), Query: "zzz", State: "purged"})),
		ok("admin-templates", "Templates", admin.TemplatesPage(templates)),
		ok("admin-template", "One template", admin.TemplatePage(template)),
		ok("admin-template-new", "New template", admin.TemplatePage(fresh)),
		refused("admin-template-errors", "One template, with faults", admin.TemplatePage(refusedTemplate)),
		refused("admin-template-overtaken", "One template, changed meanwhile", admin.TemplatePage(overtaken)),
		ok("admin-project", "One project", admin.ProjectPage(project)),
		refused("admin-project-errors", "One project, with faults", admin.ProjectPage(wrong)),
		refused("admin-project-overtaken", "One project, its limits changed meanwhile", admin.ProjectPage(agreed)),
		ok("admin-project-disabled", "One project, disabled", admin.ProjectPage(disabled)),
		ok("admin-project-deleted", "One project, deleted", admin.ProjectPage(gone)),
		refused("admin-project-confirm", "One project, another name typed", admin.ProjectPage(confirm)),
		ok("admin-project-purging", "One project, being purged", admin.ProjectPage(purging)),
		ok("admin-project-stopped", "One project, its purge stopped", admin.ProjectPage(broken)),
		ok("admin-project-purged", "One project, purged", admin.ProjectPage(purged)),
		ok("limits", "Limits", people.LimitsPage(limits)),
		ok("wish", "Ask for more", people.WishPage(wish)),
		ok("wish-refused", "Ask for more, refused", people.WishPage(refusedWish)),
		ok("project-delete", "Delete this project, which expires soon", people.ProjectDeletePage(ask)),
		refused("project-delete-errors", "Delete this project, another name typed", people.ProjectDeletePage(again)),
		closed("project-deleted", "This project is deleted", "\"Hana Dvořáková\" deleted this project on 21 November 2026, 21:45 UTC. A super admin can bring it back as it was, until 20 January 2027, 21:45 UTC. Then its data is purged for good."),
		closed("project-disabled", "This project is disabled", "A super admin disabled this project on 21 November 2026, 21:45 UTC, for this reason: "+longest+". Its data is kept, and a super admin can enable it again."),
	}
}
