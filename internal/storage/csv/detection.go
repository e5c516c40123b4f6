package csv

import (
	"bytes"
	"errors"
	"io"
	"strings"
)

// Detection is what the beginning of a file tells.
type Detection struct {
	Dialect   Dialect
	BOM       bool     // the file starts with a byte order mark
	Confident bool     // the delimiter fits, and no other nearly as well
	Columns   []string // as Reader.Header; nil if the sample does not hold all of the first row
	Rows      [][]Cell // the first rows
	Problem   *Error   // the first thing wrong in the sample, which comes after all Rows
	Rejected  int64    // bad rows that SampleSkipping left out
	Truncated bool     // the file goes on after Rows
}

// Skippable reports whether the problem is a row that a load may leave out, and
// not the file as a whole or its header.
func (d Detection) Skippable() bool {
	if d.Problem == nil || len(d.Columns) == 0 {
		return false
	}
	switch d.Problem.Code {
	case CodeDialect, CodeEmptyFile, CodeForeign, CodeEncoding, CodeHeaderTooLarge, CodeTooManyColumns,
		CodeEmptyName, CodeLongName, CodeUnprintableName, CodeReservedName, CodeDuplicateName:
		return false
	}
	return true
}

// Cell is one cell of a row.
type Cell struct {
	Value  string
	Null   bool // it is NULL, and Value is empty
	Quoted bool // it stands in quotes
}

// Detect guesses encoding and dialect of a file from sample, which is its
// beginning (a MiB is plenty), and shows at most rows of its rows. Whole says
// that sample is the whole file; otherwise a row that the sample cuts off is
// left out.
//
// A byte order mark decides the encoding. Without one, NUL bytes at every
// other place make UTF-16, and what is not UTF-8 but ordinary text in
// Windows-1252 is that.
//
// The delimiter is the one of comma, semicolon, tab and vertical bar that
// divides most of the sample into rows of equally many cells. A file without
// any of them is one column. The first row is the header unless one of its
// cells is blank or there twice, or it has numbers or dates where the rows
// below have them too.
//
// It returns an [*Error] if the file cannot be read in any dialect: if it is
// empty or no text, or if the first problem in the sample is a byte that is
// not of the encoding or is NUL; then the Detection is complete, with the same
// error as Problem. Whatever else is wrong is only a Problem.
func Detect(sample []byte, whole bool, rows int) (Detection, error) {
	return DetectIn(likelyEncoding(sample, whole), sample, whole, rows)
}

// DetectIn is [Detect] for a file whose encoding is known.
func DetectIn(e Encoding, sample []byte, whole bool, rows int) (Detection, error) {
	d := DefaultDialect()
	d.Encoding = e
	text := decoded(sample, whole, e)
	if whole && blank(text) {
		return Detection{Dialect: d}, emptyFile()
	}
	var confident bool
	d.Delimiter, confident = likelyDelimiter(text, whole)
	d.Header = likelyHeader(sample, whole, d)
	detection, err := Sample(sample, whole, d, rows)
	detection.Confident = confident
	return detection, err
}

// Sample parses the beginning of a file in the dialect d. Parameters, result
// and errors are those of [Detect], except that an invalid dialect is an error
// and that the result is confident.
func Sample(sample []byte, whole bool, d Dialect, rows int) (Detection, error) {
	return takeSample(sample, whole, d, rows, false)
}

// SampleSkipping is [Sample], but leaves bad rows out and goes on behind them:
// Problem is the first of them and may have Rows after it.
func SampleSkipping(sample []byte, whole bool, d Dialect, rows int) (Detection, error) {
	return takeSample(sample, whole, d, rows, true)
}

func takeSample(sample []byte, whole bool, d Dialect, rows int, skip bool) (Detection, error) {
	_, marked := markedEncoding(sample)
	detection := Detection{Dialect: d, BOM: marked, Confident: true, Truncated: !whole}
	r, err := newReader(sampleSource(sample, whole), d, productLimits())
	if r != nil {
		detection.Columns = r.header
		r.marking = true
		if skip {
			r.SkipBadRows(1, func(bad Rejected) error { detection.Problem = bad.Err; return nil })
		}
	}
	var b Batch
	for err == nil {
		if err = r.Next(&b); err == nil {
			wanted := min(b.Rows, rows-len(detection.Rows))
			detection.Rows = append(detection.Rows, b.cells(wanted)...)
			detection.Truncated = detection.Truncated || wanted < b.Rows
		}
	}
	if r != nil {
		detection.Rejected = r.rejected
	}
	var problem *Error
	if !errors.As(err, &problem) {
		return detection, nil // the end of the sample
	}
	switch problem.Code {
	case CodeDialect, CodeEmptyFile, CodeForeign, CodeEncoding:
		return detection, problem
	}
	detection.Problem, detection.Truncated = problem, true
	switch problem.Code {
	case CodeNUL, CodeNotUTF8, CodeNotUTF16, CodeNotWindows1252:
		return detection, problem
	}
	return detection, nil
}

// sampleSource is a source of the bytes of sample that ends with io.EOF if
// they are the whole file, else with errPartial.
func sampleSource(sample []byte, whole bool) io.Reader {
	if whole {
		return bytes.NewReader(sample)
	}
	return &partialSource{sample}
}

type partialSource struct{ rest []byte }

func (s *partialSource) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, errPartial
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// cells returns the first n rows of a batch that has marks, row by row.
func (b *Batch) cells(n int) [][]Cell {
	rows := make([][]Cell, max(n, 0))
	for i := range rows {
		rows[i] = make([]Cell, len(b.Columns))
	}
	for j, column := range b.Columns {
		next := 0
		for i := range rows {
			if column.Defined[i] == 0 {
				rows[i][j].Null = true
				continue
			}
			rows[i][j].Value = string(column.Values[next])
			next++
		}
	}
	for _, m := range b.marks {
		if m.row < len(rows) {
			rows[m.row][m.column].Quoted = true
		}
	}
	return rows
}

// blank reports whether a file has nothing but line ends.
func blank(file []byte) bool {
	return len(bytes.Trim(bytes.TrimPrefix(file, []byte(byteOrderMark)), "\r\n")) == 0
}

// likelyDelimiter returns the delimiter that fits the sample best, and
// whether it is clearly the one.
func likelyDelimiter(sample []byte, whole bool) (delimiter byte, confident bool) {
	const (
		plausible = 0.3 // lower than the half that a title above the header costs
		good      = 0.9
		ahead     = 0.2 // of the second best
	)
	best, second := bestFits(sample, whole, '"')
	if best.share >= plausible {
		return best.delimiter, best.share >= good && best.share-second.share >= ahead
	}
	// Perhaps the quotes are wrong, or no quotes: see what fits without them.
	if best, _ := bestFits(sample, whole, 0); best.share >= plausible {
		return best.delimiter, false
	}
	return ',', tryDelimiter(sample, whole, ',', '"').single
}

// fit is how well a delimiter explains a sample.
type fit struct {
	delimiter byte
	share     float64 // of the sample in rows of equally many cells, two at least
	single    bool    // all of the sample is rows of one cell
}

// bestFits returns the two delimiters that fit best.
func bestFits(sample []byte, whole bool, enclosure byte) (best, second fit) {
	// Of those that fit equally well the rarer in ordinary text is right: a
	// comma may be in every number.
	for _, delimiter := range []byte{'\t', '|', ';', ','} {
		f := tryDelimiter(sample, whole, delimiter, enclosure)
		switch {
		case f.share > best.share:
			best, second = f, best
		case f.share > second.share:
			second = f
		}
	}
	return best, second
}

// tryDelimiter says how well a delimiter fits. In which encoding the sample is
// does not matter, as long as ASCII is ASCII in it.
func tryDelimiter(sample []byte, whole bool, delimiter, enclosure byte) fit {
	sample = bytes.TrimPrefix(sample, []byte(byteOrderMark))
	s := newScanner(Dialect{Delimiter: delimiter, Enclosure: enclosure}, MaxCell)
	s.window, s.last = sample, whole

	type group struct{ rows, bytes int }
	groups := make(map[int]group) // of rows, by number of cells
	first, total := 0, 0
	for row, p, n := 0, 0, 1; p < len(sample); n++ {
		_, _, next, end := s.cell(p)
		if end == broken {
			total += len(sample) - row // all of it is unexplained
			break
		}
		if end == outOfBytes {
			break
		}
		p = next
		if end == cellEnd {
			continue
		}
		if first == 0 {
			first = n
		}
		if n > 1 || !blank(sample[row:next]) {
			g := groups[n]
			groups[n] = group{g.rows + 1, g.bytes + next - row}
			total += next - row
		}
		s.plain = s.plain[:0]
		row, n = next, 0
	}
	usual, cells := group{}, 0
	for n, g := range groups {
		if g.rows > usual.rows || g.rows == usual.rows && n > cells {
			usual, cells = g, n
		}
	}
	f := fit{delimiter: delimiter}
	switch {
	case cells == 1:
		f.single = usual.bytes == total
	case cells > 1:
		f.share = float64(usual.bytes) / float64(total)
		if first != cells {
			f.share /= 2 // the header weighs as much as all else
		}
	}
	return f
}

// likelyHeader reports whether the first row of the sample looks like the
// names of columns.
func likelyHeader(sample []byte, whole bool, d Dialect) bool {
	const enough = 100
	d.Header = false
	detection, _ := Sample(sample, whole, d, 1+enough)
	if len(detection.Rows) == 0 {
		return true
	}
	first, others := detection.Rows[0], detection.Rows[1:]
	seen := make(map[string]bool, len(first))
	for _, cell := range first {
		if strings.TrimSpace(cell.Value) == "" || seen[cell.Value] {
			return false
		}
		seen[cell.Value] = true
	}
	years := countingYears(first)
	data, names := 0, 0 // columns that speak for either
	for i, cell := range first {
		switch {
		case !allNumbers(others, i):
		case !number(cell.Value):
			names++
		case !years:
			data++
		}
	}
	return data <= names
}

// allNumbers reports whether column i has numbers or nothing in all rows, and
// one number at least.
func allNumbers(rows [][]Cell, i int) bool {
	some := false
	for _, row := range rows {
		switch {
		case number(row[i].Value):
			some = true
		case row[i].Value != "":
			return false
		}
	}
	return some
}

// number reports whether s looks like a number, a date or a time.
func number(s string) bool {
	const digits = "0123456789"
	s = strings.TrimLeft(s, "+-., ")
	return s != "" && strings.Contains(digits, s[:1]) && strings.Trim(s, digits+".,:+-/eE%TZ ") == ""
}

// countingYears reports whether the numbers in a row are years that follow
// one another, as they head the columns of many a statistic.
func countingYears(row []Cell) bool {
	count, last := 0, ""
	for _, cell := range row {
		s := cell.Value
		if !number(s) {
			continue
		}
		if len(s) != 4 || s < "1700" || s > "2299" || s <= last {
			return false
		}
		count, last = count+1, s
	}
	return count >= 2
}
