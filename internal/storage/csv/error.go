package csv

import "fmt"

// Error says what is wrong with a file, where, and what to do about it.
type Error struct {
	Line    int64  // from 1; 0 if it is not about a line
	Column  int    // number of the cell in its row, from 1; 0 if it is about the whole line
	Name    string // of the column, if it is known
	Code    Code
	Message string // sentences for people
	Found   string // what was found there: at most 60 bytes, all printable
}

// Error returns the text for a log: code and message.
func (e *Error) Error() string { return fmt.Sprintf("csv: %s: %s", e.Code, e.Message) }

// Code is the kind of an [Error], for programs.
type Code string

const (
	CodeDialect Code = "dialect" // the dialect cannot be read with

	// The file as a whole.
	CodeEmptyFile Code = "emptyFile" // no byte but a byte order mark and one line end
	CodeForeign   Code = "foreign"   // a picture, an archive or something else that is no text
	CodeEncoding  Code = "encoding"  // its byte order mark is that of another encoding

	// The header, or the first row.
	CodeHeaderTooLarge  Code = "headerTooLarge"  // over MaxHeader
	CodeTooManyColumns  Code = "tooManyColumns"  // over MaxColumns
	CodeEmptyName       Code = "emptyName"       // or of white space only
	CodeLongName        Code = "longName"        // over MaxName
	CodeUnprintableName Code = "unprintableName" // with a control character or the like
	CodeReservedName    Code = "reservedName"    // _timestamp or _job
	CodeDuplicateName   Code = "duplicateName"

	// A row as a whole: Column is 0, Line is where it starts.
	CodeTooFewCells  Code = "tooFewCells"
	CodeTooManyCells Code = "tooManyCells"
	CodeRowTooLarge  Code = "rowTooLarge" // over MaxRow

	// A cell.
	CodeUnterminatedQuote Code = "unterminatedQuote" // Line is where the quote opens
	CodeStrayQuote        Code = "strayQuote"        // a quote inside an unquoted cell
	CodeTextAfterQuote    Code = "textAfterQuote"    // more of the cell after its closing quote
	CodeLoneCR            Code = "loneCR"            // CR without LF outside quotes
	CodeDanglingEscape    Code = "danglingEscape"    // nothing follows the escape
	CodeNUL               Code = "nul"
	CodeNotUTF8           Code = "notUTF8"
	CodeNotUTF16          Code = "notUTF16"       // half of a character
	CodeNotWindows1252    Code = "notWindows1252" // a byte that stands for nothing there
	CodeCellTooLarge      Code = "cellTooLarge"   // over MaxCell; Line is where the cell starts
)

// wrongText is the code for a byte that is not of an encoding.
func wrongText(e Encoding) Code {
	switch e {
	case UTF16LE, UTF16BE:
		return CodeNotUTF16
	case Windows1252:
		return CodeNotWindows1252
	}
	return CodeNotUTF8
}
