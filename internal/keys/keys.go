// Package keys holds the installation's key material: one ring of master keys in a
// file of mode 0600, from which the key of each purpose is derived (HKDF-SHA-256,
// RFC 5869). Every value that is made with a key names the key's id, so that a new
// key can be added while old values stay readable.
package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"steward/internal/control"
)

// Purpose separates the keys: a value made for one purpose means nothing for another.
type Purpose string

// The purposes in use.
const (
	Pepper   Purpose = "password pepper"
	Token    Purpose = "token hmac"
	Factor   Purpose = "second factor"
	Recovery Purpose = "recovery codes"
	Letter   Purpose = "mail"
	Flow     Purpose = "sign-in by a provider"
)

const masterBytes = 32

// Ring is the set of master keys. It is immutable and safe for concurrent use.
type Ring struct {
	keys []master // the last one is current
}

type master struct {
	ID     string `json:"id"`
	Secret string `json:"secret"` // hex
}

// Open reads the ring from a file, and makes the file with one new key when it does
// not exist. It fails when others than the owner may read the file, and when the
// content is not what this package wrote.
func Open(path string) (*Ring, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return create(path)
	case err != nil:
		return nil, fmt.Errorf("keys: %w", err)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("keys: %s may be read by others (mode %04o); run: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	var r Ring
	if err := json.Unmarshal(raw, &r.keys); err != nil {
		return nil, fmt.Errorf("keys: %s is not a key file: %w", path, err)
	}
	if len(r.keys) == 0 {
		return nil, fmt.Errorf("keys: %s holds no key", path)
	}
	for _, k := range r.keys {
		if b, err := hex.DecodeString(k.Secret); err != nil || len(b) != masterBytes || k.ID == "" {
			return nil, fmt.Errorf("keys: %s: key %q is damaged", path, k.ID)
		}
	}
	return &r, nil
}

// create writes a ring with one new key. Two processes that start at once agree on
// the file that was there first.
func create(path string) (*Ring, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	var secret [masterBytes]byte
	_, _ = rand.Read(secret[:])
	raw, err := json.Marshal([]master{{ID: newID(), Secret: hex.EncodeToString(secret[:])}})
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "new-*")
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	if _, err = tmp.Write(raw); err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("keys: %w", err)
	}
	folder, err := os.Open(filepath.Dir(path)) // the name must last as long as what is hashed with the key
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return Open(path)
}

func newID() string {
	var b [4]byte
	_, _ = rand.Read(b[:])
	return "k" + hex.EncodeToString(b[:])
}

// Current is the id of the key that new values are made with.
func (r *Ring) Current() string { return r.keys[len(r.keys)-1].ID }

// MAC is the HMAC-SHA-256 of data with the key of this id and purpose. It fails when
// the ring has no such key.
func (r *Ring) MAC(keyID string, p Purpose, data []byte) ([]byte, error) {
	key, err := r.derive(keyID, p)
	if err != nil {
		return nil, err
	}
	m := hmac.New(sha256.New, key)
	m.Write(data)
	return m.Sum(nil), nil
}

// Seal encrypts and authenticates a text with the current key (AES-256-GCM, NIST SP
// 800-38D). place says where the text is kept, such as "users/7": sealed text that is
// moved to another place does not open. The result names the key and is printable.
func (r *Ring) Seal(p Purpose, place string, plain []byte) (string, error) {
	id := r.Current()
	box, err := r.box(id, p)
	if err != nil {
		return "", err
	}
	return id + ":" + base64.RawStdEncoding.EncodeToString(box.Seal(nil, nil, plain, bound(place))), nil
}

// Unseal gives back what Seal was given for the same purpose and place. It fails when
// the key is missing and when the sealed text was changed or comes from elsewhere.
func (r *Ring) Unseal(p Purpose, place, sealed string) ([]byte, error) {
	id, text, _ := strings.Cut(sealed, ":")
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("keys: sealed text: %w", err)
	}
	box, err := r.box(id, p)
	if err != nil {
		return nil, err
	}
	plain, err := box.Open(nil, nil, raw, bound(place))
	if err != nil {
		return nil, fmt.Errorf("keys: sealed text of %s: %w", place, err)
	}
	return plain, nil
}

// bound is what a sealed text is authenticated with.
func bound(place string) []byte {
	if !control.On(control.SealedInPlace) {
		return nil
	}
	return []byte(place)
}

func (r *Ring) box(keyID string, p Purpose) (cipher.AEAD, error) {
	key, err := r.derive(keyID, p)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	box, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return box, nil
}

func (r *Ring) derive(keyID string, p Purpose) ([]byte, error) {
	i := slices.IndexFunc(r.keys, func(k master) bool { return k.ID == keyID })
	if i < 0 {
		return nil, fmt.Errorf("keys: key %q is missing", keyID)
	}
	secret, err := hex.DecodeString(r.keys[i].Secret)
	if err != nil {
		return nil, fmt.Errorf("keys: key %q is damaged", keyID)
	}
	key, err := hkdf.Key(sha256.New, secret, nil, string(p), sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return key, nil
}
