package engine

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"

	"steward/internal/storage/blob"
	"steward/internal/storage/csv"
)

func TestFingerprintSet(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for _, keys := range []int{0, 1, 100, 5000, 40_000} {
		set, has := newFingerprintSet(keys), make(map[fingerprint]bool)
		for range keys {
			f := fingerprint(r.Uint32N(8))<<20 | fingerprint(r.Uint32N(1<<18)) // many want the same places
			f = max(1, f)
			set.add(f)
			has[f] = true
		}
		for f := range has {
			if !set.has(f) {
				t.Fatalf("%d of %d keys is not found", f, keys)
			}
		}
		for range 100_000 {
			if f := max(1, fingerprint(r.Uint32())); set.has(f) != has[f] {
				t.Fatalf("%d is found among %d keys", f, keys)
			}
		}
	}
}

func TestFingerprintOf(t *testing.T) {
	t.Parallel()
	of := func(cells ...any) fingerprint {
		mixed := uint64(0)
		for _, c := range cells {
			text, ok := c.(string)
			mixed = mixCell(mixed, []byte(text), !ok)
		}
		return fingerprintOf(mixed)
	}
	if fingerprintOf(7) != 1 {
		t.Error("a fingerprint is 0")
	}
	keys := [][]any{{nil}, {""}, {"a"}, {nil, nil}, {nil, ""}, {"", nil}, {"", ""}, {"a", "bc"}, {"ab", "c"}, {"abc", ""}, {"", "abc"}, {"abc", nil}, {nil, "abc"}, {"bc", "a"}}
	seen := make(map[fingerprint]string)
	for _, k := range keys {
		f := of(k...)
		if other, ok := seen[f]; ok || f != of(k...) {
			t.Errorf("%q has the fingerprint of %s", k, other)
		}
		seen[f] = fmt.Sprintf("%q", k)
	}
}

// keyedTable is a table on an engine of its own that loads go to by their key.
type keyedTable struct {
	*testing.T
	*Engine
	dir  string
	key  []string
	base string
}

func newKeyedTable(t *testing.T, options Options, key ...string) *keyedTable {
	t.Helper()
	dir := t.TempDir()
	store, err := blob.OpenLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return &keyedTable{T: t, Engine: New(store, options), dir: dir, key: key}
}

// stage stages rows that come by the key.
func (k *keyedTable) stage(text string) (*Staged, error) {
	k.Helper()
	source, err := csv.NewReader(strings.NewReader(text), csv.DefaultDialect())
	if err != nil {
		k.Fatal(err)
	}
	return k.Load(k.Context(), Load{Folder: "tables/1", Base: k.base, Mode: Append, Source: source, Key: k.key})
}

// upsert brings rows, of which so many must be new, changed and there already.
func (k *keyedTable) upsert(what, text string, inserted, updated, unchanged int64) {
	k.Helper()
	s, err := k.stage(text)
	if err != nil {
		k.Fatal(what, err)
	}
	if got, want := [3]int64{s.Inserted, s.Updated, s.Unchanged}, [3]int64{inserted, updated, unchanged}; got != want {
		k.Errorf("%s: inserted, updated, unchanged are %d, not %d", what, got, want)
	}
	k.base = s.Location
}

// after makes a change that was staged the table.
func (k *keyedTable) after(s *Staged, err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
	k.base = s.Location
}

func (k *keyedTable) remembered() int {
	k.prints.mu.Lock()
	defer k.prints.mu.Unlock()
	return len(k.prints.entries)
}

func (k *keyedTable) forgetPrints() {
	k.prints.mu.Lock()
	names := slices.Collect(maps.Keys(k.prints.entries))
	k.prints.mu.Unlock()
	for _, name := range names {
		k.prints.forget(name)
	}
}

// TestRememberedKeys brings rows by keys that were read before, whatever happened to the
// table since.
func TestRememberedKeys(t *testing.T) {
	t.Parallel()
	k := newKeyedTable(t, Options{RowGroup: 3}, "a", "b")
	ctx := t.Context()
	k.upsert("first", "a,b,c\n1,x,0\n2,x,0\n,x,0\n\"\",x,0\n1,,0\n1,\"\",0\nx,1,0\n,,0\n", 8, 0, 0)
	first, err := k.Open(ctx, k.base)
	if err != nil {
		t.Fatal(err)
	}
	if n := k.remembered(); n != 3 {
		t.Fatalf("the keys of %d row groups are remembered after a load", n)
	}
	k.forgetPrints()
	k.upsert("nothing new", "a,b,c\n1,x,0\n", 0, 0, 1)
	if n := k.remembered(); n != 2 { // the third has no such key
		t.Fatalf("the keys of %d row groups are remembered", n)
	}
	for range 2 {
		k.upsert("all kinds", "a,b,c\n,x,0\n\"\",x,0\n1,,0\n1,\"\",0\n,,0\n\"\",\"\",0\n", 1, 0, 5)
		k.upsert("delete what is new", "a,b,c\n\"\",\"\",1\n", 0, 1, 0)
		k.after(k.Delete(ctx, Delete{Folder: "tables/1", Base: k.base, Where: []Condition{{Column: "c", Op: Equal, Value: "1"}}}))
	}
	k.after(k.Delete(ctx, Delete{Folder: "tables/1", Base: k.base, Where: []Condition{{Column: "a", Op: Equal, Value: "2"}}}))
	k.upsert("a deleted row is not there", "a,b,c\n2,x,0\n1,x,0\n", 1, 0, 1)
	k.after(k.Restore(ctx, Restore{Folder: "tables/1", Base: k.base, Snapshot: first.SnapshotID(), Schema: 0}))
	k.upsert("a row that came back is there", "a,b,c\n2,x,1\n1,x,0\n", 0, 1, 1)
	k.after(k.Compact(ctx, Compact{Folder: "tables/1", Base: k.base, Key: k.key}))
	for range 2 {
		k.upsert("compacted", "a,b,c\n2,x,1\n,,0\n9,9,9\n", 1, 0, 2)
		k.after(k.Delete(ctx, Delete{Folder: "tables/1", Base: k.base, Where: []Condition{{Column: "a", Op: Equal, Value: "9"}}}))
	}
	k.key = []string{"b"}
	for range 2 {
		k.upsert("another key", "a,b,c\nx,1,0\n", 0, 0, 1)
	}
	k.key = []string{"b", "a"}
	for range 2 {
		k.upsert("the same key the other way round", "a,b,c\nx,1,0\n", 0, 0, 1)
	}
	// A column of the same name that is another one: all its cells are NULL.
	k.after(k.Alter(ctx, Alter{Folder: "tables/1", Base: k.base, Drop: []string{"b"}, Add: []string{"b"}}))
	k.upsert("another column", "a,b,c\nx,1,0\nx,,0\n", 1, 0, 1)
	k.upsert("the row that came", "a,b,c\nx,1,0\n", 0, 0, 1)
}

// TestFingerprintsAlike gives all keys that are remembered the fingerprint of one that is
// looked for.
func TestFingerprintsAlike(t *testing.T) {
	t.Parallel()
	k := newKeyedTable(t, Options{RowGroup: 10}, "a")
	var text strings.Builder
	text.WriteString("a,b\n")
	for i := range 35 {
		fmt.Fprintf(&text, "%d,x\n", i)
	}
	k.upsert("first", text.String(), 35, 0, 0)
	k.upsert("nothing new", "a,b\n1,x\n", 0, 0, 1)
	for _, key := range []string{"17", "40"} {
		k.prints.mu.Lock()
		for e := k.prints.recent.Front(); e != nil; e = e.Next() {
			prints := e.Value.(remembered[fingerprintsKey, []fingerprint]).value
			for i := range prints {
				prints[i] = fingerprintOf(mixCell(k.seed, []byte(key), false))
			}
		}
		k.prints.mu.Unlock()
		found := int64(0)
		if key == "17" {
			found = 1
		}
		k.upsert("as "+key, "a,b\n"+key+",x\n", 1-found, 0, found)
	}
}

// TestForgottenKeys remembers of a huge table the keys of its first rows.
func TestForgottenKeys(t *testing.T) {
	t.Parallel()
	const most = fingerprintsLimit / 2 / fingerprintBytes
	var live []liveFile
	for range 2 {
		b, err := iceberg.NewDataFileBuilder(*iceberg.UnpartitionedSpec, iceberg.EntryContentData, "x", iceberg.ParquetFile, nil, nil, nil, most/2, 1)
		if err != nil {
			t.Fatal(err)
		}
		live = append(live, liveFile{data: b.Build()})
	}
	u := &upsert{view: &View{shown: &shown{live: live}}}
	for _, place := range []struct {
		file        int
		first, rows int64
		want        bool
	}{{0, 0, 1, true}, {0, most/2 - 1, 1, true}, {1, 0, most / 2, true}, {1, 0, most/2 + 1, false}, {1, most / 2, 1, false}} {
		group := &rowGroup{file: &openData{ordinal: place.file}, first: place.first, rows: place.rows}
		if u.remembers(group) != place.want {
			t.Errorf("%+v", place)
		}
	}
}

// TestDamageOfRememberedKeys spoils a data file whose keys are remembered: what is read of
// it is compared with its checksums all the same.
func TestDamageOfRememberedKeys(t *testing.T) {
	t.Parallel()
	k := newKeyedTable(t, Options{RowGroup: 500}, "a")
	r := rand.New(rand.NewPCG(3, 4))
	var text strings.Builder
	text.WriteString("a,b\n")
	for i := range 2000 {
		fmt.Fprintf(&text, "%d,%d\n", i, r.Uint64())
	}
	k.upsert("first", text.String(), 2000, 0, 0)
	k.upsert("no new key", "a,b\n1000,x\n", 0, 1, 0)
	names, err := filepath.Glob(filepath.Join(k.dir, "tables/1/data/*.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(names, func(a, b string) int { return int(size(t, b) - size(t, a)) })
	name := names[0]
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for range 150 {
		spoiled := bytes.Clone(whole)
		spoiled[r.IntN(len(spoiled))] ^= byte(1 + r.IntN(255))
		if err := os.WriteFile(name, spoiled, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := k.stage("a,b\n3,y\n777,y\n1999,y\n-1,y\n")
		switch {
		case err != nil:
			failed++
			if !strings.Contains(err.Error(), "steward:///tables/1/data/"+filepath.Base(name)) {
				t.Errorf("the error does not name the file: %v", err)
			}
		case s.Inserted != 1 || s.Updated != 3:
			t.Errorf("%d inserted, %d updated", s.Inserted, s.Updated)
		default:
			if err := k.Discard(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
	}
	if failed < 20 {
		t.Errorf("damage was found %d times", failed)
	}
}

func size(t *testing.T, name string) int64 {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// TestFingerprintsOfSmallGroupsCount: what is remembered of a row group takes more than its
// fingerprints.
func TestFingerprintsOfSmallGroupsCount(t *testing.T) {
	t.Parallel()
	k := newKeyedTable(t, Options{RowGroup: 1}, "a")
	var text strings.Builder
	text.WriteString("a,b\n")
	for i := range 50 {
		fmt.Fprintf(&text, "%d,x\n", i)
	}
	k.upsert("first", text.String(), 50, 0, 0)
	k.upsert("nothing new", "a,b\n1,x\n49,x\n", 0, 0, 2)
	k.prints.mu.Lock()
	defer k.prints.mu.Unlock()
	if n := len(k.prints.entries); n == 0 || k.prints.bytes < int64(n)*256 {
		t.Errorf("%d row groups are said to take %d bytes", n, k.prints.bytes)
	}
}

// TestFingerprintsAreSecret: those of one engine tell nothing of those of another.
func TestFingerprintsAreSecret(t *testing.T) {
	t.Parallel()
	a, b := New(nil, Options{}), New(nil, Options{})
	same := 0
	for i := range 1000 {
		cell := fmt.Appendf(nil, "key %d", i)
		if fingerprintOf(mixCell(a.seed, cell, false)) == fingerprintOf(mixCell(b.seed, cell, false)) {
			same++
		}
	}
	if same > 2 {
		t.Errorf("%d of 1000 fingerprints are the same", same)
	}
}

// TestFingerprintsOfALoad: a load of keyed rows remembers the same as reading them does.
func TestFingerprintsOfALoad(t *testing.T) {
	t.Parallel()
	k := newKeyedTable(t, Options{RowGroup: 10, FileSize: 1}, "a", "b")
	var text strings.Builder
	text.WriteString("a,b,c\n")
	for i := range 95 {
		cell := []string{"", `""`, fmt.Sprint(i)}[i%3]
		fmt.Fprintf(&text, "%s,%d,x\n", cell, i)
	}
	k.upsert("first", text.String(), 95, 0, 0)
	prints := func() map[fingerprintsKey][]fingerprint {
		k.prints.mu.Lock()
		defer k.prints.mu.Unlock()
		out := make(map[fingerprintsKey][]fingerprint)
		for name, e := range k.prints.entries {
			out[name] = e.Value.(remembered[fingerprintsKey, []fingerprint]).value
		}
		return out
	}
	loaded := prints()
	if len(loaded) != 10 {
		t.Fatalf("%d row groups are remembered", len(loaded))
	}
	k.forgetPrints()
	k.upsert("nothing new", "a,b,c\n2,2,x\n,93,x\n", 0, 0, 2)
	read := prints()
	for name, prints := range read {
		if !slices.Equal(prints, loaded[name]) {
			t.Errorf("of group %d of %s read %v, loaded %v", name.group, name.data, prints, loaded[name])
		}
	}
	if len(read) < 2 {
		t.Errorf("only %d row groups were read", len(read))
	}
}
