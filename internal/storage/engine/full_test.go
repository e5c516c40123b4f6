package engine

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"steward/internal/storage/blob"
	"steward/internal/storage/csv"
)

// TestSpillDiskFull stands a device that is always full in for the temporary files.
func TestSpillDiskFull(t *testing.T) {
	t.Parallel()
	store, err := blob.OpenLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	full := func() *os.File {
		t.Helper()
		f, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	s := newSpill(store, 2, true)
	defer s.close()
	s.file = full()
	for i := range 2 {
		if err := s.add(t.Context(), entry{at: uint64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.add(t.Context(), entry{at: 2}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("add: %v", err)
	}
	if err := s.settle(t.Context()); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("settle: %v", err)
	}

	in := newIncoming(New(store, Options{KeysInMemory: 1}), []int{0}, 1)
	defer in.close()
	in.file, in.entries, in.filter = full(), newSpill(store, 1, true), newKeyFilter(1)
	source, err := csv.NewReader(strings.NewReader("a\n1\n2\n"), csv.DefaultDialect())
	if err != nil {
		t.Fatal(err)
	}
	if err := in.read(t.Context(), Load{Source: source}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("read: %v", err)
	}
}
