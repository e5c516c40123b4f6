package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/storage/csv"
	"steward/views/paths"
	view "steward/views/storage"
	"steward/views/ui"
	"steward/web/gate"
)

// sampleRows is how many rows of a file are shown before it is loaded.
const sampleRows = 20

// load is the first step: choosing a file. A project without a bucket needs one first.
func (c *Console) load(ec echo.Context, s access.Project) error {
	var some []storage.Bucket
	err := c.view(ec, func(tx *db.Tx) (err error) {
		some, err = c.app.Storage.Buckets(tx, s, storage.BucketFilter{Limit: 1})
		return err
	})
	if err != nil {
		return err
	}
	if len(some) == 0 && s.May(access.BucketsWrite) {
		return c.done(ec, "Make a bucket first: it will hold the table.", paths.BucketNew(s.ID()))
	}
	return c.loadForm(ec, s, http.StatusOK, query(ec, "bucket"), query(ec, "table"), nil)
}

func (c *Console) loadForm(ec echo.Context, s access.Project, status int, bucket, table string, errs ui.Errors) error {
	m := view.Load{StorageURL: paths.Storage(s.ID()), CancelURL: paths.Storage(s.ID()), Action: paths.With(paths.Load(s.ID()), gate.KeyField, key()),
		Bucket: bucket, Table: table, Accept: ".csv,.tsv,.txt,.gz,.zst", Hint: "CSV or TSV in UTF-8, UTF-16 or Windows-1252, plain or compressed with gzip or zstd, up to 5 GB.", Errors: errs}
	err := c.view(ec, func(tx *db.Tx) (err error) { m.Shell, _, err = c.projectShell(ec, tx, s); return err })
	if err != nil {
		return err
	}
	return page(ec, status, view.LoadPage(m))
}

// loadUpload streams the file of a multipart form into storage. The fields bucket and
// table come before it.
func (c *Console) loadUpload(ec echo.Context, s access.Project) error {
	r := ec.Request()
	mr, err := r.MultipartReader()
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "form.multipart", "A file is sent as multipart/form-data.")
	}
	fields := map[string]string{}
	for parts := 0; ; parts++ {
		p, err := mr.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			return c.loadForm(ec, s, http.StatusUnprocessableEntity, fields["bucket"], fields["table"], ui.Errors{"file": "Choose a file."})
		case err != nil || parts > 10:
			return fault.Wrap(err, fault.Invalid, "form.broken", "The upload broke off. Nothing was changed; send the file again.")
		}
		name := p.FormName()
		if name != "file" {
			if name != "bucket" && name != "table" {
				return fault.Newf(fault.Invalid, "form.unknownField", "The form has no field %.60q.", name)
			}
			b, err := io.ReadAll(io.LimitReader(p, 500))
			if err != nil {
				return fault.Wrap(err, fault.Invalid, "form.broken", "The upload broke off. Nothing was changed; send the file again.")
			}
			fields[name] = string(b)
			continue
		}
		if p.FileName() == "" {
			return c.loadForm(ec, s, http.StatusUnprocessableEntity, fields["bucket"], fields["table"], ui.Errors{"file": "Choose a file."})
		}
		f, err := c.app.Storage.Upload(r.Context(), s, p.FileName(), c.patient(ec, s, p))
		if fault.HasCode(err, "storage.files.empty") {
			return c.loadForm(ec, s, http.StatusUnprocessableEntity, fields["bucket"], fields["table"], ui.Errors{"file": "The file is empty. Choose another one."})
		}
		if err != nil {
			return err
		}
		return ec.Redirect(http.StatusSeeOther, paths.With(paths.LoadFile(s.ID(), f.ID), "bucket", fields["bucket"], "table", fields["table"]))
	}
}

// patient reads an upload for as long as it goes on: the connection's deadline moves
// with it, and every few seconds it is asked again whether the sender may still do this.
// A running upload counts as the person's activity.
func (c *Console) patient(ec echo.Context, s access.Project, r io.Reader) io.Reader {
	rc := http.NewResponseController(ec.Response())
	began := time.Now()
	checked, total := began, int64(0)
	return readerFunc(func(p []byte) (int, error) {
		now := time.Now()
		_ = rc.SetReadDeadline(now.Add(30 * time.Second))
		_ = rc.SetWriteDeadline(now.Add(2 * time.Minute))
		n, err := r.Read(p)
		total += int64(n)
		now = time.Now()
		if err != nil {
			_ = rc.SetReadDeadline(time.Time{}) // what comes now is ours, and may take its time
			_ = rc.SetWriteDeadline(time.Time{})
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return n, fault.Wrap(err, fault.Invalid, "form.broken", "The upload broke off. Nothing was changed; send the file again.")
		}
		if taken := now.Sub(began); taken > 30*time.Second && float64(total) < slowest*taken.Seconds() {
			return n, fault.New(fault.Invalid, "form.slow", "The upload is too slow to finish. Nothing was changed; try again on a better connection.")
		}
		if err != nil || now.Sub(checked) > 5*time.Second {
			checked = now
			if _, err := c.stillIn(ec, s, access.TablesWrite, true); err != nil {
				return n, err
			}
		}
		return n, err
	})
}

// slowest is the bytes a second that an upload must have on average.
const slowest = 10 << 10

// stillIn decides again whether the request's actor may do something, and gives what
// they are now.
func (c *Console) stillIn(ec echo.Context, s access.Project, p access.Permission, active bool) (access.Project, error) {
	ctx := ec.Request().Context()
	v := accounts.VisitOf(ctx)
	if err := c.app.Accounts.Alive(ctx, v); err != nil {
		return access.Project{}, err
	}
	now, err := c.gate.Enter(ctx, s.Actor(), s.ID(), p)
	if err != nil || !active {
		return now, err
	}
	return now, c.app.Accounts.Touch(ctx, v)
}

type readerFunc func([]byte) (int, error)

// Read implements io.Reader.
func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// loadCheck is the second step: how the file is read, its first rows, and where they
// will go. Its options are in the address.
func (c *Console) loadCheck(ec echo.Context, s access.Project) error {
	in := map[string]string{}
	for _, k := range checkFields {
		in[k] = query(ec, k)
	}
	in["nulls"] = ec.QueryParam("nulls") // spaces count
	in["key"] = ec.QueryParam("key")
	m, err := c.loadModel(ec, s, in)
	if err != nil {
		return err
	}
	return page(ec, http.StatusOK, view.LoadCheckPage(m.LoadCheck))
}

// check is the page of the second step, with what the load itself needs of it.
type check struct {
	view.LoadCheck
	dialect        csv.Dialect
	dropped, added []string // columns, as far as they are agreed to
	key            []string // of a new table
}

var checkFields = []string{"delimiter", "quotes", "encoding", "header", "empty", "nulls", "nullsQuoted", "badRows", "bucket", "table", "key", "mode", "drop", "add"}

// keyTextMax bounds the names of a new table's key, because the address holds them.
const keyTextMax = 4000

// nullsMax bounds the texts that stand for NULL, because the address holds them.
const nullsMax = 4000

// loadStart enqueues the load.
func (c *Console) loadStart(ec echo.Context, s access.Project) error { return c.loadSend(ec, s, false) }

// fileCheck enqueues a job that reads the whole file as the load would.
func (c *Console) fileCheck(ec echo.Context, s access.Project) error { return c.loadSend(ec, s, true) }

func (c *Console) loadSend(ec echo.Context, s access.Project, only bool) error {
	in, err := form(ec, checkFields...)
	if err != nil {
		return err
	}
	m, err := c.loadModel(ec, s, in)
	if err != nil {
		return err
	}
	file, err := number(ec, "file")
	if err != nil {
		return err
	}
	l := storage.Load{File: file, Bucket: m.Bucket, Table: in["table"], Append: in["mode"] == "append", Dialect: m.dialect, SkipBad: m.BadRows == "skip",
		DropColumns: m.dropped, AddColumns: m.added, Key: m.key}
	start := c.app.Storage.StartCheck
	if !only {
		start = c.app.Storage.StartLoad
		m.refuse(in)
	} else if m.Problem.Message != "" && !m.Problem.Row {
		m.fault("", "The file cannot be read with these options. The banner below says where.")
	}
	var j jobs.Job
	if len(m.Errors) == 0 {
		err = c.update(ec, func(tx *db.Tx) (err error) { j, err = start(tx, s, l); return err })
		if errs, ok := fieldErrors(err); ok {
			m.Errors = errs
		} else if err != nil {
			return err
		}
	}
	if len(m.Errors) > 0 {
		return page(ec, http.StatusUnprocessableEntity, view.LoadCheckPage(m.LoadCheck))
	}
	return ec.Redirect(http.StatusSeeOther, paths.StorageJob(s.ID(), j.ID))
}

// refuse notes what keeps the form from being loaded as it was sent.
func (m *check) refuse(in map[string]string) {
	switch {
	case m.Problem.Message == "":
	case !m.Problem.Row:
		m.fault("", "The file cannot be read with these options. The banner below says where.")
	case m.BadRows != "skip":
		m.fault("", "The file has rows that cannot be read. The banner below says where; choose below to leave them out, or mend the file.")
	}
	for _, ch := range m.Changes {
		if in[ch.Field] != ch.Value {
			m.fault(ch.Field, "Tick this to go on, or choose a file with the columns of the table.")
		}
	}
}

// fault notes an error of a field.
func (m *check) fault(field, message string) {
	if m.Errors == nil {
		m.Errors = ui.Errors{}
	}
	m.Errors[field] = message
}

// loadModel reads the file's beginning with the options given, or finds them out, and
// compares its header with the target.
func (c *Console) loadModel(ec echo.Context, s access.Project, in map[string]string) (check, error) {
	var m check
	id, err := number(ec, "file")
	if err != nil {
		return m, err
	}
	var f storage.File
	err = c.view(ec, func(tx *db.Tx) (err error) { f, err = c.app.Storage.File(tx, s, id); return err })
	if err != nil {
		return m, err
	}
	d, problem, err := c.sample(ec, f, in)
	if err != nil {
		return m, err
	}
	m.dialect = d.Dialect
	m.LoadCheck = view.LoadCheck{CheckURL: paths.LoadFileCheck(s.ID(), id), Nulls: view.Nulls{Texts: d.Dialect.Nulls, Quoted: d.Dialect.NullsQuoted}, BadRows: "stop",
		StorageURL: paths.Storage(s.ID()), URL: paths.LoadFile(s.ID(), id), AgainURL: paths.LoadInto(s.ID(), in["bucket"], in["table"]), Key: key(),
		File: view.LoadFile{Name: f.Name, Size: ui.Bytes(f.Bytes)}, Options: optionsOf(d.Dialect), Problem: problem,
		Bucket: in["bucket"], Table: in["table"], Mode: in["mode"], Note: ui.Count(int64(len(d.Columns)), "column", "columns")}
	if m.Table == "" {
		m.Table = tableName(f.Name)
	}
	if m.Mode != "append" {
		m.Mode = "full"
	}
	if in["badRows"] == "skip" {
		m.BadRows = "skip"
	}
	if len(in["nulls"]) > nullsMax {
		m.fault("nulls", fmt.Sprintf("These texts may have %d bytes together.", nullsMax))
	}
	if e := d.Dialect.Encoding; e != csv.UTF8 {
		m.Converted = "This file is " + e.String() + "; it is converted to UTF-8. Choose another encoding if letters below look wrong."
	}
	for _, r := range d.Rows {
		row := make([]ui.Value, len(r))
		for i, cell := range r {
			row[i] = cut(cell)
		}
		m.Rows = append(m.Rows, row)
	}
	err = c.view(ec, func(tx *db.Tx) error {
		var err error
		if m.Shell, _, err = c.projectShell(ec, tx, s); err != nil {
			return err
		}
		return c.loadTarget(tx, s, &m, d.Columns, in)
	})
	return m, err
}

// sample reads the file's beginning: with the options of the form, or, as long as there
// are none, with those found out, in the form's encoding if it names one.
func (c *Console) sample(ec echo.Context, f storage.File, in map[string]string) (csv.Detection, view.ReadProblem, error) {
	how := storage.Reading{SkipBad: in["badRows"] == "skip"}
	how.Encoding, how.Known = csv.ParseEncoding(in["encoding"])
	if in["delimiter"] != "" {
		d := dialectOf(in)
		how.Dialect = &d
	}
	d, err := c.app.Storage.Sample(ec.Request().Context(), f, how, sampleRows)
	var bad *csv.Error
	if errors.As(err, &bad) {
		d.Problem = bad
		if how.Dialect != nil {
			d.Dialect = *how.Dialect
		} else if d.Dialect.Delimiter == 0 {
			d.Dialect = csv.DefaultDialect()
		}
	} else if err != nil {
		if fault.Is(err, fault.Invalid) || fault.Is(err, fault.TooLarge) {
			return csv.Detection{Dialect: csv.DefaultDialect()}, view.ReadProblem{Message: fault.Of(err).Message}, nil
		}
		return d, view.ReadProblem{}, err
	}
	var p view.ReadProblem
	if d.Problem != nil {
		p = view.ReadProblem{Row: d.Skippable(), Message: d.Problem.Message, Found: d.Problem.Found, Column: d.Problem.Name}
		if d.Problem.Line > 0 {
			p.Line = ui.Number(d.Problem.Line)
		}
		if p.Column == "" && d.Problem.Column > 0 {
			p.Column = itoa(int64(d.Problem.Column))
		}
		if d.Rejected > 0 {
			p.Skipped = ui.Count(d.Rejected, "row", "rows")
		}
	}
	return d, p, nil
}

// loadTarget fills what depends on the bucket and table that the rows would go into.
func (c *Console) loadTarget(tx *db.Tx, s access.Project, m *check, header []string, in map[string]string) error {
	buckets, err := c.app.Storage.Buckets(tx, s, storage.BucketFilter{Limit: 500})
	if err != nil {
		return err
	}
	for _, b := range buckets {
		m.Buckets = append(m.Buckets, ui.Option{Value: b.TextID, Label: b.TextID})
	}
	if len(buckets) == 0 {
		m.Errors = ui.Errors{"bucket": "There is no bucket yet. Make one first."}
		return nil
	}
	if m.Bucket == "" {
		m.Bucket = buckets[0].TextID
	}
	plan, err := c.app.Storage.PlanLoad(tx, s, m.Bucket, m.Table, header)
	if err != nil {
		return err
	}
	if !plan.Exists {
		m.Tables, err = c.app.Storage.TableNames(tx, s, m.Bucket, 200)
		if fault.Is(err, fault.NotFound) {
			m.Errors = ui.Errors{"bucket": "There is no such bucket. Choose another one."}
			return nil
		}
		if err != nil {
			return err
		}
	}
	if !slices.ContainsFunc(buckets, func(b storage.Bucket) bool { return b.TextID == m.Bucket }) {
		m.Buckets = append(m.Buckets, ui.Option{Value: m.Bucket, Label: m.Bucket})
	}
	m.Modes, m.TakesKey = loadModes(plan, m.Table), !plan.Exists
	if m.TakesKey && in["key"] != "" {
		m.chooseKey(in["key"], header)
	}
	for _, name := range header {
		col := view.LoadColumn{Name: name}
		if plan.Exists {
			col.Note, col.New = "matches", slices.Contains(plan.New, name)
			if col.New {
				col.Note = "new column"
			}
		}
		m.Columns = append(m.Columns, col)
	}
	columnChanges(m, plan, in)
	return nil
}

// chooseKey reads the primary key of a new table: names of the file's columns, one a line.
func (m *check) chooseKey(text string, header []string) {
	m.KeyColumns = text
	if len(text) > keyTextMax {
		m.fault("key", "These are too many names. Choose the key on the table's settings after the load.")
		return
	}
	for name := range strings.SplitSeq(strings.ReplaceAll(text, "\r", ""), "\n") {
		name = strings.TrimSpace(name)
		switch {
		case name == "":
		case !slices.Contains(header, name):
			m.fault("key", fmt.Sprintf("The file has no column %.100q.", name))
		case slices.Contains(m.key, name):
			m.fault("key", fmt.Sprintf("Column %.100q stands there twice.", name))
		default:
			m.key = append(m.key, name)
		}
	}
}

func loadModes(p storage.Plan, table string) []ui.Choice {
	if !p.Exists {
		return []ui.Choice{{Value: "full", Label: "Make a new table", Text: table + " does not exist yet. The rows of the file become its first version."}}
	}
	replace := ui.Choice{Value: "full", Label: "Replace all rows", Text: fmt.Sprintf("The %s of %s go, the rows of the file come.", ui.Count(p.Table.Rows, "row", "rows"), p.Table.TextID)}
	if len(p.Key) == 0 {
		return []ui.Choice{replace, {Value: "append", Label: "Add the rows", Text: "The rows of the file come after those that are there."}}
	}
	replace.Text += " Of rows with the same primary key the last one counts."
	return []ui.Choice{replace, {Value: "append", Label: "Add and change rows",
		Text: fmt.Sprintf("Rows whose primary key (%s) is there already are changed, the others are added. Rows that are the same stay untouched.", strings.Join(p.Key, ", "))}}
}

// columnChanges says which columns a load would drop or add. Replacing the rows asks for
// a tick that names them; adding rows refuses to lose a column and takes new ones.
func columnChanges(m *check, p storage.Plan, in map[string]string) {
	if !p.Exists || len(m.Columns) == 0 {
		return
	}
	if m.Mode == "append" {
		if len(p.Missing) > 0 {
			m.Errors = ui.Errors{"mode": "Rows can be added only with every column of the table. The file lacks: " + strings.Join(p.Missing, ", ") + "."}
		}
		return
	}
	if i := slices.IndexFunc(p.Key, func(name string) bool { return slices.Contains(p.Missing, name) }); i >= 0 {
		m.fault("mode", fmt.Sprintf("The file lacks column %q of the primary key. Choose another file, or remove the key first.", p.Key[i]))
	}
	for _, ch := range []struct {
		field, says, does string
		names             []string
	}{{"drop", "The file lacks %s of the table.", "Drop these columns and their values: ", p.Missing}, {"add", "The file has %s that the table does not.", "Add these columns: ", p.New}} {
		if len(ch.names) == 0 {
			continue
		}
		value := tick(ch.names)
		m.Changes = append(m.Changes, view.ColumnChange{Field: ch.field, Value: value, Required: true, Checked: in[ch.field] == value,
			Message: fmt.Sprintf(ch.says, ui.Count(int64(len(ch.names)), "column", "columns")), Label: ch.does + strings.Join(ch.names, ", ")})
	}
	for _, ch := range m.Changes {
		switch {
		case !ch.Checked:
		case ch.Field == "drop":
			m.dropped = p.Missing
		default:
			m.added = p.New
		}
	}
}

// tableName makes a table's name of a file's.
func tableName(file string) string {
	for _, ext := range []string{".gz", ".zst", ".csv", ".tsv", ".txt"} {
		if len(file) > len(ext) && strings.EqualFold(file[len(file)-len(ext):], ext) {
			file = file[:len(file)-len(ext)]
		}
	}
	name := strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, file), "_-")
	name = name[:min(len(name), storage.NameMax)]
	if name == "" {
		return "table"
	}
	return name
}

// cut is a cell of the sample, cut to what a page can show.
func cut(cell csv.Cell) ui.Value {
	v := ui.Value{Text: cell.Value, Null: cell.Null}
	if len(v.Text) > 16_000 {
		v.Cut = "Only the first 16 kB are shown."
		v.Text = strings.ToValidUTF8(v.Text[:16_000], "")
	}
	return v
}

var delimiters = []ui.Option{{Value: "comma", Label: "Comma ( , )"}, {Value: "semicolon", Label: "Semicolon ( ; )"}, {Value: "tab", Label: "Tab"}, {Value: "pipe", Label: "Pipe ( | )"}}

const delimiterBytes = ",;\t|"

var quoteOptions = []ui.Option{{Value: "double", Label: `Double quote ( " )`}, {Value: "single", Label: "Single quote ( ' )"}, {Value: "backslash", Label: `None, escape with \`}, {Value: "none", Label: "None"}}

var headerOptions = []ui.Option{{Value: "yes", Label: "Column names"}, {Value: "no", Label: "Data"}}

var emptyOptions = []ui.Option{{Value: "distinct", Label: "Null, unless quoted"}, {Value: "null", Label: "Null, even if quoted"}, {Value: "text", Label: "Empty text"}}

var empties = map[string]csv.Empty{"distinct": csv.EmptyDistinct, "null": csv.EmptyNull, "text": csv.EmptyText}

var encodingOptions = []ui.Option{{Value: "utf-8", Label: "UTF-8"}, {Value: "windows-1252", Label: "Windows-1252"}, {Value: "utf-16le", Label: "UTF-16 (little-endian)"}, {Value: "utf-16be", Label: "UTF-16 (big-endian)"}}

// dialectOf reads the options of the form; unknown values fall back to the usual ones.
func dialectOf(in map[string]string) csv.Dialect {
	d := csv.DefaultDialect()
	if i := slices.IndexFunc(delimiters, func(x ui.Option) bool { return x.Value == in["delimiter"] }); i >= 0 {
		d.Delimiter = delimiterBytes[i]
	}
	switch in["quotes"] {
	case "single":
		d.Enclosure = '\''
	case "backslash":
		d.Enclosure, d.Escape = 0, '\\'
	case "none":
		d.Enclosure = 0
	}
	d.Encoding, _ = csv.ParseEncoding(in["encoding"])
	d.Header = in["header"] != "no"
	d.Empty = empties[in["empty"]]
	d.Nulls = nullTexts(in["nulls"])
	d.NullsQuoted = in["nullsQuoted"] == "yes"
	return d
}

// nullTexts are the lines of a text field that have something on them.
func nullTexts(field string) string {
	lines := strings.Split(strings.ReplaceAll(field, "\r\n", "\n"), "\n")
	return strings.Join(slices.DeleteFunc(lines, func(s string) bool { return s == "" }), "\n")
}

// optionFields are the fields of the form that asks for a load.
func optionFields(l storage.Load) []view.JobField {
	o, mode, bad := optionsOf(l.Dialect), "full", "stop"
	if l.Append {
		mode = "append"
	}
	if l.SkipBad {
		bad = "skip"
	}
	out := []view.JobField{{Name: "delimiter", Value: o.Delimiter.Value}, {Name: "quotes", Value: o.Quotes.Value}, {Name: "encoding", Value: o.Encoding.Value},
		{Name: "header", Value: o.Header.Value}, {Name: "empty", Value: o.Empty.Value}, {Name: "nulls", Value: l.Dialect.Nulls},
		{Name: "bucket", Value: l.Bucket}, {Name: "table", Value: l.Table}, {Name: "mode", Value: mode}, {Name: "badRows", Value: bad}}
	if l.Dialect.NullsQuoted {
		out = append(out, view.JobField{Name: "nullsQuoted", Value: "yes"})
	}
	if len(l.Key) > 0 {
		out = append(out, view.JobField{Name: "key", Value: strings.Join(l.Key, "\n")})
	}
	if len(l.DropColumns) > 0 {
		out = append(out, view.JobField{Name: "drop", Value: tick(l.DropColumns)})
	}
	if len(l.AddColumns) > 0 {
		out = append(out, view.JobField{Name: "add", Value: tick(l.AddColumns)})
	}
	return out
}

// tick is what a box sends that agrees to a change of these columns.
func tick(names []string) string {
	b, err := json.Marshal(names)
	if err != nil { // texts always encode
		panic(err)
	}
	return string(b)
}

func optionsOf(d csv.Dialect) view.ReadOptions {
	o := view.ReadOptions{
		Delimiter: view.Choice{Value: "comma", Options: delimiters}, Quotes: view.Choice{Value: "double", Options: quoteOptions},
		Encoding: view.Choice{Value: d.Encoding.Name(), Options: encodingOptions}, Header: view.Choice{Value: "yes", Options: headerOptions}, Empty: view.Choice{Value: "distinct", Options: emptyOptions},
	}
	if i := strings.IndexByte(delimiterBytes, d.Delimiter); i >= 0 {
		o.Delimiter.Value = delimiters[i].Value
	}
	switch {
	case d.Escape != 0:
		o.Quotes.Value = "backslash"
	case d.Enclosure == 0:
		o.Quotes.Value = "none"
	case d.Enclosure == '\'':
		o.Quotes.Value = "single"
	}
	if !d.Header {
		o.Header.Value = "no"
	}
	for name, e := range empties {
		if e == d.Empty {
			o.Empty.Value = name
		}
	}
	return o
}
