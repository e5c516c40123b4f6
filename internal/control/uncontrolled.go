//go:build uncontrolled

// Package control names the controls that keep people out of what is not theirs, so that
// each can be switched off to see that a test fails without it. The variable
// STEWARD_CONTROL_OFF names the one that is off.
package control

import "os"

// On reports whether a control is applied.
func On(n Name) bool { return os.Getenv("STEWARD_CONTROL_OFF") != string(n) }
