package storage

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/tenancy"
)

// Metadata is a value noted under a key on a bucket, a table or a column. Who notes it
// is its provider: user for people.
type Metadata struct {
	Column    string // "" = of the table or bucket itself
	Field     int64  // the column's, 0 for none; only from TableMetadata
	Provider  string
	Key       string
	Value     string
	ChangedAt time.Time
	ChangedBy string
}

// Limits of metadata.
const (
	metadataKeyMax   = 255    // characters
	metadataValueMax = 10_000 // bytes
	metadataMax      = 500    // on one object
)

// ProviderUser is the provider of what people note.
const ProviderUser = "user"

// object is what metadata is noted on.
type object struct {
	kind   string // bucket, table or column
	id     int64
	field  int64
	textID string // for events
	named  string // for people
}

// objectOf finds a bucket, a table, or a column of a table: whichever the text id names.
func (s *Service) objectOf(tx *db.Tx, scope access.Project, id, column string) (object, error) {
	if _, name := SplitTable(id); name == "" {
		b, err := s.Bucket(tx, scope, id)
		return object{"bucket", b.ID, 0, id, "bucket " + id}, err
	}
	t, err := s.Table(tx, scope, id)
	if err != nil || column == "" {
		return object{"table", t.ID, 0, id, "table " + id}, err
	}
	columns, err := s.Columns(tx, t)
	if err != nil {
		return object{}, err
	}
	for _, c := range columns {
		if c.Name == column {
			return object{"column", t.ID, c.FieldID, id, fmt.Sprintf("column %q of table %s", excerpt(column), id)}, nil
		}
	}
	return object{}, unknownColumn(id, column)
}

func (o object) permission() access.Permission {
	if o.kind == "bucket" {
		return access.BucketsWrite
	}
	return access.TablesWrite
}

// MetadataFilter selects among what is noted on a table and its columns.
type MetadataFilter struct {
	After MetadataCursor
	Limit int
}

// MetadataCursor is a place in that list, which begins with the table itself; the zero
// value is its start.
type MetadataCursor struct {
	Field         int64
	Provider, Key string
}

// TableMetadata lists what is noted on a table and its columns, page by page.
func (s *Service) TableMetadata(tx *db.Tx, t Table, f MetadataFilter) ([]Metadata, error) {
	const fields = "m.provider, m.key, m.value, m.changed_at, m.changed_by FROM metadata m"
	const after = "m.object_id = $1 AND (m.field_id, m.provider, m.key) > ($2, $3, $4)"
	return db.All(tx, func(r db.Row) (Metadata, error) {
		var m Metadata
		return m, r.Scan(&m.Field, db.Null(&m.Column), &m.Provider, &m.Key, &m.Value, db.Time(&m.ChangedAt), &m.ChangedBy)
	}, `SELECT m.field_id, NULL, `+fields+` WHERE m.object_type = 'table' AND `+after+`
		UNION ALL SELECT m.field_id, c.name, `+fields+` JOIN table_columns c ON c.table_id = m.object_id AND c.field_id = m.field_id WHERE m.object_type = 'column' AND `+after+`
		ORDER BY 1, 3, 4`+fmt.Sprintf(" LIMIT %d", f.Limit), t.ID, f.After.Field, f.After.Provider, f.After.Key)
}

// Lengths of what ColumnNotes gives, in characters, and how many notes that are.
const (
	noteMax  = 60
	notesMax = 500
)

// ColumnNotes gives what is noted in few words on the columns of a table, by field.
func (s *Service) ColumnNotes(tx *db.Tx, t Table) (map[int64][]Metadata, error) {
	list, err := db.All(tx, func(r db.Row) (Metadata, error) {
		var m Metadata
		return m, r.Scan(&m.Field, &m.Provider, &m.Key, &m.Value)
	}, `SELECT field_id, provider, key, value FROM metadata WHERE object_type = 'column' AND object_id = $1 AND length(key) <= $2 AND length(value) <= $2
		ORDER BY field_id, provider, key`+fmt.Sprintf(" LIMIT %d", notesMax), t.ID, noteMax)
	out := map[int64][]Metadata{}
	for _, m := range list {
		out[m.Field] = append(out[m.Field], m)
	}
	return out, err
}

// Noted gives what people noted under a key on a table, or on one of its columns by its
// field. NotFound if there is nothing.
func (s *Service) Noted(tx *db.Tx, t Table, field int64, key string) (string, error) {
	o := object{kind: "table", id: t.ID, field: field}
	if field != 0 {
		o.kind = "column"
	}
	return noted(tx, o, Metadata{Provider: ProviderUser, Key: key})
}

func noted(tx *db.Tx, o object, m Metadata) (string, error) {
	return db.Value[string](tx, "SELECT value FROM metadata WHERE object_type = $1 AND object_id = $2 AND field_id = $3 AND provider = $4 AND key = $5",
		o.kind, o.id, o.field, m.Provider, m.Key)
}

// SetMetadata notes a value under a key, and gives the value that was there before; ok
// is false when there was none. Invalid for the key or value; Conflict when there are
// too many; Forbidden without the right to write the bucket or table.
func (s *Service) SetMetadata(tx *db.Tx, scope access.Project, id string, m Metadata) (before string, ok bool, err error) {
	o, err := s.objectOf(tx, scope, id, m.Column)
	if err != nil {
		return "", false, err
	}
	if err := scope.Require(o.permission(), false); err != nil {
		return "", false, err
	}
	var c fault.Check
	for _, part := range []struct{ name, text string }{{"provider", m.Provider}, {"key", m.Key}} {
		c.Field(part.text != "" && strings.TrimSpace(part.text) == part.text && utf8.ValidString(part.text) && !strings.ContainsFunc(part.text, func(r rune) bool { return !unicode.IsPrint(r) }),
			part.name, "Enter a "+part.name+" without spaces at its ends or control characters.")
		c.Field(utf8.RuneCountInString(part.text) <= metadataKeyMax, part.name, "Use at most 255 characters.")
	}
	c.Field(utf8.ValidString(m.Value) && !strings.ContainsRune(m.Value, 0), "value", "Leave out control characters.")
	c.Field(len(m.Value) <= metadataValueMax, "value", "Use at most 10,000 characters.")
	if err := c.Err(); err != nil {
		return "", false, err
	}
	before, err = noted(tx, o, m)
	ok = err == nil
	if err != nil && !fault.Is(err, fault.NotFound) {
		return "", false, err
	}
	if !ok {
		n, err := db.Value[int64](tx, "SELECT count(*) FROM metadata WHERE object_type = $1 AND object_id = $2 AND field_id = $3", o.kind, o.id, o.field)
		if err != nil {
			return "", false, err
		}
		if n >= metadataMax {
			return "", false, fault.Newf(fault.Conflict, "storage.metadata.many", "There are %d keys on %s already.", n, o.named)
		}
	}
	_, err = tx.Exec(`INSERT INTO metadata (object_type, object_id, field_id, provider, key, value, changed_at, changed_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (object_type, object_id, field_id, provider, key) DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at, changed_by = excluded.changed_by`,
		o.kind, o.id, o.field, m.Provider, m.Key, m.Value, tx.Now, scope.Actor().Name)
	if err != nil {
		return "", false, err
	}
	says := fmt.Sprintf("noted %q under %q on %s.", excerpt(m.Value), excerpt(m.Key), o.named)
	if ok {
		says = fmt.Sprintf("changed %q on %s from %q to %q.", excerpt(m.Key), o.named, excerpt(before), excerpt(m.Value))
	}
	return before, ok, s.noted(tx, scope, o, "MetadataSet", m, before, says)
}

// DeleteMetadata removes a key and gives the value that was there. NotFound if there is none.
func (s *Service) DeleteMetadata(tx *db.Tx, scope access.Project, id string, m Metadata) (before string, err error) {
	o, err := s.objectOf(tx, scope, id, m.Column)
	if err != nil {
		return "", err
	}
	if err := scope.Require(o.permission(), false); err != nil {
		return "", err
	}
	before, err = db.Value[string](tx, "DELETE FROM metadata WHERE object_type = $1 AND object_id = $2 AND field_id = $3 AND provider = $4 AND key = $5 RETURNING value",
		o.kind, o.id, o.field, m.Provider, m.Key)
	if err != nil {
		return "", err
	}
	m.Value = ""
	return before, s.noted(tx, scope, o, "MetadataDeleted", m, before,
		fmt.Sprintf("removed %q (%q) from %s.", excerpt(m.Key), excerpt(before), o.named))
}

func (s *Service) noted(tx *db.Tx, scope access.Project, o object, event string, m Metadata, before, says string) error {
	kind := "table"
	if o.kind == "bucket" {
		kind = "bucket"
	}
	e := audit.In(scope, "storage."+o.kind+event, kind, o.textID, o.textID)
	e.Params = map[string]any{"key": m.Key, "provider": m.Provider, "value": []string{before, m.Value}}
	if m.Column != "" {
		e.Params["column"] = m.Column
	}
	if err := audit.Record(tx, e.Says("%s %s", scope.Actor().Name, says)); err != nil {
		return err
	}
	return tenancy.Changed(tx, scope)
}

// DescribeTable changes a table's description, and gives the one that was there.
// NotFound if there is no such table, Invalid for the text.
func (s *Service) DescribeTable(tx *db.Tx, scope access.Project, id, description string) (before string, err error) {
	t, err := s.writable(tx, scope, access.TablesWrite, id)
	if err != nil {
		return "", err
	}
	var c fault.Check
	if err := checkTexts(&c, "", description); err != nil {
		return "", err
	}
	if err := c.Err(); err != nil {
		return "", err
	}
	if t.Description == description {
		return t.Description, nil
	}
	if err := tx.Must("UPDATE tables SET description = $2 WHERE id = $1", t.ID, description); err != nil {
		return "", err
	}
	e := audit.In(scope, "storage.tableUpdated", "table", id, id)
	e.Params = map[string]any{"description": []string{t.Description, description}}
	if err := audit.Record(tx, e.Says("%s changed table %s: %s.", scope.Actor().Name, id, changes("description", t.Description, description))); err != nil {
		return "", err
	}
	return t.Description, tenancy.Changed(tx, scope)
}
