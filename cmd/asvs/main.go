// Command asvs runs the tests that carry the number of a requirement of the OWASP
// Application Security Verification Standard 5.0, and prints what they prove. With
// -controls it then switches each named control off and demands that its test fails.
//
// The requirements are kept in requirements.csv, in words of our own; their text is at
// https://github.com/OWASP/ASVS. A requirement without a test needs a reason there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "asvs:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("asvs", flag.ContinueOnError)
	only := flags.Bool("controls", false, "switch the controls off one by one, and nothing else")
	if err := flags.Parse(args); err != nil {
		return err
	}
	tests, err := findTests(".")
	if err != nil {
		return err
	}
	if *only {
		return try(ctx, out, tests)
	}
	requirements, err := catalogue()
	if err != nil {
		return err
	}
	results, err := runTests(ctx, tests)
	if err != nil {
		return err
	}
	s := count(requirements, tests, results)
	s.write(out)
	if len(s.failed)+len(s.unexplained) > 0 {
		return errors.New("not everything is proved that should be")
	}
	return nil
}
