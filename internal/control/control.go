//go:build !uncontrolled

// Package control names the controls that keep people out of what is not theirs, so that
// each can be switched off to see that a test fails without it (cmd/asvs does). In the
// program that people run none can be switched off: the compiler leaves no trace of the
// question.
package control

// On reports whether a control is applied. It always is.
func On(Name) bool { return true }
