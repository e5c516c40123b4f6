// Package breached knows the passwords that are tried first, without asking anybody
// over the network: a list of common ones that is part of the program, and the list
// that an operator has imported, such as Have I Been Pwned's.
//
// Few listed passwords are as long as a password must be here, so what is made of them
// is refused too. A password is refused when
//
//   - it is on the common list, in any case of its letters;
//   - it is on the imported list, as typed or in lower case;
//   - it is a unit of less than eight bytes over and over, such as qwertyqwertyqwerty or
//     abcabcabcabcabc;
//   - it can be cut into pieces, in lower case, that are worth less than six points
//     together.
//
// This is what pieces are worth:
//
//   - 2: an entry of the common list, also spelt with signs for letters (p4$$w0rd). One
//     of less than six bytes must be all letters, unless no other letters than its own are
//     around it.
//   - 1: a line, which is three or more keys or letters in a row (qwerty, 4321, abcd), two
//     lines interlaced (1q2w3e), or a walk over eight keys or more (zaq12wsx).
//   - 1: digits up to four in a row; 2: up to eight; each one beyond that is worth 1 more.
//   - 1: three or more characters that have stood before in the same order; 0: six or more,
//     or none of them a letter.
//   - 0: punctuation and spaces, when all are the same; each further kind is worth 1.
//   - 1: any other character.
//
// So one listed password with a year, a line and punctuation around it is refused, and so
// are two of them, however they are joined. Three different words are accepted, unless
// two of them are listed as one (sunshinelove). So are two words with something
// unforeseen, and what is made by chance: of fifteen or more letters and digits
// practically all, of sixteen hexadecimal digits all but one or two in a thousand.
//
// The price is that two words which are on the list by accident are refused, although
// few would guess them, and so are most passwords of digits only. And what only those
// guess who know the owner is not known here, nor are quotations. Words of languages that
// the list has few of are judged by their letters, which is milder. Only the first 256
// bytes, in lower case, are judged.
package breached

import (
	"strings"
	"sync"
)

// Reason says why a password is refused.
type Reason uint8

// The reasons. None is that of a password that is not refused.
const (
	None      Reason = iota
	Common           // on the list of common passwords
	Imported         // on the operator's list
	Repeated         // few characters, again and again
	Guessable        // made of too few common pieces
)

// String is the reason as the end of a sentence.
func (r Reason) String() string {
	switch r {
	case None:
		return "not refused"
	case Common:
		return "on the list of common passwords"
	case Imported:
		return "on the imported list of breached passwords"
	case Repeated:
		return "a few characters repeated"
	case Guessable:
		return "made of too few common words, numbers and keyboard lines"
	}
	return "unknown"
}

// List is the common list and the operator's one. It is safe for concurrent use. The
// common list is unpacked at the first check and takes 2 MB from then on; of the other
// one nothing is kept in memory.
type List struct {
	common   func() (*set, error)
	operator operator
}

// Open gives the list of common passwords and, when the file exists, the operator's one.
// It fails when that is damaged, with a sentence that names the file and says what to do.
// The file is followed from then on: it may come, be replaced by another import, or go.
func Open(file string) (*List, error) {
	l := &List{common: sync.OnceValues(loadCommon), operator: operator{path: file}}
	if err := l.operator.follow(); err != nil {
		return nil, err
	}
	return l, nil
}

// Close closes the operator's file. No check may come later.
func (l *List) Close() error { return l.operator.close() }

// Has reports whether a password is refused. It fails as Check does.
func (l *List) Has(password string) (bool, error) {
	r, err := l.Check(password)
	return r != None, err
}

const (
	// longest is how many bytes of a password in lower case are looked at; no longer one
	// is kept.
	longest = 256
	// shrinks is how many times as long as in lower case a text can be (the Kelvin sign).
	shrinks = 3
)

// Check says whether a password is refused, and why. It takes less than 2 ms, whatever
// the password, and two or three reads of the operator's file. It fails when the
// password would be accepted but for that file, which is damaged or cannot be read.
func (l *List) Check(password string) (Reason, error) {
	common, err := l.common()
	if err != nil {
		return None, err
	}
	folded := strings.ToLower(password[:min(len(password), shrinks*longest)])
	folded = folded[:min(len(folded), longest)]
	switch {
	case common.has(folded):
		return Common, nil
	case repeated(folded):
		return Repeated, nil
	case points(common, folded) < enough:
		return Guessable, nil
	}
	found, err := l.operator.has(digest([]byte(password)), digest([]byte(strings.ToLower(password))))
	if err != nil || !found {
		return None, err
	}
	return Imported, nil
}
