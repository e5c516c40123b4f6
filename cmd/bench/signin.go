package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/app"
	"steward/internal/db"
	"steward/views/paths"
)

// Bounds of measuring how people sign in.
const (
	floodRate = 200 // sign-ins that are tried a second
	floodFor  = 10 * time.Second
	lookRate  = 50 // pages that somebody else opens a second meanwhile
	strangers = 200
)

// signin measures what a flood of sign-ins does to a page of somebody else, and whether
// the time of an answer tells which addresses have an account.
func (b *bench) signin(ctx context.Context) ([]Row, error) {
	w, err := b.makeFolder(ctx, "signin", 1, func(a *app.App, _ access.Project) error { return invite(ctx, a, strangers*b.rounds) })
	if err != nil {
		return nil, err
	}
	s, br, err := b.enter(ctx, w.data)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.stop() }()
	rows, err := b.told(ctx, s)
	if err != nil {
		return nil, err
	}
	flood, err := b.flood(ctx, s, br, paths.Project(w.project))
	return append(rows, flood...), err
}

// invited is the address of an account that somebody might guess at.
func invited(i int) string { return fmt.Sprintf("person-%04d@northwind.example", i) }

// invite makes accounts that are active and have a password.
func invite(ctx context.Context, a *app.App, n int) error {
	hash, err := a.Accounts.Hash(ctx, password)
	if err != nil {
		return err
	}
	return a.DB.Update(ctx, func(tx *db.Tx) error {
		for i := range n {
			if _, err := a.Accounts.Create(tx, access.Actor{}, accounts.NewUser{Email: invited(i), Name: "Somebody"}, hash); err != nil {
				return err
			}
		}
		return nil
	})
}

// stranger sends forms from an address of its own: all of 127.0.0.0/8 is this machine, and
// the program counts attempts by the sender's address.
type stranger struct{ count atomic.Int64 }

func (c *stranger) post(ctx context.Context, s *server, path string, form url.Values) (status int, retry string, took time.Duration, err error) {
	n := c.count.Add(1)
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, byte(1+n>>16), byte(n>>8), byte(n))}}
	h := http.Client{Transport: &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url()+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", 0, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", s.url())
	start := time.Now()
	res, err := h.Do(r)
	if err != nil {
		return 0, "", 0, err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.Header.Get("Retry-After"), time.Since(start), errors.Join(err, res.Body.Close())
}

// told asks for a new password, and tries a wrong one, for addresses with an account and,
// in turns, for addresses without one.
func (b *bench) told(ctx context.Context, s *server) ([]Row, error) {
	var c stranger
	took := Series{}
	asks := []struct {
		what, path string
		form       url.Values
		status     int
	}{
		{"reset", paths.PasswordForgot(), url.Values{}, http.StatusSeeOther},
		{"password", paths.Login(""), url.Values{"password": {"not the right one, surely"}}, http.StatusUnprocessableEntity},
	}
	for round := range b.rounds {
		times := Series{}
		for _, ask := range asks {
			for i := range 2 * strangers {
				who, address := "known", invited(round*strangers+i/2)
				if (i+i/2)%2 == 1 { // each is as often the first of two as the second
					who, address = "unknown", fmt.Sprintf("nobody-%d-%04d@northwind.example", round, i)
				}
				ask.form.Set("email", address)
				status, _, t, err := c.post(ctx, s, ask.path, ask.form)
				if err != nil {
					return nil, err
				}
				if status != ask.status {
					return nil, fmt.Errorf("%s for %s: %d", ask.what, address, status)
				}
				times.add(ask.what+who, milliseconds(t))
			}
		}
		for name, t := range times {
			took.add(name, t.Median())
		}
	}
	var out []Row
	for _, what := range []struct{ name, text string }{{"reset", "asking for a new password"}, {"password", "a wrong password"}} {
		out = append(out, Row{What: fmt.Sprintf("%s, median of %d: for an account, beside an address without one", what.text, strangers), Unit: "ms",
			Steward: took[what.name+"known"], Baseline: took[what.name+"unknown"], Compare: Near, Want: 0.05})
	}
	return out, nil
}

// flood lets strangers from as many addresses try to sign in, and opens a page meanwhile,
// in turns with opening it in peace.
func (b *bench) flood(ctx context.Context, s *server, br *browser, page string) ([]Row, error) {
	var c stranger
	var quiet, beside, refused, more Samples
	for round := range b.rounds {
		p99, err := looks99(ctx, br, page)
		if err != nil {
			return nil, err
		}
		quiet = append(quiet, p99)
		before := memory(s.pid(), "VmRSS")
		var f flooded
		stopped := f.run(ctx, s, &c, round)
		time.Sleep(time.Second) // until it is full
		p99, err = looks99(ctx, br, page)
		if err = errors.Join(err, stopped()); err != nil {
			return nil, err
		}
		beside, refused, more = append(beside, p99), append(refused, f.share()), append(more, memory(s.pid(), "VmHWM")-before)
	}
	what := fmt.Sprintf("beside %d sign-ins a second from as many addresses: ", floodRate)
	return []Row{
		{What: what + "a page, 99 of 100 within", Unit: "ms", Steward: beside, Baseline: quiet, Compare: Share, Want: 2},
		{What: what + "answered 503 with Retry-After", Unit: "%", Steward: refused},
		{What: what + "memory more than before", Unit: "MB", Steward: more, Compare: Figure, Want: 100},
	}, nil
}

// flooded is what became of the sign-ins.
type flooded struct {
	all, busy atomic.Int64
	mu        sync.Mutex
	err       error
}

func (f *flooded) share() float64 {
	return 100 * float64(f.busy.Load()) / float64(max(f.all.Load(), 1))
}

// run tries to sign in at the rate, whether or not those before were answered, until the
// function that it gives is called; that waits for the answers.
func (f *flooded) run(ctx context.Context, s *server, c *stranger, round int) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() {
		tick := time.NewTicker(time.Second / floodRate)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			all.Go(func() {
				f.try(context.WithoutCancel(ctx), s, c, fmt.Sprintf("flood-%d-%d@northwind.example", round, i))
			})
		}
	})
	return func() error { cancel(); all.Wait(); return f.err }
}

func (f *flooded) try(ctx context.Context, s *server, c *stranger, address string) {
	status, retry, _, err := c.post(ctx, s, paths.Login(""), url.Values{"email": {address}, "password": {"not the right one, surely"}})
	f.all.Add(1)
	switch {
	case err != nil:
	case status == http.StatusServiceUnavailable && retry != "":
		f.busy.Add(1)
	case status != http.StatusUnprocessableEntity:
		err = fmt.Errorf("a sign-in was answered %d, Retry-After %q", status, retry)
	}
	if err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.err = errors.Join(f.err, err)
	}
}

// looks99 opens a page at a rate, whether or not those before were answered, and tells
// within how many milliseconds 99 of 100 were.
func looks99(ctx context.Context, br *browser, page string) (float64, error) {
	var mu sync.Mutex
	var took Samples
	var failed error
	var all sync.WaitGroup
	tick := time.NewTicker(time.Second / lookRate)
	defer tick.Stop()
	for range int(floodFor.Seconds() * lookRate) {
		<-tick.C
		all.Go(func() {
			t, err := br.time(ctx, page)
			mu.Lock()
			defer mu.Unlock()
			took, failed = append(took, milliseconds(t)), errors.Join(failed, err)
		})
	}
	all.Wait()
	slices.Sort(took)
	return took[len(took)*99/100], failed
}
