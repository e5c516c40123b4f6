package access_test

import (
	"encoding/csv"
	"os"
	"testing"

	"steward/internal/access"
)

func rows(t *testing.T, name string) []map[string]string {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]string
	for _, r := range all[1:] {
		m := map[string]string{}
		for i, h := range all[0] {
			m[h] = r[i]
		}
		out = append(out, m)
	}
	return out
}

// TestASVS_8_2_1 walks the list of permissions: every permission × every role × every
// condition, against the scope's answer.
func TestASVS_8_2_1(t *testing.T) {
	t.Parallel()
	list := rows(t, "permissions.csv")
	if len(list) < 45 {
		t.Fatalf("only %d permissions were read", len(list))
	}
	place := access.Place{Project: 1, Branch: 2, Org: 3}
	for _, r := range list {
		p := access.Permission(r["permission"])
		for _, role := range []string{"share", "admin", "guest", "readOnly", "developer", "reviewer", "productionManager", "orgMember"} {
			for bits := range 8 {
				own, dev, org := bits&1 != 0, bits&2 != 0, bits&4 != 0
				facts := access.Facts{Role: access.Role(role), OrgMember: org, Development: dev}
				if role == "orgMember" {
					facts.Role = ""
				}
				var want bool
				switch r[role] {
				case "yes", "stateOnly":
					want = true
				case "no", "join":
				case "own":
					want = own
				case "branch":
					want = dev
				case "branchOwn":
					want = dev && own
				case "ifOrgMember":
					want = org
				default:
					t.Fatalf("%s, %s: unknown rule %q", p, role, r[role])
				}
				_, err := access.InProject(access.Actor{UserID: 1}, place, facts, p, own)
				if (err == nil) != want {
					t.Errorf("%s as %s (own %v, development %v, organization member %v): %v, want allowed %v", p, role, own, dev, org, err, want)
				}
			}
		}
	}
	if (access.Project{}).May(access.ProjectRead) {
		t.Error("the zero scope permits something")
	}
	s, err := access.InProject(access.Actor{UserID: 1}, place, access.Facts{Role: access.Admin}, access.ProjectRead, false)
	if err != nil || s.May("no.such") {
		t.Error("an unknown permission is granted")
	}
}

func TestAbove(t *testing.T) {
	t.Parallel()
	columns := []string{"public", "signedIn", "invitee", "projectMember", "orgMember", "maintainerMember", "support", "superAdmin"}
	list := rows(t, "permissions-above.csv")
	if len(list) < 20 {
		t.Fatalf("only %d permissions were read", len(list))
	}
	for _, r := range list {
		for i, c := range columns {
			for _, auto := range []bool{false, true} {
				f := access.Above{AutoJoin: auto}
				for j, b := range []*bool{new(bool), &f.SignedIn, &f.Invitee, &f.ProjectMember, &f.OrgMember, &f.MaintainerMember, &f.Support, &f.SuperAdmin} {
					*b = i == j
				}
				rule := r[c]
				if i > 0 && r["public"] == "yes" {
					rule = "yes"
				}
				var want bool
				switch rule {
				case "yes":
					want = true
				case "no", "asProject":
				case "autoJoin":
					want = auto
				case "whenNoAutoJoin":
					want = !auto
				default:
					t.Fatalf("%s, %s: unknown rule %q", r["permission"], c, rule)
				}
				if got := access.MayAbove(access.Permission(r["permission"]), f); got != want {
					t.Errorf("%s as %s, auto-join %v: %v, want %v", r["permission"], c, auto, got, want)
				}
			}
		}
	}
}
