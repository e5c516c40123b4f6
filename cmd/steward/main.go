// Command steward is a self-hosted console for data projects.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is stamped by the build: -ldflags "-X main.version=…".
var version = ""

func main() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // a second signal ends the program at once
	}()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "steward: "+err.Error())
		os.Exit(1)
	}
}

// memoryLimit is where garbage is collected harder, unless GOMEMLIMIT says otherwise.
// Loads of any size stay below it; it is no hard limit.
const memoryLimit = 280 << 20

// cli is the command line. Every flag is also a STEWARD_… variable.
type cli struct {
	Serve     serveCmd         `cmd:"" help:"Serve the console and run jobs."`
	Work      workCmd          `cmd:"" help:"Run jobs only, beside others on one PostgreSQL database."`
	Demo      demoCmd          `cmd:"" help:"Make a world with real public data and serve it."`
	Migrate   migrateCmd       `cmd:"" help:"Bring the database to this program's schema."`
	User      userCmd          `cmd:"" help:"Manage people."`
	Passwords passwordsCmd     `cmd:"" help:"Manage the list of breached passwords."`
	Verify    verifyCmd        `cmd:"" help:"Check that nothing was changed, lost or miscounted; also beside a running serve."`
	Version   kong.VersionFlag `help:"Print the version." short:"v"`
}

// streams are the program's ends.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// errExit ends run when kong has answered already, such as to --help.
var errExit = errors.New("exit")

func run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) (err error) {
	var c cli
	parser, err := kong.New(&c, kong.Name("steward"), kong.Description("Steward is a self-hosted console for data projects."),
		kong.Vars{"version": versionText()}, kong.Writers(stdout, stderr), kong.UsageOnError(),
		kong.Exit(func(int) { panic(errExit) }), kong.Resolvers(env(getenv)),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(streams{stdin, stdout, stderr}))
	if err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			if p != any(errExit) {
				panic(p)
			}
			err = nil
		}
	}()
	k, err := parser.Parse(args)
	if err != nil {
		return err
	}
	return k.Run()
}

// env resolves flags by the variables that getenv knows, so that tests need no real
// environment.
func env(getenv func(string) string) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, f *kong.Flag) (any, error) {
		for _, name := range f.Tag.Envs {
			if v := getenv(name); v != "" {
				return v, nil
			}
		}
		return nil, nil
	})
}

func versionText() string {
	if version != "" {
		return version
	}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return strings.Trim(b.Main.Version, "()")
	}
	return "devel"
}

// logger writes JSON lines. Times are UTC.
func logger(w io.Writer, level string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			a.Value = slog.TimeValue(a.Value.Time().UTC())
		}
		return a
	}}))
}
