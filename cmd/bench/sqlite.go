package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// sqliteImport loads a CSV file into a new table of a SQLite file by SQLite's own shell,
// as durably as the program does: one transaction, a write-ahead log that is synced at
// its commit, and the checkpoint at the end.
func (b *bench) sqliteImport(ctx context.Context, file, csv, table string) (usage, error) {
	script := fmt.Sprintf("PRAGMA journal_mode=WAL;\nPRAGMA synchronous=FULL;\n.import --csv %q %s\n", csv, table)
	return timed(ctx, strings.NewReader(script), "sqlite3", "-batch", file)
}

// sqliteQuery runs a query by SQLite's own shell.
func (b *bench) sqliteQuery(ctx context.Context, file, query string) (usage, error) {
	return timed(ctx, nil, "sqlite3", "-batch", "-csv", file, query)
}

// importOrders puts the large CSV file into a SQLite file and gives its path.
func (b *bench) importOrders(ctx context.Context) (string, error) {
	csv, err := b.orders()
	if err != nil {
		return "", err
	}
	file := filepath.Join(b.dir, "orders.sqlite")
	_, err = b.sqliteImport(ctx, file, csv, "orders")
	return file, err
}
