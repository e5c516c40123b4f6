package console

import (
	"steward/internal/tenancy"
	view "steward/views/settings"
	"steward/views/ui"
)

// What became of invitations and of requests to join, in words.

// outcomes are of invitations, to those who invite.
var outcomes = map[string]string{
	"accepted": "It was accepted.", "declined": "It was declined.", "cancelled": "It was cancelled.", "expired": "Its time was over before it was answered.",
	string(tenancy.CauseJoined):  "It was not needed any more: they joined by themselves.",
	string(tenancy.CauseAdded):   "It was not needed any more: they were let in in another way.",
	string(tenancy.CauseDeleted): "It was closed: what it was to was deleted.",
	string(tenancy.CauseMoved):   "It was closed: the project was moved to another organization, where who sent it could not give the role.",
}

// outcomeOf tells those who invite what became of an invitation; "" while it waits.
func outcomeOf(m tenancy.Member) string {
	if by := m.EndedBy; by.ID != 0 {
		return by.Name + " (" + by.Email + ") cancelled it."
	}
	return outcomes[m.State]
}

// cancelledBy is the address of who cancelled an invitation.
func cancelledBy(m tenancy.Member) any { return m.EndedBy.Email }

// becameOf is outcomeOf for programs, nil for who is no such invitation.
func becameOf(m tenancy.Member) any {
	if !m.Invited || m.Waits() {
		return nil
	}
	return m.State
}

// answers are of invitations, to their person.
var answers = map[string]string{
	"accepted": "Accepted", "declined": "You declined it", "cancelled": "Cancelled: ask for a new one if you need it", "expired": "Its time was over: ask for a new one if you need it",
	string(tenancy.CauseJoined): "Not needed any more: you joined by yourself",
	string(tenancy.CauseAdded):  "Not needed any more: you were let in in another way",
	string(tenancy.CauseMoved):  "Closed: the project was moved to another organization. Ask for a new one if you need it",
}

func answerOf(i tenancy.Invitation) string {
	if i.State != string(tenancy.CauseDeleted) {
		return answers[i.State]
	}
	if i.Team.ID != 0 {
		return "Closed: the " + string(i.Team.Kind) + " was deleted"
	}
	return "Closed: the project was deleted"
}

// decided tells those who decide what became of a request that waits no more.
func decided(r tenancy.Request) string {
	switch r.State {
	case "approved":
		return r.By.Name + " let them in."
	case "rejected":
		return r.By.Name + " did not let them in."
	case "cancelled":
		return "They took it back."
	case "expired":
		return "Its time was over before anybody decided."
	case string(tenancy.CauseUntold):
		return "It was taken back, or was not needed any more."
	case string(tenancy.CauseDeleted):
		return "It was closed: the project was deleted."
	case string(tenancy.CauseMoved):
		return "It was closed: the project was moved to another organization."
	case string(tenancy.CauseRight):
		return "It was closed: they lost the right by which they asked."
	case string(tenancy.CauseJoined):
		return "It was not needed any more: they joined by themselves."
	case string(tenancy.CauseInvited):
		return "It was not needed any more: they accepted an invitation."
	}
	return "It was not needed any more: they were let in in another way."
}

// askedFor tells who asked what became of a request that waits no more.
func askedFor(r tenancy.Request) string {
	switch r.State {
	case "approved":
		return r.By.Name + " let you in"
	case "rejected":
		return r.By.Name + " did not let you in"
	case "cancelled":
		return "You took it back"
	case "expired":
		return "Its time was over before anybody decided"
	case string(tenancy.CauseUntold):
		return "Taken back, or not needed any more"
	case string(tenancy.CauseDeleted):
		return "Closed: the project was deleted"
	case string(tenancy.CauseMoved):
		return "Closed: the project was moved to another organization"
	case string(tenancy.CauseRight):
		return "Closed: you lost the right by which you asked"
	case string(tenancy.CauseJoined):
		return "Not needed any more: you joined by yourself"
	case string(tenancy.CauseInvited):
		return "Not needed any more: you accepted an invitation"
	}
	return "Not needed any more: you were let in in another way"
}

// overRow is an invitation of the list of those that wait no more.
func (c *Console) overRow(row view.MemberRow, m tenancy.Member) view.OverRow {
	return view.OverRow{MemberRow: row, Outcome: outcomeOf(m), Ended: c.when(m.Ended)}
}

// overSum stands below the list of invitations that wait no more, beside overText.
const overSum = "Those that ended in the last 30 days"

func overText(onPage int) string {
	return ui.Count(int64(onPage), "invitation", "invitations") + " on this page"
}
