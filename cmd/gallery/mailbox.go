package main

import (
	"strings"
	"time"

	"steward/views/mail"
	"steward/views/mailbox"
	"steward/views/ui"
)

func mailboxScreens() []Screen {
	at := time.Date(2026, 11, 21, 22, 41, 0, 0, time.UTC)
	told := mail.Told{Site: "https://steward.northwind.example", Name: "Hana Dvořáková", Link: "https://steward.northwind.example/activate/7Jt0cQ2mVxYb9sKfLrE4uWnZoPiAhGd5T1y8vCqXeM0", At: at, Until: at.Add(72 * time.Hour),
		Values: map[string]string{"inviter": "Vera Lindqvist", "address": "192.0.2.17", "device": "Firefox 145 on Linux", "method": "password and authenticator"}}
	sent := ui.Exact(at, time.UTC)
	list := mailbox.Mailbox{Pager: ui.Pager{Text: "3 mails on this page"}, Download: ui.Download{CSV: "/mailbox?format=csv", JSON: "/mailbox?format=json"}, Mails: []mailbox.Row{
		{Subject: "New sign-in to your account", URL: "/mailbox-letter", To: "hana.dvorakova@northwind.example", Name: "Hana Dvořáková", Sent: sent},
		{Subject: "Activate your Steward account", URL: "/mailbox-letter", To: "oskar@northwind.example", Sent: sent},
		{Subject: "A mail that is not kept any more", To: strings.Repeat("very-long-", 6) + "name@northwind.example", Name: strings.Repeat("Long", 40), Sent: sent},
	}}
	one := func(m mail.Letter) mailbox.Mail {
		return mailbox.Mail{Letter: m, Text: m.Text(), To: "Hana Dvořáková <hana.dvorakova@northwind.example>", Sent: sent, MessageID: "17.8c1f0a52b97c1f0a52b9@steward.northwind.example"}
	}
	return []Screen{
		ok("mailbox", "Mailbox", mailbox.MailboxPage(list)),
		ok("mailbox-empty", "Mailbox, empty", mailbox.MailboxPage(mailbox.Mailbox{})),
		ok("mailbox-none", "Mailbox, nothing found", mailbox.MailboxPage(mailbox.Mailbox{To: "nobody"})),
		ok("mailbox-letter", "A mail with a link", mailbox.MailPage(one(mail.Activate(told)))),
		ok("mailbox-notice", "A mail about what happened", mailbox.MailPage(one(mail.NewDevice(told)))),
	}
}
