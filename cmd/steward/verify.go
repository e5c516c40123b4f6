package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"steward/internal/app"
	"steward/internal/audit"
	"steward/internal/config"
	"steward/internal/db"
	"steward/internal/ops"
)

type verifyCmd struct {
	config.Config `embed:""`
	JSON          bool `name:"json" help:"Print one JSON object instead of lines."`
}

// Run verifies an installation. It fails when a problem was found.
func (v *verifyCmd) Run(ctx context.Context, io streams) error {
	a, err := app.Open(ctx, v.Config, logger(io.err, v.LogLevel), app.Options{Look: true})
	if err != nil {
		return err
	}
	defer func() { _ = a.Close() }()
	out := &verdict{w: io.out, json: v.JSON}
	steps := &steps{w: io.err}
	var inSeals int64
	report, err := ops.Verify(ctx, a, func(p ops.Problem) {
		if p.Check == "events" {
			inSeals++
		}
		out.problem(p)
	}, steps.at)
	steps.end()
	if err == nil { // the audit pages tell when the seals were verified last
		err = a.DB.Update(ctx, func(tx *db.Tx) error { return audit.Verified(tx, report.Sealed, inSeals) })
	}
	if err := out.end(report, err); err != nil {
		return err
	}
	switch {
	case err != nil:
		return err
	case report.Problems == 1:
		return errors.New("1 problem was found")
	case report.Problems > 0:
		return fmt.Errorf("%d problems were found", report.Problems)
	}
	return nil
}

// verdict prints problems as they come, and the sum at the end. With JSON, all of it is
// one object, which is never held in memory.
type verdict struct {
	w    io.Writer
	json bool
	n    int64
	err  error // of the first write that failed
}

func (v *verdict) problem(p ops.Problem) {
	if v.n++; !v.json {
		v.print(printable(p.String()) + "\n")
		return
	}
	b, err := json.Marshal(p)
	if err != nil && v.err == nil {
		v.err = err
	}
	if v.n == 1 {
		v.print("{\"problems\":[\n")
	} else {
		v.print(",\n")
	}
	v.print(string(b))
}

func (v *verdict) end(r ops.Report, err error) error {
	if !v.json {
		if err == nil && r.Problems == 0 {
			v.print("All is well.\n")
		}
		for _, c := range r.Checked {
			v.print(fmt.Sprintf("%-10s %d checked\n", c.Name, c.Count))
		}
		if s := r.Sealed; s.Seals > 0 {
			v.print(fmt.Sprintf("%d events are sealed by %d seals, which is all before %s; %d are newer. The last seal's digest, to be kept elsewhere:\n%s\n",
				s.Events, s.Seals, s.Until.Format(time.RFC3339), s.Unsealed, s.Digest))
		}
		return v.err
	}
	if v.n == 0 {
		v.print("{\"problems\":[")
	}
	sum := struct {
		Clean    bool          `json:"clean"`
		Error    string        `json:"error,omitempty"`
		Problems int64         `json:"problemsCount"`
		Checked  []ops.Checked `json:"checks"`
		Seals    int64         `json:"seals"`
		Sealed   int64         `json:"eventsSealed"`
		Unsealed int64         `json:"eventsUnsealed"`
		Until    *time.Time    `json:"sealedUntil"`
		Digest   string        `json:"lastSeal"`
	}{Clean: err == nil && r.Problems == 0, Problems: r.Problems, Checked: r.Checked, Seals: r.Sealed.Seals, Sealed: r.Sealed.Events, Unsealed: r.Sealed.Unsealed, Digest: r.Sealed.Digest}
	if err != nil {
		sum.Error = err.Error()
	}
	if !r.Sealed.Until.IsZero() {
		sum.Until = &r.Sealed.Until
	}
	b, merr := json.Marshal(sum)
	if merr != nil {
		return merr
	}
	v.print("],\n" + string(b[1:]) + "\n")
	return v.err
}

func (v *verdict) print(s string) {
	if v.err == nil {
		_, v.err = io.WriteString(v.w, s)
	}
}

// printable keeps a problem on its line, whatever names are in it.
func printable(s string) string {
	q := strconv.Quote(s)
	for _, r := range s {
		if !strconv.IsPrint(r) {
			return q
		}
	}
	return s
}

// steps tells how far a verification is: each check when it ends, and once a second.
type steps struct {
	w     io.Writer
	check string
	n     int64
	told  time.Time
}

func (s *steps) at(check string, n int64) {
	if check != s.check {
		s.end()
		s.check, s.told = check, time.Now()
		fmt.Fprintf(s.w, "checking %s\n", check)
	}
	s.n = n
	if time.Since(s.told) >= time.Second {
		fmt.Fprintf(s.w, "checking %s: %d\n", check, n)
		s.told = time.Now()
	}
}

func (s *steps) end() {
	if s.check != "" {
		fmt.Fprintf(s.w, "checked %s: %d\n", s.check, s.n)
	}
	s.check = ""
}
