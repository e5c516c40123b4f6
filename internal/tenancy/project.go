package tenancy

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/control"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/tokens"
)

// Project is where data and the people who work with it are.
type Project struct {
	ID               int64
	Organization     int64
	OrganizationName string
	Name             string
	Description      string
	Governed         bool
	State            string
	DisabledReason   string    // only from OrganizationProjects and Mine
	ExpectedAt       time.Time // when a disabled one is expected back; as DisabledReason
	Locked           bool      // its organization asks for a second factor, which the person lacks; only from Mine
	ExpiresAt        time.Time // zero = never
	CreatedAt        time.Time
	CreatedBy        string      // name of the person; only from Describe
	ChangedAt        time.Time   // last change of its data
	Role             access.Role // of the asking person
	JoinedAt         time.Time
	Members          int64    // only from Describe
	Retention        int64    // how many days versions and dropped tables are kept; only from Describe
	Visitors         Visitors // only from Describe
	ExternalRoles    bool     // they come from single sign-on; only from Describe
	Type             string   // name of the template that it is of; only from Describe
}

// NewProject is what a project is made from.
type NewProject struct {
	Organization int64
	Name         string
	Description  string
	Governed     bool
	Member       accounts.User // becomes its first administrator
	Template     string        // id of the one it is made from; "" = none
	Retention    int64         // how many days versions are kept; 0 = as many as usual
	Expires      time.Time     // zero = never
	Terms        Terms
	Through      Through // the right on which the member's place hangs; "" for none
}

// CreateProject makes a project with its default branch and its first member: an
// administrator, in a governed project a production manager. The caller has decided
// that the actor may.
func CreateProject(tx *db.Tx, a access.Actor, n NewProject) (Project, error) {
	if err := accounts.CheckName("project", "a name for the project", n.Name); err != nil {
		return Project{}, err
	}
	id, err := tx.NewID("projects")
	if err != nil {
		return Project{}, err
	}
	name := strings.TrimSpace(n.Name)
	if n.Retention == 0 {
		n.Retention = retentionUsual
	}
	_, err = tx.Exec(`INSERT INTO projects (id, organization_id, name, name_search, description, governed, state, created_at, created_by, changed_at, template, retention_days, expires_at, `+termsColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, 'active', $7, $8, $7, $9, $10, $11, $12, $13, $14, $15)`, append([]any{id, n.Organization, name, strings.ToLower(name), n.Description, n.Governed, tx.Now, n.Member.ID, n.Template, n.Retention, n.Expires}, n.Terms.values()...)...)
	if err != nil {
		return Project{}, err
	}
	branch, err := tx.NewID("branches")
	if err != nil {
		return Project{}, err
	}
	if _, err := tx.Exec("INSERT INTO branches (id, project_id, name, is_default, created_at) VALUES ($1, $2, 'Main', $3, $4)", branch, id, true, tx.Now); err != nil {
		return Project{}, err
	}
	e := audit.By(a, "project.created", "project", fmt.Sprint(id), name)
	e.Organization, e.Project, e.Branch = n.Organization, id, branch
	if n.Template != "" {
		e.Params = map[string]any{"template": n.Template, "expires": expiryOf(n.Expires)}
	}
	if err := audit.Record(tx, e.Says("%s created the project %q.", a.Name, name)); err != nil {
		return Project{}, err
	}
	role := access.Admin
	if n.Governed {
		role = access.ProductionManager
	}
	p := Project{ID: id, Organization: n.Organization, Name: name, Governed: n.Governed, State: "active", CreatedAt: tx.Now, Role: role}
	u := n.Member
	return p, join(tx, a, p, &Member{Who: Who{u.ID, u.Email, u.Name, u.State}, Role: role, Through: n.Through, founds: true})
}

// Join makes a person a member of a project with a role, and gives them their master
// token. Invalid for a role that this kind of project does not have; Conflict for who
// is a member already. The caller has decided that the actor may.
func Join(tx *db.Tx, a access.Actor, p Project, u accounts.User, role access.Role) error {
	return join(tx, a, p, &Member{Who: Who{u.ID, u.Email, u.Name, u.State}, Role: role})
}

// join is Join with what else is known of the member. Who comes in by a right is in it until
// that ends, at the latest, and m says so afterwards. An invitation and a request of theirs that
// wait are closed by it.
func join(tx *db.Tx, a access.Actor, p Project, m *Member) error {
	if err := checkRole(p.Governed, m.Role); err != nil {
		return err
	}
	ends, err := rightEnds(tx, m.Who.ID, m.Through)
	if err != nil {
		return err
	}
	m.Until = sooner(m.Until, ends)
	if err := roomFor(tx, m.Who.ID, m.Through); err != nil {
		return err
	}
	// One whose time is over counts no more, but may still be there; a visit gives way to a place of one's own.
	gone := "x.expires_at <= $3"
	if !m.Through.Visits() {
		gone = "(x.expires_at <= $3 OR x.expires_at IS NOT NULL AND x.through IN ('maintainer', 'support'))"
	}
	was, err := db.One(tx, scanMember, inProject.sql+"x.project_id = $1 AND x.user_id = $2 AND "+gone, p.ID, m.Who.ID, tx.Now)
	switch {
	case err == nil && !was.Until.After(tx.Now):
		err = recordOver(tx, p, was)
	case err == nil:
		err = giveWay(tx, a, p, was)
	}
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if err := tokens.EndMaster(tx, p.ID, m.Who.ID); err != nil {
		return err
	}
	id, err := tx.NewID("memberships")
	if err != nil {
		return err
	}
	_, err = tx.Exec("INSERT INTO memberships (id, project_id, user_id, email, role, joined_at, expires_at, reason, invitor_id, approver_id, through) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
		id, p.ID, m.Who.ID, m.Who.Email, string(m.Role), tx.Now, m.Until, m.Reason, db.ZeroNull(m.Invitor.ID), db.ZeroNull(m.Approver.ID), m.Through.kept())
	if fault.HasCode(err, "db.unique") {
		return fault.Newf(fault.Conflict, "tenancy.member", "%s is a member of %s already.", m.Who.Email, p.Name)
	}
	if err != nil {
		return err
	}
	if _, err := tokens.Master(tx, p.ID, m.Who.ID, m.Who.Email); err != nil {
		return err
	}
	branch, err := defaultBranch(tx, p.ID)
	if err != nil {
		return err
	}
	if !m.Through.Visits() { // what was to be theirs for longer waits on
		if err := overtakeInvitation(tx, inBranch(a, p, branch), *m); err != nil {
			return err
		}
	}
	if err := overtakeRequest(tx, a, p, *m); err != nil {
		return err
	}
	return audit.Record(tx, joined(a, p, *m, branch))
}

// joined is the event of somebody who became a member. It is about the person, as those of their
// role and of their end are.
func joined(a access.Actor, p Project, m Member, branch int64) audit.Event {
	e := audit.By(a, "project.memberAdded", "user", m.Who.Email, m.Who.Name)
	e.Organization, e.Project, e.Branch = p.Organization, p.ID, branch
	e.Params = map[string]any{"user": m.Who.ID, "role": m.Role}
	if m.Reason != "" {
		e.Params["reason"] = m.Reason
	}
	if !m.Until.IsZero() {
		e.Params["until"] = m.Until
	}
	if m.Through != "" {
		e.Params["through"] = m.Through
	}
	switch {
	case m.Invitor.ID != 0:
		e.Params["invitor"] = m.Invitor.ID
		return e.Says("%s (%s) accepted the invitation of %q to %q as %s.", a.Name, m.Who.Email, m.Invitor.Name, p.Name, m.Role.Label())
	case m.Approver.ID == 0 && m.Who.ID == a.UserID:
		return e.Says("%s (%s) became %s of %q, as %s.", a.Name, m.Who.Email, m.rank(), p.Name, m.Role.Label())
	case m.Approver.ID == 0:
		return e.Says("%s made %q (%s) %s of %q as %s.", a.Name, m.Who.Name, m.Who.Email, m.rank(), p.Name, m.Role.Label())
	case m.Through == ThroughOrganization:
		return e.Says("%s (%s), of the organization, joined %q as %s.", a.Name, m.Who.Email, p.Name, m.Role.Label())
	case m.Approver.ID == m.Who.ID:
		return e.Says("%s (%s), %s, joined %q as %s until %s: %q.", a.Name, m.Who.Email, m.Through.Text(), p.Name, m.Role.Label(), day(m.Until), m.Reason)
	}
	return e.Says("%s let %q (%s), %s, into %q as %s until %s: %q.", a.Name, m.Who.Name, m.Who.Email, m.Through.Text(), p.Name, m.Role.Label(), day(m.Until), m.Reason)
}

// Enter decides whether an actor may use a permission in a project's default branch,
// and gives the scope that proves it. NotFound for a project that the actor has no tie
// to, as for one that does not exist; Forbidden for what the actor's role does not
// include, for who would have to join it or be let in first, and when the project is not
// active; Unauthenticated, with the code access.FactorNeeded, for who has no second factor
// though its organization asks for one.
func Enter(tx *db.Tx, a access.Actor, project int64, p access.Permission) (access.Project, error) {
	return enter(tx, a, project, 0, p)
}

// EnterBranch is Enter for the branch with an id.
func EnterBranch(tx *db.Tx, a access.Actor, project, branch int64, p access.Permission) (access.Project, error) {
	return enter(tx, a, project, branch, p)
}

func enter(tx *db.Tx, a access.Actor, project, branch int64, p access.Permission) (access.Project, error) {
	type row struct {
		place     access.Place
		facts     access.Facts
		state     string
		projectTo time.Time
		memberTo  time.Time
		isDefault bool
		locked    bool
	}
	r, err := db.One(tx, func(r db.Row) (row, error) {
		var x row
		x.place.Project = project
		return x, r.Scan(&x.place.Branch, &x.isDefault, &x.place.Org, &x.place.Governed, &x.state, db.Time(&x.projectTo),
			db.Null(&x.facts.Role), db.Time(&x.memberTo), db.Null(&x.facts.TokenID), &x.facts.OrgMember, &x.locked, &x.facts.Visitor)
	}, `SELECT b.id, b.is_default, p.organization_id, p.governed, p.state, p.expires_at, m.role, m.expires_at, t.id,
			EXISTS (SELECT 1 FROM organization_members o WHERE o.organization_id = p.organization_id AND o.user_id = $2 AND o.through = ''),
			o.mfa_required AND NOT EXISTS (SELECT 1 FROM factors f WHERE f.user_id = $2),
			COALESCE(m.through IN ('maintainer', 'support') AND m.expires_at IS NOT NULL, FALSE)
		FROM projects p JOIN organizations o ON o.id = p.organization_id JOIN branches b ON b.project_id = p.id AND (b.id = $3 OR ($3 = 0 AND b.is_default))
		LEFT JOIN memberships m ON m.project_id = p.id AND m.user_id = $2
		LEFT JOIN tokens t ON t.project_id = p.id AND t.user_id = $2 AND t.is_master AND t.deleted_at IS NULL
		WHERE p.id = $1`, project, a.UserID, branch)
	if err != nil {
		return access.Project{}, err
	}
	if !r.memberTo.IsZero() && !tx.Now.Before(r.memberTo) {
		r.facts.Role, r.facts.TokenID, r.facts.Visitor = "", 0, false
	}
	if r.facts.OrgMember { // who has come to belong to the organization needs no such right
		r.facts.Visitor = false
	}
	if r.facts.Role == "" && !r.facts.OrgMember && control.On(control.OthersProjects) {
		return access.Project{}, outside(tx, a, r.place, r.state == Active && (r.projectTo.IsZero() || tx.Now.Before(r.projectTo)))
	}
	if r.locked && control.On(control.FactorDemanded) {
		return access.Project{}, errFactor(tx, r.place.Org)
	}
	if r.state != Active || !r.projectTo.IsZero() && !tx.Now.Before(r.projectTo) {
		return access.Project{}, closed(tx, project)
	}
	r.facts.Development = r.place.Governed && !r.isDefault
	s, err := access.InProject(a, r.place, r.facts, p, false)
	if !fault.HasCode(err, access.JoinFirst) {
		return s, err
	}
	waits, other := isInvited(tx, a, "project", project)
	switch {
	case other != nil:
		return s, other
	case waits:
		return s, fault.New(fault.Forbidden, Invited, "You are invited to this project, but you are not in it yet. Accept the invitation first, or join the project as a member of its organization.")
	}
	return s, err
}

// outside is what somebody without a role in a project is told: NotFound, as of one that does
// not exist, but Forbidden to who knows of it: by an invitation, or as somebody of the
// maintainer or support, who may join it or ask to while it is open.
func outside(tx *db.Tx, a access.Actor, at access.Place, open bool) error {
	waits, err := isInvited(tx, a, "project", at.Project)
	if err != nil {
		return err
	}
	if waits {
		return fault.New(fault.Forbidden, Invited, "You are invited to this project, but you are not in it yet. Accept the invitation first.")
	}
	is, _, err := standing(tx, a.UserID, at.Org)
	switch {
	case err != nil:
		return err
	case !open && (access.MayAbove(access.ProjectsJoin, is) || access.MayAbove(access.ProjectsRequestAccess, is)):
		return shut(tx, at.Project, is)
	case access.MayAbove(access.ProjectsJoin, is):
		return fault.New(fault.Forbidden, access.JoinFirst, "You are not in this project. Its organization lets you join it, for a time and with a reason.")
	case access.MayAbove(access.ProjectsRequestAccess, is):
		return fault.New(fault.Forbidden, AskFirst, "You are not in this project. Ask those who manage its people to let you in.")
	}
	return fault.New(fault.NotFound, "notFound", "Not found.")
}

// Approach decides what an actor may do who is not in a project, by what they are to its
// organization: join it, or ask to. Of one that nobody can enter it is Forbidden to who could join
// or ask, and else NotFound. Otherwise as EnterOrganization.
func Approach(tx *db.Tx, a access.Actor, project int64, p access.Permission) (access.Organization, error) {
	var organization int64
	open, err := db.One(tx, func(r db.Row) (open bool, err error) { return open, r.Scan(&organization, &open) },
		"SELECT organization_id, state = 'active' AND (expires_at IS NULL OR expires_at > $2) FROM projects WHERE id = $1", project, tx.Now)
	if err != nil {
		return access.Organization{}, err
	}
	s, err := enterOrganization(tx, a, organization, p)
	inside, is := false, s.Is()
	if err != nil || !roams(is) {
		var other error
		if inside, is, other = tied(tx, a, project, organization); other != nil {
			return access.Organization{}, other
		}
	}
	enters := p == access.ProjectsJoin || p == access.ProjectsRequestAccess
	switch {
	case !open && (err != nil || !enters):
		return access.Organization{}, fault.New(fault.NotFound, "notFound", "Not found.")
	case !open:
		return access.Organization{}, shut(tx, project, is)
	case !fault.Is(err, fault.Forbidden):
		return s, err
	}
	return s, wrongDoor(inside, is, enters, err)
}

// roams reports whether somebody is more to an organization than in some of its projects.
func roams(is access.Above) bool {
	return is.OrgMember || is.MaintainerMember || is.Support || is.SuperAdmin
}

// tied tells whether somebody is in a project, and what they are to its organization. NotFound for
// who is nothing to either, and for who is only in another project of the organization.
func tied(tx *db.Tx, a access.Actor, project, organization int64) (inside bool, is access.Above, err error) {
	inside, err = db.Value[bool](tx, "SELECT EXISTS (SELECT 1 FROM memberships m WHERE m.project_id = $1 AND m.user_id = $2 AND (m.expires_at IS NULL OR m.expires_at > $3))", project, a.UserID, tx.Now)
	if err == nil {
		is, _, err = standing(tx, a.UserID, organization)
	}
	if err == nil && !inside && !roams(is) {
		err = fault.New(fault.NotFound, "notFound", "Not found.")
	}
	return inside, is, err
}

// wrongDoor is why somebody may not join a project, or ask to, as they try it, with what they may
// do instead if they try to enter it.
func wrongDoor(inside bool, is access.Above, enters bool, refused error) error {
	switch {
	case inside && enters:
		return fault.New(fault.Forbidden, fault.Of(refused).Code, "You are in this project already.")
	case !enters:
		return refused
	case access.MayAbove(access.ProjectsJoin, is):
		return fault.New(fault.Forbidden, access.JoinFirst, "You need not ask: you may join this project by yourself.")
	case access.MayAbove(access.ProjectsRequestAccess, is):
		return fault.New(fault.Forbidden, AskFirst, "You cannot join this project by yourself. Ask those who manage its people to let you in.")
	}
	return refused
}

// AskFirst is the code of the fault for somebody who may ask to be let into a project.
const AskFirst = "tenancy.ask"

// Invited is the code of the fault for somebody who has not accepted an invitation yet.
const Invited = "tenancy.invited"

// InvitedAbove is Invited for an organization or a maintainer.
const InvitedAbove = "tenancy.invitedAbove"

// isInvited reports whether an invitation to a place waits for somebody. kind is what the place
// is: project, organization or maintainer.
func isInvited(tx *db.Tx, a access.Actor, kind string, id int64) (bool, error) {
	return db.Value[bool](tx, "SELECT EXISTS (SELECT 1 FROM invitations WHERE "+kind+"_id = $1 AND user_id = $2 AND state = 'pending' AND expires_at > $3)", id, a.UserID, tx.Now)
}

// orInvited is why somebody may not enter an organization or a maintainer: that they have to
// accept their invitation first, if one waits.
func orInvited(tx *db.Tx, a access.Actor, kind TeamKind, id int64, err error) error {
	if !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Forbidden) && !fault.HasCode(err, access.FactorNeeded) {
		return err
	}
	waits, other := isInvited(tx, a, string(kind), id)
	switch {
	case other != nil:
		return other
	case waits:
		return fault.Newf(fault.Forbidden, InvitedAbove, "You are invited to this %s, but you do not belong to it yet. Accept the invitation first.", kind)
	}
	return err
}

// Find is a project by its number, for operators. NotFound if there is none.
func Find(tx *db.Tx, project int64) (Project, error) {
	return db.One(tx, func(r db.Row) (Project, error) {
		var p Project
		return p, r.Scan(&p.ID, &p.Organization, &p.Name, &p.Governed, &p.State)
	}, "SELECT id, organization_id, name, governed, state FROM projects WHERE id = $1", project)
}

// visiting is the condition of a membership m of a project p of who is in it for a time at $2, and does
// not belong to its organization.
const visiting = "m.through IN ('maintainer', 'support') AND m.expires_at > $2 AND NOT EXISTS (SELECT 1 FROM organization_members b WHERE b.organization_id = p.organization_id AND b.user_id = m.user_id AND b.through = '')"

// Describe gives the scope's project.
func Describe(tx *db.Tx, s access.Project) (Project, error) {
	return db.One(tx, func(r db.Row) (Project, error) {
		p := Project{Role: s.Role()}
		return p, r.Scan(&p.ID, &p.Organization, &p.OrganizationName, &p.Name, &p.Description, &p.Governed, &p.State, db.Time(&p.ExpiresAt), db.Time(&p.CreatedAt), db.Null(&p.CreatedBy), &p.Members, &p.Retention, &p.ExternalRoles, &p.Type, &p.Visitors.Count, db.Null(&p.Visitors.Name), db.Null(&p.Visitors.Through), db.Null(&p.Visitors.Reason), db.Time(&p.Visitors.Until), &p.Visitors.Own)
	}, `SELECT p.id, p.organization_id, o.name, p.name, p.description, p.governed, p.state, p.expires_at, p.created_at, c.name,
			(SELECT count(*) FROM memberships m WHERE m.project_id = p.id AND (m.expires_at IS NULL OR m.expires_at > $2)), p.retention_days, p.external_roles, COALESCE(k.name, 'None'),
			(SELECT count(*) FROM memberships m WHERE m.project_id = p.id AND `+visiting+`), u.name, `+strings.ReplaceAll(rightOf, "x.", "v.")+`, v.reason, v.expires_at, CASE WHEN v.user_id = $3 THEN v.id ELSE 0 END
		FROM projects p JOIN organizations o ON o.id = p.organization_id LEFT JOIN project_templates k ON k.id = p.template
		LEFT JOIN memberships v ON v.id = COALESCE((SELECT m.id FROM memberships m WHERE m.project_id = p.id AND m.user_id = $3 AND `+visiting+`),
			(SELECT m.id FROM memberships m WHERE m.project_id = p.id AND `+visiting+` ORDER BY m.expires_at LIMIT 1))
		LEFT JOIN users u ON u.id = v.user_id LEFT JOIN users c ON c.id = p.created_by WHERE p.id = $1`, s.ID(), tx.Now, s.Actor().UserID)
}

// Bounds of a project's settings.
const (
	RetentionMin   = 1 // days
	RetentionMax   = 3650
	descriptionMax = 10_000
)

// Settings are what the people of a project decide about it.
type Settings struct {
	Name        string
	Description string
	Retention   int64 // for how many days versions and dropped tables are kept
	External    bool  // roles come from single sign-on, and are not changed here
}

const visitorsKeep = "You are in this project for a time only. This is for its members to change."

// Settings are those of the project, from Describe.
func (p Project) Settings() Settings {
	return Settings{p.Name, p.Description, p.Retention, p.ExternalRoles}
}

// Set changes the settings of the scope's project, and gives them as they were and as they are.
// Forbidden without ProjectUpdate; Invalid by field, also for what visitors do not change.
func Set(tx *db.Tx, s access.Project, to Settings) (was, is Settings, err error) {
	if s, err = again(tx, s, access.ProjectUpdate); err != nil {
		return was, to, err
	}
	to.Name, to.Description = strings.TrimSpace(to.Name), strings.TrimSpace(to.Description)
	var c fault.Check
	if err := c.Join(accounts.CheckName("name", "a name for the project", to.Name)); err != nil {
		return was, to, err
	}
	c.Field(utf8.ValidString(to.Description) && !strings.ContainsRune(to.Description, 0), "description", "Leave out control characters.")
	c.Field(utf8.RuneCountInString(to.Description) <= descriptionMax, "description", "At most 10,000 characters.")
	c.Field(to.Retention >= RetentionMin && to.Retention <= RetentionMax, "retention", fmt.Sprintf("Enter a number of days from %d to %d.", RetentionMin, RetentionMax))
	if err := c.Err(); err != nil {
		return was, to, err
	}
	p, err := Describe(tx, s)
	if err != nil {
		return was, to, err
	}
	if was = p.Settings(); was == to {
		return was, to, nil
	}
	if s.Visits() { // these stay, or cannot be taken back, when they are long out
		c.Field(was.Retention == to.Retention, "retention", visitorsKeep)
		c.Field(was.External == to.External, "externalRoles", visitorsKeep)
		if err := c.Err(); err != nil {
			return was, to, err
		}
	}
	if err := tx.Must("UPDATE projects SET name = $2, name_search = $3, description = $4, retention_days = $5, external_roles = $6 WHERE id = $1", p.ID, to.Name, strings.ToLower(to.Name), to.Description, to.Retention, to.External); err != nil {
		return was, to, err
	}
	e := audit.In(s, "project.updated", "project", fmt.Sprint(p.ID), to.Name)
	e.Params = map[string]any{"name": []string{was.Name, to.Name}, "description": []string{was.Description, to.Description}, "retentionDays": []int64{was.Retention, to.Retention}, "externalRoles": []bool{was.External, to.External}}
	return was, to, audit.Record(tx, e.Says("%s changed the project %q: %s.", s.Actor().Name, was.Name, was.differs(to)))
}

// differs tells what changes from one to the other.
func (s Settings) differs(to Settings) string {
	var out []string
	if s.Name != to.Name {
		out = append(out, fmt.Sprintf("name from %q to %q", s.Name, to.Name))
	}
	if s.Description != to.Description {
		out = append(out, fmt.Sprintf("description from %q to %q", cut(s.Description), cut(to.Description)))
	}
	if s.Retention != to.Retention {
		out = append(out, fmt.Sprintf("days for which versions are kept from %d to %d", s.Retention, to.Retention))
	}
	if s.External != to.External {
		out = append(out, map[bool]string{true: "roles come from single sign-on", false: "roles are changed here"}[to.External])
	}
	return strings.Join(out, ", ")
}

func cut(text string) string {
	if r := []rune(text); len(r) > 100 {
		return string(r[:99]) + "…"
	}
	return text
}

// Changed notes that the data of the scope's project changed.
func Changed(tx *db.Tx, s access.Project) error {
	return tx.Must("UPDATE projects SET changed_at = $2 WHERE id = $1", s.ID(), tx.Now)
}

// Filter selects among a person's projects.
type Filter struct {
	Search string // part of the name
	After  After
	Limit  int
}

// After is a place in the list of projects, which is ordered by name.
type After struct {
	Name string
	ID   int64
}

// Mine lists the projects that a person is a member of, by name: the active ones, and those that
// are disabled, with why and until when. A search finds the name of a project or of its organization.
func Mine(tx *db.Tx, a access.Actor, f Filter) ([]Project, error) {
	w := mine(tx, a)
	w.And("p.state IN ('active', 'disabled')")
	if f.Search != "" {
		w.And(`(p.name_search LIKE ? ESCAPE '\' OR o.name_search LIKE ? ESCAPE '\')`, db.Like(f.Search), db.Like(f.Search))
	}
	if f.After.ID != 0 {
		w.And("(p.name_search, p.id) > (?, ?)", f.After.Name, f.After.ID)
	}
	return db.All(tx, func(r db.Row) (Project, error) {
		var p Project
		return p, r.Scan(&p.ID, &p.Organization, &p.OrganizationName, &p.Name, &p.Description, &p.Governed, &p.State,
			db.Time(&p.ExpiresAt), db.Time(&p.CreatedAt), db.Time(&p.ChangedAt), &p.Role, db.Time(&p.JoinedAt), &p.DisabledReason, db.Time(&p.ExpectedAt), &p.Locked)
	}, `SELECT p.id, p.organization_id, o.name, p.name, p.description, p.governed, p.state, p.expires_at, p.created_at, p.changed_at, m.role, m.joined_at, p.disabled_reason, p.expected_at,
			o.mfa_required AND NOT EXISTS (SELECT 1 FROM factors f WHERE f.user_id = m.user_id)
		FROM memberships m JOIN projects p ON p.id = m.project_id JOIN organizations o ON o.id = p.organization_id WHERE `+w.SQL()+
		fmt.Sprintf(" ORDER BY p.name_search, p.id LIMIT %d", f.Limit), w.Args()...)
}

// Switch gives the projects that a person can switch to from the open one, which stands
// first: as many as limit of the active ones that Mine gives, with no more than their names and those of
// their organizations, and how many there are in all. Every page of a project lists them.
func Switch(tx *db.Tx, a access.Actor, open Project, limit int) (list []Project, all int64, err error) {
	w := mine(tx, a)
	w.And("p.state = 'active' AND p.id <> ?", open.ID)
	list, err = db.All(tx, func(r db.Row) (Project, error) {
		var p Project
		return p, r.Scan(&p.ID, &p.Name, &p.OrganizationName, &all)
	}, `SELECT p.id, p.name, o.name, count(*) OVER () FROM memberships m JOIN projects p ON p.id = m.project_id JOIN organizations o ON o.id = p.organization_id
		WHERE `+w.SQL()+fmt.Sprintf(" ORDER BY p.name_search, p.id LIMIT %d", limit-1), w.Args()...)
	if open.Role != "" { // who manages its people from the organization may be in it without one
		all++
	}
	return append([]Project{open}, list...), all, err
}

// mine is the condition of the projects in which a person has a role, whatever state they are in.
func mine(tx *db.Tx, a access.Actor) (w db.Where) {
	w.And("m.user_id = ? AND (m.expires_at IS NULL OR m.expires_at > ?) AND (p.expires_at IS NULL OR p.expires_at > ?)", a.UserID, tx.Now, tx.Now)
	return w
}

// Names are the names of the organizations and projects that a person belongs to, a
// hundred of each at most.
func Names(tx *db.Tx, user int64) ([]string, error) {
	return db.All(tx, db.Scalar[string], `SELECT name FROM (SELECT p.name FROM memberships m JOIN projects p ON p.id = m.project_id WHERE m.user_id = $1 LIMIT 100) mine
		UNION SELECT name FROM (SELECT o.name FROM memberships m JOIN projects p ON p.id = m.project_id JOIN organizations o ON o.id = p.organization_id WHERE m.user_id = $1 LIMIT 100) theirs
		UNION SELECT name FROM (SELECT o.name FROM organization_members m JOIN organizations o ON o.id = m.organization_id WHERE m.user_id = $1 LIMIT 100) ours`, user)
}
