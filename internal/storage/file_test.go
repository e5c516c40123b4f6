package storage_test

import (
	"strings"
	"testing"

	"steward/internal/db"
	"steward/internal/storage"
	"steward/web/webtest"
)

// TestMigrationOfFiles lets files be compressed with zstd and keeps those that are there.
func TestMigrationOfFiles(t *testing.T) {
	t.Parallel()
	p := newPlace(t, webtest.Open(t, webtest.Options{Idle: true}), "Files")
	id := p.upload("kept", 3)
	find := func() (f storage.File) {
		p.View(func(tx *db.Tx) (err error) { f, err = p.App.Storage.File(tx, p.scope, id); return err })
		return f
	}
	before := find()
	p.Update(func(tx *db.Tx) error { return tx.Must("DELETE FROM goose_db_version WHERE version_id = 3") })
	if err := p.App.DB.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := find(); after != before {
		t.Errorf("the file was %+v and is %+v", before, after)
	}
	for compression, fine := range map[string]bool{"zstd": true, "lzma": false} {
		err := p.App.DB.Update(t.Context(), func(tx *db.Tx) error {
			return tx.Must("UPDATE files SET compression = $2 WHERE id = $1", id, compression)
		})
		if (err == nil) != fine {
			t.Errorf("a file of %s: %v", compression, err)
		}
	}
	if _, err := p.App.Storage.Upload(t.Context(), p.scope, "again.csv", strings.NewReader("a\n")); err != nil {
		t.Error(err)
	}
}
