package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	iceio "github.com/apache/iceberg-go/io"

	"steward/internal/storage/blob"
)

// scheme begins the locations of everything that lies in the blob store.
const scheme = "steward:///"

// keyOf returns the key that a location stands for.
func keyOf(location string) (string, error) {
	key, ok := strings.CutPrefix(location, scheme)
	if !ok {
		return "", fmt.Errorf("engine: %q is no location of this store", location)
	}
	return key, nil
}

// freshName returns a file name that nothing has yet.
func freshName() string { return strings.ToLower(rand.Text()) }

// files is the blob store as Iceberg's file system, for one operation. It
// remembers what the operation created, so that all of it can be taken back.
type files struct {
	ctx   context.Context //nolint:containedctx // Iceberg's file systems know no contexts; it lives for one operation
	store *blob.Local

	largeFile int64 // bytes of a data file that is not put together with others

	mu      sync.Mutex
	created []string // keys
}

var _ iceio.WriteFileIO = (*files)(nil)

func newFiles(ctx context.Context, store *blob.Local) *files {
	return &files{ctx: ctx, store: store, largeFile: smallFile}
}

// fileSystem hands f to Iceberg.
func (f *files) fileSystem(context.Context) (iceio.IO, error) { return f, nil }

func (f *files) open(location string) (*blob.File, error) {
	key, err := keyOf(location)
	if err != nil {
		return nil, err
	}
	return f.store.Open(f.ctx, key)
}

// Open opens a file for Iceberg.
func (f *files) Open(location string) (iceio.File, error) {
	file, err := f.open(location)
	if errors.Is(err, blob.ErrNotFound) {
		err = fmt.Errorf("%w (%w)", err, fs.ErrNotExist)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: location, Err: err}
	}
	return openFile{file, path.Base(location)}, nil
}

// Create starts a file; closing it makes it durable.
func (f *files) Create(location string) (iceio.FileWriter, error) {
	key, err := keyOf(location)
	if err != nil {
		return nil, err
	}
	w, err := f.store.Create(f.ctx, key)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.created = append(f.created, key)
	return &newFile{Writer: w}, nil
}

// WriteFile writes a whole file.
func (f *files) WriteFile(location string, content []byte) error {
	w, err := f.Create(location)
	if err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return errors.Join(err, w.Close())
	}
	return w.Close()
}

// link makes a file available at another location, too.
func (f *files) link(from, to string) error {
	source, err := keyOf(from)
	if err != nil {
		return err
	}
	key, err := keyOf(to)
	if err != nil {
		return err
	}
	if err := f.store.Link(f.ctx, source, key); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.created = append(f.created, key)
	return nil
}

// Remove removes a file that Iceberg gave up.
func (f *files) Remove(location string) error {
	key, err := keyOf(location)
	if err != nil {
		return err
	}
	return f.store.Remove(f.ctx, key)
}

// discard removes everything that was created, the newest first, so that
// nothing ever refers to a file that is gone.
func (f *files) discard(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var failed error
	for i := len(f.created) - 1; i >= 0; i-- {
		failed = errors.Join(failed, f.store.Remove(ctx, f.created[i]))
	}
	f.created = nil
	return failed
}

// openFile is an object as Iceberg wants to read it.
type openFile struct {
	*blob.File
	name string
}

func (f openFile) Stat() (fs.FileInfo, error) { return fileInfo{f}, nil }

type fileInfo struct{ file openFile }

func (i fileInfo) Name() string       { return i.file.name }
func (i fileInfo) Size() int64        { return i.file.Size() }
func (i fileInfo) Mode() fs.FileMode  { return 0o400 }
func (i fileInfo) ModTime() time.Time { return time.Time{} }
func (i fileInfo) IsDir() bool        { return false }
func (i fileInfo) Sys() any           { return nil }

// newFile is an object as Iceberg wants to write it: Close commits it, unless
// a write failed before.
type newFile struct {
	*blob.Writer
	failed bool
}

func (f *newFile) Write(p []byte) (int, error) {
	n, err := f.Writer.Write(p)
	f.failed = f.failed || err != nil
	return n, err
}

func (f *newFile) ReadFrom(r io.Reader) (int64, error) {
	n, err := f.Writer.ReadFrom(r)
	f.failed = f.failed || err != nil
	return n, err
}

func (f *newFile) Close() error {
	if f.failed {
		return f.Abort()
	}
	return f.Commit()
}
