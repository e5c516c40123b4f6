package mail

import (
	"cmp"
	"net/url"
	"strings"
	"time"
	"unicode"

	"steward/views/paths"
	"steward/views/ui"
)

// Told is what a letter is written from.
type Told struct {
	Site   string // the console's address: "https://steward.example.com"
	Name   string // of who gets it
	Link   string // "" for none
	At     time.Time
	Until  time.Time         // how long the link can be used; zero for no end
	Values map[string]string // by name; times are RFC 3339, or like 2026-11-21 22:41 UTC
}

// longest is how much of a value is shown.
const longest = 200

// value is one of the values, made visible and short; "" when it is not given.
func (t Told) value(name string) string { return visible(t.Values[name]) }

// visible leaves out of a text what cannot be seen, or would turn the text around it, and breaks
// the beginnings by which programs know most links in what people wrote.
func visible(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.NewReplacer("://", ": //", "www.", "www .").Replace(strings.Join(strings.Fields(text), " "))
	if r := []rune(text); len(r) > longest {
		text = string(r[:longest-1]) + "…"
	}
	return text
}

// moment is a value that is a time, as people read it, or else another time; "" when
// there is none.
func (t Told) moment(name string, other time.Time) string {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04 UTC"} {
		if at, err := time.Parse(layout, t.Values[name]); err == nil {
			return at.UTC().Format(people)
		}
	}
	if text := t.value(name); text != "" {
		return text
	}
	if other.IsZero() {
		return ""
	}
	return other.UTC().Format(people)
}

// people is how people read times.
const people = "2 January 2006, 15:04 UTC"

func (t Told) host() string {
	u, err := url.Parse(t.Site)
	if err != nil {
		return t.Site
	}
	return u.Host
}

// letter is what all kinds have in common.
func (t Told) letter(subject string, said ...string) Letter {
	hello := "Hello,"
	if name := visible(t.Name); name != "" {
		hello = "Hello " + name + ","
	}
	return Letter{Subject: subject, Hello: hello, Said: said,
		Why: "You get this mail because this address has an account of Steward at " + t.host() + ". It was sent by the program; nobody reads answers."}
}

// offer is a letter with a button, which may end.
func (t Told) offer(label string, m Letter) Letter {
	m.Button = ui.Link{Label: label, URL: t.Link}
	m.Note = "The link can be used once."
	if end := t.moment("expires", t.Until); end != "" {
		m.Note = "The link can be used once, until " + end + "."
	}
	return m
}

// happened is a letter about something that a person should have done themselves: it says
// when and from where, and what to do otherwise.
func (t Told) happened(m Letter, advice ...ui.Link) Letter {
	m.Facts, m.Advice = t.facts(), advice
	return m
}

// do is an advice without an address.
func do(text string) ui.Link { return ui.Link{Label: text} }

// reset is an advice to get a new password.
func (t Told) reset(text string) ui.Link {
	return ui.Link{Label: text, URL: t.Site + paths.PasswordForgot()}
}

// facts are when something happened, and from where, unless somebody else did it: where
// that one was is nobody's business.
func (t Told) facts() []ui.Pair {
	out := []ui.Pair{{Name: "When", Value: t.moment("at", t.At)}}
	if t.value("by") != "" || t.value("admin") != "" {
		return out
	}
	for _, f := range []ui.Pair{{Name: "Address", Value: t.value("address")}, {Name: "Device", Value: t.value("device")}} {
		if f.Value != "" {
			out = append(out, f)
		}
	}
	return out
}

// wasNotMe is the advice for what only somebody with the password can have done.
func (t Told) wasNotMe() ui.Link {
	return t.reset("If this was not you, somebody else can get into your account. Tell the people who run this console, and choose a new password at once:")
}

// wasMe is the advice to whoever did it.
func wasMe() ui.Link { return do("If this was you, there is nothing to do.") }

// named is who did something: a person by name, or somebody who is not told.
func (t Told) named(value, other string) string { return cmp.Or(t.value(value), other) }

// Activate invites somebody to an account.
func Activate(t Told) Letter {
	m := t.offer("Activate the account", t.letter("Activate your Steward account",
		t.named("inviter", "An administrator")+" has made an account for you at "+t.host()+", a console for data projects.",
		"Activate it by choosing a password."))
	m.Advice = []ui.Link{do("If you do not know what this is about, do nothing: without a password the account lets nobody in.")}
	m.Why = "You get this mail because somebody entered this address at " + t.host() + ". It was sent by the program; nobody reads answers."
	return m
}

// ActivateSoon tells that the link to an account ends soon. What leads in is in the mail before.
func ActivateSoon(t Told) Letter {
	m := t.letter("Your link to Steward ends soon", "An account was made for you at "+t.host()+", and you have not activated it yet.")
	if end := t.moment("expires", t.Until); end != "" {
		m.Said = append(m.Said, "The link in the mail about it can be used until "+end+".")
	}
	m.Advice = []ui.Link{t.reset("If you cannot find that mail, or it is too late, ask for a new link:"), do("If you do not know what this is about, do nothing: without a password the account lets nobody in.")}
	m.Why = "You get this mail because somebody entered this address at " + t.host() + ". It was sent by the program; nobody reads answers."
	return m
}

// ResetPassword leads to a new password that the person asked for.
func ResetPassword(t Told) Letter {
	m := t.offer("Choose a new password", t.letter("Choose a new password", "Somebody asked for a new password for your account at "+t.host()+"."))
	return t.happened(m, do("If this was not you, do nothing: your password stays as it is. If it happens again and again, tell the people who run this console."))
}

// ResetByAdmin leads to a new password that an administrator asked for.
func ResetByAdmin(t Told) Letter {
	m := t.offer("Choose a new password", t.letter("Choose a new password",
		t.named("admin", "An administrator")+" asks you to choose a new password for your account at "+t.host()+"."))
	return t.happened(m, do("If you did not expect this, ask them before you open the link, in another way than by answering this mail."))
}

// PasswordChanged tells that the password is another one.
func PasswordChanged(t Told) Letter {
	m := t.letter("Your password was changed", "The password of your account at "+t.host()+" was changed. All other sessions have ended.")
	if t.value("unlinked") != "" {
		m.Said = append(m.Said, "Signing in by another provider was removed with it. If you use one, link it again on the page Security.")
	}
	return t.happened(m, wasMe(), t.wasNotMe())
}

// NewDevice tells of a sign-in from where there was none before.
func NewDevice(t Told) Letter {
	m := t.happened(t.letter("New sign-in to your account", "Your account at "+t.host()+" was signed in to from a device or place that is new."), wasMe(), t.wasNotMe())
	if method := t.value("method"); method != "" {
		m.Facts = append(m.Facts, ui.Pair{Name: "Signed in by", Value: method})
	}
	return m
}

// SignInAttempts tells of guesses.
func SignInAttempts(t Told) Letter {
	said := "Signing in to your account at " + t.host() + " failed many times in a row"
	if n := t.value("count"); n != "" {
		said = "Signing in to your account at " + t.host() + " failed " + n + " times in a row"
	}
	if what := t.value("what"); what != "" {
		said += " (" + what + ")"
	}
	return t.happened(t.letter("Somebody tries to sign in to your account", said+". Nobody got in by that, and further attempts are slowed down."),
		wasMe(), t.reset("If this was not you, turn on two-step sign-in, and choose a new password that is long and used nowhere else:"))
}

// FactorEnabled tells that two-step sign-in is on.
func FactorEnabled(t Told) Letter {
	return t.happened(t.letter("Two-step sign-in is on", "Two-step sign-in was turned on for your account at "+t.host()+". From now on signing in takes a code from your authenticator, too.",
		"Keep your recovery codes where you find them without that device."), wasMe(), t.wasNotMe())
}

// FactorDisabled tells that two-step sign-in is off.
func FactorDisabled(t Told) Letter {
	said := "Two-step sign-in was turned off for your account at " + t.host() + ". A password alone is enough now to sign in."
	if by := t.value("by"); by != "" {
		said = by + " turned off two-step sign-in for your account at " + t.host() + ". A password alone is enough now to sign in."
	}
	return t.happened(t.letter("Two-step sign-in is off", said), do("If you wanted this, there is nothing to do. It is safer to turn it on again as soon as you can."), t.wasNotMe())
}

// FactorLost leads to taking a second factor away that was lost.
func FactorLost(t Told) Letter {
	m := t.offer("Turn two-step sign-in off", t.letter("Turn two-step sign-in off", t.named("admin", "An administrator")+" was told that you have lost your authenticator and the recovery codes for your account at "+t.host()+".",
		"If that is so, turn two-step sign-in off by this link and your password, then sign in and turn it on anew."))
	return t.happened(m, do("If it is not, do not open the link, and tell them: somebody may have asked in your name."))
}

// FactorLocked tells that too many wrong codes were entered.
func FactorLocked(t Told) Letter {
	return t.happened(t.letter("Too many wrong codes", "Too many wrong codes were entered while signing in to your account at "+t.host()+". Codes of your authenticator are not taken any more."),
		do("If this was you, sign in with one of your recovery codes, or ask the people who run this console to help you."),
		t.reset("Whoever enters a code knows the password. If this was not you, tell the people who run this console, and choose a new one at once:"))
}

// RecoveryCodesNew tells that there are new recovery codes.
func RecoveryCodesNew(t Told) Letter {
	return t.happened(t.letter("New recovery codes", "New recovery codes were made for your account at "+t.host()+". The ones before do not work any more."), wasMe(), t.wasNotMe())
}

// RecoveryCodeUsed tells that somebody signed in by a recovery code.
func RecoveryCodeUsed(t Told) Letter {
	m := t.letter("A recovery code was used", "A recovery code was used to sign in to your account at "+t.host()+". It does not work a second time.")
	switch left := t.value("left"); left {
	case "":
	case "0":
		m.Said = append(m.Said, "It was the last one. Make new ones now, or you cannot sign in without your authenticator.")
	case "1":
		m.Said = append(m.Said, "One is left. Make new ones soon.")
	default:
		m.Said = append(m.Said, left+" are left.")
	}
	return t.happened(m, wasMe(), t.wasNotMe())
}

// IdentityLinked tells that another way to sign in was added.
func IdentityLinked(t Told) Letter {
	by := t.named("provider", "another provider")
	return t.happened(t.letter("Sign-in by "+by+" was added", "Your account at "+t.host()+" can now be signed in to by "+by+", too."), wasMe(), t.wasNotMe())
}

// IdentityUnlinked tells that another way to sign in was removed.
func IdentityUnlinked(t Told) Letter {
	by := t.named("provider", "another provider")
	return t.happened(t.letter("Sign-in by "+by+" was removed", "Your account at "+t.host()+" cannot be signed in to by "+by+" any more."), wasMe(), t.wasNotMe())
}

// IdentityConfirm asks whether another way to sign in is to be added.
func IdentityConfirm(t Told) Letter {
	by := t.named("provider", "another provider")
	m := t.offer("Link the two", t.letter("Confirm signing in by "+by, "Somebody signed in by "+by+" with this address. It is not linked to your account at "+t.host()+" yet.",
		"If this was you, link the two: from then on either of them signs you in."))
	return t.happened(m, do("If this was not you, do nothing: nothing is linked, and nobody gets in."))
}

// IdentityRefused tells that somebody else at the provider has the person's address.
func IdentityRefused(t Told) Letter {
	by := t.named("provider", "another provider")
	return t.happened(t.letter("A sign-in by "+by+" was refused",
		"Somebody signed in by "+by+" with your address, but not as the one whom your account at "+t.host()+" is linked to. Nobody got in by that."),
		do("If this was you, with a new account at "+by+": sign in with your password, unlink the old one on the page Security, and link the new one."),
		do("If this was not you, tell the people who run this console: somebody else may have got your address at "+by+"."))
}

// SessionsEnded tells that all sessions have ended.
func SessionsEnded(t Told) Letter {
	advice := t.reset("If you did not expect this, ask the people who run this console, and choose a new password:")
	if by := t.value("by"); by != "" {
		return t.happened(t.letter("You were signed out everywhere", by+" ended all sessions of your account at "+t.host()+". Sign in again where you need to."), advice)
	}
	return t.happened(t.letter("You were signed out everywhere", "All sessions of your account at "+t.host()+" have ended. Sign in again where you need to."), wasMe(), advice)
}

// AccountDisabled tells that nobody can sign in any more.
func AccountDisabled(t Told) Letter {
	return t.happened(t.letter("Your account was disabled", t.named("by", "An administrator")+" disabled your account at "+t.host()+". Nobody can sign in with it any more, and its sessions have ended."),
		do("What you made stays where it is. If you think that this is a mistake, ask the people who run this console."))
}

// AccountEnabled tells that one can sign in again.
func AccountEnabled(t Told) Letter {
	return t.happened(t.letter("Your account was enabled", t.named("by", "An administrator")+" enabled your account at "+t.host()+" again. Sign in with the password that you had."),
		t.reset("If you do not remember it, choose a new one:"))
}

// SupportEnded tells that a person is not of support any more, as their time is over, or by whom.
func SupportEnded(t Told) Letter {
	said := "The time is over for which you were of support at " + t.host() + "."
	if by := t.value("by"); by != "" {
		said = by + " took from you the right to come into projects and organizations at " + t.host() + " as somebody of support."
	}
	subject := "You are not of support any more"
	if t.value("was") != "" {
		subject, said = "You are not a super admin any more", t.named("by", "Somebody")+" took the rights of a super admin from you at "+t.host()+"."
	}
	said += " You are out of every project and organization that you were in by it"
	if places := t.value("places"); places != "" {
		said += ": " + places
	}
	return t.happened(t.letter(subject, said+". Roles to which you were invited stay, and so does what you did."),
		do("If you still need it, ask a super admin."))
}

// project is the one that a letter is about.
func (t Told) project() string {
	if name := t.value("project"); name != "" {
		return "the project " + name
	}
	return "a project"
}

// projectOf is project with its organization: names may repeat.
func (t Told) projectOf() string {
	if name := t.value("organization"); name != "" {
		return t.project() + " of the organization " + name
	}
	return t.project()
}

// opens is a letter with where its project is opened.
func (t Told) opens(m Letter) Letter {
	m.Button = ui.Link{Label: "Open the project", URL: t.Link}
	return m
}

// invited is what both letters about an invitation to a project say.
func (t Told) invited() Letter {
	m := t.letter("Invitation to "+t.named("project", "a project"), t.inviter()+" invites you to "+t.project()+" at "+t.host()+", a console for data projects.")
	for _, f := range []ui.Pair{{Name: "Role", Value: t.value("role")}, {Name: "You are in it until", Value: t.moment("until", time.Time{})}, {Name: "Reason", Value: t.value("reason")}} {
		if f.Value != "" {
			m.Facts = append(m.Facts, f)
		}
	}
	return m
}

// ProjectWelcome invites somebody to a project who has no account yet.
func ProjectWelcome(t Told) Letter {
	return t.asksForFactor(t.welcome(t.invited()), "Its organization")
}

// welcome is a letter about an invitation with what leads into the account that goes with it.
func (t Told) welcome(m Letter) Letter {
	m = t.offer("Activate the account", m)
	m.Said = append(m.Said, "Activate your account by choosing a password; then you find the invitation there.")
	m.Advice = []ui.Link{do("If you do not know what this is about, do nothing: without a password the account lets nobody in, and the invitation ends by itself.")}
	m.Why = "You get this mail because somebody entered this address at " + t.host() + ". It was sent by the program; nobody reads answers."
	return m
}

// ProjectInvitation invites somebody to a project who has an account.
func ProjectInvitation(t Told) Letter {
	return t.asksForFactor(t.view(t.invited()), "Its organization")
}

// asksForFactor adds to a letter about an invitation that two-step sign-in is needed, and who asks
// for it, as the beginning of a sentence.
func (t Told) asksForFactor(m Letter, who string) Letter {
	if t.value("twoStep") != "" {
		m.Said = append(m.Said, who+" asks for two-step sign-in: turn it on, on the page Security of your account, before you accept.")
	}
	return m
}

// view is a letter about an invitation with where to answer it.
func (t Told) view(m Letter) Letter {
	m.Button = ui.Link{Label: "View the invitation", URL: t.Link}
	if end := t.moment("expires", t.Until); end != "" {
		m.Note = "You can accept or decline it until " + end + "."
	}
	m.Advice = []ui.Link{do("If you do nothing, it ends by itself.")}
	return m
}

// FactorWanted asks a person to turn on two-step sign-in.
func FactorWanted(t Told) Letter {
	return t.happened(t.letter("Turn on two-step sign-in", t.named("by", "Somebody")+" asks you to turn on two-step sign-in for your account at "+t.host()+", because you are in "+t.project()+". A password alone is enough now to get at its data."),
		ui.Link{Label: "Turn it on, on the page Security of your account:", URL: t.Site + paths.Security()})
}

// FactorDemanded tells that an organization is open only to who signs in in two steps.
func FactorDemanded(t Told) Letter {
	name, said := t.team()
	return t.happened(t.letter("Two-step sign-in is a must in "+name, t.named("by", "Somebody")+" made two-step sign-in a must in "+said+" at "+t.host()+". You sign in without it: you get at the organization and its projects again as soon as it is on."),
		ui.Link{Label: "Turn it on, on the page Security of your account:", URL: t.Site + paths.Security()})
}

// RoleChanged tells that a person has another role in a project.
func RoleChanged(t Told) Letter {
	said := t.named("by", "Somebody") + " changed your role in " + t.project() + " at " + t.host()
	if from, to := t.value("from"), t.value("role"); from != "" && to != "" {
		said += " from " + from + " to " + to
	}
	return t.happened(t.letter("Your role in "+t.named("project", "a project")+" was changed", said+"."), do("If you did not expect this, ask them."))
}

// LastDayChanged tells that the time of a person in a project has another end.
func LastDayChanged(t Told) Letter {
	said := t.named("by", "Somebody") + " changed when your time in " + t.project() + " at " + t.host() + " ends"
	if from, until := t.value("from"), t.value("until"); from != "" && until != "" {
		said += ", from " + from + " to " + until
	}
	return t.happened(t.letter("Your last day in "+t.named("project", "a project")+" was changed", said+"."), do("If you did not expect this, ask them."))
}

// MemberRemoved tells that a person is not in a project any more, and why.
func MemberRemoved(t Told) Letter {
	by := t.named("by", "Somebody")
	said := by + " removed you from " + t.project() + " at " + t.host() + "."
	switch t.value("cause") {
	case "door":
		said = by + " decided that people of the maintainer and of support have to ask before they come into projects of the organization " + t.named("organization", "of it") + " at " + t.host() + ". You were in " + t.project() + " by such a right, and are out of it."
	case "moved":
		said = by + " moved " + t.project() + " at " + t.host() + " to the organization " + t.named("to", "of somebody else") + ". You do not have the right there by which you were in it, and are out of it."
	case "returned":
		said = by + " brought " + t.project() + " at " + t.host() + " back to the organization " + t.named("to", "that had lost it") + ", out of which it had been moved. Whoever came into it since, and does not belong to that organization, is out of it."
	}
	return t.happened(t.letter("You were removed from "+t.named("project", "a project"), said+" What you did there stays."),
		do("If you did not expect this, ask them. "+t.wayBack()))
}

// wayBack tells how a person could come into a project again that they are out of.
func (t Told) wayBack() string {
	switch t.value("back") {
	case "join":
		return "You can join it again by yourself."
	case "ask":
		return "You can ask to be let in again."
	}
	return "You can come back by an invitation."
}

// MembershipEnded tells that the time in a project is over that a person was given.
func MembershipEnded(t Told) Letter {
	again := "ask for a new invitation."
	switch t.value("back") {
	case "join":
		again = "you can join it again by yourself."
	case "ask":
		again = "you can ask to be let in again."
	}
	return t.happened(t.letter("Your time in "+t.named("project", "a project")+" is over", "You were in "+t.project()+" at "+t.host()+" for a limited time, which is over. What you did there stays."),
		do("If you still need it, "+again))
}

// team is the organization or maintainer that a letter is about, alone and as in a sentence.
func (t Told) team() (name, said string) {
	for _, kind := range []string{"organization", "maintainer"} {
		if name := t.value(kind); name != "" {
			return name, "the " + kind + " " + name
		}
	}
	return "an organization", "an organization"
}

// inviter is who invites, with their address: anybody may be called anything.
func (t Told) inviter() string {
	who := t.named("inviter", "Somebody")
	if address := t.value("address"); address != "" {
		who += " (" + address + ")"
	}
	return who
}

// invitedToTeam is what both letters about an invitation to an organization or maintainer say.
func (t Told) invitedToTeam() Letter {
	name, said := t.team()
	m := t.letter("Invitation to "+name, t.inviter()+" invites you to "+said+" at "+t.host()+", a console for data projects.")
	if reason := t.value("reason"); reason != "" {
		m.Facts = append(m.Facts, ui.Pair{Name: "Reason", Value: reason})
	}
	return m
}

// TeamWelcome invites somebody to an organization or a maintainer who has no account yet.
func TeamWelcome(t Told) Letter { return t.asksForFactor(t.welcome(t.invitedToTeam()), "It") }

// TeamInvitation invites somebody to an organization or a maintainer who has an account.
func TeamInvitation(t Told) Letter { return t.asksForFactor(t.view(t.invitedToTeam()), "It") }

// TeamRemoved tells that a person is not in an organization or maintainer any more, and why.
func TeamRemoved(t Told) Letter {
	name, said := t.team()
	by := t.named("by", "Somebody")
	subject, text := "You were removed from "+name, by+" removed you from "+said+" at "+t.host()+"."
	switch t.value("cause") {
	case "door":
		text = by + " decided that people of the maintainer and of support have to ask before they come into projects of " + said + " at " + t.host() + ". You were in it by such a right, and are out of it."
	case "time":
		subject, text = "Your time in "+name+" is over", "You were in "+said+" at "+t.host()+" for a limited time, which is over."
	}
	if places := t.value("places"); places != "" {
		text += " You are out of what you were in by that, too: " + places + " in projects and organizations."
	}
	again := "You can come back by an invitation."
	switch t.value("back") {
	case "join":
		again = "It lets people of its maintainer and of support come in by themselves: you can join it for a time."
	case "ask":
		again = "You can ask to be let into its projects."
	}
	return t.happened(t.letter(subject, text+" What you did there stays, and so do roles in projects to which you were invited."),
		do("If you did not expect this, ask them. "+again))
}

// TeamJoined tells the members of an organization that somebody joined it by themselves.
func TeamJoined(t Told) Letter {
	name, said := t.team()
	who := t.named("by", "Somebody")
	if email := t.value("email"); email != "" {
		who += " (" + email + ")"
	}
	if of := t.value("who"); of != "" {
		who += ", " + of + ","
	}
	m := t.happened(t.letter(t.named("by", "Somebody")+" joined "+name, who+" joined "+said+" at "+t.host()+" by themselves, as it lets them. They see who is in it and read its audit log; they let nobody in or out, and change nothing of it."),
		ui.Link{Label: "If this should not be, switch off in its settings that others join by themselves, which ends it, or remove them on the page of its members:", URL: t.Link})
	for _, f := range []ui.Pair{{Name: "Reason", Value: t.value("reason")}, {Name: "Until", Value: t.moment("until", time.Time{})}} {
		if f.Value != "" {
			m.Facts = append(m.Facts, f)
		}
	}
	return m
}

// TeamDeleted tells the members of an organization that it is gone.
func TeamDeleted(t Told) Letter {
	name, said := t.team()
	return t.happened(t.letter(name+" was deleted", t.named("by", "Somebody")+" deleted "+said+" at "+t.host()+", to which you belonged. It had no project any more. What you did there stays in the records."),
		do("If you did not expect this, ask them."))
}

// JoinRequested tells those who decide that somebody asks to be let into a project.
func JoinRequested(t Told) Letter {
	who := t.named("by", "Somebody")
	if of := t.value("who"); of != "" {
		who += ", " + of + ","
	}
	m := t.letter(t.named("by", "Somebody")+" asks to join "+t.named("project", "a project"), who+" asks to be let into "+t.project()+" at "+t.host()+".")
	for _, f := range []ui.Pair{{Name: "Address", Value: t.value("address")}, {Name: "Reason", Value: t.value("reason")}, {Name: "For hours", Value: t.value("hours")}} {
		if f.Value != "" {
			m.Facts = append(m.Facts, f)
		}
	}
	m.Button = ui.Link{Label: "Decide", URL: t.Link}
	if t.value("organization") != "" {
		m.Said = append(m.Said, "Nobody in it manages its people at present. You are a member of its organization, "+t.named("organization", "")+": you can join it as an administrator, and then decide.")
		m.Button.Label = "Join the project"
	}
	if end := t.moment("expires", t.Until); end != "" {
		m.Note = "The request ends by itself on " + end + "."
	}
	m.Advice = []ui.Link{do("If you do nothing, nobody gets in.")}
	return m
}

// JoinApproved tells that a person was let into a project.
func JoinApproved(t Told) Letter {
	said := t.named("by", "Somebody") + " let you into " + t.project() + " at " + t.host()
	if role := t.value("role"); role != "" {
		said += ", as " + role
	}
	said += "."
	m := t.letter("You may enter "+t.named("project", "a project"), said)
	if end := t.moment("expires", time.Time{}); end != "" {
		m.Said = append(m.Said, "You are out again by yourself on "+end+".")
	}
	m.Button = ui.Link{Label: "Open the project", URL: t.Link}
	return m
}

// JoinRejected tells that a person was not let into a project.
func JoinRejected(t Told) Letter {
	m := t.happened(t.letter("You were not let into "+t.named("project", "a project"), t.named("by", "Somebody")+" rejected your request to join "+t.project()+" at "+t.host()+"."),
		do("If you need it all the same, ask them."))
	if reason := t.value("reason"); reason != "" {
		m.Facts = append(m.Facts, ui.Pair{Name: "Reason", Value: reason})
	}
	return m
}

// JoinClosed tells that nobody decides any more on a request to join a project.
func JoinClosed(t Told) Letter {
	said := "Your request to join " + t.project() + " at " + t.host() + " was closed: "
	switch {
	case t.value("ended") == "moved":
		said += t.named("by", "somebody") + " moved the project to another organization. If you need it all the same and may ask there, ask again."
	case t.value("ended") == "right":
		said += "you do not have the right any more by which you asked."
	case t.value("expired") != "":
		said += "the time of the project was over, so it was deleted."
	default:
		said += t.named("by", "somebody") + " deleted the project."
	}
	return t.happened(t.letter("Your request to join "+t.named("project", "a project")+" was closed", said), do("Nobody decides on it any more. There is nothing to do."))
}

// ProjectExpires tells that the time of a project is over soon.
func ProjectExpires(t Told) Letter {
	said := "The time of " + t.projectOf() + " at " + t.host() + ", in which you are, is over soon."
	if end := t.moment("expires", time.Time{}); end != "" {
		said = "The time of " + t.projectOf() + " at " + t.host() + ", in which you are, is over on " + end + "."
	}
	m := t.letter("The time of "+t.named("project", "a project")+" is over soon", said,
		"Then it is deleted: nobody can enter it any more, and what runs in it stops. A super admin can bring it back for some weeks. After that its data is purged for good.")
	m = t.opens(m)
	m.Advice = []ui.Link{do("If it is still needed, ask the people who run this console for more time.")}
	return m
}

// ProjectDeleted tells that a project was deleted.
func ProjectDeleted(t Told) Letter {
	said := t.named("by", "Somebody") + " deleted " + t.projectOf() + " at " + t.host() + ", in which you are."
	if t.value("expired") != "" {
		said = "The time of " + t.projectOf() + " at " + t.host() + ", in which you are, is over. So it was deleted."
	}
	m := t.letter(t.named("project", "A project")+" was deleted", said+" Nobody can enter it any more, and what ran in it was stopped.")
	if until := t.moment("until", time.Time{}); until != "" {
		m.Said = append(m.Said, "A super admin can bring it back as it was, until "+until+". Then its data is purged for good.")
	}
	return t.happened(m, do("If you still need it, ask the people who run this console in time."))
}

// ProjectRestored tells that a project is back that was deleted.
func ProjectRestored(t Told) Letter {
	m := t.letter(t.named("project", "A project")+" is back", t.named("by", "Somebody")+" brought "+t.projectOf()+" at "+t.host()+" back, which was deleted. You are in it as before. What ran in it when it was deleted has to be started again.")
	if end := t.moment("expires", time.Time{}); end != "" {
		m.Said = append(m.Said, "Its time is over on "+end+".")
	}
	return t.happened(t.opens(m))
}

// ProjectDisabled tells that a project was closed for a while, and why.
func ProjectDisabled(t Told) Letter {
	m := t.happened(t.letter(t.named("project", "A project")+" was disabled", t.named("by", "Somebody")+" disabled "+t.projectOf()+" at "+t.host()+", in which you are. Nobody can enter it, and what ran in it was stopped. Its data is kept, and a super admin can enable it again."),
		do("If you need it, ask the people who run this console."))
	for _, f := range []ui.Pair{{Name: "Reason", Value: t.value("reason")}, {Name: "Expected back on", Value: t.value("back")}} {
		if f.Value != "" {
			m.Facts = append(m.Facts, f)
		}
	}
	return m
}

// ProjectEnabled tells that a project is open again that was disabled.
func ProjectEnabled(t Told) Letter {
	return t.happened(t.opens(t.letter(t.named("project", "A project")+" is open again", t.named("by", "Somebody")+" enabled "+t.projectOf()+" at "+t.host()+" again, which was disabled. You are in it as before. What ran in it when it was disabled has to be started again.")))
}

// ProjectMoved tells that a project is in another organization. The members of one that lost it to
// nobody of its own read that they can take it back.
func ProjectMoved(t Told) Letter {
	title, said := " was moved", t.named("by", "Somebody")+" moved "+t.project()+" at "+t.host()+" to another organization."
	if t.value("back") != "" {
		title, said = " was taken back", t.named("by", "Somebody")+" took "+t.project()+" at "+t.host()+" back into the organization out of which it had been moved."
	}
	kept := " Its data, and the roles in it that people were given, are as they were."
	if t.value("returns") != "" {
		kept = " Its data is as it was. Who came into it since that organization had lost it, and does not belong to it, is out of it; everybody else has the role that they had then."
	}
	m := t.happened(t.letter(t.named("project", "A project")+title, said+kept+" The members of the organization that it is in now may join it, and manage its people."), do("If you did not expect this, ask them."))
	if until := t.moment("until", time.Time{}); until != "" {
		m.Said = append(m.Said, "It was moved by somebody who does not belong to the organization that it was in, as you do. You can take it back until "+until+".")
		m.Button = ui.Link{Label: "See what taking it back means", URL: t.Link}
	}
	for _, f := range []ui.Pair{{Name: "From", Value: t.value("from")}, {Name: "To", Value: t.value("to")}} {
		if f.Value != "" {
			m.Facts = append(m.Facts, f)
		}
	}
	return m
}

// ProjectVisited tells those who manage the people of a project that somebody from above its
// organization let themselves in.
func ProjectVisited(t Told) Letter {
	who := t.named("by", "Somebody")
	if of := t.value("who"); of != "" {
		who += ", " + of + ","
	}
	m := t.happened(t.letter(t.named("by", "Somebody")+" is in "+t.named("project", "a project"), who+" joined "+t.project()+" at "+t.host()+" by themselves, as its organization lets them."),
		do("If this should not be, remove them, and have the members of the organization switch off that others join by themselves."))
	m.Button = ui.Link{Label: "See who is in it", URL: t.Link}
	if of := t.value("organization"); of != "" {
		m.Said = append(m.Said, "Nobody in it manages its people at present; as a member of its organization, "+of+", you do.")
	}
	for _, f := range []ui.Pair{{Name: "Address", Value: t.value("address")}, {Name: "Reason", Value: t.value("reason")}, {Name: "Until", Value: t.moment("until", time.Time{})}} {
		if f.Value != "" {
			m.Facts = append(m.Facts, f)
		}
	}
	return m
}

// MoreWanted tells super admins that the people of a project ask for more of it.
func MoreWanted(t Told) Letter {
	m := t.letter(t.named("project", "A project")+" asks for "+t.named("for", "more"), t.named("by", "Somebody")+" asks for "+t.named("for", "more")+" for "+t.project()+" at "+t.host()+".")
	for _, f := range []ui.Pair{{Name: "Address", Value: t.value("address")}, {Name: "What, and why", Value: t.value("text")}} {
		if f.Value != "" {
			m.Facts = append(m.Facts, f)
		}
	}
	m.Button = ui.Link{Label: "Open the project's administration", URL: t.Link}
	m.Advice = []ui.Link{do("Whatever you decide, tell them: only what you change reaches them by itself.")}
	return m
}
