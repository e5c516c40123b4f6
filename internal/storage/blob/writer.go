package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"steward/internal/failpoint"
)

// Writer writes one object. It ends with Commit or Abort; a Writer that is
// dropped leaves a temporary file for [Local.Sweep]. It is not safe for
// concurrent use.
//
// A full disk shows as an error that is syscall.ENOSPC for errors.Is, from any
// of its methods.
type Writer struct {
	ctx   context.Context //nolint:containedctx // a writer of io.Writer's form has no other way to learn it
	store *Local
	key   string
	temp  string
	file  *os.File
	size  int64
	done  bool
}

var (
	_ io.Writer     = (*Writer)(nil)
	_ io.ReaderFrom = (*Writer)(nil)
)

// Size returns how many bytes have been written.
func (w *Writer) Size() int64 { return w.size }

// Write appends to the object.
func (w *Writer) Write(p []byte) (int, error) {
	if err := w.usable(); err != nil {
		return 0, fmt.Errorf("blob: write %q: %w", w.key, err)
	}
	n, err := w.file.Write(p)
	w.size += int64(n)
	if err != nil {
		return n, fmt.Errorf("blob: write %q: %w", w.key, err)
	}
	return n, nil
}

// ReadFrom appends all that r holds.
func (w *Writer) ReadFrom(r io.Reader) (int64, error) {
	// The struct hides this method, so that Copy does not come back here.
	return io.Copy(struct{ io.Writer }{w}, r)
}

// Commit makes the object visible under its key: complete, durable and for
// good. When it fails, the object does not exist and the bytes are gone.
//
// Fails with ErrExists if the key is taken, with fs.ErrClosed after an earlier
// Commit or Abort.
func (w *Writer) Commit() error { return w.CommitAs(w.key) }

// CommitAs is Commit under another key in the same folder, for names that
// depend on what was written.
//
// Fails also with ErrKey if the key is not valid.
func (w *Writer) CommitAs(key string) error {
	if err := w.commitable(key); err != nil {
		return fmt.Errorf("blob: commit %q: %w", w.key, errors.Join(err, w.Abort()))
	}
	failpoint.Step("blob: sync")
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("blob: commit %q: %w", w.key, errors.Join(err, w.Abort()))
	}
	w.done = true
	if err := w.file.Close(); err != nil {
		return fmt.Errorf("blob: commit %q: %w", w.key, errors.Join(err, w.store.root.Remove(w.temp)))
	}
	w.key = key
	failpoint.Step("blob: name")
	// A link refuses a name that exists; a rename would replace it.
	err := known(w.store.root.Link(w.temp, w.key))
	linked := err == nil
	failpoint.Step("blob: named")
	if removeErr := w.store.root.Remove(w.temp); err == nil {
		err = removeErr
	}
	failpoint.Step("blob: sync folder")
	if err == nil {
		err = w.store.syncFolder(path.Dir(w.key))
	}
	if err != nil && linked {
		// Not known to be durable, so it must not be there either.
		err = errors.Join(err, w.store.root.Remove(w.key))
	}
	if err != nil {
		return fmt.Errorf("blob: commit %q: %w", w.key, err)
	}
	return nil
}

// Abort drops the bytes. After Commit or another Abort it does nothing.
func (w *Writer) Abort() error {
	if w.done {
		return nil
	}
	w.done = true
	err := errors.Join(w.file.Close(), w.store.root.Remove(w.temp))
	if err != nil {
		return fmt.Errorf("blob: abort %q: %w", w.key, err)
	}
	return nil
}

func (w *Writer) commitable(key string) error {
	if err := w.usable(); err != nil {
		return err
	}
	if err := checkKey(key); err != nil {
		return err
	}
	if path.Dir(key) != path.Dir(w.key) {
		return fmt.Errorf("%w: %q is in another folder", ErrKey, key)
	}
	return nil
}

func (w *Writer) usable() error {
	if w.done {
		return fs.ErrClosed
	}
	return w.ctx.Err()
}
