package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/id"
	"steward/internal/jobs"
	"steward/internal/storage/blob"
	"steward/internal/storage/csv"
)

// What a list of rejected rows holds at most; the others are only counted.
const (
	rejectedRows  = 10_000
	rejectedBytes = 64 << 20
)

// rejects writes the rows of a file that cannot be read into a file of their own: line,
// column, reason and text of each. Nothing is made before the first one.
type rejects struct {
	blobs *blob.Local
	key   string
	name  string
	out   *blob.Writer
	list  *csv.Writer
	sum   hash.Hash
	kept  int64 // rows in the list
}

func newRejects(s *Service, project int64, f File) *rejects {
	name := f.Name
	for _, ext := range []string{".gz", ".zst", ".csv", ".tsv", ".txt"} {
		if len(name) > len(ext) && strings.EqualFold(name[len(name)-len(ext):], ext) {
			name = name[:len(name)-len(ext)]
		}
	}
	return &rejects{blobs: s.blobs, key: fmt.Sprintf("files/%d/%s", project, id.Short()), name: name + "-rejected.csv"}
}

// add adds a row, unless the list is full.
func (r *rejects) add(ctx context.Context, bad csv.Rejected) error {
	if r.out == nil {
		var err error
		if r.out, err = r.blobs.Create(ctx, r.key); err != nil {
			return err
		}
		r.sum = sha256.New()
		r.list = csv.NewWriter(io.MultiWriter(r.out, r.sum), csv.WriterOptions{Formulas: true})
		if err := r.list.Header([]string{"line", "column", "reason", "text"}); err != nil {
			return err
		}
	}
	if r.out.Size() > rejectedBytes {
		return nil
	}
	r.kept++
	column := csv.Cell{Null: true}
	switch {
	case bad.Err.Name != "":
		column = csv.Cell{Value: bad.Err.Name}
	case bad.Err.Column > 0:
		column = csv.Cell{Value: strconv.Itoa(bad.Err.Column)}
	}
	return r.list.Row([]csv.Cell{{Value: strconv.FormatInt(bad.Line, 10)}, column, {Value: bad.Err.Message}, {Value: legible(bad.Text)}})
}

// legible is text in which bytes that are none are written like those in a Go string.
func legible(text []byte) string {
	var b strings.Builder
	for len(text) > 0 {
		c, n := utf8.DecodeRune(text)
		if c == utf8.RuneError && n == 1 || c == 0 {
			fmt.Fprintf(&b, `\x%02x`, text[0])
		} else {
			b.Write(text[:n])
		}
		text = text[n:]
	}
	return b.String()
}

// commit makes the list durable.
func (r *rejects) commit() error {
	if r.out == nil {
		return nil
	}
	if err := r.list.Flush(); err != nil {
		return err
	}
	return r.out.Commit()
}

// keep makes the list a file of the job's creator, in the transaction that ends the job,
// and notes it in the job's results.
func (r *rejects) keep(tx *db.Tx, j jobs.Job, results map[string]any) error {
	if r.out == nil {
		return nil
	}
	file, err := tx.NewID("files")
	if err != nil {
		return err
	}
	f := File{ID: file, Name: r.name, Bytes: r.out.Size(), SHA256: hex.EncodeToString(r.sum.Sum(nil)), key: r.key, ActorName: j.ActorName,
		CreatedAt: tx.Now, ExpiresAt: tx.Now.Add(FileLife)}
	if err := insertFile(tx, f, owner{j.Project, j.Branch, j.UserID, j.TokenID}); err != nil {
		return err
	}
	results["rejectedFileId"], results["rejectedRowsKept"] = f.ID, r.kept
	organization, err := db.Value[int64](tx, "SELECT organization_id FROM projects WHERE id = $1", j.Project)
	if err != nil {
		return err
	}
	return audit.Record(tx, audit.Event{
		Name: "storage.fileCreated", ObjectType: "file", ObjectID: fmt.Sprint(f.ID), ObjectName: f.Name, Organization: organization, Project: j.Project,
		Branch: j.Branch, UserID: j.UserID, TokenID: j.TokenID, ActorName: j.ActorName, JobID: j.ID,
		Params:  map[string]any{"sizeBytes": f.Bytes, "sha256": f.SHA256},
		Message: fmt.Sprintf("Job %d of %s kept %d rows that cannot be read in file %d (%s, %d bytes).", j.ID, j.ActorName, r.kept, f.ID, f.Name, f.Bytes),
	})
}

// discard removes the list, whether or not it is complete.
func (r *rejects) discard(ctx context.Context) error {
	if r.out == nil {
		return nil
	}
	return errors.Join(r.out.Abort(), r.blobs.Remove(context.WithoutCancel(ctx), r.key))
}
