package breached

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Format is what the lines of an imported file are.
type Format string

// The formats. Hashes are what Have I Been Pwned's downloader writes: the SHA-1 of a
// password in 40 hexadecimal digits, a colon and how often it was seen; the colon and
// the number may be missing.
const (
	Passwords Format = "passwords, one a line"
	Hashes    Format = "SHA-1 hashes, one a line"
)

// longestLine is the most bytes of a line. A longer one is a sign that the file is no
// list of passwords.
const longestLine = 1024

// Progress is how far an import is.
type Progress struct {
	Lines  int64 // that were read
	Bytes  int64 // that were read, compressed as they are
	Merged int64 // records that were merged; 0 until all lines have been read
}

// Summary is what an import has read and made.
type Summary struct {
	Format      Format
	Compression string // gzip, zstd or none
	Lines       int64
	Blank       int64 // lines among them that are empty, and say nothing
	Records     int64 // different ones that the list has now
	Size        int64 // of the list's file, in bytes
}

// Import makes the operator's list.
type Import struct {
	File     string         // where the list will be; see the function File
	Memory   int            // bytes for sorting, 32 MiB when it is 0
	Progress func(Progress) // is called now and then, may be nil
}

// Run reads lines from a reader, which may be compressed by gzip or zstd, and puts the
// list that they make at the place of the former one, whole and durably, or leaves that
// as it is. What they are follows from the first line that is not blank. Passwords go in
// as they are and in lower case.
//
// It needs space on the disk for the new list beside the former one, and for it a second
// time unless the lines come sorted by hash, as Have I Been Pwned's do.
//
// It fails, naming the line, when a line is longer than 1,024 bytes, has a NUL byte or
// is not of the format of the first one; when there is no line; when another import is at
// work in the same folder; and when the context ends.
func (m Import) Run(ctx context.Context, from io.Reader) (s Summary, err error) {
	if m.Memory == 0 {
		m.Memory = 32 << 20
	}
	if m.Progress == nil {
		m.Progress = func(Progress) {}
	}
	folder := filepath.Dir(m.File)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return Summary{}, fmt.Errorf("breached: %w", err)
	}
	lock, err := lockFolder(folder)
	if err != nil {
		return Summary{}, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	work := filepath.Join(folder, "import") // nobody else's, because of the lock
	if err := errors.Join(os.RemoveAll(work), os.Mkdir(work, 0o700)); err != nil {
		return Summary{}, fmt.Errorf("breached: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()

	counted := &counter{from: from}
	plain, compression, err := unpack(counted)
	if err != nil {
		return Summary{}, err
	}
	defer func() { _ = plain.Close() }() // of the decompressor, which cannot fail
	s.Compression = compression
	runs := &sorter{folder: work, room: max(m.Memory/recordSize, perBlock)}
	defer func() { err = errors.Join(err, runs.discard()) }()
	if err := m.read(ctx, plain, counted, runs, &s); err != nil {
		return Summary{}, err
	}
	made, count, err := runs.merge(ctx, func(n int64) {
		m.Progress(Progress{Lines: s.Lines, Bytes: counted.n, Merged: n})
	})
	if err != nil {
		return Summary{}, err
	}
	s.Records, s.Size = count, (1+(count+perBlock-1)/perBlock)*blockSize
	if err := os.Rename(made, m.File); err != nil {
		return Summary{}, fmt.Errorf("breached: %w", err)
	}
	if err := lock.Sync(); err != nil { // the folder, which has the new name in it
		return Summary{}, fmt.Errorf("breached: %w", err)
	}
	return s, nil
}

// lockFolder opens a folder and locks it until it is closed or the process ends.
func lockFolder(folder string) (*os.File, error) {
	f, err := os.Open(folder)
	if err != nil {
		return nil, fmt.Errorf("breached: %w", err)
	}
	for err = syscall.EINTR; errors.Is(err, syscall.EINTR); {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("another import is at work in %s: %w", folder, err), f.Close())
	}
	return f, nil
}

// read reads all lines and gives their records to the sorter.
func (m Import) read(ctx context.Context, plain io.Reader, counted *counter, runs *sorter, s *Summary) error {
	lines := bufio.NewReaderSize(plain, 256<<10)
	if mark, _ := lines.Peek(3); string(mark) == "\ufeff" {
		_, _ = lines.Discard(3)
	}
	for {
		if s.Lines%4096 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			m.Progress(Progress{Lines: s.Lines, Bytes: counted.n})
		}
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			break
		}
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
			return fmt.Errorf("line %d: %w", s.Lines+1, err)
		}
		s.Lines++
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			s.Blank++
			continue
		}
		if err := add(runs, line, s); err != nil {
			return fmt.Errorf("line %d: %w", s.Lines, err)
		}
	}
	if s.Lines == s.Blank {
		return errors.New("there are no passwords in it")
	}
	m.Progress(Progress{Lines: s.Lines, Bytes: counted.n})
	return nil
}

// add takes in a line, the first one of which says what all are.
func add(runs *sorter, line []byte, s *Summary) error {
	switch {
	case len(line) > longestLine:
		return fmt.Errorf("it is longer than %d bytes and begins with %s", longestLine, shown(line))
	case bytes.IndexByte(line, 0) >= 0:
		return fmt.Errorf("%s is not text: it has a NUL byte", shown(line))
	}
	hash, isHash, counted := parseHash(line)
	if s.Format == "" {
		if s.Format = Passwords; isHash {
			s.Format = Hashes
		}
	}
	switch {
	case s.Format == Hashes && !isHash:
		return fmt.Errorf("%s is no SHA-1 hash, as the lines before are", shown(line))
	case s.Format == Passwords && counted:
		return fmt.Errorf("%s is a SHA-1 hash with a number, and the lines before are passwords", shown(line))
	case s.Format == Hashes:
		return runs.add(hash)
	}
	if err := runs.add(digest(line)); err != nil {
		return err
	}
	if lower := bytes.ToLower(line); !bytes.Equal(lower, line) {
		return runs.add(digest(lower))
	}
	return nil
}

// parseHash reads a SHA-1 hash with or without how often it was seen.
func parseHash(line []byte) (r record, isHash, counted bool) {
	const digits = 40
	if len(line) < digits {
		return 0, false, false
	}
	var sum [digits / 2]byte
	if _, err := hex.Decode(sum[:], line[:digits]); err != nil {
		return 0, false, false
	}
	r = record(binary.BigEndian.Uint64(sum[:]))
	rest := line[digits:]
	if len(rest) == 0 {
		return r, true, false
	}
	if len(rest) < 2 || rest[0] != ':' {
		return 0, false, false
	}
	for _, c := range rest[1:] {
		if c < '0' || c > '9' {
			return 0, false, false
		}
	}
	return r, true, true
}

// shown is the beginning of a line, quoted.
func shown(line []byte) string {
	const most = 60
	if len(line) <= most {
		return fmt.Sprintf("%q", line)
	}
	cut := most
	for cut > most-utf8.UTFMax && !utf8.RuneStart(line[cut]) {
		cut--
	}
	return fmt.Sprintf("%q…", line[:cut])
}

// unpack tells by the first bytes whether something is compressed.
func unpack(from io.Reader) (plain io.ReadCloser, compression string, err error) {
	b := bufio.NewReaderSize(from, 256<<10)
	magic, err := b.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, "", err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}): // RFC 1952
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, "", fmt.Errorf("gzip: %w", err)
		}
		return z, "gzip", nil
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}): // RFC 8878
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, "", fmt.Errorf("zstd: %w", err)
		}
		return z.IOReadCloser(), "zstd", nil
	case bytes.Equal(magic, []byte("PK\x03\x04")) || bytes.Equal(magic, []byte("7z\xbc\xaf")):
		return nil, "", errors.New("it is a zip or 7z archive: unpack it first")
	}
	return io.NopCloser(b), "none", nil
}

// counter counts what is read through it.
type counter struct {
	from io.Reader
	n    int64
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += int64(n)
	return n, err
}
