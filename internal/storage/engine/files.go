package engine

import (
	"bytes"
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
	"github.com/apache/iceberg-go/table"

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
	told      func(folder string)
	now, last int64 // when the past of the table was made to end, and when it ended; 0 if that is the same

	mu      sync.Mutex
	created []string // keys
}

var _ iceio.WriteFileIO = (*files)(nil)

func newFiles(ctx context.Context, store *blob.Local) *files {
	return &files{ctx: ctx, store: store, largeFile: smallFile}
}

// staging tells that of a change of t only the metadata is left to be written.
func (f *files) staging(t *table.Table) {
	if f.told != nil {
		f.told(strings.TrimPrefix(t.Location(), scheme))
	}
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

// read returns the content of a file, which must not be a large one.
func (f *files) read(location string) ([]byte, error) {
	file, err := f.open(location)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // only read
	content := make([]byte, file.Size())
	_, err = io.ReadFull(file, content)
	return content, err
}

// Open opens a file for Iceberg, which has no large ones: it is read as a whole,
// and compared with its checksum.
func (f *files) Open(location string) (iceio.File, error) {
	file, err := f.open(location)
	if errors.Is(err, blob.ErrNotFound) {
		err = fmt.Errorf("%w (%w)", err, fs.ErrNotExist)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: location, Err: err}
	}
	defer func() { _ = file.Close() }() // only read
	content, err := io.ReadAll(file)
	if err == nil {
		err = check(location, content)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: location, Err: err}
	}
	return openFile{bytes.NewReader(content), path.Base(location)}, nil
}

// Create starts a file; closing it makes it durable. An Avro file waits for that
// in memory, and gets a checksum.
func (f *files) Create(location string) (iceio.FileWriter, error) {
	file, err := f.create(location)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(location, ".avro") {
		return &newAvro{file: file, location: location}, nil
	}
	return file, nil
}

func (f *files) create(location string) (*newFile, error) {
	key, err := keyOf(location)
	if err != nil {
		return nil, err
	}
	w, err := f.store.Create(f.ctx, key)
	if err != nil {
		return nil, err
	}
	f.remember(key)
	return &newFile{Writer: w, files: f}, nil
}

// remember notes that the operation created a file.
func (f *files) remember(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.created = append(f.created, key)
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
	f.remember(key)
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

// openFile is the content of an object as Iceberg wants to read it.
type openFile struct {
	*bytes.Reader
	name string
}

func (f openFile) Close() error { return nil }

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
	files  *files
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

// closeAs is Close with another location in the same folder.
func (f *newFile) closeAs(location string) error {
	key, err := keyOf(location)
	if err != nil || f.failed {
		return errors.Join(err, f.Abort())
	}
	f.files.remember(key)
	return f.CommitAs(key)
}

// newAvro is an Avro file that is being written.
type newAvro struct {
	bytes.Buffer
	file     *newFile
	location string
}

// Close writes the file with its checksum, and makes it durable.
func (f *newAvro) Close() error {
	_, err := f.file.Write(sealAvro(f.location, f.Bytes()))
	return errors.Join(err, f.file.Close())
}
