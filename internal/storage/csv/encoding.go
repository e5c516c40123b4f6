package csv

import (
	"bytes"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Encoding says which characters the bytes of a file stand for. Whatever it
// is, a [Reader] gives values in UTF-8.
type Encoding uint8

const (
	UTF8 Encoding = iota
	UTF16LE
	UTF16BE
	Windows1252
)

// String returns the encoding's name for people.
func (e Encoding) String() string {
	switch e {
	case UTF16LE:
		return "UTF-16 (little-endian)"
	case UTF16BE:
		return "UTF-16 (big-endian)"
	case Windows1252:
		return "Windows-1252"
	}
	return "UTF-8"
}

// Name returns the encoding's name for programs, such as "utf-16le".
func (e Encoding) Name() string { return encodingNames()[e] }

// ParseEncoding finds an encoding by its name for programs.
func ParseEncoding(name string) (e Encoding, ok bool) {
	for i, known := range encodingNames() {
		if name == known {
			return Encoding(i), true
		}
	}
	return UTF8, false
}

func encodingNames() [4]string { return [...]string{"utf-8", "utf-16le", "utf-16be", "windows-1252"} }

// Other returns the encoding to try when a file turns out not to be in e.
func (e Encoding) Other() Encoding {
	switch e {
	case UTF8:
		return Windows1252
	case UTF16LE:
		return UTF16BE
	case UTF16BE:
		return UTF16LE
	}
	return UTF8
}

// byteOrderMark may stand at the start of a UTF-8 file. It is no part of the
// first cell.
const byteOrderMark = "\uFEFF"

// mark is the byte order mark as it stands at the start of a file.
func (e Encoding) mark() string {
	switch e {
	case UTF16LE:
		return "\xff\xfe"
	case UTF16BE:
		return "\xfe\xff"
	case Windows1252:
		return "" // it has none
	}
	return byteOrderMark
}

// markedEncoding returns the encoding whose byte order mark a file starts with.
func markedEncoding(file []byte) (e Encoding, marked bool) {
	for _, e := range []Encoding{UTF8, UTF16LE, UTF16BE} {
		if bytes.HasPrefix(file, []byte(e.mark())) {
			return e, true
		}
	}
	return UTF8, false
}

// likelyEncoding guesses the encoding of a file from its beginning. A byte
// order mark decides. Without one, NUL bytes at every other place make UTF-16,
// and what is not UTF-8 but would be ordinary text in Windows-1252 is that.
// All else counts as UTF-8, so that its first wrong byte is an error.
func likelyEncoding(sample []byte, whole bool) Encoding {
	if e, marked := markedEncoding(sample); marked {
		return e
	}
	if bytes.IndexByte(sample, 0) >= 0 {
		return likelyUTF16(sample)
	}
	if !whole {
		sample = sample[:len(sample)-unfinished(sample)]
	}
	if !utf8.Valid(sample) && likelyWindows1252(sample) {
		return Windows1252
	}
	return UTF8
}

// likelyUTF16 returns the byte order of text that holds NUL bytes, or UTF8 if
// it is no UTF-16.
func likelyUTF16(sample []byte) Encoding {
	var nul [2]int // at even and at odd places
	strange, lines := false, false
	for i, c := range sample {
		if c == 0 {
			nul[i%2]++
		}
		strange = strange || c > 0 && c < '\t'
		lines = lines || c == '\n' && (i%2 == 0 && i+1 < len(sample) && sample[i+1] == 0 || i%2 == 1 && sample[i-1] == 0)
	}
	e, found := UTF16LE, nul[1]
	if nul[0] > nul[1] {
		e, found = UTF16BE, nul[0]
	}
	units := len(sample) / 2
	switch {
	case found < 4*(nul[0]+nul[1]-found):
		return UTF8 // they stand anywhere
	case found*2 >= units:
		return e // mostly Latin letters
	case lines && found*20 >= units && (strange || !utf8.Valid(bytes.ReplaceAll(sample, []byte{0}, nil))):
		return e // other letters, with delimiters and line ends between them
	}
	return UTF8
}

// likelyWindows1252 reports whether bytes that are not all UTF-8 make text in
// Windows-1252: all of them stand for something, none is a control character
// that text does not have, and sequences of UTF-8 among them are rare enough
// to be chance.
func likelyWindows1252(sample []byte) bool {
	sequences, others := 0, 0
	for i := 0; i < len(sample); {
		c := sample[i]
		if c < utf8.RuneSelf {
			if c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f' || c == 0x7f {
				return false
			}
			i++
			continue
		}
		if windows1252(c) == 0 {
			return false
		}
		if _, size := utf8.DecodeRune(sample[i:]); size > 1 {
			sequences++
			i += size
			continue
		}
		others++
		i++
	}
	return others > sequences
}

// windows1252 returns the character of a byte, 0 for the five bytes that have
// none.
func windows1252(c byte) rune {
	const from80to9F = "€\x00‚ƒ„…†‡ˆ‰Š‹Œ\x00Ž\x00\x00‘’“”•–—˜™š›œ\x00žŸ"
	if c < 0x80 || c > 0x9f {
		return rune(c)
	}
	n := byte(0x80)
	for _, r := range from80to9F {
		if n == c {
			return r
		}
		n++
	}
	return 0
}

// endsInside is what a decoder gives for the half of a character with which a
// file ends.
const endsInside = 0xff

// decoder converts a file to UTF-8.
//
// What stands for no character becomes bytes that are not UTF-8 either: the
// byte itself in Windows-1252, where those without a character are just bytes
// that continue a UTF-8 sequence; half of a surrogate pair as the three bytes
// that would encode it; and endsInside. So whoever checks for UTF-8 finds them
// at their place, as in a file that was UTF-8 to begin with.
type decoder struct {
	source   io.Reader
	encoding Encoding
	table    [128]rune // of the upper half of Windows-1252

	in   []byte // read and not converted
	out  []byte // converted; from sent on it was not given yet
	sent int
	err  error // of source
}

const decoderChunk = 32 << 10

func newDecoder(source io.Reader, e Encoding) *decoder {
	d := &decoder{source: source, encoding: e, in: make([]byte, 0, decoderChunk)}
	for i := range d.table {
		d.table[i] = windows1252(byte(i + 0x80))
	}
	return d
}

// Read implements io.Reader.
func (d *decoder) Read(p []byte) (int, error) {
	for idle := 0; d.sent == len(d.out); idle++ {
		switch {
		case d.err != nil:
			return 0, d.err
		case idle == 100:
			return 0, io.ErrNoProgress
		}
		n, err := d.source.Read(d.in[len(d.in):cap(d.in)])
		d.in, d.err = d.in[:len(d.in)+n], err
		d.out, d.sent = d.out[:0], 0
		used := d.convert()
		d.in = d.in[:copy(d.in, d.in[used:])]
		if d.err == io.EOF && len(d.in) > 0 {
			d.out = append(d.out, endsInside)
			d.in = d.in[:0]
		}
	}
	n := copy(p, d.out[d.sent:])
	d.sent += n
	return n, nil
}

// convert appends the characters of d.in to d.out and returns how many bytes
// they took.
func (d *decoder) convert() int {
	if d.encoding == Windows1252 {
		d.convertBytes()
		return len(d.in)
	}
	return d.convertPairs()
}

func (d *decoder) convertBytes() {
	for start := 0; start < len(d.in); {
		end := start
		for end < len(d.in) && d.in[end] < utf8.RuneSelf {
			end++
		}
		d.out = append(d.out, d.in[start:end]...)
		if end == len(d.in) {
			return
		}
		if r := d.table[d.in[end]-0x80]; r != 0 {
			d.out = utf8.AppendRune(d.out, r)
		} else {
			d.out = append(d.out, d.in[end])
		}
		start = end + 1
	}
}

func (d *decoder) convertPairs() (used int) {
	high := 0 // index of the more significant byte
	if d.encoding == UTF16LE {
		high = 1
	}
	unit := func(i int) rune { return rune(d.in[i+high])<<8 | rune(d.in[i+1-high]) }
	i := 0
	for ; i+1 < len(d.in); i += 2 {
		r := unit(i)
		switch {
		case r < utf8.RuneSelf:
			d.out = append(d.out, byte(r))
			continue
		case !utf16.IsSurrogate(r):
			d.out = utf8.AppendRune(d.out, r)
			continue
		case i+3 < len(d.in):
			if pair := utf16.DecodeRune(r, unit(i+2)); pair != unicode.ReplacementChar {
				d.out = utf8.AppendRune(d.out, pair)
				i += 2
				continue
			}
		case r < 0xdc00 && d.err != io.EOF:
			return i // its other half is still to come, or beyond the sample
		}
		d.out = append(d.out, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0x3f, 0x80|byte(r)&0x3f)
	}
	return i
}

// decoded returns the beginning of a file in UTF-8.
func decoded(sample []byte, whole bool, e Encoding) []byte {
	if e == UTF8 {
		return sample
	}
	d := newDecoder(sampleSource(sample, whole), e)
	var out []byte
	for {
		buf := make([]byte, decoderChunk)
		n, err := d.Read(buf)
		out = append(out, buf[:n]...)
		if err != nil {
			return out
		}
	}
}
