// Package mailbox shows the mails of an installation that keeps them in place of sending them, for development and the
// demo.
package mailbox
