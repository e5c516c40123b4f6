package storage

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/storage/engine"
)

// sweepDelay is how long after a file's end its bytes stay at least: a job that was
// enqueued at the last moment is seen by then, by every process.
const sweepDelay = time.Hour

// sweepMax is how many files are marked at a time.
const sweepMax = 500

// there is NotFound when the bytes of a file were removed.
func (f File) there() error {
	if f.RemovedAt.IsZero() {
		return nil
	}
	return fault.Newf(fault.NotFound, "storage.files.gone", "The bytes of file %d (%s) were removed on %s: files are kept for %d days. Upload it again.",
		f.ID, f.Name, f.RemovedAt.Format(time.DateOnly), int(FileLife/(24*time.Hour)))
}

// usable is NotFound when a file's time is over, whether its bytes are there or not.
func (f File) usable(now time.Time) error {
	if err := f.there(); err != nil || f.ExpiresAt.IsZero() || now.Before(f.ExpiresAt) {
		return err
	}
	return fault.Newf(fault.NotFound, "storage.files.gone", "The time of file %d (%s) was over on %s: files are kept for %d days. Upload it again.",
		f.ID, f.Name, f.ExpiresAt.Format(time.DateOnly), int(FileLife/(24*time.Hour)))
}

// SweepFiles removes the bytes of uploaded files whose time is over, unless an
// unfinished job needs them or nobody can enter their project, and gives how many files there were. The row comes first: it
// says that the bytes are gone before they are. A crash in between leaves bytes that the
// next sweep removes, never a file without its bytes.
func (s *Service) SweepFiles(ctx context.Context) (total int64, err error) {
	for {
		n, err := s.sweepFiles(ctx)
		if total += n; err != nil || n < sweepMax {
			return total, err
		}
	}
}

func (s *Service) sweepFiles(ctx context.Context) (int64, error) {
	type gone struct {
		id  int64
		key string
	}
	var list []gone
	err := s.db.Update(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(fmt.Sprintf(`UPDATE files SET removed_at = $1 WHERE removed_at IS NULL AND id IN (SELECT f.id FROM files f
			WHERE f.expires_at IS NOT NULL AND NOT f.swept AND f.expires_at < $2 AND f.removed_at IS NULL
			AND EXISTS (SELECT 1 FROM projects p WHERE p.id = f.project_id AND p.state = 'active')
			AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.file_id = f.id AND j.state IN ('waiting', 'processing'))
			ORDER BY f.expires_at LIMIT %d)`, sweepMax), tx.Now, tx.Now.Add(-sweepDelay))
		if err != nil {
			return err
		}
		list, err = db.All(tx, func(r db.Row) (gone, error) {
			var g gone
			return g, r.Scan(&g.id, &g.key)
		}, fmt.Sprintf(`SELECT id, blob_key FROM files WHERE expires_at IS NOT NULL AND NOT swept AND removed_at IS NOT NULL
			AND expires_at < $1 ORDER BY expires_at LIMIT %d`, sweepMax), tx.Now)
		return err
	})
	if err != nil || len(list) == 0 {
		return 0, err
	}
	for _, g := range list {
		if err := s.blobs.Remove(ctx, g.key); err != nil {
			return 0, fmt.Errorf("storage: sweep file %d: %w", g.id, err)
		}
	}
	return int64(len(list)), s.db.Update(ctx, func(tx *db.Tx) error {
		for _, g := range list {
			if _, err := tx.Exec("UPDATE files SET swept = $2 WHERE id = $1", g.id, true); err != nil {
				return err
			}
		}
		return nil
	})
}

// sweepStrays removes the bytes in the folder of files that no row names: of uploads and
// exports whose process was killed before it could record them. Only those from before
// the given moment go, which must lie further back than the longest job takes.
func (s *Service) sweepStrays(ctx context.Context, before time.Time) (swept engine.Swept, err error) {
	sizes := map[string]int64{}
	flush := func() error {
		keys := slices.Sorted(maps.Keys(sizes))
		if len(keys) == 0 {
			return nil
		}
		var known []string
		err := s.db.View(ctx, func(tx *db.Tx) (err error) {
			args := make([]any, len(keys))
			for i, key := range keys {
				args[i] = key
			}
			var w db.Where
			w.And(among("blob_key", args), args...)
			known, err = db.All(tx, db.Scalar[string], "SELECT blob_key FROM files WHERE "+w.SQL(), w.Args()...)
			return err
		})
		if err != nil {
			return err
		}
		for _, key := range known {
			delete(sizes, key)
		}
		for key, size := range sizes {
			if err := s.blobs.Remove(ctx, key); err != nil {
				return fmt.Errorf("storage: sweep %s: %w", key, err)
			}
			swept.Files++
			swept.Bytes += size
		}
		clear(sizes)
		return nil
	}
	err = s.blobs.Walk(ctx, "files/", func(key string, size int64, modified time.Time) error {
		if !modified.Before(before) {
			return nil
		}
		if sizes[key] = size; len(sizes) < sweepMax {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	return swept, err
}
