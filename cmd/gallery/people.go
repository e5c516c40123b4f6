package main

import (
	"time"

	"steward/internal/access"
	"steward/views/account"
	people "steward/views/settings"
	"steward/views/ui"
)

func peopleScreens() []Screen {
	in := people.Standing{Tone: "ok", Icon: "check", Word: "Active"}
	invited := people.Standing{Tone: "info", Icon: "mail", Word: "Invited"}
	newcomer := people.Standing{Tone: "warn", Icon: "clock", Word: "Not activated yet"}
	rows := []people.MemberRow{
		{Name: longEmail, Email: longEmail, URL: "/projects/1042/settings/invitations/8", Role: "Read only", Standing: newcomer, Since: ago(26 * time.Hour), Until: ago(-90 * day), Answer: ago(-6 * day), By: people.By{Text: "Invited by Hana Dvořáková", Reason: "Audit of all deliveries"}},
		{Name: "Hana Dvořáková", Email: "hana.dvorakova@northwind.example", You: true, URL: "/projects/1042/settings/users/1", Role: "Share", Standing: in, Factor: "On", Since: ago(600 * day), By: people.By{Text: "Came with the project"}},
		{Name: longest, Email: "jonas@lindqvist-consulting.example", URL: "/projects/1042/settings/users/2", Role: "Production manager", Standing: people.Standing{Tone: "bad", Icon: "ban", Word: "Disabled"}, Since: ago(90 * day), By: people.By{Text: "Asked to join, approved by " + longest, Reason: longest}},
		{Name: "Sven Aas", Email: "sven@steward.example", Badge: "Support", Standing: people.Standing{Tone: "info", Icon: "door-open", Word: "Asks to join"}, Factor: "On", Since: ago(time.Hour), By: people.By{Text: "Asks to be let in", Reason: "Ticket 4711"}},
		{Name: "Priya Raman", Email: "priya.raman@northwind.example", URL: "/projects/1042/settings/invitations/9", Role: "Guest", Standing: invited, Factor: "Off", Since: ago(time.Hour), Answer: ago(-7 * day), By: people.By{Text: "Invited by Marcus Oyelaran"}},
	}
	var choices []ui.Choice
	for _, r := range access.Roles(false) {
		choices = append(choices, ui.Choice{Value: string(r), Label: r.Label(), Text: r.Describe()})
	}
	list := people.Members{Shell: inside(), Tabs: settingsTabs(), InviteURL: "/projects/1042/settings/users/invite", List: rows, Sum: "4 people in all, 2 of them invited",
		Warning: "1 person signs in without a second step.", WarnURL: "/projects/1042/settings/users?twoStep=off", RemindURL: "/projects/1042/settings/users/remind", RemindKey: "k49", Roles: []ui.Option{{Label: "All roles"}, {Value: "guest", Label: "Guest"}},
		Sort: people.MemberColumns{User: ui.Column{Title: "User", Sort: "ascending", SortURL: "/projects/1042/settings/users"}, Role: ui.Column{Title: "Role", SortURL: "/projects/1042/settings/users?sort=role"},
			Added: ui.Column{Title: "Added", SortURL: "/projects/1042/settings/users?sort=newest"}, Expires: ui.Column{Title: "Expires", SortURL: "/projects/1042/settings/users?sort=expires"}},
		Pager: ui.Pager{Text: "4 people on this page"}, Download: ui.Download{CSV: "/projects/1042/settings/users?format=csv", JSON: "/projects/1042/settings/users?format=json"}}
	list.Asking, list.AskingURL = "1 person asks to be let in.", "/projects/1042/settings/users?status=asking"
	list.Shell.Notices = []ui.Banner{{Icon: "user-cog", Text: longest + ", of support, is in this project until 4 December 2026, 14:36 UTC: " + longest, Action: ui.Button{Label: "See who", URL: "/projects/1042/settings/users?sort=newest", Small: true}}}
	list.External = true
	reader := list
	reader.InviteURL, reader.Warning = "", ""
	none := list
	none.List, none.Query, none.Role, none.Standing = nil, "zzz", "guest", "invited"
	member := people.Member{Shell: inside(), In: people.InProject(list.Tabs.Users), Row: rows[2], RoleURL: "/projects/1042/settings/users/2/role", Role: ui.Choices{ID: "role", Legend: "Role", Value: "guest", Items: choices},
		LastDay: "2026-12-31", LastDayURL: "/projects/1042/settings/users/2/last-day", LastDayKey: "k85", RemoveURL: "/projects/1042/settings/users/2/remove"}
	ended := member
	ended.LastDay, ended.Shorter, ended.Errors = "2001-01-01", true, ui.Errors{"until": "Choose a day that is still to come."}
	last := member
	last.Errors = ui.Errors{"": "Hana Dvořáková is the last one who manages the people of this project. Give somebody else such a role first."}
	self := people.Member{Shell: inside(), In: people.InProject(list.Tabs.Users), Row: rows[1],
		Remove: ui.Confirm{ID: "leave", Question: "Leave this project?", Verb: "Leave project", Keep: "Stay", Key: "k42", Action: "/projects/1042/settings/users/leave", Consequence: "You are out at once. What you did stays."}}
	form := people.Invite{Shell: inside(), In: people.InProject(list.Tabs.Users), Back: list.Tabs.Users, Action: list.Tabs.Users, Days: "7", Role: ui.Choices{ID: "role", Legend: "Role", Items: choices}}
	form.External = true
	wrong := form
	wrong.Emails, wrong.Days, wrong.Until, wrong.Reason = "priya.raman@northwind\n"+longEmail, "99", "2001-01-01", longest
	wrong.Errors = ui.Errors{"emails": `"priya.raman@northwind" is no full email address, like name@example.com.`, "role": "Choose a role.", "days": "An invitation counts for 1 to 14 days.", "until": "Choose a day that is still to come.", "reason": "At most 200 characters."}
	wrong.Role.Error = "Choose a role."
	sent := people.Invited{Shell: inside(), In: people.InProject(list.Tabs.Users), Back: list.Tabs.Users, Mailed: true, List: []people.InvitedRow{
		{Email: longEmail, Role: "Read only", Link: "https://steward.northwind.example/activate/stw_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG_000000", Fresh: true},
		{Email: "sofia@partner.example", Role: "Guest", Fresh: true},
		{Email: "priya.raman@northwind.example", Role: "Guest", Link: "https://steward.northwind.example/account/invitations"}}}
	unmailed := sent
	unmailed.Mailed, unmailed.List = false, sent.List[:1]
	invitation := people.Invitation{Shell: inside(), In: people.InProject(list.Tabs.Users), Row: rows[0], Open: ago(-5 * day), AgainURL: "/projects/1042/settings/invitations/8/send",
		Cancel: ui.Confirm{ID: "cancel", Question: "Cancel the invitation of " + longEmail + "?", Verb: "Cancel invitation", Keep: "Keep it", Key: "k43", Action: "/projects/1042/settings/invitations/8/cancel", Consequence: "Nobody can accept it any more, and its link is dead."}}
	void := invitation
	void.Row.Void = longest + ", who sent it, may not do so any more. Whoever sends it again vouches for it."
	over := invitation
	over.AgainURL, over.Outcome, over.Ended, over.Cancel = "", "It was declined.", ago(day), ui.Confirm{}
	rows[4].Void = void.Row.Void
	past := list
	past.Standing, past.List, past.Sum, past.Pager.Text = "over", nil, "Those that ended in the last 30 days", "3 invitations on this page"
	past.Over = []people.OverRow{{MemberRow: invitation.Row, Outcome: "It was declined.", Ended: ago(day)}, {MemberRow: void.Row, Outcome: "It was not needed any more: they joined by themselves.", Ended: ago(9 * day)}, {MemberRow: rows[4], Outcome: longest + " (" + longEmail + ") cancelled it.", Ended: ago(9 * day)}}
	own := account.Invitations{Shell: own(), List: []account.InvitationRow{
		{Place: "Retail analytics", Kind: "project", Organization: "Northwind Foods", Role: "Guest", RoleText: access.Guest.Describe(), Inviter: "Marcus Oyelaran", Email: "marcus@northwind.example", Reason: "Cover for Gita", Open: ago(-5 * day), AcceptURL: "/account/invitations/9/accept", AcceptKey: "k44", DeclineURL: "/account/invitations/9/decline", DeclineKey: "k45"},
		{Place: longest, Kind: "project", Organization: longest, Role: "Read only", RoleText: access.ReadOnly.Describe(), Inviter: longest, Email: "marcus@northwind.example", Reason: longest, Until: ago(-90 * day), Open: ago(-5 * day), AcceptURL: "/account/invitations/10/accept", AcceptKey: "k46", DeclineURL: "/account/invitations/10/decline", DeclineKey: "k47"}}}
	own.List = append(own.List, account.InvitationRow{Place: "Northwind Foods", Kind: "organization", Inviter: "Hana Dvořáková", Email: "hana@northwind.example", Reason: longest, Open: ago(-5 * day), AcceptURL: "/account/invitations/11/accept", AcceptKey: "k50", DeclineURL: "/account/invitations/11/decline", DeclineKey: "k51"})
	own.List[1].AcceptURL, own.List[1].Void = "", longest+", who invited you, may not do so any more. Ask for a new invitation."
	own.List[2].Demanding = "Northwind Foods"
	own.Asking = []account.RequestRow{{Project: "Supply chain", Organization: "Northwind Foods", URL: "/projects/1058/request", Reason: "Ticket 4711", Hours: "8 hours", Role: "Admin", Open: ago(-7 * day)}, {Project: longest, Organization: longest, URL: "/projects/1059/request", Reason: longest, Hours: "7 days", Role: "Developer", Open: ago(-time.Hour)}}
	own.Asked = []account.PastRequest{{Project: "Supply chain", Outcome: "You took it back", When: ago(day)}, {Project: longest, Outcome: longest + " did not let you in", Answer: longest, When: ago(9 * day)}}
	own.Past = []account.PastInvitation{{Place: "Supply chain", Inviter: "Hana Dvořáková", Outcome: "Cancelled: ask for a new one if you need it", When: ago(day)}, {Place: longest, Inviter: longest, Outcome: "You declined it", When: ago(9 * day)}}
	about := people.Project{Shell: inside(), Tabs: settingsTabs(), Organization: "Northwind Foods", Number: "1042", Kind: "Standard", Type: "Production", MoveURL: "/projects/1042/move", Created: ago(600 * day), CreatedBy: longest, Expires: ago(-12 * day),
		Editable: true, Key: "k48", Name: "Retail analytics", Description: "Customers, orders and advertising costs of the Northwind shops.", Retention: "30"}
	wrongAbout := about
	wrongAbout.Name, wrongAbout.Retention, wrongAbout.Organization, wrongAbout.Errors = "", "99999", longest, ui.Errors{"name": "Enter a name for the project.", "retention": "Enter a number of days from 1 to 3650."}
	overtaken := about
	overtaken.Errors = ui.Errors{"": "This was changed meanwhile, so nothing was saved. Look at what it says now, and save again if yours is to stand in its place."}
	overtaken.Now = []ui.Pair{{Name: "Name", Value: longest}, {Name: "Description"}, {Name: "Versions are kept for", Value: "3,650 days"}, {Name: "Roles come from single sign-on", Value: "Yes"}}
	readAbout := about
	readAbout.Editable, readAbout.Name, readAbout.Tabs = false, longest, people.Tabs{Users: list.Tabs.Users, Project: list.Tabs.Project}
	return []Screen{
		ok("project-settings", "Project settings", people.ProjectPage(about)),
		refused("project-settings-errors", "Project settings, with faults", people.ProjectPage(wrongAbout)),
		refused("project-settings-overtaken", "Project settings, changed meanwhile", people.ProjectPage(overtaken)),
		ok("project-settings-reader", "Project settings, who may only read", people.ProjectPage(readAbout)),
		ok("users", "Users & settings", people.MembersPage(list)),
		ok("users-reader", "Users & settings, who may not invite", people.MembersPage(reader)),
		ok("users-over", "Users & settings, invitations that wait no more", people.MembersPage(past)),
		ok("users-none", "Users & settings, nobody fits", people.MembersPage(none)),
		ok("user", "A member, long name", people.MemberPage(member)),
		refused("user-last", "A member, the last administrator", people.MemberPage(last)),
		refused("user-last-day", "A member, with a last day that is over", people.MemberPage(ended)),
		ok("user-self", "A member, oneself", people.MemberPage(self)),
		ok("invite", "Invite people", people.InvitePage(form)),
		refused("invite-errors", "Invite people, with faults", people.InvitePage(wrong)),
		ok("invited", "Invitations sent", people.InvitedPage(sent)),
		ok("invited-unmailed", "Invitations, no mail server", people.InvitedPage(unmailed)),
		ok("invited-one", "An invitation", people.InvitationPage(invitation)),
		ok("invited-void", "An invitation that does not count any more", people.InvitationPage(void)),
		ok("invited-ended", "An invitation that waits no more", people.InvitationPage(over)),
		ok("invitations-two", "Invitations, two", account.InvitationsPage(own)),
	}
}
