package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// Folders calls fn with the name of each folder right below the one with a key, and when
// something last came into it or went. A folder that is not there has none. An error of fn ends it and is returned as it is.
func (l *Local) Folders(ctx context.Context, key string, fn func(name string, modified time.Time) error) error {
	if err := check(ctx, key); err != nil {
		return fmt.Errorf("blob: folders of %q: %w", key, err)
	}
	dir, err := l.root.Open(key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("blob: folders of %q: %w", key, err)
	}
	defer func() { _ = dir.Close() }() // only read
	for {
		entries, err := dir.ReadDir(1000)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("blob: folders of %q: %w", key, err)
		}
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !e.IsDir() {
				continue
			}
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return fmt.Errorf("blob: folders of %q: %w", key, err)
			}
			if err := fn(e.Name(), info.ModTime()); err != nil {
				return err
			}
		}
	}
}

// RemoveFolders removes the folder of a key, and those in it, as far as they are empty. It
// may be done while others write into them: who comes too late makes the folder anew.
//
// Fails with ErrKey if the key is not valid.
func (l *Local) RemoveFolders(ctx context.Context, key string) error {
	if err := check(ctx, key); err != nil {
		return fmt.Errorf("blob: remove folders of %q: %w", key, err)
	}
	var found []string
	err := fs.WalkDir(l.root.FS(), key, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err == nil && entry.IsDir():
			found = append(found, name)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("blob: remove folders of %q: %w", key, err)
	}
	l.folders.Lock()
	defer l.folders.Unlock()
	for _, name := range slices.Backward(found) { // what is in a folder comes after it
		delete(l.known, name)
		err := l.root.Remove(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("blob: remove folders of %q: %w", key, err)
		}
	}
	return nil
}

// inFolder makes a folder and does something in it, again if somebody removed the folder
// in between because it was empty: do fails with fs.ErrNotExist then, and only then.
func (l *Local) inFolder(folder string, do func() error) error {
	var err error
	for range 100 {
		if err = l.makeFolder(folder); err == nil {
			err = do()
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return err
}

// makeFolder makes a folder and those above it, each durable before it is used. One that
// is there already was perhaps made by a process that was killed before it could see to
// that: so did not this one.
func (l *Local) makeFolder(folder string) error {
	l.folders.Lock()
	defer l.folders.Unlock()
	return l.makeFolderLocked(folder)
}

func (l *Local) makeFolderLocked(folder string) error {
	info, err := l.root.Stat(folder)
	switch {
	case err == nil && !info.IsDir():
		return fmt.Errorf("%q is an object, not a folder: %w", folder, ErrExists)
	case err == nil && (folder == "." || l.known[folder]):
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	above := path.Dir(folder)
	if err := l.makeFolderLocked(above); err != nil {
		return err
	}
	if err := l.root.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := l.syncFolder(above); err != nil {
		return err
	}
	l.known[folder] = true
	return nil
}

// syncFolder makes the names in a folder durable.
func (l *Local) syncFolder(folder string) error {
	dir, err := l.root.Open(folder)
	if err != nil {
		return err
	}
	if l.synced != nil {
		l.synced(folder)
	}
	err = dir.Sync()
	return errors.Join(err, dir.Close())
}

// syncAbove makes the name of a folder outside of the store durable, and those of the
// folders above it, as far as they can be read: what cannot was not made by us.
func syncAbove(folder string) error {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	for above := filepath.Dir(folder); above != folder; folder, above = above, filepath.Dir(above) {
		dir, err := os.Open(above)
		if errors.Is(err, fs.ErrPermission) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
			return err
		}
	}
	return nil
}
