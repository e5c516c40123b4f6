package console_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/db/dbtest"
	"steward/internal/tenancy"
	"steward/web/console"
	"steward/web/gate"
	"steward/web/webtest"
)

// TestPermissionsAbove walks every route of organizations, of maintainers and of the entrances
// of projects × everybody, with and without auto-join, and compares the answers with the list
// of permissions and the database around every request.
func TestPermissionsAbove(t *testing.T) {
	t.Parallel()
	dsn := dbtest.DSN(t)
	s := webtest.Open(t, webtest.Options{DSN: dsn, Idle: true})
	p, admin := s.Project("Ours", false)
	other, _ := s.Project("Other tenant", false)
	ours, theirs := furnish(t, s, p, admin), furnish(t, s, other, s.Member(other, access.Admin))
	invitee, removed := s.User("Invitee"), s.User("Removed")
	maintainer, support, outsider := s.User("Maintainer member"), s.User("Support"), s.User("Outsider")
	orgMember := s.User("Organization member")
	s.Update(func(tx *db.Tx) error {
		if err := tenancy.JoinMaintainer(tx, maintainer.Actor(), ours.owner, maintainer); err != nil {
			return err
		}
		for _, x := range []accounts.User{orgMember, removed} {
			if err := tenancy.JoinOrganization(tx, x.Actor(), p.Organization, x); err != nil {
				return err
			}
		}
		if err := s.App.Tenancy.GrantSupport(tx, access.Actor{Name: "The operator", SuperAdmin: true}, support.ID, tx.Now.AddDate(0, 0, 90)); err != nil {
			return err
		}
		scope, err := tenancy.EnterOrganization(tx, ours.boss.Actor(), p.Organization, access.OrganizationRead)
		if err != nil {
			return err
		}
		team, err := tenancy.OrganizationTeam(tx, scope)
		if err != nil {
			return err
		}
		if _, err := s.App.Tenancy.InviteToTeam(tx, team, tenancy.NewInvitation{Emails: []string{invitee.Email}, Days: 7}); err != nil {
			return err
		}
		_, err = s.App.Tenancy.RemoveFromTeam(tx, team, removed.ID)
		return err
	})
	ofSupport := s.SignIn(support)
	s.TwoStep(ofSupport)
	const nowhere, inside, invited = "", "projectMember", "invitee" // columns of the list beside those of the roles
	actors := []struct {
		name, column string
		client       *webtest.Client
	}{
		{"nobody", "-", s.Anonymous()}, {"outsider", nowhere, s.SignIn(outsider)}, {"invitee", invited, s.SignIn(invitee)}, {"removed member", nowhere, s.SignIn(removed)},
		{"other tenant", nowhere, s.SignIn(theirs.boss)}, {"project member", inside, s.SignIn(admin)}, {"organization member", "orgMember", s.SignIn(orgMember)},
		{"maintainer member", "maintainerMember", s.SignIn(maintainer)}, {"support", "support", ofSupport}, {"super admin", "superAdmin", s.SignIn(s.SuperAdmin("Root"))},
	}
	watch := dbtest.Watch(t, dsn, untouched...)
	rules := permissions(t, "permissions-above.csv")
	allowed, refused := 0, 0
	for _, autoJoin := range []bool{true, false} {
		s.Update(func(tx *db.Tx) error {
			return tx.Must("UPDATE organizations SET allow_auto_join = $2 WHERE id = $1", p.Organization, autoJoin)
		})
		for _, a := range actors {
			for _, r := range console.New(t.Context(), s.App, nil, nil).Routes() {
				if !slices.Contains([]gate.Kind{gate.ForOrganization, gate.ForMaintainer, gate.ForEntrance}, r.Rule.Kind) {
					continue
				}
				rule, known := rules[string(r.Rule.Permission)]
				if !known {
					t.Fatalf("%s %s demands %q, which is in no table", r.Method, r.Path, r.Rule.Permission)
				}
				may := rule[a.column] == "yes" || rule[a.column] == "autoJoin" && autoJoin || rule[a.column] == "whenNoAutoJoin" && !autoJoin
				tied := a.column != nowhere && (r.Rule.Kind != gate.ForMaintainer || !slices.Contains([]string{inside, "orgMember"}, a.column)) && (r.Rule.Kind == gate.ForOrganization || a.column != invited)
				want := http.StatusNotFound
				switch {
				case a.column == "-":
					want = http.StatusSeeOther
				case may && r.Method == http.MethodGet:
					want = http.StatusOK
				case may:
					want = http.StatusUnprocessableEntity
				case tied:
					want = http.StatusForbidden
				}
				switch { // what more decides than the list says
				case may && strings.HasSuffix(r.Path, "/take-back") && a.column != "orgMember":
					want = http.StatusNotFound // that is for the members of an organization alone
					if r.Method == http.MethodPost {
						want = http.StatusUnprocessableEntity
					}
				case may && r.Method == http.MethodGet && strings.HasSuffix(r.Path, "/move") && a.column == "maintainerMember" && !autoJoin:
					want = http.StatusForbidden
				}
				before := watch.Sum()
				var res webtest.Response
				if path := ours.path(r.Path); r.Method == http.MethodGet {
					res = a.client.Get(path)
				} else { // a field that no form has: who may is told so, and nothing is done
					res = a.client.Post(path, url.Values{"none": {"x"}})
				}
				if res.Status != want || a.column == "-" && !strings.HasPrefix(res.Location, "/login") {
					t.Errorf("%s, auto-join %t: %s %s: %d %s, want %d", a.name, autoJoin, r.Method, r.Path, res.Status, res.Location, want)
				}
				if watch.Sum() != before {
					t.Errorf("%s, auto-join %t: %s %s changed the database", a.name, autoJoin, r.Method, r.Path)
				}
				if may {
					allowed++
				} else {
					refused++
				}
			}
		}
	}
	if allowed < 150 || refused < 300 {
		t.Errorf("only %d were allowed and %d refused", allowed, refused)
	}
}
