package console

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/storage"
	"steward/internal/tenancy"
	"steward/views/paths"
	view "steward/views/settings"
	"steward/views/ui"
	"steward/web/gate"
)

// What a change of role or a removal would mean, before it is done.

func (c *Console) memberRoleAsk(ec echo.Context, s access.Project) error {
	role := access.Role(query(ec, "role"))
	if role == "" { // none was chosen
		return c.member(ec, s)
	}
	return c.prospectPage(ec, s, role, nil)
}

func (c *Console) memberRemoveAsk(ec echo.Context, s access.Project) error {
	return c.prospectPage(ec, s, "", nil)
}

// prospectPage tells what another role, or none for "", would mean. When the role was overtaken
// by another change, as the fault says, it tells that, too.
func (c *Console) prospectPage(ec echo.Context, s access.Project, role access.Role, overtaken error) error {
	id, err := number(ec, "member")
	if err != nil {
		return err
	}
	var x tenancy.Prospect
	var work []jobs.Job
	m := view.Prospect{In: view.InProject(paths.Members(s.ID())), URL: paths.Member(s.ID(), id), Key: key(), Role: string(role)}
	err = c.view(ec, func(tx *db.Tx) error {
		if x, err = tenancy.Foresee(tx, s, id, role, c.permissions()); err != nil {
			return err
		}
		if s.May(access.StorageJobsRead) {
			if work, err = c.app.Jobs.Unfinished(tx, s, x.Member.Who.ID, workMost); err != nil {
				return err
			}
		}
		m.Shell, _, err = c.projectShell(ec, tx, s)
		return err
	})
	if errs, ok := fieldErrors(err); ok {
		return c.memberPage(ec, s, http.StatusUnprocessableEntity, nil, errs)
	}
	if err != nil {
		return err
	}
	status := http.StatusOK
	if overtaken != nil {
		status, m.Overtaken = formStatus(overtaken), fault.Of(overtaken).Message
	}
	m.Seen = seen(x.Member.Role)
	m.Name, m.From, m.To, m.ToText = x.Member.Who.Name, x.Member.Role.Label(), role.Label(), role.Describe()
	m.Title, m.Verb, m.Action = "Make "+m.Name+" "+m.To+"?", "Change role", paths.MemberRole(s.ID(), id)
	if role == "" {
		m.Title, m.Verb, m.Action, m.To = "Remove "+m.Name+"?", "Remove from project", paths.MemberRemove(s.ID(), id), "None"
	}
	if f := fault.Of(x.Refused); f != nil {
		m.Refused = f.Message
	}
	m.Changes, m.Ends, m.Stays = changesOf(x), endsOf(s, x, work), staysOf(x)
	return page(ec, status, view.ProspectPage(m))
}

// permissions are all that roles give, but for leaving, which everybody may: first those that an
// address of the console demands, as they come there.
func (c *Console) permissions() (out []access.Permission) {
	var all []access.Permission
	for _, r := range c.routes() {
		if r.Rule.Kind == gate.ForProject {
			all = append(all, r.Rule.Permission)
		}
	}
	for _, p := range append(all, access.ProjectPermissions()...) {
		if p != access.MembersLeave && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// workMost is how many jobs of a person are looked at that wait or run.
const workMost = 100

// changesOf are the permissions that somebody loses, and then those that they gain.
func changesOf(x tenancy.Prospect) []ui.Item {
	var losses, gains []ui.Item
	for _, c := range x.Changes {
		item := ui.Item{Tone: "bad", Icon: "x", Who: "No longer:", Text: c.What}
		switch {
		case c.After == access.ToAll || c.Before == access.ToNothing:
			item = ui.Item{Tone: "ok", Icon: "plus", Who: "From then on:", Text: c.What, Sub: extentWords("Only ", c.After)}
			if c.After == access.ToAll {
				item.Sub = extentWords("Until now only ", c.Before)
			}
			gains = append(gains, item)
			continue
		case c.After == access.ToNothing:
			item.Sub = extentWords("Until now only ", c.Before)
		default:
			item.Who, item.Sub = "Only in part:", extentWords("From then on only ", c.After)
		}
		losses = append(losses, item)
	}
	if len(losses)+len(gains) == 0 {
		return []ui.Item{{Icon: "check", Text: "Nothing changes in what they may do."}}
	}
	return append(losses, gains...)
}

func extentWords(before string, e access.Extent) string {
	switch e {
	case access.ToOwn:
		return before + "of their own."
	case access.ToBranches:
		return before + "in development branches."
	case access.ToState:
		return before + "to enable, disable, move and schedule."
	}
	return ""
}

// endsOf tells what ends beside permissions.
func endsOf(s access.Project, x tenancy.Prospect, work []jobs.Job) (out []ui.Item) {
	stops := func(p access.Permission) bool {
		i := slices.IndexFunc(x.Changes, func(c access.Change) bool { return c.Permission == p })
		return i >= 0 && (x.Changes[i].After == access.ToNothing || x.Changes[i].After == access.ToBranches)
	}
	if x.Role == "" {
		out = append(out, ui.Item{Tone: "bad", Icon: "key-round", Text: "Their own token of this project."})
	}
	if x.Role == "" || slices.ContainsFunc(x.Changes, func(c access.Change) bool { return stops(c.Permission) }) {
		out = append(out, ui.Item{Tone: "bad", Icon: "x", Text: "Pages, uploads and downloads of theirs that need what they lose: with the next click, and within seconds where they are under way."})
	}
	if x.Lapses > 0 {
		item := ui.Item{Tone: "bad", Icon: "mail", Text: ui.Count(int64(x.Lapses), "invitation that they sent to this project: it does", "invitations that they sent to this project: they do") + " not count until somebody who may sends " + map[bool]string{true: "it", false: "them"}[x.Lapses == 1] + " again."}
		if !x.Above {
			item.Sub = "Unless they belong to the organization, which only its members see."
		}
		out = append(out, item)
	}
	if !s.May(access.StorageJobsRead) {
		out = append(out, ui.Item{Tone: "bad", Icon: "list-checks", Text: "Jobs of theirs that wait or run and need what they lose."})
	}
	if x.Final {
		out = append(out, ui.Item{Tone: "warn", Icon: "lock", Text: "The role " + x.Member.Role.Label() + ", for good as far as you are concerned: only a member of the organization can give it back."})
	}
	stopped := 0
	for _, j := range work {
		if !stops(storage.Needs(j.Operation)) {
			continue
		}
		if stopped++; stopped <= 10 {
			out = append(out, ui.Item{Tone: "bad", Icon: "list-checks", Who: "Job " + itoa(j.ID) + ":", Text: j.Operation, URL: paths.StorageJob(s.ID(), j.ID), Sub: j.Table})
		}
	}
	if stopped > 10 {
		out = append(out, ui.Item{Tone: "bad", Icon: "list-checks", Text: "And at least " + ui.Count(int64(stopped-10), "more job", "more jobs") + " of theirs that wait or run."})
	}
	return out
}

// staysOf tells what a change does not touch.
func staysOf(x tenancy.Prospect) []ui.Item {
	out := []ui.Item{{Icon: "history", Text: "What they did, with their name on it."}, {Icon: "monitor", Text: "Their sessions: they stay signed in to Steward."}}
	switch {
	case x.Role != "":
		return append(out, ui.Item{Icon: "key-round", Text: "Their own token, which then may what their role may."})
	case x.OrgMember:
		out = append(out, ui.Item{Tone: "warn", Icon: "building-2", Text: "They belong to the organization: they may join again at any time, and manage the people here without joining."})
	case x.Back == tenancy.StepJoin:
		out = append(out, ui.Item{Tone: "warn", Icon: "door-open", Text: "They may let themselves in again: the organization allows it to people of its maintainer, support and super admins."})
	case x.Back == tenancy.StepAsk:
		out = append(out, ui.Item{Icon: "door-open", Text: "They may ask to be let in again."})
	default:
		out = append(out, ui.Item{Icon: "mail", Text: "They can be invited again."})
	}
	if !x.Above {
		out = append(out, ui.Item{Icon: "building-2", Text: "What they may do as somebody of the organization or above it, if they are: only its members see that."})
	}
	return out
}
