package console

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/tenancy"
	admin "steward/views/admin"
	"steward/views/paths"
	view "steward/views/settings"
	"steward/views/ui"
)

var termsForm = []string{"users", "storage", "jobs", "externalRoles"}

// typedTerms reads the form. What is no number is told like one that is out of bounds.
func typedTerms(f map[string]string) tenancy.Terms {
	amount := func(text string, of int64) int64 {
		if text = strings.TrimSpace(text); text == "" {
			return 0
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n <= 0 || n > tenancy.TermsStorageMax/of {
			return -1
		}
		return n * of
	}
	return tenancy.Terms{Users: amount(f["users"], 1), Storage: amount(f["storage"], tenancy.Gigabyte), Jobs: amount(f["jobs"], 1), External: f["externalRoles"] != ""}
}

// orNull is a number of an export that may not be there.
func orNull(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

// termsTyped are terms as a form has them.
func termsTyped(t tenancy.Terms) map[string]string {
	f := map[string]string{}
	for name, n := range map[string]int64{"users": t.Users, "storage": t.Storage / tenancy.Gigabyte, "jobs": t.Jobs} {
		if n > 0 {
			f[name] = itoa(n)
		}
	}
	if t.External {
		f["externalRoles"] = "1"
	}
	return f
}

// pairs are the fields of a form that have a value, in their order.
func pairs(f map[string]string, names []string) []ui.Pair {
	out := []ui.Pair{} // also of none: then all of them were empty
	for _, name := range names {
		if value, ok := f[name]; ok {
			out = append(out, ui.Pair{Name: name, Value: value})
		}
	}
	return out
}

func termsFields(f map[string]string) admin.Terms {
	return admin.Terms{Users: f["users"], Storage: f["storage"], Jobs: f["jobs"], External: f["externalRoles"] != "", Usual: strconv.Itoa(jobs.ProjectParallelism)}
}

// termsWords tell terms to who reads both what they typed and what is there now.
func termsWords(t tenancy.Terms) []ui.Pair {
	limit := func(n int64, text string) string {
		if n == 0 {
			return "None"
		}
		return text
	}
	return []ui.Pair{{Name: "Limit of users", Value: limit(t.Users, ui.Number(t.Users))}, {Name: "Limit of stored data", Value: limit(t.Storage, ui.Bytes(t.Storage))},
		{Name: "Jobs at once", Value: itoa(t.AtOnce())}, {Name: "Roles come from single sign-on", Value: yesNo(t.External)}}
}

func yesNo(is bool) string {
	if is {
		return "Yes"
	}
	return "No"
}

func (c *Console) adminProjectTerms(ec echo.Context, a access.Actor) error {
	f, err := form(ec, append([]string{"seen"}, termsForm...)...)
	if err != nil {
		return err
	}
	to := typedTerms(f)
	return c.adminProjectChange(ec, a, f, func(tx *db.Tx, project int64) (altered, error) {
		was, is, err := c.app.Tenancy.SetTerms(tx, a, project, to)
		if err == nil {
			err = overtaken(f, was)
		}
		if err != nil || was == is {
			return altered{says: asBefore}, err
		}
		return altered{"The limits and features are saved.", append([]ui.Pair{{Name: "seen", Value: seen(is)}}, pairs(termsTyped(was), termsForm)...)}, nil
	})
}

// limits shows what a project uses beside what is agreed for it.
func (c *Console) limits(ec echo.Context, s access.Project) error {
	m := view.Limits{Tabs: settingsTabs(s)}
	err := c.view(ec, func(tx *db.Tx) error {
		shell, _, err := c.projectShell(ec, tx, s)
		if err != nil {
			return err
		}
		m.Shell = shell
		used, err := tenancy.Used(tx, s)
		if err != nil {
			return err
		}
		data, err := c.app.Storage.Totals(tx, s)
		m.List = limitCards(used, data)
		return err
	})
	if err != nil {
		return err
	}
	if s.Actor().SuperAdmin {
		m.EditURL = paths.AdminProject(s.ID())
	} else if s.May(access.LimitsRequest) {
		m.AskURL = paths.ProjectWish(s.ID())
	}
	return page(ec, http.StatusOK, view.LimitsPage(m))
}

func limitCards(used tenancy.Use, data storage.Totals) []view.Limit {
	card := func(id, title string, is, most int64, number, limit func(int64) string) view.Limit {
		l := view.Limit{ID: id, Title: title, Figure: number(is)}
		if most == 0 {
			l.Of = "No limit"
			return l
		}
		l.Limited, l.Of, l.Share = true, "of "+limit(most), float64(is)/float64(most)
		return l
	}
	atOnce := view.Limit{ID: "jobs", Title: "Jobs at once", Figure: itoa(used.Terms.AtOnce()), Of: "of each kind of work; others wait for their turn"}
	people := func(n int64) string { return ui.Count(n, "person", "people") }
	return []view.Limit{card("storage", "Stored data", data.Bytes, used.Terms.Storage, ui.Bytes, ui.Bytes), card("users", "Users", used.Users, used.Terms.Users, ui.Number, people),
		card("rows", "Rows", data.Rows, 0, ui.Number, ui.Number), atOnce}
}
