package console

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/tenancy"
	"steward/views/paths"
	view "steward/views/settings"
	"steward/views/ui"
)

var wayFields = []field[tenancy.Way]{
	{"email", func(w tenancy.Way) any { return w.Who.Email }},
	{"name", func(w tenancy.Way) any { return w.Who.Name }},
	{"ground", func(w tenancy.Way) any { return string(w.Grant) }},
	{"inside", func(w tenancy.Way) any { return w.Inside }},
	{"steps", func(w tenancy.Way) any { return joinSteps(w.Steps) }},
	{"role", func(w tenancy.Way) any { return string(w.Role) }},
	{"through", func(w tenancy.Way) any { return string(w.Through) }},
	{"state", func(w tenancy.Way) any { return stateOfMember(w.Member) }},
	{"twoStep", func(w tenancy.Way) any { return twoStepOf(w.Member) }},
	{"since", func(w tenancy.Way) any { return w.Since }},
	{"expires", func(w tenancy.Way) any { return w.Until }},
	{"hours", func(w tenancy.Way) any { return orNil(int64(w.Hours)) }},
	{"open", func(w tenancy.Way) any { return w.Open }},
	{"reason", func(w tenancy.Way) any { return w.Reason }},
	{"invitor", func(w tenancy.Way) any { return w.Invitor.Email }},
	{"approver", func(w tenancy.Way) any { return w.Approver.Email }},
}

func joinSteps(steps []tenancy.Step) string {
	var out []string
	for _, s := range steps {
		out = append(out, string(s))
	}
	return strings.Join(out, " ")
}

// projectAccess lists who can get into a project.
func (c *Console) projectAccess(ec echo.Context, s access.Project) error {
	f := tenancy.WayFilter{Search: query(ec, "q"), Grant: tenancy.Grant(query(ec, "ground"))}
	var door tenancy.Door
	list := func(limit int, after *tenancy.Way) (out []tenancy.Way, err error) {
		f := f
		f.Limit, f.After = limit, after
		err = c.view(ec, func(tx *db.Tx) error {
			if door, err = tenancy.DoorOf(tx, s); err != nil {
				return err
			}
			out, err = door.Ways(tx, f)
			return err
		})
		return out, err
	}
	done, err := exported(ec, "access", wayFields, func(last *tenancy.Way) ([]tenancy.Way, error) { return list(1000, last) })
	if done || err != nil {
		return err
	}
	var after *tenancy.Way
	if text := ec.QueryParam("after"); text != "" {
		w, err := wayAfter(text)
		if err != nil {
			return err
		}
		after = &w
	}
	found, err := list(pageSize+1, after)
	if err != nil {
		return err
	}
	next := ""
	if len(found) > pageSize {
		found = found[:pageSize]
		next = string(found[pageSize-1].Grant) + "\n" + found[pageSize-1].Who.Email
	}
	m := view.Access{Tabs: settingsTabs(s), URL: paths.ProjectAccess(s.ID()), Query: f.Search, Grant: string(f.Grant), Grants: []ui.Option{{Label: "For any reason"}}, Download: downloads(ec)}
	if m.Open = "People of the maintainer " + door.Maintainer + ", support and super admins come in only when those who manage the people here let them in."; door.AutoJoin {
		m.Tone, m.Open = "warn", "People of the maintainer "+door.Maintainer+", support and super admins let themselves in, with a reason and for up to a week: "+door.Organization+" allows it. Everybody here sees them."
	}
	for _, g := range tenancy.Grants() {
		title, _ := grantWords(g, door)
		m.Grants = append(m.Grants, ui.Option{Value: string(g), Label: title})
	}
	m.Groups = c.wayGroups(s, door, found)
	m.Pager = more(ec, ui.Count(int64(len(found)), "way in", "ways in")+" on this page", "after", next, "More ways in")
	err = c.view(ec, func(tx *db.Tx) error {
		count, err := door.Count(tx)
		if err != nil {
			return err
		}
		if m.Stats = doorStats(count); after == nil && f.Search == "" {
			m.Groups = append(m.Groups, unnamed(door, count, f.Grant)...)
		}
		m.Shell, _, err = c.projectShell(ec, tx, s)
		return err
	})
	if err != nil {
		return err
	}
	return page(ec, http.StatusOK, view.AccessPage(m))
}

// wayAfter reads where the page before ended.
func wayAfter(text string) (tenancy.Way, error) {
	grant, email, _ := strings.Cut(text, "\n")
	w := tenancy.Way{Grant: tenancy.Grant(grant)}
	if w.Who.Email = email; !slices.Contains(tenancy.Grants(), w.Grant) || strings.ContainsRune(email, 0) || strings.ToValidUTF8(email, "") != email {
		return w, fault.New(fault.Invalid, "list.cursor", "This page of the list cannot be found. Start at its first page.")
	}
	return w, nil
}

func doorStats(count map[tenancy.Grant]int64) (out []ui.Stat) {
	for _, s := range []struct {
		label  string
		grants []tenancy.Grant
	}{
		{"With a role", []tenancy.Grant{tenancy.ByMembership}},
		{"Of the organization", []tenancy.Grant{tenancy.ByOrganization}},
		{"From outside it", []tenancy.Grant{tenancy.ByMaintainer, tenancy.BySupport, tenancy.BySuperAdmin}},
		{"Invited", []tenancy.Grant{tenancy.ByInvitation, tenancy.ByTeam}},
		{"Asking", []tenancy.Grant{tenancy.ByRequest}},
	} {
		var n int64
		most := false
		for _, g := range s.grants {
			n += count[g]
			most = most || count[g] == tenancy.WaysMost
		}
		stat := ui.Stat{Label: s.label, Figure: ui.Number(n)}
		if most {
			stat.Unit = "or more"
		}
		out = append(out, stat)
	}
	return out
}

// grantWords are a ground for getting in as a heading, with what it means here.
func grantWords(g tenancy.Grant, d tenancy.Door) (title, lede string) {
	comes := "They may ask to be let in, with a reason and for a time."
	if d.AutoJoin {
		comes = "They may let themselves in, with a reason and for a time."
	}
	switch g {
	case tenancy.ByMembership:
		return "People with a role", ""
	case tenancy.ByOrganization:
		return "Members of the organization", "Of " + d.Organization + ". They may join at any time with any role, and manage the people here without joining."
	case tenancy.ByMaintainer:
		return "People of the maintainer", "Of " + d.Maintainer + ". " + comes
	case tenancy.BySupport:
		return "Support", comes
	case tenancy.BySuperAdmin:
		return "Super admins", comes + " They run this console: they may make themselves members of " + d.Organization + ", and bring back, disable and purge projects without being in them."
	case tenancy.ByTeam:
		return "Invited to the organization", "To " + d.Organization + ". As its members they may join."
	case tenancy.ByInvitation:
		return "Invited", "Whoever reads the mails of such an address can accept."
	case tenancy.ByRequest:
		return "Asking to be let in", ""
	}
	return "", ""
}

// unnamed are the grounds of which who looks is told no more than how many people have them.
func unnamed(d tenancy.Door, count map[tenancy.Grant]int64, only tenancy.Grant) (out []view.Ways) {
	for _, g := range tenancy.Grants() {
		if !g.IsAbove() || d.Member || count[g] == 0 || only != "" && only != g {
			continue
		}
		title, lede := grantWords(g, d)
		people := ui.Count(count[g], "person", "people")
		if count[g] == tenancy.WaysMost {
			people = "At least " + people
		}
		out = append(out, view.Ways{ID: "by-" + string(g), Title: title, Lede: lede, Unnamed: people + ". Members of the organization see here who they are."})
	}
	return out
}

// wayGroups puts the ways of a page together by ground.
func (c *Console) wayGroups(s access.Project, d tenancy.Door, list []tenancy.Way) (out []view.Ways) {
	for i, w := range list {
		if i == 0 || list[i-1].Grant != w.Grant {
			title, lede := grantWords(w.Grant, d)
			out = append(out, view.Ways{ID: "by-" + string(w.Grant), Title: title, Lede: lede})
		}
		g := &out[len(out)-1]
		g.List = append(g.List, c.wayRow(s, w))
	}
	return out
}

func (c *Console) wayRow(s access.Project, w tenancy.Way) view.WayRow {
	row := view.WayRow{MemberRow: c.personRow(s.Actor(), w.Member), In: w.Inside && len(w.Steps) == 0, Open: c.when(w.Open), Steps: stepWords(w.Steps)}
	switch w.Grant {
	case tenancy.ByMembership, tenancy.ByInvitation, tenancy.ByRequest:
		row.URL = c.memberRow(s, w.Member).URL
	case tenancy.BySupport, tenancy.BySuperAdmin:
		row.By = view.By{}
	case tenancy.ByOrganization, tenancy.ByMaintainer:
		switch w.Invitor.ID {
		case 0:
			row.By.Text = "Came with it"
		case w.Who.ID:
			row.By.Text = "Joined by themselves"
		}
	}
	return row
}

// stepWords tell what is before somebody gets in.
func stepWords(steps []tenancy.Step) (out []string) {
	for _, s := range steps {
		out = append(out, map[tenancy.Step]string{
			tenancy.StepEnable:   "A super admin enables the account",
			tenancy.StepActivate: "They activate the account",
			tenancy.StepFactor:   "They turn on two-step sign-in",
			tenancy.StepOpen:     "A super admin opens the project",
			tenancy.StepInvite:   "Somebody invites them again: this invitation does not count any more",
			tenancy.StepAccept:   "They accept the invitation",
			tenancy.StepJoin:     "They join by themselves",
			tenancy.StepAsk:      "They ask, and are let in",
			tenancy.StepApprove:  "Their request is approved",
		}[s])
	}
	return out
}
