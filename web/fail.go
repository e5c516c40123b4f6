package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/alexedwards/scs/v2"
	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/fault"
	"steward/internal/id"
	"steward/internal/tenancy"
	viewerrors "steward/views/errors"
	"steward/views/paths"
	"steward/views/ui"
	"steward/web/console"
	"steward/web/gate"
)

// statuses is the mapping of faults to HTTP.
var statuses = map[fault.Kind]int{
	fault.Internal:        http.StatusInternalServerError,
	fault.Invalid:         http.StatusUnprocessableEntity,
	fault.NotFound:        http.StatusNotFound,
	fault.Unauthenticated: http.StatusUnauthorized,
	fault.Forbidden:       http.StatusForbidden,
	fault.Conflict:        http.StatusUnprocessableEntity, // no 409: clients retry it
	fault.TooMany:         http.StatusTooManyRequests,
	fault.TooLarge:        http.StatusRequestEntityTooLarge,
	fault.Unavailable:     http.StatusServiceUnavailable,
	fault.Full:            http.StatusInsufficientStorage,
}

// titles are what pages of errors are called that say more than their status.
var titles = map[string]string{
	tenancy.IsDeleted: "This project is deleted", tenancy.IsExpired: "This project has expired", tenancy.IsDisabled: "This project is disabled",
	tenancy.Invited: outside, tenancy.AskFirst: outside, access.JoinFirst: outside, tenancy.InvitedAbove: "You do not belong here yet",
}

const outside = "You are not in this project yet"

// fail answers every error of every handler, as a page or as JSON, and is the only
// place that logs one. What people see is the fault's message; the cause is only in
// the log, under the request's id.
func fail(log *slog.Logger, sessions *scs.SessionManager) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		r := c.Request()
		if c.Response().Committed {
			if !errors.Is(err, context.Canceled) {
				log.Warn("a request broke off after its answer began", "request", audit.RequestOf(r.Context()).ID, "path", openPath(r), "error", err)
			}
			panic(http.ErrAbortHandler) // the connection breaks, so that half a list is not taken for the whole
		}
		f := asFault(err)
		status := statuses[f.Kind]
		switch f.Code {
		case "http.method":
			status = http.StatusMethodNotAllowed
		case mediaType:
			status = http.StatusUnsupportedMediaType
		}
		console.TraceOf(r.Context()).Refused = cmp.Or(f.Code, "other")
		if status >= 500 && r.Context().Err() == nil {
			log.Error("a request failed", "request", audit.RequestOf(r.Context()).ID, "method", r.Method, "path", openPath(r), "error", err)
		}
		if f.RetryAfter > 0 {
			c.Response().Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
		}
		c.Response().Header().Set("Cache-Control", "no-store")
		if werr := answer(c, f, status, sessions); werr != nil && r.Context().Err() == nil {
			log.Warn("an error could not be answered", "request", audit.RequestOf(r.Context()).ID, "error", werr)
		}
	}
}

func asFault(err error) *fault.Error {
	var h *echo.HTTPError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return fault.Wrap(err, fault.TooLarge, "http.tooLarge", "")
	case errors.As(err, &h):
		switch h.Code {
		case http.StatusNotFound:
			return fault.Wrap(err, fault.NotFound, "notFound", "Not found.")
		case http.StatusMethodNotAllowed:
			return fault.Wrap(err, fault.NotFound, "http.method", "")
		}
		return fault.Wrap(err, fault.Invalid, "http.request", "")
	}
	if f := fault.Of(err); f != nil && f.Kind != fault.Internal {
		return f
	}
	return fault.Wrap(err, fault.Internal, "internal", "")
}

func answer(c echo.Context, f *fault.Error, status int, sessions *scs.SessionManager) error {
	r := c.Request()
	if gate.WantsJSON(r) {
		body := map[string]any{"status": "error", "error": f.Message, "code": f.Code, "requestId": audit.RequestOf(r.Context()).ID}
		if f.Message == "" {
			_, body["error"] = viewerrors.Words(status)
		}
		if len(f.Fields) > 0 {
			fields := map[string]string{}
			for _, x := range f.Fields {
				fields[x.Name] = x.Message
			}
			body["fields"] = fields
		}
		c.Response().Header().Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
		c.Response().WriteHeader(status)
		return json.NewEncoder(c.Response()).Encode(body)
	}
	if status == http.StatusUnauthorized && r.Header.Get("HX-Request") == "" {
		next := ""
		if r.Method == http.MethodGet {
			next = r.URL.RequestURI()
		}
		if f.Code == access.FactorNeeded { // which only who is signed in is told
			sessions.Put(r.Context(), console.Demanded, f.Message)
			return c.Redirect(http.StatusSeeOther, paths.Security())
		}
		if f.Code == gate.ProofNeeded {
			return c.Redirect(http.StatusSeeOther, paths.Confirm(cmp.Or(next, gate.Referer(r))))
		}
		return c.Redirect(http.StatusSeeOther, paths.Login(next))
	}
	page := viewerrors.Error{Status: status, RequestID: audit.RequestOf(r.Context()).ID}
	if f.Code != "notFound" { // one answer for all that nobody may know of, whatever the reason
		page.Message = f.Message
		page.Title = titles[f.Code]
		visit := accounts.VisitOf(r.Context())
		page.Back = wayOn(r, f, visit.SignedIn() && visit.User.SuperAdmin)
	}
	if v := accounts.VisitOf(r.Context()); v.SignedIn() {
		page.Theme, page.SignOutKey = v.User.Theme, id.Short()
	}
	c.Response().Header().Set(echo.HeaderContentType, "text/html; charset=utf-8")
	c.Response().WriteHeader(status)
	if r.Method == http.MethodHead {
		return nil
	}
	return viewerrors.Page(page).Render(r.Context(), c.Response())
}

// wayOn leads on from an error that somebody met who may be in the project of the address:
// to the page without what the address asked of it, or to the project.
func wayOn(r *http.Request, f *fault.Error, super bool) ui.Link {
	if f.Kind == fault.Invalid && r.Method == http.MethodGet && r.URL.RawQuery != "" {
		return ui.Link{Label: "Open the page afresh", URL: r.URL.EscapedPath()}
	}
	if f.Code == tenancy.Invited || f.Code == tenancy.InvitedAbove {
		return ui.Link{Label: "See the invitation", URL: paths.Invitations()}
	}
	rest, ok := strings.CutPrefix(r.URL.Path, paths.Projects()+"projects/")
	number, _, _ := strings.Cut(rest, "/")
	id, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil {
		return ui.Link{}
	}
	switch f.Code {
	case tenancy.IsDeleted, tenancy.IsExpired, tenancy.IsDisabled:
		if super {
			return ui.Link{Label: "Administration of the project", URL: paths.AdminProject(id)}
		}
		return ui.Link{}
	case access.JoinFirst:
		return ui.Link{Label: "Join the project", URL: paths.Join(id)}
	case tenancy.AskFirst:
		return ui.Link{Label: "Ask to join", URL: paths.Ask(id)}
	}
	return ui.Link{Label: "Go to the project", URL: paths.Project(id)}
}
