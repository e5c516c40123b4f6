package console

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/tenancy"
	"steward/views/paths"
	view "steward/views/tenancy"
	"steward/views/ui"
)

// What a maintainer keeps of an organization, which its members do not see.

func (c *Console) crm(ec echo.Context, s access.Maintainer) error {
	return c.crmPage(ec, s, http.StatusOK, nil, nil)
}

func (c *Console) crmPage(ec echo.Context, s access.Maintainer, status int, typed map[string]string, errs ui.Errors) error {
	id, err := number(ec, "organization")
	if err != nil {
		return err
	}
	m := view.CRM{Shell: c.shell(ec, s.Actor()), Back: paths.Maintainer(s.ID()), Key: key(), Errors: errs}
	if s.May(access.MaintainerManage) {
		m.Action = paths.MaintainerOrganization(s.ID(), id)
	}
	err = c.view(ec, func(tx *db.Tx) error {
		o, err := tenancy.FindOrganization(tx, s, id)
		if err != nil {
			return err
		}
		m.Name, m.Number, m.Created = o.Name, itoa(o.ID), c.when(o.CreatedAt)
		m.Crumbs = []ui.Link{{Label: "Maintainers", URL: paths.Maintainers()}, {Label: o.MaintainerName, URL: paths.Maintainer(s.ID())}, {Label: o.Name}}
		m.CRM, err = tenancy.CRMID(tx, s, id)
		m.Seen = seenIn(status, typed, m.CRM)
		return err
	})
	if err != nil {
		return err
	}
	if status == http.StatusConflict {
		m.Now = []ui.Pair{{Name: "CRM id", Value: cmp.Or(m.CRM, "None")}}
	}
	if typed != nil {
		m.CRM = typed["crmId"]
	}
	return page(ec, status, view.CRMPage(m))
}

func (c *Console) crmUpdate(ec echo.Context, s access.Maintainer) error {
	id, err := number(ec, "organization")
	if err != nil {
		return err
	}
	f, err := form(ec, "crmId", "seen")
	if err != nil {
		return err
	}
	to := strings.TrimSpace(f["crmId"])
	var was string
	err = c.update(ec, func(tx *db.Tx) error {
		if was, err = tenancy.SetCRMID(tx, s, id, to); err == nil {
			err = overtaken(f, was)
		}
		return err
	})
	if errs, ok := fieldErrors(err); ok {
		return c.crmPage(ec, s, formStatus(err), f, errs)
	}
	if err != nil {
		return err
	}
	at := paths.MaintainerOrganization(s.ID(), id)
	if was == to {
		return c.done(ec, asBefore, at)
	}
	return c.doneWith(ec, "The CRM id is saved.", undo{Action: at, Fields: []ui.Pair{{Name: "seen", Value: seen(to)}, {Name: "crmId", Value: was}}}, at)
}
