package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/app"
	"steward/internal/config"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/tenancy"
)

type userCmd struct {
	Add         userAddCmd         `cmd:"" help:"Add a person; the password is read from standard input."`
	Invite      userInviteCmd      `cmd:"" help:"Make an account for somebody and print the link that activates it."`
	Link        userLinkCmd        `cmd:"" help:"Print a link that activates the account, or sets a new password."`
	Disable     userDisableCmd     `cmd:"" help:"Close an account: its sessions end at once. Nothing is deleted."`
	Enable      userEnableCmd      `cmd:"" help:"Open a disabled account again."`
	ResetMFA    userResetMFACmd    `cmd:"" name:"reset-mfa" help:"Print a link that takes the second factor of somebody away, with their password, who lost it and the recovery codes."`
	EndSessions userEndSessionsCmd `cmd:"" name:"end-sessions" help:"Sign somebody out everywhere."`
	SuperAdmin  userSuperAdminCmd  `cmd:"" name:"super-admin" help:"Make somebody a super admin, or not any more."`
}

// operator is who runs the command line: whoever reads the keys may do everything.
var operator = access.Actor{Name: "The operator", SuperAdmin: true}

// person is the account that a command is about.
type person struct {
	config.Config `embed:""`
	Email         string `arg:"" help:"Email address of the account."`
}

// do opens the installation, also beside a running serve, does something to the account in
// one transaction, and prints what was done. Links that say gives follow the public URL.
func (p *person) do(ctx context.Context, streams streams, do func(tx *db.Tx, a *app.App, u accounts.User) (says string, err error)) error {
	a, err := app.Open(ctx, p.Config, logger(streams.err, p.LogLevel), app.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = a.Close() }()
	var says string
	err = a.DB.Update(ctx, func(tx *db.Tx) error {
		u, err := a.Accounts.ByEmail(tx, p.Email)
		if fault.Is(err, fault.NotFound) {
			return fmt.Errorf("there is no account for %s", p.Email)
		}
		if err != nil {
			return err
		}
		says, err = do(tx, a, u)
		return err
	})
	if err == nil {
		fmt.Fprintln(streams.out, says)
	}
	return err
}

type userInviteCmd struct {
	config.Config `embed:""`
	Email         string `arg:"" help:"Email address; the person signs in with it."`
	Name          string `help:"Name; the address by default. The person can change it."`
}

// Run makes an account that its person activates.
func (u *userInviteCmd) Run(ctx context.Context, streams streams) error {
	a, err := app.Open(ctx, u.Config, logger(streams.err, u.LogLevel), app.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = a.Close() }()
	var path string
	err = a.DB.Update(ctx, func(tx *db.Tx) error {
		_, path, err = a.Accounts.Invite(tx, operator, accounts.NewUser{Email: u.Email, Name: u.Name})
		return err
	})
	if err == nil {
		fmt.Fprintf(streams.out, "%s activates the account here, within seven days:\n%s\n", u.Email, a.Config.PublicURL+path)
	}
	return err
}

type userLinkCmd struct{ person }

// Run makes a link, which replaces the one before.
func (u *userLinkCmd) Run(ctx context.Context, streams streams) error {
	return u.do(ctx, streams, func(tx *db.Tx, a *app.App, x accounts.User) (string, error) {
		path, err := a.Accounts.SendLink(tx, operator, x.ID)
		return a.Config.PublicURL + path, err
	})
}

type userDisableCmd struct{ person }

// Run closes an account.
func (u *userDisableCmd) Run(ctx context.Context, streams streams) error {
	return u.do(ctx, streams, func(tx *db.Tx, a *app.App, x accounts.User) (string, error) {
		return x.Email + " is disabled.", a.Accounts.Disable(tx, operator, x.ID)
	})
}

type userEnableCmd struct{ person }

// Run opens an account again.
func (u *userEnableCmd) Run(ctx context.Context, streams streams) error {
	return u.do(ctx, streams, func(tx *db.Tx, a *app.App, x accounts.User) (string, error) {
		return x.Email + " is enabled.", a.Accounts.Enable(tx, operator, x.ID)
	})
}

type userResetMFACmd struct{ person }

// Run makes a link that takes a second factor away.
func (u *userResetMFACmd) Run(ctx context.Context, streams streams) error {
	return u.do(ctx, streams, func(tx *db.Tx, a *app.App, x accounts.User) (string, error) {
		path, err := a.Accounts.ResetFactor(tx, operator, x.ID)
		if fault.Is(err, fault.NotFound) {
			return x.Email + " has no second factor.", nil
		}
		return a.Config.PublicURL + path, err
	})
}

type userEndSessionsCmd struct{ person }

// Run ends every session of a person.
func (u *userEndSessionsCmd) Run(ctx context.Context, streams streams) error {
	return u.do(ctx, streams, func(tx *db.Tx, a *app.App, x accounts.User) (string, error) {
		return x.Email + " is signed out everywhere.", a.Accounts.EndAll(tx, operator, x.ID)
	})
}

type userSuperAdminCmd struct {
	person
	Revoke bool `help:"Take the rights away."`
}

// Run grants or revokes the rights of a super admin.
func (u *userSuperAdminCmd) Run(ctx context.Context, streams streams) error {
	return u.do(ctx, streams, func(tx *db.Tx, a *app.App, x accounts.User) (string, error) {
		if u.Revoke {
			return x.Email + " is no super admin any more.", a.Tenancy.RevokeSuperAdmin(tx, operator, x.ID)
		}
		return x.Email + " is a super admin now.", a.Tenancy.GrantSuperAdmin(tx, operator, x.ID)
	})
}

type userAddCmd struct {
	config.Config `embed:""`
	Email         string `arg:"" help:"Email address; the person signs in with it."`
	Name          string `help:"Name; the address by default."`
	Project       int64  `help:"Number of a project that the person becomes a member of."`
	Role          string `help:"Role in the project: share, admin, guest, readOnly, developer, reviewer or productionManager." default:"admin"`
	SuperAdmin    bool   `help:"Make the person a super admin of the installation."`
}

// Run adds a person, and makes them a member of a project when one is named.
func (u *userAddCmd) Run(ctx context.Context, streams streams) error {
	password, err := bufio.NewReader(io.LimitReader(streams.in, accounts.PasswordMax+3)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("password: %w", err)
	}
	password = strings.TrimRight(password, "\r\n")
	a, err := app.Open(ctx, u.Config, logger(streams.err, u.LogLevel), app.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = a.Close() }()
	hash, err := a.Accounts.Hash(ctx, password, u.Name, u.Email)
	if err != nil {
		return err
	}
	name := u.Name
	if name == "" {
		name = u.Email
	}
	err = a.DB.Update(ctx, func(tx *db.Tx) error {
		user, err := a.Accounts.Create(tx, operator, accounts.NewUser{Email: u.Email, Name: name, SuperAdmin: u.SuperAdmin}, hash)
		if err != nil || u.Project == 0 {
			return err
		}
		p, err := tenancy.Find(tx, u.Project)
		if err != nil {
			return fmt.Errorf("project %d: %w", u.Project, err)
		}
		return tenancy.Join(tx, operator, p, user, access.Role(u.Role))
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(streams.out, "%s may sign in now.\n", u.Email)
	return nil
}
