package console_test

import (
	"bufio"
	"context"
	"crypto/rand"
	stdcsv "encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/tenancy"
	"steward/web/webtest"
)

// TestRefusalsInProjects: who is refused something in a project is in the audit log of its
// organization, too, and in that of no other.
func TestRefusalsInProjects(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, _ := s.Project("Guarded", false)
	other, _ := s.Project("Elsewhere", false)
	boss, stranger := s.User("Boss"), s.User("Stranger")
	own, foreign := ofOrganization(s, p, boss), ofOrganization(s, other, stranger)
	reader := s.Member(p, access.ReadOnly)
	s.SignIn(reader).Post("/projects/"+num(p.ID)+"/settings/project", url.Values{"name": {"Mine"}}).Want(http.StatusForbidden)
	s.App.Reads.Flush()
	for log, c := range map[string]*webtest.Client{own: s.SignIn(boss), foreign: s.SignIn(stranger)} {
		told := strings.Contains(c.Get(log+"/audit?event=access.refused").Want(http.StatusOK).Page().Find("tbody").Text(), reader.Name)
		if told != (log == own) {
			t.Errorf("%s tells it: %v", log, told)
		}
	}
	rows := auditJSON(s.SignIn(boss), own+"/audit?event=access.refused&format=json")
	if len(rows) != 1 || rows[0].Message != strconv.Quote(reader.Name)+` was refused in project "Guarded". They may not change the project's name, description and settings.` || rows[0].ObjectName != "Guarded" || rows[0].Params["permission"] != "project.update" {
		t.Errorf("it tells %+v", rows)
	}
	s.SignIn(reader).Get(own).Want(http.StatusForbidden)
	s.App.Reads.Flush()
	if rows := auditJSON(s.SignIn(boss), own+"/audit?event=access.refused&kind=organization&format=json"); len(rows) != 1 || !strings.HasSuffix(rows[0].Message, `". They may not see this organization.`) || rows[0].Params["permission"] != "organization.read" {
		t.Errorf("of the organization it tells %+v", rows)
	}
}

// TestAuditWords: events are told in sentences, and in details, that a person can read.
func TestAuditWords(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Worded", false)
	lets(s, p, false)
	boss := s.User("Boss")
	organization := ofOrganization(s, p, boss)
	guest := s.Member(p, access.Guest)
	c := s.SignIn(admin)
	_, asker, _ := ofSupport(s, "Sven")
	c.Post(rowOf(c, p, guest.Email)+"/last-day", url.Values{"until": {s.Clock.Now().AddDate(0, 1, 0).Format(time.DateOnly)}}).Want(http.StatusSeeOther)
	c.Post("/projects/"+num(p.ID)+"/settings/project", url.Values{"name": {"Renamed"}, "description": {""}, "retention": {"7"}}).Want(http.StatusSeeOther)
	asker.Post("/projects/"+num(p.ID)+"/request", url.Values{"reason": {"Look"}, "hours": {"1"}}).Want(http.StatusSeeOther)
	s.SignIn(boss).Post(organization+"/billing", url.Values{"vat": {"CZ05512345"}, "registration": {"05512345"}}).Want(http.StatusSeeOther)
	for event, want := range map[string]string{"project.lastDayChanged": "from none", "project.updated": `Changed the project "Worded": name from "Worded" to "Renamed"`, "project.joinRequested": `for 1 hour: "Look"`} {
		if got := words(c.Get(auditOf(p) + "?event=" + event).Want(http.StatusOK).Page().Find("tbody")); !strings.Contains(got, want) {
			t.Errorf("%s: %s", event, got)
		}
	}
	for _, at := range []string{"/audit?event=organization.billingChanged", "/billing"} {
		if got := words(s.SignIn(boss).Get(organization + at).Want(http.StatusOK).Page().Find("main")); !strings.Contains(got, "registration number, VAT number") {
			t.Errorf("%s: %s", at, got)
		}
	}
}

// TestNamesakes: anybody may take a name that somebody else has. The log tells them apart by their
// addresses, and narrows to one of them by the address and by their number.
func TestNamesakes(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Alike", false)
	robin, other, root := s.User("Robin Stone"), s.User("Robin Stone"), s.SuperAdmin("Root")
	organization := ofOrganization(s, p, admin)
	s.Update(func(tx *db.Tx) error {
		for _, u := range []accounts.User{robin, other} {
			if err := tenancy.Join(tx, admin.Actor(), p, u, access.Admin); err != nil {
				return err
			}
		}
		return nil
	})
	e := func(u accounts.User) audit.Event {
		return audit.In(s.Scope(u, p), "project.updated", "project", num(p.ID), "Alike").Says("%s changed the project.", u.Name)
	}
	system := audit.By(access.Actor{Name: "Steward"}, "project.updated", "project", num(p.ID), "Alike")
	system.Project, system.Organization = p.ID, p.Organization
	gone := system
	gone.UserID, gone.ActorName = 4711, "Robin Stone"
	happen(s, "203.0.113.5", s.App.DB.Now(), e(robin), e(other), e(other), system.Says("Steward changed the project."), gone.Says("%s changed the project.", gone.ActorName))
	for log, c := range map[string]*webtest.Client{auditOf(p): s.SignIn(admin), organization + "/audit": s.SignIn(admin), "/admin/audit": s.SignIn(root)} {
		log += "?address=203.0.113.5"
		for who, want := range map[string]int{robin.Email: 1, other.Email: 2, num(robin.ID): 1, num(other.ID): 2, "4711": 1, "0" + num(other.ID): 0, "Robin Stone": 4, "Robin*": 4, "Steward": 1, "99999999999999999999": 0} {
			if ids := eventIDs(t, c, joined(log, "who="+url.QueryEscape(who))); len(ids) != want {
				t.Errorf("%s by %s: %d events, want %d", log, who, len(ids), want)
			}
		}
		rows := map[string]int{}
		c.Get(log).Want(http.StatusOK).Page().Find("table.events tbody tr").Each(func(_ int, row *gq) {
			who := row.Find(`td[data-label="Who"]`)
			rows[words(who.Find("small"))]++
			fact := ""
			row.Find("dt").Each(func(_ int, dt *gq) {
				if dt.Text() == "Person" {
					fact = dt.Next().Text()
				}
			})
			switch email := words(who.Find("small")); {
			case email != "" && fact != email, email == "" && fact != "" && fact != "4711":
				t.Errorf("%s: of %q the details name %q", log, email, fact)
			}
			link := row.Find(`dd a[href*="who="]`).AttrOr("href", "")
			want := map[string]int{robin.Email: 1, other.Email: 2, "4711": 1, "": 1}[fact]
			if ids := eventIDs(t, c, link+"&address=203.0.113.5"); len(ids) != want {
				t.Errorf("%s leads to %d events, want %d", link, len(ids), want)
			}
		})
		if rows[robin.Email] != 1 || rows[other.Email] != 2 || rows[""] != 2 {
			t.Errorf("%s shows %v", log, rows)
		}
	}
}

// TestHowTheyGotIn: whoever asks the log for a person reads how they got in, as everything else
// about their place; so does their activity. The history of a project is about it, not about its
// people.
func TestHowTheyGotIn(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Entered", false)
	boss, robin, root := s.User("Vera"), s.User("Robin"), s.SuperAdmin("Root")
	organization := ofOrganization(s, p, boss)
	var made tenancy.Project
	s.Update(func(tx *db.Tx) (err error) {
		if err := tenancy.Join(tx, boss.Actor(), p, robin, access.Guest); err != nil {
			return err
		}
		if err := tenancy.JoinOrganization(tx, boss.Actor(), p.Organization, robin); err != nil {
			return err
		}
		m, err := tenancy.CreateMaintainer(tx, boss.Actor(), "Keepers")
		if err != nil {
			return err
		}
		if err := tenancy.JoinMaintainer(tx, boss.Actor(), m.ID, robin); err != nil {
			return err
		}
		o, err := tenancy.CreateOrganization(tx, robin.Actor(), m.ID, "Bulk", robin)
		if err != nil {
			return err
		}
		if made, err = tenancy.CreateProject(tx, robin.Actor(), tenancy.NewProject{Organization: o.ID, Name: "Bulk 44", Member: robin}); err != nil {
			return err
		}
		old := audit.By(boss.Actor(), "project.memberAdded", "project", num(p.ID), "Entered") // as it was once recorded
		old.Organization, old.Project, old.Branch = p.Organization, p.ID, s.Scope(admin, p).Branch()
		return audit.Record(tx, old.Says("%s made somebody of old a member.", boss.Name))
	})
	c, super := s.SignIn(admin), s.SignIn(root)
	c.Post(rowOf(c, p, robin.Email)+"/role", url.Values{"role": {"readOnly"}}).Want(http.StatusSeeOther)
	joins, of := `"Vera" made "Robin" (`+robin.Email+`) a member of `, "?format=json&object="+url.QueryEscape(robin.Email)
	by := `"Robin" (` + robin.Email + `) became the first member of `
	for at, want := range map[*webtest.Client]map[string][]string{
		c:              {auditOf(p): {joins + `"Entered" as Guest.`}},
		s.SignIn(boss): {organization + "/audit": {joins + `"Entered" as Guest.`, joins + `the organization "Organization of Entered".`}},
		super:          {"/admin/audit": {joins + `"Entered" as Guest.`, joins + `the maintainer "Keepers".`, by + `the organization "Bulk".`, by + `"Bulk 44", as Admin.`}},
	} {
		for log, sentences := range want {
			got := map[string]auditRow{}
			for _, r := range auditJSON(at, log+of) {
				got[r.Message] = r
			}
			for _, sentence := range sentences {
				if r := got[sentence]; r.ObjectType != "user" || r.ObjectName != "Robin" {
					t.Errorf("%s lacks %s among %v", log, sentence, got)
				}
			}
		}
	}
	activity := words(super.Get("/admin/users/" + num(robin.ID)).Want(http.StatusOK).Page().Find("main"))
	own := words(s.SignIn(robin).Get("/account/activity").Want(http.StatusOK).Page().Find("main"))
	for _, part := range []string{`made "Robin" (` + robin.Email + `) a member of "Entered" as Guest.`, `became the first member of "Bulk 44", as Admin.`} {
		if !strings.Contains(activity, part) || !strings.Contains(own, part) {
			t.Errorf("%s is not in the activity: %s", part, activity)
		}
	}
	history := words(super.Get("/admin/projects/" + num(p.ID)).Want(http.StatusOK).Page().Find("#history").Closest(".card"))
	if !strings.Contains(history, `created the project "Entered"`) || strings.Contains(history, "member") || strings.Contains(history, "Robin") {
		t.Errorf("the history of the project is %s", history)
	}
	if rows := auditJSON(super, "/admin/audit?format=json&kind=project&event=project.memberAdded&object="+num(p.ID)); len(rows) != 1 {
		t.Errorf("of those of old it finds %v", rows)
	}
	if rows := auditJSON(super, "/admin/audit?format=json&event=project.created&object="+num(made.ID)); len(rows) != 1 {
		t.Errorf("the project was made %v", rows)
	}
}

// TestAuditDetails: the details of an event tell each change from what to what, and nothing that
// did not change; the exports keep what was recorded.
func TestAuditDetails(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Told", false)
	root, c := s.SignIn(s.SuperAdmin("Root")), s.SignIn(admin)
	root.Post("/admin/projects/"+num(p.ID)+"/terms", url.Values{"users": {""}, "storage": {"1"}, "jobs": {"1"}}).Want(http.StatusSeeOther)
	c.Post("/projects/"+num(p.ID)+"/settings/project", url.Values{"name": {"Told"}, "description": {"A, B"}, "retention": {"7"}}).Want(http.StatusSeeOther)
	c.Post(users(p), url.Values{"emails": {"nina@example.com"}, "role": {"guest"}, "days": {"7"}, "reason": {" Cover for Gita "}}).Want(http.StatusOK)
	odd := audit.In(s.Scope(admin, p), "test.odd", "project", num(p.ID), "Told").Says("%s did it.", admin.Name)
	odd.Params = map[string]any{"from": map[string]any{"name": "A", "same": true, "terms": map[string]any{"jobs": 10, "bytes": 1e12}}, "to": map[string]any{"name": "B", "same": true, "terms": map[string]any{"jobs": 1, "bytes": 1e12}},
		"fields": []string{"VAT", "name"}, "expires": []any{nil, "2026-12-01T00:00:00Z"}, "externalRoles": []bool{false, true}, "autoJoin": []bool{true, true}, "until": time.Time{}, "ratio": 0.25, "on": true}
	odd.Results = map[string]any{"bytes": 1_000_000_000_000, "inner": map[string]any{"deep": map[string]any{"files": 3}}, "list": []any{map[string]any{"id": 1, "type": "x"}, map[string]any{"id": 2}}}
	happen(s, "203.0.113.6", s.App.DB.Now(), odd)
	details := func(event string) string {
		t.Helper()
		var out []string
		c.Get(auditOf(p) + "?event=" + event).Want(http.StatusOK).Page().Find("table.events dl div").Each(func(_ int, div *gq) {
			if name := words(div.Find("dt")); strings.ToLower(name[:1]) == name[:1] {
				out = append(out, name+": "+words(div.Find("dd")))
			}
		})
		return strings.Join(out, "; ")
	}
	if got := details("project.termsChanged"); !strings.Contains(got, "jobs: from 10 to 1; storageBytes: from 0 to 1,000,000,000") || strings.Contains(got, "users") || strings.Contains(got, "externalRoles") || strings.Contains(got, "map[") {
		t.Errorf("of terms the details are %s", got)
	}
	if got := details("project.updated"); !strings.HasPrefix(got, `description: from "" to "A, B"`) || strings.Contains(got, "name") || strings.Contains(got, "externalRoles") {
		t.Errorf("of settings the details are %s", got)
	}
	if got := details("project.memberInvited"); !strings.Contains(got, "reason: Cover for Gita") {
		t.Errorf("of an invitation the details are %s", got)
	}
	want := `name: from "A" to "B"; terms jobs: from 10 to 1; expires: from none to 2026-12-01T00:00:00Z; externalRoles: from no to yes; fields: VAT, name; on: yes; ratio: 0.25; until: none; ` +
		"bytes: 1,000,000,000,000; inner deep files: 3; list: id 1, type x; id 2"
	if got := details("test.odd"); got != want {
		t.Errorf("the details are\n%s, want\n%s", got, want)
	}
	rows := auditJSON(c, auditOf(p)+"?event=project.updated&format=json")
	if len(rows) != 1 || fmt.Sprint(rows[0].Params["name"]) != "[Told Told]" || fmt.Sprint(rows[0].Params["description"]) != "[ A, B]" {
		t.Errorf("the export has %+v", rows)
	}
}

// TestOverviewKeepsPeople: who may not read the audit log sees among the latest changes what
// happened to data, and nothing of people and settings.
func TestOverviewKeepsPeople(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Quiet", false)
	furnish(t, s, p, admin)
	c := s.SignIn(admin)
	c.Post("/projects/"+num(p.ID)+"/settings/users", url.Values{"emails": {"secret@example.com"}, "role": {"guest"}, "days": {"7"}}).Want(http.StatusOK)
	for role, tells := range map[access.Role]bool{access.Admin: true, access.Guest: false, access.ReadOnly: false} {
		page := s.SignIn(s.Member(p, role)).Get("/projects/" + num(p.ID)).Want(http.StatusOK)
		if strings.Contains(page.Body, "secret@example.com") != tells {
			t.Errorf("%s reads of the invitation: %v", role, !tells)
		}
		if !tells && !strings.Contains(words(page.Page().Find("main")), "in.c-walk") {
			t.Errorf("%s reads nothing of data", role)
		}
	}
}

// TestActivityOfOthers: what somebody else did to a person's account is in their activity
// without the place and the browser that it was done from.
func TestActivityOfOthers(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Handler: fromAnywhere})
	p, admin := s.Project("Seen", false)
	guest := s.Member(p, access.Guest)
	boss := s.SignIn(admin)
	r := boss.Request(http.MethodPost, rowOf(boss, p, guest.Email)+"/role", strings.NewReader(url.Values{"role": {"readOnly"}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "Browser of the boss")
	r.Header.Set("Test-From", "203.0.113.77:999")
	boss.Do(r).Want(http.StatusSeeOther)
	c := s.SignIn(guest)
	own := c.Get("/account/activity?format=json").Want(http.StatusOK).Body
	if !strings.Contains(own, "roleChanged") || strings.Contains(own, "203.0.113.77") || strings.Contains(own, "Browser of the boss") {
		t.Errorf("the activity is %s", own)
	}
	if !strings.Contains(own, "127.0.0.1") {
		t.Error("it does not tell from where one did something oneself")
	}
}

func auditOf(p tenancy.Project) string { return "/projects/" + num(p.ID) + "/settings/audit" }

// happen records events as if they came from an address, all at the same moment.
func happen(s *webtest.Site, address string, at time.Time, events ...audit.Event) {
	s.T.Helper()
	ctx := audit.WithRequest(context.Background(), audit.Request{ID: "request-" + address, Address: address, UserAgent: "Test <b>browser</b>"})
	err := s.App.DB.Update(ctx, func(tx *db.Tx) error {
		tx.Now = at
		for _, e := range events {
			if err := audit.Record(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.T.Fatal(err)
	}
}

// eventIDs walks the pages of an audit log by their links and gives the ids of its events.
func eventIDs(t *testing.T, c *webtest.Client, path string) (ids []string) {
	t.Helper()
	for pages := 0; path != ""; pages++ {
		if pages > 50 {
			t.Fatalf("the list does not end: %s", path)
		}
		html := c.Get(path).Want(http.StatusOK).Page()
		html.Find("table.events tbody tr").Each(func(_ int, row *gq) {
			row.Find("dt").EachWithBreak(func(_ int, dt *gq) bool {
				if dt.Text() == "Event" {
					ids = append(ids, dt.Next().Text())
				}
				return dt.Text() != "Event"
			})
		})
		path = html.Find(`a[rel="next"]`).AttrOr("href", "")
	}
	return ids
}

type auditRow struct {
	ID                                   int64
	Created                              time.Time
	Event, Message, Actor, Address, Type string
	ObjectType, ObjectID, ObjectName     string
	ProjectID                            int64
	Reading                              bool
	Params                               map[string]any
}

func auditJSON(c *webtest.Client, path string) (rows []auditRow) {
	c.Get(path).Want(http.StatusOK).JSON(&rows)
	return rows
}

func joined(path, query string) string {
	if strings.Contains(path, "?") {
		return path + "&" + query
	}
	return path + "?" + query
}

// TestAudit narrows the log of a project and of the installation by each filter and by
// several: the pages show what fits, each event once, and the exports hold the same.
func TestAudit(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Watched", false)
	other, stranger := s.Project("Elsewhere", false)
	hana := s.Member(p, access.Guest)
	mine, theirs := s.Scope(hana, p), s.Scope(stranger, other)
	day := s.App.DB.Now().AddDate(0, 0, -30).Truncate(24 * time.Hour).Add(12 * time.Hour)
	var same []audit.Event
	for i := range 130 { // three pages of one moment
		same = append(same, audit.In(mine, "storage.tableImported", "table", "in.c-shop.orders", "in.c-shop.orders").Says("%s imported %d rows.", hana.Name, i))
	}
	happen(s, "203.0.113.24", day, same...)
	refused := audit.In(mine, "access.refused", "bucket", "in.c-shop", "Shop")
	refused.Type = audit.Warn
	happen(s, "203.0.113.240", day.Add(-48*time.Hour), refused.Says("%s was refused buckets.write.", hana.Name))
	read := audit.In(mine, "storage.tablePreviewed", "table", "in.c-shop.orders", "in.c-shop.orders").Says("%s looked at table in.c-shop.orders.", hana.Name)
	s.App.Reads.Note(t.Context(), read)
	s.App.Reads.Flush()
	happen(s, "198.51.100.7", day, audit.In(theirs, "storage.tableImported", "table", "in.c-shop.orders", "in.c-shop.orders").Says("%s imported a secret plan.", stranger.Name))
	c, root := s.SignIn(admin), s.SignIn(s.SuperAdmin("Root"))
	log := auditOf(p)
	on := func(d time.Time) string { return d.Format(time.DateOnly) }
	orders := "object=in.c-shop.orders"
	for query, want := range map[string]int{
		orders: 131, "object=IN.C-SHOP*": 132, "object=shop*": 1, "object=Shop": 1, "object=sHOP&kind=bucket": 1, "object=Sho": 0, "object=in.c-sho": 0, "kind=bucket": 1, "kind=table": 131,
		"who=" + url.QueryEscape(hana.Email): 133, "who=" + url.QueryEscape(strings.ToUpper(hana.Name)): 133, "who=" + url.QueryEscape(hana.Name[:4]+"*"): 133, "who=nobody%40example.com": 0, "who=" + url.QueryEscape(stranger.Email): 0,
		"event=access.refused": 1, "event=storage.*": 131, "event=storage": 0, "tone=warn": 1, "tone=error": 0,
		"address=203.0.113.24": 130, "address=203.0.113.*": 131, "address=203.0.113.24*": 131, "address=198.51.100.7": 0, "address=%25": 0,
		"from=" + on(day) + "&to=" + on(day): 130, "to=" + on(day.AddDate(0, 0, -1)): 1, "from=" + on(day.AddDate(0, 0, 1)) + "&to=" + on(day.AddDate(0, 0, 2)): 0,
		orders + "&reads=no": 130, orders + "&reads=only": 1,
		orders + "&kind=table&who=" + url.QueryEscape(hana.Email) + "&event=storage.tableImported&address=203.0.113.24&tone=info&reads=no&from=" + on(day): 130,
		"kind=bucket&tone=warn&address=203.0.113.*": 1, "kind=bucket&tone=warn&reads=only": 0,
	} {
		path := joined(log, query)
		ids := eventIDs(t, c, path)
		if len(ids) != want || len(slices.Compact(slices.Sorted(slices.Values(ids)))) != len(ids) {
			t.Errorf("%s: %d events, want %d: %v", query, len(ids), want, ids)
		}
		var exported []string
		for _, r := range auditJSON(c, joined(path, "format=json")) {
			exported = append(exported, num(r.ID))
		}
		if !slices.Equal(exported, ids) {
			t.Errorf("%s: the JSON holds %v, the list %v", query, exported, ids)
		}
		lines := strings.Split(strings.TrimSuffix(c.Get(joined(path, "format=jsonl")).Want(http.StatusOK).Body, "\n"), "\n")
		if len(ids) == 0 {
			lines = lines[1:]
		}
		cells, err := stdcsv.NewReader(strings.NewReader(c.Get(joined(path, "format=csv")).Want(http.StatusOK).Body)).ReadAll()
		if err != nil || len(cells) != len(ids)+1 || len(lines) != len(ids) {
			t.Fatalf("%s: %d lines of CSV (%v), %d of JSONL, %d events", query, len(cells), err, len(lines), len(ids))
		}
		for i, id := range ids {
			var row auditRow
			if err := json.Unmarshal([]byte(lines[i]), &row); err != nil || num(row.ID) != id || cells[i+1][0] != id {
				t.Fatalf("%s: event %s is %q in JSONL (%v) and %q in CSV", query, id, lines[i], err, cells[i+1])
			}
		}
	}
	for _, r := range auditJSON(c, log+"?format=json") {
		if r.ProjectID != p.ID || strings.Contains(r.Message, "secret plan") {
			t.Errorf("the log of a project has %+v", r)
		}
	}
	both := map[int64]int{}
	for _, r := range auditJSON(root, "/admin/audit?format=json&"+orders) {
		both[r.ProjectID]++
	}
	if both[p.ID] != 131 || both[other.ID] != 1 {
		t.Errorf("the log of the installation has, by project, %v", both)
	}
	for _, bad := range []string{"tone=loud", "reads=some", "from=yesterday", "to=2026-13-01", "from=0000-01-01", "format=xml", "before=zzz"} {
		c.Get(joined(log, bad)).Want(http.StatusUnprocessableEntity)
	}
}

// TestAuditDays: days are those of the person who reads.
func TestAuditDays(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Days", false)
	late := time.Date(2026, 3, 1, 23, 30, 0, 0, time.UTC) // the next day in Tokyo
	happen(s, "203.0.113.9", late, audit.In(s.Scope(admin, p), "project.updated", "project", num(p.ID), "Days").Says("%s changed it.", admin.Name))
	c := s.SignIn(admin)
	at := func(day string) int {
		return len(eventIDs(t, c, auditOf(p)+"?address=203.0.113.9&from="+day+"&to="+day))
	}
	if at("2026-03-01") != 1 || at("2026-03-02") != 0 {
		t.Error("in UTC the event is not of its day")
	}
	c.Post("/account", url.Values{"name": {admin.Name}, "timeZone": {"Asia/Tokyo"}}).Want(http.StatusSeeOther)
	if at("2026-03-01") != 0 || at("2026-03-02") != 1 {
		t.Error("in Tokyo the event is not of its day")
	}
	if row := c.Get(auditOf(p) + "?address=203.0.113.9").Page().Find("table.events tbody time").First().Text(); !strings.HasPrefix(row, "2 Mar 2026") {
		t.Errorf("the event is drawn at %s", row)
	}
}

// TestAuditReaders: the log is read by the roles of permissions.csv, who alone see its tab;
// others meet what they meet everywhere.
func TestAuditReaders(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	for _, governed := range []bool{false, true} {
		p, _ := s.Project("Roles", governed)
		for _, role := range access.Roles(governed) {
			want := http.StatusForbidden
			if role == access.Share || role == access.Admin || role == access.ProductionManager {
				want = http.StatusOK
			}
			c := s.SignIn(s.Member(p, role))
			for _, query := range []string{"", "?format=csv", "?format=jsonl"} {
				if got := c.Get(auditOf(p) + query).Status; got != want {
					t.Errorf("%s reads %q: %d, want %d", role, query, got, want)
				}
			}
			if tabs := c.Get("/projects/" + num(p.ID) + "/settings/users").Page().Find(`nav.tabs a[href="` + auditOf(p) + `"]`).Length(); (tabs == 1) != (want == http.StatusOK) {
				t.Errorf("%s sees %d tabs of the log", role, tabs)
			}
		}
		_, stranger := s.Project("Other", governed)
		foreign, unknown := s.SignIn(stranger).Get(auditOf(p)).Want(http.StatusNotFound), s.SignIn(stranger).Get("/projects/99999/settings/audit").Want(http.StatusNotFound)
		if foreign.Page().Find("main").Text() == "" || foreign.Page().Find("h1").Text() != unknown.Page().Find("h1").Text() {
			t.Error("a project of somebody else differs from one that is not there")
		}
		if r := s.Anonymous().Get(auditOf(p)); !strings.HasPrefix(r.Location, "/login") {
			t.Errorf("nobody: %d %s", r.Status, r.Location)
		}
	}
}

// TestAuditRecordsExports: whoever takes the log away leaves an event that says what was
// asked for, and is not in what they got.
func TestAuditRecordsExports(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Exported", false)
	c := s.SignIn(admin)
	for _, format := range []string{"csv", "json", "jsonl"} {
		got := c.Get(auditOf(p) + "?kind=project&tone=info&format=" + format).Want(http.StatusOK)
		if strings.Contains(got.Body, got.Header.Get("X-Request-Id")) {
			t.Errorf("the export as %s holds itself", format)
		}
		rows := auditJSON(s.SignIn(admin), auditOf(p)+"?event=audit.exported&format=json")
		want := map[string]any{"format": format, "kind": "project", "tone": "info"}
		if len(rows) == 0 || fmt.Sprint(rows[0].Params) != fmt.Sprint(want) || rows[0].Actor != admin.Name || !strings.Contains(rows[0].Message, "exported the audit log") {
			t.Fatalf("the export as %s is recorded as %+v", format, rows)
		}
	}
	before := len(eventIDs(t, c, auditOf(p)+"?event=audit.exported"))
	c.Get(auditOf(p) + "?format=xml").Want(http.StatusUnprocessableEntity)
	s.SignIn(s.Member(p, access.Guest)).Get(auditOf(p) + "?format=csv").Want(http.StatusForbidden)
	if after := len(eventIDs(t, c, auditOf(p)+"?event=audit.exported")); after != before {
		t.Errorf("%d exports are recorded that were none", after-before)
	}
}

// TestAuditIsInert: names of all kinds are text in the page and in the files, and no secret
// of the installation stands in either.
func TestAuditIsInert(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Hostile", false)
	const evil = `=HYPERLINK("http://evil.example")<script>alert(1)</script>"'&`
	long := strings.Repeat("ř", 200)
	scope := s.Scope(admin, p)
	e := audit.In(scope, "storage.bucketCreated", "bucket", evil, long)
	e.ActorName, e.Params, e.Results = evil, map[string]any{evil: evil}, map[string]any{"list": []string{evil}}
	happen(s, "203.0.113.1", s.App.DB.Now(), e.Says("%s did %s.", evil, evil))
	c := s.SignIn(admin)
	res := c.Get(auditOf(p) + "?" + url.Values{"who": {evil}, "object": {evil}}.Encode()).Want(http.StatusOK)
	html := res.Page()
	if html.Find("table.events tbody tr").Length() != 1 || html.Find("table.events script, table.events b").Length() != 0 || html.Find(`input[name="who"]`).AttrOr("value", "") != evil {
		t.Errorf("the page is %.3000s", res.Body)
	}
	if narrower := html.Find(`table.events td a[href*="object="]`).AttrOr("href", ""); len(eventIDs(t, c, narrower)) != 1 {
		t.Errorf("the link of the object leads to other events: %s", narrower)
	}
	cells, err := stdcsv.NewReader(strings.NewReader(c.Get(auditOf(p) + "?address=203.0.113.1&format=csv").Body)).ReadAll()
	if err != nil || len(cells) != 2 {
		t.Fatalf("%v %q", err, cells)
	}
	for _, cell := range cells[1] {
		if strings.HasPrefix(cell, "=") {
			t.Errorf("a spreadsheet would run %q", cell)
		}
	}
	if rows := auditJSON(c, auditOf(p)+"?address=203.0.113.1&format=json"); len(rows) != 1 || rows[0].Params[evil] != evil || rows[0].ObjectName != long {
		t.Errorf("the JSON holds %+v", rows)
	}
}

// TestAuditSeals: the page says how far the log is sealed, and in which seal an event is.
func TestAuditSeals(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Sealed", false)
	c := s.SignIn(admin)
	banner := func() string {
		return strings.Join(strings.Fields(c.Get(auditOf(p)).Want(http.StatusOK).Page().Find(".banner").Text()), " ")
	}
	if text := banner(); !strings.Contains(text, "No event is sealed yet.") || !strings.Contains(text, "Last verificationNone yet.") {
		t.Errorf("before the first seal: %s", text)
	}
	s.Clock.Forward(time.Hour)
	var seals int64
	for waiting, end := int64(1), time.Now().Add(time.Minute); waiting > 0; { // others' transactions on the same PostgreSQL are waited for
		_, n, err := audit.Seal(t.Context(), s.App.DB)
		if err != nil || time.Now().After(end) {
			t.Fatalf("%d events wait: %v", waiting, err)
		}
		seals += n
		s.View(func(tx *db.Tx) error {
			waiting, err = db.Value[int64](tx, "SELECT count(*) FROM events e WHERE NOT EXISTS (SELECT 1 FROM event_digests d WHERE d.event_id = e.id)")
			return err
		})
	}
	var sealed audit.Sealed
	var err error
	if sealed, err = audit.Verify(t.Context(), s.App.DB, func(d audit.Damage) { t.Error(d) }, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	s.Update(func(tx *db.Tx) error { return audit.Verified(tx, sealed, 0) })
	c = s.SignIn(admin)
	for _, want := range []string{"Sealed up to", sealed.Digest, map[bool]string{true: "1 seal holds.", false: fmt.Sprintf("%d seals hold.", seals)}[seals == 1], "No event waits for its seal."} {
		if text := banner(); !strings.Contains(text, want) {
			t.Errorf("after the seal there is no %q in: %s", want, text)
		}
	}
	row := c.Get(auditOf(p)).Page().Find("table.events tbody tr").Last().Text()
	if !strings.Contains(strings.Join(strings.Fields(row), ""), "Seal1") {
		t.Errorf("an event does not say its seal: %s", row)
	}
	s.Update(func(tx *db.Tx) error { return audit.Verified(tx, sealed, 2) })
	s.Clock.Forward(time.Second)
	if text := banner(); !strings.Contains(text, "not as it was sealed") || !strings.Contains(text, "2 problems") {
		t.Errorf("after a verification that found problems: %s", text)
	}
}

// TestAuditOfOrganization: its members read what was done to the organization, to its projects
// and to their people, and nothing of data or of others; people of a project do not.
func TestAuditOfOrganization(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Watched", false)
	other, _ := s.Project("Elsewhere", false)
	furnish(t, s, p, admin)
	boss := s.User("Boss")
	path := ofOrganization(s, p, boss)
	ofOrganization(s, other, s.User("Other boss"))
	c := s.SignIn(boss)
	c.Post(path+"/settings", url.Values{"name": {"Watched & Co."}, "autoJoin": {"1"}}).Want(http.StatusSeeOther)
	names := map[string]int{}
	for _, r := range auditJSON(c, path+"/audit?format=json") {
		names[r.Event]++
		if !slices.Contains([]string{"organization", "project", "user"}, r.ObjectType) || r.ProjectID != 0 && r.ProjectID != p.ID {
			t.Errorf("it shows %+v", r)
		}
	}
	for _, name := range []string{"organization.created", "organization.updated", "organization.memberAdded", "project.created", "project.memberAdded", "project.memberInvited", "project.joinRequested", "organization.billingChanged"} {
		if names[name] == 0 {
			t.Errorf("it lacks %s: %v", name, names)
		}
	}
	if names["organization.created"] != 1 || names["project.created"] != 1 {
		t.Errorf("it has those of others: %v", names)
	}
	ids := eventIDs(t, c, path+"/audit")
	slices.Sort(ids)
	if n := len(ids); n < 20 || len(slices.Compact(ids)) != n {
		t.Errorf("the pages list %d events, some twice", n)
	}
	if got := auditJSON(c, path+"/audit?format=json&event=organization.updated"); len(got) != 1 || !strings.Contains(got[0].Message, "Watched & Co.") {
		t.Errorf("a filter finds %+v", got)
	}
	s.SignIn(admin).Get(path + "/audit").Want(http.StatusForbidden)
	s.SignIn(s.User("")).Get(path + "/audit").Want(http.StatusNotFound)
	_, support, _ := ofSupport(s, "Sven")
	support.Get(path + "/audit").Want(http.StatusForbidden)
}

// TestAuditExportStops: an export that is under way ends when its reader may not read any more:
// it is long, and of everybody.
func TestAuditExportStops(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Leaky", false)
	root := s.SuperAdmin("Root")
	s.SuperAdmin("Another")
	filler := make([]byte, 400)
	for i := range 20_000 / 5000 {
		s.Update(func(tx *db.Tx) error {
			for j := range 5000 {
				_, _ = rand.Read(filler) // which does not compress
				e := audit.In(s.Scope(admin, p), "test.filled", "project", num(p.ID), "")
				if err := audit.Record(tx, e.Says("Filled %d.%d: %x", i, j, filler)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	project := "/projects/" + num(p.ID) + "/settings/audit?format=jsonl"
	other := s.Member(p, access.Admin)
	for name, x := range map[string]struct {
		c    *webtest.Client
		path string
		lose func(*db.Tx) error
	}{
		"rights of a super admin": {s.SignIn(root), "/admin/audit?format=jsonl", func(tx *db.Tx) error { return s.App.Tenancy.RevokeSuperAdmin(tx, operator(), root.ID) }},
		"account":                 {s.SignIn(admin), project, func(tx *db.Tx) error { return s.App.Accounts.Disable(tx, operator(), admin.ID) }},
		"role": {s.SignIn(other), project, func(tx *db.Tx) error {
			return tx.Must("UPDATE memberships SET role = 'guest' WHERE project_id = $1 AND user_id = $2", p.ID, other.ID)
		}},
	} {
		res, err := x.c.HTTP.Do(x.c.Request(http.MethodGet, x.path, nil))
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(res.Body)
		if _, err := lines.ReadString('\n'); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %v", name, res.StatusCode, err)
		}
		s.Update(x.lose)
		n := 0
		for err = nil; err == nil; n++ {
			_, err = lines.ReadString('\n')
		}
		if n > 15_000 {
			t.Errorf("%s: lost, and %d more events came", name, n)
		}
		_ = res.Body.Close()
	}
}
