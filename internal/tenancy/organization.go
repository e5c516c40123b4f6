// Package tenancy is who owns what: maintainers have organizations, organizations have
// projects, projects have branches and members. Membership at one level gives none at
// another.
package tenancy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/mail"
	"steward/internal/throttle"
)

// Organization owns projects.
type Organization struct {
	ID             int64
	Maintainer     int64
	MaintainerName string
	Name           string
	AutoJoin       bool // people of its maintainer and of support join its projects by themselves
	FactorRequired bool // nobody gets at it or its projects without a second factor
	CreatedAt      time.Time
	CRMID          string // what its maintainer calls it; only from Organizations
	Visited        bool   // they are in it for a time; only from MyOrganizations
}

// CreateOrganization makes an organization of a maintainer with its first member. The
// caller has decided that the actor may. Invalid for the name.
func CreateOrganization(tx *db.Tx, a access.Actor, maintainer int64, name string, member accounts.User) (Organization, error) {
	name = strings.TrimSpace(name)
	if err := accounts.CheckName("name", "a name for the organization", name); err != nil {
		return Organization{}, err
	}
	id, err := tx.NewID("organizations")
	if err != nil {
		return Organization{}, err
	}
	if _, err := tx.Exec("INSERT INTO organizations (id, maintainer_id, name, name_search, allow_auto_join, mfa_required, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		id, maintainer, name, strings.ToLower(name), true, false, tx.Now); err != nil {
		return Organization{}, err
	}
	o := Organization{ID: id, Maintainer: maintainer, Name: name, AutoJoin: true, CreatedAt: tx.Now}
	e := audit.By(a, "organization.created", "organization", fmt.Sprint(id), name)
	e.Organization = id
	if err := audit.Record(tx, e.Says("%s created the organization %q.", a.Name, name)); err != nil {
		return o, err
	}
	return o, team(OfOrganization, id, name).add(tx, a, Member{Who: Who{member.ID, member.Email, member.Name, member.State}, founds: true})
}

// JoinOrganization makes a person a member of an organization. Conflict for who is one. The
// caller has decided that the actor may.
func JoinOrganization(tx *db.Tx, a access.Actor, organization int64, u accounts.User) error {
	t, err := findTeam(tx, OfOrganization, organization)
	if err != nil {
		return err
	}
	return t.add(tx, a, Member{Who: Who{u.ID, u.Email, u.Name, u.State}})
}

// EnterOrganization decides whether an actor may use a permission on an organization, and
// gives the scope that proves it. NotFound for one that the actor has no tie to, as for one
// that does not exist; Forbidden for what they may not do there, with the code InvitedAbove for
// who is invited to it; Unauthenticated, with the code access.FactorNeeded, for who has no second
// factor though the organization asks for one.
func EnterOrganization(tx *db.Tx, a access.Actor, organization int64, p access.Permission) (access.Organization, error) {
	s, err := enterOrganization(tx, a, organization, p)
	return s, orInvited(tx, a, OfOrganization, organization, err)
}

// enterOrganization is EnterOrganization for who must not learn by an invitation what is in it.
func enterOrganization(tx *db.Tx, a access.Actor, organization int64, p access.Permission) (access.Organization, error) {
	is, locked, err := standing(tx, a.UserID, organization)
	switch {
	case err != nil:
		return access.Organization{}, err
	case !is.OrgMember && !is.MaintainerMember && !is.Support && !is.SuperAdmin && !is.ProjectMember:
		return access.Organization{}, fault.New(fault.NotFound, "notFound", "Not found.")
	case locked:
		return access.Organization{}, errFactor(tx, organization)
	}
	return access.InOrganization(a, organization, is, p)
}

// standing is what a person is to an organization, and whether it keeps them out for want of
// a second factor. NotFound if there is no such organization.
func standing(tx *db.Tx, user, organization int64) (is access.Above, locked bool, err error) {
	is.SignedIn = true
	_, err = db.One(tx, func(r db.Row) (access.Above, error) {
		return is, r.Scan(&is.AutoJoin, &locked, &is.OrgMember, &is.Visitor, &is.MaintainerMember, &is.Support, &is.SuperAdmin, &is.ProjectMember)
	}, `SELECT o.allow_auto_join, o.mfa_required AND NOT EXISTS (SELECT 1 FROM factors f WHERE f.user_id = u.id),
			EXISTS (SELECT 1 FROM organization_members m WHERE m.organization_id = o.id AND m.user_id = u.id AND m.through = ''),
			EXISTS (SELECT 1 FROM organization_members m WHERE m.organization_id = o.id AND m.user_id = u.id AND m.through <> '' AND m.expires_at > $3),
			EXISTS (SELECT 1 FROM maintainer_members m WHERE m.maintainer_id = o.maintainer_id AND m.user_id = u.id), `+accounts.OfSupport("$3")+`, u.is_super_admin,
			EXISTS (SELECT 1 FROM memberships m JOIN projects p ON p.id = m.project_id WHERE m.user_id = u.id AND p.organization_id = o.id AND (m.expires_at IS NULL OR m.expires_at > $3))
		FROM organizations o JOIN users u ON u.id = $2 WHERE o.id = $1 AND o.deleted_at IS NULL`, organization, user, tx.Now)
	is.Visitor = is.Visitor && (is.MaintainerMember || is.Support || is.SuperAdmin)
	return is, locked, err
}

// errFactor is for who may know the organization that keeps them out for want of a second factor.
func errFactor(tx *db.Tx, organization int64) error {
	name, err := TeamName(tx, OfOrganization, organization)
	if err != nil {
		return err
	}
	return fault.Newf(fault.Unauthenticated, access.FactorNeeded, "The organization %q and its projects are open only to who signs in in two steps. Turn two-step sign-in on first.", name)
}

// anew decides in the transaction of a deed once more, one after the other with all who
// change the organization.
func anew(tx *db.Tx, s access.Organization, p access.Permission) (access.Organization, error) {
	if err := tx.Lock(fmt.Sprintf("organization %d", s.ID())); err != nil {
		return s, err
	}
	if err := accounts.Present(tx, s.Actor()); err != nil {
		return s, err
	}
	return EnterOrganization(tx, s.Actor(), s.ID(), p)
}

const selectOrganization = "SELECT o.id, o.maintainer_id, m.name, o.name, o.allow_auto_join, o.mfa_required, o.created_at FROM organizations o JOIN maintainers m ON m.id = o.maintainer_id WHERE "

func scanOrganization(r db.Row) (Organization, error) {
	var o Organization
	return o, r.Scan(&o.ID, &o.Maintainer, &o.MaintainerName, &o.Name, &o.AutoJoin, &o.FactorRequired, db.Time(&o.CreatedAt))
}

// DescribeOrganization gives the scope's organization.
func DescribeOrganization(tx *db.Tx, s access.Organization) (Organization, error) {
	return db.One(tx, scanOrganization, selectOrganization+"o.id = $1", s.ID())
}

// OrganizationSettings are what its members decide about an organization.
type OrganizationSettings struct {
	Name     string
	AutoJoin bool
}

// Settings are those of OrganizationSettings.
func (o Organization) Settings() OrganizationSettings {
	return OrganizationSettings{o.Name, o.AutoJoin}
}

// ForMembers is the code of the fault for who decides on what is a matter of an organization's
// members alone.
const ForMembers = "tenancy.autoJoin"

// SetOrganization changes the settings of the scope's organization, and gives them as they were
// and as they are. Forbidden without OrganizationManage; Invalid by field; Forbidden, with the
// code ForMembers, for who may come in, by who is no member: with what was, too. When its maintainer
// and support may not come in by themselves any more, who has done so is out, and mailed, but for
// who was let in. Of more than a thousand such places the rest is left to CloseDoor.
func (v *Service) SetOrganization(tx *db.Tx, s access.Organization, to OrganizationSettings) (was, is OrganizationSettings, err error) {
	if !to.AutoJoin {
		if err := lockProjects(tx, letIn, s.ID(), tx.Now); err != nil {
			return was, to, err
		}
	}
	if s, err = anew(tx, s, access.OrganizationManage); err != nil {
		return was, to, err
	}
	to.Name = strings.TrimSpace(to.Name)
	if err := accounts.CheckName("name", "a name for the organization", to.Name); err != nil {
		return was, to, err
	}
	o, err := DescribeOrganization(tx, s)
	if err != nil {
		return was, to, err
	}
	was = o.Settings()
	if to.AutoJoin != was.AutoJoin && !s.Is().OrgMember {
		return was, to, fault.New(fault.Forbidden, ForMembers, "Only members of the organization decide who may join its projects by themselves.")
	}
	if was == to {
		return was, to, nil
	}
	if err := tx.Must("UPDATE organizations SET name = $2, name_search = $3, allow_auto_join = $4 WHERE id = $1", o.ID, to.Name, strings.ToLower(to.Name), to.AutoJoin); err != nil {
		return was, to, err
	}
	if was.AutoJoin && !to.AutoJoin {
		t, err := findTeam(tx, OfOrganization, o.ID)
		if err != nil {
			return was, to, err
		}
		if _, err := v.closeDoor(tx, s.Actor(), t); err != nil {
			return was, to, err
		}
	}
	var changes []string
	if was.Name != to.Name {
		changes = append(changes, fmt.Sprintf("name from %q to %q", was.Name, to.Name))
	}
	if was.AutoJoin != to.AutoJoin {
		changes = append(changes, map[bool]string{true: "its maintainer and support may join by themselves", false: "its maintainer and support have to ask"}[to.AutoJoin])
	}
	e := inOrganization(s, "organization.updated", to.Name)
	e.Params = map[string]any{"name": []string{was.Name, to.Name}, "autoJoin": []bool{was.AutoJoin, to.AutoJoin}}
	return was, to, audit.Record(tx, e.Says("%s changed the organization %q: %s.", s.Actor().Name, was.Name, strings.Join(changes, ", ")))
}

// inOrganization starts an event about the scope's organization.
func inOrganization(s access.Organization, name, called string) audit.Event {
	e := audit.By(s.Actor(), name, "organization", fmt.Sprint(s.ID()), called)
	e.Organization = s.ID()
	return e
}

// Demand is who was mailed that an organization has made two-step sign-in a must.
type Demand struct {
	Mailed int
	More   bool // others whom it keeps out were not: they are more than RemindMost
	Lately bool // nobody was, for those were within the last day
}

// perDemand keeps an organization from mailing it more than once a day.
var perDemand = throttle.Limit{Count: 1, Window: 24 * time.Hour}

// RequireFactor says whether the scope's organization and its projects are open only to who
// signs in in two steps. From the next request on whoever does not is kept out, until they
// do; a thousand of them at most are mailed. Forbidden without OrganizationRequireMfa; Conflict
// for an actor who would be kept out.
func (v *Service) RequireFactor(tx *db.Tx, s access.Organization, on bool) (Demand, error) {
	s, err := anew(tx, s, access.OrganizationRequireMfa)
	if err != nil {
		return Demand{}, err
	}
	own, err := HasFactor(tx, s.Actor())
	if err != nil {
		return Demand{}, err
	}
	if on && !own {
		return Demand{}, fault.New(fault.Conflict, "tenancy.ownFactor", "Turn on two-step sign-in for yourself first. Otherwise you would lock yourself out.")
	}
	o, err := DescribeOrganization(tx, s)
	if err != nil || o.FactorRequired == on {
		return Demand{}, err
	}
	if err := tx.Must("UPDATE organizations SET mfa_required = $2 WHERE id = $1", o.ID, on); err != nil {
		return Demand{}, err
	}
	if !on {
		return Demand{}, audit.Record(tx, inOrganization(s, "organization.factorNotRequired", o.Name).Says("%s made two-step sign-in optional in the organization %q.", s.Actor().Name, o.Name))
	}
	d, err := v.demand(tx, s, o)
	if err != nil {
		return d, err
	}
	return d, audit.Record(tx, inOrganization(s, "organization.factorRequired", o.Name).Says("%s made two-step sign-in a must in the organization %q.", s.Actor().Name, o.Name))
}

// demand mails those whom an organization and its projects keep out from now on, by their
// addresses.
func (v *Service) demand(tx *db.Tx, s access.Organization, o Organization) (d Demand, err error) {
	list, err := db.All(tx, scanReader, `SELECT u.id, u.email, u.name FROM users u WHERE u.state = 'active' AND NOT EXISTS (SELECT 1 FROM factors f WHERE f.user_id = u.id) AND u.id IN (
			SELECT m.user_id FROM organization_members m WHERE m.organization_id = $1 AND (m.expires_at IS NULL OR m.expires_at > $2)
			UNION SELECT m.user_id FROM projects p JOIN memberships m ON m.project_id = p.id WHERE p.organization_id = $1 AND p.state IN ('active', 'disabled') AND (m.expires_at IS NULL OR m.expires_at > $2))
		ORDER BY u.email`+fmt.Sprintf(" LIMIT %d", RemindMost+1), o.ID, tx.Now)
	if err != nil || len(list) == 0 {
		return d, err
	}
	err = throttle.Take(tx, fmt.Sprintf("demand/organization:%d", o.ID), perDemand)
	if d.Lately = fault.Is(err, fault.TooMany); d.Lately {
		return d, nil
	}
	if err != nil {
		return d, err
	}
	if d.More = len(list) > RemindMost; d.More {
		list = list[:RemindMost]
	}
	for _, w := range list {
		if _, err := v.mail.Send(tx, mail.Letter{Kind: mail.FactorDemanded, To: w.Email, Name: w.Name, UserID: w.ID, Values: map[string]string{"by": s.Actor().Name, "organization": o.Name, "at": moment(tx.Now)}}); err != nil {
			return d, err
		}
	}
	d.Mailed = len(list)
	return d, nil
}

// Unprotected is somebody who signs in without a second factor, and where they are.
type Unprotected struct {
	Who     Who
	Project int64 // 0 = the organization itself
	Where   string
	search  string
	id      int64
}

// UnprotectedIn lists who would be kept out if two-step sign-in were a must in the scope's
// organization: its members, then those of its projects. Forbidden without
// OrganizationMembers.
func UnprotectedIn(tx *db.Tx, s access.Organization, after *Unprotected, limit int) (out []Unprotected, err error) {
	if err := s.Require(access.OrganizationMembers); err != nil {
		return nil, err
	}
	scan := func(r db.Row) (Unprotected, error) {
		var u Unprotected
		return u, r.Scan(&u.Who.ID, &u.Who.Email, &u.Who.Name, &u.Project, &u.Where, &u.search, &u.id)
	}
	if after == nil || after.Project == 0 {
		var w db.Where
		w.And("m.organization_id = ? AND (m.expires_at IS NULL OR m.expires_at > ?) AND u.state = 'active' AND t.user_id IS NULL", s.ID(), tx.Now)
		if after != nil {
			w.And("m.email > ?", after.Who.Email)
		}
		if out, err = db.All(tx, scan, `SELECT u.id, u.email, u.name, 0, o.name, '', 0 FROM organization_members m JOIN organizations o ON o.id = m.organization_id JOIN users u ON u.id = m.user_id LEFT JOIN factors t ON t.user_id = m.user_id
			WHERE `+w.SQL()+fmt.Sprintf(" ORDER BY m.email LIMIT %d", limit), w.Args()...); err != nil || len(out) == limit {
			return out, err
		}
		after = nil
	}
	var w db.Where
	w.And("p.organization_id = ? AND p.state IN ('active', 'disabled') AND (m.expires_at IS NULL OR m.expires_at > ?) AND u.state = 'active' AND t.user_id IS NULL", s.ID(), tx.Now)
	if after != nil {
		w.And("(p.name_search, p.id, m.email, m.id) > (?, ?, ?, ?)", after.search, after.Project, after.Who.Email, after.id)
	}
	more, err := db.All(tx, scan, `SELECT u.id, u.email, u.name, p.id, p.name, p.name_search, m.id FROM projects p JOIN memberships m ON m.project_id = p.id JOIN users u ON u.id = m.user_id LEFT JOIN factors t ON t.user_id = m.user_id
		WHERE `+w.SQL()+fmt.Sprintf(" ORDER BY p.name_search, p.id, m.email, m.id LIMIT %d", limit-len(out)), w.Args()...)
	return append(out, more...), err
}

// Cursor is the place of somebody in the list that UnprotectedIn gives.
func (u Unprotected) Cursor() string {
	return fmt.Sprintf("%d\n%d\n%s\n%s", u.Project, u.id, u.Who.Email, u.search)
}

// ParseUnprotected reads what Cursor wrote. Invalid for anything else.
func ParseUnprotected(text string) (u Unprotected, err error) {
	parts := strings.SplitN(text, "\n", 4)
	if len(parts) == 4 && utf8.ValidString(text) && !strings.ContainsRune(text, 0) {
		var err1, err2 error
		u.Project, err1 = strconv.ParseInt(parts[0], 10, 64)
		u.id, err2 = strconv.ParseInt(parts[1], 10, 64)
		if u.Who.Email, u.search = parts[2], parts[3]; err1 == nil && err2 == nil {
			return u, nil
		}
	}
	return u, fault.New(fault.Invalid, "list.cursor", "This page of the list cannot be found. Start at its first page.")
}

// HasFactor reports whether a person signs in in two steps.
func HasFactor(tx *db.Tx, a access.Actor) (bool, error) {
	return db.Value[bool](tx, "SELECT EXISTS (SELECT 1 FROM factors WHERE user_id = $1)", a.UserID)
}

// Demanding is the name of an organization that asks a person for a second factor, because
// they belong to it or to one of its projects; "" for none.
func Demanding(tx *db.Tx, user int64) (string, error) {
	names, err := db.All(tx, db.Scalar[string], `SELECT name FROM (SELECT o.name FROM organization_members m JOIN organizations o ON o.id = m.organization_id WHERE m.user_id = $1 AND (m.expires_at IS NULL OR m.expires_at > $2) AND o.mfa_required LIMIT 1) theirs
		UNION ALL SELECT name FROM (SELECT o.name FROM memberships m JOIN projects p ON p.id = m.project_id JOIN organizations o ON o.id = p.organization_id WHERE m.user_id = $1 AND (m.expires_at IS NULL OR m.expires_at > $2) AND o.mfa_required LIMIT 1) ours`, user, tx.Now)
	if err != nil || len(names) == 0 {
		return "", err
	}
	return names[0], nil
}

// DeleteOrganization ends the scope's organization, which has no project any more: nobody
// belongs to it from then on, its invitations are closed, and its other members are mailed.
// Forbidden without OrganizationDelete; Conflict while there is a project that is not purged.
func (v *Service) DeleteOrganization(tx *db.Tx, s access.Organization) error {
	s, err := anew(tx, s, access.OrganizationDelete)
	if err != nil {
		return err
	}
	n, err := countKept(tx, s)
	if err != nil {
		return err
	}
	if n > 0 {
		return fault.New(fault.Conflict, "tenancy.projects", "The organization has projects. Delete or move them first; deleted ones have to be purged, too.")
	}
	if !s.Is().OrgMember {
		if claims, err := Claims(tx, s); err != nil || claims {
			return cmp.Or(err, error(fault.New(fault.Conflict, "tenancy.claims", "A project was moved out of the organization, and its members may still take it back. Until then only they delete the organization.")))
		}
	}
	o, err := DescribeOrganization(tx, s)
	if err != nil {
		return err
	}
	t := team(OfOrganization, o.ID, o.Name)
	t.actor = s.Actor()
	if _, err := closeInvitations(tx, t.place(tx), CauseDeleted); err != nil {
		return err
	}
	if err := v.tellTeam(tx, t, s.Actor().UserID, mail.Letter{Kind: mail.TeamDeleted, Values: map[string]string{"by": s.Actor().Name, "organization": o.Name, "at": moment(tx.Now)}}); err != nil {
		return err
	}
	if _, err := tx.Exec("DELETE FROM "+t.table()+" WHERE organization_id = $1", o.ID); err != nil {
		return err
	}
	if err := tx.Must("UPDATE organizations SET deleted_at = $2 WHERE id = $1", o.ID, tx.Now); err != nil {
		return err
	}
	return audit.Record(tx, inOrganization(s, "organization.deleted", o.Name).Says("%s deleted the organization %q, which had no project any more.", s.Actor().Name, o.Name))
}

// OrganizationProjects lists the projects of the scope's organization that are not deleted,
// by name, with the actor's role in each. Why one is disabled is told to members of the
// organization, to super admins, and to who is in it. Forbidden without OrganizationRead.
func OrganizationProjects(tx *db.Tx, s access.Organization, f Filter) ([]Project, error) {
	if err := s.Require(access.OrganizationRead); err != nil {
		return nil, err
	}
	return projectsOf(tx, s.Actor(), s.ID(), toldAll(s), f)
}

// toldAll reports whether the scope's actor is told of its projects what nobody is who only
// looks in.
func toldAll(s access.Organization) bool { return s.Is().OrgMember || s.Is().SuperAdmin }

// projectsOf is OrganizationProjects for who may see them. Those who are not told all learn why
// a project is disabled from those only that they are in.
func projectsOf(tx *db.Tx, a access.Actor, organization int64, all bool, f Filter) ([]Project, error) {
	var w db.Where
	w.And("p.organization_id = ? AND p.state IN ('active', 'disabled')", organization)
	if f.Search != "" {
		w.And(`p.name_search LIKE ? ESCAPE '\'`, db.Like(f.Search))
	}
	if f.After.ID != 0 {
		w.And("(p.name_search, p.id) > (?, ?)", f.After.Name, f.After.ID)
	}
	where := w.SQL()
	n := len(w.Args())
	return db.All(tx, func(r db.Row) (Project, error) {
		var p Project
		err := r.Scan(&p.ID, &p.Organization, &p.Name, &p.Governed, &p.State, &p.DisabledReason, db.Time(&p.ExpectedAt), db.Time(&p.ExpiresAt), db.Time(&p.CreatedAt), db.Null(&p.Role), db.Time(&p.JoinedAt))
		if !all && p.Role == "" {
			p.DisabledReason, p.ExpectedAt = "", time.Time{}
		}
		return p, err
	}, fmt.Sprintf(`SELECT p.id, p.organization_id, p.name, p.governed, p.state, p.disabled_reason, p.expected_at, p.expires_at, p.created_at, m.role, m.joined_at
		FROM projects p LEFT JOIN memberships m ON m.project_id = p.id AND m.user_id = $%d AND (m.expires_at IS NULL OR m.expires_at > $%d)
		WHERE %s ORDER BY p.name_search, p.id LIMIT %d`, n+1, n+2, where, f.Limit), w.Args(a.UserID, tx.Now)...)
}

// CountProjects is how many projects an organization has that are not deleted.
func CountProjects(tx *db.Tx, s access.Organization) (int64, error) {
	return db.Value[int64](tx, "SELECT count(*) FROM projects WHERE organization_id = $1 AND state IN ('active', 'disabled')", s.ID())
}

// DeletedMost is how many deleted projects of an organization are listed.
const DeletedMost = 50

// DeletedProject is a project whose data waits for its purge, or is being purged.
type DeletedProject struct {
	ID   int64
	Name string
	Life Life
}

// DeletedProjects lists the deleted projects of the scope's organization that are not purged
// yet, by name, DeletedMost at most, and tells how many there are and when the last is due. The
// list is empty for who only looks in. Forbidden without OrganizationRead.
func DeletedProjects(tx *db.Tx, s access.Organization) (list []DeletedProject, n int64, last time.Time, err error) {
	if err := s.Require(access.OrganizationRead); err != nil {
		return nil, 0, last, err
	}
	n, err = db.One(tx, func(r db.Row) (int64, error) { return n, r.Scan(&n, db.Time(&last)) }, "SELECT count(*), max(purge_at) FROM projects WHERE organization_id = $1 AND state = 'deleted'", s.ID())
	if err != nil || n == 0 || !toldAll(s) {
		return nil, n, last, err
	}
	list, err = db.All(tx, func(r db.Row) (DeletedProject, error) {
		var p DeletedProject
		return p, r.Scan(append([]any{&p.ID, &p.Name}, p.Life.scans()...)...)
	}, "SELECT p.id, p.name, "+lifeColumns+fmt.Sprintf(" FROM projects p WHERE p.organization_id = $1 AND p.state = 'deleted' ORDER BY p.name_search, p.id LIMIT %d", DeletedMost), s.ID())
	return list, n, last, err
}

// countKept is how many projects keep an organization from being deleted: those whose data is
// there, deleted ones, too.
func countKept(tx *db.Tx, s access.Organization) (int64, error) {
	return db.Value[int64](tx, "SELECT count(*) FROM projects WHERE organization_id = $1 AND state <> 'purged'", s.ID())
}

// MyOrganizations are those that a person belongs to, or is in for a time, with their names, in that order,
// 200 at most.
func MyOrganizations(tx *db.Tx, a access.Actor) ([]Organization, error) {
	out, err := db.All(tx, func(r db.Row) (Organization, error) {
		var o Organization
		return o, r.Scan(&o.ID, &o.Name, &o.Visited)
	}, `SELECT o.id, o.name, x.through <> '' FROM (SELECT organization_id, through FROM organization_members WHERE user_id = $1 AND (expires_at IS NULL OR expires_at > $2) LIMIT 200) x
		JOIN organizations o ON o.id = x.organization_id WHERE o.deleted_at IS NULL`, a.UserID, tx.Now)
	slices.SortFunc(out, func(a, b Organization) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.ID, b.ID))
	})
	return out, err
}
