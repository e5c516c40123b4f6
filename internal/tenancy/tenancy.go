package tenancy

import (
	"fmt"

	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/mail"
)

// Service changes who belongs where, and tells them. It is safe for concurrent use.
type Service struct {
	db     *db.DB
	people *accounts.Service
	mail   *mail.Service
	jobs   *jobs.Service
}

// New makes the service.
func New(d *db.DB, people *accounts.Service, post *mail.Service, queue *jobs.Service) *Service {
	return &Service{d, people, post, queue}
}

// counted writes a number of things: "1 hour", "8 hours".
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
