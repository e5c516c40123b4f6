// Package fault is the one error type that crosses packages. A fault carries two
// texts: Message is safe to show to people, the wrapped cause is for the log.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Kind says what went wrong in terms that the outside understands; web maps each
// kind to one HTTP status.
type Kind uint8

// The kinds. Internal is the kind of every error that is no fault.
const (
	Internal        Kind = iota
	Invalid              // the input breaks a rule; Fields may say where
	NotFound             // there is no such thing, or none that the caller may know of
	Unauthenticated      // nobody is signed in
	Forbidden            // the actor is known and may not
	Conflict             // the state changed or the name is taken
	TooMany              // a rate limit; RetryAfter says when to try again
	TooLarge             // the input is over a size limit
	Unavailable          // the system cannot do it now; RetryAfter may say when
	Full                 // no space is left on the disk or in the database
)

// Field is a message about one input field, named as in the form.
type Field struct {
	Name    string
	Message string
}

// Error is a fault. Code is a stable dotted word for programs, such as
// "storage.buckets.exists"; it may be empty.
type Error struct {
	Kind       Kind
	Code       string
	Message    string
	Fields     []Field
	RetryAfter time.Duration
	Err        error
}

// Error gives the message and, when there is one, the cause. It is for logs.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	if e.Message == "" {
		return e.Err.Error()
	}
	return e.Message + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes a fault with a message for people.
func New(kind Kind, code, message string) *Error {
	return &Error{Kind: kind, Code: code, Message: message}
}

// Newf is New with a format. The operands end up in a text that people see.
func Newf(kind Kind, code, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap gives a cause a kind and a message for people.
func Wrap(err error, kind Kind, code, message string) *Error {
	return &Error{Kind: kind, Code: code, Message: message, Err: err}
}

// Of returns the first fault in the chain of err, or nil.
func Of(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// KindOf is the kind of the first fault in the chain of err, Internal when there is none.
func KindOf(err error) Kind {
	if e := Of(err); e != nil {
		return e.Kind
	}
	return Internal
}

// Is reports whether err is a fault of this kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }

// HasCode reports whether err is a fault with this code.
func HasCode(err error, code string) bool {
	e := Of(err)
	return e != nil && e.Code == code
}

// Check collects the field errors of one form.
type Check struct{ fields []Field }

// Field notes a message for a field unless ok.
func (c *Check) Field(ok bool, name, message string) {
	if !ok {
		c.fields = append(c.fields, Field{name, message})
	}
}

// Err is nil when every check passed, otherwise an Invalid fault with the fields.
func (c *Check) Err() error {
	if len(c.fields) == 0 {
		return nil
	}
	return &Error{Kind: Invalid, Code: "validation", Message: c.fields[0].Message, Fields: c.fields}
}

// Join appends the field errors of another Invalid fault; any other error is returned.
func (c *Check) Join(err error) error {
	if err == nil {
		return nil
	}
	if e := Of(err); e != nil && e.Kind == Invalid && len(e.Fields) > 0 {
		c.fields = append(c.fields, e.Fields...)
		return nil
	}
	return err
}
