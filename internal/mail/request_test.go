package mail_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"steward/internal/jobs"
	"steward/web/webtest"
)

// TestRequestsDoNotWait: whatever the mail server does, the pages that write mails answer
// before it has done anything, and each mail comes once when it works again.
func TestRequestsDoNotWait(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*mailServer) (heal func()){
		"down": func(s *mailServer) func() {
			s.close()
			return func() { s.listen(s.addr) }
		},
		"refusing": func(s *mailServer) func() {
			var healed atomic.Bool
			later := say("RCPT", 451, "try later")
			s.answers = func(command string) error {
				if healed.Load() {
					return nil
				}
				return later(command)
			}
			return func() { healed.Store(true) }
		},
		"silent": func(s *mailServer) func() {
			healed := make(chan struct{})
			s.answers = func(string) error { <-healed; return nil }
			return func() { close(healed) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink := newSink(t)
			s := sink.site()
			u := s.User("")
			c := s.SignIn(s.SuperAdmin(""))
			c.HTTP.Timeout = time.Minute // a request that waits for the server fails the test, as nobody heals it before
			heal := sync.OnceFunc(fault(sink))
			defer heal()
			ask := func(i int) {
				c.Post("/admin/users", url.Values{"email": {fmt.Sprintf("new-%d@example.com", i)}, "name": {"Somebody"}}).Want(http.StatusOK)
				c.Get("/admin/mails").Want(http.StatusOK)
			}
			ask(1)
			s.Anonymous().Post("/password/forgot", url.Values{"email": {u.Email}}).Want(http.StatusSeeOther)
			worked := make(chan error, 1)
			go func() { worked <- drain(t, s) }()
			ask(2) // the server has the first mails in hand, or has refused them
			if n := len(sink.mails()); n != 0 {
				t.Fatalf("%d mails came by a server that does not work", n)
			}
			heal()
			if err := <-worked; err != nil {
				t.Fatal(err)
			}
			for range 4 {
				s.Clock.Forward(2 * time.Minute)
				work(t, s)
			}
			var to []string
			for _, m := range sink.mails() {
				to = append(to, m.to...)
			}
			slices.Sort(to)
			if want := []string{"new-1@example.com", "new-2@example.com", u.Email}; !slices.Equal(to, want) {
				t.Errorf("mails came to %v, want %v", to, want)
			}
		})
	}
}

func drain(t *testing.T, s *webtest.Site) error { return s.App.Jobs.Drain(t.Context(), jobs.System) }
