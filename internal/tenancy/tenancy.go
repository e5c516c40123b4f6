package tenancy

import (
	"steward/internal/accounts"
	"steward/internal/mail"
)

// Service changes who belongs where, and tells them. It is safe for concurrent use.
type Service struct {
	people *accounts.Service
	mail   *mail.Service
}

// New makes the service.
func New(people *accounts.Service, post *mail.Service) *Service { return &Service{people, post} }
