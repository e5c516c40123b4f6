package engine_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/iceberg-go/table"

	"steward/internal/storage/engine"
)

// outlineField begins a metadata file that has an outline.
const outlineField = `{"steward-outline":`

// outlined returns the outline of a metadata file, "" if it has none, and the metadata
// without it.
func (b *bundle) outlined(t *testing.T, location string) (outline, rest string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(b.dir, strings.TrimPrefix(location, "steward:///")))
	if err != nil {
		t.Fatal(err)
	}
	after, ok := bytes.CutPrefix(content, []byte(outlineField))
	if !ok {
		return "", string(content)
	}
	d := json.NewDecoder(bytes.NewReader(after))
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		t.Fatal(err)
	}
	return string(raw), "{" + string(after[d.InputOffset()+1:])
}

// outline writes a metadata file like another one with an outline, none if it is "",
// and returns its location. Its name has no checksum.
func (b *bundle) outline(t *testing.T, location, name, outline string) string {
	t.Helper()
	_, content := b.outlined(t, location)
	if outline != "" {
		content = outlineField + outline + "," + content[1:]
	}
	changed := location[:strings.LastIndex(location, "/")] + "/00099-" + name + ".metadata.json"
	if err := disk(b.dir).WriteFile(changed, []byte(content)); err != nil {
		t.Fatal(err)
	}
	return changed
}

// plain writes a metadata file as it was before there were outlines.
func (b *bundle) plain(t *testing.T, location string) string {
	t.Helper()
	return b.outline(t, location, "plain", "")
}

// facts are what an engine that has read nothing says of a table.
func (b *bundle) facts(t *testing.T, location string) string {
	t.Helper()
	v := b.restarted(t).open(t, location)
	return fmt.Sprintln(v.Columns(), v.Rows(), v.Bytes(), v.Files(), v.SnapshotID(), v.Nulls(), all(t, v, engine.Query{Origin: true}))
}

// TestOutlines opens a table after each kind of change without its manifests: what its
// outline says is what they say.
func TestOutlines(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{RowGroup: 3, FileSize: 600})
	ctx := t.Context()
	const folder = "tables/1"
	s := b.must(t)(b.Create(ctx, engine.Create{Folder: folder, Columns: []string{"a", "b"}}))
	first := s
	key := []string{"a"}
	upsert := func(base, text string) (*engine.Staged, error) {
		l := request(t, base, engine.Append, text)
		l.Key = key
		return b.Load(ctx, l)
	}
	for _, step := range []struct {
		name string
		do   func(base string) (*engine.Staged, error)
	}{
		{"create", func(string) (*engine.Staged, error) { return first, nil }},
		{"append", func(base string) (*engine.Staged, error) {
			return b.Load(ctx, request(t, base, engine.Append, "a,b\n1,x\n2,\n3,\"\"\n4,y\n5,\n6,z\n7,z\n8,z\n"))
		}},
		{"upsert", func(base string) (*engine.Staged, error) { return upsert(base, "a,b\n2,new\n9,new\n7,z\n") }},
		{"upsert of another column", func(base string) (*engine.Staged, error) { return upsert(base, "a,b,c\n3,\"\",c\n") }},
		{"delete", func(base string) (*engine.Staged, error) {
			return b.Delete(ctx, engine.Delete{Folder: folder, Base: base, Where: []engine.Condition{{Column: "a", Op: engine.Equal, Value: "6"}}})
		}},
		{"alter", func(base string) (*engine.Staged, error) {
			return b.Alter(ctx, engine.Alter{Folder: folder, Base: base, Add: []string{"b"}, Drop: []string{"b"}, Rename: map[string]string{"c": `odd "name"`}})
		}},
		{"pin", func(base string) (*engine.Staged, error) {
			return b.Pin(ctx, engine.Pin{Folder: folder, Base: base, Name: "kept", Snapshot: b.open(t, base).SnapshotID()})
		}},
		{"compact", func(base string) (*engine.Staged, error) {
			return b.Compact(ctx, engine.Compact{Folder: folder, Base: base, Key: key})
		}},
		{"restore", func(base string) (*engine.Staged, error) {
			return b.Restore(ctx, engine.Restore{Folder: folder, Base: base, Snapshot: 0, Schema: first.SchemaID})
		}},
		{"full", func(base string) (*engine.Staged, error) {
			return b.Load(ctx, request(t, base, engine.Full, "a,b\n1,x\n"))
		}},
		{"expire", func(base string) (*engine.Staged, error) {
			return b.Expire(ctx, engine.Expire{Folder: folder, Base: base})
		}},
	} {
		var err error
		if s, err = step.do(s.Location); err != nil {
			t.Fatal(step.name, err)
		}
		outline, rest := b.outlined(t, s.Location)
		if outline == "" {
			t.Fatalf("%s: no outline", step.name)
		}
		want := b.facts(t, b.plain(t, s.Location))
		equal(t, step.name+": in the process that made it", fmt.Sprintln(b.open(t, s.Location).Nulls()), fmt.Sprintln(b.restarted(t).open(t, b.plain(t, s.Location)).Nulls()))
		b.withoutManifests(t, func() { equal(t, step.name, b.facts(t, s.Location), want) })
		equal(t, step.name+": damage", b.verify(t, s.Location), []string(nil))

		// Who knows no outlines reads the same, and leaves it out of what they write.
		var meta [2]table.Metadata
		for i, text := range []string{outlineField + outline + "," + rest[1:], rest} {
			if meta[i], err = table.ParseMetadataString(text); err != nil {
				t.Fatal(err)
			}
		}
		equal(t, step.name+": read by others", meta[0].Equals(meta[1]), true)
		if again, err := json.Marshal(meta[0]); err != nil || strings.Contains(string(again), "outline") {
			t.Errorf("%s: written by others: %s, %v", step.name, again, err)
		}
	}
	copied := b.must(t)(b.Copy(ctx, engine.Copy{Location: s.Location, Snapshot: s.SnapshotID, Schema: s.SchemaID, Folder: "tables/2"}))
	equal(t, "copy", b.facts(t, copied.Location), b.facts(t, b.plain(t, copied.Location)))
	equal(t, "copy: damage", b.verify(t, copied.Location), []string(nil))
}

// withoutManifests hides all manifests while a function runs.
func (b *bundle) withoutManifests(t *testing.T, during func()) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(b.dir, "tables/*/metadata/*.avro"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.Rename(name, name+"~"); err != nil {
			t.Fatal(err)
		}
	}
	during()
	for _, name := range names {
		if err := os.Rename(name+"~", name); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOutlineOfVersions opens other versions than the one that is outlined.
func TestOutlineOfVersions(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	first := b.load(t, "", engine.Full, "a\n1\n")
	second := b.load(t, first.Location, engine.Append, "a,b\n2,x\n")
	for _, of := range []struct {
		s    *engine.Staged
		want []string
	}{{first, []string{`"1"`}}, {second, []string{`"1"|NULL`, `"2"|"x"`}}} {
		v, err := b.restarted(t).OpenVersion(t.Context(), second.Location, of.s.SnapshotID, of.s.SchemaID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "version", all(t, v, engine.Query{}), of.want)
	}
	v, err := b.restarted(t).OpenVersion(t.Context(), second.Location, second.SnapshotID, first.SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "other columns", all(t, v, engine.Query{}), []string{`"1"`, `"2"`})
}

// TestOutlinesThatAreNone passes over what is no outline, and finds one that is wrong.
func TestOutlinesThatAreNone(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	s := b.load(t, "", engine.Full, "a,b\n1,\n2,x\n")
	s = b.load(t, s.Location, engine.Append, "a,b\n3,\n")
	outline, _ := b.outlined(t, s.Location)
	want := b.facts(t, s.Location)
	with := func(change func(fields map[string]any)) string {
		fields := map[string]any{}
		if err := json.Unmarshal([]byte(outline), &fields); err != nil {
			t.Fatal(err)
		}
		change(fields)
		text, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	file := func(fields map[string]any) map[string]any { return fields["files"].([]any)[0].(map[string]any) }
	for name, none := range map[string]string{
		"absent":   "",
		"null":     "null",
		"a number": "7",
		"a list":   "[" + outline + "]",
		"newer":    with(func(o map[string]any) { o["format"] = 2; o["files"] = nil }),
		"shorter":  with(func(o map[string]any) { file(o)["sizes"] = []int{1} }),
		"no path":  with(func(o map[string]any) { file(o)["path"] = "" }),
		"no ids":   with(func(o map[string]any) { delete(file(o), "ids") }),
	} {
		location := b.outline(t, s.Location, strings.ReplaceAll(name, " ", "_"), none)
		equal(t, name, b.facts(t, location), want)
	}
	for name, wrong := range map[string]string{
		"rows":     with(func(o map[string]any) { file(o)["first-row"] = 7 }),
		"files":    with(func(o map[string]any) { o["files"] = o["files"].([]any)[:1] }),
		"columns":  with(func(o map[string]any) { o["columns"] = o["columns"].([]any)[1:] }),
		"snapshot": with(func(o map[string]any) { o["snapshot"] = 1 }),
	} {
		location := b.outline(t, s.Location, name, wrong)
		equal(t, "verify of wrong "+name, b.verify(t, location), []string{location})
	}
	equal(t, "verify", b.verify(t, s.Location), []string(nil))
}

// TestWideOutlines leaves outlines out that would take much of each change.
func TestWideOutlines(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	names := make([]string, 4000)
	for i := range names {
		names[i] = fmt.Sprintf("a column whose name is long as it is number %d", i)
	}
	s := b.must(t)(b.Create(t.Context(), engine.Create{Folder: "tables/1", Columns: names}))
	if outline, _ := b.outlined(t, s.Location); outline != "" {
		t.Errorf("an outline of %d bytes", len(outline))
	}
	v := b.restarted(t).open(t, s.Location)
	equal(t, "columns and rows", []int64{int64(len(v.Columns())), v.Rows()}, []int64{int64(len(names)), 0})
}
