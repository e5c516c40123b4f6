// Package app builds the program's services, each once, and knows which of them runs
// which kind of job.
package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/breached"
	"steward/internal/config"
	"steward/internal/db"
	"steward/internal/jobs"
	"steward/internal/keys"
	"steward/internal/live"
	"steward/internal/mail"
	"steward/internal/storage"
	"steward/internal/storage/blob"
	"steward/internal/storage/engine"
	"steward/internal/tenancy"
)

// App is an open installation. Close it.
type App struct {
	Config   config.Config
	Log      *slog.Logger
	DB       *db.DB
	Hub      *live.Hub
	Reads    *audit.Buffer
	Accounts *accounts.Service
	Tenancy  *tenancy.Service
	Jobs     *jobs.Service
	Mail     *mail.Service
	Blobs    *blob.Local
	Storage  *storage.Service
	Metrics  *Metrics
	Patience time.Duration // how long a page waits for the job that it asked for

	closers []func() error
	once    sync.Once
}

// Options are the parts that tests and the demo replace.
type Options struct {
	Now   func() time.Time // nil = time.Now
	Serve bool             // this process serves or works: it takes the lock of a SQLite file

	Patience time.Duration // how long a page waits for the job that it asked for; 0 = 3 seconds

	// Look opens what is there, only to look at it: nothing is made or migrated, and
	// there are no Accounts and no Mail. It fails where there is no installation of this schema.
	Look bool
}

// Open checks the configuration, opens the database and the stores, and migrates.
func Open(ctx context.Context, cfg config.Config, log *slog.Logger, o Options) (*App, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	a := &App{Config: cfg, Log: log, Hub: live.NewHub(), Patience: cmp.Or(o.Patience, 3*time.Second)}
	if err := a.open(ctx, o); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *App) open(ctx context.Context, o Options) error {
	if o.Look {
		if err := a.installed(); err != nil {
			return err
		}
	} else if err := os.MkdirAll(a.Config.Data, 0o700); err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	if path := a.Config.SQLite(); path != "" && o.Serve {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fmt.Errorf("--db: %w", err)
		}
		if target, err := filepath.EvalSymlinks(path); err == nil {
			path = target // one lock for one file, whatever its name
		}
		l, err := takeLock(path + ".lock")
		if err != nil {
			return fmt.Errorf("another steward serves %s already: %w", path, err)
		}
		a.closers = append(a.closers, l.Close)
	}
	var ring *keys.Ring
	var err error
	if !o.Look {
		if ring, err = keys.Open(a.Config.KeysFile); err != nil {
			return err
		}
	}
	a.Metrics = newMetrics(a)
	if a.DB, err = db.Open(ctx, a.Config.DB, db.Options{Now: o.Now, Committed: a.Metrics.committed}); err != nil {
		return err
	}
	a.closers = append(a.closers, a.DB.Close)
	ready := a.DB.Migrate
	if o.Look {
		ready = a.DB.Current
	}
	if err := ready(ctx); err != nil {
		return err
	}
	if a.Blobs, err = blob.OpenLocal(a.Config.StoreDir()); err != nil {
		return err
	}
	owner, dead, err := a.register(o)
	if err != nil {
		return err
	}
	a.Reads = audit.NewBuffer(a.DB, a.Log)
	a.closers = append(a.closers, func() error { a.Reads.Close(); return nil })
	a.Jobs = jobs.New(a.DB, a.Hub, a.Log, owner)
	if ring != nil {
		if err := a.openMail(ring); err != nil {
			return err
		}
		known, err := breached.Open(breached.File(a.Config.Data))
		if err != nil {
			return err
		}
		a.closers = append(a.closers, known.Close)
		provider, err := a.provider()
		if err != nil {
			return err
		}
		a.Accounts = accounts.New(a.DB, ring, a.Mail, known, provider)
		a.Tenancy = tenancy.New(a.DB, a.Accounts, a.Mail, a.Jobs)
	}
	tables := engine.New(a.Blobs, engine.Options{Staging: func(folder string) { a.Log.Debug("commit: stage", "folder", folder) }})
	a.Storage = storage.New(a.DB, a.Jobs, a.Blobs, tables, a.Reads, a.Log)
	a.Jobs.Handle(a.handlers(), a.guard)
	if !o.Serve {
		return nil
	}
	if err := a.Jobs.Schedule(ctx, schedules()); err != nil {
		return err
	}
	return a.free(ctx, dead)
}

// openMail opens the outbox.
func (a *App) openMail(ring *keys.Ring) error {
	sender, err := mail.NewSender(a.Config)
	if err != nil {
		return err
	}
	a.Mail = mail.New(a.DB, a.Jobs, ring, a.Log, mail.Options{Host: a.Config.MailName(), Sender: sender, Compose: a.composed})
	return nil
}

// provider is what people may sign in by besides, nil for none.
func (a *App) provider() (*accounts.Provider, error) {
	p, err := a.Config.Provider()
	if err != nil || p == (config.Provider{}) {
		return nil, err
	}
	return accounts.NewProvider(p, a.Config.PublicURL+accounts.ReturnPath, a.Log, a.DB.Now), nil
}

// installed fails where Open would make a folder or a database.
func (a *App) installed() error {
	if info, err := os.Stat(a.Config.StoreDir()); err != nil || !info.IsDir() {
		return fmt.Errorf("--data, --store: there is no installation here: no folder %s", a.Config.StoreDir())
	}
	if path := a.Config.SQLite(); path != "" {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("--data, --db: there is no installation here: %w", err)
		}
	}
	return nil
}

// Close ends everything in the reverse order of its opening.
func (a *App) Close() error {
	var errs []error
	a.once.Do(func() {
		for i := len(a.closers) - 1; i >= 0; i-- {
			errs = append(errs, a.closers[i]())
		}
	})
	return errors.Join(errs...)
}
