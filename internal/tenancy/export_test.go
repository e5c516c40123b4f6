package tenancy

// What the document tells, and a test compares with it.
var (
	PerProject  = perProject
	PerInvitee  = perInvitee
	PerReminder = perReminder
)
