package console

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	view "steward/views/account"
	"steward/views/paths"
)

var sessionFields = []field[accounts.Session]{
	{"id", func(s accounts.Session) any { return s.ID }},
	{"device", func(s accounts.Session) any { return accounts.Device(s.UserAgent) }},
	{"address", func(s accounts.Session) any { return s.Address }},
	{"method", func(s accounts.Session) any { return string(s.Method) }},
	{"kept", func(s accounts.Session) any { return s.Kept }},
	{"signedIn", func(s accounts.Session) any { return s.CreatedAt }},
	{"lastUsed", func(s accounts.Session) any { return s.SeenAt }},
	{"ends", func(s accounts.Session) any { return s.ExpiresAt }},
}

func (c *Console) sessionList(ec echo.Context, a access.Actor) error {
	var list []accounts.Session
	if err := c.view(ec, func(tx *db.Tx) (err error) { list, err = accounts.Sessions(tx, a.UserID); return err }); err != nil {
		return err
	}
	done, err := exported(ec, "sessions", sessionFields, func(last *accounts.Session) ([]accounts.Session, error) {
		if last != nil {
			return nil, nil
		}
		return list, nil
	})
	if done || err != nil {
		return err
	}
	m := view.Sessions{Shell: c.accountShell(ec, a), EndOthersKey: key(), Download: downloads(ec)}
	for _, s := range list {
		m.List = append(m.List, view.SessionRow{Device: accounts.Device(s.UserAgent), Agent: s.UserAgent, Address: s.Address, Method: s.Method.String(), Kept: s.Kept,
			SignedIn: c.when(s.CreatedAt), Used: c.when(s.SeenAt), Ends: c.when(s.ExpiresAt), Current: s.ID == a.SessionID, EndURL: paths.SessionEnd(s.ID), EndKey: key()})
	}
	return page(ec, http.StatusOK, view.SessionsPage(m))
}

func (c *Console) sessionEnd(ec echo.Context, a access.Actor) error {
	if _, err := form(ec); err != nil {
		return err
	}
	id, err := number(ec, "session")
	if err != nil {
		return err
	}
	if err := c.update(ec, func(tx *db.Tx) error { return c.app.Accounts.EndSession(tx, a, id) }); err != nil {
		return err
	}
	return c.done(ec, "The session has ended.", paths.Sessions())
}

func (c *Console) sessionEndOthers(ec echo.Context, _ access.Actor) error {
	if _, err := form(ec); err != nil {
		return err
	}
	v := accounts.VisitOf(ec.Request().Context())
	if err := c.update(ec, func(tx *db.Tx) error { return c.app.Accounts.EndOtherSessions(tx, v) }); err != nil {
		return err
	}
	if err := c.renewed(ec); err != nil {
		return err
	}
	return c.done(ec, "All your other sessions have ended.", paths.Sessions())
}
