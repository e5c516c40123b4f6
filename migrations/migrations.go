// Package migrations holds the schema: one SQL file a step, the same for both
// databases. Where they must differ, a step is a pair NNNNN_name.sqlite.sql and
// NNNNN_name.postgres.sql.
package migrations

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed *.sql
var files embed.FS

// For gives the steps of one dialect, "sqlite" or "postgres".
func For(dialect string) fs.FS { return only{files, dialect} }

type only struct {
	fs.ReadDirFS
	dialect string
}

// ReadDir leaves out the other dialect's halves of pairs.
func (o only) ReadDir(name string) ([]fs.DirEntry, error) {
	all, err := o.ReadDirFS.ReadDir(name)
	if err != nil {
		return nil, err
	}
	var mine []fs.DirEntry
	for _, e := range all {
		if parts := strings.Split(e.Name(), "."); len(parts) == 3 && parts[1] != o.dialect {
			continue
		}
		mine = append(mine, e)
	}
	return mine, nil
}

// Open implements fs.FS. The root is opened through a value that lists by ReadDir.
func (o only) Open(name string) (fs.File, error) { return o.ReadDirFS.Open(name) }
