package console

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/fault"
	view "steward/views/account"
	"steward/views/paths"
	"steward/views/ui"
)

// glance is how long a page waits for a provider that has not answered yet.
const glance = time.Second

// provider is what people may sign in by besides their passwords. The page that shows it
// may then send its forms on to there, which other pages may not.
func (c *Console) provider(ec echo.Context) view.Provider {
	p := c.app.Accounts.Provider()
	if p == nil {
		return view.Provider{}
	}
	ctx, cancel := context.WithTimeout(ec.Request().Context(), glance)
	defer cancel()
	origin, err := p.Origin(ctx)
	if err != nil {
		return view.Provider{Name: p.Name, Down: true}
	}
	const policy, own = "Content-Security-Policy", "form-action 'self'"
	h := ec.Response().Header()
	h.Set(policy, strings.Replace(h.Get(policy), own, own+" "+origin, 1))
	return view.Provider{Name: p.Name}
}

// depart leads to the provider, from where this browser comes back once.
func (c *Console) depart(ec echo.Context, d accounts.Departure) error {
	c.setCookie(ec, flowCookie, d.Browser, accounts.FlowLife)
	return ec.Redirect(http.StatusSeeOther, d.URL)
}

func (c *Console) providerStart(ec echo.Context) error {
	f, err := form(ec, "next")
	if err != nil {
		return err
	}
	next := safeNext(f["next"])
	d, err := c.app.Accounts.Depart(ec.Request().Context(), accounts.ToSignIn, nil, next)
	if status, problem, ok := waits(ec, err, fault.TooMany); ok {
		m := c.loginModel(ec, next)
		m.Problem = problem
		return page(ec, status, view.LoginPage(m))
	}
	if err != nil {
		return err
	}
	return c.depart(ec, d)
}

func (c *Console) providerReturn(ec echo.Context) error {
	ctx := ec.Request().Context()
	q := ec.QueryParams()
	landing, err := c.app.Accounts.Land(ctx, accounts.VisitOf(ctx), accounts.Return{State: q.Get("state"), Code: q.Get("code"), Problem: q.Get("error"), Issuer: q.Get("iss"),
		Browser: c.cookie(ec, flowCookie), Device: c.cookie(ec, deviceCookie)})
	next := safeNext(landing.Next)
	if err != nil {
		return c.turned(ec, landing.Aim, next, err)
	}
	c.setCookie(ec, flowCookie, "", -1)
	switch {
	case landing.Offer != "":
		c.setCookie(ec, offerCookie, landing.Offer, accounts.OfferLife)
		return ec.Redirect(http.StatusSeeOther, paths.ProviderOffer())
	case landing.Aim == accounts.ToSignIn:
		return c.arrived(ec, landing.Arrival, next)
	case landing.Aim == accounts.ToLink:
		return c.done(ec, "You can sign in with "+c.app.Accounts.Provider().Name+" from now on.", paths.Security())
	}
	if err := c.renewed(ec); err != nil {
		return err
	}
	return c.done(ec, "Thank you. For ten minutes you will not be asked again.", next)
}

// turned says why a way through the provider led nowhere, and leads back to its beginning.
func (c *Console) turned(ec echo.Context, aim accounts.Aim, next string, err error) error {
	f := fault.Of(err)
	if f == nil || f.Code == "notFound" {
		return err
	}
	status := http.StatusBadRequest
	switch f.Kind {
	case fault.Unauthenticated, fault.Conflict:
	case fault.Forbidden:
		status = http.StatusForbidden
	case fault.Unavailable:
		status = http.StatusServiceUnavailable
	default:
		return err
	}
	back := next
	if back == paths.Projects() {
		back = ""
	}
	m := view.Turned{Title: "Not signed in", Text: f.Message, Buttons: []ui.Button{{Label: "Back to sign-in", URL: paths.Login(back), Variant: "primary"}}}
	switch aim {
	case accounts.ToLink:
		m.Title, m.Buttons = "Not linked", []ui.Button{{Label: "Back to Security", URL: paths.Security(), Variant: "primary"}}
	case accounts.ToProve:
		m.Title, m.Buttons = "Not confirmed", []ui.Button{{Label: "Try again", URL: paths.Confirm(next), Variant: "primary"}, {Label: "Set a password", URL: paths.PasswordForgot()}}
	}
	if v := accounts.VisitOf(ec.Request().Context()); v.SignedIn() {
		m.Theme = v.User.Theme
	}
	return page(ec, status, view.TurnedPage(m))
}

// offered is the identity that waits in this browser.
func (c *Console) offered(ec echo.Context) (o accounts.Offer, err error) {
	err = c.view(ec, func(tx *db.Tx) error { o, err = c.app.Accounts.Offered(tx, c.cookie(ec, offerCookie)); return err })
	return o, err
}

func (c *Console) offer(ec echo.Context) error {
	return c.offerForm(ec, http.StatusOK, "")
}

func (c *Console) offerForm(ec echo.Context, status int, problem string) error {
	o, err := c.offered(ec)
	if fault.Is(err, fault.NotFound) {
		return ec.Redirect(http.StatusSeeOther, paths.Login(""))
	}
	if err != nil {
		return err
	}
	return page(ec, status, view.OfferPage(view.Offer{Provider: c.app.Accounts.Provider().Name, Email: o.User.Email, Key: key(), Sent: ec.QueryParam("sent") != "", Problem: problem}))
}

func (c *Console) offerMail(ec echo.Context) error {
	if _, err := form(ec); err != nil {
		return err
	}
	err := c.update(ec, func(tx *db.Tx) error { return c.app.Accounts.MailOffer(tx, c.cookie(ec, offerCookie)) })
	if fault.Is(err, fault.NotFound) {
		return ec.Redirect(http.StatusSeeOther, paths.Login(""))
	}
	if status, problem, ok := waits(ec, err, fault.TooMany); ok {
		return c.offerForm(ec, status, problem)
	}
	if err != nil {
		return err
	}
	return ec.Redirect(http.StatusSeeOther, paths.With(paths.ProviderOffer(), "sent", "1"))
}

func (c *Console) offerConfirm(ec echo.Context) error {
	var o accounts.Offer
	err := c.view(ec, func(tx *db.Tx) (err error) {
		o, err = c.app.Accounts.Mailed(tx, c.cookie(ec, linkCookie))
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return deadLink(ec, err)
	}
	if err != nil {
		return err
	}
	return page(ec, http.StatusOK, view.LinkIdentityPage(view.LinkIdentity{Provider: c.app.Accounts.Provider().Name, Email: o.User.Email, There: o.Email, Key: key(),
		Action: paths.ProviderConfirm(), Cancel: ui.Link{Label: "Leave it as it is", URL: paths.Login("")}}))
}

func (c *Console) offerConfirmSubmit(ec echo.Context) error {
	f, err := form(ec, "email", "there")
	if err != nil {
		return err
	}
	err = c.update(ec, func(tx *db.Tx) error {
		o, err := c.app.Accounts.Mailed(tx, c.cookie(ec, linkCookie))
		if err == nil && (f["email"] != o.User.Email || f["there"] != o.Email) {
			err = otherLink()
		}
		if err != nil {
			return err
		}
		return c.app.Accounts.ConfirmOffer(tx, c.cookie(ec, linkCookie))
	})
	if fault.Is(err, fault.NotFound) {
		return deadLink(ec, err)
	}
	if fault.Is(err, fault.Conflict) {
		return c.turned(ec, accounts.ToLink, "", err)
	}
	if err != nil {
		return err
	}
	c.setCookie(ec, linkCookie, "", -1)
	c.setCookie(ec, offerCookie, "", -1)
	return ec.Redirect(http.StatusSeeOther, paths.With(paths.Login(""), "linked", "1"))
}

// linkedTo fills in the card of the page Security.
func (c *Console) linkedTo(tx *db.Tx, a access.Actor, m *view.Identity) error {
	i, err := c.app.Accounts.Identity(tx, a.UserID)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	m.Linked, m.Email, m.LinkedAt, m.Used, m.UsedAt = true, i.Email, c.when(i.LinkedAt), !i.UsedAt.IsZero(), c.when(i.UsedAt)
	return err
}

func (c *Console) identityStart(ec echo.Context, _ access.Actor) error {
	if _, err := form(ec); err != nil {
		return err
	}
	ctx := ec.Request().Context()
	d, err := c.app.Accounts.Depart(ctx, accounts.ToLink, accounts.VisitOf(ctx), paths.Security())
	if fault.Is(err, fault.Unavailable) {
		return c.refused(ec, err, paths.Security())
	}
	if err != nil {
		return err
	}
	return c.depart(ec, d)
}

func (c *Console) identity(ec echo.Context, a access.Actor) error {
	o, err := c.offered(ec)
	if fault.Is(err, fault.NotFound) || (err == nil && o.User.ID != a.UserID) {
		return c.refused(ec, fault.New(fault.NotFound, "", "Nothing waits to be linked to this account."), paths.Security())
	}
	if err != nil {
		return err
	}
	return page(ec, http.StatusOK, view.LinkIdentityPage(view.LinkIdentity{SignOutKey: key(), Theme: accounts.VisitOf(ec.Request().Context()).User.Theme, Provider: c.app.Accounts.Provider().Name,
		Email: a.Email, There: o.Email, Key: key(), Action: paths.Identity(), Cancel: ui.Link{Label: "Leave it as it is", URL: paths.Security()}}))
}

func (c *Console) identityLink(ec echo.Context, a access.Actor) error {
	f, err := form(ec, "email", "there")
	if err != nil {
		return err
	}
	v := accounts.VisitOf(ec.Request().Context())
	err = c.update(ec, func(tx *db.Tx) error {
		o, err := c.app.Accounts.Offered(tx, c.cookie(ec, offerCookie))
		if err == nil && (f["email"] != a.Email || f["there"] != o.Email) {
			err = fault.New(fault.NotFound, "accounts.offer", "The provider told of somebody else in this browser meanwhile. Start again.")
		}
		if err != nil {
			return err
		}
		return c.app.Accounts.TakeOffer(tx, v, c.cookie(ec, offerCookie))
	})
	c.setCookie(ec, offerCookie, "", -1)
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Conflict) {
		return c.refused(ec, err, paths.Security())
	}
	if err != nil {
		return err
	}
	return c.done(ec, "You can sign in with "+c.app.Accounts.Provider().Name+" from now on.", paths.Security())
}

func (c *Console) identityDelete(ec echo.Context, _ access.Actor) error {
	if _, err := form(ec); err != nil {
		return err
	}
	v := accounts.VisitOf(ec.Request().Context())
	err := c.update(ec, func(tx *db.Tx) error { return c.app.Accounts.Unlink(tx, v) })
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Conflict) {
		return c.refused(ec, err, paths.Security())
	}
	if err != nil {
		return err
	}
	if err := c.renewed(ec); err != nil {
		return err
	}
	return c.done(ec, "Unlinked. Your other sessions have ended.", paths.Security())
}

func (c *Console) confirmByProvider(ec echo.Context, a access.Actor) error {
	f, err := form(ec, "next", "code")
	if err != nil {
		return err
	}
	next := safeNext(f["next"])
	ctx := ec.Request().Context()
	d, err := c.app.Accounts.DepartToProve(ctx, accounts.VisitOf(ctx), f["code"], next)
	if errs, ok := fieldErrors(err); ok {
		return c.confirmForm(ec, a, http.StatusUnprocessableEntity, next, errs)
	}
	if status, problem, ok := waits(ec, err, fault.TooMany); ok {
		return c.confirmForm(ec, a, status, next, ui.Errors{"code": problem})
	}
	if err != nil {
		return err
	}
	return c.depart(ec, d)
}
