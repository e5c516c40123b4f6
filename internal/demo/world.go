package demo

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pquerna/otp/totp"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/storage/csv"
	"steward/internal/tenancy"
)

const (
	day = 24 * time.Hour
)

// world makes people, who make projects, who load data over a year.
func (b *builder) world() error {
	flights, sandbox, err := b.places()
	if err != nil {
		return err
	}
	if err := b.aviation(flights); err != nil {
		return err
	}
	if err := b.weather(flights); err != nil {
		return err
	}
	if err := b.geography(sandbox); err != nil {
		return err
	}
	if err := b.mishaps(flights); err != nil {
		return err
	}
	if err := b.history(flights); err != nil {
		return err
	}
	if err := b.tidied(); err != nil {
		return err
	}
	if err := b.givenUp(sandbox); err != nil {
		return err
	}
	if err := b.newcomers(flights); err != nil {
		return err
	}
	return b.company(flights, sandbox)
}

// company gives the organizations what they decide: one is billed and invites somebody, the
// other lets nobody in by themselves, so that support asks, whose time was about to be over.
func (b *builder) company(flights, sandbox tenancy.Project) error {
	b.step(time.Hour, "organizations")
	hana, lena, sven := b.users["hana@northwind.example"].Actor(), b.users["lena@contoso.example"].Actor(), b.users["sven@steward.example"].Actor()
	err := b.app.DB.Update(b.request(), func(tx *db.Tx) error {
		northwind, err := tenancy.EnterOrganization(tx, hana, flights.Organization, access.OrganizationBilling)
		if err != nil {
			return err
		}
		details := tenancy.Billing{Company: "Northwind Aviation a.s.", Address: "Letecká 1\n161 00 Praha", Registration: "05512345", VAT: "CZ05512345", Email: "invoices@northwind.example"}
		if _, _, err := tenancy.SetBilling(tx, northwind, details); err != nil {
			return err
		}
		team, err := tenancy.OrganizationTeam(tx, northwind)
		if err != nil {
			return err
		}
		_, err = b.app.Tenancy.InviteToTeam(tx, team, tenancy.NewInvitation{Emails: []string{"ivo.kral@northwind.example"}, Reason: "Takes over from Oskar", Days: tenancy.InvitationDays})
		return err
	})
	if err != nil {
		return err
	}
	return b.app.DB.Update(b.request(), func(tx *db.Tx) error {
		if err := b.app.Tenancy.GrantSupport(tx, b.users["vera@steward.example"].Actor(), sven.UserID, lastDay(tx.Now, 300)); err != nil {
			return err
		}
		contoso, err := tenancy.EnterOrganization(tx, lena, sandbox.Organization, access.OrganizationManage)
		if err != nil {
			return err
		}
		if _, _, err := b.app.Tenancy.SetOrganization(tx, contoso, tenancy.OrganizationSettings{Name: "Contoso Research", AutoJoin: false}); err != nil {
			return err
		}
		outside, err := tenancy.Approach(tx, sven, sandbox.ID, access.ProjectsRequestAccess)
		if err != nil {
			return err
		}
		_, err = b.app.Tenancy.Ask(tx, outside, sandbox.ID, tenancy.Joining{Reason: "Ticket 4711: a load that never ends", Hours: 24})
		return err
	})
}

// places makes the people, two organizations and three projects.
func (b *builder) places() (flights, sandbox tenancy.Project, err error) {
	var governed tenancy.Project
	b.step(0, "people and projects")
	var admin accounts.User
	if admin, err = b.user("vera@steward.example", "Vera Lindqvist", true); err != nil {
		return
	}
	others := []struct{ email, name string }{
		{"hana@northwind.example", "Hana Dvořáková"}, {"marcus@northwind.example", "Marcus Oyelaran"}, {"gita@northwind.example", "Gita Raman"},
		{"robin@northwind.example", "Robin Achterberg"}, {"dario@northwind.example", "Dario Conti"}, {"rena@northwind.example", "Rena Okonkwo"},
		{"petra@northwind.example", "Petra Nováková"}, {"oskar@northwind.example", "Oskar Nyman"}, {"mina@steward.example", "Mina Haddad"},
		{"sven@steward.example", "Sven Aas"}, {"lena@contoso.example", "Lena Fischer"}, {"priya@northwind.example", "Priya Raman"},
	}
	for _, o := range others {
		b.step(2*time.Minute, "account of "+o.name)
		if _, err = b.user(o.email, o.name, false); err != nil {
			return
		}
	}
	err = b.update(func(tx *db.Tx) error {
		by := admin.Actor()
		m, err := tenancy.CreateMaintainer(tx, by, "Steward Services")
		if err != nil {
			return err
		}
		if err := tenancy.JoinMaintainer(tx, by, m.ID, b.users["mina@steward.example"]); err != nil {
			return err
		}
		northwind, err := tenancy.CreateOrganization(tx, by, m.ID, "Northwind Aviation", b.users["oskar@northwind.example"])
		if err != nil {
			return err
		}
		if err := tenancy.JoinOrganization(tx, by, northwind.ID, b.users["hana@northwind.example"]); err != nil {
			return err
		}
		contoso, err := tenancy.CreateOrganization(tx, by, m.ID, "Contoso Research", b.users["lena@contoso.example"])
		if err != nil {
			return err
		}
		if flights, err = tenancy.CreateProject(tx, by, tenancy.NewProject{Organization: northwind.ID, Name: "Flight safety",
			Description: "Airports, routes, weather and wildlife strikes, for the weekly safety review.", Member: b.users["marcus@northwind.example"],
			Template: "production", Terms: tenancy.Terms{Users: 10, Storage: 50 * tenancy.Gigabyte}}); err != nil {
			return err
		}
		if governed, err = tenancy.CreateProject(tx, by, tenancy.NewProject{Organization: northwind.ID, Name: "Reference data", Governed: true,
			Description: "Postal codes and other lists that everybody relies on. Changes go through review.", Member: b.users["petra@northwind.example"], Template: "production"}); err != nil {
			return err
		}
		sandbox, err = tenancy.CreateProject(tx, by, tenancy.NewProject{Organization: contoso.ID, Name: "Sandbox", Member: b.users["lena@contoso.example"]})
		return err
	})
	if err != nil {
		return
	}
	if err = b.support("sven@steward.example"); err != nil {
		return
	}
	err = b.members(flights, governed, sandbox)
	return
}

// lastDay is the end of the day so many days ahead.
func lastDay(now time.Time, days int) time.Time {
	return now.UTC().Truncate(day).AddDate(0, 0, days+1).Add(-time.Second)
}

// support makes somebody of support for a year, who signs in in two steps.
func (b *builder) support(email string) error {
	u := b.users[email]
	if err := b.update(func(tx *db.Tx) error {
		if err := b.app.Tenancy.GrantSupport(tx, b.users["vera@steward.example"].Actor(), u.ID, lastDay(tx.Now, accounts.SupportDays)); err != nil {
			return err
		}
		return b.app.Accounts.StartFactor(tx, u.Actor())
	}); err != nil {
		return err
	}
	var e accounts.Enrolment
	err := b.app.DB.View(b.ctx, func(tx *db.Tx) (err error) { e, err = b.app.Accounts.Enrolment(tx, u.Actor(), "Steward"); return err })
	if err != nil {
		return err
	}
	secret := strings.ReplaceAll(e.Secret, " ", "")
	code, err := totp.GenerateCode(secret, b.app.DB.Now())
	if err != nil {
		return err
	}
	b.secrets[email] = secret
	return b.app.Accounts.ConfirmFactor(b.ctx, &accounts.Visit{User: u}, code)
}

// members gives everybody their role.
func (b *builder) members(flights, governed, sandbox tenancy.Project) error {
	by := b.users["vera@steward.example"].Actor()
	joins := []struct {
		project tenancy.Project
		email   string
		role    access.Role
	}{
		{flights, "hana@northwind.example", access.Share}, {flights, "gita@northwind.example", access.Guest}, {flights, "robin@northwind.example", access.ReadOnly},
		{governed, "dario@northwind.example", access.Developer}, {governed, "rena@northwind.example", access.Reviewer}, {governed, "robin@northwind.example", access.ReadOnly},
		{sandbox, "marcus@northwind.example", access.Guest},
	}
	for _, j := range joins {
		b.step(time.Hour, "members of "+j.project.Name)
		if err := b.update(func(tx *db.Tx) error { return tenancy.Join(tx, by, j.project, b.users[j.email], j.role) }); err != nil {
			return err
		}
	}
	for _, a := range []struct {
		email, role string
		project     int64
	}{
		{"hana@northwind.example", "share", flights.ID}, {"marcus@northwind.example", "admin", flights.ID}, {"gita@northwind.example", "guest", flights.ID},
		{"robin@northwind.example", "readOnly", flights.ID}, {"robin@northwind.example", "readOnly", governed.ID},
		{"dario@northwind.example", "developer", governed.ID}, {"rena@northwind.example", "reviewer", governed.ID}, {"petra@northwind.example", "productionManager", governed.ID},
		{"lena@contoso.example", "admin", sandbox.ID},
		{"oskar@northwind.example", "orgMember", 0}, {"mina@steward.example", "maintainerMember", 0}, {"sven@steward.example", "support", 0}, {"vera@steward.example", "superAdmin", 0},
	} {
		b.account(b.users[a.email], a.role, a.project)
	}
	for _, p := range []tenancy.Project{flights, governed, sandbox} {
		b.out.Projects = append(b.out.Projects, Project{p.ID, p.Name})
	}
	return nil
}

// aviation loads airports, routes, strikes, and a table of over 100,000 flights.
func (b *builder) aviation(p tenancy.Project) error {
	marcus, err := b.scope("marcus@northwind.example", p.ID)
	if err != nil {
		return err
	}
	b.step(day, "airports and routes")
	if err := b.bucket(marcus, storage.In, "aviation", "Aviation", "Airports, routes and wildlife strikes, as the authorities publish them."); err != nil {
		return err
	}
	for _, f := range []struct{ file, table string }{{"airports.csv", "airports"}, {"flights-airport.csv", "routes_2008"}, {"birdstrikes.csv", "wildlife_strikes"}} {
		content, err := read(f.file + ".gz")
		if err != nil {
			return err
		}
		packed, err := pack(content)
		if err != nil {
			return err
		}
		b.clock.Forward(10 * time.Minute)
		if err := b.load(marcus, f.file+".gz", packed, "in.c-aviation."+f.table, false, csv.DefaultDialect()); err != nil {
			return err
		}
	}
	b.step(day, "flights, one row each")
	content, err := read("flights-airport.csv.gz")
	if err != nil {
		return err
	}
	flights, err := departures(content, 120_000)
	if err != nil {
		return err
	}
	return b.load(marcus, "departures-2008.csv", flights, "in.c-aviation.departures_2008", false, csv.DefaultDialect())
}

// departures makes a row of each flight that the counts by route stand for.
func departures(routes []byte, limit int) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString("flight,origin,destination,number_on_route\n")
	n := 0
	lines := strings.Split(strings.TrimSpace(string(routes)), "\n")
	for _, line := range lines[1:] {
		cells := strings.Split(strings.TrimSpace(line), ",")
		if len(cells) != 3 {
			return nil, fmt.Errorf("a route has %d cells", len(cells))
		}
		count, err := strconv.Atoi(cells[2])
		if err != nil {
			return nil, err
		}
		for i := range count {
			if n == limit {
				return out.Bytes(), nil
			}
			n++
			fmt.Fprintf(&out, "%d,%s,%s,%d\n", n, cells[0], cells[1], i+1)
		}
	}
	return out.Bytes(), nil
}

// weather comes once a month, semicolons and decimal commas and all, and is added to
// its table.
func (b *builder) weather(p tenancy.Project) error {
	hana, err := b.scope("hana@northwind.example", p.ID)
	if err != nil {
		return err
	}
	if err := b.bucket(hana, storage.In, "weather", "Weather", "Daily observations, one file a month."); err != nil {
		return err
	}
	content, err := read("seattle-weather.csv.gz")
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	d := csv.DefaultDialect()
	d.Delimiter = ';'
	const files = 11
	for i := range files {
		b.step(32*day, "weather, file "+strconv.Itoa(i+1))
		var file strings.Builder
		for _, line := range append(lines[:1:1], lines[1+i*len(lines[1:])/files:1+(i+1)*len(lines[1:])/files]...) {
			file.WriteString(strings.ReplaceAll(strings.ReplaceAll(strings.TrimSpace(line), ",", ";"), ".", ",") + "\r\n")
		}
		if err := b.load(hana, fmt.Sprintf("weather-%02d.csv", i+1), []byte(file.String()), "in.c-weather.seattle_daily", i > 0, d); err != nil {
			return err
		}
	}
	return nil
}

// geography goes to the sandbox: a governed project's production takes no direct change.
func (b *builder) geography(sandbox tenancy.Project) error {
	b.step(day, "postal codes")
	lena, err := b.scope("lena@contoso.example", sandbox.ID)
	if err != nil {
		return err
	}
	if err := b.bucket(lena, storage.Out, "geo", "", "Postal codes with their places."); err != nil {
		return err
	}
	content, err := read("zipcodes.csv.gz")
	if err != nil {
		return err
	}
	return b.load(lena, "zipcodes.csv", content, "out.c-geo.zip_codes", false, csv.DefaultDialect())
}

// mishaps are jobs that did not succeed: a broken file, and a load that was called off.
func (b *builder) mishaps(flights tenancy.Project) error {
	b.step(day, "a file that does not fit, and a load called off")
	gita, err := b.scope("gita@northwind.example", flights.ID)
	if err != nil {
		return err
	}
	broken := []byte("iata,name,city,state,country,latitude,longitude\nSEA,Seattle-Tacoma Intl,Seattle,WA,USA,47.44,-122.3\nPDX,Portland Intl,Portland,OR,USA,45.58\n")
	if err := b.load(gita, "airports-fix.csv", broken, "in.c-aviation.airports", true, csv.DefaultDialect()); err != nil {
		return err
	}
	b.clock.Forward(5 * time.Hour)
	f, err := b.app.Storage.Upload(b.request(), gita, "airports-old.csv", bytes.NewReader(broken))
	if err != nil {
		return err
	}
	var j jobs.Job
	err = b.app.DB.Update(b.request(), func(tx *db.Tx) error {
		j, err = b.app.Storage.StartLoad(tx, gita, storage.Load{File: f.ID, Bucket: "in.c-aviation", Table: "airports", Dialect: csv.DefaultDialect()})
		return err
	})
	if err != nil {
		return err
	}
	return b.app.DB.Update(b.request(), func(tx *db.Tx) error {
		_, err := b.app.Jobs.Cancel(tx, gita, j.ID)
		return err
	})
}

// givenUp is a project beside the others that was tried and deleted; a super admin can bring
// it back.
func (b *builder) givenUp(sandbox tenancy.Project) error {
	b.clock.Set(time.Now().Add(-40 * time.Hour))
	b.step(0, "a project that was tried, and deleted")
	const name = "Noise trial"
	var p tenancy.Project
	err := b.update(func(tx *db.Tx) (err error) {
		p, err = tenancy.CreateProject(tx, b.users["vera@steward.example"].Actor(), tenancy.NewProject{Organization: sandbox.Organization, Name: name, Description: "Noise around airports. Given up: there are no public data.", Member: b.users["lena@contoso.example"]})
		return err
	})
	if err != nil {
		return err
	}
	lena, err := b.scope("lena@contoso.example", p.ID)
	if err != nil {
		return err
	}
	if err := b.bucket(lena, storage.In, "noise", "Noise", ""); err != nil {
		return err
	}
	if err := b.load(lena, "stations.csv", []byte("station,airport\nN1,SEA\nN2,PDX\n"), "in.c-noise.stations", false, csv.DefaultDialect()); err != nil {
		return err
	}
	b.clock.Forward(6 * time.Hour)
	return b.app.DB.Update(b.request(), func(tx *db.Tx) error { return b.app.Tenancy.Delete(tx, lena, name) })
}

// newcomers are invited and have not answered yet.
func (b *builder) newcomers(flights tenancy.Project) error {
	b.clock.Set(time.Now().Add(-30 * time.Hour))
	b.step(0, "people who are invited to "+flights.Name)
	s, err := b.scope("hana@northwind.example", flights.ID)
	if err != nil {
		return err
	}
	for _, n := range []tenancy.NewInvitation{
		{Emails: []string{"sofia.marchetti@northwind.example"}, Role: access.Admin},
		{Emails: []string{"data-team@partner-labs.example"}, Role: access.ReadOnly, Reason: "Audit of the wildlife strikes", Until: b.app.DB.Now().AddDate(0, 3, 0)},
		{Emails: []string{"priya@northwind.example"}, Role: access.Guest, Reason: "Cover for Gita"},
	} {
		n.Days = tenancy.InvitationDays
		b.clock.Forward(20 * time.Minute)
		if err := b.app.DB.Update(b.request(), func(tx *db.Tx) error { _, err := b.app.Tenancy.Invite(tx, s, n); return err }); err != nil {
			return err
		}
	}
	return nil
}
