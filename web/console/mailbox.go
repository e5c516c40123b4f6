package console

import (
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"steward/internal/config"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/mail"
	letterview "steward/views/mail"
	view "steward/views/mailbox"
	"steward/views/paths"
	"steward/views/ui"
)

// opened is a mail of the mailbox with what it says; the letter is zero when that has
// been erased.
type opened struct {
	mail.Mail
	letter letterview.Letter
}

var mailFields = []field[opened]{
	{"id", func(m opened) any { return m.ID }},
	{"sent", func(m opened) any { return m.SentAt }},
	{"recipient", func(m opened) any { return m.To }},
	{"recipientName", func(m opened) any { return m.Name }},
	{"kind", func(m opened) any { return string(m.Kind) }},
	{"subject", func(m opened) any { return m.letter.Subject }},
	{"link", func(m opened) any { return m.letter.Button.URL }},
}

// mailboxHere is NotFound unless mails are shown, and to whoever is led here by another
// name: a page of somebody else's site could make its name mean this machine.
func (c *Console) mailboxHere(ec echo.Context) error {
	host := url.URL{Host: ec.Request().Host}
	if !c.app.Mail.Mailbox() || !config.Loopback(host.Hostname()) {
		return fault.New(fault.NotFound, "notFound", "Not found.")
	}
	return nil
}

func (c *Console) mailbox(ec echo.Context) error {
	if err := c.mailboxHere(ec); err != nil {
		return err
	}
	f := mail.Filter{To: query(ec, "q")}
	done, err := exported(ec, "mails", mailFields, func(last *opened) ([]opened, error) {
		f := f
		f.Limit = 200
		if last != nil {
			f.Before = mail.Cursor{At: last.CreatedAt, ID: last.ID}
		}
		list, _, err := c.openMails(ec, f)
		return list, err
	})
	if done || err != nil {
		return err
	}
	if f.Before.At, f.Before.ID, err = parseCursor(ec.QueryParam("before")); err != nil {
		return err
	}
	f.Limit = pageSize + 1
	list, found, err := c.openMails(ec, f)
	if err != nil {
		return err
	}
	cursor, label := "", "Older mails"
	if len(list) > pageSize {
		list = list[:pageSize]
		cursor = cursorOf(list[pageSize-1].CreatedAt, list[pageSize-1].ID)
	}
	text := ui.Count(int64(len(list)), "mail", "mails") + " on this page"
	if cursor == "" && !found.Until.IsZero() {
		text += ", searched back to " + ui.Exact(found.Until, utc).Text
		cursor, label = cursorOf(found.Until, 0), "Search older mails"
	}
	m := view.Mailbox{To: f.To, Download: downloads(ec), Pager: more(ec, text, "before", cursor, label)}
	for _, x := range list {
		row := view.Row{Subject: x.letter.Subject, URL: paths.MailboxMail(x.ID), To: x.To, Name: x.Name, Sent: c.when(x.SentAt)}
		if !x.Kept() {
			row.Subject, row.URL = "A mail that is not kept any more", ""
		}
		m.Mails = append(m.Mails, row)
	}
	return page(ec, http.StatusOK, view.MailboxPage(m))
}

func (c *Console) mailboxMail(ec echo.Context) error {
	if err := c.mailboxHere(ec); err != nil {
		return err
	}
	id, err := number(ec, "mail")
	if err != nil {
		return err
	}
	var m mail.Mail
	if err := c.view(ec, func(tx *db.Tx) (err error) { m, err = c.app.Mail.InBox(tx, id); return err }); err != nil {
		return err
	}
	letter, err := c.openMail(m)
	if err != nil {
		return err
	}
	to := m.To
	if m.Name != "" {
		to = m.Name + " <" + m.To + ">"
	}
	return page(ec, http.StatusOK, view.MailPage(view.Mail{Letter: letter, Text: letter.Text(), To: to, Sent: c.exact(m.SentAt), MessageID: m.MessageID}))
}

// openMails gives mails of the mailbox with what they say.
func (c *Console) openMails(ec echo.Context, f mail.Filter) (list []opened, found mail.Found, err error) {
	if err = c.view(ec, func(tx *db.Tx) (err error) { found, err = c.app.Mail.Box(tx, f); return err }); err != nil {
		return nil, found, err
	}
	for _, m := range found.Mails {
		x := opened{Mail: m}
		if m.Kept() {
			if x.letter, err = c.openMail(m); err != nil {
				return nil, found, err
			}
		}
		list = append(list, x)
	}
	return list, found, nil
}

func (c *Console) openMail(m mail.Mail) (letterview.Letter, error) {
	l, err := c.app.Mail.Open(m)
	if err != nil {
		return letterview.Letter{}, err
	}
	return c.app.Letter(l, m.CreatedAt)
}
