package gate

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/id"
)

// KeyField is the hidden form field that names one submission. A form whose body is
// streamed carries it in its address instead; programs send an Idempotency-Key header.
const KeyField = "_key"

// keyLife is how long an answer is remembered.
const keyLife = 24 * time.Hour

// patience is how long a second submission waits for the first one's answer.
const patience = 20 * time.Second

var errClaimed = errors.New("gate: this was sent before")

// once runs a handler once for each key and actor: the key is claimed in the
// transaction of the handler's effect, so both stand or fall together, and a second
// submission gets the first one's answer, also after a restart.
func (g *Gate) once(c echo.Context, actor string, handle func() error) error {
	r := c.Request()
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return handle()
	}
	key, err := keyOf(r)
	if err != nil {
		return err
	}
	if key == "" {
		return handle()
	}
	sent := submission{key: id.Digest(key), actor: actor, route: r.Method + " " + r.URL.Path, content: contentOf(r)}
	if answered, err := g.replay(c, sent, 0); answered || err != nil {
		return err
	}
	claimed := false
	ctx := db.WithFirst(r.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec("INSERT INTO idempotency (key, actor, route, content, status, location, created_at) VALUES ($1, $2, $3, $4, 0, '', $5)",
			sent.key, sent.actor, sent.route, sent.content, tx.Now)
		if fault.HasCode(err, "db.unique") {
			return errClaimed
		}
		tx.OnCommit(func() { claimed = true })
		return err
	})
	c.SetRequest(r.WithContext(ctx))
	c.Response().Before(func() {
		if claimed {
			g.remember(r.Context(), sent, c.Response().Status, c.Response().Header().Get(echo.HeaderLocation))
		}
	})
	err = handle()
	if errors.Is(err, errClaimed) {
		_, err = g.replay(c, sent, patience)
	}
	return err
}

// submission is one thing that was sent. key and content are digests.
type submission struct{ key, actor, route, content string }

// secretFields are left out of the digest of what was sent: it is kept for a day, and is no
// hash that a password may be kept in.
var secretFields = []string{"current", "password", "repeat", "code"}

// contentOf tells apart what is sent under one key: a form by its fields, a streamed
// body by its length.
func contentOf(r *http.Request) string {
	if r.PostForm == nil {
		return id.Digest(strconv.FormatInt(r.ContentLength, 10))
	}
	fields := url.Values{}
	for k, v := range r.PostForm {
		if k != KeyField && !slices.Contains(secretFields, k) {
			fields[k] = v
		}
	}
	return id.Digest(fields.Encode())
}

func keyOf(r *http.Request) (string, error) {
	key := r.Header.Get("Idempotency-Key")
	if key == "" {
		key = r.URL.Query().Get(KeyField)
	}
	if key == "" && strings.HasPrefix(r.Header.Get(echo.HeaderContentType), echo.MIMEApplicationForm) {
		if err := r.ParseForm(); err != nil {
			return "", formFault(err)
		}
		key = r.PostForm.Get(KeyField)
	}
	if len(key) > 200 {
		return "", fault.New(fault.Invalid, "idempotency.key", "An idempotency key has at most 200 characters.")
	}
	return key, nil
}

func formFault(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return fault.Wrap(err, fault.TooLarge, "form.tooLarge", "The form is larger than the server takes.")
	}
	return fault.Wrap(err, fault.Invalid, "form.unreadable", "The form could not be read.")
}

func (g *Gate) remember(ctx context.Context, sent submission, status int, location string) {
	err := g.db.Update(context.WithoutCancel(ctx), func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE idempotency SET status = $3, location = $4 WHERE key = $1 AND actor = $2", sent.key, sent.actor, status, location)
		return err
	})
	if err != nil {
		g.log.Error("an answer could not be remembered for its key", "error", err)
	}
}

// replay gives a remembered answer again, waiting for it up to the patience when the
// first submission is still under way. It reports whether it answered.
func (g *Gate) replay(c echo.Context, sent submission, patience time.Duration) (bool, error) {
	type row struct {
		route, content, location string
		status                   int
	}
	ctx := c.Request().Context()
	for end := time.Now().Add(patience); ; {
		var x row
		err := g.db.View(ctx, func(tx *db.Tx) error {
			var err error
			x, err = db.One(tx, func(r db.Row) (row, error) {
				var x row
				return x, r.Scan(&x.route, &x.content, &x.status, &x.location)
			}, "SELECT route, content, status, location FROM idempotency WHERE key = $1 AND actor = $2 AND created_at > $3", sent.key, sent.actor, tx.Now.Add(-keyLife))
			return err
		})
		switch {
		case fault.Is(err, fault.NotFound) && patience == 0:
			return false, nil
		case err != nil && !fault.Is(err, fault.NotFound):
			return false, err
		case err == nil && (x.route != sent.route || x.content != sent.content):
			return false, fault.New(fault.Invalid, "idempotency.reused", "This key was used for something else. Load the form again.")
		case err == nil && x.status != 0:
			c.Response().Header().Set("Idempotency-Replayed", "true")
			if x.location != "" {
				return true, c.Redirect(x.status, x.location)
			}
			return true, c.NoContent(x.status)
		}
		if patience == 0 { // the effect stands, its answer is on its way or was lost with the process
			patience, end = 2*time.Second, time.Now().Add(2*time.Second)
		}
		if time.Now().After(end) {
			return true, c.Redirect(http.StatusSeeOther, Referer(c.Request()))
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Referer is the path of the page that a request came from, the front page when it came
// from elsewhere.
func Referer(r *http.Request) string {
	u, err := url.Parse(r.Referer())
	if err != nil || u.Host != r.Host || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") {
		return "/"
	}
	return u.EscapedPath()
}
