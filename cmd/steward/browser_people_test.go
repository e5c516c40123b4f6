//go:build browser

package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/config"
	"steward/internal/db"
	"steward/internal/tenancy"
	"steward/views/paths"
	"steward/web/webtest"
)

// The people of a project, each with a browser profile of their own, and all at once: one is
// invited who has no account, and one who has; both come in; a role is changed; the project is
// handed over; somebody is removed, and others leave; a member of the organization joins by
// themselves; support asks and is let in; the project is deleted and brought back. What each
// of them does is checked by what the others see next.
func TestBrowserPeople(t *testing.T) {
	withAndWithoutScripts(t, func(t *testing.T, scripts bool) {
		c := newCompany(t, scripts)
		c.newcomer()
		c.acquaintance()
		c.handOver()
		c.removal()
		c.organization()
		c.requests()
		c.visits()
		c.deletion()
		c.agreement()
		c.lastDay()
		c.record()
	})
}

// company is everybody of the story.
type company struct {
	t       *testing.T
	site    *webtest.Site
	project tenancy.Project
	home    string // the project's page
	axe     string // empty where pages run no scripts
	secret  string // of Sven's authenticator

	hana  *tab // Share, and of the organization
	nina  *tab // is invited, and has no account
	karel *tab // is invited, and has one
	olga  *tab // comes into the organization, and has no role in the project
	sven  *tab // of support
	vera  *tab // a super admin
}

const (
	ninaAddress  = "nina@example.com"
	ninaPassword = "seven violet kettles hum"
)

func newCompany(t *testing.T, scripts bool) *company {
	t.Helper()
	site := webtest.Open(t, webtest.Options{Config: func(c *config.Config) { c.SMTP = config.MailboxURL }})
	c := &company{t: t, site: site}
	hana, karel, olga, sven := site.User("Hana Dvořáková"), site.User("Karel Malý"), site.User("Olga Veselá"), site.User("Sven Berg")
	vera := site.SuperAdmin("Vera Operator")
	site.Update(func(tx *db.Tx) error {
		m, err := tenancy.CreateMaintainer(tx, vera.Actor(), "Keepers")
		if err != nil {
			return err
		}
		o, err := tenancy.CreateOrganization(tx, vera.Actor(), m.ID, "Northwind", hana)
		if err != nil {
			return err
		}
		if c.project, err = tenancy.CreateProject(tx, hana.Actor(), tenancy.NewProject{Organization: o.ID, Name: "Flight safety", Member: hana}); err != nil {
			return err
		}
		return tx.Must("UPDATE memberships SET role = $3 WHERE project_id = $1 AND user_id = $2", c.project.ID, hana.ID, string(access.Share))
	})
	c.home = paths.Project(c.project.ID)
	c.secret, _ = site.TwoStep(site.SignIn(sven))
	site.Update(func(tx *db.Tx) error {
		return site.App.Tenancy.GrantSupport(tx, vera.Actor(), sven.ID, tx.Now.AddDate(0, 0, 90))
	})
	if scripts {
		c.axe = axeSource(t)
	}

	c.nina = open(t, site.URL)
	c.hana, c.karel, c.olga, c.sven, c.vera = c.nina.stranger(), c.nina.stranger(), c.nina.stranger(), c.nina.stranger(), c.nina.stranger()
	for p, u := range map[*tab]accounts.User{c.hana: hana, c.karel: karel, c.olga: olga, c.sven: sven, c.vera: vera, c.nina: {}} {
		if !scripts {
			p.withoutScripts()
		}
		switch u.ID {
		case 0:
		case sven.ID:
			p.signIn(u.Email, webtest.Password)
			p.at("/mfa")
			site.Clock.Forward(30 * time.Second) // a code counts once
			p.write("Code", site.Code(c.secret))
			p.submit("Sign in")
			p.at("/")
		default:
			p.signIn(u.Email, webtest.Password)
			p.at("/")
		}
	}
	return c
}

// newcomer: somebody without an account is invited, activates one by the mail, and accepts.
func (c *company) newcomer() {
	hana, nina := c.hana, c.nina
	hana.follow("Flight safety")
	hana.follow("Users & settings")
	hana.follow("Invite people")
	c.fair(hana)
	hana.write("Email addresses", ninaAddress)
	hana.tick("Guest")
	hana.write("Reason", "Helps with the yearly report")
	last := c.site.Clock.Now().UTC().AddDate(0, 2, 0)
	hana.click("#"+hana.labelled("Last day in the project"), "")
	hana.keys(last.Format("01022006"))
	hana.submit("Send invitations")
	hana.sees(ninaAddress)
	hana.follow("Back to the users")
	hana.row(ninaAddress, "Guest", "Not activated yet", "Invited by Hana Dvořáková", "Helps with the yearly report", last.Format("2 Jan 2006"))

	nina.letter(ninaAddress, "Invitation to Flight safety")
	nina.sees("Helps with the yearly report")
	nina.follow("Activate the account")
	nina.at("/activate")
	nina.sees(ninaAddress)
	nina.write("Your name", "Nina Novak")
	nina.write("Password", ninaPassword)
	nina.write("Password again", ninaPassword)
	nina.submit("Activate")
	nina.sees("Your account is ready.")
	nina.signIn(ninaAddress, ninaPassword)
	c.refuses(nina, c.home, 403, "You are invited to this project, but you are not in it yet.")
	nina.follow("See the invitation")
	nina.sees("Hana Dvořáková (person1@example.com) invites you to this project of Northwind.")
	nina.sees("Helps with the yearly report")
	c.fair(nina)
	nina.submit("Accept the invitation to Flight safety")
	nina.at(c.home)
	nina.sees("You are in the project Flight safety now, as Guest.")

	hana.follow("Users & settings")
	hana.row("Nina Novak", "Guest", "Active", "Invited by Hana Dvořáková", last.Format("2 Jan 2006"))
}

// acquaintance: somebody who has an account is invited, and finds it there.
func (c *company) acquaintance() {
	hana, karel := c.hana, c.karel
	c.refuses(karel, c.home, 404, "Nothing is here")
	hana.follow("Invite people")
	hana.write("Email addresses", "person2@example.com")
	hana.tick("Read only")
	hana.submit("Send invitations")

	c.refuses(karel, c.home, 403, "You are invited to this project, but you are not in it yet.")
	karel.goTo("/")
	karel.sees("1 invitation waits for your answer.")
	karel.follow("See the invitations")
	karel.submit("Accept the invitation to Flight safety")
	karel.at(c.home)
	karel.follow("Users & settings")
	karel.row("Karel Malý", "Read only", "Active", "Invited by Hana Dvořáková")
	karel.hides("Invite people")
}

// handOver: the newcomer becomes the one who manages the people, and the first one leaves.
func (c *company) handOver() {
	hana, nina, olga := c.hana, c.nina, c.olga
	hana.goTo(c.home)
	hana.follow("Users & settings")
	hana.follow("Nina Novak")
	c.fair(hana)
	hana.tick("Admin")
	hana.submit("See what changes")
	hana.sees("From then on: invite people and cancel invitations")
	c.fair(hana)
	hana.submit("Change role")
	hana.sees("Nina Novak is Admin now, and was Guest.")
	nina.follow("Users & settings")
	nina.row("Nina Novak", "Admin")
	nina.sees("Invite people")
	nina.letter(ninaAddress, "Your role in Flight safety was changed")
	nina.sees("Hana Dvořáková changed your role in the project Flight safety")

	// Her time in the project is limited, so it does not count.
	hana.follow("Users & settings")
	hana.follow("Hana Dvořáková")
	hana.click("button", "Leave project")
	hana.sees("You are the last one in it who does.")
	c.fair(hana)
	hana.click("dialog[open] button", "Stay")
	hana.follow("Steward")
	hana.follow("Northwind")
	hana.follow("Members")
	hana.follow("Invite people")
	hana.write("Email addresses", ninaAddress+", person3@example.com")
	hana.submit("Send invitations")
	for p, address := range map[*tab]string{nina: ninaAddress, olga: "person3@example.com"} {
		p.letter(address, "Invitation to Northwind")
		p.follow("View the invitation")
		p.submit("Accept the invitation to Northwind")
		p.sees("You belong to the organization Northwind now.")
	}
	nina.click("button", "Leave Flight safety")
	nina.agree("Leave project")
	nina.sees("You have left the project.")
	nina.follow("Northwind")
	nina.follow("Join Flight safety")
	nina.tick("Share")
	nina.submit("Join project")
	nina.sees("You are in Flight safety now.")

	hana.goTo(c.home)
	hana.follow("Users & settings")
	hana.row("Nina Novak", "Share", "Never", "Joined as a member of the organization")
	hana.leave("Hana Dvořáková")
	hana.sees("You have left the project.")
	nina.follow("Users & settings")
	nina.sees("2 people in all, 0 of them invited") // she and Karel; Hana is named as who invited him only
	nina.follow("Who can get in")
	nina.sees("People with a role")
	nina.sees("They join by themselves") // the first one, of the organization
	c.fair(nina)
	nina.follow("Steward")
	nina.follow("Northwind")
	nina.click("button", "Leave Flight safety")
	nina.agree("Leave project")
	nina.sees("Nina Novak is the last one who manages the people of this project.")
	nina.follow("Users & settings")
}

// removal: who is removed is out with the next click.
func (c *company) removal() {
	nina, karel := c.nina, c.karel
	nina.follow("Karel Malý")
	nina.follow("Remove from project")
	nina.sees("No longer: enter the project")
	c.fair(nina)
	nina.submit("Remove from project")
	nina.sees("Karel Malý is not in this project any more.")
	nina.hides("person2@example.com")
	c.expects(karel, karel.address("Storage"), 404)
	karel.follow("Storage")
	karel.sees("Nothing is here")
	karel.letter("person2@example.com", "You were removed from Flight safety")
	karel.sees("Nina Novak removed you from the project Flight safety")
	karel.goTo("/")
	karel.sees("No project yet")
}

// organization: its members come and go by themselves.
func (c *company) organization() {
	olga, nina := c.olga, c.nina
	c.refuses(olga, c.home, 403, "You are not in this project.")
	olga.follow("Join the project")
	c.fair(olga)
	olga.tick("Read only")
	olga.write("Reason", "A look at the tables")
	olga.submit("Join project")
	olga.at(c.home)
	nina.follow("Users & settings")
	nina.row("Olga Veselá", "Read only", "Joined as a member of the organization", "A look at the tables")
	olga.follow("Steward")
	olga.follow("Northwind")
	olga.click("button", "Leave Flight safety")
	olga.agree("Leave project")
	nina.follow("Users & settings")
	nina.hides("Olga Veselá")
	olga.follow("Northwind")
	olga.follow("Join Flight safety")
	olga.tick("Guest")
	olga.submit("Join project")
	nina.follow("Users & settings")
	nina.row("Olga Veselá", "Guest")
}

const (
	here       = "Sven Berg, of support, is in this project until "
	hereMyself = "You are in this project as somebody of support until "
)

// requests: where the organization lets nobody in by themselves, support asks.
func (c *company) requests() {
	olga, nina, sven := c.olga, c.nina, c.sven
	c.letIn(false)
	c.refuses(sven, c.home, 403, "Ask those who manage its people to let you in.")
	sven.follow("Ask to join")
	c.fair(sven)
	sven.write("Reason", "Ticket 4711: loads that stand still")
	sven.choose("#"+sven.labelled("For how long"), "1 day")
	sven.submit("Ask to join")
	sven.sees("You have asked.")

	nina.letter(ninaAddress, "Sven Berg asks to join Flight safety")
	nina.sees("Ticket 4711: loads that stand still")
	nina.follow("Decide")
	nina.sees("1 day")
	c.fair(nina)
	nina.follow("Users & settings")
	nina.sees("1 person asks to be let in.")
	nina.follow("Show them")
	nina.row("Sven Berg", "Asks to join", "Support", "Ticket 4711: loads that stand still")
	nina.follow("Sven Berg")
	c.refuses(sven, c.home, 403, "Ask those who manage its people to let you in.")
	nina.submit("Approve")
	nina.sees("Sven Berg is in the project now.")
	nina.sees(here)
	nina.row("Sven Berg", "Admin", "Support", "Asked to join, approved by Nina Novak", "Ticket 4711")

	sven.letter("person4@example.com", "You may enter Flight safety")
	sven.follow("Open the project")
	sven.at(c.home)
	for _, p := range []*tab{olga, nina} {
		p.goTo(c.home)
		p.sees(here)
	}
	sven.goTo(c.home)
	sven.sees(hereMyself)
	for _, page := range []string{"Storage", "Trash", "Users & settings"} {
		olga.follow(page)
		olga.sees(here)
	}
	c.fair(sven)
	sven.leave("Sven Berg")
	sven.sees("You have left the project.")
	olga.follow("Overview")
	olga.hides(here)
}

// visits: where the organization lets them in, they join by themselves.
func (c *company) visits() {
	olga, sven := c.olga, c.sven
	c.letIn(true)
	c.refuses(sven, c.home, 403, "You are not in this project.")
	sven.follow("Join the project")
	c.expects(sven, paths.Join(c.project.ID), 422)
	sven.submit("Join project")
	sven.sees("Say what for: everybody in it reads that.")
	sven.write("Reason", "Ticket 4712")
	sven.submit("Join project")
	sven.sees("You are in Flight safety now.")
	olga.goTo(c.home)
	olga.sees(here)
	olga.follow("See who")
	olga.row("Sven Berg", "Admin", "Support", "Joined by themselves", "Ticket 4712")
}

// deletion: nobody enters a project that is deleted, and everybody one that is brought back.
func (c *company) deletion() {
	olga, nina, sven, vera := c.olga, c.nina, c.sven, c.vera
	c.site.Clock.Forward(11 * time.Minute)
	nina.follow("Users & settings")
	nina.follow("Project")
	nina.follow("Delete this project")
	nina.at("/account/confirm")
	nina.write("Password", ninaPassword)
	nina.submit("Confirm")
	nina.sees("Delete this project?")
	c.fair(nina)
	c.expects(nina, paths.ProjectDelete(c.project.ID), 422)
	nina.write("Type Flight safety to go on", "flight safety")
	nina.submit("Delete project")
	nina.at(paths.ProjectDelete(c.project.ID))
	nina.write("Type Flight safety to go on", "Flight safety")
	nina.submit("Delete project")
	nina.sees("The project is deleted. A super admin can bring it back for 60 days.")
	c.expects(olga, olga.address("Storage"), 403)
	olga.follow("Storage")
	olga.sees("This project is deleted")
	for _, p := range []*tab{nina, sven} {
		c.refuses(p, c.home, 403, "This project is deleted")
	}
	olga.letter("person3@example.com", "Flight safety was deleted")
	olga.sees("Nina Novak deleted the project Flight safety")

	vera.click("button[popovertarget=account]", "")
	vera.follow("Administration")
	vera.at("/account/confirm")
	vera.write("Password", webtest.Password)
	vera.submit("Confirm")
	vera.follow("All projects")
	vera.row("Flight safety", "Northwind", "Deleted")
	vera.follow("Flight safety")
	vera.sees("Nina Novak")
	c.fair(vera)
	vera.submit("Bring it back")
	vera.sees("Active")
	olga.letter("person3@example.com", "Flight safety is back")
	for p, banner := range map[*tab]string{nina: here, olga: here, sven: hereMyself} {
		p.goTo(c.home)
		p.at(c.home)
		p.sees(banner)
	}
}

// agreement: a super admin makes a template, gives the project its type, and agrees limits, which
// its people read beside what they use; what was agreed is taken back.
func (c *company) agreement() {
	nina, vera := c.nina, c.vera
	vera.follow("Templates")
	vera.follow("New template")
	c.fair(vera)
	vera.write("Name", "Trial of a month")
	vera.write("Days after which its projects expire", "30")
	vera.write("Limit of users", "1")
	vera.submit("Make template")
	vera.sees("The template Trial of a month is there.")
	vera.row("Trial of a month", "After 30 days", "Offered")
	vera.follow("All projects")
	vera.follow("Flight safety")
	vera.choose("[name=template]", "Trial of a month (expires: after 30 days)")
	vera.tick("Never")
	vera.submit("Change type")
	vera.sees("The type is changed.")
	vera.write("Limit of users", "1")
	vera.write("Jobs at once", "3")
	vera.submit("Save limits and features")
	vera.sees("The limits and features are saved.")
	nina.follow("Users & settings")
	nina.follow("Project")
	nina.sees("Trial of a month")
	nina.follow("Limits")
	nina.sees("Over limit")
	nina.sees("of 1 person")
	c.fair(nina)
	vera.submit("Undo")
	vera.sees("The limits and features are saved.")
	nina.follow("Limits")
	nina.hides("Over limit")
}

// lastDay: somebody who is in gets a last day, and is in for good again.
func (c *company) lastDay() {
	nina := c.nina
	day := c.site.Clock.Now().AddDate(0, 0, 20).Format(time.DateOnly)
	nina.follow("Users")
	nina.follow("Olga Veselá")
	js[string](nina, `document.querySelector('[name=until]').value = `+quote(day)) // how a day is typed depends on the browser's language
	nina.submit("Change last day")
	nina.sees("The last day of Olga Veselá is ")
	nina.submit("Undo")
	nina.sees("Olga Veselá stays without a last day now.")
}

// record: the audit tells all of it.
func (c *company) record() {
	nina := c.nina
	nina.follow("Users & settings")
	nina.follow("Audit")
	c.fair(nina)
	nina.choose("[name=reads]", "Without reads")
	if c.axe != "" {
		nina.stays(func() { nina.click("button", "Apply"); nina.until(`location.search.includes('reads=no')`) })
	} else {
		nina.submit("Apply")
	}
	told := js[[]string](nina, `[...document.querySelectorAll('.events tbody tr')].reverse().map(r => r.cells[1].querySelector('.who > :last-child').innerText + ': ' + r.cells[2].innerText.trim())`)
	rest := told
	for _, says := range [...]string{
		`Hana Dvořáková: Invited nina@example.com to "Flight safety" as Guest.`,
		`Nina Novak: Accepted the invitation of "Hana Dvořáková" to "Flight safety" as Guest.`,
		`Hana Dvořáková: Invited person2@example.com to "Flight safety" as Read only.`,
		`Karel Malý: Accepted the invitation of "Hana Dvořáková" to "Flight safety" as Read only.`,
		`Hana Dvořáková: Changed the role of "Nina Novak" (nina@example.com) in "Flight safety" from Guest to Admin.`,
		`Nina Novak: Left "Flight safety". Their role was Admin.`,
		`Nina Novak: Of the organization, joined "Flight safety" as Share.`,
		`Hana Dvořáková: Left "Flight safety". Their role was Share.`,
		`Nina Novak: Removed "Karel Malý" (person2@example.com), who was Read only, from "Flight safety".`,
		`Olga Veselá: Of the organization, joined "Flight safety" as Read only.`,
		`Olga Veselá: Left "Flight safety". Their role was Read only.`,
		`Olga Veselá: Of the organization, joined "Flight safety" as Guest.`,
		`Sven Berg: Of support, asked to join "Flight safety" for 24 hours: "Ticket 4711: loads that stand still".`,
		`Nina Novak: Let "Sven Berg" (person4@example.com), of support, into "Flight safety" as Admin until`,
		`Sven Berg: Left "Flight safety". Their role was Admin.`,
		`Sven Berg: Of support, joined "Flight safety" as Admin until`,
		`Nina Novak: Deleted the project "Flight safety".`,
		`Vera Operator: Brought the project "Flight safety" back`,
		`Vera Operator: Changed the type of the project "Flight safety" from "None" to "Trial of a month", and when it expires from never to never.`,
		`Vera Operator: Changed what is agreed for the project "Flight safety": limit of users from none to 1, jobs at once from 10 to 3.`,
		`Vera Operator: Changed what is agreed for the project "Flight safety": limit of users from 1 to none, jobs at once from 3 to 10.`,
		`Nina Novak: Changed when the membership of "Olga Veselá" (person3@example.com) in "Flight safety" ends from never to`,
		`Nina Novak: Changed when the membership of "Olga Veselá" (person3@example.com) in "Flight safety" ends from`,
	} {
		at := slices.IndexFunc(rest, func(line string) bool { return strings.HasPrefix(line, says) })
		if at < 0 {
			c.t.Fatalf("the audit does not tell in its place: %s\n%s", says, strings.Join(told, "\n"))
		}
		rest = rest[at+1:]
	}
}

// letIn says whether people of support join the organization's projects by themselves.
func (c *company) letIn(on bool) {
	olga := c.olga
	olga.follow("Steward")
	olga.follow("Northwind")
	olga.follow("Settings")
	olga.tick("Support and the maintainer's people may join projects by themselves")
	if is := js[bool](olga, `document.querySelector('#autoJoin').checked`); is != on {
		c.t.Fatalf("the box is %v, want %v", is, on)
	}
	olga.submit("Save")
	olga.sees("Save")
}

// expects lets the browser's console tell of the status by which a page is refused.
func (c *company) expects(p *tab, path string, status int) {
	p.pardon(fmt.Sprintf("network %s%s: Failed to load resource: the server responded with a status of %d", p.site, path, status))
}

// refuses opens a page that is refused.
func (c *company) refuses(p *tab, path string, status int, says string) {
	p.t.Helper()
	c.expects(p, path, status)
	p.goTo(path)
	p.sees(says)
	p.sees(fmt.Sprintf("Error %d", status))
}

// fair looks for faults of accessibility, where pages run scripts.
func (c *company) fair(p *tab) {
	p.t.Helper()
	if c.axe == "" {
		return
	}
	p.run(c.axe)
	for _, fault := range p.axe(allRules) {
		p.t.Errorf("%s: %s", js[string](p, `location.pathname`), fault)
	}
}

// write replaces the text of the field with a label.
func (p *tab) write(label, text string) {
	p.t.Helper()
	p.fill("#"+p.labelled(label), text)
}

// tick clicks the box or the radio button with a label.
func (p *tab) tick(label string) {
	p.t.Helper()
	p.click("#"+p.labelled(label), "")
}

// labelled is the id of the field with a label.
func (p *tab) labelled(label string) string {
	p.t.Helper()
	id := js[string](p, `[...document.querySelectorAll('label')].find(l => (l.querySelector('span:not(.optional)') ?? l).firstChild.textContent.trim() === `+quote(label)+`)?.control?.id ?? ''`)
	if id == "" {
		p.t.Fatalf("no field is labelled %q:\n%s", label, p.text("body"))
	}
	return id
}

// address is where a link leads.
func (p *tab) address(words string) string {
	p.t.Helper()
	return js[string](p, `[...document.querySelectorAll('a')].find(a => a.textContent.trim() === `+quote(words)+`)?.pathname ?? ''`)
}

// letter opens the newest letter to an address with a subject.
func (p *tab) letter(to, subject string) {
	p.t.Helper()
	p.sooner(subject+" to "+to, func() bool {
		p.goTo("/mailbox?q=" + url.QueryEscape(to))
		return js[bool](p, `[...document.querySelectorAll('tbody a')].some(a => a.textContent.trim() === `+quote(subject)+`)`)
	})
	p.follow(subject)
}

// row fails unless the list has a row that shows who or what, and all of the texts.
func (p *tab) row(of string, texts ...string) {
	p.t.Helper()
	row := js[string](p, `[...document.querySelectorAll('tbody tr')].map(r => r.innerText).find(r => r.includes(`+quote(of)+`)) ?? ''`)
	for _, text := range texts {
		if !strings.Contains(row, text) {
			p.t.Fatalf("the row of %s does not show %q:\n%s\n\n%s", of, text, row, p.text("main"))
		}
	}
}

// hides fails when the page shows a text.
func (p *tab) hides(text string) {
	p.t.Helper()
	if js[bool](p, `document.body.innerText.includes(`+quote(text)+`)`) {
		p.t.Fatalf("the page shows %q:\n%s", text, p.text("body"))
	}
}

// agree answers the question that is open.
func (p *tab) agree(verb string) {
	p.t.Helper()
	p.loads(func() { p.click("dialog[open] button[data-variant=danger]", verb) })
}

// leave leaves the project by the page of oneself.
func (p *tab) leave(name string) {
	p.t.Helper()
	p.follow("Users & settings")
	p.follow(name)
	p.click("button", "Leave project")
	p.agree("Leave project")
}
