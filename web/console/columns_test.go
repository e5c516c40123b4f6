package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestManyColumns: pages that ask for a column of a table with very many name them once,
// however many lines ask, and take what is typed.
func TestManyColumns(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var names, cells []string
	for i := range 300 {
		names, cells = append(names, fmt.Sprintf("column-number-%d", i)), append(cells, fmt.Sprint(i%7))
	}
	d.load("wide", strings.Join(names, ",")+"\n"+strings.Join(cells, ",")+"\n")
	d.load("narrow", "id,city\n1,Oslo\n")
	wide, narrow := d.tablePath("wide"), d.tablePath("narrow")
	lines := url.Values{}
	for i := range 10 {
		lines.Add("column", names[i])
		lines.Add("op", "eq")
		lines.Add("value", cells[i])
		lines.Add("as", "text")
	}
	for page, fields := range map[string]string{"/preview": "column order", "/export": "column order", "/rows/delete": "column", "/settings": "key column"} {
		one, many := d.c.Get(wide+page).Want(http.StatusOK), d.c.Get(wide+page+"?"+lines.Encode()).Want(http.StatusOK)
		doc := many.Page()
		if n := doc.Find("datalist").Length(); n != 1 || doc.Find("datalist option").Length() != len(names) {
			t.Errorf("%s has %d lists with %d names", page, n, doc.Find("datalist option").Length())
		}
		if doc.Find(`main select option[value="column-number-7"]`).Length() != 0 {
			t.Errorf("%s lists all columns in a select", page)
		}
		for _, field := range strings.Fields(fields) {
			in := doc.Find("main input[name=" + field + "]")
			if list := doc.Find("datalist").AttrOr("id", ""); in.Length() == 0 || in.First().AttrOr("list", "") != list {
				t.Errorf("%s: field %s suggests %q, the list is %q", page, field, in.First().AttrOr("list", ""), list)
			}
		}
		if grown := len(many.Body) - len(one.Body); page == "/export" && grown > 40_000 { // the others show rows now
			t.Errorf("%s grows by %d bytes with ten conditions", page, grown)
		}
		if page != "/settings" && d.c.Get(narrow+page).Want(http.StatusOK).Page().Find("datalist, main input[name=column]").Length() != 0 {
			t.Errorf("%s of a narrow table asks to type names", page)
		}
	}
	if got := d.c.Get(wide + "/preview?" + lines.Encode()).Page().Find("tbody tr").Length(); got != 1 {
		t.Errorf("%d rows fit the conditions", got)
	}

	for page, send := range map[string]func(url.Values) (int, *gq){
		"/preview": func(v url.Values) (int, *gq) {
			r := d.c.Get(wide + "/preview?" + v.Encode())
			return r.Status, r.Page().Find("body")
		},
		"/rows/delete": func(v url.Values) (int, *gq) {
			r := d.c.Get(wide + "/rows/delete?" + v.Encode())
			return r.Status, r.Page().Find("body")
		},
		"/export": func(v url.Values) (int, *gq) {
			r := d.send(wide+"/export", wide+"/export", v)
			return r.Status, r.Page().Find("body")
		},
	} {
		for _, field := range []string{"column", "order"} {
			if page == "/rows/delete" && field == "order" {
				continue
			}
			v := url.Values{"format": {"csv"}, field: {"colum-number-7"}, "op": {"eq"}, "value": {"0"}, "as": {"text"}}
			if page != "/export" {
				v.Del("format")
			}
			status, body := send(v)
			summary := body.Find(".error-summary")
			if status != http.StatusUnprocessableEntity || !strings.Contains(words(summary), `no column "colum-number-7"`) {
				t.Errorf("%s with an unknown %s: %d %s", page, field, status, words(summary))
			}
			if got := body.Find("main input[name="+field+"]").First().AttrOr("value", ""); got != "colum-number-7" {
				t.Errorf("%s does not keep the unknown %s: %q", page, field, got)
			}
			if to := summary.Find("a").AttrOr("href", "#none"); body.Find(to).Length() == 0 {
				t.Errorf("%s: the error about %s leads to %s, which is not there", page, field, to)
			}
		}
	}
}
