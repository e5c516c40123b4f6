package control

// Name is a control's, in words.
type Name string

// The controls, each with a test that fails without it: cmd/asvs names it.
const (
	// Of what browsers send and get.
	OtherSites     Name = "requests of other sites do nothing"
	FormsAsForms   Name = "bodies are taken as forms only"
	ContentPolicy  Name = "pages have a content security policy"
	ContentTypes   Name = "browsers guess no content types"
	NoStore        Name = "browsers store no pages"
	HostCookies    Name = "cookies belong to this host alone"
	OwnRedirects   Name = "after signing in one goes to a path of this site"
	FilesAreSaved  Name = "files are no part of a page"
	TrustedProxies Name = "the sender's address comes from trusted proxies only"

	// Of signing in.
	PasswordThrottle  Name = "guessing a password is slowed down"
	CodeThrottle      Name = "guessing a code is slowed down"
	SignInQueue       Name = "a flood of sign-ins is sent away"
	NobodyTakesAsLong Name = "an address without an account takes as long"
	BreachedPasswords Name = "breached passwords are refused"
	OwnWords          Name = "passwords made of names from around are refused"
	SecondFactor      Name = "the second factor is asked for"
	FactorDemanded    Name = "who has to have a second factor sets one up first"
	CodesOnce         Name = "a code counts once"
	LinksOnce         Name = "a link works once"
	ProviderNonce     Name = "a provider's token is of this flow"

	// Of sessions.
	NewToken        Name = "every sign-in gets a new token"
	SignOut         Name = "signing out ends the session"
	EndedByOthers   Name = "disabling an account ends its sessions"
	IdleSessionsEnd Name = "sessions end without use"
	SessionsEnd     Name = "sessions end in any case"
	FreshProof      Name = "what is sensitive takes a fresh proof"

	// Of rights and of what is kept.
	OthersProjects Name = "nobody learns of the projects of others"
	SuperAdmins    Name = "administration is for super admins"
	SealedInPlace  Name = "sealed text opens in its place only"
	CodesOutOfLogs Name = "codes of links are left out of logs"
	PlainEvents    Name = "events have no control signs"
)
