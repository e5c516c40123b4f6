// Package web answers HTTP: it puts the middleware in order and mounts the console,
// the static files and the health checks.
package web

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/alexedwards/scs/v2"
	"github.com/klauspost/compress/gzhttp"
	"github.com/labstack/echo/v4"

	"steward/internal/accounts"
	"steward/internal/app"
	"steward/internal/audit"
	"steward/internal/control"
	"steward/internal/fault"
	"steward/internal/id"
	"steward/static"
	"steward/web/console"
	"steward/web/gate"
)

// formMax bounds the body of every request but uploads, which stream.
const formMax = 10 << 20

// lingering is how long an upload that was answered early is still read.
const lingering = time.Minute

// publicMax bounds it where nobody needs to be signed in.
const publicMax = 64 << 10

// queryMax bounds an address's query: pages repeat it in their links.
const queryMax = 16 << 10

// A request's body must be read, and its answer be written, within these. Handlers that
// take longer on purpose (uploads, streams, exports) move the deadlines as they go on.
const (
	readTimeout  = 30 * time.Second
	writeTimeout = time.Minute
)

// Server is the program's HTTP side.
type Server struct {
	app      *app.App
	handler  http.Handler
	stopping atomic.Bool
	stop     context.CancelFunc
}

// New builds the handler of everything.
func New(a *app.App) (*Server, error) {
	s := &Server{app: a}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	sessions := sessionManager(a)
	con := console.New(ctx, a, gate.New(a.DB, a.Reads, a.Log), sessions)
	e := echo.New()
	e.HideBanner, e.HidePort, e.Debug = true, true, false
	e.HTTPErrorHandler = fail(a.Log, sessions)
	e.IPExtractor = func(r *http.Request) string { return audit.RequestOf(r.Context()).Address } // never what a header says, see addressOf
	con.Mount(e)
	sessions.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) { e.HTTPErrorHandler(err, e.NewContext(r, w)) }

	gz, err := gzhttp.NewWrapper(gzhttp.MinSize(1024), gzhttp.ExceptContentTypes([]string{"text/event-stream"}))
	if err != nil {
		stop()
		return nil, fmt.Errorf("web: %w", err)
	}
	origin := http.NewCrossOriginProtection()
	if err := origin.AddTrustedOrigin(a.Config.PublicURL); err != nil {
		stop()
		return nil, fmt.Errorf("web: %w", err)
	}
	deny := func(f *fault.Error) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { e.HTTPErrorHandler(f, e.NewContext(r, w)) })
	}
	origin.SetDenyHandler(deny(fault.New(fault.Forbidden, "http.origin", "This request came from another site and was not done.")))

	var pages http.Handler = e
	pages = sessions.LoadAndSave(pages)
	pages = visit(pages)
	pages = s.failing(e, pages)
	if control.On(control.OtherSites) {
		pages = origin.Handler(pages)
	}
	pages = bodies(pages, deny(fault.New(fault.Invalid, mediaType, "")))
	pages = gz(pages)
	pages = gather(pages)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("/static/", static.Handler())
	mux.Handle("/", pages)

	addresses, err := addressOf(a.Config.BehindProxy, a.Config.TrustedProxies)
	if err != nil {
		stop()
		return nil, err
	}
	s.handler = headers(a.Config.Secure(), s.observe(addresses, mux))
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Stop makes /readyz fail and ends the streams, so that the rest can drain.
func (s *Server) Stop() {
	s.stopping.Store(true)
	s.stop()
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if s.stopping.Load() {
		http.Error(w, "stopping", http.StatusServiceUnavailable)
		return
	}
	if err := s.app.DB.Ping(r.Context()); err != nil {
		http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}

func sessionManager(a *app.App) *scs.SessionManager {
	m := scs.New()
	m.Store = a.Accounts.Store()
	m.Codec = accounts.Codec{}
	m.HashTokenInStore = true
	m.Lifetime = accounts.SessionAbsolute
	m.IdleTimeout = 0 // ours, see accounts.Store
	m.Cookie = scs.SessionCookie{Name: "session", HttpOnly: true, Path: "/", SameSite: http.SameSiteLaxMode, Secure: a.Config.Secure(), Persist: false}
	if a.Config.Secure() {
		m.Cookie.Name = "__Host-session"
	}
	return m
}

// visit gives each request the place where the session store says who comes.
func visit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(accounts.WithVisit(r.Context(), strings.HasSuffix(r.URL.Path, "/live"))))
	})
}

// failing answers panics and the session store's errors as pages.
func (s *Server) failing(e *echo.Echo, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w}
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			if rec.wrote {
				s.app.Log.Error("a handler panicked after its answer began", "request", audit.RequestOf(r.Context()).ID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				panic(http.ErrAbortHandler)
			}
			s.app.Log.Error("a handler panicked", "request", audit.RequestOf(r.Context()).ID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			e.HTTPErrorHandler(fmt.Errorf("panic: %v", p), e.NewContext(r, w))
		}()
		next.ServeHTTP(rec, r)
	})
}

// bodies bounds what a request may send. An upload's own limit is in its handler. What the
// handler leaves of one is read off for a while: a browser takes no answer before it has
// sent everything, and would report a broken connection instead. A form is taken only as
// a form: what is sent as something else may have slipped past a browser's checks.
func bodies(next, deny http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if control.On(control.FormsAsForms) && !formed(r) {
			deny.ServeHTTP(w, r)
			return
		}
		switch {
		case console.Uploads(r):
		case strings.HasPrefix(r.URL.Path, "/projects/"):
			r.Body = http.MaxBytesReader(w, r.Body, formMax)
		default:
			r.Body = http.MaxBytesReader(w, r.Body, publicMax)
		}
		next.ServeHTTP(w, r)
		if console.Uploads(r) {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(lingering))
			_, _ = io.Copy(io.Discard, r.Body)
		}
	})
}

// mediaType is the code of the fault for a body that is no form.
const mediaType = "http.mediaType"

// formed reports whether a request's body is of the type that its address takes.
func formed(r *http.Request) bool {
	want := echo.MIMEApplicationForm
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		return true
	case console.Uploads(r):
		want = echo.MIMEMultipartForm
	case r.ContentLength == 0 && r.Header.Get(echo.HeaderContentType) == "":
		return true
	}
	got, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	return err == nil && got == want && len(r.Header.Values(echo.HeaderContentType)) == 1
}

// headers are on every answer, also on errors and static files.
func headers(secure bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var nonce [16]byte
		_, _ = rand.Read(nonce[:])
		h := w.Header()
		if control.On(control.ContentPolicy) {
			h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self' 'nonce-"+base64.RawURLEncoding.EncodeToString(nonce[:])+
				"'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; manifest-src 'self'")
		}
		if control.On(control.ContentTypes) {
			h.Set("X-Content-Type-Options", "nosniff")
		}
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()")
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Robots-Tag", "noindex")
		if secure {
			h.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
		}
		if !strings.HasPrefix(r.URL.Path, "/static/") && control.On(control.NoStore) {
			h.Set("Cache-Control", "no-store")
			h.Add("Vary", "HX-Request")
		}
		next.ServeHTTP(w, r)
	})
}

// observe gives each request an id and its sender's address, and notes how it ended.
func (s *Server) observe(address func(*http.Request) string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		req := audit.Request{ID: id.Short(), Address: address(r), UserAgent: label(r.UserAgent(), 300)}
		w.Header().Set("X-Request-Id", req.ID)
		rc := http.NewResponseController(w)
		_ = rc.SetWriteDeadline(start.Add(writeTimeout)) // not every writer of a test has deadlines
		if r.Body != http.NoBody {
			_ = rc.SetReadDeadline(start.Add(readTimeout))
			r.Body = &body{ReadCloser: r.Body, rc: rc}
		}
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		trace := new(console.Trace)
		ctx := console.WithTrace(audit.WithRequest(r.Context(), req), trace)
		defer func() { s.note(r, req, rec, trace, time.Since(start)) }() // also when the answer is broken off
		chunked := len(r.TransferEncoding) > 0
		if chunked { // where its body ends, a proxy may think otherwise: nothing is read after it
			w.Header().Set("Connection", "close")
		}
		switch {
		case chunked && !console.Uploads(r): // a browser says how long a form is
			trace.Refused = "http.chunked"
			http.Error(rec, "give the length of the body", http.StatusBadRequest)
		case !slices.Contains(methods, r.Method): // a name of one's own would become a label of the metrics
			r.Method, trace.Refused = "OTHER", "http.method"
			http.Error(rec, "method not allowed", http.StatusMethodNotAllowed)
		case len(r.URL.RawQuery) > queryMax:
			trace.Refused = "http.address"
			http.Error(rec, "the address is too long", http.StatusRequestURITooLong)
		default:
			next.ServeHTTP(rec, r.WithContext(ctx))
		}
	})
}

// note tells metrics and log of a request that has ended.
// What met a bound or a right that it had not is a warning.
func (s *Server) note(r *http.Request, req audit.Request, rec *recorder, t *console.Trace, took time.Duration) {
	route := cmp.Or(t.Route, "other")
	s.app.Metrics.Request(r.Method, route, rec.status, took)
	level := slog.LevelInfo
	switch {
	case slices.Contains(refusals, rec.status):
		level = slog.LevelWarn
	case strings.HasPrefix(r.URL.Path, "/static/") || r.URL.Path == "/healthz" || r.URL.Path == "/readyz":
		level = slog.LevelDebug
	}
	s.app.Log.Log(r.Context(), level, "request", "request", req.ID, "method", r.Method, "route", route, "path", label(openPath(r), 500),
		"status", rec.status, "refused", t.Refused, "bytes", rec.bytes, "ms", float64(took.Microseconds())/1000, "address", req.Address, "user", t.User)
}

// refusals are the statuses of what tries the bounds or the rights of others.
var refusals = []int{http.StatusBadRequest, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge,
	http.StatusRequestURITooLong, http.StatusUnsupportedMediaType, http.StatusTooManyRequests}

// openPath is the path of a request for the log, without the codes of links, however the
// link is spelled: whoever reads logs must not be able to use one.
func openPath(r *http.Request) string {
	parts := strings.Split(r.URL.Path, "/")
	for i, p := range parts {
		if strings.Contains(strings.ToLower(p), "stw_") && control.On(control.CodesOutOfLogs) {
			parts[i] = ":code"
		}
	}
	return strings.Join(parts, "/")
}

var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace}

// label makes a text of a request fit for logs and events: valid, printable, short.
func label(s string, most int) string {
	if len(s) > most {
		s = s[:most]
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}

// body lifts the deadline of reading when all is read: the server goes on listening to
// the connection, and would take a passed deadline for the client's departure. When it has
// passed it stays: else the server would wait for the rest of the body for ever.
type body struct {
	io.ReadCloser
	rc *http.ResponseController
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}

// recorder notes an answer's status and size.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	wrote  bool
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, true
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) {
	r.wrote = true
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Flush implements http.Flusher.
func (r *recorder) Flush() { _ = http.NewResponseController(r.ResponseWriter).Flush() }

// addressOf finds a request's sender: the connection's other end, or, behind a proxy,
// the last address of X-Forwarded-For that no trusted proxy has. A header is believed
// only when the connection comes from a trusted network.
func addressOf(behind bool, trusted []string) (func(*http.Request) string, error) {
	var nets []netip.Prefix
	for _, t := range trusted {
		p, err := netip.ParsePrefix(t)
		if err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
		nets = append(nets, p)
	}
	if behind && len(nets) == 0 {
		nets = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	known := func(host string) bool {
		a, err := netip.ParseAddr(host)
		if err != nil {
			return false
		}
		for _, n := range nets {
			if n.Contains(a.Unmap()) {
				return true
			}
		}
		return false
	}
	return func(r *http.Request) string {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			host = r.RemoteAddr
		}
		if a, err := netip.ParseAddr(host); err == nil {
			host = a.WithZone("").Unmap().String()
		}
		if !behind || control.On(control.TrustedProxies) && !known(host) {
			return host
		}
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		for i := len(hops) - 1; i >= 0; i-- {
			hop := strings.TrimSpace(hops[i])
			a, err := netip.ParseAddr(hop)
			if err != nil {
				break
			}
			if host = a.WithZone("").Unmap().String(); !known(host) {
				break
			}
		}
		return host
	}, nil
}
