package console

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"steward/internal/access"
	"steward/internal/accounts"
	"steward/internal/db"
	"steward/internal/fault"
	"steward/internal/jobs"
	"steward/internal/tenancy"
	"steward/views/paths"
	view "steward/views/settings"
	"steward/views/ui"
)

var memberFields = []field[tenancy.Member]{
	{"id", func(m tenancy.Member) any { return m.ID }},
	{"userId", userOf},
	{"email", func(m tenancy.Member) any { return m.Who.Email }},
	{"name", func(m tenancy.Member) any { return m.Who.Name }},
	{"role", func(m tenancy.Member) any { return string(m.Role) }},
	{"invited", func(m tenancy.Member) any { return m.Invited }},
	{"asks", func(m tenancy.Member) any { return m.Asks }},
	{"through", func(m tenancy.Member) any { return string(m.Through) }},
	{"activated", func(m tenancy.Member) any { return m.Who.State != accounts.Invited }},
	{"state", stateOfMember},
	{"twoStep", twoStepOf},
	{"added", func(m tenancy.Member) any { return m.Since }},
	{"expires", func(m tenancy.Member) any { return m.Until }},
	{"hours", func(m tenancy.Member) any { return orNil(int64(m.Hours)) }},
	{"invitationExpires", func(m tenancy.Member) any { return m.Open }},
	{"counts", countsOf},
	{"outcome", becameOf},
	{"ended", func(m tenancy.Member) any { return m.Ended }},
	{"cancelledBy", cancelledBy},
	{"reason", func(m tenancy.Member) any { return m.Reason }},
	{"invitor", func(m tenancy.Member) any { return m.Invitor.Email }},
	{"approver", func(m tenancy.Member) any { return m.Approver.Email }},
}

// userOf is the number of a member, as the audit log has it; nil of who is none yet.
func userOf(m tenancy.Member) any {
	if m.Invited || m.Asks {
		return nil
	}
	return m.Who.ID
}

// factorKnown reports whether it is told how somebody signs in: of who has come in, and can.
func factorKnown(m tenancy.Member) bool { return m.Who.State == accounts.Active && !m.Invited }

// twoStepOf tells whether somebody signs in in two steps, nil where that is not told.
func twoStepOf(m tenancy.Member) any {
	if !factorKnown(m) {
		return nil
	}
	return m.Factor
}

// stateOfMember is active, disabled, or invited: by an invitation, or to activate the account. It is
// nil of an invitation that waits no more.
func stateOfMember(m tenancy.Member) any {
	if m.Invited && !m.Waits() {
		return nil
	}
	if m.Invited {
		return string(accounts.Invited)
	}
	return string(m.Who.State)
}

func (c *Console) members(ec echo.Context, s access.Project) error {
	f := tenancy.MemberFilter{Search: query(ec, "q"), Role: access.Role(query(ec, "role")), Standing: tenancy.Standing(query(ec, "status")), NoFactor: query(ec, "twoStep") == "off", Sort: tenancy.Sort(query(ec, "sort"))}
	f.Nobody = !f.NoFactor && query(ec, "twoStep") != ""
	list := func(limit int, after *tenancy.Member) (out []tenancy.Member, err error) {
		f := f
		f.Limit, f.After = limit, after
		err = c.view(ec, func(tx *db.Tx) error { out, err = tenancy.Members(tx, s, f); return err })
		return out, err
	}
	done, err := exported(ec, "users", memberFields, func(last *tenancy.Member) ([]tenancy.Member, error) { return list(1000, last) })
	if done || err != nil {
		return err
	}
	var after *tenancy.Member
	if cursor := ec.QueryParam("after"); cursor != "" {
		m, err := memberAfter(cursor, f)
		if err != nil {
			return err
		}
		after = &m
	}
	people, err := list(pageSize+1, after)
	if err != nil {
		return err
	}
	next := ""
	if len(people) > pageSize {
		people = people[:pageSize]
		next = memberCursor(f, people[pageSize-1])
	}
	m := view.Members{Tabs: settingsTabs(s), Query: f.Search, Role: string(f.Role), Standing: string(f.Standing), NoFactor: f.NoFactor, Download: downloads(ec), Roles: []ui.Option{{Label: "All roles"}}}
	for _, r := range access.Roles(s.Governed()) {
		m.Roles = append(m.Roles, ui.Option{Value: string(r), Label: r.Label()})
	}
	m.Sort = memberColumns(ec, f.Sort)
	m.Pager = more(ec, ui.Count(int64(len(people)), "person", "people")+" on this page", "after", next, "More people")
	if f.Standing == tenancy.StandsOver {
		m.Pager = more(ec, overText(len(people)), "after", next, "More invitations")
	}
	var fixed bool
	err = c.view(ec, func(tx *db.Tx) error {
		shell, project, err := c.projectShell(ec, tx, s)
		if err != nil {
			return err
		}
		m.Shell, m.External, fixed = shell, project.ExternalRoles, project.ExternalRoles
		n, err := tenancy.CountMembers(tx, s)
		if m.Sum = ui.Count(n.Members+n.Invited, "person", "people") + " in all, " + ui.Number(n.Invited) + " of them invited"; f.Standing == tenancy.StandsOver {
			m.Sum = overSum
		}
		if n.Asking > 0 && s.May(access.JoinRequestsDecide) && f.Standing != tenancy.StandsAsking {
			m.Asking, m.AskingURL = ui.Count(n.Asking, "person asks", "people ask")+" to be let in.", paths.With(m.Tabs.Users, "status", string(tenancy.StandsAsking))
		}
		if n.NoFactor > 0 && !f.NoFactor {
			m.Warning, m.WarnURL = ui.Count(n.NoFactor, "person signs", "people sign")+" in without a second step.", paths.With(m.Tabs.Users, "twoStep", "off")
			if n.NoFactor == tenancy.NoFactorMost {
				m.Warning = "At least " + m.Warning
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	if s.May(access.MembersInvite) {
		m.InviteURL = paths.MembersInvite(s.ID())
	}
	if s.May(access.MembersRole) {
		m.RemindURL, m.RemindKey = paths.MembersRemind(s.ID()), key()
	}
	for _, p := range people {
		row := c.memberRow(s, p)
		if f.Standing == tenancy.StandsOver {
			m.Over = append(m.Over, c.overRow(row, p))
			continue
		}
		row.Deeds = view.Deeds{ID: "deeds-" + kindOf(p) + itoa(p.ID), List: memberDeeds(s, p, row.URL, fixed)}
		m.List = append(m.List, row)
	}
	return page(ec, http.StatusOK, view.MembersPage(m))
}

// memberDeeds are what can be done to somebody whose page is at url. Where roles are fixed
// nobody changes them.
func memberDeeds(s access.Project, m tenancy.Member, url string, fixed bool) (out []ui.Button) {
	deed := func(may bool, icon, label, url string) {
		if may {
			out = append(out, ui.Button{Icon: icon, Label: label, URL: url})
		}
	}
	you := m.Who.ID == s.Actor().UserID
	switch {
	case m.Asks:
		deed(s.May(access.JoinRequestsDecide), "check", "Approve", url+"#request")
		deed(s.May(access.JoinRequestsDecide), "x", "Reject", url+"#reject")
	case m.Invited:
		deed(s.May(access.MembersInvite), "send", "Send again", url+"#deeds")
		deed(s.May(access.MembersInvite) && m.Who.State != accounts.Invited, "copy", "Copy link", url+"#invitation")
		deed(s.May(access.MembersInvite), "x", "Cancel invitation", url+"#deeds")
	default:
		deed(s.May(access.MembersRole) && !fixed, "user-cog", "Change role", url+"#role-card")
		deed(s.May(access.MembersRole) && !you && !m.Through.Visits(), "calendar-clock", "Change last day", url+"#last-day-card")
		deed(s.May(access.MembersRemove) && !you, "user-minus", "Remove from project", paths.MemberRemove(s.ID(), m.ID))
		deed(you, "log-out", "Leave project", url+"#end")
	}
	return out
}

// memberCursor is a place in the list of people: which of its sources the row is from, and
// where in it.
func memberCursor(f tenancy.MemberFilter, m tenancy.Member) string {
	switch {
	case f.Standing == tenancy.StandsOver:
		return kindOf(m) + cursorOf(m.Ended, m.ID)
	case f.Sort == tenancy.ByNewest:
		return kindOf(m) + cursorOf(m.Since, m.ID)
	case f.Sort == tenancy.ByRole && !m.Asks:
		return kindOf(m) + string(m.Role) + "\n" + m.Who.Email + "\n" + itoa(m.ID)
	case f.Sort == tenancy.ByEnd && !m.Asks && m.Until.IsZero():
		return kindOf(m) + "never-" + itoa(m.ID)
	case f.Sort == tenancy.ByEnd && !m.Asks:
		return kindOf(m) + cursorOf(m.Until, m.ID)
	}
	return kindOf(m) + m.Who.Email + "\n" + itoa(m.ID)
}

// kindOf is a letter for the source that a row is from.
func kindOf(m tenancy.Member) string {
	switch {
	case m.Asks:
		return "a"
	case m.Invited:
		return "i"
	}
	return "m"
}

// memberAfter reads what memberCursor wrote.
func memberAfter(text string, f tenancy.MemberFilter) (m tenancy.Member, err error) {
	kind, rest := text[:1], text[1:]
	m.Asks, m.Invited = kind == "a", kind == "i"
	switch {
	case f.Standing == tenancy.StandsOver:
		m.Ended, m.ID, err = parseCursor(rest)
	case f.Sort == tenancy.ByNewest:
		m.Since, m.ID, err = parseCursor(rest)
	case f.Sort == tenancy.ByRole && !m.Asks:
		role, named, _ := strings.Cut(rest, "\n")
		m.Role = access.Role(strings.ReplaceAll(strings.ToValidUTF8(role, ""), "\x00", ""))
		m.Who.Email, m.ID, err = parseNamed(named)
	case f.Sort == tenancy.ByEnd && !m.Asks && strings.HasPrefix(rest, "never-"):
		_, m.ID, err = parseNamed("\n" + strings.TrimPrefix(rest, "never-"))
	case f.Sort == tenancy.ByEnd && !m.Asks:
		m.Until, m.ID, err = parseCursor(rest)
	default:
		m.Who.Email, m.ID, err = parseNamed(rest)
	}
	return m, err
}

// memberColumns are the columns that the list is ordered by, with links to order it by them.
func memberColumns(ec echo.Context, o tenancy.Sort) view.MemberColumns {
	column := func(title string, by tenancy.Sort, direction string) ui.Column {
		q := cloneQuery(ec.Request().URL.Query())
		q.Del("after")
		if q.Del("sort"); by != "" {
			q.Set("sort", string(by))
		}
		c := ui.Column{Title: title, SortURL: ec.Request().URL.Path + "?" + q.Encode()}
		if o == by {
			c.Sort = direction
		}
		return c
	}
	return view.MemberColumns{User: column("User", tenancy.ByAddress, "ascending"), Role: column("Role", tenancy.ByRole, "ascending"),
		Added: column("Added", tenancy.ByNewest, "descending"), Expires: column("Expires", tenancy.ByEnd, "ascending")}
}

func (c *Console) memberRow(s access.Project, m tenancy.Member) view.MemberRow {
	row := c.personRow(s.Actor(), m)
	switch {
	case m.Asks:
		if row.URL = ""; s.May(access.JoinRequestsDecide) {
			row.URL = paths.Requested(s.ID(), m.ID)
		}
	case m.Invited:
		row.URL = paths.MemberInvited(s.ID(), m.ID)
	default:
		row.URL = paths.Member(s.ID(), m.ID)
	}
	return row
}

// personRow is a person of a list, without a link.
func (c *Console) personRow(a access.Actor, m tenancy.Member) view.MemberRow {
	row := view.MemberRow{Name: m.Who.Name, Email: m.Who.Email, You: m.Who.ID == a.UserID && !m.Invited, Role: m.Role.Label(), Since: c.when(m.Since), Until: c.end(m.Until),
		By: broughtBy(m), Answer: c.when(m.Open), Standing: view.Standing{Tone: "ok", Icon: "check", Word: "Active"}}
	row.Void, row.Rests = voids(m), m.Void == tenancy.VoidFactor
	row.Soon = !m.Until.IsZero() && m.Until.Sub(c.app.DB.Now()) < tenancy.Soon
	switch m.Through {
	case tenancy.ThroughMaintainer:
		row.Badge = "Maintainer"
	case tenancy.ThroughSupport:
		row.Badge = "Support"
	case tenancy.ThroughSuperAdmin:
		row.Badge = "Super admin"
	}
	switch {
	case m.Asks:
		row.Standing, row.Stay = view.Standing{Tone: "info", Icon: "door-open", Word: "Asks to join"}, "For "+hours(m.Hours)+", if approved"
	case m.Who.State == accounts.Disabled:
		row.Standing = view.Standing{Tone: "bad", Icon: "ban", Word: "Disabled"}
	case m.Who.State == accounts.Invited:
		row.Standing = view.Standing{Tone: "warn", Icon: "clock", Word: "Not activated yet"}
	case m.Invited:
		row.Standing = view.Standing{Tone: "info", Icon: "mail", Word: "Invited"}
	}
	if factorKnown(m) {
		row.Factor = map[bool]string{true: "On", false: "Off"}[m.Factor]
		if row.You && !m.Factor {
			row.FactorURL = paths.Security()
		}
	}
	return row
}

// end is when a membership ends: a day, when it is the end of one.
func (c *Console) end(t time.Time) ui.Time {
	if !t.IsZero() && t.Equal(lastMoment(t)) {
		return ui.Day(t, time.UTC)
	}
	return c.when(t)
}

// broughtBy is how somebody came in, with the address of who let them in: anybody may be called
// anything.
func broughtBy(m tenancy.Member) view.By {
	b := view.By{Text: came(m), Reason: m.Reason}
	switch {
	case m.Asks:
	case m.Approver.ID != 0 && m.Approver.ID != m.Who.ID:
		b.Email = m.Approver.Email
	case m.Invitor.ID != 0 && m.Invitor.ID != m.Who.ID:
		b.Email = m.Invitor.Email
	}
	return b
}

// came tells how somebody came in.
func came(m tenancy.Member) string {
	switch {
	case m.Asks:
		return "Asks to be let in"
	case m.Approver.ID != 0 && m.Approver.ID == m.Who.ID && m.Through == tenancy.ThroughOrganization:
		return "Joined as a member of the organization"
	case m.Approver.ID != 0 && m.Approver.ID == m.Who.ID:
		return "Joined by themselves"
	case m.Approver.ID != 0:
		return "Asked to join, approved by " + m.Approver.Name
	case m.Invitor.ID != 0:
		return "Invited by " + m.Invitor.Name
	}
	return "Came with the project"
}

func (c *Console) member(ec echo.Context, s access.Project) error {
	return c.memberPage(ec, s, http.StatusOK, nil, nil)
}

// memberPage shows a person of the project, with what was typed in its forms, or nil. What was
// overtaken stands below what there is now.
func (c *Console) memberPage(ec echo.Context, s access.Project, status int, typed map[string]string, errs ui.Errors) error {
	id, err := number(ec, "member")
	if err != nil {
		return err
	}
	m := view.Member{In: view.InProject(paths.Members(s.ID())), Errors: errs}
	var p tenancy.Member
	var leaving tenancy.Departure
	var work []jobs.Job
	err = c.view(ec, func(tx *db.Tx) error {
		shell, project, err := c.projectShell(ec, tx, s)
		if err != nil {
			return err
		}
		if m.Shell = shell; project.ExternalRoles {
			m.Fixed = "Roles in this project come from single sign-on. Change them there."
		}
		if p, err = tenancy.FindMember(tx, s, id); err == nil && p.Who.ID == s.Actor().UserID {
			leaving, err = tenancy.Departing(tx, s, p)
			if err == nil && s.May(access.StorageJobsRead) {
				work, err = c.app.Jobs.Unfinished(tx, s, p.Who.ID, workMost)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	m.Row = c.memberRow(s, p)
	if s.May(access.MembersRole) && m.Fixed == "" {
		m.RoleURL, m.Role = paths.MemberRole(s.ID(), id), roleChoices(s, cmp.Or(access.Role(typed["role"]), p.Role), errs["role"])
	}
	if s.May(access.MembersRole) && !m.Row.You && !p.Through.Visits() {
		m.LastDayURL, m.LastDayKey, m.LastDay = paths.MemberLastDay(s.ID(), id), key(), dayField(p.Until)
		m.Seen = seen(m.LastDay)
		if text, ok := typed["until"]; ok {
			m.Seen, m.LastDay = seenIn(status, typed, m.LastDay), text
		}
		m.Shorter = !slices.Contains(tenancy.Grantable(s), p.Role)
	}
	switch {
	case m.Row.You && leaving.Refused(true) != nil:
		m.Stays = fault.Of(leaving.Last).Message
	case m.Row.You:
		m.Remove = ui.Confirm{ID: "leave", Question: "Leave this project?", Verb: "Leave project", Keep: "Stay", Key: key(), Action: paths.MemberLeave(s.ID()),
			Consequence: "You are out at once, and your own token of this project ends. " + stopping(work) + "What you did stays. " + wayBack(leaving.Back)}
		if leaving.Last != nil {
			m.Remove.Question, m.Remove.Fields = "Leave this project without anybody who manages its people?", []ui.Pair{{Name: "last", Value: "1"}}
			m.Remove.Consequence = "You are the last one in it who does. Afterwards only the members of the organization can invite people and change roles, and whoever asks to join waits until one of them is in it. " + m.Remove.Consequence
		}
	case s.May(access.MembersRemove):
		m.RemoveURL = paths.MemberRemove(s.ID(), id)
	}
	return page(ec, status, view.MemberPage(m))
}

// stopping tells of jobs of one's own that do not go on without a role.
func stopping(work []jobs.Job) string {
	if len(work) == 0 {
		return ""
	}
	text := ui.Count(int64(len(work)), "job of yours that waits or runs stops. ", "jobs of yours that wait or run stop. ")
	if len(work) == workMost {
		text = "At least " + text
	}
	return text
}

// wayBack tells who leaves how they come in again.
func wayBack(by tenancy.Step) string {
	switch by {
	case tenancy.StepJoin:
		return "You can join again by yourself."
	case tenancy.StepAsk:
		return "You can ask to be let in again."
	}
	return "You come back by an invitation only."
}

// roleChoices are the roles of the project, each with what it may do. Those that the scope's actor
// may not give cannot be chosen.
func roleChoices(s access.Project, chosen access.Role, fault string) ui.Choices {
	c := ui.Choices{ID: "role", Legend: "Role", Error: fault, Value: string(chosen)}
	may := tenancy.Grantable(s)
	for _, r := range access.Roles(s.Governed()) {
		item := ui.Choice{Value: string(r), Label: r.Label(), Text: r.Describe()}
		if !slices.Contains(may, r) && r != chosen {
			item.Disabled, item.Text = true, item.Text+" Only members of the organization give this role."
		}
		c.Items = append(c.Items, item)
	}
	return c
}

func (c *Console) memberRole(ec echo.Context, s access.Project) error {
	id, err := number(ec, "member")
	if err != nil {
		return err
	}
	f, err := form(ec, "role", "seen")
	if err != nil {
		return err
	}
	role := access.Role(f["role"])
	var was tenancy.Member
	err = c.update(ec, func(tx *db.Tx) error {
		if was, err = c.app.Tenancy.SetRole(tx, s, id, role); err == nil {
			err = overtaken(f, was.Role)
		}
		return err
	})
	if fault.HasCode(err, tenancy.Overtaken) {
		return c.prospectPage(ec, s, role, err)
	}
	if errs, ok := fieldErrors(err); ok {
		return c.memberPage(ec, s, http.StatusUnprocessableEntity, f, errs)
	}
	if err != nil {
		return err
	}
	if was.Role == role {
		return c.done(ec, was.Who.Name+" has the role "+role.Label()+" already.", paths.Members(s.ID()))
	}
	says := was.Who.Name + " is " + role.Label() + " now, and was " + was.Role.Label() + "."
	if was.Who.ID == s.Actor().UserID || !slices.Contains(tenancy.Grantable(s), was.Role) { // they may not take it back
		return c.done(ec, says, paths.Members(s.ID()))
	}
	return c.doneWith(ec, says, undo{Action: paths.MemberRole(s.ID(), id), Fields: []ui.Pair{{Name: "seen", Value: seen(role)}, {Name: "role", Value: string(was.Role)}}}, paths.Members(s.ID()))
}

func (c *Console) memberLastDay(ec echo.Context, s access.Project) error {
	id, err := number(ec, "member")
	if err != nil {
		return err
	}
	f, err := form(ec, "until", "seen")
	if err != nil {
		return err
	}
	until, err := endOfDay("until", f["until"])
	var was tenancy.Member
	var final bool
	if err == nil {
		err = c.update(ec, func(tx *db.Tx) error {
			if was, final, err = c.app.Tenancy.SetLastDay(tx, s, id, until); err == nil {
				err = overtaken(f, dayField(was.Until))
			}
			return err
		})
	}
	if errs, ok := fieldErrors(err); ok {
		return c.memberPage(ec, s, formStatus(err), f, errs)
	}
	if err != nil {
		return err
	}
	if was.Until.Equal(until) {
		return c.done(ec, lastDay(was.Who.Name, until)+" already.", paths.Members(s.ID()))
	}
	says := lastDay(was.Who.Name, until) + " now. Before there was none."
	if !was.Until.IsZero() {
		says = lastDay(was.Who.Name, until) + " now. Before it was " + lastDate(was.Until) + "."
	}
	if final {
		return c.done(ec, says, paths.Members(s.ID()))
	}
	return c.doneWith(ec, says, undo{Action: paths.MemberLastDay(s.ID(), id), Fields: []ui.Pair{{Name: "seen", Value: seen(dayField(until))}, {Name: "until", Value: dayField(was.Until)}}}, paths.Members(s.ID()))
}

// lastDay says when somebody's membership ends, as the beginning of a sentence.
func lastDay(name string, until time.Time) string {
	if until.IsZero() {
		return name + " stays without a last day"
	}
	return "The last day of " + name + " is " + lastDate(until)
}

func lastDate(until time.Time) string { return until.UTC().Format("2 January 2006 UTC") }

func (c *Console) memberRemove(ec echo.Context, s access.Project) error {
	id, err := number(ec, "member")
	if err != nil {
		return err
	}
	if _, err := form(ec); err != nil {
		return err
	}
	var m tenancy.Member
	err = c.update(ec, func(tx *db.Tx) error { m, err = c.app.Tenancy.Remove(tx, s, id); return err })
	if fault.Is(err, fault.Conflict) {
		return c.refused(ec, err, paths.Member(s.ID(), id))
	}
	if err != nil {
		return err
	}
	return c.done(ec, m.Who.Name+" is not in this project any more.", paths.Members(s.ID()))
}

func (c *Console) membersRemind(ec echo.Context, s access.Project) error {
	if _, err := form(ec); err != nil {
		return err
	}
	var n int
	err := c.update(ec, func(tx *db.Tx) (err error) { n, err = c.app.Tenancy.Remind(tx, s); return err })
	if fault.Is(err, fault.TooMany) {
		c.sessions.Put(ec.Request().Context(), "problem", "They were reminded within the last day.")
		return ec.Redirect(http.StatusSeeOther, paths.Members(s.ID()))
	}
	if err != nil {
		return err
	}
	if n == 0 {
		return c.done(ec, "Nobody else signs in without a second step.", paths.Members(s.ID()))
	}
	return c.done(ec, ui.Count(int64(n), "person was", "people were")+" asked by mail to turn on two-step sign-in.", paths.Members(s.ID()))
}

func (c *Console) memberLeave(ec echo.Context, s access.Project) error {
	f, err := form(ec, "last")
	if err != nil {
		return err
	}
	var m tenancy.Member
	err = c.update(ec, func(tx *db.Tx) error { m, err = c.app.Tenancy.Leave(tx, s, f["last"] != ""); return err })
	if fault.Is(err, fault.Conflict) {
		return c.refused(ec, err, paths.Member(s.ID(), m.ID)+"#end")
	}
	if err != nil {
		return err
	}
	return c.done(ec, "You have left the project.", paths.Projects())
}
