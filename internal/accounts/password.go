package accounts

import (
	"context"
	"encoding/base64"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/alexedwards/argon2id"

	"steward/internal/fault"
	"steward/internal/keys"
)

// Length of a password in bytes.
const (
	PasswordMin = 15
	PasswordMax = 256
)

// CheckPassword is Invalid for a password that is too short or too long. Any
// characters will do, and they are kept as typed.
func CheckPassword(password string) error {
	var c fault.Check
	c.Field(len(password) >= PasswordMin, "password", fmt.Sprintf("Use at least %d characters. A few words in a row make a good password.", PasswordMin))
	c.Field(len(password) <= PasswordMax, "password", fmt.Sprintf("Use at most %d bytes.", PasswordMax))
	return c.Err()
}

// Hashed is a password as it is kept.
type Hashed struct{ hash, pepperKey string }

// hasher bounds the work of hashing: as many at once as there are cores, a short
// queue, and a clear refusal past that, because a hash is the cheapest way to load
// the server.
type hasher struct {
	running chan struct{}
	waiting chan struct{}
	params  *argon2id.Params
	// dummy is compared with when there is no account, so that the answer takes as long.
	dummy func() string
}

const (
	hashQueue = 50
	hashWait  = 2 * time.Second
)

func newHasher() hasher {
	params := &argon2id.Params{Memory: 19456, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}
	return hasher{
		running: make(chan struct{}, runtime.GOMAXPROCS(0)),
		waiting: make(chan struct{}, hashQueue),
		params:  params,
		dummy: sync.OnceValue(func() string {
			h, err := argon2id.CreateHash("no account has this", params)
			if err != nil {
				return ""
			}
			return h
		}),
	}
}

// do runs a hash when its turn comes. Unavailable, with the time to wait, when too
// many are queued or the turn does not come in two seconds.
func (h hasher) do(ctx context.Context, hash func() error) error {
	busy := fault.New(fault.Unavailable, "accounts.busy", "Too many people are signing in at this moment. Try again in a few seconds.")
	busy.RetryAfter = 3 * time.Second
	select {
	case h.waiting <- struct{}{}:
		defer func() { <-h.waiting }()
	default:
		return busy
	}
	timer := time.NewTimer(hashWait)
	defer timer.Stop()
	select {
	case h.running <- struct{}{}:
		defer func() { <-h.running }()
	case <-timer.C:
		return busy
	case <-ctx.Done():
		return ctx.Err()
	}
	return hash()
}

// Hash checks a new password and hashes it (argon2id over an HMAC with the pepper).
// Invalid for its length; Unavailable when too many hashes are running.
func (s *Service) Hash(ctx context.Context, password string) (Hashed, error) {
	if err := CheckPassword(password); err != nil {
		return Hashed{}, err
	}
	return s.hash(ctx, password)
}

func (s *Service) hash(ctx context.Context, password string) (Hashed, error) {
	key := s.keys.Current()
	peppered, err := s.pepper(key, password)
	if err != nil {
		return Hashed{}, err
	}
	out := Hashed{pepperKey: key}
	err = s.hashes.do(ctx, func() error {
		out.hash, err = argon2id.CreateHash(peppered, s.hashes.params)
		return err
	})
	return out, err
}

// verify reports whether a password is the user's. It takes as long for a user that
// does not exist (the zero User).
func (s *Service) verify(ctx context.Context, u User, password string) (ok, stale bool, err error) {
	if len(password) > PasswordMax {
		password = password[:PasswordMax]
		u = User{}
	}
	key, hash := u.pepperKey, u.passwordHash
	if hash == "" {
		key, hash = s.keys.Current(), s.hashes.dummy()
	}
	peppered, err := s.pepper(key, password)
	if err != nil {
		return false, false, err
	}
	err = s.hashes.do(ctx, func() error {
		var params *argon2id.Params
		ok, params, err = argon2id.CheckHash(peppered, hash)
		if err == nil {
			stale = *params != *s.hashes.params || key != s.keys.Current()
		}
		return err
	})
	return ok && u.passwordHash != "", stale, err
}

func (s *Service) pepper(key, password string) (string, error) {
	mac, err := s.keys.MAC(key, keys.Pepper, []byte(password))
	if err != nil {
		return "", err
	}
	return base64.RawStdEncoding.EncodeToString(mac), nil
}
