package main

import (
	"context"
	"time"
)

// settle is how long a server is left alone before its memory is looked at.
const settle = 3 * time.Second

// start measures how long a server takes to its first answer, and what memory it has
// when nothing happens.
func (b *bench) start(ctx context.Context) ([]Row, error) {
	w, err := b.world()
	if err != nil {
		return nil, err
	}
	var started, idle Samples
	for range b.rounds {
		s, err := b.serve(ctx, w.data)
		if err != nil {
			return nil, err
		}
		time.Sleep(settle)
		started, idle = append(started, s.started), append(idle, memory(s.pid(), "VmRSS"))
		if err := s.stop(); err != nil {
			return nil, err
		}
	}
	return []Row{
		{What: "cold start to the first answer", Unit: "s", Steward: started, Compare: Figure, Want: 1},
		{What: "memory of an idle server", Unit: "MB", Steward: idle, Compare: Figure, Want: 120},
	}, nil
}
