package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/storage/csv"
	"steward/views/layout"
	"steward/views/paths"
	view "steward/views/storage"
	"steward/views/ui"
)

var utc = time.UTC

// logLines is how many lines of a job's log a page shows.
const logLines = 200

var jobFields = []field[jobs.Job]{
	{"id", func(j jobs.Job) any { return j.ID }},
	{"status", func(j jobs.Job) any { return string(j.State) }},
	{"operationName", func(j jobs.Job) any { return j.Operation }},
	{"tableId", func(j jobs.Job) any { return j.Table }},
	{"creator", func(j jobs.Job) any { return j.ActorName }},
	{"createdTime", func(j jobs.Job) any { return j.CreatedAt }},
	{"startTime", func(j jobs.Job) any { return j.StartedAt }},
	{"endTime", func(j jobs.Job) any { return j.FinishedAt }},
	{"inBytes", func(j jobs.Job) any { return j.InBytes }},
	{"outBytes", func(j jobs.Job) any { return j.OutBytes }},
	{"rows", func(j jobs.Job) any { return j.RowsDone }},
	{"fileId", func(j jobs.Job) any { return orNil(j.FileID) }},
	{"runId", func(j jobs.Job) any { return j.RunID }},
	{"errorCode", func(j jobs.Job) any { return j.ErrorCode }},
	{"errorMessage", func(j jobs.Job) any { return j.ErrorMessage }},
}

// jobFilter reads the filters of the address.
func jobFilter(ec echo.Context) (jobs.Filter, error) {
	f := jobs.Filter{State: jobs.State(query(ec, "status")), Operation: query(ec, "operation"), Table: query(ec, "table")}
	if f.State == "cancelled" {
		f.State, f.Cancelled = jobs.Failed, true
	}
	var err error
	f.Before.At, f.Before.ID, err = parseCursor(ec.QueryParam("before"))
	return f, err
}

func (c *Console) storageJobs(ec echo.Context, s access.Project) error {
	f, err := jobFilter(ec)
	if err != nil {
		return err
	}
	done, err := exported(ec, "storage-jobs", jobFields, func(last *jobs.Job) (out []jobs.Job, err error) {
		f := f
		f.Limit = 1000
		if last != nil {
			f.Before = jobs.Cursor{At: last.CreatedAt, ID: last.ID}
		}
		err = c.view(ec, func(tx *db.Tx) error { out, err = c.app.Jobs.List(tx, s, f); return err })
		return out, err
	})
	if done || err != nil {
		return err
	}
	m := view.Jobs{Tabs: tabs(s), Table: f.Table, SelfURL: ec.Request().URL.RequestURI(),
		Status: view.Choice{Value: query(ec, "status"), Options: []ui.Option{{Value: "", Label: "Any state"}, {Value: "waiting", Label: "Waiting"},
			{Value: "processing", Label: "Processing"}, {Value: "success", Label: "Success"}, {Value: "error", Label: "Error"}, {Value: "cancelled", Label: "Cancelled"}}},
		Operation: view.Choice{Value: f.Operation, Options: []ui.Option{{Value: "", Label: "Any operation"}}}}
	for _, o := range storage.Operations() {
		m.Operation.Options = append(m.Operation.Options, ui.Option{Value: o, Label: o})
	}
	err = c.view(ec, func(tx *db.Tx) (err error) {
		if m.Shell, _, err = c.projectShell(ec, tx, s); err != nil {
			return err
		}
		m.List, err = c.jobList(ec, tx, s, f)
		return err
	})
	if err != nil {
		return err
	}
	if f.Before.At.IsZero() {
		q := ec.Request().URL.Query()
		q.Set("part", view.JobsPart)
		m.LiveURL = paths.Project(s.ID()) + "/live?" + q.Encode()
	}
	return page(ec, http.StatusOK, view.JobsPage(m))
}

// jobList is the live part of the list of jobs.
func (c *Console) jobList(ec echo.Context, tx *db.Tx, s access.Project, f jobs.Filter) (view.JobList, error) {
	f.Limit = pageSize + 1
	found, err := c.app.Jobs.Search(tx, s, f)
	if err != nil {
		return view.JobList{}, err
	}
	list, cursor := found.Jobs, ""
	if len(list) > pageSize {
		list = list[:pageSize]
		cursor = cursorOf(list[pageSize-1].CreatedAt, list[pageSize-1].ID)
	}
	m := view.JobList{Filtered: f.State != "" || f.Operation != "" || f.Table != "", ClearURL: paths.StorageJobs(s.ID()),
		Pager: ui.Pager{Text: ui.Count(int64(len(list)), "job", "jobs") + " on this page"}}
	q := ec.Request().URL.Query()
	q.Del("part")
	m.Download = downloadsAt(paths.StorageJobs(s.ID()), q)
	at := func(cursor string) string {
		if q.Del("before"); cursor != "" {
			q.Set("before", cursor)
		}
		if len(q) == 0 {
			return paths.StorageJobs(s.ID())
		}
		return paths.StorageJobs(s.ID()) + "?" + q.Encode()
	}
	if !f.Before.At.IsZero() {
		m.Pager.Prev = ui.Link{Label: "Newest jobs", URL: at("")}
	}
	switch {
	case cursor != "":
		m.Pager.Next = ui.Link{Label: "Older jobs", URL: at(cursor)}
	case !found.Until.IsZero():
		m.Pager.Text += ", searched back to " + ui.Exact(found.Until, utc).Text
		m.Pager.Next = ui.Link{Label: "Search older jobs", URL: at(cursorOf(found.Until, 0))}
	}
	if s.May(access.TablesWrite) {
		m.LoadURL = paths.Load(s.ID())
	}
	about, err := c.app.Storage.Subjects(tx, s, list...)
	for _, j := range list {
		m.Jobs = append(m.Jobs, view.JobRow{ID: itoa(j.ID), URL: paths.StorageJob(s.ID(), j.ID), Operation: j.Operation, Table: jobTable(s, j, about[j.ID]),
			Transfer: transfer(j), Created: c.when(j.CreatedAt), Duration: c.duration(j), Creator: ui.Who{Name: j.ActorName}, State: stateOf(j)})
	}
	return m, err
}

func (c *Console) storageJob(ec echo.Context, s access.Project) error {
	id, err := number(ec, "job")
	if err != nil {
		return err
	}
	m := view.Job{JobsURL: paths.StorageJobs(s.ID()), SelfURL: paths.StorageJob(s.ID(), id)}
	var j jobs.Job
	var lines []jobs.Line
	err = c.view(ec, func(tx *db.Tx) (err error) {
		if m.Shell, _, err = c.projectShell(ec, tx, s); err != nil {
			return err
		}
		if j, err = c.app.Jobs.Get(tx, s, id); err != nil {
			return err
		}
		if lines, err = jobs.Log(tx, j, 1000); err != nil {
			return err
		}
		m.Card, err = c.jobCard(tx, s, j)
		return err
	})
	if err != nil {
		return err
	}
	if done, err := exported(ec, fmt.Sprintf("job-%d-log", id), lineFields, once(lines)); done || err != nil {
		return err
	}
	m.Log = c.jobLog(lines)
	m.Cancel = ui.Confirm{Question: fmt.Sprintf("Cancel job %d?", id), Consequence: consequence(j),
		Action: paths.StorageJobCancel(s.ID(), id), Verb: "Cancel job", Keep: "Keep running", Key: key()}
	if !j.Finished() {
		m.LiveURL = paths.Live(s.ID(), view.JobPart(itoa(id)))
	}
	return page(ec, http.StatusOK, view.JobPage(m))
}

var lineFields = []field[jobs.Line]{
	{"seq", func(l jobs.Line) any { return l.Seq }},
	{"created", func(l jobs.Line) any { return l.At }},
	{"type", func(l jobs.Line) any { return string(l.Level) }},
	{"message", func(l jobs.Line) any { return l.Message }},
}

// jobCard is the live part of a job's page.
func (c *Console) jobCard(tx *db.Tx, s access.Project, j jobs.Job) (view.JobCard, error) {
	subjects, err := c.app.Storage.Subjects(tx, s, j)
	if err != nil {
		return view.JobCard{}, err
	}
	about := subjects[j.ID]
	m := view.JobCard{ID: itoa(j.ID), Title: jobTitle(j), State: stateOf(j), Created: c.exact(j.CreatedAt), Started: c.exact(j.StartedAt), Ended: c.exact(j.FinishedAt),
		Duration: c.duration(j), Operation: j.Operation, Table: jobTable(s, j, about), RunID: j.RunID, Transfer: transfer(j), Creator: ui.Who{Name: j.ActorName},
		Params: pretty(j.Params), Results: pretty(j.Results)}
	if j.Operation == storage.TableDrop && j.State == jobs.Success {
		m.Table.Label += ", which it dropped"
	}
	if j.Attempt > 0 {
		m.Attempt = itoa(j.Attempt + 1)
	}
	if m.File, err = c.jobFile(tx, s, j); err != nil {
		return m, err
	}
	switch {
	case !j.Finished():
		m.CanCancel = s.MayOn(access.StorageJobsCancel, j.UserID == s.Actor().UserID)
		m.Progress = progress(j)
	case j.State == jobs.Failed:
		m.Error, err = jobError(s, j, about)
	default:
		m.Rows, m.Made = jobRows(j), madeFile(s, j)
		m.Next, err = c.nextExport(s, j, about)
	}
	if err != nil {
		return m, err
	}
	if c.app.Storage.Undoable(s, j, about) {
		m.Undo = layout.Undo{Action: paths.StorageJobUndo(s.ID(), j.ID), Key: key()}
	}
	if j.Finished() && readsFile(j) {
		err = c.jobFindings(tx, s, j, &m)
	}
	return m, err
}

// jobFile is the file that a job reads, zero for none.
func (c *Console) jobFile(tx *db.Tx, s access.Project, j jobs.Job) (view.JobFile, error) {
	if j.FileID == 0 {
		return view.JobFile{}, nil
	}
	f, err := c.app.Storage.File(tx, s, j.FileID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return view.JobFile{}, err
	}
	return view.JobFile{Name: fmt.Sprintf("%s (file %d)", f.Name, f.ID), Size: ui.Bytes(f.Bytes), SHA256: f.SHA256}, nil
}

// jobError is why a job failed, and what to do about it.
func jobError(s access.Project, j jobs.Job, about storage.Subject) (view.JobError, error) {
	lines := strings.Split(j.ErrorMessage, "\n")
	m := view.JobError{Message: lines[0], Details: lines[1:], Code: j.ErrorCode}
	if !s.May(access.TablesWrite) {
		return m, nil
	}
	if j.ErrorCode == "storage.tables.duplicates" && about.State == storage.Here {
		m.Retry = ui.Button{Label: "Choose another key", URL: paths.TableSettings(s.ID(), about.TextID) + "#primary-key", Icon: "key-round", Small: true}
	}
	if !readsFile(j) {
		return m, nil
	}
	var err error
	m.Retry, err = retry(s, j)
	return m, err
}

// readsFile reports whether a job loads or checks a file.
func readsFile(j jobs.Job) bool {
	return j.FileID != 0 && slices.Contains([]string{storage.TableCreate, storage.TableImport, storage.FileCheck}, j.Operation)
}

// retry leads to the page that checks the job's file: with another encoding if the one
// that was used turned out wrong.
func retry(s access.Project, j jobs.Job) (ui.Button, error) {
	l, err := storage.LoadOf(j)
	if err != nil {
		return ui.Button{}, err
	}
	b := ui.Button{Label: "Check the file again", Icon: "refresh-cw", Small: true}
	encoding := ""
	switch csv.Code(strings.TrimPrefix(j.ErrorCode, "storage.import.")) {
	case csv.CodeNotUTF8, csv.CodeNotUTF16, csv.CodeNotWindows1252:
		other := l.Dialect.Encoding.Other()
		b.Label, encoding = "Check the file as "+other.String(), other.Name()
	}
	b.URL = paths.With(paths.LoadFile(s.ID(), l.File), "bucket", l.Bucket, "table", l.Table, "encoding", encoding)
	return b, nil
}

// findings are what jobs that read a file find in it.
type findings struct {
	Rows     int64    `json:"rowsInFile"`
	Good     int64    `json:"rowsGood"`
	Rejected int64    `json:"rowsRejected"`
	Kept     int64    `json:"rejectedRowsKept"`
	File     int64    `json:"rejectedFileId"`
	Columns  []string `json:"columns"`
	Nulls    []int64  `json:"nullCells"`
}

// jobFindings fills what is shown of the rows that a job could not read, and of a check.
func (c *Console) jobFindings(tx *db.Tx, s access.Project, j jobs.Job, m *view.JobCard) error {
	var f findings
	if err := json.Unmarshal(j.Results, &f); err != nil {
		return fmt.Errorf("console: results of job %d: %w", j.ID, err)
	}
	l, err := storage.LoadOf(j)
	if err != nil {
		return err
	}
	checked := j.Operation == storage.FileCheck && j.State == jobs.Success
	if checked {
		m.Rows = []ui.Stat{{Label: "Rows in the file", Figure: ui.Number(f.Rows)}, {Label: "Good rows", Figure: ui.Number(f.Good)}, {Label: "Rows that cannot be read", Figure: ui.Number(f.Rejected)}}
		for i, name := range f.Columns[:min(len(f.Columns), len(f.Nulls))] {
			m.Nulls = append(m.Nulls, view.JobNulls{Column: name, Count: ui.Number(f.Nulls[i]), Share: share(f.Nulls[i], f.Good)})
		}
		if f.Rejected == 0 && s.May(access.TablesWrite) {
			m.Load = loadAgain(s, l, "Load into "+l.Table, "With the options of this check.")
		}
	}
	if f.Rejected == 0 {
		return nil
	}
	m.Rejected = &view.JobRejected{Text: fmt.Sprintf("%s of %s cannot be read.", ui.Number(f.Rejected), ui.Count(f.Rows, "row", "rows"))}
	if f.File != 0 {
		_, err := c.app.Storage.File(tx, s, f.File)
		switch {
		case fault.Is(err, fault.NotFound):
		case err != nil:
			return err
		default:
			m.Rejected.ListURL = paths.FileDownload(s.ID(), f.File)
		}
	}
	if f.Kept < f.Rejected {
		m.Rejected.Note = "The list has the first " + ui.Number(f.Kept) + "."
	}
	if good := f.Rows - f.Rejected; good > 0 && (checked || j.State == jobs.Failed) && s.May(access.TablesWrite) {
		l.SkipBad = true
		m.Rejected.Load = loadAgain(s, l, "Load the good rows", ui.Count(good, "row", "rows")+", with the same options, into "+l.Table+".")
	}
	return nil
}

// loadAgain offers a load of a file that a job has read.
func loadAgain(s access.Project, l storage.Load, label, text string) *view.JobLoad {
	return &view.JobLoad{Label: label, Text: text, Action: paths.LoadFile(s.ID(), l.File), Key: key(), Fields: optionFields(l)}
}

// share is how many percent n is of a number.
func share(n, of int64) string {
	switch {
	case of == 0:
		return ""
	case n > 0 && n*100 < of:
		return "under 1%"
	}
	return ui.Percent(float64(n) / float64(of))
}

// jobRows are the figures of what a job did.
func jobRows(j jobs.Job) []ui.Stat {
	var r map[string]any
	if err := json.Unmarshal(j.Results, &r); err != nil {
		return nil
	}
	var out []ui.Stat
	figure := func(name, label string, write func(int64) string) {
		if n, ok := r[name].(float64); ok {
			out = append(out, ui.Stat{Label: label, Figure: write(int64(n))})
		}
	}
	figure("tables", "Tables", ui.Number)
	figure("rows", "Rows", ui.Number)
	figure("rowsAdded", "Rows added", ui.Number)
	for _, name := range []string{"rowsChanged", "rowsUnchanged", "duplicateRows"} { // of loads by a primary key
		if r[name] != 0.0 {
			figure(name, map[string]string{"rowsChanged": "Rows changed", "rowsUnchanged": "Rows unchanged", "duplicateRows": "Replaced by later rows"}[name], ui.Number)
		}
	}
	figure("rowsRemoved", "Rows removed", ui.Number)
	figure("rowsInTable", "Rows in the table", ui.Number)
	figure("uncompressedBytes", "Data", ui.Bytes)
	figure("version", "Version", ui.Number)
	if r["rowsRejected"] != 0.0 {
		figure("rowsRejected", "Rows left out", ui.Number)
	}
	return out
}

// madeFile is the file that an export wrote.
func madeFile(s access.Project, j jobs.Job) view.JobFile {
	var r struct {
		ID     int64  `json:"fileId"`
		Name   string `json:"fileName"`
		Bytes  int64  `json:"sizeBytes"`
		SHA256 string `json:"sha256"`
	}
	if err := json.Unmarshal(j.Results, &r); err != nil || j.Operation != storage.TableExport || r.ID == 0 {
		return view.JobFile{}
	}
	return view.JobFile{Name: fmt.Sprintf("%s (file %d)", r.Name, r.ID), Size: ui.Bytes(r.Bytes), SHA256: r.SHA256, URL: paths.FileDownload(s.ID(), r.ID)}
}

func progress(j jobs.Job) *ui.Progress {
	p := &ui.Progress{ID: "job-progress", Label: "Waiting for its turn"}
	if j.State != jobs.Processing {
		return p
	}
	verb := "loaded"
	if j.Operation == storage.FileCheck {
		verb = "read"
	}
	p.Label = "Starting"
	if j.BytesTotal > 0 && j.BytesDone > 0 {
		percent := itoa(min(100, j.BytesDone*100/j.BytesTotal))
		p.Label, p.Percent = percent+"% "+verb, percent
		p.Note = ui.Count(j.RowsDone, "row", "rows") + ", " + ui.Bytes(j.BytesDone) + " of " + ui.Bytes(j.BytesTotal)
	}
	if j.CancelRequested {
		p.Label = "Stopping"
	}
	return p
}

func (c *Console) jobLog(lines []jobs.Line) view.JobLog {
	var m view.JobLog
	if len(lines) > logLines {
		lines = lines[len(lines)-logLines:]
		m.Note = "The last " + itoa(logLines) + " lines"
	}
	for _, l := range slices.Backward(lines) {
		tone := map[audit.Type]string{audit.Success: "ok", audit.Warn: "warn", audit.Error: "bad"}[l.Level]
		m.Lines = append(m.Lines, ui.Line{Time: ui.Clock(l.At, utc), Tone: tone, Level: string(l.Level), Text: l.Message})
	}
	return m
}

func (c *Console) storageJobCancel(ec echo.Context, s access.Project) error {
	id, err := number(ec, "job")
	if err != nil {
		return err
	}
	if _, err := form(ec); err != nil {
		return err
	}
	err = c.update(ec, func(tx *db.Tx) error { _, err := c.app.Jobs.Cancel(tx, s, id); return err })
	if fault.HasCode(err, "storage.jobs.finished") {
		return c.done(ec, fault.Of(err).Message, paths.StorageJob(s.ID(), id))
	}
	if err != nil {
		return err
	}
	return c.done(ec, fmt.Sprintf("Job %d is being cancelled.", id), paths.StorageJob(s.ID(), id))
}

// storageJobUndo takes back what a job did. What it takes depends on what that was, and
// is decided by the service.
func (c *Console) storageJobUndo(ec echo.Context, s access.Project) error {
	id, err := number(ec, "job")
	if err != nil {
		return err
	}
	if _, err := form(ec); err != nil {
		return err
	}
	var j jobs.Job
	var u storage.Undone
	err = c.update(ec, func(tx *db.Tx) (err error) {
		if j, err = c.app.Jobs.Get(tx, s, id); err != nil {
			return err
		}
		if u, err = c.app.Storage.Undo(tx, s, id); err != nil || u.Job.ID != 0 || j.Table == "" {
			return err
		}
		if _, err = c.app.Storage.Table(tx, s, j.Table); fault.Is(err, fault.NotFound) { // it has another name now
			j.Table, err = "", nil
		}
		return err
	})
	if fault.Is(err, fault.Conflict) {
		return c.refused(ec, err, paths.StorageJob(s.ID(), id))
	}
	if err != nil {
		return err
	}
	if u.Job.ID == 0 {
		return c.done(ec, u.Says, afterUndo(s, j))
	}
	if u.Job.Operation == storage.TableDrop {
		return c.await(ec, s, u.Job, paths.Storage(s.ID()))
	}
	return c.await(ec, s, u.Job, afterUndo(s, u.Job)) // the table may have had another name when j wrote it
}

// afterUndo is the page of the table that a job is about.
func afterUndo(s access.Project, j jobs.Job) string {
	if j.Table == "" {
		return paths.Storage(s.ID())
	}
	return paths.Table(s.ID(), j.Table)
}

// Words of a job

func consequence(j jobs.Job) string {
	switch j.Operation {
	case storage.FileCheck:
		return "The check stops. It changes nothing, and the uploaded file is kept."
	case storage.TableCreate, storage.TableImport:
		return "The load stops and the table stays as it is. The uploaded file is kept."
	case storage.TableExport:
		return "The export stops and leaves no file. The table stays as it is."
	}
	return "The job stops and everything stays as it is."
}

func jobTitle(j jobs.Job) string {
	_, table := storage.SplitTable(j.Table)
	switch j.Operation {
	case storage.TableCreate:
		return "Create " + table
	case storage.TableImport:
		return "Load into " + table
	case storage.TableExport:
		return "Export " + table
	case storage.TableDefinitionCreate:
		return "Define " + table
	case storage.TableColumnAdd:
		return "Add a column to " + table
	case storage.TableColumnDelete:
		return "Drop a column of " + table
	case storage.TableColumnRename:
		return "Rename a column of " + table
	case storage.TableKeyAdd:
		return "Set the primary key of " + table
	case storage.TableKeyDelete:
		return "Remove the primary key of " + table
	case storage.TableRowsDelete:
		return "Delete rows of " + table
	case storage.TableRevert:
		return "Revert " + table
	case storage.TableCopy:
		return "Copy to " + table
	case storage.SnapshotCreate:
		return "Make a snapshot of " + table
	case storage.SnapshotDelete:
		return "Delete a snapshot of " + table
	case storage.TableDrop:
		return "Drop " + table
	case storage.BucketDelete:
		return "Delete a bucket"
	case storage.FileCheck:
		return "Check all rows of a file"
	}
	return j.Operation
}

func stateOf(j jobs.Job) ui.State {
	switch {
	case j.IsCancelled():
		return ui.Cancelled
	case j.State == jobs.Waiting:
		return ui.Waiting
	case j.State == jobs.Processing:
		return ui.Processing
	case j.State == jobs.Success:
		return ui.Success
	}
	return ui.Error
}

// jobTable names the table of a job as the job knew it, leads to it as it is called now,
// and says so when that is another name, or when it is gone.
func jobTable(s access.Project, j jobs.Job, about storage.Subject) view.JobTable {
	m := view.JobTable{Link: ui.Link{Label: j.Table}}
	switch about.State {
	case storage.Here:
		m.URL = paths.Table(s.ID(), about.TextID)
		if about.TextID != j.Table {
			m.Now = ui.Link{Label: "now " + about.TextID, URL: m.URL}
		}
	case storage.InTrash:
		m.Now = ui.Link{Label: "now in the trash", URL: paths.Trash(s.ID())}
	case storage.Gone:
		m.Now = ui.Link{Label: "no longer exists"}
	}
	return m
}

func transfer(j jobs.Job) string {
	if n := j.Transfer(); n > 0 {
		return ui.Bytes(n)
	}
	return ""
}

func (c *Console) duration(j jobs.Job) string {
	if j.StartedAt.IsZero() {
		return ""
	}
	return ui.Duration(j.Duration(c.app.DB.Now()))
}

func (c *Console) exact(t time.Time) ui.Time { return ui.Exact(t, utc) }

func pretty(raw json.RawMessage) string {
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil || string(raw) == "{}" {
		return ""
	}
	return b.String()
}
