package console_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"steward/internal/db"
	"steward/internal/tenancy"
	"steward/web/webtest"
)

// TestSwitcher: the menu of projects holds the open one however many there are, leads to a
// search and says how many there are; the list has all of them in pages, and finds them by
// their name and by that of their organization.
func TestSwitcher(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	first, u := s.Project("Ärea <b>one</b>", false)
	c := s.SignIn(u)
	few := c.Get("/projects/" + num(first.ID)).Want(http.StatusOK).Page().Find("#projects-menu")
	if few.Find("form").Length() != 0 || strings.TrimSpace(few.Find("a").Last().Text()) != "All projects" {
		t.Errorf("with one project the menu says %q", few.Text())
	}
	last := first
	s.Update(func(tx *db.Tx) error {
		for i := range 499 {
			p, err := tenancy.CreateProject(tx, u.Actor(), tenancy.NewProject{Organization: first.Organization, Name: fmt.Sprintf("Project %03d", i), Member: u})
			if err != nil {
				return err
			}
			last = p
		}
		return nil
	})

	for _, p := range []tenancy.Project{first, last} {
		menu := c.Get("/projects/" + num(p.ID)).Want(http.StatusOK).Page().Find("#projects-menu")
		links := menu.Find(`a[href^="/projects/"]`)
		if open := links.Filter("[aria-current=true]"); open.Length() != 1 || open.AttrOr("href", "") != "/projects/"+num(p.ID) || strings.TrimSpace(open.Text()) != p.Name || links.Length() != 8 {
			t.Errorf("in %s the menu has %d projects, %d of them open: %s", p.Name, links.Length(), open.Length(), menu.Text())
		}
		if all := menu.Find(`a[href="/"]`).Text(); strings.TrimSpace(all) != "All projects (500)" {
			t.Errorf("the menu leads on with %q", all)
		}
		if form := menu.Find(`form[method="get"][action="/"]`); form.Find(`input[name="q"][aria-label]`).Length() != 1 || form.Find("button").Length() != 1 {
			t.Error("the menu has no search")
		}
	}

	names := map[string]bool{}
	pages := 0
	for path := "/"; path != ""; pages++ {
		page := c.Get(path).Want(http.StatusOK).Page()
		page.Find(`tbody a[href^="/projects/"]`).Each(func(_ int, a *goquery.Selection) { names[a.Text()] = true })
		path = page.Find(`a:contains("More projects")`).AttrOr("href", "")
	}
	if len(names) != 500 || pages != 10 {
		t.Errorf("the list has %d projects on %d pages", len(names), pages)
	}
	for q, want := range map[string]int{"project+49": 9, "%C3%84REA": 50, "organization+of+%C3%A4rea": 50, "no+such": 0} {
		if n := c.Get("/?q=" + q).Want(http.StatusOK).Page().Find(`tbody a[href^="/projects/"]`).Length(); n != want {
			t.Errorf("%s finds %d on its first page, want %d", q, n, want)
		}
	}
}
