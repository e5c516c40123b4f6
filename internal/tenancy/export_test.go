package tenancy

// What the document tells, and a test compares with it.
var (
	PerPlace    = perPlace
	PerInviter  = perInviter
	PerInvitee  = perInvitee
	PerPair     = perPair
	PerAddress  = perAddress
	PerReminder = perReminder
	PerMember   = perMember
	PerDemand   = perDemand

	PerWishes     = perWishes
	WishTells     = wishTells
	PerAsker      = perAsker
	PerAskedPlace = perAskedPlace
	PerVisitor    = perVisitor
	PerJoiner     = perJoiner
	PerCreator    = perCreator
	PerMoved      = perMoved
	PerFounder    = perFounder
	PerWisher     = perWisher
	PerMover      = perMover
)

// MemberYearsMax is how far away the end of a membership may be.
const MemberYearsMax = memberYearsMax

// EndOver ends a membership that a sweep has found to be over.
var EndOver = (*Service).endOver

// PastDays and PastMost bound the invitations of a person that wait no more.
const (
	PastDays = pastDays
	PastMost = pastMost
)

// BorrowedMost and MovedOutMost bound what ends in one transaction.
const (
	BorrowedMost = borrowedMost
	MovedOutMost = movedOutMost
	TakenOutMost = takenOutMost
)

// DecidersMost is how many of those who decide are told of a request.
const DecidersMost = decidersMost

// MembersMost is how many members of an organization are told of one who joined it, or of its end.
const MembersMost = membersMost

// Bounds of the life of a project, likewise.
const (
	ExpiryYearsMax = expiryYearsMax
	ReasonMax      = reasonMax
	PurgePause     = purgePause
)
