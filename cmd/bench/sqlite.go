package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// durably is how SQLite's shell works to be as safe as the program: a write-ahead log
// that is synced at each commit, and the checkpoint at the end.
const durably = "PRAGMA journal_mode=WAL;\nPRAGMA synchronous=FULL;\n"

// sqliteRun gives commands to SQLite's own shell.
func (b *bench) sqliteRun(ctx context.Context, file, script string) (usage, error) {
	return timed(ctx, strings.NewReader(durably+script), "sqlite3", "-batch", file)
}

// sqliteImport loads a CSV file into a new table of a SQLite file, in one transaction.
func (b *bench) sqliteImport(ctx context.Context, file, csv, table string) (usage, error) {
	return b.sqliteRun(ctx, file, fmt.Sprintf(".import --csv %q %s\n", csv, table))
}

// sqliteKeyed loads the large CSV file into a new table with its primary key. Its
// columns are texts, as the program's are.
func (b *bench) sqliteKeyed(ctx context.Context, file, csv string) (usage, error) {
	columns := strings.ReplaceAll(ordersHeader, ",", " TEXT, ") + " TEXT"
	columns = strings.Replace(columns, ordersKey+" TEXT", ordersKey+" TEXT PRIMARY KEY", 1)
	return b.sqliteRun(ctx, file, fmt.Sprintf("CREATE TABLE orders (%s);\n.import --csv --skip 1 %q orders\n", columns, csv))
}

// sqliteUpsert brings a CSV file into the keyed table, by way of a table in memory: the
// rows whose key is there change, the others are added.
func (b *bench) sqliteUpsert(ctx context.Context, file, csv string) (usage, error) {
	var set []string
	for name := range strings.SplitSeq(ordersHeader, ",") {
		set = append(set, name+" = excluded."+name)
	}
	return b.sqliteRun(ctx, file, fmt.Sprintf(`PRAGMA temp_store=MEMORY;
CREATE TEMP TABLE incoming AS SELECT * FROM orders LIMIT 0;
.import --csv --schema temp --skip 1 %q incoming
INSERT INTO orders SELECT * FROM incoming WHERE true ON CONFLICT (%s) DO UPDATE SET %s;
`, csv, ordersKey, strings.Join(set, ", ")))
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
