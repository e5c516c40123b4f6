package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unicode"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"steward/internal/access"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/id"
	"steward/internal/storage/blob"
	"steward/internal/storage/csv"
	"steward/internal/tenancy"
)

// Limits of a file.
const (
	FileMax  = 5 << 30             // bytes as uploaded
	FileLife = 15 * 24 * time.Hour // then it may be swept

	expandedMax   = 50 << 30 // bytes after decompression
	expandedFree  = 1 << 30  // up to here any ratio is fine
	expandedRatio = 200      // past it, bytes out per byte in
	expandWindow  = 32 << 20 // of zstd, which each reader keeps in memory; its levels up to 20 need no more
	sampleSize    = 1 << 20
)

// File is bytes that somebody uploaded.
type File struct {
	ID          int64
	Name        string
	Bytes       int64
	SHA256      string
	Compression string // "", gzip or zstd
	key         string
	ActorName   string
	CreatedAt   time.Time
	ExpiresAt   time.Time
	RemovedAt   time.Time // its bytes are gone since; zero while they are there
}

// Upload streams bytes into a file of the scope's branch; nothing is held in memory
// and nothing is kept when the stream breaks. TooLarge past 5 GiB, Invalid when it is
// empty, Full when the disk is, Forbidden without the right to write files.
func (s *Service) Upload(ctx context.Context, scope access.Project, name string, r io.Reader) (File, error) {
	if err := scope.Require(access.FilesWrite, true); err != nil {
		return File{}, err
	}
	key := fmt.Sprintf("files/%d/%s", scope.ID(), id.Short())
	w, err := s.blobs.Create(ctx, key)
	if err != nil {
		return File{}, full(err)
	}
	defer func() { _ = w.Abort() }()
	sum := sha256.New()
	var magic [4]byte
	head := &headWriter{into: magic[:0]}
	n, err := io.Copy(io.MultiWriter(w, sum, head), io.LimitReader(r, FileMax+1))
	switch {
	case err != nil:
		return File{}, full(err)
	case n > FileMax:
		return File{}, fault.New(fault.TooLarge, "storage.files.tooLarge", "A file may have at most 5 GiB. Compress it with gzip or zstd, or split it.")
	case n == 0:
		return File{}, fault.New(fault.Invalid, "storage.files.empty", "The file is empty.")
	}
	if err := w.Commit(); err != nil {
		return File{}, full(err)
	}
	f := File{Name: cleanName(name), Bytes: n, SHA256: hex.EncodeToString(sum.Sum(nil)), key: key, ActorName: scope.Actor().Name}
	switch magic := string(head.into); {
	case strings.HasPrefix(magic, "\x1f\x8b"):
		f.Compression = "gzip"
	case magic == "\x28\xb5\x2f\xfd":
		f.Compression = "zstd"
	}
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		// Asked again: an upload lasts, and rights may end meanwhile.
		_, err := tenancy.EnterBranch(tx, scope.Actor(), scope.ID(), scope.Branch(), access.FilesWrite)
		if err != nil {
			return err
		}
		if err := addFile(tx, scope, &f); err != nil {
			return err
		}
		e := audit.In(scope, "storage.fileUploaded", "file", fmt.Sprint(f.ID), f.Name)
		e.Params = map[string]any{"sizeBytes": f.Bytes, "sha256": f.SHA256}
		return audit.Record(tx, e.Says("%s uploaded file %d (%s, %d bytes).", f.ActorName, f.ID, f.Name, f.Bytes))
	})
	if err != nil && !db.Uncertain(err) {
		err = errors.Join(err, s.blobs.Remove(context.WithoutCancel(ctx), key))
	}
	return f, err
}

// owner is whose a file is.
type owner struct{ project, branch, user, token int64 }

func insertFile(tx *db.Tx, f File, o owner) error {
	_, err := tx.Exec(`INSERT INTO files (id, project_id, branch_id, name, size_bytes, sha256, compression, blob_key, user_id, token_id, actor_name, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`, f.ID, o.project, o.branch, f.Name, f.Bytes, f.SHA256, f.Compression, f.key,
		db.ZeroNull(o.user), db.ZeroNull(o.token), f.ActorName, f.CreatedAt, f.ExpiresAt)
	return err
}

// addFile records a file whose bytes are in the store.
func addFile(tx *db.Tx, scope access.Project, f *File) error {
	var err error
	if f.ID, err = tx.NewID("files"); err != nil {
		return err
	}
	f.CreatedAt, f.ExpiresAt = tx.Now, tx.Now.Add(FileLife)
	return insertFile(tx, *f, owner{scope.ID(), scope.Branch(), scope.Actor().UserID, scope.TokenID()})
}

// countingWriter counts what passes by.
type countingWriter struct {
	w io.Writer
	n atomic.Int64
}

// Write implements io.Writer.
func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n.Add(int64(n))
	return n, err
}

// headWriter keeps the first bytes that pass by.
type headWriter struct{ into []byte }

// Write implements io.Writer.
func (h *headWriter) Write(p []byte) (int, error) {
	if n := cap(h.into) - len(h.into); n > 0 {
		h.into = append(h.into, p[:min(n, len(p))]...)
	}
	return len(p), nil
}

// cleanName keeps what a browser says the file is called, as a label only: no folders,
// no control characters, at most 200 characters.
func cleanName(name string) string {
	name = path.Base(strings.ReplaceAll(strings.ToValidUTF8(name, "�"), `\`, "/"))
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) {
			return -1
		}
		return r
	}, name)
	if r := []rune(name); len(r) > 200 {
		name = string(r[:200])
	}
	if name == "" || name == "." || name == "/" {
		return "file"
	}
	return name
}

// full names a full disk for what it is.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Wrap(err, fault.Full, "storage.full", "No space is left for data. Nothing was changed.")
	}
	return err
}

// File finds a file of the scope's branch. NotFound if there is none, or if it is of
// somebody else and the role reads only its own.
func (s *Service) File(tx *db.Tx, scope access.Project, file int64) (File, error) {
	type row struct {
		File
		user int64
	}
	r, err := db.One(tx, func(r db.Row) (row, error) {
		var x row
		return x, r.Scan(&x.ID, &x.Name, &x.Bytes, &x.SHA256, &x.Compression, &x.key, &x.ActorName, db.Time(&x.CreatedAt), db.Time(&x.ExpiresAt), db.Time(&x.RemovedAt), db.Null(&x.user))
	}, `SELECT id, name, size_bytes, sha256, compression, blob_key, actor_name, created_at, expires_at, removed_at, user_id FROM files
		WHERE project_id = $1 AND branch_id = $2 AND id = $3`, scope.ID(), scope.Branch(), file)
	if err != nil {
		return File{}, err
	}
	if r.user != scope.Actor().UserID && !scope.May(access.FilesReadAll) {
		return File{}, fault.New(fault.NotFound, "notFound", "Not found.")
	}
	return r.File, nil
}

// Reading is how a file is to be read, as far as that is known.
type Reading struct {
	Encoding csv.Encoding // if Known
	Known    bool         // the encoding is
	Dialect  *csv.Dialect // all of it is; nil if it is to be found out
	SkipBad  bool         // with a dialect: bad rows are left out
}

// Sample looks at the beginning of a file, and finds out what is not known of how it is
// written. *csv.Error for what is no CSV.
func (s *Service) Sample(ctx context.Context, f File, how Reading, rows int) (csv.Detection, error) {
	r, err := s.open(ctx, f, nil)
	if err != nil {
		return csv.Detection{}, err
	}
	defer func() { _ = r.Close() }()
	sample, err := io.ReadAll(io.LimitReader(r, sampleSize+1))
	if err != nil {
		return csv.Detection{}, err
	}
	whole := len(sample) <= sampleSize
	if !whole {
		sample = sample[:sampleSize]
	}
	switch {
	case how.Dialect != nil && how.SkipBad:
		return csv.SampleSkipping(sample, whole, *how.Dialect, rows)
	case how.Dialect != nil:
		return csv.Sample(sample, whole, *how.Dialect, rows)
	case how.Known:
		return csv.DetectIn(how.Encoding, sample, whole, rows)
	}
	return csv.Detect(sample, whole, rows)
}

// Download opens a file's own bytes, as they were uploaded, and notes who took them.
// NotFound if they are not there any more.
func (s *Service) Download(ctx context.Context, scope access.Project, f File) (io.ReadCloser, error) {
	if err := scope.Require(access.StorageRead, false); err != nil {
		return nil, err
	}
	c, err := s.bytes(ctx, f, nil)
	if err != nil {
		return nil, err
	}
	e := audit.In(scope, "storage.fileDownloaded", "file", fmt.Sprint(f.ID), f.Name)
	e.Params = map[string]any{"sizeBytes": f.Bytes, "sha256": f.SHA256}
	s.reads.Note(ctx, e.Says("%s downloaded file %d (%s, %d bytes).", scope.Actor().Name, f.ID, f.Name, f.Bytes))
	return c, nil
}

// open reads a file's content, decompressed. read, when not nil, is told how many of
// the file's own bytes have been read.
func (s *Service) open(ctx context.Context, f File, read func(int64)) (io.ReadCloser, error) {
	c, err := s.bytes(ctx, f, read)
	if err != nil {
		return nil, err
	}
	e := &expanded{content: c, kind: f.Compression}
	switch f.Compression {
	case "gzip":
		g, err := gzip.NewReader(c)
		if err != nil {
			return nil, errors.Join(e.damaged(err), c.Close())
		}
		e.plain, e.end = g, func() {}
	case "zstd":
		z, err := zstd.NewReader(c, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(expandWindow))
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		e.plain, e.end = z, z.Close
	default:
		return c, nil
	}
	return e, nil
}

// bytes reads a file as it was uploaded.
func (s *Service) bytes(ctx context.Context, f File, read func(int64)) (*content, error) {
	if err := f.there(); err != nil {
		return nil, err
	}
	b, err := s.blobs.Open(ctx, f.key)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, fault.Newf(fault.NotFound, "storage.files.gone", "The bytes of file %d are not there any more. Upload it again.", f.ID)
	}
	if err != nil {
		return nil, err
	}
	return &content{ctx: ctx, file: b, read: read}, nil
}

// content reads a blob and stops when the context ends.
type content struct {
	ctx  context.Context
	file *blob.File
	read func(int64)
	n    int64
}

// Read implements io.Reader.
func (c *content) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.file.Read(p)
	c.n += int64(n)
	if c.read != nil {
		c.read(c.n)
	}
	return n, err
}

// Close implements io.Closer.
func (c *content) Close() error { return c.file.Close() }

// expanded reads compressed content and refuses a file that grows beyond measure.
type expanded struct {
	*content
	kind  string
	plain io.Reader
	end   func() // of plain
	out   int64
}

// Read implements io.Reader.
func (e *expanded) Read(p []byte) (int, error) {
	n, err := e.plain.Read(p)
	e.out += int64(n)
	if e.out > expandedMax || (e.out > expandedFree && e.out > expandedRatio*e.n) {
		return 0, fault.Newf(fault.TooLarge, "storage.files.expands", "The file expands from %d to over %d bytes, which is too much for real data.", e.n, e.out)
	}
	if err != nil && !errors.Is(err, io.EOF) && e.ctx.Err() == nil {
		err = e.damaged(err)
	}
	return n, err
}

// Close implements io.Closer.
func (e *expanded) Close() error {
	e.end()
	return e.content.Close()
}

func (e *expanded) damaged(err error) error {
	if errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return fault.Wrap(err, fault.TooLarge, "storage.files.window", "The zstd file needs a window of over 32 MiB to be read. Compress it again without --long, at level 20 at most.")
	}
	return fault.Wrap(err, fault.Invalid, "storage.files.damaged", "The "+e.kind+" file is damaged or cut off. Compress it again.")
}
