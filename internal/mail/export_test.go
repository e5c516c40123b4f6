package mail

import (
	"context"
	"time"

	"steward/internal/config"
	"steward/internal/db"
)

// ListMost is List with another bound.
func ListMost(tx *db.Tx, f Filter, most int) (Found, error) { return list(tx, f, most) }

// SendElsewhere sends to a server as if it were on another machine, with so much time for
// each step.
func SendElsewhere(ctx context.Context, c config.Config, step time.Duration) error {
	s, err := newServer(c)
	if err != nil {
		return err
	}
	s.Plain, s.step = false, step
	return s.send(ctx, Mail{MessageID: "1@example.com", To: "a@example.com"}, Content{Subject: "s", Text: "t", HTML: "h"})
}
