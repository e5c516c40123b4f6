package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage/csv"
)

// intake is a file's rows on their way in, in a job.
type intake struct {
	content io.Closer
	source  *csv.Reader
	rejects *rejects
	rows    atomic.Int64 // good ones so far
}

// take opens a file for a job, which shows the progress. Bad rows are collected if skip
// is set, else the first of them is an error.
func (s *Service) take(ctx context.Context, run *jobs.Run, p loadParams, file File, skip bool) (*intake, error) {
	in := &intake{rejects: newRejects(s, run.Job.Project, file)}
	d := p.dialect()
	if d.Encoding != csv.UTF8 {
		if err := run.Log(ctx, audit.Info, "The file is %s; it is converted to UTF-8.", d.Encoding); err != nil {
			return in, err
		}
	}
	content, err := s.open(ctx, file, func(n int64) { run.Progress(in.rows.Load(), n) })
	if err != nil {
		return in, err
	}
	in.content = content
	if in.source, err = csv.NewReader(content, d); err != nil {
		in.close()
		return in, err
	}
	if skip {
		in.source.SkipBadRows(rejectedRows, func(bad csv.Rejected) error { return in.rejects.add(ctx, bad) })
	}
	return in, nil
}

func (in *intake) close() { _ = in.content.Close() }

// total is how many rows the file has, good and bad ones.
func (in *intake) total() int64 { return in.rows.Load() + in.source.Rejected() }

// finish completes the list of bad rows when all rows are read. Invalid if there are
// only bad ones.
func (in *intake) finish(ctx context.Context, run *jobs.Run) error {
	bad := in.source.Rejected()
	if err := in.rejects.commit(); err != nil || bad == 0 {
		return err
	}
	if in.rows.Load() == 0 {
		return fault.Newf(fault.Invalid, "storage.import.noGoodRows", "None of the %d rows of the file can be read. The table was not changed.", bad)
	}
	return run.Log(ctx, audit.Warn, "%d of %d rows cannot be read and are left out.", bad, in.total())
}

// leaveRejects says why a load fails, and leaves the rows behind that cannot be read: if
// the load stopped at the first of them, the whole file is looked through for others.
func (s *Service) leaveRejects(ctx context.Context, run *jobs.Run, p loadParams, file File, in *intake, cause error) error {
	var bad *csv.Error
	switch {
	case fault.HasCode(cause, "storage.import.noGoodRows"):
	case in.source != nil && p.BadRows != skipBad && errors.As(cause, &bad):
		if err := run.Log(ctx, audit.Info, "%s The table stays as it is; the rest of the file is looked through for other rows like this.", bad.Message); err != nil {
			return err
		}
		found, err := s.look(ctx, run, p, file)
		if err != nil {
			// What was wrong first is what people must know; a list of half the file would mislead them.
			s.log.Info("the bad rows of a file could not be collected", "job", run.Job.ID, "error", err)
			return loadFault(cause)
		}
		in = found.intake
	default:
		return errors.Join(loadFault(cause), in.rejects.discard(ctx))
	}
	run.Leave(func(tx *db.Tx) (any, error) {
		results := map[string]any{"rowsInFile": in.total(), "rowsRejected": in.source.Rejected()}
		return results, in.rejects.keep(tx, run.Job, results)
	})
	return loadFault(cause)
}

// look is a whole file that was read, and what it holds.
type look struct {
	*intake
	nulls []int64 // NULL cells by column
}

// look reads a whole file and changes nothing.
func (s *Service) look(ctx context.Context, run *jobs.Run, p loadParams, file File) (*look, error) {
	in, err := s.take(ctx, run, p, file, true)
	if err != nil {
		return nil, err
	}
	defer in.close()
	nulls := make([]int64, len(in.source.Header()))
	var b csv.Batch
	for err == nil {
		if err = in.source.Next(&b); err == nil {
			in.rows.Add(int64(b.Rows))
			for i, c := range b.Columns {
				nulls[i] += int64(b.Rows - len(c.Values))
			}
		}
	}
	if errors.Is(err, io.EOF) {
		err = in.rejects.commit()
	}
	if err != nil {
		return nil, errors.Join(err, in.rejects.discard(ctx))
	}
	return &look{in, nulls}, nil
}

// RunCheck is the work of a check: it reads a whole file as a load would, counts good
// and bad rows and NULL cells, and changes nothing.
func (s *Service) RunCheck(ctx context.Context, run *jobs.Run) error {
	j := run.Job
	var p loadParams
	if err := json.Unmarshal(j.Params, &p); err != nil {
		return fmt.Errorf("storage: params of job %d: %w", j.ID, err)
	}
	var file File
	err := s.db.View(ctx, func(tx *db.Tx) error {
		scope, err := jobScope(tx, j)
		if err != nil {
			return err
		}
		file, err = s.File(tx, scope, p.FileID)
		return err
	})
	if err != nil {
		return err
	}
	found, err := s.look(ctx, run, p, file)
	if err != nil {
		return loadFault(err)
	}
	err = s.db.Update(ctx, func(tx *db.Tx) error { return found.complete(tx, run, file) })
	if err != nil && !db.Uncertain(err) {
		err = errors.Join(err, found.rejects.discard(ctx))
	}
	return err
}

// complete ends a check well, in the transaction that keeps its list of bad rows.
func (l *look) complete(tx *db.Tx, run *jobs.Run, file File) error {
	j := run.Job
	scope, err := jobScope(tx, j)
	if err != nil {
		return err
	}
	good, bad := l.rows.Load(), l.source.Rejected()
	results := map[string]any{"rowsInFile": good + bad, "rowsGood": good, "rowsRejected": bad, "columns": l.source.Header(), "nullCells": l.nulls}
	if err := l.rejects.keep(tx, j, results); err != nil {
		return err
	}
	says := fmt.Sprintf("all %d rows of file %d (%s) can be read", good, file.ID, file.Name)
	if bad > 0 {
		says = fmt.Sprintf("%d of %d rows of file %d (%s) cannot be read", bad, good+bad, file.ID, file.Name)
	}
	e := audit.In(scope, "storage.fileChecked", "file", fmt.Sprint(file.ID), file.Name)
	e.Type, e.JobID, e.Params = audit.Success, j.ID, map[string]any{"sha256": file.SHA256}
	e.Results = map[string]any{"rowsInFile": good + bad, "rowsRejected": bad}
	if err := audit.Record(tx, e.Says("%s checked a file: %s.", j.ActorName, says)); err != nil {
		return err
	}
	return run.Complete(tx, jobs.Result{Results: results, Rows: good, InBytes: file.Bytes, Says: "Checked: " + says + "."})
}
