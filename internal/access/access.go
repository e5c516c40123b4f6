// Package access decides who may do what. Who the actor is and what they are to a
// place comes in as facts; table.go holds the rules; the answer is a scope, a value
// that only this package makes, and without which no service does anything.
package access

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"steward/internal/fault"
)

// Role is a person's role in a project.
type Role string

// The roles. A standard project has the first four, a project under governed change
// management the last four.
const (
	Share             Role = "share"
	Admin             Role = "admin"
	Guest             Role = "guest"
	ReadOnly          Role = "readOnly"
	Developer         Role = "developer"
	Reviewer          Role = "reviewer"
	ProductionManager Role = "productionManager"
)

// Roles lists the roles that a kind of project has.
func Roles(governed bool) []Role {
	if governed {
		return []Role{ReadOnly, Developer, Reviewer, ProductionManager}
	}
	return []Role{Share, Admin, Guest, ReadOnly}
}

// Label is the role's name for people.
func (r Role) Label() string {
	switch r {
	case Share:
		return "Share"
	case Admin:
		return "Admin"
	case Guest:
		return "Guest"
	case ReadOnly:
		return "Read only"
	case Developer:
		return "Developer"
	case Reviewer:
		return "Reviewer"
	case ProductionManager:
		return "Production manager"
	}
	return string(r)
}

// Describe tells in one sentence what the role lets people do.
func (r Role) Describe() string {
	switch r {
	case Share:
		return "Everything in this project, and sharing its data with other projects of the organization."
	case Admin:
		return "Everything in this project: data, people, tokens and settings."
	case Guest:
		return "All work with data. No change of settings, people or tokens."
	case ReadOnly:
		return "Looks at everything, and changes and runs nothing."
	case Developer:
		return "Works in development branches and opens merge requests."
	case Reviewer:
		return "What a developer does, and approves the merge requests of others."
	case ProductionManager:
		return "Merges, runs production, and manages people, tokens and settings. Edits nothing in branches."
	}
	return ""
}

func (r Role) column() int {
	switch r {
	case Share:
		return 0
	case Admin:
		return 1
	case Guest:
		return 2
	case ReadOnly:
		return 3
	case Developer:
		return 4
	case Reviewer:
		return 5
	case ProductionManager:
		return 6
	}
	return 7 // no role: a member of the organization only
}

// Actor is who acts: a person who is signed in.
type Actor struct {
	UserID     int64
	Email      string
	Name       string
	SuperAdmin bool
	SessionID  int64
}

// Facts are what the actor is to a project.
type Facts struct {
	Role        Role // "" = no member
	OrgMember   bool
	Development bool  // the branch is a development branch of a governed project
	TokenID     int64 // the member's master token
	Visitor     bool  // in it for a time, from the maintainer or support
}

// Place is a branch of a project.
type Place struct {
	Project  int64
	Branch   int64
	Org      int64
	Governed bool
}

// Project is the proof that an actor may act in a branch of a project. Its zero
// value permits nothing.
type Project struct {
	actor Actor
	place Place
	facts Facts
}

// InProject gives the scope of an actor who holds a permission in a place. Forbidden
// if they do not; the sentence says what they are and what is needed. own tells that
// the object is the actor's.
func InProject(a Actor, at Place, f Facts, p Permission, own bool) (Project, error) {
	s := Project{a, at, f}
	if err := s.Require(p, own); err != nil {
		return Project{}, err
	}
	return s, nil
}

// Actor is who acts.
func (s Project) Actor() Actor { return s.actor }

// ID is the project's id.
func (s Project) ID() int64 { return s.place.Project }

// Branch is the branch's id.
func (s Project) Branch() int64 { return s.place.Branch }

// Organization is the id of the project's organization.
func (s Project) Organization() int64 { return s.place.Org }

// Governed reports whether the project is under governed change management.
func (s Project) Governed() bool { return s.place.Governed }

// Role is the actor's role in the project.
func (s Project) Role() Role { return s.facts.Role }

// Visits reports whether the actor is in the project for a time, from the maintainer or support.
func (s Project) Visits() bool { return s.facts.Visitor }

// TokenID is the actor's master token in the project.
func (s Project) TokenID() int64 { return s.facts.TokenID }

// May reports whether the actor holds a permission on objects of anyone.
func (s Project) May(p Permission) bool { return s.MayOn(p, false) }

// MayOn reports whether the actor holds a permission on an object, which is their own
// or not.
func (s Project) MayOn(p Permission, isOwn bool) bool {
	row, ok := inProject[p]
	if !ok || s.place.Project == 0 || s.facts.Visitor && forMembers(p) {
		return false
	}
	switch row[s.facts.Role.column()] {
	case yes, stateOnly:
		return true
	case own:
		return isOwn
	case branch:
		return s.facts.Development
	case branchOwn:
		return s.facts.Development && isOwn
	case ifOrgMember:
		return s.facts.OrgMember
	default:
		return false
	}
}

// StateOnly reports whether the actor's right reaches only to enabling, disabling,
// moving and scheduling.
func (s Project) StateOnly(p Permission) bool {
	return inProject[p][s.facts.Role.column()] == stateOnly
}

// Require is Forbidden unless the actor holds the permission.
func (s Project) Require(p Permission, isOwn bool) error {
	if s.MayOn(p, isOwn) {
		return nil
	}
	if s.facts.Role == "" {
		return fault.New(fault.Forbidden, JoinFirst, "You are not in this project. Join it first, or have somebody in it invite you.")
	}
	if s.facts.Visitor && forMembers(p) {
		return fault.Newf(fault.Forbidden, "access.visitor", "You are in this project for a time only. That does not let you %s.", what[p])
	}
	says := fmt.Sprintf("Your role here is %s. It does not let you %s.", s.facts.Role.Label(), what[p])
	roles := s.holders(p)
	if len(roles) > 0 {
		says += " Roles that do: " + strings.Join(roles, ", ") + "."
	}
	switch {
	case inProject[p][Role("").column()] != yes:
	case len(roles) > 0:
		says += " So do members of the organization."
	default:
		says += " Members of the organization do."
	}
	return fault.New(fault.Forbidden, "access.role", says)
}

// forMembers reports whether a permission is kept from visitors, whatever their role: they
// neither let others in or out, nor end the project.
func forMembers(p Permission) bool {
	switch p {
	case MembersInvite, MembersRemove, MembersRole, MembersGrantShare, JoinRequestsDecide, ProjectDelete:
		return true
	}
	return false
}

// holders are the roles of this kind of project that hold a permission whatever it is
// used on.
func (s Project) holders(p Permission) (roles []string) {
	kind := []Role{Share, Admin, Guest, ReadOnly}
	if s.place.Governed {
		kind = []Role{Developer, Reviewer, ProductionManager, ReadOnly}
	}
	for _, r := range kind {
		if inProject[p][r.column()] == yes {
			roles = append(roles, r.Label())
		}
	}
	return roles
}

// Describe tells what the permission is, in words that follow "may".
func (p Permission) Describe() string { return what[p] }

// Extent is how far somebody holds a permission.
type Extent string

// The extents.
const (
	ToNothing  Extent = ""
	ToOwn      Extent = "own"      // only on what is theirs
	ToBranches Extent = "branches" // only in development branches
	ToState    Extent = "state"    // only to enable, disable, move and schedule
	ToAll      Extent = "all"
)

// extent is how far who is this to a project holds a permission in it.
func (f Facts) extent(p Permission) Extent {
	if f.Role == "" && !f.OrgMember || f.Visitor && forMembers(p) {
		return ToNothing
	}
	switch inProject[p][f.Role.column()] {
	case yes:
		return ToAll
	case stateOnly:
		return ToState
	case own:
		return ToOwn
	case branch, branchOwn:
		return ToBranches
	case ifOrgMember:
		if f.OrgMember {
			return ToAll
		}
	}
	return ToNothing
}

// ProjectPermissions are all that somebody may hold in a project, by name.
func ProjectPermissions() []Permission { return slices.Sorted(maps.Keys(inProject)) }

// Change is a permission that somebody holds to another extent than before.
type Change struct {
	Permission    Permission
	What          string // in words that follow "may"
	Before, After Extent
}

// Changes lists which of some permissions change for who is one thing to a project, and then
// another.
func Changes(before, after Facts, among []Permission) (out []Change) {
	for _, p := range among {
		if c := (Change{p, what[p], before.extent(p), after.extent(p)}); c.Before != c.After {
			out = append(out, c)
		}
	}
	return out
}

// FactorNeeded is the code of the fault for a person who has to set up a second factor
// before anything else; web answers it with the page for that.
const FactorNeeded = "access.enrol"

// JoinFirst is the code of the fault for somebody who may join a project, and has not.
const JoinFirst = "access.join"

// Above are what the actor is to an organization, a maintainer and the installation.
type Above struct {
	SignedIn         bool
	Invitee          bool
	ProjectMember    bool
	OrgMember        bool
	MaintainerMember bool
	Support          bool
	SuperAdmin       bool
	Visitor          bool // they joined the organization by a right from above, for a time
	AutoJoin         bool // the organization lets maintainers and support join by themselves
}

// forVisitors are what who joined an organization by a right holds as its member: they look
// into it, and let nobody in or out, themselves neither for longer nor into its projects.
func forVisitors(p Permission) bool { return p == OrganizationRead || p == AuditOrganization }

// MayAbove reports whether an actor holds a permission above projects: one of the
// things they are is enough.
func MayAbove(p Permission, f Above) bool {
	row := above[p]
	for i, is := range [...]bool{true, f.SignedIn, f.Invitee, f.ProjectMember, f.OrgMember || f.Visitor && forVisitors(p), f.MaintainerMember, f.Support, f.SuperAdmin} {
		if !is {
			continue
		}
		switch row[i] {
		case yes:
			return true
		case autoJoin:
			if f.AutoJoin {
				return true
			}
		case noAutoJoin:
			if !f.AutoJoin {
				return true
			}
		}
	}
	return false
}

// Lost are the permissions above projects that who is one thing there holds, and who is another
// does not, by name.
func Lost(before, after Above) []Permission {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(above)), func(p Permission) bool { return !MayAbove(p, before) || MayAbove(p, after) })
}

// Organization is the proof that an actor may act on an organization. Its zero value permits
// nothing.
type Organization struct{ over }

// Maintainer is the proof that an actor may act on a maintainer. Its zero value permits
// nothing.
type Maintainer struct{ over }

// InOrganization gives the scope of an actor who holds a permission on an organization.
// Forbidden if they do not.
func InOrganization(a Actor, organization int64, is Above, p Permission) (Organization, error) {
	o := over{a, organization, is}
	return Organization{o}, o.Require(p)
}

// InMaintainer is InOrganization for a maintainer.
func InMaintainer(a Actor, maintainer int64, is Above, p Permission) (Maintainer, error) {
	o := over{a, maintainer, is}
	return Maintainer{o}, o.Require(p)
}

// over is a scope above projects.
type over struct {
	actor Actor
	id    int64
	is    Above
}

// Actor is who acts.
func (o over) Actor() Actor { return o.actor }

// ID is the number of what the scope is about.
func (o over) ID() int64 { return o.id }

// Is tells what the actor is to it.
func (o over) Is() Above { return o.is }

// May reports whether the actor holds a permission.
func (o over) May(p Permission) bool { return o.id != 0 && MayAbove(p, o.is) }

// Require is Forbidden unless the actor holds the permission.
func (o over) Require(p Permission) error {
	if o.May(p) {
		return nil
	}
	return fault.Newf(fault.Forbidden, "access.above", "What you are here does not let you %s.", what[p])
}
