// Package tenancy is who owns what: maintainers have organizations, organizations have
// projects, projects have branches and members. Membership at one level gives none at
// another.
package tenancy

import (
	"fmt"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/db"
)

// Maintainer owns organizations.
type Maintainer struct {
	ID   int64
	Name string
}

// Organization owns projects.
type Organization struct {
	ID         int64
	Maintainer int64
	Name       string
}

// CreateMaintainer makes a maintainer with its first member. The caller has decided
// that the actor may.
func CreateMaintainer(tx *db.Tx, a access.Actor, name string, member int64) (Maintainer, error) {
	if err := accounts.CheckName("maintainer", "a name for the maintainer", name); err != nil {
		return Maintainer{}, err
	}
	id, err := tx.NewID("maintainers")
	if err != nil {
		return Maintainer{}, err
	}
	if _, err := tx.Exec("INSERT INTO maintainers (id, name, created_at) VALUES ($1, $2, $3)", id, name, tx.Now); err != nil {
		return Maintainer{}, err
	}
	if err := JoinMaintainer(tx, a, id, member); err != nil {
		return Maintainer{}, err
	}
	return Maintainer{id, name}, audit.Record(tx, audit.By(a, "maintainer.created", "maintainer", fmt.Sprint(id), name).Says("%s created the maintainer %q.", a.Name, name))
}

// JoinMaintainer makes a person a member of a maintainer.
func JoinMaintainer(tx *db.Tx, a access.Actor, maintainer, user int64) error {
	if _, err := tx.Exec("INSERT INTO maintainer_members (maintainer_id, user_id, joined_at) VALUES ($1, $2, $3)", maintainer, user, tx.Now); err != nil {
		return err
	}
	return audit.Record(tx, audit.By(a, "maintainer.memberAdded", "maintainer", fmt.Sprint(maintainer), "").Says("%s made user %d a member of maintainer %d.", a.Name, user, maintainer))
}

// CreateOrganization makes an organization of a maintainer with its first member. The
// caller has decided that the actor may.
func CreateOrganization(tx *db.Tx, a access.Actor, maintainer int64, name string, member int64) (Organization, error) {
	if err := accounts.CheckName("organization", "a name for the organization", name); err != nil {
		return Organization{}, err
	}
	id, err := tx.NewID("organizations")
	if err != nil {
		return Organization{}, err
	}
	if _, err := tx.Exec("INSERT INTO organizations (id, maintainer_id, name, allow_auto_join, created_at) VALUES ($1, $2, $3, $4, $5)",
		id, maintainer, name, true, tx.Now); err != nil {
		return Organization{}, err
	}
	if err := JoinOrganization(tx, a, id, member); err != nil {
		return Organization{}, err
	}
	e := audit.By(a, "organization.created", "organization", fmt.Sprint(id), name)
	e.Organization = id
	return Organization{id, maintainer, name}, audit.Record(tx, e.Says("%s created the organization %q.", a.Name, name))
}

// JoinOrganization makes a person a member of an organization.
func JoinOrganization(tx *db.Tx, a access.Actor, organization, user int64) error {
	if _, err := tx.Exec("INSERT INTO organization_members (organization_id, user_id, joined_at) VALUES ($1, $2, $3)", organization, user, tx.Now); err != nil {
		return err
	}
	e := audit.By(a, "organization.memberAdded", "organization", fmt.Sprint(organization), "")
	e.Organization = organization
	return audit.Record(tx, e.Says("%s made user %d a member of organization %d.", a.Name, user, organization))
}
