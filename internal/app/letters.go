package app

import (
	"fmt"
	"time"

	"steward/internal/mail"
	view "steward/views/mail"
)

// letters is the map of mails: which kind is written by what.
func letters() map[mail.Kind]func(view.Told) view.Letter {
	return map[mail.Kind]func(view.Told) view.Letter{
		// Getting in
		mail.Activate:        view.Activate,
		mail.ActivateSoon:    view.ActivateSoon,
		mail.FactorLost:      view.FactorLost,
		mail.ResetPassword:   view.ResetPassword,
		mail.ResetByAdmin:    view.ResetByAdmin,
		mail.IdentityConfirm: view.IdentityConfirm,

		// What happened to an account
		mail.PasswordChanged:  view.PasswordChanged,
		mail.NewDevice:        view.NewDevice,
		mail.SignInAttempts:   view.SignInAttempts,
		mail.FactorEnabled:    view.FactorEnabled,
		mail.FactorDisabled:   view.FactorDisabled,
		mail.FactorLocked:     view.FactorLocked,
		mail.RecoveryCodesNew: view.RecoveryCodesNew,
		mail.RecoveryCodeUsed: view.RecoveryCodeUsed,
		mail.IdentityLinked:   view.IdentityLinked,
		mail.IdentityUnlinked: view.IdentityUnlinked,
		mail.IdentityRefused:  view.IdentityRefused,
		mail.SessionsEnded:    view.SessionsEnded,
		mail.AccountDisabled:  view.AccountDisabled,
		mail.AccountEnabled:   view.AccountEnabled,
		mail.SupportEnded:     view.SupportEnded,

		// What becomes of one's place in a project
		mail.ProjectWelcome:    view.ProjectWelcome,
		mail.ProjectInvitation: view.ProjectInvitation,
		mail.FactorWanted:      view.FactorWanted,
		mail.RoleChanged:       view.RoleChanged,
		mail.LastDayChanged:    view.LastDayChanged,
		mail.MemberRemoved:     view.MemberRemoved,
		mail.MembershipEnded:   view.MembershipEnded,
		mail.JoinRequested:     view.JoinRequested,
		mail.JoinApproved:      view.JoinApproved,
		mail.JoinRejected:      view.JoinRejected,
		mail.JoinClosed:        view.JoinClosed,

		// What becomes of one's place in an organization or maintainer
		mail.FactorDemanded: view.FactorDemanded,
		mail.TeamWelcome:    view.TeamWelcome,
		mail.TeamInvitation: view.TeamInvitation,
		mail.TeamRemoved:    view.TeamRemoved,
		mail.TeamJoined:     view.TeamJoined,
		mail.TeamDeleted:    view.TeamDeleted,

		// What becomes of a project
		mail.ProjectExpires:  view.ProjectExpires,
		mail.ProjectDeleted:  view.ProjectDeleted,
		mail.ProjectRestored: view.ProjectRestored,
		mail.ProjectDisabled: view.ProjectDisabled,
		mail.ProjectEnabled:  view.ProjectEnabled,
		mail.MoreWanted:      view.MoreWanted,
		mail.ProjectMoved:    view.ProjectMoved,
		mail.ProjectVisited:  view.ProjectVisited,
	}
}

// Letter is what a letter of this time says.
func (a *App) Letter(l mail.Letter, at time.Time) (view.Letter, error) {
	write := letters()[l.Kind]
	if write == nil {
		return view.Letter{}, fmt.Errorf("app: nothing writes letters of kind %q", l.Kind)
	}
	told := view.Told{Site: a.Config.PublicURL, Name: l.Name, At: at, Until: l.Until, Values: l.Values}
	if l.Path != "" {
		told.Link = a.Config.PublicURL + l.Path
	}
	return write(told), nil
}

// composed is a letter as it is sent.
func (a *App) composed(l mail.Letter, at time.Time) (mail.Content, error) {
	m, err := a.Letter(l, at)
	if err != nil {
		return mail.Content{}, err
	}
	html, err := m.HTML()
	return mail.Content{Subject: m.Subject, Text: m.Text(), HTML: html}, err
}
