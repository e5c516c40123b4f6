package tenancy_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"steward/internal/tenancy"
)

// TestDocumentedLimits: docs/people.md tells the limits of invitations as the program has them.
func TestDocumentedLimits(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/people.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{
		fmt.Sprintf("| days that an invitation counts | %d, or 1 to %d |", tenancy.InvitationDays, tenancy.InvitationDaysMax),
		fmt.Sprintf("| invitations of a project | %d a day, also those that are sent again |", tenancy.PerProject.Count),
		fmt.Sprintf("| invitations to one address | %d a day |", tenancy.PerInvitee.Count),
		fmt.Sprintf("| addresses in one form | %d |", tenancy.InviteesMax),
		fmt.Sprintf("| reminders to turn on two-step sign-in | %d a day, to %d people |", tenancy.PerReminder.Count, tenancy.RemindMost),
	} {
		if !strings.Contains(string(text), row+"\n") {
			t.Errorf("docs/people.md does not say %q", row)
		}
	}
	if tenancy.PerProject.Window != 24*time.Hour || tenancy.PerInvitee.Window != 24*time.Hour || tenancy.PerReminder.Window != 24*time.Hour {
		t.Error("the limits are of a day")
	}
}
