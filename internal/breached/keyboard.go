package breached

import "strings"

// key is a place on a keyboard. Each row stands half a key to the right of the one
// above it, so that a key touches those of the same and the next column above it.
type key struct{ row, column int8 }

// touches reports whether two keys are neighbours.
func (k key) touches(other key) bool {
	switch (key{other.row - k.row, other.column - k.column}) {
	case key{0, 1}, key{0, -1}, key{-1, 0}, key{-1, 1}, key{1, 0}, key{1, -1}:
		return true
	}
	return false
}

// keyboard is the US layout, with and without shift. Others differ in a few letters,
// and the lines of theirs that people use are on the common list.
type keyboard [128]key

func newKeyboard() *keyboard {
	k := new(keyboard)
	for _, rows := range [][]string{
		{"`1234567890-=", " qwertyuiop[]\\", " asdfghjkl;'", " zxcvbnm,./"},
		{"~!@#$%^&*()_+", " QWERTYUIOP{}|", " ASDFGHJKL:\"", " ZXCVBNM<>?"},
	} {
		for r, row := range rows {
			for c := range len(row) {
				if row[c] != ' ' {
					k[row[c]] = key{int8(r + 1), int8(c)}
				}
			}
		}
	}
	return k
}

// at gives the place of a character. A character that is on no key has none.
func (k *keyboard) at(b byte) (place key, ok bool) {
	if b >= 128 || k[b] == (key{}) {
		return key{}, false
	}
	return k[b], true
}

// step tells how one leads from a character to the next one: to a key that touches it,
// or to the letter or digit before or after it. The same step again makes a line.
type step struct {
	key  key
	next int8
}

// steps gives the steps between two characters; what is zero is none.
func (k *keyboard) steps(a, b byte) (onKeys, inOrder step) {
	if p, ok := k.at(a); ok {
		if q, ok := k.at(b); ok && p.touches(q) {
			onKeys = step{key: key{q.row - p.row, q.column - p.column}}
		}
	}
	if d := int8(b - a); (d == 1 || d == -1) && strings.IndexByte(ordered, a) >= 0 && strings.IndexByte(ordered, b) >= 0 {
		inOrder = step{next: d}
	}
	return onKeys, inOrder
}

const ordered = "abcdefghijklmnopqrstuvwxyz0123456789"

// line gives how many of the characters text[0], text[apart], text[2*apart] … go on in
// the same step.
func (k *keyboard) line(text string, apart int) int {
	if len(text) <= apart {
		return min(len(text), 1)
	}
	onKeys, inOrder := k.steps(text[0], text[apart])
	n := 1
	for i := apart; i < len(text); i += apart {
		a, b := k.steps(text[i-apart], text[i])
		if a != onKeys {
			onKeys = step{}
		}
		if b != inOrder {
			inOrder = step{}
		}
		if onKeys == (step{}) && inOrder == (step{}) {
			break
		}
		n++
	}
	return n
}

// interlaced gives how long two lines go on of which text has a character each by
// turns, 0 when they do not.
func (k *keyboard) interlaced(text string) int {
	if len(text) < 2 {
		return 0
	}
	a, b := k.line(text, 2), k.line(text[1:], 2)
	if a > b {
		return 2*b + 1
	}
	return 2 * a
}

// walk gives how many characters of text are each on a key beside the one before.
func (k *keyboard) walk(text string) int {
	n := 1
	for ; n < len(text); n++ {
		if a, _ := k.steps(text[n-1], text[n]); a == (step{}) {
			break
		}
	}
	return min(n, len(text))
}
