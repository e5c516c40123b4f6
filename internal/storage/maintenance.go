package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage/engine"
	"steward/internal/tenancy"
)

// longestJob is how far back the files of a running job may lie: what is older and not
// reachable is left from one that was killed.
const longestJob = 48 * time.Hour

// longestOpening is how far back the metadata lies with which somebody may just be
// opening a table.
const longestOpening = time.Hour

// tableParams names a table to a system job.
type tableParams struct {
	Table int64 `json:"tableId"`
}

func serialKeyOf(t Table) string { return serialKey(t.BranchID, t.TextID) }

// RunCompact is the work of a compaction: it rewrites the small files of a table and
// those with deleted rows. Nobody sees a difference, and it makes no version.
func (s *Service) RunCompact(ctx context.Context, run *jobs.Run) error {
	return s.tend(ctx, run, func(ctx context.Context, t Table) (*engine.Staged, error) {
		var key []string
		err := s.db.View(ctx, func(tx *db.Tx) error {
			columns, err := s.Columns(tx, t)
			key = KeyOf(columns)
			return err
		})
		if err != nil {
			return nil, err
		}
		return s.engine.Compact(ctx, engine.Compact{Folder: t.Folder, Base: t.Location, Key: key, Job: run.Job.ID, Progress: func(rows int64) { run.Progress(rows, 0) }})
	}, func(tx *db.Tx, t Table, st *engine.Staged) (string, error) {
		if st.Location == t.Location {
			return fmt.Sprintf("Table %d needs no compaction.", t.ID), nil
		}
		// The current version is what the new files hold; the old files serve the others.
		err := tx.Must("UPDATE versions SET snapshot_id = $3, schema_id = $4, size_bytes = $5 WHERE table_id = $1 AND number = $2", t.ID, t.Version, st.SnapshotID, st.SchemaID, st.Bytes)
		return fmt.Sprintf("Compacted table %d: %d files became %d.", t.ID, t.Files, st.Files), err
	}, func(ctx context.Context, t Table) error {
		_, err := s.engine.SweepMetadata(ctx, t.Folder, t.Location, s.db.Now().Add(-longestOpening))
		return err
	})
}

// expiring selects the versions of table $1 that stopped being current before $2. The
// current one never does.
const expiring = `SELECT v.number FROM versions v JOIN versions n ON n.table_id = v.table_id AND n.number = v.number + 1
	WHERE v.table_id = $1 AND v.expired_at IS NULL AND n.created_at <= $2`

// RunTrim is the work of letting old versions and deleted snapshots go: their rows are
// forgotten, and the files that nothing needs any more are removed.
func (s *Service) RunTrim(ctx context.Context, run *jobs.Run) error {
	var horizon time.Time
	var gone []int64 // snapshots
	return s.tend(ctx, run, func(ctx context.Context, t Table) (*engine.Staged, error) {
		// What a compaction replaced is no version's any more, but what began to read it
		// before may still do.
		x := engine.Expire{Folder: t.Folder, Base: t.Location, Used: s.db.Now().Add(-longestJob)}
		err := s.db.View(ctx, func(tx *db.Tx) error {
			var err error
			if horizon, err = retained(tx, t); err != nil {
				return err
			}
			x.Keep, err = db.All(tx, db.Scalar[int64], `SELECT snapshot_id FROM versions WHERE table_id = $1 AND expired_at IS NULL AND number NOT IN (`+expiring+`)
				UNION SELECT snapshot_id FROM snapshots WHERE table_id = $1 AND purged_at IS NULL AND (deleted_at IS NULL OR deleted_at > $2)`, t.ID, horizon)
			if err != nil {
				return err
			}
			gone, err = db.All(tx, db.Scalar[int64], "SELECT id FROM snapshots WHERE table_id = $1 AND purged_at IS NULL AND deleted_at <= $2 ORDER BY id", t.ID, horizon)
			for _, id := range gone {
				x.Unpin = append(x.Unpin, tag(id))
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		return s.engine.Expire(ctx, x)
	}, func(tx *db.Tx, t Table, _ *engine.Staged) (string, error) {
		n, err := tx.Exec("UPDATE versions SET expired_at = $3 WHERE table_id = $1 AND number IN ("+expiring+")", t.ID, horizon, tx.Now)
		if err != nil {
			return "", err
		}
		went, err := db.All(tx, db.Scalar[int64], "UPDATE snapshots SET purged_at = $3 WHERE table_id = $1 AND purged_at IS NULL AND deleted_at <= $2 RETURNING id", t.ID, horizon, tx.Now)
		if err == nil && len(went) != len(gone) {
			err = fault.New(fault.Conflict, "storage.snapshots.back", "A deleted snapshot came back meanwhile. This round let nothing go.")
		}
		return fmt.Sprintf("Let %d versions of table %d go.", n, t.ID), err
	}, func(ctx context.Context, t Table) error {
		_, err := s.engine.Sweep(ctx, t.Folder, t.Location, s.db.Now().Add(-longestJob))
		return err
	})
}

// horizonOf is the moment before which what was replaced in project p is not kept any more, at
// the moment $1: the beginning of time while nobody can enter the project, which then keeps
// everything. For what was there before it rested the time in which it did does not count.
const horizonOf = `CASE WHEN p.state <> 'active' THEN 0 ELSE CAST($1 AS BIGINT) - p.retention_days * 86400000000
	- CASE WHEN CAST($1 AS BIGINT) - p.retention_days * 86400000000 < p.resumed_at THEN p.rested ELSE 0 END END`

// awake is the condition that people can enter the project of something in the trash.
const awake = "EXISTS (SELECT 1 FROM projects p WHERE p.id = trash.project_id AND p.state = 'active')"

// retained is the moment before which what a table replaced is not kept any more.
func retained(tx *db.Tx, t Table) (time.Time, error) {
	return db.One(tx, func(r db.Row) (at time.Time, err error) { return at, r.Scan(db.Time(&at)) },
		"SELECT "+horizonOf+" FROM projects p WHERE p.id = $2", tx.Now, t.ProjectID)
}

// tend is work on a table's files that nobody sees: stage writes metadata that shows the
// same rows, flip is what else belongs to the moment in which it becomes current, and
// after, which may be nil, is done before the job ends.
func (s *Service) tend(ctx context.Context, run *jobs.Run, stage func(context.Context, Table) (*engine.Staged, error),
	flip func(*db.Tx, Table, *engine.Staged) (string, error), after func(context.Context, Table) error) error {
	var p tableParams
	if err := decode(run.Job, &p); err != nil {
		return err
	}
	var t Table
	says := ""
	err := s.db.View(ctx, func(tx *db.Tx) (err error) {
		if t, err = anyTable(tx, p.Table); err != nil {
			return err
		}
		state, err := db.Value[string](tx, "SELECT state FROM projects WHERE id = $1", t.ProjectID)
		if state != tenancy.Active {
			says = "Nobody can enter the project, which is left as it is."
		}
		return err
	})
	if fault.Is(err, fault.NotFound) { // purged meanwhile
		says, err = "The table is gone.", nil
	}
	if err != nil {
		return err
	}
	if says != "" {
		return s.db.Update(ctx, func(tx *db.Tx) error { return run.Complete(tx, jobs.Result{Results: p, Says: says}) })
	}
	st, err := stage(ctx, t)
	if err != nil {
		return err
	}
	err = s.flip(ctx, run, func(tx *db.Tx) error {
		if err := run.Hold(tx); err != nil {
			return err
		}
		if err := relocate(tx, t, st); err != nil {
			return err
		}
		var err error
		says, err = flip(tx, t, st)
		return err
	})
	if err != nil {
		return s.giveUp(ctx, t, st, err)
	}
	t.Location = st.Location
	if after != nil {
		if err := after(ctx, t); err != nil {
			return err
		}
	}
	return s.db.Update(ctx, func(tx *db.Tx) error { return run.Complete(tx, jobs.Result{Results: p, Says: says}) })
}

// maintainMost is how many tables and trashed things one round of maintenance takes on.
const maintainMost = 1000

// RunMaintain is the round of maintenance: what is in the trash past its time is purged,
// and tables with versions past theirs are trimmed, each by a job of its own.
func (s *Service) RunMaintain(ctx context.Context, run *jobs.Run) error {
	purged, failed, err := s.expireTrash(ctx)
	if err != nil {
		return err
	}
	var due []Table
	err = s.db.View(ctx, func(tx *db.Tx) (err error) {
		due, err = db.All(tx, scanTable, "SELECT "+tableColumns+` WHERE t.id IN (
			SELECT v.table_id FROM versions v JOIN versions n ON n.table_id = v.table_id AND n.number = v.number + 1
				JOIN tables x ON x.id = v.table_id JOIN projects p ON p.id = x.project_id
				WHERE v.expired_at IS NULL AND n.created_at <= `+horizonOf+`
			UNION SELECT s.table_id FROM snapshots s JOIN tables x ON x.id = s.table_id JOIN projects p ON p.id = x.project_id
				WHERE s.deleted_at IS NOT NULL AND s.purged_at IS NULL AND s.deleted_at <= `+horizonOf+`)
			ORDER BY t.id LIMIT `+fmt.Sprint(maintainMost), tx.Now.UnixMicro())
		return err
	})
	for _, t := range due { // each by itself, so that nobody else waits for all
		err = errors.Join(err, s.db.Update(ctx, func(tx *db.Tx) error { _, err := s.once(tx, t, TableTrim, time.Time{}); return err }))
	}
	again, asking := s.compactAgain(ctx)
	if err = errors.Join(failed, err, asking); err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx *db.Tx) error {
		return run.Complete(tx, jobs.Result{Results: map[string]any{"purged": purged, "trimmed": len(due), "compactedAgain": again},
			Says: fmt.Sprintf("Purged %d things from the trash, had %d tables trimmed, and asked again for %d compactions that had failed.", purged, len(due), again)})
	})
}

// compactionPause is how long a compaction that failed is let be: what stood in its way
// may be over then, and a damaged table does not keep the program busy.
const compactionPause = 6 * time.Hour

// compactAgain asks for the compactions that have failed and that tables still need: a
// table that nobody changes any more would never be compacted otherwise.
func (s *Service) compactAgain(ctx context.Context) (asked int, err error) {
	type failure struct {
		table  tableParams
		params string
		at     time.Time
	}
	var failures []failure
	err = s.db.View(ctx, func(tx *db.Tx) (err error) {
		failures, err = db.All(tx, func(r db.Row) (f failure, err error) {
			if err := r.Scan(&f.params, db.Time(&f.at)); err != nil {
				return f, err
			}
			return f, json.Unmarshal([]byte(f.params), &f.table)
		}, `SELECT params, finished_at FROM jobs WHERE project_id IS NULL AND branch_id IS NULL AND class = 'system' AND state = 'error' AND operation = $1
			ORDER BY created_at DESC, id DESC LIMIT `+fmt.Sprint(maintainMost), TableCompact)
		return err
	})
	if err != nil {
		return 0, err
	}
	seen := map[int64]bool{}
	for _, f := range failures { // the last one of each table comes first
		if seen[f.table.Table] {
			continue
		}
		seen[f.table.Table] = true
		if s.db.Now().Sub(f.at) < compactionPause {
			continue
		}
		did := false
		uerr := s.db.Update(ctx, func(tx *db.Tx) error {
			did = false
			t, err := anyTable(tx, f.table.Table)
			if err != nil || !t.TrashedAt.IsZero() || !engine.Crowded(t.Files, t.Rows, t.Deleted) {
				return err
			}
			done, err := db.Value[bool](tx, `SELECT EXISTS (SELECT 1 FROM jobs WHERE project_id IS NULL AND branch_id IS NULL AND class = 'system' AND table_name = $1
				AND operation = $2 AND params = $3 AND state = 'success' AND finished_at > $4)`, t.TextID, TableCompact, f.params, f.at)
			if err != nil || done {
				return err
			}
			did, err = s.once(tx, t, TableCompact, time.Time{})
			return err
		})
		switch {
		case ctx.Err() != nil:
			return asked, ctx.Err()
		case fault.Is(uerr, fault.NotFound): // purged meanwhile
		case uerr != nil: // the others are asked for nevertheless
			err = errors.Join(err, fmt.Errorf("storage: compact table %d again: %w", f.table.Table, uerr))
		case did:
			asked++
		}
	}
	return asked, err
}

// expireTrash purges what is in the trash past its time, each thing by itself: one that
// cannot be purged does not keep the others. failed tells of those.
func (s *Service) expireTrash(ctx context.Context) (purged int, failed, err error) {
	var due []Trashed
	err = s.db.View(ctx, func(tx *db.Tx) (err error) {
		due, err = db.All(tx, scanTrashed, "SELECT "+trashColumns+" FROM trash WHERE state = 'held' AND with_bucket = 0 AND expires_at <= $1 AND "+awake+" ORDER BY expires_at, id LIMIT "+fmt.Sprint(maintainMost), tx.Now)
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	for _, x := range due {
		err := s.db.Update(ctx, func(tx *db.Tx) error { return s.expire(tx, x) })
		switch {
		case ctx.Err() != nil:
			return purged, failed, ctx.Err()
		case fault.Is(err, fault.NotFound): // restored or purged meanwhile
		case fault.HasCode(err, "storage.trash.holds"): // its turn comes when what it holds has gone
		case err != nil:
			failed = errors.Join(failed, fmt.Errorf("storage: expire %s %s: %w", x.Kind, x.TextID, err))
		default:
			purged++
		}
	}
	return purged, failed, nil
}

// once enqueues a system job about a table unless one waits or runs already, and tells
// whether it did. The job stands in the line of the table where one made at the given moment
// would, or last.
func (s *Service) once(tx *db.Tx, t Table, operation string, at time.Time) (bool, error) {
	key := serialKeyOf(t)
	there, err := db.Value[bool](tx, "SELECT EXISTS (SELECT 1 FROM jobs WHERE serial_key = $1 AND serial_key <> '' AND operation = $2 AND state IN ('waiting', 'processing'))", key, operation)
	if err != nil || there {
		return false, err
	}
	_, err = s.jobs.Enqueue(tx, jobs.Spec{Class: jobs.System, Operation: operation, SerialKey: key, MadeAt: at, Params: tableParams{t.ID}, Table: t.TextID})
	return err == nil, err
}

// expire purges something whose time in the trash is over.
func (s *Service) expire(tx *db.Tx, x Trashed) error {
	if err := s.purge(tx, x); err != nil {
		return err
	}
	e := audit.Event{Type: audit.Warn, Name: "storage." + x.Kind + "Expired", ObjectType: x.Kind, ObjectID: x.TextID, ObjectName: x.TextID, ActorName: "Steward",
		Params: map[string]any{"trashId": x.ID, "tables": x.Tables, "rows": x.Rows}}
	place, err := db.One(tx, func(r db.Row) (audit.Event, error) {
		var p audit.Event
		return p, r.Scan(&p.Project, &p.Branch, &p.Organization)
	}, "SELECT t.project_id, t.branch_id, p.organization_id FROM trash t JOIN projects p ON p.id = t.project_id WHERE t.id = $1", x.ID)
	if err != nil {
		return err
	}
	e.Project, e.Branch, e.Organization = place.Project, place.Branch, place.Organization
	return audit.Record(tx, e.Says("Steward purged %s %s: its time in the trash was over.", x.Kind, x.TextID))
}

// RunSweep is the work of removing the files that nothing refers to: those of jobs that
// were killed. A file that a running job may still need is too young for it.
func (s *Service) RunSweep(ctx context.Context, run *jobs.Run) error {
	before := s.db.Now().Add(-longestJob)
	all, err := s.sweepStrays(ctx, before)
	if err != nil {
		return err
	}
	var tables int64
	var failed error
	err = s.engine.Folders(ctx, func(folder string, id int64, made time.Time) error {
		var t Table
		err := s.db.View(ctx, func(tx *db.Tx) (err error) { t, err = anyTable(tx, id); return err })
		if fault.Is(err, fault.NotFound) && made.After(before) {
			return nil // a job may be making it, of files that another table has had for long
		}
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		swept, err := s.engine.Sweep(ctx, folder, t.Location, before)
		if err != nil && ctx.Err() == nil { // a damaged table does not keep the others
			failed = errors.Join(failed, fmt.Errorf("storage: sweep %s: %w", folder, err))
			return nil
		}
		if err != nil {
			return err
		}
		tables++
		run.Progress(tables, all.Bytes)
		all.Files, all.Bytes = all.Files+swept.Files, all.Bytes+swept.Bytes
		return nil
	})
	if err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	return s.db.Update(ctx, func(tx *db.Tx) error {
		return run.Complete(tx, jobs.Result{Results: map[string]any{"tables": tables, "files": all.Files, "bytes": all.Bytes},
			Says: fmt.Sprintf("Removed %d files that nothing refers to, %d bytes.", all.Files, all.Bytes)})
	})
}
