package web

import (
	"bufio"
	"net/http"
	"sync"
)

// gatherSize is how much of an answer goes out at once: most pages as a whole.
const gatherSize = 64 << 10

// gather sends answers in large pieces: net/http by itself makes a system call, and a
// packet, for each 4 kB.
func gather(next http.Handler) http.Handler {
	pool := &sync.Pool{New: func() any { return bufio.NewWriterSize(nil, gatherSize) }}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g := &gatherer{ResponseWriter: w, pool: pool}
		next.ServeHTTP(g, r)
		_ = g.send() // whoever asked is gone
	})
}

// gatherer has a buffer only while something waits in it, so that streams, which are
// open for long, need none between their messages. When a handler panics, what waits is
// not sent.
type gatherer struct {
	http.ResponseWriter
	pool    *sync.Pool
	waiting *bufio.Writer
}

// Write implements http.ResponseWriter.
func (g *gatherer) Write(p []byte) (int, error) {
	if g.waiting == nil {
		g.waiting = g.pool.Get().(*bufio.Writer)
		g.waiting.Reset(g.ResponseWriter)
	}
	return g.waiting.Write(p)
}

func (g *gatherer) send() error {
	if g.waiting == nil {
		return nil
	}
	err := g.waiting.Flush()
	g.waiting.Reset(nil)
	g.pool.Put(g.waiting)
	g.waiting = nil
	return err
}

// FlushError sends what waits, for http.ResponseController.
func (g *gatherer) FlushError() error {
	if err := g.send(); err != nil {
		return err
	}
	return http.NewResponseController(g.ResponseWriter).Flush()
}

// Flush implements http.Flusher.
func (g *gatherer) Flush() { _ = g.FlushError() }

// Unwrap lets http.ResponseController reach the connection.
func (g *gatherer) Unwrap() http.ResponseWriter { return g.ResponseWriter }
