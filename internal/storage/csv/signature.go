package csv

import (
	"bytes"
	"fmt"
)

// longestSignature is how many bytes at the start of a file foreign looks at.
const longestSignature = 32

// signature is how files of a kind start that are no delimited text.
type signature struct {
	magic string
	kind  string // with its article
	words bool   // the magic is made of letters, as the name of a column may be
}

func signatures() []signature {
	return []signature{
		{"\xff\xfe\x00\x00", "UTF-32 text", false},
		{"\x00\x00\xfe\xff", "UTF-32 text", false},
		{"\x89PNG\r\n\x1a\n", "a PNG picture", false},
		{"\xff\xd8\xff", "a JPEG picture", false},
		{"GIF8", "a GIF picture", true},
		{"%PDF-", "a PDF document", false},
		{"PK\x03\x04", "a ZIP archive or an Excel workbook", false},
		{"PK\x05\x06", "an empty ZIP archive", false},
		{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word document", false},
		{"\x1f\x8b", "a gzip archive", false},
		{"\x28\xb5\x2f\xfd", "a Zstandard archive", false},
		{"\xfd7zXZ\x00", "an XZ archive", false},
		{"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", false},
		{"SQLite format 3\x00", "an SQLite database", false},
		{"PAR1", "a Parquet file", true},
		{"Obj\x01", "an Avro file", false},
	}
}

// foreign returns an error if a file that starts with b is another kind of
// file, or has the byte order mark of another encoding than e.
func foreign(b []byte, e Encoding) error {
	for _, s := range signatures() {
		if !bytes.HasPrefix(b, []byte(s.magic)) {
			continue
		}
		rest := b[len(s.magic):]
		if s.words && !binary(rest[:min(len(rest), 8)]) {
			continue
		}
		return &Error{
			Line: 1, Code: CodeForeign, Found: head([]byte(s.magic)),
			Message: fmt.Sprintf("This is %s, not a CSV file.", s.kind),
		}
	}
	if is, marked := markedEncoding(b); marked && is != e {
		return &Error{
			Line: 1, Code: CodeEncoding, Found: head([]byte(is.mark())),
			Message: fmt.Sprintf("This file is %s text, not %s text. Choose %[1]s as its encoding.", is, e),
		}
	}
	return nil
}

// binary reports whether b holds a control character that text does not.
func binary(b []byte) bool {
	return bytes.ContainsFunc(b, func(c rune) bool {
		return c < ' ' && c != '\t' && c != '\r' && c != '\n'
	})
}

func emptyFile() *Error {
	return &Error{Line: 1, Code: CodeEmptyFile, Message: "The file is empty."}
}
