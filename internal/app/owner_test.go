package app

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"steward/internal/config"
)

// TestRegisterTogether: processes that start together on one data folder take none of
// each other for dead, and find those that are.
func TestRegisterTogether(t *testing.T) {
	t.Parallel()
	const processes = 8
	for range 50 {
		data := t.TempDir()
		if err := os.MkdirAll(filepath.Join(data, "run"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(data, "run", "killed.lock"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		start := make(chan struct{})
		var wg sync.WaitGroup
		for range processes {
			wg.Go(func() {
				a := &App{Config: config.Config{Data: data}}
				<-start
				_, dead, err := a.register(Options{Serve: true})
				if err != nil || len(dead) != 1 || dead[0] != "killed" {
					t.Errorf("dead: %q, want only the one that was killed; error: %v", dead, err)
				}
				t.Cleanup(func() { _ = a.Close() })
			})
		}
		close(start)
		wg.Wait()
		if files, err := filepath.Glob(filepath.Join(data, "run", "*.lock")); err != nil || len(files) != processes+1 {
			t.Errorf("%d lock files, want one for each process; error: %v", len(files), err)
		}
	}
}
