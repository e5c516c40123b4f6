package main

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// server is a running process that answers HTTP on this machine.
type server struct {
	cmd     *exec.Cmd
	address string
	started float64 // seconds from its start to its first answer
}

func (s *server) url() string { return "http://" + s.address }

func (s *server) pid() int { return s.cmd.Process.Pid }

// spend tells how long something takes, and the processor time that the process has
// for it, both in seconds.
func (s *server) spend(what func() error) (wall, spent float64, err error) {
	before, err := cpu(s.pid())
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	if err := what(); err != nil {
		return 0, 0, err
	}
	wall = time.Since(start).Seconds()
	after, err := cpu(s.pid())
	return wall, after - before, err
}

// stop ends the process and waits for it.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return s.cmd.Wait()
}

// serve starts the program on a data folder, with its log in a file beside it.
func (b *bench) serve(ctx context.Context, data string) (*server, error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{address: free.Addr().String()}
	log, err := os.Create(filepath.Clean(data) + ".log")
	if err = errors.Join(err, free.Close()); err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	s.cmd = exec.CommandContext(ctx, b.steward, "serve", "--addr", s.address, "--data", data)
	s.cmd.Stderr, s.cmd.Env = log, plainEnvironment()
	start := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for !s.ready() {
		if time.Since(start) > time.Minute {
			return nil, errors.Join(errors.New("the program did not start within a minute"), s.stop())
		}
		time.Sleep(time.Millisecond)
	}
	s.started = time.Since(start).Seconds()
	return s, nil
}

func (s *server) ready() bool {
	res, err := http.Get(s.url() + "/readyz")
	if err != nil {
		return false
	}
	return res.Body.Close() == nil && res.StatusCode == http.StatusOK
}

// plainEnvironment is this process's without the program's settings.
func plainEnvironment() []string {
	var out []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "STEWARD_") {
			out = append(out, v)
		}
	}
	return out
}

// serveBareApart starts the bare handlers in a process of their own.
func (b *bench) serveBareApart(ctx context.Context) (*server, error) {
	cmd := exec.CommandContext(ctx, b.self, "-role", "bare")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: cmd}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	s.address = strings.TrimSpace(address)
	return s, nil
}
