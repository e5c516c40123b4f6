package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"text/tabwriter"

	"steward/internal/app"
	"steward/internal/config"
	"steward/internal/demo"
	"steward/views/paths"
)

type demoCmd struct {
	Addr      string `help:"Address to listen on; port 0 lets the system choose." default:"127.0.0.1:8080" env:"STEWARD_ADDR"`
	Dir       string `help:"Folder for the world; one that holds a world is used again. Temporary by default." type:"path" placeholder:"DIR"`
	ReadyFile string `help:"File to write when all is ready: JSON with the address, accounts and projects." type:"path" placeholder:"FILE"`
	DB        string `name:"db" help:"Metadata database; by default SQLite in the folder." env:"STEWARD_DB" placeholder:"DSN"`
	Store     string `help:"Store for data; by default in the folder." env:"STEWARD_STORE" placeholder:"URL"`
	OpsAddr   string `help:"Loopback address for metrics and profiling; off when empty." env:"STEWARD_OPS_ADDR" placeholder:"ADDR"`
	LogLevel  string `help:"debug, info, warn or error." default:"warn" enum:"debug,info,warn,error" env:"STEWARD_LOG_LEVEL"`
}

// Run makes the world, or opens the one that is there, and serves it.
func (d *demoCmd) Run(ctx context.Context, ends streams) (err error) {
	if d.Dir == "" {
		if d.Dir, err = os.MkdirTemp("", "steward-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(d.Dir)) }()
	}
	clock := new(demo.Clock)
	a, err := app.Open(ctx, config.Config{Addr: d.Addr, Data: d.Dir, DB: d.DB, Store: d.Store, OpsAddr: d.OpsAddr, LogLevel: d.LogLevel, SMTP: config.MailboxURL},
		logger(ends.err, d.LogLevel), app.Options{Now: clock.Now, Serve: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	world, err := demo.Build(ctx, a, clock, func(what string) { fmt.Fprintln(ends.err, "making", what) })
	if err != nil {
		return err
	}
	return serve(ctx, a, func(net.Addr) error {
		world.URL = a.Config.PublicURL
		world.Mailbox = new(world.URL + paths.Mailbox())
		if d.ReadyFile != "" {
			if err := writeWhole(d.ReadyFile, world); err != nil {
				return err
			}
		}
		return tell(ends.out, world)
	})
}

// tell prints how to sign in.
func tell(w io.Writer, world demo.World) error {
	fmt.Fprintf(w, "\nSteward's demo is at %s\n\nSign in with the password %s as:\n\n", world.URL, demo.Password)
	names := map[int64]string{}
	for _, p := range world.Projects {
		names[p.ID] = p.Name
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, a := range world.Accounts {
		where := "no project"
		if a.Project != nil {
			where = names[*a.Project]
		}
		if a.TOTPSecret != nil {
			where += ", secret of the authenticator " + *a.TOTPSecret
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", a.Email, a.Role, where)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nMails that it would send are at %s\n\nStop it with Ctrl+C.\n", *world.Mailbox)
	return nil
}

// writeWhole writes a file that appears at once with all its content.
func writeWhole(path string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".ready-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(append(raw, '\n'))
	if err = errors.Join(err, tmp.Chmod(0o600), tmp.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return os.Rename(tmp.Name(), path)
}
