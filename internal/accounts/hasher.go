package accounts

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/minio/argon2"

	"steward/internal/control"
	"steward/internal/fault"
)

// hasher computes argon2id, and bounds that work: one core stays free for everybody else
// (of a single one it takes two thirds), a short queue, and a clear refusal past that,
// because a hash is the cheapest way to load the server.
type hasher struct {
	turns  chan struct{}
	mu     sync.Mutex
	places map[string]int // in the queue, by who holds them
	taken  int
	params argon2id.Params
	// key is argon2id with the parameters, in memory that the next one uses again. Taken
	// anew for each (as x/crypto does), 19 MiB would have the collector run after nearly
	// every one, which costs those who only open a page more than the hash does.
	key func(password, salt, secret, data []byte, length uint32) []byte
	// nobody is a hash to compare with when there is no account, so that the answer takes
	// as long.
	nobody func() string
}

const (
	hashQueue = 50
	hashShare = 5 // places of one person, or of one sender
	hashWait  = 2 * time.Second
	hashRest  = 20 * time.Millisecond // at most, and half as long as the hash
)

func newHasher() *hasher {
	h := &hasher{
		turns:  make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1)),
		places: map[string]int{},
		params: argon2id.Params{Memory: 19456, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32},
	}
	h.key = argon2.NewIDKey(h.params.Iterations, h.params.Memory, h.params.Parallelism)
	h.nobody = sync.OnceValue(func() string { return h.create("no account has this") })
	return h
}

// queue takes a place among those who wait for a hash, until leave is called. Unavailable,
// with the time to wait, when none is free, or when one person or sender holds their share:
// that costs nothing, so it comes before anything else that a flood could make the server do.
func (h *hasher) queue(who string) (leave func(), err error) {
	if !control.On(control.SignInQueue) {
		return func() {}, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.taken >= hashQueue || h.places[who] >= hashShare {
		return nil, busy()
	}
	h.taken++
	h.places[who]++
	return func() { h.leave(who) }, nil
}

func (h *hasher) leave(who string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taken--
	if h.places[who]--; h.places[who] == 0 {
		delete(h.places, who)
	}
}

// run runs a hash for somebody with a place in the queue. Unavailable, with the time to
// wait, when the turn does not come in two seconds. The next turn begins only after a rest,
// so that a flood never has a core for itself.
func (h *hasher) run(ctx context.Context, hash func() error) error {
	timer := time.NewTimer(hashWait)
	defer timer.Stop()
	select {
	case h.turns <- struct{}{}:
	case <-timer.C:
		return busy()
	case <-ctx.Done():
		return ctx.Err()
	}
	start := time.Now()
	defer func() { time.AfterFunc(min(time.Since(start)/2, hashRest), func() { <-h.turns }) }()
	return hash()
}

func busy() error {
	e := fault.New(fault.Unavailable, "accounts.busy", "Too many people are signing in at this moment. Try again in a few seconds.")
	e.RetryAfter = 3 * time.Second
	return e
}

// create hashes a password, in the format of the reference implementation of Argon2 that
// argon2id.DecodeHash reads.
func (h *hasher) create(password string) string {
	salt := make([]byte, h.params.SaltLength)
	_, _ = rand.Read(salt) // never fails
	key := h.key([]byte(password), salt, nil, nil, h.params.KeyLength)
	text := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.params.Memory, h.params.Iterations, h.params.Parallelism, text(salt), text(key))
}

// matches reports whether a hash is the password's, and whether it was made with other
// parameters than create uses.
func (h *hasher) matches(password, hash string) (ok, stale bool, err error) {
	params, salt, key, err := argon2id.DecodeHash(hash)
	if err != nil {
		return false, false, err
	}
	if *params != h.params {
		ok, err = argon2id.ComparePasswordAndHash(password, hash)
		return ok, true, err
	}
	return subtle.ConstantTimeCompare(key, h.key([]byte(password), salt, nil, nil, h.params.KeyLength)) == 1, false, nil
}
