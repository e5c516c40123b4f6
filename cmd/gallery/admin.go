package main

import (
	"time"

	"steward/views/admin"
	"steward/views/layout"
	"steward/views/ui"
)

// above is the shell of the pages for super admins.
func above() layout.Shell {
	s := outside()
	s.Nav, s.Person.SuperAdmin = layout.AdminNav(), true
	return s
}

func adminScreens() []Screen {
	people := []admin.UserRow{
		{Name: "Hana Dvořáková", Email: "hana.dvorakova@northwind.example", URL: "/admin/users/1", You: true, State: "Active", Factor: true, SuperAdmin: true, LastLogin: ago(time.Hour), Created: ago(300 * 24 * time.Hour)},
		{Name: longEmail, Email: longEmail, URL: "/admin/users/2", State: "Not activated yet", Created: ago(2 * time.Hour)},
		{Name: "Sven Aas", Email: "sven@steward.example", URL: "/admin/users/4", State: "Active", Factor: true, SuperAdmin: true, Support: ago(-80 * day), Teams: "1 maintainer, 3 organizations", LastLogin: ago(time.Hour), Created: ago(90 * 24 * time.Hour)},
		{Name: longest[:200], Email: "robin@northwind.example", URL: "/admin/users/3", State: "Disabled", LastLogin: ago(40 * 24 * time.Hour), Created: ago(90 * 24 * time.Hour)},
	}
	person := admin.User{Shell: above(), ID: "2", Name: "Marcus Oyelaran", Email: "marcus@northwind.example", State: "Active", SuperAdmin: true, Password: ago(40 * 24 * time.Hour), Factor: ago(time.Hour), Locked: true,
		CodesLeft: "3 left", LastLogin: ago(time.Hour), Created: ago(300 * 24 * time.Hour), Sessions: "2 sessions", LinkVerb: "Send a link to a new password", LinkAction: "/admin/users/2/link",
		Deeds:    []admin.Deed{{Label: "Disable", Icon: "ban", Danger: true, Confirm: ui.Confirm{ID: "disable", Question: "Disable?", Consequence: "Marcus Oyelaran is signed out at once.", Action: "/admin/users/2/disable", Verb: "Disable", Keep: "Leave as it is", Key: "k2"}}},
		Activity: []ui.Item{{Icon: "clock", Who: "Marcus Oyelaran", Text: "signed in by password and authenticator code.", Time: ago(time.Hour)}}}
	person.SupportDays, person.Supports = "366", admin.Form{Action: "/admin/users/2/support", Key: "k4"}
	support := person
	support.SuperAdmin, support.Support, support.Supports.Value, support.Errors = false, ago(-80*day), "2001-01-01", ui.Errors{"until": "Choose the last day: today or one that is still to come."}
	linked := person
	linked.Link, linked.LinkFor = "https://steward.northwind.example/password/reset/stw_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG_0a1B2c", "It sets a new password, within 30 minutes."
	return []Screen{
		ok("admin-users", "People", admin.UsersPage(admin.Users{Shell: above(), List: people})),
		refused("admin-users-errors", "People, an address that is taken", admin.UsersPage(admin.Users{Shell: above(), List: people, Email: "hana.dvorakova@northwind.example", Errors: ui.Errors{"email": "There is an account for hana.dvorakova@northwind.example already."}})),
		ok("admin-users-none", "People, nobody fits", admin.UsersPage(admin.Users{Shell: above(), Query: "zzz"})),
		ok("admin-user", "One person", admin.UserPage(person)),
		refused("admin-user-support", "One person, of support, another day that is over", admin.UserPage(support)),
		ok("admin-user-link", "One person, with a link to pass on", admin.UserPage(linked)),
		ok("admin-mails", "Mail", admin.MailsPage(admin.Mails{Shell: above(), List: []admin.MailRow{
			{To: longEmail, Kind: "activate", State: ui.Error, Reason: "550 5.1.1 The email account that you tried to reach does not exist.", Attempts: "1", Created: ago(time.Hour), Retry: "/admin/mails/9/retry", Key: "k2"},
			{To: "marcus@northwind.example", Kind: "new device", State: ui.Success, Attempts: "1", Created: ago(2 * time.Hour)},
		}})),
		ok("admin-mails-none", "Mail, none", admin.MailsPage(admin.Mails{Shell: above()})),
		ok("admin-jobs", "System jobs", admin.JobsPage(admin.Jobs{Shell: above(), List: []admin.JobRow{
			{ID: "812", Operation: "mail.deliver", State: ui.Success, Attempts: "1", Created: ago(time.Minute), Duration: "0.2 s"},
			{ID: "811", Operation: "storage.sweep", State: ui.Error, Error: "No space is left.", Attempts: "10", Created: ago(time.Hour), Duration: "3 s"},
		}})),
		ok("admin-audit", "Audit log of the installation", admin.AuditPage(admin.Audit{Shell: above(), Log: auditLog("/admin/audit")})),
		ok("admin-audit-new", "Audit log of the installation, nothing yet", admin.AuditPage(admin.Audit{Shell: above(), Log: emptyLog("/admin/audit")})),
		ok("admin-settings", "Settings of the installation", admin.SettingsPage(admin.Settings{Shell: above(), Key: "k3", RequireFactor: true, Without: "3 people", Facts: []ui.Pair{{Name: "Public URL", Value: "https://steward.northwind.example"}, {Name: "Database", Value: "SQLite, /var/lib/steward/steward.db"}}})),
	}
}
