package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"steward/internal/id"
)

// takeLock takes an exclusive lock on a file until it is closed or the process ends,
// however it ends.
func takeLock(path string) (*os.File, error) {
	return flock(path, syscall.LOCK_EX|syscall.LOCK_NB)
}

func flock(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for err = syscall.EINTR; errors.Is(err, syscall.EINTR); {
		err = syscall.Flock(int(f.Fd()), how)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s is locked: %w", path, err), f.Close())
	}
	return f, nil
}

// register gives this process a name for its leases, and finds the names of processes
// on this data folder that are dead. Each living process holds the lock of its file
// below run/, so a file that can be locked is of a dead one. One process registers at a
// time: the file of another might be there and not be locked yet.
func (a *App) register(o Options) (owner string, dead []string, err error) {
	owner = id.Short()
	if !o.Serve {
		return owner, nil, nil
	}
	dir := filepath.Join(a.Config.Data, "run")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, fmt.Errorf("--data: %w", err)
	}
	turn, err := flock(filepath.Join(dir, "register"), syscall.LOCK_EX)
	if err != nil {
		return "", nil, fmt.Errorf("--data: %w", err)
	}
	defer func() { _ = turn.Close() }()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", nil, fmt.Errorf("--data: %w", err)
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".lock")
		if !ok {
			continue
		}
		if l, err := takeLock(filepath.Join(dir, e.Name())); err == nil {
			dead = append(dead, name)
			_ = l.Close()
		}
	}
	path := filepath.Join(dir, owner+".lock")
	l, err := takeLock(path)
	if err != nil {
		return "", nil, err
	}
	a.closers = append(a.closers, func() error { return errors.Join(os.Remove(path), l.Close()) })
	return owner, dead, nil
}

// free gives back the jobs of dead processes at once, instead of when their leases end.
func (a *App) free(ctx context.Context, dead []string) error {
	if !a.DB.Shared() {
		if err := a.Jobs.FreeAll(ctx); err != nil {
			return err
		}
	}
	for _, owner := range dead {
		if err := a.Jobs.Free(ctx, owner); err != nil {
			return err
		}
		if err := os.Remove(filepath.Join(a.Config.Data, "run", owner+".lock")); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
