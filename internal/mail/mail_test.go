package mail_test

import (
	"testing"

	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/mail"
	"steward/web/webtest"
)

func TestNoServer(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	var id int64
	s.Update(func(tx *db.Tx) (err error) {
		id, err = s.App.Mail.Send(tx, mail.Letter{Kind: mail.Activate, To: "a@example.com", Path: "/activate/x"})
		return err
	})
	if err := s.App.Jobs.Drain(t.Context(), jobs.System); err != nil {
		t.Fatal(err)
	}
	s.View(func(tx *db.Tx) error {
		m, err := s.App.Mail.Get(tx, s.SuperAdmin("").Actor(), id)
		if m.State != mail.Dead || m.Reason != "No mail server is configured (--smtp)." || !m.Kept() {
			t.Errorf("%+v", m)
		}
		return err
	})
}
