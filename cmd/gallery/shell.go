package main

import (
	"time"

	"steward/views/layout"
	"steward/views/ui"
)

const (
	project = 1042
	longID  = "out.c-customer-segments-weekly-export-for-partners"
	long    = "consents_with_full_history_since_the_migration_from_the_old_system"
	longest = "Lieferantenbewertungsübersichtstabelle_nach_Warengruppen_und_Regionen_einschließlich_aller_historischen_Werte_vor_der_Umstellung_des_Warenwirtschaftssystems_im_Jahr_2019_mit_Anmerkungen_der_Einkaufsabteilung_und_des_Qualitätsmanagements_sowie_den_freigegebenen_Korrekturen_aus_der_letzten_Prüfung_im_Q4"
)

var (
	hana    = ui.Who{Name: "Hana Dvořáková"}
	marcus  = ui.Who{Name: "Marcus Oyelaran"}
	loader  = ui.Who{Name: "Nightly loader", Kind: "token"}
	partner = ui.Who{Name: "Partner Labs weekly delivery of stock levels and price lists", Kind: "token"}
	system  = ui.Who{Name: "System", Kind: "auto"}
)

// account shell: outside of projects.
func outside() layout.Shell {
	return layout.Shell{
		Person:     layout.Person{Name: "Hana Dvořáková", Email: "hana.dvorakova@northwind.example"},
		Nav:        layout.AccountNav(false),
		Projects:   switchable(),
		Path:       "/",
		ThemeKey:   "k3",
		SignOutKey: "k4",
	}
}

// inside is the shell of the sample project.
func inside() layout.Shell {
	s := outside()
	s.Project, s.AllProjects = switchable()[0], "214"
	s.Nav = layout.ProjectNav(project)
	s.Path = "/projects/1042"
	return s
}

func switchable() []layout.Project {
	return []layout.Project{
		{Name: "Retail analytics", Organization: "Northwind Foods", URL: "/projects/1042"},
		{Name: "Supply chain", Organization: "Northwind Foods", URL: "/projects/1043"},
		{Name: "Finance sandbox for the month end of all regions", Organization: "Northwind Foods", URL: "/projects/1051"},
	}
}

// prague is a zone with a name, without asking the machine for its zones.
func prague() *time.Location { return time.FixedZone("CET", 3600) }

func now() time.Time { return time.Date(2026, 11, 21, 22, 45, 0, 0, prague()) }

// ago is a moment for a list.
func ago(d time.Duration) ui.Time { return ui.When(now().Add(-d), prague(), now()) }

func exact(d time.Duration) ui.Time { return ui.Exact(now().Add(-d), prague()) }

const day = 24 * time.Hour
