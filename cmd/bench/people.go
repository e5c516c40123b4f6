package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/app"
	"steward/internal/db"
	"steward/internal/tenancy"
	"steward/views/paths"
)

// How many there are where people are listed.
const (
	members   = 10_000
	memberOf  = 500 // projects
	perCommit = 1000

	peopleLooks = 100 // at each page in a round
	peopleWant  = 80  // ms, within which 99 of 100 pages are answered
)

// people measures the lists of people of a project and an organization that have very many,
// and the pages of somebody who is in many projects.
func (b *bench) people(ctx context.Context) ([]Row, error) {
	b.say("making a data folder with %d people", members)
	var organization int64
	w, err := b.makeFolder(ctx, "people", memberOf, func(a *app.App, s access.Project) error {
		organization = s.Organization()
		return manyPeople(ctx, a, s)
	})
	if err != nil {
		return nil, err
	}
	server, br, err := b.enter(ctx, w.data)
	if err != nil {
		return nil, err
	}
	out, err := b.peoplePages(ctx, br, w, organization)
	return out, errors.Join(err, server.stop())
}

func (b *bench) peoplePages(ctx context.Context, br *browser, w world, organization int64) (out []Row, err error) {
	of, among := paths.Members(w.project), paths.TeamMembers(paths.Organization(organization))
	for _, page := range []struct{ what, path string }{
		{fmt.Sprintf("users of a project, of %d", members), of},
		{"users of a project, one found by name", paths.With(of, "q", "Person 7777")},
		{"users of a project, by role", paths.With(of, "role", "readOnly")},
		{"users of a project, the newest", paths.With(of, "sort", "newest")},
		{"users of a project, in order of role", paths.With(of, "sort", "role")},
		{"users of a project, in order of end", paths.With(of, "sort", "expires")},
		{"who can get in", paths.ProjectAccess(w.project)},
		{"who can get in, one found by name", paths.With(paths.ProjectAccess(w.project), "q", "Person 7777")},
		{"members of an organization", among},
		{"members of an organization, one found by name", paths.With(among, "q", "Person 7777")},
		{fmt.Sprintf("overview, for who is in %d projects", memberOf), paths.Project(w.project)},
		{fmt.Sprintf("list of %d projects, one found by name", memberOf), paths.With(paths.Projects(), "q", projectName(memberOf/2))},
	} {
		var p99 Samples
		for range b.rounds {
			var took Samples
			for range peopleLooks {
				t, err := br.time(ctx, page.path)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", page.what, err)
				}
				took = append(took, milliseconds(t))
			}
			slices.Sort(took)
			p99 = append(p99, took[peopleLooks*99/100])
		}
		out = append(out, Row{What: "page " + page.what + ": p99", Unit: "ms", Steward: p99, Compare: Figure, Want: peopleWant})
	}
	return out, nil
}

// manyPeople makes people who are in a project and of its organization.
func manyPeople(ctx context.Context, a *app.App, s access.Project) error {
	hash, err := a.Accounts.Hash(ctx, password)
	if err != nil {
		return err
	}
	roles := access.Roles(false)
	for from := 0; from < members; from += perCommit {
		err := a.DB.Update(ctx, func(tx *db.Tx) error {
			p, err := tenancy.Find(tx, s.ID())
			if err != nil {
				return err
			}
			for i := from; i < from+perCommit; i++ {
				u, err := a.Accounts.Create(tx, access.Actor{}, accounts.NewUser{Email: invited(i), Name: fmt.Sprintf("Person %d", i)}, hash)
				if err != nil {
					return err
				}
				if err := tenancy.Join(tx, s.Actor(), p, u, roles[i%len(roles)]); err != nil {
					return err
				}
				if err := tenancy.JoinOrganization(tx, s.Actor(), s.Organization(), u); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
