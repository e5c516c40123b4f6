package main

import (
	"time"

	"steward/internal/access"
	"steward/views/layout"
	people "steward/views/settings"
	"steward/views/tenancy"
	"steward/views/ui"
)

func accessScreens() []Screen {
	in := people.MemberRow{Name: "Hana Dvořáková", Email: "hana.dvorakova@northwind.example", You: true, URL: "/projects/1042/settings/users/1", Role: "Share", Factor: "On", Since: ago(600 * day), By: people.By{Text: "Came with the project"}}
	long := people.MemberRow{Name: longest, Email: longEmail, URL: "/projects/1042/settings/users/2", Role: "Production manager", Factor: "Off", Since: ago(90 * day), Until: ago(-90 * day), By: people.By{Text: "Asked to join, approved by " + longest, Reason: longest}}
	support := people.MemberRow{Name: "Sven Aas", Email: "sven@steward.example", Factor: "On"}
	invited := people.MemberRow{Name: longEmail, Email: longEmail, URL: "/projects/1042/settings/invitations/8", Role: "Read only", Since: ago(26 * time.Hour), By: people.By{Text: "Invited by Hana Dvořáková", Reason: "Audit of all deliveries"}}
	who := people.Access{Shell: inside(), Tabs: settingsTabs(), URL: "/projects/1042/settings/access", Tone: "warn", Open: "People of the maintainer " + longest + ", support and super admins let themselves in for up to a week, with a reason: Northwind Foods allows it. Everybody here sees them.",
		Stats:  []ui.Stat{{Label: "With a role", Figure: "2"}, {Label: "Of the organization", Figure: "10,000", Unit: "or more"}, {Label: "From outside it", Figure: "1"}, {Label: "Invited", Figure: "1"}, {Label: "Asking", Figure: "0"}},
		Grants: []ui.Option{{Label: "For any reason"}, {Value: "member", Label: "People with a role"}, {Value: "support", Label: "Support"}},
		Groups: []people.Ways{
			{ID: "by-member", Title: "People with a role", List: []people.WayRow{{MemberRow: in, In: true}, {MemberRow: long, Steps: []string{"A super admin enables the account", "They turn on two-step sign-in"}}}},
			{ID: "by-support", Title: "Support", Lede: "They may let themselves in, with a reason and for a time.", List: []people.WayRow{{MemberRow: support, Steps: []string{"They join by themselves"}}}},
			{ID: "by-invitation", Title: "Invited", Lede: "Whoever reads the mails of such an address can accept.", List: []people.WayRow{{MemberRow: invited, Open: ago(-5 * day), Steps: []string{"They activate the account", "Somebody invites them again: this invitation does not count any more", "They accept the invitation"}}}},
		},
		Pager: ui.Pager{Text: "4 ways in on this page", Next: ui.Link{Label: "More ways in", URL: "/projects/1042/settings/access?after=x"}}, Download: ui.Download{CSV: "/projects/1042/settings/access?format=csv", JSON: "/projects/1042/settings/access?format=json"}}
	unnamed := who
	unnamed.Groups = append(who.Groups[:1:1], people.Ways{ID: "by-organization", Title: "Members of the organization", Lede: "Of " + longest + ". They may join at any time with any role, and manage the people here without joining.", Unnamed: "At least 10,000 people. Members of the organization see here who they are."})
	nobody := who
	nobody.Groups, nobody.Query, nobody.Grant = nil, "zzz", "support"
	mine := tenancy.Reach{Shell: own(), Title: "Access", Lede: "Everything here that you can get into, now or after another step, and why.", Frame: layout.Frame{Title: "Access", Section: "access", Crumbs: []ui.Link{{Label: "Your account", URL: "/account"}, {Label: "Access"}}},
		Pager: ui.Pager{Text: "3 places on this page"}, Download: ui.Download{CSV: "/account/access?format=csv", JSON: "/account/access?format=json"},
		List: []tenancy.ReachRow{
			{Name: "Retail analytics", URL: "/projects/1042", In: "Northwind Foods", By: "Role in the project", Role: "Share", Inside: true, Since: ago(600 * day)},
			{Name: longest, In: longest, By: "Invitation", Reason: longest, Role: "Read only", Steps: []string{"You accept the invitation"}, Since: ago(day), Until: ago(-6 * day)},
			{Name: "Every project of Northwind Foods", URL: "/organizations/7", In: "4 projects, North EU", By: "Member of the organization", Steps: []string{"You join by yourself"}, Since: ago(600 * day)},
		}}
	theirs := mine
	theirs.Kicker, theirs.Title, theirs.Before = "Person", longest, []string{"They turn on two-step sign-in"}
	theirs.Facts = []ui.Pair{{Name: "Super admin", Value: "Administration of the whole console; every organization, and its projects as its auto-join says."}}
	nothing := mine
	nothing.List = nil
	role := people.Prospect{Shell: inside(), In: people.InProject("/projects/1042/settings/users"), Name: "Marcus Oyelaran", URL: "/projects/1042/settings/users/3", Title: "Make Marcus Oyelaran Guest?", From: "Admin", To: "Guest", ToText: access.Guest.Describe(), Action: "/projects/1042/settings/users/3/role", Key: "k80", Role: "guest", Verb: "Change role",
		Changes: []ui.Item{{Tone: "bad", Icon: "x", Who: "No longer:", Text: "delete the project"}, {Tone: "bad", Icon: "x", Who: "No longer:", Text: "give tokens a new secret", Sub: "From then on only of their own."}, {Tone: "ok", Icon: "plus", Who: "From then on:", Text: "read the audit log"}},
		Ends:    []ui.Item{{Tone: "bad", Icon: "list-checks", Who: "Job 84213:", Text: "table.import", URL: "/projects/1042/storage/jobs/84213", Sub: "in.c-crm." + longest}},
		Stays:   []ui.Item{{Icon: "history", Text: "What they did, with their name on it."}}}
	removal := role
	removal.Name, removal.Title, removal.To, removal.ToText, removal.Role, removal.Verb, removal.Action = longest, "Remove "+longest+"?", "None", "", "", "Remove from project", "/projects/1042/settings/users/3/remove"
	overtaken := role
	overtaken.Overtaken = "This was changed meanwhile, so nothing was saved. Look at what it says now, and save again if yours is to stand in its place."
	last := removal
	last.Refused = longest + " is the last one who manages the people of this project. Give somebody else such a role first."
	return []Screen{
		ok("access", "Who can get in", people.AccessPage(who)),
		ok("access-unnamed", "Who can get in, seen from outside the organization", people.AccessPage(unnamed)),
		ok("access-none", "Who can get in, nobody fits", people.AccessPage(nobody)),
		ok("reach", "Access, one's own", tenancy.ReachPage(mine)),
		ok("reach-person", "Access of a person, long name", tenancy.ReachPage(theirs)),
		ok("reach-none", "Access, nothing", tenancy.ReachPage(nothing)),
		ok("prospect-role", "What another role changes", people.ProspectPage(role)),
		refused("prospect-overtaken", "What another role changes, when the role was changed meanwhile", people.ProspectPage(overtaken)),
		ok("prospect-removal", "What a removal means, long name", people.ProspectPage(removal)),
		refused("prospect-refused", "What a removal means, the last administrator", people.ProspectPage(last)),
	}
}
