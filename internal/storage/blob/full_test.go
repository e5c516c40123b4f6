package blob

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

// TestDiskFull stands a device that is always full in for the file.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	store, err := OpenLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	w, err := store.Create(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := w.file
	defer func() { _ = file.Close() }()
	w.file = full
	if _, err := w.Write([]byte("x")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Write: %v", err)
	}
	if w.Size() != 0 {
		t.Errorf("Size is %d", w.Size())
	}
	if err := w.Abort(); err != nil {
		t.Errorf("Abort: %v", err)
	}
}
