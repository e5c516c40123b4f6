package db

import (
	"context"
	"fmt"
)

// Damage is something about the database itself that is not as it must be.
type Damage struct{ Object, Want, Found string }

// Check tells of damage: on SQLite, pages that do not fit together and rows that refer
// to nothing; on PostgreSQL, which holds its constraints by itself, those that are there
// but were never validated. It reads all of a SQLite file.
func (d *DB) Check(ctx context.Context, found func(Damage)) error {
	return d.View(ctx, func(tx *Tx) error { return d.dialect.check(tx, found) })
}

func checkSQLite(tx *Tx, found func(Damage)) error {
	lines, err := All(tx, Scalar[string], "PRAGMA quick_check") // a hundred at most
	if err != nil {
		return err
	}
	for _, line := range lines {
		if line != "ok" {
			found(Damage{"the database file", "sound pages", line})
		}
	}
	_, err = All(tx, func(r Row) (struct{}, error) {
		var table, parent string
		var row int64
		err := r.Scan(&table, Null(&row), &parent)
		if err == nil {
			found(Damage{fmt.Sprintf("a row of %s (rowid %d)", table, row), "the row of " + parent + " that it refers to", "none"})
		}
		return struct{}{}, err
	}, `SELECT "table", rowid, parent FROM pragma_foreign_key_check`)
	return err
}

func checkPostgres(tx *Tx, found func(Damage)) error {
	_, err := All(tx, func(r Row) (struct{}, error) {
		var table, name string
		err := r.Scan(&table, &name)
		if err == nil {
			found(Damage{fmt.Sprintf("constraint %s of %s", name, table), "validated", "not validated"})
		}
		return struct{}{}, err
	}, "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE NOT convalidated ORDER BY 1, 2")
	return err
}
