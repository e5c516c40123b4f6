package blob

import (
	"context"
	"crypto/rand"
	"fmt"
	"path"
	"strings"
)

// A key is a path made by the program: lower-case ASCII letters, digits and
// ". _ -" in segments joined by slashes. No name typed by a person is ever part
// of one.
const (
	maxKey     = 512 // bytes of a key
	maxSegment = 255 // bytes of a segment: what file systems take as a name
)

// temporaryMark begins the name of a file that is still being written. No key
// can contain it, so such a file is recognized for certain.
const temporaryMark = '~'

// check tells why a key must not be used now.
func check(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return checkKey(key)
}

// checkKey returns an ErrKey that says what is wrong with a key.
func checkKey(key string) error {
	if key == "" || len(key) > maxKey {
		return fmt.Errorf("%w: it has %d bytes, allowed are 1 to %d", ErrKey, len(key), maxKey)
	}
	for i := range len(key) {
		c := key[i]
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '.', c == '_', c == '-', c == '/':
		default:
			return fmt.Errorf("%w: byte %q at %d", ErrKey, c, i)
		}
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "" || segment == "." || segment == ".." || len(segment) > maxSegment {
			return fmt.Errorf("%w: segment %q", ErrKey, segment)
		}
	}
	return nil
}

func isKey(name string) bool { return checkKey(name) == nil }

// temporaryName returns a fresh name for a file that is being written.
func temporaryName(folder string) string {
	return path.Join(folder, string(temporaryMark)+strings.ToLower(rand.Text()))
}

func isTemporary(name string) bool {
	return path.Base(name)[0] == temporaryMark
}
