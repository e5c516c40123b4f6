// Package storage is the data of a project: buckets of tables, uploaded files, and the
// jobs that change them. Rows live in the table engine (engine/), bytes in the blob
// store (blob/); the database holds which version of which table is current.
package storage

import (
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage/blob"
	"steward/internal/storage/engine"
	"steward/internal/tenancy"
)

// Service is the storage of an installation. It is safe for concurrent use.
type Service struct {
	db     *db.DB
	jobs   *jobs.Service
	blobs  *blob.Local
	engine *engine.Engine
	reads  *audit.Buffer
	log    *slog.Logger
}

// New makes the service.
func New(d *db.DB, j *jobs.Service, b *blob.Local, e *engine.Engine, reads *audit.Buffer, log *slog.Logger) *Service {
	return &Service{d, j, b, e, reads, log}
}

// Stage is the half of storage that a bucket is in: data that comes in, data that goes
// out.
type Stage string

// The stages.
const (
	In  Stage = "in"
	Out Stage = "out"
)

// Bucket holds tables. Its text id is in.c-name or out.c-name.
type Bucket struct {
	ID           int64
	Stage        Stage
	Name         string // with its c- prefix
	TextID       string
	DisplayName  string
	Description  string
	SourceBucket int64 // of a linked bucket
	Tables       int64
	Rows         int64
	Bytes        int64
	CreatedAt    time.Time
	CreatedBy    string
	ChangedAt    time.Time
}

// NewBucket is what a bucket is made from. Name comes without its prefix.
type NewBucket struct {
	Stage       Stage
	Name        string
	DisplayName string
	Description string
}

// BucketPatch is what may change about a bucket.
type BucketPatch struct {
	DisplayName string
	Description string
}

// NameMax is how many characters the name of a bucket or table has at most.
const NameMax = 96

const descriptionMax = 10_000

var nameForm = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// CheckName is Invalid unless a name can stand in a text id: letters, digits, dashes
// and underscores, 96 at most. field names the input in the error.
func CheckName(field, name string) error {
	var c fault.Check
	switch {
	case name == "":
		c.Field(false, field, "Enter a name.")
	case !nameForm.MatchString(name):
		c.Field(false, field, "Use only letters, digits, - and _.")
	case len(name) > NameMax:
		c.Field(false, field, fmt.Sprintf("Use at most %d characters.", NameMax))
	}
	return c.Err()
}

func checkTexts(c *fault.Check, display, description string) error {
	if display != "" {
		if err := c.Join(accounts.CheckName("displayName", "a display name", display)); err != nil {
			return err
		}
	}
	c.Field(utf8.ValidString(description) && !strings.ContainsRune(description, 0), "description", "Leave out control characters.")
	c.Field(len(description) <= descriptionMax, "description", "Use at most 10,000 characters.")
	return nil
}

// CreateBucket makes an empty bucket. Invalid for its names, Conflict when the id is
// taken, Forbidden without the right to write buckets.
func (s *Service) CreateBucket(tx *db.Tx, scope access.Project, n NewBucket) (Bucket, error) {
	if err := scope.Require(access.BucketsWrite, false); err != nil {
		return Bucket{}, err
	}
	var c fault.Check
	c.Field(n.Stage == In || n.Stage == Out, "stage", "Choose in or out.")
	name := strings.TrimPrefix(n.Name, "c-")
	if err := c.Join(CheckName("name", name)); err != nil {
		return Bucket{}, err
	}
	if err := checkTexts(&c, n.DisplayName, n.Description); err != nil {
		return Bucket{}, err
	}
	if err := c.Err(); err != nil {
		return Bucket{}, err
	}
	id, err := tx.NewID("buckets")
	if err != nil {
		return Bucket{}, err
	}
	text := string(n.Stage) + ".c-" + name
	_, err = tx.Exec(`INSERT INTO buckets (id, project_id, branch_id, stage, name, text_id, search, display_name, description,
		tables_count, rows_count, size_bytes, created_at, created_by, changed_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, 0, $10, $11, $10)`,
		id, scope.ID(), scope.Branch(), string(n.Stage), "c-"+name, text, search(text, n.DisplayName), n.DisplayName, n.Description, tx.Now, scope.Actor().UserID)
	if fault.HasCode(err, "db.unique") {
		return Bucket{}, &fault.Error{Kind: fault.Conflict, Code: "storage.buckets.alreadyExists", Message: fmt.Sprintf("There is a bucket %s already.", text),
			Fields: []fault.Field{{Name: "name", Message: fmt.Sprintf("There is a bucket %s already. Choose another name.", text)}}}
	}
	if err != nil {
		return Bucket{}, err
	}
	if err := tenancy.Changed(tx, scope); err != nil {
		return Bucket{}, err
	}
	e := audit.In(scope, "storage.bucketCreated", "bucket", text, text)
	if err := audit.Record(tx, e.Says("%s created bucket %s.", scope.Actor().Name, text)); err != nil {
		return Bucket{}, err
	}
	return s.Bucket(tx, scope, text)
}

// UpdateBucket changes a bucket's display name and description. NotFound if there is
// no such bucket, Invalid for the texts, Forbidden without the right to write buckets.
func (s *Service) UpdateBucket(tx *db.Tx, scope access.Project, id string, p BucketPatch) (Bucket, error) {
	if err := scope.Require(access.BucketsWrite, false); err != nil {
		return Bucket{}, err
	}
	old, err := s.Bucket(tx, scope, id)
	if err != nil {
		return Bucket{}, err
	}
	var c fault.Check
	if err := checkTexts(&c, p.DisplayName, p.Description); err != nil {
		return Bucket{}, err
	}
	if err := c.Err(); err != nil {
		return Bucket{}, err
	}
	if old.DisplayName == p.DisplayName && old.Description == p.Description {
		return old, nil
	}
	if err := tx.Must("UPDATE buckets SET display_name = $3, description = $4, search = $5, changed_at = $6 WHERE project_id = $1 AND id = $2",
		scope.ID(), old.ID, p.DisplayName, p.Description, search(id, p.DisplayName), tx.Now); err != nil {
		return Bucket{}, err
	}
	e := audit.In(scope, "storage.bucketUpdated", "bucket", id, id)
	e.Params = map[string]any{"displayName": []string{old.DisplayName, p.DisplayName}, "description": []string{old.Description, p.Description}}
	if err := audit.Record(tx, e.Says("%s changed bucket %s: %s.", scope.Actor().Name, id,
		changes("display name", old.DisplayName, p.DisplayName, "description", old.Description, p.Description))); err != nil {
		return Bucket{}, err
	}
	return s.Bucket(tx, scope, id)
}

// changes says what changed from what to what; triples of name, old and new.
func changes(triples ...string) string {
	var parts []string
	for i := 0; i+2 < len(triples); i += 3 {
		if from, to := triples[i+1], triples[i+2]; from != to {
			parts = append(parts, fmt.Sprintf("%s from %q to %q", triples[i], excerpt(from), excerpt(to)))
		}
	}
	return strings.Join(parts, ", ")
}

func excerpt(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}

func search(texts ...string) string { return strings.ToLower(strings.Join(texts, "\n")) }

// Bucket finds a bucket of the scope's branch by its text id. NotFound if there is none.
func (s *Service) Bucket(tx *db.Tx, scope access.Project, id string) (Bucket, error) {
	if err := scope.Require(access.StorageRead, false); err != nil {
		return Bucket{}, err
	}
	return db.One(tx, scanBucket, "SELECT "+bucketColumns+" WHERE b.project_id = $1 AND b.branch_id = $2 AND b.text_id = $3 AND b.deleted_at IS NULL", scope.ID(), scope.Branch(), id)
}

// readable joins a bucket, b, to the tables that reading it shows, t: its own, or those
// of the source of a linked bucket. Every read of a bucket's content goes through here;
// writes never do.
const readable = "buckets b JOIN tables t ON t.bucket_id = COALESCE(b.source_bucket_id, b.id)"

// BucketFilter selects buckets. Zero fields select all.
type BucketFilter struct {
	Search string // part of an id, a display name, or of a table's name
	Stage  Stage
	After  string // text id of the last one seen
	Limit  int
}

// Buckets lists the buckets of the scope's branch by text id. Forbidden without the
// right to read storage.
func (s *Service) Buckets(tx *db.Tx, scope access.Project, f BucketFilter) ([]Bucket, error) {
	if err := scope.Require(access.StorageRead, false); err != nil {
		return nil, err
	}
	var w db.Where
	w.And("b.project_id = ? AND b.branch_id = ? AND b.deleted_at IS NULL", scope.ID(), scope.Branch())
	switch f.Stage { // by the beginning of the id, which the index is ordered by
	case In:
		w.And("b.text_id < 'out.'")
	case Out:
		w.And("b.text_id >= 'out.'")
	}
	if f.Search != "" {
		like := db.Like(f.Search)
		w.And(`(b.search LIKE ? ESCAPE '\' OR EXISTS (SELECT 1 FROM tables t WHERE t.bucket_id = b.id AND t.deleted_at IS NULL AND t.search LIKE ? ESCAPE '\'))`, like, like)
	}
	if f.After != "" {
		w.And("b.text_id > ?", f.After)
	}
	return db.All(tx, scanBucket, "SELECT "+bucketColumns+" WHERE "+w.SQL()+fmt.Sprintf(" ORDER BY b.text_id LIMIT %d", f.Limit), w.Args()...)
}

// Totals are the sums over a branch.
type Totals struct{ Buckets, Tables, Rows, Bytes int64 }

// Totals sums the scope's branch.
func (s *Service) Totals(tx *db.Tx, scope access.Project) (Totals, error) {
	return db.One(tx, func(r db.Row) (Totals, error) {
		var t Totals
		return t, r.Scan(&t.Buckets, &t.Tables, &t.Rows, &t.Bytes)
	}, `SELECT count(*), CAST(COALESCE(SUM(tables_count), 0) AS BIGINT), CAST(COALESCE(SUM(rows_count), 0) AS BIGINT), CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT)
		FROM buckets WHERE project_id = $1 AND branch_id = $2 AND deleted_at IS NULL`, scope.ID(), scope.Branch())
}

const bucketColumns = `b.id, b.stage, b.name, b.text_id, b.display_name, b.description, b.source_bucket_id, b.tables_count, b.rows_count,
	b.size_bytes, b.created_at, u.name, b.changed_at FROM buckets b JOIN users u ON u.id = b.created_by`

func scanBucket(r db.Row) (Bucket, error) {
	var b Bucket
	return b, r.Scan(&b.ID, &b.Stage, &b.Name, &b.TextID, &b.DisplayName, &b.Description, db.Null(&b.SourceBucket), &b.Tables, &b.Rows,
		&b.Bytes, db.Time(&b.CreatedAt), &b.CreatedBy, db.Time(&b.ChangedAt))
}
