package db

import (
	"context"
	"fmt"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"steward/migrations"
)

// Migrate brings the schema to the version of this program, each step in a
// transaction. Processes that migrate one PostgreSQL database at once wait for each
// other. It refuses a database that a newer program has migrated.
func (d *DB) Migrate(ctx context.Context) error {
	p, at, newest, err := d.migrations(ctx)
	if err != nil {
		return err
	}
	if at > newest {
		return fmt.Errorf("db: the database is at schema %d and this program knows only up to %d: use a newer program", at, newest)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("db: migrate: %w", err)
	}
	return nil
}

// Current fails unless the database is at the schema of this program.
func (d *DB) Current(ctx context.Context) error {
	_, at, newest, err := d.migrations(ctx)
	switch {
	case err != nil:
		return err
	case at > newest:
		return fmt.Errorf("db: the database is at schema %d and this program knows only up to %d: use a newer program", at, newest)
	case at < newest:
		return fmt.Errorf("db: the database is at schema %d and this program needs %d: start it, or run steward migrate", at, newest)
	}
	return nil
}

// migrations gives the steps, where the database is, and where it could be.
func (d *DB) migrations(ctx context.Context) (p *goose.Provider, at, newest int64, err error) {
	var options []goose.ProviderOption
	if d.Shared() {
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return nil, 0, 0, fmt.Errorf("db: migrate: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	if p, err = goose.NewProvider(d.dialect.goose, d.writer, migrations.For(d.dialect.name), options...); err != nil {
		return nil, 0, 0, fmt.Errorf("db: migrate: %w", err)
	}
	if at, err = p.GetDBVersion(ctx); err != nil {
		return nil, 0, 0, fmt.Errorf("db: migrate: %w", err)
	}
	sources := p.ListSources()
	return p, at, sources[len(sources)-1].Version, nil
}
