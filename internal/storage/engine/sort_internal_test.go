package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestOrderOnFullDisk stands a device that is always full in for the temporary
// file.
func TestOrderOnFullDisk(t *testing.T) {
	t.Parallel()
	var opened *os.File
	full := func(context.Context) (*os.File, error) {
		var err error
		opened, err = os.OpenFile("/dev/full", os.O_RDWR, 0)
		return opened, err
	}
	s := newSorter(0, 1, full, func(*chunk) {})
	err := s.add(t.Context(), numbered(0, 10))
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("add: %v", err)
	}
	s.close()
	if err := opened.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the temporary file is still open: %v", err)
	}
}

// numbered is a chunk of rows with the same key that say their number.
func numbered(from, to int) *chunk {
	c := new(chunk)
	for i := from; i < to; i++ {
		c.keys.add([]byte("key"))
		c.rows.add(fmt.Append(nil, i))
	}
	c.order(0)
	return c
}

// TestSpoiledRun reads a temporary file of which something was cut off.
func TestSpoiledRun(t *testing.T) {
	t.Parallel()
	temporary := func(context.Context) (*os.File, error) { return os.CreateTemp(t.TempDir(), "") }
	s := newSorter(0, 1, temporary, func(*chunk) {})
	defer s.close()
	for i := range 3 {
		if err := s.add(t.Context(), numbered(10*i, 10*i+10)); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.runs) != 3 {
		t.Fatalf("%d runs", len(s.runs))
	}
	for size := end(s.runs) - 1; size >= 0; size-- {
		if err := s.file.Truncate(size); err != nil {
			t.Fatal(err)
		}
		n := 0
		err := s.each(t.Context(), func(_, _ []byte) error { n++; return nil })
		if err == nil || n >= 30 {
			t.Errorf("cut to %d bytes: %d rows, %v", size, n, err)
		}
	}
}

// TestKeysCompareLikeCells compares cells as Find does, and by their keys.
func TestKeysCompareLikeCells(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"", "a", "b", "\x00", "\x01", "\xff", "ž", "1", "-1", "0", "-0", "1e3", "1e999", "-1e999", ".5", " 7 ", "x", "aaaaaaaa"}
	cell := func() ([]byte, bool) {
		if r.IntN(8) == 0 {
			return nil, true
		}
		text := pieces[r.IntN(len(pieces))]
		for range r.IntN(3) {
			text += pieces[r.IntN(len(pieces))]
		}
		return []byte(text), false
	}
	for range 200_000 {
		s := sortKey{Order: Order{Descending: r.IntN(2) == 0, Number: r.IntN(2) == 0}}
		a, aNull := cell()
		b, bNull := cell()
		want := s.compare(s.read(a, aNull), s.read(b, bNull))
		// What follows must not count unless the keys are equal.
		x, y := append(s.append(nil, a, aNull), 9), append(s.append(nil, b, bNull), 9)
		got := bytes.Compare(x, y)
		if got != want {
			t.Fatalf("%+v: %q (%v) and %q (%v) compare %d, their keys %d", s.Order, a, aNull, b, bNull, want, got)
		}
		if p, q := prefix(x), prefix(y); p != q && (p < q) != (got < 0) {
			t.Fatalf("%+v: %q and %q: prefixes %x and %x", s.Order, a, b, p, q)
		}
	}
}

// TestKeysOfHugeNumbers: the keys of an order stay small, also of numbers with millions of
// digits, and sort as far as they reach.
func TestKeysOfHugeNumbers(t *testing.T) {
	t.Parallel()
	s := sortKey{Order: Order{Number: true}}
	huge := func(first string) []byte { return []byte(first + strings.Repeat("7", 1<<20)) }
	smaller, larger := s.read(huge("1"), false), s.read(huge("2"), false)
	for _, k := range []key{smaller, larger} {
		if n := len(k.number.digits) + len(k.text); n > longCell {
			t.Errorf("a key of %d bytes", n)
		}
	}
	if s.compare(smaller, larger) >= 0 || bytes.Compare(s.append(nil, huge("1"), false), s.append(nil, huge("2"), false)) >= 0 {
		t.Error("the larger number comes first")
	}
	if n := len(s.append(nil, huge("1"), false)); n > longCell+16 {
		t.Errorf("%d bytes to sort by", n)
	}
}
