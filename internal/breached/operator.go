package breached

import (
	"errors"
	"io/fs"
	"os"
	"sync"
)

// operator is the operator's list. It follows the file: one that is imported while the
// program runs counts from the next check on, and one that is removed no longer does.
type operator struct {
	path string // "" when there can be none

	mu   sync.RWMutex // held to read while the list is read
	list *list        // nil when there is no file
}

// has reports whether the list has one of the records.
func (o *operator) has(records ...record) (bool, error) {
	if err := o.follow(); err != nil {
		return false, err
	}
	o.mu.RLock()
	defer o.mu.RUnlock()
	if o.list == nil {
		return false, nil
	}
	for _, r := range records {
		if found, err := o.list.has(r); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// follow opens the file anew when another one is there than is open.
func (o *operator) follow() error {
	if o.path == "" {
		return nil
	}
	info, err := os.Stat(o.path) // takes a microsecond, and a password is hashed next
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	o.mu.RLock()
	same := o.list.is(info)
	o.mu.RUnlock()
	if same {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.list.is(info) {
		return nil
	}
	fresh, err := openList(o.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if fresh != nil {
		if err := fresh.verify(); err != nil {
			return errors.Join(err, fresh.Close())
		}
	}
	if o.list != nil {
		_ = o.list.Close() // was only read
	}
	o.list = fresh
	return nil
}

// is reports whether the list is of this file, nil for none, as it was when it was opened.
func (l *list) is(info os.FileInfo) bool {
	if l == nil || info == nil {
		return l == nil && info == nil
	}
	return os.SameFile(l.info, info) && l.info.ModTime().Equal(info.ModTime()) && l.info.Size() == info.Size()
}

func (o *operator) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.list == nil {
		return nil
	}
	err := o.list.Close()
	o.list = nil
	return err
}
