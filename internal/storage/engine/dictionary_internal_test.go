package engine

import (
	"fmt"
	"testing"
)

// TestDictionaryForgets: between row groups a dictionary keeps its room only as far as it
// is told to, so that many columns that were busy once do not hold memory for ever.
func TestDictionaryForgets(t *testing.T) {
	t.Parallel()
	d := newDictionary(false)
	fill := func() {
		for i := range 10_000 {
			if n, ok := d.index(fmt.Appendf(nil, "value %d", i)); !ok || int(n) != i {
				t.Fatalf("value %d has number %d, %v", i, n, ok)
			}
		}
	}
	for _, most := range []int{1 << 30, 1 << 10} {
		fill()
		d.reset(most)
		if kept := cap(d.page) > 0; kept != (most == 1<<30) || d.size() != 0 {
			t.Errorf("reset(%d): kept %v, size %d", most, kept, d.size())
		}
	}
	fill()
}
