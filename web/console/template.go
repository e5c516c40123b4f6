package console

import (
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/tenancy"
	view "steward/views/admin"
	"steward/views/paths"
	"steward/views/ui"
)

var templateFields = []field[tenancy.Template]{
	{"id", func(t tenancy.Template) any { return t.ID }},
	{"name", func(t tenancy.Template) any { return t.Name }},
	{"description", func(t tenancy.Template) any { return t.Description }},
	{"days", func(t tenancy.Template) any { return orNull(t.Days) }},
	{"retentionDays", func(t tenancy.Template) any { return t.Retention }},
	{"offered", func(t tenancy.Template) any { return t.Offered }},
	{"position", func(t tenancy.Template) any { return t.Position }},
	{"projects", func(t tenancy.Template) any { return t.Made }},
	{"limitUsers", func(t tenancy.Template) any { return orNull(t.Terms.Users) }},
	{"limitStorageBytes", func(t tenancy.Template) any { return orNull(t.Terms.Storage) }},
	{"jobsAtOnce", func(t tenancy.Template) any { return t.Terms.AtOnce() }},
	{"externalRoles", func(t tenancy.Template) any { return t.Terms.External }},
}

func (c *Console) adminTemplates(ec echo.Context, a access.Actor) error {
	var list []tenancy.Template
	if err := c.view(ec, func(tx *db.Tx) (err error) { list, err = c.app.Tenancy.AllTemplates(tx, a); return err }); err != nil {
		return err
	}
	done, err := exported(ec, "templates", templateFields, func(last *tenancy.Template) ([]tenancy.Template, error) {
		if last != nil {
			return nil, nil
		}
		return list, nil
	})
	if done || err != nil {
		return err
	}
	m := view.Templates{Shell: c.adminShell(ec, a), Download: downloads(ec)}
	for _, t := range list {
		row := view.TemplateRow{Place: itoa(t.Position), Name: t.Name, Description: t.Description, URL: paths.AdminTemplate(t.ID), Expires: lives(t.Days), Retention: ui.Count(t.Retention, "day", "days"), Made: ui.Number(t.Made), Offered: t.Offered}
		if t.Made == tenancy.MadeMost {
			row.Made += " or more"
		}
		m.List = append(m.List, row)
	}
	return page(ec, http.StatusOK, view.TemplatesPage(m))
}

// lives tells when projects expire that live for some days; 0 is for ever.
func lives(days int64) string {
	if days == 0 {
		return "Never"
	}
	return "After " + ui.Count(days, "day", "days")
}

var templateForm = append([]string{"name", "description", "days", "retention", "position", "offered"}, termsForm...)

// typedTemplate reads the form. What is no number is told like one that is out of bounds.
func typedTemplate(f map[string]string) tenancy.Template {
	t := tenancy.Template{Name: f["name"], Description: f["description"], Offered: f["offered"] != "", Terms: typedTerms(f)}
	amount := func(text string) int64 {
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil || n == 0 {
			return -1
		}
		return n
	}
	if strings.TrimSpace(f["days"]) != "" {
		t.Days = amount(f["days"])
	}
	t.Retention, t.Position = amount(f["retention"]), amount(f["position"])
	return t
}

// templateTyped are the fields of a template as a form has them.
func templateTyped(t tenancy.Template) map[string]string {
	f := map[string]string{"name": t.Name, "description": t.Description, "retention": itoa(t.Retention), "position": itoa(t.Position)}
	if t.Days > 0 {
		f["days"] = itoa(t.Days)
	}
	if t.Offered {
		f["offered"] = "1"
	}
	maps.Copy(f, termsTyped(t.Terms))
	return f
}

func fill(m *view.Template, f map[string]string) {
	m.Name, m.Description, m.Days, m.Retention, m.Position, m.Offered = f["name"], f["description"], f["days"], f["retention"], f["position"], f["offered"] != ""
	m.Terms = termsFields(f)
}

func (c *Console) adminTemplateNew(ec echo.Context, a access.Actor) error {
	return c.adminTemplateNewPage(ec, a, http.StatusOK, map[string]string{"retention": "30", "position": "1", "offered": "1"}, nil)
}

func (c *Console) adminTemplateNewPage(ec echo.Context, a access.Actor, status int, typed map[string]string, errs ui.Errors) error {
	m := view.Template{Shell: c.adminShell(ec, a), Title: "New template", New: true, Action: paths.AdminTemplates(), Key: key(), Errors: errs}
	fill(&m, typed)
	return page(ec, status, view.TemplatePage(m))
}

func (c *Console) adminTemplateAdd(ec echo.Context, a access.Actor) error {
	f, err := form(ec, templateForm...)
	if err != nil {
		return err
	}
	t := typedTemplate(f)
	err = c.update(ec, func(tx *db.Tx) error { t, err = c.app.Tenancy.AddTemplate(tx, a, t); return err })
	if errs, ok := fieldErrors(err); ok {
		return c.adminTemplateNewPage(ec, a, http.StatusUnprocessableEntity, f, errs)
	}
	if err != nil {
		return err
	}
	return c.done(ec, "The template "+t.Name+" is there.", paths.AdminTemplates())
}

func (c *Console) adminTemplate(ec echo.Context, a access.Actor) error {
	return c.adminTemplatePage(ec, a, http.StatusOK, nil, nil)
}

// adminTemplatePage shows a template, with what was typed in place of what it says. When that
// was overtaken, it shows both.
func (c *Console) adminTemplatePage(ec echo.Context, a access.Actor, status int, typed map[string]string, errs ui.Errors) error {
	m := view.Template{Shell: c.adminShell(ec, a), Key: key(), Errors: errs}
	err := c.view(ec, func(tx *db.Tx) error {
		t, err := c.app.Tenancy.FindTemplate(tx, a, ec.Param("template"))
		if err != nil {
			return err
		}
		m.Title, m.Action, m.Revision = t.Name, paths.AdminTemplate(t.ID), itoa(t.Revision)
		if typed == nil {
			typed = templateTyped(t)
		}
		if fill(&m, typed); status == http.StatusConflict {
			m.Now = append([]ui.Pair{{Name: "Name", Value: t.Name}, {Name: "Description", Value: t.Description}, {Name: "Expires", Value: lives(t.Days)}, {Name: "Versions kept", Value: ui.Count(t.Retention, "day", "days")},
				{Name: "Place", Value: itoa(t.Position)}, {Name: "Offered", Value: yesNo(t.Offered)}}, termsWords(t.Terms)...)
		}
		events, err := audit.OfThing(tx, a, "template", t.ID, 30)
		m.History = c.changes(events)
		return err
	})
	if err != nil {
		return err
	}
	return page(ec, status, view.TemplatePage(m))
}

func (c *Console) adminTemplateUpdate(ec echo.Context, a access.Actor) error {
	f, err := form(ec, append([]string{"revision"}, templateForm...)...)
	if err != nil {
		return err
	}
	t := typedTemplate(f)
	t.ID = ec.Param("template")
	t.Revision, _ = strconv.ParseInt(f["revision"], 10, 64) // what is no number is none that was read
	var was, is tenancy.Template
	err = c.update(ec, func(tx *db.Tx) error { was, is, err = c.app.Tenancy.SetTemplate(tx, a, t); return err })
	if errs, ok := fieldErrors(err); ok {
		return c.adminTemplatePage(ec, a, formStatus(err), f, errs)
	}
	if err != nil {
		return err
	}
	if was == is {
		return c.done(ec, asBefore, paths.AdminTemplates())
	}
	back := undo{Action: paths.AdminTemplate(t.ID), Fields: append([]ui.Pair{{Name: "revision", Value: itoa(is.Revision)}}, pairs(templateTyped(was), templateForm)...)}
	return c.doneWith(ec, "The template is saved.", back, paths.AdminTemplates())
}
