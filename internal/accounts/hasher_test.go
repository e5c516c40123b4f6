package accounts

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"steward/internal/fault"
)

// TestHasherIsFair: who comes to the queue of hashes later has the second turn, however many
// places another holds before them, and each holder's own come in their order.
func TestHasherIsFair(t *testing.T) {
	t.Parallel()
	h := newHasher()
	h.turns = 1
	var order []string // under the one turn
	var all sync.WaitGroup
	begun, release := make(chan struct{}), make(chan struct{})
	wait := func(who, name string, hash func()) {
		p, err := h.queue(who)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			defer p.leave()
			if err := p.run(t.Context(), func() error { order = append(order, name); hash(); return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	stands := func(who string, n int) {
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
			h.mu.Lock()
			there := len(h.holders[who].waiting)
			h.mu.Unlock()
			if there == n {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%d of %s wait, not %d", there, who, n)
			}
		}
	}
	wait("flood", "flood 0", func() { close(begun); <-release })
	<-begun
	for i := 1; i < hashShare; i++ {
		wait("flood", "flood "+string(rune('0'+i)), func() {})
		stands("flood", i)
	}
	if _, err := h.queue("flood"); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("one place more than the share: %v", err)
	}
	wait("late", "late", func() {})
	stands("late", 1)
	close(release)
	all.Wait()
	// The first turn after the one that runs is the flood's, which stood in the line already.
	if want := []string{"flood 0", "flood 1", "late", "flood 2", "flood 3", "flood 4"}; !slices.Equal(order, want) {
		t.Errorf("turns: %v, not %v", order, want)
	}
	if len(h.holders) != 0 || h.taken != 0 || len(h.line) != 0 {
		t.Errorf("left behind: %v, %d, %v", h.holders, h.taken, h.line)
	}
}

// TestHasherForgoes: who gives up waiting takes nothing from those behind them.
func TestHasherForgoes(t *testing.T) {
	t.Parallel()
	h := newHasher()
	h.turns = 0
	first, err := h.queue("a")
	if err != nil {
		t.Fatal(err)
	}
	second, err := h.queue("b")
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := first.run(gone, func() error { return errors.New("ran") }); !errors.Is(err, context.Canceled) {
		t.Errorf("who left: %v", err)
	}
	if err := first.run(t.Context(), func() error { return nil }); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("who waited in vain: %v", err)
	}
	h.turn()
	ran := false
	if err := second.run(t.Context(), func() error { ran = true; return nil }); err != nil || !ran {
		t.Errorf("the next one: %v, %v", ran, err)
	}
	first.leave()
	second.leave()
	if len(h.holders) != 0 || h.taken != 0 || len(h.line) != 0 {
		t.Errorf("left behind: %v, %d, %v", h.holders, h.taken, h.line)
	}
}
