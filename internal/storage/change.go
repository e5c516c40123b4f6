package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage/engine"
	"steward/internal/tenancy"
)

// change is what a job does to one table. It is staged outside of any transaction, and
// made current in the one that ends the job: until then the table is as it was.
type change struct {
	// stage writes the table's next state; nil when only the key changes.
	stage func(ctx context.Context, t Table) (*engine.Staged, error)
	// key is the primary key after the change, nil when it stays (as far as its columns do).
	key func(before []Column, after []engine.Column) []string
	// fits is asked in the transaction of the commit whether the table is still one that
	// the change is for; may be nil.
	fits func(t Table, columns []Column) error
	// also does more in that transaction; may be nil.
	also func(tx *db.Tx, scope access.Project, before, after Table) error
	// source is the version that comes back.
	source int64
	event  string // name
	// says is the rest of a sentence that begins with the actor, without its full stop.
	says    func(before, after Table, st *engine.Staged) string
	results map[string]any
}

// run does the change that a job asks for.
func (c change) run(ctx context.Context, s *Service, run *jobs.Run) error {
	j := run.Job
	var table Table
	err := s.db.View(ctx, func(tx *db.Tx) error {
		scope, err := jobScope(tx, j)
		if err != nil {
			return err
		}
		table, err = s.meant(tx, scope, j)
		return err
	})
	if err != nil {
		return err
	}
	st := unchanged(table)
	if c.stage != nil {
		if st, err = c.stage(ctx, table); err != nil {
			return changeFault(table, err)
		}
	}
	err = s.flip(ctx, run, func(tx *db.Tx) error { return c.commit(tx, s, run, table, st) })
	if err != nil && c.stage != nil && !db.Uncertain(err) && st.Location != table.Location {
		err = errors.Join(err, s.engine.Discard(context.WithoutCancel(ctx), st))
	}
	return err
}

// commit makes a staged change current: the table's row, its columns and key, its
// version, the bucket's sums, the event and the end of the job, all or none.
func (c change) commit(tx *db.Tx, s *Service, run *jobs.Run, base Table, st *engine.Staged) error {
	j := run.Job
	scope, err := jobScope(tx, j)
	if err != nil {
		return err
	}
	columns, err := s.Columns(tx, base)
	if err != nil {
		return err
	}
	if c.fits != nil {
		if err := c.fits(base, columns); err != nil {
			return err
		}
	}
	key := KeyOf(columns)
	if c.key != nil {
		key = c.key(columns, st.Columns)
	}
	m := move{job: j, base: base, staged: st, key: key, source: c.source, rekeyed: !slices.Equal(key, KeyOf(columns))}
	after, err := s.move(tx, scope, m)
	if err != nil {
		return err
	}
	if c.also != nil {
		if err := c.also(tx, scope, base, after); err != nil {
			return err
		}
	}
	if err := jobs.Uses(tx, j.ID, jobs.TableUse{TableID: base.ID, Write: true, VersionBefore: base.Version, VersionAfter: after.Version}); err != nil {
		return err
	}
	results := map[string]any{"rowsAdded": st.Added, "rowsRemoved": st.Removed, "rowsInTable": after.Rows, "version": after.Version}
	for k, v := range c.results {
		results[k] = v
	}
	says := c.says(base, after, st)
	if after.Version != base.Version {
		says += fmt.Sprintf(" (version %d to %d)", base.Version, after.Version)
	}
	res, err := told(tx, scope, run, c.event, after, says, results)
	if err != nil {
		return err
	}
	return run.Complete(tx, res)
}

// missing says of a table that is not there that it was, when the job was made.
func missing(table string, err error) error {
	if fault.Is(err, fault.NotFound) {
		return fault.Newf(fault.NotFound, "storage.tables.gone", "Table %s is not there any more.", table)
	}
	return err
}

// unchanged is the staged change that leaves a table's files as they are.
func unchanged(t Table) *engine.Staged {
	return &engine.Staged{Base: t.Location, Location: t.Location, Rows: t.Rows, Bytes: t.Bytes, Files: t.Files, Deleted: t.Deleted}
}

// move is a step of a table from one state to the next.
type move struct {
	job     jobs.Job
	base    Table
	staged  *engine.Staged
	key     []string
	source  int64
	rekeyed bool // the key changed: that alone makes a version, too
}

// move makes a staged state current and gives the table as it then is. What changed
// neither rows nor columns nor key makes no version.
func (s *Service) move(tx *db.Tx, scope access.Project, m move) (Table, error) {
	base, st := m.base, m.staged
	if st.Location == base.Location && !m.rekeyed {
		return base, nil
	}
	bucketID, name := SplitTable(m.job.Table)
	bucket, err := s.Bucket(tx, scope, bucketID)
	if err != nil {
		return Table{}, err
	}
	t := base
	t.Location, t.Rows, t.Bytes, t.Files, t.Deleted = st.Location, st.Rows, st.Bytes, st.Files, st.Deleted
	t.Version++
	t.ChangedAt = later(tx.Now, base.ChangedAt)
	if err := moveTable(tx, scope, bucket, base, t, name, m.job); err != nil {
		return Table{}, err
	}
	if st.Location == base.Location {
		err = setKey(tx, t, m.key)
	} else {
		err = setColumns(tx, t, st.Columns, m.key)
	}
	if err != nil {
		return Table{}, err
	}
	if err := addVersion(tx, scope, t, m); err != nil {
		return Table{}, err
	}
	created := int64(0)
	if base.Location == "" {
		created = 1
	}
	if err := addToBucket(tx, bucket.ID, created, t.Rows-base.Rows, t.Bytes-base.Bytes); err != nil {
		return Table{}, err
	}
	t.TextID, t.BranchID = m.job.Table, scope.Branch() // of a table that is new, too
	if st.NeedsCompaction() {                          // before those that wait: each would take longer than the one before
		if _, err := s.once(tx, t, TableCompact, m.job.CreatedAt); err != nil {
			return Table{}, err
		}
	}
	return t, tenancy.Changed(tx, scope)
}

// addToBucket keeps a bucket's sums.
func addToBucket(tx *db.Tx, bucket, tables, rows, bytes int64) error {
	return tx.Must(`UPDATE buckets SET tables_count = tables_count + $2, rows_count = rows_count + $3, size_bytes = size_bytes + $4, changed_at = $5 WHERE id = $1 AND deleted_at IS NULL`,
		bucket, tables, rows, bytes, tx.Now)
}

// moveTable is the commit: the pointer moves from the state that the change built on
// to the new one, and only so.
func moveTable(tx *db.Tx, scope access.Project, bucket Bucket, base, t Table, name string, j jobs.Job) error {
	if base.Version == 0 {
		id := bucket.TextID + "." + name
		_, err := tx.Exec(`INSERT INTO tables (id, project_id, branch_id, bucket_id, name, text_id, search, description, folder, location, version, rows_count,
			size_bytes, files_count, deleted_rows, created_at, created_by, changed_at, changed_by, changed_job_id)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $18, $8, $9, $10, $11, $12, $13, $19, $14, $15, $14, $16, $17)`,
			t.ID, scope.ID(), scope.Branch(), bucket.ID, name, id, strings.ToLower(name), t.Folder, t.Location, t.Version, t.Rows, t.Bytes, t.Files,
			tx.Now, db.ZeroNull(j.UserID), j.ActorName, j.ID, t.Description, t.Deleted)
		if fault.HasCode(err, "db.unique") {
			return fault.Newf(fault.Conflict, "storage.tables.alreadyExists", "There is a table %s already.", id)
		}
		return err
	}
	n, err := tx.Exec(`UPDATE tables SET location = $3, version = $4, rows_count = $5, size_bytes = $6, files_count = $7, deleted_rows = $11,
		changed_at = $8, changed_by = $9, changed_job_id = $10
		WHERE id = $1 AND location = $2 AND deleted_at IS NULL`, t.ID, base.Location, t.Location, t.Version, t.Rows, t.Bytes, t.Files, t.ChangedAt, j.ActorName, j.ID, t.Deleted)
	if err == nil && n != 1 {
		err = fault.Newf(fault.Conflict, "storage.tables.moved", "Table %s changed meanwhile. This job changed nothing; start it again.", t.TextID)
	}
	return err
}

func setColumns(tx *db.Tx, t Table, columns []engine.Column, key []string) error {
	if _, err := tx.Exec("DELETE FROM table_columns WHERE table_id = $1", t.ID); err != nil {
		return err
	}
	position := 0
	for chunk := range slices.Chunk(columns, 200) {
		var w strings.Builder
		args := []any{t.ID}
		for _, c := range chunk {
			if len(args) > 1 {
				w.WriteByte(',')
			}
			n := len(args)
			fmt.Fprintf(&w, "($1, $%d, $%d, $%d, $%d)", n+1, n+2, n+3, n+4)
			position++
			args = append(args, position, c.ID, c.Name, slices.Index(key, c.Name)+1)
		}
		if _, err := tx.Exec("INSERT INTO table_columns (table_id, position, field_id, name, key_order) VALUES "+w.String(), args...); err != nil {
			return err
		}
	}
	return nil
}

// setKey writes the primary key of a table whose columns stay.
func setKey(tx *db.Tx, t Table, key []string) error {
	if _, err := tx.Exec("UPDATE table_columns SET key_order = 0 WHERE table_id = $1 AND key_order <> 0", t.ID); err != nil {
		return err
	}
	for i, name := range key {
		if err := tx.Must("UPDATE table_columns SET key_order = $3 WHERE table_id = $1 AND name = $2", t.ID, name, i+1); err != nil {
			return err
		}
	}
	return nil
}

// addVersion records the state that a table has now.
func addVersion(tx *db.Tx, scope access.Project, t Table, m move) error {
	st := m.staged
	snapshot, schema, names := st.SnapshotID, int64(st.SchemaID), make([]string, len(st.Columns))
	for i, c := range st.Columns {
		names[i] = c.Name
	}
	columns, err := json.Marshal(names)
	if err != nil {
		return fmt.Errorf("storage: columns: %w", err)
	}
	if st.Location == m.base.Location { // the key alone
		old, err := version(tx, t.ID, m.base.Version)
		if err != nil {
			return err
		}
		snapshot, schema = old.SnapshotID, old.SchemaID
		if columns, err = json.Marshal(old.Columns); err != nil {
			return fmt.Errorf("storage: columns: %w", err)
		}
	}
	key, err := json.Marshal(orEmpty(m.key))
	if err != nil {
		return fmt.Errorf("storage: key: %w", err)
	}
	j := m.job
	_, err = tx.Exec(`INSERT INTO versions (table_id, number, snapshot_id, schema_id, location, operation, job_id, user_id, token_id, actor_name,
		rows_added, rows_changed, rows_removed, rows_count, size_bytes, columns, primary_key, source, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`,
		t.ID, t.Version, snapshot, schema, st.Location, j.Operation, j.ID, db.ZeroNull(scope.Actor().UserID), db.ZeroNull(scope.TokenID()), j.ActorName,
		m.rowsAdded(), m.rowsChanged(), m.rowsRemoved(), t.Rows, t.Bytes, string(columns), string(key), m.source, t.ChangedAt)
	return err
}

// Of a row that changed, the engine removes the old one and adds the new one; people
// count it once.
func (m move) rowsAdded() int64   { return m.staged.Added - m.staged.Updated }
func (m move) rowsChanged() int64 { return m.staged.Updated }
func (m move) rowsRemoved() int64 { return m.staged.Removed - m.staged.Updated }

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// changeFault says what stood in the way of a change in words for people.
func changeFault(t Table, err error) error {
	var unknown *engine.UnknownColumnError
	switch {
	case errors.As(err, &unknown):
		return fault.Newf(fault.Invalid, "storage.tables.unknownColumn", "Table %s has no column %q.", t.TextID, unknown.Column)
	case errors.Is(err, engine.ErrNotNumber):
		says := "Enter a number to compare as a number."
		return &fault.Error{Kind: fault.Invalid, Code: "storage.tables.notNumber", Message: says, Fields: []fault.Field{{Name: "value", Message: says}}}
	case errors.Is(err, engine.ErrQuery):
		return fault.Wrap(err, fault.Invalid, "storage.tables.query", "These conditions or this order cannot be used.")
	case errors.Is(err, engine.ErrNoSnapshot):
		return fault.Wrap(err, fault.Conflict, "storage.versions.gone", "The rows of this version are not kept any more.")
	}
	return full(err)
}

// writable is a table that may be changed: not one of a bucket that is linked.
func (s *Service) writable(tx *db.Tx, scope access.Project, p access.Permission, id string) (Table, error) {
	if err := scope.Require(p, false); err != nil {
		return Table{}, err
	}
	t, err := s.Table(tx, scope, id)
	if err != nil {
		return Table{}, err
	}
	return t, s.ownBucket(tx, scope, t.Bucket)
}

// ownBucket is Conflict for a bucket that is linked from another project.
func (s *Service) ownBucket(tx *db.Tx, scope access.Project, id string) error {
	b, err := s.Bucket(tx, scope, id)
	if err != nil {
		return err
	}
	if b.SourceBucket != 0 {
		return fault.Newf(fault.Conflict, "storage.buckets.linked", "Bucket %s is linked from another project and cannot be written to.", id)
	}
	return nil
}

func serialKey(branch int64, table string) string { return fmt.Sprintf("table:%d:%s", branch, table) }
