package console

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/tenancy"
	view "steward/views/account"
	"steward/views/paths"
	"steward/views/ui"
)

// Demanded is where a session keeps why somebody was led to the page Security, until they read it.
const Demanded = "demanded"

func (c *Console) security(ec echo.Context, a access.Actor) error {
	m := view.Security{Shell: c.accountShell(ec, a), MustEnrol: accounts.VisitOf(ec.Request().Context()).MustEnrol, StartKey: key(), DeleteKey: key(), CodesKey: key(),
		Identity: view.Identity{Provider: c.provider(ec), Key: key()}}
	led := c.sessions.PopString(ec.Request().Context(), Demanded)
	err := c.view(ec, func(tx *db.Tx) error {
		s, err := accounts.SecurityOf(tx, a.UserID)
		if err != nil {
			return err
		}
		m.Password, m.PasswordAt, m.Why = s.Password, c.when(s.PasswordAt), "This installation asks everybody for it."
		if !accounts.VisitOf(ec.Request().Context()).User.SupportUntil.IsZero() {
			m.Why = "People of support sign in in two steps, always."
		}
		if demanding, err := tenancy.Demanding(tx, a.UserID); err != nil {
			return err
		} else if why := cmp.Or(led, demands(demanding)); !s.Factor && why != "" && !m.MustEnrol {
			m.MustEnrol, m.Why = true, why
		}
		if s.Short {
			m.Why = fmt.Sprintf("Your password has less than %d characters, which is enough only together with it. Or change it for a longer one.", accounts.PasswordMin)
		}
		m.Factor, m.FactorAt, m.Locked = s.Factor, c.when(s.FactorAt), s.Locked
		m.CodesLeft, m.FewCodes = ui.Count(s.CodesLeft, "code", "codes"), s.CodesLeft <= accounts.RecoveryFew
		return c.linkedTo(tx, a, &m.Identity)
	})
	if err != nil {
		return err
	}
	return page(ec, http.StatusOK, view.SecurityPage(m))
}

// demands tells that an organization asks somebody for two-step sign-in who is in it or in a project
// of it; "" for none.
func demands(organization string) string {
	if organization == "" {
		return ""
	}
	return organization + " asks for it of everybody: you get at the organization and its projects again as soon as it is on."
}

func (c *Console) passwordEdit(ec echo.Context, a access.Actor) error {
	return c.passwordForm(ec, a, http.StatusOK, nil)
}

func (c *Console) passwordForm(ec echo.Context, a access.Actor, status int, errs ui.Errors) error {
	hint, err := c.passwordHint(ec, a.UserID)
	if err != nil {
		return err
	}
	return page(ec, status, view.PasswordPage(view.Password{Shell: c.accountShell(ec, a), Key: key(), Email: a.Email, PasswordHint: hint, Errors: errs}))
}

func (c *Console) passwordUpdate(ec echo.Context, a access.Actor) error {
	f, err := form(ec, "current", "password", "repeat", "email")
	if err != nil {
		return err
	}
	words, asked, err := c.measures(ec, a.UserID)
	if err != nil {
		return err
	}
	ctx := ec.Request().Context()
	if err = repeated(f); err == nil {
		err = c.app.Accounts.ChangePassword(ctx, accounts.VisitOf(ctx), accounts.Change{Current: f["current"], Password: f["password"], Device: c.cookie(ec, deviceCookie), FactorAsked: asked}, words...)
	}
	if errs, ok := fieldErrors(err); ok {
		return c.passwordForm(ec, a, http.StatusUnprocessableEntity, errs)
	}
	if status, problem, ok := waits(ec, err, fault.TooMany); ok {
		return c.passwordForm(ec, a, status, ui.Errors{"current": problem})
	}
	if err != nil {
		return err
	}
	if err := c.renewed(ec); err != nil {
		return err
	}
	return c.done(ec, "Your password is changed. Your other sessions have ended.", paths.Security())
}

func (c *Console) twoStepStart(ec echo.Context, a access.Actor) error {
	if _, err := form(ec); err != nil {
		return err
	}
	if err := c.update(ec, func(tx *db.Tx) error { return c.app.Accounts.StartFactor(tx, a) }); err != nil {
		return err
	}
	return ec.Redirect(http.StatusSeeOther, paths.TwoStep())
}

func (c *Console) twoStep(ec echo.Context, a access.Actor) error {
	return c.twoStepForm(ec, a, http.StatusOK, nil)
}

// twoStepForm shows the secret that is being set up, and asks for its first code.
func (c *Console) twoStepForm(ec echo.Context, a access.Actor, status int, errs ui.Errors) error {
	var e accounts.Enrolment
	err := c.view(ec, func(tx *db.Tx) (err error) {
		e, err = c.app.Accounts.Enrolment(tx, a, "Steward "+c.host())
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return ec.Redirect(http.StatusSeeOther, paths.Security())
	}
	if err != nil {
		return err
	}
	return page(ec, status, view.TwoStepPage(view.TwoStep{Shell: c.accountShell(ec, a), Key: key(), Secret: e.Secret,
		Picture: "data:image/png;base64," + base64.StdEncoding.EncodeToString(e.PNG), Errors: errs}))
}

func (c *Console) twoStepConfirm(ec echo.Context, a access.Actor) error {
	f, err := form(ec, "code")
	if err != nil {
		return err
	}
	ctx := ec.Request().Context()
	err = c.app.Accounts.ConfirmFactor(ctx, accounts.VisitOf(ctx), f["code"])
	if fault.Is(err, fault.NotFound) {
		return c.refused(ec, fault.New(fault.NotFound, "", "Setting it up took too long. Start again."), paths.Security())
	}
	if status, problem, ok := waits(ec, err, fault.Invalid); ok {
		return c.twoStepForm(ec, a, status, ui.Errors{"code": problem})
	}
	if err != nil {
		return err
	}
	if err := c.renewed(ec); err != nil {
		return err
	}
	return ec.Redirect(http.StatusSeeOther, paths.RecoveryCodes())
}

func (c *Console) twoStepDelete(ec echo.Context, _ access.Actor) error {
	if _, err := form(ec); err != nil {
		return err
	}
	v := accounts.VisitOf(ec.Request().Context())
	err := c.update(ec, func(tx *db.Tx) error { return c.app.Accounts.RemoveFactor(tx, v) })
	if fault.Is(err, fault.NotFound) {
		return ec.Redirect(http.StatusSeeOther, paths.Security())
	}
	if fault.Is(err, fault.Conflict) {
		return c.refused(ec, err, paths.Security())
	}
	if err != nil {
		return err
	}
	if err := c.renewed(ec); err != nil {
		return err
	}
	return c.done(ec, "Two-step sign-in is off. Your other sessions have ended.", paths.Security())
}

func (c *Console) recoveryCodes(ec echo.Context, a access.Actor) error {
	codes, err := c.codes(ec, a)
	if fault.Is(err, fault.NotFound) {
		return c.refused(ec, fault.New(fault.NotFound, "", "Recovery codes are shown for ten minutes after they were made. Make new ones if you have not stored them."), paths.Security())
	}
	if err != nil {
		return err
	}
	return page(ec, http.StatusOK, view.CodesPage(view.Codes{Shell: c.accountShell(ec, a), Key: key(), Codes: codes, Text: strings.Join(codes, "\n")}))
}

func (c *Console) codes(ec echo.Context, a access.Actor) (codes []string, err error) {
	err = c.view(ec, func(tx *db.Tx) error { codes, err = c.app.Accounts.Codes(tx, a); return err })
	return codes, err
}

func (c *Console) recoveryCodesFile(ec echo.Context, a access.Actor) error {
	codes, err := c.codes(ec, a)
	if err != nil {
		return err
	}
	if err := savable(ec); err != nil {
		return err
	}
	const kind = "text/plain; charset=utf-8"
	saved(ec, "steward-recovery-codes.txt", kind)
	text := "Recovery codes of " + a.Email + " at " + c.app.Config.PublicURL + "\nEach works once, in place of the code of the authenticator app.\n\n"
	return ec.Blob(http.StatusOK, kind, []byte(text+strings.Join(codes, "\n")+"\n"))
}

func (c *Console) recoveryCodesMake(ec echo.Context, a access.Actor) error {
	if _, err := form(ec); err != nil {
		return err
	}
	if err := c.update(ec, func(tx *db.Tx) error { return c.app.Accounts.NewCodes(tx, a) }); err != nil {
		return err
	}
	return ec.Redirect(http.StatusSeeOther, paths.RecoveryCodes())
}

func (c *Console) recoveryCodesStored(ec echo.Context, a access.Actor) error {
	if _, err := form(ec); err != nil {
		return err
	}
	if err := c.update(ec, func(tx *db.Tx) error { return c.app.Accounts.StoreCodes(tx, a) }); err != nil {
		return err
	}
	return c.done(ec, "Your recovery codes are stored. They are not shown again.", paths.Security())
}

func (c *Console) confirm(ec echo.Context, a access.Actor) error {
	return c.confirmForm(ec, a, http.StatusOK, safeNext(ec.QueryParam("next")), nil)
}

func (c *Console) confirmForm(ec echo.Context, a access.Actor, status int, next string, errs ui.Errors) error {
	var d accounts.Demand
	err := c.view(ec, func(tx *db.Tx) (err error) {
		d, err = c.app.Accounts.DemandOf(tx, a.UserID)
		return err
	})
	if err != nil {
		return err
	}
	if d.Provider {
		return page(ec, status, view.ConfirmTherePage(view.ConfirmThere{SignOutKey: key(), Provider: c.provider(ec), Next: next, Code: d.Code, Errors: errs}))
	}
	return page(ec, status, view.ConfirmPage(view.Confirm{SignOutKey: key(), Email: a.Email, Next: next, Key: key(), Password: d.Password, Code: d.Code, Errors: errs}))
}

func (c *Console) confirmSubmit(ec echo.Context, a access.Actor) error {
	f, err := form(ec, "current", "code", "next", "email")
	if err != nil {
		return err
	}
	next := safeNext(f["next"])
	ctx := ec.Request().Context()
	err = c.app.Accounts.Prove(ctx, accounts.VisitOf(ctx), f["current"], f["code"])
	if errs, ok := fieldErrors(err); ok {
		return c.confirmForm(ec, a, http.StatusUnprocessableEntity, next, errs)
	}
	if status, problem, ok := waits(ec, err, fault.TooMany); ok {
		return c.confirmForm(ec, a, status, next, ui.Errors{"current": problem})
	}
	if err != nil {
		return err
	}
	if err := c.renewed(ec); err != nil {
		return err
	}
	return c.done(ec, "Thank you. For ten minutes you will not be asked again.", next)
}
