package storage

import (
	"context"
	"fmt"
	"time"

	"steward/internal/db"
	"steward/internal/jobs"
)

// What one step of a purge takes on, so that everybody else can go on meanwhile.
const (
	purgeRows  = 2000 // that one transaction removes
	purgeSome  = 100  // tables, or their folders
	purgeFiles = 500
	purgeWait  = 200 * time.Millisecond // between two looks at the jobs that still run
)

// Purged is what a purge has removed so far.
type Purged struct {
	Tables, Files, Bytes int64
}

// PurgeProject removes all data of a project that nobody can enter any more: tables with all
// their versions and snapshots, the trash, files, buckets, metadata, and the bytes of all that
// in the store. It does so in small steps, in bounded memory. What is to go is always written
// down before its bytes go: when it is interrupted, doing it again goes on where it was.
func (s *Service) PurgeProject(ctx context.Context, run *jobs.Run, project int64) (Purged, error) {
	p := &purge{s: s, run: run, project: project}
	for _, step := range []func(context.Context) error{p.wait, p.hide, p.folders, p.tables, p.files, p.strays, p.rest} {
		if err := step(ctx); err != nil {
			return p.done, err
		}
	}
	return p.done, nil
}

// purge is one run of it.
type purge struct {
	s       *Service
	run     *jobs.Run
	project int64
	done    Purged
}

func (p *purge) progress() { p.run.Progress(p.done.Tables+p.done.Files, p.done.Bytes) }

// update is one step, unless the job is another worker's by now or was asked to stop.
func (p *purge) update(ctx context.Context, fn func(*db.Tx) error) error {
	return p.s.db.Update(ctx, func(tx *db.Tx) error {
		if err := p.run.Hold(tx); err != nil {
			return err
		}
		return fn(tx)
	})
}

// each removes rows until none is left.
func (p *purge) each(ctx context.Context, query string) error {
	for n := int64(1); n > 0; {
		if err := p.update(ctx, func(tx *db.Tx) (err error) { n, err = tx.Exec(query, p.project, int64(purgeRows)); return err }); err != nil {
			return err
		}
	}
	return nil
}

// wait waits until no job works in the project any more: they were told to stop, and would
// write files into folders that are just being removed.
func (p *purge) wait(ctx context.Context) error {
	for busy := true; ; {
		err := p.s.db.View(ctx, func(tx *db.Tx) (err error) {
			busy, err = db.Value[bool](tx, "SELECT EXISTS (SELECT 1 FROM jobs WHERE project_id = $1 AND state = 'processing')", p.project)
			return err
		})
		if err != nil || !busy {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(purgeWait):
		}
	}
}

// hide takes the buckets out of sight, whose sums are not those of their tables from here on.
func (p *purge) hide(ctx context.Context) error {
	return p.each(ctx, "UPDATE buckets SET deleted_at = created_at WHERE id IN (SELECT id FROM buckets WHERE project_id = $1 AND deleted_at IS NULL LIMIT $2)")
}

// tables removes the tables, some at a time, and their files.
func (p *purge) tables(ctx context.Context) error {
	for left := true; left; {
		err := p.update(ctx, func(tx *db.Tx) error {
			some, err := db.All(tx, db.Scalar[int64], fmt.Sprintf("SELECT id FROM tables WHERE project_id = $1 LIMIT %d", purgeSome), p.project)
			if err != nil {
				return err
			}
			left = len(some) > 0
			return p.forget(tx, some)
		})
		if err != nil {
			return err
		}
		if err := p.folders(ctx); err != nil {
			return err
		}
	}
	return nil
}

// forget removes the rows of tables, as many as one step may; a table whose last rows go is
// written down as a folder to remove. The columns and notes of a table are few.
func (p *purge) forget(tx *db.Tx, tables []int64) error {
	room := int64(purgeRows)
	for _, t := range tables {
		for _, query := range []string{
			"DELETE FROM versions WHERE table_id = $1 AND number IN (SELECT number FROM versions WHERE table_id = $1 ORDER BY number LIMIT $2)",
			"DELETE FROM snapshots WHERE id IN (SELECT id FROM snapshots WHERE table_id = $1 LIMIT $2)",
		} {
			n, err := tx.Exec(query, t, room)
			if err != nil {
				return err
			}
			if room -= n; room <= 0 {
				return nil
			}
		}
		for _, query := range []string{"DELETE FROM metadata WHERE object_type IN ('table', 'column') AND object_id = $1", "DELETE FROM table_columns WHERE table_id = $1"} {
			if _, err := tx.Exec(query, t); err != nil {
				return err
			}
		}
		folder, err := db.Value[string](tx, "DELETE FROM tables WHERE id = $1 RETURNING folder", t)
		if err != nil {
			return err
		}
		if _, err := tx.Exec("INSERT INTO purged_folders (folder, project_id) VALUES ($1, $2)", folder, p.project); err != nil {
			return err
		}
		if room--; room <= 0 {
			return nil
		}
	}
	return nil
}

// folders removes the files of tables that are gone.
func (p *purge) folders(ctx context.Context) error {
	for {
		var list []string
		err := p.s.db.View(ctx, func(tx *db.Tx) (err error) {
			list, err = db.All(tx, db.Scalar[string], fmt.Sprintf("SELECT folder FROM purged_folders WHERE project_id = $1 ORDER BY folder LIMIT %d", purgeSome), p.project)
			return err
		})
		if err != nil || len(list) == 0 {
			return err
		}
		for _, folder := range list {
			swept, err := p.s.engine.Sweep(ctx, folder, "", afterAll)
			p.done.Bytes += swept.Bytes
			if err != nil {
				return err
			}
			p.done.Tables++
			p.progress()
		}
		err = p.update(ctx, func(tx *db.Tx) error {
			for _, folder := range list {
				if _, err := tx.Exec("DELETE FROM purged_folders WHERE folder = $1", folder); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// files removes the uploaded files: first it says that their bytes are gone, then they go, and
// their rows at last.
func (p *purge) files(ctx context.Context) error {
	type gone struct {
		id, bytes int64
		key       string
	}
	for {
		var list []gone
		err := p.update(ctx, func(tx *db.Tx) (err error) {
			list, err = db.All(tx, func(r db.Row) (g gone, err error) { return g, r.Scan(&g.id, &g.bytes, &g.key) },
				fmt.Sprintf("SELECT id, CASE WHEN swept THEN 0 ELSE size_bytes END, blob_key FROM files WHERE project_id = $1 ORDER BY branch_id, created_at DESC, id DESC LIMIT %d", purgeFiles), p.project)
			for _, g := range list {
				if _, err := tx.Exec("UPDATE files SET removed_at = $2 WHERE id = $1 AND removed_at IS NULL", g.id, tx.Now); err != nil {
					return err
				}
			}
			return err
		})
		if err != nil || len(list) == 0 {
			return err
		}
		for _, g := range list {
			if err := p.s.blobs.Remove(ctx, g.key); err != nil {
				return fmt.Errorf("storage: purge file %d: %w", g.id, err)
			}
			p.done.Files, p.done.Bytes = p.done.Files+1, p.done.Bytes+g.bytes
			p.progress()
		}
		err = p.update(ctx, func(tx *db.Tx) error {
			for _, g := range list {
				if _, err := tx.Exec("DELETE FROM files WHERE id = $1", g.id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// strays removes what uploads and exports left that were killed before they could record it.
func (p *purge) strays(ctx context.Context) error {
	folder := fmt.Sprintf("files/%d", p.project)
	err := p.s.blobs.Walk(ctx, folder+"/", func(key string, size int64, _ time.Time) error {
		p.done.Bytes += size
		return p.s.blobs.Remove(ctx, key)
	})
	if err != nil {
		return fmt.Errorf("storage: purge %s: %w", folder, err)
	}
	return p.s.blobs.RemoveFolders(ctx, folder)
}

// rest removes what only the database has.
func (p *purge) rest(ctx context.Context) error {
	for _, query := range []string{
		"DELETE FROM trash WHERE id IN (SELECT id FROM trash WHERE project_id = $1 LIMIT $2)",
		`DELETE FROM metadata WHERE object_type = 'bucket' AND object_id IN (SELECT b.id FROM buckets b WHERE b.project_id = $1
			AND EXISTS (SELECT 1 FROM metadata m WHERE m.object_type = 'bucket' AND m.object_id = b.id) LIMIT $2)`,
		"DELETE FROM buckets WHERE id IN (SELECT id FROM buckets WHERE project_id = $1 LIMIT $2)",
	} {
		if err := p.each(ctx, query); err != nil {
			return err
		}
	}
	return nil
}
