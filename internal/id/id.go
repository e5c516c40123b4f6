// Package id makes secrets. Row ids come from the database, see db.Tx.NewID.
package id

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
)

// Secret is 256 bits from the system's random source as 43 URL-safe characters.
func Secret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24: the program stops instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Short is 80 random bits in hex, for names that must
// not collide but are no secret, such as a process id or a request id.
func Short() string {
	var b [10]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Digest is the SHA-256 of a secret in hex, which is what the database keeps of it.
// A secret of 256 random bits needs no slow hash.
func Digest(secret string) string {
	h := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(h[:])
}
