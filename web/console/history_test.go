package console_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/storage/csv"
	"steward/views/paths"
	"steward/web/webtest"
)

const (
	customersGood  = "id,name,city\n1,Ada,London\n2,Bo,Paris\n3,Cy,Rome\n4,Di,Oslo\n"
	customersWrong = "id,name,city\n1,Ada,London\n2,Bo,Berlin\n4,Di,\n9,Zed,Nowhere\n"
)

// loadKeyed loads a file into a table with a primary key.
func (l *loader) loadKeyed(table, content string, add bool, key ...string) jobs.Job {
	l.t.Helper()
	f, err := l.App.Storage.Upload(l.t.Context(), l.scope, table+".csv", strings.NewReader(content))
	if err != nil {
		l.t.Fatal(err)
	}
	var j jobs.Job
	l.Update(func(tx *db.Tx) (err error) {
		j, err = l.App.Storage.StartLoad(tx, l.scope, storage.Load{File: f.ID, Bucket: loadBucket, Table: table, Append: add, Dialect: csv.DefaultDialect(), Key: key})
		return err
	})
	if o := l.await(paths.StorageJob(l.project, j.ID)); o.step != "loaded" {
		l.t.Fatalf("%s: %s", o.step, o.text)
	}
	return j
}

// rows is what a preview gives as JSON, of a version or, for 0, of the current one.
func (l *loader) rows(table string, version int64) string {
	l.t.Helper()
	number := ""
	if version != 0 {
		number = num(version)
	}
	return l.Get(paths.With(paths.TablePreview(l.project, loadBucket+"."+table), "format", "json", "version", number)).Want(http.StatusOK).Body
}

// send fills in a form of a page and sends it, and follows to the page after it.
func (l *loader) send(page webtest.Response, action string, fill ...string) webtest.Response {
	l.t.Helper()
	path, fields := page.Form(action)
	for i := 0; i+1 < len(fill); i += 2 {
		fields.Set(fill[i], fill[i+1])
	}
	r := l.Post(path, fields)
	if r.Status != http.StatusSeeOther {
		l.t.Fatalf("%s answers %d\n%s", path, r.Status, text(r, "main"))
	}
	return l.Get(r.Location).Want(http.StatusOK)
}

// text is what a part of a page says, in one line.
func text(r webtest.Response, part string) string { return words(r.Page().Find(part)) }

// words are the texts of elements, a space between each two of them.
func words(s *gq) string {
	var out []string
	s.Contents().Each(func(_ int, n *gq) {
		if goquery.NodeName(n) == "#text" {
			out = append(out, strings.Fields(n.Text())...)
		} else {
			out = append(out, words(n))
		}
	})
	return strings.Join(strings.Fields(strings.Join(out, " ")), " ")
}

// undoes sends the undo that a page offers.
func (l *loader) undoes(page webtest.Response) webtest.Response {
	l.t.Helper()
	return l.send(page, paths.StorageJobs(l.project)+"/")
}

// TestWrongFile is what Steward is for: a wrong file lands on a good table; people see
// what it did, revert it, and the table is as it was; and the revert can be undone.
func TestWrongFile(t *testing.T) {
	t.Parallel()
	l := newLoader(t)
	id := loadBucket + ".customers"
	l.loadKeyed("customers", customersGood, false, "id")
	good := l.rows("customers", 0)
	l.loadKeyed("customers", customersWrong, false)
	wrong := l.rows("customers", 0)

	versions := l.Get(paths.TableVersions(l.project, id)).Want(http.StatusOK)
	rows := versions.Page().Find("table.versions tbody tr:not(.group)")
	if rows.Length() != 2 || !strings.Contains(rows.First().Text(), "Now") || !strings.Contains(rows.First().Text(), "Admin of Loading") {
		t.Errorf("the versions are %q", text(versions, "table.versions"))
	}
	compare := versions.Page().Find(`a[aria-label="Compare version 2 with the one before"]`).AttrOr("href", "")
	if compare != paths.VersionCompare(l.project, id, 1, 2) {
		t.Fatalf("compare leads to %q", compare)
	}
	diff := l.Get(compare).Want(http.StatusOK)
	if got := text(diff, ".stats"); got != "Rows added 1 Rows removed 1 Rows changed 2 Rows unchanged 1" {
		t.Errorf("the comparison counts %q", got)
	}
	if !strings.Contains(text(diff, ".page-header"), "told apart by the primary key: id") {
		t.Errorf("the comparison does not say how: %q", text(diff, ".page-header"))
	}
	var cells []string
	diff.Page().Find("td[data-changed]").Each(func(_ int, td *gq) { cells = append(cells, words(td)) })
	if got := strings.Join(cells, "; "); got != "was Paris is Berlin; was Oslo is null" {
		t.Errorf("the changed cells are %q", got)
	}
	for part, want := range map[string]string{"rows-added": "9 Zed Nowhere", "rows-removed": "3 Cy Rome"} {
		if got := text(diff, "section[aria-labelledby="+part+"] tbody"); got != want {
			t.Errorf("%s are %q, want %q", part, got, want)
		}
	}

	old := l.Get(paths.VersionPreview(l.project, id, 1)).Want(http.StatusOK)
	if !strings.Contains(text(old, "main"), "You see version 1 of 2.") || !strings.Contains(text(old, ".grid-data"), "Rome") {
		t.Errorf("the preview of version 1 shows %q", text(old, "main"))
	}
	path, fields := l.Get(paths.VersionPreview(l.project, id, 1)).Form(paths.TablePreview(l.project, id))
	if fields.Get("version") != "1" {
		t.Errorf("the filter of version 1 asks %s for %v", path, fields)
	}

	ask := l.Get(paths.VersionRevert(l.project, id, 1)).Want(http.StatusOK)
	if got := text(ask, ".stats"); got != "Come back 1 Go 1 Get their old values 2 Stay 1" {
		t.Errorf("the revert counts %q", got)
	}
	after := l.send(ask, paths.VersionRevert(l.project, id, 1))
	if got := l.rows("customers", 0); got != good {
		t.Errorf("after the revert the rows are %s, were %s", got, good)
	}
	if got := text(after, "table.versions tbody tr:not(.group):nth-child(2)"); !strings.Contains(got, "3 Revert to version 1") {
		t.Errorf("the newest version is %q", got)
	}
	l.undoes(after)
	if got := l.rows("customers", 0); got != wrong {
		t.Errorf("after the undo of the revert the rows are %s, were %s", got, wrong)
	}
	if got := l.rows("customers", 1); got != good {
		t.Errorf("version 1 shows %s, was %s", got, good)
	}
}

// TestWithoutKey: rows of tables without a key are told apart as a whole.
func TestWithoutKey(t *testing.T) {
	t.Parallel()
	l := newLoader(t)
	id := loadBucket + ".plain"
	l.loadKeyed("plain", customersGood, false)
	l.loadKeyed("plain", customersWrong, false)
	diff := l.Get(paths.VersionsCompare(l.project, id)).Want(http.StatusOK) // the last two
	if got := text(diff, ".stats"); got != "Rows added 3 Rows removed 3 Rows changed 0 Rows unchanged 1" {
		t.Errorf("the comparison counts %q", got)
	}
	same := l.Get(paths.VersionCompare(l.project, id, 2, 2)).Want(http.StatusOK)
	if !strings.Contains(text(same, "main"), "Nothing differs") {
		t.Errorf("a version differs from itself: %q", text(same, "main"))
	}
	for _, bad := range []string{"before=0", "before=3", "before=1e9", "after=-1", "before=x&after=y"} {
		r := l.Get(paths.VersionsCompare(l.project, id) + "?" + bad).Want(http.StatusUnprocessableEntity)
		if !strings.Contains(text(r, ".error-summary"), "Enter a version from 1 to 2.") {
			t.Errorf("%s: %q", bad, text(r, ".error-summary"))
		}
	}
	l.Get(paths.VersionPreview(l.project, id, 3)).Want(http.StatusNotFound)
	l.Get(paths.VersionRevert(l.project, id, 3)).Want(http.StatusNotFound)
	l.Get(paths.VersionRevert(l.project, id, 2)).Want(http.StatusUnprocessableEntity) // it is so
}

// TestStaleRevert: who decided on what the table was is shown again what it is.
func TestStaleRevert(t *testing.T) {
	t.Parallel()
	l := newLoader(t)
	id := loadBucket + ".moving"
	l.loadKeyed("moving", customersGood, false, "id")
	l.loadKeyed("moving", customersWrong, false)
	ask := l.Get(paths.VersionRevert(l.project, id, 1)).Want(http.StatusOK)
	l.loadKeyed("moving", "id,name,city\n1,Ada,Lyon\n", false)
	path, fields := ask.Form(paths.VersionRevert(l.project, id, 1))
	r := l.Post(path, fields).Want(http.StatusUnprocessableEntity)
	if !strings.Contains(text(r, ".error-summary"), "is at version 3 now, no longer at 2") || text(r, ".stats") != "Come back 3 Go 0 Get their old values 1 Stay 0" {
		t.Errorf("the fresh look says %q, %q", text(r, ".error-summary"), text(r, ".stats"))
	}
	if l.rows("moving", 0) == l.rows("moving", 1) {
		t.Error("it was reverted all the same")
	}
	l.send(r, path)
	if l.rows("moving", 0) != l.rows("moving", 1) {
		t.Error("the fresh form does not revert")
	}
	fields.Set("from", "two")
	l.Post(path, fields).Want(http.StatusUnprocessableEntity)
	fields.Set("force", "yes")
	l.Post(path, fields).Want(http.StatusUnprocessableEntity)
}

// TestSnapshotScreens makes a snapshot, restores it, copies it and a version to other
// buckets, and deletes it, with an undo of each.
func TestSnapshotScreens(t *testing.T) {
	t.Parallel()
	l := newLoader(t)
	id := loadBucket + ".kept"
	l.Post(paths.Buckets(l.project), url.Values{"stage": {"out"}, "name": {"copies"}, "displayName": {""}, "description": {""}}).Want(http.StatusSeeOther)
	l.loadKeyed("kept", customersGood, false, "id")
	good := l.rows("kept", 0)
	list := paths.TableSnapshots(l.project, id)

	long := l.Get(list)
	path, fields := long.Form(list)
	fields.Set("description", strings.Repeat("é", 501))
	if r := l.Post(path, fields).Want(http.StatusUnprocessableEntity); !strings.Contains(text(r, ".error-summary"), "Use at most 500 characters.") ||
		r.Page().Find("#description").AttrOr("value", "") != strings.Repeat("é", 501) {
		t.Errorf("a description that is too long: %q", text(r, ".error-summary"))
	}
	hostile := `<script>alert(1)</script> "quoted" ` + "\u202e " + strings.Repeat("x", 200)
	l.undoes(l.send(l.Get(list), list, "description", "for a moment"))
	if n := l.Get(list).Page().Find("table tbody tr").Length(); n != 0 {
		t.Errorf("after the undo of the first one there are %d snapshots", n)
	}
	made := l.send(l.Get(list), list, "description", hostile)
	if got := made.Page().Find("table tbody td[data-label=Description]").Text(); !strings.Contains(got, hostile) || strings.Contains(made.Body, "<script>alert") {
		t.Errorf("the description is shown as %q", got)
	}
	if n := made.Page().Find("table tbody tr").Length(); n != 1 {
		t.Fatalf("%d snapshots", n)
	}
	if got := l.Get(paths.TableVersions(l.project, id)).Page().Find("tr[data-pinned] .badge[title]").AttrOr("title", ""); got != hostile {
		t.Errorf("the version is tagged %q", got)
	}

	l.loadKeyed("kept", customersWrong, false)
	wrong := l.rows("kept", 0)
	page := l.Get(list)
	restore := page.Page().Find(`a[href$="/restore"]`).AttrOr("href", "")
	ask := l.Get(restore).Want(http.StatusOK)
	if got := text(ask, ".stats"); got != "Come back 1 Go 1 Get their old values 2 Stay 1" {
		t.Errorf("the restore counts %q", got)
	}
	restored := l.send(ask, restore)
	if got := l.rows("kept", 0); got != good {
		t.Errorf("after the restore the rows are %s", got)
	}
	l.undoes(restored)
	if got := l.rows("kept", 0); got != wrong {
		t.Errorf("after the undo of the restore the rows are %s", got)
	}

	copyURL := page.Page().Find(`a[href$="/copy"]`).AttrOr("href", "")
	form := l.Get(copyURL).Want(http.StatusOK)
	if got := form.Page().Find("#table").AttrOr("value", ""); !strings.HasPrefix(got, "kept_20") || len(got) != len("kept_yyyymmddhhmmss") {
		t.Errorf("the copy would be called %q", got)
	}
	path, fields = form.Form(copyURL)
	for _, bad := range [][3]string{{"in.c-load", "kept", "There is a table in.c-load.kept already."}, {"in.c-none", "x", "There is no such bucket."}, {"out.c-copies", "a b", "Use only letters, digits, - and _."}, {"out.c-copies", "", "Enter a name."}} {
		fields.Set("bucket", bad[0])
		fields.Set("table", bad[1])
		r := l.Post(path, fields).Want(http.StatusUnprocessableEntity)
		if !strings.Contains(text(r, ".error-summary"), bad[2]) || r.Page().Find("#table").AttrOr("value", "-") != bad[1] {
			t.Errorf("a copy to %s.%s: %q", bad[0], bad[1], text(r, ".error-summary"))
		}
	}
	copied := l.send(form, copyURL, "bucket", "out.c-copies", "table", "again")
	rowsOf := func(table string) string {
		return l.Get(paths.TablePreview(l.project, table) + "?format=json").Want(http.StatusOK).Body
	}
	if got := rowsOf("out.c-copies.again"); got != good {
		t.Errorf("the copy has %s", got)
	}
	l.undoes(copied)
	l.Get(paths.Table(l.project, "out.c-copies.again")).Want(http.StatusNotFound)
	form = l.Get(paths.VersionCopy(l.project, id, 2)).Want(http.StatusOK)
	if got := form.Page().Find("#table").AttrOr("value", ""); got != "kept_v2" {
		t.Errorf("the copy of version 2 would be called %q", got)
	}
	copied = l.send(form, paths.VersionCopy(l.project, id, 2), "bucket", "out.c-copies")
	if got := rowsOf("out.c-copies.kept_v2"); got != wrong {
		t.Errorf("the copy of version 2 has %s", got)
	}
	l.undoes(copied)
	l.Get(paths.Table(l.project, "out.c-copies.kept_v2")).Want(http.StatusNotFound)

	deleted := l.send(l.Get(list), list+"/") // its dialog is the first form with such an action
	if deleted.Page().Find("table tbody tr").Length() != 0 {
		t.Error("the snapshot is still listed")
	}
	l.Get(restore).Want(http.StatusNotFound)
	l.undoes(deleted)
	if n := l.Get(list).Page().Find("table tbody tr").Length(); n != 1 {
		t.Errorf("after the undo %d snapshots", n)
	}
}

// TestRowOrigin traces a row to its file, also after the table was upserted, compacted
// and copied.
func TestRowOrigin(t *testing.T) {
	t.Parallel()
	l := newLoader(t)
	id := loadBucket + ".people"
	first, second := customersGood, "id,name,city\n2,Bo,Berlin\n5,Eve,Bonn\n"
	j1 := l.loadKeyed("people", first, false, "id")
	j2 := l.loadKeyed("people", second, true)
	sum := func(content string) string {
		h := sha256.Sum256([]byte(content))
		return hex.EncodeToString(h[:])
	}
	trace := func(table, row string) webtest.Response {
		t.Helper()
		page := l.Get(paths.With(paths.TablePreview(l.project, table), "column", "id", "op", "eq", "value", row)).Want(http.StatusOK)
		link := page.Page().Find("tbody th a").First()
		href := link.AttrOr("href", "")
		if link.AttrOr("hx-target", "") != "#panel" || !strings.HasSuffix(href, "#origin") || !strings.Contains(href, "value="+row) {
			t.Fatalf("the row's link is %s", href)
		}
		return l.Get(strings.TrimSuffix(href, "#origin")).Want(http.StatusOK)
	}
	want := func(table, row string, j jobs.Job, content, city string) {
		t.Helper()
		r := trace(table, row)
		got := text(r, "aside#origin")
		for _, part := range []string{"Where row " + row + " came from", "Job " + num(j.ID) + ", ", "Run by AO Admin of Loading", "people.csv", sum(content), city, fmt.Sprint(len(content)) + " B"} {
			if !strings.Contains(got, part) {
				t.Errorf("row %s of %s: %q is not in %q", row, table, part, got)
			}
		}
		if r.Page().Find("tr[data-selected]").Length() != 1 {
			t.Errorf("row %s of %s is not marked", row, table)
		}
		if href := r.Page().Find(`#origin dd a[href*="/jobs/"]`).AttrOr("href", ""); href != paths.StorageJob(l.project, j.ID) {
			t.Errorf("row %s of %s: the job is at %q", row, table, href)
		}
	}
	want(id, "3", j1, first, "Rome")
	want(id, "2", j2, second, "Berlin")
	if got := text(trace(id, "2"), "#origin"); !strings.Contains(got, "Version 2") {
		t.Errorf("row 2 came with %q", got)
	}

	stale := l.Get(paths.VersionPreview(l.project, id, 2)).Page().Find("tbody th a").First().AttrOr("href", "")
	l.system(storage.TableCompact, id)
	want(id, "3", j1, first, "Rome")
	want(id, "2", j2, second, "Berlin")
	r := l.Get(strings.TrimSuffix(stale, "#origin"))
	switch r.Status { // the files may have been as they should be
	case http.StatusNotFound:
		if !strings.Contains(text(r, "#origin"), "stored anew") {
			t.Errorf("a place of before the compaction: %q", text(r, "#origin"))
		}
	default:
		t.Errorf("a place of before the compaction answers %d", r.Status)
	}

	l.send(l.Get(paths.VersionCopy(l.project, id, 2)), paths.VersionCopy(l.project, id, 2), "table", "twin")
	want(loadBucket+".twin", "3", j1, first, "Rome")
	want(loadBucket+".twin", "5", j2, second, "Bonn")
	if got := text(trace(loadBucket+".twin", "5"), "#origin"); !strings.Contains(got, "Version 2 of table "+id) {
		t.Errorf("row 5 of the copy came with %q", got)
	}
	for _, place := range []string{"0.0.99", "x", "-1", "9.9.9-0"} {
		l.Get(paths.With(paths.TablePreview(l.project, id), "version", "2", "row", place)).Want(http.StatusNotFound)
	}
}

// TestRowOriginOfNamesakes: the version that a row came with is one of the table that the
// row's job wrote, not of another of that name, and it is found under a new name too.
func TestRowOriginOfNamesakes(t *testing.T) {
	t.Parallel()
	l := newLoader(t)
	trash := "/projects/" + num(l.project) + "/trash"
	l.loadKeyed("people", customersGood, false, "id")
	copyTo := func(from, to string) {
		t.Helper()
		page := paths.VersionCopy(l.project, loadBucket+"."+from, 1)
		l.send(l.Get(page), page, "bucket", loadBucket, "table", to)
	}
	drop := func(table string) {
		t.Helper()
		id := loadBucket + "." + table
		l.send(l.Get(paths.TableSettings(l.project, id)), paths.Table(l.project, id)+"/delete")
	}
	origin := func(table string) *gq {
		t.Helper()
		page := l.Get(paths.TablePreview(l.project, loadBucket+"."+table)).Want(http.StatusOK)
		href := page.Page().Find("tbody th a").First().AttrOr("href", "")
		return l.Get(strings.TrimSuffix(href, "#origin")).Want(http.StatusOK).Page().Find("#origin")
	}
	copyTo("people", "twin")
	drop("people")
	copyTo("twin", "people")
	o := origin("people")
	if got := words(o); !strings.Contains(got, "Version 1 of an earlier table "+loadBucket+".people") || o.Find(`dd a[href*="version=1"]`).Length() != 0 {
		t.Errorf("a row of a namesake came from %q", got)
	}
	path, fields := l.Get(trash).Form(trash)
	fields.Set("name", "first")
	r := l.Post(path, fields).Want(http.StatusSeeOther)
	l.Get(r.Location).Want(http.StatusOK)
	if o := origin("first"); o.Find(`dd a[href="`+paths.VersionPreview(l.project, loadBucket+".first", 1)+`"]`).Length() != 1 {
		t.Errorf("under a new name a row came from %q", words(o))
	}
}

// system runs a job of the program itself on a table.
func (l *loader) system(operation, table string) {
	l.t.Helper()
	var j jobs.Job
	l.Update(func(tx *db.Tx) error {
		t, err := l.App.Storage.Table(tx, l.scope, table)
		if err != nil {
			return err
		}
		j, err = l.App.Jobs.Enqueue(tx, jobs.Spec{Class: jobs.System, Operation: operation, Params: map[string]any{"tableId": t.ID}})
		return err
	})
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		var state string
		l.View(func(tx *db.Tx) (err error) {
			state, err = db.Value[string](tx, "SELECT state FROM jobs WHERE id = $1", j.ID)
			return err
		})
		if state == "success" {
			return
		}
	}
	l.t.Fatalf("%s does not end", operation)
}

// TestHostilePast: whatever columns and cells are called, they are text.
func TestHostilePast(t *testing.T) {
	t.Parallel()
	l := newLoader(t)
	id := loadBucket + ".hostile"
	long := strings.Repeat("n", 200)
	header := `id,<script>alert(1)</script>,` + long + `,"say ""hi"" & bye",שלום` + "\n"
	l.loadKeyed("hostile", header+`1,<b>x</b>,"a ""b""",&amp;,`+"\u202eשלום\n", false, "id")
	l.loadKeyed("hostile", header+`1,<img src=x onerror=alert(1)>,"a ""b""",&lt;,`+"\u202eעולם\n", false)
	for _, path := range []string{paths.TableVersions(l.project, id), paths.VersionsCompare(l.project, id), paths.VersionPreview(l.project, id, 1), paths.VersionRevert(l.project, id, 1)} {
		r := l.Get(path).Want(http.StatusOK)
		if strings.Contains(r.Body, "<script>alert") || strings.Contains(r.Body, "<img src=x") || strings.Contains(r.Body, "<b>x") {
			t.Errorf("%s lets markup through", path)
		}
	}
	diff := l.Get(paths.VersionsCompare(l.project, id))
	got := text(diff, "section[aria-labelledby=rows-changed]")
	for _, want := range []string{"<script>alert(1)</script>", "was <b>x</b> is <img src=x onerror=alert(1)>", "was &amp; is &lt;", "was \u202eשלום is \u202eעולם", `say "hi" & bye`, long} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	traced := l.Get(l.Get(paths.VersionPreview(l.project, id, 1)).Page().Find("tbody th a").AttrOr("href", "")).Want(http.StatusOK)
	if got := text(traced, "#origin"); !strings.Contains(got, "<script>alert(1)</script> <b>x</b>") || !strings.Contains(got, `a "b"`) {
		t.Errorf("the origin shows %q", got)
	}
}

// TestReadersOfThePast: who may only read sees the past, is offered no change of it,
// and makes none.
func TestReadersOfThePast(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := webtest.Open(t, webtest.Options{Data: data})
	p, admin := s.Project("Loading", false)
	l := enter(t, s, p, admin, data)
	l.makeBucket()
	id := loadBucket + ".read"
	l.loadKeyed("read", customersGood, false, "id")
	l.loadKeyed("read", customersWrong, false)
	list := paths.TableSnapshots(l.project, id)
	l.send(l.Get(list), list)
	snapshot := l.Get(list).Page().Find(`a[href$="/restore"]`).AttrOr("href", "")
	reader := s.SignIn(s.Member(p, access.ReadOnly))
	for _, path := range []string{paths.TableVersions(l.project, id), list, paths.VersionsCompare(l.project, id), paths.VersionPreview(l.project, id, 1)} {
		page := reader.Get(path).Want(http.StatusOK).Page().Find("main")
		if n := page.Find(`a[href$="/revert"], a[href$="/copy"], a[href$="/restore"], form[method=post]`).Length(); n != 0 {
			t.Errorf("%s offers %d changes", path, n)
		}
	}
	before := l.rows("read", 0)
	for _, path := range []string{paths.VersionRevert(l.project, id, 1), paths.VersionCopy(l.project, id, 1), snapshot, strings.TrimSuffix(snapshot, "restore") + "copy"} {
		reader.Get(path).Want(http.StatusForbidden)
		reader.Post(path, url.Values{"from": {"2"}}).Want(http.StatusForbidden)
	}
	reader.Post(list, url.Values{"description": {"x"}}).Want(http.StatusForbidden)
	reader.Post(strings.TrimSuffix(snapshot, "restore")+"delete", url.Values{}).Want(http.StatusForbidden)
	if l.rows("read", 0) != before || l.Get(list).Page().Find("table tbody tr").Length() != 1 {
		t.Error("a reader changed something")
	}
}

// TestExpiredVersions: a version past its time is listed, and nothing is offered that
// would need its rows.
func TestExpiredVersions(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := webtest.Open(t, webtest.Options{Data: data})
	p, admin := s.Project("Loading", false)
	l := enter(t, s, p, admin, data)
	l.makeBucket()
	id := loadBucket + ".old"
	l.loadKeyed("old", customersGood, false, "id")
	l.loadKeyed("old", customersWrong, false)
	l.Clock.Forward(31 * 24 * time.Hour)
	l.system(storage.TableTrim, id)
	l.Client = s.SignIn(admin)
	page := l.Get(paths.TableVersions(l.project, id)).Want(http.StatusOK)
	row := page.Page().Find("table.versions tbody").Last().Find("tr:not(.group)")
	if !strings.Contains(row.Last().Text(), "Rows not kept any more") || row.Last().Find("a[href*='/versions/'], a[href*='version=']").Length() != 0 {
		t.Errorf("the expired version is shown as %q", row.Last().Text())
	}
	for _, path := range []string{paths.VersionPreview(l.project, id, 1), paths.VersionRevert(l.project, id, 1), paths.VersionCopy(l.project, id, 1), paths.VersionCompare(l.project, id, 1, 2)} {
		if r := l.Get(path).Want(http.StatusUnprocessableEntity); !strings.Contains(text(r, "main"), "The rows of version 1 are not kept any more.") {
			t.Errorf("%s says %q", path, text(r, "main"))
		}
	}
	r := l.Post(paths.VersionRevert(l.project, id, 1), url.Values{"from": {"2"}}).Want(http.StatusSeeOther)
	if got := text(l.Get(r.Location), "body"); !strings.Contains(got, "The rows of version 1 are not kept any more.") {
		t.Errorf("a revert to it says %q", got)
	}
	l.Post(paths.VersionCopy(l.project, id, 1), url.Values{"bucket": {loadBucket}, "table": {"x"}}).Want(http.StatusUnprocessableEntity)
}

// TestManyVersions walks the pages of a long history.
func TestManyVersions(t *testing.T) {
	t.Parallel()
	l := newLoader(t)
	id := loadBucket + ".many"
	for i := range 61 {
		l.loadKeyed("many", fmt.Sprintf("a\n%d\n", i), i > 0)
	}
	first := l.Get(paths.TableVersions(l.project, id)).Want(http.StatusOK)
	next := first.Page().Find(`a[rel="next"]`).AttrOr("href", "")
	second := l.Get(next).Want(http.StatusOK)
	if a, b := first.Page().Find(".versions .node").Length(), second.Page().Find(".versions .node").Length(); a != 50 || b != 11 || second.Page().Find(`a[rel="next"]`).Length() != 0 {
		t.Errorf("%d and %d versions on the pages", a, b)
	}
	var all []map[string]any
	l.Get(paths.TableVersions(l.project, id) + "?format=json").JSON(&all)
	if len(all) != 61 || all[0]["version"] != float64(61) || all[60]["version"] != float64(1) {
		t.Errorf("%d versions as JSON", len(all))
	}
	l.Get(paths.TableVersions(l.project, id) + "?before=x").Want(http.StatusUnprocessableEntity)
}
