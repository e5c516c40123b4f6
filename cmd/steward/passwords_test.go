package main

import (
	"compress/gzip"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPasswords imports lists and asks for passwords as an operator does.
func TestPasswords(t *testing.T) {
	t.Parallel()
	data, lists := filepath.Join(t.TempDir(), "data"), t.TempDir()
	list := filepath.Join(data, "passwords", "breached.list")
	write := func(name, text string) string {
		path := filepath.Join(lists, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	asks := func(stdin, want string, refused string) {
		t.Helper()
		out, err := command(t, stdin, "passwords", "check", "--data", data)
		if out != want || (err == nil) != (refused == "") || err != nil && err.Error() != refused {
			t.Errorf("%v\n%s", err, out)
		}
	}
	imports := func(stdin, want string, args ...string) {
		t.Helper()
		out, err := command(t, stdin, append([]string{"passwords", "import", "--data", data}, args...)...)
		if err != nil || !strings.HasPrefix(out, want) || !strings.Contains(out, list+" has ") {
			t.Errorf("%v\n%s", err, out)
		}
	}

	const planted = "velvet hammer orchard"
	asks("Password1234567\na-quiet-river-runs\r\nqwertyqwertyqwerty\n\n"+planted, strings.Join([]string{
		"line 1: made of too few common words, numbers and keyboard lines",
		"line 2: not refused",
		"line 3: a few characters repeated",
		"line 4: made of too few common words, numbers and keyboard lines",
		"line 5: not refused", "",
	}, "\n"), "3 passwords are refused")
	if left, err := os.ReadDir(filepath.Dir(list)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("asking made %v, %v", left, err)
	}

	imports("", "Read 2 lines: passwords, one a line.\n", write("plain.txt", "another one here\n"+planted+"\n"))
	asks(planted+"\n", "line 1: on the imported list of breached passwords\n", "1 password is refused")
	imports(fmt.Sprintf("%X:7\r\n", sha1.Sum([]byte("another one here"))), "Read 1 lines: SHA-1 hashes, one a line.\n", "-")
	asks(planted+"\n", "line 1: not refused\n", "")
	var packed strings.Builder
	z := gzip.NewWriter(&packed)
	_, err := io.WriteString(z, planted+"\n\n")
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	imports("", "Read 2 lines: passwords, one a line, compressed by gzip; 1 are blank.\n", write("packed", packed.String()))
	asks(planted+"\n", "line 1: on the imported list of breached passwords\n", "1 password is refused")

	for name, c := range map[string]struct{ file, says string }{
		"mixed":   {write("mixed", fmt.Sprintf("%X\nvelvet\n", sha1.Sum(nil))), `mixed: line 2: "velvet" is no SHA-1 hash`},
		"empty":   {write("empty", ""), "empty: there are no passwords in it"},
		"missing": {filepath.Join(lists, "missing"), "no such file"},
		"folder":  {lists, "is a directory"},
	} {
		out, err := command(t, "", "passwords", "import", "--data", data, c.file)
		if err == nil || !strings.Contains(err.Error(), c.says) || out != "" {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	asks(planted+"\n", "line 1: on the imported list of breached passwords\n", "1 password is refused")

	if err := os.Truncate(list, 5000); err != nil {
		t.Fatal(err)
	}
	if out, err := command(t, planted, "passwords", "check", "--data", data); err == nil || !strings.Contains(err.Error(), list+" cannot be used") || out != "" {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestPasswordsInterrupted: an interrupt ends an import at once, also one that waits for
// input, and leaves the former list.
func TestPasswordsInterrupted(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	if _, err := command(t, "velvet hammer orchard\n", "passwords", "import", "--data", data, "-"); err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(data, "passwords", "breached.list")
	before, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	r, w := io.Pipe()
	defer func() { _ = w.Close() }()
	ended := make(chan error, 1)
	var out, log output
	go func() {
		ended <- run(ctx, []string{"passwords", "import", "--data", data, "-"}, none, r, &out, &log)
	}()
	for began := time.Now(); time.Since(began) < 2*time.Second; { // long enough for it to tell how far it is
		if _, err := io.WriteString(w, strings.Repeat("another one here\n", 10_000)); err != nil {
			t.Fatal(err)
		}
	}
	interrupt()
	select {
	case err := <-ended:
		if err == nil || err.Error() != "the import was stopped, and nothing was changed" {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
	}
	if after, err := os.ReadFile(list); err != nil || string(after) != string(before) {
		t.Errorf("the list is another one, %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(list)); err != nil || len(left) != 1 {
		t.Errorf("there are %v, %v", left, err)
	}
	if !strings.Contains(log.String(), "read ") || !strings.Contains(log.String(), " lines, ") {
		t.Errorf("it did not tell how far it was: %s", log.String())
	}
}
