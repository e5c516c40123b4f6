package tenancy_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"steward/internal/accounts"
	"steward/internal/jobs"
	"steward/internal/tenancy"
	"steward/internal/throttle"
)

// TestDocumentedLimits: docs/people.md tells the limits of invitations as the program has them.
func TestDocumentedLimits(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/people.md")
	if err != nil {
		t.Fatal(err)
	}
	hours := ""
	for i, h := range tenancy.VisitHours() {
		hours += map[int]string{0: "", len(tenancy.VisitHours()) - 1: " or "}[i]
		if i > 0 && i < len(tenancy.VisitHours())-1 {
			hours += ", "
		}
		hours += fmt.Sprint(h)
	}
	for _, row := range []string{
		fmt.Sprintf("| days that an invitation counts | %d, or 1 to %d |", tenancy.InvitationDays, tenancy.InvitationDaysMax),
		fmt.Sprintf("| invitations of a project, an organization or a maintainer | %d a day, also those that are sent again |", tenancy.PerPlace.Count),
		fmt.Sprintf("| invitations by one person | %d a day |", tenancy.PerInviter.Count),
		fmt.Sprintf("| invitations to one address | %d a day from one of them, %d by one person, %d from all |", tenancy.PerInvitee.Count, tenancy.PerPair.Count, tenancy.PerAddress.Count),
		fmt.Sprintf("| projects in which somebody is by a right from above | %d |", tenancy.BorrowedMost),
		fmt.Sprintf("| places that a move of a project ends | %d |", tenancy.MovedOutMost),
		fmt.Sprintf("| moves of one project | %d a day |", tenancy.PerMoved.Count),
		fmt.Sprintf("| places that taking a project back ends | %d |", tenancy.TakenOutMost),
		fmt.Sprintf("| projects that one person moves, or takes back | %d a day |", tenancy.PerMover.Count),
		fmt.Sprintf("| days for which a project that was moved away can be taken back | %d |", int(tenancy.TakeBackFor/(24*time.Hour))),
		fmt.Sprintf("| projects that were moved away and are listed | %d, first those whose time ends first |", tenancy.MovedAwayMost),
		fmt.Sprintf("| wishes of a project | %d a day, mailed to %d super admins |", tenancy.PerWishes.Count, tenancy.WishTells),
		fmt.Sprintf("| organizations that one person makes | %d a day |", tenancy.PerFounder.Count),
		fmt.Sprintf("| wishes of a person, all that a visitor asks for among them | %d a day |", tenancy.PerWisher.Count),
		fmt.Sprintf("| places that end in one transaction when an organization closes its door; the rest end in the next ones | %d |", tenancy.InsideMost),
		fmt.Sprintf("| projects that one person makes | %d a day |", tenancy.PerCreator.Count),
		fmt.Sprintf("| addresses in one form | %d |", tenancy.InviteesMax),
		fmt.Sprintf("| years until a last day | at most %d |", tenancy.MemberYearsMax),
		fmt.Sprintf("| last day of somebody of support | at most %d days ahead |", accounts.SupportDays),
		fmt.Sprintf("| stay of a visitor, in hours | %s |", hours),
		fmt.Sprintf("| days that a request counts | %d |", tenancy.RequestDays),
		fmt.Sprintf("| requests of one person | %d a day, %d to one project |", tenancy.PerAsker.Count, tenancy.PerAskedPlace.Count),
		fmt.Sprintf("| projects that one person joins as a visitor | %d a day |", tenancy.PerVisitor.Count),
		fmt.Sprintf("| people who are mailed about a request | %d |", tenancy.DecidersMost),
		fmt.Sprintf("| organizations that one person joins by themselves | %d a day |", tenancy.PerJoiner.Count),
		fmt.Sprintf("| members of an organization who are mailed about that, or about its end | %d |", tenancy.MembersMost),
		fmt.Sprintf("| jobs of a kind of work that run at once in a project | %d, or what is agreed, 1 to %d |", jobs.ProjectParallelism, tenancy.TermsJobsMax),
		fmt.Sprintf("| templates | %d |", tenancy.TemplatesMost),
		fmt.Sprintf("| days after which the projects of a template expire | 1 to %d, or never |", tenancy.ExpiryDaysMax),
		fmt.Sprintf("| reminders to turn on two-step sign-in | %d a day, to %d people |", tenancy.PerReminder.Count, tenancy.RemindMost),
		fmt.Sprintf("| mails that an organization makes two-step sign-in a must | %d a day, to %d people |", tenancy.PerDemand.Count, tenancy.RemindMost),
	} {
		if !strings.Contains(string(text), row+"\n") {
			t.Errorf("docs/people.md does not say %q", row)
		}
	}
	if !strings.Contains(string(text), fmt.Sprintf("change at most %d times an hour by one person.", tenancy.PerMember.Count)) {
		t.Error("docs/people.md does not tell how often a role and a last day change")
	}
	if !strings.Contains(string(text), fmt.Sprintf("reads there for %d days, the last %d:", tenancy.PastDays, tenancy.PastMost)) {
		t.Error("docs/people.md does not tell which invitations are shown that wait no more")
	}
	for _, l := range []throttle.Limit{tenancy.PerPlace, tenancy.PerInviter, tenancy.PerInvitee, tenancy.PerPair, tenancy.PerCreator, tenancy.PerMoved, tenancy.PerMover, tenancy.PerWishes, tenancy.PerAddress, tenancy.PerReminder, tenancy.PerDemand, tenancy.PerAsker, tenancy.PerAskedPlace, tenancy.PerVisitor, tenancy.PerJoiner, tenancy.PerFounder, tenancy.PerWisher} {
		if l.Window != 24*time.Hour {
			t.Errorf("a limit of a day is of %s", l.Window)
		}
	}
	if tenancy.PerMember.Window != time.Hour {
		t.Errorf("a limit of an hour is of %s", tenancy.PerMember.Window)
	}
}

// TestDocumentedLife: docs/projects.md tells the times of a project's life as the program has
// them, and every state.
func TestDocumentedLife(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/projects.md")
	if err != nil {
		t.Fatal(err)
	}
	days := func(d time.Duration) int { return int(d / (24 * time.Hour)) }
	for _, row := range []string{
		fmt.Sprintf("| grace of a deleted project | %d days |", days(tenancy.Grace)),
		fmt.Sprintf("| warning before the end of a project | %d days |", days(tenancy.Warning)),
		fmt.Sprintf("| last day of a project | within %d years |", tenancy.ExpiryYearsMax),
		fmt.Sprintf("| reason for disabling | at most %d characters |", tenancy.ReasonMax),
		fmt.Sprintf("| rest of a purge that was stopped after the grace | %d hours |", int(tenancy.PurgePause/time.Hour)),
	} {
		if !strings.Contains(string(text), row+"\n") {
			t.Errorf("docs/projects.md does not say %q", row)
		}
	}
	for _, state := range []string{tenancy.Active, tenancy.Disabled, tenancy.Deleted, tenancy.Purged} {
		if !strings.Contains(string(text), "\n| "+state+" |") {
			t.Errorf("docs/projects.md does not tell of the state %s", state)
		}
	}
}
