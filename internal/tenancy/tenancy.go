package tenancy

import (
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
