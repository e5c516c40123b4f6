package mail

import (
	"context"

	"steward/internal/config"
)

// NewSender is what hands letters over, as the configuration says: an SMTP server, the
// mailbox that is shown in the console, or, if it names none, something that refuses all.
func NewSender(c config.Config) (Sender, error) {
	switch {
	case c.SMTP == "":
		return nobody{}, nil
	case c.Mailbox():
		return mailbox{}, nil
	}
	return newServer(c)
}

// nobody sends nothing.
type nobody struct{}

func (nobody) keeps() bool { return false }

func (nobody) send(context.Context, Mail, Content) error {
	return &sendError{reason: "No mail server is configured (--smtp).", final: true}
}

// mailbox keeps letters to be shown, for development and the demo.
type mailbox struct{}

func (mailbox) keeps() bool { return true }

func (mailbox) send(context.Context, Mail, Content) error { return nil }
