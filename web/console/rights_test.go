package console_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/storage/csv"
	"steward/internal/tenancy"
	"steward/web/console"
	"steward/web/gate"
	"steward/web/webtest"
)

// TestASVS_8_3_1: that a button is hidden protects nothing: the server refuses what it would
// send, and so do the services below, whoever calls them.
func TestASVS_8_3_1(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Guarded", false)
	in := furnish(t, s, p, admin)
	reader := s.Member(p, access.ReadOnly)
	scope, may, low := s.Scope(reader, p), s.SignIn(admin), s.SignIn(reader)
	st, people, life := s.App.Storage, s.App.Accounts, s.App.Tenancy
	table := in.path("/projects/:project/storage/tables/:table")
	load := storage.Load{File: 1, Bucket: in.bucket, Table: "things", Dialect: csv.DefaultDialect()}
	for _, x := range []struct {
		page, action string
		form         url.Values
		do           func(tx *db.Tx) error
	}{
		{in.path("/projects/:project/storage/buckets/new"), in.path("/projects/:project/storage/buckets"), url.Values{"stage": {"in"}, "name": {"x"}}, func(tx *db.Tx) error {
			_, err := st.CreateBucket(tx, scope, storage.NewBucket{Stage: storage.In, Name: "x"})
			return err
		}},
		{table + "/settings", table + "/delete", url.Values{}, func(tx *db.Tx) error { _, err := st.DropTable(tx, scope, in.table); return err }},
		{table + "/settings", table + "/metadata", url.Values{"key": {"k"}, "value": {"v"}}, func(tx *db.Tx) error {
			_, _, err := st.SetMetadata(tx, scope, in.table, storage.Metadata{Provider: storage.ProviderUser, Key: "k", Value: "v"})
			return err
		}},
		{table + "/snapshots", table + "/snapshots", url.Values{"description": {"x"}}, func(tx *db.Tx) error { _, err := st.CreateSnapshot(tx, scope, in.table, "x"); return err }},
		{in.path("/projects/:project/storage/tables/new"), in.path("/projects/:project/storage/tables"), url.Values{"bucket": {in.bucket}, "table": {"t"}, "columns": {"a"}}, func(tx *db.Tx) error {
			_, err := st.CreateTable(tx, scope, storage.Definition{Bucket: in.bucket, Name: "t", Columns: []string{"a"}})
			return err
		}},
		{in.path("/projects/:project/storage/load/:file"), in.path("/projects/:project/storage/load/:file"), url.Values{"bucket": {in.bucket}, "table": {"t"}, "mode": {"full"}}, func(tx *db.Tx) error { _, err := st.StartLoad(tx, scope, load); return err }},
		{in.path("/projects/:project/storage/buckets/:bucket/delete"), in.path("/projects/:project/storage/buckets/:bucket/delete"), url.Values{"confirm": {in.bucket}}, func(tx *db.Tx) error { _, err := st.DeleteBucket(tx, scope, in.bucket, 2); return err }},
	} {
		form := `form[method="post"][action="` + x.action + `"]`
		if may.Get(x.page).Want(http.StatusOK).Page().Find(form).Length() == 0 {
			t.Errorf("%s has no form to %s for who may", x.page, x.action)
		}
		if low.Get(x.page).Page().Find(form).Length() != 0 {
			t.Errorf("%s shows a form to %s", x.page, x.action)
		}
		if r := low.Post(x.action, x.form); r.Status != http.StatusForbidden {
			t.Errorf("%s by who may not: %d", x.action, r.Status)
		}
		if err := s.App.DB.Update(t.Context(), x.do); !fault.Is(err, fault.Forbidden) {
			t.Errorf("the service of %s by who may not: %v", x.action, err)
		}
	}
	who := reader.Actor()
	for name, do := range map[string]func(tx *db.Tx) error{
		"invite": func(tx *db.Tx) error {
			_, _, err := people.Invite(tx, who, accounts.NewUser{Email: "x@example.com"})
			return err
		},
		"link":        func(tx *db.Tx) error { _, err := people.SendLink(tx, who, admin.ID); return err },
		"factor":      func(tx *db.Tx) error { _, err := people.ResetFactor(tx, who, admin.ID); return err },
		"disable":     func(tx *db.Tx) error { return people.Disable(tx, who, admin.ID) },
		"enable":      func(tx *db.Tx) error { return people.Enable(tx, who, admin.ID) },
		"super admin": func(tx *db.Tx) error { return people.GrantSuperAdmin(tx, who, reader.ID) },
		"revoke":      func(tx *db.Tx) error { return people.RevokeSuperAdmin(tx, who, admin.ID) },
		"sessions":    func(tx *db.Tx) error { return people.EndAll(tx, who, admin.ID) },
		"settings":    func(tx *db.Tx) error { return people.SetSettings(tx, who, accounts.Settings{RequireFactor: true}) },
		"projects":    func(tx *db.Tx) error { _, err := life.ListAll(tx, who, tenancy.OverseenFilter{Limit: 1}); return err },
		"project":     func(tx *db.Tx) error { _, err := life.Oversee(tx, who, p.ID); return err },
		"undelete":    func(tx *db.Tx) error { return life.Undelete(tx, who, p.ID, time.Time{}) },
		"expiry":      func(tx *db.Tx) error { _, err := life.SetExpiry(tx, who, p.ID, time.Time{}); return err },
		"close":       func(tx *db.Tx) error { return life.Disable(tx, who, p.ID, "x", time.Time{}) },
		"open":        func(tx *db.Tx) error { return life.Enable(tx, who, p.ID) },
		"purge":       func(tx *db.Tx) error { return life.PurgeNow(tx, who, p.ID, p.Name) },
		"stop":        func(tx *db.Tx) error { return life.StopPurge(tx, who, p.ID) },
		"type":        func(tx *db.Tx) error { _, _, err := life.SetType(tx, who, p.ID, "demo", true); return err },
		"terms":       func(tx *db.Tx) error { _, _, err := life.SetTerms(tx, who, p.ID, tenancy.Terms{}); return err },
		"templates":   func(tx *db.Tx) error { _, err := life.AllTemplates(tx, who); return err },
		"template":    func(tx *db.Tx) error { _, err := life.FindTemplate(tx, who, "demo"); return err },
		"make":        func(tx *db.Tx) error { _, err := life.AddTemplate(tx, who, tenancy.Template{Name: "x"}); return err },
		"write": func(tx *db.Tx) error {
			_, _, err := life.SetTemplate(tx, who, tenancy.Template{ID: "demo"})
			return err
		},
		"delete": func(tx *db.Tx) error { return life.Delete(tx, scope, p.Name) },
		"list":   func(tx *db.Tx) error { _, err := people.List(tx, who, accounts.ListFilter{Limit: 1}); return err },
		"person": func(tx *db.Tx) error { _, _, err := people.Person(tx, who, admin.ID); return err },
	} {
		if err := s.App.DB.Update(t.Context(), do); !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s by who is no super admin: %v", name, err)
		}
	}
}

// TestASVS_8_3_2: a right that is taken away is gone with the next request, from a form that
// is open, for a job that waits, and for a stream that runs; case 28 for what there is.
func TestASVS_8_3_2(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Changing", false)
	in := furnish(t, s, p, admin)
	role := func(u accounts.User, r access.Role) {
		s.Update(func(tx *db.Tx) error {
			return tx.Must("UPDATE memberships SET role = $3 WHERE user_id = $1 AND project_id = $2", u.ID, p.ID, string(r))
		})
	}
	u := s.Member(p, access.Admin)
	c := s.SignIn(u)
	newBucket := in.path("/projects/:project/storage/buckets")
	action, fields := c.Get(newBucket + "/new").Want(http.StatusOK).Form(newBucket)
	fields.Set("name", "first")
	c.Post(action, fields).Want(http.StatusSeeOther)
	action, fields = c.Get(newBucket + "/new").Want(http.StatusOK).Form(newBucket)
	fields.Set("name", "second")
	var waiting jobs.Job
	s.Update(func(tx *db.Tx) (err error) {
		waiting, err = s.App.Storage.CreateTable(tx, s.Scope(u, p), storage.Definition{Bucket: in.bucket, Name: "late", Columns: []string{"a"}})
		return err
	})
	role(u, access.ReadOnly)
	c.Post(action, fields).Want(http.StatusForbidden)
	if err := s.App.Jobs.Drain(t.Context(), jobs.Storage); err != nil {
		t.Fatal(err)
	}
	s.View(func(tx *db.Tx) error {
		j, err := s.App.Jobs.Get(tx, s.Scope(admin, p), waiting.ID)
		if j.State != jobs.Failed || j.ErrorCode != "storage.jobs.notAllowed" {
			t.Errorf("the job that waited is %s, %s", j.State, j.ErrorCode)
		}
		if _, err := s.App.Storage.Table(tx, s.Scope(admin, p), in.bucket+".late"); !fault.Is(err, fault.NotFound) {
			t.Errorf("its table: %v", err)
		}
		return err
	})
	role(u, access.Admin)
	c.Post(action, fields).Want(http.StatusSeeOther)
	lines := stream(t, c, in.path("/projects/:project/live?part=jobs"))
	s.Update(func(tx *db.Tx) error { return tx.Must("DELETE FROM memberships WHERE user_id = $1", u.ID) })
	ended(t, lines, 5*time.Second)
	c.Get(in.path("/projects/:project")).Want(http.StatusNotFound)

	root, other := s.SuperAdmin("Root"), s.SuperAdmin("Other")
	super := s.SignIn(root)
	super.Get("/admin").Want(http.StatusOK)
	s.Update(func(tx *db.Tx) error { return s.App.Accounts.RevokeSuperAdmin(tx, other.Actor(), root.ID) })
	super.Get("/admin").Want(http.StatusForbidden)
	super.Post("/admin/users", url.Values{"email": {"x@example.com"}}).Want(http.StatusForbidden)
	live := s.SignIn(admin)
	lines = stream(t, live, in.path("/projects/:project/live?part=jobs"))
	s.Update(func(tx *db.Tx) error { return s.App.Accounts.Disable(tx, other.Actor(), admin.ID) })
	ended(t, lines, 5*time.Second)
}

// halfUpload begins to send a file, does something, and goes on sending until it is answered;
// 0 when it never is.
func halfUpload(t *testing.T, c *webtest.Client, path string, meanwhile func()) (status int) {
	t.Helper()
	body, more := io.Pipe()
	defer func() { _ = more.Close() }()
	r := c.Request(http.MethodPost, path, body)
	r.Header.Set("Content-Type", "multipart/form-data; boundary=walk")
	r.Header.Set("Origin", strings.TrimSuffix(r.URL.String(), r.URL.Path))
	answer := make(chan int, 1)
	go func() {
		res, err := c.HTTP.Do(r)
		if err != nil {
			answer <- 0
			return
		}
		_ = res.Body.Close()
		answer <- res.StatusCode
	}()
	if _, err := more.Write([]byte("--walk\r\nContent-Disposition: form-data; name=\"file\"; filename=\"half.csv\"\r\n\r\nid,name\n")); err != nil {
		t.Fatal(err)
	}
	meanwhile()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		if _, err := more.Write([]byte(strings.Repeat("1,one\n", 5000))); err != nil {
			return <-answer
		}
		select {
		case status = <-answer:
			return status
		case <-time.After(100 * time.Millisecond):
		}
	}
	return 0
}

// TestRightTakenMeanwhile: case 28, a role that is taken while an upload, a download or a job
// runs stops it, and nothing of it stays.
func TestRightTakenMeanwhile(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"role", "remove"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			l := newLife(t, "Busy")
			boss := l.SignIn(l.admin)
			take := func(u accounts.User) {
				t.Helper()
				at := l.path("/settings/users/" + num(l.value("SELECT id FROM memberships WHERE project_id = $1 AND user_id = $2", l.p.ID, u.ID)))
				boss.Post(at+"/"+how, map[string]url.Values{"role": {"role": {"readOnly"}}}[how]).Want(http.StatusSeeOther)
			}
			refused := map[string]int{"role": http.StatusForbidden, "remove": http.StatusNotFound}[how]

			t.Run("upload", func(t *testing.T) {
				u := l.Member(l.p, access.Guest)
				files, stored := l.value("SELECT count(*) FROM files"), l.blobs()
				if status := halfUpload(t, l.SignIn(u), l.path("/storage/load"), func() { take(u) }); status != refused {
					t.Errorf("it is answered by %d", status)
				}
				if n := l.value("SELECT count(*) FROM files"); n != files || !slices.Equal(l.blobs(), stored) {
					t.Errorf("it left a row or bytes: %d files, %q", n, l.blobs())
				}
			})

			t.Run("job", func(t *testing.T) {
				if err := l.App.Jobs.Drain(t.Context(), jobs.Storage); err != nil {
					t.Fatal(err)
				}
				d := &desk{Site: l.Site, t: t, project: l.p, admin: l.admin, scope: l.Scope(l.admin, l.p)}
				u := l.Member(l.p, access.Guest)
				data := func() string { // without who is in the project
					return strings.Join(slices.DeleteFunc(strings.Split(d.picture(), "\n"), func(line string) bool { return strings.HasPrefix(line, "member ") }), "\n")
				}
				before := data()
				running, done := make(chan struct{}), make(chan error, 1)
				l.App.Jobs.Handle(map[string]jobs.Handler{storage.TableImport: func(ctx context.Context, r *jobs.Run) error {
					close(running)
					<-ctx.Done()
					err := l.App.Storage.RunLoad(context.WithoutCancel(ctx), r) // it has not noticed
					done <- err
					return err
				}}, l.App.Storage.Guard)
				var j jobs.Job
				l.Update(func(tx *db.Tx) (err error) {
					j, err = l.App.Storage.StartLoad(tx, l.Scope(u, l.p), storage.Load{File: atoi(t, l.in.file), Bucket: l.in.bucket, Table: "things", Append: true, Dialect: csv.DefaultDialect()})
					return err
				})
				ctx, stop := context.WithCancel(t.Context())
				worked := make(chan struct{})
				go func() { defer close(worked); l.App.Jobs.Work(ctx, 5*time.Second) }()
				<-running
				take(u)
				select {
				case err := <-done:
					if err == nil {
						t.Error("it ended well")
					}
				case <-time.After(20 * time.Second):
					t.Fatal("it goes on")
				}
				stop()
				<-worked
				if state, code := l.text("SELECT state FROM jobs WHERE id = $1", j.ID), l.text("SELECT error_code FROM jobs WHERE id = $1", j.ID); state != "error" || code != "storage.jobs.notAllowed" {
					t.Errorf("the job is %s, %s", state, code)
				}
				if after := data(); after != before {
					t.Errorf("there is\n%s\nnot\n%s", after, before)
				}
			})

			if how == "role" {
				return // whoever has a role may download
			}
			t.Run("download", func(t *testing.T) {
				u := l.Member(l.p, access.Guest)
				const size = 64 << 20
				f, err := l.App.Storage.Upload(t.Context(), l.Scope(l.admin, l.p), "large.csv", strings.NewReader(strings.Repeat("0123456789abcde\n", size/16)))
				if err != nil {
					t.Fatal(err)
				}
				c := l.SignIn(u)
				res, err := c.HTTP.Do(c.Request(http.MethodGet, l.path("/storage/files/"+num(f.ID)+"/download"), nil))
				if err != nil || res.StatusCode != http.StatusOK {
					t.Fatal(res, err)
				}
				defer func() { _ = res.Body.Close() }()
				read, err := io.CopyN(io.Discard, res.Body, 1<<20)
				take(u)
				for err == nil { // as slow as a line that needs twice as long as it takes to ask again
					time.Sleep(100 * time.Millisecond)
					var n int64
					n, err = io.CopyN(io.Discard, res.Body, size/100)
					read += n
				}
				if read >= size || !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("it ended after %d of %d bytes: %v", read, size, err)
				}
			})
		})
	}
}

// TestASVS_8_3_3: what is done for somebody is done with their rights and in their name, not
// with those of the program that does it.
func TestASVS_8_3_3(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Names", false)
	in := furnish(t, s, p, admin)
	guest := s.Member(p, access.Guest)
	ask := func(of accounts.User, name string) (j jobs.Job) {
		c := s.SignIn(of)
		path := in.path("/projects/:project/storage/tables")
		c.Post(path, url.Values{"bucket": {in.bucket}, "table": {name}, "columns": {"a"}})
		s.View(func(tx *db.Tx) (err error) {
			var id int64
			if id, err = db.Value[int64](tx, "SELECT id FROM jobs WHERE user_id = $1 ORDER BY id DESC LIMIT 1", of.ID); err == nil {
				j, err = s.App.Jobs.Get(tx, s.Scope(admin, p), id)
			}
			return err
		})
		return j
	}
	by := ask(guest, "theirs")
	if by.UserID != guest.ID || by.ActorName != guest.Name {
		t.Fatalf("the job is of %d, %s", by.UserID, by.ActorName)
	}
	out, gone, off := s.Member(p, access.Guest), s.Member(p, access.Guest), s.Member(p, access.Guest)
	for _, x := range []struct {
		u    accounts.User
		lose string
		says string
	}{
		{out, "UPDATE memberships SET role = 'readOnly' WHERE user_id = $1", "may not do this any more: their role in the project does not let them."},
		{gone, "DELETE FROM memberships WHERE user_id = $1", "may not do this any more: they are not in the project any more."},
		{off, "UPDATE users SET state = 'disabled' WHERE id = $1", "is disabled."},
	} {
		j := ask(x.u, "of-"+num(x.u.ID))
		s.Update(func(tx *db.Tx) error { return tx.Must(x.lose, x.u.ID) })
		if err := s.App.Jobs.Drain(t.Context(), jobs.Storage); err != nil {
			t.Fatal(err)
		}
		s.View(func(tx *db.Tx) error {
			got, err := s.App.Jobs.Get(tx, s.Scope(admin, p), j.ID)
			if got.State != jobs.Failed || got.ErrorCode != "storage.jobs.notAllowed" || !strings.HasSuffix(got.ErrorMessage, x.says) {
				t.Errorf("%s: the job is %s, %q: %s", x.lose, got.State, got.ErrorCode, got.ErrorMessage)
			}
			return err
		})
	}
	s.View(func(tx *db.Tx) error {
		actor, err := db.Value[int64](tx, "SELECT user_id FROM events WHERE name = 'storage.tableCreated' AND object_id = $1", in.bucket+".theirs")
		if actor != guest.ID {
			t.Errorf("what the job did was done by %d, want %d", actor, guest.ID)
		}
		return err
	})
}

// TestASVS_8_4_1: case 31 for what there is: whatever somebody opens, nothing in it is of
// another tenant, and nothing that one does to one's own touches another's.
func TestASVS_8_4_1(t *testing.T) {
	t.Parallel()
	log := new(lines)
	s := webtest.Open(t, webtest.Options{Idle: true, Log: log})
	const marker = "Zanzibar"
	standard, admin := s.Project("Mine", false)
	other, stranger := s.Project(marker+" project", false)
	ours := furnish(t, s, standard, admin)
	theirs := furnish(t, s, other, stranger)
	scope := s.Scope(stranger, other)
	f, err := s.App.Storage.Upload(t.Context(), scope, marker+".csv", strings.NewReader(marker+",name\n1,"+marker+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	s.Update(func(tx *db.Tx) error {
		if _, err := s.App.Storage.CreateBucket(tx, scope, storage.NewBucket{Stage: storage.In, Name: marker, DisplayName: marker}); err != nil {
			return err
		}
		if _, _, err := s.App.Storage.SetMetadata(tx, scope, theirs.table, storage.Metadata{Provider: storage.ProviderUser, Key: marker, Value: marker}); err != nil {
			return err
		}
		_, err := s.App.Storage.StartLoad(tx, scope, storage.Load{File: f.ID, Bucket: "in.c-" + marker, Table: marker, Dialect: csv.DefaultDialect()})
		return err
	})
	if err := s.App.Jobs.Drain(t.Context(), jobs.Storage); err != nil {
		t.Fatal(err)
	}
	c, d := s.SignIn(admin), s.SignIn(stranger)
	pages, seen := 0, 0
	for _, r := range console.New(t.Context(), s.App, nil, nil).Routes() {
		if r.Method != http.MethodGet || strings.HasSuffix(r.Path, "/live") || strings.HasPrefix(r.Path, "/mailbox") || r.Rule.Permission == access.InstallationManage {
			continue
		}
		for _, as := range []string{"", "?format=json", "?format=csv", "?q=" + marker} {
			res := c.Get(ours.path(r.Path) + as)
			body := strings.ReplaceAll(res.Body, `value="`+marker+`"`, "") // what one searched for oneself
			body = strings.ReplaceAll(strings.ReplaceAll(body, "q="+marker, ""), "“"+marker+"”", "")
			if res.Status == http.StatusOK {
				pages++
			}
			if strings.Contains(body, marker) {
				t.Errorf("%s shows something of another tenant", ours.path(r.Path)+as)
			}
			if r.Rule.Kind == gate.ForProject && strings.Contains(d.Get(theirs.path(r.Path)+as).Body, marker) {
				seen++
			}
		}
	}
	if pages < 80 || seen < 20 {
		t.Errorf("%d pages were read, and %d of the other tenant say what they are", pages, seen)
	}
	// Numbers and ids of the other tenant's things, in one's own project.
	for _, x := range []struct{ method, path string }{
		{"GET", "/files/" + theirs.file + "/download"}, {"GET", "/load/" + theirs.file}, {"POST", "/load/" + theirs.file}, {"POST", "/load/" + theirs.file + "/check"},
		{"GET", "/jobs/" + theirs.job}, {"POST", "/jobs/" + theirs.job + "/cancel"}, {"POST", "/jobs/" + theirs.job + "/undo"},
		{"GET", "/buckets/in.c-" + marker}, {"POST", "/buckets/in.c-" + marker}, {"GET", "/tables/in.c-" + marker + "." + marker}, {"POST", "/tables/in.c-" + marker + "." + marker + "/truncate"},
		{"GET", "/tables/" + ours.table + "/snapshots/" + theirs.snapshot + "/restore"}, {"POST", "/tables/" + ours.table + "/snapshots/" + theirs.snapshot + "/restore"}, {"POST", "/tables/" + ours.table + "/snapshots/" + theirs.snapshot + "/delete"},
	} {
		path := ours.path("/projects/:project/storage") + x.path
		unknown := regexp.MustCompile(`/(files|load|jobs|snapshots)/\d+`).ReplaceAllString(path, "/$1/999999")
		unknown = strings.ReplaceAll(unknown, marker, "Nowhere")
		res, none := send(c, x.method, path), send(c, x.method, unknown)
		if res.Status != http.StatusNotFound || none.Status != http.StatusNotFound {
			t.Errorf("%s %s: %d, an unknown one %d", x.method, path, res.Status, none.Status)
		}
	}
	for _, trash := range *theirs.trash {
		c.Post(ours.path("/projects/:project/trash/")+trash+"/restore", url.Values{"name": {""}}).Want(http.StatusNotFound)
		c.Post(ours.path("/projects/:project/trash/")+trash+"/purge", url.Values{"confirm": {"x"}}).Want(http.StatusNotFound)
	}
	// A form of one's own that names what is another's.
	c.Post(ours.path("/projects/:project/storage/tables"), url.Values{"bucket": {"in.c-" + marker}, "table": {"x"}, "columns": {"a"}}).Want(http.StatusUnprocessableEntity)
	c.Post(ours.path("/projects/:project/storage/tables/:table/versions/1/copy"), url.Values{"bucket": {"in.c-" + marker}, "table": {"x"}})
	if err := s.App.Jobs.Drain(context.Background(), jobs.Storage); err != nil {
		t.Fatal(err)
	}
	s.View(func(tx *db.Tx) error {
		list, err := s.App.Storage.Tables(tx, scope, "in.c-"+marker, storage.TableFilter{Limit: 10})
		if len(list) != 1 {
			t.Errorf("the other tenant's bucket has %d tables", len(list))
		}
		return err
	})
	if text := log.of(ours.path("/projects/:project/")); text == "" || strings.Contains(text, marker) {
		t.Errorf("the log of one tenant's requests has %d bytes, and names the other %t", len(text), strings.Contains(text, marker))
	}
}

// lines is a log that is read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// of gives the lines about addresses that begin so, without those of searches.
func (l *lines) of(path string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out strings.Builder
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, `"path":"`+path) && !strings.Contains(line, "in.c-") {
			out.WriteString(line)
		}
	}
	return out.String()
}
