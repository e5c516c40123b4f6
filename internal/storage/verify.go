package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/storage/blob"
)

// Problem is something in the storage that is not as it is written down: one line.
type Problem struct{ Object, Want, Found string }

// verifyPage is how many rows a verification reads at a time.
const verifyPage = 500

// VerifyCounters compares the sums that buckets keep with their tables, at one moment.
func (s *Service) VerifyCounters(ctx context.Context, found func(Problem), progress func(int64)) error {
	type sums struct {
		id, project            int64
		name                   string
		tables, rows, bytes    int64
		tables1, rows1, bytes1 int64
	}
	var seen, after int64
	for {
		var list []sums
		err := s.db.View(ctx, func(tx *db.Tx) (err error) {
			list, err = db.All(tx, func(r db.Row) (sums, error) {
				var b sums
				return b, r.Scan(&b.id, &b.project, &b.name, &b.tables, &b.rows, &b.bytes, &b.tables1, &b.rows1, &b.bytes1)
			}, fmt.Sprintf(`SELECT b.id, b.project_id, b.text_id, b.tables_count, b.rows_count, b.size_bytes,
				(SELECT count(*) FROM tables t WHERE t.bucket_id = b.id AND t.deleted_at IS NULL),
				(SELECT CAST(COALESCE(SUM(t.rows_count), 0) AS BIGINT) FROM tables t WHERE t.bucket_id = b.id AND t.deleted_at IS NULL),
				(SELECT CAST(COALESCE(SUM(t.size_bytes), 0) AS BIGINT) FROM tables t WHERE t.bucket_id = b.id AND t.deleted_at IS NULL)
				FROM buckets b WHERE b.deleted_at IS NULL AND b.id > $1 ORDER BY b.id LIMIT %d`, verifyPage), after)
			return err
		})
		if err != nil {
			return err
		}
		for _, b := range list {
			name := fmt.Sprintf("bucket %d (%s of project %d)", b.id, b.name, b.project)
			for _, c := range []struct {
				what       string
				kept, real int64
			}{{"tables", b.tables, b.tables1}, {"rows", b.rows, b.rows1}, {"bytes", b.bytes, b.bytes1}} {
				if c.kept != c.real {
					found(Problem{name, fmt.Sprintf("%d %s, as its tables have", c.real, c.what), fmt.Sprintf("%d in its counter", c.kept)})
				}
			}
			after = b.id
		}
		seen += int64(len(list))
		progress(seen)
		if len(list) < verifyPage {
			return nil
		}
	}
}

// VerifyFiles reads the bytes of every uploaded file that is kept, and compares length
// and SHA-256.
func (s *Service) VerifyFiles(ctx context.Context, found func(Problem), progress func(int64)) error {
	var seen, after int64
	for {
		var list []File
		err := s.db.View(ctx, func(tx *db.Tx) (err error) {
			list, err = db.All(tx, func(r db.Row) (File, error) {
				var f File
				return f, r.Scan(&f.ID, &f.Name, &f.Bytes, &f.SHA256, &f.key)
			}, fmt.Sprintf("SELECT id, name, size_bytes, sha256, blob_key FROM files WHERE removed_at IS NULL AND id > $1 ORDER BY id LIMIT %d", verifyPage), after)
			return err
		})
		if err != nil {
			return err
		}
		for _, f := range list {
			if err := s.verifyFile(ctx, f, found); err != nil {
				return err
			}
			after = f.ID
			seen++
			progress(seen)
		}
		if len(list) < verifyPage {
			return nil
		}
	}
}

func (s *Service) verifyFile(ctx context.Context, f File, found func(Problem)) error {
	name := fmt.Sprintf("file %d (%s)", f.ID, f.Name)
	b, err := s.blobs.Open(ctx, f.key)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		removed := true
		err := s.db.View(ctx, func(tx *db.Tx) (err error) { // it may have been swept meanwhile
			removed, err = db.Value[bool](tx, "SELECT removed_at IS NOT NULL FROM files WHERE id = $1", f.ID)
			return err
		})
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		if err == nil && !removed {
			found(Problem{name, fmt.Sprintf("%d bytes at %s", f.Bytes, f.key), "none: they are missing"})
		}
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		found(Problem{name, "readable bytes at " + f.key, err.Error()})
		return nil
	}
	defer func() { _ = b.Close() }()
	if b.Size() != f.Bytes {
		found(Problem{name, fmt.Sprintf("%d bytes at %s", f.Bytes, f.key), fmt.Sprintf("%d bytes", b.Size())})
		return nil
	}
	sum := sha256.New()
	_, err = io.Copy(sum, &content{ctx: ctx, file: b})
	switch got := hex.EncodeToString(sum.Sum(nil)); {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		found(Problem{name, "readable bytes at " + f.key, err.Error()})
	case got != f.SHA256:
		found(Problem{name, "bytes with the SHA-256 " + f.SHA256, got + ": they were changed"})
	}
	return nil
}

// VerifyTables verifies every table, see VerifyTable.
func (s *Service) VerifyTables(ctx context.Context, found func(Problem), progress func(int64)) error {
	var seen, after int64
	for {
		var list []Table
		err := s.db.View(ctx, func(tx *db.Tx) (err error) {
			list, err = db.All(tx, scanTable, fmt.Sprintf("SELECT %s WHERE b.source_bucket_id IS NULL AND t.id > $1 ORDER BY t.id LIMIT %d", tableColumns, verifyPage), after)
			return err
		})
		if err != nil {
			return err
		}
		for _, t := range list {
			problems, err := s.VerifyTable(ctx, t)
			if err != nil {
				return err
			}
			for _, p := range problems {
				found(p)
			}
			after = t.ID
			seen++
			progress(seen)
		}
		if len(list) < verifyPage {
			return nil
		}
	}
}

// VerifyTable compares a table's row, its versions and snapshots with its data, and reads
// every file of all of them once, which proves their checksums. A table that changes meanwhile
// is looked at again.
func (s *Service) VerifyTable(ctx context.Context, t Table) ([]Problem, error) {
	for {
		problems, err := s.verifyTable(ctx, t)
		if err != nil || len(problems) == 0 {
			return nil, err
		}
		var now Table
		err = s.db.View(ctx, func(tx *db.Tx) (err error) {
			now, err = db.One(tx, scanTable, "SELECT "+tableColumns+" WHERE b.source_bucket_id IS NULL AND t.id = $1", t.ID)
			return err
		})
		switch {
		case fault.Is(err, fault.NotFound): // dropped
			return nil, nil
		case err != nil:
			return nil, err
		case now.Location == t.Location && now.Version == t.Version:
			return problems, nil
		}
		t = now
	}
}

func (s *Service) verifyTable(ctx context.Context, t Table) (problems []Problem, err error) {
	name := fmt.Sprintf("table %d (%s)", t.ID, t.TextID)
	note := func(want, found string) { problems = append(problems, Problem{name, want, found}) }
	var columns []Column
	if err := s.db.View(ctx, func(tx *db.Tx) (err error) { columns, err = s.Columns(tx, t); return err }); err != nil {
		return nil, err
	}
	v, err := s.engine.Open(ctx, t.Location)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		note("readable metadata at "+t.Location, err.Error())
		return problems, nil
	}
	defer func() { _ = v.Close() }()
	if v.Rows() != t.Rows {
		note(fmt.Sprintf("%d rows, as its data has", v.Rows()), fmt.Sprintf("%d in its counter", t.Rows))
	}
	if v.Bytes() != t.Bytes {
		note(fmt.Sprintf("%d bytes, as its data has", v.Bytes()), fmt.Sprintf("%d in its counter", t.Bytes))
	}
	there := v.Columns()
	same := len(there) == len(columns)
	for i := 0; same && i < len(columns); i++ {
		same = there[i].Name == columns[i].Name && int64(there[i].ID) == columns[i].FieldID
	}
	if !same {
		note(fmt.Sprintf("the %d columns of its data", len(there)), fmt.Sprintf("%d others in the database", len(columns)))
	}
	if v.Files() != t.Files {
		note(fmt.Sprintf("%d data files, as its data has", v.Files()), fmt.Sprintf("%d in its counter", t.Files))
	}
	damages, err := s.engine.Verify(ctx, t.Location, nil)
	if err != nil {
		return nil, err
	}
	for _, d := range damages {
		note("a whole file at "+d.File, d.Found)
	}
	if len(damages) > 0 {
		return problems, nil
	}
	return problems, s.verifyPast(ctx, t, note)
}

// verifyPast compares the versions and snapshots of a table that are kept with what its
// data shows of them.
func (s *Service) verifyPast(ctx context.Context, t Table, note func(want, found string)) error {
	type state struct {
		what             string
		snapshot, schema int64
		rows             int64
	}
	var list []state
	err := s.db.View(ctx, func(tx *db.Tx) (err error) {
		list, err = db.All(tx, func(r db.Row) (state, error) {
			var x state
			return x, r.Scan(&x.what, &x.snapshot, &x.schema, &x.rows)
		}, `SELECT 'version ' || CAST(number AS TEXT), snapshot_id, schema_id, rows_count FROM versions WHERE table_id = $1 AND expired_at IS NULL
			UNION ALL SELECT 'snapshot ' || CAST(id AS TEXT), snapshot_id, schema_id, rows_count FROM snapshots WHERE table_id = $1 AND purged_at IS NULL`, t.ID)
		return err
	})
	if err != nil {
		return err
	}
	for _, x := range list {
		v, err := s.engine.OpenVersion(ctx, t.Location, x.snapshot, int(x.schema))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			note("readable rows of "+x.what, err.Error())
			continue
		case v.Rows() != x.rows:
			note(fmt.Sprintf("%d rows in %s, as its data has", v.Rows(), x.what), fmt.Sprintf("%d in its counter", x.rows))
		}
		if err := v.Close(); err != nil {
			return err
		}
	}
	return nil
}
