package breached_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"steward/internal/breached"
)

// planted is a good password but for the operator's list.
const planted = "Velvet-hammer-0rchard"

func sha(password string) string { return fmt.Sprintf("%X", sha1.Sum([]byte(password))) }

// hashes are lines as Have I Been Pwned's downloader writes them, sorted.
func hashes(passwords ...string) string {
	lines := make([]string, len(passwords))
	for i, p := range passwords {
		lines[i] = fmt.Sprintf("%s:%d\r\n", sha(p), i+1)
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func numbered(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%d planted before", i)
	}
	return out
}

func load(t testing.TB, m breached.Import, text string) (breached.Summary, error) {
	t.Helper()
	return m.Run(t.Context(), strings.NewReader(text))
}

func mustLoad(t testing.TB, file, text string) breached.Summary {
	t.Helper()
	s, err := load(t, breached.Import{File: file}, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func gzipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := io.WriteString(z, text)
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstandard(t testing.TB, text string) string {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(z.EncodeAll([]byte(text), nil))
}

// TestASVS_6_2_12: a password of the imported list is refused, whatever the form of the
// file that it came in, and no network is asked.
func TestASVS_6_2_12(t *testing.T) {
	t.Parallel()
	others := numbered(3000)
	list := append(others, planted)
	bare := strings.ReplaceAll(hashes(list...), ":", "\n")
	bare = strings.Join(slices.DeleteFunc(strings.Fields(bare), func(s string) bool { return len(s) != 40 }), "\n")
	for _, c := range []struct {
		name, text  string
		format      breached.Format
		compression string
	}{
		{"passwords", strings.Join(list, "\n"), breached.Passwords, "none"},
		{"Windows", "\ufeff" + strings.Join(list, "\r\n") + "\r\n\r\n", breached.Passwords, "none"},
		{"hashes", hashes(list...), breached.Hashes, "none"},
		{"bare", bare, breached.Hashes, "none"},
		{"small hexadecimal", strings.ToLower(bare), breached.Hashes, "none"},
		{"gzip", gzipped(t, hashes(list...)), breached.Hashes, "gzip"},
		{"gzip in parts", gzipped(t, others[0]+"\n") + gzipped(t, strings.Join(list[1:], "\n")), breached.Passwords, "gzip"},
		{"zstd", zstandard(t, strings.Join(list, "\n")), breached.Passwords, "zstd"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := breached.File(t.TempDir())
			l := open(t, file)
			if r := check(t, l, planted); r != breached.None {
				t.Fatalf("before it is planted, it is %s", r)
			}
			s := mustLoad(t, file, c.text)
			records := int64(len(list))
			if c.format == breached.Passwords {
				records++ // in lower case
			}
			if s.Format != c.format || s.Compression != c.compression || s.Records != records {
				t.Errorf("%+v", s)
			}
			for _, p := range list {
				if got := check(t, l, p); got == breached.None {
					t.Errorf("%q is not refused", p)
				}
			}
			if r := check(t, l, planted); r != breached.Imported {
				t.Errorf("the planted one is %s", r)
			}
			for _, p := range passphrases {
				if r := check(t, l, p); r != breached.None {
					t.Errorf("%q is %s", p, r)
				}
			}
			info, err := os.Stat(file)
			if err != nil || info.Mode().Perm() != 0o600 || info.Size() != s.Size {
				t.Errorf("%v, %v of %d bytes", err, info.Mode(), info.Size())
			}
		})
	}
}

// TestCase: what is typed is looked for as it is and in lower case.
func TestCase(t *testing.T) {
	t.Parallel()
	file := breached.File(t.TempDir())
	mustLoad(t, file, hashes("velvet hammer orchard", "Quartz Moss And Thunder"))
	l := open(t, file)
	for p, want := range map[string]breached.Reason{
		"velvet hammer orchard": breached.Imported, "VELVET hammer orchard": breached.Imported,
		"Quartz Moss And Thunder": breached.Imported, "quartz moss and thunder": breached.None, // only its hash is known
	} {
		if got := check(t, l, p); got != want {
			t.Errorf("%q is %s", p, got)
		}
	}
	mustLoad(t, file, "Quartz Moss And Thunder\n")
	if got := check(t, l, "quartz moss and thunder"); got != breached.Imported {
		t.Errorf("in small letters, it is %s", got)
	}
}

// TestFollow: what is done to the file counts at the next check, also beside checks.
func TestFollow(t *testing.T) {
	t.Parallel()
	file := breached.File(t.TempDir())
	l := open(t, file)
	var others sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		others.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					if r := check(t, l, "a-quiet-river-runs"); r != breached.None {
						t.Errorf("it is %s", r)
					}
				}
			}
		})
	}
	for i := range 5 {
		p := fmt.Sprintf("planted number %d today", i)
		mustLoad(t, file, hashes(append(numbered(2000), p)...))
		if r := check(t, l, p); r != breached.Imported {
			t.Errorf("%q is %s", p, r)
		}
	}
	close(done)
	others.Wait()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if r := check(t, l, "planted number 4 today"); r != breached.None {
		t.Errorf("with the list removed, it is %s", r)
	}
}

// TestMerge: with any order and little memory, the same file comes out to the byte.
func TestMerge(t *testing.T) {
	t.Parallel()
	lines := strings.SplitAfter(hashes(numbered(20_000)...), "\n")
	lines = lines[:len(lines)-1]
	straight := breached.File(t.TempDir())
	mustLoad(t, straight, strings.Join(lines, ""))
	want, err := os.ReadFile(straight)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(7, 8))
	random.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	twice := strings.Join(lines, "") + strings.Join(lines[:5000], "")
	for _, memory := range []int{0, 8 * 511, 8 * 1999, 8 * 20_000} {
		crooked := breached.File(t.TempDir())
		s, err := load(t, breached.Import{File: crooked, Memory: memory}, twice)
		if err != nil || s.Lines != 25_000 || s.Records != 20_000 {
			t.Errorf("%+v, %v", s, err)
		}
		if got, err := os.ReadFile(crooked); err != nil || !bytes.Equal(got, want) {
			t.Errorf("with %d bytes of memory it is another file, %v", memory, err)
		}
		alone(t, crooked)
	}
}

// alone checks that nothing is left beside a list.
func alone(t *testing.T, file string) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*"))
	if err != nil || len(left) != 1 || left[0] != file {
		t.Errorf("there are %q, %v", left, err)
	}
}

// TestRefusedImports: each names what was found, and leaves the former list.
func TestRefusedImports(t *testing.T) {
	t.Parallel()
	file := breached.File(t.TempDir())
	mustLoad(t, file, hashes(planted))
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	packed := gzipped(t, strings.Join(numbered(50_000), "\n"))
	for name, c := range map[string]struct{ text, says string }{
		"empty":            {"", "no passwords"},
		"blank":            {"\n\r\n\n", "no passwords"},
		"empty gzip":       {gzipped(t, ""), "no passwords"},
		"password":         {hashes("one") + hashes("two") + "velvet\n", `line 3: "velvet" is no SHA-1 hash`},
		"hash":             {"velvet\n\nhammer\n" + hashes("two"), "line 4: \"AD782ECDAC770FC6EB9A62E44F90873FB97FB26B:1\" is a SHA-1 hash"},
		"short hash":       {hashes("one") + sha("two")[:39] + "\n", "line 2: "},
		"no number":        {hashes("one") + sha("two") + ":\n", "line 2: "},
		"wrong number":     {hashes("one") + sha("two") + ":1x\n", "line 2: "},
		"MD5":              {hashes("one") + "5f4dcc3b5aa765d61d8327deb882cf99\n", "line 2: "},
		"long":             {"velvet\n" + strings.Repeat("long", 300) + "\n", "line 2: it is longer than 1024 bytes and begins with \"longlong"},
		"endless":          {"velvet\n" + strings.Repeat("long", 1<<20), "line 2: it is longer than 1024 bytes"},
		"UTF-16":           {"v\x00e\x00l\x00v\x00e\x00t\x00\n\x00", "line 1: \"v\\x00e"},
		"cut gzip":         {packed[:len(packed)/2], "unexpected EOF"},
		"wrong gzip":       {"\x1f\x8bvelvet", "gzip"},
		"wrong zstd":       {"\x28\xb5\x2f\xfdvelvet", "line 1: "},
		"zip":              {"PK\x03\x04velvet", "unpack it first"},
		"7z":               {"7z\xbc\xaf\x27\x1cvelvet", "unpack it first"},
		"late after spill": {strings.Join(numbered(3000), "\n") + "\n" + hashes("two"), "line 3001: "},
	} {
		if _, err := load(t, breached.Import{File: file, Memory: 1}, c.text); err == nil || !strings.Contains(err.Error(), c.says) || len(err.Error()) > 200 {
			t.Errorf("%s: %v", name, err)
		}
		if after, err := os.ReadFile(file); err != nil || !bytes.Equal(after, before) {
			t.Errorf("%s: the former list is another now, %v", name, err)
		}
		alone(t, file)
	}
}

// stalling gives text and waits for the end of the context before the rest.
type stalling struct {
	io.Reader
	stop context.CancelFunc
	once sync.Once
}

func (s *stalling) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p[:min(len(p), 1<<16)])
	s.once.Do(s.stop)
	return n, err
}

// TestInterrupted: an import that is stopped in the middle, reading or merging, or that
// was killed, leaves the former list.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	file := breached.File(t.TempDir())
	mustLoad(t, file, hashes(planted))
	l := open(t, file)
	text := hashes(numbered(100_000)...)
	lines := strings.SplitAfter(text, "\n")
	slices.Reverse(lines)

	ctx, stop := context.WithCancel(t.Context())
	_, err := breached.Import{File: file}.Run(ctx, &stalling{Reader: strings.NewReader(text), stop: stop})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("reading: %v", err)
	}
	alone(t, file)

	ctx, stop = context.WithCancel(t.Context())
	merging := breached.Import{File: file, Memory: 1 << 16, Progress: func(p breached.Progress) {
		if p.Merged > 0 {
			stop()
		}
	}}
	if _, err := merging.Run(ctx, strings.NewReader(strings.Join(lines, "")+text)); !errors.Is(err, context.Canceled) {
		t.Errorf("merging: %v", err)
	}
	alone(t, file)

	// What a killed one leaves behind.
	if err := os.MkdirAll(filepath.Join(filepath.Dir(file), "import", "000007"), 0o700); err != nil {
		t.Fatal(err)
	}
	if r := check(t, l, planted); r != breached.Imported {
		t.Errorf("it is %s", r)
	}
	mustLoad(t, file, text)
	alone(t, file)
}

// TestTwoImports: the second one at the same time is refused.
func TestTwoImports(t *testing.T) {
	t.Parallel()
	file := breached.File(t.TempDir())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	began := make(chan struct{})
	go func() {
		once := sync.OnceFunc(func() { close(began) })
		m := breached.Import{File: file, Progress: func(breached.Progress) { once() }}
		_, err := m.Run(t.Context(), r)
		ended <- err
	}()
	_, _ = io.WriteString(w, "velvet\n")
	<-began
	if _, err := load(t, breached.Import{File: file}, "hammer\n"); err == nil || !strings.Contains(err.Error(), "another import") {
		t.Error(err)
	}
	_ = w.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestDamage: a damaged file is refused when it is opened, in a sentence that names it
// and tells what to do, and so it is when it takes a good one's place.
func TestDamage(t *testing.T) {
	t.Parallel()
	good := breached.File(t.TempDir())
	mustLoad(t, good, hashes(numbered(2000)...))
	raw, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	flip := func(at int) []byte {
		b := bytes.Clone(raw)
		b[at] ^= 1
		return b
	}
	swapped := slices.Concat(raw[:4096], raw[8192:12288], raw[4096:8192], raw[12288:])
	for name, damaged := range map[string][]byte{
		"empty": {}, "text": []byte("velvet\n"), "cut": raw[:len(raw)-1], "cut block": raw[:len(raw)-4096], "half a header": raw[:100],
		"longer": append(bytes.Clone(raw), 0), "magic": flip(0), "count": flip(47), "header": flip(3000), "record": flip(4096 + 77),
		"checksum": flip(8191), "padding": flip(len(raw) - 100), "swapped": swapped, "other version": flip(35),
	} {
		file := filepath.Join(t.TempDir(), "breached.list")
		if err := os.WriteFile(file, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := breached.Open(file)
		if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "steward passwords import") {
			t.Errorf("%s: %v", name, err)
		}
	}
	l := open(t, good)
	if err := os.WriteFile(good, flip(5000), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(good, time.Time{}, time.Now().Add(time.Second)); err != nil { // within the clock's grain
		t.Fatal(err)
	}
	if _, err := l.Has(planted); err == nil || !strings.Contains(err.Error(), good) {
		t.Errorf("damaged later: %v", err)
	}
	if found, err := l.Has("password2026!!!!"); !found || err != nil {
		t.Errorf("the common list needs no file: %v, %v", found, err)
	}
	mustLoad(t, good, hashes(planted))
	if r := check(t, l, planted); r != breached.Imported {
		t.Errorf("with a new list, it is %s", r)
	}
}
