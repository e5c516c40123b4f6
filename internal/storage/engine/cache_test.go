package engine

import (
	"sync"
	"testing"
)

func TestCache(t *testing.T) {
	t.Parallel()
	has := func(t *testing.T, c *cache[string, int], want map[string]int) {
		t.Helper()
		var bytes int64
		for e := c.recent.Front(); e != nil; e = e.Next() {
			bytes += e.Value.(remembered[string, int]).bytes
		}
		if len(c.entries) != len(want) || c.recent.Len() != len(want) || c.bytes != bytes || bytes > c.limit {
			t.Errorf("%d entries of %d bytes, and %d in order of %d bytes, not %d", len(c.entries), c.bytes, c.recent.Len(), bytes, len(want))
		}
		for key, value := range want {
			if e, ok := c.entries[key]; !ok || e.Value.(remembered[string, int]).value != value {
				t.Errorf("%s is not %d", key, value)
			}
		}
	}

	t.Run("forgets what was not asked for the longest time", func(t *testing.T) {
		t.Parallel()
		c := newCache[string, int](100)
		for i, key := range []string{"a", "b", "c", "d"} {
			c.put(key, i, 25)
		}
		if v, ok := c.get("a"); !ok || v != 0 {
			t.Fatal(v, ok)
		}
		c.put("e", 4, 25)
		has(t, c, map[string]int{"a": 0, "c": 2, "d": 3, "e": 4})
		if _, ok := c.get("b"); ok {
			t.Error("b is remembered")
		}
		c.put("f", 5, 1)
		has(t, c, map[string]int{"a": 0, "d": 3, "e": 4, "f": 5})
	})

	t.Run("takes a key again", func(t *testing.T) {
		t.Parallel()
		c := newCache[string, int](100)
		c.put("a", 1, 10)
		c.put("a", 2, 20)
		has(t, c, map[string]int{"a": 2})
	})

	t.Run("forgets what it is told to", func(t *testing.T) {
		t.Parallel()
		c := newCache[string, int](100)
		c.put("a", 1, 10)
		c.put("b", 2, 20)
		c.forget("a")
		c.forget("c")
		has(t, c, map[string]int{"b": 2})
	})

	t.Run("does not give its room to one value", func(t *testing.T) {
		t.Parallel()
		c := newCache[string, int](100)
		c.put("a", 1, 20)
		c.put("huge", 2, 26)
		has(t, c, map[string]int{"a": 1})
	})

	t.Run("serves many at once", func(t *testing.T) {
		t.Parallel()
		c := newCache[int, int](1000)
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				for i := range 2000 {
					key := (i*7 + worker) % 60
					if v, ok := c.get(key); ok && v != 2*key {
						t.Errorf("%d under %d", v, key)
					}
					c.put(key, 2*key, int64(key))
				}
			})
		}
		wg.Wait()
		if c.bytes > c.limit || len(c.entries) != c.recent.Len() {
			t.Errorf("%d bytes, %d and %d entries", c.bytes, len(c.entries), c.recent.Len())
		}
	})
}

func TestBuffers(t *testing.T) {
	t.Parallel()
	b := new(buffers)
	for _, size := range []int{0, 1, 4 << 10, 4<<10 + 1, 100_000, 1 << 20, 1<<20 + 1, 5 << 20} {
		buffer := b.Allocate(size)
		if len(buffer) != size {
			t.Fatalf("%d bytes, not %d", len(buffer), size)
		}
		for i := range buffer {
			buffer[i] = byte(i)
		}
		grown := b.Reallocate(2*size+1, buffer)
		if len(grown) != 2*size+1 {
			t.Fatalf("%d bytes, not %d", len(grown), 2*size+1)
		}
		for i := range size {
			if grown[i] != byte(i) {
				t.Fatalf("byte %d of %d changed", i, size)
			}
		}
		b.Free(grown)
		b.Free(nil)
	}
	// Two that are lent at the same time are never one.
	var wg sync.WaitGroup
	for worker := range byte(8) {
		wg.Go(func() {
			for i := range 500 {
				buffer := b.Allocate(1 + i*37%20_000)
				for j := range buffer {
					buffer[j] = worker
				}
				for _, x := range buffer {
					if x != worker {
						t.Error("another one wrote into a lent buffer")
						return
					}
				}
				b.Free(buffer)
			}
		})
	}
	wg.Wait()
}
