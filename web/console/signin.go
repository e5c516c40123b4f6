package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/control"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/id"
	view "steward/views/account"
	"steward/views/paths"
	"steward/web/gate"
)

// What a browser keeps for signing in, besides the session.
const (
	pendingCookie = "pending" // the sign-in that waits for its second factor
	deviceCookie  = "device"  // the browser itself, so that a new one is noticed
	linkCookie    = "link"    // the code of a link that was opened, so that it leaves the address
	flowCookie    = "oidc"    // that this browser went to the provider
	offerCookie   = "offer"   // an identity that the provider vouched for, until it is linked
)

func (c *Console) login(ec echo.Context) error {
	next := safeNext(ec.QueryParam("next"))
	if accounts.VisitOf(ec.Request().Context()).SignedIn() {
		return ec.Redirect(http.StatusSeeOther, next)
	}
	m := c.loginModel(ec, next)
	switch {
	case ec.QueryParam("out") != "":
		m.Flash = "You are signed out."
	case ec.QueryParam("ready") != "":
		m.Flash = "Your account is ready. Sign in with your new password."
	case ec.QueryParam("linked") != "":
		m.Flash = "The two are linked. Sign in with " + m.Provider.Name + " now."
	case ec.QueryParam("lost") != "":
		m.Flash = "Two-step sign-in is off and all sessions have ended. Sign in with your password, and turn it on anew."
	case ec.QueryParam("reset") != "":
		m.Flash = "Your password is changed and all sessions have ended. Sign in with the new one."
	}
	return page(ec, http.StatusOK, view.LoginPage(m))
}

func (c *Console) loginModel(ec echo.Context, next string) view.Login {
	if next == paths.Projects() {
		next = ""
	}
	return view.Login{Host: c.host(), Next: next, Key: key(), Provider: c.provider(ec)}
}

// host is what this installation is called.
func (c *Console) host() string {
	u, _ := url.Parse(c.app.Config.PublicURL)
	return u.Host
}

func (c *Console) loginSubmit(ec echo.Context) error {
	f, err := form(ec, "email", "password", "next")
	if err != nil {
		return err
	}
	next := safeNext(f["next"])
	arrival, err := c.app.Accounts.SignIn(ec.Request().Context(), accounts.Attempt{Email: f["email"], Password: f["password"], Device: c.cookie(ec, deviceCookie)})
	if status, problem, ok := waits(ec, err, fault.Unauthenticated); ok {
		m := c.loginModel(ec, next)
		m.Email, m.Problem = f["email"], problem
		return page(ec, status, view.LoginPage(m))
	}
	if err != nil {
		return err
	}
	return c.arrived(ec, arrival, next)
}

// arrived goes where a proved factor leads: to the second one, or into the console.
func (c *Console) arrived(ec echo.Context, a accounts.Arrival, next string) error {
	c.setCookie(ec, deviceCookie, a.Device, accounts.DeviceLife)
	if a.Pending != "" {
		c.setCookie(ec, pendingCookie, a.Pending, 0)
		if next == paths.Projects() {
			next = ""
		}
		return ec.Redirect(http.StatusSeeOther, paths.SecondStep(next))
	}
	if err := c.renewed(ec); err != nil {
		return err
	}
	return ec.Redirect(http.StatusSeeOther, next)
}

// renewed gives the session a new token where the request calls for one: somebody signed
// in, proved anew who they are, or changed how the account is kept.
func (c *Console) renewed(ec echo.Context) error {
	ctx := ec.Request().Context()
	v := accounts.VisitOf(ctx)
	kept, enters := v.Enters()
	switch {
	case enters:
		if err := c.sessions.Clear(ctx); err != nil { // what the one before was told is not for this one
			return err
		}
	case v.Renews():
		kept = v.Kept
	default:
		return nil
	}
	if control.On(control.NewToken) {
		if err := c.sessions.RenewToken(ctx); err != nil {
			return err
		}
	}
	if kept {
		end := v.ExpiresAt
		if enters {
			end = c.app.DB.Now().Add(accounts.KeptAbsolute)
		}
		c.sessions.RememberMe(ctx, true)
		c.sessions.SetDeadline(ctx, end)
	}
	return nil
}

func (c *Console) secondStep(ec echo.Context) error {
	err := c.view(ec, func(tx *db.Tx) error { return c.app.Accounts.CheckPending(tx, c.cookie(ec, pendingCookie)) })
	if fault.Is(err, fault.Unauthenticated) {
		return ec.Redirect(http.StatusSeeOther, paths.Login(ec.QueryParam("next")))
	}
	if err != nil {
		return err
	}
	return page(ec, http.StatusOK, view.SecondStepPage(view.SecondStep{Next: ec.QueryParam("next"), Key: key(), Recovery: ec.QueryParam("with") == "recovery"}))
}

func (c *Console) secondStepSubmit(ec echo.Context) error {
	f, err := form(ec, "code", "keep", "next", "with")
	if err != nil {
		return err
	}
	arrival, err := c.app.Accounts.Finish(ec.Request().Context(), accounts.Second{Pending: c.cookie(ec, pendingCookie), Code: f["code"], Keep: f["keep"] != "", Device: c.cookie(ec, deviceCookie)})
	if status, problem, ok := waits(ec, err, fault.Invalid); ok {
		return page(ec, status, view.SecondStepPage(view.SecondStep{Next: f["next"], Key: key(), Recovery: f["with"] == "recovery", Keep: f["keep"] != "", Problem: problem}))
	}
	if fault.Is(err, fault.Unauthenticated) {
		var entered bool
		pending := c.cookie(ec, pendingCookie)
		if err := c.view(ec, func(tx *db.Tx) (err error) { entered, err = c.app.Accounts.Entered(tx, pending); return err }); err != nil {
			return err
		}
		if entered { // the form was sent twice, and the first answer has the session
			return ec.Redirect(http.StatusSeeOther, safeNext(f["next"]))
		}
		m := c.loginModel(ec, safeNext(f["next"]))
		m.Problem = fault.Of(err).Message
		c.setCookie(ec, pendingCookie, "", -1)
		return page(ec, http.StatusUnprocessableEntity, view.LoginPage(m))
	}
	if err != nil {
		return err
	}
	c.setCookie(ec, pendingCookie, "", -1)
	return c.arrived(ec, arrival, safeNext(f["next"]))
}

func (c *Console) logout(ec echo.Context, _ access.Actor) error {
	if _, err := form(ec); err != nil {
		return err
	}
	ctx := ec.Request().Context()
	if err := c.update(ec, func(tx *db.Tx) error { return c.app.Accounts.SignOut(tx, accounts.VisitOf(ctx)) }); err != nil {
		return err
	}
	if err := c.sessions.Destroy(ctx); err != nil {
		return err
	}
	// Not "cookies": that would take those of all sites of the domain, and this browser's name.
	ec.Response().Header().Set("Clear-Site-Data", `"cache", "storage"`)
	for _, name := range []string{pendingCookie, linkCookie, flowCookie, offerCookie} {
		if c.cookie(ec, name) != "" {
			c.setCookie(ec, name, "", -1)
		}
	}
	return ec.Redirect(http.StatusSeeOther, paths.With(paths.Login(""), "out", "1"))
}

// waits tells whether a form that proves who it is comes again, with the status and the
// sentence: after an error of the given kind, or because the sender has to wait. Who asks
// for JSON gets the error as such.
func waits(ec echo.Context, err error, wrong fault.Kind) (status int, problem string, ok bool) {
	if err == nil || gate.WantsJSON(ec.Request()) {
		return 0, "", false
	}
	switch fault.KindOf(err) {
	case fault.TooMany:
		status = http.StatusTooManyRequests
	case fault.Unavailable:
		status = http.StatusServiceUnavailable
	case wrong:
		status = http.StatusUnprocessableEntity
	default:
		return 0, "", false
	}
	retryAfter(ec, err)
	TraceOf(ec.Request().Context()).Refused = fault.Of(err).Code
	return status, fault.Of(err).Message, true
}

func (c *Console) cookieName(name string) string {
	if c.app.Config.Secure() && control.On(control.HostCookies) {
		return "__Host-" + name
	}
	return name
}

// cookie is the value of a cookie, "" when there is none.
func (c *Console) cookie(ec echo.Context, name string) string {
	k, err := ec.Cookie(c.cookieName(name))
	if err != nil || len(k.Value) > 200 {
		return ""
	}
	return k.Value
}

// device is the secret of the browser, which it keeps from now on if it had none.
func (c *Console) device(ec echo.Context) string {
	device := c.cookie(ec, deviceCookie)
	if device == "" {
		device = id.Secret()
	}
	c.setCookie(ec, deviceCookie, device, accounts.DeviceLife)
	return device
}

// setCookie sets a cookie that no script reads, for a time; 0 is until the browser is
// closed, below 0 takes it away.
func (c *Console) setCookie(ec echo.Context, name, value string, life time.Duration) {
	k := &http.Cookie{Name: c.cookieName(name), Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: c.app.Config.Secure()}
	switch {
	case life < 0:
		k.MaxAge = -1
	case life > 0:
		k.MaxAge = int(life / time.Second)
	}
	ec.SetCookie(k)
}

// safeNext is where to go after signing in: a path of this site, else the front page.
func safeNext(next string) string {
	if !control.On(control.OwnRedirects) {
		return next
	}
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\x00\r\n\t") {
		return paths.Projects()
	}
	u, err := url.Parse(next)
	if err != nil || u.Host != "" || u.Scheme != "" || strings.HasPrefix(u.Path, "//") {
		return paths.Projects()
	}
	return u.RequestURI()
}

func retryAfter(ec echo.Context, err error) {
	if f := fault.Of(err); f != nil && f.RetryAfter > 0 {
		ec.Response().Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Seconds()+0.999)))
	}
}
