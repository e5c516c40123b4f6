package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// Order tells the load generator what to ask for. The generator is a process of its
// own, with connections of its own, that are kept open.
type Order struct {
	Address, Path, Cookie string
	Gzip                  bool
	Connections           int
	Warm, For             time.Duration
}

// Answer is what came of it.
type Answer struct {
	Requests int     // those that ended in the time that counts
	All      int     // with those of the time before
	Bytes    float64 // of a page's body
}

// generate is the role of the load generator.
func generate(ctx context.Context, in io.Reader, out io.Writer) error {
	var o Order
	if err := json.NewDecoder(in).Decode(&o); err != nil {
		return err
	}
	encoding := ""
	if o.Gzip {
		encoding = "Accept-Encoding: gzip\r\n"
	}
	request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nAccept: text/html\r\n%s\r\n", o.Path, o.Address, o.Cookie, encoding)
	begin := time.Now().Add(o.Warm)
	end := begin.Add(o.For)
	answers := make([]Answer, o.Connections)
	g, ctx := errgroup.WithContext(ctx)
	for i := range answers {
		g.Go(func() (err error) { answers[i], err = ask(ctx, o.Address, request, begin, end); return err })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	var total Answer
	for _, a := range answers {
		total = Answer{total.Requests + a.Requests, total.All + a.All, a.Bytes}
	}
	return json.NewEncoder(out).Encode(total)
}

// ask sends one request after the other on one connection until end.
func ask(ctx context.Context, address string, request []byte, begin, end time.Time) (a Answer, err error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return a, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(end.Add(10 * time.Second)); err != nil {
		return a, err
	}
	in := bufio.NewReaderSize(conn, 64<<10)
	for {
		if _, err := conn.Write(request); err != nil {
			return a, err
		}
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return a, err
		}
		n, err := io.Copy(io.Discard, res.Body)
		if err != nil {
			return a, err
		}
		if res.StatusCode != http.StatusOK {
			return a, fmt.Errorf("%q: %s", request, res.Status)
		}
		now := time.Now()
		if now.After(end) {
			return a, ctx.Err()
		}
		a.All, a.Bytes = a.All+1, float64(n)
		if now.After(begin) {
			a.Requests++
		}
	}
}
