package console_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/internal/storage"
	"steward/web/console"
	"steward/web/gate"
	"steward/web/webtest"
)

// lists are the routes that show a list; the others are forms, details or streams.
// A new GET route must be named in one of the two.
var lists = map[string]bool{
	"/": true, "/projects/:project": false, "/projects/:project/live": false,
	"/login": false, "/setup": false, "/mfa": false, "/activate": false, "/activate/:code": false,
	"/auth/google": false, "/auth/google/callback": false, "/auth/google/link": false, "/auth/google/confirm": false, "/auth/google/confirm/:code": false, "/account/identity": false,
	"/two-step/lost": false, "/two-step/lost/:code": false, "/password/forgot": false, "/password/reset": false, "/password/reset/:code": false,
	"/account": false, "/account/security": false, "/account/password": false, "/account/two-step": false, "/account/confirm": false,
	"/account/recovery-codes": false, "/account/recovery-codes/download": false, "/account/invitations": false,
	"/account/sessions": true, "/account/activity": true, "/account/access": true,
	"/admin/projects": true, "/admin/projects/:project": false, "/projects/:project/settings/project/delete": false,
	"/admin/templates": true, "/admin/templates/new": false, "/admin/templates/:template": false,
	"/admin": true, "/admin/users/:user": false, "/admin/users/:user/access": true, "/admin/mails": true, "/admin/jobs": true, "/admin/audit": true, "/admin/settings": false,
	"/projects/:project/settings/users": true, "/projects/:project/settings/users/invite": false, "/projects/:project/settings/users/:member": false,
	"/projects/:project/settings/limits": false, "/projects/:project/settings/limits/ask": false, "/projects/:project/settings/access": true, "/projects/:project/settings/users/:member/role": false, "/projects/:project/settings/users/:member/remove": false,
	"/projects/:project/settings/invitations/:invitation": false, "/projects/:project/settings/project": false, "/projects/:project/settings/audit": true,
	"/projects/:project/settings/requests/:request": false, "/projects/:project/join": false, "/organizations/:organization/join": false, "/projects/:project/request": false, "/projects/:project/move": false, "/organizations/:organization/projects/:moved/take-back": false,
	"/maintainers": true, "/maintainers/:maintainer": true, "/maintainers/:maintainer/settings": false, "/maintainers/:maintainer/organizations/:organization": false, "/maintainers/:maintainer/organizations/new": false,
	"/maintainers/:maintainer/members": true, "/maintainers/:maintainer/members/invite": false, "/maintainers/:maintainer/members/:member": false, "/maintainers/:maintainer/invitations/:invitation": false,
	"/organizations/:organization": true, "/organizations/:organization/settings": false, "/organizations/:organization/two-step": true, "/organizations/:organization/billing": true, "/organizations/:organization/audit": true, "/organizations/:organization/projects/new": false,
	"/organizations/:organization/members": true, "/organizations/:organization/members/invite": false, "/organizations/:organization/members/:member": false, "/organizations/:organization/invitations/:invitation": false,
	"/projects/:project/storage": true, "/projects/:project/storage/buckets/new": false,
	"/projects/:project/storage/buckets/:bucket": true, "/projects/:project/storage/buckets/:bucket/edit": false,
	"/projects/:project/storage/tables/:table": true, "/projects/:project/storage/tables/:table/preview": true,
	"/projects/:project/storage/tables/:table/events": true,
	"/projects/:project/storage/tables/new":           false, "/projects/:project/storage/tables/:table/settings": true,
	"/projects/:project/storage/tables/:table/rows/delete": false, "/projects/:project/storage/tables/:table/export": false,
	"/projects/:project/storage/buckets/:bucket/delete": false, "/projects/:project/trash": true,
	"/projects/:project/storage/load": false, "/projects/:project/storage/load/:file": false, "/projects/:project/storage/files/:file/download": false,
	"/projects/:project/storage/jobs": true, "/projects/:project/storage/jobs/:job": true,
	"/mailbox": false, "/mailbox/:mail": false, // in mailbox_test.go: most installations have none

	"/projects/:project/storage/tables/:table/versions": true, "/projects/:project/storage/tables/:table/versions/compare": false,
	"/projects/:project/storage/tables/:table/versions/:version/revert": false, "/projects/:project/storage/tables/:table/versions/:version/copy": false,
	"/projects/:project/storage/tables/:table/snapshots":                   true,
	"/projects/:project/storage/tables/:table/snapshots/:snapshot/restore": false, "/projects/:project/storage/tables/:table/snapshots/:snapshot/copy": false,
}

// TestListsAreAlsoCSVAndJSON asks every list for both.
func TestListsAreAlsoCSVAndJSON(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Lists", false)
	in := furnish(t, s, p, admin)
	in.job = "1" // the one that ran, and so has a log
	root := s.SuperAdmin("Root")
	s.Update(func(tx *db.Tx) error {
		_, _, err := s.App.Accounts.Invite(tx, root.Actor(), accounts.NewUser{Email: "invited@example.com"}) // a mail, and its job
		return err
	})
	member, super, boss := s.SignIn(admin), s.SignIn(root), s.SignIn(in.boss)
	for _, r := range console.New(t.Context(), s.App, nil, nil).Routes() {
		if r.Method != http.MethodGet {
			continue
		}
		list, known := lists[r.Path]
		if !known {
			t.Errorf("%s is in no list of lists", r.Path)
		}
		if !list {
			continue
		}
		c, path := member, in.path(strings.Replace(r.Path, ":user", num(in.boss.ID), 1))
		switch {
		case r.Rule.Permission == access.InstallationManage:
			c = super
		case r.Rule.Kind == gate.ForOrganization, r.Rule.Kind == gate.ForMaintainer, r.Path == "/maintainers":
			c = boss
		}
		var rows []map[string]any
		c.Get(path + "?format=json").Want(http.StatusOK).JSON(&rows)
		if len(rows) == 0 {
			t.Errorf("%s: the JSON is empty", path)
		}
		res := c.Get(path + "?format=csv").Want(http.StatusOK)
		if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/csv") || !strings.HasPrefix(res.Header.Get("Content-Disposition"), "attachment") {
			t.Errorf("%s: headers of the CSV: %v", path, res.Header)
		}
		if n := strings.Count(res.Body, "\n"); n < len(rows)+1 {
			t.Errorf("%s: %d lines of CSV for %d rows", path, n, len(rows))
		}
		c.Get(path + "?format=xml").Want(http.StatusUnprocessableEntity)
		html := c.Get(path).Want(http.StatusOK).Page()
		if html.Find(`a[href*="format=csv"]`).Length() == 0 && !strings.Contains(r.Path, ":job") && !strings.HasSuffix(r.Path, "/preview") {
			t.Errorf("%s: the page offers no CSV", path)
		}
	}
}

// TestListsPage: a list of many rows is walked by its links, each row once.
func TestListsPage(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Many", false)
	scope := s.Scope(admin, p)
	const buckets = 123
	s.Update(func(tx *db.Tx) error {
		for i := range buckets {
			if _, err := s.App.Storage.CreateBucket(tx, scope, storage.NewBucket{Stage: storage.In, Name: "b" + num(int64(1000+i)), DisplayName: "=HYPERLINK(1)"}); err != nil {
				return err
			}
		}
		return nil
	})
	c := s.SignIn(admin)
	seen := map[string]int{}
	pages := 0
	for path := "/projects/" + num(p.ID) + "/storage"; path != "" && pages < 10; pages++ {
		page := c.Get(path).Want(http.StatusOK).Page()
		page.Find(`a[href*="/storage/buckets/in.c-b"]`).Each(func(_ int, a *gq) {
			seen[a.AttrOr("href", "")]++
		})
		path = page.Find(`a[rel="next"]`).AttrOr("href", "")
	}
	if len(seen) != buckets || pages != 3 {
		t.Errorf("%d buckets on %d pages", len(seen), pages)
	}
	var rows []json.RawMessage
	c.Get("/projects/" + num(p.ID) + "/storage?format=json").JSON(&rows)
	if len(rows) != buckets {
		t.Errorf("%d rows of JSON", len(rows))
	}
	if csv := c.Get("/projects/" + num(p.ID) + "/storage?format=csv").Body; !strings.Contains(csv, `'=HYPERLINK`) {
		t.Error("a cell that a spreadsheet would run is not guarded")
	}
}

// manyBuckets makes more buckets than a choice of one offers, and gives their ids. They
// stand before and after those of other names.
func manyBuckets(s *webtest.Site, scope access.Project) (ids []string) {
	s.T.Helper()
	s.Update(func(tx *db.Tx) error {
		for i := range 520 {
			b, err := s.App.Storage.CreateBucket(tx, scope, storage.NewBucket{Stage: storage.In, Name: "b" + num(int64(1000+i))})
			if err != nil {
				return err
			}
			ids = append(ids, b.TextID)
		}
		return nil
	})
	return ids
}

// fullScan is what SQLite says of a query that reads a whole table, or sorts.
var fullScan = regexp.MustCompile(`^SCAN (jobs|events|tables|buckets|files|versions|snapshots|table_columns|job_log|memberships|sessions|projects|users|[bjmpstuw])( |$)|TEMP B-TREE FOR ORDER BY`)

// TestQueries: no page runs more than eight queries, however much it shows, and each of
// them has an index.
func TestQueries(t *testing.T) {
	t.Parallel()
	var trace *db.Trace
	// Always SQLite: the planner of an almost empty PostgreSQL scans on purpose.
	dsn := "sqlite:" + t.TempDir() + "/plans.db"
	s := webtest.Open(t, webtest.Options{DSN: dsn, Idle: true, Handler: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var ctx context.Context
			ctx, trace = db.WithTrace(r.Context())
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}})
	p, admin := s.Project("Counted", false)
	in := furnish(t, s, p, admin)
	c := s.SignIn(admin)
	jobsPath := in.path("/projects/:project/storage/jobs")
	paths := []string{jobsPath + "?status=success", jobsPath + "?operation=tableImport", jobsPath + "?table=in.c-walk.things", jobsPath + "?status=cancelled", jobsPath + "?status=error&operation=tableImport",
		jobsPath + "?status=cancelled&operation=tableImport&table=in.c-walk.things&before=a-1", jobsPath + "?before=a-1", "/?q=count",
		"/admin/projects?state=deleted", "/admin/projects?organization=1", "/admin/projects?q=count", "/admin/projects?state=active&organization=1&q=count&after=a%0A1"}
	tablePath := in.path("/projects/:project/storage/tables/:table")
	paths = append(paths, tablePath+"/versions?before=3", tablePath+"/versions/compare?before=1&after=2", tablePath+"/snapshots?before=a-1",
		tablePath+"/preview?version=1", c.Get(tablePath+"/preview?version=1").Page().Find("tbody th a").AttrOr("href", ""))
	for _, log := range []string{in.path("/projects/:project/settings/audit"), "/admin/audit"} {
		for _, filter := range []string{"kind=table", "object=in.c-walk.things", "object=in.*", "event=storage.tableImported", "tone=warn", "address=127.0.0.1", "reads=no", "who=" + url.QueryEscape(admin.Email), "from=2026-01-01&to=2026-12-31",
			"kind=table&object=in.c-walk.things&event=storage.tableImported&tone=warn&address=127.0.0.1&reads=only&from=2026-01-01&before=a-1&who=" + url.QueryEscape(admin.Email)} {
			paths = append(paths, log+"?"+filter)
		}
	}
	s.TwoStep(c)
	c.Post("/account/two-step/start", url.Values{}).Want(http.StatusSeeOther) // one is being set up again
	many := manyBuckets(s, s.Scope(admin, p))
	paths = append(paths, in.path("/projects/:project/storage")+"?open="+strings.Join(append(many[:12:12], in.bucket), "&open="))
	check := in.path("/projects/:project/storage/load/:file")
	for _, into := range []string{"", "?table=new", "?bucket=" + in.bucket + "&table=things", "?bucket=" + in.bucket + "&table=new", "?bucket=" + many[0] + "&table=new",
		"?bucket=" + many[len(many)-1] + "&table=new", "?bucket=in.c-none&table=new"} {
		paths = append(paths, check+into)
	}
	for _, r := range console.New(t.Context(), s.App, nil, nil).Routes() {
		if r.Method == http.MethodGet && r.Rule.Kind != gate.ForAnyone && !strings.HasSuffix(r.Path, "/live") && r.Path != "/account/identity" { // which shows only what one browser brought
			paths = append(paths, in.path(strings.Replace(r.Path, ":user", num(admin.ID), 1)))
		}
	}
	elsewhere, _ := s.Project("Elsewhere", false)
	ofOrganization(s, elsewhere, in.boss)
	paths = append(paths, in.path("/projects/:project/move?q=x&after=a%0A1"), in.path("/projects/:project/move?to="+num(elsewhere.Organization)), in.path("/maintainers/:maintainer?organization=:organization"), in.path("/maintainers/:maintainer?q=x&after=a%0A1"), in.path("/organizations/:organization?q=x&after=a%0A1"), in.path("/organizations/:organization/audit?reads=no&kind=user"), in.path("/organizations/:organization/audit?event=project.created&before=a-1"), in.path("/organizations/:organization/members?q=x&after=a"), in.path("/organizations/:organization/members?status=over&q=x&after=ix-1"), in.path("/maintainers/:maintainer/members?status=over"), in.path("/organizations/:organization/two-step?after=1%0A1%0Aa%0Aa"), in.path("/projects/:project/settings/users?status=asking"), in.path("/projects/:project/settings/users?status=outside"), in.path("/projects/:project/settings/users?status=ending&sort=newest"), in.path("/projects/:project/settings/users?sort=role"), in.path("/projects/:project/settings/users?sort=role&after=mguest%0Aa%0A1"), in.path("/projects/:project/settings/users?sort=expires"), in.path("/projects/:project/settings/users?sort=expires&after=mnever-1"), in.path("/projects/:project/settings/users?sort=expires&after=i1k-1"), in.path("/projects/:project/settings/users?status=over&q=x&role=guest&after=ix-1"),
		in.path("/projects/:project/settings/access?q=person&after=member%0Aa"), in.path("/projects/:project/settings/access?ground=invitation"), in.path("/projects/:project/settings/users/:member/role?role=guest"), "/account/access?after=3-1-1", "/admin/users/"+num(admin.ID)+"/access?after=0-1-1")
	super, boss := s.SignIn(s.SuperAdmin("Root")), s.SignIn(in.boss)
	plans := 0
	for _, path := range paths {
		c := c
		switch {
		case strings.HasPrefix(path, "/admin"):
			c = super
		case strings.HasPrefix(path, "/organizations") && strings.HasSuffix(path, "/join"): // as their own does not
			s.Update(func(tx *db.Tx) error {
				return tx.Must("UPDATE organizations SET allow_auto_join = TRUE WHERE id = $1", p.Organization)
			})
			c = super
		case strings.HasPrefix(path, "/organizations"), strings.HasPrefix(path, "/maintainers"), strings.HasSuffix(path, "/join"), strings.HasSuffix(path, "/move"), strings.Contains(path, "/move?"):
			c = boss
		case strings.HasSuffix(path, "/request"): // see TestVisitors
			s.Update(func(tx *db.Tx) error {
				return tx.Must("UPDATE organizations SET allow_auto_join = FALSE WHERE id = $1", p.Organization)
			})
			c = super
		}
		c.Get(path).Want(http.StatusOK)
		queries := trace.Queries()
		if len(queries) > 8 || len(queries) == 0 {
			t.Errorf("%s runs %d queries", path, len(queries))
		}
		for _, q := range queries {
			for _, step := range dbtest.Plan(t, dsn, q.SQL, q.Args) {
				plans++
				// A list of the whole installation walks along an index, as far as its page reaches.
				along := strings.HasPrefix(path, "/admin") && strings.Contains(step, " USING INDEX ") && strings.Contains(q.SQL, " LIMIT ")
				// A person's own projects are sorted: there are as many as they have roles. So are their organizations.
				own := strings.Contains(q.SQL, "FROM memberships m JOIN") || strings.Contains(q.SQL, "FROM organization_members WHERE user_id")
				if fullScan.MatchString(step) && !along && !own {
					t.Errorf("%s: %s\n%s", path, step, q.SQL)
				}
				// A project may have very many buckets, whose rows are long.
				if strings.Contains(q.SQL, "SUM(rows_count)") && !strings.Contains(step, "COVERING INDEX buckets_totals") {
					t.Errorf("%s: %s\n%s", path, step, q.SQL)
				}
			}
		}
	}
	if plans < 50 {
		t.Errorf("only %d steps of plans were read", plans)
	}
}

// TestUnfolded: the tables of the buckets that were opened last stand below them, however
// many were opened.
func TestUnfolded(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Folded", false)
	in := furnish(t, s, p, admin)
	s.Update(func(tx *db.Tx) error {
		for i := range 12 {
			if _, err := s.App.Storage.CreateBucket(tx, s.Scope(admin, p), storage.NewBucket{Stage: storage.Out, Name: "b" + num(int64(10+i))}); err != nil {
				return err
			}
		}
		return nil
	})
	c := s.SignIn(admin)
	path := in.path("/projects/:project/storage")
	for range 11 {
		page := c.Get(path).Want(http.StatusOK).Page()
		path = page.Find(`a.fold[aria-expanded="false"]`).Last().AttrOr("href", "")
	}
	page := c.Get(path).Want(http.StatusOK).Page()
	if open := page.Find(`a.fold[aria-expanded="true"]`); open.Length() != 10 || !strings.Contains(open.First().AttrOr("aria-label", ""), "out.c-b11") {
		t.Errorf("%d are open, the first is %q", open.Length(), open.First().AttrOr("aria-label", ""))
	}
	page = c.Get(path + "&open=" + in.bucket).Want(http.StatusOK).Page()
	inside := page.Find(`a[href*="/storage/tables/in.c-walk."]`)
	if got := words(inside); got != "keyed things" {
		t.Errorf("in the bucket there are %q", got)
	}
}
