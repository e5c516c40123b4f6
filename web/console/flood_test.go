package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"steward/internal/db"
	"steward/web/webtest"
)

// fromAnywhere lets requests come from the address that they say.
func fromAnywhere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if from := r.Header.Get("Test-From"); from != "" {
			r.RemoteAddr = from
		}
		next.ServeHTTP(w, r)
	})
}

// TestASVS_2_4_1: of hundreds who try to sign in at once, from as many addresses, most are
// sent away with the time to wait, before anything is computed or written for them; others
// go on working, and so does signing in afterwards. Case 58 of the security goals.
func TestASVS_2_4_1(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true, Handler: fromAnywhere})
	u := s.User("")
	c := s.SignIn(u)
	const crowd = 300
	statuses, start := make([]int, crowd), make(chan struct{})
	var all sync.WaitGroup
	for i := range crowd {
		all.Go(func() {
			form := url.Values{"email": {fmt.Sprintf("nobody-%d@example.com", i)}, "password": {"not the right one, surely"}}
			r := s.Anonymous().Request(http.MethodPost, "/login", strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Test-From", fmt.Sprintf("203.0.%d.%d:999", i>>8, i&0xff))
			<-start
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = res.Body.Close() }()
			statuses[i] = res.StatusCode
			if wait, err := strconv.Atoi(res.Header.Get("Retry-After")); res.StatusCode == http.StatusServiceUnavailable && (err != nil || wait < 1) {
				t.Errorf("Retry-After is %q", res.Header.Get("Retry-After"))
			}
		})
	}
	close(start)
	for range 20 {
		c.Get("/").Want(http.StatusOK)
	}
	all.Wait()
	count := map[int]int{}
	for _, status := range statuses {
		count[status]++
	}
	tried := count[http.StatusUnprocessableEntity]
	if tried == 0 || count[http.StatusServiceUnavailable] < crowd/4 || tried+count[http.StatusServiceUnavailable] != crowd {
		t.Errorf("answers by status: %v", count)
	}
	s.View(func(tx *db.Tx) error {
		events, err := db.Value[int64](tx, "SELECT count(*) FROM events WHERE name = 'user.loginFailed'")
		if events != int64(tried) {
			t.Errorf("%d events of %d failed attempts", events, tried)
		}
		if err != nil {
			return err
		}
		counted, err := db.Value[int64](tx, "SELECT count(*) FROM throttles WHERE key LIKE 'signin/min:203.0.%'")
		if counted == crowd {
			t.Error("something was written for every one of them")
		}
		return err
	})
	late := s.Anonymous().Post("/login", url.Values{"email": {u.Email}, "password": {webtest.Password}}).Want(http.StatusSeeOther)
	if strings.HasPrefix(late.Location, "/login") {
		t.Errorf("nobody signs in after the flood: %s", late.Location)
	}
}

// TestASVS_2_4_1_one: neither one person, by a form in the session, nor one sender, who is
// past every limit, keeps others from signing in.
func TestASVS_2_4_1_one(t *testing.T) {
	// Not beside other tests: who waits for the machine longer than for a place in the queue is sent
	// away as well.
	s := webtest.Open(t, webtest.Options{Idle: true, Handler: fromAnywhere})
	inside, outside := s.SignIn(s.User("")), s.Anonymous()
	var stop atomic.Bool
	var floods, all sync.WaitGroup
	for range 12 { // more than the share of one, each as fast as it can
		floods.Go(func() {
			for !stop.Load() {
				inside.Post("/account/password", url.Values{"current": {webtest.Password}, "password": {"x"}, "repeat": {"x"}})
			}
		})
		floods.Go(func() {
			for !stop.Load() {
				outside.Post("/login", url.Values{"email": {"nobody@example.com"}, "password": {"not the right one, surely"}})
			}
		})
	}
	for round := range 5 {
		for i := range 3 {
			u := s.User("")
			all.Go(func() {
				c := s.Anonymous()
				r := c.Request(http.MethodPost, "/login", strings.NewReader(url.Values{"email": {u.Email}, "password": {webtest.Password}}.Encode()))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.Header.Set("Test-From", fmt.Sprintf("198.51.100.%d:999", 10*round+i))
				if res := c.Do(r); res.Status != http.StatusSeeOther || res.Location != "/" {
					t.Errorf("somebody else: %d %s", res.Status, res.Location)
				}
			})
		}
		all.Wait()
	}
	stop.Store(true)
	floods.Wait()
}
