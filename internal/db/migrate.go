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
	var options []goose.ProviderOption
	if d.Shared() {
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return fmt.Errorf("db: migrate: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(d.dialect.goose, d.writer, migrations.For(d.dialect.name), options...)
	if err != nil {
		return fmt.Errorf("db: migrate: %w", err)
	}
	at, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("db: migrate: %w", err)
	}
	sources := p.ListSources()
	if newest := sources[len(sources)-1].Version; at > newest {
		return fmt.Errorf("db: the database is at schema %d and this program knows only up to %d: use a newer program", at, newest)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("db: migrate: %w", err)
	}
	return nil
}
