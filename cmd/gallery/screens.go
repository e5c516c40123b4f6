package main

import (
	"net/http"
	"slices"

	"github.com/a-h/templ"
)

// Screen is one screen in one condition.
type Screen struct {
	Name      string // its address in the gallery
	Title     string
	Status    int // the status it is served with
	Component templ.Component
}

// Screens lists all screens: each as it usually is, then empty, with faults, and with much or long content.
func Screens() []Screen {
	return slices.Concat(accountScreens(), tenancyScreens(), bucketScreens(), loadScreens(), jobScreens(), tableScreens(), changeScreens(), historyScreens(), trashScreens(), mailboxScreens(), peopleScreens(), teamScreens(), accessScreens(), lifeScreens(), auditScreens(), adminScreens(), errorScreens())
}

func ok(name, title string, c templ.Component) Screen {
	return Screen{Name: name, Title: title, Status: http.StatusOK, Component: c}
}

func refused(name, title string, c templ.Component) Screen {
	return Screen{Name: name, Title: title, Status: http.StatusUnprocessableEntity, Component: c}
}
