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
	"steward/internal/tenancy"
)

type userCmd struct {
	Add userAddCmd `cmd:"" help:"Add a person; the password is read from standard input."`
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
	hash, err := a.Accounts.Hash(ctx, password)
	if err != nil {
		return err
	}
	name := u.Name
	if name == "" {
		name = u.Email
	}
	operator := access.Actor{Name: "The operator"}
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
