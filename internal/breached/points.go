package breached

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// What pieces cost, and how much a password must be worth; the rule is told at the head
// of the package.
const (
	enough       = 6
	entryPoints  = 2
	linePoints   = 1
	copyPoints   = 1
	yearDigits   = 4 // in a row, for one point
	dateDigits   = 8 // in a row, for two points
	shortEntry   = 6 // bytes; shorter ones count less often
	shortestLine = 3
	shortestLace = 6
	shortestWalk = 8
	shortestCopy = 3 // characters
	longCopy     = 6 // characters, from which on it is for nothing
	shortestUnit = 8
)

// repeated reports whether text is a unit of less than eight bytes over and over.
func repeated(text string) bool {
	for unit := 1; unit < shortestUnit && 2*unit <= len(text); unit++ {
		if text[unit:] == text[:len(text)-unit] {
			return true
		}
	}
	return false
}

// points gives the fewest points that text can be cut into pieces for. The work grows by the
// square of the length at most, and by the longest listed entry.
func points(common *set, text string) int {
	n := len(text)
	cheapest := make([]int, n+1) // of text[:i]
	for i := range cheapest {
		cheapest[i] = n
	}
	cheapest[0] = 0
	keys, spellings, copies := newKeyboard(), spell(text), copies(text)
	single := singles(text)
	for i := range n {
		// pieces from i that may end anywhere from its shortest length to its longest
		piece := func(shortest, most, cost int) {
			for j := i + shortest; j <= i+most; j++ {
				cheapest[j] = min(cheapest[j], cheapest[i]+cost)
			}
		}
		rest := text[i:]
		piece(1, 1, single[i])
		short, long := characters(rest, shortestCopy), characters(rest, longCopy)
		piece(short, min(copies[i], long-1), copyPoints)
		piece(long, copies[i], 0)
		if letter := strings.IndexFunc(rest[:copies[i]], unicode.IsLetter); letter < 0 {
			piece(short, copies[i], 0)
		} else {
			piece(short, letter, 0)
		}
		piece(shortestLine, keys.line(rest, 1), linePoints)
		piece(shortestLace, keys.interlaced(rest), linePoints)
		piece(shortestWalk, keys.walk(rest), linePoints)
		if d := digits(rest); d > 0 {
			piece(d, d, number(d))
		}
		for _, s := range spellings {
			for _, m := range common.prefixes(s[i:]) {
				if counts(rest[:m], text) {
					piece(m, m, entryPoints)
				}
			}
		}
	}
	return cheapest[n]
}

// counts reports whether a part of a text that is on the list is taken for an entry.
// Chance makes many of the short ones, so they must be all letters, or have, once or
// several times, all letters of the text; few digits have a price of their own.
func counts(part, text string) bool {
	if len(part) >= shortEntry {
		return true
	}
	letters, digits := 0, 0
	for i := range len(part) {
		switch c := part[i]; {
		case c >= 'a' && c <= 'z', c >= 0x80:
			letters++
		case c >= '0' && c <= '9':
			digits++
		}
	}
	if letters == len(part) {
		return true
	}
	return digits < len(part) && strings.IndexFunc(strings.ReplaceAll(text, part, " "), unicode.IsLetter) < 0
}

// number gives what so many digits in a row cost.
func number(digits int) int {
	switch {
	case digits <= yearDigits:
		return 1
	case digits <= dateDigits:
		return 2
	}
	return 2 + digits - dateDigits
}

// spell gives text as it is and, when characters are in it that stand for letters, with
// the letters.
func spell(text string) []string {
	out := []string{text}
	for _, one := range "il" {
		b := []byte(text)
		for i, c := range b {
			if l := letter(c, byte(one)); l != 0 {
				b[i] = l
			}
		}
		if s := string(b); s != out[len(out)-1] {
			out = append(out, s)
		}
	}
	return out
}

// letter gives the letter that a digit or sign stands for, 0 when it is for none.
func letter(c, one byte) byte {
	switch c {
	case '4', '@':
		return 'a'
	case '8':
		return 'b'
	case '3':
		return 'e'
	case '9':
		return 'g'
	case '1', '!', '|':
		return one
	case '0':
		return 'o'
	case '5', '$':
		return 's'
	case '7', '+':
		return 't'
	}
	return 0
}

// singles gives what each byte costs as a piece of its own. The bytes of a character
// beyond ASCII cost one together.
func singles(text string) []int {
	out := make([]int, len(text))
	var seen [128]bool
	kinds := 0
	for i := range len(text) {
		switch c := text[i]; {
		case c >= 0x80 && c < 0xc0: // goes on with the character before
		case c >= 0x80, c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			out[i] = 1
		case !seen[c]:
			if seen[c] = true; kinds > 0 {
				out[i] = 1
			}
			kinds++
		}
	}
	return out
}

// characters gives how many bytes the first n characters of text take, more than it has
// when it has fewer characters.
func characters(text string, n int) int {
	size := 0
	for range n {
		if size == len(text) {
			return size + 1
		}
		_, one := utf8.DecodeRuneInString(text[size:])
		size += one
	}
	return size
}

// digits gives how many digits text begins with.
func digits(text string) int {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return i
		}
	}
	return len(text)
}

// copies gives for each place where a character begins how many bytes from there on
// stand at an earlier place too.
func copies(text string) []int {
	n := len(text)
	out := make([]int, n)
	same := make([]int, n+1) // from i+1 on: how long text[k:] and text[i+1:] agree, at k+1
	for i := n - 1; i > 0; i-- {
		for k := range i { // upwards: same[k+1] is still that of i+1
			if text[k] == text[i] {
				same[k] = same[k+1] + 1
			} else {
				same[k] = 0
			}
			out[i] = max(out[i], same[k])
		}
		if !utf8.RuneStart(text[i]) {
			out[i] = 0
		}
	}
	return out
}
