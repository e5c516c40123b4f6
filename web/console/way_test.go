package console_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/tenancy"
	"steward/web/webtest"
)

// TestWaysAreTrue: in worlds that change at random, the page "who can get in" of every project,
// and that of every person, tells of everybody whom the gate admits, and of whom it would after
// the step that it names, and of nobody else.
func TestWaysAreTrue(t *testing.T) {
	t.Parallel()
	var lock sync.Mutex
	seen := map[string]int{}
	t.Run("worlds", func(t *testing.T) {
		for _, seed := range []uint64{1, 2, 3, rand.Uint64()} {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, rand.New(rand.NewPCG(seed, 7)))
				for range 14 {
					w.compare()
					w.change()
					w.change()
				}
				lock.Lock()
				defer lock.Unlock()
				for is, n := range w.seen {
					seen[is] += n
				}
			})
		}
	})
	for _, want := range grades { // or the worlds were too dull to prove anything
		if seen[want] == 0 {
			t.Errorf("nobody was ever seen who is %q, in %v", want, seen)
		}
	}
}

// world is some people and projects, of which the witness, who is Admin of each, and root, a
// super admin, tell what there is.
type world struct {
	*webtest.Site
	rand          *rand.Rand
	people        []accounts.User
	projects      []tenancy.Project
	maintainers   []int64
	clients       map[int64]*webtest.Client
	secrets       map[int64]string
	witness, root accounts.User
	passing       accounts.User // comes in to invite, and goes
	seen          map[string]int
	last          string
}

func newWorld(t *testing.T, r *rand.Rand) *world {
	s := webtest.Open(t, webtest.Options{Idle: true})
	w := &world{Site: s, rand: r, clients: map[int64]*webtest.Client{}, secrets: map[int64]string{}, seen: map[string]int{}}
	w.witness, w.root, w.passing = s.User("Witness"), s.SuperAdmin("Root"), s.User("Passing")
	for i := range 3 {
		p, _ := s.Project(fmt.Sprint("Project ", i), i == 2)
		w.projects = append(w.projects, p)
		s.Update(func(tx *db.Tx) error {
			m, err := db.Value[int64](tx, "SELECT maintainer_id FROM organizations WHERE id = $1", p.Organization)
			w.maintainers = append(w.maintainers, m)
			return err
		})
	}
	s.Update(func(tx *db.Tx) error { // two of one organization
		p, err := tenancy.CreateProject(tx, w.root.Actor(), tenancy.NewProject{Organization: w.projects[0].Organization, Name: "Sibling", Member: w.witness})
		w.projects = append(w.projects, p)
		return err
	})
	for i, p := range w.projects[:3] {
		s.Update(func(tx *db.Tx) error {
			if err := tx.Must("UPDATE organizations SET allow_auto_join = $2 WHERE id = $1", p.Organization, i != 1); err != nil {
				return err
			}
			if err := tenancy.JoinOrganization(tx, w.witness.Actor(), p.Organization, w.witness); err != nil { // who is told names
				return err
			}
			return tenancy.Join(tx, w.witness.Actor(), p, w.witness, []access.Role{access.Admin, access.Admin, access.ProductionManager}[i])
		})
	}
	for i := range 6 {
		if w.people = append(w.people, s.User("")); i > 3 {
			w.factor(w.people[i])
		}
	}
	w.factor(w.witness)
	w.factor(w.root)
	s.Update(func(tx *db.Tx) error {
		for _, m := range w.maintainers {
			if err := tenancy.JoinMaintainer(tx, w.root.Actor(), m, w.people[5]); err != nil {
				return err
			}
		}
		return s.App.Tenancy.GrantSupport(tx, w.root.Actor(), w.people[4].ID, tx.Now.AddDate(0, 0, 90))
	})
	for range 20 {
		w.change()
	}
	return w
}

// client is a browser in which somebody is signed in; none for who cannot be.
func (w *world) client(u accounts.User) *webtest.Client {
	if c := w.clients[u.ID]; c != nil && w.ask(c, "/account/security").Status == http.StatusOK {
		return c
	}
	var now accounts.User
	if w.View(func(tx *db.Tx) (err error) { now, err = accounts.Find(tx, u.ID); return err }); now.State == accounts.Disabled {
		return nil
	}
	c := w.Anonymous()
	r := c.Post("/login", url.Values{"email": {u.Email}, "password": {webtest.Password}})
	if r.Location == "/mfa" {
		w.Clock.Forward(30 * time.Second)
		r = c.Post("/mfa", url.Values{"code": {w.Code(w.secrets[u.ID])}})
	}
	r.Want(http.StatusSeeOther)
	w.clients[u.ID] = c
	return c
}

func (w *world) ask(c *webtest.Client, path string) (r webtest.Response) {
	req := c.Request(http.MethodGet, path, nil)
	req.Header.Set("Accept", "application/json")
	return c.Do(req)
}

// factor turns two-step sign-in on for somebody, or off.
func (w *world) factor(u accounts.User) {
	if w.secrets[u.ID] != "" {
		delete(w.secrets, u.ID)
		w.Update(func(tx *db.Tx) error { _, err := tx.Exec("DELETE FROM factors WHERE user_id = $1", u.ID); return err })
		return
	}
	delete(w.clients, u.ID)
	if c := w.client(u); c != nil {
		w.secrets[u.ID], _ = w.TwoStep(c)
	}
}

func pick[T any](w *world, list []T) T { return list[w.rand.IntN(len(list))] }

var errBack = errors.New("taken back")

// try does something that may be refused.
func (w *world) try(do func(tx *db.Tx) error) {
	if err := w.App.DB.Update(w.T.Context(), do); err != nil {
		w.last += ": " + err.Error()
	}
}

// change does one thing at random to the world.
func (w *world) change() {
	u, p, maintainer := pick(w, w.people), pick(w, w.projects), pick(w, w.maintainers)
	v, root := w.App.Tenancy, w.root.Actor()
	deeds := []struct {
		weight int
		name   string
		do     func(tx *db.Tx) error
	}{
		{3, "role", func(tx *db.Tx) error { return tenancy.Join(tx, u.Actor(), p, u, pick(w, access.Roles(p.Governed))) }},
		{2, "remove", func(tx *db.Tx) error { return w.remove(tx, u, p) }},
		{2, "last day", func(tx *db.Tx) error { return w.stay(tx, u, p, tx.Now.AddDate(0, 0, w.rand.IntN(9))) }},
		{2, "organization", func(tx *db.Tx) error { return tenancy.JoinOrganization(tx, u.Actor(), p.Organization, u) }},
		{2, "no organization", func(tx *db.Tx) error {
			_, err := tx.Exec("DELETE FROM organization_members WHERE organization_id = $1 AND user_id = $2", p.Organization, u.ID)
			return err
		}},
		{1, "maintainer", func(tx *db.Tx) error { return tenancy.JoinMaintainer(tx, u.Actor(), maintainer, u) }},
		{3, "support", func(tx *db.Tx) error {
			return v.GrantSupport(tx, root, u.ID, tx.Now.Add(pick(w, []time.Duration{time.Hour, 24 * time.Hour, 90 * 24 * time.Hour})))
		}},
		{1, "no support", func(tx *db.Tx) error { return v.RevokeSupport(tx, root, u.ID) }},
		{1, "super admin", func(tx *db.Tx) error { return v.GrantSuperAdmin(tx, root, u.ID) }},
		{2, "no super admin", func(tx *db.Tx) error { return v.RevokeSuperAdmin(tx, root, u.ID) }},
		{1, "disabled account", func(tx *db.Tx) error { return w.App.Accounts.Disable(tx, root, u.ID) }},
		{3, "enabled account", func(tx *db.Tx) error { return w.App.Accounts.Enable(tx, root, u.ID) }},
		{2, "auto-join", func(tx *db.Tx) error {
			return tx.Must("UPDATE organizations SET allow_auto_join = NOT allow_auto_join WHERE id = $1", p.Organization)
		}},
		{1, "factor required", func(tx *db.Tx) error {
			return tx.Must("UPDATE organizations SET mfa_required = NOT mfa_required WHERE id = $1", p.Organization)
		}},
		{4, "invitation", func(tx *db.Tx) error { return w.invite(tx, w.witness, p, u) }},
		{3, "invitation of one who is removed", func(tx *db.Tx) error {
			by := w.passing
			if err := tenancy.Join(tx, by.Actor(), p, by, map[bool]access.Role{false: access.Admin, true: access.ProductionManager}[p.Governed]); err != nil {
				return err
			}
			if err := w.invite(tx, by, p, u); err != nil {
				return err
			}
			return w.remove(tx, by, p)
		}},
		{1, "invitation of others", func(tx *db.Tx) error { return w.invite(tx, pick(w, w.people), p, u) }},
		{8, "request", func(tx *db.Tx) error {
			u := w.people[4+w.rand.IntN(2)] // who can ask, mostly
			s, err := tenancy.Approach(tx, u.Actor(), p.ID, access.ProjectsRequestAccess)
			if err != nil {
				return err
			}
			_, err = v.Ask(tx, s, p.ID, tenancy.Joining{Reason: "A reason", Hours: 1})
			return err
		}},
		{4, "organization by oneself", func(tx *db.Tx) error {
			u := w.people[4+w.rand.IntN(2)]
			s, err := tenancy.EnterOrganization(tx, u.Actor(), p.Organization, access.OrganizationJoin)
			if err != nil {
				return err
			}
			return v.VisitOrganization(tx, s, tenancy.Joining{Reason: "Ticket", Hours: tenancy.VisitHours()[0]})
		}},
		{4, "visit", func(tx *db.Tx) error {
			u := w.people[4+w.rand.IntN(2)]
			s, err := tenancy.Approach(tx, u.Actor(), p.ID, access.ProjectsJoin)
			if err != nil {
				return err
			}
			_, err = v.JoinProject(tx, s, p.ID, tenancy.Joining{Role: pick(w, access.Roles(p.Governed)), Reason: "A reason", Hours: pick(w, tenancy.VisitHours())})
			return err
		}},
		{1, "disabled project", func(tx *db.Tx) error { return v.Disable(tx, root, p.ID, "A reason", time.Time{}) }},
		{3, "enabled project", func(tx *db.Tx) error { return v.Enable(tx, root, p.ID) }},
	}
	switch w.rand.IntN(20) {
	case 0, 1:
		w.last = "time passes"
		w.Clock.Forward(time.Duration(1+w.rand.IntN(9)) * pick(w, []time.Duration{time.Hour, 24 * time.Hour}))
		return
	case 2:
		w.last = "factor of " + u.Email
		w.factor(u)
		return
	case 3:
		w.supportEnds()
		return
	case 4:
		w.last = "what is over is cleared away"
		if err := errors.Join(v.EndSupport(w.T.Context()), v.EndMemberships(w.T.Context(), w.App.DB)); err != nil {
			w.T.Fatal(err)
		}
		return
	}
	var lots []int
	for i, d := range deeds {
		lots = append(lots, slices.Repeat([]int{i}, d.weight)...)
	}
	d := deeds[pick(w, lots)]
	w.last = fmt.Sprintf("%s of %s in %s", d.name, u.Email, p.Name)
	w.try(d.do)
}

// supportEnds moves the clock to the end of the time of somebody of support, if there is one:
// that who it is of has joined something by it, mostly.
func (w *world) supportEnds() {
	var ends []time.Time
	w.View(func(tx *db.Tx) error {
		for _, u := range w.people {
			now, err := accounts.Find(tx, u.ID)
			if err != nil {
				return err
			}
			if now.OfSupport(tx.Now) {
				ends = append(ends, now.SupportUntil)
			}
		}
		return nil
	})
	if w.last = "nobody's support ends"; len(ends) > 0 {
		at := pick(w, ends)
		w.last = "support ends"
		w.Clock.Forward(at.Sub(w.Clock.Now()))
	}
}

// remove takes somebody's role away.
func (w *world) remove(tx *db.Tx, u accounts.User, p tenancy.Project) error {
	s, id, err := w.member(tx, u, p, access.MembersRemove)
	if err == nil {
		_, err = w.App.Tenancy.Remove(tx, s, id)
	}
	return err
}

// stay gives somebody's time another end.
func (w *world) stay(tx *db.Tx, u accounts.User, p tenancy.Project, until time.Time) error {
	s, id, err := w.member(tx, u, p, access.MembersRole)
	if err == nil {
		_, _, err = w.App.Tenancy.SetLastDay(tx, s, id, until)
	}
	return err
}

// member is somebody's membership, and what the witness may do with it.
func (w *world) member(tx *db.Tx, u accounts.User, p tenancy.Project, needs access.Permission) (s access.Project, id int64, err error) {
	if s, err = tenancy.Enter(tx, w.witness.Actor(), p.ID, needs); err == nil {
		id, err = db.Value[int64](tx, "SELECT id FROM memberships WHERE project_id = $1 AND user_id = $2", p.ID, u.ID)
	}
	return s, id, err
}

func (w *world) invite(tx *db.Tx, by accounts.User, p tenancy.Project, u accounts.User) error {
	s, err := tenancy.Enter(tx, by.Actor(), p.ID, access.MembersInvite)
	if err != nil {
		return err
	}
	_, err = w.App.Tenancy.Invite(tx, s, tenancy.NewInvitation{Emails: []string{u.Email}, Role: pick(w, access.Roles(p.Governed)), Days: 1 + w.rand.IntN(7)})
	return err
}

// wayRow is a row of the page of a project, reachRow one of that of a person.
type wayRow struct {
	Email, Ground, Steps string
	Inside               bool
}

type reachRow struct {
	Ground, Steps             string
	ProjectID, OrganizationID int64
}

// compare holds what the pages tell against what the gate does.
func (w *world) compare() {
	w.T.Helper()
	witness, root := w.client(w.witness), w.client(w.root)
	told := map[int64]map[string]string{} // by project and address
	for _, p := range w.projects {
		r := w.ask(witness, fmt.Sprintf("/projects/%d/settings/access?format=json", p.ID))
		if r.Status != http.StatusOK { // nobody gets in
			if !strings.Contains(r.Body, "tenancy.disabled") {
				w.T.Fatalf("after %s: the page of %s: %d %s", w.last, p.Name, r.Status, r.Body)
			}
			continue
		}
		var rows []wayRow
		r.JSON(&rows)
		told[p.ID] = map[string]string{}
		for _, row := range rows {
			told[p.ID][row.Email] = strongest(told[p.ID][row.Email], row.says())
		}
	}
	for _, u := range w.people {
		c, own := w.client(u), w.reach(root, u)
		for _, p := range w.projects {
			does, locked := w.does(c, u, p)
			w.seen[does]++
			for whose, tells := range map[string]string{"project": told[p.ID][u.Email], "person": own[p.ID]} {
				if whose == "project" && told[p.ID] == nil {
					continue
				}
				if !agree(does, cmp.Or(tells, "out"), locked, whose == "person") {
					w.T.Fatalf("after %s: %s at %s: the page of the %s tells %q, the gate does %q (locked: %t)", w.last, u.Email, p.Name, whose, tells, does, locked)
				}
			}
		}
	}
}

// agree holds what a page tells of somebody at a project against what the gate does. Of an
// account that lacks something the gate does not tell where it would get in.
func agree(does, tells string, locked, person bool) bool {
	switch {
	case does == tells:
		return true
	case locked:
		return tells == "locked" || does == "locked" && (tells == "accept" || tells == "invite again" || tells == "out") || does == "closed" && tells == "out"
	case does == "closed":
		return tells == "open" || tells == "out" || tells == "locked" || person && tells != "in" && tells != "approve"
	case person: // of an invitation it tells of a second factor, but not whether who invited still may
		return (does == "accept" || does == "invite again") && (tells == "accept" || tells == "locked")
	}
	return false
}

// grades are what somebody may be to a project, the strongest first.
var grades = []string{"in", "locked", "join", "approve", "ask", "accept", "invite again", "out"}

func strongest(a, b string) string {
	if a == "" || slices.Index(grades, b) < slices.Index(grades, a) {
		return b
	}
	return a
}

func (r wayRow) says() string {
	if r.Inside && r.Ground != "member" {
		return "out" // it is told by the other row
	}
	return says(r.Steps)
}

func says(steps string) string {
	list := strings.Fields(steps)
	switch {
	case steps == "":
		return "in"
	case slices.Contains(list, "enable"), slices.Contains(list, "twoStep"):
		return "locked"
	case slices.Contains(list, "inviteAgain"):
		return "invite again"
	}
	return list[0]
}

// reach is what the page of a person tells of each project.
func (w *world) reach(root *webtest.Client, u accounts.User) map[int64]string {
	var rows []reachRow
	w.ask(root, fmt.Sprintf("/admin/users/%d/access?format=json", u.ID)).Want(http.StatusOK).JSON(&rows)
	var person tenancy.Person
	w.View(func(tx *db.Tx) (err error) { person, err = tenancy.PersonOf(tx, w.root.Actor(), u.ID); return err })
	out := map[int64]string{}
	for _, r := range rows {
		for _, p := range w.projects {
			if r.ProjectID != p.ID && (r.ProjectID != 0 || r.OrganizationID != p.Organization) {
				continue
			}
			grade := says(r.Steps)
			if len(person.Steps) > 0 {
				grade = "locked"
			}
			out[p.ID] = strongest(out[p.ID], grade)
		}
	}
	return out
}

// does is what the gate does with somebody at a project, and whether they lack something first
// that their account or the organization asks of them.
func (w *world) does(c *webtest.Client, u accounts.User, p tenancy.Project) (is string, locked bool) {
	if c == nil {
		return "locked", true
	}
	at := fmt.Sprintf("/projects/%d", p.ID)
	r, join, ask := w.ask(c, at), w.ask(c, at+"/join"), w.ask(c, at+"/request")
	switch locked = strings.Contains(join.Body, `"access.enrol"`); {
	case r.Status == http.StatusOK:
		return "in", false
	case strings.Contains(r.Body, `"tenancy.disabled"`), w.closed(p):
		return "closed", locked
	case strings.Contains(r.Body, `"access.enrol"`), locked && !strings.Contains(r.Body, `"notFound"`) && !strings.Contains(r.Body, `"tenancy.invited"`):
		return "locked", true
	case join.Status == http.StatusOK:
		return "join", false
	case ask.Status == http.StatusOK && w.back(func(tx *db.Tx) error { return w.approve(tx, u, p) }):
		return "approve", false
	case ask.Status == http.StatusOK:
		return "ask", false
	}
	n := w.invited(u, p)
	switch {
	case n == 0:
		return "out", locked
	case w.back(func(tx *db.Tx) error { _, err := w.App.Tenancy.Accept(tx, u.Actor(), n); return err }):
		return "accept", locked
	}
	return "invite again", locked
}

func (w *world) closed(p tenancy.Project) (is bool) {
	w.View(func(tx *db.Tx) error {
		now, err := tenancy.Find(tx, p.ID)
		is = now.State != tenancy.Active
		return err
	})
	return is
}

// back does something and takes it back, and tells whether it could be done, or could but for a
// second factor.
func (w *world) back(do func(tx *db.Tx) error) (could bool) {
	err := w.App.DB.Update(w.T.Context(), func(tx *db.Tx) error {
		err := do(tx)
		if could = err == nil || fault.HasCode(err, access.FactorNeeded); could {
			return errBack
		}
		return err
	})
	if could && !errors.Is(err, errBack) {
		w.T.Fatal(err)
	}
	return could
}

// invited is the invitation of somebody to a project that waits; 0 for none.
func (w *world) invited(u accounts.User, p tenancy.Project) (id int64) {
	w.View(func(tx *db.Tx) (err error) {
		id, err = db.Value[int64](tx, "SELECT COALESCE(max(id), 0) FROM invitations WHERE project_id = $1 AND user_id = $2 AND state = 'pending' AND expires_at > $3", p.ID, u.ID, tx.Now)
		return err
	})
	return id
}

// approve lets somebody in who asks.
func (w *world) approve(tx *db.Tx, u accounts.User, p tenancy.Project) error {
	s, err := tenancy.Enter(tx, w.witness.Actor(), p.ID, access.JoinRequestsDecide)
	if err != nil {
		return err
	}
	id, err := db.Value[int64](tx, "SELECT id FROM join_requests WHERE project_id = $1 AND user_id = $2 AND state = 'pending' AND expires_at > $3", p.ID, u.ID, tx.Now)
	if err != nil {
		return err
	}
	_, err = w.App.Tenancy.Approve(tx, s, id)
	return err
}

// TestWaysAbove: of people above the project an administrator from outside the organization and a
// visitor read how many there are, and members of the organization who they are; an invitation
// to the organization is a way in, and one whose time in the project is over is none.
func TestWaysAbove(t *testing.T) {
	t.Parallel()
	s := webtest.Open(t, webtest.Options{Idle: true})
	p, admin := s.Project("Doors", false)
	boss, invited, late := s.User("Boss"), s.User("Invited above"), s.User("Late")
	root, helper := s.SuperAdmin("Root"), s.User("Helper")
	visitor := s.Member(p, access.Admin)
	s.Update(func(tx *db.Tx) error {
		if err := tenancy.JoinOrganization(tx, boss.Actor(), p.Organization, boss); err != nil {
			return err
		}
		if err := tenancy.Join(tx, boss.Actor(), p, boss, access.Share); err != nil {
			return err
		}
		if err := s.App.Tenancy.GrantSupport(tx, root.Actor(), helper.ID, tx.Now.AddDate(0, 0, 90)); err != nil {
			return err
		}
		scope, err := tenancy.EnterOrganization(tx, boss.Actor(), p.Organization, access.OrganizationMembers)
		if err != nil {
			return err
		}
		team, err := tenancy.OrganizationTeam(tx, scope)
		if err != nil {
			return err
		}
		if _, err := s.App.Tenancy.InviteToTeam(tx, team, tenancy.NewInvitation{Emails: []string{invited.Email}, Days: 7, Reason: "A secret merger"}); err != nil {
			return err
		}
		in, err := tenancy.Enter(tx, boss.Actor(), p.ID, access.MembersInvite)
		if err != nil {
			return err
		}
		if _, err := s.App.Tenancy.Invite(tx, in, tenancy.NewInvitation{Emails: []string{late.Email}, Role: access.Guest, Days: 14, Until: tx.Now.AddDate(0, 0, 2)}); err != nil {
			return err
		}
		return tx.Must("UPDATE memberships SET through = 'support', expires_at = $3 WHERE project_id = $1 AND user_id = $2", p.ID, visitor.ID, tx.Now.AddDate(0, 0, 9))
	})
	s.Clock.Forward(3 * 24 * time.Hour)
	at := "/projects/" + num(p.ID) + "/settings/access"
	rows := func(c *webtest.Client) map[string]string {
		var list []wayRow
		c.Get(at + "?format=json").Want(http.StatusOK).JSON(&list)
		out := map[string]string{}
		for _, r := range list {
			out[r.Email+" "+r.Ground] = r.Steps
		}
		return out
	}
	of := s.SignIn(boss)
	told := rows(of)
	for who, steps := range map[string]string{invited.Email + " organizationInvitation": "accept join", late.Email + " invitation": "inviteAgain accept", root.Email + " superAdmin": "join", helper.Email + " support": "twoStep join", boss.Email + " organization": "", boss.Email + " member": ""} {
		if got, ok := told[who]; !ok || got != steps {
			t.Errorf("of %s is told %q, want %q", who, got, steps)
		}
	}
	if got := words(of.Get(at).Page().Find("main")); !strings.Contains(got, invited.Email) || !strings.Contains(got, helper.Email) {
		t.Errorf("a member of the organization reads %s", got)
	}
	for name, c := range map[string]*webtest.Client{"an administrator": s.SignIn(admin), "a visitor": s.SignIn(visitor)} {
		for who := range rows(c) {
			if _, ground, _ := strings.Cut(who, " "); tenancy.Grant(ground).IsAbove() {
				t.Errorf("%s is told of %s", name, who)
			}
		}
		for _, query := range []string{"", "?q=" + url.QueryEscape(helper.Email), "?ground=support", "?ground=organization", "?after=" + url.QueryEscape("organization\na")} {
			page := c.Get(at + query).Want(http.StatusOK).Body
			for _, hidden := range []string{invited.Email, root.Email, helper.Email, "secret merger"} {
				if strings.Contains(strings.Replace(page, `value="`+helper.Email+`"`, "", 1), hidden) {
					t.Errorf("%s reads %s at %q", name, hidden, query)
				}
			}
		}
		if got := words(c.Get(at).Page().Find("main")); !strings.Contains(got, "1 person. Members of the organization see here who they are.") || !strings.Contains(got, "Support") {
			t.Errorf("%s reads %s", name, got)
		}
	}
	for _, role := range []access.Role{access.Guest, access.ReadOnly} {
		s.SignIn(s.Member(p, role)).Get(at).Want(http.StatusForbidden)
	}
	s.SignIn(s.User("")).Get(at).Want(http.StatusNotFound)
	for _, bad := range []string{"x", "member", "member\n\x00", "nobody\na"} {
		if r := of.Get(at + "?after=" + url.QueryEscape(bad)); r.Status != http.StatusUnprocessableEntity && bad != "member" {
			t.Errorf("after %q: %d", bad, r.Status)
		}
	}
	for _, bad := range []string{"x", "1-2", "9-1-1", "-1-1-1", "0-1-1x", "00-1-1"} {
		if r := of.Get("/account/access?after=" + bad); r.Status != http.StatusUnprocessableEntity {
			t.Errorf("after %q: %d", bad, r.Status)
		}
	}
	s.SignIn(admin).Get("/admin/users/" + num(boss.ID) + "/access").Want(http.StatusForbidden)
}
