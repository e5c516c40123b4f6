// Command bench measures the program beside plain baselines, in turns and in one run on
// one machine, and prints a Markdown table of medians with the least and the most.
//
//	go run ./cmd/bench [-only load] [-rounds 5] [-rows 1000000] [-large 10000000] [-jobs 10000000]
//
// It needs Linux and sqlite3, and room for 15 GB in the folder for temporary files.
// docs/performance.md says what is measured.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench: "+err.Error())
		os.Exit(1)
	}
}

// run is the program. In a role it is one of the processes that the bench itself starts,
// so that they share neither memory nor processor time with what is measured.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	b := new(bench)
	only := flags.String("only", "", "measure only "+b.names())
	flags.IntVar(&b.rounds, "rounds", 5, "how often a measurement and its baseline take turns")
	flags.IntVar(&b.rows, "rows", 1_000_000, "rows of the large table")
	flags.IntVar(&b.large, "large", 10_000_000, "rows of the file whose load must not take more memory")
	flags.IntVar(&b.manyJobs, "jobs", 10_000_000, "jobs of the project whose list must not take longer")
	role := flags.String("role", "", "generate, bare or engine: be a process that the bench starts")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	switch *role {
	case "":
	case "generate":
		return generate(ctx, stdin, stdout)
	case "bare":
		return serveBare(ctx, stdout)
	case "engine":
		return loadByEngine(ctx, flags.Arg(0), flags.Arg(1))
	default:
		return fmt.Errorf("there is no role %q", *role)
	}
	if b.rounds < 1 || b.rows < 1000 || b.large < 1000 || b.manyJobs < fewJobs {
		return fmt.Errorf("at least 1 round, 1000 rows and %d jobs are needed", fewJobs)
	}
	chosen := b.measurements()
	if *only != "" {
		chosen = slices.DeleteFunc(chosen, func(m measurement) bool { return m.name != *only })
	}
	if len(chosen) == 0 {
		return fmt.Errorf("there is no measurement %q", *only)
	}
	return b.measure(ctx, chosen, stdout, stderr)
}

// bench is one run.
type bench struct {
	rounds   int
	rows     int
	large    int    // rows of a file whose load must not take more memory
	manyJobs int    // jobs of a project whose list must not take longer
	dir      string // goes when the run ends
	steward  string // the program, built for this run
	self     string // this program, for its roles
	say      func(format string, args ...any)

	orders   func() (string, error) // the large CSV file
	imported func() (string, error) // the same in SQLite
	world    func() (world, error)  // the same in a data folder, with more around it
}

// measurement is a part of the bench that can be run alone.
type measurement struct {
	name string
	run  func(context.Context) ([]Row, error)
}

func (b *bench) measurements() []measurement {
	return []measurement{
		{"load", b.load}, {"keyed", b.keyed}, {"upsert", b.upsert}, {"export", b.export}, {"history", b.history},
		{"many", b.many}, {"memory", b.memory}, {"jobs", b.jobs}, {"noop", b.noop},
		{"pages", b.pages}, {"preview", b.preview}, {"signin", b.signin}, {"people", b.people}, {"small", b.small}, {"start", b.start},
	}
}

// names are those of the measurements, for people.
func (b *bench) names() string {
	var out []string
	for _, m := range b.measurements() {
		out = append(out, m.name)
	}
	last := len(out) - 1
	return strings.Join(out[:last], ", ") + " or " + out[last]
}

// share prepares what several measurements use: each is made when it is first needed.
func (b *bench) share(ctx context.Context) {
	b.orders = sync.OnceValues(b.writeLarge)
	b.imported = sync.OnceValues(func() (string, error) { return b.importOrders(ctx) })
	b.world = sync.OnceValues(func() (world, error) { return b.makeWorld(ctx) })
}

func (b *bench) measure(ctx context.Context, chosen []measurement, stdout, stderr io.Writer) (err error) {
	if b.dir, err = os.MkdirTemp("", "steward-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	b.steward = filepath.Join(b.dir, "steward")
	b.say = func(format string, args ...any) { fmt.Fprintf(stderr, format+"\n", args...) }
	b.share(ctx)
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	b.say("building the program")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=auto", "-o", b.steward, "steward/cmd/steward")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	before, err := b.machine(ctx)
	if err != nil {
		return err
	}
	var rows []Row
	for _, m := range chosen {
		b.say("measuring %s", m.name)
		more, err := m.run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		rows = append(rows, more...)
	}
	fmt.Fprintf(stdout, "%s Load of the machine at the end: %s.\n\n%d rounds, %d rows in the large table.\n\n", before, loadAverage(), b.rounds, b.rows)
	return write(stdout, rows)
}
