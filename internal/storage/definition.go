package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage/csv"
	"steward/internal/storage/engine"
)

// Limits of a definition.
const (
	columnsMax    = 4096
	namesMax      = csv.MaxHeader // bytes of all names as a header, so that an export can be loaded again
	columnNameMax = 300           // characters
	keyMax        = 32            // columns of a primary key
)

// Definition is what an empty table is made from.
type Definition struct {
	Bucket      string
	Name        string
	Columns     []string
	Key         []string
	Description string
}

// CreateTable enqueues the job that makes an empty table. Invalid for its names, columns
// or key, Conflict for a name that is taken, Forbidden without the right to write tables.
func (s *Service) CreateTable(tx *db.Tx, scope access.Project, d Definition) (jobs.Job, error) {
	if err := scope.Require(access.TablesWrite, false); err != nil {
		return jobs.Job{}, err
	}
	var c fault.Check
	if err := c.Join(CheckName("table", d.Name)); err != nil {
		return jobs.Job{}, err
	}
	c.Field(len(d.Columns) > 0, "columns", "Name at least one column.")
	c.Field(len(d.Columns) <= columnsMax, "columns", "A table has at most 4,096 columns.")
	c.Field(namesSize(d.Columns) <= namesMax, "columns", "The names of all columns together are over 64 KiB.")
	c.Field(len(d.Key) <= keyMax, "key", "A primary key has at most 32 columns.")
	if err := c.Err(); err != nil { // what follows takes the longer the more there are
		return jobs.Job{}, err
	}
	for i, name := range d.Columns {
		if problem := columnProblem(name); problem != "" {
			c.Field(false, "columns", fmt.Sprintf("Column %d: %s", i+1, problem))
			break
		}
		if slices.Contains(d.Columns[:i], name) {
			c.Field(false, "columns", fmt.Sprintf("The name %q stands there twice.", excerpt(name)))
			break
		}
	}
	for i, name := range d.Key {
		c.Field(slices.Contains(d.Columns, name), "key", fmt.Sprintf("The key names %q, which is no column.", excerpt(name)))
		c.Field(!slices.Contains(d.Key[:i], name), "key", fmt.Sprintf("The key names %q twice.", excerpt(name)))
	}
	if err := checkTexts(&c, "", d.Description); err != nil {
		return jobs.Job{}, err
	}
	if err := c.Err(); err != nil {
		return jobs.Job{}, err
	}
	if err := s.free(tx, scope, d.Bucket, d.Name); err != nil {
		return jobs.Job{}, err
	}
	id := d.Bucket + "." + d.Name
	p := definitionParams{d.Bucket, d.Name, d.Columns, orEmpty(d.Key), d.Description}
	return s.enqueue(tx, scope, TableDefinitionCreate, id, p, fmt.Sprintf("make the empty table %s", id))
}

type definitionParams struct {
	Bucket      string   `json:"bucket"`
	Name        string   `json:"name"`
	Columns     []string `json:"columns"`
	Key         []string `json:"primaryKey"`
	Description string   `json:"description,omitempty"`
}

// columnProblem says what is wrong with a column's name, "" for a good one.
func columnProblem(name string) string {
	switch {
	case strings.TrimSpace(name) == "":
		return "the name is empty."
	case !utf8.ValidString(name):
		return "the name is not valid UTF-8."
	case utf8.RuneCountInString(name) > columnNameMax:
		return "the name has more than 300 characters."
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "the name has a character that cannot be printed."
	case engine.Reserved(name):
		return fmt.Sprintf("the name %s is one of Steward's own. Choose another one.", name)
	}
	return ""
}

// RunDefinition is the work of making an empty table.
func (s *Service) RunDefinition(ctx context.Context, run *jobs.Run) error {
	var p definitionParams
	if err := decode(run.Job, &p); err != nil {
		return err
	}
	return creation{
		stage: func(ctx context.Context, folder string) (*engine.Staged, error) {
			return s.engine.Create(ctx, engine.Create{Folder: folder, Columns: p.Columns, Job: run.Job.ID})
		},
		key: p.Key, description: p.Description, event: "tableCreated",
		says: func(t Table) string {
			return fmt.Sprintf("created table %s with %d columns and no rows", t.TextID, len(p.Columns))
		},
	}.run(ctx, s, run)
}

// columnParams is a change of one column as a job keeps and shows it.
type columnParams struct {
	Column string `json:"column"`
	To     string `json:"newName,omitempty"`
}

// AddColumn enqueues the job that adds a column, in which no row has a value.
func (s *Service) AddColumn(tx *db.Tx, scope access.Project, table, name string) (jobs.Job, error) {
	columns, err := s.alterable(tx, scope, table)
	if err != nil {
		return jobs.Job{}, err
	}
	if err := newColumn(columns, "column", name); err != nil {
		return jobs.Job{}, err
	}
	return s.enqueue(tx, scope, TableColumnAdd, table, columnParams{Column: name}, fmt.Sprintf("add column %q to table %s", excerpt(name), table))
}

// RenameColumn enqueues the job that gives a column another name; its values stay.
func (s *Service) RenameColumn(tx *db.Tx, scope access.Project, table, name, to string) (jobs.Job, error) {
	columns, err := s.alterable(tx, scope, table)
	if err != nil {
		return jobs.Job{}, err
	}
	if !hasColumn(columns, name) {
		return jobs.Job{}, unknownColumn(table, name)
	}
	if err := newColumn(columns, "name", to); err != nil {
		return jobs.Job{}, err
	}
	return s.enqueue(tx, scope, TableColumnRename, table, columnParams{name, to}, fmt.Sprintf("rename column %q of table %s to %q", excerpt(name), table, excerpt(to)))
}

// DropColumn enqueues the job that drops a column with its values. Conflict for the
// last column, and for one that the primary key needs.
func (s *Service) DropColumn(tx *db.Tx, scope access.Project, table, name string) (jobs.Job, error) {
	columns, err := s.alterable(tx, scope, table)
	if err != nil {
		return jobs.Job{}, err
	}
	if err := droppable(columns, table, name); err != nil {
		return jobs.Job{}, err
	}
	return s.enqueue(tx, scope, TableColumnDelete, table, columnParams{Column: name}, fmt.Sprintf("drop column %q of table %s", excerpt(name), table))
}

func droppable(columns []Column, table, name string) error {
	switch {
	case !hasColumn(columns, name):
		return unknownColumn(table, name)
	case len(columns) == 1:
		return fault.New(fault.Conflict, "storage.tables.lastColumn", "A table needs a column. Drop the table instead.")
	case slices.Contains(KeyOf(columns), name):
		return fault.Newf(fault.Conflict, "storage.tables.keyColumn", "Column %q is part of the primary key. Remove the key first.", excerpt(name))
	}
	return nil
}

// alterable gives the columns of a table that the actor may change.
func (s *Service) alterable(tx *db.Tx, scope access.Project, table string) ([]Column, error) {
	t, err := s.writable(tx, scope, access.TablesWrite, table)
	if err != nil {
		return nil, err
	}
	return s.Columns(tx, t)
}

func newColumn(columns []Column, field, name string) error {
	problem := columnProblem(name)
	switch {
	case problem != "":
		problem = "Choose another name: " + problem
	case hasColumn(columns, name):
		problem = "The table has a column of this name already."
	case len(columns) >= columnsMax:
		problem = "A table has at most 4,096 columns."
	case namesSize(append(names(columns), name)) > namesMax:
		problem = "The names of all columns together would be over 64 KiB."
	default:
		return nil
	}
	return &fault.Error{Kind: fault.Invalid, Code: "storage.tables.column", Message: problem, Fields: []fault.Field{{Name: field, Message: problem}}}
}

// namesSize is the bytes of a header line of some names.
func namesSize(names []string) (bytes int) {
	for _, name := range names {
		bytes += len(name) + strings.Count(name, `"`) + len(`"",`)
	}
	return bytes
}

func names(columns []Column) (list []string) {
	for _, c := range columns {
		list = append(list, c.Name)
	}
	return list
}

func hasColumn(columns []Column, name string) bool {
	return slices.ContainsFunc(columns, func(c Column) bool { return c.Name == name })
}

func unknownColumn(table, name string) error {
	return fault.Newf(fault.NotFound, "storage.tables.unknownColumn", "Table %s has no column %q.", table, excerpt(name))
}

// RunAlter is the work of adding, renaming and dropping a column.
func (s *Service) RunAlter(ctx context.Context, run *jobs.Run) error {
	var p columnParams
	if err := decode(run.Job, &p); err != nil {
		return err
	}
	a := engine.Alter{Job: run.Job.ID}
	c := change{event: "tableColumnAdded"}
	switch run.Job.Operation {
	case TableColumnAdd:
		a.Add = []string{p.Column}
		c.says = func(_, t Table, _ *engine.Staged) string {
			return fmt.Sprintf("added column %q to table %s", p.Column, t.TextID)
		}
	case TableColumnRename:
		a.Rename = map[string]string{p.Column: p.To}
		c.event = "tableColumnRenamed"
		c.says = func(_, t Table, _ *engine.Staged) string {
			return fmt.Sprintf("renamed column %q of table %s to %q", p.Column, t.TextID, p.To)
		}
	default:
		a.Drop = []string{p.Column}
		c.event = "tableColumnDropped"
		c.says = func(_, t Table, _ *engine.Staged) string {
			return fmt.Sprintf("dropped column %q of table %s", p.Column, t.TextID)
		}
	}
	c.key = keepKey
	c.stage = func(ctx context.Context, t Table) (*engine.Staged, error) {
		if run.Job.Operation == TableColumnDelete { // asked again: the key may have come since
			err := s.db.View(ctx, func(tx *db.Tx) error {
				columns, err := s.Columns(tx, t)
				if err != nil {
					return err
				}
				return droppable(columns, t.TextID, p.Column)
			})
			if err != nil {
				return nil, err
			}
		}
		a.Folder, a.Base = t.Folder, t.Location
		st, err := s.engine.Alter(ctx, a)
		if errors.Is(err, engine.ErrColumnExists) {
			return nil, fault.Wrap(err, fault.Conflict, "storage.tables.column", "The table has a column of this name already.")
		}
		return st, err
	}
	return c.run(ctx, s, run)
}

// keepKey follows the columns of a primary key to their names after a change.
func keepKey(before []Column, after []engine.Column) []string {
	var key []string
	for _, name := range KeyOf(before) {
		i := slices.IndexFunc(before, func(c Column) bool { return c.Name == name })
		k := slices.IndexFunc(after, func(c engine.Column) bool { return int64(c.ID) == before[i].FieldID })
		if k >= 0 {
			key = append(key, after[k].Name)
		}
	}
	return key
}

// KeyOf gives the names of a primary key's columns in its order.
func KeyOf(columns []Column) []string {
	var key []Column
	for _, c := range columns {
		if c.Key > 0 {
			key = append(key, c)
		}
	}
	slices.SortFunc(key, func(a, b Column) int { return int(a.Key - b.Key) })
	var names []string
	for _, c := range key {
		names = append(names, c.Name)
	}
	return names
}

// keyParams is a primary key as a job keeps and shows it.
type keyParams struct {
	Columns []string `json:"columns"`
}

// AddKey enqueues the job that gives a table a primary key. It fails, listing them,
// when rows have the same one. Conflict when the table has a key.
func (s *Service) AddKey(tx *db.Tx, scope access.Project, table string, key []string) (jobs.Job, error) {
	columns, err := s.alterable(tx, scope, table)
	if err != nil {
		return jobs.Job{}, err
	}
	var c fault.Check
	c.Field(len(key) > 0, "key", "Choose at least one column.")
	c.Field(len(key) <= keyMax, "key", "A primary key has at most 32 columns.")
	if err := c.Err(); err != nil {
		return jobs.Job{}, err
	}
	for i, name := range key {
		c.Field(hasColumn(columns, name), "key", fmt.Sprintf("The table has no column %q.", excerpt(name)))
		c.Field(!slices.Contains(key[:i], name), "key", fmt.Sprintf("Column %q is chosen twice.", excerpt(name)))
	}
	if err := c.Err(); err != nil {
		return jobs.Job{}, err
	}
	if err := keyless(Table{TextID: table}, columns); err != nil {
		return jobs.Job{}, err
	}
	return s.enqueue(tx, scope, TableKeyAdd, table, keyParams{key}, fmt.Sprintf("make %s the primary key of table %s", strings.Join(key, ", "), table))
}

// DropKey enqueues the job that takes a table's primary key away; rows and columns stay.
func (s *Service) DropKey(tx *db.Tx, scope access.Project, table string) (jobs.Job, error) {
	columns, err := s.alterable(tx, scope, table)
	if err != nil {
		return jobs.Job{}, err
	}
	if err := keyed(Table{TextID: table}, columns); err != nil {
		return jobs.Job{}, err
	}
	return s.enqueue(tx, scope, TableKeyDelete, table, keyParams{KeyOf(columns)}, fmt.Sprintf("remove the primary key of table %s", table))
}

// keyless is Conflict when a table has a primary key.
func keyless(t Table, columns []Column) error {
	if len(KeyOf(columns)) > 0 {
		return fault.Newf(fault.Conflict, "storage.tables.key", "Table %s has a primary key already. Remove it first.", t.TextID)
	}
	return nil
}

// keyed is Conflict when a table has no primary key.
func keyed(t Table, columns []Column) error {
	if len(KeyOf(columns)) == 0 {
		return fault.Newf(fault.Conflict, "storage.tables.key", "Table %s has no primary key.", t.TextID)
	}
	return nil
}

// duplicatesShown is how many keys a refused primary key is explained with.
const duplicatesShown = 10

// RunKey is the work of giving a table a primary key, and of taking it away.
func (s *Service) RunKey(ctx context.Context, run *jobs.Run) error {
	var p keyParams
	if err := decode(run.Job, &p); err != nil {
		return err
	}
	if run.Job.Operation == TableKeyDelete {
		return change{
			fits: keyed,
			key:  func([]Column, []engine.Column) []string { return nil }, event: "tablePrimaryKeyRemoved",
			says: func(_, t Table, _ *engine.Staged) string {
				return fmt.Sprintf("removed the primary key of table %s", t.TextID)
			},
		}.run(ctx, s, run)
	}
	return change{
		stage: func(ctx context.Context, t Table) (*engine.Staged, error) {
			v, err := s.engine.Open(ctx, t.Location)
			if err != nil {
				return nil, err
			}
			defer func() { _ = v.Close() }()
			d, err := v.Duplicates(ctx, p.Columns, duplicatesShown)
			if err != nil {
				return nil, err
			}
			if d.Keys > 0 {
				return nil, duplicateFault(t, p.Columns, d)
			}
			return unchanged(t), nil
		},
		fits: keyless,
		key:  func([]Column, []engine.Column) []string { return p.Columns }, event: "tablePrimaryKeyAdded",
		says: func(_, t Table, _ *engine.Staged) string {
			return fmt.Sprintf("made %s the primary key of table %s", strings.Join(p.Columns, ", "), t.TextID)
		},
	}.run(ctx, s, run)
}

// duplicateFault says of a key that is refused which values stand more than once, one in
// a line.
func duplicateFault(t Table, key []string, d engine.Duplicates) error {
	quoted := make([]string, len(key))
	for i, name := range key {
		quoted[i] = fmt.Sprintf("%q", excerpt(name))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "The primary key of table %s cannot be %s: %s. %s too many.", t.TextID, strings.Join(quoted, ", "),
		counted(d.Keys, "value stands in more than one row", "values stand in more than one row each"), counted(d.Excess, "row is", "rows are"))
	for _, x := range d.Examples {
		var cells []string
		for _, c := range x.Key {
			if c.Null {
				cells = append(cells, "no value")
			} else {
				cells = append(cells, fmt.Sprintf("%q", excerpt(c.Value)))
			}
		}
		fmt.Fprintf(&b, "\n%s: %d rows", strings.Join(cells, ", "), x.Rows)
	}
	if n := d.Keys - int64(len(d.Examples)); n > 0 && len(d.Examples) > 0 {
		fmt.Fprintf(&b, "\nand %d more", n)
	}
	return fault.New(fault.Conflict, "storage.tables.duplicates", b.String())
}

func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
