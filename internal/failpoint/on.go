//go:build failpoints

// Package failpoint lets a test stop the program at each of its durable steps: the
// writes, links and removals of files, and the commits of the database.
//
// The variable STEWARD_FAILPOINT names a file. While it is there, it holds a number, and
// the program kills itself at the step of that number, counted from when the file came.
// What it is killed at it notes in the file of the same name with .hit added.
package failpoint

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

var counter struct {
	sync.Mutex
	armed string
	steps int
}

// Step is called just before a durable step, with its name.
func Step(name string) {
	path := os.Getenv("STEWARD_FAILPOINT")
	if path == "" {
		return
	}
	counter.Lock()
	defer counter.Unlock()
	content, err := os.ReadFile(path)
	if err != nil {
		counter.armed = ""
		return
	}
	if text := strings.TrimSpace(string(content)); text != counter.armed {
		counter.armed, counter.steps = text, 0
	}
	counter.steps++
	at, err := strconv.Atoi(counter.armed)
	if err != nil || counter.steps < at {
		return
	}
	_ = os.WriteFile(path+".hit", []byte(name), 0o600)
	_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
	select {} // nothing after it happens
}
