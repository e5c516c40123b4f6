package engine

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strconv"
)

// decimal is a cell read as a decimal number. Decimals compare as exactly as they are
// written, however many digits they have: by the nearest float first, and where several
// share it by what tells them apart.
type decimal struct {
	float float64
	// exact tells a decimal from the one of 15 digits that has the same float: it is less,
	// the same or more. Where it is not the same, digits are its own.
	exact  int
	digits []byte
}

// shortDigits is how many digits each float has room for: decimals that have no more and
// differ have different floats, unless they are tiny.
const (
	shortDigits = 15
	tiny        = 1e-300
)

// readDecimal reads a cell as a decimal number; false if it is none.
func readDecimal(cell []byte) (decimal, bool) {
	cell = bytes.TrimSpace(cell)
	for _, c := range cell {
		switch {
		case '0' <= c && c <= '9', c == '.', c == '-', c == '+', c == 'e', c == 'E':
		default:
			return decimal{}, false // what the library also takes: hexadecimals, infinities, NaN
		}
	}
	n, err := strconv.ParseFloat(string(cell), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return decimal{}, false
	}
	d := decimal{float: n}
	size := math.Abs(n)
	if len(cell) <= shortDigits && size >= tiny && !math.IsInf(n, 0) {
		return d, true
	}
	own := normalize(cell)
	switch {
	case size == 0:
		d.float, d.exact = 0, own.sign
	case size < tiny || math.IsInf(n, 0):
		d.digits = own.key() // as all that share the float have them
		return d, true
	case len(own.digits) > shortDigits:
		d.exact = own.compare(normalize([]byte(strconv.FormatFloat(n, 'e', shortDigits-1, 64))))
	}
	if d.exact != 0 {
		d.digits = own.key()
	}
	return d, true
}

// compare tells which of two decimals is the smaller.
func (d decimal) compare(o decimal) int {
	return cmp.Or(cmp.Compare(d.float, o.float), cmp.Compare(d.exact, o.exact), bytes.Compare(d.digits, o.digits))
}

// appendKey appends bytes that compare like the decimal.
func (d decimal) appendKey(dst []byte) []byte {
	bits := math.Float64bits(d.float)
	if bits>>63 == 1 {
		bits = ^bits
	} else {
		bits |= 1 << 63
	}
	dst = append(binary.BigEndian.AppendUint64(dst, bits), byte(d.exact+1))
	return append(dst, d.digits...)
}

// normal is a decimal number as sign × 0.digits × 10^exponent; the digits neither begin
// nor end with a 0. The sign of 0 is 0.
type normal struct {
	sign     int
	exponent int64
	digits   []byte
}

// farthest bounds exponents, so that they can be added: no cell has so many digits.
const farthest = 1 << 40

// normalize reads what strconv takes for a number.
func normalize(text []byte) normal {
	n := normal{sign: 1}
	switch text[0] {
	case '-':
		n.sign, text = -1, text[1:]
	case '+':
		text = text[1:]
	}
	if at := bytes.IndexAny(text, "eE"); at >= 0 {
		exponent, err := strconv.ParseInt(string(text[at+1:]), 10, 64)
		if err != nil { // it is out of range, and the number is what it is beyond
			exponent = farthest
			if text[at+1] == '-' {
				exponent = -farthest
			}
		}
		n.exponent, text = max(-farthest, min(farthest, exponent)), text[:at]
	}
	whole, part, _ := bytes.Cut(text, []byte("."))
	n.exponent += int64(len(whole))
	digits := slices.Concat(whole, part)
	trimmed := bytes.TrimLeft(digits, "0")
	n.exponent -= int64(len(digits) - len(trimmed))
	if n.digits = bytes.TrimRight(trimmed, "0"); len(n.digits) == 0 {
		return normal{}
	}
	return n
}

func (n normal) compare(o normal) int {
	if n.sign != o.sign {
		return cmp.Compare(n.sign, o.sign)
	}
	return n.sign * cmp.Or(cmp.Compare(n.exponent, o.exponent), bytes.Compare(n.digits, o.digits))
}

// key is bytes that compare like numbers of one sign. No key begins with another one.
func (n normal) key() []byte {
	key := binary.BigEndian.AppendUint64(nil, uint64(n.exponent)+1<<63)
	key = append(append(key, n.digits...), 0)
	if n.sign < 0 {
		for i := range key {
			key[i] = ^key[i]
		}
	}
	return key
}
