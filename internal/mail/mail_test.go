package mail_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/internal/fault"
	"steward/internal/mail"
	"steward/web/webtest"
)

func super() access.Actor { return access.Actor{UserID: 1, Name: "Super", SuperAdmin: true} }

// TestOutbox: mails are listed by state and recipient, newest first, page by page.
func TestOutbox(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	s := sink.site()
	u := s.User("")
	for i := range 6 {
		send(t, s, mail.Letter{Kind: mail.PasswordChanged, To: fmt.Sprintf("p%d@example.com", i%3), UserID: u.ID})
		s.Clock.Forward(time.Second)
	}
	work(t, s)
	send(t, s, mail.Letter{Kind: mail.PasswordChanged, To: "p1@Example.com", Name: "One"})
	list := func(f mail.Filter) (ids []int64) {
		s.View(func(tx *db.Tx) error {
			if f.Limit == 0 {
				f.Limit = 100
			}
			found, err := s.App.Mail.List(tx, super(), f)
			for _, m := range found.Mails {
				ids = append(ids, m.ID)
			}
			return err
		})
		return ids
	}
	for name, c := range map[string]struct {
		f    mail.Filter
		want []int64
	}{
		"all":                 {mail.Filter{}, []int64{7, 6, 5, 4, 3, 2, 1}},
		"sent":                {mail.Filter{State: mail.Sent}, []int64{6, 5, 4, 3, 2, 1}},
		"waiting":             {mail.Filter{State: mail.Waiting}, []int64{7}},
		"to an address":       {mail.Filter{To: " P1@example.com "}, []int64{7, 5, 2}},
		"to a part of one":    {mail.Filter{To: "p1@EXAM"}, []int64{7, 5, 2}},
		"to none":             {mail.Filter{To: "%"}, nil},
		"sent to an address":  {mail.Filter{To: "p1@example.com", State: mail.Sent}, []int64{5, 2}},
		"sent to a part":      {mail.Filter{To: "p1", State: mail.Sent}, []int64{5, 2}},
		"dead":                {mail.Filter{State: mail.Dead}, nil},
		"the first page":      {mail.Filter{Limit: 2}, []int64{7, 6}},
		"the first page of p": {mail.Filter{To: "p", Limit: 2}, []int64{7, 6}},
	} {
		if got := list(c.f); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	third := state(t, s, 3)
	if got := list(mail.Filter{Before: mail.Cursor{At: third.CreatedAt, ID: third.ID}}); !slices.Equal(got, []int64{2, 1}) {
		t.Errorf("after the third: %v", got)
	}
	s.View(func(tx *db.Tx) error { // it says how far back a bounded search looked
		found, err := mail.ListMost(tx, mail.Filter{To: "p0", Limit: 100}, 4)
		if len(found.Mails) != 1 || !found.Until.Equal(state(t, s, 4).CreatedAt) {
			t.Errorf("a bounded search finds %+v", found)
		}
		return err
	})
}

// TestOutboxPlans: no list and no sweep reads the whole table.
func TestOutboxPlans(t *testing.T) {
	t.Parallel()
	dsn := "sqlite:" + t.TempDir() + "/steward.db" // the plans of the database that plans less
	s := webtest.Open(t, webtest.Options{Idle: true, DSN: dsn})
	ctx, trace := db.WithTrace(t.Context())
	err := s.App.DB.View(ctx, func(tx *db.Tx) error {
		for _, f := range []mail.Filter{{}, {State: mail.Dead}, {To: "a@example.com"}, {To: "a"}, {To: "a", State: mail.Dead}, {Before: mail.Cursor{At: tx.Now, ID: 7}}, {State: mail.Sent, Before: mail.Cursor{At: tx.Now, ID: 7}}} {
			f.Limit = 51
			if _, err := s.App.Mail.List(tx, super(), f); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.App.Mail.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if len(trace.Queries()) < 17 {
		t.Fatalf("only %d queries", len(trace.Queries()))
	}
	for _, q := range trace.Queries() {
		for _, step := range dbtest.Plan(t, dsn, q.SQL, q.Args) {
			if strings.HasPrefix(step, "SCAN mails") || strings.Contains(step, "TEMP B-TREE") {
				t.Errorf("%s\n%s", step, q.SQL)
			}
		}
	}
}

// TestOnlySuperAdmins: nobody else sees mails, or has one sent again.
func TestOnlySuperAdmins(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	id := send(t, s, mail.Letter{Kind: mail.AccountEnabled, To: "a@example.com"})
	work(t, s)
	for _, by := range []access.Actor{{}, s.User("").Actor()} {
		err := s.App.DB.Update(t.Context(), func(tx *db.Tx) error {
			if _, err := s.App.Mail.List(tx, by, mail.Filter{Limit: 1}); !fault.Is(err, fault.Forbidden) {
				t.Errorf("List: %v", err)
			}
			if _, err := s.App.Mail.Get(tx, by, id); !fault.Is(err, fault.Forbidden) {
				t.Errorf("Get: %v", err)
			}
			_, err := s.App.Mail.Retry(tx, by, id)
			return err
		})
		if !fault.Is(err, fault.Forbidden) {
			t.Errorf("Retry: %v", err)
		}
	}
}

// TestRetry: a dead mail is sent again, under the same Message-ID, if it still can be.
func TestRetry(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	sink.answers = say("RCPT", 550, "no such user")
	s := sink.site()
	id := send(t, s, mail.Letter{Kind: mail.Activate, To: "a@example.com", Path: "/activate/some-code"})
	retry := func(id int64) error {
		return s.App.DB.Update(t.Context(), func(tx *db.Tx) error { _, err := s.App.Mail.Retry(tx, super(), id); return err })
	}
	if err := retry(id); !fault.Is(err, fault.Conflict) {
		t.Errorf("a waiting mail: %v", err)
	}
	if err := retry(99); !fault.Is(err, fault.NotFound) {
		t.Errorf("no mail: %v", err)
	}
	work(t, s)
	if m := state(t, s, id); m.State != mail.Dead || !m.Kept() {
		t.Fatalf("%+v", m)
	}
	sink.answers = func(string) error { return nil }
	if err := retry(id); err != nil {
		t.Fatal(err)
	}
	if m := state(t, s, id); m.State != mail.Waiting || m.Reason != "" {
		t.Errorf("%+v", m)
	}
	work(t, s)
	m := state(t, s, id)
	if m.State != mail.Sent || m.Kept() || m.Attempts != 1 || m.SentAt.IsZero() {
		t.Errorf("%+v", m)
	}
	if got := sink.only().parse(t).Header.Get("Message-ID"); got != "<"+m.MessageID+">" {
		t.Errorf("Message-ID %s, want %s", got, m.MessageID)
	}
	if says := events(s); !slices.Contains(says, fmt.Sprintf(`"Super" has mail %d (activate) to a@example.com sent again. It was dead: The mail server %s answered to the recipient: 550 5.1.1 no such user`, id, sink.addr)) {
		t.Errorf("events: %q", says)
	}
	if err := retry(id); !fault.HasCode(err, "mail.notDead") {
		t.Errorf("a sent mail: %v", err)
	}
}

// events are the sentences of what happened to mails, in their order.
func events(s *webtest.Site) (says []string) {
	s.View(func(tx *db.Tx) (err error) {
		says, err = db.All(tx, db.Scalar[string], "SELECT message FROM events WHERE object_type = 'mail' ORDER BY id LIMIT 100")
		return err
	})
	return says
}

// TestSweep: what nobody needs any more is erased, and nothing waits for ever.
func TestSweep(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	sink.answers = say("RCPT", 550, "no such user")
	s := sink.site()
	now := s.App.DB.Now()
	short := send(t, s, mail.Letter{Kind: mail.ResetPassword, To: "short@example.com", Path: "/password/reset/short-code", Until: now.Add(time.Hour)})
	long := send(t, s, mail.Letter{Kind: mail.Activate, To: "long@example.com", Path: "/activate/long-code"})
	work(t, s)
	sink.answers = say("RCPT", 450, "later")
	fails := send(t, s, mail.Letter{Kind: mail.PasswordChanged, To: "fails@example.com"})
	work(t, s)
	late := send(t, s, mail.Letter{Kind: mail.ResetPassword, To: "late@example.com", Path: "/password/reset/late-code", Until: now.Add(time.Hour)})
	untried := send(t, s, mail.Letter{Kind: mail.PasswordChanged, To: "untried@example.com"})
	sweep := func(forward time.Duration, want int64) {
		t.Helper()
		s.Clock.Forward(forward)
		if n, err := s.App.Mail.Sweep(t.Context()); n != want || err != nil {
			t.Errorf("%d mails were swept, %v; want %d", n, err, want)
		}
	}
	check := func(id int64, state_ mail.State, kept bool) {
		t.Helper()
		if m := state(t, s, id); m.State != state_ || m.Kept() != kept {
			t.Errorf("mail %d is %s, kept %v; want %s, %v", id, m.State, m.Kept(), state_, kept)
		}
	}
	sweep(0, 0)
	check(short, mail.Dead, true)
	sweep(time.Hour, 2)
	check(short, mail.Dead, false)
	check(late, mail.Expired, false)
	check(fails, mail.Waiting, true)
	sweep(48*time.Hour, 1)
	check(fails, mail.Dead, true)
	check(untried, mail.Waiting, true)
	check(long, mail.Dead, true)
	sweep(30*24*time.Hour, 2)
	check(long, mail.Dead, false)
	check(fails, mail.Dead, false)
	for id, code := range map[int64]string{short: "mail.over", long: "mail.erased"} {
		err := s.App.DB.Update(t.Context(), func(tx *db.Tx) error { _, err := s.App.Mail.Retry(tx, super(), id); return err })
		if !fault.HasCode(err, code) {
			t.Errorf("sending mail %d again: %v", id, err)
		}
	}
	sink.answers = func(string) error { return nil }
	work(t, s) // the jobs of those that are over end without a word
	if to := sink.only().to; to[0] != "untried@example.com" {
		t.Errorf("the mail to %v was sent", to)
	}
}

// TestASVS_1_3_11: what comes from people becomes no further recipient and no header.
func TestASVS_1_3_11(t *testing.T) {
	t.Parallel()
	sink := newSink(t)
	s := sink.site()
	for _, to := range []string{"", "a", "a@b\r\nBcc: x@example.com", "a@example.com, b@example.com", "A <a@example.com>", "a@example.com\n", "a@exam\u202eple.com", strings.Repeat("a", 250) + "@example.com"} {
		err := s.App.DB.Update(t.Context(), func(tx *db.Tx) error {
			_, err := s.App.Mail.Send(tx, mail.Letter{Kind: mail.Activate, To: to})
			return err
		})
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("to %q: %v", to, err)
		}
	}
	send(t, s, mail.Letter{Kind: mail.IdentityLinked, To: "a@example.com", Name: "Eve\r\nBcc: b@example.com\r\n\r\n\"<x@example.com>, \u202eČ",
		Values: map[string]string{"provider": "Evil\r\nBcc: c@example.com\r\n\r\nhello"}})
	work(t, s)
	got := sink.only()
	m := got.parse(t)
	if !slices.Equal(got.to, []string{"a@example.com"}) || m.Header.Get("Bcc") != "" || m.Header.Get("Cc") != "" || len(m.Header["Subject"]) != 1 {
		t.Errorf("to %v, headers %v", got.to, m.Header)
	}
	to, err := m.Header.AddressList("To")
	if err != nil || len(to) != 1 || to[0].Address != "a@example.com" || to[0].Name != `Eve Bcc: b@example.com "<x@example.com>, Č` {
		t.Errorf("To is %v (%v) in %q", to, err, m.Header.Get("To"))
	}
}

// TestBadLetters: a letter that the program cannot write is an error where it is sent.
func TestBadLetters(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	for _, l := range []mail.Letter{{Kind: "unknown", To: "a@example.com"}, {Kind: mail.Activate, To: "a@example.com", Path: "https://evil.example/secret"},
		{Kind: mail.Activate, To: "a@example.com", Path: "//evil.example/secret"}, {Kind: mail.Activate, To: "a@example.com", Path: "/a\r\nb/secret"}} {
		err := s.App.DB.Update(t.Context(), func(tx *db.Tx) error { _, err := s.App.Mail.Send(tx, l); return err })
		if err == nil || fault.Of(err) != nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v", l, err)
		}
	}
}
