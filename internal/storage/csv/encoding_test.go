package csv_test

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"steward/internal/storage/csv"
)

// utf16Of encodes text, without a byte order mark.
func utf16Of(text string, e csv.Encoding) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		if e == csv.UTF16LE {
			b = append(b, byte(unit), byte(unit>>8))
		} else {
			b = append(b, byte(unit>>8), byte(unit))
		}
	}
	return string(b)
}

func encoded(e csv.Encoding) csv.Dialect {
	return dialect(func(d *csv.Dialect) { d.Encoding = e })
}

// everyByte is a file of one column with all bytes that Windows-1252 has.
func everyByte() (file string, want []string) {
	const upper = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ" + "\u00a0¡¢£¤¥¦§¨©ª«¬\u00ad®¯°±²³´µ¶·¸¹º»¼½¾¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ"
	var b strings.Builder
	b.WriteString("a\n")
	for c := 0x80; c <= 0xff; c++ {
		if strings.IndexByte("\x81\x8d\x8f\x90\x9d", byte(c)) < 0 {
			b.WriteByte(byte(c))
			b.WriteByte('\n')
		}
	}
	for _, r := range upper {
		want = append(want, string(r))
	}
	return b.String(), want
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	const text = "id,name\r\n1,\"Žluťoučký\nkůň\"\r\n2,日本 👩‍🚀\r\n"
	rows := [][]string{{"1", "Žluťoučký\nkůň"}, {"2", "日本 👩‍🚀"}}
	bytes, upper := everyByte()
	var column [][]string
	for _, value := range upper {
		column = append(column, []string{value})
	}
	for _, test := range []struct {
		name     string
		file     string
		encoding csv.Encoding
		header   []string
		rows     [][]string
	}{
		{"UTF-16, little end first", utf16Of(text, csv.UTF16LE), csv.UTF16LE, []string{"id", "name"}, rows},
		{"UTF-16, big end first", utf16Of(text, csv.UTF16BE), csv.UTF16BE, []string{"id", "name"}, rows},
		{"UTF-16, little end first, with a mark", "\xff\xfe" + utf16Of(text, csv.UTF16LE), csv.UTF16LE, []string{"id", "name"}, rows},
		{"UTF-16, big end first, with a mark", "\xfe\xff" + utf16Of(text, csv.UTF16BE), csv.UTF16BE, []string{"id", "name"}, rows},
		{"Windows-1252", "id,na\xefve\n1,\x80 5\n", csv.Windows1252, []string{"id", "naïve"}, [][]string{{"1", "€ 5"}}},
		{"every byte of Windows-1252", bytes, csv.Windows1252, []string{"a"}, column},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := read(t, test.file, encoded(test.encoding))
			if got.Err != nil || !reflect.DeepEqual(got.Header, test.header) || !reflect.DeepEqual(got.Rows, test.rows) {
				t.Errorf("read %q %q, %v", got.Header, got.Rows, got.Err)
			}
			r, err := csv.NewReader(iotest.OneByteReader(strings.NewReader(test.file)), encoded(test.encoding))
			if err != nil {
				t.Fatal(err)
			}
			if slow := drain(t, r); !reflect.DeepEqual(slow, got) {
				t.Errorf("byte by byte: %+v", slow)
			}
		})
	}
}

func TestEncodingErrors(t *testing.T) {
	t.Parallel()
	const head = "id,name\n1,one\n"
	wide := func(text string) string { return utf16Of(text, csv.UTF16LE) }
	for _, test := range []struct {
		name     string
		file     string
		encoding csv.Encoding
		want     csv.Error
	}{
		{"a byte without a character", head + "2,caf\xe9\x81\n", csv.Windows1252, csv.Error{
			Line: 3, Column: 2, Name: "name", Code: csv.CodeNotWindows1252, Found: `café\x81`,
			Message: `Line 3, cell 2 ("name") is not Windows-1252 text: byte 0x81 at position 5. Choose another encoding, such as UTF-8.`,
		}},
		{"the second half of a pair alone", wide(head+"2,x") + "\x00\xdc" + wide("\n"), csv.UTF16LE, csv.Error{
			Line: 3, Column: 2, Name: "name", Code: csv.CodeNotUTF16, Found: `x\xed`,
			Message: `Line 3, cell 2 ("name") is not UTF-16 text: half of a surrogate pair at position 2. Choose another encoding, such as UTF-8.`,
		}},
		{"the first half of a pair alone", wide(head+"2,") + "\x3d\xd8" + wide("x\n"), csv.UTF16LE, csv.Error{
			Line: 3, Column: 2, Name: "name", Code: csv.CodeNotUTF16, Found: `\xed`,
			Message: `Line 3, cell 2 ("name") is not UTF-16 text: half of a surrogate pair at position 1. Choose another encoding, such as UTF-8.`,
		}},
		{"the first half of a pair at the end", wide(head+"2,") + "\x3d\xd8", csv.UTF16LE, csv.Error{
			Line: 3, Column: 2, Name: "name", Code: csv.CodeNotUTF16, Found: `\xed`,
			Message: `Line 3, cell 2 ("name") is not UTF-16 text: half of a surrogate pair at position 1. Choose another encoding, such as UTF-8.`,
		}},
		{"an odd number of bytes", wide(head+"2,x") + "y", csv.UTF16LE, csv.Error{
			Line: 3, Column: 2, Name: "name", Code: csv.CodeNotUTF16, Found: `x\xff`,
			Message: `Line 3, cell 2 ("name") is not UTF-16 text: the file ends with half of a character at position 2. Choose another encoding, such as UTF-8.`,
		}},
		{"UTF-16 in the other order", "\xfe\xff" + utf16Of(head, csv.UTF16BE), csv.UTF16LE, csv.Error{
			Line: 1, Code: csv.CodeEncoding, Found: `\xfe\xff`,
			Message: "This file is UTF-16 (big-endian) text, not UTF-16 (little-endian) text. Choose UTF-16 (big-endian) as its encoding.",
		}},
		{"UTF-8 that says so", "\ufeff" + head, csv.Windows1252, csv.Error{
			Line: 1, Code: csv.CodeEncoding, Found: `\ufeff`,
			Message: "This file is UTF-8 text, not Windows-1252 text. Choose UTF-8 as its encoding.",
		}},
		{"a picture", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", csv.Windows1252, csv.Error{
			Line: 1, Code: csv.CodeForeign, Found: `\x89PNG\r\n\x1a\n`, Message: "This is a PNG picture, not a CSV file.",
		}},
		{"nothing", "", csv.UTF16BE, csv.Error{Line: 1, Code: csv.CodeEmptyFile, Message: "The file is empty."}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := read(t, test.file, encoded(test.encoding))
			var found *csv.Error
			if !errors.As(got.Err, &found) || *found != test.want {
				t.Fatalf("error %+v\nwant %+v", found, test.want)
			}
			checkError(t, found)
		})
	}
}

// TestEncodingDetected finds the encoding of whole files, and of files that a
// sample shows the beginning of, wherever it ends.
func TestEncodingDetected(t *testing.T) {
	t.Parallel()
	const (
		latin    = "id;name;note\n1;André;ça va\n2;Zoë;déjà vu\n3;Jürgen;grün\n"
		cyrillic = "номер;имя;город\n1;Анна;Москва\n2;Борис;Киев\n3;Вера;Минск\n"
		chinese  = "编号;姓名;城市\n1;王芳;北京\n2;李娜;上海\n3;张伟;广州\n"
	)
	narrow := func(text string) string {
		var b strings.Builder
		for _, r := range text {
			b.WriteByte(byte(r))
		}
		return b.String()
	}
	for _, test := range []struct {
		name string
		file string
		want csv.Encoding
		mark bool
	}{
		{"ASCII", "id;name;note\n1;one;\n2;two;\n", csv.UTF8, false},
		{"UTF-8", latin, csv.UTF8, false},
		{"UTF-8 with a mark", "\ufeff" + latin, csv.UTF8, true},
		{"Windows-1252", narrow(latin), csv.Windows1252, false},
		{"UTF-16LE with a mark", "\xff\xfe" + utf16Of(latin, csv.UTF16LE), csv.UTF16LE, true},
		{"UTF-16BE with a mark", "\xfe\xff" + utf16Of(latin, csv.UTF16BE), csv.UTF16BE, true},
		{"UTF-16LE", utf16Of(latin, csv.UTF16LE), csv.UTF16LE, false},
		{"UTF-16BE", utf16Of(latin, csv.UTF16BE), csv.UTF16BE, false},
		{"UTF-16LE, Cyrillic", utf16Of(cyrillic, csv.UTF16LE), csv.UTF16LE, false},
		{"UTF-16BE, Cyrillic", utf16Of(cyrillic, csv.UTF16BE), csv.UTF16BE, false},
		{"UTF-16LE, Chinese", utf16Of(chinese, csv.UTF16LE), csv.UTF16LE, false},
		{"UTF-16BE, Chinese", utf16Of(chinese, csv.UTF16BE), csv.UTF16BE, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := csv.Detect([]byte(test.file), true, 10)
			if err != nil {
				t.Fatal(err)
			}
			if got.Dialect.Encoding != test.want || got.BOM != test.mark || got.Dialect.Delimiter != ';' || !got.Dialect.Header {
				t.Errorf("detected %+v, mark %v; want %s", got.Dialect, got.BOM, test.want)
			}
			if len(got.Columns) != 3 || len(got.Rows) < 2 || got.Problem != nil {
				t.Errorf("%q, %d rows, %v", got.Columns, len(got.Rows), got.Problem)
			}
			for cut := len(test.file) / 2; cut < len(test.file); cut++ {
				part, err := csv.Detect([]byte(test.file[:cut]), false, 10)
				if err != nil || part.Dialect != got.Dialect || part.Problem != nil {
					t.Fatalf("of %d bytes: %+v, %v, %v", cut, part.Dialect, part.Problem, err)
				}
			}
		})
	}
	for _, file := range []string{
		"id;name\n1;caf\x81\n",            // no character of Windows-1252
		"id;name\n1;caf\xe9\x01\n",        // a control character
		"id;name\n1;žluť\n2;caf\xe9\n",    // mostly UTF-8
		"id;name\n1;a\x00b\n",             // one NUL
		"id,name\n1,a\x00b\n2,\xff\x81\n", // one NUL, and more that is wrong
		"a\n\x00\n1\n",                    // at an even place
		strings.Repeat("\x00\x00a\n", 9),  // anywhere
	} {
		if got, _ := csv.Detect([]byte(file), true, 1); got.Dialect.Encoding != csv.UTF8 {
			t.Errorf("%q is taken for %s", file, got.Dialect.Encoding)
		}
	}
}

// TestEncodingOfABrokenSource gives what was read before the source failed.
func TestEncodingOfABrokenSource(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	source := io.MultiReader(strings.NewReader(utf16Of("a\n1\n2", csv.UTF16BE)), iotest.ErrReader(broken))
	r, err := csv.NewReader(source, encoded(csv.UTF16BE))
	if err != nil {
		t.Fatal(err)
	}
	if got := drain(t, r); !errors.Is(got.Err, broken) || !reflect.DeepEqual(got.Rows, [][]string{{"1"}}) {
		t.Errorf("%q, %v", got.Rows, got.Err)
	}
}

func TestNulls(t *testing.T) {
	t.Parallel()
	const file = "a,b\nNULL,\"NULL\"\n-,n/a\n\" \", \nnull,x\n,\"\"\n"
	for _, test := range []struct {
		name   string
		change func(*csv.Dialect)
		rows   [][]string
	}{
		{"none", func(*csv.Dialect) {}, [][]string{{"NULL", "NULL"}, {"-", "n/a"}, {" ", " "}, {"null", "x"}, {null, ""}}},
		{"unquoted", func(d *csv.Dialect) { d.Nulls = "NULL\n\nn/a\r\n \n" }, [][]string{{null, "NULL"}, {"-", null}, {" ", null}, {"null", "x"}, {null, ""}}},
		{"also quoted", func(d *csv.Dialect) { d.Nulls, d.NullsQuoted = "NULL\nn/a\n ", true }, [][]string{{null, null}, {"-", null}, {null, null}, {"null", "x"}, {null, ""}}},
		{"with empty cells as text", func(d *csv.Dialect) { d.Nulls, d.Empty = "NULL", csv.EmptyText }, [][]string{{null, "NULL"}, {"-", "n/a"}, {" ", " "}, {"null", "x"}, {"", ""}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := read(t, file, dialect(test.change)); got.Err != nil || !reflect.DeepEqual(got.Rows, test.rows) {
				t.Errorf("read %q, %v", got.Rows, got.Err)
			}
		})
	}
}
