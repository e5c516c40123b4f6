// Package breached knows the passwords that are tried first, without asking anybody
// over the network: a list of common ones that is part of the program, and the list
// that an operator has imported, such as Have I Been Pwned's.
//
// Few listed passwords are as long as the passwords here must be, so what is made of
// them is refused too. The rule, on the password in lower case:
//
//   - Refused is what stands on the common list, and what the imported one has, as typed
//     or in lower case.
//   - Refused is a unit of less than eight bytes that is repeated until it fills:
//     qwertyqwertyqwerty, abcabcabcabcabc, a a a a a a a a.
//   - All else is cut into pieces so that they cost the fewest points, and refused below
//     six points:
//
// A piece of the common list, also one spelt like p4$$w0rd, costs two points. So
// does no other piece, except by its length: a straight line of three keys or more, or
// of letters or digits in order, or two of them interlaced (qwerty, 4321, abcd, 1q2w3e),
// and a walk of eight keys or more cost one; digits up to eight in a row cost one, and
// one more each beyond; what has stood before costs nothing from three bytes on. The
// first kind of punctuation is free, which includes spaces, and each further kind costs
// one. Every other character costs one.
//
// So one listed password with years, lines and punctuation around it is refused, and two
// of them, however they are joined; three different words, or two with something
// unforeseen, are not. What is made by chance is accepted: one in many thousands of
// fifteen small letters is refused.
//
// The price: two uncommon words that happen to be listed are refused although nobody
// might guess them; and what only a person who knows the owner would guess is not known
// here. Languages that the common list has few words of pay by the letter, and are
// judged more mildly. Only the first 256 bytes are looked at.
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
// common list is unpacked at the first check and takes 2 MB from then on.
type List struct {
	common func() (*set, error)
}

// Has reports whether a password is refused.
func (l *List) Has(password string) (bool, error) {
	r, err := l.Check(password)
	return r != None, err
}

// Open gives the list of common passwords and, when the file exists, the operator's one.
func Open(_ string) (*List, error) {
	return &List{common: sync.OnceValues(loadCommon)}, nil
}

// longest is how many bytes of a password are looked at; no longer one is kept.
const longest = 256

// Check says whether a password is refused, and why. It takes less than 2 ms, whatever
// the password.
func (l *List) Check(password string) (Reason, error) {
	common, err := l.common()
	if err != nil {
		return None, err
	}
	folded := strings.ToLower(password[:min(len(password), longest)])
	switch {
	case common.has(folded):
		return Common, nil
	case repeated(folded):
		return Repeated, nil
	case points(common, folded) < enough:
		return Guessable, nil
	}
	return None, nil
}
