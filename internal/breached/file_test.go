package breached

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLargeList: a list that is too large to be read whole finds its records, and names
// a damaged block when it needs it.
func TestLargeList(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "large.list")
	w, err := newWriter(path)
	if err != nil {
		t.Fatal(err)
	}
	const n = (wholeBlocks + 1) * perBlock
	at := func(i int) record { return record(i)*(padding/n) + record(i%3) + 1 }
	for i := range n {
		if err := w.add(at(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.finish(); err != nil {
		t.Fatal(err)
	}
	l, err := openList(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := l.verify(); err != nil || l.blocks() != wholeBlocks+1 {
		t.Fatal(l.blocks(), err)
	}
	for i := 0; i < n; i += 997 {
		if found, err := l.has(at(i)); !found || err != nil {
			t.Fatalf("record %d: %v, %v", i, found, err)
		}
		if found, err := l.has(at(i) + 1); found || err != nil {
			t.Fatalf("after record %d: %v, %v", i, found, err)
		}
	}
	for _, r := range []record{0, 1, padding, padding - 1} {
		if found, err := l.has(r); found != (r == 1) || err != nil {
			t.Errorf("%d: %v, %v", r, found, err)
		}
	}

	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteAt([]byte{1, 2, 3}, blockSize*(1+wholeBlocks/2)+100); err != nil {
		t.Fatal(err)
	}
	if err := l.verify(); err != nil {
		t.Errorf("both ends are well: %v", err)
	}
	if _, err := l.has(at(wholeBlocks/2*perBlock + 5)); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "import the list again") {
		t.Errorf("a damaged block: %v", err)
	}
	if found, err := l.has(at(5)); !found || err != nil {
		t.Errorf("another block: %v, %v", found, err)
	}
}

// TestUnevenList: records need not be spread evenly to be found.
func TestUnevenList(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "uneven.list")
	w, err := newWriter(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []record
	for i := range record(65_000) {
		all = append(all, i*i*i*i)
	}
	all = append(all, padding)
	for _, r := range all {
		if err := w.add(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.finish(); err != nil {
		t.Fatal(err)
	}
	l, err := openList(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for i := 2; i < len(all); i += 101 {
		if found, err := l.has(all[i]); !found || err != nil {
			t.Errorf("record %d: %v, %v", i, found, err)
		}
		if found, err := l.has(all[i] - 1); found || err != nil {
			t.Errorf("before record %d: %v, %v", i, found, err)
		}
	}
	if found, err := l.has(padding); !found || err != nil {
		t.Errorf("the last record: %v, %v", found, err)
	}
}
