// Package demo makes a lived-in installation through the real services, with a clock
// that it moves through the past year, and real public data.
package demo

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/app"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/storage/csv"
	"steward/internal/tenancy"
)

//go:embed data/*.csv.gz
var data embed.FS

// Password signs in every account of the demo.
const Password = "a-quiet-river-runs"

// World tells scripts what the demo made. Its JSON form is a contract: all keys are
// always there.
type World struct {
	URL      string    `json:"url"`
	Accounts []Account `json:"accounts"`
	Tokens   []Token   `json:"tokens"`
	Projects []Project `json:"projects"`
	Mailbox  *string   `json:"mailbox"`
}

// Account is a person of the demo and what they are.
type Account struct {
	Email      string  `json:"email"`
	Password   string  `json:"password"`
	Role       string  `json:"role"`
	Project    *int64  `json:"project"`
	TOTPSecret *string `json:"totpSecret"`
}

// Token is a storage token of the demo.
type Token struct {
	Description string `json:"description"`
	Token       string `json:"token"`
	Project     int64  `json:"project"`
	Kind        string `json:"kind"`
}

// Project is a project of the demo.
type Project struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// Clock is a clock that runs, some time in the past until it is set to now.
type Clock struct{ behind atomic.Int64 }

// Now is the clock's time.
func (c *Clock) Now() time.Time { return time.Now().Add(-time.Duration(c.behind.Load())) }

// Set moves the clock to a time before now, from where it runs on.
func (c *Clock) Set(t time.Time) { c.behind.Store(int64(time.Since(t))) }

// Forward moves the clock on by d, to now at most.
func (c *Clock) Forward(d time.Duration) { c.behind.Store(max(0, c.behind.Load()-int64(d))) }

// Present sets the clock to now.
func (c *Clock) Present() { c.behind.Store(0) }

const marker = "demo world"

// Build makes the world in an empty installation, or gives the one that is there. It
// fails on an installation that holds anything else.
func Build(ctx context.Context, a *app.App, clock *Clock, say func(string)) (World, error) {
	var w World
	var raw string
	var people int64
	err := a.DB.View(ctx, func(tx *db.Tx) error {
		var err error
		if raw, err = db.Value[string](tx, "SELECT value FROM installation WHERE name = $1", marker); err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		people, err = db.Value[int64](tx, "SELECT count(*) FROM users")
		return err
	})
	switch {
	case err != nil:
		return w, err
	case raw != "":
		return w, json.Unmarshal([]byte(raw), &w)
	case people > 0:
		return w, fmt.Errorf("demo: the installation holds something else, or a world that was not finished; choose an empty folder or database")
	}
	b := &builder{ctx: ctx, app: a, clock: clock, say: say, users: map[string]accounts.User{}, secrets: map[string]string{}}
	clock.Set(time.Now().AddDate(-1, 0, 0).Truncate(24 * time.Hour).Add(8 * time.Hour))
	if err := b.world(); err != nil {
		return w, fmt.Errorf("demo: %w", err)
	}
	clock.Present()
	b.out.Tokens = []Token{}
	encoded, err := json.Marshal(b.out)
	if err != nil {
		return w, err
	}
	return b.out, a.DB.Update(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec("INSERT INTO installation (name, value) VALUES ($1, $2)", marker, string(encoded))
		return err
	})
}

type builder struct {
	ctx     context.Context
	app     *app.App
	clock   *Clock
	say     func(string)
	users   map[string]accounts.User
	secrets map[string]string // of second factors, by address
	out     World
}

// step moves the clock forward and tells what comes.
func (b *builder) step(d time.Duration, what string) {
	b.clock.Forward(d)
	b.say(what)
}

func (b *builder) update(fn func(*db.Tx) error) error { return b.app.DB.Update(b.ctx, fn) }

// user makes a person. The first one makes themselves, the others are made by her.
func (b *builder) user(email, name string, super bool) (accounts.User, error) {
	hash, err := b.app.Accounts.Hash(b.ctx, Password)
	if err != nil {
		return accounts.User{}, err
	}
	var u accounts.User
	err = b.update(func(tx *db.Tx) error {
		u, err = b.app.Accounts.Create(tx, b.users["vera@steward.example"].Actor(), accounts.NewUser{Email: email, Name: name, SuperAdmin: super}, hash)
		return err
	})
	b.users[email] = u
	return u, err
}

func (b *builder) account(u accounts.User, role string, project int64) {
	a := Account{Email: u.Email, Password: Password, Role: role}
	if project != 0 {
		a.Project = &project
	}
	if secret, ok := b.secrets[u.Email]; ok {
		a.TOTPSecret = &secret
	}
	b.out.Accounts = append(b.out.Accounts, a)
}

// scope is what a person may do in a project.
func (b *builder) scope(email string, project int64) (access.Project, error) {
	var s access.Project
	err := b.app.DB.View(b.ctx, func(tx *db.Tx) (err error) {
		s, err = tenancy.Enter(tx, b.users[email].Actor(), project, access.ProjectRead)
		return err
	})
	return s, err
}

// request gives changes the address that the events of a real visit would name.
func (b *builder) request() context.Context {
	return audit.WithRequest(b.ctx, audit.Request{Address: "192.0.2.17", UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"})
}

func (b *builder) bucket(s access.Project, stage storage.Stage, name, display, description string) error {
	return b.app.DB.Update(b.request(), func(tx *db.Tx) error {
		_, err := b.app.Storage.CreateBucket(tx, s, storage.NewBucket{Stage: stage, Name: name, DisplayName: display, Description: description})
		return err
	})
}

// load uploads bytes as a file and loads it; the job runs before load returns.
func (b *builder) load(s access.Project, file string, content []byte, into string, more bool, d csv.Dialect) error {
	dot := strings.LastIndexByte(into, '.')
	_, err := b.start(s, file, content, storage.Load{Bucket: into[:dot], Table: into[dot+1:], Append: more, Dialect: d})
	return err
}

// loadAs is load with all that a load can be told. It fails when the job does not end in
// this state.
func (b *builder) loadAs(s access.Project, file string, content []byte, l storage.Load, ends jobs.State) error {
	j, err := b.start(s, file, content, l)
	if err == nil && j.State != ends {
		err = fmt.Errorf("job %d, %s of %s, ends in %s: %s", j.ID, j.Operation, file, j.State, j.ErrorMessage)
	}
	return err
}

func (b *builder) start(s access.Project, file string, content []byte, l storage.Load) (jobs.Job, error) {
	f, err := b.app.Storage.Upload(b.request(), s, file, bytes.NewReader(content))
	if err != nil {
		return jobs.Job{}, err
	}
	l.File = f.ID
	return b.run(s, func(tx *db.Tx) (jobs.Job, error) { return b.app.Storage.StartLoad(tx, s, l) })
}

// do starts a job and runs it; it fails when the job does.
func (b *builder) do(s access.Project, start func(*db.Tx) (jobs.Job, error)) error {
	j, err := b.run(s, start)
	if err == nil && j.State != jobs.Success {
		err = fmt.Errorf("job %d, %s of %s, ends in %s: %s", j.ID, j.Operation, j.Table, j.State, j.ErrorMessage)
	}
	return err
}

// run starts a job, runs it and gives what became of it.
func (b *builder) run(s access.Project, start func(*db.Tx) (jobs.Job, error)) (j jobs.Job, err error) {
	if err = b.app.DB.Update(b.request(), func(tx *db.Tx) (err error) { j, err = start(tx); return err }); err != nil {
		return j, err
	}
	if err = b.app.Jobs.Drain(b.ctx, jobs.Storage); err != nil {
		return j, err
	}
	err = b.app.DB.View(b.ctx, func(tx *db.Tx) (err error) { j, err = b.app.Jobs.Get(tx, s, j.ID); return err })
	return j, err
}

// read gives a data file, expanded.
func read(name string) ([]byte, error) {
	packed, err := data.ReadFile("data/" + name)
	if err != nil {
		return nil, err
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// pack compresses a file as people send them.
func pack(content []byte) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	err := w.Close()
	return b.Bytes(), err
}
