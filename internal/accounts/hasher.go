package accounts

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/minio/argon2"

	"steward/internal/control"
	"steward/internal/fault"
)

// hasher computes argon2id, and bounds that work: one core stays free for everybody else
// (of a single one it takes two thirds), a short queue, and a clear refusal past that,
// because a hash is the cheapest way to load the server. Who waits is served in turn with
// the others who wait, however many places each of them holds.
type hasher struct {
	mu      sync.Mutex
	holders map[string]*holder // of places in the queue, by who they are
	taken   int                // places
	line    []*holder          // those of whose hashes some wait, in the order of their turns
	turns   int                // that nobody has
	params  argon2id.Params
	// key is argon2id with the parameters, in memory that the next one uses again. Taken
	// anew for each (as x/crypto does), 19 MiB would have the collector run after nearly
	// every one, which costs those who only open a page more than the hash does.
	key func(password, salt, secret, data []byte, length uint32) []byte
	// nobody is a hash to compare with when there is no account, so that the answer takes
	// as long.
	nobody func() string
}

// holder is a person or a sender in the queue.
type holder struct {
	places  int
	waiting []chan struct{} // for a turn, first come first; closed when it comes
}

// place is one in the queue, until it is left.
type place struct {
	hasher *hasher
	who    string
}

const (
	hashQueue = 50
	hashShare = 5 // places of one person, or of one sender
	hashWait  = 2 * time.Second
	hashRest  = 20 * time.Millisecond // at most, and half as long as the hash
)

func newHasher() *hasher {
	h := &hasher{
		turns:   max(1, runtime.GOMAXPROCS(0)-1),
		holders: map[string]*holder{},
		params:  argon2id.Params{Memory: 19456, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32},
	}
	h.key = argon2.NewIDKey(h.params.Iterations, h.params.Memory, h.params.Parallelism)
	h.nobody = sync.OnceValue(func() string { return h.create("no account has this") })
	return h
}

// queue takes a place among those who wait for a hash, to be left in the end. Unavailable,
// with the time to wait, when none is free, or when one person or sender holds their share:
// that costs nothing, so it comes before anything else that a flood could make the server do.
func (h *hasher) queue(who string) (*place, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	of := h.holders[who]
	if of == nil {
		of = &holder{}
	}
	if control.On(control.SignInQueue) && (h.taken >= hashQueue || of.places >= hashShare) {
		return nil, busy()
	}
	h.holders[who] = of
	h.taken++
	of.places++
	return &place{hasher: h, who: who}, nil
}

func (p *place) leave() {
	h := p.hasher
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taken--
	of := h.holders[p.who]
	if of.places--; of.places == 0 {
		delete(h.holders, p.who)
	}
}

// run runs a hash when its turn comes. Unavailable, with the time to wait, when that is not
// in two seconds. The next turn begins only after a rest, so that a flood never has a core
// for itself.
func (p *place) run(ctx context.Context, hash func() error) error {
	timer := time.NewTimer(hashWait)
	defer timer.Stop()
	turn := p.await()
	select {
	case <-turn:
	case <-timer.C:
		if p.forgo(turn) {
			return busy()
		}
	case <-ctx.Done():
		if p.forgo(turn) {
			return ctx.Err()
		}
	}
	start := time.Now()
	defer func() { time.AfterFunc(min(time.Since(start)/2, hashRest), p.hasher.turn) }()
	if err := ctx.Err(); err != nil {
		return err
	}
	return hash()
}

// await waits for a turn, which has come when the channel is closed.
func (p *place) await() chan struct{} {
	h := p.hasher
	h.mu.Lock()
	defer h.mu.Unlock()
	turn := make(chan struct{})
	of := h.holders[p.who]
	if of.waiting = append(of.waiting, turn); len(of.waiting) == 1 {
		h.line = append(h.line, of)
	}
	h.serve()
	return turn
}

// forgo takes back the wait for a turn, or reports that it has come.
func (p *place) forgo(turn chan struct{}) bool {
	h := p.hasher
	h.mu.Lock()
	defer h.mu.Unlock()
	of := h.holders[p.who]
	i := slices.Index(of.waiting, turn)
	if i < 0 {
		return false
	}
	if of.waiting = slices.Delete(of.waiting, i, i+1); len(of.waiting) == 0 {
		h.line = slices.DeleteFunc(h.line, func(o *holder) bool { return o == of })
	}
	return true
}

// turn gives a turn back.
func (h *hasher) turn() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.turns++
	h.serve()
}

// serve gives the free turns to those who wait, one to each holder before a second to any.
func (h *hasher) serve() {
	for h.turns > 0 && len(h.line) > 0 {
		of := h.line[0]
		h.line = h.line[1:]
		close(of.waiting[0])
		h.turns--
		if of.waiting = of.waiting[1:]; len(of.waiting) > 0 {
			h.line = append(h.line, of)
		}
	}
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
