package paths

// Mailbox is the list of mails that were kept in place of being sent.
func Mailbox() string { return "/mailbox" }

// MailboxMail is one of them.
func MailboxMail(mail int64) string { return Mailbox() + "/" + number(mail) }
