package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"steward/internal/storage/blob"
	"steward/internal/storage/engine"
)

// read returns the rows that a location shows, as far as they can be read by an
// engine that has read nothing before.
func (b *bundle) read(location string) (rows []string, err error) {
	store, err := blob.OpenLocal(b.dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = store.Close() }()
	v, err := engine.New(store, engine.Options{}).Open(context.Background(), location)
	if err != nil {
		return nil, err
	}
	defer func() { _ = v.Close() }()
	err = v.Each(context.Background(), engine.Query{Origin: true}, func(r engine.Row) error {
		rows = append(rows, fmt.Sprintf("%s %d %d", show(r.Cells), r.Time.UnixMicro(), r.Job))
		return nil
	})
	return rows, err
}

// verify returns the locations of the damaged files that Verify finds.
func (b *bundle) verify(t *testing.T, location string) (damaged []string) {
	t.Helper()
	found, err := b.Verify(t.Context(), location, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range found {
		damaged = append(damaged, d.File)
		if d.Found == "" {
			t.Errorf("%s: nothing is said to be wrong", d.File)
		}
	}
	return damaged
}

// reachable lists the files that the table at a location consists of.
func (b *bundle) reachable(t *testing.T, folder, location string) []string {
	t.Helper()
	expired, err := b.Expire(t.Context(), engine.Expire{Folder: folder, Base: location})
	if err != nil {
		t.Fatal(err)
	}
	if expired.Location != location {
		t.Fatal("the table has a past")
	}
	b.sweep(t, folder, location)
	var names []string
	for _, name := range b.files(t) {
		if strings.HasPrefix(name, folder+"/") && !strings.HasSuffix(name, ".json") || strings.HasSuffix(location, name) {
			names = append(names, name)
		}
	}
	return names
}

// sealedTable makes a table with files of all kinds, and returns its location.
func (b *bundle) sealedTable(t *testing.T, rows int) string {
	t.Helper()
	var text strings.Builder
	text.WriteString("n,color,text\n")
	r := rand.New(rand.NewPCG(5, 6))
	for i := range rows {
		fmt.Fprintf(&text, "%d,%s,%d\n", i, []string{"red", "", "blue", `""`}[i%4], r.Uint64())
	}
	s := b.load(t, "", engine.Full, text.String())
	s = b.load(t, s.Location, engine.Append, "n,color,text,more\n7,x,y,z\n")
	s = b.must(t)(b.Delete(t.Context(), engine.Delete{Folder: "tables/1", Base: s.Location, Where: []engine.Condition{{Column: "n", Op: engine.Contains, Value: "3"}}}))
	return b.must(t)(b.Expire(t.Context(), engine.Expire{Folder: "tables/1", Base: s.Location})).Location
}

// spoil puts other content in the place of a file while a function runs.
func (b *bundle) spoil(t *testing.T, name string, content []byte, during func()) {
	t.Helper()
	name = filepath.Join(b.dir, name)
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	during()
	if err := os.WriteFile(name, whole, 0o600); err != nil {
		t.Fatal(err)
	}
}

// checkSpoiled reads a table one of whose files is spoiled.
func (b *bundle) checkSpoiled(t *testing.T, what, name, location string, want []string) {
	t.Helper()
	rows, err := b.read(location)
	if err == nil {
		same(t, what, rows, want)
	} else if !strings.Contains(err.Error(), "steward:///"+name) {
		t.Errorf("%s: the error does not name the file: %v", what, err)
	}
	for i, row := range rows {
		if row != want[i] {
			t.Fatalf("%s: row %d is %s, not %s", what, i, row, want[i])
		}
	}
	if found := b.verify(t, location); !slices.Contains(found, "steward:///"+name) {
		t.Errorf("%s: Verify finds %v", what, found)
	}
}

// TestFlippedBytes flips bytes of all files of a table, one at a time; a test
// inside of the package does so with every byte.
func TestFlippedBytes(t *testing.T) {
	t.Parallel()
	for rows, every := range map[int]int{6: 199, 20_000: 20_001} {
		t.Run(fmt.Sprint(rows, " rows"), func(t *testing.T) {
			t.Parallel()
			b := setup(t, engine.Options{RowGroup: 5000})
			location := b.sealedTable(t, rows)
			want, err := b.read(location)
			if err != nil || len(want) == 0 {
				t.Fatal(err)
			}
			equal(t, "damage of a whole table", b.verify(t, location), []string(nil))
			kinds := map[string]bool{}
			r := rand.New(rand.NewPCG(1, 2))
			for _, name := range b.reachable(t, "tables/1", location) {
				kinds[filepath.Ext(name)] = true
				content, err := os.ReadFile(filepath.Join(b.dir, name))
				if err != nil {
					t.Fatal(err)
				}
				for at := 0; at < len(content); at += 1 + r.IntN(2*every-1) {
					spoiled := slices.Clone(content)
					spoiled[at] ^= byte(1 + r.IntN(255))
					b.spoil(t, name, spoiled, func() {
						b.checkSpoiled(t, fmt.Sprintf("byte %d of %s", at, name), name, location, want)
					})
				}
				for _, n := range []int{0, 1, 8, 16, len(content) / 2, len(content) - 16, len(content) - 1} {
					b.spoil(t, name, content[:max(0, min(n, len(content)-1))], func() {
						b.checkSpoiled(t, fmt.Sprintf("%s cut to %d", name, n), name, location, want)
					})
				}
				b.spoil(t, name, append(slices.Clone(content), 0), func() {
					b.checkSpoiled(t, name+" with a byte more", name, location, want)
				})
			}
			equal(t, "kinds of files", len(kinds), 4)
		})
	}
}

// TestWrongFiles puts whole files in the places of others, and takes files away.
func TestWrongFiles(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	location := b.sealedTable(t, 100)
	want, err := b.read(location)
	if err != nil {
		t.Fatal(err)
	}
	names := b.reachable(t, "tables/1", location)
	plain := b.plain(t, location)
	var contents [][]byte
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(b.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		contents = append(contents, content)
	}
	for i, name := range names {
		for j, other := range contents {
			if i != j {
				b.spoil(t, name, other, func() {
					b.checkSpoiled(t, fmt.Sprintf("%s instead of %s", names[j], name), name, location, want)
				})
			}
		}
		full := filepath.Join(b.dir, name)
		if err := os.Rename(full, full+"~"); err != nil {
			t.Fatal(err)
		}
		missing := func(what, location string) {
			t.Helper()
			if _, err := b.read(location); !errors.Is(err, blob.ErrNotFound) || !strings.Contains(err.Error(), "steward:///"+name) {
				t.Errorf("without %s: %s: %v", name, what, err)
			}
		}
		switch {
		case strings.HasSuffix(name, ".avro"):
			rows, err := b.read(location) // the outline says what they would
			if err != nil {
				t.Errorf("without %s: %v", name, err)
			}
			same(t, "without "+name, rows, want)
			missing("no outline", plain)
		default:
			missing("all else", location)
		}
		equal(t, "Verify without a file", b.verify(t, location), []string{"steward:///" + name})
		if err := os.Rename(full+"~", full); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := b.read(location)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "in the end", rows, want)
}

// TestDamageOfVersions finds damage of what only older versions show, also in a
// table that other programs wrote to.
func TestDamageOfVersions(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{RowGroup: 1000, FileSize: 1})
	first := b.load(t, "", engine.Full, csvNumbers(0, 5000))
	second := b.load(t, first.Location, engine.Full, csvNumbers(7000, 7010))
	location := b.deleteRows(t, second.Location, 0, []int64{1, 2})
	var progress int64
	found, err := b.Verify(t.Context(), location, func(bytes int64) { progress = bytes })
	if err != nil || found != nil || progress < first.Bytes {
		t.Fatal(found, err, progress)
	}
	data, err := filepath.Glob(filepath.Join(b.dir, "tables/1/data/*.parquet"))
	if err != nil || len(data) != 6 {
		t.Fatal(data, err)
	}
	bad := 0
	for _, name := range data {
		name = strings.TrimPrefix(name, b.dir+"/")
		content, err := os.ReadFile(filepath.Join(b.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		content[len(content)/3]++
		b.spoil(t, name, content, func() {
			equal(t, "damaged", b.verify(t, location), []string{"steward:///" + name})
			_, err := b.read(location)
			var damage *engine.DamageError
			if errors.As(err, &damage) {
				bad++
				equal(t, "damaged file", damage.File, "steward:///"+name)
			}
		})
	}
	equal(t, "files of the current version", bad, 1)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if found, err := b.Verify(canceled, location, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v, %v", found, err)
	}
}
