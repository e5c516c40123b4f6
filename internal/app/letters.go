package app

import (
	"time"

	"steward/internal/mail"
)

// composed is a letter as it is sent.
func (a *App) composed(l mail.Letter, _ time.Time) (mail.Content, error) {
	link := ""
	if l.Path != "" {
		link = a.Config.PublicURL + l.Path
	}
	return mail.Content{Subject: string(l.Kind), Text: link, HTML: link}, nil
}
