package console_test

import (
	"net/http"
	"strings"
	"testing"

	"steward/internal/access"
)

// TestErrorsLeadOn: who is refused reads in plain words what their role does not do and
// which roles do, and is led on from where they are; what nobody may know of tells nothing.
func TestErrorsLeadOn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.load("orders", "id\n1\n")
	reader := d.SignIn(d.Member(d.project, access.ReadOnly))
	project := "/projects/" + num(d.project.ID)
	for _, c := range []struct {
		who    string
		path   string
		status int
		says   string
		leads  string
	}{
		{"reader", d.base + "/load", http.StatusForbidden, "Your role here is Read only. It does not let you load, change and drop tables. Roles that do: Share, Admin, Guest.", project},
		{"admin", d.base + "/jobs?before=x", http.StatusUnprocessableEntity, "Start at its first page.", d.base + "/jobs"},
		{"admin", d.tablePath("none"), http.StatusNotFound, "The address may be mistyped", "/"},
		{"admin", "/projects/999/storage", http.StatusNotFound, "The address may be mistyped", "/"},
	} {
		client := d.c
		if c.who == "reader" {
			client = reader
		}
		page := client.Get(c.path).Want(c.status)
		if got := text(page, "main"); !strings.Contains(got, c.says) {
			t.Errorf("%s says %q", c.path, got)
		}
		if page.Page().Find(`main a.btn[href="`+c.leads+`"]`).Length() != 1 {
			t.Errorf("%s does not lead to %s: %s", c.path, c.leads, page.Page().Find("main a.btn").AttrOr("href", ""))
		}
	}
}
