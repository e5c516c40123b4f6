package tenancy

// What the document tells, and a test compares with it.
var (
	PerProject  = perProject
	PerInviter  = perInviter
	PerInvitee  = perInvitee
	PerAddress  = perAddress
	PerReminder = perReminder
	PerRole     = perRole
)
