package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync"
	"time"

	"steward/internal/app"
	"steward/internal/config"
	"steward/internal/tenancy"
	"steward/views/paths"
	"steward/web"
)

// Times of the HTTP server. Bodies and answers have deadlines of their own, see web.
const (
	readHeaderTimeout = 5 * time.Second
	idleTimeout       = 2 * time.Minute
	drain             = 20 * time.Second
)

type serveCmd struct {
	config.Config `embed:""`
}

// Run serves until ctx ends.
func (s *serveCmd) Run(ctx context.Context, io streams) error {
	log := logger(io.err, s.LogLevel)
	a, err := app.Open(ctx, s.Config, log, app.Options{Serve: true})
	if err != nil {
		return err
	}
	defer func() { _ = a.Close() }()
	code, err := tenancy.SetupCode(ctx, a.DB)
	if err != nil {
		return err
	}
	return serve(ctx, a, func(addr net.Addr) error {
		log.Info("serving", "version", versionText(), "address", addr.String(), "url", a.Config.PublicURL)
		if code != "" {
			fmt.Fprintf(io.out, "Nobody has an account yet. Set Steward up here, once:\n\n  %s%s\n\n", a.Config.PublicURL, paths.Setup(code))
		}
		return nil
	})
}

// serve answers HTTP and works until ctx ends, then stops gracefully: it refuses to be
// ready, lets requests and jobs finish, and gives back the jobs that do not.
func serve(ctx context.Context, a *app.App, ready func(net.Addr) error) error {
	ln, err := net.Listen("tcp", a.Config.Addr)
	if err != nil {
		return fmt.Errorf("--addr: %w", err)
	}
	// Port 0 was chosen by the system; links must name the port that it chose.
	if _, port, _ := net.SplitHostPort(ln.Addr().String()); strings.HasSuffix(a.Config.PublicURL, ":0") {
		a.Config.PublicURL = strings.TrimSuffix(a.Config.PublicURL, "0") + port
	}
	handler, err := web.New(a)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(a.Log.Handler(), slog.LevelWarn), TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	failed := make(chan error, 2)
	go func() {
		if a.Config.TLSCert != "" {
			failed <- srv.ServeTLS(ln, a.Config.TLSCert, a.Config.TLSKey)
			return
		}
		failed <- srv.Serve(ln)
	}()
	ops, err := serveOps(a, failed)
	if err != nil {
		return errors.Join(err, srv.Close())
	}
	working, stopWork := context.WithCancel(context.Background())
	defer stopWork()
	var wg sync.WaitGroup
	wg.Go(func() { a.Jobs.Work(working, drain) })
	err = ready(ln.Addr())
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-failed:
		}
	}
	a.Log.Info("stopping")
	handler.Stop()
	stopWork()
	bounded, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	if srv.Shutdown(bounded) != nil { // some request outlasts the drain
		a.Log.Warn("requests were cut off")
		err = errors.Join(err, srv.Close())
	}
	if ops != nil {
		err = errors.Join(err, ops.Close())
	}
	wg.Wait()
	a.Log.Info("stopped")
	return err
}

// serveOps answers metrics and profiles on a listener of their own.
func serveOps(a *app.App, failed chan<- error) (*http.Server, error) {
	if a.Config.OpsAddr == "" {
		return nil, nil //nolint:nilnil // off
	}
	ln, err := net.Listen("tcp", a.Config.OpsAddr)
	if err != nil {
		return nil, fmt.Errorf("--ops-addr: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", a.Metrics.Handler())
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	srv := &http.Server{Handler: localOnly(mux), ReadHeaderTimeout: readHeaderTimeout}
	go func() {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			failed <- err
		}
	}()
	a.Log.Info("operations", "address", ln.Addr().String())
	return srv, nil
}

// localOnly refuses requests that a browser was talked into: those that name another
// host, or come from a page.
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !config.Loopback(strings.Trim(host, "[]")) || r.Header.Get("Origin") != "" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

type workCmd struct {
	config.Config `embed:""`
}

// Run works until ctx ends.
func (w *workCmd) Run(ctx context.Context, io streams) error {
	if !strings.HasPrefix(w.DB, "postgres") {
		return errors.New("work runs beside other processes and so needs --db postgres://…; with SQLite, serve does the work")
	}
	log := logger(io.err, w.LogLevel)
	a, err := app.Open(ctx, w.Config, log, app.Options{Serve: true})
	if err != nil {
		return err
	}
	defer func() { _ = a.Close() }()
	failed := make(chan error, 1)
	ops, err := serveOps(a, failed)
	if err != nil {
		return err
	}
	log.Info("working", "version", versionText())
	working, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		if err := <-failed; err != nil {
			log.Error("operations listener failed", "error", err)
			stop()
		}
	}()
	a.Jobs.Work(working, drain)
	if ops != nil {
		return ops.Close()
	}
	return nil
}

type migrateCmd struct {
	config.Config `embed:""`
}

// Run migrates and ends.
func (m *migrateCmd) Run(ctx context.Context, io streams) error {
	a, err := app.Open(ctx, m.Config, logger(io.err, m.LogLevel), app.Options{})
	if err != nil {
		return err
	}
	fmt.Fprintln(io.out, "The database is at this program's schema.")
	return a.Close()
}
