package console

import (
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/tenancy"
	"steward/views/paths"
	view "steward/views/settings"
	"steward/views/ui"
)

// settingsTabs are the parts of Users & settings that somebody may read.
func settingsTabs(s access.Project) view.Tabs {
	t := view.Tabs{Users: paths.Members(s.ID())}
	if s.May(access.ProjectRead) {
		t.Project, t.Limits = paths.ProjectSettings(s.ID()), paths.ProjectLimits(s.ID())
	}
	if s.May(access.AuditRead) || s.May(access.MembersRole) {
		t.Access = paths.ProjectAccess(s.ID())
	}
	if s.May(access.AuditRead) {
		t.Audit = paths.ProjectAudit(s.ID())
	}
	return t
}

func (c *Console) projectSettings(ec echo.Context, s access.Project) error {
	return c.projectSettingsPage(ec, s, http.StatusOK, nil, nil)
}

// projectSettingsPage shows what a project is, with what was typed in place of what is set.
// When that was overtaken, it shows both.
func (c *Console) projectSettingsPage(ec echo.Context, s access.Project, status int, typed map[string]string, errs ui.Errors) error {
	m := view.Project{Tabs: settingsTabs(s), Editable: s.May(access.ProjectUpdate), Visits: s.Visits(), Key: key(), Errors: errs}
	err := c.view(ec, func(tx *db.Tx) error {
		shell, p, err := c.projectShell(ec, tx, s)
		if err != nil {
			return err
		}
		m.Shell, m.Organization, m.Number, m.Kind = shell, p.OrganizationName, itoa(p.ID), "Standard"
		if p.Governed {
			m.Kind = "Governed: changes go through review"
		}
		m.Type, m.Created, m.CreatedBy, m.Expires = p.Type, c.when(p.CreatedAt), p.CreatedBy, c.when(p.ExpiresAt)
		if s.May(access.LimitsRequest) {
			if m.TypeURL = paths.With(paths.ProjectWish(p.ID), "for", "type"); !p.ExpiresAt.IsZero() {
				m.TimeURL = paths.With(paths.ProjectWish(p.ID), "for", "time")
			}
		}
		m.Name, m.Description, m.Retention, m.External = p.Name, p.Description, itoa(p.Retention), p.ExternalRoles
		if m.Seen = seenIn(status, typed, p.Settings()); status == http.StatusConflict {
			m.Now = []ui.Pair{{Name: "Name", Value: p.Name}, {Name: "Description", Value: p.Description}, {Name: "Versions are kept for", Value: ui.Count(p.Retention, "day", "days")}, {Name: "Roles come from single sign-on", Value: yesNo(p.ExternalRoles)}}
		}
		if p.ExternalRoles {
			m.Features = "Roles come from single sign-on"
		}
		_, err = tenancy.EnterOrganization(tx, s.Actor(), s.Organization(), access.OrganizationRead)
		if err == nil {
			m.OrganizationURL = paths.Organization(s.Organization())
		} else if !fault.Is(err, fault.Forbidden) && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Unauthenticated) {
			return err
		}
		if s.May(access.ProjectDelete) {
			m.DeleteURL = paths.ProjectDelete(p.ID)
		}
		may, err := tenancy.MayMove(tx, s)
		if may {
			m.MoveURL = paths.ProjectMove(p.ID)
		}
		return err
	})
	if err != nil {
		return err
	}
	if typed != nil {
		m.Name, m.Description, m.Retention, m.External = typed["name"], typed["description"], typed["retention"], typed["externalRoles"] != ""
	}
	return page(ec, status, view.ProjectPage(m))
}

func (c *Console) projectSettingsUpdate(ec echo.Context, s access.Project) error {
	f, err := form(ec, "name", "description", "retention", "externalRoles", "seen")
	if err != nil {
		return err
	}
	to := tenancy.Settings{Name: f["name"], Description: plainLines(f["description"]), External: f["externalRoles"] != ""}
	to.Retention, _ = strconv.ParseInt(f["retention"], 10, 64) // what is no number is told like 0
	var was, is tenancy.Settings
	err = c.update(ec, func(tx *db.Tx) error {
		if was, is, err = tenancy.Set(tx, s, to); err == nil {
			err = overtaken(f, was)
		}
		return err
	})
	if errs, ok := fieldErrors(err); ok {
		return c.projectSettingsPage(ec, s, formStatus(err), f, errs)
	}
	if err != nil {
		return err
	}
	if was == is {
		return c.done(ec, asBefore, paths.ProjectSettings(s.ID()))
	}
	back := []ui.Pair{{Name: "seen", Value: seen(is)}, {Name: "name", Value: was.Name}, {Name: "description", Value: was.Description}, {Name: "retention", Value: itoa(was.Retention)}}
	if was.External {
		back = append(back, ui.Pair{Name: "externalRoles", Value: "1"})
	}
	return c.doneWith(ec, "The project is saved.", undo{Action: paths.ProjectSettings(s.ID()), Fields: back}, paths.ProjectSettings(s.ID()))
}

func (c *Console) projectDelete(ec echo.Context, s access.Project) error {
	return c.projectDeletePage(ec, s, http.StatusOK, nil)
}

func (c *Console) projectDeletePage(ec echo.Context, s access.Project, status int, errs ui.Errors) error {
	m := view.ProjectDelete{Members: paths.Members(s.ID()), URL: paths.ProjectSettings(s.ID()), Action: paths.ProjectDelete(s.ID()), Key: key(), Errors: errs, Grace: ui.Count(int64(tenancy.Grace/(24*time.Hour)), "day", "days")}
	err := c.view(ec, func(tx *db.Tx) error {
		shell, p, err := c.projectShell(ec, tx, s)
		if err != nil {
			return err
		}
		asking, err := tenancy.CountRequests(tx, s)
		if err != nil {
			return err
		}
		if asking > 0 {
			m.Asking = ui.Count(asking, "waits", "wait") + "."
		}
		t, err := c.app.Storage.Totals(tx, s)
		m.Shell, m.Name, m.Tables, m.Rows, m.People = shell, p.Name, ui.Number(t.Tables), ui.Number(t.Rows), ui.Number(p.Members)
		return err
	})
	if err != nil {
		return err
	}
	return page(ec, status, view.ProjectDeletePage(m))
}

func (c *Console) projectDeleteSubmit(ec echo.Context, s access.Project) error {
	f, err := form(ec, "confirm")
	if err != nil {
		return err
	}
	err = c.update(ec, func(tx *db.Tx) error { return c.app.Tenancy.Delete(tx, s, f["confirm"]) })
	if errs, ok := fieldErrors(err); ok {
		return c.projectDeletePage(ec, s, http.StatusUnprocessableEntity, errs)
	}
	if err != nil {
		return err
	}
	return c.done(ec, "The project is deleted. A super admin can bring it back for "+ui.Count(int64(tenancy.Grace/(24*time.Hour)), "day", "days")+".", paths.Projects())
}
