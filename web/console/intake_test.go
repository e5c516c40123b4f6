package console_test

import (
	stdcsv "encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/tenancy"
	"steward/views/paths"
	"steward/web/webtest"
)

// utf16Of encodes text in UTF-16.
func utf16Of(text string, little bool) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune(text)) {
		if little {
			b.Write([]byte{byte(unit), byte(unit >> 8)})
		} else {
			b.Write([]byte{byte(unit >> 8), byte(unit)})
		}
	}
	return b.String()
}

// sum is a table's content without its version.
func (l *loader) sum(table string) string {
	l.t.Helper()
	_, sum, _ := strings.Cut(l.content(table), ", ")
	return sum
}

// TestEncodings loads the same text in every encoding: it is recognized, said, and
// becomes the same table.
func TestEncodings(t *testing.T) {
	t.Parallel()
	l := newLoader(t)
	const text = "id;name;note\n1;André;\"ça\n\"\"va\"\"\"\n2;Zoë;déjà vu\n3;Jürgen;\n"
	latin := make([]byte, 0, len(text))
	for _, r := range text {
		latin = append(latin, byte(r))
	}
	if got := l.try("plain", "plain.csv", text); got.step != "loaded" {
		t.Fatalf("in UTF-8: %+v", got)
	}
	want := l.sum("plain")
	for i, f := range []struct{ name, bytes, encoding, says string }{
		{"UTF-16LE with a mark", "\xff\xfe" + utf16Of(text, true), "utf-16le", "UTF-16 (little-endian)"},
		{"UTF-16BE with a mark", "\xfe\xff" + utf16Of(text, false), "utf-16be", "UTF-16 (big-endian)"},
		{"UTF-16LE", utf16Of(text, true), "utf-16le", "UTF-16 (little-endian)"},
		{"UTF-16BE", utf16Of(text, false), "utf-16be", "UTF-16 (big-endian)"},
		{"Windows-1252", string(latin), "windows-1252", "Windows-1252"},
		{"Windows-1252 in gzip", pack(string(latin)), "windows-1252", "Windows-1252"},
		{"UTF-16LE in zstd", packZstd(utf16Of(text, true)), "utf-16le", "UTF-16 (little-endian)"},
	} {
		t.Run(f.name, func(t *testing.T) {
			l, table := l.in(t), fmt.Sprint("encoded", i)
			check := l.Get(l.upload(table, "odd.csv", f.bytes).Want(http.StatusSeeOther).Location).Want(http.StatusOK)
			if got := check.Page().Find("#encoding option[selected]").AttrOr("value", ""); got != f.encoding {
				t.Errorf("the encoding is said to be %q", got)
			}
			if !strings.Contains(check.Body, "This file is "+f.says+"; it is converted to UTF-8.") {
				t.Error("the page does not say that the file is converted")
			}
			got := l.try(table, "odd.csv", f.bytes)
			if got.step != "loaded" || !strings.Contains(got.text, `"encoding": "`+f.encoding+`"`) || !strings.Contains(got.text, "The file is "+f.says+"; it is converted to UTF-8.") {
				t.Errorf("ended at %s: %.900s", got.step, got.text)
			}
			if got := l.sum(table); got != want {
				t.Errorf("the table has %s, want %s", got, want)
			}
		})
	}

	// Chosen wrongly, the page says which one is right; chosen otherwise, it is read so.
	r := l.upload("wrong", "wrong.csv", "\xff\xfe"+utf16Of(text, true)).Want(http.StatusSeeOther)
	if got := l.Get(r.Location + "&delimiter=semicolon&encoding=windows-1252").Want(http.StatusOK); !strings.Contains(got.Body, "Choose UTF-16 (little-endian) as its encoding.") {
		t.Error("a wrong choice of UTF-16 is not said")
	}
	r = l.upload("forced", "forced.csv", "id;name\n1;Ã©\n").Want(http.StatusSeeOther)
	if got := l.Get(r.Location + "&encoding=windows-1252").Want(http.StatusOK); !strings.Contains(got.Page().Find("table").Text(), "ÃƒÂ©") {
		t.Error("UTF-8 that is said to be Windows-1252 is not read so")
	}
}

// mixed gives good rows with bad ones among them, more than the page that checks a file
// reads if so wanted, the good rows alone, and the list of bad ones.
func mixed(rows int, end string) (file, good string, list [][]string) {
	var b, g strings.Builder
	both := func(s string) { b.WriteString(s); g.WriteString(s) }
	both("id,name,note" + end)
	list = [][]string{{"line", "column", "reason", "text"}}
	line := 2
	bad := func(text, column, reason string) {
		b.WriteString(text + end)
		list = append(list, []string{fmt.Sprint(line), column, fmt.Sprintf(reason, comma(line)), text})
		line++
	}
	for i := range rows {
		both(fmt.Sprintf("%d,\"some, name\",%s%s", i, strings.Repeat("x", 80), end))
		line++
		switch i {
		case rows - 500:
			bad("short,row", "", "Line %s has 2 cells; the header has 3.")
		case rows - 400:
			bad("1,2,3,4", "", "Line %s has 4 cells; the header has 3.")
		case rows - 300:
			bad("1,st\"ray,3", "name", "Line %s, cell 2 (\"name\") has a quote (\") inside unquoted text. Put the whole cell in quotes and double those inside it.")
		case rows - 200:
			both(fmt.Sprintf("%d,\"two%slines\",%s", i, end, end)) // good, and of two lines
			line += 2
		case rows - 100:
			bad("=1+1,2", "", "Line %s has 2 cells; the header has 3.")
			list[len(list)-1][3] = "'=1+1,2" // a spreadsheet must not run it
		}
	}
	return b.String(), g.String(), list
}

func comma(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

// list downloads the list of rejected rows that a job's page offers.
func (l *loader) list(job string) [][]string {
	l.t.Helper()
	at, ok := l.Get(job).Want(http.StatusOK).Page().Find(`a[href*="/download"]`).Attr("href")
	if !ok {
		l.t.Fatalf("%s offers no list", job)
	}
	r := l.Get(at).Want(http.StatusOK)
	if got := r.Header.Get("Content-Type"); got != "application/octet-stream" {
		l.t.Errorf("the list is %s", got)
	}
	rows, err := stdcsv.NewReader(strings.NewReader(r.Body)).ReadAll()
	if err != nil {
		l.t.Fatal(err)
	}
	return rows
}

// start sends the form of the page that checks a file, and gives the job. The choices
// are pairs of field and value; do is the button that checks all rows.
func (l *loader) start(table, name, content string, choices ...string) string {
	l.t.Helper()
	at := l.upload(table, name, content).Want(http.StatusSeeOther).Location
	path, fields := l.Get(at).Want(http.StatusOK).Form(strings.SplitN(at, "?", 2)[0])
	for i := 0; i+1 < len(choices); i += 2 {
		if choices[i] == "do" { // the other button
			path += "/check"
			continue
		}
		fields.Set(choices[i], choices[i+1])
	}
	return l.Post(path, fields).Want(http.StatusSeeOther).Location
}

// TestBadRows loads files with good and bad rows: nothing is loaded, the list says which
// rows are bad, and then the good ones are loaded.
func TestBadRows(t *testing.T) {
	t.Parallel()
	l := newLoader(t)
	for i, end := range []string{"\n", "\r\n"} {
		t.Run(fmt.Sprintf("%q", end), func(t *testing.T) {
			l, table := l.in(t), fmt.Sprint("mixed", i)
			file, good, want := mixed(lateRows, end)
			if got := l.try(table, "good.csv", "id,name,note\nkept,,\n"); got.step != "loaded" {
				t.Fatalf("a good file: %+v", got)
			}
			before := l.content(table)
			job := l.start(table, "Größe \"1\".csv.gz", pack(file))
			ended := l.await(job)
			rows := lateRows + 1
			if says := fmt.Sprintf("4 of %s rows cannot be read.", comma(rows+4)); ended.step != "job" || !strings.Contains(ended.text, says) || !strings.Contains(ended.text, want[1][2]) {
				t.Fatalf("ended at %s, want %q and %q: %.1500s", ended.step, says, want[1][2], ended.text)
			}
			if got := l.list(job); !reflect.DeepEqual(got, want) {
				t.Errorf("the list is %q\nwant %q", got, want)
			}
			if got := l.content(table); got != before {
				t.Errorf("the table was changed from %s to %s", before, got)
			}

			// The good rows, asked for twice and loaded once.
			path, fields := l.Get(job).Form("/projects/")
			if fields.Get("badRows") != "skip" {
				t.Fatalf("the form sends %v", fields)
			}
			again := l.Post(path, fields).Want(http.StatusSeeOther).Location
			if second := l.Post(path, fields).Want(http.StatusSeeOther).Location; second != again || again == job {
				t.Errorf("sent twice, it is %s and %s after %s", again, second, job)
			}
			ended = l.await(again)
			for _, says := range []string{fmt.Sprintf("4 of %d rows cannot be read and are left out.", rows+4), "Rows left out4", `"rowsRejected": 4`, `"badRows": "skip"`} {
				if ended.step != "loaded" || !strings.Contains(ended.text, says) {
					t.Errorf("ended at %s, want %q: %.1500s", ended.step, says, ended.text)
				}
			}
			if got := l.list(again); !reflect.DeepEqual(got, want) {
				t.Errorf("the list of the second job is %q\nwant %q", got, want)
			}
			if got := l.try(table+"good", "good.csv", good); got.step != "loaded" {
				t.Fatalf("the good rows alone: %+v", got)
			}
			if got, want := l.sum(table), l.sum(table+"good"); got != want {
				t.Errorf("the table has %s, the good rows are %s", got, want)
			}
		})
	}
	if n := l.count("events WHERE name = 'storage.tableImportFailed' AND results LIKE '%\"rejectedFileId\"%'"); n != 2 {
		t.Errorf("%d events of failed loads name the list", n)
	}
	if n := l.count("events WHERE name = 'storage.fileCreated'"); n != 4 {
		t.Errorf("%d lists became events", n)
	}
	l.App.Reads.Flush()
	if n := l.count("events WHERE name = 'storage.fileDownloaded' AND message LIKE '% downloaded file % (Größe \"1\"-rejected.csv, % bytes).'"); n != 4 {
		t.Errorf("%d downloads became events", n)
	}
}

// TestBadRowsAtOnce chooses to leave bad rows out on the page that checks the file, where
// the first of them show.
func TestBadRowsAtOnce(t *testing.T) {
	t.Parallel()
	l := newLoader(t)
	var quotes strings.Builder
	quotes.WriteString("id,name\n")
	for i := range 3000 {
		if i == 1500 {
			quotes.WriteString("1500,\"open\n")
			continue
		}
		fmt.Fprintf(&quotes, "%d,\"name, %d\"\n", i, i)
	}
	for i, f := range []struct {
		name, bytes, rows string
		list              [][]string // line and text
	}{
		{"one stray quote", quotes.String(), "2999 rows", [][]string{{"1502", "1500,\"open"}}},
		{"LF", "id,name\n1,a\nx\n2,b\n3,c,d\n", "2 rows", [][]string{{"3", "x"}, {"5", "3,c,d"}}},
		{"CRLF", "id,name\r\n1,a\r\nx\r\n2,b\r\n3,c,d\r\n", "2 rows", [][]string{{"3", "x"}, {"5", "3,c,d"}}},
		{"a lone CR", "id,name\n1,a\r2,b\n3,c\n", "1 rows", [][]string{{"2", "1,a\r2,b"}}},
		{"NUL and wrong text", "id,name\n1,a\x00b\n2,\xff\x81\n3,c\n", "1 rows", [][]string{{"2", `1,a\x00b`}, {"3", `2,\xff\x81`}}},
		{"blank lines", "id,name\n1,a\n\n\n2,b\n\n", "2 rows", [][]string{{"3", ""}, {"4", ""}}},
	} {
		t.Run(f.name, func(t *testing.T) {
			l, table := l.in(t), fmt.Sprint("once", i)
			if got := l.try(table, "bad.csv", f.bytes); got.step != "check" || !strings.Contains(got.text, "choose below to leave them out") {
				t.Errorf("without a choice: ended at %s: %.900s", got.step, got.text)
			}
			if got := l.content(table); got != "none" {
				t.Errorf("without a choice, there is %s", got)
			}
			job := l.start(table, "bad.csv", f.bytes, "badRows", "skip")
			if ended := l.await(job); ended.step != "loaded" {
				t.Fatalf("ended at %s: %.900s", ended.step, ended.text)
			}
			if got := l.content(table); !strings.HasPrefix(got, "version 1, "+f.rows) {
				t.Errorf("there is %s, want %s", got, f.rows)
			}
			var got [][]string
			for _, row := range l.list(job)[1:] {
				got = append(got, []string{row[0], row[3]})
			}
			if !reflect.DeepEqual(got, f.list) {
				t.Errorf("the list is %q, want %q", got, f.list)
			}
		})
	}
	t.Run("nothing but bad rows", func(t *testing.T) {
		l := l.in(t)
		if got := l.try("all", "good.csv", "id,name\n1,a\n"); got.step != "loaded" {
			t.Fatalf("a good file: %+v", got)
		}
		before := l.content("all")
		job := l.start("all", "bad.csv", "id,name\n1\n2\n3\n", "badRows", "skip")
		ended := l.await(job)
		if ended.step != "job" || !strings.Contains(ended.text, "None of the 3 rows of the file can be read. The table was not changed.") || strings.Contains(ended.text, "Load the good rows") {
			t.Errorf("ended at %s: %.900s", ended.step, ended.text)
		}
		if got := l.list(job); len(got) != 4 {
			t.Errorf("the list is %q", got)
		}
		if got := l.content("all"); got != before {
			t.Errorf("the table was changed from %s to %s", before, got)
		}
	})
	t.Run("more than a list holds", func(t *testing.T) {
		l := l.in(t)
		job := l.start("many", "bad.csv", "id,name\n"+strings.Repeat("bad\n1,good\n", 10_100), "badRows", "skip")
		if ended := l.await(job); ended.step != "loaded" || !strings.Contains(ended.text, "10,100 of 20,200 rows cannot be read. The list has the first 10,000.") {
			t.Errorf("ended at %s: %.900s", ended.step, ended.text)
		}
		if got := l.list(job); len(got) != 10_001 {
			t.Errorf("the list has %d rows", len(got))
		}
	})
}

// TestTextsThatAreNull makes NULL of cells that are one of some texts.
func TestTextsThatAreNull(t *testing.T) {
	t.Parallel()
	l := newLoader(t)
	const file = "a,b\nNULL,\"NULL\"\nn/a, \nnull,\n"
	for i, test := range []struct {
		quoted string
		want   string
	}{
		{"", `[{"a":null,"b":"NULL"},{"a":null,"b":null},{"a":"null","b":null}]`},
		{"yes", `[{"a":null,"b":null},{"a":null,"b":null},{"a":"null","b":null}]`},
	} {
		table := fmt.Sprint("nulls", i)
		choices := []string{"nulls", "NULL\r\n\r\nn/a\r\n \r\n"}
		if test.quoted != "" {
			choices = append(choices, "nullsQuoted", test.quoted)
		}
		at := l.upload(table, "nulls.csv", file).Want(http.StatusSeeOther).Location
		query := url.Values{"delimiter": {"comma"}}
		for i := 0; i < len(choices); i += 2 {
			query.Set(choices[i], choices[i+1])
		}
		page := l.Get(at + "&" + query.Encode()).Want(http.StatusOK)
		if got := page.Page().Find("#nulls").Text(); got != "NULL\nn/a\n " {
			t.Errorf("the page has the texts %q", got)
		}
		if got, want := page.Page().Find("table .null").Length(), strings.Count(test.want, "null")-strings.Count(test.want, `"null"`); got != want {
			t.Errorf("%d cells of the sample are NULL, want %d", got, want)
		}
		if got := l.try(table, "nulls.csv", file, choices...); got.step != "loaded" || !strings.Contains(got.text, `"treatValuesAsNull": [ "NULL", "n/a", " " ]`) {
			t.Fatalf("ended at %s: %.900s", got.step, got.text)
		}
		got := l.Get(paths.With(paths.TablePreview(l.project, loadBucket+"."+table), "format", "json")).Want(http.StatusOK).Body
		if strings.ReplaceAll(strings.TrimSpace(got), "\n", "") != test.want {
			t.Errorf("quoted %q: the table has %s", test.quoted, got)
		}
	}
	for _, test := range []struct{ texts, says string }{
		{strings.Repeat("x\n", 51), "At most 50 texts can stand for NULL."},
		{strings.Repeat("x", 301), "A text that stands for NULL has 300 bytes at most."},
		{strings.Repeat(strings.Repeat("x", 299)+"\n", 20), "These texts may have 4000 bytes together."},
	} {
		if got := l.try("nulls", "nulls.csv", file, "nulls", test.texts); got.step != "check" || !strings.Contains(got.text, test.says) {
			t.Errorf("%.20q: ended at %s: %.900s", test.texts, got.step, got.text)
		}
	}
}

// TestCheckAllRows reads whole files and changes nothing.
func TestCheckAllRows(t *testing.T) {
	t.Parallel()
	l := newLoader(t)
	file, good, list := mixed(lateRows, "\n")
	job := l.start("checked", "mixed.csv", file, "do", "check")
	ended := l.await(job)
	rows := comma(lateRows + 1)
	for _, says := range []string{"Check all rows of a file", "Good rows" + rows, "Rows that cannot be read4", "4 of " + comma(lateRows+5) + " rows cannot be read.", "note 1 under 1%", "Load the good rows"} {
		if ended.step != "loaded" || !strings.Contains(ended.text, says) {
			t.Errorf("ended at %s, want %q: %.1500s", ended.step, says, ended.text)
		}
	}
	if got := l.list(job); !reflect.DeepEqual(got, list) {
		t.Errorf("the list is %q", got)
	}
	if n := l.count("tables") + l.count("versions"); n != 0 {
		t.Errorf("a check made %d tables and versions", n)
	}
	path, fields := l.Get(job).Form("/projects/")
	if ended := l.await(l.Post(path, fields).Want(http.StatusSeeOther).Location); ended.step != "loaded" {
		t.Errorf("the good rows: ended at %s: %.900s", ended.step, ended.text)
	}

	// A file without bad rows offers its load, with all options.
	job = l.start("clean", "clean.csv", strings.ReplaceAll(good, "x,", "-,"), "nulls", "-", "header", "no", "do", "check")
	if ended := l.await(job); ended.step != "loaded" || !strings.Contains(ended.text, "Load into clean") {
		t.Fatalf("ended at %s: %.900s", ended.step, ended.text)
	}
	path, fields = l.Get(job).Form("/projects/")
	if fields.Get("header") != "no" || fields.Get("nulls") != "-" || fields.Get("badRows") != "stop" {
		t.Errorf("the form sends %v", fields)
	}
	if ended := l.await(l.Post(path, fields).Want(http.StatusSeeOther).Location); ended.step != "loaded" {
		t.Errorf("ended at %s: %.900s", ended.step, ended.text)
	}
	if got, want := l.content("clean"), fmt.Sprintf("version 1, %d rows", lateRows+2); !strings.HasPrefix(got, want) {
		t.Errorf("there is %s, want %s", got, want)
	}

	// What is wrong with the whole file is the end of a check, too.
	packed := pack(file)
	if ended := l.await(l.start("broken", "broken.csv.gz", packed[:len(packed)-9], "do", "check")); ended.step != "job" || !strings.Contains(ended.text, "The gzip file is damaged or cut off") {
		t.Errorf("ended at %s: %.900s", ended.step, ended.text)
	}
}

// TestCheckOfAChange checks a file that would change the table's columns: what was not
// agreed to is asked before the load.
func TestCheckOfAChange(t *testing.T) {
	t.Parallel()
	l := newLoader(t)
	if got := l.try("changed", "one.csv", "id,old\n1,a\n"); got.step != "loaded" {
		t.Fatalf("a good file: %+v", got)
	}
	job := l.start("changed", "two.csv", "id,new\n1,a\n", "do", "check")
	l.await(job)
	path, fields := l.Get(job).Form("/projects/")
	l.Post(path, fields).Want(http.StatusUnprocessableEntity)
	job = l.start("changed", "two.csv", "id,new\n1,a\n", "do", "check", "drop", `["old"]`, "add", `["new"]`)
	l.await(job)
	path, fields = l.Get(job).Form("/projects/")
	if ended := l.await(l.Post(path, fields).Want(http.StatusSeeOther).Location); ended.step != "loaded" {
		t.Errorf("ended at %s: %.900s", ended.step, ended.text)
	}
}

// TestCancelAmongBadRows stops jobs that read nothing but bad rows.
func TestCancelAmongBadRows(t *testing.T) {
	t.Parallel()
	l := newLoader(t)
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	file := "id,name\n1,good\n"
	endless := string(w.EncodeAll([]byte(file+strings.Repeat("bad\n", 100<<20)), nil))
	for _, choice := range [][]string{{"badRows", "skip"}, {"do", "check"}} {
		job := l.start("endless", "endless.csv.zst", endless, choice...)
		id := job[strings.LastIndexByte(job, '/')+1:]
		for end := time.Now().Add(30 * time.Second); l.count("jobs WHERE bytes_done > 0 AND id = "+id) == 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s shows no progress", job)
			}
		}
		l.Post(job+"/cancel", url.Values{}).Want(http.StatusSeeOther)
		if ended := l.await(job); ended.step != "job" || !strings.Contains(ended.text, "Cancelled") {
			t.Errorf("ended at %s: %.900s", ended.step, ended.text)
		}
	}
	if got := l.content("endless"); got != "none" {
		t.Errorf("a cancelled load left %s", got)
	}
	if n := l.count("files"); n != 2 || l.blobs() != 2 {
		t.Errorf("there are %d files of %d objects, want the 2 that were uploaded", n, l.blobs())
	}
}

// TestBomb refuses a zstd file that expands beyond measure.
func TestBomb(t *testing.T) {
	t.Parallel()
	l := newLoader(t)
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	part := w.EncodeAll([]byte(strings.Repeat("1,"+strings.Repeat("x", 997)+"\n", 64_000)), nil)
	bomb := packZstd("id,name\n") + strings.Repeat(string(part), 17)
	if ended := l.awaitFor(5*time.Minute, l.start("bomb", "bomb.csv.zst", bomb, "do", "check")); ended.step != "job" || !strings.Contains(ended.text, "The file expands from") {
		t.Errorf("ended at %s: %.900s", ended.step, ended.text)
	}
}

// TestDownload gives files as they were uploaded, to those who may have them.
func TestDownload(t *testing.T) {
	t.Parallel()
	l := newLoader(t)
	packed := pack("<script>alert(1)</script>\n1\n")
	for _, f := range []struct{ name, bytes, kind, disposition string }{
		{"plain.csv", "id\n1\n", "application/octet-stream", `attachment; filename="plain.csv"`},
		{"page.html", "<script>alert(1)</script>\n", "application/octet-stream", `attachment; filename="page.html"`},
		{"packed.csv", packed, "application/octet-stream", `attachment; filename="packed.csv"`},
		{"ročně 100% 🚀; x=1.csv", "id\n1\n", "application/octet-stream", `attachment; filename="ro_n_ 100_ _; x=1.csv"; filename*=UTF-8''ro%C4%8Dn%C4%9B%20100%25%20%F0%9F%9A%80%3B%20x%3D1.csv`},
	} {
		at := strings.SplitN(l.upload("t", f.name, f.bytes).Want(http.StatusSeeOther).Location, "?", 2)[0]
		at = strings.Replace(at, "/load/", "/files/", 1) + "/download"
		r := l.Get(at).Want(http.StatusOK)
		if r.Body != f.bytes {
			t.Errorf("%s: %.100q", f.name, r.Body)
		}
		for name, want := range map[string]string{"Content-Type": f.kind, "Content-Disposition": f.disposition, "Content-Length": fmt.Sprint(len(f.bytes)), "X-Content-Type-Options": "nosniff", "No-Gzip-Compression": ""} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %s is %s, want %s", f.name, name, got, want)
			}
		}
		if !strings.HasPrefix(r.Header.Get("Content-Security-Policy"), "sandbox; default-src 'none'") {
			t.Errorf("%s: no policy", f.name)
		}
		other, stranger := l.Project("Elsewhere "+f.name, false)
		l.SignIn(stranger).Get(at).Want(http.StatusNotFound)
		l.SignIn(stranger).Get(strings.Replace(at, "/projects/"+fmt.Sprint(l.project), "/projects/"+fmt.Sprint(other.ID), 1)).Want(http.StatusNotFound)
		l.SignIn(l.Member(tenancy.Project{ID: l.project}, access.ReadOnly)).Get(at).Want(http.StatusOK)
	}
	at := paths.FileDownload(l.project, 1)
	lost := func(tx *db.Tx) error { return tx.Must("UPDATE files SET blob_key = blob_key || '-lost' WHERE id = 1") }
	found := func(tx *db.Tx) error {
		return tx.Must("UPDATE files SET blob_key = REPLACE(blob_key, '-lost', '') WHERE id = 1")
	}
	l.Update(lost)
	l.Get(at).Want(http.StatusNotFound)
	l.Update(found)
	l.Get(strings.Replace(at, "/1/", "/999/", 1)).Want(http.StatusNotFound)
}

// TestKeyedLoads: the pages make a table with a primary key, and change its rows by it.
func TestKeyedLoads(t *testing.T) {
	t.Parallel()
	l := newLoader(t)
	if got := l.try("keyed", "a.csv", "id,area,name\n1,n,one\n2,n,two\n2,n,zwei\n1,s,other\n", "key", "id\r\narea\r\n"); got.step != "loaded" || !strings.Contains(got.text, `"duplicateRows": 1`) {
		t.Fatalf("ended at %s: %.900s", got.step, got.text)
	}
	for _, bad := range []struct{ key, says string }{{"id\nnope", "no column &#34;nope&#34;"}, {"id\nid", "stands there twice"}} {
		if got := l.try("refused", "a.csv", "id\n1\n", "key", bad.key); got.step == "loaded" || !strings.Contains(got.text, bad.says) && !strings.Contains(got.text, strings.ReplaceAll(bad.says, "&#34;", `"`)) {
			t.Errorf("key %q ended at %s: %.900s", bad.key, got.step, got.text)
		}
	}
	got := l.try("keyed", "b.csv", "id,area,name\n1,n,one\n2,n,deux\n3,n,three\n", "mode", "append")
	for _, says := range []string{`"rowsAdded": 1`, `"rowsChanged": 1`, `"rowsUnchanged": 1`, `"rowsInTable": 4`} {
		if got.step != "loaded" || !strings.Contains(got.text, says) {
			t.Errorf("the second load ended at %s without %s: %.1500s", got.step, says, got.text)
		}
	}
	if got := l.try("keyed", "c.csv", "id,name\n9,nine\n", "mode", "full", "drop", `["area"]`); got.step == "loaded" || !strings.Contains(got.text, "of the primary key") {
		t.Errorf("a load without a column of the key ended at %s: %.900s", got.step, got.text)
	}
}

// TestGoneIsExplained: who comes too late for a file, or for a column, is told so; what is
// not there, or not theirs, is answered as ever.
func TestGoneIsExplained(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := webtest.Open(t, webtest.Options{Data: data})
	p, admin := s.Project("Loading", false)
	l := enter(t, s, p, admin, data)
	l.makeBucket()
	j := l.loadKeyed("late", "a,b\n1,2\n", false)
	file := l.Get(paths.StorageJob(l.project, j.ID)) // to be sure that it is listed
	if !strings.Contains(text(file, "main"), "late.csv (file "+num(j.FileID)+")") {
		t.Fatalf("the job read %q", text(file, "main"))
	}
	note := url.Values{"column": {"nowhere"}, "key": {"unit"}}
	if r := l.Post(paths.MetadataDelete(l.project, loadBucket+".late"), note).Want(http.StatusNotFound); !strings.Contains(text(r, "main"), `Table in.c-load.late has no column "nowhere".`) {
		t.Errorf("a note on a column that is not there: %q", text(r, "main"))
	}
	l.Clock.Forward(16 * 24 * time.Hour)
	if _, err := l.App.Storage.SweepFiles(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.Client = s.SignIn(admin)
	load := paths.LoadFile(l.project, j.FileID)
	for what, r := range map[string]webtest.Response{
		"the check": l.Get(load), "the download": l.Get(paths.FileDownload(l.project, j.FileID)),
		"the load": l.Post(load, url.Values{"bucket": {loadBucket}, "table": {"late"}, "mode": {"full"}, "encoding": {"utf-8"}, "delimiter": {"comma"}, "quotes": {"double"}, "header": {"yes"}, "badRows": {"skip"}}),
	} {
		if got := text(r.Want(http.StatusNotFound), "main"); !strings.Contains(got, "files are kept for 15 days. Upload it again.") {
			t.Errorf("%s of a file that is gone says %q", what, got)
		}
	}
	generic := text(l.Get("/nothing").Want(http.StatusNotFound), "main p:not(.small)")
	stranger := s.SignIn(s.User(""))
	for what, r := range map[string]webtest.Response{
		"an unknown file": l.Get(paths.FileDownload(l.project, 999_999)), "an unknown project": l.Get(paths.FileDownload(999_999, j.FileID)),
		"an unknown table": l.Get(paths.Table(l.project, loadBucket+".none")), "a project of others": stranger.Get(paths.FileDownload(l.project, j.FileID)),
	} {
		if got := text(r.Want(http.StatusNotFound), "main p:not(.small)"); got != generic {
			t.Errorf("%s is answered %q", what, got)
		}
	}
}
