package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"steward/internal/breached"
	"steward/internal/config"
)

type passwordsCmd struct {
	Import passwordsImportCmd `cmd:"" help:"Make the list of breached passwords from a file, in place of the former list."`
	Check  passwordsCheckCmd  `cmd:"" help:"Tell which passwords are refused and why; one a line is read from standard input."`
}

type passwordsImportCmd struct {
	config.Config `embed:""`
	File          string `arg:"" help:"File with one password a line, or one SHA-1 hash (HEX or HEX:COUNT); may be gzip or zstd; - is standard input."`
}

// Run imports a list. A server on the same data folder takes it from its next check on.
func (p *passwordsImportCmd) Run(ctx context.Context, streams streams) (err error) {
	if err := p.Check(); err != nil {
		return err
	}
	var from io.Reader
	var size int64
	if p.File == "-" {
		r, w := io.Pipe() // so that an interrupt need not wait for input; the program ends then
		defer context.AfterFunc(ctx, func() { _ = w.CloseWithError(ctx.Err()) })()
		defer func() { _ = r.Close() }()
		go func() {
			_, err := io.Copy(w, streams.in)
			_ = w.CloseWithError(err)
		}()
		from = r
	} else {
		f, err := os.Open(p.File)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
		from = f
	}
	told := &importProgress{w: streams.err, size: size, last: time.Now()}
	file := breached.File(p.Data)
	s, err := breached.Import{File: file, Progress: told.at}.Run(ctx, from)
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return errors.New("the import was stopped, and nothing was changed")
	case err != nil:
		return fmt.Errorf("nothing was changed: %s: %w", p.File, err)
	}
	found := string(s.Format)
	if s.Compression != "none" {
		found += ", compressed by " + s.Compression
	}
	if s.Blank > 0 {
		found += fmt.Sprintf("; %d are blank", s.Blank)
	}
	fmt.Fprintf(streams.out, "Read %d lines: %s.\n", s.Lines, found)
	fmt.Fprintf(streams.out, "%s has %d entries now (%d bytes). A server on this folder uses it from its next check on.\n", file, s.Records, s.Size)
	return nil
}

// importProgress tells once a second how far an import is.
type importProgress struct {
	w    io.Writer
	size int64 // of the file, 0 when it is not known
	last time.Time
}

func (p *importProgress) at(now breached.Progress) {
	if time.Since(p.last) < time.Second {
		return
	}
	p.last = time.Now()
	switch {
	case now.Merged > 0:
		fmt.Fprintf(p.w, "merged %d records\n", now.Merged)
	case p.size > 0:
		fmt.Fprintf(p.w, "read %d lines, %d of %d bytes (%d %%)\n", now.Lines, now.Bytes, p.size, 100*now.Bytes/p.size)
	default:
		fmt.Fprintf(p.w, "read %d lines, %d bytes\n", now.Lines, now.Bytes)
	}
}

type passwordsCheckCmd struct {
	config.Config `embed:""`
}

// Run names the lines with passwords that are refused, never the passwords. It fails
// when there are any.
func (p *passwordsCheckCmd) Run(streams streams) (err error) {
	if err := p.Check(); err != nil {
		return err
	}
	list, err := breached.Open(breached.File(p.Data))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, list.Close()) }()
	refused, lines := 0, bufio.NewScanner(streams.in)
	for n := 1; lines.Scan(); n++ {
		reason, err := list.Check(strings.TrimRight(lines.Text(), "\r"))
		if err != nil {
			return err
		}
		if reason != breached.None {
			refused++
		}
		fmt.Fprintf(streams.out, "line %d: %s\n", n, reason)
	}
	switch err := lines.Err(); {
	case err != nil:
		return fmt.Errorf("standard input: %w", err)
	case refused == 1:
		return errors.New("1 password is refused")
	case refused > 1:
		return fmt.Errorf("%d passwords are refused", refused)
	}
	return nil
}
