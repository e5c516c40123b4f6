package console_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/storage/csv"
	"steward/internal/storage/engine"
	"steward/internal/tenancy"
	"steward/web/console"
	"steward/web/gate"
	"steward/web/webtest"
)

// desk is a project, somebody who may do all in it, and a browser without scripts.
type desk struct {
	*webtest.Site
	t       *testing.T
	project tenancy.Project
	admin   accounts.User
	scope   access.Project
	c       *webtest.Client
	base    string // /projects/1/storage
}

const deskBucket = "in.c-desk"

func newDesk(t *testing.T) *desk {
	t.Helper()
	s := webtest.Open(t, webtest.Options{})
	p, admin := s.Project("Desk", false)
	d := &desk{Site: s, t: t, project: p, admin: admin, scope: s.Scope(admin, p), c: s.SignIn(admin), base: "/projects/" + num(p.ID) + "/storage"}
	s.Update(func(tx *db.Tx) error {
		_, err := s.App.Storage.CreateBucket(tx, d.scope, storage.NewBucket{Stage: storage.In, Name: "desk", DisplayName: "Desk", Description: "A *desk*"})
		return err
	})
	return d
}

func (d *desk) tablePath(name string) string { return d.base + "/tables/" + deskBucket + "." + name }

// load makes a table of a CSV text.
func (d *desk) load(name, content string, key ...string) {
	d.t.Helper()
	f, err := d.App.Storage.Upload(d.t.Context(), d.scope, name+".csv", strings.NewReader(content))
	if err != nil {
		d.t.Fatal(err)
	}
	var j jobs.Job
	d.Update(func(tx *db.Tx) (err error) {
		j, err = d.App.Storage.StartLoad(tx, d.scope, storage.Load{File: f.ID, Bucket: deskBucket, Table: name, Dialect: csv.DefaultDialect(), Key: key})
		return err
	})
	d.ended(j.ID)
}

// ended waits for a job's end and gives it.
func (d *desk) ended(id int64) (j jobs.Job) {
	d.t.Helper()
	for range 2000 {
		d.View(func(tx *db.Tx) (err error) { j, err = d.App.Jobs.Get(tx, d.scope, id); return err })
		if j.Finished() {
			return j
		}
		time.Sleep(10 * time.Millisecond)
	}
	d.t.Fatalf("job %d does not end", id)
	return j
}

// follow goes where an answer leads; when that is a job that still runs, it waits for it.
func (d *desk) follow(r webtest.Response) webtest.Response {
	d.t.Helper()
	r.Want(http.StatusSeeOther)
	if i := strings.LastIndex(r.Location, "/storage/jobs/"); i >= 0 {
		d.ended(atoi(d.t, r.Location[i+len("/storage/jobs/"):]))
	}
	return d.c.Get(r.Location).Want(http.StatusOK)
}

func atoi(t *testing.T, text string) (n int64) {
	t.Helper()
	if _, err := fmt.Sscan(text, &n); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return n
}

// send fills in a page's form and sends it.
func (d *desk) send(page, action string, fields url.Values) webtest.Response {
	d.t.Helper()
	path, form := d.c.Get(page).Want(http.StatusOK).Form(action)
	for k, v := range fields {
		form[k] = v
	}
	return d.c.Post(path, form)
}

// picture is all that people see of a project's storage, with checksums of the rows, and
// who may do what.
func (d *desk) picture() string {
	d.t.Helper()
	var b strings.Builder
	var tables []storage.Table
	d.View(func(tx *db.Tx) error {
		st := d.App.Storage
		buckets, err := st.Buckets(tx, d.scope, storage.BucketFilter{Limit: 100})
		if err != nil {
			return err
		}
		for _, x := range buckets {
			fmt.Fprintf(&b, "bucket %s %q %q: %d tables, %d rows\n", x.TextID, x.DisplayName, x.Description, x.Tables, x.Rows)
			list, err := st.Tables(tx, d.scope, x.TextID, storage.TableFilter{Limit: 100})
			if err != nil {
				return err
			}
			tables = append(tables, list...)
		}
		for _, t := range tables {
			fmt.Fprintf(&b, "table %s %q %d rows:", t.TextID, t.Description, t.Rows)
			columns, err := st.Columns(tx, t)
			if err != nil {
				return err
			}
			for _, c := range columns {
				fmt.Fprintf(&b, " [%q field %d key %d]", c.Name, c.FieldID, c.Key)
			}
			notes, err := st.TableMetadata(tx, t, storage.MetadataFilter{Limit: 1000})
			if err != nil {
				return err
			}
			for _, n := range notes {
				fmt.Fprintf(&b, " {%q %s %q=%q}", n.Column, n.Provider, n.Key, n.Value)
			}
			kept, err := st.Snapshots(tx, d.scope, t, storage.SnapshotFilter{Limit: 100})
			if err != nil {
				return err
			}
			for _, n := range kept {
				fmt.Fprintf(&b, " (snapshot %d %q of version %d, %d rows)", n.ID, n.Description, n.Version, n.Rows)
			}
			b.WriteString("\n")
		}
		rights, err := db.All(tx, func(r db.Row) (string, error) {
			var user int64
			var role string
			err := r.Scan(&user, &role)
			return fmt.Sprintf("member %d is %s\n", user, role), err
		}, "SELECT user_id, role FROM memberships WHERE project_id = $1 ORDER BY user_id", d.project.ID)
		for _, r := range rights {
			b.WriteString(r)
		}
		return err
	})
	for _, t := range tables {
		fmt.Fprintf(&b, "%s %s\n", t.TextID, d.checksum(t))
	}
	return b.String()
}

func (d *desk) checksum(t storage.Table) string {
	d.t.Helper()
	v, err := d.App.Storage.View(d.t.Context(), d.scope, t)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = v.Close() }()
	var rows []string
	err = v.Each(d.t.Context(), engine.Query{Origin: true}, func(r engine.Row) error {
		var row strings.Builder
		for _, c := range r.Cells {
			fmt.Fprintf(&row, "%t %q,", c.Null, c.Value)
		}
		fmt.Fprintf(&row, "job %d", r.Job)
		rows = append(rows, row.String())
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	slices.Sort(rows)
	sum := sha256.Sum256([]byte(strings.Join(rows, "\n")))
	return hex.EncodeToString(sum[:])
}

// constructive are the POST routes that destroy nothing, and why.
var constructive = map[string]string{
	"/login": "signs in", "/logout": "ends one's own session", "/setup": "is open once, on an empty installation", "/account/theme": "is a taste",
	"/mfa": "signs in", "/activate": "opens an account, once", "/account/confirm": "proves who it is",
	"/auth/google":                                                "begins to sign in",
	"/auth/google/link/mail":                                      "sends a link",
	"/auth/google/confirm":                                        "links what is unlinked again on the page Security",
	"/account/identity":                                           "links what is unlinked again on the page Security",
	"/account/identity/start":                                     "begins to link",
	"/account/identity/delete":                                    "is linked again on the same page, by whoever is asked for anyway: the provider",
	"/account/confirm/provider":                                   "proves who it is",
	"/account":                                                    "is a form with what one typed before",
	"/password/forgot":                                            "sends a link",
	"/two-step/lost":                                              "a secret that was taken away must not come back; the person sets up another",
	"/password/reset":                                             "is itself the way out of a lost password",
	"/account/password":                                           "a password that was changed is no secret to keep for later; a forgotten one is reset",
	"/account/two-step/start":                                     "makes a secret that counts once it is confirmed",
	"/account/two-step":                                           "turns on what can be turned off",
	"/account/two-step/delete":                                    "is turned on again on the same page; an old secret must not come back",
	"/account/recovery-codes":                                     "old codes must not come back",
	"/account/recovery-codes/stored":                              "the person says that they are stored elsewhere",
	"/account/sessions":                                           "an ended session must not come back",
	"/account/sessions/:session/end":                              "an ended session must not come back",
	"/admin/users":                                                "makes an account, which can be disabled",
	"/admin/users/:user/link":                                     "makes a link",
	"/admin/users/:user/disable":                                  "is undone by enable, see TestDisableAndEnable",
	"/admin/users/:user/enable":                                   "is undone by disable",
	"/admin/users/:user/super-admin":                              "is undone by the next",
	"/admin/users/:user/no-super-admin":                           "is undone by the one before",
	"/admin/users/:user/reset-mfa":                                "makes a link",
	"/admin/users/:user/end-sessions":                             "an ended session must not come back",
	"/admin/users/:user/support":                                  "is undone by the next, or by another day, see TestSupportIsProlonged",
	"/admin/users/:user/no-support":                               "is undone by the one before; who is in projects by it is out, and comes in anew",
	"/projects/:project/join":                                     "makes oneself a member, who can leave",
	"/projects/:project/request":                                  "asks, and can be taken back",
	"/projects/:project/request/cancel":                           "is undone by asking again",
	"/projects/:project/move":                                     "offers its undo, and asks for the name, see TestMove",
	"/organizations/:organization/projects/:moved/take-back":      "takes back, asks for the name, and is final, see TestTakeBack",
	"/projects/:project/settings/requests/:request/approve":       "makes somebody a member for a time, who can be removed",
	"/projects/:project/settings/requests/:request/reject":        "is undone by who asks again, or by inviting them",
	"/organizations/:organization/join":                           "makes oneself a member, who can leave",
	"/organizations/:organization/join/end":                       "ends one's own visit, which one can begin again",
	"/organizations/:organization/projects":                       "makes a project",
	"/organizations/:organization/settings":                       "offers its undo, see TestOrganizationSettings",
	"/organizations/:organization/two-step":                       "is undone on the same page",
	"/organizations/:organization/delete":                         "holds nothing any more, and asks for the name; another one can be made",
	"/organizations/:organization/billing":                        "keeps what was there in its history, see TestBilling",
	"/maintainers":                                                "makes a maintainer",
	"/maintainers/:maintainer/organizations":                      "makes an organization",
	"/maintainers/:maintainer/delete":                             "has a confirmation by name, see TestMaintainerDeleted",
	"/maintainers/:maintainer/settings":                           "offers its undo, see TestMaintainers",
	"/maintainers/:maintainer/organizations/:organization":        "offers its undo, see TestCRM",
	"/organizations/:organization/members":                        "invites; an invitation is cancelled on its page",
	"/organizations/:organization/members/:member/remove":         "somebody who was removed must not come back but by inviting them again",
	"/organizations/:organization/members/leave":                  "ends one's own membership only, and asks before",
	"/organizations/:organization/invitations/:invitation/send":   "sends again",
	"/organizations/:organization/invitations/:invitation/cancel": "is undone by inviting again",
	"/maintainers/:maintainer/members":                            "invites; an invitation is cancelled on its page",
	"/maintainers/:maintainer/members/:member/remove":             "somebody who was removed must not come back but by inviting them again",
	"/maintainers/:maintainer/members/leave":                      "ends one's own membership only, and asks before",
	"/maintainers/:maintainer/invitations/:invitation/send":       "sends again",
	"/maintainers/:maintainer/invitations/:invitation/cancel":     "is undone by inviting again",
	"/admin/mails/:mail/retry":                                    "sends again",
	"/admin/settings":                                             "is a form with what was set before",
	"/account/invitations/:invitation/accept":                     "makes somebody a member, who can leave",
	"/account/invitations/:invitation/decline":                    "is undone by inviting again",
	"/projects/:project/settings/users":                           "invites; an invitation is cancelled on its page",
	"/projects/:project/settings/users/remind":                    "sends a mail",
	"/projects/:project/settings/limits/ask":                      "sends a mail",
	"/projects/:project/settings/project":                         "offers its undo, see TestProjectSettings",
	"/projects/:project/settings/users/:member/role":              "offers its undo, see TestRoles",
	"/projects/:project/settings/users/:member/last-day":          "offers its undo, see TestLastDay",
	"/projects/:project/settings/users/:member/remove":            "somebody who was removed must not come back but by inviting them again",
	"/projects/:project/settings/users/leave":                     "ends one's own membership only, and asks before",
	"/projects/:project/settings/invitations/:invitation/send":    "sends again",
	"/projects/:project/settings/invitations/:invitation/cancel":  "is undone by inviting again",
	"/projects/:project/storage/buckets":                          "makes an empty bucket, which is deleted again on its page",
	"/projects/:project/storage/load/:file/check":                 "reads",
	"/projects/:project/storage/load":                             "keeps a file",
	"/projects/:project/storage/jobs/:job/undo":                   "is the undo itself",
	"/projects/:project/storage/jobs/:job/cancel":                 "leaves everything as it is",
	"/projects/:project/storage/tables/:table/export":             "reads",
	"/projects/:project/storage/tables/:table/snapshots":          "keeps what is there; a snapshot is deleted again on its page",
	"/projects/:project/trash/:trash/restore":                     "brings back; what came back can be dropped again",
	"/projects/:project/trash/:trash/purge":                       "is where the promise of the trash ends: it asks for the name, and only few may",
	"/admin/projects/:project/undelete":                           "is undone by deleting it again",
	"/admin/projects/:project/expiry":                             "is a form with what was set before",
	"/admin/projects/:project/type":                               "is a form with what was set before, and an expiry of its own, see TestProjectType",
	"/admin/projects/:project/terms":                              "offers its undo, see TestTerms",
	"/admin/templates":                                            "makes a template, which can be withdrawn",
	"/admin/templates/:template":                                  "offers its undo, see TestTemplates",
	"/admin/projects/:project/disable":                            "is undone by enable, see TestDisableProject",
	"/admin/projects/:project/enable":                             "is undone by disable",
	"/admin/projects/:project/purge":                              "is where the promise of the grace ends: it asks for the name, and only super admins may",
	"/admin/projects/:project/purge/stop":                         "keeps what is there",
	"/projects/:project/settings/project/delete":                  "is undone by a super admin, see TestUndelete",
}

// elsewhere are the POST routes whose undo another test walks.
var elsewhere = map[string]string{
	"/projects/:project/storage/tables/:table/versions/:version/revert":    "TestWrongFile",
	"/projects/:project/storage/tables/:table/versions/:version/copy":      "TestSnapshotScreens",
	"/projects/:project/storage/tables/:table/snapshots":                   "TestSnapshotScreens",
	"/projects/:project/storage/tables/:table/snapshots/:snapshot/restore": "TestSnapshotScreens",
	"/projects/:project/storage/tables/:table/snapshots/:snapshot/copy":    "TestSnapshotScreens",
	"/projects/:project/storage/tables/:table/snapshots/:snapshot/delete":  "TestSnapshotScreens",
}

// TestEveryDestructiveRouteHasAnUndo does all that changes tables and buckets by the pages'
// own forms, undoes it by the Undo that the next page offers, and compares what people see
// before and after.
func TestEveryDestructiveRouteHasAnUndo(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.load("orders", "id,name,note\n1,ada,\n2,bob,\"\"\n3,\"c,d\",x\n", "id")
	d.load("plain", "id,name\n1,one\n2,two\n")
	snapshots := d.tablePath("plain") + "/snapshots"
	d.follow(d.send(snapshots, snapshots, url.Values{"description": {"two rows"}}))
	d.follow(d.loadForm("plain", "id,name\n7,seven\n"))
	d.Member(d.project, access.ReadOnly)
	d.Update(func(tx *db.Tx) error {
		if _, err := d.App.Storage.DescribeTable(tx, d.scope, deskBucket+".orders", "Orders of the *shop*\n\nSecond"); err != nil {
			return err
		}
		for _, m := range []storage.Metadata{{Provider: "user", Key: "owner", Value: "ada\nand bob"}, {Column: "name", Provider: "user", Key: "pii", Value: "yes"}} {
			if _, _, err := d.App.Storage.SetMetadata(tx, d.scope, deskBucket+".orders", m); err != nil {
				return err
			}
		}
		return nil
	})
	orders, plain := d.tablePath("orders"), d.tablePath("plain")
	columnOf := func(name string) string { // the page with the forms for a column
		href, _ := d.c.Get(orders).Page().Find(`th:contains("` + name + `")`).Parent().Find("a").Attr("href")
		path, _, _ := strings.Cut(href, "#")
		return path
	}
	kept := func(what string) string { // the form about the snapshot
		href, _ := d.c.Get(snapshots).Page().Find(`a[href$="/` + what + `"]`).Attr("href")
		return href
	}
	remove := strings.TrimSuffix(kept("restore"), "restore") + "delete"
	walks := map[string][]struct {
		name, page, action string
		fields             url.Values
	}{
		"/projects/:project/storage/buckets/:bucket":                           {{"edit a bucket", d.base + "/buckets/" + deskBucket + "/edit", d.base + "/buckets/" + deskBucket, url.Values{"displayName": {"New"}, "description": {"Other\r\nlines"}}}},
		"/projects/:project/storage/buckets/:bucket/delete":                    {{"delete a bucket", d.base + "/buckets/" + deskBucket + "/delete", d.base, url.Values{"confirm": {deskBucket}}}},
		"/projects/:project/storage/tables":                                    {{"make a table", d.base + "/tables/new?bucket=" + deskBucket, d.base + "/tables", url.Values{"table": {"made"}, "columns": {"a\r\nb\r\n"}, "key": {"b"}}}},
		"/projects/:project/storage/tables/:table/description":                 {{"describe", orders + "/settings", orders + "/description", url.Values{"description": {"Something else"}}}},
		"/projects/:project/storage/tables/:table/metadata":                    {{"note anew", orders + "/settings", orders + "/metadata", url.Values{"key": {"fresh"}, "value": {"x"}}}, {"note another value", orders + "/settings", orders + "/metadata", url.Values{"key": {"owner"}, "value": {"eve"}}}, {"note on a column", orders + "/settings", orders + "/metadata", url.Values{"column": {"name"}, "key": {"pii"}, "value": {"no"}}}},
		"/projects/:project/storage/tables/:table/metadata/delete":             {{"remove a note", orders + "/settings", orders + "/metadata/delete", url.Values{"column": {""}, "key": {"owner"}}}, {"remove a column's note", orders + "/settings", orders + "/metadata/delete", url.Values{"column": {"name"}, "key": {"pii"}}}},
		"/projects/:project/storage/tables/:table/key":                         {{"set a key", plain + "/settings", plain + "/key", url.Values{"key": {"name", "id", ""}}}},
		"/projects/:project/storage/tables/:table/key/delete":                  {{"remove the key", orders + "/settings", orders + "/key/delete", nil}},
		"/projects/:project/storage/tables/:table/columns":                     {{"add a column", orders, orders + "/columns", url.Values{"column": {"extra"}}}},
		"/projects/:project/storage/tables/:table/columns/rename":              {{"rename a column", columnOf("name"), orders + "/columns/rename", url.Values{"newName": {"who"}}}, {"rename the key", columnOf("id"), orders + "/columns/rename", url.Values{"newName": {"number"}}}},
		"/projects/:project/storage/tables/:table/columns/delete":              {{"drop a column", columnOf("name"), orders + "/columns/delete", nil}},
		"/projects/:project/storage/tables/:table/rows/delete":                 {{"delete rows", orders + "/rows/delete?column=name&op=eq&value=bob&as=text&column=&op=eq&value=&as=text", orders + "/rows/delete", nil}},
		"/projects/:project/storage/tables/:table/truncate":                    {{"delete all rows", orders + "/settings", orders + "/truncate", nil}},
		"/projects/:project/storage/tables/:table/delete":                      {{"drop a table", orders + "/settings", orders + "/delete", nil}},
		"/projects/:project/storage/load/:file":                                {{"load", "", "", nil}},
		"/projects/:project/storage/tables/:table/versions/:version/revert":    {{"revert", plain + "/versions/1/revert", plain + "/versions/1/revert", nil}},
		"/projects/:project/storage/tables/:table/versions/:version/copy":      {{"copy a version", plain + "/versions/1/copy", plain + "/versions/1/copy", url.Values{"table": {"plain_1"}}}},
		"/projects/:project/storage/tables/:table/snapshots/:snapshot/restore": {{"restore a snapshot", kept("restore"), kept("restore"), nil}},
		"/projects/:project/storage/tables/:table/snapshots/:snapshot/copy":    {{"copy a snapshot", kept("copy"), kept("copy"), url.Values{"table": {"plain_s"}}}},
		"/projects/:project/storage/tables/:table/snapshots/:snapshot/delete":  {{"delete a snapshot", snapshots, remove, nil}},
	}
	for _, r := range console.New(t.Context(), d.App, nil, nil).Routes() {
		if r.Method != http.MethodPost {
			continue
		}
		_, harmless := constructive[r.Path]
		_, other := elsewhere[r.Path]
		steps, walked := walks[r.Path]
		if !harmless && !other && !walked {
			t.Errorf("%s is in no list: walk it here, or say why it destroys nothing", r.Path)
		}
		for _, w := range steps {
			before := d.picture()
			var res webtest.Response
			if w.page == "" { // the two steps of a load
				res = d.loadForm("orders", "id,name,note\n9,nine,9\n")
			} else {
				res = d.send(w.page, w.action, w.fields)
			}
			page := d.follow(res)
			if d.picture() == before {
				t.Errorf("%s changed nothing: %d %s", w.name, res.Status, res.Location)
				continue
			}
			d.undo(w.name, page)
			if after := d.picture(); after != before {
				t.Errorf("%s, undone:\n%s\nbefore:\n%s", w.name, after, before)
			}
		}
	}
}

// loadForm loads a file into a table by the two steps of the pages, replacing all rows.
func (d *desk) loadForm(name, content string) webtest.Response {
	d.t.Helper()
	up := d.c.Upload(d.base+"/load", name+".csv", content).Want(http.StatusSeeOther)
	step, _, _ := strings.Cut(up.Location, "?")
	path, form := d.c.Get(step + "?bucket=" + deskBucket + "&table=" + name).Want(http.StatusOK).Form(step)
	form.Set("mode", "full")
	return d.c.Post(path, form)
}

// undo presses the page's Undo, as the flash or a job's page offers it, and follows.
func (d *desk) undo(what string, page webtest.Response) webtest.Response {
	d.t.Helper()
	var action string
	fields := url.Values{}
	page.Page().Find("main form").Each(func(_ int, f *gq) {
		if text := strings.TrimSpace(f.Find("button").Text()); action == "" && (text == "Undo" || text == "Undo this job") {
			action = f.AttrOr("action", "")
			f.Find("input[name]").Each(func(_ int, in *gq) { fields.Add(in.AttrOr("name", ""), in.AttrOr("value", "")) })
		}
	})
	if action == "" {
		d.t.Errorf("%s: the page offers no undo: %.3000s", what, page.Page().Find("main").Text())
		return page
	}
	return d.follow(d.c.Post(action, fields))
}

// TestReadersSeeNoButtons: who may only read is offered nothing, and what they send is refused.
func TestReadersSeeNoButtons(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.load("orders", "id,name\n1,ada\n")
	d.load("gone", "id\n1\n")
	d.follow(d.send(d.tablePath("gone")+"/settings", d.tablePath("gone")+"/delete", nil))
	reader := d.SignIn(d.Member(d.project, access.ReadOnly))
	orders := d.tablePath("orders")
	for _, path := range []string{orders, orders + "/settings", orders + "/preview?column=id&op=eq&value=1", d.base + "/buckets/" + deskBucket, "/projects/" + num(d.project.ID) + "/trash"} {
		page := reader.Get(path).Want(http.StatusOK).Page()
		if n := page.Find(`main form[method="post"]`).Length(); n != 0 {
			t.Errorf("%s offers %d forms to a reader", path, n)
		}
		page.Find("main a").Each(func(_ int, a *gq) {
			for _, end := range []string{"/delete", "/new", "#change", "#note", "/edit"} {
				if strings.Contains(a.AttrOr("href", ""), end) {
					t.Errorf("%s leads a reader to %s", path, a.AttrOr("href", ""))
				}
			}
		})
	}
	before := d.picture()
	for _, r := range console.New(t.Context(), d.App, nil, nil).Routes() {
		if r.Method != http.MethodPost || r.Rule.Kind != gate.ForProject || !slices.Contains([]access.Permission{access.TablesWrite, access.BucketsWrite, access.TableTrashRestore, access.TableTrashPurge}, r.Rule.Permission) {
			continue
		}
		path := strings.NewReplacer(":project", num(d.project.ID), ":table", deskBucket+".orders", ":bucket", deskBucket, ":trash", "1", ":file", "1").Replace(r.Path)
		if strings.HasSuffix(path, "/storage/load") {
			reader.Upload(path, "x.csv", "a\n1\n").Want(http.StatusForbidden)
			continue
		}
		reader.Post(path, url.Values{}).Want(http.StatusForbidden)
	}
	if after := d.picture(); after != before {
		t.Errorf("a reader changed\n%s\nto\n%s", before, after)
	}
}

// TestSentTwice: a form that is sent twice starts one job, and is answered alike.
func TestSentTwice(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.load("orders", "id,name\n1,ada\n2,bob\n")
	orders := d.tablePath("orders")
	for _, f := range []struct {
		page, action string
		fields       url.Values
	}{
		{orders, orders + "/columns", url.Values{"column": {"extra"}}},
		{orders + "/export", orders + "/export", nil},
		{orders + "/settings", orders + "/metadata", url.Values{"key": {"k"}, "value": {"v"}}},
		{orders + "/settings", orders + "/truncate", nil},
		{orders + "/settings", orders + "/delete", nil},
	} {
		path, form := d.c.Get(f.page).Want(http.StatusOK).Form(f.action)
		for k, v := range f.fields {
			form[k] = v
		}
		before := d.count("SELECT count(*) FROM jobs") + d.count("SELECT count(*) FROM events WHERE name = 'storage.tableMetadataSet'")
		first := d.c.Post(path, form).Want(http.StatusSeeOther)
		second := d.c.Post(path, form).Want(http.StatusSeeOther)
		if n := d.count("SELECT count(*) FROM jobs") + d.count("SELECT count(*) FROM events WHERE name = 'storage.tableMetadataSet'") - before; n != 1 || first.Location != second.Location {
			t.Errorf("%s was done %d times, and led to %s and %s", path, n, first.Location, second.Location)
		}
	}
}

func (d *desk) count(query string) (n int64) {
	d.t.Helper()
	d.View(func(tx *db.Tx) (err error) { n, err = db.Value[int64](tx, query); return err })
	return n
}

// TestDeleteRowsCountsFirst: the page says how many rows would go, and a table that moved on
// is counted again.
func TestDeleteRowsCountsFirst(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.load("orders", "id,name\n1,ada\n2,bob\n3,bob\n10,cyd\n")
	orders := d.tablePath("orders")
	const where = "?column=name&op=eq&value=bob&as=text"
	if page := d.c.Get(orders + "/rows/delete").Want(http.StatusOK); page.Page().Find(`main form[method="post"]`).Length() != 0 || !strings.Contains(page.Body, "all rows would go") {
		t.Errorf("without a condition: %s", page.Page().Find("main").Text())
	}
	preview := d.c.Get(orders + "/preview" + where).Want(http.StatusOK).Page()
	href, _ := preview.Find(`a:contains("Delete these rows")`).Attr("href")
	page := d.c.Get(href).Want(http.StatusOK)
	if !strings.Contains(page.Page().Find("#doomed").Text(), "2 rows of 4 would") || page.Page().Find(".grid-data tbody tr").Length() != 2 {
		t.Errorf("%s: %s", href, page.Page().Find("main").Text())
	}
	path, form := page.Form(orders + "/rows/delete")
	d.load("orders", "id,name\n1,bob\n2,bob\n3,bob\n10,cyd\n5,eve\n")
	moved := d.c.Post(path, form).Want(http.StatusUnprocessableEntity)
	if text := moved.Page().Find("#doomed").Text(); !strings.Contains(text, "3 rows of 5 would") || !strings.Contains(moved.Page().Find(".error-summary").Text(), "version 2 now") {
		t.Errorf("moved on: %s %s", text, moved.Page().Find(".error-summary").Text())
	}
	_, fields := moved.Form(orders + "/rows/delete")
	d.follow(d.c.Post(path, fields))
	if got := d.c.Get(orders + "/preview?format=csv").Body; got != "id,name\n10,cyd\n5,eve\n" {
		t.Errorf("left: %q", got)
	}
	for name, f := range map[string]url.Values{
		"no conditions":    {"from": {"3"}},
		"no version":       {"column": {"name"}, "op": {"eq"}, "value": {"x"}, "as": {"text"}},
		"version 0":        {"column": {"name"}, "op": {"eq"}, "value": {"x"}, "as": {"text"}, "from": {"0"}},
		"unknown column":   {"column": {"nome"}, "op": {"eq"}, "value": {"x"}, "as": {"text"}, "from": {"3"}},
		"unknown operator": {"column": {"name"}, "op": {"like"}, "value": {"x"}, "as": {"text"}, "from": {"3"}},
		"unknown field":    {"column": {"name"}, "op": {"eq"}, "value": {"x"}, "as": {"text"}, "from": {"3"}, "allowTruncate": {"true"}},
		"too many":         {"column": slices.Repeat([]string{"name"}, 21), "op": slices.Repeat([]string{"eq"}, 21), "from": {"3"}},
	} {
		if r := d.c.Post(path, f); r.Status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", name, r.Status)
		}
	}
	for _, bad := range []string{"?column=id&op=lt&value=ten&as=number", "?column=none&op=eq&value=1", "?column=id&op=;&value=1"} {
		if r := d.c.Get(orders + "/rows/delete" + bad); r.Status != http.StatusUnprocessableEntity || r.Page().Find(".error-summary").Length() == 0 {
			t.Errorf("%s: %d", bad, r.Status)
		}
	}
}

// TestPrimaryKeys: a key is chosen in order, and one that rows share is refused with those rows.
func TestPrimaryKeys(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.load("orders", "id,name,\"x\"\"; DROP TABLE tables; --\"\n1,ada,1\n1,\"b \"\"quoted\"\", <b>\",2\n1,\"b \"\"quoted\"\", <b>\",3\n2,ada,4\n")
	settings := d.tablePath("orders") + "/settings"
	key := d.tablePath("orders") + "/key"
	r := d.send(settings, key, url.Values{"key": {"", ""}}).Want(http.StatusUnprocessableEntity)
	if got := r.Page().Find(".error-summary").Text(); !strings.Contains(got, "Choose at least one column") {
		t.Errorf("no column: %s", got)
	}
	for _, bad := range [][]string{{"nope"}, {"id", "id"}, {"ID"}} {
		d.send(settings, key, url.Values{"key": bad}).Want(http.StatusUnprocessableEntity)
	}
	more := d.c.Get(settings + "?key=name&key=id&key=").Want(http.StatusOK).Page()
	if n := more.Find(`form[action$="/key"] select`).Length(); n != 4 {
		t.Errorf("%d places for a key of two columns and more", n)
	}
	page := d.follow(d.send(settings, key, url.Values{"key": {"id", "name"}}))
	text := page.Page().Find("main").Text()
	for _, want := range []string{`The primary key of table in.c-desk.orders cannot be "id", "name"`, "1 value stands in more than one row", `"1", "b \"quoted\", <b>": 2 rows`, "Choose another key"} {
		if !strings.Contains(text, want) {
			t.Errorf("the refused key's page lacks %q: %s", want, text)
		}
	}
	page = d.follow(d.send(settings, key, url.Values{"key": {`x"; DROP TABLE tables; --`, "id", ""}}))
	if got := page.Page().Find("#primary-key").Parent().Parent().Parent().Find("ol").Text(); !strings.Contains(got, "DROP TABLE") {
		t.Errorf("the key that was set: %q of %s", got, page.Page().Find("main").Text())
	}
	if got := d.c.Get(d.tablePath("orders") + "?format=csv").Body; !strings.Contains(got, `"x""; DROP TABLE tables; --",1,0`) || !strings.Contains(got, "id,2,0") {
		t.Errorf("columns: %s", got)
	}
}

// hostileNames are names of columns that a program might stumble over.
var hostileNames = []string{
	strings.Repeat("n", 200), "<script>alert(1)</script>", "شارع الملك", "\u05d0\u05d1 rtl", `quote " and ' and ` + "`", `"; DROP TABLE tables; --`, strings.Repeat("é", 64),
	"select", "order by", "NULL", "$1", "%s %d {{.}}", "a.b.c", "../../etc/passwd", "=HYPERLINK(1)", " spaces ", "🙂", "a,b", "_x",
}

// TestHostileNames: whatever columns, keys, notes and descriptions are called, they come
// back as they are, and nothing of them runs (security.md, case 45).
func TestHostileNames(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	tables := d.count("SELECT count(*) FROM tables")
	var form = url.Values{"bucket": {deskBucket}, "table": {"odd"}, "columns": {strings.Join(hostileNames, "\r\n")}, "key": {hostileNames[1] + "\r\n" + hostileNames[5]}, "description": {"<script>alert(1)</script>\r\n\r\n[x](javascript:alert(1)) **bold**"}}
	page := d.follow(d.send(d.base+"/tables/new?bucket="+deskBucket, d.base+"/tables", form)).Page()
	odd := d.tablePath("odd")
	if page.Find("main script").Length() != 0 || page.Find(`main a[href^="javascript"]`).Length() != 0 || page.Find(".markdown strong").Text() != "bold" {
		t.Errorf("the description runs: %s", page.Find(".markdown").Text())
	}
	var names []string
	page.Find("th .whole-name").Each(func(_ int, n *gq) { names = append(names, n.Text()) })
	if !slices.Equal(names, hostileNames) {
		t.Errorf("columns are\n%q, want\n%q", names, hostileNames)
	}
	for i, name := range hostileNames {
		d.follow(d.send(odd+"/settings", odd+"/metadata", url.Values{"column": {name}, "key": {"on " + name + "."}, "value": {name + "\r\n" + `<img src=x onerror=alert(1)>"; DROP TABLE metadata; --`}}))
		if i > 5 { // one that is not part of the key: rename it there and back
			d.follow(d.c.Post(odd+"/columns/rename", url.Values{"column": {name}, "newName": {name + "'"}}).Want(http.StatusSeeOther))
			d.follow(d.c.Post(odd+"/columns/rename", url.Values{"column": {name + "'"}, "newName": {name}}).Want(http.StatusSeeOther))
		}
		d.c.Get(odd + "/rows/delete?" + url.Values{"column": {name}, "op": {"eq"}, "value": {name}, "as": {"text"}}.Encode()).Want(http.StatusOK)
		d.c.Get(odd + "/export?" + url.Values{"column": {name}, "op": {"contains"}, "value": {name}, "columns": {name}, "order": {name}}.Encode()).Want(http.StatusOK)
	}
	d.View(func(tx *db.Tx) error {
		table, err := d.App.Storage.Table(tx, d.scope, deskBucket+".odd")
		if err != nil {
			return err
		}
		notes, err := d.App.Storage.TableMetadata(tx, table, storage.MetadataFilter{Limit: 1000})
		if len(notes) != len(hostileNames) {
			t.Errorf("%d notes", len(notes))
		}
		for _, n := range notes {
			if n.Key != "on "+n.Column+"." || n.Value != n.Column+"\n"+`<img src=x onerror=alert(1)>"; DROP TABLE metadata; --` {
				t.Errorf("on %q stands %q: %q", n.Column, n.Key, n.Value)
			}
		}
		return err
	})
	settings := d.c.Get(odd + "/settings").Want(http.StatusOK).Page()
	if settings.Find("main img, main script:not([src])").Length() != 0 {
		t.Error("a note became an element")
	}
	if csv := d.c.Get(odd + "/settings?format=csv").Want(http.StatusOK).Body; !strings.Contains(csv, "'=HYPERLINK(1)") {
		t.Errorf("a note is not guarded in the list for people: %.300s", csv)
	}
	for what, f := range map[string]url.Values{
		"long":         {"column": {strings.Repeat("x", 301)}},
		"empty":        {"column": {"  "}},
		"taken":        {"column": {"select"}},
		"reserved":     {"column": {"_timestamp"}},
		"control":      {"column": {"a\x07b"}},
		"line":         {"column": {"a\nb"}},
		"not UTF-8":    {"column": {"\xff"}},
		"second field": {"column": {"a", "b"}},
		"other field":  {"column": {"a"}, "type": {"INTEGER"}},
	} {
		if r := d.c.Post(odd+"/columns", f); r.Status != http.StatusUnprocessableEntity {
			t.Errorf("adding a column, %s: %d", what, r.Status)
		}
		f["newName"], f["column"] = f["column"], []string{"NULL"}
		if r := d.c.Post(odd+"/columns/rename", f); r.Status != http.StatusUnprocessableEntity {
			t.Errorf("renaming a column, %s: %d", what, r.Status)
		}
	}
	d.c.Post(odd+"/description", url.Values{"description": {strings.Repeat("x", 10_001)}}).Want(http.StatusUnprocessableEntity)
	d.c.Post(odd+"/metadata", url.Values{"key": {strings.Repeat("k", 256)}, "value": {"x"}}).Want(http.StatusUnprocessableEntity)
	d.c.Post(odd+"/metadata", url.Values{"key": {"k"}, "value": {strings.Repeat("x", 10_001)}}).Want(http.StatusUnprocessableEntity)
	d.c.Post(odd+"/metadata", url.Values{"column": {"nope"}, "key": {"k"}, "value": {"x"}}).Want(http.StatusUnprocessableEntity)
	if n := d.count("SELECT count(*) FROM tables"); n != tables+1 {
		t.Errorf("%d tables, want one more than %d", n, tables)
	}
}

// TestNewTable: what a definition lacks is said beside its field, and what was typed stays.
func TestNewTable(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.load("taken", "id\n1\n")
	page := d.base + "/tables/new?bucket=" + deskBucket
	for field, f := range map[string]url.Values{
		"bucket":      {"bucket": {"in.c-none"}, "table": {"t"}, "columns": {"a"}},
		"table":       {"table": {"no spaces"}, "columns": {"a"}},
		"columns":     {"table": {"t"}, "columns": {"\r\n \r\n"}},
		"key":         {"table": {"t"}, "columns": {"a\r\nb"}, "key": {"c"}},
		"description": {"table": {"t"}, "columns": {"a"}, "description": {strings.Repeat("x", 10_001)}},
	} {
		r := d.send(page, d.base+"/tables", f).Want(http.StatusUnprocessableEntity).Page()
		if r.Find("#"+field+"-error").Length() != 1 || !strings.HasPrefix(r.Find("title").Text(), "Error: ") {
			t.Errorf("%s: no error beside the field: %s", field, r.Find(".error-summary").Text())
		}
		if r.Find("textarea#columns").Text() != strings.ReplaceAll(f.Get("columns"), "\r\n", "\n") && field != "columns" {
			t.Errorf("%s: the columns are %q", field, r.Find("textarea#columns").Text())
		}
	}
	d.send(page, d.base+"/tables", url.Values{"table": {"taken"}, "columns": {"a"}}).Want(http.StatusUnprocessableEntity)
	d.send(page, d.base+"/tables", url.Values{"table": {"t"}, "columns": {"a\r\nb\r\na"}}).Want(http.StatusUnprocessableEntity)
	d.send(page, d.base+"/tables", url.Values{"table": {"t"}, "columns": {"a\r\n_timestamp"}}).Want(http.StatusUnprocessableEntity)
	wide := make([]string, 4097)
	for i := range wide {
		wide[i] = fmt.Sprintf("column %d", i)
	}
	d.send(page, d.base+"/tables", url.Values{"table": {"wide"}, "columns": {strings.Join(wide, "\n")}}).Want(http.StatusUnprocessableEntity)
	r := d.follow(d.send(page, d.base+"/tables", url.Values{"table": {"wide"}, "columns": {strings.Join(wide[:4096], "\r\n")}, "key": {"column 7"}}))
	if n := r.Page().Find("th .whole-name").Length(); n != 4096 || len(r.Body) > 4<<20 {
		t.Errorf("the page of 4,096 columns shows %d in %d bytes", n, len(r.Body))
	}
	if r := d.c.Get(d.tablePath("wide") + "/settings").Want(http.StatusOK); len(r.Body) > 1<<20 {
		t.Errorf("the settings of 4,096 columns take %d bytes", len(r.Body))
	}
}

// TestExport: the file holds what was asked for, in each format, and says so.
func TestExport(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.load("orders", "id,name,note\n1,=1+1,\n2,bob,\"\"\n3,<svg onload=alert(1)>,x\n10,cyd,+2\n")
	orders := d.tablePath("orders")
	preview := d.c.Get(orders + "/preview?column=id&op=gt&value=1&as=number&order=id&direction=desc&orderAs=number&columns=id&columns=name").Want(http.StatusOK).Page()
	href, _ := preview.Find(`a:contains("Export these rows")`).Attr("href")
	page := d.follow(d.send(href, orders+"/export", url.Values{"limit": {"2"}, "formulas": {"guard"}}))
	text := page.Page().Find("main").Text()
	content := d.exportedFile(page)
	if want := "id,name\n10,cyd\n3,<svg onload=alert(1)>\n"; content != want {
		t.Errorf("exported %q, want %q", content, want)
	}
	sum := sha256.Sum256([]byte(content))
	for _, want := range []string{hex.EncodeToString(sum[:]), "orders-v1.csv", fmt.Sprintf("%d B", len(content)), "Download"} {
		if !strings.Contains(text, want) {
			t.Errorf("the job's page lacks %q: %s", want, text)
		}
	}
	if page.Page().Find(`a[href$="/download"]`).Length() != 1 || strings.TrimSpace(page.Page().Find("dl.stats dd").First().Text()) != "2" {
		t.Errorf("no link or figures: %s", page.Page().Find("dl.stats").Text())
	}
	for _, c := range []struct {
		name   string
		fields url.Values
		want   string
	}{
		{"as it is", url.Values{}, "id,name,note\n1,=1+1,\n2,bob,\"\"\n3,<svg onload=alert(1)>,x\n10,cyd,+2\n"},
		{"for a spreadsheet", url.Values{"formulas": {"guard"}}, "id,name,note\n1,'=1+1,\n2,bob,\"\"\n3,<svg onload=alert(1)>,x\n10,cyd,'+2\n"},
		{"changed since", url.Values{"since": {"2999-01-01T00:00"}}, "id,name,note\n"},
		{"changed since then", url.Values{"since": {"2000-01-01T00:00"}, "limit": {"1"}}, "id,name,note\n1,=1+1,\n"},
	} {
		if got := d.exportedFile(d.follow(d.send(orders+"/export", orders+"/export", c.fields))); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	for format, magic := range map[string]string{"csv.gz": "\x1f\x8b", "parquet": "PAR1"} {
		if got := d.exportedFile(d.follow(d.send(orders+"/export", orders+"/export", url.Values{"format": {format}}))); !strings.HasPrefix(got, magic) {
			t.Errorf("%s begins with %.8q", format, got)
		}
	}
	for field, value := range map[string]string{"since": "yesterday", "limit": "-3", "format": "xlsx", "columns": "nope", "order": "nope"} {
		r := d.send(orders+"/export", orders+"/export", url.Values{field: {value}, "limit": {map[bool]string{true: value, false: "7"}[field == "limit"]}}).Want(http.StatusUnprocessableEntity).Page()
		if r.Find(".error-summary li").Length() != 1 || (field != "limit" && r.Find("#limit").AttrOr("value", "") != "7") {
			t.Errorf("%s %q: %s", field, value, r.Find(".error-summary").Text())
		}
	}
	d.c.Post(orders+"/export", url.Values{"format": {"csv"}, "gzip": {"1"}}).Want(http.StatusUnprocessableEntity)
}

// exportedFile downloads the file that a job's page names. Whatever is in it, a browser
// keeps it and shows nothing of it (security.md, case 41).
func (d *desk) exportedFile(page webtest.Response) string {
	d.t.Helper()
	href, ok := page.Page().Find(`a[href$="/download"]`).Attr("href")
	if !ok {
		d.t.Fatalf("the page names no file: %s", page.Page().Find("main").Text())
	}
	r := d.c.Get(href).Want(http.StatusOK)
	if !strings.HasPrefix(r.Header.Get("Content-Disposition"), "attachment") || r.Header.Get("X-Content-Type-Options") != "nosniff" || strings.Contains(r.Header.Get("Content-Type"), "html") {
		d.t.Errorf("the download is answered with %v", r.Header)
	}
	return r.Body
}

// TestTrash: what is dropped comes back whole, under another name when its own is taken, or
// goes for good with its files.
func TestTrash(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	trash := "/projects/" + num(d.project.ID) + "/trash"
	if page := d.c.Get(trash).Want(http.StatusOK).Page(); !strings.Contains(page.Find(".empty").Text(), "The trash is empty") {
		t.Errorf("empty: %s", page.Find("main").Text())
	}
	d.load("orders", "id,name\n1,ada\n2,bob\n", "id")
	orders := d.tablePath("orders")
	d.follow(d.send(orders+"/settings", orders+"/delete", nil))
	d.c.Get(orders).Want(http.StatusNotFound)
	d.load("orders", "other\nx\n")
	taken := d.send(trash, trash+"/", nil).Want(http.StatusUnprocessableEntity)
	if got := taken.Page().Find("#name-error").Text(); !strings.Contains(got, "There is a table in.c-desk.orders now") {
		t.Errorf("its name is taken: %s", taken.Page().Find("main").Text())
	}
	path, form := taken.Form(trash)
	form.Set("name", "no spaces")
	again := d.c.Post(path, form).Want(http.StatusUnprocessableEntity)
	if again.Page().Find("#name").AttrOr("value", "") != "no spaces" {
		t.Error("the name that was typed is gone")
	}
	path, form = again.Form(trash)
	form.Set("name", "orders-back")
	page := d.follow(d.c.Post(path, form))
	if !strings.Contains(page.Page().Find(".banner").Text(), "in.c-desk.orders-back is back") {
		t.Errorf("restored: %s", page.Page().Find(".banner").Text())
	}
	if got := d.c.Get(d.tablePath("orders-back") + "/preview?format=csv").Body; got != "id,name\n1,ada\n2,bob\n" {
		t.Errorf("restored rows: %q", got)
	}
	d.follow(d.send(orders+"/settings", orders+"/delete", nil))

	// A bucket goes and comes back whole.
	whole := d.picture()
	bucketPage := d.base + "/buckets/" + deskBucket + "/delete"
	wrong := d.send(bucketPage, d.base, url.Values{"confirm": {"in.c-des"}}).Want(http.StatusUnprocessableEntity)
	if wrong.Page().Find("#confirm-error").Length() != 1 {
		t.Error("a wrong name is not refused beside its field")
	}
	path, form = d.c.Get(bucketPage).Form(d.base)
	form.Set("confirm", deskBucket)
	d.load("late", "id\n1\n")
	if r := d.c.Post(path, form).Want(http.StatusUnprocessableEntity); !strings.Contains(r.Body, "has 2 tables now, no longer 1") {
		t.Errorf("a table came meanwhile: %s", r.Page().Find("main").Text())
	}
	d.follow(d.send(d.tablePath("late")+"/settings", d.tablePath("late")+"/delete", nil))
	d.follow(d.send(bucketPage, d.base, url.Values{"confirm": {deskBucket}}))
	d.c.Get(d.base + "/buckets/" + deskBucket).Want(http.StatusNotFound)
	list := d.c.Get(trash).Want(http.StatusOK).Page()
	if n := list.Find("tbody tr").Length(); n != 3 || !strings.Contains(list.Find("tbody tr").First().Text(), "bucket") {
		t.Errorf("%d things in the trash: %s", n, list.Find("tbody").Text())
	}
	d.follow(d.c.Post(list.Find(`form[action$="/restore"]`).First().AttrOr("action", ""), url.Values{"name": {""}}))
	if after := d.picture(); after != whole {
		t.Errorf("the bucket came back as\n%s\nnot as\n%s", after, whole)
	}

	// What is purged is gone from the disk, too.
	folder := d.folder("orders~%")
	if files := d.files(folder); files == 0 {
		t.Fatal("the dropped table has no files")
	}
	row := d.c.Get(trash).Page().Find(`tbody tr:contains("in.c-desk.orders")`).First()
	purge := strings.Replace(row.Find(`form[action$="/restore"]`).AttrOr("action", ""), "/restore", "/purge", 1)
	d.c.Post(purge, url.Values{"confirm": {"orders"}}).Want(http.StatusUnprocessableEntity)
	d.follow(d.c.Post(purge, url.Values{"confirm": {"in.c-desk.orders"}}))
	d.c.Post(purge, url.Values{"confirm": {"in.c-desk.orders"}}).Want(http.StatusNotFound)
	if err := d.App.Jobs.Drain(t.Context(), jobs.System); err != nil {
		t.Fatal(err)
	}
	for range 500 { // the worker may have taken it
		if d.files(folder) == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := d.files(folder); n != 0 {
		t.Errorf("%d files of the purged table are left in %s", n, folder)
	}
}

func (d *desk) folder(name string) (folder string) {
	d.t.Helper()
	d.View(func(tx *db.Tx) (err error) {
		folder, err = db.Value[string](tx, "SELECT folder FROM tables WHERE name LIKE $1", name)
		return err
	})
	return filepath.Join(d.App.Config.StoreDir(), filepath.FromSlash(folder))
}

func (d *desk) files(folder string) (n int) {
	d.t.Helper()
	err := filepath.WalkDir(folder, func(_ string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			n++
		}
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

// TestRestoreWithoutBucket: a table whose bucket went stays where it is, and the page says why.
func TestRestoreWithoutBucket(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	trash := "/projects/" + num(d.project.ID) + "/trash"
	d.load("orders", "id\n1\n")
	orders := d.tablePath("orders")
	d.follow(d.send(orders+"/settings", orders+"/delete", nil))
	d.follow(d.send(d.base+"/buckets/"+deskBucket+"/delete", d.base, url.Values{"confirm": {deskBucket}}))
	row := d.c.Get(trash).Page().Find(`tbody tr:contains("in.c-desk.orders")`)
	page := d.follow(d.c.Post(row.Find("form").AttrOr("action", ""), url.Values{"name": {""}}))
	if got := page.Page().Find(`[role="alert"]`).Text(); !strings.Contains(got, "Bucket in.c-desk is not there") {
		t.Errorf("without its bucket: %q", got)
	}
	d.View(func(tx *db.Tx) error {
		_, err := d.App.Storage.Table(tx, d.scope, deskBucket+".orders")
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("the table is there: %v", err)
		}
		return nil
	})
}
