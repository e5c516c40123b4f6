package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/a-h/templ"
	"github.com/klauspost/compress/gzhttp"
	"github.com/labstack/echo/v4"

	"steward/internal/storage"
	"steward/views/layout"
	"steward/views/paths"
	view "steward/views/storage"
	"steward/views/tenancy"
	"steward/views/ui"
)

// serveBare is the role of the baseline of pages: echo with handlers that only render,
// each the component of a page with a view model like that of the world's page. It
// prints where it serves.
func serveBare(ctx context.Context, stdout io.Writer) error {
	e := echo.New()
	m, err := newModels()
	if err != nil {
		return err
	}
	for path, component := range m.pages() {
		e.GET(path, func(c echo.Context) error {
			c.Response().Header().Set(echo.HeaderContentType, "text/html; charset=utf-8")
			c.Response().WriteHeader(http.StatusOK)
			return component.Render(c.Request().Context(), c.Response())
		})
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(stdout, ln.Addr()); err != nil {
		return err
	}
	server := &http.Server{Handler: gzhttp.GzipHandler(e), ReadHeaderTimeout: 5 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(ln); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// models makes view models as the console makes them of the world.
type models struct {
	shell layout.Shell
	now   ui.Time
	ada   ui.Who
	rows  [][]ui.Value
}

const (
	worldProject = 1
	shownJobs    = 50
	shownRows    = 100
	key          = "k3vq5w7x9z2b4d6f" // as long as a real one
)

func newModels() (*models, error) {
	project := func(i int) layout.Project {
		return layout.Project{Name: projectName(i), Organization: "Northwind Foods", URL: paths.Project(int64(i + 1))}
	}
	m := &models{now: ui.When(time.Now(), time.UTC, time.Now()), ada: ui.Who{Name: "Ada Lindqvist"}}
	m.shell = layout.Shell{Person: layout.Person{Name: m.ada.Name, Email: email}, Project: project(0), AllProjects: "12", Nav: layout.ProjectNav(worldProject),
		Path: paths.Storage(worldProject), ThemeKey: key, SignOutKey: key}
	for i := range 8 {
		m.shell.Projects = append(m.shell.Projects, project(i))
	}
	var file bytes.Buffer
	if err := orders(&file, shownRows); err != nil {
		return nil, err
	}
	records, err := csv.NewReader(&file).ReadAll()
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		row := make([]ui.Value, len(r))
		for i, text := range r {
			row[i] = ui.Value{Text: text, Null: text == ""}
		}
		m.rows = append(m.rows, row)
	}
	return m, nil
}

func (m *models) pages() map[string]templ.Component {
	return map[string]templ.Component{
		"/projects": tenancy.ProjectsPage(m.projects()), "/overview": tenancy.OverviewPage(m.overview()),
		"/storage": view.BucketsPage(m.buckets()), "/jobs": view.JobsPage(m.jobs()),
		"/columns": view.ColumnsPage(m.columns()), "/preview": view.PreviewPage(m.preview()),
	}
}

func downloads(path string) ui.Download {
	return ui.Download{CSV: path + "?format=csv", JSON: path + "?format=json"}
}

func (m *models) projects() tenancy.Projects {
	out := tenancy.Projects{Shell: m.shell, Teams: []tenancy.Belongs{{Name: "Northwind Foods", Kind: "Organization", URL: paths.Organization(1)}}, Pager: ui.Pager{Text: "12 projects on this page"}, Download: downloads("/")}
	out.Shell.Project, out.Shell.Projects, out.Shell.Nav = layout.Project{}, nil, layout.AccountNav(false)
	for i := range worldProjects {
		out.Projects = append(out.Projects, tenancy.ProjectRow{ID: strconv.Itoa(i + 1), Name: projectName(i), URL: paths.Project(int64(i + 1)),
			Organization: "Northwind Foods", Role: "Admin", Changed: m.now})
	}
	return out
}

func (m *models) overview() tenancy.Overview {
	out := tenancy.Overview{Shell: m.shell, Title: projectName(0), LoadURL: paths.Load(worldProject), JobsURL: paths.StorageJobs(worldProject),
		SelfURL: paths.Project(worldProject), LiveURL: paths.Live(worldProject, tenancy.LatestJobsPart),
		About: tenancy.About{Organization: "Northwind Foods", Role: "Admin", Created: m.now, Number: "1"}}
	for _, name := range []string{"size", "rows", "tables", "people"} {
		out.Tiles = append(out.Tiles, ui.Tile{ID: "tile-" + name, Title: "Stored " + name, Figure: "1,000,180", Unit: "MB", Note: "in all the tables"})
	}
	for i := range 5 {
		out.Jobs = append(out.Jobs, tenancy.JobRow{Title: fmt.Sprintf("Create prices_%02d", i), URL: paths.StorageJob(worldProject, int64(i+10)), State: ui.Success,
			Creator: m.ada, Created: m.now, Duration: "12 ms"})
	}
	for i := range 6 {
		out.Changes = append(out.Changes, ui.Item{Icon: "table-2", Who: m.ada.Name, Text: fmt.Sprintf("created table in.c-source-%02d.prices_%02d with 3 rows.", i, i), Time: m.now})
	}
	return out
}

func (m *models) buckets() view.Buckets {
	out := view.Buckets{Shell: m.shell, Tabs: view.Tabs{BucketsURL: paths.Storage(worldProject), JobsURL: paths.StorageJobs(worldProject)},
		LoadURL: paths.Load(worldProject), NewURL: paths.BucketNew(worldProject), ClearURL: paths.Storage(worldProject),
		Pager: ui.Pager{Text: "30 buckets on this page"}, Download: downloads(paths.Storage(worldProject))}
	for i := range worldBuckets {
		id := "in.c-" + bucketName(i)
		out.Buckets = append(out.Buckets, view.BucketRow{ID: id, URL: paths.Bucket(worldProject, id), FoldURL: paths.Storage(worldProject) + "?open=" + id,
			Tables: "2", Rows: "6", Size: "4.2 kB", Changed: m.now})
	}
	return out
}

func (m *models) jobs() view.Jobs {
	self := paths.StorageJobs(worldProject)
	choice := func(label string, more ...string) view.Choice {
		c := view.Choice{Options: []ui.Option{{Label: label}}}
		for _, o := range more {
			c.Options = append(c.Options, ui.Option{Value: o, Label: o})
		}
		return c
	}
	out := view.Jobs{Shell: m.shell, Tabs: view.Tabs{BucketsURL: paths.Storage(worldProject), JobsURL: self}, SelfURL: self,
		LiveURL: paths.Live(worldProject, view.JobsPart), Status: choice("Any state", "waiting", "processing", "success", "error", "cancelled"),
		Operation: choice("Any operation", storage.Operations()...)}
	out.List = view.JobList{ClearURL: self, LoadURL: paths.Load(worldProject), Download: downloads(self),
		Pager: ui.Pager{Text: "50 jobs on this page", Next: ui.Link{Label: "Older jobs", URL: self + "?before=k3vq5w7x9z2-1c"}}}
	for i := range shownJobs {
		table := fmt.Sprintf("in.c-%s.prices_%02d", bucketName(i%29), i)
		out.List.Jobs = append(out.List.Jobs, view.JobRow{ID: strconv.Itoa(i + 10), URL: paths.StorageJob(worldProject, int64(i+10)), Operation: "tableCreate",
			Table: view.JobTable{Link: ui.Link{Label: table, URL: paths.Table(worldProject, table)}}, Transfer: "67 B", Created: m.now, Duration: "12 ms", Creator: m.ada, State: ui.Success})
	}
	return out
}

func (m *models) table() view.Table {
	self := paths.Table(worldProject, table)
	return view.Table{Shell: m.shell, Kept: "30 days", StorageURL: paths.Storage(worldProject), Bucket: ui.Link{Label: bucket, URL: paths.Bucket(worldProject, bucket)},
		ID: table, Name: "orders", Rows: "1,000,000", Size: "22.4 MB", Columns: "8", Created: m.now, Changed: m.now, Version: "1", Snapshots: "0", ColumnsURL: self,
		PreviewURL: paths.TablePreview(worldProject, table), VersionsURL: paths.TableVersions(worldProject, table), SnapshotsURL: paths.TableSnapshots(worldProject, table),
		EventsURL: paths.TableEvents(worldProject, table), SettingsURL: paths.TableSettings(worldProject, table), ExportURL: paths.TableExport(worldProject, table),
		LoadURL: paths.LoadInto(worldProject, bucket, "orders")}
}

func (m *models) columns() view.Columns {
	out := view.Columns{Table: m.table(), ChangedBy: m.ada, ChangedJob: ui.Link{Label: "Job 61", URL: paths.StorageJob(worldProject, 61)},
		Download: downloads(paths.Table(worldProject, table)), Add: view.ColumnAdd{Action: paths.Columns(worldProject, table), Key: key}}
	for i, c := range m.rows[0] {
		out.List = append(out.List, view.ColumnRow{Number: strconv.Itoa(i + 1), Name: c.Text, Nulls: "0", ChangeURL: paths.ColumnChange(worldProject, table, int64(i+1))})
	}
	return out
}

func (m *models) preview() view.Preview {
	self := paths.TablePreview(worldProject, table)
	out := view.Preview{Table: m.table(), URL: self, PlainURL: self, Rows: view.GridRows(m.rows[1:]), Note: "First 100 of 1,000,000 rows", ExportURL: paths.TableExport(worldProject, table)}
	for i := range out.Rows {
		out.Rows[i].URL = paths.RowOrigin(worldProject, table, 1, fmt.Sprintf("0.0.%d-5f3a9c1e7b2d4680", i))
	}
	for _, o := range []string{"is", "is not", "contains", "starts with", "is less than", "is at most", "is more than", "is at least", "has no value", "has a value"} {
		out.Operators = append(out.Operators, ui.Option{Value: o[:2], Label: o})
	}
	for _, c := range m.rows[0] {
		out.Names = append(out.Names, c.Text)
		out.Columns = append(out.Columns, view.GridColumn{Name: c.Text, SortURL: self + "?direction=asc&order=" + c.Text})
	}
	return out
}
