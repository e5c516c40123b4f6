package tenancy

import (
	"context"
	"strings"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/id"
)

const setupCode = "setup code"

// SetupCode gives a new code for the first run, replacing the one before. It gives ""
// when the installation has people already.
func SetupCode(ctx context.Context, d *db.DB) (string, error) {
	code := id.Secret()
	err := d.Update(ctx, func(tx *db.Tx) error {
		n, err := db.Value[int64](tx, "SELECT count(*) FROM (SELECT id FROM users LIMIT 1) any_user")
		if err != nil || n > 0 {
			code = ""
			return err
		}
		_, err = tx.Exec("INSERT INTO installation (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value", setupCode, id.Digest(code))
		return err
	})
	return code, err
}

// CheckSetup is Forbidden unless the code is the one of the first run and still unused.
func CheckSetup(tx *db.Tx, code string) error {
	_, err := db.Value[string](tx, "SELECT value FROM installation WHERE name = $1 AND value = $2", setupCode, id.Digest(code))
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.Forbidden, "setup.used", "This set-up link is not valid any more. The program prints a new one at each start, as long as nobody has an account.")
	}
	return err
}

// FirstRun is what the first person tells about an installation.
type FirstRun struct {
	Code         string
	User         accounts.NewUser
	Maintainer   string
	Organization string
	Project      string
}

// Setup makes the first super admin, maintainer, organization and project, and uses the
// code up. Forbidden for a wrong or used code, Invalid for the fields.
func Setup(ctx context.Context, d *db.DB, people *accounts.Service, f FirstRun) (Project, error) {
	if err := d.View(ctx, func(tx *db.Tx) error { return CheckSetup(tx, f.Code) }); err != nil {
		return Project{}, err
	}
	var c fault.Check
	_, err := accounts.NormalizeEmail(f.User.Email)
	local, _, _ := strings.Cut(f.User.Email, "@")
	words := []string{f.User.Name, local, f.Maintainer, f.Organization, f.Project}
	for _, err := range []error{
		accounts.CheckName("name", "your name", f.User.Name), err, people.CheckPassword(ctx, f.User.Password, words...),
		accounts.CheckName("maintainer", "a name for the maintainer", f.Maintainer),
		accounts.CheckName("organization", "a name for the organization", f.Organization),
		accounts.CheckName("project", "a name for the project", f.Project),
	} {
		if err := c.Join(err); err != nil {
			return Project{}, err
		}
	}
	if err := c.Err(); err != nil {
		return Project{}, err
	}
	hash, err := people.Hash(ctx, f.User.Password, words...)
	if err != nil {
		return Project{}, err
	}
	f.User.SuperAdmin = true
	var p Project
	err = d.Update(ctx, func(tx *db.Tx) error {
		if err := CheckSetup(tx, f.Code); err != nil {
			return err
		}
		if err := tx.Must("DELETE FROM installation WHERE name = $1", setupCode); err != nil {
			return err
		}
		u, err := people.Create(tx, access.Actor{}, f.User, hash)
		if err != nil {
			return err
		}
		by := u.Actor()
		m, err := CreateMaintainer(tx, by, f.Maintainer)
		if err != nil {
			return err
		}
		if err := JoinMaintainer(tx, by, m.ID, u); err != nil {
			return err
		}
		o, err := CreateOrganization(tx, by, m.ID, f.Organization, u)
		if err != nil {
			return err
		}
		if p, err = CreateProject(tx, by, NewProject{Organization: o.ID, Name: f.Project, Member: u}); err != nil {
			return err
		}
		return audit.Record(tx, audit.By(by, "installation.setUp", "installation", "", "").Says("%s set the installation up.", u.Name))
	})
	return p, err
}
