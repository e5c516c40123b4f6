// Package live wakes whoever watches a topic in this process: the event streams of
// browser tabs, and the worker that waits for jobs.
package live

import "sync"

// Hub connects those who change things with those who watch. It is safe for
// concurrent use.
type Hub struct {
	mu     sync.Mutex
	topics map[string]map[chan struct{}]struct{}
}

// NewHub makes an empty hub.
func NewHub() *Hub { return &Hub{topics: map[string]map[chan struct{}]struct{}{}} }

// Signal wakes the watchers of a topic. It never blocks; signals that a watcher has
// not seen yet become one.
func (h *Hub) Signal(topic string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.topics[topic] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Watch gives a channel that receives after each signal of any of the topics, until
// stop is called.
func (h *Hub) Watch(topics ...string) (wake <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range topics {
		if h.topics[t] == nil {
			h.topics[t] = map[chan struct{}]struct{}{}
		}
		h.topics[t][c] = struct{}{}
	}
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, t := range topics {
			if delete(h.topics[t], c); len(h.topics[t]) == 0 {
				delete(h.topics, t)
			}
		}
	}
}
