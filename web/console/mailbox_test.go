package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"steward/internal/config"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/mail"
	"steward/web/webtest"
)

func withMailbox(c *config.Config) { c.SMTP = config.MailboxURL }

// post sends letters and waits until they are in the mailbox.
func post(t *testing.T, s *webtest.Site, letters ...mail.Letter) (ids []int64) {
	t.Helper()
	s.Update(func(tx *db.Tx) error {
		ids = nil
		for _, l := range letters {
			id, err := s.App.Mail.Send(tx, l)
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	})
	if err := s.App.Jobs.Drain(t.Context(), jobs.System); err != nil {
		t.Fatal(err)
	}
	return ids
}

// TestMailbox: who develops sees mails in place of getting them, with links that lead on.
func TestMailbox(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Config: withMailbox})
	c := s.Anonymous()
	if empty := text(c.Get("/mailbox").Want(http.StatusOK), "main"); !strings.Contains(empty, "No mail yet") {
		t.Errorf("an empty mailbox says %q", empty)
	}
	ids := post(t, s,
		mail.Letter{Kind: mail.Activate, To: "hana@example.com", Name: "Hana <b>Dvořáková</b>", Path: "/activate/abc-def?x=1&y=2", Values: map[string]string{"inviter": "Vera"}},
		mail.Letter{Kind: mail.NewDevice, To: "oskar@example.com", Values: map[string]string{"device": "Firefox on Linux"}})
	list := c.Get("/mailbox").Want(http.StatusOK).Page()
	if n := list.Find("tbody tr").Length(); n != 2 {
		t.Fatalf("%d mails are listed", n)
	}
	first := list.Find("tbody tr").First()
	if got := strings.Join(strings.Fields(first.Text()), " "); !strings.Contains(got, "New sign-in to your account oskar@example.com") {
		t.Errorf("the newest row is %q", got)
	}
	if n := c.Get("/mailbox?q=HANA").Want(http.StatusOK).Page().Find("tbody tr").Length(); n != 1 {
		t.Errorf("%d mails to hana", n)
	}
	if none := text(c.Get("/mailbox?q=nobody").Want(http.StatusOK), "main"); !strings.Contains(none, "No mail fits") {
		t.Errorf("a search that finds nothing says %q", none)
	}

	one := c.Get("/mailbox/" + num(ids[0])).Want(http.StatusOK)
	page := one.Page()
	link := s.URL + "/activate/abc-def?x=1&y=2"
	if got := page.Find("main a.btn").AttrOr("href", ""); got != link {
		t.Errorf("the button leads to %q", got)
	}
	if page.Find("h1").Text() != "Activate your Steward account" || page.Find("b").Length() != 0 || page.Find("[style], style").Length() != 0 {
		t.Errorf("the page is %s", one.Body)
	}
	if !strings.Contains(page.Find(".pre").Text(), "\n"+link+"\n") {
		t.Errorf("the text is %q", page.Find(".pre").Text())
	}

	var rows []struct{ Kind, Recipient, Link string }
	c.Get("/mailbox?format=json").Want(http.StatusOK).JSON(&rows)
	if len(rows) != 2 || rows[1].Link != link || rows[1].Recipient != "hana@example.com" || rows[0].Kind != "newDevice" {
		t.Errorf("as JSON: %+v", rows)
	}
	if csv := c.Get("/mailbox?format=csv").Want(http.StatusOK); strings.Count(csv.Body, "\n") != 3 {
		t.Errorf("as CSV: %q", csv.Body)
	}

	s.Clock.Forward(365 * 24 * time.Hour) // nothing is erased as long as it is shown
	if _, err := s.App.Mail.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Get("/mailbox/" + num(ids[0])).Want(http.StatusOK)
	for _, path := range []string{"/mailbox/0", "/mailbox/999", "/mailbox/x"} {
		c.Get(path).Want(http.StatusNotFound)
	}
	c.Get("/mailbox?before=x").Want(http.StatusUnprocessableEntity)
	rebound := c.Request(http.MethodGet, "/mailbox", nil)
	rebound.Host = "evil.example"
	c.Do(rebound).Want(http.StatusNotFound)
}

// TestMailboxPages: all mails are reached, page by page.
func TestMailboxPages(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Config: withMailbox})
	var letters []mail.Letter
	for range 60 {
		letters = append(letters, mail.Letter{Kind: mail.PasswordChanged, To: "a@example.com"})
	}
	post(t, s, letters...)
	c := s.Anonymous()
	first := c.Get("/mailbox").Want(http.StatusOK).Page()
	next := first.Find(`a[rel="next"]`).AttrOr("href", "")
	second := c.Get(next).Want(http.StatusOK).Page()
	if a, b := first.Find("tbody tr").Length(), second.Find("tbody tr").Length(); a != 50 || b != 10 {
		t.Errorf("pages of %d and %d", a, b)
	}
}

// TestNoMailbox: where mails are sent, nobody can tell that there ever was a mailbox.
func TestNoMailbox(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	post(t, s, mail.Letter{Kind: mail.Activate, To: "a@example.com", Path: "/activate/secret"})
	for _, c := range []*webtest.Client{s.Anonymous(), s.SignIn(s.SuperAdmin(""))} {
		for path, unknown := range map[string]string{"/mailbox": "/unknown", "/mailbox?format=json": "/unknown?format=json", "/mailbox/1": "/unknown"} {
			unknown := c.Get(unknown).Want(http.StatusNotFound)
			if r := c.Get(path).Want(http.StatusNotFound); requestID.ReplaceAllString(r.Body, "") != requestID.ReplaceAllString(unknown.Body, "") {
				t.Errorf("%s tells that it is there:\n%s", path, r.Body)
			}
		}
	}
}
