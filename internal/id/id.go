// Package id makes secrets. Row ids come from the database, see db.Tx.NewID.
package id

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash/crc32"
	"strings"
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

const (
	codeStart  = "stw_"
	codeLength = 43 // of 62 signs: 256 bits
	sumLength  = 6
	base62     = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// Code is a secret of 256 random bits for links and for people to copy: stw_, 43 signs
// of base 62, _, and six of their CRC-32 (IEEE), so that programs recognize one and a
// slip of the keyboard is seen.
func Code() string {
	out := make([]byte, 0, codeLength)
	var b [64]byte
	for len(out) < codeLength {
		_, _ = rand.Read(b[:])
		for _, x := range b {
			if x < 4*62 && len(out) < codeLength { // what is above would favour some signs
				out = append(out, base62[x%62])
			}
		}
	}
	return codeStart + string(out) + "_" + codeSum(string(out))
}

// IsCode reports whether a text has the form and the checksum of a Code. What has not
// was never given out, and need not be looked for.
func IsCode(text string) bool {
	body, ok := strings.CutPrefix(text, codeStart)
	if !ok || len(body) != codeLength+1+sumLength || body[codeLength] != '_' {
		return false
	}
	return codeSum(body[:codeLength]) == body[codeLength+1:]
}

func codeSum(text string) string {
	n := crc32.ChecksumIEEE([]byte(text))
	var out [sumLength]byte
	for i := len(out) - 1; i >= 0; i-- {
		out[i], n = base62[n%62], n/62
	}
	return string(out[:])
}
