package main

import (
	"bytes"
	"os"
	"testing"
)

// TestASVS_15_2_3: what is there for tests alone, to switch controls off and to stop at
// steps, is no part of the program that people run. This test's own binary is that program
// and the tests.
func TestASVS_15_2_3(t *testing.T) {
	t.Parallel()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	variable := func(name string) []byte { return append([]byte("STEWARD_"), name...) } // whole nowhere in the tests
	if !bytes.Contains(program, variable("PUBLIC_URL")) {
		t.Error("this is not the program")
	}
	for _, name := range []string{"CONTROL_OFF", "FAILPOINT"} {
		if bytes.Contains(program, variable(name)) {
			t.Errorf("the program asks for STEWARD_%s", name)
		}
	}
}
