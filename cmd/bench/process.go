package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// usage is what a process took that has ended.
type usage struct {
	wall, cpu float64 // seconds
	peak      float64 // the most memory it had, in MB
}

func (s Series) addUsage(u usage) {
	s.add("wall", u.wall)
	s.add("cpu", u.cpu)
	s.add("peak", u.peak)
}

// timed runs a program to its end.
func timed(ctx context.Context, stdin io.Reader, name string, args ...string) (usage, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = stdin
	return timedCommand(cmd)
}

func timedCommand(cmd *exec.Cmd) (usage, error) {
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return usage{}, err
	}
	ended, peak := make(chan struct{}), make(chan float64)
	go func() { peak <- watchPeak(cmd.Process.Pid, ended) }()
	err := cmd.Wait()
	wall := time.Since(start)
	close(ended)
	u := usage{wall: wall.Seconds(), peak: <-peak}
	if err != nil || complaint.Len() > 0 {
		return u, fmt.Errorf("%s: %w: %s", cmd.Path, err, complaint.Bytes())
	}
	u.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	return u, nil
}

// watchPeak looks at a process's memory until it has ended. The kernel keeps the peak
// itself, but tells it of living processes only.
func watchPeak(pid int, ended <-chan struct{}) float64 {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var most float64
	for {
		most = max(most, memory(pid, "VmHWM"))
		select {
		case <-ended:
			return most
		case <-tick.C:
		}
	}
}

// memory is VmRSS, what a process has in memory now, or VmHWM, the most it ever had, in
// MB; 0 when there is no such process.
func memory(pid int, key string) float64 {
	text, _, _ := strings.Cut(line(fmt.Sprintf("/proc/%d/status", pid), key), " ")
	kb, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return kb / 1024
}

// ticks is how many units of processor time the kernel counts in a second; the same on
// every Linux that Go runs on.
const ticks = 100

// cpu is the processor time that a living process has taken, in seconds.
func cpu(pid int) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name stands in parentheses and may hold anything. User and system time are
	// the 12th and 13th field behind it.
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	user, err := strconv.ParseFloat(fields[11], 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseFloat(fields[12], 64)
	return (user + system) / ticks, err
}
