package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"steward/internal/storage/blob"
	"steward/internal/storage/engine"
)

// TestSweepMetadata: the metadata of many small changes goes, and nothing that a version needs.
func TestSweepMetadata(t *testing.T) {
	t.Parallel()
	b := setup(t, engine.Options{})
	var versions []*engine.Staged
	location := ""
	for i := range 50 {
		s := b.load(t, location, engine.Append, fmt.Sprintf("n\n%d\n", i))
		versions, location = append(versions, s), s.Location
	}
	metadata := func() int {
		return len(slices.DeleteFunc(b.files(t), func(name string) bool { return !strings.HasSuffix(name, ".metadata.json") }))
	}
	before, files := metadata(), len(b.files(t))
	equal(t, "metadata files", before, 50)
	swept, err := b.SweepMetadata(t.Context(), "tables/1", location, time.Now().Add(-time.Minute))
	equal(t, "young", swept, engine.Swept{})
	equal(t, "error", err, nil)
	swept, err = b.SweepMetadata(t.Context(), "tables/1", location, time.Now().Add(time.Minute))
	if err != nil || swept.Files == 0 || swept.Bytes == 0 {
		t.Errorf("swept %v, %v", swept, err)
	}
	equal(t, "metadata files", metadata(), before-swept.Files)
	equal(t, "files", len(b.files(t)), files-swept.Files)
	if metadata() > 21 {
		t.Errorf("%d metadata files are left", metadata())
	}
	again := b.restarted(t)
	for i, s := range versions {
		equal(t, fmt.Sprint("version ", i+1), len(again.version(t, location, s.SnapshotID, s.SchemaID)), i+1)
	}
	if _, err := b.SweepMetadata(t.Context(), "tables/1", "steward:///tables/1/metadata/00009-x.metadata.json", time.Now()); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("no table: %v", err)
	}
	more := b.load(t, location, engine.Append, "n\n50\n")
	equal(t, "rows", len(b.values(t, more.Location)), 51)
}
