package breached_test

import (
	"strings"
	"testing"

	"steward/internal/breached"
)

func BenchmarkHas(b *testing.B) {
	l, err := breached.Open("")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := l.Has(""); err != nil {
		b.Fatal(err)
	}
	for name, password := range map[string]string{
		"common":     "passwordpassword1",
		"passphrase": "correct horse battery",
		"long":       strings.Repeat("p4s$w0rd1!T7@correct-horse", 10)[:256],
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := l.Has(password); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
