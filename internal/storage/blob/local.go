// Package blob keeps immutable objects under keys: written once, as a whole,
// and durable before the writer is told so.
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"steward/internal/failpoint"
)

// Errors that callers can tell apart with errors.Is.
var (
	// ErrNotFound means that no object has this key.
	ErrNotFound = errors.New("not found")
	// ErrExists means that the key is taken; objects are never overwritten.
	ErrExists = errors.New("already exists")
	// ErrKey means that the text is not a key.
	ErrKey = errors.New("not a valid key")
)

// Local keeps objects as files below one folder of the local disk. Every
// access goes through an [os.Root], so neither a key nor a symbolic link can
// lead out of the folder. It is safe for concurrent use.
type Local struct {
	root *os.Root

	// folders serializes the making and removing of folders: whoever finds one that this
	// process knows may rely on it being durable.
	folders sync.Mutex
	known   map[string]bool
	synced  func(folder string) // told of each folder whose names were made durable; nil but in tests
}

// OpenLocal opens the store in the folder dir and creates the folder, for its
// owner only, when it is missing.
func OpenLocal(dir string) (*Local, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("blob: open store: %w", err)
	}
	if err := syncAbove(dir); err != nil {
		return nil, fmt.Errorf("blob: open store: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("blob: open store: %w", err)
	}
	return &Local{root: root, known: map[string]bool{}}, nil
}

// Close releases the folder. Files and writers that are open stay usable, but
// a writer can no longer be committed.
func (l *Local) Close() error { return l.root.Close() }

// Create starts an object. Nothing is visible under the key before
// [Writer.Commit]; until then the bytes stand in a temporary file beside it.
// The context governs the whole writing: once it is done, Write and Commit fail.
//
// Fails with ErrKey if the key is not valid.
func (l *Local) Create(ctx context.Context, key string) (*Writer, error) {
	if err := check(ctx, key); err != nil {
		return nil, fmt.Errorf("blob: create %q: %w", key, err)
	}
	temp := temporaryName(path.Dir(key))
	var file *os.File
	err := l.inFolder(path.Dir(key), func() (err error) {
		file, err = l.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("blob: create %q: %w", key, err)
	}
	return &Writer{ctx: ctx, store: l, key: key, temp: temp, file: file}, nil
}

// Temporary returns an empty file for what does not fit into memory, open for
// writing and reading. It lies where the objects lie, because there is room,
// but has no name: it is gone when it is closed, and after a crash, too. A full
// disk shows as an error that is syscall.ENOSPC for errors.Is.
func (l *Local) Temporary(ctx context.Context) (*os.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("blob: temporary file: %w", err)
	}
	name := temporaryName(".")
	file, err := l.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("blob: temporary file: %w", err)
	}
	if err := l.root.Remove(name); err != nil {
		return nil, fmt.Errorf("blob: temporary file: %w", errors.Join(err, file.Close()))
	}
	return file, nil
}

// Open opens an object for reading.
//
// Fails with ErrNotFound if there is none, with ErrKey if the key is not valid.
func (l *Local) Open(ctx context.Context, key string) (*File, error) {
	if err := check(ctx, key); err != nil {
		return nil, fmt.Errorf("blob: open %q: %w", key, err)
	}
	file, err := l.root.Open(key)
	if err != nil {
		return nil, fmt.Errorf("blob: open %q: %w", key, known(err))
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = ErrNotFound
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("blob: open %q: %w", key, err)
	}
	return &File{file: file, size: info.Size()}, nil
}

// Size returns the length of an object in bytes.
//
// Fails with ErrNotFound if there is none, with ErrKey if the key is not valid.
func (l *Local) Size(ctx context.Context, key string) (int64, error) {
	if err := check(ctx, key); err != nil {
		return 0, fmt.Errorf("blob: size of %q: %w", key, err)
	}
	info, err := l.root.Stat(key)
	if err == nil && !info.Mode().IsRegular() {
		err = ErrNotFound
	}
	if err != nil {
		return 0, fmt.Errorf("blob: size of %q: %w", key, known(err))
	}
	return info.Size(), nil
}

// Remove deletes an object. Removing what is not there is no error, so that it
// can be repeated after a crash.
//
// Fails with ErrKey if the key is not valid.
func (l *Local) Remove(ctx context.Context, key string) error {
	if err := check(ctx, key); err != nil {
		return fmt.Errorf("blob: remove %q: %w", key, err)
	}
	failpoint.Step("blob: remove")
	if err := l.root.Remove(key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("blob: remove %q: %w", key, err)
	}
	return nil
}

// Link makes the object from also available as to, without copying its bytes.
// The two live on independently: removing one leaves the other. Both count as
// written now, so that nobody takes the new one for an old file left behind.
//
// Fails with ErrNotFound if from is missing, with ErrExists if to is taken,
// with ErrKey if one of the keys is not valid.
func (l *Local) Link(ctx context.Context, from, to string) error {
	if err := errors.Join(check(ctx, from), check(ctx, to)); err != nil {
		return fmt.Errorf("blob: link %q to %q: %w", from, to, err)
	}
	failpoint.Step("blob: link")
	if err := l.inFolder(path.Dir(to), func() error {
		if _, err := l.root.Stat(from); err != nil {
			return known(err)
		}
		return l.root.Link(from, to)
	}); err != nil {
		return fmt.Errorf("blob: link %q to %q: %w", from, to, known(err))
	}
	now := time.Now()
	err := l.root.Chtimes(to, now, now)
	if err == nil {
		err = l.syncFolder(path.Dir(to))
	}
	if err != nil {
		return fmt.Errorf("blob: link %q to %q: %w", from, to, errors.Join(err, l.root.Remove(to)))
	}
	return nil
}

// Walk calls fn for every object whose key begins with prefix, folder by
// folder in the order of their names, with its size in bytes and the time it
// was written. Unfinished objects are left out, and so is whatever else lies
// in the folder under a name that is no key. An error of fn ends the walk and
// is returned as it is.
func (l *Local) Walk(ctx context.Context, prefix string, fn func(key string, size int64, modified time.Time) error) error {
	return l.walk(ctx, prefix, func(name string, info fs.FileInfo) error {
		if !isKey(name) {
			return nil
		}
		return fn(name, info.Size(), info.ModTime())
	})
}

// Sweep removes the temporary files that crashed processes left behind: those
// last written before the given moment, which must lie further back than the
// longest write takes. It returns how many it removed.
func (l *Local) Sweep(ctx context.Context, before time.Time) (removed int, err error) {
	err = l.walk(ctx, "", func(name string, info fs.FileInfo) error {
		if !isTemporary(name) || !info.ModTime().Before(before) {
			return nil
		}
		if err := l.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("blob: sweep: %w", err)
		}
		removed++
		return nil
	})
	return removed, err
}

// walk visits the regular files whose path begins with prefix. Files and
// folders that vanish meanwhile are passed over.
func (l *Local) walk(ctx context.Context, prefix string, visit func(name string, info fs.FileInfo) error) error {
	start := "."
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		start = prefix[:i]
		if err := checkKey(start); err != nil {
			return fmt.Errorf("blob: walk %q: %w", prefix, err)
		}
	}
	return fs.WalkDir(l.root.FS(), start, func(name string, entry fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("blob: walk %q: %w", prefix, err)
		}
		if entry.IsDir() {
			// Descend only where keys with the prefix can be.
			if name != "." && !strings.HasPrefix(name+"/", prefix) && !strings.HasPrefix(prefix, name+"/") {
				return fs.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() || !strings.HasPrefix(name, prefix) {
			return nil
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("blob: walk %q: %w", prefix, err)
		}
		return visit(name, info)
	})
}

// File is an object open for reading. Its bytes never change.
type File struct {
	file *os.File
	size int64
}

var (
	_ io.ReadSeekCloser = (*File)(nil)
	_ io.ReaderAt       = (*File)(nil)
)

// Size returns the length of the object in bytes.
func (f *File) Size() int64 { return f.size }

// Read reads on from the current position.
func (f *File) Read(p []byte) (int, error) { return f.file.Read(p) }

// ReadAt reads from an offset. It is safe for concurrent use.
func (f *File) ReadAt(p []byte, offset int64) (int, error) { return f.file.ReadAt(p, offset) }

// Seek moves the position of Read.
func (f *File) Seek(offset int64, whence int) (int64, error) { return f.file.Seek(offset, whence) }

// Close releases the file.
func (f *File) Close() error { return f.file.Close() }

// known turns the errors of the file system that callers tell apart into ours.
func known(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrNotFound
	case errors.Is(err, fs.ErrExist):
		return ErrExists
	default:
		return err
	}
}
