package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// machine describes where the run takes place, and what is measured.
func (b *bench) machine(ctx context.Context) (string, error) {
	version, err := exec.CommandContext(ctx, "sqlite3", "--version").Output()
	if err != nil {
		return "", fmt.Errorf("sqlite3 is the baseline and must be installed: %w", err)
	}
	sqlite, _, _ := strings.Cut(string(version), " ")
	sync, err := b.syncTimes(func(n int, _ time.Duration) bool { return n < 50 })
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, commit %s. %d cores (%s), memory %s, Linux %s, sqlite3 %s, a write of 4 KiB with fsync takes %s. Load of the machine at the start: %s.",
		runtime.Version(), commit(b.steward), runtime.NumCPU(), line("/proc/cpuinfo", "model name"), line("/proc/meminfo", "MemTotal"),
		first("/proc/sys/kernel/osrelease"), sqlite, sync.text("ms"), loadAverage()), nil
}

// commit is the commit that a program was built from.
func commit(program string) string {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return "unknown"
	}
	revision, changed := "unknown", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = " with changes"
		}
	}
	return revision + changed
}

// syncTimes are how long the disk takes to make small writes durable, in milliseconds:
// one after the other as long as more says so, told how many there were and since when.
func (b *bench) syncTimes(more func(n int, since time.Duration) bool) (Samples, error) {
	f, err := os.Create(filepath.Join(b.dir, "sync"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var out Samples
	page := make([]byte, 4<<10)
	for begin := time.Now(); more(len(out), time.Since(begin)); {
		start := time.Now()
		if _, err := f.Write(page); err != nil {
			return nil, err
		}
		if err := f.Sync(); err != nil {
			return nil, err
		}
		out = append(out, milliseconds(time.Since(start)))
	}
	return out, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// loadAverage is how many processes ran or wanted to in the last minute.
func loadAverage() string {
	minute, _, _ := strings.Cut(first("/proc/loadavg"), " ")
	return minute
}

// line gives the value of a file's line "key : value", "unknown" when there is none.
func line(path, key string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for l := range strings.Lines(string(raw)) {
		if k, v, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}

func first(path string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	text, _, _ := strings.Cut(string(raw), "\n")
	return text
}
