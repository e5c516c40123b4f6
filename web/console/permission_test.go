package console_test

import (
	stdcsv "encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/internal/fault"
	"steward/internal/id"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/storage/csv"
	"steward/internal/tenancy"
	"steward/web/console"
	"steward/web/gate"
	"steward/web/webtest"
)

// project is a project with one of everything that an address can name.
type project struct {
	tenancy.Project
	table, bucket, file, job string
	snapshot                 string
	keyed                    string // a table with a primary key
	trash                    *[]string
	members, invitations     *[]string // people who may be removed, and invitations
	requests                 *[]string // to join
	owner                    int64     // the maintainer of its organization
	teams                    map[string]*team
	boss                     accounts.User // a member of both
	moved                    int64         // a project that its organization may take back
}

// team is what addresses name of an organization or a maintainer.
type team struct{ members, invitations []string }

// furnish gives a project a bucket, a table, a file and jobs, made by somebody who may.
func furnish(t *testing.T, s *webtest.Site, p tenancy.Project, by accounts.User) project {
	t.Helper()
	scope := s.Scope(by, p)
	out := project{Project: p, bucket: "in.c-walk", table: "in.c-walk.things", keyed: "in.c-walk.keyed", trash: new([]string), members: new([]string), invitations: new([]string), requests: new([]string), teams: map[string]*team{}}
	f, err := s.App.Storage.Upload(t.Context(), scope, "things.csv", strings.NewReader("id,name\n1,one\n2,two\n"))
	if err != nil {
		t.Fatal(err)
	}
	load := storage.Load{File: f.ID, Bucket: out.bucket, Table: "things", Dialect: csv.DefaultDialect()}
	s.Update(func(tx *db.Tx) error {
		if _, err := s.App.Storage.CreateBucket(tx, scope, storage.NewBucket{Stage: storage.In, Name: "walk"}); err != nil {
			return err
		}
		_, err := s.App.Storage.StartLoad(tx, scope, load)
		return err
	})
	if err := s.App.Jobs.Drain(t.Context(), jobs.Storage); err != nil {
		t.Fatal(err)
	}
	furnishMore(t, s, scope, out)
	furnishPast(t, s, scope, &out, load)
	var j jobs.Job
	s.Update(func(tx *db.Tx) (err error) {
		j, err = s.App.Jobs.Enqueue(tx, jobs.Spec{Class: jobs.Storage, Operation: storage.TableImport, Scope: scope, Table: out.table, Params: load})
		return err
	})
	out.file, out.job = num(f.ID), num(j.ID)
	furnishPeople(t, s, p, by, out)
	furnishTeams(t, s, &out)
	return out
}

// furnishTeams gives the organization of a project and its maintainer people, invitations and
// billing details, and lets people of support ask to join the project.
func furnishTeams(t *testing.T, s *webtest.Site, p *project) {
	t.Helper()
	p.boss = s.User("Boss")
	organization, maintainer := new(team), new(team)
	p.teams["/organizations/"], p.teams["/maintainers/"] = organization, maintainer
	s.Update(func(tx *db.Tx) (err error) {
		p.owner, err = db.Value[int64](tx, "SELECT maintainer_id FROM organizations WHERE id = $1", p.Organization)
		return err
	})
	join := func(u accounts.User) {
		s.Update(func(tx *db.Tx) error {
			if err := tenancy.JoinMaintainer(tx, u.Actor(), p.owner, u); err != nil {
				return err
			}
			return tenancy.JoinOrganization(tx, u.Actor(), p.Organization, u)
		})
	}
	join(p.boss)
	away, mover := s.Project("Moved away", false)
	p.moved = away.ID
	s.Update(func(tx *db.Tx) error {
		_, err := tx.Exec("INSERT INTO project_losses (project_id, organization_id, moved_at, moved_by, ends_at) VALUES ($1, $2, CAST($3 AS BIGINT), $4, CAST($3 AS BIGINT) + 2592000000000)", away.ID, p.Organization, tx.Now, mover.ID)
		return err
	})
	invited := tenancy.NewInvitation{Days: 7}
	for i := range 4 {
		u := s.User("")
		join(u)
		organization.members, maintainer.members = append(organization.members, num(u.ID)), append(maintainer.members, num(u.ID))
		invited.Emails = append(invited.Emails, fmt.Sprintf("team%d-%d@example.com", p.ID, i))
	}
	s.Update(func(tx *db.Tx) error {
		scope, err := tenancy.EnterOrganization(tx, p.boss.Actor(), p.Organization, access.OrganizationRead)
		if err != nil {
			return err
		}
		above, err := tenancy.EnterMaintainer(tx, p.boss.Actor(), p.owner, access.MaintainerRead)
		if err != nil {
			return err
		}
		if _, _, err := tenancy.SetBilling(tx, scope, tenancy.Billing{Company: "Walkers"}); err != nil {
			return err
		}
		for kind, find := range map[*team]func() (tenancy.Team, error){
			organization: func() (tenancy.Team, error) { return tenancy.OrganizationTeam(tx, scope) },
			maintainer:   func() (tenancy.Team, error) { return tenancy.MaintainerTeam(tx, above) },
		} {
			x, err := find()
			if err != nil {
				return err
			}
			sent, err := s.App.Tenancy.InviteToTeam(tx, x, invited)
			if err != nil {
				return err
			}
			for _, i := range sent {
				kind.invitations = append(kind.invitations, num(i.ID))
			}
		}
		return nil
	})
	autoJoin := func(on bool) {
		s.Update(func(tx *db.Tx) error {
			return tx.Must("UPDATE organizations SET allow_auto_join = $2 WHERE id = $1", p.Organization, on)
		})
	}
	autoJoin(false)
	defer autoJoin(true)
	for range 8 { // as many as the walks answer, and one
		u := s.User("Asker")
		s.Update(func(tx *db.Tx) error {
			if err := s.App.Tenancy.GrantSupport(tx, access.Actor{Name: "The operator", SuperAdmin: true}, u.ID, tx.Now.AddDate(0, 0, 90)); err != nil {
				return err
			}
			scope, err := tenancy.Approach(tx, u.Actor(), p.ID, access.ProjectsRequestAccess)
			if err != nil {
				return err
			}
			e, err := s.App.Tenancy.Ask(tx, scope, p.ID, tenancy.Joining{Reason: "To walk", Hours: 8})
			*p.requests = append(*p.requests, num(e.Request.ID))
			return err
		})
	}
}

// furnishPeople gives a project as many members and invitations as the walks end, and one.
func furnishPeople(t *testing.T, s *webtest.Site, p tenancy.Project, by accounts.User, out project) {
	t.Helper()
	for range 4 {
		s.Member(p, access.ReadOnly)
	}
	scope := s.Scope(by, p)
	s.Update(func(tx *db.Tx) error {
		n := tenancy.NewInvitation{Role: access.ReadOnly, Days: 7}
		for i := range 4 {
			n.Emails = append(n.Emails, fmt.Sprintf("invited%d-%d@example.com", p.ID, i))
		}
		_, err := s.App.Tenancy.Invite(tx, scope, n)
		return err
	})
	s.View(func(tx *db.Tx) error {
		list, err := tenancy.Members(tx, scope, tenancy.MemberFilter{Role: access.ReadOnly, Limit: 100})
		for _, m := range list {
			if m.Invited {
				*out.invitations = append(*out.invitations, num(m.ID))
			} else {
				*out.members = append(*out.members, num(m.ID))
			}
		}
		return err
	})
}

// furnishMore notes something on the table, makes one with a key, and fills the trash.
func furnishMore(t *testing.T, s *webtest.Site, scope access.Project, p project) {
	t.Helper()
	job := func(ask func(*db.Tx) (jobs.Job, error)) {
		t.Helper()
		s.Update(func(tx *db.Tx) error { _, err := ask(tx); return err })
		if err := s.App.Jobs.Drain(t.Context(), jobs.Storage); err != nil {
			t.Fatal(err)
		}
	}
	job(func(tx *db.Tx) (jobs.Job, error) {
		if _, _, err := s.App.Storage.SetMetadata(tx, scope, p.table, storage.Metadata{Column: "name", Provider: storage.ProviderUser, Key: "pii", Value: "yes"}); err != nil {
			return jobs.Job{}, err
		}
		return s.App.Storage.CreateTable(tx, scope, storage.Definition{Bucket: p.bucket, Name: "keyed", Columns: []string{"id"}, Key: []string{"id"}})
	})
	for range 6 { // as many as the walks restore and purge, and one
		job(func(tx *db.Tx) (jobs.Job, error) {
			return s.App.Storage.CreateTable(tx, scope, storage.Definition{Bucket: p.bucket, Name: "gone", Columns: []string{"id"}})
		})
		job(func(tx *db.Tx) (jobs.Job, error) { return s.App.Storage.DropTable(tx, scope, p.bucket+".gone") })
	}
	s.View(func(tx *db.Tx) error {
		list, err := s.App.Storage.Trash(tx, scope, storage.TrashFilter{Limit: 10})
		for _, x := range list {
			*p.trash = append(*p.trash, num(x.ID))
		}
		return err
	})
}

// furnishPast gives the table a second version and a snapshot.
func furnishPast(t *testing.T, s *webtest.Site, scope access.Project, p *project, load storage.Load) {
	t.Helper()
	load.Append = true
	for _, ask := range []func(*db.Tx) (jobs.Job, error){
		func(tx *db.Tx) (jobs.Job, error) { return s.App.Storage.StartLoad(tx, scope, load) },
		func(tx *db.Tx) (jobs.Job, error) {
			return s.App.Storage.CreateSnapshot(tx, scope, p.table, "Before the walk")
		},
	} {
		s.Update(func(tx *db.Tx) error { _, err := ask(tx); return err })
		if err := s.App.Jobs.Drain(t.Context(), jobs.Storage); err != nil {
			t.Fatal(err)
		}
	}
	s.View(func(tx *db.Tx) error {
		table, err := s.App.Storage.Table(tx, scope, p.table)
		if err != nil {
			return err
		}
		list, err := s.App.Storage.Snapshots(tx, scope, table, storage.SnapshotFilter{Limit: 1})
		if err == nil {
			p.snapshot = num(list[0].ID)
		}
		return err
	})
}

func num(n int64) string { return strconv.FormatInt(n, 10) }

func (p project) path(route string) string {
	table, trash := p.table, "1"
	if strings.HasSuffix(route, "/key/delete") && p.keyed != "" {
		table = p.keyed
	}
	member, invitation, request := "1", "1", "1"
	if p.trash != nil {
		trash, member, invitation, request = (*p.trash)[0], (*p.members)[0], (*p.invitations)[0], (*p.requests)[0]
	}
	for prefix, t := range p.teams {
		if strings.HasPrefix(route, prefix) {
			member, invitation = t.members[0], t.invitations[0]
		}
	}
	return strings.NewReplacer(":template", "demo", ":organization", num(p.Organization), ":maintainer", num(p.owner), ":request", request, ":moved", num(p.moved), ":member", member, ":invitation", invitation, ":project", num(p.ID), ":bucket", p.bucket, ":table", table, ":file", p.file, ":job", p.job, ":trash", trash, ":version", "1", ":snapshot", p.snapshot).Replace(route)
}

// used takes what a walk took out of the trash from what is known to be in it, and likewise
// who was removed, and which invitation was cancelled.
func (p project) used(route string) {
	if p.trash == nil {
		return
	}
	for prefix, t := range p.teams {
		switch {
		case !strings.HasPrefix(route, prefix):
		case strings.HasSuffix(route, "/remove"):
			t.members = t.members[1:]
		case strings.HasSuffix(route, "/cancel"):
			t.invitations = t.invitations[1:]
		}
	}
	switch {
	case strings.HasPrefix(route, "/organizations/"), strings.HasPrefix(route, "/maintainers/"):
	case strings.Contains(route, ":request/"):
		*p.requests = (*p.requests)[1:]
	case strings.Contains(route, ":trash/"):
		*p.trash = (*p.trash)[1:]
	case strings.HasSuffix(route, ":member/remove"):
		*p.members = (*p.members)[1:]
	case strings.HasSuffix(route, ":invitation/cancel"):
		*p.invitations = (*p.invitations)[1:]
	}
}

// forms are what each mutating route takes.
func forms(path string) url.Values {
	if f, ok := changeForms(path); ok {
		return f
	}
	switch {
	case strings.HasSuffix(path, "/members"):
		return url.Values{"emails": {"invited-by-walk-" + id.Short() + "@example.com"}, "reason": {""}, "days": {"7"}}
	case strings.HasSuffix(path, "/join"), strings.HasSuffix(path, "/request"):
		return url.Values{"reason": {"To walk"}, "hours": {"8"}}
	case strings.HasPrefix(path, "/organizations/") && strings.HasSuffix(path, "/projects"):
		return url.Values{"name": {"Made by the walk"}, "template": {"demo"}}
	case strings.HasPrefix(path, "/organizations/") && strings.HasSuffix(path, "/settings"):
		return url.Values{"name": {"Walked"}, "autoJoin": {"1"}}
	case strings.HasSuffix(path, "/billing"):
		return url.Values{"company": {"Walked"}, "address": {""}, "registration": {""}, "vat": {""}, "email": {""}, "phone": {""}, "order": {""}, "note": {""}}
	case strings.HasPrefix(path, "/maintainers") && !strings.Contains(path, "/members") && !strings.Contains(path, "/invitations"):
		return url.Values{"name": {"Walked"}}
	case strings.HasSuffix(path, "/settings/users"):
		return url.Values{"emails": {"invited-by-walk-" + id.Short() + "@example.com"}, "role": {"readOnly"}, "reason": {""}, "until": {""}, "days": {"7"}}
	case strings.HasSuffix(path, "/settings/project"):
		return url.Values{"name": {"Walked"}, "description": {""}, "retention": {"30"}}
	case strings.HasSuffix(path, "/settings/project/delete"):
		return url.Values{"confirm": {"Another name"}} // the project is needed for the rest of a walk
	case strings.HasPrefix(path, "/admin/templates"):
		return url.Values{"name": {"Walked"}, "description": {""}, "days": {""}, "retention": {"30"}, "position": {"1"}, "offered": {"1"}}
	case strings.HasPrefix(path, "/admin/projects/"):
		return map[string]url.Values{"undelete": {"expires": {""}}, "expiry": {"expires": {""}}, "type": {"template": {"demo"}, "follow": {"never"}}, "terms": {"users": {"5"}}, "purge": {"confirm": {"Another name"}}, "disable": {"reason": {"By the walk"}}}[path[strings.LastIndexByte(path, '/')+1:]]
	case strings.HasSuffix(path, "/role"):
		return url.Values{"role": {"readOnly"}}
	case strings.HasSuffix(path, "/last-day"):
		return url.Values{"until": {time.Now().AddDate(1, 0, 0).Format(time.DateOnly)}}
	case strings.HasSuffix(path, "/storage/buckets"):
		return url.Values{"stage": {"in"}, "name": {"made-by-walk"}}
	case strings.Contains(path, "/storage/buckets/"):
		return url.Values{"displayName": {"Walked"}, "description": {"By the walk"}}
	case strings.HasSuffix(path, "/revert"), strings.HasSuffix(path, "/restore"):
		return url.Values{"from": {"2"}}
	case strings.HasSuffix(path, "/copy"):
		return url.Values{"bucket": {"in.c-walk"}, "table": {"copied-by-walk"}}
	case strings.HasSuffix(path, "/snapshots"):
		return url.Values{"description": {"By the walk"}}
	case strings.Contains(path, "/storage/load/"):
		return url.Values{"bucket": {"in.c-walk"}, "table": {"things"}, "mode": {"full"}}
	}
	return url.Values{}
}

// changeForms are what the routes take that change a table, a bucket or the trash.
func changeForms(path string) (url.Values, bool) {
	if _, rest, ok := strings.Cut(path, "/trash/"); ok {
		if id, ok := strings.CutSuffix(rest, "/restore"); ok {
			return url.Values{"name": {"back-" + id}}, true
		}
		return url.Values{"confirm": {"in.c-walk.gone"}}, true
	}
	for end, fields := range map[string]url.Values{
		"/storage/tables":   {"bucket": {"in.c-walk"}, "table": {"made-by-walk"}, "columns": {"a\r\nb\r\n"}, "key": {"a"}},
		"/description":      {"description": {"By the walk"}},
		"/metadata":         {"column": {""}, "key": {"walk"}, "value": {"yes"}},
		"/metadata/delete":  {"column": {""}, "key": {"walk"}},
		"/key":              {"key": {"id", ""}},
		"/key/delete":       {},
		"/columns":          {"column": {"extra"}},
		"/columns/rename":   {"column": {"name"}, "newName": {"renamed"}},
		"/columns/delete":   {"column": {"name"}},
		"/rows/delete":      {"column": {"name"}, "op": {"eq"}, "value": {"one"}, "as": {"text"}, "from": {"2"}},
		"/truncate":         {"from": {"2"}},
		"/things/delete":    {},
		"/export":           {"column": {""}, "op": {"eq"}, "value": {""}, "as": {"text"}, "format": {"csv"}, "order": {""}, "direction": {"asc"}, "orderAs": {"text"}, "since": {""}, "limit": {""}},
		"/in.c-walk/delete": {"confirm": {"in.c-walk"}, "tables": {"2"}},
	} {
		if strings.HasSuffix(path, end) {
			return fields, true
		}
	}
	return nil, false
}

// permissions reads one of the two lists of who may do what.
func permissions(t *testing.T, list string) map[string]map[string]string {
	t.Helper()
	f, err := os.Open("../../internal/access/testdata/" + list)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	all, err := stdcsv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]string{}
	for _, r := range all[1:] {
		out[r[1]] = map[string]string{}
		for i, h := range all[0] {
			out[r[1]][h] = r[i]
		}
	}
	return out
}

var requestID = regexp.MustCompile(`[0-9a-f]{20}`)

// untouched are the tables that a refusal may change: it is an event, it counts.
var untouched = []string{"events", "throttles", "idempotency", "sequences"}

// TestASVS_8_2_2 walks every route × every kind of actor, and compares the database
// around every refusal. Case 32: who may only read changes nothing by any of them.
func TestASVS_8_2_2(t *testing.T) {
	t.Parallel()
	dsn := dbtest.DSN(t)
	s := webtest.Open(t, webtest.Options{DSN: dsn, Idle: true})
	standard, admin := s.Project("Standard", false)
	other, stranger := s.Project("Other tenant", false)
	ours := furnish(t, s, standard, admin)
	furnish(t, s, other, stranger)
	governed, manager := s.Project("Governed", true)
	watch := dbtest.Watch(t, dsn, untouched...)
	table := permissions(t, "permissions.csv")

	type actor struct {
		name   string
		role   string // column of the table; "" = no tie to the project, "-" = not signed in, "visitor" = may join it or ask to
		client *webtest.Client
		in     project
	}
	var actors []actor
	for _, role := range access.Roles(false) {
		actors = append(actors, actor{"standard " + string(role), string(role), s.SignIn(s.Member(standard, role)), ours})
	}
	theirs := project{Project: governed, bucket: "in.c-walk", table: "in.c-walk.things", file: "1", job: "1", snapshot: "1", keyed: "in.c-walk.keyed"}
	for _, role := range access.Roles(true) {
		actors = append(actors, actor{"governed " + string(role), string(role), s.SignIn(s.Member(governed, role)), theirs})
	}
	actors = append(actors, actor{"governed manager", "productionManager", s.SignIn(manager), theirs})
	outsider := s.User("Outsider")
	orgMember, maintainer, removed, left := s.User("Organization member"), s.User("Maintainer member"), s.Member(standard, access.Admin), s.Member(standard, access.Admin)
	ended, disabled := s.Member(standard, access.Admin), s.Member(standard, access.Admin)
	s.Update(func(tx *db.Tx) error {
		if err := tenancy.JoinOrganization(tx, admin.Actor(), standard.Organization, orgMember); err != nil {
			return err
		}
		owner, err := db.Value[int64](tx, "SELECT maintainer_id FROM organizations WHERE id = $1", standard.Organization)
		if err != nil {
			return err
		}
		return tenancy.JoinMaintainer(tx, admin.Actor(), owner, maintainer)
	})
	removedClient, leftClient, endedClient, disabledClient := s.SignIn(removed), s.SignIn(left), s.SignIn(ended), s.SignIn(disabled)
	s.Update(func(tx *db.Tx) error {
		if err := tx.Must("DELETE FROM memberships WHERE user_id = $1", removed.ID); err != nil {
			return err
		}
		if err := tx.Must("UPDATE memberships SET expires_at = $2 WHERE user_id = $1", left.ID, tx.Now); err != nil {
			return err
		}
		if err := s.App.Accounts.End(tx, ended.ID); err != nil {
			return err
		}
		return tx.Must("UPDATE users SET state = 'disabled' WHERE id = $1", disabled.ID)
	})
	actors = append(actors,
		actor{"nobody", "-", s.Anonymous(), ours}, actor{"session ended", "-", endedClient, ours}, actor{"account disabled", "-", disabledClient, ours},
		actor{"organization member", "orgMember", s.SignIn(orgMember), ours}, actor{"maintainer member", "visitor", s.SignIn(maintainer), ours},
		actor{"super admin", "visitor", s.SignIn(s.SuperAdmin("Super")), ours}, actor{"other tenant", "", s.SignIn(stranger), ours},
		actor{"removed member", "", removedClient, ours}, actor{"expired member", "", leftClient, ours}, actor{"outsider", "", s.SignIn(outsider), ours},
	)

	routes := leavingLast(console.New(t.Context(), s.App, nil, nil).Routes())
	if len(routes) < 20 {
		t.Fatalf("only %d routes", len(routes))
	}
	refusals := 0
	for _, a := range actors {
		for _, r := range routes {
			if r.Rule.Kind != gate.ForProject || strings.HasSuffix(r.Path, "/live") {
				continue
			}
			path := a.in.path(r.Path)
			rule, known := table[string(r.Rule.Permission)]
			if !known {
				t.Fatalf("%s %s demands %q, which is in no table", r.Method, r.Path, r.Rule.Permission)
			}
			before := watch.Sum()
			res := send(a.client, r.Method, path)
			where := a.name + ": " + r.Method + " " + path
			allowed := a.role != "" && a.role != "-" && (rule[a.role] == "yes" || rule[a.role] == "stateOnly" || table[string(r.Rule.Else)][a.role] == "yes")
			switch {
			case allowed:
				if r.Method == http.MethodPost {
					a.in.used(r.Path)
				}
				if slices.Contains([]int{401, 403, 500}, res.Status) || strings.HasPrefix(res.Location, "/login") || (res.Status == 404 && a.in.ID == ours.ID) {
					t.Errorf("%s: refused with %d though the role has %s", where, res.Status, r.Rule.Permission)
				}
				continue
			case a.role == "-":
				if res.Status != http.StatusSeeOther || !strings.HasPrefix(res.Location, "/login") {
					t.Errorf("%s: %d %s, want the sign-in page", where, res.Status, res.Location)
				}
			case a.role == "":
				unknown := send(a.client, r.Method, strings.Replace(path, "/projects/"+num(a.in.ID), "/projects/999999", 1))
				if res.Status != http.StatusNotFound || requestID.ReplaceAllString(res.Body, "") != requestID.ReplaceAllString(unknown.Body, "") {
					t.Errorf("%s: %d, want what an unknown project answers (%d)", where, res.Status, unknown.Status)
				}
			default:
				if res.Status != http.StatusForbidden {
					t.Errorf("%s: %d, want 403", where, res.Status)
				}
			}
			refusals++
			if after := watch.Sum(); after != before {
				t.Errorf("%s: refused, and yet the database changed", where)
			}
		}
	}
	if refusals < 150 {
		t.Errorf("only %d refusals were walked", refusals)
	}
	s.App.Reads.Flush()
	s.View(func(tx *db.Tx) error {
		n, err := db.Value[int64](tx, "SELECT count(*) FROM events WHERE name = 'access.refused'")
		if n == 0 {
			t.Error("no refusal became an event")
		}
		return err
	})
}

func send(c *webtest.Client, method, path string) webtest.Response {
	if method == http.MethodGet {
		return c.Get(path)
	}
	if strings.HasSuffix(path, "/storage/load") {
		return c.Upload(path, "walk.csv", "id,name\n3,three\n")
	}
	return c.Post(path, forms(path))
}

// TestProjectStates walks every route of a project × everybody who has a tie to it, and who has
// none, while it is expired, disabled, deleted or purged: it lets nobody in, and nothing changes.
func TestProjectStates(t *testing.T) {
	t.Parallel()
	dsn := dbtest.DSN(t)
	s := webtest.Open(t, webtest.Options{DSN: dsn, Idle: true})
	p, admin := s.Project("Ends", false)
	in := furnish(t, s, p, admin)
	boss, keeper := s.User("Boss"), s.User("Keeper")
	ofOrganization(s, p, boss)
	_, helper, _ := ofSupport(s, "Helper")
	s.Update(func(tx *db.Tx) error {
		owner, err := db.Value[int64](tx, "SELECT maintainer_id FROM organizations WHERE id = $1", p.Organization)
		if err != nil {
			return err
		}
		return tenancy.JoinMaintainer(tx, keeper.Actor(), owner, keeper)
	})
	people := map[string]*webtest.Client{"organization member": s.SignIn(boss), "maintainer member": s.SignIn(keeper), "support": helper, "super admin": s.SignIn(s.SuperAdmin("Super"))}
	for _, role := range access.Roles(false) {
		people[string(role)] = s.SignIn(s.Member(p, role))
	}
	strangers := map[string]*webtest.Client{"outsider": s.SignIn(s.User("Outsider"))}
	watch := dbtest.Watch(t, dsn, append([]string{"sessions"}, untouched...)...)
	walked := 0
	for _, state := range []string{"expired", "disabled", "deleted", "purged"} {
		s.Update(func(tx *db.Tx) error {
			if state == "expired" {
				return tx.Must("UPDATE projects SET expires_at = $2 WHERE id = $1", p.ID, tx.Now)
			}
			return tx.Must("UPDATE projects SET expires_at = NULL, state = $2 WHERE id = $1", p.ID, state)
		})
		before := watch.Sum()
		for _, r := range leavingLast(console.New(t.Context(), s.App, nil, nil).Routes()) {
			if r.Rule.Kind != gate.ForProject && r.Rule.Kind != gate.ForEntrance {
				continue
			}
			path := in.path(r.Path)
			for who, c := range people {
				res := send(c, r.Method, path)
				if res.Status != http.StatusForbidden && res.Status != http.StatusNotFound {
					t.Errorf("%s, %s: %s %s: %d", state, who, r.Method, path, res.Status)
				}
				if slices.Contains(access.Roles(false), access.Role(who)) && r.Rule.Kind == gate.ForProject && res.Status != http.StatusForbidden {
					t.Errorf("%s, %s: %s %s: %d, though they belong to it", state, who, r.Method, path, res.Status)
				}
				walked++
			}
			for who, c := range strangers {
				if res := send(c, r.Method, path); res.Status != http.StatusNotFound {
					t.Errorf("%s, %s: %s %s: %d", state, who, r.Method, path, res.Status)
				}
			}
		}
		if watch.Sum() != before {
			t.Errorf("%s: the database changed", state)
		}
	}
	if walked < 2000 {
		t.Errorf("only %d requests were walked", walked)
	}
	s.Update(func(tx *db.Tx) error { return tx.Must("UPDATE projects SET state = 'active' WHERE id = $1", p.ID) })
	s.SignIn(admin).Get(in.path("/projects/:project")).Want(http.StatusOK)
}

// TestBranches: what is in another branch of a project does not leak into the default
// one.
func TestBranches(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Branched", false)
	ours := furnish(t, s, p, admin)
	var branch int64
	s.Update(func(tx *db.Tx) (err error) {
		if branch, err = tx.NewID("branches"); err != nil {
			return err
		}
		_, err = tx.Exec("INSERT INTO branches (id, project_id, name, is_default, created_at) VALUES ($1, $2, 'dev', $3, $4)", branch, p.ID, false, tx.Now)
		return err
	})
	var dev access.Project
	s.View(func(tx *db.Tx) (err error) {
		dev, err = tenancy.EnterBranch(tx, admin.Actor(), p.ID, branch, access.ProjectRead)
		return err
	})
	s.Update(func(tx *db.Tx) error {
		if _, err := s.App.Storage.CreateBucket(tx, dev, storage.NewBucket{Stage: storage.In, Name: "only-in-dev"}); err != nil {
			return err
		}
		_, err := s.App.Storage.CreateBucket(tx, dev, storage.NewBucket{Stage: storage.In, Name: "walk"})
		return err
	})
	c := s.SignIn(admin)
	base := "/projects/" + num(p.ID) + "/storage"
	for _, path := range []string{base, base + "?q=only", base + "?format=json", base + "/jobs", "/projects/" + num(p.ID), base + "/buckets/" + ours.bucket} {
		if r := c.Get(path).Want(http.StatusOK); strings.Contains(r.Body, "only-in-dev") {
			t.Errorf("%s shows a bucket of another branch", path)
		}
	}
	c.Get(base + "/buckets/in.c-only-in-dev").Want(http.StatusNotFound)
	s.View(func(tx *db.Tx) error {
		if _, err := s.App.Storage.Table(tx, dev, ours.table); !fault.Is(err, fault.NotFound) {
			t.Errorf("a table of the default branch is seen from another one: %v", err)
		}
		return nil
	})
}
