package tenancy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/throttle"
)

// Maintainer owns organizations.
type Maintainer struct {
	ID        int64
	Name      string
	CreatedAt time.Time
}

// CreateMaintainer makes a maintainer, which has no members yet. The caller has decided that
// the actor may. Invalid for the name.
func CreateMaintainer(tx *db.Tx, a access.Actor, name string) (Maintainer, error) {
	name = strings.TrimSpace(name)
	if err := accounts.CheckName("name", "a name for the maintainer", name); err != nil {
		return Maintainer{}, err
	}
	id, err := tx.NewID("maintainers")
	if err != nil {
		return Maintainer{}, err
	}
	if _, err := tx.Exec("INSERT INTO maintainers (id, name, name_search, created_at) VALUES ($1, $2, $3, $4)", id, name, strings.ToLower(name), tx.Now); err != nil {
		return Maintainer{}, err
	}
	return Maintainer{id, name, tx.Now}, audit.Record(tx, audit.By(a, "maintainer.created", "maintainer", fmt.Sprint(id), name).Says("%s created the maintainer %q.", a.Name, name))
}

// AddMaintainer is CreateMaintainer for who may manage the installation; Forbidden to others.
func AddMaintainer(tx *db.Tx, a access.Actor, name string) (Maintainer, error) {
	super, _, err := overAll(tx, a)
	if err != nil {
		return Maintainer{}, err
	}
	if err := accounts.Present(tx, a); err != nil {
		return Maintainer{}, err
	}
	if !access.MayAbove(access.InstallationManage, access.Above{SuperAdmin: super}) {
		return Maintainer{}, fault.New(fault.Forbidden, "tenancy.maintainers", "Only super admins create maintainers.")
	}
	return CreateMaintainer(tx, a, name)
}

// JoinMaintainer makes a person a member of a maintainer. Conflict for who is one. The caller
// has decided that the actor may.
func JoinMaintainer(tx *db.Tx, a access.Actor, maintainer int64, u accounts.User) error {
	t, err := findTeam(tx, OfMaintainer, maintainer)
	if err != nil {
		return err
	}
	return t.add(tx, a, Member{Who: Who{u.ID, u.Email, u.Name, u.State}})
}

// EnterMaintainer decides whether an actor may use a permission on a maintainer, and gives
// the scope that proves it. NotFound for one that the actor has no tie to, as for one that
// does not exist; Forbidden for what they may not do there, with the code InvitedAbove for who is
// invited to it.
func EnterMaintainer(tx *db.Tx, a access.Actor, maintainer int64, p access.Permission) (access.Maintainer, error) {
	s, err := enterMaintainer(tx, a, maintainer, p)
	return s, orInvited(tx, a, OfMaintainer, maintainer, err)
}

func enterMaintainer(tx *db.Tx, a access.Actor, maintainer int64, p access.Permission) (access.Maintainer, error) {
	is := access.Above{SignedIn: true}
	_, err := db.One(tx, func(r db.Row) (access.Above, error) {
		return is, r.Scan(&is.MaintainerMember, &is.Support, &is.SuperAdmin)
	}, `SELECT EXISTS (SELECT 1 FROM maintainer_members m WHERE m.maintainer_id = x.id AND m.user_id = u.id), `+accounts.OfSupport("$3")+`, u.is_super_admin
		FROM maintainers x JOIN users u ON u.id = $2 WHERE x.id = $1 AND x.deleted_at IS NULL`, maintainer, a.UserID, tx.Now)
	if err != nil {
		return access.Maintainer{}, err
	}
	if !is.MaintainerMember && !is.Support && !is.SuperAdmin {
		return access.Maintainer{}, fault.New(fault.NotFound, "notFound", "Not found.")
	}
	return access.InMaintainer(a, maintainer, is, p)
}

// overAll reports whether somebody is a super admin, and whether they are of support.
func overAll(tx *db.Tx, a access.Actor) (super, support bool, err error) {
	_, err = db.One(tx, func(r db.Row) (bool, error) { return true, r.Scan(&super, &support) }, "SELECT u.is_super_admin, "+accounts.OfSupport("$2")+" FROM users u WHERE u.id = $1", a.UserID, tx.Now)
	return super, support, err
}

// RenameMaintainer gives the scope's maintainer another name, and tells the one before.
// Forbidden without MaintainerManage; Invalid for the name.
func RenameMaintainer(tx *db.Tx, s access.Maintainer, name string) (was string, err error) {
	if err := tx.Lock(fmt.Sprintf("maintainer %d", s.ID())); err != nil {
		return "", err
	}
	if err := accounts.Present(tx, s.Actor()); err != nil {
		return "", err
	}
	if s, err = EnterMaintainer(tx, s.Actor(), s.ID(), access.MaintainerManage); err != nil {
		return "", err
	}
	name = strings.TrimSpace(name)
	if err := accounts.CheckName("name", "a name for the maintainer", name); err != nil {
		return "", err
	}
	m, err := DescribeMaintainer(tx, s)
	if err != nil || m.Name == name {
		return m.Name, err
	}
	if err := tx.Must("UPDATE maintainers SET name = $2, name_search = $3 WHERE id = $1", m.ID, name, strings.ToLower(name)); err != nil {
		return "", err
	}
	e := audit.By(s.Actor(), "maintainer.updated", "maintainer", fmt.Sprint(m.ID), name)
	e.Params = map[string]any{"name": []string{m.Name, name}}
	return m.Name, audit.Record(tx, e.Says("%s renamed the maintainer %q to %q.", s.Actor().Name, m.Name, name))
}

func scanMaintainer(r db.Row) (Maintainer, error) {
	var m Maintainer
	return m, r.Scan(&m.ID, &m.Name, db.Time(&m.CreatedAt))
}

// DeleteMaintainer ends a maintainer that has no organization any more: nobody belongs to it from
// then on, and its invitations are closed. Forbidden for who is no super admin; NotFound if there is
// none; Invalid, under "confirm", unless typed is its name; Conflict while there is an organization.
func (v *Service) DeleteMaintainer(tx *db.Tx, by access.Actor, maintainer int64, typed string) (Maintainer, error) {
	if err := accounts.Oversees(by); err != nil {
		return Maintainer{}, err
	}
	if err := tx.Lock(fmt.Sprintf("maintainer %d", maintainer)); err != nil {
		return Maintainer{}, err
	}
	if err := accounts.Administers(tx, by); err != nil {
		return Maintainer{}, err
	}
	m, err := db.One(tx, scanMaintainer, "SELECT id, name, created_at FROM maintainers WHERE id = $1 AND deleted_at IS NULL", maintainer)
	if err != nil {
		return m, err
	}
	if strings.TrimSpace(typed) != m.Name {
		const message = "This is not the name of the maintainer. Nothing was changed."
		return m, &fault.Error{Kind: fault.Invalid, Code: "form.confirm", Message: message, Fields: []fault.Field{{Name: "confirm", Message: message}}}
	}
	left, err := db.Value[bool](tx, "SELECT EXISTS (SELECT 1 FROM organizations WHERE maintainer_id = $1 AND deleted_at IS NULL)", m.ID)
	if err != nil {
		return m, err
	}
	if left {
		return m, fault.New(fault.Conflict, "tenancy.organizations", "The maintainer has organizations. Delete them first.")
	}
	t := team(OfMaintainer, m.ID, m.Name)
	t.actor = by
	closed, err := closeInvitations(tx, t.place(tx), CauseDeleted)
	if err != nil {
		return m, err
	}
	out, err := tx.Exec("DELETE FROM maintainer_members WHERE maintainer_id = $1", m.ID)
	if err != nil {
		return m, err
	}
	if err := tx.Must("UPDATE maintainers SET deleted_at = $2 WHERE id = $1", m.ID, tx.Now); err != nil {
		return m, err
	}
	e := audit.By(by, "maintainer.deleted", "maintainer", fmt.Sprint(m.ID), m.Name)
	e.Results = map[string]any{"members": out, "invitationsClosed": closed}
	return m, audit.Record(tx, e.Says("%s deleted the maintainer %q, which had no organization any more.", by.Name, m.Name))
}

// DescribeMaintainer gives the scope's maintainer.
func DescribeMaintainer(tx *db.Tx, s access.Maintainer) (Maintainer, error) {
	return db.One(tx, scanMaintainer, "SELECT id, name, created_at FROM maintainers WHERE id = $1", s.ID())
}

// Maintainers lists the maintainers that a person may see, by name: those that they belong
// to; all for support and super admins.
func Maintainers(tx *db.Tx, a access.Actor, f Filter) ([]Maintainer, error) {
	super, support, err := overAll(tx, a)
	if err != nil {
		return nil, err
	}
	if !super && !support {
		return ownMaintainers(tx, a, f)
	}
	var w db.Where
	w.And("deleted_at IS NULL AND (name_search, id) > (?, ?)", f.After.Name, f.After.ID)
	if f.Search != "" {
		w.And(`name_search LIKE ? ESCAPE '\'`, db.Like(f.Search))
	}
	return db.All(tx, scanMaintainer, "SELECT id, name, created_at FROM maintainers WHERE "+w.SQL()+fmt.Sprintf(" ORDER BY name_search, id LIMIT %d", f.Limit), w.Args()...)
}

// ownMaintainers is Maintainers for who sees only those that they belong to.
func ownMaintainers(tx *db.Tx, a access.Actor, f Filter) (out []Maintainer, err error) {
	list, err := MyMaintainers(tx, a)
	for _, m := range list {
		name := strings.ToLower(m.Name)
		past := f.After.ID == 0 || cmp.Or(strings.Compare(name, f.After.Name), cmp.Compare(m.ID, f.After.ID)) > 0
		if past && strings.Contains(name, strings.ToLower(f.Search)) && len(out) < f.Limit {
			out = append(out, m)
		}
	}
	return out, err
}

// MyMaintainers are those that a person belongs to, by name, 200 at most.
func MyMaintainers(tx *db.Tx, a access.Actor) ([]Maintainer, error) {
	out, err := db.All(tx, scanMaintainer, "SELECT id, name, created_at FROM maintainers WHERE id IN (SELECT maintainer_id FROM maintainer_members WHERE user_id = $1 LIMIT 200)", a.UserID)
	slices.SortFunc(out, func(a, b Maintainer) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.ID, b.ID))
	})
	return out, err
}

// Organizations lists those of the scope's maintainer, by name, with what stands in its list. Forbidden without
// MaintainerRead.
func Organizations(tx *db.Tx, s access.Maintainer, f Filter) ([]Organization, error) {
	if err := s.Require(access.MaintainerRead); err != nil {
		return nil, err
	}
	var w db.Where
	w.And("o.maintainer_id = ? AND o.deleted_at IS NULL", s.ID())
	if f.Search != "" {
		w.And(`o.name_search LIKE ? ESCAPE '\'`, db.Like(f.Search))
	}
	if f.After.ID != 0 {
		w.And("(o.name_search, o.id) > (?, ?)", f.After.Name, f.After.ID)
	}
	return db.All(tx, func(r db.Row) (Organization, error) {
		var o Organization
		return o, r.Scan(&o.ID, &o.Name, &o.AutoJoin, db.Time(&o.CreatedAt), &o.CRMID)
	}, "SELECT o.id, o.name, o.allow_auto_join, o.created_at, o.crm_id FROM organizations o WHERE "+w.SQL()+fmt.Sprintf(" ORDER BY o.name_search, o.id LIMIT %d", f.Limit), w.Args()...)
}

// FindOrganization is one of the scope's maintainer. NotFound for others.
func FindOrganization(tx *db.Tx, s access.Maintainer, organization int64) (Organization, error) {
	return db.One(tx, scanOrganization, selectOrganization+"o.maintainer_id = $1 AND o.deleted_at IS NULL AND o.id = $2", s.ID(), organization)
}

// CRMID is what the scope's maintainer calls an organization of it in its own books; "" for nothing.
// NotFound for an organization of others; Forbidden without MaintainerRead.
func CRMID(tx *db.Tx, s access.Maintainer, organization int64) (string, error) {
	if err := s.Require(access.MaintainerRead); err != nil {
		return "", err
	}
	return db.Value[string](tx, "SELECT crm_id FROM organizations WHERE id = $2 AND maintainer_id = $1 AND deleted_at IS NULL", s.ID(), organization)
}

// crmMax is how long such a name may be, in characters.
const crmMax = 100

// SetCRMID changes it, and tells what it was. Forbidden without MaintainerManage; NotFound for an
// organization of others; Invalid, under "crmId". The event is none of the organization's: its
// members do not see the name.
func SetCRMID(tx *db.Tx, s access.Maintainer, organization int64, to string) (was string, err error) {
	if err := tx.Lock(fmt.Sprintf("organization %d", organization)); err != nil {
		return "", err
	}
	if err := accounts.Present(tx, s.Actor()); err != nil {
		return "", err
	}
	if s, err = EnterMaintainer(tx, s.Actor(), s.ID(), access.MaintainerManage); err != nil {
		return "", err
	}
	if to = strings.TrimSpace(to); to != "" {
		if err := accounts.CheckText("crmId", "what you call it", to, crmMax); err != nil {
			return "", err
		}
	}
	o, err := FindOrganization(tx, s, organization)
	if err != nil {
		return "", err
	}
	if was, err = CRMID(tx, s, organization); err != nil || was == to {
		return was, err
	}
	if err := tx.Must("UPDATE organizations SET crm_id = $2 WHERE id = $1", o.ID, to); err != nil {
		return was, err
	}
	e := audit.By(s.Actor(), "organization.crmIdChanged", "organization", fmt.Sprint(o.ID), o.Name)
	e.Params = map[string]any{"crmId": []string{was, to}}
	return was, audit.Record(tx, e.Says("%s changed the CRM id of the organization %q from %q to %q.", s.Actor().Name, o.Name, was, to))
}

// NamesOfProjects lists the projects of an organization of the scope's maintainer, by name,
// with no more than what tells one from another, and the actor's role in each. NotFound for
// an organization of others; Forbidden without MaintainerRead.
func NamesOfProjects(tx *db.Tx, s access.Maintainer, organization int64, f Filter) ([]Project, error) {
	if err := s.Require(access.MaintainerRead); err != nil {
		return nil, err
	}
	if _, err := FindOrganization(tx, s, organization); err != nil {
		return nil, err
	}
	if _, locked, err := standing(tx, s.Actor().UserID, organization); err != nil {
		return nil, err
	} else if locked {
		return nil, errFactor(tx, organization)
	}
	return projectsOf(tx, s.Actor(), organization, false, f)
}

// NewOrganization makes an organization of the scope's maintainer, whose first member is the
// actor. Forbidden without OrganizationsCreate; Invalid for the name; TooMany past fifty a day.
func NewOrganization(tx *db.Tx, s access.Maintainer, name string) (Organization, error) {
	if err := tx.Lock(fmt.Sprintf("maintainer %d", s.ID())); err != nil { // which may be about to be deleted
		return Organization{}, err
	}
	if err := accounts.Present(tx, s.Actor()); err != nil {
		return Organization{}, err
	}
	s, err := EnterMaintainer(tx, s.Actor(), s.ID(), access.OrganizationsCreate)
	if err != nil {
		return Organization{}, err
	}
	u, err := accounts.Find(tx, s.Actor().UserID)
	if err != nil {
		return Organization{}, err
	}
	o, err := CreateOrganization(tx, s.Actor(), s.ID(), name, u)
	if err != nil {
		return o, err
	}
	return o, met(throttle.Take(tx, fmt.Sprintf("create/organizations:%d", u.ID), perFounder), "At most %d organizations a day are made by one person.", perFounder)
}

// perFounder keeps one person from filling the console with organizations.
var perFounder = throttle.Limit{Count: 50, Window: 24 * time.Hour}
