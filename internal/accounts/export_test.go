package accounts

// What the documents tell, and tests compare with them.
var (
	PerAccount       = perAccount
	PerProof         = perProof
	PerAddressMinute = perAddressMinute
	PerAddressHour   = perAddressHour
	PerFactor        = perFactor
	PerFlows         = perFlows
	ResetsPerAccount = resetsPerAccount
	ResetsPerAddress = resetsPerAddress
	Confirms         = confirmsPerAccount
)

// The same, as numbers.
const (
	FactorLock    = factorLock
	PendingTries  = pendingTries
	PendingLife   = pendingLife
	SessionsMax   = sessionsMax
	HashQueue     = hashQueue
	HashShare     = hashShare
	HashWait      = hashWait
	HashRest      = hashRest
	OwnLetters    = ownLetters
	RemindBefore  = remindBefore
	AlarmAt       = alarmAt
	CodesShown    = codesShown
	EnrolmentLife = enrolmentLife
)
