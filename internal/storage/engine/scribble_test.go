package engine

// Scribble makes the engine write over the memory of pages that is given back, so
// that whoever still reads it finds rubbish.
func (e *Engine) Scribble() {
	e.buffers.freed = func(b []byte) {
		b = b[:cap(b)]
		for i := range b {
			b[i] = 0xA5
		}
	}
}
