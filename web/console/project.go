package console

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/tenancy"
	"steward/views/paths"
	view "steward/views/tenancy"
	"steward/views/ui"
)

var projectFields = []field[tenancy.Project]{
	{"id", func(p tenancy.Project) any { return p.ID }},
	{"name", func(p tenancy.Project) any { return p.Name }},
	{"organization", func(p tenancy.Project) any { return p.OrganizationName }},
	{"role", func(p tenancy.Project) any { return string(p.Role) }},
	{"description", func(p tenancy.Project) any { return p.Description }},
	{"created", func(p tenancy.Project) any { return p.CreatedAt }},
	{"expires", func(p tenancy.Project) any { return p.ExpiresAt }},
	{"joined", func(p tenancy.Project) any { return p.JoinedAt }},
	{"state", func(p tenancy.Project) any { return p.State }},
	{"disabledReason", func(p tenancy.Project) any { return p.DisabledReason }},
	{"expectedBack", func(p tenancy.Project) any { return p.ExpectedAt }},
	{"needsTwoStep", func(p tenancy.Project) any { return p.Locked }},
}

func (c *Console) projects(ec echo.Context, a access.Actor) error {
	f := tenancy.Filter{Search: query(ec, "q")}
	done, err := exported(ec, "projects", projectFields, func(last *tenancy.Project) (out []tenancy.Project, err error) {
		f := f
		f.Limit = 1000
		if last != nil {
			f.After = tenancy.After{Name: strings.ToLower(last.Name), ID: last.ID}
		}
		err = c.view(ec, func(tx *db.Tx) error { out, err = tenancy.Mine(tx, a, f); return err })
		return out, err
	})
	if done || err != nil {
		return err
	}
	f.Limit = pageSize + 1
	if name, id, ok := strings.Cut(query(ec, "after"), "\n"); ok {
		f.After.Name = name
		if f.After.ID, err = strconv.ParseInt(id, 10, 64); err != nil {
			f.After = tenancy.After{}
		}
	}
	m := view.Projects{Shell: c.shell(ec, a), Query: f.Search, Download: downloads(ec)}
	err = c.view(ec, func(tx *db.Tx) error {
		mine, err := tenancy.Mine(tx, a, f)
		if err != nil {
			return err
		}
		invited, err := tenancy.CountInvitations(tx, a)
		if err != nil {
			return err
		}
		if m.Teams, err = belongs(tx, a); err != nil {
			return err
		}
		if invited > 0 {
			m.Invited = ui.Count(invited, "invitation waits", "invitations wait") + " for your answer."
		}
		cursor := ""
		if len(mine) > pageSize {
			mine = mine[:pageSize]
			last := mine[pageSize-1]
			cursor = strings.ToLower(last.Name) + "\n" + strconv.FormatInt(last.ID, 10)
		}
		m.Pager = more(ec, ui.Count(int64(len(mine)), "project", "projects")+" on this page", "after", cursor, "More projects")
		for _, p := range mine {
			row := view.ProjectRow{ID: strconv.FormatInt(p.ID, 10), Name: p.Name, Organization: p.OrganizationName, Role: p.Role.Label(), Changed: c.when(p.ChangedAt)}
			row.Disabled, row.Reason, row.Back, row.Locked = p.State == tenancy.Disabled, p.DisabledReason, c.end(p.ExpectedAt), p.Locked
			if !row.Disabled && !row.Locked {
				row.URL = paths.Project(p.ID)
			}
			m.Projects = append(m.Projects, row)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return page(ec, http.StatusOK, view.ProjectsPage(m))
}

// belongs are the organizations and maintainers that a person belongs to.
func belongs(tx *db.Tx, a access.Actor) (out []view.Belongs, err error) {
	organizations, err := tenancy.MyOrganizations(tx, a)
	if err != nil {
		return nil, err
	}
	for _, o := range organizations {
		kind := "Organization"
		if o.Visited {
			kind = "Organization, for a time"
		}
		out = append(out, view.Belongs{Name: o.Name, Kind: kind, URL: paths.Organization(o.ID)})
	}
	maintainers, err := tenancy.MyMaintainers(tx, a)
	for _, m := range maintainers {
		out = append(out, view.Belongs{Name: m.Name, Kind: "Maintainer", URL: paths.Maintainer(m.ID)})
	}
	return out, err
}

func (c *Console) overview(ec echo.Context, s access.Project) error {
	m := view.Overview{JobsURL: paths.StorageJobs(s.ID()), SelfURL: paths.Project(s.ID()), LiveURL: paths.Live(s.ID(), view.LatestJobsPart)}
	err := c.view(ec, func(tx *db.Tx) error {
		shell, p, err := c.projectShell(ec, tx, s)
		if err != nil {
			return err
		}
		totals, err := c.app.Storage.Totals(tx, s)
		if err != nil {
			return err
		}
		if m.Jobs, err = c.latestJobs(tx, s); err != nil {
			return err
		}
		events, err := audit.List(tx, s, audit.Filter{Limit: 6})
		if err != nil {
			return err
		}
		m.Shell, m.Title, m.Description = shell, p.Name, p.Description
		m.About = view.About{Organization: p.OrganizationName, Role: s.Role().Label(), Created: ui.Day(p.CreatedAt, utc), Number: strconv.FormatInt(p.ID, 10)}
		m.Tiles = overviewTiles(totals, p)
		m.Changes = c.changes(events)
		return nil
	})
	if err != nil {
		return err
	}
	if s.May(access.TablesWrite) {
		m.LoadURL = paths.Load(s.ID())
	}
	return page(ec, http.StatusOK, view.OverviewPage(m))
}

func overviewTiles(t storage.Totals, p tenancy.Project) []ui.Tile {
	size, unit, _ := strings.Cut(ui.Bytes(t.Bytes), " ")
	return []ui.Tile{
		{ID: "tile-size", Title: "Stored data", Figure: size, Unit: unit, Note: "compressed, as on disk"},
		{ID: "tile-rows", Title: "Rows", Figure: ui.Number(t.Rows), Note: "in all tables"},
		{ID: "tile-tables", Title: "Tables", Figure: ui.Number(t.Tables), Note: "in " + ui.Count(t.Buckets, "bucket", "buckets")},
		{ID: "tile-people", Title: "People", Figure: ui.Number(p.Members), Note: "with a role in this project"},
	}
}

func (c *Console) latestJobs(tx *db.Tx, s access.Project) ([]view.JobRow, error) {
	if !s.May(access.StorageJobsRead) {
		return nil, nil
	}
	list, err := c.app.Jobs.List(tx, s, jobs.Filter{Limit: 5})
	if err != nil {
		return nil, err
	}
	var out []view.JobRow
	for _, j := range list {
		out = append(out, view.JobRow{Title: jobTitle(j), URL: paths.StorageJob(s.ID(), j.ID), State: stateOf(j),
			Creator: ui.Who{Name: j.ActorName}, Created: c.when(j.CreatedAt), Duration: c.duration(j)})
	}
	return out, nil
}

// changes are events as lines of a list.
func (c *Console) changes(events []audit.Event) []ui.Item {
	var out []ui.Item
	for _, e := range events {
		text, who := e.Message, ""
		if rest, ok := strings.CutPrefix(text, e.ActorName+" "); ok {
			text, who = rest, e.ActorName
		}
		out = append(out, ui.Item{Tone: eventTone(e), Icon: eventIcon(e), Who: who, Text: text, Time: c.when(e.At)})
	}
	return out
}

func eventTone(e audit.Event) string {
	switch e.Type {
	case audit.Error:
		return "bad"
	case audit.Warn:
		return "warn"
	}
	return ""
}

func eventIcon(e audit.Event) string {
	switch e.ObjectType {
	case "bucket":
		return "folder"
	case "table":
		return "table-2"
	case "file":
		return "file-text"
	case "job":
		return "list-checks"
	case "project":
		return "folder"
	}
	return "clock"
}
