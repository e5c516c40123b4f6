package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table/dv"

	"steward/internal/storage/blob"
	"steward/internal/storage/csv"
)

// readWhole reads all bytes of a file of a table in the way in which the engine
// does, unless it finds damage.
func readWhole(files *files, data map[string]iceberg.DataFile, location string) (err error) {
	defer shield(&err)
	f, ok := data[location]
	if !ok {
		if strings.HasSuffix(location, ".json") {
			_, err := loadTable(files, location)
			return err
		}
		file, err := files.Open(location)
		if err != nil {
			return err
		}
		return file.Close()
	}
	source, err := openSealed(files, f, nil)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	reader, err := file.NewParquetReader(source)
	if err != nil {
		return err
	}
	if err := source.trust(reader.MetaData()); err != nil {
		return err
	}
	for _, known := range []*seal{nil, source.seal} {
		if known != nil {
			again, err := openSealed(files, f, known)
			if err != nil {
				return err
			}
			defer func() { _ = again.Close() }()
			source = again
		}
		for offset := int64(0); offset < source.seal.end; offset += 1000 {
			part := make([]byte, min(1000, source.seal.end-offset))
			if _, err := source.ReadAt(part, offset); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestEveryByte flips every byte of files of all kinds, one at a time.
func TestEveryByte(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := blob.OpenLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	e := New(store, Options{})
	var staged *Staged
	for i, text := range []string{"a,b\n1,x\n2,y\n", "a,b\n3,z\n"} {
		source, err := csv.NewReader(strings.NewReader(text), csv.DefaultDialect())
		if err != nil {
			t.Fatal(err)
		}
		l := Load{Folder: "tables/1", Mode: Append, Source: source, Job: int64(i), Time: time.UnixMicro(1)}
		if staged != nil {
			l.Base = staged.Location
		}
		if staged, err = e.Load(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	staged, err = e.Delete(t.Context(), Delete{Folder: "tables/1", Base: staged.Location, Where: []Condition{{Column: "a", Op: Equal, Value: "1"}}})
	if err != nil {
		t.Fatal(err)
	}
	files := newFiles(t.Context(), store)
	table, err := loadTable(files, staged.Location)
	if err != nil {
		t.Fatal(err)
	}
	live, err := liveFiles(t.Context(), table, table.CurrentSnapshot())
	if err != nil {
		t.Fatal(err)
	}
	data := map[string]iceberg.DataFile{}
	for _, f := range live {
		data[f.data.FilePath()] = f.data
		if f.deletes != nil {
			if _, err := dv.ReadDV(files, f.deletes); err != nil {
				t.Fatal(err)
			}
		}
	}
	kinds := map[string]int{}
	err = reach(t.Context(), files, table, func(location string) error {
		kinds[filepath.Ext(location)]++
		name := filepath.Join(dir, strings.TrimPrefix(location, scheme))
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := readWhole(files, data, location); err != nil {
			return fmt.Errorf("%s as it was written: %w", location, err)
		}
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		for at, b := range content {
			if _, err := f.WriteAt([]byte{b ^ byte(1+at%255)}, int64(at)); err != nil {
				return err
			}
			var damage *DamageError
			err := readWhole(files, data, location)
			// The mark of an Avro file may be what is damaged, or the file be none
			// any more; but it always has a mark elsewhere.
			if !errors.As(err, &damage) || damage.File != location {
				t.Errorf("%s, byte %d of %d: %v", location, at, len(content), err)
			}
			if _, err := f.WriteAt([]byte{b}, int64(at)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if kinds[".parquet"] != 2 || kinds[".puffin"] != 1 || kinds[".json"] < 3 || kinds[".avro"] < 6 {
		t.Errorf("files %v", kinds)
	}
}
