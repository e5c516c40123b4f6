package main

import (
	"time"

	"steward/internal/access"
	people "steward/views/settings"
	"steward/views/tenancy"
	"steward/views/ui"
)

func teamScreens() []Screen {
	tabs := tenancy.OrganizationTabs(7, true, true, "projects")
	member := people.Standing{Tone: "ok", Icon: "check", Word: "Active"}
	rows := []people.MemberRow{
		{Name: "Hana Dvořáková", Email: "hana.dvorakova@northwind.example", You: true, URL: "/organizations/7/members/1", Standing: member, Factor: "On", Since: ago(600 * day), By: people.By{Text: "Came with the organization"}},
		{Name: longest, Email: longEmail, URL: "/organizations/7/members/2", Standing: member, Factor: "Off", Since: ago(90 * day), By: people.By{Text: "Invited by " + longest, Reason: longest}},
		{Name: "ivo@northwind.example", Email: "ivo@northwind.example", URL: "/organizations/7/invitations/3", Standing: people.Standing{Tone: "info", Icon: "mail", Word: "Invited"}, Since: ago(time.Hour), By: people.By{Text: "Invited by Hana Dvořáková"}},
	}
	download := ui.Download{CSV: "/organizations/7?format=csv", JSON: "/organizations/7?format=json"}
	team := people.Team{Shell: outside(), Name: "Northwind Foods", Kind: "organization", Home: "/organizations/7", Tabs: tenancy.OrganizationTabs(7, true, true, "members"), URL: "/organizations/7/members", InviteURL: "/organizations/7/members/invite", JoinURL: "/organizations/7/join", List: rows, Sum: "2 members, 1 invited", Pager: ui.Pager{Text: "3 people on this page"}, Download: download}
	over := team
	over.IsOver, over.List, over.Sum, over.Pager.Text = true, nil, "Those that ended in the last 30 days", "1 invitation on this page"
	over.Over = []people.OverRow{{MemberRow: rows[2], Outcome: longest + " (" + longEmail + ") cancelled it.", Ended: ago(day)}}
	empty := team
	empty.Name, empty.Kind, empty.List, empty.JoinURL, empty.Tabs = longest, "maintainer", nil, "", tenancy.MaintainerTabs(3, "members")
	organization := tenancy.Organization{Shell: outside(), Name: "Northwind Foods", URL: "/organizations/7", Lede: "Organization of North EU, with 4 projects.", Tabs: tabs, NewURL: "/organizations/7/projects/new", Pager: ui.Pager{Text: "3 projects on this page"}, Download: download,
		List: []tenancy.OrganizationProject{
			{Number: "1042", Name: "Retail analytics", URL: "/projects/1042", Kind: "Standard", Expires: ago(-12 * day), Role: "Share", Leave: ui.Confirm{ID: "leave-1042", Question: "Leave Retail analytics?", Verb: "Leave project", Keep: "Stay", Key: "k61", Action: "/projects/1042/settings/users/leave", Consequence: "You are out at once. What you did stays. You come back by an invitation, or by yourself if you may join it."}, MoveURL: "/projects/1042/move"},
			{Number: "1058", Name: longest, Kind: "Governed", JoinURL: "/projects/1058/join"},
			{Number: "1077", Name: "Old trials", Kind: "Standard", Disabled: true, Reason: longest}},
		Waiting: tenancy.Waiting{Text: "2 deleted projects wait for their purge, the last until ", Until: ago(-50 * day)},
		Deleted: []tenancy.DeletedProject{{Number: "1031", Name: "Harvest 2024", By: "Hana Dvořáková", Deleted: ago(10 * day), Purge: ago(-50 * day)}, {Number: "1017", Name: longest, By: longest, Deleted: ago(61 * day), Purge: ago(time.Hour), Purging: true}}}
	organization.Away = []tenancy.AwayProject{{Number: "1066", Name: "Store openings", In: "Contoso Data", By: "Sven Aas", Moved: ago(3 * day), Until: ago(-27 * day), URL: "/organizations/7/projects/1066/take-back"}, {Number: "1067", Name: longest, In: longest[:200], By: longest, Moved: ago(29 * day), Until: ago(-day), URL: "/organizations/7/projects/1067/take-back"}}
	organization.AwayMore = "And others: those stand here whose time ends first. The mail about each move leads to its project."
	visited := organization
	visited.Away, visited.AwayMore = nil, ""
	visited.Name, visited.List, visited.NewURL, visited.JoinReason = longest, nil, "", "You do not belong to this organization. It lets you into its projects for a time, and with a reason."
	kinds := ui.Choices{ID: "template", Legend: "Type", Items: []ui.Choice{{Value: "production", Label: "Production", Text: "For work that stays. It never expires."}, {Value: "demo", Label: "Demo, 2 days", Text: "To look around, or to show something."}}}
	fresh := tenancy.ProjectNew{Shell: outside(), Organization: ui.Link{Label: "Northwind Foods", URL: "/organizations/7"}, Action: "/organizations/7/projects", Key: "k62", Template: kinds}
	wrong := fresh
	wrong.Name, wrong.Errors, wrong.Template.Error = "", ui.Errors{"name": "Enter a name for the project.", "template": "Choose what kind of project it is."}, "Choose what kind of project it is."
	settings := tenancy.OrganizationSettings{Shell: outside(), Title: "Northwind Foods", URL: "/organizations/7", Tabs: tenancy.OrganizationTabs(7, true, true, "settings"), Action: "/organizations/7/settings", Maintainer: ui.Link{Label: "North EU", URL: "/maintainers/3"}, Number: "7", Created: ago(600 * day),
		Editable: true, Key: "k63", Name: "Northwind Foods", AutoJoin: true, FactorURL: "/organizations/7/two-step", Deletable: true, DeleteURL: "/organizations/7/delete", DeleteKey: "k64"}
	refusedSettings := settings
	refusedSettings.Title, refusedSettings.Name, refusedSettings.Factor, refusedSettings.Errors = longest, "", true, ui.Errors{"name": "Enter a name for the organization.", "confirm": "This is not the name of the organization. Nothing was changed."}
	read := settings
	kept := settings
	kept.ProjectsLeft, kept.Waiting = "It has 3 projects. Delete or move them first.", tenancy.Waiting{Text: "1 deleted project waits for its purge, until ", Until: ago(-50 * day)}
	read.Editable, read.Deletable, read.FactorURL, read.Maintainer.URL = false, false, "", ""
	without := tenancy.TwoStep{Shell: outside(), Name: "Northwind Foods", URL: "/organizations/7", Settings: "/organizations/7/settings", Action: "/organizations/7/two-step", Key: "k65", SecurityURL: "/account/security", Mails: "1,000", Pager: ui.Pager{Text: "2 people on this page"}, Download: download,
		List: []tenancy.UnprotectedRow{{Name: "Gita Raman", Email: "gita@northwind.example", Where: "Retail analytics"}, {Name: longest, Email: longEmail, Where: longest}}}
	locked := without
	locked.OwnMissing, locked.Errors = true, ui.Errors{"": "Turn on two-step sign-in for yourself first. Otherwise you would lock yourself out."}
	safe := without
	safe.On, safe.List = true, nil
	billing := tenancy.Billing{Shell: outside(), Name: "Northwind Foods", URL: "/organizations/7", Tabs: tenancy.OrganizationTabs(7, true, true, "billing"), Action: "/organizations/7/billing", Key: "k66", Pager: ui.Pager{Text: "1 change on this page"}, Download: download,
		Fields:  []tenancy.BillingField{{ID: "company", Label: "Company", Value: "Northwind Foods a.s."}, {ID: "address", Label: "Address", Value: "Dlouhá 1\n110 00 Praha", Long: true}, {ID: "email", Label: "Billing email", Value: longEmail}},
		History: []tenancy.BillingChange{{Who: longest, When: ago(3 * day), What: "company, address, billing email", Values: []ui.Pair{{Name: "Company", Value: "Northwind Foods a.s."}, {Name: "Address", Value: longest}}}}}
	overtaken := billing
	overtaken.Errors = ui.Errors{"": "This was changed meanwhile, so nothing was saved. Look at what it says now, and save again if yours is to stand in its place."}
	overtaken.Now = []ui.Pair{{Name: "Company", Value: longest}, {Name: "Address"}, {Name: "Billing email", Value: longEmail}}
	unpaid := billing
	unpaid.History, unpaid.Errors = nil, ui.Errors{"email": "Enter a full email address, like name@example.com."}
	join := tenancy.Entrance{Shell: outside(), Project: "Supply chain", Organization: ui.Link{Label: "Northwind Foods", URL: "/organizations/7"}, Lede: "You are in it at once. It is recorded, and everybody in the project sees it.", Action: "/projects/1058/join", Key: "k67", Back: "/organizations/7",
		Role: ui.Choices{ID: "role", Legend: "Role", Items: []ui.Choice{{Value: "admin", Label: "Admin", Text: access.Admin.Describe()}, {Value: "guest", Label: "Guest", Text: access.Guest.Describe()}}}}
	ask := tenancy.Entrance{Shell: outside(), Project: longest, Organization: ui.Link{Label: longest}, Ask: true, Lede: "Those who manage the people of the project decide, and get a mail.", RoleText: "You will be Admin. " + access.Admin.Describe(), Action: "/projects/1058/request", Key: "k68", Back: "/",
		Stays: []ui.Option{{Value: "1", Label: "1 hour"}, {Value: "8", Label: "8 hours"}}, Errors: ui.Errors{"reason": "Say what for: the people of the project read it.", "hours": "Choose for how long."}}
	asked := ask
	asked.Errors, asked.Waiting, asked.WaitingFor, asked.CancelURL, asked.CancelKey = nil, ago(-5*day), longest, "/projects/1058/request/cancel", "k69"
	asked.WaitingStay, asked.WaitingRole = "8 hours", "Admin"
	before := ask
	before.Errors, before.Last = nil, tenancy.PastRequest{Reason: longest, Outcome: longest + " did not let you in", Answer: longest, When: ago(day)}
	moveTo := tenancy.MoveTo{Shell: outside(), Project: "Retail analytics", Organization: ui.Link{Label: "Northwind Foods", URL: "/organizations/7"}, Back: "/organizations/7", URL: "/projects/1042/move", Pager: ui.Pager{Text: "2 organizations on this page"},
		List: []tenancy.MoveTarget{{Number: "8", Name: "Contoso Data", Maintainer: "North EU", URL: "/projects/1042/move?to=8", Factor: true}, {Number: "9", Name: longest[:200], Maintainer: longest[:200], URL: "/projects/1042/move?to=9"}}}
	above := moveTo
	above.Above = true
	nowhere := moveTo
	nowhere.Project, nowhere.Organization.Label, nowhere.List = longest[:200], longest[:200], nil
	move := tenancy.Move{Shell: outside(), Project: "Retail analytics", Organization: moveTo.Organization, Here: "Northwind Foods", To: "Contoso Data", ToID: "8", Maintainer: "North EU", AutoJoin: true, Action: "/projects/1042/move", Key: "k80", Other: "/projects/1042/move", Back: "/organizations/7"}
	stricter := move
	stricter.Project, stricter.Organization.Label, stricter.Here, stricter.To, stricter.Maintainer, stricter.AutoJoin, stricter.Factor, stricter.Lost = longest[:200], longest[:200], longest[:200], longest[:200], longest[:200], false, true, true
	stricter.Out = tenancy.MovePeople{Count: "12 people", First: []ui.Pair{{Name: "Sven Aas", Value: "sven@steward.example"}, {Name: longest[:200], Value: longEmail}}, More: "And 10 more"}
	stricter.Locked = tenancy.MovePeople{Count: "More than 100 people"}
	stricter.Requests, stricter.Invitations, stricter.Ending, stricter.Errors = "2 requests to join", "3 invitations that wait", "2", ui.Errors{"confirm": "This is not the name of the project. Nothing was changed."}
	back := move
	back.Organization, back.Here, back.To, back.ToID, back.FromID, back.Other, back.Maintainer = moveTo.Organization, "Contoso Data", "Northwind Foods", "", "8", "", "North EU"
	back.Action, back.Out, back.Returns, back.Restored = "/organizations/7/projects/1042/take-back", tenancy.MovePeople{Count: "3 people"}, true, "2 people get back"
	overtakenBack := back
	overtakenBack.Here, overtakenBack.Errors = longest[:200], ui.Errors{"": "The project has moved on to “Third” meanwhile. Nothing was changed. Look at what taking it back means now."}
	request := people.Request{Shell: inside(), In: people.InProject("/projects/1042/settings/users"), Hours: "1 day", Role: "Admin", Open: ago(-5 * day), ApproveURL: "/projects/1042/settings/requests/4/approve", ApproveKey: "k70", RejectURL: "/projects/1042/settings/requests/4/reject", RejectKey: "k71",
		Row: people.MemberRow{Name: "Sven Aas", Email: "sven@steward.example", Badge: "Support", Factor: "On", Since: ago(time.Hour), By: people.By{Reason: "Ticket 4711: a load that never ends"}}}
	decided := request
	decided.Outcome, decided.Ended, decided.Answer = longest+" did not let them in.", ago(time.Minute), longest
	late := request
	late.Row.Name, late.Row.By.Reason, late.Errors = longest, longest, ui.Errors{"": longest + " may not ask for this any more, as they are now."}
	maintainers := tenancy.Maintainers{Shell: outside(), List: []ui.Link{{Label: "North EU", URL: "/maintainers/3"}, {Label: longest, URL: "/maintainers/4"}}, Pager: ui.Pager{Text: "2 maintainers on this page"}, Download: download, Action: "/maintainers", Key: "k72", Errors: ui.Errors{"name": "Enter a name for the maintainer."}}
	tree := tenancy.Maintainer{Shell: outside(), Name: "North EU", URL: "/maintainers/3", Tabs: tenancy.MaintainerTabs(3, "organizations"), NewURL: "/maintainers/3/organizations/new", Pager: ui.Pager{Text: "2 organizations on this page"}, Download: download,
		List: []tenancy.MaintainerOrganization{
			{ID: "organization-7", Name: "Northwind Foods", URL: "/organizations/7", CloseURL: "/maintainers/3", CRM: "N-17", CRMURL: "/maintainers/3/organizations/7", AutoJoin: true, Open: true, More: ui.Link{Label: "More projects of Northwind Foods", URL: "/maintainers/3?organization=7&projects=x"},
				Projects: []tenancy.TreeProject{{Number: "1042", Name: "Retail analytics", URL: "/projects/1042", Role: "Share"}, {Number: "1058", Name: longest, Enter: ui.Link{Label: "Join", URL: "/projects/1058/join"}}}},
			{ID: "organization-8", Name: longest, OpenURL: "/maintainers/3?organization=8", CRM: longest[:100], CRMURL: "/maintainers/3/organizations/8"},
			{ID: "organization-9", Name: "Closed", CloseURL: "/maintainers/3", CRMURL: "/maintainers/3/organizations/9", Open: true}}}
	nothing := tenancy.Maintainer{Shell: outside(), Name: longest, URL: "/maintainers/3", Tabs: tenancy.MaintainerTabs(3, "organizations")}
	named := tenancy.Named{Shell: outside(), Title: longest, Lede: "What this maintainer is called.", Section: "maintainers", Crumbs: []ui.Link{{Label: "Maintainers", URL: "/maintainers"}, {Label: longest, URL: "/maintainers/3"}, {Label: "Settings"}}, Tabs: tenancy.MaintainerTabs(3, "settings"), Number: "3", Created: ago(600 * day), Action: "/maintainers/3/settings", Key: "k73", Name: longest, Verb: "Save"}
	crm := tenancy.CRM{Shell: outside(), Crumbs: []ui.Link{{Label: "Maintainers", URL: "/maintainers"}, {Label: "North EU", URL: "/maintainers/3"}, {Label: longest}}, Back: "/maintainers/3", Name: longest, Number: "7", Created: ago(600 * day), Action: "/maintainers/3/organizations/7", Key: "k82", CRM: "N-18", Seen: "x",
		Now: []ui.Pair{{Name: "CRM id", Value: "N-17"}}, Errors: ui.Errors{"crmId": "At most 100 characters."}}
	crmRead := crm
	crmRead.Action, crmRead.CRM, crmRead.Errors = "", "", nil
	return []Screen{
		refused("organization-crm-errors", "CRM id of an organization, changed meanwhile", tenancy.CRMPage(crm)),
		ok("organization-crm", "CRM id of an organization, for support", tenancy.CRMPage(crmRead)),
		ok("organization", "An organization with its projects", tenancy.OrganizationPage(organization)),
		ok("organization-visited", "An organization, for a visitor", tenancy.OrganizationPage(visited)),
		ok("organization-members", "Members of an organization", people.TeamPage(team)),
		ok("organization-members-over", "Members of an organization, invitations that wait no more", people.TeamPage(over)),
		ok("maintainer-members-none", "Members of a maintainer, none", people.TeamPage(empty)),
		ok("organization-settings", "Settings of an organization", tenancy.OrganizationSettingsPage(settings)),
		ok("organization-settings-kept", "Settings of an organization that has projects", tenancy.OrganizationSettingsPage(kept)),
		refused("organization-settings-errors", "Settings of an organization, with faults", tenancy.OrganizationSettingsPage(refusedSettings)),
		ok("organization-settings-reader", "Settings of an organization, who may only read", tenancy.OrganizationSettingsPage(read)),
		ok("organization-two-step", "Who signs in without a second step", tenancy.TwoStepPage(without)),
		refused("organization-two-step-own", "Who would lock themselves out", tenancy.TwoStepPage(locked)),
		ok("organization-two-step-on", "Two-step sign-in is a must", tenancy.TwoStepPage(safe)),
		ok("organization-billing", "Billing details", tenancy.BillingPage(billing)),
		refused("organization-billing-errors", "Billing details, with faults", tenancy.BillingPage(unpaid)),
		refused("organization-billing-overtaken", "Billing details, changed meanwhile", tenancy.BillingPage(overtaken)),
		ok("project-new", "New project", tenancy.ProjectNewPage(fresh)),
		refused("project-new-errors", "New project, with faults", tenancy.ProjectNewPage(wrong)),
		ok("join", "Join a project", tenancy.EntrancePage(join)),
		ok("move-to", "Move a project, the choice", tenancy.MoveToPage(moveTo)),
		ok("move-nowhere", "Move a project, no other organization", tenancy.MoveToPage(nowhere)),
		ok("move", "Move a project", tenancy.MovePage(move)),
		ok("move-above", "Move a project for its maintainer, the choice", tenancy.MoveToPage(above)),
		ok("take-back", "Take a project back", tenancy.MovePage(back)),
		refused("take-back-moved-on", "Take a project back, which has moved on", tenancy.MovePage(overtakenBack)),
		refused("move-errors", "Move a project, another name typed", tenancy.MovePage(stricter)),
		refused("ask", "Ask to join a project, with faults", tenancy.EntrancePage(ask)),
		ok("asked", "Ask to join a project, asked", tenancy.EntrancePage(asked)),
		ok("asked-before", "Ask to join a project, once more", tenancy.EntrancePage(before)),
		ok("request", "A request to join", people.RequestPage(request)),
		ok("request-decided", "A request to join, that somebody has decided", people.RequestPage(decided)),
		refused("request-late", "A request to join, that may not be made any more", people.RequestPage(late)),
		refused("maintainers", "Maintainers, with a fault", tenancy.MaintainersPage(maintainers)),
		ok("maintainer", "The tree of a maintainer", tenancy.MaintainerPage(tree)),
		ok("maintainer-none", "A maintainer without organizations", tenancy.MaintainerPage(nothing)),
		ok("maintainer-settings", "Settings of a maintainer", tenancy.NamedPage(named)),
	}
}
