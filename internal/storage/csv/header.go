package csv

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// readHeader reads the first row. It gives the columns their names if named;
// otherwise it stays a row of data, and only its cells are counted.
func (r *Reader) readHeader(named bool) error {
	limit := r.limits.row
	if named {
		limit = r.limits.header
	}
	// However small the chunk is, the kind of the file must show in it.
	size := max(r.limits.chunk, longestSignature)
	for {
		r.ahead = r.read(r.ahead, size)
		if r.encoding == UTF8 {
			if err := foreign(r.ahead, UTF8); err != nil {
				return err
			}
		}
		if bytes.HasPrefix(r.ahead, []byte(byteOrderMark)) {
			r.taken = len(byteOrderMark)
		}
		cells, next, err := r.firstRow(limit, named)
		switch {
		case err != nil:
			return err
		case next == 0:
			size = min(2*size, len(byteOrderMark)+limit+utf8.UTFMax)
			continue
		case !named:
			r.header = make([]string, len(cells))
			for i := range cells {
				r.header[i] = "col_" + strconv.Itoa(i+1)
			}
			return nil
		}
		r.header, r.named, r.taken = cells, true, next
		r.line += lineFeeds(r.ahead[:next])
		return checkNames(cells)
	}
}

// firstRow returns the cells of the first row, without their content unless
// named, and the offset behind it: 0 if that takes more input to say.
func (r *Reader) firstRow(limit int, named bool) (cells []string, next int, err error) {
	var (
		s          = &r.scan
		first      = r.taken
		complete   = r.ended == io.EOF
		valid, bad = text(r.ahead, !complete)
		end        = min(valid, first+limit)
	)
	s.window, s.last, s.plain = r.ahead[:end], complete && end == len(r.ahead), nil
	if s.last && first+s.lineEnd(first) == end {
		return nil, 0, emptyFile()
	}
	for p := first; ; p = next {
		if len(cells) == MaxColumns {
			return nil, 0, r.problem(r.ahead, first, flaw{CodeTooManyColumns, p})
		}
		r.spot = spot{column: len(cells), start: p}
		value, _, following, outcome := s.cell(p)
		switch outcome {
		case broken:
			return nil, 0, r.problem(r.ahead, first, s.flaw)
		case outOfBytes:
			code := CodeRowTooLarge
			if named {
				code = CodeHeaderTooLarge
			}
			return nil, 0, r.outOfBytes(r.ahead, first, code, edge{end < valid, bad, r.ended == nil})
		}
		name := ""
		if named {
			name = string(value)
		}
		cells, next = append(cells, name), following
		if outcome == rowEnd {
			return cells, next, nil
		}
	}
}

// checkNames returns an error for the first thing wrong with the names of a
// header.
func checkNames(names []string) error {
	places := make(map[string]int, len(names))
	for i, name := range names {
		code, message := checkName(names, i)
		if before, twice := places[name]; twice && message == "" {
			code = CodeDuplicateName
			message = fmt.Sprintf("The header has the column name %s twice: in cell %s and in cell %s. Rename one of them.",
				quote(name), thousands(before+1), thousands(i+1))
		}
		if message != "" {
			return &Error{
				Line: 1, Column: i + 1, Name: name, Code: code,
				Message: message, Found: head([]byte(name)),
			}
		}
		places[name] = i
	}
	return nil
}

// checkName returns what is wrong with name i in itself; the message is empty
// if nothing is.
func checkName(names []string, i int) (code Code, message string) {
	name, cell := names[i], fmt.Sprintf("Cell %s of the header", thousands(i+1))
	switch n := utf8.RuneCountInString(name); {
	case name == "" && len(names) == 1:
		return CodeEmptyName, "The first line is empty; it should hold the names of the columns."
	case strings.TrimSpace(name) == "":
		return CodeEmptyName, cell + " is empty. Every column needs a name."
	case n > MaxName:
		return CodeLongName, fmt.Sprintf("%s is a name of %s characters; a name has %d at most.", cell, thousands(n), MaxName)
	case strings.ContainsFunc(name, unprintable):
		c, _ := utf8.DecodeRuneInString(name[strings.IndexFunc(name, unprintable):])
		return CodeUnprintableName, fmt.Sprintf("%s holds the character U+%04X, which cannot be part of a column name.", cell, c)
	case name == "_timestamp" || name == "_job":
		other := name[1:]
		for slices.Contains(names, other) {
			other += "_2"
		}
		return CodeReservedName, fmt.Sprintf("The column name %s is reserved. Rename the column, for instance to %s.", quote(name), quote(other))
	}
	return "", ""
}

// unprintable reports whether c is a control character, a line or paragraph
// separator, or one that lets a name look like another: that changes the direction of
// the text around it, or cannot be seen. Two that join letters, and do not, belong to
// the writing of some languages.
func unprintable(c rune) bool {
	const nonJoiner, joiner = '\u200C', '\u200D'
	return unicode.In(c, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) && c != nonJoiner && c != joiner
}
