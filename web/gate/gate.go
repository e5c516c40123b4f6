// Package gate stands before every handler. A route says who may come in; the gate
// finds out who asks, lets access decide, and hands the handler the proof. It also sees
// to it that what is sent twice is done once.
package gate

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/audit"
	"steward/internal/control"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/tenancy"
)

// Gate decides requests. It is safe for concurrent use.
type Gate struct {
	db    *db.DB
	reads *audit.Buffer
	log   *slog.Logger
}

// New makes a gate.
func New(d *db.DB, reads *audit.Buffer, log *slog.Logger) *Gate { return &Gate{d, reads, log} }

// Kind is what a route demands of who asks.
type Kind string

// The kinds.
const (
	ForAnyone   Kind = "public"
	ForSignedIn Kind = "signedIn"
	ForProject  Kind = "project"

	ForOrganization Kind = "organization"
	ForMaintainer   Kind = "maintainer"
	ForEntrance     Kind = "entrance" // of a project, for who is not in it
)

// Rule is a route's demand and its handler. Only this package makes one.
type Rule struct {
	Kind       Kind
	Permission access.Permission // of all but ForAnyone
	Else       access.Permission // of a project, enough in its place; "" = none
	Proof      bool              // who it is has to have been proved a short time ago
	Enrolling  bool              // open to who has to set up a second factor first
	public     echo.HandlerFunc
	signedIn   func(echo.Context, access.Actor) error
	project    func(echo.Context, access.Project) error

	organization func(echo.Context, access.Organization) error
	maintainer   func(echo.Context, access.Maintainer) error
}

// Public lets everyone in.
func Public(h echo.HandlerFunc) Rule {
	return Rule{Kind: ForAnyone, Permission: access.PublicPages, public: h}
}

// SignedIn lets in who is signed in.
func SignedIn(p access.Permission, h func(echo.Context, access.Actor) error) Rule {
	return Rule{Kind: ForSignedIn, Permission: p, signedIn: h}
}

// InProject lets in who holds a permission in the project of the address (:project).
func InProject(p access.Permission, h func(echo.Context, access.Project) error) Rule {
	return Rule{Kind: ForProject, Permission: p, project: h}
}

// Or lets in who holds another permission in the project, too.
func (r Rule) Or(p access.Permission) Rule {
	r.Else = p
	return r
}

// InOrganization lets in who holds a permission on the organization of the address
// (:organization).
func InOrganization(p access.Permission, h func(echo.Context, access.Organization) error) Rule {
	return Rule{Kind: ForOrganization, Permission: p, organization: h}
}

// InMaintainer lets in who holds a permission on the maintainer of the address (:maintainer).
func InMaintainer(p access.Permission, h func(echo.Context, access.Maintainer) error) Rule {
	return Rule{Kind: ForMaintainer, Permission: p, maintainer: h}
}

// AtEntrance lets in who holds a permission on the organization of the project of the address
// (:project), though they may not be in the project.
func AtEntrance(p access.Permission, h func(echo.Context, access.Organization) error) Rule {
	return Rule{Kind: ForEntrance, Permission: p, organization: h}
}

// Proved is the rule for what is sensitive: who it is has to have been proved within
// accounts.ProofLife.
func (r Rule) Proved() Rule {
	r.Proof = true
	return r
}

// WhileEnrolling opens a rule to people who have to set up a second factor before anything
// else.
func (r Rule) WhileEnrolling() Rule {
	r.Enrolling = true
	return r
}

// Route is one address with its rule.
type Route struct {
	Method string
	Path   string
	Rule   Rule
}

// Mount adds routes to an echo, each behind its rule.
func (g *Gate) Mount(e *echo.Echo, routes []Route) {
	for _, r := range routes {
		e.Add(r.Method, r.Path, g.handler(r.Rule))
	}
}

func (g *Gate) handler(r Rule) echo.HandlerFunc {
	switch r.Kind {
	case ForAnyone:
		return r.public
	case ForSignedIn:
		return func(c echo.Context) error {
			a, err := g.actor(c)
			if err != nil {
				return err
			}
			if err := enrolled(c, r); err != nil {
				return err
			}
			if !access.MayAbove(r.Permission, access.Above{SignedIn: true, SuperAdmin: a.SuperAdmin || !control.On(control.SuperAdmins)}) {
				e := audit.By(a, "access.refused", "installation", "", "")
				e.Type, e.Params = audit.Warn, map[string]any{"permission": r.Permission}
				g.reads.Refusal(c.Request().Context(), e.Says("%s was refused. They may not %s.", a.Name, r.Permission.Describe()))
				return fault.New(fault.Forbidden, "access.account", "Your account does not include this.")
			}
			if err := g.proved(c, r); err != nil {
				return err
			}
			g.goesOn(c, a, func() error { return g.stillAbove(c, a, r.Permission) })
			return g.once(c, actorKey(a), func() error { return r.signedIn(c, a) })
		}
	case ForOrganization:
		return over(g, r, "organization", tenancy.EnterOrganization, access.Organization.Actor, r.organization)
	case ForEntrance:
		return over(g, r, "project", tenancy.Approach, access.Organization.Actor, r.organization)
	case ForMaintainer:
		return over(g, r, "maintainer", tenancy.EnterMaintainer, access.Maintainer.Actor, r.maintainer)
	default:
		return func(c echo.Context) error {
			if err := enrolled(c, r); err != nil {
				return err
			}
			scope, err := g.Project(c, r.Permission, r.Else)
			if err != nil {
				return err
			}
			if err := g.proved(c, r); err != nil {
				return err
			}
			g.goesOn(c, scope.Actor(), func() error { _, err := g.Project(c, r.Permission, r.Else); return err })
			return g.once(c, actorKey(scope.Actor()), func() error { return r.project(c, scope) })
		}
	}
}

// over is the handler of a rule above projects: what is the part of the address that names
// what the scope is about, and enter decides.
func over[S any](g *Gate, r Rule, what string, enter func(*db.Tx, access.Actor, int64, access.Permission) (S, error), by func(S) access.Actor, then func(echo.Context, S) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := enrolled(c, r); err != nil {
			return err
		}
		decide := func() (scope S, err error) {
			a, err := g.actor(c)
			if err != nil {
				return scope, err
			}
			id, err := number(c, what)
			if err != nil {
				return scope, err
			}
			err = g.db.View(c.Request().Context(), func(tx *db.Tx) error { scope, err = enter(tx, a, id, r.Permission); return err })
			g.refused(c.Request().Context(), a, what, id, r.Permission, err)
			return scope, err
		}
		scope, err := decide()
		if err != nil {
			return err
		}
		if err := g.proved(c, r); err != nil {
			return err
		}
		g.goesOn(c, by(scope), func() error { _, err := decide(); return err })
		return g.once(c, actorKey(by(scope)), func() error { return then(c, scope) })
	}
}

// number reads a number of the address. NotFound when it is none.
func number(c echo.Context, name string) (int64, error) {
	n, err := strconv.ParseInt(c.Param(name), 10, 64)
	if err != nil || n <= 0 || strconv.FormatInt(n, 10) != c.Param(name) {
		return 0, fault.New(fault.NotFound, "notFound", "Not found.")
	}
	return n, nil
}

// ProofNeeded is the code of the fault for a session that has to prove anew who it is; web
// answers it with the form for that.
const ProofNeeded = "access.proof"

func enrolled(c echo.Context, r Rule) error {
	if v := accounts.VisitOf(c.Request().Context()); !control.On(control.FactorDemanded) || r.Enrolling || !v.SignedIn() || !v.MustEnrol {
		return nil
	}
	return fault.New(fault.Unauthenticated, access.FactorNeeded, "Turn on two-step sign-in first.")
}

func (g *Gate) proved(c echo.Context, r Rule) error {
	if !r.Proof || !control.On(control.FreshProof) {
		return nil
	}
	return g.Proved(c)
}

// Proved is Unauthenticated, with the code ProofNeeded, unless who it is was proved a
// short time ago: for handlers of which only some requests are sensitive.
func (g *Gate) Proved(c echo.Context) error {
	if accounts.VisitOf(c.Request().Context()).Proved(g.db.Now()) {
		return nil
	}
	return fault.New(fault.Unauthenticated, ProofNeeded, "Confirm first that it is you.")
}

// WantsJSON reports whether a request asks for JSON rather than a page.
func WantsJSON(r *http.Request) bool {
	return r.URL.Query().Get("format") == "json" || strings.HasPrefix(r.Header.Get("Accept"), "application/json")
}

const againKey = "gate.again"

// Again decides a request once more, for answers that last.
func Again(c echo.Context) error {
	if again, ok := c.Get(againKey).(func() error); ok {
		return again()
	}
	return nil
}

// goesOn says how a request is decided once more: its session has to count still, and decide
// to let it in.
func (g *Gate) goesOn(c echo.Context, a access.Actor, decide func() error) {
	c.Set(againKey, func() error {
		err := g.db.View(c.Request().Context(), func(tx *db.Tx) error { return accounts.Present(tx, a) })
		if err != nil {
			return err
		}
		return decide()
	})
}

// stillAbove is Forbidden unless somebody holds a permission above projects at this time.
func (g *Gate) stillAbove(c echo.Context, a access.Actor, p access.Permission) error {
	return g.db.View(c.Request().Context(), func(tx *db.Tx) error {
		u, err := accounts.Find(tx, a.UserID)
		if err == nil && !access.MayAbove(p, access.Above{SignedIn: true, SuperAdmin: u.SuperAdmin}) {
			err = fault.New(fault.Forbidden, "access.account", "Your account does not include this.")
		}
		return err
	})
}

func actorKey(a access.Actor) string { return "user:" + strconv.FormatInt(a.UserID, 10) }

func (g *Gate) actor(c echo.Context) (access.Actor, error) {
	v := accounts.VisitOf(c.Request().Context())
	if !v.SignedIn() {
		return access.Actor{}, fault.New(fault.Unauthenticated, "access.signIn", "Sign in first.")
	}
	return v.Actor(), nil
}

// Project gives the scope of who asks in the project of the address, and holds a permission
// there, or the other one, if that is one. Unauthenticated
// when nobody is signed in, NotFound or Forbidden as tenancy.Enter says. Each refusal of
// somebody who is signed in is an event; that of who is no member is kept as long as those
// of reads.
func (g *Gate) Project(c echo.Context, p, or access.Permission) (access.Project, error) {
	a, err := g.actor(c)
	if err != nil {
		return access.Project{}, err
	}
	project, err := number(c, "project")
	if err != nil {
		return access.Project{}, err
	}
	return g.enter(c.Request().Context(), a, project, p, or)
}

// Enter decides again for an actor, for streams that outlive the request's decision.
func (g *Gate) Enter(ctx context.Context, a access.Actor, project int64, p access.Permission) (access.Project, error) {
	return g.enter(ctx, a, project, p, "")
}

func (g *Gate) enter(ctx context.Context, a access.Actor, project int64, p, or access.Permission) (scope access.Project, err error) {
	err = g.db.View(ctx, func(tx *db.Tx) error {
		var refused error
		if scope, refused = tenancy.Enter(tx, a, project, p); or == "" || !fault.Is(refused, fault.Forbidden) {
			return refused
		}
		if scope, err = tenancy.Enter(tx, a, project, or); fault.Is(err, fault.Forbidden) {
			return refused
		}
		return err
	})
	g.refused(ctx, a, "project", project, p, err)
	return scope, err
}

// place is where somebody was refused: its name, and its organization, whose people read of it. Both
// are zero if nobody can tell.
func (g *Gate) place(ctx context.Context, what string, id int64) (name string, organization int64) {
	err := g.db.View(ctx, func(tx *db.Tx) (err error) {
		if what != "project" {
			name, err = tenancy.TeamName(tx, tenancy.TeamKind(what), id)
			return err
		}
		p, err := tenancy.Find(tx, id)
		name, organization = p.Name, p.Organization
		return err
	})
	if err != nil {
		g.log.Error("the place in which somebody was refused is not known", "kind", what, "id", id, "error", err)
	}
	if what == "organization" {
		organization = id
	}
	return name, organization
}

// refused notes that somebody was refused.
func (g *Gate) refused(ctx context.Context, a access.Actor, what string, id int64, p access.Permission, err error) {
	if fault.Is(err, fault.NotFound) { // they may be trying numbers, and whose they are is told to nobody
		e := audit.By(a, "access.refused", "installation", "", "")
		e.Type, e.Params = audit.Warn, map[string]any{what: id, "permission": p}
		g.reads.Note(ctx, e.Says("%s was refused in %s %d, which is none of theirs. They may not %s.", a.Name, what, id, p.Describe()))
	}
	if fault.Is(err, fault.Forbidden) {
		name, organization := g.place(ctx, what, id)
		e := audit.By(a, "access.refused", what, strconv.FormatInt(id, 10), name)
		if e.Type, e.Organization, e.Params = audit.Warn, organization, map[string]any{"permission": p}; what == "project" {
			e.Project = id
		}
		g.reads.Refusal(ctx, e.Says("%s was refused in %s %q. They may not %s.", a.Name, what, name, p.Describe()))
	}
}
